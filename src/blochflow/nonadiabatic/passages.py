"""Passages of electrons from band to band at avoided crossings that a uniform field drives them through.

    P = exp(-pi (g/2)^2/(hbar v e|E|)),   gap^2 = g^2 + (2 v s)^2 along the field, s = k along it

Source: Zener, Proc. R. Soc. A 137, 696 (1932).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_index, as_real_array, as_wavevectors, fail
from blochflow.core.dataset import CARTESIAN, description, provenance
from blochflow.core.units import NATURAL, Units
from blochflow.dynamics.bloch import reciprocal_along
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.fields import time_unit
from blochflow.models.tight_binding import as_units
from blochflow.nonadiabatic.gap_on_line import SAMPLES, GapOnLine
from blochflow.nonadiabatic.passage_catalog import AVOIDED_CROSSING

if TYPE_CHECKING:
    import xarray as xr

# Longest line on which avoided crossings are looked for, in units of the zone.
MOST_ZONES = 100


def landau_zener(gap: Any, velocity: Any, electric_field: Any, *, units: Units = NATURAL) -> Any:
    """Probability that an electron which a field drives through an avoided crossing stays on its line and changes band.

        P = exp(-pi (g/2)^2/(hbar v e|E|))

    Source: [Zener1932].  Valid for: two bands, a crossing passed as a whole with constant v and E.  Not included:
    interference of passages, other bands.

    Parameters
    ----------
    gap : float or array
        g, smallest distance of the bands along the line of k.
    velocity : float or array
        Half the difference of the velocities of the two lines that cross, along the field: v of hbar v k sigma.
    electric_field : float or array
        Its size.
    units : Units
        ``bf.NATURAL`` (hbar = e = 1), or ``bf.EV_ANGSTROM``: eV, angstrom/fs, V/angstrom.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        Negative or not finite numbers, a field or velocity of zero, shapes that do not go together, or other units.

    Examples
    --------
    >>> import blochflow as bf
    >>> round(bf.nonadiabatic.landau_zener(gap=0.2, velocity=1.0, electric_field=0.02), 9)
    0.207879576
    """
    g = as_real_array(gap, "gap", max_ndim=8, positive=False)
    v = as_real_array(velocity, "velocity", max_ndim=8, positive=True)
    field = as_real_array(electric_field, "electric_field", max_ndim=8, positive=True)
    given = {"gap": g, "velocity": v, "electric_field": field}
    try:
        np.broadcast_shapes(*(x.shape for x in given.values()))
    except ValueError as exc:
        shapes = ", ".join(f"`{name}` has shape {x.shape}" for name, x in given.items())
        raise fail("gap", "broadcast with velocity and electric_field, by NumPy's rules", shapes) from exc
    hbar = time_unit(as_units(units))
    result = np.exp(-np.pi * (g / 2) ** 2 / (hbar * v * field))
    return float(result) if result.ndim == 0 else result


def avoided_crossing(model: Any, k: Any, electric_field: Any, *, band: int = 0, extent: Any = None) -> xr.Dataset:
    """Avoided crossings that an electron meets on its way along a field, and how likely it passes each.

        k(s) = k - s E/|E|;   minima of g(s) = E_{n+1} - E_n;   P = `landau_zener`(g, v, |E|) there
        hbar v = |<n+1|d_s H|n>|, of degenerate bands that of their whole block;   g = 0: half the difference of slopes

    Source: [Zener1932].  Valid for: crossings apart from each other, where ``hyperbola`` = g g''/(2 v)^2 is near 1;
    elsewhere P is an estimate.  Where bands touch, P is 1 if they cross, with different slopes or with equal ones
    (states on both sides tell), and 0 if they do not.  In groups of bands that coincide, such as doublets, all states
    must pass alike.  Not included: interference, other bands.

    Parameters
    ----------
    model : AbstractModel
    k : (d,) array
        Start of the line.
    electric_field : (d,) array
    band : int
        The lower of the two bands; of bands that coincide everywhere the last.
    extent : float, optional
        Length of the line in k.  Default: one reciprocal vector along the field; of k.p models, and where there is no
        such vector, the line is centred on k: twice the cutoff, or the longest reciprocal vector.  At most a hundred
        times that, for minima are looked for at 512 points of each.

    Returns
    -------
    Dataset
        Dims (crossing): ``gap``, ``velocity``, ``probability``, ``hyperbola``, ``distance`` (s); (crossing, a):
        ``wavevector``.  In order of s; none where the gap has no minimum on the line.  ``hyperbola`` is NaN where v or
        the gap is zero.

    Raises
    ------
    ValueError
        Wrong arguments, a field of zero, a band without one above it.
    DegenerateBandsError
        The band and the next are partners that coincide on the line or a part of it; or more than two meet at a
        minimum, and have no single probability; or points nearby do not tell whether bands that touch cross.

    Examples
    --------
    >>> import blochflow as bf
    >>> found = bf.nonadiabatic.avoided_crossing(bf.zoo.massive_dirac(mass=0.1), [0.3, 0.07], [0.05, 0.0])
    >>> round(found.gap.item(), 6), round(found.probability.item(), 6)
    (0.244131, 0.392117)
    """
    import xarray as xr

    model = as_model(model)
    line = checked_line(model, k, electric_field, band=band, extent=extent)
    start, field, direction, lower = line.start, line.field, line.direction, line.band
    gap_at = GapOnLine(model, start, direction, lower)
    places = gap_at.minima(line.first, line.length, line.closed, line.samples)
    gap, speed, bend = gap_at.details(places)
    hbar = time_unit(model.units)
    size = float(np.linalg.norm(field))
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.where(speed > 0, np.exp(-np.pi * (gap / 2) ** 2 / (speed * size)), 0.0)
        hyperbola = np.where(speed > 0, gap * bend / (2 * speed) ** 2, np.nan)
    for i in np.flatnonzero((speed == 0) & (gap <= gap_at.rounding)):
        chance[i] = gap_at.crosses(float(places[i]))
    units = model.units
    where = start - places[:, None] * direction
    each = ("crossing",)
    variables = {
        "gap": (each, gap, {"units": units.energy}),
        "velocity": (each, speed / hbar, {"units": f"{units.length}/({units.time})"}),
        "probability": (each, chance, {"units": "1", "long_name": "P"}),
        "hyperbola": (each, hyperbola, {"units": "1", "long_name": "g g''/(2 v)^2"}),
        "distance": (each, places, {"units": f"1/{units.length}"}),
        "wavevector": ((*each, "a"), where, {"units": f"1/{units.length}"}),
    }
    attrs = {
        **description(AVOIDED_CROSSING, "1"),
        **provenance(model, [start, field, np.array([line.first, line.length])], str(lower)),
        "status": "CONVERGED",
        "status_message": f"minima narrowed from {line.samples} points of the line",
        "electric_field": field,
        "band": lower,
    }
    return xr.Dataset(variables, coords={"a": list(CARTESIAN[: model.dimension])}, attrs=attrs)


@dataclass(frozen=True)
class Line:
    """k(s) = start - s direction from s = first on, for a length; closed where it returns to its start."""

    start: np.ndarray
    field: np.ndarray
    direction: np.ndarray
    band: int
    first: float
    length: float
    closed: bool
    samples: int


def checked_line(model: AbstractModel, k: Any, electric_field: Any, *, band: Any = 0, extent: Any = None) -> Line:
    """The line of `avoided_crossing`; ValueError where an argument cannot be meant."""
    start, field, direction = line_of(model, k, electric_field)
    if model.num_bands < 2:
        raise fail("model", "have two bands or more", f"{model.name} has one")
    must = f"be the lower of two bands, from 0 to {model.num_bands - 2}"
    lower = as_index(band, "band", must)
    if not 0 <= lower <= model.num_bands - 2:
        raise fail("band", must, f"is {band!r}")
    vector, _ = reciprocal_along(model, field)
    closed = vector is not None and extent is None
    if model.lattice is not None:
        across = float(np.linalg.norm(np.asarray(model.lattice.reciprocal), axis=1).max())
    else:
        across = 2 * float(model.cutoff)  # type: ignore[attr-defined]
    if extent is not None:
        length = float(as_real_array(extent, "extent", max_ndim=0, positive=True))
    else:
        length = across if vector is None else float(np.linalg.norm(vector))
    if length > MOST_ZONES * across:
        must = f"be at most {MOST_ZONES} times the zone, {MOST_ZONES * across:.4g}"
        raise fail("extent", must, f"is {length:.4g}")
    first = 0.0 if closed or extent is not None else -0.5 * length
    # a length of the zone itself may exceed it by rounding
    samples = SAMPLES * math.ceil(length / across - 1e-9)
    return Line(start, field, direction, lower, first, length, closed, samples)


def line_of(model: AbstractModel, k: Any, electric_field: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start (d,), field (d,) and its direction."""
    d = model.dimension
    start = as_wavevectors(k, d)
    if start.shape != (d,):
        raise fail("k", f"be one wave vector ({d},)", f"has shape {start.shape}")
    field = np.atleast_1d(as_real_array(electric_field, "electric_field"))
    if field.shape != (d,):
        raise fail("electric_field", f"be a vector ({d},)", f"has shape {field.shape}")
    if not field.any():
        raise fail("electric_field", "not be zero: without a field nothing passes", "is")
    return start, field, field / np.linalg.norm(field)
