"""Fermi surfaces: points, weights and connectivity of every sheet at an energy, in two and three dimensions.

    Int d^dk delta(E_n(k) - mu) F(k) = Int dS/|grad E| F ~ sum_i w_i F(k_i)
    density of states  g = spin_degeneracy (2 pi)^-d sum_bands sum_i w_i

Source: Ashcroft and Mermin, Solid State Physics (1976), ch. 8 (8.63), ch. 9; cyclotron mass (hbar^2/2 pi) dA/dE of a
closed curve is sum_i w_i/(2 pi) with hbar = 1.  The numerics are in `zone.fermi_surface`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import SAFE_CALLS, Array, jnp
from blochflow.core.checks import as_index, as_real_array, fail
from blochflow.execution.threads import Execution, run_batches
from blochflow.geometry.band_structure import state_weights
from blochflow.geometry.bands import DEGENERACY_TOLERANCE, bands
from blochflow.geometry.eigen import eigh
from blochflow.geometry.fermi_sheets import FermiSheet, FermiSurface, assemble
from blochflow.models.base import AbstractModel, as_model, check_finite
from blochflow.zone.fermi_surface import LevelSheet, level_sheets
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
# Batches come in two sizes, each compiled once; the larger is bounded by its memory as well.  Searches step a few
# points at a time: where a k costs more memory than HEAVY, they have a size of their own.
TINY_BATCH, SMALL_BATCH, LARGE_BATCH, BATCH_BYTES, HEAVY = 16, 256, 4096, 2**26, 2**14
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
    model = as_model(model)
    boxes, number = check_arguments(model, mu, grid, points, color, shift)
    energy = float(mu)
    solver = LevelSolver(model, execution or Execution())
    for box in boxes:
        found, note = _sheets(model, solver, energy, box, number)
        if not any(np.isnan(sheet.points.error) for _, sheet in found):
            break
    return assemble(model, energy, found, box, solver.evaluations, note, color)


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


def _sheets(
    model: AbstractModel, solver: LevelSolver, mu: float, box: Box, number: int | None
) -> tuple[list[tuple[tuple[int, ...], LevelSheet]], str]:
    """Sheets of all groups of bands, and a note if there are none."""
    energies = solver.energies(box.points())
    scale = max(float(np.abs(energies).max()), abs(mu))
    cutoff = None if model.lattice is not None else float(model.cutoff)  # type: ignore[attr-defined]
    found: list[tuple[tuple[int, ...], LevelSheet]] = []
    for group in coinciding_bands(energies, scale):
        values = energies[:, list(group)].mean(axis=1).reshape(box.shape)
        if np.ptp(values) <= FLAT * scale:
            continue
        levels = solver.levels(group)
        sheets = level_sheets(levels, mu, box, values, scale=scale, number=number, cutoff=cutoff)
        found += [(group, sheet) for sheet in sheets]
    return found, "" if found else gap_note(energies, mu, model)


class LevelSolver:
    """Energies and gradients in batches of a few fixed sizes; counts the k points."""

    def __init__(self, model: AbstractModel, execution: Execution) -> None:
        self.model = model
        self.execution = execution
        self.evaluations = 0
        self.bytes = 16 * model.num_bands**2 * (4 + 2 * model.dimension)
        self.most = max(SMALL_BATCH, min(LARGE_BATCH, BATCH_BYTES // self.bytes))

    def energies(self, k: np.ndarray) -> np.ndarray:
        """All bands, (P, n)."""
        return self._run(k)[0]

    def levels(self, group: tuple[int, ...]) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Mean energy (P,) and gradient (P, d) of a group of degenerate bands, as a function of k."""
        chosen = list(group)

        def levels_of(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            if not len(k):
                return np.empty(0), np.empty((0, self.model.dimension))
            energies, slopes = self._run(k)
            return energies[:, chosen].mean(axis=1), slopes[:, :, chosen].mean(axis=2)

        return levels_of

    def _run(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """E_n (P, n) and its gradients (P, a, n) at all k; short batches are padded."""
        self.evaluations += len(k)
        batches = [k[start : start + self.most] for start in range(0, len(k), self.most)]
        label = f"{self.model.name}: Fermi surface"
        options: dict[str, Any] = {"label": label, "most_threads": SAFE_CALLS, "batch_bytes": self.bytes * self.most}
        done = run_batches(self._on_batch, iter(batches), len(batches), self.execution, **options)
        energies, slopes = (np.concatenate(parts) for parts in zip(*done, strict=True))
        return energies, slopes

    def _on_batch(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = len(batch)
        size = SMALL_BATCH if count <= SMALL_BATCH else self.most
        if count <= TINY_BATCH and self.bytes > HEAVY:
            size = TINY_BATCH
        padded = np.concatenate([batch, np.repeat(batch[-1:], size - count, axis=0)])
        energies, slopes = (np.asarray(x)[:count] for x in _energies_and_slopes(self.model, jnp.asarray(padded)))
        check_finite(energies, batch, "The Hamiltonian")
        check_finite(slopes, batch, "The gradient of the Hamiltonian")
        return energies, slopes


@eqx.filter_jit
def _energies_and_slopes(model: AbstractModel, k: Array) -> tuple[Array, Array]:
    """E_n (k, n) and <n|d_a H|n> (k, a, n)."""
    matrices = model.matrices(k)
    energies, states = eigh(matrices.hamiltonian)
    slopes = (jnp.conj(states)[:, None] * (matrices.gradient @ states[:, None])).sum(axis=-2).real
    return energies, slopes


def coinciding_bands(energies: np.ndarray, scale: float) -> list[tuple[int, ...]]:
    """Bands that coincide on the whole grid, e.g. by inversion and time reversal."""
    apart = np.diff(energies, axis=1).max(axis=0) > DEGENERACY_TOLERANCE * scale
    parts = np.split(np.arange(energies.shape[1]), np.flatnonzero(apart) + 1)
    return [tuple(map(int, part)) for part in parts]


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
