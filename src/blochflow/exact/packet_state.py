"""Wave packets on a lattice, and what is seen of them.

    psi(r,j) = sum_k exp(-sum_a W_a^2 (k - k0)_a^2) exp(i k.(r_j - x0)) u_j(k),     <s|u(k)> > 0     envelope "band"
    psi(r,j) = exp(-sum_a (r_j - x0)_a^2/4 W_a^2) exp(i k0.(r_j - x0)) c_j                           envelope "product"

|psi|^2 has the standard deviation W, |psi(k)|^2 has 1/(2W).  The phase of u(k) is fixed by a reference state s, by
default u(k0), for which the Berry connection vanishes at k0; the mean position is x0 + <A(k)>, A the connection in this
gauge:

    A_a(k) = i <u|d_a u> = -Im [ <s|u> sum_m <u|d_a H|m> <m|s>/(E - E_m) ] / |<s|u>|^2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_choice, as_complex_array, fail
from blochflow.core.errors import DegenerateBandsError
from blochflow.exact.bloch_hamiltonian import BlochHamiltonian
from blochflow.exact.sample import Sample
from blochflow.models.packets import WavePacket

EXPONENT = 40.0  # |psi(k)| is 4e-18 of its maximum where sampling ends
SMALLEST_GAP = 1e-9  # of max|H|: bands closer than this have no state of their own
SMALLEST_OVERLAP = 0.05  # of the reference: below, the gauge has a vortex in or near the packet
MATTERS = 1e-8  # weights |psi(k)|^2 below this may have any phase
VISIBLE = 1e-17  # weights in k below this are not projected on bands: together less than rounding
COHERENT = 0.1  # |<T>| below which a packet has no mean wave vector
ENVELOPES = ("band", "product")


@dataclass(frozen=True, eq=False)
class Preparation:
    """How packets are made.

    Attributes
    ----------
    packet : WavePacket
    width : (d,)
    envelope : "band" or "product"
    reference : (N,) or None
        State whose overlap with u(k) is positive.
    """

    packet: WavePacket
    width: np.ndarray
    envelope: str
    reference: np.ndarray | None

    @classmethod
    def of(cls, packet: WavePacket, envelope: Any, reference: Any, num_bands: int) -> Preparation:
        """Check the options of the state."""
        as_choice(envelope, "envelope", ENVELOPES)
        if packet.width is None:
            must = "have a width, the standard deviation of |psi|^2: bf.WavePacket(x, k, width=20.0)"
            raise fail("packet", must, "has none")
        state = None if reference is None else as_complex_array(reference, "reference", max_ndim=1)
        if state is not None and (state.shape != (num_bands,) or not np.abs(state).max() > 0):
            raise fail("reference", f"be a state of {num_bands} components, not all 0", f"is {reference!r}")
        if state is not None and (envelope == "product" or packet.amplitudes is not None):
            raise fail("reference", 'be left out with envelope "product" or with amplitudes', "is given")
        width = np.broadcast_to(np.asarray(packet.width, dtype=float), (packet.dimension,))
        chosen = "band" if packet.amplitudes is None and envelope == "band" else "product"
        return cls(packet, width, chosen, state)


def band_states(
    h: BlochHamiltonian,
    k: np.ndarray,
    weight: np.ndarray,
    band: int,
    reference: np.ndarray,
    place: np.ndarray,
    t: float,
) -> np.ndarray:
    """u(k) (K, N) of a band at (x0, t), with <reference|u> > 0.

    ``weight`` (K,) is |psi(k)|^2 over its maximum: where it matters the band must be by itself, and the gauge smooth.
    """
    matrices = h.sampled(k, place, t)
    energies, states = np.linalg.eigh(matrices)
    matters = weight > MATTERS
    refuse_touching(energies, k, band, matters)
    chosen = states[:, :, band]
    overlap = chosen @ reference.conj() / np.linalg.norm(reference)
    size = np.abs(overlap)
    if np.where(matters, size, 1.0).min() < SMALLEST_OVERLAP:
        worst = int(np.where(matters, size, 1.0).argmin())
        must = "overlap with the band throughout the packet (or widen the packet)"
        raise fail("reference", must, f"is orthogonal to it at k = {k[worst].tolist()}")
    return chosen * (overlap.conj() / np.where(size > 0, size, 1.0))[:, None]


def reference_of(h: BlochHamiltonian, made: Preparation, number: int, t: float) -> np.ndarray:
    """The reference state of packet ``number``: that given, or u(k0)."""
    if made.reference is not None:
        return made.reference
    k0 = made.packet.wavevector[number][None]
    energies, states = np.linalg.eigh(h.sampled(k0, made.packet.position[number], t))
    band = int(made.packet.band[number])
    refuse_touching(energies, k0, band, np.array([True]))
    return states[0, :, band]  # type: ignore[no-any-return]


def refuse_touching(energies: np.ndarray, k: np.ndarray, band: int, matters: np.ndarray) -> None:
    """Raise where a band meets another, at the wave vectors that matter."""
    gaps = np.abs(np.delete(energies, band, axis=1) - energies[:, band : band + 1])
    if not gaps.shape[1]:
        return
    near = np.where(matters, gaps.min(axis=1), np.inf)
    worst = int(near.argmin())
    if not near[worst] > SMALLEST_GAP * np.abs(energies).max():
        other = int(gaps[worst].argmin())
        pair = tuple(sorted((band, other + (other >= band))))
        raise DegenerateBandsError(k[worst], pair, float(near[worst]), "wave packet")


def product_envelope(h: BlochHamiltonian, made: Preparation, sample: Sample, number: int, t: float) -> np.ndarray:
    """A Gaussian times one state of the cell."""
    x0, k0 = made.packet.position[number], made.packet.wavevector[number]
    if made.packet.amplitudes is None:
        cell = reference_of(h, made, number, t)
    else:
        cell = made.packet.amplitudes[number]
    away = sample.positions - x0
    wave = np.exp(-((away / made.width) ** 2).sum(axis=1) / 4 + 1j * (away @ k0))
    return wave * np.tile(cell, sample.cell_count)  # type: ignore[no-any-return]


def band_envelope(h: BlochHamiltonian, made: Preparation, sample: Sample, number: int, t: float) -> np.ndarray:
    """The sum over k of Bloch states of one band, on the k grid of the sample."""
    x0, k0 = made.packet.position[number], made.packet.wavevector[number]
    fractions, k = sampled_wavevectors(sample, k0, made.width)
    exponent = (((k - k0) * made.width) ** 2).sum(axis=1)
    kept = exponent < EXPONENT
    fractions, k, exponent = fractions[kept], k[kept], exponent[kept]
    if not len(k):
        raise fail("sites", "hold the packet", "are too few for a single wave vector of it")
    reference = reference_of(h, made, number, t)
    states = band_states(h, k, np.exp(-2 * exponent), int(made.packet.band[number]), reference, x0, t)
    # exp(i k.(r_j - x0)) with r_j = (first + n).vectors + tau_j, n from 0 to shape - 1
    origin = sample.first @ sample.vectors
    waves = np.exp(-exponent)[:, None] * states * np.exp(1j * (k @ (origin + sample.orbitals - x0).T))
    grid = np.zeros((*sample.shape, h.num_bands), dtype=complex)
    np.add.at(grid, tuple(np.mod(fractions, sample.shape).T), waves)
    state = np.fft.ifftn(grid, axes=range(len(sample.shape))) * sample.cell_count
    return state.reshape(-1)


def sampled_wavevectors(sample: Sample, center: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points n/shape (reduced) of the k grid around the centre: integers n (K, d), and Cartesian k (K, d)."""
    reciprocal = 2 * np.pi * np.linalg.inv(sample.vectors).T
    middle = center @ sample.vectors.T / (2 * np.pi) * sample.shape
    # largest reduced coordinate of a box of half width sqrt(EXPONENT)/W
    reach = np.abs(sample.vectors) @ (np.sqrt(EXPONENT) / width) / (2 * np.pi) * sample.shape
    axes = [np.arange(np.ceil(c - r), np.floor(c + r) + 1) for c, r in zip(middle, reach, strict=True)]
    fractions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(center)).astype(int)
    return fractions, fractions / sample.shape @ reciprocal


def gauge_connection(states: Any, reference: np.ndarray, group: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Place A_a (K, d) of the part of the reference in a group of bands, and its weight (K,), from `bf.bands`.

    A = Re i<s|P d_a P|s>/<s|P|s>, for one band the connection in the gauge <s|u> > 0.
    """
    energies, vectors, velocity = (np.asarray(v) for v in (states.energies, states.states, states.velocity))
    inside = np.isin(np.arange(energies.shape[1]), group)
    apart = inside[:, None] & ~inside[None, :]
    gap = np.where(apart, energies[:, :, None] - energies[:, None, :], 1.0)
    c = np.einsum("kin,i->kn", vectors.conj(), reference)
    weight = (np.abs(c[:, inside]) ** 2).sum(axis=1)
    slope = np.einsum("kn,kanm,km->ka", c.conj(), np.where(apart, 1 / gap, 0.0)[:, None] * velocity, c)
    return -slope.imag / weight[:, None], weight


class Observer:
    """Means of states (sites, P)."""

    def __init__(self, h: BlochHamiltonian, sample: Sample, magnetic: np.ndarray, edge: np.ndarray) -> None:
        self.h, self.sample, self.magnetic = h, sample, magnetic
        self.positions = sample.positions
        self.edge = sample.near_edge(edge)

    def edge_weight(self, state: np.ndarray) -> np.ndarray:
        """(P,) weight near the edges."""
        return (np.abs(state[self.edge]) ** 2).sum(axis=0)

    def place(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean position and its standard deviation along each axis, (P, d) each."""
        weight = np.abs(state) ** 2
        weight = weight / weight.sum(axis=0)
        mean = weight.T @ self.positions
        away = self.positions[:, None] - mean
        return mean, np.sqrt((weight[:, :, None] * away**2).sum(axis=0))

    def translations(self, state: np.ndarray) -> np.ndarray:
        """<T_a> (P, d): psi^+(r) psi(r + a) with the phase of the field: exp(i k.a) of a wave."""
        shape, count = tuple(self.sample.shape), self.h.num_bands
        cube = state.reshape(*shape, count, -1)
        places = (self.positions - self.sample.middle).reshape(*shape, count, len(shape))
        result = []
        for axis, vector in enumerate(self.sample.vectors):
            here = np.take(cube, range(shape[axis] - 1), axis=axis)
            there = np.take(cube, range(1, shape[axis]), axis=axis)
            between = np.take(places, range(shape[axis] - 1), axis=axis) + vector / 2
            # -(e/hbar) Int A.dl from r + a back to r
            action = (between @ self.magnetic.T / 2) @ vector
            product = here.conj() * there * np.exp(1j * action)[..., None]
            result.append(product.reshape(-1, cube.shape[-1]).sum(axis=0))
        return np.stack(result, axis=-1)

    def populations(self, state: np.ndarray, mean: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        """(P, N) weights in the bands of H(k, <x>, t), and (P,) the weight with |k a| > pi/2 of a k.p model."""
        shape, count = tuple(self.sample.shape), self.h.num_bands
        reciprocal = 2 * np.pi * np.linalg.inv(self.sample.vectors).T
        weights = np.zeros((state.shape[1], count))
        outside = np.zeros(state.shape[1])
        for number in range(state.shape[1]):
            shift = self.magnetic @ (mean[number] - self.sample.middle) / 2
            local = state[:, number] * np.exp(1j * (self.positions @ shift))
            waves = np.fft.fftn(local.reshape(*shape, count), axes=range(len(shape)), norm="ortho")
            size = (np.abs(waves) ** 2).sum(axis=-1)
            chosen = np.argwhere(size > VISIBLE)
            reduced = chosen / np.array(shape)
            k = (reduced - np.round(reduced)) @ reciprocal
            inside = waves[tuple(chosen.T)] * np.exp(-1j * (k @ self.sample.orbitals.T))
            states = np.linalg.eigh(self.h.sampled(k, mean[number], t))[1]
            weights[number] = (np.abs(np.einsum("kin,ki->kn", states.conj(), inside)) ** 2).sum(axis=0)
            if self.h.spacing is not None:
                far = (np.abs(k) * float(self.h.spacing) > np.pi / 2).any(axis=1)
                outside[number] = (np.abs(inside[far]) ** 2).sum()
        return weights, outside
