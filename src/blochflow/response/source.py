"""A model as the cell rules of `zone` see it: bounds of its bands in a cell, samples of a band-resolved integrand.

Bands that are degenerate at every k are one group: only its total enters, at its common energy.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import SAFE_CALLS, Array, jnp
from blochflow.core.errors import BlochflowError
from blochflow.execution.threads import Execution, run_batches
from blochflow.geometry.gap_bounds import gap_bounds, sampled_remainder
from blochflow.models.base import AbstractModel, check_finite, map_chunks
from blochflow.response.integrands import BandIntegrand
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import CellBounds, Filling
from blochflow.zone.charts import AbstractChart, LatticeChart
from blochflow.zone.polynomials import GaussRule

# Shapes of batches: small rounds are padded to the first, larger ones are cut into the second.
BATCHES = (256, 4096)
PROBES = 64
# Bands closer than this fraction of the width of the spectrum at every probe are one group: a hundred times the
# distance below which eigenvalues cannot be told apart.
SAME_ENERGY = 1e-8


@eqx.filter_jit
def sample_points(model: AbstractModel, integrand: Callable[..., Any], k: Array) -> tuple[Array, Array]:
    """Energies and integrand at scattered Cartesian k."""
    return integrand(model.matrices(k))


@eqx.filter_jit
def sample_blocks(
    model: AbstractModel, prepared: Any, integrand: Callable[..., Any], axes: tuple[Array, ...]
) -> tuple[Array, Array]:
    """The same on tensor-product blocks, axes (B, n) each, by factorised Fourier sums: (B n^d, ...)."""
    from blochflow.core.backend import jax

    size = int(np.prod([axis.shape[1] for axis in axes]))

    def one(block: tuple[Array, ...]) -> tuple[Array, Array]:
        return map_chunks(model, block, prepared, size, lambda matrices, _: integrand(matrices))

    energies, values = jax.lax.map(one, axes)
    return energies.reshape(-1, energies.shape[-1]), values.reshape(-1, *values.shape[-2:])


class ModelSource:
    """`BandSource` of a model, a band-resolved integrand and a chart."""

    def __init__(
        self, model: AbstractModel, integrand: BandIntegrand, chart: AbstractChart, execution: Execution
    ) -> None:
        self.model, self.integrand, self.chart, self.execution = model, integrand, chart, execution
        self.dimension = chart.dimension
        self.components, self.weight = integrand.components, integrand.weight
        self.surfaces = np.array(integrand.surfaces)
        self.bound = integrand.bound(model.num_bands)
        self.curvature = model.curvature_bound() if isinstance(chart, LatticeChart) else None
        self.rigorous = self.curvature is not None
        scattered = not isinstance(chart, LatticeChart) or integrand.needs_k
        self.prepared = None if scattered else prepare(model)
        self.tops = self._groups()
        self.num_bands = len(self.tops)

    def _groups(self) -> np.ndarray:
        """Highest band of each group of bands that coincide at all probes, (N,) int."""
        u = np.random.default_rng(0).random((PROBES, self.dimension))
        energies = np.asarray(self._run_points(self.chart.to_k(u))[0])
        apart = np.diff(energies, axis=1) > SAME_ENERGY * max(np.ptp(energies), 1e-300)
        return np.flatnonzero(np.append(apart.any(axis=0), True))

    def bounds(self, cells: CellSet) -> CellBounds:
        """Weyl bounds in every cell."""
        half = 0.5 * cells.width
        edges = half[:, :, None] * self.chart.jacobian(cells.centre)
        k = self.chart.to_k(cells.centre)
        if self.curvature is not None:
            remainder = 0.5 * np.einsum("ba,bc,ac->b", half, half, self.curvature)
        else:
            remainder = self._sampled_remainder(cells, edges)
        parts = [gap_bounds(self.model, *(jnp.asarray(x[i]) for x in (k, edges, remainder))) for i in _batches(len(k))]
        energies, low, high, used, slope = (
            np.concatenate([np.asarray(p[i]) for p in parts])[: len(k)] for i in range(5)
        )
        check_finite(energies, k, "The Hamiltonian")
        # rounding of the eigenvalues must not decide
        margin = 1e-13 * np.abs(energies).max()
        first = np.concatenate([[0], self.tops[:-1] + 1])
        gap = energies[:, self.tops[:-1] + 1] - energies[:, self.tops[:-1]]
        return CellBounds(
            energies[:, first] + low[:, None] - margin,
            energies[:, self.tops] + high[:, None] + margin,
            gap,
            used[:, self.tops[:-1]] + margin <= gap,
            slope / half,
        )

    def _sampled_remainder(self, cells: CellSet, edges: np.ndarray) -> np.ndarray:
        offsets = np.array(list(itertools.product((0, -1, 1), repeat=self.dimension)), dtype=np.float64)
        u = cells.centre[:, None, :] + 0.5 * cells.width[:, None, :] * offsets
        k = self.chart.to_k(u)
        found = [
            sampled_remainder(self.model, jnp.asarray(k[i]), jnp.asarray(offsets), jnp.asarray(edges[i]))
            for i in _batches(len(k))
        ]
        return np.concatenate([np.asarray(x) for x in found])[: len(k)]

    def mixing(self, filling: Filling) -> np.ndarray | None:
        """(P, R, C) from weighed sums of values to results; None where they are the results."""
        return self.integrand.mixing(filling.mu, filling.kt)

    def largest_weight(self, cells: CellSet) -> np.ndarray:
        """(B,) largest weight of the chart at the centre and corners of each cell."""
        offsets = np.array(list(itertools.product((0, -1, 1), repeat=self.dimension)), dtype=np.float64)
        u = cells.centre[:, None, :] + 0.5 * cells.width[:, None, :] * offsets
        return np.asarray(self.chart.weight(u).max(axis=1))

    def sample_k(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies (K, N) and values (K, N, R) at Cartesian k, without the weight of the chart."""
        energies, values = self._run_points(k)
        return energies[:, self.tops], self._grouped(values)

    def sample_points(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies (K, N) and values (K, N, R) at points u of the unit cube, with the weight of the chart."""
        energies, values = self.sample_k(self.chart.to_k(u))
        return energies, self.chart.weight(u)[:, None, None] * values

    def sample(self, cells: CellSet, rule: GaussRule) -> tuple[np.ndarray, np.ndarray]:
        """Energies (B, n^d, N) and values (B, n^d, N, R), with the weight of the chart."""
        u = cells.points(rule.nodes)
        if self.prepared is None:
            k = self.chart.to_k(u).reshape(-1, self.dimension)
            energies, values = self._run_points(k)
        else:
            energies, values = self._run_blocks(cells, rule)
        energies = energies[:, self.tops]
        values = self._grouped(values)
        shape = (len(cells), u.shape[1], self.num_bands)
        weight = self.chart.weight(u)[..., None, None]
        return energies.reshape(shape), weight * values.reshape(*shape, -1)

    def _grouped(self, values: np.ndarray) -> np.ndarray:
        """Of groups of bands: sums of single bands at surfaces, sums over states up to the highest band."""
        if not self.surfaces.any():
            return values[:, self.tops]
        found = np.add.reduceat(values, np.concatenate([[0], self.tops[:-1] + 1]), axis=1)
        return found if self.surfaces.all() else np.where(self.surfaces, found, values[:, self.tops])

    def _run_points(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        def one(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            energies, values = sample_points(self.model, self.integrand, jnp.asarray(batch))
            return _checked(np.asarray(energies), np.asarray(values), batch, self.integrand.subject)

        return self._dispatch(one, [k[i] for i in _batches(len(k))], len(k))

    def _run_blocks(self, cells: CellSet, rule: GaussRule) -> tuple[np.ndarray, np.ndarray]:
        points = len(rule) ** self.dimension
        axes = cells.centre[:, :, None] + 0.5 * cells.width[:, :, None] * rule.nodes

        def one(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            blocks = tuple(jnp.asarray(batch[:, a]) for a in range(self.dimension))
            energies, values = sample_blocks(self.model, self.prepared, self.integrand, blocks)
            mesh = np.stack(
                [np.stack(np.meshgrid(*block, indexing="ij"), -1).reshape(-1, self.dimension) for block in batch]
            )
            return _checked(
                np.asarray(energies), np.asarray(values), mesh.reshape(-1, self.dimension), self.integrand.subject
            )

        size = max(1, BATCHES[0] // points)
        chunks = [axes[np.minimum(np.arange(i, i + size), len(axes) - 1)] for i in range(0, len(axes), size)]
        return self._dispatch(one, chunks, len(axes) * points)

    def _dispatch(
        self, function: Callable[..., Any], batches: list[np.ndarray], count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        n = self.model.num_bands
        size = batches[0].size // self.dimension * n * (64 * n + 16 * len(self.weight.powers))
        done = run_batches(
            function,
            iter(batches),
            len(batches),
            self.execution,
            batch_bytes=size,
            label=f"{self.model.name}: {count} k",
            most_threads=SAFE_CALLS,
        )
        energies, values = (np.concatenate([part[i] for part in done])[:count] for i in range(2))
        return energies, values


def check_samples(values: np.ndarray) -> None:
    """Raise when a batch came back in single precision."""
    if values.dtype != np.float64:
        raise BlochflowError(
            "JAX computed in single precision: jax_enable_x64 was switched off after blochflow was imported, or a "
            "thread overrides it. Remove that setting."
        )


def _checked(energies: np.ndarray, values: np.ndarray, k: np.ndarray, subject: str) -> tuple[np.ndarray, np.ndarray]:
    check_samples(energies)
    check_finite(energies, k, "The Hamiltonian")
    check_finite(values, k, subject)
    return energies, values


def _batches(count: int) -> list[np.ndarray]:
    """Indices of batches of one of two fixed sizes, the last padded by repetition."""
    size = BATCHES[0] if count <= BATCHES[0] else BATCHES[1]
    return [np.minimum(np.arange(start, start + size), count - 1) for start in range(0, count, size)]


@eqx.filter_jit
def prepare(model: AbstractModel) -> Any:
    return model.prepare_grid()
