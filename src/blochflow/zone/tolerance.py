"""The accuracy asked for: error <= max(atol, rtol * S), S the largest |component| of the tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_index, as_real_array, fail, parse_bytes

# Vanishing by symmetry leaves rounding of the summed |integrand|; a quantity below this fraction of it is zero.
ROUNDING_FLOOR = 1e-12
# With rtol this is such a fraction too: sums that cancel to six digits are asked for to rtol of the first digit beyond.
CANCELLED = 1e-6


@dataclass(frozen=True)
class Tolerance:
    """Requested accuracy of a Brillouin-zone integral.

    Parameters
    ----------
    rtol : float
        Relative to the largest component of the tensor at each (mu, temperature).
    atol : float or None
        Absolute, in the units of the result.  None: 1e-6 rtol, and at least 1e-12, of the integral of the absolute
        integrand, so that a quantity that vanishes, by symmetry or otherwise, converges.
    max_evaluations : int or None
        Most k points to use; fewer than the first grid or the coarsest cells need are refused, and the first sample of
        ``rule="local"`` is always taken.  None: 1e6, 4e6, 1e6 in one, two, three dimensions, 3e6 for
        ``rule="local"``; cells proven within these are all evaluated once, by which more may be used.
    max_memory : str, int or None
        Most memory for the values of refined cells (rule "cells"), e.g. ``"500 MB"``; the integral stops unconverged
        there.  None: half of ``Execution(max_memory=...)``.

    Raises
    ------
    ValueError
        Not numbers, negative, not finite, or a number of k points that is not whole.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Tolerance(rtol=1e-4)
    Tolerance(rtol=0.0001, atol=None, max_evaluations=None, max_memory=None)
    """

    rtol: float = 1e-3
    atol: float | None = None
    max_evaluations: int | None = None
    max_memory: str | int | None = None

    def __post_init__(self) -> None:
        as_real_array(self.rtol, "rtol", max_ndim=0, positive=False)
        if self.atol is not None:
            as_real_array(self.atol, "atol", max_ndim=0, positive=False)
        must = "be None or an integer of at least 1"
        if self.max_evaluations is not None and as_index(self.max_evaluations, "max_evaluations", must) < 1:
            raise fail("max_evaluations", must, f"is {self.max_evaluations}")
        if self.max_memory is not None:
            parse_bytes(self.max_memory)

    def allowed(self, scale: np.ndarray, absolute: np.ndarray, factor: float = 1.0) -> np.ndarray:
        """Largest allowed error for tensors of size ``scale``; ``factor`` converts results to the units of atol."""
        floor = self.fraction * absolute if self.atol is None else self.atol / factor
        return np.maximum(floor, self.rtol * scale)

    @property
    def fraction(self) -> float:
        """Default of atol, relative to the integral of the absolute integrand."""
        return max(ROUNDING_FLOOR, CANCELLED * self.rtol)

    def evaluations(self, dimension: int) -> int:
        """Most k points in ``dimension`` dimensions."""
        default = {1: 1_000_000, 2: 4_000_000, 3: 1_000_000}[dimension]
        return default if self.max_evaluations is None else int(self.max_evaluations)

    @property
    def memory_bytes(self) -> int | None:
        """``max_memory`` in bytes."""
        return None if self.max_memory is None else parse_bytes(self.max_memory)


def as_tolerance(value: Any) -> Tolerance:
    """Check an argument ``tolerance``; None is the default."""
    if value is not None and not isinstance(value, Tolerance):
        raise fail("tolerance", "be a bf.Tolerance, e.g. bf.Tolerance(rtol=1e-3)", f"is {value!r}")
    return value or Tolerance()


@dataclass(frozen=True)
class Required:
    """What a vector of integrals must meet: tensors one after another, each with its own scale.

    Attributes
    ----------
    tolerance : Tolerance
    factor : float
        Converts values to the units of ``tolerance.atol``.
    tensors : int
        Number of tensors among the components.
    watched : tuple of bool
        Tensors that must converge; all where empty.  Others are reported with their errors.
    parts : tuple of (int, int)
        Tensors (whole, part): a whole that vanishes because its parts cancel is known to their rounding only.
    terms : float
        Size of the terms of an integrand that may cancel at every k, leaving rounding: averages of absolute values.
    quotients : tuple of (int, int, float)
        Tensors (numerator, denominator) and how well their quotient must be known: the numerator to this many times
        the largest entry of the denominator, where that is more than its own tolerance.
    """

    tolerance: Tolerance
    factor: float = 1.0
    tensors: int = 1
    watched: tuple[bool, ...] = ()
    parts: tuple[tuple[int, int], ...] = ()
    terms: float = 0.0
    quotients: tuple[tuple[int, int, float], ...] = ()

    def scale(self, absolute: np.ndarray) -> np.ndarray:
        """Integrals of absolute values: the largest of each tensor, of a whole at least that of its parts; (..., C)."""
        found = np.maximum(self.largest(absolute), self.terms)
        if not self.parts:
            return found
        split = found.reshape(*found.shape[:-1], self.tensors, -1).copy()
        for whole, part in self.parts:
            split[..., whole, :] = np.maximum(split[..., whole, :], split[..., part, :])
        return split.reshape(found.shape)

    def largest(self, size: np.ndarray) -> np.ndarray:
        """Largest entry of each tensor, at every component of it: (..., C) -> (..., C)."""
        split = size.reshape(*size.shape[:-1], self.tensors, -1)
        return np.broadcast_to(split.max(axis=-1, keepdims=True), split.shape).reshape(size.shape)

    def allowed(self, value: np.ndarray, absolute: np.ndarray) -> np.ndarray:
        """Largest allowed error of every component, (..., C), from values and integrals of absolute values."""
        size = self.largest(np.abs(value))
        limit = self.tolerance.allowed(size, absolute, self.factor)
        if self.quotients:
            shape = (*size.shape[:-1], self.tensors, -1)
            size, split = size.reshape(shape), limit.reshape(shape).copy()
            for numerator, denominator, atol in self.quotients:
                split[..., numerator, :] = np.maximum(split[..., numerator, :], atol * size[..., denominator, :])
            limit = split.reshape(limit.shape)
        if not self.watched or all(self.watched):
            return limit
        free = np.repeat(~np.array(self.watched), value.shape[-1] // self.tensors)
        return np.where(free, np.inf, limit)

    def met(self, value: np.ndarray, error: np.ndarray, absolute: np.ndarray) -> np.ndarray:
        """(...,) True where every component is within its allowed error."""
        return np.asarray((error <= self.allowed(value, absolute)).all(axis=-1))
