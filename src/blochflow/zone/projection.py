"""Points that are moved from a smooth curve or flat element to a level set, with their weights.

    X(s) = x(s) + t(s) n(s)  on the level set,   x, n: flat element or smooth curve, and a direction across
    dS/|grad E| = det[n, d_1 (x + t n), ..] ds/(n . grad E)          (derivatives of t drop out)

The Jacobian is exact: the error of a sum over such points is that of the rule in s alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blochflow.zone.roots import Levels, roots_on_rays


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


def project(
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


def relative(fine: float, coarse: float, flag: float) -> float:
    """Relative difference, NaN where a point was not found."""
    return abs(fine - coarse) / abs(fine) + flag if fine else float("nan")


def unit(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors; zero where there is no direction."""
    size = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(size > 0, size, 1.0))
