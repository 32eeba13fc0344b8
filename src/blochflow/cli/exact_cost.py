"""Predicted cost of a quantum reference: diagonalizations of large matrices, from a run with a loose tolerance.

Grids of k are doubled until two agree: each doubling takes four times the points in a magnetic flux, twice those along
a ribbon, and 2^d times those of density matrices.  The upper end stands for two doublings more than the trial needed.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from blochflow.cli.cost import LOOSE, Cost, quietly
from blochflow.cli.report import duration, memory

if TYPE_CHECKING:
    from blochflow.cli.job import Job, Task
    from blochflow.models.base import AbstractModel

DOUBLINGS = 2
# complex matrices, eigenvectors and work space of one element
ELEMENT_BYTES = 96


def predict_exact(job: Job, task: Task, model: AbstractModel) -> Cost:
    """Time one run with a loose tolerance; nothing is compiled."""
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
    size = ELEMENT_BYTES * max(BATCH_ELEMENTS, rows**2)
    if matrices and not ribbon:
        from blochflow.exact._liouville import bytes_of

        # the finest of the grids, of which most were a part
        finest = growth * low * (1 - 0.5**model.dimension)
        most = Execution(**job.execution).memory_bytes
        return Cost(
            f"{low:,} to {growth * low:,} matrices of {rows} rows",
            f"{duration(seconds)} to {duration(growth * seconds)}",
            memory(min(most, bytes_of(finest, model.num_bands))),
        )
    points = f"{low:,} to {growth * low:,} matrices of up to {rows} rows"
    spent = f"{duration(seconds)} to {duration(growth * seconds)}"
    return Cost(points, spent, memory(size * Execution(**job.execution).threads(size)))
