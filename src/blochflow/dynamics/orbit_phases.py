"""Phases that a cyclotron orbit collects: Berry phase, orbital moment, Zeeman energy.

    Berry phase   Int_pocket Omega d2k = closed-int A.dk = -Im ln prod_j <u_j|u_j+1> + basis terms    (mod 2 pi)
    moment phase  +/- (hbar/e) closed-int m dl/|d_k eps|         (electron +, hole -; m along e_1 x e_2)
    Zeeman phase  the same with the moment -(g/2) mu_B <sigma> of the spin

Around the curve e_1 -> e_2.  On N equal steps of a smooth parameter the product of overlaps has an error in even powers
of 1/N, which Richardson's (Romberg's) extrapolation removes.  The multiple of 2 pi comes from the fluxes of plaquettes
(Fukui, Hatsugai, Suzuki, JPSJ 74, 1674 (2005)) on cells inside the pocket.
Sources: Mikitik and Sharlai, PRL 82, 2147 (1999); Xiao, Chang, Niu, RMP 82, 1959 (2010), Sec. V.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.dynamics.equations import Adiabatic, curvatures, level
from blochflow.dynamics.orbit_planes import Curve, Plane
from blochflow.geometry.bands import bands as solve_bands
from blochflow.geometry.expectation import expectation
from blochflow.geometry.overlaps import solve
from blochflow.models.base import PAIRS, AbstractModel
from blochflow.zone.projection import Points
from blochflow.zone.quadrature import points_on

BATCHES, FEW_STATES = (64, 2048), 256  # sizes of compiled kernels
FIRST, MOST = 128, 8192  # points of the product of overlaps
PHASE_TOLERANCE = 1e-11
LEVELS = 5  # of Romberg's scheme
CELLS = (24, 48, 96)  # across a pocket, for its flux
SAMPLES = 6  # per axis of a cell, for the part of it inside
LARGE_FLUX = 0.3  # of a plaquette, beyond which it is divided
DIVISIONS, DEEPEST = 4, 10
CERTAIN = 1.2  # distance of flux and phase, of the 2 pi that separate branches


@dataclass(frozen=True)
class Geometry:
    """Of one band at points of a plane, along e_1 x e_2: curvature, moment (P,), and the distance to other bands."""

    curvature: np.ndarray
    moment: np.ndarray
    gap: np.ndarray


def geometry_at(plane: Plane, band: int, q: np.ndarray) -> Geometry:
    """Curvature and moment of a band."""
    k, parts = plane.to_k(q), []
    size = BATCHES[0] if len(k) <= BATCHES[0] else BATCHES[1]
    for start in range(0, len(k), size):
        rows = np.minimum(np.arange(start, start + size), len(k) - 1)
        parts.append([np.asarray(x) for x in _geometry(plane.stack.model, jnp.asarray(band), jnp.asarray(k[rows]))])
    omega, moment, gap = (np.concatenate([part[i] for part in parts])[: len(k)] for i in range(3))
    axis = np.ones(1) if k.shape[1] == 2 else plane.stack.field.axis
    return Geometry(omega @ axis, moment @ axis, gap)


@eqx.filter_jit
def _geometry(model: AbstractModel, band: Array, k: Array) -> tuple[Array, Array, Array]:
    d = k.shape[1]
    first, second = (jnp.array(x) for x in zip(*PAIRS[d], strict=True))

    def at(k: Array) -> tuple[Array, Array, Array]:
        here = level(model, band, k, jnp.zeros(d), jnp.zeros(()))
        # (E_m - E_n)/(E_n - E_m)^2 = -1/(E_n - E_m)
        moment = -here.tensor(1).imag
        return curvatures(here, Adiabatic(), d)[first, second], moment[first, second], here.gap

    return jax.vmap(at)(k)


def moment_phase(curve: Curve, moment: np.ndarray) -> float:
    """+/- closed-int m dl/|d_k eps|."""
    return float(curve.outward * (curve.sheet.points.weights @ moment))


def spin_moment(curve: Curve, g_factor: float) -> np.ndarray:
    """-(g/2) mu_B <sigma.B^> in units e/hbar at the points of a curve; <sigma> = 1 without the operator "spin"."""
    plane, points = curve.plane, curve.sheet.points
    model, field = plane.stack.model, plane.stack.field
    unit = model.units.bohr_magneton / field.fields.flux
    if "spin" not in model.operators:
        # spin along B, whichever way B points
        return np.full(len(points.k), -0.5 * g_factor * unit * field.sign)
    spins = np.asarray(expectation(solve_bands(model, plane.to_k(points.k)), "spin"))[:, :, curve.bands[0]]
    axis = np.array([0.0, 0.0, 1.0]) if model.dimension == 2 else field.axis
    return np.asarray(-0.5 * g_factor * unit * (spins @ axis))


@dataclass(frozen=True)
class BerryPhase:
    """Integral of the curvature over a pocket.

    Attributes
    ----------
    value, error : float
    certain : bool
        Its multiple of 2 pi is known; False where bands touch inside.
    """

    value: float
    error: float
    certain: bool


def berry_phase(curve: Curve) -> BerryPhase:
    """Int Omega d2k over the inside of a closed curve."""
    value, error = _closed_product(curve)
    polygon = curve.sheet.points.k
    for cells in CELLS:
        flux, touching = _enclosed_flux(curve.plane, curve.bands[0], polygon, cells)
        turns = np.rint((flux - value) / (2 * np.pi))
        if touching:
            # the integral does not exist: the phase between -pi and pi
            return BerryPhase(float(np.angle(np.exp(1j * value))), error, False)
        if abs(flux - value - 2 * np.pi * turns) < CERTAIN:
            return BerryPhase(value + 2 * np.pi * float(turns), error, True)
    return BerryPhase(value + 2 * np.pi * float(turns), error, False)


def _closed_product(curve: Curve) -> tuple[float, float]:
    """closed-int A.dk from e_1 to e_2, between -pi and pi, and an estimate of its error."""
    number = FIRST
    while True:
        points = points_on(curve.sheet.piece, curve.levels, curve.energy, curve.scale, number)
        value, error = _extrapolated(curve, points, len(points.k) == number and not np.isnan(points.error))
        if error <= PHASE_TOLERANCE or number >= MOST:
            return value, error
        number *= 2


def _extrapolated(curve: Curve, points: Points, smooth: bool) -> tuple[float, float]:
    """Romberg's scheme on every point, every second, every fourth.."""
    # a level set runs with low energies on the left, a hole clockwise
    q = points.k if curve.kind == "electron" else points.k[::-1]
    states, basis = _states(curve.plane, curve.bands[0], q)
    k = curve.plane.to_k(q)
    sums = []
    for level_ in range(LEVELS if smooth else 2):
        part = slice(None, None, 2**level_)
        ends = [np.roll(x[part], -1, axis=0) for x in (states, basis, k)]
        links = -_link(states[part], ends[0]) + _basis_link(basis[part], ends[1], ends[2] - k[part])
        sums.append(float(links.sum()))
    rows = [sums[0] + np.angle(np.exp(1j * (x - sums[0]))) for x in sums]
    best, error = rows[0], abs(rows[0] - rows[1])
    if smooth:
        for order in range(1, LEVELS):
            finer = [a + (a - b) / (4**order - 1) for a, b in itertools.pairwise(rows)]
            change = abs(finer[0] - rows[0])
            if change >= error and order > 1:
                break  # rounding, or not smooth enough for this order
            rows, best, error = finer, finer[0], change
    rounding = 4 * np.finfo(float).eps * np.sqrt(len(q)) * (1 + abs(best))
    return float(np.angle(np.exp(1j * best))), float(max(error, rounding))


def _states(plane: Plane, band: int, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States (P, i), and the mean (P, d) of the position matrices of the basis."""
    model, k = plane.stack.model, plane.to_k(q)
    # two sizes of batches, each compiled once
    size = FEW_STATES if len(k) <= FEW_STATES else BATCHES[1]
    parts = [np.minimum(np.arange(start, start + size), len(k) - 1) for start in range(0, len(k), size)]
    states = np.concatenate([solve(model, k[part])[1][:, :, band] for part in parts])[: len(k)]
    if not model.has_position_matrices:
        return states, np.zeros_like(k)
    means = []
    for start in range(0, len(k), BATCHES[0]):
        rows = np.minimum(np.arange(start, start + BATCHES[0]), len(k) - 1)
        means.append(np.asarray(_basis_means(model, jnp.asarray(k[rows]), jnp.asarray(states[rows]))))
    return states, np.concatenate(means)[: len(k)]


@eqx.filter_jit
def _basis_means(model: AbstractModel, k: Array, states: Array) -> Array:
    return jnp.einsum("ki,kaij,kj->ka", jnp.conj(states), model.matrices(k).position, states).real


def _link(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Phase of <a|b> (..., i)."""
    return np.asarray(np.angle((np.conj(a) * b).sum(axis=-1)))


def _basis_link(a: np.ndarray, b: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Contribution of the position matrices to A.dk on a step."""
    return np.asarray(0.5 * ((a + b) * step).sum(axis=-1))


def _enclosed_flux(plane: Plane, band: int, polygon: np.ndarray, cells: int) -> tuple[float, bool]:
    """Flux of the curvature through a polygon, good to a fraction of 2 pi, and whether bands touch in it."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    size = (high - low) / cells
    corner = low + size * np.stack(np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij"), -1).reshape(-1, 2)
    total = 0.0
    for depth in range(DEEPEST):
        share = _share_inside(polygon, corner, size)
        corner, share = corner[share > 0], share[share > 0]
        flux = _plaquettes(plane, band, corner, size)
        split = np.abs(flux) > LARGE_FLUX
        if depth == DEEPEST - 1 or len(corner) * split.mean() > 4 * cells**2:
            total += float(share @ flux)
            return total, bool(np.abs(flux[share > 0.5]).max(initial=0.0) > 1)
        total += float(share[~split] @ flux[~split])
        if not split.any():
            return total, False
        size = size / DIVISIONS
        steps = np.stack(np.meshgrid(np.arange(DIVISIONS), np.arange(DIVISIONS), indexing="ij"), -1).reshape(-1, 2)
        corner = (corner[split][:, None] + steps * size).reshape(-1, 2)
    return total, False


def _plaquettes(plane: Plane, band: int, corner: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Fluxes (C,) between -pi and pi of cells with this lower corner (C, 2)."""
    ring = corner[:, None] + np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]) * size
    # corners of neighbouring cells are solved once
    index = np.rint((ring.reshape(-1, 2) - corner[0]) / size).astype(np.int64)
    _, first, inverse = np.unique(index, axis=0, return_index=True, return_inverse=True)
    q = ring.reshape(-1, 2)[first]
    states, basis = (x[inverse.reshape(-1)].reshape(len(corner), 4, -1) for x in _states(plane, band, q))
    k = plane.to_k(q)[inverse.reshape(-1)].reshape(len(corner), 4, -1)
    product = np.ones(len(corner), dtype=np.complex128)
    extra = np.zeros(len(corner))
    for i in range(4):
        j = (i + 1) % 4
        product *= (np.conj(states[:, i]) * states[:, j]).sum(axis=-1)
        extra += _basis_link(basis[:, i], basis[:, j], k[:, j] - k[:, i])
    return np.asarray(-np.angle(product) + extra)


def _share_inside(polygon: np.ndarray, corner: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Parts (C,) of cells inside a polygon."""
    s = (np.arange(SAMPLES) + 0.5) / SAMPLES
    samples = np.stack(np.meshgrid(s, s, indexing="ij"), -1).reshape(-1, 2) * size
    share = np.empty(len(corner))
    for start in range(0, len(corner), 256):
        points = (corner[start : start + 256, None] + samples).reshape(-1, 2)
        share[start : start + 256] = inside(polygon, points).reshape(-1, len(samples)).mean(axis=1)
    return share


def inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points (P, 2) lie inside a polygon (V, 2): an odd number of edges to the right."""
    x, y = points[:, 0, None], points[:, 1, None]
    (x0, y0), (x1, y1) = polygon.T, np.roll(polygon, -1, axis=0).T
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return np.asarray((crosses & (x < at)).sum(axis=1) % 2 == 1)
