"""Tables of exact evolutions of wave packets, and of theories beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

SHOWN = 12
EVOLVED = ("position", "position_error", "spread", "energy", "populations", "edge_weight", "status")
COMPARED = ("difference", "largest_difference", "path")


def wanted_of(result: xr.Dataset) -> tuple[str, ...]:
    """What a complete result holds."""
    return EVOLVED + (COMPARED if result.attrs["quantity"] == "exact.compare" else ())


def has_packets(result: xr.Dataset) -> bool:
    """Whether the variables have their dimensions."""
    vector = ("packet", "time", "a")
    good = all(result[name].dims == vector for name in EVOLVED[:3]) and result["status"].dims == ("packet",)
    if result.attrs["quantity"] == "exact.compare":
        good = good and result["difference"].dims == ("theory", *vector)
    return good


def packets_table(result: xr.Dataset) -> Table:
    """Where packets are at the last time; how far the theories are off at most."""
    from rich.markup import escape
    from rich.table import Table

    compared = "difference" in result
    title = f"{result.attrs.get('title', '')}: {result.attrs.get('model', '')}"
    table = Table(title=escape(title), title_justify="left")
    unit = _bracket(result["position"])
    columns = ["packet", f"last position{unit}", f"its error{unit}", "populations", "edge weight", "status"]
    theories = [str(x) for x in result["theory"].values] if compared else []
    for name in (*columns, *(f"{theory}: largest difference{unit}" for theory in theories)):
        table.add_column(escape(name), justify="right")
    rows = sorted({round(i) for i in np.linspace(0, result.sizes["packet"] - 1, min(result.sizes["packet"], SHOWN))})
    for i in rows:
        packet = result.isel(packet=i)
        last = packet.isel(time=-1)
        error = f"{float(np.linalg.norm(last['position_error'].values)):.1e}"
        cells = [str(i), _vector(last["position"].values), error, _vector(last["populations"].values, 4)]
        cells += [f"{float(packet['edge_weight']):.1e}", str(packet["status"].item())]
        cells += [f"{float(x):.3g}" for x in packet["largest_difference"].values] if compared else []
        table.add_row(*map(escape, cells))
    if len(rows) < result.sizes["packet"]:
        table.caption = f"{len(rows)} of {result.sizes['packet']} packets shown; the file holds all"
    elif compared:
        table.caption = escape(str(result.attrs.get("summary", "")))
    return table


def _vector(values: np.ndarray, digits: int = 8) -> str:
    return ", ".join(f"{x:.{digits}g}" for x in values)


def _bracket(variable: xr.DataArray) -> str:
    unit: Any = variable.attrs.get("units")
    return f" [{unit}]" if unit else ""
