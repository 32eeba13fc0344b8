"""The energies that carriers have at T > 0: the window of an integral over energy, and the weight -f' in it."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from blochflow.response.fermi_parts import FermiParts

# The energy window: |eps - mu| in k_B T, where -f' is 1e-10 of its maximum.
WINDOW = 24.0
# An end of the window as close to a critical energy, in k_B T, is moved inwards by as much.
CLEAR = 0.5
# Where surfaces of two sizes are compared, in k_B T from mu.
SAMPLES = (-1.5, 1.5)
# f (1 - f) below which a band edge holds no carriers: near the smallest number.
UNOCCUPIED = 1e-280


def energy_window(request: FermiParts, mu: float, kt: float) -> tuple[float, float, list[float]]:
    """Ends of the integral over energy, and energies at which carriers are.

    Where mu lies in a band these are around mu; in a gap at its edges, however far these are, as long as their
    occupation is a number.
    """
    low, high = mu - WINDOW * kt, mu + WINDOW * kt
    samples = [mu + x * kt for x in SAMPLES]
    if all(map(request.in_band, samples)):
        return *clear_of(request.edges, low, high, CLEAR * kt), samples
    below = max((upper for _, upper in request.ranges if upper <= mu), default=None)
    above = min((lower for lower, _ in request.ranges if lower >= mu), default=None)
    held = [
        e + sign * kt
        for edge in (below, above, *(e for e in request.edges if low < e < high))
        if edge is not None and slope_of_step(edge, mu, kt) > UNOCCUPIED
        for e, sign in ((float(edge), -1.0), (float(edge), 1.0))
    ]
    ends = [e for e in (below, above) if e is not None and slope_of_step(e, mu, kt) > UNOCCUPIED]
    low = min([low, *(e - WINDOW * kt for e in ends)])
    high = max([high, *(e + WINDOW * kt for e in ends)])
    return *clear_of(request.edges, low, high, CLEAR * kt), sorted(filter(request.in_band, {*held, *samples}))


def clear_of(edges: np.ndarray, low: float, high: float, apart: float) -> tuple[float, float]:
    """A window whose ends are not at critical energies, where no surface is resolved."""
    near_low, near_high = edges[np.abs(edges - low) < apart], edges[np.abs(edges - high) < apart]
    return float(near_low.max(initial=low - apart)) + apart, float(near_high.min(initial=high + apart)) - apart


def slope_of_step(energy: float, mu: float, kt: float) -> float:
    """-k_B T f'(energy) = f (1 - f), without overflow."""
    x = (energy - mu) / kt
    return float(expit(x) * expit(-x))
