"""Catalog of the density-matrix references.  No JAX here."""

from __future__ import annotations

from blochflow.core.quantity import Quantity
from blochflow.core.units import CONDUCTANCE_HBAR_SI, CONDUCTIVITY, QUADRATIC_CONDUCTIVITY

TAU = "relaxation time, in hbar/E (NATURAL) or fs (EV_ANGSTROM)"

LIOUVILLE_RESPONSE = Quantity(
    name="liouville_response",
    title="Quadratic conductivity from the density matrix, without adiabatic expansion",
    symbol="sigma_a;bc",
    equation="d_t rho = -(i/hbar) [H + e E.r, rho] - (rho - rho_t)/tau to second order in E, j = -e Int tr(V rho)/hbar",
    references=("Aversa1995",),
    units=QUADRATIC_CONDUCTIVITY,
    valid_for="uniform fields, T > 0, any hbar/(tau gap)",
    not_included="vertex corrections beyond the model of relaxation",
    conventions="as nonlinear_conductivity: j_a = sigma_a;bc E_b E_c, charge -e, fields exp(-i w t)",
    options={
        "tau": f"{TAU}, or a scan; for clean the time in which the field grows",
        "frequencies": "photon energies (w1, w2) in the energy unit of the model (default [0, 0]), or pairs; a number "
        "or a scan for order 1",
        "order": "1 or 2 (default 2)",
        "relaxation": '"uniform" (default), "bare", "local", "intraband" or "clean", or a list of them',
    },
    explanation=(
        "The density matrix is perturbed by the field on a grid of k that is doubled until two grids agree. Coherence "
        "between bands is kept at every order, so that the difference from nonlinear_conductivity is what the "
        "semiclassical expansion in hbar/(tau gap) leaves out."
    ),
)

LINEAR_LIOUVILLE = Quantity(
    name="liouville_response",
    title="Conductivity from the density matrix, without adiabatic expansion",
    symbol="sigma_ab",
    equation="d_t rho = -(i/hbar) [H + e E.r, rho] - (rho - rho_t)/tau to first order in E, j = -e Int tr(V rho)/hbar",
    references=("Aversa1995",),
    units=CONDUCTIVITY,
    valid_for=LIOUVILLE_RESPONSE.valid_for,
    not_included=LIOUVILLE_RESPONSE.not_included,
    conventions="j_a = sigma_ab E_b, charge -e, fields exp(-i w t)",
    options=LIOUVILLE_RESPONSE.options,
    explanation=LIOUVILLE_RESPONSE.explanation,
)

LIOUVILLE_EVOLUTION = Quantity(
    name="liouville_evolution",
    title="Current of a crystal whose density matrix evolves in a finite field",
    symbol="j_a",
    equation="d_t rho = -(i/hbar) [H, rho] + (e/hbar) E.D rho - (rho - rho_0)/tau,  j = -e Int tr(V rho)/hbar",
    references=("Aversa1995",),
    units={
        ("NATURAL", 1): (1.0, "e E/hbar"),
        ("NATURAL", 2): (1.0, "e E/(hbar a)"),
        ("NATURAL", 3): (1.0, "e E/(hbar a^2)"),
        ("EV_ANGSTROM", 1): (CONDUCTANCE_HBAR_SI, "A"),
        ("EV_ANGSTROM", 2): (CONDUCTANCE_HBAR_SI * 1e10, "A/m"),
        ("EV_ANGSTROM", 3): (CONDUCTANCE_HBAR_SI * 1e20, "A/m^2"),
    },
    valid_for="uniform fields of any strength, T > 0",
    not_included="vertex corrections, fields that vary in space",
    conventions="charge -e, starts from equilibrium; D_a = d_a - i [A_a, .]",
    options={
        "times": "increasing times, the first at equilibrium: an array, a range or { start, stop, count }",
        "electric_field": 'a vector, or "file.py:function" of time',
        "tau": f"{TAU}; leave out for no relaxation",
        "relaxation": '"uniform" (default), or "intraband" for occupations alone, which needs tau',
    },
    explanation=(
        "The whole density matrix on a grid of k, in steps that alternate rotation by H with translation along the "
        "field. Interband tunnelling, Bloch oscillations and all orders in the field are in it."
    ),
)

QUANTITIES = {LIOUVILLE_RESPONSE.name: LIOUVILLE_RESPONSE}
