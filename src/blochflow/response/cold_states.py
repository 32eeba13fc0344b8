"""States at T = 0 of integrals over entropies and heats of states: exact zeros, for which no zone is integrated.

s(E) = -f ln f - (1 - f) ln(1 - f) = 0,     k_B T c_2(x) = 0,     k_B T d/dmu = 0        at T = 0
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from blochflow.core.status import Status
from blochflow.zone.integral import Integral, merged

RULE = "T = 0"
RIGOR = "zero at T = 0, where entropy and heat of every state vanish"

Average = Callable[[np.ndarray, np.ndarray], Integral]


def with_cold_zeros(average: Average, mu: np.ndarray, kt: np.ndarray, components: int) -> Integral:
    """``average`` of the states at T > 0, and exact zeros for those at T = 0."""
    cold = np.flatnonzero(kt == 0)
    if not len(cold):
        return average(mu, kt)
    zeros = _zeros(len(cold), components)
    if len(cold) == len(kt):
        return zeros
    rows = np.flatnonzero(kt > 0)
    warm = average(mu[rows], kt[rows])
    found = merged([(rows, warm), (cold, zeros)])
    tail = None
    if warm.cutoff_tail is not None:
        tail = np.zeros_like(found.value)
        tail[rows] = warm.cutoff_tail
    return replace(found, forbidden=warm.forbidden, cutoff_tail=tail)


def _zeros(states: int, components: int) -> Integral:
    zero = np.zeros((states, components))
    converged = np.ones(states, dtype=bool)
    return Integral(zero, zero, converged, zero, 0, Status.CONVERGED, [(0, zero)], rule=RULE, rigor=RIGOR)
