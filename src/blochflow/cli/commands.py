"""What the commands do: `run`, `check`, `init`, `info`, `plot`, `export`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from blochflow import __version__
from blochflow.cli import report
from blochflow.cli.check_integrals import check_integrals
from blochflow.cli.completeness import check_complete
from blochflow.cli.explanations import unknown
from blochflow.cli.field_tasks import check_fields
from blochflow.cli.formats import console as make_console
from blochflow.cli.formats import duration, memory
from blochflow.cli.guard import DONE, NOT_CONVERGED, say
from blochflow.cli.job import Job, Task, read_job
from blochflow.cli.load_model import check_tasks, load_model, notes_of
from blochflow.cli.motion import check_motion
from blochflow.cli.orbit_tasks import check_orbits
from blochflow.cli.packet_tasks import check_packets
from blochflow.cli.passage_tasks import check_passages
from blochflow.cli.plotting import UNDRAWN, refuse
from blochflow.cli.quantities import (
    all_quantities,
    is_disordered,
    is_exact,
    is_motion,
    is_orbit,
    is_packet,
    is_passage,
    moves_packets,
)
from blochflow.cli.runner import Finished, disorder_of, is_converged, output_files, passes_of, peak_memory, run_pass
from blochflow.cli.values import DISORDER_KINDS
from blochflow.core.checks import fail

if TYPE_CHECKING:
    from blochflow.cli.load_model import AnyModel


def run_job(path: Path, out: Path | None, settings: Sequence[str], dry_run: bool) -> int:
    """Check, load, compute, write, report."""
    started = time.perf_counter()
    job, model = read_and_check(path, settings)
    files = output_files(job, out)
    _banner(job, model)
    for task, file in zip(job.tasks, files, strict=True):
        replaces = " (replaces the existing file)" if file.exists() else ""
        typer.echo(f"{task.name}: {_settings(task)} -> {file}{replaces}")
    if dry_run:
        typer.echo("Dry run: the job is valid; nothing was computed.")
        return DONE
    finished = []
    for members in passes_of(job.tasks):
        for done in run_pass(job, [job.tasks[i] for i in members], model, [files[i] for i in members]):
            finished.append(done)
            _report_task(done)
    typer.echo(f"Done in {duration(time.perf_counter() - started)}, peak memory {memory(peak_memory())}.")
    drawn = next((f for task, f in zip(job.tasks, files, strict=True) if task.quantity not in UNDRAWN), None)
    if drawn is not None:
        typer.echo(f"Plot with:  blochflow plot {drawn} -o {drawn.with_suffix('.png')}")
    return DONE if all(is_converged(done.result) for done in finished) else NOT_CONVERGED


def check_job(path: Path, settings: Sequence[str]) -> int:
    """Validate, load the model, and predict the cost of each task."""
    from blochflow.cli.cost import predict
    from blochflow.cli.disorder_cost import predict_disordered
    from blochflow.cli.exact_cost import predict_exact
    from blochflow.cli.motion_cost import predict_motion
    from blochflow.cli.orbit_cost import predict_orbits
    from blochflow.cli.packet_tasks import predict_packets
    from blochflow.cli.passage_tasks import predict_passages
    from blochflow.cli.surface_cost import predict_surface
    from blochflow.cli.table_cost import predict_table

    job, model = read_and_check(path, settings)
    _banner(job, model)
    from rich.table import Table

    columns = ("task", "quantity", "k points or steps", "time", "memory in flight")
    table = Table(*columns, title="Predicted cost", title_justify="left")
    for members in passes_of(job.tasks):
        task, *others = (job.tasks[i] for i in members)
        if task.quantity == "fermi_surface":
            cost = predict_surface(job, task, model)
        elif task.quantity == "symmetry_table":
            cost = predict_table(model)
        elif is_motion(task.quantity):
            cost = predict_motion(job, task, model)
        elif is_packet(task.quantity):
            cost = predict_packets(job, task, model)
        elif is_orbit(task.quantity):
            cost = predict_orbits(job, task, model)
        elif is_passage(task.quantity):
            cost = predict_passages(job, task, model)
        elif is_exact(task.quantity):
            cost = predict_exact(job, task, model)
        elif is_disordered(task.quantity):
            cost = predict_disordered(job, task, model)
        else:
            cost = predict(job, task, model, others)
        table.add_row(task.name, task.quantity, cost.points, cost.time, cost.memory)
        for other in others:
            table.add_row(other.name, other.quantity, f"those of {task.name}", "", "")
    make_console().print(table)
    typer.echo("The job is valid.")
    return DONE


def write_starter(quantity: str, out: Path | None) -> int:
    """Print or write a starter job; an existing file is never replaced."""
    from blochflow.cli.templates import starter_job

    if quantity not in all_quantities():
        return unknown("quantity", quantity, list(all_quantities()))
    text = starter_job(quantity)
    if out is None:
        typer.echo(text, nl=False)
        return DONE
    if out.exists():
        raise fail("out", "be a new file", f"{str(out)!r} exists")
    from blochflow.core.files import write_text

    write_text(out, text)
    typer.echo(f"Wrote {out}. Check it with:  blochflow check {out}")
    return DONE


def show_result(file: Path) -> int:
    """Print a result."""
    from blochflow.core.files import open as open_result

    result = open_result(file)
    check_complete(result)
    console = make_console()
    console.print(report.result_table(result))
    beside = report.beside_table(result)
    if beside is not None:
        console.print(beside)
    if not is_converged(result):
        console.print(f"NOT CONVERGED: {report.describe_shortfall(result)}", style="bold red", markup=False)
    console.print(report.attribute_table(result))
    return DONE


def export_result(file: Path, out: Path, for_grids: dict[str, Any]) -> int:
    """Write a table, or bands on a grid for Fermi-surface viewers; ``for_grids`` are the options of the latter."""
    from blochflow.core.files import open as open_result
    from blochflow.response.export import export

    if out.suffix not in (".bxsf", ".frmsf"):
        refuse(for_grids, ".bxsf and .frmsf", f"the output is {str(out)!r}")
    elif for_grids["mu"] is None:
        raise fail("mu", f"be given for {out.suffix}: --mu and the Fermi energy", "is missing")
    if file.suffix == ".toml":
        _, model = read_and_check(file, [])
        export(model, out, **{name: value for name, value in for_grids.items() if value is not None})
    else:
        export(open_result(file), out)
    typer.echo(f"Wrote {out}.")
    return DONE


def read_and_check(path: Path, settings: Sequence[str]) -> tuple[Job, Any]:
    """Everything that can be wrong is found here; models that vary in space or time come with motions only."""
    from blochflow.models.base import AbstractModel

    job = read_job(path, settings)
    model = load_model(job)
    if isinstance(model, AbstractModel):
        check_tasks(job, model)
        check_integrals(job, model)
        check_orbits(job, model)
        check_passages(job, model)
    check_fields(job, model)
    check_motion(job, model)
    check_packets(job, model)
    return job, model


def _banner(job: Job, model: AnyModel) -> None:
    workers = job.execution["workers"] or "all cores"
    typer.echo(f"Blochflow {__version__}  {job.path}")
    typer.echo(f"model: {model.name}, {model.num_bands} bands, {model.dimension}D, units {model.units!r}")
    for note in notes_of(model):
        typer.echo(f"  note: {note}")
    typer.echo(f"threads: {workers}, max_memory: {job.execution['max_memory']}")


def _settings(task: Task) -> str:
    """Arguments of a task in one line."""

    def short(value: Any) -> str:
        if isinstance(value, dict) and value.get("kind") in DISORDER_KINDS:
            return disorder_of(value).describe()
        if moves_packets(task.quantity) and isinstance(value, dict):
            return "{ " + ", ".join(f"{name} = {short(entry)}" for name, entry in value.items()) + " }"
        if value == []:
            return "none"
        if isinstance(value, list) and isinstance(value[0], dict):
            return ", ".join(short(entry) for entry in value)
        if isinstance(value, list) and isinstance(value[0], list):
            return short(value[0]) + f", ... ({len(value)})" * (len(value) > 1)
        if isinstance(value, dict):
            return " ".join(value)  # names of a partition; their corners are in the job
        if not isinstance(value, list):
            return str(value)
        if not isinstance(value[0], float):
            # corners of a path; their coordinates are in the job
            return "-".join(str(x[0]) if isinstance(x, tuple) else str(x) for x in value)
        return (
            ", ".join(f"{x:g}" for x in value) if len(value) <= 4 else f"{value[0]:g} ... {value[-1]:g} ({len(value)})"
        )

    parts = [task.quantity, *(f"{key} = {short(value)}" for key, value in task.arguments.items())]
    if task.tolerance is not None:
        parts.append(f"rtol = {task.tolerance['rtol']:g}")
    return ", ".join(parts)


def _report_task(done: Finished) -> None:
    typer.echo()
    make_console().print(report.result_table(done.result))
    beside = report.beside_table(done.result)
    if beside is not None:
        make_console().print(beside)
    grid = done.result.attrs.get("grid")
    at = f" on {' x '.join(map(str, grid))}" if grid is not None else ""
    shared = f" in one pass with {', '.join(done.shared)}" if done.shared else ""
    evaluations = done.result.attrs.get("evaluations")
    what = "products with H" if is_packet(done.task.quantity) else "k points"
    points = "" if evaluations is None else f"{evaluations} {what}{at}{shared}, "
    typer.echo(f"{points}{duration(done.seconds)}; wrote {done.file}")
    if not is_converged(done.result):
        say(f"NOT CONVERGED: {done.task.name}: {report.describe_shortfall(done.result)}")
