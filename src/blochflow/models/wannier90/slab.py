"""Two- and one-dimensional models from the three-dimensional files of slabs and wires.

Wannier90 always works in three dimensions; a slab has vacuum along one of its lattice vectors.  The directions
without periodicity are dropped, which is allowed only where nothing hops along them:

    max |<0i|H|Rj>| <= 1e-6 max |H|   for every R with a component along a dropped direction
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.core.errors import FileFormatError
from blochflow.models.wannier90.data import WannierData

# Hoppings below this fraction of the largest element of H are at the level of the printed digits.
NEGLIGIBLE = 1e-6


def as_periodic(periodic: Any) -> np.ndarray:
    """Three booleans, at least one of them True."""
    if not isinstance(periodic, Sequence | np.ndarray) or len(periodic) != 3:
        raise fail("periodic", "hold three booleans, one for each lattice vector", f"is {periodic!r}")
    if not all(isinstance(flag, bool | np.bool_) for flag in periodic):
        raise fail("periodic", "hold three booleans, one for each lattice vector", f"is {periodic!r}")
    flags = np.array([bool(flag) for flag in periodic])
    if not flags.any():
        raise fail("periodic", "be True for at least one lattice vector", "is False for all three")
    return flags


def drop_directions(data: WannierData, periodic: np.ndarray, path: str) -> WannierData:
    """Keep the periodic lattice vectors, in Cartesian coordinates of the space they span.

    Raises
    ------
    FileFormatError
        Something hops along a dropped direction.
    """
    if periodic.all():
        return data
    along = (data.cells[:, ~periodic] != 0).any(axis=1)
    size = np.abs(data.hamiltonian).max(axis=(1, 2))
    if np.any(size[along] > NEGLIGIBLE * size.max()):
        number = int(np.argmax(np.where(along, size, 0.0)))
        i, j = np.unravel_index(int(np.argmax(np.abs(data.hamiltonian[number]))), data.hamiltonian.shape[1:])
        raise FileFormatError(
            path,
            found=f"a hopping of {size[number]:.3g} eV along a direction that `periodic` drops: "
            f"R = {tuple(data.cells[number].tolist())}, i = {i + 1}, j = {j + 1}",
            expected=f"at most {NEGLIGIBLE * size.max():.1g} eV ({NEGLIGIBLE:g} of the largest element of H)",
            fix="correct `periodic`, or add vacuum along the dropped direction: the crystal hops along it",
        )
    frame = plane_frame(data.lattice[periodic])
    kept = ~along
    cells = data.cells[kept][:, periodic]
    centres = data.centres @ frame.T
    positions = None
    if data.positions is not None:
        positions = np.einsum("ac,rcij->raij", frame, data.positions[kept])
    dropped = ", ".join(f"a{n + 1}" for n in np.flatnonzero(~periodic))
    note = f"{dropped} dropped: a {periodic.sum()}-dimensional model"
    return WannierData(
        data.lattice[periodic] @ frame.T,
        centres,
        cells,
        data.hamiltonian[kept],
        positions,
        data.spinors,
        data.name,
        (*data.notes, note),
    )


def plane_frame(vectors: np.ndarray) -> np.ndarray:
    """Orthonormal rows that span the kept lattice vectors.

    Vectors in the xy plane (or along x) keep their coordinates.  Otherwise the first axis points along the first kept
    vector, and the second kept vector has a positive second component.
    """
    count, longest = len(vectors), np.abs(vectors).max()
    if np.abs(vectors[:, count:]).max() <= 1e-8 * longest:  # a tilt of this size is below the printed digits
        return np.eye(3)[:count]
    first = vectors[0] / np.linalg.norm(vectors[0])
    if count == 1:
        return np.stack([first])
    second = vectors[1] - (vectors[1] @ first) * first
    return np.stack([first, second / np.linalg.norm(second)])
