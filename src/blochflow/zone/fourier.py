"""Fourier sums X(k) = sum_R X(R) exp(2 pi i k.R) on scattered k and on tensor-product blocks of k.

X(k) must be Hermitian.  On a block the sum is factorised: one axis of R is contracted at a time, so that the cost
per k approaches that of the last, shortest contraction, and no phase matrix of all k times all R is ever built.  It
is a real series in cosines and sines for the N^2 real numbers of X, a quarter of the work of the complex one.
Coordinates are reduced throughout; ``cells`` are integer.  Derivatives are with respect to reduced phases,
d/d(2 pi k_a) X = sum i R_a X(R) ...
"""

from __future__ import annotations

import numpy as np

from blochflow.core.backend import Array, jax, jnp


class Cells:
    """Integer lattice vectors (nR, d) as a hashable constant of a compiled kernel."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = np.ascontiguousarray(vectors, dtype=np.int64)
        self.vectors.setflags(write=False)
        self._key = (self.vectors.shape, self.vectors.tobytes())
        self._hash = hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cells) and self._key == other._key

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Number of components of R."""
        return self.vectors.shape[1]

    @property
    def extent(self) -> np.ndarray:
        """max |R_a| per axis, (d,)."""
        return np.abs(self.vectors).max(axis=0)

    @property
    def box_shape(self) -> tuple[int, ...]:
        """Shape of the smallest centred box of cells that holds all R."""
        return tuple(int(n) for n in 2 * self.extent + 1)


def fourier_scattered(coefficients: Array, cells: Cells, k_frac: Array) -> Array:
    """sum_R coefficients[R, .., N, N] exp(2 pi i k.R), Hermitian, for scattered k_frac (K, d): (K, .., N, N).

    Re X + Im X = sum_R [(Re + Im) cos(2 pi k.R) + (Re - Im) sin(2 pi k.R)], half the work of the complex sum.
    """
    angle = 2 * jnp.pi * (k_frac @ cells.vectors.T.astype(np.float64))
    flat = coefficients.reshape(len(cells), -1)
    series = jnp.concatenate([flat.real + flat.imag, flat.real - flat.imag])
    packed = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=1) @ series
    return unpack(packed.reshape(k_frac.shape[0], *coefficients.shape[1:]))


def to_box(coefficients: Array, cells: Cells) -> Array:
    """Real Fourier series of Hermitian matrices: (nR, C, N N) coefficients -> real (2 n1 + 1, .., C, N N).

    T = Re X + Im X is real and holds all of a Hermitian X, see `unpack`.  The series runs over
    cos(2 pi k r), r = 0 .. n_a, and sin(2 pi k r), r = 1 .. n_a, on every axis; n_a = max |R_a|.
    """
    index = tuple((cells.vectors + cells.extent).T)
    box = jnp.zeros((*cells.box_shape, *coefficients.shape[1:]), dtype=coefficients.dtype)
    box = box.at[index].add(coefficients)
    for axis, extent in enumerate(cells.extent):
        up = jnp.moveaxis(box, axis, 0)
        plus, minus = up[extent + 1 :], up[:extent][::-1]
        box = jnp.moveaxis(jnp.concatenate([up[extent : extent + 1], plus + minus, 1j * (plus - minus)]), 0, axis)
    return box.real + box.imag


def pack(matrix: Array) -> Array:
    """Hermitian X (.., N, N) -> real T = Re X + Im X."""
    return matrix.real + matrix.imag


def unpack(packed: Array) -> Array:
    """T (.., N, N) -> Hermitian X = (T + T^T)/2 + i (T - T^T)/2."""
    turned = jnp.swapaxes(packed, -1, -2)
    return jax.lax.complex(0.5 * (packed + turned), 0.5 * (packed - turned))


def real_phases(k_axis: Array, count: int) -> tuple[Array, Array]:
    """The functions of `to_box` on one axis, and their derivatives with respect to 2 pi k: two (m, count)."""
    steps = jnp.arange((count + 1) // 2, dtype=jnp.float64)
    angle = 2 * jnp.pi * k_axis[:, None] * steps
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    value = jnp.concatenate([cos, sin[:, 1:]], axis=1)
    return value, jnp.concatenate([-steps * sin, (steps * cos)[:, 1:]], axis=1)


def _contract(phase: Array, terms: Array) -> Array:
    """(m, n), (rows, n, ..) -> (rows m, ..): one axis of the factorised sum."""
    rows, rest = terms.shape[0], terms.shape[2:]
    # One batched product, with the phases repeated: contracting without a batch axis would transpose the result.
    product = jnp.broadcast_to(phase, (rows, *phase.shape)) @ terms.reshape(rows, terms.shape[1], -1)
    return product.reshape(rows * phase.shape[0], *rest)


def fourier_leading(terms: tuple[Array, ...], axes: tuple[Array, ...]) -> tuple[Array, ...]:
    """Sum over the next axes of R, for every point of ``axes``.

    Parameters
    ----------
    terms : (rows, n1, n2, .., C, X) real arrays
        The plain sum so far (at first the box of `to_box` with a leading axis of length 1), and its derivatives
        along each axis a that is already summed, without channel 1 + a.
    axes : (m_a,) arrays
        Reduced coordinates of the axes to sum now.

    Returns
    -------
    (rows m_1 .. , n, .., C, X) real arrays: the plain sum and its derivatives, one more for each axis summed.
    """
    plain, *slopes = terms
    for k_axis in axes:
        phase, slope_phase = real_phases(k_axis, plain.shape[1])
        # the derivative of A_a along its own axis a enters no curl
        used = [c for c in range(plain.shape[-2]) if c != 1 + len(slopes)]
        slopes = [_contract(phase, term) for term in slopes] + [_contract(slope_phase, plain[..., used, :])]
        plain = _contract(phase, plain)
    # A barrier keeps XLA from fusing, and thereby repeating, the sums in every use of them.
    return tuple(jax.lax.optimization_barrier([plain, *slopes]))


def fourier_last(rows: tuple[Array, ...], k_axis: Array, *, vector: bool) -> tuple[Array, Array]:
    """Sum over the last axis of R for some rows of `fourier_leading`: H, and the derivatives geometry needs.

    Derivatives are d/d(2 pi k_frac).  Channel 0 of the coefficients is H, channels 1..d (with ``vector``) are A.

    Returns
    -------
    hamiltonian : (rows m, X) real, packed
    fields : (rows m, c, X) real, packed
        gradient of H (d); with ``vector`` also A (d) and its curl for the pairs (0, 1) in 2D and (1, 2), (2, 0),
        (0, 1) in 3D.
    """
    plain, slopes, last = rows[0], rows[1:], len(rows) - 1
    phase, slope_phase = real_phases(k_axis, plain.shape[1])
    groups = [(phase, [term[:, :, :1] for term in slopes]), (slope_phase, [plain[:, :, :1]])]
    if vector:
        groups.append((phase, [plain[:, :, 1:]]))
        both = jnp.concatenate([phase, slope_phase], axis=1)
        if last == 1:
            groups.append((both, [jnp.concatenate([slopes[0][:, :, 1:], -plain[:, :, 1:2]], axis=1)]))
        if last == 2:
            across = jnp.concatenate([slopes[1][:, :, 2:], -slopes[0][:, :, 2:]], axis=2)
            along = jnp.concatenate([-plain[:, :, 2:3], plain[:, :, 1:2]], axis=2)
            groups.append((both, [jnp.concatenate([across, along], axis=1)]))
            groups.append((phase, [slopes[0][:, :, 1:2] - slopes[1][:, :, 1:2]]))
    fields = [_contract(factor, jnp.concatenate(terms, axis=2)) for factor, terms in groups if terms]
    hamiltonian = _contract(phase, plain[:, :, 0])
    return tuple(jax.lax.optimization_barrier((hamiltonian, jnp.concatenate(fields, axis=1))))
