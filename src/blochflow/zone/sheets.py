"""Connected pieces of a level set: unwrapped vertices, winding, boundary, Euler characteristic.

    position of a corner = vertex + images @ spans;     chi = V - E + F

A piece that closes only after a translation by periods is open; the translations form a lattice, given by a basis in
Hermite normal form.  Vertices are moved by periods along a spanning tree, so that a closed piece is contiguous.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from blochflow.zone.marching import element_normals


@dataclass(frozen=True)
class Piece:
    """A connected piece of a level set.

    Attributes
    ----------
    vertices, gradients : (V, d)
    elements : (F, d)
        Segments or triangles, oriented: normals point along the gradient.
    images : (F, d, d)
        Periods to be added to each corner; zero for the first corner, and everywhere in a closed piece.
    spans : (d, d)
        Periods, rows.
    winding : (d, d)
        Basis of the translations that lead back to the same piece, in periods; rows of zeros fill up.
    boundary : bool
        It ends somewhere: at the edge of a grid that is not periodic, or at a cutoff.
    """

    vertices: np.ndarray
    gradients: np.ndarray
    elements: np.ndarray
    images: np.ndarray
    spans: np.ndarray
    winding: np.ndarray
    boundary: bool

    @property
    def closed(self) -> bool:
        """True without boundary and without winding."""
        return not self.boundary and not self.winding.any()

    @property
    def corners(self) -> np.ndarray:
        """Positions of the corners of each element, (F, corner, d)."""
        return np.asarray(self.vertices[self.elements] + self.images @ self.spans)

    @property
    def flat_normal(self) -> np.ndarray:
        """Sum of the normals of the flat elements, (d,): depends on the winding only."""
        return np.asarray(element_normals(self.corners).sum(axis=0))

    @property
    def euler_characteristic(self) -> int:
        """V - E + F, counting vertices that are equivalent once."""
        if self.elements.shape[1] == 2:
            return len(self.vertices) - len(self.elements)
        return len(self.vertices) - len(_edges(self.elements, self.images)[0]) + len(self.elements)


def split(
    vertices: np.ndarray, gradients: np.ndarray, elements: np.ndarray, images: np.ndarray, spans: np.ndarray
) -> list[Piece]:
    """Connected pieces of a mesh, those with the most elements first."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(elements):
        return []
    count = len(vertices)
    ring = np.concatenate([elements[:, [i, i - 1]] for i in range(1, elements.shape[1])])
    graph = coo_matrix((np.ones(len(ring)), ring.T), shape=(count, count)).tocsr()
    _, label = connected_components(graph, directed=False)
    of_element = label[elements[:, 0]]
    order = np.argsort(of_element, kind="stable")
    pieces = []
    for chosen in np.split(order, np.flatnonzero(np.diff(of_element[order])) + 1):
        used, renumbered = np.unique(elements[chosen], return_inverse=True)
        faces = renumbered.reshape(len(chosen), -1)
        pieces.append(_unwrap(vertices[used], gradients[used], faces, images[chosen], spans))
    return sorted(pieces, key=lambda piece: -len(piece.elements))


def _unwrap(
    vertices: np.ndarray, gradients: np.ndarray, elements: np.ndarray, images: np.ndarray, spans: np.ndarray
) -> Piece:
    """Make a piece contiguous along a spanning tree; what cannot be undone is its winding."""
    pairs, hops, uses = _edges(elements, images)
    moved = np.zeros((len(vertices), spans.shape[0]), dtype=int)
    if images.any():
        moved = _tree_offsets(len(vertices), pairs, hops)
    rest = images - moved[elements]
    rest = rest - rest[:, :1]
    winding = hermite_basis(rest.reshape(-1, spans.shape[0]))
    boundary = bool((uses == 1).any()) if elements.shape[1] == 3 else len(vertices) != len(elements)
    return Piece(vertices + moved @ spans, gradients, elements, rest, spans, winding, boundary)


def _edges(elements: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct edges (E, 2), their hops in periods (E, d), and how many elements share each."""
    d = images.shape[-1]
    ring = itertools.combinations(range(elements.shape[1]), 2)
    table = []
    for i, j in ring:
        a, b, hop = elements[:, i], elements[:, j], images[:, j] - images[:, i]
        swap = a > b
        table.append(np.column_stack([np.where(swap, b, a), np.where(swap, a, b), np.where(swap[:, None], -hop, hop)]))
    unique, uses = np.unique(np.concatenate(table), axis=0, return_counts=True)
    return unique[:, :2], unique[:, 2 : 2 + d], uses


def _tree_offsets(count: int, pairs: np.ndarray, hops: np.ndarray) -> np.ndarray:
    """Periods (V, d) to add to each vertex so that all edges of a spanning tree have no hop."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order

    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(count, count)).tocsr()
    order, before = breadth_first_order(graph, 0, directed=False)
    hop_of = {}
    for (a, b), hop in zip(pairs.tolist(), hops, strict=True):
        hop_of[a, b], hop_of[b, a] = hop, -hop
    offsets = np.zeros((count, hops.shape[1]), dtype=int)
    for vertex in order[1:].tolist():
        parent = int(before[vertex])
        offsets[vertex] = offsets[parent] + hop_of[parent, vertex]
    return offsets


def hermite_basis(vectors: np.ndarray) -> np.ndarray:
    """(d, d) Hermite normal form of the lattice that integer vectors (N, d) generate; rows of zeros fill up."""
    d = vectors.shape[1]
    rows = [list(map(int, row)) for row in np.unique(vectors, axis=0) if row.any()]
    basis: list[list[int]] = []
    for column in range(d):
        while len([r for r in rows if r[column]]) > 1:
            rows.sort(key=lambda r: (r[column] == 0, abs(r[column])))
            pivot = rows[0]
            for row in rows[1:]:
                factor = row[column] // pivot[column]
                row[:] = [x - factor * y for x, y in zip(row, pivot, strict=True)]
            rows = [row for row in rows if any(row)]
        for row in [r for r in rows if r[column]]:
            rows.remove(row)
            sign = 1 if row[column] > 0 else -1
            basis.append([sign * x for x in row])
    for number, row in enumerate(basis):
        column = next(i for i, x in enumerate(row) if x)
        for above in basis[:number]:
            factor = above[column] // row[column]
            above[:] = [x - factor * y for x, y in zip(above, row, strict=True)]
    result = np.zeros((d, d), dtype=int)
    result[: len(basis)] = np.array(basis, dtype=int).reshape(-1, d)
    return result


def chain(piece: Piece) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices of a curve in order, the period it closes with (0 if closed), and the order: (M, d), (d,), (M,).

    A curve with a boundary starts at one end; low values are on the left of the way.
    """
    after = np.full(len(piece.vertices), -1)
    hop = np.zeros((len(piece.vertices), piece.spans.shape[0]), dtype=int)
    after[piece.elements[:, 0]] = piece.elements[:, 1]
    hop[piece.elements[:, 0]] = piece.images[:, 1]
    starts = np.setdiff1d(piece.elements[:, 0], piece.elements[:, 1])
    vertex = int(starts[0]) if len(starts) else 0
    order, offsets, offset = [], [], np.zeros(piece.spans.shape[0], dtype=int)
    for _ in range(len(piece.vertices)):
        order.append(vertex)
        offsets.append(offset)
        offset, vertex = offset + hop[vertex], int(after[vertex])
        if vertex < 0:
            break
    period = np.zeros(len(offset)) if len(starts) else offset @ piece.spans
    return piece.vertices[order] + np.array(offsets) @ piece.spans, period, np.array(order)
