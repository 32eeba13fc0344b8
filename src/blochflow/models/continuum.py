"""k.p models: a Hamiltonian H(k) that holds near k = 0 up to a cutoff |k| < cutoff.

Nothing is periodic here; integrals extend over the disc or ball |k| < cutoff.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import as_index, as_real_array, check_components, fail
from blochflow.core.lattice import Lattice
from blochflow.core.units import NATURAL, Units
from blochflow.models.base import AbstractModel, BlochMatrices
from blochflow.models.operators import as_operators
from blochflow.models.parameters import as_spin_degeneracy
from blochflow.models.tight_binding import as_units
from blochflow.models.user_function import (
    PROBES,
    check_function,
    check_hermitian,
    collect_parameters,
    derivative_matrices,
    evaluate,
    function_name,
    second_derivatives,
)


class ContinuumModel(AbstractModel):
    """A k.p Hamiltonian ``hamiltonian(k, **parameters) -> (N, N)`` in 1, 2 or 3 dimensions.

    Parameters
    ----------
    hamiltonian : callable
        H at one Cartesian k of shape (d,), written with ``jax.numpy``.
    dimension : int
    cutoff : float
        Radius in k up to which the model is used.
    parameters, operators, units, spin_degeneracy
        As for `LatticeModel`.

    Raises
    ------
    UserModelError
        The function fails, or is not finite or Hermitian at probe wave vectors.

    Examples
    --------
    >>> import blochflow as bf, jax.numpy as jnp
    >>> model = bf.ContinuumModel(lambda k, mass=1.0: jnp.array([[k @ k / (2 * mass)]]), 2, cutoff=3.0)
    >>> float(model.hamiltonian([1.0, 1.0])[0, 0].real)
    1.0
    """

    parameters: dict[str, Array]
    operators: dict[str, Array]
    constant: Array | None
    cutoff: Array
    function: Callable[..., Any] = eqx.field(static=True)
    _dimension: int = eqx.field(static=True)
    num_bands: int = eqx.field(static=True)
    units: Units = eqx.field(static=True)
    spin_degeneracy: int = eqx.field(static=True)
    name: str = eqx.field(static=True)
    notes: tuple[str, ...] = eqx.field(static=True)
    lattice: Lattice | None
    orbitals: Array | None

    def __init__(
        self,
        hamiltonian: Callable[..., Any],
        dimension: int,
        *,
        cutoff: Any,
        parameters: Mapping[str, Any] | None = None,
        operators: Mapping[str, Any] | None = None,
        units: Units = NATURAL,
        spin_degeneracy: int = 1,
        name: str | None = None,
    ) -> None:
        if not callable(hamiltonian):
            raise fail("hamiltonian", "be a function of k", f"is {type(hamiltonian).__name__}")
        if as_index(dimension, "dimension", "be 1, 2 or 3") not in (1, 2, 3):
            raise fail("dimension", "be 1, 2 or 3", f"is {dimension!r}")
        radius = as_real_array(cutoff, "cutoff", max_ndim=0, positive=True)
        self.function = hamiltonian
        self._dimension = int(dimension)
        self.parameters = collect_parameters(hamiltonian, parameters)
        self.num_bands = check_function(hamiltonian, self.parameters, PROBES[:, :dimension] * float(radius))
        self.operators = as_operators(operators, self.num_bands)
        self.constant = None
        self.cutoff = jnp.asarray(radius, dtype=jnp.float64)
        self.units = as_units(units)
        self.spin_degeneracy = as_spin_degeneracy(spin_degeneracy)
        self.name = name or function_name(hamiltonian)
        self.notes = ()
        self.lattice = None
        self.orbitals = None

    @property
    def dimension(self) -> int:
        """Number of components of k."""
        return self._dimension

    def check_parameters(self) -> None:
        """H at probe wave vectors: finite and Hermitian."""
        probes = PROBES[:, : self.dimension] * float(self.cutoff)
        check_hermitian(self.function, self.parameters, probes)

    def _at(self, k: Array) -> Array:
        matrix = evaluate(self.function, k, self.parameters)
        return matrix if self.constant is None else matrix + self.constant

    def matrices(self, k: Array) -> BlochMatrices:
        """H and its gradient for a batch k (K, d)."""
        check_components(k.shape, self.dimension)
        return derivative_matrices(self._at, k, 1 / self.cutoff)

    def hessian(self, k: Array) -> Array:
        """Second derivatives of H for a batch k (K, d): (K, a, b, n, n)."""
        return second_derivatives(self._at, k)
