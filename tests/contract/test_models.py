"""Model constructors: shapes, immutability, parameters, derivatives, agreement of kinds of model, every error path."""

from __future__ import annotations

import math
from itertools import product

import equinox as eqx
import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jax, jnp
from blochflow.geometry.bands import basis_curvature, covariant_gradient
from blochflow.models.base import map_chunks
from blochflow.models.operators import orbital_phases
from blochflow.zone.fourier import Cells

# Sums of a few terms of order one: rounding only.
EXACT = 1e-12
SKEW = {
    1: np.array([[1.3]]),
    2: np.array([[1.1, 0.2], [-0.3, 0.9]]),
    3: np.array([[1.0, 0.1, -0.2], [0.3, 1.2, 0.1], [-0.1, 0.2, 0.8]]),
}
SITES = np.array([[0.1, 0.2, 0.3], [0.45, -0.3, 0.8]])
K = np.array([[0.31, -0.57, 0.83], [1.2, 0.4, -0.7], [-2.1, 0.9, 0.3], [0.05, 2.2, -1.1]])
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def unit(d, axis):
    return tuple(int(a == axis) for a in range(d))


def two_site_list(d, t=1.0, phase=0.7, gap=0.3):
    """Two sites, complex hoppings along every axis, in any dimension."""
    zero = (0,) * d
    listed = [(gap, 0, 0, zero), (-gap, 1, 1, zero), (t * jnp.exp(1j * phase), 0, 1, zero)]
    for axis in range(d):
        listed += [(t * (0.4 + 0.1 * axis), 0, 1, unit(d, axis)), (0.2j * t * (1 + axis), 0, 0, unit(d, axis))]
    return listed


def two_site_function(d):
    """The same Hamiltonian as a function of k."""
    vectors, sites = SKEW[d], SITES[:, :d] @ SKEW[d]

    def hamiltonian(k, t=1.0, phase=0.7, gap=0.3):
        matrix = jnp.zeros((2, 2), dtype=complex)
        for value, i, j, cell in two_site_list(d, t, phase, gap):
            factor = jnp.exp(1j * k @ (np.array(cell) @ vectors + sites[j] - sites[i]))
            term = jnp.zeros((2, 2), dtype=complex).at[i, j].set(value * factor)
            onsite = i == j and not any(cell)
            matrix = matrix + (term if onsite else term + term.conj().T)
        return matrix

    return hamiltonian


def tight_binding(d, **parameters):
    values = {"t": 1.0, "phase": 0.7, "gap": 0.3, **parameters}
    return bf.TightBinding(
        SKEW[d], SITES[:, :d], lambda t, phase, gap: two_site_list(d, t, phase, gap), parameters=values
    )


def fixed_tight_binding(d=2):
    listed = [(complex(v) if abs(complex(v).imag) else float(np.real(v)), i, j, r) for v, i, j, r in two_site_list(d)]
    return bf.TightBinding(SKEW[d], SITES[:, :d], listed)


def dirac(k, mass=0.4, tilt=(0.1, 0.0)):
    return jnp.einsum("a,aij->ij", jnp.stack([k[0], k[1], mass + 0.1 * k @ k]), PAULI) + jnp.asarray(
        tilt
    ) @ k * jnp.eye(2)


# --- the three kinds of model agree ----------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 3])
def test_tight_binding_equals_the_function_of_k(d):
    hopping = tight_binding(d)
    function = bf.LatticeModel(two_site_function(d), SKEW[d], orbitals=SITES[:, :d])
    k = K[:, :d]
    a, b = bf.bands(hopping, k), bf.bands(function, k)
    assert np.abs(np.asarray(hopping.hamiltonian(k)) - np.asarray(function.hamiltonian(k))).max() < EXACT
    assert np.abs(np.asarray(a.energies) - np.asarray(b.energies)).max() < EXACT
    diagonals = [np.einsum("kann->kan", np.asarray(bands.velocity)) for bands in (a, b)]
    assert np.abs(diagonals[0] - diagonals[1]).max() < EXACT
    assert (
        np.abs(np.asarray(hopping.hessian(jnp.asarray(k))) - np.asarray(function.hessian(jnp.asarray(k)))).max() < EXACT
    )
    assert a.velocity.shape == (4, d, 2, 2)
    assert (hopping.dimension, hopping.num_bands) == (d, 2) == (function.dimension, function.num_bands)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_velocity_is_the_slope_of_the_energy_and_h_is_periodic(d):
    model = tight_binding(d)
    k, h = K[:, :d], 1e-5
    slope = np.einsum("kann->kan", np.asarray(bf.bands(model, k).velocity)).real
    for axis in range(d):
        step = h * np.eye(d)[axis]
        ends = [np.asarray(bf.bands(model, k + s * step).energies) for s in (1, -1)]
        # central difference: h^2 = 1e-10 times third derivatives (about 10), rounding 1e-16/1e-5
        assert np.abs((ends[0] - ends[1]) / (2 * h) - slope[:, axis]).max() < 1e-8
    reciprocal = np.asarray(model.lattice.reciprocal)
    phase = np.exp(1j * reciprocal[0] @ np.asarray(model.orbitals).T)
    here, there = np.asarray(model.hamiltonian(k)), np.asarray(model.hamiltonian(k + reciprocal[0]))
    assert np.abs(there - phase.conj()[:, None] * here * phase).max() < EXACT


def test_list_dict_function_and_blocks_give_the_same_matrices():
    function, listed = tight_binding(2), fixed_tight_binding()
    table = {tuple(r): np.asarray(b) for r, b in zip(listed.cells.tolist(), listed.blocks, strict=True)}
    half = {r: b for r, b in table.items() if r >= (0, 0)}
    models = [
        function,
        bf.TightBinding(SKEW[2], SITES[:, :2], table),
        bf.TightBinding(SKEW[2], SITES[:, :2], half),
        bf.TightBinding.from_blocks(SKEW[2], SITES[:, :2] @ SKEW[2], listed.cells, listed.blocks),
    ]
    expected = np.asarray(listed.hamiltonian(K[:, :2]))
    for model in models:
        assert np.abs(np.asarray(model.hamiltonian(K[:, :2])) - expected).max() < EXACT


def test_continuum_model():
    model = bf.ContinuumModel(dirac, 2, cutoff=3.0)
    k = K[:, :2]
    assert model.lattice is None
    assert float(model.cutoff) == 3.0
    square = (k**2).sum(axis=1)
    half = np.sqrt(square + (0.4 + 0.1 * square) ** 2)
    expected = 0.1 * k[:, :1] + np.stack([-half, half], axis=1)
    assert np.abs(np.asarray(bf.bands(model, k).energies) - expected).max() < EXACT
    with pytest.raises(ValueError, match="Argument `model` must have a lattice"):
        model.grid_planes((jnp.zeros(2), jnp.zeros(2)), None, 4)


@pytest.mark.parametrize("with_positions", [False, True])
def test_factorised_grid_equals_scattered_k(with_positions):
    """125 cells (more than the 48 from which sums are factorised), three bands, three dimensions."""
    rng = np.random.default_rng(11)
    cells = np.array(list(product(range(-2, 3), repeat=3)))
    decay = np.exp(-np.linalg.norm(cells, axis=1))[:, None, None]

    def hermitian():
        raw = decay * (rng.normal(size=(125, 3, 3)) + 1j * rng.normal(size=(125, 3, 3)))
        return (raw + raw[::-1].conj().swapaxes(-1, -2)) / 2  # the reversed list is that of -R

    centres = rng.uniform(0, 1, (3, 3))
    positions = np.stack([hermitian() for _ in range(3)], axis=1) if with_positions else None
    model = bf.TightBinding.from_blocks(SKEW[3], centres, cells, hermitian(), positions=positions)
    assert model.has_position_matrices == with_positions
    axes = tuple(jnp.asarray(x) for x in ([0.05, 0.3, 0.71], [-0.4, 0.13], [0.02, 0.37, 0.5, 0.9]))
    prepared = model.prepare_grid()
    assert prepared is not None

    @eqx.filter_jit
    def on_grid(m, p):
        rows = map_chunks(m, axes, p, 8, lambda matrices, _: covariant(matrices))
        return tuple(x.reshape(-1, *x.shape[3:]) for x in rows)

    k = model.lattice.to_cartesian_k(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3))
    scattered = eqx.filter_jit(lambda m, q: covariant(m.matrices(q)))(model, k)
    phases = orbital_phases(k, model.orbitals)
    for rank, (one, two) in enumerate(zip(on_grid(model, prepared), scattered, strict=True)):
        # on rows the phases are on the cells: the covariant matrices differ by the phases of the positions only
        turned = np.asarray(one) * np.asarray(phases).reshape(-1, *[1] * rank, 3, 3)
        # 125 terms of order one, multiplied by |R| up to 4 and by each other: rounding
        assert np.abs(turned - np.asarray(two)).max() < 1e-12 * max(1.0, np.abs(np.asarray(two)).max())
    assert (np.abs(np.asarray(scattered[2])).max() > 0.1) == with_positions


def covariant(matrices):
    """H, its covariant gradient and the curvature of the basis, in Cartesian components."""
    gradient = covariant_gradient(matrices)
    count, d = gradient.shape[:2]
    frame = jnp.eye(d) if matrices.frame is None else matrices.frame
    curvature = jnp.zeros((count, d, d, *gradient.shape[2:])) * 1j
    if matrices.position is not None:
        curvature = basis_curvature(matrices)
    return (
        matrices.hamiltonian,
        jnp.einsum("ca,kcij->kaij", frame, gradient),
        jnp.einsum("ca,db,kcdij->kabij", frame, frame, curvature),
    )


def test_position_matrices_on_the_diagonal_are_the_orbital_positions():
    """Position matrices that hold only the centres add nothing to the phases."""
    plain = fixed_tight_binding()
    centres = np.asarray(plain.orbitals)
    positions = np.zeros((len(plain.cells), 2, 2, 2))
    origin = int(np.flatnonzero((plain.cells == 0).all(axis=1))[0])
    for a in range(2):
        positions[origin, a] = np.diag(centres[:, a])
    model = bf.TightBinding.from_blocks(SKEW[2], centres, plain.cells, plain.blocks, positions=positions)
    matrices = model.matrices(jnp.asarray(K[:, :2]))
    assert np.abs(np.asarray(matrices.position)).max() < EXACT
    assert np.abs(np.asarray(matrices.position_curl)).max() < EXACT
    assert (
        np.abs(
            np.asarray(bf.bands(model, K[:, :2]).velocity)[:, :, 0, 0]
            - np.asarray(bf.bands(plain, K[:, :2]).velocity)[:, :, 0, 0]
        ).max()
        < EXACT
    )


# --- parameters: pytrees, traces, derivatives ------------------------------------------------------------------------


def test_a_scan_over_a_parameter_traces_once():
    count = 0

    def hoppings(t, gap):
        nonlocal count
        count += isinstance(t, jax.core.Tracer)
        return [(gap, 0, 0, (0, 0)), (-gap, 1, 1, (0, 0)), (t, 0, 1, (0, 0)), (t, 0, 1, (1, 0)), (t, 0, 1, (0, 1))]

    model = bf.TightBinding(SKEW[2], SITES[:, :2], hoppings, parameters={"t": 1.0, "gap": 0.2})
    solve = eqx.filter_jit(lambda m, k: jnp.linalg.eigvalsh(m.matrices(k).hamiltonian))
    solve(model, jnp.asarray(K[:, :2]))
    after_first, values = count, []
    for gap in np.linspace(0.1, 1.0, 50):
        values.append(float(solve(model.replace(gap=gap), jnp.asarray(K[:, :2]))[0, 1]))
    assert count == after_first
    assert len(set(values)) == 50


@pytest.mark.parametrize("kind", ["hoppings", "lattice", "continuum"])
def test_gradient_of_an_energy_in_the_parameters(kind):
    if kind == "hoppings":
        model = tight_binding(2)
    elif kind == "lattice":
        model = bf.LatticeModel(two_site_function(2), SKEW[2], orbitals=SITES[:, :2])
    else:
        model = bf.ContinuumModel(dirac, 2, cutoff=3.0)
    k = jnp.asarray(K[:1, :2])

    @jax.jit
    def energy(parameters):
        return bf.bands(model.replace(**parameters), k).energies[0, 1]

    exact = jax.jit(jax.grad(energy))(model.parameters)
    for key, value in model.parameters.items():
        for index in np.ndindex(value.shape):
            step = np.zeros(value.shape)
            step[index] = 1e-5
            ends = [energy({**model.parameters, key: value + s * step}) for s in (1, -1)]
            # central difference: h^2 = 1e-10 times third derivatives, rounding 1e-16/1e-5
            assert abs(float(exact[key][index]) - float(ends[0] - ends[1]) / 2e-5) < 1e-8, key


def test_listed_hoppings_are_leaves():
    """A model from a list has no parameters, but its numbers are leaves: an energy is differentiable in them."""
    model = fixed_tight_binding()
    leaves = [leaf for leaf in jax.tree.leaves(model) if eqx.is_array(leaf)]
    assert all(leaf.dtype in (jnp.float64, jnp.complex128) for leaf in leaves)
    slope = eqx.filter_grad(lambda m: bf.bands(m, K[:1, :2]).energies[0, 1])(model)
    assert np.abs(np.asarray(slope._hoppings.values)).max() > 0.1
    with pytest.raises(ValueError, match="name parameters of the model \\(none\\)"):
        model.replace(t=1.0)


def test_models_are_immutable_and_replace_makes_a_copy():
    model = tight_binding(2)
    before = np.asarray(model.hamiltonian(K[0, :2]))
    other = model.replace(gap=1.3)
    assert float(other.parameters["gap"]) == 1.3
    assert float(model.parameters["gap"]) == 0.3
    with pytest.raises(AttributeError):
        model.parameters = {}
    assert np.array_equal(np.asarray(model.hamiltonian(K[0, :2])), before)
    assert jax.tree.structure(other) == jax.tree.structure(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"gapp": 1.0},
            "Argument `parameters` must name parameters of the model \\(t, phase, gap\\).*did you mean 'gap'",
        ),
        ({"xyzzy": 1.0}, "'xyzzy' is not one\\.$"),
        ({"gap": [1.0, 2.0]}, "Argument `gap` must have shape \\(\\)"),
        ({"gap": math.inf}, "Argument `gap` must be finite"),
        ({"gap": 1j}, "Argument `gap` must be real"),
        ({"gap": "wide"}, "Argument `gap` must be a real number"),
    ],
)
def test_replace_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        tight_binding(2).replace(**changes)


def test_complex_parameters():
    model = bf.TightBinding([[1.0]], [[0.0]], lambda t: [(t, 0, 0, (1,))], parameters={"t": 0.3 + 0.4j})
    expected = 2 * (0.3 * np.cos(0.9) - 0.4 * np.sin(0.9))
    assert abs(complex(model.hamiltonian([0.9])[0, 0]) - expected) < EXACT
    assert model.replace(t=1.0).parameters["t"].dtype == jnp.complex128
    with pytest.raises(ValueError, match="Argument `t` must be finite"):
        model.replace(t=complex(math.nan, 1.0))


def test_traced_k_and_traced_parameters():
    model = tight_binding(2)
    k = jnp.asarray(K[0, :2])
    direct = np.asarray(model.hamiltonian(k))
    assert np.abs(np.asarray(jax.jit(lambda q: model.hamiltonian(q))(k)) - direct).max() < EXACT
    inside = jax.jit(lambda gap: model.replace(gap=gap).hamiltonian([0.31, -0.57]))(0.3)
    assert np.abs(np.asarray(inside) - direct).max() < EXACT


# --- operators and Zeeman energy -------------------------------------------------------------------------------------


def spinful(units=bf.NATURAL, orbitals=None):
    return bf.TightBinding(
        np.eye(2),
        [[0.0, 0.0], [0.0, 0.0]] if orbitals is None else orbitals,
        [(-1.0, 0, 0, (1, 0)), (-1.0, 1, 1, (1, 0)), (0.3, 0, 1, (0, 1))],
        operators={"spin": PAULI},
        units=units,
    )


@pytest.mark.parametrize("name", ["haldane", "massive_dirac"])
def test_spin_degeneracy_of_a_model_is_chosen(name):
    model = getattr(bf.zoo, name)()
    double = model.with_spin_degeneracy(2)
    assert (model.spin_degeneracy, double.spin_degeneracy) == (1, 2)
    assert double.with_spin_degeneracy(1) == model
    with pytest.raises(ValueError, match="Argument `spin_degeneracy` must be 1 or 2, but is True"):
        model.with_spin_degeneracy(True)


def test_operators_are_addressed_by_name():
    model = spinful().with_operators(layer=np.diag([1.0, -1.0]))
    assert sorted(model.operators) == ["layer", "spin"]
    assert np.array_equal(np.asarray(model.operator("spin_z")), PAULI[2])
    assert model.operator("spin").shape == (3, 2, 2)
    assert sorted(spinful().operators) == ["spin"]
    with pytest.raises(ValueError, match="Argument `operator` must name an operator.*did you mean 'spin_x'"):
        model.operator("spinx")
    with pytest.raises(ValueError, match="must name an operator of the model \\(none\\), but is 'q'; add it"):
        fixed_tight_binding().operator("q")


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (np.eye(3), "have shape \\(2, 2\\) or \\(c, 2, 2\\), but has shape \\(3, 3\\)"),
        ([[0, 1], [0, 0]], "be Hermitian, but differs from its adjoint by 1"),
        ([[np.nan, 0], [0, 0]], "be finite"),
    ],
)
def test_operator_errors(operator, message):
    with pytest.raises(ValueError, match=f"Argument `operators\\['layer'\\]` must {message}"):
        spinful().with_operators(layer=operator)


def test_operators_carry_the_orbital_phases():
    """<0i|O|0j> between Bloch sums is multiplied by exp(i k.(tau_j - tau_i)), like H."""
    orbitals = [[0.1, 0.2], [0.4, -0.3]]
    model = spinful(orbitals=orbitals)
    k = K[:, :2]
    site = np.exp(1j * k @ np.array(orbitals).T)
    for name in ("spin_x", "spin"):
        matrix = np.asarray(model.operator(name))
        phases = site.conj()[:, :, None] * site[:, None, :]
        expected = matrix * (phases if name == "spin_x" else phases[:, None])
        assert np.abs(np.asarray(model.operator_matrices(name, jnp.asarray(k))) - expected).max() < EXACT
    assert model.operator_matrices("spin", jnp.asarray(k)).shape == (4, 3, 2, 2)


@pytest.mark.parametrize(("units", "magneton"), [(bf.NATURAL, 0.5), (bf.EV_ANGSTROM, 5.7883818060e-5)])
def test_zeeman_energy(units, magneton):
    field = np.array([0.3, -0.2, 0.5])
    tensor = np.array([[2.0, 0.1, 0.0], [0.1, 1.5, 0.0], [0.0, 0.2, -0.4]])
    k = K[:, :2]
    for orbitals in (None, [[0.1, 0.2], [0.4, -0.3]]):
        model = spinful(units, orbitals)
        bare = np.asarray(model.hamiltonian(k))
        site = np.exp(1j * k @ np.asarray(model.orbitals).T)
        phases = site.conj()[:, :, None] * site[:, None, :]
        for g, effective in ((2.0, 2 * field), (tensor, field @ tensor)):
            term = magneton / 2 * np.einsum("a,aij->ij", effective, PAULI)
            added = np.asarray(model.with_zeeman(field, g=g).hamiltonian(k)) - bare
            # the magneton in eV/T has 11 digits here; the term itself is 5e-5 in these units
            assert np.abs(added - term * phases).max() < 1e-12
        # two terms add up
        two = model.with_zeeman(field).with_zeeman(-field)
        assert np.abs(np.asarray(two.hamiltonian(k)) - bare).max() < EXACT
    number = spinful(units).with_zeeman(0.7)
    vector = spinful(units).with_zeeman([0.0, 0.0, 0.7])
    assert np.array_equal(np.asarray(number.hamiltonian(k)), np.asarray(vector.hamiltonian(k)))


def test_zeeman_energy_of_functions_of_k():
    orbitals = [[0.1, 0.2], [0.4, -0.3]]
    tau = np.array(orbitals)

    def with_positions(k):
        site = jnp.exp(1j * tau @ k)
        matrix = jnp.array([[jnp.cos(k[0]), 0.3 * jnp.exp(1j * k[1])], [0.3 * jnp.exp(-1j * k[1]), -jnp.cos(k[0])]])
        return jnp.conj(site)[:, None] * matrix * site

    for model in (
        bf.LatticeModel(with_positions, np.eye(2), orbitals=orbitals, operators={"spin": PAULI}),
        bf.ContinuumModel(dirac, 2, cutoff=3.0, operators={"spin": PAULI}),
    ):
        k = K[:, :2]
        added = np.asarray(model.with_zeeman([0.3, 0.0, 0.4]).hamiltonian(k)) - np.asarray(model.hamiltonian(k))
        expected = np.broadcast_to(0.5 * (0.3 * PAULI[0] + 0.4 * PAULI[2]), added.shape)
        if model.orbitals is not None:
            site = np.exp(1j * k @ tau.T)
            expected = expected * site.conj()[:, :, None] * site[:, None, :]
        assert np.abs(added - expected).max() < EXACT


@pytest.mark.parametrize(
    ("field", "g", "message"),
    [
        ([1.0, 2.0], 2.0, "Argument `magnetic_field` must be a vector of 3 components"),
        ([1.0, 2.0, math.nan], 2.0, "Argument `magnetic_field` must be finite"),
        ([1.0, 2.0, 3.0], np.eye(2), "Argument `g` must be a number or a \\(3, 3\\) tensor"),
    ],
)
def test_zeeman_errors(field, g, message):
    with pytest.raises(ValueError, match=message):
        spinful().with_zeeman(field, g=g)
    with pytest.raises(ValueError, match='have a three-component operator "spin"'):
        fixed_tight_binding().with_zeeman(field, g=g)


# --- wave vectors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "message"),
    [
        ([0.1], "Argument `k` must have shape \\(2,\\) or \\(K, 2\\), but has shape \\(1,\\)"),
        ([[[0.1, 0.2]]], "Argument `k` must have at most 2 dimension"),
        ([0.1, math.nan], "Argument `k` must be finite"),
        ("Gamma", "Argument `k` must be a real number"),
    ],
)
def test_wave_vector_errors(k, message):
    with pytest.raises(ValueError, match=message):
        fixed_tight_binding().hamiltonian(k)
    with pytest.raises(ValueError, match=message):
        bf.bands(fixed_tight_binding(), k)


def test_a_hamiltonian_that_becomes_infinite_is_named_with_its_k():
    def singular(k, c=1.0):
        return jnp.array([[c / (k[0] - 0.5)]])

    model = bf.ContinuumModel(singular, 1, cutoff=1.0)
    with pytest.raises(bf.NonFiniteError, match="not finite at k = \\(0.5\\)"):
        model.hamiltonian([[0.1], [0.5]])
    with pytest.raises(bf.NonFiniteError, match="0.5"):
        bf.bands(model, [[0.1], [0.5]])


# --- constructor errors: tight binding -------------------------------------------------------------------------------

ZERO = (0, 0)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([], "Argument `hoppings` must hold at least one hopping"),
        ([(1.0, 0, 1)], "Argument `hoppings\\[0\\]` must be \\(value, i, j, R\\)"),
        ([(1.0, 0, 2, ZERO)], "Argument `hoppings\\[0\\]` must name orbitals 0 to 1, but names 2"),
        ([(1.0, 0, 1.0, ZERO)], "must name orbitals 0 to 1, but names 1.0"),
        ([(1.0, 0, 1, (0,))], "Argument `hoppings\\[0\\]\\[3\\]` must be a lattice vector of 2 integers"),
        ([(1.0, 0, 1, (0.5, 0))], "must be a lattice vector of 2 integers"),
        ([("t", 0, 1, ZERO)], "Argument `hoppings\\[0\\]\\[0\\]` must be a number"),
        ([(math.nan, 0, 1, ZERO)], "Argument `hoppings\\[0\\]\\[0\\]` must be finite"),
        ([(1j, 0, 0, ZERO)], "must be real, being an on-site energy"),
        ([(1.0, 0, 1, ZERO), (2.0, 0, 1, ZERO)], "Argument `hoppings\\[1\\]` must name a pair that is not listed yet"),
        ([(1.0, 0, 1, (1, 0)), (2.0, 1, 0, (-1, 0))], "repeats hoppings\\[0\\] or its conjugate"),
        ({}, "Argument `hoppings` must hold at least one block"),
        ({(0, 0): np.eye(3)}, "must be a finite \\(2, 2\\) matrix, but has shape \\(3, 3\\)"),
        ({(0,): np.eye(2)}, "must be a lattice vector of 2 integers"),
        ({(0, 0): [[0, 1], [0, 0]]}, "must be the adjoint of hoppings\\[\\(0, 0\\)\\]"),
        (
            {(1, 0): np.eye(2), (-1, 0): 2 * np.eye(2)},
            "must be the adjoint of hoppings\\[\\(-1, 0\\)\\], but differs by 1",
        ),
    ],
)
def test_hopping_errors(listed, message):
    with pytest.raises(ValueError, match=message):
        bf.TightBinding(np.eye(2), [[0.0, 0.0], [0.5, 0.5]], listed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lattice": [[1.0, 0.0]]}, "Argument `lattice` must hold d vectors of d components"),
        ({"lattice": [[1.0, 0.0], [2.0, 0.0]]}, "Argument `lattice` must hold linearly independent vectors"),
        ({"lattice": np.eye(4)}, "Argument `lattice` must hold d vectors"),
        ({"lattice": [[1.0, math.inf], [0.0, 1.0]]}, "Argument `lattice` must be finite"),
        ({"orbitals": [0.0, 0.0]}, "Argument `orbitals` must have shape \\(N, 2\\)"),
        ({"orbitals": [[0.0, math.nan]]}, "Argument `orbitals` must be finite"),
        ({"parameters": {"t": 1.0}}, "Argument `hoppings` must be a function of the parameters"),
        ({"spin_degeneracy": 4}, "Argument `spin_degeneracy` must be 1 or 2, but is 4"),
        ({"operators": {"spin": np.eye(2)}}, "Argument `operators\\['spin'\\]` must have shape \\(1, 1\\)"),
    ],
)
def test_tight_binding_errors(arguments, message):
    values = {"lattice": np.eye(2), "orbitals": [[0.0, 0.0]], "hoppings": [(1.0, 0, 0, (1, 0))], **arguments}
    with pytest.raises(ValueError, match=message):
        bf.TightBinding(values.pop("lattice"), values.pop("orbitals"), values.pop("hoppings"), **values)


def test_hopping_function_errors():
    def build(function, **parameters):
        return bf.TightBinding([[1.0]], [[0.0]], function, parameters=parameters)

    with pytest.raises(bf.UserModelError, match="failed with TypeError.*must accept t"):
        build(lambda s: [(s, 0, 0, (1,))], t=1.0)
    with pytest.raises(bf.UserModelError, match="failed with ZeroDivisionError"):
        build(lambda t: [(1 / 0, 0, 0, (1,))], t=1.0)
    changing = build(lambda t: [(t, 0, 0, (1,))] + ([(1.0, 0, 0, (2,))] if t > 1 else []), t=0.5)
    with pytest.raises(bf.UserModelError):  # `if` on a traced parameter
        changing.hamiltonian([0.1])
    lengths = iter([1, 2])
    varying = build(lambda t: [(t, 0, 0, (1 + n,)) for n in range(next(lengths))], t=0.5)
    with pytest.raises(bf.UserModelError, match="returned 2 hoppings, but 1 at construction"):
        varying.hamiltonian([0.1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": np.ones((2, 1, 1))}, "Argument `blocks` must have shape \\(nR, 1, 1\\)"),
        ({"cells": [[0], [1], [1]]}, "Argument `cells` must hold R = 0 and every R once"),
        ({"cells": [[2], [1], [-1]]}, "Argument `cells` must hold R = 0"),
        ({"cells": [[0], [1], [2]]}, "Argument `cells` must hold -R for every R, but lacks the partner of \\(1,\\)"),
        ({"positions": np.zeros((3, 2, 1, 1))}, "Argument `positions` must have shape \\(nR, 1, 1, 1\\)"),
    ],
)
def test_from_blocks_errors(changes, message):
    values = {"cells": [[0], [1], [-1]], "blocks": np.ones((3, 1, 1)), "positions": None, **changes}
    with pytest.raises(ValueError, match=message):
        bf.TightBinding.from_blocks([[1.0]], [[0.0]], values["cells"], values["blocks"], positions=values["positions"])


# --- constructor errors: functions of k ------------------------------------------------------------------------------


def branches(k):
    return jnp.array([[k[0] if k[0] > 0 else -k[0]]])


def python_sine(k):
    return jnp.array([[math.sin(k[0])]])


def numpy_only(k):
    return np.array([[np.sin(float(k[0]))]])


def not_hermitian(k):
    return jnp.array([[0.0, jnp.sin(k[0])], [0.0, 1.0]])


def not_real(k):
    return jnp.array([[1.0 + 0.5j * jnp.sin(k[0])]])


def not_square(k):
    return jnp.array([k[0], k[0]])


def not_finite(k):
    return jnp.array([[jnp.log(-jnp.abs(k[0]))]])


def with_own_error(k):
    raise KeyError("my table")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            branches,
            "`branches` failed with TracerBoolConversionError in .*line \\d+: `return jnp.array.*jnp.where instead",
        ),
        (python_sine, "`python_sine` failed with .* in .*math.sin.*jnp.sin instead of math.sin"),
        (numpy_only, "`numpy_only` failed with .*jax.numpy only"),
        (not_hermitian, "`not_hermitian` is not Hermitian at k = .*element \\(0, 1\\).*Hermitian conjugate"),
        (not_real, "`not_real` is not Hermitian at k = .*element \\(0, 0\\) is .* on the diagonal.*must be real"),
        (not_square, "`not_square` returned an array of shape \\(2,\\)"),
        (not_finite, "`not_finite` is not finite at k = "),
        (with_own_error, "`with_own_error` failed with KeyError in .*my table"),
    ],
)
@pytest.mark.parametrize("kind", ["lattice", "continuum"])
def test_user_function_errors(kind, function, message):
    with pytest.raises(bf.UserModelError, match=message):
        if kind == "lattice":
            bf.LatticeModel(function, [[1.0]])
        else:
            bf.ContinuumModel(function, 1, cutoff=1.0)


def test_user_function_errors_keep_their_cause():
    with pytest.raises(bf.UserModelError) as caught:
        bf.LatticeModel(with_own_error, [[1.0]])
    assert isinstance(caught.value.__cause__, KeyError)


def chain(k, t=1.0, *, shift=0.0):
    return jnp.array([[-2 * t * jnp.cos(k[0]) + shift]])


def test_periodicity_is_checked():
    bf.LatticeModel(chain, [[1.0]])
    with pytest.raises(bf.UserModelError, match="`chain` is not periodic: H\\(k \\+ b1\\).*pass orbitals"):
        bf.LatticeModel(chain, [[1.1]])
    # positions in the phases: rejected without `orbitals`, accepted with them
    with pytest.raises(bf.UserModelError, match="not periodic"):
        bf.LatticeModel(two_site_function(2), SKEW[2])
    assert bf.LatticeModel(two_site_function(2), SKEW[2], orbitals=SITES[:, :2]).num_bands == 2


def test_parameters_of_a_function():
    model = bf.LatticeModel(chain, [[1.0]], parameters={"shift": 0.25})
    assert {key: float(value) for key, value in model.parameters.items()} == {"t": 1.0, "shift": 0.25}
    with pytest.raises(bf.UserModelError, match="`chain` has no argument 'tt'; its parameters are t, shift"):
        bf.LatticeModel(chain, [[1.0]], parameters={"tt": 1.0})
    with pytest.raises(bf.UserModelError, match="needs a value for mass"):
        bf.ContinuumModel(lambda k, mass: jnp.array([[k @ k / mass]]), 1, cutoff=1.0)
    open_ended = bf.LatticeModel(lambda k, **p: chain(k, p["t"]), [[1.0]], parameters={"t": 2.0})
    assert float(open_ended.hamiltonian([0.0])[0, 0].real) == -4.0
    with pytest.raises(ValueError, match="Argument `t` must be a real number"):
        bf.LatticeModel(chain, [[1.0]], parameters={"t": "one"})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: bf.LatticeModel(3.0, [[1.0]]), "Argument `hamiltonian` must be a function of k, but is float"),
        (lambda: bf.ContinuumModel("H", 2, cutoff=1.0), "Argument `hamiltonian` must be a function of k, but is str"),
        (
            lambda: bf.LatticeModel(chain, [[1.0]], orbitals=[[0.0, 0.1]]),
            "Argument `orbitals` must have shape \\(1, 1\\)",
        ),
        (lambda: bf.LatticeModel(chain, [[1.0]], spin_degeneracy=0), "Argument `spin_degeneracy` must be 1 or 2"),
        (lambda: bf.ContinuumModel(chain, 0, cutoff=1.0), "Argument `dimension` must be 1, 2 or 3, but is 0"),
        (lambda: bf.ContinuumModel(chain, 1, cutoff=0.0), "Argument `cutoff` must be greater than 0"),
        (lambda: bf.ContinuumModel(chain, 1, cutoff=[1.0, 2.0]), "Argument `cutoff` must be one number"),
        (
            lambda: bf.ContinuumModel(chain, 1, cutoff=1.0, operators={"spin": PAULI}),
            "Argument `operators\\['spin'\\]` must have shape \\(1, 1\\) or \\(c, 1, 1\\)",
        ),
    ],
)
def test_function_model_errors(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_static_parts_are_hashable_and_equal():
    """Two models built alike share compiled kernels: their static structure compares equal."""
    one, two = fixed_tight_binding(), fixed_tight_binding()
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert Cells(one.cells) == Cells(two.cells)
    assert hash(Cells(one.cells)) == hash(Cells(two.cells))
