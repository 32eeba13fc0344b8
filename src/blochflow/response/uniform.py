"""A band-resolved integrand on uniform grids of a lattice model: batches, memory, and grids with doubling.

Few states (mu, T) are weighed inside the kernel; many are collected on an energy grid and convolved afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import SAFE_CALLS, Array, jnp
from blochflow.core.checks import as_real_array, fail
from blochflow.execution.threads import Execution, run_batches
from blochflow.geometry.eigen import eigh
from blochflow.models.base import PAIRS, AbstractModel, BlochMatrices, check_finite, grid_points, map_chunks
from blochflow.response.integrands import NumberSea
from blochflow.response.source import ModelSource, check_samples, prepare
from blochflow.response.weighed import Listed, Weighed, weighed
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import Filling
from blochflow.zone.charts import LatticeChart
from blochflow.zone.grids import Block, NestedGrid, automatic_base, requested_grid
from blochflow.zone.histogram import MOST_BINS, EnergyHistogram
from blochflow.zone.integral import Integral
from blochflow.zone.tolerance import Required, Tolerance
from blochflow.zone.uniform import integrate_uniform
from blochflow.zone.weights import Weight, mixed

BATCH_BYTES = 200 * 2**20
CHUNK_BYTES = 32 * 2**20
LARGEST_BATCH = 8192
# More states than this go through an energy histogram.
MANY_STATES = 32


def uniform_average(
    model: AbstractModel,
    bands: Any,
    filling: Filling,
    nested: NestedGrid,
    levels: int | None,
    required: Required,
    execution: Execution,
    *,
    fewest: tuple[int, ...] | np.ndarray | None = None,
    limit: int | None = None,
) -> Integral:
    """Zone average of the weighed sums over bands for every state, on ``nested``; see `integrate_uniform`."""
    options: dict[str, Any] = {"levels": levels, "fewest": fewest, "limit": limit, "poles": order_of_poles(bands)}
    if len(filling.mu) > MANY_STATES:
        histogram = energy_histogram(model, bands.weight, filling, required.tolerance)
        if histogram.bins <= MOST_BINS:
            target, chunk, size = batch_size(model, 1)
            lists = EnergyLists(model, Listed(bands), prepared_for(model, bands), execution, chunk, size, histogram)
            matrix = bands.mixing(filling.mu, filling.kt)

            def readout(collected: np.ndarray, absolute: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                values, sizes = histogram.readout(collected, absolute)
                return mixed(values, matrix), mixed(sizes, None if matrix is None else np.abs(matrix))

            options |= {"readout": readout, "readout_error": histogram.error}
            return integrate_uniform(lists.run, nested, required, target=target, **options)
    integrand, restore = weighed(bands, filling)
    if isinstance(fewest, np.ndarray):
        options["fewest"] = fewest[np.argsort(restore)]
    target, chunk, size = batch_size(model, len(filling.mu))
    sums = WeighedSums(model, integrand, prepared_for(model, bands), execution, chunk, size, [])
    integral = integrate_uniform(sums.run, nested, required, target=target, **options)
    return replace(integral.reordered(restore), gap=float(np.min(sums.gaps)))


def order_of_poles(bands: Any) -> int:
    """Of the weights of bands at complex energies: 1 of f, one more of -f', and of derivatives with respect to mu."""
    orders = [
        1 + of_surface + (power < 0) for power, of_surface in zip(bands.weight.powers, bands.surfaces, strict=True)
    ]
    return max(orders, default=1)


def prepared_for(model: AbstractModel, bands: Any) -> Any:
    """Factorised Fourier sums, unless the integrand needs k itself."""
    return None if getattr(bands, "needs_k", False) else prepare(model)


def energy_histogram(model: AbstractModel, weight: Weight, filling: Filling, tolerance: Tolerance) -> EnergyHistogram:
    """Spans all energies the model can have, by the sizes of its matrix elements on a coarse grid and their slopes."""
    chart = LatticeChart(np.asarray(model.lattice.reciprocal))  # type: ignore[union-attr]
    source = ModelSource(model, NumberSea(), chart, Execution(workers=1, progress=False))
    bounds = source.bounds(CellSet.whole_zone(chart.base))
    low, high = float(bounds.low.min()), float(bounds.high.max())
    # sampled bounds are estimates
    slack = 0.0 if source.rigorous else 0.2 * (high - low)
    low, high = low - slack, high + slack
    return EnergyHistogram.for_states(filling.mu, filling.kt, weight, low, high, tolerance.fraction)


@dataclass(frozen=True)
class WeighedSums:
    """Sums of an integrand weighed for every state; keeps the smallest gap seen."""

    model: AbstractModel
    integrand: Weighed
    prepared: Any
    execution: Execution
    chunk: int
    batch_bytes: int
    gaps: list[np.ndarray]

    def run(self, blocks: Iterator[Block], total: int, label: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """The `Runner` of `zone.uniform`."""
        return run_blocks(self, blocks, total, label)

    def one(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Sums of the values and of their absolute values over one batch."""
        axes = tuple(jnp.asarray(x) for x in block.axes)
        weights = jnp.asarray(block.weights)
        value, absolute, gap = batch_sums(self.model, self.prepared, self.integrand, axes, weights, self.chunk)
        result = np.asarray(value), np.asarray(absolute)
        check_samples(result[0])
        if not np.isfinite(result[1]).all():
            self.locate_non_finite(axes)
        self.gaps.append(np.asarray(gap))
        return result

    def locate_non_finite(self, axes: tuple[Array, ...]) -> None:
        """Name the k at which the batch is not finite."""
        k = np.asarray(grid_points(self.model, axes))
        matrices = self.model.matrices(jnp.asarray(k))
        check_finite(np.asarray(matrices.hamiltonian), k, "The Hamiltonian")
        check_finite(np.asarray(matrices.gradient), k, "The gradient of the Hamiltonian")
        check_finite(np.asarray(self.integrand(matrices)[0]), k, self.integrand.bands.subject)


@dataclass(frozen=True)
class EnergyLists:
    """Energies and single-band values of every k, collected in a histogram."""

    model: AbstractModel
    integrand: Listed
    prepared: Any
    execution: Execution
    chunk: int
    batch_bytes: int
    histogram: EnergyHistogram

    def run(self, blocks: Iterator[Block], total: int, label: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """The `Runner` of `zone.uniform`."""
        return run_blocks(self, blocks, total, label)

    def one(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Sums of the values and of their absolute values over one batch."""
        axes = tuple(jnp.asarray(x) for x in block.axes)
        energies, values = (
            np.asarray(x) for x in batch_lists(self.model, self.prepared, self.integrand, axes, self.chunk)
        )
        check_samples(energies)
        if not (np.isfinite(energies).all() and np.isfinite(values).all()):
            k = np.asarray(grid_points(self.model, axes))
            check_finite(energies, k, "The Hamiltonian")
            check_finite(values, k, self.integrand.bands.subject)
        kept = block.weights > 0
        flat, listed = energies[kept].reshape(-1), values[kept].reshape(-1, values.shape[-1])
        values, sizes = np.split(
            self.histogram.collect(flat, np.concatenate([listed, np.abs(listed)], axis=1)), 2, axis=1
        )
        return values, sizes


def run_blocks(
    sums: WeighedSums | EnergyLists, blocks: Iterator[Block], total: int, label: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sums of every batch, in order."""
    label = f"{sums.model.name}: {label} k"
    options: dict[str, Any] = {"batch_bytes": sums.batch_bytes, "label": label, "most_threads": SAFE_CALLS}
    return run_batches(sums.one, blocks, total, sums.execution, **options)


@eqx.filter_jit
def batch_sums(
    model: AbstractModel,
    prepared: Any,
    integrand: Callable[..., Any],
    axes: tuple[Array, ...],
    weights: Array,
    points: int,
) -> tuple[Array, Array, Array]:
    """Sums over a batch, in chunks of ``points`` k: values (P, C), absolute values (P, C), smallest gap (P,)."""

    def one(matrices: BlochMatrices, weight: Array) -> tuple[Array, Array, Array]:
        values, gap = integrand(matrices)
        weighted = weight[:, None, None] * values
        return weighted.sum(axis=0), jnp.abs(weighted).sum(axis=0), gap.min(axis=0)

    value, absolute, gap = map_chunks(model, axes, prepared, points, one, weights)
    return value.sum(axis=(0, 1)), absolute.sum(axis=(0, 1)), gap.min(axis=(0, 1))


@eqx.filter_jit
def batch_lists(
    model: AbstractModel, prepared: Any, integrand: Callable[..., Any], axes: tuple[Array, ...], points: int
) -> tuple[Array, Array]:
    """Energies (k, n) and values (k, n, C) of a batch."""
    energies, values = map_chunks(model, axes, prepared, points, lambda matrices, _: integrand(matrices))
    return energies.reshape(-1, energies.shape[-1]), values.reshape(-1, *values.shape[-2:])


@eqx.filter_jit
def batch_energies(model: AbstractModel, prepared: Any, axes: tuple[Array, ...], points: int) -> Array:
    """Energies of a batch, (k, n)."""
    energies = map_chunks(model, axes, prepared, points, lambda matrices, _: eigh(matrices.hamiltonian)[0])
    return energies.reshape(-1, model.num_bands)


def plan_grid(model: AbstractModel, grid: Any, shift: Any, tolerance: Tolerance) -> tuple[NestedGrid, int | None]:
    """Base grid and number of levels (None: as many as the tolerance needs)."""
    if model.lattice is None:
        raise fail("grid", "be left out for continuum models, which have no zone", f"{model.name} is one")
    offset = float(as_real_array(shift, "shift", max_ndim=0))
    if not 0 <= offset < 1:
        raise fail("shift", "lie in [0, 1), in units of the spacing", f"is {offset:g}")
    if grid is None:
        if offset:
            raise fail("shift", "come with a fixed `grid`: doubling ends on a grid centred on Gamma", f"is {offset:g}")
        nested, levels = NestedGrid(automatic_base(np.asarray(model.lattice.reciprocal)), offset), None
    else:
        points = requested_grid(grid, model.dimension)
        if all(n % 2 == 0 for n in points):
            nested, levels = NestedGrid(tuple(n // 2 for n in points), offset / 2), 2
        else:
            nested, levels = NestedGrid(points, offset), 1
    least = nested.count(0 if levels is None else levels - 1)
    if tolerance.max_evaluations is not None and tolerance.max_evaluations < least:
        limit = tolerance.max_evaluations
        raise fail("max_evaluations", f"allow the {least} k points of the first grid", f"is {limit}")
    return nested, levels


def batch_size(model: AbstractModel, states: int) -> tuple[int, int, int]:
    """k points per batch, k points whose states are weighed together, and the memory of a batch.

    The first holds matrices and their rotations, the second occupations of every band for every state.
    """
    n, d = model.num_bands, model.dimension
    matrices = 1 + d + (d + len(PAIRS[d]) if model.has_position_matrices else 0)
    per_k, per_state = 4 * 16 * n * n * matrices, 4 * 8 * states * (n + 3)
    target = int(np.clip(BATCH_BYTES // per_k, 16, LARGEST_BATCH))
    chunk = int(np.clip(CHUNK_BYTES // per_state, 16, target))
    return target, chunk, target * per_k + chunk * per_state
