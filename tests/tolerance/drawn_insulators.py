"""Random Chern insulators whose Chern number is known from the signs of their masses.

    H(k) = e(k) + d(k).sigma,      C = 1/2 sum over zeros of (d_x, d_y) of sgn det(d(d_x, d_y)/dk) sgn d_z

Models are sums {R: matrix}.  All share one set of cells per number of bands, so that nothing is compiled twice.  The
gap holds mu = 0 by construction: |e(k)| stays below 0.7 |d(k)|, and e vanishes where the gap is smallest.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from honesty import log_uniform, sign

import blochflow as bf

SIGMA = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ONE = np.eye(2)
CELLS = np.array(list(product(range(-2, 3), repeat=2)))
SHEARS = [
    np.array(m).reshape(2, 2)
    for m in product(range(-2, 3), repeat=4)
    if m[0] * m[3] - m[1] * m[2] == 1 and abs(m[0] - m[2]) <= 2 and abs(m[1] - m[3]) <= 2
]
SMALLEST_GAP, LARGEST_GAP = 1e-4, 1.0
# Part of half the gap within which mu is drawn; 0.3 is what |e| < 0.7 |d| leaves.
INSIDE = 0.25

Terms = dict[tuple[int, int], np.ndarray]


def add(terms: Terms, cell: tuple[int, int], matrix: np.ndarray) -> None:
    """matrix exp(i k.R) and its conjugate."""
    for key, value in ((cell, matrix), ((-cell[0], -cell[1]), matrix.conj().T)):
        terms[key] = terms.get(key, np.zeros(matrix.shape, complex)) + value / (1 + (cell == (0, 0)))


def bloch(terms: Terms, k: np.ndarray) -> np.ndarray:
    """H at reduced phases k (..., 2)."""
    return sum(np.exp(1j * (k @ np.array(r)))[..., None, None] * m for r, m in terms.items())


def vector(matrix: np.ndarray) -> np.ndarray:
    """d of H = e + d.sigma, (..., 3)."""
    return 0.5 * np.einsum("...ij,aji->...a", matrix, SIGMA).real


def chern(terms: Terms, zeros: list[tuple[float, float]]) -> int:
    """Chern number of the lower band from the zeros of (d_x, d_y)."""
    twice = 0.0
    for zero in np.array(zeros):
        d = vector(bloch(terms, zero))
        slopes = [vector(bloch({r: 1j * r[a] * m for r, m in terms.items()}, zero)) for a in (0, 1)]
        twice += np.sign(np.linalg.det([s[:2] for s in slopes])) * np.sign(d[2])
    return round(twice / 2)


def qwz(rng: np.random.Generator) -> tuple[Terms, int, float]:
    """Qi-Wu-Zhang: anisotropic, tilted, near one of its three transitions; terms, Chern number, gap."""
    gap = log_uniform(rng, SMALLEST_GAP, LARGEST_GAP)
    mass = rng.choice((-2.0, 0.0, 2.0)) + sign(rng) * gap / 2
    velocity = [log_uniform(rng, 0.4, 2.5) for _ in range(2)]
    angle, size = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.6)
    terms: Terms = {}
    add(terms, (0, 0), mass * SIGMA[2])
    for a, cell in enumerate(((1, 0), (0, 1))):
        tilt = velocity[a] * size * (np.cos(angle), np.sin(angle))[a]
        add(terms, cell, 0.5 * SIGMA[2] - 0.5j * (velocity[a] * SIGMA[a] + tilt * ONE))
    zeros = list(product((0.0, np.pi), repeat=2))
    return terms, chern(terms, zeros), gap


def haldane(rng: np.random.Generator) -> tuple[Terms, int, float]:
    """Haldane: any phase and mass near its transitions that leave an indirect gap."""
    corner = 2 * np.pi / 3
    zeros = [(corner, -corner), (-corner, corner)]
    k = np.stack(np.meshgrid(*[2 * np.pi * np.arange(90) / 90] * 2, indexing="ij"), -1)
    while True:
        gap = log_uniform(rng, SMALLEST_GAP, LARGEST_GAP)
        t2, phase = rng.uniform(0.02, 0.3), rng.uniform(-np.pi, np.pi)
        mass = 3 * np.sqrt(3) * t2 * np.sin(phase) * sign(rng) + sign(rng) * gap / 2
        terms: Terms = {}
        add(terms, (0, 0), mass * SIGMA[2] + 3 * t2 * np.cos(phase) * ONE)
        for cell in ((0, 0), (1, 0), (0, 1)):
            add(terms, cell, np.array([[0, 0], [1, 0]]) * (2 if cell == (0, 0) else 1))
        for cell in ((1, 0), (0, -1), (-1, 1)):
            add(terms, cell, t2 * (np.cos(phase) * ONE + 1j * np.sin(phase) * SIGMA[2]))
        h = bloch(terms, k)
        mean = 0.5 * np.trace(h, axis1=-2, axis2=-1).real
        if (np.abs(mean) < 0.7 * np.linalg.norm(vector(h), axis=-1)).all():
            # the other corner may be the sharper one
            gap = 2 * min(abs(vector(bloch(terms, np.array(zero)))[2]) for zero in zeros)
            return terms, chern(terms, zeros), float(gap)


def moved(terms: Terms, k: np.ndarray) -> Terms:
    """H(k + k_0)."""
    return {r: np.exp(1j * (k @ np.array(r))) * m for r, m in terms.items()}


def crystal(rng: np.random.Generator, terms: Terms) -> bf.TightBinding:
    """The same Hamiltonian sheared, moved in k, on a right-handed oblique lattice with orbitals anywhere."""
    size = len(next(iter(terms.values())))
    shear, terms = SHEARS[rng.integers(len(SHEARS))], moved(terms, rng.uniform(0, 2 * np.pi, 2))
    blocks = np.zeros((len(CELLS), size, size), complex)
    for r, matrix in terms.items():
        cell = np.array(r) @ shear
        blocks[np.flatnonzero((cell == CELLS).all(axis=1)).item()] += matrix
    a, b, opening, turn = *rng.uniform(0.7, 1.5, 2), rng.uniform(0.8, 2.3), rng.uniform(0, 2 * np.pi)
    lattice = np.array([[a * np.cos(turn), a * np.sin(turn)], [b * np.cos(turn + opening), b * np.sin(turn + opening)]])
    return bf.TightBinding.from_blocks(lattice, rng.random((size, 2)) @ lattice, CELLS, blocks)


def direct_sum(rng: np.random.Generator) -> tuple[Terms, int, float]:
    """Two Chern insulators of different gaps side by side in energy, mixed by a constant unitary."""
    parts = [(qwz, haldane)[rng.integers(2)](rng) for _ in range(2)]
    scales = [1.0, log_uniform(rng, 0.5, 2.0)]
    u, _ = np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))
    terms: Terms = {}
    for p, ((part, _, _), scale) in enumerate(zip(parts, scales, strict=True)):
        for r, matrix in moved(part, rng.uniform(0, 2 * np.pi, 2)).items():
            block = np.zeros((4, 4), complex)
            block[2 * p : 2 * p + 2, 2 * p : 2 * p + 2] = scale * matrix
            terms[r] = terms.get(r, 0) + u @ block @ u.conj().T
    gap = min(scale * part[2] for part, scale in zip(parts, scales, strict=True))
    return terms, parts[0][1] + parts[1][1], gap
