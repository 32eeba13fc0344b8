"""Uniform grids for currents at finite field in warm crystals: how fine they must be.

    spacing ~ min(pi k_B T, gap/2)/speed       or  min(pi k_B T, (e E v/2)^(1/2))/speed  where the gap is narrower

In a field the energies of bands diverge like E/k at a point of contact, while their velocities vanish: no cell around
it can be proven to hold a gap, but points of k have nothing to fear.  Within a gap narrower than (e E v/2)^(1/2)
velocities are suppressed.  The speed is the spectral norm of the derivative of H along each axis, found on a coarse
grid: no level moves faster, to first order also at complex k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.geometry.eigen import eigh
from blochflow.nonadiabatic.field_model import FieldModel
from blochflow.response.grid_choice import MOST_WARM, resolving_points
from blochflow.zone.tolerance import Tolerance

# Points per axis on which gaps are looked for, the fewest of which are followed, and how often the search is narrowed.
PROBES = {1: 512, 2: 48, 3: 14}
FOLLOWED, NARROWED, FINE = 8, 8, 5
# Of -f', the weight of what relaxation adds, on the same points.
POLES = 2


@dataclass(frozen=True)
class FieldGrid:
    """Points per axis, and whether they resolve the smallest gap."""

    points: tuple[int, ...]
    resolves_gap: bool


def grid_in_field(model: FieldModel, kt: np.ndarray, tolerance: Tolerance) -> FieldGrid | None:
    """A grid for all states, or None at T = 0, without lattice, and where it takes too many points."""
    if model.lattice is None or (kt <= 0).any():
        return None
    gap, speeds, along = smallest_gap(model)
    warm = math.pi * float(kt.min())
    found = (
        resolving_points(model, speeds, min(warm, 0.5 * gap), tolerance, MOST_WARM, poles=POLES) if gap > 0 else None
    )
    if found is not None:
        return FieldGrid(found, True)
    smeared = math.sqrt(0.5 * along)
    found = resolving_points(model, speeds, min(warm, max(smeared, 0.5 * gap)), tolerance, MOST_WARM, poles=POLES)
    return None if found is None else FieldGrid(found, False)


def smallest_gap(model: FieldModel) -> tuple[float, np.ndarray, float]:
    """Smallest distance of neighbouring bands that the field hybridises, and the largest slopes of levels met.

    Slopes (d,) are those along the axes of the zone, per reciprocal vector, then that along the field, times the field.
    """
    d, rows = model.dimension, np.asarray(model.lattice.reciprocal)  # type: ignore[union-attr]
    axis = (np.arange(PROBES[d]) + 0.5) / PROBES[d]
    reduced = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1).reshape(-1, d)
    # in parts as large as those of the search, so that one program serves both
    part = FOLLOWED * FINE**d
    places = np.resize(reduced, (math.ceil(len(reduced) / part) * part, d)) @ rows
    found = [_gaps(model, jnp.asarray(places[i : i + part])) for i in range(0, len(places), part)]
    gap, slopes = (np.concatenate(x)[: len(reduced)] for x in zip(*found, strict=True))
    fastest = slopes.max(axis=0)
    # where neighbours of the grid may hide a smaller one
    best = reduced[np.argsort(gap, kind="stable")[:FOLLOWED]]
    local = np.stack(np.meshgrid(*[np.linspace(-1, 1, FINE)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    step, least = 1.0 / PROBES[d], float(gap.min())
    for _ in range(NARROWED if np.isfinite(least) else 0):
        around = best[:, None] + step * local
        gaps = np.asarray(_gaps(model, jnp.asarray((around @ rows).reshape(-1, d)))[0]).reshape(len(best), -1)
        best = np.take_along_axis(around, gaps.argmin(axis=1)[:, None, None], axis=1)[:, 0]
        least = min(least, float(gaps.min()))
        step *= 2.0 / (FINE - 1)
    return least, fastest[:d], float(fastest[d])


@eqx.filter_jit
def _gaps(model: FieldModel, k: Array) -> tuple[Array, Array]:
    """Smallest gap between bands of different groups of one manifold (k,), and norms of slopes of H (k, d + 1).

    No level moves faster than the spectral norm of the derivative of H.
    """
    matrices, grouping = model.in_field(k), model.grouping
    energies = eigh(matrices.hamiltonian)[0]
    apart = energies[:, None, :] - energies[:, :, None]
    mixed = grouping.mixing(energies.shape[-1]) & ~grouping.together(energies.shape[-1])
    upper = jnp.triu(jnp.ones(apart.shape[-2:], dtype=bool), 1)
    gap = jnp.where(mixed & upper, apart, jnp.inf).min(axis=(-1, -2))
    rows = model.lattice.reciprocal  # type: ignore[union-attr]
    along_axes = jnp.einsum("ba,kaij->kbij", rows, matrices.operators[:, : k.shape[1]])
    slopes = jnp.concatenate([along_axes, matrices.along[:, None]], axis=1)
    return gap, jnp.abs(eigh(slopes)[0]).max(axis=-1)
