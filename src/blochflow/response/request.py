"""What a user asks of a response: model, states, how the zone is integrated; the same for every response."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from blochflow.core.checks import fail, nearest
from blochflow.core.errors import SymmetryWarning
from blochflow.core.quantity import Quantity
from blochflow.core.status import Status
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.average import average_over_zone
from blochflow.response.cold_states import with_cold_zeros
from blochflow.response.integrands import BandIntegrand, as_tensor
from blochflow.response.potential import precise_chemical_potential
from blochflow.response.reduction import use_symmetry
from blochflow.response.result import finish, raise_if_missed
from blochflow.response.source import ModelSource
from blochflow.response.states import States, as_states
from blochflow.response.zone_options import ZoneOptions, as_call, chart_of, check_options, measure
from blochflow.zone.certificate import Filling
from blochflow.zone.integral import Integral, closer, combined
from blochflow.zone.tolerance import Required, Tolerance

if TYPE_CHECKING:
    import xarray as xr

# Integrals are not known better than this fraction of the terms that cancel in them: rounding of energies and matrices.
UNCERTAIN = 1e-13
# What a parameter is called in words: a near match of them names the parameter.
IN_WORDS = {"chemical_potential": "mu", "relaxation_time": "tau", "electron_density": "density"}


class ZoneArguments(TypedDict, total=False):
    """Keywords of every response, as documented in `anomalous_hall`."""

    rule: str
    grid: Any
    shift: float
    symmetry: Any
    seed: int
    tolerance: Tolerance | None
    execution: Execution | None
    throw: bool


def check_keywords(name: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise TypeError for a keyword that the response ``name`` does not have, with the nearest one it has."""
    wrong = next((key for key in given if key not in known), None)
    if wrong is None:
        return
    from blochflow import response

    parameters = inspect.signature(getattr(response, name)).parameters.values()
    own = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    choices = {**{word: word for word in (*own, *known)}, **{w: p for w, p in IN_WORDS.items() if p in own}}
    hint = nearest(wrong, choices)
    suffix = f" (did you mean {choices[hint]!r}?)" if hint else f"; known are {', '.join((*own, *known))}"
    raise TypeError(f"{name}() got an unexpected keyword argument {wrong!r}{suffix}")


@dataclass(frozen=True)
class Request:
    """Checked arguments of one call."""

    model: AbstractModel
    states: States
    options: ZoneOptions
    tolerance: Tolerance
    execution: Execution
    throw: bool

    @classmethod
    def of(
        cls,
        name: str,
        model: Any,
        mu: Any,
        temperature: Any,
        arguments: ZoneArguments,
        density: Any = None,
        *,
        plane: bool = False,
    ) -> Request:
        """Check the arguments of the response ``name``; with ``density`` the chemical potential is solved for.

        ``plane`` asks for two dimensions or more.
        """
        check_keywords(name, arguments, ZoneArguments.__annotations__)
        rest: dict[str, Any] = dict(arguments)
        throw = rest.pop("throw", True)
        tolerance, execution = as_call(model, rest.pop("tolerance", None), rest.pop("execution", None), throw)
        if plane and model.dimension < 2:
            raise fail("model", f"have two or three dimensions for {name}", f"{model.name} has one")
        options = ZoneOptions(**rest)

        def solve(n: Any, t: Any) -> Any:
            return precise_chemical_potential(model, n, t, options, tolerance, execution)

        states = as_states(model, mu, temperature, density, solve)
        return cls(model, states, options, tolerance, execution, throw)

    def factor(self, quantity: Quantity) -> tuple[float, str]:
        """From averages over the zone to the units of a quantity, and their label."""
        scale, unit = quantity.unit(self.model.units.name, self.model.dimension)
        return scale * self.model.spin_degeneracy * measure(self.model), unit

    def tightened(self, total: Integral) -> Request | None:
        """The same, more accurate, for terms whose sum ``total`` missed its tolerance by cancellation, or None."""
        wanted = closer(total, Required(self.tolerance))
        if wanted is None:
            return None
        return replace(
            self, tolerance=wanted.tolerance, options=self.options.tightened(self.tolerance, wanted.tolerance)
        )

    @property
    def reference(self) -> float:
        """An energy near the chemical potentials."""
        return float(0.5 * (self.states.mu.min() + self.states.mu.max()))

    def integrals(
        self,
        bands: BandIntegrand,
        watched: tuple[bool, ...] = (),
        parts: tuple[tuple[int, int], ...] = (),
        factor: float = 1.0,
        terms: float = 0.0,
        quotients: tuple[tuple[int, int, float], ...] = (),
    ) -> list[Integral]:
        """One integral for each tensor of ``bands``, whose results times ``factor`` are in public units."""
        required = Required(self.tolerance, factor, bands.tensors, watched, parts, terms, quotients)
        whole = self._average(bands, required)
        if terms:
            known = np.maximum(whole.error, UNCERTAIN * terms)
            whole = replace(whole, error=known if whole.forbidden is None else np.where(whole.forbidden, 0.0, known))
        if bands.tensors == 1:
            return [whole]
        # each tensor is judged, whether watched or not
        fine = whole.error <= replace(required, watched=()).allowed(whole.value, whole.absolute)
        return [self._tensor(whole, fine, slice(i * bands.size, (i + 1) * bands.size)) for i in range(bands.tensors)]

    def _average(self, bands: BandIntegrand, required: Required) -> Integral:
        """Average over the zone for all states."""
        mu, kt = self.all_states()

        def average(mu: np.ndarray, kt: np.ndarray) -> Integral:
            return average_over_zone(
                self.model, bands, mu, kt, options=self.options, required=required, execution=self.execution
            )

        if not bands.vanishes_cold:
            return average(mu, kt)
        # options are refused whether or not there is something to integrate
        check_options(self.model, self.options, self.tolerance)
        return with_cold_zeros(average, mu, kt, bands.components)

    def all_states(self) -> tuple[np.ndarray, np.ndarray]:
        """mu and k_B T of all states.

        Where a density is given, those at both ends of the uncertainty of mu follow those at mu; where that is not
        known there are no ends, and `finish` says so in the error.
        """
        states, around = self.states, [self.states.mu]
        if "density" in states.dims:
            spread = np.where(np.isfinite(states.mu_error), states.mu_error, 0.0)
            around += [states.mu - spread, states.mu + spread]
        return np.concatenate(around), np.tile(states.kt, len(around))

    def forbids(self, bands: BandIntegrand) -> bool:
        """True where the verified symmetry forbids every component, whatever the rule."""
        if self.options.symmetry is False or self.options.symmetry is None:
            return False
        source = ModelSource(self.model, bands, chart_of(self.model), self.execution)
        with warnings.catch_warnings():
            # the integral itself warns
            warnings.simplefilter("ignore", SymmetryWarning)
            found = use_symmetry(source, Filling(*self.all_states()), self.options.symmetry, self.tolerance)
        return found.forbidden is not None and bool(found.forbidden.all())

    def checked(self, quantity: Quantity, result: xr.Dataset) -> xr.Dataset:
        """The result, or `ConvergenceError` with it."""
        return raise_if_missed(quantity, result, self.throw)

    def _tensor(self, whole: Integral, fine: np.ndarray, columns: slice) -> Integral:
        """One tensor of several, of which the components ``fine`` are within their tolerance."""
        value, error, absolute = whole.value[:, columns], whole.error[:, columns], whole.absolute[:, columns]
        converged = np.asarray(fine[:, columns].all(axis=-1))
        return replace(
            whole,
            value=value,
            error=error,
            absolute=absolute,
            converged=converged,
            status=Status.CONVERGED if converged.all() else whole.status,
            history=[(points, values[:, columns]) for points, values in whole.history],
            forbidden=None if whole.forbidden is None else whole.forbidden[columns],
            cutoff_tail=None if whole.cutoff_tail is None else whole.cutoff_tail[:, columns],
        )

    def result(
        self, quantity: Quantity, integral: Integral, bands: BandIntegrand, unit: str, throw: bool
    ) -> xr.Dataset:
        """The Dataset of one tensor."""
        axes = ("a", "b", "c")[: bands.kind.rank]

        def tensor(x: np.ndarray) -> np.ndarray:
            return as_tensor(x, bands, self.model.dimension) if axes else x[..., 0]

        return self.dataset(quantity, integral, tensor, axes, unit, throw)

    def dataset(
        self,
        quantity: Quantity,
        integral: Integral,
        tensor: Callable[[np.ndarray], np.ndarray],
        axes: tuple[str, ...],
        unit: str,
        throw: bool,
    ) -> xr.Dataset:
        """The Dataset of an integral whose components (..., C) ``tensor`` turns into (..., a, b, ..)."""
        return finish(
            quantity,
            self.model,
            self.states,
            integral,
            tensor=tensor,
            cartesian=axes,
            unit=unit,
            options=self.options,
            tolerance=self.tolerance,
            throw=throw,
        )

    def tensor_rows(self, rows: np.ndarray, bands: BandIntegrand) -> np.ndarray:
        """(mu, temperature, a, b) of rows for states, without those at the ends of an uncertain mu."""
        tensor = as_tensor(rows[: len(self.states.mu)], bands, self.model.dimension)
        return tensor.reshape(*self.states.shape, *tensor.shape[1:])

    def added(self, first: Integral, second: Integral) -> Integral:
        """Sum of two integrals of the same states, judged by the tolerance as a whole."""
        absolute = np.maximum(first.absolute, second.absolute)
        value, error = first.value + second.value, first.error + second.error
        total = combined([first, second], value, error, absolute, self.tolerance)
        forbidden = tail = None
        if first.forbidden is not None and second.forbidden is not None:
            forbidden = first.forbidden & second.forbidden
        if first.cutoff_tail is not None and second.cutoff_tail is not None:
            tail = first.cutoff_tail + second.cutoff_tail
        history = [*first.history[:-1], *total.history]
        return replace(total, history=history, forbidden=forbidden, cutoff_tail=tail)
