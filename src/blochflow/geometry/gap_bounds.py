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
    count = energies.shape[-1]
    blocks = [_blocks(energies, corners, j) for j in range(1, count)] if count <= LARGEST_BLOCKWISE else []
    # one call for all: kernels that hold many of them may wait for one another in XLA's pool of threads
    stacked = jnp.concatenate([corners, turned, *(x for pair in blocks for x in pair)], axis=1)
    extremes = eigh(stacked)[0]
    splits = np.cumsum([corners.shape[1], turned.shape[1]] + 2 * len(blocks) * [2 * corners.shape[1]])[:-1]
    of_corners, own, *of_blocks = jnp.split(extremes, splits, axis=1)
    reach = jnp.maximum(jnp.abs(of_corners[..., 0]), jnp.abs(of_corners[..., -1])).max(axis=1)
    slope = jnp.maximum(jnp.abs(own[..., 0]), jnp.abs(own[..., -1]))
    if count == 1:
        used = jnp.zeros((k.shape[0], 0))
    elif blocks:
        closing = [
            (low[..., -1] - high[..., 0]).max(axis=1) for low, high in zip(of_blocks[::2], of_blocks[1::2], strict=True)
        ]
        turning = [_turning(energies, turned, j) for j in range(1, count)]
        used = jnp.maximum(jnp.stack(closing, axis=1), 0.0) + TURNING * jnp.stack(turning, axis=1)
    else:
        used = jnp.broadcast_to((own[..., -1] - own[..., 0]).sum(axis=1)[:, None], (k.shape[0], count - 1))
    return energies, -reach - remainder, reach + remainder, used + 2 * remainder[:, None], slope


def _blocks(energies: Array, corners: Array, j: int) -> tuple[Array, Array]:
    """P (E + s.V) P and Q (E + s.V) Q at all corners, (B, 2 S, n, n), for the gap above the lowest ``j`` states.

    Each is measured from its edge of the gap, so that rounding is that of the slopes where bands touch, and filled up
    by states beyond its far end, which leave the end at the gap alone.
    """
    both = jnp.concatenate([corners, -corners], axis=1)
    below = jnp.arange(energies.shape[-1]) < j
    result = []
    for inside, edge, side in ((below, j - 1, -1.0), (~below, j, 1.0)):
        diagonal = jnp.where(inside, energies - energies[:, edge : edge + 1], 0.0)
        block = jnp.where(inside[:, None] & inside, both + (diagonal[..., None] * jnp.eye(len(inside)))[:, None], 0.0)
        beyond = side * 2 * jnp.sqrt((jnp.abs(block) ** 2).sum(axis=(-1, -2), keepdims=True))
        result.append(block + beyond * jnp.diag(jnp.where(inside, 0.0, 1.0)))
    return result[0], result[1]


def _turning(energies: Array, turned: Array, j: int) -> Array:
    """Gap times the angle by which states turn across it, (B,)."""
    gap = energies[:, j] - energies[:, j - 1]
    apart = energies[:, None, j:] - energies[:, :j, None]
    angle = jnp.where(apart > gap[:, None, None], gap[:, None, None] / jnp.maximum(apart, 1e-300), 1.0)
    return jnp.sqrt(((jnp.abs(turned[:, :, :j, j:]) * angle[:, None]) ** 2).sum(axis=(-1, -2))).sum(axis=1)


@eqx.filter_jit
def sampled_remainder(model: AbstractModel, points: Array, offsets: Array, edges: Array) -> Array:
    """Estimate of ||R||, (B,), from H at ``points`` (B, S, d): the centre first, the others at s = offsets (S, a)."""
    count, samples, d = points.shape
    hamiltonian = model.matrices(points.reshape(-1, d)).hamiltonian.reshape(count, samples, model.num_bands, -1)
    slopes = jnp.einsum("bac,bcij->baij", edges, model.matrices(points[:, 0]).gradient)
    linear = hamiltonian[:, :1] + jnp.einsum("sa,baij->bsij", offsets, slopes)
    distance = jnp.sqrt((jnp.abs(hamiltonian - linear) ** 2).sum(axis=(-1, -2)))
    return SAMPLED_SAFETY * distance.max(axis=1)
