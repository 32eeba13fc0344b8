"""Adaptive integration over certified cells: interpolants of energies and integrands, filled exactly.

    I = sum_cells volume <sum_j (f_j - f_{j+1}) S_j>,   error of a cell = |I(n_hi) - I(n_lo)| + what splitting left

Two independent Gauss grids per cell; the claimed error is the plain sum over cells times a safety factor.  Chemical
potentials and temperatures act on the interpolants, so that they cost no further diagonalization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import DEEPEST, WINDOW, BandSource, Certified, Filling, certify, faintness
from blochflow.zone.integral import ROUNDING
from blochflow.zone.interpolants import Interpolants, average, cell_averages, edge_errors
from blochflow.zone.polynomials import gauss_rule
from blochflow.zone.tolerance import Required
from blochflow.zone.weights import mixed

SAFETY = 4.0
# The rules may agree by accident in one cell, hardly in many: n cells that share the error have it enlarged by
# 1 + FEW/n, as quantiles of Student's t do for a few samples.
FEW = 4.0
# Where bands touch, the sampled contribution of the cell times this enters the error.
TOUCHING_FACTOR = 10.0
# Parts of a cell that can contribute less than this, relative to the allowed error, are not split further.  A cell that
# the Fermi surface cuts leaves tens of such parts, a third of the cells are cut: a percent of the allowed error.
NEGLIGIBLE = 1e-3
# States that set the scale before anything is integrated.
ROUGH_STATES = 8
# Fraction of the width of the spectrum by which mu is moved: where the Fermi surface coincides with faces of cells, as
# symmetry may have it, rounding would otherwise decide on which side it lies.  The two rules of a sum over filled
# states are moved to opposite sides, so that their difference shows what rounding of the energies may change.
NUDGE = 2e-14
CELLS_AT_ONCE = 512
# Cells that hold less than these parts of what cells at T = 0 do get one node per axis less for each.
FAINT = (1 / 16, 1 / 256)
FEWEST_NODES = (2, 3)

# (value, error) of what symmetry left to do -> (value, error) of the whole
Project = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass
class Leaves:
    """Evaluated cells: contributions to the integral and their errors, (B, P, C) each."""

    cells: CellSet
    value: np.ndarray
    error: np.ndarray

    def take(self, which: np.ndarray) -> Leaves:
        """A selection."""
        return Leaves(self.cells.take(which), self.value[which], self.error[which])

    def joined(self, other: Leaves) -> Leaves:
        """Both, in the order of the tree."""
        cells = self.cells.joined(other.cells)
        order = cells.order()
        value, error = (np.concatenate(pair)[order] for pair in ((self.value, other.value), (self.error, other.error)))
        return Leaves(cells.take(order), value, error)


@dataclass
class CellIntegral:
    """Result of `integrate_cells`; value, error and absolute (P, C)."""

    value: np.ndarray
    error: np.ndarray
    absolute: np.ndarray
    converged: np.ndarray
    evaluations: int
    history: list[tuple[int, np.ndarray]]
    leaves: Leaves


def integrate_cells(
    source: BandSource,
    filling: Filling,
    tree: Certified,
    required: Required,
    *,
    orders: tuple[int, int],
    limit: int,
    memory: int = 2**31,
    project: Project = lambda value, error: (value, error),
) -> CellIntegral:
    """Refine the certified cells of ``tree`` until the error is as ``required`` or evaluations or memory run out.

    ``project`` turns sums over cells that symmetry represents into sums over the zone.
    """
    if not tree.complete:
        return unproven_integral(source, filling, tree, required, project)
    costs = Costs(orders, filling, tree.speed, source.dimension)
    evaluations = tree.evaluations
    fixed_value, fixed_error, spent = touching_part(source, filling, tree, orders[0])
    evaluations += spent
    nudge = NUDGE * tree.width
    new, none = tree.cells, np.zeros((0, len(filling.mu), source.components))
    leaves = Leaves(new.take(np.arange(0)), none, none)
    shallow = bool((tree.touching.level < DEEPEST[source.dimension]).any()) and bool((filling.kt > 0).all())
    negligible = NEGLIGIBLE * rough_tolerance(source, filling, tree.cells, required)
    evaluations += len(tree.cells)
    history: list[tuple[int, np.ndarray]] = []
    while True:
        for some, nodes in costs.classes(new):
            leaves = leaves.joined(evaluate(source, filling, some, nodes, negligible, nudge))
        evaluations += costs.of(new)
        value = leaves.value.sum(axis=0) + fixed_value
        absolute = required.scale(np.abs(leaves.value).sum(axis=0))
        safety = safety_factor(leaves.error)
        value, error = project(value, safety * leaves.error.sum(axis=0) + fixed_error)
        error = np.maximum(error, ROUNDING * absolute)
        history.append((evaluations, value))
        tolerated = required.allowed(value, absolute)
        converged = np.asarray((error <= tolerated).all(axis=-1))
        hopeless = ~(project(value, fixed_error)[1] <= tolerated).all(axis=-1)
        if hopeless.any() and shallow:
            # cells left as harmless are not, where terms cancel: now prove as far as can be
            tree, shallow = certify(source, tree.touching, filling, limit - evaluations), False
            if not tree.complete:
                break
            fixed_value, fixed_error, spent = touching_part(source, filling, tree, orders[0])
            evaluations += tree.evaluations + spent
            new = tree.cells
            continue
        if converged[~hopeless].all():
            break
        chosen = select(safety * leaves.error, tolerated, ~converged & ~hopeless)
        halves = leaves.cells.take(chosen).children()
        size = 2 * 8 * int(np.prod(leaves.value.shape[1:]))
        if evaluations + costs.of(halves) > limit or (len(leaves.cells) + len(halves)) * size > memory:
            break
        negligible = NEGLIGIBLE * float(in_values(source, filling, tolerated)[~converged & ~hopeless].min())
        new, leaves = halves, leaves.take(~chosen)
    return CellIntegral(value, error, absolute, converged, evaluations, history, leaves)


@dataclass(frozen=True)
class Costs:
    """Nodes of the two rules in every cell, by how faint occupations make it.

    Attributes
    ----------
    orders : (int, int)
        Nodes per axis where nothing is known.
    filling : Filling
    speed : (d,)
        Of `Certified`.
    dimension : int
    """

    orders: tuple[int, int]
    filling: Filling
    speed: np.ndarray
    dimension: int

    def fewer(self, cells: CellSet) -> np.ndarray:
        """By how many nodes per axis the rules of each cell are smaller, (B,) int."""
        faint = faintness(cells, self.filling, self.speed)
        return np.asarray(sum((faint < share).astype(int) for share in FAINT))

    def nodes(self, fewer: int) -> tuple[int, int]:
        """Of the coarse and of the fine rule."""
        first, second = (max(n - fewer, least) for n, least in zip(self.orders, FEWEST_NODES, strict=True))
        return first, second

    def classes(self, cells: CellSet) -> Iterator[tuple[CellSet, tuple[int, int]]]:
        """Cells with equal rules."""
        fewer = self.fewer(cells)
        for number in np.unique(fewer):
            yield cells.take(fewer == number), self.nodes(int(number))

    def of(self, cells: CellSet) -> int:
        """Evaluations that cells need."""
        counts = np.bincount(self.fewer(cells), minlength=len(FAINT) + 1)
        return int(sum(n * sum(x**self.dimension for x in self.nodes(i)) for i, n in enumerate(counts.tolist())))


def unproven_integral(
    source: BandSource, filling: Filling, tree: Certified, required: Required, project: Project
) -> CellIntegral:
    """One point per cell where gaps were not proven open in time: a value without an error."""
    cells = tree.cells.joined(tree.unproven)
    matrix = source.mixing(filling)
    energies, integrand = (x[:, 0] for x in source.sample(cells, gauss_rule(1)))
    each = zip(filling.mu, filling.kt, strict=True)
    # a surface at T = 0 has no value at points
    weighed = np.stack([np.nan_to_num(source.weight.total(energies, integrand, mu, kt)) for mu, kt in each], axis=1)
    contribution = cells.volume[:, None, None] * mixed(weighed, matrix)
    absolute = required.scale(np.abs(contribution).sum(axis=0))
    value, _ = project(contribution.sum(axis=0), np.zeros_like(absolute))
    evaluations = tree.evaluations + len(cells)
    leaves = Leaves(cells, contribution, np.full_like(contribution, np.nan))
    unknown, none = np.full_like(value, np.nan), np.zeros(len(value), dtype=bool)
    return CellIntegral(value, unknown, absolute, none, evaluations, [(evaluations, value)], leaves)


def rough_tolerance(source: BandSource, filling: Filling, cells: CellSet, required: Required) -> float:
    """Smallest allowed error of a few states, from one point per cell."""
    if source.weight.surface or not len(cells):
        return 0.0
    energies, integrand = (x[:, 0] for x in source.sample(cells, gauss_rule(1)))
    some = np.unique(np.linspace(0, len(filling.mu) - 1, ROUGH_STATES).astype(int))
    value = np.zeros((len(filling.mu), source.components))
    absolute, matrix = np.zeros_like(value), source.mixing(filling)
    for p in some:
        weighed = source.weight.total(energies, integrand, filling.mu[p], filling.kt[p])
        contribution = cells.volume[:, None] * mixed(weighed[:, None], None if matrix is None else matrix[[p]])[:, 0]
        value[p], absolute[p] = contribution.sum(axis=0), required.scale(np.abs(contribution).sum(axis=0))
    rough = np.maximum(np.abs(value), 1e-2 * absolute)
    return float(in_values(source, filling, required.allowed(rough, absolute))[some].min())


def in_values(source: BandSource, filling: Filling, tolerated: np.ndarray) -> np.ndarray:
    """What a value of the integrand may miss for results to miss no more than ``tolerated`` (P, C)."""
    matrix = source.mixing(filling)
    return tolerated if matrix is None else tolerated / np.maximum(np.abs(matrix).sum(axis=1), 1e-300)


def safety_factor(error: np.ndarray) -> np.ndarray:
    """By how much the sum of the cells' errors (B, P, C) is enlarged, (P, C)."""
    total, square = error.sum(axis=0), (error**2).sum(axis=0)
    with np.errstate(invalid="ignore", over="ignore"):
        cells = np.where((square > 0) & np.isfinite(square), total**2 / np.where(square > 0, square, 1.0), 1.0)
    return np.asarray(SAFETY * (1 + FEW / np.maximum(cells, 1.0)))


def select(error: np.ndarray, tolerated: np.ndarray, states: np.ndarray) -> np.ndarray:
    """The smallest set of cells, worst first, without which the others' error is half of what is allowed: (B,) bool.

    ``error`` (B, P, C) holds the safety factor; ``tolerated`` (P, C).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = error[:, states] / tolerated[states]
    worst = np.nan_to_num(relative.reshape(len(error), -1), nan=np.inf, posinf=np.inf).max(axis=1, initial=0.0)
    order = np.argsort(-worst, kind="stable")
    unknown = np.isinf(worst[order])
    remaining = np.where(unknown, np.inf, np.cumsum(np.where(unknown, 0.0, worst[order])[::-1])[::-1] - worst[order])
    count = int(np.searchsorted(-remaining, -0.5)) + 1
    chosen = np.zeros(len(error), dtype=bool)
    chosen[order[:count]] = True
    chosen &= worst > 0.05 / len(error)
    chosen[order[0]] = True
    return chosen


def evaluate(
    source: BandSource,
    filling: Filling,
    cells: CellSet,
    orders: tuple[int, int],
    negligible: float,
    nudge: float = 0.0,
) -> Leaves:
    """Contribution of every cell by the finer rule, and its distance from the coarser one."""
    above = Filling(filling.mu + nudge, filling.kt)
    below = above if source.weight.surface else Filling(filling.mu - nudge, filling.kt)
    shape = (len(cells), len(filling.mu), source.components)
    value, error = np.zeros(shape), np.zeros(shape)
    for start in range(0, len(cells), CELLS_AT_ONCE):
        part = slice(start, start + CELLS_AT_ONCE)
        some = cells.take(np.arange(len(cells))[part])
        coarse, fine = (Interpolants.sampled(source, some, gauss_rule(n)) for n in orders)
        rough, _, _ = cell_averages(source, below, coarse, negligible)
        good, left, occupied = cell_averages(source, above, fine, negligible)
        volume = some.volume[:, None, None]
        left = left + edge_errors(source, filling, coarse, fine, occupied, nudge)
        value[part], error[part] = volume * good, volume * (np.abs(good - rough) + left)
    return Leaves(cells, value, error)


def touching_part(
    source: BandSource, filling: Filling, tree: Certified, order: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Contribution of cells in which bands may touch, with an error that is a bound, an estimate, or NaN.

    A bounded integrand cannot contribute more than its bound.  Otherwise what the nodes show, ten times enlarged,
    is taken, except at T = 0 below three dimensions, where a gap of any size contributes a finite amount: NaN.
    """
    shape = (len(filling.mu), source.components)
    value, error = np.zeros(shape), np.zeros(shape)
    cells = tree.touching
    if not len(cells):
        return value, error, 0
    if source.bound is not None:
        error += source.bound * float((source.largest_weight(cells) * cells.volume).sum())
        return value, error, 0
    rule, matrix = gauss_rule(order), source.mixing(filling)
    energies, integrand = source.sample(cells, rule)
    volume, surface = cells.volume[:, None], source.weight.surface
    for p, (mu, kt) in enumerate(zip(filling.mu, filling.kt, strict=True)):
        reach = WINDOW * kt
        met = ((tree.touching_low < mu + reach) & (tree.touching_high > mu - reach)).any(axis=1)
        weighed = source.weight.total(energies, integrand, mu, kt)
        contribution = mixed(weighed[:, :, None], None if matrix is None else matrix[[p]])[:, :, 0]
        value[p] = (volume * average(contribution, rule, source.dimension)).sum(axis=0)
        size = (volume * average(np.abs(contribution), rule, source.dimension)).sum(axis=0)
        unbounded = kt == 0 and met.any() and (source.dimension < 3 or surface)
        error[p] = np.nan if unbounded else TOUCHING_FACTOR * size
    return value, error, len(cells) * order**source.dimension
