"""What a field and collisions make of the states on a Fermi surface: distributions, side-jump velocities, rates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.core.dataset import CARTESIAN, description, provenance
from blochflow.disorder.coherence import side_jump_velocity
from blochflow.disorder.collision import Collision
from blochflow.disorder.fermi_points import FermiPoints
from blochflow.disorder.linear_response import respond
from blochflow.disorder.potentials import Disorder
from blochflow.disorder.scattering import Scattering
from blochflow.execution.threads import Execution
from blochflow.geometry.fermi_surface import fermi_surface
from blochflow.models.base import AbstractModel, as_model
from blochflow.response.catalog_disorder import CONTRIBUTIONS, SURFACE_DISTRIBUTION
from blochflow.response.disordered_result import DisorderedRequest, SurfaceArguments
from blochflow.response.relaxation import per_time

if TYPE_CHECKING:
    import xarray as xr

# Points on every curve, and cells of the detection grid in three dimensions, where none are asked for.
CURVE, CELLS = 128, 9


def surface_distribution(
    model: AbstractModel,
    mu: float,
    *,
    disorder: Disorder,
    points: int | None = None,
    grid: Any = None,
    execution: Execution | None = None,
) -> xr.Dataset:
    """Distribution on the Fermi surface in an electric field, with side-jump velocity and rate of every state.

        f(k) = f0 + E.phi(k) delta(eps - mu)
        K phi = -e v,   K phi_sj = e beta,   K phi_sk = -J_sk[phi],   K phi_3 = -J_3[phi]
        beta = 2 pi { Im tr[P V R C[P]] + Im tr[P C[R V P]] }

    With the weights w_i of the surface, without spin degeneracy and e = hbar = 1, parts of `disordered_conductivity`
    at T = 0 are sums over its points:

        drude_ab = -(2 pi)^-d sum_i w_i v_a phi_b,   side_jump_ab and skew_scattering_ab the same with their phi,
        extrinsic_velocity_ab = -(2 pi)^-d sum_i w_i beta_a phi_b

    Source: [Burgos2022] Eqs. (27)-(30), (37), (38), (47), skew scattering on the energy shell as in [Sinitsyn2007].
    Valid for: T = 0, weak disorder, non-crossing approximation.  Of degenerate bands phi is the sum and beta the mean
    over the group, and the last equation does not hold.

    Parameters
    ----------
    model : AbstractModel
        2D or 3D.
    mu : float
    disorder : Disorder
    points : int, optional
        2D: points on every curve, a multiple of 8, default 128.
    grid : int or (d,) ints, optional
        Detection grid of `geometry.fermi_surface`; default in 3D: 9.
    execution : Execution

    Returns
    -------
    Dataset
        The variables of `FermiSurface.to_dataset`, and ``phi`` (contribution, point, b) in e a, a the unit of length;
        ``side_jump_velocity`` (point, a), hbar times the velocity, as ``velocity``; ``scattering_rate`` (point,),
        by the golden rule.  ``phi_error`` (contribution, b) and ``side_jump_velocity_error`` (a): the largest change
        of any point when every second one is left out; NaN in 3D.

    Raises
    ------
    ValueError
        Wrong arguments, no Fermi surface at ``mu``, one that ends at the cutoff, ``mu`` at a band edge, or carriers
        without scattering.

    Examples
    --------
    Of the massive Dirac cone in white noise phi = -e v tau_tr, and the side-jump velocity is perpendicular to k:

    >>> import blochflow as bf
    >>> cone, white = bf.zoo.massive_dirac(mass=0.3), bf.Disorder.white(0.1)
    >>> found = bf.response.surface_distribution(cone, 1.0, disorder=white, points=32)
    >>> round(float(abs(found.phi.sel(contribution="drude", b="x")).max()), 4)
    30.0224
    >>> bool((abs((found.k * found.side_jump_velocity).sum("a")) < 1e-12).all())
    True
    """
    model = as_model(model)
    energy = float(as_real_array(mu, "mu", max_ndim=0))
    arguments: SurfaceArguments = {"points": points, "grid": grid, "execution": execution}
    request = DisorderedRequest.of(SURFACE_DISTRIBUTION, model, energy, 0.0, disorder, arguments)
    flat = model.dimension == 2
    number, cells = (points or CURVE, grid) if flat else (None, CELLS if grid is None else grid)
    surface = fermi_surface(model, energy, grid=cells, points=number, execution=request.execution)
    if not len(surface.k):
        raise fail("mu", "cross a band of the model", f"is {energy:g}: {surface.note}")
    collision = request.surface.collide(surface, energy)
    found = collision.points
    phi, velocity, rates = _solve(collision)
    doubt = {name: np.full(model.dimension, np.nan) for name in (*phi, "velocity")}
    if flat:
        kept = np.concatenate([np.flatnonzero(found.sheet == s)[::2] for s in np.unique(found.sheet)])
        half = Collision(Scattering(_every_second(found, kept), request.surface.scatterers))
        fewer, slower, _ = _solve(half)
        doubt = {name: np.abs(fewer[name] - phi[name][kept]).max(axis=0) for name in phi}
        doubt["velocity"] = np.abs(slower - velocity[kept]).max(axis=0)
    result = surface.to_dataset()
    _add(result, model, phi, velocity, rates, doubt)
    _, unit = SURFACE_DISTRIBUTION.unit(model.units.name, model.dimension)
    result.attrs |= description(SURFACE_DISTRIBUTION, unit)
    result.attrs |= provenance(model, [np.array(energy)], f"{disorder.describe()} {points} {grid}")
    result.attrs |= {"disorder": disorder.describe(), "closure_residual": found.closure}
    return result


def _solve(collision: Collision) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Distributions (N, d) of every contribution, side-jump velocity (N, d) and rate (N,)."""
    answer = respond(collision)
    phi = {name: np.trace(x, axis1=2, axis2=3).real.T for name, x in answer.phi.items()}
    return {name: phi[name] for name in CONTRIBUTIONS if name in phi}, side_jump_velocity(collision), collision.rates


def _every_second(points: FermiPoints, kept: np.ndarray) -> FermiPoints:
    """The trapezoidal rule of half as many points."""
    names = ("k", "sheet", "rank", "projector", "resolvent", "velocity", "states")
    return replace(points, weights=2 * points.weights[kept], **{name: getattr(points, name)[kept] for name in names})


def _add(
    result: xr.Dataset,
    model: AbstractModel,
    phi: dict[str, np.ndarray],
    velocity: np.ndarray,
    rates: np.ndarray,
    doubt: dict[str, np.ndarray],
) -> None:
    """Variables beside those of the surface."""
    length = {"units": f"e {model.units.length}", "long_name": "E.phi delta(eps - mu) is added to f0"}
    speed = {"units": f"{model.units.energy}*{model.units.length}", "long_name": "hbar beta"}
    result.coords["contribution"] = list(phi)
    result.coords["b"] = list(CARTESIAN[: model.dimension])
    result["phi"] = (("contribution", "point", "b"), np.stack(list(phi.values())), length)
    result["phi_error"] = (("contribution", "b"), np.stack([doubt[name] for name in phi]), {"units": length["units"]})
    result["side_jump_velocity"] = (("point", "a"), velocity, speed)
    result["side_jump_velocity_error"] = (("a",), doubt["velocity"], {"units": speed["units"]})
    rate = {"units": f"1/({model.units.time})", "long_name": "golden-rule scattering rate"}
    result["scattering_rate"] = (("point",), rates * per_time(model), rate)
