"""Bands hybridised by a field: derivatives, closed form, independence of bases, groups and manifolds."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from random_models import paraunitary, random_blocks, random_k, random_unitary, wannier_like

import blochflow as bf
from blochflow.nonadiabatic.hybrid_states import hybrid_bands_at
from blochflow.nonadiabatic.hybridisation import Grouping, field_matrices, hybridise
from finite_field_models import PLACE, cone, doublet_model, doublets, texture_model

PLAIN = Grouping(jnp.asarray(0.0))


def field_of(seed, dimension):
    return np.random.default_rng(seed).normal(size=dimension) * 0.3


def centred(values, step):
    """Derivative of fourth order from values at -2, -1, 1, 2 steps."""
    return (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * step)


def shifts(d, step):
    """(d, 4, d) shifts by -2, -1, 1, 2 steps along every axis."""
    return np.eye(d)[:, None] * (step * np.array([-2.0, -1.0, 1.0, 2.0]))[:, None]


# truncation h^4 d^5E/120 and rounding 1e-15 E/h meet near h = 1e-3, at 1e-12 of energies of order ten
STEP = 1e-3


@pytest.mark.parametrize(("bands", "dimension"), [(4, 3), (2, 2)])
def test_gradients_are_those_of_the_energies(bands, dimension):
    source = random_blocks(1, bands, dimension)
    model, k, field = source.model(), random_k(1, dimension), field_of(1, dimension)
    moved = k[:, None, None] + shifts(dimension, STEP)
    energies = bf.nonadiabatic.hybrid_bands(model, moved.reshape(-1, dimension), field).energy.values
    energies = energies.reshape(len(k), dimension, 4, bands)
    found = bf.nonadiabatic.hybrid_bands(model, k, field)
    slopes = centred(np.moveaxis(energies, 2, 0), STEP)
    np.testing.assert_allclose(found.energy_gradient.values[0], np.swapaxes(slopes, 1, 2), atol=1e-9)


def test_gradients_in_a_texture():
    k = random_k(2, 2)
    moved = np.array(PLACE) + shifts(2, STEP)
    options = [{"x": x} for x in moved.reshape(-1, 2)]
    model, field = texture_model(), [0.2, -0.1]
    energies = [bf.nonadiabatic.hybrid_bands(model, k, field, **at).energy.values[0] for at in options]
    slopes = centred(np.moveaxis(np.reshape(energies, (2, 4, len(k), 2)), 1, 0), STEP)
    found = bf.nonadiabatic.hybrid_bands(model, k, field, x=PLACE)
    np.testing.assert_allclose(found.energy_slope.values[0], np.moveaxis(slopes, 0, 2), atol=1e-9)
    # one place for each k is the same as one for all
    each = bf.nonadiabatic.hybrid_bands(model, k, field, x=np.tile(PLACE, (len(k), 1)))
    np.testing.assert_allclose(each.force, found.force, atol=1e-15)


@pytest.mark.parametrize("textured", [False, True])
def test_closed_form_of_two_bands_is_the_general_path(textured):
    k, field = jnp.asarray(random_k(3, 2)), jnp.asarray([0.4, -0.3])
    model = texture_model() if textured else random_blocks(3, 2, 2).model()
    place = (jnp.asarray(PLACE), jnp.asarray(0.0)) if textured else ()

    @eqx.filter_jit
    def both(k):
        matrices = field_matrices(model, field, k, *place)
        return [hybrid_bands_at(matrices, PLAIN, closed_form=x) for x in (True, False)]

    closed, general = both(k)
    for name in ("energies", "velocity", "slopes", "product"):
        np.testing.assert_allclose(getattr(closed, name), getattr(general, name), rtol=1e-12, atol=1e-12)
    projectors = [jnp.einsum("kni,kmi->kinm", x.states, x.states.conj()) for x in (closed, general)]
    np.testing.assert_allclose(*projectors, atol=1e-12)


def test_two_bands_are_bounded_where_the_gap_closes():
    model = bf.zoo.massive_dirac(mass=0.0)
    k = np.array([[10.0**-n, 10.0**-n / 3] for n in range(1, 13)] + [[0.0, 0.0]])
    speed = np.abs(bf.nonadiabatic.hybrid_bands(model, k, [0.1, 0.0]).velocity.values)
    assert speed.max() <= 1 + 1e-12
    # the suppression (1 + e^2 E.g.E/Delta^2)^(-1/2) leaves k^2 near the touching point, until bands are one group
    assert speed[0, 7].max() < 1e-13


def test_two_band_energy_is_the_square_root_with_the_metric():
    model = random_blocks(4, 2, 2).model()
    k, field = random_k(4, 2), np.array([0.4, 0.7])
    solved = bf.bands(model, k)
    metric = np.asarray(bf.geometry.quantum_metric(solved))[..., 0]
    half = 0.5 * np.diff(np.asarray(solved.energies), axis=1)[:, 0]
    expected = np.sqrt(half**2 + np.einsum("kab,a,b->k", metric, field, field))
    energy = bf.nonadiabatic.hybrid_bands(model, k, field).energy.values[0]
    np.testing.assert_allclose(0.5 * np.diff(energy, axis=1)[:, 0], expected, rtol=1e-12)


def test_bases_that_turn_with_k_change_nothing():
    """A basis W(k) with its position matrices has the same energies, slopes and velocities."""
    source = random_blocks(5, 4, 2)
    turned = wannier_like(source, paraunitary(np.random.default_rng(5), 4, 2))
    k, field = random_k(5, 2), field_of(5, 2)
    plain, other = (bf.nonadiabatic.hybrid_bands(m, k, field) for m in (source.model(), turned))
    for name in ("energy", "energy_gradient", "velocity"):
        np.testing.assert_allclose(plain[name], other[name], atol=1e-10)


def test_weak_fields_give_the_anomalous_velocity():
    """hbar v_i = d_k E_n + e Omega E, also with the curvature of a basis that is no complete one."""
    source = random_blocks(6, 4, 2)
    basis = {r: w[:, :3] for r, w in paraunitary(np.random.default_rng(6), 4, 2).items()}
    model, k = wannier_like(source, basis), random_k(6, 2)
    solved, weak = bf.bands(model, k), np.array([1e-6, -2e-6])
    omega = np.asarray(bf.geometry.berry_curvature(solved))
    ends = [bf.nonadiabatic.hybrid_bands(model, k, s * weak) for s in (1, -1)]
    shifts_of_ends = [(end.velocity - end.energy_gradient).values[0] for end in ends]
    anomalous = np.einsum("kabn,b->kna", omega, weak)
    # odd parts: errors of order E^3, 1e-12 of them, and rounding of velocities
    np.testing.assert_allclose(0.5 * (shifts_of_ends[0] - shifts_of_ends[1]), anomalous, atol=1e-13)


def test_groups_do_not_depend_on_the_states_within():
    """Exactly degenerate doublets: a constant rotation of the basis changes what eigh returns, and no result."""
    model, k = doublet_model(), random_k(7, 2)
    w = jnp.asarray(random_unitary(np.random.default_rng(7), 4))
    turned = bf.LatticeModel(lambda k, u=w: u @ model.function(k, **model.parameters) @ u.conj().T, np.eye(2))
    field = [0.3, 0.2]
    for groups in (None, [[0, 1], [2, 3]]):
        first, second = (bf.nonadiabatic.hybrid_bands(m, k, field, groups=groups) for m in (model, turned))
        np.testing.assert_allclose(first.energy, second.energy, atol=1e-12)
        np.testing.assert_allclose(first.energy_gradient.sum("band"), second.energy_gradient.sum("band"), atol=1e-12)
        np.testing.assert_allclose(first.velocity.sum("band"), second.velocity.sum("band"), atol=1e-12)


@pytest.mark.slow
def test_declared_groups_are_the_limit_of_no_splitting():
    k, field = random_k(8, 2), [0.3, 0.2]

    def split(size):
        def hamiltonian(k):
            u = jnp.asarray(np.diag([1.0, -1.0, 0.5, 0.0]))
            return doublets(k) + size * u

        return bf.nonadiabatic.hybrid_bands(bf.LatticeModel(hamiltonian, np.eye(2)), k, field, groups=[[0, 1], [2, 3]])

    exact, near = split(0.0), split(1e-6)
    np.testing.assert_allclose(near.energy, exact.energy, atol=1e-5)
    assert float(exact.grouping_sensitivity.max()) < 1e-12
    # without groups the answer depends on how the doublets are split: it is reported
    assert float(near.grouping_sensitivity.max()) > 1e-2


def test_no_field_and_one_group_are_no_hybridisation():
    model, k = random_blocks(9, 4, 3).model(), random_k(9, 3)
    energies = np.asarray(bf.bands(model, k).energies)
    free = bf.nonadiabatic.hybrid_bands(model, k, np.zeros(3))
    np.testing.assert_allclose(free.energy.values[0], energies, atol=1e-13)
    np.testing.assert_allclose(free.velocity, free.energy_gradient, atol=1e-12)
    with pytest.warns(bf.ValidityWarning, match="`groups` makes all 4 bands one group"):
        grouped = bf.nonadiabatic.hybrid_bands(model, k, [0.1, 0.2, 0.3], groups=[[0, 1, 2, 3]])
    np.testing.assert_allclose(grouped.energy.values[0], energies, atol=1e-13)


def test_values_depend_on_positions_of_orbitals_but_not_on_the_origin():
    source = random_blocks(10, 2, 2)
    k, field = random_k(10, 2), [2.0, -1.5]

    def energy(orbitals):
        return bf.nonadiabatic.hybrid_bands(source.model(orbitals=orbitals), k, field).energy.values

    reference = energy(source.orbitals)
    np.testing.assert_allclose(energy(source.orbitals + [0.3, -0.2]), reference, atol=1e-12)
    away = source.orbitals.copy()
    away[1] += [0.25, 0.1]
    assert np.abs(energy(away) - reference).max() > 1e-2
    dropped = energy(np.zeros_like(source.orbitals))
    assert np.abs(dropped - reference).max() > 1e-2


def test_manifold_is_the_block_with_its_curvature():
    """One active band is the single band with its anomalous velocity; slopes stay those of its energy."""
    model, k, field = random_blocks(11, 4, 3).model(), random_k(11, 3), np.array([0.2, -0.1, 0.3])
    solved = bf.bands(model, k)
    found = bf.nonadiabatic.hybrid_bands(model, k, field, active=[1])
    omega = np.asarray(bf.geometry.berry_curvature(solved))[..., 1]
    assert found.band.values.tolist() == [1]
    np.testing.assert_allclose(found.energy.values[0, :, 0], np.asarray(solved.energies)[:, 1], atol=1e-13)
    shift = (found.velocity - found.energy_gradient).values[0, :, 0]
    np.testing.assert_allclose(shift, np.einsum("kab,b->ka", omega, field), rtol=1e-9, atol=1e-11)
    # two of four: the non-Abelian curvature between hybridised states
    pair = bf.nonadiabatic.hybrid_bands(model, k, field, active=bf.Subspace([0, 1]))
    states = (pair.state_re + 1j * pair.state_im).values[0]
    inner = np.einsum("kin,kij->knj", np.asarray(solved.states).conj(), states)[:, :2]
    curvature = np.asarray(bf.geometry.non_abelian_curvature(solved, bf.Subspace([0, 1])))
    mean = np.einsum("kni,kabnm,b,kmi->kia", inner.conj(), curvature, field, inner)
    bare = np.einsum("kni,kanm,kmi->kia", inner.conj(), np.asarray(solved.velocity)[:, :, :2, :2], inner)
    np.testing.assert_allclose(pair.velocity.values[0], (bare + mean).real, atol=1e-11)


def test_kato_generator_is_the_position_between_groups():
    """K = i sum_g (d P_g) P_g by finite differences of projectors."""
    model, k = random_blocks(12, 4, 2).model(), random_k(12, 2, 1)
    field = np.array([0.7, -0.4])
    groups = ((0,), (1, 2), (3,))

    def projectors(k):
        states = np.asarray(bf.bands(model, k).states)
        return np.array([states[:, :, list(g)] @ states[:, :, list(g)].conj().swapaxes(1, 2) for g in groups])

    moved = k + (STEP * np.array([-2.0, -1, 1, 2]))[:, None] * field
    each = projectors(moved)
    slope = (8 * (each[:, 2] - each[:, 1]) - (each[:, 3] - each[:, 0])) / (12 * STEP)
    kato = 1j * np.einsum("gij,gjl->il", slope, projectors(k)[:, 0])
    grouping = Grouping(jnp.asarray(0.0), groups)
    at = eqx.filter_jit(lambda k: hybridise(field_matrices(model, jnp.asarray(field), k), grouping))
    mixed = at(jnp.asarray(k))
    u = np.asarray(mixed.states)[0]
    found = u @ np.asarray(mixed.hamiltonian)[0] @ u.conj().T - np.asarray(model.hamiltonian(k))[0]
    np.testing.assert_allclose(found, kato, atol=1e-9)


def test_cone_at_its_apex():
    """E = (m^2 + (e E v/2 m)^2)^(1/2): g = v^2/4 m^2."""
    found = bf.nonadiabatic.hybrid_bands(bf.ContinuumModel(cone, 2, cutoff=1.0), [0.0, 0.0], [[0.02, 0], [0.1, 0]])
    np.testing.assert_allclose(found.energy.values[:, 0, 1], np.hypot(0.1, [0.1, 0.5]), rtol=1e-13)


def test_groups_that_overlap_with_doublets_join():
    """A rotation of the orbitals changes nothing: declared groups join with bands that coincide."""
    model, k, field = doublet_model(), random_k(5, 2), [0.2, 0.1]
    w = jnp.asarray(random_unitary(np.random.default_rng(3), 4))
    turned = bf.LatticeModel(lambda k, u=w: u @ model.function(k, **model.parameters) @ u.conj().T, np.eye(2))
    one, two = (bf.nonadiabatic.hybrid_bands(m, k, field, groups=[[1, 2]]) for m in (model, turned))
    # joined all four are one group, which the field does not mix
    np.testing.assert_allclose(one.energy, two.energy, atol=1e-12)
    np.testing.assert_allclose(one.energy[0], np.linalg.eigvalsh(np.asarray(model.hamiltonian(k))), atol=1e-12)
    with pytest.raises(ValueError, match="`active` must hold all of several bands that coincide"):
        bf.nonadiabatic.hybrid_bands(model, k, field, active=[0])
    with pytest.raises(ValueError, match="`groups` must lie inside or outside the active bands"):
        bf.nonadiabatic.hybrid_bands(model, k, field, active=[0, 1], groups=[[1, 2]])
