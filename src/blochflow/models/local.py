"""Models that vary in space and time: H(k, x, t), for wave packets in textures, profiles and drives.

    frozen at (x, t) such a model is an ordinary one, `model.at(x, t)`, with which every response works

Two kinds: a user's function of (k, x, t), here, and a model of k whose parameters are functions of (x, t), `textured`.
Variations are slow on the scale of the lattice, so that k and x may be given together; derivatives are exact.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Complex

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_index, as_real_array, fail
from blochflow.core.errors import UserModelError
from blochflow.core.lattice import Lattice
from blochflow.core.units import NATURAL, Units
from blochflow.models.base import AbstractModel
from blochflow.models.bloch import LatticeModel, as_orbitals
from blochflow.models.continuum import ContinuumModel
from blochflow.models.operators import as_operators
from blochflow.models.parameters import as_spin_degeneracy, updated_parameters
from blochflow.models.tight_binding import as_units
from blochflow.models.user_function import (
    collect_parameters,
    evaluate,
    function_name,
)

# Where a model is looked at when it is made, in its own lengths and times.
PROBE_PLACES = np.array([[0.0, 0.0, 0.0], [0.37, -0.81, 0.53], [-2.9, 1.7, 4.1]])
PROBE_TIMES = (0.0, 0.29, -1.3)


class LocalMatrices(eqx.Module):
    """H at one (k, x, t) and its derivatives, in the orbital basis.

    Attributes
    ----------
    hamiltonian : (n, n)
    k_gradient, x_gradient : (a, n, n)
    t_gradient : (n, n)
    """

    hamiltonian: Complex[Array, "n n"]
    k_gradient: Complex[Array, "a n n"]
    x_gradient: Complex[Array, "a n n"]
    t_gradient: Complex[Array, "n n"]


class AbstractLocalModel(eqx.Module):
    """Interface of models of (k, x, t); see `LocalModel` and `textured`."""

    lattice: eqx.AbstractVar[Lattice | None]
    parameters: eqx.AbstractVar[dict[str, Array]]
    num_bands: eqx.AbstractVar[int]
    units: eqx.AbstractVar[Units]
    spin_degeneracy: eqx.AbstractVar[int]
    name: eqx.AbstractVar[str]
    varies_in_space: eqx.AbstractVar[bool]
    varies_in_time: eqx.AbstractVar[bool]

    @property
    @abc.abstractmethod
    def dimension(self) -> int:
        """Number of components of k and of x."""

    @abc.abstractmethod
    def local_hamiltonian(self, k: Array, x: Array, t: Array) -> Array:
        """H at one (k, x, t): a pure kernel without checks."""

    @abc.abstractmethod
    def at(self, x: Any, t: Any = 0.0) -> AbstractModel:
        """The uniform model with the parameters of the place x and time t.

        Parameters
        ----------
        x : (d,) array
            In the model's length.
        t : float
            In the model's time unit.

        Raises
        ------
        ValueError
            x has the wrong number of components.
        """

    def local_matrices(self, k: Array, x: Array, t: Array) -> LocalMatrices:
        """H and all its first derivatives at one (k, x, t): a pure kernel."""
        matrix, k_slopes = value_and_slopes(lambda q: self.local_hamiltonian(q, x, t), k)
        x_slopes, t_slope = jnp.zeros_like(k_slopes), jnp.zeros_like(matrix)
        if self.varies_in_space:
            x_slopes = value_and_slopes(lambda q: self.local_hamiltonian(k, q, t), x)[1]
        if self.varies_in_time:
            t_slope = jax.jvp(lambda q: self.local_hamiltonian(k, x, q), (t,), (jnp.ones_like(t),))[1]
        return LocalMatrices(matrix, k_slopes, x_slopes, t_slope)

    def replace(self, **parameters: Any) -> Any:
        """The same model with other parameter values; kernels are not recompiled."""
        return eqx.tree_at(lambda m: m.parameters, self, updated_parameters(self.parameters, parameters))


class LocalModel(AbstractLocalModel):
    """A Hamiltonian ``hamiltonian(k, x, t, **parameters) -> (N, N)`` that varies slowly in space and time.

    Parameters
    ----------
    hamiltonian : callable
        H at one Cartesian k and x of shape (d,) and one time, written with ``jax.numpy``.
    lattice : (d, d) array or Lattice, optional
        For Hamiltonians periodic in k; without it a k.p model.
    dimension, cutoff : int, float
        For k.p models: number of components, and radius in k up to which the model is used.
    orbitals : (N, d) array, optional
        Reduced positions of the orbitals, as for `LatticeModel`.
    parameters, operators, units, spin_degeneracy
        As for `LatticeModel`.

    Raises
    ------
    ValueError
        Neither ``lattice`` nor ``dimension`` and ``cutoff``, or both.
    UserModelError
        The function fails, or is not finite, Hermitian or (on a lattice) periodic at probe k, x, t.

    Examples
    --------
    A Dirac cone whose mass changes sign at a domain wall:

    >>> import blochflow as bf, jax.numpy as jnp
    >>> sx, sy, sz = jnp.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    >>> def wall(k, x, t, mass=0.3, width=20.0):
    ...     return k[0] * sx + k[1] * sy + mass * jnp.tanh(x[0] / width) * sz
    >>> model = bf.LocalModel(wall, dimension=2, cutoff=2.0)
    >>> model.at([100.0, 0.0]).num_bands
    2
    """

    parameters: dict[str, Array]
    operators: dict[str, Array]
    cutoff: Array | None
    lattice: Lattice | None
    orbitals: Array | None
    function: Callable[..., Any] = eqx.field(static=True)
    _dimension: int = eqx.field(static=True)
    num_bands: int = eqx.field(static=True)
    units: Units = eqx.field(static=True)
    spin_degeneracy: int = eqx.field(static=True)
    name: str = eqx.field(static=True)
    varies_in_space: bool = eqx.field(static=True)
    varies_in_time: bool = eqx.field(static=True)

    def __init__(
        self,
        hamiltonian: Callable[..., Any],
        *,
        lattice: Any = None,
        dimension: int | None = None,
        cutoff: Any = None,
        orbitals: Any = None,
        parameters: Mapping[str, Any] | None = None,
        operators: Mapping[str, Any] | None = None,
        units: Units = NATURAL,
        spin_degeneracy: int = 1,
        name: str | None = None,
    ) -> None:
        if not callable(hamiltonian):
            raise fail("hamiltonian", "be a function of k, x and t", f"is {type(hamiltonian).__name__}")
        if (lattice is None) == (dimension is None) or (dimension is None) != (cutoff is None):
            given = [
                n for n, v in (("lattice", lattice), ("dimension", dimension), ("cutoff", cutoff)) if v is not None
            ]
            raise fail(
                "lattice", "be given, or else `dimension` and `cutoff`", f"{', '.join(given) or 'none'} is given"
            )
        check_signature(hamiltonian)
        self.lattice = None if lattice is None else lattice if isinstance(lattice, Lattice) else Lattice(lattice)
        if dimension is not None and as_index(dimension, "dimension", "be 1, 2 or 3") not in (1, 2, 3):
            raise fail("dimension", "be 1, 2 or 3", f"is {dimension!r}")
        self._dimension = self.lattice.dimension if self.lattice is not None else int(dimension or 0)
        self.cutoff = (
            None if cutoff is None else jnp.asarray(as_real_array(cutoff, "cutoff", max_ndim=0, positive=True))
        )
        d = self._dimension
        named = {"x": np.zeros(d), "t": np.zeros(())}
        found = collect_parameters(hamiltonian, {**named, **(parameters or {})})
        self.parameters = {key: value for key, value in found.items() if key not in named}
        self.function = hamiltonian
        self.units = as_units(units)
        self.spin_degeneracy = as_spin_degeneracy(spin_degeneracy)
        self.name = name or function_name(hamiltonian)
        self.orbitals, self.operators = None, {}
        self.varies_in_space = self.varies_in_time = True
        first = self._frozen(jnp.asarray(PROBE_PLACES[0, :d]), jnp.asarray(PROBE_TIMES[0]), orbitals)
        self.num_bands = first.num_bands
        self.orbitals = None if self.lattice is None else as_orbitals(orbitals, self.lattice, self.num_bands)
        self.operators = as_operators(operators, self.num_bands)
        for x, t in zip(PROBE_PLACES[1:, :d], PROBE_TIMES[1:], strict=True):
            self._frozen(jnp.asarray(x), jnp.asarray(t), orbitals)
        self.varies_in_space, self.varies_in_time = varying(self)

    @property
    def dimension(self) -> int:
        """Number of components of k and of x."""
        return self._dimension

    def local_hamiltonian(self, k: Array, x: Array, t: Array) -> Array:
        """H at one (k, x, t)."""
        return evaluate(self.function, k, {"x": x, "t": t, **self.parameters})

    def at(self, x: Any, t: Any = 0.0) -> AbstractModel:
        """The uniform model with the Hamiltonian of the place x and time t; x and t become parameters of it."""
        place = as_place(x, self.dimension)
        model = self._frozen(place, jnp.asarray(as_real_array(t, "t", max_ndim=0)), None)
        operators = {name: np.asarray(value) for name, value in self.operators.items()}
        model = model.with_operators(**operators) if operators else model
        if isinstance(model, LatticeModel) and self.orbitals is not None:
            return eqx.tree_at(lambda m: m.orbitals, model, self.orbitals, is_leaf=lambda v: v is None)
        return model

    def _frozen(self, x: Array, t: Array, orbitals: Any) -> LatticeModel | ContinuumModel:
        """The model at (x, t), checked by its own kind."""
        parameters: dict[str, Any] = {**self.parameters, "x": x, "t": t}
        kept: dict[str, Any] = {"units": self.units, "spin_degeneracy": self.spin_degeneracy, "name": self.name}
        if self.lattice is None:
            return ContinuumModel(self.function, self._dimension, cutoff=self.cutoff, parameters=parameters, **kept)
        if orbitals is None and self.orbitals is not None:
            orbitals = np.asarray(self.lattice.to_reduced_r(self.orbitals))
        return LatticeModel(self.function, self.lattice, orbitals=orbitals, parameters=parameters, **kept)


def check_signature(function: Callable[..., Any]) -> None:
    """The function's second and third argument must be x and t."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return
    if names[1:3] != ["x", "t"]:
        raise UserModelError(
            f"`{function_name(function)}` takes ({', '.join(names)}); its first arguments must be k, x and t, in this "
            "order, then the parameters."
        )


def as_place(x: Any, dimension: int) -> Array:
    """A place as (d,) array."""
    place = np.atleast_1d(as_real_array(x, "x"))
    if place.shape != (dimension,):
        raise fail("x", f"have shape ({dimension},)", f"has shape {place.shape}")
    return jnp.asarray(place)


def varying(model: AbstractLocalModel) -> tuple[bool, bool]:
    """Whether H depends on x, and on t: from its expression, whatever the values are."""
    d = model.dimension
    point = (jnp.zeros(d), jnp.zeros(d), jnp.zeros(()))
    traced = jax.make_jaxpr(model.local_hamiltonian)(*point)
    used = used_inputs(traced.jaxpr)
    return used[1], used[2]


def used_inputs(jaxpr: Any) -> list[bool]:
    """Which inputs of an expression its result depends on."""
    reached = {id(v) for v in jaxpr.outvars}
    for equation in reversed(jaxpr.eqns):
        if any(id(v) in reached for v in equation.outvars):
            reached.update(id(v) for v in equation.invars)
    return [id(v) in reached for v in jaxpr.invars]


def value_and_slopes(function: Callable[[Array], Array], point: Array) -> tuple[Array, Array]:
    """H and its derivatives along every component of a point (d,): (n, n) and (d, n, n)."""
    tangents = jnp.eye(point.shape[0])
    return jax.vmap(lambda s: jax.jvp(function, (point,), (s,)), out_axes=(None, 0))(tangents)
