"""Descriptions of transport by carriers at the Fermi surface beyond the Ohmic conductivity.  No JAX here."""

from __future__ import annotations

from blochflow.core.quantity import Quantity
from blochflow.core.units import BOLTZMANN, BOLTZMANN_EV, HBAR
from blochflow.response.catalog_intrinsic import DENSITY, NERNST_SI, ZONE_OPTIONS

# Peltier and heat conductivities of one dimension, in (A or W) m/K
CHAIN_UNITS = {
    "NATURAL": ((1.0, "e k_B a/hbar"), (1.0, "k_B E a/hbar")),
    "EV_ANGSTROM": ((NERNST_SI * 1e-10, "A m/K"), (NERNST_SI * 1e-10, "W m/K")),
}
LORENZ_UNITS = {"NATURAL": (1.0, "k_B^2/e^2"), "EV_ANGSTROM": (BOLTZMANN_EV**2, "V^2/K^2")}
# (k_B/e)^2 times the conductivity
POWER_FACTOR_UNITS = {
    ("NATURAL", 1): (1.0, "k_B^2 a/hbar"),
    ("NATURAL", 2): (1.0, "k_B^2/hbar"),
    ("NATURAL", 3): (1.0, "k_B^2/(hbar a)"),
    ("EV_ANGSTROM", 1): (BOLTZMANN**2 / HBAR * 1e-10, "W m/K^2"),
    ("EV_ANGSTROM", 2): (BOLTZMANN**2 / HBAR, "W/K^2"),
    ("EV_ANGSTROM", 3): (BOLTZMANN**2 / HBAR * 1e10, "W/(m K^2)"),
}

THERMOELECTRIC = Quantity(
    name="thermoelectric",
    title="Thermopower and the other coefficients of electrons in fields and temperature gradients",
    symbol="S_ab",
    equation="S = sigma^-1 alpha,  j = sigma E - alpha grad T,  kappa = kappa_0 - T alpha sigma^-1 alpha",
    references=("AshcroftMermin1976", "Xiao2006", "Qin2011"),
    units={
        (system, d): unit
        for system, unit in (("NATURAL", (1.0, "k_B/e")), ("EV_ANGSTROM", (BOLTZMANN_EV, "V/K")))
        for d in (1, 2, 3)
    },
    valid_for="linear response, relaxation-time approximation, hbar/tau below the level spacings at mu",
    not_included="vertex corrections beyond what tau stands for, phonon drag, extrinsic Hall effects, magnetic field",
    conventions="E = S grad T at j = 0, charge -e: electrons have S < 0; tau in hbar/E (NATURAL) or fs (EV_ANGSTROM)",
    options={
        "tau": 'relaxation time: a number, a scan, or a function tau(energy, band, k) as "file.py:function"',
        "intrinsic": "add the intrinsic Hall, Nernst and thermal Hall conductivities (default true; 2D and 3D)",
        **ZONE_OPTIONS,
        **DENSITY,
    },
    explanation=(
        "Carriers at the Fermi surface, driven by a field or a temperature gradient for a time tau, and the intrinsic "
        "currents across. The thermopower is what a voltmeter shows at zero current; the heat conductivity at zero "
        "current is smaller than the one at zero field by what the thermopower carries back. Beside them stand the "
        "Lorenz ratio, the power factor and the thermopower by Mott's rule."
    ),
)

TRANSPORT = (THERMOELECTRIC,)
