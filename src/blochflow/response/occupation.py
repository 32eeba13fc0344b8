"""Occupation of bands for a list of (mu, temperature) states, T = 0 included; the JAX side of `zone.weights`.

f = 1/(exp((E - mu)/k_B T) + 1);  at T = 0 a step, 1/2 exactly at mu (the limit T -> 0)
F_p(x) = Int_x^inf dt t^p (-df/dt),  x = (E - mu)/k_B T:  F_0 = f, F_1 entropy of a state over k_B, F_2 = c_2
"""

from __future__ import annotations

import equinox as eqx
import numpy as np
from jaxtyping import Float

from blochflow.core.backend import Array, jax, jnp
from blochflow.zone.weights import FULL


class Occupation(eqx.Module):
    """States (mu, k_B T); the cold ones (T = 0) come first.

    Attributes
    ----------
    mu, kt : (P,)
    cold : int
        The first ``cold`` states have T = 0.
    """

    mu: Float[Array, " states"]
    kt: Float[Array, " states"]
    cold: int = eqx.field(static=True)

    def filling(self, energies: Float[Array, "k n"], power: int = 0) -> Float[Array, "k states n"]:
        """F_p of every band: (k, n) -> (k, P, n)."""
        parts = []
        if self.cold:
            step = jnp.heaviside(self.mu[: self.cold, None] - energies[:, None, :], 0.5)
            parts.append(float(FULL[power]) * step)
        if self.cold < self.mu.shape[0]:
            x = (energies[:, None, :] - self.mu[self.cold :, None]) / self.kt[self.cold :, None]
            parts.append(occupation_moment(x, power))
        return jnp.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]

    def steps(self, energies: Float[Array, "k n"], power: int = 0) -> Float[Array, "k states n"]:
        """F_p,j - F_p,j+1 with F_N = 0, (k, n) -> (k, P, n): weights of band-cumulative sums, >= 0 for p = 0."""
        f = self.filling(energies, power)
        return f - jnp.concatenate([f[..., 1:], jnp.zeros_like(f[..., :1])], axis=-1)

    def slopes(self, energies: Float[Array, "k n"], power: int = 0) -> Float[Array, "k states n"]:
        """-f' x^p of every band, (k, n) -> (k, P, n); for states with T > 0 only."""
        x = (energies[:, None, :] - self.mu[:, None]) / self.kt[:, None]
        weight = jax.nn.sigmoid(x) * jax.nn.sigmoid(-x) / self.kt[:, None]
        if power == -1:
            return weight * jnp.tanh(x / 2)
        return weight * x**power if power else weight


def occupation_moment(x: Array, power: int) -> Array:
    """F_p(x) for p = -1, 0, 1, 2."""
    if power == 0:
        return jax.nn.sigmoid(-x)
    if power == -1:
        return jax.nn.sigmoid(x) * jax.nn.sigmoid(-x)
    size = jnp.abs(x)
    decay = jnp.exp(-size)
    log = jnp.log1p(decay)
    if power == 1:
        return size * jax.nn.sigmoid(-size) + log
    upper = size**2 * jax.nn.sigmoid(-size) + 2 * size * log - 2 * jax.scipy.special.spence(1 + decay)
    return jnp.where(x > 0, upper, FULL[2] - upper)


def make_occupation(mu: np.ndarray, kt: np.ndarray) -> tuple[Occupation, np.ndarray]:
    """Occupation of flat lists of states and the permutation that restores their order."""
    order = np.argsort(kt > 0, kind="stable")
    occupation = Occupation(jnp.asarray(mu[order]), jnp.asarray(kt[order]), int((kt == 0).sum()))
    return occupation, np.argsort(order, kind="stable")


def active_gap(energies: Float[Array, "k n"], weights: Float[Array, "k states n"]) -> Float[Array, "k states"]:
    """Smallest E_{j+1} - E_j among bands with f_j - f_{j+1} above one half, (k, P); infinite where there is none."""
    if energies.shape[-1] == 1:
        return jnp.full(weights.shape[:2], jnp.inf)
    gaps = (energies[:, 1:] - energies[:, :-1])[:, None, :]
    return jnp.where(weights[..., :-1] > 0.5, gaps, jnp.inf).min(axis=-1)
