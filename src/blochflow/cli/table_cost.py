"""Predicted cost of a table of symmetries: bands at sampled k and at their images under the operations of the lattice.

time >= (largest number of k) * (time per k of bands, their velocities included, in a second, compiled call)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from blochflow.cli.cost import Cost
from blochflow.cli.formats import duration, memory

if TYPE_CHECKING:
    from blochflow.models.base import AbstractModel


def predict_table(model: AbstractModel) -> Cost:
    """Time bands at the sampled k twice."""
    from blochflow.geometry.bands import bands
    from blochflow.response.symmetry import SAMPLES, candidate_families, sample_points

    k = sample_points(model)
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        _ = bands(model, k).velocity.block_until_ready()
        seconds = time.perf_counter() - started
    # fewer where operations share their images
    most = max(len(family) for family in candidate_families(model))
    size = SAMPLES * model.num_bands**2 * 16 * (4 + 2 * model.dimension)
    spent = f"{duration(seconds)} to {duration(most * seconds)}"
    return Cost(f"{SAMPLES:,} to {most * SAMPLES:,}", spent, memory(size))
