"""Through the energy of a saddle in two dimensions: the end of an integral over energy at a divergence.

    chi(e_s +- h) ~ a - b ln h,    Int_0^delta chi dh = delta (chi(delta) + b),    b = [chi(delta) - chi(4 delta)]/ln 4

The density of states diverges as the logarithm, and parts of responses are rational functions of it.  Surfaces at h,
h/4, h/16 .. are compared with coarser ones until these differ by too much, or what is left does not matter; the last
good h is delta.  The steps are ends of panels for the integral outside, which is as smooth in ln h as it was.  The
whole correction by b counts as error: it is exact for logarithms, and right to 1/ln for their inverse.
Source: Van Hove, Phys. Rev. 89, 1189 (1953).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from blochflow.response.critical_energies import CriticalPoint
from blochflow.response.fermi_parts import FermiParts, Unresolved

# First distance in k_B T, ratio of the next, fewest and most of them.
FIRST, RATIO, FEWEST_STEPS, STEPS = 0.5, 4.0, 2, 9
# Critical energies as close as this share of k_B T are not told apart.
CLOSE = 3e-3
# Share of the tolerance that a step or the end may take.
SHARE = 0.1

# Parts at an energy by a coarse and a fine surface.
Pair = Callable[[float], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class SaddleEnd:
    """One side of a saddle: energies between ``edge`` and ``edge + side delta`` are done.

    Attributes
    ----------
    edge, side, delta : float
    value, error : (parts, a, b)
        Of the integral over these energies; the error also holds what coarse surfaces outside, at ``steps``, leave.
    last : (parts, a, b)
        chi at delta.
    steps : list of float
        Energies for ends of panels, delta's the last.
    """

    edge: float
    side: float
    delta: float
    value: np.ndarray
    error: np.ndarray
    last: np.ndarray
    steps: list[float]


def saddle_energies(request: FermiParts, low: float, high: float, kt: float) -> list[tuple[float, float]]:
    """Intervals of energy with a saddle and all that is too close to be told apart; none in three dimensions."""
    if request.model.dimension != 2:
        return []
    inside = [x for x in request.critical if low < x.energy < high]
    groups: list[list[CriticalPoint]] = []
    for point in sorted(inside, key=lambda x: x.energy):
        if groups and point.energy - groups[-1][-1].energy <= CLOSE * kt:
            groups[-1].append(point)
        else:
            groups.append([point])
    return [(x[0].energy, x[-1].energy) for x in groups if any(point.kind == "saddle" for point in x)]


def through_saddle(
    pair: Pair,
    weight: Callable[[float], float],
    interval: tuple[float, float],
    reach: tuple[float, float],
    allowed: np.ndarray,
) -> list[SaddleEnd]:
    """Both sides of an interval of `saddle_energies`, from ``reach`` away; what is inside may be wrong by its size."""
    below, above = (saddle_end(pair, weight, *x, allowed) for x in zip(interval, (-1.0, 1.0), reach, strict=True))
    width = weight(interval[0]) * (interval[1] - interval[0])
    largest = np.maximum(np.abs(below.last), np.abs(above.last)).max(axis=(1, 2), keepdims=True)
    value, error = above.value + width * 0.5 * (below.last + above.last), above.error + width * largest
    return [below, replace(above, value=value, error=error)]


def saddle_end(
    pair: Pair, weight: Callable[[float], float], edge: float, side: float, reach: float, allowed: np.ndarray
) -> SaddleEnd:
    """Go towards a saddle from the energy ``edge + side reach``.

    ``weight(energy)`` is -f'; ``allowed`` broadcasts with the parts: the tolerance of the whole integral.

    Raises
    ------
    Unresolved
        Not even the first steps are resolved.
    """
    h = reach
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    cause: Unresolved | None = None
    for _ in range(STEPS):
        energy = edge + side * h
        try:
            coarse, fine = pair(energy)
        except Unresolved as exc:
            cause = exc
            break
        doubt = np.abs(fine - coarse).max(axis=(1, 2), keepdims=True)
        if len(found) >= FEWEST_STEPS and (weight(energy) * h * doubt > SHARE * allowed).any():
            break
        found.append((h, fine, doubt))
        if len(found) >= FEWEST_STEPS and (_end(found, weight, edge, side)[1] <= SHARE * allowed).all():
            break
        h /= RATIO
    if len(found) < FEWEST_STEPS:
        raise cause or Unresolved(f"No surface is resolved near the saddle at {edge:.6g}.")
    value, error = _end(found, weight, edge, side)
    for (far, _, rough), (near, _, doubt) in itertools.pairwise(found):
        error = error + weight(edge + side * near) * (far - near) * np.maximum(rough, doubt)
    return SaddleEnd(edge, side, found[-1][0], value, error, found[-1][1], [edge + side * h for h, _, _ in found])


def _end(
    found: list[tuple[float, np.ndarray, np.ndarray]], weight: Callable[[float], float], edge: float, side: float
) -> tuple[np.ndarray, np.ndarray]:
    """The integral from the saddle to the last step, and its error."""
    (_, before, _), (delta, last, doubt) = found[-2:]
    bend = (last - before) / np.log(RATIO)
    start, middle, end = (weight(edge + x * side * delta) for x in (0.0, 0.5, 1.0))
    largest = np.abs(last).max(axis=(1, 2), keepdims=True)
    doubt = doubt + np.abs(bend).max(axis=(1, 2), keepdims=True)
    return middle * delta * (last + bend), delta * (middle * doubt + abs(0.5 * (start + end) - middle) * largest)
