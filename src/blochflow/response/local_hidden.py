"""What small gaps between the points of local models hide from them, summed over the boxes of a block of cells.

The polynomials of a local model know a gap to their own error only, which may exceed it and decides about its sign.
Where much is hidden the least gap is found again with the full model: its group matrices there, less those of the
polynomials, are added to the local model as a constant.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.geometry.cumulative import eigenbasis
from blochflow.geometry.local_model import Groups, group_matrices
from blochflow.geometry.near_touching import NearTouching, half_spacings
from blochflow.models.base import AbstractModel, BlochMatrices, map_chunks
from blochflow.response.local_search import Integrand, Suspects, missed, polynomials, search, tensor_points
from blochflow.zone.tiling import CellBlock

# Gaps in one call of the search, of the integrals over tubes, and of the full model.
SEARCHED, INTEGRATED, CORRECTED = 32, 8, 8
# What a peak of width |d|/sigma_1 adds to the error of an equidistant rule, exp(-2 pi width/spacing): below this it is
# resolved.
RESOLVED = 0.2
# Shortest line, in edges of the box.
SHORTEST = 1e-3
# Gaps that hide more than this part of the allowed error are found again with the full model.
HEAVY = 3e-3
# It is evaluated at each new least gap until that changes by less than this fraction, at most so many times.
SETTLED, ROUNDS = 0.1, 4


@eqx.filter_jit
def evaluate_at(model: AbstractModel, prepared: Any, k: Array, groups: Groups, cell: Array) -> Array:
    """Packed group matrices (m, c, g, g) of the full model at reduced k (m, d), in the gauge of the cells."""

    def one(item: tuple[Array, Array]) -> Array:
        axes = tuple(item[0][:, None])

        def at(matrices: BlochMatrices, index: Array) -> Array:
            matrices = dataclasses.replace(matrices, eigenbasis=eigenbasis(matrices))
            return group_matrices(matrices, groups, index).packed

        return map_chunks(model, axes, prepared, 1, at, item[1][None])[0, 0, 0]

    return jax.lax.map(one, (k, cell))


@dataclass(frozen=True)
class HiddenGaps:
    """Looks for small gaps in the boxes of a block of cells.

    Attributes
    ----------
    model, prepared, integrand, frame, length, count
        As in `evaluate_nodes` and `evaluate_boxes`.
    order : int
        Of the rule that integrates the boxes.
    edges : (x, a)
        Of a cell, in the components of the velocity.
    window : (2,)
        Energies at which gaps matter.
    block : CellBlock
    groups : Groups
        Of its cells.
    """

    model: AbstractModel
    prepared: Any
    integrand: Integrand
    frame: Array | None
    length: Array | float
    count: int
    order: int
    edges: np.ndarray
    window: np.ndarray
    block: CellBlock
    groups: Groups

    def hidden(
        self,
        packed: Array,
        cells: np.ndarray,
        corners: np.ndarray,
        suspects: Suspects,
        size: int,
        allowed: np.ndarray,
    ) -> tuple[np.ndarray | float, dict[str, int]]:
        """(P, C) what the rule misses, summed over boxes in units of the volume of one, and the work.

        ``allowed`` (P, C) is the error of the whole integral in these units.
        """
        box, part, pair = np.nonzero(np.asarray(suspects.found))
        d = corners.shape[2]
        if d < 2 or not len(box):
            return 0.0, {}
        start = tensor_points(self.order, d)[np.asarray(suspects.start)[box, part, pair]]
        some = Gaps(packed[..., :size, :size], cells[box], corners[box], part, pair)
        found = self.least(some, start)
        open_ = np.flatnonzero(self.unresolved(found, some.part))
        if not len(open_):
            return 0.0, {"searched": len(box)}
        some, found = some.take(open_), jax.tree.map(lambda x: x[open_], found)
        both = self.both(some, found, None)
        heavy = np.flatnonzero((np.abs(both[:, 0]) > HEAVY * allowed).any(axis=(1, 2)))
        if len(heavy):
            both[heavy] = self.corrected(some.take(heavy), jax.tree.map(lambda x: x[heavy], found), size)
        total = both[:, 0] - both[:, 1]
        return total.sum(axis=0), {"searched": len(box), "hidden": len(open_), "again": len(heavy)}

    def corrected(self, gaps: Gaps, found: NearTouching, size: int) -> np.ndarray:
        """`both` with the least gaps of the full model."""
        change, moving = np.zeros((len(gaps.cells), *gaps.packed.shape[2:])), np.arange(len(gaps.cells))
        for _ in range(ROUNDS):
            some = gaps.take(moving)
            last = jax.tree.map(lambda x, moving=moving: x[moving], found)
            change[moving] = self.corrections(some, last, size)
            now = self.least(some, last.position, change[moving])
            for whole, part in zip(jax.tree.leaves(found), jax.tree.leaves(now), strict=True):
                whole[moving] = part
            moving = moving[np.abs(now.gap - last.gap) > SETTLED * now.gap]
            if not len(moving):
                break
        return self.both(gaps, found, change)

    def least(self, gaps: Gaps, start: np.ndarray, change: np.ndarray | None = None) -> NearTouching:
        """`search` of all."""
        d = start.shape[1]
        edges = 0.5 * (gaps.corners[:, 1] - gaps.corners[:, 0])[:, :, None] * self.edges
        parts = []
        for some in batches(len(start), SEARCHED):
            local = gaps.models(some, change)[:, :, : 1 + d]
            boxes, own, at, pair = (jnp.asarray(x[some]) for x in (gaps.corners, edges, start, gaps.pair))
            parts.append(search(local, boxes, own, at, pair, self.frame, self.length, self.count))
        return joined(parts, len(start))

    def both(self, gaps: Gaps, found: NearTouching, change: np.ndarray | None) -> Any:
        """(m, 2, P, C) of `missed`: integrals over tubes, and what the rule makes of them."""
        radius, length = self.tubes(found, gaps.part)
        tubes, parts = np.stack([radius, length], axis=1), []
        for some in batches(len(length), INTEGRATED):
            near = jax.tree.map(lambda x, some=some: jnp.asarray(x[some]), found)
            rule = gaps.models(some, None)
            true = rule if change is None else gaps.models(some, change)
            boxes, tube, part = (jnp.asarray(x[some]) for x in (gaps.corners, tubes, gaps.part))
            options: dict[str, Any] = {
                "frame": self.frame,
                "length": self.length,
                "count": self.count,
                "order": self.order,
            }
            parts.append(missed(self.integrand, rule, true, boxes, near, tube, part, **options))
        return joined(parts, len(length))

    def corrections(self, gaps: Gaps, found: NearTouching, size: int) -> np.ndarray:
        """(m, c, g, g) group matrices of the full model at the least gaps, less those of the polynomials."""
        low, high = gaps.corners[:, 0], gaps.corners[:, 1]
        position = low + found.position * (high - low)
        shape = tuple(len(edge) for edge in self.block.edges)
        index = np.stack(np.unravel_index(gaps.cells, shape), axis=1)
        first = np.stack([edge[i] for edge, i in zip(self.block.edges, index.T, strict=True)], axis=1)
        k = first + 0.5 * (position + 1) * np.asarray(self.block.widths)
        parts = []
        for some in batches(len(k), CORRECTED):
            cell = jnp.asarray(gaps.cells[some])
            exact = evaluate_at(self.model, self.prepared, jnp.asarray(k[some]), self.groups, cell)
            parts.append(
                exact[..., :size, :size] - polynomials(gaps.models(some, None), jnp.asarray(position[some]), self.count)
            )
        return np.asarray(joined(parts, len(k)))

    def tubes(self, found: NearTouching, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Radii of tubes and their lengths within the parts; the gap opens along them by no more than the radius."""
        position = np.asarray(found.position)
        d = position.shape[1]
        low = 0.5 * ((part[:, None] >> np.arange(d)) & 1)
        radius = np.minimum(np.asarray(found.speed[:, 0]) * self.spacing, np.asarray(found.speed[:, 1]) * 0.5)
        if d == 2:
            return radius, np.asarray(((position >= low) & (position < low + 0.5)).all(axis=1), dtype=float)
        line = np.asarray(found.axes[:, 2])
        line = np.where(np.abs(line) < 1e-12, 1e-12, line)
        ends = np.stack([(low - position) / line, (low + 0.5 - position) / line])
        most = radius / np.maximum(np.asarray(found.speed[:, 2]), 1e-300)
        first = np.maximum(ends.min(axis=0).max(axis=1), -most)
        return radius, np.maximum(np.minimum(ends.max(axis=0).min(axis=1), most) - first, 0.0)

    def unresolved(self, found: NearTouching, part: np.ndarray) -> np.ndarray:
        """(m,) True where the rule may miss the peak, and its line runs through the part."""
        peak = np.exp(-np.pi * found.gap / np.maximum(found.speed[:, 0] * self.spacing, 1e-300))
        return np.asarray((peak > RESOLVED) & (self.tubes(found, part)[1] > SHORTEST))

    @property
    def spacing(self) -> float:
        """Largest distance of two points of the rule along an edge of the box [0, 1]^d."""
        return 2 * float(half_spacings(self.order, 1).max())


@dataclass(frozen=True)
class Gaps:
    """Pairs of bands in parts of boxes; (m, ..) each but ``packed``, which holds the local models of all cells."""

    packed: Array
    cells: np.ndarray
    corners: np.ndarray
    part: np.ndarray
    pair: np.ndarray

    def take(self, which: np.ndarray) -> Gaps:
        """A selection."""
        return Gaps(self.packed, self.cells[which], self.corners[which], self.part[which], self.pair[which])

    def models(self, which: np.ndarray, change: np.ndarray | None) -> Array:
        """Local models (m, n^d, c, g, g), with constants (m, c, g, g) added."""
        local = self.packed[self.cells[which]]
        return local if change is None else local + change[which][:, None]


def batches(count: int, size: int) -> list[np.ndarray]:
    """Numbers below ``count`` in calls of one shape; the last is filled up with numbers already seen."""
    return [np.resize(np.arange(first, min(first + size, count)), size) for first in range(0, count, size)]


def joined(parts: list[Any], count: int) -> Any:
    """Results of `batches` as NumPy arrays."""
    return jax.tree.map(lambda *x: np.concatenate(x)[:count], *parts)
