"""Exact evolutions of wave packets against time, and theories of motion beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_choice, fail
from blochflow.plot.figure import as_result, axes_for, require, with_unit
from blochflow.plot.trajectory_plot import as_packets

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUANTITIES = ("lattice_packet", "compare", "exact.lattice_packet", "exact.compare")
POSITION, DIFFERENCE = "position", "difference"
STYLES = ("--", ":", "-.")
MOST_LINES = 24
# packets that are drawn unless they are chosen
MOST_PACKETS = 4


def evolution(
    result: Any, variable: str | None = None, *, packets: Any = None, axes: Axes | None = None
) -> tuple[Figure, Axes]:
    """Mean positions, spreads, populations or energies of exactly evolved packets against time.

    Parameters
    ----------
    result : Dataset or file
        From `bf.exact.lattice_packet` or `bf.exact.compare`.
    variable : str, optional
        "position": of a comparison with the theories, as broken lines.  "difference" (default of a comparison):
        distance of every theory from the exact position, with what the exact one may be wrong by.  "spread",
        "wavevector", "energy", "populations", "norm_error".  Default of an evolution alone: "position".
    packets : int or sequence of int, optional
        Which; default the first four.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        Another result, variable or packet, or more than 24 lines.

    Examples
    --------
    >>> import blochflow as bf
    >>> packet = bf.WavePacket([0.0], [0.5], width=5.0)
    >>> chain = bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))])
    >>> run = bf.exact.compare(chain, packet, [0.0, 1.0, 2.0], sites=64)
    >>> figure, axes = bf.plot.evolution(run)
    >>> axes.get_ylabel()
    'theory minus exact [a]'
    """
    dataset = as_evolution(result)
    rows = as_packets(range(min(dataset.sizes["packet"], MOST_PACKETS)) if packets is None else packets, dataset)
    if variable is None:
        variable = DIFFERENCE if DIFFERENCE in dataset else POSITION
    as_choice(variable, "variable", variables_of(dataset))
    lines = _lines(dataset, variable, rows)
    if len(lines) > MOST_LINES:
        raise fail("packets", f"give at most {MOST_LINES} lines", f"give {len(lines)}")
    figure, axes = axes_for(axes)
    time = dataset["time"].values
    for color, style, label, values in lines:
        axes.plot(time, values, style, color=f"C{color % 10}", linewidth=1.2, label=label)
    if variable == DIFFERENCE:
        bound = np.linalg.norm(dataset["position_error"].values[rows], axis=-1).max(axis=0)
        axes.fill_between(time, 0, bound, color="0.8", label="error of the exact position", zorder=0)
    axes.set_xlabel(with_unit("time", dataset["time"].attrs.get("units")))
    axes.set_ylabel(
        with_unit(str(dataset[variable].attrs.get("long_name", variable)), dataset[variable].attrs.get("units"))
    )
    axes.set_title(f"{dataset.attrs.get('title', '')}: {dataset.attrs.get('model', '')}", fontsize="medium", wrap=True)
    if any(label for _, _, label, _ in lines):
        axes.legend(fontsize="small")
    return figure, axes


def as_evolution(result: Any) -> xr.Dataset:
    """A result of `lattice_packet` or `compare`, or the contents of its file."""
    dataset = as_result(result)
    if dataset.attrs.get("quantity") not in QUANTITIES:
        must = "be a result of bf.exact.lattice_packet or bf.exact.compare"
        raise fail("result", must, f"is {dataset.attrs.get('quantity', 'unknown')!r}")
    require(dataset, (POSITION, "position_error"), "an exact evolution")
    return dataset


def variables_of(dataset: xr.Dataset) -> list[str]:
    """What can be drawn."""
    moving = [str(name) for name in dataset.data_vars if dataset[name].dims[:2] == ("packet", "time")]
    shown = [name for name in moving if name != "position_error"]
    return [DIFFERENCE, *shown] if DIFFERENCE in dataset else shown


def _lines(dataset: xr.Dataset, variable: str, rows: np.ndarray) -> list[tuple[int, str, str, np.ndarray]]:
    """(color, style, label, values) of every line."""
    theories = [str(x) for x in dataset["theory"].values] if "theory" in dataset.coords else []
    many = len(rows) > 1
    found = []
    if variable == DIFFERENCE:
        distance = np.linalg.norm(dataset[DIFFERENCE].values, axis=-1)
        for i, theory in enumerate(theories):
            for n, row in enumerate(map(int, rows)):
                label = theory + (f", packet {row}" if many else "")
                found.append((i, ("-", *STYLES)[n % (1 + len(STYLES))], label, distance[i, row]))
        return found
    entries = dataset[variable].dims[2:]
    names = [str(x) for x in dataset[entries[0]].values] if entries else [""]
    kind = "band " if entries == ("band",) else ""
    for row in map(int, rows):
        columns = dataset[variable].values[row].reshape(dataset.sizes["time"], -1).T
        for name, column in zip(names, columns, strict=True):
            color, parts = len(found), [f"packet {row}" if many else "", kind + name if name else ""]
            found.append((color, "-", ", ".join(x for x in parts if x), column))
    if variable == POSITION:
        exact = list(found)
        for i, theory in enumerate(theories):
            paths = dataset["theory_position"].values[i][rows].transpose(0, 2, 1).reshape(len(exact), -1)
            for (color, _, label, _), path in zip(exact, paths, strict=True):
                found.append((color, STYLES[i % len(STYLES)], ", ".join(x for x in (label, theory) if x), path))
    return found
