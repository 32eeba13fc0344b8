"""Orbits in magnetic and electric fields, and the levels and oscillations that follow from them: `bf.orbits`."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "bloch_oscillation": "bloch",
    "cyclotron_orbits": "cyclotron",
    "landau_levels": "onsager",
    "quantum_oscillations": "oscillations",
}
__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"blochflow.dynamics.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'blochflow.orbits' has no attribute {name!r}")
