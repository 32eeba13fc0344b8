"""`_wsvec.dat`: the lists of supercell vectors T, one for each matrix element.

    comment; per (R, i, j), j fastest: "R1 R2 R3 i j", N_T, then N_T lines with one T each

What the lists mean, and what they must satisfy among each other, is in `images`.  Format: Wannier90 user guide,
"seedname_wsvec.dat".
"""

from __future__ import annotations

import numpy as np

from blochflow.models.wannier90.blocks import LARGEST_CELL
from blochflow.models.wannier90.images import ImageShifts, check_mirrored, check_supercell
from blochflow.models.wannier90.table import TextTable


def read_wsvec(table: TextTable, cells: np.ndarray, num_wann: int, supercell: np.ndarray | None = None) -> ImageShifts:
    """Parse a `_wsvec.dat` that belongs to the given R and number of Wannier functions.

    Parameters
    ----------
    cells : (nR, 3) int array
        R of the matrices, in the order of their file.
    supercell : (3,) int array, optional
        mp_grid; T must be multiples of it.

    Raises
    ------
    FileFormatError
        Lists incomplete, out of order, repeated, of other R, not mirrored between R and -R, or no supercell vectors.
    """
    if not table.text(0).startswith("#"):
        table.fail(
            0,
            table.shown(0),
            "a comment that starts with #",
            "restore the comment in the first line of the `_wsvec.dat`",
        )
    offset = int(table.first_field[1])
    values = table.numbers(offset, len(table.starts), "lists of T")
    heads, lengths = _read_layout(table, values)
    element = _check_heads(table, heads, values, cells, num_wann)
    repeats = np.repeat(np.arange(len(heads)), lengths)
    lines = heads[repeats] + 2 + np.arange(len(repeats)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    shift = values[table.first_field[lines][:, None] - offset + np.arange(3)]
    wrong = (shift != np.rint(shift)) | (np.abs(shift) > LARGEST_CELL)
    if wrong.any():
        at = int(np.argmax(wrong.any(axis=1)))
        table.fail(
            int(lines[at]),
            f"T = {table.shown(int(lines[at]))}",
            "3 integers",
            "correct the supercell vector T: its components are small integers, in units of the lattice vectors",
        )
    shifts = ImageShifts(element[repeats], shift.astype(np.int64), 1.0 / lengths[repeats], lines)
    check_supercell(table, shifts, supercell)
    check_mirrored(table, shifts, cells, num_wann)
    return shifts


def _read_layout(table: TextTable, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines of the heads "R i j" and the lengths N_T of their lists."""
    counts = table.counts.copy()
    counts[0] = 0
    end = len(counts)
    while end > 1 and counts[end - 1] == 0:
        end -= 1
    heads = np.flatnonzero(counts == 5)
    if len(heads) == 0 or heads[0] != 1:
        table.fail(min(1, len(table)), table.shown(1), "R1 R2 R3 i j", "restore the head R i j of the first list of T")
    after = np.append(heads[1:], end)
    below = np.minimum(heads + 1, end - 1)
    if np.any(counts[below] != 1):
        line = int(heads[np.argmax(counts[below] != 1)]) + 1
        table.fail(
            min(line, len(table)),
            table.shown(line),
            "N_T, the number of T in this list",
            "restore the length N_T of the list of T",
        )
    lengths = values[table.first_field[below] - int(table.first_field[1])]
    bad = (lengths != after - heads - 2) | (lengths < 1)
    if bad.any():
        number = int(np.argmax(bad))
        line = int(heads[number]) + 1
        table.fail(
            line,
            f"N_T = {lengths[number]:g}, followed by {after[number] - heads[number] - 2} lines",
            "N_T >= 1 lines with one T each, then the next R i j",
            "make the length N_T and the list of T agree: a line is lost, doubled or merged",
        )
    inside = np.ones(end, dtype=bool)
    inside[0] = False
    inside[heads] = inside[heads + 1] = False
    wrong = inside & (counts[:end] != 3)
    if wrong.any():
        line = int(np.argmax(wrong))
        table.fail(
            line,
            f"{table.counts[line]} fields: {table.shown(line)}",
            "T, 3 integers",
            "restore the supercell vector T: each has three components",
        )
    return heads, lengths.astype(np.int64)


def _check_heads(
    table: TextTable, heads: np.ndarray, values: np.ndarray, cells: np.ndarray, num_wann: int
) -> np.ndarray:
    """Heads list all (R, i, j) in order, j fastest; returns (R number) N^2 + i N + j."""
    found = values[table.first_field[heads][:, None] - int(table.first_field[1]) + np.arange(5)]
    total = len(cells) * num_wann**2
    number = np.arange(min(len(heads), total))
    cell, i, j = number // num_wann**2, number // num_wann % num_wann, number % num_wann
    expected = np.column_stack([cells[cell], i + 1, j + 1])
    wrong = (found[: len(number)] != expected).any(axis=1)
    if wrong.any():
        at = int(np.argmax(wrong))
        _fail_head(table, int(heads[at]), found[at], expected[at], num_wann)
    if len(heads) < total:
        table.fail(
            len(table) - 1,
            f"the end of the file after {len(heads)} lists of T",
            f"{total} lists",
            "complete the `_wsvec.dat`: every R, i, j needs a list of T",
        )
    if len(heads) > total:
        table.fail(
            int(heads[total]),
            f"a list of T after the last one: {table.shown(int(heads[total]))}",
            f"the end of the file after {total} lists",
            "delete the lists of T that follow the last R, i, j, or use the file of the same run",
        )
    return number


def _fail_head(table: TextTable, line: int, found: np.ndarray, expected: np.ndarray, num_wann: int) -> None:
    if (found[3:] != expected[3:]).any():
        outside = found[3:].min() < 1 or found[3:].max() > num_wann
        fix = (
            "use the `_wsvec.dat` of the same run: its orbital indices i, j do not fit num_wann"
            if outside
            else "restore the order of the orbital indices i, j in the `_wsvec.dat`: a list is lost, doubled or swapped"
        )
    else:
        fix = "use the `_wsvec.dat` of the same run: its lattice vectors R are not those of the matrices"
    table.fail(
        line, "R, i, j = " + " ".join(f"{x:g}" for x in found), "R, i, j = " + " ".join(f"{x:g}" for x in expected), fix
    )
