"""Fermi surfaces: points, weights and connectivity of every sheet at an energy, in two and three dimensions.

    Int d^dk delta(E_n(k) - mu) F(k) = Int dS/|grad E| F ~ sum_i w_i F(k_i)
    density of states  g = spin_degeneracy (2 pi)^-d sum_bands sum_i w_i

Source: Ashcroft and Mermin, Solid State Physics (1976), ch. 8 (8.63), ch. 9; cyclotron mass (hbar^2/2 pi) dA/dE of a
closed curve is sum_i w_i/(2 pi) with hbar = 1.  The numerics are in `zone.fermi_surface`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blochflow.core.checks import as_index, as_real_array, fail
from blochflow.execution.threads import Execution
from blochflow.geometry.band_structure import state_weights
from blochflow.geometry.bands import bands
from blochflow.geometry.fermi_sheets import FermiSheet, FermiSurface, assemble
from blochflow.geometry.level_solver import LevelSolver, coinciding_bands
from blochflow.models.base import AbstractModel, as_model
from blochflow.zone.fermi_surface import LevelShape, level_shapes
from blochflow.zone.grids import requested_grid
from blochflow.zone.marching import Box, shortest_basis
from blochflow.zone.quadrature import TRIANGLE_POINTS

__all__ = ["FermiSheet", "FermiSurface", "fermi_surface"]

# Points along the longest reciprocal vector, or across the disc or ball of a k.p model.
DETECTION = {2: 64, 3: 24}
REFINEMENTS = (1.0, 1.5, 2.25)  # of the default grid, until every sheet is resolved
FEWEST_CELLS = 4
FEWEST_POINTS = 8  # on a curve
# A grid that starts at Gamma puts points on symmetry lines, where surfaces touch and extrema lie; these fractions of a
# step avoid all of them.
OFFSET = (0.2113, 0.3547, 0.4271)
KEPT = 64  # energies whose curves are kept
FLAT = 1e-10  # of the largest energy: a band narrower than this has no surface, only rounding


def fermi_surface(
    model: AbstractModel,
    mu: float,
    *,
    grid: Any = None,
    points: int | None = None,
    color: str | None = None,
    shift: Any = None,
    execution: Execution | None = None,
) -> FermiSurface:
    """Sheets of the surface E_n(k) = mu, with points and weights for integrals over it.

        Int d^dk delta(E_n(k) - mu) F(k) = Int dS/|grad E| F ~ sum_i w_i F(k_i)

    Source: [AshcroftMermin1976] ch. 8, 9; marching simplices: Doi and Koide, IEICE Trans. E74-D, 214 (1991).
    Valid for: any model in 2D and 3D; sharp at T = 0.  Not included: weights at van Hove points, where they diverge.

    Every vertex and every point solves E = mu to rounding.  The error of the weights is that of the rule along the
    surface: exponential in ``points`` on closed and periodic curves, h^6 on triangles of size h.

    What is found: every sheet that separates neighbouring points of the detection grid, and smaller pockets around
    extrema that the grid shows as local extrema.  Not guaranteed: pockets deep inside a cell of a rapidly varying
    band, and in 3D necks or gaps thinner than a cell; compare two grids when such a thing matters.

    Parameters
    ----------
    model : AbstractModel
        Two- or three-dimensional, any number of bands.
    mu : float
        Energy of the surface.
    grid : int or (d,) ints, optional
        Detection grid.  Default: 64 (2D) or 24 (3D) cells along the longest vector of the shortest reciprocal basis,
        evenly spaced along the others; across the disc or ball of a k.p model.  The default is refined, by 1.5 at
        most twice, while a sheet is not resolved.
    points : int, optional
        2D: points on every curve, equally spaced in a smooth parameter, in which they crowd where the velocity changes
        fast, next to saddles and in narrow bends; default: doubled until the weights agree to
        1e-11.  3D: points per triangle, 1, 3, 6 or 7; default: 7, and triangles are split until the error of the
        weights is about 1e-6.
    color : str, optional
        Store ``"curvature"``, ``"curvature_yz"`` or an operator such as ``"spin_z"`` at the vertices, for plots.
    shift : (d,) floats, optional
        Origin of the detection grid in units of its steps, each in [0, 1).
    execution : Execution, optional

    Returns
    -------
    FermiSurface
        NumPy arrays and one `FermiSheet` for each connected sheet.  Without bands at ``mu`` it is empty and ``note``
        says where the nearest bands are.  Exactly degenerate bands share one sheet, which names them all.

    Raises
    ------
    ValueError
        A one-dimensional model, ``mu`` that is not one finite number, a wrong grid or number of points.
    NonFiniteError
        H(k) is not finite; names the k.

    Examples
    --------
    >>> import blochflow as bf
    >>> surface = bf.geometry.fermi_surface(bf.zoo.square(), mu=-3.0)
    >>> [(sheet.bands, sheet.kind, round(sheet.enclosed, 9)) for sheet in surface.sheets]
    [((0,), 'electron', 3.361566634)]
    >>> round(float(surface.weights.sum()) / (2 * 3.141592653589793), 9)
    0.574377973
    """
    return SurfaceFinder(as_model(model), execution or Execution()).surface(mu, grid, points, color, shift)


@dataclass(eq=False)
class SurfaceFinder:
    """Surfaces of one model at many energies: what they share is computed once.

    That are the energies on detection grids and, in two dimensions, the curves of the last energies, on which other
    numbers of points can be placed.
    """

    model: AbstractModel
    execution: Execution
    solver: LevelSolver = field(init=False)
    grids: dict[bytes, np.ndarray] = field(default_factory=dict)
    shapes: dict[tuple[float, bytes], list[tuple[tuple[int, ...], LevelShape]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.solver = LevelSolver(self.model, self.execution)

    def surface(
        self, mu: float, grid: Any = None, points: int | None = None, color: str | None = None, shift: Any = None
    ) -> FermiSurface:
        """As `fermi_surface`; ``evaluations`` are those that were new."""
        boxes, number = check_arguments(self.model, mu, grid, points, color, shift)
        energy, before, note = float(mu), self.solver.evaluations, ""
        for box in boxes:
            found = [(group, shape.sheet(number)) for group, shape in self._shapes(energy, box)]
            if not any(np.isnan(sheet.points.error) for _, sheet in found):
                break
        if not found:
            note = gap_note(self._energies(box), energy, self.model)
        return assemble(self.model, energy, found, box, self.solver.evaluations - before, note, color)

    def _energies(self, box: Box) -> np.ndarray:
        key = box.key
        if key not in self.grids:
            self.grids[key] = self.solver.energies(box.points())
        return self.grids[key]

    def _shapes(self, mu: float, box: Box) -> list[tuple[tuple[int, ...], LevelShape]]:
        """Shapes of all groups of bands."""
        if (mu, box.key) in self.shapes:
            return self.shapes[mu, box.key]
        energies = self._energies(box)
        scale = max(float(np.abs(energies).max()), abs(mu))
        cutoff = None if self.model.lattice is not None else float(self.model.cutoff)  # type: ignore[attr-defined]
        found: list[tuple[tuple[int, ...], LevelShape]] = []
        for group in coinciding_bands(energies, scale):
            values = energies[:, list(group)].mean(axis=1).reshape(box.shape)
            if np.ptp(values) <= FLAT * scale:
                continue
            shapes = level_shapes(self.solver.levels(group), mu, box, values, scale=scale, cutoff=cutoff)
            found += [(group, shape) for shape in shapes]
        if self.model.dimension == 2:
            if len(self.shapes) >= KEPT:
                self.shapes.pop(next(iter(self.shapes)))
            self.shapes[mu, box.key] = found
        return found


def check_arguments(
    model: AbstractModel, mu: Any, grid: Any, points: Any, color: Any, shift: Any = None
) -> tuple[list[Box], int | None]:
    """Detection grids to try in turn, and points per curve or triangle.

    Raises
    ------
    ValueError
        As `fermi_surface`.
    """
    if model.dimension < 2:
        raise fail("model", "have two or three dimensions for a Fermi surface", f"{model.name} has one")
    as_real_array(mu, "mu", max_ndim=0)
    if color is not None:
        # the error names what is wrong; the value is computed with the surface
        state_weights(bands(model, np.zeros(model.dimension)), color)
    return _detection_boxes(model, grid, shift), _checked_points(points, model.dimension)


def _checked_points(points: Any, dimension: int) -> int | None:
    if points is None:
        return None
    if dimension == 3:
        must = f"be the number of points per triangle in 3D, one of {', '.join(map(str, TRIANGLE_POINTS))}"
        if as_index(points, "points", must) not in TRIANGLE_POINTS:
            raise fail("points", must, f"is {points!r}")
        return int(points)
    must = f"be an integer of at least {FEWEST_POINTS}, the number of points on every curve"
    if as_index(points, "points", must) < FEWEST_POINTS:
        raise fail("points", must, f"is {points!r}")
    return int(points)


def _detection_boxes(model: AbstractModel, grid: Any, shift: Any) -> list[Box]:
    """The requested grid, or the default one and finer ones for sheets that it does not resolve."""
    d = model.dimension
    start = np.array(OFFSET[:d]) if shift is None else np.broadcast_to(as_real_array(shift, "shift"), (d,))
    if np.any(start < 0) or np.any(start >= 1):
        raise fail("shift", "hold numbers from 0 to below 1", f"is {shift!r}")
    if grid is not None:
        cells = requested_grid(grid, d)
        if min(cells) < FEWEST_CELLS:
            raise fail("grid", f"have at least {FEWEST_CELLS} cells along each axis", f"is {grid!r}")
        return [_box(model, cells, start)]
    spans = np.eye(d) if model.lattice is None else shortest_basis(np.asarray(model.lattice.reciprocal))
    share = np.linalg.norm(spans, axis=1) / np.linalg.norm(spans, axis=1).max()
    finer = [np.maximum(8, np.ceil(DETECTION[d] * factor * share)) for factor in REFINEMENTS]
    return [_box(model, tuple(int(n) for n in cells), start, spans) for cells in finer]


def _box(model: AbstractModel, cells: tuple[int, ...], start: np.ndarray, spans: np.ndarray | None = None) -> Box:
    """The reciprocal cell, or a square or cube that holds the cutoff and one step more on each side."""
    if model.lattice is not None:
        spans = np.asarray(model.lattice.reciprocal) if spans is None else spans
        return Box((start / np.array(cells)) @ spans, spans, cells, periodic=True)
    # two steps more than the diameter, so that the cutoff stays inside wherever the grid starts
    width = 2 * float(model.cutoff) * np.array(cells) / (np.array(cells) - 2)  # type: ignore[attr-defined]
    origin = -0.5 * width + (start - 0.5) * width / np.array(cells)
    return Box(origin, np.diag(width), cells, periodic=False)


def gap_note(energies: np.ndarray, mu: float, model: AbstractModel) -> str:
    """Where the nearest bands are, as the grid sees them; a flat band at mu has no surface."""
    below, above = energies[energies <= mu], energies[energies > mu]
    unit = model.units.energy
    edges = [f"highest below: {below.max():.6g} {unit}"] if below.size else ["no band below"]
    edges += [f"lowest above: {above.min():.6g} {unit}"] if above.size else ["no band above"]
    return f"no band crosses mu = {mu:.6g} {unit} ({', '.join(edges)} on the detection grid)"
