"""Predicted cost of a quantum reference: diagonalizations of large matrices, from a run with a loose tolerance.

Grids of k are doubled until two agree: each doubling takes four times the points in a magnetic flux, twice those along
a ribbon, and 2^d times those of density matrices.  The upper end stands for two doublings more than the trial needed.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from blochflow.cli.cost import LOOSE, Cost, quietly
from blochflow.cli.formats import duration, memory
from blochflow.cli.quantities import EVOLUTION

if TYPE_CHECKING:
    from blochflow.cli.job import Job, Task
    from blochflow.models.base import AbstractModel

DOUBLINGS = 2
# complex matrices, eigenvectors and work space of one element
ELEMENT_BYTES = 96


def predict_exact(job: Job, task: Task, model: AbstractModel) -> Cost:
    """Time one run with a loose tolerance; nothing is compiled."""
    from blochflow.exact import _liouville, _liouville_time
    from blochflow.exact.thermodynamics import BATCH_ELEMENTS
    from blochflow.execution.threads import Execution

    tolerance = {**(task.tolerance or {}), "rtol": max(LOOSE, (task.tolerance or {}).get("rtol", LOOSE))}
    started = time.perf_counter()
    result = quietly(job, [dataclasses.replace(task, tolerance=tolerance)], model)
    seconds, low = time.perf_counter() - started, int(result.attrs["evaluations"])
    ribbon, matrices = "width" in result.attrs, "q" not in result.attrs
    growth = (2 if ribbon else 2**model.dimension if matrices else 4) ** DOUBLINGS
    cells = result.attrs["width"] if ribbon else 1 if matrices else 2 * result.attrs["q"]
    rows = model.num_bands * int(cells)
    execution = Execution(**job.execution)
    if matrices and not ribbon:
        # all of the finest grid, which has most of the points
        finest = growth * low * (1 - 0.5**model.dimension)
        module = _liouville_time if task.quantity == EVOLUTION else _liouville
        size = min(float(execution.memory_bytes), module.bytes_of(finest, model.num_bands))
    else:
        size = ELEMENT_BYTES * max(BATCH_ELEMENTS, rows**2)
        size *= execution.threads(size)
    points = f"{low:,} to {growth * low:,} matrices of up to {rows} rows"
    spent = f"{duration(seconds)} to {duration(growth * seconds)}"
    return Cost(points, spent, memory(size))
