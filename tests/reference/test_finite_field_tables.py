"""Currents at finite field, closed forms and passages: tabulated numbers, to the printed digits.

Grids are those at which a doubled grid agrees to all digits; tolerances are half a unit of the last printed digit.
"""

import numpy as np
import pytest

import blochflow as bf
from finite_field_models import (
    PLACE,
    cone,
    doublet_model,
    inversion_time_reversal,
    texture_model,
)

FINE = bf.Tolerance(rtol=1e-9)


def current(model, mu, temperature, field, **options):
    return bf.response.finite_field_current(model, mu, temperature, electric_field=field, tau=1.0, **options)


def parts(result):
    """Both parts without the axes of length one."""
    return result.intrinsic.values.squeeze(), result.relaxation.values.squeeze()


def test_closed_form_of_the_nonlinear_hall_current():
    x = [0.1, 0.3, 0.5, 1, 2, 5, 10, 20]
    printed = [
        0.9991463337739,
        0.9925551684426,
        0.9804882841998,
        0.9370517292566,
        0.845244959524,
        0.6710034264794,
        0.5353969307424,
        0.4154004581041,
    ]
    np.testing.assert_allclose(bf.nonadiabatic.dirac_hall_suppression(x), printed, atol=1e-12)
    np.testing.assert_allclose(bf.nonadiabatic.dirac_hall_suppression(1.3866006837), 0.9, atol=1e-10)
    # 0.935 of the asymptotic form at 1e6
    with pytest.raises(ValueError, match="`field` must be at most 1e\\+14"):
        bf.nonadiabatic.dirac_hall_suppression(1e16)
    # the leading term at large x; the next is smaller by ten times x^(-1/4)
    assert bf.nonadiabatic.dirac_hall_suppression(1e14) * 1e7 == pytest.approx(3.0949209842878, rel=4e-3)
    assert abs(bf.nonadiabatic.dirac_hall_suppression(1e6) * 1e3 / 3.09492098428784 - 0.935) < 5e-4


def test_undoped_cone_has_the_closed_form():
    # x = 0.02/(2 m^2) = 1; the tail m E/(4 pi K) beyond the cutoff is reported, up to four decades beyond
    found = current(bf.ContinuumModel(cone, 2, cutoff=2.0), 0.0, 0.0, [0.02, 0.0], tolerance=FINE)
    whole = (found.value + found.cutoff_tail).values.squeeze()
    beyond = 0.1 * 0.02 / (4 * np.pi * 2e4)
    # the tail is integrated to four digits or better of its 8e-5
    np.testing.assert_allclose(whole[1] + beyond, 0.00149136415, atol=1e-9)
    np.testing.assert_allclose(whole[0], 0, atol=1e-12)


@pytest.mark.slow
def test_doped_cone():
    fields = np.array([1e-4, 1e-2, 3e-2, 1e-1])
    model = bf.ContinuumModel(cone, 2, cutoff=2.0)
    vectors = np.outer(fields, [1, 0])
    rtol = bf.Tolerance(rtol=1e-8)
    doped = current(model, 0.2, 0.01, vectors, tolerance=rtol)
    filled = current(model, 0.0, 0.0, vectors, tolerance=rtol)
    # relative to the filled band, whose current is the closed form: beyond the cutoff both are the same
    change = (doped.intrinsic - filled.intrinsic.values).values.squeeze()[:, 1] / fields
    hall = 2 * np.pi * change + 0.5 * bf.nonadiabatic.dirac_hall_suppression(fields / (2 * 0.1**2))
    np.testing.assert_allclose(hall, [0.2521309473, 0.2533405687, 0.2704368149, 0.3352085092], atol=5e-9)
    drude = doped.relaxation.values.squeeze()[:, 0] / fields
    np.testing.assert_allclose(drude, [0.0119027270, 0.0117330473, 0.0099389440, 0.0000350834], atol=1e-10)


def test_chern_insulator_and_metal_on_the_lattice():
    model = bf.zoo.qwz(mass=-1.8)
    fields = [[0.001, 0], [0.05, 0], [0.2, 0], [0.2, 0.1]]
    intrinsic, relaxation = parts(current(model, 0.35, 0.05, fields, grid=256, throw=False))
    printed = [
        [0, 1.16183513158e-4],
        [0, 0.00587807212831],
        [0, 0.0262263109262],
        [-0.0130786554574, 0.0261573109147],
    ]
    np.testing.assert_allclose(intrinsic, printed, atol=1e-13)
    printed = [
        [1.84883550837e-5, 0],
        [8.68317113686e-4, 0],
        [8.51790081842e-4, 0],
        [6.13671445204e-4, 3.18011372285e-4],
    ]
    np.testing.assert_allclose(relaxation, printed, atol=1e-15)
    intrinsic, _ = parts(current(model, 0.0, 0.005, fields[1:3], grid=256, throw=False))
    np.testing.assert_allclose(intrinsic, [[0, 0.0077992803979], [0, 0.0274887660416]], atol=1e-13)


@pytest.mark.slow
def test_second_order_of_a_tilted_cone():
    # Richardson's rule on even parts at two strengths leaves order h^4, 1e-9; printed to ten digits
    h = 1e-3
    directions = np.array([[1, 0], [0, 1], [0.5**0.5, 0.5**0.5]])
    fields = np.concatenate([s * h * directions for s in (1, -1, 2, -2)])
    model = bf.ContinuumModel(cone, 2, cutoff=1.6, parameters={"tilt": 0.3})
    found = current(model, 0.25, 0.01, fields, tolerance=bf.Tolerance(rtol=1e-8))
    each = found.intrinsic.values.squeeze().reshape(4, 3, 2)
    near, far = (each[0] + each[1]) / (2 * h**2), (each[2] + each[3]) / (8 * h**2)
    printed = [[0.0601592715, 0], [0.0461545808, 0], [0.05315693, 0.0064692]]
    np.testing.assert_allclose((4 * near - far) / 3, printed, atol=5e-8)


@pytest.mark.slow
def test_curvature_of_degenerate_doublets():
    group = bf.Subspace([0, 1])
    table = [
        (doublet_model(), [0.39462365, 0.95949498], 1.35411862673, 2, 9.854109920242),
        (doublet_model(twist=0.0), [0.47955905, 0.47955905], 0.959118097793, 2, 5.351000251707),
        (doublet_model(mass=0.6), [-0.10155711, 0.42554309], 0.32398597835, -2, 12.223565397545),
        (bf.LatticeModel(inversion_time_reversal, np.eye(2)), [-0.47738244, 0.47738244], 0, 0, 5.444349750288),
    ]
    for model, values, trace, total, square in table:
        at = np.asarray(bf.geometry.non_abelian_curvature(bf.bands(model, [0.3, 0.7]), group))[0, 0, 1]
        np.testing.assert_allclose(np.linalg.eigvalsh(at), values, atol=1e-8)
        np.testing.assert_allclose(np.trace(at), trace, atol=1e-11)
        # 128^2 points: the sums converge exponentially, to 1e-12 from 96^2 on
        solved = bf.bands(model, bf.k_grid(model, 128))
        curvature = np.asarray(bf.geometry.non_abelian_curvature(solved, group))[:, 0, 1]
        area = (2 * np.pi / 128) ** 2
        flux = np.trace(curvature, axis1=1, axis2=2).real.sum() * area
        np.testing.assert_allclose(flux / (2 * np.pi), total, atol=1e-10)
        np.testing.assert_allclose(np.einsum("kij,kji->", curvature, curvature).real * area, square, atol=1e-10)


@pytest.mark.slow
def test_filled_doublets_carry_the_non_abelian_hall_current():
    fields = [[0, 0.05], [0, 0.2]]
    # k_B T a hundredth of the gap: f is 1 to 1e-40
    whole = current(doublet_model(), 0.0, 0.01, fields, grid=96, tolerance=FINE)
    manifold = current(doublet_model(), 0.0, 0.01, fields, grid=96, active=[0, 1], tolerance=FINE)
    printed = [[-0.0159142116, -7.68692365e-6], [-0.06328874, -1.2116e-4]]
    for found, expected, digits in zip(whole.intrinsic.values.squeeze(), printed, (5e-11, 5e-9), strict=True):
        np.testing.assert_allclose(found, expected, atol=digits)
    # -(e^2/hbar) Int tr F_xy E_y = -2 E/2 pi
    np.testing.assert_allclose(manifold.intrinsic.values.squeeze(), [[-0.0159154943, 0], [-0.06366198, 0]], atol=5e-9)
    np.testing.assert_allclose(manifold.intrinsic.values.squeeze()[:, 0], [-0.05 / np.pi, -0.2 / np.pi], rtol=1e-10)


def test_texture():
    fields = [[0, 0], [0.05, 0], [0.2, -0.1]]
    options = {"x": PLACE, "grid": 128, "tolerance": FINE, "throw": False}
    intrinsic, relaxation = parts(current(texture_model(), 1.1, 0.1, fields, **options))
    np.testing.assert_array_equal(intrinsic[0], 0)
    np.testing.assert_array_equal(relaxation[0], 0)
    np.testing.assert_allclose(intrinsic[1], [0, 0.00291675924085], atol=1e-13)
    np.testing.assert_allclose(relaxation[1], [0.00554293042634, 2.99117862e-4], atol=1e-12)
    np.testing.assert_allclose(intrinsic[2], [0.00598787187, 0.0120061214], atol=1e-10)
    np.testing.assert_allclose(relaxation[2], [0.02140819294, -0.00799867144], atol=1e-11)
    single = current(texture_model(), 1.1, 0.1, fields[0], theory="single_band", **options)
    np.testing.assert_allclose(single.bound.values.squeeze(), [-3.4082620277e-4, 2.4960829347e-4], atol=1e-13)
    np.testing.assert_allclose(single.without_measure.values.squeeze(), [-2.4298801505e-4, 1.8988678781e-4], atol=1e-13)
    np.testing.assert_allclose(single.value.values, 0, atol=1e-17)


@pytest.mark.parametrize(
    ("mass", "velocity", "field", "across", "printed"),
    [
        (0.1, 1, 0.02, 0, 0.207879576),
        (0.1, 1, 0.05, 0, 0.533488091),
        (0.1, 1, 0.05, 0.07, 0.392117158),
        (0.2, 1.5, 0.03, 0, 0.061266211),
    ],
)
def test_landau_zener(mass, velocity, field, across, printed):
    gap = 2 * np.hypot(mass, velocity * across)
    np.testing.assert_allclose(bf.nonadiabatic.landau_zener(gap, velocity, field), printed, atol=5e-10)


def test_bloch_zener_chain():
    # sites at 0, 1, 2, ..: cells of length 2, as in the table
    hoppings = [(0.1, 0, 0, (0,)), (-0.1, 1, 1, (0,)), (1.0, 0, 1, (0,)), (0.8, 0, 1, (-1,))]
    chain = bf.TightBinding([[2.0]], [[0.0], [0.5]], hoppings)
    found = bf.nonadiabatic.bloch_zener(chain, [0.0], [0.05])
    np.testing.assert_allclose(found.period.item(), np.pi / 0.05, rtol=1e-14)
    np.testing.assert_allclose(found.transition.isel(k=0, band=1, other=0).item(), 0.17382161, atol=5e-9)
