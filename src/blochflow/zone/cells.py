"""Cells of the zone: a tree of boxes in reduced coordinates, halved along every axis at each level.

A cell is (level, index); it spans index / (base 2^level) to (index + 1) / (base 2^level) along each axis, moved by a
common shift.  All sums over cells run in the order of (level, index), so that they do not depend on who computed what.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CellSet:
    """Some cells of a tree.

    Attributes
    ----------
    base : (d,) int
        Cells per axis of level 0.
    shift : (d,)
        Origin of the tree.
    level : (B,) int
    index : (B, d) int
    multiplicity : (B,)
        How many cells of the zone, related by symmetry, each stands for.
    """

    base: np.ndarray
    shift: np.ndarray
    level: np.ndarray
    index: np.ndarray
    multiplicity: np.ndarray

    @classmethod
    def whole_zone(cls, base: tuple[int, ...], shift: tuple[float, ...] | None = None) -> CellSet:
        """All cells of level 0."""
        index = np.array(list(itertools.product(*(range(n) for n in base))), dtype=np.int64)
        origin = np.zeros(len(base)) if shift is None else np.asarray(shift, dtype=np.float64)
        level = np.zeros(len(index), dtype=np.int64)
        return cls(np.asarray(base, dtype=np.int64), origin, level, index, np.ones(len(index)))

    def __len__(self) -> int:
        return len(self.level)

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.base)

    @property
    def width(self) -> np.ndarray:
        """Edge lengths, (B, d)."""
        return 1.0 / (self.base * np.exp2(self.level)[:, None])

    @property
    def centre(self) -> np.ndarray:
        """Mid points, (B, d)."""
        return self.shift + (self.index + 0.5) * self.width

    @property
    def volume(self) -> np.ndarray:
        """Fraction of the zone that each stands for, (B,)."""
        return np.asarray(self.width.prod(axis=1) * self.multiplicity)

    def take(self, which: np.ndarray) -> CellSet:
        """A selection."""
        return CellSet(self.base, self.shift, self.level[which], self.index[which], self.multiplicity[which])

    def children(self) -> CellSet:
        """The 2^d halves of every cell."""
        offsets = np.array(list(itertools.product((0, 1), repeat=self.dimension)), dtype=np.int64)
        index = (2 * self.index[:, None, :] + offsets).reshape(-1, self.dimension)
        level, multiplicity = np.repeat(self.level + 1, len(offsets)), np.repeat(self.multiplicity, len(offsets))
        return CellSet(self.base, self.shift, level, index, multiplicity)

    def joined(self, other: CellSet) -> CellSet:
        """Both sets, one after the other."""
        names = ("level", "index", "multiplicity")
        parts = [np.concatenate([getattr(self, name), getattr(other, name)]) for name in names]
        return CellSet(self.base, self.shift, *parts)

    def order(self) -> np.ndarray:
        """Permutation that sorts by (level, index)."""
        return np.lexsort((*self.index.T[::-1], self.level))

    def points(self, nodes: np.ndarray) -> np.ndarray:
        """Tensor grids of ``nodes`` in [-1, 1], in reduced coordinates: (B, n^d, d)."""
        mesh = np.stack(np.meshgrid(*[nodes] * self.dimension, indexing="ij"), axis=-1).reshape(-1, self.dimension)
        return np.asarray(self.centre[:, None, :] + 0.5 * self.width[:, None, :] * mesh)
