"""Trajectories of wave packets: paths in space, paths in the zone over the Berry curvature, anything against time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_choice, as_index, fail
from blochflow.models.base import AbstractModel
from blochflow.models.local import AbstractLocalModel
from blochflow.plot.fermi_plot import into_zone
from blochflow.plot.figure import as_result, axes_for, require, with_unit
from blochflow.plot.zone_map import curvature_map, zone_boundary

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDED = ("position", "wavevector", "energy", "work", "status", "end_time", "end_position", "end_wavevector", "band")
# Paths that are drawn unless packets are chosen, and packets that a legend can name.
MOST_PATHS, MOST_LABELS = 64, 8
STYLES = ("-", "--", ":", "-.")
DRIFT = "energy_drift"
# Half the width of a map of a k.p model, in units of the largest |k| of its packets.
MARGIN = 1.3


@dataclass(frozen=True)
class Path:
    """What is drawn of one packet: points (T, 2 or 3) on the axes, broken where the path leaves the zone."""

    packet: int
    label: str
    style: str
    points: np.ndarray
    breaks: np.ndarray

    @property
    def line(self) -> np.ndarray:
        """The points, with a gap at every break."""
        return np.insert(self.points, self.breaks, np.nan, axis=0)


def trajectory(
    run: Any, variable: str = "position", *, model: Any = None, packets: Any = None, axes: Axes | None = None
) -> tuple[Figure, Axes]:
    """Paths of wave packets, in space, in the Brillouin zone, or against time.

    Parameters
    ----------
    run : Dataset or file
        From `bf.propagate`.
    variable : str
        "position" or "wavevector": paths in two and three dimensions, in one against time; wave vectors of a lattice
        in the first zone.  "velocity", "energy", "work", "gap", "adiabaticity", "phase_space_density": against time.
        "energy_drift": |E(t) - E(0) - work| against time.  Of theories of several bands also "populations", one line
        for each band, "norm", and more.
    model : AbstractModel or LocalModel, optional
        Wave vectors in two dimensions: draw the Berry curvature of the band below them, of a model that varies at the
        first packet's first place and time.
    packets : int or sequence of int, optional
        Which; default all, evenly chosen where there are more than 64.
    axes : Axes, optional
        Draw here; for paths in three dimensions made with ``projection="3d"``.

    Returns
    -------
    (Figure, Axes)
        Starts are dots, ends of packets that stopped are crosses, events are plus signs.

    Raises
    ------
    ValueError
        Not a run, another variable or packet, a model for anything but wave vectors in two dimensions, or packets of
        several bands over one map.

    Examples
    --------
    >>> import blochflow as bf
    >>> packet = bf.WavePacket([0.0, 0.0], [0.3, 0.5])
    >>> run = bf.propagate(bf.zoo.haldane(), packet, [0.0, 2.0, 4.0], electric_field=[0.2, 0.0], estimate_error=False)
    >>> figure, axes = bf.plot.trajectory(run, "wavevector", model=bf.zoo.haldane())
    """
    dataset = as_run(run)
    rows = as_packets(packets, dataset)
    as_choice(variable, "variable", variables_of(dataset))
    paths = paths_of(dataset, variable, rows)
    if model is not None:
        figure, axes = _map_below(dataset, variable, rows, model, axes)
    else:
        figure, axes = _empty_axes(paths, axes)
    ends = dataset["status"].values
    for path in paths:
        color = "black" if model is not None else f"C{list(rows).index(path.packet) % 10}"
        label = path.label if 1 < len(paths) <= MOST_LABELS and model is None else None
        axes.plot(*path.line.T, path.style, color=color, linewidth=1.2, label=label, zorder=3)
        _mark(axes, path, color, start=is_path(dataset, variable), stop=ends[path.packet] != "COMPLETE")
    if is_path(dataset, variable):
        _mark_events(axes, dataset, variable, rows)
    _label(axes, dataset, variable, mapped=model is not None)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize="small")
    return figure, axes


def as_run(run: Any) -> xr.Dataset:
    """A run of `propagate`, or the contents of its file."""
    dataset = as_result(run)
    if dataset.attrs.get("quantity") != "propagate":
        raise fail("run", "be a result of bf.propagate", f"is {dataset.attrs.get('quantity', 'unknown')!r}")
    require(dataset, NEEDED, "a result of bf.propagate")
    return dataset


def as_packets(packets: Any, dataset: xr.Dataset) -> np.ndarray:
    """Numbers of the packets to draw."""
    count = dataset.sizes["packet"]
    if packets is None:
        return np.unique(np.linspace(0, count - 1, min(count, MOST_PATHS)).round().astype(int))
    must = f"hold numbers of packets, 0 to {count - 1}"
    rows = np.array([as_index(i, "packets", must) for i in np.atleast_1d(packets)])
    if not len(rows) or rows.min() < 0 or rows.max() >= count:
        raise fail("packets", must, f"is {packets!r}")
    return rows


def variables_of(dataset: xr.Dataset) -> list[str]:
    """What can be drawn."""
    moving = [str(name) for name in dataset.data_vars if dataset[name].dims[:2] == ("packet", "time")]
    return [*(name for name in moving if not name.endswith("_error")), DRIFT]


def is_path(dataset: xr.Dataset, variable: str) -> bool:
    """Whether the variable is drawn as a curve in space or in the zone."""
    return variable in ("position", "wavevector") and dataset.sizes["a"] > 1


def paths_of(dataset: xr.Dataset, variable: str, rows: np.ndarray) -> list[Path]:
    """Paths of packets; one for each component of a vector against time."""
    found = []
    for row in map(int, rows):
        packet = dataset.isel(packet=row)
        time = np.append(packet["time"].values, packet["end_time"].values)
        end = f"end_{variable}"
        if variable == DRIFT:
            values = np.abs(packet["energy"].values - packet["energy"].values[0] - packet["work"].values)
        else:
            values = packet[variable].values
        # a packet that stopped between two saved times ends at a place of its own
        last = packet[end].values if end in packet else np.full(values.shape[1:], np.nan)
        values = np.concatenate([values, last[None]])
        order = np.argsort(time * (1 if time[1] > time[0] else -1), kind="stable")
        time, values = time[order], values[order]
        if is_path(dataset, variable):
            found.append(_in_zone(row, values, dataset, variable))
            continue
        columns = values.reshape(len(time), -1)
        for i, (column, label) in enumerate(zip(columns.T, line_labels(dataset, variable), strict=True)):
            points = np.stack([time, column], axis=1)
            found.append(Path(row, f"packet {row}{label}", STYLES[i % len(STYLES)], points, np.empty(0, dtype=int)))
    return found


def line_labels(dataset: xr.Dataset, variable: str) -> list[str]:
    """What tells the lines of one packet apart: components, bands, orbitals."""
    dims = dataset["energy" if variable == DRIFT else variable].dims[2:]
    if not dims or dataset.sizes[dims[0]] == 1:
        return [""]
    names = {"a": "", "level": "band ", "orbital": "orbital "}
    return [f", {names.get(str(dims[0]), '')}{value}" for value in dataset[dims[0]].values]


def _in_zone(row: int, values: np.ndarray, dataset: xr.Dataset, variable: str) -> Path:
    """A path, in the first zone where there is one."""
    breaks = np.empty(0, dtype=int)
    if variable == "wavevector" and "periods" in dataset:
        known = np.isfinite(values).all(axis=1)
        folded = values.copy()
        folded[known] = into_zone(values[known], dataset["periods"].values)
        jumps = np.abs(np.diff(folded - values, axis=0)).max(axis=1)
        breaks = np.flatnonzero(jumps > 1e-6 * np.abs(dataset["periods"].values).max()) + 1
        values = folded
    return Path(row, f"packet {row}", "-", values, breaks)


def _empty_axes(paths: list[Path], axes: Axes | None) -> tuple[Figure, Axes]:
    if axes is not None or paths[0].points.shape[1] == 2:
        return axes_for(axes)
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(5.0, 4.4), layout="constrained", subplot_kw={"projection": "3d"})


def _map_below(
    dataset: xr.Dataset, variable: str, rows: np.ndarray, model: Any, axes: Axes | None
) -> tuple[Figure, Axes]:
    """The Berry curvature of the band of the packets."""
    if not isinstance(model, AbstractModel | AbstractLocalModel):
        raise fail("model", "be a model", f"is a {type(model).__name__}")
    if variable != "wavevector" or dataset.sizes["a"] != 2 or model.dimension != 2:
        what = f"{variable!r} in {dataset.sizes['a']} dimensions is drawn"
        raise fail("model", "be given for wave vectors in two dimensions only", what)
    bands = np.unique(dataset["band"].values[rows])
    if len(bands) > 1:
        raise fail("packets", "name packets of one band for a map of its curvature", f"have bands {bands.tolist()}")
    if isinstance(model, AbstractLocalModel):
        first = dataset.isel(packet=int(rows[0]), time=0)
        model = model.at(first["position"].values, float(first["time"]))
    extent = None
    if model.lattice is None:
        extent = MARGIN * float(np.nanmax(np.abs(dataset["wavevector"].values[rows])))
    return curvature_map(model, int(bands[0]), extent=extent or None, axes=axes)


def _mark(axes: Axes, path: Path, color: str, *, start: bool, stop: bool) -> None:
    """Where a packet started, and where it stopped before its time."""
    known = path.points[np.isfinite(path.points).all(axis=1)]
    if start:
        axes.plot(*known[:1].T, "o", color=color, markersize=4, zorder=4)
    if stop:
        axes.plot(*known[-1:].T, "x", color=color, markersize=6, zorder=4)


def _mark_events(axes: Axes, dataset: xr.Dataset, variable: str, rows: np.ndarray) -> None:
    """Plus signs where something happened to the packets."""
    if not dataset.sizes.get("event"):
        return
    places = dataset[f"event_{variable}"].values[np.isin(dataset["event_packet"].values, rows)]
    if variable == "wavevector" and "periods" in dataset:
        places = into_zone(places, dataset["periods"].values)
    axes.plot(*places.T, "+", color="black", markersize=6, zorder=4, label="events")


def _label(axes: Axes, dataset: xr.Dataset, variable: str, *, mapped: bool) -> None:
    """Axes, zone boundary, title; in red what stopped."""
    unit = dataset["energy" if variable == DRIFT else variable].attrs.get("units")
    stopped = int((~np.isin(dataset["status"].values, ("COMPLETE", "EVENT"))).sum())
    title = axes.get_title() if mapped else f"{dataset.attrs.get('title', '')}: {dataset.attrs.get('model', '')}"
    title += f"\nNOT COMPLETE: {stopped} of {dataset.sizes['packet']} packets stopped" if stopped else ""
    axes.set_title(title, fontsize="medium", color="C3" if stopped else "black", wrap=True)
    if not is_path(dataset, variable):
        axes.set_xlabel(with_unit("time", dataset["time"].attrs.get("units")))
        name = "|E(t) - E(0) - work|" if variable == DRIFT else dataset[variable].attrs.get("long_name", variable)
        axes.set_ylabel(with_unit(str(name), unit))
        return
    prefix = "k_" if variable == "wavevector" else ""
    names = [with_unit(f"{prefix}{a}", unit) for a in dataset["a"].values]
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    if len(names) == 3:
        axes.set_zlabel(names[2])  # type: ignore[attr-defined]
        return
    if variable == "wavevector":
        axes.set_aspect("equal")
        if "periods" in dataset and not mapped:
            corners = zone_boundary(dataset["periods"].values)
            axes.plot(*np.vstack([corners, corners[:1]]).T, color="black", linewidth=0.8)
