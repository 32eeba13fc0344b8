"""Catalog of responses: what `blochflow explain`, `cite`, `init` and every result's attributes say.  No JAX here."""

from __future__ import annotations

from blochflow.core.quantity import Quantity
from blochflow.core.units import CONDUCTIVITY
from blochflow.response.catalog_disorder import DISORDERED
from blochflow.response.catalog_field import FIELD
from blochflow.response.catalog_intrinsic import DENSITY, HALL_UNITS, INTRINSIC, ZONE_OPTIONS
from blochflow.response.catalog_nonlinear import NONLINEAR
from blochflow.response.catalog_transport import TRANSPORT

GRID_OPTIONS = {**ZONE_OPTIONS, **DENSITY}

ANOMALOUS_HALL = Quantity(
    name="anomalous_hall",
    title="Intrinsic anomalous Hall conductivity",
    symbol="sigma_ab",
    equation="sigma_ab = -(e^2/hbar) Int d^dk/(2 pi)^d sum_n f_n Omega_n,ab",
    references=("Wang2006", "Xiao2010", "Nagaosa2010"),
    units=HALL_UNITS,
    valid_for="linear response, clean limit (hbar/tau below the gaps at the Fermi level), T >= 0",
    not_included="side jump and skew scattering",
    conventions="j_a = sigma_ab E_b, charge -e; Omega_ab = -2 Im<d_a u|d_b u>",
    options=GRID_OPTIONS,
    explanation=(
        "Occupied bands with Berry curvature Omega drive a current across the electric field, without scattering. "
        "The sum over occupied bands is evaluated in pair form: only pairs of one filled and one empty band enter, "
        "sum_n f_n Omega_n = sum_{n<m} (f_n - f_m) [-2 Im(V_a,nm V_b,mn)]/(E_n - E_m)^2, so that degeneracies among "
        "filled bands are harmless. With Wannier90 position matrices the curvature of the Wannier basis is included. "
        "A filled band of Chern number C in two dimensions gives sigma_xy = -C e^2/h."
    ),
)

ELECTRON_DENSITY = Quantity(
    name="electron_density",
    title="Electron density",
    symbol="n",
    equation="n = Int d^dk/(2 pi)^d sum_n f_n",
    references=("AshcroftMermin1976",),
    units={
        ("NATURAL", 1): (1.0, "1/a"),
        ("NATURAL", 2): (1.0, "1/a^2"),
        ("NATURAL", 3): (1.0, "1/a^3"),
        ("EV_ANGSTROM", 1): (1.0, "1/angstrom"),
        ("EV_ANGSTROM", 2): (1.0, "1/angstrom^2"),
        ("EV_ANGSTROM", 3): (1.0, "1/angstrom^3"),
    },
    valid_for="independent electrons, T >= 0; counts all bands of the model from the lowest",
    not_included="bands outside the model",
    conventions="number of electrons per length, area or volume, times spin_degeneracy",
    options=ZONE_OPTIONS,
    explanation="The number of electrons per volume in the bands of the model at chemical potential mu.",
)

DENSITY_OF_STATES = Quantity(
    name="density_of_states",
    title="Density of states at the chemical potential",
    symbol="D",
    equation="D = Int d^dk/(2 pi)^d sum_n -f'(E_n)",
    references=("AshcroftMermin1976",),
    units={
        (system, d): (1.0, f"1/({energy} {length}{'' if d == 1 else f'^{d}'})")
        for d in (1, 2, 3)
        for system, energy, length in (("NATURAL", "E", "a"), ("EV_ANGSTROM", "eV", "angstrom"))
    },
    valid_for="independent electrons; at T > 0 the thermally averaged density dn/dmu, at T = 0 the sharp one",
    not_included="bands outside the model",
    conventions="states per energy and length, area or volume, times spin_degeneracy; energies are given as mu",
    options=GRID_OPTIONS,
    explanation=(
        "The number of states per energy. At T = 0 it is the integral over the surface E_n(k) = mu of 1/|grad E_n|, "
        "which diverges at some energies where a velocity vanishes; there the error is infinite and the result not "
        "converged."
    ),
)

OHMIC = Quantity(
    name="ohmic",
    title="Ohmic conductivity in the relaxation-time approximation",
    symbol="sigma_ab",
    equation="sigma_ab = (e^2/hbar^2) Int d^dk/(2 pi)^d sum_n tau_n (-f'_n) d_a E_n d_b E_n",
    references=("AshcroftMermin1976",),
    units=CONDUCTIVITY,
    valid_for="linear response, relaxation-time approximation, hbar/tau below the level spacings at mu",
    not_included="interband (intrinsic) parts, vertex corrections beyond what tau stands for, magnetic field",
    conventions="j_a = sigma_ab E_b; tau in hbar/E (NATURAL) or fs (EV_ANGSTROM)",
    options={
        "tau": 'relaxation time: a number, a scan, or a function tau(energy, band, k) as "file.py:function"',
        **ZONE_OPTIONS,
        **DENSITY,
    },
    explanation=(
        "Carriers at the Fermi surface, accelerated by the field for a time tau. Only the velocities of the bands at "
        "mu enter; touching bands enter with the trace over their group. tau may be a function of energy, band and k "
        "that uses jax.numpy."
    ),
)

CHEMICAL_POTENTIAL = Quantity(
    name="chemical_potential",
    title="Chemical potential at given electron density",
    symbol="mu",
    equation="n = Int d^dk/(2 pi)^d sum_n f_n(mu)",
    references=("AshcroftMermin1976",),
    units={(system, d): (1.0, unit) for d in (1, 2, 3) for system, unit in (("NATURAL", "E"), ("EV_ANGSTROM", "eV"))},
    valid_for="independent electrons, T >= 0; in a gap at T = 0 the middle of the gap is returned",
    not_included="bands outside the model",
    conventions="energies as in the model",
    options=ZONE_OPTIONS,
    explanation=(
        "Brackets mu by the density, integrated at several mu at once: the error of mu follows from the error of the "
        "density. Insulators and warm metals use the energies of uniform grids. The tolerance is relative to the "
        "width of the whole spectrum."
    ),
)

EQUILIBRIUM = (ANOMALOUS_HALL, ELECTRON_DENSITY, DENSITY_OF_STATES, OHMIC, CHEMICAL_POTENTIAL)
QUANTITIES = {q.name: q for q in (*EQUILIBRIUM, *INTRINSIC, *TRANSPORT, *FIELD, *NONLINEAR, *DISORDERED)}
