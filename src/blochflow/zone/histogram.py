"""Many chemical potentials and temperatures at once: the integrand collected on an energy grid, convolved afterwards.

    F(E - mu) ~ sum_bj L_b(E) F(e_b - e_j) L_j(mu)
    I(mu, T) = sum_kn F(E_kn - mu) g_kn  ~  sum_j L_j(mu) R_j,   R_j = sum_b F(e_b - e_j) H_b,
    H_b = sum_kn L_b(E_kn) g_kn

L are Lagrange weights of degree seven (eight grid energies e), so that moments 0 to 7 of the integrand in energy are
kept; this is what lets large contributions of opposite sign at nearly equal energies cancel.  F is evaluated once for
every distance of two grid energies, and states share R_j.  The error of a state is below (1225/16)^2/8! M step^8 times
its integral of |g|, once for E and once for mu, M the largest |d^8 F/dx^8|/F in units of k_B T: 31 for f and f'.
Surface terms with powers of x = (E - mu)/k_B T obey it with (1 + |x|^p) times `MAJORANT` for |x|^p.  At T = 0 states
are counted exactly: the sum of g over energies between neighbouring chemical potentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from blochflow.core.errors import BlochflowError
from blochflow.zone.weights import Weight, occupation_moment, slope_moment

# Largest step in units of k_B T, and the error there relative to the integral of |g| for the same state: twice that of
# one interpolation, with the change of F over the eight energies and the size of their weights.
STEP, ORDER = 1 / 8, 8
STEP_ERROR = 1.3e-8
# Part of the allowed error that the step may use.
SHARE = 0.1
# Largest |d^8/dx^8 (x^p f')| / ((1 + |x|^p) |f'|), in units of the same for p = 0, and its change over eight energies.
MAJORANT = {-1: 3.1, 0: 1.0, 1: 2.8, 2: 13.0}
MOST_BINS = 2_000_000
# In units of k_B T: that far from all energies bands are full or empty in double precision.
FARTHEST = 800.0
# Grid energies around an energy, counted from the one below it.
AROUND = np.arange(1 - ORDER // 2, ORDER // 2 + 1)
SCALES = np.array([np.prod([n - m for m in AROUND if m != n]) for n in AROUND], dtype=float)


@dataclass(frozen=True)
class EnergyHistogram:
    """Collects g at energies E; rows are first the exact counts for T = 0, then the energy grid.

    Attributes
    ----------
    mu, kt : (P,)
    weight : Weight
        Of the values.
    low, high : float
        No energy lies outside.
    step : float
    """

    mu: np.ndarray
    kt: np.ndarray
    weight: Weight
    low: float
    high: float
    step: float

    @classmethod
    def for_states(
        cls, mu: np.ndarray, kt: np.ndarray, weight: Weight, low: float, high: float, fraction: float
    ) -> EnergyHistogram:
        """With a step that suits the lowest temperature and errors of ``fraction`` of the integral of |g|."""
        warm = kt[kt > 0]
        fine = STEP * min(1.0, (SHARE * fraction / STEP_ERROR) ** (1 / ORDER))
        step = fine * float(warm.min()) if len(warm) else max(high - low, 1e-300)
        return cls(mu, kt, weight, low, high, step)

    @property
    def bins(self) -> int:
        """Points of the energy grid, four beyond each end."""
        return int(np.ceil((self.high - self.low) / self.step)) + ORDER + 1 if (self.kt > 0).any() else 0

    @property
    def error(self) -> float:
        """Error of a state relative to its integral of |g|."""
        warm = self.kt[self.kt > 0]
        return STEP_ERROR * (self.step / (STEP * float(warm.min()))) ** ORDER if len(warm) else 0.0

    @property
    def steps(self) -> np.ndarray:
        """Sorted chemical potentials of the T = 0 states."""
        return np.sort(self.mu[self.kt == 0])

    def collect(self, energies: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Sums for energies (K,) and values (K, C): (rows, C)."""
        cold = self.steps
        index = np.searchsorted(cold, energies, side="left")
        tied = np.searchsorted(cold, energies, side="right")
        rows = [0.5 * (_sums(index, values, len(cold) + 1) + _sums(tied, values, len(cold) + 1))] if len(cold) else []
        if self.bins:
            index, weights = self._around(energies)
            if index.min() < 0 or index.max() > self.bins - ORDER:
                raise BlochflowError(f"An energy lies outside [{self.low:.6g}, {self.high:.6g}]: H(k) varies too fast.")
            rows.append(_weighed_rows(index, weights, self.bins).T @ values)
        return np.concatenate(rows)

    def _around(self, energies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First of the eight grid energies around each, (K,), and their weights (K, 8)."""
        position = (energies - self.low) / self.step + ORDER // 2
        below = np.floor(position)
        return below.astype(np.int64) + AROUND[0], lagrange_weights(position - below)

    def readout(self, collected: np.ndarray, absolute: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From sums (rows, R) of values and of absolute values to one of each per state (P, R)."""
        result = np.empty((2, len(self.mu), collected.shape[1]))
        cold = self.kt == 0
        if cold.any():
            full = self.weight.full()
            for place, sums in zip(result, (collected, absolute), strict=True):
                below = np.cumsum(sums[: len(self.steps)], axis=0)
                place[cold] = full * below[np.searchsorted(self.steps, self.mu[cold], side="right") - 1]
        first = len(collected) - self.bins
        for kt, which, read, matrix in self._readings:
            for power in sorted(set(self.weight.powers)):
                columns = np.flatnonzero(np.array(self.weight.powers) == power)
                at_grid = self._convolved(read, kt, power, collected[first:, columns], absolute[first:, columns])
                result[:, which[:, None], columns] = [matrix @ sums for sums in at_grid]
        return result[0], result[1]

    @cached_property
    def _readings(self) -> list[tuple[float, np.ndarray, np.ndarray, csr_array]]:
        """For every k_B T > 0: its states, the grid energies read for them, and the weights of these."""
        readings = []
        for kt in np.unique(self.kt[self.kt > 0]):
            which = np.flatnonzero(self.kt == kt)
            mu = np.clip(self.mu[which], self.low - FARTHEST * kt, self.high + FARTHEST * kt)
            index, weights = self._around(mu)
            read = np.unique(index[:, None] + np.arange(ORDER))
            readings.append((float(kt), which, read, _weighed_rows(np.searchsorted(read, index), weights, len(read))))
        return readings

    def _convolved(
        self, read: np.ndarray, kt: float, power: int, collected: np.ndarray, absolute: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sums over the energy grid for chemical potentials at grid energies ``read``, in ascending order: (J, R)."""
        values, sizes = np.zeros((2, len(read), collected.shape[1]))
        filled = np.flatnonzero(absolute.any(axis=1))
        if not len(filled):
            return values, sizes
        low, high = filled[0], filled[-1] + 1
        collected, absolute = collected[low:high], absolute[low:high]
        start = 0
        for run in np.split(read, np.flatnonzero(np.diff(read) > 1) + 1):
            end = start + len(run)
            distance = np.arange(low - run[-1], high - run[0])
            weight, size = self._weights(distance * (self.step / kt), kt, power)
            for c in range(collected.shape[1]):
                values[start:end, c] = np.correlate(weight, collected[:, c], "valid")[::-1]
                sizes[start:end, c] = np.correlate(size, absolute[:, c], "valid")[::-1]
            start = end
        return values, sizes

    def _weights(self, x: np.ndarray, kt: float, power: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights at x = (E - mu)/k_B T, and bounds of their sizes."""
        if not self.weight.surface:
            weight = occupation_moment(x, power)
            return weight, weight
        slope = slope_moment(x, 0) / kt
        size = slope * (1 + np.abs(x) ** power if power > 0 else 1) * MAJORANT[power]
        return (slope_moment(x, power) / kt if power else slope), size


def lagrange_weights(t: np.ndarray) -> np.ndarray:
    """Weights (K, 8) of nodes -3 ... 4 in the polynomial through them, at t (K,) between 0 and 1."""
    apart = t - AROUND[:, None]
    weights = np.ones((len(t), ORDER))
    before, after = np.ones_like(t), np.ones_like(t)
    for n in range(1, ORDER):
        before *= apart[n - 1]
        weights[:, n] *= before
        after *= apart[ORDER - n]
        weights[:, ORDER - 1 - n] *= after
    return weights / SCALES


def _weighed_rows(index: np.ndarray, weights: np.ndarray, count: int) -> csr_array:
    """(K, count) matrix with ``weights`` (K, 8) from column ``index`` (K,) on."""
    columns = index[:, None] + np.arange(ORDER)
    return csr_array((weights.ravel(), columns.ravel(), np.arange(0, columns.size + 1, ORDER)), (len(index), count))


def _sums(index: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Sum of rows of ``values`` with equal ``index``, (count, C)."""
    return np.stack([np.bincount(index, values[:, c], count) for c in range(values.shape[1])], axis=1)
