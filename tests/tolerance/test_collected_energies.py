"""The energy grid of scans: moments, ties at T = 0, agreement with direct sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from blochflow.zone.histogram import EnergyHistogram


def drawn(seed, count=500):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, count), rng.normal(size=(count, 2))


def test_moments_up_to_three_are_kept():
    energies, values = drawn(1)
    histogram = EnergyHistogram(np.zeros(1), np.full(1, 0.1), False, -1.0, 1.0, 0.0125)
    collected = histogram.collect(energies, values)
    grid = histogram.low + (np.arange(histogram.bins) - 2) * histogram.step
    for power in range(4):
        exact = (energies**power) @ values
        # sums of 500 terms of order one
        np.testing.assert_allclose(grid**power @ collected, exact, atol=1e-11)


@pytest.mark.parametrize("surface", [False, True])
def test_direct_sums(surface):
    energies, values = drawn(2)
    kt = 0.05
    mu = np.linspace(-0.8, 0.8, 40)
    histogram = EnergyHistogram.for_states(mu, np.full(40, kt), surface, -1.0, 1.0, 1e-4)
    x = (mu[:, None] - energies) / kt
    weight = expit(x) * expit(-x) / kt if surface else expit(x)
    miss = np.abs(histogram.readout(histogram.collect(energies, values)) - weight @ values).max()
    # -f' is of order 1/kT
    assert miss < histogram.error * np.abs(values).sum() / (kt if surface else 1.0)


def test_cancelling_pairs_stay_small():
    """+-1/gap^2 at energies a gap apart: what is left is of order 1/gap, not 1/gap^2."""
    gap = 1e-5
    energies, values = np.array([0.1, 0.1 + gap]), np.array([[1 / gap**2], [-1 / gap**2]])
    histogram = EnergyHistogram.for_states(np.array([0.12]), np.array([0.05]), False, -1.0, 1.0, 1e-6)
    found = histogram.readout(histogram.collect(energies, values))[0, 0]
    x = (0.12 - energies[0]) / 0.05
    exact = expit(x) * expit(-x) / 0.05 / gap
    assert found == pytest.approx(exact, rel=1e-3)


def test_ties_count_half_at_zero_temperature():
    histogram = EnergyHistogram.for_states(np.array([0.5, -0.5, 0.0]), np.zeros(3), False, -1.0, 1.0, 1e-3)
    energies, values = np.array([-0.5, 0.0, 0.5, 0.7]), np.array([[1.0], [2.0], [4.0], [8.0]])
    found = histogram.readout(histogram.collect(energies, values))[:, 0]
    # states below, and half of those at mu, in the order of the states
    np.testing.assert_array_equal(found, [1 + 2 + 2.0, 0.5, 1 + 1.0])
