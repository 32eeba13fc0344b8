"""Derivatives on grids found automatically: right within their error, or not converged."""

from __future__ import annotations

import numpy as np
import pytest
from honesty import ONE_CORE

import blochflow as bf

R = bf.response
QUIET = {"execution": ONE_CORE, "throw": False}


def chain():
    """E = 2 t cos k."""
    return bf.TightBinding([[1.0]], [[0.0]], lambda t: [(t, 0, 0, (1,))], parameters={"t": -1.0})


def cone(mass):
    """Two bands with a gap of 2 |mass| at a k between all points."""
    centre = (0.7345, -1.1234)

    def hoppings(mass):
        found = [(mass - 2.0, 0, 0, (0, 0)), (2.0 - mass, 1, 1, (0, 0))]
        for k, step, pauli in zip(centre, ((1, 0), (0, 1)), ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]]), strict=True):
            block = np.exp(-1j * k) * (np.array(pauli) / 2j + np.diag([0.5, -0.5]))
            found += [(block[i, j], i, j, step) for i in range(2) for j in range(2)]
        return found

    return bf.TightBinding(np.eye(2), np.zeros((2, 2)), hoppings, parameters={"mass": mass})


def slope_of_cells(response, model, mu, kt):
    """From certified cells, by central differences extrapolated once."""
    mass = model.parameters["mass"]

    def value(x):
        found = response(model.replace(mass=x), mu, kt, rule="cells", tolerance=bf.Tolerance(1e-8), **QUIET)
        return found.value.values.ravel()

    wide, narrow = ((value(mass + h) - value(mass - h)) / (2 * h) for h in (2e-2 * mass, 1e-2 * mass))
    return (4 * narrow - wide) / 3


@pytest.mark.parametrize("kt", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("mu", [-0.7, 1.1])
def test_a_chain_colder_and_colder(mu, kt):
    slope = bf.sensitivity(R.electron_density, chain(), ["t"], mu=mu, temperature=kt, **QUIET)
    # n = arccos(mu/2t)/pi at T = 0, up to (k_B T)^2
    truth = mu / 2 / np.sqrt(1 - mu**2 / 4) / np.pi
    assert bool(slope.converged) == (kt > 2e-5)
    if kt > 2e-6:
        assert abs(slope.value.item() - truth) <= slope.error.item() + kt**2


@pytest.mark.parametrize("kt", [1e-2, 1e-3])
def test_density_of_states_of_a_chain(kt):
    slope = bf.sensitivity(R.density_of_states, chain(), ["t"], mu=0.9, temperature=kt, **QUIET)
    # D = 1/(pi sqrt(4 t^2 - mu^2))
    truth = 4 / np.pi / (4 - 0.9**2) ** 1.5
    assert bool(slope.converged)
    assert abs(slope.value.item() - truth) <= slope.error.item() + 2 * kt**2


def test_what_cannot_be_resolved_is_refused():
    call = {"mu": 1.1, "temperature": 1e-6, "execution": ONE_CORE}
    with pytest.raises(bf.ConvergenceError, match="cannot resolve the temperature") as caught:
        bf.sensitivity(R.electron_density, chain(), ["t"], **call)
    found = caught.value.result
    assert found.attrs["status"] == "UNRESOLVED" and "points" in found.attrs["rigor"]
    assert np.isnan(found.error.item()) and found.attrs["evaluations"] < 10_000
    few = bf.Tolerance(max_evaluations=1000)
    found = bf.sensitivity(R.electron_density, chain(), ["t"], mu=1.1, temperature=0.01, tolerance=few, **QUIET)
    assert not bool(found.converged) and found.attrs["evaluations"] <= 1000


def test_warm_states_do_not_suffer_from_cold_ones():
    slope = bf.sensitivity(R.electron_density, chain(), ["t"], mu=[-0.7, 3.0], temperature=[1e-6, 0.1], **QUIET)
    # empty or full at mu = 3, where nothing needs resolving
    np.testing.assert_array_equal(slope.converged.values[0], [[False, True], [True, True]])
    one = bf.sensitivity(R.electron_density, chain(), ["t"], mu=-0.7, temperature=0.1, **QUIET)
    both = slope.error.values[0, 0, 1] + one.error.item()
    assert abs(slope.value.values[0, 0, 1] - one.value.item()) <= both


@pytest.mark.parametrize(
    ("mass", "mu", "kt", "rtol"),
    [(0.1, 0.12, 0.03, 1e-1), (0.1, 0.12, 0.03, 1e-2), (0.03, 0.035, 0.01, 1e-1), (0.03, 0.035, 0.01, 1e-2)],
)
@pytest.mark.parametrize("response", [R.anomalous_hall, R.electron_density])
def test_a_cone_between_points(response, mass, mu, kt, rtol):
    model = cone(mass)
    slope = bf.sensitivity(response, model, ["mass"], mu=mu, temperature=kt, tolerance=bf.Tolerance(rtol=rtol), **QUIET)
    truth = slope_of_cells(response, model, mu, kt)
    assert bool(slope.converged) and "resolves" in slope.attrs["rigor"]
    # differences err by the fourth power of a hundredth
    assert (np.abs(slope.value.values.ravel() - truth) <= slope.error.values.ravel() + 1e-5 * np.abs(truth)).all()


@pytest.mark.parametrize("response", [R.anomalous_hall, R.electron_density])
def test_a_cone_sharper_than_the_points(response):
    model = cone(3e-4)
    slope = bf.sensitivity(
        response, model, ["mass"], mu=3.5e-4, temperature=1e-4, tolerance=bf.Tolerance(rtol=1e-1), **QUIET
    )
    assert not bool(slope.converged) and np.isnan(slope.error.values).any()


def test_a_cold_insulator():
    slope = bf.sensitivity(R.anomalous_hall, cone(0.1), ["mass"], mu=0.0, temperature=1e-5, **QUIET)
    # the Chern number does not change
    assert bool(slope.converged) and np.abs(slope.value.values).max() <= slope.error.values.max()


def test_blocks_whose_bands_cross():
    parts = [bf.zoo.haldane(mass=0.3), bf.zoo.haldane(mass=0.5)]
    single = parts[0]
    blocks = np.zeros((len(single.cells), 4, 4), dtype=complex)
    blocks[:, :2, :2], blocks[:, 2:, 2:] = (np.asarray(part.blocks) for part in parts)
    origin = int(np.flatnonzero((np.asarray(single.cells) == 0).all(axis=1))[0])
    blocks[origin, 2:, 2:] += 0.4 * np.eye(2)
    orbitals = np.concatenate([np.asarray(single.orbitals)] * 2)
    whole = bf.TightBinding.from_blocks(single.lattice, orbitals, single.cells, blocks)
    both = bf.sensitivity(R.anomalous_hall, whole, ["onsite[0]", "onsite[2]"], mu=-1.0, temperature=0.2, **QUIET)
    assert bool(both.converged.all()) and "all gaps at mu" in both.attrs["rigor"]
    for part, mu, slope in zip(parts, (-1.0, -1.4), (both.isel(parameter=i) for i in range(2)), strict=True):
        alone = bf.sensitivity(R.anomalous_hall, part, ["onsite[0]"], mu=mu, temperature=0.2, **QUIET)
        difference = np.abs(slope.value.values - alone.value.values[0])
        assert (difference <= slope.error.values + alone.error.values[0] + 1e-12).all()


def test_many_bands_without_a_proof():
    rng = np.random.default_rng(7)
    count = 10
    blocks = {(0, 0, 0): np.diag(np.linspace(-2.0, 2.0, count)).astype(complex)}
    for step in np.eye(3, dtype=int):
        parts = rng.normal(size=(2, count, count))
        blocks[tuple(int(x) for x in step)] = 0.02 * (parts[0] + 1j * parts[1])
    model = bf.TightBinding(np.eye(3), np.zeros((count, 3)), blocks)
    call = {"mu": 0.1, "execution": ONE_CORE, "throw": False, "tolerance": bf.Tolerance(rtol=1e-2)}
    slope = bf.sensitivity(R.anomalous_hall, model, ["onsite[4]"], temperature=0.3, **call)
    assert bool(slope.converged) and "gaps at mu are not proven to be resolved" in slope.attrs["rigor"]
    fine = bf.sensitivity(R.anomalous_hall, model, ["onsite[4]"], temperature=0.3, grid=24, **call)
    both = slope.error.values + fine.error.values
    assert (np.abs(slope.value.values - fine.value.values) <= both).all()
    cold = bf.sensitivity(R.anomalous_hall, model, ["onsite[4]"], temperature=1e-3, **call)
    assert cold.attrs["status"] == "UNRESOLVED" and "the temperature is not resolved" in cold.attrs["rigor"]
