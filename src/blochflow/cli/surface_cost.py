"""Predicted cost of a Fermi surface: the detection grid is known, the points on the surface are not.

time >= (cells of the grid) * (time per k of the second, compiled run on a small grid)
"""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING

from blochflow.cli.cost import Cost
from blochflow.cli.formats import duration, memory
from blochflow.cli.runner import compute

if TYPE_CHECKING:
    from blochflow.cli.job import Job, Task
    from blochflow.models.base import AbstractModel

TRIAL_CELLS = 8  # per axis


def predict_surface(job: Job, task: Task, model: AbstractModel) -> Cost:
    """Time the task twice on a coarse grid; the second time nothing is compiled."""
    from blochflow.geometry.fermi_surface import check_arguments

    given = task.arguments
    box, _ = check_arguments(model, given["mu"], given.get("grid"), given.get("points"), given.get("color"))
    trial = dataclasses.replace(task, arguments={**given, "grid": TRIAL_CELLS})
    seconds, evaluations = 0.0, 1
    for _ in range(2):
        started = time.perf_counter()
        result = compute(job, trial, model)
        seconds, evaluations = time.perf_counter() - started, int(result.attrs["evaluations"])
    cells = math.prod(box[0].cells)
    # energies and gradients of the grid, and matrices of one batch
    size = cells * model.num_bands * 8 * (1 + model.dimension)
    spent = duration(cells * seconds / evaluations)
    return Cost(f"{cells:,} and those on the surface", f"at least {spent}", memory(size))
