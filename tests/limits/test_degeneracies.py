"""At and near band crossings: traces over the group are finite and gauge invariant, single bands are refused.

Each model is a crossing at a generic k0 (Dirac, Weyl, triple point, or spin-degenerate bands) next to remote bands,
rotated by a k-dependent unitary W(k) of finite range, so that the group has geometry of its own against the rest.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jax, jnp

geometry = bf.geometry
DISTANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14)
SIGMA = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
SPIN_ONE = np.array(
    [
        [[0, 1, 0], [1, 0, 1], [0, 1, 0]],
        [[0, -1j, 0], [1j, 0, -1j], [0, 1j, 0]],
        [[np.sqrt(2), 0, 0], [0, 0, 0], [0, 0, -np.sqrt(2)]],
    ]
) / np.sqrt(2)
TRACES = (
    geometry.berry_curvature,
    geometry.quantum_metric,
    geometry.quantum_geometric_tensor,
    geometry.orbital_moment,
    geometry.band_normalised_metric,
)
CASES = ("dirac", "weyl", "triple", "spin")


def product(left: dict, right: dict) -> dict:
    """Product of two matrix Laurent polynomials sum_R M_R exp(i k.R)."""
    result: dict = {}
    for r, x in left.items():
        for s, y in right.items():
            key = tuple(a + b for a, b in zip(r, s, strict=True))
            result[key] = result.get(key, 0) + x @ y
    return result


def crossing(case: str, k0: np.ndarray) -> tuple[dict, int]:
    """Blocks {R: matrix} of the crossing alone, and the number of bands that meet at k0."""
    d = len(k0)
    cells = [tuple(int(x) for x in row) for row in np.eye(d, dtype=int)]
    generators = {"dirac": SIGMA, "weyl": SIGMA, "triple": SPIN_ONE, "spin": np.kron(SIGMA, np.eye(2))}[case]
    table: dict = {}
    for a, cell in enumerate(cells):
        # sin(k_a - k0_a) S_a, and a mass (1 - cos) S_z that vanishes at k0 in two dimensions
        hop = np.exp(-1j * k0[a]) / 2
        table[cell] = -1j * hop * generators[a]
        if d == 2:
            table[cell] = table[cell] - hop * generators[2]
            table[(0,) * d] = table.get((0,) * d, 0) + generators[2]
    if case == "spin":
        # open the gap: only the spin degeneracy remains
        table[(0,) * d] = table[(0,) * d] + 0.7 * generators[2]
    return table, 2 if case == "spin" else generators.shape[-1]


@cache
def model(case: str) -> tuple[bf.TightBinding, np.ndarray, int]:
    """The model, the Cartesian k of the crossing, and the number of bands (from 0) of its group."""
    d = 2 if case in ("dirac", "spin") else 3
    k0 = np.array([0.7, -0.4, 1.1])[:d]
    table, count = crossing(case, k0)
    inner = next(iter(table.values())).shape[0]
    size, zero = inner + 2, (0,) * d
    blocks = {zero: np.zeros((size, size), dtype=complex)}
    for cell, matrix in table.items():
        blocks.setdefault(cell, np.zeros((size, size), dtype=complex))[:inner, :inner] += matrix
    blocks[zero][inner:, inner:] = np.diag([5.0, 6.0])
    for cell in [c for c in blocks if any(c)]:
        blocks[tuple(-x for x in cell)] = blocks[cell].conj().T
    rng = np.random.default_rng(7)
    q1, q2 = (np.linalg.qr(rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size)))[0] for _ in range(2))
    rotation: dict = {}
    for j in range(size):
        key = tuple((j >> a) & 1 for a in range(d))
        rotation[key] = rotation.get(key, 0) + np.outer(q1[:, j], q2[j])
    inverse = {tuple(-x for x in r): m.conj().T for r, m in rotation.items()}
    blocks = product(inverse, product(blocks, rotation))
    blocks = {r: m for r, m in blocks.items() if np.abs(m).max() > 1e-14}
    # lattice vectors of length 1: reduced phases k_a are Cartesian
    return bf.TightBinding(np.eye(d), rng.uniform(size=(size, d)), blocks), k0, count


def around(case: str, distance: float) -> np.ndarray:
    """Eight wave vectors at a distance from the crossing, and the crossing itself."""
    _, k0, _ = model(case)
    direction = np.random.default_rng(3).normal(size=(8, len(k0)))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    return np.concatenate([k0[None], k0 + distance * direction])


@pytest.mark.parametrize("case", CASES)
def test_traces_are_finite_and_continuous(case):
    source, _, count = model(case)
    group = bf.Subspace(range(count))
    for distance in DISTANCES:
        bands = bf.bands(source, around(case, distance))
        for quantity in TRACES:
            values = np.asarray(quantity(bands, subspace=group))
            assert np.isfinite(values).all()
            scale = 1 + np.abs(values[0]).max()
            # Lipschitz: the group changes on the scale velocity/gap ~ 3, quadratic sums; 1e-10: rounding times 1/gap^2
            assert np.abs(values[1:] - values[0]).max() < (100 * distance + 1e-10) * scale
        matrix = np.asarray(geometry.non_abelian_curvature(bands, group))
        assert np.isfinite(matrix).all()
        trace = np.trace(matrix, axis1=-2, axis2=-1)
        assert np.abs(trace - np.asarray(geometry.berry_curvature(bands, subspace=group))).max() < 1e-10
        assert np.isfinite(geometry.expectation(bands, np.eye(source.num_bands), subspace=group)).all()


@pytest.mark.parametrize("case", CASES)
def test_single_bands_are_refused_at_the_crossing(case):
    source, k0, count = model(case)
    calls = [*TRACES, geometry.inverse_mass, geometry.berry_connection, geometry.berry_connection_polarizability]
    for distance in (0.0, 1e-14, 1e-12):
        k = around(case, distance)[-1]
        bands = bf.bands(source, k)
        for quantity in [*calls, lambda b, **o: geometry.expectation(b, np.eye(source.num_bands), **o)]:
            with pytest.raises(bf.DegenerateBandsError) as caught:
                quantity(bands)
            error = caught.value
            assert np.allclose(error.k, k, rtol=0, atol=0) and error.bands == tuple(range(count))
            # the gap: twice the distance, and rounding of eigenvalues up to 6
            assert error.gap <= 4 * distance + 1e-13
            assert "subspace=bf.Subspace" in str(error) and f"{k0[0]:.6g}" in str(error)


@pytest.mark.parametrize("case", CASES)
def test_nan_marks_exactly_the_touching_bands(case):
    source, _, count = model(case)
    bands = bf.bands(source, around(case, 1e-13))
    touching = count if case != "spin" else 4  # with spin the upper pair touches as well
    for quantity in [*TRACES, geometry.inverse_mass]:
        values = np.asarray(quantity(bands, degenerate="nan"))
        assert np.isnan(values[..., :touching]).all() and np.isfinite(values[..., touching:]).all()
        inside = np.asarray(jax.jit(lambda k, f=quantity: f(bf.bands(source, k)))(bands.k))
        assert np.array_equal(np.isnan(inside), np.isnan(values))
    connection = np.asarray(geometry.berry_connection(bands, degenerate="nan"))
    zeroed = np.asarray(geometry.berry_connection(bands, degenerate="zero"))
    pair = np.isnan(connection)[:, 0]
    assert pair[:, 0, 1].all() and not pair[:, np.arange(len(pair[0])), np.arange(len(pair[0]))].any()
    assert np.isfinite(zeroed).all() and np.all(zeroed[np.isnan(connection)] == 0)


@pytest.mark.parametrize("case", CASES[:3])
def test_single_bands_are_finite_and_diverge_correctly_near_the_crossing(case):
    source, _, count = model(case)
    for distance in (1e-2, 1e-4, 1e-6):
        bands = bf.bands(source, around(case, distance)[1:])
        metric = np.asarray(geometry.quantum_metric(bands))
        trace = np.trace(metric, axis1=1, axis2=2)[:, :count]
        # isotropic cones: Tr g = (1/4, 1/2, (1/2, 1, 1/2))/distance^2, corrections of relative order 10 distance,
        # and rounding of k0 + distance, 1e-16/distance
        expected = {"dirac": [0.25, 0.25], "weyl": [0.5, 0.5], "triple": [1.0, 2.0, 1.0]}[case]
        error = np.abs(trace * distance**2 / np.array(expected) - 1).max()
        assert error < 20 * distance + 1e-8


@pytest.mark.parametrize("case", CASES)
def test_traces_are_gauge_invariant_under_1000_mixings(case):
    source, k0, count = model(case)
    group = bf.Subspace(range(count))
    one = bf.bands(source, k0)
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(1000, count, count)) + 1j * rng.normal(size=(1000, count, count))
    mixing = np.tile(np.eye(source.num_bands, dtype=complex), (1000, 1, 1))
    mixing[:, :count, :count] = np.linalg.qr(raw)[0]
    adjoint = mixing.conj().swapaxes(-1, -2)
    velocity = adjoint[:, None] @ np.asarray(one.velocity) @ mixing[:, None]
    bands = bf.Bands(
        source,
        jnp.asarray(np.tile(k0, (1000, 1))),
        jnp.asarray(np.tile(np.asarray(one.energies), (1000, 1))),
        jnp.asarray(np.asarray(one.states) @ mixing),
        jnp.asarray(velocity),
        None,
    )
    for quantity in TRACES:
        values, first = np.asarray(quantity(bands, subspace=group)), np.asarray(quantity(one, subspace=group))
        assert np.abs(values - first).max() < 1e-8  # the required bound; rounding gives 1e-14
    matrix = np.asarray(geometry.non_abelian_curvature(bands, group))
    reference = np.asarray(geometry.non_abelian_curvature(one, group))
    w = mixing[:, None, None, :count, :count]
    assert np.abs(matrix - w.conj().swapaxes(-1, -2) @ reference @ w).max() < 1e-8


def test_dirac_point_of_graphene_at_zero_energy():
    # Both energies are rounding noise there, so that max|E| says nothing about what can be resolved.
    model = bf.TightBinding(
        [[1, 0], [0.5, 3**0.5 / 2]],
        [[1 / 3, 1 / 3], [2 / 3, 2 / 3]],
        [(-1.0, 0, 1, (0, 0)), (-1.0, 1, 0, (1, 0)), (-1.0, 1, 0, (0, 1))],
    )
    corner = np.array([4 * np.pi / 3, 0.0])
    for k in (corner, -corner, corner + 1e-13):
        with pytest.raises(bf.DegenerateBandsError):
            geometry.quantum_metric(bf.bands(model, k))
        assert np.abs(geometry.quantum_metric(bf.bands(model, k), subspace=bf.Subspace([0, 1]))).max() == 0.0


def test_gradient_of_a_trace_at_a_gapped_point_is_finite():
    source, k0, count = model("dirac")
    group = bf.Subspace(range(count))

    def trace(k):
        return geometry.quantum_metric(bf.bands(source, k), subspace=group)[0, 0, 0]

    k = jnp.asarray(k0 + np.array([0.3, 0.2]))
    slope, step = jax.grad(trace)(k), 1e-5
    for a in range(2):
        e = step * jnp.eye(2)[a]
        difference = (trace(k + e) - trace(k - e)) / (2 * step)
        assert abs(slope[a] - difference) < 1e-6 * (1 + abs(difference))  # step^2 and rounding 1e-15/step


@pytest.mark.parametrize("quantity", ["quantum_metric", "berry_curvature", "orbital_moment"])
def test_gradients_of_group_traces_are_exact_where_the_group_is_degenerate(quantity):
    model = bf.zoo.four_band_dirac()
    k = np.array([[0.3, -0.2, 0.1]])

    def trace(mass):
        bands = bf.bands(model.replace(mass=mass), k)
        return getattr(bf.geometry, quantity)(bands, subspace=bf.Subspace([0, 1]))[0, 0].sum()

    mass = float(model.parameters["mass"])
    slope, step = float(jax.grad(trace)(mass)), 1e-4
    finite = float(trace(mass + step) - trace(mass - step)) / (2 * step)
    # central difference: step^2 times a third derivative of order one, and rounding 1e-15/step
    assert slope == pytest.approx(finite, abs=1e-6)
