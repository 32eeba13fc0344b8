"""Tables of orbits, Landau levels, oscillations and passages in fields, and what their files must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.dynamics.orbit_catalog import BLOCH_OSCILLATION, CYCLOTRON_ORBITS, LANDAU_LEVELS, QUANTUM_OSCILLATIONS
from blochflow.nonadiabatic.passage_catalog import AVOIDED_CROSSING, BLOCH_ZENER, DIRAC_HALL_SUPPRESSION, LANDAU_ZENER

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

SHOWN = 24
# columns of the table of each quantity; the first of them spans the rows
COLUMNS: dict[str, tuple[str, ...]] = {
    CYCLOTRON_ORBITS.name: (
        "area", "band", "kind", "frequency", "cyclotron_mass", "period", "phase", "error", "status",
    ),
    LANDAU_LEVELS.name: ("energy", "band", "kind", "edge", "area", "cyclotron_mass", "error", "status"),
    QUANTUM_OSCILLATIONS.name: (
        "frequency", "band", "kind", "extremum", "cyclotron_mass", "phase", "amplitude", "error", "status",
    ),
    BLOCH_OSCILLATION.name: ("amplitude", "wavevector", "drift", "error", "gap", "adiabaticity"),
    LANDAU_ZENER.name: ("probability",),
    AVOIDED_CROSSING.name: ("gap", "velocity", "probability", "hyperbola", "distance", "wavevector"),
    BLOCH_ZENER.name: ("level", "wavevector", "transition", "error"),
    DIRAC_HALL_SUPPRESSION.name: ("suppression",),
}  # fmt: skip
DIMS: dict[str, tuple[str, ...]] = {
    CYCLOTRON_ORBITS.name: ("energy", "k_parallel", "orbit"),
    LANDAU_LEVELS.name: ("magnetic_field", "pocket", "level"),
    QUANTUM_OSCILLATIONS.name: ("mu", "field", "orbit"),
    BLOCH_OSCILLATION.name: ("packet",),
    LANDAU_ZENER.name: ("gap", "velocity", "electric_field"),
    AVOIDED_CROSSING.name: ("crossing",),
    BLOCH_ZENER.name: ("k", "band"),
    DIRAC_HALL_SUPPRESSION.name: ("field",),
}
# variables with dimensions of their own
FURTHER = {"amplitude": ("temperature", "harmonic"), "wavevector": ("a",), "drift": ("a",), "transition": ("other",)}


def orbits_table(result: xr.Dataset) -> Table:
    """One row for every orbit, level, packet or passage; of a temperature scan and of harmonics the first."""
    from rich.markup import escape
    from rich.table import Table

    names = COLUMNS[result.attrs["quantity"]]
    title = ": ".join(str(result.attrs[x]) for x in ("title", "model") if result.attrs.get(x))
    if "period" in result and result["period"].ndim == 0:
        title += f", T_B = {float(result['period']):.8g} {result['period'].attrs.get('units', '')}"
    table = Table(title=escape(title), title_justify="left")
    dims = [str(d) for d in result[names[0]].dims if str(d) in DIMS[result.attrs["quantity"]]]
    for name in (*dims, *names):
        unit: Any = _coordinate(result, name).attrs.get("units") if name in dims else result[name].attrs.get("units")
        label = name + (f" [{unit}]" if unit and unit != "1" else "")
        table.add_column(escape(label), justify="right")
    first = result["kind"] if "kind" in names else result[names[0]]
    places = [place for place in np.ndindex(*(result.sizes[d] for d in dims)) if _is_row(first, dims, place)]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(len(places), SHOWN)).round().astype(int))
    for place in (places[i] for i in chosen):
        row = result.isel(dict(zip(dims, place, strict=True)))
        numbered = zip(dims, place, strict=True)
        cells = [_text(_coordinate(row, d).values) if _has(row, d) else str(i) for d, i in numbered]
        cells += [f"{float(row[x]):.1e}" if x == "error" else _text(_first(row[x])) for x in names]
        table.add_row(*map(escape, cells))
    captions = [str(result.attrs.get("note", ""))]
    if len(chosen) < len(places):
        captions.append(f"{len(chosen)} of {len(places)} rows shown; the file holds all")
    if "amplitude" in result and result["amplitude"].ndim > 1 and result["amplitude"].size > result["frequency"].size:
        captions.append("amplitude: first temperature and harmonic")
    table.caption = escape("; ".join(x for x in captions if x)) or None
    return table


def has_orbits(result: xr.Dataset) -> bool:
    """Whether a file holds what its quantity promises, along the right dimensions."""
    quantity = result.attrs["quantity"]
    dims = set(DIMS[quantity])
    return all(set(map(str, result[x].dims)) <= dims | set(FURTHER.get(x, ())) for x in COLUMNS[quantity])


def _coordinate(result: xr.Dataset, name: str) -> xr.DataArray:
    """Along ``field`` lies the magnetic field, where there is one."""
    return result["magnetic_field" if name == "field" and "magnetic_field" in result else name]


def _has(row: xr.Dataset, name: str) -> bool:
    return name == "field" or name in row.coords


def _is_row(first: xr.DataArray, dims: list[str], place: tuple[int, ...]) -> bool:
    """False for what only fills shorter lists."""
    value = first.isel({d: i for d, i in zip(dims, place, strict=True) if d in first.dims}).values
    return value.dtype.kind != "U" or value.item() != ""


def _first(values: xr.DataArray) -> np.ndarray:
    """A vector whole, of temperatures and harmonics the first."""
    return np.asarray(values.isel({d: 0 for d in values.dims if d not in ("a", "other")}).values)


def _text(value: Any) -> str:
    entries = np.atleast_1d(value)
    if entries.dtype.kind in "fiu":
        return ", ".join(f"{float(x):.8g}" if len(entries) == 1 else f"{float(x):.6g}" for x in entries)
    return ", ".join(map(str, entries))
