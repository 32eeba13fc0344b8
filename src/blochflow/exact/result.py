"""States a reference is asked for, and the Dataset a user gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_bool, as_real_array
from blochflow.core.dataset import build_result, provenance
from blochflow.core.errors import ConvergenceError
from blochflow.core.quantity import Quantity
from blochflow.core.status import Status
from blochflow.core.units import Units
from blochflow.execution.threads import Execution, as_execution
from blochflow.models.tight_binding import TightBinding
from blochflow.zone.tolerance import Tolerance, as_tolerance

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class States:
    """States (mu, temperature) of a scan, flattened with temperature fastest.

    Attributes
    ----------
    shape : lengths of the axes mu and temperature
    coords : coordinate arrays with unit attributes
    mu, kt : (P,) chemical potential and k_B T in the model's energy
    """

    shape: tuple[int, int]
    coords: dict[str, Any]
    mu: np.ndarray
    kt: np.ndarray


def as_states(units: Units, mu: Any, temperature: Any) -> States:
    """Check mu and temperature."""
    values = np.atleast_1d(as_real_array(mu, "mu"))
    t = np.atleast_1d(as_real_array(temperature, "temperature", positive=False))
    grid_mu, grid_t = (x.reshape(-1) for x in np.meshgrid(values, t, indexing="ij"))
    coords = {"mu": (values, {"units": units.energy}), "temperature": (t, {"units": units.temperature})}
    return States((len(values), len(t)), coords, grid_mu, units.boltzmann * grid_t)


@dataclass(frozen=True, eq=False)
class Estimate:
    """Numbers with their errors, one row per state, in units hbar = e = k_B = 1.

    Attributes
    ----------
    value, error : (P, C)
    absolute : (P,)
        Size of what was summed, which sets the rounding.
    evaluations : int
        Diagonalisations.
    history : (points, (P, C) values), coarse to fine
    shortage : Status
        What to say where the error exceeds the tolerance.
    """

    value: np.ndarray
    error: np.ndarray
    absolute: np.ndarray
    evaluations: int
    history: tuple[tuple[int, np.ndarray], ...]
    shortage: Status = Status.NOT_CONVERGED


@dataclass(frozen=True)
class Call:
    """Tolerance, execution and whether to raise."""

    tolerance: Tolerance
    execution: Execution
    throw: bool


def as_call(tolerance: Any, execution: Any, throw: Any) -> Call:
    """Check the arguments every quantity shares; None stands for the defaults."""
    return Call(as_tolerance(tolerance), as_execution(execution), as_bool(throw, "throw"))


def finish(
    quantity: Quantity,
    model: TightBinding,
    dimension: int,
    states: States,
    estimate: Estimate,
    call: Call,
    attrs: Mapping[str, Any],
    axis: tuple[str, Any] | None = None,
) -> xr.Dataset:
    """Scale to public units, judge convergence, label; raise `ConvergenceError` where asked to.

    ``axis`` names the dimension of the components and its coordinate; None where there is one component.
    """
    factor, unit = quantity.unit(model.units.name, dimension)
    factor *= model.spin_degeneracy
    value, error = factor * estimate.value, abs(factor) * estimate.error
    allowed = call.tolerance.allowed(np.abs(value).max(axis=-1), abs(factor) * estimate.absolute)
    converged = error <= allowed[:, None]
    status = Status.CONVERGED if converged.all() else estimate.shortage
    dims: tuple[str, ...] = ("mu", "temperature")
    shape: tuple[int, ...] = states.shape
    coords = dict(states.coords)
    if axis is not None:
        dims, shape = (*dims, axis[0]), (*shape, value.shape[-1])
        coords[axis[0]] = axis[1]
    result = build_result(
        quantity,
        value.reshape(shape),
        error.reshape(shape),
        converged.reshape(shape),
        dims=dims,
        coords=coords,
        unit=unit,
        attrs={
            **provenance(model, [states.mu, states.kt], f"{call.tolerance} {sorted(attrs.items())}"),
            "status": status.name,
            "status_message": str(status.value),
            "evaluations": estimate.evaluations,
            "rtol": float(call.tolerance.rtol),
            **history_attrs(estimate, factor),
            **attrs,
        },
    )
    if call.throw and status is not Status.CONVERGED:
        raise ConvergenceError(describe_failure(quantity, result), result)
    return result


def history_attrs(estimate: Estimate, factor: float) -> dict[str, Any]:
    """Convergence history of the largest component: numbers of points and values."""
    where = np.unravel_index(int(np.abs(estimate.value).argmax()), estimate.value.shape)
    return {
        "history_points": np.array([points for points, _ in estimate.history]),
        "history_value": factor * np.array([value[where] for _, value in estimate.history]),
    }


def describe_failure(quantity: Quantity, result: xr.Dataset) -> str:
    """One sentence on how far off the worst state is, and what to do."""
    missing = int((~result.converged.values).sum())
    return (
        f"{quantity.name} is not converged for {missing} of {result.converged.size} numbers: largest "
        f"{float(np.abs(result.value.values).max()):.6g}, largest error {float(np.nanmax(result.error.values)):.3g} "
        f"{result.attrs['units']}, asked for rtol = {result.attrs['rtol']:g}. "
        f"Status: {result.attrs['status_message']}. Pass throw=False to get this result with its errors."
    )
