"""Gaps at mu far smaller than the spacing of points, in metals of many bands: rule "local" must not claim."""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.execution.threads import Execution
from blochflow.geometry.near_touching import NearTouching, ellipse, newton_step
from blochflow.response.integrands import BerrySea
from blochflow.response.local_average import LocalRule, local_average, with_hidden
from blochflow.response.local_work import BlockSum
from blochflow.response.occupation import make_occupation
from blochflow.response.weighed import Weighed
from blochflow.zone.tolerance import Required

PLAIN, NOISE = np.array([1.0, 1.1, 0.9, 1.05]), np.array([3.0, -2.0, 1.0, -4.0])
SX, SY, SZ = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1.0, -1.0])


def stacked(gap, seed=0, *, dispersion=0.0, tilt=0, flat=0):
    """Layers with Chern number 1 and a gap at a random k, a chain crossing mu = 0, flat bands above; orbitals mixed.

    ``dispersion`` moves the gap in energy along kz, ``tilt`` its position.
    """
    rng = np.random.default_rng(seed)
    size = 3 + flat
    raw = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    mixed = np.linalg.qr(raw)[0]
    phase = np.exp(-1j * rng.uniform(0, 2 * np.pi, 2))
    blocks = {(0, 0, 0): np.zeros((size, size), complex)}
    blocks[0, 0, 0][:2, :2] = -(2 - gap / 2) * SZ
    blocks[0, 0, 0][range(3, size), range(3, size)] = 5 + np.arange(flat)
    for cell, hop in (((1, 0, tilt), phase[0] * (SZ - 1j * SX) / 2), ((0, 1, 0), phase[1] * (SZ - 1j * SY) / 2)):
        for sign, block in ((1, hop), (-1, hop.conj().T)):
            key = tuple(sign * n for n in cell)
            blocks[key] = np.zeros((size, size), complex)
            blocks[key][:2, :2] = block
    for sign in (1, -1):
        blocks[0, 0, sign] = np.zeros((size, size), complex)
        blocks[0, 0, sign][range(3), range(3)] = 0.5 * dispersion, 0.5 * dispersion, 0.3
    cells = sorted(blocks)
    rotated = np.array([mixed.conj().T @ blocks[cell] @ mixed for cell in cells])
    return bf.TightBinding.from_blocks(np.eye(3), np.zeros((size, 3)), np.array(cells), rotated)


def integrated(model, rule, *, kt=0.0, seed=0, shifts=4):
    """Mean Chern numbers of planes, their errors, what was added for hidden gaps, and whether that is converged."""
    occupation, _ = make_occupation(np.zeros(1), np.array([kt]))
    result, _ = local_average(
        model,
        Weighed(BerrySea.of_dimension(3), occupation),
        occupation,
        required=Required(bf.Tolerance(rtol=0.1, max_evaluations=1)),
        execution=Execution(workers=1, progress=False),
        rule=rule,
        seed=seed,
        shifts=shifts,
    )
    integral = result.integral
    number = [2 * np.pi * x[0] for x in (integral.value, integral.error, result.systematic)]
    return *number, bool(integral.converged[0])


@pytest.mark.parametrize("mass", [1e-1, 1e-5])
def test_half_a_turn_over_the_ellipse_of_a_cone(mass):
    """Int d^2k m/2 (k^2 + m^2)^(-3/2) = pi (1 - m/sqrt(R^2 + m^2)) for |k| < R, with unequal speeds."""
    speed = np.array([[3.0, 0.5, 0.0]])
    found = NearTouching(jnp.full((1, 3), 0.4), jnp.array([2 * mass]), jnp.asarray(speed), jnp.eye(3)[None])
    points, weights = ellipse(found, jnp.array([0.3]), 0.0)
    d = speed[0] * (np.asarray(points[0]) - 0.4)
    curvature = 3.0 * 0.5 * mass / 2 * ((d**2).sum(axis=1) + mass**2) ** -1.5
    flux = float(np.asarray(weights[0]) @ curvature)
    assert flux == pytest.approx(np.pi * (1 - mass / np.hypot(mass, 0.3)), rel=0.05)


def test_newton_steps_lead_across_the_line_of_small_gaps():
    at = np.array([0.1, -0.05, 0.2])
    vectors = np.array([[2.0, 0, 0], [0, 1.0, 0], [0, 0, 1e-3]])
    d = vectors @ at + np.array([0, 0, 1e-4])
    # in the basis of its own states d points down
    axis = -d / np.linalg.norm(d)
    other = np.linalg.svd(axis[None])[2][1:]
    turned = np.stack([*other, axis]) @ vectors
    step = newton_step(jnp.array([2 * np.linalg.norm(d)]), jnp.asarray(turned)[None])[0]
    np.testing.assert_allclose(np.asarray(step), [-0.1, 0.05, 0], atol=1e-3)


def test_what_a_missed_gap_hides_is_added():
    rule = LocalRule((6, 6, 3), sizes=(3,), box_depth=0)
    value, error, doubt, converged = integrated(stacked(1e-4), rule)
    assert not converged
    # without it half an integer; on cells as coarse as these the other half is right to a third
    assert abs(abs(value[2]) - 1) <= min(0.2, error[2])
    assert 0.2 < doubt[2] < 0.4
    _, _, doubt, _ = integrated(stacked(1.0), rule)
    assert doubt[2] < 1e-2


def test_what_scatters_is_left_to_the_bar():
    """Hidden parts of changing sign are no better known than what the samples see; those alike in all are doubted."""
    shape, none = (1, 1), np.zeros((1, 1))
    scattered = [
        BlockSum(np.full(shape, x), none, none, none, np.full(shape, y)) for x, y in zip(PLAIN, NOISE, strict=True)
    ]
    values, doubt = with_hidden(scattered, 0.99)
    np.testing.assert_array_equal(values[:, 0, 0], PLAIN)
    assert doubt[0, 0] == 0
    alike = [BlockSum(np.full(shape, x), none, none, none, np.full(shape, 5.0)) for x in PLAIN]
    values, doubt = with_hidden(alike, 0.99)
    np.testing.assert_array_equal(values[:, 0, 0], PLAIN + 5.0)
    assert doubt[0, 0] == 2.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("gap", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("options", [{}, {"tilt": 1}, {"dispersion": 0.02}])
def test_errors_hold_for_gaps_of_any_size(options, gap, seed):
    model = stacked(gap, seed, flat=7, **options)
    value, error, _, _ = integrated(model, LocalRule((8, 8, 4)), seed=seed)
    # the cone gives 1/2 in its gap, 1/2 gap/(2 |mu - E_0|) beside it
    centre = options.get("dispersion", 0.0) * np.cos(2 * np.pi * (np.arange(4096) + 0.5) / 4096)
    truth = 0.5 + 0.5 * np.minimum(1, 0.5 * gap / np.maximum(np.abs(centre), 1e-300)).mean()
    assert abs(abs(value[2]) - truth) <= error[2] + (0.02 if "dispersion" in options else 0.0)


@pytest.mark.slow
def test_warm_electrons_hardly_notice_tiny_gaps():
    """k_B T far above the gap fills both states of the cone alike: half an integer is right, and is claimed."""
    value, error, _, converged = integrated(stacked(1e-4, flat=7), LocalRule((8, 8, 4)), kt=0.02)
    assert converged
    assert abs(abs(value[2]) - 0.5) <= error[2] + 0.02
