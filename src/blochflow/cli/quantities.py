"""Quantities a job may ask for, with their static descriptions; needs no JAX.

Those of `blochflow.exact` are called ``exact.NAME``: some share their name with a response.
"""

from __future__ import annotations

from dataclasses import replace

from blochflow.core.quantity import Quantity
from blochflow.dynamics.catalog import PROPAGATE
from blochflow.dynamics.orbit_catalog import (
    BLOCH_OSCILLATION,
    CYCLOTRON_ORBITS,
    LANDAU_LEVELS,
    QUANTUM_OSCILLATIONS,
)
from blochflow.dynamics.orbit_catalog import QUANTITIES as ORBITS
from blochflow.exact.catalog import COMPARE, LATTICE_PACKET
from blochflow.exact.catalog import QUANTITIES as REFERENCES
from blochflow.exact.catalog_liouville import LIOUVILLE_EVOLUTION, LIOUVILLE_RESPONSE
from blochflow.models.catalog import BANDS, FERMI_SURFACE
from blochflow.nonadiabatic.catalog import HYBRID_BANDS
from blochflow.nonadiabatic.passage_catalog import (
    AVOIDED_CROSSING,
    BLOCH_ZENER,
    DIRAC_HALL_SUPPRESSION,
    LANDAU_ZENER,
    PASSAGES,
)
from blochflow.response.catalog import QUANTITIES
from blochflow.response.catalog_disorder import DISORDERED
from blochflow.response.catalog_field import FINITE_FIELD_CURRENT
from blochflow.response.catalog_symmetry import SYMMETRY_TABLE

EXACT = "exact."
PROFILE = f"{EXACT}current_profile"
LIOUVILLE = f"{EXACT}{LIOUVILLE_RESPONSE.name}"
EVOLUTION = f"{EXACT}{LIOUVILLE_EVOLUTION.name}"
PACKETS = tuple(f"{EXACT}{q.name}" for q in (LATTICE_PACKET, COMPARE))
# arguments other than (model, mu, temperature), and options without a default
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "bands": ("path",),
    "fermi_surface": ("mu",),
    HYBRID_BANDS.name: ("path", "electric_field"),
    "chemical_potential": ("density", "temperature"),
    "symmetry_table": (),
    EVOLUTION: ("mu", "temperature", "times"),
    PROPAGATE.name: (),
    CYCLOTRON_ORBITS.name: ("energy", "magnetic_field"),
    LANDAU_LEVELS.name: ("magnetic_field",),
    BLOCH_OSCILLATION.name: ("k", "electric_field"),
    LANDAU_ZENER.name: ("gap", "velocity", "electric_field"),
    AVOIDED_CROSSING.name: ("k", "electric_field"),
    BLOCH_ZENER.name: ("k", "electric_field"),
    DIRAC_HALL_SUPPRESSION.name: ("field",),
    **dict.fromkeys(PACKETS, ()),
}
REQUIRED = {
    "ohmic": ("tau",),
    "thermoelectric": ("tau",),
    "nonlocal_conductivity": ("tau",),
    "valley_hall": ("partition",),
    FINITE_FIELD_CURRENT.name: ("electric_field", "tau"),
    "disordered_conductivity": ("disorder",),
    "disordered_observable": ("disorder", "operator"),
    "disordered_spin_density": ("disorder",),
    "spin_orbit_torque": ("disorder",),
    **{f"{EXACT}{name}": ("p", "q") for name in ("grand_potential", "electron_density", "entropy")},
    PROFILE: ("width",),
    LIOUVILLE: ("tau",),
    EVOLUTION: ("electric_field",),
    PROPAGATE.name: ("times",),
    **dict.fromkeys(PACKETS, ("packet", "times", "sites")),
    QUANTUM_OSCILLATIONS.name: ("magnetic_field",),
}
# options of which at least one must be given
ONE_OF = {
    "magnetization_current": ("mu_gradient", "temperature_gradient"),
    PROPAGATE.name: ("packet", "ensemble"),
}
# of which only one may be given
EXCLUSIVE = (PROPAGATE.name,)
# no integral over the zone: no tolerance
WITHOUT_TOLERANCE = (
    BANDS.name,
    HYBRID_BANDS.name,
    FERMI_SURFACE.name,
    SYMMETRY_TABLE.name,
    *ORBITS,
    *PASSAGES,
    *PACKETS,
)
DESCRIPTIONS = {
    "mu": "chemical potential, in the energy unit of the model",
    "temperature": "temperature (K for models in eV, else in the energy unit of the model)",
    "density": "electrons per length, area or volume",
    "tolerance": "{ rtol, atol, max_evaluations, max_memory }: error <= max(atol, rtol * largest component)",
}


def all_quantities() -> dict[str, Quantity]:
    """Name -> description of everything a task may compute."""
    exact = (*REFERENCES.values(), LIOUVILLE_RESPONSE, LIOUVILLE_EVOLUTION, LATTICE_PACKET, COMPARE)
    references = {q.name: q for q in map(_named, exact)}
    others = {q.name: q for q in (BANDS, HYBRID_BANDS, FERMI_SURFACE, SYMMETRY_TABLE, PROPAGATE)}
    return {**QUANTITIES, **others, **ORBITS, **PASSAGES, **references}


def is_exact(quantity: str) -> bool:
    """True for quantum references that are sums over levels; they integrate over no zone of the model."""
    return quantity.startswith(EXACT) and not is_packet(quantity)


def is_packet(quantity: str) -> bool:
    """True for wave packets that evolve by the Schroedinger equation."""
    return quantity in PACKETS


def is_motion(quantity: str) -> bool:
    """True for trajectories, which integrate over time and not over the zone."""
    return quantity == PROPAGATE.name


def moves_packets(quantity: str) -> bool:
    """True for wave packets in motion, by a theory or exactly."""
    return is_motion(quantity) or is_packet(quantity)


def is_orbit(quantity: str) -> bool:
    """True for orbits, levels and oscillations in fields, which are curves and lines of k."""
    return quantity in ORBITS


def is_passage(quantity: str) -> bool:
    """True for passages between bands in a field, which are lines of k or closed forms."""
    return quantity in PASSAGES


def is_field(quantity: str) -> bool:
    """True for bands and currents at finite electric field, which models that vary in space have too."""
    return quantity in (HYBRID_BANDS.name, FINITE_FIELD_CURRENT.name)


def is_disordered(quantity: str) -> bool:
    """True for responses of disordered crystals, which live on Fermi surfaces."""
    return any(quantity == q.name for q in DISORDERED)


def arguments_of(quantity: str) -> tuple[str, ...]:
    """Arguments that must be given: those by position in the order of the function, then those by keyword."""
    return positional_of(quantity) + REQUIRED.get(quantity, ())


def positional_of(quantity: str) -> tuple[str, ...]:
    """Arguments by position after the model."""
    return ARGUMENTS.get(quantity, ("mu", "temperature"))


def describe_arguments(quantity: str) -> dict[str, str]:
    """Everything a task of this quantity may hold, with one line each."""
    described = all_quantities()[quantity]
    lines = {name: described.options.get(name, DESCRIPTIONS.get(name, "")) for name in arguments_of(quantity)}
    lines |= {name: text for name, text in described.options.items() if name not in lines}
    if quantity not in WITHOUT_TOLERANCE:
        lines.setdefault("tolerance", DESCRIPTIONS["tolerance"])
    return lines


def _named(quantity: Quantity) -> Quantity:
    """A reference under its name in jobs; a task cuts the ribbon of a current profile itself."""
    name = f"{EXACT}{quantity.name}"
    if name != PROFILE:
        return replace(quantity, name=name)
    options = {
        "width": "unit cells across the ribbon",
        "direction": "0 or 1: the lattice vector along which the ribbon runs (default 0)",
    }
    units = {(system, 2): unit for (system, _), unit in quantity.units.items()}
    return replace(quantity, name=name, options=options, units=units)
