"""Time evolution under a sparse Hamiltonian.

    exp(-i H t) = exp(-i c t) sum_m (2 - delta_m0) (-i)^m J_m(w t) T_m((H - c)/w)           spectrum within c +- w
    U(t + s, t) = exp(-i s Y_+) exp(-i s Y_0) exp(-i s Y_-) + O(s^5)                        H(t) that changes

    Y_+- = 11/40 H_1 +- 20/87 H_2 + 7/50 H_3,   Y_0 = 9/20 H_1 - 7/25 H_3
    H_n = (2n - 1) Int_0^1 P_(n-1)(2x - 1) H(t + x s) dx

The first is exact to rounding; the second is compared with two half steps, whose difference sets the step.
Source: Tal-Ezer and Kosloff, J. Chem. Phys. 81, 3967 (1984); Blanes and Moan, Appl. Numer. Math. 56, 1519 (2006);
Alvermann and Fehske, J. Comput. Phys. 230, 5930 (2011), whose coefficients make the error some seventy times smaller
than that of the method with two exponentials.
Bounds of the spectrum: Gershgorin's discs, which hold for every Hermitian matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.special import jv

PHASE_PER_STEP = 40.0  # w t of one expansion: 70 terms; packets are looked at after each
NEGLIGIBLE = 1e-17  # Bessel functions below this do not change a sum of terms of order one
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(3)
NODES = (POINTS + 1) / 2
# (3, 3) H_n from H at the nodes, and exponents from H_n in the order in which they act
MOMENTS = np.array([(2 * n + 1) * WEIGHTS / 2 * np.polynomial.Legendre.basis(n)(POINTS) for n in range(3)])
EXPONENTS = np.array([[11 / 40, -20 / 87, 7 / 50], [9 / 20, 0, -7 / 25], [11 / 40, 20 / 87, 7 / 50]]) @ MOMENTS
SAFETY, SMALLEST_FACTOR, LARGEST_FACTOR = 0.85, 0.2, 3.0
LEAST_STEP = 1e-12  # of the whole run
EPS = np.finfo(float).eps

MatrixAt = Callable[[float], sparse.csr_matrix]


@dataclass
class Effort:
    """What an evolution cost, and how far its state may be from the exact one (norm)."""

    products: int = 0
    error: float = 0.0


def bounds(matrix: sparse.csr_matrix) -> tuple[float, float]:
    """Middle and half width of an interval that holds all eigenvalues of a Hermitian matrix."""
    diagonal = matrix.diagonal().real
    rows = np.add.reduceat(np.abs(matrix.data), matrix.indptr[:-1]) - np.abs(diagonal)
    low, high = float((diagonal - rows).min()), float((diagonal + rows).max())
    return (low + high) / 2, (high - low) / 2


class Exponential:
    """exp(-i H t) for one H."""

    def __init__(self, matrix: sparse.csr_matrix) -> None:
        self.middle, self.half = bounds(matrix)
        scale = 1 / self.half if self.half > 0 else 0.0
        data = matrix.data * scale
        data[diagonal_of(matrix)] -= self.middle * scale
        self.scaled = sparse.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)
        self._coefficients: dict[float, np.ndarray] = {}

    def coefficients(self, time: float) -> np.ndarray:
        """(2 - delta_m0) (-i)^m J_m(w t) exp(-i c t), as many as matter."""
        if time not in self._coefficients:
            phase = self.half * time
            count = int(abs(phase) + 20 * (1 + abs(phase)) ** (1 / 3)) + 20
            order = np.arange(count)
            values = jv(order, phase)
            last = int(np.flatnonzero(np.abs(values) > NEGLIGIBLE)[-1]) + 1
            factor = np.array([1, -1j, -1, 1j])[order % 4] * np.where(order == 0, 1, 2)
            self._coefficients = {time: (factor * values)[:last] * np.exp(-1j * self.middle * time)}
        return self._coefficients[time]

    def apply(self, state: np.ndarray, time: float, effort: Effort) -> np.ndarray:
        """The state (n, P) after a time, by Clenshaw's three-term recursion of T_m."""
        c = self.coefficients(time)
        before, now = state, self.scaled @ state
        result = c[0] * before
        if len(c) > 1:
            result += c[1] * now
        for value in c[2:]:
            after = self.scaled @ now
            after *= 2
            after -= before
            result += value * after
            before, now = now, after
        effort.products += len(c)
        effort.error += EPS * len(c)
        return result


def diagonal_of(matrix: sparse.csr_matrix) -> np.ndarray:
    """Where the diagonal is in the data of a matrix that has all of it."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.flatnonzero(rows == matrix.indices)


def evolve_steady(
    matrix: sparse.csr_matrix, state: np.ndarray, times: np.ndarray, effort: Effort
) -> Iterator[tuple[int | None, float, np.ndarray]]:
    """States at ``times`` and in between: (number of the time or None, time, state)."""
    exponential = Exponential(matrix)
    for number, (start, end) in enumerate(pairwise(times), start=1):
        count = max(1, int(np.ceil(exponential.half * abs(end - start) / PHASE_PER_STEP)))
        step = (end - start) / count
        for part in range(1, count + 1):
            state = exponential.apply(state, step, effort)
            yield (number if part == count else None), start + part * step, state


def evolve_changing(
    matrix_at: MatrixAt, state: np.ndarray, times: np.ndarray, tolerance: float, effort: Effort
) -> Iterator[tuple[int | None, float, np.ndarray]]:
    """The same for H(t), with steps whose errors add up to at most ``tolerance`` in norm."""
    whole = abs(times[-1] - times[0])
    half = bounds(matrix_at(float(times[0])))[1]
    longest = PHASE_PER_STEP / half if half > 0 else whole
    step = min(longest, whole) / 8
    for number, (start, end) in enumerate(pairwise(times), start=1):
        sense, now = np.sign(end - start), float(start)
        while now != end:
            length = abs(end - now)
            # a step that would leave a sliver takes all of it
            trial = length if length < 1.1 * step else min(step, length / 2) if length < 2 * step else step
            coarse = magnus_step(matrix_at, state, now, sense * trial, effort)
            middle = magnus_step(matrix_at, state, now, sense * trial / 2, effort)
            fine = magnus_step(matrix_at, middle, now + sense * trial / 2, sense * trial / 2, effort)
            # two steps of half the length have a sixteenth of the error
            error = float(np.linalg.norm(fine - coarse, axis=0).max()) / 15
            allowed = max(tolerance * trial / whole, 8 * EPS)
            factor = SAFETY * (allowed / max(error, 1e-300)) ** 0.25
            step = min(longest, trial * min(LARGEST_FACTOR, max(SMALLEST_FACTOR, factor)))
            if error > allowed and trial > LEAST_STEP * whole:
                continue
            now = float(end) if trial == length else now + sense * trial
            state = fine
            effort.error += error
            yield (number if now == end else None), now, state


def magnus_step(matrix_at: MatrixAt, state: np.ndarray, start: float, step: float, effort: Effort) -> np.ndarray:
    """One commutator-free step of fourth order."""
    there = [matrix_at(start + node * step) for node in NODES]
    for row in EXPONENTS:
        data = sum(value * matrix.data for value, matrix in zip(row, there, strict=True))
        mixed = sparse.csr_matrix((data, there[0].indices, there[0].indptr), shape=there[0].shape)
        state = Exponential(mixed).apply(state, step, effort)
    return state
