"""Velocity of a Gaussian wave packet of one band: what its extent in k adds to the velocity at its centre.

    <v_a> = Int |w|^2 d_a E/hbar = v_a(k0) + (1/2 hbar) sum_bc S_bc d_a d_b d_c E + O(S^2)

    d_a d_b d_c E_n = <n|H_abc|n> + 2 Re sum_{a; bc} <n|H_bc|psi_a> + 2 Re sum_{b; ac} <psi_a|(H_b - d_b E_n)|psi_c>
    |psi_a> = sum_{m != n} |m><m|H_a|n>/(E_n - E_m)

Legend: S covariance of |w|^2; H_a, H_ab, H_abc derivatives of H(k); the sums run over the ways to single out an index.
By the 2n + 1 theorem the third derivative of an energy needs states to first order only, so no derivative of a state
is taken; H itself is differentiated exactly.  Source of the theorem: Gonze, PRA 52, 1086 (1995).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from blochflow import __version__
from blochflow.core.backend import Array, jax, jnp
from blochflow.core.errors import ConvergenceError
from blochflow.core.units import EV_ANGSTROM, HBAR_EV_FS
from blochflow.geometry.bands import rotate
from blochflow.geometry.eigen import eigh
from blochflow.geometry.overlaps import outer_gap
from blochflow.geometry.packet import RELATIVE_ERROR, Packet, Points, refine
from blochflow.models.base import AbstractModel, as_model, check_finite

if TYPE_CHECKING:
    import xarray


def spread_velocity(
    model: AbstractModel, wavevector: Any, width: Any, *, band: int = 0, grid: Any = None
) -> xarray.Dataset:
    """Mean velocity of a Gaussian wave packet of one band, and its expansion in the extent of the packet.

        value_a    = Int |w|^2 d_a E_n/hbar                                 |w|^2 Gaussian of covariance S around k0
        velocity_a = d_a E_n(k0)/hbar,    correction_a = (1/2 hbar) sum_bc S_bc d_a d_b d_c E_n(k0)

    ``value`` is velocity + correction up to terms of order S^2.  All three are independent of phases; without fields
    the mean velocity does not change in time, whatever the shape of the packet in r.
    Source: Ashcroft and Mermin, Solid State Physics (1976), ch. 12, and Sundaram and Niu, PRB 59, 14915 (1999), whose
    packets are narrow in k; averaged over the packet.
    Valid for: as `wave_packet_spread`; the expansion for packets narrow against gap/(hbar velocity).
    Not included: anomalous velocities, which need a field.

    Parameters
    ----------
    model : AbstractModel
    wavevector : (d,) array
        Centre k0 of the packet, Cartesian.
    width : float, (d,) or (d, d) array
        Standard deviation of |w|^2 in k, one per Cartesian axis, or the covariance matrix S.
    band : int
    grid : int or d ints, optional
        As in `wave_packet_spread`.

    Returns
    -------
    xarray.Dataset
        ``value``, ``error`` (change by the last doubling of the grid), ``velocity`` and ``correction``, each (a), in
        angstrom/fs or E a/hbar.

    Raises
    ------
    DegenerateBandsError
        The band touches another one within the packet.
    ConvergenceError
        The error stays above 1e-9 of the largest velocity in the packet; ``.result`` holds the Dataset.
    NonFiniteError
        H has no third derivative at k0.
    ValueError
        A packet that is too wide, or wrong arguments.

    Examples
    --------
    >>> import blochflow as bf, numpy as np
    >>> found = bf.geometry.spread_velocity(bf.zoo.square(t2=0.35), [np.pi / 2, 0.0], [0.1, 0.2])
    >>> [round(float(found[name][0]), 6) for name in ("velocity", "correction", "value")]
    [3.4, -0.045, 3.355459]
    """
    model = as_model(model)
    packet = Packet.of(model, wavevector, width, band)
    index = jnp.asarray(packet.band)
    largest = 0.0

    def average(shape: tuple[int, ...]) -> np.ndarray:
        nonlocal largest
        points = packet.points(shape)
        slopes = _slopes(packet, points, index)
        largest = max(largest, float(np.abs(slopes).max()))
        return points.weight @ slopes

    def accurate(_: np.ndarray, change: np.ndarray) -> bool:
        return bool(change.max() <= RELATIVE_ERROR * largest)

    value, change, shape, converged = refine(average, accurate, model.dimension, grid)
    slope, third = (np.asarray(x) for x in slope_and_third(model, jnp.asarray(packet.center), index))
    check_finite(third[None], packet.center[None], "The third derivative of the energy")
    correction = 0.5 * np.einsum("bc,abc->a", packet.covariance, third)
    result = _as_dataset(packet, {"value": value, "error": change, "velocity": slope, "correction": correction}, shape)
    if not converged:
        raise ConvergenceError(
            f"The velocity of the packet still changes by {change.max():.2g} on a grid of {shape} points. The band "
            "comes close to another one within the packet: make the packet narrower, or pass `grid` to accept it.",
            result,
        )
    return result


def _slopes(packet: Packet, points: Points, index: Array) -> np.ndarray:
    """d_a E (K, a) at the points of a packet that touches no other band."""
    parts = [_energies_and_slopes(packet.model, jnp.asarray(k), index) for k in points.chunks()]
    energies, slopes = (points.collect(list(part)) for part in zip(*parts, strict=True))
    check_finite(energies, points.k, "The Hamiltonian")
    gap = outer_gap(energies, packet.group)
    packet.refuse_touching(points, gap, float(np.abs(energies).max()), "velocity of a wave packet")
    return slopes


@eqx.filter_jit
def _energies_and_slopes(model: AbstractModel, k: Array, band: Array) -> tuple[Array, Array]:
    """E (k, n) of all bands and d_a E (k, a) of one."""
    matrices = model.matrices(k)
    energies, states = eigh(matrices.hamiltonian)
    state = states[:, :, band]
    return energies, jnp.einsum("ki,kaij,kj->ka", jnp.conj(state), matrices.gradient, state).real


@eqx.filter_jit
def slope_and_third(model: AbstractModel, k: Array, band: Array) -> tuple[Array, Array]:
    """d_a E (a) and d_a d_b d_c E (a, b, c) of one band at k (d,); the band must not touch another one there."""
    matrices = model.matrices(k[None])
    energies, states = eigh(matrices.hamiltonian)
    first = rotate(matrices.gradient, states)[0]
    second = rotate(model.hessian(k[None]), states)[0]
    derivative = jax.jacfwd(lambda q: model.hessian(q[None])[0])(k)
    state = states[0, :, band]
    third = jnp.einsum("i,abijc,j->abc", jnp.conj(state), derivative, state).real
    gap = energies[0, band] - energies[0]
    apart = jnp.arange(len(gap)) != band
    change = first[:, :, band] * jnp.where(apart, 1.0 / jnp.where(apart, gap, 1.0), 0.0)  # <m|psi_a>: (a, m)
    mixed = jnp.einsum("bcm,am->abc", second[:, :, band, :], change).real
    slope = first[:, band, band].real
    relative = first - slope[:, None, None] * jnp.eye(len(gap))
    pairs = jnp.einsum("am,bmn,cn->bac", jnp.conj(change), relative, change).real
    singled = mixed + pairs  # the first index is the one singled out
    return slope, third + 2 * (singled + jnp.transpose(singled, (1, 0, 2)) + jnp.transpose(singled, (1, 2, 0)))


def _as_dataset(packet: Packet, arrays: dict[str, np.ndarray], shape: tuple[int, ...]) -> xarray.Dataset:
    """Velocities from slopes of energies, with their units."""
    import xarray

    real = packet.model.units == EV_ANGSTROM
    units = {"units": "angstrom/fs" if real else "E a/hbar"}
    hbar = HBAR_EV_FS if real else 1.0
    return xarray.Dataset(
        {name: (("a",), array / hbar, units) for name, array in arrays.items()},
        coords={"a": list("xyz"[: len(packet.center)])},
        attrs={
            "quantity": "mean velocity of a Gaussian wave packet of one band",
            "equation": "<v_a> = Int |w|^2 d_a E/hbar = v_a + (1/2 hbar) sum_bc S_bc d_a d_b d_c E + O(S^2)",
            "reference": "Ashcroft and Mermin (1976), ch. 12; Sundaram and Niu, PRB 59, 14915 (1999)",
            "units": units["units"],
            "band": packet.band,
            "wavevector": packet.center,
            "covariance": packet.covariance.ravel(),
            "grid": np.array(shape),
            "model": packet.model.name,
            "version": __version__,
        },
    )
