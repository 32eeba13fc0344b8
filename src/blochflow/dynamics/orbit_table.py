"""Tables of orbits as Datasets: one row per orbit along the dimension ``orbit``, shorter lists filled with NaN and "".

Everything is converted from kernel units (hbar = e = 1) to those of the model here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.dataset import CARTESIAN, description, provenance
from blochflow.core.errors import ValidityWarning
from blochflow.core.quantity import Quantity
from blochflow.core.units import ELECTRON_MASS, ELEMENTARY_CHARGE, HBAR, Units
from blochflow.dynamics.orbit_record import ORDER, PATH, Orbit, OrbitStatus
from blochflow.models.base import AbstractModel
from blochflow.models.fields import magnetic_unit, time_unit

if TYPE_CHECKING:
    import xarray as xr

LARGE_SHIFT = 0.5  # |m.B|/gap and |D - 1| from which the first order in B is doubtful


@dataclass(frozen=True)
class Column:
    """A variable of a table: value of one row, its unit and name, and its own dimensions."""

    value: Callable[[Any], Any]
    unit: str = "1"
    long_name: str = ""
    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    kind: str = "f"  # f: number, U: text, i: index (-1: none)

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """The variable without rows."""
        if self.kind == "U":
            return np.full(shape + self.shape, "", dtype=object)
        return np.full(shape + self.shape, -1 if self.kind == "i" else np.nan, dtype=int if self.kind == "i" else float)


def fill(columns: Mapping[str, Column], lists: Sequence[Sequence[Any]], dims: Sequence[str], shape: Sequence[int],
         row: str = "orbit") -> dict[str, Any]:  # fmt: skip
    """Variables with dims (*dims, row, ..): ``lists`` holds the rows of every point of the scan, last axis fastest."""
    longest = max((len(rows) for rows in lists), default=0)
    variables: dict[str, Any] = {}
    for name, column in columns.items():
        array = column.empty((len(lists), longest))
        for i, rows in enumerate(lists):
            for j, entry in enumerate(rows):
                array[i, j] = column.value(entry)
        if column.kind == "U":
            array = array.astype(np.str_) if array.size else array.astype("<U1")
        attrs = {"long_name": column.long_name} if column.long_name else {}
        if column.kind == "f":
            attrs["units"] = column.unit
        variables[name] = ((*dims, row, *column.dims), array.reshape(*shape, longest, *column.shape), attrs)
    return variables


def mass_unit(units: Units) -> tuple[float, str]:
    """hbar^2/(energy length^2) in the unit of masses, and its label."""
    if units.name == "EV_ANGSTROM":
        return HBAR**2 / (ELEMENTARY_CHARGE * 1e-20) / ELECTRON_MASS, "m_e"
    return 1.0, "hbar^2/(E a^2)"


def orbit_columns(model: AbstractModel) -> dict[str, Column]:
    """What does not depend on the field's strength."""
    units, d = model.units, model.dimension
    wave, (mass, mass_label) = f"1/{units.length}", mass_unit(units)
    flux = magnetic_unit(units)
    return {
        "band": Column(lambda o: o.bands[0], kind="i", long_name="band, the lowest of those that coincide"),
        "kind": Column(lambda o: o.kind, kind="U", long_name="electron, hole or open"),
        "status": Column(lambda o: o.status.name, kind="U", long_name="what to know about this orbit"),
        "area": Column(lambda o: o.area, f"{wave}^2", "A, area in k space"),
        "frequency": Column(lambda o: o.area / (2 * np.pi * flux), units.magnetic_field, "F = hbar A/(2 pi e)"),
        "cyclotron_mass": Column(lambda o: mass * o.mass, mass_label, "m_c = (hbar^2/2 pi) |dA/dE|"),
        "circulation": Column(lambda o: o.circulation, "1", "sense of k(t): 1 counterclockwise about z, or about B"),
        "winding": Column(
            lambda o: o.winding, "1", "translation in one period, in reciprocal vectors", ("direction",), (d,)
        ),
        "berry_phase": Column(lambda o: o.berry, "1", "integral of the Berry curvature over the inside"),
        "moment_phase": Column(lambda o: o.moment, "1", "phase of the orbital moment"),
        "zeeman_phase": Column(lambda o: o.zeeman, "1", "phase of the spin moment"),
        "phase_error": Column(lambda o: o.phase_error, "1", "error of the phases"),
        "center": Column(lambda o: o.center, wave, "centre of the orbit", ("a",), (d,)),
        "path": Column(lambda o: o.path, wave, "points along the motion", ("point", "a"), (PATH, d)),
        "error": Column(lambda o: o.error, "1", "relative error of mass and period"),
        "smallest_density": Column(lambda o: o.density, "1", "smallest phase-space density D"),
        "moment_over_gap": Column(lambda o: o.shift, "1", "largest |m.B|/gap"),
    }


def motion_columns(model: AbstractModel, strength: float) -> dict[str, Column]:
    """Period, frequency and the whole phase of an orbit in a field of this strength (kernel units)."""
    units = model.units
    clock = time_unit(units)
    rate = "E/hbar" if units.name == "NATURAL" else f"1/{units.time}"
    return {
        "period": Column(lambda o: clock * o.period, units.time, "T, with D and the moment"),
        "cyclotron_frequency": Column(lambda o: strength / o.mass / clock, rate, "omega_c = e|B|/m_c"),
        "phase": Column(total_phase, "1", "lambda = Berry + moment (+ Zeeman)"),
    }


def total_phase(orbit: Orbit) -> float:
    """lambda."""
    return orbit.berry + orbit.moment + (0.0 if np.isnan(orbit.zeeman) else orbit.zeeman)


def as_table(
    quantity: Quantity,
    model: AbstractModel,
    variables: Mapping[str, Any],
    coords: Mapping[str, Any],
    orbits: Sequence[Orbit],
    notes: Sequence[str],
    attrs: Mapping[str, Any],
    arrays: Sequence[Any],
) -> xr.Dataset:
    """The Dataset, with the worst status of all orbits and a warning where the theory is stretched."""
    import xarray as xr

    worst = max((o.status for o in orbits), key=ORDER.index, default=OrbitStatus.CONVERGED)
    shift = max((o.shift for o in orbits if not math.isnan(o.shift)), default=0.0)
    density = max((abs(o.density - 1) for o in orbits if not math.isnan(o.density)), default=0.0)
    if max(shift, density) > LARGE_SHIFT:
        warnings.warn(
            f"The magnetic field is strong for this theory: |m.B| reaches {shift:.2g} of the gap and D differs from 1 "
            f"by {density:.2g}.",
            ValidityWarning,
            stacklevel=3,
        )
    unit = quantity.unit(model.units.name, model.dimension)[1]
    settings = {key: value for key, value in attrs.items() if key != "evaluations"}
    zone: dict[str, Any] = {}
    if model.lattice is not None:
        named = {"units": f"1/{model.units.length}", "long_name": "reciprocal vectors"}
        zone["periods"] = (("period", "a"), np.asarray(model.lattice.reciprocal), named)
    return xr.Dataset(
        {**variables, **zone},
        coords={"a": list(CARTESIAN[: model.dimension]), **coords},
        attrs={
            **description(quantity, unit),
            **provenance(model, arrays, str(sorted(settings.items()))),
            "status": worst.name,
            "status_message": str(worst.value),
            "note": "; ".join(dict.fromkeys(note for note in notes if note)),
            "validity_moment_over_gap": shift,
            "validity_density_minus_one": density,
            **attrs,
        },
    )
