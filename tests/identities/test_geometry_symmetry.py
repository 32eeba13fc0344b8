"""How geometry transforms: reciprocal vectors, origin, orbital positions, supercells, time reversal, inversion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from random_models import random_blocks, random_k, seeds, shapes, smallest_gap

import blochflow as bf

geometry = bf.geometry
profile = settings(deadline=None, max_examples=20, derandomize=True)
GAP = 0.05
# Rounding of k itself (|k| up to 20 after adding G) times velocity/gap, for a gap of 0.05 and quadratic sums.
RTOL = 1e-9
QUANTITIES = (
    geometry.quantum_geometric_tensor,
    geometry.orbital_moment,
    geometry.band_normalised_metric,
    geometry.inverse_mass,
)


def close(a: object, b: object) -> bool:
    x, y = np.asarray(a), np.asarray(b)
    return bool(np.abs(x - y).max() <= RTOL * (1 + np.abs(x).max() + np.abs(y).max()))


def agree(here: bf.Bands, there: bf.Bands) -> None:
    assume(smallest_gap(np.asarray(here.energies)) > GAP)
    assert close(here.energies, there.energies)
    for quantity in QUANTITIES:
        assert close(quantity(here), quantity(there)), quantity.__name__


@profile
@given(seeds, shapes)
def test_periodic_in_the_reciprocal_lattice(seed, shape):
    source, k = random_blocks(seed, *shape), random_k(seed, shape[1])
    vector = np.random.default_rng(seed).integers(-2, 3, shape[1]) @ source.reciprocal
    agree(bf.bands(source.model(), k), bf.bands(source.model(), k + vector))


@profile
@given(seeds, shapes)
def test_origin_is_arbitrary(seed, shape):
    source, k = random_blocks(seed, *shape), random_k(seed, shape[1])
    shift = np.random.default_rng(seed).normal(size=shape[1])
    agree(bf.bands(source.model(), k), bf.bands(source.model(orbitals=source.orbitals + shift), k))


@profile
@given(seeds, shapes)
def test_home_cell_of_an_orbital_is_arbitrary(seed, shape):
    # Orbital 0 assigned to the next cell along a1: tau_0 + a1, and R -> R + (delta_i0 - delta_j0) e1.
    source, k = random_blocks(seed, *shape), random_k(seed, shape[1])
    moved = {}
    for cell, block in zip(source.cells, source.blocks, strict=True):
        for i in range(shape[0]):
            for j in range(shape[0]):
                key = tuple(int(x) for x in cell + (int(i == 0) - int(j == 0)) * np.eye(shape[1], dtype=int)[0])
                moved.setdefault(key, np.zeros((shape[0], shape[0]), dtype=complex))[i, j] = block[i, j]
    cells = sorted(moved)
    orbitals = source.orbitals + np.eye(shape[0])[:, :1] * source.lattice[0]
    other = source.model(orbitals=orbitals, cells=np.array(cells), blocks=np.array([moved[c] for c in cells]))
    agree(bf.bands(source.model(), k), bf.bands(other, k))


@profile
@given(seeds, shapes)
def test_rotation_covariance(seed, shape):
    source, k = random_blocks(seed, *shape), random_k(seed, shape[1])
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(shape[1], shape[1])))
    turned = replace(source, lattice=source.lattice @ rotation.T, orbitals=source.orbitals @ rotation.T)
    here, there = bf.bands(source.model(), k), bf.bands(turned.model(), k @ rotation.T)
    assume(smallest_gap(np.asarray(here.energies)) > GAP)
    for quantity in QUANTITIES:
        expected = np.einsum("ac,bd,kcdn->kabn", rotation, rotation, np.asarray(quantity(here)))
        assert close(expected, quantity(there)), quantity.__name__


@profile
@given(seeds)
def test_moving_one_orbital_shifts_the_connection(seed):
    # u'_i = exp(-i k.d_i) u_i, so A'_n = A_n + <d>_n and Omega' = Omega + d_x <d_y>_n - d_y <d_x>_n.
    source, k = random_blocks(seed, 4, 2), random_k(seed, 2)
    shift = np.random.default_rng(seed).normal(size=(4, 2))
    here = bf.bands(source.model(), k)
    there = bf.bands(source.model(orbitals=source.orbitals + shift), k)
    assume(smallest_gap(np.asarray(here.energies)) > 0.3)
    assert close(here.energies, there.energies)

    def mean_shift(q):
        weights = np.abs(source.states(q)[1]) ** 2
        return np.einsum("kin,ia->kan", weights, shift)

    step = 1e-4
    d_x, d_y = ((mean_shift(k + step * e) - mean_shift(k - step * e)) / (2 * step) for e in np.eye(2))
    change = np.asarray(geometry.berry_curvature(there) - geometry.berry_curvature(here))[:, 0, 1]
    # central difference: step^2 = 1e-8 times third derivatives, at most (velocity/gap)^3 ~ 1e3
    assert np.abs(change - (d_x[:, 1] - d_y[:, 0])).max() < 1e-4 * (1 + np.abs(change).max())


@profile
@given(seeds, shapes)
def test_time_reversal(seed, shape):
    # Real hoppings: H(-k) = H(k)^*.
    source, k = random_blocks(seed, *shape, real=True), random_k(seed, shape[1])
    here, there = bf.bands(source.model(), k), bf.bands(source.model(), -k)
    assume(smallest_gap(np.asarray(here.energies)) > GAP)
    assert close(here.energies, there.energies)
    for odd in (geometry.berry_curvature, geometry.orbital_moment):
        assert close(odd(here), -odd(there))
    for even in (geometry.quantum_metric, geometry.inverse_mass, geometry.band_normalised_metric):
        assert close(even(here), even(there))


@profile
@given(seeds, shapes)
def test_inversion(seed, shape):
    # Parity (+, +, -, ..) at the origin: blocks(-R) = P blocks(R) P.
    source, k = random_blocks(seed, *shape, flat=True), random_k(seed, shape[1])
    parity = np.diag([1.0 if i < 2 else -1.0 for i in range(shape[0])])
    even = replace(source, blocks=0.5 * (source.blocks + parity @ source.blocks[::-1] @ parity))
    agree(bf.bands(even.model(), k), bf.bands(even.model(), -k))


@profile
@given(seeds, shapes)
def test_time_reversal_with_inversion_forbids_curvature(seed, shape):
    source, k = random_blocks(seed, *shape, real=True, flat=True), random_k(seed, shape[1])
    even = replace(source, blocks=0.5 * (source.blocks + source.blocks[::-1]))
    bands = bf.bands(even.model(), k)
    assume(smallest_gap(np.asarray(bands.energies)) > GAP)
    scale = 1 + np.abs(np.asarray(geometry.quantum_metric(bands))).max()
    for forbidden in (geometry.berry_curvature, geometry.orbital_moment):
        assert np.abs(np.asarray(forbidden(bands))).max() <= RTOL * scale


@profile
@given(seeds, shapes)
def test_one_dimension_and_diagonal_components(seed, shape):
    bands = bf.bands(random_blocks(seed, *shape).model(), random_k(seed, shape[1]))
    assume(smallest_gap(np.asarray(bands.energies)) > GAP)
    for quantity in (geometry.berry_curvature, geometry.orbital_moment):
        assert np.all(np.diagonal(np.asarray(quantity(bands)), axis1=1, axis2=2) == 0.0)  # exactly


@pytest.mark.parametrize("shape", [(3, 1), (4, 2), (3, 3)])
def test_supercell_folds_bands(shape):
    # Doubled along a1: the bands at k are those of the cell at k and k + b1/2, with their own geometry.
    checked = 0
    for seed in range(12):
        source, k = random_blocks(seed, *shape), random_k(seed, shape[1])
        model, folded = source.model(), doubled(source)
        parts = [bf.bands(model, k), bf.bands(model, k + source.reciprocal[0] / 2)]
        energies = np.concatenate([np.asarray(p.energies) for p in parts], axis=-1)
        order = np.argsort(energies, axis=-1)
        if smallest_gap(np.sort(energies, axis=-1)) < GAP / 2:
            continue
        checked += 1
        there = bf.bands(folded, k)
        assert close(np.take_along_axis(energies, order, -1), there.energies)
        for quantity in (geometry.berry_curvature, geometry.quantum_metric, geometry.orbital_moment):
            expected = np.concatenate([np.asarray(quantity(p)) for p in parts], axis=-1)
            expected = np.take_along_axis(expected, order[:, None, None], -1)
            assert close(expected, quantity(there))
            group = bf.Subspace(range(shape[0]))
            if quantity is geometry.berry_curvature:
                assert close(expected[..., : shape[0]].sum(-1), quantity(there, subspace=group))
    assert checked >= 3  # so that the gap condition cannot empty the test


def doubled(source) -> bf.TightBinding:
    """The same crystal with the cell doubled along a1."""
    count = len(source.orbitals)
    table = {}
    for cell, block in zip(source.cells, source.blocks, strict=True):
        for start in (0, 1):
            whole, end = divmod(int(cell[0]) + start, 2)
            key = (whole, *(int(x) for x in cell[1:]))
            target = table.setdefault(key, np.zeros((2 * count, 2 * count), dtype=complex))
            target[start * count : (start + 1) * count, end * count : (end + 1) * count] = block
    cells = sorted(table)
    lattice = source.lattice.copy()
    lattice[0] *= 2
    orbitals = np.concatenate([source.orbitals, source.orbitals + source.lattice[0]])
    return bf.TightBinding.from_blocks(lattice, orbitals, np.array(cells), np.array([table[c] for c in cells]))
