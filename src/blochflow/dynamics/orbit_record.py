"""One cyclotron orbit: what is measured of it, in kernel units (hbar = e = 1, magnetic fields in 1/length^2).

    m_c = (hbar^2/2 pi) dA/deps = (hbar^2/2 pi) closed-int dl/|d_k eps|
    T = (hbar^2/e|B|) closed-int D dl/|d_k h|      on the curve h = eps - m.B = energy,   D = 1 + (e/hbar) B.Omega

In the plane k(t) has the low energies on its left for B along e_1 x e_2 (charge -e): electrons turn from e_1 to e_2.
Sources: Onsager, Phil. Mag. 43, 1006 (1952); Lifshitz and Kosevich, Sov. Phys. JETP 2, 636 (1956); Xiao, Chang, Niu,
RMP 82, 1959 (2010), Sec. V.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from blochflow.core.errors import DegenerateBandsError, NonFiniteError
from blochflow.dynamics.equations import Adiabatic
from blochflow.dynamics.orbit_phases import berry_phase, geometry_at, moment_phase, spin_moment
from blochflow.dynamics.orbit_planes import Curve
from blochflow.dynamics.state_table import states_at
from blochflow.zone.projection import Points, unit
from blochflow.zone.quadrature import points_on
from blochflow.zone.roots import Levels, roots_on_rays
from blochflow.zone.sheets import Piece, chain

SMALLEST_DENSITY = 0.1  # of D, below which the theory has no orbits
LARGEST_ERROR = 0.05  # relative, of mass and period, above which an orbit counts as not resolved
PATH = 96  # points stored of every orbit


class OrbitStatus(StrEnum):
    """What to know about the numbers of one orbit; each text is the sentence the user reads."""

    CONVERGED = "all numbers are within their errors"
    UNCERTAIN_BRANCH = (
        "bands touch inside the orbit, so that the Berry phase is known up to a multiple of 2 pi; it is given between "
        "-pi and pi"
    )
    DEGENERATE = (
        "bands coincide on the orbit: area, mass and frequency are those of all of them, phases and the period with "
        "geometry are not defined for a single band"
    )
    STRONG_FIELD = (
        "the curve eps - m.B = energy was not found next to eps = energy, or D fell below 0.1: the field is too strong "
        "for the theory, and the period is not given"
    )
    TOUCHING = "the orbit passes through a point where bands touch; phases and period are not defined"
    UNRESOLVED = "the curve is not resolved, as at a van Hove energy: no number of it is reliable; use a finer `grid`"
    CUT = "the curve leaves the box around the home cell: open, or closed farther out; raise `extent`"


ORDER = tuple(OrbitStatus)


@dataclass(frozen=True)
class Orbit:
    """Numbers of an orbit; NaN where not defined.

    Attributes
    ----------
    bands : tuple of int
    kind : "electron", "hole", "open"
    area, mass : float
        Inside of eps = energy, and (1/2 pi) dA/d eps: per hbar^2, positive also for holes.
    period : float
        With geometry, in hbar/energy; of open orbits the time to cross the zone by ``winding``.
    circulation : float
        1 if k(t) turns from e_1 to e_2 (counterclockwise about z, or about B), else -1; 0 for open orbits.
    winding : (d,)
        Translation of k in one period of an open orbit, in reciprocal vectors, along the motion.
    berry, moment, zeeman : float
    density : float
        Smallest D.
    shift : float
        Largest |m.B|/gap.
    center : (d,)
    path : (PATH, d)
        Points along the motion.
    error : float
        Relative, of mass and period.
    phase_error : float
    status : OrbitStatus
    """

    bands: tuple[int, ...]
    kind: str
    area: float
    mass: float
    period: float
    circulation: float
    winding: np.ndarray
    berry: float
    moment: float
    zeeman: float
    density: float
    shift: float
    center: np.ndarray
    path: np.ndarray
    error: float
    phase_error: float
    status: OrbitStatus


def describe(curve: Curve, g_factor: float | None, *, phases: bool = True) -> Orbit:
    """Everything about one orbit."""
    plane, points = curve.plane, curve.sheet.points
    field, status = plane.stack.field, OrbitStatus.CONVERGED
    mass = float(points.weights.sum()) / (2 * np.pi) if curve.closed else np.nan
    orbit = Orbit(
        bands=curve.bands,
        kind=curve.kind if curve.kind != "cut" else "open",
        area=curve.sheet.enclosed,
        mass=mass,
        period=np.nan,
        circulation=field.sign * curve.outward if curve.closed else 0.0,
        winding=_winding(curve),
        berry=np.nan,
        moment=np.nan,
        zeeman=np.nan,
        density=np.nan,
        shift=np.nan,
        center=plane.to_k(curve.center[None])[0],
        path=_path(curve),
        error=points.error,
        phase_error=np.nan,
        status=status,
    )
    if curve.kind == "cut":
        return replace(orbit, status=OrbitStatus.CUT)
    if np.isnan(points.error):
        return replace(orbit, status=OrbitStatus.UNRESOLVED)
    if len(curve.bands) > 1:
        return replace(orbit, status=OrbitStatus.DEGENERATE)
    found = _with_geometry(curve, orbit, g_factor, phases)
    return replace(found, status=OrbitStatus.UNRESOLVED) if found.error > LARGEST_ERROR else found


def _with_geometry(curve: Curve, orbit: Orbit, g_factor: float | None, phases: bool) -> Orbit:
    """Add phases and the period."""
    plane, points = curve.plane, curve.sheet.points
    field = plane.stack.field
    here = geometry_at(plane, curve.bands[0], points.k)
    if not (np.isfinite(here.moment).all() and np.isfinite(here.curvature).all()):
        return replace(orbit, status=OrbitStatus.TOUCHING)
    shift = float((np.abs(here.moment) * field.strength / here.gap).max())
    status, berry, error, moment, zeeman = orbit.status, np.nan, np.nan, np.nan, np.nan
    if curve.closed and phases:
        found = berry_phase(curve)
        berry, error = found.value, found.error
        moment = moment_phase(curve, here.moment)
        status = status if found.certain else OrbitStatus.UNCERTAIN_BRANCH
        if g_factor is not None:
            zeeman = moment_phase(curve, spin_moment(curve, g_factor))
    period, density = _period(curve)
    if np.isnan(period):
        status = OrbitStatus.STRONG_FIELD
    return replace(
        orbit, period=period, density=density, shift=shift, berry=berry, moment=moment, zeeman=zeeman,
        phase_error=error + abs(moment) * points.error, status=status,
    )  # fmt: skip


def _period(curve: Curve) -> tuple[float, float]:
    """(1/|B|) closed-int D dl/|d_k h| and the smallest D; NaN where the field is too strong."""
    plane, band = curve.plane, curve.bands[0]
    field = plane.stack.field

    def states(q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = np.full(len(q), band)
        return states_at(plane.stack.model, field.fields, Adiabatic(), rows, plane.to_k(q))

    def shifted(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not len(q):
            return np.empty(0), np.empty((0, 2))
        energy, _, gradient = states(q)
        return energy, gradient @ field.basis.T

    try:
        piece = follow(curve.sheet.piece, shifted, curve.energy, curve.scale)
        if piece is None:
            return np.nan, np.nan
        points = points_on(piece, shifted, curve.energy, curve.scale, None)
        density = states(points.k)[1]
    except (DegenerateBandsError, NonFiniteError):
        return np.nan, np.nan
    if np.isnan(points.error) or density.min() <= SMALLEST_DENSITY:
        return np.nan, float(density.min())
    return float(points.weights @ density) / field.strength, float(density.min())


def follow(piece: Piece, levels: Levels, energy: float, scale: float) -> Piece | None:
    """The piece of a slightly changed level set next to a piece; None where it is lost."""
    length = np.linalg.norm(np.ptp(piece.vertices, axis=0))
    reach = np.full(len(piece.vertices), 0.25 * length)
    across = unit(piece.gradients)
    t, _, gradient, found = roots_on_rays(levels, energy, piece.vertices, across, reach, scale)
    if not found.all() or (np.einsum("va,va->v", gradient, across) <= 0).any():
        return None
    return replace(piece, vertices=piece.vertices + t[:, None] * across, gradients=gradient)


def _winding(curve: Curve) -> np.ndarray:
    """Translation in one period along the motion, in reciprocal vectors."""
    stack = curve.plane.stack
    lattice = stack.model.lattice
    if lattice is None or curve.kind != "open":
        return np.zeros(stack.model.dimension)
    period = chain(curve.sheet.piece)[1] @ stack.field.basis
    return np.asarray(np.rint(stack.field.sign * period @ np.linalg.inv(np.asarray(lattice.reciprocal))))


def _path(curve: Curve) -> np.ndarray:
    """Points along the motion."""
    points: Points = curve.sheet.points
    if curve.kind != "cut" and not np.isnan(points.error):
        points = points_on(curve.sheet.piece, curve.levels, curve.energy, curve.scale, PATH)
    q = points.k if curve.plane.stack.field.sign > 0 else points.k[::-1]
    chosen = np.rint(np.linspace(0, len(q), PATH, endpoint=False)).astype(int)
    return curve.plane.to_k(q[chosen]) if len(q) else np.full((PATH, curve.plane.stack.model.dimension), np.nan)
