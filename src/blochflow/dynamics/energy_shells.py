"""Random states of a given energy, and the density of states.

probability ~ D dS/|d_k h| on h(k) = E:   rejection from random lines through cells that may hold that energy
rho(E) = sum over bands of Int D d^dk/(2 pi)^d delta(E - h(k))

A cell is drawn by the bound of its part of rho, a line through it along a random axis, and a root of h = E on the line
is taken with probability (its part of rho)/(the bound).  Where the former exceeds the bound the probability is too
small; `EnergyShells.check` measures by how much.  Two roots between which the energy turns twice are not told apart.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from blochflow.core.errors import BlochflowError, ValidityWarning
from blochflow.dynamics.energy_cells import EnergyCells, part_below
from blochflow.dynamics.equations import Adiabatic
from blochflow.dynamics.line_roots import roots_on_lines
from blochflow.dynamics.state_table import states_at
from blochflow.dynamics.weighted_intervals import WeightedIntervals
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields

# Lines tried for one packet, in a batch for one, and in a batch for all.
MOST_LINES, LINES, TOGETHER = 2**14, 128, 1024
# Energies at which rho is tabulated, evenly spaced and between quantiles of the energies of cells,
# and how far apart they are relative to all.
EVEN, QUANTILES, APART = 1024, 1024, 1e-10
# Parts of all states whose densities bound the rates of collisions.
PARTS = 256
# Energies and lines by which bounds are tested, and the parts of all probability that they may cut or miss.
TESTED, TEST_LINES, CUT_SHARE, MISSED_SHARE = 8, 512, 0.01, 0.02


@dataclass(frozen=True, eq=False)
class EnergyShells:
    """Surfaces of constant energy of all bands.

    Attributes
    ----------
    cells : EnergyCells
    intervals : WeightedIntervals
        Energies of the cells.
    """

    model: AbstractModel
    fields: Fields
    theory: Adiabatic
    cells: EnergyCells
    intervals: WeightedIntervals

    @classmethod
    def of(cls, model: AbstractModel, fields: Fields, theory: Adiabatic, count: int) -> EnergyShells:
        """With ``count`` cells of every band, and more where its energy is not nearly linear."""
        cells = EnergyCells.of(model, fields, theory, count)
        return cls(model, fields, theory, cells, WeightedIntervals.of(cells.low, cells.high, cells.bound))

    @property
    def columns(self) -> int:
        """Random numbers of one line."""
        return 4 + self.model.dimension

    def elastic(self, energy: np.ndarray, uniform: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Random bands (P,) and k (P, d) on the energy surfaces of packets.

        Parameters
        ----------
        uniform : function
            Uniform random numbers (P, columns) of the first, second, .. lines of all packets.

        Raises
        ------
        BlochflowError
            No state found, at the edge of a band.
        """
        band, k = np.zeros(len(energy), dtype=int), np.zeros((len(energy), self.model.dimension))
        left, line = np.arange(len(energy)), 0
        while len(left) and line < MOST_LINES:
            many = int(np.clip(TOGETHER // len(left), 1, LINES))
            chances = np.stack([uniform(line + j)[left] for j in range(many)], axis=1)
            bands, found, taken, _ = self.tried(np.repeat(energy[left], many), chances.reshape(-1, self.columns))
            taken = taken.reshape(-1, many)
            good, first = taken.any(axis=1), np.arange(len(left)) * many + taken.argmax(axis=1)
            band[left[good]], k[left[good]] = bands[first[good]], found[first[good]]
            left, line = left[~good], line + many
        if not len(left):
            return band, k
        raise BlochflowError(
            f"No state on the energy surface h = {energy[left[0]]:.8g} was found for an elastic collision among "
            f"{MOST_LINES} random lines, which is at the edge of a band or at a band without dispersion: give "
            "Collisions a larger table=, or start packets at other energies."
        )

    def tried(self, energy: np.ndarray, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One line each: bands, k, whether these are taken, and (part of rho)/(its bound), mostly below 1."""
        cells, d = self.cells, self.model.dimension
        cell = self.intervals.choose(energy, chances[:, 0])
        band, k, ratio = cells.band[cell], cells.start[cell].copy(), np.zeros(len(energy))
        rows = np.flatnonzero((cells.low[cell] <= energy) & (energy <= cells.high[cell]))
        if not len(rows):
            return band, k, ratio > 0, ratio
        cell, of, size = cell[rows], chances[rows], cells.size[cell[rows], None]
        axis = np.minimum((np.cumsum(cells.chances[cell], axis=1) <= of[:, 1, None]).sum(axis=1), d - 1)
        place = of[:, 2 : 2 + d].copy()
        place[np.arange(len(rows)), axis] = 0.0
        bands = cells.band[cell]

        def levels(some: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            found, density, slope = states_at(self.model, self.fields, self.theory, bands[some], at)
            return found - energy[rows[some]], density, slope

        start = cells.start[cell] + size * (place @ cells.edges)
        line, found, density, slope = roots_on_lines(levels, start, size * cells.edges[axis], self.width)
        speed = (np.abs(slope @ cells.edges.T) * size[line] * cells.chances[cell[line]]).sum(axis=1)
        part = np.maximum(density, 0.0) * self.within(found) / np.maximum(speed, 1e-300)
        part *= cells.share[cell[line]] / cells.bound[cell[line]]
        # a line has two roots at most; each is as likely as its part
        second = np.flatnonzero(line[1:] == line[:-1]) + 1 if len(line) else np.zeros(0, dtype=int)
        np.add.at(ratio, rows[line], part)
        k[rows[line]] = found
        first = second[of[line[second], 3 + d] * ratio[rows[line[second]]] < part[second - 1]] - 1
        k[rows[line[first]]] = found[first]
        taken = np.zeros(len(energy), dtype=bool)
        taken[rows] = of[:, 2 + d] < ratio[rows]
        return band, k, taken, ratio

    def within(self, k: np.ndarray) -> np.ndarray:
        """1 where k is within the cutoff, (P,)."""
        cutoff = getattr(self.model, "cutoff", None)
        return np.ones(len(k)) if cutoff is None else (np.linalg.norm(k, axis=1) < float(cutoff)).astype(float)

    @property
    def width(self) -> float:
        """Range of all energies."""
        return max(float(self.cells.high.max() - self.cells.low.min()), 1e-300)

    def density_of_states(self, energy: np.ndarray) -> np.ndarray:
        """rho(h) (P,), without spin degeneracy."""
        ends, rho = self.table
        inside = (energy >= ends[0]) & (energy <= ends[-1])
        return np.where(inside, np.interp(energy, 0.5 * (ends[1:] + ends[:-1]), rho), 0.0)

    @cached_property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Energies (T,) and the mean of rho (T - 1,) between them, to second order in the size of cells.

        Energies are linear in every cell here, so that cells may overlap in energy or leave gaps: the number of states
        below an energy is smooth, rho is not.
        """
        cells = self.cells
        reach = 0.5 * np.abs(cells.gradient).sum(axis=1)
        low, high = cells.mean - reach, cells.mean + reach
        ends = np.sort(np.concatenate([low, high]))
        quantiles = ends[np.round(np.linspace(0, len(ends) - 1, QUANTILES)).astype(int)]
        energy = np.unique(np.concatenate([np.linspace(ends[0], ends[-1], EVEN), quantiles]))
        energy = energy[np.append(True, np.diff(energy) > APART * np.ptp(ends))]
        first, last = np.searchsorted(energy, low), np.searchsorted(energy, high, side="right")
        weight = cells.share * cells.density
        below = np.cumsum(np.bincount(last, weight, minlength=len(energy) + 1))[:-1]
        for rows in np.array_split(np.arange(len(low)), max(1, int((last - first).sum()) // 2**20)):
            count = (last - first)[rows]
            cell = np.repeat(rows, count)
            at = np.arange(len(cell)) - np.repeat(np.cumsum(count) - count, count) + first[cell]
            part = part_below(energy[at] - cells.mean[cell], cells.gradient[cell])
            below += np.bincount(at, weight[cell] * part, minlength=len(below))
        return energy, np.diff(below) / np.diff(energy)

    @property
    def largest_density(self) -> float:
        """Largest mean of rho over a 256th part of all states: the largest of rho itself may be infinite."""
        energy, rho = self.table
        below = np.append(0.0, np.cumsum(rho * np.diff(energy)))
        parts = np.interp(np.linspace(0.0, below[-1], PARTS + 1), below, energy)
        return float(below[-1] / PARTS / np.diff(parts).min())

    def check(self, energy: np.ndarray, rates: bool, seed: int) -> None:
        """Warn where bounds of cells, or rho where ``rates`` come from it, are wrong at energies of packets."""
        some = np.unique(energy)
        some = some[np.round(np.linspace(0, len(some) - 1, min(TESTED, len(some)))).astype(int)]
        chances = np.random.default_rng([seed, 0, 1]).random((len(some) * TEST_LINES, self.columns))
        ratio = self.tried(np.repeat(some, TEST_LINES), chances)[3].reshape(len(some), -1)
        cut = np.maximum(ratio - 1, 0.0).sum(axis=1) / np.maximum(ratio.sum(axis=1), 1e-300)
        worst, more = int(np.argmax(cut)), "Give Collisions a larger table=."
        if cut[worst] > CUT_SHARE:
            text = (
                f"Collisions of energy h = {some[worst]:.6g} miss {100 * cut[worst]:.2g} % of the states there, which"
            )
            warnings.warn(f"{text} are where the band bends most. {more}", ValidityWarning, stacklevel=2)
        if not rates:
            return
        total = self.intervals.total(some)
        mean, noise = total * ratio.mean(axis=1), total * ratio.std(axis=1) / np.sqrt(TEST_LINES)
        found = self.density_of_states(some)
        wrong = np.abs(found - mean) - 5 * noise - MISSED_SHARE * mean
        worst = int(np.argmax(wrong))
        if wrong[worst] > 0:
            text = f"The density of states at h = {some[worst]:.6g}, and with it the rate of collisions, is "
            text += f"{found[worst]:.4g} by cells, but {mean[worst]:.4g} +- {noise[worst]:.2g} by random lines."
            warnings.warn(f"{text} {more}", ValidityWarning, stacklevel=2)
