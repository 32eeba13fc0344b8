"""Pieces shared by the models of the zoo: the honeycomb lattice, spin matrices, sums of matrix-valued hoppings.

    H(k) = sum_p c_p M_p exp(i k.R_p) + h.c.      with numbers c_p (parameters) and constant matrices M_p
    sin k = (exp(ik) - exp(-ik))/2i:  weight SIN = -i/2 at R;   cos k: weight 1/2 at R       (adjoints are implied)

Parameters stay JAX numbers throughout, so every model can be differentiated in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.models.operators import PAULI

ListedHoppings = list[tuple[Any, int, int, tuple[int, ...]]]

SIN = -0.5j
COS = 0.5
SX, SY, SZ = PAULI
ONE = np.eye(2, dtype=np.complex128)

# Honeycomb lattice of unit lattice constant: A at (1/3, 1/3), B at (2/3, 2/3); K = b1/3 + 2 b2/3, K' = 2 b1/3 + b2/3.
HONEYCOMB = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
HONEYCOMB_SITES = np.array([[1 / 3, 1 / 3], [2 / 3, 2 / 3]])
# Lattice vectors of the three bonds from A in cell 0 to B in cell R, and unit vectors along them.
BONDS: tuple[tuple[int, int], ...] = ((0, 0), (-1, 0), (0, -1))
_OFFSETS = (np.array(BONDS) + HONEYCOMB_SITES[1] - HONEYCOMB_SITES[0]) @ HONEYCOMB
BOND_DIRECTIONS = _OFFSETS / np.linalg.norm(_OFFSETS, axis=1, keepdims=True)
# Second neighbours; going A -> A by these turns left or right (sign) around the hexagon it crosses.
SECOND_NEIGHBOURS: tuple[tuple[tuple[int, int], int], ...] = (((1, 0), 1), ((1, -1), -1), ((0, 1), -1))


def expand(terms: Sequence[tuple[tuple[int, ...], Any, np.ndarray]]) -> ListedHoppings:
    """Terms (R, number, constant matrix) -> list of (value, i, j, R).

    One of R, -R is given and the Hermitian conjugate is implied; at R = 0 the matrix is Hermitian and complete.
    Only elements that are zero in every constant matrix are left out, so the list does not depend on the numbers.
    """
    values: dict[tuple[tuple[int, ...], int, int], Any] = {}
    for cell, number, matrix in terms:
        for i, j in np.argwhere(matrix):
            if i > j and not any(cell):
                continue
            element = complex(matrix[i, j])
            key = (cell, int(i), int(j))
            values[key] = values.get(key, 0.0) + number * (element if element.imag else element.real)
    return [(value, i, j, cell) for (cell, i, j), value in values.items()]


def spin_matrices(twice_spin: int) -> np.ndarray:
    """Angular momentum matrices J_x, J_y, J_z (hbar = 1) for J = twice_spin/2, from m = +J down to -J."""
    j = twice_spin / 2
    m = j - np.arange(twice_spin + 1)
    raising = np.diag(np.sqrt(j * (j + 1) - m[1:] * (m[1:] + 1)), k=1).astype(np.complex128)
    lowering = raising.T
    return np.stack([0.5 * (raising + lowering), -0.5j * (raising - lowering), np.diag(m).astype(np.complex128)])


def numbers(**parameters: Any) -> dict[str, np.ndarray]:
    """Parameters that are single real numbers, checked here so that an error names the parameter."""
    checked = {}
    for name, value in parameters.items():
        array = as_real_array(value, name, max_ndim=8)
        if array.ndim:
            raise fail(name, "be a real number", f"is {value!r}")
        checked[name] = array
    return checked


def as_vector(value: Any, name: str, size: int) -> np.ndarray:
    """A finite real vector of ``size`` components."""
    array = as_real_array(value, name)
    if array.shape != (size,):
        raise fail(name, f"be a vector of {size} components", f"is {value!r}")
    return array
