"""Compute the tasks of a job and write their results, one file per task."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blochflow.cli.load_model import load_function
from blochflow.cli.quantities import (
    EXACT,
    PACKETS,
    PROFILE,
    is_exact,
    is_motion,
    is_orbit,
    is_packet,
    is_passage,
    positional_of,
)
from blochflow.core.errors import JobError
from blochflow.nonadiabatic.catalog import HYBRID_BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from blochflow.cli.job import Job, Task
    from blochflow.models.base import AbstractModel


# What a user may take for the format of a result.
OTHER_FILES = (".png", ".pdf", ".svg", ".csv", ".txt", ".json", ".toml", ".h5", ".hdf5", ".frmsf", ".bxsf")


@dataclass(frozen=True)
class Finished:
    """A task that is done; ``shared`` names the others of the same pass over the zone."""

    task: Task
    result: xr.Dataset
    file: Path
    seconds: float
    shared: tuple[str, ...] = ()


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
    if out.suffix.lower() in OTHER_FILES and not out.is_dir():
        message = f"{out} ends in {out.suffix}; results are .nc files, or go into a folder. See `plot` and `export`."
        raise JobError(message, path="-o", key=str(out))
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

    if is_motion(task.quantity):
        from blochflow.cli.motion import compute_motion

        return compute_motion(job, task, model)
    if is_packet(task.quantity):
        from blochflow.cli.packet_tasks import compute_packets

        return compute_packets(job, task, model)
    if is_orbit(task.quantity):
        from blochflow.cli.orbit_tasks import compute_orbits

        return compute_orbits(job, task, model)
    if is_passage(task.quantity):
        from blochflow.cli.passage_tasks import compute_passages

        return compute_passages(job, task, model)
    options = dict(task.arguments)
    if "reference" in options:
        options["reference"] = job.path.parent / options["reference"]
    for name in ("tau", "electric_field"):
        if isinstance(options.get(name), str):
            options[name] = load_function(job, options[name], f"{job.key_of(task)}.{name}")
    if "disorder" in options:
        options["disorder"] = disorder_of(options["disorder"])
    positional = [options.pop(name, None) for name in positional_of(task.quantity)]
    function = function_of(task.quantity)
    if task.quantity == "fermi_surface":
        return function(model, *positional, **options, execution=Execution(**job.execution)).to_dataset()  # type: ignore[no-any-return]
    if task.quantity == "symmetry_table":
        return function(model, **options).to_dataset()  # type: ignore[no-any-return]
    if task.tolerance is None:
        return function(model, *positional, **options)  # type: ignore[no-any-return]
    tolerance, execution = Tolerance(**task.tolerance), Execution(**job.execution)
    return function(model, *positional, **options, tolerance=tolerance, execution=execution, throw=False)  # type: ignore[no-any-return]


def disorder_of(table: dict[str, Any]) -> Any:
    """The `Disorder` of a table of a job."""
    from blochflow.disorder.potentials import Disorder

    numbers = dict(table)
    return getattr(Disorder, numbers.pop("kind"))(**numbers)


def compute_together(job: Job, tasks: Sequence[Task], model: AbstractModel) -> list[xr.Dataset]:
    """Results of tasks that share their states and options, from one pass over the zone."""
    from blochflow import response
    from blochflow.execution.threads import Execution
    from blochflow.zone.tolerance import Tolerance

    options = dict(tasks[0].arguments)
    positional = [options.pop(name) for name in positional_of(tasks[0].quantity)]
    tolerance, execution = Tolerance(**tasks[0].tolerance or {}), Execution(**job.execution)
    names = [task.quantity for task in tasks]
    found = response.together(
        names, model, *positional, **options, tolerance=tolerance, execution=execution, throw=False
    )
    return [found[name].copy() for name in names]


def passes_of(tasks: Sequence[Task]) -> list[list[int]]:
    """Positions of tasks that one pass over the zone serves, in the order of the first of each pass."""
    from blochflow.response.intrinsic import RESULTS

    passes: list[list[int]] = []
    for index, task in enumerate(tasks):
        shareable = task.quantity in RESULTS and "density" not in task.arguments
        mates = [
            members
            for members in passes
            if shareable
            and tasks[members[0]].quantity in RESULTS
            and tasks[members[0]].arguments == task.arguments
            and tasks[members[0]].tolerance == task.tolerance
        ]
        if mates:
            mates[0].append(index)
        else:
            passes.append([index])
    return passes


def function_of(quantity: str) -> Any:
    """The public function of a quantity."""
    if quantity == "bands":
        from blochflow.geometry.band_structure import band_structure

        return band_structure
    if quantity == "fermi_surface":
        from blochflow.geometry.fermi_surface import fermi_surface

        return fermi_surface
    from blochflow import exact, response

    if quantity == PROFILE:
        return current_profile
    if quantity == HYBRID_BANDS.name:
        from blochflow.cli.field_tasks import bands_along_path

        return bands_along_path
    return getattr(exact, quantity.removeprefix(EXACT)) if is_exact(quantity) else getattr(response, quantity)


def current_profile(
    model: AbstractModel, mu: Any, temperature: Any, *, width: int, direction: int = 0, **options: Any
) -> xr.Dataset:
    """Currents of a ribbon that is cut from the model."""
    from blochflow import exact

    strip = exact.ribbon(model, width, direction=direction)
    return exact.current_profile(strip, mu, temperature, **options)  # type: ignore[no-any-return]


def run_pass(job: Job, tasks: Sequence[Task], model: AbstractModel, files: Sequence[Path]) -> list[Finished]:
    """Compute one task, or several that share a pass, and write a file for each."""
    from blochflow.core.files import save

    started = time.perf_counter()
    results = [compute(job, tasks[0], model)] if len(tasks) == 1 else compute_together(job, tasks, model)
    seconds, finished = time.perf_counter() - started, []
    for task, result, file in zip(tasks, results, files, strict=True):
        # the name by which jobs, `explain` and `cite` know it
        result.attrs |= {"quantity": task.quantity, "task": task.name, "job": job.path.name}
        file.parent.mkdir(parents=True, exist_ok=True)
        save(result, file)
        others = tuple(other.name for other in tasks if other is not task)
        finished.append(Finished(task, result, file, seconds, others))
    return finished


def is_converged(result: xr.Dataset) -> bool:
    """True when every state met its tolerance, every sheet and orbit is resolved, and every packet reached its end."""
    if result.attrs.get("quantity") in ("fermi_surface", "propagate", *PACKETS):
        return result.attrs.get("status") == "CONVERGED"
    if result.attrs.get("status") in ("UNRESOLVED", "CUT"):
        return False
    return "converged" not in result or bool(result["converged"].values.all())


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    import resource
    import sys

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(used if sys.platform == "darwin" else used * 1024)
