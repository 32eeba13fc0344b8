"""Trajectories between the saved times, from positions, wave vectors and their rates at the saved ones.

    through four neighbouring times: the polynomial of degree seven with x and dx/dt there, error of eighth order
Source: Krogh, Math. Comp. 24, 185 (1970).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_real_array, fail

if TYPE_CHECKING:
    import xarray as xr

# Saved times that one polynomial goes through, and fewer for the error.
NODES, FEWER = 4, 3
RATES = {"position": "velocity", "wavevector": "force"}
MOST_BYTES = 2**31


def interpolate(run: xr.Dataset, times: Any) -> xr.Dataset:
    """Positions and wave vectors between the saved times of a run.

        polynomial of degree 7 through x and dx/dt at the four saved times around t

    Source: [Krogh1970].  Valid for: saved times close enough that the path is smooth between them, as the errors show;
    runs without collisions.  Not included: what happens between saved times that the path at them does not show.

    Parameters
    ----------
    run : Dataset
        Of `propagate`, with at least two times.
    times : (T,) array
        Within the times of the run, in any order.

    Returns
    -------
    Dataset
        ``position``, ``wavevector`` and ``position_error``, ``wavevector_error`` with dims (packet, time, a): the
        difference from polynomials through three times.  NaN where a packet had stopped.

    Raises
    ------
    ValueError
        Not a run, one with collisions, times outside it, or more numbers than fit 2 GiB.

    Examples
    --------
    >>> import blochflow as bf, numpy as np
    >>> packet = bf.WavePacket([0.0, 0.0], [0.3, 0.5])
    >>> run = bf.propagate(bf.zoo.haldane(), packet, np.linspace(0.0, 5.0, 11), electric_field=[0.05, 0.0])
    >>> np.round(bf.interpolate(run, [2.3]).wavevector.values[0, 0], 6)
    array([0.185, 0.5  ])
    """
    import xarray as xr

    if not isinstance(run, xr.Dataset) or run.attrs.get("quantity") != "propagate":
        raise fail("run", "be a Dataset of bf.propagate", f"is {type(run).__name__}")
    if int(run.collisions.max()) > 0:
        raise fail("run", "have no collisions, at which k jumps", f"has {int(run.collisions.sum())}")
    wanted = np.atleast_1d(as_real_array(times, "times"))
    saved = run.time.values
    low, high = saved.min(), saved.max()
    if wanted.min() < low or wanted.max() > high:
        raise fail("times", f"lie between {low:g} and {high:g}, the times of the run", f"holds {wanted.tolist()[:6]}")
    if 32 * run.sizes["packet"] * len(wanted) * run.sizes["a"] > MOST_BYTES:
        raise fail("times", "be fewer, or of fewer packets: results must fit 2 GiB", f"holds {len(wanted)}")
    variables = {}
    for name, rate in RATES.items():
        value, rates = run[name].values, run[rate].values
        fine = through(saved, value, rates, wanted, NODES)
        error = np.abs(fine - through(saved, value, rates, wanted, FEWER))
        meta = {"units": run[name].attrs["units"]}
        variables[name] = (("packet", "time", "a"), fine, meta)
        variables[f"{name}_error"] = (("packet", "time", "a"), error, meta)
    coords = {"time": ("time", wanted, run.time.attrs), "packet": run.packet, "a": run.a}
    return xr.Dataset(variables, coords=coords, attrs=run.attrs | {"interpolated": 1})


def through(saved: np.ndarray, value: np.ndarray, rates: np.ndarray, wanted: np.ndarray, nodes: int) -> np.ndarray:
    """(P, W, d) at the wanted times, from (P, T, d) at saved ones."""
    from scipy.interpolate import KroghInterpolator

    sense = 1.0 if saved[-1] >= saved[0] else -1.0
    nodes = min(nodes, len(saved))
    interval = np.clip(np.searchsorted(sense * saved, sense * wanted, side="right") - 1, 0, len(saved) - 2)
    first = np.clip(interval - (nodes - 2) // 2, 0, len(saved) - nodes)
    result = np.full((len(value), len(wanted), value.shape[-1]), np.nan)
    for start in np.unique(first):
        chosen, some = slice(start, start + nodes), np.flatnonzero(first == start)
        given = np.stack([value[:, chosen], rates[:, chosen]], axis=2).swapaxes(0, 1).swapaxes(1, 2)
        times = np.repeat(saved[chosen], 2) - saved[start]
        polynomial = KroghInterpolator(times, given.reshape(2 * nodes, *value.shape[::2]))
        result[:, some] = polynomial(wanted[some] - saved[start]).swapaxes(0, 1)
    return result
