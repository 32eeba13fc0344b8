"""Principal values of trapezoidal sums over a Fermi curve whose poles lie anywhere between the points.

    sum_j T f(t_j) = PV Int f dt + sum_poles R pi cot( M (t_0 - t*)/2 ),    T = 2 pi/M,  f ~ R/(t - t*) at a pole

The last term vanishes for poles half way between points, as those are at which an impurity line returns to k or k'.
Surfaces without a centre of inversion have others, where curves moved against each other cross once more.
Legend: D = mu - E_n(q(t)) at q = base + sign k_1(t); ``known`` poles are divided out of D to find the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blochflow.disorder.curves import Curve, states_at
from blochflow.models.base import AbstractModel

# Most steps of the search for a pole.
STEPS = 40
# Poles closer to a point than this share of a step would cancel all digits.
CLOSEST = 1e-9
# Change of t at which the search ends.
LOCATED = 1e-12


@dataclass(frozen=True, eq=False)
class Brackets:
    """Intervals of t that hold one pole each, all for one sign.

    Attributes
    ----------
    pair : (p,) int
        Index that the caller gives.
    base : (p, d)
    band : (p,) int
    low, high, at_low, at_high : (p,)
        Ends, and D without its known zeros there.
    known : (p, z)
        Parameters of known zeros of D, NaN for none.
    """

    pair: np.ndarray
    base: np.ndarray
    band: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at_low: np.ndarray
    at_high: np.ndarray
    known: np.ndarray


@dataclass(frozen=True, eq=False)
class Poles:
    """``excess``: what a sum holds beyond the principal value, per unit of the trace with both projectors."""

    pair: np.ndarray
    excess: np.ndarray
    inner: np.ndarray
    outer: np.ndarray


def reduced(distance: np.ndarray, t: np.ndarray, known: np.ndarray) -> np.ndarray:
    """D/prod sin((t - z)/2) over the known zeros."""
    factor = np.sin(0.5 * (t[..., None] - known))
    return np.asarray(distance / np.where(np.isnan(factor), 1.0, factor).prod(axis=-1))


def brackets(distance: np.ndarray, t: np.ndarray, base: np.ndarray, known: np.ndarray, active: np.ndarray) -> Brackets:
    """From D (p, M, n) at the points t (M,): sign changes of every band between neighbours.

    ``known`` (p, z) are zeros of the bands ``active`` (p, z).
    """
    bands = np.arange(distance.shape[-1])
    zeros = np.where(active[:, None] == bands[None, :, None], known[:, None], np.nan)
    # the circle once around: signs of half angles are those of one turn only
    ends = np.append(t, t[0] + 2 * np.pi)
    around = np.concatenate([distance, distance[:, :1]], axis=1)
    values = reduced(around, np.broadcast_to(ends[:, None], around.shape[1:]), zeros[:, None])
    pair, place, band = np.nonzero(np.sign(values[:, 1:]) != np.sign(values[:, :-1]))
    first, second = values[pair, place, band], values[pair, place + 1, band]
    return Brackets(pair, base[pair], band, ends[place], ends[place + 1], first, second, zeros[pair, band])


def poles(
    model: AbstractModel, mu: float, curve: Curve, band: int, found: Brackets, sign: float, start: float, count: int
) -> Poles:
    """Locate the poles and weigh them; ``start`` and ``count`` are t_0 and M of the sum."""
    t = _located(model, mu, curve, found, sign)
    k, slope, density = curve.at(t)
    rows = np.arange(len(t))
    _, states, slopes = states_at(model, found.base + sign * k)
    derivative = -sign * (slopes[rows, :, found.band] * slope).sum(axis=1)
    angle = 0.5 * count * (start - t)
    # distance from the next point in steps, at least CLOSEST
    away = np.remainder(angle / np.pi + 0.5, 1.0) - 0.5
    away = np.where(np.abs(away) < CLOSEST, np.copysign(CLOSEST, away), away)
    excess = density / derivative * np.pi / np.tan(np.pi * away)
    return Poles(found.pair, excess, _projectors(states_at(model, k)[1], band), _projectors(states, found.band))


def _located(model: AbstractModel, mu: float, curve: Curve, found: Brackets, sign: float) -> np.ndarray:
    """Zeros by the Illinois variant of false position."""
    low, high, at_low, at_high = (x.copy() for x in (found.low, found.high, found.at_low, found.at_high))
    t, side = found.low.copy(), np.zeros(len(low))
    rest = np.arange(len(low))
    for _ in range(STEPS):
        lower, upper = at_low[rest], at_high[rest]
        new = (low[rest] * upper - high[rest] * lower) / (upper - lower)
        energies = states_at(model, found.base[rest] + sign * curve.at(new)[0])[0]
        value = reduced(mu - energies[np.arange(len(rest)), found.band[rest]], new, found.known[rest])
        above = np.sign(value) == np.sign(upper)
        # an end that stays twice loses half of its value
        at_low[rest] = np.where(above, np.where(side[rest] > 0, 0.5 * lower, lower), value)
        at_high[rest] = np.where(above, value, np.where(side[rest] < 0, 0.5 * upper, upper))
        low[rest], high[rest] = np.where(above, low[rest], new), np.where(above, new, high[rest])
        side[rest] = np.where(above, 1.0, -1.0)
        moved, t[rest] = np.abs(new - t[rest]), new
        rest = rest[moved > LOCATED]
        if not len(rest):
            break
    return t


def _projectors(states: np.ndarray, band: int | np.ndarray) -> np.ndarray:
    chosen = states[np.arange(len(states)), :, band]
    return np.asarray(chosen[:, :, None] * chosen[:, None, :].conj())
