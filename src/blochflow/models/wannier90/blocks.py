"""Matrices <0i|H|Rj> and <0i|r_a|Rj> as Wannier90 prints them in `_tb.dat` and `_hr.dat`.

    _tb.dat   comment; 3 lattice vectors; num_wann; nrpts; degeneracies; per R: R, then "i j Re Im" of H;
              then per R: R, then "i j Re Im Re Im Re Im" of r_x, r_y, r_z
    _hr.dat   comment; num_wann; nrpts; degeneracies; per R: "R i j Re Im" of H

i runs fastest.  Here the numbers are read and their places checked; what the numbers must satisfy among each other
is in `redundancy`.  Format: Wannier90 user guide, "seedname_tb.dat" and "seedname_hr.dat".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from blochflow.models.wannier90.table import Resolution, TextTable, resolution

COUNT = re.compile(r"\+?\d{1,9}")
LARGEST_CELL = 9999


@dataclass(frozen=True)
class Blocks:
    """Content of a `_tb.dat` or `_hr.dat`; degeneracies are not yet divided out.

    Attributes
    ----------
    table : TextTable
        The file, for error messages.
    lattice : (3, 3) array or None
        Lattice vectors as rows, angstrom (`_tb.dat` only).
    degeneracies : (nR,) int array
    cells : (nR, 3) int array
    hamiltonian : (nR, N, N) complex array
        <0i|H|Rj>, eV.
    positions : (nR, 3, N, N) complex array or None
        <0i|r_a|Rj>, angstrom (`_tb.dat` only).
    resolution : Resolution
        Of the printed elements of H.
    count_line, degeneracy_line : int
        Where num_wann and the degeneracies stand, from 0.
    first_field, block_size, first_element, element_size : int
        Place of <0i|H|Rj>: field first_field + R block_size + first_element + (i + N j) element_size.
    position_field : int
        The same for the first block of position matrices.
    """

    table: TextTable
    lattice: np.ndarray | None
    degeneracies: np.ndarray
    cells: np.ndarray
    hamiltonian: np.ndarray
    positions: np.ndarray | None
    resolution: Resolution
    count_line: int
    degeneracy_line: int
    first_field: int
    block_size: int
    first_element: int
    element_size: int
    position_field: int

    @property
    def num_wann(self) -> int:
        """Number of Wannier functions."""
        return int(self.hamiltonian.shape[-1])

    def place(self, cell: int, i: int = 0, j: int = 0) -> tuple[int, int]:
        """Line and column (from 0) of <0i|H|Rj> for R number ``cell``."""
        element = self.first_element + (i + self.num_wann * j) * self.element_size
        return self.table.place(self.first_field + cell * self.block_size + element)

    def cell_place(self, cell: int) -> tuple[int, int]:
        """Line and column (from 0) of R number ``cell``."""
        return self.table.place(self.first_field + cell * self.block_size)

    def position_place(self, cell: int, a: int, i: int, j: int) -> tuple[int, int]:
        """Line and column (from 0) of <0i|r_a|Rj> for R number ``cell``."""
        element = 3 + (i + self.num_wann * j) * 8 + 2 + 2 * a
        return self.table.place(self.position_field + cell * (3 + 8 * self.num_wann**2) + element)


def read_blocks(table: TextTable, kind: str) -> Blocks:
    """Parse a `_tb.dat` (``kind="tb"``) or `_hr.dat` (``kind="hr"``).

    Raises
    ------
    FileFormatError
        Anything that is not exactly this format.
    """
    line = 1
    lattice = None
    if kind == "tb":
        lattice = _read_lattice(table)
        line = 4
    num_wann = _read_count(table, line, "num_wann")
    num_cells = _read_count(table, line + 1, "nrpts")
    degeneracies, body = _read_degeneracies(table, line + 2, num_cells)
    rows = table.rows[np.searchsorted(table.rows, body) :]
    first = int(table.first_field[rows[0]]) if len(rows) else len(table.starts)
    if kind == "tb":
        pattern = [(3, 1), (4, num_wann**2)], [(3, 1), (8, num_wann**2)]
        _check_layout(table, rows, pattern, num_cells)
        cells, elements, position_field = _read_tb(table, first, num_cells, num_wann)
        positions = _read_positions(table, position_field, cells, num_wann)
        shape = (first, 3 + 4 * num_wann**2, 3 + 2, 4)
    else:
        _check_layout(table, rows, ([(7, num_wann**2)],), num_cells)
        cells, elements = _read_hr(table, first, num_cells, num_wann)
        positions, position_field = None, 0
        shape = (first, 7 * num_wann**2, 5, 7)
    hamiltonian = np.ascontiguousarray(elements.reshape(num_cells, num_wann, num_wann).swapaxes(1, 2))
    offsets = shape[2] + shape[3] * np.arange(num_wann**2)
    printed = (first + shape[1] * np.arange(num_cells)[:, None] + offsets).ravel()
    return Blocks(
        table,
        lattice,
        degeneracies,
        cells,
        hamiltonian,
        positions,
        resolution(table, printed),
        line,
        line + 2,
        *shape,
        position_field,
    )


def _read_lattice(table: TextTable) -> np.ndarray:
    rows = []
    for line, name in enumerate(("first", "second", "third"), start=1):
        fields = table.fields(line)
        if len(fields) != 3:
            table.fail(
                line,
                f"{len(fields)} fields: {table.shown(line)}",
                f"the {name} lattice vector, 3 numbers",
                "restore the lattice vectors in lines 2 to 4 of the `_tb.dat`",
            )
        start = int(table.first_field[line])
        rows.append(table.numbers(start, start + 3, "lattice vectors"))
    return np.array(rows)


def _read_count(table: TextTable, line: int, name: str) -> int:
    fields = table.fields(line)
    if len(fields) == 1 and COUNT.fullmatch(fields[0]) and int(fields[0]) > 0:
        return int(fields[0])
    meaning = {"num_wann": "the number of Wannier functions", "nrpts": "the number of lattice vectors R"}[name]
    table.fail(
        min(line, len(table)),
        table.shown(line),
        f"{name}, {meaning}, one positive integer",
        f"restore the line with {name} in the header; one header line may be missing or doubled",
    )


def _read_degeneracies(table: TextTable, line: int, num_cells: int) -> tuple[np.ndarray, int]:
    """The nrpts degeneracies (15 to a line in Wannier90's files) and the line after them."""
    values: list[int] = []
    while len(values) < num_cells:
        fields = table.fields(line)
        if not fields:
            table.fail(
                min(line, len(table)),
                f"{table.shown(line)} after {len(values)} degeneracies",
                f"nrpts = {num_cells} degeneracies",
                "make nrpts and the table of degeneracies agree: the table is too short",
            )
        for number, field in enumerate(fields):
            if not COUNT.fullmatch(field) or int(field) < 1:
                table.fail_at(
                    int(table.first_field[line]) + number,
                    f"{field!r} as degeneracy {len(values) + 1}",
                    f"{num_cells} degeneracies, integers of at least 1",
                    "correct the degeneracy of this R; each counts equivalent lattice vectors, so it is >= 1",
                )
            values.append(int(field))
        if len(values) > num_cells:
            table.fail(
                line,
                f"{len(values)} degeneracies up to this line",
                f"nrpts = {num_cells} degeneracies",
                "make nrpts and the table of degeneracies agree: the table is too long",
            )
        line += 1
    return np.array(values), line


def _check_layout(
    table: TextTable, rows: np.ndarray, sections: tuple[list[tuple[int, int]], ...], num_cells: int
) -> None:
    """Every line has the number of fields that the format asks for; the file ends where it must.

    ``sections`` are the blocks of one R: pairs (fields in a line, number of such lines).
    """
    lengths = [sum(lines for _, lines in section) for section in sections]
    total = num_cells * sum(lengths)
    total_lines = min(total, len(rows) + 1)  # a damaged header may announce more than an int64 holds
    position = np.arange(min(len(rows), total))
    expected = np.empty(len(position), dtype=np.int64)
    start = 0
    for section, length in zip(sections, lengths, strict=True):
        inside = (position >= start) & (position < min(start + num_cells * length, total_lines))
        offset = (position[inside] - start) % length
        head, body = section[0][0], section[-1][0]
        expected[inside] = np.where(offset < section[0][1], head, body)
        start = min(start + num_cells * length, total_lines)
    wrong = table.counts[rows[: len(position)]] != expected
    if wrong.any():
        at = int(np.argmax(wrong))
        _fail_layout(table, int(rows[at]), int(expected[at]), at >= num_cells * lengths[0])
    if len(rows) < total:
        table.fail(
            len(table) - 1,
            f"the end of the file after {len(rows)} lines of matrix elements",
            f"{total} lines",
            "copy the file again, it is cut; or correct num_wann or nrpts, which announce more elements",
        )
    if len(rows) > total:
        table.fail(
            int(rows[total]),
            f"more text: {table.shown(int(rows[total]))}",
            "the end of the file",
            "delete what follows the last matrix element, or correct num_wann or nrpts, which announce fewer",
        )


def _fail_layout(table: TextTable, line: int, expected: int, in_positions: bool) -> None:
    meaning = {
        3: ("a lattice vector R, 3 integers", "restore the line of the lattice vector R before each block"),
        4: (
            "an element of H: i j Re Im",
            "restore the element of the Hamiltonian: a field or a line is lost or doubled",
        ),
        7: (
            "an element of H: R1 R2 R3 i j Re Im",
            "restore the matrix element with its R, i, j: a field or a line is lost or doubled",
        ),
        8: (
            "an element of r: i j and 3 complex numbers",
            "restore the element of the position matrices: a field or a line is lost or doubled",
        ),
    }[expected]
    fix = meaning[1]
    if in_positions and expected == 3:
        fix = "restore the line of R before each block of position matrices"
    table.fail(line, f"{table.counts[line]} fields: {table.shown(line)}", meaning[0], fix)


def _read_tb(table: TextTable, first: int, num_cells: int, num_wann: int) -> tuple[np.ndarray, np.ndarray, int]:
    size = 3 + 4 * num_wann**2
    end = first + num_cells * size
    values = table.numbers(first, end, "Hamiltonian").reshape(num_cells, size)
    cells = _as_cells(table, values[:, :3], first + size * np.arange(num_cells)[:, None] + np.arange(3))
    elements = values[:, 3:].reshape(num_cells, -1, 4)
    fields = first + size * np.arange(num_cells)[:, None] + 3 + 4 * np.arange(num_wann**2)
    _check_indices(table, elements[..., :2], fields, num_wann, "Hamiltonian")
    return cells, elements[..., 2] + 1j * elements[..., 3], end


def _read_positions(table: TextTable, first: int, cells: np.ndarray, num_wann: int) -> np.ndarray:
    num_cells, size = len(cells), 3 + 8 * num_wann**2
    values = table.numbers(first, first + num_cells * size, "position matrices").reshape(num_cells, size)
    heads = first + size * np.arange(num_cells)
    wrong = (values[:, :3] != cells).any(axis=1)
    if wrong.any():
        at = int(np.argmax(wrong))
        there, here = _shown(values[at, :3]), _shown(cells[at])
        if not _is_closed(cells):
            field = first - (num_cells - at) * (3 + 4 * num_wann**2)
            fix = "correct the lattice vector R of the Hamiltonian: R are repeated there, or lack their partner -R"
            table.fail_at(field, f"R = {here}", f"R = {there} as for the position matrices", fix)
        fix = "list R for the position matrices in the same order as for the Hamiltonian"
        table.fail_at(int(heads[at]), f"R = {there}", f"R = {here}", fix)
    elements = values[:, 3:].reshape(num_cells, -1, 8)
    fields = heads[:, None] + 3 + 8 * np.arange(num_wann**2)
    _check_indices(table, elements[..., :2], fields, num_wann, "position matrices")
    matrices = elements[..., 2::2] + 1j * elements[..., 3::2]
    return np.ascontiguousarray(matrices.reshape(num_cells, num_wann, num_wann, 3).transpose(0, 3, 2, 1))


def _is_closed(cells: np.ndarray) -> bool:
    """Every R stands once, and its -R too."""
    listed = {tuple(cell) for cell in cells.tolist()}
    return len(listed) == len(cells) and all(tuple(-x for x in cell) in listed for cell in listed)


def _read_hr(table: TextTable, first: int, num_cells: int, num_wann: int) -> tuple[np.ndarray, np.ndarray]:
    size = num_wann**2
    count = num_cells * size * 7
    values = table.numbers(first, first + count, "Hamiltonian").reshape(num_cells, size, 7)
    fields = first + 7 * np.arange(num_cells * size).reshape(num_cells, size)
    cells = _as_cells(table, values[:, 0, :3], fields[:, :1] + np.arange(3))
    wrong = (values[..., :3] != cells[:, None]).any(axis=2)
    if wrong.any():
        cell, at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        table.fail_at(
            int(fields[cell, at]),
            f"R = {_shown(values[cell, at, :3])}",
            f"R = {_shown(cells[cell])}, for all {size} elements of this block",
            "give all elements of one block the same R: a line is misplaced or its R is altered",
        )
    _check_indices(table, values[..., 3:5], fields + 3, num_wann, "Hamiltonian")
    return cells, values[..., 5] + 1j * values[..., 6]


def _as_cells(table: TextTable, values: np.ndarray, fields: np.ndarray) -> np.ndarray:
    wrong = (values != np.rint(values)) | (np.abs(values) > LARGEST_CELL)
    if wrong.any():
        at = int(np.argmax(wrong))
        table.fail_at(
            int(fields.ravel()[at]),
            f"{values.ravel()[at]:g} as component of R",
            f"an integer between -{LARGEST_CELL} and {LARGEST_CELL}",
            "correct the lattice vector R: its components are small integers, in units of the lattice vectors",
        )
    return values.astype(np.int64)


def _check_indices(table: TextTable, found: np.ndarray, fields: np.ndarray, num_wann: int, what: str) -> None:
    """i fastest, then j, from 1: anything else means lost, doubled or swapped lines."""
    number = np.arange(num_wann**2)
    expected = np.stack([number % num_wann, number // num_wann], axis=-1) + 1
    wrong = (found != expected).any(axis=2)
    if not wrong.any():
        return
    cell, at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    i, j = found[cell, at]
    if min(i, j) >= 1 and max(i, j) <= num_wann:
        fix = f"restore the order of the orbital indices i, j in the {what}: a line is doubled, swapped or altered"
    else:
        fix = f"correct the orbital indices i, j in the {what}, or num_wann: an index lies outside 1 to num_wann"
    table.fail_at(int(fields[cell, at]), f"i = {i:g}, j = {j:g}", f"i = {expected[at, 0]}, j = {expected[at, 1]}", fix)


def _shown(cell: np.ndarray) -> str:
    return "(" + ", ".join(f"{x:g}" for x in cell) + ")"
