"""Responses that are sums of a few integrals with complex factors: tensors, their parts, and Datasets over scans.

    value = sum over parts,   part = sum_i c_i X_i,   error = sum_i |c_i| error_i

The factors c_i hold relaxation times and frequencies; the integrals X_i are made once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.quantity import Quantity
from blochflow.core.scans import Scan
from blochflow.response.integrands import as_tensor
from blochflow.response.reduction import unsigned
from blochflow.response.request import Request
from blochflow.response.zone_options import measure
from blochflow.zone.integral import Integral, combined

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Base:
    """One tensor of rank r of all states, in natural units, or a sum of several with factors.

    Attributes
    ----------
    value, error, absolute, tail : (P, d, d, ..)
        ``tail`` is that of a k.p cutoff, or zero.
    forbidden : (d, d, ..) bool
    sources : tuple of Integral
        One for each pass over the zone.
    """

    value: np.ndarray
    error: np.ndarray
    absolute: np.ndarray
    tail: np.ndarray
    forbidden: np.ndarray
    sources: tuple[Integral, ...] = ()

    @property
    def evaluations(self) -> int:
        """k points of all passes."""
        return sum(source.evaluations for source in self.sources)

    @classmethod
    def of(cls, integral: Integral, bands: Any, dimension: int, factor: float, source: Integral) -> Base:
        """The tensor of an integral of ``bands``, times ``factor``; ``source`` stands for its pass over the zone."""
        tail = np.zeros_like(integral.value) if integral.cutoff_tail is None else integral.cutoff_tail
        value, tail = (factor * as_tensor(x, bands, dimension) for x in (integral.value, tail))
        plain = unsigned(bands)
        error, absolute = (abs(factor) * as_tensor(x, plain, dimension) for x in (integral.error, integral.absolute))
        mask = np.zeros(bands.size) if integral.forbidden is None else integral.forbidden.astype(float)
        # entries that the tensor does not have, such as the diagonal of an antisymmetric one, are zero too
        forbidden = as_tensor(1 - mask, plain, dimension) == 0
        return cls(value, error, absolute, tail, forbidden, (source,))

    @classmethod
    def zero(cls, states: int, dimension: int, rank: int) -> Base:
        """Nothing."""
        shape = (dimension,) * rank
        none = np.zeros((states, *shape))
        return cls(none, none, none, none, np.ones(shape, dtype=bool))

    def times(self, factor: complex) -> Base:
        """Value and tail times a complex number."""
        size, mask = abs(factor), self.forbidden if factor != 0 else np.ones_like(self.forbidden)
        return Base(
            factor * self.value, size * self.error, size * self.absolute, factor * self.tail, mask, self.sources
        )

    def turned(self, axes: str) -> Base:
        """Other order of indices: "bca" makes the tensor whose entry (a, b, c) is X_bca of this one."""
        letters = sorted(axes)

        def one(array: np.ndarray, leading: str = "p") -> np.ndarray:
            return np.einsum(f"{leading}{axes}->{leading}{''.join(letters)}", array)

        mask = one(self.forbidden, "")
        return Base(one(self.value), one(self.error), one(self.absolute), one(self.tail), mask, self.sources)

    def plus(self, other: Base) -> Base:
        """Sum; errors add up."""
        value, error = self.value + other.value, self.error + other.error
        absolute, tail = self.absolute + other.absolute, self.tail + other.tail
        sources = tuple({id(x): x for x in (*self.sources, *other.sources)}.values())
        return Base(value, error, absolute, tail, self.forbidden & other.forbidden, sources)


def total(terms: Iterable[Base]) -> Base:
    """Sum of several tensors."""
    first, *rest = terms
    for term in rest:
        first = first.plus(term)
    return first


def bases(request: Request, bands: Any, unit: float, quotients: tuple[tuple[int, int, float], ...] = ()) -> list[Base]:
    """One tensor per tensor of ``bands``, integrated over d^dk/(2 pi)^d with spins.

    ``unit`` times these are numbers of the size to which an absolute tolerance refers; ``quotients`` as in `Required`.
    """
    model = request.model
    factor = model.spin_degeneracy * measure(model)
    integrals = request.integrals(bands, factor=unit * factor, terms=bands.terms, quotients=quotients)
    # the worst of a pass stands for it, so that its work is counted once
    source = next((x for x in integrals if not x.converged.all()), integrals[0])
    return [Base.of(integral, bands, model.dimension, factor, source) for integral in integrals]


def as_integral(request: Request, part: Base, factor: float) -> Integral:
    """A sum as one integral in public units, judged by the tolerance; components are the flattened tensor."""

    def flat(array: np.ndarray) -> np.ndarray:
        return factor * array.reshape(len(array), -1)

    sources = list(part.sources)
    largest = flat(part.absolute).max(axis=-1, keepdims=True)
    value = flat(part.value)
    absolute = np.broadcast_to(largest, value.shape)
    found = combined(sources, value, np.abs(flat(part.error)), absolute, request.tolerance)
    has_tail = any(x.cutoff_tail is not None for x in part.sources)
    texts = [x.symmetry for x in sources]
    return replace(
        found,
        forbidden=part.forbidden.reshape(-1) if any(x.forbidden is not None for x in part.sources) else None,
        cutoff_tail=flat(part.tail) if has_tail else None,
        history=[(points, entry.real) for points, entry in found.history],
        symmetry="; ".join(dict.fromkeys(texts)),
        grid=next((x.grid for x in sources if x.grid), ()),
    )


def point_dataset(
    request: Request, quantity: Quantity, parts: Mapping[str, Base], axes: tuple[str, ...], value: Base | None = None
) -> tuple[xr.Dataset, Integral]:
    """The Dataset of one choice of relaxation times and frequencies, with the parts of the value.

    ``value`` is the sum of the parts, where it is known better than each of them.
    """
    factor, unit = quantity.unit(request.model.units.name, request.model.dimension)
    d = request.model.dimension
    whole = as_integral(request, total(parts.values()) if value is None else value, factor)

    def tensor(rows: np.ndarray) -> np.ndarray:
        return rows.reshape(*rows.shape[:-1], *(d,) * len(axes))

    result = request.dataset(quantity, whole, tensor, axes, unit, throw=False)
    dims, states = result["value"].dims, request.states.shape
    count = len(request.states.mu)

    def stacked(name: str, scale: float) -> np.ndarray:
        each = [scale * getattr(part, name)[:count] for part in parts.values()]
        return np.stack([x.reshape(*states, *x.shape[1:]) for x in each])

    result["parts"] = (("part", *dims), stacked("value", factor), {"units": unit, "long_name": "parts of the value"})
    result["parts_error"] = (("part", *dims), stacked("error", abs(factor)), {"units": unit})
    if whole.forbidden is not None:
        masks = np.stack([part.forbidden for part in parts.values()])
        result["parts_forbidden"] = (("part", *axes), masks, {"long_name": "zero by symmetry"})
    return result.assign_coords(part=list(parts)), whole


def sharper_request(request: Request, whole: Integral, parts: Mapping[str, Base]) -> list[Request]:
    """What to ask of the integrals where each has converged but their sum has not, since they cancel; else nothing."""
    if not all(source.converged.all() for part in parts.values() for source in part.sources):
        return []
    tighter = request.tightened(whole)
    return [] if tighter is None else [tighter]


def joined(results: Any, scans: Sequence[Scan]) -> xr.Dataset:
    """Nested lists of Datasets along ``scans``; one that is not a list adds no dimension."""
    import xarray as xr

    if not scans:
        return results
    scan, rest = scans[0], scans[1:]
    each = [joined(item, rest) for item in results]
    if not scan.listed:
        return each[0]
    fixed = ("forbidden", "parts_forbidden")
    found = xr.concat([x.drop_vars(fixed, errors="ignore") for x in each], dim=scan.name, combine_attrs="override")
    for variable in fixed:
        if variable in each[0]:
            found[variable] = each[0][variable].copy(data=np.all([x[variable].values for x in each], axis=0))
    statuses = [x.attrs for x in each if x.attrs["status"] != "CONVERGED"]
    for key in ("status", "status_message") if statuses else ():
        found.attrs[key] = statuses[0][key]
    return found


def ordered(result: xr.Dataset) -> xr.Dataset:
    """Dimensions in the order part, mu, temperature, other scans, Cartesian."""
    last = [d for d in ("a", "b", "c") if d in result.dims]
    first = [d for d in ("part", "mu", "density", "temperature") if d in result.dims]
    scans = [d for d in result.dims if d not in (*first, *last)]
    return result.transpose(*first, *scans, *last)
