"""Identities of wave packets of several bands: conservation, bases, limits of the theories, reversal, exactness."""

from __future__ import annotations

import equinox as eqx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import paraunitary, random_blocks, wannier_like
from scipy.linalg import expm

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.dynamics.equations import motion
from blochflow.dynamics.starts import Scale
from blochflow.models.fields import as_fields
from blochflow.nonadiabatic.states import Internal

SEEDS = st.integers(0, 2**32 - 1)
RUN = {"execution": bf.Execution(workers=1, progress=False), "estimate_error": False}
SCALE = Scale(jnp.asarray(1.0), jnp.asarray(1.0))


def amplitudes(seed, count, bands):
    rng = np.random.default_rng(seed)
    c = rng.normal(size=(count, bands)) + 1j * rng.normal(size=(count, bands))
    return c / np.linalg.norm(c, axis=1, keepdims=True)


RAW = np.random.default_rng(3).normal(size=(2, 5, 4, 4))
*PARTS, TURN = RAW[0] + 1j * RAW[1] + (RAW[0] - 1j * RAW[1]).swapaxes(1, 2)
ANGLES, AXES = np.linalg.eigh(TURN)


def driven(k, x, t, turn=0.0):
    """Four bands, two and two, that vary through matrices that do not commute; ``turn`` mixes orbitals."""
    far = jnp.diag(jnp.array([-2.0, -2.0, 2.0, 2.0])).astype(complex)
    h = far + 0.15 * PARTS[0] * jnp.cos(k[0]) + 0.15 * PARTS[1] * jnp.sin(k[1] + k[0])
    h = h + 0.1 * PARTS[2] * jnp.sin(0.2 * x[0] + 0.1 * t) + 0.1 * PARTS[3] * jnp.cos(0.15 * (x[0] - x[1]))
    frame = (AXES * jnp.exp(1j * turn * ANGLES)) @ AXES.conj().T
    return frame.conj().T @ h @ frame


DRIVEN = bf.LocalModel(driven, lattice=np.eye(2))
FIELDS = as_fields([0.03, -0.02], None, 2, DRIVEN.units)
THEORIES = (bf.Ehrenfest(), bf.Manifold((0, 1)), bf.Manifold((0, 1), gradient_energy=False))


@eqx.filter_jit
def flow_of(theory, model, state, t):
    return theory.rate(model, FIELDS, SCALE, jnp.asarray(0), t, state), theory.observe(
        model, FIELDS, SCALE, jnp.asarray(0), t, state
    )


def random_state(seed, group):
    """A packet in the driven model, its amplitudes in a group of bands or in all."""
    rng = np.random.default_rng(seed)
    x, k, t = rng.uniform(-5, 5, 2), rng.uniform(-3, 3, 2), float(rng.uniform(0, 9))
    states = np.linalg.eigh(np.asarray(DRIVEN.local_hamiltonian(*map(jnp.asarray, (k, x, t)))))[1]
    chi = states[:, : len(group)] @ amplitudes(seed, 1, len(group))[0]
    return Internal(*map(jnp.asarray, (x, k, chi, 0.0))), t


@settings(max_examples=4)
@given(seed=SEEDS)
def test_work_is_the_change_of_the_energy(seed):
    """d(energy)/dt along the flow, by a difference, against the power; the norm does not change."""
    for theory in THEORIES:
        packet, t = random_state(seed, (0, 1) if isinstance(theory, bf.Manifold) else range(4))
        state = packet.flat(SCALE)
        rate, seen = flow_of(theory, DRIVEN, state, jnp.asarray(t))
        chi, change = np.asarray(packet.amplitudes), np.asarray(Internal.of(rate, 2, SCALE).amplitudes)
        assert abs(np.vdot(chi, change).real) < 1e-13
        step = 1e-4
        energies = [
            float(flow_of(theory, DRIVEN, state + s * step * rate, jnp.asarray(t + s * step))[1].motion.energy)
            for s in (-2, -1, 1, 2)
        ]
        slope = (energies[0] - 8 * energies[1] + 8 * energies[2] - energies[3]) / (12 * step)
        # of fourth order with a step of 1e-4: rounding 1e-15/1e-4
        assert slope == pytest.approx(float(seen.motion.power), abs=1e-9)


@settings(max_examples=4)
@given(seed=SEEDS)
def test_orbitals_may_be_mixed(seed):
    """A constant unitary change of basis of the orbitals changes amplitudes and nothing else."""
    turned = DRIVEN.replace(turn=0.37)
    frame = expm(0.37j * TURN)
    for theory in THEORIES:
        packet, t = random_state(seed, (0, 1) if isinstance(theory, bf.Manifold) else range(4))
        moved = Internal(packet.position, packet.wavevector, frame.conj().T @ packet.amplitudes, packet.work)
        here = flow_of(theory, DRIVEN, packet.flat(SCALE), jnp.asarray(t))[1].motion
        there = flow_of(theory, turned, moved.flat(SCALE), jnp.asarray(t))[1].motion
        for name in ("velocity", "force", "power", "energy", "density", "adiabaticity"):
            np.testing.assert_allclose(getattr(there, name), getattr(here, name), atol=1e-12)


def test_one_band_is_the_adiabatic_theory():
    """Velocity, force, power, D and adiabaticity of one band, in a texture, a drive and a field."""
    packet, t = random_state(11, range(4))
    chi = np.linalg.eigh(np.asarray(DRIVEN.local_hamiltonian(packet.wavevector, packet.position, jnp.asarray(t))))[1]
    for gradient_energy in (True, False):
        adiabatic = bf.Adiabatic(gradient_energy=gradient_energy)
        for band in (0, 2):
            one = Internal(packet.position, packet.wavevector, jnp.asarray(chi[:, band]), packet.work)
            theory = bf.Manifold((band,), gradient_energy=gradient_energy)
            found = flow_of(theory, DRIVEN, one.flat(SCALE), jnp.asarray(t))[1].motion
            where = (jnp.asarray(band), one.wavevector, one.position, jnp.asarray(t), FIELDS, adiabatic)
            known = eqx.filter_jit(motion)(DRIVEN, *where)
            for name in ("velocity", "force", "power", "energy", "density", "gap", "adiabaticity"):
                np.testing.assert_allclose(getattr(found, name), getattr(known, name), atol=1e-11, err_msg=name)


def test_all_bands_are_the_ehrenfest_theory():
    packet, t = random_state(5, range(4))
    state = packet.flat(SCALE)
    one, two = (flow_of(theory, DRIVEN, state, jnp.asarray(t)) for theory in (bf.Ehrenfest(), bf.Manifold(range(4))))
    np.testing.assert_allclose(one[0], two[0], atol=1e-12)
    assert np.isinf(two[1].motion.gap) and float(two[1].extra["splitting"]) == 0


@pytest.mark.filterwarnings("ignore::blochflow.ValidityWarning")  # bands of random crystals are not far apart
@pytest.mark.slow
@pytest.mark.parametrize(("bands", "dimension"), [(4, 2), (3, 3)])
def test_the_way_back_leads_to_the_start(bands, dimension):
    """Random crystals with orbitals anywhere, all bands and a group of them; norm and energy on the way."""
    blocks = random_blocks(7, bands, dimension)
    model = blocks.model()
    rng = np.random.default_rng(2)
    field = {"electric_field": 0.1 * rng.normal(size=dimension), **RUN}
    packet = bf.WavePacket(
        rng.normal(size=(3, dimension)), rng.normal(size=(3, dimension)), amplitudes=amplitudes(1, 3, bands)
    )
    # all but the highest band, which random hoppings keep apart at these places
    for theory, start in ((bf.Ehrenfest(), packet), (bf.Manifold(range(bands - 1)), None)):
        first = bf.nonadiabatic.projected(model, packet, range(bands - 1)) if start is None else start
        there = bf.propagate(model, first, [0.0, 5.0], theory=theory, throw=False, **field)
        good = there.status.values == "COMPLETE"
        assert good.any() and there.norm_drift.values[good].max() < 1e-8
        assert there.energy_drift.values[good].max() < 1e-7
        end = there.isel(packet=good, time=-1)
        chi = end.amplitudes_re.values + 1j * end.amplitudes_im.values
        last = bf.WavePacket(end.position.values, end.wavevector.values, amplitudes=chi)
        last = last if start is not None else bf.nonadiabatic.projected(model, last, range(bands - 1))
        back = bf.propagate(model, last, [5.0, 0.0], theory=theory, throw=False, **field)
        # steps of 1e-9 each, some dozens of them, which the flow may stretch
        np.testing.assert_allclose(back.position.values[:, -1], first.position[good], atol=1e-5)
        overlap = back.amplitudes_re.values[:, -1] + 1j * back.amplitudes_im.values[:, -1]
        np.testing.assert_allclose(
            np.abs(np.sum(overlap.conj() * first.amplitudes[good], axis=1)), np.ones(good.sum()), atol=1e-8
        )


@pytest.mark.slow
def test_populations_follow_the_schroedinger_equation_in_a_uniform_field():
    """Eight bands: amplitudes by products of exponentials of H at k - eEt, positions by the quadrature of <d_k H>."""
    blocks = random_blocks(3, 8, 1)
    model, field, time, steps = blocks.model(), 0.2, 6.0, 6000
    chi = amplitudes(4, 1, 8)[0]
    run = bf.propagate(
        model,
        bf.WavePacket([0.0], [0.3], amplitudes=chi),
        [0.0, time],
        electric_field=[field],
        theory="ehrenfest",
        **RUN,
    )
    k = 0.3 - field * time * (np.arange(steps) + 0.5) / steps
    h = blocks.hamiltonian(k[:, None])
    slope = (blocks.hamiltonian(k[:, None] + 1e-5) - blocks.hamiltonian(k[:, None] - 1e-5)) / 2e-5
    x = 0.0
    for matrix, v in zip(h, slope, strict=True):
        energies, states = np.linalg.eigh(matrix)
        half = states * np.exp(-0.5j * energies * time / steps) @ states.conj().T
        chi = half @ chi
        x += np.vdot(chi, v @ chi).real * time / steps
        chi = half @ chi
    states = np.linalg.eigh(blocks.hamiltonian(np.array([[0.3 - field * time]])))[1][0]
    # midpoint rules with 6000 steps: errors of 1e-7
    np.testing.assert_allclose(run.populations.values[0, -1], np.abs(states.conj().T @ chi) ** 2, atol=2e-6)
    assert run.position.values[0, -1, 0] == pytest.approx(x, abs=1e-5)


@pytest.mark.filterwarnings("ignore::blochflow.ValidityWarning")
@pytest.mark.slow
@pytest.mark.parametrize("theory", ["ehrenfest", "manifold"])
def test_position_matrices_change_the_basis_and_nothing_else(theory):
    """A crystal in orbitals and in Wannier functions that are k-dependent superpositions of them."""
    rng = np.random.default_rng(6)
    blocks = random_blocks(5, 3, 1)
    basis = paraunitary(rng, 3, 1)
    other = wannier_like(blocks, basis)
    model, k = blocks.model(), np.array([0.4])
    options = {"electric_field": [0.15], **RUN}
    w = sum(value * np.exp(1j * k @ (np.array(r) @ blocks.lattice)) for r, value in basis.items())
    # states of H(k) = sum over orbitals with their positions in the phases
    phases = np.exp(1j * blocks.orbitals @ k)
    centres = np.exp(1j * np.asarray(other.orbitals) @ k)
    chosen = bf.Ehrenfest() if theory == "ehrenfest" else bf.Manifold((0, 1))
    chi = (
        np.linalg.eigh(blocks.hamiltonian(k[None])[0])[1][:, : 2 if theory == "manifold" else 3]
        @ (amplitudes(9, 1, 2 if theory == "manifold" else 3)[0])
    )
    turned = (w.conj().T @ (phases * chi)) / centres
    runs = [
        bf.propagate(m, bf.WavePacket([0.0], k, amplitudes=c), [0.0, 4.0], theory=chosen, **options)
        for m, c in ((model, chi), (other, turned))
    ]
    np.testing.assert_allclose(runs[0].populations, runs[1].populations, atol=1e-8)
    # packets begin at the same x, which is that of |psi|^2 in both: i d_k + A does not depend on the basis
    np.testing.assert_allclose(runs[0].position, runs[1].position, atol=1e-7)


@pytest.mark.slow
def test_a_dressed_packet_moves_without_zitterbewegung():
    """The velocity of a dressed packet wiggles less, by one order of the field."""
    model, times = bf.zoo.qwz(mass=-1.2), np.linspace(0.0, 20.0, 401)
    wiggles = []
    for field in (0.02, 0.01):
        for theory in (bf.Ehrenfest(), bf.Ehrenfest(dressed=True)):
            packet = bf.WavePacket([0.0, 0.0], [0.4, 0.9])
            run = bf.propagate(model, packet, times, electric_field=[field, 0.0], theory=theory, **RUN)
            across = run.velocity.values[0, :, 1]
            smooth = np.polynomial.Polynomial.fit(times, across, 8)(times)
            wiggles.append(np.abs(across - smooth).max())
    bare, dressed, bare_half, dressed_half = wiggles
    assert bare / bare_half == pytest.approx(2, rel=0.1) and dressed / dressed_half == pytest.approx(4, rel=0.2)
    assert dressed < bare / 10


@pytest.mark.slow
def test_the_adiabatic_limit_is_reached_with_the_field():
    """Ehrenfest minus adiabatic displacement over the same change of k falls like the field."""
    model, errors = bf.zoo.qwz(mass=-1.2), []
    for field in (0.04, 0.02):
        packet, options = bf.WavePacket([0.0, 0.0], [0.4, 0.9]), {"electric_field": [field, 0.0], **RUN}
        ends = [
            bf.propagate(model, packet, [0.0, 1.0 / field], theory=theory, **options).position.values[0, -1]
            for theory in ("adiabatic", bf.Ehrenfest(dressed=True))
        ]
        errors.append(np.linalg.norm(ends[0] - ends[1]))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.15)
