"""Fourier sums X(k) = sum_R X(R) exp(2 pi i k.R) on scattered k and on tensor-product blocks of k.

On a block the sum is factorised: one axis of R is contracted at a time, so that the cost per k approaches that of
the last, shortest contraction, and no phase matrix of all k times all R is ever built.  Coordinates are reduced
throughout; ``cells`` are integer.  Derivatives are with respect to reduced phases: d/d(2 pi k_a) X = sum i R_a X(R) ...
"""

from __future__ import annotations

import numpy as np

from blochflow.core.backend import Array, jnp


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
    """Scatter coefficients (nR, ...) into the dense box (n1, .., nd, ...) of `Cells.box_shape`."""
    index = tuple((cells.vectors + cells.extent).T)
    box = jnp.zeros((*cells.box_shape, *coefficients.shape[1:]), dtype=coefficients.dtype)
    return box.at[index].add(coefficients)


def contract_axis(phase: Array, terms: Array, axis: int) -> Array:
    """Contract axis ``axis`` of terms (.., n, ..) with phase (m, n); the new axis m takes its place."""
    if axis == 0:
        return (phase @ terms.reshape(terms.shape[0], -1)).reshape(phase.shape[0], *terms.shape[1:])
    lead = terms.shape[:axis]
    blocks = terms.reshape(-1, terms.shape[axis], int(np.prod(terms.shape[axis + 1 :])))
    batched = jnp.broadcast_to(phase, (blocks.shape[0], *phase.shape)) @ blocks
    return batched.reshape(*lead, phase.shape[0], *terms.shape[axis + 1 :])


def axis_phases(box: Array, axes: tuple[Array, ...], axis: int) -> tuple[Array, Array]:
    """exp(2 pi i k R) and i R exp(2 pi i k R) of one axis, (m, n) each."""
    extent = (box.shape[axis] - 1) // 2
    steps = jnp.arange(-extent, extent + 1, dtype=jnp.float64)
    phase = jnp.exp(2j * jnp.pi * axes[axis][:, None] * steps)
    return phase, phase * (1j * steps)


def fourier_block(box: Array, axes: tuple[Array, ...], *, vector: bool) -> tuple[Array, ...]:
    """Factorised Fourier sums of H, and of a vector field A, with the derivatives geometry needs.

    All derivatives are d/d(2 pi k_frac).  The last axis is contracted once for every quantity that is returned.

    Parameters
    ----------
    box : (n1, .., nd, C, X) complex array
        Coefficients on a centred box (`to_box`): channel 0 is H, channels 1..d (when ``vector``) are A.
    axes : d arrays (m_a,)
        Reduced coordinates of the block; K = m_1 .. m_d points, last axis fastest.

    Returns
    -------
    H (K, X), gradient (K, d, X); with ``vector`` also A (K, d, X) and its curl (K, p, X) for pairs
    (0, 1) in 2D and (1, 2), (2, 0), (0, 1) in 3D.
    """
    last = len(axes) - 1
    plain, slopes = box, []
    for axis in range(last):
        phase, slope_phase = axis_phases(box, axes, axis)
        slopes = [contract_axis(phase, term, axis) for term in slopes]
        slopes.append(contract_axis(slope_phase, plain, axis))
        plain = contract_axis(phase, plain, axis)
    first = [plain[..., :1, :], *(term[..., :1, :] for term in slopes)]
    second = [plain[..., :1, :]]
    if vector:
        first.append(plain[..., 1:, :])
        if last > 0:
            first += [slopes[a][..., -1:, :] for a in range(last)]
            second.append(plain[..., 1:-1, :])
        if last == 2:
            first.append(slopes[0][..., 2:3, :] - slopes[1][..., 1:2, :])
    phase, slope_phase = axis_phases(box, axes, last)
    values = contract_axis(phase, jnp.concatenate(first, axis=-2), last)
    values = values.reshape(-1, *values.shape[-2:])
    ends = contract_axis(slope_phase, jnp.concatenate(second, axis=-2), last)
    ends = ends.reshape(-1, *ends.shape[-2:])
    gradient = jnp.concatenate([values[:, 1 : 1 + last], ends[:, :1]], axis=1)
    if not vector:
        return values[:, 0], gradient
    field = values[:, 1 + last : 2 + 2 * last]
    rest = values[:, 2 + 2 * last :]
    return values[:, 0], gradient, field, _curl(rest, ends[:, 1:], last)


def _curl(rest: Array, ends: Array, last: int) -> Array:
    """Curl from d_a A_last (a < last), [d_0 A_1 - d_1 A_0] in ``rest`` and d_last A_a in ``ends``."""
    if last == 0:
        return rest[:, :0]
    if last == 1:
        return rest[:, :1] - ends[:, :1]
    return jnp.stack([rest[:, 1] - ends[:, 1], ends[:, 0] - rest[:, 0], rest[:, 2]], axis=1)
