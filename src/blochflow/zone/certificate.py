"""Which cells may be trusted: those in which no gap that matters can close, proven by a bound on the energies.

The integrand sum_n f_n g_n = sum_j (f_j - f_{j+1}) S_j, S_j = sum_{n<=j} g_n, is smooth in a cell when gap j is open
wherever f_j - f_{j+1} can differ from zero there.  Crossings among filled, or among empty, bands do not matter.
Cells without proof are halved until they have one; where bands touch at the chemical potential they never do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from blochflow.zone.cells import CellSet
from blochflow.zone.polynomials import GaussRule
from blochflow.zone.weights import Weight

# f_j - f_{j+1} is below rounding error when the bands are further than this many k_B T from mu.
WINDOW = 36.0
# Halvings after which a cell counts as touching: widths of 1e-12 of the zone; in 3D a node of that size is harmless.
DEEPEST = {1: 40, 2: 40, 3: 20}
# At T > 0 cells are halved no further where `faintness` times the width (d = 3) is below this fraction of rtol.
HARMLESS = 1e-4


@dataclass(frozen=True)
class CellBounds:
    """Proven facts about cells.

    Attributes
    ----------
    low, high : (B, N)
        Energies lie between these everywhere in the cell.
    gap : (B, N - 1)
        E_{j+1} - E_j at the centre.
    open : (B, N - 1) bool
        True where the gap cannot close in the cell.
    slopes : (B, d)
        Largest change of an energy across each axis of the zone, by the slopes at the centre.
    """

    low: np.ndarray
    high: np.ndarray
    gap: np.ndarray
    open: np.ndarray
    slopes: np.ndarray

    @property
    def speed(self) -> np.ndarray:
        """(d,) largest slopes of all cells."""
        return np.asarray(self.slopes.max(axis=0))


class BandSource(Protocol):
    """An integrand resolved by bands, as cell rules need it.

    Attributes
    ----------
    dimension, num_bands, components : int
        ``components`` of results.
    weight : Weight
        How the values of `sample` are weighed: cumulative sums S_j with F_p(E_j) - F_p(E_{j+1}), or, of a surface,
        g_n with -f'(E_n) x^p.
    bound : float or None
        Largest |S_j|, where it is known beforehand.
    rigorous : bool
        False where `bounds` are estimates.
    """

    dimension: int
    num_bands: int
    components: int
    weight: Weight
    bound: float | None
    rigorous: bool

    def bounds(self, cells: CellSet) -> CellBounds:
        """One evaluation per cell."""

    def mixing(self, filling: Filling) -> np.ndarray | None:
        """(P, R, C) from weighed sums of the values of `sample` to results; None where they are the results."""

    def largest_weight(self, cells: CellSet) -> np.ndarray:
        """(B,) largest weight of the chart, d^dk = weight d^du, at the centre and corners of each cell."""

    def sample(self, cells: CellSet, rule: GaussRule) -> tuple[np.ndarray, np.ndarray]:
        """Energies (B, n^d, N) and values (B, n^d, N, R) on the tensor grid of nodes of every cell."""


@dataclass(frozen=True)
class Filling:
    """The states (mu, k_B T) of a scan; (P,) each."""

    mu: np.ndarray
    kt: np.ndarray

    def meets(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """True where some state's window mu +- 36 k_B T meets the interval [low, high]."""
        met = np.zeros(low.shape, dtype=bool)
        for kt in np.unique(self.kt):
            mu = np.sort(self.mu[self.kt == kt])
            reach = WINDOW * kt
            met |= np.searchsorted(mu, high + reach, side="right") > np.searchsorted(mu, low - reach, side="left")
        return met


@dataclass
class Certified:
    """Outcome of `certify`.

    Attributes
    ----------
    cells : CellSet
        Admitted cells.
    touching : CellSet
        Cells at the depth limit whose active gaps may close.
    touching_low, touching_high : (B, N)
        Bounds of the energies there.
    smallest_gap : float
        Smallest active gap at the centre of an admitted cell.
    metallic : bool
        True when a band may cross the window of a state.
    speed : (d,)
    width : float
        Of the whole spectrum.
    evaluations : int
    complete : bool
        False when the evaluations ran out.
    unproven : CellSet
        What was left then.
    """

    cells: CellSet
    touching: CellSet
    touching_low: np.ndarray
    touching_high: np.ndarray
    smallest_gap: float
    metallic: bool
    speed: np.ndarray
    width: float
    evaluations: int
    complete: bool
    unproven: CellSet


def active_gaps(bounds: CellBounds, filling: Filling, surface: bool) -> np.ndarray:
    """(B, N - 1): gaps across which the occupation may change somewhere in the cell."""
    if not surface:
        return filling.meets(bounds.low[:, :-1], bounds.high[:, 1:])
    crossing = filling.meets(bounds.low, bounds.high)
    return np.asarray(crossing[:, :-1] | crossing[:, 1:])


def faintness(cells: CellSet, filling: Filling, speed: np.ndarray) -> np.ndarray:
    """Bound of f_j - f_{j+1} for bands that touch in a cell, of all states: change of energy over 4 k_B T, (B,)."""
    coldest = 4 * float(filling.kt.min())
    spread = cells.width @ speed
    return np.minimum(spread / coldest, 1.0) if coldest > 0 else np.ones(len(cells))


def certify(
    source: BandSource,
    cells: CellSet,
    filling: Filling,
    limit: int,
    spare: float = 0.0,
    per_cell: int = 0,
    rtol: float = 0.0,
) -> Certified:
    """Halve cells until every active gap is proven open, within ``limit`` evaluations.

    ``per_cell`` evaluations are kept for each cell.  Cells that a bounded integrand lets contribute less than ``spare``
    in all are left as touching, and so are those that at T > 0 contribute far less than ``rtol``: curvature times the
    bound of f_j - f_{j+1} falls with the size of a cell, with its square in three dimensions.
    """
    pending, admitted, evaluations = cells, cells.take(np.arange(0)), 0
    touching, kept = admitted, [np.empty((0, source.num_bands))] * 2
    gap, speed, metallic, low, high = np.inf, np.zeros(source.dimension), False, np.inf, -np.inf
    complete = True
    while len(pending):
        if evaluations + len(pending) + per_cell * (len(admitted) + len(pending)) > limit:
            complete = False
            break
        bounds = source.bounds(pending)
        evaluations += len(pending)
        active = active_gaps(bounds, filling, source.weight.surface)
        proven = (bounds.open | ~active).all(axis=1)
        speed, low, high = np.maximum(speed, bounds.speed), min(low, bounds.low.min()), max(high, bounds.high.max())
        metallic |= bool(filling.meets(bounds.low, bounds.high)[proven].any())
        gap = min(gap, np.where(active, bounds.gap, np.inf)[proven].min(initial=np.inf))
        admitted = admitted.joined(pending.take(proven))
        open_volume = float(pending.volume[~proven].sum())
        enough = source.bound is not None and source.bound * open_volume <= spare
        faint = faintness(pending, filling, speed) * pending.width.max(axis=1) ** max(cells.dimension - 2, 0)
        harmless = (faint <= HARMLESS * rtol) | (pending.level >= DEEPEST[cells.dimension])
        deepest = ~proven & (enough | harmless)
        touching = touching.joined(pending.take(deepest))
        kept = [np.concatenate([a, b[deepest]]) for a, b in zip(kept, (bounds.low, bounds.high), strict=True)]
        pending = pending.take(~proven & ~deepest).children()
    order = admitted.order()
    return Certified(
        admitted.take(order),
        touching,
        kept[0],
        kept[1],
        float(gap),
        metallic,
        speed,
        float(high - low),
        evaluations,
        complete,
        pending,
    )


def is_insulating(source: BandSource, cells: CellSet, filling: Filling, limit: int) -> bool:
    """True where no band meets the window of any state, by proof; False where one does or ``limit`` evaluations end."""
    pending, evaluations = cells, 0
    while len(pending):
        evaluations += len(pending)
        if evaluations > limit:
            return False
        bounds = source.bounds(pending)
        middle = 0.5 * (bounds.low + bounds.high)
        if (np.ptp(_below(middle, filling.mu), axis=0) > 0).any() or filling.meets(middle, middle).any():
            return False
        met = np.asarray(filling.meets(bounds.low, bounds.high).any(axis=1))
        pending = pending.take(met).children()
    return True


def _below(energies: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Number of bands below every mu: (B, N), (P,) -> (B, P)."""
    return (energies[:, None, :] < mu[:, None]).sum(axis=-1)
