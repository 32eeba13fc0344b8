"""Electron density at given chemical potential, and chemical potential at given density.

n = Int d^dk/(2 pi)^d sum_n f_n
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.core.quantity import Quantity
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.average import ZoneOptions, as_call, average_over_zone, measure
from blochflow.response.catalog import CHEMICAL_POTENTIAL, DENSITY_OF_STATES, ELECTRON_DENSITY
from blochflow.response.filling import solve_filling
from blochflow.response.integrands import NumberSea, NumberSurface
from blochflow.response.result import finish
from blochflow.response.states import States, as_states
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr


def electron_density(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    rule: str = "auto",
    grid: Any = None,
    shift: float = 0.0,
    symmetry: Any = "auto",
    seed: int = 0,
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
    model, mu, temperature, rule, grid, shift, symmetry, seed, tolerance, execution, throw
        As for `anomalous_hall`.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); 1/a^d or 1/angstrom^d.

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    >>> import blochflow as bf
    >>> n = bf.response.electron_density(bf.zoo.square(), mu=0.0, temperature=0.1)
    >>> round(float(n.value.item()), 6)      # half filling
    0.5
    """
    return _number(
        ELECTRON_DENSITY,
        NumberSea(),
        model,
        mu,
        temperature,
        ZoneOptions(rule, grid, shift, symmetry, seed),
        tolerance,
        execution,
        throw,
    )


def _number(
    quantity: Quantity,
    bands: Any,
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    options: ZoneOptions,
    tolerance: Tolerance | None,
    execution: Execution | None,
    throw: bool,
) -> xr.Dataset:
    """A scalar of equilibrium, per length, area or volume."""
    tolerance, execution = as_call(model, tolerance, execution, throw)
    states = as_states(model, mu, temperature)
    scale, unit = quantity.unit(model.units.name, model.dimension)
    factor = scale * model.spin_degeneracy * measure(model)
    integral = average_over_zone(
        model,
        bands,
        states.mu,
        states.kt,
        options=options,
        tolerance=tolerance,
        execution=execution,
        factor=factor,
    )
    return finish(
        quantity,
        model,
        states,
        integral.scaled(factor),
        tensor=lambda x: x[..., 0],
        cartesian=(),
        unit=unit,
        options=options,
        tolerance=tolerance,
        throw=throw,
    )


def density_of_states(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    rule: str = "auto",
    grid: Any = None,
    shift: float = 0.0,
    symmetry: Any = "auto",
    seed: int = 0,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """States per energy and length, area or volume at the energies ``mu``.

        D = Int d^dk/(2 pi)^d sum_n -f'(E_n)          (delta(mu - E_n) at T = 0)

    Source: [AshcroftMermin1976] ch. 8, Eq. (8.57).  Valid for: independent electrons.  At T > 0 this is dn/dmu.  Not
    included: bands outside the model.

    Parameters
    ----------
    model, mu, temperature, rule, grid, shift, symmetry, seed, tolerance, execution, throw
        As for `anomalous_hall`; T = 0 is refused on a fixed ``grid``.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); 1/(E a^d) or 1/(eV angstrom^d).

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached; at T = 0 also where the density diverges.

    Examples
    --------
    >>> import blochflow as bf
    >>> dos = bf.response.density_of_states(bf.zoo.parabolic(), mu=0.5, temperature=0.0)
    >>> round(float(dos.value.item()) * 6.283185307, 6)      # m/(2 pi) in two dimensions
    1.0
    """
    return _number(
        DENSITY_OF_STATES,
        NumberSurface(),
        model,
        mu,
        temperature,
        ZoneOptions(rule, grid, shift, symmetry, seed),
        tolerance,
        execution,
        throw,
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
    tolerance, execution = as_call(model, tolerance, execution, throw)
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
        options=ZoneOptions("uniform", grid, shift),
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
