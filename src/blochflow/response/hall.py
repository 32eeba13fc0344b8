"""Intrinsic anomalous Hall conductivity.

    sigma_ab = -(e^2/hbar) Int d^dk/(2 pi)^d sum_n f_n Omega_n,ab = -(e^2/hbar) Int sum_j (f_j - f_{j+1}) S_j,ab

Source: Wang, Yates, Souza, Vanderbilt, PRB 74, 195118 (2006), Eqs. (1), (32), (34); sign for charge -e.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.average import ZoneOptions, as_call, average_over_zone, measure
from blochflow.response.catalog import ANOMALOUS_HALL
from blochflow.response.integrands import BerrySea, as_tensor
from blochflow.response.potential import precise_chemical_potential
from blochflow.response.result import finish
from blochflow.response.states import as_states
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr


def anomalous_hall(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    density: Any = None,
    rule: str = "auto",
    grid: Any = None,
    shift: float = 0.0,
    symmetry: Any = "auto",
    seed: int = 0,
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
        2D or 3D, any number of bands; of a k.p model the part within the cutoff.
    mu : float or (M,) array, or None with ``density``
        Chemical potential, in the model's energy.
    temperature : float or (T,) array
        0 is a sharp step; in K for EV_ANGSTROM models, in energy for NATURAL ones.
    density : float or array, optional
        Electrons per area or volume instead of mu; the uncertainty of mu enters the error.
    rule : "auto", "uniform", "cells", "shifted", "local" or "nested"
        How the zone is integrated.  "auto": a uniform grid where gaps and temperature allow one, else adaptive cells
        in which every gap at mu is proven open; for three-dimensional metals of more than eight bands "local", coarse
        cells with models of the few bands near mu, averaged over random shifts.  "shifted": plain uniform grids with
        random shifts.  "nested": lines within lines, a slow and independent check for few bands.  The choice is in
        the attribute ``rule``, what the error rests on in ``rigor``.
    grid : int or (d,) ints, optional
        Fixed uniform grid; its half (when even) gives the error.  Default: refinement until the tolerance is met.
    shift : float
        Shift of a fixed ``grid`` in units of its spacing, in [0, 1); 0 is centred on Gamma.
    symmetry : "auto", False or list
        Point-group and time-reversal operations to use: all of the lattice that hold on H(k) and on the integrand,
        none, or those listed ("time_reversal", "inversion", matrices).  Forbidden components are exactly zero.  Fixed
        grids use none.
    seed : int
        Of the random shifts.
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
        Wrong arguments, or a one-dimensional model.
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
    tolerance, execution = as_call(model, tolerance, execution, throw)
    if model.dimension < 2:
        raise fail("model", "have two or three dimensions for a Hall response", f"{model.name} has one")
    options = ZoneOptions(rule, grid, shift, symmetry, seed)
    states = as_states(
        model,
        mu,
        temperature,
        density,
        lambda n, t: precise_chemical_potential(model, n, t, options, tolerance, execution),
    )
    scale, unit = ANOMALOUS_HALL.unit(model.units.name, model.dimension)
    factor = -scale * model.spin_degeneracy * measure(model)
    # with a given density, mu is known to mu_error: evaluate at mu and at both ends
    around = [states.mu]
    if density is not None:
        # where mu_error is not known there are no ends; `finish` says so in the error
        spread = np.where(np.isfinite(states.mu_error), states.mu_error, 0.0)
        around += [states.mu - spread, states.mu + spread]
    bands = BerrySea.of_dimension(model.dimension)
    integral = average_over_zone(
        model,
        bands,
        np.concatenate(around),
        np.tile(states.kt, len(around)),
        options=options,
        tolerance=tolerance,
        execution=execution,
        factor=abs(factor),
    )
    return finish(
        ANOMALOUS_HALL,
        model,
        states,
        integral.scaled(factor),
        tensor=lambda x: as_tensor(x, bands, model.dimension),
        cartesian=("a", "b"),
        unit=unit,
        options=options,
        tolerance=tolerance,
        throw=throw,
    )
