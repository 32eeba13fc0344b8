"""Events on a trajectory: zeros of functions of a packet, found to rounding of the step that crosses them.

zone crossing   cos(pi k_frac) = 0 along an axis        section        (k or x).n = c
closed orbit    back at the first k, up to a reciprocal vector          gap below threshold, also at the start
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import as_bool, as_choice, as_real_array, fail
from blochflow.core.errors import UserModelError
from blochflow.dynamics.starts import Model
from blochflow.dynamics.theory import Seen
from blochflow.models.user_function import traced_value

DIRECTIONS = {"both": 0, "rising": 1, "falling": -1}
CLOSED = 1e-4  # distance in k from the start, times the length of the model, within which an orbit counts as closed


class Start(eqx.Module):
    """Where a packet began: k and kdot (d,)."""

    wavevector: Array
    force: Array


class Event(eqx.Module):
    """Something to record, or to stop at, on a trajectory; made by the methods below.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Event.gap_below(0.05).terminal
    True
    """

    name: str = eqx.field(static=True)
    kind: str = eqx.field(static=True)
    terminal: bool = eqx.field(static=True)
    direction: int = eqx.field(static=True)
    normal: Array | None = None
    offset: Array | None = None
    function: Callable[..., Any] | None = eqx.field(static=True, default=None)

    @property
    def at_start(self) -> bool:
        """Whether a packet that begins on the far side counts: a gap that is small already, but no line behind it."""
        return self.kind == "gap"

    @classmethod
    def zone_crossing(cls, *, terminal: bool = False) -> Event:
        """The packet crosses a face of the cell -1/2 < k_frac < 1/2 of reciprocal space, or a copy of it."""
        return cls("zone_crossing", "zone", as_bool(terminal, "terminal"), 0)

    @classmethod
    def section(
        cls, normal: Any, offset: Any = 0.0, *, space: str = "k", direction: str = "both", terminal: bool = False
    ) -> Event:
        """The packet crosses the line or plane k.normal = offset (``space="x"``: x.normal)."""
        axis = np.atleast_1d(as_real_array(normal, "normal"))
        if not np.any(axis):
            raise fail("normal", "not be zero", "is")
        level = as_real_array(offset, "offset", max_ndim=0)
        kind = f"section_{as_choice(space, 'space', ('k', 'x'))}"
        sign = DIRECTIONS[as_choice(direction, "direction", tuple(DIRECTIONS))]
        return cls("section", kind, as_bool(terminal, "terminal"), sign, jnp.asarray(axis), jnp.asarray(level))

    @classmethod
    def closed_orbit(cls, *, terminal: bool = True) -> Event:
        """The packet comes back to its first wave vector, up to a reciprocal vector."""
        return cls("closed_orbit", "closed", as_bool(terminal, "terminal"), 1)

    @classmethod
    def gap_below(cls, threshold: Any, *, terminal: bool = True) -> Event:
        """The gap to the nearest band falls below a threshold, or is below it at the start."""
        level = as_real_array(threshold, "threshold", max_ndim=0, positive=True)
        return cls("gap_below", "gap", as_bool(terminal, "terminal"), -1, None, jnp.asarray(level))

    @classmethod
    def zero_of(
        cls, function: Callable[..., Any], *, name: str = "zero", direction: str = "both", terminal: bool = False
    ) -> Event:
        """``function(t, x, k)``, a real number written with ``jax.numpy``, crosses zero; t in the model's time."""
        if not callable(function):
            raise fail("function", "be a function of (t, x, k)", f"is {function!r}")
        sign = DIRECTIONS[as_choice(direction, "direction", tuple(DIRECTIONS))]
        return cls(str(name), "function", as_bool(terminal, "terminal"), sign, function=function)

    def values(self, model: Model, clock: float, t: Array, seen: Seen, start: Start) -> Array:
        """The functions whose zeros are looked for, (c,)."""
        if self.kind == "zone":
            return jnp.cos(jnp.pi * model.lattice.to_reduced_k(seen.wavevector))  # type: ignore[union-attr]
        if self.kind == "closed":
            away = seen.wavevector - start.wavevector
            if model.lattice is not None:
                # to the nearest copy of the start; where that changes the function falls, which does not count
                turns = jnp.round(model.lattice.to_reduced_k(away))
                away = away - turns @ model.lattice.reciprocal
            return jnp.atleast_1d(away @ start.force)
        if self.kind == "gap":
            return jnp.atleast_1d(seen.motion.gap - jnp.asarray(self.offset))
        if self.kind == "function":
            return jnp.atleast_1d(jnp.asarray(self.function(clock * t, seen.position, seen.wavevector)))  # type: ignore[misc]
        where = seen.wavevector if self.kind == "section_k" else seen.position
        return jnp.atleast_1d(where @ jnp.asarray(self.normal) - jnp.asarray(self.offset))

    def count(self, dimension: int) -> int:
        """Number of functions."""
        return dimension if self.kind == "zone" else 1


def as_events(events: Any, model: Model) -> tuple[Event, ...]:
    """Check the argument ``events``."""
    if not isinstance(events, Event | list | tuple):
        raise fail("events", "be a bf.Event, or a list of them", f"is {events!r}")
    found = (events,) if isinstance(events, Event) else tuple(events)
    d = model.dimension
    for event in found:
        if not isinstance(event, Event):
            raise fail("events", "hold bf.Event objects, e.g. bf.Event.zone_crossing()", f"holds {event!r}")
        if event.kind == "zone" and model.lattice is None:
            raise fail("events", "not ask for zone crossings of a k.p model", "zone_crossing is given")
        if event.normal is not None and event.normal.shape != (d,):
            raise fail("normal", f"have {d} components", f"has shape {event.normal.shape}")
        if event.function is not None:
            check_event_function(event.function, event.name, d)
    return found


def check_event_function(function: Callable[..., Any], name: str, dimension: int) -> None:
    """The function must trace and give one finite real number."""
    value = traced_value(function, (0.0, np.full(dimension, 0.13), np.full(dimension, 0.29)), f"Event {name!r}")
    if value.shape != () or value.dtype.kind == "c" or not np.isfinite(value):
        raise UserModelError(f"Event {name!r}: the function must return one finite real number, but returned {value}.")


def is_closed(model: Model, k: np.ndarray, start: np.ndarray, length: float) -> bool:
    """Whether k is the start up to a reciprocal vector, within `CLOSED` of the inverse ``length`` of the model."""
    difference = k - start
    if model.lattice is not None:
        reciprocal = np.asarray(model.lattice.reciprocal)
        difference = difference - np.round(np.linalg.solve(reciprocal.T, difference)) @ reciprocal
    return bool(np.linalg.norm(difference) * length <= CLOSED)
