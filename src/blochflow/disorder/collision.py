"""The linearised Boltzmann equation on a Fermi surface, K[Phi] = source.

    K[Phi] = (1/hbar) ( {Gamma, Phi} - 2 pi P C[Phi] P ),   Gamma = pi P C[P] P
    one band:   K_ij = (2 pi/hbar) ( delta_ij sum_l W_il w_l - W_ij w_j ),   W_ij = sum_ab W_ab tr[P_i V_a P_j V_b]

n = Phi delta(eps - mu).  K is symmetric and >= 0 with the weights w; what is conserved (the number of electrons on
every group of pockets that scattering connects, and pseudospins) spans its null space, to which solutions are
orthogonal.
Source: Burgos Atencia, Niu, Culcer, Phys. Rev. Research 4, 013001 (2022), Eqs. (27)-(30), (50).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from blochflow.core.errors import BlochflowError
from blochflow.disorder.fermi_points import FermiPoints
from blochflow.disorder.scattering import Scattering

# Unknowns up to which K is diagonalised.
DENSE = 3000
# Eigenvalues of K below this share of the largest belong to conserved quantities.
NULL = 1e-12
# Residual of conjugate gradients, relative to the source, and most steps.
RESIDUAL, STEPS = 1e-12, 2000


@dataclass(frozen=True, eq=False)
class Collision:
    """Collision operator of a Fermi surface; ``dense`` None chooses by size."""

    scattering: Scattering
    dense: bool | None = None

    @property
    def points(self) -> FermiPoints:
        """Of the surface."""
        return self.scattering.points

    @cached_property
    def broadening(self) -> np.ndarray:
        """(N, n, n): gamma = pi C[P] = -Im Sigma, between all orbitals."""
        return np.asarray(np.pi * self.scattering.apply(self.points.projector[None])[0])

    @cached_property
    def rates(self) -> np.ndarray:
        """(N,) golden-rule rates 2 tr[P gamma]/(hbar rank)."""
        trace = np.einsum("kij,kji->k", self.points.projector, self.broadening).real
        return np.asarray(2 * trace / self.points.rank)

    def apply(self, phi: np.ndarray) -> np.ndarray:
        """K[Phi] of fields (c, N, n, n)."""
        p = self.points.projector
        block = p @ self.broadening @ p
        return np.asarray(block @ phi + phi @ block - 2 * np.pi * p @ self.scattering.apply(phi) @ p)

    def solve(self, source: np.ndarray) -> tuple[np.ndarray, int]:
        """Phi (c, N, n, n) with K[Phi] = source, orthogonal to what is conserved, and the iterations (0: dense).

        Raises
        ------
        BlochflowError
            The iteration does not converge.
        """
        right = self.points.project(source)
        if self.is_dense:
            return self.points.expand(self._dense_solution(right)), 0
        solution, steps = self._conjugate_gradients(right)
        return self.points.expand(solution), steps

    @property
    def is_dense(self) -> bool:
        """True where K is diagonalised."""
        return len(self.points.basis[1]) <= DENSE if self.dense is None else self.dense

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and eigenvectors of D^(1/2) K D^(-1/2), D the weights."""
        matrices, owner = self.points.basis
        root = np.sqrt(self.points.weights[owner])
        matrix = -2 * np.pi * root[:, None] * self.scattering.rates() * root
        gamma = self.broadening[owner]
        for point in np.split(np.arange(len(owner)), np.flatnonzero(np.diff(owner)) + 1):
            moved = gamma[point] @ matrices[point] + matrices[point] @ gamma[point]
            matrix[np.ix_(point, point)] += np.einsum("mij,nji->mn", matrices[point], moved).real
        values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
        return values, vectors

    @property
    def conserved(self) -> int:
        """Number of conserved quantities; dense solutions only."""
        values = self._spectrum[0]
        return int((values <= NULL * values[-1]).sum())

    def _dense_solution(self, right: np.ndarray) -> np.ndarray:
        values, vectors = self._spectrum
        owner = self.points.basis[1]
        root = np.sqrt(self.points.weights[owner])
        kept = values > NULL * values[-1]
        amplitude = (vectors[:, kept].T @ (root * right).T) / values[kept, None]
        return np.asarray((vectors[:, kept] @ amplitude).T / root)

    def _conjugate_gradients(self, right: np.ndarray) -> tuple[np.ndarray, int]:
        """All rows (c, M) at once, preconditioned by the rates, so that every sum over events serves all of them.

        Sources are projected on the range of K: one constant per group of pockets is left out.
        """
        owner = self.points.basis[1]
        root = np.sqrt(self.points.weights[owner])
        scale = 1 / np.sqrt(np.maximum(self.rates[owner], 1e-300))
        constants = self._constants()
        weighted = constants * self.points.weights[owner]
        norm = (constants * weighted).sum(axis=1)

        def symmetric(x: np.ndarray) -> np.ndarray:
            return np.asarray(scale * root * self.points.project(self.apply(self.points.expand(scale * x / root))))

        residual = scale * root * (right - (right @ weighted.T / norm) @ constants)
        solution, direction = np.zeros_like(residual), residual.copy()
        square = (residual**2).sum(axis=1)
        goal, steps = RESIDUAL**2 * square, 0
        while (active := np.flatnonzero(square > goal)).size:
            if steps == STEPS:
                raise BlochflowError(
                    f"The Boltzmann equation is not solved to {RESIDUAL:g} in {STEPS} steps of conjugate gradients: "
                    "scattering is almost only forward, or some carriers are not scattered at all. Use fewer points, "
                    "which are solved directly, or a shorter correlation length."
                )
            moved = symmetric(direction[active])
            step = square[active] / (direction[active] * moved).sum(axis=1)
            solution[active] += step[:, None] * direction[active]
            residual[active] -= step[:, None] * moved
            before, square[active] = square[active], (residual[active] ** 2).sum(axis=1)
            direction[active] = residual[active] + (square[active] / before)[:, None] * direction[active]
            steps += 1
        solution = scale * solution / root
        # orthogonal to what is conserved, with the weights
        return solution - (solution @ weighted.T / norm) @ constants, steps

    def _constants(self) -> np.ndarray:
        """(groups, M) coefficients of P on every group of connected sheets."""
        p, sheet = self.points.projector, self.points.sheet
        labels = np.unique(sheet)
        linked = np.zeros((len(labels), len(labels)), dtype=bool)
        for i, label in enumerate(labels):
            reached = self.scattering.apply((p * (sheet == label)[:, None, None])[None])[0]
            strength = np.einsum("kij,kji->k", p, reached).real
            for j, other in enumerate(labels):
                linked[i, j] = strength[sheet == other].max() > NULL * max(strength.max(), 1e-300)
        from scipy.sparse.csgraph import connected_components

        count, group = connected_components(linked)
        whole = self.points.project(p[None])[0]
        owner = self.points.basis[1]
        of_point = group[np.searchsorted(labels, sheet)][owner]
        return np.stack([whole * (of_point == g) for g in range(count)])
