"""States of a Fermi surface as scattering needs them: projectors, reduced resolvents, velocity matrices.

    P = sum_(m in block) |u_m><u_m|,   R = sum_(l not in block) P_l/(eps - eps_l),   V_a = d_a H + i [H, A_a]

A block is a band, or a group of exactly degenerate bands; a distribution is a Hermitian matrix Phi = P Phi P for every
point, expanded in an orthonormal basis B_mu of such matrices (one for a single band, g^2 for g bands).
Legend: A position matrices of the basis, if any.  Axis order: points, direction, matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from blochflow.core.backend import jnp
from blochflow.geometry.fermi_sheets import FermiSurface
from blochflow.models.base import AbstractModel

BATCH = 1024


@dataclass(frozen=True, eq=False)
class FermiPoints:
    """Quadrature points of a Fermi surface with their states.

    Attributes
    ----------
    k : (N, d)
    weights : (N,)
        Of Int d^dk/(2 pi)^d delta(eps - eps_m(k)), one band of the block.
    sheet : (N,) int
    rank : (N,) int
        Bands in the block.
    projector, resolvent : (N, n, n)
    velocity : (N, d, n, n)
        V_a, between orbitals.
    states : (N, n, r)
        Of the block, padded with zeros to the largest rank r.
    gap : float
        Smallest distance to other bands.
    """

    k: np.ndarray
    weights: np.ndarray
    sheet: np.ndarray
    rank: np.ndarray
    projector: np.ndarray
    resolvent: np.ndarray
    velocity: np.ndarray
    states: np.ndarray
    gap: float

    @cached_property
    def block_velocity(self) -> np.ndarray:
        """(N, d, n, n): P V_a P."""
        p = self.projector[:, None]
        return np.asarray(p @ self.velocity @ p)

    @cached_property
    def speed(self) -> np.ndarray:
        """(N, d): mean velocity of the block."""
        trace = np.trace(self.block_velocity, axis1=2, axis2=3).real
        return np.asarray(trace / self.rank[:, None])

    @cached_property
    def basis(self) -> tuple[np.ndarray, np.ndarray]:
        """Orthonormal Hermitian matrices (M, n, n) of all blocks, and the point (M,) each belongs to."""
        if (self.rank == 1).all():
            return self.projector, np.arange(len(self.k))
        matrices, owner = [], []
        for i, g in enumerate(self.rank):
            u = self.states[i, :, :g]
            matrices += [u @ small @ u.conj().T for small in _hermitian_basis(int(g))]
            owner += [i] * g * g
        return np.stack(matrices), np.array(owner)

    def expand(self, coefficients: np.ndarray) -> np.ndarray:
        """(c, M) coefficients -> (c, N, n, n) matrices."""
        matrices, owner = self.basis
        terms = coefficients[:, :, None, None] * matrices
        if len(owner) == len(self.k):
            return terms
        return np.add.reduceat(terms, np.flatnonzero(np.diff(owner, prepend=-1)), axis=1)

    def project(self, blocks: np.ndarray) -> np.ndarray:
        """(c, N, n, n) matrices -> (c, M) coefficients tr[B_mu X]."""
        matrices, owner = self.basis
        taken = blocks if len(owner) == len(self.k) else blocks[:, owner]
        return np.einsum("mij,cmji->cm", matrices, taken).real

    def average(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """sum_i w_i tr[L_i,a R_i,b]: (N, a, n, n), (b, N, n, n) -> (a, b)."""
        n = len(self.k)
        weighted = (self.weights[:, None, None, None] * left).swapaxes(0, 1).reshape(left.shape[1], -1)
        return np.asarray((weighted @ right.swapaxes(-1, -2).reshape(len(right), -1).T).real) if n else np.zeros(0)

    @property
    def closure(self) -> float:
        """|sum w v|/sum w |v|: zero for a complete surface."""
        flow = self.weights[:, None] * self.rank[:, None] * self.speed
        return float(np.linalg.norm(flow.sum(axis=0)) / max(np.linalg.norm(flow, axis=1).sum(), 1e-300))


def fermi_points(model: AbstractModel, surface: FermiSurface) -> FermiPoints:
    """States at the points of a `FermiSurface`."""
    d, count = model.dimension, model.num_bands
    bands = [sheet.bands for sheet in surface.sheets]
    widest = max((len(group) for group in bands), default=1)
    parts: dict[str, list[np.ndarray]] = {"p": [], "r": [], "v": [], "u": [], "gap": []}
    for first in range(0, len(surface.k), BATCH):
        rows = slice(first, first + BATCH)
        hamiltonian, velocity = _matrices(model, surface.k[rows])
        energies, states = np.linalg.eigh(hamiltonian)
        inside = np.zeros(energies.shape, dtype=bool)
        block = np.zeros((*energies.shape, widest), dtype=complex)
        for i, sheet in enumerate(surface.sheet[rows]):
            inside[i, list(bands[sheet])] = True
            block[i, :, : len(bands[sheet])] = states[i][:, list(bands[sheet])]
        level = np.where(inside, energies, 0).sum(axis=1) / inside.sum(axis=1)
        distance = level[:, None] - energies
        with np.errstate(divide="ignore"):
            inverse = np.where(inside, 0.0, 1 / distance)
        dagger = states.conj().swapaxes(1, 2)
        parts["p"].append((states * inside[:, None, :]) @ dagger)
        parts["r"].append((states * inverse[:, None, :]) @ dagger)
        parts["v"].append(velocity)
        parts["u"].append(block)
        parts["gap"].append(np.where(inside, np.inf, np.abs(distance)).min(axis=1))
    shapes = {"p": (count, count), "r": (count, count), "v": (d, count, count), "u": (count, widest), "gap": ()}
    joined = {key: np.concatenate([np.empty((0, *shapes[key])), *parts[key]]) for key in parts}
    rank = np.array([len(bands[sheet]) for sheet in surface.sheet], dtype=int)
    return FermiPoints(
        surface.k,
        surface.weights / (2 * np.pi) ** d,
        surface.sheet,
        rank,
        joined["p"],
        joined["r"],
        joined["v"],
        joined["u"],
        float(joined["gap"].min(initial=np.inf)),
    )


def _matrices(model: AbstractModel, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """H and the covariant velocity at a batch of one shape."""
    padded = np.resize(k, (BATCH if len(k) > 64 else 64, k.shape[1]))
    found = model.matrices(jnp.asarray(padded))
    hamiltonian, velocity = (np.asarray(x)[: len(k)] for x in (found.hamiltonian, found.gradient))
    if found.frame is not None:
        velocity = np.einsum("ca,kcij->kaij", np.asarray(found.frame), velocity)
    if found.position is not None:
        position = np.asarray(found.position)[: len(k)]
        if found.frame is not None:
            position = np.einsum("ca,kcij->kaij", np.asarray(found.frame), position)
        velocity = velocity + 1j * (hamiltonian[:, None] @ position - position @ hamiltonian[:, None])
    return hamiltonian, velocity


def _hermitian_basis(size: int) -> list[np.ndarray]:
    """Orthonormal basis of Hermitian matrices, the identity among them first."""
    result = [np.eye(size) / np.sqrt(size)]
    for i in range(size):
        for j in range(i):
            one = np.zeros((size, size), dtype=complex)
            one[i, j] = one[j, i] = np.sqrt(0.5)
            other = np.zeros((size, size), dtype=complex)
            other[i, j], other[j, i] = 1j * np.sqrt(0.5), -1j * np.sqrt(0.5)
            result += [one, other]
    for i in range(1, size):
        diagonal = np.zeros(size)
        diagonal[:i], diagonal[i] = 1.0, -i
        result.append(np.diag(diagonal / np.sqrt(i + i * i)))
    return result
