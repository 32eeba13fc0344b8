"""Average of a current over the cell of a texture: uniform points of the cell, doubled until they agree.

<J> = (1/n^m) sum_p J(x_0 + p_i c_i/n)      exponentially accurate in n for smooth periodic textures
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.zone.tolerance import Tolerance, as_tolerance

if TYPE_CHECKING:
    import xarray as xr

FIRST, MOST = 4, 32
PARTS = ("value", "intrinsic", "relaxation", "bound", "without_measure", "cutoff_tail")


def as_cell(cell: Any, dimension: int) -> np.ndarray:
    """(m, d) independent vectors after which a texture repeats."""
    vectors = np.atleast_2d(as_real_array(cell, "cell", max_ndim=2))
    if vectors.shape[1] != dimension or len(vectors) > dimension:
        raise fail("cell", f"hold up to {dimension} vectors of {dimension} numbers", f"has shape {vectors.shape}")
    if np.linalg.matrix_rank(vectors) < len(vectors):
        raise fail("cell", "hold vectors that are linearly independent", "they are not")
    return vectors


def average_over_cell(
    current: Callable[[np.ndarray], xr.Dataset], start: np.ndarray, cell: np.ndarray, tolerance: Any
) -> xr.Dataset:
    """The average of ``current``, a Dataset for places (X, d) with the dimension ``position``."""
    import xarray as xr

    asked = as_tolerance(tolerance)
    known: dict[tuple[int, ...], xr.Dataset] = {}
    points, before, spent = FIRST // 2, None, 0
    while True:
        nodes = list(itertools.product(range(points), repeat=len(cell)))
        keys = [tuple(n * (MOST // points) for n in node) for node in nodes]
        new = [(key, node) for key, node in zip(keys, nodes, strict=True) if key not in known]
        found = current(start + np.array([node for _, node in new]) @ cell / points)
        spent += int(found.attrs["evaluations"])
        found = found.drop_vars("place")
        known |= {key: found.isel(position=i) for i, (key, _) in enumerate(new)}
        level = xr.concat([known[key] for key in keys], dim="position", combine_attrs="override", coords="minimal")
        mean = averaged(level)
        if before is not None:
            finish_level(mean, before, asked)
            if bool(mean["converged"].values.all()) or points >= MOST:
                mean.attrs |= {"cell_points": points, "cell": cell.ravel()}
                mean.attrs["evaluations"] = spent
                return mean
        points, before = 2 * points, mean


def averaged(level: xr.Dataset) -> xr.Dataset:
    """Means over positions; errors are averaged too, since those of neighbours may have one sign."""
    reduced = level.mean("position", keep_attrs=True)
    reduced["converged"] = level["converged"].all("position")
    return reduced


def finish_level(mean: xr.Dataset, before: xr.Dataset, asked: Tolerance) -> None:
    """Add the change on doubling to the errors, and judge them."""
    for name in PARTS:
        error = "error" if name == "value" else f"{name}_error"
        if name in mean and error in mean:
            mean[error] = (mean[error] + np.abs(mean[name] - before[name])).assign_attrs(mean[error].attrs)
    size = abs(mean["value"]).max("a")
    scale = abs(mean["intrinsic"]).max("a") + abs(mean["relaxation"]).max("a")
    floor = asked.fraction * scale if asked.atol is None else asked.atol
    allowed = np.maximum(floor, asked.rtol * size)
    mean["converged"] = (mean["error"].max("a") <= allowed).transpose(*mean["converged"].dims)
