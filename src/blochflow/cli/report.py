"""What the user reads: tables of results with errors, banners, warnings and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.cli.completeness import COMPONENTS
from blochflow.cli.formats import with_error
from blochflow.cli.motion_report import beside_packets, describe_stops, packets_table
from blochflow.cli.orbit_report import COLUMNS, orbits_table
from blochflow.cli.packet_report import packets_table as evolved_table
from blochflow.cli.quantities import is_packet

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

SHOWN_ROWS = 12
SHOWN_COLUMNS = 6
# Components whose sizes agree better than this are equally large.
EQUAL = 1e-6


def result_table(result: xr.Dataset) -> Table:
    """Value +- error of every state (evenly chosen where there are many) and independent component."""
    from rich.table import Table

    if "vertex_k" in result:
        return _sheets_table(result)
    if "allowed" in result:
        return _components_table(result)
    if result.attrs.get("quantity") == "propagate":
        return packets_table(result)
    if is_packet(result.attrs.get("quantity", "")):
        return evolved_table(result)
    if result.attrs.get("quantity") in COLUMNS:
        return orbits_table(result)
    if "value" not in result:
        return _bands_table(result)
    unit = result.attrs.get("units", "")
    table = Table(title=f"{result.attrs.get('title', '')}  [{unit}]".replace("[", "\\["), title_justify="left")
    value, error = result["value"], result["error"]
    tensor = [d for d in value.dims if d in ("a", "b", "c")]
    states = [d for d in value.dims if d not in tensor]
    components = _components(value.transpose(*states, *tensor).values, len(states))
    labels = [[str(x) for x in result[d].values] for d in tensor]
    _add_states(table, result, states)
    for component in components:
        table.add_column("".join(labels[i][c] for i, c in enumerate(component)) or str(value.name), justify="right")
    table.add_column("converged")
    shape = tuple(value.sizes[d] for d in states)
    rows = list(np.ndindex(*shape))
    chosen = _spread(len(rows))
    values = value.transpose(*states, *tensor).values
    errors = error.transpose(*states, *tensor).values
    converged = result["converged"].transpose(*states).values
    for number in chosen:
        row = rows[number]
        cells = _labels(result, states, row)
        cells += [with_error(values[row + c].item(), float(errors[row + c])) for c in components]
        table.add_row(*cells, "yes" if converged[row] else "[bold red]NO[/]")
    if len(chosen) < len(rows):
        table.caption = f"{len(chosen)} of {len(rows)} states shown; the file holds all"
    return table


def beside_table(result: xr.Dataset) -> Table | None:
    """What stands beside the value, each with its largest component: parts, comparisons, other coefficients."""
    from rich.table import Table

    if result.attrs.get("quantity") == "propagate":
        return beside_packets(result)
    columns = _beside(result) if "value" in result else []
    if not columns:
        return None
    tensor = [str(d) for d in result["value"].dims if d in ("a", "b", "c")]
    states = [str(d) for d in result["value"].dims if d not in tensor]
    table = Table(title="beside it", title_justify="left")
    _add_states(table, result, states)
    shown = []
    for name, value, error in columns:
        values, errors = (x.transpose(*states, *tensor).values for x in (value, error))
        component = _largest(values, len(states))
        label = "".join(str(result[d].values[i]) for d, i in zip(tensor, component, strict=True))
        table.add_column(f"{name} {label} {_bracket(value.attrs.get('units'))}".strip(), justify="right")
        chosen = (slice(None),) * len(states) + component
        shown.append((values[chosen], errors[chosen]))
    rows = list(np.ndindex(*(result.sizes[d] for d in states)))
    for number in _spread(len(rows)):
        row = rows[number]
        cells = [with_error(value[row].item(), float(error[row])) for value, error in shown]
        table.add_row(*_labels(result, states, row), *cells)
    return table


def _beside(result: xr.Dataset) -> list[tuple[str, xr.DataArray, xr.DataArray]]:
    """(name, value, error) of every further variable along the dims of the value, parts one by one."""
    found = []
    for name in map(str, result.data_vars):
        if f"{name}_error" not in result:
            continue
        value, error = result[name], result[f"{name}_error"]
        if set(value.dims) == set(result["value"].dims):
            found.append((name, value, error))
        elif "part" in value.dims:
            found += [(str(p), value.sel(part=p), error.sel(part=p)) for p in result["part"].values]
    return found


def _add_states(table: Table, result: xr.Dataset, states: list[Any]) -> None:
    """A column for every coordinate of a scan."""
    for d in states:
        table.add_column(f"{d} {_bracket(result[d].attrs.get('units'))}".strip(), justify="right")


def _labels(result: xr.Dataset, states: list[Any], row: tuple[int, ...]) -> list[str]:
    """Coordinates of a state: numbers, or names such as those of valleys."""
    entries = [result[d].values[i] for d, i in zip(states, row, strict=True)]
    return [str(x) if isinstance(x, str) else f"{float(x):.8g}" for x in entries]


def describe_shortfall(result: xr.Dataset) -> str:
    """By how much a result misses its tolerance."""
    if result.attrs.get("quantity") == "propagate":
        return describe_stops(result)
    if "converged" not in result:
        return str(result.attrs.get("status_message", ""))
    missing = ~result["converged"].values
    error = np.abs(result["error"].values).reshape(*missing.shape, -1).max(axis=-1)
    size = np.abs(result["value"].values).reshape(*missing.shape, -1).max(axis=-1)
    unit = result.attrs.get("units", "")
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(missing, error / size, -np.inf)
    worst = np.unravel_index(int(np.nanargmax(np.where(np.isnan(relative), np.inf, relative))), missing.shape)
    text = f"{int(missing.sum())} of {missing.size} states are not converged; worst: error {error[worst]:.3g} {unit}"
    if np.isfinite(relative[worst]):
        text += f", {relative[worst]:.2g} of the value, asked for rtol = {float(result.attrs.get('rtol', np.nan)):g}"
    return f"{text}. {result.attrs.get('status_message', '')}"


def attribute_table(result: xr.Dataset) -> Table:
    """The attributes of a result."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for name, value in result.attrs.items():
        text = np.array2string(value, precision=8, threshold=8) if isinstance(value, np.ndarray) else str(value)
        if text:
            table.add_row(str(name), escape(text))
    return table


def _bands_table(result: xr.Dataset) -> Table:
    from rich.table import Table

    unit = _bracket(result.attrs.get("units"))
    table = Table(title=str(result.attrs.get("title", "")), title_justify="left")
    scans = [d for d in result["energy"].dims if d == "field"]
    _add_states(table, result, scans)
    for name in ("band", f"lowest {unit}", f"highest {unit}"):
        table.add_column(name, justify="right")
    energy = result["energy"].transpose(*scans, ...)
    rows = list(np.ndindex(*(energy.sizes[d] for d in scans), energy.sizes["band"]))
    for number in _spread(len(rows)):
        *row, n = rows[number]
        band = energy.isel(band=n, **dict(zip(scans, row, strict=True))).values
        table.add_row(*_labels(result, scans, tuple(row)), str(n), f"{band.min():.6f}", f"{band.max():.6f}")
    return table


def _components_table(result: xr.Dataset) -> Table:
    """Allowed components of every response, and the others with what forbids them."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{result.attrs.get('title', '')}: {result.attrs.get('model', '')}", title_justify="left")
    for name in ("response", "allowed", "zero", "forbidden by"):
        table.add_column(name)
    entries = list(zip(*(result[x].values for x in COMPONENTS), strict=True))
    for quantity in dict.fromkeys(str(q) for q, *_ in entries):
        rows = [(str(c), bool(ok), str(why)) for q, c, ok, why in entries if str(q) == quantity]
        shown = ", ".join(c for c, ok, _ in rows if ok)
        for reason in dict.fromkeys(why for _, _, why in rows if why):
            zero = ", ".join(c for c, _, why in rows if why == reason)
            table.add_row(quantity, shown, zero, escape(reason))
            quantity = shown = ""
        if quantity:
            table.add_row(quantity, shown, "", "")
    return table


def _sheets_table(result: xr.Dataset) -> Table:
    from rich.table import Table

    table = Table(title=str(result.attrs.get("title", "")), title_justify="left")
    for name in ("bands", "kind", "enclosed", "density", "density_of_states"):
        table.add_column(f"{name} {_bracket(result[name].attrs.get('units'))}".strip(), justify="right")
    table.add_column("closure")
    table.add_column("error")
    if not result.sizes["sheet"]:
        table.caption = str(result.attrs.get("status_message", ""))
    for i in _spread(result.sizes["sheet"]) if result.sizes["sheet"] else []:
        sheet = result.isel(sheet=i)
        cells = [str(sheet["bands"].item()), str(sheet["kind"].item())]
        cells += [f"{float(sheet[name]):.8g}" for name in ("enclosed", "density", "density_of_states")]
        table.add_row(*cells, *(f"{float(sheet[name]):.1e}" for name in ("closure_residual", "error")))
    if result.sizes["sheet"] > SHOWN_ROWS:
        table.caption = f"{SHOWN_ROWS} of {result.sizes['sheet']} sheets shown; the file holds all"
    return table


def _components(values: np.ndarray, leading: int) -> list[tuple[int, ...]]:
    """Independent components: not all zero, each antisymmetric or symmetric pair once."""
    shape = values.shape[leading:]
    kept: list[tuple[int, ...]] = []
    for component in np.ndindex(*shape):
        entry = values[(..., *component)]
        if not np.any(entry):
            continue
        partner = (*component[:-2], *component[-2:][::-1])
        seen = len(shape) > 1 and partner in kept
        if seen and np.allclose(np.abs(entry), np.abs(values[(..., *partner)]), rtol=1e-12, atol=0):
            continue
        kept.append(component)
    return (kept or [(0,) * len(shape)])[:SHOWN_COLUMNS]


def _largest(values: np.ndarray, leading: int) -> tuple[int, ...]:
    """The component with the largest value of any state, the first of several that agree."""
    sizes = np.abs(values).max(axis=tuple(range(leading)))
    found = np.argwhere(sizes >= (1 - EQUAL) * sizes.max())
    return tuple(map(int, found[0])) if len(found) else (0,) * sizes.ndim


def _spread(count: int) -> list[int]:
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, SHOWN_ROWS))})


def _bracket(unit: Any) -> str:
    return f"\\[{unit}]" if unit else ""
