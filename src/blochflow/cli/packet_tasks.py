"""Tasks that evolve wave packets exactly, alone or beside theories of motion: checked before anything is evolved."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blochflow.cli.cost import Cost
from blochflow.cli.formats import duration, memory
from blochflow.cli.load_model import load_function
from blochflow.cli.motion import located, packets_of, theory_of
from blochflow.cli.quantities import EXACT, is_packet
from blochflow.core.errors import BlochflowWarning

if TYPE_CHECKING:
    import xarray as xr

    from blochflow.cli.job import Job, Task
    from blochflow.dynamics.theory import Model

# The trial of `blochflow check` begins with this share of the time, and takes four times more until it lasts this long.
FIRST_SHARE, LONGER, ENOUGH_SECONDS = 1e-3, 4.0, 0.5


@dataclass(frozen=True)
class Evolution:
    """Arguments of `exact.lattice_packet` or `exact.compare`: the packets, the times, the others."""

    packets: Any
    times: list[float]
    options: dict[str, Any]


def evolution_of(job: Job, task: Task) -> Evolution:
    """The arguments of a task.

    Raises
    ------
    JobError
        At the key that is wrong.
    """
    from blochflow.zone.tolerance import Tolerance

    key, given = job.key_of(task), dict(task.arguments)
    packet, times = given.pop("packet"), given.pop("times")
    if isinstance(given.get("electric_field"), str):
        given["electric_field"] = load_function(job, given["electric_field"], f"{key}.electric_field")
    if "theories" in given:
        with located(job, key, task.arguments):
            given["theories"] = [theory_of(theory) for theory in given["theories"]]
    if task.tolerance is not None:
        given["tolerance"] = Tolerance(**task.tolerance)
    with located(job, f"{key}.packet", packet):
        return Evolution(packets_of(packet), times, given)


def check_packets(job: Job, model: Model) -> None:
    """Everything that these functions would refuse.

    Raises
    ------
    JobError
        At the key that is wrong.
    """
    from blochflow.exact._compare import check_theories, settled_theories
    from blochflow.exact.packet_plan import as_plan

    for task in job.tasks:
        if is_packet(task.quantity):
            key, asked = job.key_of(task), evolution_of(job, task)
            options = dict(asked.options)
            inside = {name: f"{key}.packet.{name}" for name in task.arguments["packet"]}
            inside |= dict.fromkeys(("active", "dressed"), f"{key}.theories")
            theories = options.pop("theories", ("adiabatic",))
            with located(job, key, task.arguments, outside={"width": f"{key}.packet", **inside}):
                check_theories(theories, options.pop("nodes", 1))
                plan = as_plan(model, asked.packets, asked.times, **_all(job, options))
                if task.quantity == f"{EXACT}compare":
                    settled_theories(theories, plan, options.get("electric_field"), options.get("magnetic_field"))


def compute_packets(job: Job, task: Task, model: Model) -> xr.Dataset:
    """Evolve the packets of a task; one that comes to an edge is a result, not an exception."""
    return _evolved(job, task, model, evolution_of(job, task), throw=False)


def predict_packets(job: Job, task: Task, model: Model) -> Cost:
    """Time the first part of the evolution: it takes as long as any other, per unit of time."""
    from blochflow.exact.packet_plan import as_plan
    from blochflow.exact.sample import bytes_needed

    asked = evolution_of(job, task)
    plain = {name: x for name, x in asked.options.items() if name not in ("theories", "nodes")}
    plan = as_plan(model, asked.packets, asked.times, **_all(job, plain))
    first, last, share = asked.times[0], asked.times[-1], FIRST_SHARE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlochflowWarning)
        while True:
            part = Evolution(asked.packets, [first, first + share * (last - first)], asked.options)
            _evolved(job, task, model, part, throw=False)  # compiles
            began = time.perf_counter()
            result = _evolved(job, task, model, part, throw=False)
            seconds = time.perf_counter() - began
            if share == 1 or seconds > ENOUGH_SECONDS:
                break
            share = min(1.0, LONGER * share)
    products = int(result.attrs["evaluations"])
    rows = plan.sample.cell_count * plan.hamiltonian.num_bands
    points = f"{round(products / share):,} products with H of {rows:,} rows"
    size = bytes_needed(plan.source, plan.sample.shape, asked.packets.count)
    # what does not grow with the time counts as if it did
    return Cost(points, f"at most {duration(seconds / share)}", memory(size))


def _evolved(job: Job, task: Task, model: Model, asked: Evolution, *, throw: bool) -> xr.Dataset:
    from blochflow import exact
    from blochflow.execution.threads import Execution

    function = getattr(exact, task.quantity.removeprefix(EXACT))
    execution = Execution(**job.execution)
    return function(model, asked.packets, asked.times, **asked.options, execution=execution, throw=throw)  # type: ignore[no-any-return]


def _all(job: Job, options: dict[str, Any]) -> dict[str, Any]:
    """Options of a plan with their defaults."""
    from blochflow.execution.threads import Execution

    names = ("electric_field", "magnetic_field", "center", "reference", "lattice_constant", "tolerance")
    defaults = dict.fromkeys(names) | {"envelope": "band", "execution": Execution(**job.execution)}
    return defaults | options
