"""Pockets around extrema of a band in two dimensions: area, mass and phases as functions of the depth |E - edge|.

At the edge  A = 2 pi m |E - edge|, m = |det d_a d_b E|^-1/2, Berry phase 0, moment phase +/- 2 pi m_z m.  Where another
band touches at the edge (a cone) A grows with the square of the depth, and the phases of a small orbit are taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from blochflow.core.checks import fail
from blochflow.dynamics.orbit_phases import berry_phase, geometry_at, inside, moment_phase
from blochflow.dynamics.orbit_planes import Curve, Plane
from blochflow.geometry.bands import DEGENERACY_TOLERANCE
from blochflow.geometry.bands import bands as solve_bands
from blochflow.geometry.mass import inverse_mass

STEPS, SMALLEST = 200, 1e-10  # of the search for an extremum; its last step, in cells of the grid
NEAR = 0.25  # of the shortest reciprocal vector (or the cutoff): farther extrema are not meant
SAME = 1e-5  # of it, within which two extrema are one
CONE_DEPTH = 1e-3  # of the band's scale, at which the phases of a cone are taken


@dataclass(frozen=True)
class PocketState:
    """A pocket at one energy: area, mass, phases, relative error of the area's derivative, status."""

    area: float
    mass: float
    berry: float
    moment: float
    error: float
    status: str


@dataclass(eq=False)
class Pocket:
    """Closed orbits around an extremum.

    Attributes
    ----------
    plane : Plane
    band : int
    sign : float
        1 for a minimum (electrons), -1 for a maximum (holes).
    center : (2,)
    edge : float
    """

    plane: Plane
    band: int
    sign: float
    center: np.ndarray
    edge: float
    _known: dict[float, PocketState | None] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """ "electron" or "hole"."""
        return "electron" if self.sign > 0 else "hole"

    @cached_property
    def edge_state(self) -> PocketState:
        """Limit of small orbits."""
        found = solve_bands(self.plane.stack.model, self.center)
        others = np.delete(np.asarray(found.energies)[0], self.band)
        apart = np.abs(others - self.edge).min(initial=np.inf)
        small = self.at(CONE_DEPTH * self.plane.scale) if apart <= 1e-7 * self.plane.scale else None
        if small is not None:
            return PocketState(0.0, 0.0, small.berry, small.moment, small.error, small.status)
        hessian = np.asarray(inverse_mass(found))[0, :, :, self.band]
        mass = float(abs(np.linalg.det(hessian)) ** -0.5)
        moment = float(geometry_at(self.plane, self.band, self.center[None]).moment[0])
        return PocketState(0.0, mass, 0.0, self.sign * 2 * np.pi * mass * moment, 0.0, "CONVERGED")

    def at(self, depth: float) -> PocketState | None:
        """The pocket at a depth; None where it is not closed."""
        if depth not in self._known:
            energy = self.edge + self.sign * depth
            curves = self.plane.curves(energy, bands=(self.band,))
            mine = [c for c in curves if c.kind == self.kind and self._holds(c)]
            # the innermost one: others lie around it
            self._known[depth] = self._measure(min(mine, key=lambda c: c.sheet.enclosed)) if mine else None
        return self._known[depth]

    def depth_of_area(self, area: float) -> float:
        """A guess, from the nearest known state."""
        states = [(d, s) for d, s in self._known.items() if s is not None and s.mass > 0]
        if self.edge_state.mass > 0:
            states.append((0.0, self.edge_state))
        depth, state = min(states, key=lambda x: abs(x[1].area - area))
        guess = depth + (area - state.area) / (2 * np.pi * state.mass)
        if self.edge_state.mass == 0:
            guess = depth * (area / state.area) ** 0.5
        return guess if guess > 0 else 0.5 * depth

    def _holds(self, curve: Curve) -> bool:
        """Whether the centre, or a copy of it, lies inside."""
        polygon = curve.sheet.points.k
        if np.isnan(curve.sheet.points.error):
            return False
        copies = self.center[None]
        if self.plane.box.periodic:
            spans = self.plane.box.spans
            near = np.rint((curve.center - self.center) @ np.linalg.inv(spans))
            ways = np.array(list(itertools.product((-1, 0, 1), repeat=2)))
            copies = self.center + (near + ways) @ spans
        return bool(inside(polygon, copies).any())

    def _measure(self, curve: Curve) -> PocketState:
        points = curve.sheet.points
        phase = berry_phase(curve)
        moment = moment_phase(curve, geometry_at(self.plane, self.band, points.k).moment)
        mass = float(points.weights.sum()) / (2 * np.pi)
        status = "CONVERGED" if phase.certain else "UNCERTAIN_BRANCH"
        return PocketState(curve.sheet.enclosed, mass, phase.value, moment, points.error, status)


def pockets_near(plane: Plane, band: int, near: np.ndarray, kind: str | None) -> list[Pocket]:
    """The pocket around the extremum of a band next to each wave vector.

    Raises
    ------
    ValueError
        There is none nearby, or the band coincides with another one.
    """
    _check_single(plane, band)
    found = []
    for start in near:
        trials = [_extremum(plane, band, start, s) for s in _signs(kind)]
        best = min(trials, key=lambda p: float(np.linalg.norm(p.center - start)))
        if np.linalg.norm(best.center - start) > NEAR * plane.length:
            what = {"electron": "a minimum", "hole": "a maximum"}.get(str(kind), "an extremum")
            raise fail("k", f"lie next to {what} of band {band}", f"{start.tolist()} does not")
        found.append(best)
    return found


def pockets_on_grid(plane: Plane, band: int | None, kind: str | None) -> list[Pocket]:
    """All extrema that the grid shows, by band, minima first, deepest first."""
    if band is not None:
        _check_single(plane, band)
    found: list[Pocket] = []
    for group in plane.groups:
        if len(group) > 1 or (band is not None and group != (band,)):
            continue
        values = plane.energies[:, group[0]].reshape(plane.box.shape)
        if np.ptp(values) <= 1e-10 * plane.scale:
            continue
        for sign in _signs(kind):
            mine: list[Pocket] = []
            for start in plane.box.at(_grid_extrema(sign * values, plane.box.periodic)):
                pocket = _extremum(plane, group[0], start, sign)
                if _within(plane, pocket.center) and not any(_same(plane, pocket, other) for other in mine):
                    mine.append(pocket)
            found += sorted(mine, key=lambda p: p.sign * p.edge)
    return found


def _signs(kind: str | None) -> Sequence[float]:
    return {None: (1.0, -1.0), "electron": (1.0,), "hole": (-1.0,)}[kind]


def _check_single(plane: Plane, band: int) -> None:
    for group in plane.groups:
        if band in group and len(group) > 1:
            raise fail("band", "be a band by itself", f"bands {', '.join(map(str, group))} coincide everywhere")


def _grid_extrema(depth: np.ndarray, periodic: bool) -> np.ndarray:
    """Grid indices (C, 2) of points lower than all their neighbours."""
    padded = np.pad(depth, 1, mode="wrap") if periodic else np.pad(depth, 1, constant_values=-np.inf)
    lowest = np.ones_like(depth, dtype=bool)
    n, m = depth.shape
    for i, j in itertools.product((-1, 0, 1), repeat=2):
        if i or j:
            lowest &= depth <= padded[1 + i : 1 + i + n, 1 + j : 1 + j + m]
    return np.argwhere(lowest)


def _extremum(plane: Plane, band: int, start: np.ndarray, sign: float) -> Pocket:
    """Downhill (uphill for -1) from a wave vector: a compass search, which also finds tips of cones, then Newton."""
    levels, spans = plane.levels((band,)), plane.box.steps
    ways = np.array([w for w in itertools.product((-1, 0, 1), repeat=2) if any(w)]) @ spans
    center, value, step = start, sign * float(levels(start[None])[0][0]), 0.5
    for _ in range(STEPS):
        if step < SMALLEST:
            break
        trial = center + step * ways
        energies = sign * levels(trial)[0]
        best = int(energies.argmin())
        if energies[best] < value:
            center, value = trial[best], float(energies[best])
        else:
            step *= 0.5
    center = _polished(plane, band, center)
    return Pocket(plane, band, sign, center, float(levels(center[None])[0][0]))


def _polished(plane: Plane, band: int, center: np.ndarray) -> np.ndarray:
    """Newton steps to a zero of the gradient, while they are small: energies alone fix it to half the digits."""
    levels, step = plane.levels((band,)), 1e-4 * plane.length
    for _ in range(4):
        q = center + np.concatenate([np.zeros((1, 2)), step * np.eye(2), -step * np.eye(2)])
        gradient = levels(q)[1]
        hessian = (gradient[1:3] - gradient[3:5]) / (2 * step)
        if abs(np.linalg.det(hessian)) < 1e-12 * np.abs(hessian).max() ** 2:
            return center
        change = np.linalg.solve(hessian.T, gradient[0])
        if np.linalg.norm(change) > 1e-5 * plane.length:
            return center
        center = center - change
    return center


def _within(plane: Plane, center: np.ndarray) -> bool:
    """Within the cutoff of a k.p model."""
    return bool(np.linalg.norm(center) < plane.radius * (1 - 1e-6))


def _same(plane: Plane, a: Pocket, b: Pocket) -> bool:
    if abs(a.edge - b.edge) > max(DEGENERACY_TOLERANCE, SAME**2) * plane.scale:
        return False
    return plane.stack.same_k(a.center, b.center, SAME * plane.length)
