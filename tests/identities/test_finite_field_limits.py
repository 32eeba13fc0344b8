"""Currents at finite field: weak fields, no field, one band, textures, fixed density, units."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from random_models import random_blocks, random_k

import blochflow as bf
from blochflow.dynamics.equations import Adiabatic, motion
from blochflow.models.fields import as_fields
from blochflow.nonadiabatic.hybridisation import Grouping, field_matrices
from blochflow.response.field_integrands import single_band
from finite_field_models import PLACE, texture_model

PLAIN = Grouping(jnp.asarray(0.0))
WEAK = 1e-4


def current(model, mu, temperature, field, tau=1.0, **options):
    return bf.response.finite_field_current(
        model, mu, temperature, electric_field=field, tau=tau, throw=False, **options
    )


@pytest.mark.parametrize(("bands", "dimension", "grid"), [(2, 2, 24), pytest.param(4, 3, 12, marks=pytest.mark.slow)])
@pytest.mark.parametrize("theory", ["multiband", "single_band"])
def test_weak_fields_give_the_hall_and_drude_conductivity(bands, dimension, grid, theory):
    """On equal grids, so that nothing but the order of E remains: odd parts differ by E^2 relative."""
    model = random_blocks(21, bands, dimension).model()
    options = {"grid": grid, "symmetry": False, "throw": False}
    hall = bf.response.anomalous_hall(model, 0.3, 0.4, **options).value.values[0, 0]
    ohmic = bf.response.ohmic(model, 0.3, 0.4, tau=1.0, **options).value.values[0, 0]
    direction = np.array([0.6, -0.3, 0.5])[:dimension]
    found = current(model, 0.3, 0.4, WEAK * np.array([direction, -direction]), theory=theory, grid=grid)
    for name, sigma in (("intrinsic", hall), ("relaxation", ohmic)):
        pair = found[name].values[0, 0]
        np.testing.assert_allclose(0.5 * (pair[0] - pair[1]) / WEAK, sigma @ direction, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize(("bands", "dimension", "grid"), [(2, 2, 24), pytest.param(3, 1, 64, marks=pytest.mark.slow)])
def test_linear_limit_is_the_tangent(bands, dimension, grid):
    """That of the Hall and Drude conductivities, which J(E) touches; the chord to a field is not."""
    model, tau = random_blocks(23, bands, dimension).model(), np.array([1.0, 3.0])
    options = {"grid": grid, "symmetry": False, "throw": False}
    sigma = bf.response.ohmic(model, 0.3, 0.4, tau=tau, **options).value.values[0, 0]
    if dimension > 1:
        sigma = sigma + bf.response.anomalous_hall(model, 0.3, 0.4, **options).value.values[0, 0]
    direction = np.array([0.8, -0.6])[:dimension]
    sizes = np.array([1e-4, 0.2, 0.4])
    found = current(model, 0.3, 0.4, sizes[:, None] * direction, tau=tau, grid=grid)
    limit = found.linear_limit.values[0, 0]
    # the next order is 1e-5 of it
    size = np.abs(sigma @ direction).max()
    np.testing.assert_allclose(limit, np.einsum("f,tab,b->fta", sizes, sigma, direction), rtol=1e-5, atol=1e-5 * size)
    deviation = np.abs(found.value.values[0, 0] - limit).max(axis=(1, 2)) / (size * sizes)
    # of first or higher order in the field
    assert deviation[0] < 1e-3 and deviation[2] > 1e-2
    whole = (found.intrinsic_linear_limit + found.relaxation_linear_limit).transpose(*found.value.dims)
    np.testing.assert_allclose(found.linear_limit, whole, atol=1e-12 * size)
    assert (found.linear_limit_error >= 0).all() and found.linear_limit.dims == found.value.dims


def test_no_field_no_current_in_any_texture():
    for theory in ("multiband", "single_band"):
        found = current(texture_model(), [0.4, 1.1], 0.1, [0.0, 0.0], x=[PLACE, [0.3, 9.0]], theory=theory, grid=16)
        # single terms are of order 1e-2
        assert np.abs(found.value.values).max() < 1e-16
        assert np.abs(found.relaxation.values).max() < 1e-16


def three_dimensional():
    """Three bands in a texture: unlike those of two, in three dimensions their curvatures enter in products."""
    rng = np.random.default_rng(5)
    parts = 0.25 * (rng.normal(size=(12, 3, 3)) + 1j * rng.normal(size=(12, 3, 3)))
    parts = jnp.asarray(parts + parts.conj().swapaxes(1, 2))

    def function(k, x, t):
        waves = [jnp.cos(k), jnp.sin(k), jnp.cos(0.3 * x), jnp.sin(k + 0.3 * jnp.roll(x, 1))]
        return jnp.einsum("p,pij->ij", jnp.concatenate(waves), parts) + jnp.diag(jnp.array([-6.0, 0.0, 6.0]))

    return bf.LocalModel(function, lattice=np.eye(3))


def test_no_field_no_current_of_single_bands_in_three_dimensions():
    """The gradient formula of the bound current is complete in one and two dimensions, and for two bands, only."""
    fields = [[0.0, 0.0, 0.0], [0.01, 0.0, 0.0]]
    found = current(three_dimensional(), 0.5, 0.3, fields, x=[2.3, -1.7, 0.4], theory="single_band", grid=8)
    np.testing.assert_array_equal(found.value.values.squeeze()[0], 0)
    assert np.abs(found.bound.values).max() > 1e-6
    # of order tau^0 the theory is linear in the field
    tangent = found.intrinsic_linear_limit.values.squeeze()
    np.testing.assert_allclose(found.intrinsic.values.squeeze(), tangent, rtol=1e-9, atol=1e-18)


def test_bound_current_is_the_curl_of_the_magnetization():
    """The Berry part of M by its own integral at neighbouring places."""
    model, h = texture_model(), 0.05
    places = np.array(PLACE) + h * np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [2, 0], [-2, 0], [0, 2], [0, -2]])
    berry = []
    for x in places:
        found = bf.response.orbital_magnetization(model.at(x), 1.1, 0.1, grid=32, symmetry=False, throw=False)
        berry.append(found.parts.sel(part="berry", a="x", b="y").item())
    berry = np.array(berry)
    slope = (8 * (berry[0:4:2] - berry[1:4:2]) - (berry[4::2] - berry[5::2])) / (12 * h)
    single = current(model, 1.1, 0.1, [0.0, 0.0], x=PLACE, theory="single_band", grid=32)
    # h^4 d^5 M/30 with the wave vector 0.15 of the texture: 1e-10
    np.testing.assert_allclose(single.bound.values.squeeze(), [slope[1], -slope[0]], atol=2e-9)


def test_single_bands_move_as_packets_do_and_conserve_energy():
    """xdot and D are those of trajectories; d_x E.xdot + d_k E.kdot = -E.xdot, so that delta f vanishes without E."""
    model, k = texture_model(), random_k(22, 2)
    theory, place, zero = Adiabatic(gradient_energy=False, moment=False), jnp.asarray(PLACE), jnp.zeros(())
    bands_at = eqx.filter_jit(lambda k, e: single_band(field_matrices(model, e, k, place, zero), PLAIN, e))
    packet_at = eqx.filter_jit(lambda n, k, fields: motion(model, n, k, place, zero, fields, theory))
    for field in (np.zeros(2), np.array([0.2, -0.1])):
        found = bands_at(jnp.asarray(k), jnp.asarray(field))
        fields = as_fields(field, None, 2, bf.NATURAL)
        for row, point in enumerate(k):
            for band in (0, 1):
                here = packet_at(jnp.asarray(band), jnp.asarray(point), fields)
                np.testing.assert_allclose(found.velocity[row, band], here.velocity, rtol=1e-11, atol=1e-13)
                np.testing.assert_allclose(found.density[row, band], here.density, rtol=1e-12)
                np.testing.assert_allclose(here.power, -field @ np.asarray(here.velocity), atol=1e-14)


def test_one_band_has_its_drude_current_alone():
    # E = -cos k: J1/tau = E Int f cos k, exact at any field
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-0.5, 0, 0, (1,))])
    found = current(chain, 0.3, 0.2, [0.7], grid=256, tau=[1.0, 2.5])
    ohmic = bf.response.ohmic(chain, 0.3, 0.2, tau=1.0, grid=256).value.item()
    np.testing.assert_allclose(found.value.values.squeeze(), 0.7 * ohmic * np.array([1.0, 2.5]), rtol=1e-12)
    np.testing.assert_array_equal(found.intrinsic, 0)


@pytest.mark.slow
def test_filled_bands_carry_no_current_of_order_tau():
    found = current(bf.zoo.qwz(mass=-1.0), 0.0, 0.0, [0.3, 0.1], tau=5.0)
    assert found.attrs["status"] == "CONVERGED"
    np.testing.assert_array_equal(found.relaxation, 0)
    intrinsic = found.intrinsic.values.squeeze()
    # perpendicular to the field only by symmetry; below the quantised current by the suppression
    assert 0.5 < np.linalg.norm(intrinsic) * 2 * np.pi / np.hypot(0.3, 0.1) < 1


@pytest.mark.slow
def test_fixed_density_moves_the_chemical_potential():
    model = bf.zoo.qwz(mass=-1.8)
    held = current(model, None, 0.1, [[0.0, 0.0], [0.4, 0.0]], density=1.1, grid=64)
    assert held.attrs["fixed"] == "density"
    mu = held.mu.values[0, 0]
    np.testing.assert_allclose(mu[0], bf.response.chemical_potential(model, 1.1, 0.1, grid=64).value.item(), atol=1e-8)
    # the field pushes the bands apart, and mu with the upper one
    assert mu[1] > mu[0] + 1e-3
    same = current(model, mu[1], 0.1, [0.4, 0.0], grid=64)
    np.testing.assert_allclose(held.value.isel(field=1).values, same.value.values[:, :, 0], rtol=1e-6, atol=1e-10)


def test_units_of_models_in_ev():
    model = bf.zoo.qwz(mass=-1.8)

    def hamiltonian(k):
        return model.hamiltonian(k)

    natural = bf.LatticeModel(hamiltonian, np.eye(2))
    physical = bf.LatticeModel(hamiltonian, np.eye(2), units=bf.EV_ANGSTROM)
    kelvin, fs, hbar = 0.1 / 8.617333262e-5, 0.6582119569, 0.6582119569
    one = current(natural, 0.35, 0.1, [0.05, 0.0], tau=3.0, grid=32)
    two = current(physical, 0.35, kelvin, [0.05, 0.0], tau=3.0 * fs, grid=32)
    # e eV/(hbar angstrom) in A/m
    factor = 1.602176634e-19 / (hbar * 1e-15) * 1e10
    assert two.attrs["units"] == "A/m"
    np.testing.assert_allclose(two.value, factor * one.value.values, rtol=1e-8)


@pytest.mark.slow
def test_average_over_the_cell_of_a_texture():
    model = bf.textured(bf.zoo.qwz(), mass=lambda x, t: -1.2 + 0.3 * jnp.cos(x[0] / 10))
    period = 20 * np.pi
    options = {"grid": 16, "tolerance": bf.Tolerance(rtol=0.05)}
    found = current(model, 0.9, 0.2, [0.05, 0.0], cell=[[period, 0.0]], theory="single_band", **options)
    x = period * np.arange(16) / 16
    each = current(model, 0.9, 0.2, [0.05, 0.0], x=np.stack([x, 0 * x], 1), theory="single_band", grid=16)
    np.testing.assert_allclose(found.value.values, each.value.mean("position").values, rtol=1e-3)
    # the bound current flows around, none through
    assert np.abs(found.bound.values).max() < 1e-4 * np.abs(each.bound.values).max() + 1e-15


@pytest.mark.slow
def test_valleys_carry_opposite_hall_currents():
    """Gapped graphene: the closed form of a cone, as far as the valleys are cones."""
    halves = {"K": [[0, 0], [1, 1], [0, 1]], "K'": [[0, 0], [1, 0], [1, 1]]}
    model, field = bf.zoo.graphene(mass=0.1), 0.02
    found = current(model, 0.0, 0.0, [field, 0.0], partition=halves, tolerance=bf.Tolerance(rtol=1e-4))
    assert found.attrs["status"] == "CONVERGED"
    hall = found.intrinsic.sel(a="y").values.squeeze()
    np.testing.assert_allclose(hall.sum(), 0, atol=1e-8)
    linear = bf.response.valley_hall(model, 0.0, 0.0, partition=halves).value.sel(a="y", b="x").values.squeeze()
    expected = linear * field * bf.nonadiabatic.dirac_hall_suppression(field * 0.5 * np.sqrt(3) / (2 * 0.1**2))
    np.testing.assert_allclose(hall, expected, rtol=0.03)


@pytest.mark.slow
def test_bands_that_touch_carry_currents_too():
    """Graphene without a gap: energies diverge at its cones, velocities vanish, and by time reversal J0 does."""
    model = bf.zoo.graphene(mass=0.0)
    coarse, fine = (current(model, 0.2, 0.05, [0.1, 0.03], grid=n) for n in (120, 480))
    assert np.abs(fine.intrinsic.values).max() < 1e-14
    assert (np.abs(coarse.value - fine.value) <= coarse.error).all()
    # points of k have no proof: what is integrated to a tolerance starts from a grid that resolves the temperature
    loose = bf.response.finite_field_current(
        model, 0.2, 0.2, electric_field=[0.1, 0.03], tau=1.0, tolerance=bf.Tolerance(rtol=0.1)
    )
    assert loose.attrs["rule"] == "uniform" and bool(loose.converged.all())


def test_single_bands_in_strong_fields_are_warned_of():
    model = bf.zoo.qwz(mass=-1.8)
    with pytest.warns(bf.ValidityWarning, match="multiband"):
        found = current(model, 0.35, 0.2, [0.3, 0.0], theory="single_band", grid=16)
    assert found.attrs["validity_mixing"] > 0.3
    # it says what it is
    assert "by itself" in found.attrs["title"] and "D_n" in found.attrs["equation"]
    assert found.attrs["reference"].split() == ["Tu2020", "Sundaram1999", "Xiao2005"]


def test_insulators_at_zero_temperature_have_no_ohmic_conductivity():
    found = bf.response.ohmic(bf.zoo.qwz(mass=-1.0), 0.0, 0.0, tau=1.0)
    np.testing.assert_array_equal(found.value, 0)
    assert bool(found.converged.all())


@pytest.mark.slow
@pytest.mark.parametrize("bands", [2, 3])
def test_stated_errors_hold(bands):
    """Drawn models, warm and cold: values asked for to a percent are within their errors of those of a fine grid."""
    field = np.array([0.3, -0.2])
    for seed in (31, 32, 33):
        model = random_blocks(seed, bands, 2).model()
        asked = bf.response.finite_field_current(
            model, 1.0, 0.2, electric_field=field, tau=1.0, tolerance=bf.Tolerance(rtol=1e-2), throw=False
        )
        fine = current(model, 1.0, 0.2, field, grid=320)
        assert bool(asked.converged.all())
        # the fine grid is exact to its own error
        assert (np.abs(asked.value - fine.value) <= asked.error + fine.error).all()
