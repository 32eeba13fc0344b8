"""Distributions and side-jump velocities on a Fermi surface: colored lines with arrows, or colored surfaces."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_choice, fail
from blochflow.plot.fermi_plot import NEEDED, draw_elements, element_corners, into_zone
from blochflow.plot.figure import as_result, require, with_unit

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VECTORS = ("velocity", "side_jump_velocity")
RATE = "scattering_rate"
# Most arrows on one curve, and the longest of them in units of the size of the surface.
ARROWS, LONGEST = 48, 0.25


def surface_distribution(
    result: Any,
    color: str = "drude",
    direction: str | None = None,
    *,
    arrows: str | None = None,
    axes: Axes | None = None,
    view: tuple[float, float] = (22.0, -55.0),
) -> tuple[Figure, Axes]:
    """Draw what a field and collisions do on a Fermi surface.

    Parameters
    ----------
    result : Dataset or file
        From `bf.response.surface_distribution`.
    color : str
        A contribution to phi ("drude", "side_jump", "skew_scattering", "third_cumulant"), "side_jump_velocity" or
        "scattering_rate".
    direction : "x", "y" or "z", optional
        Direction of the field for phi, component of the velocity; default "x".
    arrows : str, optional
        2D: "side_jump_velocity" or "velocity" as arrows, on at most 48 points of every curve.
    axes : Axes, optional
        Draw here; for three dimensions made with ``projection="3d"``.
    view : (float, float)
        3D: elevation and azimuth in degrees.

    Returns
    -------
    (Figure, Axes)
        Each segment or triangle of the mesh has the value of the nearest point of its sheet.

    Raises
    ------
    ValueError
        Not such a result, a color, direction or arrows it does not have.
    FileFormatError
        A file is absent or damaged.

    Examples
    --------
    >>> import blochflow as bf
    >>> cone, white = bf.zoo.massive_dirac(), bf.Disorder.white(0.1)
    >>> found = bf.response.surface_distribution(cone, 1.0, disorder=white, points=32)
    >>> figure, axes = bf.plot.surface_distribution(found, "skew_scattering", "x", arrows="side_jump_velocity")
    """
    dataset = as_result(result)
    require(dataset, (*NEEDED, "phi", "side_jump_velocity"), "a distribution on a Fermi surface")
    known = (*map(str, dataset["contribution"].values), "side_jump_velocity", RATE)
    as_choice(color, "color", known)
    if color == RATE and direction is not None:
        raise fail("direction", f"be left out for the {RATE}", f"is {direction!r}")
    direction = as_choice(direction or "x", "direction", [str(x) for x in dataset["a"].values])
    if arrows is not None:
        as_choice(arrows, "arrows", VECTORS)
        if dataset.sizes["a"] != 2:
            raise fail("arrows", "be given for two dimensions only", f"is {arrows!r}")
    chosen = _chosen(dataset, color, direction)
    label = with_unit(_name(color, direction), chosen.attrs.get("units"))
    figure, axes = draw_elements(dataset, chosen.values[_nearest(dataset)], color, label, axes, view)
    if arrows is not None:
        _draw_arrows(axes, dataset, arrows)
    return figure, axes


def _chosen(dataset: xr.Dataset, color: str, direction: str) -> xr.DataArray:
    """The colored number at every point."""
    if color == RATE:
        return dataset[RATE]
    if color == "side_jump_velocity":
        return dataset[color].sel(a=direction)
    return dataset["phi"].sel(contribution=color, b=direction)


def _name(color: str, direction: str) -> str:
    if color == RATE:
        return "scattering rate"
    return f"side-jump velocity {direction}" if color == "side_jump_velocity" else f"phi {color}, E along {direction}"


def _nearest(dataset: xr.Dataset) -> np.ndarray:
    """(F,) the point of the same sheet, up to periods, next to the center of every element."""
    from scipy.spatial import KDTree

    centers = element_corners(dataset).mean(axis=1)
    points, periods, d = dataset["k"].values, dataset["periods"].values, dataset.sizes["a"]
    shifts = [np.zeros(d)]
    if dataset.attrs.get("periodic"):
        points, centers = into_zone(points, periods), into_zone(centers, periods)
        shifts = [np.array(n) @ periods for n in itertools.product((-1, 0, 1), repeat=d)]
    of_element = dataset["vertex_sheet"].values[dataset["corners"].values[:, 0]]
    nearest = np.zeros(len(centers), dtype=int)
    for sheet in np.unique(of_element):
        own, wanted = np.flatnonzero(dataset["point_sheet"].values == sheet), of_element == sheet
        tree = KDTree(np.concatenate([points[own] + shift for shift in shifts]))
        nearest[wanted] = own[tree.query(centers[wanted])[1] % len(own)]
    return nearest


def _draw_arrows(axes: Axes, dataset: xr.Dataset, name: str) -> None:
    """Arrows at evenly chosen points of every sheet."""
    sheets = dataset["point_sheet"].values
    chosen = [own[:: -(-len(own) // ARROWS)] for own in (np.flatnonzero(sheets == s) for s in np.unique(sheets))]
    at = np.concatenate(chosen)
    k, vectors = dataset["k"].values, dataset[name].values[at]
    size = float(np.ptp(k, axis=0).max())
    k = into_zone(k[at], dataset["periods"].values) if dataset.attrs.get("periodic") else k[at]
    largest = float(np.linalg.norm(vectors, axis=1).max())
    scale = largest / (LONGEST * size) if largest > 0 else 1.0
    drawn = axes.quiver(*k.T, *vectors.T, angles="xy", scale_units="xy", scale=scale, width=0.004, color="black")
    unit = dataset[name].attrs.get("units")
    axes.quiverkey(drawn, 0.85, 0.05, largest, f"{largest:.2g} {unit}", labelpos="N", fontproperties={"size": "small"})
    ends = np.concatenate([k, k + vectors / scale])
    axes.update_datalim(ends)
    axes.autoscale_view()
