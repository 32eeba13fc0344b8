"""Named points of high symmetry in the Brillouin zone, found from the geometry of the lattice itself.

The Bravais type is that of the bare lattice, whatever primitive vectors describe it: by Gauss reduction in two
dimensions, by spglib in three.  Points are tabulated in the reciprocal basis of the conventional cell and then
written in the given basis.  Atoms and magnetization may lower the symmetry: of several equivalent points of the bare
lattice one is named, and others are given by coordinates.
Source: Setyawan and Curtarolo, Comput. Mater. Sci. 49, 299 (2010); K and K' in two dimensions as in `bf.zoo`.
Missing: labels for the centred orthorhombic, monoclinic and triclinic lattices (G only).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from blochflow.core.lattice import Lattice

Points = dict[str, tuple[float, ...]]

# Lengths and angles closer than this (relative) are equal: files give lattice vectors with seven digits or more.
SAME = 1e-5

H, T, Q = 1 / 2, 1 / 3, 1 / 4
PLANE: dict[str, Points] = {
    "square": {"X": (H, 0), "M": (H, H)},
    "hexagonal": {"M": (H, 0), "K": (T, -T), "K'": (2 * T, T)},
    "rectangular": {"X": (H, 0), "Y": (0, H), "S": (H, H)},
    "oblique": {"X": (H, 0), "Y": (0, H), "S": (H, H)},
}
# conventional reciprocal basis, by international symbol of the bare lattice
SPACE: dict[str, tuple[str, Points]] = {
    "Pm-3m": ("simple cubic", {"X": (0, H, 0), "M": (H, H, 0), "R": (H, H, H)}),
    "Fm-3m": (
        "face-centred cubic",
        {
            "X": (0, 1, 0),
            "L": (H, H, H),
            "W": (H, 1, 0),
            "U": (Q, 1, Q),
            "K": (3 * Q, 3 * Q, 0),
        },
    ),
    "Im-3m": ("body-centred cubic", {"H": (0, 1, 0), "N": (H, H, 0), "P": (H, H, H)}),
    "P6/mmm": (
        "hexagonal",
        {
            "M": (H, 0, 0),
            "K": (T, T, 0),
            "K'": (2 * T, -T, 0),
            "A": (0, 0, H),
            "L": (H, 0, H),
            "H": (T, T, H),
            "H'": (2 * T, -T, H),
        },
    ),
    "P4/mmm": (
        "tetragonal",
        {"X": (0, H, 0), "M": (H, H, 0), "Z": (0, 0, H), "R": (0, H, H), "A": (H, H, H)},
    ),
    "I4/mmm": ("body-centred tetragonal", {"X": (H, H, 0), "N": (0, H, H), "P": (H, H, H), "Z": (0, 0, 1)}),
    "Pmmm": (
        "orthorhombic",
        {
            "X": (H, 0, 0),
            "Y": (0, H, 0),
            "Z": (0, 0, H),
            "S": (H, H, 0),
            "U": (H, 0, H),
            "T": (0, H, H),
            "R": (H, H, H),
        },
    ),
    "R-3m": ("rhombohedral", {"Z": (0, 0, 3 * H), "L": (H, 0, H), "F": (0, H, 1)}),
}


def high_symmetry_points(lattice: Lattice) -> tuple[str, Points]:
    """Name of the Bravais lattice, and its named points in reduced coordinates of the given reciprocal vectors.

    Examples
    --------
    >>> import blochflow as bf
    >>> from blochflow.models.high_symmetry import high_symmetry_points
    >>> high_symmetry_points(bf.Lattice([[1.0, 0.0], [0.0, 1.0]]))
    ('square', {'G': (0.0, 0.0), 'X': (0.5, 0.0), 'M': (0.5, 0.5)})
    """
    vectors = np.asarray(lattice.vectors)
    dimension = len(vectors)
    if dimension == 1:
        return "chain", {"G": (0.0,), "X": (0.5,)}
    name, basis, table = _plane(vectors) if dimension == 2 else _space(vectors)
    reciprocal = np.linalg.inv(basis).T
    points: Points = {"G": (0.0,) * dimension}
    for label, coordinates in table.items():
        reduced = np.asarray(coordinates) @ reciprocal @ vectors.T
        # thirds, quarters and eighths to the last bit, so that bands which touch there do so in floating point
        simple = np.round(24 * reduced) / 24 + 0.0
        points[label] = tuple(float(x) for x in np.where(np.abs(simple - reduced) < 1e-9, simple, reduced))
    return name, points


def _plane(vectors: np.ndarray) -> tuple[str, np.ndarray, Points]:
    """Gauss reduction; the given vectors are kept when they are reduced already."""
    first, second = vectors
    while True:
        if second @ second < (1 - SAME) * (first @ first):
            first, second = second, first
        shift = np.round(first @ second / (first @ first))
        # a tie (angle of 60 or 120 degrees) is no reason to change the given vectors
        if abs(first @ second) <= (H + SAME) * (first @ first):
            break
        second = second - shift * first
    cosine = first @ second / (first @ first)
    equal = abs(second @ second / (first @ first) - 1) < SAME
    if equal and abs(abs(cosine) - H) < SAME:
        # the table is written for an angle of 60 degrees
        return "hexagonal", np.array([first, second if cosine > 0 else first + second]), PLANE["hexagonal"]
    if abs(cosine) < SAME:
        name = "square" if equal else "rectangular"
        return name, np.array([first, second]), PLANE[name]
    return "oblique", np.array([first, second]), PLANE["oblique"]


def _space(vectors: np.ndarray) -> tuple[str, np.ndarray, Points]:
    """Conventional cell from spglib, in the given orientation."""
    import spglib

    scale = abs(np.linalg.det(vectors)) ** (1 / 3)
    found: Any = spglib.get_symmetry_dataset((vectors / scale, [[0.0, 0.0, 0.0]], [1]), symprec=SAME)
    if found is None or found.international not in SPACE:
        return "low-symmetry", vectors, {}
    # rows of the conventional cell in the given orientation: a_conventional = P^T-inverse of the given rows
    conventional = np.linalg.inv(found.transformation_matrix).T @ vectors
    name, table = SPACE[found.international]
    a, _, c = np.linalg.norm(conventional, axis=1)
    if found.international == "I4/mmm" and c < a:
        # Z is where the fourfold axis leaves the flat zone; the equivalent of (0, 0, 1) inside it is M
        table = {**table, "M": (1, 0, 0), "Z": (0, 0, (1 + (c / a) ** 2) / 2)}
    return name, _along_axes(conventional, found.international), table


def _along_axes(conventional: np.ndarray, symbol: str) -> np.ndarray:
    """Cubic cells: order and orient the three axes like x, y, z as closely as they go."""
    if symbol not in ("Pm-3m", "Fm-3m", "Im-3m"):
        return conventional
    remaining = list(range(3))
    rows = []
    for axis in range(3):
        best = max(remaining, key=lambda row: abs(conventional[row, axis]))
        remaining.remove(best)
        rows.append(conventional[best] * (-1 if conventional[best, axis] < 0 else 1))
    return np.array(rows)
