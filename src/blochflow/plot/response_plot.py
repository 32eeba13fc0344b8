"""Responses against chemical potential or temperature, with error bands; convergence with the number of k points.

What is not converged is drawn with open symbols, and the title says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.plot.band_plot import bands
from blochflow.plot.fermi_plot import fermi_surface
from blochflow.plot.figure import GREEK, as_result, axes_for, require, with_unit

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = 24


def auto(result: Any, *, axes: Axes | None = None) -> tuple[Figure, Axes]:
    """The plot that suits a result: bands, a Fermi surface, or a response with its error.

    Parameters
    ----------
    result : Dataset or file
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        Neither a band structure, nor a Fermi surface, nor a response.

    Examples
    --------
    >>> import blochflow as bf
    >>> n = bf.response.electron_density(bf.zoo.square(), mu=[-1.0, 0.0, 1.0], temperature=0.1)
    >>> figure, axes = bf.plot.auto(n)
    """
    dataset = as_result(result)
    if dataset.attrs.get("quantity") == "fermi_surface":
        return fermi_surface(dataset, axes=axes)
    return bands(dataset, axes=axes) if "energy" in dataset else response(dataset, axes=axes)


def response(result: Any, *, axes: Axes | None = None) -> tuple[Figure, Axes]:
    """Value +- error against the longest scan (mu, density, temperature, ...), a line per component and other scan.

    Parameters
    ----------
    result : Dataset or file
        From any function of `bf.response`.  Components that vanish, and the second of two that agree up to sign, are
        left out.  Points that are not converged have open symbols.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        The result has no ``value`` and ``error``, or more than 24 lines.

    Examples
    --------
    >>> import blochflow as bf
    >>> sigma = bf.response.anomalous_hall(bf.zoo.haldane(), mu=[-1.0, 0.0, 1.0], temperature=[0.05, 0.1])
    >>> figure, axes = bf.plot.response(sigma)
    """
    dataset = as_result(result)
    require(dataset, ("value", "error", "converged"), "a response")
    figure, axes = axes_for(axes)
    tensor = [str(d) for d in dataset["value"].dims if d in ("a", "b", "c")]
    scans = [str(d) for d in dataset["value"].dims if d not in tensor]
    along = max(scans, key=lambda d: dataset.sizes[d])
    others = [d for d in scans if d != along]
    for number, (label, line) in enumerate(_lines(dataset, along, others, tensor)):
        _draw_line(axes, line, along, f"C{number}", label)
    coordinate = dataset[along]
    axes.set_xlabel(with_unit(GREEK.get(along, along), coordinate.attrs.get("units")))
    axes.set_ylabel(with_unit(_symbol(dataset), dataset.attrs.get("units")))
    missing = int((~dataset["converged"].values).sum())
    title = f"{dataset.attrs.get('title', '')}: {dataset.attrs.get('model', '')}"
    if missing:
        title += f"\nNOT CONVERGED: {missing} of {dataset['converged'].size} points (open symbols)"
    axes.set_title(title, fontsize="medium", color="C3" if missing else "black")
    if len(axes.get_legend_handles_labels()[1]) > 0:
        axes.legend(fontsize="small")
    return figure, axes


def convergence(result: Any, *, axes: Axes | None = None) -> tuple[Figure, Axes]:
    """Largest component of a response against the number of k points, with the final value and its error.

    Parameters
    ----------
    result : Dataset or file
        From a response that refines a uniform grid.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        The result holds no history.

    Examples
    --------
    >>> import blochflow as bf
    >>> n = bf.response.electron_density(bf.zoo.square(), mu=0.3, temperature=0.1)
    >>> figure, axes = bf.plot.convergence(n)
    """
    dataset = as_result(result)
    require(dataset, ("history_points", "history_value"), "the result of an integral with a history of its grids")
    points = np.atleast_1d(dataset.attrs["history_points"])
    values = np.atleast_1d(dataset.attrs["history_value"])
    figure, axes = axes_for(axes)
    axes.plot(points, values, "o-")
    at = int(np.argmin(np.abs(dataset["value"].values - values[-1])))
    error = float(dataset["error"].values.reshape(-1)[at])
    if np.isfinite(error):
        axes.axhspan(values[-1] - error, values[-1] + error, color="C0", alpha=0.2, label="final value +- error")
        axes.legend(fontsize="small")
    axes.set_xscale("log")
    axes.set_xlabel("k points")
    axes.set_ylabel(with_unit(f"largest component of {_symbol(dataset)}", dataset.attrs.get("units")))
    done = bool(dataset["converged"].values.all())
    axes.set_title("converged" if done else "NOT CONVERGED", color="black" if done else "C3")
    return figure, axes


def _lines(dataset: xr.Dataset, along: str, others: list[str], tensor: list[str]) -> list[tuple[str, xr.Dataset]]:
    """(label, one-dimensional slice) of every component and every other scan value."""
    from blochflow.core.checks import fail

    ordered = dataset.transpose(..., *tensor)
    components = independent_components(ordered["value"].values, len(tensor))
    states = list(np.ndindex(*(dataset.sizes[d] for d in others)))
    if len(components) * len(states) > MOST_LINES:
        raise fail(
            "result", f"have at most {MOST_LINES} lines to draw", f"has {len(components) * len(states)}; use result.sel"
        )
    lines = []
    for component in components:
        for state in states:
            chosen = ordered.isel(dict(zip((*tensor, *others), (*component, *state), strict=True)))
            parts = ["".join(str(dataset[d].values[i]) for d, i in zip(tensor, component, strict=True))]
            for d, i in zip(others, state, strict=True):
                if dataset.sizes[d] > 1 or d == "temperature":
                    unit = dataset[d].attrs.get("units", "")
                    parts.append(f"{GREEK.get(d, d)} = {float(dataset[d].values[i]):g} {unit}".strip())
            lines.append((", ".join(part for part in parts if part), chosen))
    return lines


def independent_components(values: np.ndarray, rank: int) -> list[tuple[int, ...]]:
    """Components that do not vanish, each pair (a, b), (b, a) that agrees up to sign once."""
    kept: list[tuple[int, ...]] = []
    for component in np.ndindex(*values.shape[values.ndim - rank :]):
        entry = values[(..., *component)]
        partner = component[::-1]
        if not np.any(entry):
            continue
        if (
            rank == 2
            and partner in kept
            and np.allclose(np.abs(entry), np.abs(values[(..., *partner)]), rtol=1e-12, atol=0)
        ):
            continue
        kept.append(component)
    return kept or [(0,) * rank]


def _draw_line(axes: Axes, line: xr.Dataset, along: str, color: str, label: str) -> None:
    x, value, error = line[along].values, line["value"].values, line["error"].values
    converged = line["converged"].values
    axes.plot(x, value, "-", color=color, linewidth=1.2, label=label or None)
    if len(x) > 1:
        axes.fill_between(x, value - error, value + error, color=color, alpha=0.25, linewidth=0)
    else:
        axes.errorbar(x, value, yerr=np.nan_to_num(error), color=color, capsize=3)
    size = 4 if len(x) <= 60 else 2.5
    axes.plot(x[converged], value[converged], "o", color=color, markersize=size)
    axes.plot(x[~converged], value[~converged], "o", color=color, markersize=size, markerfacecolor="white")


def _symbol(dataset: xr.Dataset) -> str:
    return str(dataset["value"].attrs.get("long_name", "value"))
