"""The command `blochflow`: run and check jobs, look at, plot and export results, explain quantities.

Nothing heavy is imported here, so that `--help` answers at once; every command imports what it needs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from blochflow.cli.guard import DEBUG, guarded, outlive_readers

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Semiclassical theory of Bloch electrons: band geometry and the responses that follow from it.",
    epilog="Exit codes: 0 done, 1 not converged (files are written), 2 bad input (nothing computed), 3 interrupted, "
    "4 internal error.",
)

JobFile = Annotated[Path, typer.Argument(help="Job in TOML; `blochflow init` writes one.", show_default=False)]
ResultFile = Annotated[Path, typer.Argument(metavar="FILE", help="Result (.nc).", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the job: mu=0.5, task.ahc.mu=17.6, model.parameters.m=1."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from blochflow import __version__

        typer.echo(f"blochflow {__version__}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of all commands."""
    if debug:
        os.environ[DEBUG] = "1"


@app.command()
@guarded
def run(
    job: JobFile,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="A .nc file for one task, a folder for several; existing files are replaced."),
    ] = None,
    settings: Settings = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, compute nothing.")] = False,
) -> None:
    """Compute the tasks of a job and write one result file per task."""
    from blochflow.cli.commands import run_job

    raise typer.Exit(run_job(job, out, settings or [], dry_run))


@app.command()
@guarded
def check(job: JobFile, settings: Settings = None) -> None:
    """Check a job, load its model, and predict k points, time and memory of each task."""
    from blochflow.cli.commands import check_job

    raise typer.Exit(check_job(job, settings or []))


@app.command()
@guarded
def init(
    quantity: Annotated[str, typer.Argument(help="See `blochflow explain`.")] = "anomalous_hall",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="File to write; default: print.")] = None,
) -> None:
    """Write a commented starter job."""
    from blochflow.cli.commands import write_starter

    raise typer.Exit(write_starter(quantity, out))


@app.command()
@guarded
def info(file: ResultFile) -> None:
    """Show a result: values with errors, settings, units, equation."""
    from blochflow.cli.commands import show_result

    raise typer.Exit(show_result(file))


@app.command()
@guarded
def plot(
    file: ResultFile,
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Picture: .png, .pdf, .svg; film of packets: .gif, .mp4.", show_default=False),
    ],
    convergence: Annotated[bool, typer.Option("--convergence", help="Value against number of k points.")] = False,
    mu: Annotated[float | None, typer.Option("--mu", help="Band plots: a line at this energy.")] = None,
    energy_range: Annotated[
        tuple[float, float] | None, typer.Option("--energy-range", help="Band plots: lowest and highest energy.")
    ] = None,
    reference: Annotated[Path | None, typer.Option("--reference", help="Band plots: reference bands.")] = None,
    units: Annotated[str | None, typer.Option("--units", help='Unit of the result, e.g. "S/m".')] = None,
    variable: Annotated[
        str | None, typer.Option("--variable", help="Another variable: sigma of thermoelectric, wavevector of packets.")
    ] = None,
    component: Annotated[
        str | None, typer.Option("--component", help='Responses: one component, such as "yx"; disorder: its parts.')
    ] = None,
    job: Annotated[
        Path | None, typer.Option("--job", help="Wave vectors of packets: job whose model's curvature lies below.")
    ] = None,
) -> None:
    """Draw a result."""
    from blochflow.cli.plotting import plot_result

    for_bands = {"mu": mu, "energy_range": energy_range, "reference": reference}
    for_responses = {"variable": variable, "component": component}
    done = plot_result(file, out, for_bands, for_responses, job=job, convergence=convergence, units=units)
    raise typer.Exit(done)


@app.command()
@guarded
def export(
    file: ResultFile,
    out: Annotated[
        Path, typer.Option("-o", "--out", help=".csv; for a job (.toml) also .bxsf or .frmsf.", show_default=False)
    ],
    grid: Annotated[int | None, typer.Option("--grid", help=".bxsf, .frmsf: points per axis (default 40).")] = None,
    mu: Annotated[float | None, typer.Option("--mu", help=".bxsf, .frmsf: Fermi energy (required).")] = None,
    color: Annotated[str | None, typer.Option("--color", help='.frmsf: "curvature" or an operator.')] = None,
) -> None:
    """Write a result as a table (.csv), or the bands of a job's model for Fermi-surface viewers (.bxsf, .frmsf)."""
    from blochflow.cli.commands import export_result

    raise typer.Exit(export_result(file, out, {"mu": mu, "grid": grid, "color": color}))


@app.command()
@guarded
def explain(
    quantity: Annotated[str | None, typer.Argument(help="Leave out to list all.", show_default=False)] = None,
) -> None:
    """Explain a quantity: equation, conventions, validity, units, options, references."""
    from blochflow.cli.explanations import explain_quantity

    raise typer.Exit(explain_quantity(quantity))


@app.command()
@guarded
def cite(
    file: Annotated[str, typer.Argument(metavar="FILE|QUANTITY", help="Result (.nc), or a quantity.")],
) -> None:
    """Print BibTeX entries for the sources of a result, and for Blochflow."""
    from blochflow.cli.explanations import cite_file

    raise typer.Exit(cite_file(file))


@app.command()
@guarded
def models(
    name: Annotated[str | None, typer.Argument(help="Show the documentation of one model.", show_default=False)] = None,
) -> None:
    """List the models of the zoo, or describe one."""
    from blochflow.cli.explanations import show_models

    raise typer.Exit(show_models(name))


def main() -> None:
    """Entry point of the command `blochflow`."""
    outlive_readers()
    app()


if __name__ == "__main__":
    main()
