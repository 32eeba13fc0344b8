"""Linear algebra of the antisymmetric form of the equations of motion.

    w xi' = g,   xi = (x, k),   w = [[Omega_xx - F, -(1 + Omega_kx)^T], [1 + Omega_kx, Omega_kk]]
    D = Pf(w)/Pf(w of the empty space)

Both are closed forms up to two dimensions; three use the Pfaffian's expansion and one small linear system.
"""

from __future__ import annotations

import numpy as np

from blochflow.core.backend import Array, jnp


def pfaffian(matrix: Array) -> Array:
    """Pfaffian of an antisymmetric matrix (2d, 2d), by expansion along the first row."""
    size = matrix.shape[-1]
    if size == 0:
        return jnp.ones(matrix.shape[:-2], dtype=matrix.dtype)
    if size == 2:
        return matrix[..., 0, 1]
    total = jnp.zeros(matrix.shape[:-2], dtype=matrix.dtype)
    for column in range(1, size):
        kept = np.array([i for i in range(1, size) if i != column])
        minor = matrix[..., kept[:, None], kept[None, :]]
        total = total + (-1) ** (column - 1) * matrix[..., 0, column] * pfaffian(minor)
    return total


def phase_space_density(form: Array) -> Array:
    """D: Pfaffian of the form over that of empty space."""
    d = form.shape[-1] // 2
    return (-1) ** (d * (d + 1) // 2) * pfaffian(form)


def solve_form(form: Array, right: Array) -> Array:
    """xi' with w xi' = g, for w (2d, 2d) antisymmetric and g (2d,)."""
    size = form.shape[-1]
    if size == 2:
        return jnp.stack([-right[1], right[0]]) / form[0, 1]
    if size == 4:
        # the inverse of an antisymmetric 4 x 4 matrix is minus its dual over its Pfaffian
        a, b, c, d, e, f = (form[i, j] for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)))
        zero = jnp.zeros_like(a)
        dual = jnp.array([[zero, f, -e, d], [-f, zero, c, -b], [e, -c, zero, a], [-d, b, -a, zero]])
        return -(dual @ right) / (a * f - b * e + c * d)
    return jnp.linalg.solve(form, right)
