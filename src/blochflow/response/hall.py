"""Intrinsic anomalous Hall conductivity.

    sigma_ab = -(e^2/hbar) Int d^dk/(2 pi)^d sum_n f_n Omega_n,ab = -(e^2/hbar) Int sum_j (f_j - f_{j+1}) S_j,ab

Source: Wang, Yates, Souza, Vanderbilt, PRB 74, 195118 (2006), Eqs. (1), (32), (34); sign for charge -e.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.intrinsic import intrinsic_results
from blochflow.response.request import Request, ZoneArguments
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
    zone: ZoneArguments = {
        "rule": rule,
        "grid": grid,
        "shift": shift,
        "symmetry": symmetry,
        "seed": seed,
        "tolerance": tolerance,
        "execution": execution,
        "throw": throw,
    }
    request = Request.of("anomalous_hall", model, mu, temperature, zone, density, plane=True)
    return intrinsic_results(request, ("anomalous_hall",))["anomalous_hall"]
