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
from blochflow.zone.polynomials import (
    GaussRule,
    apply_along,
    bounds,
    derivative_matrix,
    interpolate,
    product_weights,
)
from blochflow.zone.weights import mixed

# Changes of energies between two interpolants, summed over all coefficients and enlarged by this, are their error.
UNSURE = 4.0
# A band that fills less than this part of a cell, or more than all but this, is at its edge there.
EDGE = 0.1
# Energies uncertain by less than this part of k_B T: no pocket is sharp.
RESOLVED = 0.1
# Energies uncertain by more than this part of the range of a band in a cell say nothing of where the band is.
UNKNOWN = 1 / 8
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
    """Error of cells in which energies are not known well enough to tell what of a band lies at mu, (B, P, C).

    A pocket at a band edge, or at an extremum inside a band, may be smaller than the energies are known, and then is on
    both interpolants, or on neither, by chance.  There the error is the change of the average when mu moves by that
    much; the cell is refined until its energies are known well enough.  Where slopes tell that a band has no extremum
    in the cell, no pocket can hide.  ``occupied`` (B, P, N) is the filled part of every band, ``nudge`` how far mu was
    moved: an edge exactly at mu must not be left out for that.
    """
    d, surface = source.dimension, source.weight.surface
    padding = [(0, 0), *[(0, fine.energy.shape[1] - coarse.energy.shape[1])] * d, (0, 0)]
    change = np.abs(fine.energy - np.pad(coarse.energy, padding))
    spread = UNSURE * change.reshape(len(change), -1, change.shape[-1]).sum(axis=1)
    unsure = spread + nudge
    reach = WINDOW * filling.kt[:, None]
    met = (fine.low - unsure[:, None] < filling.mu[:, None] + reach) & (
        fine.high + unsure[:, None] > filling.mu[:, None] - reach
    )
    edge = (occupied < EDGE) | (occupied > 1 - EDGE)
    turning = met & (spread[:, None] > RESOLVED * filling.kt[:, None])
    turning &= may_turn(fine, spread, turning.any(axis=1))[:, None]
    cell, state, band = np.nonzero(met & (edge | turning))
    unknown = spread > UNKNOWN * (fine.high - fine.low)[:, 0]
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
        first = np.abs(mixed(above - middle, some_of)) + np.abs(mixed(middle - below, some_of))
        if surface:
            # nothing known of where the band is: its states may lie anywhere in that range
            density = np.abs(some).reshape(len(b), -1, some.shape[-1]).sum(axis=1)
            density /= np.maximum(np.maximum(spread[b, n], filling.kt[p]), 1e-300)[:, None]
            anywhere = mixed(density, None if some_of is None else np.abs(some_of))
            first = np.where(unknown[b, n, None], np.maximum(first, anywhere), first)
        else:
            # away from the edges the regular part of the change drops out
            second = np.abs(mixed(above - 2 * middle + below, some_of))
            first = np.where((edge[b, p, n] | unknown[b, n])[:, None], first, second)
        np.add.at(error, (b, p), first)
    return error


def may_turn(fine: Interpolants, spread: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(B, N): bands, of those ``wanted``, whose slope may vanish in the cell, energies being known to ``spread``.

    The slope of a polynomial of degree m is below m^2 times its largest value on [-1, 1] (Markov).
    """
    result = np.zeros(spread.shape, dtype=bool)
    cell, band = np.nonzero(wanted)
    if not len(cell):
        return result
    energy, d = fine.energy[cell, ..., band], fine.energy.ndim - 2
    count = energy.shape[1]
    turning = np.ones(len(cell), dtype=bool)
    for axis in range(1, d + 1):
        low, high = bounds(apply_along(derivative_matrix(count), energy, axis), d)
        turning &= np.maximum(low, -high) <= (count - 1) ** 2 * spread[cell, band]
    result[cell, band] = turning
    return result


def with_constant(integrand: np.ndarray) -> np.ndarray:
    """Polynomials (M, n, .., n, C) with the constant 1 as one component more."""
    constant = np.zeros((*integrand.shape[:-1], 1))
    constant.reshape(len(integrand), -1)[:, 0] = 1.0
    return np.concatenate([integrand, constant], axis=-1)


def average(values: np.ndarray, rule: GaussRule, dimension: int) -> np.ndarray:
    """Average over the nodes of each cell: (B, n^d, ...) -> (B, ...)."""
    return np.tensordot(values, product_weights(len(rule), dimension), axes=([1], [0]))
