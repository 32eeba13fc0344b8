"""Polynomials of energies and integrand in cells, and what they contribute at every chemical potential and temperature.

    <sum_j (f_j - f_{j+1}) S_j> = <S_full> + sum_{n crossing} <f(E_n) g_n>,   g_n = S_n - S_{n-1}

Bands below the window of a state enter by their averages, bands that cross it by the polynomials, filled exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import WINDOW, BandSource, Filling
from blochflow.zone.cut import filled_average
from blochflow.zone.polynomials import GaussRule, bounds, interpolate, product_weights
from blochflow.zone.weights import mixed

# Changes of energies between two interpolants, summed over all coefficients and enlarged by this, are their error.
UNSURE = 4.0
# A band that fills less than this part of a cell, or more than all but this, is at its edge there.
EDGE = 0.1
ITEMS = 4096


@dataclass(frozen=True)
class Interpolants:
    """Polynomials in cells.

    Attributes
    ----------
    energy : (B, n, .., n, N)
    integrand : (B, n, .., n, N, C)
        Of single bands.
    mean : (B, N, C)
        Cell averages of the sampled integrand.
    low, high : (B, 1, N)
        Bounds of the polynomial energies.
    """

    energy: np.ndarray
    integrand: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def sampled(cls, source: BandSource, cells: CellSet, rule: GaussRule) -> Interpolants:
        """From the tensor grid of nodes."""
        d, n = source.dimension, source.num_bands
        energies, integrand = source.sample(cells, rule)
        energy, mean = interpolate(energies, rule, d), average(integrand, rule, d)
        per_band = integrand if source.weight.surface else np.diff(integrand, axis=2, prepend=0.0)
        flat = np.moveaxis(energy, -1, 1).reshape(len(cells) * n, *energy.shape[1:-1])
        low, high = (x.reshape(len(cells), 1, n) for x in bounds(flat, d))
        return cls(energy, interpolate(per_band, rule, d), mean, low, high)

    def filled(self, filling: Filling) -> tuple[np.ndarray, np.ndarray]:
        """Which bands are full, and which cross the window of a state: (B, P, N) each."""
        reach = WINDOW * filling.kt[:, None]
        full = np.logical_and.accumulate(self.high < filling.mu[:, None] - reach, axis=2)
        return full, ~full & (self.low < filling.mu[:, None] + reach)


def cell_averages(
    source: BandSource, filling: Filling, interpolants: Interpolants, negligible: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Averages over cells for every state, what splitting did not resolve, (B, P, C) each, and fillings (B, P, N).

    The filling of a band is the part of the cell it occupies, or for surfaces 1/2 where it meets the window at all.
    """
    weight, surface, count = source.weight, source.weight.surface, len(interpolants.mean)
    full, crossing = interpolants.filled(filling)
    value = np.zeros((count, len(filling.mu), len(weight.powers)))
    left, occupied = np.zeros_like(value), full.astype(np.float64)
    if not surface:
        mean = interpolants.mean
        below = np.concatenate([np.zeros_like(mean[:, :1]), mean], axis=1)
        value += weight.full() * below[np.arange(count)[:, None], full.sum(axis=2)]
    cell, state, band = np.nonzero(crossing)
    for start in range(0, len(cell), ITEMS):
        b, p, n = (x[start : start + ITEMS] for x in (cell, state, band))
        energy, some = interpolants.energy[b, ..., n], with_constant(interpolants.integrand[b, ..., n, :])
        least = -1.0 if surface else negligible
        part, rest = filled_average(
            energy, some, filling.mu[p], filling.kt[p], weight=weight.with_filling(), negligible=least
        )
        np.add.at(value, (b, p), part[:, :-1])
        np.add.at(left, (b, p), rest[:, :-1])
        occupied[b, p, n] = 0.5 * (part[:, -1] > 0) if surface else part[:, -1]
    matrix = source.mixing(filling)
    return mixed(value, matrix), mixed(left, None if matrix is None else np.abs(matrix)), occupied


def edge_errors(
    source: BandSource,
    filling: Filling,
    coarse: Interpolants,
    fine: Interpolants,
    occupied: np.ndarray,
    nudge: float = 0.0,
) -> np.ndarray:
    """Error of cells that hold little more than the edge of a band at a state's window, (B, P, C).

    A pocket at a band edge may be smaller than the energies are known, and then is on both interpolants, or on
    neither, by chance.  There the error is the change of the average when mu moves by that much; the cell is refined
    until its energies are known well enough.  ``occupied`` (B, P, N) is the filled part of every band, ``nudge`` how
    far mu was moved: an edge exactly at mu must not be left out for that.
    """
    d = source.dimension
    padding = [(0, 0), *[(0, fine.energy.shape[1] - coarse.energy.shape[1])] * d, (0, 0)]
    change = np.abs(fine.energy - np.pad(coarse.energy, padding))
    unsure = UNSURE * change.reshape(len(change), -1, change.shape[-1]).sum(axis=1) + nudge
    reach = WINDOW * filling.kt[:, None]
    met = (fine.low - unsure[:, None] < filling.mu[:, None] + reach) & (
        fine.high + unsure[:, None] > filling.mu[:, None] - reach
    )
    cell, state, band = np.nonzero(met & ((occupied < EDGE) | (occupied > 1 - EDGE)))
    error = np.zeros((len(change), len(filling.mu), source.components))
    matrix = source.mixing(filling)
    for start in range(0, len(cell), ITEMS):
        b, p, n = (x[start : start + ITEMS] for x in (cell, state, band))
        energy, some = fine.energy[b, ..., n], fine.integrand[b, ..., n, :]
        below, middle, above = (
            filled_average(energy, some, filling.mu[p] + s * unsure[b, n], filling.kt[p], weight=source.weight)[0]
            for s in (-1, 0, 1)
        )
        some_of = None if matrix is None else matrix[p]
        np.add.at(error, (b, p), np.abs(mixed(above - middle, some_of)) + np.abs(mixed(middle - below, some_of)))
    return error


def with_constant(integrand: np.ndarray) -> np.ndarray:
    """Polynomials (M, n, .., n, C) with the constant 1 as one component more."""
    constant = np.zeros((*integrand.shape[:-1], 1))
    constant.reshape(len(integrand), -1)[:, 0] = 1.0
    return np.concatenate([integrand, constant], axis=-1)


def average(values: np.ndarray, rule: GaussRule, dimension: int) -> np.ndarray:
    """Average over the nodes of each cell: (B, n^d, ...) -> (B, ...)."""
    return np.tensordot(values, product_weights(len(rule), dimension), axes=([1], [0]))
