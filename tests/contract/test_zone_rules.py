"""How zone integrals are chosen, recorded and refused; symmetry, cutoffs, Ohmic conductivity, densities of states."""

import warnings

import numpy as np
import pytest

import blochflow as bf


def xy(result):
    return float(result.value.sel(a="x", b="y").values.reshape(-1)[0])


def test_the_choice_of_rule_is_recorded():
    model = bf.zoo.haldane()
    metal = bf.response.anomalous_hall(model, -1.0, 0.0)
    warm = bf.response.anomalous_hall(model, -1.0, 0.3)
    fixed = bf.response.anomalous_hall(model, -1.0, 0.3, grid=24, throw=False)
    assert [r.attrs["rule"] for r in (metal, warm, fixed)] == ["cells", "uniform", "uniform"]
    assert "proven open" in metal.attrs["rigor"]
    assert "grid" not in metal.attrs


def test_scans_of_warm_metals_stay_on_uniform_grids():
    """Above both bands next to nothing is left of their large contributions; that, too, is read to the tolerance."""
    model, mu = bf.zoo.haldane(mass=0.2), np.linspace(-2.0, 5.0, 41)
    scan = bf.response.anomalous_hall(model, mu, 0.08, tolerance=bf.Tolerance(rtol=1e-4))
    assert scan.attrs["rule"] == "uniform"
    assert scan.evaluations <= 40_000
    few = bf.response.anomalous_hall(model, mu[::10], 0.08, grid=256, throw=False)
    there, here = few.value.sel(a="x", b="y").values, scan.value.sel(a="x", b="y").values[::10]
    # of the sum of absolute values, about 0.3, a fraction 1e-10 is allowed by default; the grid of 256 has settled
    assert (np.abs(here - there) <= 1e-4 * np.abs(there) + 1e-10).all()
    assert 1e-9 < np.abs(there[-2, 0]) < 1e-3 < np.abs(there[0, 0])


@pytest.mark.parametrize("mu", [-1.0, 0.0, 0.37])
def test_rules_agree(mu):
    model, tolerance = bf.zoo.haldane(mass=0.1), bf.Tolerance(rtol=1e-4)
    cells = bf.response.anomalous_hall(model, mu, 0.1, rule="cells", tolerance=tolerance)
    uniform = bf.response.anomalous_hall(model, mu, 0.1, rule="uniform", tolerance=tolerance)
    assert (cells.attrs["rule"], uniform.attrs["rule"]) == ("cells", "uniform")
    assert abs(xy(cells) - xy(uniform)) <= 2e-4 * abs(xy(uniform))  # both meet 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "simpson"}, "Argument `rule` must be one of"),
        ({"rule": "cells", "grid": 8}, "Argument `rule` must be .uniform. or left out"),
        ({"rule": "local", "grid": 8}, "Argument `rule` must be .uniform. or left out"),
        ({"symmetry": "all"}, "Argument `symmetry` must"),
    ],
)
def test_wrong_rules_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        bf.response.anomalous_hall(bf.zoo.haldane(), 0.0, 0.1, **arguments)


def test_models_without_zone_take_no_grid_rule():
    for rule in ("uniform", "shifted", "local"):
        with pytest.raises(ValueError, match="continuum models"):
            bf.response.anomalous_hall(bf.zoo.massive_dirac(), 0.0, 0.1, rule=rule)


def test_forbidden_components_are_exactly_zero_and_marked():
    graphene = bf.response.anomalous_hall(bf.zoo.graphene(mass=0.2), [0.0, 1.0], 0.0)
    assert not graphene.value.values.any()
    assert not graphene.error.values.any()
    assert graphene.forbidden.values.all()
    assert graphene.attrs["rule"] == "symmetry"
    haldane = bf.response.anomalous_hall(bf.zoo.haldane(), 0.0, 0.0)
    assert not bool(haldane.forbidden.sel(a="x", b="y"))


def test_symmetry_changes_nothing_but_the_work():
    for quantity, options in ((bf.response.electron_density, {}), (bf.response.ohmic, {"tau": 1.0})):
        with_it = quantity(bf.zoo.cubic(), -1.0, 0.0, tolerance=bf.Tolerance(1e-4), **options)
        without = quantity(bf.zoo.cubic(), -1.0, 0.0, tolerance=bf.Tolerance(1e-4), symmetry=False, **options)
        assert with_it.attrs["evaluations"] < without.attrs["evaluations"] / 4
        distance = np.abs(with_it.value.values - without.value.values)
        assert np.all(distance <= with_it.error.values + without.error.values)


def test_a_symmetry_that_does_not_hold_is_refused_with_a_warning():
    with pytest.warns(bf.SymmetryWarning, match="not used"):
        result = bf.response.anomalous_hall(bf.zoo.haldane(), 0.0, 0.0, symmetry=["time_reversal"])
    assert xy(result) == pytest.approx(1 / (2 * np.pi), rel=1e-3)  # the tolerance asked for


def test_cutoff_tail_of_the_dirac_cone():
    mass, cutoff = 0.3, 4.0
    result = bf.response.anomalous_hall(bf.zoo.massive_dirac(mass=mass, cutoff=cutoff), 0.0, 0.0)
    tail = float(result.cutoff_tail.sel(a="x", b="y").item())
    # integrated over four decades: 1e-4 of it lies beyond
    assert tail == pytest.approx(-mass / np.hypot(mass, cutoff) / (4 * np.pi), rel=2e-4)
    assert xy(result) + tail == pytest.approx(-1 / (4 * np.pi), rel=1e-3)
    sea = bf.response.electron_density(bf.zoo.massive_dirac(), 0.0, 0.0)
    assert np.isinf(sea.cutoff_tail.values).all()


def test_touching_bands_at_mu_are_not_converged_and_do_not_spoil_other_states():
    model = bf.zoo.qwz(mass=-2.0)  # massless at k = 0
    node = float(np.linalg.eigvalsh(np.asarray(model.hamiltonian([0.0, 0.0])))[0])
    result = bf.response.anomalous_hall(model, [node, 1.3], 0.0, symmetry=False, throw=False)
    assert result.attrs["status"] == "TOUCHING"
    assert np.isnan(result.error.sel(a="x", b="y").values[0, 0])
    assert result.converged.values.tolist() == [[False], [True]]
    # a bounded integrand has an answer there
    assert bool(bf.response.electron_density(model, node, 0.0).converged.all())


def test_ohmic_scans_times_and_takes_functions():
    model = bf.zoo.square()
    scan = bf.response.ohmic(model, -1.0, 0.1, tau=[1.0, 2.0])
    assert scan.value.dims == ("mu", "temperature", "tau", "a", "b")
    np.testing.assert_allclose(scan.value.values[..., 1, :, :], 2 * scan.value.values[..., 0, :, :])
    function = bf.response.ohmic(model, -1.0, 0.1, tau=lambda energy, band, k: 2.0 + 0 * energy)
    np.testing.assert_allclose(function.value.values, scan.value.values[..., 1, :, :], rtol=2e-3)  # both meet 1e-3
    # t = 1, mu = -1, T = 0.1, by quadrature of the closed form of the velocities
    assert float(scan.value.values[0, 0, 0, 0, 0]) == pytest.approx(0.362858813303, rel=1e-3)


@pytest.mark.parametrize("tau", [0.0, -1.0, "long", [1.0, 0.0]])
def test_wrong_times_are_named(tau):
    with pytest.raises(ValueError, match="Argument `tau` must"):
        bf.response.ohmic(bf.zoo.square(), 0.0, 0.1, tau=tau)


def test_a_time_function_that_fails_is_the_users():
    with pytest.raises(bf.UserModelError, match=r"tau\(energy, band, k\)"):
        bf.response.ohmic(bf.zoo.square(), 0.0, 0.1, tau=lambda energy, band, k: -1.0)


def test_surfaces_at_zero_temperature_need_cells():
    with pytest.raises(ValueError, match="Argument `temperature` must be above 0"):
        bf.response.density_of_states(bf.zoo.square(), 0.3, 0.0, grid=16)


def test_density_of_states_is_the_slope_of_the_density():
    model, h = bf.zoo.haldane(), 1e-3
    for temperature in (0.0, 0.05):
        dos = bf.response.density_of_states(model, -1.2, temperature, tolerance=bf.Tolerance(1e-5)).value.item()
        ends = bf.response.electron_density(model, [-1.2 - h, -1.2 + h], temperature, tolerance=bf.Tolerance(1e-7))
        # difference quotient: h^2 n'''/6, and 1e-7/h of the densities
        assert dos == pytest.approx(float(np.diff(ends.value.values[:, 0])[0]) / (2 * h), rel=1e-3)


def test_many_states_share_one_pass():
    model = bf.zoo.haldane()
    mu, temperature = np.linspace(-2, 2, 41), [0.2, 0.3]
    scan = bf.response.anomalous_hall(model, mu, temperature)
    for i in (0, 7, 20, 33):
        for j in (0, 1):
            one = bf.response.anomalous_hall(model, mu[i], temperature[j])
            distance = abs(scan.value.values[i, j] - one.value.values[0, 0]).max()
            assert distance <= (scan.error.values[i, j] + one.error.values[0, 0]).max() + 1e-12


@pytest.mark.parametrize("workers", [2, 4])
def test_cells_give_the_same_bits_for_any_number_of_workers(workers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, more = (
            bf.response.anomalous_hall(
                bf.zoo.haldane(), [-1.0, 0.2], [0.0, 0.01], execution=bf.Execution(workers=w, progress=False)
            )
            for w in (1, workers)
        )
    assert one.value.values.tobytes() == more.value.values.tobytes()
    assert one.error.values.tobytes() == more.error.values.tobytes()
