"""Maps over a plane of the Brillouin zone: Berry curvature, and spin texture of a band.

Omega . n = Omega_ab u_a v_b   in the plane spanned by the orthonormal vectors u, v
arrows (<s_x>, <s_y>), color <s_z>;   <s_a> = <u_n|sigma_a|u_n>, Pauli matrices
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.geometry.bands import Bands
from blochflow.geometry.bands import bands as solve
from blochflow.geometry.curvature import berry_curvature
from blochflow.geometry.expectation import expectation
from blochflow.geometry.subspace import Subspace
from blochflow.models.base import AbstractModel
from blochflow.plot.band_plot import symmetric_norm
from blochflow.plot.figure import axes_for, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curvature_map(
    model: AbstractModel,
    band: int | Subspace = 0,
    *,
    plane: Any = None,
    extent: float | None = None,
    points: int = 120,
    mu: float | None = None,
    axes: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Berry curvature of a band, or of a group of bands, over a plane of wave vectors.

    Parameters
    ----------
    model : AbstractModel
        Two- or three-dimensional.
    band : int or Subspace
        A single band (blank where it touches another) or a group.
    plane : (u, v) or (u, v, origin), optional
        In 3D: Cartesian vectors that span the plane, and a point of it; default x, y through Gamma.  Drawn is the
        component along u x v.
    extent : float, optional
        Half the width of the map in 1/length; default: the first Brillouin zone, or the cutoff of a k.p model.
    points : int
        Per axis.
    mu : float, optional
        Draw the lines where a band crosses this energy.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        A one-dimensional model, a band it does not have, or a degenerate plane.

    Examples
    --------
    >>> import blochflow as bf
    >>> figure, axes = bf.plot.curvature_map(bf.zoo.haldane(), band=0, points=20)
    """
    u, v, origin = _plane(model, plane)
    _check_band(model, band)
    s, k = _mesh(model, u, v, origin, extent, points)
    solved = solve(model, k)
    group = band if isinstance(band, Subspace) else None
    omega = np.asarray(berry_curvature(solved, subspace=group, degenerate="nan"))
    component = np.einsum("kab...,a,b->k...", omega, u, v)
    values = component if group is not None else component[:, band]
    figure, axes = axes_for(axes)
    shape = (len(s), len(s))
    norm = symmetric_norm(values, logarithmic=True)
    mesh = axes.pcolormesh(
        s, s, values.reshape(shape).T, cmap="coolwarm", norm=norm, shading="nearest", rasterized=True
    )
    figure.colorbar(mesh, ax=axes, label=with_unit("Berry curvature", f"{model.units.length}^2"))
    if mu is not None:
        _fermi_lines(axes, s, solved, mu, shape)
    _finish(axes, model, _title(model, band), plane is None)
    return figure, axes


def spin_texture(
    model: AbstractModel,
    band: int = 0,
    *,
    operator: str = "spin",
    extent: float | None = None,
    points: int = 24,
    axes: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Spin of a band of a two-dimensional model: arrows in the plane, colored by the z component.

    Parameters
    ----------
    model : AbstractModel
        Two-dimensional, with a three-component operator.
    band : int
    operator : str
        Its name.
    extent, points, axes
        As for `curvature_map`.

    Returns
    -------
    (Figure, Axes)
        No arrows where the band touches another.

    Raises
    ------
    ValueError
        Not two-dimensional, or no such operator with three components.

    Examples
    --------
    >>> import blochflow as bf
    >>> figure, axes = bf.plot.spin_texture(bf.zoo.kane_mele(), band=0, points=8)
    """
    if model.dimension != 2:
        raise fail("model", "be two-dimensional for a spin texture", f"{model.name} has dimension {model.dimension}")
    _check_band(model, band)
    if model.operator(operator).ndim != 3 or model.operator(operator).shape[0] != 3:
        raise fail("operator", "have three components", f"{operator!r} has shape {model.operator(operator).shape}")
    u, v, origin = _plane(model, None)
    s, k = _mesh(model, u, v, origin, extent, points)
    spin = np.asarray(expectation(solve(model, k), operator, degenerate="nan"))[:, :, band]
    known = np.isfinite(spin).all(axis=1)
    figure, axes = axes_for(axes)
    step = s[1] - s[0]
    # an arrow of full length spans 90 % of the distance between neighbours
    arrows = axes.quiver(
        *k[known].T,
        *spin[known, :2].T,
        spin[known, 2],
        cmap="coolwarm",
        clim=(-1, 1),
        pivot="mid",
        angles="xy",
        scale_units="xy",
        scale=1 / (0.9 * step),
    )
    figure.colorbar(arrows, ax=axes, label=f"{operator}_z")
    _finish(axes, model, _title(model, band), True)
    return figure, axes


def _plane(model: AbstractModel, plane: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal u, v and the origin."""
    d = model.dimension
    if d < 2:
        raise fail("model", "have two or three dimensions for a map", f"{model.name} has one")
    if plane is None or d == 2:
        if plane is not None:
            raise fail("plane", "be given for three-dimensional models only", f"{model.name} is two-dimensional")
        return np.eye(d)[0], np.eye(d)[1], np.zeros(d)
    vectors = [as_real_array(x, "plane") for x in plane]
    if len(vectors) not in (2, 3) or any(x.shape != (3,) for x in vectors):
        raise fail("plane", "be (u, v) or (u, v, origin), three components each", f"is {plane!r}")
    u, v = vectors[0], vectors[1]
    if not np.linalg.norm(np.cross(u, v)) > 1e-9 * float(np.linalg.norm(u) * np.linalg.norm(v)):
        raise fail("plane", "be spanned by two independent vectors", f"is {plane!r}")
    u = u / np.linalg.norm(u)
    v = v - (u @ v) * u
    return u, v / np.linalg.norm(v), vectors[2] if len(vectors) == 3 else np.zeros(3)


def _check_band(model: AbstractModel, band: int | Subspace) -> None:
    if isinstance(band, Subspace):
        band.mask(model.num_bands)
    elif isinstance(band, bool) or not 0 <= band < model.num_bands:
        raise fail("band", f"be between 0 and {model.num_bands - 1}", f"is {band!r}")


def _mesh(
    model: AbstractModel, u: np.ndarray, v: np.ndarray, origin: np.ndarray, extent: float | None, points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along each axis, and Cartesian k (points^2, d), the second axis fastest."""
    if points < 2:
        raise fail("points", "be at least 2", f"is {points}")
    half = _default_extent(model) if extent is None else float(as_real_array(extent, "extent", positive=True))
    s = np.linspace(-half, half, points)
    return s, origin + (s[:, None, None] * u + s[None, :, None] * v).reshape(-1, len(u))


def _default_extent(model: AbstractModel) -> float:
    """Half the width that shows the whole first zone, or all k of a k.p model."""
    if model.lattice is None:
        return float(model.cutoff)  # type: ignore[attr-defined]
    corners = zone_boundary(np.asarray(model.lattice.reciprocal)[:2, :2]) if model.dimension == 2 else None
    if corners is not None:
        return 1.05 * float(np.max(np.linalg.norm(corners, axis=1)))
    return 0.75 * float(np.max(np.linalg.norm(np.asarray(model.lattice.reciprocal), axis=1)))


def zone_boundary(reciprocal: np.ndarray) -> np.ndarray:
    """Corners (n, 2) of the first Brillouin zone in two dimensions, in order: the Voronoi cell of the origin."""
    from scipy.spatial import Voronoi

    cells = np.array([(i, j) for i in range(-3, 4) for j in range(-3, 4)])
    diagram = Voronoi(cells @ reciprocal)
    home = int(np.flatnonzero((cells == 0).all(axis=1))[0])
    corners = diagram.vertices[diagram.regions[diagram.point_region[home]]]
    return np.asarray(corners[np.argsort(np.arctan2(corners[:, 1], corners[:, 0]))])


def _fermi_lines(axes: Axes, s: np.ndarray, solved: Bands, mu: float, shape: tuple[int, int]) -> None:
    for energy in np.asarray(solved.energies).T:
        if energy.min() < mu < energy.max():
            axes.contour(s, s, energy.reshape(shape).T, levels=[mu], colors="black", linewidths=0.8, linestyles="solid")


def _finish(axes: Axes, model: AbstractModel, title: str, along_axes: bool) -> None:
    """Zone boundary, labels, equal scales."""
    if model.dimension == 2 and model.lattice is not None:
        corners = zone_boundary(np.asarray(model.lattice.reciprocal))
        axes.plot(*np.vstack([corners, corners[:1]]).T, color="black", linewidth=0.8)
    names = ("k_x", "k_y") if along_axes else ("k along u", "k along v")
    axes.set_xlabel(with_unit(names[0], f"1/{model.units.length}"))
    axes.set_ylabel(with_unit(names[1], f"1/{model.units.length}"))
    axes.set_aspect("equal")
    axes.set_title(title)


def _title(model: AbstractModel, band: int | Subspace) -> str:
    which = f"bands {', '.join(map(str, band.bands))}" if isinstance(band, Subspace) else f"band {band}"
    return f"{model.name}, {which}"
