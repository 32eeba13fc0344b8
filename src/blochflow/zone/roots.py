"""Newton steps to the level set E(k) = mu, many points at once.

    k <- k + n s,   s = -(E - mu)/(n . grad E)

On a grid edge the root is bracketed, so that Newton steps that leave the bracket are replaced by halving it; on a ray
(a point near the surface and a direction across it) the steps are limited instead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# function(k) -> energy (P,), gradient (P, d) of one band, for k (P, d)
Levels = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

EDGE_STEPS = 80  # halvings alone reach the spacing of doubles in 53
RAY_STEPS = 40
SAMPLES = 65  # along a ray on which Newton steps did not settle
ROUNDING = 16 * np.finfo(float).eps


def roots_on_edges(
    levels: Levels, mu: float, low: np.ndarray, high: np.ndarray, values: tuple[np.ndarray, np.ndarray], scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where E = mu between ``low`` (E <= mu) and ``high`` (E > mu), each (V, d): positions, energies, gradients.

    ``values`` are the energies at both ends, ``scale`` the size of energies, which sets the rounding error.
    """
    along = high - low
    below, above = values
    a, b = np.zeros(len(low)), np.ones(len(low))
    t = np.clip((mu - below) / np.maximum(above - below, 1e-300), 0.0, 1.0)
    k, energy, gradient = low + t[:, None] * along, np.full(len(low), np.inf), np.zeros_like(low)
    open_ = np.arange(len(low))
    for _ in range(EDGE_STEPS):
        if not len(open_):
            break
        k[open_] = low[open_] + t[open_, None] * along[open_]
        energy[open_], gradient[open_] = levels(k[open_])
        miss, where = energy[open_] - mu, t[open_]
        a[open_], b[open_] = np.where(miss <= 0, where, a[open_]), np.where(miss > 0, where, b[open_])
        slope = np.einsum("va,va->v", gradient[open_], along[open_])
        with np.errstate(divide="ignore", invalid="ignore"):
            step = where - miss / slope
        inside = (step > a[open_]) & (step < b[open_])
        t[open_] = np.where(inside, step, 0.5 * (a[open_] + b[open_]))
        narrow = b[open_] - a[open_] <= np.finfo(float).eps
        open_ = open_[(np.abs(miss) > ROUNDING * scale) & ~narrow]
    return k, energy, gradient


def roots_on_rays(
    levels: Levels, mu: float, start: np.ndarray, direction: np.ndarray, reach: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where E = mu on the lines start + t direction, |t| <= reach: t, energies, gradients, and which were found.

    start, direction (P, d); reach (P,).  Where Newton steps do not settle, the line is scanned;
    t is 0 on a line without a root.
    """
    t = np.zeros(len(start))
    energy, gradient = np.full(len(start), np.inf), np.zeros_like(start)
    open_ = np.arange(len(start))
    for _ in range(RAY_STEPS):
        if not len(open_):
            break
        energy[open_], gradient[open_] = levels(start[open_] + t[open_, None] * direction[open_])
        miss = energy[open_] - mu
        slope = np.einsum("pa,pa->p", gradient[open_], direction[open_])
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.nan_to_num(-miss / slope, posinf=0.0, neginf=0.0)
        # Newton on a curved surface overshoots at most by the curvature within reach; longer steps are not believed.
        step = np.clip(step, -0.5 * reach[open_], 0.5 * reach[open_])
        going = np.abs(miss) > ROUNDING * scale
        t[open_] = np.clip(t[open_] + np.where(going, step, 0.0), -reach[open_], reach[open_])
        open_ = open_[going]
    # Rounding of a tilted Hamiltonian may exceed the estimate: a miss of 100 roundings is still a root.
    found = np.abs(energy - mu) <= 100 * ROUNDING * scale
    lost = np.flatnonzero(~found)
    if len(lost):
        t[lost], energy[lost], gradient[lost] = _by_scanning(
            levels, mu, start[lost], direction[lost], reach[lost], scale
        )
        found[lost] = np.abs(energy[lost] - mu) <= 100 * ROUNDING * scale
    return t, energy, gradient, found


def _by_scanning(
    levels: Levels, mu: float, start: np.ndarray, direction: np.ndarray, reach: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The root nearest to t = 0 where E rises, between neighbouring samples; t = 0 where there is none."""
    t = reach[:, None] * np.linspace(-1, 1, SAMPLES)
    points = start[:, None] + t[..., None] * direction[:, None]
    miss = levels(points.reshape(-1, start.shape[1]))[0].reshape(t.shape) - mu
    rising = (miss[:, :-1] <= 0) & (miss[:, 1:] > 0)
    at = np.where(rising, np.abs(t[:, :-1] + t[:, 1:]), np.inf).argmin(axis=1)
    rows = np.arange(len(start))
    ends = (points[rows, at], points[rows, at + 1])
    values = (mu + miss[rows, at], mu + miss[rows, at + 1])
    none = ~rising[rows, at]
    ends[0][none] = ends[1][none] = start[none]
    k, energy, gradient = roots_on_edges(levels, mu, *ends, values, scale)
    return np.einsum("pa,pa->p", k - start, direction) / (direction**2).sum(axis=1), energy, gradient
