"""Points and weights on a level set: sum_i w_i F(k_i) ~ Int F dS/|grad E|, to high order.

    X(s) = x(s) + t(s) n(s)  on the level set,   x, n: flat element or smooth curve, and a direction across
    dS/|grad E| = det[n, d_1 (x + t n), ..] ds/(n . grad E)          (derivatives of t drop out)

n is continuous from one element to the next, so the images of the elements join without gaps, and the Jacobian is
exact: the error is that of the rule in s alone.  A closed or periodic curve takes a smooth x(s) (a trigonometric
polynomial) and the trapezoidal rule, which converges exponentially (Trefethen and Weideman, SIAM Review 56, 385
(2014)); curves with ends take Gauss-Legendre panels, triangles the rules of Strang and Fix (1973) and Radon (1948).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blochflow.zone.roots import Levels, roots_on_rays
from blochflow.zone.sheets import Piece, chain

LARGEST_CURVE = 4096  # points on a curve; only kinks and near-singular corners need as many
CURVE_TOLERANCE = 1e-11  # agreement of N and N/2 points at which automatic refinement stops
STEEPEST = 0.9  # cosine between a smooth curve's normal and the gradient that makes it a good start
PANEL = 8  # Gauss-Legendre points per panel
TRIANGLE_POINTS = (1, 3, 6, 7)
# Automatic points on triangles: relative agreement, number of times a triangle is split, and what one triangle may
# miss in units of its equal share, since most miss nothing.
TRIANGLE_TOLERANCE, SPLITS, SHARE = 1e-6, 3, 10.0
_QUARTERS = 0.5 * np.array(
    [
        [[2, 0, 0], [1, 1, 0], [1, 0, 1]],
        [[1, 1, 0], [0, 2, 0], [0, 1, 1]],
        [[1, 0, 1], [0, 1, 1], [0, 0, 2]],
        [[1, 1, 0], [0, 1, 1], [1, 0, 1]],
    ]
)

_A, _B = 0.445948490915965, 0.091576213509771
_P, _Q = (6 - 15**0.5) / 21, (6 + 15**0.5) / 21
_THIRD = [1 / 3] * 3
# points per triangle -> orbits (weight of each point, barycentric coordinates), exact for degree 1, 2, 4, 5
_ORBITS: dict[int, list[tuple[float, list[float]]]] = {
    1: [(1.0, _THIRD)],
    3: [(1 / 3, [2 / 3, 1 / 6, 1 / 6])],
    6: [(0.223381589678011, [1 - 2 * _A, _A, _A]), (0.109951743655322, [1 - 2 * _B, _B, _B])],
    7: [
        (9 / 40, _THIRD),
        ((155 - 15**0.5) / 1200, [1 - 2 * _P, _P, _P]),
        ((155 + 15**0.5) / 1200, [1 - 2 * _Q, _Q, _Q]),
    ],
}
# The rule whose difference estimates the error, and a factor: rules of degree 4 and 5 both converge as h^6, and the
# error was up to 12 times their difference on spheres, tilted ellipsoids and the cubic lattice.
_CHECK = {1: (3, 1.0), 3: (6, 1.0), 6: (7, 15.0), 7: (6, 15.0)}


@dataclass(frozen=True)
class Points:
    """Points on a level set with their weights.

    Attributes
    ----------
    k, gradient : (P, d)
    energy : (P,)
    weights : (P,)
        Of dS/|grad E|.
    error : float
        Estimated relative error of the sum of the weights; NaN if a point was not found.
    """

    k: np.ndarray
    gradient: np.ndarray
    energy: np.ndarray
    weights: np.ndarray
    error: float

    @property
    def area(self) -> np.ndarray:
        """dS of each point: weights times |grad E|."""
        return np.asarray(self.weights * np.linalg.norm(self.gradient, axis=1))


def points_on(piece: Piece, levels: Levels, mu: float, scale: float, number: int | None) -> Points:
    """Quadrature points of a piece: ``number`` per curve or per triangle, None: automatic.

    Points that were not found have no weight and are left out; the error is then NaN.
    """
    if piece.elements.shape[1] == 3:
        points = _triangles(piece, levels, mu, scale, number)
    elif piece.boundary:
        points = _panels(piece, levels, mu, scale, number)
    else:
        points = _loop(piece, levels, mu, scale, number)
    found = points.weights > 0
    if found.all():
        return points
    return Points(points.k[found], points.gradient[found], points.energy[found], points.weights[found], np.nan)


def _project(
    levels: Levels, mu: float, scale: float, base: tuple[np.ndarray, ...], weights: np.ndarray, reach: np.ndarray
) -> Points:
    """Move x along n to the surface; base: x, n, d_1 x, d_1 n, .. (P, d), weights of the rule (P,)."""
    x, n, *slopes = base
    t, energy, gradient, found = roots_on_rays(levels, mu, x, n, reach, scale)
    moved = [dx + t[:, None] * dn for dx, dn in zip(slopes[::2], slopes[1::2], strict=True)]
    volume = np.linalg.det(np.stack([n, *moved], axis=1))
    across = np.einsum("pa,pa->p", n, gradient)
    with np.errstate(divide="ignore", invalid="ignore"):
        jacobian = np.where(across > 0, volume / across, 0.0)
    # A level set has positive measure everywhere: a fold means that the mesh is too coarse.
    good = found & (jacobian > 0)
    error = 0.0 if good.all() else np.nan
    return Points(x + t[:, None] * n, gradient, energy, np.where(good, weights * jacobian, 0.0), error)


def _relative(fine: float, coarse: float, flag: float) -> float:
    """Relative difference, NaN where a point was not found."""
    return abs(fine - coarse) / abs(fine) + flag if fine else float("nan")


# ------------------------------------------------------------------ curves


def _loop(piece: Piece, levels: Levels, mu: float, scale: float, number: int | None) -> Points:
    """Trapezoidal rule on a closed or periodic curve; every second point is the rule that estimates the error."""
    curve = _SmoothCurve.through(piece, levels, mu, scale)
    if curve is None:
        return _panels(piece, levels, mu, scale, number)
    count = number or 32
    while True:
        points = curve.points(count, levels, mu, scale)
        half = points if count % 2 == 0 else curve.points((count + 1) // 2, levels, mu, scale)
        coarse = 2 * points.weights[::2].sum() if count % 2 == 0 else half.weights.sum()
        error = _relative(points.weights.sum(), coarse, points.error)
        if number is not None or error <= CURVE_TOLERANCE or count >= LARGEST_CURVE or np.isnan(error):
            return Points(points.k, points.gradient, points.energy, points.weights, error)
        count *= 2


@dataclass(frozen=True)
class _SmoothCurve:
    """x(s) = period s + sum_m c_m exp(2 pi i m s), 0 <= s < 1, close to a curve; n is its normal to the right."""

    period: np.ndarray
    modes: np.ndarray
    reach: float

    @classmethod
    def through(cls, piece: Piece, levels: Levels, mu: float, scale: float) -> _SmoothCurve | None:
        """The smoothest one whose normals meet the curve well; None if there is none (kinks)."""
        from scipy.interpolate import CubicSpline

        vertices, period, _ = chain(piece)
        looped = np.concatenate([vertices, vertices[:1] + period])
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(looped, axis=0), axis=1))])
        keep = np.concatenate([[True], np.diff(length) > 1e-6 * length[-1] / len(vertices)])
        keep[-1] = True
        s = length[keep] / length[-1]
        rest = looped[keep] - s[:, None] * period
        rest[-1] = rest[0]
        count = 4 * len(vertices)
        modes = np.fft.fft(CubicSpline(s, rest, bc_type="periodic")(np.arange(count) / count), axis=0) / count
        highest = 2
        while highest <= count // 4:
            index = np.minimum(np.arange(count), count - np.arange(count))
            curve = cls(period, modes * np.exp(-((index / highest) ** 4))[:, None], 0.2 * length[-1])
            trial = curve.points(max(32, 4 * highest), levels, mu, scale)
            if not np.isnan(trial.error) and curve.is_close(trial):
                return curve
            highest *= 2
        return None

    def base(self, count: int) -> tuple[np.ndarray, ...]:
        """x, n, dx/ds, dn/ds at ``count`` equal steps of s."""
        m = np.fft.fftfreq(len(self.modes), 1 / len(self.modes))
        s = np.arange(count) / count
        waves = np.exp(2j * np.pi * np.outer(s, m))
        derivatives = [np.real(waves @ (self.modes * (2j * np.pi * m[:, None]) ** order)) for order in range(3)]
        x, slope = derivatives[0] + s[:, None] * self.period, derivatives[1] + self.period
        size = np.linalg.norm(slope, axis=1, keepdims=True)
        turned, turning = (np.stack([v[:, 1], -v[:, 0]], axis=1) for v in (slope, derivatives[2]))
        n = turned / size
        return x, n, slope, (turning - n * np.einsum("pa,pa->p", n, turning)[:, None]) / size

    def points(self, count: int, levels: Levels, mu: float, scale: float) -> Points:
        """Points of the trapezoidal rule."""
        reach = np.full(count, self.reach)
        return _project(levels, mu, scale, self.base(count), np.full(count, 1 / count), reach)

    def is_close(self, trial: Points) -> bool:
        """Normals along the gradients, and no two steps in the other order."""
        n = self.base(len(trial.weights))[1]
        along = np.einsum("pa,pa->p", n, trial.gradient)
        return bool((along > STEEPEST * np.linalg.norm(trial.gradient, axis=1)).all())


def _panels(piece: Piece, levels: Levels, mu: float, scale: float, number: int | None) -> Points:
    """Gauss-Legendre rule on panels of a curve with ends or kinks; the error from panels twice as long."""
    vertices, period, order = chain(piece)
    normals = _unit(piece.gradients[order])
    if not piece.boundary:
        vertices, normals = np.concatenate([vertices, vertices[:1] + period]), np.concatenate([normals, normals[:1]])
    segments = len(vertices) - 1
    panels = segments if number is None else min(segments, max(1, number // PANEL))
    per_panel = PANEL if number is None else max(1, round(number / panels))
    fine = _panel_rule(vertices, normals, panels, per_panel, levels, mu, scale)
    lower = _panel_rule(vertices, normals, panels, max(1, per_panel - 1), levels, mu, scale)
    error = _relative(fine.weights.sum(), lower.weights.sum(), fine.error)
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
    return _project(levels, mu, scale, base, np.tile(0.5 * weights, len(ends) - 1), reach)


# --------------------------------------------------------------- triangles


def _triangles(piece: Piece, levels: Levels, mu: float, scale: float, number: int | None) -> Points:
    """A rule on every triangle, moved along interpolated normals.

    Automatic: triangles whose two rules differ most are split into four, in the parameters of the same map, so that
    the image still joins its neighbours; until the sum of all differences is below the tolerance.
    """
    count = number or TRIANGLE_POINTS[-1]
    other, factor = _CHECK[count]
    parents, cuts = np.arange(len(piece.elements)), np.broadcast_to(np.eye(3), (len(piece.elements), 3, 3))
    kept: list[Points] = []
    total = missed = 0.0
    for split_again in range(SPLITS, -1, -1):
        fine = _triangle_rule(piece, parents, cuts, levels, mu, scale, count)
        check = _triangle_rule(piece, parents, cuts, levels, mu, scale, other)
        sums = fine.weights.reshape(-1, count).sum(axis=1)
        miss = factor * (sums - check.weights.reshape(-1, other).sum(axis=1))
        total = total or float(sums.sum())
        allowed = SHARE * TRIANGLE_TOLERANCE * total / len(piece.elements)
        rough = np.abs(miss) > allowed if split_again and number is None else np.zeros(len(miss), bool)
        done = np.repeat(~rough, count)
        kept.append(Points(fine.k[done], fine.gradient[done], fine.energy[done], fine.weights[done], fine.error))
        missed += float(miss[~rough].sum()) + check.error
        parents, cuts = np.repeat(parents[rough], 4), _QUARTERS @ np.repeat(cuts[rough], 4, axis=0).reshape(-1, 4, 3, 3)
        cuts = cuts.reshape(-1, 3, 3)
        if not len(parents):
            break
    k, gradient, energy, weights = (
        np.concatenate([getattr(p, name) for p in kept]) for name in ("k", "gradient", "energy", "weights")
    )
    return Points(k, gradient, energy, weights, abs(missed) / float(weights.sum()) + kept[-1].error)


def _triangle_rule(
    piece: Piece, parents: np.ndarray, cuts: np.ndarray, levels: Levels, mu: float, scale: float, number: int
) -> Points:
    """A rule on parts (barycentric corners ``cuts``, (T, 3, 3)) of the elements ``parents`` (T,)."""
    corners, normals = piece.corners[parents], _unit(piece.gradients)[piece.elements[parents]]
    orbits = [(w, np.roll(c, i)) for w, c in _ORBITS[number] for i in range(1 if c is _THIRD else 3)]
    barycentric = np.array([c for _, c in orbits]) @ cuts
    weights = 0.5 * np.array([w for w, _ in orbits])
    x, n = (np.einsum("fqc,fca->fqa", barycentric, v).reshape(-1, 3) for v in (corners, normals))
    sides = cuts[:, 1:] - cuts[:, :1]
    slopes = [np.repeat(sides[:, i, None] @ v, number, axis=0)[:, 0] for i in (0, 1) for v in (corners, normals)]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    return _project(levels, mu, scale, (x, n, *slopes), np.tile(weights, len(parents)), np.repeat(longest, number))


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors; zero where there is no direction."""
    size = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(size > 0, size, 1.0))
