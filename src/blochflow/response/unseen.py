"""What points of k alone cannot know: whether they resolve the temperature, and whether a zero is one.

Where every point contributes nothing, the integral is zero only if no band lies at the chemical potential, which bounds
on the energies in cells prove, or if the integrand vanishes everywhere.  A full zone is the same for holes.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from blochflow.core.status import Status
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.grid_choice import needed_points
from blochflow.response.integrands import BandIntegrand, NumberSea
from blochflow.response.source import ModelSource
from blochflow.response.uniform import order_of_poles
from blochflow.response.zone_options import chart_of
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import WINDOW, Filling
from blochflow.zone.integral import ROUNDING, Integral
from blochflow.zone.tolerance import Tolerance

# Bounds of cells with which bands at mu are ruled out.
MOST_PROOFS = 5_000
# Windows in which bands are looked for: 36 k_B T and halves of it.
HALVES = 3
PROBES = 256
# Rounding of a sum of equal terms.
EQUAL = 4 * ROUNDING


def without_unseen(
    model: AbstractModel, bands: BandIntegrand, filling: Filling, integral: Integral, execution: Execution
) -> Integral:
    """Refuse zeros, and full zones, of points none of which shows a state at mu, unless none is there by proof."""
    doubted = nothing_seen(model, bands, integral)
    if not doubted.any():
        return integral
    source = ModelSource(model, bands, chart_of(model), execution)
    energies, values = source.sample_points(np.random.default_rng(0).random((PROBES, source.dimension)))
    if not values.any():
        return integral
    low, high = energies.min(axis=0), energies.max(axis=0)
    if has_steps(source):
        # points on both sides of mu show a step, but not a peak between them
        reach = WINDOW * filling.kt[:, None]
        doubted &= ~((low <= filling.mu[:, None] + reach) & (high >= filling.mu[:, None] - reach)).any(axis=1)
    left = np.flatnonzero(doubted)
    doubted[left] = ~empty_states(source, Filling(filling.mu[left], filling.kt[left]))
    if not doubted.any():
        return integral
    error, converged = integral.error.copy(), integral.converged & ~doubted
    error[doubted] = np.nan
    rigor = f"{integral.rigor}; at some mu no point shows a state, though bands may lie there"
    return replace(integral, error=error, converged=converged, status=Status.UNSEEN, rigor=rigor)


def nothing_seen(model: AbstractModel, integrand: BandIntegrand, integral: Integral) -> np.ndarray:
    """(P,) states all of whose points contribute exactly nothing, or of a density as much as all bands."""
    found = (integral.value == 0).all(axis=-1)
    if isinstance(integrand, NumberSea) and model.lattice is not None:
        bands = model.num_bands
        found |= (np.abs(integral.value - bands) <= EQUAL * bands).all(axis=-1)
    return np.asarray(found)


def has_steps(source: ModelSource) -> bool:
    """Whether some values are weighed by f itself, all others being zero away from mu."""
    pairs = zip(source.weight.powers, source.surfaces, strict=True)
    return any(power in (0, 2) and not of_surface for power, of_surface in pairs)


def empty_states(source: ModelSource, filling: Filling) -> np.ndarray:
    """(P,) states whose windows no band meets: `is_insulating` of each, with bounds of cells shared by all."""
    pending, left = CellSet.whole_zone(source.chart.base), np.arange(len(filling.mu))
    found, spent = np.zeros(len(left), dtype=bool), np.zeros(len(left), dtype=int)
    needed = np.ones((len(pending), len(left)), dtype=bool)
    while len(pending):
        spent = spent + needed.sum(axis=0)
        bounds, mu, reach = source.bounds(pending), filling.mu[left], WINDOW * filling.kt[left]

        def meet(low: np.ndarray, high: np.ndarray, mu: np.ndarray = mu, reach: np.ndarray = reach) -> np.ndarray:
            return ((mu >= low[..., None] - reach) & (mu <= high[..., None] + reach)).any(axis=1)

        middle = 0.5 * (bounds.low + bounds.high)
        below = (middle[..., None] < mu).sum(axis=1)
        most, fewest = np.where(needed, below, -1).max(axis=0), np.where(needed, below, middle.shape[1]).min(axis=0)
        going = (spent <= MOST_PROOFS) & (most == fewest) & ~(needed & meet(middle, middle)).any(axis=0)
        met = needed & meet(bounds.low, bounds.high)
        found[left[going & ~met.any(axis=0)]] = True
        going &= met.any(axis=0)
        left, spent, met = left[going], spent[going], met[:, going]
        halved = met.any(axis=1)
        pending = pending.take(halved).children()
        needed = np.repeat(met[halved], 2**source.dimension, axis=0)
    return found


def fewest_of_states(source: ModelSource, filling: Filling, tolerance: Tolerance) -> np.ndarray:
    """(P, d) points per axis that resolve the temperature; 1 where no band lies at mu, 0 where nothing is known.

    Where no band is nearer to mu than w, the poles are that far from all energies: (w^2 + (pi k_B T)^2)^(1/2).
    """
    speed = source.bounds(CellSet.whole_zone(source.chart.base)).speed
    poles = order_of_poles(source.integrand)
    # the largest part of the window of each state that is empty by proof, 0 for none
    empty = np.zeros(len(filling.mu))
    for part in (0.5**j for j in range(HALVES + 1)):
        left = np.flatnonzero(empty == 0)
        empty[left[empty_states(source, Filling(filling.mu[left], part * filling.kt[left]))]] = part
    found = np.zeros((len(filling.mu), source.dimension), dtype=int)
    found[empty == 1] = 1
    warm = (empty < 1) & (filling.kt > 0)
    for part, kt in np.unique(np.stack([empty, filling.kt], axis=1)[warm], axis=0):
        scale = min(math.hypot(WINDOW * part * kt, math.pi * kt), source.integrand.resolved)
        found[warm & (empty == part) & (filling.kt == kt)] = needed_points(source.model, speed, scale, tolerance, poles)
    return found
