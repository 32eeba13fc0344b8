"""Integrands of currents at finite field, on models of `nonadiabatic.field_model` (hbar = e = 1).

bands hybridised by the field:
    J0 = -Int sum_i f(E_i) (v_i - d_k E_i),   v_i = <u_i|d_k H|u_i>,   F_i = -<u_i|d_x H|u_i>
    J1 = -Int sum_i -f'(E_i) [d_x E_i.v_i + d_k E_i.(F_i - E)] v_i                per relaxation time
single bands:
    J0 = -Int sum_n f(E_n) D (xdot - xdot(E = 0)),     b = D xdot(E = 0) - d_k E_n
    J1 = -Int sum_n f'(E_n) D (E.xdot) xdot,           bound current -Int sum_n f b = curl of the magnetization

b = tr(Omega_kx) d_k E - Omega_kx d_k E + Omega_kk d_x E, in three dimensions with products of curvatures besides.

The gradients d_k E carry no current: they integrate to zero over a zone, and leaving them out, what remains is of the
order of the field, nothing has to cancel, and k.p models are as if cut at constant energy.
Source: Tu, Li, Yao, PRB 102, 045423 (2020), Eqs. (46), (47), (57)-(60), with the phase-space density D.
"""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx

from blochflow.core.backend import Array, jax, jnp
from blochflow.dynamics.symplectic import phase_space_density, solve_form
from blochflow.geometry.bands import rotate
from blochflow.geometry.eigen import eigh
from blochflow.models.base import BlochMatrices
from blochflow.nonadiabatic.hybrid_states import HybridBands, hybrid_bands_at
from blochflow.nonadiabatic.hybridisation import FieldMatrices, Grouping
from blochflow.response.integrands import BandIntegrand, Entries
from blochflow.zone.tensor_symmetry import TensorKind

# Of J0; symmetry is not used, since a field leaves little of it.
VECTOR = TensorKind(1)


class FieldIntegrand(BandIntegrand):
    """A current vector in a field (d,)."""

    field: Any
    kind: ClassVar[TensorKind] = VECTOR
    local: ClassVar[bool] = False
    subject: ClassVar[str] = "The velocity of bands in the field"

    @property
    def size(self) -> int:
        """d."""
        return int(self.field.shape[0])

    @property
    def entries(self) -> Entries:
        """Components in order."""
        return [((a,), a, 1.0) for a in range(self.size)]

    @property
    def needs_k(self) -> bool:
        """Derivatives in k need scattered points."""
        return True

    @property
    def splits(self) -> bool:
        """Blocks of H would need fields of their own."""
        return False


class HybridSea(FieldIntegrand):
    """J0 of hybridised bands; ``whole`` with the gradients d_k E, which diverge where bands touch."""

    whole: bool = eqx.field(static=True, default=False)

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        found = hybrid_bands_at(matrices.attached.matrices, matrices.attached.grouping)
        return found.energies, self.values(found)

    def values(self, found: HybridBands) -> Array:
        """Sums over the lowest bands, (k, i, a)."""
        anomalous = (-found.velocity if self.whole else found.slopes - found.velocity)[:, : self.size]
        return jnp.cumsum(jnp.swapaxes(anomalous, 1, 2), axis=1)


class HybridSurface(FieldIntegrand):
    """J1 of hybridised bands, for tau = 1."""

    surface: ClassVar[bool] = True

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        found = hybrid_bands_at(matrices.attached.matrices, matrices.attached.grouping)
        return found.energies, self.values(found)

    def values(self, found: HybridBands) -> Array:
        """Of every band, (k, i, a)."""
        d = self.size
        current = jnp.einsum("b,kbai->kia", self.field, found.product[:, :d, :d])
        if found.velocity.shape[1] > d:
            drift = (found.slopes[:, d:] * found.velocity[:, :d] - found.slopes[:, :d] * found.velocity[:, d:]).sum(1)
            current = current - jnp.swapaxes(drift[:, None] * found.velocity[:, :d], 1, 2)
        return current


class HybridCurrent(FieldIntegrand):
    """J0 and ``time`` J1 of hybridised bands at the same points, for grids that serve both."""

    time: Any
    whole: bool = eqx.field(static=True, default=False)

    @property
    def tensors(self) -> int:
        """Two vectors."""
        return 2

    @property
    def surfaces(self) -> tuple[bool, ...]:
        """J1 is one."""
        return (False,) * self.size + (True,) * self.size

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        found = hybrid_bands_at(matrices.attached.matrices, matrices.attached.grouping)
        surface = self.time * HybridSurface(self.field).values(found)
        return found.energies, jnp.concatenate([HybridSea(self.field, self.whole).values(found), surface], axis=-1)


class SingleBand(eqx.Module):
    """Motion of packets of single bands.

    Attributes
    ----------
    energies : (k, n)
    gradient : (k, n, a)
        d_k E_n.
    velocity : (k, n, a)
        xdot.
    density : (k, n)
        D.
    bound : (k, n, a)
        b above.
    driven : (k, n, a)
        What the field adds to D xdot: D is that of no field, and xdot linear in it.
    """

    energies: Array
    gradient: Array
    velocity: Array
    density: Array
    bound: Array
    driven: Array


def single_band(matrices: FieldMatrices, grouping: Grouping, field: Array) -> SingleBand:
    """Equations of motion of every band by itself; curvatures of a group of touching bands are those with others."""
    d = field.shape[0]
    energies, states = eigh(matrices.hamiltonian)
    operators = rotate(matrices.operators, states)
    same = grouping.groups(energies, matrices.size, rotate(matrices.along, states))
    gap = jnp.where(same, 1.0, energies[:, :, None] - energies[:, None, :])
    inverse = jnp.where(same, 0.0, 1 / gap)
    omega = -2 * jnp.einsum("klnm,kjmn,knm->knlj", operators, operators, inverse**2).imag
    slopes = jnp.swapaxes(jnp.diagonal(operators, axis1=-2, axis2=-1).real, 1, 2)
    gradient = slopes[..., :d]
    if operators.shape[1] == d:
        anomalous = omega @ field
        if matrices.basis is not None:
            basis = rotate(matrices.basis, states)
            anomalous = anomalous + jnp.swapaxes(jnp.diagonal(basis, axis1=-2, axis2=-1).real, 1, 2)
        none = jnp.zeros_like(gradient)
        return SingleBand(energies, gradient, gradient + anomalous, jnp.ones_like(energies), none, anomalous)
    kk, kx, xx = omega[..., :d, :d], omega[..., :d, d:], omega[..., d:, d:]
    mixed = jnp.eye(d) + kx
    form = jnp.concatenate(
        [jnp.concatenate([xx, -jnp.swapaxes(mixed, -1, -2)], axis=-1), jnp.concatenate([mixed, kk], axis=-1)], axis=-2
    )
    still = jnp.concatenate([slopes[..., d:], gradient], axis=-1)
    force = jnp.broadcast_to(jnp.concatenate([field, jnp.zeros(d)]), still.shape)
    at_rest, change = (jax.vmap(jax.vmap(solve_form))(form, right)[..., :d] for right in (still, force))
    density = jax.vmap(jax.vmap(phase_space_density))(form)
    bound, driven = density[..., None] * at_rest - gradient, density[..., None] * change
    return SingleBand(energies, gradient, at_rest + change, density, bound, driven)


class SingleBandSea(FieldIntegrand):
    """J0 of single bands; in textures further the bound current, and J0 as if D were 1."""

    textured: bool = eqx.field(static=True, default=False)

    @property
    def tensors(self) -> int:
        """Transport, bound, without measure; only the first without texture."""
        return 3 if self.textured else 1

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        found = single_band(matrices.attached.matrices, matrices.attached.grouping, self.field)
        parts = [-found.driven]
        if self.textured:
            parts += [-found.bound, found.gradient - found.velocity]
        return found.energies, jnp.cumsum(jnp.concatenate(parts, axis=-1), axis=1)


class SingleBandSurface(FieldIntegrand):
    """J1 of single bands, for tau = 1: delta f = tau f' E.xdot."""

    surface: ClassVar[bool] = True

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        found = single_band(matrices.attached.matrices, matrices.attached.grouping, self.field)
        along = jnp.einsum("a,kna->kn", self.field, found.velocity)
        return found.energies, (found.density * along)[..., None] * found.velocity
