"""Tasks that move wave packets: from tables of a job to the arguments of `propagate`, checked before anything moves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.cli.load_model import load_function
from blochflow.core.checks import fail
from blochflow.core.errors import DegenerateBandsError, NonFiniteError, UserModelError

if TYPE_CHECKING:
    import xarray as xr

    from blochflow.cli.job import Job, Task
    from blochflow.dynamics.starts import Model
    from blochflow.models.packets import WavePacket

# Of an ensemble, and states to choose from in a collision: enough to find out what is wrong with them.
CHECKED_PACKETS = 1024
# What a user's functions return is checked where they are called; these messages name the argument.
FIELDS = ("electric_field", "magnetic_field")


@dataclass(frozen=True)
class Motion:
    """Arguments of `propagate`."""

    packets: WavePacket
    times: list[float]
    options: dict[str, Any]


def motion_of(job: Job, task: Task, model: Model, *, most: int | None = None) -> Motion:
    """The arguments of a task; of an ensemble no more than ``most`` packets of each band.

    Raises
    ------
    JobError
        At the key that is wrong.
    """
    key = job.key_of(task)
    given = dict(task.arguments)
    packet, ensemble, times = given.pop("packet", None), given.pop("ensemble", None), given.pop("times")
    for name in FIELDS:
        if isinstance(given.get(name), str):
            given[name] = load_function(job, given[name], f"{key}.{name}")
    with located(job, key, task.arguments, outside=dict.fromkeys(("dressed", "active", "bands"), f"{key}.theory")):
        given["theory"] = theory_of(given.get("theory", "adiabatic"))
    given["events"] = [_event_of(job, event, f"{key}.events[{i}]") for i, event in enumerate(given.get("events", ()))]
    if "collisions" in given:
        given["collisions"] = _collisions_of(job, given["collisions"], f"{key}.collisions")
    if ensemble is None:
        with located(job, f"{key}.packet", packet):
            return Motion(packets_of(packet), times, given)
    if "distribution" in ensemble:
        name = f"{key}.ensemble.distribution"
        ensemble = {**ensemble, "distribution": load_function(job, ensemble["distribution"], name)}
    with located(job, f"{key}.ensemble", ensemble, outside={"magnetic_field": f"{key}.magnetic_field"}):
        try:
            return Motion(_ensemble_of(model, ensemble, given, most), times, given)
        except (DegenerateBandsError, NonFiniteError, UserModelError) as exc:
            raise job.error(str(exc), f"{key}.ensemble") from exc


def check_motion(job: Job, model: Model) -> None:
    """Everything `propagate` would refuse in the tasks of a job.

    Raises
    ------
    JobError
        At the key that is wrong.
    """
    for index, task in enumerate(job.tasks):
        if task.quantity == "propagate":
            _check(job, task, model, f"task[{index}]")


def compute_motion(job: Job, task: Task, model: Model) -> xr.Dataset:
    """Move the packets of a task; one that stops is a result, not an exception."""
    from blochflow.execution.threads import Execution
    from blochflow.nonadiabatic.trajectories import propagate

    motion = motion_of(job, task, model)
    execution = Execution(**job.execution)
    result = propagate(
        model, motion.packets, motion.times, **motion.options, **_tolerance(task), execution=execution, throw=False
    )
    if "ensemble" in task.arguments:
        result.attrs["ensemble"] = ", ".join(f"{k} = {v}" for k, v in task.arguments["ensemble"].items())
    return result


def moved(job: Job, task: Task, model: Model, motion: Motion, rows: np.ndarray, share: float) -> xr.Dataset:
    """What becomes of some of the packets in the first share of the time, without an estimate of the error."""
    from blochflow.execution.threads import Execution
    from blochflow.nonadiabatic.trajectories import propagate

    given = motion.packets
    values = {x: getattr(given, x)[rows] for x in ("position", "wavevector", "band", "weight")}
    values["amplitudes"] = None if given.amplitudes is None else given.amplitudes[rows]
    first, last = motion.times[0], motion.times[-1]
    options = {**motion.options, "estimate_error": False, **_tolerance(task), "throw": False}
    execution = Execution(**{**job.execution, "progress": False})
    times = [first, first + share * (last - first)]
    return propagate(model, replace(given, **values), times, **options, execution=execution)


def _tolerance(task: Task) -> dict[str, Any]:
    from blochflow.zone.tolerance import Tolerance

    return {} if task.tolerance is None else {"tolerance": Tolerance(**task.tolerance)}


def _check(job: Job, task: Task, model: Model, key: str) -> None:
    from blochflow.core.checks import as_times
    from blochflow.dynamics import arguments
    from blochflow.dynamics.events import as_events
    from blochflow.dynamics.starts import scale_of
    from blochflow.models.fields import as_fields
    from blochflow.models.packets import as_packets
    from blochflow.nonadiabatic.theories import as_theory

    motion = motion_of(job, task, model, most=CHECKED_PACKETS)
    given = motion.options
    source = "packet" if "packet" in task.arguments else "ensemble"
    with located(job, key, task.arguments):
        fields = as_fields(given.get("electric_field"), given.get("magnetic_field"), model.dimension, model.units)
        theory = as_theory(given["theory"])
        arguments.as_conserving(given.get("conserving_step"), model, fields, theory)
        times = as_times(motion.times)
    for i, event in enumerate(given["events"]):
        with located(job, f"{key}.events[{i}]", task.arguments["events"][i]):
            as_events(event, model)
    with located(job, f"{key}.{source}", task.arguments[source]):
        packets = as_packets(motion.packets, model.dimension, model.num_bands)
        try:
            scale = scale_of(model, packets, float(times[0]))
            outside = {name: f"{key}.{name}" for name in ("magnetic_field",) if name in given}
            outside |= dict.fromkeys(("active", "dressed"), f"{key}.theory")
            with located(job, f"{key}.{source}", task.arguments[source], outside):
                theory = theory.settled(model, packets, fields, float(times[0]), scale)
        except (DegenerateBandsError, NonFiniteError) as exc:
            raise job.error(str(exc), f"{key}.{source}") from exc
    inside = {name: f"{key}.collisions.{name}" for name in task.arguments.get("collisions", ())}
    with located(job, key, task.arguments, outside=inside):
        few = given.get("collisions")
        few = few and replace(few, table=CHECKED_PACKETS)
        arguments.as_scatterer(few, given.get("seed"), model, fields, theory, 1.0 if times[-1] >= times[0] else -1.0)


@contextmanager
def located(job: Job, key: str, table: Any, outside: dict[str, str] | None = None) -> Iterator[None]:
    """Turn ``Argument `x` must ...`` into an error at ``key.x`` where the table holds x, or elsewhere, else at key."""
    try:
        yield
    except (ValueError, UserModelError) as exc:
        named = re.match(r"(?:Argument )?`(\w+)", str(exc))
        name = named.group(1) if named else ""
        places = {x: f"{key}.{x}" for x in table} | (outside or {})
        raise job.error(str(exc), places.get(name, key)) from exc


def check_each(job: Job, suits: Callable[[str], bool], check: Callable[[Task], object]) -> None:
    """``check(task)`` of all tasks whose quantity ``suits``; what it refuses is an error at its place in the job."""
    for index, task in enumerate(job.tasks):
        if suits(task.quantity):
            key = f"task[{index}]"
            with located(job, key, task.arguments, outside={"model": f"{key}.quantity"}):
                check(task)


def theory_of(value: Any) -> Any:
    """A name, or the terms of the adiabatic theory."""
    from blochflow.dynamics.equations import Adiabatic
    from blochflow.nonadiabatic.ehrenfest import Ehrenfest
    from blochflow.nonadiabatic.manifold import Manifold

    if not isinstance(value, dict):
        return value
    kinds: dict[str, Any] = {"adiabatic": Adiabatic, "ehrenfest": Ehrenfest, "manifold": Manifold}
    terms = dict(value)
    return kinds[terms.pop("name", "adiabatic")](**terms)


def packets_of(table: dict[str, Any]) -> WavePacket:
    """The packets of a table."""
    from blochflow.models.packets import WavePacket

    ragged = next((name for name, value in table.items() if not _even(value)), None)
    if ragged is not None:
        raise fail(ragged, "have as many numbers for each packet", f"is {table[ragged]}")
    return WavePacket(**table)


def _even(value: Any) -> bool:
    """Whether nested arrays have equal lengths."""
    try:
        np.asarray(value, dtype=complex)
    except ValueError:
        return False
    return True


def _ensemble_of(model: Model, table: dict[str, Any], given: dict[str, Any], most: int | None) -> WavePacket:
    from blochflow.dynamics.ensemble import GROUPS, ensemble
    from blochflow.dynamics.equations import Adiabatic
    from blochflow.models.base import AbstractModel

    if not isinstance(model, AbstractModel):
        raise fail("mu", "be replaced by `packet` for models that vary in space or time", f"is given for {model.name}")
    if not _even(table.get("region", 0)):
        raise fail("region", "hold the least and the largest x along every axis", f"is {table['region']}")
    numbers = dict(table)
    if most is not None and numbers["count"] % GROUPS == 0:
        numbers["count"] = min(numbers["count"], most)
    theory = given["theory"] if isinstance(given["theory"], Adiabatic) else None
    return ensemble(model, **numbers, magnetic_field=given.get("magnetic_field"), theory=theory)


def _event_of(job: Job, table: dict[str, Any], key: str) -> Any:
    from blochflow.dynamics.events import Event

    options = dict(table)
    make = getattr(Event, options.pop("kind"))
    if "function" in options:
        options["function"] = load_function(job, options["function"], f"{key}.function")
    with located(job, key, table):
        return make(**options)


def _collisions_of(job: Job, table: dict[str, Any], key: str) -> Any:
    from blochflow.cli.runner import disorder_of
    from blochflow.dynamics.collisions import Collisions

    options = dict(table)
    if isinstance(options.get("tau"), list):
        raise job.error("expected one number; a motion has one relaxation time.", f"{key}.tau")
    if isinstance(options.get("tau"), str):
        options["tau"] = load_function(job, options["tau"], f"{key}.tau")
    if "disorder" in options:
        options["disorder"] = disorder_of(options["disorder"])
    with located(job, key, table):
        return Collisions(**options)
