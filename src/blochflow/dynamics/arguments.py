"""Arguments of `propagate`, checked before anything moves: steps and collisions."""

from __future__ import annotations

from typing import Any

from blochflow.core.checks import as_index, as_real_array, fail
from blochflow.dynamics.collisions import Collisions
from blochflow.dynamics.scatterers import AbstractScatterer, make_scatterer
from blochflow.dynamics.starts import Model
from blochflow.dynamics.theory import AbstractTheory, AdiabaticTheory
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields
from blochflow.models.local import AbstractLocalModel
from blochflow.zone.tolerance import Tolerance

DEFAULT_RTOL = 1e-9


def as_conserving(step: Any, model: Model, fields: Fields, theory: AbstractTheory) -> float | None:
    """Length of steps that conserve the energy, or None; refuses what has no such energy."""
    if step is None:
        return None
    length = float(as_real_array(step, "conserving_step", max_ndim=0, positive=True))
    if isinstance(model, AbstractLocalModel) and model.varies_in_time:
        raise fail("conserving_step", "be left out for models that vary in time", f"is given for {model.name}")
    if not fields.uniform:
        raise fail("conserving_step", "be left out where fields are functions of (x, t)", f"is {step!r}")
    missing = theory.unconserved(model)
    if missing:
        raise fail("conserving_step", f"be left out: {missing}", f"is {step!r}")
    return length


def as_scatterer(
    collisions: Any, seed: Any, model: Model, fields: Fields, theory: AbstractTheory, sense: float
) -> AbstractScatterer | None:
    """Collisions of a run, or None; refuses what they cannot be combined with."""
    if collisions is None:
        if seed is not None:
            raise fail("seed", "be left out without `collisions`", f"is {seed!r}")
        return None
    if not isinstance(collisions, Collisions):
        raise fail("collisions", "be a bf.Collisions", f"is a {type(collisions).__name__}")
    must = "be a non-negative integer where `collisions` are given"
    if seed is None or as_index(seed, "seed", must) < 0:
        raise fail("seed", must, f"is {seed!r}")
    if not isinstance(model, AbstractModel):
        raise fail("collisions", "be left out for models that vary in space or time", f"are given for {model.name}")
    if fields.magnetic_function is not None:
        raise fail("magnetic_field", "be uniform where `collisions` are given", "is a function")
    if sense < 0:
        raise fail("times", "increase where `collisions` are given", "decrease")
    if not isinstance(theory, AdiabaticTheory):
        raise fail("theory", 'be "adiabatic" where `collisions` are given', f"is {theory!r}")
    if fields.electric_function is not None and theory.options.second_order:
        raise fail("electric_field", "be uniform where `collisions` are given at second order", "is a function")
    return make_scatterer(collisions, model, fields, theory.options, int(seed))


def as_step_tolerance(tolerance: Any) -> float:
    """Error of one step."""
    if tolerance is None:
        return DEFAULT_RTOL
    if not isinstance(tolerance, Tolerance):
        raise fail("tolerance", "be a bf.Tolerance, e.g. bf.Tolerance(rtol=1e-9)", f"is {tolerance!r}")
    if not 1e-14 <= tolerance.rtol <= 1e-2:
        raise fail("tolerance", "have an rtol between 1e-14 and 1e-2", f"has rtol = {tolerance.rtol:g}")
    return float(tolerance.rtol)
