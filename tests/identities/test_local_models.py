"""Models of a few bands inside cells: exact at nodes, right between them, and right integrals of random metals."""

import numpy as np
import pytest
from random_models import random_blocks

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.execution.threads import Execution
from blochflow.geometry.cumulative import cumulative_curvature
from blochflow.geometry.local_model import Groups, as_matrices, group_matrices, pack, unpack
from blochflow.response.integrands import BerrySea, NumberSea
from blochflow.response.local_average import LocalRule, local_average
from blochflow.response.occupation import make_occupation
from blochflow.response.weighed import Weighed
from blochflow.zone.polynomials import gauss_rule, product_weights
from blochflow.zone.tiling import CellBlock, interpolate, lagrange, tile
from blochflow.zone.tolerance import Required

QUIET = Execution(workers=2, progress=False)


def test_tiles_cover_the_zone_once():
    blocks = list(tile((3, 4), np.array([0.2, 0.7]), 5))
    assert sum((block.weights * block.volume).sum() for block in blocks) == pytest.approx(1)
    halves = blocks[0].halved(1)
    assert halves.volume * 4 == pytest.approx(blocks[0].volume)
    assert halves.edges[1][0] == pytest.approx(blocks[0].edges[1][1])


def test_polynomials_are_interpolated_and_integrated_exactly():
    nodes = gauss_rule(4).nodes
    x, y = np.meshgrid(nodes, nodes, indexing="ij")
    values = jnp.asarray((1 + x**3 * y**2 - 2 * y).reshape(-1, 1))
    at = jnp.asarray([-0.9, 0.1, 1.0])
    found = np.asarray(interpolate(values, [lagrange(4, at)] * 2)).reshape(3, 3)
    u, v = np.meshgrid(at, at, indexing="ij")
    np.testing.assert_allclose(found, 1 + u**3 * v**2 - 2 * v, atol=1e-13)
    assert float(product_weights(4, 2) @ (x**6 * y**6).reshape(-1)) == pytest.approx(1 / 49)


def test_packing_loses_nothing():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(2, 5, 5)) + 1j * rng.normal(size=(2, 5, 5))
    matrix = jnp.asarray(raw + raw.conj().swapaxes(-1, -2))
    np.testing.assert_allclose(unpack(pack(matrix)), matrix, atol=1e-15)


@pytest.mark.parametrize(("bands", "dimension", "start", "size"), [(4, 2, 1, 2), (3, 3, 0, 2), (3, 3, 0, 3)])
def test_curvature_sums_of_a_group_are_those_of_the_full_model(bands, dimension, start, size):
    model = random_blocks(3, bands, dimension).model()
    k = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (4, dimension)))
    matrices = model.matrices(k)
    energies, full = cumulative_curvature(matrices)
    states = np.linalg.eigh(np.asarray(matrices.hamiltonian))[1]
    groups = Groups(jnp.full(4, start), jnp.full(4, size), jnp.asarray(states[:, :, start : start + size]))
    group = group_matrices(matrices, groups, jnp.arange(4))
    local = as_matrices(group.packed, dimension, matrices.frame, matrices.length)
    found, inside = cumulative_curvature(local)
    np.testing.assert_allclose(found, energies[:, start : start + size], atol=1e-12)
    below = full[:, start - 1] if start else 0 * full[:, 0]
    np.testing.assert_allclose(inside + below[:, None], full[:, start : start + size], atol=1e-9)
    np.testing.assert_allclose(group.overlap, 1, atol=1e-12)


def metal(seed, bands=4):
    """A random metal in three dimensions, and chemical potentials inside its bands."""
    model = random_blocks(seed, bands, 3).model()
    energies = np.asarray(bf.bands(model, np.random.default_rng(seed).uniform(-3, 3, (64, 3))).energies)
    return model, float(np.median(energies)), float(energies.max() - energies.min())


def dense(model, integrand_of, occupation, points, seed=0):
    """Mean over two shifted dense grids, by the defining sum."""
    rng = np.random.default_rng(seed)
    total = []
    for shift in rng.uniform(size=(2, 3)):
        axes = [(np.arange(points) + s) / points for s in shift]
        k = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ np.asarray(model.lattice.reciprocal)
        parts = [integrand_of(model.matrices(jnp.asarray(x)))[0].sum(axis=0) for x in np.array_split(k, 16)]
        total.append(np.sum(parts, axis=0) / points**3)
    return np.mean(total, axis=0), np.abs(total[0] - total[1]).max()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_warm_metals_agree_with_dense_grids(seed):
    model, mu, width = metal(seed)
    occupation, _ = make_occupation(np.array([mu, mu + 0.1 * width]), np.full(2, 0.02 * width))
    rule = LocalRule((4, 4, 4), sizes=(2, 4), cell_depth=1, box_depth=2)
    required = Required(bf.Tolerance(rtol=0.05, max_evaluations=1))
    for integrand in (Weighed(BerrySea.of_dimension(3), occupation), Weighed(NumberSea(), occupation)):
        result, gap = local_average(
            model, integrand, occupation, required=required, execution=QUIET, rule=rule, shifts=4
        )
        truth, doubt = dense(model, integrand, occupation, 40)
        assert np.all(np.abs(result.integral.value - truth) <= result.integral.error + doubt)
        assert gap.shape == (2,)


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bits():
    model, mu, _ = metal(3)
    occupation, _ = make_occupation(np.array([mu]), np.array([0.0]))
    options = {
        "required": Required(bf.Tolerance(rtol=0.1, max_evaluations=1)),
        "rule": LocalRule((3, 3, 3), cell_depth=1, box_depth=1),
    }
    results = [
        local_average(
            model,
            Weighed(BerrySea.of_dimension(model.dimension), occupation),
            occupation,
            execution=Execution(workers=workers, progress=False),
            shifts=4,
            **options,
        )[0]
        for workers in (1, 2)
    ]
    np.testing.assert_array_equal(results[0].samples, results[1].samples)
    np.testing.assert_array_equal(results[0].integral.error, results[1].integral.error)
    assert results[0].counts == results[1].counts


def test_halves_of_a_block_keep_its_weight():
    block = CellBlock((np.array([0.0, 0.5]),), (0.5,), np.array([1.0, 0.0]))
    np.testing.assert_array_equal(block.halved(1).weights, [0.0, 0.0])
