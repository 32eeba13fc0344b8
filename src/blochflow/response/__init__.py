"""Equilibrium properties and responses: integrals of band geometry over the Brillouin zone."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "anomalous_hall": "hall",
    "chemical_potential": "potential",
    "density_of_states": "equilibrium",
    "electron_density": "equilibrium",
    "ohmic": "drude",
    "symmetry_table": "symmetry_allowed",
}
__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"blochflow.response.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'blochflow.response' has no attribute {name!r}")
