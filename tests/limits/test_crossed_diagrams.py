"""Crossed diagrams on curves that are no circles: closed form of the cone under changes that must not matter, and
convergence with the number of points, whose starting point and spacing differ from curve to curve.
"""

import itertools

import numpy as np
import pytest

import blochflow as bf
from blochflow.disorder.collision import Collision
from blochflow.disorder.crossed import crossed_drive, kernel
from blochflow.disorder.curves import by_direction
from blochflow.disorder.fermi_points import fermi_points
from blochflow.disorder.linear_response import respond
from blochflow.disorder.potentials import scatterers
from blochflow.disorder.scattering import Scattering
from blochflow.response.cold_parts import cold_parts
from blochflow.response.fermi_parts import PARTS, FermiParts
from disorder_models import ONE, SX, SY, SZ, dirac, white

# -(1/2 pi) 4 mu M (mu^2 - M^2)/(mu^2 + 3 M^2)^2 at mu = 1, M = .3
CONE = -4 * 0.3 * 0.91 / (2 * np.pi * 1.27**2)


def crossed(model, points, mu=1.0):
    surface = by_direction(model, bf.geometry.fermi_surface(model, mu, points=points))
    found = fermi_points(model, surface)
    collision = Collision(Scattering(found, scatterers(white(0.1), model)))
    answer = respond(collision, extra={"crossed": lambda phi: crossed_drive(model, mu, collision, phi)})
    return answer.parts(-found.velocity)["crossed"]


def moved(k):
    """A cone about another point, squeezed along a turned axis: the Hall current does not change."""
    x, y, turn = k[0] - 0.3, k[1] + 0.2, 0.4
    a, b = np.cos(turn) * x + np.sin(turn) * y, -np.sin(turn) * x + np.cos(turn) * y
    return a * SY - 0.7 * b * SX + 0.3 * SZ


def warped(k):
    """No centre of inversion."""
    cubic = 0.1 * (k[0] ** 3 - 3 * k[0] * k[1] ** 2)
    return k[0] * SY - k[1] * SX + (0.3 + cubic) * SZ + 0.15 * k[0] * ONE


@pytest.mark.parametrize("points", [16, 32, 64])
def test_the_circle_is_exact(points):
    # 16 points: their own interpolation, 1e-10
    np.testing.assert_allclose(crossed(dirac(), points), CONE * np.array([[0, -1], [1, 0]]), atol=1e-10)


def test_ellipses_anywhere_have_the_value_of_the_circle():
    model = bf.ContinuumModel(moved, 2, cutoff=4.0)
    errors = [np.abs(crossed(model, n) - CONE * np.array([[0, -1], [1, 0]])).max() for n in (16, 32, 64)]
    assert errors[1] < 0.1 * errors[0]
    # exponential: the 64 points resolve an axis ratio of .7 to ten digits
    assert errors[2] < 1e-9


def test_a_tilted_cone_converges():
    model = dirac(anisotropy=0.7, tilt=(0.3, 0.1))
    found = [crossed(model, n) for n in (32, 64, 128)]
    steps = [np.abs(b - a).max() for a, b in itertools.pairwise(found)]
    assert steps[0] < 1e-4
    assert steps[1] < 1e-9
    # Onsager: an odd part without Drude companion is antisymmetric
    np.testing.assert_allclose(found[-1], -found[-1].T, atol=1e-12)


def test_what_enters_a_state_by_crossed_diagrams_leaves_it():
    """sum_k' w_kk' = 0, which the drive takes as exact; it converges as the response does."""
    model = dirac(anisotropy=0.7, tilt=(0.3, 0.1))
    shares = []
    for count in (32, 64):
        surface = by_direction(model, bf.geometry.fermi_surface(model, 1.0, points=count))
        found = fermi_points(model, surface)
        collision = Collision(Scattering(found, scatterers(white(0.1), model)))
        place = np.arange(count)
        k, other, inner = place[::4], place[2::4], place[1::2]
        terms = kernel(model, 1.0, collision, k, other, inner) * found.weights[other]
        shares.append(np.abs(terms.sum(axis=1)).max() / np.abs(terms).sum(axis=1).max())
    assert shares[0] < 1e-3
    assert shares[1] < 1e-6


@pytest.mark.slow
def test_the_error_of_a_warped_curve_covers_what_more_points_change():
    """Without a centre of inversion errors fall as a power: .10086, .09597, .09687, .09716 with 32 to 256 points."""
    model = bf.ContinuumModel(warped, 2, cutoff=3.0)
    finest = crossed(model, 256)
    request = FermiParts(model, scatterers(white(0.1), model), None, 2, True, 64, None, bf.Execution())
    values, errors, *_ = cold_parts(request, 1.0, bf.Tolerance(1e-2))
    value, error = values[PARTS.index("crossed")], errors[PARTS.index("crossed")]
    assert (np.abs(value - finest) <= error).all()
    np.testing.assert_allclose(value, -value.T, atol=1e-12)
    np.testing.assert_allclose(value, finest, atol=0.02 * np.abs(finest).max())
