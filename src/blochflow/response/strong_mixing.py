"""Where in the zone a field mixes bands strongly, and what a current would be with these bands joined: an estimate.

    r = e|E.R|/gap > 1   where   gap < (e|E.V|)^(1/2)

Cells of a uniform grid that may hold such k, by the speed at which gaps change, are halved until they resolve them.
There the integrands are summed with the given groups and with those of strongly mixed bands; elsewhere both agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.geometry.bands import rotate
from blochflow.geometry.eigen import eigh
from blochflow.nonadiabatic.field_model import FieldModel
from blochflow.nonadiabatic.hybridisation import Grouping
from blochflow.nonadiabatic.mixing import Evidence, Mixing, is_strong, joining, mixing_ratios
from blochflow.response.field_grid import PROBES
from blochflow.response.field_integrands import FieldIntegrand
from blochflow.zone.charts import AbstractChart

# How often cells are halved, how many may be, and their size against that of what they resolve.
LEVELS, MOST, FINE = 12, 2**15, 0.5
# The strongest mixing is looked for on finer grids around the cell that has it.
LOCAL, NARROWED = 5, 8
# A sharp Fermi edge is smeared to this part of the change of energies along an edge of a cell: the logistic function
# of the variance of energies spread over that change, s^2/12 = pi^2 (k_B T)^2/3.
SMEARED = 0.5 / np.pi
# k at once: so many complex numbers per matrix of all k
NUMBERS, LARGEST_BATCH = 2**20, 2048


@dataclass(frozen=True)
class StrongCells:
    """Cells of the zone in which bands are strongly mixed.

    Attributes
    ----------
    k : (C, d)
    volume : (C,)
        Of u, times the weight of the chart and the sign of the domain.
    spread : (C,)
        How much energies change along an edge of a cell.
    """

    k: np.ndarray
    volume: np.ndarray
    spread: np.ndarray


def strong_cells(model: FieldModel, domain: Sequence[tuple[float, AbstractChart]]) -> tuple[Mixing, StrongCells]:
    """The strongest mixing in a domain of signed charts, and where it is strong."""
    mixing, cells = [], []
    for sign, chart in domain:
        worst, found = _cells_of(model, chart)
        mixing.append(worst)
        cells.append(StrongCells(found.k, sign * found.volume, found.spread))
    joined = (np.concatenate([getattr(c, name) for c in cells]) for name in ("k", "volume", "spread"))
    return Evidence.merged(mixing).mixing(), StrongCells(*joined)


def _cells_of(model: FieldModel, chart: AbstractChart) -> tuple[Evidence, StrongCells]:
    d, grouping = model.dimension, model.grouping
    points = PROBES[d]
    axis = (np.arange(points) + 0.5) / points
    centre, width = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1).reshape(-1, d), 1 / points
    fastest, kept, worst = 0.0, [], []
    for level in range(LEVELS):
        k = chart.to_k(centre)
        ratios, energies, gap, scale, closing, speed = in_batches(_probe, model, k)
        fastest = max(fastest, float(closing.max()))
        edges = width * np.linalg.norm(chart.jacobian(centre), axis=-1)
        # how much a gap may change on the way to a corner
        reach = 0.5 * fastest * edges.sum(axis=-1)
        worst.append(Evidence.of(ratios, energies, k, grouping))
        if worst[-1].ratio >= max(w.ratio for w in worst):
            best = centre[int((np.abs(k - worst[-1].k)).sum(axis=1).argmin())], width
        coarse = (gap - scale <= reach) & (reach > FINE * np.maximum(scale, 0.1 * scale.max()))
        if level == LEVELS - 1 or coarse.sum() > MOST // 2**d:
            coarse = np.zeros_like(coarse)
        strong = np.logical_or(*is_strong(ratios, grouping)) & ~coarse
        volume = width**d * chart.weight(centre)
        kept.append(StrongCells(k[strong], volume[strong], (speed * edges.max(axis=-1))[strong]))
        if not coarse.any():
            break
        corners = np.stack(np.meshgrid(*[[-0.25, 0.25]] * d, indexing="ij"), axis=-1).reshape(-1, d)
        centre = (centre[coarse][:, None] + width * corners).reshape(-1, d)
        width = width / 2
    worst += _narrowed(model, chart, *best)
    merged = (np.concatenate([getattr(c, name) for c in kept]) for name in ("k", "volume", "spread"))
    return Evidence.merged(worst), StrongCells(*merged)


def _narrowed(model: FieldModel, chart: AbstractChart, u: np.ndarray, width: float) -> list[Evidence]:
    """The strongest mixing around a point, by ever finer grids."""
    d, found = model.dimension, []
    local = np.stack(np.meshgrid(*[np.linspace(-1, 1, LOCAL)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    for _ in range(NARROWED):
        around = np.clip(u + 0.5 * width * local, 0.0, 1.0)
        k = chart.to_k(around)
        ratios, energies, *_ = in_batches(_probe, model, k)
        found.append(Evidence.of(ratios, energies, k, model.grouping))
        u = around[int(np.abs(k - found[-1].k).sum(axis=1).argmin())]
        width *= 2 / (LOCAL - 1)
    return found


@eqx.filter_jit
def _probe(model: FieldModel, k: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
    """r of pairs; energies; gap of the pair nearest to strong mixing, and that where r is 1; speeds of gaps, bands."""
    attached = model.matrices(k).attached
    matrices, grouping = attached.matrices, attached.grouping
    energies, states = eigh(matrices.hamiltonian)
    ratios = mixing_ratios(matrices, grouping)
    gap = jnp.abs(energies[:, None, :] - energies[:, :, None])
    apart = ratios > 0
    scale = jnp.where(apart, gap * jnp.sqrt(ratios), 0.0)
    distance = jnp.where(apart, gap - scale, jnp.inf).reshape(len(k), -1)
    nearest = distance.argmin(axis=1)[:, None]
    chosen = [jnp.take_along_axis(x.reshape(len(k), -1), nearest, axis=1)[:, 0] for x in (gap, scale)]
    velocity = rotate(matrices.operators[:, : k.shape[1]], states)
    slope = jnp.diagonal(velocity, axis1=-2, axis2=-1).real
    change = (slope[..., :, None] - slope[..., None, :]) ** 2 + 4 * jnp.abs(velocity) ** 2
    found = jnp.where(jnp.isfinite(distance.min(axis=1)), chosen[0], jnp.inf)
    closing, speed = change.sum(axis=1).max(axis=(-1, -2)), (slope**2).sum(axis=1).max(axis=-1)
    return ratios, energies, found, chosen[1], jnp.sqrt(closing), jnp.sqrt(speed)


def changes_of_current(
    model: FieldModel, integrands: Sequence[FieldIntegrand], cells: StrongCells, mu: np.ndarray, kt: np.ndarray
) -> list[np.ndarray]:
    """(s, a) changes of zone averages for states mu, k_B T where strongly mixed bands are joined: sea and surface."""
    d, total = model.dimension, [np.zeros((len(mu), model.dimension)) for _ in integrands]
    if not len(cells.k):
        return total
    found = in_batches(lambda m, k: _both(m, tuple(integrands), k), model, cells.k)
    for place, integrand in enumerate(integrands):
        for sign, (energies, values) in zip((-1.0, 1.0), found[place], strict=True):
            for state, (level, warm) in enumerate(zip(mu, kt, strict=True)):
                width = np.maximum(warm, SMEARED * cells.spread)[:, None]
                f = 0.5 * (1 - np.tanh(0.5 * (energies - level) / width))
                weight = f * (1 - f) / width if integrand.surface else f
                total[place][state] += sign * np.einsum("k,ki,kia->a", cells.volume, weight, values[..., :d])
    return total


@eqx.filter_jit
def _both(model: FieldModel, integrands: tuple[FieldIntegrand, ...], k: Array) -> Any:
    """Energies and values per band of every integrand, with the given groups and with strongly mixed bands joined."""
    matrices = model.matrices(k)
    given: Grouping = matrices.attached.grouping
    _, across = is_strong(mixing_ratios(matrices.attached.matrices, given), given)

    def values(integrand: FieldIntegrand, grouping: Grouping) -> tuple[Array, Array]:
        energies, found = integrand(eqx.tree_at(lambda m: m.attached.grouping, matrices, grouping))
        return energies, found if integrand.surface else jnp.diff(found, axis=1, prepend=0.0)

    def coarser(integrand: FieldIntegrand) -> tuple[Array, Array]:
        joined = values(integrand, joining(given))
        if not given.manifolds:
            return joined
        every = values(integrand, Grouping(given.tolerance, given.declared, (), given.factor))
        return jnp.where(across[:, None], every[0], joined[0]), jnp.where(across[:, None, None], every[1], joined[1])

    return [(values(integrand, given), coarser(integrand)) for integrand in integrands]


def in_batches(function: Callable[..., Any], model: FieldModel, k: np.ndarray) -> Any:
    """What a kernel of (model, k) finds, as NumPy arrays: batches of one size, the last padded."""
    size = int(min(LARGEST_BATCH, max(16, NUMBERS // model.num_bands**2)))
    rows = [np.minimum(np.arange(start, start + size), len(k) - 1) for start in range(0, len(k), size)]
    found = [jax.tree.map(np.asarray, function(model, jnp.asarray(k[row]))) for row in rows]
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(k)], *found)
