"""Extremal orbits: planes k.B^ = k_par in which the area of a family of closed orbits has an extremum.

    dA/dk_par = -/+ closed-int (d_par E) dl/|d_k E|       (electron -, hole +; derivatives of E in the plane and along B^)

Families are followed from plane to plane; between two planes in which the derivative has opposite signs its zero is
found to rounding.  Not found: pairs of extrema between neighbouring planes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from blochflow.dynamics.orbit_planes import Curve, PlaneStack
from blochflow.dynamics.orbit_record import follow
from blochflow.zone.fermi_surface import describe_sheet
from blochflow.zone.quadrature import points_on

START = 0.2113  # of a step, by which the scan avoids planes of symmetry
COARSE = 64  # points on the curves of the scan
MARGIN = 1.25  # of the home cell: families that leave it are followed a little farther, and counted once in the end
NEAR = 0.7, 2.0  # how far a centre moves between planes: in radii of the orbit, in steps of k_par
CONSTANT = 1e-9  # of A per step: a family whose area changes less is a cylinder
STENCIL = 0.05  # of a step, for the second derivative
SAME = 1e-4  # of a reciprocal vector


@dataclass(frozen=True)
class Extremal:
    """An extremal orbit and d^2A/dk_par^2; zero where the area does not depend on k_par, NaN in two dimensions."""

    curve: Curve
    curvature: float

    @property
    def kind(self) -> str:
        """ "maximum", "minimum", "cylinder", or "" in two dimensions."""
        if np.isnan(self.curvature):
            return ""
        return "maximum" if self.curvature < 0 else "minimum" if self.curvature > 0 else "cylinder"


def extremal_orbits(stack: PlaneStack, energy: float, planes: int) -> tuple[list[Extremal], list[Curve]]:
    """Extremal orbits at an energy, and all curves of the planes that were looked at."""
    if stack.model.dimension == 2:
        curves = stack.resolved(0.0, energy)[1]
        return [Extremal(c, np.nan) for c in curves if c.closed], curves
    stack.margin = MARGIN
    low, high = stack.range()
    step = (high - low) / planes
    # one more plane closes the period
    places = low + step * (np.arange(planes + bool(stack.period)) + START)
    slices = [stack.at(float(k)).curves(energy, COARSE) for k in places]
    found: list[Extremal] = []
    for family in _families(slices, step):
        for new in _extrema(family, energy, step):
            if not any(_same(stack, new.curve, old.curve) for old in found):
                found.append(new)
    return found, [curve for curves in slices for curve in curves]


def _families(slices: list[list[Curve]], step: float) -> list[list[Curve]]:
    """Closed orbits that continue each other from plane to plane."""
    families: list[list[Curve]] = []
    ending: list[list[Curve]] = []
    for curves in slices:
        closed = [c for c in curves if c.closed and not np.isnan(c.sheet.points.error)]
        pairs = sorted(
            (_distance(family[-1], curve), i, j)
            for (i, family), (j, curve) in itertools.product(enumerate(ending), enumerate(closed))
            if _continues(family[-1], curve, step)
        )
        left, right = set(range(len(ending))), set(range(len(closed)))
        going = []
        for _, i, j in pairs:
            if i in left and j in right:
                left.discard(i)
                right.discard(j)
                ending[i].append(closed[j])
                going.append(ending[i])
        new = [[closed[j]] for j in sorted(right)]
        families += new
        ending = going + new
    return families


def _distance(a: Curve, b: Curve) -> float:
    """Of the centres, up to periods of the plane."""
    away = b.center - a.center
    spans = a.plane.stack.periods
    if spans is not None:
        away = away - np.rint(away @ np.linalg.inv(spans)) @ spans
    return float(np.linalg.norm(away))


def _continues(a: Curve, b: Curve, step: float) -> bool:
    if a.bands != b.bands or a.kind != b.kind:
        return False
    radius = np.sqrt(max(a.sheet.enclosed, b.sheet.enclosed) / np.pi)
    return _distance(a, b) <= NEAR[0] * radius + NEAR[1] * step


def slope(curve: Curve) -> float:
    """dA/dk_par."""
    plane, points = curve.plane, curve.sheet.points
    gradient = plane.stack.solver.levels(curve.bands)(plane.to_k(points.k))[1]
    return float(-curve.outward * (points.weights @ (gradient @ plane.stack.field.axis)))


def _extrema(family: list[Curve], energy: float, step: float) -> list[Extremal]:
    """Zeros of the slope along a family."""
    slopes = np.array([slope(c) for c in family])
    largest = max(c.sheet.enclosed for c in family)
    if len(family) > 2 and np.abs(slopes).max() * step <= CONSTANT * largest:
        return [Extremal(_exact(family[0], energy), 0.0)]
    found = []
    for i in np.flatnonzero(slopes[:-1] * slopes[1:] < 0):
        extremum = _refined(family[i], family[i + 1], energy, step)
        if extremum is not None:
            found.append(extremum)
    return found


def _refined(first: Curve, last: Curve, energy: float, step: float) -> Extremal | None:
    """The extremum between two neighbouring orbits; None where the family is interrupted between them."""
    from scipy.optimize import brentq

    class Lost(Exception):
        pass

    def at(k: float) -> Curve:
        nearest = min((first, last), key=lambda c: abs(c.plane.k_parallel - k))
        curve = moved(nearest, k, energy, step)
        if curve is None:
            raise Lost
        return curve

    try:
        place = brentq(lambda k: slope(at(k)), first.plane.k_parallel, last.plane.k_parallel, xtol=1e-13)
        h = STENCIL * step
        values = [slope(at(place + j * h)) for j in (-2, -1, 1, 2)]
        curve = at(place)
    except (Lost, ValueError):  # the family breaks off, or the coarse slopes had the wrong sign
        return None
    return Extremal(curve, float(np.array([1, -8, 8, -1]) @ values / (12 * h)))


def moved(curve: Curve, k_parallel: float, energy: float, step: float) -> Curve | None:
    """The same orbit in a neighbouring plane."""
    plane = replace(curve.plane, k_parallel=k_parallel)
    levels = plane.levels(curve.bands)
    piece = follow(curve.sheet.piece, levels, energy, curve.scale)
    if piece is not None:
        points = points_on(piece, levels, energy, curve.scale, None)
        result = Curve(plane, curve.bands, energy, describe_sheet(piece, points, False))
        if not np.isnan(points.error) and result.kind == curve.kind:
            return result
    found = plane.stack.at(k_parallel).curves(energy, bands=curve.bands)
    near = [c for c in found if _continues(curve, c, step) and not np.isnan(c.sheet.points.error)]
    return min(near, key=lambda c: _distance(curve, c)) if near else None


def _exact(curve: Curve, energy: float) -> Curve:
    """The same orbit with as many points as it needs."""
    points = points_on(curve.sheet.piece, curve.levels, energy, curve.scale, None)
    return replace(curve, sheet=describe_sheet(curve.sheet.piece, points, False))


def _same(stack: PlaneStack, a: Curve, b: Curve) -> bool:
    """Whether two orbits are one up to a reciprocal vector."""
    if a.bands != b.bands or a.kind != b.kind:
        return False
    if abs(a.sheet.enclosed - b.sheet.enclosed) > 1e-6 * a.sheet.enclosed:
        return False
    centers = [c.plane.to_k(c.center[None])[0] for c in (a, b)]
    size = np.sqrt(a.sheet.enclosed) if stack.model.lattice is None else np.linalg.norm(stack.reciprocal, axis=1).min()
    return stack.same_k(centers[0], centers[1], SAME * float(size))
