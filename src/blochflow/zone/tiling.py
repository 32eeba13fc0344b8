"""Cells of a uniform, shifted tiling of the zone, with Gauss nodes in each and polynomials through them.

    X(k) = sum_i X(k_i) prod_a L_{i_a}(x_a),   x = position in the cell scaled to [-1, 1]^d

The nodes of a block of neighbouring cells are a tensor product, so that Fourier sums on them factorise.  L_i are the
Lagrange polynomials of the Gauss-Legendre nodes; n nodes per axis integrate polynomials of degree 2 n - 1 exactly.
Source: Davis and Rabinowitz, Methods of Numerical Integration (1984), ch. 2.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.zone.grids import block_shape, pad_chunks
from blochflow.zone.polynomials import gauss_rule


@dataclass(frozen=True)
class CellBlock:
    """Neighbouring cells of one size, a tensor product over the axes.

    Attributes
    ----------
    edges : per axis, the lower edges of the cells, reduced coordinates
    widths : per axis, the width of a cell
    weights : (cells,) 1, or 0 for padding, last axis fastest
    level : number of times the cells of the tiling have been halved
    """

    edges: tuple[np.ndarray, ...]
    widths: tuple[float, ...]
    weights: np.ndarray
    level: int = 0

    @property
    def volume(self) -> float:
        """Volume of one cell in units of the zone."""
        return float(np.prod(self.widths))

    def axes(self, nodes: np.ndarray) -> tuple[np.ndarray, ...]:
        """Coordinates along each axis of the given positions, in [-1, 1], of every cell."""
        scaled = 0.5 * (nodes + 1)
        return tuple((e[:, None] + w * scaled).reshape(-1) for e, w in zip(self.edges, self.widths, strict=True))

    def halved(self, cell: int) -> CellBlock:
        """The 2^d halves of one cell."""
        index = np.unravel_index(cell, tuple(len(e) for e in self.edges))
        widths = tuple(0.5 * w for w in self.widths)
        edges = tuple(e[i] + w * np.arange(2) for e, i, w in zip(self.edges, index, widths, strict=True))
        return CellBlock(edges, widths, np.full(2 ** len(widths), self.weights[cell]), self.level + 1)


def tile(cells: tuple[int, ...], shift: np.ndarray, largest: int) -> Iterator[CellBlock]:
    """The zone as blocks of at most about ``largest`` cells of one shape; ``shift`` in units of a cell."""
    widths = tuple(1.0 / n for n in cells)
    shape = block_shape(cells, largest)
    edges = [(np.arange(n) + s) * w for n, s, w in zip(cells, shift, widths, strict=True)]
    for chunk in itertools.product(*(pad_chunks(x, m) for x, m in zip(edges, shape, strict=True))):
        weights = np.ones(1)
        for _, weight in chunk:
            weights = np.multiply.outer(weights, weight)
        yield CellBlock(tuple(edge for edge, _ in chunk), widths, weights.reshape(-1))


def whole_cells(count: int, dimension: int) -> np.ndarray:
    """Corners (count, 2, d) of boxes that fill their cells."""
    return np.broadcast_to(np.array([[-1.0] * dimension, [1.0] * dimension]), (count, 2, dimension))


def halved_boxes(corners: np.ndarray) -> np.ndarray:
    """(boxes, 2, d) -> (boxes 2^d, 2, d)."""
    d = corners.shape[2]
    bits = np.array(np.meshgrid(*[[0.0, 1.0]] * d, indexing="ij")).reshape(d, -1).T
    half = 0.5 * (corners[:, 1] - corners[:, 0])
    low = corners[:, None, 0] + bits * half[:, None]
    return np.stack([low, low + half[:, None]], axis=2).reshape(-1, 2, d)


def lagrange(count: int, x: Array) -> Array:
    """(m, count): Lagrange polynomials of the ``count`` Gauss nodes at positions x (m,)."""
    nodes = gauss_rule(count).nodes
    columns = []
    for i in range(count):
        others = np.delete(nodes, i)
        columns.append(jnp.prod((x[:, None] - others) / (nodes[i] - others), axis=1))
    return jnp.stack(columns, axis=1)


def interpolate(values: Array, matrices: list[Array]) -> Array:
    """Values (n^d, X) on the nodes of a cell -> (m_1 .. m_d, X) at the tensor product of positions.

    ``matrices`` (m_a, n) are `lagrange` of the positions along each axis.
    """
    rows = 1
    for matrix in matrices:
        values = matrix @ values.reshape(rows, matrix.shape[1], -1)
        rows *= matrix.shape[0]
    return values.reshape(rows, -1)
