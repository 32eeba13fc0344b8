"""Chemical potential at given electron density.

n = Int d^dk/(2 pi)^d sum_n f_n(mu)
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.catalog import CHEMICAL_POTENTIAL, ELECTRON_DENSITY
from blochflow.response.potential_rules import solve_potential
from blochflow.response.result import finish
from blochflow.response.states import States
from blochflow.response.zone_options import ZoneOptions, as_call, chart_of, measure
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr

# mu for a response is this much more accurate, relative to the width of the spectrum, than the response.
PRECISE = 100
# A density this close to that of all bands is theirs: densities are given in double precision.
ROUNDING = 1e-12


def chemical_potential(
    model: AbstractModel,
    density: Any,
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
    """Chemical potential at a given electron density.

        n = Int d^dk/(2 pi)^d sum_n f_n(mu)

    Source: [AshcroftMermin1976] ch. 8.  Valid for: independent electrons, T >= 0; in a gap at T = 0 the middle of
    the gap.  Not included: bands outside the model.

    Parameters
    ----------
    model : AbstractModel
        Of a k.p model the states within the cutoff, as in `electron_density`.
    density : float or array
        Electrons per length, area or volume, counted from the bottom of the lowest band; between 0 and what all
        bands hold.
    temperature : float or (T,) array
        0 is a sharp step; in K for EV_ANGSTROM models, in energy for NATURAL ones.
    rule : "auto", "uniform", "cells", "shifted", "local" or "nested"
        "uniform": filling of the states of uniform grids; the error is the change on doubling.  Otherwise mu is
        bracketed by the density, integrated by this rule; the error of mu follows from that of n alone.  "auto":
        uniform grids for insulators, at temperatures they resolve, and in three dimensions with more than eight
        bands; else cells.
    grid, shift, symmetry, seed, execution, throw
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
    options = ZoneOptions(rule, grid, shift, symmetry, seed)
    full = full_density(model)
    if np.any(values >= full * (1 - ROUNDING)):
        raise fail(
            "density", f"be below {full:.6g}, where all bands of the model are full", f"holds {values.max():.6g}"
        )
    units = model.units
    shape = (len(values), len(t))
    filling = np.repeat(values / full, len(t))
    kt = np.tile(units.boltzmann * t, len(values))
    integral = solve_potential(model, filling, kt, options, tolerance, execution)
    coords = {
        "density": (values, {"units": ELECTRON_DENSITY.unit(units.name, model.dimension)[1]}),
        "temperature": (t, {"units": units.temperature}),
    }
    states = States(("density", "temperature"), shape, coords, integral.value[:, 0], kt, np.zeros(len(kt)))
    return finish(
        CHEMICAL_POTENTIAL,
        model,
        states,
        integral,
        tensor=lambda x: x[..., 0],
        cartesian=(),
        unit=units.energy,
        options=options,
        tolerance=tolerance,
        throw=throw,
    )


def precise_chemical_potential(
    model: AbstractModel,
    density: Any,
    temperature: Any,
    options: ZoneOptions,
    tolerance: Tolerance,
    execution: Execution,
) -> xr.Dataset:
    """mu for a response asked at given density: a hundred times more precise than the response, never raising.

    Its remaining error enters the error of the response.  Rules that sample give way to "auto".
    """
    finer = replace(tolerance, rtol=tolerance.rtol / PRECISE, atol=None)
    rule = options.rule if options.rule in ("uniform", "cells") else "auto"
    return chemical_potential(
        model,
        density,
        temperature,
        rule=rule,
        grid=options.grid,
        shift=options.shift,
        symmetry=options.symmetry,
        tolerance=finer,
        execution=execution,
        throw=False,
    )


def full_density(model: AbstractModel) -> float:
    """Electrons per length, area or volume that fill all bands, of a k.p model within its cutoff."""
    room = 1.0
    if model.lattice is None:
        radius = chart_of(model).radius  # type: ignore[attr-defined]
        room = float(radius**model.dimension * {1: 2.0, 2: math.pi, 3: 4 * math.pi / 3}[model.dimension])
    return model.spin_degeneracy * model.num_bands * room * measure(model)
