"""Orbits in k space, Landau levels against the field, oscillation frequencies against the field or its direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_choice, fail
from blochflow.plot.fermi_plot import into_zone
from blochflow.plot.figure import GREEK, as_result, axes_for, require, with_unit
from blochflow.plot.zone_map import zone_boundary

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORBITS, LEVELS, OSCILLATIONS = "orbits.cyclotron_orbits", "orbits.landau_levels", "orbits.quantum_oscillations"
PATH = "path"
# Orbits and pockets that a legend can name.
MOST_LABELS = 8
MARKERS = {"electron": "o", "hole": "s", "open": "x"}
# of orbits that the legend tells apart
STYLES = ("-", "--", ":", "-.")
# a direction that turns by less (degrees) does not
STILL = 1e-6


def orbits(result: Any, variable: str | None = None, *, axes: Axes | None = None) -> tuple[Figure, Axes]:
    """Cyclotron orbits, Landau levels or quantum oscillations.

    Parameters
    ----------
    result : Dataset or file
        From `bf.orbits.cyclotron_orbits`, `landau_levels` or `quantum_oscillations`.
    variable : str, optional
        "path" (default for cyclotron orbits): the orbits in k space, one color for each band, named by their
        frequencies.  Any number of the table, such as "frequency" (default for oscillations), "cyclotron_mass",
        "area", "period", "energy" (default for levels): against the scan, which is that of energies, of k.B^, of mu,
        of field strengths or, where the direction of the field turns, of the angle to the first one; of several
        temperatures and harmonics the first.
    axes : Axes, optional
        Draw here; for paths in three dimensions made with ``projection="3d"``.

    Returns
    -------
    (Figure, Axes)
        Circles are electrons, squares holes, crosses open orbits.

    Raises
    ------
    ValueError
        Another result, or a variable that it has not.

    Examples
    --------
    >>> import blochflow as bf
    >>> found = bf.orbits.cyclotron_orbits(bf.zoo.square(), [-3.0, -2.0], 0.1)
    >>> figure, axes = bf.plot.orbits(found)
    """
    dataset = as_result(result)
    quantity = dataset.attrs.get("quantity")
    if quantity not in (ORBITS, LEVELS, OSCILLATIONS):
        raise fail("result", "be of cyclotron_orbits, landau_levels or quantum_oscillations", f"is {quantity!r}")
    numbers = ("energy", "band", "kind") if quantity == LEVELS else ("area", "frequency", "band", "kind", "path")
    require(dataset, numbers, f"a result of {quantity}")
    if variable is None:
        variable = {ORBITS: PATH, LEVELS: "energy"}.get(quantity, "frequency")
    as_choice(variable, "variable", variables_of(dataset))
    if variable == PATH:
        figure, axes = _draw_paths(dataset, axes)
    else:
        figure, axes = _draw_numbers(dataset, variable, axes)
    note = str(dataset.attrs.get("note", ""))
    title = f"{dataset.attrs.get('title', '').partition(':')[0]}: {dataset.attrs.get('model', '')}"
    axes.set_title(f"{title}\n{note}" if note else title, fontsize="medium", wrap=True)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize="small")
    return figure, axes


def variables_of(dataset: xr.Dataset) -> list[str]:
    """What can be drawn: numbers of each orbit or level."""
    row = _row_dim(dataset)
    own = {row, *_scans(dataset), "pocket", "temperature", "harmonic"}
    names = [str(x) for x, v in dataset.data_vars.items() if row in v.dims and v.dtype.kind == "f"]
    return [*([PATH] if PATH in dataset else []), *(x for x in names if set(map(str, dataset[x].dims)) <= own)]


def scan_of(dataset: xr.Dataset) -> tuple[str, np.ndarray, str]:
    """Dimension of the longest scan, its values and the label of the axis."""
    along = max(_scans(dataset), key=lambda d: dataset.sizes[d])
    if along != "field" and dataset.sizes[along] == 1 and dataset.attrs["quantity"] == LEVELS:
        return "level", np.asarray(dataset["level"].values), "level n"
    if along != "field":
        name = "k.B^" if along == "k_parallel" else GREEK.get(along, along).replace("_", " ")
        return along, np.asarray(dataset[along].values), with_unit(name, dataset[along].attrs.get("units"))
    fields = dataset["magnetic_field"]
    if fields.ndim == 1:
        return along, np.asarray(fields.values), with_unit("magnetic field", fields.attrs.get("units"))
    size = np.linalg.norm(fields.values, axis=1)
    first = fields.values[0] / size[0]
    # atan2 is exact for small angles, which arccos is not
    across = np.linalg.norm(np.cross(fields.values, first), axis=1)
    angle = np.degrees(np.arctan2(across, fields.values @ first))
    if angle.max() > STILL:
        return along, angle, "angle of B to the first direction [degrees]"
    return along, size, with_unit("|B|", fields.attrs.get("units"))


def _scans(dataset: xr.Dataset) -> list[str]:
    """Dimensions of the scan; one of length 1 where nothing is scanned."""
    known = ("energy", "k_parallel", "magnetic_field", "field", "mu")
    return [d for d in known if d in dataset.sizes]


def _row_dim(dataset: xr.Dataset) -> str:
    return "level" if dataset.attrs["quantity"] == LEVELS else "orbit"


def _draw_paths(dataset: xr.Dataset, axes: Axes | None) -> tuple[Figure, Axes]:
    """Every orbit around its centre in the first zone."""
    solid = dataset.sizes["a"] == 3
    if solid and axes is None:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(5.0, 4.4), layout="constrained", subplot_kw={"projection": "3d"})
    else:
        figure, axes = axes_for(axes, (5.0, 4.4))
    rows = [x for x in np.ndindex(*dataset["kind"].shape) if dataset["kind"].values[x]]
    named: list[str] = []
    for place in rows:
        path, band = dataset["path"].values[place], int(dataset["band"].values[place])
        closed = dataset["kind"].values[place] != "open"
        center = path.mean(axis=0)
        if "periods" in dataset:
            path = path + into_zone(center[None], dataset["periods"].values)[0] - center
        path = np.vstack([path, path[:1]]) if closed else path
        label = _label(dataset, place, f"band {band}", len(rows))
        shown = label if label not in named else None
        named += [label] if shown else []
        style = STYLES[named.index(label) % len(STYLES)] if len(rows) <= MOST_LABELS else "-"
        axes.plot(*path.T, style, color=f"C{band % 10}", linewidth=1.3, label=shown)
    unit = dataset["path"].attrs.get("units")
    setters = [axes.set_xlabel, axes.set_ylabel, *([axes.set_zlabel] if solid else [])]  # type: ignore[attr-defined]
    for set_label, a in zip(setters, dataset["a"].values, strict=True):
        set_label(with_unit(f"k_{a}", unit))
    if not solid:
        axes.set_aspect("equal")
        if "periods" in dataset:
            corners = zone_boundary(dataset["periods"].values)
            axes.plot(*np.vstack([corners, corners[:1]]).T, color="black", linewidth=0.8)
    return figure, axes


def _label(dataset: xr.Dataset, place: tuple[int, ...], band: str, count: int) -> str:
    """The band, and of a few orbits their frequencies."""
    frequency = float(dataset["frequency"].values[place])
    if count > MOST_LABELS or not np.isfinite(frequency):
        return band
    return f"{band}, F = {frequency:.4g} {dataset['frequency'].attrs.get('units', '')}".rstrip()


def _draw_numbers(dataset: xr.Dataset, variable: str, axes: Axes | None) -> tuple[Figure, Axes]:
    """Numbers of all rows against the scan; levels of a pocket are joined by lines, orbits may change their order."""
    figure, axes = axes_for(axes)
    along, x, label = scan_of(dataset)
    values = dataset[variable].isel({d: 0 for d in ("temperature", "harmonic") if d in dataset[variable].dims})
    levels = dataset.attrs["quantity"] == LEVELS
    kinds, bands = (dataset[name].broadcast_like(values).transpose(*values.dims) for name in ("kind", "band"))
    others = [d for d in values.dims if d != along]
    place = values.dims.index(along)
    columns, kind, band = (
        np.moveaxis(y.values, place, 0).reshape(len(x), -1) for y in (values, kinds, bands)
    )  # fmt: skip
    named: set[str] = set()
    for i in range(columns.shape[1]) if others else range(1):
        for what in np.unique(kind[:, i]):
            for n in np.unique(band[:, i]):
                chosen = (kind[:, i] == what) & (band[:, i] == n) & np.isfinite(columns[:, i])
                if not what or not chosen.any():
                    continue
                text = f"band {n}, {what}"
                axes.plot(
                    x[chosen], columns[chosen, i], linestyle="-" if levels else "none", linewidth=1.0,
                    color=f"C{int(n) % 10}",
                    marker=MARKERS.get(str(what), "+"), markersize=3.5, label=None if text in named else text,
                )  # fmt: skip
                named.add(text)
    axes.set_xlabel(label)
    name = str(values.attrs.get("long_name", variable)).partition(",")[0]
    axes.set_ylabel(with_unit(name, values.attrs.get("units")))
    return figure, axes
