"""Cells of one tiling: which bands form the local model of a cell, whether to trust it, and its integral by boxes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.errors import BlochflowError
from blochflow.geometry.local_model import CentreData, Groups, choose_groups, half_edges, unpack
from blochflow.models.base import AbstractModel, check_finite, grid_points
from blochflow.response.local_cells import Integrand, NodeData, evaluate_boxes, evaluate_centres, evaluate_nodes
from blochflow.response.local_hidden import HiddenGaps, joined
from blochflow.response.local_search import Suspects
from blochflow.zone.polynomials import gauss_rule
from blochflow.zone.tiling import CellBlock, halved_boxes, lagrange, whole_cells

# Boxes in one call: enough to hide its cost, few enough that padding costs little.
BOXES = 8
# Gaps further than this many k_B T from mu are not searched for: occupations differ by less than 1 %.
NEAR = 5.0


@dataclass(frozen=True)
class LocalRule:
    """Settings of `local_average`; the defaults are for a dozen bands or more in three dimensions.

    Attributes
    ----------
    cells : tuple of int
        Cells per axis.
    nodes : int
        Gauss nodes per axis of a cell, where the full model is evaluated.
    order : int
        Gauss nodes per axis of a box; compared with ``nodes`` per axis.
    sizes : tuple of int
        Numbers of bands a group may have.
    turning : float
        A larger group is taken when `CentreData.turning` at the edge of a smaller one exceeds this.
    overlap : float
        Cells whose group overlaps less with the one at the centre are halved.
    window : float
        Bands within this many k_B T of mu belong to the group.
    box_share : float
        A box is halved while its change, times the square root of the number of cells, exceeds this share of the
        allowed error.
    cell_depth, box_depth : int
        Most halvings.
    """

    cells: tuple[int, ...]
    nodes: int = 4
    order: int = 8
    sizes: tuple[int, ...] = (2, 4, 6)
    turning: float = 0.5
    overlap: float = 0.7
    window: float = 8.0
    box_share: float = 4.0
    cell_depth: int = 1
    box_depth: int = 4


@dataclass
class BlockSum:
    """Contribution of a block of cells to one sample: (P, C) arrays, weighted by the volume of the cells.

    ``change`` is the difference of two orders in boxes, ``hidden`` what small gaps hide from them (`local_hidden`).
    """

    value: np.ndarray
    absolute: np.ndarray
    change: np.ndarray
    gap: np.ndarray
    hidden: np.ndarray
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, other: BlockSum) -> None:
        """Add another block."""
        self.value = self.value + other.value
        self.absolute = self.absolute + other.absolute
        self.change = self.change + other.change
        self.gap = np.minimum(self.gap, other.gap)
        self.hidden = self.hidden + other.hidden
        self.counts.update(other.counts)


@dataclass(frozen=True)
class CellWork:
    """Evaluates blocks of cells of one model."""

    model: AbstractModel
    prepared: Any
    integrand: Integrand
    frame: Array | None
    length: Array | float
    mu: np.ndarray
    kt: np.ndarray
    allowed: np.ndarray
    rule: LocalRule
    chunk: int

    def plain(self, block: CellBlock) -> BlockSum:
        """The full model alone, on one point at the centre of each cell."""
        shape = tuple(len(edge) for edge in block.edges)
        cells, bands = int(np.prod(shape)), self.model.num_bands
        none = jnp.zeros(cells, dtype=int)
        nodes = self.nodes(block, Groups(none, none, jnp.zeros((cells, bands, 1), dtype=complex)), shape)
        weights = block.volume * block.weights
        value, absolute = (np.tensordot(weights, np.asarray(x), axes=1) for x in (nodes.value, nodes.absolute))
        return BlockSum(value, absolute, np.zeros_like(value), np.asarray(nodes.gap), np.zeros_like(value))

    def block(self, block: CellBlock) -> BlockSum:
        """One block, with the halves of cells that need them."""
        shape = tuple(len(edge) for edge in block.edges)
        centre = self.centres(block)
        start, size, separate = choose_groups(centre, self.low, self.high, self.rule.sizes, self.rule.turning)
        width = min(self.rule.sizes[-1], self.model.num_bands)
        member = np.minimum(start[:, None] + np.arange(width), self.model.num_bands - 1)
        reference = np.take_along_axis(np.asarray(centre.states), member[:, None, :], axis=2)
        groups = Groups(jnp.asarray(start), jnp.asarray(size), jnp.asarray(reference))
        nodes = self.nodes(block, groups, shape)
        energies = np.take_along_axis(np.asarray(centre.energies), member, axis=1)
        good = separate & self.trusted(nodes, energies, size) & (block.weights > 0)
        bad = ~good & (block.weights > 0)
        split = bad if block.level < self.rule.cell_depth else np.zeros_like(bad)
        weights = block.volume * np.where(split, 0.0, block.weights)
        value = np.tensordot(weights, np.asarray(nodes.value), axes=1)
        absolute = np.tensordot(weights, np.asarray(nodes.absolute), axes=1)
        total = BlockSum(value, absolute, np.zeros_like(value), np.asarray(nodes.gap), np.zeros_like(value))
        points = self.rule.nodes**self.model.dimension + 1
        total.counts.update(k=points * int((block.weights > 0).sum()), cells=int((weights > 0).sum()))
        total.counts.update(halved=int(split.sum()), direct=int((bad & ~split).sum()))
        gaps = self.hidden_gaps(block, groups)
        for count in sorted(set(size.tolist())):
            self.add_group(total, nodes, np.flatnonzero(good & (size == count)), count, gaps)
            self.add_hidden(total, nodes, np.flatnonzero(bad & ~split & (size == count)), count, gaps)
        for cell in np.flatnonzero(split):
            total.add(self.block(block.halved(int(cell))))
        return total

    @property
    def low(self) -> float:
        """Bands below this energy are filled in every state."""
        return float((self.mu - self.rule.window * self.kt).min())

    @property
    def high(self) -> float:
        """Bands above this energy are empty in every state."""
        return float((self.mu + self.rule.window * self.kt).max())

    def centres(self, block: CellBlock) -> CentreData:
        """`CentreData` of the cells."""
        axes = tuple(jnp.asarray(x) for x in block.axes(np.zeros(1)))
        reciprocal = np.asarray(self.model.lattice.reciprocal)  # type: ignore[union-attr]
        half = jnp.asarray(half_edges(self.frame is not None, reciprocal, block.widths))
        data = evaluate_centres(self.model, self.prepared, axes, half, self.chunk)
        check_finite(np.asarray(data.spread), np.asarray(grid_points(self.model, axes)), "The Hamiltonian")
        return data

    def nodes(self, block: CellBlock, groups: Groups, shape: tuple[int, ...]) -> NodeData:
        """The full model on the Gauss nodes."""
        axes = tuple(jnp.asarray(x) for x in block.axes(gauss_rule(self.rule.nodes).nodes))
        data = evaluate_nodes(
            self.model, self.prepared, self.integrand, axes, groups, shape, self.rule.nodes, self.chunk
        )
        if np.asarray(data.value).dtype != np.float64:
            raise BlochflowError("JAX computed in single precision: do not switch jax_enable_x64 off.")
        if not np.isfinite(np.asarray(data.absolute)).all():
            check_finite(np.asarray(data.absolute), np.asarray(self.centre_points(block)), "The integrand")
        return data

    def centre_points(self, block: CellBlock) -> Array:
        """Cartesian centres of the cells."""
        return grid_points(self.model, tuple(jnp.asarray(x) for x in block.axes(np.zeros(1))))

    def trusted(self, nodes: NodeData, energies: np.ndarray, size: np.ndarray) -> np.ndarray:
        """(cells,) True where the group stays apart at all nodes and the model has the energies of the centre."""
        apart = (np.asarray(nodes.below) < self.low) & (np.asarray(nodes.above) > self.high)
        apart &= np.asarray(nodes.overlap) >= self.rule.overlap
        dimension, count = self.model.dimension, self.rule.nodes
        middle = np.asarray(lagrange(count, jnp.zeros(1)))[0]
        weights = np.ones(1)
        for _ in range(dimension):
            weights = np.multiply.outer(weights, middle)
        packed = np.tensordot(np.asarray(nodes.packed)[:, :, 0], weights.reshape(-1), axes=((1,), (0,)))
        unused = np.arange(packed.shape[-1]) >= size[:, None]
        # unused rows are zero: move them above all bands, so that the order of the others is kept
        packed = packed + (1e6 * (1 + np.abs(energies).max()) * unused)[:, :, None] * np.eye(packed.shape[-1])
        found = np.linalg.eigvalsh(np.asarray(unpack(jnp.asarray(packed))))
        near = ~unused & (energies > self.low) & (energies < self.high)
        missed = np.where(near, np.abs(found - energies), 0.0).max(axis=1)
        return apart & (missed <= self.resolution)

    @property
    def resolution(self) -> float:
        """Largest error of an energy at the centre of a cell: a tenth of the lowest k_B T above zero."""
        warm = self.kt[self.kt > 0]
        return 0.1 * float(warm.min()) if len(warm) else np.inf

    def add_group(self, total: BlockSum, nodes: NodeData, cells: np.ndarray, size: int, gaps: HiddenGaps) -> None:
        """Add L_c - Q_n[F_c] of some cells with groups of one size, by adaptive halving of boxes."""
        if not len(cells):
            return
        d = self.model.dimension
        packed, volume = nodes.packed, gaps.block.volume
        corners = whole_cells(len(cells), d)
        for depth in range(self.rule.box_depth + 1):
            share = volume * 0.5 ** (depth * d)
            fine, rough, seen = self.boxes(packed, cells, corners, size, gaps)
            if depth == 0:
                # on the whole cell the coarse order is the rule of the full model: Q_n[F_c]
                total.value = total.value - share * rough.sum(axis=0)
            change = share * np.abs(fine - rough)
            halve = (change > self.box_limit * self.allowed).any(axis=(1, 2))
            if depth == self.rule.box_depth:
                total.counts.update(unresolved=int(halve.sum()))
                halve[:] = False
            total.value = total.value + share * fine[~halve].sum(axis=0)
            total.change = total.change + share * (fine - rough)[~halve].sum(axis=0)
            total.counts.update({f"boxes_{size}": len(cells)})
            whole = Suspects(seen.found[~halve], seen.start[~halve])
            where = (packed, cells[~halve], corners[~halve])
            hidden, counts = gaps.hidden(*where, whole, size, self.allowed / share)
            total.hidden = total.hidden + share * hidden
            total.counts.update(counts)
            if not halve.any():
                break
            cells, corners = np.repeat(cells[halve], 2**d), halved_boxes(corners[halve])

    def add_hidden(self, total: BlockSum, nodes: NodeData, cells: np.ndarray, size: int, gaps: HiddenGaps) -> None:
        """Add what the nodes of cells without a trusted local model miss, as it shows."""
        if not len(cells):
            return
        corners = whole_cells(len(cells), self.model.dimension)
        direct = dataclasses.replace(gaps, order=self.rule.nodes)
        _, _, seen = self.boxes(nodes.packed, cells, corners, size, direct)
        allowed = self.allowed / gaps.block.volume
        hidden, counts = direct.hidden(nodes.packed, cells, corners, seen, size, allowed)
        total.hidden = total.hidden + gaps.block.volume * hidden
        total.counts.update(counts)

    @property
    def box_limit(self) -> float:
        """Largest change of a box that stays whole, in units of the allowed error."""
        return self.rule.box_share / float(np.sqrt(np.prod(self.rule.cells)))

    def hidden_gaps(self, block: CellBlock, groups: Groups) -> HiddenGaps:
        """Looks for gaps between the points of boxes."""
        reciprocal = np.asarray(self.model.lattice.reciprocal)  # type: ignore[union-attr]
        edges = 2 * half_edges(self.frame is not None, reciprocal, block.widths)
        window = np.array([(self.mu - NEAR * self.kt).min(), (self.mu + NEAR * self.kt).max()])
        return HiddenGaps(
            self.model,
            self.prepared,
            self.integrand,
            self.frame,
            self.length,
            self.rule.nodes,
            self.rule.order,
            edges,
            window,
            block,
            groups,
        )

    def boxes(
        self, packed: Array, cells: np.ndarray, corners: np.ndarray, size: int, gaps: HiddenGaps
    ) -> tuple[np.ndarray, np.ndarray, Suspects]:
        """Averages over boxes by both orders, and suspects, in calls of one shape."""
        parts = []
        for first in range(0, len(cells), BOXES):
            index = np.resize(np.arange(first, min(first + BOXES, len(cells))), BOXES)
            part = evaluate_boxes(
                self.integrand,
                packed[cells[index]],
                jnp.asarray(corners[index]),
                jnp.asarray(gaps.edges),
                jnp.asarray(gaps.window),
                self.frame,
                self.length,
                (gaps.order, self.rule.nodes),
                size,
                self.rule.nodes,
            )
            parts.append(part)
        (fine, rough), seen = joined(parts, len(cells))
        return fine, rough, seen
