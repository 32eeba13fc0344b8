"""Second routes: velocities, masses and geometry against finite differences of an independent NumPy H(k)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from random_models import Blocks, random_blocks, random_k, seeds, shapes, smallest_gap

import blochflow as bf

geometry = bf.geometry
profile = settings(deadline=None, max_examples=20, derandomize=True)
# Errors of the differences grow with powers of velocity/gap; a gap of 0.3 and velocities of order 2 bound them.
GAP = 0.3


def solved(seed: int, shape: tuple[int, int]) -> tuple[Blocks, np.ndarray, bf.Bands]:
    source, k = random_blocks(seed, *shape), random_k(seed, shape[1])
    assume(smallest_gap(source.states(k)[0]) > GAP)
    return source, k, bf.bands(source.model(), k)


def first(function, k, a, step=2e-3):
    """Fourth-order central difference along Cartesian axis a."""
    e = step * np.eye(k.shape[1])[a]
    return (8 * (function(k + e) - function(k - e)) - (function(k + 2 * e) - function(k - 2 * e))) / (12 * step)


@profile
@given(seeds, shapes)
def test_velocity_is_the_slope_of_the_energy(seed, shape):
    source, k, bands = solved(seed, shape)
    velocity = np.diagonal(np.asarray(bands.velocity), axis1=-2, axis2=-1).real
    for a in range(shape[1]):
        slope = first(lambda q: source.states(q)[0], k, a)
        # step^4 = 2e-11 times fifth derivatives, at most a few (velocity/gap)^4 ~ 2e3 here
        assert np.abs(velocity[:, a] - slope).max() < 1e-6 * (1 + np.abs(slope).max())


@profile
@given(seeds, shapes)
def test_band_mass_is_the_curvature_of_the_energy(seed, shape):
    source, k, bands = solved(seed, shape)
    mass = np.asarray(geometry.inverse_mass(bands))
    for a in range(shape[1]):
        for b in range(shape[1]):
            bend = first(lambda q, b=b: first(lambda p: source.states(p)[0], q, b), k, a)
            # as above with one more derivative; rounding 1e-15/step^2 = 3e-10
            assert np.abs(mass[:, a, b] - bend).max() < 1e-5 * (1 + np.abs(bend).max())


@profile
@given(seeds, shapes)
def test_instantaneous_mass_is_the_expectation_of_the_hessian(seed, shape):
    source, k, bands = solved(seed, shape)
    mass = np.asarray(geometry.inverse_mass(bands, kind="instantaneous"))
    states = source.states(k)[1]
    for a in range(shape[1]):
        for b in range(shape[1]):
            hessian = first(lambda q, b=b: first(source.hamiltonian, q, b), k, a)
            expected = np.einsum("kin,kij,kjn->kn", states.conj(), hessian, states).real
            # H itself is smooth: derivatives of order |R|^6 ~ 1e2, so 1e-9, and rounding 1e-15/step^2 = 3e-10
            assert np.abs(mass[:, a, b] - expected).max() < 1e-7 * (1 + np.abs(expected).max())
    # difference of the two masses: 2 sum_m (E_m - E_n) Re(A A)
    connection, energies = np.asarray(geometry.berry_connection(bands)), np.asarray(bands.energies)
    gap = energies[:, None, :] - energies[:, :, None]
    sum_rule = 2 * np.einsum("knm,kanm,kbmn->kabn", gap, connection, connection).real
    difference = mass - np.asarray(geometry.inverse_mass(bands))
    assert np.abs(difference - sum_rule).max() < 1e-10 * (1 + np.abs(sum_rule).max())  # rounding/gap^2


@profile
@given(seeds, shapes)
def test_geometry_from_covariant_derivatives_of_states(seed, shape):
    # D_a u = (1 - P) d_a u by a difference of states normalised to <u(k)|u(q)> = 1 (gauge free, no pair sum).
    source, k, bands = solved(seed, shape)
    energies, states = source.states(k)
    hamiltonian = source.hamiltonian(k)
    step = 1e-4

    def parallel(q):
        other = source.states(q)[1]
        return other / np.einsum("kin,kin->kn", states.conj(), other)[:, None]

    slopes = [(parallel(k + step * e) - parallel(k - step * e)) / (2 * step) for e in np.eye(shape[1])]
    du = np.stack(slopes, axis=1)
    shifted = hamiltonian[:, :, :, None] - energies[:, None, None, :] * np.eye(shape[0])[None, :, :, None]
    tensor = np.einsum("kain,kbin->kabn", du.conj(), du)
    moment = np.einsum("kain,kijn,kbjn->kabn", du.conj(), shifted, du).imag
    resolvent = np.stack([np.linalg.pinv(shifted[..., n], rcond=1e-8) for n in range(shape[0])], axis=-1)
    normalised = 2 * np.einsum("kain,kijn,kbjn->kabn", du.conj(), resolvent, du).real
    pairs = (
        (geometry.quantum_geometric_tensor, tensor),
        (geometry.quantum_metric, tensor.real),
        (geometry.berry_curvature, -2 * tensor.imag),
        (geometry.orbital_moment, moment),
        (geometry.band_normalised_metric, normalised),
    )
    for quantity, expected in pairs:
        # step^2 = 1e-8 times (velocity/gap)^4 at most 2e3, relative to the value
        assert np.abs(np.asarray(quantity(bands)) - expected).max() < 2e-4 * (1 + np.abs(expected).max())


@profile
@given(seeds)
def test_curvature_is_the_flux_of_a_small_square(seed):
    source, k, bands = solved(seed, (4, 2))
    side = 1e-3
    corners = [k + side * np.array(c) for c in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
    states = [source.states(q)[1] for q in corners]
    loop = np.ones((len(k), 4), dtype=complex)
    for here, there in zip(states, states[1:] + states[:1], strict=True):
        loop = loop * np.einsum("kin,kin->kn", here.conj(), there)
    flux = -np.angle(loop) / side**2
    omega = np.asarray(geometry.berry_curvature(bands))[:, 0, 1]
    # side^2 = 1e-6 times second derivatives over the value (velocity/gap)^2 ~ 50, and rounding 1e-16/side^2 = 1e-10
    assert np.abs(flux - omega).max() < 1e-3 * (1 + np.abs(omega).max())


@profile
@given(seeds, shapes)
def test_metric_is_the_loss_of_overlap(seed, shape):
    source, k, bands = solved(seed, shape)
    direction = np.random.default_rng(seed).normal(size=shape[1])
    direction *= 2e-3 / np.linalg.norm(direction)
    states = source.states(k)[1]
    loss = 0.0
    for sign in (1, -1):
        other = source.states(k + sign * direction)[1]
        loss = loss + 0.5 * (1 - np.abs(np.einsum("kin,kin->kn", states.conj(), other)) ** 2)
    metric = np.einsum("a,b,kabn->kn", direction, direction, np.asarray(geometry.quantum_metric(bands)))
    # the cubic term cancels between +dk and -dk; quartic: dk^2 (velocity/gap)^2 ~ 2e-4 relative
    assert np.abs(loss - metric).max() < 2e-3 * (4e-6 + metric.max())


@profile
@given(seeds)
def test_two_band_moment(seed):
    # m = (E_1 - E_0)/2 Omega_1 for both bands
    source, k = random_blocks(seed, 4, 2), random_k(seed, 2)
    model = source.model(orbitals=source.orbitals[:2], blocks=source.blocks[:, :2, :2])
    bands = bf.bands(model, k)
    gap = np.diff(np.asarray(bands.energies), axis=-1)
    assume(gap.min() > 0.05)
    moment, omega = np.asarray(geometry.orbital_moment(bands))[:, 0, 1], np.asarray(geometry.berry_curvature(bands))
    assert np.abs(moment - 0.5 * gap * omega[:, 0, 1, 1:]).max() < 1e-10 * (1 + np.abs(moment).max())  # rounding/gap^2


@pytest.mark.parametrize(("shape", "size"), [((3, 1), 256), ((4, 2), 64)])
def test_mass_sum_rule_on_a_grid(shape, size):
    # Int f d2E = Int (-f') dE dE by parts, so Int f <d2H> = Drude + 2 Int sum f_n (E_m - E_n) Re(A A).
    temperature = 0.5
    for seed in (1, 2):
        source = random_blocks(seed, *shape)
        axes = [(np.arange(size) + 0.5) / size] * shape[1]
        k = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, shape[1]) @ source.reciprocal
        bands = bf.bands(source.model(), k)
        energies = np.asarray(bands.energies)
        f = 0.5 * (1 - np.tanh((energies - 1.0) / (2 * temperature)))
        velocity = np.diagonal(np.asarray(bands.velocity), axis1=-2, axis2=-1).real
        drude = np.einsum("kn,kan,kbn->ab", f * (1 - f) / temperature, velocity, velocity) / len(k)
        connection = np.asarray(geometry.berry_connection(bands))
        gap = energies[:, None, :] - energies[:, :, None]
        weight = 2 * f[:, :, None] * gap
        inter = np.einsum("knm,kanm,kbmn->ab", weight, connection, connection).real / len(k)
        total = np.einsum("kn,kabn->ab", f, np.asarray(geometry.inverse_mass(bands, kind="instantaneous"))) / len(k)
        # periodic analytic integrands: the grid error decays as exp(-size times the width pi T/velocity ~ 0.5)
        assert np.abs(total - drude - inter).max() < 1e-6 * np.abs(total).max()
