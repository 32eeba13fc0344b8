"""Full-band dynamics of a wave packet: its internal state is evolved, its centre follows the expectation values.

    xdot_a = <chi|d_ka H|chi> - <F_ab> kdot_b,   kdot_a = -e E_a(x, t) - <chi|d_xa H|chi>,   i chidot = (H - kdot.A) chi

chi is in the orbital basis, so that no eigenvector, gauge or connection of bands enters; A and F are the position
matrices of Wannier functions and their curvature, zero for other models.  Norm and energy are conserved exactly; the
phase-space measure is dx dk dchi, without a density.  The common phase of chi is left out: H - <H> evolves it.
Source: Tu, Li, Yao, PRB 102, 045423 (2020), Eqs. (8)-(10), (19)-(22).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import fail
from blochflow.core.quantity import Quantity
from blochflow.dynamics.conserving import LENGTHS, conserving_part
from blochflow.dynamics.equations import (
    HamiltonianHere,
    Motion,
    hamiltonian_at,
    power_of,
    right_side,
    symplectic_form,
)
from blochflow.dynamics.starts import STATE, Model, Scale, check_apart
from blochflow.dynamics.symplectic import solve_form
from blochflow.dynamics.theory import AbstractConservingTheory, AbstractTheory, Begin, Labels, Seen
from blochflow.geometry.eigen import eigh
from blochflow.geometry.subspace import Subspace
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields
from blochflow.models.packets import WavePacket
from blochflow.nonadiabatic.bands_apart import as_bands, check_group_apart, check_members
from blochflow.nonadiabatic.motion_catalog import EHRENFEST
from blochflow.nonadiabatic.states import LABELS, Internal, begun, expectation, near_pairs, observables

if TYPE_CHECKING:
    import xarray as xr


SMALLEST_CURVATURE = 1e-3  # Omega_kx below which a texture is no concern


class Ehrenfest(AbstractConservingTheory):
    """Theory of all bands: the state of the packet is evolved by H(k, x, t) at its centre.

    Exact for every wave vector in a uniform electric field.  In a texture it leaves out the correlation of place and
    state within the packet, an error of the order of the Berry curvatures that does not vanish for long textures.

    Parameters
    ----------
    dressed : bool or sequence of int
        Start with the admixture of other bands that the field, texture or drive causes, so that the packet moves
        without Zitterbewegung: True for packets of one band, or the bands of which the ``amplitudes`` are made.

    Raises
    ------
    ValueError
        ``dressed`` is neither a truth value nor bands.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Ehrenfest(dressed=True)
    Ehrenfest(dressed=True)
    """

    quantity: ClassVar[Quantity] = EHRENFEST
    labels: ClassVar[Labels] = LABELS | {
        "mixed_curvature": ((), "1", "largest |Omega_kx|: what is left out of a texture")
    }
    isolated: ClassVar[bool] = False

    dressed: bool | tuple[int, ...] = eqx.field(static=True, default=False)

    def __init__(self, dressed: bool | Sequence[int] | Subspace = False) -> None:
        if isinstance(dressed, bool | np.bool_):
            self.dressed = bool(dressed)
        else:
            self.dressed = as_bands(dressed, "dressed", "be True, False or distinct bands such as (0, 1)")

    def unconserved(self, model: Model) -> str:
        has_positions = isinstance(model, AbstractModel) and model.has_position_matrices
        return "the Ehrenfest theory has no such steps for models with position matrices" if has_positions else ""

    def settled(self, model: Model, packets: WavePacket, fields: Fields, time: float, scale: Scale) -> AbstractTheory:
        refuse_magnetic(fields)
        if packets.amplitudes is None:
            check_apart(model, packets, time, scale, STATE)
        elif self.dressed is True:
            raise fail("dressed", "name the bands where packets have amplitudes, e.g. (0, 1)", "is True")
        if isinstance(self.dressed, tuple):
            _, states = check_group_apart(model, packets, time, scale, self.dressed, "dressed")
            check_members(packets, states, self.dressed, "dressed")
        return self

    def initial(self, model: Model, fields: Fields, scale: Scale, begin: Begin, t: Array) -> Array:
        bands = self.dressed if isinstance(self.dressed, tuple) else () if self.dressed else None
        return begun(model, fields, begin, t, bands).flat(scale)

    def rate(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Array:
        now, here, slopes, omega, rate = self._flow(model, fields, scale, t, state)
        d, chi = model.dimension, now.amplitudes
        matrix = here.hamiltonian
        if here.position is not None:
            matrix = matrix - jnp.einsum("a,aij->ij", rate[d:], here.position)
        power = power_of(slopes, omega, fields.electric_at(now.position, t), rate)
        return Internal(rate[:d], rate[d:], turned(matrix, chi), power).flat(scale)

    def conserving(
        self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, length: Array, state: Array
    ) -> Array:
        """Half a step of (x, k) with chi at rest, a step of chi at rest in (x, k), half a step of (x, k)."""
        d, start = model.dimension, Internal.of(state, model.dimension, scale)
        weights = jnp.concatenate([jnp.full(d, 1 / scale.length), jnp.full(d, scale.length)])
        form = symplectic_form(jnp.zeros((2 * d + 1, 2 * d + 1)))

        def moved(y: Array, chi: Array, part: Array) -> Array:
            def sided(y: Array) -> tuple[Array, Array]:
                slopes = expectation(hamiltonian_at(model, y[d:], y[:d], fields.clock * t).gradient, chi)
                return form, jnp.concatenate([slopes[d : 2 * d] + fields.electric, slopes[:d]])

            def energy(y: Array) -> Array:
                here = hamiltonian_at(model, y[d:], y[:d], fields.clock * t).hamiltonian
                return expectation(here, chi) + fields.electric @ y[:d]

            return conserving_part(sided, energy, y, part, weights)

        def part_of(carry: tuple[Array, Array], share: Array) -> tuple[tuple[Array, Array], None]:
            y, chi = carry
            part = share * length
            y = moved(y, chi, 0.5 * part)
            energies, states = eigh(hamiltonian_at(model, y[d:], y[:d], fields.clock * t).hamiltonian)
            phases = jnp.exp(-1j * part * (energies - energies[0]))
            chi = states @ (phases * (jnp.conj(states).T @ chi))
            return (moved(y, chi, 0.5 * part), chi), None

        first = jnp.concatenate([start.position, start.wavevector])
        (last, chi), _ = jax.lax.scan(part_of, (first, start.amplitudes), jnp.array(LENGTHS))
        work = start.work - fields.electric @ (last - first)[:d]
        return Internal(last[:d], last[d:], chi, work).flat(scale)

    def observe(self, model: Model, fields: Fields, scale: Scale, band: Array, t: Array, state: Array) -> Seen:
        now, here, slopes, omega, rate = self._flow(model, fields, scale, t, state)
        d, chi = model.dimension, now.amplitudes
        energies, states = eigh(here.hamiltonian)
        difference, apart = near_pairs(energies, scale)
        rates = jnp.concatenate([rate[d:], rate[:d], jnp.array([fields.clock])])
        elements = jnp.conj(states).T @ here.gradient @ states
        mixing = jnp.where(apart, jnp.abs(jnp.einsum("l,lnm->nm", rates, elements)) / difference**2, 0.0).max()
        weights = jnp.where(apart, 1 / difference**2, 0.0)
        mixed = -2 * jnp.einsum("anm,bmn,nm->nab", elements[:d], elements[d : 2 * d], weights).imag
        gap = jnp.where(apart, jnp.abs(difference), jnp.inf).min()
        power = power_of(slopes, omega, fields.electric_at(now.position, t), rate)
        norm = jnp.linalg.norm(chi)
        energy = expectation(here.hamiltonian, chi)
        motion = Motion(rate[:d], rate[d:], power, energy, jnp.ones(()), gap, mixing, norm)
        extra = observables(chi, states, norm) | {"mixed_curvature": jnp.abs(mixed).max()}
        return Seen(now.position, now.wavevector, now.work, motion, extra)

    def concerns(self, result: xr.Dataset) -> list[str]:
        reached = float(result["mixed_curvature"].max())
        if not reached > SMALLEST_CURVATURE:
            return []
        return [
            "The Ehrenfest theory leaves out the correlation of place and state within a packet in a texture, of the "
            f"order of the curvature Omega_kx, which reaches {reached:.3g}: positions are off by about this part of "
            'the path. Where gaps are open use theory="manifold" or "adiabatic"; bf.exact.compare tells.'
        ]

    def _flow(
        self, model: Model, fields: Fields, scale: Scale, t: Array, state: Array
    ) -> tuple[Internal, HamiltonianHere, Array, Array, Array]:
        """The packet, H, its slopes (L,), the curvature of the basis (L, L), and d(x, k)/dt."""
        d, now = model.dimension, Internal.of(state, model.dimension, scale)
        here = hamiltonian_at(model, now.wavevector, now.position, fields.clock * t)
        slopes = expectation(here.gradient, now.amplitudes).at[-1].multiply(fields.clock)
        omega = jnp.zeros((2 * d + 1, 2 * d + 1))
        electric = fields.electric_at(now.position, t)
        if here.basis is None:
            rate = jnp.concatenate([slopes[:d], -electric - slopes[d : 2 * d]])
        else:
            omega = omega.at[:d, :d].set(expectation(here.basis, now.amplitudes))
            rate = solve_form(symplectic_form(omega), right_side(slopes, omega, electric))
        return now, here, slopes, omega, rate


def turned(matrix: Array, chi: Array) -> Array:
    """-i (X - <X>) chi: evolution by X without the common phase."""
    moved = matrix @ chi
    mean = (jnp.conj(chi) @ moved).real / (jnp.conj(chi) @ chi).real
    return -1j * (moved - mean * chi)


def refuse_magnetic(fields: Fields) -> None:
    """These theories have no equations in a magnetic field."""
    if fields.is_magnetic:
        must = 'be None with a theory of several bands; use theory="adiabatic", or bf.exact.lattice_packet'
        raise fail("magnetic_field", must, "is given")
