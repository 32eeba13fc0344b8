"""Extremal orbits: planes k.B^ = k_par in which the area of a family of closed orbits has an extremum.

    dA/dk_par = -/+ closed-int (d_par E) dl/|d_k E|       (electron -, hole +; d_k E is the gradient in the plane)

Families are followed from plane to plane; between two planes in which the derivative has opposite signs its zero is
found to rounding.  Not found: pairs of extrema between neighbouring planes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from blochflow.dynamics.orbit_planes import Curve, PlaneStack
from blochflow.dynamics.orbit_record import follow
from blochflow.geometry.fermi_surface import fermi_surface
from blochflow.zone.fermi_surface import describe_sheet
from blochflow.zone.quadrature import points_on

START = 0.2113  # of a step, by which the scan avoids planes of symmetry
COARSE = 64  # points on the curves of the scan
MARGIN = 1.25  # of the home cell: families that leave it are followed a little farther, and counted once in the end
NEAR = 0.7, 2.0  # how far a centre moves between planes: in radii of the orbit, in steps of k_par
CONSTANT = 1e-9  # of A: a family whose area changes less is a cylinder
SHORT = 9  # planes through a closed sheet of the Fermi surface, at least
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


class _LostError(Exception):
    """The family has no orbit in a plane."""


def extremal_orbits(stack: PlaneStack, energy: float, planes: int) -> tuple[list[Extremal], list[Curve]]:
    """Extremal orbits at an energy, and all curves of the planes that were looked at."""
    if stack.model.dimension == 2:
        curves = stack.resolved(0.0, energy)[1]
        return [Extremal(c, np.nan) for c in curves if c.closed], curves
    stack.margin = MARGIN
    slices = [stack.at(float(k)).curves(energy, COARSE) for k in _places(stack, energy, planes)]
    found: list[Extremal] = []
    for family in _families(slices):
        for new in _extrema(family, energy):
            if not any(_same(stack, new.curve, old.curve) for old in found):
                found.append(new)
    return found, [curve for curves in slices for curve in curves]


def _places(stack: PlaneStack, energy: float, planes: int) -> np.ndarray:
    """k_par of the scan: equal steps, and more where a closed sheet of the Fermi surface is short."""
    low, high = stack.range()
    step = (high - low) / planes
    # one more plane closes the period
    places = [low + step * (np.arange(planes + bool(stack.period)) + START)]
    surface = fermi_surface(stack.model, energy, points=1, execution=stack.solver.execution)
    stack.solver.evaluations += surface.evaluations
    for number, sheet in enumerate(surface.sheets):
        if sheet.kind not in ("electron", "hole"):
            continue
        vertices = surface.vertices[surface.vertex_sheet == number]
        first, last = stack.home_range(vertices)
        if last - first < SHORT * step:
            local = first + (last - first) * (np.arange(SHORT) + START) / SHORT
            places.append(low + (local - low) % stack.period if stack.period else local)
    return np.unique(np.concatenate(places))


def _families(slices: list[list[Curve]]) -> list[list[Curve]]:
    """Closed orbits that continue each other from plane to plane."""
    families: list[list[Curve]] = []
    ending: list[list[Curve]] = []
    for curves in slices:
        closed = [c for c in curves if c.closed and not np.isnan(c.sheet.points.error)]
        pairs = sorted(
            (_distance(family[-1], curve), i, j)
            for (i, family), (j, curve) in itertools.product(enumerate(ending), enumerate(closed))
            if _continues(family[-1], curve)
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


def _continues(a: Curve, b: Curve) -> bool:
    if a.bands != b.bands or a.kind != b.kind:
        return False
    radius = np.sqrt(max(a.sheet.enclosed, b.sheet.enclosed) / np.pi)
    return _distance(a, b) <= NEAR[0] * radius + NEAR[1] * abs(b.plane.k_parallel - a.plane.k_parallel)


def slope(curve: Curve) -> float:
    """dA/dk_par."""
    plane, points = curve.plane, curve.sheet.points
    gradient = plane.stack.solver.levels(curve.bands)(plane.to_k(points.k))[1]
    return float(-curve.outward * (points.weights @ (gradient @ plane.stack.field.axis)))


def _extrema(family: list[Curve], energy: float) -> list[Extremal]:
    """Zeros of the slope along a family."""
    slopes = np.array([slope(c) for c in family])
    largest = max(c.sheet.enclosed for c in family)
    length = family[-1].plane.k_parallel - family[0].plane.k_parallel
    if len(family) > 2 and np.abs(slopes).max() * length <= CONSTANT * largest:
        return [Extremal(_exact(family[0], energy), 0.0)]
    found = []
    for i in np.flatnonzero(slopes[:-1] * slopes[1:] < 0):
        extremum = _refined(family[i], family[i + 1], energy)
        if extremum is not None:
            found.append(extremum)
    return found


def _refined(first: Curve, last: Curve, energy: float) -> Extremal | None:
    """The extremum between two neighbouring orbits; None where the family is interrupted between them."""
    from scipy.optimize import brentq

    def at(k: float) -> Curve:
        nearest = min((first, last), key=lambda c: abs(c.plane.k_parallel - k))
        curve = moved(nearest, k, energy)
        if curve is None:
            raise _LostError
        return curve

    try:
        place = brentq(lambda k: slope(at(k)), first.plane.k_parallel, last.plane.k_parallel, xtol=1e-13)
        h = STENCIL * (last.plane.k_parallel - first.plane.k_parallel)
        values = [slope(at(place + j * h)) for j in (-2, -1, 1, 2)]
        curve = at(place)
    except (_LostError, ValueError):  # the family breaks off, or the coarse slopes had the wrong sign
        return None
    return Extremal(curve, float(np.array([1, -8, 8, -1]) @ values / (12 * h)))


def moved(curve: Curve, k_parallel: float, energy: float) -> Curve | None:
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
    near = [c for c in found if _continues(curve, c) and not np.isnan(c.sheet.points.error)]
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
