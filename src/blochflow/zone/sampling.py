"""Mean of independent random samples of one integral, with a Student-t error bar.

    I = mean_s X_s,   bar = t_{(1+c)/2, m-1} sqrt( sum_s (X_s - I)^2 / (m (m - 1)) ),   c = confidence

Source: Student, Biometrika 6, 1 (1908); randomised quadrature: Cranley and Patterson, SIAM J. Numer. Anal. 13, 904
(1976).  Valid for: independent samples; nearly normal ones, or many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blochflow.core.checks import as_index, as_real_array, fail
from blochflow.zone.integral import Integral

CONFIDENCE = 0.99
LEAST_SHIFTS = 3


@dataclass(frozen=True)
class Sampled:
    """An integral from random shifts, and what is needed to repeat and to judge it.

    Attributes
    ----------
    integral : Integral
        ``error`` is the half width of the two-sided interval at ``confidence``, plus ``systematic``.
    samples : (m, P, C)
        One value for each shift of the final level.
    systematic : (P, C)
        Part of the error that the scatter cannot show.
    seed : int
    confidence : float
    counts : dict
        Work done: cells of each kind, boxes, and so on; empty for plain grids.
    """

    integral: Integral
    samples: np.ndarray
    systematic: np.ndarray
    seed: int
    confidence: float
    counts: dict[str, int]


def student_bar(samples: np.ndarray, confidence: float) -> np.ndarray:
    """Half width of the two-sided Student-t interval of the mean over the leading axis."""
    from scipy.special import stdtrit

    count = len(samples)
    if count < 2:
        return np.full(samples.shape[1:], np.nan)
    quantile = float(stdtrit(count - 1, 0.5 * (1 + confidence)))
    return quantile * np.std(samples, axis=0, ddof=1) / np.sqrt(count)


def shifts_for(scatter_over_allowed: float, confidence: float, largest: int) -> int:
    """Fewest samples whose expected bar is below the allowed error, at most ``largest``."""
    from scipy.special import stdtrit

    for count in range(LEAST_SHIFTS, largest):
        if stdtrit(count - 1, 0.5 * (1 + confidence)) * scatter_over_allowed <= np.sqrt(count):
            return count
    return largest


def random_shifts(seed: int, level: int, first: int, count: int, dimension: int) -> np.ndarray:
    """Shifts number ``first`` .. of a level, (count, d) uniform in [0, 1): the same whatever was drawn before."""
    streams = [np.random.default_rng([seed, level, number]) for number in range(first, first + count)]
    return np.stack([stream.uniform(size=dimension) for stream in streams])


def check_sampling(seed: object, shifts: object, confidence: object) -> tuple[int, int, float]:
    """Valid seed, number of shifts and confidence."""
    number = as_index(seed, "seed", "be a non-negative integer")
    if number < 0:
        raise fail("seed", "be a non-negative integer", f"is {number}")
    must = f"be an integer of at least {LEAST_SHIFTS}"
    count = as_index(shifts, "shifts", must)
    if count < LEAST_SHIFTS:
        raise fail("shifts", must, f"is {count}")
    level = float(as_real_array(confidence, "confidence", max_ndim=0))
    if not 0 < level < 1:
        raise fail("confidence", "lie between 0 and 1", f"is {level:g}")
    return number, count, level
