"""Descriptions of responses to a field in the presence of static disorder.  No JAX here."""

from __future__ import annotations

from blochflow.core.quantity import Quantity
from blochflow.response.catalog_intrinsic import HALL_UNITS

# Parts whose sum is the value, in the order of results, and what each is.
CONTRIBUTIONS = {
    "drude": "shift of the distribution by the field, limited by scattering",
    "intrinsic": "coherence between bands made by the field",
    "extrinsic_velocity": "coherence between bands made by scattering",
    "side_jump": "work of the field during collisions",
    "skew_scattering": "asymmetric rates of two collisions, Gaussian disorder",
    "third_cumulant": "asymmetric rates of three collisions with one impurity",
    "crossed": "pairs of impurities with crossed lines (X and Psi diagrams)",
}
PARTS_TEXT = ", ".join(CONTRIBUTIONS)
DISORDER_OPTIONS = {
    "disorder": 'table such as { kind = "white", strength = 0.1 }, "gaussian" (strength, length) or "coulomb" '
    "(density, dielectric, screening, and in two dimensions the distance of the charges from the plane), with "
    "third_cumulant and vertices (names of operators) where wanted",
}
SURFACE_OPTIONS = {
    "crossed": "add crossed diagrams: white noise, one vertex, two dimensions, T = 0 (default false)",
    "points": "points on every Fermi curve, a multiple of 8 (2D); default: doubled until the parts agree",
    "grid": "detection grid of the Fermi surface: one integer, or one per axis",
}
VALID = (
    "weak static disorder, hbar/tau below mu - E_edge and below the gaps at the Fermi surface, to leading order of "
    "every part"
)
LEFT_OUT = "crossed diagrams unless asked for, weak localization, spin-orbit coupling of the disorder itself"
CONVENTIONS = (
    "charge -e, field E_b; drude ~ 1/W, third_cumulant ~ kappa_3/W^2, all others independent of the strength W"
)
# a density per field, for an observable without unit
DENSITY_UNITS = {
    ("NATURAL", 2): (1.0, "e/(E a)"),
    ("NATURAL", 3): (1.0, "e/(E a^2)"),
    ("EV_ANGSTROM", 2): (1.0, "1/(V angstrom)"),
    ("EV_ANGSTROM", 3): (1.0, "1/(V angstrom^2)"),
}
SOURCES = ("Burgos2022", "Sinitsyn2007", "Sinitsyn2008")

DISORDERED_CONDUCTIVITY = Quantity(
    name="disordered_conductivity",
    title="Conductivity with side jump, skew scattering and all other parts to leading order in disorder",
    symbol="sigma_ab",
    equation="sigma_ab = sigma_int - e Int d eps (-f') sum_k delta(eps - eps_k) { tr[v_a (phi + phi_sj + phi_sk)]_b + "
    "tr[V_a X]_b }",
    references=(*SOURCES, "Ado2015"),
    units=HALL_UNITS,
    valid_for=VALID,
    not_included=LEFT_OUT,
    conventions=f"j_a = sigma_ab E_b; {CONVENTIONS}; side_jump_ab = -extrinsic_velocity_ba",
    options={**DISORDER_OPTIONS, **SURFACE_OPTIONS},
    explanation=(
        "The linearised Boltzmann equation is solved on the Fermi surface of the model for any static disorder. "
        f"The parts {PARTS_TEXT} stand beside the total. Extrinsic velocity is the current of the coherence between "
        "bands that collisions make, side jump what the field does during a collision, skew scattering the "
        "asymmetric rate of two collisions. The theory is the non-crossing approximation; diagrams with crossed "
        "impurity lines are of the same order, and for a massive Dirac cone far above its gap they cancel most of the "
        "Hall conductivity: 0.108 of 0.129 e^2/hbar at mu = 1, M = 0.3."
    ),
)

DISORDERED_OBSERVABLE = Quantity(
    name="disordered_observable",
    title="Density of an observable that a field drives in a disordered crystal",
    symbol="chi_ab",
    equation="<B_a> = chi_ab E_b,  chi = chi_int + Int d eps (-f') sum_k delta(eps - eps_k) { tr[B (phi + phi_sj + "
    "phi_sk)] + tr[B X] }",
    references=SOURCES,
    units=DENSITY_UNITS,
    valid_for=VALID,
    not_included=LEFT_OUT,
    conventions=f"units times those of the operator; {CONVENTIONS}",
    options={"operator": "name of an operator of the model", **DISORDER_OPTIONS, **SURFACE_OPTIONS},
    explanation=(
        "Any operator of the model in place of the velocity: the density per field of spin, layer or sublattice "
        "polarisation, with the same parts as the conductivity."
    ),
)

DISORDERED_SPIN_DENSITY = Quantity(
    name="disordered_spin_density",
    title="Spin density that a field drives in a disordered crystal (Edelstein effect and its corrections)",
    symbol="chi_ab",
    equation="<sigma_a> = chi_ab E_b, parts as for disordered_observable with B = sigma",
    references=(*SOURCES, "Manchon2019"),
    units=DENSITY_UNITS,
    valid_for=VALID,
    not_included=LEFT_OUT,
    conventions=f'density of the operator "spin" itself, Pauli matrices without hbar/2; {CONVENTIONS}',
    options={
        "spin": 'name of the operator of the model (default "spin")',
        **DISORDER_OPTIONS,
        **SURFACE_OPTIONS,
    },
    explanation=(
        "A current polarises spins where spin and velocity are locked. Parts even under reversal of the magnetization "
        "come from the shift of the distribution, odd ones from coherence between bands. For a Dirac cone "
        "v (k_x sigma_y - k_y sigma_x) the current is sigma_yx = e v <sigma_x>/E_x, term by term."
    ),
)

SPIN_ORBIT_TORQUE = Quantity(
    name="spin_orbit_torque",
    title="Spin-orbit torque on a magnetization",
    symbol="t_ab",
    equation="T_a = t_ab E_b,  T = m x <dH/dm>, parts as for disordered_observable with B = m x dH/dm",
    references=("Burgos2022", "Manchon2019"),
    units={
        ("NATURAL", 2): (1.0, "e/a"),
        ("NATURAL", 3): (1.0, "e/a^2"),
        ("EV_ANGSTROM", 2): (1.0, "e/angstrom"),
        ("EV_ANGSTROM", 3): (1.0, "e/angstrom^2"),
    },
    valid_for=VALID,
    not_included=LEFT_OUT,
    conventions=f"T acts on m, per volume; field-like ~ m x (z x E), damping-like ~ m x (m x (z x E)); {CONVENTIONS}",
    options={
        "magnetization": 'name of the parameter of the model that is the magnetization, three numbers (default "m")',
        **DISORDER_OPTIONS,
        **SURFACE_OPTIONS,
    },
    explanation=(
        "The spins that a current polarises turn the magnetization they couple to. The coupling is read off the model "
        "by differentiating H in the parameter m, whatever its form. Parts odd and even in m are given as `odd` "
        "(field-like: t(m) - t(-m)) and `even` (damping-like) from a second computation at -m."
    ),
)

# What `surface_distribution` returns; no task.
SURFACE_DISTRIBUTION = Quantity(
    name="surface_distribution",
    title="Distribution, side-jump velocity and scattering rate of the states on a Fermi surface",
    symbol="phi_b",
    equation="f = f0 + E.phi delta(eps - mu),  K phi = -e v,  K phi_sj = e beta,  K phi_sk = -J_sk[phi]",
    references=SOURCES,
    units={
        (system, d): (1.0, f"e {a}") for system, a in (("NATURAL", "a"), ("EV_ANGSTROM", "angstrom")) for d in (2, 3)
    },
    valid_for="T = 0, weak static disorder, non-crossing approximation",
    not_included="crossed diagrams; of degenerate bands only the trace",
    conventions=CONVENTIONS,
)

DISORDERED = (DISORDERED_CONDUCTIVITY, DISORDERED_OBSERVABLE, DISORDERED_SPIN_DENSITY, SPIN_ORBIT_TORQUE)
