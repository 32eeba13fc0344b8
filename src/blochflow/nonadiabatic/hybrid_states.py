"""Eigenstates of the Hamiltonian in a field: energies, velocities, slopes of energies.

    two bands, H = h_0 + h.sigma:   Hbar = h_0 + hbar.sigma,   hbar = h + e (h x d_E h)/(2 h^2)

whose direction hbar/|hbar| is finite however small the gap.
Source: Tu, Li, Yao, PRB 102, 045423 (2020), Eqs. (54), (58), (61), (62).
"""

from __future__ import annotations

import equinox as eqx
from jaxtyping import Complex, Float

from blochflow.core.backend import Array, jnp
from blochflow.geometry.bands import DEGENERACY_TOLERANCE, rotate
from blochflow.geometry.eigen import eigh
from blochflow.nonadiabatic.hybridisation import FieldMatrices, Grouping, Hybridised, hybridise


class HybridBands(eqx.Module):
    """Hybridised bands of a batch.

    Attributes
    ----------
    energies : (k, i)
    states : (k, n, i)
        Orbital basis.
    velocity : (k, l, i)
        <u_i|d_l H|u_i>: hbar times the velocity, and minus the force.
    slopes : (k, l, i)
        d_l E_i.
    product : (k, l, c, i)
        d_l E_i <u_i|d_c H|u_i>, summed as matrices over touching bands.
    """

    energies: Float[Array, "k i"]
    states: Complex[Array, "k n i"]
    velocity: Float[Array, "k l i"]
    slopes: Float[Array, "k l i"]
    product: Float[Array, "k l c i"]


def hybrid_bands_at(
    matrices: FieldMatrices, grouping: Grouping, *, closed_form: bool = True, only_active: bool = False
) -> HybridBands:
    """Hybridised bands; two bands by the closed form, unless they are grouped otherwise.

    ``only_active`` keeps those of the first manifold.
    """
    if closed_form and matrices.hamiltonian.shape[-1] == 2 and grouping.is_plain:
        return two_bands(matrices, grouping)
    mixed = hybridise(matrices, grouping)
    kept_bands = jnp.array(grouping.manifolds[0]) if only_active and grouping.manifolds else None
    if kept_bands is not None:
        mixed = of_manifold(mixed, kept_bands)
    energies, eta = eigh(mixed.hamiltonian)
    gradient, operators = rotate(mixed.gradient, eta), rotate(mixed.operators, eta)
    gap = jnp.abs(energies[:, :, None] - energies[:, None, :])
    same = gap <= DEGENERACY_TOLERANCE * matrices.size[:, None, None]
    kept = jnp.where(same[:, None], gradient, 0.0)
    product = jnp.einsum("klij,kcji->klci", kept, operators).real
    diagonal = [jnp.diagonal(x, axis1=-2, axis2=-1).real for x in (operators, gradient)]
    return HybridBands(energies, mixed.states @ eta, diagonal[0], diagonal[1], product)


def of_manifold(mixed: Hybridised, bands: Array) -> Hybridised:
    """Blocks of some bands, which nothing couples to the others."""

    def block(matrix: Array) -> Array:
        return matrix[..., bands[:, None], bands[None, :]]

    return Hybridised(
        mixed.states[..., bands],
        mixed.energies[..., bands],
        block(mixed.hamiltonian),
        block(mixed.gradient),
        block(mixed.operators),
    )


def two_bands(matrices: FieldMatrices, grouping: Grouping) -> HybridBands:
    """The closed form of two bands."""
    mean, h = pauli(matrices.hamiltonian)
    slope0, slope = pauli(matrices.slopes)
    operators = matrices.operators if matrices.basis is None else matrices.operators + matrices.basis
    operator0, operator = pauli(operators)
    _, along = pauli(matrices.along)
    _, turned = pauli(matrices.turned)
    square = (h**2).sum(axis=-1)
    touching = 2 * jnp.sqrt(square) <= grouping.threshold(matrices.size)
    safe = jnp.where(touching, 1.0, square)[:, None]
    cross = jnp.cross(h, along)
    on = jnp.where(touching, 0.0, 0.5)[:, None]
    mixed = h + on * cross / safe
    # times h^2, so that the direction stays finite however small the gap
    scaled = jnp.where(touching[:, None], h, h * safe + on * cross)
    norm = jnp.sqrt((scaled**2).sum(axis=-1, keepdims=True))
    direction = scaled / jnp.where(norm > 0, norm, 1.0)
    change = (jnp.cross(slope, along[:, None]) + jnp.cross(h[:, None], turned)) / safe[:, None]
    change = change - 2 * cross[:, None] * (slope @ h[..., None]) / safe[:, None] ** 2
    change = slope + on[:, None] * change
    size = norm[:, 0] / jnp.where(touching, 1.0, square)
    sign = jnp.array([-1.0, 1.0])
    energies = mean[:, None] + sign * size[:, None]
    velocity = operator0[..., None] + sign * (operator @ direction[..., None])
    slopes = slope0[..., None] + sign * (change @ direction[..., None])
    product = slopes[:, :, None] * velocity[:, None]
    traced = slope0[:, :, None] * operator0[:, None] + change @ jnp.swapaxes(operator, -1, -2)
    meeting = (size <= 0.5 * DEGENERACY_TOLERANCE * matrices.size)[:, None, None, None]
    product = jnp.where(meeting, traced[..., None], product)
    states = eigh(matrices.hamiltonian + sigma(mixed - h))[1]
    return HybridBands(energies, states, velocity, slopes, product)


def pauli(matrix: Array) -> tuple[Array, Array]:
    """h_0 (...) and h (..., 3) of h_0 + h.sigma."""
    mean = 0.5 * (matrix[..., 0, 0] + matrix[..., 1, 1]).real
    off = matrix[..., 0, 1]
    along = 0.5 * (matrix[..., 0, 0] - matrix[..., 1, 1]).real
    return mean, jnp.stack([off.real, -off.imag, along], axis=-1)


def sigma(h: Array) -> Array:
    """h.sigma of h (..., 3)."""
    off = h[..., 0] - 1j * h[..., 1]
    along = h[..., 2].astype(off.dtype)
    return jnp.stack([jnp.stack([along, off], -1), jnp.stack([jnp.conj(off), -along], -1)], -2)
