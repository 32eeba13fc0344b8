"""Identities every pair sum obeys at each k: sum rules over bands, positivity, symmetry, group traces, jit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from random_models import SHAPES, Blocks, random_blocks, random_k, random_unitary, seeds, shapes, smallest_gap

import blochflow as bf
from blochflow.core.backend import jax, jnp

geometry = bf.geometry
profile = settings(deadline=None, max_examples=25, derandomize=True)
# All sums are a few tens of products of numbers of size (velocity/gap)^2; a gap above 0.05 and the rounding of the
# eigenvectors, 1e-15/gap, leave a relative error below 1e-11.
RTOL = 1e-10
GAP = 0.05


def solved(seed: int, shape: tuple[int, int], **options: bool) -> bf.Bands:
    bands = bf.bands(random_blocks(seed, *shape, **options).model(), random_k(seed, shape[1]))
    assume(smallest_gap(np.asarray(bands.energies)) > GAP)
    return bands


def close(a: object, b: object) -> bool:
    x, y = np.asarray(a), np.asarray(b)
    return bool(np.abs(x - y).max() <= RTOL * (1 + np.abs(x).max() + np.abs(y).max()))


@profile
@given(seeds, shapes)
def test_sums_over_all_bands_vanish(seed, shape):
    bands = solved(seed, shape)
    omega, normalised = geometry.berry_curvature(bands), geometry.band_normalised_metric(bands)
    assert np.abs(omega.sum(axis=-1)).max() <= RTOL * (1 + np.abs(omega).max())
    assert np.abs(normalised.sum(axis=-1)).max() <= RTOL * (1 + np.abs(normalised).max())
    everything = bf.Subspace(range(shape[0]))
    for quantity in (geometry.berry_curvature, geometry.quantum_metric, geometry.orbital_moment):
        assert np.abs(quantity(bands, subspace=everything)).max() == 0.0  # an empty sum


@profile
@given(seeds, shapes)
def test_geometric_tensor_is_positive_and_consistent(seed, shape):
    bands = solved(seed, shape)
    tensor = np.asarray(geometry.quantum_geometric_tensor(bands))
    metric, omega = np.asarray(geometry.quantum_metric(bands)), np.asarray(geometry.berry_curvature(bands))
    assert close(tensor, metric - 0.5j * omega)
    eigenvalues = np.linalg.eigvalsh(np.moveaxis(tensor, -1, 1))
    assert eigenvalues.min() >= -RTOL * (1 + np.abs(tensor).max())
    if shape[1] == 2:
        assert np.all(np.trace(metric, axis1=1, axis2=2) >= np.abs(omega[:, 0, 1]) - RTOL * (1 + np.abs(omega).max()))
    # exact by construction, not only to rounding
    assert np.array_equal(omega, -omega.swapaxes(1, 2)) and np.array_equal(metric, metric.swapaxes(1, 2))
    moment = np.asarray(geometry.orbital_moment(bands))
    assert np.array_equal(moment, -moment.swapaxes(1, 2))


@profile
@given(seeds, shapes)
def test_connection_rebuilds_the_other_quantities(seed, shape):
    bands = solved(seed, shape)
    connection = np.asarray(geometry.berry_connection(bands))
    assert close(connection, connection.conj().swapaxes(-1, -2))
    energies = np.asarray(bands.energies)
    gap = energies[:, None, :] - energies[:, :, None]  # E_m - E_n at (n, m)
    products = np.einsum("kanm,kbmn->kabnm", connection, connection)
    inverse = np.where(np.eye(shape[0], dtype=bool), 0.0, 1 / np.where(gap == 0, 1.0, gap))
    assert close(geometry.berry_curvature(bands), -2 * products.imag.sum(axis=-1))
    assert close(geometry.quantum_metric(bands), products.real.sum(axis=-1))
    assert close(geometry.orbital_moment(bands), (gap[:, None, None] * products.imag).sum(axis=-1))
    normalised = 2 * (inverse[:, None, None] * products.real).sum(axis=-1)
    assert close(geometry.band_normalised_metric(bands), normalised)
    assert close(geometry.berry_connection_polarizability(bands), -normalised)


@profile
@given(seeds, shapes)
def test_group_traces(seed, shape):
    bands = solved(seed, shape)
    group, rest = bf.Subspace([0, 1]), bf.Subspace(range(2, shape[0]))
    omega = geometry.berry_curvature(bands, subspace=group)
    # pairs inside the group cancel in the curvature
    assert close(omega, geometry.berry_curvature(bands)[..., :2].sum(axis=-1))
    assert close(omega, -geometry.berry_curvature(bands, subspace=rest))
    # the pairs (n in, m out) and (m in, n out) are the same numbers
    assert close(geometry.quantum_metric(bands, subspace=group), geometry.quantum_metric(bands, subspace=rest))
    assert close(geometry.orbital_moment(bands, subspace=group), geometry.orbital_moment(bands, subspace=rest))
    single = bf.Subspace([1])
    for quantity in (geometry.quantum_metric, geometry.orbital_moment, geometry.band_normalised_metric):
        assert close(quantity(bands, subspace=single), quantity(bands)[..., 1])


@profile
@given(seeds, shapes)
def test_non_abelian_curvature(seed, shape):
    bands = solved(seed, shape)
    group = bf.Subspace([0, 1])
    matrix = np.asarray(geometry.non_abelian_curvature(bands, group))
    assert close(np.trace(matrix, axis1=-2, axis2=-1), geometry.berry_curvature(bands, subspace=group))
    assert close(matrix, matrix.conj().swapaxes(-1, -2)) and close(matrix, -matrix.swapaxes(1, 2))


PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
# Five anticommuting matrices: every real combination of them has two pairs of equal eigenvalues.
GAMMA = np.array([np.kron(PAULI[0], s) for s in PAULI] + [np.kron(PAULI[1], np.eye(2)), np.kron(PAULI[2], np.eye(2))])


def kramers_source(seed: int) -> Blocks:
    """H(k) = sum_a d_a(k) Gamma_a in 2D, d_a real: doubly degenerate everywhere, non-abelian curvature, zero trace."""
    source = random_blocks(seed, 4, 2, flat=True)
    rng = np.random.default_rng(seed + 4)
    amplitude = rng.normal(size=(len(source.cells), 5)) + 1j * rng.normal(size=(len(source.cells), 5))
    amplitude = 0.5 * (amplitude + amplitude[::-1].conj())
    return replace(source, blocks=np.einsum("ra,aij->rij", amplitude, GAMMA))


@profile
@given(seeds)
def test_non_abelian_curvature_of_a_degenerate_group(seed):
    source, k = kramers_source(seed), random_k(seed, 2)
    bands = bf.bands(source.model(), k)
    energies = np.asarray(bands.energies)
    assume((energies[:, 2] - energies[:, 1]).min() > 0.5)
    group = bf.Subspace([0, 1])
    matrix = np.asarray(geometry.non_abelian_curvature(bands, group))
    assert np.abs(geometry.berry_curvature(bands, subspace=group)).max() <= 1e-9 * (1 + np.abs(matrix).max())
    # covariance: states of the group mixed by W turn F into W^+ F W
    mixing = np.eye(4, dtype=complex)
    mixing[:2, :2] = w = random_unitary(np.random.default_rng(seed), 2)
    assert close(geometry.non_abelian_curvature(mix(bands, mixing), group), w.conj().T @ matrix @ w)
    # i P [d_x P, d_y P] P by differences of projectors: step^2 = 1e-8 times derivatives of P, up to (velocity/gap)^4
    step = 1e-4
    projector = source.projector(k, 2)
    dx, dy = ((source.projector(k + step * e, 2) - source.projector(k - step * e, 2)) / (2 * step) for e in np.eye(2))
    expected = 1j * projector @ (dx @ dy - dy @ dx) @ projector
    states = np.asarray(bands.states)[:, :, :2]
    found = states @ matrix[:, 0, 1] @ states.conj().swapaxes(-1, -2)
    assert np.abs(found - expected).max() < 1e-4 * (1 + np.abs(expected).max()) ** 2


def mix(bands: bf.Bands, unitary: np.ndarray) -> bf.Bands:
    """The same bands with their states mixed, which is a change of gauge within degenerate bands only."""
    adjoint = np.conj(np.swapaxes(unitary, -1, -2))
    return bf.Bands(
        bands.model,
        bands.k,
        bands.energies,
        bands.states @ unitary,
        jnp.asarray(adjoint @ np.asarray(bands.velocity) @ unitary),
        None,
    )


@profile
@given(seeds, shapes)
def test_phases_of_the_states_do_not_matter(seed, shape):
    bands = solved(seed, shape)
    phases = np.diag(np.exp(2j * np.pi * np.random.default_rng(seed).uniform(size=shape[0])))
    other = mix(bands, phases)
    for quantity in (
        geometry.quantum_geometric_tensor,
        geometry.orbital_moment,
        geometry.band_normalised_metric,
        geometry.inverse_mass,
    ):
        assert close(quantity(bands), quantity(other))


@profile
@given(seeds, shapes)
def test_mixing_the_orbitals_changes_nothing(seed, shape):
    # All orbitals at one point, so that a unitary mixture of them is again a tight-binding model.
    source = random_blocks(seed, *shape, flat=True)
    unitary = random_unitary(np.random.default_rng(seed + 1), shape[0])
    k = random_k(seed, shape[1])
    here = bf.bands(source.model(), k)
    there = bf.bands(source.model(blocks=unitary.conj().T @ source.blocks @ unitary), k)
    assume(smallest_gap(np.asarray(here.energies)) > GAP)
    for quantity in (
        geometry.quantum_geometric_tensor,
        geometry.orbital_moment,
        geometry.band_normalised_metric,
        geometry.inverse_mass,
    ):
        assert close(quantity(here), quantity(there))


@profile
@given(seeds, shapes)
def test_spin_doubling_doubles_traces(seed, shape):
    source = random_blocks(seed, *shape)
    k = random_k(seed, shape[1])
    mixing = np.kron(np.eye(shape[0]), random_unitary(np.random.default_rng(seed + 2), 2))
    doubled = mixing.conj().T @ np.kron(source.blocks, np.eye(2)) @ mixing
    here = bf.bands(source.model(), k)
    assume(smallest_gap(np.asarray(here.energies)) > GAP)
    there = bf.bands(source.model(blocks=doubled, orbitals=np.repeat(source.orbitals, 2, axis=0)), k)
    pair, lowest = bf.Subspace([0, 1]), bf.Subspace([0])
    for quantity in (
        geometry.quantum_geometric_tensor,
        geometry.orbital_moment,
        geometry.band_normalised_metric,
    ):
        assert close(quantity(there, subspace=pair), 2 * quantity(here, subspace=lowest))
    # every eigenvalue of the matrix is the curvature of the single copy
    matrix = geometry.non_abelian_curvature(there, pair)
    assert close(matrix, np.asarray(geometry.berry_curvature(here))[..., :1, None] * np.eye(2))


@profile
@given(seeds, shapes)
def test_expectation_values(seed, shape):
    bands = solved(seed, shape)
    rng = np.random.default_rng(seed + 3)
    raw = rng.normal(size=(2, shape[0], shape[0])) + 1j * rng.normal(size=(2, shape[0], shape[0]))
    operator = raw + raw.conj().swapaxes(-1, -2)
    values = geometry.expectation(bands, operator)
    # phases of the orbital positions: O_ij exp(i k.(tau_j - tau_i))
    site = np.exp(1j * np.asarray(bands.k) @ np.asarray(bands.model.orbitals).T)
    full = operator * (site.conj()[:, None, :, None] * site[:, None, None, :])
    states = np.asarray(bands.states)
    assert close(values, np.einsum("kin,kcij,kjn->kcn", states.conj(), full, states).real)
    assert close(values.sum(axis=-1), np.trace(operator, axis1=-2, axis2=-1).real)
    named = eval_named(bands, operator)
    assert close(named, values) and close(geometry.expectation(bands, operator[0]), values[:, 0])
    group = geometry.expectation(bands, operator, subspace=bf.Subspace([0, 2]))
    assert close(group, values[..., 0] + values[..., 2])


def eval_named(bands: bf.Bands, operator: np.ndarray) -> object:
    model = bands.model.with_operators(layer=operator)
    return geometry.expectation(bf.bands(model, bands.k), "layer")


def test_functions_inside_jit_agree_with_eager_ones():
    for bands_count, dimension in SHAPES:
        model = random_blocks(5, bands_count, dimension).model()
        k = jnp.asarray(random_k(5, dimension))

        def all_of(model, k):
            bands = bf.bands(model, k)
            return (
                geometry.quantum_geometric_tensor(bands),
                geometry.orbital_moment(bands, subspace=bf.Subspace([0, 1])),
                geometry.inverse_mass(bands),
                geometry.non_abelian_curvature(bands, bf.Subspace([0, 1])),
                geometry.berry_connection_polarizability(bands),
            )

        for inside, outside in zip(jax.jit(all_of)(model, k), all_of(model, k), strict=True):
            # the same operations, fused differently: rounding only
            assert close(inside, outside)


def test_gradients_are_finite_and_right():
    # d/ds of Tr g and Omega with s scaling one hopping of a two-band model, against a central difference.
    def qwz(k, mass=-1.2):
        off = jnp.sin(k[0]) - 1j * jnp.sin(k[1])
        diagonal = mass + jnp.cos(k[0]) + jnp.cos(k[1])
        return jnp.array([[diagonal, off], [jnp.conj(off), -diagonal]])

    model = bf.LatticeModel(qwz, np.eye(2))

    def scalar(mass):
        bands = bf.bands(model.replace(mass=mass), np.array([[0.4, 0.7]]))
        return geometry.berry_curvature(bands)[0, 0, 1, 0] + geometry.quantum_metric(bands)[0, 0, 0, 1]

    slope, step = jax.grad(scalar)(-1.2), 1e-4
    difference = (scalar(-1.2 + step) - scalar(-1.2 - step)) / (2 * step)
    # central difference: step^2 times a third derivative of order 10
    assert abs(slope - difference) < 1e-6 * max(1, abs(slope))


def test_axial_vector_order():
    tensor = np.zeros((2, 3, 3, 1))
    for value, (a, b) in enumerate(((1, 2), (2, 0), (0, 1)), start=1):
        tensor[:, a, b], tensor[:, b, a] = value, -value
    assert np.array_equal(np.asarray(geometry.to_axial(tensor))[..., 0], [[1, 2, 3], [1, 2, 3]])
