"""Bars of uniform grids with doubling hold: warm square lattice and chain, against grids that have settled."""

import numpy as np
import pytest
from scipy.special import expit

import blochflow as bf
from blochflow.zone.integral import ROUNDING
from blochflow.zone.uniform import decay, needed_exponent, predicted_error, rounding_of

ONE_CORE = bf.Execution(workers=1, progress=False)
# Of the reference sums, relative.
REFERENCE = 1e-12


def cosines(dimension, phase=0.0):
    """E = -sum cos(k_a - phase)."""
    hops = [(-0.5 * np.exp(1j * phase), 0, 0, tuple(int(a == b) for b in range(dimension))) for a in range(dimension)]
    return bf.TightBinding(np.eye(dimension), [[0.0] * dimension], hops)


def settled(dimension, mu, kt, points, surface):
    """Sums over a grid on which nothing changes any more."""
    x = -np.cos(2 * np.pi * (np.arange(points) + 0.5) / points)
    energies = (x if dimension == 1 else x[:, None] + x[None, :]).ravel()
    arguments = [(energies - m) / kt for m in mu]
    return np.array([(expit(y) * expit(-y) / kt if surface else expit(-y)).mean() for y in arguments])


@pytest.mark.parametrize("response", ["electron_density", "density_of_states"])
@pytest.mark.parametrize(("dimension", "kt", "points"), [(1, 1e-3, 2**16), (1, 0.02, 2**13), (2, 0.05, 400)])
def test_no_bar_of_a_warm_band_is_too_short(response, dimension, kt, points):
    model = cosines(dimension)
    mu = np.random.default_rng(1).uniform(-0.95 * dimension, 0.95 * dimension, 60)
    truth = settled(dimension, mu, kt, points, response == "density_of_states")
    for rtol in (1e-1, 1e-2, 1e-3):
        # few enough at once not to share a histogram, whose own error is in the bar
        parts = [
            getattr(bf.response, response)(m_, mu_, kt, tolerance=bf.Tolerance(rtol=rtol), execution=ONE_CORE)
            for m_, mu_ in ((model, mu[:30]), (model, mu[30:]))
        ]
        assert {part.attrs["rule"] for part in parts} == {"uniform"}
        value, error = (np.concatenate([part[name].values.ravel() for part in parts]) for name in ("value", "error"))
        broken = np.abs(value - truth) > error + REFERENCE * truth
        assert not broken.any(), (rtol, mu[broken], value[broken], error[broken], truth[broken])


@pytest.mark.parametrize("mu", [-0.86365, -1.0133])
def test_two_grids_that_agree_by_accident(mu):
    """The bare change on doubling was 9.6e-6 and 1.5e-5 there, the errors 2.5e-5 and 2.2e-5."""
    found = bf.response.electron_density(cosines(2), mu, 0.05, tolerance=bf.Tolerance(1e-2), execution=ONE_CORE)
    assert abs(found.value.item() - settled(2, [mu], 0.05, 400, False)[0]) <= found.error.item()


def test_rounding_of_sharp_steps_is_in_the_bar():
    """Of two grids that have both settled, energies of a width 2000 k_B T apart from zero by rounding."""
    model = cosines(1, 0.7)
    for response in (bf.response.electron_density, bf.response.density_of_states):
        for mu in (-0.99, -0.5, 0.3):
            a, b = (response(model, mu, 1e-3, grid=n, execution=ONE_CORE) for n in (40_000, 40_004))
            assert abs(a.value.item() - b.value.item()) <= a.error.item() + b.error.item()


def test_predictions_fall_with_the_points_and_begin_at_a_hundredth_of_the_tolerance():
    least = np.array([[40, 20]])
    for poles in (1, 2, 3):
        for rtol in (1e-1, 1e-3, 1e-8):
            assert decay(needed_exponent(rtol, poles), poles) == pytest.approx(rtol / 100, rel=1e-6)
            assert predicted_error((40, 20), least, rtol, poles) == pytest.approx(rtol / 100, rel=1e-6)
            assert predicted_error((80, 20), least, rtol, poles) == pytest.approx(rtol / 100, rel=1e-6)
            assert predicted_error((80, 40), least, rtol, poles) < rtol / 100
    assert predicted_error((80,), np.array([[40]]), 1e-3, 1) == pytest.approx(1e-10)
    assert rounding_of((8,)) > ROUNDING
