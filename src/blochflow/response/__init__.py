"""Equilibrium properties and responses: integrals of band geometry over the Brillouin zone."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "anomalous_hall": "hall",
    "anomalous_nernst": "intrinsic",
    "anomalous_thermal_hall": "intrinsic",
    "berry_connection_polarizability": "dipoles",  # that of `geometry`, at single k
    "berry_curvature_dipole": "dipoles",
    "chemical_potential": "potential",
    "density_of_states": "equilibrium",
    "disordered_conductivity": "disordered",
    "disordered_observable": "disordered",
    "disordered_spin_density": "disordered",
    "electron_density": "equilibrium",
    "finite_field_current": "finite_field",
    "magnetization_current": "magnetization",
    "nonlinear_conductivity": "nonlinear",
    "nonlocal_conductivity": "nonlocal_response",
    "ohmic": "drude",
    "orbital_magnetization": "magnetization",
    "quantum_metric_dipole": "dipoles",
    "spin_hall": "spin",
    "spin_orbit_torque": "disordered",
    "streda": "magnetization",
    "surface_distribution": "fermi_distribution",
    "symmetry_table": "symmetry_allowed",
    "thermoelectric": "thermopower",
    "together": "joint",
    "valley_hall": "valley",
}
__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"blochflow.response.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'blochflow.response' has no attribute {name!r}")
