"""Narrow places of curves that a grid cannot see: they are followed step by step from where they enter a cell.

    k <- k + h t,   t normal to v = grad E,   then along v back to E(k) = mu;   |v' - v| less than a share of |v|

An element over whose length v changes by its own size may join the wrong branches: next to a saddle, at the end of a
neck or gap thinner than a cell.  Such elements are taken out, and the curve is followed from the vertex before each to
the first of the vertices behind them that it meets.
"""

from __future__ import annotations

import numpy as np

from blochflow.zone.marching import Box
from blochflow.zone.roots import Levels, roots_on_rays

# Relative change of v over an element that is not trusted, and over a step.
UNSURE, CHANGE = 0.7, 0.35
# Factors of steps, rounds of steps for all curves together, and elements beyond which the grid is just coarse.
SHORTER, LONGER, ROUNDS, MOST = 0.5, 1.6, 400, 64
# What a vertex may be beside a step that passes through it, in steps; |v| h in units of all energies at which the
# curve is lost in their rounding.
BESIDE, SMALLEST = 0.15, 3e-11

# vertices, gradients (V, d), elements and images (F, 2), (F, 2, d)
Mesh = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def traced(mesh: Mesh, levels: Levels, mu: float, scale: float, box: Box) -> Mesh:
    """The mesh of curves with elements that are not trusted replaced; unchanged where the curve is lost.

    Parameters
    ----------
    mesh : (vertices, gradients, elements, images)
    levels, mu, scale
        As `zone.fermi_surface.level_shapes`.
    box : Box
        The grid; its shorter step is the longest step.
    """
    vertices, slopes, elements, images = mesh
    doubted = relative_change(slopes[elements[:, 0]], slopes[elements[:, 1]]) > UNSURE
    if not 0 < doubted.sum() <= MOST:
        return mesh
    ends, starts = elements[doubted, 0], elements[doubted, 1]
    paths, met, hops = _follow(vertices, slopes, ends, starts, levels, mu, scale, box)
    if sorted(met) != list(range(len(starts))):
        return mesh
    corners, shifts, size = [elements[~doubted]], [images[~doubted]], len(vertices)
    for end, path, target, hop in zip(ends, paths, met, hops, strict=True):
        row = np.array([end, *range(size, size + len(path)), starts[target]])
        size += len(path)
        shift = np.zeros((len(row) - 1, 2, 2), dtype=images.dtype)
        shift[-1, 1] = hop
        corners.append(np.stack([row[:-1], row[1:]], axis=1))
        shifts.append(shift)
    added = [x for path in paths for x in path]
    places, gradients = (np.array([x[i] for x in added]).reshape(-1, 2) for i in (0, 1))
    joined = np.concatenate([vertices, places]), np.concatenate([slopes, gradients])
    return *joined, np.concatenate(corners), np.concatenate(shifts)


def relative_change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """|v' - v|/min(|v|, |v'|), (.., d) -> (..)."""
    size = np.minimum(np.linalg.norm(before, axis=-1), np.linalg.norm(after, axis=-1))
    return np.asarray(np.linalg.norm(after - before, axis=-1) / np.maximum(size, 1e-300))


def _follow(
    vertices: np.ndarray,
    slopes: np.ndarray,
    ends: np.ndarray,
    starts: np.ndarray,
    levels: Levels,
    mu: float,
    scale: float,
    box: Box,
) -> tuple[list[list[tuple[np.ndarray, np.ndarray]]], list[int], list[np.ndarray]]:
    """Points and gradients from each end to the start it meets, which that is (-1: none), and periods to add to it."""
    cell = float(np.linalg.norm(box.steps, axis=1).min())
    k, v, h = vertices[ends].copy(), slopes[ends].copy(), np.full(len(ends), 0.25 * cell)
    paths: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in ends]
    met, hops = [-1] * len(ends), [np.zeros(2, dtype=int)] * len(ends)
    going = np.arange(len(ends))
    for _ in range(ROUNDS):
        size = np.linalg.norm(v[going], axis=1)
        if not len(going) or (size * h[going] < SMALLEST * scale).any():
            break
        n = v[going] / size[:, None]
        ahead = k[going] + h[going, None] * np.stack([-n[:, 1], n[:, 0]], axis=1)
        t, _, slope, found = roots_on_rays(levels, mu, ahead, n, 0.5 * h[going], scale)
        good = found & (relative_change(v[going], slope) < CHANGE)
        h[going[~good]] *= SHORTER
        for i, place, gradient in zip(going[good], (ahead + t[:, None] * n)[good], slope[good], strict=True):
            met[i], hops[i] = _passed(k[i], place, gradient, vertices[starts], slopes[starts], box)
            if met[i] < 0:
                paths[i].append((place, gradient))
                k[i], v[i], h[i] = place, gradient, min(LONGER * h[i], cell)
        going = np.array([i for i in going if met[i] < 0], dtype=int)
    return paths, met, hops


def _passed(
    before: np.ndarray, after: np.ndarray, slope: np.ndarray, starts: np.ndarray, slopes: np.ndarray, box: Box
) -> tuple[int, np.ndarray]:
    """The first start between two points of the curve, or -1, and the periods that bring it there."""
    way = after - before
    length = float(np.linalg.norm(way))
    hops = np.rint((before - starts) @ np.linalg.inv(box.spans)).astype(int) * box.periodic
    apart = starts + hops @ box.spans - before
    along, beside = apart @ way / length, np.abs(apart @ np.array([-way[1], way[0]])) / length
    hit = (along > 0) & (along <= length) & (beside < BESIDE * length)
    hit &= relative_change(np.broadcast_to(slope, slopes.shape), slopes) < 2 * CHANGE
    if not hit.any():
        return -1, hops[0] * 0
    first = int(np.where(hit, along, np.inf).argmin())
    return first, hops[first]
