"""How a zone integral is asked for: the rule and its options, checked before anything is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blochflow.core.checks import as_bool, as_choice, as_index, fail
from blochflow.execution.threads import Execution, as_execution
from blochflow.models.base import AbstractModel, as_model
from blochflow.response.integrands import BandIntegrand
from blochflow.response.uniform import plan_grid
from blochflow.zone.charts import AbstractChart, BallChart, LatticeChart
from blochflow.zone.grids import NestedGrid
from blochflow.zone.integrate import orders_for
from blochflow.zone.tolerance import Tolerance, as_tolerance
from blochflow.zone.uniform import needed_exponent

RULES = ("auto", "uniform", "cells", "shifted", "local", "nested")


@dataclass(frozen=True)
class ZoneOptions:
    """How a zone integral is done; ``grid`` and ``shift`` ask for a fixed uniform grid.

    ``fewest`` are points per axis of the uniform grid that "auto" means for a response that knows them.
    """

    rule: str = "auto"
    grid: Any = None
    shift: Any = 0.0
    symmetry: Any = "auto"
    seed: int = 0
    fewest: tuple[int, ...] | None = None

    def tightened(self, given: Tolerance, wanted: Tolerance) -> ZoneOptions:
        """With as many of these points, even numbers, as another tolerance needs."""
        if self.fewest is None:
            return self
        ratio = needed_exponent(wanted.rtol, 1) / needed_exponent(given.rtol, 1)
        return replace(self, fewest=tuple(2 * math.ceil(0.5 * n * max(ratio, 1.0)) for n in self.fewest))


def as_call(model: Any, tolerance: Any, execution: Any, throw: Any) -> tuple[Tolerance, Execution]:
    """Check the arguments every response shares; None stands for the defaults."""
    as_model(model)
    as_bool(throw, "throw")
    return as_tolerance(tolerance), as_execution(execution)


def check_options(
    model: AbstractModel, options: ZoneOptions, tolerance: Tolerance
) -> tuple[str, tuple[NestedGrid, int | None] | None]:
    """The rule, and for uniform grids the plan; refuses what cannot be done before anything is computed."""
    rule = as_choice(options.rule, "rule", RULES)
    must = "be a non-negative integer"
    if as_index(options.seed, "seed", must) < 0:
        raise fail("seed", must, f"is {options.seed}")
    fixed = options.grid is not None or bool(np.any(options.shift != 0))
    if model.lattice is None and rule not in ("auto", "cells", "nested"):
        raise fail("rule", 'be "auto", "cells" or "nested" for continuum models, which have no zone', f"is {rule!r}")
    if fixed and rule not in ("auto", "uniform"):
        raise fail("rule", 'be "uniform" or left out where a `grid` or `shift` is given', f"is {rule!r}")
    if rule in ("shifted", "local", "nested"):
        return rule, None
    if fixed or rule == "uniform":
        return rule, plan_grid(model, options.grid, options.shift, tolerance)
    least = least_evaluations(model, tolerance)
    limit = tolerance.max_evaluations
    if limit is not None and limit < least:
        raise fail("max_evaluations", f"allow the {least} k points of the coarsest cells", f"is {limit}")
    return rule, None


def least_evaluations(model: AbstractModel, tolerance: Tolerance) -> int:
    """k points of the coarsest cells."""
    per_cell = 2 + sum(n**model.dimension for n in orders_for(tolerance, model.dimension))
    return int(np.prod(chart_of(model).base)) * per_cell


def check_warm_surface(bands: BandIntegrand, kt: np.ndarray) -> None:
    """A delta function of energy has no value on a grid of points."""
    if bands.surface and (kt == 0).any():
        must = "be above 0 for Fermi-surface quantities on points of k, where a delta function has no value"
        raise fail("temperature", must, 'holds 0 (rule="cells" can do T = 0)')


def chart_of(model: AbstractModel) -> AbstractChart:
    """The reciprocal cell, or the ball |k| < cutoff of a k.p model."""
    cutoff = getattr(model, "cutoff", None)
    if cutoff is not None:
        return BallChart(float(cutoff), model.dimension)
    if model.lattice is None:
        raise fail("model", "have a lattice or a cutoff for integrals over k", f"{model.name} has neither")
    return LatticeChart(np.asarray(model.lattice.reciprocal))


def measure(model: AbstractModel) -> float:
    """Int d^dk/(2 pi)^d per unit of what `average_over_zone` returns."""
    if model.lattice is None:
        return (2 * math.pi) ** -model.dimension
    return 1 / model.lattice.volume
