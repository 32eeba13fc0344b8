"""Skew scattering by pairs of impurities whose lines cross (X and Psi diagrams), for white noise in two dimensions.

    w^X_kk' = (4 pi^2/hbar) W^2 sum_k1 delta_1 Im tr[ P_k P_1 P_k' B(k + k' - k_1) ]
    w^Psi_kk' = -(4 pi^2/hbar) W^2 sum_k1 delta_1 Im tr[ P_k P_k' ( P_1 B(k_1 + k - k') + B(k_1 - k + k') P_1 ) ]
    J[n]_k = -sum_k' delta' w_kk' n_k' + n_k sum_k' delta' w_k'k,     B(k) = PV (eps - H_k)^-1

of the same order as side jump and non-crossing skew scattering.  The principal value is that of trapezoidal sums whose
points keep clear of the poles k_1 = k, k': k' is half a step from k, k_1 lies on half steps a quarter away.
For the massive Dirac cone the sum is -(e^2/2 pi hbar) 4 mu M (mu^2 - M^2)/(mu^2 + 3 M^2)^2.
Source: Ado, Dmitriev, Ostrovsky, Titov, EPL 111, 37004 (2015).
"""

from __future__ import annotations

import numpy as np

from blochflow.core.backend import jnp
from blochflow.disorder.collision import Collision
from blochflow.models.base import AbstractModel

# Wave vectors of B in one batch.
BATCH = 16384


def crossed_drive(model: AbstractModel, mu: float, collision: Collision, phi: np.ndarray) -> np.ndarray:
    """-J[phi] for (c, N, n, n) fields on simple sheets of equally spaced points, a multiple of 4 each."""
    points = collision.points
    occupation = np.einsum("kij,ckji->ck", points.projector, phi).real
    result = np.zeros_like(occupation)
    place = np.concatenate([np.arange(n) for n in np.bincount(points.sheet)])
    for offset in range(4):
        k, other = np.flatnonzero(place % 4 == offset), np.flatnonzero(place % 4 == (offset + 2) % 4)
        inner = np.flatnonzero(place % 2 != offset % 2)
        # a quarter, a quarter and a half of the points stand for all
        forward, backward = kernels(model, mu, collision, k, other, inner)
        weight = 4 * points.weights[other]
        gain = (forward * weight) @ occupation[:, other].T
        loss = occupation[:, k] * (backward * weight).sum(axis=1)
        result[:, k] = gain.T - loss
    return result[..., None, None] * points.projector


def kernels(
    model: AbstractModel, mu: float, collision: Collision, k: np.ndarray, other: np.ndarray, inner: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """w_kk' and w_k'k as (k, k') arrays."""
    points = collision.points
    strength = float(collision.scattering.scatterers.constant[0, 0].real)  # type: ignore[index]
    p, weight = points.projector, 2 * points.weights[inner]
    forward, backward = np.zeros((2, len(k), len(other)))
    for row, i in enumerate(k):
        rest, q = points.k[other, None], points.k[inner][None]
        here = points.k[i]
        crossing = _resolvent(model, mu, here + rest - q)
        plus, minus = _resolvent(model, mu, q + here - rest), _resolvent(model, mu, q - here + rest)
        p1, p2, p3 = p[i], p[other], p[inner]
        for target, left, right, ahead, behind in (
            (forward, p1[None], p2, plus, minus),
            (backward, p2, np.broadcast_to(p1, p2.shape), minus, plus),
        ):
            x = np.einsum("oab,sbc,ocd,osda->os", np.broadcast_to(left, p2.shape), p3, right, crossing, optimize=True)
            pair = left @ right
            psi = np.einsum("oab,sbc,osca->os", pair, p3, ahead, optimize=True)
            psi = psi + np.einsum("oab,osbc,sca->os", pair, behind, p3, optimize=True)
            target[row] = 4 * np.pi**2 * strength**2 * ((x - psi).imag @ weight)
    return forward, backward


def _resolvent(model: AbstractModel, mu: float, k: np.ndarray) -> np.ndarray:
    """(mu - H)^-1 at (.., d)."""
    flat = k.reshape(-1, k.shape[-1])
    parts = []
    for first in range(0, len(flat), BATCH):
        part = flat[first : first + BATCH]
        size = BATCH if len(flat) > BATCH else 1 << (len(part) - 1).bit_length()
        hamiltonian = np.asarray(model.matrices(jnp.asarray(np.resize(part, (size, k.shape[-1])))).hamiltonian)
        parts.append(np.linalg.inv(mu * np.eye(model.num_bands) - hamiltonian[: len(part)]))
    return np.concatenate(parts).reshape(*k.shape[:-1], model.num_bands, model.num_bands)
