"""To which periodic image each matrix element belongs.

    <0i|H|Rj>  ->  sum_T (1/N_T) <0i|H|R+T, j>,   T in the list of (R, i, j)

The ab-initio grid makes Wannier functions periodic in a supercell.  Wannier90 gives every pair (i, R j) the image
R + T that lies closest, or the N_T equally close ones; T are supercell vectors.  The position matrices are spread
alike.  Source: Pizzi et al., J. Phys. Condens. Matter 32, 165902 (2020), Sec. 4.1 (`use_ws_distance`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blochflow.models.wannier90.redundancy import mirror_index
from blochflow.models.wannier90.table import TextTable


@dataclass(frozen=True)
class ImageShifts:
    """Supercell shifts T of all elements (R, i, j).

    Attributes
    ----------
    element : (E,) int array
        (R number) N^2 + i N + j of each entry.
    shift : (E, 3) int array
        T.
    weight : (E,) array
        1/N_T.
    line : (E,) int array
        Line (from 0) of each entry.
    """

    element: np.ndarray
    shift: np.ndarray
    weight: np.ndarray
    line: np.ndarray


def check_supercell(table: TextTable, shifts: ImageShifts, supercell: np.ndarray | None) -> None:
    if supercell is None:
        return
    wrong = (shifts.shift % supercell != 0).any(axis=1)
    if wrong.any():
        at = int(np.argmax(wrong))
        table.fail(
            int(shifts.line[at]),
            f"T = {tuple(shifts.shift[at].tolist())}",
            f"a vector of the {' x '.join(map(str, supercell))} supercell (mp_grid)",
            "correct the supercell vector T: it must be a multiple of mp_grid",
        )


def check_mirrored(table: TextTable, shifts: ImageShifts, cells: np.ndarray, num_wann: int) -> None:
    """The list of (R, i, j) is minus the list of (-R, j, i), and holds each T once."""
    distinct, kind = _number_rows(shifts.shift)
    opposite = mirror_index(distinct)
    if np.any(opposite < 0):
        at = int(np.argmax(opposite[kind] < 0))
        _fail_mirror(table, shifts, at)
    count = len(distinct)
    key = shifts.element * count + kind
    order = np.argsort(key, kind="stable")
    doubled = np.flatnonzero(np.diff(key[order]) == 0)
    if len(doubled):
        at = int(order[doubled[0] + 1])
        table.fail(
            int(shifts.line[at]),
            f"T = {tuple(shifts.shift[at].tolist())} a second time",
            "each T once in a list",
            "remove or correct the repeated supercell vector T",
        )
    cell, i, j = (shifts.element // num_wann**2, shifts.element // num_wann % num_wann, shifts.element % num_wann)
    partner = (mirror_index(cells)[cell] * num_wann + j) * num_wann + i
    mirrored = partner * count + opposite[kind]
    position = np.minimum(np.searchsorted(key[order], mirrored), len(key) - 1)
    lost = key[order][position] != mirrored
    if lost.any():
        _fail_mirror(table, shifts, int(np.argmax(lost)))


def _fail_mirror(table: TextTable, shifts: ImageShifts, at: int) -> None:
    shift = shifts.shift[at]
    table.fail(
        int(shifts.line[at]),
        f"T = {tuple(shift.tolist())}",
        f"the list of (-R, j, i) to hold T = {tuple((-shift).tolist())}",
        "restore the lists of T: those of (R, i, j) and (-R, j, i) must be opposite",
    )


def _number_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows of an integer (E, 3) array, sorted, and the number of each row among them."""
    low = rows.min(axis=0)
    span = rows.max(axis=0) - low + 1
    key = ((rows[:, 0] - low[0]) * span[1] + rows[:, 1] - low[1]) * span[2] + rows[:, 2] - low[2]
    distinct, number = np.unique(key, return_inverse=True)
    parts = [distinct // (span[1] * span[2]), distinct // span[2] % span[1], distinct % span[2]]
    return np.stack(parts, axis=1) + low, number


def spread(
    shifts: ImageShifts, cells: np.ndarray, hamiltonian: np.ndarray, positions: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Spread matrix elements over their images; returns the new R, H and positions."""
    num_wann = hamiltonian.shape[-1]
    size = num_wann**2
    cell, inner = shifts.element // size, shifts.element % size
    images, target = _number_rows(cells[cell] + shifts.shift)
    place = target * size + inner

    def folded(matrix: np.ndarray) -> np.ndarray:
        values = matrix.reshape(-1)[shifts.element] * shifts.weight
        total = len(images) * size
        sums = np.bincount(place, values.real, total) + 1j * np.bincount(place, values.imag, total)
        return sums.reshape(len(images), num_wann, num_wann)

    spread_positions = None
    if positions is not None:
        spread_positions = np.stack([folded(np.ascontiguousarray(positions[:, a])) for a in range(3)], axis=1)
    return images, folded(hamiltonian), spread_positions
