"""Collisions of wave packets: a Poisson clock, and a new wave vector when it rings.

    rate 1/tau(h, n);   "elastic": k' on the surface h(k') = h, with probability ~ D dS/|d_k h|
                        "relaxation": (n', k') from the equilibrium distribution, with probability ~ D f(h)

The clock ticks at the largest rate anywhere, and a tick counts with probability rate/largest (null collisions), so that
no rate has to be integrated along a trajectory.  New states come from a table of evenly spread ones; elastic ones are
moved onto the surface along the gradient.  Positions do not change: side jumps are not included.
Source: Jacoboni and Reggiani, RMP 55, 645 (1983), Secs. II.C, II.E.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_choice, as_index, as_real_array, fail
from blochflow.core.errors import BlochflowError, UserModelError
from blochflow.dynamics.ensemble import occupation
from blochflow.dynamics.equations import Adiabatic
from blochflow.dynamics.fields import Fields
from blochflow.dynamics.state_table import drawn_wavevectors, states_at
from blochflow.models.base import AbstractModel

KINDS = ("elastic", "relaxation")
# States of every band in the table, and how many above and below an elastic collision chooses from: enough to stand for
# a surface, in a window so narrow that moving them onto it changes their density by its square.
TABLE, NEARBY = 2**16, 1024
# Attempts to move a state onto the surface, and Newton steps of each; |h - h'| allowed, relative to the width.
ATTEMPTS, NEWTON, ON_SURFACE = 8, 8, 1e-10
# The largest rate is that of the table, with room for what lies between its points.
ROOM = 1.05


@dataclass(frozen=True, eq=False)
class Collisions:
    """Random collisions of packets during `propagate`.

    Parameters
    ----------
    tau : float or callable
        Mean time between collisions in the model's unit, or tau(energy, band) of NumPy arrays.
    kind : "elastic" or "relaxation"
        The new state is on the same energy surface, or one of the equilibrium distribution at ``mu``, ``temperature``.
    mu, temperature : float
        For "relaxation".
    table : int
        States of every band from which new ones are chosen.

    Raises
    ------
    ValueError
        Wrong arguments.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Collisions(tau=5.0).kind
    'elastic'
    """

    tau: float | Callable[[np.ndarray, np.ndarray], Any]
    kind: str = "elastic"
    mu: float | None = None
    temperature: float | None = None
    table: int = TABLE

    def __post_init__(self) -> None:
        as_choice(self.kind, "kind", KINDS)
        if not callable(self.tau):
            as_real_array(self.tau, "tau", max_ndim=0, positive=True)
        for name in ("mu", "temperature"):
            given = getattr(self, name)
            if (given is None) != (self.kind == "elastic"):
                must = 'be left out for kind="elastic"' if given is not None else 'be given for kind="relaxation"'
                raise fail(name, must, "is given" if given is not None else "is missing")
            if given is not None:
                as_real_array(given, name, max_ndim=0, **({"positive": False} if name == "temperature" else {}))
        if as_index(self.table, "table", "be an integer of at least 1024") < 1024:
            raise fail("table", "be an integer of at least 1024", f"is {self.table}")

    def rates(self, energy: np.ndarray, band: np.ndarray) -> np.ndarray:
        """1/tau of states.

        Raises
        ------
        UserModelError
            The function tau fails, or is not positive somewhere.
        """
        if not callable(self.tau):
            return np.full(len(energy), 1 / float(self.tau))
        try:
            times = np.broadcast_to(np.asarray(self.tau(energy, band), dtype=float), energy.shape)
        except Exception as exc:
            raise UserModelError(f"tau(energy, band) failed on arrays of shape {energy.shape}: {exc}") from exc
        if not (times > 0).all():
            at = int(np.argmin(times > 0))
            raise UserModelError(
                f"tau(energy, band) must be positive, but is {times[at]:.6g} in band {int(band[at])} at energy "
                f"{energy[at]:.6g}; infinity means no collisions."
            )
        return 1 / times


@dataclass
class Scatterer:
    """Collisions of the packets of one run: the table, the clock, the random numbers.

    Attributes
    ----------
    band, energy, density : (S,)
        States of the table in order of energy.
    k : (S, d)
    largest : float
        Rate of the clock, per time unit of the model.
    chances : (S + 1,)
        Sums of D, of all states before: for "relaxation" of D f, over the total.
    """

    collisions: Collisions
    model: AbstractModel
    fields: Fields
    theory: Adiabatic
    seed: int
    band: np.ndarray
    energy: np.ndarray
    density: np.ndarray
    k: np.ndarray
    largest: float
    chances: np.ndarray
    round: int = 0

    @classmethod
    def of(
        cls, collisions: Collisions, model: AbstractModel, fields: Fields, theory: Adiabatic, seed: int
    ) -> Scatterer:
        """Make the table."""
        k, _ = drawn_wavevectors(model, collisions.table, [seed, 0])
        n = model.num_bands
        band, k = np.repeat(np.arange(n), len(k)), np.tile(k, (n, 1))
        energy, density, _ = states_at(model, fields, theory, band, k)
        order = np.argsort(energy, kind="stable")
        band, energy, density, k = band[order], energy[order], density[order], k[order]
        largest = ROOM * float(collisions.rates(energy, band).max())
        weights = np.maximum(density, 0.0)
        if collisions.kind == "relaxation":
            kt = model.units.boltzmann * float(collisions.temperature or 0.0)
            weights = weights * occupation(energy, float(collisions.mu or 0.0), kt)
            if not weights.sum() > 0:
                raise fail("mu", "lie where the equilibrium distribution has states", f"is {collisions.mu}")
        chances = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
        return cls(collisions, model, fields, theory, seed, band, energy, density, k, largest, chances)

    def draws(self, count: int, columns: int | None = None) -> np.ndarray:
        """Uniform (count, columns), by default as many as a collision may need.

        Of one round for all packets, so that workers do not matter.
        """
        self.round += 1
        if columns is None:
            columns = 1 + ATTEMPTS * (1 + self.model.dimension)
        return np.random.default_rng([self.seed, self.round]).random((count, columns))

    def waits(self, count: int) -> np.ndarray:
        """Times to the next tick of every packet's clock."""
        return -np.log1p(-self.draws(count, 1)[:, 0]) / self.largest

    def counts(self, energy: np.ndarray, band: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """True where a tick is a collision."""
        rates = self.collisions.rates(energy, band)
        if rates.max(initial=0.0) > self.largest:
            raise BlochflowError(
                f"1/tau(energy, band) reaches {rates.max():.6g} on a trajectory, more than {self.largest:.6g}, 1.05 of "
                "its largest value on the table of states: give Collisions a larger table=, or bound tau from below."
            )
        return np.asarray(chance * self.largest < rates)

    def scattered(self, energy: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """New bands (P,), k (P, d) and energies (P,) of packets of given energies."""
        if self.collisions.kind == "relaxation":
            chosen = self._chosen(draws[:, 0])
            return self.band[chosen], self.k[chosen], self.energy[chosen]
        band, k = np.zeros(len(energy), dtype=int), np.zeros((len(energy), self.model.dimension))
        left = np.arange(len(energy))
        columns = 1 + self.model.dimension
        for attempt in range(ATTEMPTS):
            chance, *jitter = draws[left, attempt * columns : (attempt + 1) * columns].T
            chosen = self._nearby(energy[left], chance)
            moved, good = self._onto(energy[left], self.band[chosen], self.k[chosen] + self._jittered(jitter))
            band[left[good]], k[left[good]] = self.band[chosen][good], moved[good]
            left = left[~good]
            if not len(left):
                return band, k, energy
        raise BlochflowError(
            f"No state on the energy surface h = {energy[left[0]]:.6g} was found for an elastic collision, which is "
            "near the edge of a band: give Collisions a larger table=."
        )

    def _nearby(self, energy: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Index of a state of the table within a symmetric window of energy, by its density of states."""
        place = np.searchsorted(self.energy, energy)
        low, high = np.maximum(place - NEARBY, 0), np.minimum(place + NEARBY, len(self.energy) - 1)
        # the window must not be lopsided: moving states onto the surface keeps their density to second order then
        half = np.minimum(np.abs(energy - self.energy[low]), np.abs(self.energy[high] - energy))
        first = np.searchsorted(self.energy, energy - half, side="left")
        last = np.searchsorted(self.energy, energy + half, side="right")
        return self._chosen(self.chances[first] + chance * (self.chances[last] - self.chances[first]))

    def _jittered(self, chances: list[np.ndarray]) -> np.ndarray:
        """Random displacements of half a distance between points of the table, so that no point comes twice."""
        lattice, d = self.model.lattice, self.model.dimension
        spans = 2 * self._reach * np.eye(d) if lattice is None else np.asarray(lattice.reciprocal)
        return np.asarray((np.stack(chances, axis=1) - 0.5) @ spans / self.collisions.table ** (1 / d))

    def _chosen(self, chance: np.ndarray) -> np.ndarray:
        """Index of the states to which cumulative chances belong."""
        return np.clip(np.searchsorted(self.chances, chance, side="right") - 1, 0, len(self.energy) - 1)

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
        near = np.linalg.norm(k - start, axis=1) <= 0.1 * self._reach
        return k, (np.abs(miss) <= ON_SURFACE * width) & near

    @property
    def _reach(self) -> float:
        """Size of k space: the shortest reciprocal vector, or the cutoff."""
        if self.model.lattice is None:
            return float(self.model.cutoff)  # type: ignore[attr-defined]
        return float(np.linalg.norm(np.asarray(self.model.lattice.reciprocal), axis=1).min())
