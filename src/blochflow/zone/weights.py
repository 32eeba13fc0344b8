"""Weights of bands in sums over states: what multiplies cumulative sums, and what multiplies surface terms.

    F_p(x) = Int_x^inf dt t^p (-df/dt),   x = (E - mu)/k_B T,   f = 1/(e^x + 1)
    F_0 = f,   F_1 = x f + ln(1 + e^-x) = -f ln f - (1 - f) ln(1 - f),   F_2 = c_2(x),   F_-1 = -df/dx

so that Int de (-f'(e)) ((e - mu)/k_B T)^p Z(e) = sum_k sum_j (F_p(x_j) - F_p(x_{j+1})) S_j, where Z(e) is the sum
over states below e: Hall, Nernst and thermal Hall currents are the same sum with p = 0, 1, 2.  F_-1 is k_B T times the
derivative of F_0 with respect to mu.  Surface terms have the weights x^p (-df/dx), and again k_B T d/dmu for p = -1.
Source: Xiao, Yao, Fang, Niu, PRL 97, 026603 (2006); Xiao, Chang, Niu, RMP 82, 1959 (2010), Sec. V (entropy density).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, spence

# F_p far below mu, and the largest value anywhere; F_1 and F_-1 vanish at T = 0.
FULL = {-1: 0.0, 0: 1.0, 1: 0.0, 2: np.pi**2 / 3}
LARGEST = {-1: 0.25, 0: 1.0, 1: np.log(2.0), 2: np.pi**2 / 3}


def occupation_moment(x: np.ndarray, power: int) -> np.ndarray:
    """F_p(x) for p = -1, 0, 1, 2."""
    if power == 0:
        return np.asarray(expit(-x))
    if power == -1:
        return slope_moment(x, 0)
    size = np.abs(x)
    decay = np.exp(-size)
    log = np.log1p(decay)
    if power == 1:
        return np.asarray(size * expit(-size) + log)
    # Li_2(-decay), by its series where 1 + decay would lose digits
    dilogarithm = np.where(decay < 1e-4, -decay * (1 - decay / 4 + decay**2 / 9), spence(1 + decay))
    upper = size**2 * expit(-size) + 2 * size * log - 2 * dilogarithm
    return np.asarray(np.where(x > 0, upper, FULL[2] - upper))


def slope_moment(x: np.ndarray, power: int) -> np.ndarray:
    """x^p (-df/dx); for p = -1 its derivative with respect to -x at p = 0."""
    weight = expit(x) * expit(-x)
    if power == -1:
        return np.asarray(weight * np.tanh(x / 2))
    return np.asarray(weight * x**power if power else weight)


@dataclass(frozen=True)
class Weight:
    """How values of bands are weighed: ``surface`` with -f'(E) x^p, else sums over states with F_p.

    Attributes
    ----------
    surface : bool
    powers : tuple of int
        p of every value, -1, 0, 1 or 2.
    """

    surface: bool
    powers: tuple[int, ...] = (0,)

    def full(self) -> np.ndarray:
        """(R,) weights far below mu."""
        return np.zeros(len(self.powers)) if self.surface else self._each(FULL)

    def largest(self, cold: bool) -> np.ndarray:
        """(R,) largest weights of sums over states."""
        return self._each(FULL if cold else LARGEST)

    def _each(self, table: dict[int, float]) -> np.ndarray:
        return np.array([table[power] for power in self.powers])

    def with_filling(self) -> Weight:
        """One value more, with p = 0."""
        return Weight(self.surface, (*self.powers, 0))

    def __call__(self, energy: np.ndarray, mu: np.ndarray, kt: np.ndarray) -> np.ndarray:
        """Weights of every value: (..., R), or (..., 1) where all are the same.

        At T = 0 a step for sums over states, 1/2 exactly at mu; surface terms, delta functions then, are NaN.
        """
        cold = np.asarray(kt) == 0
        x = (energy - mu) / np.where(cold, 1.0, kt)
        step = np.heaviside(-x, 0.5)
        columns = {}
        for power in sorted(set(self.powers)):
            if self.surface:
                columns[power] = np.where(cold, np.nan, slope_moment(x, power) / np.where(cold, 1.0, kt))
            else:
                columns[power] = np.where(cold, FULL[power] * step, occupation_moment(x, power))
        used = self.powers[:1] if len(columns) == 1 else self.powers
        return np.stack([columns[power] for power in used], axis=-1)

    def total(self, energies: np.ndarray, values: np.ndarray, mu: float, kt: float) -> np.ndarray:
        """Sum over bands (..., N, R) -> (..., R): cumulative values by differences of F_p, surface ones by -f' x^p."""
        weight = self(energies, np.asarray(mu), np.asarray(kt))
        if not self.surface:
            weight = weight - np.concatenate([weight[..., 1:, :], np.zeros_like(weight[..., :1, :])], axis=-2)
        return np.asarray((weight * values).sum(axis=-2))


def mixed(values: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """(..., P, R) weighed sums to (..., P, C) results of every state; None: they are the results."""
    return values if matrix is None else np.einsum("...pr,prc->...pc", values, matrix)
