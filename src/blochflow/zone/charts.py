"""Charts: how the unit cube of the integration rules covers the domain of k.

    lattice:  k = u.b                                        one reciprocal cell, weight 1
    ball:     k_a = R x_a sqrt(1 - (x_b^2 + x_c^2)/2 + x_b^2 x_c^2/3),  x = 2 u - 1       |k| < R
    triangle: k = A + u_1 (B - A) + u_1 u_2 (C - B)
    shell:    k = R 10^(S u_1) (direction by angles u_2, ..)                              what lies beyond the cutoff

Weights are those of d^dk = weight d^du.  The ball has no pole at its centre, where the gaps of k.p models are: halved
cells keep their shape there, so that a gap g costs cells in proportion to log(1/g), not to 1/g as with angles.  The
only points without a tangent map are the corners of the cube, on the surface; the weight vanishes there.
Source of the map: P. Nowell, "Mapping a cube to a sphere" (2005); the square to the disc is its face x_c = 0.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass

import numpy as np


class AbstractChart(abc.ABC):
    """Map from u in [0, 1]^d to Cartesian k."""

    @property
    @abc.abstractmethod
    def dimension(self) -> int:
        """Components of k."""

    @abc.abstractmethod
    def to_k(self, u: np.ndarray) -> np.ndarray:
        """Cartesian k, (..., d)."""

    @abc.abstractmethod
    def jacobian(self, u: np.ndarray) -> np.ndarray:
        """dk_c/du_a, (..., a, c)."""

    @abc.abstractmethod
    def weight(self, u: np.ndarray) -> np.ndarray:
        """d^dk = weight d^du, (...)."""

    @property
    @abc.abstractmethod
    def base(self) -> tuple[int, ...]:
        """Cells per axis to start from."""


@dataclass(frozen=True)
class LatticeChart(AbstractChart):
    """One cell of the reciprocal lattice (rows of ``reciprocal``); weight 1, so that integrals are zone averages."""

    reciprocal: np.ndarray

    @property
    def dimension(self) -> int:
        return len(self.reciprocal)

    def to_k(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(u @ self.reciprocal)

    def jacobian(self, u: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.reciprocal, (*u.shape[:-1], *self.reciprocal.shape))

    def weight(self, u: np.ndarray) -> np.ndarray:
        return np.ones(u.shape[:-1])

    @property
    def base(self) -> tuple[int, ...]:
        return {1: (16,), 2: (4, 4), 3: (4, 4, 4)}[self.dimension]


@dataclass(frozen=True)
class BallChart(AbstractChart):
    """|k| < radius: an interval, a disc, or a ball, as a smoothly deformed cube."""

    radius: float
    dimension: int = 2

    @property
    def base(self) -> tuple[int, ...]:
        return (4,) * self.dimension

    def to_k(self, u: np.ndarray) -> np.ndarray:
        x = 2 * u - 1
        return np.asarray(self.radius * x * np.sqrt(self._squared_factors(x**2)))

    def jacobian(self, u: np.ndarray) -> np.ndarray:
        x = 2 * u - 1
        d, square = self.dimension, x**2
        factor = np.sqrt(self._squared_factors(square))
        result = np.zeros((*x.shape, d))
        for c in range(d):
            result[..., c, c] = factor[..., c]
            for a in set(range(d)) - {c}:
                third = [square[..., b] for b in set(range(d)) - {a, c}]
                slope = x[..., a] * ((2 / 3) * third[0] - 1 if third else -1.0)
                result[..., a, c] = x[..., c] * slope / (2 * factor[..., c])
        return 2 * self.radius * result

    def weight(self, u: np.ndarray) -> np.ndarray:
        return np.abs(np.linalg.det(self.jacobian(u)))

    def _squared_factors(self, square: np.ndarray) -> np.ndarray:
        """(k_a / (R x_a))^2 from x^2, (..., d)."""
        others = [np.delete(square, c, axis=-1) for c in range(self.dimension)]
        factors = [1 - o.sum(axis=-1) / 2 + (o.prod(axis=-1) / 3 if self.dimension == 3 else 0.0) for o in others]
        return np.stack(factors, axis=-1)


@dataclass(frozen=True)
class TriangleChart(AbstractChart):
    """A triangle with ``corners`` (3, 2): k = A + u_1 (B - A) + u_1 u_2 (C - B)."""

    corners: np.ndarray

    @property
    def dimension(self) -> int:
        return 2

    @property
    def base(self) -> tuple[int, ...]:
        return (4, 4)

    def to_k(self, u: np.ndarray) -> np.ndarray:
        a, b, c = self.corners
        return np.asarray(a + u[..., :1] * (b - a) + u[..., :1] * u[..., 1:] * (c - b))

    def jacobian(self, u: np.ndarray) -> np.ndarray:
        a, b, c = self.corners
        return np.stack([(b - a) + u[..., 1:] * (c - b), u[..., :1] * (c - b)], axis=-2)

    def weight(self, u: np.ndarray) -> np.ndarray:
        return np.abs(np.linalg.det(self.jacobian(u)))


@dataclass(frozen=True)
class ShellChart(AbstractChart):
    """The shell from radius to radius 10^decades, by logarithm of the radius and angles; both intervals in 1D."""

    radius: float
    dimension: int = 2
    decades: float = 1.0

    @property
    def base(self) -> tuple[int, ...]:
        radial = max(2, math.ceil(self.decades * 2))
        return {1: (2 * radial,), 2: (radial, 8), 3: (radial, 4, 8)}[self.dimension]

    def _radius(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r and dr/du along the radial axis."""
        r = self.radius * 10 ** (self.decades * u)
        return r, r * self.decades * math.log(10)

    def to_k(self, u: np.ndarray) -> np.ndarray:
        return self._parts(u)[0]

    def jacobian(self, u: np.ndarray) -> np.ndarray:
        return self._parts(u)[1]

    def weight(self, u: np.ndarray) -> np.ndarray:
        return np.abs(np.linalg.det(self.jacobian(u)))

    def _parts(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """k and dk_c/du_a."""
        if self.dimension == 1:
            side = np.where(u[..., 0] < 0.5, -1.0, 1.0)
            r, slope = self._radius(np.abs(2 * u[..., 0] - 1))
            return (side * r)[..., None], (2 * slope)[..., None, None]
        r, slope = self._radius(u[..., 0])
        phi = 2 * np.pi * u[..., -1]
        c, s = np.cos(phi), np.sin(phi)
        if self.dimension == 2:
            k = np.stack([r * c, r * s], axis=-1)
            return k, np.stack([np.stack([slope * c, slope * s], -1), 2 * np.pi * np.stack([-r * s, r * c], -1)], -2)
        theta = np.pi * u[..., 1]
        ct, st = np.cos(theta), np.sin(theta)
        k = np.stack([r * st * c, r * st * s, r * ct], axis=-1)
        along = np.stack([st * c, st * s, ct], -1) * slope[..., None]
        polar = np.pi * np.stack([r * ct * c, r * ct * s, -r * st], -1)
        around = 2 * np.pi * np.stack([-r * st * s, r * st * c, np.zeros_like(r)], -1)
        return k, np.stack([along, polar, around], axis=-2)
