"""Compute the tasks of a job and write their results, one file per task."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blochflow.cli.quantities import positional_of
from blochflow.core.errors import JobError

if TYPE_CHECKING:
    import xarray as xr

    from blochflow.cli.job import Job, Task
    from blochflow.models.base import AbstractModel


@dataclass(frozen=True)
class Finished:
    """A task that is done."""

    task: Task
    result: xr.Dataset
    file: Path
    seconds: float


def output_files(job: Job, out: Path | None) -> list[Path]:
    """Where each result goes: OUT itself if it ends in .nc, else OUT/NAME.nc.

    Without OUT: NAME.nc of the job for one task, a folder of the job's name for several, in the current folder.

    Raises
    ------
    JobError
        A file for several tasks, or a place that cannot be written to.
    """
    if out is None:
        out = Path(job.path.stem + (".nc" if len(job.tasks) == 1 else ""))
    if out.suffix == ".nc":
        if len(job.tasks) > 1:
            message = f"{out} is one file, but the job has {len(job.tasks)} tasks; give a folder."
            raise JobError(message, path="-o", key=str(out))
        files = [out]
    else:
        files = [out / f"{task.name}.nc" for task in job.tasks]
    for file in files:
        _check_writable(file)
    return files


def _check_writable(file: Path) -> None:
    """Refuse what could only fail after the computation."""
    existing = file.parent
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise JobError(f"{existing} is not a folder.", path="-o", key=str(file))
    try:
        # permissions say nothing to root, nor about full or read-only disks: try it
        with tempfile.NamedTemporaryFile(prefix=".blochflow.", dir=existing):
            pass
    except OSError as exc:
        message = f"cannot write to {existing.resolve()} ({exc.strerror or exc})."
        raise JobError(message, path="-o", key=str(file)) from exc
    if file.is_dir():
        raise JobError("this is a folder; the result is a file.", path="-o", key=str(file))


def compute(job: Job, task: Task, model: AbstractModel) -> xr.Dataset:
    """Call the function of a task; not converged is a result, not an exception."""
    from blochflow.execution.threads import Execution
    from blochflow.zone.tolerance import Tolerance

    options = dict(task.arguments)
    if "reference" in options:
        options["reference"] = job.path.parent / options["reference"]
    positional = [options.pop(name, None) for name in positional_of(task.quantity)]
    function = function_of(task.quantity)
    if task.quantity == "fermi_surface":
        return function(model, *positional, **options, execution=Execution(**job.execution)).to_dataset()  # type: ignore[no-any-return]
    if task.tolerance is None:
        return function(model, *positional, **options)  # type: ignore[no-any-return]
    tolerance, execution = Tolerance(**task.tolerance), Execution(**job.execution)
    return function(model, *positional, **options, tolerance=tolerance, execution=execution, throw=False)  # type: ignore[no-any-return]


def function_of(quantity: str) -> Any:
    """The public function of a quantity."""
    if quantity == "bands":
        from blochflow.geometry.band_structure import band_structure

        return band_structure
    if quantity == "fermi_surface":
        from blochflow.geometry.fermi_surface import fermi_surface

        return fermi_surface
    from blochflow import response

    return getattr(response, quantity)


def run_task(job: Job, task: Task, model: AbstractModel, file: Path) -> Finished:
    """Compute a task and write its file."""
    from blochflow.core.files import save

    started = time.perf_counter()
    result = compute(job, task, model)
    result.attrs["task"] = task.name
    result.attrs["job"] = job.path.name
    file.parent.mkdir(parents=True, exist_ok=True)
    save(result, file)
    return Finished(task, result, file, time.perf_counter() - started)


def is_converged(result: xr.Dataset) -> bool:
    """True when every state met its tolerance, and every sheet of a Fermi surface is resolved."""
    if result.attrs.get("quantity") == "fermi_surface":
        return result.attrs.get("status") == "CONVERGED"
    return "converged" not in result or bool(result["converged"].values.all())


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    import resource
    import sys

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(used if sys.platform == "darwin" else used * 1024)
