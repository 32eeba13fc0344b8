"""Points and weights on curves in two dimensions: the trapezoidal rule where they close, panels where they end.

A closed or periodic curve takes a smooth x(s) (a trigonometric polynomial) and the trapezoidal rule, which converges
exponentially (Trefethen and Weideman, SIAM Review 56, 385 (2014)); `grading` chooses s.  Curves with ends take
Gauss-Legendre panels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blochflow.zone.grading import GradedCurve, graded_curve
from blochflow.zone.projection import Points, project, relative, unit
from blochflow.zone.roots import Levels
from blochflow.zone.sheets import Piece, chain

LARGEST_CURVE = 4096  # points on a curve; only kinks and near-singular corners need as many
CURVE_TOLERANCE = 1e-11  # agreement of N and N/2 points at which automatic refinement stops
STEEPEST = 0.9  # cosine between a smooth curve's normal and the gradient that makes it a good start
FASTEST = 1.5  # dl/ds of a smooth curve in units of what it is to be
PANEL = 8  # Gauss-Legendre points per panel


def loop_points(curve: SmoothCurve, levels: Levels, mu: float, scale: float, number: int | None) -> Points:
    """Trapezoidal rule on a closed or periodic curve; every second point is the rule that estimates the error."""
    count = number or 32
    while True:
        points = curve.points(count, levels, mu, scale)
        half = points if count % 2 == 0 else curve.points((count + 1) // 2, levels, mu, scale)
        coarse = 2 * points.weights[::2].sum() if count % 2 == 0 else half.weights.sum()
        error = relative(points.weights.sum(), coarse, points.error)
        if number is not None or error <= CURVE_TOLERANCE or count >= LARGEST_CURVE or np.isnan(error):
            return Points(points.k, points.gradient, points.energy, points.weights, error)
        count *= 2


@dataclass(frozen=True)
class SmoothCurve:
    """x(s) = period s + sum_m c_m exp(2 pi i m s), 0 <= s < 1, close to a curve; n is its normal to the right."""

    period: np.ndarray
    modes: np.ndarray
    reach: float

    @classmethod
    def through(cls, piece: Piece, levels: Levels, mu: float, scale: float) -> SmoothCurve | None:
        """The smoothest one whose normals meet the curve well; None if there is none (kinks)."""
        from scipy.interpolate import CubicSpline

        graded = graded_curve(piece, levels, mu, scale)
        if graded is None:
            return None
        s, period = graded.parameter, graded.period
        rest = graded.vertices - s[:, None] * period
        rest[-1] = rest[0]
        count = 4 * (len(rest) - 1)
        modes = np.fft.fft(CubicSpline(s, rest, bc_type="periodic")(np.arange(count) / count), axis=0) / count
        index = np.minimum(np.arange(count), count - np.arange(count))
        highest = 2
        while highest <= count // 4:
            smooth = modes * np.exp(-((index / highest) ** 4))[:, None]
            curve = cls(period, smooth, 0.2 * graded.length)
            trial = curve.points(max(32, 4 * highest), levels, mu, scale)
            if not np.isnan(trial.error) and curve.is_close(trial, graded):
                return curve
            highest *= 2
        return None

    def base(self, count: int) -> tuple[np.ndarray, ...]:
        """x, n, dx/ds, dn/ds at ``count`` equal steps of s."""
        size = len(self.modes)
        m = np.rint(np.fft.fftfreq(size, 1 / size)).astype(int)
        derivatives = []
        for power in range(3):
            # on equal steps, modes that differ by their number are one
            folded = np.zeros((count, self.modes.shape[1]), dtype=complex)
            np.add.at(folded, m % count, self.modes * (2j * np.pi * m[:, None]) ** power)
            derivatives.append(np.real(np.fft.ifft(folded, axis=0)) * count)
        s = np.arange(count) / count
        x, slope = derivatives[0] + s[:, None] * self.period, derivatives[1] + self.period
        size = np.linalg.norm(slope, axis=1, keepdims=True)
        turned, turning = (np.stack([v[:, 1], -v[:, 0]], axis=1) for v in (slope, derivatives[2]))
        n = turned / size
        return x, n, slope, (turning - n * np.einsum("pa,pa->p", n, turning)[:, None]) / size

    def points(self, count: int, levels: Levels, mu: float, scale: float) -> Points:
        """Points of the trapezoidal rule."""
        reach = np.full(count, self.reach)
        return project(levels, mu, scale, self.base(count), np.full(count, 1 / count), reach)

    def is_close(self, trial: Points, graded: GradedCurve) -> bool:
        """Normals along the gradients, and points as close as they are to be."""
        count = len(trial.weights)
        n = self.base(count)[1]
        along = np.einsum("pa,pa->p", n, trial.gradient)
        straight = (along > STEEPEST * np.linalg.norm(trial.gradient, axis=1)).all()
        return bool(straight and (trial.area * count <= FASTEST * graded.speed(np.arange(count) / count)).all())


def panel_points(piece: Piece, levels: Levels, mu: float, scale: float, number: int | None) -> Points:
    """Gauss-Legendre rule on panels of a curve with ends or kinks; the error from panels twice as long."""
    vertices, period, order = chain(piece)
    normals = unit(piece.gradients[order])
    if not piece.boundary:
        vertices, normals = np.concatenate([vertices, vertices[:1] + period]), np.concatenate([normals, normals[:1]])
    segments = len(vertices) - 1
    panels = segments if number is None else min(segments, max(1, number // PANEL))
    per_panel = PANEL if number is None else max(1, round(number / panels))
    fine = _panel_rule(vertices, normals, panels, per_panel, levels, mu, scale)
    lower = _panel_rule(vertices, normals, panels, max(1, per_panel - 1), levels, mu, scale)
    error = relative(fine.weights.sum(), lower.weights.sum(), fine.error)
    return Points(fine.k, fine.gradient, fine.energy, fine.weights, error)


def _panel_rule(
    vertices: np.ndarray, normals: np.ndarray, panels: int, per_panel: int, levels: Levels, mu: float, scale: float
) -> Points:
    """``per_panel`` Gauss-Legendre points on each of ``panels`` chords."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(vertices, axis=0), axis=1))])
    ends = np.unique(np.searchsorted(length, np.linspace(0, length[-1], panels + 1)).clip(0, len(vertices) - 1))
    a, b = vertices[ends[:-1]], vertices[ends[1:]]
    na, nb = normals[ends[:-1]], normals[ends[1:]]
    nodes, weights = np.polynomial.legendre.leggauss(per_panel)
    s = np.tile(0.5 * (nodes + 1), len(a))[:, None]
    a, b, na, nb = (np.repeat(v, per_panel, axis=0) for v in (a, b, na, nb))
    reach = np.linalg.norm(b - a, axis=1)
    base = (a + s * (b - a), na + s * (nb - na), b - a, nb - na)
    return project(levels, mu, scale, base, np.tile(0.5 * weights, len(ends) - 1), reach)
