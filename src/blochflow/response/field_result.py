"""From integrals at single fields and places to the Dataset of a current."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.dataset import CARTESIAN, hash_arrays
from blochflow.core.errors import ValidityWarning
from blochflow.nonadiabatic.arguments import field_labels
from blochflow.nonadiabatic.hybridisation import Grouping
from blochflow.nonadiabatic.mixing import ACROSS, Mixing
from blochflow.response.field_request import FieldRequest, one_by_one
from blochflow.zone.integral import Integral
from blochflow.zone.polygon import signed_area

if TYPE_CHECKING:
    import xarray as xr

LABELS = {
    "intrinsic": "part of order tau^0",
    "relaxation": "part of order tau",
    "bound": "bound current, curl of the Berry part of the magnetization",
    "without_measure": "intrinsic and bound current as if the phase-space density were 1",
}


def current_at(request: FieldRequest, corners: np.ndarray | None) -> xr.Dataset:
    """At one field and place, over the zone or a polygon: dims (mu, temperature, tau, a)."""
    import xarray as xr

    sea, surface = request.terms(corners)
    mixing, change, slow_change = request.mixing(corners)
    unit = request.request.factor(request.quantity)[1]

    def dataset(integral: Integral) -> xr.Dataset:
        return request.request.dataset(request.quantity, integral, lambda v: v, ("a",), unit, throw=False)

    each = []
    for time in one_by_one(request.times):
        found = dataset(request.total(sea[0], surface, time))
        add_part(found, "relaxation", dataset(surface.scaled(float(time))), unit)
        label = {"units": unit, "long_name": "change of the current where strongly mixed bands are one group"}
        found["grouping_sensitivity"] = (found["value"].dims, np.abs(change + time * slow_change), label)
        each.append(found)
    result = xr.concat(each, dim="tau", combine_attrs="override", coords="minimal", compat="override")
    for name, integral in zip(("intrinsic", "bound", "without_measure"), sea, strict=False):
        add_part(result, name, dataset(integral), unit)
    order = each[0]["converged"].dims
    result = result.transpose(*order, "tau", "a", missing_dims="ignore")
    result.attrs["evaluations"] = int(sea[0].evaluations + surface.evaluations)
    result.attrs |= mixing.attributes()
    return result


def add_part(result: xr.Dataset, name: str, found: xr.Dataset, unit: str) -> None:
    """A part under its name, with its error."""
    result[name] = found["value"].assign_attrs(units=unit, long_name=LABELS[name])
    result[f"{name}_error"] = found["error"].assign_attrs(units=unit, long_name=f"error of {LABELS[name]}")


def along_valleys(each: list[xr.Dataset], polygons: dict[str, np.ndarray]) -> xr.Dataset:
    """One Dataset with the dimension ``valley``."""
    import xarray as xr

    result = xr.concat(each, dim="valley", combine_attrs="override", coords="minimal", compat="override")
    area = [abs(signed_area(corners)) for corners in polygons.values()]
    label = {"units": "zones", "long_name": "area of the polygon"}
    result = result.assign_coords(valley=list(polygons), area=("valley", area, label))
    result.attrs |= joint_status(each)
    result.attrs["partition"] = "; ".join(f"{name}: {corners.tolist()}" for name, corners in polygons.items())
    return result


def describe_grouping(grouping: Grouping) -> dict[str, Any]:
    """Attributes: what decides which bands hybridise."""
    found: dict[str, Any] = {"group_tolerance": float(np.asarray(grouping.tolerance))}
    if grouping.declared:
        found["groups"] = "; ".join(" ".join(map(str, group)) for group in grouping.declared)
    if grouping.manifolds:
        found["active"] = " ".join(map(str, grouping.manifolds[0]))
    return found


def joint_status(rows: list[xr.Dataset]) -> dict[str, Any]:
    """Status of the worst, evaluations of all."""
    worst = next((row for row in rows if row.attrs["status"] != "CONVERGED"), rows[0])
    found = {name: worst.attrs[name] for name in ("status", "status_message")}
    mixing = Mixing.worst([Mixing.from_attributes(row.attrs) for row in rows])
    return {**found, **mixing.attributes(), "evaluations": int(sum(row.attrs["evaluations"] for row in rows))}


def along_scans(
    rows: list[xr.Dataset],
    fields: np.ndarray,
    places: np.ndarray,
    times: np.ndarray,
    model: Any,
    theory: str,
    grouping: Grouping,
) -> xr.Dataset:
    """One Dataset with the dimensions field, position and tau."""
    import xarray as xr

    options: Any = {"combine_attrs": "override", "coords": "minimal", "compat": "override"}
    count, d, units = max(1, len(places)), model.dimension, model.units
    moving = [name for name in ("mu",) if name in rows[0].coords and "mu" not in rows[0].dims]
    options["coords"] = moving or "minimal"
    lines = [xr.concat(rows[i : i + count], dim="position", **options) for i in range(0, len(rows), count)]
    result = xr.concat(lines, dim="field", **options)
    scans = ("field", "position", "tau", "valley")
    first = [dim for dim in rows[0]["converged"].dims if dim not in scans]
    result = result.transpose(*first, *scans, "a", missing_dims="ignore")
    label = {"units": units.electric_field, "long_name": "electric field"}
    result = result.assign_coords(
        field=field_labels(fields, units.electric_field),
        electric_field=(("field", "a"), fields, label),
        tau=("tau", one_by_one(times), {"units": units.time}),
    )
    if len(places):
        result = result.assign_coords(place=(("position", "a"), places, {"units": units.length}))
    else:
        result = result.isel(position=0)
    if times.ndim == 0:
        result = result.isel(tau=0).drop_vars("tau")
        result.attrs["tau"] = float(times)
    result.attrs |= joint_status(rows)
    groups = {"theory": theory, **describe_grouping(grouping)}
    inputs = " ".join(str(x) for x in (*(row.attrs["input_hash"] for row in rows), *groups.values()))
    result.attrs |= {**groups, "input_hash": hash_arrays([fields, places, times], inputs)}
    result.attrs["validity_smallest_gap"] = min(float(row.attrs["validity_smallest_gap"]) for row in rows)
    result.attrs["fixed"] = "density" if "density" in result.dims else "chemical potential"
    return result.assign_coords(a=list(CARTESIAN[:d]))


def _worst_change(result: xr.Dataset) -> str:
    """Where the current depends on groups by more than the tolerance, the largest such part of it; else nothing."""
    change, size = result["grouping_sensitivity"].max("a"), abs(result["value"]).max("a")
    atol = result.attrs["atol"]
    allowed = np.maximum(result.attrs["rtol"] * size, atol if isinstance(atol, float) else 0.0)
    part = np.where(change > allowed, change / np.maximum(size, np.finfo(float).tiny), 0.0)
    if not part.any():
        return ""
    at = np.unravel_index(int(part.argmax()), part.shape)
    field = result["electric_field"].values[at[change.dims.index("field")]].tolist()
    unit = result["grouping_sensitivity"].attrs["units"]
    return (
        "With strongly mixed bands joined at the k where they are, e|E.R| > gap, and nowhere else, the current changes "
        f"by about {float(change.values[at]):.3g} {unit}, {part[at]:.2g} of it, at E = {field}."
    )


def warn_of_mixing(result: xr.Dataset) -> None:
    """Single bands that the field mixes, and bands whose grouping matters by more than the tolerance."""
    mixing, text = Mixing.from_attributes(result.attrs), None
    if result.attrs["theory"] == "single_band":
        if mixing.ratio > ACROSS:
            text = (
                f"The field mixes bands by up to e|E.R|/gap = {mixing.ratio:.2g}; the theory of single bands is of "
                'first order in it. theory="multiband" takes all orders.'
            )
    else:
        text = mixing.concern(_worst_change(result)) if _worst_change(result) else None
    if text:
        warnings.warn(text, ValidityWarning, stacklevel=3)
