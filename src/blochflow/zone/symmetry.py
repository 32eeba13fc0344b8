"""Point operations on wave vectors, with and without time reversal: those of a lattice, and groups of them.

    unitary:        k -> R k            k_frac -> k_frac W,   W = B R^T B^-1 (integer),   B = rows of reciprocal vectors
    antiunitary:    k -> -R k           k_frac -> -k_frac W   (R followed by time reversal, complex conjugation)
    of a lattice:   W G W^T = G,  G = B B^T   (W keeps the lengths and angles of reciprocal vectors)

Translations that come with an operation (screws, glides) only change the phases of states, so energies and integrands
at k and at its image agree without knowing them.  Source: Bradley and Cracknell, The Mathematical Theory of Symmetry in
Solids (1972), ch. 1-3, 7.  What tensors do: `tensor_symmetry`; points and cells of a zone: `orbits`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.core.lattice import Lattice
from blochflow.zone.symmetry_names import DIFFERENT, describe

# Lengths and angles closer than this (relative) are equal: files give lattice vectors with seven digits or more.
SAME = 1e-5
# The largest magnetic point group, cubic with inversion and time reversal, has 96 elements.
MOST_OPERATIONS = 192


@dataclass(frozen=True, eq=False)
class Operation:
    """A point operation on k.

    Attributes
    ----------
    rotation : (d, d)
        Orthogonal Cartesian matrix R, proper or improper.
    reduced : (d, d) int or None
        W acting on rows of reduced coordinates from the right; None without a lattice.
    time_reversal : bool
        The operation is R followed by time reversal: k -> -R k.
    """

    rotation: np.ndarray
    reduced: np.ndarray | None = None
    time_reversal: bool = False

    @property
    def dimension(self) -> int:
        """Number of components of k."""
        return self.rotation.shape[0]

    @property
    def sign(self) -> int:
        """-1 with time reversal, else 1: k -> sign R k."""
        return -1 if self.time_reversal else 1

    def image(self, k: np.ndarray) -> np.ndarray:
        """Images of Cartesian wave vectors, (..., d) -> (..., d)."""
        return self.sign * k @ self.rotation.T

    def reduced_image(self, k_frac: np.ndarray) -> np.ndarray:
        """Images of reduced wave vectors, (..., d) -> (..., d)."""
        return self.sign * k_frac @ as_reduced(self)

    def __matmul__(self, other: Operation) -> Operation:
        """The product: ``other`` first, then ``self``."""
        both = None if self.reduced is None or other.reduced is None else other.reduced @ self.reduced
        return Operation(self.rotation @ other.rotation, both, self.time_reversal != other.time_reversal)

    def equals(self, other: Operation) -> bool:
        """Same rotation (to `DIFFERENT`) and same time reversal."""
        near = np.linalg.norm(self.rotation - other.rotation) < DIFFERENT
        return bool(near and self.time_reversal == other.time_reversal)

    def __str__(self) -> str:
        return describe(self.rotation, self.time_reversal)


def as_reduced(operation: Operation) -> np.ndarray:
    """W of an operation of a lattice.

    Raises
    ------
    ValueError
        The operation has no reduced form.
    """
    if operation.reduced is None:
        raise fail("operation", "belong to a lattice", "has no action on reduced coordinates")
    return operation.reduced


def identity(dimension: int) -> Operation:
    """The operation that does nothing."""
    return Operation(np.eye(dimension), np.eye(dimension, dtype=int))


def with_time_reversal(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Every operation, then every operation followed by time reversal."""
    reversed_ = [Operation(g.rotation, g.reduced, not g.time_reversal) for g in operations]
    return (*operations, *reversed_)


def lattice_operations(vectors: Any, *, tolerance: float = SAME) -> tuple[Operation, ...]:
    """All point operations of a Bravais lattice, each without and with time reversal.

        W G W^T = G,  W integer,  G = B B^T  (metric of the reciprocal vectors)

    Valid for: any basis of a lattice in 1, 2 or 3 dimensions; a crystal has a subgroup of these.

    Parameters
    ----------
    vectors : (d, d) array or Lattice
        Lattice vectors as rows, Cartesian.
    tolerance : float
        Relative difference of lengths and angles that counts as none.

    Returns
    -------
    tuple of Operation
        A group; the identity comes first, operations with time reversal last.

    Raises
    ------
    ValueError
        The vectors are not those of a lattice.

    Examples
    --------
    >>> from blochflow.zone.symmetry import lattice_operations
    >>> len(lattice_operations([[1.0, 0.0], [0.5, 3**0.5 / 2]]))  # D6, with and without time reversal
    24
    """
    lattice = vectors if isinstance(vectors, Lattice) else Lattice(vectors)
    direct = np.asarray(lattice.vectors)
    given = np.linalg.inv(direct).T
    basis, change = reduce_basis(given)
    inverse = np.rint(np.linalg.inv(change)).astype(int)
    metric = basis @ basis.T
    matrices = sorted(isometries(metric, tolerance), key=lambda w: (misfit(w, metric), -np.trace(w), w.tolist()))
    found = []
    for w in matrices:
        rotation = nearest_rotation((np.linalg.inv(basis) @ w @ basis).T)
        found.append(Operation(rotation, inverse @ w @ change))
    # near the tolerance products may miss it; what is returned is a group
    errors = [misfit(w, metric) for w in matrices]
    return with_time_reversal(largest_group(found, errors))


def reduce_basis(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairwise reduced basis of the same lattice and the integer matrix U with reduced = U @ vectors.

    Shorter vectors keep the search for isometries small, whatever skew basis was given.
    """
    change = np.eye(len(vectors), dtype=int)
    basis = vectors.copy()
    shortened = True
    while shortened:
        shortened = False
        for i, j in itertools.permutations(range(len(basis)), 2):
            steps = int(np.rint(basis[i] @ basis[j] / (basis[j] @ basis[j])))
            shorter = basis[i] - steps * basis[j]
            # a strict gain, so that ties do not cycle
            if steps and shorter @ shorter < (1 - SAME) * (basis[i] @ basis[i]):
                change[i] -= steps * change[j]
                basis[i] = change[i] @ vectors
                shortened = True
    return basis, change


def isometries(metric: np.ndarray, tolerance: float) -> list[np.ndarray]:
    """All integer W with W G W^T = G within ``tolerance``, entry by entry relative to sqrt(G_ii G_jj)."""
    d = len(metric)
    # |m_j| <= |k| |a_j| for k = m B with direct vectors a_j, whose squared lengths are the diagonal of G^-1
    bound = np.sqrt(metric.diagonal().max() * np.linalg.inv(metric).diagonal()) * (1 + tolerance)
    rows = np.array(list(itertools.product(*(range(-int(b), int(b) + 1) for b in bound))))
    lengths = np.einsum("ma,ab,mb->m", rows, metric, rows)
    options = [rows[np.abs(lengths - g) <= tolerance * g] for g in metric.diagonal()]
    partial: list[list[np.ndarray]] = [[]]
    for i in range(d):
        allowed = [tolerance * np.sqrt(metric[i, i] * metric[j, j]) for j in range(i)]
        partial = [
            [*start, row]
            for start in partial
            for row in options[i]
            if all(abs(row @ metric @ start[j] - metric[i, j]) <= allowed[j] for j in range(i))
        ]
    return [np.array(w) for w in partial]


def misfit(w: np.ndarray, metric: np.ndarray) -> float:
    """Largest relative change of the metric under W; rounding counts as none."""
    size = np.sqrt(np.outer(metric.diagonal(), metric.diagonal()))
    change = float(np.abs((w @ metric @ w.T - metric) / size).max())
    return change if change > 1e-13 else 0.0


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """The orthogonal matrix nearest to ``matrix``; multiples of 1/2 are exact, so that products of them are."""
    left, _, right = np.linalg.svd(matrix)
    rotation = left @ right
    halves = np.round(2 * rotation) / 2 + 0.0
    return np.where(np.abs(rotation - halves) < 1e-12, halves, rotation)


def point_operations(dimension: int, system: str) -> tuple[Operation, ...]:
    """Holohedry in standard axes, with and without time reversal, for models without a lattice.

    ``system``: "inversion" (any dimension), "square" or "hexagonal" (2D), "cubic" or "hexagonal" (3D, axis along z).
    """
    hexagon = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    if system == "hexagonal":
        vectors = hexagon if dimension == 2 else np.block([[hexagon, np.zeros((2, 1))], [np.zeros((1, 2)), 1.7]])
    else:
        vectors = np.eye(dimension) if system in ("square", "cubic") else np.eye(1)
    if system == "inversion":
        return with_time_reversal([Operation(s * np.eye(dimension)) for s in (1, -1)])
    return tuple(Operation(g.rotation, None, g.time_reversal) for g in lattice_operations(vectors))


def multiplication_table(operations: Sequence[Operation]) -> np.ndarray:
    """(n, n) index of the product i after j among the operations, -1 where it is not one of them."""
    rotations = np.array([g.rotation for g in operations])
    reversal = np.array([g.time_reversal for g in operations])
    n, d = rotations.shape[:2]
    products = np.einsum("iab,jbc->ijac", rotations, rotations).reshape(n * n, -1)
    # orthogonal matrices: |P - Q|^2 = 2 (d - P.Q)
    distance = 2 * (d - products @ rotations.reshape(n, -1).T)
    other = (reversal[:, None] != reversal[None, :]).reshape(-1, 1) != reversal[None, :]
    distance = np.where(other, np.inf, distance)
    nearest = distance.argmin(axis=1)
    found = distance[np.arange(n * n), nearest] < DIFFERENT**2
    return np.where(found, nearest, -1).reshape(n, n)


def is_group(operations: Sequence[Operation]) -> bool:
    """True when all products belong to the operations (a finite set closed under products is a group)."""
    return bool((multiplication_table(operations) >= 0).all())


def generated_group(generators: Sequence[Operation], dimension: int) -> tuple[Operation, ...]:
    """The smallest group that holds all generators, the identity first.

    Raises
    ------
    ValueError
        It has more elements than any group of a crystal.
    """
    group = [identity(dimension)]
    if any(g.reduced is None for g in generators):
        group = [Operation(np.eye(dimension))]
    for element in group:  # grows while it is read
        for generator in generators:
            product = generator @ element
            if not any(product.equals(known) for known in group):
                group.append(product)
            if len(group) > MOST_OPERATIONS:
                raise fail("symmetry", "generate a finite point group", f"has over {MOST_OPERATIONS} products")
    return tuple(group)


def largest_group(operations: Sequence[Operation], mismatch: Sequence[float]) -> tuple[Operation, ...]:
    """A maximal group inside a set of operations, in their order; those of small ``mismatch`` are taken first.

    Operations that hold within a tolerance need not be closed under products: the product of two that just pass may
    just fail.  Such operations are left out.
    """
    table = multiplication_table(operations)
    members = {i for i, g in enumerate(operations) if g.equals(identity(g.dimension))}
    for candidate in np.argsort(np.asarray(mismatch), kind="stable"):
        if int(candidate) in members:
            continue
        grown = _closure(members | {int(candidate)}, table)
        members = grown or members
    return tuple(operations[i] for i in sorted(members))


def _closure(members: set[int], table: np.ndarray) -> set[int] | None:
    """All products of members, or None when one is missing from the table."""
    size = 0
    while size < len(members):
        size = len(members)
        index = sorted(members)
        members = members | {int(i) for i in table[np.ix_(index, index)].ravel()}
        if -1 in members:
            return None
    return members
