"""Gauge-invariant part of the Wannier spread of a group of bands.

    Omega_I = V_cell Int d^dk/(2 pi)^d sum_{n in group, m outside} |A_nm|^2 = BZ average of Tr g(group)

The group's own metric enters, not the sum of the metrics of its bands.  In two dimensions Omega_I >= A_cell |C|/(2 pi).
Source: Marzari and Vanderbilt, PRB 56, 12847 (1997), App. C; bound: Roy, PRB 90, 165139 (2014).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import fail
from blochflow.core.errors import ConvergenceError
from blochflow.geometry.bands import solve_bands
from blochflow.geometry.metric import quantum_metric
from blochflow.geometry.overlaps import as_subspace, group_states
from blochflow.geometry.subspace import Subspace
from blochflow.geometry.topology import as_grid, chern_number
from blochflow.models.base import AbstractModel, as_model

if TYPE_CHECKING:
    import xarray

RELATIVE_ERROR = 1e-9  # asked of grid doubling: a gapped integrand converges exponentially, so it costs little
FIRST_GRID = {1: 32, 2: 16, 3: 8}
MOST_POINTS = 1 << 18
CHUNK = 1024


def wannier_spread(model: AbstractModel, *, bands: Any, grid: Any = None) -> xarray.Dataset:
    """Gauge-invariant part Omega_I of the spread of the Wannier functions of a group of bands, per cell.

        Omega_I = (V_cell/(2 pi)^d) Int sum_{n in group, m outside} |A_nm|^2 d^dk

    Source: Marzari and Vanderbilt, PRB 56, 12847 (1997), App. C.
    Valid for: a group separated from all other bands.  Not included: states outside the model's basis (with Wannier
    functions: outside the Wannier space).  It depends on the orbital positions, as any spread does.

    Parameters
    ----------
    model : AbstractModel
        With a lattice.
    bands : int, list of int or Subspace
    grid : int or d ints, optional
        The value is computed on this uniform grid and on one twice as fine; without it the grid is doubled until the
        error is below 1e-9 of the value.

    Returns
    -------
    xarray.Dataset
        ``value`` (on the finer grid), ``error`` (change by the last doubling), ``bound`` (A_cell |C|/(2 pi) in two
        dimensions; NaN otherwise, or where the Chern number cannot be resolved), in the model's length squared.

    Raises
    ------
    DegenerateBandsError
        The group touches another band.
    ConvergenceError
        The error stays above 1e-9 of the value; ``.result`` holds the Dataset.  Not raised when ``grid`` is given.
    ValueError
        No lattice, or wrong bands or grid.

    Examples
    --------
    >>> import blochflow as bf
    >>> ssh = bf.TightBinding([[1.0]], [[0.0], [0.0]], [(-1.0, 0, 1, (0,)), (-0.6, 1, 0, (1,))])
    >>> round(float(bf.geometry.wannier_spread(ssh, bands=0).value), 9)           # r^2/(8 (1 - r^2)), r = 0.6
    0.0703125
    """
    group = as_subspace(bands, as_model(model).num_bands)
    if model.lattice is None:
        raise fail("model", "have a lattice", f"{model.name} is a continuum model")
    d = model.dimension
    shape = np.array(as_grid(FIRST_GRID[d] if grid is None else grid, d))
    value, error = zone_average(model, group, shape), np.inf
    while True:
        shape, previous = 2 * shape, value
        value = zone_average(model, group, shape)
        error = abs(value - previous)
        # 1e-14: the rounding of a spread that is zero, in units of the cell
        if grid is not None or error <= max(RELATIVE_ERROR * value, 1e-14 * model.lattice.volume ** (2 / d)):
            return as_dataset(model, group, value, error, shape)
        if np.prod(2 * shape) > MOST_POINTS:
            break
    result = as_dataset(model, group, value, error, shape)
    raise ConvergenceError(
        f"The Wannier spread {value:.6g} still changes by {error:.2g} on a grid of {tuple(shape.tolist())} points. The "
        "group comes close to another band; pass a finer `grid` to accept the value with its error.",
        result,
    )


def zone_average(model: AbstractModel, group: Subspace, shape: np.ndarray) -> float:
    """Average of Tr g over a uniform grid shifted by half a step, which avoids the symmetric points."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1).reshape(-1, len(shape))
    k = ((index + 0.5) / shape) @ np.asarray(model.lattice.reciprocal)  # type: ignore[union-attr]
    total = 0.0
    for start in range(0, len(k), CHUNK):
        part = k[start : start + CHUNK]
        padded = np.concatenate(
            [part, np.repeat(part[-1:], max(32, 1 << (len(part) - 1).bit_length()) - len(part), axis=0)]
        )
        traces = np.asarray(_metric_traces(model, jnp.asarray(padded), group))[: len(part)]
        if not np.isfinite(traces).all():
            group_states(model, part, group)  # names the k and the bands that touch
            raise ConvergenceError("The quantum metric is not finite on the grid; shift or refine it.")
        total += float(traces.sum())
    return total / len(k)


@eqx.filter_jit
def _metric_traces(model: AbstractModel, k: Array, group: Subspace) -> Array:
    metric = quantum_metric(solve_bands(model, k), subspace=group)
    return jnp.trace(metric, axis1=1, axis2=2)


def topological_bound(model: AbstractModel, group: Subspace) -> float:
    """A_cell |C|/(2 pi) in two dimensions; NaN otherwise, and where no mesh resolves the gap well enough for C."""
    if model.dimension != 2 or model.lattice is None:
        return np.nan
    try:
        return model.lattice.volume * abs(chern_number(model, bands=group)) / (2 * np.pi)
    except ConvergenceError:
        return np.nan


def as_dataset(model: AbstractModel, group: Subspace, value: float, error: float, shape: np.ndarray) -> xarray.Dataset:
    """Value, error and bound with their units."""
    import xarray

    bound = topological_bound(model, group)
    units = {"units": f"{model.units.length}^2"}
    return xarray.Dataset(
        {"value": ((), value, units), "error": ((), error, units), "bound": ((), bound, units)},
        attrs={
            "quantity": "gauge-invariant part of the Wannier spread, per unit cell",
            "equation": "Omega_I = V_cell Int d^dk/(2 pi)^d sum_{n in group, m outside} |A_nm|^2",
            "reference": "Marzari and Vanderbilt, PRB 56, 12847 (1997), App. C",
            "units": units["units"],
            "bands": np.array(group.bands),
            "grid": shape,
            "model": model.name,
            "status": "within the Wannier space" if model.has_position_matrices else "within the model's basis",
        },
    )
