"""Closed forms and independent integrals for metals at T = 0.

    square:  n(mu) = Int dx/(2 pi) a(x)/pi,   cos a = -(mu + 2 t_x cos x)/(2 t_y)      (0 or pi where there is no a)
             D = Int dx/(pi s)/(2 pi),   D_xx = Int (2 t_x sin x)^2/s,   D_yy = Int s/pi,       s = 2 t_y sin a
    cubic:   the same with mu + 2 t_z cos z, averaged over z

Between the x at which the level enters or leaves, x = middle - half cos(theta) takes the square roots away.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.polynomial.legendre import leggauss

# Near a van Hove energy the integrand has a logarithm at the ends of its range: pieces shrink towards them.
GRADED = np.concatenate([[0.0], 0.5 * np.exp2(-np.arange(24.0, -1, -1)) * np.pi])
NODES, WEIGHTS = leggauss(16)


def graded_rule() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on (0, pi) for analytic functions with weak singularities at the ends."""
    edges = np.concatenate([GRADED, np.pi - GRADED[-2::-1]])
    half = np.diff(edges) / 2
    middle = (edges[1:] + edges[:-1]) / 2
    return (middle[:, None] + half[:, None] * NODES).ravel(), (half[:, None] * WEIGHTS).ravel()


THETA, THETA_WEIGHTS = graded_rule()


def between(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances (.., q) from start, distances from stop, and weights, by x = middle - half cos(theta)."""
    width = (stop - start)[..., None]
    return width * np.sin(THETA / 2) ** 2, width * np.cos(THETA / 2) ** 2, width / 2 * np.sin(THETA) * THETA_WEIGHTS


def square_lattice(mu: np.ndarray, tx: float, ty: float) -> np.ndarray:
    """n, D, D_xx, D_yy per cell of -2 tx cos x - 2 ty cos y for levels mu (M,): (4, M); positive hoppings."""
    cosines = np.stack([-(mu + s * 2 * ty) / (2 * tx) for s in (1, -1)])
    edges = np.arccos(np.clip(cosines, -1, 1))
    points = np.sort(np.stack([np.zeros_like(mu), *edges, np.full_like(mu, np.pi)]), axis=0)
    total = np.zeros((4, len(mu)))
    for start, stop in itertools.pairwise(points):
        after, before, w = between(start, stop)
        x = start[:, None] + after
        # 2 ty (1 - c) and 2 ty (1 + c) as products, without cancellation where the level enters or leaves
        factors = []
        for edge, cosine, s in zip(edges, cosines, (1, -1), strict=True):
            away = np.where((edge <= start)[:, None], (edge - start)[:, None] - after, (edge - stop)[:, None] + before)
            beyond = np.clip(cosine, -1, 1) - cosine
            product = 2 * np.sin((x + edge[:, None]) / 2) * np.sin(away / 2) + beyond[:, None]
            factors.append(s * 2 * tx * product)
        inside = (factors[0] > 0) & (factors[1] > 0)
        height = np.sqrt(np.where(inside, factors[0] * factors[1], 1.0))
        dos, yy = np.where(inside, 1 / height, 0.0), np.where(inside, height, 0.0)
        filled = np.where(factors[0] > 0, np.pi, 0.0)
        n = np.where(inside, np.arctan2(height, (factors[1] - factors[0]) / 2), filled)
        total += np.stack([(w * y).sum(axis=1) for y in (n, dos, (2 * tx * np.sin(x)) ** 2 * dos, yy)]) / np.pi**2
    return total


def cubic_lattice(mu: float, t: np.ndarray) -> np.ndarray:
    """n, D, D_xx, D_yy, D_zz per cell of -2 sum_a t_a cos k_a at one level; positive hoppings."""
    levels = 2 * np.array([t[0] + t[1], t[0] - t[1], t[1] - t[0], -t[0] - t[1]])
    inner = np.arccos(np.clip((levels - mu) / (2 * t[2]), -1, 1))
    points = np.unique(np.concatenate([[0.0, np.pi], inner]))
    after, _, w = between(points[:-1], points[1:])
    z, w = (points[:-1, None] + after).ravel(), w.ravel()
    n, dos, xx, yy = square_lattice(mu + 2 * t[2] * np.cos(z), t[0], t[1])
    zz = dos * (2 * t[2] * np.sin(z)) ** 2
    return np.array([(w * x).sum() for x in (n, dos, xx, yy, zz)]) / np.pi


def parabola(mass: np.ndarray, mu: float) -> tuple[float, float, np.ndarray]:
    """n, D and the Drude tensor n/m of k.M^-1.k/2 below ``mu``."""
    d = len(mass)
    size = np.sqrt(np.linalg.det(mass)) * (2 * mu) ** (d / 2)
    n = size * {1: 2.0, 2: np.pi, 3: 4 * np.pi / 3}[d] / (2 * np.pi) ** d
    return n, n * d / (2 * mu), n * np.linalg.inv(mass)


def dirac_pocket(velocity: np.ndarray, tilt: np.ndarray, mass: float, mu: float) -> float:
    """Area of the pocket of w.k + sqrt(vx^2 kx^2 + vy^2 ky^2 + m^2) below mu, an ellipse."""
    rest = 1 - np.sum((tilt / velocity) ** 2)
    return float(np.pi * (mu**2 - rest * mass**2) / rest**1.5 / np.prod(velocity))
