"""Arguments of models: named parameters as leaves, the spin degeneracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_index, as_real_array, fail, nearest


def updated_parameters(known: Mapping[str, Array], changes: Mapping[str, Any]) -> dict[str, Array]:
    """Parameters with some values changed."""
    updated = dict(known)
    for key, value in changes.items():
        check_parameter_name(key, known)
        updated[key] = as_parameter(value, key, like=updated[key])
    return updated


def check_parameter_name(name: str, known: Mapping[str, Array], argument: str = "parameters") -> None:
    """Raise unless the model has such a parameter; the nearest is named."""
    if name not in known:
        hint = nearest(name, known)
        suffix = f" (did you mean {hint!r}?)" if hint else ""
        listed = ", ".join(known) or "none"
        raise fail(argument, f"name parameters of the model ({listed})", f"{name!r} is not one{suffix}")


def as_parameter(value: Any, name: str, like: Array | None = None) -> Array:
    """A parameter as float64 or complex128 leaf; tracers pass through."""
    if isinstance(value, jax.core.Tracer):
        return value
    array = np.asarray(value)
    if np.iscomplexobj(array):
        array = array.astype(np.complex128)
        if not np.all(np.isfinite(array)):
            raise fail(name, "be finite", f"is {value!r}")
    else:
        array = as_real_array(value, name, max_ndim=8)
    if like is not None and array.shape != like.shape:
        raise fail(name, f"have shape {like.shape}", f"has shape {array.shape}")
    if like is not None and jnp.iscomplexobj(like):
        array = array.astype(np.complex128)
    if like is not None and np.iscomplexobj(array) and not jnp.iscomplexobj(like):
        raise fail(name, "be real", f"is {value!r}")
    return jnp.asarray(array)


def as_spin_degeneracy(value: Any) -> int:
    """1 or 2."""
    number = as_index(value, "spin_degeneracy", "be 1 or 2")
    if number not in (1, 2):
        raise fail("spin_degeneracy", "be 1 or 2", f"is {value!r}")
    return number
