"""Do the lists of `_wsvec.dat` hold nearest images?

    |R + T + tau_j - tau_i| <= |R + T + u + tau_j - tau_i|      for every supercell vector u

Squared, this is linear in tau: u.(R + T + tau_j - tau_i) + u^2/2 >= 0, and vectors u normal to a face of the Wigner-
Seitz cell of the supercell suffice.  For i = j the centres drop out.  For i != j a linear program tells whether any
centres at all fit; lists that none fits are refused, and lists that fit other centres than the known ones are an
oddity.  Source of the rule: Pizzi et al., J. Phys. Condens. Matter 32, 165902 (2020), Sec. 4.1.
"""

from __future__ import annotations

import itertools

import numpy as np

from blochflow.core.errors import FileFormatError
from blochflow.models.wannier90.blocks import Blocks
from blochflow.models.wannier90.images import ImageShifts
from blochflow.models.wannier90.table import TextTable

# Wannier90 takes images within ws_distance_tol = 1e-5 angstrom for equally near; users raise it by a few decades.
DISTANCE_AGREEMENT = 1e-2
# Images closer than this in distance are equally near for every sensible ws_distance_tol, centres having 8 digits.
TIE = 1e-7
SAME_RUN = "use the `_wsvec.dat` of the same run: "


def find_supercell(blocks: Blocks, shifts: ImageShifts, grid: np.ndarray | None) -> np.ndarray:
    """mp_grid, checked, or else the one that T and degeneracies imply: each R modulo it has sum of 1/degeneracy 1.

    Raises
    ------
    FileFormatError
        No supercell fits; the place is the table of degeneracies.
    """
    weight = 1.0 / blocks.degeneracies
    points = round(float(weight.sum()))
    fitting = []
    for candidate in [grid] if grid is not None else _candidates(points, shifts):
        classes = np.ravel_multi_index(tuple((blocks.cells % candidate).T), tuple(candidate))
        sums = np.bincount(classes, weight, points) if np.prod(candidate) == points else np.zeros(1)
        if np.abs(sums - 1).max() < 1e-6:
            fitting.append(candidate)
    if fitting:
        return np.asarray(np.lcm.reduce(np.array(fitting), axis=0))  # several: a supercell of all of them
    implied = "mp_grid" if grid is not None else "the T of the `_wsvec.dat`"
    blocks.table.fail(
        blocks.degeneracy_line,
        f"degeneracies whose sum of 1/degeneracy, {points}, does not fit the supercell of {implied}",
        "sum of 1/degeneracy = 1 over all R that differ by supercell vectors",
        "correct the degeneracies, or use the `_wsvec.dat` and `.win` of the same run: they disagree on the supercell",
    )


def _candidates(points: int, shifts: ImageShifts) -> list[np.ndarray]:
    common = np.gcd.reduce(np.abs(shifts.shift), axis=0)
    divisors = [n for n in range(1, points + 1) if points % n == 0]
    first, second, third = ([n for n in divisors if g % n == 0] for g in common.tolist())
    pairs = ((a, b) for a in first for b in second if points % (a * b) == 0)
    return [np.array([a, b, points // (a * b)]) for a, b in pairs if points // (a * b) in third]


def check_nearest(
    table: TextTable,
    shifts: ImageShifts,
    cells: np.ndarray,
    geometry: tuple[np.ndarray, np.ndarray, np.ndarray],
    known: bool,
) -> FileFormatError | None:
    """Compare the lists with the distances; ``geometry`` is lattice, supercell, centres (meaningful if ``known``).

    Returns
    -------
    FileFormatError or None
        An oddity: nearest images of other centres than the known ones, or an equally near image left out.

    Raises
    ------
    FileFormatError
        (R = 0, i, i) has another T than 0, or the lists are nearest images for no choice of Wannier centres.
    """
    lattice, supercell, centres = geometry
    num_wann = len(centres)
    cell, i, j = (shifts.element // num_wann**2, shifts.element // num_wann % num_wann, shifts.element % num_wann)
    moved = (cells[cell] == 0).all(axis=1) & (i == j) & (shifts.shift != 0).any(axis=1)
    if moved.any():
        at = int(np.argmax(moved))
        fix = "correct the supercell vector T: the nearest image of a Wannier function to itself is itself"
        table.fail(int(shifts.line[at]), f"T = {_shown(shifts, at)} for R = 0, i = j", "T = (0, 0, 0)", fix)
    faces = wigner_seitz_faces(supercell[:, None] * lattice)
    steps = (cells[cell] + shifts.shift) @ lattice
    same = i == j
    if same.any():
        _refuse_far(table, shifts, np.where(same, _excess(steps, faces)[0], 0.0))
    mismatch = None
    if known:
        excess, ties = _excess(steps + centres[j] - centres[i], faces)
        mismatch = _mismatch(table, shifts, excess, ties)
        if excess.max() <= DISTANCE_AGREEMENT:
            return mismatch
    fitted = fit_centres(steps, i, j, num_wann, faces)
    if fitted is not None:
        _refuse_far(table, shifts, _excess(steps + fitted[j] - fitted[i], faces)[0])
    return mismatch


def wigner_seitz_faces(vectors: np.ndarray) -> np.ndarray:
    """Lattice vectors (F, 3) whose midpoint lies on the surface of the Wigner-Seitz cell."""
    numbers = np.array([n for n in itertools.product(range(-2, 3), repeat=3) if any(n)])
    candidates = numbers @ vectors
    middle = 0.5 * candidates
    others = np.linalg.norm(middle[:, None] - candidates, axis=-1).min(axis=1)
    return np.asarray(candidates[np.linalg.norm(middle, axis=1) <= others + 1e-6])


def _excess(steps: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much farther than its nearest neighbour in the supercell lattice each image lies; number of equally near."""
    length = np.linalg.norm(steps, axis=1)
    excess, ties = np.zeros(len(steps)), np.ones(len(steps), dtype=np.int64)
    for face in faces:
        gain = length - np.linalg.norm(steps + face, axis=1)
        excess = np.maximum(excess, gain)
        ties += np.abs(gain) < TIE
    return excess, ties


def fit_centres(steps: np.ndarray, i: np.ndarray, j: np.ndarray, num_wann: int, faces: np.ndarray) -> np.ndarray | None:
    """Centres (N, 3) for which the worst violation of u.(step + tau_j - tau_i) + u^2/2 >= 0 is smallest.

    None where the solver gives up, which proves nothing about the lists.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    upper = i < j  # the lists of (-R, j, i) are opposite
    if not upper.any():
        return np.zeros((num_wann, 3))
    pair, number = np.unique(i[upper] * num_wann + j[upper], return_inverse=True)
    lengths = np.linalg.norm(faces, axis=1)
    units = faces / lengths[:, None]
    reach = np.full((len(pair), len(faces)), np.inf)
    np.minimum.at(reach, number, steps[upper] @ units.T)
    # unit.(tau_i - tau_j) - s <= reach + |u|/2, unknowns tau and s
    count = reach.size
    row = np.repeat(np.arange(count), 7)
    axes = np.arange(3)
    first = np.repeat(3 * (pair // num_wann), len(faces))[:, None] + axes
    second = np.repeat(3 * (pair % num_wann), len(faces))[:, None] + axes
    column = np.concatenate([first, second, np.full((count, 1), 3 * num_wann)], axis=1).ravel()
    tiled = np.tile(units, (len(pair), 1))
    entries = np.concatenate([tiled, -tiled, -np.ones((count, 1))], axis=1).ravel()
    matrix = csr_array((entries, (row, column)), shape=(count, 3 * num_wann + 1))
    cost = np.zeros(3 * num_wann + 1)
    cost[-1] = 1.0
    bounds = [(0.0, 0.0)] * 3 + [(None, None)] * (3 * num_wann - 3) + [(0.0, None)]
    answer = linprog(cost, A_ub=matrix, b_ub=(reach + 0.5 * lengths).ravel(), bounds=bounds, method="highs")
    return None if answer.x is None else np.asarray(answer.x[:-1].reshape(num_wann, 3))


def _refuse_far(table: TextTable, shifts: ImageShifts, excess: np.ndarray) -> None:
    at = int(np.argmax(excess))
    if excess[at] > DISTANCE_AGREEMENT:
        table.fail(
            int(shifts.line[at]),
            f"T = {_shown(shifts, at)}, {excess[at]:.3g} angstrom farther than another image",
            "nearest images, for whatever Wannier centres",
            SAME_RUN + "its T are not the nearest images (or the lattice vectors are altered)",
        )


def _mismatch(table: TextTable, shifts: ImageShifts, excess: np.ndarray, ties: np.ndarray) -> FileFormatError | None:
    at = int(np.argmax(excess))
    if excess[at] > DISTANCE_AGREEMENT:
        return table.error(
            int(shifts.line[at]),
            f"T = {_shown(shifts, at)}, whose image lies {excess[at]:.3g} angstrom farther than another",
            "the nearest images for the Wannier centres of the run",
            SAME_RUN + "its images do not fit the Wannier centres; they are used as they are, and bands between the "
            "points of the ab-initio grid depend on them",
        )
    lost = ties > np.rint(1.0 / shifts.weight)
    if not lost.any():
        return None
    at = int(np.argmax(lost))
    return table.error(
        int(shifts.line[at]) - 1,
        f"N_T = {round(1.0 / shifts.weight[at])}",
        f"{ties[at]} images at equal distance",
        SAME_RUN + "a list of T lacks an equally near image; the list is used as it is, and bands between the points "
        "of the ab-initio grid depend on it",
    )


def _shown(shifts: ImageShifts, at: int) -> str:
    return str(tuple(shifts.shift[at].tolist()))
