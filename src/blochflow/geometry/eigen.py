"""Batched Hermitian eigenproblem: closed form for one and two bands, LAPACK otherwise.

H = h0 + h.sigma:  E = h0 -/+ |h|;  the lower state is a column of (|h| - h.sigma), the larger of the two.
"""

from __future__ import annotations

from blochflow.core.backend import Array, jax, jnp

# Bands closer than this fraction of max|E| are one group in derivatives; see `eigh`.
GROUP_TOLERANCE = 1e-10


@jax.custom_jvp
def eigh(hamiltonian: Array) -> tuple[Array, Array]:
    """Ascending eigenvalues (..., n) and eigenvectors (..., n, n) in columns of Hermitian matrices.

    Derivatives: dE_n = <n|dH|n>, dU_n = sum_m |m><m|dH|n>/(E_n - E_m) over the m that do not touch n.  Traces over a
    group of touching bands, and the sum of their energies, are differentiated exactly; single energies and states
    at a degeneracy have no derivative, and what this returns for them depends on the basis LAPACK happened to choose.
    """
    count = hamiltonian.shape[-1]
    if count == 1:
        return hamiltonian[..., 0].real, jnp.ones_like(hamiltonian)
    if count == 2:
        return eigh_two_bands(hamiltonian)
    # symmetrize_input would cost one more pass; models are Hermitian by construction and checked.
    states, energies = jax.lax.linalg.eigh(hamiltonian, symmetrize_input=False)
    return energies, states


@eigh.defjvp
def _eigh_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    energies, states = eigh(*primals)
    change = jnp.conj(jnp.swapaxes(states, -1, -2)) @ tangents[0] @ states
    gap = energies[..., None, :] - energies[..., :, None]
    apart = jnp.abs(gap) > GROUP_TOLERANCE * jnp.abs(energies).max(axis=-1)[..., None, None]
    mixing = jnp.where(apart, change / jnp.where(apart, gap, 1.0), 0.0)
    slopes = jnp.diagonal(change, axis1=-2, axis2=-1).real
    return (energies, states), (slopes, states @ mixing)


def eigh_two_bands(hamiltonian: Array) -> tuple[Array, Array]:
    """Closed form for two bands, accurate at and near degeneracy."""
    h00, h11 = hamiltonian[..., 0, 0].real, hamiltonian[..., 1, 1].real
    off = hamiltonian[..., 0, 1]
    mean, hz = 0.5 * (h00 + h11), 0.5 * (h00 - h11)
    off2 = off.real**2 + off.imag**2
    size = jnp.sqrt(hz**2 + off2)
    energies = jnp.stack([mean - size, mean + size], axis=-1)
    # (size + |hz|) never cancels: the upper state is (size + hz, off*) for hz >= 0 and (off, size - hz) otherwise.
    large = size + jnp.abs(hz)
    norm2 = large**2 + off2
    safe = jnp.where(norm2 > 0, norm2, 1.0)
    scale = jax.lax.rsqrt(safe)
    c = jnp.where(norm2 > 0, large * scale, 1.0).astype(hamiltonian.dtype)
    s = jnp.where(norm2 > 0, off * scale, 0.0)
    positive = hz >= 0
    # upper: (c, s*) or (s, c);  lower: (-s, c) or (c, -s*)
    upper = jnp.stack([jnp.where(positive, c, s), jnp.where(positive, jnp.conj(s), c)], axis=-1)
    lower = jnp.stack([jnp.where(positive, -s, c), jnp.where(positive, c, -jnp.conj(s))], axis=-1)
    return energies, jnp.stack([lower, upper], axis=-1)
