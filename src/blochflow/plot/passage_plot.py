"""Passages between bands: probabilities and suppressions against their scans, ladders of levels against k."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.plot.figure import as_result, axes_for, require, with_unit

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# quantity -> what is drawn
DRAWN = {
    "nonadiabatic.landau_zener": "probability",
    "nonadiabatic.dirac_hall_suppression": "suppression",
    "nonadiabatic.bloch_zener": "level",
}
# periods of a ladder that are drawn, around the middle one
RUNGS = (-1, 0, 1)


def passages(result: Any, *, axes: Axes | None = None) -> tuple[Figure, Axes]:
    """Landau-Zener probabilities, the suppression of a Hall current, or Wannier-Stark ladders.

    Parameters
    ----------
    result : Dataset or file
        From a task `nonadiabatic.landau_zener` or `nonadiabatic.dirac_hall_suppression`, drawn against its longest
        scan with a line for every other number; or from `bf.nonadiabatic.bloch_zener`: three rungs of the ladder of
        every band, against the number of the wave vector or, where only one component of k changes, against it.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        Another result; avoided crossings are a table.

    Examples
    --------
    >>> import blochflow as bf
    >>> chain = bf.zoo.rice_mele(t_intra=1.0, t_inter=0.8, mass=0.1)
    >>> figure, axes = bf.plot.passages(bf.nonadiabatic.bloch_zener(chain, [[0.0], [0.5]], [0.1]))
    """
    dataset = as_result(result)
    name = DRAWN.get(str(dataset.attrs.get("quantity")))
    if name is None:
        raise fail("result", f"be one of {', '.join(DRAWN)}", f"is {dataset.attrs.get('quantity')!r}")
    require(dataset, (name,), str(dataset.attrs["quantity"]))
    figure, axes = axes_for(axes)
    if name == "level":
        _draw_ladders(dataset, axes)
    else:
        _draw_numbers(dataset[name], axes)
    axes.set_title(str(dataset.attrs.get("title", "")), fontsize="medium", wrap=True)
    return figure, axes


def _draw_numbers(values: xr.DataArray, axes: Axes) -> None:
    """Against the longest scan, logarithmic where it spans more than two decades."""
    along = max(map(str, values.dims), key=lambda d: values.sizes[d])
    others = [str(d) for d in values.dims if d != along]
    x = values[along].values
    for place in np.ndindex(*(values.sizes[d] for d in others)):
        line = values.isel(dict(zip(others, place, strict=True)))
        several = [d for d in others if values.sizes[d] > 1]
        label = ", ".join(with_unit(f"{d} = {float(line[d]):.6g}", line[d].attrs.get("units")) for d in several)
        axes.plot(x, line.values, ".-", label=label or None)
    if x.min() > 0 and x.max() > 100 * x.min():
        axes.set_xscale("log")
    axes.set_ylim(0, 1.05)
    axes.set_xlabel(with_unit(along, values[along].attrs.get("units")))
    axes.set_ylabel(str(values.attrs.get("long_name", values.name)))
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize="small")


def _draw_ladders(dataset: xr.Dataset, axes: Axes) -> None:
    """Levels of every band and their neighbours one spacing away."""
    waves, levels, spacing = dataset["wavevector"].values, dataset["level"].values, float(dataset["spacing"])
    changing = np.flatnonzero(np.ptp(waves, axis=0) > 0)
    x, label = np.arange(len(waves), dtype=float), "wave vector"
    if len(changing) == 1:
        name, unit = dataset["a"].values[changing[0]], dataset["wavevector"].attrs.get("units")
        x, label = waves[:, changing[0]], with_unit(f"k_{name}", unit)
    along = np.argsort(x, kind="stable")
    for rung in RUNGS:
        for band in range(levels.shape[1]):
            axes.plot(x[along], levels[along, band] + rung * spacing, "o", color=f"C{band}", markersize=4)
    axes.set_xlabel(label)
    axes.set_ylabel(with_unit("level", dataset["level"].attrs.get("units")))
