"""Bands at k: energies, states and covariant velocity matrices, the input of every geometric quantity.

    E, U = eigh(H);   V_a = U^+ (d_a H + i [H, A_a]) U;   A_nm,a = -i V_a,nm / (E_n - E_m)   (n != m)
    F_ab = U^+ (d_a A_b - d_b A_a - i [A_a, A_b]) U      curvature of the basis itself (zero without position matrices)

Source: Wang, Yates, Souza, Vanderbilt, PRB 74, 195118 (2006), Eqs. (23)-(32).
Band 0 is the lowest.  Axis order: k, Cartesian, band.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Complex, Float

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_wavevectors, check_components
from blochflow.geometry.eigen import eigh
from blochflow.models.base import PAIRS, AbstractModel, BlochMatrices, as_model, check_finite

# Two bands closer than this fraction of max|E| cannot be told apart after diagonalisation in double precision: the
# error of an eigenvalue is about eps * |H| times a small power of the number of bands.
DEGENERACY_TOLERANCE = 1e-10


class Bands(eqx.Module):
    """Energies, states and velocity matrices of a model at a batch of k.

    Attributes
    ----------
    model : AbstractModel
    k : (k, d)
        Cartesian wave vectors.
    energies : (k, n)
        Ascending.
    states : (k, i, n)
        Cell-periodic states, columns, in the orbital basis.
    velocity : (k, a, n, m)
        hbar times the velocity matrix between eigenstates; its diagonal is d_a E_n (off degeneracies).
    basis_curvature : (k, a, b, n, m) or None
        F_ab above; None when the basis has no position matrices.
    """

    model: AbstractModel
    k: Float[Array, "k a"]
    energies: Float[Array, "k n"]
    states: Complex[Array, "k n n"]
    velocity: Complex[Array, "k a n n"]
    basis_curvature: Complex[Array, "k a a n n"] | None

    @property
    def num_bands(self) -> int:
        """Number of bands."""
        return self.energies.shape[-1]

    @property
    def dimension(self) -> int:
        """Number of Cartesian components."""
        return self.k.shape[-1]

    @property
    def is_traced(self) -> bool:
        """True inside jit, where values cannot be looked at."""
        return isinstance(self.energies, jax.core.Tracer)


def bands(model: AbstractModel, k: Any) -> Bands:
    """Energies, states and velocity matrices at wave vectors k.

    Parameters
    ----------
    model : AbstractModel
    k : (d,) or (K, d) array
        Cartesian.  The result always has a leading k axis.

    Returns
    -------
    Bands
        JAX arrays; energies in the model's energy, velocity matrices in energy times length.

    Raises
    ------
    ValueError
        ``model`` is not a model, or k has the wrong shape.
    NonFiniteError
        H(k) is not finite; names the k.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.bands(bf.zoo.haldane(), [[0.3, 0.5]]).energies.shape
    (1, 2)
    """
    model = as_model(model)
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((k, model))):
        traced = jnp.atleast_1d(jnp.asarray(k, dtype=jnp.float64))
        check_components(traced.shape, model.dimension)
        return solve_bands(model, jnp.atleast_2d(traced))
    array = np.atleast_2d(as_wavevectors(k, model.dimension))
    count = len(array)
    # Padding to a power of two keeps the number of compiled shapes small; a single k would take another code path.
    padded = np.concatenate([array, np.repeat(array[-1:], max(4, 1 << (count - 1).bit_length()) - count, axis=0)])
    solved = _solve_bands(model, jnp.asarray(padded))
    leaves = (solved.energies, solved.states, solved.velocity, solved.basis_curvature)
    energies, states, velocity, curvature = jax.tree.map(lambda x: x[:count], leaves)
    check_finite(np.asarray(velocity), array, "The Hamiltonian or its gradient")
    check_finite(np.asarray(energies), array, "The Hamiltonian")
    return Bands(model, jnp.asarray(array), energies, states, velocity, curvature)


def solve_bands(model: AbstractModel, k: Array) -> Bands:
    """`bands` as a pure kernel, for use inside jit."""
    matrices = model.matrices(k)
    energies, states = eigh(matrices.hamiltonian)
    velocity = rotate(covariant_gradient(matrices), states)
    curvature = None if matrices.position is None else rotate(basis_curvature(matrices), states)
    return Bands(model, k, energies, states, velocity, curvature)


@eqx.filter_jit
def _solve_bands(model: AbstractModel, k: Array) -> Bands:
    return solve_bands(model, k)


def covariant_gradient(matrices: BlochMatrices) -> Array:
    """d_a H + i [H, A_a] in the orbital basis, (k, a, n, n)."""
    if matrices.position is None:
        return matrices.gradient
    product = matrices.hamiltonian[:, None] @ matrices.position
    return matrices.gradient + 1j * (product - adjoint(product))


def basis_curvature(matrices: BlochMatrices) -> Array:
    """d_a A_b - d_b A_a - i [A_a, A_b] in the orbital basis, antisymmetric (k, a, b, n, n)."""
    position, curl = matrices.position, matrices.position_curl
    count, d = position.shape[0], position.shape[1]  # type: ignore[union-attr]
    result = jnp.zeros((count, d, d, *position.shape[2:]), dtype=jnp.complex128)  # type: ignore[union-attr]
    for p, (a, b) in enumerate(PAIRS[d]):
        product = position[:, a] @ position[:, b]  # type: ignore[index]
        term = curl[:, p] - 1j * (product - adjoint(product))  # type: ignore[index]
        result = result.at[:, a, b].set(term).at[:, b, a].set(-term)
    return result


def adjoint(matrix: Array) -> Array:
    """Hermitian conjugate of the last two axes."""
    return jnp.conj(jnp.swapaxes(matrix, -1, -2))


def rotate(matrix: Array, states: Array) -> Array:
    """U^+ X U for X (k, ..., n, n) and U (k, n, n)."""
    u = states.reshape(states.shape[0], *([1] * (matrix.ndim - 3)), *states.shape[1:])
    return adjoint(u) @ matrix @ u
