"""Options of a response that may be lists, each of which is a dimension of the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_choice, as_real_array, fail
from blochflow.core.units import Units

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Scan:
    """One option.

    Attributes
    ----------
    name : str
        Of the dimension.
    values : (n,) array, or (n, 2) pairs of frequencies
    listed : bool
        Whether they are a dimension, or one value that is an attribute.
    units : str
    """

    name: str
    values: np.ndarray
    listed: bool
    units: str = ""

    @property
    def coordinate(self) -> tuple[str, np.ndarray, dict[str, str]]:
        """What xarray takes; of pairs the first numbers."""
        first = self.values if self.values.ndim == 1 else self.values[:, 0]
        return self.name, first, {"units": self.units} if self.units else {}


def as_names(value: Any, name: str, known: Sequence[str]) -> Scan:
    """One of the names ``known``, or a list of them."""
    if not isinstance(value, str | list | tuple):
        raise fail(name, f"name one of {', '.join(known)}, or be a list of them", f"is {value!r}")
    names = [value] if isinstance(value, str) else list(value)
    if not names:
        raise fail(name, f"name one of {', '.join(known)}", "is empty")
    return Scan(name, np.array([as_choice(x, name, known) for x in names]), not isinstance(value, str))


def as_tau(tau: Any, units: Units) -> Scan:
    """Relaxation times."""
    if tau is None:
        raise fail("tau", "be given, the relaxation time", "is missing")
    return Scan("tau", np.atleast_1d(as_real_array(tau, "tau", positive=True)), np.ndim(tau) > 0, units.time)


def as_photons(value: Any, name: str, units: Units) -> Scan:
    """Photon energies."""
    return Scan("frequency", np.atleast_1d(as_real_array(value, name)), np.ndim(value) > 0, units.energy)


def as_pairs(frequencies: Any, units: Units) -> Scan:
    """Pairs of photon energies."""
    array = as_real_array(frequencies, "frequencies", max_ndim=2)
    if array.ndim == 0 or array.shape[-1] != 2:
        raise fail("frequencies", "be a pair (w1, w2), or pairs (F, 2)", f"has shape {array.shape}")
    return Scan("frequency", np.atleast_2d(array), array.ndim == 2, units.energy)


def labelled(result: xr.Dataset, scans: Sequence[Scan]) -> xr.Dataset:
    """Add the coordinates of lists, and single numbers as attributes; names are left to the caller."""
    for scan in scans:
        pairs = scan.values.ndim == 2
        if scan.listed:
            result = result.assign_coords({scan.name: scan.coordinate})
            if pairs:
                result = result.assign_coords(second_frequency=(scan.name, scan.values[:, 1], scan.coordinate[2]))
        elif pairs:
            result.attrs["frequencies"] = scan.values[0]
        elif scan.values.dtype.kind == "f" and np.isfinite(scan.values[0]):
            result.attrs[scan.name] = float(scan.values[0])
    return result
