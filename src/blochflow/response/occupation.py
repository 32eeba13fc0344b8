"""Fermi occupation of bands for a list of (mu, temperature) states, T = 0 included.

f = 1/(exp((E - mu)/k_B T) + 1);  at T = 0 a step, 1/2 exactly at mu (the limit T -> 0)
"""

from __future__ import annotations

import equinox as eqx
import numpy as np
from jaxtyping import Float

from blochflow.core.backend import Array, jax, jnp


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

    def filling(self, energies: Float[Array, "k n"]) -> Float[Array, "k states n"]:
        """f of every band: (k, n) -> (k, P, n)."""
        parts = []
        if self.cold:
            parts.append(jnp.heaviside(self.mu[: self.cold, None] - energies[:, None, :], 0.5))
        if self.cold < self.mu.shape[0]:
            x = (self.mu[self.cold :, None] - energies[:, None, :]) / self.kt[self.cold :, None]
            parts.append(jax.nn.sigmoid(x))
        return jnp.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]

    def steps(self, energies: Float[Array, "k n"]) -> Float[Array, "k states n"]:
        """f_j - f_{j+1} >= 0 with f_N = 0: (k, n) -> (k, P, n), the weights of band-cumulative sums."""
        f = self.filling(energies)
        return f - jnp.concatenate([f[..., 1:], jnp.zeros_like(f[..., :1])], axis=-1)

    def slopes(self, energies: Float[Array, "k n"]) -> Float[Array, "k states n"]:
        """-f' of every band, (k, n) -> (k, P, n); for states with T > 0 only."""
        x = (self.mu[:, None] - energies[:, None, :]) / self.kt[:, None]
        return jax.nn.sigmoid(x) * jax.nn.sigmoid(-x) / self.kt[:, None]


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
