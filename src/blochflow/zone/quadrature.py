"""Points and weights on a level set: sum_i w_i F(k_i) ~ Int F dS/|grad E|, to high order.

    X(s) = x(s) + t(s) n(s)  on the level set,   x, n: flat element or smooth curve, and a direction across
    dS/|grad E| = det[n, d_1 (x + t n), ..] ds/(n . grad E)          (derivatives of t drop out)

n is continuous from one element to the next, so the images of the elements join without gaps, and the Jacobian is
exact: the error is that of the rule in s alone.  Curves are in `curve_points`; triangles take the rules of
Strang and Fix (1973) and Radon (1948).
"""

from __future__ import annotations

import numpy as np

from blochflow.zone.curve_points import SmoothCurve, loop_points, panel_points
from blochflow.zone.projection import Points, project, unit
from blochflow.zone.roots import Levels
from blochflow.zone.sheets import Piece

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


def points_on(piece: Piece, levels: Levels, mu: float, scale: float, number: int | None) -> Points:
    """Quadrature points of a piece: ``number`` per curve or per triangle, None: automatic.

    Points that were not found have no weight and are left out; the error is then NaN.
    """
    return points_along(piece, smooth_curve(piece, levels, mu, scale), levels, mu, scale, number)


def smooth_curve(piece: Piece, levels: Levels, mu: float, scale: float) -> SmoothCurve | None:
    """The curve along which points of a piece are placed; None for surfaces, and for curves with ends or kinks."""
    if piece.elements.shape[1] == 3 or piece.boundary:
        return None
    return SmoothCurve.through(piece, levels, mu, scale)


def points_along(
    piece: Piece, curve: SmoothCurve | None, levels: Levels, mu: float, scale: float, number: int | None
) -> Points:
    """As `points_on`, with the `smooth_curve` of the piece."""
    if piece.elements.shape[1] == 3:
        points = _triangles(piece, levels, mu, scale, number)
    elif curve is None:
        points = panel_points(piece, levels, mu, scale, number)
    else:
        points = loop_points(curve, levels, mu, scale, number)
    found = points.weights > 0
    if found.all():
        return points
    return Points(points.k[found], points.gradient[found], points.energy[found], points.weights[found], np.nan)


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
    corners, normals = piece.corners[parents], unit(piece.gradients)[piece.elements[parents]]
    orbits = [(w, np.roll(c, i)) for w, c in _ORBITS[number] for i in range(1 if c is _THIRD else 3)]
    barycentric = np.array([c for _, c in orbits]) @ cuts
    weights = 0.5 * np.array([w for w, _ in orbits])
    x, n = (np.einsum("fqc,fca->fqa", barycentric, v).reshape(-1, 3) for v in (corners, normals))
    sides = cuts[:, 1:] - cuts[:, :1]
    slopes = [np.repeat(sides[:, i, None] @ v, number, axis=0)[:, 0] for i in (0, 1) for v in (corners, normals)]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    return project(levels, mu, scale, (x, n, *slopes), np.tile(weights, len(parents)), np.repeat(longest, number))
