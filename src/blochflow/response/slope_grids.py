"""Uniform grids on which derivatives of responses with respect to parameters may count as converged.

    error ~ X^q exp(-X),   X = 2 pi N a,   a = min(gap/2, pi k_B T)/speed as in `grid_choice`;   q = 1, of surfaces 2

f has simple poles of residue -k_B T at mu +- i pi k_B T, f' those of second order: sums over N points of
k_B T/(v u -+ i pi k_B T)^2, 1/v in the integral, err by 4 X exp(-X)/v.  -f', differentiated once more, brings another
X, and leaves k_B T/W of itself in the integral, W the width of the spectrum.  Gaps: one order more likewise.

Of the temperature, a is found cell by cell: at k + i s along an axis, eigenvalues of H lie within s g + s^2 c/2 of
those at k (Bauer and Fike), g >= ||dH||, c >= ||d^2 H||, and mu + i pi k_B T is further than that away.  Slow bands at
mu, as in a pocket, thus need fewer points than fast ones elsewhere.
Source: Trefethen and Weideman, SIAM Review 56, 385 (2014), section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from blochflow.core.status import Status
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.average import MOST_PROOFS, has_many_bands, probe_energies
from blochflow.response.block_average import crossing_blocks
from blochflow.response.grid_choice import even_points
from blochflow.response.integrands import BandIntegrand, NumberSea, NumberSurface
from blochflow.response.source import ModelSource
from blochflow.response.zone_options import chart_of
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import Filling, certify, is_insulating
from blochflow.zone.grids import NestedGrid
from blochflow.zone.integral import Integral
from blochflow.zone.tolerance import Tolerance

# Where the points needed are out of reach, a value without error is computed with no more than these.
MOST_UNRESOLVED = {1: 5_000, 2: 40_000, 3: 15_000}
# Cells per axis for this, halvings where bands are closest to mu, and the most cells.
CELLS = {1: 256, 2: 32, 3: 6}
HALVINGS = 3
MOST_CELLS = 8192
# Of the tolerance, what points may leave of the sharpest feature.
MARGIN = 100.0
UNPROVEN = "change on doubling the grid, which resolves the temperature; gaps at mu are not proven to be resolved"


@dataclass(frozen=True)
class Needed:
    """Points per axis below which no agreement counts; ``proven``: they resolve every gap at mu."""

    points: tuple[int, ...]
    proven: bool = True

    @property
    def count(self) -> float:
        """Number of k points."""
        return math.prod(float(n) for n in self.points)

    def joined(self, other: Needed) -> Needed:
        """What both need."""
        points = tuple(max(pair) for pair in zip(self.points, other.points, strict=True))
        return Needed(points, self.proven and other.proven)


@dataclass(frozen=True)
class SlopeGrid:
    """A grid for some of the states: as `integrate_uniform` takes it, and what its outcome is worth.

    Attributes
    ----------
    rows : (P,) ints
        The states.
    nested : NestedGrid
    levels, limit : int or None
    needed : Needed or None
        None for a grid that was asked for.
    """

    rows: np.ndarray
    nested: NestedGrid
    levels: int | None = None
    limit: int | None = None
    needed: Needed | None = None

    @property
    def fewest(self) -> tuple[int, ...] | None:
        """Points per axis below which no agreement counts."""
        return None if self.needed is None else self.needed.points

    def judged(self, integral: Integral) -> Integral:
        """With the words for its error; unknown where the grid does not resolve what it must."""
        if self.needed is None:
            return integral
        if any(n < least for n, least in zip(integral.grid, self.needed.points, strict=True)):
            points = " x ".join(map(str, self.needed.points))
            what = "the temperature or a gap at mu" if self.needed.proven else "the temperature"
            rigor = f"none: {what} is not resolved below {points} points"
            error, converged = np.full_like(integral.error, np.nan), np.zeros_like(integral.converged)
            return replace(integral, error=error, converged=converged, status=Status.UNRESOLVED, rigor=rigor)
        return integral if self.needed.proven else replace(integral, rigor=UNPROVEN)


def slope_grids(
    model: AbstractModel,
    bands: BandIntegrand,
    filling: Filling,
    first: NestedGrid,
    tolerance: Tolerance,
    execution: Execution,
) -> list[SlopeGrid]:
    """One grid for all states whose sharpest feature the allowed k points resolve, and one for the others.

    ``first`` is the coarsest grid of the latter.
    """
    planner = Planner(model, bands, filling, tolerance, execution)
    grids, every = [], planner.split()
    for within in (True, False):
        found = [(rows, needed) for rows, needed in every if (needed.count <= planner.allowed) == within]
        if not found:
            continue
        rows, needed = np.sort(np.concatenate([rows for rows, _ in found])), found[0][1]
        for _, other in found[1:]:
            needed = needed.joined(other)
        nested = NestedGrid(tuple(n // 2 for n in needed.points)) if within else first
        limit = None if within else min(planner.allowed, MOST_UNRESOLVED[model.dimension])
        grids.append(SlopeGrid(rows, nested, limit=limit, needed=needed))
    return grids


class Planner:
    """Finds what the states of a filling need."""

    def __init__(
        self,
        model: AbstractModel,
        bands: BandIntegrand,
        filling: Filling,
        tolerance: Tolerance,
        execution: Execution,
    ) -> None:
        self.model, self.bands, self.filling, self.tolerance = model, bands, filling, tolerance
        self.allowed = tolerance.evaluations(model.dimension)
        # bounds of energies and gaps take no more of an integrand than its kind
        self.source = ModelSource(model, NumberSurface() if bands.surface else NumberSea(), chart_of(model), execution)
        self.cells = CellSet.whole_zone(self.source.chart.base)
        self.fine = CellSet.whole_zone((CELLS[model.dimension],) * model.dimension)
        self.first = self.source.bounds(self.fine)
        self.speed, self.width = self.first.speed, float(self.first.high.max() - self.first.low.min())
        energies = probe_energies(model)
        self.low, self.high = energies.min(axis=0), energies.max(axis=0)

    def split(self) -> list[tuple[np.ndarray, Needed]]:
        """States and what they need, halved as long as some of them need too much."""
        pending = [np.lexsort((self.filling.mu, self.filling.kt))]
        found = []
        while pending:
            rows = pending.pop()
            needed = self.needed(Filling(self.filling.mu[rows], self.filling.kt[rows]))
            if needed.count <= self.allowed or len(rows) == 1:
                found.append((rows, needed))
            else:
                pending += np.array_split(rows, 2)
        return found

    def needed(self, filling: Filling) -> Needed:
        """By the temperature alone where that suffices or no proof can be had, else by the gaps and the temperature."""
        warm = math.pi * float(filling.kt.min())
        by_temperature = self.resolving(self.warm_rate(filling, warm), warm)
        if self.bands.analytic and by_temperature.count <= self.allowed:
            return by_temperature
        if has_many_bands(self.model):
            return replace(by_temperature, proven=False)
        crossed = (self.low < filling.mu[:, None]) & (filling.mu[:, None] < self.high)
        if crossed.any(axis=1)[filling.kt == filling.kt.min()].any() and by_temperature.count > self.allowed:
            return by_temperature
        blocks = crossing_blocks(self.source, filling) if self.bands.splits else []
        each = [self.certified(source, filling, by_temperature) for source in blocks or [self.source]]
        needed = each[0]
        for other in each[1:]:
            needed = needed.joined(other)
        return needed

    def certified(self, source: ModelSource, filling: Filling, by_temperature: Needed) -> Needed:
        """Of one block: by its proven gaps and the temperature; by the latter where there is no proof."""
        tree = certify(source, self.cells, filling, self.allowed, rtol=self.tolerance.rtol)
        if not tree.complete or len(tree.touching):
            return replace(by_temperature, proven=False)
        metallic = tree.metallic and not is_insulating(source, self.cells, filling, MOST_PROOFS)
        gap = math.inf if self.bands.analytic else tree.smallest_gap / 2
        if not metallic and not math.isfinite(gap):
            gap = tree.width or 1.0
        needed = self.resolving(np.maximum(self.speed, tree.speed) / gap, math.pi * float(filling.kt.min()))
        return needed.joined(by_temperature) if metallic else needed

    def warm_rate(self, filling: Filling, warm: float) -> np.ndarray:
        """(d,) 1/a of the temperature along each axis, from the cells where bands come close to mu."""
        everywhere = self.speed / warm
        if self.source.curvature is None or has_many_bands(self.model):
            return everywhere
        curvature, mu = self.source.curvature, np.unique(filling.mu[filling.kt == filling.kt.min()])
        cells, found = self.fine, everywhere
        for last in (*[False] * HALVINGS, True):
            bounds = self.first if cells is self.fine else self.source.bounds(cells)
            away = np.full(len(cells), np.inf)
            for energy in mu:
                outside = np.maximum(np.maximum(bounds.low - energy, energy - bounds.high), 0.0).min(axis=1)
                # of dilute bands the edge is what they must resolve
                away = np.minimum(away, outside - outside.min())
            reach = np.hypot(away, warm)[:, None]
            slopes = bounds.slopes + 0.5 * cells.width @ curvature
            rates = 0.5 * (slopes + np.sqrt(slopes**2 + 2 * np.diag(curvature) * reach)) / reach
            found = rates.max(axis=0)
            split = (rates > 0.5 * found).any(axis=1)
            if last or len(cells) + split.sum() * (2**cells.dimension - 1) > MOST_CELLS:
                break
            cells = cells.take(~split).joined(cells.take(split).children())
        return np.minimum(everywhere, found)

    def resolving(self, rate: np.ndarray, warm: float) -> Needed:
        """Points that resolve singularities at the distances 1/``rate``."""
        exponent = slope_exponent(self.tolerance.rtol, self.bands.surface, self.width / warm)
        return Needed(even_points(self.model, exponent * rate / (2 * math.pi)))


def slope_exponent(rtol: float, surface: bool, cancelled: float) -> float:
    """The X at which X^q exp(-X) is a hundredth of ``rtol``; ``cancelled``: of surfaces, W over pi k_B T."""
    order, least = (2, math.log(max(cancelled, 1.0))) if surface else (1, 0.0)
    least += max(math.log(MARGIN / max(rtol, 1e-14)), 1.0)
    found = 2 * least + 4 * order
    for _ in range(60):  # from above to the larger root, by at least 1 - q/X in each step
        found = max(least + order * math.log(found), least + order)
    return found
