"""What is integrated for a current at one field and place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import as_choice, as_real_array, fail
from blochflow.core.quantity import Quantity
from blochflow.models.base import AbstractModel
from blochflow.models.local import AbstractLocalModel
from blochflow.nonadiabatic.arguments import as_places
from blochflow.nonadiabatic.field_model import FieldModel
from blochflow.nonadiabatic.hybridisation import Grouping
from blochflow.nonadiabatic.mixing import Mixing
from blochflow.response.catalog_field import FINITE_FIELD_CURRENT, SINGLE_BAND_CURRENT
from blochflow.response.field_grid import grid_in_field
from blochflow.response.field_integrands import (
    FieldIntegrand,
    HybridCurrent,
    HybridSea,
    HybridSurface,
    SingleBandSea,
    SingleBandSurface,
)
from blochflow.response.relaxation import per_time
from blochflow.response.request import Request
from blochflow.response.strong_mixing import changes_of_current, strong_cells
from blochflow.response.texture_average import as_cell, check_period
from blochflow.response.uniform import MANY_STATES
from blochflow.response.valley import as_partition, of_polygon, triangles_of
from blochflow.response.zone_options import chart_of, measure
from blochflow.zone.charts import AbstractChart
from blochflow.zone.integral import Integral

THEORIES = ("multiband", "single_band")


@dataclass(frozen=True)
class FieldRequest:
    """A checked request for one field and place, and what is integrated for it."""

    request: Request
    model: FieldModel
    sea: FieldIntegrand
    surface: FieldIntegrand
    times: np.ndarray
    theory: str

    @classmethod
    def of(
        cls,
        model: AbstractModel | AbstractLocalModel,
        mu: Any,
        temperature: Any,
        arguments: Any,
        density: Any,
        field: np.ndarray,
        place: np.ndarray | None,
        time: Any,
        theory: str,
        grouping: Grouping,
        times: np.ndarray,
    ) -> FieldRequest:
        """Check the rest of the arguments."""
        dressed = theory == "multiband"
        moment = as_real_array(time, "t", max_ndim=0)
        in_field = FieldModel(model, field, grouping, place=place, time=moment, dressed=dressed)
        request = Request.of(FINITE_FIELD_CURRENT.name, in_field, mu, temperature, arguments, density)
        vector = jnp.asarray(field)
        if dressed:
            grid = grid_in_field(in_field, request.states.kt, request.tolerance) if vector.any() else None
            if grid is not None:
                request = replace(request, options=replace(request.options, fewest=grid.points))
            whole = grid is not None and not grid.resolves_gap
            return cls(request, in_field, HybridSea(vector, whole), HybridSurface(vector), times, theory)
        sea = SingleBandSea(vector, isinstance(model, AbstractLocalModel))
        return cls(request, in_field, sea, SingleBandSurface(vector), times, theory)

    @property
    def quantity(self) -> Quantity:
        """What results say of themselves."""
        return FINITE_FIELD_CURRENT if self.theory == "multiband" else SINGLE_BAND_CURRENT

    @property
    def dimension(self) -> int:
        """Of space."""
        return int(self.request.model.dimension)

    def terms(self, corners: np.ndarray | None) -> tuple[list[Integral], Integral]:
        """Sums over states, and the part of order tau, per relaxation time; in public units, over a polygon or all."""
        factor, _ = self.request.factor(FINITE_FIELD_CURRENT)
        slow = factor * per_time(self.request.model)

        def both(asked: Request) -> tuple[list[Integral], Integral]:
            if corners is not None:
                area = factor / measure(self.request.model) / (2 * np.pi) ** 2
                change = area * per_time(self.request.model)
                return [of_polygon(asked, corners, self.sea, area)], of_polygon(asked, corners, self.surface, change)
            if self._shares_points(asked):
                return self._at_same_points(asked, factor)
            of_sea = asked.integrals(self.sea, factor=abs(factor), watched=self.watched)
            (of_surface,) = asked.integrals(self.surface, factor=slow * float(self.times.max()))
            return [x.scaled(factor) for x in of_sea], of_surface.scaled(slow)

        sea, surface = both(self.request)
        for time in one_by_one(self.times):
            tighter = self.request.tightened(self.total(sea[0], surface, time))
            if tighter is not None:
                return both(tighter)
        return sea, surface

    def _shares_points(self, asked: Request) -> bool:
        """Whether one grid serves both parts; many states go through histograms, of one part each."""
        on_grid = asked.options.rule == "auto" and asked.options.fewest is not None
        return on_grid and isinstance(self.sea, HybridSea) and len(asked.all_states()[0]) <= MANY_STATES

    def _at_same_points(self, asked: Request, factor: float) -> tuple[list[Integral], Integral]:
        """Both parts from one warm grid."""
        longest = float(self.times.max())
        time = per_time(self.request.model) * longest
        pair = HybridCurrent(self.sea.field, jnp.asarray(time), self.sea.whole)  # type: ignore[attr-defined]
        sea, surface = asked.integrals(pair, factor=abs(factor))
        # points are counted once
        return [sea.scaled(factor)], replace(surface, evaluations=0).scaled(factor / longest)

    @property
    def watched(self) -> tuple[bool, ...]:
        """The transport current decides."""
        return () if self.sea.tensors == 1 else (True,) + (False,) * (self.sea.tensors - 1)

    def mixing(self, corners: np.ndarray | None) -> tuple[Mixing, np.ndarray, np.ndarray]:
        """How strongly the field mixes bands, and (mu, temperature, a) changes of the current where such bands are one
        group: parts of order tau^0, and tau per relaxation time, in public units."""
        asked, model = self.request, self.model
        factor = asked.factor(FINITE_FIELD_CURRENT)[0]
        domain: list[tuple[float, AbstractChart]] = [(1.0, chart_of(model))]
        if corners is not None:
            domain = list(triangles_of(corners, np.asarray(model.lattice.reciprocal)))  # type: ignore[union-attr]
            factor = factor / measure(model) / (2 * np.pi) ** 2
        mixing, cells = strong_cells(model, domain)
        states = asked.states
        # of parts of the zone: the gradients d_k E integrate to zero over all of it only
        whole = replace(self.sea, whole=True) if isinstance(self.sea, HybridSea) else self.sea
        sea, surface = changes_of_current(model, (whole, self.surface), cells, states.mu, states.kt)
        shape = (*states.shape, self.dimension)
        return mixing, factor * sea.reshape(shape), factor * per_time(model) * surface.reshape(shape)

    def total(self, sea: Integral, surface: Integral, time: float) -> Integral:
        """The current for one relaxation time."""
        return self.request.added(sea, surface.scaled(float(time)))


def checked_places(model: Any, x: Any, cell: Any, density: Any, time: Any = 0.0) -> np.ndarray:
    """(X, d) places; of a cell that is averaged its corner."""
    if cell is None:
        return as_places(x, model)
    if density is not None:
        raise fail("density", "be left out where a cell is averaged: mu is the same everywhere in it", "is given")
    if not isinstance(model, AbstractLocalModel):
        raise fail("cell", "be left out for models that do not vary in space", "is given")
    check_period(model, as_cell(cell, model.dimension), as_real_array(time, "t", max_ndim=0))
    places = as_places(np.zeros(model.dimension) if x is None else x, model)
    if len(places) != 1:
        raise fail("x", "be one place, the corner of the cell", f"holds {len(places)}")
    return places


def check_theory(
    model: Any, theory: Any, active: Any, partition: Any, places: np.ndarray
) -> dict[str, np.ndarray] | None:
    """The polygons of a partition; refuses what a theory does not have."""
    as_choice(theory, "theory", THEORIES)
    if theory == "single_band" and active is not None:
        raise fail("active", "be left out for single bands", "is given")
    if partition is None:
        return None
    polygons = as_partition(partition)
    if model.dimension != 2 or model.lattice is None:
        raise fail("model", "be periodic in two dimensions for a partition of its zone", f"{model.name} is not")
    if len(places) and theory == "single_band":
        raise fail("partition", "be left out for single bands in textures", "is given")
    return polygons


def as_times_or_number(tau: Any) -> np.ndarray:
    """Positive relaxation times, (S,) or ()."""
    return np.asarray(as_real_array(tau, "tau", positive=True))


def one_by_one(times: np.ndarray) -> np.ndarray:
    """(S,)."""
    return np.atleast_1d(times)
