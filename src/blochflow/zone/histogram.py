"""Many chemical potentials and temperatures at once: the integrand collected on an energy grid, convolved afterwards.

    I(mu, T) = sum_kn f(E_kn) g_kn  ~  sum_b f(E_b) H_b,     H_b = sum_kn L_b(E_kn) g_kn

L_b are cubic Lagrange weights (four grid energies), so that moments 0 to 3 of the integrand in energy are kept; this is
what lets large contributions of opposite sign at nearly equal energies cancel.  The error of a state is below
(3/128) step^4 times its integral of |g|, since fourth derivatives of f and f' stay below f and -f' in units of k_B T;
at an eighth of k_B T it is 7.5e-6, with the change of f over two steps.  F_1 and F_2 of `zone.weights` obey the same
bound; surface terms with powers of x = (E - mu)/k_B T obey it with (1 + |x|^p) times `MAJORANT` for |x|^p.  At T = 0
states are counted exactly: the sum of g over energies between neighbouring chemical potentials.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blochflow.core.errors import BlochflowError
from blochflow.zone.weights import Weight, occupation_moment, slope_moment

STEP = 1 / 8
# At that step, relative to the integral of |g| for the same state.
STEP_ERROR = 7.5e-6
# Part of the tolerance that the step may use.
SHARE = 0.1
# Largest |d^4/dx^4 (x^p f')| / ((1 + |x|^p) |f'|), in units of the same for p = 0.
MAJORANT = {-1: 1.56, 0: 1.0, 1: 1.25, 2: 4.7}
STATES_AT_ONCE = 256
MOST_BINS = 2_000_000
# In units of k_B T: range of the chemical potentials read together, and of energies around their middle; the sum of
# half the first and the second stays below the 709 at which exp overflows, their difference far above the 37 at which
# f is 0 or 1 in double precision.
REACH, FARTHEST = 200.0, 500.0


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
        cls, mu: np.ndarray, kt: np.ndarray, weight: Weight, low: float, high: float, rtol: float
    ) -> EnergyHistogram:
        """With a step that suits the lowest temperature and the tolerance."""
        warm = kt[kt > 0]
        fine = STEP * float(np.clip((SHARE * rtol / STEP_ERROR) ** 0.25, 0.05, 1.0))
        step = fine * float(warm.min()) if len(warm) else max(high - low, 1e-300)
        return cls(mu, kt, weight, low, high, step)

    @property
    def bins(self) -> int:
        """Points of the energy grid, two beyond each end."""
        return int(np.ceil((self.high - self.low) / self.step)) + 5 if (self.kt > 0).any() else 0

    @property
    def error(self) -> float:
        """Error of a state relative to its integral of |g|."""
        warm = self.kt[self.kt > 0]
        return STEP_ERROR * (self.step / (STEP * float(warm.min()))) ** 4 if len(warm) else 0.0

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
            rows.append(self._deposit(energies, values))
        return np.concatenate(rows)

    def _deposit(self, energies: np.ndarray, values: np.ndarray) -> np.ndarray:
        position = (energies - self.low) / self.step + 2
        index = np.floor(position).astype(np.int64)
        if index.min() < 1 or index.max() > self.bins - 3:
            raise BlochflowError(f"An energy lies outside [{self.low:.6g}, {self.high:.6g}]: H(k) varies too fast.")
        t = position - index
        weights = (
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        )
        parts = [_sums(index + s, w[:, None] * values, self.bins) for s, w in zip((-1, 0, 1, 2), weights, strict=True)]
        return np.asarray(sum(parts))

    def readout(self, collected: np.ndarray, absolute: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From sums (rows, R) of values and of absolute values to one of each per state (P, R)."""
        result = np.empty((2, len(self.mu), collected.shape[1]))
        cold = self.kt == 0
        if cold.any():
            full = self.weight.full()
            for place, sums in zip(result, (collected, absolute), strict=True):
                below = np.cumsum(sums[: len(self.steps)], axis=0)
                place[cold] = full * below[np.searchsorted(self.steps, self.mu[cold], side="right") - 1]
        grid = self.low + (np.arange(self.bins) - 2) * self.step
        first = len(collected) - self.bins
        for which in self._warm_groups():
            for power in sorted(set(self.weight.powers)):
                columns = np.flatnonzero(np.array(self.weight.powers) == power)
                weight, size = self._weights(grid, which, power)
                result[0, which[:, None], columns] = weight @ collected[first:, columns]
                result[1, which[:, None], columns] = size @ absolute[first:, columns]
        return result[0], result[1]

    def _weights(self, grid: np.ndarray, which: np.ndarray, power: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the grid's energies in some states of one temperature, and bounds of their sizes."""
        kt, centre = self.kt[which[0]], self.mu[which].mean()
        if power == -1 and self.weight.surface:
            x = (grid - self.mu[which, None]) / kt
            return slope_moment(x, -1) / kt, MAJORANT[-1] * slope_moment(x, 0) / kt
        if power and not self.weight.surface:
            weight = occupation_moment((grid - self.mu[which, None]) / kt, power)
            return weight, weight
        # exp((E - mu)/kT) as a product; clipped energies are so far from every mu here that f is 0 or 1
        up = np.exp(np.clip((grid - centre) / kt, -FARTHEST, FARTHEST))
        ratio = np.multiply.outer(np.exp((centre - self.mu[which]) / kt), up)
        weight = 1 / (1 + ratio)
        if self.weight.surface:
            weight *= ratio * weight / kt
        if not power:
            return weight, weight
        x = (grid - self.mu[which, None]) / kt
        return weight * x**power, MAJORANT[power] * weight * (1 + np.abs(x) ** power)

    def _warm_groups(self) -> list[np.ndarray]:
        """Indices of states with one temperature and chemical potentials within `REACH` of each other."""
        order = np.lexsort((self.mu, self.kt))
        order = order[self.kt[order] > 0]
        groups: list[np.ndarray] = []
        while len(order):
            kt, mu = self.kt[order], self.mu[order]
            near = (kt == kt[0]) & (mu <= mu[0] + REACH * kt[0])
            count = min(STATES_AT_ONCE, int(near.argmin()) if not near.all() else len(order))
            groups.append(order[:count])
            order = order[count:]
        return groups


def _sums(index: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Sum of rows of ``values`` with equal ``index``, (count, C)."""
    return np.stack([np.bincount(index, values[:, c], count) for c in range(values.shape[1])], axis=1)
