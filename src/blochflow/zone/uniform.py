"""Brillouin-zone integrals on uniform periodic grids with successive doubling.

    I_L = (average of the integrand over level L);   error_L = s max(|I_L - I_{L-1}|, |I_{L-1} - I_{L-2}| / 8)

Uniform grids converge exponentially for smooth periodic integrands (gapped or warm), once the spacing resolves the
smallest gap and the temperature: fewer points than that never count as converged.  Where that number is known s = 1,
since the last change is the error of the grid before, and the error is at least four times what the number predicts,

    (2X)^(m-1) exp(-X) |I|,   X proportional to the points per axis,   m the order of the poles: 1 of f, 2 of -f'

so that one accidental agreement is not taken for convergence.  Elsewhere s = 4.  States of which nothing can be known,
metals at T = 0, have four times the larger of the last two changes.
The error of a requested grid is the bare difference from the grid with half the points per axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from blochflow.core.status import Status
from blochflow.zone.grids import Block, NestedGrid
from blochflow.zone.integral import ROUNDING, Integral, pairwise_sum
from blochflow.zone.tolerance import Required

PREVIOUS_CHANGE = 1 / 8
# Bars are so many times the change on doubling where nothing else is known, or else the predicted error.
SAFETY = 4.0
# The fewest points leave this fraction of the tolerance.
MARGIN = 1 / 100
RESOLVED = ", which resolves all gaps at mu and the temperature"
WARM = ", which resolves the temperature where it is above 0 and has bands at mu"
# Rounding of energies, next to k_B T: N points per axis, which resolve it, round by some eps N^(1/2).
ENERGY_ROUNDING = 4 * float(np.finfo(np.float64).eps)

# Runs batches and returns their sums in order: (blocks, number of batches, label) -> list of (value, |value|) sums.
Runner = Callable[[Iterator[Block], int, str], list[tuple[np.ndarray, np.ndarray]]]
# Turns averages that the runner collects, and those of absolute values, into values and sizes (P, C).
Readout = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def integrate_uniform(
    run: Runner,
    grid: NestedGrid,
    required: Required,
    *,
    levels: int | None,
    target: int,
    readout: Readout = lambda collected, absolute: (collected, absolute),
    readout_error: float = 0.0,
    fewest: tuple[int, ...] | np.ndarray | None = None,
    poles: int = 1,
    limit: int | None = None,
) -> Integral:
    """Average over the zone by grid doubling.

    Parameters
    ----------
    run : callable
        Evaluates batches; see `Runner`.
    levels : int or None
        Exactly this many levels (a requested grid), or refine until converged or out of evaluations.
    target : int
        k points per batch.
    readout, readout_error : callable, float
        From collected averages to values and sizes, and its error relative to the latter.
    fewest : (d,) or (P, d) ints, optional
        Points per axis below which no agreement counts as convergence, and of which the error is known beforehand; 0
        where nothing is known.
    poles : int
        Order of the poles of the integrand at complex k; see `predicted_error`.
    limit : int, optional
        Most k points; default: what the tolerance allows.
    """
    limit = required.tolerance.evaluations(len(grid.base)) if limit is None else limit
    total = absolute = None
    history: list[tuple[int, np.ndarray]] = []
    least = None if fewest is None else np.atleast_2d(fewest)
    known = np.array([[levels is not None]]) if least is None else np.all(least > 0, axis=-1, keepdims=True)
    safety = np.where(known, 1.0, SAFETY)
    before = PREVIOUS_CHANGE if least is None else np.where(known, PREVIOUS_CHANGE, 1.0)
    level = 0
    while True:
        new_value, new_absolute = _add_level(run, grid, level, target)
        total = new_value if total is None else total + new_value
        absolute = new_absolute if absolute is None else absolute + new_absolute
        count = grid.count(level)
        value, size = readout(total / count, absolute / count)
        size = required.scale(size)
        history.append((count, value))
        change = safety * successive_error(history, before)
        error = np.maximum(change + readout_error * size, rounding_of(grid.points(level)) * size)
        if least is not None:
            predicted = predicted_error(grid.points(level), least, required.tolerance.rtol, poles)
            error = np.maximum(error, SAFETY * predicted[:, None] * required.largest(np.abs(value)))
        converged = np.asarray((error <= required.allowed(value, size)).all(axis=-1))
        if least is not None:
            converged = converged & (np.array(grid.points(level)) >= least).all(axis=-1)
        done = level + 1 >= levels if levels is not None else bool(converged.all())
        if done or (levels is None and grid.count(level + 1) > limit):
            break
        level += 1
    if converged.all():
        status = Status.CONVERGED
    else:
        status = Status.NOT_CONVERGED if levels is None else Status.FIXED_GRID
    rigor = (
        "change on doubling the grid" if levels is None else "difference from the grid with half the points per axis"
    )
    if fewest is not None:
        rigor += WARM if isinstance(fewest, np.ndarray) else RESOLVED
    return Integral(
        history[-1][1], error, converged, size, count, status, history, "uniform", grid.points(level), rigor
    )


def _add_level(run: Runner, grid: NestedGrid, level: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the points that ``level`` adds, by pairwise summation in a fixed order."""
    copies = grid.new_copies(level)
    per_copy = sum(1 for _ in grid.blocks(level, copies[0], target))
    blocks = (block for offset in copies for block in grid.blocks(level, offset, target))
    label = " x ".join(map(str, grid.points(level)))
    sums = run(blocks, per_copy * len(copies), label)
    return pairwise_sum([value for value, _ in sums]), pairwise_sum([absolute for _, absolute in sums])


def successive_error(history: list[tuple[int, np.ndarray]], before: float | np.ndarray = PREVIOUS_CHANGE) -> np.ndarray:
    """Change of the last doubling, at least a part of the one before; NaN where only one level exists."""
    values = [value for _, value in history]
    if len(values) < 2:
        return np.full_like(values[0], np.nan)
    error = np.abs(values[-1] - values[-2])
    if len(values) > 2:
        error = np.maximum(error, before * np.abs(values[-2] - values[-3]))
    return error


def rounding_of(points: tuple[int, ...]) -> float:
    """Rounding of an average over a grid, relative to that of the absolute integrand."""
    return ROUNDING + ENERGY_ROUNDING * math.sqrt(max(points))


def decay(exponent: float | np.ndarray, poles: int) -> np.ndarray:
    """(2X)^(m-1) exp(-X): relative error of a sum over points at exp(-X) from a pole of order m."""
    x = np.minimum(exponent, 700.0)
    return np.asarray(np.maximum(1.0, 2 * x) ** (poles - 1) * np.exp(-x))


def needed_exponent(rtol: float, poles: int) -> float:
    """The X at which `decay` is a hundredth of rtol."""
    wanted = MARGIN * max(rtol, 1e-14)
    exponent = start = max(0.0, -math.log(wanted))
    for _ in range(60):
        exponent = start + (poles - 1) * math.log(max(1.0, 2 * exponent))
    return exponent


def predicted_error(points: tuple[int, ...], fewest: np.ndarray, rtol: float, poles: int) -> np.ndarray:
    """(P,) relative errors of a grid, if ``fewest`` (P, d) points per axis reach a hundredth of rtol; 0 for unknown."""
    ratio = (np.array(points) / np.maximum(fewest, 1)).min(axis=-1)
    return decay(ratio * needed_exponent(rtol, poles), poles)
