"""Polygons in the plane: signed area, edges that cross."""

from __future__ import annotations

import numpy as np


def signed_area(corners: np.ndarray) -> float:
    """Positive for corners in counterclockwise order."""
    x, y = corners.T
    return float(0.5 * (x @ np.roll(y, -1) - np.roll(x, -1) @ y))


def first_crossing(corners: np.ndarray) -> tuple[int, int] | None:
    """Numbers of two edges that are not neighbours and meet, or of two neighbours that run back on each other."""
    count = len(corners)
    start, step = corners, np.roll(corners, -1, axis=0) - corners
    slack = 1e-12 * float(np.abs(step).max())
    for i in range(count):
        if np.abs(step[i]).max() <= slack:
            return i, (i + 1) % count
        for j in range(i + 1, count):
            if j == i + 1 or (i == 0 and j == count - 1):
                before, after = (i, j) if j == i + 1 else (j, i)
                turn = step[before, 0] * step[after, 1] - step[before, 1] * step[after, 0]
                if count > 3 and abs(turn) <= slack**2 + 1e-14 and step[before] @ step[after] < 0:
                    return i, j
            elif _meet(start[i], step[i], start[j], step[j]):
                return i, j
    return None


def _meet(a: np.ndarray, u: np.ndarray, b: np.ndarray, v: np.ndarray) -> bool:
    """Whether the segments a + s u and b + t v, s and t from 0 to 1, share a point."""
    cross = u[0] * v[1] - u[1] * v[0]
    away = b - a
    if abs(cross) > 1e-14 * np.sqrt((u @ u) * (v @ v)):
        s, t = ((away[0] * w[1] - away[1] * w[0]) / cross for w in (v, u))
        return bool(-1e-12 <= s <= 1 + 1e-12 and -1e-12 <= t <= 1 + 1e-12)
    if abs(away[0] * u[1] - away[1] * u[0]) > 1e-12 * (u @ u):
        return False
    ends = [float(x @ u) / float(u @ u) for x in (away, away + v)]
    return bool(max(ends) >= -1e-12 and min(ends) <= 1 + 1e-12)
