"""Models made to deceive: functions that repeat in the zone, dilute bands, band edges between the points of a grid."""

from __future__ import annotations

import numpy as np
import pytest
from honesty import ONE_CORE
from scipy.special import expit, ive

import blochflow as bf

R = bf.response
QUIET = {"execution": ONE_CORE, "throw": False}


@pytest.mark.parametrize("reach", [8, 16])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_long_hoppings_are_resolved(reach, temperature):
    model = bf.TightBinding(np.eye(2), np.zeros((1, 2)), [(-1.0, 0, 0, (reach, 0)), (-1.0, 0, 0, (0, reach))])
    result = R.electron_density(model, 0.0, temperature, **QUIET)
    # half filling by E -> -E
    assert abs(result.value.item() - 0.5) <= result.error.item() + 1e-14
    assert bool(result.converged)


@pytest.mark.parametrize("step", [2, 4])
def test_a_model_that_repeats_in_the_zone(step):
    sx, sy, sz = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1.0, -1.0]) + 0j
    blocks = {(0, 0): sz, (step, 0): -0.5 * sz + sx / 2j, (0, step): -0.5 * sz + sy / 2j}
    model = bf.TightBinding(np.eye(2), np.zeros((2, 2)), blocks)
    result = R.anomalous_hall(model, 0.0, 0.0, **QUIET).sel(a="x", b="y")
    assert bool(result.converged)
    # one Chern number of size one for each repetition
    assert abs(2 * np.pi * abs(result.value.item()) - step**2) <= 2 * np.pi * result.error.item()


@pytest.mark.parametrize("below", [16.0, 20.0])
def test_dilute_electrons_in_three_dimensions(below):
    kt = 0.02
    result = R.electron_density(bf.zoo.cubic(), -6 - below * kt, kt, **QUIET)
    # Boltzmann: exp(mu/kT) I_0(2/kT)^3, wrong by exp(-below)
    truth = np.exp(-below) * ive(0, 2 / kt) ** 3
    assert bool(result.converged)
    assert abs(result.value.item() - truth) <= result.error.item() + np.exp(-below) * truth


@pytest.mark.parametrize(("d", "offset"), [(1, 1 / 300), (2, 1 / 110), (3, 1 / 60)])
@pytest.mark.parametrize("rtol", [1e-3, 1e-5])
def test_band_edges_between_points(d, offset, rtol):
    origin, phase = (0,) * d, np.exp(-2j * np.pi * (0.25 + offset))
    hoppings = [(-2.0, 0, 0, origin), (2.0, 1, 1, origin)]
    for axis in range(d):
        step = tuple(int(axis == a) for a in range(d))
        hoppings += [(0.25 * phase, 0, 0, step), (0.25, 1, 1, step)]
    model = bf.TightBinding(np.eye(d), np.zeros((2, d)), hoppings)
    result = R.chemical_potential(model, 1.0, 0.0, tolerance=bf.Tolerance(rtol), **QUIET)
    # both bands are d/2 wide on each side of -2 and 2
    assert abs(result.value.item()) <= result.error.item()


@pytest.mark.parametrize("kt", [0.37, 0.1])
@pytest.mark.parametrize("response", [R.electron_density, R.density_of_states])
def test_flat_bands_read_from_an_energy_grid(kt, response):
    model = bf.TightBinding(np.eye(2), np.zeros((2, 2)), [(0.0, 0, 0, (0, 0)), (1.0, 1, 1, (0, 0))])
    mu = np.linspace(-3, 4, 801)
    x = (mu[:, None] - np.array([0.0, 1.0])) / kt
    truth = (expit(x) if response is R.electron_density else expit(x) * expit(-x) / kt).sum(axis=1)
    result = response(model, mu, kt, **QUIET)
    # plus the rounding of mu - E over k_B T
    assert (np.abs(result.value.values[:, 0] - truth) <= result.error.values[:, 0] + 1e-13 * truth).all()


@pytest.mark.parametrize("mu", [0.0, 1e-9, 1.0, -np.sqrt(2.0)])
def test_fermi_points_of_a_chain_at_symmetric_k(mu):
    model = bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))])
    result = R.density_of_states(model, mu, 0.0, tolerance=bf.Tolerance(1e-4), **QUIET)
    truth = 1 / (np.pi * np.sqrt(4 - mu**2))
    assert bool(result.converged)
    assert abs(result.value.item() - truth) <= result.error.item()


@pytest.mark.parametrize("band_edge", [-1.6, -0.4, 0.4, 1.6])
def test_density_of_states_at_the_edges_of_a_chain_is_not_claimed(band_edge):
    tolerance = bf.Tolerance(max_evaluations=20_000)
    result = R.density_of_states(bf.zoo.ssh(), band_edge, 0.0, tolerance=tolerance, **QUIET)
    # it diverges there: the square root of the distance, which rounding decides
    assert not bool(result.converged)
    assert result.error.item() > 1e3


@pytest.mark.parametrize("response", [R.density_of_states, R.anomalous_hall])
def test_states_beyond_a_cutoff_converge_to_zero(response):
    model = bf.zoo.massive_dirac()
    result = response(model, [0.5, 50.0], 0.0, **QUIET)
    assert bool(result.converged.all())
    assert np.abs(result.value.sel(mu=50.0)).max() == 0


def hot_spot(gap, layers=0):
    """One band inversion of size ``gap`` off all symmetric points; with ``layers``, stacked, beside flat bands."""
    sx, sy, sz = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1.0, -1.0]) + 0j
    phase = np.exp(-0.3123j)
    blocks = {(0, 0): -(2 - gap / 2) * sz, (1, 0): phase * (sz + sx / 1j) / 2, (0, 1): phase * (sz + sy / 1j) / 2}
    if not layers:
        return bf.TightBinding(np.eye(2), np.zeros((2, 2)), blocks)
    size = 2 + layers
    full = {}
    for cell, block in blocks.items():
        matrix = np.zeros((size, size), complex)
        matrix[:2, :2] = block
        full[(*cell, 0)] = matrix
    full[(0, 0, 0)][range(2, size), range(2, size)] = 5 + np.arange(layers)
    return bf.TightBinding(np.eye(3), np.zeros((size, 3)), full)


@pytest.mark.parametrize("rule", ["uniform", "shifted", "local", "nested", "cells"])
def test_chern_numbers_betray_a_missed_gap(rule):
    tolerance = bf.Tolerance(rtol=0.1, max_evaluations=200_000)
    result = R.anomalous_hall(hot_spot(1e-5), 0.0, 0.0, rule=rule, tolerance=tolerance, **QUIET).sel(a="x", b="y")
    assert bool(result.converged) == (rule == "cells")
    miss = abs(2 * np.pi * abs(result.value.item()) - 1)
    assert np.isnan(result.error.item()) or miss <= 2 * np.pi * result.error.item()


def test_chern_numbers_of_many_bands_in_three_dimensions():
    tolerance = bf.Tolerance(rtol=0.1, max_evaluations=200_000)
    result = R.anomalous_hall(hot_spot(1e-4, layers=7), 0.0, 0.0, tolerance=tolerance, **QUIET).sel(a="x", b="y")
    assert not bool(result.converged) and np.isnan(result.error.item())
    assert result.attrs["status"] == "NOT_INTEGER"
    found = R.anomalous_hall(hot_spot(1.0, layers=7), 0.0, 0.0, tolerance=tolerance, **QUIET).sel(a="x", b="y")
    assert bool(found.converged) and abs(2 * np.pi * abs(found.value.item()) - 1) <= 2 * np.pi * found.error.item()


def test_warm_densities_need_no_gaps():
    """Sums of f(E) are smooth where bands touch: graphene without a gap takes a uniform grid."""
    result = R.electron_density(bf.zoo.graphene(mass=0.0), np.linspace(-1, 1, 41), 0.2, **QUIET)
    assert bool(result.converged.all()) and result.attrs["rule"] == "uniform"
    # particle-hole symmetry: n(mu) + n(-mu) = two bands per cell
    total = 2 / float(bf.zoo.graphene().lattice.volume)
    assert (
        np.abs(result.value.values + result.value.values[::-1] - total).max() <= 2 * result.error.values.max() + 1e-12
    )


VANISHING = {
    # nearly gapless, Chern number 0: two valleys cancel
    "anomalous_hall": lambda: R.anomalous_hall(bf.zoo.haldane(mass=0.45 * 3**0.5 + 1e-3), 0.0, 0.0, **QUIET),
    # both valleys and both signs of energy cancel
    "anomalous_nernst": lambda: R.anomalous_nernst(bf.zoo.haldane(mass=0.45 * 3**0.5 + 5e-2), 0.0, 0.1, **QUIET),
    # the current itself vanishes at every k: what is left is rounding
    "spin_hall": lambda: R.spin_hall(bf.zoo.haldane(), 0.0, 0.0, spin="sublattice", **QUIET),
}


@pytest.mark.parametrize("name", VANISHING)
def test_what_vanishes_by_cancellation_converges(name):
    result = VANISHING[name]()
    assert bool(result.converged.all()), result.attrs["status_message"]
    # 1e-9, the documented fraction at rtol = 1e-3, of integrals of absolute values below 1
    assert np.abs(result.value.values).max() <= result.error.values.max() <= 1e-9
    assert result.attrs["evaluations"] < 1_000_000
