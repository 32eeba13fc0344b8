"""Descriptions of intrinsic responses: thermal, spin and valley Hall effects, magnetization.  No JAX here."""

from __future__ import annotations

import math

from blochflow.core.quantity import Quantity
from blochflow.core.units import BOLTZMANN, CONDUCTIVITY, ELEMENTARY_CHARGE, HBAR

# e k_B/hbar in A/K, and k_B eV/hbar in W/K: the same number
NERNST_SI = ELEMENTARY_CHARGE * BOLTZMANN / HBAR
# e eV/hbar in A
MAGNETIZATION_SI = ELEMENTARY_CHARGE**2 / HBAR
# e/hbar in 1/(T angstrom^2)
FLUX_DENSITY = ELEMENTARY_CHARGE / HBAR * 1e-20
PER_METRE = 1e10

RULE = 'how the zone is integrated: "auto" (default), "uniform", "cells", "shifted", "local" or "nested"'
ZONE_OPTIONS = {
    "rule": RULE,
    "symmetry": 'operations to use: "auto" (default, all that hold), false, or a list such as ["time_reversal"]',
    "seed": "seed of the random shifts of the rules shifted and local (default 0)",
    "grid": "points per axis of a fixed uniform grid (number or one per axis); leave out to refine automatically",
    "shift": "shift of a fixed `grid` in units of its spacing, in [0, 1) (default 0, centred on Gamma)",
}
DENSITY = {"density": "electrons per area or volume instead of mu"}
HALL_UNITS = {(system, d): unit for (system, d), unit in CONDUCTIVITY.items() if d > 1}

ANOMALOUS_NERNST = Quantity(
    name="anomalous_nernst",
    title="Intrinsic anomalous Nernst conductivity",
    symbol="alpha_ab",
    equation="alpha_ab = (e k_B/hbar) Int d^dk/(2 pi)^d sum_n s(E_n) Omega_n,ab",
    references=("Xiao2006", "Xiao2010"),
    units={
        ("NATURAL", 2): (1.0, "e k_B/hbar"),
        ("NATURAL", 3): (1.0, "e k_B/(hbar a)"),
        ("EV_ANGSTROM", 2): (NERNST_SI, "A/K"),
        ("EV_ANGSTROM", 3): (NERNST_SI * PER_METRE, "A/(K m)"),
    },
    valid_for="linear response, clean limit (hbar/tau below the gaps at the Fermi level); zero at T = 0",
    not_included="side jump and skew scattering, phonon drag",
    conventions="j_a = -alpha_ab d_b T, charge -e; s = -f ln f - (1-f) ln(1-f); Omega_ab = -2 Im<d_a u|d_b u>",
    options={**ZONE_OPTIONS, **DENSITY},
    explanation=(
        "A temperature gradient drives a transverse current of Bloch electrons with Berry curvature. The current "
        "that can be measured is the local one less the curl of the magnetization, which turns the temperature "
        "derivative of the magnetization into the entropy-weighted curvature; this subtraction is included. Beside "
        "the value stands Mott's rule, -(pi^2 k_B^2 T/3e) dsigma_ab/dmu at the same temperature: the two agree "
        "when sigma_ab is linear in mu over a few k_B T."
    ),
)

ANOMALOUS_THERMAL_HALL = Quantity(
    name="anomalous_thermal_hall",
    title="Intrinsic anomalous thermal Hall conductivity of electrons",
    symbol="kappa_ab",
    equation="kappa_ab = -(k_B^2 T/hbar) Int d^dk/(2 pi)^d sum_n c_2(x_n) Omega_n,ab,  x = (E - mu)/k_B T",
    references=("Qin2011", "Xiao2010"),
    units={
        ("NATURAL", 2): (1.0, "k_B E/hbar"),
        ("NATURAL", 3): (1.0, "k_B E/(hbar a)"),
        ("EV_ANGSTROM", 2): (NERNST_SI, "W/K"),
        ("EV_ANGSTROM", 3): (NERNST_SI * PER_METRE, "W/(K m)"),
    },
    valid_for="linear response, clean limit; no correction for open-circuit conditions (see thermoelectric)",
    not_included="side jump and skew scattering, phonons",
    conventions="j_Q,a = -kappa_ab d_b T; c_2(x) = Int_x^inf t^2 (-df/dt) dt",
    options={**ZONE_OPTIONS, **DENSITY},
    explanation=(
        "The heat carried across a temperature gradient by electrons with Berry curvature, with the "
        "energy-magnetization currents subtracted (without them the result would diverge as T goes to zero). "
        "Beside the value stands the Wiedemann-Franz law, (pi^2 k_B^2 T/3e^2) sigma_ab at the same temperature."
    ),
)

ORBITAL_MAGNETIZATION = Quantity(
    name="orbital_magnetization",
    title="Orbital magnetization",
    symbol="M_ab",
    equation="M_ab = Int d^dk/(2 pi)^d sum_n [f_n m_n,ab + (e/hbar) g_n Omega_n,ab],  "
    "g = k_B T ln(1 + e^((mu - E)/k_B T))",
    references=("Xiao2005", "Thonhauser2005", "Shi2007"),
    units={
        ("NATURAL", 2): (1.0, "e E/hbar"),
        ("NATURAL", 3): (1.0, "e E/(hbar a)"),
        ("EV_ANGSTROM", 2): (MAGNETIZATION_SI, "A"),
        ("EV_ANGSTROM", 3): (MAGNETIZATION_SI * PER_METRE, "A/m"),
    },
    valid_for="independent electrons, zero field, T >= 0; tight-binding currents between the orbitals of the model",
    not_included="spin magnetization, circulation inside the orbitals, bands outside the model",
    conventions="M_ab = eps_abc M_c, in 2D M_xy = M_z; M = -(1/V) d Phi/dB; energy of a moment -m.B, charge -e",
    options={**ZONE_OPTIONS, **DENSITY},
    explanation=(
        "Minus the derivative of the grand potential with respect to a magnetic field. It has two parts: the "
        "moments of occupied states, and a term of the Berry curvature from the change of the phase-space density, "
        "which in an insulator is carried by edge states. Only the sum, and only summed over touching bands, is "
        "measurable; it is evaluated in a form in which pairs of filled bands cancel. In a gap dM/dmu = e C/(2 pi "
        "hbar) at T = 0."
    ),
)

STREDA = Quantity(
    name="streda",
    title="Change of the electron density with a magnetic field (Streda)",
    symbol="dn/dB_ab",
    equation="dn/dB = dM/dmu = (e/hbar) Int d^dk/(2 pi)^d sum_n f_n Omega_n + Int sum_n m_n (-f'_n)",
    references=("Streda1982", "Xiao2010"),
    units={
        ("NATURAL", 2): (1.0, "e/hbar"),
        ("NATURAL", 3): (1.0, "e/(hbar a)"),
        ("EV_ANGSTROM", 2): (FLUX_DENSITY, "1/(T angstrom^2)"),
        ("EV_ANGSTROM", 3): (FLUX_DENSITY, "1/(T angstrom^3)"),
    },
    valid_for="zero field, fixed mu and T; equals -sigma_ab/e only in a gap at T = 0, where the surface part vanishes",
    not_included="spin (Zeeman) response, circulation inside the orbitals",
    conventions="dn/dB_ab = eps_abc dn/dB_c, in 2D dn/dB_z; charge -e: sigma_ab = -e dn/dB in a gap",
    options={"part": '"total" (default) or "sea"', **ZONE_OPTIONS, **DENSITY},
    explanation=(
        "In a gap at zero temperature the Hall conductivity is -e dn/dB. In a metal the moments of electrons at "
        "the Fermi surface add a term of the same size, so that the Hall conductivity is given by the sea part "
        "alone and the measured dn/dB by the total. By a Maxwell relation the total is also dM/dmu."
    ),
)

MAGNETIZATION_CURRENT = Quantity(
    name="magnetization_current",
    title="Bound current of a magnetization that varies with mu or temperature",
    symbol="j_a",
    equation="j = curl M:  j_a = sum_b [ (dM_ab/dmu) d_b mu + (dM_ab/dT) d_b T ]",
    references=("Cooper1997", "Xiao2006"),
    units={
        ("NATURAL", 2): (1.0, "e E/(hbar a)"),
        ("NATURAL", 3): (1.0, "e E/(hbar a^2)"),
        ("EV_ANGSTROM", 2): (MAGNETIZATION_SI * PER_METRE, "A/m"),
        ("EV_ANGSTROM", 3): (MAGNETIZATION_SI * PER_METRE**2, "A/m^2"),
    },
    valid_for="profiles of mu and T that vary slowly; to be subtracted from local currents for transport",
    not_included="magnetization that varies because the crystal does",
    conventions="gradients of mu (energy per length) and of temperature (temperature per length); j of charge -e",
    options={
        "mu_gradient": "gradient of the chemical potential, one number per direction",
        "temperature_gradient": "gradient of the temperature, one number per direction",
        **ZONE_OPTIONS,
        **DENSITY,
    },
    explanation=(
        "A magnetization that varies in space carries a divergence-free current that no ammeter in a circuit sees. "
        "It is the difference between the local current and the transport current; transport coefficients such as "
        "the Nernst conductivity have it subtracted already."
    ),
)

SPIN_HALL = Quantity(
    name="spin_hall",
    title="Intrinsic spin Hall conductivity (conventional spin current)",
    symbol="sigma^s_ab",
    equation="sigma^s_ab = (e/hbar) Int d^dk/(2 pi)^d sum_n f_n Omega^s_n,ab,  "
    "Omega^s_n,ab = -2 Im sum_m <n|{s, V_a}/2|m><m|V_b|n>/(E_n - E_m)^2",
    references=("Sinova2015",),
    units={
        ("NATURAL", 2): (1.0, "e"),
        ("NATURAL", 3): (1.0, "e/a"),
        ("EV_ANGSTROM", 2): (1.0, "e"),
        ("EV_ANGSTROM", 3): (HALL_UNITS["EV_ANGSTROM", 3][0], "hbar S/(e cm)"),
    },
    valid_for="linear response, clean limit; a conserved current only where [s, H] = 0 (attribute `conserved`)",
    not_included="torque dipole density of non-conserved spin, side jump and skew scattering",
    conventions="j^s_a = sigma^s_ab E_b; s = operator/2, in units of hbar for Pauli matrices",
    options={"spin": 'name of the operator of the model (default "spin_z")', **ZONE_OPTIONS, **DENSITY},
    explanation=(
        "A field drives a transverse flow of spin without a flow of charge. Where the spin along the quantisation "
        "axis is conserved it is the difference of the Hall conductivities of the two spins, quantised in a gap; "
        "with spin-orbit coupling that mixes spins it is neither quantised nor the current of a conserved "
        "quantity."
    ),
)

VALLEY_HALL = Quantity(
    name="valley_hall",
    title="Hall conductivity of parts of the zone",
    symbol="sigma^v_ab",
    equation="sigma^v_ab = -(e^2/hbar) Int_v d^2k/(2 pi)^2 sum_n f_n Omega_n,ab,  v = a polygon of the zone",
    references=("Xiao2007", "Xiao2010"),
    units={("NATURAL", 2): (1.0, "e^2/hbar"), ("EV_ANGSTROM", 2): (2 * math.pi, "e^2/h")},
    valid_for="two dimensions, linear response, clean limit; well defined when the curvature vanishes on the polygons",
    not_included="scattering between valleys; the value depends on the partition",
    conventions="partition: name -> corners of a polygon in reduced coordinates; j_a = sigma_ab E_b",
    options={
        "partition": "table of names, each with the corners of a polygon in reduced coordinates",
        **DENSITY,
    },
    explanation=(
        "Where the Berry curvature is concentrated around valleys, the Hall currents of the valleys can be told "
        "apart. Curvature between the valleys makes the result depend on where the zone is cut: gapped graphene "
        "with a gap of a tenth of the hopping gives 0.46 e^2/h per valley, not 1/2."
    ),
)

INTRINSIC = (
    ANOMALOUS_NERNST,
    ANOMALOUS_THERMAL_HALL,
    ORBITAL_MAGNETIZATION,
    STREDA,
    MAGNETIZATION_CURRENT,
    SPIN_HALL,
    VALLEY_HALL,
)
