"""Brillouin-zone integrals on uniform periodic grids with successive doubling.

    I_L = (V_zone average of the integrand over level L);   error_L = max(|I_L - I_{L-1}|, |I_{L-1} - I_{L-2}| / 8)

The error is the last change, and at least an eighth of the change before it, so that one accidental agreement is
not taken for convergence.  Uniform grids converge exponentially for smooth periodic integrands (gapped or warm);
for a metal at T = 0 the change is erratic and the result is marked accordingly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from blochflow.core.status import Status
from blochflow.zone.grids import Block, NestedGrid
from blochflow.zone.tolerance import Tolerance

PREVIOUS_CHANGE = 1 / 8
# No sum is known better than a few rounding errors of the summed absolute integrand.
ROUNDING = 8 * np.finfo(np.float64).eps

# Runs batches and returns their sums in order: (blocks, number of batches, label) -> list of (value, |value|) sums.
Runner = Callable[[Iterator[Block], int, str], list[tuple[np.ndarray, np.ndarray]]]


@dataclass
class Integral:
    """Value of an integral with its error, one entry per requested number.

    Attributes
    ----------
    value, error : (..., C) arrays
        Averages over the zone.
    converged : (...) bool array
        One flag per tensor (the last axis is the tensor's components).
    absolute : (...) array
        Average of the absolute integrand, largest component: the scale of rounding.
    evaluations : int
        k points used.
    grid : tuple of int
        Points per axis of the finest level.
    status : Status
    history : list of (points, value)
        Every level, coarse to fine.
    """

    value: np.ndarray
    error: np.ndarray
    converged: np.ndarray
    absolute: np.ndarray
    evaluations: int
    grid: tuple[int, ...]
    status: Status
    history: list[tuple[int, np.ndarray]] = field(default_factory=list)

    def scaled(self, factor: float) -> Integral:
        """In other units."""
        history = [(points, factor * value) for points, value in self.history]
        error, absolute = abs(factor) * self.error, abs(factor) * self.absolute
        return replace(self, value=factor * self.value, error=error, absolute=absolute, history=history)

    def reordered(self, order: np.ndarray) -> Integral:
        """Rows in another order."""
        history = [(points, value[order]) for points, value in self.history]
        value, error, converged = self.value[order], self.error[order], self.converged[order]
        absolute = self.absolute[order]
        return replace(self, value=value, error=error, converged=converged, absolute=absolute, history=history)


def integrate_uniform(
    run: Runner, grid: NestedGrid, tolerance: Tolerance, *, levels: int | None, target: int, factor: float = 1.0
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
    factor : float
        Converts the average to the units of ``tolerance.atol``.
    """
    limit = tolerance.evaluations(len(grid.base))
    total = absolute = None
    history: list[tuple[int, np.ndarray]] = []
    level = 0
    while True:
        new_value, new_absolute = _add_level(run, grid, level, target)
        total = new_value if total is None else total + new_value
        absolute = new_absolute if absolute is None else absolute + new_absolute
        count = grid.count(level)
        history.append((count, total / count))
        size = (absolute / count).max(axis=-1)
        error = np.maximum(successive_error(history), ROUNDING * size[..., None])
        allowed = tolerance.allowed(np.abs(history[-1][1]).max(axis=-1), size, factor)
        converged = np.asarray((error <= allowed[..., None]).all(axis=-1))
        done = level + 1 >= levels if levels is not None else bool(converged.all())
        if done or (levels is None and grid.count(level + 1) > limit):
            break
        level += 1
    if converged.all():
        status = Status.CONVERGED
    else:
        status = Status.NOT_CONVERGED if levels is None else Status.FIXED_GRID
    return Integral(history[-1][1], error, converged, size, grid.count(level), grid.points(level), status, history)


def _add_level(run: Runner, grid: NestedGrid, level: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the points that ``level`` adds, by pairwise summation in a fixed order."""
    copies = grid.new_copies(level)
    per_copy = sum(1 for _ in grid.blocks(level, copies[0], target))
    blocks = (block for offset in copies for block in grid.blocks(level, offset, target))
    label = " x ".join(map(str, grid.points(level)))
    sums = run(blocks, per_copy * len(copies), label)
    return pairwise_sum([value for value, _ in sums]), pairwise_sum([absolute for _, absolute in sums])


def pairwise_sum(terms: list[np.ndarray]) -> np.ndarray:
    """Sum by a binary tree that depends on the number of terms alone."""
    while len(terms) > 1:
        paired = [a + b for a, b in zip(terms[0::2], terms[1::2], strict=False)]
        terms = paired + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def successive_error(history: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """Change of the last doubling, at least an eighth of the one before; NaN where only one level exists."""
    values = [value for _, value in history]
    if len(values) < 2:
        return np.full_like(values[0], np.nan)
    error = np.abs(values[-1] - values[-2])
    if len(values) > 2:
        error = np.maximum(error, PREVIOUS_CHANGE * np.abs(values[-2] - values[-3]))
    return error
