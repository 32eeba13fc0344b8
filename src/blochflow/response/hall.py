"""Intrinsic anomalous Hall conductivity.

    sigma_ab = -(e^2/hbar) Int d^dk/(2 pi)^d sum_n f_n Omega_n,ab = -(e^2/hbar) Int sum_j (f_j - f_{j+1}) S_j,ab

Source: Wang, Yates, Souza, Vanderbilt, PRB 74, 195118 (2006), Eqs. (1), (32), (34); sign for charge -e.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array
from blochflow.core.checks import fail
from blochflow.execution.threads import Execution
from blochflow.geometry.cumulative import cumulative_curvature
from blochflow.models.base import PAIRS, AbstractModel, BlochMatrices
from blochflow.response.average import as_call, average_over_zone
from blochflow.response.catalog import ANOMALOUS_HALL
from blochflow.response.equilibrium import periodic_volume, precise_chemical_potential
from blochflow.response.occupation import Occupation, active_gap, make_occupation
from blochflow.response.result import finish
from blochflow.response.states import as_states
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr


class HallIntegrand(eqx.Module):
    """sum_n f_n Omega_n,ab at each k for every state: (k, P, p), and the gap between filled and empty bands."""

    occupation: Occupation

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies, cumulative = cumulative_curvature(matrices)
        weights = self.occupation.steps(energies)
        return weights @ cumulative, active_gap(energies, weights)


def anomalous_hall(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    density: Any = None,
    grid: Any = None,
    shift: float = 0.0,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Intrinsic anomalous Hall conductivity of a two- or three-dimensional crystal.

        sigma_ab = -(e^2/hbar) Int d^dk/(2 pi)^d sum_n f_n Omega_n,ab

    Source: [Wang2006] Eqs. (1), (32), (34); [Xiao2010] Eq. (3.3), sign for charge -e.
    Valid for: linear response in the clean limit, T >= 0.  Not included: side jump and skew scattering.

    Parameters
    ----------
    model : AbstractModel
        Periodic, 2D or 3D, any number of bands.
    mu : float or (M,) array, or None with ``density``
        Chemical potential, in the model's energy.
    temperature : float or (T,) array
        0 is a sharp step; in K for EV_ANGSTROM models, in energy for NATURAL ones.
    density : float or array, optional
        Electrons per area or volume instead of mu; the uncertainty of mu enters the error.
    grid : int or (d,) ints, optional
        Fixed uniform grid; its half (when even) gives the error.  Default: doubling until the tolerance is met.
    shift : float
        Shift of a fixed ``grid`` in units of its spacing, in [0, 1); 0 is centred on Gamma.
    tolerance : Tolerance
        Default ``Tolerance(rtol=1e-3)``.
    execution : Execution
        Threads, memory, progress.
    throw : bool
        Raise when not converged (default), or return the result with ``converged`` False.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, a, b), ``converged`` (mu, temperature).  Units: e^2/hbar
        (2D) and e^2/(hbar a) (3D) for NATURAL, e^2/h (2D) and S/cm (3D) for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments, or a one-dimensional or continuum model.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.
    NonFiniteError
        H(k) is not finite somewhere.

    Examples
    --------
    >>> import blochflow as bf
    >>> sigma = bf.response.anomalous_hall(bf.zoo.haldane(), mu=0.0, temperature=0.0)
    >>> round(float(sigma.value.sel(a="x", b="y").item()) * 6.283185307, 6)   # -C in e^2/h
    1.0
    """
    tolerance, execution = as_call(model, tolerance, execution)
    if model.dimension < 2:
        raise fail("model", "have two or three dimensions for a Hall response", f"{model.name} has one")
    options = {"grid": grid, "shift": shift, "execution": execution}
    states = as_states(
        model, mu, temperature, density, lambda n, t: precise_chemical_potential(model, n, t, tolerance, **options)
    )
    scale, unit = ANOMALOUS_HALL.unit(model.units.name, model.dimension)
    factor = -scale * model.spin_degeneracy / periodic_volume(model)
    # with a given density, mu is known to mu_error: evaluate at mu and at both ends
    around = [states.mu]
    if density is not None:
        around += [states.mu - states.mu_error, states.mu + states.mu_error]
    all_mu, all_kt = np.concatenate(around), np.tile(states.kt, len(around))
    occupation, restore = make_occupation(all_mu, all_kt)
    integral, gap = average_over_zone(
        model, HallIntegrand(occupation), len(all_mu), factor=abs(factor), tolerance=tolerance, **options
    )
    return finish(
        ANOMALOUS_HALL,
        model,
        states,
        integral.reordered(restore).scaled(factor),
        tensor=lambda x: antisymmetric(x, model.dimension),
        cartesian=("a", "b"),
        unit=unit,
        gap=gap[restore],
        shift=shift,
        tolerance=tolerance,
        throw=throw,
    )


def antisymmetric(components: np.ndarray, dimension: int) -> np.ndarray:
    """(..., p) independent components -> antisymmetric (..., a, b)."""
    tensor = np.zeros((*components.shape[:-1], dimension, dimension))
    for p, (a, b) in enumerate(PAIRS[dimension]):
        tensor[..., a, b] = components[..., p]
        tensor[..., b, a] = -components[..., p]
    return tensor
