"""Integral of a band-resolved integrand over the zone of a model, by the rule that suits it.

Certification of cells comes first: it finds the smallest gap at the chemical potential and tells metals from
insulators.  With both known, the number of points a uniform grid needs is known beforehand (its error falls as
exp(-2 pi N a), a the distance of the nearest singularity from the real axis); where that is too many, cells with
interpolants are used.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.status import Status
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.block_average import average_of_blocks, crossing_blocks
from blochflow.response.grid_choice import analytic_points, try_uniform, uniform_points
from blochflow.response.integrands import BandIntegrand
from blochflow.response.reduction import UsedSymmetry, use_symmetry
from blochflow.response.sampled import sampled_average, shifted_average
from blochflow.response.source import ModelSource, prepare
from blochflow.response.symmetry import SAMPLES
from blochflow.response.uniform import MANY_STATES, batch_energies, order_of_poles, plan_grid, uniform_average
from blochflow.response.unseen import fewest_of_states, without_unseen
from blochflow.response.zone_options import ZoneOptions, chart_of, check_options, check_warm_surface, least_evaluations
from blochflow.zone.adaptive import evaluate
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import Filling, certify, is_insulating
from blochflow.zone.charts import BallChart, ShellChart
from blochflow.zone.grids import NestedGrid
from blochflow.zone.integral import Integral
from blochflow.zone.integrate import integrate, orders_for, reserved
from blochflow.zone.nested import nested_average
from blochflow.zone.tolerance import Required, Tolerance

# Beyond this many bands in three dimensions, proving every gap open costs more than sampling with error bars.
MOST_CERTIFIED = 8
# A Chern number whose error reaches this is not known to be the nearest integer.
MOST_UNSURE = 0.25
# Rounding of a Chern number.
SMALLEST_UNSURE = 1e-9
# Bounds of cells with which bands at mu are ruled out at T = 0.
MOST_PROOFS = 5_000
# Part of an absolute tolerance that cells without proof may use up, where the integrand is bounded.
SPARE = 0.1
TAIL_DECADES = 4.0
# Most k points for it: it informs, and must not cost more than the integral.
TAIL_EVALUATIONS = 200_000
PROBE_GRID = 8


def average_over_zone(
    model: AbstractModel,
    bands: BandIntegrand,
    mu: np.ndarray,
    kt: np.ndarray,
    *,
    options: ZoneOptions,
    required: Required,
    execution: Execution,
) -> Integral:
    """Average over the zone (or integral over |k| < cutoff) of the weighed sum over bands for every state (mu, kt)."""
    filling, tolerance = Filling(mu, kt), required.tolerance
    rule, fixed = check_options(model, options, tolerance)
    if fixed is not None:
        check_warm_surface(bands, kt)
        fewest = None
        if fixed[1] is None:
            fewest = fewest_of_states(ModelSource(model, bands, chart_of(model), execution), filling, tolerance)
        integral = uniform_average(model, bands, filling, *fixed, required, execution, fewest=fewest)
        integral = without_unseen(model, bands, filling, integral, execution)
        return with_whole_invariants(model, bands, filling, integral)
    if rule == "auto" and options.fewest is not None:
        nested = NestedGrid(tuple(n // 2 for n in options.fewest))
        return uniform_average(model, bands, filling, nested, None, required, execution, fewest=options.fewest)
    if rule == "auto" and has_many_bands(model):
        rule = rule_of_many_bands(model, bands, filling)
        if rule == "uniform":
            nested, _ = plan_grid(model, None, 0.0, tolerance)
            integral = uniform_average(model, bands, filling, nested, None, required, execution)
            return with_whole_invariants(model, bands, filling, integral)
    if rule in ("shifted", "local"):
        check_warm_surface(bands, kt)
        average = shifted_average if rule == "shifted" else sampled_average
        integral = average(model, bands, filling, required, execution, seed=options.seed)
        integral = without_unseen(model, bands, filling, integral, execution)
        return with_whole_invariants(model, bands, filling, integral)
    source = ModelSource(model, bands, chart_of(model), execution)
    integral = average_in_cells(source, filling, rule, options, required)
    return with_whole_invariants(model, bands, filling, integral) if rule == "nested" else integral


def with_whole_invariants(model: AbstractModel, bands: BandIntegrand, filling: Filling, integral: Integral) -> Integral:
    """Refuse what no rule of points proves: in a gap at T = 0 Chern numbers must be integers within their error.

    Half an integer is what one band inversion gives that all points missed.
    """
    if model.lattice is None or not (filling.kt == 0).any():
        return integral
    found = bands.invariants(integral.value, integral.error, np.asarray(model.lattice.reciprocal))
    if found is None:
        return integral
    numbers, unsure = found
    energies = probe_energies(model)
    low, high = energies.min(axis=0), energies.max(axis=0)
    gapped = (filling.kt == 0) & ~((low < filling.mu[:, None]) & (high > filling.mu[:, None])).any(axis=1)
    apart = (np.abs(numbers - np.round(numbers)) > np.maximum(unsure, SMALLEST_UNSURE)).any(axis=1)
    wrong = gapped & (apart | (integral.converged & (unsure > MOST_UNSURE).any(axis=1)))
    if not wrong.any():
        return integral
    error, converged = integral.error.copy(), integral.converged & ~wrong
    error[wrong] = np.nan
    return replace(integral, error=error, converged=converged, status=Status.NOT_INTEGER)


def average_in_cells(
    source: ModelSource, filling: Filling, rule: str, options: ZoneOptions, required: Required
) -> Integral:
    """The rules "cells" and "nested", with symmetry, or a uniform grid where "auto" finds that one suffices."""
    model, bands, execution, tolerance = source.model, source.integrand, source.execution, required.tolerance
    limit = tolerance.evaluations(model.dimension)
    found = use_symmetry(source, filling, options.symmetry, tolerance)
    if found.forbidden is not None and found.forbidden.all():
        return vanishing(source, filling, found)
    if rule == "nested":
        check_warm_surface(bands, filling.kt)
        sample, matrix = source.sample_points, source.mixing(filling)
        integral = nested_average(sample, model.dimension, filling, required, weight=bands.weight, matrix=matrix)
        integral = without_unseen(model, bands, filling, integral, execution)
        return found.applied(integral, required)
    if rule == "auto" and bands.analytic and model.lattice is not None and (filling.kt > 0).all():
        points = analytic_points(source, filling, found.cells, tolerance)
        if points is not None:
            integral = found.applied(try_uniform(model, bands, filling, points, required, execution), required)
            if integral.converged.all() or mixes(bands):
                return integral
    blocks = crossing_blocks(source, filling)
    if blocks:

        def of_blocks(wanted: Required) -> list[Integral]:
            each, apart = shared_among(blocks, options, wanted)
            return [average_in_cells(block, filling, rule, apart, each) for block in blocks]

        return average_of_blocks(of_blocks, found, required)
    spare = 0.0 if model.lattice is None else SPARE * (tolerance.atol or 0.0) / required.factor
    tree = certify(source, found.cells, filling, limit, spare, reserved(tolerance, model.dimension), tolerance.rtol)
    # on points of k a Fermi surface at T = 0 has no value, not even none
    pointless = bands.surface and bool((filling.kt == 0).any())
    if rule == "auto" and tree.complete and not len(tree.touching) and not pointless:
        undecided = tree.metallic and not bands.surface and bool((filling.kt == 0).all())
        if undecided and is_insulating(source, found.cells, filling, MOST_PROOFS):
            tree = replace(tree, metallic=False)
        points = uniform_points(tree, filling, tolerance, model, order_of_poles(bands))
        if points is not None:
            integral = found.applied(try_uniform(model, bands, filling, points, required, execution), required)
            if integral.converged.all():
                return replace(integral, gap=tree.smallest_gap)
    memory = execution.memory_bytes // 2
    integral = integrate(
        source, found.cells, required, filling=filling, memory=memory, tree=tree, project=found.project
    )
    integral = replace(integral, forbidden=found.forbidden, symmetry=found.text)
    if isinstance(source.chart, BallChart):
        integral = replace(integral, cutoff_tail=cutoff_tail(source, filling, tolerance))
    return integral


def mixes(bands: BandIntegrand) -> bool:
    """Whether some values belong to states and some to surfaces, which cells do not serve."""
    return len(set(bands.surfaces)) > 1


def uses_symmetry(model: AbstractModel, options: ZoneOptions, tolerance: Tolerance) -> bool:
    """Whether the rule asked for reduces the zone by symmetry."""
    rule, fixed = check_options(model, options, tolerance)
    if fixed is not None or options.symmetry is False or options.symmetry is None or options.fewest is not None:
        return False
    return rule in ("cells", "nested") or (rule == "auto" and not has_many_bands(model))


def has_many_bands(model: AbstractModel) -> bool:
    """In three dimensions, where cells would cost more than sampling."""
    return model.lattice is not None and model.dimension == 3 and model.num_bands > MOST_CERTIFIED


def serves_mixed(
    model: AbstractModel,
    bands: BandIntegrand,
    filling: Filling,
    options: ZoneOptions,
    tolerance: Tolerance,
    execution: Execution,
) -> bool:
    """Whether the rule asked for is one of grids of points, which serve integrands of both kinds."""
    if model.lattice is None or not (filling.kt > 0).all() or len(filling.mu) > MANY_STATES:
        return False
    rule, fixed = check_options(model, options, tolerance)
    if fixed is not None or rule != "auto":
        return fixed is not None or rule == "shifted"
    if has_many_bands(model):
        return True
    source = ModelSource(model, bands, chart_of(model), execution)
    return analytic_points(source, filling, CellSet.whole_zone(source.chart.base), tolerance) is not None


def shared_among(blocks: list[ModelSource], options: ZoneOptions, required: Required) -> tuple[Required, ZoneOptions]:
    """What each block is given: its share of the k points, and symmetries of its own, which a list may not be."""
    given, asked = required.tolerance.max_evaluations, options.symmetry
    if given is not None:
        most = max(given // len(blocks), *(least_evaluations(block.model, required.tolerance) for block in blocks))
        required = replace(required, tolerance=replace(required.tolerance, max_evaluations=most))
    return required, replace(options, symmetry=False if asked is False or asked is None else "auto")


def rule_of_many_bands(model: AbstractModel, bands: BandIntegrand, filling: Filling) -> str:
    """ "uniform" for insulators, else sampling: with local models for sums over filled bands, plain for surfaces."""
    energies = probe_energies(model)
    if not filling.meets(energies.min(axis=0), energies.max(axis=0)).any():
        return "uniform"
    return "local" if bands.local and not bands.surface else "shifted"


def probe_energies(model: AbstractModel) -> np.ndarray:
    """(k, N) on a coarse grid."""
    axes = tuple(jnp.asarray((np.arange(PROBE_GRID) + 0.5) / PROBE_GRID) for _ in range(model.dimension))
    return np.asarray(batch_energies(model, prepare(model), axes, PROBE_GRID))


def vanishing(source: ModelSource, filling: Filling, found: UsedSymmetry) -> Integral:
    """An integral all of whose components symmetry forbids."""
    zero = np.zeros((len(filling.mu), source.components))
    converged = np.ones(len(zero), dtype=bool)
    evaluations = SAMPLES
    return Integral(
        zero,
        zero,
        converged,
        zero,
        evaluations,
        Status.CONVERGED,
        [(evaluations, zero)],
        rule="symmetry",
        rigor="zero by symmetry, verified at random k",
        forbidden=found.forbidden,
        symmetry=found.text,
    )


def cutoff_tail(source: ModelSource, filling: Filling, tolerance: Tolerance) -> np.ndarray:
    """(P, C) what the k.p model itself would contribute beyond its cutoff; infinite where it does not settle.

    Integrated over `TAIL_DECADES` decades of |k| with one rule of moderate accuracy; where the outermost quarter of
    them still holds more than a tenth of it, nothing can be said.
    """
    model = source.model
    chart = ShellChart(float(model.cutoff), model.dimension, TAIL_DECADES)  # type: ignore[attr-defined]
    outside = ModelSource(model, source.integrand, chart, source.execution)
    orders = orders_for(tolerance, model.dimension)
    per_cell = sum(n**model.dimension for n in orders)
    tree = certify(outside, CellSet.whole_zone(chart.base), filling, TAIL_EVALUATIONS, per_cell=per_cell)
    if not tree.complete:
        return np.full((len(filling.mu), source.components), np.inf)
    leaves = evaluate(outside, filling, tree.cells, orders, 0.0)
    tail = leaves.value.sum(axis=0)
    radial = 2 * np.abs(leaves.cells.centre[:, 0] - 0.5) if model.dimension == 1 else leaves.cells.centre[:, 0]
    outermost = leaves.value[radial > 0.75].sum(axis=0)
    size = np.abs(tail).max(axis=-1, keepdims=True)
    settled = (np.abs(outermost) <= 0.1 * np.abs(tail)) | (np.abs(outermost) <= 1e-9 * size) | (tail == 0)
    return np.where(settled, tail, np.inf)
