"""Sums over scattering events on the Fermi surface: C[X], from which every rate and every correction is made.

    C[X]_k = sum_k' delta(eps - eps_k') sum_ab W_ab(k - k') V_a X_k' V_b

For white noise one sum serves all k; smooth correlations between many points are factored (`low_rank`); others are
summed in blocks of points.  No array ever holds all pairs with their matrices.
Source: Burgos Atencia, Niu, Culcer, Phys. Rev. Research 4, 013001 (2022), Eq. (23), on the energy shell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from blochflow.disorder.fermi_points import FermiPoints
from blochflow.disorder.low_rank import factor
from blochflow.disorder.potentials import Scatterers

# Bytes of one block of W, and of all of W where it is kept.
BLOCK_BYTES, KEPT_BYTES = 2**26, 2**29
# Points from which on smooth correlations are factored.
FACTORED = 1000


@dataclass(frozen=True, eq=False)
class Scattering:
    """The disorder between the points of a Fermi surface."""

    points: FermiPoints
    scatterers: Scatterers

    def apply(self, x: np.ndarray) -> np.ndarray:
        """C[X] of fields (c, N, n, n), at every point."""
        v, w = self.scatterers.vertices, self.points.weights
        weighted = w[:, None, None] * x
        if self.scatterers.constant is not None:
            total = weighted.sum(axis=1)
            value = np.einsum("ab,aij,cjk,bkl->cil", self.scatterers.constant, v, total, v, optimize=True)
            return np.broadcast_to(value[:, None], x.shape)
        c, n, size, _ = x.shape
        flat = weighted.swapaxes(0, 1)
        if self._factor is not None:
            shape, columns = self.scatterers.separable[1], self._factor  # type: ignore[index]
            inner = _product(columns, _product(columns.T, np.ascontiguousarray(flat.reshape(n, -1))))
            dressed = np.einsum("ab,aij,pjk,bkl->pil", shape, v, inner.reshape(-1, size, size), v, optimize=True)
            return np.asarray(dressed.reshape(n, c, size, size).swapaxes(0, 1))
        result = np.zeros((n, c * size * size), dtype=complex)
        terms = [[np.ascontiguousarray((va @ flat @ vb).reshape(n, -1)) for vb in v] for va in v]
        for rows, block in self._blocks:
            for a in range(len(v)):
                for b in range(len(v)):
                    result[rows] += _product(block[..., a, b], terms[a][b])
        return result.reshape(n, c, size, size).swapaxes(0, 1)

    @cached_property
    def _factor(self) -> np.ndarray | None:
        """L of a smooth W between many points."""
        if self.scatterers.separable is None or len(self.points.k) < FACTORED:
            return None
        return factor(self.scatterers.separable[0], self.points.k)

    def rates(self) -> np.ndarray:
        """(M, M) sum_ab W_ab(k_i - k_j) tr[B_mu V_a B_nu V_b] between the matrices of `FermiPoints.basis`."""
        matrices, owner = self.points.basis
        v, count = self.scatterers.vertices, len(matrices)
        right = matrices.swapaxes(1, 2).reshape(count, -1)
        result = np.zeros((count, count))
        for a, va in enumerate(v):
            for b, vb in enumerate(v):
                # tr[V_b B_mu V_a B_nu]
                traces = (vb @ matrices @ va).reshape(count, -1) @ right.T
                result += self._spread(traces, owner, a, b)
        return result

    def _spread(self, traces: np.ndarray, owner: np.ndarray, a: int, b: int) -> np.ndarray:
        if self.scatterers.constant is not None:
            return np.asarray((self.scatterers.constant[a, b] * traces).real)
        whole = np.concatenate([block[..., a, b] for _, block in self._blocks])
        return np.asarray((whole[owner][:, owner] * traces).real)

    @property
    def _blocks(self) -> list[tuple[slice, np.ndarray]] | _Blocks:
        """W in blocks of rows; kept where all of it is small."""
        count = len(self.points.k)
        small = 16 * count**2 * len(self.scatterers.vertices) ** 2 <= KEPT_BYTES
        return self._kept if small else _Blocks(self.points.k, self.scatterers)

    @cached_property
    def _kept(self) -> list[tuple[slice, np.ndarray]]:
        return list(_Blocks(self.points.k, self.scatterers))


@dataclass(frozen=True, eq=False)
class _Blocks:
    k: np.ndarray
    scatterers: Scatterers

    def __iter__(self):  # type: ignore[no-untyped-def]
        count = len(self.k)
        rows = max(1, BLOCK_BYTES // (16 * max(count, 1) * len(self.scatterers.vertices) ** 2))
        for first in range(0, count, rows):
            part = slice(first, min(first + rows, count))
            yield part, self.scatterers.correlation(self.k[part, None] - self.k[None])


def _product(block: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Real or complex W times complex terms, without making real W complex."""
    if np.iscomplexobj(block):
        return np.asarray(block @ terms)
    return np.asarray((block @ terms.view(float)).view(complex))
