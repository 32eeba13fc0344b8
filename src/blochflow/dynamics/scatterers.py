"""What happens when the clock of a packet rings: a collision with some probability, and a new state.

relaxation time:  a collision with probability (1/tau)/largest
disorder:  a state k' of the same energy, by the density of states, with probability
           2 pi rho(h) sum_ab W_ab(k - k') <u|V_a|u'><u'|V_b|u>/largest
"""

from __future__ import annotations

import abc
from dataclasses import dataclass

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import fail
from blochflow.core.errors import BlochflowError
from blochflow.disorder.potentials import Scatterers
from blochflow.disorder.potentials import scatterers as scatterers_of
from blochflow.dynamics.collisions import Collisions
from blochflow.dynamics.energy_shells import EnergyShells, chosen_by
from blochflow.dynamics.ensemble import occupation
from blochflow.dynamics.equations import Adiabatic
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields

# The largest rate is that of a sample, with room for what lies between its points.
ROOM, ROOM_OF_PAIRS = 1.05, 1.5
# Wave vectors at which W is looked at for its largest value.
PAIRS_TRIED = 4096

Collided = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass
class AbstractScatterer(abc.ABC):
    """The clock and the random numbers of all packets of a run.

    Attributes
    ----------
    largest : float
        Rate of the clock, per hbar over the energy of the model.
    """

    shells: EnergyShells
    seed: int
    largest: float
    round: int = 0

    def draws(self, count: int, columns: int) -> np.ndarray:
        """Uniform (count, columns), of one round for all packets, so that workers do not matter."""
        self.round += 1
        return np.random.default_rng([self.seed, self.round]).random((count, columns))

    def waits(self, count: int) -> np.ndarray:
        """Times to the next tick of every packet's clock."""
        return np.asarray(-np.log1p(-self.draws(count, 1)[:, 0]) / self.largest)

    def draws_of_collision(self, count: int) -> np.ndarray:
        """What a collision of any packet may need."""
        return self.draws(count, 1 + self.shells.draws)

    def checked(self, rates: np.ndarray) -> np.ndarray:
        """Rates, none of which may exceed that of the clock."""
        if rates.max(initial=0.0) > self.largest:
            raise BlochflowError(
                f"The rate of collisions reaches {rates.max():.6g} on a trajectory, more than the {self.largest:.6g} "
                "expected from a sample of states: give Collisions a larger table=, or bound tau from below."
            )
        return rates

    def check(self, energy: np.ndarray) -> None:
        """Warn where the table of states is too coarse for packets of these energies."""
        self.shells.check_narrow(energy)

    @abc.abstractmethod
    def collide(self, energy: np.ndarray, band: np.ndarray, k: np.ndarray, draws: np.ndarray) -> Collided:
        """Which packets (P,) collide, and the new band, k and energy of those."""


class RelaxationScatterer(AbstractScatterer):
    """A relaxation time."""

    def __init__(self, shells: EnergyShells, seed: int, collisions: Collisions, clock: float) -> None:
        self.collisions, self.clock = collisions, clock
        rates = clock * collisions.rates(shells.energy, shells.band)
        super().__init__(shells, seed, ROOM * float(rates.max()))
        kt = shells.model.units.boltzmann * float(collisions.temperature or 0.0)
        weights = np.maximum(shells.density, 0.0) * occupation(shells.energy, float(collisions.mu or 0.0), kt)
        self.chances = np.concatenate([[0.0], np.cumsum(weights)])
        if collisions.kind == "relaxation" and not weights.sum() > 0:
            raise fail("mu", "lie where the equilibrium distribution has states", f"is {collisions.mu}")

    def check(self, energy: np.ndarray) -> None:
        if self.collisions.kind == "elastic":
            super().check(energy)

    def collide(self, energy: np.ndarray, band: np.ndarray, k: np.ndarray, draws: np.ndarray) -> Collided:
        rates = self.checked(self.clock * self.collisions.rates(energy, band))
        hit = draws[:, 0] * self.largest < rates
        if self.collisions.kind == "elastic":
            return hit, *self.shells.elastic(energy[hit], draws[hit, 1:]), energy[hit]
        chosen = chosen_by(self.chances, draws[hit, 1] * self.chances[-1])
        return hit, self.shells.band[chosen], self.shells.k[chosen], self.shells.energy[chosen]


class DisorderScatterer(AbstractScatterer):
    """Elastic collisions with a `Disorder`, by the golden rule."""

    def __init__(self, shells: EnergyShells, seed: int, scatterers: Scatterers) -> None:
        self.scatterers = scatterers
        generator = np.random.default_rng([seed, 0])
        picked = generator.integers(len(shells.k), size=(2, PAIRS_TRIED))
        q = np.concatenate([shells.k[picked[0]] - shells.k[picked[1]], np.zeros((1, shells.model.dimension))])
        strongest = np.linalg.eigvalsh(np.asarray(scatterers.correlation(q))).max()
        # sum_a |<u|V_a|u'>|^2 <= <u|sum_a V_a^2|u>
        size = np.linalg.norm(np.einsum("aij,ajk->ik", scatterers.vertices, scatterers.vertices), 2)
        density = shells.density_of_states(shells.energy[:: max(1, len(shells.energy) // PAIRS_TRIED)]).max()
        super().__init__(shells, seed, float(ROOM_OF_PAIRS * 2 * np.pi * density * strongest * size))

    def collide(self, energy: np.ndarray, band: np.ndarray, k: np.ndarray, draws: np.ndarray) -> Collided:
        bands, found = self.shells.elastic(energy, draws[:, 1:])
        strength = self.strengths(band, k, bands, found)
        rates = self.checked(2 * np.pi * self.shells.density_of_states(energy) * strength)
        hit = draws[:, 0] * self.largest < rates
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


def make_scatterer(
    collisions: Collisions, model: AbstractModel, fields: Fields, theory: Adiabatic, seed: int
) -> AbstractScatterer:
    """Collisions of one run."""
    scatterers = None if collisions.disorder is None else scatterers_of(collisions.disorder, model)
    shells = EnergyShells.of(model, fields, theory, collisions.states_of(model.dimension, model.num_bands), seed)
    if scatterers is not None:
        return DisorderScatterer(shells, seed, scatterers)
    return RelaxationScatterer(shells, seed, collisions, fields.clock)
