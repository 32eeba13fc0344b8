"""Fermi surfaces: curves in the Brillouin zone in two dimensions, shaded surfaces in three."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.geometry.fermi_sheets import FermiSurface
from blochflow.plot.band_plot import symmetric_norm
from blochflow.plot.figure import as_result, axes_for, require, with_unit
from blochflow.plot.zone_map import zone_boundary

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDED = ("vertex_k", "vertex_velocity", "vertex_sheet", "corners", "images", "periods", "kind")
# Quantities of one sign, on a scale that need not be symmetric about zero.
SEQUENTIAL = ("velocity", "band", "scattering_rate")
# Direction of the light, and the shares of light that fall on every face and along its normal.
LIGHT, AMBIENT, DIFFUSE = np.array([0.5, -0.4, 0.77]), 0.45, 0.55
# Triangles drawn by mplot3d; it sorts them one by one, and more are not seen at the size of a figure.
MOST_TRIANGLES = 60_000


def fermi_surface(
    surface: Any, color: str | None = None, *, axes: Axes | None = None, view: tuple[float, float] = (22.0, -55.0)
) -> tuple[Figure, Axes]:
    """Draw a Fermi surface.

    Parameters
    ----------
    surface : FermiSurface, Dataset or file
        From `bf.geometry.fermi_surface`.
    color : str, optional
        ``"band"``, ``"velocity"`` (|grad E|), or the quantity that was stored with ``color=``, such as
        ``"curvature"``.  Default: what was stored, else ``"velocity"``.
    axes : Axes, optional
        Draw here; for three dimensions made with ``projection="3d"``.
    view : (float, float)
        3D: elevation and azimuth in degrees.

    Returns
    -------
    (Figure, Axes)
        Sheets are drawn in the first Brillouin zone, whose boundary is drawn too; k.p models in their disc or ball.

    Raises
    ------
    ValueError
        Not a Fermi surface, or a color that was not stored.
    FileFormatError
        A file is absent or damaged.

    Examples
    --------
    >>> import blochflow as bf
    >>> figure, axes = bf.plot.fermi_surface(bf.geometry.fermi_surface(bf.zoo.square(), mu=-1.0), color="band")
    """
    dataset = surface.to_dataset() if isinstance(surface, FermiSurface) else as_result(surface)
    require(dataset, NEEDED, "a Fermi surface")
    color = _checked_color(dataset, color)
    return draw_elements(dataset, _values(dataset, color), color, _label(dataset, color), axes, view)


def draw_elements(
    dataset: xr.Dataset,
    values: np.ndarray,
    color: str,
    label: str,
    axes: Axes | None,
    view: tuple[float, float],
) -> tuple[Figure, Axes]:
    """The mesh of a Fermi surface, one of ``values`` for each element; ``color`` sets the scale."""
    if dataset.sizes["a"] == 2:
        return _draw_curves(dataset, values, color, label, axes)
    return _draw_surface(dataset, values, color, label, axes, view)


def _checked_color(dataset: xr.Dataset, color: Any) -> str:
    """The quantity to color by."""
    stored = str(dataset.attrs.get("color", ""))
    if color is None:
        return stored or "velocity"
    if color not in ("band", "velocity", stored) or not color:
        known = '"band", "velocity"' + (f', "{stored}"' if stored else "")
        must = f"be one of {known}; other quantities are stored by fermi_surface(..., color=...)"
        raise fail("color", must, f"is {color!r}")
    return str(color)


def element_corners(dataset: xr.Dataset) -> np.ndarray:
    """Corners (F, corner, d) as the mesh joins them, wherever that is in k."""
    index = dataset["corners"].values
    if len(index) == 0:
        return np.empty((0, 2, dataset.sizes["a"]))
    return np.asarray(dataset["vertex_k"].values[index] + dataset["images"].values @ dataset["periods"].values)


def _drawn_corners(dataset: xr.Dataset) -> np.ndarray:
    """Corners (F, corner, d) moved into the first zone."""
    corners = element_corners(dataset)
    if dataset.attrs.get("periodic") and len(corners):
        center = corners.mean(axis=1)
        corners = corners + (into_zone(center, dataset["periods"].values) - center)[:, None]
    return corners


def _values(dataset: xr.Dataset, color: str) -> np.ndarray:
    """A value for each element."""
    index = dataset["corners"].values
    if len(index) == 0:
        return np.empty(0)
    if color == "band":
        lowest = np.array([int(str(text).split()[0]) for text in dataset["bands"].values])
        return np.asarray(lowest[dataset["vertex_sheet"].values[index[:, 0]]].astype(float))
    if color == "velocity":
        values = np.linalg.norm(dataset["vertex_velocity"].values, axis=1)
    else:
        values = dataset["color"].values
    return np.asarray(values[index].mean(axis=1))


def into_zone(k: np.ndarray, reciprocal: np.ndarray) -> np.ndarray:
    """The equivalent of each k (P, d) nearest to Gamma."""
    d = len(reciprocal)
    reduced = k @ np.linalg.inv(reciprocal)
    k = (reduced - np.rint(reduced)) @ reciprocal
    cells = np.stack(np.meshgrid(*[(-2, -1, 0, 1, 2)] * d, indexing="ij"), axis=-1).reshape(-1, d) @ reciprocal
    best, nearest = np.linalg.norm(k, axis=1), k.copy()
    for cell in cells:
        size = np.linalg.norm(k + cell, axis=1)
        closer = size < best - 1e-12
        nearest[closer], best[closer] = (k + cell)[closer], size[closer]
    return nearest


def _draw_curves(
    dataset: xr.Dataset, values: np.ndarray, color: str, label: str, axes: Axes | None
) -> tuple[Figure, Axes]:
    from matplotlib.collections import LineCollection

    corners = _drawn_corners(dataset)
    figure, axes = axes_for(axes, (5.0, 4.4))
    unit = dataset["vertex_k"].attrs.get("units")
    if color == "band":
        for band in np.unique(values):
            chosen, style = list(corners[values == band]), f"C{int(band) % 10}"
            axes.add_collection(LineCollection(chosen, colors=style, linewidths=1.6, label=f"{band:.0f}"))
        if len(values):
            axes.legend(title="band", fontsize="small", loc="upper right")
    else:
        norm, cmap = _scale(values, color)
        lines = LineCollection(list(corners), array=values, cmap=cmap, norm=norm, linewidths=2.0)
        axes.add_collection(lines)
        if len(values):
            figure.colorbar(lines, ax=axes, label=label)
    if dataset.attrs.get("periodic"):
        zone = zone_boundary(dataset["periods"].values)
        axes.plot(*np.vstack([zone, zone[:1]]).T, color="black", linewidth=0.8)
    axes.autoscale_view()
    axes.set_aspect("equal")
    axes.set_xlabel(with_unit("k_x", unit))
    axes.set_ylabel(with_unit("k_y", unit))
    axes.set_title(_title(dataset))
    return figure, axes


def _draw_surface(
    dataset: xr.Dataset, values: np.ndarray, color: str, label: str, axes: Any, view: tuple[float, float]
) -> tuple[Figure, Axes]:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

    if axes is None:
        figure = plt.figure(figsize=(6.0, 5.2), layout="constrained")
        axes = figure.add_subplot(projection="3d")
    elif not hasattr(axes, "get_zlim"):
        raise fail("axes", 'be made with projection="3d"', "are two-dimensional")
    else:
        figure, _ = axes_for(axes)
    corners = _drawn_corners(dataset)
    axes.view_init(elev=view[0], azim=view[1])
    if len(corners):
        if len(corners) > MOST_TRIANGLES:
            raise fail("surface", f"have at most {MOST_TRIANGLES} triangles to draw", f"has {len(corners)}")
        norm, cmap = _scale(values, color)
        mapped = mpl.cm.ScalarMappable(norm=norm, cmap=cmap)
        faces = Poly3DCollection(list(corners), facecolors=_shaded(corners, mapped.to_rgba(values)), edgecolors="none")
        # without it the background shows between neighbouring faces
        faces.set_antialiased(False)
        axes.add_collection3d(faces)
        figure.colorbar(mapped, ax=axes, label=label, shrink=0.7, pad=0.08)
    edges = _zone_edges(dataset["periods"].values) if dataset.attrs.get("periodic") else np.empty((0, 2, 3))
    if len(edges):
        axes.add_collection3d(Line3DCollection(list(edges), colors="black", linewidths=0.7))
    shown = np.concatenate([corners.reshape(-1, 3), edges.reshape(-1, 3)])
    half = float(np.abs(shown).max()) if len(shown) else 1.0
    unit = dataset["vertex_k"].attrs.get("units")
    for name in "xyz":
        getattr(axes, f"set_{name}lim")(-half, half)
        getattr(axes, f"set_{name}label")(with_unit(f"k_{name}", unit))
    axes.set_box_aspect((1, 1, 1))
    axes.set_title(_title(dataset))
    return figure, axes


def _shaded(corners: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Colors with light from the front; both sides of a face are lit alike."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size = np.linalg.norm(normals, axis=1, keepdims=True)
    lit = AMBIENT + DIFFUSE * np.abs(normals @ LIGHT / np.where(size > 0, size, 1.0)[:, 0])
    return np.column_stack([np.clip(colors[:, :3] * lit[:, None], 0, 1), colors[:, 3]])


def _zone_edges(reciprocal: np.ndarray) -> np.ndarray:
    """Edges (E, 2, 3) of the first Brillouin zone: the Voronoi cell of the origin."""
    from scipy.spatial import Voronoi

    cells = np.stack(np.meshgrid(*[(-2, -1, 0, 1, 2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    diagram = Voronoi(cells @ reciprocal)
    home = int(np.flatnonzero((cells == 0).all(axis=1))[0])
    edges = []
    for pair, ridge in zip(diagram.ridge_points, diagram.ridge_vertices, strict=True):
        if home in pair:
            ring = diagram.vertices[ridge]
            edges += list(np.stack([ring, np.roll(ring, -1, axis=0)], axis=1))
    return np.array(edges)


def _scale(values: np.ndarray, color: str) -> tuple[Any, str]:
    """Norm and color map: sequential for speeds and bands, diverging about zero for the rest."""
    from matplotlib.colors import Normalize

    if color in SEQUENTIAL:
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        if high - low <= 1e-9 * abs(high):
            low, high = low - 0.05 * abs(low) - 1e-12, high + 0.05 * abs(high) + 1e-12
        return Normalize(low, high), "viridis"
    return symmetric_norm(values, logarithmic=color.startswith("curvature")), "coolwarm"


def _label(dataset: xr.Dataset, color: str) -> str:
    if color == "velocity":
        return with_unit("|grad E|", dataset["vertex_velocity"].attrs.get("units"))
    if color == "band":
        return "band"
    return with_unit(color, dataset["color"].attrs.get("units"))


def _title(dataset: xr.Dataset) -> str:
    energy = "E" if dataset.attrs.get("model_units") == "NATURAL" else "eV"
    title = f"{dataset.attrs.get('model', '')}, mu = {float(dataset.attrs['mu']):g} {energy}"
    return title if dataset.sizes["element"] else f"{title}: no Fermi surface"
