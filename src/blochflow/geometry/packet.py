"""Gaussian wave packets of one band: their covariance in k, averages over them, and the packets that are refused.

    |w(k)|^2 = exp(-(k - k0).S^-1.(k - k0)/2) / sqrt(det(2 pi S)),      k = k0 + L x,  S = L L^T
    <f> = sum_x exp(-x.x/2) f(k0 + L x) / sum_x exp(-x.x/2)             x on a uniform grid, |x| <= 8.5

Uniform grids converge exponentially: with h standard deviations between points the error of the weight is
exp(-2 pi^2/h^2), that of f exp(-2 pi b/h), b the distance in x to where f stops being analytic (about gap/velocity).
Legend: S covariance of |w|^2 (not of w), x distance from k0 in standard deviations.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_index, as_real_array, fail
from blochflow.core.errors import DegenerateBandsError
from blochflow.geometry.overlaps import closest_approach, solve
from blochflow.geometry.subspace import Subspace
from blochflow.geometry.topology import CLOSED_GAP, as_grid
from blochflow.models.base import AbstractModel
from blochflow.models.continuum import ContinuumModel
from blochflow.zone.symmetry import reduce_basis

EDGE = 8.5  # standard deviations: |w|^2 is 2e-16 of its largest value there
MATTERS = 6.0  # standard deviations: 2e-9 of a line lies beyond; nothing may go wrong within
FIRST_GRID = 20  # h = 0.85: the weight alone is exact to 1e-12, on the finer grid to rounding
MOST_POINTS = 1 << 20
RELATIVE_ERROR = 1e-9
CHUNK = 1024
WIDTH = "be a width > 0, one per axis (d,), or a positive definite covariance matrix (d, d) of |w|^2"


@dataclass(frozen=True)
class Packet:
    """A Gaussian packet of band ``band`` around ``center`` (d,), of covariance ``covariance`` (d, d)."""

    model: AbstractModel
    center: np.ndarray
    covariance: np.ndarray
    band: int

    @classmethod
    def of(cls, model: AbstractModel, wavevector: Any, width: Any, band: Any) -> Packet:
        """Check the arguments; refuse packets wider than the zone, or than the range of a k.p model."""
        d = model.dimension
        center = np.atleast_1d(as_real_array(wavevector, "wavevector"))
        if center.shape != (d,):
            raise fail("wavevector", f"have shape ({d},)", f"has shape {center.shape}")
        must = f"name one of the bands 0 to {model.num_bands - 1}"
        index = as_index(band, "band", must)
        if not 0 <= index < model.num_bands:
            raise fail("band", must, f"is {index}")
        packet = cls(model, center, as_covariance(width, d), index)
        packet._refuse_wide()
        return packet

    @property
    def group(self) -> Subspace:
        """The band, as a group of one."""
        return Subspace([self.band])

    def _refuse_wide(self) -> None:
        """Raise where more than the tail beyond `MATTERS` standard deviations reaches the edge of the zone."""
        if isinstance(self.model, ContinuumModel):
            reach = np.linalg.norm(self.center) + MATTERS * np.sqrt(np.linalg.eigvalsh(self.covariance)[-1])
            if reach > float(self.model.cutoff):
                must = (
                    f"leave {MATTERS:g} standard deviations within the cutoff {float(self.model.cutoff):g} of the model"
                )
                raise fail("width", must, f"they reach |k| = {reach:.4g}")
            return
        if self.model.lattice is None:
            return
        # reciprocal vectors in standard deviations, in a short basis: few multiples hold the shortest of them
        whitened = np.linalg.solve(np.linalg.cholesky(self.covariance), np.asarray(self.model.lattice.reciprocal).T).T
        basis, _ = reduce_basis(whitened)
        integers = [m for m in itertools.product(range(-2, 3), repeat=len(basis)) if any(m)]
        # k0 + G/2 belongs to the packet and to its periodic image, at this distance from both
        distance = 0.5 * np.linalg.norm(np.array(integers) @ basis, axis=1).min()
        if distance < MATTERS:
            must = f"leave {MATTERS:g} standard deviations between the packet and the edge of the Brillouin zone"
            raise fail("width", must, f"there are {distance:.3g}: the packet overlaps its own periodic image")

    def points(self, shape: tuple[int, ...]) -> Points:
        """Uniform grid over `EDGE` standard deviations, of ``shape`` points along the principal axes of S."""
        axes = [EDGE * ((2 * np.arange(n) + 1) / n - 1) for n in shape]
        x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
        square = (x**2).sum(axis=1)
        kept = square <= EDGE**2
        weight = np.exp(-0.5 * square[kept])
        variances, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(variances)
        step = (root * (2 * EDGE / np.array(shape))).T
        return Points(self.center + x[kept] @ root.T, weight / weight.sum(), np.sqrt(square[kept]), step)

    def refuse_touching(self, points: Points, gap: np.ndarray, energy: float, quantity: str) -> None:
        """Raise `DegenerateBandsError` where the band meets another one within `MATTERS` standard deviations.

        ``gap`` (K,) at the points; ``energy`` is the largest |E|, against which rounding is measured.
        """
        if self.model.num_bands == 1:
            return
        inside = points.distance <= MATTERS
        nearest = int(gap[inside].argmin())
        k, smallest = points.k[inside][nearest], float(gap[inside][nearest])
        if smallest > CLOSED_GAP * energy:  # none of the points, but perhaps between them
            k, smallest = closest_approach(self.model, self.group, k, points.step)
            x = k - self.center
            if smallest > CLOSED_GAP * energy or x @ np.linalg.inv(self.covariance) @ x > MATTERS**2:
                return
        energies = solve(self.model, k[None])[0][0]
        raise DegenerateBandsError(k, with_nearest(energies, self.band), smallest, quantity)


@dataclass(frozen=True)
class Points:
    """Points of a packet: ``k`` (K, d), ``weight`` (K,) of sum 1, ``distance`` (K,) in standard deviations.

    ``step`` (d, d) holds the steps of the grid in rows, for searches between its points.
    """

    k: np.ndarray
    weight: np.ndarray
    distance: np.ndarray
    step: np.ndarray

    def chunks(self) -> list[np.ndarray]:
        """k in parts of `CHUNK`, the last one padded with copies of its last point."""
        parts = []
        for start in range(0, len(self.k), CHUNK):
            part = self.k[start : start + CHUNK]
            parts.append(np.concatenate([part, np.repeat(part[-1:], CHUNK - len(part), axis=0)]))
        return parts

    def collect(self, parts: list[Any]) -> np.ndarray:
        """Results of the chunks as one array, without the padding."""
        return np.concatenate([np.asarray(part) for part in parts])[: len(self.k)]


def with_nearest(energies: np.ndarray, band: int) -> tuple[int, int]:
    """A band and the one closest to it in energy, the lower first."""
    others = [n for n in range(len(energies)) if n != band]
    other = min(others, key=lambda n: abs(energies[n] - energies[band]))
    return min(band, other), max(band, other)


def as_covariance(width: Any, dimension: int) -> np.ndarray:
    """(d, d) covariance from a width, one width per axis, or the covariance matrix itself."""
    array = as_real_array(width, "width", max_ndim=2)
    if array.ndim < 2:
        if array.ndim == 1 and array.shape != (dimension,):
            raise fail("width", WIDTH, f"has shape {array.shape}")
        if array.min() <= 0:
            raise fail("width", WIDTH, f"holds {array.min()}")
        return np.diag(np.broadcast_to(array, (dimension,)) ** 2)
    if array.shape != (dimension, dimension):
        raise fail("width", WIDTH, f"has shape {array.shape}")
    # typed matrices: symmetric to a few digits, then made exactly so
    if np.abs(array - array.T).max() > 1e-10 * np.abs(array).max() or np.linalg.eigvalsh(array).min() <= 0:
        raise fail("width", WIDTH, f"is {array.tolist()}")
    return 0.5 * (array + array.T)


def refine(
    average: Callable[[tuple[int, ...]], np.ndarray],
    accurate: Callable[[np.ndarray, np.ndarray], bool],
    dimension: int,
    grid: Any,
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...], bool]:
    """Averages on a grid and on one twice as fine; without ``grid`` doubled again until ``accurate(new, change)``.

    Returns the finer averages, the change by the last doubling, the grid, and whether they are accurate (or the
    user chose the grid).
    """
    shape = as_grid(FIRST_GRID if grid is None else grid, dimension)
    value = average(shape)
    while True:
        shape, previous = tuple(2 * n for n in shape), value
        value = average(shape)
        change = np.abs(value - previous)
        if grid is not None or accurate(value, change):
            return value, change, shape, True
        if np.prod([2 * n for n in shape]) > MOST_POINTS:
            return value, change, shape, False
