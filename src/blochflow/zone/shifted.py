"""Zone integrals on independent random shifts of a uniform grid, refined until their scatter meets the tolerance.

    X_s = (1/N) sum_{i} F((i + u_s)/n),   u_s uniform in [0, 1)^d, independent;   I = mean_s X_s

Every X_s is an unbiased sample of the integral, so that no feature of the integrand can hide from the mean; the
scatter falls with n as fast as the error of a single grid does, and the bar is Student's.  Only the finest grid enters
the value.  The grid before it is an independent check: where the two disagree beyond their bars, the error is their
difference.  A feature so narrow that both grids missed it with every shift is not seen by any such rule.
Source: Cranley and Patterson, SIAM J. Numer. Anal. 13, 904 (1976).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from blochflow.core.status import Status
from blochflow.zone.grids import Block, block_shape, pad_chunks
from blochflow.zone.integral import ROUNDING, Integral, pairwise_sum
from blochflow.zone.sampling import CONFIDENCE, Sampled, check_sampling, random_shifts, student_bar
from blochflow.zone.tolerance import Required
from blochflow.zone.uniform import Runner

SHIFTS = 6
# A planned grid should overshoot the tolerance by this factor, so that the luck of a few samples rarely costs a level.
MARGIN = 0.6
LEAST_GROWTH, MOST_GROWTH = 1.3, 2.0
# Assumed fall of the scatter with the number of points before two grids have shown it; 1/2 would be Monte Carlo.
FIRST_ORDER, LEAST_ORDER, MOST_ORDER = 1.0, 0.5, 4.0


def integrate_shifted(
    run: Runner,
    base: tuple[int, ...],
    required: Required,
    *,
    target: int,
    seed: int = 0,
    shifts: int = SHIFTS,
    confidence: float = CONFIDENCE,
    fixed: bool = False,
) -> Sampled:
    """Average over the zone from randomly shifted grids.

    Parameters
    ----------
    run : callable
        Evaluates batches; see `Runner`.
    base : tuple of int
        Points per axis of the first grid.
    target : int
        k points per batch.
    required : Required
        ``max_evaluations`` bounds the k points of all grids together; the first grid is always evaluated.
    seed : int
        Shifts follow from it alone.
    shifts : int
        Samples on each grid, at least 4; more are drawn only where that is cheaper than a finer grid.
    confidence : float
        Two-sided confidence of the error bar.
    fixed : bool
        Use ``base`` and ``shifts`` only.
    """
    seed, shifts, confidence = check_sampling(seed, shifts, confidence)
    limit = required.tolerance.evaluations(len(base))
    levels: list[Level] = []
    grid: tuple[int, ...] | None = base
    while grid is not None:
        levels.append(Level(run, grid, target, seed, len(levels)))
        levels[-1].extend(shifts)
        integral = _judge(levels, required, confidence)
        left = limit - integral.evaluations
        more = 0 if fixed or integral.converged.all() else _more_shifts(levels, integral, required, left)
        if more:
            # once for each grid: adding samples until the bar happens to be short would break its confidence
            levels[-1].extend(more)
            integral = _judge(levels, required, confidence)
        grid = None if fixed else _finer(levels, integral, required, limit, shifts)
    integral.status = _status(integral, fixed)
    systematic = np.zeros_like(integral.value)
    counts = {"shifts": len(levels[-1].values)}
    return Sampled(integral, np.stack(levels[-1].values), systematic, seed, confidence, counts)


class Level:
    """Samples of one grid."""

    def __init__(self, run: Runner, grid: tuple[int, ...], target: int, seed: int, number: int) -> None:
        self.run, self.grid, self.target = run, grid, target
        self.seed, self.number = seed, number
        self.values: list[np.ndarray] = []
        self.absolute: list[np.ndarray] = []

    @property
    def points(self) -> int:
        """k points of one sample."""
        return int(np.prod(self.grid))

    def extend(self, count: int) -> None:
        """Draw more samples."""
        shifts = random_shifts(self.seed, self.number, len(self.values), count, len(self.grid))
        blocks = (block for shift in shifts for block in shifted_blocks(self.grid, shift, self.target))
        batches = sum(1 for _ in shifted_blocks(self.grid, shifts[0], self.target))
        label = f"{count} x {' x '.join(map(str, self.grid))}"
        sums = self.run(blocks, batches * count, label)
        for first in range(0, len(sums), batches):
            part = sums[first : first + batches]
            self.values.append(pairwise_sum([value for value, _ in part]) / self.points)
            self.absolute.append(pairwise_sum([absolute for _, absolute in part]) / self.points)

    def mean(self) -> np.ndarray:
        """(P, C) mean of the samples."""
        return np.mean(self.values, axis=0)


def shifted_blocks(grid: tuple[int, ...], shift: np.ndarray, target: int) -> Iterator[Block]:
    """Batches of about ``target`` points of the grid (i + shift)/n, all of one shape."""
    shape = block_shape(grid, target)
    axes = [(np.arange(n) + s) / n for n, s in zip(grid, shift, strict=True)]
    for chunk in itertools.product(*(pad_chunks(x, m) for x, m in zip(axes, shape, strict=True))):
        weights = np.ones(1)
        for _, weight in chunk:
            weights = np.multiply.outer(weights, weight)
        yield Block(tuple(coordinates for coordinates, _ in chunk), weights.reshape(-1))


def _judge(levels: list[Level], required: Required, confidence: float) -> Integral:
    """The last level's mean and bar, widened where the level before disagrees."""
    last = levels[-1]
    value, size = last.mean(), required.scale(np.mean(last.absolute, axis=0))
    error = np.maximum(student_bar(np.stack(last.values), confidence), ROUNDING * size)
    if len(levels) > 1:
        before = levels[-2]
        change = np.abs(value - before.mean())
        disagree = change > np.hypot(error, student_bar(np.stack(before.values), confidence))
        error = np.where(disagree, np.maximum(error, change), error)
    converged = np.asarray((error <= required.allowed(value, size)).all(axis=-1))
    used = sum(level.points * len(level.values) for level in levels)
    history = [(level.points * len(level.values), level.mean()) for level in levels]
    return Integral(
        value, error, converged, size, used, Status.NOT_CONVERGED, history, "shifted", last.grid, describe(confidence)
    )


def describe(confidence: float) -> str:
    """What such an error rests on."""
    return f"scatter of independent random shifts, Student's t at {confidence:.0%} confidence"


def _status(integral: Integral, fixed: bool) -> Status:
    if integral.converged.all():
        return Status.CONVERGED
    return Status.FIXED_GRID if fixed else Status.NOT_CONVERGED


def _worst(integral: Integral, required: Required) -> tuple[float, tuple[int, ...]]:
    """Largest error in units of the allowed one, and the entry it belongs to."""
    ratio = integral.error / np.maximum(required.allowed(integral.value, integral.absolute), 1e-300)
    where = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    return float(ratio[where]), tuple(int(i) for i in where)


def _order(levels: list[Level], where: tuple[int, ...]) -> float:
    """p of scatter ~ N^-p at one entry, from the last two grids."""
    if len(levels) < 2:
        return FIRST_ORDER
    a, b = (float(np.std([v[where] for v in level.values], ddof=1)) for level in levels[-2:])
    growth = np.log(levels[-1].points / levels[-2].points)
    return float(np.clip(np.log(max(a, 1e-300) / max(b, 1e-300)) / growth, LEAST_ORDER, MOST_ORDER))


def _more_shifts(levels: list[Level], integral: Integral, required: Required, left: int) -> int:
    """Samples to add to the last grid where that is cheaper than a finer grid and allowed; else 0."""
    ratio, where = _worst(integral, required)
    have = len(levels[-1].values)
    wanted = int(np.ceil(have * (ratio / MARGIN) ** 2)) - have
    finer = have * (ratio / MARGIN) ** (1 / _order(levels, where))
    if len(levels) < 2 or wanted >= finer or wanted * levels[-1].points > left:
        return 0
    return wanted


def _finer(
    levels: list[Level], integral: Integral, required: Required, limit: int, shifts: int
) -> tuple[int, ...] | None:
    """The next grid, or None when done or out of k points."""
    ratio, where = _worst(integral, required)
    if len(levels) > 1 and ratio <= 1:
        return None
    grid = levels[-1].grid
    growth = (max(ratio, 1.0) / MARGIN) ** (1 / (_order(levels, where) * len(grid)))
    affordable = (max(0, limit - integral.evaluations) / (shifts * levels[-1].points)) ** (1 / len(grid))
    growth = min(float(np.clip(growth, LEAST_GROWTH, MOST_GROWTH)), affordable)
    if growth < LEAST_GROWTH:
        return None
    return tuple(int(n * growth + 1e-9) for n in grid)
