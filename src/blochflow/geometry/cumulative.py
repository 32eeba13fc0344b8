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

from blochflow.core.backend import Array, jnp
from blochflow.geometry.bands import DEGENERACY_TOLERANCE, adjoint, covariant_gradient
from blochflow.geometry.eigen import eigh
from blochflow.models.base import PAIRS, BlochMatrices


def cumulative_curvature(matrices: BlochMatrices) -> tuple[Array, Array]:
    """Energies (k, n) and cumulative Berry curvature S (k, n, p) for the pairs p of ``PAIRS[d]``."""
    energies, states = eigh(matrices.hamiltonian)
    count = energies.shape[-1]
    pairs = PAIRS[matrices.gradient.shape[1]]
    velocity = rotate_stack(covariant_gradient(matrices), states)
    gap = energies[:, :, None] - energies[:, None, :]
    scale = jnp.maximum(jnp.abs(energies).max(axis=-1), 1e-300)[:, None, None]
    apart = jnp.abs(gap) > DEGENERACY_TOLERANCE * scale
    weight = jnp.where(apart, -2.0 / jnp.where(apart, gap, 1.0) ** 2, 0.0)
    crossing = crossing_matrix(count)
    columns = []
    for a, b in pairs:
        va, vb = velocity[:, a], velocity[:, b]
        pair = (va.imag * vb.real - va.real * vb.imag) * weight
        columns.append(pair.reshape(-1, count * count) @ crossing)
    cumulative = jnp.stack(columns, axis=-1)
    if matrices.position is not None:
        cumulative = cumulative + jnp.cumsum(basis_curvature_diagonal(matrices, states), axis=1)
    return energies, cumulative


def basis_curvature_diagonal(matrices: BlochMatrices, states: Array) -> Array:
    """F_ab,nn = <n| d_a A_b - d_b A_a - i [A_a, A_b] |n>: (k, n, p)."""
    position, curl = matrices.position, matrices.position_curl
    terms = []
    for p, (a, b) in enumerate(PAIRS[matrices.gradient.shape[1]]):
        # -i<[A_a, A_b]> = 2 Im <A_a n|A_b n>, the adjoint product needs no second multiplication
        product = position[:, a] @ position[:, b]  # type: ignore[index]
        full = curl[:, p] - 1j * (product - adjoint(product))  # type: ignore[index]
        moved = full @ states
        terms.append((states.real * moved.real + states.imag * moved.imag).sum(axis=1))
    return jnp.stack(terms, axis=-1)


def rotate_stack(matrices: Array, states: Array) -> Array:
    """U^+ X_a U for a stack (k, a, n, n) with one eigenvector matrix per k."""
    return adjoint(states)[:, None] @ (matrices @ states[:, None])


def crossing_matrix(count: int) -> np.ndarray:
    """(n m, j): 1 where n <= j < m, so that pair (n, m) counts in S_j exactly while only n is below."""
    n, m, j = np.meshgrid(np.arange(count), np.arange(count), np.arange(count), indexing="ij")
    return ((n <= j) & (j < m)).astype(np.float64).reshape(count * count, count)
