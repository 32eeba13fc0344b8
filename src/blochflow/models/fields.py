"""Electric and magnetic fields: uniform arrays, or functions of place and time.

    E (d,), B (3,) in three dimensions, a number B_z in two; none along a line
    B_p for the pairs p of `PAIRS`, so that (rdot x B)_a = sum_b F_ab rdot_b with F_ab = B_p for p = (a, b)

Kernels work with hbar = e = 1: times in hbar over the model's energy, B in 1/length^2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import as_real_array, fail
from blochflow.core.errors import UserModelError
from blochflow.core.units import ELEMENTARY_CHARGE, HBAR, HBAR_EV_FS, Units
from blochflow.models.base import PAIRS
from blochflow.models.user_function import traced_value

ANGSTROM_SQUARE = 1e-20  # m^2


def time_unit(units: Units) -> float:
    """Time unit of the model in hbar/energy: multiply a kernel's time by this to get the model's."""
    return HBAR_EV_FS if units.name == "EV_ANGSTROM" else 1.0


def magnetic_unit(units: Units) -> float:
    """e/hbar times the unit of B, in 1/length^2."""
    return ELEMENTARY_CHARGE / HBAR * ANGSTROM_SQUARE if units.name == "EV_ANGSTROM" else 1.0


class Fields(eqx.Module):
    """Fields acting on a packet, in kernel units once evaluated.

    Attributes
    ----------
    electric, magnetic : (d,), (pairs,) arrays, where uniform
    electric_function, magnetic_function : functions of (x, t) in the model's units, where given as such
    clock, flux : model's time unit in kernel times, model's field unit in kernel units
    """

    electric: Array
    magnetic: Array
    electric_function: Callable[..., Any] | None = eqx.field(static=True)
    magnetic_function: Callable[..., Any] | None = eqx.field(static=True)
    is_magnetic: bool = eqx.field(static=True)
    clock: float = eqx.field(static=True)
    flux: float = eqx.field(static=True)

    def electric_at(self, x: Array, t: Array) -> Array:
        """E (d,) at a place and kernel time."""
        if self.electric_function is None:
            return self.electric
        return jnp.asarray(self.electric_function(x, self.clock * t), dtype=jnp.float64)

    def magnetic_at(self, x: Array, t: Array) -> Array:
        """B (pairs,) at a place and kernel time."""
        if self.magnetic_function is None:
            return self.magnetic
        value = jnp.asarray(self.magnetic_function(x, self.clock * t), dtype=jnp.float64)
        return self.flux * jnp.atleast_1d(value)

    @property
    def uniform(self) -> bool:
        """Both fields are constant in space and time."""
        return self.electric_function is None and self.magnetic_function is None


def as_fields(electric_field: Any, magnetic_field: Any, dimension: int, units: Units) -> Fields:
    """Check the arguments ``electric_field`` and ``magnetic_field``; None is none."""
    pairs = len(PAIRS[dimension])
    if magnetic_field is not None and not pairs:
        raise fail("magnetic_field", "be None for a one-dimensional model", f"is {magnetic_field!r}")
    electric, electric_function = _as_field(electric_field, "electric_field", dimension, vector=True)
    magnetic, magnetic_function = _as_field(magnetic_field, "magnetic_field", pairs, vector=pairs == 3)
    flux = magnetic_unit(units)
    magnetised = magnetic_function is not None or bool(np.any(magnetic != 0))
    for function, name, shape in (
        (electric_function, "electric_field", (dimension,)),
        (magnetic_function, "magnetic_field", (3,) if pairs == 3 else ()),
    ):
        if function is not None:
            _check_function(function, name, shape, dimension)
    return Fields(
        jnp.asarray(electric),
        jnp.asarray(flux * magnetic),
        electric_function,
        magnetic_function,
        magnetised,
        time_unit(units),
        flux,
    )


def _as_field(value: Any, name: str, count: int, *, vector: bool) -> tuple[np.ndarray, Callable[..., Any] | None]:
    """A uniform field as (count,) array, or a function."""
    if value is None:
        return np.zeros(count), None
    if callable(value):
        return np.zeros(count), value
    array = as_real_array(value, name)
    shape = (count,) if vector or array.ndim else ()
    if array.shape != shape or (not vector and array.ndim):
        must = f"be a vector ({count},)" if vector else "be a number, B_z"
        raise fail(name, f"{must} or a function of (x, t)", f"has shape {array.shape}")
    return np.atleast_1d(array), None


def _check_function(function: Callable[..., Any], name: str, shape: tuple[int, ...], dimension: int) -> None:
    """The function must trace, and give finite real values of the right shape at two places and times."""
    for x, t in ((np.zeros(dimension), 0.0), (np.linspace(-0.7, 1.3, dimension), 0.83)):
        value = traced_value(function, (x, t), f"`{name}`")
        if value.shape != shape or value.dtype.kind == "c" or not np.isfinite(value).all():
            what = f"finite real values of shape {shape}"
            raise UserModelError(
                f"`{name}` must return {what}, but returned {value.tolist()} at x = {x.tolist()}, t = {t}."
            )
