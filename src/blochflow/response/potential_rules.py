"""Which states (density, temperature) have their chemical potential found how.

in a gap             n says nothing about mu: electrons and holes, both exponentially few, are balanced on a uniform
                     grid; at T = 0, where there is none, the middle between proven edges of the bands
warm metals          a uniform grid: sum_n f(E_n) = tr f(H) is analytic in k up to |Im E| = pi k_B T, touching or not
all others           integrals n(mu), by the rule asked for or cells
"""

from __future__ import annotations

import math

import numpy as np

from blochflow.core.status import Status
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.average import MOST_CERTIFIED
from blochflow.response.filling import solve_filling
from blochflow.response.fixed_density import solve_by_integrals
from blochflow.response.grid_choice import resolving_points
from blochflow.response.integrands import NumberSea
from blochflow.response.levels import Levels
from blochflow.response.source import ModelSource
from blochflow.response.zone_options import ZoneOptions, chart_of, check_options
from blochflow.zone.cells import CellSet
from blochflow.zone.extrema import band_edge
from blochflow.zone.integral import Integral, merged
from blochflow.zone.tolerance import Tolerance

# Points of a uniform grid beyond which cells cost less.
MOST_WARM = 50_000
# Evaluations for the edge of one band; flat bands would need a cell for each of their points.
MOST_EDGE = {1: 2_000, 2: 20_000, 3: 100_000}


def solve_potential(
    model: AbstractModel,
    filling: np.ndarray,
    kt: np.ndarray,
    options: ZoneOptions,
    tolerance: Tolerance,
    execution: Execution,
) -> Integral:
    """mu of every state (filling of all bands, kt), (P,) each."""
    rule, plan = check_options(model, options, tolerance)
    periodic, auto = model.lattice is not None, rule == "auto"
    if plan is not None or (auto and periodic and model.dimension == 3 and model.num_bands > MOST_CERTIFIED):
        return solve_filling(model, filling, kt, options.grid, options.shift, tolerance, execution)
    source = ModelSource(model, NumberSea(), chart_of(model), execution)
    levels = Levels.sampled(source)
    count = filling * levels.filled[-1]
    groups = [levels.gap_above(n) for n in count]
    rest = np.arange(len(count))
    parts: list[tuple[np.ndarray, Integral]] = []
    if auto and periodic:
        gapped = np.array([p for p in rest if groups[p] is not None], dtype=int)
        if len(gapped):
            done = solve_filling(model, filling[gapped], kt[gapped], None, 0.0, tolerance, execution)
            parts.append((gapped, done))
        rest = np.setdiff1d(rest, gapped)
        warm, resolving = warm_states(source, kt, rest, tolerance)
        if resolving is not None:
            done = solve_filling(model, filling[warm], kt[warm], None, 0.0, tolerance, execution, resolving=resolving)
            if done.converged.all():
                parts.append((warm, done))
                rest = np.setdiff1d(rest, warm)
    else:
        cold = [(p, groups[p]) for p in rest if groups[p] is not None and kt[p] == 0]
        for group in sorted({g for _, g in cold if g is not None}):
            same = np.array([p for p, g in cold if g == group])
            middle = middle_of_gap(source, group, levels, tolerance, len(same))
            if middle is not None:
                parts.append((same, middle))
                rest = np.setdiff1d(rest, same)
    if len(rest):
        done = solve_by_integrals(
            model, count[rest], kt[rest], levels, options=options, tolerance=tolerance, execution=execution
        )
        parts.append((rest, done))
    return merged(parts)


def middle_of_gap(
    source: ModelSource, group: int, levels: Levels, tolerance: Tolerance, states: int
) -> Integral | None:
    """The middle of the gap above a group of bands, for ``states`` equal states; None where bands overlap.

    Touching bands have their middle where they touch.
    """
    wanted = float(tolerance.allowed(np.asarray(levels.width), np.asarray(levels.width)))
    limit = min(MOST_EDGE[source.dimension], tolerance.evaluations(source.dimension))
    zone = CellSet.whole_zone(source.chart.base)
    bottom, top, used = band_edge(source, zone, group, True, wanted, limit)
    low, high, more = band_edge(source, zone, group + 1, False, wanted, limit)
    value, error = 0.25 * (bottom + top + low + high), 0.25 * (top - bottom + high - low)
    if top >= low:
        # not proven open: mu of overlapping bands lies between their edges
        error += top - low
    converged = error <= wanted
    if bottom >= high:
        return None
    used += more + levels.points
    history = [(used, np.full((states, 1), value))]
    rigor = "proven edges of the bands" + ("" if source.rigorous else " (not rigorous: bounds on H from samples)")
    status = Status.CONVERGED if converged else Status.NOT_CONVERGED
    done, width, shape = np.full(states, converged), np.full(states, levels.width), (states, 1)
    return Integral(
        np.full(shape, value), np.full(shape, error), done, width, used, status, history, "cells", (), rigor
    )


def warm_states(
    source: ModelSource, kt: np.ndarray, rest: np.ndarray, tolerance: Tolerance
) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """The states of ``rest`` whose temperature a uniform grid resolves, and the points per axis that it needs."""
    warm = rest[kt[rest] > 0]
    if not len(warm):
        return warm, None
    speed = source.bounds(CellSet.whole_zone(source.chart.base)).speed
    points = {t: resolving_points(source.model, speed, math.pi * t, tolerance) for t in np.unique(kt[warm])}
    few = {t: n for t, n in points.items() if n is not None and math.prod(n) <= MOST_WARM}
    warm = np.array([p for p in warm if kt[p] in few], dtype=int)
    return warm, few[kt[warm].min()] if len(warm) else None
