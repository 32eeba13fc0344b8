"""A group of bands at one (k, x, t): its projector, how that changes, and the curvatures of the group.

    <l|d_l P|m> = <l|d_l H|m>/(E_m - E_l)       l outside, m inside
    <chi|F_ll'|chi> = -2 Im <d_l P chi|d_l' P chi>,     chi inside

Active bands may cross: no difference of their energies is divided by.
Source: Tu, Li, Yao, PRB 102, 045423 (2020), Eqs. (37)-(41).
"""

from __future__ import annotations

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.dynamics.equations import HamiltonianHere
from blochflow.geometry.eigen import eigh
from blochflow.nonadiabatic.states import expectation


class Group(eqx.Module):
    """Bands of a group and the others at one (k, x, t).

    Attributes
    ----------
    here : HamiltonianHere
    members : indices of the g bands of the group
    energies, states : (N,), (N, N)
    mixing : (L, r, g)
        <l|d_l P|m> for the labels k, x, t.
    """

    here: HamiltonianHere
    members: tuple[int, ...] = eqx.field(static=True)
    energies: Array
    states: Array
    mixing: Array

    @property
    def bands(self) -> np.ndarray:
        """Indices (g,) of the group."""
        return np.array(self.members, dtype=int)

    @property
    def others(self) -> np.ndarray:
        """Indices (r,) of the rest."""
        return np.array([n for n in range(self.energies.shape[0]) if n not in self.members], dtype=int)

    def inside(self, chi: Array) -> Array:
        """Coefficients (g,) in the group."""
        return jnp.conj(self.states[:, self.bands]).T @ chi

    def outside(self, chi: Array) -> Array:
        """Coefficients (r,) in the others."""
        return jnp.conj(self.states[:, self.others]).T @ chi

    def projected(self, added: Array | None = None) -> Array:
        """PHP (N, N), with what is ``added`` within the group."""
        u = self.states[:, self.bands]
        found = (u * self.energies[self.bands]) @ jnp.conj(u).T
        return found if added is None else found + added

    def transport(self, rates: Array, chi: Array) -> Array:
        """[Pdot, P] chi for labels that change at ``rates`` (L,)."""
        mixing = jnp.einsum("l,lrg->rg", rates, self.mixing)
        up = self.states[:, self.others] @ (mixing @ self.inside(chi))
        return up - self.states[:, self.bands] @ (jnp.conj(mixing).T @ self.outside(chi))

    def curvatures(self, chi: Array) -> Array:
        """<chi|F_ll'|chi> (L, L) for chi inside, with the curvature of the basis."""
        turned = self.mixing @ self.inside(chi)
        omega = -2 * (jnp.conj(turned) @ turned.T).imag
        if self.here.basis is None:
            return omega
        d = self.here.basis.shape[0]
        return omega.at[:d, :d].add(expectation(self.here.basis, chi))

    @property
    def gap(self) -> Array:
        """Distance of the group to the nearest other band; infinite without others."""
        return jnp.abs(self.distances()).min(initial=jnp.inf)

    @property
    def splitting(self) -> Array:
        """Largest |w - 1| of the weights w = (E_l - E_n)/(E_l - E_m), which make one curvature of two."""
        spread = self.energies[self.bands].max() - self.energies[self.bands].min()
        return spread / self.gap

    def admixture(self, rates: Array, chi: Array) -> Array:
        """Largest amplitude that adiabatic elimination gives another band, hbar |<l|Pdot|chi>|/|E_m - E_l|."""
        mixing = jnp.einsum("l,lrg->rg", rates, self.mixing) / self.distances()
        return jnp.abs(mixing @ self.inside(chi)).max(initial=0.0)

    def distances(self) -> Array:
        """E_m - E_l, (r, g)."""
        return self.energies[self.bands][None, :] - self.energies[self.others][:, None]


def group_at(here: HamiltonianHere, bands: tuple[int, ...]) -> Group:
    """The group of ``bands`` of H."""
    energies, states = eigh(here.hamiltonian)
    empty = Group(here, bands, energies, states, jnp.zeros(0))
    columns = jnp.conj(states[:, empty.others]).T @ here.gradient @ states[:, empty.bands]
    return Group(here, bands, energies, states, columns / empty.distances())


def texture_energy(group: Group) -> Array:
    """Hermitian part of i sum_a P d_xa H (1 - P) d_ka P, (N, N): the energy of a texture for a packet in the group."""
    d = (group.mixing.shape[0] - 1) // 2
    u, v = group.states[:, group.bands], group.states[:, group.others]
    slopes = jnp.conj(u).T @ group.here.gradient[d : 2 * d] @ v
    product = jnp.einsum("agr,arh->gh", slopes, group.mixing[:d])
    return u @ (0.5j * (product - jnp.conj(product).T)) @ jnp.conj(u).T
