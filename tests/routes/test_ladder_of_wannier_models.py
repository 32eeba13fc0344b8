"""Disordered responses of a four-orbital lattice and of a warped, tilted surface of a topological insulator.

Against the non-crossing Kubo-Streda ladder (`kubo_streda`), which knows no Fermi surface, and against themselves with
more points.  No symmetry relates anything here but Hermiticity and Onsager's relation.
"""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from kubo_streda import Bands, Disorder, Rays, System, disk, surface_response

import blochflow as bf
from blochflow.disorder.collision import Collision
from blochflow.disorder.fermi_points import fermi_points
from blochflow.disorder.linear_response import respond
from blochflow.disorder.potentials import scatterers
from blochflow.disorder.scattering import Scattering
from disorder_models import ONE, SX, SY, SZ, four_orbitals, wannier_like, white

# The ladder is extrapolated to 1e-4 of its largest number; the test asks for ten times that.
RTOL = 1e-3


def collision(model, mu, disorder, points):
    surface = bf.geometry.fermi_surface(model, mu, points=points)
    return Collision(Scattering(fermi_points(model, surface), scatterers(disorder, model)))


def parts(model, mu, disorder, points):
    found = collision(model, mu, disorder, points)
    return respond(found).parts(-found.points.velocity)


def hall(found):
    """Odd part of extrinsic velocity, side jump and skew scattering."""
    total = sum(found[name] for name in ("extrinsic_velocity", "side_jump", "skew_scattering"))
    return 0.5 * (total - total.T)


def oblique_zone(reciprocal, count):
    """The parallelogram +-b_1/2, +-b_2/2: Gauss-Legendre rule of ``count`` angles towards each of its edges."""
    corners = np.array([(1, -1), (1, 1), (-1, 1), (-1, -1)]) @ reciprocal / 2
    angles = np.unwrap(np.arctan2(corners[:, 1], corners[:, 0]))
    ends = np.append(angles, angles[0] + 2 * np.pi * np.sign(angles[1] - angles[0]))
    nodes, weights = np.polynomial.legendre.leggauss(count)
    half = np.diff(ends)[:, None] / 2
    turn = ((ends[:-1, None] + half) + half * nodes).ravel()
    directions = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    lengths = 0.5 / np.abs(directions @ np.linalg.inv(reciprocal)).max(axis=1)
    return Rays(np.zeros(2), directions, (np.abs(half) * weights).ravel() / (2 * np.pi) ** 2, lengths)


def wannier_bands():
    """The same hoppings as coefficients of Hermitian matrices."""
    lattice, orbitals, hoppings = four_orbitals()
    matrices, waves = [], []
    for value, i, j, cell in hoppings:
        unit = np.zeros((4, 4), dtype=complex)
        unit[i, j] = value
        if i == j and cell == (0, 0):
            unit /= 2
        matrices += [unit + unit.conj().T, 1j * (unit - unit.conj().T)]
        waves.append((np.array(cell) + orbitals[j] - orbitals[i]) @ lattice)

    def coefficients(x, y):
        return [f(x * a + y * b) for a, b in waves for f in (np.cos, np.sin)]

    return Bands(np.array(matrices), coefficients), 2 * np.pi * np.linalg.inv(lattice).T


@pytest.mark.slow
def test_ladder_of_four_orbitals():
    """Two bands cross the Fermi energy; independent white noise on each of three sites."""
    bands, reciprocal = wannier_bands()
    sites = np.array([np.diag([1.0, 1, 0, 0]), np.diag([0.0, 0, 1, 0]), np.diag([0.0, 0, 0, 1])])
    system = System(bands, -0.5, oblique_zone(reciprocal, 32), Disorder(sites))
    ladder = surface_response(system, (0.02, 0.01, 0.005, 0.0025))
    found = parts(wannier_like(), -0.5, white(0.1), 512)
    scale = np.abs(hall(found)).max()
    assert ladder.odd_error < 0.1 * RTOL * scale
    np.testing.assert_allclose(ladder.odd, hall(found), atol=RTOL * scale)
    np.testing.assert_allclose(ladder.even, 0.1 * found["drude"], atol=RTOL * 0.1 * np.abs(found["drude"]).max())


@pytest.mark.parametrize("mu", [-0.5, -1.0])
def test_errors_fall_with_points_and_cover_the_difference(mu):
    """Electron and hole pockets; what half the points change is at least what remains."""
    model, disorder = wannier_like(), white(0.1)
    counts = (32, 64, 128, 256, 512)
    found = [parts(model, mu, disorder, n) for n in counts]
    for name, last in found[-1].items():
        scale = np.abs(last).max()
        true = np.array([np.abs(x[name] - last).max() for x in found[:-1]]) / scale
        claimed = [np.abs(y[name] - x[name]).max() / scale for x, y in itertools.pairwise(found[:-1])]
        # exponential in the number of points, down to rounding of a solution with some hundred unknowns
        assert true[-1] < max(1e-3 * true[0], 1e-9), name
        assert (true[1:] <= np.maximum(claimed, 1e-10)).all(), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::blochflow.ValidityWarning")
def test_the_reported_error_covers_the_difference():
    model, disorder = wannier_like(), white(0.1)
    exact = parts(model, -0.5, disorder, 1024)
    rough = bf.response.disordered_conductivity(
        model, -0.5, 0.0, disorder=disorder, points=64, tolerance=bf.Tolerance(0.1), throw=False
    )
    for name, value in exact.items():
        assert (np.abs(rough[name].values[0, 0] - value) <= rough[f"{name}_error"].values[0, 0]).all(), name


def surface_of_an_insulator(k, mass=0.25, warping=0.3, tilt=(0.15, 0.05), alpha=0.1, shift=0.0):
    """v (kx sy - ky sx) + (M + lambda (kx^3 - 3 kx ky^2)) sz + alpha k^2 + tilt.k."""
    cubic = warping * (k[0] ** 3 - 3 * k[0] * k[1] ** 2)
    scalar = alpha * (k @ k) + tilt[0] * k[0] + tilt[1] * k[1] + shift
    return k[0] * SY - k[1] * SX + (mass + cubic) * SZ + scalar * ONE


def warped_bands():
    pauli = np.array([ONE, SX, SY, SZ])

    def coefficients(x, y):
        scalar = 0.1 * (x**2 + y**2) + 0.15 * x + 0.05 * y
        return [scalar, -y, x, 0.25 + 0.3 * (x**3 - 3 * x * y**2)]

    return Bands(pauli, coefficients)


def test_ladder_of_a_warped_and_tilted_surface():
    model = bf.ContinuumModel(surface_of_an_insulator, 2, cutoff=2.5)
    system = System(warped_bands(), 1.0, disk(96, 2.5), Disorder(np.array(ONE)[None]))
    ladder = surface_response(system, (0.04, 0.02, 0.01, 0.005))
    found = parts(model, 1.0, white(0.1), 256)
    scale = np.abs(hall(found)).max()
    assert ladder.odd_error < 0.1 * RTOL * scale
    np.testing.assert_allclose(ladder.odd, hall(found), atol=RTOL * scale)
    np.testing.assert_allclose(ladder.even, 0.1 * found["drude"], atol=RTOL * 0.1 * np.abs(found["drude"]).max())


@pytest.mark.parametrize("dense", [True, False])
def test_two_surfaces_that_scattering_does_not_connect(dense):
    """Top and bottom of a film, each with its own disorder, in a random basis: parts add, charges are kept apart."""
    rng = np.random.default_rng(8)
    u = jnp.asarray(np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0])
    bottom = {"mass": -0.35, "warping": 0.2, "tilt": (-0.1, 0.1), "shift": 0.4}  # inside the other curve

    def film(k):
        top, below = surface_of_an_insulator(k), surface_of_an_insulator(k, **bottom)
        zero = jnp.zeros((2, 2))
        return u @ jnp.block([[top, zero], [zero, below]]) @ jnp.conj(u.T)

    sides = [u @ jnp.kron(jnp.diag(jnp.array(x)), ONE) @ jnp.conj(u.T) for x in ((1.0, 0.0), (0.0, 1.0))]
    model = bf.ContinuumModel(film, 2, cutoff=2.5)
    whole = collision(model, 1.0, white(0.1, vertices=sides, third_cumulant=0.02), 96)
    assert whole.conserved == 2
    whole = Collision(whole.scattering, dense)
    single = bf.ContinuumModel(surface_of_an_insulator, 2, cutoff=2.5)
    other = bf.ContinuumModel(lambda k: surface_of_an_insulator(k, **bottom), 2, cutoff=2.5)
    separate = [parts(x, 1.0, white(0.1, third_cumulant=0.02), 96) for x in (single, other)]
    answer = respond(whole)
    for name, value in answer.parts(-whole.points.velocity).items():
        expected = separate[0][name] + separate[1][name]
        # the curves of both models carry the same points, so that only rounding is left
        np.testing.assert_allclose(value, expected, atol=1e-9 * np.abs(expected).max())
    # no charge moves from one side to the other
    for phi in answer.phi.values():
        for side in sides:
            density = np.einsum("k,ckij,ji->c", whole.points.weights, phi, np.asarray(side))
            assert np.abs(density).max() < 1e-10 * np.abs(phi).max()
