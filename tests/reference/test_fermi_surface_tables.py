"""Fermi surfaces against closed forms: pockets of the square and cubic lattices, ellipsoids, Dirac and Weyl cones."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ellipk

import blochflow as bf

# Areas by SciPy's quad of kx(ky), masses K(sqrt(1 - E^2/16))/pi by elliptic integrals.
SQUARE = [
    (-3.0, 3.361566634476, 0.574377973379862),
    (-2.5, 5.240919745639, 0.623832495138864),
    (-1.0, 12.17168597547, 0.891651589987123),
]


@pytest.mark.parametrize(("mu", "area", "mass"), SQUARE)
def test_square_lattice(mu: float, area: float, mass: float) -> None:
    """The trapezoidal rule is at rounding; the areas are given to 1e-12."""
    for energy, kind in ((mu, "electron"), (-mu, "hole")):
        surface = bf.geometry.fermi_surface(bf.zoo.square(), energy)
        (sheet,) = surface.sheets
        assert sheet.kind == kind
        assert sheet.enclosed == pytest.approx(area, rel=1e-12)
        assert surface.weights.sum() / (2 * np.pi) == pytest.approx(mass, rel=1e-13)
        assert mass == pytest.approx(float(ellipk(1 - (mu / 4) ** 2)) / np.pi, rel=1e-13)
        assert sheet.density == pytest.approx(np.sign(-mu) * np.sign(energy / mu) * area / (4 * np.pi**2), rel=1e-11)
        assert surface.residual <= 1e-12 * 4
        assert sheet.closure_residual < 1e-13
        assert sheet.error < 1e-11


def test_points_on_a_curve_converge_exponentially() -> None:
    """Errors of the mass fall from 1e-3 to rounding in four doublings; the estimate is never below the error."""
    mass = SQUARE[2][2]
    errors = []
    for points in (16, 32, 64, 128):
        surface = bf.geometry.fermi_surface(bf.zoo.square(), -1.0, points=points)
        assert len(surface.k) == points
        errors.append(abs(surface.weights.sum() / (2 * np.pi * mass) - 1))
        assert errors[-1] <= surface.sheets[0].error + 1e-15
    assert errors[0] > 1e-4
    assert errors[1] < 1e-4
    assert errors[2] < 1e-8
    assert errors[3] < 1e-14


def test_necks_of_the_cubic_lattice() -> None:
    """At E = -1 the cut at kz = pi is the square lattice at E = -3; the mesh is exact at vertices only, h = 0.26."""
    surface = bf.geometry.fermi_surface(bf.zoo.cubic(), -1.0, grid=24)
    (sheet,) = surface.sheets
    assert sheet.kind == "open"
    assert np.isnan(sheet.enclosed)
    np.testing.assert_array_equal(sheet.winding, np.eye(3))
    assert sheet.closure_residual < 1e-8  # six powers of the step; zero net area by symmetry
    ends = surface.corners[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2, 3)
    shifted = np.mod(ends[:, :, 2] - ends[:, :1, 2] + np.mod(ends[:, :1, 2], 2 * np.pi), 1e9)
    height = np.where(shifted > 5e8, shifted - 1e9, shifted) - np.pi
    crossing = height[:, 0] * height[:, 1] < 0
    t = height[crossing, 0] / (height[crossing, 0] - height[crossing, 1])
    cut = ends[crossing, 0] + t[:, None] * (ends[crossing, 1] - ends[crossing, 0])
    flat = np.mod(cut[:, :2] + np.pi, 2 * np.pi) - np.pi
    order = np.argsort(np.arctan2(flat[:, 1], flat[:, 0]))
    x, y = flat[order].T
    area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    assert area == pytest.approx(SQUARE[0][1], rel=5e-3)  # chords of a curve of radius 1: (h/r)^2/12


@pytest.mark.parametrize("grid", [16, 24])
def test_density_of_states_of_the_cubic_lattice(grid: int) -> None:
    """g(E) = (1/pi) Int_0^pi g_square(E + 2 cos kz) dkz at E = -5, where the square pocket exists for cos kz < ..."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    # the square lattice has states for |E + 2 cos kz| < 4: kz from 0 to arccos(1/2) at E = -5
    end = np.arccos(0.5)
    kz = 0.5 * end * (nodes + 1)
    energy = -5.0 + 2 * np.cos(kz)
    square = ellipk(1 - (energy / 4) ** 2) / (2 * np.pi**2)
    expected = float((0.5 * end * weights * square).sum() / np.pi)
    surface = bf.geometry.fermi_surface(bf.zoo.cubic(), -5.0, grid=grid)
    error = abs(surface.density_of_states / expected - 1)
    assert error < 1e-7  # the estimate, which is never below the error
    assert error <= surface.sheets[0].error


@pytest.mark.parametrize("dimension", [2, 3])
def test_anisotropic_ellipsoid_on_a_tilted_axis(dimension: int) -> None:
    """E = (k - q).M.(k - q)/2: volume (2 mu)^(d/2)/sqrt(det M) times pi or 4 pi/3, dV/dE = d V/(2 mu)."""
    rng = np.random.default_rng(5)
    root = rng.normal(size=(dimension, dimension)) + 2 * np.eye(dimension)
    mass, center = root @ root.T, np.array([0.3, -0.2, 0.1])[:dimension]

    def hamiltonian(k, inverse_mass=mass, center=center):  # type: ignore[no-untyped-def]
        return 0.5 * jnp.array([[(k - center) @ inverse_mass @ (k - center)]])

    model = bf.ContinuumModel(hamiltonian, dimension, cutoff=3.0)
    surface = bf.geometry.fermi_surface(model, 0.7)
    (sheet,) = surface.sheets
    volume = (np.pi if dimension == 2 else 4 * np.pi / 3) * 1.4 ** (dimension / 2) / np.sqrt(np.linalg.det(mass))
    tolerance = 1e-11 if dimension == 2 else 1e-5  # axes differ by a factor 3: triangles resolve the tips less well
    assert sheet.kind == "electron"
    assert sheet.enclosed == pytest.approx(volume, rel=tolerance)
    assert surface.weights.sum() == pytest.approx(dimension * volume / 1.4, rel=tolerance)
    assert sheet.error < tolerance
    assert sheet.euler_characteristic == (0 if dimension == 2 else 2)


def test_graphene_has_two_pockets_around_its_corners() -> None:
    """Near the Dirac energy A = pi mu^2/v^2 (1 + O(mu^2)) at K and K'."""
    surface = bf.geometry.fermi_surface(bf.zoo.graphene(mass=0.0), 0.01)
    velocity = np.linalg.norm(surface.velocity, axis=1).mean()
    assert [s.bands for s in surface.sheets] == [(1,), (1,)]
    for sheet in surface.sheets:
        assert sheet.kind == "electron"
        assert sheet.enclosed == pytest.approx(np.pi * 1e-4 / velocity**2, rel=1e-3)
    below = bf.geometry.fermi_surface(bf.zoo.graphene(mass=0.0), -0.01)
    assert [(s.bands, s.kind) for s in below.sheets] == [((0,), "hole"), ((0,), "hole")]


def test_weyl_node() -> None:
    """A sphere of radius mu/v: g = mu^2/(2 pi^2 v^3), n = mu^3/(6 pi^2 v^3)."""
    surface = bf.geometry.fermi_surface(bf.zoo.weyl_node(velocity=1.3), 0.5)
    (sheet,) = surface.sheets
    assert sheet.density_of_states == pytest.approx(0.25 / (2 * np.pi**2 * 1.3**3), rel=1e-7)  # sheet.error: 1e-8
    assert sheet.density == pytest.approx(0.125 / (6 * np.pi**2 * 1.3**3), rel=1e-7)
    assert sheet.closure_residual < 1e-8
    np.testing.assert_allclose(np.linalg.norm(surface.velocity, axis=1), 1.3, rtol=1e-12)


def test_massive_dirac_density_of_states() -> None:
    """rho = eF/(2 pi) for v = 1: the value 0.159154943 of the disorder tables."""
    surface = bf.geometry.fermi_surface(bf.zoo.massive_dirac(mass=0.3), 1.0, points=16)
    assert surface.density_of_states == pytest.approx(1 / (2 * np.pi), rel=1e-14)


def test_rashba_ferromagnet_has_two_sheets() -> None:
    """m = 1, lambda = 1/2, h = 0.2, eF = 1: g = m/pi, the table's 0.318309886."""
    surface = bf.geometry.fermi_surface(bf.zoo.rashba_ferromagnet(), 1.0)
    assert surface.density_of_states == pytest.approx(0.318309886, abs=5e-10)


def test_degenerate_bands_share_a_sheet() -> None:
    """Dirac sea in 3D with P and T: one sphere for bands 2 and 3, counted twice."""
    surface = bf.geometry.fermi_surface(bf.zoo.four_band_dirac(), 1.0, points=3)
    (sheet,) = surface.sheets
    assert sheet.bands == (2, 3)
    once = surface.weights.sum() / (2 * np.pi) ** 3
    assert sheet.density_of_states == pytest.approx(2 * once, rel=1e-14)


def test_a_pocket_that_reaches_the_cutoff() -> None:
    """E = k^2/2 + kx at 1: the circle |k + x| = sqrt 3 within |k| < 2 ends at kx = -1, where 5/6 of it is left."""

    def shifted(k):  # type: ignore[no-untyped-def]
        return jnp.array([[0.5 * k @ k + k[0]]])

    model = bf.ContinuumModel(shifted, 2, cutoff=2.0)
    surface = bf.geometry.fermi_surface(model, 1.0)
    (sheet,) = surface.sheets
    assert sheet.touches_cutoff
    assert sheet.kind == "cut"
    half = np.arccos(0.0)  # seen from the center at -x the ends lie at kx = -1, straight up and down
    assert sheet.measure == pytest.approx(3**0.5 * 2 * half, rel=1e-13)
    assert sheet.closure_residual > 0.5
    assert np.linalg.norm(surface.k, axis=1).max() < 2.0
