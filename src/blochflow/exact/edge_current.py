"""Equilibrium currents of a ribbon and the magnetization they stand for.

    I_i = -e Int dk/(2 pi) Re sum_j v_ij(k) rho_ji(k),    rho = f(H(k))
    v_ij(k) = sum_R (i/hbar) x_R,ij <0i|H|Rj> exp(i k.R)
    j = curl M:   M = -Int_(upper half) j_x dy,   with the step of the half smoothed over the interior

x_R,ij is the distance along the ribbon from orbital i to orbital j in cell R.  A bond gives half its current to each
of its ends.  In the interior the currents of a cell add up to zero and their moment is part of M: a sharp cut through a
cell would count it at random, a weight that varies slowly over a cell counts it exactly, up to its Fourier component
at the period of the rows.  Source: Ceresoli, Thonhauser, Vanderbilt, Resta, PRB 74, 024408 (2006).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import erfc

from blochflow.core.status import Status
from blochflow.exact._ribbon import Ribbon, as_ribbon, ribbon
from blochflow.exact.catalog import CURRENT_PROFILE, EDGE_MAGNETIZATION
from blochflow.exact.hoppings_2d import as_count, as_planar, lattice_sum
from blochflow.exact.result import Call, Estimate, States, as_call, as_states, finish
from blochflow.exact.thermodynamics import occupation
from blochflow.execution.threads import Execution, run_batches
from blochflow.models.tight_binding import TightBinding
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr

# The first grid of k along the ribbon, per Fourier component of H, and the most points of any.
FIRST_POINTS, POINTS_PER_WAVE, MOST_POINTS = 32, 8, 16_384
BATCH_ELEMENTS = 200_000
# Standard deviation of the smoothed step in units of the thickness: the edges are 8 of them away, and a row spacing
# is one of them in the narrowest ribbon used, where the interior enters with an error of exp(-2 pi^2).
SMOOTHING = 1 / 16
NARROWEST = 32
# Rows closer than this fraction of their spacing are one.
SAME_ROW = 1e-6
# Part of the tolerance that the grids of k may use up.
GRID_SHARE = 0.1


def current_profile(
    ribbon: Ribbon,
    mu: Any,
    temperature: Any,
    *,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Equilibrium current along a ribbon against the coordinate across it.

        I(y) = -e Int dk/(2 pi) sum_(i at y) Re [v(k) f(H(k))]_ii,      j_x(y') = sum_y I(y) delta(y' - y)

    Source: [Ceresoli2006].  Valid for: independent electrons, T >= 0.  Not included: position matrices
    beyond the orbital centres.

    Parameters
    ----------
    ribbon : Ribbon
        From `ribbon`.
    mu, temperature : float or (mu,), (temperature,) arrays
    tolerance : Tolerance, optional
        Relative to the largest current of a row; ``max_evaluations`` is the largest number of k.
    execution : Execution, optional
    throw : bool
        False: return a result that is not converged instead of raising.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature, transverse); current through each row of
        orbitals, positive along the ribbon, in e E/hbar or A.

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached; at T = 0 edge states that cross mu converge slowly.

    Examples
    --------
    No net current flows in equilibrium, but the edges of a Chern insulator carry opposite ones.

    >>> import blochflow as bf
    >>> strip = bf.exact.ribbon(bf.zoo.haldane(), 8)
    >>> current = bf.exact.current_profile(strip, mu=0.3, temperature=0.2).value[0, 0]
    >>> bool(abs(current.sum()) < 1e-9), bool(current[current.transverse > 0].sum() > 0)
    (True, True)
    """
    strip, call = as_ribbon(ribbon), as_call(tolerance, execution, throw)
    states = as_states(strip.model.units, mu, temperature)
    rows, owner = rows_of(strip)
    gather = (owner[:, None] == np.arange(len(rows))).astype(float)
    estimate = converged_currents(strip, gather, states, call)
    coordinate = (rows, {"units": strip.model.units.length, "long_name": "coordinate across the ribbon"})
    attrs = {"width": strip.width, "direction": strip.direction}
    return finish(CURRENT_PROFILE, strip.model, 1, states, estimate, call, attrs, ("transverse", coordinate))


def edge_magnetization(
    model: TightBinding,
    mu: Any,
    temperature: Any,
    *,
    width: int = 64,
    direction: int = 0,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Orbital magnetization of the bulk from the current along the edge of a ribbon.

        M = -Int dy w(y) j_x(y),     w(y) = erfc(-y/(sqrt(2) s))/2,   s = thickness/16

    Source: [Thonhauser2005]; [Ceresoli2006].  Valid for: independent electrons, ribbons wider than the states
    of an edge and, in a metal, than hbar v/(k_B T).  Not included: position matrices beyond the orbital centres.

    Parameters
    ----------
    model : TightBinding
        Two-dimensional.
    mu, temperature : float or (mu,), (temperature,) arrays
    width : int
        Unit cells across: even, at least 32.  A ribbon of half the width gives the error.
    direction : int
        0 (default): along a1.  1: along a2.
    tolerance : Tolerance, optional
        ``max_evaluations`` is the largest number of k along the ribbon.
    execution : Execution, optional
    throw : bool
        False: return a result that is not converged instead of raising.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); e E/hbar or A.

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    >>> import blochflow as bf
    >>> loose = bf.Tolerance(rtol=1e-2)
    >>> m = bf.exact.edge_magnetization(bf.zoo.haldane(), mu=0.3, temperature=0.2, width=32, tolerance=loose)
    >>> round(float(m.value.item()), 3)
    -0.041
    """
    model, call = as_planar(model), as_call(tolerance, execution, throw)
    states, width = as_states(model.units, mu, temperature), as_count(width, "width", NARROWEST, even=True)
    wide_strip = ribbon(model, width, direction=direction)
    strips = [ribbon(model, width // 2, direction=direction), wide_strip]
    narrow, wide = (converged_currents(s, edge_weight(s)[:, None], states, call, GRID_SHARE) for s in strips)
    estimate = Estimate(
        wide.value,
        np.abs(wide.value - narrow.value) + wide.error,
        wide.absolute,
        narrow.evaluations + wide.evaluations,
        ((width // 2, narrow.value), (width, wide.value)),
        Status.NARROW_RIBBON if (wide.error <= np.abs(wide.value - narrow.value)).all() else Status.NOT_CONVERGED,
    )
    attrs = {"width": width, "direction": direction}
    return finish(EDGE_MAGNETIZATION, model, 2, states, estimate, call, attrs)


def edge_weight(strip: Ribbon) -> np.ndarray:
    """-w(y) of every orbital."""
    thickness = strip.width * strip.spacing
    return -erfc(-strip.transverse / (math.sqrt(2) * SMOOTHING * thickness)) / 2


def rows_of(strip: Ribbon) -> tuple[np.ndarray, np.ndarray]:
    """Ascending coordinates of the rows of orbitals, and the row of every orbital."""
    order = np.argsort(strip.transverse, kind="stable")
    sorted_y = strip.transverse[order]
    starts = np.concatenate([[True], np.diff(sorted_y) > SAME_ROW * strip.spacing])
    owner = np.empty(len(order), dtype=int)
    owner[order] = np.cumsum(starts) - 1
    return sorted_y[starts], owner


@dataclass(frozen=True, eq=False)
class RibbonBonds:
    """Hoppings of a ribbon and their velocities, with the phases on the cells.

    Attributes
    ----------
    cells : (nC, 1)
    blocks, velocity : (nC, n, n)
        <0i|H|Rj> and i (R + x_j - x_i) <0i|H|Rj>.
    """

    cells: np.ndarray
    blocks: np.ndarray
    velocity: np.ndarray

    @classmethod
    def of(cls, model: TightBinding) -> RibbonBonds:
        """The bonds of the one-dimensional model."""
        cells, blocks, x = model.cells, np.asarray(model.blocks), np.asarray(model.orbitals)[:, 0]
        step = (cells @ np.asarray(model.lattice.vectors))[:, :, None] + (x[None, :] - x[:, None])
        return cls(cells, blocks, 1j * step * blocks)

    def currents(self, k_frac: np.ndarray, weights: np.ndarray, states: States) -> np.ndarray:
        """Sum over a batch of k of -sum_i w_ic Re [v rho]_ii: (2, P, C), the second with absolute values of terms."""
        energies, vectors = np.linalg.eigh(lattice_sum(self.cells, self.blocks, k_frac))
        moved = lattice_sum(self.cells, self.velocity, k_frac) @ vectors
        carried = -(moved * vectors.conj()).real
        parts = [np.einsum("kin,ic->knc", x, w) for x, w in ((carried, weights), (np.abs(carried), np.abs(weights)))]
        f = [occupation(energies, mu, kt) for mu, kt in zip(states.mu, states.kt, strict=True)]
        return np.stack([np.einsum("pkn,knc->pc", np.stack(f), part) for part in parts])


def converged_currents(
    strip: Ribbon, weights: np.ndarray, states: States, call: Call, strictness: float = 1.0
) -> Estimate:
    """(P, C) sums of the currents of orbitals with weights (n, C), doubled in k until two results agree."""
    bonds = RibbonBonds.of(strip.model)
    points = max(FIRST_POINTS, POINTS_PER_WAVE * int(np.abs(bonds.cells).max()))
    limit = call.tolerance.max_evaluations or MOST_POINTS
    length = float(strip.model.lattice.volume)
    mean = mean_currents(bonds, np.arange(points) / points, weights, states, call.execution) / length
    history = [(points, mean[0])]
    while True:
        # the new points lie midway between the old ones
        between = (np.arange(points) + 0.5) / points
        finer = (mean + mean_currents(bonds, between, weights, states, call.execution) / length) / 2
        error, mean, points = np.abs(finer[0] - mean[0]), finer, 2 * points
        history.append((points, mean[0]))
        absolute = mean[1].max(axis=-1)
        allowed = strictness * call.tolerance.allowed(np.abs(mean[0]).max(axis=-1), absolute)
        if (error <= allowed[:, None]).all() or 2 * points > limit:
            return Estimate(mean[0], error, absolute, points, tuple(history))


def mean_currents(
    bonds: RibbonBonds, k_frac: np.ndarray, weights: np.ndarray, states: States, execution: Execution
) -> np.ndarray:
    """Mean over k of `RibbonBonds.currents`."""
    size = bonds.blocks.shape[-1]
    per_batch = max(1, BATCH_ELEMENTS // size**2)
    total = math.ceil(len(k_frac) / per_batch)
    batches: Iterator[np.ndarray] = (k_frac[i * per_batch : (i + 1) * per_batch, None] for i in range(total))
    batch_bytes = 96 * per_batch * size**2
    found = run_batches(
        lambda batch: bonds.currents(batch, weights, states),
        batches,
        total,
        execution,
        batch_bytes=batch_bytes,
        label="currents of the ribbon",
    )
    return np.sum(found, axis=0) / len(k_frac)
