"""Where neighbouring bands almost touch between points: found from the slopes at the points, then by Newton steps.

    H = E_0 + d . tau in the two states,   d(s + ds) = d(s) + M ds,   gap = 2 |d|
    least gap near s:  ds = -M^+ d                              M^+ pseudo-inverse without the direction of a line
    |d| < r around it is an ellipse across the line: ds = (cos(t) w_1/sigma_1 + sin(t) w_2/sigma_2) r

Legend: tau Pauli matrices between the two states, s position in a box scaled to [0, 1]^d, sigma >= 0 and w the singular
values and right vectors of M.  Berry curvature of the lower state over the ellipse is pi for every gap << r: its points
are dense where the gap opens, so that they see what a rule in the box may miss.
"""

from __future__ import annotations

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from blochflow.core.backend import Array, jnp
from blochflow.zone.polynomials import gauss_rule

# Gaps count as able to close this many times further away than the slopes say.
REACH = 2.0
# Newton steps; the last ones find nothing new where the gap opens linearly.
STEPS = 6
# Longest step along an edge of the box.
LONGEST = 0.25
# A direction in which the gap opens this much slower than in the fastest lies on a line of small gaps.
ALONG = 0.1
# Pairs that turn less than this into one another between points hide little.
TURNING = 0.05
RADII, ANGLES = 10, 6


class NearTouching(eqx.Module):
    """Least gaps found.

    Attributes
    ----------
    position : (m, d)
        In the box.
    gap : (m,)
    speed : (m, s)
        Singular values of M, largest first.
    axes : (m, d, d)
        Rows are the right singular vectors.
    """

    position: Float[Array, "m d"]
    gap: Float[Array, " m"]
    speed: Float[Array, "m s"]
    axes: Float[Array, "m d d"]


def may_touch(
    energies: Float[Array, "k n"],
    slopes: Float[Array, "k d n"],
    half: Float[Array, "k d"],
    low: Array | float,
    high: Array | float,
) -> Bool[Array, "k m"]:
    """Pairs (j, j + 1) whose gap, going on as at k, closes within ``half`` of k along every edge, near [low, high]."""
    reach = REACH * jnp.einsum("kdn,kd->kn", jnp.abs(slopes), half)
    relative = REACH * jnp.einsum("kdm,kd->km", jnp.abs(jnp.diff(slopes, axis=2)), half)
    near = ((energies - reach)[:, :-1] < high) & ((energies + reach)[:, 1:] > low)
    return near & (jnp.diff(energies, axis=1) <= relative)


def mixing(energies: Float[Array, "k n"], velocity: Array, half: Float[Array, "k d"]) -> Float[Array, "k m"]:
    """How far the pairs (j, j + 1) turn into one another within ``half``: |V_j,j+1| half / gap.

    Bands that cross without mixing hide nothing.
    """
    off = jnp.abs(jnp.diagonal(velocity, offset=1, axis1=2, axis2=3))
    gap = jnp.maximum(jnp.diff(energies, axis=1), 1e-300)
    return jnp.einsum("kdm,kd->km", off, half) / gap


def half_spacings(order: int, dimension: int) -> np.ndarray:
    """(order^d, d): from each point of the tensor Gauss rule on [0, 1]^d to its farther neighbour or wall, halved."""
    nodes = 0.5 * (gauss_rule(order).nodes + 1)
    walls = np.concatenate([[-nodes[0]], nodes, [2 - nodes[-1]]])
    half = 0.5 * np.maximum(np.diff(walls)[:-1], np.diff(walls)[1:])
    grid = np.meshgrid(*[half] * dimension, indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, dimension)


def pair_vectors(velocity: Array, pair: Int[Array, " m"]) -> Float[Array, "m 3 d"]:
    """M: traceless parts in Pauli matrices of V (m, d, n, n) between the states ``pair``, ``pair`` + 1."""
    row = jnp.arange(len(pair))
    off = velocity[row, :, pair, pair + 1]
    z = 0.5 * (velocity[row, :, pair, pair] - velocity[row, :, pair + 1, pair + 1]).real
    return jnp.stack([off.real, -off.imag, z], axis=1)


def newton_step(gap: Float[Array, " m"], vectors: Float[Array, "m 3 d"]) -> Float[Array, "m d"]:
    """The step to the least gap, none along directions in which it hardly opens."""
    left, speed, axes = jnp.linalg.svd(vectors, full_matrices=False)
    used = speed > jnp.maximum(ALONG * speed[:, :1], 1e-300)
    # d = (0, 0, -gap/2): the lower state has the lower energy
    along = left[:, 2, :] * (0.5 * gap)[:, None]
    step = jnp.einsum("ms,msd->md", jnp.where(used, along / jnp.where(used, speed, 1.0), 0.0), axes)
    return jnp.clip(step, -LONGEST, LONGEST)


def ellipse(found: NearTouching, radius: Float[Array, " m"], smooth: Array | float) -> tuple[Array, Array]:
    """Points (m, p, d) on the ellipse |d| < radius, graded towards its centre, and their weights (m, p).

    The last ``ANGLES`` points lie on the rim.  ``smooth`` is a least scale of energy.
    """
    t, w = 0.5 * (gauss_rule(RADII).nodes + 1), gauss_rule(RADII).weights
    t, w = np.append(t, 1.0), np.append(w, 0.0)
    angle = 2 * np.pi * (np.arange(ANGLES) + 0.5) / ANGLES
    floor = jnp.maximum(jnp.maximum(0.5 * found.gap, smooth), 1e-9 * radius)
    span = jnp.arcsinh(radius / floor)
    r = floor[:, None] * jnp.sinh(t * span[:, None])
    dr = w * span[:, None] * jnp.sqrt(r**2 + floor[:, None] ** 2)
    area = jnp.maximum(found.speed[:, 0] * found.speed[:, 1], 1e-300)
    weights = r * dr * 2 * np.pi / ANGLES / area[:, None]
    direction = found.axes[:, :2] / jnp.maximum(found.speed[:, :2], 1e-150)[..., None]
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    around = jnp.einsum("ax,mxd->mad", circle, direction)
    points = found.position[:, None, None] + r[:, :, None, None] * around[:, None]
    shape = (*r.shape, ANGLES)
    return points.reshape(len(r), -1, points.shape[-1]), jnp.broadcast_to(weights[..., None], shape).reshape(len(r), -1)
