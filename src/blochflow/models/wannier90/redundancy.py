"""What a Wannier90 file says twice must agree: H(R) and H(-R), the degeneracies, and the files of one run.

    H_ij(R) = conj H_ji(-R)             to the printed digits
    sum_R 1/deg(R) = N_1 N_2 N_3        points of the ab-initio grid, so an integer
    A_ij(R) ~ conj A_ji(-R)             up to the finite-difference error of the position matrices

The position matrices come from finite differences between grid points and are not Hermitian (Wang, Yates, Souza,
Vanderbilt, PRB 74, 195118 (2006), Sec. III); users of the matrices take A(R) <- [A(R) + A(-R)^+]/2.  Measured
asymmetries are 0.01 angstrom (Si, 4x4x4), 0.07 (Fe, 8x8x8), 0.16 (Fe, 2x2x2).
"""

from __future__ import annotations

import numpy as np

from blochflow.models.wannier90.blocks import Blocks
from blochflow.models.wannier90.files import Findings

# Rounding noise of Wannier90's Fourier sum, relative to the largest element: a value printed as 0.3E-16 is zero.
NOISE = 1e-12
# Largest believable asymmetry of <0i|r|Rj>: three times that of the coarsest grid measured, and a quarter of |R|
# for far pairs, since the finite-difference position is periodic in the supercell.  More is a damaged number.
ASYMMETRY, ASYMMETRY_OF_R = 0.5, 0.25
# A lattice vector on the surface of a Wigner-Seitz cell is shared by at most 8 cells; leave room for tolerances.
LARGEST_DEGENERACY = 48
# Centres are real and printed with at least 8 decimals.
CENTRE_NOISE = 1e-6
# Lattice vectors from a tenth of a hydrogen radius to ten micrometres (angstrom): beyond, a decimal point is lost.
LENGTHS = (1e-2, 1e5)


def check_blocks(blocks: Blocks, findings: Findings) -> None:
    """All checks inside one `_tb.dat` or `_hr.dat`.

    Raises
    ------
    FileFormatError
        R repeated or without -R, degeneracies inconsistent, H not Hermitian, positions grossly asymmetric, lattice
        vectors linearly dependent or of impossible length.
    """
    if blocks.lattice is not None:
        _check_lattice(blocks)
    mirror = _check_cells(blocks)
    _check_degeneracies(blocks, mirror)
    _check_hermitian(blocks, mirror)
    if blocks.positions is not None:
        _check_positions(blocks, mirror, findings)


def is_singular(lattice: np.ndarray) -> bool:
    """True when three lattice vectors do not span space (volume below 1e-6 of the product of lengths)."""
    lengths = np.linalg.norm(lattice, axis=1)
    return bool(np.any(lengths == 0) or abs(np.linalg.det(lattice)) < 1e-6 * np.prod(lengths))


def extreme_length(lattice: np.ndarray) -> float | None:
    """Length of the first lattice vector outside `LENGTHS` (angstrom): a lost decimal point; None without one."""
    lengths = np.linalg.norm(lattice, axis=1)
    outside = (lengths < LENGTHS[0]) | (lengths > LENGTHS[1])
    return float(lengths[np.argmax(outside)]) if outside.any() else None


def mirror_index(cells: np.ndarray) -> np.ndarray:
    """Index of -R for each R, -1 where it is absent."""
    number = {tuple(cell): n for n, cell in enumerate(cells.tolist())}
    return np.array([number.get(tuple(-x for x in cell), -1) for cell in cells.tolist()])


def _check_lattice(blocks: Blocks) -> None:
    lattice = blocks.lattice
    length = None if lattice is None else extreme_length(lattice)
    if length is not None:
        blocks.table.fail(
            1,
            f"a lattice vector of {length:.3g} angstrom",
            f"lengths between {LENGTHS[0]:g} and {LENGTHS[1]:g} angstrom",
            "correct lines 2 to 4 of the `_tb.dat`: a decimal point or an exponent of the lattice vectors is damaged",
        )
    if lattice is not None and is_singular(lattice):
        blocks.table.fail(
            1,
            f"lattice vectors of volume {abs(np.linalg.det(lattice)):.3g} angstrom^3",
            "three linearly independent lattice vectors",
            "correct the lattice vectors: they lie in one plane",
        )


def _check_cells(blocks: Blocks) -> np.ndarray:
    first: dict[tuple[int, ...], int] = {}
    for number, cell in enumerate(map(tuple, blocks.cells.tolist())):
        if cell in first:
            blocks.table.fail(
                blocks.cell_place(number)[0],
                f"R = {cell} a second time",
                f"each R once; it stands in line {blocks.cell_place(first[cell])[0] + 1} already",
                "remove or correct the repeated lattice vector R",
            )
        first[cell] = number
    if (0, 0, 0) not in first:
        blocks.table.fail(
            blocks.cell_place(0)[0],
            f"{len(first)} lattice vectors without R = (0, 0, 0)",
            "the block of R = (0, 0, 0)",
            "restore the block of the home cell R = (0, 0, 0)",
        )
    mirror = mirror_index(blocks.cells)
    if np.any(mirror < 0):
        number = int(np.argmax(mirror < 0))
        cell = tuple(blocks.cells[number].tolist())
        blocks.table.fail(
            blocks.cell_place(number)[0],
            f"R = {cell} without its partner",
            f"a block of R = {tuple(-x for x in cell)} too",
            "restore the pair R and -R: one of the two is missing or altered",
        )
    return mirror


def _check_degeneracies(blocks: Blocks, mirror: np.ndarray) -> None:
    degeneracies = blocks.degeneracies
    wrong = degeneracies != degeneracies[mirror]
    if wrong.any():
        number = int(np.argmax(wrong))
        blocks.table.fail(
            blocks.degeneracy_line,
            f"degeneracy {degeneracies[number]} for R = {tuple(blocks.cells[number].tolist())}, "
            f"{degeneracies[mirror[number]]} for -R",
            "the same degeneracy for R and -R",
            "correct the degeneracies: R and -R must have the same one",
        )
    home = int(np.flatnonzero((blocks.cells == 0).all(axis=1))[0])
    if degeneracies[home] != 1 or degeneracies.max() > LARGEST_DEGENERACY:
        number = home if degeneracies[home] != 1 else int(np.argmax(degeneracies))
        blocks.table.fail(
            blocks.degeneracy_line,
            f"degeneracy {degeneracies[number]} for R = {tuple(blocks.cells[number].tolist())}",
            "1 for R = 0" if number == home else f"at most {LARGEST_DEGENERACY}",
            "correct the degeneracy: R = 0 has no equivalent lattice vector"
            if number == home
            else "correct the degeneracy: so many equivalent lattice vectors do not exist",
        )
    total = float(np.sum(1.0 / degeneracies))
    if abs(total - round(total)) > 1e-6:
        blocks.table.fail(
            blocks.degeneracy_line,
            f"sum over R of 1/degeneracy = {total:.6f}",
            "an integer, the number of points of the ab-initio k grid",
            "restore the table of degeneracies: the sum of 1/degeneracy must count the k grid",
        )


def _check_hermitian(blocks: Blocks, mirror: np.ndarray) -> None:
    matrix = blocks.hamiltonian
    other = matrix[mirror].conj().swapaxes(1, 2)
    floor = NOISE * float(np.abs(matrix).max())
    worst, at = 0.0, None
    for part, partner in ((matrix.real, other.real), (matrix.imag, other.imag)):
        unit = blocks.resolution.unit(np.maximum(np.abs(part), np.abs(partner)))
        excess = np.abs(part - partner) - 1.01 * unit - floor  # each of the two is rounded by half a unit
        if excess.max() > worst:
            worst, at = float(excess.max()), np.unravel_index(int(np.argmax(excess)), excess.shape)
    if at is None:
        return
    cell, i, j = (int(x) for x in at)
    line, column = blocks.place(cell, i, j)
    mirrored = blocks.place(int(mirror[cell]), j, i)[0]
    label = f"R = {tuple(blocks.cells[cell].tolist())}, i = {i + 1}, j = {j + 1}"
    blocks.table.fail(
        line,
        f"H = {matrix[cell, i, j]:.8g} for {label}",
        f"the conjugate of line {mirrored + 1} (-R, j, i): {other[cell, i, j]:.8g}",
        "restore the Hermitian pair of the Hamiltonian: one of the two lines is altered",
        column,
    )


def _check_positions(blocks: Blocks, mirror: np.ndarray, findings: Findings) -> None:
    positions, lattice = blocks.positions, blocks.lattice
    if positions is None or lattice is None:
        return
    home = int(np.flatnonzero((blocks.cells == 0).all(axis=1))[0])
    drift = np.abs(np.einsum("aii->ai", positions[home]).imag)
    if drift.max() > CENTRE_NOISE:
        a, i = (int(x) for x in np.unravel_index(int(np.argmax(drift)), drift.shape))
        line, column = blocks.position_place(home, a, i, i)
        blocks.table.fail(
            line,
            f"the centre {positions[home, a, i, i]:.8g} of Wannier function {i + 1}",
            "a real number",
            "correct the Wannier centre: <0i|r|0i> is real",
            column,
        )
    asymmetry = np.abs(positions - positions[mirror].conj().swapaxes(2, 3))
    allowed = np.maximum(ASYMMETRY, ASYMMETRY_OF_R * np.linalg.norm(blocks.cells @ lattice, axis=1))
    excess = asymmetry - allowed[:, None, None, None]
    if excess.max() > 0:
        cell, a, i, j = (int(x) for x in np.unravel_index(int(np.argmax(excess)), excess.shape))
        line, column = blocks.position_place(cell, a, i, j)
        mirrored = blocks.position_place(int(mirror[cell]), a, j, i)[0]
        blocks.table.fail(
            line,
            f"<0i|r_{'xyz'[a]}|Rj> = {positions[cell, a, i, j]:.6g}",
            f"the conjugate of line {mirrored + 1} to within {allowed[cell]:.2g} angstrom",
            "restore the Hermitian pair of the position matrices: one of the two lines is altered",
            column,
        )
    findings.notes.append(
        "position matrices made Hermitian, A(R) <- [A(R) + A(-R)^+]/2; "
        f"largest asymmetry {asymmetry.max():.2g} angstrom"
    )


def check_against_hr(blocks: Blocks, other: Blocks, findings: Findings) -> None:
    """`_tb.dat` and `_hr.dat` of one run: num_wann, R, degeneracies, H to the digits that both print.

    Raises
    ------
    FileFormatError
        They differ; the place is in the `_hr.dat`.
    """
    table = other.table
    if other.num_wann != blocks.num_wann:
        table.fail(
            other.count_line,
            f"num_wann = {other.num_wann}",
            f"num_wann = {blocks.num_wann} as in {blocks.table.path}",
            "keep `_tb.dat` and `_hr.dat` of the same run together: num_wann differs",
        )
    if not np.array_equal(other.cells, blocks.cells):
        same = min(len(other.cells), len(blocks.cells))
        differs = (other.cells[:same] != blocks.cells[:same]).any(axis=1)
        number = int(np.argmax(differs)) if differs.any() else same
        number = min(number, len(other.cells) - 1)
        table.fail(
            other.cell_place(number)[0],
            f"{len(other.cells)} R; number {number + 1} is {tuple(other.cells[number].tolist())}",
            f"the {len(blocks.cells)} R of {blocks.table.path}",
            "keep `_tb.dat` and `_hr.dat` of the same run together: their lists of R differ",
        )
    if not np.array_equal(other.degeneracies, blocks.degeneracies):
        number = int(np.argmax(other.degeneracies != blocks.degeneracies))
        table.fail(
            other.degeneracy_line,
            f"degeneracy {other.degeneracies[number]} of R number {number + 1}",
            f"{blocks.degeneracies[number]} as in {blocks.table.path}",
            "keep `_tb.dat` and `_hr.dat` of the same run together: their degeneracies differ",
        )
    _compare_hamiltonians(blocks, other)
    findings.notes.append(f"checked against {table.path.rpartition('/')[2]}")


def _compare_hamiltonians(blocks: Blocks, other: Blocks) -> None:
    worst, at = 0.0, None
    for part, partner in (
        (blocks.hamiltonian.real, other.hamiltonian.real),
        (blocks.hamiltonian.imag, other.hamiltonian.imag),
    ):
        # Both are the same double, rounded to nearest twice: half a unit each, and 1 % for the subtraction.
        allowed = 0.505 * (other.resolution.unit(partner) + blocks.resolution.unit(part))
        excess = np.abs(part - partner) - allowed
        if excess.max() > worst:
            worst, at = float(excess.max()), np.unravel_index(int(np.argmax(excess)), excess.shape)
    if at is None:
        return
    cell, i, j = (int(x) for x in at)
    line, column = other.place(cell, i, j)
    mine = blocks.place(cell, i, j)[0]
    other.table.fail(
        line,
        f"H = {other.hamiltonian[cell, i, j]:.8g}",
        f"{blocks.hamiltonian[cell, i, j]:.8g} as in line {mine + 1} of {blocks.table.path}",
        "keep `_tb.dat` and `_hr.dat` of the same run together: their Hamiltonians differ, one is altered",
        column,
    )
