"""What every rule returns, and the sums behind it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from blochflow.core.status import Status
from blochflow.zone.tolerance import Required, Tolerance

# No sum is known better than a few rounding errors of the summed absolute integrand.
ROUNDING = 8 * np.finfo(np.float64).eps


@dataclass
class Integral:
    """Value of an integral with its error, one entry per requested number.

    Attributes
    ----------
    value, error : (P, C) arrays
        Averages over the zone, one row per state.
    converged : (P,) bool array
    absolute : (P, C) array
        Average of the absolute integrand, largest component of each tensor: the scale of rounding.
    evaluations : int
        k points used.
    status : Status
    history : list of (evaluations, value)
        Every level or round, coarse to fine.
    rule : str
        "uniform", "cells", ...
    grid : tuple of int
        Points per axis of the finest uniform grid; empty for other rules.
    rigor : str
        What the error rests on, in words.
    gap : float
        Smallest gap between filled and empty bands that was met.
    forbidden : (C,) bool array or None
        Components that symmetry forbids; they are exactly zero.
    symmetry : str
        The operations that were used, in words.
    cutoff_tail : (P, C) array or None
        For k.p models: what lies beyond the cutoff, not part of value or error.
    """

    value: np.ndarray
    error: np.ndarray
    converged: np.ndarray
    absolute: np.ndarray
    evaluations: int
    status: Status
    history: list[tuple[int, np.ndarray]] = field(default_factory=list)
    rule: str = "uniform"
    grid: tuple[int, ...] = ()
    rigor: str = ""
    gap: float = float("inf")
    forbidden: np.ndarray | None = None
    symmetry: str = "none"
    cutoff_tail: np.ndarray | None = None

    def scaled(self, factor: float) -> Integral:
        """In other units."""
        history = [(points, factor * value) for points, value in self.history]
        error, absolute = abs(factor) * self.error, abs(factor) * self.absolute
        tail = None if self.cutoff_tail is None else factor * self.cutoff_tail
        return replace(
            self, value=factor * self.value, error=error, absolute=absolute, history=history, cutoff_tail=tail
        )

    def reordered(self, order: np.ndarray) -> Integral:
        """Rows in another order."""
        history = [(points, value[order]) for points, value in self.history]
        value, error, converged = self.value[order], self.error[order], self.converged[order]
        return replace(
            self, value=value, error=error, converged=converged, absolute=self.absolute[order], history=history
        )


def merged(parts: list[tuple[np.ndarray, Integral]]) -> Integral:
    """One integral from those of parts of its states, (rows, integral) each; evaluations add up."""
    if len(parts) == 1 and np.array_equal(parts[0][0], np.arange(len(parts[0][0]))):
        return parts[0][1]
    rows = np.concatenate([some for some, _ in parts])
    each = [part for _, part in parts]

    def joined(name: str) -> np.ndarray:
        found = np.concatenate([getattr(part, name) for part in each])
        together = np.empty_like(found)
        together[rows] = found
        return together

    history = []
    for then in levels_together(each):
        value = np.empty_like(joined("value"))
        value[rows] = np.concatenate([value for _, value in then])
        history.append((sum(points for points, _ in then), value))
    failed = [part.status for part in each if part.status is not Status.CONVERGED]
    return Integral(
        joined("value"),
        joined("error"),
        joined("converged"),
        joined("absolute"),
        sum(part.evaluations for part in each),
        failed[0] if failed else Status.CONVERGED,
        history,
        rule=", ".join(dict.fromkeys(part.rule for part in each)),
        rigor="; ".join(dict.fromkeys(part.rigor for part in each)),
        grid=next((part.grid for part in each if part.grid), ()),
        gap=min(part.gap for part in each),
        symmetry=next((part.symmetry for part in each if part.symmetry != "none"), "none"),
    )


def levels_together(parts: list[Integral]) -> list[list[tuple[int, np.ndarray]]]:
    """Entries of all histories at each level: all end together, shorter ones stand at their first value before."""
    longest = max(len(part.history) for part in parts)
    return [[part.history[max(0, len(part.history) - back)] for part in parts] for back in range(longest, 0, -1)]


def closer(total: Integral, required: Required) -> Required | None:
    """What terms must meet whose sum ``total`` missed ``required`` by cancellation, or None."""
    if total.converged.all() or not np.isfinite(total.error).all():
        return None
    ratio = required.allowed(total.value, total.absolute) / np.maximum(total.error, 1e-300)
    share, given = 0.5 * min(float(ratio.min()), 1.0), required.tolerance
    atol = None if given.atol is None else share * given.atol
    return replace(required, tolerance=replace(given, rtol=share * given.rtol, atol=atol))


def combined(
    parts: list[Integral], value: np.ndarray, error: np.ndarray, absolute: np.ndarray, tolerance: Tolerance
) -> Integral:
    """One integral computed from others of the same states, judged by the tolerance as a whole."""
    converged = Required(tolerance).met(value, error, absolute)
    points = sum(part.evaluations for part in parts)
    failed = next((part.status for part in parts if part.status is not Status.CONVERGED), Status.NOT_CONVERGED)
    return replace(
        parts[0],
        value=value,
        error=error,
        absolute=absolute,
        converged=converged,
        evaluations=points,
        status=Status.CONVERGED if converged.all() else failed,
        history=[(points, value)],
        rule=", ".join(dict.fromkeys(part.rule for part in parts)),
        rigor="; ".join(dict.fromkeys(part.rigor for part in parts)),
        gap=min(part.gap for part in parts),
        forbidden=None,
        cutoff_tail=None,
    )


def pairwise_sum(terms: list[np.ndarray]) -> np.ndarray:
    """Sum by a binary tree that depends on the number of terms alone."""
    while len(terms) > 1:
        paired = [a + b for a, b in zip(terms[0::2], terms[1::2], strict=False)]
        terms = paired + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]
