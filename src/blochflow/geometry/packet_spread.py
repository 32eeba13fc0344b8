"""Mean square spread of a Gaussian wave packet of one band.

    <r_a r_b> - <r_a><r_b> = Int d_a|w| d_b|w|  +  Int |w|^2 g_ab  +  Cov_w(A_a, A_b)
                             envelope              metric             connection

    A_a(k) = i<u|d_a u> = -Im[<u0|u_n> sum_{m != n} W_a,nm <u_m|u0>/(E_n - E_m)] / |<u0|u_n>|^2

Legend: w weight of the packet, g metric of the band n, W velocity matrix, u0 the state at k0.  The second line holds in
the gauge <u0|u(k)> > 0 and needs no derivative of a state: it follows from the projector, u = P u0/|P u0|.
Not here: the Wannier spread of a filled band (`wannier_spread`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from blochflow import __version__
from blochflow.core.backend import Array, jnp
from blochflow.core.checks import fail
from blochflow.core.errors import ConvergenceError
from blochflow.geometry.bands import rotate, solve_bands
from blochflow.geometry.overlaps import outer_gap, solve
from blochflow.geometry.packet import MATTERS, RELATIVE_ERROR, Packet, Points, refine
from blochflow.models.base import AbstractModel, as_model, check_finite

if TYPE_CHECKING:
    import xarray

PARTS = ("envelope", "metric", "connection")
# The connection diverges like the inverse distance from where <u0|u> vanishes: nearer than this, the phases of the
# packet wind around that point.
SMALLEST_OVERLAP = 0.1


def wave_packet_spread(
    model: AbstractModel, wavevector: Any, width: Any, *, band: int = 0, grid: Any = None
) -> xarray.Dataset:
    """Mean square spread <r^2> - <r>^2 of a Gaussian wave packet of one band, and its tensor.

        W = Int w(k) |psi_k>,   |w|^2 Gaussian of covariance S around k0,   phases: w > 0 and <u(k0)|u(k)> > 0
        <r^2> - <r>^2 = Tr S^-1/4 + <Tr g> + Var_w(A)                       parts envelope, metric, connection

    The first two parts are the same for all phases.  With other phases, w exp(-i gamma), the last one becomes
    Var_w(A + d gamma); its minimum over gamma vanishes without curvature, and is Omega^2 s^2/2 in two dimensions for a
    uniform curvature Omega and S = s^2 (in general Omega^2 s_x^2 s_y^2/(s_x^2 + s_y^2)): a packet in a curved band is
    never as narrow as its envelope and the metric say, and Tr g(k0) is only the first term of an expansion in S.
    Source: Marzari and Vanderbilt, PRB 56, 12847 (1997), Sec. III and App. C; Sundaram and Niu, PRB 59, 14915 (1999).
    Valid for: a band that touches no other within six standard deviations; packets that fit into the Brillouin zone (or
    within the cutoff of a k.p model) and over which <u(k0)|u(k)> stays away from zero.  Not included: states outside
    the model's basis; spreading in time.  The spread depends on the orbital positions.

    Parameters
    ----------
    model : AbstractModel
        In one, two or three dimensions.
    wavevector : (d,) array
        Centre k0 of the packet, Cartesian.
    width : float, (d,) or (d, d) array
        Standard deviation of |w|^2 in k, one per Cartesian axis, or the covariance matrix S itself: w is
        exp(-|k - k0|^2/(4 width^2)).
    band : int
    grid : int or d ints, optional
        Points per principal axis of S over +-8.5 standard deviations; the value is that of a grid twice as fine.
        Without it the grid is doubled until the error is below 1e-9 of the value.

    Returns
    -------
    xarray.Dataset
        ``value``, ``error`` (change by the last doubling), ``contribution`` (part) whose sum is ``value``, ``tensor``
        (part, a, b) whose traces are the contributions, in the model's length squared; ``position`` (a) = <A>, the
        centre of the packet in this gauge, in the model's length.

    Raises
    ------
    DegenerateBandsError
        The band touches another one within the packet.
    ConvergenceError
        The error stays above 1e-9 of the value; ``.result`` holds the Dataset.  Not raised when ``grid`` is given.
    ValueError
        A packet that is too wide, or wrong arguments.

    Examples
    --------
    >>> import blochflow as bf
    >>> found = bf.geometry.wave_packet_spread(bf.zoo.qwz(), [0.4, 0.7], 0.1)
    >>> [round(float(x), 4) for x in found.contribution]                          # 1/(2 width^2) = 50
    [50.0, 0.5965, 0.0017]
    """
    model = as_model(model)
    packet = Packet.of(model, wavevector, width, band)
    # as many points as the search between points of a 2D grid uses: one shape less to compile
    reference = solve(model, np.repeat(packet.center[None], 32, axis=0))[1][0, :, packet.band]
    d = model.dimension

    def average(shape: tuple[int, ...]) -> np.ndarray:
        return _moments(packet, packet.points(shape), reference)

    def accurate(value: np.ndarray, change: np.ndarray) -> bool:
        tensor, _ = _as_parts(value, packet)
        bound = RELATIVE_ERROR * np.trace(tensor.sum(axis=0))
        return bool(change[: 2 * d * d].max() <= bound)

    value, change, shape, converged = refine(average, accurate, d, grid)
    result = _as_dataset(packet, value, change, shape)
    if not converged:
        raise ConvergenceError(
            f"The spread {float(result.value):.6g} of the packet still changes by {float(result.error):.2g} on a grid "
            f"of {shape} points. The band comes close to another one within the packet, or <u(k0)|u(k)> almost "
            "vanishes: make the packet narrower, or pass `grid` to accept the value with its error.",
            result,
        )
    return result


def _moments(packet: Packet, points: Points, reference: np.ndarray) -> np.ndarray:
    """<g_ab> and Cov(A_a, A_b), (2 d^2,), then <A_a> (d,)."""
    index, state = jnp.asarray(packet.band), jnp.asarray(reference)
    parts = [_geometry(packet.model, jnp.asarray(k), index, state) for k in points.chunks()]
    energies, metric, connection, overlap = (points.collect(list(part)) for part in zip(*parts, strict=True))
    check_finite(energies, points.k, "The Hamiltonian")
    gap = outer_gap(energies, packet.group)
    packet.refuse_touching(points, gap, float(np.abs(energies).max()), "spread of a wave packet")
    small = (overlap < SMALLEST_OVERLAP) & (points.distance <= MATTERS)
    if small.any():
        worst = int(np.where(small, overlap, np.inf).argmin())
        must = f"keep |<u(k0)|u(k)>| above {SMALLEST_OVERLAP} within {MATTERS:g} standard deviations"
        where = ", ".join(f"{x:.4g}" for x in points.k[worst])
        but = f"it is {overlap[worst]:.2g} at k = ({where}), {points.distance[worst]:.2g} standard deviations away"
        raise fail("width", must, but)
    mean_metric = np.einsum("k,kab->ab", points.weight, metric)
    position = points.weight @ connection
    relative = connection - position
    covariance = np.einsum("k,ka,kb->ab", points.weight, relative, relative)
    return np.concatenate([mean_metric.ravel(), covariance.ravel(), position])


@eqx.filter_jit
def _geometry(model: AbstractModel, k: Array, band: Array, reference: Array) -> tuple[Array, Array, Array, Array]:
    """Energies (k, n), metric of the band (k, a, b), connection (k, a) and |<u0|u>| (k,) in the projection gauge."""
    bands = solve_bands(model, k)
    matrices = model.matrices(k)
    gap = bands.energies[:, band][:, None] - bands.energies
    apart = (jnp.arange(gap.shape[1]) != band) & (gap != 0)
    inverse = jnp.where(apart, 1.0 / jnp.where(apart, gap, 1.0), 0.0)
    covariant = bands.velocity[:, :, band, :] * inverse[:, None]
    metric = jnp.einsum("kam,kbm->kab", covariant, jnp.conj(covariant)).real
    plain = covariant
    if matrices.position is not None:
        plain = rotate(matrices.gradient, bands.states)[:, :, band, :] * inverse[:, None]
    amplitude = jnp.einsum("kim,i->km", jnp.conj(bands.states), reference)  # <u_m|u0>
    own = amplitude[:, band]
    square = own.real**2 + own.imag**2
    winding = jnp.einsum("k,kam,km->ka", jnp.conj(own), plain, amplitude).imag
    # beyond the range that is checked the overlap may vanish; the weight there is below 1e-8
    connection = -winding / jnp.maximum(square, SMALLEST_OVERLAP**2)[:, None]
    if matrices.position is not None:
        state = bands.states[:, :, band]
        connection += jnp.einsum("ki,kaij,kj->ka", jnp.conj(state), matrices.position, state).real
    return bands.energies, metric, connection, jnp.sqrt(square)


def _as_parts(value: np.ndarray, packet: Packet) -> tuple[np.ndarray, np.ndarray]:
    """(part, a, b) and (a,) from the vector of `_moments`; the envelope is exact, d_a|w| = -(S^-1 q)_a |w|/2."""
    d = len(packet.center)
    envelope = 0.25 * np.linalg.inv(packet.covariance)
    tensor = np.stack([envelope, *value[: 2 * d * d].reshape(2, d, d)])
    return 0.5 * (tensor + np.swapaxes(tensor, 1, 2)), value[2 * d * d :]


def _as_dataset(packet: Packet, value: np.ndarray, change: np.ndarray, shape: tuple[int, ...]) -> xarray.Dataset:
    """Value, error, contributions, tensor and position with their units."""
    import xarray

    d = len(packet.center)
    tensor, position = _as_parts(value, packet)
    contribution = np.trace(tensor, axis1=1, axis2=2)
    error = np.trace(change[: 2 * d * d].reshape(2, d, d), axis1=1, axis2=2).sum()
    length = packet.model.units.length
    units = {"units": f"{length}^2"}
    axes = list("xyz"[:d])
    return xarray.Dataset(
        {
            "value": ((), contribution.sum(), units),
            "error": ((), error, units),
            "contribution": (("part",), contribution, units),
            "tensor": (("part", "a", "b"), tensor, units),
            "position": (("a",), position, {"units": length}),
        },
        coords={"part": list(PARTS), "a": axes, "b": axes},
        attrs={
            "quantity": "mean square spread of a Gaussian wave packet of one band",
            "equation": "<r^2> - <r>^2 = Int (d|w|)^2 + Int |w|^2 Tr g + Var_w(A),  <u(k0)|u(k)> > 0",
            "reference": "Marzari and Vanderbilt, PRB 56, 12847 (1997); Sundaram and Niu, PRB 59, 14915 (1999)",
            "units": units["units"],
            "band": packet.band,
            "wavevector": packet.center,
            "covariance": packet.covariance.ravel(),
            "grid": np.array(shape),
            "model": packet.model.name,
            "version": __version__,
            "status": "within the Wannier space" if packet.model.has_position_matrices else "within the model's basis",
        },
    )
