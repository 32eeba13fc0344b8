"""Beyond one band: bands hybridised by fields, passages between bands, packets of many bands."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "dirac_hall_suppression": "closed_forms",
    "hybrid_bands": "bands",
    "landau_zener": "passages",
    "avoided_crossing": "passages",
    "bloch_zener": "ladders",
    "projected": "projection",
}
__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"blochflow.nonadiabatic.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'blochflow.nonadiabatic' has no attribute {name!r}")
