"""Sizes that integrands have before anything cancels: what is left of them by rounding is no signal."""

from __future__ import annotations

import numpy as np

from blochflow.geometry.bands import bands
from blochflow.models.base import AbstractModel
from blochflow.response.symmetry import sample_points


def size_of_drude(model: AbstractModel) -> float:
    """Average of |v|^2 over the width of the spectrum: the size of dI/d(mu/width), I the Drude integral for tau = 1.

    Energies are known to rounding of the width, so that at the edge of a band, where I vanishes, it is known to such a
    fraction of this.
    """
    speed, width = _speed_and_width(model)
    return float(speed.mean()) / width if width > 0 else 0.0


def size_of_curvature(model: AbstractModel) -> float:
    """Median of |V|^2 over the square of the width of the spectrum: no curvature of separate bands is much smaller."""
    speed, width = _speed_and_width(model)
    return float(np.median(speed)) / width**2 if width > 0 else 0.0


def size_of_dipole(model: AbstractModel, power: int = 2) -> float:
    """Median of |V|^3 over a power of the width of the spectrum: v times the curvature (2), or orbital moment (1)."""
    speed, width = _speed_and_width(model)
    return float(np.median(speed**1.5)) / width**power if width > 0 else 0.0


def _speed_and_width(model: AbstractModel) -> tuple[np.ndarray, float]:
    """Sum over bands of |v|^2 at random k, and the width of the spectrum there."""
    found = bands(model, sample_points(model))
    speed = np.abs(np.asarray(found.velocity)) ** 2
    return np.einsum("kann->k", speed), float(np.ptp(np.asarray(found.energies)))
