"""Average of an integrand over the Brillouin zone of a lattice model: model + integrand + rule.

An integrand is a pytree called on `BlochMatrices`; it returns values (k, P, C) and the direct gap (k, P) across the
chemical potential.  This module runs it in batches; the rule (grid doubling) lives in `zone`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import SAFE_CALLS, Array, jnp
from blochflow.core.checks import as_real_array, fail
from blochflow.core.errors import BlochflowError
from blochflow.execution.threads import Execution, run_batches
from blochflow.models.base import PAIRS, AbstractModel, BlochMatrices, as_model, check_finite, grid_points, map_chunks
from blochflow.zone.grids import Block, NestedGrid, automatic_base, requested_grid
from blochflow.zone.integrate import Integral, integrate_uniform
from blochflow.zone.tolerance import Tolerance

BATCH_BYTES = 200 * 2**20
CHUNK_BYTES = 32 * 2**20
LARGEST_BATCH = 8192


class ZoneAverage(eqx.Module):
    """Evaluates an integrand on batches of one model; keeps the smallest gap seen."""

    model: AbstractModel
    integrand: Callable[..., tuple[Array, Array]]
    prepared: Any
    execution: Execution = eqx.field(static=True)
    chunk: int = eqx.field(static=True)
    batch_bytes: int = eqx.field(static=True)
    gaps: list[np.ndarray] = eqx.field(static=True)

    def run(self, blocks: Iterator[Block], total: int, label: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """The `Runner` of `zone.integrate`."""
        label = f"{self.model.name}: {label} k"
        options: dict[str, Any] = {"batch_bytes": self.batch_bytes, "label": label, "most_threads": SAFE_CALLS}
        return run_batches(self.one, blocks, total, self.execution, **options)

    def one(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Weighted sums of the integrand and of its absolute value over one batch."""
        axes = tuple(jnp.asarray(x) for x in block.axes)
        weights = jnp.asarray(block.weights)
        value, absolute, gap = batch_sums(self.model, self.prepared, self.integrand, axes, weights, self.chunk)
        result = np.asarray(value), np.asarray(absolute)
        if result[0].dtype != np.float64:
            raise BlochflowError(
                "JAX computed in single precision: jax_enable_x64 was switched off after blochflow was imported, or a "
                "thread overrides it. Remove that setting."
            )
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
        check_finite(np.asarray(self.integrand(matrices)[0]), k, "The integrand")


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
def _prepare(model: AbstractModel) -> Any:
    return model.prepare_grid()


def average_over_zone(
    model: AbstractModel,
    integrand: Callable[..., tuple[Array, Array]],
    states: int,
    *,
    grid: Any,
    shift: float,
    tolerance: Tolerance,
    execution: Execution,
    factor: float,
) -> tuple[Integral, np.ndarray]:
    """Zone average of ``integrand`` with ``states`` rows, and the smallest gap per state.

    ``grid`` fixes the finest grid (its half, where even, gives the error); None refines by doubling from an
    automatic start.  ``factor`` converts the average to the units of ``tolerance.atol``.
    """
    nested, levels = plan_grid(model, grid, shift, tolerance)
    target, chunk, batch_bytes = batch_size(model, states)
    average = ZoneAverage(model, integrand, _prepare(model), execution, chunk, batch_bytes, [])
    integral = integrate_uniform(average.run, nested, tolerance, levels=levels, target=target, factor=factor)
    return integral, np.min(average.gaps, axis=0)


def as_call(model: Any, tolerance: Any, execution: Any) -> tuple[Tolerance, Execution]:
    """Check the arguments every response shares; None stands for the defaults."""
    as_model(model)
    if tolerance is not None and not isinstance(tolerance, Tolerance):
        raise fail("tolerance", "be a bf.Tolerance, e.g. bf.Tolerance(rtol=1e-3)", f"is {tolerance!r}")
    if execution is not None and not isinstance(execution, Execution):
        raise fail("execution", "be a bf.Execution, e.g. bf.Execution(workers=2)", f"is {execution!r}")
    return tolerance or Tolerance(), execution or Execution()


def plan_grid(model: AbstractModel, grid: Any, shift: Any, tolerance: Tolerance) -> tuple[NestedGrid, int | None]:
    """Base grid and number of levels (None: as many as the tolerance needs)."""
    if model.lattice is None:
        raise fail("model", "be periodic for integrals over the Brillouin zone", f"{model.name} is a continuum model")
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
