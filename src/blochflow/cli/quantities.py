"""Quantities a job may ask for, with their static descriptions; needs no JAX."""

from __future__ import annotations

from blochflow.core.quantity import Quantity
from blochflow.models.catalog import BANDS, FERMI_SURFACE
from blochflow.response.catalog import QUANTITIES

# arguments other than (model, mu, temperature), and options without a default
ARGUMENTS = {"bands": ("path",), "fermi_surface": ("mu",), "chemical_potential": ("density", "temperature")}
REQUIRED = {"ohmic": ("tau",)}
# exact at every wave vector: no tolerance
WITHOUT_TOLERANCE = (BANDS.name, FERMI_SURFACE.name)
DESCRIPTIONS = {
    "mu": "chemical potential, in the energy unit of the model",
    "temperature": "temperature (K for models in eV, else in the energy unit of the model)",
    "density": "electrons per length, area or volume",
    "tolerance": "{ rtol, atol, max_evaluations, max_memory }: error <= max(atol, rtol * largest component)",
}


def all_quantities() -> dict[str, Quantity]:
    """Name -> description of everything a task may compute."""
    return {**QUANTITIES, BANDS.name: BANDS, FERMI_SURFACE.name: FERMI_SURFACE}


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
        lines["tolerance"] = DESCRIPTIONS["tolerance"]
    return lines
