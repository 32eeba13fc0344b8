"""Derivatives with respect to the magnetic field at zero field, from levels in small rational fluxes.

    D(q) = [X(+1/q) - X(-1/q)]/[2 B(1/q)] = dX/dB + c B^2 + O(B^4),     dX/dB = [4 D(2q) - D(q)]/3 + O(B^4)

The error follows from the same extrapolation one step coarser, R' = [4 D(q) - D(q/2)]/3.  Where the differences of
successive D fall with B^2 (a factor 4, of which 2 is asked for) it is |R - R'|/3, which holds even if the error of R
only falls by 4 instead of 16, and a twentieth of the last extrapolation |R - D(2q)| against accidental agreement.
Elsewhere, as with quantum oscillations (k_B T below the spacing of Landau levels), it is the spread of all five.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.quantity import Quantity
from blochflow.core.status import Status
from blochflow.exact.catalog import MAGNETIZATION, MAGNETOCALORIC, STREDA
from blochflow.exact.hoppings_2d import as_count, as_planar, check_fits, warn_of_positions
from blochflow.exact.result import Call, Estimate, States, as_call, as_states, finish
from blochflow.exact.thermodynamics import (
    FluxLattice,
    LevelFunction,
    double_grid,
    grand_function,
    mixing_entropy,
    occupation,
)
from blochflow.execution.threads import Execution
from blochflow.models.tight_binding import TightBinding
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr

# Part of the tolerance that the grids of k may use up.
GRID_SHARE = 0.1
# Factor by which successive differences must fall to be taken for a power series, and the part of the last
# extrapolation that is never trusted.
LEAST_DECAY, CAUTION = 2.0, 0.05


def magnetization(
    model: TightBinding,
    mu: Any,
    temperature: Any,
    *,
    q: int = 40,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Orbital magnetization at zero field, from the grand potential of the lattice in small magnetic fluxes.

        M = -dPhi/dB = lim [Phi(-B) - Phi(+B)]/(2 B)       at fixed mu and T

    Source: [Hofstadter1976] for the levels; [Thonhauser2005] for the quantity.  Valid for: two dimensions, k_B T above
    the spacing of Landau levels at flux 2/q per cell, or mu in a gap.  Not included: as for `hofstadter`, and the
    magnetic moment of spins.

    Parameters
    ----------
    model : TightBinding
        The lattice without field, two-dimensional.
    mu, temperature : float or (mu,), (temperature,) arrays
    q : int
        Central differences at fluxes 1/q and 1/(2q) are extrapolated to zero field; those at 2/q give the error.
        Even, at least 4.  The largest matrices have 2 q N rows.
    tolerance : Tolerance, optional
        ``max_evaluations`` counts points of the zone without field, for every flux.
    execution : Execution, optional
    throw : bool
        False: return a result that is not converged instead of raising.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); e E/hbar or A (moment per area).

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    >>> import blochflow as bf
    >>> m = bf.exact.magnetization(bf.zoo.haldane(), mu=0.3, temperature=0.2, q=12, tolerance=bf.Tolerance(rtol=1e-2))
    >>> round(float(m.value.item()), 3)
    -0.041
    """
    # -Phi is what grows: M = -dPhi/dB
    return _derivative(
        MAGNETIZATION, grand_function, -1.0, model, mu, temperature, q, as_call(tolerance, execution, throw)
    )


def streda(
    model: TightBinding,
    mu: Any,
    temperature: Any,
    *,
    q: int = 40,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Change of the electron density with the magnetic field at fixed mu and T, at zero field.

        dn/dB = dM/dmu;      in a gap at T = 0:  dn/dB = C e/(2 pi hbar) = -sigma_xy/e

    Source: [Streda1982]; [Hofstadter1976] for the levels.  Valid for: as for `magnetization`.  Not included: as for
    `hofstadter`.  In a metal dn/dB also holds the moments at the Fermi surface, and is not -sigma_xy/e.

    Parameters
    ----------
    model, mu, temperature, q, tolerance, execution, throw
        As for `magnetization`.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); e/hbar or 1/(T angstrom^2).

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    A Chern insulator with C = -1 loses one state per flux quantum.

    >>> import blochflow as bf
    >>> slope = bf.exact.streda(bf.zoo.haldane(), mu=0.0, temperature=0.0, q=20)
    >>> round(float(slope.value.item()) * 6.283185307, 6)
    -1.0
    """
    return _derivative(STREDA, occupation, 1.0, model, mu, temperature, q, as_call(tolerance, execution, throw))


def magnetocaloric(
    model: TightBinding,
    mu: Any,
    temperature: Any,
    *,
    q: int = 40,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Change of the entropy with the magnetic field at fixed mu and T, at zero field.

        dS/dB = dM/dT

    Source: [Xiao2010] for the relation; [Hofstadter1976] for the levels.  Valid for: as for `magnetization`.  Not
    included: as for `hofstadter`.  It differs from the anomalous Nernst conductivity by Int m df/dT.

    Parameters
    ----------
    model, mu, temperature, q, tolerance, execution, throw
        As for `magnetization`.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); e k_B/hbar or A/K.

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    >>> import blochflow as bf
    >>> loose = bf.Tolerance(rtol=0.1)
    >>> slope = bf.exact.magnetocaloric(bf.zoo.haldane(), mu=-1.5, temperature=0.3, q=12, tolerance=loose)
    >>> slope.attrs["units"]
    'e k_B/hbar'
    """
    call = as_call(tolerance, execution, throw)
    return _derivative(MAGNETOCALORIC, mixing_entropy, 1.0, model, mu, temperature, q, call)


def _derivative(
    quantity: Quantity,
    function: LevelFunction,
    sign: float,
    model: Any,
    mu: Any,
    temperature: Any,
    q: Any,
    call: Call,
) -> xr.Dataset:
    """Richardson's extrapolation of central differences at 1/q and 1/(2q), with that of 2/q and 1/q for the error."""
    model, q = as_planar(model), as_count(q, "q", 4, even=True)
    check_fits(model, q, "q", 0, times=2)
    warn_of_positions(model)
    states = as_states(model.units, mu, temperature)
    steps = [central_difference(model, function, sign, states, size, call) for size in (q // 2, q, 2 * q)]
    coarse, fine, error = richardson(*(step.value for step in steps))
    grids = (4 * steps[2].error + steps[1].error) / 3
    estimate = Estimate(
        fine,
        error + grids,
        steps[2].absolute,
        sum(step.evaluations for step in steps),
        ((q, coarse), (2 * q, fine)),
        Status.COARSE_FLUX,
    )
    return finish(quantity, model, 2, states, estimate, call, {"q": q})


def richardson(first: np.ndarray, second: np.ndarray, third: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """From differences at steps 2h, h, h/2 with errors in h^2: the extrapolations (2h, h), (h, h/2), and an error."""
    coarse, fine = (4 * second - first) / 3, (4 * third - second) / 3
    everything = np.stack([first, second, third, coarse, fine])
    regular = np.abs(third - second) <= np.abs(second - first) / LEAST_DECAY
    smooth = np.abs(fine - coarse) / 3 + CAUTION * np.abs(fine - third)
    return coarse, fine, np.where(regular, smooth, np.ptp(everything, axis=0))


def central_difference(
    model: TightBinding, function: LevelFunction, sign: float, states: States, q: int, call: Call
) -> Estimate:
    """[X(+1/q) - X(-1/q)]/(2 B) with B = 2 pi/(q A), converged in k."""
    up, down = (FluxLattice.of(model, p, q) for p in (1, -1))
    step = 2 * (2 * math.pi / (q * model.lattice.volume)) * sign
    sizes: list[np.ndarray] = []

    def difference(n: int) -> np.ndarray:
        plus, minus = (lattice.sums(function, states, n, call.execution) for lattice in (up, down))
        sizes.append((np.abs(plus) + np.abs(minus)) / abs(step))
        return (plus - minus) / step

    found = double_grid(difference, up, states, call, GRID_SHARE)
    return Estimate(found.value, found.error, sizes[-1], 2 * found.evaluations, found.history)
