"""Batches of packets advanced by one adaptive Runge-Kutta method, each with its own step.

Every packet has its own time, step and end; a batch runs until its slowest packet has arrived.  Packets of like steps
should therefore share a batch.  Method: eighth order of Prince and Dormand, with
the coefficients of diffrax.  A step that crosses a zero of a watched function is not taken: the packet waits at its
beginning, and `locate` finds the crossing by steps of the same method, so that no interpolation enters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp

_TABLE = diffrax.Dopri8.tableau
# the last of diffrax's stages is the first of the next step, with no weight in this one
STAGES = len(_TABLE.a_lower)
_NODES = np.concatenate([[0.0], _TABLE.c])[:STAGES]
_WEIGHTS, _ERROR = np.asarray(_TABLE.b_sol)[:STAGES], np.asarray(_TABLE.b_error)[:STAGES]
_COUPLING = np.zeros((STAGES, STAGES))
for _row, _values in enumerate(_TABLE.a_lower[:-1]):
    _COUPLING[_row + 1, : len(_values)] = _values
ORDER = 8
SAFETY, SMALLEST_FACTOR, LARGEST_FACTOR = 0.9, 0.2, 8.0
# Sizes of batches, each compiled once.
BATCHES = (4, 64, 1024)
ROOT_STEPS = 80
ROOT_ACCURACY = 1e-14  # of the step in which a crossing lies

Rate = Callable[[Array, Array, Any], Array]
# (t, h, state, each) -> state after one step, and its error
Step = Callable[[Array, Array, Array, Any], tuple[Array, Array]]
# functions whose zeros count (m,), and a number whose largest value is kept
Watch = Callable[[Array, Array, Any], tuple[Array, Array]]


class Lanes(eqx.Module):
    """Packets on their way, leading axis B.

    Attributes
    ----------
    time, step, end : (B,)
        Now, the next step to try, and where to stop.
    state : (B, n)
    watched : (B, m)
        Values of the watched functions now, or just after the last crossing.
    crossing : (B,)
        Length of the step that crosses a zero; 0 where none does.
    largest : (B,)
        Largest value of the number that is watched.
    steps : (B,)
        Steps tried.
    active : (B,) bool
    """

    time: Array
    step: Array
    end: Array
    state: Array
    watched: Array
    crossing: Array
    largest: Array
    steps: Array
    active: Array


def runge_kutta(
    rate: Rate, t: Array, h: Array, state: Array, each: Any, lower: Array | float = 0.0
) -> tuple[Array, Array]:
    """State after one step, and its error; one packet.  ``lower`` = 1 takes the solution of the seventh order."""

    def stage(i: Array, slopes: Array) -> Array:
        return slopes.at[i].set(rate(t + nodes[i] * h, state + h * (coupling[i] @ slopes), each))

    nodes, coupling = jnp.asarray(_NODES), jnp.asarray(_COUPLING)
    slopes = jax.lax.fori_loop(0, STAGES, stage, jnp.zeros((STAGES, state.shape[0])))
    error = h * (jnp.asarray(_ERROR) @ slopes)
    return state + h * (jnp.asarray(_WEIGHTS) @ slopes) - lower * error, error


def advance(
    step: Step,
    watch: Watch,
    each: Any,
    lanes: Lanes,
    directions: Array,
    tolerance: Array,
    most: Array,
    fewest: Array | int = 0,
    patience: Array | int = 0,
    fixed: Array | None = None,
) -> Lanes:
    """All packets to their ends, to a crossing, or through ``most`` steps; ``each`` holds constants of every packet.

    Ends where after ``patience`` steps no more than ``fewest`` packets are still on their way: those go on in another
    batch.

    ``fixed``: length of steps that do not adapt, but for being halved where one fails.

    ``directions`` (m,): +1, -1 where only rising, falling zeros of a watched function count, 0 for both.  Pure kernel.
    """

    def one(lane: Lanes, args: Any) -> Lanes:
        whole = lane.time + lane.step >= lane.end
        tried = jnp.where(whole, lane.end - lane.time, lane.step)
        state, error = step(lane.time, tried, lane.state, args)
        size = jnp.sqrt(jnp.mean((error / tolerance) ** 2))
        size = jnp.where(jnp.isfinite(size), size, jnp.inf)
        factor = jnp.clip(SAFETY * jnp.maximum(size, 1e-30) ** (-1 / ORDER), SMALLEST_FACTOR, LARGEST_FACTOR)
        keep = size <= 1
        there, number = watch(lane.time + tried, state, args)
        turned = (there * lane.watched < 0) & (there * directions >= 0)
        crossed = keep & jnp.any(turned)
        moved = keep & ~crossed
        # a step cut short by the end says little about how long the next may be
        following = jnp.where(whole & keep, jnp.maximum(lane.step, tried * factor), tried * factor)
        if fixed is not None:
            following = jnp.where(keep, fixed, 0.5 * tried)
        return Lanes(
            jnp.where(moved, jnp.where(whole, lane.end, lane.time + tried), lane.time),
            jnp.where(crossed, lane.step, following),
            lane.end,
            jnp.where(moved, state, lane.state),
            jnp.where(moved & (there != 0), there, lane.watched),
            jnp.where(crossed, tried, 0.0),
            jnp.where(moved, jnp.maximum(lane.largest, number), lane.largest),
            lane.steps + 1,
            ~crossed & ~(moved & whole) & (lane.steps + 1 < most),
        )

    def body(lanes: Lanes) -> Lanes:
        tried = jax.vmap(one)(lanes, each)

        def choose(a: Array, b: Array) -> Array:
            return jnp.where(lanes.active.reshape(-1, *[1] * (a.ndim - 1)), a, b)

        return jax.tree.map(choose, tried, lanes)

    def unfinished(lanes: Lanes) -> Array:
        left = jnp.sum(lanes.active)
        return (left > fewest) | ((left > 0) & (jnp.max(lanes.steps) < patience))

    return jax.lax.while_loop(unfinished, body, lanes)


def locate(step: Step, watch: Watch, each: Any, lanes: Lanes, which: Array) -> tuple[Array, Array]:
    """Step to the crossing of the watched function ``which``, and the state there; inf where it does not cross.

    Bisection with inverse interpolation (Illinois), every trial a step from the lane's beginning; a pure kernel.
    """

    def one(lane: Lanes, args: Any) -> tuple[Array, Array]:
        before = lane.watched[which]

        def improve(carry: tuple[Any, ...]) -> tuple[Any, ...]:
            low, high, at_low, at_high, state, count = carry
            first = count == 0
            h = (low * at_high - high * at_low) / (at_high - at_low)
            h = jnp.where((h > low) & (h < high), h, 0.5 * (low + high))
            # every third trial halves, so that flat functions end too; the first one is the whole step
            h = jnp.where(first, high, jnp.where(count % 3 == 0, 0.5 * (low + high), h))
            there, _ = step(lane.time, h, lane.state, args)
            found = watch(lane.time + h, there, args)[0][which]
            same = ~first & (found * at_low > 0)
            return (
                jnp.where(same, h, low),
                jnp.where(same, high, h),
                jnp.where(same, found, jnp.where(first, 1.0, 0.5) * at_low),
                jnp.where(same, 0.5 * at_high, found),
                jnp.where(same, state, there),
                count + 1,
            )

        def crosses(at_high: Array, count: Array) -> Array:
            return (before * at_high < 0) | ((at_high == 0) & (count > 1))

        def unfinished(carry: tuple[Any, ...]) -> Array:
            low, high, _, at_high, _, count = carry
            wide = (high - low > ROOT_ACCURACY * lane.crossing) & (count < ROOT_STEPS)
            return (count == 0) | (crosses(at_high, count) & (at_high != 0) & wide)

        begin = (jnp.zeros(()), lane.crossing, before, before, lane.state, jnp.zeros((), dtype=int))
        _, root, _, at_root, state, count = jax.lax.while_loop(unfinished, improve, begin)
        return jnp.where(crosses(at_root, count), root, jnp.inf), state

    return jax.vmap(one)(lanes, each)
