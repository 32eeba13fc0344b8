"""Currents at finite field by plain sums in NumPy: three dimensions, SI units, fixed density, tails of k.p models.

Hbar = H + e E.R as a matrix of orbitals, from eigh(H);   v = <u|dH|u>,   d_k E = <u|dHbar|u>, dHbar by differences
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from random_models import random_blocks

import blochflow as bf

STEP = 1e-3
SIGMA = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def pauli(d):
    """d.sigma of three arrays (K,)."""
    return np.einsum("ak,aij->kij", np.array(d), SIGMA)


def dressed(hamiltonian, slopes, field):
    """Hbar (K, n, n) from H and dH (K, a, n, n)."""
    energies, u = np.linalg.eigh(hamiltonian)
    v = u.conj().swapaxes(1, 2) @ np.einsum("a,kanm->knm", field, slopes) @ u
    gap = energies[:, None, :] - energies[:, :, None]
    apart = ~np.eye(energies.shape[1], dtype=bool)
    r = np.where(apart, 1j * v / np.where(apart, gap, 1.0), 0.0)
    return hamiltonian + u @ r @ u.conj().swapaxes(1, 2)


def hybrid(model, k, field, step=STEP):
    """Energies (K, i), velocities and slopes of energies (K, i, a); ``model`` gives H and dH at k."""

    def matrix(q):
        return dressed(*model(q), field)

    slopes = model(k)[1]
    energies, u = np.linalg.eigh(matrix(k))
    velocity = np.einsum("kni,kanm,kmi->kia", u.conj(), slopes, u).real
    gradient = np.empty_like(velocity)
    for a, e in enumerate(step * np.eye(k.shape[1])):
        # of fourth order: STEP^4 of what dominates, 1e-12, and rounding 1e-13
        change = (8 * (matrix(k + e) - matrix(k - e)) - (matrix(k + 2 * e) - matrix(k - 2 * e))) / (12 * step)
        gradient[..., a] = np.einsum("kni,knm,kmi->ki", u.conj(), change, u).real
    return energies, velocity, gradient


def fermi(energies, mu, kt):
    """f and -f'."""
    f = 0.5 * (1 - np.tanh(0.5 * (energies - mu) / kt))
    return f, f * (1 - f) / kt


def sums(found, field, mu, kt):
    """Both parts of the current per state of the grid, e = hbar = 1, tau = 1."""
    energies, velocity, gradient = found
    f, sharp = fermi(energies, mu, kt)
    fast = -np.einsum("ki,kia->a", f, velocity)
    slow = np.einsum("ki,ki,kia->a", sharp, gradient @ field, velocity)
    return fast / len(energies), slow / len(energies)


def of_blocks(source):
    """H and dH at k by the defining sums."""
    offset = (
        (source.cells @ source.lattice)[:, None, None] + source.orbitals[None, None] - source.orbitals[None, :, None]
    )

    def at(k):
        terms = np.exp(1j * np.einsum("kc,rijc->krij", k, offset)) * source.blocks
        return terms.sum(axis=1), 1j * np.einsum("krij,rijc->kcij", terms, offset)

    return at


def grid_of(reciprocal, points):
    """Uniform k of one cell."""
    axes = [np.arange(points) / points] * len(reciprocal)
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(reciprocal)) @ reciprocal


def current(model, mu, temperature, field, tau, **options):
    return bf.response.finite_field_current(
        model, mu, temperature, electric_field=field, tau=tau, throw=False, **options
    )


@pytest.mark.parametrize(("bands", "dimension", "points"), [(3, 3, 18), (3, 2, 48), (3, 1, 200)])
def test_currents_in_all_dimensions(bands, dimension, points):
    source, field = random_blocks(41, bands, dimension), np.array([0.3, -0.2, 0.25])[:dimension]
    mu, kt = 0.2, 1.0
    found = current(source.model(), mu, kt, field, 1.0, grid=points)
    volume = abs(np.linalg.det(source.lattice))
    fast, slow = sums(hybrid(of_blocks(source), grid_of(source.reciprocal, points), field), field, mu, kt)
    scale = np.abs(fast).max() + np.abs(slow).max()
    # both sums are exact up to how well the grid resolves k_B T and gaps, which is in the stated error
    np.testing.assert_allclose(found.intrinsic.values.squeeze() * volume, fast, atol=1e-5 * scale)
    np.testing.assert_allclose(found.relaxation.values.squeeze() * volume, slow, atol=1e-5 * scale)


def test_joining_strongly_mixed_bands_by_plain_sums():
    """R is left out between bands with e|E.R| above their gap, at every k by itself."""
    source, field, mu, kt = random_blocks(41, 3, 1), np.array([0.3]), 0.2, 1.0
    found = current(source.model(), mu, kt, field, 1e-9, grid=200)
    assert found.attrs["validity_mixing_bands"] == "1 2"
    hamiltonian, slopes = of_blocks(source)(grid_of(source.reciprocal, 4000))
    energies, u = np.linalg.eigh(hamiltonian)
    v = u.conj().swapaxes(1, 2) @ (field[0] * slopes[:, 0]) @ u
    gap = energies[:, None, :] - energies[:, :, None] + np.eye(3)
    apart = ~np.eye(3, dtype=bool)
    strong = apart & (np.abs(v) > gap**2)
    # chains of pairs do not occur here: with one at most, groups are pairs
    assert strong.any(axis=(1, 2)).sum() > 0 and strong.sum(axis=(1, 2)).max() == 2
    sums_of = []
    for mixed in (apart, apart & ~strong):
        dressed_h = hamiltonian + u @ np.where(mixed, 1j * v / gap, 0.0) @ u.conj().swapaxes(1, 2)
        e, states = np.linalg.eigh(dressed_h)
        velocity = np.einsum("kni,knm,kmi->ki", states.conj(), slopes[:, 0], states).real
        sums_of.append(-(fermi(e, mu, kt)[0] * velocity).sum() / len(e) / abs(source.lattice[0, 0]))
    expected = abs(sums_of[1] - sums_of[0])
    # cells of half the size of what they resolve
    np.testing.assert_allclose(found.grouping_sensitivity.item(), expected, rtol=0.03)


def test_currents_in_si_units():
    """A lattice of 3.1 angstrom at 0.02 V/angstrom, 900 K, 35 fs: everything in joule, metre, second here."""
    e, hbar, kb = 1.602176634e-19, 1.054571817e-34, 1.380649e-23
    length, volts, kelvin, seconds = 3.1e-10, np.array([2e8, -1e8]), 900.0, 35e-15

    def square(k):
        """QWZ-like, in eV, of reduced k a."""
        d = [np.sin(k[:, 0]), np.sin(k[:, 1]), -1.4 + np.cos(k[:, 0]) + 0.8 * np.cos(k[:, 1])]
        zero = np.zeros(len(k))
        slopes = [[np.cos(k[:, 0]), zero, -np.sin(k[:, 0])], [zero, np.cos(k[:, 1]), -0.8 * np.sin(k[:, 1])]]
        return pauli(d), np.stack([pauli(s) for s in slopes], axis=1)

    def joules(k):
        h, slopes = square(k * length)
        return e * h, e * length * slopes

    def physical(k):
        x, y = 3.1 * k
        d = jnp.stack([jnp.sin(x), jnp.sin(y), -1.4 + jnp.cos(x) + 0.8 * jnp.cos(y)])
        return jnp.einsum("a,aij->ij", d, jnp.asarray(SIGMA))

    model = bf.LatticeModel(physical, 3.1 * np.eye(2), units=bf.EV_ANGSTROM, spin_degeneracy=2)
    found = current(model, -0.9, kelvin, volts * 1e-10, seconds * 1e15, grid=160)
    assert found.attrs["units"] == "A/m"
    k = grid_of(2 * np.pi / length * np.eye(2), 160)
    energies, velocity, gradient = hybrid(joules, k, e * volts, STEP / length)
    f, sharp = fermi(energies, -0.9 * e, kb * kelvin)
    per_state = 2 / length**2 / len(k)
    fast = -e * per_state * np.einsum("ki,kia->a", f, velocity / hbar)
    # df = -tau f' (d_k E/hbar).(-e E)
    shift = seconds * sharp * (gradient @ (-e * volts)) / hbar
    slow = -e * per_state * np.einsum("ki,kia->a", shift, velocity / hbar)
    np.testing.assert_allclose(found.intrinsic.values.squeeze(), fast, rtol=1e-6)
    np.testing.assert_allclose(found.relaxation.values.squeeze(), slow, rtol=1e-6)
    np.testing.assert_allclose(found.value.values.squeeze(), fast + slow, rtol=1e-6)


def test_fixed_density_holds_the_sum_of_occupations():
    """mu by bisection of the density of the hybridised bands, then the current there."""
    source, field, points, kt = random_blocks(41, 3, 2), np.array([0.3, -0.2]), 48, 1.0
    volume = abs(np.linalg.det(source.lattice))
    densities = np.array([0.8, 1.7]) / volume
    fields = np.array([0.5 * field, field])
    found = current(source.model(), None, kt, fields, 2.0, density=densities, grid=points)
    for row, density in enumerate(densities):
        for place, vector in enumerate(fields):
            bands = hybrid(of_blocks(source), grid_of(source.reciprocal, points), vector)
            low, high = bands[0].min() - 20, bands[0].max() + 20
            for _ in range(80):
                mu = 0.5 * (low + high)
                filled = fermi(bands[0], mu, kt)[0].sum() / len(bands[0]) / volume
                low, high = (mu, high) if filled < density else (low, mu)
            np.testing.assert_allclose(found.mu.values[row, 0, place], mu, atol=1e-5)
            fast, slow = (x / volume for x in sums(bands, vector, mu, kt))
            scale = np.abs(fast).max() + 2 * np.abs(slow).max()
            np.testing.assert_allclose(found.intrinsic.values[row, 0, place], fast, atol=2e-5 * scale)
            np.testing.assert_allclose(found.value.values[row, 0, place], fast + 2 * slow, atol=2e-5 * scale)
    # neither the density nor mu stands still by itself
    assert np.abs(np.diff(found.mu.values[:, 0], axis=1)).min() > 1e-4


def test_tails_of_continuum_models():
    """An anisotropic cone, filled below its gap: the integral up to the cutoff and beyond it, in rings."""
    mass, cutoff, field = 0.5, 1.2, np.array([0.6, 0.35])
    slopes = np.stack([SIGMA[0], 1.5 * SIGMA[1]])

    def cone(k):
        return k[0] * slopes[0] + k[1] * slopes[1] + mass * jnp.asarray(SIGMA[2])

    found = current(bf.ContinuumModel(cone, 2, cutoff=cutoff), 0.0, 0.0, field, 1.0)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    angles = 2 * np.pi * np.arange(128) / 128
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)

    def ring(first, last):
        """J of the filled band between two radii, by their logarithm; E_i is even in k, so that v alone counts."""
        half = 0.5 * np.log(last / first)
        radius = np.exp(half * nodes + 0.5 * np.log(last * first))
        k = (radius[:, None, None] * directions).reshape(-1, 2)
        h = np.einsum("ka,anm->knm", k, slopes) + mass * SIGMA[2]
        u = np.linalg.eigh(dressed(h, np.broadcast_to(slopes, (len(k), *slopes.shape)), field))[1][:, :, 0]
        velocity = np.einsum("kn,anm,km->ka", u.conj(), slopes, u).real
        area = np.repeat(weights * half * radius**2 * 2 * np.pi / len(angles), len(angles))
        return -area @ velocity / (2 * np.pi) ** 2

    inside = sum(ring(a, b) for a, b in ((1e-4, 1e-2), (1e-2, 0.1), (0.1, cutoff)))
    np.testing.assert_allclose(found.value.values.squeeze(), inside, rtol=2e-3)
    # beyond it falls as 1/k: 10^4 cutoffs leave 10^-4
    tail = sum(ring(10**n * cutoff, 10 ** (n + 1) * cutoff) for n in range(4))
    assert np.abs(tail).max() > 0.1 * np.abs(inside).max()
    np.testing.assert_allclose(found.cutoff_tail.values.squeeze(), tail, rtol=1e-3)
