"""Pockets smaller than a grid cell, and a fine mesh for small ones.

A pocket around a minimum below the level that falls between the grid points leaves no trace on the grid but a local
minimum just above the level.  Such minima are followed downhill (a compass search: it needs no derivative, and so also
finds the tip of a cone); around those that end below the level a small box is meshed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from blochflow.zone.marching import Box, march
from blochflow.zone.roots import ROUNDING, Levels, roots_on_edges
from blochflow.zone.sheets import Piece, split
from blochflow.zone.tracing import traced

Depth = Callable[[np.ndarray], np.ndarray]  # energy above the level, downwards for maxima

# Cells per axis of the box around a small pocket, by dimension: the rule on triangles then errs by about 1e-8.
FINE_CELLS = {2: 40, 3: 20}
SMALL = {2: 10.0, 3: 9.0}  # closed pieces that extend over fewer grid cells are meshed again
MARGIN = 0.2  # of the extent, around a box
SEARCH_STEPS = 400
SMALLEST_STEP = 1e-9  # of a grid cell
LARGEST_BOX = 4.0  # half the width, in grid cells, beyond which a pocket is not small
MOST_CANDIDATES = 256  # lowest first; a rough band does not have more distinct pockets


def mesh(levels: Levels, mu: float, box: Box, energies: np.ndarray, scale: float) -> list[Piece]:
    """Pieces of the level set on a box, vertices on it to rounding; curves are followed through narrow places."""
    found = march(box, energies, mu)
    values = (found.low_value, found.high_value)
    vertices, _, gradients = roots_on_edges(levels, mu, found.low, found.high, values, scale)
    whole = vertices, gradients, found.elements, found.images
    if len(box.cells) == 2 and len(found.elements):
        whole = traced(whole, levels, mu, scale, box)
    return split(*whole, box.spans)


def remesh(piece: Piece, levels: Levels, mu: float, box: Box, scale: float) -> list[Piece]:
    """The same closed piece on a finer box around it, if it is small; it may turn out to be several."""
    from scipy.spatial import cKDTree

    index = (piece.vertices - box.origin) @ np.linalg.inv(box.steps)
    low, high = index.min(axis=0), index.max(axis=0)
    if not piece.closed or (high - low).max() > SMALL[len(low)]:
        return [piece]
    margin = MARGIN * (high - low) + 1e-6 * (high - low).max()
    found = _local_mesh(levels, mu, box, low - margin, high + margin, scale)
    if not found:
        return [piece]
    # Every old vertex lies on the level set: the new pieces nearest to them are the same piece.
    owner = np.concatenate([np.full(len(p.vertices), i) for i, p in enumerate(found)])
    nearest = cKDTree(np.concatenate([p.vertices for p in found])).query(piece.vertices)[1]
    same = [found[i] for i in np.unique(owner[nearest])]
    return same if all(p.closed for p in same) else [piece]


def hidden_pockets(levels: Levels, mu: float, box: Box, energies: np.ndarray, scale: float) -> list[Piece]:
    """Closed pieces around minima below, and maxima above, the level that contain no grid point of that side."""
    pieces: list[Piece] = []
    for sign in (1.0, -1.0):
        depth = sign * (energies - mu)
        starts = _candidates(depth, box)
        if not len(starts):
            continue

        def below(k: np.ndarray, sign: float = sign) -> np.ndarray:
            return sign * (levels(k)[0] - mu)

        centers, reached = _compass(below, box, starts.astype(float), depth[tuple(starts.T)])
        for center in centers[reached < -100 * ROUNDING * scale]:
            if not any(_covers(piece, box, center) for piece in pieces):
                pieces += _pocket_at(levels, below, mu, box, depth, center, scale)
    return pieces


def _candidates(depth: np.ndarray, box: Box) -> np.ndarray:
    """Grid points (C, d) at local minima above 0 whose height is within the variation around them."""
    d = depth.ndim
    padded = np.pad(depth, 1, mode="wrap") if box.periodic else np.pad(depth, 1, constant_values=-np.inf)
    lowest, largest = np.full(depth.shape, np.inf), np.zeros(depth.shape)
    for shift in itertools.product((0, 1, 2), repeat=d):
        if shift != (1,) * d:
            other = padded[tuple(slice(s, s + n) for s, n in zip(shift, depth.shape, strict=True))]
            lowest, largest = np.minimum(lowest, other), np.maximum(largest, np.abs(other - depth))
    found = np.argwhere((depth > 0) & (depth <= lowest) & (depth < largest))
    order = np.argsort(depth[tuple(found.T)], kind="stable")
    return found[order[:MOST_CANDIDATES]]


def _compass(below: Depth, box: Box, index: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minima (C, d) in grid indices, and their values, downhill from ``index``."""
    d = index.shape[1]
    ways = np.array([w for w in itertools.product((-1, 0, 1), repeat=d) if any(w)], dtype=float)
    step = np.full(len(index), 0.5)
    for _ in range(SEARCH_STEPS):
        active = np.flatnonzero(step > SMALLEST_STEP)
        if not len(active):
            break
        trial = index[active, None] + step[active, None, None] * ways
        values = below(box.at(trial.reshape(-1, d))).reshape(len(active), -1)
        best = values.argmin(axis=1)
        lower = values[np.arange(len(active)), best] < value[active]
        index[active[lower]] = trial[lower, best[lower]]
        value[active[lower]] = values[lower, best[lower]]
        step[active[~lower]] *= 0.5
    return index, value


def _pocket_at(
    levels: Levels, below: Depth, mu: float, box: Box, depth: np.ndarray, center: np.ndarray, scale: float
) -> list[Piece]:
    """The pocket around a minimum at the grid index ``center``, unless the grid sees it already."""
    d = len(center)
    ways = np.array([w for w in itertools.product((-1, 0, 1), repeat=d) if any(w)], dtype=float)
    sizes = 2.0 ** np.arange(-40, 2)
    outside = below(box.at((center + sizes[:, None, None] * ways).reshape(-1, d))).reshape(len(sizes), -1) > 0
    first = np.where(outside.any(axis=0), sizes[outside.argmax(axis=0)], sizes[-1])
    half = (first[:, None] * np.abs(ways)).max(axis=0) * (1 + MARGIN)
    while half.max() <= LARGEST_BOX:
        found = _local_mesh(levels, mu, box, center - half, center + half, scale)
        holding = [p for p in found if p.closed and _covers(p, box, center)]
        if holding:
            return [] if any(_seen(p, box, depth) for p in holding) else holding
        half = 2 * half
    return []


def _local_mesh(levels: Levels, mu: float, box: Box, low: np.ndarray, high: np.ndarray, scale: float) -> list[Piece]:
    """Pieces of the level set on a fine box between two grid indices."""
    cells = (FINE_CELLS[len(low)],) * len(low)
    fine = Box(box.at(low), np.diag(high - low) @ box.steps, cells, periodic=False)
    return mesh(levels, mu, fine, levels(fine.points())[0].reshape(fine.shape), scale)


def _extent(piece: Piece, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest grid index of a piece along each axis."""
    index = (piece.vertices - box.origin) @ np.linalg.inv(box.steps)
    return index.min(axis=0), index.max(axis=0)


def _covers(piece: Piece, box: Box, center: np.ndarray) -> bool:
    """True if a grid index, or one a period away, lies within the extent of a piece."""
    low, high = _extent(piece, box)
    if box.periodic:
        cells = np.array(box.cells)
        center = low + (center - low) % cells
    return bool(((center >= low) & (center <= high)).all())


def _seen(piece: Piece, box: Box, depth: np.ndarray) -> bool:
    """True if a grid point below the level lies within the extent of a piece."""
    low, high = _extent(piece, box)
    ranges = [np.arange(np.ceil(a), np.floor(b) + 1).astype(int) for a, b in zip(low, high, strict=True)]
    inside = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(low))
    if box.periodic:
        inside = inside % np.array(box.shape)
    else:
        inside = inside[((inside >= 0) & (inside < np.array(box.shape))).all(axis=1)]
    return bool((depth[tuple(inside.T)] <= 0).any())
