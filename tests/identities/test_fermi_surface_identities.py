"""Identities of Fermi surfaces: topology of the mesh, choice of lattice basis and of grid, volume against weights.

Random smooth bands: E(k) = sum_R c_R cos(k.R + phi_R), few R, on oblique lattices.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import blochflow as bf
from blochflow.geometry.fermi_sheets import FermiSurface
from blochflow.zone.marching import Box, march
from blochflow.zone.sheets import hermite_basis


def random_band(seed: int, dimension: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Oblique lattice vectors, cells R (half of them), and complex amplitudes of a real band."""
    rng = np.random.default_rng(seed)
    vectors = np.eye(dimension) + 0.3 * rng.uniform(-1, 1, (dimension, dimension))
    cells = np.array([R for R in itertools.product((-1, 0, 1), repeat=dimension) if any(R)])[-(3**dimension // 2) :]
    decay = np.exp(-0.8 * (cells**2).sum(axis=1))
    return vectors, cells, decay * (rng.normal(size=len(cells)) + 0.5j * rng.normal(size=len(cells)))


def band_model(vectors: np.ndarray, cells: np.ndarray, amplitudes: np.ndarray) -> bf.TightBinding:
    """One orbital with these hoppings."""
    hoppings = [(complex(t), 0, 0, tuple(map(int, R))) for t, R in zip(amplitudes, cells, strict=True)]
    return bf.TightBinding(vectors.tolist(), [[0.0] * len(vectors)], hoppings)


def middle_energy(seed: int, dimension: int) -> float:
    """An energy inside the band, away from its edges."""
    _, cells, amplitudes = random_band(seed, dimension)
    k = np.random.default_rng(1).uniform(0, 2 * np.pi, (4000, dimension))
    energy = 2 * np.real(np.exp(1j * k @ cells.T) @ amplitudes)
    return float(np.quantile(energy, 0.3 if dimension == 2 else 0.1))


def totals(surface: FermiSurface) -> np.ndarray:
    """Integrals over the surface that do not depend on how it was found."""
    energy_current = np.einsum("p,pa,pb->ab", surface.weights, surface.velocity, surface.velocity)
    return np.array([surface.weights.sum(), surface.area.sum(), *energy_current.reshape(-1)])


UNIMODULAR = {2: np.array([[1, 1], [0, 1]]), 3: np.array([[1, 1, 0], [0, 1, -1], [0, 0, 1]])}
# Automatic points: curves agree to 1e-11 and better, triangles to 1e-6 of the weights (area and currents alike).
TOLERANCE = {2: 1e-9, 3: 1e-6}


@pytest.mark.parametrize(("dimension", "seed"), [(2, 1), (2, 2), (2, 3), (3, 4)])
def test_lattice_basis_and_start_of_the_grid_do_not_matter(dimension: int, seed: int) -> None:
    vectors, cells, amplitudes = random_band(seed, dimension)
    mu = middle_energy(seed, dimension)
    surface = bf.geometry.fermi_surface(band_model(vectors, cells, amplitudes), mu)
    expected = totals(surface)
    assert max(sheet.error for sheet in surface.sheets) < TOLERANCE[dimension]
    assert surface.residual <= 1e-12 * max(1.0, abs(mu), 2 * np.abs(amplitudes).sum())
    # r = R A is the same vector in the basis U A with cells R U^-1
    change = UNIMODULAR[dimension]
    other = band_model(change @ vectors, np.rint(cells @ np.linalg.inv(change)).astype(int), amplitudes)
    moved = bf.geometry.fermi_surface(band_model(vectors, cells, amplitudes), mu, shift=[0.71, 0.13, 0.52][:dimension])
    for again in (bf.geometry.fermi_surface(other, mu), moved):
        np.testing.assert_allclose(totals(again), expected, atol=TOLERANCE[dimension] * np.abs(expected).max())
        kinds = sorted((s.kind, s.euler_characteristic) for s in again.sheets)
        assert kinds == sorted((s.kind, s.euler_characteristic) for s in surface.sheets)
        volumes = np.sort([s.enclosed for s in surface.sheets if np.isfinite(s.enclosed)])
        np.testing.assert_allclose(
            np.sort([s.enclosed for s in again.sheets if np.isfinite(s.enclosed)]), volumes, rtol=TOLERANCE[dimension]
        )


@pytest.mark.parametrize("dimension", [2, 3])
def test_weights_are_the_derivative_of_the_enclosed_volume(dimension: int) -> None:
    """dV/dE of closed sheets, by a central difference: error h^2 V'''/6 with h = 1e-3, about 1e-7 relative."""
    vectors, cells, amplitudes = random_band(4, dimension)
    model, step = band_model(vectors, cells, amplitudes), 1e-3
    k = np.random.default_rng(1).uniform(0, 2 * np.pi, (4000, dimension))
    mu = float(np.quantile(2 * np.real(np.exp(1j * k @ cells.T) @ amplitudes), 0.04))
    low, here, high = (bf.geometry.fermi_surface(model, mu + s) for s in (-step, 0.0, step))
    assert {s.kind for s in here.sheets} == {"electron"}
    volumes = [sum(s.enclosed for s in surface.sheets) for surface in (low, high)]
    slope = (volumes[1] - volumes[0]) / (2 * step)
    assert here.weights.sum() == pytest.approx(slope, rel=1e-5)
    # spin_degeneracy 1: the density of states is the derivative of the density
    assert here.density_of_states == pytest.approx(slope / (2 * np.pi) ** dimension, rel=1e-5)


def closed_mesh(values: np.ndarray) -> tuple[int, int, int]:
    """Vertices, edges and triangles of the periodic level set 0; every edge has two triangles."""
    box = Box(np.zeros(3), np.eye(3), values.shape, periodic=True)
    found = march(box, values, 0.0)
    table = []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        hop = found.images[:, j] - found.images[:, i]
        flip = found.elements[:, i] > found.elements[:, j]
        ends = np.sort(found.elements[:, [i, j]], axis=1)
        table.append(np.column_stack([ends, np.where(flip[:, None], -hop, hop)]))
    edges, uses = np.unique(np.concatenate(table), axis=0, return_counts=True)
    assert (uses == 2).all()
    return len(found.low), len(edges), len(found.elements)


@pytest.mark.parametrize("seed", range(4))
def test_the_mesh_of_any_values_is_closed(seed: int) -> None:
    """Random numbers on the grid are the worst case for connectivity: still no boundary and no branching."""
    vertices, edges, triangles = closed_mesh(np.random.default_rng(seed).normal(size=(7, 8, 9)))
    assert 2 * edges == 3 * triangles
    assert (vertices - edges + triangles) % 2 == 0


@pytest.mark.parametrize(("mu", "euler"), [(-5.0, 2), (-1.0, -4), (1.0, -4), (5.0, 2)])
def test_euler_characteristic_of_the_cubic_lattice(mu: float, euler: int) -> None:
    """A sphere, or the surface of genus 3 that closes through necks in all three directions: chi = 2 - 2 genus."""
    surface = bf.geometry.fermi_surface(bf.zoo.cubic(), mu, points=1)
    assert [s.euler_characteristic for s in surface.sheets] == [euler]
    periods = np.eye(3, dtype=int) if euler < 0 else np.zeros((3, 3), dtype=int)
    np.testing.assert_array_equal(surface.sheets[0].winding, periods)


def test_a_tube_has_euler_characteristic_zero() -> None:
    """Weak hopping along z: the square lattice's pocket becomes a tube that winds once along b_3."""
    surface = bf.geometry.fermi_surface(bf.zoo.cubic(anisotropy=0.1), -2.0, points=3)
    (sheet,) = surface.sheets
    assert (sheet.kind, sheet.euler_characteristic) == ("open", 0)
    np.testing.assert_array_equal(sheet.winding, [[0, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert np.isnan(sheet.enclosed)


def test_open_curves_of_an_anisotropic_lattice_close_through_the_zone() -> None:
    """E = -2 cos kx - 0.4 cos ky at 0: two lines along ky; Int dk is -/+ b_2 each."""
    model = bf.LatticeModel(_anisotropic, [[1.0, 0.0], [0.0, 1.0]])
    surface = bf.geometry.fermi_surface(model, 0.0)
    assert [s.kind for s in surface.sheets] == ["open", "open"]
    for i, sheet in enumerate(surface.sheets):
        np.testing.assert_array_equal(sheet.winding, [[0, 1], [0, 0]])
        assert sheet.closure_residual < 1e-12  # rounding: the trapezoidal rule is exact for Int dk on a periodic curve
        here = surface.sheet == i
        normals = (surface.weights[here, None] * surface.velocity[here]).sum(axis=0)
        np.testing.assert_allclose(np.abs(normals), [2 * np.pi, 0.0], atol=1e-10)


def _anisotropic(k):  # type: ignore[no-untyped-def]
    import jax.numpy as jnp

    return jnp.array([[-2 * jnp.cos(k[0]) - 0.4 * jnp.cos(k[1])]])


@pytest.mark.parametrize(
    ("vectors", "basis"),
    [
        ([[2, 1, 0], [1, 0, 0], [3, 1, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 0]]),
        ([[0, 0, -3], [0, 0, 2]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]),
        ([[2, 0, 0], [1, 2, 0]], [[1, 2, 0], [0, 4, 0], [0, 0, 0]]),
        ([[0, 0, 0]], [[0, 0, 0]] * 3),
    ],
)
def test_basis_of_the_lattice_that_vectors_generate(vectors: list[list[int]], basis: list[list[int]]) -> None:
    np.testing.assert_array_equal(hermite_basis(np.array(vectors)), basis)
