"""Marching simplices: the level set of a function on a uniform grid as segments (2D) or triangles (3D).

    every cell splits into d! simplices  v, v + e_p1, v + e_p1 + e_p2, ...   (p: a permutation of the axes)

Source: Kuhn's triangulation; Doi and Koide, IEICE Trans. E74-D, 214 (1991).  A simplex has no ambiguous case, and
neighbouring cells agree on their common face, also across a periodic boundary: a vertex of the level set is known by
the grid edge it sits on, so connectivity is exact and never a matter of comparing coordinates.

Legend: an element has d corners; ``images`` are the periods added to a vertex to bring it to a corner.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """A uniform grid over a parallelepiped.

    Attributes
    ----------
    origin : (d,)
    spans : (d, d)
        Edges of the parallelepiped, rows; the periods if periodic.
    cells : tuple of int
        Cells per axis; a box that is not periodic has one more point than cells.
    periodic : bool
    """

    origin: np.ndarray
    spans: np.ndarray
    cells: tuple[int, ...]
    periodic: bool

    @property
    def key(self) -> bytes:
        """The same for equal boxes."""
        return np.array(self.cells).tobytes() + self.origin.tobytes() + self.spans.tobytes() + bytes([self.periodic])

    @property
    def shape(self) -> tuple[int, ...]:
        """Points per axis."""
        return self.cells if self.periodic else tuple(n + 1 for n in self.cells)

    @property
    def steps(self) -> np.ndarray:
        """(d, d) rows from a grid point to the next one along each axis."""
        return np.asarray(self.spans / np.array(self.cells)[:, None])

    def at(self, index: np.ndarray) -> np.ndarray:
        """Positions (..., d) of integer or fractional grid indices (..., d)."""
        return np.asarray(self.origin + index @ self.steps)

    def points(self) -> np.ndarray:
        """All grid points, (P, d), last axis fastest."""
        return self.at(np.indices(self.shape).reshape(len(self.cells), -1).T)


@dataclass(frozen=True)
class Crossings:
    """Level set on a grid, before its vertices are refined.

    Attributes
    ----------
    low, high : (V, d)
        Ends of the grid edge of each vertex, the function at most the level at ``low`` and above it at ``high``.
    low_value, high_value : (V,)
    elements : (F, d)
        Vertices of each segment or triangle; its normal points to higher values (segments: to the right).
    images : (F, d, d)
        Periods (integers along the spans) to be added to each corner (second axis).
    """

    low: np.ndarray
    high: np.ndarray
    low_value: np.ndarray
    high_value: np.ndarray
    elements: np.ndarray
    images: np.ndarray


def march(box: Box, values: np.ndarray, level: float) -> Crossings:
    """Vertices and elements of the set where ``values`` (one per grid point, in its shape) cross ``level``."""
    d = len(box.cells)
    corners = _active_cells(values > level, box)
    edges, cuts = [], []
    for order in itertools.permutations(range(d)):
        offsets = np.concatenate([np.zeros((1, d), int), np.cumsum(np.eye(d, dtype=int)[list(order)], axis=0)])
        simplices = corners[:, None, :] + offsets
        above = _look_up(values, simplices) > level
        masks = above @ (1 << np.arange(d + 1))
        for mask, faces in _cases(d).items():
            chosen = simplices[masks == mask]
            for face in faces if len(chosen) else ():
                pairs = np.array(face)
                edges.append(np.stack([chosen[:, pairs[:, 0]], chosen[:, pairs[:, 1]]], axis=2))
                cuts.append(_uphill(chosen, mask))
    if not edges:
        none = np.empty((0, d))
        return Crossings(none, none, none[:, 0], none[:, 0], np.empty((0, d), int), np.empty((0, d, d), int))
    ends = _oriented(np.concatenate(edges), np.concatenate(cuts), box.steps)
    return _share_vertices(ends, box, values, level)


def shortest_basis(vectors: np.ndarray) -> np.ndarray:
    """The same lattice (rows) with vectors as short as pairwise differences make them: no thin simplices."""
    basis = vectors.astype(float).copy()
    changed = True
    while changed:
        changed = False
        for i, j in itertools.permutations(range(len(basis)), 2):
            factor = np.rint(basis[i] @ basis[j] / (basis[j] @ basis[j]) * (1 - 1e-9))
            if factor:
                basis[i] -= factor * basis[j]
                changed = True
    return basis


def element_normals(corners: np.ndarray) -> np.ndarray:
    """Length or area of flat elements (F, d corners, d), times their unit normals, (F, d)."""
    if corners.shape[-1] == 2:
        along = corners[:, 1] - corners[:, 0]
        return np.stack([along[:, 1], -along[:, 0]], axis=-1)
    return 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _active_cells(above: np.ndarray, box: Box) -> np.ndarray:
    """Lowest corners (C, d) of the cells with grid points on both sides of the level."""
    d = above.ndim
    some, every = above.copy(), above.copy()
    for axis in range(d):
        some, every = some | np.roll(some, -1, axis), every & np.roll(every, -1, axis)
    mixed = (some & ~every)[tuple(slice(n) for n in box.cells)]
    return np.argwhere(mixed)


def _look_up(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Values at unwrapped grid indices (..., d)."""
    return np.asarray(values[tuple(np.moveaxis(index % np.array(values.shape), -1, 0))])


@functools.cache
def _cases(d: int) -> dict[int, list[tuple[tuple[int, int], ...]]]:
    """Which corners are above (bits) -> elements, each as d cut edges (i, j), i < j."""
    table: dict[int, list[tuple[tuple[int, int], ...]]] = {}
    for mask in range(1, 2 ** (d + 1) - 1):
        up = [i for i in range(d + 1) if mask >> i & 1]
        down = [i for i in range(d + 1) if not mask >> i & 1]
        if len(up) == 2 and len(down) == 2:
            (a, b), (c, e) = up, down
            ring = [(a, c), (a, e), (b, e), (b, c)]
            faces = [(ring[0], ring[1], ring[2]), (ring[0], ring[2], ring[3])]
        else:
            lone, others = (up, down) if len(up) == 1 else (down, up)
            faces = [tuple((lone[0], other) for other in others)]  # type: ignore[list-item]
        table[mask] = [tuple((min(e), max(e)) for e in face) for face in faces]
    return table


def _uphill(simplices: np.ndarray, mask: int) -> np.ndarray:
    """Grid vector from the corners below to those above the level, (S, d)."""
    up = np.array([bool(mask >> i & 1) for i in range(simplices.shape[1])])
    return np.asarray(simplices[:, up].mean(axis=1) - simplices[:, ~up].mean(axis=1))


def _oriented(ends: np.ndarray, uphill: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Cut edges (F, corner, end, d) in the order that makes normals point uphill."""
    normals = element_normals(ends.mean(axis=2) @ steps)
    wrong = np.einsum("fa,fa->f", normals, uphill @ steps) < 0
    ends[wrong, -2:] = ends[wrong, -2:][:, ::-1]
    return ends


def _share_vertices(ends: np.ndarray, box: Box, values: np.ndarray, level: float) -> Crossings:
    """One vertex for every cut grid edge, modulo the period."""
    shape = np.array(values.shape)
    base, kind = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]
    home = base % shape
    d = len(shape)
    key = np.ravel_multi_index(tuple(np.moveaxis(home, -1, 0)), tuple(shape)) * 2**d + kind @ (1 << np.arange(d))
    _, first, inverse = np.unique(key.reshape(-1), return_index=True, return_inverse=True)
    start = home.reshape(-1, d)[first]
    stop = start + kind.reshape(-1, d)[first]
    at_start, at_stop = _look_up(values, start), _look_up(values, stop)
    rising = (at_start <= level)[:, None]
    low, high = np.where(rising, start, stop), np.where(rising, stop, start)
    below, above = np.minimum(at_start, at_stop), np.maximum(at_start, at_stop)
    images = base // shape if box.periodic else np.zeros_like(base)
    return Crossings(box.at(low), box.at(high), below, above, inverse.reshape(key.shape), images)
