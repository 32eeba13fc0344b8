"""Charts of the zone: derivatives, exact volumes, and cost near the centre."""

from __future__ import annotations

import math

import equinox as eqx
import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.response.average import average_over_zone
from blochflow.response.integrands import NumberSea
from blochflow.response.zone_options import ZoneOptions
from blochflow.zone.charts import BallChart, ShellChart, TriangleChart
from blochflow.zone.polynomials import gauss_rule
from blochflow.zone.tolerance import Required

RADIUS = 2.5
CHARTS = [(kind, d) for kind in ("ball", "shell") for d in (1, 2, 3)] + [("triangle", 2)]
TRIANGLE = np.array([[0.3, -0.2], [1.5, 0.4], [-0.1, 1.1]])


def chart_of(kind, d):
    if kind == "triangle":
        return TriangleChart(TRIANGLE)
    return BallChart(RADIUS, d) if kind == "ball" else ShellChart(RADIUS, d, 1.0)


@pytest.mark.parametrize(("kind", "d"), CHARTS)
def test_jacobian_is_the_derivative(kind, d):
    chart, step = chart_of(kind, d), 1e-6
    # away from u = 1/2, where the one-dimensional shell jumps from one side to the other
    u = np.random.default_rng(3).uniform(0.51, 0.99, (40, d))
    shifts = step * np.eye(d)
    found = np.stack([(chart.to_k(u + s) - chart.to_k(u - s)) / (2 * step) for s in shifts], axis=-2)
    # central differences: rounding 1e-16 * |k| / step, and step^2 times the third derivative
    assert np.abs(found - chart.jacobian(u)).max() < 1e-7 * RADIUS * 10
    assert np.abs(np.abs(np.linalg.det(chart.jacobian(u))) - chart.weight(u)).max() == 0.0


@pytest.mark.parametrize(("kind", "d"), CHARTS)
def test_volume_is_exact(kind, d):
    chart, rule = chart_of(kind, d), gauss_rule(32)
    nodes, weights = (rule.nodes + 1) / 2, rule.weights
    if d == 1:
        # both sides of the centre: the shell is smooth on each
        nodes, weights = np.concatenate([nodes / 2, (1 + nodes) / 2]), np.tile(weights / 2, 2)
    mesh = np.stack(np.meshgrid(*[nodes] * d, indexing="ij"), -1).reshape(-1, d)
    for _ in range(d - 1):
        weights = np.multiply.outer(weights, rule.weights)
    found = float(weights.ravel() @ chart.weight(mesh))
    ball = {1: 2.0, 2: math.pi, 3: 4 * math.pi / 3}[d] * RADIUS**d
    sides = np.abs(np.linalg.det(TRIANGLE[1:] - TRIANGLE[0]))
    expected = {"ball": ball, "shell": ball * (10.0**d - 1), "triangle": 0.5 * sides}[kind]
    # thirty-two Gauss nodes leave rounding of analytic weights
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("d", [2, 3])
def test_faces_of_the_cube_are_the_sphere(d):
    u = np.random.default_rng(4).random((100, d))
    u[:50, 0], u[50:, d - 1] = 1.0, 0.0
    assert np.abs(np.linalg.norm(BallChart(RADIUS, d).to_k(u), axis=1) - RADIUS).max() < 1e-14 * RADIUS


def test_cells_at_the_centre_keep_their_shape():
    """The number of cells grows with the logarithm of a tiny mass, not with its inverse."""
    counts = []
    for mass in (1e-2, 1e-3, 1e-4, 1e-5):
        model = bf.zoo.massive_dirac(mass=mass, cutoff=1.0)
        sigma = bf.response.anomalous_hall(model, 0.0, 0.0, tolerance=bf.Tolerance(rtol=1e-4))
        exact = -(1 - mass / math.hypot(mass, 1.0)) / (4 * math.pi)
        assert sigma.value.values[0, 0, 0, 1] == pytest.approx(exact, rel=1e-4)  # the tolerance asked for
        counts.append(sigma.attrs["evaluations"])
    assert counts[-1] < 3 * counts[0]


class SquaredLorentzian(NumberSea):
    """2 pi l d/(1 + (l kx)^2 + (d ky)^2)^2, filled everywhere."""

    lengths: tuple[float, float] = eqx.field(static=True, default=(1.0, 1.0))

    @property
    def needs_k(self):
        return True

    def bound(self, num_bands):
        return None

    def __call__(self, matrices):
        x, y = self.lengths[0] * matrices.k[:, 0], self.lengths[1] * matrices.k[:, 1]
        values = 2 * np.pi * self.lengths[0] * self.lengths[1] / (1 + x**2 + y**2) ** 2
        return matrices.hamiltonian[..., 0].real, values[:, None, None]


@pytest.mark.parametrize("lengths", [(1.0, 1.0), (0.3, 2.0), (5.0, 0.7)])
def test_plane_integral_of_a_squared_lorentzian(lengths):
    """Int d^2k/(2 pi)^2 of it is 1/2 for any lengths: within a cutoff plus the reported tail."""
    model = bf.ContinuumModel(lambda k: jnp.zeros((1, 1)) + 0 * k[0], 2, cutoff=3.0)
    integral = average_over_zone(
        model,
        SquaredLorentzian(lengths),
        np.ones(1),
        np.zeros(1),
        options=ZoneOptions(symmetry=False),
        required=Required(bf.Tolerance(rtol=1e-8)),
        execution=bf.Execution(workers=1, progress=False),
    )
    total = (integral.value + integral.cutoff_tail).item() / (2 * np.pi) ** 2
    # the tail ends four decades beyond the cutoff, where 1e-9 is left; one rule on half decades and eighths of the
    # circle misses 2e-5 of the narrow one
    assert total == pytest.approx(0.5, abs=5e-5)
