"""Rules of points claim a zero, or a full zone, only where no state lies at mu by proof."""

import numpy as np
import pytest
from scipy.special import ellipkm1

import blochflow as bf
from blochflow.response.integrands import NumberSea
from blochflow.response.source import ModelSource
from blochflow.response.unseen import MOST_PROOFS, empty_states
from blochflow.response.zone_options import chart_of
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import Filling, is_insulating

ONE_CORE = bf.Execution(workers=1, progress=False)
POCKET = 1e-5  # of depth, in bands of width 4


def square():
    """E = -cos(kx - 0.7) - cos(ky + 0.3): no grid has a point at a band edge."""
    hops = [(-0.5 * np.exp(-0.7j), 0, 0, (1, 0)), (-0.5 * np.exp(0.3j), 0, 0, (0, 1))]
    return bf.TightBinding(np.eye(2), [[0.0, 0.0]], hops)


def pocket_density():
    """Integral of K(m)/pi^2, m = 1 - (E/2)^2, the density of states of the square lattice, over the pocket."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    energies = -2 + 0.5 * POCKET * (nodes + 1)
    return float((0.5 * POCKET * weights * ellipkm1((energies / 2) ** 2)).sum() / np.pi**2)


def ask(response, model, mu, temperature, rule, **tolerance):
    call = getattr(bf.response, response)
    options = {"rule": rule, "execution": ONE_CORE, "throw": False, "tolerance": bf.Tolerance(**tolerance)}
    return call(model, mu, temperature, **options)


@pytest.mark.parametrize("rule", ["uniform", "shifted", "nested", "local"])
@pytest.mark.parametrize("temperature", [0.0, 1e-7])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_pocket_between_all_points_is_no_claim(rule, temperature, side):
    found = ask("electron_density", square(), side * (2 - POCKET), temperature, rule, max_evaluations=100_000)
    electrons = found.value.item() if side < 0 else 1 - found.value.item()
    right = abs(electrons - pocket_density()) <= found.error.item()
    assert right or not found.converged.item()
    if electrons == 0:
        assert np.isnan(found.error.item()) and found.attrs["status"] == "UNSEEN"
        assert "no point shows a state" in found.attrs["rigor"]


@pytest.mark.parametrize("rule", ["uniform", "shifted", "local"])
def test_a_peak_between_all_points_is_no_claim(rule):
    found = ask("density_of_states", square(), -1.0, 1e-9, rule, max_evaluations=50_000)
    assert not found.converged.item() and found.error.item() != 0


@pytest.mark.parametrize("rule", ["uniform", "shifted", "nested", "local"])
def test_true_zeros_and_full_zones_are_claims(rule):
    for temperature in (0.0, 1e-4):
        found = ask("electron_density", square(), [-2.1, 2.1], temperature, rule)
        assert found.converged.all() and found.value.values[:, 0] == pytest.approx([0, 1], abs=1e-14)
        assert (found.error.values <= 1e-13).all()
    # curvature of one band is zero everywhere, also where mu lies in it
    assert ask("anomalous_hall", square(), -1.0, 0.1, rule).converged.all()
    # below all bands; forbidden by time reversal
    assert ask("anomalous_hall", bf.zoo.haldane(), -4.0, 0.0, rule).converged.all()
    forbidden = ask("anomalous_hall", bf.zoo.graphene(mass=0.5), [0.0, 1.3], 0.2, rule, rtol=1e-3, atol=1e-9)
    assert forbidden.converged.all()


def test_a_fixed_grid_that_shows_nothing_is_no_claim():
    options = {"grid": 24, "execution": ONE_CORE, "throw": False}
    found = bf.response.electron_density(square(), [-2.5, -2 + POCKET], 0.0, **options)
    assert found.converged.values.ravel().tolist() == [True, False]


def test_asked_for_grids_resolve_the_temperature_or_do_not_claim():
    model, settings = square(), {"rtol": 1e-2}
    cold = ask("electron_density", model, [-1.5, 0.3], 1e-4, "uniform", max_evaluations=40_000, **settings)
    assert not cold.converged.any()
    warm = ask("electron_density", model, [-1.5, 0.3, -2.5], [0.05, 0.2], "uniform", **settings)
    cells = ask("electron_density", model, [-1.5, 0.3, -2.5], [0.05, 0.2], "cells", rtol=1e-8)
    assert warm.converged.all() and "resolves the temperature" in warm.attrs["rigor"]
    assert (np.abs(warm.value - cells.value) <= warm.error + cells.error).all()


def test_grids_in_cold_metals_hold_their_bars():
    mu = np.linspace(-1.9, 1.7, 25)
    grid = ask("electron_density", square(), mu, 0.0, "uniform", rtol=3e-3)
    cells = ask("electron_density", square(), mu, 0.0, "cells", rtol=1e-7)
    done = grid.converged.values
    assert done.sum() > 20
    assert (np.abs(grid.value - cells.value) <= grid.error + cells.error).values[done].all()


@pytest.mark.parametrize("model", [bf.zoo.haldane(mass=0.2), bf.zoo.cubic()], ids=["haldane", "cubic"])
def test_states_share_bounds(model):
    """Together they are judged as each alone."""
    source = ModelSource(model, NumberSea(), chart_of(model), ONE_CORE)
    rng = np.random.default_rng(1)
    mu, kt = rng.uniform(-7, 7, 40), rng.choice([0.0, 1e-3, 0.02, 0.1], 40)
    zone = CellSet.whole_zone(source.chart.base)
    alone = [is_insulating(source, zone, Filling(mu[p : p + 1], kt[p : p + 1]), MOST_PROOFS) for p in range(40)]
    assert 0 < sum(alone) < 40
    np.testing.assert_array_equal(empty_states(source, Filling(mu, kt)), alone)
