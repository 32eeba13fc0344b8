"""Random draws among those intervals that hold a value, with given weights: a segment tree.

Every interval is kept at O(log B) nodes of a binary tree over B bins, so that those at the nodes above a bin are those
that hold it.  Source: de Berg et al., "Computational Geometry" (2008), Sec. 10.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 2**14


@dataclass(frozen=True, eq=False)
class WeightedIntervals:
    """Intervals [low, high] with weights.

    Attributes
    ----------
    bins : (B + 1,)
        Between quantiles of all ends.
    first : (2 B + 1,)
        First entry of every node; node n has the children 2 n and 2 n + 1.
    interval : (E,)
        Of every entry.
    before : (E + 1,)
        Weights of all entries before.
    """

    bins: np.ndarray
    first: np.ndarray
    interval: np.ndarray
    before: np.ndarray

    @classmethod
    def of(cls, low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> WeightedIntervals:
        """Intervals of weight 0 are left out."""
        kept = np.flatnonzero(weight > 0)
        ends = np.sort(np.concatenate([low[kept], high[kept]]))
        bins = ends[np.round(np.linspace(0, len(ends) - 1, BINS + 1)).astype(int)]
        left = np.clip(np.searchsorted(bins, low[kept], side="right") - 1, 0, BINS - 1) + BINS
        right = np.clip(np.searchsorted(bins, high[kept], side="right") - 1, 0, BINS - 1) + BINS + 1
        nodes, entries = [], []
        while len(kept):
            for odd, node in ((left % 2 == 1, left), (right % 2 == 1, right - 1)):
                nodes.append(node[odd])
                entries.append(kept[odd])
            left, right = (left + 1) // 2, right // 2
            going = left < right
            left, right, kept = left[going], right[going], kept[going]
        node, interval = np.concatenate(nodes), np.concatenate(entries)
        order = np.argsort(node, kind="stable")
        first = np.searchsorted(node[order], np.arange(2 * BINS + 1))
        before = np.concatenate([[0.0], np.cumsum(weight[interval[order]])])
        return cls(bins, first, interval[order], before)

    def nodes(self, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nodes above the bins of values, (P, L), and the sums of weights up to and with each."""
        leaf = np.clip(np.searchsorted(self.bins, value, side="right") - 1, 0, BINS - 1) + BINS
        node = leaf[:, None] >> np.arange(BINS.bit_length())
        return node, np.cumsum(self.before[self.first[node + 1]] - self.before[self.first[node]], axis=1)

    def total(self, value: np.ndarray) -> np.ndarray:
        """Weight of all intervals that meet the bins of values, (P,)."""
        return np.asarray(self.nodes(value)[1][:, -1])

    def choose(self, value: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Intervals that meet the bins of values, (P,), from uniform random numbers."""
        node, sums = self.nodes(value)
        target = chance * sums[:, -1]
        at = np.minimum((sums <= target[:, None]).sum(axis=1), sums.shape[1] - 1)
        rows = np.arange(len(value))
        rest = target - np.where(at > 0, sums[rows, at - 1], 0.0)
        first, last = self.first[node[rows, at]], self.first[node[rows, at] + 1] - 1
        entry = np.searchsorted(self.before, self.before[first] + rest, side="right") - 1
        return np.asarray(self.interval[np.clip(entry, first, np.maximum(last, first))])
