"""Whether a uniform grid serves an integrand, with how many points, and the attempt.

    error ~ (2X)^(m-1) exp(-X),   X = 2 pi N a,   a = min(gap/2, pi k_B T)/speed

a is the distance of the nearest singularity from the axis, m the order of the poles there: 1 of f, 2 of -f'.
Source: Trefethen and Weideman, SIAM Review 56, 385 (2014), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.source import ModelSource
from blochflow.response.uniform import order_of_poles, uniform_average
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import Certified, Filling
from blochflow.zone.grids import NestedGrid
from blochflow.zone.integral import Integral
from blochflow.zone.tolerance import Required, Tolerance
from blochflow.zone.uniform import needed_exponent

# A uniform grid is tried up to this many points, and this many times the number its rate predicts.
MOST_UNIFORM = {1: 20_000, 2: 300_000, 3: 600_000}
# In warm metals every cell around the Fermi surface is needed, and three dimensions have many: grids stay cheaper.
MOST_WARM = {1: 20_000, 2: 300_000, 3: 4_000_000}
DOUBLINGS = 4


def analytic_points(
    source: ModelSource, filling: Filling, cells: CellSet, tolerance: Tolerance
) -> tuple[int, ...] | None:
    """Points per axis a uniform grid needs for sums that are smooth where bands touch, or None for too many."""
    sharpest = min(math.pi * float(filling.kt.min()), source.integrand.resolved)
    poles = order_of_poles(source.integrand)
    return resolving_points(source.model, source.bounds(cells).speed, sharpest, tolerance, poles=poles)


def uniform_points(
    tree: Certified, filling: Filling, tolerance: Tolerance, model: AbstractModel, poles: int = 1
) -> tuple[int, ...] | None:
    """Points per axis a uniform grid needs, or None where cells are the better choice.

    The error falls as exp(-2 pi N a) with a = min(gap/2, pi k_B T)/speed, since energies reach those distances in the
    complex plane there; speed along each axis of the zone.
    """
    if model.lattice is None or (tree.metallic and (filling.kt == 0).any()):
        return None
    scale = min(tree.smallest_gap / 2, math.pi * float(filling.kt.min()) if tree.metallic else math.inf)
    if not math.isfinite(scale):
        scale = tree.width or 1.0
    most = MOST_WARM if tree.metallic else MOST_UNIFORM
    return resolving_points(model, tree.speed, scale, tolerance, most, poles=poles)


def resolving_points(
    model: AbstractModel,
    speed: np.ndarray,
    scale: float,
    tolerance: Tolerance,
    most: Mapping[int, int] = MOST_UNIFORM,
    *,
    poles: int = 1,
) -> tuple[int, ...] | None:
    """Points per axis, the fewest that may count as converged; None where those are too many.

    Of the sharpest feature that can be they leave a hundredth of the tolerance: the difference of two grids is no
    proof, since one of them may be right by accident.
    """
    points = needed_points(model, speed, scale, tolerance, poles)
    allowed = most[model.dimension]
    if tolerance.max_evaluations is not None:
        allowed = min(allowed, tolerance.max_evaluations)
    return tuple(int(n) for n in points) if np.prod(points.astype(float)) <= allowed else None


def even_points(model: AbstractModel, needed: np.ndarray) -> tuple[int, ...]:
    """At least ``needed`` points per axis, never fewer than four for the fastest Fourier component of H."""
    repeats, reach = model.fourier_structure()
    # even numbers per repetition: of a function that repeats g times along an axis, halving the grid must drop points
    each = np.ceil(np.maximum(needed, 4 * reach) / repeats / 2) * 2
    return tuple(int(n) for n in np.maximum(8, repeats * np.maximum(each, 2)))


def needed_points(
    model: AbstractModel, speed: np.ndarray, scale: float, tolerance: Tolerance, poles: int
) -> np.ndarray:
    """(d,) points per axis of `resolving_points`, however many."""
    return np.array(even_points(model, needed_exponent(tolerance.rtol, poles) * speed / (2 * math.pi * scale)))


def try_uniform(
    model: AbstractModel,
    bands: Any,
    filling: Filling,
    points: tuple[int, ...],
    required: Required,
    execution: Execution,
) -> Integral:
    """Doubling from half of ``points``, ending after a few times the predicted number."""
    nested = NestedGrid(tuple(n // 2 for n in points))
    given = required.tolerance.max_evaluations
    limit = nested.count(DOUBLINGS) if given is None else min(given, nested.count(DOUBLINGS))
    return uniform_average(model, bands, filling, nested, None, required, execution, fewest=points, limit=limit)
