"""Effective Hamiltonian of a few neighbouring bands in one cell of the zone, interpolated between Gauss nodes.

    Phi(k) = U_G(k) Q(k),   Q = polar factor of U_G(k)^+ U_G(centre)                       smooth gauge
    H_G = Phi^+ H Phi = Q^+ E_G Q,   V_G,a = Phi^+ (d_a H + i [H, A_a]) Phi                 covariant velocity
    F_G,ab = Phi^+ F_ab Phi + i sum_{l not in G} (A_a,nl A_b,lm - A_b,nl A_a,lm),   A_a,nl = -i V_a,nl/(E_n - E_l)

(H_G, V_G, F_G) are what Berry curvature needs, they are exact at the nodes, and they are smooth in a cell as long as
the group stays apart from the other bands, whatever happens inside it; so nothing has to be differentiated.  Band sums
of the group differ from the full ones by a term of the lower bands that is as smooth.
Legend: U_G states of the group, A position matrices and F curvature of the basis.
Source: Wang, Yates, Souza, Vanderbilt, PRB 74, 195118 (2006), Eqs. (23)-(32) for V and F; smooth gauge by projection:
Marzari and Vanderbilt, PRB 56, 12847 (1997), Sec. IV G.
"""

from __future__ import annotations

import equinox as eqx
import numpy as np
from jaxtyping import Complex, Float, Int

from blochflow.core.backend import Array, jax, jnp
from blochflow.geometry.bands import adjoint
from blochflow.geometry.cumulative import Eigenbasis, eigenbasis
from blochflow.geometry.eigen import eigh
from blochflow.models.base import PAIRS, BlochMatrices


class Groups(eqx.Module):
    """Group of bands of each cell: bands start .. start + size - 1; size 0 where no band needs one.

    Attributes
    ----------
    start, size : (cells,)
    reference : (cells, n, g)
        States of the group at the centre of the cell; columns beyond ``size`` are not used.
    """

    start: Int[Array, " cells"]
    size: Int[Array, " cells"]
    reference: Complex[Array, "cells n g"]


class CentreData(eqx.Module):
    """What the choice of a group needs, at the centres of cells.

    Attributes
    ----------
    energies : (k, n)
    states : (k, n, n)
    spread : (k, n)
        Sum over axes of half width times |dE_n|: how far E_n moves within the cell.
    turning : (k, n + 1)
        Largest |half edges . V_nm| / (smallest E_m - E_n within the cell by the slopes) of the pairs across the
        boundary below band j: how far the states below turn into those above; 0 at both ends, inf if bands may meet.
    """

    energies: Float[Array, "k n"]
    states: Complex[Array, "k n n"]
    spread: Float[Array, "k n"]
    turning: Float[Array, "k m"]


class GroupMatrices(eqx.Module):
    """(H_G, V_G, F_G) of groups padded with zeros to one size g, and how well the group stays apart.

    Attributes
    ----------
    packed : (k, c, g, g)
        H, V_a, F_p as real matrices, see `pack`.
    overlap : (k,)
        Smallest singular value of the overlap with the group at the centre; 1 when nothing turns.
    below, above : (k,)
        Highest energy below and lowest energy above the group (-inf, inf where there is none).
    """

    packed: Float[Array, "k c g g"]
    overlap: Float[Array, " k"]
    below: Float[Array, " k"]
    above: Float[Array, " k"]


def centre_data(matrices: BlochMatrices, half: Float[Array, "x a"]) -> CentreData:
    """Spread and turning at a batch of centres; ``half`` are the half edges of the cell in the components of V."""
    energies, states = eigh(matrices.hamiltonian)
    velocity = covariant_rows(matrices, energies, states, energies, states)
    along = jnp.einsum("xa,kanm->kxnm", half, velocity)
    step = jnp.abs(along).sum(axis=1)
    slope = jnp.diagonal(along, axis1=2, axis2=3).real
    approach = jnp.abs(slope[..., :, None] - slope[..., None, :]).sum(axis=1)
    gap = jnp.abs(energies[:, :, None] - energies[:, None, :])
    ratio = jnp.where(gap > approach, step / jnp.where(gap > approach, gap - approach, 1.0), jnp.inf)
    end = jnp.zeros(energies.shape[0])
    between = [ratio[:, :j, j:].max(axis=(1, 2)) for j in range(1, energies.shape[1])]
    spread = jnp.diagonal(step, axis1=1, axis2=2)
    return CentreData(energies, states, spread, jnp.stack([end, *between, end], axis=1))


def covariant_rows(matrices: BlochMatrices, row_energies: Array, rows: Array, energies: Array, states: Array) -> Array:
    """<n| d_a H + i [H, A_a] |m> between eigenstates ``rows`` (k, i, g) and all ``states`` (k, i, n): (k, a, g, n)."""
    left = adjoint(rows)[:, None]
    velocity = (left @ matrices.gradient) @ states[:, None]
    if matrices.position is None:
        return velocity
    position = (left @ matrices.position) @ states[:, None]
    return velocity + 1j * (row_energies[:, :, None] - energies[:, None, :])[:, None] * position


def half_edges(matrices_frame: bool, reciprocal: np.ndarray, widths: tuple[float, ...]) -> np.ndarray:
    """(x, a): half of edge x of a cell in the components of the velocity (2 pi k_frac, or Cartesian)."""
    if matrices_frame:
        return np.pi * np.diag(widths)
    return 0.5 * np.asarray(widths)[:, None] * reciprocal


def choose_groups(
    centre: CentreData, low: float, high: float, sizes: tuple[int, ...], turning: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smallest group of each cell that holds all bands between ``low`` and ``high`` and hardly turns into the others.

    Returns
    -------
    start, size : (cells,)
    separate : (cells,) bool
        False where even the best group leaves partly filled bands outside.
    """
    energies, spread, turn = (np.asarray(x) for x in (centre.energies, centre.spread, centre.turning))
    cells, bands = energies.shape
    edge = np.full((cells, 1), -np.inf)
    filled = np.concatenate([edge, np.maximum.accumulate(energies + spread, axis=1)], axis=1) < low
    lowest = np.minimum.accumulate((energies - spread)[:, ::-1], axis=1)[:, ::-1]
    empty = np.concatenate([lowest, -edge], axis=1) > high
    start, size = np.zeros(cells, dtype=int), np.full(cells, min(sizes[-1], bands))
    best, done = np.full(cells, np.inf), np.zeros(cells, dtype=bool)
    for count in dict.fromkeys(min(s, bands) for s in sizes):
        last = bands + 1 - count
        allowed = filled[:, :last] & empty[:, count:]
        score = np.where(allowed, np.maximum(turn[:, :last], turn[:, count:]), np.inf)
        where = score.argmin(axis=1)
        value = score[np.arange(cells), where]
        better = ~done & (value < best)
        start, size, best = np.where(better, where, start), np.where(better, count, size), np.minimum(best, value)
        done |= best <= turning
    return start, size, np.isfinite(best)


def group_matrices(matrices: BlochMatrices, groups: Groups, cell: Int[Array, " k"]) -> GroupMatrices:
    """(H_G, V_G, F_G) at a batch of k in the smooth gauge of the cell that each k belongs to."""
    basis: Eigenbasis = matrices.eigenbasis or eigenbasis(matrices)
    energies, states = basis.energies, basis.states
    bands, width = energies.shape[1], groups.reference.shape[2]
    start, size = groups.start[cell][:, None], groups.size[cell][:, None]
    used = jnp.arange(width) < size
    member = jnp.minimum(start + jnp.arange(width), bands - 1)
    rows = jnp.take_along_axis(states, member[:, None, :], axis=2)
    row_energies = jnp.take_along_axis(energies, member, axis=1)
    index = jnp.arange(bands)
    lower, upper = index < start, index >= start + size
    velocity, position = (chosen_rows(part, member) for part in (basis.velocity, basis.position))
    gap = row_energies[:, :, None] - energies[:, None, :]
    outside = used[:, :, None] & (lower | upper)[:, None, :] & (gap != 0)
    mixing = jnp.where(outside, 1 / jnp.where(outside, gap, 1.0), 0.0)[:, None] * velocity
    inner = jnp.take_along_axis(velocity, member[:, None, None, :], axis=3)
    block = used[:, :, None] & used[:, None, :]
    turn, overlap = polar_gauge(jnp.where(block, adjoint(rows) @ groups.reference[cell], 0.0), used)
    curvature = group_curvature(matrices, rows, mixing, position)
    diagonal = (jnp.where(used, row_energies, 0.0)[:, :, None] * jnp.eye(width)).astype(states.dtype)
    fields = jnp.concatenate(
        [diagonal[:, None], jnp.where(block[:, None], jnp.concatenate([inner, *curvature], axis=1), 0)], axis=1
    )
    smooth = adjoint(turn)[:, None] @ fields @ turn[:, None]
    below = jnp.where(lower, energies, -jnp.inf).max(axis=1)
    above = jnp.where(upper, energies, jnp.inf).min(axis=1)
    return GroupMatrices(pack(smooth), overlap, below, above)


def chosen_rows(parts: list[tuple[Array, Array]], member: Array) -> Array:
    """Rows ``member`` (k, g) of matrices given as (Re, Im) for every direction: (k, a, g, n)."""
    if not parts:
        return jnp.zeros((len(member), 0, member.shape[1], 0))
    row = member[:, :, None]
    return jnp.stack([jax.lax.complex(*(jnp.take_along_axis(x, row, axis=1) for x in part)) for part in parts], axis=1)


def group_curvature(matrices: BlochMatrices, rows: Array, mixing: Array, position: Array) -> list[Array]:
    """F_G,ab between eigenstates of the group for every pair of `PAIRS`, each (k, 1, g, g).

    ``mixing`` (k, a, g, n) is V_nl / (E_n - E_l) for l outside the group, else 0; ``position`` (k, a, g, n) is A_nl.
    """
    result = []
    for p, (a, b) in enumerate(PAIRS[matrices.gradient.shape[1]]):
        product = mixing[:, a] @ adjoint(mixing[:, b])
        term = 1j * (product - adjoint(product))
        if position.shape[1] and matrices.position_curl is not None:
            product = position[:, a] @ adjoint(position[:, b])
            term += adjoint(rows) @ (matrices.position_curl[:, p] @ rows) - 1j * (product - adjoint(product))
        result.append(term[:, None])
    return result


def polar_gauge(overlap: Array, used: Array) -> tuple[Array, Array]:
    """Unitary polar factor M (M^+ M)^(-1/2) of overlaps (k, g, g), 1 outside ``used``; smallest singular value."""
    padding = jnp.where(used, 0.0, 1.0)[:, :, None] * jnp.eye(overlap.shape[-1])
    square, vectors = eigh(adjoint(overlap) @ overlap + padding)
    inverse = vectors / jnp.sqrt(jnp.maximum(square, 1e-30))[:, None, :]
    return (overlap + padding) @ inverse @ adjoint(vectors), jnp.sqrt(jnp.maximum(square[:, 0], 0.0))


def pack(matrix: Array) -> Array:
    """Hermitian (.., g, g) as real matrices: real part on and above the diagonal, imaginary part below."""
    width = matrix.shape[-1]
    return jnp.where(np.tri(width, k=-1, dtype=bool), matrix.imag, matrix.real)


def unpack(packed: Array) -> Array:
    """The inverse of `pack`."""
    low = np.tri(packed.shape[-1], k=-1)
    lower = packed * low
    upper = packed * (1 - low)
    strict = packed * low.T
    return jax.lax.complex(upper + jnp.swapaxes(strict, -1, -2), lower - jnp.swapaxes(lower, -1, -2))


def as_matrices(packed: Array, dimension: int, frame: Array | None, length: Array | float) -> BlochMatrices:
    """Packed (H_G, V_G, F_G) (k, c, g, g) as the matrices of a model in its own covariant frame."""
    full = unpack(packed)
    hamiltonian, gradient, curvature = full[:, 0], full[:, 1 : 1 + dimension], full[:, 1 + dimension :]
    return BlochMatrices(hamiltonian, gradient, None, curvature, frame, length)
