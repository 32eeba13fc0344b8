"""What a theory of motion tells the integrator: its state, how that changes, and what is seen of it.

A state is a flat vector per packet, in units in which every component is of order one, so that one absolute tolerance
serves all and nothing depends on where the origin of x is.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import fail
from blochflow.core.quantity import Quantity
from blochflow.dynamics.catalog import PROPAGATE
from blochflow.dynamics.conserving import conserving_step
from blochflow.dynamics.equations import Adiabatic, Motion, level, motion, packet_energy, sides
from blochflow.dynamics.starts import Model, Scale, check_apart
from blochflow.models.fields import Fields
from blochflow.models.local import AbstractLocalModel
from blochflow.models.packets import WavePacket

if TYPE_CHECKING:
    import xarray as xr

LEAST_ADIABATIC = 0.1
# name -> dimensions after (packet, time), unit, meaning
Labels = Mapping[str, tuple[tuple[str, ...], str, str]]


class Begin(eqx.Module):
    """How a packet begins: x and k (d,), its band, and its amplitudes (N,), or (0,) without any."""

    position: Array
    wavevector: Array
    band: Array
    amplitudes: Array


class Seen(eqx.Module):
    """A packet at one time: x and k (d,), work (), what the equations of motion say, and what only its theory has."""

    position: Array
    wavevector: Array
    work: Array
    motion: Motion
    extra: dict[str, Array] = eqx.field(default_factory=dict)


class AbstractTheory(eqx.Module):
    """State, rate and observables of one packet; batches are mapped over it."""

    quantity: eqx.AbstractClassVar[Quantity]
    # variables of results that only this theory has
    labels: eqx.AbstractClassVar[Labels]
    # whether packets stop where their bands meet others, or where transitions to others are certain
    isolated: eqx.AbstractClassVar[bool]

    @abc.abstractmethod
    def unconserved(self, model: Model) -> str:
        """Why there are no steps that conserve the energy; empty where there are."""

    @abc.abstractmethod
    def settled(self, model: Model, packets: WavePacket, fields: Fields, time: float, scale: Scale) -> AbstractTheory:
        """The theory for these packets, after checks of how they begin; on the host."""

    @abc.abstractmethod
    def initial(self, model: Model, fields: Fields, scale: Scale, begin: Begin, t: Array) -> Array:
        """State (n,) of a packet."""

    @abc.abstractmethod
    def rate(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Array:
        """d(state)/dt, (n,)."""

    @abc.abstractmethod
    def observe(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Any:
        """Position, wave vector, work done by the fields, the `Motion`, and the variables of `labels`."""

    @abc.abstractmethod
    def concerns(self, result: xr.Dataset) -> list[str]:
        """What the theory cannot do and a run asked for, as sentences."""


class AbstractConservingTheory(AbstractTheory):
    """A theory with steps that conserve the energy."""

    @abc.abstractmethod
    def conserving(
        self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, length: Array, state: Array
    ) -> Array:
        """State after such a step, for models and fields that are constant in time."""


class AdiabaticTheory(AbstractConservingTheory):
    """`Adiabatic`: the state is (x/L, k L, work/E)."""

    quantity: ClassVar[Quantity] = PROPAGATE
    labels: ClassVar[Labels] = {}
    isolated: ClassVar[bool] = True

    options: Adiabatic = eqx.field(static=True)

    def unconserved(self, model: Model) -> str:
        return ""

    def settled(self, model: Model, packets: WavePacket, fields: Fields, time: float, scale: Scale) -> AbstractTheory:
        if packets.amplitudes is not None:
            must = 'be left out with a theory of one band; use theory="ehrenfest" or "manifold"'
            raise fail("amplitudes", must, "are given")
        check_apart(model, packets, time, scale)
        return self

    def initial(self, model: Model, fields: Fields, scale: Scale, begin: Begin, t: Array) -> Array:
        return jnp.concatenate([begin.position / scale.length, begin.wavevector * scale.length, jnp.zeros(1)])

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
        """States (P, n) of packets at the same places with other k L and more energy, after collisions."""
        d, states = wavevectors.shape[1], states.copy()
        states[:, d : 2 * d] = wavevectors
        states[:, -1] += exchanged
        return states

    def observe(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Seen:
        d = (state.shape[0] - 1) // 2
        now = self._motion(model, fields, scale, band, t, state)
        return Seen(state[:d] * scale.length, state[d : 2 * d] / scale.length, state[-1] * scale.energy, now)

    def concerns(self, result: xr.Dataset) -> list[str]:
        reached = result.attrs["adiabaticity"]
        if not reached > LEAST_ADIABATIC:
            return []
        return [
            f"Transitions to other bands are not negligible: hbar |<m|du/dt>|/gap reaches {reached:.3g} on a "
            "trajectory. Weaken the field, or keep several bands."
        ]

    def _motion(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Motion:
        d = (state.shape[0] - 1) // 2
        x, k = state[:d] * scale.length, state[d : 2 * d] / scale.length
        return motion(model, band, k, x, t, fields, self.options)
