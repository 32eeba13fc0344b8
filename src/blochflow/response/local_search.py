"""Small gaps inside boxes of a local model between the points of a rule, and what the rule misses there.

    missed = length Int_ellipse d^2s (X - X_rim) - sum_{points in the tube} w (X - X_rim)

The points of the rule show where a gap may close between them; Newton's method finds how far it does.  The integrand X
is integrated over the ellipse across the line of small gaps (`geometry.near_touching`); ``length`` is how far the line
runs in a part of the box, and the tube is what the ellipse sweeps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from blochflow.core.backend import Array, jax, jnp
from blochflow.geometry.cumulative import in_eigenstates
from blochflow.geometry.local_model import as_matrices
from blochflow.geometry.near_touching import (
    ANGLES,
    STEPS,
    TURNING,
    NearTouching,
    ellipse,
    half_spacings,
    may_touch,
    mixing,
    newton_step,
    pair_vectors,
)
from blochflow.models.base import BlochMatrices
from blochflow.zone.polynomials import gauss_rule, product_weights
from blochflow.zone.tiling import lagrange

Integrand = Callable[..., tuple[Array, Array]]


class Suspects(eqx.Module):
    """Points of a rule next to which a gap may close: one for each part of each box and each pair of bands.

    Attributes
    ----------
    found : (boxes, parts, pairs) bool
    start : (boxes, parts, pairs)
        Number of the point.
    """

    found: Bool[Array, "boxes parts pairs"]
    start: Int[Array, "boxes parts pairs"]


def parts_of_box(order: int, dimension: int) -> np.ndarray:
    """(2^d, order^d) bool: the points of the tensor rule in each half along every axis."""
    upper = np.arange(order) >= order // 2
    grid = np.stack(np.meshgrid(*[upper] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    return (grid @ (1 << np.arange(dimension)))[None] == np.arange(2**dimension)[:, None]


def suspects(matrices: BlochMatrices, edges: Array, window: Array, order: int) -> Suspects:
    """`Suspects` of one box (without its axis) from the eigenbasis at the points of the rule.

    ``edges`` (x, a) are the edges of the box in the components of the velocity, ``window`` the energies (low, high).
    """
    basis = matrices.eigenbasis
    d = len(basis.velocity)
    velocity = jnp.stack([jax.lax.complex(*v) for v in basis.velocity], axis=1)
    along = jnp.einsum("xa,kanm->kxnm", edges, velocity)
    half = jnp.asarray(half_spacings(order, d))
    flagged = may_touch(basis.energies, jnp.diagonal(along, axis1=2, axis2=3).real, half, window[0], window[1])
    turning = jnp.where(flagged, mixing(basis.energies, along, half), 0.0)
    turning = jnp.where(parts_of_box(order, d)[:, :, None], turning, 0.0)
    return Suspects(turning.max(axis=1) > TURNING, turning.argmax(axis=1))


def polynomials(packed: Array, position: Array, count: int) -> Array:
    """Local model (n^d, c, g, g) at ``position`` (m, d) in its cell [-1, 1]^d, or one model for each: (m, c, g, g)."""
    weights = jnp.ones((len(position), 1))
    for axis in range(position.shape[1]):
        each = lagrange(count, position[:, axis])
        weights = (weights[:, :, None] * each[:, None, :]).reshape(len(position), -1)
    fields = packed.reshape(*packed.shape[:-3], -1)
    fields = weights @ fields if packed.ndim == 4 else jnp.einsum("mn,mnx->mx", weights, fields)
    return fields.reshape(len(position), *packed.shape[-3:])


def inside(packed: Array, position: Array, count: int, frame: Array | None, length: Array | float) -> BlochMatrices:
    """Matrices of `polynomials`, with their eigenbasis."""
    matrices = as_matrices(polynomials(packed, position, count), position.shape[1], frame, length)
    return dataclasses.replace(matrices, eigenbasis=in_eigenstates(matrices))


@eqx.filter_jit
def search(
    packed: Array,
    boxes: Array,
    edges: Array,
    start: Array,
    pair: Array,
    frame: Array | None,
    length: Array | float,
    count: int,
) -> NearTouching:
    """The least gap of ``pair`` (m,) near ``start`` (m, d), positions in the boxes [0, 1]^d, by Newton's method."""
    row = jnp.arange(len(pair))

    def one(carry: Any, _: None) -> tuple[Any, None]:
        position, best, least, kept = carry
        basis = inside(packed, boxes[:, 0] + position * (boxes[:, 1] - boxes[:, 0]), count, frame, length).eigenbasis
        gap = basis.energies[row, pair + 1] - basis.energies[row, pair]
        velocity = jnp.stack([jax.lax.complex(*v) for v in basis.velocity], axis=1)
        vectors = jnp.einsum("mxa,mca->mcx", edges, pair_vectors(velocity, pair))
        better = gap < least
        best, least = jnp.where(better[:, None], position, best), jnp.where(better, gap, least)
        kept = jnp.where(better[:, None, None], vectors, kept)
        return (position + newton_step(gap, vectors), best, least, kept), None

    none = jnp.zeros((len(pair), 3, start.shape[1]))
    first = (start, start, jnp.full(len(pair), jnp.inf), none)
    (_, best, least, kept), _ = jax.lax.scan(one, first, length=STEPS + 1)
    _, speed, axes = jnp.linalg.svd(kept, full_matrices=True)
    return NearTouching(best, least, speed, axes)


@eqx.filter_jit
def missed(
    integrand: Integrand,
    packed: Array,
    true: Array,
    boxes: Array,
    found: NearTouching,
    tubes: Array,
    part: Array,
    frame: Array | None,
    length: Array | float,
    count: int,
    order: int,
) -> Float[Array, "m both p c"]:
    """Integral over the tube around each line of small gaps, and what the points of the rule in the tube make of it.

    ``tubes`` (m, 2) are the radius |d| < r and the length in the part ``part`` (m,) of the box; ``true`` are the models
    for the integral, ``packed`` those of the rule.
    """
    d = boxes.shape[2]
    points, weights = ellipse(found, tubes[:, 0], 0.0)
    masks = parts_of_box(order, d)
    own = jnp.asarray(np.stack([tensor_points(order, d)[mask] for mask in masks]))[part]
    share = jnp.asarray(np.stack([product_weights(order, d)[mask] for mask in masks]))[part]
    apart = jnp.einsum("mrd,mpd->mpr", found.axes, own - found.position[:, None])
    speed = jnp.concatenate([found.speed, jnp.zeros((len(part), d - found.speed.shape[1]))], axis=1)
    away = speed[:, None] * apart
    within = (away[..., :2] ** 2).sum(axis=-1) < tubes[:, :1] ** 2
    if d == 3:
        within &= jnp.abs(away[..., 2]) < tubes[:, :1]
    share = jnp.where(within, share, 0.0)

    def one(item: tuple[Array, ...]) -> Array:
        box = item[2]
        both = []
        for values, at, weight in ((item[1], item[3], item[4]), (item[0], item[5], item[6])):
            at = jnp.concatenate([at, item[3][-ANGLES:]])
            inner, _ = integrand(inside(values, box[0] + at * (box[1] - box[0]), count, frame, length))
            both.append(jnp.tensordot(weight, inner[:-ANGLES] - inner[-ANGLES:].mean(axis=0), axes=1))
        return jnp.stack([item[7] * both[0], both[1]])

    return jax.lax.map(one, (packed, true, boxes, points, weights, own, share, tubes[:, 1]))


def tensor_points(order: int, dimension: int) -> np.ndarray:
    """(order^d, d): the tensor Gauss rule on [0, 1]^d."""
    nodes = 0.5 * (gauss_rule(order).nodes + 1)
    return np.stack(np.meshgrid(*[nodes] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
