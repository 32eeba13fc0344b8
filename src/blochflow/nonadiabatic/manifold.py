"""Dynamics within a group of bands that is apart from all others: non-Abelian equations of motion.

    xdot_a + <F_ka,xb> xdot_b + <F_ka,kb> kdot_b + <F_ka,t> = <chi|d_ka H|chi>
    kdot_a - <F_xa,xb> xdot_b - <F_xa,kb> kdot_b - <F_xa,t> = -e E_a - <chi|d_xa H|chi>
    i chidot = (PHP + i [Pdot, P]) chi,     chi = P chi,     F_ll' = i P [d_l P, d_l' P] P

P projects on the active bands; d_l P comes from matrix elements of d_l H between active bands and the others: no
eigenvector is differentiated, and nothing depends on the basis of the active bands.  F is antisymmetric: the energy
changes by -e E.xdot exactly.  In a texture H gains the energy -Im sum_a P d_xa H (1 - P) d_ka P.  For one band these
are the adiabatic equations, for all bands the Ehrenfest ones.
Source: Tu, Li, Yao, PRB 102, 045423 (2020), Eqs. (34)-(42); one doublet: Culcer, Yao, Niu, PRB 72, 085110 (2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import equinox as eqx

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_bool
from blochflow.core.quantity import Quantity
from blochflow.dynamics.equations import Motion, hamiltonian_at, power_of, right_side, symplectic_form
from blochflow.dynamics.starts import STATE, Model, Scale, check_apart
from blochflow.dynamics.symplectic import phase_space_density, solve_form
from blochflow.dynamics.theory import LEAST_ADIABATIC, AbstractTheory, Begin, Labels, Seen
from blochflow.geometry.subspace import Subspace
from blochflow.models.fields import Fields
from blochflow.models.local import AbstractLocalModel
from blochflow.models.packets import WavePacket
from blochflow.nonadiabatic.bands_apart import as_bands, bands_of_packets, check_group_apart, check_members
from blochflow.nonadiabatic.ehrenfest import refuse_magnetic, turned
from blochflow.nonadiabatic.motion_catalog import MANIFOLD
from blochflow.nonadiabatic.projectors import Group, group_at, texture_energy
from blochflow.nonadiabatic.states import LABELS, Internal, begun, expectation, observables

if TYPE_CHECKING:
    import xarray as xr

LARGEST_SPLITTING = 0.1  # of the gap to the other bands: below, one curvature serves all active bands


class Manifold(AbstractTheory):
    """Theory of a group of bands: packets may be in any superposition of them, and in no others.

    Parameters
    ----------
    active : sequence of int, optional
        The bands, which must be apart from all others; by default those in which packets are when they start, with
        those that touch them.  Amplitudes of packets must lie in them (see `bf.nonadiabatic.projected`).
    gradient_energy : bool
        Energy of a texture, -Im sum_a <chi|d_xa H (1 - P) d_ka P|chi>, of the order of the mixed curvatures.  For
        several bands it is derived here: the theory page compares it with exact packets.

    Raises
    ------
    ValueError
        ``active`` holds no bands, or repeated or negative ones.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Manifold(active=(0, 1))
    Manifold(active=(0, 1))
    """

    quantity: ClassVar[Quantity] = MANIFOLD
    labels: ClassVar[Labels] = LABELS | {
        "splitting": ((), "1", "largest |E_n - E_m|/|E_n - E_l|, n and m active, l not")
    }
    isolated: ClassVar[bool] = True

    active: tuple[int, ...] | None = eqx.field(static=True, default=None)
    gradient_energy: bool = eqx.field(static=True, default=True)

    def __init__(self, active: Sequence[int] | Subspace | None = None, *, gradient_energy: bool = True) -> None:
        self.active = None if active is None else as_bands(active, "active")
        self.gradient_energy = as_bool(gradient_energy, "gradient_energy")

    def unconserved(self, model: Model) -> str:
        return "the theory of a group of bands has no such steps"

    def settled(self, model: Model, packets: WavePacket, fields: Fields, time: float, scale: Scale) -> AbstractTheory:
        refuse_magnetic(fields)
        active = bands_of_packets(model, packets, time, scale) if self.active is None else self.active
        _, states = check_group_apart(model, packets, time, scale, active, "active")
        check_members(packets, states, active, "active")
        if packets.amplitudes is None:
            check_apart(model, packets, time, scale, STATE)
        return Manifold(active, gradient_energy=self.gradient_energy)

    def initial(self, model: Model, fields: Fields, scale: Scale, begin: Begin, t: Array) -> Array:
        return begun(model, fields, begin, t, None).flat(scale)

    def rate(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Array:
        flow = self._flow(model, fields, scale, t, state)
        now, group, d = flow.now, flow.group, model.dimension
        chi = turned(group.projected(flow.texture), now.amplitudes)
        rates = jnp.concatenate([flow.rate[d:], flow.rate[:d], jnp.array([fields.clock])])
        chi = chi + group.transport(rates, now.amplitudes)
        if group.here.position is not None:
            chi = chi + 1j * jnp.einsum("a,aij,j->i", flow.rate[d:], group.here.position, now.amplitudes)
        power = power_of(flow.slopes, flow.omega, fields.electric_at(now.position, t), flow.rate)
        return Internal(flow.rate[:d], flow.rate[d:], chi, power).flat(scale)

    def observe(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Seen:
        flow = self._flow(model, fields, scale, t, state)
        now, group, d = flow.now, flow.group, model.dimension
        rates = jnp.concatenate([flow.rate[d:], flow.rate[:d], jnp.array([fields.clock])])
        norm = jnp.linalg.norm(group.inside(now.amplitudes))
        motion = Motion(
            flow.rate[:d],
            flow.rate[d:],
            power_of(flow.slopes, flow.omega, fields.electric_at(now.position, t), flow.rate),
            expectation(group.projected(flow.texture), now.amplitudes),
            phase_space_density(symplectic_form(flow.omega)),
            group.gap,
            group.admixture(rates, now.amplitudes),
            norm,
        )
        extra = observables(now.amplitudes, group.states, norm) | {"splitting": group.splitting}
        return Seen(now.position, now.wavevector, now.work, motion, extra)

    def concerns(self, result: xr.Dataset) -> list[str]:
        found, reached, ratio = [], result.attrs["adiabaticity"], float(result["splitting"].max())
        if reached > LEAST_ADIABATIC:
            found.append(
                "The other bands do not follow adiabatically: the admixture hbar |<l|dchi/dt>|/gap reaches "
                f'{reached:.3g} on a trajectory. Weaken the field, keep more active bands, or use theory="ehrenfest".'
            )
        if ratio > LARGEST_SPLITTING:
            found.append(
                f"The active bands are not close to each other: their splitting reaches {ratio:.3g} of the gap to the "
                'other bands, and one curvature F does not serve all of them. Compare with theory="ehrenfest".'
            )
        return found

    def _flow(self, model: Model, fields: Fields, scale: Scale, t: Array, state: Array) -> Flow:
        now = Internal.of(state, model.dimension, scale)
        x, k = now.position, now.wavevector
        group = group_at(hamiltonian_at(model, k, x, fields.clock * t), self.active or ())
        chi = group.states[:, group.bands] @ group.inside(now.amplitudes)
        slopes = expectation(group.here.gradient, chi)
        texture = None
        if self.gradient_energy and isinstance(model, AbstractLocalModel) and model.varies_in_space:

            def energy(k: Array, x: Array, t: Array) -> tuple[Array, Array]:
                operator = texture_energy(group_at(hamiltonian_at(model, k, x, t), self.active or ()))
                return expectation(operator, chi), operator

            derivatives, texture = jax.grad(energy, argnums=(0, 1, 2), has_aux=True)(k, x, fields.clock * t)
            slopes = slopes + jnp.concatenate([derivatives[0], derivatives[1], derivatives[2][None]])
        omega = group.curvatures(chi)
        slopes = slopes.at[-1].multiply(fields.clock)
        omega = omega.at[-1].multiply(fields.clock).at[:, -1].multiply(fields.clock)
        right = right_side(slopes, omega, fields.electric_at(x, t))
        return Flow(now, group, slopes, omega, solve_form(symplectic_form(omega), right), texture)


class Flow(eqx.Module):
    """A packet, its bands, slopes of its energy (L,), curvatures (L, L), d(x, k)/dt and the energy of the texture."""

    now: Internal
    group: Group
    slopes: Array
    omega: Array
    rate: Array
    texture: Array | None
