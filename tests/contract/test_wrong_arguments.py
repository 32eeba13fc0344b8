"""Wrong arguments: ValueError "Argument `x` must ..., but ...", never an error of Python, NumPy or JAX."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import blochflow as bf
from blochflow.core.checks import as_bool, as_real_array
from blochflow.core.errors import NonFiniteError, UserModelError

ONE, TWO = [[1.0]], [[1.0, 0.0], [0.0, 1.0]]
SITES = [[0.0, 0.0], [0.5, 0.5]]
HOPPINGS = [(1.0, 0, 1, (0, 0))]
MASKED = np.ma.masked


def model():
    return bf.zoo.haldane()


def square(hoppings=HOPPINGS, **options):
    return bf.TightBinding(TWO, SITES, hoppings, **options)


def hamiltonian(k, t=1.0):
    return jnp.array([[-2 * t * jnp.cos(k[0])]])


def blocks(cells=((0, 0),), matrices=(((0, 0), (0, 0)),), orbitals=SITES, **options):
    return bf.TightBinding.from_blocks(TWO, orbitals, cells, matrices, **options)


def weyl():
    return bf.zoo.weyl_lattice()


def jitted_bands(system):
    return jax.jit(lambda k: bf.bands(system, k).energies)


def jitted_hamiltonian(system):
    return jax.jit(lambda k: system.hamiltonian(k))


def curvature():
    return bf.geometry.berry_curvature(bf.bands(weyl(), [0.3, 0.4, 0.5]))


def one_k():
    return bf.bands(model(), [0.3, 0.5])


RESPONSES = [
    lambda **options: bf.response.anomalous_hall(model(), 0.0, 0.1, **options),
    lambda **options: bf.response.ohmic(model(), 0.0, 0.1, tau=1.0, **options),
    lambda **options: bf.response.electron_density(model(), 0.0, 0.1, **options),
    lambda **options: bf.response.density_of_states(model(), 0.0, 0.1, **options),
    lambda **options: bf.response.chemical_potential(model(), 1.0, 0.1, **options),
    lambda **options: bf.sensitivity(bf.response.anomalous_hall, model(), ["mass"], mu=0.0, temperature=0.1, **options),
]

# Tests run with a type checker around the kernels; `inspect.unwrap` gives the functions as users have them.
CASES = {
    # accuracy
    "rtol": [lambda v=v: bf.Tolerance(rtol=v) for v in (None, "a", [1e-3], True, np.nan, -1.0)],
    "atol": [lambda v=v: bf.Tolerance(atol=v) for v in ("a", [1e-3], True, np.inf)],
    "max_evaluations": [lambda v=v: bf.Tolerance(max_evaluations=v) for v in ("a", 2.5, np.nan, True, 0)],
    # groups of bands
    "bands": [
        *[lambda v=v: bf.Subspace(v) for v in ([0.9], "01", 1, None, [True], [0, 0], [-1], [])],
        *[lambda v=v: bf.geometry.chern_number(model(), bands=v) for v in ([0.9], True, 0.0, "0", None, 2)],
        lambda: bf.geometry.wannier_spread(model(), bands="a"),
        lambda: bf.geometry.wilson_loop(model(), bands=[0.5], path=[[0.0, 0.0], [0.0, 0.0]]),
        lambda: bf.geometry.berry_curvature(model()),
        lambda: bf.geometry.berry_connection(model()),
        lambda: bf.geometry.quantum_metric(None),
        lambda: bf.geometry.expectation(5, "sublattice"),
        lambda: bf.geometry.non_abelian_curvature(5, bf.Subspace([0])),
        *[lambda v=v: bf.geometry.orbital_moment(v) for v in (3, None, model())],
    ],
    "subspace": [
        *[lambda v=v: bf.geometry.non_abelian_curvature(one_k(), v) for v in (0, None, [0])],
        *[lambda v=v: bf.geometry.berry_curvature(one_k(), subspace=v) for v in (0, [0])],
    ],
    # switches
    "throw": [lambda f=f, v=v: f(throw=v) for f in RESPONSES for v in ("no", 0, None)],
    "progress": [lambda v=v: bf.Execution(progress=v) for v in ("no", 1, None)],
    "strict": [lambda v=v: bf.read_wannier90("absent_tb.dat", strict=v) for v in ("yes", 0, None)],
    # models
    "hoppings": [lambda v=v: square(v) for v in (None, 5, "a", [], {})],
    "hoppings[0]": [
        *[lambda v=v: square([v]) for v in (5, (1.0, 0, 1), "abcd")],
        *[lambda v=v: square([(1.0, v, 1, (0, 0))]) for v in (True, np.True_, 0.0, "0", 2, -1, None)],
    ],
    "hoppings[0][3]": [
        lambda v=v: square([(1.0, 0, 1, v)])
        for v in (("a", "b"), (1j, 0), (1e300, 0), (0.5, 0), (0,), None, (0, (1, 2)), (np.nan, 0), (True, False))
    ],
    "hoppings[0][0]": [
        lambda v=v: square([(v, 0, 1, (0, 0))]) for v in ("1+2j", "1", None, True, np.nan, [1.0], MASKED)
    ],
    "hoppings[(0, 0)]": [
        lambda v=v: square({(0, 0): v}) for v in ([["a", "b"], ["c", "d"]], [[1, 2], [3]], None, np.eye(3), "a")
    ],
    "hoppings[(1,)]": [lambda: bf.TightBinding(ONE, [[0.0]], {1: ONE, (1,): [[2.0]]})],
    "hoppings['a'][3]": [lambda: square({"a": np.eye(2)})],
    "cells": [lambda v=v: blocks(cells=v) for v in ([[0.5, 0.0]], [["a", "b"]], 5, None, [[1e300, 0]])],
    "blocks": [lambda v=v: blocks(matrices=v) for v in ("a", [[[1, 2], [3]]], None, np.eye(2), [np.eye(2) * np.nan])],
    "orbitals": [
        lambda: blocks(orbitals=[0.0, 0.0]),
        lambda: blocks(orbitals=[[0.0], [0.5]]),
        lambda: bf.TightBinding(TWO, "a", HOPPINGS),
        lambda: bf.LatticeModel(hamiltonian, ONE, orbitals=[["a"]]),
    ],
    "lattice": [lambda v=v: bf.Lattice(v) for v in ("a", None, [["1"]], [[True]], [[1j]], [[1, 2], [3]])],
    "operators": [lambda v=v: square(operators=v) for v in ("spin", [1], 5, {1: np.eye(2)})],
    "operators['a']": [
        lambda v=v: square(operators={"a": v})
        for v in ("text", [[1, 2], [3]], np.zeros((0, 2, 2)), None, np.eye(3), [["1", "0"], ["0", "1"]])
    ],
    "parameters": [
        lambda: square(parameters=[1]),
        lambda: square(lambda **p: HOPPINGS, parameters={1: 2.0}),
        lambda: bf.LatticeModel(hamiltonian, ONE, parameters=[1]),
        lambda: bf.ContinuumModel(hamiltonian, 1, cutoff=1.0, parameters="a"),
    ],
    "t": [lambda v=v: bf.LatticeModel(hamiltonian, ONE, parameters={"t": v}) for v in ("1", True, None)],
    "spin_degeneracy": [lambda v=v: square(spin_degeneracy=v) for v in (np.array([1, 2]), True, 3, "2", None, 1.0)],
    "units": [
        lambda: square(units="eV"),
        lambda: blocks(units="eV"),
        lambda: bf.LatticeModel(hamiltonian, ONE, units=None),
        lambda: bf.ContinuumModel(hamiltonian, 1, cutoff=1.0, units=5),
    ],
    "dimension": [
        lambda v=v: bf.ContinuumModel(hamiltonian, v, cutoff=1.0) for v in (2.0, True, "2", None, 4, np.array([1, 2]))
    ],
    "cutoff": [lambda v=v: bf.ContinuumModel(hamiltonian, 1, cutoff=v) for v in ("1", True, MASKED)],
    "model": [
        lambda: inspect.unwrap(bf.bands)(5, [0.0, 0.0]),
        lambda: bf.geometry.chern_number(5, bands=0),
        lambda: bf.geometry.wannier_spread("a", bands=0),
        lambda: bf.geometry.wilson_loop(None, bands=0, path=[[0.0], [0.0]]),
        lambda: bf.k_path(3, "G-X"),
        lambda: bf.k_grid(None, 4),
        lambda: bf.geometry.band_structure(4, "G-X"),
    ],
    # everything else
    "operator": [lambda v=v: inspect.unwrap(bf.TightBinding.operator)(model(), v) for v in (3, None, ["a"], "absent")],
    "plane": [
        *[lambda v=v: bf.geometry.chern_number(weyl(), bands=0, plane=v) for v in (5, None, "ab", (True, 0.0))],
        lambda: bf.geometry.chern_number(weyl(), bands=0, plane=(0.0, 0.5)),
    ],
    "plane[1]": [lambda: bf.geometry.chern_number(weyl(), bands=0, plane=(2, "0.5"))],
    "grid": [lambda v=v: bf.geometry.chern_number(model(), bands=0, grid=v) for v in ("a", [[1, 2], 3], 4.0, True, 1)],
    "points": [lambda v=v: bf.k_grid(model(), v) for v in ("a", [[1, 2], 3], 4.0, True, None, 0)],
    "color": [lambda v=v: bf.geometry.band_structure(model(), "G-K", points=5, color=v) for v in (5, ["spin"])],
    "reference": [lambda: bf.geometry.band_structure(model(), "G-K", points=5, reference=5)],
    "tensor": [
        lambda v=v: bf.geometry.to_axial(v)
        for v in (None, "a", 5, [[1, 2], [3]], np.zeros((1, 2, 2)), np.ones((1, 3, 3)), np.eye(3)[None])
    ],
    "result": [lambda: bf.to_si(5), lambda: bf.to_units(None, "S"), lambda: bf.save(5, "a.nc")],
    "path": [lambda v=v: bf.open(v) for v in (5, None, [])],
    "mu": [lambda v=v: as_real_array(v, "mu") for v in ("0.5", True, [True], None, 1j, MASKED, [[1], [1, 2]], {})],
    "temperature": [lambda v=v: bf.response.electron_density(bf.zoo.square(), 0.0, v) for v in ("300", False, MASKED)],
    "k": [
        lambda: bf.bands(model(), [0.0]),
        lambda: bf.bands(model(), "ab"),
        lambda: bf.bands(model(), np.zeros((1, 2, 2))),
        lambda: model().hamiltonian([[0.0, 0.0, 0.0]]),
        lambda: jitted_bands(model())(jnp.zeros(3)),
        lambda: jitted_bands(model())(jnp.zeros((2, 2, 2))),
        lambda: jitted_hamiltonian(model())(jnp.zeros(3)),
        lambda: jitted_hamiltonian(bf.zoo.qwz())(jnp.zeros((4, 1))),
        lambda: jitted_hamiltonian(bf.zoo.rashba_ferromagnet())(jnp.zeros((4, 3))),
    ],
}
FLAT = [pytest.param(name, call, id=f"{name}-{n}") for name, calls in CASES.items() for n, call in enumerate(calls)]


@pytest.mark.parametrize(("name", "call"), FLAT)
def test_a_wrong_argument_is_named(name, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert type(caught.value) is ValueError
    assert str(caught.value).startswith(f"Argument `{name}` must ")
    assert ", but " in str(caught.value)


@pytest.mark.parametrize("matrix", [jnp.zeros((0, 0)), jnp.zeros((1, 2)), 1.0, "a"])
def test_a_function_without_a_square_matrix_is_refused(matrix):
    with pytest.raises(UserModelError):
        bf.LatticeModel(lambda k: matrix, ONE)


def test_a_required_subspace_is_not_said_to_be_optional():
    with pytest.raises(ValueError, match=r"must be a bf\.Subspace, but is 0"):
        bf.geometry.non_abelian_curvature(one_k(), 0)


def test_numbers_in_any_usual_form_are_taken():
    for value in (1, 1.0, np.float32(1), jnp.array(1.0), 1 + 0j, np.array([1], dtype=np.uint8)):
        assert as_real_array(value, "x").item() == 1.0
    assert as_bool(np.True_, "x") is True
    assert bf.Subspace(np.array([1, 0])) == bf.Subspace([0, 1])
    assert bf.Tolerance(rtol=np.float64(1e-3), max_evaluations=np.int64(10)).evaluations(2) == 10


def test_axial_vector_takes_what_is_antisymmetric_to_rounding():
    tensor = np.array(curvature())
    tensor[0, 0, 1, 0] *= 1 + 1e-14  # rounding: far below the 1e-10 allowed
    tensor[0, :, :, 1] = np.nan  # a degenerate band
    axial = np.asarray(bf.geometry.to_axial(tensor))
    assert np.isfinite(axial[..., 0]).all() and np.isnan(axial[..., 1]).all()
    traced = jax.jit(bf.geometry.to_axial)(curvature())
    # exact: the same sums in the same order
    assert np.array_equal(np.asarray(traced), np.asarray(bf.geometry.to_axial(curvature())))


SQUARES = {
    "edges cross": [[0, 0], [1, 1], [1, 0], [0, 1]],
    "a corner on an edge": [[0, 0], [1, 0], [1, 1], [0.5, 0], [0, 1]],
    "an edge run back": [[0, 0], [1, 0], [0.5, 0], [0.5, 1]],
    "a corner twice": [[0, 0], [0, 0], [1, 0], [0, 1]],
}


@pytest.mark.parametrize("corners", SQUARES.values(), ids=SQUARES)
def test_polygons_whose_edges_meet_are_refused(corners):
    with pytest.raises(ValueError, match=r"partition\['valley'\]` must be a polygon whose edges do not meet.*corner"):
        bf.response.valley_hall(bf.zoo.graphene(), 0.0, 0.0, partition={"valley": corners})


TIMES = {
    "not positive": (lambda e, n, k: e, "must be positive and finite in every band"),
    "complex": (lambda e, n, k: 1 + 1j * e, "returned complex numbers"),
    "not periodic": (lambda e, n, k: jnp.exp(k[0]), "must be periodic in k"),
    "a vector": (lambda e, n, k: jnp.ones(2), r"returned shape \(2,\)"),
    "no jax": (lambda e, n, k: float(e), "failed: ConcretizationTypeError"),
}


@pytest.mark.parametrize("name", TIMES)
def test_wrong_relaxation_times_are_refused(name):
    tau, message = TIMES[name]
    for response in (bf.response.ohmic, bf.response.thermoelectric):
        with pytest.raises(UserModelError, match=message):
            response(bf.zoo.square(), -0.5, 0.2, tau=tau)


def test_a_relaxation_time_that_is_negative_in_a_corner_is_noticed():
    """In a shell of energies that no trial meets; whichever rule samples it."""

    def tau(energy, band, k):
        return jnp.where(jnp.abs(energy - 0.5) < 5e-3, -1.0, 1.0)

    for options in ({}, {"grid": 64}):
        with pytest.raises(NonFiniteError, match=r"tau\(energy, band, k\), which must be positive"):
            bf.response.ohmic(bf.zoo.square(), -0.5, 0.2, tau=tau, **options)


CROWDS = {
    "tau": [
        lambda: bf.response.together(["anomalous_hall"], model(), 0.0, 0.1, tau=-1.0),
        lambda: bf.response.together(["ohmic"], model(), 0.0, 0.1),
        lambda: bf.response.together(["ohmic"], model(), 0.0, 0.1, tau=-1.0),
    ],
    "model": [lambda: bf.response.together(["ohmic", "anomalous_hall"], bf.zoo.ssh(), 0.0, 0.1, tau=1.0)],
    "mu_gradient": [
        lambda: bf.response.together(["magnetization_current"], model(), 0.0, 0.1),
        lambda: bf.response.magnetization_current(model(), 0.0, 0.1, mu_gradient=[[1, 2], [3, 4]]),
    ],
    "density": [lambda: bf.response.together(["electron_density"], model(), None, 0.1, density=0.3)],
    "spin": [lambda: bf.response.spin_hall(model(), 0.0, 0.1, spin="x")],
    "q": [
        lambda: bf.exact.hofstadter(bf.zoo.square(), 1, 10**6),
        lambda: bf.exact.magnetization(bf.zoo.square(), 0.0, 0.1, q=10**6),
    ],
    "width": [
        lambda: bf.exact.ribbon(model(), 10**7),
        lambda: bf.exact.edge_magnetization(model(), 0.0, 0.1, width=10**7),
    ],
}


@pytest.mark.parametrize(
    ("name", "call"), [pytest.param(n, f, id=f"{n}-{i}") for n, calls in CROWDS.items() for i, f in enumerate(calls)]
)
def test_a_wrong_argument_of_a_response_is_named(name, call):
    with pytest.raises(ValueError, match=f"^Argument `{name}` must "):
        call()


MISSPELT = {
    "chemical_potentail": "mu",
    "densty": "density",
    "symetry": "symmetry",
    "tua": "tau",
    "partitoin": "partition",
}


@pytest.mark.parametrize(("key", "meant"), MISSPELT.items(), ids=MISSPELT)
def test_misspelt_keywords_of_several_responses_name_the_nearest(key, meant):
    with pytest.raises(TypeError, match=rf"^together\(\) .*{key}.* \(did you mean '{meant}'\?\)$"):
        bf.response.together(["valley_hall"], bf.zoo.graphene(), 0.0, 0.1, **{key: 1.0})


def test_misspelt_keywords_of_one_response_name_its_own():
    with pytest.raises(TypeError, match=r"^thermoelectric\(\) .* \(did you mean 'intrinsic'\?\)$"):
        bf.response.thermoelectric(model(), 0.0, 0.1, tau=1.0, intrinsc=False)
