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
from blochflow.response.local_average import local_average
from blochflow.response.uniform import WeighedSums, batch_size, prepared_for
from blochflow.response.weighed import weighed
from blochflow.zone.certificate import Filling
from blochflow.zone.grids import automatic_base
from blochflow.zone.integral import Integral
from blochflow.zone.shifted import integrate_shifted
from blochflow.zone.tolerance import Required


def shifted_average(
    model: AbstractModel,
    bands: Any,
    filling: Filling,
    required: Required,
    execution: Execution,
    *,
    seed: int,
) -> Integral:
    """Zone average for every state from random shifts of uniform grids."""
    integrand, restore = weighed(bands, filling)
    target, chunk, size = batch_size(model, len(filling.mu))
    prepared = prepared_for(model, bands)
    sums = WeighedSums(model, integrand, prepared, execution, chunk, size, [])
    base = tuple(2 * n for n in automatic_base(np.asarray(model.lattice.reciprocal)))  # type: ignore[union-attr]
    done = integrate_shifted(sums.run, base, required, target=target, seed=seed)
    return replace(done.integral.reordered(restore), gap=float(np.min(sums.gaps)))


def sampled_average(
    model: AbstractModel,
    bands: Any,
    filling: Filling,
    required: Required,
    execution: Execution,
    *,
    seed: int,
) -> Integral:
    """Zone average for every state from random shifts of coarse cells with local models."""
    integrand, restore = weighed(bands, filling)
    done, gap = local_average(model, integrand, integrand.occupation, required=required, execution=execution, seed=seed)
    return replace(done.integral.reordered(restore), gap=float(np.min(gap)))
