"""A smooth correlation between the points of a Fermi surface as a product of factors: W(k_i - k_j) = (L L^T)_ij.

Pivoted Cholesky decomposition: pivots are taken from points drawn with probability proportional to what is left of
their diagonal, the worst first.  For a positive kernel the rest is bounded by its diagonal, |W - L L^T|_ij <=
sqrt(d_i d_j), whatever was drawn.  W(k - k') is positive where the correlation in
real space is nowhere negative, as for Gaussian and screened Coulomb potentials; others are found out by samples.
Sums over scattering events then cost N times the rank, which saturates with N, instead of N^2.
Source: Harbrecht, Peters, Schneider, Appl. Numer. Math. 62, 428 (2012); Chen, Epperly, Tropp, Webber, Commun. Pure
Appl. Math. 78, 995 (2025).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Neglected part of W, relative to its largest value.
NEGLECTED = 1e-11
# Candidates for pivots at once, and how much smaller than the worst of them a taken one may be.
CANDIDATES, WORTH = 64, 0.02
# Bytes of the factor.
FACTOR_BYTES = 2**31
# Sampled pairs, and how wrong they may be before W is not positive.
SAMPLES, SAMPLE_ERROR = 4096, 1e-10


def factor(scalar: Callable[[np.ndarray], np.ndarray], k: np.ndarray) -> np.ndarray | None:
    """L (N, r) of W(k_i - k_j), or None where r would not be small or W is not positive."""
    count = len(k)
    most = min(count // 4, FACTOR_BYTES // (8 * max(count, 1)))
    left = np.array(np.broadcast_to(scalar(np.zeros_like(k)), count), dtype=float)
    largest = float(left.max(initial=0.0))
    columns, taken = np.empty((count, min(most, 256))), 0
    rng = np.random.default_rng(23)
    while left.max() > NEGLECTED * largest:
        drawn = np.searchsorted(np.cumsum(left), rng.random(CANDIDATES) * left.sum())
        pivots = np.unique(np.append(np.minimum(drawn, count - 1), left.argmax()))
        worst = left.max()
        rest = np.asarray(scalar(k[:, None] - k[pivots][None]), dtype=float)
        rest -= columns[:, :taken] @ columns[pivots, :taken].T
        while True:
            best = int(left[pivots].argmax())
            size = left[pivots[best]]
            if size < max(WORTH * worst, NEGLECTED * largest):
                break
            if taken >= most:
                return None
            if taken == columns.shape[1]:
                columns = np.concatenate([columns, np.empty((count, min(taken, most - taken)))], axis=1)
            new = rest[:, best] / np.sqrt(size)
            columns[:, taken] = new
            taken += 1
            left = np.maximum(left - new**2, 0.0)
            left[pivots[best]] = 0.0
            rest -= np.outer(new, new[pivots])
    result = np.ascontiguousarray(columns[:, :taken])
    i, j = np.random.default_rng(22).integers(0, count, (2, SAMPLES))
    error = np.abs(scalar(k[i] - k[j]) - np.einsum("pr,pr->p", result[i], result[j])).max()
    return result if error <= SAMPLE_ERROR * largest else None
