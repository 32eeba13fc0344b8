"""Band-cumulative Berry curvature: the form in which occupied sums stay finite and exact.

    sum_n f_n Omega_n = sum_j (f_j - f_{j+1}) S_j,   f_N = 0                      (Abel summation)
    S_j = sum_{n<=j<m} -2 Im(V_a,nm V_b,mn)/(E_n - E_m)^2 + sum_{n<=j} F_ab,nn

All weights f_j - f_{j+1} are >= 0, so nothing cancels between bands: pairs that are both filled never enter, and
a pair at distance delta enters with weight f_n - f_m.  Legend: S cumulative curvature, V covariant velocity matrix,
F curvature of the basis.  Pair form: Wang et al., PRB 74, 195118 (2006), Eq. (34).  Exactly degenerate pairs count
zero: for n, m at equal energy the two orders cancel.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from blochflow.core.backend import Array, jax, jnp
from blochflow.geometry.eigen import eigh
from blochflow.geometry.subspace import DEGENERACY_TOLERANCE
from blochflow.models.base import PAIRS, BlochMatrices


def cumulative_curvature(matrices: BlochMatrices) -> tuple[Float[Array, "k n"], Float[Array, "k n p"]]:
    """Energies (k, n) and cumulative Berry curvature S (k, n, p) for the pairs p of ``PAIRS[d]``, Cartesian."""
    energies, states = eigh(matrices.hamiltonian)
    d = matrices.gradient.shape[1]
    moved, velocity = rotated_velocity(matrices, energies, states)
    weight = pair_weight(energies, velocity, matrices.length)
    crossing = crossing_matrix(energies.shape[-1])
    columns = []
    for a, b in PAIRS[d]:
        (va_re, va_im), (vb_re, vb_im) = velocity[a], velocity[b]
        pair = (va_im * vb_re - va_re * vb_im) * weight
        columns.append(pair.reshape(pair.shape[0], -1) @ crossing)
    cumulative = jnp.stack(columns, axis=-1)
    if matrices.position is not None:
        cumulative = cumulative + jnp.cumsum(basis_curvature_diagonal(states, moved, d), axis=1)
    if matrices.frame is not None:
        cumulative = cumulative @ pair_frame(matrices.frame)
    return energies, cumulative


def rotated_velocity(
    matrices: BlochMatrices, energies: Array, states: Array
) -> tuple[Array, list[tuple[Array, Array]]]:
    """X U for all matrices X = (dH, A, curl A), and V_a = U^+ dH_a U + i (E_n - E_m) (U^+ A_a U)_nm as (Re, Im).

    Complex products are written as real ones, [Re X, Im X] @ [[Re U, Im U], [-Im U, Re U]]: real matrix products run
    near the peak of the processor where small complex ones do not.
    """
    count, d = energies.shape[-1], matrices.gradient.shape[1]
    stack = [matrices.gradient]
    if matrices.position is not None and matrices.position_curl is not None:
        stack += [matrices.position, matrices.position_curl]
    fields = jnp.concatenate(stack, axis=1)
    split = jnp.concatenate([fields.real, fields.imag], axis=-1).reshape(fields.shape[0], -1, 2 * count)
    row = jnp.concatenate([states.real, states.imag], axis=-1)
    real_states = jnp.concatenate([row, jnp.concatenate([-states.imag, states.real], axis=-1)], axis=-2)
    moved = _barrier(split @ _barrier(real_states)).reshape(*fields.shape[:3], 2 * count)
    used = 2 * d if matrices.position is not None else d
    left = jnp.broadcast_to(jnp.swapaxes(row, -1, -2)[:, None], (fields.shape[0], used, 2 * count, count))
    blocks = _barrier(left @ moved[:, :used])
    re = blocks[..., :count, :count] + blocks[..., count:, count:]
    im = blocks[..., :count, count:] - blocks[..., count:, :count]
    if matrices.position is None:
        return moved, [(re[:, a], im[:, a]) for a in range(d)]
    gap = energies[:, :, None] - energies[:, None, :]
    return moved, [(re[:, a] - gap * im[:, d + a], im[:, a] + gap * re[:, d + a]) for a in range(d)]


def pair_weight(energies: Array, velocity: list[tuple[Array, Array]], length: Array | float) -> Array:
    """-2/(E_n - E_m)^2, and 0 for pairs that coincide within rounding; (k, n, m)."""
    gap = energies[:, :, None] - energies[:, None, :]
    speed = sum((jnp.abs(re) + jnp.abs(im)).max(axis=(-1, -2)) for re, im in velocity)
    # max|E| alone would miss bands that meet at zero energy; hoppings, of size |V|/length, remain there
    scale = jnp.maximum(jnp.abs(energies).max(axis=-1) + speed / length, 1e-300)[:, None, None]
    apart = jnp.abs(gap) > DEGENERACY_TOLERANCE * scale
    return jnp.where(apart, -2.0 / jnp.where(apart, gap, 1.0) ** 2, 0.0)


def basis_curvature_diagonal(states: Array, moved: Array, d: int) -> Array:
    """F_ab,nn = <n| d_a A_b - d_b A_a |n> + 2 Im <A_a n|A_b n> from X U of X = (dH, A, curl A): (k, n, p)."""
    count = states.shape[-1]
    re, im = moved[..., :count], moved[..., count:]
    terms = []
    for p, (a, b) in enumerate(PAIRS[d]):
        curl = (states.real * re[:, 2 * d + p] + states.imag * im[:, 2 * d + p]).sum(axis=1)
        commutator = re[:, d + a] * im[:, d + b] - im[:, d + a] * re[:, d + b]
        terms.append(curl + 2 * commutator.sum(axis=1))
    return jnp.stack(terms, axis=-1)


def pair_frame(frame: Array) -> Array:
    """(p, q): an antisymmetric tensor with lattice components p times this has Cartesian components q (`PAIRS`)."""
    pairs = PAIRS[frame.shape[0]]
    entries = [[frame[a, i] * frame[b, j] - frame[b, i] * frame[a, j] for i, j in pairs] for a, b in pairs]
    return jnp.stack([jnp.stack(line) for line in entries])


def crossing_matrix(count: int) -> np.ndarray:
    """(n m, j): 1 where n <= j < m, so that pair (n, m) counts in S_j exactly while only n is below."""
    n, m, j = np.meshgrid(np.arange(count), np.arange(count), np.arange(count), indexing="ij")
    return ((n <= j) & (j < m)).astype(np.float64).reshape(count * count, count)


def _barrier(array: Array) -> Array:
    """Keep XLA from fusing, and thereby repeating, a product in every use of it."""
    return jax.lax.optimization_barrier(array)
