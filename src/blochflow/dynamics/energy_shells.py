"""States of a model in order of energy: choosing new ones for packets, on the same energy surface or in equilibrium.

probability ~ D dS/|d_k h| on h(k) = energy:   a state of a narrow window of energy, moved along the gradient onto it
rho(h) = sum over bands of Int D d^dk/(2 pi)^d delta(h - h(k)) = (weights of the states of the window)/(its width)
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from blochflow.core.errors import BlochflowError, ValidityWarning
from blochflow.dynamics.equations import Adiabatic
from blochflow.dynamics.state_table import drawn_wavevectors, states_at
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields

# States above and below an energy that stand for its surface, in a window so narrow that moving them onto it changes
# their density by the square of its width only; of more states the density of states is taken.
NEARBY, COUNTED = 256, 1024
# The density of states in both windows may differ by so much: more than the scatter of as many states.
UNLIKE = 0.3
# Attempts to move a state onto the surface, and Newton steps of each; |h - h'| allowed, relative to the width.
ATTEMPTS, NEWTON, ON_SURFACE = 8, 8, 1e-10


@dataclass(frozen=True, eq=False)
class EnergyShells:
    """States spread evenly over k space.

    Attributes
    ----------
    band, energy, density : (S,)
        In order of energy.
    k : (S, d)
    before : (S + 1,)
        Sums of D, of all states before.
    share : float
        Volume of k space over (2 pi)^d of one state.
    """

    model: AbstractModel
    fields: Fields
    theory: Adiabatic
    band: np.ndarray
    energy: np.ndarray
    density: np.ndarray
    k: np.ndarray
    before: np.ndarray
    share: float

    @classmethod
    def of(cls, model: AbstractModel, fields: Fields, theory: Adiabatic, count: int, seed: int) -> EnergyShells:
        """``count`` states of every band."""
        k, volume = drawn_wavevectors(model, count, [seed, 0])
        n = model.num_bands
        band, k = np.repeat(np.arange(n), count), np.tile(k, (n, 1))
        energy, density, _ = states_at(model, fields, theory, band, k)
        order = np.argsort(energy, kind="stable")
        before = np.concatenate([[0.0], np.cumsum(np.maximum(density[order], 0.0))])
        share = volume / (2 * np.pi) ** model.dimension / count
        return cls(model, fields, theory, band[order], energy[order], density[order], k[order], before, share)

    @property
    def draws(self) -> int:
        """Random numbers that one elastic collision may need."""
        return ATTEMPTS * (1 + self.model.dimension)

    def elastic(self, energy: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Random bands (P,) and k (P, d) on the energy surfaces of packets.

        Raises
        ------
        BlochflowError
            No state found, at the edge of a band.
        """
        band, k = np.zeros(len(energy), dtype=int), np.zeros((len(energy), self.model.dimension))
        left, columns = np.arange(len(energy)), 1 + self.model.dimension
        for attempt in range(ATTEMPTS):
            if not len(left):
                return band, k
            chance, *jitter = draws[left, attempt * columns : (attempt + 1) * columns].T
            first, last, _ = self.window(energy[left], NEARBY)
            chosen = chosen_by(self.before, self.before[first] + chance * (self.before[last] - self.before[first]))
            moved, good = self._onto(energy[left], self.band[chosen], self.k[chosen] + self._jittered(jitter))
            band[left[good]], k[left[good]] = self.band[chosen][good], moved[good]
            left = left[~good]
        if not len(left):
            return band, k
        raise BlochflowError(
            f"No state on the energy surface h = {energy[left[0]]:.6g} was found for an elastic collision, which is "
            "near the edge of a band: give Collisions a larger table=."
        )

    def window(self, energy: np.ndarray, nearby: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First and last index, and half width, of windows centred at energies, with ``nearby`` states on one side.

        Lopsided ones would change the density on the surface to first order.
        """
        place, last = np.searchsorted(self.energy, energy), len(self.energy) - 1
        low, high = place - nearby, place + nearby
        below = np.where(low < 0, np.inf, np.abs(energy - self.energy[np.clip(low, 0, last)]))
        above = np.where(high > last, np.inf, np.abs(self.energy[np.clip(high, 0, last)] - energy))
        half = np.minimum(below, above)
        first = np.searchsorted(self.energy, energy - half, side="left")
        return first, np.searchsorted(self.energy, energy + half, side="right"), half

    def density_of_states(self, energy: np.ndarray) -> np.ndarray:
        """rho(h) (P,), without spin degeneracy."""
        return self._density(energy, COUNTED)

    def check_narrow(self, energy: np.ndarray) -> None:
        """Warn where the density of states changes within the energies that stand for those of packets."""
        wide, narrow = self._density(energy, COUNTED), self._density(energy, NEARBY)
        worst = int(np.argmax(np.abs(wide - narrow) / np.maximum(wide, 1e-300)))
        if abs(wide[worst] - narrow[worst]) > UNLIKE * wide[worst]:
            half = float(self.window(energy[[worst]], COUNTED)[2][0])
            warnings.warn(
                f"States within {half:.3g} stand for the surface h = {energy[worst]:.6g}, but their density changes "
                f"from {narrow[worst]:.3g} to {wide[worst]:.3g}: collisions there lead to wrong states, or have wrong "
                "rates. Give Collisions a larger table=.",
                ValidityWarning,
                stacklevel=2,
            )

    def _density(self, energy: np.ndarray, nearby: int) -> np.ndarray:
        first, last, half = self.window(energy, nearby)
        return np.asarray(self.share * (self.before[last] - self.before[first]) / np.maximum(2 * half, 1e-300))

    def _jittered(self, chances: list[np.ndarray]) -> np.ndarray:
        """Random displacements of half a distance between states, so that none comes twice."""
        lattice, d = self.model.lattice, self.model.dimension
        spans = 2 * self.reach * np.eye(d) if lattice is None else np.asarray(lattice.reciprocal)
        count = len(self.energy) / self.model.num_bands
        return np.asarray((np.stack(chances, axis=1) - 0.5) @ spans / count ** (1 / d))

    def _onto(self, energy: np.ndarray, band: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """k moved along the gradient onto h = energy, and where that worked."""
        width, k = max(float(np.ptp(self.energy)), 1e-300), k.copy()
        start = k.copy()
        for _ in range(NEWTON):
            found, _, slope = states_at(self.model, self.fields, self.theory, band, k)
            miss = energy - found
            if (np.abs(miss) <= ON_SURFACE * width).all():
                break
            square = np.maximum((slope**2).sum(axis=1), 1e-300)
            k = k + np.where(np.abs(miss) > ON_SURFACE * width, miss / square, 0.0)[:, None] * slope
        near = np.linalg.norm(k - start, axis=1) <= 0.1 * self.reach
        return k, (np.abs(miss) <= ON_SURFACE * width) & near

    @property
    def reach(self) -> float:
        """Size of k space: the shortest reciprocal vector, or the cutoff."""
        if self.model.lattice is None:
            return float(self.model.cutoff)  # type: ignore[attr-defined]
        return float(np.linalg.norm(np.asarray(self.model.lattice.reciprocal), axis=1).min())


def chosen_by(before: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Index of the states in whose part of the sums ``before`` the targets lie."""
    return np.clip(np.searchsorted(before, target, side="right") - 1, 0, len(before) - 2)
