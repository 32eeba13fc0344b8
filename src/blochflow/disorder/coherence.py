"""Coherence between bands that scattering makes, and the drive it returns to the bands: one pair of maps for all terms.

    X = -i ( pi P C_n R - Phi gamma R ) + h.c.                                      coherence
    Q = P C[X] P + ( -i P gamma R C_n P + h.c. )                                    drive: K[Phi'] = (2 pi/hbar) Q

with C_n = C[Phi] they give the extrinsic observable sum w tr[B X] and the skew scattering of Phi; with Phi = 0 and
C_n = -e E.V/(2 pi), what the field itself does during a collision, the side jump: Q = e E.beta/(2 pi) with
beta = 2 pi { Im tr[P V R C[P]] + Im tr[P C[R V P]] }, the side-jump velocity.
Source: Burgos Atencia, Niu, Culcer, Phys. Rev. Research 4, 013001 (2022), Eqs. (31)-(33), (38), (47); Eq. (36) there
holds for spectra with particle-hole symmetry only and is replaced by the on-shell form here.
Third cumulant: Sinitsyn et al., PRB 75, 045315 (2007).
"""

from __future__ import annotations

import numpy as np

from blochflow.disorder.collision import Collision


def coherence(collision: Collision, scattered: np.ndarray, phi: np.ndarray | None = None) -> np.ndarray:
    """X from C_n and Phi (None: zero), (c, N, n, n)."""
    p, r = collision.points.projector, collision.points.resolvent
    half = -1j * np.pi * p @ scattered @ r
    if phi is not None:
        half = half + 1j * phi @ collision.broadening @ r
    return np.asarray(half + half.conj().swapaxes(-1, -2))


def drive(collision: Collision, coherent: np.ndarray, scattered: np.ndarray) -> np.ndarray:
    """2 pi Q from X and C_n, (c, N, n, n)."""
    p, r = collision.points.projector, collision.points.resolvent
    half = -1j * p @ collision.broadening @ r @ scattered @ p
    returned = p @ collision.scattering.apply(coherent) @ p
    return np.asarray(2 * np.pi * (returned + half + half.conj().swapaxes(-1, -2)))


def third_cumulant_drive(collision: Collision, phi: np.ndarray) -> np.ndarray:
    """-J_3[Phi] of white noise, (c, N, n, n): J_3 = (4 pi^2/hbar) sum_a kappa_a Im (P V_a n V_a G V_a P)."""
    points, found = collision.points, collision.scattering.scatterers
    p, w, v = points.projector, points.weights[:, None, None], found.vertices
    occupied, all_states = (w * phi).sum(axis=1), (w * p).sum(axis=0)
    total = np.zeros_like(phi)
    for vertex, strength in zip(v, found.third if found.third is not None else [], strict=True):
        inner = vertex @ occupied @ vertex @ all_states @ vertex
        total = total + strength * (p @ inner[:, None] @ p)
    return np.asarray(-4 * np.pi**2 * (total - total.conj().swapaxes(-1, -2)) / 2j)


def side_jump_drive(collision: Collision) -> np.ndarray:
    """Drive of the field in every direction during collisions, (d, N, n, n); its trace is beta times the rank."""
    field = collision.points.velocity.swapaxes(0, 1) / (-2 * np.pi)
    return drive(collision, coherence(collision, field), field)


def side_jump_velocity(collision: Collision) -> np.ndarray:
    """beta (N, d): the mean displacement per time of a wave packet by its collisions.

    For degenerate blocks the mean over the block.
    """
    return np.asarray(np.trace(side_jump_drive(collision), axis1=2, axis2=3).real.T / collision.points.rank[:, None])
