"""Textures: a model of k some of whose parameters are functions of place and time.

H(k, x, t) = H(k; p(x, t)),   d_x H = (dH/dp) d_x p
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import as_real_array, fail
from blochflow.core.errors import UserModelError
from blochflow.core.lattice import Lattice
from blochflow.core.units import Units
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.local import PROBE_PLACES, PROBE_TIMES, AbstractLocalModel, as_place, varying
from blochflow.models.parameters import check_parameter_name
from blochflow.models.user_function import traced_value


class TexturedModel(AbstractLocalModel):
    """A k-only model some of whose parameters are functions of (x, t); made by `textured`."""

    base: AbstractModel
    lattice: Lattice | None
    parameters: dict[str, Array]
    maps: dict[str, Callable[[Any, Any], Any]] = eqx.field(static=True)
    num_bands: int = eqx.field(static=True)
    units: Units = eqx.field(static=True)
    spin_degeneracy: int = eqx.field(static=True)
    name: str = eqx.field(static=True)
    varies_in_space: bool = eqx.field(static=True)
    varies_in_time: bool = eqx.field(static=True)

    def __init__(self, base: AbstractModel, maps: dict[str, Callable[[Any, Any], Any]]) -> None:
        self.base, self.maps = base, maps
        self.lattice = base.lattice
        self.parameters = {name: value for name, value in base.parameters.items() if name not in maps}
        self.num_bands, self.units, self.spin_degeneracy = base.num_bands, base.units, base.spin_degeneracy
        self.name = f"textured {base.name}"
        self.varies_in_space = self.varies_in_time = True
        self.varies_in_space, self.varies_in_time = varying(self)

    @property
    def dimension(self) -> int:
        """Number of components of k and of x."""
        return self.base.dimension

    def values(self, x: Array, t: Array) -> dict[str, Array]:
        """All parameters at (x, t)."""
        known = self.base.parameters
        mapped = {name: jnp.asarray(f(x, t), dtype=known[name].dtype) for name, f in self.maps.items()}
        return {name: mapped[name] if name in mapped else self.parameters[name] for name in known}

    def local_hamiltonian(self, k: Array, x: Array, t: Array) -> Array:
        """H at one (k, x, t)."""
        model = eqx.tree_at(lambda m: m.parameters, self.base, self.values(x, t))
        return model.matrices(k[None]).hamiltonian[0]

    def at(self, x: Any, t: Any = 0.0) -> AbstractModel:
        """The model with the parameters of the place x and time t."""
        place = as_place(x, self.dimension)
        values = self.values(place, jnp.asarray(as_real_array(t, "t", max_ndim=0)))
        return self.base.replace(**values)


def textured(model: AbstractModel, **maps: Callable[[Any, Any], Any]) -> TexturedModel:
    """A model some of whose parameters vary in space and time.

    Parameters
    ----------
    model : AbstractModel
        A model with parameters; one with position matrices (Wannier input) is refused.
    **maps : callable
        For each varying parameter a function ``(x, t) -> value`` of one place x (d,) and time, written with
        ``jax.numpy``; its unit is that of the parameter, x and t in the model's length and time.

    Returns
    -------
    TexturedModel
        ``.at(x, t)`` is the uniform model at a place and time, ``.replace`` changes the other parameters.

    Raises
    ------
    ValueError
        No map, an unknown parameter (the nearest is named), or a model with position matrices.
    UserModelError
        A map fails or returns a value of the wrong shape.

    Examples
    --------
    >>> import blochflow as bf, jax.numpy as jnp
    >>> model = bf.textured(bf.zoo.qwz(), mass=lambda x, t: -1.2 + 0.3 * jnp.cos(x[0] / 20))
    >>> round(float(model.at([0.0, 0.0]).parameters["mass"]), 3)
    -0.9
    """
    base = as_model(model)
    if not maps:
        raise fail("maps", f"name at least one parameter ({', '.join(base.parameters) or 'none'})", "there is none")
    if base.has_position_matrices:
        raise fail("model", "have no position matrices", f"{base.name} has some: their variation in space is unknown")
    for name, function in maps.items():
        check_parameter_name(name, base.parameters, "maps")
        if not callable(function):
            raise fail(name, "be a function of (x, t)", f"is {function!r}")
        check_map(name, function, base)
    result = TexturedModel(base, dict(maps))
    for x, t in zip(PROBE_PLACES[:, : base.dimension], PROBE_TIMES, strict=True):
        result.at(x, t)
    return result


def check_map(name: str, function: Callable[..., Any], base: AbstractModel) -> None:
    """A map must give a finite value of the parameter's shape, at probe places."""
    like = base.parameters[name]
    for x, t in zip(PROBE_PLACES[:, : base.dimension], PROBE_TIMES, strict=True):
        value = traced_value(function, (x, t), f"The map of {name!r}")
        if value.shape != like.shape or not np.isfinite(value).all():
            raise UserModelError(
                f"The map of {name!r} returned {value.tolist()} at x = {x.tolist()}, t = {t}; it must "
                f"return a finite value of shape {like.shape}, the parameter's."
            )
        if np.iscomplexobj(value) and not jnp.iscomplexobj(like):
            raise UserModelError(f"The map of {name!r} returned a complex value; the parameter is real.")
