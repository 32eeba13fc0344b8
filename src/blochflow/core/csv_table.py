"""A result as a tidy CSV table: one row per combination of coordinates, header lines that say what it is.

Lines that start with ``#`` hold title, equation, units and status; readers skip them, e.g.
``pandas.read_csv(path, comment="#")``.  Numbers carry 17 significant digits, so that nothing is lost.
"""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.files import split_complex, write_text

if TYPE_CHECKING:
    import xarray as xr

# of results without a value: the variable along whose dims the rows are
FIRST = ("value", "value_re", "position", "energy", "amplitude", "transition")
HEADER = ("title", "equation", "units", "model", "parameters", "conventions", "status", "reference", "version")


def write_csv(result: xr.Dataset, path: Path) -> Path:
    """Write the main variables of a result, those that span the dims of its first variable, as CSV."""
    write_text(path, csv_text(result))
    return path


def csv_text(result: xr.Dataset) -> str:
    """The CSV table as text; the parts of a value become columns such as ``moment`` and ``moment_error``."""
    plain = _parts_apart(split_complex(result))
    names = [str(name) for name in plain.data_vars]
    first = next((name for name in FIRST if name in names), names[0])
    dims = [str(d) for d in plain[first].dims]
    plain = _components_apart(plain, dims)
    names = [str(name) for name in plain.data_vars]
    shown = [name for name in names if set(plain[name].dims) <= set(dims)]
    shown.sort(key=lambda name: name != first)
    labels = [str(c) for c in plain.coords if set(plain[c].dims) <= set(dims)]
    labels.sort(key=lambda name: dims.index(name) if name in dims else len(dims))
    plain = plain.drop_vars([c for c in plain.coords if c not in labels])
    # dims without coordinates are numbered from 0
    labels = [d for d in dims if d not in labels] + labels
    columns = [_column(plain, name, dims) for name in (*labels, *shown)]
    stream = io.StringIO()
    for key in HEADER:
        if result.attrs.get(key) not in (None, ""):
            stream.write(f"# {key}: {' '.join(str(result.attrs[key]).split())}\n")
    for name in (*labels, *shown):
        unit = plain[name].attrs.get("units") if name in plain.variables else None
        if unit:
            stream.write(f"# column {name}: {unit}\n")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*labels, *shown])
    writer.writerows(zip(*columns, strict=True))
    return stream.getvalue()


def _parts_apart(result: xr.Dataset) -> xr.Dataset:
    """Variables ``parts`` and ``parts_error`` as one variable per part."""
    if "part" not in result.coords or "parts" not in result:
        return result
    apart = result.drop_dims("part")
    for part in result["part"].values:
        for name, suffix in (("parts", ""), ("parts_error", "_error")):
            if name in result:
                apart[f"{part}{suffix}"] = result[name].sel(part=part, drop=True)
    return apart


def _components_apart(result: xr.Dataset, dims: list[str]) -> xr.Dataset:
    """Vectors beside numbers, such as centers of orbits, as one variable per component."""
    if "a" in dims or "a" not in result.coords:
        return result
    apart = result
    for name in [str(x) for x in result.variables if "a" in result[x].dims and x != "a"]:
        vector = result[name]
        if set(map(str, vector.dims)) - {"a"} <= set(dims):
            parts = {f"{name}_{a}": vector.sel(a=a, drop=True) for a in result["a"].values}
            bare = {x: part.drop_vars(list(part.coords)) for x, part in parts.items()}
            apart = apart.drop_vars(name).assign(bare)
    return apart


def _column(dataset: xr.Dataset, name: str, dims: list[str]) -> list[str]:
    """All entries of a variable or coordinate, broadcast to ``dims`` in C order, as text."""
    shape = [dataset.sizes[d] for d in dims]
    if name not in dataset.variables:
        array = np.arange(dataset.sizes[name])
        source: tuple[str, ...] = (name,)
    else:
        array = np.asarray(dataset[name].values)
        source = tuple(str(d) for d in dataset[name].dims)
    ordered = np.transpose(array, [source.index(d) for d in dims if d in source])
    expanded = ordered.reshape([n if d in source else 1 for n, d in zip(shape, dims, strict=True)])
    return [_text(x) for x in itertools.chain(np.broadcast_to(expanded, shape).reshape(-1))]


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return repr(float(value))
    return str(value)
