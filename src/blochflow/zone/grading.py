"""A parameter along a closed or periodic curve in which points crowd where the gradient changes fast.

    ds ~ dl/h(l),   h(l) = min_l' [h_0(l') + g |l - l'|],   1/h_0 = 2 pi/length + |d v/dl|/|v|,   v = grad E

h_0 is the length over which v turns or changes its size; h grows from its small values no faster than g times the
distance.  Past a saddle or a narrow bend of size r the step is then proportional to the distance from it, and log(1/r)
points do what 1/r equal steps would.  Equal steps of l on a circle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blochflow.zone.projection import unit
from blochflow.zone.roots import Levels, roots_on_rays
from blochflow.zone.sheets import Piece, chain
from blochflow.zone.tracing import CHANGE, SMALLEST, relative_change

# Slope of h; rounds of halving segments, and most segments.
GRADATION, ROUNDS, MOST = 0.5, 24, 4096
# Segments shorter than this share of the mean are left out: their direction is rounding.
SHORTEST = 1e-6


@dataclass(frozen=True)
class GradedCurve:
    """Vertices (M + 1, d) of a loop, the last is the first plus ``period``, and their parameter from 0 to 1."""

    vertices: np.ndarray
    parameter: np.ndarray
    period: np.ndarray

    @property
    def length(self) -> float:
        """Of the polygon."""
        return float(_lengths(self.vertices).sum())

    def speed(self, s: np.ndarray) -> np.ndarray:
        """dl/ds at these parameters."""
        rate = _lengths(self.vertices) / np.diff(self.parameter)
        return np.asarray(np.interp(s, 0.5 * (self.parameter[1:] + self.parameter[:-1]), rate))


def graded_curve(piece: Piece, levels: Levels, mu: float, scale: float) -> GradedCurve | None:
    """The parameter along a curve that closes, perhaps by a period; None if v jumps, at a kink or van Hove point."""
    vertices, period, order = chain(piece)
    slopes = piece.gradients[order]
    vertices, slopes = np.concatenate([vertices, vertices[:1] + period]), np.concatenate([slopes, slopes[:1]])
    length = _lengths(vertices)
    keep = np.concatenate([[True], length > SHORTEST * length.mean()])
    keep[-1] = True
    vertices, slopes = _halved(vertices[keep], slopes[keep], levels, mu, scale)
    length, change = _lengths(vertices), relative_change(slopes[:-1], slopes[1:])
    if (change > CHANGE).any():
        return None
    steps = _limited(1 / (2 * np.pi / length.sum() + change / length), length)
    s = np.concatenate([[0.0], np.cumsum(length / steps)])
    return GradedCurve(vertices, s / s[-1], period)


def _lengths(vertices: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(np.diff(vertices, axis=0), axis=1))


def _halved(
    vertices: np.ndarray, slopes: np.ndarray, levels: Levels, mu: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """The polygon with more vertices on the curve where the gradient changes fast from one to the next."""
    for _ in range(ROUNDS):
        near = np.linalg.norm(slopes[:-1], axis=1) * _lengths(vertices) < SMALLEST * scale
        at = np.flatnonzero((relative_change(slopes[:-1], slopes[1:]) > CHANGE) & ~near)
        if not len(at) or len(vertices) + len(at) > MOST:
            break
        middle, across = 0.5 * (vertices[at] + vertices[at + 1]), unit(unit(slopes[at]) + unit(slopes[at + 1]))
        reach = np.linalg.norm(vertices[at + 1] - vertices[at], axis=1)
        t, _, slope, found = roots_on_rays(levels, mu, middle, across, reach, scale)
        good = found & (np.einsum("pa,pa->p", slope, across) > 0)
        if not good.any():
            break
        new = middle + t[:, None] * across
        vertices = np.insert(vertices, at[good] + 1, new[good], axis=0)
        slopes = np.insert(slopes, at[good] + 1, slope[good], axis=0)
    return vertices, slopes


def _limited(steps: np.ndarray, length: np.ndarray) -> np.ndarray:
    """h of every segment of a loop from h_0: two sweeps around it in either direction."""
    result = steps.copy()
    apart = 0.5 * (length + np.roll(length, 1))
    for way in (1, -1):
        h, gap = result[::way].copy(), (apart if way == 1 else np.roll(apart, -1))[::way]
        for i in range(2 * len(h)):
            now = i % len(h)
            h[now] = min(h[now], h[now - 1] + GRADATION * gap[now])
        result = h[::way]
    return np.asarray(result)
