"""Hall conductivity of parts of a two-dimensional zone, such as the surroundings of valleys.

    sigma^v_ab = -(e^2/hbar) Int_v d^2k/(2 pi)^2 sum_n f_n Omega_n,ab,       v a polygon = signed sum of triangles

Source: Xiao, Yao, Niu, PRL 99, 236809 (2007).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import as_real_array, fail
from blochflow.execution.threads import Execution
from blochflow.response.catalog_intrinsic import VALLEY_HALL
from blochflow.response.integrands import BandIntegrand, BerrySea
from blochflow.response.request import Request, ZoneArguments
from blochflow.response.source import ModelSource
from blochflow.response.weighed import weighed
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import Filling
from blochflow.zone.charts import TriangleChart
from blochflow.zone.integral import Integral, combined
from blochflow.zone.integrate import integrate
from blochflow.zone.polygon import first_crossing, signed_area
from blochflow.zone.tolerance import Required, Tolerance

if TYPE_CHECKING:
    import xarray as xr

# Fraction of sqrt(area) by which edges are moved, and points per edge, for `boundary`.
SHIFT, EDGE_POINTS = 0.01, 64


def valley_hall(
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    partition: Mapping[str, Any],
    density: Any = None,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Hall conductivity of named polygons of a two-dimensional zone.

        sigma^v_ab = -(e^2/hbar) Int_v d^2k/(2 pi)^2 sum_n f_n Omega_n,ab

    Source: [Xiao2007].  Valid for: linear response in the clean limit; a property of a valley only as far as the
    curvature vanishes on the boundary of its polygon: the value depends on the partition.  Not included: scattering
    between valleys, side jump and skew scattering.

    Parameters
    ----------
    model : AbstractModel
        2D, periodic.
    mu, temperature, density, tolerance, execution, throw
        As for `anomalous_hall`.
    partition : mapping of str to (M, 2) array
        Corners of a polygon without self-crossings, in reduced coordinates (k = x_1 b_1 + x_2 b_2); any region of
        k space, zones repeat.  Polygons need not cover the zone.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, valley, a, b), ``converged`` (mu, temperature, valley);
        ``area`` (valley), the fraction of the zone; ``boundary`` (mu, temperature, valley), how far the value depends
        on the partition: its largest change to first order when all edges move by 0.01 sqrt(area).  Units:
        e^2/hbar (NATURAL), e^2/h (EV_ANGSTROM).

    Raises
    ------
    ValueError
        Wrong arguments: a model without lattice or not of two dimensions, an empty or degenerate polygon, edges that
        cross.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    Half of the zone around K and around K' of gapped graphene.

    >>> import blochflow as bf
    >>> halves = {"K": [[0, 0], [1, 1], [0, 1]], "K'": [[0, 0], [1, 0], [1, 1]]}
    >>> sigma = bf.response.valley_hall(bf.zoo.graphene(mass=0.5), mu=0.0, temperature=0.0, partition=halves)
    >>> value = sigma.value.sel(a="x", b="y").values.ravel()
    >>> bool(abs(value.sum()) < 1e-6), sigma.area.values.tolist()  # time reversal relates the valleys
    (True, [0.5, 0.5])
    """
    arguments: ZoneArguments = {"tolerance": tolerance, "execution": execution, "throw": throw}
    request = Request.of("valley_hall", model, mu, temperature, arguments, density)
    if model.dimension != 2 or model.lattice is None:
        raise fail("model", "be periodic in two dimensions for a partition of its zone", f"{model.name} is not")
    polygons = as_partition(partition)
    scale, unit = VALLEY_HALL.unit(model.units.name, 2)
    factor = -scale * model.spin_degeneracy / (2 * np.pi) ** 2
    bands = BerrySea.of_dimension(2)
    each = []
    for corners in polygons.values():
        integral = of_polygon(request, corners, bands, factor)
        found = request.result(VALLEY_HALL, integral, bands, unit, throw=False)
        change = boundary_change(request, corners, bands, factor)[: len(request.states.mu)]
        what = f"first-order change of |value| when all edges move by {SHIFT:g} sqrt(area)"
        found["boundary"] = (found["converged"].dims, change.reshape(request.states.shape), {"units": unit})
        found["boundary"].attrs["long_name"] = what
        each.append(found)
    return request.checked(VALLEY_HALL, joined(each, polygons))


def as_partition(partition: Any) -> dict[str, np.ndarray]:
    """Name -> (M, 2) corners."""
    if not isinstance(partition, Mapping) or not partition:
        raise fail("partition", "be a mapping of names to corners of polygons", f"is {partition!r}")
    polygons = {}
    for name, corners in partition.items():
        array = np.asarray(as_real_array(corners, f"partition[{name!r}]", max_ndim=2))
        if array.ndim != 2 or array.shape[1] != 2 or len(array) < 3:
            must = "hold the corners of a polygon, three or more pairs of reduced coordinates"
            raise fail(f"partition[{name!r}]", must, f"has shape {array.shape}")
        crossing = first_crossing(array)
        if crossing is not None:
            one, other = (f"the edge from corner {i} to corner {(i + 1) % len(array)}" for i in crossing)
            raise fail(f"partition[{name!r}]", "be a polygon whose edges do not meet", f"{one} meets {other}")
        if abs(signed_area(array)) < 1e-12:
            raise fail(f"partition[{name!r}]", "enclose an area", "its corners lie on a line")
        polygons[str(name)] = array
    return polygons


def boundary_change(request: Request, corners: np.ndarray, bands: BerrySea, factor: float) -> np.ndarray:
    """(P,) |change| of the value, in public units, to first order, when every edge moves by `SHIFT` sqrt(area).

    int_edges |sum_n f_n Omega_n| ds times that distance, by Gauss-Legendre points on the edges.
    """
    reciprocal = np.asarray(request.model.lattice.reciprocal)  # type: ignore[union-attr]
    nodes, weights = np.polynomial.legendre.leggauss(EDGE_POINTS)
    edges = (np.roll(corners, -1, axis=0) - corners) @ reciprocal
    k = (corners @ reciprocal)[:, None] + 0.5 * (1 + nodes)[:, None] * edges[:, None]
    integrand, restore = weighed(bands, Filling(*request.all_states()))
    curvature = np.asarray(integrand(request.model.matrices(jnp.asarray(k.reshape(-1, 2))))[0])[:, restore, 0]
    length = 0.5 * np.linalg.norm(edges, axis=1)[:, None] * weights
    distance = SHIFT * np.sqrt(abs(signed_area(corners) * np.linalg.det(reciprocal)))
    return np.asarray(abs(factor) * distance * length.ravel() @ np.abs(curvature))


def of_polygon(request: Request, corners: np.ndarray, bands: BandIntegrand, factor: float) -> Integral:
    """The integral over a polygon as a signed sum of triangles that share its first corner."""
    triangles = triangles_of(corners, np.asarray(request.model.lattice.reciprocal))  # type: ignore[union-attr]

    def total(asked: Request) -> Integral:
        parts = [(sign, of_triangle(asked, triangle, bands, factor)) for sign, triangle in triangles]
        return summed(request, parts)

    found = total(request)
    tighter = request.tightened(found)
    return found if tighter is None else total(tighter)


def triangles_of(corners: np.ndarray, reciprocal: np.ndarray) -> list[tuple[float, TriangleChart]]:
    """Signed triangles whose sum is a polygon with ``corners`` in reduced coordinates."""
    if signed_area(corners) < 0:
        corners = corners[::-1]
    fans = [np.stack([corners[0], corners[i], corners[i + 1]]) for i in range(1, len(corners) - 1)]
    return [
        (float(np.sign(signed_area(t))), TriangleChart(t @ reciprocal)) for t in fans if abs(signed_area(t)) > 1e-14
    ]


def of_triangle(request: Request, chart: TriangleChart, bands: BandIntegrand, factor: float) -> Integral:
    """The integral over one triangle, in public units."""
    source = ModelSource(request.model, bands, chart, request.execution)
    mu, kt = request.all_states()
    required = Required(request.tolerance, abs(factor))
    cells = CellSet.whole_zone(chart.base)
    memory = request.execution.memory_bytes // 2
    return integrate(source, cells, required, filling=Filling(mu, kt), memory=memory).scaled(factor)


def summed(request: Request, parts: list[tuple[float, Integral]]) -> Integral:
    """Signed sum, judged by the tolerance as a whole."""
    value = np.sum([sign * part.value for sign, part in parts], axis=0)
    error = np.sum([part.error for _, part in parts], axis=0)
    absolute = np.sum([part.absolute for _, part in parts], axis=0)
    return combined([part for _, part in parts], value, error, absolute, request.tolerance)


def joined(each: list[xr.Dataset], polygons: dict[str, np.ndarray]) -> xr.Dataset:
    """One Dataset with the dimension ``valley`` before the Cartesian ones."""
    import xarray as xr

    result = xr.concat(each, dim="valley", combine_attrs="override", coords="minimal", compat="override")
    result = result.assign_coords(valley=list(polygons))
    order = list(each[0]["converged"].dims)
    result = result.transpose(*order, "valley", "a", "b")
    area = [abs(signed_area(corners)) for corners in polygons.values()]
    result["area"] = ("valley", area, {"units": "zones", "long_name": "area of the polygon"})
    result.attrs["partition"] = "; ".join(f"{name}: {corners.tolist()}" for name, corners in polygons.items())
    result.attrs["evaluations"] = int(sum(x.attrs["evaluations"] for x in each))
    worst = next((x for x in each if x.attrs["status"] != "CONVERGED"), each[0])
    result.attrs |= {name: worst.attrs[name] for name in ("status", "status_message")}
    return result
