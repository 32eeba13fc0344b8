"""First states of packets.  In a magnetic field u(k) is that of the kinetic wave vector everywhere.

    psi(r,j) = sum_q exp(-sum_a W_a^2 (q - k0)_a^2) exp(i q.(r_j - x0)) u_j(q + (e/hbar) A(r_j)),    A = B x (r - x0)/2

With u(q) instead, the part of other bands would grow as (e B W)^2, since the vector potential changes k
across the packet.
u is a polynomial around k0, so that a few Fourier sums suffice:

    u_j(q + A) = sum_n a_nj (s_q + s_A)^n = sum_m s_q^m sum_(n >= m) a_nj C(n,m) s_A^(n-m)

Legend: s = L^-1 (k - k0)/REACH, L L^T the covariance of the kinetic wave vector (see `kinetic_covariance`),
m and n multi-indices.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from blochflow.exact.bloch_hamiltonian import BlochHamiltonian
from blochflow.exact.packet_state import (
    EXPONENT,
    Preparation,
    band_envelope,
    band_states,
    product_envelope,
    reference_of,
    sampled_wavevectors,
)
from blochflow.exact.sample import Sample

REACH = 7.0  # standard deviations over which u is fitted: |psi| is 5e-6 of its maximum there
DEGREES = (4, 6, 8, 10)
SUFFICIENT = 1e-8  # weighted error of u: its square is the weight in other bands
POINTS = {2: 23, 3: 13}  # per axis of the fit


def initial_states(
    h: BlochHamiltonian, made: Preparation, sample: Sample, magnetic: np.ndarray, t: float
) -> np.ndarray:
    """(sites, P) states of norm 1 in the gauge of the sample."""
    columns = []
    for number in range(made.packet.count):
        if made.envelope == "product":
            state = product_envelope(h, made, sample, number, t)
        elif magnetic.any():
            state = magnetic_envelope(h, made, sample, number, t, magnetic)
        else:
            state = band_envelope(h, made, sample, number, t)
        # k of a packet is its kinetic wave vector at x0, where the vector potential of the sample does not vanish
        x0 = made.packet.position[number]
        shift = magnetic @ (x0 - sample.middle) / 2
        state = state * np.exp(-1j * ((sample.positions - x0) @ shift))
        columns.append(state / np.linalg.norm(state))
    return np.stack(columns, axis=1)


def kinetic_covariance(width: np.ndarray, magnetic: np.ndarray) -> np.ndarray:
    """delta_ab/(4 W_a^2) + sum_c G_ac W_c^2 G_bc/4: of q + (e/hbar) A(r), with G r = (e/hbar) B x r."""
    return np.diag(1 / (4 * width**2)) + magnetic @ np.diag(width**2) @ magnetic.T / 4


def magnetic_envelope(
    h: BlochHamiltonian, made: Preparation, sample: Sample, number: int, t: float, magnetic: np.ndarray
) -> np.ndarray:
    """The packet in the gauge that is symmetric about its own centre, not normalized."""
    x0, k0, d = made.packet.position[number], made.packet.wavevector[number], h.dimension
    factor = REACH * np.linalg.cholesky(kinetic_covariance(made.width, magnetic))
    to_scaled = np.linalg.inv(factor).T
    powers, coefficients = fitted_states(h, made, number, t, factor)
    fractions, k = sampled_wavevectors(sample, k0, made.width)
    exponent = (((k - k0) * made.width) ** 2).sum(axis=1)
    fractions, k, exponent = (part[exponent < EXPONENT] for part in (fractions, k, exponent))
    places = tuple(np.mod(fractions, sample.shape).T)
    origin = sample.first @ sample.vectors
    waves = np.exp(-exponent)[:, None] * np.exp(1j * (k @ (origin + sample.orbitals - x0).T))
    scaled = (k - k0) @ to_scaled
    potential = ((sample.positions - x0) @ magnetic.T / 2 @ to_scaled).reshape(-1, h.num_bands, d)
    rising = [[np.ones(potential.shape[:2])] for _ in range(d)]
    for axis in range(d):
        for _ in range(int(powers.max())):
            rising[axis].append(rising[axis][-1] * potential[:, :, axis])
    state = np.zeros(potential.shape[:2], dtype=complex)
    for m in powers:
        grid = np.zeros((*sample.shape, h.num_bands), dtype=complex)
        np.add.at(grid, places, waves * np.prod(scaled**m, axis=1)[:, None])
        sums = np.fft.ifftn(grid, axes=range(d)).reshape(state.shape)
        local = np.zeros_like(state)
        for n, values in zip(powers, coefficients, strict=True):
            if (n >= m).all():
                count = math.prod(math.comb(int(a), int(b)) for a, b in zip(n, m, strict=True))
                local += count * values * math.prod(rising[a][n[a] - m[a]] for a in range(d))
        state += sums * local
    return state.reshape(-1)


def fitted_states(
    h: BlochHamiltonian, made: Preparation, number: int, t: float, factor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Powers (n, d) and coefficients (n, N) of u around k0, of the lowest degree that suffices."""
    x0, k0, d = made.packet.position[number], made.packet.wavevector[number], h.dimension
    line = np.linspace(-1, 1, POINTS[d])
    scaled = np.array([point for point in itertools.product(line, repeat=d) if np.dot(point, point) <= 1])
    amplitude = np.exp(-(REACH**2) * (scaled**2).sum(axis=1) / 4)
    reference, band = reference_of(h, made, number, t), int(made.packet.band[number])
    states = band_states(h, k0 + scaled @ factor.T, amplitude**2, band, reference, x0, t)
    for degree in DEGREES:
        powers = np.array([n for n in itertools.product(range(degree + 1), repeat=d) if sum(n) <= degree])
        basis = np.prod(scaled[:, None] ** powers, axis=2)
        found = np.linalg.lstsq(basis * amplitude[:, None], states * amplitude[:, None], rcond=1e-14)[0]
        error = np.sqrt(((np.abs(basis @ found - states) * amplitude[:, None]) ** 2).sum() / (amplitude**2).sum())
        if error < SUFFICIENT:
            break
    return powers, found
