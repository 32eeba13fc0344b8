"""Disorder at its limits: carriers in the tails of a gap, carriers without scattering, false correlations."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit

import blochflow as bf
from blochflow.core.backend import jnp

sys.path.insert(0, str(Path(__file__).parents[1]))
from disorder_models import dirac

C = bf.response.disordered_conductivity
MASS, STRENGTH = 0.3, 0.1


def drude_of_cone(energy: float) -> float:
    """4 pi e^2 (e^2 - m^2)/(2 pi)^2 /(W (e^2 + 3 m^2)), the transport lifetime of the massive cone; Sinitsyn (2007)."""
    depth = energy**2 - MASS**2
    return max(depth, 0.0) / (STRENGTH * np.pi * (energy**2 + 3 * MASS**2))


def averaged(mu: float, kt: float) -> float:
    """Over -f', from the edges on."""

    def weighed(e: float) -> float:
        return float(drude_of_cone(e) * expit((e - mu) / kt) * expit((mu - e) / kt) / kt)

    upper = quad(weighed, MASS, MASS + 60 * kt + abs(mu), epsabs=0, epsrel=1e-10, limit=400)[0]
    lower = quad(weighed, -MASS - 60 * kt - abs(mu), -MASS, epsabs=0, epsrel=1e-10, limit=400)[0]
    return upper + lower


def test_the_closed_form_is_that_of_the_surface() -> None:
    sigma = C(dirac(), 1.0, 0.0, disorder=bf.Disorder.white(STRENGTH), points=64)
    assert sigma.drude.sel(a="x", b="x").item() == pytest.approx(drude_of_cone(1.0), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("mu", "kt"), [(0.0, 0.0135), (0.0, 0.005), (0.1, 0.05), (-0.1, 0.05)])
def test_carriers_in_the_tails_of_a_gap(mu: float, kt: float) -> None:
    """22 to 60 k_B T from the edges, and where a panel of the integral ends at an edge up to rounding."""
    sigma = C(dirac(), mu, kt, disorder=bf.Disorder.white(STRENGTH), throw=False)
    value, error = sigma.drude.sel(a="x", b="x").item(), sigma.drude_error.sel(a="x", b="x").item()
    assert abs(value - averaged(mu, kt)) <= error < 2e-3 * abs(value)
    assert sigma.attrs["note"] == ""


def two_masses(k):
    return jnp.diag(jnp.array([1.0, 1.2])) * (k @ k) / 2 + 0j * jnp.eye(2)


UNSCATTERED = {
    "no correlation at all": (dirac, bf.Disorder(lambda q: 0.0 * q[..., 0])),
    "one of two bands": (
        lambda: bf.ContinuumModel(
            lambda k: jnp.diag(jnp.array([1.0, 1.2])) * (k @ k) / 2 + 0j * jnp.eye(2), 2, cutoff=4.0
        ),
        bf.Disorder.white(STRENGTH, vertices=[np.diag([1.0, 0.0])]),
    ),
}


@pytest.mark.parametrize("name", UNSCATTERED)
def test_carriers_that_nothing_scatters_are_refused(name: str) -> None:
    build, disorder = UNSCATTERED[name]
    with pytest.raises(ValueError, match="`disorder` must scatter all carriers.*alone"):
        C(build(), 1.0, 0.0, disorder=disorder, points=32)


def test_a_correlation_that_is_negative_between_points_of_the_surface_is_refused() -> None:
    """Negative in a ring of q that random q in the cutoff need not meet."""

    def ring(q):
        size = jnp.sqrt((q**2).sum(-1))
        return 0.1 * (1 - 1.2 * jnp.exp(-(((size - 0.8) / 0.1) ** 2)))

    with pytest.raises(ValueError, match="must be positive semidefinite"):
        C(dirac(cutoff=20.0), 1.0, 0.0, disorder=bf.Disorder(ring), points=64)


def test_an_intrinsic_part_that_vanishes_does_not_spoil_the_others() -> None:
    """Two cones of opposite mass in a hidden basis: no curvature at any k, and none is detected by symmetry."""
    blocks = [
        jnp.array(np.kron(a, b))
        for a, b in (
            (np.diag([1.0, -1.0]), [[1, 0], [0, -1]]),
            (np.eye(2), [[0, 1], [1, 0]]),
            (np.eye(2), [[0, -1j], [1j, 0]]),
        )
    ]
    rng = np.random.default_rng(0)
    turn = jnp.array(np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0])

    def hamiltonian(k):
        h = 0.3 * blocks[0] - k[1] * blocks[1] + k[0] * blocks[2] + 0.2 * k[0] * jnp.eye(4)
        return turn @ h @ turn.conj().T

    sigma = bf.response.anomalous_hall(bf.ContinuumModel(hamiltonian, 2, cutoff=4.0), 1.0, 0.0)
    assert np.abs(sigma.value.values).max() <= sigma.error.values.max() < 1e-12
