"""Band-cumulative Berry curvature and magnetization: the form in which occupied sums stay finite and exact.

    sum_n f_n Omega_n = sum_j (f_j - f_{j+1}) S_j,   f_N = 0                      (Abel summation)
    S_j = sum_{n<=j<m} [2 Im(A_a,nm A_b,mn) - 2 Im(V_a,nm V_b,mn)/(E_n - E_m)^2] + sum_{n<=j} (d_a A_b - d_b A_a)_nn
    V_a,nm = (U^+ d_a H U)_nm + i (E_n - E_m) A_a,nm

All weights f_j - f_{j+1} are >= 0, so nothing cancels between bands: pairs that are both filled never enter, and
a pair at distance delta enters with weight f_n - f_m.  Legend: S cumulative curvature, V covariant velocity matrix,
A position matrices of the basis, between eigenstates.  Pair form: Wang et al., PRB 74, 195118 (2006), Eq. (34).
Exactly degenerate pairs count zero in V: for n, m at equal energy the two orders cancel.
"""

from __future__ import annotations

import equinox as eqx
import numpy as np
from jaxtyping import Float

from blochflow.core.backend import Array, jax, jnp
from blochflow.geometry.eigen import eigh
from blochflow.geometry.subspace import DEGENERACY_TOLERANCE
from blochflow.models.base import PAIRS, BlochMatrices
from blochflow.zone.fourier import pack


class Eigenbasis(eqx.Module):
    """Matrices between eigenstates, as pairs (Re, Im) for every direction.

    Attributes
    ----------
    energies : (k, n)
    states : (k, n, n)
    velocity : list of ((k, n, m), (k, n, m))
        V, covariant.
    position : list of the same, empty where the basis has no position matrices
        A.
    curl : (k, n, p) or None
        <n| curl A |n>.
    """

    energies: Array
    states: Array
    velocity: list[tuple[Array, Array]]
    position: list[tuple[Array, Array]]
    curl: Array | None


def eigenbasis(matrices: BlochMatrices) -> Eigenbasis:
    """Diagonalise H and rotate its gradient and the position matrices."""
    energies, states = eigh(matrices.hamiltonian)
    d = matrices.gradient.shape[1]
    curl, rotated = rotated_fields(matrices, states)
    velocity, position = rotated[:d], rotated[d:]
    if position:
        gap = energies[:, :, None] - energies[:, None, :]
        velocity = [(v[0] - gap * a[1], v[1] + gap * a[0]) for v, a in zip(velocity, position, strict=True)]
    return Eigenbasis(energies, states, velocity, position, curl)


def cumulative_curvature(matrices: BlochMatrices) -> tuple[Float[Array, "k n"], Float[Array, "k n p"]]:
    """Energies (k, n) and cumulative Berry curvature S (k, n, p) for the pairs p of ``PAIRS[d]``, Cartesian."""
    energies, (curvature,) = cumulative_sums(matrices, ("curvature",))
    return energies, curvature


def cumulative_sums(
    matrices: BlochMatrices, wanted: tuple[str, ...], reference: Array | float = 0.0
) -> tuple[Float[Array, "k n"], list[Float[Array, "k n p"]]]:
    """Energies (k, n) and band-cumulative sums (k, n, p) for the pairs p of ``PAIRS[d]``, Cartesian, by name.

        "curvature"  sum_{n<=j} Omega_n
        "grand"      sum_{n<=j} [ m_n - (E_n - E_0) Omega_n ]        pairs with n <= j < m: (E_n + E_m - 2 E_0) X_nm
        "moment"     sum_{n<=j} m_n,   m_n = sum_m (E_m - E_n) X_nm

    X_nm = Im(V_a,nm V_b,mn)/(E_n - E_m)^2, E_0 = ``reference``.  In "grand" pairs that are both filled cancel as they
    do in "curvature"; "moment" holds them, and is large where filled bands come near one another.
    Source: Shi, Vignale, Xiao, Niu, PRL 99, 197202 (2007); circulation inside basis functions is missing in m.
    """
    basis = in_eigenstates(matrices)
    energies, directions = basis.energies, PAIRS[len(basis.velocity)]
    weight = pair_weight(energies, basis.velocity, matrices.length)
    pairs = jnp.stack([weight * cross(basis.velocity[a], basis.velocity[b]) for a, b in directions], axis=1)
    between = [2 * cross(basis.position[a], basis.position[b]) for a, b in directions] if basis.position else []
    # curvature of the basis itself, (k, p, n)
    alone = jnp.zeros(1) if basis.curl is None else jnp.swapaxes(basis.curl, 1, 2)
    found = []
    for name in wanted:
        if name == "curvature":
            flat = pairs + jnp.stack(between, axis=1) if between else pairs
            total = crossing_sums(flat) + jnp.cumsum(alone, axis=-1)
        elif name == "grand":
            size = energies[:, :, None] + energies[:, None, :] - 2 * reference
            own = alone + jnp.stack([term.sum(axis=-1) for term in between], axis=1) if between else alone
            inner = jnp.broadcast_to((energies - reference)[:, None] * own, pairs.shape[:3])
            total = crossing_sums(-0.5 * size[:, None] * pairs) - jnp.cumsum(inner, axis=-1)
        else:
            rise = energies[:, None, :] - energies[:, :, None]
            total = jnp.cumsum((-0.5 * rise[:, None] * pairs).sum(axis=-1), axis=-1)
        found.append(jnp.swapaxes(total, 1, 2))
    if matrices.frame is not None:
        frame = pair_frame(matrices.frame)
        found = [total @ frame for total in found]
    return energies, found


def crossing_sums(pairs: Array) -> Array:
    """sum over n <= j < m of (k, p, n, m), for every j: (k, p, j)."""
    count = pairs.shape[-1]
    return pairs.reshape(*pairs.shape[:2], count * count) @ crossing_matrix(count)


def in_eigenstates(matrices: BlochMatrices) -> Eigenbasis:
    """The eigenbasis; of a covariant gradient with the curvature of the basis, in a frame where A = 0 at this k."""
    if matrices.eigenbasis is not None:
        return matrices.eigenbasis  # type: ignore[no-any-return]
    if matrices.position is not None or matrices.position_curl is None:
        return eigenbasis(matrices)
    # made for small matrices, which plain complex products serve best
    energies, states = eigh(matrices.hamiltonian)
    left = jnp.conj(jnp.swapaxes(states, -1, -2))[:, None]
    velocity = left @ (matrices.gradient @ states[:, None])
    parts = [(velocity[:, a].real, velocity[:, a].imag) for a in range(velocity.shape[1])]
    curl = (states.conj()[:, None] * (matrices.position_curl @ states[:, None])).sum(axis=2).real
    return Eigenbasis(energies, states, parts, [], jnp.swapaxes(curl, 1, 2))


def rotated_fields(matrices: BlochMatrices, states: Array) -> tuple[Array | None, list[tuple[Array, Array]]]:
    """<n| curl A |n> (k, n, p), and U^+ X U of X = (dH, A) as (Re, Im), each (k, n, m).

    With T = Re X + Im X, a real matrix, X = Z + Z^+ for Z = (1 + i)/2 T, so that for U = C + i D

        2 U^+ Z U = C^T T M + D^T T P + i (C^T T P - D^T T M),   M = C - D,  P = C + D

    which takes half the products of X U, all real: these run near the peak of the processor where small complex ones
    do not.
    """
    count, d = states.shape[-1], matrices.gradient.shape[1]
    fields = packed_fields(matrices)
    right = _barrier(jnp.concatenate([states.real - states.imag, states.real + states.imag], axis=-1))
    moved = _barrier(fields.reshape(fields.shape[0], -1, count) @ right).reshape(*fields.shape[:3], 2 * count)
    used = d if matrices.position is None else 2 * d
    row = jnp.swapaxes(jnp.concatenate([states.real, states.imag], axis=-1), -1, -2)
    left = jnp.broadcast_to(row[:, None], (fields.shape[0], used, 2 * count, count))
    blocks = _barrier(left @ moved[:, :used])
    re = 0.5 * (blocks[..., :count, :count] + blocks[..., count:, count:])
    im = 0.5 * (blocks[..., :count, count:] - blocks[..., count:, :count])
    re, im = re + jnp.swapaxes(re, -1, -2), im - jnp.swapaxes(im, -1, -2)
    rotated = [(re[:, a], im[:, a]) for a in range(used)]
    if fields.shape[1] == used:
        return None, rotated
    tail = moved[:, used:]
    terms = states.real[:, None] * tail[..., :count] + states.imag[:, None] * tail[..., count:]
    return jnp.swapaxes(terms.sum(axis=-2), -1, -2), rotated


def packed_fields(matrices: BlochMatrices) -> Array:
    """Re X + Im X of X = (dH, A, curl A), as far as the model has them: (k, c, n, n)."""
    if matrices.packed is not None:
        return matrices.packed
    parts = (matrices.gradient, matrices.position, matrices.position_curl)
    return pack(jnp.concatenate([part for part in parts if part is not None], axis=1))


def cross(left: tuple[Array, Array], right: tuple[Array, Array]) -> Array:
    """Im(X_nm Y_mn) of two Hermitian matrices given as (Re, Im)."""
    return left[1] * right[0] - left[0] * right[1]


def pair_weight(energies: Array, velocity: list[tuple[Array, Array]], length: Array | float) -> Array:
    """-2/(E_n - E_m)^2, and 0 for pairs that coincide within rounding; (k, n, m)."""
    return -2.0 * inverse_gaps(energies, velocity, length) ** 2


def inverse_gaps(energies: Array, velocity: list[tuple[Array, Array]], length: Array | float) -> Array:
    """1/(E_m - E_n), and 0 for pairs that coincide within rounding; (k, n, m)."""
    gap = energies[:, None, :] - energies[:, :, None]
    speed = sum((jnp.abs(re) + jnp.abs(im)).max(axis=(-1, -2)) for re, im in velocity)
    # max|E| alone would miss bands that meet at zero energy; hoppings, of size |V|/length, remain there
    scale = jnp.maximum(jnp.abs(energies).max(axis=-1) + speed / length, 1e-300)[:, None, None]
    apart = jnp.abs(gap) > DEGENERACY_TOLERANCE * scale
    return jnp.where(apart, 1.0 / jnp.where(apart, gap, 1.0), 0.0)


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
