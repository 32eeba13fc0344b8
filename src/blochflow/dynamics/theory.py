"""What a theory of motion tells the integrator: its state, how that changes, and what is seen of it.

A state is a flat vector per packet, in units in which every component is of order one, so that one absolute tolerance
serves all and nothing depends on where the origin of x is.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.dynamics.conserving import conserving_step
from blochflow.dynamics.equations import Adiabatic, Motion, level, motion, packet_energy, sides
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields
from blochflow.models.local import AbstractLocalModel

Model = AbstractModel | AbstractLocalModel


class Scale(eqx.Module):
    """Length and energy of a model, in which its states are written."""

    length: Array
    energy: Array


class AbstractTheory(eqx.Module):
    """State, rate and observables of one packet; batches are mapped over it.

    ``follows_one_band``: packets stop where transitions to other bands are certain.
    """

    follows_one_band: ClassVar[bool] = False

    @abc.abstractmethod
    def initial(self, model: Model, position: Array, wavevector: Array, band: Array, scale: Scale) -> Array:
        """State (n,) of a packet."""

    @abc.abstractmethod
    def rate(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Array:
        """d(state)/dt, (n,)."""

    @abc.abstractmethod
    def conserving(
        self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, length: Array, state: Array
    ) -> Array:
        """State after a step that conserves the energy, for models and fields that are constant in time."""

    @abc.abstractmethod
    def moved(self, states: np.ndarray, wavevectors: np.ndarray, exchanged: np.ndarray) -> np.ndarray:
        """States (P, n) of packets at the same places with other k L and more energy, after collisions."""

    @abc.abstractmethod
    def observe(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Any:
        """Position, wave vector, work done by the fields, and the `Motion`."""


class Seen(eqx.Module):
    """A packet at one time: x and k (d,), work (), and what the equations of motion say."""

    position: Array
    wavevector: Array
    work: Array
    motion: Motion


class AdiabaticTheory(AbstractTheory):
    """`Adiabatic`: the state is (x/L, k L, work/E)."""

    follows_one_band: ClassVar[bool] = True

    options: Adiabatic = eqx.field(static=True)

    def initial(self, model: Model, position: Array, wavevector: Array, band: Array, scale: Scale) -> Array:
        return jnp.concatenate([position / scale.length, wavevector * scale.length, jnp.zeros(1)])

    def rate(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Array:
        now = self._motion(model, fields, scale, band, t, state)
        return jnp.concatenate(
            [now.velocity / scale.length, now.force * scale.length, (now.power / scale.energy)[None]]
        )

    def conserving(
        self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, length: Array, state: Array
    ) -> Array:
        d = (state.shape[0] - 1) // 2
        textured = isinstance(model, AbstractLocalModel) and model.varies_in_space
        units = jnp.concatenate([jnp.full(d, scale.length), jnp.full(d, 1 / scale.length)])

        def sided(y: Array) -> tuple[Array, Array]:
            both = sides(model, band, y[d:], y[:d], t, fields, self.options)
            return both.form, both.right

        def energy(y: Array) -> Array:
            here = level(model, band, y[d:], y[:d], fields.clock * t)
            found = packet_energy(here, fields.electric, fields.magnetic, self.options, textured)
            return found + fields.electric @ y[:d]

        before = units * state[:-1]
        after = conserving_step(sided, energy, before, length, 1 / units)
        work = -fields.electric @ (after - before)[:d]
        return jnp.append(after / units, state[-1] + work / scale.energy)

    def moved(self, states: np.ndarray, wavevectors: np.ndarray, exchanged: np.ndarray) -> np.ndarray:
        d, states = wavevectors.shape[1], states.copy()
        states[:, d : 2 * d] = wavevectors
        states[:, -1] += exchanged
        return states

    def observe(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Seen:
        d = (state.shape[0] - 1) // 2
        now = self._motion(model, fields, scale, band, t, state)
        return Seen(state[:d] * scale.length, state[d : 2 * d] / scale.length, state[-1] * scale.energy, now)

    def _motion(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Motion:
        d = (state.shape[0] - 1) // 2
        x, k = state[:d] * scale.length, state[d : 2 * d] / scale.length
        return motion(model, band, k, x, t, fields, self.options)
