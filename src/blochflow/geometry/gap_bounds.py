"""Bounds on energies and gaps in a cell of k from H and its slopes at one point (Weyl's inequalities).

    H(k) = H_c + s.V + R,   |s_a| <= 1,   ||R|| <= r        V_a = U^+ (half edge a . dH/dk) U at the centre
    E_j(k) - E_j(c)  in  [min lambda(s.V) - r, max lambda(s.V) + r]
    gap j stays open if   min_s [ lambda_min(Q (E + s.V) Q) - lambda_max(P (E + s.V) P) ]  >  2 r,   E = H_c

P projects on the lowest j + 1 states at the centre, Q on the rest: what couples P with Q only pushes them apart
(Courant's minimax principle).  The difference is concave in s, so that corners suffice.  How far states turn in a
cell, 0.35 gap_j sum_a [sum_nm |V_a,nm|^2/(E_n - E_m)^2]^(1/2), n in P and m in Q, is added to what the slopes use up:
it serves accuracy, not proof.  A cone of mass m at the corner of a cell of size h leaves a gap in proportion to m^2/h
there, which proves it open however large h/m is; with the turning, h <= 3.4 m/v.  For many bands the spread of each
V_a replaces blocks.
"""

from __future__ import annotations

import itertools

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.geometry.eigen import eigh
from blochflow.models.base import AbstractModel

LARGEST_BLOCKWISE = 6
TURNING = 0.35
# Sampled remainders are enlarged by this factor; they are estimates all the same.
SAMPLED_SAFETY = 2.0


@eqx.filter_jit
def gap_bounds(model: AbstractModel, k: Array, edges: Array, remainder: Array) -> tuple[Array, ...]:
    """Bounds in cells with centres k (B, d), half edges (B, a, d) as Cartesian vectors and ||R|| <= remainder (B,).

    Returns
    -------
    energies (B, N) at the centre, low and high (B,) relative to them, the part of each gap (B, N - 1) that the
    variation over the cell can use up, and the largest slope along each half edge, (B, a).
    """
    matrices = model.matrices(k)
    energies, states = eigh(matrices.hamiltonian)
    slopes = jnp.einsum("bac,bcij->baij", edges, matrices.gradient)
    turned = jnp.conj(jnp.swapaxes(states, -1, -2))[:, None] @ slopes @ states[:, None]
    signs = np.array([(1, *rest) for rest in itertools.product((1, -1), repeat=k.shape[1] - 1)], dtype=np.float64)
    corners = jnp.einsum("sa,baij->bsij", signs, turned)
    extremes = eigh(corners)[0]
    reach = jnp.maximum(jnp.abs(extremes[..., 0]), jnp.abs(extremes[..., -1])).max(axis=1)
    own = eigh(turned)[0]
    slope = jnp.maximum(jnp.abs(own[..., 0]), jnp.abs(own[..., -1]))
    count = energies.shape[-1]
    if count == 1:
        used = jnp.zeros((k.shape[0], 0))
    elif count <= LARGEST_BLOCKWISE:
        used = jnp.stack([_block(energies, turned, corners, j) for j in range(1, count)], axis=1)
    else:
        used = jnp.broadcast_to((own[..., -1] - own[..., 0]).sum(axis=1)[:, None], (k.shape[0], count - 1))
    return energies, -reach - remainder, reach + remainder, used + 2 * remainder[:, None], slope


def _block(energies: Array, turned: Array, corners: Array, j: int) -> Array:
    """How much of the gap above the lowest ``j`` states the slopes can use up, (B,)."""
    gap = energies[:, j] - energies[:, j - 1]
    both = jnp.stack([corners, -corners])
    # measured from the edges of the gap, so that rounding is that of the slopes where bands touch
    below = both[..., :j, :j] + _diagonal(energies[:, :j] - energies[:, j - 1 : j])
    above = both[..., j:, j:] + _diagonal(energies[:, j:] - energies[:, j : j + 1])
    closing = (eigh(below)[0][..., -1] - eigh(above)[0][..., 0]).max(axis=(0, 2))
    apart = energies[:, None, j:] - energies[:, :j, None]
    angle = jnp.where(apart > gap[:, None, None], gap[:, None, None] / jnp.maximum(apart, 1e-300), 1.0)
    turning = jnp.sqrt(((jnp.abs(turned[:, :, :j, j:]) * angle[:, None]) ** 2).sum(axis=(-1, -2))).sum(axis=1)
    return jnp.maximum(closing, 0.0) + TURNING * turning


def _diagonal(values: Array) -> Array:
    """(B, n) -> (B, 1, n, n)."""
    return (values[:, None, :] * jnp.eye(values.shape[-1]))[:, None]


@eqx.filter_jit
def sampled_remainder(model: AbstractModel, points: Array, offsets: Array, edges: Array) -> Array:
    """Estimate of ||R||, (B,), from H at ``points`` (B, S, d): the centre first, the others at s = offsets (S, a)."""
    count, samples, d = points.shape
    hamiltonian = model.matrices(points.reshape(-1, d)).hamiltonian.reshape(count, samples, model.num_bands, -1)
    slopes = jnp.einsum("bac,bcij->baij", edges, model.matrices(points[:, 0]).gradient)
    linear = hamiltonian[:, :1] + jnp.einsum("sa,baij->bsij", offsets, slopes)
    distance = jnp.sqrt((jnp.abs(hamiltonian - linear) ** 2).sum(axis=(-1, -2)))
    return SAMPLED_SAFETY * distance.max(axis=1)
