"""Packets on their way: batches of like steps, each packet to its own end, stopping where an event says so.

Packets are sorted by their steps before every stretch, so that the slow ones share batches and hold nobody else.
What a packet does depends on nothing but itself: results are the same for any number of workers or packets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.dynamics.events import Start, is_closed
from blochflow.dynamics.setup import GUARDS, STATUSES, Each, PacketStatus, Setup
from blochflow.dynamics.stepping import BATCHES, Lanes, advance, locate
from blochflow.dynamics.theory import AdiabaticTheory, Begin, Seen
from blochflow.execution.threads import Execution, run_batches
from blochflow.models.packets import WavePacket

# Share of a full batch that is left to others, and steps after which a batch leaves its last packets to a smaller one,
# which may have to be compiled.
LEFT = 0.75
PATIENCE = 64
STEPS_PER_STRETCH = 4096
# Events nearer to each other than this share of the step that crosses them are at the same time.
SAME = 1e-12
MOST_STEPS = 1_000_000


@eqx.filter_jit
def _initial(setup: Setup, begin: Begin, t: Array) -> Array:
    def one(begin: Begin) -> Array:
        return setup.theory.initial(setup.model, setup.fields, setup.scale, begin, setup.sense * t)

    return jax.vmap(one)(begin)


@eqx.filter_jit
def _advance(setup: Setup, each: Each, lanes: Lanes, directions: Array, limits: tuple[Array, Array, Array]) -> Lanes:
    return advance(setup.step, setup.watch, each, lanes, directions, setup.tolerance, *limits, setup.fixed)


@eqx.filter_jit
def _locate(setup: Setup, each: Each, lanes: Lanes, which: Array) -> tuple[Array, Array]:
    return locate(setup.step, setup.watch, each, lanes, which)


@eqx.filter_jit
def _observe(setup: Setup, each: Each, time: Array, state: Array) -> tuple[Seen, Array]:
    seen = jax.vmap(setup.seen)(time, state, each)
    return seen, jax.vmap(setup.watched)(time, seen, each)


@eqx.filter_jit
def _rate(setup: Setup, each: Each, time: Array, state: Array) -> Array:
    return jax.vmap(setup.rate)(time, state, each)


@eqx.filter_jit
def _jump(setup: Setup, each: Each, time: Array, step: Array, state: Array) -> Array:
    return jax.vmap(lambda t, h, y, e: setup.step(t, h, y, e)[0])(time, step, state, each)


@dataclass
class Happened:
    """An event on a packet's way."""

    event: int
    packet: int
    time: float
    position: np.ndarray
    wavevector: np.ndarray


@dataclass
class Flight:
    """All packets: host arrays with a leading packet axis.

    Attributes
    ----------
    time, step : (P,)
        sense t, and the next step.
    state : (P, n)
    watched : (P, m)
    status : (P,)
        Index into `STATUSES`.
    flying : (P,) bool
    largest : (P,)
        Largest adiabaticity at accepted steps.
    collisions : (P,) int
    """

    setup: Setup
    execution: Execution
    each: Each
    time: np.ndarray
    state: np.ndarray
    step: np.ndarray
    watched: np.ndarray
    status: np.ndarray
    flying: np.ndarray
    steps: np.ndarray
    largest: np.ndarray
    collisions: np.ndarray
    happened: list[Happened] = field(default_factory=list)

    @classmethod
    def of(cls, setup: Setup, execution: Execution, packets: WavePacket, t: float) -> Flight:
        """Packets at their start, at sense t = ``t``."""
        count, band, k = packets.count, packets.band, packets.wavevector
        nowhere = Start(jnp.zeros(k.shape), jnp.zeros(k.shape))
        each = Each(jnp.asarray(band), nowhere)
        amplitudes = np.zeros((count, 0), dtype=complex) if packets.amplitudes is None else packets.amplitudes
        begin = Begin(*map(jnp.asarray, (packets.position, k, band, amplitudes)))
        state = np.array(_initial(setup, begin, jnp.asarray(t)))
        flight = cls(
            setup,
            execution,
            each,
            np.full(count, t),
            state,
            np.zeros(count),
            np.zeros((count, len(setup.owners))),
            np.zeros(count, dtype=int),
            np.ones(count, dtype=bool),
            np.zeros(count, dtype=int),
            np.zeros(count),
            np.zeros(count, dtype=int),
        )
        everyone = np.arange(count)
        seen = flight.observe(everyone)[0]
        force = float(np.asarray(setup.sense)) * seen.motion.force
        flight.each = Each(jnp.asarray(band), Start(jnp.asarray(k), jnp.asarray(force)))
        seen, flight.watched = flight.observe(everyone)
        rate = np.concatenate(flight._run(everyone, lambda b, e: _rate(setup, e, *flight._now(b))))
        flight._begin(everyone, seen)
        flight.largest = np.array(seen.motion.adiabaticity)
        speed = np.abs(rate).max(axis=1)
        flight.step = 0.05 / np.maximum(speed, 1e-300)
        if setup.fixed is not None:
            flight.step = np.full(count, float(setup.fixed))
        return flight

    def observe(self, rows: np.ndarray | None = None) -> tuple[Seen, np.ndarray]:
        """Observables and watched functions of packets ``rows`` now, as host arrays."""
        rows = np.arange(len(self.time)) if rows is None else rows
        parts = self._run(rows, lambda b, e: _observe(self.setup, e, *self._now(b)))
        return jax.tree.map(lambda *x: np.concatenate(x), *parts)

    def fly(self, ends: np.ndarray) -> None:
        """Bring every packet that still flies to its own end, through all events on the way."""
        directions = jnp.asarray(self.setup.directions)
        while True:
            rows = np.flatnonzero(self.flying & (self.time < ends))
            if not len(rows):
                return
            rows = rows[np.argsort(self.step[rows], kind="stable")]
            # the last ones of a batch go on in full batches, as long as there are any, then in smaller ones
            if len(rows) > BATCHES[-1]:
                fewest, patience = int(LEFT * BATCHES[-1]), 0
            else:
                fewest, patience = max([size for size in BATCHES if size < len(rows)], default=0), PATIENCE
            limits = tuple(map(jnp.asarray, (STEPS_PER_STRETCH, fewest, patience)))

            def stretch(batch: np.ndarray, each: Each, limits: Any = limits) -> Lanes:
                return _advance(self.setup, each, self._lanes(batch, ends), directions, limits)

            done: list[Lanes] = self._run(rows, stretch)
            new = jax.tree.map(lambda *x: np.concatenate(x), *done)
            self._accept(rows, new)
            crossed = rows[new.crossing > 0]
            if len(crossed):
                self._cross(crossed, new.crossing[new.crossing > 0], ends)

    def scatter(self, rows: np.ndarray, band: np.ndarray, k: np.ndarray, exchanged: np.ndarray) -> None:
        """Put packets into other states at the same places; ``exchanged`` is the energy that they were given."""
        theory = self.setup.theory
        if not isinstance(theory, AdiabaticTheory):
            raise TypeError("Collisions change the band of a packet, which only packets of one band have.")
        bands = np.array(self.each.band)
        bands[rows] = band
        self.each = Each(jnp.asarray(bands), self.each.start)
        length, energy = float(self.setup.scale.length), float(self.setup.scale.energy)
        self.state[rows] = theory.moved(self.state[rows], k * length, exchanged / energy)
        seen, self.watched[rows] = self.observe(rows)
        self._begin(rows, seen)

    def _begin(self, rows: np.ndarray, seen: Seen) -> None:
        """Stop packets that begin, or come out of a collision, where a guard or a terminal event would stop them."""
        for which, owner in enumerate(self.setup.owners):
            if owner >= 0 and not self.setup.events[owner].at_start:
                continue
            for i in np.flatnonzero((self.watched[rows, which] < 0) & self.flying[rows]):
                self._happen(int(rows[i]), which, seen, int(i))

    def _accept(self, rows: np.ndarray, new: Lanes) -> None:
        """Take over what a stretch found."""
        self.time[rows], self.step[rows] = new.time, new.step
        self.state[rows], self.watched[rows] = new.state, new.watched
        self.steps[rows] += new.steps
        self.largest[rows] = np.maximum(self.largest[rows], new.largest)
        tiny = new.step < 1e-14 * np.maximum(np.abs(new.time), 1e-3 / np.maximum(np.abs(self.state[rows]).max(), 1))
        late = (tiny & (new.crossing == 0)) | (self.steps[rows] > MOST_STEPS)
        stuck = rows[late & (self.flying[rows])]
        self._stop(stuck, PacketStatus.STALLED)

    def _cross(self, rows: np.ndarray, crossing: np.ndarray, ends: np.ndarray) -> None:
        """Bring packets to the first event within the step that crosses; stop them or let them go on."""
        count = self.watched.shape[1]
        roots, states = np.full((count, len(rows)), np.inf), np.zeros((count, len(rows), self.state.shape[1]))
        lookup = np.zeros(len(self.time))
        lookup[rows] = crossing
        after = self._after(rows, crossing)
        turned = (after * self.watched[rows] < 0) & (after * self.setup.directions >= 0)
        for which in np.flatnonzero(turned.any(axis=0)):
            some = np.flatnonzero(turned[:, which])

            def find(batch: np.ndarray, each: Each, index: int = int(which)) -> tuple[Array, Array]:
                return _locate(self.setup, each, self._lanes(batch, ends, lookup), jnp.asarray(index))

            found = self._run(rows[some], find)
            roots[which, some] = np.concatenate([x[0] for x in found])
            states[which, some] = np.concatenate([x[1] for x in found])
        first = roots.argmin(axis=0)
        column = np.arange(len(rows))
        self.time[rows] += roots[first, column]
        self.state[rows] = states[first, column]
        seen, watched = self.observe(rows)
        # all that cross at this moment, as far as can be told; there the sign is that of the far side
        now = (roots[first, column] + SAME * crossing)[:, None] >= roots.T
        self.watched[rows] = np.where(now, np.where(after >= 0, 1e-300, -1e-300), watched)
        for i, which in np.argwhere(now):
            self._happen(int(rows[i]), int(which), seen, int(i))

    def _happen(self, row: int, which: int, seen: Seen, i: int) -> None:
        """Record one event, and stop the packet where it is terminal."""
        owner = self.setup.owners[which]
        if owner < 0:
            self._stop(np.array([row]), GUARDS[which])
            return
        event = self.setup.events[owner]
        if event.kind == "closed":
            start = np.asarray(self.each.start.wavevector[row])
            length = float(np.asarray(self.setup.scale.length))
            if not is_closed(self.setup.model, np.asarray(seen.wavevector[i]), start, length):
                return
        time = self.setup.to_model_time(self.time[row])
        self.happened.append(Happened(owner, row, time, np.asarray(seen.position[i]), np.asarray(seen.wavevector[i])))
        if event.terminal:
            self._stop(np.array([row]), PacketStatus.EVENT)

    def _after(self, rows: np.ndarray, crossing: np.ndarray) -> np.ndarray:
        """Watched functions at the end of the steps that cross."""
        steps, ends = np.zeros(len(self.time)), np.zeros(len(self.time))
        steps[rows], ends[rows] = crossing, self.time[rows] + crossing

        def jump(batch: np.ndarray, each: Each) -> Array:
            state = _jump(
                self.setup, each, self._get(self.time, batch), self._get(steps, batch), self._get(self.state, batch)
            )
            return _observe(self.setup, each, self._get(ends, batch), state)[1]

        return np.concatenate(self._run(rows, jump))

    def _stop(self, rows: np.ndarray, status: PacketStatus) -> None:
        self.flying[rows] = False
        self.status[rows] = STATUSES.index(status)

    def _lanes(self, batch: np.ndarray, ends: np.ndarray, crossing: np.ndarray | None = None) -> Lanes:
        get = self._get
        return Lanes(
            get(self.time, batch),
            get(self.step, batch),
            get(ends, batch),
            get(self.state, batch),
            get(self.watched, batch),
            jnp.zeros(len(batch)) if crossing is None else get(crossing, batch),
            jnp.zeros(len(batch)),
            jnp.zeros(len(batch), dtype=int),
            jnp.ones(len(batch), dtype=bool),
        )

    def _now(self, batch: np.ndarray) -> tuple[Array, Array]:
        return self._get(self.time, batch), self._get(self.state, batch)

    @staticmethod
    def _get(array: np.ndarray, batch: np.ndarray) -> Array:
        return jnp.asarray(array[batch])

    def _run(self, rows: np.ndarray, kernel: Any) -> list[Any]:
        """``kernel(batch, each)`` on padded batches of ``rows``; padding is dropped from the results."""
        size = next((size for size in BATCHES if size >= len(rows)), BATCHES[-1])
        batches = [rows[i : i + size] for i in range(0, len(rows), size)]

        def one(batch: np.ndarray) -> Any:
            padded = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch))])
            each = jax.tree.map(lambda x: x[padded], self.each)
            found = kernel(padded, each)
            return jax.tree.map(lambda x: np.asarray(x)[: len(batch)], found)

        bytes_of_batch = size * self.state.shape[1] * 8 * 64
        return run_batches(
            one, iter(batches), len(batches), self.execution, batch_bytes=bytes_of_batch, label="wave packets"
        )
