"""Fermi curves as smooth functions of their parameter, from their equally spaced points.

k(t) = k_0 + (winding) t/2 pi + sum_n c_n exp(i n t),   t = 2 pi place/points
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.disorder.fermi_points import FermiPoints
from blochflow.geometry.eigen import eigh
from blochflow.geometry.fermi_sheets import FermiSurface
from blochflow.models.base import AbstractModel

BATCH = 16384
# Curvature below this share of the largest is none; Newton steps to a direction.
FLAT, TURNS = 1e-3, 60


@dataclass(frozen=True, eq=False)
class Curve:
    """One sheet of a surface in two dimensions; ``rows`` are its points."""

    rows: np.ndarray
    coefficients: np.ndarray
    winding: np.ndarray

    @classmethod
    def of(cls, model: AbstractModel, points: FermiPoints | FermiSurface, sheet: int) -> Curve:
        """Through the points of a sheet, in their order; periods of a lattice are taken out."""
        rows = np.flatnonzero(points.sheet == sheet)
        k = points.k[rows]
        steps = np.roll(k, -1, axis=0) - k
        if model.lattice is not None:
            reciprocal = np.asarray(model.lattice.reciprocal)
            steps = steps - np.rint(steps @ np.linalg.inv(reciprocal)) @ reciprocal
        winding = steps.sum(axis=0)
        place = np.cumsum(np.concatenate([k[:1], steps[:-1]]), axis=0)
        periodic = place - np.outer(np.arange(len(rows)) / len(rows), winding)
        # coordinates and the density of weights in t
        values = np.column_stack([periodic, points.weights[rows] * len(rows) / (2 * np.pi)])
        return cls(rows, np.fft.fft(values, axis=0) / len(rows), winding)

    def at(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """k (p, d), dk/dt (p, d) and weights per t (p,)."""
        count = len(self.rows)
        orders = np.fft.fftfreq(count, 1 / count)
        waves = np.exp(1j * np.outer(t, orders))
        values = (waves @ self.coefficients).real
        slopes = ((waves * 1j * orders) @ self.coefficients).real
        turned = np.outer(t, self.winding) / (2 * np.pi)
        return values[:, :-1] + turned, slopes[:, :-1] + self.winding / (2 * np.pi), values[:, -1]

    def turning(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Angle of the tangent and its derivative."""
        count = len(self.rows)
        orders = np.fft.fftfreq(count, 1 / count)
        waves = np.exp(1j * np.outer(t, orders))
        first = ((waves * 1j * orders) @ self.coefficients[:, :2]).real + self.winding / (2 * np.pi)
        second = ((waves * -(orders**2)) @ self.coefficients[:, :2]).real
        cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
        return np.arctan2(first[:, 1], first[:, 0]), cross / (first**2).sum(axis=1)


def by_direction(model: AbstractModel, surface: FermiSurface) -> FermiSurface:
    """Points of every convex sheet moved to equally spaced directions of the velocity.

    Opposite points of a curve, whose tangents are parallel, are then exactly half of the points apart, whatever the
    shape of the curve.  Sheets with inflections stay as they are.
    """
    k, weights = surface.k.copy(), surface.weights.copy()
    for sheet in np.unique(surface.sheet):
        curve = Curve.of(model, surface, sheet)
        count = len(curve.rows)
        t = 2 * np.pi * np.arange(count) / count
        angle, bend = curve.turning(t)
        sense = np.sign(bend[0])
        if np.abs(curve.winding).max() > 1e-9 * np.abs(k).max() or (sense * bend).min() <= FLAT * np.abs(bend).max():
            continue
        goal = angle[0] + sense * t
        for _ in range(TURNS):
            angle, bend = curve.turning(t)
            miss = np.remainder(goal - angle + np.pi, 2 * np.pi) - np.pi
            t = t + np.clip(miss / bend, -4 * np.pi / count, 4 * np.pi / count)
            if np.abs(miss).max() < 1e-13:
                break
        place, _, density = curve.at(t)
        k[curve.rows], weights[curve.rows] = place, density / np.abs(curve.turning(t)[1]) * 2 * np.pi / count
    return replace(surface, k=k, weights=weights)


@eqx.filter_jit
def _solve(model: AbstractModel, k: Array) -> tuple[Array, Array, Array]:
    matrices = model.matrices(k)
    energies, states = eigh(matrices.hamiltonian)
    slopes = (jnp.conj(states)[:, None] * (matrices.gradient @ states[:, None])).sum(axis=-2).real
    return energies, states, slopes


def states_at(model: AbstractModel, k: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energies (P, n), states (P, n, n) and slopes (P, d, n), in batches of few shapes."""
    parts = []
    for first in range(0, max(len(k), 1), BATCH):
        part = k[first : first + BATCH]
        size = BATCH if len(k) > BATCH else max(64, 1 << (max(len(part), 1) - 1).bit_length())
        padded = np.resize(part, (size, k.shape[1])) if len(part) else np.zeros((size, k.shape[1]))
        parts.append([np.asarray(x)[: len(part)] for x in _solve(model, jnp.asarray(padded))])
    energies, states, slopes = (np.concatenate(x) for x in zip(*parts, strict=True))
    return energies, states, slopes
