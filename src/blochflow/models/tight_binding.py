"""Tight-binding models: hoppings between orbitals on any lattice, with optional position matrices.

    H_ij(k)   = sum_R <0i|H|Rj> exp(i k.(R + tau_j - tau_i))
    d_a H_ij  = sum_R i (R + tau_j - tau_i)_a <0i|H|Rj> exp(i k.(R + tau_j - tau_i))
    A_ij,a(k) = sum_R (<0i|r_a|Rj> - tau_i,a delta_ij delta_R0) exp(i k.(R + tau_j - tau_i))

Source: Wang, Yates, Souza, Vanderbilt, PRB 74, 195118 (2006), Eqs. (36)-(43), with orbital positions in the phases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_real_array, check_components, fail
from blochflow.core.lattice import Lattice
from blochflow.core.units import NATURAL, Units
from blochflow.models.base import (
    PAIRS,
    AbstractModel,
    BlochMatrices,
    ChunksOfPlane,
    largest_divisor,
)
from blochflow.models.hoppings import Hoppings, hoppings_from_blocks
from blochflow.models.operators import as_operators, orbital_phases
from blochflow.models.parameters import as_parameter, as_spin_degeneracy
from blochflow.models.user_function import as_parameter_dict
from blochflow.zone.fourier import fourier_last, fourier_leading, fourier_scattered, to_box, unpack

# Below this many lattice vectors one phase matrix and one matrix product beat the factorised sum.
FACTORISE_FROM = 48
# Points whose matrices are made and used together: enough to hide the cost of a kernel launch, few enough for
# the cache of one core.
CHUNK_POINTS = 40


class TightBinding(AbstractModel):
    """Electrons hopping between orbitals of a crystal.

        H_ij(k) = sum_R t_ij(R) exp(i k.(R + tau_j - tau_i)),   t_ij(R) = <0i|H|Rj>

    Parameters
    ----------
    lattice : (d, d) array or Lattice
        Lattice vectors as rows.
    orbitals : (N, d) array
        Orbital positions tau in reduced coordinates (multiples of the lattice vectors).
    hoppings : list, dict or callable
        A list of ``(value, i, j, R)``: <0i|H|Rj> = value, each pair given once, its Hermitian conjugate is added;
        on-site energies are ``(value, i, i, (0, .., 0))``.  Or a dict ``{R: (N, N) matrix}`` (a missing -R is filled
        with the adjoint).  Or a function ``hoppings(**parameters)`` that returns such a list, written with
        ``jax.numpy`` so that the model is differentiable in its parameters.
    parameters : dict, optional
        Values of the arguments of a callable ``hoppings``.
    operators : dict, optional
        Named Hermitian matrices, (N, N) or (c, N, N).
    units : Units
        ``bf.NATURAL`` (default) or ``bf.EV_ANGSTROM``.
    spin_degeneracy : int
        1 (default) or 2 for a spinless Hamiltonian that stands for both spins.

    Raises
    ------
    ValueError
        Wrong shapes, an index out of range, a hopping given twice or together with its conjugate, a complex on-site
        energy, values that are not finite.
    UserModelError
        The callable failed, or returned other pairs for other parameter values.

    Examples
    --------
    >>> import blochflow as bf
    >>> chain = bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))])
    >>> chain.hamiltonian([0.0])
    Array([[-2.+0.j]], dtype=complex128)
    """

    lattice: Lattice
    orbitals: Array
    parameters: dict[str, Array]
    operators: dict[str, Array]
    constant: Array | None
    positions: Array | None
    _hoppings: Hoppings
    num_bands: int = eqx.field(static=True)
    units: Units = eqx.field(static=True)
    spin_degeneracy: int = eqx.field(static=True)
    name: str = eqx.field(static=True)
    notes: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        lattice: Any,
        orbitals: Any,
        hoppings: Sequence[tuple[Any, int, int, Any]] | Mapping[Any, Any] | Callable[..., Any],
        *,
        parameters: Mapping[str, Any] | None = None,
        operators: Mapping[str, Any] | None = None,
        units: Units = NATURAL,
        spin_degeneracy: int = 1,
        name: str = "TightBinding",
    ) -> None:
        self.lattice = lattice if isinstance(lattice, Lattice) else Lattice(lattice)
        reduced = as_real_array(orbitals, "orbitals", max_ndim=2)
        if reduced.ndim != 2 or reduced.shape[1] != self.lattice.dimension:
            raise fail("orbitals", f"have shape (N, {self.lattice.dimension})", f"has shape {reduced.shape}")
        self.orbitals = self.lattice.to_cartesian_r(reduced)
        given = as_parameter_dict(parameters)
        self.parameters = {key: as_parameter(value, key) for key, value in given.items()}
        self._hoppings = Hoppings(hoppings, self.parameters, len(reduced), self.lattice.dimension)
        self.num_bands = len(reduced)
        self.operators = as_operators(operators, len(reduced))
        self.constant = None
        self.positions = None
        self.units = as_units(units)
        self.spin_degeneracy = as_spin_degeneracy(spin_degeneracy)
        self.name = name
        self.notes = ()

    @classmethod
    def from_blocks(
        cls,
        lattice: Any,
        orbitals: Any,
        cells: Any,
        blocks: Any,
        *,
        positions: Any = None,
        operators: Mapping[str, Any] | None = None,
        units: Units = NATURAL,
        spin_degeneracy: int = 1,
        name: str = "TightBinding",
        notes: Sequence[str] = (),
    ) -> TightBinding:
        """A model from blocks <0i|H|Rj>, as file readers have them.

        Parameters
        ----------
        lattice : (d, d) array
        orbitals : (N, d) array
            Orbital positions, Cartesian.
        cells : (nR, d) int array
            Lattice vectors R, closed under R -> -R.
        blocks : (nR, N, N) complex array
            <0i|H|Rj>; made exactly Hermitian (callers have checked it to their own precision).
        positions : (nR, d, N, N) complex array, optional
            <0i|r_a|Rj> including the centres on the diagonal of R = 0.
        """
        model = object.__new__(cls)
        lattice = lattice if isinstance(lattice, Lattice) else Lattice(lattice)
        centres = as_real_array(orbitals, "orbitals", max_ndim=2)
        if centres.ndim != 2 or centres.shape[1] != lattice.dimension:
            raise fail("orbitals", f"have shape (N, {lattice.dimension})", f"has shape {centres.shape}")
        structure, block_array, position_array = hoppings_from_blocks(cells, blocks, positions, centres)
        fields = {
            "lattice": lattice,
            "orbitals": jnp.asarray(centres),
            "parameters": {},
            "operators": as_operators(operators, len(centres)),
            "constant": None,
            "positions": position_array,
            "_hoppings": Hoppings.fixed(structure, block_array),
            "num_bands": len(centres),
            "units": as_units(units),
            "spin_degeneracy": as_spin_degeneracy(spin_degeneracy),
            "name": name,
            "notes": tuple(notes),
        }
        for key, value in fields.items():
            object.__setattr__(model, key, value)
        return model

    @property
    def dimension(self) -> int:
        """Number of lattice vectors."""
        return self.lattice.dimension

    def check_parameters(self) -> None:
        """On-site energies of a callable must be real and all values finite."""
        self._hoppings.check(self.parameters)

    @property
    def cells(self) -> np.ndarray:
        """(nR, d) integer lattice vectors R of the hoppings, closed under R -> -R."""
        return self._hoppings.cells.vectors

    @property
    def blocks(self) -> Array:
        """(nR, N, N) matrices <0i|H|Rj>, with any Zeeman term at R = 0."""
        blocks = self._hoppings.blocks(self.parameters)
        if self.constant is None:
            return blocks
        return blocks.at[self._hoppings.origin].add(self.constant)

    @property
    def has_position_matrices(self) -> bool:
        """True when position matrices beyond the orbital centres are present."""
        return self.positions is not None

    def matrices(self, k: Array) -> BlochMatrices:
        """H, its gradient and position matrices for a batch k (K, d)."""
        check_components(k.shape, self.dimension)
        blocks, cells, count = self.blocks, self._hoppings.cells, self.num_bands
        r_cart = jnp.asarray(cells.vectors, dtype=jnp.float64) @ self.lattice.vectors
        reduced = self.lattice.to_reduced_k(k)

        def summed(channels: list[Array]) -> Array:
            stacked = jnp.concatenate(channels, axis=1)
            return fourier_scattered(stacked, cells, reduced).reshape(k.shape[0], -1, count, count)

        def slope(a: int, matrices: Array) -> Array:
            return 1j * r_cart[:, a, None, None] * matrices

        sums = summed([blocks[:, None], 1j * r_cart[:, :, None, None] * blocks[:, None]])
        if self.positions is not None:
            x = self.positions
            curl = [(slope(a, x[:, b]) - slope(b, x[:, a]))[:, None] for a, b in PAIRS[self.dimension]]
            # a sum of its own, which the compiler leaves out where nothing asks for positions
            sums = jnp.concatenate([sums, summed([x, *curl])], axis=1)
        return self._in_orbital_gauge(sums, k)

    def curvature_bound(self) -> np.ndarray | None:
        """||d_a d_b H|| <= || sum_R |x_a x_b| |t(R)| ||, x = 2 pi (R + tau_j - tau_i) reduced, by absolute elements.

        Holds because the spectral norm grows with the absolute values of the elements.
        """
        reduced = np.asarray(self.lattice.to_reduced_r(self.orbitals))
        steps = self.cells[:, None, None, :] + reduced[None, None, :, :] - reduced[None, :, None, :]
        steps, size = 2 * np.pi * np.abs(steps), np.abs(np.asarray(self.blocks))
        d = self.dimension
        return np.array(
            [
                [np.linalg.norm((steps[..., a] * steps[..., b] * size).sum(axis=0), 2) for b in range(d)]
                for a in range(d)
            ]
        )

    def fourier_structure(self) -> tuple[np.ndarray, np.ndarray]:
        """The greatest common divisor of R along each axis, and the largest |R|."""
        used = self.cells[np.abs(np.asarray(self.blocks)).max(axis=(1, 2)) > 0]
        if not len(used):
            return super().fourier_structure()
        return np.maximum(np.gcd.reduce(used, axis=0), 1), np.maximum(np.abs(used).max(axis=0), 1)

    def prepare_grid(self) -> Array | None:
        """The hoppings scattered into a dense box of R, made once per integral."""
        return None if len(self._hoppings.cells) < FACTORISE_FROM else fourier_box(self)

    def grid_planes(self, axes: tuple[Array, ...], prepared: Array | None, points: int) -> tuple[Any, ChunksOfPlane]:
        """A block as planes across its first axis (in 3D) and rows along its last, by sum factorisation."""
        if prepared is None:
            return super().grid_planes(axes, prepared, points)
        first = len(axes) - 2 if len(axes) > 2 else 0
        planes = fourier_leading((prepared[None],), axes[:first])

        def chunks_of(plane: tuple[Array, ...]) -> tuple[Any, Callable[[Any], BlochMatrices]]:
            rows = fourier_leading(tuple(term[None] for term in plane), axes[first:-1])
            size = largest_divisor(rows[0].shape[0], min(points, CHUNK_POINTS) // axes[-1].shape[0])
            chunks = tuple(term.reshape(-1, size, *term.shape[1:]) for term in rows)
            return chunks, lambda chunk: row_matrices(self, chunk, axes[-1])

        return planes, chunks_of

    def hessian(self, k: Array) -> Array:
        """Second derivatives d_a d_b H for a batch k (K, d): (K, a, b, n, n)."""
        cells = self._hoppings.cells
        r_cart = jnp.asarray(cells.vectors, dtype=jnp.float64) @ self.lattice.vectors
        offset = self.orbitals[None, :, :] - self.orbitals[:, None, :]
        step = r_cart[:, None, None, :] + offset[None]
        weighted = -jnp.einsum("rija,rijb,rij->rabij", step, step, self.blocks)
        sums = fourier_scattered(weighted, cells, self.lattice.to_reduced_k(k))
        phases = orbital_phases(k, self.orbitals)
        return sums if phases is None else sums * phases[:, None, None]

    def _in_orbital_gauge(self, sums: Array, k: Array) -> BlochMatrices:
        """Channels (H, d_a H, A_a, curl A) without orbital phases -> matrices with the positions in the phases."""
        d = self.dimension
        phases = orbital_phases(k, self.orbitals)
        if phases is not None:
            sums = sums * phases[:, None]
        offset = jnp.moveaxis(self.orbitals[None, :, :] - self.orbitals[:, None, :], -1, 0)
        hamiltonian = sums[:, 0]
        gradient = sums[:, 1 : 1 + d] + 1j * offset * hamiltonian[:, None]
        if self.positions is None:
            return BlochMatrices(hamiltonian, gradient, length=self.lattice.shortest, k=k)
        position = sums[:, 1 + d : 1 + 2 * d]
        curl = [
            sums[:, 1 + 2 * d + p] + 1j * (offset[a] * position[:, b] - offset[b] * position[:, a])
            for p, (a, b) in enumerate(PAIRS[d])
        ]
        centres = jax.vmap(jnp.diag)(self.orbitals.T.astype(jnp.complex128))
        stacked = jnp.stack(curl, axis=1) if curl else None
        return BlochMatrices(hamiltonian, gradient, position - centres, stacked, length=self.lattice.shortest, k=k)


def fourier_box(model: TightBinding) -> Array:
    """(n1, .., nd, C, N N) box of H and, in lattice components, of the position matrices."""
    channels = model.blocks[:, None]
    if model.positions is not None:
        reduced = jnp.einsum("rbij,ba->raij", model.positions, jnp.linalg.inv(model.lattice.vectors))
        channels = jnp.concatenate([channels, reduced], axis=1)
    flat = channels.reshape(*channels.shape[:2], -1)
    return to_box(flat, model._hoppings.cells)


def row_matrices(model: TightBinding, rows: tuple[Array, ...], k_axis: Array) -> BlochMatrices:
    """Matrices along rows of a block, in lattice components and with the phases on the cells."""
    d, count = model.dimension, model.num_bands
    flat, fields = fourier_last(rows, k_axis, vector=model.positions is not None)
    packed = flat.reshape(-1, count, count)
    fields = fields.reshape(-1, fields.shape[1], count, count)
    hamiltonian, frame = unpack(packed), model.lattice.vectors
    if model.positions is None:
        reduced = model.lattice.to_reduced_r(model.orbitals)
        offset = jnp.moveaxis(reduced[None, :, :] - reduced[:, None, :], -1, 0)
        # i offset H, packed: Re H - Im H is the transpose of the packed H
        fields = fields + offset * jnp.swapaxes(packed, -1, -2)[:, None]
        return BlochMatrices(hamiltonian, unpack(fields), frame=frame, packed=fields)
    gradient, position, curl = jnp.split(unpack(fields), (d, 2 * d), axis=1)
    return BlochMatrices(hamiltonian, gradient, position, curl, frame, packed=fields)


def as_units(value: Any) -> Units:
    """One of the two unit systems."""
    if not isinstance(value, Units):
        raise fail("units", "be bf.NATURAL or bf.EV_ANGSTROM", f"is {value!r}")
    return value
