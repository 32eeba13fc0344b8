"""Cells of k space that know which energies a band has in them, small where the energy is not nearly linear.

Cell coordinates t in [0, 1]^d, k = start + size t.edges, g_a = dh/dt_a.  Over lines along the axes, axis a with
probability p_a and everywhere in the cell,

    Int_cell D d^dk/(2 pi)^d delta(h - E) = share < sum over roots of h = E on the line of D/sum_a p_a |g_a| >

which has no pole but where the gradient vanishes.  Cells are halved until corners bound the term in the mean.
Source of the kind of sum: Santalo, "Integral Geometry and Geometric Probability" (2004), Sec. 14.4 (Crofton's formula).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from blochflow.dynamics.equations import Adiabatic
from blochflow.dynamics.state_table import states_at
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields

# Corners at places of no symmetry, where bands do not touch.
OFFSET = np.sqrt([2.0, 3.0, 5.0]) - [1.0, 1.0, 2.0]
# Halvings, and how many times more cells than at first they may make.
LEVELS, MOST = 8, 3
# Part of the lines along an axis across which the energy hardly changes.
SELDOM = 0.02
# Cells in which the bound of the gradient is a smaller part of its mean, or D varies by a larger factor, are halved;
# where these are too many the second goal must do.  Bounds below the last part are taken from corners.
GOALS, UNEVEN, LEAST = (0.8, 0.5), 2.0, 0.5
# Bounds from corners, which are exact for h of second order, have room for the orders above.
ROOM = 1.15
# Cells in which the energy varies less, relative to all bands, are left alone.
FLAT = 1e-10
# Points along an axis by which cells are cut by the cutoff.
CUT = 4


@dataclass(frozen=True, eq=False)
class EnergyCells:
    """All cells of all bands.

    Attributes
    ----------
    edges : (d, d)
        Edges of a cell of the first division, Cartesian rows.
    band, size, start : (C,), (C,), (C, d)
    low, high : (C,)
        Bounds of the energy.
    mean : (C,)
        Mean energy.
    gradient : (C, d)
        Mean of dh/dt.
    chances : (C, d)
        p.
    share : (C,)
        Volume over (2 pi)^d.
    density : (C,)
        D, times the part of the cell inside the cutoff.
    bound : (C,)
        Largest sum over the roots of a line, times the share.
    quality : (C,)
        Bound of the gradient over its mean, 0 where D varies much.
    """

    edges: np.ndarray
    band: np.ndarray
    size: np.ndarray
    start: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    gradient: np.ndarray
    chances: np.ndarray
    share: np.ndarray
    density: np.ndarray
    bound: np.ndarray
    quality: np.ndarray

    @classmethod
    def of(cls, model: AbstractModel, fields: Fields, theory: Adiabatic, count: int) -> EnergyCells:
        """At least ``count`` cells of every band."""
        d, cutoff = model.dimension, getattr(model, "cutoff", None)
        number = int(np.ceil(count ** (1 / d) - 1e-9))
        if model.lattice is None:
            # a box somewhat larger than the ball, so that its shifted corners hold all of it
            edges = 2 * float(cutoff) / (number - 1) * np.eye(d)  # type: ignore[arg-type]
            first = -float(cutoff) - OFFSET[:d] * edges[0, 0]  # type: ignore[arg-type]
        else:
            edges = np.asarray(model.lattice.reciprocal) / number
            first = OFFSET[:d] @ edges
        index = np.stack(np.meshgrid(*[np.arange(number)] * d, indexing="ij"), axis=-1).reshape(-1, d)
        index = index[reached(first + index @ edges, edges, np.ones(len(index)), cutoff)]
        corners = np.ravel_multi_index(tuple((index[:, None] + offsets(2, d)).T), (number + 1,) * d).T
        used, where = np.unique(corners, return_inverse=True)
        k = first + np.stack(np.unravel_index(used, (number + 1,) * d), axis=1) @ edges
        where, n = where.reshape(corners.shape), model.num_bands
        made = []
        for band in range(n):
            found = states_at(model, fields, theory, np.full(len(k), band), k)
            bands, size = np.full(len(index), band), np.ones(len(index))
            values = tuple(x[where] for x in found)
            made.append(cls._from(edges, bands, size, first + index @ edges, values, cutoff))
        return joined(made).refined(model, fields, theory)

    @classmethod
    def _from(
        cls,
        edges: np.ndarray,
        band: np.ndarray,
        size: np.ndarray,
        start: np.ndarray,
        values: tuple[np.ndarray, ...],
        cutoff: float | None,
    ) -> EnergyCells:
        """From h (C, 2^d), D (C, 2^d) and d_k h (C, 2^d, d) at the corners."""
        energy, density, slope = values
        d = len(edges)
        density = np.maximum(density, 0.0)
        g = size[:, None, None] * (slope @ edges.T)
        inward = 1.0 - 2.0 * offsets(2, d)
        # by the nearest corner, half a cell away at most; the second order is that of the change of the gradient
        toward, change = 0.5 * inward * g, 0.25 * np.ptp(g, axis=1).sum(axis=1)
        low = (energy + np.minimum(toward, 0.0).sum(axis=2)).min(axis=1) - change
        high = (energy + np.maximum(toward, 0.0).sum(axis=2)).max(axis=1) + change
        # Euler and Maclaurin
        mean = (energy + (inward * g).sum(axis=2) / 6).mean(axis=1)
        chances = np.abs(g).mean(axis=1)
        chances = chances + SELDOM * chances.sum(axis=1, keepdims=True) + 1e-300
        chances = chances / chances.sum(axis=1, keepdims=True)
        turning = g.min(axis=1) * g.max(axis=1) <= 0
        least = (chances * np.where(turning, 0.0, np.abs(g).min(axis=1))).sum(axis=1)
        speeds = np.einsum("cia,ca->ci", np.abs(g), chances)
        uneven = density.max(axis=1) > UNEVEN * density.min(axis=1)
        quality = np.where(uneven, 0.0, least / np.maximum(speeds.mean(axis=1), 1e-300))
        least = np.maximum(least, LEAST * speeds.min(axis=1)) + 1e-300
        share = size**d * abs(float(np.linalg.det(edges))) / (2 * np.pi) ** d
        # a line along which the energy turns has two roots
        bound = ROOM * share * density.max(axis=1) / least * np.where(turning.any(axis=1), 2.0, 1.0)
        inside = np.ones(len(size))
        if cutoff is not None:
            k = start[:, None] + size[:, None, None] * ((offsets(CUT, d) + 0.5) / CUT @ edges)
            inside = (np.linalg.norm(k, axis=2) < cutoff).mean(axis=1)
        density = density.mean(axis=1) * inside
        gradient = g.mean(axis=1)
        return cls(edges, band, size, start, low, high, mean, gradient, chances, share, density, bound, quality)

    def refined(self, model: AbstractModel, fields: Fields, theory: Adiabatic) -> EnergyCells:
        """Poor cells halved along all axes, again and again."""
        cells, most = self, MOST * len(self.band)
        flat, d, cutoff = FLAT * float(np.ptp(self.mean)), len(self.edges), getattr(model, "cutoff", None)
        children, points = offsets(2, d), offsets(3, d)
        of_child = np.ravel_multi_index(tuple((children[:, None] + children).T), (3,) * d).T
        for _ in range(LEVELS):
            for goal in GOALS:
                poor = (cells.quality < goal) & (cells.high - cells.low > flat)
                fits = len(cells.band) + len(children) * poor.sum() <= most
                if fits:
                    break
            if not (fits and poor.any()):
                break
            old = cells.part(poor)
            half = 0.5 * old.size[:, None, None]
            k = old.start[:, None] + half * (points @ self.edges)
            bands = np.repeat(old.band, len(points))
            found = states_at(model, fields, theory, bands, k.reshape(-1, d))
            values = [x.reshape(len(k), len(points), *x.shape[1:])[:, of_child] for x in found]
            start = (old.start[:, None] + half * (children @ self.edges)).reshape(-1, d)
            size, band = np.repeat(0.5 * old.size, len(children)), np.repeat(old.band, len(children))
            kept = reached(start, self.edges, size, cutoff)
            at_corners = tuple(x.reshape(-1, *x.shape[2:])[kept] for x in values)
            new = self._from(self.edges, band[kept], size[kept], start[kept], at_corners, cutoff)
            cells = joined([cells.part(~poor), new])
        return cells

    def part(self, rows: np.ndarray) -> EnergyCells:
        """Some of the cells."""
        return EnergyCells(self.edges, *(getattr(self, name)[rows] for name in COLUMNS))


COLUMNS = tuple(name for name in EnergyCells.__dataclass_fields__ if name != "edges")


def joined(parts: list[EnergyCells]) -> EnergyCells:
    """Cells of several sets."""
    return EnergyCells(parts[0].edges, *(np.concatenate([getattr(x, name) for x in parts]) for name in COLUMNS))


def offsets(points: int, d: int) -> np.ndarray:
    """(points^d, d) integers, the last axis fastest."""
    return np.array(list(itertools.product(range(points), repeat=d)), dtype=np.int64)


def reached(start: np.ndarray, edges: np.ndarray, size: np.ndarray, cutoff: float | None) -> np.ndarray:
    """(C,) cells that may hold states within the cutoff."""
    if cutoff is None:
        return np.ones(len(size), dtype=bool)
    centre = start + 0.5 * size[:, None] * edges.sum(axis=0)
    return np.asarray(np.linalg.norm(centre, axis=1) - 0.5 * size * np.linalg.norm(edges) < cutoff)


def part_below(distance: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Int_[0,1]^d d^dt theta(E - h) of h with a constant gradient (P, d), for E - h at the centre = ``distance`` (P,).

    sum over corners of (-1)^(number of far ends) (x)_+^d/(d! Prod_a |g_a|),   x = E - h at the corner
    """
    d = gradient.shape[1]
    widths = np.abs(gradient)
    # thinner ones change the result by the square of this
    widths = np.maximum(widths, 1e-3 * widths.max(axis=1, keepdims=True)) + 1e-300
    x = distance / widths.sum(axis=1)
    widths = widths / widths.sum(axis=1, keepdims=True)
    total = np.zeros(len(distance))
    for corner in itertools.product((-1, 1), repeat=d):
        total += (-1) ** corner.count(1) * np.maximum(x - 0.5 * widths @ np.array(corner, dtype=float), 0.0) ** d
    whole = np.clip(total / (math.factorial(d) * widths.prod(axis=1)), 0.0, 1.0)
    return np.where(x >= 0.5, 1.0, whole)
