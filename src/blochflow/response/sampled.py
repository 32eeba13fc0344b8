"""Zone integrals from independent random shifts: plain uniform grids, or coarse cells with local models.

Both are unbiased samples of the integral (the second up to what two orders of its local models show), so that their
scatter gives an error bar that no sharp feature can hide from; see `zone.shifted` and `response.local_average`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.integrands import Weighed
from blochflow.response.local_average import local_average
from blochflow.response.occupation import make_occupation
from blochflow.response.uniform import WeighedSums, batch_size, prepared_for
from blochflow.zone.certificate import Filling
from blochflow.zone.grids import automatic_base
from blochflow.zone.integral import Integral
from blochflow.zone.shifted import integrate_shifted
from blochflow.zone.tolerance import Tolerance


def shifted_average(
    model: AbstractModel,
    bands: Any,
    filling: Filling,
    tolerance: Tolerance,
    execution: Execution,
    *,
    factor: float,
    seed: int,
) -> Integral:
    """Zone average for every state from random shifts of uniform grids."""
    occupation, restore = make_occupation(filling.mu, filling.kt)
    target, chunk, size = batch_size(model, len(filling.mu))
    prepared = prepared_for(model, bands)
    sums = WeighedSums(model, Weighed(bands, occupation), prepared, execution, chunk, size, [])
    base = tuple(2 * n for n in automatic_base(np.asarray(model.lattice.reciprocal)))  # type: ignore[union-attr]
    done = integrate_shifted(sums.run, base, tolerance, target=target, seed=seed, factor=factor)
    return replace(done.integral.reordered(restore), gap=float(np.min(sums.gaps)))


def sampled_average(
    model: AbstractModel,
    bands: Any,
    filling: Filling,
    tolerance: Tolerance,
    execution: Execution,
    *,
    factor: float,
    seed: int,
) -> Integral:
    """Zone average for every state from random shifts of coarse cells with local models."""
    occupation, restore = make_occupation(filling.mu, filling.kt)
    weighed = Weighed(bands, occupation)
    done, gap = local_average(
        model, weighed, occupation, tolerance=tolerance, execution=execution, seed=seed, factor=factor
    )
    return replace(done.integral.reordered(restore), gap=float(np.min(gap)))
