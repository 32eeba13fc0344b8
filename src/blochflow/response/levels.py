"""Energies sampled once over the zone: a first guess of chemical potentials, and which bands a gap separates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from blochflow.response.source import ModelSource
from blochflow.zone.cells import CellSet
from blochflow.zone.polynomials import gauss_rule, product_weights

# Cells per cell of the chart, and Gauss nodes, along each axis.
FINER = {1: 2, 2: 2, 3: 1}
NODES = {1: 6, 2: 4, 3: 3}
# Numbers of electrons this close to filled bands, relative to them, fill bands: densities are in double precision.
ROUNDING = 1e-10


@dataclass(frozen=True)
class Levels:
    """Sampled energies and the volume of the zone each stands for.

    Attributes
    ----------
    energy, weight : (M,)
        Sorted by energy.
    low, high : (G,)
        Of every group of bands.
    filled : (G,)
        Electrons in the bands up to each group.
    points : int
    points_per_axis : int
    """

    energy: np.ndarray
    weight: np.ndarray
    low: np.ndarray
    high: np.ndarray
    filled: np.ndarray
    points: int
    points_per_axis: int

    @classmethod
    def sampled(cls, source: ModelSource) -> Levels:
        """From a source whose integrand is the number of electrons, `NumberSea`."""
        d = source.dimension
        cells = CellSet.whole_zone(tuple(FINER[d] * n for n in source.chart.base))
        rule = gauss_rule(NODES[d])
        energies, values = source.sample(cells, rule)
        total = product_weights(len(rule), d)[None, :, None] * cells.volume[:, None, None] * values[..., 0]
        single = np.diff(total, axis=-1, prepend=0.0)
        order = np.argsort(energies, axis=None)
        flat = energies.reshape(-1, energies.shape[-1])
        return cls(
            energies.reshape(-1)[order],
            single.reshape(-1)[order],
            flat.min(axis=0),
            flat.max(axis=0),
            total.sum(axis=(0, 1)),
            len(flat),
            round(len(flat) ** (1 / d)),
        )

    @property
    def width(self) -> float:
        """Of the spectrum; a single flat band has the size of its energy."""
        width = float(self.energy[-1] - self.energy[0])
        return width or abs(float(self.energy[0])) or 1.0

    def gap_above(self, count: float) -> int | None:
        """The group of bands that ``count`` electrons just fill, where the samples show a gap above it."""
        whole = np.flatnonzero(np.abs(self.filled - count) <= ROUNDING * (count + self.filled[-1]))
        if not len(whole) or whole[0] + 1 >= len(self.filled):
            return None
        group = int(whole[0])
        return group if self.high[: group + 1].max() < self.low[group + 1 :].min() else None

    def number(self, mu: float, kt: float) -> float:
        """Electrons at ``mu``."""
        occupied = expit((mu - self.energy) / kt) if kt else (self.energy < mu).astype(float)
        return float((self.weight * occupied).sum())

    def potential(self, count: float, kt: float) -> float:
        """mu of ``count`` electrons."""
        cumulative = np.cumsum(self.weight)
        cold = float(np.interp(count, cumulative - 0.5 * self.weight, self.energy))
        if kt == 0:
            return cold
        from scipy.optimize import brentq

        part = np.clip(count / cumulative[-1], 1e-300, 1 - 1e-16)
        margin = kt * (40 - np.log(part) - np.log1p(-part))
        low, high = self.energy[0] - margin, self.energy[-1] + margin
        if self.number(low, kt) >= count or self.number(high, kt) <= count:
            return cold
        return float(brentq(lambda mu: self.number(mu, kt) - count, low, high, xtol=1e-12 * (high - low)))

    def slope(self, mu: float, kt: float, spacing: float) -> float:
        """dn/dmu, from the change over a few ``spacing``."""
        return (self.number(mu + 3 * spacing, kt) - self.number(mu - 3 * spacing, kt)) / (6 * spacing)
