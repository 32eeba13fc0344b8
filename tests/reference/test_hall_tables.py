"""Anomalous Hall conductivity and density of the tabulated models, to the printed digits."""

import numpy as np
import pytest
from reference_models import H1, H2, haldane, qwz

import blochflow as bf

TIGHT = bf.Tolerance(rtol=1e-9)


def hall(model, mu, temperature, **options):
    result = bf.response.anomalous_hall(model, mu, temperature, tolerance=TIGHT, **options)
    return result.value.sel(a="x", b="y").values


def test_gap_of_h1_is_one_over_two_pi():
    # C = -1 gives sigma_xy = +e^2/h = 1/(2 pi) e^2/hbar; the grid converges exponentially, 1e-9 asked
    np.testing.assert_allclose(hall(haldane(H1), 0.0, 0.0), 1 / (2 * np.pi), rtol=1e-9)


def test_gap_of_qwz_is_minus_one_over_two_pi():
    # C(lower) = +1; the gap of the tilted model holds mu = 0 at every k
    np.testing.assert_allclose(hall(qwz(), 0.2, 0.0), -1 / (2 * np.pi), rtol=1e-9)


@pytest.mark.parametrize(
    ("mu", "density", "sigma"),
    [(-1.0, 0.990041956578, 0.086861468953), (-2.0, 0.359303978482, 0.001791795593)],
)
def test_warm_metal_h1(mu, density, sigma):
    # half a unit of the last printed digit, on top of rtol 1e-9
    np.testing.assert_allclose(hall(haldane(H1), mu, 0.05), sigma, atol=1e-12)
    n = bf.response.electron_density(haldane(H1), mu, 0.05, tolerance=TIGHT)
    np.testing.assert_allclose(n.value.values, density, atol=1e-12)


def test_sea_term_of_h2():
    # int f Omega = -sigma_xy = -0.08804459 at mu = -1, T = .1; eight printed digits
    np.testing.assert_allclose(hall(haldane(H2), -1.0, 0.1), 0.08804459, atol=6e-9)


def test_cold_pocket_of_h2_within_its_own_error():
    # T = 0, mu = -.6: a uniform grid is erratic; the value must lie within a few stated errors, not to the digits
    result = bf.response.anomalous_hall(haldane(H2), -0.6, 0.0, grid=768, throw=False)
    exact_sigma, exact_n = 0.1332308918084, 1.1461887491639
    value, error = (float(result[x].sel(a="x", b="y").item()) for x in ("value", "error"))
    assert abs(value - exact_sigma) < 4 * error
    assert error < 2e-3
    n = bf.response.electron_density(haldane(H2), -0.6, 0.0, grid=768, throw=False)
    assert abs(float(n.value.item()) - exact_n) < 4 * float(n.error.item())


def test_chemical_potential_inverts_the_density():
    mu = bf.response.chemical_potential(haldane(H1), [0.990041956578, 0.359303978482], 0.05, tolerance=TIGHT)
    # dn/dmu is of order one, so mu is as sharp as the 12 printed digits of n
    np.testing.assert_allclose(mu.value.values[:, 0], [-1.0, -2.0], atol=1e-10)
