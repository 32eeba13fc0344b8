"""From Wannier90 files to plain NumPy arrays: read, check everything against everything, fold in the images.

    H_ij(R) = sum over images of <0i|H|Rj> / (degeneracy(R) N_T),  the same for the position matrices

Nothing here depends on JAX or on a model class.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blochflow.core.checks import fail
from blochflow.core.errors import FileFormatError
from blochflow.models.wannier90.blocks import Blocks, read_blocks
from blochflow.models.wannier90.files import FRIENDS, Findings, find_friend, open_table, split_name
from blochflow.models.wannier90.images import spread
from blochflow.models.wannier90.inputs import WannierInput, read_centres, read_win
from blochflow.models.wannier90.nearest import check_nearest, find_supercell
from blochflow.models.wannier90.redundancy import check_against_hr, check_blocks, mirror_index
from blochflow.models.wannier90.wsvec import read_wsvec

# Lattices of two files agree to this fraction of the longest vector: `.win` is often typed with 6 digits, and
# versions of Wannier90 differ by 3e-7 in the length of the bohr.
LATTICE_AGREEMENT = 1e-5
# Centres of two files agree to this many angstrom, up to lattice vectors (`translate_home_cell`).
CENTRE_AGREEMENT = 1e-3
# The note of every model that was read without position matrices.
NO_POSITIONS = "no position matrices in a _hr.dat: geometry uses the Wannier centres only"


@dataclass(frozen=True)
class WannierData:
    """Matrices in the basis of Wannier functions, degeneracies and images folded in.

    Attributes
    ----------
    lattice : (d, d) array
        Lattice vectors as rows, angstrom.
    centres : (N, d) array
        Wannier centres, Cartesian, angstrom.
    cells : (nR, d) int array
        R, closed under R -> -R.
    hamiltonian : (nR, N, N) complex array
        <0i|H|Rj>, eV, Hermitian.
    positions : (nR, d, N, N) complex array or None
        <0i|r_a|Rj>, angstrom, Hermitian, with the centres on the diagonal of R = 0.
    spinors : bool or None
        As stated in the `.win`.
    name : str
        Name of the file.
    notes : tuple of str
        Facts a result should carry.
    """

    lattice: np.ndarray
    centres: np.ndarray
    cells: np.ndarray
    hamiltonian: np.ndarray
    positions: np.ndarray | None
    spinors: bool | None
    name: str
    notes: tuple[str, ...]


def load_wannier90(
    path: str | os.PathLike[str], *, wsvec: bool | str | os.PathLike[str] = "auto", strict: bool = False
) -> WannierData:
    """Read `_tb.dat` or `_hr.dat` and the files beside it; see `read_wannier90` for the arguments."""
    _, _, kind = split_name(path)
    findings = Findings(strict)
    blocks = read_blocks(open_table(path), kind)
    check_blocks(blocks, findings)
    win = _read_friend_win(path, blocks, findings)
    if kind == "tb":
        hr = find_friend(path, "hr")
        if hr is not None:
            other = read_blocks(open_table(hr), "hr")
            check_blocks(other, findings)
            check_against_hr(blocks, other, findings)
        lattice, centres = _geometry_of_tb(path, blocks, findings)
    else:
        lattice, centres = _geometry_of_hr(path, blocks, win, findings)
    cells, hamiltonian, positions = _folded(path, blocks, win, wsvec, (lattice, centres), findings)
    mirror = mirror_index(cells)
    return WannierData(
        lattice,
        centres,
        cells,
        0.5 * (hamiltonian + hamiltonian[mirror].conj().swapaxes(1, 2)),
        None if positions is None else 0.5 * (positions + positions[mirror].conj().swapaxes(2, 3)),
        None if win is None else win.spinors,
        Path(path).name,
        tuple(findings.notes),
    )


def _read_friend_win(path: str | os.PathLike[str], blocks: Blocks, findings: Findings) -> WannierInput | None:
    """The `.win` of the run, checked against the matrices."""
    found = find_friend(path, "win")
    if found is None:
        return None
    win = read_win(found)
    if win.num_wann is not None and win.num_wann != blocks.num_wann:
        raise win.error(
            "num_wann",
            f"num_wann = {win.num_wann}",
            f"num_wann = {blocks.num_wann} as in {blocks.table.path}",
            "use the `.win` of the same run: num_wann differs",
        )
    points = round(float(np.sum(1.0 / blocks.degeneracies)))
    if win.mp_grid is not None and int(np.prod(win.mp_grid)) != points:
        raise win.error(
            "mp_grid",
            f"mp_grid = {' '.join(map(str, win.mp_grid))}",
            f"a grid of {points} points, the sum of 1/degeneracy in {blocks.table.path}",
            "use the `.win` of the same run: mp_grid does not fit the degeneracies",
        )
    if blocks.lattice is not None and win.lattice is not None:
        difference = float(np.abs(blocks.lattice - win.lattice).max())
        if difference > LATTICE_AGREEMENT * np.linalg.norm(blocks.lattice, axis=1).max():
            raise win.error(
                "unit_cell_cart",
                f"lattice vectors that differ by {difference:.3g} angstrom",
                f"the lattice vectors of {blocks.table.path}",
                "use the `.win` of the same run: its lattice vectors differ from those of the matrices",
            )
    compared = [name for name in ("num_wann", "mp_grid") if getattr(win, name) is not None]
    if blocks.lattice is not None and win.lattice is not None:
        compared.append("unit_cell_cart")
    findings.notes.append(
        f"checked against {found.name}: {', '.join(compared)}"
        if compared
        else f"{found.name} states nothing that could be checked"
    )
    if win.spinors is False:
        findings.notes.append("spinors = false: every band holds one electron per cell unless spin_degeneracy says two")
    return win


def _geometry_of_tb(path: str | os.PathLike[str], blocks: Blocks, findings: Findings) -> tuple[np.ndarray, np.ndarray]:
    """Lattice and centres of a `_tb.dat`; a `_centres.xyz` beside it is compared."""
    if blocks.lattice is None or blocks.positions is None:
        raise fail("path", "name a `_tb.dat`", f"is {os.fspath(path)!r}")
    home = int(np.flatnonzero((blocks.cells == 0).all(axis=1))[0])
    weight = 1.0 / blocks.degeneracies[home]
    centres = weight * np.einsum("aii->ia", blocks.positions[home]).real
    found = find_friend(path, "centres")
    if found is not None:
        listed = read_centres(found, blocks.num_wann)
        offset = (listed - centres) @ np.linalg.inv(blocks.lattice)
        distance = np.linalg.norm((offset - np.rint(offset)) @ blocks.lattice, axis=1)
        if distance.max() > CENTRE_AGREEMENT:
            worst = int(np.argmax(distance))
            findings.oddity(
                FileFormatError(
                    os.fspath(found),
                    3 + worst,
                    found=f"a Wannier centre {distance[worst]:.3g} angstrom from that in {blocks.table.path}",
                    expected="the same centres, up to lattice vectors",
                    fix="use the `_centres.xyz` of the run: its Wannier centres differ (those of `_tb.dat` are used)",
                )
            )
    return blocks.lattice, centres


def _geometry_of_hr(
    path: str | os.PathLike[str], blocks: Blocks, win: WannierInput | None, findings: Findings
) -> tuple[np.ndarray, np.ndarray]:
    """Lattice from the `.win`, centres from the `_centres.xyz` (the origin where that is absent)."""
    folder, seed, _ = split_name(path)
    if win is None or win.lattice is None:
        raise FileFormatError(
            str(folder / f"{seed}.win") if win is None else win.path,
            None if win is None else 1,
            found="no such file" if win is None else "no block unit_cell_cart",
            expected="lattice vectors, which a `_hr.dat` does not hold",
            fix=f"put {seed}.win with its block unit_cell_cart beside the `_hr.dat`, or read the `_tb.dat`",
        )
    findings.notes.append(NO_POSITIONS)
    found = find_friend(path, "centres")
    if found is not None:
        findings.notes.append(f"Wannier centres from {found.name}")
        return win.lattice, read_centres(found, blocks.num_wann)
    findings.notes.append("Wannier centres unknown, all put at the origin")
    findings.oddity(
        FileFormatError(
            str(folder / f"{seed}_centres.xyz"),
            found="no such file",
            expected="the Wannier centres",
            fix="write the Wannier centres (write_xyz = true): without them all are put at the origin; energies are "
            "right, but Berry curvature and other geometry are wrong",
        )
    )
    return win.lattice, np.zeros((blocks.num_wann, 3))


def _folded(
    path: str | os.PathLike[str],
    blocks: Blocks,
    win: WannierInput | None,
    wsvec: bool | str | os.PathLike[str],
    geometry: tuple[np.ndarray, np.ndarray],
    findings: Findings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """R, H and positions with degeneracies divided out and, where wanted, spread over images."""
    weight = 1.0 / blocks.degeneracies
    hamiltonian = blocks.hamiltonian * weight[:, None, None]
    positions = None if blocks.positions is None else blocks.positions * weight[:, None, None, None]
    found = _choose_wsvec(path, wsvec, findings)
    if found is None:
        return blocks.cells, hamiltonian, positions
    grid = None if win is None else win.mp_grid
    table = open_table(found)
    shifts = read_wsvec(table, blocks.cells, blocks.num_wann, grid)
    lattice, centres = geometry
    supercell = find_supercell(blocks, shifts, grid)
    known = blocks.positions is not None or bool(np.any(centres))
    mismatch = check_nearest(table, shifts, blocks.cells, (lattice, supercell, centres), known)
    if mismatch is not None:
        findings.oddity(mismatch)
    return spread(shifts, blocks.cells, hamiltonian, positions)


def _choose_wsvec(
    path: str | os.PathLike[str], wsvec: bool | str | os.PathLike[str], findings: Findings
) -> str | os.PathLike[str] | None:
    """The `_wsvec.dat` to use, and a note about it."""
    if not isinstance(wsvec, bool | str | os.PathLike):
        raise fail("wsvec", 'be "auto", True, False or the name of a file', f"is {wsvec!r}")
    beside = find_friend(path, "wsvec")
    folder, seed, _ = split_name(path)
    if wsvec is False:
        state = beside.name if beside else "any _wsvec.dat (there is none)"
        findings.notes.append(f"wsvec: {state} ignored as asked; matrix elements stay at the R of their file")
        return None
    if wsvec is True and beside is None:
        raise FileFormatError(
            str(folder / (seed + FRIENDS["wsvec"])),
            found="no such file",
            expected="the images T asked for with wsvec=True",
            fix='put the `_wsvec.dat` beside the matrices (use_ws_distance = true writes it), or leave wsvec at "auto"',
        )
    if isinstance(wsvec, bool) or wsvec == "auto":
        chosen: str | os.PathLike[str] | None = beside
    else:
        chosen = wsvec
    if chosen is None:
        findings.notes.append(f"wsvec: {seed}_wsvec.dat not found; matrix elements stay at the R of their file")
        return None
    findings.notes.append(f"wsvec: {Path(chosen).name} used, matrix elements spread over their nearest images")
    return chosen
