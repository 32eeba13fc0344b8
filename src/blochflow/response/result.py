"""From a zone integral to the Dataset a user gets: units, labels, provenance, validity, convergence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.dataset import build_result, provenance
from blochflow.core.errors import ConvergenceError
from blochflow.core.quantity import Quantity
from blochflow.core.status import Status
from blochflow.models.base import AbstractModel
from blochflow.response.states import States
from blochflow.response.zone_options import ZoneOptions
from blochflow.zone.integral import Integral
from blochflow.zone.tolerance import Tolerance

CUTOFF_TAIL = "contribution of the k.p model beyond its cutoff, not in value"

if TYPE_CHECKING:
    import xarray as xr


def finish(
    quantity: Quantity,
    model: AbstractModel,
    states: States,
    integral: Integral,
    *,
    tensor: Callable[[np.ndarray], np.ndarray],
    cartesian: tuple[str, ...],
    unit: str,
    options: ZoneOptions,
    tolerance: Tolerance,
    throw: bool,
) -> xr.Dataset:
    """Assemble the Dataset; raise `ConvergenceError` with it when asked to and not converged.

    ``integral`` is already in public units; when it holds three times as many rows as ``states``, the second and
    third part are the values at the ends of the uncertainty of mu, whose spread is added to the error; where that
    uncertainty is not known, neither is the error (NaN).
    """
    count = len(states.mu)
    value, error, converged = integral.value[:count], integral.error[:count], integral.converged[:count]
    if len(integral.value) > count:
        ends = integral.value[count:].reshape(2, count, -1)
        known = np.isfinite(states.mu_error)[:, None]
        error = np.where(known, error + np.abs(ends - value).max(axis=0), np.nan)
        allowed = tolerance.allowed(np.abs(value).max(axis=-1, keepdims=True), integral.absolute[:count])
        sharp = (error <= allowed).all(axis=-1)
        if integral.status is Status.CONVERGED and not sharp.all():
            integral = replace(integral, status=Status.UNCERTAIN_MU)
        converged = converged & sharp
    attrs = {
        **provenance(model, [states.mu, states.kt], f"{options} {tolerance}"),
        "status": integral.status.name,
        "status_message": str(integral.status.value),
        "evaluations": int(integral.evaluations),
        "rule": integral.rule,
        "rigor": integral.rigor,
        "symmetry": integral.symmetry,
        **grid_attrs(integral, options),
        "max_evaluations": int(tolerance.evaluations(model.dimension)),
        "rtol": float(tolerance.rtol),
        "atol": f"{tolerance.fraction:g} of the integral of |integrand|"
        if tolerance.atol is None
        else float(tolerance.atol),
        "validity_smallest_gap": float(integral.gap),
        **history_attrs(integral, count, tensor),
    }
    result = build_result(
        quantity,
        tensor(value).reshape(*states.shape, *tensor(value).shape[1:]),
        np.abs(tensor(error)).reshape(*states.shape, *tensor(value).shape[1:]),
        converged.reshape(states.shape),
        dims=(*states.dims, *cartesian),
        coords=states.coords,
        unit=unit,
        attrs=attrs,
    )
    if integral.cutoff_tail is not None:
        tail = tensor(integral.cutoff_tail[:count]).reshape(result["value"].shape)
        label = {"units": unit, "long_name": CUTOFF_TAIL}
        result["cutoff_tail"] = (result["value"].dims, tail, label)
    if integral.forbidden is not None and cartesian:
        mask = np.abs(tensor(integral.forbidden.astype(float)[None]))[0] > 0
        diagonal = tensor(np.ones((1, value.shape[-1])))[0] == 0
        result["forbidden"] = (cartesian, mask | diagonal, {"long_name": "zero by symmetry"})
    return raise_if_missed(quantity, result, throw)


def raise_if_missed(quantity: Quantity, result: xr.Dataset, throw: bool) -> xr.Dataset:
    """The result, or `ConvergenceError` with it where asked to and not converged."""
    if throw and not bool(result.converged.values.all()):
        raise ConvergenceError(describe_failure(quantity, result), result)
    return result


def grid_attrs(integral: Integral, options: ZoneOptions) -> dict[str, Any]:
    """The uniform grid, where that is the rule."""
    if not integral.grid:
        return {}
    return {"grid": np.asarray(integral.grid), "shift": float(options.shift)}


def history_attrs(integral: Integral, count: int, tensor: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """Convergence history of the largest component: numbers of points and values."""
    final = np.abs(integral.history[-1][1][:count])
    where = np.unravel_index(int(final.argmax()), final.shape)
    return {
        "history_points": np.array([points for points, _ in integral.history]),
        "history_value": np.array([value[:count][where] for _, value in integral.history]),
    }


def describe_failure(quantity: Quantity, result: xr.Dataset) -> str:
    """One sentence on how far off the worst state is, and what to do."""
    missing = int((~result.converged.values).sum())
    worst = float(np.nanmax(result.error.values)) if np.isfinite(result.error.values).any() else float("nan")
    largest = float(np.abs(result.value.values).max())
    return (
        f"{quantity.name} is not converged for {missing} of {result.converged.size} states: largest |component| "
        f"{largest:.6g}, largest error {worst:.3g} {result.attrs['units']}, asked for rtol = {result.attrs['rtol']:g}. "
        f"Status: {result.attrs['status_message']}. Pass throw=False to get this result with its errors."
    )
