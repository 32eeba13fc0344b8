"""Chemical potential at given density from integrals n(mu), with the error that those of n imply.

    n(low) + error < n < n(high) - error      =>      low < mu < high,   since n never falls with mu

One integral gives n on a ladder of mu for all states at once.  The first ladder stands around a guess from sampled
energies; every further one stands around the root found before, with finer rungs and integrals just good enough to
tell neighbouring rungs from the root.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from blochflow.core.status import Status
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.response.average import average_over_zone
from blochflow.response.integrands import NumberSea
from blochflow.response.levels import Levels
from blochflow.response.zone_options import ZoneOptions, least_evaluations
from blochflow.zone.integral import Integral
from blochflow.zone.tolerance import Required, Tolerance

# Rungs in units of the spacing asked for: a root anywhere among the inner ones lies within one of it of two rungs that
# the error of n, SHARP of the change of n over one, tells from it.  None is at the centre: the energy of a flat band,
# where n jumps, is guessed exactly.
INNER = 0.7 * (np.arange(-4, 4) + 0.5)
SHARP = 1 / 6
# A ladder is at most this much finer than the bracket before it, whose root is better than its bracket.
FINER = 1000.0
# Where the errors of n did not do, or the root lay outside: more accurate by the first, wider by the second.
TIGHTER, WIDER = 4.0, 8.0
MOST_ROUNDS = 10
# Errors of the guess, in units of (width of the spectrum) / (sampled points per axis).
ROUGH = 0.25
# n is known to rounding at best.
SMALLEST_RTOL = 1e-13


@dataclass
class Brackets:
    """What is known about the roots of K states: mu and bounds (K,), and n at the bounds."""

    mu: np.ndarray
    spacing: np.ndarray
    slope: np.ndarray
    sharp: np.ndarray
    low: np.ndarray
    high: np.ndarray
    history: list[tuple[int, np.ndarray]] = field(default_factory=list)

    @property
    def error(self) -> np.ndarray:
        """Largest distance of mu from a bound."""
        return np.maximum(self.mu - self.low, self.high - self.mu)


def solve_by_integrals(
    model: AbstractModel,
    count: np.ndarray,
    kt: np.ndarray,
    levels: Levels,
    *,
    options: ZoneOptions,
    tolerance: Tolerance,
    execution: Execution,
) -> Integral:
    """mu of every state with ``count`` electrons, (K,), in the units of `average_over_zone`, at ``kt`` (K,)."""
    size = len(count)
    wanted = np.broadcast_to(tolerance.allowed(np.asarray(levels.width), np.asarray(levels.width)), (size,))
    guess = np.array([levels.potential(n, t) for n, t in zip(count, kt, strict=True)])
    spacing = np.maximum(wanted, ROUGH * levels.width / levels.points_per_axis)
    slope = np.array(
        [levels.slope(mu, t, h) or n / levels.width for mu, t, h, n in zip(guess, kt, spacing, count, strict=True)]
    )
    found = Brackets(guess, spacing, slope, np.full(size, SHARP), np.full(size, -np.inf), np.full(size, np.inf))
    limit, used, last = tolerance.evaluations(model.dimension), levels.points, 0
    integral, done = None, np.zeros(size, dtype=bool)
    for _ in range(MOST_ROUNDS):
        some = np.flatnonzero(~done)
        needed = rule_tolerance(found, count, some, limit - used, tolerance)
        if limit - used < max(least_evaluations(model, needed), last // 2):
            break
        rungs = ladder(found, some)
        integral = average_over_zone(
            model,
            NumberSea(),
            rungs.ravel(),
            np.repeat(kt[some], rungs.shape[1]),
            options=options,
            required=Required(needed),
            execution=execution,
        )
        last = integral.evaluations
        used += last
        n, error = (x[:, 0].reshape(rungs.shape) for x in (integral.value, integral.error))
        tighten(found, some, rungs, n, error, count, wanted)
        found.history.append((used, found.mu[:, None].copy()))
        done = found.error <= wanted
        if done.all():
            break
    error = np.where(np.isfinite(found.error), found.error, np.nan)
    status = Status.CONVERGED if done.all() else Status.NOT_CONVERGED
    history = found.history or [(used, found.mu[:, None])]
    result = Integral(found.mu[:, None], error[:, None], done, np.full(size, levels.width), used, status, history)
    if integral is None:
        return replace(result, rule=options.rule, rigor="no integral within the evaluations allowed")
    rigor = f"bracket of mu by the density: {integral.rigor}"
    return replace(
        result, rule=integral.rule, rigor=rigor, grid=integral.grid, gap=integral.gap, symmetry=integral.symmetry
    )


def rule_tolerance(found: Brackets, count: np.ndarray, some: np.ndarray, limit: int, tolerance: Tolerance) -> Tolerance:
    """Accuracy of n that tells the rungs of every state from its root."""
    change = found.sharp[some] * found.slope[some] * found.spacing[some]
    rtol = float(np.clip((change / count[some]).min(), SMALLEST_RTOL, 0.1))
    return replace(tolerance, rtol=rtol, atol=float(change.min()), max_evaluations=max(1, limit))


def ladder(found: Brackets, some: np.ndarray) -> np.ndarray:
    """mu of the rungs of the states ``some``, (S, L): even ones inside, doubling outside up to the known bounds."""
    spacing = found.spacing[some]
    known = found.error[some]
    reach = np.where(np.isfinite(known), known, WIDER * spacing)
    doublings = max(1, int(np.ceil(np.log2((reach / (INNER[-1] * spacing)).max()))))
    outer = INNER[-1] * 2.0 ** np.arange(1, doublings + 1)
    offsets = np.concatenate([-outer[::-1], INNER, outer])
    rungs = found.mu[some][:, None] + spacing[:, None] * offsets
    return np.clip(rungs, found.low[some][:, None], found.high[some][:, None])


def tighten(
    found: Brackets,
    some: np.ndarray,
    rungs: np.ndarray,
    n: np.ndarray,
    error: np.ndarray,
    count: np.ndarray,
    wanted: np.ndarray,
) -> None:
    """Take in what one integral showed: new bounds and roots, and the next ladder."""
    for k, x, y, dy in zip(some, rungs, n - count[some][:, None], error, strict=True):
        below, above = np.flatnonzero(y + dy < 0), np.flatnonzero(y - dy > 0)
        low = max(found.low[k], x[below[-1]]) if len(below) else found.low[k]
        high = min(found.high[k], x[above[0]]) if len(above) else found.high[k]
        if low >= high:
            # errors of n that contradict each other say nothing
            low, high = -np.inf, np.inf
        found.low[k], found.high[k] = low, high
        found.mu[k] = np.clip(root_of(x, y), low, high)
        half = found.error[k]
        if len(below) and len(above):
            found.slope[k] = max((y[above[0]] - y[below[-1]]) / (x[above[0]] - x[below[-1]]), 1e-300)
        if not np.isfinite(half):
            missed = y[0] > 0 or y[-1] < 0
            found.spacing[k] *= WIDER if missed else 1.0
            found.sharp[k] /= 1.0 if missed else TIGHTER
            continue
        ratio = max(half / wanted[k], 1.0)
        steps = max(1, int(np.ceil(np.log(ratio) / np.log(FINER))))
        spacing = wanted[k] * ratio ** ((steps - 1) / steps)
        if spacing > 0.9 * found.spacing[k]:
            found.sharp[k] /= TIGHTER
        found.spacing[k] = min(spacing, found.spacing[k])


def root_of(mu: np.ndarray, excess: np.ndarray) -> float:
    """Where the monotone interpolant of ``excess`` crosses zero; the end nearest to it where it does not."""
    from scipy.interpolate import PchipInterpolator
    from scipy.optimize import brentq

    mu, first = np.unique(mu, return_index=True)
    excess = np.maximum.accumulate(excess[first])
    if excess[0] >= 0 or excess[-1] <= 0:
        zero = np.flatnonzero(excess == 0)
        return float(mu[zero].mean()) if len(zero) else float(mu[0] if excess[0] > 0 else mu[-1])
    left, right = int(np.flatnonzero(excess < 0)[-1]), int(np.flatnonzero(excess > 0)[0])
    if right > left + 1:
        return float(0.5 * (mu[left] + mu[right]))
    curve = PchipInterpolator(mu, excess)
    return float(brentq(curve, mu[left], mu[right], xtol=1e-15 * max(abs(mu[left]), abs(mu[right]), 1e-300)))
