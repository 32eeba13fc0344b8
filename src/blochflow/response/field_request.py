"""What is integrated for a current at one field and place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import as_real_array
from blochflow.models.base import AbstractModel
from blochflow.models.local import AbstractLocalModel
from blochflow.nonadiabatic.field_model import FieldModel
from blochflow.nonadiabatic.hybridisation import Grouping
from blochflow.response.catalog_field import FINITE_FIELD_CURRENT
from blochflow.response.field_integrands import (
    FieldIntegrand,
    HybridSea,
    HybridSurface,
    SingleBandSea,
    SingleBandSurface,
)
from blochflow.response.relaxation import per_time
from blochflow.response.request import Request
from blochflow.response.valley import of_polygon
from blochflow.zone.integral import Integral

THEORIES = ("multiband", "single_band")


@dataclass(frozen=True)
class FieldRequest:
    """A checked request for one field and place, and what is integrated for it."""

    request: Request
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
            return cls(request, HybridSea(vector), HybridSurface(vector), times, theory)
        sea = SingleBandSea(vector, isinstance(model, AbstractLocalModel))
        return cls(request, sea, SingleBandSurface(vector), times, theory)

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
                area = factor * self.request.model.lattice.volume / (2 * np.pi) ** 2
                change = area * per_time(self.request.model)
                return [of_polygon(asked, corners, self.sea, area)], of_polygon(asked, corners, self.surface, change)
            of_sea = asked.integrals(self.sea, factor=abs(factor), watched=self.watched)
            (of_surface,) = asked.integrals(self.surface, factor=slow * float(self.times.max()))
            return [x.scaled(factor) for x in of_sea], of_surface.scaled(slow)

        sea, surface = both(self.request)
        for time in one_by_one(self.times):
            tighter = self.request.tightened(self.total(sea[0], surface, time))
            if tighter is not None:
                return both(tighter)
        return sea, surface

    @property
    def watched(self) -> tuple[bool, ...]:
        """The transport current decides."""
        return () if self.sea.tensors == 1 else (True,) + (False,) * (self.sea.tensors - 1)

    def total(self, sea: Integral, surface: Integral, time: float) -> Integral:
        """The current for one relaxation time."""
        return self.request.added(sea, surface.scaled(float(time)))


def as_times_or_number(tau: Any) -> np.ndarray:
    """Positive relaxation times, (S,) or ()."""
    return np.asarray(as_real_array(tau, "tau", positive=True))


def one_by_one(times: np.ndarray) -> np.ndarray:
    """(S,)."""
    return np.atleast_1d(times)


def with_error(integral: Integral, error: np.ndarray) -> Integral:
    """The same with another error."""
    return replace(integral, error=error)
