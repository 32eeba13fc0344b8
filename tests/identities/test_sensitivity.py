"""Derivatives through the zone integral against finite differences, also of exactly degenerate bands."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp

IRON = Path(__file__).parents[2] / "examples" / "fe_bcc" / "Fe_tb.dat.xz"

STEP = 1e-4
# Central differences err by step^2 f'''/6 and by rounding 1e-15/step, both below 1e-8 of slopes of order one.
TOLERANCE = 1e-6


def central(function, at):
    """Derivative from two central differences, extrapolated."""
    wide, narrow = ((function(at + h) - function(at - h)) / (2 * h) for h in (2 * STEP, STEP))
    return (4 * narrow - wide) / 3


def doubled(mass):
    """Haldane model, twice: every band exactly degenerate."""
    single = bf.zoo.haldane(mass=mass)
    blocks = np.kron(np.asarray(single.blocks), np.eye(2))
    orbitals = np.repeat(np.asarray(single.orbitals), 2, axis=0)
    return bf.TightBinding.from_blocks(single.lattice, orbitals, single.cells, blocks)


@pytest.mark.parametrize("name", ["mass", "t2"])
@pytest.mark.parametrize("response", [bf.response.anomalous_hall, bf.response.electron_density])
def test_haldane_metal(name, response):
    model = bf.zoo.haldane(mass=0.1)
    options = {"mu": [-1.0, 0.4], "temperature": 0.1, "grid": 48, "throw": False}
    slope = bf.sensitivity(response, model, [name], **options).value.values[0]

    def value(x):
        return response(model.replace(**{name: x}), **options).value.values

    expected = central(value, float(model.parameters[name]))
    np.testing.assert_allclose(slope, expected, atol=TOLERANCE * np.abs(expected).max())


def tilted_chern(k, mass, tilt):
    """Two bands of no symmetry, so that every dipole exists."""
    x, y = k
    mean = 0.3 * jnp.cos(x) + tilt * jnp.sin(y) + 0.15 * jnp.cos(x + y)
    first, second = jnp.sin(x) + 0.3 * jnp.cos(y), jnp.sin(y) + 0.2 * jnp.sin(x)
    third = mass - jnp.cos(x) - jnp.cos(y) + 0.25 * jnp.sin(x)
    return jnp.array([[mean + third, first - 1j * second], [first + 1j * second, mean - third]])


@pytest.mark.parametrize(
    "response",
    [bf.response.quantum_metric_dipole, pytest.param(bf.response.berry_curvature_dipole, marks=pytest.mark.slow)],
)
def test_dipoles(response):
    model = bf.LatticeModel(tilted_chern, np.eye(2), parameters={"mass": 1.4, "tilt": 0.2})
    options = {"mu": [-0.9, 0.4], "temperature": 0.2, "grid": 32, "throw": False}
    slope = bf.sensitivity(response, model, ["mass", "tilt"], **options)
    assert slope.value.dims == ("parameter", "mu", "temperature", "a", "b", "c")

    def value(name, x):
        return response(model.replace(**{name: x}), **options).value.values

    for name, at in model.parameters.items():
        expected = central(partial(value, name), at)
        found = slope.value.sel(parameter=name).values
        np.testing.assert_allclose(found, expected, atol=TOLERANCE * np.abs(expected).max())


def test_exactly_degenerate_bands():
    options = {"mu": -1.0, "temperature": 0.1, "grid": 24, "throw": False}
    slope = bf.sensitivity(bf.response.anomalous_hall, doubled(0.1), ["onsite[0]", "onsite[1]"], **options)
    # the energy of both copies of site A is +mass up to a constant that shifts mu; site B is -mass
    single = bf.sensitivity(bf.response.anomalous_hall, bf.zoo.haldane(mass=0.1), ["onsite[0]"], **options)
    total = slope.value.values.sum(axis=0)
    np.testing.assert_allclose(total, 2 * single.value.values[0], atol=1e-10)  # rounding over squared gaps


def test_onsite_energy_is_an_added_energy():
    model = bf.zoo.haldane(mass=0.1)
    options = {"mu": -0.8, "temperature": 0.2, "grid": 24, "throw": False}
    slope = bf.sensitivity(bf.response.anomalous_hall, model, ["onsite[1]"], **options).value.values[0]

    def value(x):
        blocks = np.asarray(model.blocks).copy()
        origin = int(np.flatnonzero((model.cells == 0).all(axis=1))[0])
        blocks[origin, 1, 1] += x
        moved = bf.TightBinding.from_blocks(model.lattice, model.orbitals, model.cells, blocks)
        return bf.response.anomalous_hall(moved, **options).value.values

    expected = central(value, 0.0)
    np.testing.assert_allclose(slope, expected, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.slow
def test_onsite_energy_of_iron():
    # a d orbital of 18 Wannier functions with position matrices; the sum over k is that of the same grid
    iron = bf.read_wannier90(IRON, wsvec=False)
    options = {"mu": 17.6376, "temperature": 1000.0, "grid": 6, "throw": False}
    slope = bf.sensitivity(bf.response.anomalous_hall, iron, ["onsite[4]"], **options).value.values[0]

    origin = int(np.flatnonzero((iron.cells == 0).all(axis=1))[0])

    def value(x):
        blocks = np.asarray(iron.blocks).copy()
        blocks[origin, 4, 4] += x
        moved = bf.TightBinding.from_blocks(
            iron.lattice.vectors, iron.orbitals, iron.cells, blocks, positions=iron.positions, units=iron.units
        )
        return bf.response.anomalous_hall(moved, **options).value.values

    same = bf.response.anomalous_hall(iron, **options).value.values
    np.testing.assert_allclose(value(0.0), same, atol=1e-9 * np.abs(same).max())
    expected = central(value, 0.0)
    np.testing.assert_allclose(slope, expected, atol=TOLERANCE * np.abs(expected).max())


def test_converges_with_an_error_that_holds():
    model = bf.zoo.haldane(mass=0.1)
    loose = bf.sensitivity(
        bf.response.anomalous_hall, model, ["mass"], mu=-1.0, temperature=0.1, tolerance=bf.Tolerance(1e-3)
    )
    fine = bf.sensitivity(bf.response.anomalous_hall, model, ["mass"], mu=-1.0, temperature=0.1, grid=192, throw=False)
    assert bool(loose.converged.all())
    assert np.all(np.abs(loose.value.values - fine.value.values) <= loose.error.values + fine.error.values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, "Argument `temperature` must be above 0"),
        ({"parameters": ["mas"]}, "Argument `parameters` must name real scalar parameters .*did you mean 'mass'"),
        ({"parameters": ["onsite[2]"]}, "Argument `parameters` must name orbitals 0 .. 1"),
        ({"response": bf.response.chemical_potential}, "Argument `response` must be one of"),
        ({"model": bf.zoo.massive_dirac()}, "Argument `grid` must be left out for continuum models"),
    ],
)
def test_wrong_arguments(changes, message):
    call = {"response": bf.response.anomalous_hall, "model": bf.zoo.haldane(), "parameters": ["mass"]}
    call |= {"mu": 0.0, "temperature": 0.1} | changes
    with pytest.raises(ValueError, match=message):
        bf.sensitivity(call.pop("response"), call.pop("model"), call.pop("parameters"), **call)
