"""Integrals over the filled part of a cell against closed forms, in one, two and three dimensions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit

from blochflow.zone.cut import filled_average
from blochflow.zone.polynomials import gauss_rule, interpolate
from blochflow.zone.weights import Weight

NODES = 4
# Gauss nodes between the cuts integrate square roots of polynomials; this is what seven of them leave.
CLOSE = 2e-6


def polynomial(function, d, nodes=NODES):
    """Coefficients (1, n, .., n) of a polynomial of degree below ``nodes`` per direction."""
    rule = gauss_rule(nodes)
    mesh = np.stack(np.meshgrid(*[rule.nodes] * d, indexing="ij"), -1).reshape(-1, d)
    return interpolate(function(mesh)[None], rule, d)


def average(energy, mu, kt=0.0, *, weight=None, surface=False, power=0, d=2, nodes=NODES):
    """Average of f F, or -f' F, over [-1, 1]^d; asserts that nothing was left unresolved."""
    weight = weight or (lambda x: np.ones(len(x)))
    f = polynomial(weight, d, nodes)[..., None]
    state = np.array([mu]), np.array([kt])
    value, left = filled_average(polynomial(energy, d, nodes), f, *state, weight=Weight(surface, (power,)))
    assert left.max() < 1e-9
    return float(value[0, 0])


def scaled_square(scales):
    return lambda x: (x**2 * np.asarray(scales, dtype=float) ** -2).sum(axis=1)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("size", [1e-3, 0.1, 0.6, 0.95])
def test_ellipsoid(d, size):
    axes = size * np.array([1.0, 0.7, 0.5])[:d]
    volume = {1: 2.0, 2: math.pi, 3: 4 * math.pi / 3}[d] * axes.prod()
    energy = scaled_square(axes)
    # halving ends at 2^-13 of a cell in 3D: what it leaves of the smallest pocket is in the stated bound
    one = polynomial(lambda x: np.ones(len(x)), d)[..., None]
    _, left = filled_average(polynomial(energy, d), one, np.ones(1), np.zeros(1), weight=Weight(False))
    allowed = max((CLOSE if d < 3 else 1e-3) * volume, float(left.max()) * 2**d)
    assert average(energy, 1.0, d=d) * 2**d == pytest.approx(volume, rel=0, abs=allowed)
    # dV/dmu at mu = 1, where V = volume mu^(d/2)
    found, left = filled_average(polynomial(energy, d), one, np.ones(1), np.zeros(1), weight=Weight(True))
    if d == 3 and size < 0.01:
        # a surface that halving does not resolve has no bound, but an estimate as large as itself
        assert np.abs(found * 2**d - volume * d / 2) <= left * 2**d
        assert left * 2**d > volume
        return
    assert average(energy, 1.0, d=d, surface=True) * 2**d == pytest.approx(volume * d / 2, rel=1e-4 if d < 3 else 1e-2)


def test_weight_inside_a_circle():
    """Int x^2 over the disc of radius r = pi r^4/4."""
    found = average(scaled_square((1, 1)), 0.64, weight=lambda x: x[:, 0] ** 2) * 4
    assert found == pytest.approx(math.pi * 0.8**4 / 4, rel=CLOSE)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("mu", [-1.0, 0.0, 0.5, 1.0])
def test_plane_through_corners(d, mu):
    """x + y (+ z) < mu: the Irwin-Hall distribution; mu = 0 passes through two corners of the square."""
    s = (mu + d) / 2
    exact = sum((-1) ** k * math.comb(d, k) * max(s - k, 0.0) ** d for k in range(d + 1)) / math.factorial(d)
    assert average(lambda x: x.sum(axis=1), mu, d=d) == pytest.approx(exact, abs=1e-13)  # polynomials: rounding alone


@pytest.mark.parametrize("mu", [-0.3, -1e-6, 1e-6, 0.3])
def test_saddle(mu):
    """x y < mu covers 1/2 + (mu - mu log|mu|)/2 of the square, by Int dx mu/x."""
    exact = 0.5 + 0.5 * (mu - mu * math.log(abs(mu)))
    assert average(lambda x: x[:, 0] * x[:, 1], mu) == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize("kt", [1e-6, 1e-3, 0.05, 1.0])
@pytest.mark.parametrize("d", [1, 2])
def test_warm_parabola(d, kt):
    """A flat distribution of energies up to the nearest face in 2D; numerical integration in 1D."""
    mu = 0.5
    if d == 1:
        function = lambda x: 1 / (1 + math.exp(min((x * x - mu) / kt, 700)))  # noqa: E731
        root = math.sqrt(mu)
        exact = quad(function, 0, 1, points=[root - 20 * kt, root, min(root + 20 * kt, 1)], epsabs=1e-13, limit=400)[0]
        assert average(scaled_square((1,)), mu, kt, d=1) == pytest.approx(exact, rel=1e-8)
    else:
        cold = average(scaled_square((1, 1)), mu)
        # Sommerfeld: no correction while the window stays inside the circle that touches the faces
        if kt <= 1e-3:
            assert average(scaled_square((1, 1)), mu, kt) == pytest.approx(cold, rel=CLOSE)


@pytest.mark.parametrize("kt", [0.0, 1e-3, 0.1])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_surface_is_the_derivative_of_the_sea(d, kt):
    rng = np.random.default_rng(8)
    slopes, bends = rng.uniform(0.5, 1.0, d), rng.uniform(-0.3, 0.3, d)

    def energy(x):
        return x @ slopes + (x**2) @ bends

    step = 1e-4
    sea = [average(energy, 0.1 + s * step, kt, d=d) for s in (-1, 1)]
    slope = (sea[1] - sea[0]) / (2 * step)
    # differences: rounding 1e-13/step, and step^2 times a third derivative of order one
    assert average(energy, 0.1, kt, d=d, surface=True) == pytest.approx(slope, rel=1e-5 if d < 3 else 1e-3)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_full_and_empty(d):
    energy = scaled_square((1,) * d)
    assert average(energy, 10.0, d=d) == pytest.approx(1.0, abs=1e-14)
    assert average(energy, -1.0, d=d) == 0.0


@pytest.mark.parametrize("surface", [False, True])
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_moments_of_energy_are_thermal_averages(d, power, surface):
    """Int de (-f'(e)) ((e - mu)/kT)^p of what a step, or a delta function, at e gives."""
    rng = np.random.default_rng(9)
    slopes, bends = rng.uniform(0.5, 1.0, d), rng.uniform(-0.3, 0.3, d)

    def energy(x):
        return x @ slopes + (x**2) @ bends

    mu, kt = 0.1, 0.05
    x = np.linspace(-40, 40, 801 if d < 3 else 201)
    weight = expit(x) * expit(-x) * x**power * (x[1] - x[0])
    cold = np.array([average(energy, mu + kt * t, d=d, surface=surface) for t in x])
    size = np.abs(weight) @ np.abs(cold)
    # the trapezoidal rule sees kinks where a level meets a corner of the cell: step^2 of their jump
    miss = 1e-5 if d < 3 and not surface else 2e-3
    found = average(energy, mu, kt, d=d, surface=surface, power=power)
    assert found == pytest.approx(weight @ cold, abs=miss * size)
