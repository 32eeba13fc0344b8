"""Descriptions of dipoles of band geometry, quadratic and nonlocal conductivities.  No JAX here."""

from __future__ import annotations

from blochflow.core.quantity import Quantity
from blochflow.core.units import CONDUCTANCE_HBAR_SI, QUADRATIC_CONDUCTIVITY
from blochflow.response.catalog_intrinsic import DENSITY, ZONE_OPTIONS

DIPOLE_UNITS = {
    ("NATURAL", 2): (1.0, "a"),
    ("NATURAL", 3): (1.0, "1"),
    ("EV_ANGSTROM", 2): (1.0, "angstrom"),
    ("EV_ANGSTROM", 3): (1.0, "1"),
}
PLAIN_METRIC_UNITS = {**DIPOLE_UNITS, ("NATURAL", 1): (1.0, "a^2"), ("EV_ANGSTROM", 1): (1.0, "angstrom^2")}
METRIC_UNITS = {
    ("NATURAL", 1): (1.0, "a^2/E"),
    ("NATURAL", 2): (1.0, "a/E"),
    ("NATURAL", 3): (1.0, "1/E"),
    ("EV_ANGSTROM", 1): (1.0, "angstrom^2/eV"),
    ("EV_ANGSTROM", 2): (1.0, "angstrom/eV"),
    ("EV_ANGSTROM", 3): (1.0, "1/eV"),
}
# e^2/hbar times length^(3-d)
NONLOCAL_UNITS = {
    ("NATURAL", 1): (1.0, "e^2 a^2/hbar"),
    ("NATURAL", 2): (1.0, "e^2 a/hbar"),
    ("NATURAL", 3): (1.0, "e^2/hbar"),
    ("EV_ANGSTROM", 1): (CONDUCTANCE_HBAR_SI * 1e-20, "S m^2"),
    ("EV_ANGSTROM", 2): (CONDUCTANCE_HBAR_SI * 1e-10, "S m"),
    ("EV_ANGSTROM", 3): (CONDUCTANCE_HBAR_SI, "S"),
}
TAU = "relaxation time: a number or a scan, in hbar/E (NATURAL) or fs (EV_ANGSTROM)"
MODELS_OF_RELAXATION = '"bare" (default), "local", "uniform", "intraband" or "clean"'

BERRY_CURVATURE_DIPOLE = Quantity(
    name="berry_curvature_dipole",
    title="Berry curvature dipole",
    symbol="D_a;bc",
    equation="D_a;bc = Int d^dk/(2 pi)^d sum_n f_n d_a Omega_n,bc = -Int sum_n f'_n d_a E_n Omega_n,bc",
    references=("SodemannFu2015",),
    units=DIPOLE_UNITS,
    valid_for="T >= 0; T = 0 needs the rule cells",
    not_included="bands outside the model; curvature between bands that coincide at every k",
    conventions="Omega_ab = -2 Im<d_a u|d_b u>; index a is the derivative; in two dimensions D_a = D_a;xy",
    options={**ZONE_OPTIONS, **DENSITY},
    explanation=(
        "How unevenly Berry curvature is spread over the Fermi surface. It gives a Hall current that is quadratic in "
        "the field and proportional to the relaxation time, in crystals with time reversal but without inversion "
        "symmetry: sigma_a;bc = (e^3 tau/hbar^2) (D_c;ab + D_b;ac)/2."
    ),
)

QUANTUM_METRIC_DIPOLE = Quantity(
    name="quantum_metric_dipole",
    title="Quantum metric dipole",
    symbol="D_a;bc",
    equation="D_a;bc = Int d^dk/(2 pi)^d sum_n f_n d_a T_n,bc,  T_n,bc = 2 sum_m Re(A_nm,b A_mn,c)/(E_m - E_n)",
    references=("Gao2014", "Kaplan2024"),
    units=METRIC_UNITS,
    valid_for="T >= 0; T = 0 needs the rule cells",
    not_included="bands outside the model; metric between bands that coincide at every k",
    conventions="T = -G of the Berry connection polarizability; index a is the derivative",
    options={
        "metric": '"band_normalised" (default), or "plain" for the quantum metric g without energies',
        **ZONE_OPTIONS,
        **DENSITY,
    },
    explanation=(
        "How unevenly the polarizability of Bloch states is spread over the Fermi surface. It gives the part of the "
        "quadratic current that does not depend on the relaxation time, in crystals without time reversal and "
        "inversion; their product leaves it as the only intrinsic one. In the literature the name stands for the "
        "metric divided by gaps; the plain metric enters nonlocal conductivities."
    ),
)

NONLINEAR_CONDUCTIVITY = Quantity(
    name="nonlinear_conductivity",
    title="Conductivity quadratic in the electric field",
    symbol="sigma_a;bc",
    equation="sigma_a;bc = -(e^3/hbar^3) {1/(Z2 Z12)} Int f d_a d_b d_c E + (e^3/hbar^2) {(1/Z2) D_c;ab} + (e^3/hbar) "
    "{c1 D_a[T_bc] + c2 D_c[T_ab] + c3 Y_a^bc},  Z = 1/tau - i w",
    references=("SodemannFu2015", "Gao2014", "Kaplan2024"),
    units=QUADRATIC_CONDUCTIVITY,
    valid_for="k_B T or hbar/tau and hbar w below the gaps at mu; fields e E |A| below them; constant tau",
    not_included="extrinsic side jump and skew scattering; transitions between bands (shift and injection currents)",
    conventions="j_a = sigma_a;bc E_b E_c at w = 0, charge -e; fields exp(-i w t), sigma symmetric under (b, w1) <-> "
    "(c, w2); E = Re(E e^-iwt) gives j_0 = Re[sigma(w, -w) E E*]/2 and j_2w = sigma(w, w) E E/2",
    options={
        "tau": f"{TAU}; left out for the relaxation clean",
        "frequencies": "photon energies hbar w1, hbar w2 in the energy unit of the model (default [0, 0]), or pairs",
        "relaxation": f"what collisions relax to: {MODELS_OF_RELAXATION}, or a list of them",
        **ZONE_OPTIONS,
        **DENSITY,
    },
    explanation=(
        "The current quadratic in a uniform field: the Drude part from the skewness of the bands (tau^2), the part of "
        "the Berry curvature dipole (tau) and the part of the quantum metric (tau^0). The last depends on what the "
        "collisions relax the electrons to, which is why it differs between papers: every result names its model of "
        "relaxation. Static fields, rectification (w, -w), second harmonic (w, w) and any two frequencies."
    ),
)

NONLOCAL_CONDUCTIVITY = Quantity(
    name="nonlocal_conductivity",
    title="Conductivity at first order in the wave vector of the field",
    symbol="chi_a;bc",
    equation="j_a = sigma_ac E_c + chi_a;bc d_b E_c,  chi_a;bc = -(e^2/2) M_a;bc(w + i/tau),  M_a;bc(z) = sym_bc Int "
    "tr[d_a H R_z {d_b H, R_z d_c rho_0}]",
    references=("LapaHughes2019", "Gao2019"),
    units=NONLOCAL_UNITS,
    valid_for="longitudinal fields E = -grad phi with |q| v below hbar|w + i/tau|, below the gaps; constant tau",
    not_included="transverse fields (optical activity), vertex corrections",
    conventions="fields exp(i q x - i w t): sigma(q) = sigma + i q_b chi_a;bc; symmetric in (b, c), charge -e",
    options={
        "tau": TAU,
        "frequency": "photon energy hbar w in the energy unit of the model (default 0), or a scan",
        "relaxation": '"uniform" (default), "occupations" or "mermin"',
        **ZONE_OPTIONS,
        **DENSITY,
    },
    explanation=(
        "The current driven by a gradient of the electric field. Its parts are the kinetic one (m2), the curl of the "
        "orbital moments of drifting electrons (m1), the flow of the quantum metric (band), the curl of the "
        "magnetization that the field induces (curl), and what is left at finite frequency (interband). Only the "
        "totally symmetric part is free of circulating currents. The value is one integral, smooth where bands "
        "touch; the parts diverge there and have errors of their own."
    ),
)

NONLINEAR = (BERRY_CURVATURE_DIPOLE, QUANTUM_METRIC_DIPOLE, NONLINEAR_CONDUCTIVITY, NONLOCAL_CONDUCTIVITY)
