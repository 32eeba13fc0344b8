"""States of wave packets of several bands: a place, a wave vector and amplitudes of the orbitals.

    |chi> = sum_n c_n |u_n> - i sum_l |u_l> sum_n <u_l|dH/dt|u_n> c_n/(E_n - E_l)^2      dressed, l none of the bands n

dH/dt along the motion of the packet.  In a uniform field the admixture is e E.R_ln/(E_n - E_l): a packet that begins
with it moves without Zitterbewegung at first order.  Source: Tu, Li, Yao, PRB 102, 045423 (2020), Eqs. (24)-(28).
"""

from __future__ import annotations

import equinox as eqx

from blochflow.core.backend import Array, jnp
from blochflow.dynamics.equations import HamiltonianHere, hamiltonian_at
from blochflow.dynamics.starts import SMALLEST_GAP, Model, Scale
from blochflow.dynamics.theory import Begin
from blochflow.geometry.eigen import eigh
from blochflow.models.fields import Fields

# Variables of results of theories with amplitudes, for `AbstractTheory.labels`.
LABELS = {
    "populations": (("level",), "1", "weight of the bands of H(k, x, t), from the lowest"),
    "norm": ((), "1", "norm of the state within its bands"),
    "amplitudes_re": (("orbital",), "1", "real part of the state, up to a common phase"),
    "amplitudes_im": (("orbital",), "1", "imaginary part of the state, up to a common phase"),
}


class Internal(eqx.Module):
    """x and k (d,), amplitudes (N,) in the orbital basis, and the work done so far ()."""

    position: Array
    wavevector: Array
    amplitudes: Array
    work: Array

    @classmethod
    def of(cls, state: Array, dimension: int, scale: Scale) -> Internal:
        """From the flat state (x/L, k L, Re chi, Im chi, work/E)."""
        x, k, rest = state[:dimension], state[dimension : 2 * dimension], state[2 * dimension : -1]
        count = rest.shape[0] // 2
        return cls(x * scale.length, k / scale.length, rest[:count] + 1j * rest[count:], state[-1] * scale.energy)

    def flat(self, scale: Scale) -> Array:
        """The flat state; works for rates too."""
        chi = self.amplitudes
        parts = [self.position / scale.length, self.wavevector * scale.length, chi.real, chi.imag]
        return jnp.concatenate([*parts, (self.work / scale.energy)[None]])


def expectation(matrix: Array, chi: Array) -> Array:
    """Re <chi|X|chi> for X (..., N, N)."""
    return jnp.einsum("i,...ij,j->...", jnp.conj(chi), matrix, chi).real


def begun(model: Model, fields: Fields, begin: Begin, t: Array, dressed: tuple[int, ...] | None) -> Internal:
    """A packet at its start, in its band or with its amplitudes; ``dressed``: bands that get their admixture.

    An empty tuple dresses the packet's own band.
    """
    x, k = begin.position, begin.wavevector
    here = hamiltonian_at(model, k, x, fields.clock * t)
    energies, states = eigh(here.hamiltonian)
    chi = begin.amplitudes if begin.amplitudes.shape[0] else states[:, begin.band]
    if dressed is not None:
        labels = jnp.arange(energies.shape[0])
        inside = jnp.isin(labels, jnp.array(dressed)) if dressed else labels == begin.band
        chi = with_admixture(here, energies, states, chi, inside, fields.electric_at(x, t), fields.clock)
    return Internal(x, k, chi, jnp.zeros(()))


def with_admixture(
    here: HamiltonianHere, energies: Array, states: Array, chi: Array, inside: Array, electric: Array, clock: float
) -> Array:
    """The dressed state, of norm 1; ``inside`` (N,) tells which bands it is made of."""
    d = electric.shape[0]
    slopes = expectation(here.gradient, chi)
    rates = jnp.concatenate([-electric - slopes[d : 2 * d], slopes[:d], jnp.array([clock])])
    change = jnp.conj(states).T @ jnp.einsum("l,lij->ij", rates, here.gradient) @ states
    apart = ~inside[:, None] & inside[None, :]
    gap = jnp.where(apart, energies[None, :] - energies[:, None], 1.0)
    coefficients = jnp.conj(states).T @ chi
    admixture = -1j * jnp.where(apart, change / gap**2, 0.0) @ coefficients
    found = states @ (coefficients + admixture)
    return found / jnp.linalg.norm(found)


def near_pairs(energies: Array, scale: Scale) -> tuple[Array, Array]:
    """E_n - E_m (N, N), 1 for pairs that rounding cannot separate, and which pairs are apart."""
    difference = energies[:, None] - energies[None, :]
    apart = jnp.abs(difference) > SMALLEST_GAP * scale.energy
    return jnp.where(apart, difference, 1.0), apart


def observables(chi: Array, states: Array, norm: Array) -> dict[str, Array]:
    """What `LABELS` lists."""
    populations = jnp.abs(jnp.conj(states).T @ chi) ** 2
    return {"populations": populations, "norm": norm, "amplitudes_re": chi.real, "amplitudes_im": chi.imag}
