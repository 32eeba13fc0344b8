"""The energy grid of scans: moments, ties at T = 0, agreement with direct sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from blochflow.zone.histogram import EnergyHistogram
from blochflow.zone.weights import Weight, occupation_moment, slope_moment

SEA = Weight(False)


def drawn(seed, count=500):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, count), rng.normal(size=(count, 2))


def test_moments_up_to_seven_are_kept():
    energies, values = drawn(1)
    histogram = EnergyHistogram(np.zeros(1), np.full(1, 0.1), SEA, -1.0, 1.0, 0.0125)
    collected = histogram.collect(energies, values)
    grid = histogram.low + (np.arange(histogram.bins) - 4) * histogram.step
    for power in range(8):
        exact = (energies**power) @ values
        # sums of 500 terms of order one
        np.testing.assert_allclose(grid**power @ collected, exact, atol=1e-11)


def read(histogram, energies, values):
    """Values and sizes of every state."""
    return histogram.readout(*(histogram.collect(energies, x) for x in (values, np.abs(values))))


@pytest.mark.parametrize("surface", [False, True])
@pytest.mark.parametrize("power", [-1, 0, 1, 2])
def test_direct_sums(surface, power):
    """Within the stated error at the largest step and a fine one, also deep in the tails, far apart and far outside."""
    energies, values = drawn(2)
    low, high = np.full(40, 0.05), np.full(30, 0.2)
    mu = np.concatenate([np.linspace(-0.8, 0.8, 40), np.linspace(-4.0, 4.0, 28), [-1e30, 1e30]])
    kt = np.concatenate([low, high])
    weight = Weight(surface, (power, power))
    for fraction in (1.0, 1e-10):
        histogram = EnergyHistogram.for_states(mu, kt, weight, -1.0, 1.0, fraction)
        x = (energies - mu[:, None]) / kt[:, None]
        direct = slope_moment(x, power) / kt[:, None] if surface else occupation_moment(x, power)
        found, size = read(histogram, energies, values)
        # rounding of 500 terms, each with weights of both signs
        assert (np.abs(found - direct @ values) <= (histogram.error + 1e-14) * size).all()
        assert (size >= (1 - 1e-6) * np.abs(direct) @ np.abs(values)).all()


def test_error_of_the_largest_step_is_not_far_above_the_true_one():
    """The bound is within a factor of ten of the worst of many states: it is no wild overestimate."""
    energies, kt = np.linspace(-0.1, 0.1, 41), 1.0
    mu = np.linspace(-20, 20, 401)
    histogram = EnergyHistogram.for_states(mu, np.full(401, kt), Weight(True), -1.0, 1.0, 1.0)
    worst = 0.0
    for energy in energies:
        found, size = read(histogram, np.array([energy]), np.ones((1, 1)))
        exact = slope_moment(energy - mu, 0)
        worst = max(worst, float((np.abs(found[:, 0] - exact) / size[:, 0]).max()))
    assert histogram.error / 10 < worst < histogram.error


def test_cancelling_pairs_stay_small():
    """+-1/gap^2 at energies a gap apart: what is left is of order 1/gap, not 1/gap^2."""
    gap = 1e-5
    energies, values = np.array([0.1, 0.1 + gap]), np.array([[1 / gap**2], [-1 / gap**2]])
    histogram = EnergyHistogram.for_states(np.array([0.12]), np.array([0.05]), SEA, -1.0, 1.0, 1e-12)
    found = read(histogram, energies, values)[0][0, 0]
    x = (0.12 - energies[0]) / 0.05
    exact = expit(x) * expit(-x) / 0.05 / gap
    assert found == pytest.approx(exact, rel=1e-3)


def test_ties_count_half_at_zero_temperature():
    histogram = EnergyHistogram.for_states(np.array([0.5, -0.5, 0.0]), np.zeros(3), SEA, -1.0, 1.0, 1e-3)
    energies, values = np.array([-0.5, 0.0, 0.5, 0.7]), np.array([[1.0], [2.0], [4.0], [8.0]])
    found = read(histogram, energies, values)[0][:, 0]
    # states below, and half of those at mu, in the order of the states
    np.testing.assert_array_equal(found, [1 + 2 + 2.0, 0.5, 1 + 1.0])
