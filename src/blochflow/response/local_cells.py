"""Kernels of `local_average`: full model on the Gauss nodes of cells, group models on boxes inside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from blochflow.core.backend import Array, jax, jnp
from blochflow.geometry.cumulative import eigenbasis, in_eigenstates
from blochflow.geometry.local_model import (
    CentreData,
    Groups,
    as_matrices,
    centre_data,
    group_matrices,
)
from blochflow.models.base import AbstractModel, BlochMatrices, map_chunks
from blochflow.response.local_search import Suspects, suspects
from blochflow.zone.polynomials import gauss_rule, product_weights
from blochflow.zone.tiling import interpolate, lagrange

Integrand = Callable[..., tuple[Array, Array]]


class NodeData(eqx.Module):
    """Cells of a block after evaluation of the full model.

    Attributes
    ----------
    value, absolute : (cells, P, C)
        Gauss rule of the integrand, and of its absolute value.
    gap : (P,)
        Smallest gap seen.
    packed : (cells, n^d, c, g, g)
        Group matrices on the nodes.
    overlap, below, above : (cells,)
        Worst node of `GroupMatrices`.
    """

    value: Float[Array, "cells p c"]
    absolute: Float[Array, "cells p c"]
    gap: Float[Array, " p"]
    packed: Float[Array, "cells nodes c g g"]
    overlap: Float[Array, " cells"]
    below: Float[Array, " cells"]
    above: Float[Array, " cells"]


@eqx.filter_jit
def evaluate_centres(
    model: AbstractModel, prepared: Any, axes: tuple[Array, ...], half: Array, points: int
) -> CentreData:
    """`centre_data` at the centres of a block of cells."""
    data = map_chunks(model, axes, prepared, points, lambda matrices, _: centre_data(matrices, half))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[3:]), data)


@eqx.filter_jit
def evaluate_nodes(
    model: AbstractModel,
    prepared: Any,
    integrand: Integrand,
    axes: tuple[Array, ...],
    groups: Groups,
    shape: tuple[int, ...],
    count: int,
    points: int,
) -> NodeData:
    """The full model on ``count`` Gauss nodes per axis of a block of ``shape`` cells."""
    d = len(axes)
    cell = jnp.arange(int(np.prod(shape))).reshape(shape)
    for axis in range(d):
        cell = jnp.repeat(cell, count, axis=axis)

    def one(matrices: BlochMatrices, index: Array) -> Any:
        matrices = dataclasses.replace(matrices, eigenbasis=eigenbasis(matrices))
        values, gap = integrand(matrices)
        return values, gap.min(axis=0), group_matrices(matrices, groups, index)

    values, gap, group = map_chunks(model, axes, prepared, points, one, cell.reshape(-1))

    def by_cell(array: Array) -> Array:
        rest = array.shape[3:]
        split = array.reshape(*(x for m in shape for x in (m, count)), *rest)
        order = [*range(0, 2 * d, 2), *range(1, 2 * d, 2), *range(2 * d, 2 * d + len(rest))]
        return split.transpose(order).reshape(cell_count, count**d, *rest)

    cell_count = int(np.prod(shape))
    weights = jnp.asarray(product_weights(count, d))
    values, group = by_cell(values), jax.tree.map(by_cell, group)
    return NodeData(
        jnp.einsum("n,knpc->kpc", weights, values),
        jnp.einsum("n,knpc->kpc", weights, jnp.abs(values)),
        gap.min(axis=(0, 1)),
        group.packed,
        group.overlap.min(axis=1),
        group.below.max(axis=1),
        group.above.min(axis=1),
    )


@eqx.filter_jit
def evaluate_boxes(
    integrand: Integrand,
    packed: Array,
    boxes: Array,
    edges: Array,
    window: Array,
    frame: Array | None,
    length: Array | float,
    orders: tuple[int, ...],
    size: int,
    count: int,
) -> tuple[tuple[Array, ...], Suspects]:
    """Integrals over boxes inside cells of the group model, for several orders of the Gauss rule.

    Parameters
    ----------
    packed : (boxes, n^d, c, g, g)
        Group matrices on the nodes of the cell each box belongs to.
    boxes : (boxes, 2, d)
        Lower and upper corners in the scaled coordinates [-1, 1] of the cell.
    edges : (x, a)
        Edges of the cell in the components of the velocity.
    window : (2,)
        Energies that count for suspects.
    size : int
        Bands of the group, at most g.

    Returns
    -------
    One (boxes, P, C) array for each order, averages over the box; where gaps may close between points of the first.
    """
    d = boxes.shape[2]
    used = packed[..., :size, :size]

    def one(item: tuple[Array, Array]) -> tuple[tuple[Array, ...], Suspects]:
        values, box = item
        results: list[Array] = []
        seen: list[Suspects] = []
        for order in orders:
            nodes = jnp.asarray(0.5 * (gauss_rule(order).nodes + 1))
            x = box[0] + nodes[:, None] * (box[1] - box[0])
            along = [lagrange(count, x[:, a]) for a in range(d)]
            fields = interpolate(values.reshape(count**d, -1), along).reshape(-1, *used.shape[2:])
            matrices = as_matrices(fields, d, frame, length)
            if not seen:
                matrices = dataclasses.replace(matrices, eigenbasis=in_eigenstates(matrices))
                own = 0.5 * (box[1] - box[0])[:, None] * edges
                seen.append(suspects(matrices, own, window, order))
            inside, _ = integrand(matrices)
            results.append(jnp.tensordot(jnp.asarray(product_weights(order, d)), inside, axes=1))
        return tuple(results), seen[0]

    return jax.lax.map(one, (used, boxes))
