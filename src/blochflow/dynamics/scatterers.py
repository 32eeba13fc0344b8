"""What happens when the clock of a packet rings: a collision with some probability, and a new state.

relaxation time:  a collision with probability (1/tau)/largest
disorder:  a state k' of the same energy, by the density of states, with probability
           2 pi rho(h) sum_ab W_ab(k - k') <u|V_a|u'><u'|V_b|u>/largest
"""

from __future__ import annotations

import abc
import warnings
from dataclasses import dataclass

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import fail
from blochflow.core.errors import BlochflowError, ValidityWarning
from blochflow.disorder.potentials import Scatterers
from blochflow.disorder.potentials import scatterers as scatterers_of
from blochflow.dynamics.collisions import Collisions
from blochflow.dynamics.energy_shells import EnergyShells
from blochflow.dynamics.ensemble import NEGLIGIBLE, occupation
from blochflow.dynamics.equations import Adiabatic
from blochflow.dynamics.state_table import StateTable, check_density
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields

# The largest rate is that of a sample, with room for what lies between its points.
ROOM, ROOM_OF_PAIRS = 1.05, 1.5
# Wave vectors at which W is looked at for its largest value.
PAIRS_TRIED = 4096

Collided = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Chances:
    """Uniform random numbers of one round of collisions of all packets of a run, whichever of them collide.

    Attributes
    ----------
    key : tuple of int
        Seed and round.
    count : int
        All packets of the run.
    rows : (P,)
        Those that collide.
    """

    key: tuple[int, ...]
    count: int
    rows: np.ndarray

    def of(self, attempt: int, columns: int) -> np.ndarray:
        """(P, columns)."""
        return np.random.default_rng([*self.key, attempt]).random((self.count, columns))[self.rows]

    def among(self, some: np.ndarray) -> Chances:
        """Those of some packets."""
        return Chances(self.key, self.count, self.rows[some])


@dataclass
class AbstractScatterer(abc.ABC):
    """The clock and the random numbers of all packets of a run.

    Attributes
    ----------
    largest : float
        Rate of the clock, per hbar over the energy of the model.
    """

    seed: int
    largest: float
    round: int = 0

    def chances(self, count: int, rows: np.ndarray) -> Chances:
        """Random numbers of the next round."""
        self.round += 1
        return Chances((self.seed, self.round), count, rows)

    def waits(self, count: int) -> np.ndarray:
        """Times to the next tick of every packet's clock."""
        chance = self.chances(count, np.arange(count)).of(0, 1)[:, 0]
        return np.asarray(-np.log1p(-chance) / self.largest)

    def checked(self, rates: np.ndarray) -> np.ndarray:
        """Rates, none of which may exceed that of the clock."""
        if rates.max(initial=0.0) > self.largest:
            raise BlochflowError(
                f"The rate of collisions reaches {rates.max():.6g} on a trajectory, more than the {self.largest:.6g} "
                "expected from a sample of states: give Collisions a larger table=, or bound tau from below."
            )
        return rates

    @abc.abstractmethod
    def prepare(self, energy: np.ndarray) -> None:
        """For packets that start at these energies; warns where their collisions would not be exact."""

    @abc.abstractmethod
    def collide(self, energy: np.ndarray, band: np.ndarray, k: np.ndarray, chances: Chances) -> Collided:
        """Which packets (P,) collide, and the new band, k and energy of those."""


class RelaxationScatterer(AbstractScatterer):
    """A relaxation time, after which a packet is in a state of the equilibrium distribution."""

    def __init__(self, states: StateTable, seed: int, collisions: Collisions, clock: float) -> None:
        self.states, self.collisions, self.clock = states, collisions, clock
        super().__init__(seed, ROOM * float(clock * collisions.rates(states.energy, states.band).max()))
        kt = states.units.boltzmann * float(collisions.temperature or 0.0)
        filled = occupation(states.energy, float(collisions.mu or 0.0), kt)
        check_density(states.density, filled > NEGLIGIBLE, states.band, states.k)
        weights = np.maximum(states.density, 0.0) * filled
        self.before = np.concatenate([[0.0], np.cumsum(weights)])
        if not weights.sum() > 0:
            raise fail("mu", "lie where the equilibrium distribution has states", f"is {collisions.mu}")

    def prepare(self, energy: np.ndarray) -> None:
        """Old energies do not matter."""

    def collide(self, energy: np.ndarray, band: np.ndarray, k: np.ndarray, chances: Chances) -> Collided:
        draws = chances.of(0, 2)
        hit = draws[:, 0] * self.largest < self.checked(self.clock * self.collisions.rates(energy, band))
        chosen = np.searchsorted(self.before, draws[hit, 1] * self.before[-1], side="right") - 1
        chosen = np.clip(chosen, 0, len(self.before) - 2)
        return hit, self.states.band[chosen], self.states.k[chosen], self.states.energy[chosen]


class ElasticScatterer(AbstractScatterer):
    """A relaxation time, after which a packet is in any state of the same energy."""

    def __init__(self, shells: EnergyShells, seed: int, collisions: Collisions, clock: float) -> None:
        self.shells, self.collisions, self.clock = shells, collisions, clock
        rates = clock * collisions.rates(shells.cells.mean, shells.cells.band)
        super().__init__(seed, ROOM * float(rates.max()))

    def prepare(self, energy: np.ndarray) -> None:
        self.shells.check(energy, False, self.seed)

    def collide(self, energy: np.ndarray, band: np.ndarray, k: np.ndarray, chances: Chances) -> Collided:
        rates = self.checked(self.clock * self.collisions.rates(energy, band))
        hit = chances.of(0, 1)[:, 0] * self.largest < rates
        return hit, *elastic(self.shells, energy[hit], chances.among(hit)), energy[hit]


class DisorderScatterer(AbstractScatterer):
    """Elastic collisions with a `Disorder`, by the golden rule."""

    def __init__(self, shells: EnergyShells, seed: int, scatterers: Scatterers) -> None:
        self.shells, self.scatterers = shells, scatterers
        picked = np.random.default_rng([seed, 0]).integers(len(shells.cells.start), size=(2, PAIRS_TRIED))
        here, there = shells.cells.start[picked]
        q = np.concatenate([here - there, np.zeros((1, shells.model.dimension))])
        strongest = np.linalg.eigvalsh(np.asarray(scatterers.correlation(q))).max()
        # sum_a |<u|V_a|u'>|^2 <= <u|sum_a V_a^2|u>
        size = np.linalg.norm(np.einsum("aij,ajk->ik", scatterers.vertices, scatterers.vertices), 2)
        self.scale = float(ROOM_OF_PAIRS * 2 * np.pi * strongest * size)
        super().__init__(seed, self.scale * shells.largest_density)

    def prepare(self, energy: np.ndarray) -> None:
        self.shells.check(energy, True, self.seed)
        self.largest = max(self.largest, self.scale * float(self.shells.density_of_states(energy).max()))

    def collide(self, energy: np.ndarray, band: np.ndarray, k: np.ndarray, chances: Chances) -> Collided:
        bands, found = elastic(self.shells, energy, chances)
        strength = self.strengths(band, k, bands, found)
        rates = 2 * np.pi * self.shells.density_of_states(energy) * strength
        at = int(np.argmax(rates))
        if rates[at] > self.largest:
            warnings.warn(
                f"A packet came to h = {energy[at]:.6g}, where the density of states is singular: the rate of its "
                f"collisions, {rates[at]:.4g}, is limited to {self.largest:.4g}. Start packets beside such energies.",
                ValidityWarning,
                stacklevel=2,
            )
        hit = chances.of(0, 1)[:, 0] * self.largest < rates
        return hit, bands[hit], found[hit], energy[hit]

    def strengths(self, band: np.ndarray, k: np.ndarray, bands: np.ndarray, found: np.ndarray) -> np.ndarray:
        """sum_ab W_ab(k - k') <u|V_a|u'><u'|V_b|u> of pairs of states, (P,)."""
        here, there = self._states(band, k), self._states(bands, found)
        elements = np.einsum("pi,aij,pj->pa", here.conj(), self.scatterers.vertices, there)
        correlation = np.asarray(self.scatterers.correlation(k - found))
        return np.einsum("pab,pa,pb->p", correlation, elements, elements.conj()).real

    def _states(self, band: np.ndarray, k: np.ndarray) -> np.ndarray:
        hamiltonian = np.asarray(self.shells.model.matrices(jnp.asarray(k)).hamiltonian)
        states = np.linalg.eigh(hamiltonian)[1]
        return np.asarray(states[np.arange(len(k)), :, band])


def elastic(shells: EnergyShells, energy: np.ndarray, chances: Chances) -> tuple[np.ndarray, np.ndarray]:
    """New bands and k of the same energies; attempt 0 decides whether packets collide."""
    return shells.elastic(energy, lambda line: chances.of(1 + line, shells.columns))


def make_scatterer(
    collisions: Collisions, model: AbstractModel, fields: Fields, theory: Adiabatic, seed: int
) -> AbstractScatterer:
    """Collisions of one run."""
    scatterers = None if collisions.disorder is None else scatterers_of(collisions.disorder, model)
    count = collisions.table_of(model.dimension, model.num_bands)
    if collisions.kind == "relaxation":
        states = StateTable.of(model, fields, theory, count, seed)
        return RelaxationScatterer(states, seed, collisions, fields.clock)
    shells = EnergyShells.of(model, fields, theory, count)
    if scatterers is not None:
        return DisorderScatterer(shells, seed, scatterers)
    return ElasticScatterer(shells, seed, collisions, fields.clock)
