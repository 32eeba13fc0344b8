"""Correlations W(q) of random potentials: white, Gaussian, screened Coulomb, those of users, and sums on lattices.

    constant u^2,    Gaussian u^2 exp(-q^2 l^2/2)
    Coulomb n_i (e^2/2 eps_0 eps_r)^2/(q + q_s)^2 in two, n_i (e^2/eps_0 eps_r)^2/(q^2 + q_s^2)^2 in three dimensions

A potential that takes one value at every site of a lattice has W_ab(q) = sum_G W(q + G) exp(i G.(tau_a - tau_b)).
The Coulomb sum diverges in two dimensions, because a charge may sit on a site; there and in three dimensions only the
shortest q + G is kept, that is, the potential has no waves shorter than the lattice resolves.
Source: Sinitsyn, J. Phys.: Condens. Matter 20, 023201 (2008); Ando, Fowler, Stern, RMP 54, 437 (1982), Sec. IV.
"""

from __future__ import annotations

import itertools
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
        return np.asarray(self.strength * np.exp(-0.5 * self.length**2 * (np.asarray(q) ** 2).sum(axis=-1)))

    @property
    def reach(self) -> float:
        """|q| beyond which W is below rounding error."""
        return float(np.sqrt(-2 * np.log(SHELL_TOLERANCE)) / self.length)


@dataclass(frozen=True)
class Coulomb:
    density: float
    dielectric: float
    screening: float
    coupling: float

    def __call__(self, q: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(q, axis=-1)
        strength = self.coupling / self.dielectric
        if np.shape(q)[-1] == 3:
            return np.asarray(self.density * strength**2 / (length**2 + self.screening**2) ** 2)
        return np.asarray(self.density * (0.5 * strength) ** 2 / (length + self.screening) ** 2)


@dataclass(frozen=True)
class OnLattice:
    """W_ab(q) = sum_G W(q + G) exp(i G.(tau_a - tau_b)); only the shortest q + G for ``folded``."""

    scalar: Any
    reciprocal: np.ndarray
    places: np.ndarray
    folded: bool
    independent: bool

    def __call__(self, q: np.ndarray) -> np.ndarray:
        q = np.asarray(q, dtype=float)
        # the sum is taken around the nearest reciprocal vector, so that few terms serve every q
        near = -np.rint(q @ np.linalg.inv(self.reciprocal)) @ self.reciprocal
        total = np.zeros((*q.shape[:-1], len(self.places), len(self.places)), dtype=complex)
        shortest = np.full(q.shape[:-1], np.inf)
        for vector in self._vectors():
            moved = q + near + vector
            value = self.scalar(moved)[..., None, None] * self._phases(near + vector)
            if not self.folded:
                total = total + value
                continue
            length = np.linalg.norm(moved, axis=-1)
            nearer = length < shortest - 1e-12
            total = np.where(nearer[..., None, None], value, total)
            shortest = np.where(nearer, length, shortest)
        return total if np.abs(total.imag).max() > 0 else total.real

    def _phases(self, vector: np.ndarray) -> np.ndarray:
        if self.independent:
            return np.broadcast_to(np.eye(len(self.places)), (*vector.shape[:-1], *[len(self.places)] * 2))
        phase = np.exp(1j * vector @ self.places.T)
        return np.asarray(phase[..., :, None] * phase[..., None, :].conj())

    def _vectors(self) -> np.ndarray:
        """Reciprocal vectors around the origin that a sum needs, the origin first."""
        d = len(self.reciprocal)
        height = 1 / np.linalg.norm(np.linalg.inv(self.reciprocal), axis=0)
        reach = 0.0 if self.folded else self.scalar.reach
        shells = [int(np.ceil(reach / h)) + 1 for h in height]
        index = np.array(list(itertools.product(*[range(-n, n + 1) for n in shells])))
        return index[np.argsort(np.abs(index).sum(axis=1), kind="stable")].reshape(-1, d) @ self.reciprocal


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
