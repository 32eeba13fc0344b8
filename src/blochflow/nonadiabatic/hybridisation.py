"""Bands hybridised by an electric field: the kernel, for batches of k.

    Hbar = H + e E.R,   R_a,nm = i V_a,nm/(E_m - E_n)  between groups of bands, 0 within them      V_a = U^+ (d_a H) U
    dHbar/dl = V_l + e (R_;l - i [K_l, R]),   R_;l = (i V_;l - [R, V_l within groups])/(E_m - E_n),   R = E.R here
    V_;l = U^+ (d_l E.dH) U + i [K_l, E.V],   K_l,nm = i V_l,nm/(E_m - E_n)

for labels l of k and x.  With manifolds of bands, fields hybridise bands of the same one; the others enter through the
curvature  e F_la E_a,  F_la = i (R_l Q R_a - R_a Q R_l),  Q the other manifolds, added to d_l H.
Source: Tu, Li, Yao, PRB 102, 045423 (2020), Eqs. (27), (54), (55), (61), (62); whole groups of degenerate bands are
left out of R, which makes it covariant.  Nothing here depends on the phases of states.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
from jaxtyping import Bool, Complex, Float

from blochflow.core.backend import Array, jax, jnp
from blochflow.geometry.bands import (
    DEGENERACY_TOLERANCE,
    adjoint,
    basis_curvature,
    covariant_gradient,
    rotate,
)
from blochflow.geometry.eigen import eigh
from blochflow.models.base import AbstractModel
from blochflow.models.local import AbstractLocalModel


class FieldMatrices(eqx.Module):
    """H and what a field does to it, in the orbital basis; labels l = k_1 .. k_d and, in textures, x_1 .. x_d.

    Attributes
    ----------
    hamiltonian : (k, n, n)
    slopes : (k, l, n, n)
        d_l H.
    operators : (k, l, n, n)
        The same, covariant where the basis has position matrices.
    along : (k, n, n)
        e E_a times the covariant d_a H.
    turned : (k, l, n, n)
        d_l of ``along``.
    size : (k,)
        Energy whose rounding error is that of H.
    basis : (k, a, n, n) or None
        e F_ab E_b of the curvature of a basis with position matrices.
    """

    hamiltonian: Complex[Array, "k n n"]
    slopes: Complex[Array, "k l n n"]
    operators: Complex[Array, "k l n n"]
    along: Complex[Array, "k n n"]
    turned: Complex[Array, "k l n n"]
    size: Float[Array, " k"]
    basis: Complex[Array, "k a n n"] | None = None


class Hybridised(eqx.Module):
    """Operators in the eigenbasis of H.

    Attributes
    ----------
    states : (k, n, n)
        U, orbital basis.
    energies : (k, n)
        Of H.
    hamiltonian : (k, n, n)
        Hbar.
    gradient : (k, l, n, n)
        d_l Hbar.
    operators : (k, l, n, n)
        d_l H, whose expectation values are velocities and minus forces.
    """

    states: Complex[Array, "k n n"]
    energies: Float[Array, "k n"]
    hamiltonian: Complex[Array, "k n n"]
    gradient: Complex[Array, "k l n n"]
    operators: Complex[Array, "k l n n"]


class Grouping(eqx.Module):
    """Which bands a field does not hybridise.

    Attributes
    ----------
    tolerance : scalar
        Neighbouring bands closer than this are one group, besides those that cannot be told apart.
    declared : tuple of tuples of int
        Groups at every k.
    factor : scalar
        Of all thresholds, to see what depends on them.
    manifolds : tuple of tuples of int
        Bands hybridise within these; empty: all with all.
    strongest : scalar or None
        Bands that the field couples by more than this times their gap are one group, too; None: however strongly.
    """

    tolerance: Float[Array, ""]
    declared: tuple[tuple[int, ...], ...] = eqx.field(static=True, default=())
    manifolds: tuple[tuple[int, ...], ...] = eqx.field(static=True, default=())
    factor: Any = 1.0
    strongest: Any = None

    @property
    def is_plain(self) -> bool:
        """No groups but those of bands that are close, one manifold."""
        return not self.declared and len(self.manifolds) < 2 and self.strongest is None

    def threshold(self, size: Array) -> Array:
        """Energy below which bands are one group, (k,)."""
        return self.factor * jnp.maximum(DEGENERACY_TOLERANCE * size, self.tolerance)

    def same(self, energies: Array, size: Array) -> Bool[Array, "k n n"]:
        """Whether two bands are of one group: declared groups and bands that coincide join where they overlap."""
        apart = jnp.diff(energies, axis=-1) > self.threshold(size)[:, None]
        number = jnp.pad(apart.astype(int), ((0, 0), (1, 0))).cumsum(axis=-1)
        same = number[:, :, None] == number[:, None, :]
        same = same | self.together(energies.shape[-1])
        return closure(same) if self.declared else same

    def groups(self, energies: Array, size: Array, velocity: Array) -> Bool[Array, "k n n"]:
        """The same, with the coupling e E.V of bands by the field (k, n, n): those it mixes strongly may join."""
        same = self.same(energies, size)
        if self.strongest is None:
            return same
        strong = coupling(energies, velocity, same) > self.strongest
        return closure(same | (strong & self.mixing(energies.shape[-1])))

    def together(self, count: int) -> Bool[Array, "n n"]:
        """Whether two bands are of one declared group."""
        return together(self.declared, count)

    def mixing(self, count: int) -> Bool[Array, "n n"]:
        """Whether two bands are of one manifold."""
        return together(self.manifolds, count) if self.manifolds else jnp.ones((count, count), dtype=bool)


def closure(same: Array) -> Array:
    """Groups (k, n, n) of bands that chains of pairs connect."""
    for _ in range(max(1, same.shape[-1]).bit_length()):
        same = (same[..., :, :, None] & same[..., None, :, :]).any(axis=-2)
    return same


def coupling(energies: Array, velocity: Array, same: Array) -> Float[Array, "k n n"]:
    """e|E.R|/|E_n - E_m| between groups of bands, of their whole block: no basis within a group matters."""
    gap = jnp.where(same, 1.0, energies[:, None, :] - energies[:, :, None])
    ratio = jnp.where(same, 0.0, jnp.abs(velocity) / gap**2)
    group = same.astype(ratio.dtype)
    return jnp.sqrt(group @ ratio**2 @ group)


def together(sets: tuple[tuple[int, ...], ...], count: int) -> Bool[Array, "n n"]:
    """Pairs of bands of one of the sets, and of every band with itself."""
    mask = jnp.eye(count, dtype=bool)
    for members in sets:
        inside = jnp.zeros(count, dtype=bool).at[jnp.array(members)].set(True)
        mask = mask | (inside[:, None] & inside)
    return mask


def field_matrices(
    model: AbstractModel | AbstractLocalModel, field: Array, k: Array, x: Array | None = None, t: Array | None = None
) -> FieldMatrices:
    """Matrices at a batch k (K, d), in textures at one place x (d,) and time t."""
    d = k.shape[1]
    if isinstance(model, AbstractLocalModel):
        place, time = (jnp.zeros(d) if x is None else x), (jnp.zeros(()) if t is None else t)
        hamiltonian, slopes, turned = jax.vmap(lambda q: _local(model, field, q, place, time))(k)
        length = 1.0 if model.lattice is None else jnp.sqrt((model.lattice.vectors**2).sum(axis=-1)).min()
        along = jnp.einsum("a,kaij->kij", field, slopes[:, :d])
        return FieldMatrices(hamiltonian, slopes, slopes, along, turned, _size(hamiltonian, slopes[:, :d], length))

    matrices = model.matrices(k)

    def along_field(k: Array) -> Array:
        if matrices.position is None:
            # the derivative of H alone: one matrix in place of a whole gradient
            return jax.jvp(lambda q: model.matrices(q).hamiltonian, (k,), (jnp.broadcast_to(field, k.shape),))[1]
        return jnp.einsum("a,kaij->kij", field, covariant_gradient(model.matrices(k)))

    def slope(direction: Array) -> Array:
        return jax.jvp(along_field, (k,), (jnp.broadcast_to(direction, k.shape),))[1]

    operators = covariant_gradient(matrices)
    along = jnp.einsum("a,kaij->kij", field, operators)
    turned = jax.vmap(slope, out_axes=1)(jnp.eye(d))
    size = _size(matrices.hamiltonian, operators, matrices.length)
    basis = None if matrices.position is None else jnp.einsum("kabij,b->kaij", basis_curvature(matrices), field)
    return FieldMatrices(matrices.hamiltonian, matrices.gradient, operators, along, turned, size, basis)


def _local(model: AbstractLocalModel, field: Array, k: Array, x: Array, t: Array) -> tuple[Array, Array, Array]:
    """H, its slopes along k and x, and those of eE.d_k H, at one k of a texture."""
    d = k.shape[0]

    def at(point: Array) -> tuple[Array, Array]:
        def along(q: Array) -> Array:
            return model.local_hamiltonian(q, point[d:], t)

        return jax.jvp(along, (point[:d],), (field,))

    labels = jnp.eye(2 * d)
    point = jnp.concatenate([k, x])
    (hamiltonian, _), (slopes, turned) = jax.vmap(
        lambda s: jax.jvp(at, (point,), (s,)), out_axes=((None, None), (0, 0))
    )(labels)
    return hamiltonian, slopes, turned


def _size(hamiltonian: Array, gradient: Array, length: Array | float) -> Array:
    return jnp.abs(hamiltonian).max(axis=(-1, -2)) + jnp.abs(gradient).max(axis=(-1, -2, -3)) / length


def hybridise(matrices: FieldMatrices, grouping: Grouping) -> Hybridised:
    """The general path: any number of bands, groups and manifolds."""
    energies, states = eigh(matrices.hamiltonian)
    count = energies.shape[-1]
    slopes, operators = rotate(matrices.slopes, states), rotate(matrices.operators, states)
    velocity, turned = rotate(matrices.along, states), rotate(matrices.turned, states)
    same, mixing = grouping.groups(energies, matrices.size, velocity), grouping.mixing(count)
    gap = energies[:, None, :] - energies[:, :, None]
    inverse = jnp.where(same, 0.0, 1 / jnp.where(same, 1.0, gap))
    position = 1j * velocity * inverse  # e E.R
    generator = 1j * slopes * inverse[:, None]
    inner = jnp.where(mixing, position, 0.0)
    block = jnp.where(same[:, None], slopes, 0.0)
    change = turned + 1j * commutator(generator, velocity[:, None])
    derivative = (1j * change - commutator(position[:, None], block)) * inverse[:, None]
    gradient = slopes + jnp.where(mixing, derivative, 0.0) - 1j * commutator(generator, inner[:, None])
    if len(grouping.manifolds) > 1:
        across = jnp.where(mixing, 0.0, 1j * operators * inverse[:, None])
        outer = jnp.where(mixing, 0.0, position)
        curvature = 1j * commutator(across, outer[:, None])
        operators = operators + jnp.where(mixing, curvature, 0.0)
    if matrices.basis is not None:
        operators = operators + rotate(matrices.basis, states)
    hamiltonian = energies[..., None] * jnp.eye(count) + inner
    return Hybridised(states, energies, hamiltonian, gradient, operators)


def commutator(a: Array, b: Array) -> Array:
    """a b - b a of Hermitian matrices, whose second product is the adjoint of the first."""
    product = a @ b
    return product - adjoint(product)


def in_orbitals(mixed: Hybridised, matrix: Array) -> Array:
    """U X U^+ of X (k, ..., n, n)."""
    return rotate(matrix, adjoint(mixed.states))
