"""Correlations of potentials that take one value at every site of a lattice.

    W_ab(q) = sum_G W(q + G) exp(i G.(tau_a - tau_b))

a, b sites, tau their places.  The sum does not know the cell: a site moved by a lattice vector, or two cells taken for
one, give the same scattering.  It ends where W is below rounding: Gaussian, and Coulomb in a plane with the charges at
a distance.  Charges in the plane itself have W ~ 1/q^2, and the sum diverges, because a charge may sit on a site: only
the shortest q + G is kept, that is, the potential has no waves shorter than the lattice resolves.
In three dimensions W = c/x^2, x = q^2 + q_s^2, and the sum is split as Ewald's:

    1/x^2 = e^(-s x) (1 + s x)/x^2 + Int_0^s t e^(-t x) dt

The second part is summed over sites, as e^(-i q.r) times the volume of the cell times its transform

    h(r) = [e^(-q_s r) erfc(r/2 sqrt(s) - q_s sqrt(s)) - e^(q_s r) erfc(r/2 sqrt(s) + q_s sqrt(s))]/(16 pi q_s)

Source: Ewald, Ann. Phys. 369, 253 (1921); Ziman, Principles of the Theory of Solids, Sec. 2.3.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import erfc, erfcx

from blochflow.core.checks import fail
from blochflow.disorder.correlators import SHELL_TOLERANCE, Coulomb, squares

# Values of W at once, which fit into caches, and most reciprocal vectors of a sum.
CHUNK, MOST_VECTORS = 2**15, 20000


@dataclass(frozen=True)
class OnLattice:
    """W_ab(q) = sum_G W(q + G) exp(i G.(tau_a - tau_b)) up to |q + G| = ``scalar.reach``.

    The shortest q + G alone where W does not fall off; ``independent`` vertices have no phases and no W_ab, a != b.
    """

    scalar: Any
    reciprocal: np.ndarray
    places: np.ndarray
    independent: bool

    def __call__(self, q: np.ndarray) -> np.ndarray:
        q = np.asarray(q, dtype=float)
        flat, count = q.reshape(-1, q.shape[-1]), len(self.places)
        rows = max(1, CHUNK // len(self._vectors))
        parts = [self._sums(flat[first : first + rows]) for first in range(0, len(flat), rows)]
        total = np.concatenate([np.zeros((0, count, count)), *parts]).reshape(*q.shape[:-1], count, count)
        # a single site has no phases but those of rounding
        return total if count > 1 and np.abs(total.imag).max(initial=0.0) > 0 else total.real

    def _sums(self, q: np.ndarray) -> np.ndarray:
        """(Q, V, V).  Taken around the nearest reciprocal vector, so that few terms serve every q."""
        near = -np.rint(q @ np.linalg.inv(self.reciprocal)) @ self.reciprocal
        moved = (q + near)[:, None] + self._vectors
        if not self.folded:
            return self.terms(moved) * self._phases(near)
        length = np.sqrt(squares(moved))
        # the first of those that are as short
        first = (length < length.min(axis=1, keepdims=True) + 1e-12).argmax(axis=1)
        chosen = moved[np.arange(len(q)), first]
        return np.asarray(self.scalar(chosen)[:, None, None] * self._phases(near + self._vectors[first]))

    def terms(self, moved: np.ndarray) -> np.ndarray:
        """(Q, V, V) sums over wave vectors (Q, G, d), one reciprocal vector for every column."""
        count = len(self.places)
        phases = self._phases(self._vectors).reshape(-1, count * count)
        values = self.scalar(moved)
        return np.asarray(values @ phases.real + 1j * (values @ phases.imag)).reshape(-1, count, count)

    @property
    def folded(self) -> bool:
        """Whether the sum over all reciprocal vectors would not end."""
        return not np.isfinite(self.scalar.reach)

    def _phases(self, vector: np.ndarray) -> np.ndarray:
        if self.independent:
            return np.broadcast_to(np.eye(len(self.places)), (*vector.shape[:-1], *[len(self.places)] * 2))
        phase = np.exp(1j * vector @ self.places.T)
        return np.asarray(phase[..., :, None] * phase[..., None, :].conj())

    @cached_property
    def _vectors(self) -> np.ndarray:
        """Reciprocal vectors around the origin that a sum needs, the origin first."""
        if self.folded:
            return _by_length(self.reciprocal, np.ones(len(self.reciprocal), dtype=int))
        return within(self.reciprocal, self.scalar.reach, 0.5 * np.linalg.norm(self.reciprocal, axis=1).sum())


@dataclass(frozen=True)
class EwaldCoulomb(OnLattice):
    """The sum for screened charges in three dimensions."""

    scalar: Coulomb

    def terms(self, moved: np.ndarray) -> np.ndarray:
        """Sums over reciprocal vectors of the smooth part and over sites of the rest."""
        s, count = self.split, len(self.places)
        x = squares(moved)
        x += self.scalar.screening**2
        values = np.exp(-s * x)
        values *= (1 + s * x) / (x * x)
        phases = self._phases(self._vectors).reshape(-1, count * count)
        total = (values @ phases.real + 1j * (values @ phases.imag)).reshape(-1, count, count)
        return np.asarray(self.scalar.scale * (total + self._over_sites(moved[:, 0])))

    def _over_sites(self, q: np.ndarray) -> np.ndarray:
        """(Q, V, V): V sum_r exp(-i q.r) h(r), waves of lattice vectors as products of those along the axes."""
        index, direct = self._sites
        count, most = len(self.places), np.abs(index).max(axis=0)
        wave = np.ones((len(q), 1), dtype=complex)
        for axis, n in enumerate(most):
            powers = np.exp(-1j * (q @ direct[axis])[:, None] * np.arange(-n, n + 1))
            wave = wave * powers[:, index[:, axis] + n]
        result = np.zeros((len(q), count, count), dtype=complex)
        for a, b in itertools.product(range(count), repeat=2):
            if a == b or not self.independent:
                between = self.places[a] - self.places[b]
                rest = self._short(np.linalg.norm(index @ direct + between, axis=1))
                result[:, a, b] = np.exp(-1j * q @ between) * (wave.real @ rest + 1j * (wave.imag @ rest))
        return result * (2 * np.pi) ** 3 / abs(np.linalg.det(self.reciprocal))

    @property
    def folded(self) -> bool:
        """Never: W falls off as 1/q^4."""
        return False

    @property
    def split(self) -> float:
        """s, for which both sums have as many terms: V^(2/3)/4 pi."""
        return float(np.pi / abs(np.linalg.det(self.reciprocal)) ** (2 / 3))

    @cached_property
    def _vectors(self) -> np.ndarray:
        reach = np.sqrt(-np.log(SHELL_TOLERANCE) / self.split)
        return within(self.reciprocal, reach, 0.5 * np.linalg.norm(self.reciprocal, axis=1).sum())

    @cached_property
    def _sites(self) -> tuple[np.ndarray, np.ndarray]:
        """Lattice vectors within reach of every pair of places, as integers, and the basis."""
        direct = 2 * np.pi * np.linalg.inv(self.reciprocal).T
        reach = 2 * np.sqrt(-np.log(SHELL_TOLERANCE) * self.split)
        apart = np.linalg.norm(self.places[:, None] - self.places, axis=-1).max()
        found = within(direct, reach, float(apart))
        return np.rint(found @ np.linalg.inv(direct)).astype(int), direct

    def _short(self, r: np.ndarray) -> np.ndarray:
        """h(r), without overflow."""
        kappa, s = self.scalar.screening, self.split
        x, y = r / (2 * np.sqrt(s)), kappa * np.sqrt(s)
        gauss = np.exp(-(x**2) - y**2)
        below = np.where(x < y, np.exp(-kappa * r) * erfc(x - y), gauss * erfcx(np.maximum(x - y, 0.0)))
        return np.asarray((below - gauss * erfcx(x + y)) / (16 * np.pi * kappa))


def on_lattice(scalar: Any, reciprocal: np.ndarray, places: np.ndarray, independent: bool) -> Callable[..., np.ndarray]:
    """The sum for a correlation of the continuum.

    Raises
    ------
    ValueError
        A sum of more terms than are worth it.
    """
    if isinstance(scalar, Coulomb) and len(reciprocal) == 3:
        return EwaldCoulomb(scalar, reciprocal, places, independent)
    result = OnLattice(scalar, reciprocal, places, independent)
    if not result.folded:
        ball = np.pi if len(reciprocal) == 2 else 4 * np.pi / 3
        terms = ball * scalar.reach ** len(reciprocal) / abs(np.linalg.det(reciprocal))
        if terms > MOST_VECTORS:
            must = f"vary over lengths that the lattice resolves, so that at most {MOST_VECTORS} of its waves count"
            raise fail("disorder", must, f"has {terms:.2g} of them; {scalar.remedy}")
    return result


def within(basis: np.ndarray, reach: float, margin: float) -> np.ndarray:
    """Vectors of a lattice (rows of the basis) shorter than reach + margin, by length."""
    height = 1 / np.linalg.norm(np.linalg.inv(basis), axis=0)
    vectors = _by_length(basis, np.ceil((reach + margin) / height).astype(int))
    return vectors[np.linalg.norm(vectors, axis=1) <= reach + margin]


def _by_length(basis: np.ndarray, counts: np.ndarray) -> np.ndarray:
    index = np.array(list(itertools.product(*[range(-n, n + 1) for n in counts])))
    vectors = index @ basis
    return np.asarray(vectors[np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")])
