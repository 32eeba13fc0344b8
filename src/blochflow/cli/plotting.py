"""What `blochflow plot` does: the picture, or the film, that suits a result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from blochflow.cli.completeness import check_complete
from blochflow.cli.guard import DONE
from blochflow.cli.quantities import is_orbit, is_passage
from blochflow.core.checks import fail

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

FILMS = (".gif", ".mp4")
# results of a few numbers or words
UNDRAWN = ("symmetry_table", "orbits.bloch_oscillation", "nonadiabatic.avoided_crossing")


def plot_result(
    file: Path,
    out: Path,
    for_bands: dict[str, Any],
    for_responses: dict[str, Any],
    *,
    job: Path | None,
    convergence: bool,
    units: str | None,
) -> int:
    """Draw a result into a picture; ``for_...`` are the options of one kind of result, None where not given."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from blochflow import plot
    from blochflow.core.convert import to_units
    from blochflow.core.files import open as open_result

    formats = plt.figure(0).canvas.get_supported_filetypes()
    plt.close(0)
    if out.suffix.lower() not in (*FILMS, *("." + f for f in formats)):
        raise fail("out", f"end in one of {', '.join('.' + f for f in formats)}", f"is {str(out)!r}")
    result = open_result(file)
    check_complete(result)
    if result.attrs["quantity"] == "propagate":
        refuse(for_bands, "band structures", f"{file} holds trajectories")
        refuse({"component": for_responses["component"], "units": units}, "responses", f"{file} holds trajectories")
        refuse({"convergence": convergence or None}, "responses", f"{file} holds trajectories")
        return _plot_motion(result, out, for_responses["variable"] or "position", job)
    refuse({"job": job}, "trajectories", f"{file} holds {result.attrs['quantity']}")
    if out.suffix.lower() == ".mp4":
        raise fail("out", "be a picture; films show trajectories", f"is {str(out)!r}")
    if units is not None:
        # the unit of what is drawn
        variable = for_responses["variable"]
        drawn = result if variable is None or variable not in result else result[variable]
        result = to_units(result.assign_attrs(units=drawn.attrs.get("units", "")), units)
    if result.attrs["quantity"] in UNDRAWN:
        raise fail("file", "hold curves to draw", f"{file} is a table: see `blochflow info` and `blochflow export`")
    if convergence:
        refuse(for_bands, "band structures", "--convergence draws a history")
        refuse(for_responses, "responses", "--convergence draws a history")
        figure, _ = plot.convergence(result)
    elif result.attrs["quantity"] == "bands":
        refuse(for_responses, "responses", f"{file} holds bands")
        figure, _ = plot.bands(result, **for_bands)
    elif is_orbit(result.attrs["quantity"]):
        refuse(for_bands, "band structures", f"{file} holds {result.attrs['quantity']}")
        refuse({"component": for_responses["component"]}, "responses", f"{file} holds {result.attrs['quantity']}")
        figure, _ = plot.orbits(result, for_responses["variable"])
    elif is_passage(result.attrs["quantity"]):
        refuse(for_bands, "band structures", f"{file} holds {result.attrs['quantity']}")
        refuse(for_responses, "responses", f"{file} holds {result.attrs['quantity']}")
        figure, _ = plot.passages(result)
    else:
        refuse(for_bands, "band structures", f"{file} holds {result.attrs['quantity']}")
        figure, _ = plot.auto(result, **for_responses)
    return _write(figure, out)


def _plot_motion(result: xr.Dataset, out: Path, variable: str, job: Path | None) -> int:
    """Trajectories as a picture, or as a film."""
    from blochflow import plot

    model = None
    if job is not None:
        from blochflow.cli.job import read_job
        from blochflow.cli.load_model import load_model

        model = load_model(read_job(job))
    if out.suffix.lower() in FILMS:
        plot.animation(result, out, variable, model=model)
        typer.echo(f"Wrote {out}.")
        return DONE
    return _write(plot.trajectory(result, variable, model=model)[0], out)


def _write(figure: Figure, out: Path) -> int:
    import matplotlib.pyplot as plt

    from blochflow.core.files import replacing

    with replacing(out) as aside:
        figure.savefig(aside, format=out.suffix.lstrip(".").lower(), dpi=200, bbox_inches="tight")
    plt.close(figure)
    typer.echo(f"Wrote {out}.")
    return DONE


def refuse(options: dict[str, Any], use: str, but: str) -> None:
    """No option that was given may be ignored."""
    for option, value in options.items():
        if value is not None:
            raise fail(option, f"be given for {use} only", but)
