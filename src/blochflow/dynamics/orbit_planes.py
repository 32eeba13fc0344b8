"""Planes of k space perpendicular to a magnetic field, in which electrons move, and the curves E_n(k) = energy in them.

    k = k_par B^ + q_1 e_1 + q_2 e_2,    e_1 x e_2 = B^          (two dimensions: q = k, e_1 x e_2 = z)

A field along a lattice vector R has planes spanned by two reciprocal vectors, and the planes repeat when k_par changes
by 2 pi/|R|: the box in q is periodic.  Along other directions planes never repeat: the box is a square around the
home cell of k space (the points nearest to Gamma), and closed curves around a centre in that cell are kept, because
all others are the same curves moved by reciprocal vectors.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.dynamics.magnetic_axis import MagneticAxis, planar_basis, whole_multiples
from blochflow.geometry.fermi_surface import OFFSET, gap_note
from blochflow.geometry.level_solver import LevelSolver, coinciding_bands
from blochflow.models.base import AbstractModel
from blochflow.zone.fermi_surface import LevelSheet, level_shapes
from blochflow.zone.marching import Box, shortest_basis
from blochflow.zone.roots import Levels

FLAT = 1e-10  # of the largest energy: a narrower band has no curve, only rounding
REFINEMENTS = (1.0, 1.5, 2.25)  # of the grid, until every curve is resolved
FEWEST = 8  # cells per axis
EXTENT = 1.6  # half the width of a box that is not periodic, in units of the farthest point of the home cell


@dataclass(frozen=True, eq=False)
class Plane:
    """Energies of all bands in one plane.

    Attributes
    ----------
    stack : PlaneStack
    k_parallel : float
    box : Box
        In q.
    energies : (P, n)
        On the box.
    groups : list of tuples
        Bands that coincide on the whole plane.
    scale : float
    """

    stack: PlaneStack
    k_parallel: float
    box: Box
    energies: np.ndarray
    groups: list[tuple[int, ...]]
    scale: float

    def to_k(self, q: np.ndarray) -> np.ndarray:
        """Cartesian k (P, d) of points (P, 2) in the plane."""
        return np.asarray(self.k_parallel * self.stack.field.axis + q @ self.stack.field.basis)

    def levels(self, bands: tuple[int, ...]) -> Levels:
        """Energy and gradient in the plane of bands, as a function of q."""
        solve = self.stack.solver.levels(bands)

        def at(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            energy, gradient = solve(self.to_k(q))
            return energy, gradient @ self.stack.field.basis.T

        return at

    def curves(self, energy: float, number: int | None = None, bands: tuple[int, ...] | None = None) -> list[Curve]:
        """Curves E = energy of all groups of bands, or of one."""
        found = []
        for group in self.groups if bands is None else [g for g in self.groups if g == bands]:
            values = self.energies[:, list(group)].mean(axis=1).reshape(self.box.shape)
            if np.ptp(values) <= FLAT * self.scale or self.radius <= 0:
                continue
            scale, cutoff = max(self.scale, abs(energy)), self.stack.in_plane(self)
            for shape in level_shapes(self.levels(group), energy, self.box, values, scale=scale, cutoff=cutoff):
                curve = Curve(self, group, energy, shape.sheet(number))
                if self.stack.is_home(curve):
                    found.append(curve)
        return found

    @property
    def radius(self) -> float:
        """Of the disc within the cutoff; infinite on a lattice."""
        cutoff = self.stack.in_plane(self)
        return np.inf if cutoff is None else cutoff

    @property
    def length(self) -> float:
        """Of the shortest reciprocal vector, or the cutoff."""
        lattice = self.stack.model.lattice
        return float(np.linalg.norm(self.stack.reciprocal, axis=1).min()) if lattice is not None else self.radius

    def note(self, energy: float) -> str:
        """Why there is no curve."""
        return gap_note(self.energies, energy, self.stack.model).replace("mu =", "the energy")


@dataclass(frozen=True, eq=False)
class Curve:
    """A connected curve E = energy of one band (or of bands that coincide) in a plane."""

    plane: Plane
    bands: tuple[int, ...]
    energy: float
    sheet: LevelSheet

    @property
    def kind(self) -> str:
        """ "electron", "hole", "open" or "cut"."""
        return self.sheet.kind

    @property
    def closed(self) -> bool:
        """A pocket of electrons or holes."""
        return self.sheet.kind in ("electron", "hole")

    @property
    def outward(self) -> float:
        """1 if energies rise outwards, -1 for a hole."""
        return 1.0 if self.sheet.kind == "electron" else -1.0

    @property
    def center(self) -> np.ndarray:
        """Mean of q (2,) over the length of the curve."""
        points = self.sheet.points
        return np.asarray(points.area @ points.k / points.area.sum())

    @property
    def levels(self) -> Levels:
        """Energy and gradient in the plane."""
        return self.plane.levels(self.bands)

    @property
    def scale(self) -> float:
        """Size of energies."""
        return max(self.plane.scale, abs(self.energy))


class PlaneStack:
    """All planes perpendicular to a field.

    Parameters
    ----------
    model : AbstractModel
    field : MagneticAxis
    solver : LevelSolver
    cells : int
        Cells of the detection grid along the longest vector of the box (across the disc of a k.p model, and for a box
        that is not periodic along the longest reciprocal vector).
    extent : float
        See `EXTENT`.
    """

    def __init__(
        self, model: AbstractModel, field: MagneticAxis, solver: LevelSolver, cells: int, extent: float = EXTENT
    ) -> None:
        self.model, self.field, self.solver, self.cells, self.extent = model, field, solver, cells, extent
        self.periods: np.ndarray | None = None
        self.repeat = np.zeros(model.dimension)
        self.margin = 1.0
        if model.lattice is None:
            return
        self.reciprocal = shortest_basis(np.asarray(model.lattice.reciprocal))
        if model.dimension == 2:
            self.periods = self.reciprocal
            return
        whole = whole_multiples(field.axis @ np.linalg.inv(np.asarray(model.lattice.vectors)))
        if whole is not None:
            rows, step = planar_basis(whole, np.asarray(model.lattice.reciprocal))
            self.periods = shortest_basis(rows @ field.basis.T)
            self.repeat = step
        self._neighbours = self._near_vectors()

    @property
    def period(self) -> float:
        """Distance of planes that are the same up to a reciprocal vector; 0 if there is none."""
        return float(self.repeat @ self.field.axis)

    def range(self) -> tuple[float, float]:
        """Interval of k_par that holds every curve once (up to reciprocal vectors)."""
        if self.model.dimension == 2:
            return 0.0, 0.0
        if self.model.lattice is None:
            radius = float(self.model.cutoff)  # type: ignore[attr-defined]
            return -radius, radius
        if self.period:
            return -0.5 * self.period, 0.5 * self.period
        corner = self.margin * np.abs(self._corners() @ self.field.axis).max()
        return -float(corner), float(corner)

    def home_range(self, points: np.ndarray) -> tuple[float, float]:
        """Smallest and largest k_par of points (P, d), moved by a reciprocal vector to have their middle near Gamma."""
        if self.model.lattice is not None:
            middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
            points = points - np.rint(middle @ np.linalg.inv(self.reciprocal)) @ self.reciprocal
        along = points @ self.field.axis
        return float(along.min()), float(along.max())

    def in_plane(self, plane: Plane) -> float | None:
        """Radius of the cutoff in a plane; None on a lattice."""
        if self.model.lattice is not None:
            return None
        cutoff = float(self.model.cutoff)  # type: ignore[attr-defined]
        return float(np.sqrt(max(0.0, cutoff**2 - plane.k_parallel**2)))

    def at(self, k_parallel: float, factor: float = 1.0) -> Plane:
        """The plane at k_par; ``factor`` refines its grid."""
        box = self._box(k_parallel, factor)
        empty = Plane(self, k_parallel, box, np.empty((0, 0)), [], 1.0)
        energies = self.solver.energies(empty.to_k(box.points()))
        scale = float(np.abs(energies).max())
        return Plane(self, k_parallel, box, energies, coinciding_bands(energies, scale), scale)

    def resolved(self, k_parallel: float, energy: float) -> tuple[Plane, list[Curve]]:
        """A plane and its curves, on finer grids while one is not resolved."""
        for factor in REFINEMENTS:
            plane = self.at(k_parallel, factor)
            curves = plane.curves(energy)
            if not any(np.isnan(curve.sheet.points.error) for curve in curves):
                break
        return plane, curves

    def is_home(self, curve: Curve) -> bool:
        """Whether a curve in a box that is not periodic belongs to the home cell."""
        if self.model.lattice is None or self.periods is not None:
            return True
        if curve.closed:
            return self.in_home(curve.plane.to_k(curve.center[None])[0], self.margin)
        return any(self.in_home(k, 1.0) for k in curve.plane.to_k(curve.sheet.points.k))

    def in_home(self, k: np.ndarray, margin: float) -> bool:
        """Whether k lies in the cell of points nearest to Gamma, grown by ``margin``."""
        size = (self._neighbours**2).sum(axis=1)
        return bool((self._neighbours @ k <= 0.5 * margin * (1 + 1e-9) * size).all())

    def same_k(self, a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
        """Whether two k differ by a reciprocal vector."""
        if self.model.lattice is None:
            return bool(np.linalg.norm(a - b) <= tolerance)
        inverse = np.linalg.inv(self.reciprocal)
        rest = (a - b) @ inverse
        return bool(np.linalg.norm((rest - np.rint(rest)) @ self.reciprocal) <= tolerance)

    def _near_vectors(self) -> np.ndarray:
        ways = [w for w in itertools.product((-2, -1, 0, 1, 2), repeat=self.model.dimension) if any(w)]
        return np.array(ways) @ self.reciprocal

    def _corners(self) -> np.ndarray:
        """Corners of the home cell, (C, 3)."""
        from scipy.spatial import HalfspaceIntersection

        size = 0.5 * (self._neighbours**2).sum(axis=1)
        cell = HalfspaceIntersection(np.column_stack([self._neighbours, -size]), np.zeros(3))
        return np.asarray(cell.intersections)

    def _box(self, k_parallel: float, factor: float) -> Box:
        start = np.array(OFFSET[:2])
        count = self.cells * factor
        if self.periods is not None:
            length = np.linalg.norm(self.periods, axis=1)
            unit = np.linalg.norm(self.reciprocal, axis=1).max()
            cells = np.maximum(FEWEST, np.ceil(count * length / unit)).astype(int)
            return Box((start / cells) @ self.periods, self.periods, (int(cells[0]), int(cells[1])), periodic=True)
        if self.model.lattice is None:
            cutoff = float(self.model.cutoff)  # type: ignore[attr-defined]
            half = max(float(np.sqrt(max(0.0, cutoff**2 - k_parallel**2))), 1e-6 * cutoff)
        else:
            half = self.extent * float(np.linalg.norm(self._corners(), axis=1).max())
            count *= 2 * half / np.linalg.norm(self.reciprocal, axis=1).max()
        n = max(FEWEST, int(np.ceil(count)))
        width = 2 * half * n / (n - 2)
        origin = -0.5 * width + (start - 0.5) * width / n
        return Box(origin, width * np.eye(2), (n, n), periodic=False)


def as_cells(grid: Any, default: int) -> int:
    """Check the argument ``grid``."""
    if grid is None:
        return default
    value = as_real_array(grid, "grid", max_ndim=0, positive=True)
    if value != np.rint(value) or value < FEWEST:
        raise fail("grid", f"be a whole number of at least {FEWEST} cells", f"is {grid!r}")
    return int(value)
