"""Lattice models given as a function H(k): any Hamiltonian a user can write with jax.numpy.

    H(k + G) = D(G)^+ H(k) D(G),   D(G) = diag exp(i G.tau_j)          (positions in the phases)

Derivatives in k and in the parameters are exact (automatic differentiation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import as_real_array, check_components, fail
from blochflow.core.errors import UserModelError
from blochflow.core.lattice import Lattice
from blochflow.core.units import NATURAL, Units
from blochflow.models.base import AbstractModel, BlochMatrices
from blochflow.models.operators import as_operators, orbital_phases
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

PERIODICITY_TOLERANCE = 1e-9  # relative to the largest element; rounding of trigonometric functions at |k| ~ 10


class LatticeModel(AbstractModel):
    """A periodic Hamiltonian given as a function ``hamiltonian(k, **parameters) -> (N, N)``.

    Parameters
    ----------
    hamiltonian : callable
        H at one Cartesian k of shape (d,), written with ``jax.numpy``.  It must be periodic in the reciprocal lattice
        up to the phases of the orbital positions.
    lattice : (d, d) array or Lattice
    orbitals : (N, d) array, optional
        Orbital positions in reduced coordinates; all at the origin when omitted.
    parameters : dict, optional
        Values of the function's further arguments; its defaults are used for the others.
    operators, units, spin_degeneracy
        As for `TightBinding`.

    Raises
    ------
    UserModelError
        The function fails, or is not finite, Hermitian or periodic at probe wave vectors.

    Examples
    --------
    >>> import blochflow as bf, jax.numpy as jnp
    >>> def chain(k, t=1.0):
    ...     return jnp.array([[-2 * t * jnp.cos(k[0])]])
    >>> model = bf.LatticeModel(chain, [[1.0]])
    >>> model.replace(t=2.0).hamiltonian([0.0])
    Array([[-4.+0.j]], dtype=complex128)
    """

    lattice: Lattice
    orbitals: Array | None
    parameters: dict[str, Array]
    operators: dict[str, Array]
    constant: Array | None
    function: Callable[..., Any] = eqx.field(static=True)
    num_bands: int = eqx.field(static=True)
    units: Units = eqx.field(static=True)
    spin_degeneracy: int = eqx.field(static=True)
    name: str = eqx.field(static=True)
    notes: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        hamiltonian: Callable[..., Any],
        lattice: Any,
        *,
        orbitals: Any = None,
        parameters: Mapping[str, Any] | None = None,
        operators: Mapping[str, Any] | None = None,
        units: Units = NATURAL,
        spin_degeneracy: int = 1,
        name: str | None = None,
    ) -> None:
        if not callable(hamiltonian):
            raise fail("hamiltonian", "be a function of k", f"is {type(hamiltonian).__name__}")
        self.lattice = lattice if isinstance(lattice, Lattice) else Lattice(lattice)
        self.function = hamiltonian
        self.parameters = collect_parameters(hamiltonian, parameters)
        reciprocal = np.asarray(self.lattice.reciprocal)
        probes = PROBES[:, : self.lattice.dimension] @ reciprocal
        self.num_bands = check_function(hamiltonian, self.parameters, probes)
        self.orbitals = as_orbitals(orbitals, self.lattice, self.num_bands)
        self.operators = as_operators(operators, self.num_bands)
        self.constant = None
        self.units = as_units(units)
        self.spin_degeneracy = as_spin_degeneracy(spin_degeneracy)
        self.name = name or function_name(hamiltonian)
        self.notes = ()
        check_periodicity(self, probes[0], reciprocal)

    def check_parameters(self) -> None:
        """H at probe wave vectors: finite, Hermitian, periodic."""
        reciprocal = np.asarray(self.lattice.reciprocal)
        probes = PROBES[:, : self.dimension] @ reciprocal
        check_hermitian(self.function, self.parameters, probes)
        check_periodicity(self, probes[0], reciprocal)

    @property
    def dimension(self) -> int:
        """Number of lattice vectors."""
        return self.lattice.dimension

    def _at(self, k: Array) -> Array:
        matrix = evaluate(self.function, k, self.parameters)
        if self.constant is None:
            return matrix
        phases = orbital_phases(k[None], self.orbitals)
        return matrix + (self.constant if phases is None else self.constant * phases[0])

    def matrices(self, k: Array) -> BlochMatrices:
        """H and its gradient for a batch k (K, d)."""
        check_components(k.shape, self.dimension)
        return derivative_matrices(self._at, k, self.lattice.shortest)

    def hessian(self, k: Array) -> Array:
        """Second derivatives of H for a batch k (K, d): (K, a, b, n, n)."""
        return second_derivatives(self._at, k)


def as_orbitals(orbitals: Any, lattice: Lattice, count: int) -> Array | None:
    """Reduced positions (N, d) -> Cartesian, or None."""
    if orbitals is None:
        return None
    reduced = as_real_array(orbitals, "orbitals", max_ndim=2)
    if reduced.shape != (count, lattice.dimension):
        raise fail("orbitals", f"have shape ({count}, {lattice.dimension})", f"has shape {reduced.shape}")
    return lattice.to_cartesian_r(reduced)


def check_periodicity(model: LatticeModel, k: np.ndarray, reciprocal: np.ndarray) -> None:
    """H(k + G) must equal H(k) up to the phases of the orbital positions, for each reciprocal vector."""
    here = np.asarray(evaluate(model.function, jnp.asarray(k), model.parameters))
    for axis, shift in enumerate(reciprocal):
        there = np.asarray(evaluate(model.function, jnp.asarray(k + shift), model.parameters))
        phases = orbital_phases(jnp.asarray(shift[None]), model.orbitals)
        expected = here if phases is None else here * np.asarray(phases[0])
        mismatch = np.abs(there - expected).max()
        if mismatch > PERIODICITY_TOLERANCE * max(1e-300, np.abs(here).max()):
            raise UserModelError(
                f"`{model.name}` is not periodic: H(k + b{axis + 1}) differs from H(k) by {mismatch:.3g} at "
                f"k = {k.tolist()}. Check the lattice vectors; pass orbitals=[...] (reduced coordinates) when "
                "orbital positions are in the phases; use bf.ContinuumModel for a k.p Hamiltonian."
            )
