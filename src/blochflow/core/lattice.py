"""Bravais lattice: direct and reciprocal vectors, conversion between reduced and Cartesian coordinates.

b_i . a_j = 2 pi delta_ij;  k = sum_i k_frac_i b_i;  r = sum_i r_frac_i a_i
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import as_real_array, fail


class Lattice(eqx.Module):
    """A Bravais lattice in d = 1, 2 or 3 dimensions.

    Parameters
    ----------
    vectors : (d, d) array
        Lattice vectors as rows, Cartesian.  A number is accepted in one dimension.

    Raises
    ------
    ValueError
        Vectors not square, not finite, linearly dependent, or d not 1..3.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Lattice([[1.0, 0.0], [0.5, 3**0.5 / 2]]).volume
    0.866...
    """

    vectors: Array

    def __init__(self, vectors: Any) -> None:
        array = as_real_array(vectors, "lattice", max_ndim=2)
        if array.ndim < 2 and array.size == 1:
            array = array.reshape(1, 1)
        if array.ndim != 2 or array.shape[0] != array.shape[1] or not 1 <= array.shape[0] <= 3:
            raise fail("lattice", "hold d vectors of d components, d = 1, 2 or 3", f"has shape {array.shape}")
        lengths = np.linalg.norm(array, axis=1)
        if np.any(lengths == 0) or abs(np.linalg.det(array / lengths[:, None])) < 1e-8:
            raise fail("lattice", "hold linearly independent vectors", f"is {array.tolist()}")
        self.vectors = jnp.asarray(array)

    @property
    def dimension(self) -> int:
        """Number of lattice vectors."""
        return self.vectors.shape[0]

    @property
    def reciprocal(self) -> Array:
        """(d, d) reciprocal vectors as rows, with the factor 2 pi."""
        return 2 * jnp.pi * jnp.linalg.inv(self.vectors).T

    @property
    def volume(self) -> float:
        """Length, area or volume of the unit cell."""
        return float(abs(np.linalg.det(np.asarray(self.vectors))))

    @property
    def shortest(self) -> Array:
        """Length of the shortest lattice vector given."""
        return jnp.sqrt((self.vectors**2).sum(axis=1)).min()

    def to_cartesian_k(self, k_frac: Any) -> Array:
        """Reduced to Cartesian wave vectors, (..., d) -> (..., d)."""
        return jnp.asarray(k_frac) @ self.reciprocal

    def to_reduced_k(self, k: Any) -> Array:
        """Cartesian to reduced wave vectors, (..., d) -> (..., d)."""
        return jnp.asarray(k) @ self.vectors.T / (2 * jnp.pi)

    def to_cartesian_r(self, r_frac: Any) -> Array:
        """Reduced to Cartesian positions, (..., d) -> (..., d)."""
        return jnp.asarray(r_frac) @ self.vectors

    def to_reduced_r(self, r: Any) -> Array:
        """Cartesian to reduced positions, (..., d) -> (..., d)."""
        return jnp.asarray(r) @ jnp.linalg.inv(self.vectors)
