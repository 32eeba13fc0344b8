"""Parts of a response at T = 0 to a tolerance, and what errors of parts are.

Two numbers of points on the surface, one twice the other (two grids in three dimensions), give the error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.disorder.linear_response import PARTS
from blochflow.response.fermi_parts import Diagnostics, FermiParts, Unresolved

# Crossed parts are this much less certain than two numbers of points tell.
CROSSED_SAFETY = 4.0


def cold_parts(request: FermiParts, mu: float, tolerance: Any) -> tuple[np.ndarray, np.ndarray, bool, Diagnostics]:
    """Parts at T = 0, their errors, whether they meet the tolerance, and diagnostics."""
    seen = Diagnostics()
    coarse: np.ndarray | None = None
    error, good = np.full(request.shape, np.nan), False
    levels = request.levels()
    for level in levels:
        try:
            fine = request.at(mu, level, seen)
        except Unresolved:
            if level == levels[-1]:
                raise
            coarse = None
            continue
        seen.history.append((seen.evaluations, fine))
        if coarse is not None:
            error = differences(coarse, fine)
            good = meets(fine, error, tolerance)
        coarse = fine
        if good or not seen.size:
            break
    if not seen.size:
        return np.zeros(request.shape), np.zeros(request.shape), True, seen
    seen.note = ""
    return fine, error, good, seen


def meets(value: np.ndarray, error: np.ndarray, tolerance: Any) -> bool:
    """True where every part meets the tolerance relative to its own largest component, or is rounding."""
    if not np.isfinite(error).all():
        return False
    largest = np.abs(value).max(axis=(1, 2))
    allowed = np.maximum(tolerance.rtol * largest, rounding_of_parts(largest))
    if tolerance.atol is not None:
        allowed = np.maximum(allowed, tolerance.atol)
    return bool((error.max(axis=(1, 2)) <= allowed).all())


def rounding_of_parts(largest: np.ndarray) -> np.ndarray:
    """What is rounding beside parts of these sizes, (parts, ..): a share of Drude's and of the others."""
    return np.asarray(1e-9 * largest[1:].max(axis=0, initial=0.0) + 1e-12 * largest[0])


def differences(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Errors by two surfaces; every component of a part is as uncertain as its worst."""
    error = np.abs(fine - coarse)
    error[PARTS.index("crossed")] *= CROSSED_SAFETY
    worst = error.max(axis=(1, 2), keepdims=True)
    return np.maximum(error, 0.1 * worst) + 1e-14 * np.abs(fine).max(axis=(1, 2), keepdims=True)
