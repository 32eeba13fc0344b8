"""Fourier sums X(k) = sum_R X(R) exp(2 pi i k.R) on scattered k and on tensor-product blocks of k.

On a block the sum is factorised: one axis of R is contracted at a time, so that the cost per k approaches that of
the last, shortest contraction, and no phase matrix of all k times all R is ever built.  Coordinates are reduced
throughout; ``cells`` are integer.  Derivatives are with respect to reduced phases: d/d(2 pi k_a) X = sum i R_a X(R) ...
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
    """sum_R coefficients[R, ...] exp(2 pi i k.R) for scattered k_frac (K, d): (K, ...)."""
    phase = jnp.exp(2j * jnp.pi * (k_frac @ cells.vectors.T.astype(np.float64)))
    flat = coefficients.reshape(len(cells), -1)
    return (phase @ flat).reshape(k_frac.shape[0], *coefficients.shape[1:])


def to_box(coefficients: Array, cells: Cells) -> Array:
    """Scatter coefficients (nR, ...) into a dense centred box of R: real (2 n1, n2, .., nd, ...), Re before Im."""
    index = tuple((cells.vectors + cells.extent).T)
    box = jnp.zeros((*cells.box_shape, *coefficients.shape[1:]), dtype=coefficients.dtype)
    box = box.at[index].add(coefficients)
    return jnp.concatenate([box.real, box.imag], axis=0)


def real_phases(k_axis: Array, count: int) -> tuple[Array, Array]:
    """exp(2 pi i k R) and i R exp(2 pi i k R) on one axis of a centred box, as real matrices (2 m, 2 n).

    A complex product is one real product [[Re, -Im], [Im, Re]] @ [Re; Im]: real matrix products run near the peak of
    the processor where complex ones do not.
    """
    extent = (count - 1) // 2
    steps = jnp.arange(-extent, extent + 1, dtype=jnp.float64)
    phase = jnp.exp(2j * jnp.pi * k_axis[:, None] * steps)
    return _real_form(phase), _real_form(phase * (1j * steps))


def _real_form(matrix: Array) -> Array:
    """(m, n) complex -> (2 m, 2 n) real; rows run over points, then Re and Im; columns over Re and Im, then cells."""
    re, im = matrix.real, matrix.imag
    upper, lower = jnp.concatenate([re, -im], axis=1), jnp.concatenate([im, re], axis=1)
    return jnp.stack([upper, lower], axis=1).reshape(2 * matrix.shape[0], 2 * matrix.shape[1])


def _contract(phase: Array, terms: Array) -> Array:
    """(2 m, 2 n), (rows, 2 n, n', ..) -> (rows m, 2 n', ..): one axis of the factorised sum."""
    rows, rest = terms.shape[0], terms.shape[2:]
    # One batched product, with the phases repeated: contracting without a batch axis would transpose the result.
    product = jnp.broadcast_to(phase, (rows, *phase.shape)) @ terms.reshape(rows, terms.shape[1], -1)
    return product.reshape(rows * (phase.shape[0] // 2), 2 * rest[0], *rest[1:])


def fourier_leading(terms: tuple[Array, ...], axes: tuple[Array, ...]) -> tuple[Array, ...]:
    """Sum over the next axes of R, for every point of ``axes``.

    Parameters
    ----------
    terms : (rows, 2 n1, n2, .., C, X) real arrays
        The plain sum so far (at first the box of `to_box` with a leading axis of length 1), and the sums with i R_a
        for each axis a that is already summed.
    axes : (m_a,) arrays
        Reduced coordinates of the axes to sum now.

    Returns
    -------
    (rows m_1 .. , 2 n, .., C, X) real arrays: the plain sum, and those with i R_a, one more for each axis summed.
    """
    plain, *slopes = terms
    for k_axis in axes:
        phase, slope_phase = real_phases(k_axis, plain.shape[1] // 2)
        slopes = [_contract(phase, term) for term in slopes] + [_contract(slope_phase, plain)]
        plain = _contract(phase, plain)
    # A barrier keeps XLA from fusing, and thereby repeating, the sums in every use of them.
    return tuple(jax.lax.optimization_barrier([plain, *slopes]))


def fourier_last(rows: tuple[Array, ...], k_axis: Array, *, vector: bool) -> tuple[Array, Array]:
    """Sum over the last axis of R for some rows of `fourier_leading`: H, and the derivatives geometry needs.

    Derivatives are d/d(2 pi k_frac).  Channel 0 of the coefficients is H, channels 1..d (with ``vector``) are A.

    Returns
    -------
    hamiltonian : (rows m, X)
    fields : (rows m, c, X)
        gradient of H (d); with ``vector`` also A (d) and its curl for the pairs (0, 1) in 2D and (1, 2), (2, 0),
        (0, 1) in 3D.
    """
    plain, slopes, last = rows[0], rows[1:], len(rows) - 1
    direct = [plain[:, :, :1], *(term[:, :, :1] for term in slopes)]
    sloped = [plain[:, :, :1]]
    if vector:
        direct.append(plain[:, :, 1:])
        if last == 1:
            direct.append(slopes[0][:, :, 2:])
            sloped.append(plain[:, :, 1:2])
        if last == 2:
            direct += [slopes[1][:, :, 3:], -slopes[0][:, :, 3:], slopes[0][:, :, 2:3] - slopes[1][:, :, 1:2]]
            sloped.append(plain[:, :, 1:3])
    phase, slope_phase = real_phases(k_axis, plain.shape[1] // 2)
    values = _sum_last(phase, jnp.concatenate(direct, axis=2))
    ends = _sum_last(slope_phase, jnp.concatenate(sloped, axis=2))
    fields = [values[:, 1 : 1 + last], ends[:, :1]]
    if vector:
        fields.append(values[:, 1 + last : 2 + 2 * last])
        curl = values[:, 2 + 2 * last :]
        if last == 1:
            fields.append(curl - ends[:, 1:])
        if last == 2:
            fields += [curl[:, :1] - ends[:, 2:], curl[:, 1:2] + ends[:, 1:2], curl[:, 2:]]
    return values[:, 0], jnp.concatenate(fields, axis=1)


def _sum_last(phase: Array, terms: Array) -> Array:
    """(2 m, 2 n), (rows, 2 n, C, X) -> complex (rows m, C, X)."""
    rows = terms.shape[0]
    product = jnp.broadcast_to(phase, (rows, *phase.shape)) @ terms.reshape(rows, terms.shape[1], -1)
    product = jax.lax.optimization_barrier(product.reshape(-1, 2, *terms.shape[2:]))
    return jax.lax.complex(product[:, 0], product[:, 1])
