"""Thermopower, Peltier and heat conductivities, in the relaxation-time approximation with intrinsic Hall effects.

    j = sigma E - alpha grad T,   j_Q = T alpha E - kappa_0 grad T,   S = sigma^-1 alpha,   kappa = kappa_0 - T alpha S
    sigma = e^2 L_0,   alpha = -e k_B L_1,   kappa_0 = k_B^2 T L_2,   L_p = Int sum_n tau_n (-f'_n) x_n^p v_n v_n

x = (E - mu)/k_B T; to each is added the intrinsic Hall, Nernst, thermal Hall conductivity.  By Onsager's relation the
alpha of j_Q is that of the time-reversed crystal, transposed: its symmetric part, even under time reversal, and its
antisymmetric part, odd, are those of alpha itself.
Source: Ashcroft and Mermin (1976), ch. 13, Eqs. (13.50)-(13.58); open circuit (13.57).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from blochflow.core.checks import as_bool
from blochflow.core.status import Status
from blochflow.response.catalog import OHMIC
from blochflow.response.catalog_intrinsic import ANOMALOUS_NERNST, ANOMALOUS_THERMAL_HALL
from blochflow.response.catalog_transport import CHAIN_UNITS, LORENZ_UNITS, POWER_FACTOR_UNITS, THERMOELECTRIC
from blochflow.response.relaxation import as_relaxation, per_time
from blochflow.response.request import Request, ZoneArguments
from blochflow.response.result import raise_if_missed
from blochflow.response.transport_moments import Tensors, crossing, drifting

if TYPE_CHECKING:
    import xarray as xr

# Conductivities are asked for this much more accurately than the thermopower, to which the errors of two of them add.
SHARE = 0.25
# In k_B/e: a thermopower that vanishes by symmetry.
FLOOR = 1e-9
# variable -> what it is
NAMES = {
    "sigma": "conductivity at zero temperature gradient",
    "alpha": "Peltier conductivity, j = -alpha grad T",
    "kappa": "heat conductivity of electrons at zero current",
    "kappa_0": "heat conductivity of electrons at zero field",
    "lorenz": "Lorenz ratio kappa sigma^-1/T",
    "power_factor": "S^T sigma S",
    "mott": "thermopower by Mott's rule, -(pi^2 k_B^2 T/3e) sigma^-1 dsigma/dmu",
}


def thermoelectric(
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    tau: Any,
    intrinsic: bool = True,
    density: Any = None,
    **zone: Unpack[ZoneArguments],
) -> xr.Dataset:
    """Thermopower of a crystal, with all coefficients of charge and heat currents of its electrons.

        S = sigma^-1 alpha,   kappa = kappa_0 - T alpha sigma^-1 alpha

    Source: [AshcroftMermin1976] Eqs. (13.50)-(13.62); intrinsic parts [Xiao2006], [Qin2011].  Valid for: linear
    response, relaxation-time approximation with hbar/tau below the level spacings at mu.  Not included: phonon drag,
    extrinsic Hall effects, magnetic field.

    Parameters
    ----------
    model : AbstractModel
        1D, 2D or 3D.
    mu : float or (M,) array, or None with ``density``
    temperature : float or (T,) array
        All coefficients but sigma vanish at T = 0, where sigma alone is integrated.
    tau : float, (S,) array or callable
        As for `ohmic`; an array adds a dimension ``tau``.
    intrinsic : bool
        Add the intrinsic Hall, Nernst and thermal Hall conductivities (2D and 3D).
    density : float or array, optional
    **zone
        As for `anomalous_nernst`; T = 0 is refused on grids of points.

    Returns
    -------
    Dataset
        ``value``, ``error``: S with dims (mu, temperature[, tau], a, b), in k_B/e or V/K; ``converged``.  Further
        variables with the same dims, each with ``NAME_error``: sigma, alpha, kappa, kappa_0, lorenz, power_factor,
        mott; units in their attributes.  The tolerance holds for S; conductivities are asked for a quarter of it.

    Raises
    ------
    ValueError
        Wrong arguments.
    UserModelError
        ``tau`` as a function failed, or is not positive.
    ConvergenceError
        Tolerance not reached, or no carriers (sigma = 0); ``.result`` is the whole Dataset.

    Examples
    --------
    A parabolic band with constant tau: electrons give a negative thermopower.

    >>> import blochflow as bf
    >>> result = bf.response.thermoelectric(bf.zoo.parabolic(), mu=0.5, temperature=0.05, tau=3.0)
    >>> round(float(result.value.sel(a="x", b="x").item()), 4)
    -0.3289
    """
    as_bool(intrinsic, "intrinsic")
    request = Request.of("thermoelectric", model, mu, temperature, zone, density)
    times, function = as_relaxation(tau, model)
    given = request.tolerance
    sharper = replace(request, tolerance=replace(given, rtol=SHARE * given.rtol, atol=None))
    atol = 0.0 if given.atol is None else SHARE * given.atol / THERMOELECTRIC.unit(model.units.name, model.dimension)[0]
    surface = drifting(sharper, function, atol)
    across = crossing(sharper, atol) if intrinsic and model.dimension > 1 else None
    scale = per_time(model)
    if function is not None:
        result = coefficients(request, surface, across, scale)
    elif np.ndim(tau) == 0:
        result = coefficients(request, surface, across, scale * float(times[0]))
        result.attrs["tau"] = float(times[0])
    else:
        each = [coefficients(request, surface, across, scale * float(time)) for time in times]
        result = joined(each, times, model.units.time)
    return raise_if_missed(THERMOELECTRIC, result, request.throw)


def coefficients(request: Request, surface: Tensors, across: Tensors | None, time: float) -> xr.Dataset:
    """All coefficients for one relaxation time, in the units of the result."""
    kt = np.tile(request.states.kt, len(surface.value) // len(request.states.kt))[:, None, None]
    third = np.pi**2 / 3
    factors: list[Any] = [time, -time, time * kt, -third * time]
    value = [f * surface.value[:, i] for i, f in enumerate(factors)]
    error = [abs(f) * surface.error[:, i] for i, f in enumerate(factors)]
    if across is not None:
        value = [x + across.value[:, i] for i, x in enumerate(value)]
        error = [x + across.error[:, i] for i, x in enumerate(error)]
    found = derived(value, error, kt)
    return dataset(request, found, surface, across)


def derived(
    value: list[np.ndarray], error: list[np.ndarray], kt: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """name -> (value, error), (P, d, d) each, in natural units, to first order in the errors."""
    (sigma, alpha, kappa_0, mott), (d_sigma, d_alpha, d_kappa, d_mott) = value, error
    inverse = inverses(sigma)
    size = np.abs(inverse)
    seebeck, by_mott = inverse @ alpha, inverse @ mott
    d_seebeck, d_by_mott = (size @ (d + d_sigma @ np.abs(s)) for d, s in ((d_alpha, seebeck), (d_mott, by_mott)))
    kappa = kappa_0 - kt * alpha @ seebeck
    d_kappa_open = d_kappa + kt * (d_alpha @ np.abs(seebeck) + np.abs(alpha) @ d_seebeck)
    with np.errstate(divide="ignore", invalid="ignore"):
        lorenz = np.where(kt > 0, kappa @ inverse / kt, np.nan)
        d_lorenz = np.where(kt > 0, (d_kappa_open + np.abs(kappa @ inverse) @ d_sigma) @ size / kt, np.nan)
    turned, d_turned = np.swapaxes(seebeck, -1, -2), np.swapaxes(d_seebeck, -1, -2)
    power = turned @ sigma @ seebeck
    d_power = d_turned @ np.abs(sigma @ seebeck) + np.abs(turned) @ (d_sigma @ np.abs(seebeck))
    d_power = d_power + np.abs(turned @ sigma) @ d_seebeck
    return {
        "seebeck": (seebeck, d_seebeck),
        "sigma": (sigma, d_sigma),
        "alpha": (alpha, d_alpha),
        "kappa": (kappa, d_kappa_open),
        "kappa_0": (kappa_0, d_kappa),
        "lorenz": (lorenz, d_lorenz),
        "power_factor": (power, d_power),
        "mott": (by_mott, d_by_mott),
    }


def inverses(sigma: np.ndarray) -> np.ndarray:
    """sigma^-1; NaN where there are no carriers."""
    result = np.full_like(sigma, np.nan)
    size = np.abs(sigma).max(axis=(-1, -2))
    regular = (size > 0) & (np.linalg.cond(np.where(size[:, None, None] > 0, sigma, np.eye(sigma.shape[-1]))) < 1e12)
    result[regular] = np.linalg.inv(sigma[regular])
    return result


def dataset(
    request: Request, found: dict[str, tuple[np.ndarray, np.ndarray]], surface: Tensors, across: Tensors | None
) -> xr.Dataset:
    """Label everything; S is the value."""
    d, count = request.model.dimension, len(request.states.mu)
    system = request.model.units.name
    scale, unit = THERMOELECTRIC.unit(system, d)
    value, error = (scale * x.reshape(len(x), -1) for x in found["seebeck"])
    allowed = request.tolerance.allowed(np.abs(value).max(axis=-1, keepdims=True), np.zeros_like(value))
    sources = [x.integral for x in (surface, across) if x is not None]
    # the tolerance is that of S; errors of conductivities that miss theirs are errors all the same
    converged = np.asarray((error <= np.maximum(allowed, FLOOR * scale)).all(axis=-1))
    worst = next((x for x in sources if x.status is not Status.CONVERGED), sources[0])
    status = worst.status
    if np.isnan(value).any():
        status = Status.NO_CARRIERS
    elif converged.all():
        status = Status.CONVERGED
    elif status is Status.CONVERGED:
        status = Status.NOT_CONVERGED
    points = sum(x.evaluations for x in sources)
    integral = replace(
        worst,
        value=value,
        error=error,
        absolute=np.broadcast_to(FLOOR * scale / request.tolerance.fraction, value.shape),
        converged=converged,
        evaluations=points,
        status=status,
        history=[(points, value)],
        forbidden=None,
        cutoff_tail=None,
        gap=min(x.gap for x in sources),
        rule=", ".join(dict.fromkeys(x.rule for x in sources)),
        rigor="; ".join(dict.fromkeys(x.rigor for x in sources)),
    )
    result = request.dataset(
        THERMOELECTRIC, integral, lambda x: x.reshape(*x.shape[:-1], d, d), ("a", "b"), unit, throw=False
    )
    for name, (factor, label) in units_of(system, d).items():
        for suffix, rows in zip(("", "_error"), found[name], strict=True):
            values = factor * rows[:count].reshape(result["value"].shape)
            what = {"long_name": NAMES[name]} if not suffix else {}
            result[name + suffix] = (result["value"].dims, values, {"units": label, **what})
    return result


def units_of(system: str, dimension: int) -> dict[str, tuple[float, str]]:
    """Factor and unit of every variable."""
    thermopower, conductivity = (q.unit(system, dimension) for q in (THERMOELECTRIC, OHMIC))
    if dimension == 1:
        alpha, kappa = CHAIN_UNITS[system]
    else:
        alpha, kappa = (q.unit(system, dimension) for q in (ANOMALOUS_NERNST, ANOMALOUS_THERMAL_HALL))
    return {
        "sigma": conductivity,
        "alpha": alpha,
        "kappa": kappa,
        "kappa_0": kappa,
        "lorenz": LORENZ_UNITS[system],
        "power_factor": POWER_FACTOR_UNITS[system, dimension],
        "mott": thermopower,
    }


def joined(each: list[xr.Dataset], times: np.ndarray, unit: str) -> xr.Dataset:
    """One Dataset with the dimension ``tau`` before the Cartesian ones."""
    import xarray as xr

    result = xr.concat(each, dim="tau", combine_attrs="override", coords="minimal", compat="override")
    result = result.assign_coords(tau=("tau", times, {"units": unit}))
    order = list(each[0]["converged"].dims)
    return result.transpose(*order, "tau", "a", "b")
