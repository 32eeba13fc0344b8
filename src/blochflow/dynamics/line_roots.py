"""Zeros of a function on many short lines, on each of which it turns at most once.

Opposite signs at both ends bracket one zero; slopes that point to zero at both ends bracket a turning point, beyond
which there are two zeros or none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# function(lines (P,), k (P, d)) -> values (P,), densities (P,), gradients (P, d)
Levels = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]

STEPS = 100  # halvings alone reach the spacing of doubles in 53
ON_ZERO = 1e-12  # relative to the scale of values


def roots_on_lines(
    levels: Levels, start: np.ndarray, along: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Zeros on start + t along, 0 <= t <= 1: their lines (R,), in order, k (R, d), densities (R,), gradients (R, d)."""
    count = len(start)
    every = np.arange(count)
    ends = levels(np.concatenate([every, every]), np.concatenate([start, start + along]))
    value = ends[0].reshape(2, count)
    slope = np.einsum("epa,pa->ep", ends[2].reshape(2, count, -1), along)
    crossed = (value[0] <= 0) != (value[1] <= 0)
    side = np.where(value[0] > 0, 1.0, -1.0)
    bent = np.flatnonzero(~crossed & (side * slope[0] < 0) & (side * slope[1] > 0))
    beyond, t, middle = _turned(levels, bent, start, along, side[bent], slope[:, bent])
    once, twice = np.flatnonzero(crossed), bent[beyond]
    t, middle = t[beyond], middle[beyond]
    line = np.concatenate([once, twice, twice])
    ends_of = (
        np.concatenate([np.zeros(len(once)), np.zeros(len(twice)), t]),
        np.concatenate([np.ones(len(once)), t, np.ones(len(twice))]),
    )
    values = (
        np.concatenate([value[0, once], value[0, twice], middle]),
        np.concatenate([value[1, once], middle, value[1, twice]]),
    )
    order = np.argsort(line, kind="stable")
    line = line[order]
    k, density, gradient = _bracketed(
        levels, line, start[line], along[line], [x[order] for x in ends_of], [x[order] for x in values], scale
    )
    return line, k, density, gradient


def _turned(
    levels: Levels, line: np.ndarray, start: np.ndarray, along: np.ndarray, side: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which lines reach beyond zero near their turning points, and where: t and the value there."""
    low, high = np.zeros(len(line)), np.ones(len(line))
    below, above = side * slope[0], side * slope[1]
    t, value, beyond = np.full(len(line), 0.5), np.zeros(len(line)), np.zeros(len(line), dtype=bool)
    open_ = np.arange(len(line))
    for step in range(STEPS):
        if not len(open_):
            break
        a, b = low[open_], high[open_]
        share = np.clip(below[open_] / (below[open_] - above[open_]), 0.05, 0.95) if step % 2 == 0 else 0.5
        t[open_] = a + share * (b - a)
        found, _, gradient = levels(line[open_], start[line[open_]] + t[open_, None] * along[line[open_]])
        value[open_] = found
        inclined = side[open_] * np.einsum("pa,pa->p", gradient, along[line[open_]])
        toward = inclined < 0
        low[open_], high[open_] = np.where(toward, t[open_], a), np.where(toward, b, t[open_])
        below[open_], above[open_] = np.where(toward, inclined, below[open_]), np.where(toward, above[open_], inclined)
        beyond[open_] = side[open_] * found <= 0
        # a convex function falls by no more than this before it turns
        left = np.abs(inclined) * np.where(toward, b - t[open_], t[open_] - a)
        open_ = open_[~beyond[open_] & (side[open_] * found < left)]
    return beyond, t, value


def _bracketed(
    levels: Levels,
    line: np.ndarray,
    start: np.ndarray,
    along: np.ndarray,
    ends: list[np.ndarray],
    values: list[np.ndarray],
    scale: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Newton steps, replaced by halving where they leave the bracket."""
    low, high = ends[0].copy(), ends[1].copy()
    t = low + (high - low) * np.clip(values[0] / (values[0] - values[1]), 0.0, 1.0)
    rising, k = values[1] > values[0], start + t[:, None] * along
    density, gradient = np.zeros(len(line)), np.zeros_like(start)
    open_ = np.arange(len(line))
    for _ in range(STEPS):
        if not len(open_):
            break
        where = t[open_]
        k[open_] = start[open_] + where[:, None] * along[open_]
        miss, density[open_], gradient[open_] = levels(line[open_], k[open_])
        before = (miss <= 0) == rising[open_]
        low[open_], high[open_] = np.where(before, where, low[open_]), np.where(before, high[open_], where)
        slope = np.einsum("pa,pa->p", gradient[open_], along[open_])
        step = where - miss / np.where(slope == 0, 1e-300, slope)
        inside = (step > low[open_]) & (step < high[open_])
        t[open_] = np.where(inside, step, 0.5 * (low[open_] + high[open_]))
        narrow = high[open_] - low[open_] <= 4 * np.finfo(float).eps
        open_ = open_[(np.abs(miss) > ON_ZERO * scale) & ~narrow]
    return k, density, gradient
