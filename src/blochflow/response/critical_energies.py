"""Energies at which a Fermi surface changes its topology: edges, further extrema and saddles of all bands.

    grad E_n(k) = 0:   minimum, maximum, saddle;   further the lowest and highest energy of every band, also at the
    tips of cones and, for k.p models, at the cutoff

Newton steps on the gradient from all points of a grid where it is smaller than at the neighbours, and a search by
halved steps for the extrema of every band, whose tips may be sharp.  Points between those of the grid that a rapidly
varying band hides are not found.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.geometry.eigen import eigh
from blochflow.models.base import AbstractModel

# Cells of the grid along every axis, by dimension.
GRID = {2: 32, 3: 14}
NEWTON_STEPS, BISECTIONS = 14, 110
# Step of second derivatives and gradients that count as zero, in units of the size of the zone and of E per size.
STEP, FLAT_GRADIENT = 1e-4, 1e-7
# A band narrower than this share of all energies has no edges, only rounding; energies closer than it are the same.
SAME = 1e-10
BATCHES = (256, 4096)


@dataclass(frozen=True)
class CriticalPoint:
    """A place where the level sets of one band change; ``kind`` as in messages."""

    energy: float
    band: int
    k: tuple[float, ...]
    kind: str
    at_cutoff: bool

    @property
    def is_edge(self) -> bool:
        """True for extrema inside the cutoff."""
        return not self.at_cutoff and self.kind != "saddle"

    def describe(self) -> str:
        """For messages: "the bottom of band 1 at k = [0.0, 0.0]"."""
        return f"the {self.kind} of band {self.band} at k = {np.round(self.k, 6).tolist()}"


@eqx.filter_jit
def _solve(model: AbstractModel, k: Array) -> tuple[Array, Array]:
    matrices = model.matrices(k)
    energies, states = eigh(matrices.hamiltonian)
    slopes = (jnp.conj(states)[:, None] * (matrices.gradient @ states[:, None])).sum(axis=-2).real
    return energies, slopes


def _energies_and_slopes(model: AbstractModel, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E (P, n) and its gradient (P, d, n), in batches of two shapes."""
    size = BATCHES[0] if len(k) <= BATCHES[0] else BATCHES[1]
    parts = []
    for first in range(0, len(k), size):
        part = k[first : first + size]
        found = _solve(model, jnp.asarray(np.resize(part, (size, k.shape[1]))))
        parts.append([np.asarray(x)[: len(part)] for x in found])
    energies, slopes = (np.concatenate(x) for x in zip(*parts, strict=True))
    return energies, slopes


def critical_points(model: AbstractModel) -> list[CriticalPoint]:
    """All that the grid shows, by energy; energies of the same place and band once."""
    k, shape, step = _grid(model)
    energies, slopes = _energies_and_slopes(model, k)
    if not np.isfinite(energies).all():
        return []
    scale = max(float(np.abs(energies).max()), 1e-300)
    wide = np.flatnonzero(np.ptp(energies, axis=0) > SAME * scale)
    found = [*_extrema(model, k, energies, step, wide), *_stationary(model, k, slopes, shape, step, wide, scale)]
    result: list[CriticalPoint] = []
    # edges of bands first: they are stationary points too, and rounding must not choose the name
    for point in found:
        same = (x for x in result if x.band == point.band and abs(x.energy - point.energy) <= SAME * scale)
        if next(same, None) is None:
            result.append(point)
    return sorted(result, key=lambda x: x.energy)


def _grid(model: AbstractModel) -> tuple[np.ndarray, tuple[int, ...], float]:
    """Points, their number along every axis, and the longest step."""
    d = model.dimension
    count = GRID[d]
    axis = np.arange(count) / count if model.lattice is not None else np.linspace(-1, 1, count + 1)
    units = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1).reshape(-1, d)
    if model.lattice is None:
        cutoff = float(model.cutoff)  # type: ignore[attr-defined]
        return units * cutoff, (count + 1,) * d, 2 * cutoff / count
    reciprocal = np.asarray(model.lattice.reciprocal)
    return units @ reciprocal, (count,) * d, float(np.linalg.norm(reciprocal, axis=1).max()) / count


def _inside(model: AbstractModel, k: np.ndarray) -> np.ndarray:
    """Points beyond the cutoff are drawn back to it."""
    if model.lattice is not None:
        return k
    cutoff = float(model.cutoff)  # type: ignore[attr-defined]
    length = np.linalg.norm(k, axis=-1, keepdims=True)
    return np.asarray(k * np.minimum(1.0, cutoff / np.maximum(length, 1e-300)))


def _extrema(
    model: AbstractModel, k: np.ndarray, energies: np.ndarray, step: float, wide: np.ndarray
) -> list[CriticalPoint]:
    """Lowest and highest energy of every band: the best of the neighbours, or half the step."""
    d = k.shape[1]
    tasks = [(int(band), sign) for band in wide for sign in (1.0, -1.0)]
    if not tasks:
        return []
    allowed = np.ones(len(k), dtype=bool)
    if model.lattice is None:
        allowed = np.linalg.norm(k, axis=1) <= float(model.cutoff)  # type: ignore[attr-defined]
    inner = np.flatnonzero(allowed)
    band, sign = np.array([b for b, _ in tasks]), np.array([s for _, s in tasks])
    place = np.stack([k[inner[(s * energies[inner, b]).argmin()]] for b, s in tasks])
    best = np.array([(s * energies[inner, b]).min() for b, s in tasks])
    width = np.full(len(tasks), step)
    moves = np.array([x for x in itertools.product((-1, 0, 1), repeat=d) if any(x)], dtype=float)
    rows = np.arange(len(tasks))
    for _ in range(BISECTIONS):
        tried = _inside(model, place[:, None] + width[:, None, None] * moves)
        values = _energies_and_slopes(model, tried.reshape(-1, d))[0].reshape(len(tasks), len(moves), -1)
        values = sign[:, None] * np.take_along_axis(values, band[:, None, None], axis=2)[..., 0]
        choice = values.argmin(axis=1)
        better = values[rows, choice] < best
        place = np.where(better[:, None], tried[rows, choice], place)
        best = np.where(better, values[rows, choice], best)
        width = np.where(better, width, 0.5 * width)
        if width.max() < 1e-12 * step:
            break
    result = []
    for i, (b, s) in enumerate(tasks):
        at_cutoff = False
        if model.lattice is None:
            cutoff = float(model.cutoff)  # type: ignore[attr-defined]
            at_cutoff = bool(np.linalg.norm(place[i]) > cutoff * (1 - 1e-6))
        kind = "bottom" if s > 0 else "top"
        result.append(CriticalPoint(float(s * best[i]), b, tuple(map(float, place[i])), kind, at_cutoff))
    return result


def _stationary(
    model: AbstractModel,
    k: np.ndarray,
    slopes: np.ndarray,
    shape: tuple[int, ...],
    step: float,
    wide: np.ndarray,
    scale: float,
) -> list[CriticalPoint]:
    """Zeros of the gradient, by Newton steps of at most one step of the grid."""
    d = k.shape[1]
    size = (slopes**2).sum(axis=1).reshape(*shape, -1)
    starts, bands = [], []
    for band in wide:
        lowest = _local_minima(size[..., band], periodic=model.lattice is not None)
        starts.append(k[lowest.ravel()])
        bands += [int(band)] * int(lowest.sum())
    if not bands:
        return []
    place, band = np.concatenate(starts), np.array(bands)
    zone = step * shape[0]
    shift = STEP * zone / shape[0] * np.eye(d)
    for _ in range(NEWTON_STEPS):
        around = np.concatenate([np.zeros((1, d)), shift, -shift])
        gradient = _band_slopes(model, place, around, band)
        hessian = (gradient[:, 1 : d + 1] - gradient[:, d + 1 :]) / (2 * shift[0, 0])
        hessian = 0.5 * (hessian + hessian.swapaxes(1, 2))
        move = -np.linalg.pinv(hessian, rcond=1e-9, hermitian=True) @ gradient[:, 0, :, None]
        length = np.linalg.norm(move[..., 0], axis=1, keepdims=True)
        place = place + move[..., 0] * np.minimum(1.0, step / np.maximum(length, 1e-300))
    energies, gradients = _energies_and_slopes(model, place)
    rows = np.arange(len(place))
    good = np.linalg.norm(gradients[rows, :, band], axis=1) * zone < FLAT_GRADIENT * scale
    if model.lattice is None:
        good &= np.linalg.norm(place, axis=1) < float(model.cutoff)  # type: ignore[attr-defined]
    signs = np.linalg.eigvalsh(hessian)
    kinds = np.where((signs > 0).all(axis=1), "minimum", np.where((signs < 0).all(axis=1), "maximum", "saddle"))
    return [
        CriticalPoint(float(energies[i, band[i]]), int(band[i]), tuple(map(float, place[i])), str(kinds[i]), False)
        for i in np.flatnonzero(good)
    ]


def _band_slopes(model: AbstractModel, place: np.ndarray, around: np.ndarray, band: np.ndarray) -> np.ndarray:
    """(P, shifts, d) gradients of one band per point."""
    d = place.shape[1]
    slopes = _energies_and_slopes(model, (place[:, None] + around).reshape(-1, d))[1]
    slopes = slopes.reshape(len(place), len(around), d, -1)
    return np.asarray(np.take_along_axis(slopes, band[:, None, None, None], axis=3)[..., 0])


def _local_minima(values: np.ndarray, periodic: bool) -> np.ndarray:
    """True where no neighbour along the axes is lower."""
    result = np.ones(values.shape, dtype=bool)
    for axis in range(values.ndim):
        for by in (1, -1):
            moved = np.roll(values, by, axis)
            if not periodic:
                edge = [slice(None)] * values.ndim
                edge[axis] = slice(0, 1) if by == 1 else slice(-1, None)
                moved[tuple(edge)] = np.inf
            result &= values <= moved
    return result
