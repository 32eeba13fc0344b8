"""Thermodynamic identities of magnetization and thermal transport on random crystals.

On one uniform grid every identity between integrands holds exactly: no error of integration enters.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import Blocks, random_blocks
from scipy.special import expit, spence

import blochflow as bf
from blochflow.core.backend import jnp

R = bf.response
SHAPES = ((4, 2), (3, 3))
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=5)
GRID = 6
MU, KT = 0.7, 0.3
COMPARISONS = {"anomalous_nernst": ("mott",), "anomalous_thermal_hall": ("wiedemann_franz",)}
QUIET = {"throw": False, "execution": bf.Execution(workers=1, progress=False)}
ON_GRID = {"grid": GRID, **QUIET}


def tensor(response, model, mu=MU, kt=KT, **options):
    return response(model, mu, kt, **{**ON_GRID, **options}).value.values[0, 0]


def slope_of(response, model, by_mu, by_t, step=1e-3):
    """Derivative along mu or T by differences of fourth order: step^4/30 of fifth derivatives, of order 1/kT^5."""
    at = {n: tensor(response, model, MU + n * step * by_mu, KT + n * step * by_t) for n in (-2, -1, 1, 2)}
    return (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * step)


def band_sums(model, weight_of_moment, weight_of_curvature):
    """(1/V) mean over the grid of sum_n [w m_n + w' Omega_n], from the geometry of single bands."""
    d = model.dimension
    u = np.stack(np.meshgrid(*[np.arange(GRID) / GRID] * d, indexing="ij"), -1).reshape(-1, d)
    bands = bf.bands(model, u @ np.asarray(model.lattice.reciprocal))
    energies = np.asarray(bands.energies)
    moment, curvature = bf.geometry.orbital_moment(bands), bf.geometry.berry_curvature(bands)
    total = np.einsum("kn,kabn->ab", weight_of_moment(energies), moment)
    total = total + np.einsum("kn,kabn->ab", weight_of_curvature(energies), curvature)
    return total / len(u) / model.lattice.volume


def grand(energies):
    return KT * np.logaddexp(0, (MU - energies) / KT)


def entropy(energies):
    x = (energies - MU) / KT
    return np.logaddexp(0, -x) + x * expit(-x)


def largest(*tensors):
    return max(1e-3, *(float(np.abs(x).max()) for x in tensors))


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_magnetization_is_the_sum_over_single_bands(shape, seed):
    model = random_blocks(seed, *shape).model()
    found = tensor(R.orbital_magnetization, model)
    direct = band_sums(model, lambda e: expit((MU - e) / KT), grand)
    # single bands are of order 1/gap^2 and cancel
    np.testing.assert_allclose(found, direct, atol=1e-9 * largest(direct))
    result = R.orbital_magnetization(model, MU, KT, **ON_GRID)
    moments = band_sums(model, lambda e: expit((MU - e) / KT), np.zeros_like)
    np.testing.assert_allclose(result.parts.values[0, 0, 0], moments, atol=1e-9 * largest(moments))


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_nernst_is_the_entropy_of_the_curvature(shape, seed):
    model = random_blocks(seed, *shape).model()
    direct = band_sums(model, np.zeros_like, entropy)
    np.testing.assert_allclose(tensor(R.anomalous_nernst, model), direct, atol=1e-9 * largest(direct))


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_maxwell_relations(shape, seed):
    """dM/dmu = dn/dB, dM/dT = dS/dB; the latter is not the Nernst conductivity: the moments at mu are left over."""
    model, d = random_blocks(seed, *shape).model(), shape[1]
    by_mu, by_t = (slope_of(R.orbital_magnetization, model, *along) for along in ((1, 0), (0, 1)))
    total = tensor(R.streda, model)
    np.testing.assert_allclose(total, by_mu, atol=1e-9 * largest(total))
    gradients = np.eye(d)
    current = [
        R.magnetization_current(model, MU, KT, temperature_gradient=g, **ON_GRID).value.values[0, 0] for g in gradients
    ]
    np.testing.assert_allclose(np.stack(current, axis=-1), by_t, atol=1e-9 * largest(by_t))

    def surface(e):
        return (e - MU) / KT**2 * expit((MU - e) / KT) * expit((e - MU) / KT)

    left = by_t - tensor(R.anomalous_nernst, model)
    np.testing.assert_allclose(left, band_sums(model, surface, np.zeros_like), atol=1e-9 * largest(by_t))


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_hall_and_nernst_come_from_one_potential(shape, seed):
    """sigma = -dP/dmu, alpha = dP/dT for P = Int g Omega: dalpha/dmu = -dsigma/dT; and Mott's rule holds it exactly."""
    model = random_blocks(seed, *shape).model()
    alpha, sigma = slope_of(R.anomalous_nernst, model, 1, 0), slope_of(R.anomalous_hall, model, 0, 1)
    np.testing.assert_allclose(alpha, -sigma, atol=1e-9 * largest(sigma))
    slope = slope_of(R.anomalous_hall, model, 1, 0)
    mott = R.anomalous_nernst(model, MU, KT, **ON_GRID).mott.values[0, 0]
    np.testing.assert_allclose(mott, -(np.pi**2 * KT / 3) * slope, atol=1e-9 * largest(mott))


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_thermal_hall_is_the_second_moment_of_the_curvature(shape, seed):
    """c_2 in closed form, with a dilogarithm of the occupation; the library integrates it otherwise."""
    model = random_blocks(seed, *shape).model()

    def moment(e):
        f = expit((MU - e) / KT)
        # Int_x^inf t^2 (-df/dt) dt = x^2 f + 2 Int_x^inf t f dt,  Int_x^inf t f = x ln(1 + e^-x) - Li_2(-e^-x)
        x = (e - MU) / KT
        return -KT * (x**2 * f + 2 * (x * np.log1p(np.exp(-x)) - spence(1 + np.exp(-x))))

    direct = band_sums(model, np.zeros_like, moment)
    found = tensor(R.anomalous_thermal_hall, model)
    np.testing.assert_allclose(found, direct, atol=1e-9 * largest(direct))


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_onsager_and_the_second_law(shape, seed):
    blocks = random_blocks(seed, *shape)
    reversed_ = Blocks(blocks.lattice, blocks.orbitals, blocks.cells, blocks.blocks.conj())
    here, there = (R.thermoelectric(b.model(), MU, KT, tau=3.0, **ON_GRID) for b in (blocks, reversed_))
    for name in ("sigma", "alpha", "kappa_0", "kappa"):
        ours, theirs = here[name].values[0, 0], there[name].values[0, 0]
        np.testing.assert_allclose(ours, theirs.T, atol=1e-8 * largest(ours), err_msg=name)
    for name in ("sigma", "kappa", "kappa_0"):
        values = here[name].values[0, 0]
        assert np.linalg.eigvalsh(0.5 * (values + values.T)).min() > -1e-12 * largest(values)


@pytest.mark.parametrize("mu", [0.2, 0.6])
def test_one_parabolic_band_has_no_transverse_thermopower(mu):
    result = R.thermoelectric(bf.zoo.parabolic(), mu, 0.1, tau=2.0, tolerance=bf.Tolerance(rtol=1e-5))
    transverse = result.value.sel(a="x", b="y").item()
    assert abs(transverse) <= result.error.sel(a="x", b="y").item() + 1e-12


def test_the_absolute_tolerance_of_the_thermopower_spares_its_conductivities():
    """S_xx of a compensated metal is small: to an absolute tolerance alpha need not be known to rtol of itself."""
    model = bf.zoo.haldane()

    def run(atol):
        return R.thermoelectric(model, 0.8, 0.01, tau=3.0, tolerance=bf.Tolerance(rtol=3e-5, atol=atol), **QUIET)

    fine, coarse = run(None), run(0.02)
    assert bool(fine.converged.all()) and bool(coarse.converged.all())
    assert (np.abs(coarse.value - fine.value) <= coarse.error + fine.error).all()
    assert float(coarse.error.max()) < 0.02
    assert coarse.attrs["evaluations"] < fine.attrs["evaluations"]


@pytest.mark.parametrize("name", ["anomalous_nernst", "anomalous_thermal_hall", "orbital_magnetization"])
def test_rules_agree(name):
    model, tolerance = bf.zoo.haldane(mass=0.2), bf.Tolerance(rtol=1e-5)
    values = [
        getattr(R, name)(model, -0.8, 0.1, rule=rule, tolerance=tolerance, execution=QUIET["execution"])
        for rule in ("uniform", "cells", "nested")
    ]
    for other in values[1:]:
        assert (np.abs(values[0].value - other.value) <= values[0].error + other.error).all()


@pytest.mark.parametrize("name", ["anomalous_nernst", "anomalous_thermal_hall"])
def test_nothing_is_integrated_for_what_vanishes_at_zero_temperature(name):
    model, response = bf.zoo.haldane(mass=0.1), getattr(R, name)
    cold = response(model, [-1.0, 0.0], 0.0)
    assert cold.attrs["evaluations"] == 0
    assert cold.attrs["status"] == "CONVERGED"
    scan = response(model, [-1.0, 0.0], [0.1, 0.0, 0.2])
    alone = response(model, [-1.0, 0.0], [0.1, 0.2])
    assert scan.attrs["evaluations"] == alone.attrs["evaluations"]
    for variable in ("value", "error", *COMPARISONS[name]):
        assert not cold[variable].values.any()
        assert not scan[variable].sel(temperature=0.0).values.any()
        np.testing.assert_array_equal(scan[variable].sel(temperature=alone.temperature), alone[variable])
    with pytest.raises(ValueError, match="Argument `rule` must"):
        response(model, 0.0, 0.0, rule="cell")


def test_zeros_at_zero_temperature_are_those_of_the_integral():
    # beside a Hall conductivity, which does not vanish, the same integrands are evaluated at T = 0
    found = R.together(["anomalous_hall", "anomalous_nernst"], bf.zoo.haldane(mass=0.1), -1.0, 0.0, throw=False)
    assert found["anomalous_nernst"].attrs["evaluations"] > 0
    for variable in ("value", "mott"):
        assert not found["anomalous_nernst"][variable].values.any()


def test_conductivity_alone_is_integrated_for_the_thermopower_at_zero_temperature():
    model = bf.zoo.haldane(mass=0.1)
    found = R.thermoelectric(model, -1.0, 0.0, tau=10.0, intrinsic=False, **QUIET)
    assert found.attrs["evaluations"] < 50_000  # 160,000 with moments of the surface that vanish
    assert found.converged.all()
    for variable, error in (("value", "error"), *((x, f"{x}_error") for x in ("alpha", "kappa", "kappa_0", "mott"))):
        assert not found[variable].values.any() and not found[error].values.any()
    ohmic = R.ohmic(model, -1.0, 0.0, tau=10.0, **QUIET)
    np.testing.assert_allclose(found.sigma, ohmic.value, atol=float(ohmic.error.max() + found.sigma_error.max()))
    gapped = R.thermoelectric(model, 0.0, 0.0, tau=10.0, intrinsic=False, **QUIET)
    assert gapped.attrs["status"] == "NO_CARRIERS"
    assert np.isnan(gapped.value).all()


@pytest.mark.parametrize("kt", [0.0, 0.08])
def test_scans_read_from_an_energy_grid(kt):
    model, mu = bf.zoo.haldane(mass=0.2), np.linspace(-1.5, 1.5, 41)
    names = ["anomalous_nernst", "anomalous_thermal_hall", "orbital_magnetization"]
    scan, single = (R.together(names, model, m, kt, grid=24, **QUIET) for m in (mu, mu[11]))
    for name in names:
        here, there = scan[name].value[11], single[name].value[0]
        # the energy grid reproduces weights to 1e-10 at this tolerance; at T = 0 counts are exact up to rounding
        assert np.abs(here - there).max() < 1e-9 * max(1e-3, float(np.abs(scan[name].value).max()))


def test_degenerate_copies_add():
    blocks = random_blocks(5, 4, 2)
    twice = np.kron(blocks.blocks, np.eye(2))
    model = bf.TightBinding.from_blocks(blocks.lattice, np.repeat(blocks.orbitals, 2, axis=0), blocks.cells, twice)
    for response in (R.orbital_magnetization, R.anomalous_nernst, R.anomalous_thermal_hall, R.streda):
        single = tensor(response, blocks.model())
        np.testing.assert_allclose(tensor(response, model), 2 * single, atol=1e-9 * largest(single))


def test_bulk_and_edges_of_a_random_crystal():
    """The Hall-effect sum over the zone and the current along the edge of a ribbon give the same magnetization."""
    model = random_blocks(11, 4, 2).model()
    bulk = R.orbital_magnetization(model, MU, 0.4, tolerance=bf.Tolerance(rtol=1e-6), execution=QUIET["execution"])
    edge = bf.exact.edge_magnetization(model, MU, 0.4, width=64, tolerance=bf.Tolerance(rtol=1e-3), **QUIET)
    difference = abs(bulk.value.sel(a="x", b="y").item() - edge.value.item())
    assert difference <= edge.error.item() + bulk.error.max().item()


def test_hall_conductivity_of_a_weyl_semimetal_counts_chern_numbers():
    """sigma_xy = -Int dkz/(2 pi) C(kz)/(2 pi), where C(kz) changes at the nodes -/+ k_0, at whose energy mu lies."""
    node = 1.0
    model = bf.zoo.weyl_lattice(node=node)

    def layer(k, kz):
        return model.matrices(jnp.array([[k[0], k[1], kz]])).hamiltonian[0]

    plane = bf.LatticeModel(layer, np.eye(2), parameters={"kz": 0.0})
    between, beyond = (bf.geometry.chern_number(plane.replace(kz=kz), bands=[0]) for kz in (0.5 * node, 2.0 * node))
    assert {abs(between), abs(beyond)} == {0, 1}
    result = R.anomalous_hall(model, 0.0, 0.0, tolerance=bf.Tolerance(rtol=1e-3), **QUIET)
    expected = -(between * 2 * node + beyond * (2 * np.pi - 2 * node)) / (4 * np.pi**2)
    value, error = (result[name].sel(a="x", b="y").item() for name in ("value", "error"))
    assert abs(value - expected) <= error < 2e-3 * abs(expected)


def test_the_bound_current_of_a_profile_is_that_of_its_points():
    """mu and T given with their slopes at every point: each point alone gives the same, up to the errors of both."""
    model, slopes, steps = bf.zoo.haldane(), [[0.0, 0.01], [0.02, 0.0]], [[0.0, 0.1], [0.0, 0.3]]
    mu, temperature = [0.0, 0.9], [0.05, 0.1]
    whole = R.magnetization_current(model, mu, temperature, mu_gradient=slopes, temperature_gradient=steps)
    for i, j in ((0, 1), (1, 0)):
        gradients = {"mu_gradient": slopes[i], "temperature_gradient": steps[j]}
        alone = R.magnetization_current(model, mu[i], temperature[j], **gradients)
        difference = np.abs(whole.value[i, j].values - alone.value[0, 0].values)
        assert (difference <= whole.error[i, j].values + alone.error[0, 0].values).all()


def test_several_quantities_at_once_are_those_of_each_alone():
    model, half = bf.zoo.haldane(), {"half": [[0, 0], [1, 0], [1, 1]]}
    names = ["ohmic", "valley_hall", "magnetization_current", "anomalous_hall"]
    options = {"ohmic": {"tau": 2.0}, "valley_hall": {"partition": half}, "magnetization_current": {}}
    options["magnetization_current"] = {"mu_gradient": [0.0, 0.1]}
    given = {key: value for each in options.values() for key, value in each.items()}
    found = R.together(names, model, None, 0.1, density=0.3, **given)
    for name in names:
        alone = getattr(R, name)(model, None, 0.1, density=0.3, **options.get(name, {}))
        assert found[name].value.dims == alone.value.dims
        error = found[name].error.values + alone.error.values
        assert (np.abs(found[name].value.values - alone.value.values) <= error + 1e-15).all()


def test_a_conductivity_at_the_edge_of_a_band_is_zero_within_its_error():
    """Energies are rounded, so that the nearest band edge is not exactly at mu: the error says so."""
    for model, edge in ((bf.zoo.parabolic(), 0.0), (bf.zoo.square(), -4.0)):
        sigma = R.ohmic(model, edge, 0.0, tau=1.0)
        assert (np.abs(sigma.value.values) <= sigma.error.values).all()
        # a fraction 1e-9 of <v^2>/width, of order 1
        assert sigma.error.values.max() < 1e-8
