"""What every model offers: its matrices at k, parameters, operators, units.

    H(k) acts on cell-periodic states; orbital positions are in the phases ("convention I").
    covariant gradient:  V_a = U^+ (d_a H + i [H, A_a]) U,   A_a = position matrices of the basis, if any

A model is an immutable pytree: parameters, hoppings, positions and operators are float64/complex128 leaves, so
new values neither recompile a kernel nor break differentiation.  Source of the conventions: Vanderbilt, "Berry
Phases in Electronic Structure Theory" (2018), ch. 2-3; position matrices: Wang et al., PRB 74, 195118 (2006).
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import numpy as np
from jaxtyping import Complex, Float

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_wavevectors, fail
from blochflow.core.errors import NonFiniteError
from blochflow.core.lattice import Lattice
from blochflow.core.units import Units
from blochflow.models.operators import as_operators, orbital_phases, resolve_operator, zeeman_term
from blochflow.models.parameters import as_spin_degeneracy, updated_parameters

ModelT = TypeVar("ModelT", bound="AbstractModel")

# Independent components of an antisymmetric tensor (a, b), ordered so that in 3D they are the axial vector x, y, z.
PAIRS: dict[int, tuple[tuple[int, int], ...]] = {1: (), 2: ((0, 1),), 3: ((1, 2), (2, 0), (0, 1))}


class BlochMatrices(eqx.Module):
    """Matrices of a batch of k in the orbital basis.

    Attributes
    ----------
    hamiltonian : (k, n, n)
    gradient : (k, a, n, n)
        d_a H, Cartesian.
    position : (k, a, n, n) or None
        Position matrices A_a of the basis beyond the orbital positions (Wannier input only).
    position_curl : (k, p, n, n) or None
        d_a A_b - d_b A_a for the pairs p of ``PAIRS[d]``.  Without ``position``: the curvature of the basis, in a
        frame in which A vanishes at this k and the gradient is covariant.
    frame : (d, d) or None
        None: components are Cartesian.  Otherwise they are along lattice directions (derivatives with respect to
        2 pi k_frac) and the Cartesian component a is sum_c frame[c, a] (component c): the rows are the lattice vectors.
        Lattice components come with all phases on the cells (positions in A, or in the gradient), a gauge in which
        energies and gauge-invariant quantities are the same.
    k : (k, d) or None
        Cartesian wave vectors, where they are at hand (not on factorised blocks).
    length : scalar
        Length that turns a gradient into an energy of the model: its shortest lattice vector, 1/cutoff for k.p, and 1
        in lattice components.
    packed : (k, c, n, n) or None
        Re X + Im X of X = gradient, position, position_curl, where the model makes these first (`zone.fourier.pack`).
    eigenbasis : pytree or None
        The matrices between eigenstates, where one evaluation serves several kernels (`geometry.cumulative`).
    attached : pytree or None
        What a model adds for integrands of its own (`nonadiabatic.field_model`).
    """

    hamiltonian: Complex[Array, "k n n"]
    gradient: Complex[Array, "k a n n"]
    position: Complex[Array, "k a n n"] | None = None
    position_curl: Complex[Array, "k p n n"] | None = None
    frame: Float[Array, "a a"] | None = None
    length: Float[Array, ""] | float = 1.0
    packed: Float[Array, "k c n n"] | None = None
    k: Any = None
    eigenbasis: Any = None
    attached: Any = None


ChunksOfPlane = Callable[[Any], tuple[Any, Callable[[Any], BlochMatrices]]]


class AbstractModel(eqx.Module):
    """Interface of all models; see `TightBinding`, `LatticeModel`, `ContinuumModel`."""

    lattice: eqx.AbstractVar[Lattice | None]
    orbitals: eqx.AbstractVar[Array | None]
    parameters: eqx.AbstractVar[dict[str, Array]]
    operators: eqx.AbstractVar[dict[str, Array]]
    constant: eqx.AbstractVar[Array | None]
    units: eqx.AbstractVar[Units]
    spin_degeneracy: eqx.AbstractVar[int]
    num_bands: eqx.AbstractVar[int]
    name: eqx.AbstractVar[str]
    notes: eqx.AbstractVar[tuple[str, ...]]

    @property
    @abc.abstractmethod
    def dimension(self) -> int:
        """Number of components of k."""

    @property
    def has_position_matrices(self) -> bool:
        """True when the basis has position matrices beyond orbital centres (Wannier90 `_tb.dat`)."""
        return False

    @abc.abstractmethod
    def matrices(self, k: Array) -> BlochMatrices:
        """H and its first derivatives for a batch k of shape (K, d); a pure kernel without checks."""

    @abc.abstractmethod
    def hessian(self, k: Array) -> Array:
        """Second derivatives d_a d_b H, shape (K, a, b, n, n)."""

    def fourier_structure(self) -> tuple[np.ndarray, np.ndarray]:
        """How often H(k) repeats along each axis of the zone, and its fastest Fourier component: (d,) ints each.

        1 and 1 where they are not known.
        """
        return np.ones(self.dimension, dtype=int), np.ones(self.dimension, dtype=int)

    def curvature_bound(self) -> np.ndarray | None:
        """(d, d) bounds of ||d_a d_b H|| at every k, derivatives in reduced k; None where none is known."""
        return None

    def prepare_grid(self) -> Array | None:
        """What `grid_planes` needs and does not depend on k, computed once per integral."""
        return None

    def grid_planes(self, axes: tuple[Array, ...], prepared: Array | None, points: int) -> tuple[Any, ChunksOfPlane]:
        """The tensor product of reduced coordinates ``axes`` (last axis fastest), in planes of chunks of k points.

        Two levels keep intermediate sums of a plane, and the matrices of a chunk, in the cache.

        Returns
        -------
        planes : pytree with a leading axis over planes
        chunks_of : function of one plane, giving a pytree with a leading axis over chunks of at most ``points`` k, and
            the function that turns a chunk into its `BlochMatrices`
        """
        k = grid_points(self, axes)
        return k.reshape(1, -1, largest_divisor(k.shape[0], points), k.shape[1]), lambda plane: (plane, self.matrices)

    def hamiltonian(self, k: Any) -> Array:
        """H(k) for k of shape (d,) or (K, d), Cartesian.

        Returns
        -------
        (n, n) or (K, n, n) complex array, in the model's energy unit.

        Raises
        ------
        ValueError
            k has the wrong number of components.
        NonFiniteError
            H(k) holds NaN or infinity.

        Examples
        --------
        >>> import blochflow as bf
        >>> bf.zoo.qwz().hamiltonian([0.0, 0.0]).shape
        (2, 2)
        """
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((k, self))):
            traced = jnp.asarray(k, dtype=jnp.float64)
            matrix = self.matrices(jnp.atleast_2d(traced)).hamiltonian
            return matrix if traced.ndim == 2 else matrix[0]
        array = as_wavevectors(k, self.dimension)
        matrix = _hamiltonian(self, jnp.atleast_2d(array))
        check_finite(np.asarray(matrix), np.atleast_2d(array), "The Hamiltonian")
        return matrix if array.ndim == 2 else matrix[0]

    def operator(self, name: str) -> Array:
        """(n, n) matrix of a named operator; ``"spin_z"`` is the third component of ``"spin"``."""
        return resolve_operator(self.operators, name)

    def operator_matrices(self, name: str, k: Array) -> Array:
        """A named operator between cell-periodic states at a batch k (K, d): (K, n, n) or (K, c, n, n)."""
        matrix = self.operator(name)
        phases = orbital_phases(k, self.orbitals)
        if phases is None:
            return jnp.broadcast_to(matrix, (k.shape[0], *matrix.shape))
        return matrix * (phases if matrix.ndim == 2 else phases[:, None])

    def replace(self: ModelT, **parameters: Any) -> ModelT:
        """The same model with other parameter values; kernels are not recompiled.

        Raises
        ------
        ValueError
            Unknown parameter (the nearest is named), wrong shape, or a value that is not finite.
        UserModelError
            H is not finite, Hermitian or periodic with these values.

        Examples
        --------
        >>> import blochflow as bf
        >>> bf.zoo.haldane().replace(mass=0.1).parameters["mass"]
        Array(0.1, dtype=float64)
        """
        updated = updated_parameters(self.parameters, parameters)
        model = eqx.tree_at(lambda m: m.parameters, self, updated)
        if not any(isinstance(value, jax.core.Tracer) for value in updated.values()):
            model.check_parameters()
        return model

    def check_parameters(self) -> None:
        """Raise unless H is finite, Hermitian and (on a lattice) periodic at the present parameter values."""

    def with_operators(self: ModelT, **operators: Any) -> ModelT:
        """The same model with more named Hermitian operators, each (n, n) or (c, n, n) with components.

        Examples
        --------
        >>> import blochflow as bf
        >>> model = bf.zoo.haldane().with_operators(sublattice=[[1, 0], [0, -1]])
        >>> sorted(model.operators)
        ['sublattice']
        """
        merged = {**self.operators, **as_operators(operators, self.num_bands)}
        return eqx.tree_at(lambda m: m.operators, self, merged, is_leaf=lambda x: x is self.operators)

    def with_spin_degeneracy(self: ModelT, spin_degeneracy: int) -> ModelT:
        """The same model with every band counted once (1), or twice where it stands for both spins (2).

        Examples
        --------
        >>> import blochflow as bf
        >>> bf.zoo.haldane().with_spin_degeneracy(2).spin_degeneracy
        2
        """
        model = copy.copy(self)
        # a static field is no leaf that `eqx.tree_at` could replace
        object.__setattr__(model, "spin_degeneracy", as_spin_degeneracy(spin_degeneracy))
        return model

    def with_zeeman(self: ModelT, magnetic_field: Any, g: Any = 2.0) -> ModelT:
        """Add the Zeeman energy (g/2) mu_B B.sigma with the model's ``"spin"`` operator (Pauli matrices).

        Parameters
        ----------
        magnetic_field : (3,) vector, or number (B_z) in two dimensions
        g : float or (3, 3) array
            g factor or tensor: energy (mu_B/2) B.g.sigma.

        Raises
        ------
        ValueError
            The model has no three-component operator ``"spin"``.

        Examples
        --------
        >>> import blochflow as bf
        >>> model = bf.zoo.rashba_ferromagnet().with_zeeman([0.0, 0.0, 0.1])
        """
        term = zeeman_term(self.operators, self.dimension, magnetic_field, g, self.units)
        constant = term if self.constant is None else self.constant + term
        return eqx.tree_at(lambda m: m.constant, self, constant, is_leaf=lambda x: x is None)


@eqx.filter_jit
def _hamiltonian(model: AbstractModel, k: Array) -> Array:
    return model.matrices(k).hamiltonian


def grid_points(model: AbstractModel, axes: tuple[Array, ...]) -> Array:
    """Cartesian k of the tensor product of reduced coordinates, (K, d)."""
    if model.lattice is None:
        raise fail("model", "have a lattice", f"{model.name} is a continuum model")
    mesh = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)
    return model.lattice.to_cartesian_k(mesh.reshape(-1, len(axes)))


def map_chunks(
    model: AbstractModel,
    axes: tuple[Array, ...],
    prepared: Array | None,
    points: int,
    function: Callable[[BlochMatrices, Any], Any],
    extra: Any = None,
) -> Any:
    """function(matrices, extra) on every chunk of a block; results are stacked along two axes, planes and chunks.

    ``extra`` is a pytree of arrays with a leading axis over the points of the block, cut like them.
    """
    planes, chunks_of = model.grid_planes(axes, prepared, points)

    def on_plane(item: tuple[Any, Any]) -> Any:
        chunks, matrices_of = chunks_of(item[0])
        count = jax.tree.leaves(chunks)[0].shape[0]
        cut = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), item[1])
        return jax.lax.map(lambda x: function(matrices_of(x[0]), x[1]), (chunks, cut))

    count = jax.tree.leaves(planes)[0].shape[0]
    return jax.lax.map(on_plane, (planes, jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), extra)))


def largest_divisor(number: int, limit: int) -> int:
    """Largest divisor of ``number`` that does not exceed ``limit`` (at least 1)."""
    return max(size for size in range(1, number + 1) if number % size == 0 and size <= max(1, limit))


def check_finite(values: np.ndarray, k: np.ndarray, what: str) -> None:
    """Raise `NonFiniteError` naming the first k of a batch at which ``values`` is not finite."""
    finite = np.isfinite(values.reshape(values.shape[0], -1)).all(axis=1)
    if not finite.all():
        raise NonFiniteError(k[int(np.argmin(finite))], what=what)


def as_model(value: Any, name: str = "model") -> AbstractModel:
    """Check that ``value`` is a model."""
    if not isinstance(value, AbstractModel):
        must = "be a model (bf.TightBinding, bf.LatticeModel, bf.read_wannier90(...), bf.zoo...)"
        raise fail(name, must, f"is a {type(value).__name__}")
    return value
