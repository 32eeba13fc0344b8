"""The linear limit of a current along a line of fields: the tangent at E = 0, not the chord to the weakest field.

    J_lin(E) = J(s E)/s,   s so small that e|E.R|/gap <= 1e-5 at s E

What of higher order remains is that small, and nothing cancels: integrands are of the order of the field at every k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.zone.tolerance import as_tolerance

if TYPE_CHECKING:
    import xarray as xr

    from blochflow.zone.tolerance import Tolerance

# Largest e|E.R|/gap of the field at which the tangent is found: below every sensible tolerance.
WEAK = 1e-5
PARTS = {"value": "error", "intrinsic": "intrinsic_error", "relaxation": "relaxation_error"}
NAMES = {"value": "linear_limit", **{name: f"{name}_linear_limit" for name in PARTS if name != "value"}}


def with_linear_limit(
    result: xr.Dataset, fields: np.ndarray, tolerance: Any, current: Callable[[np.ndarray, Tolerance], xr.Dataset]
) -> xr.Dataset:
    """With linear limits, where fields along one line are scanned, not all zero; ``current`` is that at one field."""
    size = np.linalg.norm(fields, axis=1)
    if len(fields) < 2 or not size.any() or result["field"].dtype.kind != "f":
        return result
    largest = size.argmax()
    scale = min(float(size[size > 0].min() / size[largest]), WEAK / max(result.attrs["validity_mixing"], WEAK))
    asked = as_tolerance(tolerance)
    if asked.atol is not None:
        asked = replace(asked, atol=scale * asked.atol)
    weak = current(scale * fields[largest], asked).isel(field=0)
    along = result["field"] / (scale * float(result["field"][largest]))
    for name, error in PARTS.items():
        for source, target in ((name, NAMES[name]), (error, f"{NAMES[name]}_error")):
            values = weak[source].drop_vars([c for c in weak[source].coords if c not in weak[source].dims])
            grown = values * (along if source == name else abs(along))
            label = f"linear limit of {weak[name].attrs.get('long_name', name)}"
            label = label if source == name else f"error of {label}"
            result[target] = grown.transpose(*result[name].dims).assign_attrs(
                units=weak[name].attrs["units"], long_name=label
            )
    result.attrs["evaluations"] = int(result.attrs["evaluations"] + weak.attrs["evaluations"])
    return result
