"""A level set cut at |k| = K: elements that cross the sphere end on it.

    E(k) = mu,  |k| = K:   k <- k - J^T (J J^T)^-1 (E - mu, |k| - K),   J = (grad E, k/|k|)

In 2D the ends are exact; in 3D they are joined by straight edges, which changes the area by order h^2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from blochflow.zone.roots import Levels
from blochflow.zone.sheets import Piece, split

NEWTON_STEPS = 30


def clip(pieces: list[Piece], levels: Levels, mu: float, radius: float) -> tuple[list[Piece], list[bool]]:
    """Parts of the pieces within |k| <= radius, and which of them end on it."""
    kept: list[Piece] = []
    touching: list[bool] = []
    for piece in pieces:
        inside = np.linalg.norm(piece.vertices, axis=1) < radius
        if inside.all():
            kept.append(piece)
            touching.append(False)
        elif inside.any():
            parts = _cut(piece, inside, levels, mu, radius)
            kept += parts
            touching += [True] * len(parts)
    return kept, touching


def _cut(piece: Piece, inside: np.ndarray, levels: Levels, mu: float, radius: float) -> list[Piece]:
    """Elements within the sphere, those that cross it shortened."""
    corners = piece.elements.shape[1]
    count = inside[piece.elements].sum(axis=1)
    elements = [piece.elements[count == corners]]
    pairs: dict[tuple[int, int], int] = {}

    def crossing(i: int, j: int) -> int:
        return pairs.setdefault((min(i, j), max(i, j)), len(piece.vertices) + len(pairs))

    crossed = [
        part
        for element in piece.elements[(count > 0) & (count < corners)].tolist()
        for part in _shortened(element, inside, crossing)
    ]
    elements.append(np.array(crossed, dtype=int).reshape(-1, corners))
    ends = np.array(list(pairs), dtype=int).reshape(-1, 2)
    a, b = piece.vertices[ends[:, 0]], piece.vertices[ends[:, 1]]
    ra, rb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    start = a + ((radius - ra) / (rb - ra))[:, None] * (b - a)
    added, gradients = _on_sphere(levels, mu, radius, start)
    joined = np.concatenate(elements)
    images = np.zeros((len(joined), corners, piece.spans.shape[0]), dtype=int)
    vertices = np.concatenate([piece.vertices, added])
    return split(vertices, np.concatenate([piece.gradients, gradients]), joined, images, piece.spans)


def _shortened(element: list[int], inside: np.ndarray, cut: Callable[[int, int], int]) -> list[list[int]]:
    """One or two elements in place of one that crosses the sphere; ``cut`` gives the vertex between two."""
    while not (inside[element[0]] and not inside[element[-1]]):
        if len(element) == 2:
            return [[cut(element[0], element[1]), element[1]]]
        element = element[1:] + element[:1]
    if len(element) == 2:
        return [[element[0], cut(element[0], element[1])]]
    a, b, c = element
    if inside[b]:
        p, q = cut(b, c), cut(c, a)
        return [[a, b, p], [a, p, q]]
    return [[a, cut(a, b), cut(c, a)]]


def _on_sphere(levels: Levels, mu: float, radius: float, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of the level set on the sphere near k (C, d), and gradients there."""
    gradient = np.zeros_like(k)
    for _ in range(NEWTON_STEPS if len(k) else 0):
        energy, gradient = levels(k)
        size = np.linalg.norm(k, axis=1)
        away = k / size[:, None]
        miss = np.stack([energy - mu, size - radius], axis=1)
        jacobian = np.stack([gradient, away], axis=1)
        gram = np.einsum("cia,cja->cij", jacobian, jacobian)
        # Where the level set is tangent to the sphere the two conditions coincide: the pseudo-inverse stays finite.
        change = np.einsum("cia,cij,cj->ca", jacobian, np.linalg.pinv(gram, hermitian=True), miss)
        if np.abs(change).max() <= 4 * np.finfo(float).eps * radius:
            break
        k = k - change
    return k, gradient
