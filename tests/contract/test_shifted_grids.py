"""Randomly shifted grids: exact means, reproducible bars, honest coverage; on functions with known integrals."""

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.status import Status
from blochflow.zone.sampling import random_shifts, student_bar
from blochflow.zone.shifted import integrate_shifted, shifted_blocks
from blochflow.zone.tolerance import Required


def runner(function):
    """A `Runner` for a function of reduced k (K, d) -> (K, P, C), without a model."""

    def run(blocks, total, label):
        sums = []
        for block in blocks:
            k = np.stack(np.meshgrid(*block.axes, indexing="ij"), axis=-1).reshape(-1, len(block.axes))
            values = function(k) * block.weights[:, None, None]
            sums.append((values.sum(axis=0), np.abs(values).sum(axis=0)))
        assert len(sums) == total
        return sums

    return run


def sphere(k, radius=0.31, centre=0.5):
    """Step function with volume 4 pi r^3 / 3: a Fermi surface at T = 0."""
    return (((k - centre + 0.5) % 1 - 0.5) ** 2).sum(axis=1)[:, None, None] < radius**2


SPHERE = 4 * np.pi * 0.31**3 / 3


def test_blocks_tile_the_shifted_grid():
    shift = np.array([0.3, 0.9, 0.1])
    blocks = list(shifted_blocks((5, 4, 3), shift, 7))
    points = []
    for block in blocks:
        k = np.stack(np.meshgrid(*block.axes, indexing="ij"), axis=-1).reshape(-1, 3)
        points.append(k[block.weights > 0])
        assert len(k) == len(blocks[0].weights)
    expected = [(np.arange(n) + s) / n for n, s in zip((5, 4, 3), shift, strict=True)]
    mesh = np.stack(np.meshgrid(*expected, indexing="ij"), axis=-1).reshape(-1, 3)
    found = np.concatenate(points)
    assert len(found) == 60
    np.testing.assert_allclose(found[np.lexsort(found.T)], mesh[np.lexsort(mesh.T)], atol=1e-14)


def test_student_bar_is_the_textbook_interval():
    samples = np.array([1.0, 2.0, 4.0, 5.0])[:, None, None]
    # t_{0.995, 3} = 5.840909 (tables)
    expected = 5.840909 * np.sqrt(10 / 3) / 2
    assert student_bar(samples, 0.99)[0, 0] == pytest.approx(expected, rel=1e-6)


def test_shifts_follow_from_the_seed_alone():
    both = random_shifts(3, 1, 0, 6, 3)
    np.testing.assert_array_equal(both[4:], random_shifts(3, 1, 4, 2, 3))
    assert not np.array_equal(both, random_shifts(4, 1, 0, 6, 3))
    assert not np.array_equal(both, random_shifts(3, 2, 0, 6, 3))


def test_a_smooth_function_converges_to_rounding():
    wave = runner(lambda k: np.exp(np.cos(2 * np.pi * k).sum(axis=1))[:, None, None])
    result = integrate_shifted(wave, (12, 12), Required(bf.Tolerance(rtol=1e-9)), target=64)
    assert result.integral.status is Status.CONVERGED
    assert result.integral.value.item() == pytest.approx(1.2660658777520084**2, rel=1e-12)  # I_0(1)^2


def test_a_fermi_surface_converges_and_repeats():
    options = {"target": 4096, "seed": 5}
    tolerance = Required(bf.Tolerance(rtol=2e-3, max_evaluations=10_000_000))
    first = integrate_shifted(runner(sphere), (12, 12, 12), tolerance, **options)
    again = integrate_shifted(runner(sphere), (12, 12, 12), tolerance, **options)
    np.testing.assert_array_equal(first.samples, again.samples)
    assert first.integral.converged.all() and len(first.samples) >= 6
    assert first.integral.error.item() <= 2e-3 * first.integral.value.item()
    assert abs(first.integral.value.item() - SPHERE) <= first.integral.error.item()
    assert first.integral.evaluations <= 10_000_000


def test_out_of_points_is_not_converged():
    tolerance = Required(bf.Tolerance(rtol=1e-6, max_evaluations=100_000))
    result = integrate_shifted(runner(sphere), (12, 12, 12), tolerance, target=4096)
    assert result.integral.status is Status.NOT_CONVERGED and not result.integral.converged.any()
    assert 50_000 < result.integral.evaluations <= 100_000


def coverage(function, truth, base, rtol, cases, confidence):
    missed = []
    for seed in range(cases):
        tolerance = Required(bf.Tolerance(rtol=rtol, max_evaluations=3_000_000))
        result = integrate_shifted(runner(function), base, tolerance, target=65536, seed=seed, confidence=confidence)
        missed.append(abs(result.integral.value.item() - truth) > result.integral.error.item())
    return np.mean(missed)


def test_bars_are_honest_on_a_fermi_surface():
    # 100 cases at 90 %: 10 +- 3 expected to miss; the comparison of grids and the stopping rule move it a little
    missed = coverage(sphere, SPHERE, (8, 8, 8), 0.02, 100, 0.9)
    assert 0.01 <= missed <= 0.19


@pytest.mark.slow
def test_bars_are_honest_at_99_percent():
    # 600 cases: 6 +- 2.4 expected to miss
    assert coverage(sphere, SPHERE, (8, 8, 8), 0.02, 600, 0.99) < 0.025


@pytest.mark.parametrize(("shifts", "confidence", "seed"), [(2, 0.99, 0), (6, 1.0, 0), (6, 0.99, -1), (6.5, 0.9, 0)])
def test_wrong_settings(shifts, confidence, seed):
    with pytest.raises(ValueError, match="must"):
        integrate_shifted(
            runner(sphere),
            (4, 4, 4),
            Required(bf.Tolerance()),
            target=64,
            seed=seed,
            shifts=shifts,
            confidence=confidence,
        )
