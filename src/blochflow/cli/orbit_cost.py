"""Predicted cost of orbits: a single plane, field, level or packet on a coarse grid, timed after compilation.

    time = (number of planes, levels or packets) * (time of one)

Curves that are hard to resolve and the search for extremal orbits need more; that is known when they are found.
"""

from __future__ import annotations

import dataclasses
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.cli.cost import Cost
from blochflow.cli.formats import duration, memory
from blochflow.cli.orbit_tasks import compute_orbits, request_of
from blochflow.core.errors import BlochflowWarning
from blochflow.dynamics.orbit_catalog import BLOCH_OSCILLATION, CYCLOTRON_ORBITS, LANDAU_LEVELS

if TYPE_CHECKING:
    from blochflow.cli.job import Job, Task
    from blochflow.models.base import AbstractModel

TRIAL_CELLS = 12


def predict_orbits(job: Job, task: Task, model: AbstractModel) -> Cost:
    """Texts for `blochflow check`."""
    request, given = request_of(task, model), task.arguments
    if task.quantity == BLOCH_OSCILLATION.name:
        k, count = np.atleast_2d(given["k"]), len(request[0])
        seconds, _ = _timed(job, task, model, {"k": k[:1].tolist()})
        return Cost(f"{_many(count, 'line')}, refined until converged", f"about {duration(count * seconds)}", "small")
    coarse: dict[str, Any] = {"grid": min(TRIAL_CELLS, request.cells)}
    cells = request.cells**2
    if task.quantity == CYCLOTRON_ORBITS.name:
        count, what = len(request.energies) * len(request.planes), "plane"
        coarse |= {"energy": given["energy"][:1]}
        coarse |= {"k_parallel": given["k_parallel"][:1]} if "k_parallel" in given else {}
        seconds, _ = _timed(job, task, model, coarse)
    elif task.quantity == LANDAU_LEVELS.name:
        coarse |= {"magnetic_field": float(request.values[0]), "levels": 1}
        seconds, found = _timed(job, task, model, coarse)
        count, what = len(request.values) * found.sizes["pocket"] * request.count, "level"
        # pockets are found once, levels are solved one by one
        twice, _ = _timed(job, task, model, coarse | {"levels": 2})
        rows = len(request.values) * request.count
        seconds = (seconds + (rows - 1) * max(0.0, twice - seconds)) / max(1, count)
    else:
        # the curves of one plane stand for every plane of the scan
        first = request.fields[0]
        coarse |= {"energy": given["mu"][:1], "magnetic_field": first.tolist() if len(first) == 3 else float(first[0])}
        seconds, _ = _timed(job, dataclasses.replace(task, quantity=CYCLOTRON_ORBITS.name, arguments={}), model, coarse)
        count, what = len(request.levels) * _directions(request.fields, model.dimension), "surface"
        if model.dimension == 3:
            count, what = count * request.planes, "plane"
    size = memory(cells * model.num_bands * 8 * (1 + model.dimension))
    grid = f"about {request.cells} x {request.cells} points and those on the curves"
    return Cost(f"{_many(count, what)}, {grid}", f"roughly {duration(max(1, count) * seconds)}, or more", size)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _directions(fields: np.ndarray, dimension: int) -> int:
    """Curves are found once for each direction of the field."""
    if dimension == 2:
        return 1
    return len(np.unique((fields / np.linalg.norm(fields, axis=1)[:, None]).round(12), axis=0))


def _timed(job: Job, task: Task, model: AbstractModel, changed: dict[str, Any]) -> tuple[float, Any]:
    """Seconds of the second, compiled run of a part of the task, and its result."""
    trial = dataclasses.replace(task, arguments={**task.arguments, **changed})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlochflowWarning)
        compute_orbits(job, trial, model)
        started = time.perf_counter()
        result = compute_orbits(job, trial, model)
    return time.perf_counter() - started, result
