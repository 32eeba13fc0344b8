"""Tables of trajectories: how every packet ended, averages over an ensemble, events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

SHOWN = 12
AVERAGED = ("position", "velocity", "energy", "current")


def packets_table(result: xr.Dataset) -> Table:
    """Where packets ended, and how far to trust that."""
    from rich.table import Table

    title = f"{result.attrs.get('title', '')}: {result.attrs.get('model', '')}"
    table = Table(title=title, title_justify="left")
    for name in ("packet", "band", "status", "end_time", "end_position", "end_wavevector", "energy_drift"):
        table.add_column(f"{name} {_bracket(result, name)}".strip(), justify="right")
    table.add_column("adiabaticity", justify="right")
    rows = _spread(result.sizes["packet"])
    for i in rows:
        packet = result.isel(packet=i)
        ends = [_vector(packet[name].values) for name in ("end_position", "end_wavevector")]
        numbers = [f"{float(packet[name]):.1e}" for name in ("energy_drift", "largest_adiabaticity")]
        time = f"{float(packet['end_time']):.8g}"
        table.add_row(str(i), str(int(packet["band"])), str(packet["status"].item()), time, *ends, *numbers)
    if len(rows) < result.sizes["packet"]:
        table.caption = f"{len(rows)} of {result.sizes['packet']} packets shown; the file holds all"
    return table


def beside_packets(result: xr.Dataset) -> Table | None:
    """Averages over an ensemble, or else events, or else populations of bands."""
    if "ensemble" in result.attrs:
        return _averages_table(result)
    if result.sizes.get("event"):
        return _events_table(result)
    return _populations_table(result) if "populations" in result else None


def describe_stops(result: xr.Dataset) -> str:
    """How many packets stopped, and why the worst of them did."""
    ends = result["status"].values
    stopped = int((~np.isin(ends, ("COMPLETE", "EVENT"))).sum())
    return f"{stopped} of {len(ends)} packets did not reach the last time. {result.attrs.get('status_message', '')}"


def _averages_table(result: xr.Dataset) -> Table:
    from rich.table import Table

    from blochflow.cli.formats import with_error
    from blochflow.dynamics.ensemble import average

    found = {name: average(result, name) for name in AVERAGED}
    table = Table(title=f"averages over the ensemble ({result.attrs['ensemble']})", title_justify="left")
    table.add_column(f"time {_bracket(result, 'time')}".strip(), justify="right")
    for name, mean in found.items():
        for a in [""] if "a" not in mean.dims else mean["a"].values:
            table.add_column(f"{name} {a} {_bracket(mean, 'value')}".replace("  ", " "), justify="right")
    for i in _spread(result.sizes["time"]):
        cells = [f"{float(result['time'][i]):.8g}"]
        for mean in found.values():
            pairs = zip(np.atleast_1d(mean["value"][i]), np.atleast_1d(mean["error"][i]), strict=True)
            cells += [with_error(float(value), float(error)) for value, error in pairs]
        table.add_row(*cells)
    return table


def _populations_table(result: xr.Dataset) -> Table:
    from rich.table import Table

    table = Table(title="last populations of the bands", title_justify="left")
    for name in ("packet", "norm_drift", *(f"band {n}" for n in result["level"].values)):
        table.add_column(name, justify="right")
    for i in _spread(result.sizes["packet"]):
        packet = result.isel(packet=i)
        shares = (f"{x:.6g}" for x in _last(packet["populations"].values))
        table.add_row(str(i), f"{float(packet['norm_drift']):.1e}", *shares)
    return table


def _events_table(result: xr.Dataset) -> Table:
    from rich.table import Table

    table = Table(title="events", title_justify="left")
    names = ("event_name", "event_packet", "event_time", "event_position", "event_wavevector")
    for name in names:
        table.add_column(f"{name.removeprefix('event_')} {_bracket(result, name)}".strip(), justify="right")
    rows = _spread(result.sizes["event"])
    for i in rows:
        event = result.isel(event=i)
        cells = [str(event["event_name"].item()), str(int(event["event_packet"])), f"{float(event['event_time']):.8g}"]
        table.add_row(*cells, *(_vector(event[name].values) for name in names[3:]))
    if len(rows) < result.sizes["event"]:
        table.caption = f"{len(rows)} of {result.sizes['event']} events shown; the file holds all"
    return table


def _vector(values: np.ndarray) -> str:
    return ", ".join(f"{x:.6g}" for x in values)


def _last(rows: np.ndarray) -> np.ndarray:
    """The last row that is known."""
    return np.asarray(rows[np.isfinite(rows).all(axis=1)][-1])


def _spread(count: int) -> list[int]:
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, SHOWN))})


def _bracket(result: xr.Dataset, name: str) -> str:
    unit: Any = result[name].attrs.get("units")
    return f"\\[{unit}]" if unit else ""
