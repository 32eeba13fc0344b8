"""Identities of trajectories on random crystals: energy, Liouville's theorem, reversal, origin of the orbitals."""

from __future__ import annotations

import equinox as eqx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import random_blocks

import blochflow as bf
from blochflow.core.backend import jax, jnp
from blochflow.dynamics.equations import Adiabatic, motion
from blochflow.models.fields import as_fields

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=4)
RUN = {"execution": bf.Execution(workers=1, progress=False), "throw": False}


def twisted(model):
    """A texture and drive of a model through a matrix that does not commute with it."""
    base = model

    def hamiltonian(k, x, t):
        here = base.matrices(k[None]).hamiltonian[0]
        n = here.shape[0]
        first = jnp.diag(jnp.linspace(-1.0, 1.0, n)).astype(complex)
        second = jnp.roll(jnp.eye(n), 1, axis=0) * 1j
        second = second + second.conj().T
        wave = 0.3 * jnp.cos(0.21 * x.sum() + 0.1 * t)
        return here + wave * first + 0.2 * jnp.sin(0.17 * x[0] - 0.07 * t) * second

    return bf.LocalModel(hamiltonian, dimension=model.dimension, cutoff=50.0)


# one model for all examples, so that what is compiled for the first serves the others
TWISTED = twisted(bf.zoo.qwz())


compiled_motion = eqx.filter_jit(motion)


@eqx.filter_jit
def slopes_of_the_flow(point, fields):
    def flow(point):
        now = motion(TWISTED, jnp.array(0), point[2:4], point[:2], point[4], fields, Adiabatic())
        return now.density * jnp.concatenate([now.velocity, now.force, jnp.ones(1)])

    return jax.jacfwd(flow)(point)


@FEW
@given(seed=SEEDS)
def test_liouville(seed):
    """d_t D + d_x.(D xdot) + d_k.(D kdot) = 0 in a texture, a drive, E and B at once."""
    rng = np.random.default_rng(seed)
    fields = as_fields(rng.uniform(-0.1, 0.1, 2), 0.2, 2, TWISTED.units)
    slopes = np.asarray(slopes_of_the_flow(jnp.asarray(rng.uniform(-2.0, 2.0, 5)), fields))
    # exact derivatives: what is left is rounding of terms of the size of the largest slope
    assert abs(np.trace(slopes)) < 1e-9 * max(1.0, np.abs(slopes).max())


@FEW
@given(seed=SEEDS)
def test_energy_and_reversal(seed):
    """Energy changes by the work done; the way back leads to the start."""
    rng = np.random.default_rng(seed)
    model = TWISTED
    fields = {"electric_field": rng.uniform(-0.05, 0.05, 2), "magnetic_field": 0.05}
    packet = bf.WavePacket(rng.uniform(-3, 3, (4, 2)), rng.uniform(-3, 3, (4, 2)))
    there = bf.propagate(model, packet, [0.0, 6.0], **fields, **RUN)
    good = there.status.values == "COMPLETE"
    end = bf.WavePacket(there.position.values[good, -1], there.wavevector.values[good, -1])
    back = bf.propagate(model, end, [6.0, 0.0], **fields, **RUN)
    # steps of 1e-9 each, some dozens of them, which the flow may stretch a hundredfold
    assert there.energy_drift.values[good].max() < 1e-7
    np.testing.assert_allclose(back.position.values[:, -1], packet.position[good], atol=1e-5)
    np.testing.assert_allclose(back.wavevector.values[:, -1], packet.wavevector[good], atol=1e-5)


def test_trajectories_do_not_depend_on_the_basis_or_the_origin():
    """Orbitals mixed by a unitary matrix, and all moved together, in E and B; moved apart they would feel another E."""
    model, shift = bf.zoo.qwz(mass=-1.2), jnp.array([0.21, 0.13])
    rng = np.random.default_rng(5)
    mixing = jnp.asarray(np.linalg.qr(rng.normal(size=(2, 2)) + 1j * rng.normal(size=(2, 2)))[0])

    def moved(k):
        phase = jnp.exp(1j * (k @ shift))
        return mixing.conj().T @ (jnp.conj(phase) * model.matrices(k[None]).hamiltonian[0] * phase) @ mixing

    other = bf.LatticeModel(moved, np.eye(2), orbitals=[[0.21, 0.13]] * 2)
    fields = {"electric_field": [0.05, 0.02], "magnetic_field": 0.1}
    packet = bf.WavePacket([0.0, 0.0], [0.1, 0.4])
    one, two = (bf.propagate(m, packet, [0.0, 40.0], **fields, **RUN) for m in (model, other))
    # both are integrated to 1e-9 a step
    np.testing.assert_allclose(one.position, two.position, atol=1e-6)


def test_a_filled_band_carries_the_hall_current_of_its_chern_number():
    model, field = bf.zoo.haldane(), 0.02
    k = bf.k_grid(model, (24, 24))
    run = bf.propagate(
        model, bf.WavePacket(np.zeros((len(k), 2)), np.asarray(k)), [0.0, 1.0], electric_field=[field, 0.0], **RUN
    )
    current = -run.velocity.values[:, 0].mean(axis=0) / float(model.lattice.volume)
    hall = bf.response.anomalous_hall(model, 0.0, 0.0).value.sel(a="y", b="x").item()
    # 24^2 points integrate the curvature of this gap to 1e-7 of a quantum
    np.testing.assert_allclose(current, [0.0, hall * field], atol=1e-8)


@pytest.mark.parametrize("band", [0, 1, 2])
def test_three_bands_in_three_dimensions(band):
    """Velocity and force solve the equations written out, with curvature and moment from the geometry of the bands."""
    model = random_blocks(7, 3, 3).model()
    k, electric, magnetic = np.array([0.3, -0.5, 0.8]), np.array([0.1, -0.2, 0.05]), np.array([0.02, 0.03, -0.01])
    fields = as_fields(electric, magnetic, 3, model.units)
    now = compiled_motion(model, jnp.array(band), jnp.asarray(k), jnp.zeros(3), jnp.zeros(()), fields, Adiabatic())
    step = 1e-4

    def energy(q):
        bands = bf.bands(model, q)
        moment = bf.geometry.to_axial(bf.geometry.orbital_moment(bands)[..., band])
        return np.asarray(bands.energies[:, band]) - np.asarray(moment) @ magnetic

    shifts = np.concatenate([n * step * np.eye(3) for n in (-2, -1, 1, 2)])
    e = energy(k + shifts).reshape(4, 3)
    v = (e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * step)
    omega = np.asarray(bf.geometry.to_axial(bf.geometry.berry_curvature(bf.bands(model, [k]))[..., band]))[0]
    x_dot, k_dot = np.asarray(now.velocity), np.asarray(now.force)
    # differences of fourth order with a step of 1e-4: rounding 1e-16/1e-4
    np.testing.assert_allclose(x_dot, v - np.cross(k_dot, omega), atol=1e-9)
    np.testing.assert_allclose(k_dot, -electric - np.cross(x_dot, magnetic), atol=1e-12)
    assert float(now.density) == pytest.approx(1 + magnetic @ omega, abs=1e-12)
