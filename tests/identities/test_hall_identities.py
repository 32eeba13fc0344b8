"""Exact properties of the anomalous Hall conductivity and the density on random crystals."""

from __future__ import annotations

import equinox as eqx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import Blocks, random_blocks

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.geometry.cumulative import cumulative_curvature
from blochflow.response.occupation import make_occupation

SHAPES = ((4, 2), (3, 3))
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=6)
GRID = 6


def hall(model, mu=0.7, temperature=0.3, grid=GRID, **options):
    return bf.response.anomalous_hall(model, mu, temperature, grid=grid, throw=False, **options).value.values[0, 0]


def size(tensor):
    return max(1.0, float(np.abs(tensor).max()))


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_time_reversal_forbids_the_hall_effect(shape, seed):
    sigma = hall(random_blocks(seed, *shape, real=True).model())
    # k and -k cancel exactly but for rounding of curvatures of order 1/gap^2
    assert np.abs(sigma).max() < 1e-9


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_full_and_empty_bands_carry_no_hall_current(shape, seed):
    model = random_blocks(seed, *shape).model()
    assert np.abs(hall(model, mu=1e3, temperature=0.0)).max() == 0.0
    assert np.abs(hall(model, mu=-1e3, temperature=0.0)).max() == 0.0


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_antisymmetric_and_independent_of_the_origin(shape, seed):
    blocks = random_blocks(seed, *shape)
    sigma = hall(blocks.model())
    assert np.abs(sigma + sigma.T).max() == 0.0
    moved = hall(blocks.model(orbitals=blocks.orbitals + np.linspace(0.1, 0.7, shape[1])))
    np.testing.assert_allclose(moved, sigma, atol=1e-9 * size(sigma))  # rounding over the smallest gap squared


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_tensor_rotates_with_the_crystal(shape, seed):
    blocks = random_blocks(seed, *shape)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(shape[1], shape[1])))
    turned = Blocks(blocks.lattice @ rotation.T, blocks.orbitals @ rotation.T, blocks.cells, blocks.blocks)
    sigma = hall(blocks.model())
    np.testing.assert_allclose(hall(turned.model()), rotation @ sigma @ rotation.T, atol=1e-9 * size(sigma))


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_conjugation_reverses_the_sign(shape, seed):
    blocks = random_blocks(seed, *shape)
    sigma = hall(blocks.model())
    reversed_ = Blocks(blocks.lattice, blocks.orbitals, blocks.cells, blocks.blocks.conj())
    np.testing.assert_allclose(hall(reversed_.model()), -sigma, atol=1e-9 * size(sigma))


@pytest.mark.parametrize("shape", SHAPES)
@FEW
@given(seed=SEEDS)
def test_spin_doubling_doubles(shape, seed):
    blocks = random_blocks(seed, *shape)
    doubled = Blocks(
        blocks.lattice,
        np.repeat(blocks.orbitals, 2, axis=0),
        blocks.cells,
        np.einsum("rij,st->risjt", blocks.blocks, np.eye(2)).reshape(len(blocks.cells), 2 * shape[0], -1),
    )
    sigma = hall(blocks.model())
    np.testing.assert_allclose(hall(doubled.model()), 2 * sigma, atol=1e-9 * size(sigma))


def test_supercell_changes_nothing():
    blocks = random_blocks(11, 4, 2)
    model = blocks.model()
    doubled = supercell(blocks)
    # the supercell's zone is half as long: the same k points are 6 x 3 of the folded one
    sigma = hall(model, grid=(6, 6))
    np.testing.assert_allclose(hall(doubled.model(), grid=(3, 6)), sigma, atol=1e-9 * size(sigma))
    densities = [
        bf.response.electron_density(m, 0.7, 0.3, grid=g, throw=False).value.item()
        for m, g in ((model, (6, 6)), (doubled.model(), (3, 6)))
    ]
    np.testing.assert_allclose(*densities, rtol=1e-12)  # rounding of a sum of 36 k points


def supercell(blocks: Blocks) -> Blocks:
    """Two cells along the first lattice vector as one."""
    n = blocks.blocks.shape[1]
    table: dict[tuple[int, int], np.ndarray] = {}
    for cell, matrix in zip(blocks.cells, blocks.blocks, strict=True):
        for start in (0, 1):
            end = start + cell[0]
            key = (int(end // 2), int(cell[1]))
            block = table.setdefault(key, np.zeros((2 * n, 2 * n), complex))
            block[start * n : (start + 1) * n, (end % 2) * n : (end % 2 + 1) * n] += matrix
    cells = np.array(sorted(table))
    lattice = blocks.lattice * np.array([[2.0], [1.0]])
    orbitals = np.concatenate([blocks.orbitals, blocks.orbitals + blocks.lattice[0]])
    return Blocks(lattice, orbitals, cells, np.stack([table[tuple(c)] for c in cells]))


@pytest.mark.parametrize("shape", SHAPES)
def test_pair_form_is_the_sum_of_band_curvatures(shape):
    model = random_blocks(5, *shape).model()
    k = np.random.default_rng(0).normal(size=(4, shape[1]))
    energies, cumulative = eqx.filter_jit(lambda m, x: cumulative_curvature(m.matrices(x)))(model, jnp.asarray(k))
    omega = bf.geometry.berry_curvature(bf.bands(model, k))
    a, b = (0, 1) if shape[1] == 2 else (1, 2)
    occupation, _ = make_occupation(np.array([0.7, 0.2]), np.array([0.3, 0.0]))
    occupation_order = occupation.filling(energies)
    by_band = np.einsum("kpn,kn->kp", occupation_order, omega[:, a, b])
    by_steps = np.einsum("kpn,kn->kp", occupation.steps(energies), cumulative[..., 0])
    np.testing.assert_allclose(by_steps, by_band, atol=1e-9 * size(by_band))  # the band sum cancels to this


def test_forbidden_components_vanish_for_fourfold_symmetry():
    # stacked QWZ planes: C4 about z times gauge, magnetisation along z, so sigma_yz = sigma_zx = 0
    s = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    hoppings = {
        (0, 0, 0): -1.2 * s[2],
        (1, 0, 0): 0.5 * s[2] - 0.5j * s[0],
        (0, 1, 0): 0.5 * s[2] - 0.5j * s[1],
        (0, 0, 1): 0.3 * s[2],
    }
    model = bf.TightBinding(np.diag([1.0, 1.0, 1.3]), np.zeros((2, 3)), hoppings)
    sigma = hall(model, mu=-0.8, temperature=0.1, grid=8)
    assert abs(sigma[0, 1]) > 1e-2
    # symmetric grid: cancellation to rounding
    assert max(abs(sigma[1, 2]), abs(sigma[0, 2])) < 1e-12
