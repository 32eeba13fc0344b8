"""Exact evolution: matrices, gauges, units and kinds of models that must agree with each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.exact.evolution import Effort, Exponential
from blochflow.exact.magnetic_packet import initial_states
from blochflow.exact.packet_plan import as_plan
from blochflow.exact.sample import LatticeHamiltonian

NOTHING = dict.fromkeys(
    ("electric_field", "magnetic_field", "center", "reference", "lattice_constant", "tolerance", "execution")
)


def random_model(rng, dimension, orbitals, reach=1):
    """Complex hoppings between orbitals anywhere in the cell of a skew lattice."""
    vectors = np.eye(dimension) + 0.3 * rng.normal(size=(dimension, dimension))
    steps = np.indices((2 * reach + 1,) * dimension).reshape(dimension, -1).T - reach
    table = {}
    for cell in map(tuple, steps):
        if cell > tuple(-x for x in cell):
            table[cell] = 0.3 * (rng.normal(size=(orbitals,) * 2) + 1j * rng.normal(size=(orbitals,) * 2))
    onsite = rng.normal(size=(orbitals,) * 2) + 1j * rng.normal(size=(orbitals,) * 2)
    table[(0,) * dimension] = onsite + onsite.conj().T + np.diag(3.0 * np.arange(orbitals))
    return bf.TightBinding(vectors, rng.random((orbitals, dimension)), table)


def prepared(model, packet, times, **options):
    """The matrix and the first state of an evolution."""
    plan = as_plan(model, packet, times, **{**NOTHING, "envelope": "band", **options})
    matrix = LatticeHamiltonian(plan.source, plan.sample, plan.magnetic, plan.electric, plan.steady_field)
    return plan, matrix, initial_states(plan.hamiltonian, plan.made, plan.sample, plan.magnetic, float(times[0]))


@pytest.mark.parametrize(("dimension", "shape"), [(1, [30]), (2, [7, 6]), (3, [4, 3, 4])])
def test_matrix_is_hermitian_and_evolves_like_its_exponential(dimension, shape):
    rng = np.random.default_rng(dimension)
    model = random_model(rng, dimension, 2)
    packet = bf.WavePacket(np.zeros(dimension), rng.normal(size=dimension), width=0.1)
    magnetic = {1: None, 2: 0.4, 3: [0.3, -0.2, 0.5]}[dimension]
    field = 0.2 * rng.normal(size=dimension)
    _, matrix, state = prepared(
        model, packet, [0.0, 1.0], sites=shape, electric_field=field, magnetic_field=magnetic, envelope="product"
    )
    dense = matrix.at(0.0).toarray()
    assert np.abs(dense - dense.conj().T).max() == pytest.approx(0.0, abs=1e-15)
    for time in (0.3, -7.0):
        # terms of order one, sums of a hundred of them
        np.testing.assert_allclose(
            Exponential(matrix.at(0.0)).apply(state, time, Effort()), expm(-1j * time * dense) @ state, atol=1e-12
        )


def test_bloch_states_of_the_interior_have_the_energy_of_the_band():
    """H psi = E psi away from the edges, for a wave exp(i k.r) u(k): hoppings, positions and phases of the matrix."""
    rng = np.random.default_rng(5)
    model = random_model(rng, 2, 3)
    k = rng.normal(size=2)
    plan, matrix, _ = prepared(model, bf.WavePacket([0.0, 0.0], k, width=0.5), [0.0, 1.0], sites=[14, 15])
    bands = bf.bands(model, [k])
    wave = np.exp(1j * plan.sample.positions @ k) * np.tile(np.asarray(bands.states)[0, :, 1], plan.sample.cell_count)
    image = matrix.at(0.0) @ wave
    inner = ~plan.sample.near_edge(np.array([1, 1]))
    np.testing.assert_allclose(image[inner], float(bands.energies[0, 1]) * wave[inner], atol=1e-13)


def test_a_packet_is_where_it_was_asked_to_be():
    """Mean position, spread, wave vector, energy and population of the first state, on a skew lattice."""
    rng = np.random.default_rng(11)
    model = random_model(rng, 2, 3)
    x, k, width = np.array([0.4, -0.7]), np.array([0.5, 0.3]), np.array([9.0, 12.0])
    packet = bf.WavePacket(x, k, band=2, width=width)
    run = bf.exact.lattice_packet(model, packet, [0.0, 1e-3], sites=[190, 190])
    # what the curvature of bands and states adds is of order (a/W)^2
    np.testing.assert_allclose(run.position.values[0, 0], x, atol=0.05)
    np.testing.assert_allclose(run.spread.values[0, 0], width, rtol=5e-3)
    np.testing.assert_allclose(run.wavevector.values[0, 0], k, atol=2e-3)
    assert run.energy.values[0, 0] == pytest.approx(float(bf.bands(model, [k]).energies[0, 2]), abs=0.02)
    np.testing.assert_allclose(run.populations.values[0, 0], [0, 0, 1], atol=1e-12)


def test_nothing_depends_on_where_the_sample_is():
    """The gauge of the vector potential, the zero of the potential and the cells move with the sample."""
    model, packet = bf.zoo.haldane(), bf.WavePacket([0.3, -0.4], [0.4, 0.9], band=1, width=4.0)
    options = {"sites": [90, 90], "electric_field": [0.02, -0.01], "magnetic_field": 0.03}
    here = bf.exact.lattice_packet(model, packet, [0.0, 4.0], **options)
    there = bf.exact.lattice_packet(model, packet, [0.0, 4.0], center=[2.7, 3.9], **options)
    for name in ("position", "spread", "wavevector", "populations"):
        # edges are ten widths away, tails beyond the Gaussian decay within a few cells
        np.testing.assert_allclose(here[name].values, there[name].values, atol=2e-9)


def test_backwards_in_time():
    """The evolution of a mirrored time: H real, psi real up to the wave exp(i k x)."""
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))])
    forward = bf.exact.lattice_packet(chain, bf.WavePacket([0.0], [0.7], width=6.0), [0.0, 9.0], sites=140)
    back = bf.exact.lattice_packet(chain, bf.WavePacket([0.0], [-0.7], width=6.0), [0.0, -9.0], sites=140)
    np.testing.assert_allclose(back.position.values, forward.position.values, atol=1e-12)


def test_models_of_the_same_crystal_move_alike():
    """Hoppings, H(k), H(k, x, t) and a texture of a constant: the same positions to rounding."""
    hoppings = bf.zoo.qwz(mass=-1.3)

    def function(k, mass=-1.3):
        d = (jnp.sin(k[0]), jnp.sin(k[1]), mass + jnp.cos(k[0]) + jnp.cos(k[1]))
        return jnp.array([[d[2], d[0] - 1j * d[1]], [d[0] + 1j * d[1], -d[2]]])

    lattice = np.eye(2)
    assert np.abs(np.asarray(hoppings.hamiltonian([0.3, 0.8]) - function(jnp.array([0.3, 0.8])))).max() < 1e-15
    models = (
        hoppings,
        bf.LatticeModel(function, lattice),
        bf.LocalModel(lambda k, x, t: function(k), lattice=lattice),
        bf.textured(bf.LatticeModel(function, lattice), mass=lambda x, t: -1.3),
        bf.textured(hoppings, mass=lambda x, t: -1.3 + 0 * x[0]),
    )
    packet = bf.WavePacket([0.0, 0.0], [0.5, -0.2], width=3.0)
    runs = [bf.exact.lattice_packet(m, packet, [0.0, 3.0], sites=44, electric_field=[0.1, 0.0]) for m in models]
    for run in runs[1:]:
        np.testing.assert_allclose(run.position.values, runs[0].position.values, atol=1e-12)
        assert run.hopping_error == 0


def test_hoppings_of_a_texture_are_those_of_the_bond_centres():
    """From a function by Fourier transform, and from hoppings by their parameters; orbitals between the cells."""

    def hoppings(left=1.0, right=0.8, mass=0.1):
        return [
            (mass, 0, 0, (0,)),
            (-mass, 1, 1, (0,)),
            (left, 0, 1, (0,)),
            (right, 1, 0, (1,)),
            (left / 5, 0, 0, (2,)),
        ]

    base = bf.TightBinding([[2.0]], [[0.0], [0.4]], hoppings, parameters={"left": 1.0, "right": 0.8, "mass": 0.1})
    maps = {"left": lambda x, t: 1 + 0.2 * jnp.sin(x[0] / 9 + t), "mass": lambda x, t: 0.3 * jnp.cos(x[0] / 7)}
    textured = bf.textured(base, **maps)

    def function(k, x, t):
        return textured.local_hamiltonian(k, x, t)

    local = bf.LocalModel(function, lattice=[[2.0]], orbitals=[[0.0], [0.4]])
    packet = bf.WavePacket([0.0], [0.3], width=5.0)
    matrices = [prepared(model, packet, [0.0, 2.0], sites=40)[1].at(0.7).toarray() for model in (textured, local)]
    np.testing.assert_allclose(matrices[0], matrices[1], atol=1e-14)
    assert np.abs(matrices[0] - matrices[0].conj().T).max() < 1e-16
    plan = prepared(textured, packet, [0.0, 2.0], sites=40)[0]
    x = plan.sample.positions[:, 0]
    # orbital 1 of cell 10 to orbital 0 of the same cell, and two cells on
    middle = (x[20] + x[21]) / 2
    assert matrices[0][20, 21] == pytest.approx(1 + 0.2 * np.sin(middle / 9 + 0.7), abs=1e-15)
    assert matrices[0][20, 24] == pytest.approx(0.2 * (1 + 0.2 * np.sin((x[20] + 2) / 9 + 0.7)), abs=1e-15)


def test_a_field_that_changes_in_time():
    """A product packet moves like the mean over k of two-level systems with k - e Int E dt."""

    def matrix(q):
        off = np.exp(1j * q) + 0.8 * np.exp(-1j * q)
        return np.array([[0.1, off], [np.conj(off), -0.1]])

    def slope(q):
        off = 1j * np.exp(1j * q) - 0.8j * np.exp(-1j * q)
        return np.array([[0, off], [np.conj(off), 0]])

    chain = bf.TightBinding(
        [[2.0]], [[0.0], [0.5]], [(0.1, 0, 0, (0,)), (-0.1, 1, 1, (0,)), (1.0, 0, 1, (0,)), (0.8, 1, 0, (1,))]
    )
    cell = np.linalg.eigh(matrix(0.4))[1][:, 0]

    def displacement(k, end):
        def rate(t, y):
            state, q = y[:2] + 1j * y[2:4], k - 0.05 / 0.13 * np.sin(0.13 * t)
            change = -1j * matrix(q) @ state
            return np.r_[change.real, change.imag, np.vdot(state, slope(q) @ state).real]

        start = np.r_[cell.real, cell.imag, 0.0]
        return solve_ivp(rate, (0, end), start, rtol=1e-10, atol=1e-11, method="DOP853").y[4, -1]

    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    packet = bf.WavePacket([0.0], [0.4], width=15.0)
    run = bf.exact.lattice_packet(
        chain,
        packet,
        [0.0, 30.0],
        sites=200,
        electric_field=lambda x, t: jnp.array([0.05 * jnp.cos(0.13 * t)]),
        envelope="product",
    )
    expected = weights @ [displacement(0.4 + z / 30, 30.0) for z in nodes] / weights.sum()
    # the tolerance 1e-8 of the state times twice the width, and no more
    assert run.position.values[0, -1, 0] == pytest.approx(expected, abs=3e-7)
    assert run.position.values[0, -1, 0] == pytest.approx(expected, abs=float(run.position_error.values[0, -1, 0]))
    assert run.norm_error.values.max() < 1e-12


def test_the_bound_of_the_error_holds_for_a_changing_hamiltonian():
    """Positions at loose tolerances against a tight one."""

    def drive(k, x, t):
        off = jnp.exp(0.5j * k[0]) * (1 + 0.5 * jnp.sin(t)) + jnp.exp(-0.5j * k[0])
        return jnp.array([[0.4 * jnp.cos(t), off], [jnp.conj(off), -0.4 * jnp.cos(t)]])

    model = bf.LocalModel(drive, lattice=[[1.0]], orbitals=[[0.0], [0.5]])
    packet = bf.WavePacket([0.0], [1.0], width=6.0)
    runs = [
        bf.exact.lattice_packet(model, packet, [0.0, 6.0], sites=110, tolerance=bf.Tolerance(rtol=r))
        for r in (1e-10, 1e-4, 1e-6)
    ]
    for run in runs[1:]:
        found = abs(run.position.values - runs[0].position.values)[0, -1, 0]
        assert found <= run.position_error.values[0, -1, 0] <= 3 * run.rtol * run.spread.values[0, -1, 0]
        assert run.state_error <= run.rtol


def test_units_of_ev_and_angstrom():
    """The same packet in natural units: fs, V/angstrom and tesla scale as hbar/eV, eV/(e a), hbar/(e a^2)."""
    hoppings = [(-1.0, 0, 0, (1, 0)), (-1.0, 0, 0, (0, 1))]
    natural = bf.TightBinding(np.eye(2), [[0.0, 0.0]], hoppings)
    ev = bf.TightBinding(np.eye(2), [[0.0, 0.0]], hoppings, units=bf.EV_ANGSTROM)
    packet = bf.WavePacket([0.0, 0.0], [0.5, 0.1], width=4.0)
    hbar, flux = 0.6582119569509066, 1.519267447878626e-5  # eV fs; e/hbar in 1/(T angstrom^2)
    run = bf.exact.lattice_packet(
        natural, packet, [0.0, 5.0], sites=72, electric_field=[0.05, 0.0], magnetic_field=0.02
    )
    other = bf.exact.lattice_packet(
        ev, packet, [0.0, 5.0 * hbar], sites=72, electric_field=[0.05, 0.0], magnetic_field=0.02 / flux
    )
    np.testing.assert_allclose(other.position.values, run.position.values, atol=1e-9)  # constants of nine digits
    assert (other.time.units, other.position.units) == ("fs", "angstrom")


def test_a_continuum_model_on_finer_lattices():
    """A packet of a free electron spreads and moves as the plane wave expansion says; the error falls as a^8."""
    model = bf.ContinuumModel(lambda k: jnp.array([[k @ k / 2]]), 1, cutoff=2.0)
    packet = bf.WavePacket([0.0], [0.5], width=5.0)
    errors = []
    for spacing in (0.8, 0.4):
        sites = int(90 / spacing)
        run = bf.exact.lattice_packet(model, packet, [0.0, 20.0], sites=sites, lattice_constant=spacing, center=[5.0])
        errors.append(abs(run.position.values[0, -1, 0] - 10.0))
        assert run.hopping_error == 0 and run.zone_weight < 1e-12
        assert run.spread.values[0, -1, 0] == pytest.approx(np.hypot(5.0, 20.0 / 10.0), rel=1e-3)
    # (ka)^8/630 of the velocity is 1.2e-6 of 10 at a = 0.8; the spread in k makes it a few times larger
    assert errors[0] < 1e-3 and errors[1] < errors[0] / 100
