"""Points of a uniform grid, and dyadic cells, that a group of point operations maps onto one another.

    sum_k F(k) = (1/|G|) sum_g g [ sum_orbits (multiplicity) F(representative) ]       for F(g k) = g F(k)

Grid: k_frac,i = (j_i + shift_i)/n_i.  W maps it onto itself when M_li = n_i W_li/n_l and the moved shift are whole.
Cells: [j_i, j_i + 1] + shift_i 2^level over n_i 2^level.  Only signed permutations of the axes map cells to cells.
Source: orbits weighted by their size, Monkhorst and Pack, PRB 13, 5188 (1976).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.zone.symmetry import Operation, as_reduced, is_group

# Shifts are fractions such as 1/2 or 1/3 of a spacing; sums of a few of them are exact to this.
WHOLE = 1e-9


@dataclass(frozen=True)
class Orbits:
    """Sets of points, or cells, that symmetry relates.

    Attributes
    ----------
    representatives : (r,) int
        One index per orbit, ascending: into the grid with the last axis fastest, or into the list of cells.
    multiplicities : (r,)
        Points, or the sum of weights of cells, in each orbit.
    """

    representatives: np.ndarray
    multiplicities: np.ndarray


def grid_operations(operations: Sequence[Operation], points: Sequence[int], shift: Any = 0.0) -> tuple[Operation, ...]:
    """The operations that map a uniform grid onto itself; a group when the operations are one.

    Parameters
    ----------
    operations : sequence of Operation
        Of a lattice.
    points : (d,) ints
        Points per axis.
    shift : float or (d,) floats
        In units of the spacing.

    Raises
    ------
    ValueError
        An operation without lattice, or wrong lengths.
    """
    offset = as_shift(shift, len(points))
    return tuple(g for g in operations if grid_map(g, points, offset) is not None)


def grid_map(operation: Operation, points: Sequence[int], shift: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(M, c) with j' = j M + c modulo the points, or None when the grid is not mapped onto itself."""
    n = np.asarray(points, dtype=np.int64)
    scaled = operation.sign * as_reduced(operation) * n[None, :]
    matrix, rest = np.divmod(scaled, n[:, None])
    moved = shift @ matrix - shift
    if rest.any() or np.abs(moved - np.rint(moved)).max() > WHOLE:
        return None
    return matrix, np.rint(moved).astype(np.int64)


def grid_orbits(operations: Sequence[Operation], points: Sequence[int], shift: Any = 0.0) -> Orbits:
    """Orbits of a uniform grid under a group of operations.

    Parameters
    ----------
    operations : sequence of Operation
        A group, every element of which maps the grid onto itself (`grid_operations`).
    points : (d,) ints
    shift : float or (d,) floats
        In units of the spacing.

    Returns
    -------
    Orbits
        The multiplicities sum to the number of points.

    Raises
    ------
    ValueError
        Not a group, or an operation that does not map the grid onto itself.

    Examples
    --------
    >>> from blochflow.zone.orbits import grid_orbits
    >>> from blochflow.zone.symmetry import lattice_operations
    >>> orbits = grid_orbits(lattice_operations([[1.0, 0.0], [0.0, 1.0]]), (4, 4))
    >>> orbits.representatives.tolist(), orbits.multiplicities.tolist()
    ([0, 1, 2, 5, 6, 10], [1, 4, 2, 4, 4, 1])
    """
    _require_group(operations)
    offset = as_shift(shift, len(points))
    total = int(np.prod(points))
    smallest = np.arange(total).reshape(points)
    for operation in operations:
        mapping = grid_map(operation, points, offset)
        if mapping is None:
            raise fail("operations", "map the grid onto itself", f"{operation} does not")
        np.minimum(smallest, _image_index(mapping, points), out=smallest)
    counts = np.bincount(smallest.reshape(-1), minlength=total)
    representatives = np.flatnonzero(counts)
    return Orbits(representatives, counts[representatives])


def _image_index(mapping: tuple[np.ndarray, np.ndarray], points: Sequence[int]) -> np.ndarray:
    """Flat index of the image of every grid point, axis by axis without a list of all points."""
    matrix, offset = mapping
    d = len(points)
    flat = np.zeros((1,) * d, dtype=np.int64)
    for i in range(d):
        image = np.full((1,) * d, offset[i])
        for j in range(d):
            if matrix[j, i]:
                image = image + matrix[j, i] * np.arange(points[j]).reshape([-1 if a == j else 1 for a in range(d)])
        flat = flat * points[i] + image % points[i]
    return flat


def cell_operations(operations: Sequence[Operation], cells: Sequence[int], shift: Any = 0.0) -> tuple[Operation, ...]:
    """The operations that map tensor-product cells, and all their dyadic children, onto one another.

    These are signed permutations of the reduced axes between axes of equal numbers of cells: the largest subgroup that
    a tensor-product rule with nodes symmetric about the centre of a cell can use.

    Parameters
    ----------
    operations : sequence of Operation
    cells : (d,) ints
        Cells per axis at level 0.
    shift : float or (d,) floats
        Of the lower corner, in units of the width of a cell of level 0.
    """
    offset = as_shift(shift, len(cells))
    return tuple(g for g in operations if cell_map(g, cells, offset) is not None)


def cell_map(operation: Operation, cells: Sequence[int], shift: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(signed permutation, whole shift c of level 0) with j' = j M + c 2^level - (1 where reversed), or None."""
    matrix = operation.sign * as_reduced(operation)
    one_per_axis = (np.abs(matrix).sum(axis=0) == 1).all() and (np.abs(matrix).sum(axis=1) == 1).all()
    if not one_per_axis or (np.abs(matrix) @ np.asarray(cells) != np.asarray(cells)).any():
        return None
    moved = shift @ matrix - shift
    if np.abs(moved - np.rint(moved)).max() > WHOLE:
        return None
    return matrix, np.rint(moved).astype(np.int64)


def cell_orbits(
    operations: Sequence[Operation],
    cells: Sequence[int],
    levels: Any,
    indices: Any,
    *,
    weights: Any = None,
    shift: Any = 0.0,
) -> Orbits:
    """Orbits of a list of dyadic cells under a group of operations.

    The list need not be closed: cells that an operation relates are joined and their weights added, so it serves for a
    whole level as for the children of representatives.

    Parameters
    ----------
    operations : sequence of Operation
        A group, every element of which maps cells to cells (`cell_operations`).
    cells : (d,) ints
        Cells per axis at level 0.
    levels : int or (C,) ints
        A cell of level l has the width 1/(cells 2^l).
    indices : (C, d) ints
        0 <= j_i < cells_i 2^l.
    weights : (C,) array, optional
        Default 1 each: the multiplicities then count cells.
    shift : float or (d,) floats
        Of the lower corner, in units of the width of a cell of level 0.

    Returns
    -------
    Orbits
        ``representatives`` are positions in the list, the first of each orbit.

    Raises
    ------
    ValueError
        Not a group, an operation that does not map cells to cells, or wrong shapes.
    """
    _require_group(operations)
    index = np.asarray(indices, dtype=np.int64)
    if index.ndim != 2 or index.shape[1] != len(cells):
        raise fail("indices", f"have shape (C, {len(cells)})", f"has shape {index.shape}")
    level = np.broadcast_to(np.asarray(levels, dtype=np.int64), len(index))
    weight = np.ones(len(index)) if weights is None else as_real_array(weights, "weights")
    offset = as_shift(shift, len(cells))
    width = np.int64(1) << level
    size = np.asarray(cells)[None, :] * width[:, None]
    smallest = _flat(index, size)
    for operation in operations:
        mapping = cell_map(operation, cells, offset)
        if mapping is None:
            raise fail("operations", "map cells to cells", f"{operation} does not")
        matrix, whole = mapping
        reversed_axis = (matrix.sum(axis=0) < 0).astype(np.int64)
        image = (index @ matrix + whole * width[:, None] - reversed_axis) % size
        np.minimum(smallest, _flat(image, size), out=smallest)
    keys = np.stack([level, smallest], axis=1)
    _, first, member = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    sums = np.bincount(member.reshape(-1), weights=weight)
    order = np.argsort(first)
    return Orbits(first[order], sums[order])


def _flat(index: np.ndarray, size: np.ndarray) -> np.ndarray:
    flat = np.zeros(len(index), dtype=np.int64)
    for axis in range(index.shape[1]):
        flat = flat * size[:, axis] + index[:, axis]
    return flat


def as_shift(shift: Any, dimension: int) -> np.ndarray:
    """(d,) shifts from a number or one per axis."""
    array = as_real_array(shift, "shift")
    if array.ndim and array.shape != (dimension,):
        raise fail("shift", f"be a number or {dimension} of them", f"has shape {array.shape}")
    return np.broadcast_to(array, (dimension,))


def _require_group(operations: Sequence[Operation]) -> None:
    if not operations or not is_group(operations):
        raise fail("operations", "form a group", f"the {len(operations)} given are not closed under products")
