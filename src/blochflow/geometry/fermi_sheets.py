"""What `fermi_surface` returns: points, mesh and a table of sheets, and the same as a Dataset.

    n = +/- spin_degeneracy (2 pi)^-d (number of bands) (area or volume enclosed)      electrons +, holes -

Axis order: points, Cartesian.  Vertices of a closed sheet are contiguous; a corner of an element lies at
vertices[element] + images @ periods, where images is zero except across the cut of an open sheet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.dataset import CARTESIAN, description, provenance
from blochflow.geometry.band_structure import state_weights
from blochflow.geometry.bands import bands
from blochflow.geometry.subspace import Subspace
from blochflow.models.base import AbstractModel
from blochflow.models.catalog import FERMI_SURFACE
from blochflow.zone.fermi_surface import LevelSheet
from blochflow.zone.marching import Box
from blochflow.zone.sheets import hermite_basis

if TYPE_CHECKING:
    import xarray as xr

BATCH = 512  # k points at once for colors: bounds the memory of many bands


@dataclass(frozen=True)
class FermiSheet:
    """A connected sheet of a Fermi surface.

    Attributes
    ----------
    bands : tuple of int
        The band, or all bands of an exactly degenerate group that share the sheet.
    kind : str
        "electron" or "hole" (closed around lower or higher energies), "open" (closes only through the periods of
        the zone), "cut" (ends at the cutoff of a k.p model).
    winding : (d, d) int array
        Basis of the translations that lead back to the same sheet, in reciprocal vectors; zero rows fill up.
    measure : float
        Length or area.
    enclosed : float
        Area or volume inside; NaN unless closed.
    density : float
        Carriers, electrons positive and holes negative, per area or volume; NaN unless closed.
    density_of_states : float
        Of this sheet, with all its bands and the spin degeneracy.
    closure_residual : float
        |Int n dS - expected|/Int dS: quadrature error of a closed or open sheet, of order one for a cut one.
    error : float
        Estimated relative error of ``density_of_states``; NaN where the mesh does not resolve the sheet, e.g. at a
        van Hove point or where bands touch at ``mu``.
    euler_characteristic : int
        V - E + F of the mesh: 2 for a sphere, 0 for a closed curve or a tube, -4 for the open sheet of `cubic`.
    touches_cutoff : bool
    """

    bands: tuple[int, ...]
    kind: str
    winding: np.ndarray
    measure: float
    enclosed: float
    density: float
    density_of_states: float
    closure_residual: float
    error: float
    euler_characteristic: int
    touches_cutoff: bool


@dataclass(frozen=True, eq=False)
class FermiSurface:
    """Fermi surface of a model: points with weights, a mesh, and a table of sheets; see `fermi_surface`.

    Attributes
    ----------
    model : AbstractModel
    mu : float
    k, velocity : (P, d)
        Cartesian points, and grad E there (hbar times the velocity; the mean over a degenerate group).
    weights : (P,)
        Of dS/|grad E|: sum_i w_i F(k_i) is the integral of F delta(E - mu) over one band, without spin degeneracy.
    area : (P,)
        Of dS.
    band, sheet : (P,) int
        Lowest band of the group, and index into ``sheets``.
    vertices, vertex_velocity : (V, d)
        Mesh on the surface; its vertices are not the points.
    vertex_sheet : (V,) int
    vertex_color : (V,) or None
        Curvature or expectation value, if ``color`` was given.
    elements : (F, d) int
        Segments or triangles.  Normals (segments: to the right) point to higher energies.
    images : (F, corner, d) int
        Periods to be added to the corners; see ``corners``.
    periods : (d, d)
        Reciprocal vectors, rows; zeros for k.p models.
    sheets : tuple of FermiSheet
    residual : float
        Largest |E - mu| over points and vertices.
    grid : (d,) int
        Cells of the detection grid.
    evaluations : int
        k points at which H was diagonalized.
    note : str
        Why the surface is empty, else an empty string.
    """

    model: AbstractModel = field(repr=False)
    mu: float
    k: np.ndarray = field(repr=False)
    velocity: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    area: np.ndarray = field(repr=False)
    band: np.ndarray = field(repr=False)
    sheet: np.ndarray = field(repr=False)
    vertices: np.ndarray = field(repr=False)
    vertex_velocity: np.ndarray = field(repr=False)
    vertex_sheet: np.ndarray = field(repr=False)
    vertex_color: np.ndarray | None = field(repr=False)
    elements: np.ndarray = field(repr=False)
    images: np.ndarray = field(repr=False)
    periods: np.ndarray = field(repr=False)
    sheets: tuple[FermiSheet, ...]
    residual: float
    grid: tuple[int, ...]
    evaluations: int
    note: str
    color: str | None

    @property
    def density_of_states(self) -> float:
        """States per energy and area or volume at ``mu``, all sheets."""
        return float(sum(sheet.density_of_states for sheet in self.sheets))

    @property
    def corners(self) -> np.ndarray:
        """Positions of the corners of all elements, (F, corner, d)."""
        return np.asarray(self.vertices[self.elements] + self.images @ self.periods)

    def to_dataset(self) -> xr.Dataset:
        """The surface as a Dataset that `bf.save` and `bf.open` keep.

        Returns
        -------
        Dataset
            dims ``point`` (``k``, ``velocity``, ``weight``, ``area``, ``point_band``, ``point_sheet``), ``vertex``
            (``vertex_k``, ``vertex_velocity``, ``vertex_sheet``, ``color``), ``element`` (``corners``, ``images``),
            ``sheet`` (one variable for each field of `FermiSheet`); units in the attributes.

        Examples
        --------
        >>> import blochflow as bf
        >>> result = bf.geometry.fermi_surface(bf.zoo.haldane(mass=0.1), mu=1.0).to_dataset()
        >>> result["kind"].values
        array(['electron', 'electron'], dtype='<U8')
        """
        import xarray as xr

        d = self.model.dimension
        coords = {"a": list(CARTESIAN[:d]), "sheet": np.arange(len(self.sheets))}
        return xr.Dataset(self._arrays() | self._table(), coords=coords, attrs=self._attributes())

    def _arrays(self) -> dict[str, Any]:
        """Points and mesh as variables."""
        energy, length, d = self.model.units.energy, self.model.units.length, self.model.dimension
        inverse, speed = {"units": f"1/{length}"}, {"units": f"{energy}*{length}"}
        variables: dict[str, Any] = {
            "k": (("point", "a"), self.k, inverse),
            "velocity": (("point", "a"), self.velocity, {**speed, "long_name": "grad E"}),
            "weight": (("point",), self.weights, {"units": f"1/({energy}*{length}^{d})", "long_name": "dS/|grad E|"}),
            "area": (("point",), self.area, {"units": _power(length, d - 1), "long_name": "dS"}),
            "point_band": (("point",), self.band),
            "point_sheet": (("point",), self.sheet),
            "vertex_k": (("vertex", "a"), self.vertices, inverse),
            "vertex_velocity": (("vertex", "a"), self.vertex_velocity, speed),
            "vertex_sheet": (("vertex",), self.vertex_sheet),
            "corners": (("element", "corner"), self.elements),
            "images": (("element", "corner", "period"), self.images),
            "periods": (("period", "a"), self.periods, inverse),
        }
        if self.vertex_color is not None:
            curvature = str(self.color).startswith("curvature")
            meta = {"units": f"{length}^2" if curvature else "1", "long_name": str(self.color)}
            variables["color"] = (("vertex",), self.vertex_color, meta)
        return variables

    def _table(self) -> dict[str, Any]:
        """One variable per field of `FermiSheet`."""
        energy, length, d = self.model.units.energy, self.model.units.length, self.model.dimension
        units = {
            "measure": _power(length, d - 1),
            "enclosed": _power(length, d),
            "density": _power(length, d),
            "density_of_states": f"1/({energy}*{length}^{d})",
            "closure_residual": "1",
            "error": "1",
        }
        table: dict[str, Any] = {
            name: (("sheet",), np.array([getattr(s, name) for s in self.sheets], dtype=float), {"units": unit})
            for name, unit in units.items()
        }
        table["bands"] = (("sheet",), _texts([" ".join(map(str, s.bands)) for s in self.sheets]))
        table["kind"] = (("sheet",), _texts([s.kind for s in self.sheets]))
        table["winding"] = (("sheet", "row", "period"), np.array([s.winding for s in self.sheets]).reshape(-1, d, d))
        table["euler_characteristic"] = (("sheet",), np.array([s.euler_characteristic for s in self.sheets], dtype=int))
        table["touches_cutoff"] = (("sheet",), np.array([s.touches_cutoff for s in self.sheets], dtype=bool))
        return table

    def _attributes(self) -> dict[str, Any]:
        model, quantity = self.model, FERMI_SURFACE
        unresolved = any(np.isnan(sheet.error) for sheet in self.sheets)
        message = self.note or ("the mesh does not resolve a sheet (error NaN)" if unresolved else "E = mu to rounding")
        attributes = {
            **description(quantity, quantity.unit(model.units.name, model.dimension)[1]),
            **provenance(model, [np.array(self.mu)]),
            "status": "NOT_CONVERGED" if unresolved else "CONVERGED",
            "status_message": message,
            "evaluations": self.evaluations,
            "grid": np.array(self.grid),
            "mu": self.mu,
            "residual": self.residual,
            "density_of_states": self.density_of_states,
            "periodic": int(model.lattice is not None),
        }
        return attributes | ({"color": self.color} if self.color is not None else {})


def assemble(
    model: AbstractModel,
    mu: float,
    found: list[tuple[tuple[int, ...], LevelSheet]],
    box: Box,
    evaluations: int,
    note: str,
    color: str | None,
) -> FermiSurface:
    """Join the sheets of all bands."""
    d = model.dimension
    periods = np.zeros((d, d)) if model.lattice is None else np.asarray(model.lattice.reciprocal)
    # the grid may use another basis of the same lattice
    change = np.eye(d, dtype=int)
    if box.periodic:
        change = np.rint(box.spans @ np.linalg.inv(periods)).astype(int)
    pieces, points = [s.piece for _, s in found], [s.points for _, s in found]
    starts = np.cumsum([0, *(len(p.vertices) for p in pieces)])
    counts, sizes = [len(p.k) for p in points], [len(p.vertices) for p in pieces]
    misses = [float(np.abs(p.energy - mu).max()) for p in points if len(p.energy)]
    vertices = _joined([p.vertices for p in pieces], (0, d))
    vertex_sheet = np.repeat(np.arange(len(found)), sizes)
    groups = [group for group, _ in found]
    return FermiSurface(
        model=model,
        mu=mu,
        k=_joined([p.k for p in points], (0, d)),
        velocity=_joined([p.gradient for p in points], (0, d)),
        weights=_joined([p.weights for p in points], (0,)),
        area=_joined([p.area for p in points], (0,)),
        band=np.repeat(np.array([g[0] for g in groups], dtype=int), counts),
        sheet=np.repeat(np.arange(len(found)), counts),
        vertices=vertices,
        vertex_velocity=_joined([p.gradients for p in pieces], (0, d)),
        vertex_sheet=vertex_sheet,
        vertex_color=None if color is None else _colors(model, vertices, vertex_sheet, groups, color),
        elements=_joined([p.elements + start for p, start in zip(pieces, starts, strict=False)], (0, d)).astype(int),
        images=_joined([p.images for p in pieces], (0, d, d)).astype(int) @ change,
        periods=periods,
        sheets=tuple(_sheet(model, group, sheet, change) for group, sheet in found),
        residual=max(misses, default=0.0),
        grid=box.cells,
        evaluations=evaluations,
        note=note,
        color=color,
    )


def _sheet(model: AbstractModel, group: tuple[int, ...], sheet: LevelSheet, change: np.ndarray) -> FermiSheet:
    states = model.spin_degeneracy * len(group) / (2 * np.pi) ** model.dimension
    sign = {"electron": 1.0, "hole": -1.0}.get(sheet.kind, np.nan)
    return FermiSheet(
        bands=group,
        kind=sheet.kind,
        winding=hermite_basis(sheet.piece.winding @ change),
        measure=float(sheet.points.area.sum()),
        enclosed=sheet.enclosed,
        density=float(sign * states * sheet.enclosed),
        density_of_states=float(states * sheet.points.weights.sum()),
        closure_residual=sheet.closure_residual,
        error=sheet.points.error,
        euler_characteristic=sheet.piece.euler_characteristic,
        touches_cutoff=sheet.kind == "cut",
    )


def _colors(
    model: AbstractModel, vertices: np.ndarray, sheet: np.ndarray, groups: list[tuple[int, ...]], color: str
) -> np.ndarray:
    """Weights of the states at the vertices, the trace over a degenerate group; NaN where a band touches another."""
    values = np.full(len(vertices), np.nan)
    for group in sorted(set(groups)):
        rows = np.flatnonzero(np.isin(sheet, [i for i, g in enumerate(groups) if g == group]))
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            solved = bands(model, vertices[part])
            if len(group) == 1:
                values[part] = state_weights(solved, color)[0][:, group[0]]
            else:
                values[part] = state_weights(solved, color, Subspace(group))[0]
    return values


def _joined(arrays: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Concatenation, or an empty array of this shape."""
    return np.concatenate(arrays) if arrays else np.empty(shape)


def _texts(words: list[str]) -> np.ndarray:
    return np.array(words, dtype=str) if words else np.empty(0, dtype="<U1")


def _power(length: str, power: int) -> str:
    return f"1/{length}" if power == 1 else f"1/{length}^{power}"
