"""Beyond adiabaticity: wave packets of several bands."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "projected": "projection",
}
__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"blochflow.nonadiabatic.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'blochflow.nonadiabatic' has no attribute {name!r}")
