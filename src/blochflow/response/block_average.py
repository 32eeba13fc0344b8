"""Zone integrals block by block, where H(k) never mixes some subspaces and their bands cross at mu.

    Int tr F(H) g = sum_b Int tr F(H_b) g_b,     H = H_1 + H_2 + .. in the spaces of `models.blocks.conserved_blocks`

Such bands cross on lines in two and on surfaces in three dimensions, so that no cells around them have a proof that
gaps are open, though the crossings leave no trace in the integral.  Within a block they do not exist.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from blochflow.core.status import Status
from blochflow.models.blocks import block_model, conserved_blocks
from blochflow.response.reduction import UsedSymmetry
from blochflow.response.source import SAME_ENERGY, ModelSource
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import Filling
from blochflow.zone.integral import Integral, closer, levels_together
from blochflow.zone.tolerance import Required

# Cells per axis of the zone in which bands of different blocks are compared.
CELLS = {1: 64, 2: 16, 3: 6}


def crossing_blocks(source: ModelSource, filling: Filling) -> list[ModelSource]:
    """One source for each block, where bands of two blocks may cross within the windows of some state; else none."""
    if not source.integrand.splits:
        return []
    bases = conserved_blocks(source.model)
    if len(bases) == 1:
        return []
    found = []
    for basis in bases:
        model = block_model(source.model, basis)
        found.append(ModelSource(model, source.integrand.of_block(model, basis), source.chart, source.execution))
    return found if bands_may_cross(found, filling) else []


def bands_may_cross(blocks: list[ModelSource], filling: Filling) -> bool:
    """False where proven bounds of energies in cells keep bands of different blocks apart wherever a state sees them.

    Bands of two blocks that coincide do not cross.
    """
    cells = CellSet.whole_zone((CELLS[blocks[0].dimension],) * blocks[0].dimension)
    bounds = [block.bounds(cells) for block in blocks]
    width = max(float(bound.high.max()) for bound in bounds) - min(float(bound.low.min()) for bound in bounds)
    for first, second in itertools.combinations(bounds, 2):
        low = np.maximum(first.low[:, :, None], second.low[:, None])
        high = np.minimum(first.high[:, :, None], second.high[:, None])
        middle = [0.5 * (bound.low + bound.high) for bound in (first, second)]
        apart = np.abs(middle[0][:, :, None] - middle[1][:, None]).max(axis=0) > SAME_ENERGY * width
        if ((low <= high) & apart & filling.meets(low, high)).any():
            return True
    return False


def average_of_blocks(
    average: Callable[[Required], list[Integral]], symmetry: UsedSymmetry, required: Required
) -> Integral:
    """Sum of the integrals of all blocks; more accurate ones where their sum missed the tolerance by cancellation.

    ``average`` integrates every block as accurately as it is told; ``symmetry`` is that of the whole model.
    """
    total = sum_of_blocks(average(required), symmetry, required)
    wanted = closer(total, required)
    if wanted is None:
        return total
    again = sum_of_blocks(average(wanted), symmetry, required)
    return replace(again, evaluations=total.evaluations + again.evaluations)


def sum_of_blocks(parts: list[Integral], symmetry: UsedSymmetry, required: Required) -> Integral:
    """Sum of integrals of the same states, judged as a whole."""
    value, error, absolute = (
        np.sum([getattr(part, x) for part in parts], axis=0) for x in ("value", "error", "absolute")
    )
    value, error = symmetry.project(value, error)
    converged = required.met(value, error, absolute)
    failed = next((part.status for part in parts if part.status is not Status.CONVERGED), Status.NOT_CONVERGED)
    tails = [part.cutoff_tail for part in parts if part.cutoff_tail is not None]
    history = []
    for then in levels_together(parts):
        whole = np.sum([each for _, each in then], axis=0)
        history.append((sum(points for points, _ in then), symmetry.project(whole, np.zeros_like(whole))[0]))
    rigor = "; ".join(dict.fromkeys(part.rigor for part in parts))
    return replace(
        parts[0],
        value=value,
        error=error,
        converged=converged,
        absolute=absolute,
        evaluations=sum(part.evaluations for part in parts),
        status=Status.CONVERGED if converged.all() else failed,
        history=history,
        rule=", ".join(dict.fromkeys(part.rule for part in parts)),
        rigor=f"sum of {len(parts)} blocks that H(k) does not mix: {rigor}",
        gap=min(part.gap for part in parts),
        forbidden=symmetry.forbidden,
        symmetry=symmetry.text,
        cutoff_tail=np.sum(tails, axis=0) if tails else None,
    )
