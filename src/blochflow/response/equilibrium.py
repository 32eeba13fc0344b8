"""Electron density at given chemical potential, and chemical potential at given density.

n = Int d^dk/(2 pi)^d sum_n f_n
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array
from blochflow.core.checks import as_real_array, fail
from blochflow.execution.threads import Execution
from blochflow.geometry.eigen import eigh
from blochflow.models.base import AbstractModel, BlochMatrices
from blochflow.response.average import as_call, average_over_zone
from blochflow.response.catalog import CHEMICAL_POTENTIAL, ELECTRON_DENSITY
from blochflow.response.filling import solve_filling
from blochflow.response.occupation import Occupation, active_gap, make_occupation
from blochflow.response.result import finish
from blochflow.response.states import States, as_states
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr


class DensityIntegrand(eqx.Module):
    """sum_n f_n at each k for every state: (k, P, 1)."""

    occupation: Occupation

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies, _ = eigh(matrices.hamiltonian)
        gap = active_gap(energies, self.occupation.steps(energies))
        return self.occupation.filling(energies).sum(axis=-1)[..., None], gap


def electron_density(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    grid: Any = None,
    shift: float = 0.0,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Electrons per length, area or volume in the bands of the model.

        n = Int d^dk/(2 pi)^d sum_n f_n

    Source: [AshcroftMermin1976] ch. 2, 8.  Valid for: independent electrons, T >= 0.  Not included: bands outside
    the model.

    Parameters
    ----------
    model, mu, temperature, grid, shift, tolerance, execution, throw
        As for `anomalous_hall`.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); 1/a^d or 1/angstrom^d.

    Raises
    ------
    ValueError
        Wrong arguments, or a continuum model.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    >>> import blochflow as bf
    >>> n = bf.response.electron_density(bf.zoo.square(), mu=0.0, temperature=0.1)
    >>> round(float(n.value.item()), 6)      # half filling
    0.5
    """
    tolerance, execution = as_call(model, tolerance, execution)
    states = as_states(model, mu, temperature)
    scale, unit = ELECTRON_DENSITY.unit(model.units.name, model.dimension)
    occupation, restore = make_occupation(states.mu, states.kt)
    factor = scale * model.spin_degeneracy / periodic_volume(model)
    integral, gap = average_over_zone(
        model,
        DensityIntegrand(occupation),
        len(states.mu),
        grid=grid,
        shift=shift,
        tolerance=tolerance,
        execution=execution,
        factor=factor,
    )
    return finish(
        ELECTRON_DENSITY,
        model,
        states,
        integral.reordered(restore).scaled(factor),
        tensor=lambda x: x[..., 0],
        cartesian=(),
        unit=unit,
        gap=gap[restore],
        shift=shift,
        tolerance=tolerance,
        throw=throw,
    )


def chemical_potential(
    model: AbstractModel,
    density: Any,
    temperature: Any,
    *,
    grid: Any = None,
    shift: float = 0.0,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Chemical potential at a given electron density.

        n = Int d^dk/(2 pi)^d sum_n f_n(mu)

    Source: [AshcroftMermin1976] ch. 8.  Valid for: independent electrons, T >= 0; in a gap at T = 0 the middle of
    the gap.  Not included: bands outside the model.

    Parameters
    ----------
    model : AbstractModel
    density : float or array
        Electrons per length, area or volume; between 0 and spin_degeneracy * num_bands / cell volume.
    temperature, grid, shift, execution, throw
        As for `anomalous_hall`.
    tolerance : Tolerance
        rtol is relative to the width of the spectrum.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (density, temperature), in the model's energy.

    Raises
    ------
    ValueError
        Density outside the range the model can hold, or other wrong arguments.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    >>> import blochflow as bf
    >>> mu = bf.response.chemical_potential(bf.zoo.square(), density=0.5, temperature=0.1)
    >>> abs(float(mu.value.item())) < 1e-6
    True
    """
    tolerance, execution = as_call(model, tolerance, execution)
    values = np.atleast_1d(as_real_array(density, "density", positive=True))
    t = np.atleast_1d(as_real_array(temperature, "temperature", positive=False))
    full = model.spin_degeneracy * model.num_bands / periodic_volume(model)
    if np.any(values >= full):
        raise fail(
            "density", f"be below {full:.6g}, where all bands of the model are full", f"holds {values.max():.6g}"
        )
    integral = solve_filling(model, values / full, model.units.boltzmann * t, grid, shift, tolerance, execution)
    units = model.units
    coords = {
        "density": (values, {"units": ELECTRON_DENSITY.unit(units.name, model.dimension)[1]}),
        "temperature": (t, {"units": units.temperature}),
    }
    shape = (len(values), len(t))
    kt = np.broadcast_to(units.boltzmann * t, shape).reshape(-1)
    states = States(("density", "temperature"), shape, coords, integral.value[:, 0], kt, np.zeros(len(kt)))
    return finish(
        CHEMICAL_POTENTIAL,
        model,
        states,
        integral,
        tensor=lambda x: x[..., 0],
        cartesian=(),
        unit=units.energy,
        gap=np.array([np.inf]),
        shift=shift,
        tolerance=tolerance,
        throw=throw,
    )


def precise_chemical_potential(
    model: AbstractModel, density: Any, temperature: Any, tolerance: Tolerance, **options: Any
) -> xr.Dataset:
    """mu for a response asked at given density: a hundred times more precise than the response, never raising.

    Its remaining error enters the error of the response.
    """
    finer = Tolerance(rtol=tolerance.rtol / 100, max_evaluations=tolerance.max_evaluations)
    return chemical_potential(model, density, temperature, tolerance=finer, throw=False, **options)


def periodic_volume(model: AbstractModel) -> float:
    """Volume of the unit cell; refuses continuum models."""
    if model.lattice is None:
        raise fail("model", "be periodic for integrals over the Brillouin zone", f"{model.name} is a continuum model")
    return model.lattice.volume
