"""Weights of bands in sums over states: what multiplies cumulative sums, and what multiplies surface terms."""

from __future__ import annotations

import numpy as np
from scipy.special import expit


def occupation_steps(energies: np.ndarray, mu: float, kt: float) -> np.ndarray:
    """f_j - f_{j+1} with f_N = 0, (..., N)."""
    f = expit((mu - energies) / kt) if kt else np.heaviside(mu - energies, 0.5)
    return np.asarray(f - np.concatenate([f[..., 1:], np.zeros_like(f[..., :1])], axis=-1))


def surface_weights(energies: np.ndarray, mu: float, kt: float) -> np.ndarray:
    """-f'(E), NaN at T = 0."""
    f = expit((mu - energies) / kt) if kt else np.full_like(energies, np.nan)
    return np.asarray(f * (1 - f) / (kt or 1.0))
