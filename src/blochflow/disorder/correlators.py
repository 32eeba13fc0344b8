"""Correlations W(q) of random potentials in the continuum: white, Gaussian, screened Coulomb, and those of users.

    constant u^2,    Gaussian u^2 exp(-q^2 l^2/2)
    Coulomb n_i (e^2/2 eps_0 eps_r)^2 exp(-2 q d)/(q + q_s)^2 in two dimensions, of charges at the distance d from the
    plane, and n_i (e^2/eps_0 eps_r)^2/(q^2 + q_s^2)^2 in three

Source: Sinitsyn, J. Phys.: Condens. Matter 20, 023201 (2008); Ando, Fowler, Stern, RMP 54, 437 (1982), Sec. IV.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.core.errors import UserModelError

Correlator = Callable[[np.ndarray], Any]

# e^2/eps_0 in the unit systems
COULOMB = {"NATURAL": 4 * np.pi, "EV_ANGSTROM": 180.95128169}
# Neglected part of a sum over reciprocal vectors.
SHELL_TOLERANCE = 1e-16


@dataclass(frozen=True)
class Constant:
    strength: float

    def __call__(self, q: np.ndarray) -> np.ndarray:
        return np.full(np.shape(q)[:-1], self.strength)


@dataclass(frozen=True)
class Gaussian:
    strength: float
    length: float

    def __call__(self, q: np.ndarray) -> np.ndarray:
        return np.asarray(self.strength * np.exp(-0.5 * self.length**2 * squares(q)))

    @property
    def reach(self) -> float:
        """|q| beyond which W is below rounding error."""
        return float(np.sqrt(-2 * np.log(SHELL_TOLERANCE)) / self.length)

    @property
    def remedy(self) -> str:
        """For messages."""
        return f"take a longer correlation length than {self.length:g}, or white noise"


@dataclass(frozen=True)
class Coulomb:
    density: float
    dielectric: float
    screening: float
    coupling: float
    distance: float = 0.0

    def __call__(self, q: np.ndarray) -> np.ndarray:
        if np.shape(q)[-1] == 3:
            return np.asarray(self.scale / (squares(q) + self.screening**2) ** 2)
        length = np.sqrt(squares(q))
        flat = 0.25 * self.scale / (length + self.screening) ** 2
        return np.asarray(flat * np.exp(-2 * self.distance * length) if self.distance else flat)

    @property
    def scale(self) -> float:
        """n_i (e^2/eps_0 eps_r)^2."""
        return self.density * (self.coupling / self.dielectric) ** 2

    @property
    def reach(self) -> float:
        """|q| beyond which W is below rounding error, in two dimensions: infinite for charges in the plane."""
        return float(-np.log(SHELL_TOLERANCE) / (2 * self.distance)) if self.distance else np.inf

    @property
    def remedy(self) -> str:
        """For messages."""
        return f"take a larger distance than {self.distance:g}, or none"


def squares(q: np.ndarray) -> np.ndarray:
    """q^2 (..) of vectors (.., d); faster than sums over a short axis."""
    q = np.asarray(q)
    total = q[..., 0] ** 2
    for axis in range(1, q.shape[-1]):
        total = total + q[..., axis] ** 2
    return np.asarray(total)


def needs_units(q: np.ndarray) -> np.ndarray:
    """Stands for the Coulomb correlator until a model gives its units."""
    raise ValueError("The Coulomb correlator needs the units of a model.")


def as_matrices(function: Correlator, q: np.ndarray, count: int) -> np.ndarray:
    """What a user's correlator returns as (.., V, V)."""
    try:
        values = np.asarray(function(np.asarray(q)))
    except Exception as exc:
        raise UserModelError(
            f"The correlator failed for q of shape {np.shape(q)}: {exc}. Write it with numpy."
        ) from exc
    if values.dtype.kind not in "fiuc":
        raise fail("disorder.correlator", "return numbers", f"returns {values.dtype}")
    shape = np.shape(q)[:-1]
    if values.shape == shape or values.shape == ():
        values = np.broadcast_to(values, shape)[..., None, None] * np.eye(count)
    if values.shape != (*shape, count, count):
        must = f"return shape (..) or (.., {count}, {count}) for q of shape (.., {np.shape(q)[-1]})"
        raise fail("disorder.correlator", must, f"returns {values.shape}")
    if not np.isfinite(values).all():
        at = np.argwhere(~np.isfinite(values).all(axis=(-1, -2)))[0]
        raise fail("disorder.correlator", "be finite", f"is not at q = {np.asarray(q)[tuple(at)].tolist()}")
    return values
