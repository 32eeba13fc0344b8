"""What all packets on their way share: the theory, its steps, and the functions whose zeros stop a step."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.dynamics.events import Event, Start
from blochflow.dynamics.starts import SMALLEST_GAP, Model, Scale
from blochflow.dynamics.stepping import runge_kutta
from blochflow.dynamics.theory import AbstractConservingTheory, AbstractTheory, Seen
from blochflow.models.fields import Fields

SMALLEST_DENSITY = 0.1  # of the phase-space density: below, the equations of motion are no longer an expansion
# Change of the norm of a state at which its motion ends, and the least, in units of the error of one step.
LARGEST_NORM_DRIFT, STEPS_OF_DRIFT = 1e-5, 1e3
LARGEST_ADIABATICITY = 100.0  # beyond which a packet does not stay in its bands, whatever it does


class PacketStatus(StrEnum):
    """How a packet's journey ended; each text is the sentence the user reads."""

    COMPLETE = "complete"
    EVENT = "stopped at a terminal event"
    SINGULAR = (
        "stopped: the phase-space density fell below 0.1, where the semiclassical equations are no expansion any more; "
        "weaken the field or the texture"
    )
    TOUCHING = 'stopped: the band, or an active one, meets another; use theory="manifold" with both or "ehrenfest"'
    DIABATIC = (
        "stopped: transitions to another band are a hundred times as fast as the gap to it allows; use "
        'theory="manifold" or "ehrenfest"'
    )
    NORM = "stopped: the norm of the state within its bands changed; tighten the tolerance, or keep more bands"
    STALLED = "stopped: too many steps, or steps too small; loosen the tolerance, or look at H there"


STATUSES = tuple(PacketStatus)
# What a packet ends with where the first watched functions cross zero.
GUARDS = (PacketStatus.SINGULAR, PacketStatus.TOUCHING, PacketStatus.DIABATIC, PacketStatus.NORM)


class Each(eqx.Module):
    """Constants of a packet: its band, and where it began."""

    band: Array
    start: Start


class Setup(eqx.Module):
    """What all packets share.

    ``sense`` is -1 for motion backwards in time, which runs in -t; ``lower`` is 1 for the method of lower order, whose
    difference from the other tells the error; ``fixed`` is the length of steps that conserve the energy, None for
    adaptive ones.
    """

    model: Model
    fields: Fields
    theory: AbstractTheory
    events: tuple[Event, ...]
    scale: Scale
    sense: Array
    tolerance: Array
    lower: Array
    fixed: Array | None = None

    def step(self, t: Array, h: Array, state: Array, each: Each) -> tuple[Array, Array]:
        """State after one step, and its error."""
        if self.fixed is None:
            return runge_kutta(self.rate, t, h, state, each, self.lower)
        if not isinstance(self.theory, AbstractConservingTheory):
            raise TypeError("This theory has no steps that conserve the energy.")
        arguments = (self.model, self.fields, self.scale, each.band, self.sense * t, self.sense * h, state)
        after = self.theory.conserving(*arguments)
        return after, jnp.where(jnp.isfinite(after), 0.0, jnp.inf)

    def rate(self, t: Array, state: Array, each: Each) -> Array:
        """d(state)/d(sense t)."""
        here = self.theory.rate(self.model, self.fields, self.scale, each.band, self.sense * t, state)
        return self.sense * here

    def seen(self, t: Array, state: Array, each: Each) -> Seen:
        """Observables of one packet at sense t."""
        seen: Seen = self.theory.observe(self.model, self.fields, self.scale, each.band, self.sense * t, state)
        return seen

    def watch(self, t: Array, state: Array, each: Each) -> tuple[Array, Array]:
        """Functions whose zeros stop a step, and the adiabaticity."""
        seen = self.seen(t, state, each)
        return self.watched(t, seen, each), seen.motion.adiabaticity

    def watched(self, t: Array, seen: Seen, each: Each) -> Array:
        """Functions whose zeros stop a step: the guards, then those of the events."""
        clock = self.fields.clock
        values = [e.values(self.model, clock, self.sense * t, seen, each.start) for e in self.events]
        gap = jnp.where(jnp.isfinite(seen.motion.gap), seen.motion.gap, 1.0) - SMALLEST_GAP * self.scale.energy
        # where bands touch it is not finite, and the gap tells
        slow = jnp.nan_to_num(LARGEST_ADIABATICITY - seen.motion.adiabaticity, nan=1.0)
        if not self.theory.isolated:
            gap = slow = jnp.ones(())
        drift = jnp.maximum(LARGEST_NORM_DRIFT, STEPS_OF_DRIFT * self.tolerance) - jnp.abs(seen.motion.norm - 1)
        guards = jnp.stack([seen.motion.density - SMALLEST_DENSITY, gap, slow, drift])
        return jnp.concatenate([guards, *values])

    def to_model_time(self, t: Any) -> Any:
        """Time in the model's unit, from sense t in kernel units, on the host."""
        return float(np.asarray(self.sense)) * self.fields.clock * t

    @property
    def directions(self) -> np.ndarray:
        """Of every watched function."""
        d = self.model.dimension
        return np.array([-1] * len(GUARDS) + [e.direction for e in self.events for _ in range(e.count(d))], dtype=float)

    @property
    def owners(self) -> list[int]:
        """Index of the event of every watched function; -1 for guards."""
        d = self.model.dimension
        return [-1] * len(GUARDS) + [i for i, e in enumerate(self.events) for _ in range(e.count(d))]
