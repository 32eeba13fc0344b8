"""A finite piece of a crystal with open edges, and the sparse matrix of its Hamiltonian.

    <r,i|H(t)|r',j> = t_ij(R; (r + r')/2, t) exp[-i (e/2 hbar) B x (m - c).(r - r')] + delta e E(t).(r - c)

Legend: r positions of orbitals, R the cell of r' seen from that of r, m = (r + r')/2, c the middle of the sample.
The gauge is symmetric about c: A = B x (r - c)/2, for which the integral along a straight bond is A(m).(r - r').
Source: Peierls, Z. Phys. 80, 763 (1933).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from blochflow.exact.hopping_source import HoppingSource

BOND_BYTES = 120  # indices, values and phases of a bond, while the matrix is made
SITE_BYTES = 16 * 12  # vectors of one packet


@dataclass(frozen=True, eq=False)
class Sample:
    """A parallelepiped of unit cells.

    Attributes
    ----------
    vectors : (d, d) lattice vectors
    orbitals : (N, d) positions in the cell
    shape : (d,) unit cells along each lattice vector
    first : (d,) int
        The cell with the smallest indices.
    """

    vectors: np.ndarray
    orbitals: np.ndarray
    shape: np.ndarray
    first: np.ndarray

    @classmethod
    def around(cls, vectors: np.ndarray, orbitals: np.ndarray, shape: np.ndarray, middle: np.ndarray) -> Sample:
        """The sample whose middle is within a cell of a place."""
        reduced = (middle - orbitals.mean(axis=0)) @ np.linalg.inv(vectors)
        return cls(vectors, orbitals, shape, np.floor(reduced - (shape - 1) / 2 + 0.5).astype(int))

    @property
    def cell_count(self) -> int:
        """Number of unit cells."""
        return int(np.prod(self.shape))

    @property
    def indices(self) -> np.ndarray:
        """(cells, d) of every cell, counted from the first, last axis fastest."""
        return np.indices(tuple(self.shape)).reshape(len(self.shape), -1).T

    @property
    def cells(self) -> np.ndarray:
        """(cells, d) position of every cell."""
        return (self.indices + self.first) @ self.vectors

    @property
    def positions(self) -> np.ndarray:
        """(cells N, d) position of every orbital."""
        return (self.cells[:, None] + self.orbitals[None]).reshape(-1, self.vectors.shape[0])

    @property
    def middle(self) -> np.ndarray:
        """(d,) mean position of all orbitals."""
        return (self.first + (self.shape - 1) / 2) @ self.vectors + self.orbitals.mean(axis=0)

    @property
    def corners(self) -> np.ndarray:
        """(2, d) smallest and largest coordinates."""
        ends = np.indices((2,) * len(self.shape)).reshape(len(self.shape), -1).T * (self.shape - 1)
        places = ((ends + self.first) @ self.vectors)[:, None] + self.orbitals[None]
        return np.stack([places.min(axis=(0, 1)), places.max(axis=(0, 1))])

    def near_edge(self, margin: np.ndarray) -> np.ndarray:
        """(cells N,) True within ``margin`` (d,) cells of an edge."""
        index = self.indices
        near = ((index < margin) | (index >= self.shape - margin)).any(axis=1)
        return np.repeat(near, len(self.orbitals))


def bytes_needed(source: HoppingSource, shape: np.ndarray, packets: int) -> float:
    """Memory of the matrix and of the vectors."""
    cells = float(np.prod(shape.astype(float)))
    bonds = np.prod(np.maximum(shape - np.abs(source.cells), 0).astype(float), axis=1).sum()
    return BOND_BYTES * float(bonds) + SITE_BYTES * packets * cells * source.hamiltonian.num_bands


class LatticeHamiltonian:
    """Sparse H(t) of a sample: the bonds are found once, their values at every time.

    Parameters
    ----------
    source : HoppingSource
    sample : Sample
    magnetic : (d, d)
        G with A = G (r - c)/2, times e/hbar; zero without field.
    electric : function of the model's time, giving e E (d,); None without field
    steady_field : whether E is the same at all times
    """

    def __init__(
        self,
        source: HoppingSource,
        sample: Sample,
        magnetic: np.ndarray,
        electric: Callable[[float], np.ndarray] | None,
        steady_field: bool,
    ) -> None:
        self.source, self.sample, self.magnetic, self.electric = source, sample, magnetic, electric
        h = source.hamiltonian
        self.steady = not h.varies_in_time and (electric is None or steady_field)
        self.size = sample.cell_count * h.num_bands
        self.potential = sample.positions - sample.middle
        self._bonds = [self._valid_cells(cell) for cell in source.cells]
        counts = np.array([len(bond) for bond in self._bonds])
        strides = np.array([int(np.prod(sample.shape[axis + 1 :])) for axis in range(len(sample.shape))])
        start = np.concatenate(self._bonds)
        end = start + np.repeat(source.cells @ strides, counts)
        rows = start * h.num_bands + np.repeat(source.left, counts)
        columns = end * h.num_bands + np.repeat(source.right, counts)
        order = sparse.csr_matrix((np.arange(1.0, len(rows) + 1), (rows, columns)), shape=(self.size, self.size))
        order.sort_indices()
        self._order = order.data.astype(np.int64) - 1
        self._structure = (order.indices, order.indptr)
        on_site = (source.cells == 0).all(axis=1) & (source.left == source.right)
        self.diagonal = np.flatnonzero(np.repeat(on_site, counts)[self._order])
        self._phases = self._peierls(rows, columns) if magnetic.any() else None
        self._groups = self._midpoints() if h.varies_in_space else []
        self._kept: sparse.csr_matrix | None = None

    def _valid_cells(self, cell: np.ndarray) -> np.ndarray:
        """Cells from which a hopping over ``cell`` ends inside, as flat indices."""
        axes = [np.arange(max(0, -step), min(n, n - step)) for step, n in zip(cell, self.sample.shape, strict=True)]
        grid = np.meshgrid(*axes, indexing="ij")
        return np.ravel_multi_index(tuple(grid), tuple(self.sample.shape)).ravel()

    def _peierls(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """exp(-i (e/hbar) Int_j^i A.dl) of every bond."""
        there, here = self.potential[rows], self.potential[columns]
        action = ((there + here) / 2 @ self.magnetic.T / 2 * (there - here)).sum(axis=1)
        return np.exp(-1j * action)

    def _midpoints(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Elements with the same bond centre in the cell: that centre, and their numbers."""
        scale = np.linalg.norm(self.sample.vectors, axis=1).min()
        keys = np.round(self.source.offsets / scale, 9)
        found, index = np.unique(keys, axis=0, return_inverse=True)
        index = index.ravel()
        first = [int(np.flatnonzero(index == n)[0]) for n in range(len(found))]
        return [(self.source.offsets[f], np.flatnonzero(index == n)) for n, f in enumerate(first)]

    def elements(self, t: float) -> np.ndarray:
        """Values of all bonds at a time of the model, in the order of the matrix."""
        if self._groups:
            parts: list[Any] = [None] * len(self._bonds)
            cells = self.sample.cells
            for offset, chosen in self._groups:
                values = self.source.values(chosen, cells + offset, t)
                for column, number in enumerate(chosen):
                    parts[number] = values[self._bonds[number], column]
            values = np.concatenate(parts)
        else:
            every = np.arange(len(self._bonds))
            one = self.source.values(every, self.sample.middle[None], t)[0]
            values = np.repeat(one, [len(bond) for bond in self._bonds])
        values = values.astype(np.complex128)
        if self._phases is not None:
            values *= self._phases
        return values[self._order]

    def without_potential(self, t: float) -> sparse.csr_matrix:
        """H without e E.r: its mean is the energy of the band."""
        if not self.source.hamiltonian.varies_in_time:
            if self._kept is None:
                self._kept = self._matrix(self.elements(t))
            return self._kept
        return self._matrix(self.elements(t))

    def at(self, t: float) -> sparse.csr_matrix:
        """H at a time of the model; CSR with sorted columns, every diagonal element present."""
        matrix = self.without_potential(t)
        if self.electric is None:
            return matrix
        data = matrix.data.copy()
        data[self.diagonal] += self.potential @ self.electric(t)
        return self._matrix(data)

    def _matrix(self, data: np.ndarray) -> sparse.csr_matrix:
        return sparse.csr_matrix((data, *self._structure), shape=(self.size, self.size))
