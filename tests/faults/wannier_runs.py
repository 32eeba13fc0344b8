"""Small valid Wannier90 runs, written in Wannier90's own layout, as material for damage.

A run is made as Wannier90 makes it: random Hermitian H(k) on a coarse grid, Fourier transformed to the lattice vectors
of the Wigner-Seitz cell of the supercell with their degeneracies, and nearest images found by distance.
"""

from __future__ import annotations

import itertools

import numpy as np

BOHR = 0.52917720859
# (number of Wannier functions, mp_grid): three shapes are enough to have odd and even grids, one and many
# equivalent lattice vectors, and 9 to 27 R.
SHAPES = ((2, (3, 3, 1)), (3, (2, 2, 1)), (2, (2, 2, 2)))


def fortran_exponent(x: float, digits: int = 8, width: int = 15) -> str:
    """Fortran's E15.8: 0.12345678E+01."""
    if x == 0:
        return f"{0:.{digits}f}E+00".rjust(width)
    mantissa, exponent = f"{x:.{digits - 1}E}".split("E")
    sign = "-" if mantissa.startswith("-") else ""
    figures = mantissa.lstrip("-").replace(".", "")
    return f"{sign}0.{figures}E{int(exponent) + 1:+03d}".rjust(width)


def wigner_seitz(lattice: np.ndarray, grid: tuple[int, ...]) -> tuple[list[tuple[int, ...]], list[int]]:
    """Lattice vectors R no farther from 0 than from any supercell vector, and how many are equivalent."""
    supercells = [np.array(s) * grid for s in itertools.product(range(-2, 3), repeat=3)]
    cells, degeneracies = [], []
    for cell in itertools.product(*(range(-2 * n, 2 * n + 1) for n in grid)):
        distances = [np.linalg.norm((np.array(cell) - s) @ lattice) for s in supercells]
        home = np.linalg.norm(np.array(cell) @ lattice)
        if home <= min(distances) + 1e-7:
            cells.append(cell)
            degeneracies.append(sum(abs(d - home) < 1e-7 for d in distances))
    return cells, degeneracies


def nearest_images(
    lattice: np.ndarray, grid: tuple[int, ...], step: np.ndarray, cell: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """Supercell vectors T that make |R + T + tau_j - tau_i| smallest."""
    shifts = [tuple(int(x) for x in np.array(s) * grid) for s in itertools.product(range(-2, 3), repeat=3)]
    lengths = [np.linalg.norm((np.array(cell) + t) @ lattice + step) for t in shifts]
    return [t for t, length in zip(shifts, lengths, strict=True) if length < min(lengths) + 1e-5]


def make_run(rng: np.random.Generator, shape: tuple[int, tuple[int, int, int]]) -> dict[str, bytes]:
    """Files of one run by kind: tb, hr, wsvec, win, centres."""
    count, grid = shape
    lattice = np.diag(rng.uniform(2.0, 4.0, 3)) + rng.uniform(-0.4, 0.4, (3, 3))
    centres = rng.uniform(0, 1, (count, 3)) @ lattice
    cells, degeneracies = wigner_seitz(lattice, grid)
    points = list(itertools.product(*(np.arange(n) / n for n in grid)))
    shape_h = (len(points), 4, count, count)
    random = rng.normal(size=shape_h) + 1j * rng.normal(size=shape_h)
    random = 0.5 * (random + random.conj().swapaxes(2, 3))
    phases = np.exp(-2j * np.pi * np.array(cells) @ np.array(points).T) / len(points)
    matrices = np.einsum("rk,kaij->raij", phases, random)
    positions = 0.2 * matrices[:, 1:] + 0.02 * rng.normal(size=matrices[:, 1:].shape)
    home = cells.index((0, 0, 0))
    for i in range(count):
        positions[home, :, i, i] = centres[i]
    text = {
        "tb": _tb(lattice, cells, degeneracies, matrices[:, 0], positions),
        "hr": _hr(cells, degeneracies, matrices[:, 0]),
        "wsvec": _wsvec(lattice, grid, centres, cells),
        "win": _win(lattice, grid, count, str(rng.choice(["bohr", "ang", ""]))),
        "centres": _centres(centres),
    }
    return {kind: content.encode("ascii") for kind, content in text.items()}


def _degeneracy_lines(degeneracies: list[int]) -> list[str]:
    return ["".join(f"{d:5d}" for d in degeneracies[n : n + 15]) for n in range(0, len(degeneracies), 15)]


def _tb(
    lattice: np.ndarray, cells: list[tuple[int, ...]], degeneracies: list[int], h: np.ndarray, r: np.ndarray
) -> str:
    count = h.shape[-1]
    lines = [" written on 21Nov2026 at 06:16:15 "] + ["".join(f"{x:23.16f}   " for x in row) for row in lattice]
    lines += [f"{count:12d}", f"{len(cells):12d}", *_degeneracy_lines(degeneracies)]
    for values in (h[:, None], r):
        for cell, block in zip(cells, values, strict=True):
            lines += ["", "".join(f"{x:5d}" for x in cell)]
            for j, i in itertools.product(range(count), repeat=2):
                numbers = [part for a in range(len(block)) for part in (block[a, i, j].real, block[a, i, j].imag)]
                lines.append(f"{i + 1:5d}{j + 1:5d}  " + " ".join(fortran_exponent(x) for x in numbers))
    return "\n".join(lines) + "\n"


def _hr(cells: list[tuple[int, ...]], degeneracies: list[int], h: np.ndarray) -> str:
    count = h.shape[-1]
    lines = [
        " written on 21Nov2026 at 06:16:15 ",
        f"{count:12d}",
        f"{len(cells):12d}",
        *_degeneracy_lines(degeneracies),
    ]
    for cell, block in zip(cells, h, strict=True):
        for j, i in itertools.product(range(count), repeat=2):
            head = "".join(f"{x:5d}" for x in (*cell, i + 1, j + 1))
            lines.append(head + f"{block[i, j].real:12.6f}{block[i, j].imag:12.6f}")
    return "\n".join(lines) + "\n"


def _wsvec(lattice: np.ndarray, grid: tuple[int, ...], centres: np.ndarray, cells: list[tuple[int, ...]]) -> str:
    lines = ["## written on 21Nov2026 at 06:16:16  with use_ws_distance=.true."]
    for cell in cells:
        for i, j in itertools.product(range(len(centres)), repeat=2):
            images = nearest_images(lattice, grid, centres[j] - centres[i], cell)
            lines += ["".join(f"{x:5d}" for x in (*cell, i + 1, j + 1)), f"{len(images):5d}"]
            lines += ["".join(f"{x:5d}" for x in t) for t in images]
    return "\n".join(lines) + "\n"


def _win(lattice: np.ndarray, grid: tuple[int, ...], count: int, unit: str) -> str:
    scale = 1 / BOHR if unit == "bohr" else 1.0
    cell = [unit] if unit else []
    cell += ["  ".join(f"{scale * x:.10f}" for x in row) for row in lattice]
    lines = ["! a comment", f"num_wann  = {count}", f"mp_grid : {grid[0]} {grid[1]} {grid[2]}", "spinors false # no"]
    lines += ["num_iter = 100", "Begin Unit_Cell_Cart", *cell, "End Unit_Cell_Cart", "write_tb = .true."]
    return "\n".join(lines) + "\n"


def _centres(centres: np.ndarray) -> str:
    rows = [("X", centre) for centre in centres] + [("Si", np.zeros(3))]
    lines = [f"{len(rows):6d}", " Wannier centres, written by Wannier90 on21Nov2026 at 06:16:16 "]
    lines += [f"{name:<6s}" + "".join(f"{x:14.8f}   " for x in row) for name, row in rows]
    return "\n".join(lines) + "\n"
