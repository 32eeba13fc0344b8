"""Ohmic (Drude) conductivity in the relaxation-time approximation.

    sigma_ab = (e^2/hbar^2) Int d^dk/(2 pi)^d sum_n tau_n (-f'_n) d_a E_n d_b E_n

Source: Ashcroft and Mermin (1976), ch. 13, Eq. (13.25), without magnetic field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from blochflow.models.base import AbstractModel
from blochflow.response.catalog import OHMIC
from blochflow.response.integrands import VelocitySurface
from blochflow.response.magnitudes import size_of_drude
from blochflow.response.relaxation import as_relaxation, per_time, times_tau
from blochflow.response.request import Request, ZoneArguments

if TYPE_CHECKING:
    import xarray as xr


def ohmic(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    tau: Any,
    density: Any = None,
    **zone: Unpack[ZoneArguments],
) -> xr.Dataset:
    """Ohmic conductivity of a crystal with a given relaxation time.

        sigma_ab = (e^2/hbar^2) Int d^dk/(2 pi)^d sum_n tau_n (-f'_n) d_a E_n d_b E_n

    Source: [AshcroftMermin1976] Eq. (13.25).
    Valid for: linear response, relaxation-time approximation, hbar/tau below the level spacings at mu.  Not included:
    interband (intrinsic) parts, vertex corrections beyond what tau stands for, magnetic field.

    Parameters
    ----------
    model : AbstractModel
        1D, 2D or 3D.
    mu : float or (M,) array, or None with ``density``
        Chemical potential, in the model's energy.
    temperature : float or (T,) array
        0 is a sharp Fermi surface; in K for EV_ANGSTROM models, in energy for NATURAL ones.
    tau : float, (S,) array or callable
        Relaxation time: hbar/energy for NATURAL models, fs for EV_ANGSTROM ones.  An array adds a dimension ``tau``.  A
        callable ``tau(energy, band, k)`` gets one energy, band index and Cartesian k, and uses ``jax.numpy``; it is
        positive in the whole zone and has the periodicity of the lattice.
    density : float or array, optional
        Electrons per length, area or volume instead of mu.
    **zone
        As for `anomalous_hall`; T = 0 needs ``rule="cells"`` (the default finds it).

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature[, tau], a, b).  Units: e^2/(hbar a^(d-2)) for NATURAL;
        S angstrom (1D), e^2/h (2D), S/cm (3D) for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments.
    UserModelError
        ``tau`` as a function failed, or is not positive or not periodic.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    >>> import blochflow as bf
    >>> sigma = bf.response.ohmic(bf.zoo.parabolic(), mu=0.5, temperature=0.0, tau=3.0)
    >>> round(float(sigma.value.sel(a="x", b="x").item()) * 6.283185307, 6)     # n e^2 tau/m, n = m mu/2 pi
    1.5
    """
    request = Request.of("ohmic", model, mu, temperature, zone, density)
    times, function = as_relaxation(tau, model)
    scale, unit = request.factor(OHMIC)
    factor = scale * per_time(model)
    surface = VelocitySurface.of_dimension(model.dimension, function)
    shortest = float(times.min(initial=np.inf)) if function is None else 1.0
    (integral,) = request.integrals(surface, factor=factor * shortest, terms=size_of_drude(model))
    result = request.result(OHMIC, integral.scaled(factor), surface, unit, throw=False)
    if function is None:
        result = times_tau(result, times if np.ndim(tau) else times[0], model.units.time)
    return request.checked(OHMIC, result)
