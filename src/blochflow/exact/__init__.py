"""Quantum references without semiclassics: crystals in a rational magnetic flux, ribbons, packets on lattices."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "Ribbon": "_ribbon",
    "compare": "_compare",
    "current_profile": "edge_current",
    "edge_magnetization": "edge_current",
    "electron_density": "thermodynamics",
    "entropy": "thermodynamics",
    "grand_potential": "thermodynamics",
    "hofstadter": "_hofstadter",
    "lattice_packet": "_lattice_packet",
    "liouville_evolution": "_liouville_time",
    "liouville_response": "_liouville",
    "magnetic_field": "_hofstadter",
    "magnetization": "flux_derivative",
    "magnetocaloric": "flux_derivative",
    "ribbon": "_ribbon",
    "streda": "flux_derivative",
}
__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"blochflow.exact.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'blochflow.exact' has no attribute {name!r}")
