"""dc Kubo-Streda response at T = 0 in the non-crossing approximation, evaluated in bulk (hbar = e = 1).

    Sigma(k) = sum_k' W(k-k') V G(k') V,  G^{R/A} = (eps - H - Sigma^{R/A})^-1                      self-consistent Born
    Gamma_b(k) = v_b(k) + sum_k' W(k-k') V G^R Gamma_b G^A V                                        ladder of vertices
    X_ab = (1/2 pi) sum_k Tr[B_a G^R Gamma_b G^A],  Y_ab: the same with R and A exchanged,  sum_k = Int d^dk/(2 pi)^d

For currents (B_a = v_a) X_ab is sigma_ab without its RR and AA terms, and Y_ab = X_ba.  RR and AA terms are even under
the exchange of R and A, so that odd = (X - Y)/2, the antisymmetric part for currents, holds all of the Hall response at
the Fermi surface, and even = (X + Y)/2 all of the response that grows like 1/W.  The odd part of one bare bubble of
states of uniform width is the intrinsic surface term; what the ladder adds to it is, at vanishing disorder,

    extrinsic velocity + side jump + skew scattering (Gaussian, non-crossing).

Only the ladder of matrices knows about scattering here: no collision integral, no Berry connection, no Fermi surface
enters, except to place nodes.  Everything is analytic in the strength u2 of W, and is extrapolated to u2 = 0 by a
polynomial through a few strengths.

W = u2 sum_c g_c(k) g_c(k') for every vertex V, with real form factors g_c, turns self-energy and ladder into small
matrices: one form factor for white noise, some for correlations on a lattice, a Taylor series for Gaussian ones.

The Hermitian part of Sigma only moves energies by O(u2), and is left out unless asked for: the anti-Hermitian part is
conserving alone (G^R - G^A enters on both sides of the Ward identity), and the poles stay where the nodes are.

Nodes: rays from a centre, in panels that shrink geometrically towards each Fermi crossing, down to the width of poles.

Streda, J. Phys. C 15, L717 (1982); Sinitsyn et al., Phys. Rev. B 75, 045315 (2007); Burgos Atencia, Niu, Culcer, Phys.
Rev. Research 4, 013001 (2022).  Not here: crossed diagrams, third cumulants, sea terms, crossings of bands at the Fermi
energy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np

STEP = 1e-30  # of derivatives along the imaginary axis, exact to rounding: no difference is taken
NODES = 14  # Gauss-Legendre per panel; with 22 instead, responses change by less than 2e-11
SAFETY = 0.25  # first panel, in units of the estimated width of the pole, which bands can undercut


@dataclass(frozen=True)
class Bands:
    """H(k) = sum_j c_j(k) M_j: `coefficients(kx, ky, ..)` are the real analytic c_j, `matrices` (j, nb, nb) the M_j."""

    matrices: np.ndarray
    coefficients: Callable[..., list]

    def hamiltonian(self, k: np.ndarray) -> np.ndarray:
        """H (.., nb, nb) at k (.., d)."""
        return np.einsum("j...,jmn->...mn", self._coefficients(k), self.matrices).astype(complex)

    def gradient(self, k: np.ndarray) -> np.ndarray:
        """dH/dk (.., d, nb, nb): Im c(k + i h)/h."""
        steps = 1j * STEP * np.eye(k.shape[-1])
        values = [self._coefficients(k + step).imag / STEP for step in steps]
        return np.einsum("aj...,jmn->...amn", values, self.matrices)

    def _coefficients(self, k: np.ndarray) -> np.ndarray:
        return np.stack([np.broadcast_to(c, k.shape[:-1]) for c in self.coefficients(*np.moveaxis(k, -1, 0))])


@dataclass(frozen=True)
class Rays:
    """Region of k space seen from `center`: unit vectors (r, d), angular weights over (2 pi)^d, and lengths (r,)."""

    center: np.ndarray
    directions: np.ndarray
    weights: np.ndarray
    lengths: np.ndarray


def disk(count: int, radius: float, center: tuple = (0.0, 0.0)) -> Rays:
    """A disk: trapezoidal rule in the angle, spectrally accurate."""
    angles = 2 * np.pi * (np.arange(count) + 0.5) / count
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return Rays(np.array(center), directions, np.full(count, 1 / (2 * np.pi * count)), np.full(count, radius))


def square_zone(count: int) -> Rays:
    """The zone [-pi, pi]^2 about Gamma: Gauss-Legendre rule of `count` angles towards each edge."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    angles = np.concatenate([np.pi / 2 * side + np.pi / 4 * nodes for side in range(4)])
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    lengths = np.pi / np.abs(directions).max(axis=-1)
    return Rays(np.zeros(2), directions, np.tile(weights, 4) * np.pi / 4 / (2 * np.pi) ** 2, lengths)


def ball(polar: int, azimuthal: int, radius: float, center: tuple = (0.0, 0.0, 0.0)) -> Rays:
    """A ball: Gauss-Legendre rule in cos(theta), trapezoidal rule in phi."""
    cosines, weights = np.polynomial.legendre.leggauss(polar)
    phi = 2 * np.pi * (np.arange(azimuthal) + 0.5) / azimuthal
    z, angle = (a.ravel() for a in np.meshgrid(cosines, phi, indexing="ij"))
    flat = np.sqrt(1 - z**2)
    directions = np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=-1)
    solid = np.repeat(weights, azimuthal) * 2 * np.pi / azimuthal / (2 * np.pi) ** 3
    return Rays(np.array(center), directions, solid, np.full(len(z), radius))


def white(k: np.ndarray) -> np.ndarray:
    """The form factor of uncorrelated disorder, W = u2."""
    return np.ones((*k.shape[:-1], 1))


def gaussian(length: float, order: int) -> Callable[[np.ndarray], np.ndarray]:
    """Form factors of W = u2 exp(-q^2 length^2 / 2) in two dimensions.

    exp(-l^2 (k-k')^2/2) = exp(-l^2 (k^2 + k'^2)/2) sum_mn (l^2 kx kx')^m (l^2 ky ky')^n / (m! n!), m + n < order.
    A cut series is still positive and has the Ward identity; on a circle kF it is off by (l kF)^(2 order) / order!.
    """
    powers = [(m, n) for m in range(order) for n in range(order - m)]

    def form(k: np.ndarray) -> np.ndarray:
        x, y = length * np.moveaxis(k, -1, 0)
        damping = np.exp(-(x**2 + y**2) / 2)
        return np.stack([damping * x**m * y**n / np.sqrt(factorial(m) * factorial(n)) for m, n in powers], axis=-1)

    return form


@dataclass(frozen=True)
class Disorder:
    """Potentials U V(r), one for every vertex V (v, nb, nb), independent of each other, all with the same W."""

    vertices: np.ndarray
    form: Callable[[np.ndarray], np.ndarray] = white

    def dress(self, sums: np.ndarray) -> np.ndarray:
        """sum_V V X V of matrices X (.., nb, nb)."""
        return np.einsum("vij,...jk,vkl->...il", self.vertices, sums, self.vertices)


@dataclass(frozen=True)
class System:
    """Bands at the Fermi energy, the region of k that counts, and the disorder."""

    bands: Bands
    energy: float
    rays: Rays
    disorder: Disorder


@dataclass(frozen=True)
class Response:
    """Odd part (a, b) and u2 times the even part at u2 = 0, and the change of each by the last strength."""

    odd: np.ndarray
    even: np.ndarray
    odd_error: float
    even_error: float


def surface_response(
    system: System,
    strengths: list[float],
    observable: Callable[[np.ndarray], np.ndarray] | None = None,
    hermitian: bool = False,
) -> Response:
    """Ladder minus bare bubble (odd), and u2 times the ladder (even), both extrapolated to u2 = 0.

    `observable(k)` (.., a, nb, nb) takes the place of the velocity.  `hermitian` keeps the shift of energies by Sigma.
    """
    rows = [_bubbles(system, u2, observable, hermitian) for u2 in strengths]
    odd, odd_error = extrapolate(strengths, np.array([row[0] for row in rows]))
    even, even_error = extrapolate(strengths, np.array([row[1] for row in rows]))
    return Response(odd, even, odd_error, even_error)


def extrapolate(strengths: list[float], values: np.ndarray) -> tuple[np.ndarray, float]:
    """Value at zero of the polynomial through all points (Neville), and its largest change by the last point."""
    u, table, last = np.array(strengths), values, values[-1]
    for order in range(1, len(u)):
        factors = (u[order:] / (u[:-order] - u[order:]))[:, None, None]
        last, table = table[-1], table[1:] + factors * (table[1:] - table[:-1])
    return table[0], float(np.abs(table[0] - last).max())


def _bubbles(system: System, u2: float, observable: Callable | None, hermitian: bool) -> tuple[np.ndarray, np.ndarray]:
    k, weights, width = _nodes(system, u2)
    h = system.bands.hamiltonian(k)
    velocity = system.bands.gradient(k)
    output = velocity if observable is None else observable(k)
    unit = np.eye(h.shape[-1])

    clean = np.linalg.inv((system.energy + 1j * width) * unit - h)
    clean_odd = (_bare(clean, weights, output, velocity) - _bare(_dagger(clean), weights, output, velocity)) / 2

    forms = system.disorder.form(k)
    retarded = _self_consistent(system, h, forms, weights, u2, width, hermitian)
    pair = [_ladder(g, system.disorder, forms, weights, u2, output, velocity) for g in (retarded, _dagger(retarded))]
    return (pair[0] - pair[1]) / 2 - clean_odd, u2 * (pair[0] + pair[1]) / 2


def _self_consistent(
    system: System, h: np.ndarray, forms: np.ndarray, weights: np.ndarray, u2: float, width: float, hermitian: bool
) -> np.ndarray:
    """G^R with Sigma = sum_c g_c S_c, S_c = u2 sum_k g_c V G V, iterated from a uniform width to 1e-13."""
    unit = np.eye(h.shape[-1])
    green = np.linalg.inv((system.energy + 1j * width) * unit - h)
    previous = None
    for _ in range(60):
        coefficients = u2 * system.disorder.dress(_sum(weights[:, None] * forms, green))
        if not hermitian:
            coefficients = (coefficients - _dagger(coefficients)) / 2
        sigma = (forms @ coefficients.reshape(len(coefficients), -1)).reshape(h.shape)
        green = np.linalg.inv(system.energy * unit - h - sigma)
        if previous is not None and np.abs(coefficients - previous).max() < 1e-13 * np.abs(coefficients).max():
            return green
        previous = coefficients
    return green


def _bare(green: np.ndarray, weights: np.ndarray, output: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """(1/2 pi) sum_k Tr[B_a G v_b G^dagger]."""
    left = _dagger(green)[:, None] @ output @ green[:, None]
    return np.einsum("k,kaij,kbji->ab", weights, left, velocity, optimize=True).real / (2 * np.pi)


def _ladder(
    green: np.ndarray,
    disorder: Disorder,
    forms: np.ndarray,
    weights: np.ndarray,
    u2: float,
    output: np.ndarray,
    velocity: np.ndarray,
) -> np.ndarray:
    """(1/2 pi) sum_k Tr[B_a G Gamma_b G^dagger] with Gamma_b = v_b + sum_c g_c X_cb.

    X = u2 D [s + T X],  T = sum_k g_c g_c' G . G^dagger,  s = sum_k g_c G v G^dagger,  D X = sum_V V X V.
    Conservation of charge makes 1 - u2 D T singular: (Sigma^R - Sigma^A) solves the homogeneous equation.  No current
    drives it, so it is left out of the inverse, and then added so that no net density appears.
    """
    adjoint = _dagger(green)
    weighted = weights[:, None] * forms
    channels, nb = forms.shape[1], green.shape[-1]
    size = channels * nb * nb

    def flat(x: np.ndarray) -> np.ndarray:
        return np.moveaxis(x, 1, -1).reshape(size, -1)

    source = flat(disorder.dress(_sum(weighted, green[:, None] @ velocity @ adjoint[:, None])))
    response = flat(np.swapaxes(_sum(weighted, adjoint[:, None] @ output @ green[:, None]), -1, -2))
    density = np.swapaxes(_sum(weighted, adjoint @ green), -1, -2).reshape(size)
    bare_density = np.einsum("k,kij,kbji->b", weights, adjoint @ green, velocity, optimize=True)

    matrix = np.eye(size) - u2 * _pair_sums(green, adjoint, disorder, weighted, forms)
    left, singular, right = np.linalg.svd(matrix)
    null = right[-1].conj()
    solution = (right[:-1].conj().T / singular[:-1]) @ (left[:, :-1].conj().T @ (u2 * source))
    solution = solution - np.outer(null, (density @ solution + bare_density) / (density @ null))
    return _bare(green, weights, output, velocity) + (response.T @ solution).real / (2 * np.pi)


def _pair_sums(
    green: np.ndarray, adjoint: np.ndarray, disorder: Disorder, weighted: np.ndarray, forms: np.ndarray
) -> np.ndarray:
    """D T as a matrix on X_c,ij: sum_V sum_k g_c g_c' V G X G^dagger V."""
    channels, nb = forms.shape[1], green.shape[-1]
    right = (forms[:, :, None] * adjoint.reshape(-1, 1, nb * nb)).reshape(len(forms), -1)
    sums = np.empty((nb, nb, channels, channels, nb, nb), dtype=complex)
    for i, m in np.ndindex(nb, nb):
        sums[i, m] = ((weighted * green[:, i, m, None]).T @ right).reshape(channels, channels, nb, nb)
    # sums[i, m, c, C, n, j]: matrix element G_im of the left, G^dagger_nj of the right function
    matrix = np.einsum("imcCnj->cCmnij", sums)
    dressed = np.einsum("cCmnij->cijCmn", disorder.dress(matrix))
    return dressed.reshape(channels * nb * nb, -1)


def _sum(weighted: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """sum_k g_c(k) M(k): (c, .., nb, nb)."""
    flat = weighted.T @ matrices.reshape(len(matrices), -1)
    return flat.reshape(weighted.shape[1], *matrices.shape[1:])


def _dagger(matrices: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrices, -1, -2).conj()


def _nodes(system: System, u2: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Points (k, d), weights of Int d^dk/(2 pi)^d, and the width pi u2 rho / nb of states that they resolve."""
    rays, d = system.rays, system.rays.directions.shape[1]
    ray, radius, speed = _crossings(system)
    rho = (rays.weights[ray] * radius ** (d - 1) / speed).sum()
    nb = system.bands.matrices.shape[-1]
    width = np.pi * u2 * rho / nb
    nodes, gauss = np.polynomial.legendre.leggauss(NODES)
    points, weights = [], []
    for i in range(len(rays.lengths)):
        here = ray == i
        edges = _panels(radius[here], SAFETY * width / speed[here], rays.lengths[i])
        half = np.diff(edges)[:, None] / 2
        r = ((edges[:-1, None] + half) + half * nodes).ravel()
        weights.append(rays.weights[i] * r ** (d - 1) * (half * gauss).ravel())
        points.append(rays.center + r[:, None] * rays.directions[i])
    return np.concatenate(points), np.concatenate(weights), width


def _panels(radii: np.ndarray, first: np.ndarray, length: float) -> np.ndarray:
    """Edges of panels on [0, length] which double in size with the distance from each crossing."""
    order = np.argsort(radii)
    radii, first = radii[order], first[order]
    borders = np.concatenate([[0.0], (radii[1:] + radii[:-1]) / 2, [length]])
    edges = [borders]
    for i, radius in enumerate(radii):
        for reach, sign in ((radius - borders[i], -1), (borders[i + 1] - radius, 1)):
            count = max(int(np.ceil(np.log2(reach / first[i]))), 2)
            edges.append(radius + sign * reach * np.concatenate([[0.0], 0.5 ** np.arange(count)]))
    merged = np.unique(np.concatenate(edges))
    return merged[np.concatenate([[True], np.diff(merged) > 1e-12])]


def _crossings(system: System, samples: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crossings of bands with the Fermi energy along rays: ray, radius, |d eps/d radius|."""
    rays = system.rays

    def energies(ray: np.ndarray, radius: np.ndarray) -> np.ndarray:
        k = rays.center + radius[..., None] * rays.directions[ray]
        return np.linalg.eigvalsh(system.bands.hamiltonian(k)) - system.energy

    fractions = np.linspace(0, 1, samples + 1)
    every = np.broadcast_to(np.arange(len(rays.lengths))[:, None], (len(rays.lengths), samples + 1))
    above = energies(every, rays.lengths[:, None] * fractions) > 0
    ray, cell, band = np.nonzero(above[:, 1:] != above[:, :-1])
    low, high = (rays.lengths[ray] * fractions[cell + i] for i in (0, 1))
    side, rows = above[ray, cell, band], np.arange(len(ray))
    for _ in range(50):
        middle = (low + high) / 2
        same = (energies(ray, middle)[rows, band] > 0) == side
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    radius, step = (low + high) / 2, 1e-5
    speed = (energies(ray, radius + step) - energies(ray, radius - step))[rows, band] / (2 * step)
    return ray, radius, np.abs(speed)
