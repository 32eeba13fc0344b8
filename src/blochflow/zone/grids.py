"""Uniform periodic grids as unions of shifted copies of one base grid, cut into batches of one fixed shape.

A grid of n * 2^l points per axis with shift s is the union of 2^(l d) copies of the base grid (n, shift s / 2^l),
each moved by multiples of 1/(n 2^l).  Doubling therefore reuses every point, and each batch of every level has the
same shape: one compilation, and results that do not depend on how many batches run at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from blochflow.core.checks import fail

MOST_POINTS = 10**10  # hours for two bands


@dataclass(frozen=True)
class Block:
    """A tensor-product batch: reduced coordinates per axis, and weights (0 for padding)."""

    axes: tuple[np.ndarray, ...]
    weights: np.ndarray


@dataclass(frozen=True)
class NestedGrid:
    """Base grid of a family that is refined by doubling.

    Attributes
    ----------
    base : tuple of int
        Points per axis of level 0.
    shift : float
        Shift of level 0, in units of its spacing.
    """

    base: tuple[int, ...]
    shift: float = 0.0

    def points(self, level: int) -> tuple[int, ...]:
        """Points per axis at ``level``."""
        return tuple(n * 2**level for n in self.base)

    def count(self, level: int) -> int:
        """Number of k points at ``level``."""
        return int(np.prod(self.points(level)))

    def new_copies(self, level: int) -> list[tuple[int, ...]]:
        """Offsets, in spacings of ``level``, of the base copies that ``level`` adds to the level below."""
        every = itertools.product(range(2**level), repeat=len(self.base))
        return [offset for offset in every if level == 0 or any(o % 2 for o in offset)]

    def blocks(self, level: int, offset: tuple[int, ...], target: int) -> Iterator[Block]:
        """Batches of one copy of the base grid, of about ``target`` points each."""
        sizes = block_shape(self.base, target)
        axes = [(np.arange(n) + self.shift + o / 2**level) / n for n, o in zip(self.base, offset, strict=True)]
        for chunk in itertools.product(*(pad_chunks(x, m) for x, m in zip(axes, sizes, strict=True))):
            weights = np.ones(1)
            for _, weight in chunk:
                weights = np.multiply.outer(weights, weight)
            yield Block(tuple(coordinates for coordinates, _ in chunk), weights.reshape(-1))


def block_shape(base: tuple[int, ...], target: int) -> tuple[int, ...]:
    """Points per axis of a batch: whole trailing axes first, up to about ``target`` points."""
    shape = [1] * len(base)
    budget = max(1, target)
    for axis in reversed(range(len(base))):
        chunks = max(1, -(-base[axis] // max(1, budget)))
        shape[axis] = -(-base[axis] // chunks)
        budget //= shape[axis]
        if chunks > 1 or budget <= 1:
            break
    return tuple(shape)


def pad_chunks(coordinates: np.ndarray, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut coordinates into chunks of ``size``; the last is padded with its final value at weight 0."""
    chunks = []
    for start in range(0, len(coordinates), size):
        part = coordinates[start : start + size]
        missing = size - len(part)
        padded = np.concatenate([part, np.repeat(part[-1:], missing)])
        chunks.append((padded, np.concatenate([np.ones(len(part)), np.zeros(missing)])))
    return chunks


def requested_grid(grid: object, dimension: int) -> tuple[int, ...]:
    """Points per axis from a number or a sequence."""
    must = f"be a positive integer or {dimension} of them"
    try:
        array = np.atleast_1d(np.asarray(grid))
    except (TypeError, ValueError) as exc:
        raise fail("grid", must, f"is {grid!r}") from exc
    if array.size == 1:
        array = np.repeat(array, dimension)
    if array.shape != (dimension,) or not np.issubdtype(array.dtype, np.integer) or np.any(array < 1):
        raise fail("grid", must, f"is {grid!r}")
    points = tuple(int(n) for n in array)
    count = math.prod(points)
    if count > MOST_POINTS:
        raise fail("grid", f"have at most {MOST_POINTS:.0e} points", f"has {count:.2g}; leave it out for a tolerance")
    return points


def automatic_base(reciprocal: np.ndarray) -> tuple[int, ...]:
    """Starting grid with about equal spacing along the reciprocal vectors: 64, 24 or 12 points on the longest."""
    lengths = np.linalg.norm(reciprocal, axis=1)
    longest = {1: 64, 2: 24, 3: 12}[len(lengths)]
    return tuple(int(n) for n in np.maximum(4, np.ceil(longest * lengths / lengths.max())))
