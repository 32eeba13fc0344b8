"""Zone averages for metals with many bands: the full model on coarse cells, models of a few bands inside them.

    I = sum_cells w_c { Q_n[F] + L_c - Q_n[F_c] }        averaged over independent random shifts of the cells

F is the integrand of the full model, F_c that of the group of bands near mu, interpolated from the Gauss nodes of the
cell (`geometry.local_model`), Q_n the Gauss rule of the cell, L_c an integral of F_c by adaptive halving of boxes.
F and F_c differ by a smooth term of the other bands, for which Q_n is accurate; all sharp structure is in F_c, whose
points cost a tenth.  Cells whose group turns too far, or misses energies at the centre, are halved and evaluated again.
The error is Student's for the shifts, plus the difference of two Gauss orders in the final boxes.  Samples that all
miss the same small gap between the points do not scatter: what gaps hide is measured (`local_hidden`), and added where
that makes the result better known, half of it doubted.  It was right to 16 % for cones and lines of small gaps on usual
cells, to a third where one cell holds a sixth of the zone; in warm metals it scatters more than the samples, which then
see as much as they miss.  Cells that stay untrusted at the last halving keep Q_n[F] alone: an unbiased sample, whose
scatter is in the bar; they are counted.
What neither shows is a systematic error of the interpolated group models; finer ``cells`` are the check.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import SAFE_CALLS, Array, jnp
from blochflow.core.checks import fail
from blochflow.core.status import Status
from blochflow.execution.threads import Execution, run_batches
from blochflow.models.base import AbstractModel, BlochMatrices, map_chunks
from blochflow.response.local_cells import Integrand
from blochflow.response.local_work import BlockSum, CellWork, LocalRule
from blochflow.response.occupation import Occupation
from blochflow.response.source import prepare
from blochflow.zone.integral import ROUNDING, Integral, pairwise_sum
from blochflow.zone.sampling import CONFIDENCE, Sampled, check_sampling, random_shifts, student_bar
from blochflow.zone.shifted import describe
from blochflow.zone.tiling import tile
from blochflow.zone.tolerance import Required

# Four samples: the bar is 2.9 times their scatter at 99 %; with three it would be 5.7 times.
SHIFTS = 4
# Share of what small gaps between points were found to hide that is doubted where it is added.
DOUBTED = 0.5
# What is hidden is the same in all samples if its mean is so many times its standard error.
ALIKE = 3.0
# k points of the full model where the tolerance says nothing: a few shifts more than the first ones.
MOST = 3_000_000
# A bar is several times the scatter of one sample: boxes are refined to this share of what the tolerance allows.
STEER = 0.3
# Nodes in one call of the full model, and points whose occupations are weighed together.
BLOCK_NODES = 4096
LARGEST_CHUNK = 8192
# Number of the stream of shifts that only sets the scale.
PILOT_LEVEL = 1_000_000


def local_average(
    model: AbstractModel,
    integrand: Integrand,
    occupation: Occupation,
    *,
    required: Required,
    execution: Execution,
    rule: LocalRule | None = None,
    seed: int = 0,
    shifts: int = SHIFTS,
    confidence: float = CONFIDENCE,
) -> tuple[Sampled, np.ndarray]:
    """Zone average of a sum over occupied bands, and the smallest gap per state.

    Parameters
    ----------
    model : AbstractModel
        Periodic, any number of bands.
    integrand : callable
        ``integrand(matrices) -> (values (k, P, C), gap (k, P))`` for the states of ``occupation``; filled bands far
        below mu must enter as a smooth function of k, empty ones not at all (Hall conductivity, density).
    occupation : Occupation
        The states (mu, k_B T), which decide the bands that the local models hold.
    required, execution
        As for the responses; ``max_evaluations`` of the tolerance bounds the k points of the full model, but
        ``shifts`` samples are always taken.
    rule : LocalRule, optional
        Default: `default_rule`.
    seed, shifts, confidence
        As for `integrate_shifted`; more shifts are added once, as many as the measured scatter asks for.

    Returns
    -------
    Sampled
        ``integral.grid`` holds the cells per axis, ``counts`` the work.
    gap : (P,)
    """
    seed, shifts, confidence = check_sampling(seed, shifts, confidence)
    if model.lattice is None:
        raise fail("model", "be periodic for integrals over the Brillouin zone", f"{model.name} is a continuum model")
    rule = rule or default_rule(model)
    samples: list[BlockSum] = []
    prepared = prepare(model)
    framed, length = grid_frame(model, prepared)
    frame = model.lattice.vectors if framed else None
    mu, kt = np.asarray(occupation.mu), np.asarray(occupation.kt)
    work = CellWork(
        model, prepared, integrand, frame, length, mu, kt, np.full((len(mu), 1), np.inf), rule, LARGEST_CHUNK
    )
    allowed = pilot_allowed(work, required, execution, seed)
    work = dataclasses.replace(work, allowed=allowed)
    samples += run_shifts(work, execution, seed, 0, shifts)
    integral, systematic, values = judge_samples(samples, required, confidence, rule)
    more = extra_shifts(integral, systematic, samples, required)
    if more:
        samples += run_shifts(work, execution, seed, shifts, more)
        integral, systematic, values = judge_samples(samples, required, confidence, rule)
    counts: Counter[str] = Counter(shifts=len(samples))
    for sample in samples:
        counts.update(sample.counts)
    gap = np.min([sample.gap for sample in samples], axis=0)
    return Sampled(integral, values, systematic, seed, confidence, dict(counts)), gap


def default_rule(model: AbstractModel) -> LocalRule:
    """About equal cells along the reciprocal vectors: 64, 24 or 16 on the longest in one, two or three dimensions."""
    lengths = np.linalg.norm(np.asarray(model.lattice.reciprocal), axis=1)  # type: ignore[union-attr]
    longest = {1: 64, 2: 24, 3: 16}[len(lengths)]
    return LocalRule(tuple(int(n) for n in np.maximum(2, np.ceil(longest * lengths / lengths.max()))))


def grid_frame(model: AbstractModel, prepared: Any) -> tuple[bool, Array | float]:
    """Whether matrices on grids come in lattice components, and the length that goes with them."""
    seen: list[BlochMatrices] = []
    axes = (jnp.zeros(4),) * model.dimension

    def look(matrices: BlochMatrices, _: Any) -> Array:
        seen.append(matrices)
        return matrices.hamiltonian

    eqx.filter_eval_shape(lambda m, p: map_chunks(m, axes, p, 4, look), model, prepared)
    framed = seen[0].frame is not None
    return framed, 1.0 if framed else model.lattice.shortest  # type: ignore[union-attr]


def run_shifts(work: CellWork, execution: Execution, seed: int, first: int, count: int) -> list[BlockSum]:
    """One sample for each shift of the tiling."""
    rule, dimension = work.rule, work.model.dimension
    shifts = random_shifts(seed, 0, first, count, dimension)
    tilings = [list(tile(rule.cells, shift, BLOCK_NODES // rule.nodes**dimension)) for shift in shifts]
    blocks = [block for tiling in tilings for block in tiling]
    label = f"{work.model.name}: {count} x {' x '.join(map(str, rule.cells))} cells"
    width = min(rule.sizes[-1], work.model.num_bands)
    per_node = 8 * (work.model.num_bands**2 * 8 + 10 * width**2 + 6 * len(work.mu))
    options: dict[str, Any] = {"batch_bytes": 2 * BLOCK_NODES * per_node, "label": label, "most_threads": SAFE_CALLS}
    sums = run_batches(work.block, iter(blocks), len(blocks), execution, **options)
    size = len(tilings[0])
    return [add_blocks(sums[i : i + size]) for i in range(0, len(sums), size)]


def add_blocks(parts: list[BlockSum]) -> BlockSum:
    """Sum of blocks in a fixed order."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.counts)
    names = ("value", "absolute", "change", "hidden")
    value, absolute, change, hidden = (pairwise_sum([getattr(p, n) for p in parts]) for n in names)
    return BlockSum(value, absolute, change, np.min([p.gap for p in parts], axis=0), hidden, counts)


def pilot_allowed(work: CellWork, required: Required, execution: Execution, seed: int) -> np.ndarray:
    """(P, C) allowed error by two coarse shifted grids; it steers the work and enters no value."""
    trial = dataclasses.replace(work, rule=dataclasses.replace(work.rule, nodes=1, sizes=(), cell_depth=0))
    shifts = random_shifts(seed, PILOT_LEVEL, 0, 2, work.model.dimension)
    blocks = [b for shift in shifts for b in tile(work.rule.cells, shift, BLOCK_NODES // 8)]
    options: dict[str, Any] = {"batch_bytes": 2**28, "label": "scale", "most_threads": SAFE_CALLS}
    sums = add_blocks(run_batches(trial.plain, iter(blocks), len(blocks), execution, **options))
    value, absolute = 0.5 * sums.value, required.scale(0.5 * sums.absolute)
    allowed = required.allowed(value, absolute)
    # where the coarse value is small by accident, a thousandth of the absolute integrand is the finest useful scale
    return STEER * np.maximum(allowed, 1e-3 * required.tolerance.rtol * absolute)


def judge_samples(
    samples: list[BlockSum], required: Required, confidence: float, rule: LocalRule
) -> tuple[Integral, np.ndarray, np.ndarray]:
    """Mean, bar and systematic part of the samples so far, and the value of each."""
    values, doubt = with_hidden(samples, confidence)
    value = values.mean(axis=0)
    size = required.scale(np.mean([sample.absolute for sample in samples], axis=0))
    systematic = np.abs(np.mean([sample.change for sample in samples], axis=0)) + doubt
    error = np.maximum(student_bar(values, confidence), ROUNDING * size) + systematic
    converged = np.asarray((error <= required.allowed(value, size)).all(axis=-1))
    used = sum(sample.counts["k"] for sample in samples)
    status = Status.CONVERGED if converged.all() else Status.NOT_CONVERGED
    history = [(used, value)]
    rigor = f"{describe(confidence)}, two orders inside the local models, and a search for small gaps between points"
    return (
        Integral(value, error, converged, size, used, status, history, "local", rule.cells, rigor),
        systematic,
        values,
    )


def with_hidden(samples: list[BlockSum], confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """(S, P, C) values, with or without what was hidden, whichever is known better; (P, C) what is doubted of them.

    Without: all that was hidden in all samples alike is doubted.  With: half of it is.
    """
    plain, hidden = (np.stack([getattr(sample, name) for sample in samples]) for name in ("value", "hidden"))
    mean, scatter = np.abs(hidden.mean(axis=0)), hidden.std(axis=0, ddof=1) / np.sqrt(len(samples))
    alike, half = np.where(mean > ALIKE * scatter, mean, 0.0), DOUBTED * mean
    added = student_bar(plain + hidden, confidence) + half < student_bar(plain, confidence) + alike
    return plain + np.where(added, hidden, 0.0), np.where(added, half, alike)


def extra_shifts(integral: Integral, systematic: np.ndarray, samples: list[BlockSum], required: Required) -> int:
    """Shifts to add, once, for the bar to meet the tolerance; as many as the k points left allow."""
    if integral.converged.all():
        return 0
    allowed = required.allowed(integral.value, integral.absolute)
    left = np.maximum(allowed - systematic, 0.3 * allowed)
    ratio = float(((integral.error - systematic) / np.maximum(left, 1e-300)).max())
    wanted = int(np.ceil(len(samples) * ((1.2 * ratio) ** 2 - 1)))
    each = integral.evaluations / len(samples)
    most = required.tolerance.max_evaluations
    limit = MOST if most is None else most
    affordable = int(max(0, limit - integral.evaluations) // each)
    return max(0, min(wanted, affordable))
