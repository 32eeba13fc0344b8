"""Predicted cost of a task: k points, time and memory, from timing a cheap version of it after compilation.

    time = (k points) * (time per k of the second, compiled run)

A fixed grid has a known number of k points.  Otherwise the task is run with a loose tolerance: what it needed is the
lower end, and the upper end follows from how rules of this order converge.  Sampled metals with many bands need a known
number of coarse cells.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.cli.field_tasks import evaluations_of, model_of
from blochflow.cli.formats import duration, memory
from blochflow.cli.quantities import is_field
from blochflow.cli.runner import compute, compute_together, is_converged
from blochflow.core.errors import BlochflowWarning
from blochflow.zone.grids import automatic_base

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from blochflow.cli.job import Job, Task
    from blochflow.models.base import AbstractModel

TRIAL_POINTS = 64  # of a path
LOOSE = 1e-2
# Points of a trial in cells; where they do not suffice, all that is known is the limit of the task.
TRIAL_MOST = 100_000
# Points of the cell rules grow at most like tolerance^-0.25 in the cases measured.
GROWTH = 0.25


@dataclass(frozen=True)
class Cost:
    """Texts for the table of `blochflow check`."""

    points: str
    time: str
    memory: str


@dataclass(frozen=True)
class Estimate:
    """Fewest and most k points, seconds for each of them, and bytes in flight."""

    low: int
    high: int
    per_point: float
    memory: int


def predict(job: Job, task: Task, model: AbstractModel, others: Sequence[Task] = ()) -> Cost:
    """Cost of a task with ``others`` of the same pass."""
    found = estimate(job, task, model, others)
    low, high = found.low, found.high
    points = f"{low:,}" if low == high else f"{low:,} to {high:,} (refined until converged)"
    spent = duration(low * found.per_point)
    return Cost(
        points, spent if low == high else f"{spent} to {duration(high * found.per_point)}", memory(found.memory)
    )


def estimate(job: Job, task: Task, model: AbstractModel, others: Sequence[Task] = ()) -> Estimate:
    """Time the task twice on few k points; the second time nothing is compiled."""
    from blochflow.execution.threads import Execution
    from blochflow.response.uniform import batch_size

    # of a texture any place will do
    uniform = model_of(task, model)
    trials = [_trial(each, uniform) for each in (task, *others)]
    seconds, evaluations = 0.0, 1
    for _ in range(2):
        started = time.perf_counter()
        result = quietly(job, trials, model)
        # none where every state is an exact zero at T = 0
        seconds, evaluations = time.perf_counter() - started, max(1, int(result.attrs["evaluations"]))
    per_point = seconds / evaluations
    low, high = _range(task, uniform, evaluations, is_converged(result))
    if task.tolerance is None:
        size, threads = model.num_bands**2 * 16 * (4 + 2 * model.dimension) * low, 1
    else:
        states = int(np.prod([np.size(task.arguments.get(name, 1)) for name in ("mu", "density", "temperature")]))
        size = batch_size(uniform, states)[-1]
        threads = Execution(**job.execution).threads(size)
    return Estimate(low, high, per_point, size * threads)


def _trial(task: Task, model: AbstractModel) -> Task:
    """The same task on as few k points as it can use."""
    arguments = dict(task.arguments)
    if task.tolerance is None:
        arguments["points"] = min(arguments.get("points", 200), max(TRIAL_POINTS, 4 * len(str(arguments["path"]))))
        return dataclasses.replace(task, arguments=arguments)
    tolerance = {**task.tolerance, "max_evaluations": None}
    if model.lattice is not None and (_on_grid(task) or _sampled(task, model)):
        arguments |= {"grid": automatic_base(np.asarray(model.lattice.reciprocal))}
        arguments.pop("rule", None)
    else:
        tolerance["rtol"] = max(LOOSE, task.tolerance["rtol"])
        tolerance["max_evaluations"] = _trial_limit(model, tolerance)
    return dataclasses.replace(task, arguments=arguments, tolerance=tolerance)


def _trial_limit(model: AbstractModel, tolerance: dict[str, Any]) -> int:
    """Points a trial in cells may use."""
    from blochflow.response.zone_options import least_evaluations
    from blochflow.zone.tolerance import Tolerance

    return max(TRIAL_MOST, least_evaluations(model, Tolerance(**tolerance)))


def _on_grid(task: Task) -> bool:
    """True for uniform grids, fixed or doubled."""
    return task.arguments.get("grid") is not None or task.arguments.get("rule") == "uniform"


def _sampled(task: Task, model: AbstractModel) -> bool:
    """True where random shifts are the rule."""
    from blochflow.response.average import MOST_CERTIFIED

    rule = task.arguments.get("rule", "auto")
    many = model.dimension == 3 and model.num_bands > MOST_CERTIFIED
    return rule in ("shifted", "local") or (rule == "auto" and many and task.quantity != "chemical_potential")


def _range(task: Task, model: AbstractModel, evaluations: int, enough: bool) -> tuple[int, int]:
    """Fewest and most k points; ``evaluations`` are those of the trial, which may not have been ``enough``."""
    from blochflow.response.uniform import plan_grid
    from blochflow.zone.tolerance import Tolerance

    passes = evaluations_of(task) if is_field(task.quantity) else 1
    if task.tolerance is None:
        points = int(task.arguments.get("points", 200)) * passes
        return points, points
    tolerance = Tolerance(**task.tolerance)
    limit = tolerance.evaluations(model.dimension)
    if _sampled(task, model) and not _on_grid(task):
        from blochflow.response.local_average import SHIFTS, default_rule

        rule = default_rule(model)
        first = SHIFTS * int(np.prod(rule.cells)) * rule.nodes**model.dimension
        return first, max(2 * first, limit)
    if not _on_grid(task):
        growth = 2 * (LOOSE / max(min(LOOSE, tolerance.rtol), 1e-12)) ** GROWTH
        most = max(passes * limit, evaluations)
        return evaluations, min(most, int(growth * evaluations)) if enough else most
    nested, levels = plan_grid(model, task.arguments.get("grid"), task.arguments.get("shift", 0.0), tolerance)
    if levels is not None:
        return passes * nested.count(levels - 1), passes * nested.count(levels - 1)
    level = 0
    while nested.count(level + 1) <= limit:
        level += 1
    return passes * nested.count(min(level, 1)), passes * nested.count(level)


def quietly(job: Job, tasks: Sequence[Task], model: AbstractModel) -> xr.Dataset:
    """Compute without warnings, which belong to the real run; the first of the results."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlochflowWarning)
        return compute(job, tasks[0], model) if len(tasks) == 1 else compute_together(job, tasks, model)[0]
