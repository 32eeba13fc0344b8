"""Nested adaptive integration: lines within lines, each halved where two rules differ.

    I = Int du_1 Int du_2 .. F(u),   every integral by Gauss-Kronrod pairs, error = |K15 - G7| + error of inner lines

Nothing but values of the integrand is used: no cells, no bounds, no interpolants of energies.  That makes it slow, and
blind to features narrower than the first intervals, but independent of the other rules.
Source of the pair: R. Piessens et al., QUADPACK (Springer, 1983).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from blochflow.core.status import Status
from blochflow.zone.certificate import Filling
from blochflow.zone.integral import ROUNDING, Integral
from blochflow.zone.tolerance import Required
from blochflow.zone.weights import Weight, mixed

HALF_NODES = [
    0.99145537112081264, 0.94910791234275852, 0.86486442335976907, 0.74153118559939444,
    0.58608723546769113, 0.40584515137739717, 0.20778495500789847,
]  # fmt: skip
HALF_KRONROD = [
    0.022935322010529225, 0.063092092629978553, 0.10479001032225018, 0.14065325971552592,
    0.16900472663926790, 0.19035057806478541, 0.20443294007529889,
]  # fmt: skip
HALF_GAUSS = [0.12948496616886969, 0.27970539148927667, 0.38183005050511894]
# On (0, 1), weights of averages.
NODES = (1 + np.array([-x for x in HALF_NODES] + [0.0] + HALF_NODES[::-1])) / 2
KRONROD = np.array([*HALF_KRONROD, 0.20948214108472783, *HALF_KRONROD[::-1]]) / 2
GAUSS = np.zeros(15)
GAUSS[1::2] = np.array([*HALF_GAUSS, 0.41795918367346939, *HALF_GAUSS[::-1]]) / 2

START = 4
DEEPEST = 40
# Part of the allowed error that one interval may keep; a line has tens of intervals.
SHARE = 0.03
# The first pass aims at this accuracy of a rough value, later ones at this fraction of what is still allowed.
TIGHTER = 0.3
# Where f is a step its kinks lie between nodes, and both rules of an interval miss them alike.
SAFETY = 8.0
CHUNK = 2**15
# Random points that set the scale; all there is when not even one pass fits into the evaluations.
ROUGH = 256

# (K, d) reduced points -> energies (K, N), values of the integrand (K, N, R)
SamplePoints = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class LimitReachedError(Exception):
    """The evaluations ran out."""


@dataclass
class Nested:
    """Integrals over the unit cube of a vector-valued function of points, with a count of its evaluations."""

    function: Callable[[np.ndarray], np.ndarray]
    dimension: int
    limit: int
    evaluations: int = 0

    def average(self, tolerance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value and error, (Q,) each, aiming at ``tolerance`` (Q,)."""
        value, error = self._lines(np.empty((1, 0)), tolerance)
        return value[0], error[0]

    def _values(self, points: np.ndarray) -> np.ndarray:
        self.evaluations += len(points)
        if self.evaluations > self.limit:
            raise LimitReachedError
        return np.concatenate([self.function(points[i : i + CHUNK]) for i in range(0, len(points), CHUNK)])

    def _lines(self, outer: np.ndarray, tolerance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Integrals over what remains of the coordinates beyond ``outer`` (L, m): values and errors (L, Q)."""
        if outer.shape[1] == self.dimension:
            values = self._values(outer)
            return values, np.zeros_like(values)
        value = np.zeros((len(outer), len(tolerance)))
        error = np.zeros_like(value)
        line = np.repeat(np.arange(len(outer)), START)
        left, width = np.tile(np.arange(START) / START, len(outer)), np.full(len(line), 1 / START)
        for depth in range(DEEPEST + 1):
            points = np.concatenate(
                [
                    np.repeat(outer[line], len(NODES), axis=0),
                    (left[:, None] + width[:, None] * NODES).reshape(-1, 1),
                ],
                axis=1,
            )
            inner, unsure = (x.reshape(len(line), len(NODES), -1) for x in self._lines(points, TIGHTER * tolerance))
            fine = width[:, None] * np.einsum("q,lqc->lc", KRONROD, inner)
            difference = np.abs(fine - width[:, None] * np.einsum("q,lqc->lc", GAUSS, inner))
            done = (difference <= SHARE * tolerance).all(axis=1) | (depth == DEEPEST)
            np.add.at(value, line[done], fine[done])
            below = width[:, None] * np.einsum("q,lqc->lc", KRONROD, unsure)
            np.add.at(error, line[done], (difference + below)[done])
            if done.all():
                return value, error
            left, width, line = left[~done], width[~done] / 2, line[~done]
            left, width, line = np.concatenate([left, left + width]), np.tile(width, 2), np.tile(line, 2)
        raise AssertionError("the deepest intervals are always done")


def nested_average(
    sample: SamplePoints,
    dimension: int,
    filling: Filling,
    required: Required,
    *,
    weight: Weight,
    matrix: np.ndarray | None = None,
) -> Integral:
    """Average over the unit cube of the weighed sums over bands, for every state; ``matrix`` as in `mixed`."""
    states, limit = len(filling.mu), required.tolerance.evaluations(dimension)

    def weighed(points: np.ndarray) -> np.ndarray:
        energies, integrand = sample(points)
        each = [weight.total(energies, integrand, mu, kt) for mu, kt in zip(filling.mu, filling.kt, strict=True)]
        return mixed(np.stack(each, axis=1), matrix).reshape(len(points), -1)

    rough = weighed(np.random.default_rng(0).random((ROUGH, dimension)))
    rough = rough.reshape(ROUGH, states, -1)
    components = rough.shape[-1]
    absolute = required.scale(np.abs(rough).mean(axis=0))
    value, error = rough.mean(axis=0), np.full((states, components), np.nan)
    converged, history = np.zeros(states, dtype=bool), [(ROUGH, value)]
    aim = np.maximum(required.allowed(rough.mean(axis=0), absolute), 1e-3 * absolute)
    rule = Nested(weighed, dimension, limit, ROUGH)
    while True:
        try:
            flat, unsure = rule.average(np.maximum(aim, 1e-300).reshape(-1))
        except LimitReachedError:
            break
        value = flat.reshape(states, components)
        error = np.maximum(SAFETY * unsure.reshape(states, components), ROUNDING * absolute)
        tolerated = required.allowed(value, absolute)
        history.append((rule.evaluations, value))
        met = error <= tolerated
        converged = np.asarray(met.all(axis=1))
        if converged.all():
            break
        needed = tolerated / np.maximum(error, 1e-300)
        aim = np.where(met, aim, np.minimum(TIGHTER, needed / 2) * aim)
    status = Status.CONVERGED if converged.all() else Status.NOT_CONVERGED
    rigor = "two rules on nested lines; nothing proves that no feature was missed"
    return Integral(value, error, converged, absolute, rule.evaluations, status, history, rule="nested", rigor=rigor)
