"""From the parts of a disordered response to the Dataset a user gets, with lifetimes and limits of validity."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from blochflow.core.checks import as_bool, fail
from blochflow.core.dataset import build_result, provenance
from blochflow.core.errors import ValidityWarning
from blochflow.core.quantity import Quantity
from blochflow.core.status import Status
from blochflow.disorder.linear_response import PARTS
from blochflow.disorder.potentials import Disorder, Scatterers, scatterers
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.catalog_disorder import CONTRIBUTIONS
from blochflow.response.cold_parts import cold_parts, rounding_of_parts
from blochflow.response.fermi_parts import Diagnostics, FermiParts
from blochflow.response.relaxation import per_time
from blochflow.response.request import check_keywords
from blochflow.response.states import States, as_states
from blochflow.response.warm_parts import warm_parts
from blochflow.response.zone_options import as_call
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr

# hbar/tau must be smaller than energies by this factor, else a warning.
CLEAN = 3.0


class SurfaceArguments(TypedDict, total=False):
    """Keywords of every disordered response, as documented in `disordered_conductivity`."""

    crossed: bool
    points: int | None
    grid: Any
    tolerance: Tolerance | None
    execution: Execution | None
    throw: bool


@dataclass(frozen=True, eq=False)
class DisorderedRequest:
    """Checked arguments of one call."""

    quantity: Quantity
    surface: FermiParts
    states: States
    disorder: Disorder
    tolerance: Tolerance
    execution: Execution
    throw: bool

    @classmethod
    def of(
        cls,
        quantity: Quantity,
        model: AbstractModel,
        mu: Any,
        temperature: Any,
        disorder: Any,
        arguments: SurfaceArguments,
        observable: Any = None,
        components: int | None = None,
    ) -> DisorderedRequest:
        """Check everything before anything is computed; the ``observable`` None is the current."""
        check_keywords(quantity.name, arguments, SurfaceArguments.__annotations__)
        throw = arguments.get("throw", True)
        tolerance, execution = as_call(model, arguments.get("tolerance"), arguments.get("execution"), throw)
        if model.dimension < 2:
            raise fail("model", "have two or three dimensions for disordered responses", f"{model.name} has one")
        found = scatterers(disorder, model)
        crossed, points = arguments.get("crossed", False), arguments.get("points")
        if as_bool(crossed, "crossed"):
            _check_crossed(model, found, temperature)
        if points is not None and (
            model.dimension == 3 or isinstance(points, bool) or not isinstance(points, int) or points < 16 or points % 8
        ):
            raise fail("points", "be a multiple of 8, at least 16, in two dimensions", f"is {points!r}")
        count = model.dimension if components is None else components
        surface = FermiParts(model, found, observable, count, crossed, points, arguments.get("grid"), execution)
        states = as_states(model, mu, temperature)
        for level, kt in zip(states.mu, states.kt, strict=True):
            surface.check_energy(float(level), float(kt))
        return cls(quantity, surface, states, disorder, tolerance, execution, throw)


def _check_crossed(model: AbstractModel, found: Scatterers, temperature: Any) -> None:
    single = found.constant is not None and len(found.vertices) == 1
    if model.dimension != 2 or not single or not np.allclose(found.vertices[0], np.eye(model.num_bands)):
        must = "be False but for two dimensions and white noise with one vertex, the identity"
        what = f"vertices {len(found.vertices)}, dimension {model.dimension}"
        kind = "white" if found.constant is not None else "correlated"
        raise fail("crossed", must, f"is True ({kind} disorder, {what})")
    if np.any(np.asarray(temperature) != 0):
        raise fail("crossed", "be False at T > 0", "is True")


def assemble(request: DisorderedRequest, intrinsic: tuple[np.ndarray, np.ndarray], converged: np.ndarray) -> xr.Dataset:
    """Run all states and label the parts; ``intrinsic`` is in public units, with its error."""
    surface, states, tolerance = request.surface, request.states, request.tolerance
    model, quantity = surface.model, request.quantity
    factor, unit = quantity.unit(model.units.name, model.dimension)
    done = [
        cold_parts(surface, mu, tolerance) if kt == 0 else warm_parts(surface, mu, kt, tolerance)
        for mu, kt in zip(states.mu, states.kt, strict=True)
    ]
    scale = factor * model.spin_degeneracy
    values, errors = np.stack([x[0] for x in done], axis=1), np.stack([x[1] for x in done], axis=1)
    parts = {name: (scale * values[i], abs(scale) * errors[i]) for i, name in enumerate(PARTS)}
    parts = {"drude": parts.pop("drude"), "intrinsic": intrinsic, **parts}
    value, error = (np.sum([pair[i] for pair in parts.values()], axis=0) for i in (0, 1))
    good = np.array([x[2] for x in done]) & (converged | negligible(intrinsic, scale * values, tolerance))
    seen = [x[3] for x in done]
    shape = (*states.shape, *value.shape[1:])
    result = build_result(
        quantity,
        value.reshape(shape),
        error.reshape(shape),
        good.reshape(states.shape),
        dims=(*states.dims, "a", "b"),
        coords=states.coords,
        unit=unit,
        attrs=_attributes(request, good, np.array([x[2] for x in done]), seen),
    )
    left_out = {"third_cumulant": surface.scatterers.third is None, "crossed": not surface.crossed}
    for name, (part, doubt) in parts.items():
        if left_out.get(name):
            continue
        result[name] = (result["value"].dims, part.reshape(shape), {"units": unit, "long_name": CONTRIBUTIONS[name]})
        result[f"{name}_error"] = (result["value"].dims, doubt.reshape(shape), {"units": unit})
    time = {"units": model.units.time}
    lifetimes = np.array([x.lifetime for x in seen]) / per_time(model)
    missing = np.full(model.dimension, np.nan)
    transport = np.array([missing if x.transport is None else x.transport for x in seen]) / per_time(model)
    result["quasiparticle_lifetime"] = (states.dims, lifetimes.reshape(states.shape), time)
    result["transport_lifetime"] = ((*states.dims, "b"), transport.reshape(*states.shape, -1), time)
    return result


def negligible(intrinsic: tuple[np.ndarray, np.ndarray], values: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    """(P,) True where the error of the intrinsic part is rounding beside the other parts, or within atol."""
    floor = rounding_of_parts(np.abs(values).max(axis=(2, 3)))
    return np.asarray(intrinsic[1].max(axis=(1, 2)) <= np.maximum(floor, tolerance.atol or 0.0))


def _attributes(
    request: DisorderedRequest, good: np.ndarray, resolved: np.ndarray, seen: list[Diagnostics]
) -> dict[str, Any]:
    """``good``: converged; ``resolved``: as far as the Fermi surfaces are concerned."""
    surface, states, disorder = request.surface, request.states, request.disorder
    model, tolerance = surface.model, request.tolerance
    gap = min((x.gap for x in seen), default=np.inf)
    rate = max((x.rate for x in seen), default=0.0)
    ratio = gap / rate if rate else np.inf
    depth = surface.depth(states.mu) / rate if rate else np.inf
    if min(ratio, depth) < CLEAN:
        warnings.warn(
            f"The disorder is not weak: gap * tau/hbar = {ratio:.2g} and depth of the Fermi sea * tau/hbar = "
            f"{depth:.2g}, but the theory needs both to be large.",
            ValidityWarning,
            stacklevel=4,
        )
    final = seen[int(np.argmax([len(x.history) for x in seen]))]
    largest = [(n, v.sum(axis=0)) for n, v in final.history] or [(0, np.zeros(surface.shape[1:]))]
    where = np.unravel_index(int(np.abs(largest[-1][1]).argmax()), surface.shape[1:])
    missed = Status.NOT_CONVERGED if resolved.all() else Status.COARSE_SURFACE
    status = Status.CONVERGED if good.all() else missed
    notes = list(dict.fromkeys(note for x in seen for note in (x.note, x.sheets) if note))
    return {
        **provenance(
            model, [states.mu, states.kt], f"{disorder.describe()} {surface.crossed} {surface.grid} {tolerance}"
        ),
        "status": status.name,
        "status_message": str(status.value),
        "disorder": disorder.describe(),
        "theory_level": "with crossed diagrams" if surface.crossed else "non-crossing",
        "evaluations": int(sum(x.evaluations for x in seen)),
        "rtol": float(tolerance.rtol),
        "surface_points": int(max(x.size for x in seen)),
        "iterations": int(max(x.iterations for x in seen)),
        "closure_residual": float(max(x.closure for x in seen)),
        "validity_smallest_gap": float(gap),
        "validity_gap_tau": float(ratio),
        "validity_fermi_energy_tau": depth,
        "note": "; ".join(notes),
        "history_points": np.array([n for n, _ in largest]),
        "history_value": np.array([v[where] for _, v in largest]),
    }
