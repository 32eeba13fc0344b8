"""States of a group of bands on meshes and paths, and the overlaps (links) between neighbouring ones.

    M_gh = <u_g(k)|u_h(k')>,   u(k + G) = exp(-i G.tau) u(k)        (orbital positions in the phases)

Everything built from links is gauge invariant: only determinants around closed loops, or eigenvalues of products,
are used.  All checks run on the host.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import fail
from blochflow.core.errors import DegenerateBandsError
from blochflow.geometry.bands import DEGENERACY_TOLERANCE
from blochflow.geometry.eigen import eigh
from blochflow.geometry.subspace import Subspace
from blochflow.models.base import AbstractModel, check_finite

CHUNK = 2048  # points per call: bounds the memory of the eigenproblem, not of the result


def as_subspace(bands: Any, num_bands: int) -> Subspace:
    """A band index, a list of them or a `Subspace`, checked against the number of bands."""
    if isinstance(bands, int | np.integer) and not isinstance(bands, bool):
        bands = [bands]
    if not isinstance(bands, Subspace | Iterable) or isinstance(bands, str):
        raise fail("bands", "be a band index, a list of band indices or a bf.Subspace", f"is {bands!r}")
    group = bands if isinstance(bands, Subspace) else Subspace(bands)
    if group.bands[-1] >= num_bands:
        raise fail("bands", f"name bands 0 to {num_bands - 1}", f"is {list(group.bands)}")
    return group


def group_states(model: AbstractModel, k: np.ndarray, group: Subspace) -> tuple[np.ndarray, np.ndarray]:
    """States (K, i, g) of a group at Cartesian k, and its distance (K,) in energy from the other bands.

    Raises `DegenerateBandsError` where the group touches the others within rounding.
    """
    states, gaps, largest = [], [], 0.0
    for start in range(0, len(k), CHUNK):
        part = k[start : start + CHUNK]
        energies, vectors = solve(model, part)
        states.append(vectors[:, :, list(group.bands)])
        gaps.append(outer_gap(energies, group))
        largest = max(largest, float(np.abs(energies).max()))
    gap = np.concatenate(gaps)
    if gap.min() <= DEGENERACY_TOLERANCE * largest:
        raise touching_error(model, k[int(gap.argmin())], group)
    return np.concatenate(states), gap


def solve(model: AbstractModel, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energies and states at k (K, d), as NumPy arrays; K is padded to a power of two."""
    size = max(4, 1 << (len(k) - 1).bit_length())
    padded = np.concatenate([k, np.repeat(k[-1:], size - len(k), axis=0)])
    energies, states = _solve(model, jnp.asarray(padded))
    check_finite(np.asarray(energies)[: len(k)], k, "The Hamiltonian")
    return np.asarray(energies)[: len(k)], np.asarray(states)[: len(k)]


@eqx.filter_jit
def _solve(model: AbstractModel, k: Array) -> tuple[Array, Array]:
    return eigh(model.matrices(k).hamiltonian)


def outer_gap(energies: np.ndarray, group: Subspace) -> np.ndarray:
    """(K,) smallest distance in energy between a band of the group and one outside; infinite without the latter."""
    inside = group.mask(energies.shape[-1])
    if inside.all():
        return np.full(len(energies), np.inf)
    distance = np.abs(energies[:, inside][:, :, None] - energies[:, ~inside][:, None, :])
    return distance.min(axis=(1, 2))


def touching_error(model: AbstractModel, k: np.ndarray, group: Subspace) -> DegenerateBandsError:
    """The error for a group that meets another band at k."""
    energies = solve(model, k[None])[0][0]
    inside = group.mask(len(energies))
    distance = np.abs(energies[:, None] - energies[None, :]) + np.where(inside[:, None] & ~inside[None, :], 0.0, np.inf)
    n, m = np.unravel_index(int(distance.argmin()), distance.shape)
    return DegenerateBandsError(k, (int(min(n, m)), int(max(n, m))), float(distance[n, m]), "topology")


def closest_approach(
    model: AbstractModel, group: Subspace, k: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, float]:
    """Local minimum of the outer gap near k, by a zooming search over k + span of ``step`` (s, d)."""
    width = len(step)
    pattern = np.stack(np.meshgrid(*[np.arange(-2, 3)] * width, indexing="ij"), axis=-1).reshape(-1, width)
    scale, best = 0.5, np.inf
    for _ in range(60):  # 60 halvings at most: 1e-18 of a mesh cell
        points = k + scale * (pattern @ step)
        gap = outer_gap(solve(model, points)[0], group)
        found = int(gap.argmin())
        if gap[found] < best and np.any(pattern[found]):
            k, best = points[found], float(gap[found])
        else:
            best, scale = min(best, float(gap[found])), 0.5 * scale
    return k, best


def reciprocal_phases(model: AbstractModel, shift: np.ndarray) -> np.ndarray:
    """exp(-i G.tau) (i,) for a Cartesian reciprocal vector G."""
    if model.orbitals is None:
        return np.ones(model.num_bands, dtype=np.complex128)
    return np.exp(-1j * (np.asarray(model.orbitals) @ shift))


def overlaps(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """<u_g|u_h> for states (..., i, g): (..., g, g)."""
    return np.conj(np.swapaxes(left, -1, -2)) @ right


def smallest_singular_value(matrices: np.ndarray) -> np.ndarray:
    """(...,) smallest singular value of matrices (..., g, g)."""
    if matrices.shape[-1] == 1:
        return np.abs(matrices[..., 0, 0])
    return np.linalg.svd(matrices, compute_uv=False)[..., -1]
