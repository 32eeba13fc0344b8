"""Density matrices of a crystal on a grid of k: band and orbital bases, derivatives along k, the Liouville operator.

    D_a X = d_a X - i [A_a, X]           A: orbital positions, with the position matrices of a Wannier basis
    L X = [H, X],   R(z) = (z - L)^-1,   (R X)_nm = X_nm/(z - E_n + E_m) between eigenstates

Phases stand on the cells here, so that X(k) is periodic, and d_a is exact for all Fourier components of the grid.
Source: Aversa and Sipe, PRB 52, 14636 (1995), for the position operator between Bloch states.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import fft
from scipy.special import expit

from blochflow.core.backend import jnp
from blochflow.core.checks import fail
from blochflow.geometry.bands import bands
from blochflow.models.base import AbstractModel, as_model

# Points diagonalised in one call.
BATCH = 8192
# Bands closer than this fraction of the width of the spectrum at every k are one group.
SAME_ENERGY = 1e-8


@dataclass(frozen=True, eq=False)
class DensityGrid:
    """A model on a grid of k.

    Attributes
    ----------
    model : AbstractModel
    shape : points along each reciprocal vector
    energies : (K, N)
    states : (K, N, N), columns, with phases on the cells
    velocity : (K, a, N, N) between eigenstates
    position : (K, a, N, N) in the orbital basis, or (a, N) orbital positions
    """

    model: AbstractModel
    shape: tuple[int, ...]
    energies: np.ndarray
    states: np.ndarray
    velocity: np.ndarray
    position: np.ndarray

    @classmethod
    def of(cls, model: AbstractModel, shape: tuple[int, ...]) -> DensityGrid:
        """Diagonalise H on the grid, which holds Gamma."""
        axes = [np.arange(n) / n for n in shape]
        reduced = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
        k = reduced @ np.asarray(model.lattice.reciprocal)  # type: ignore[union-attr]
        solved = [bands(model, k[i : i + BATCH]) for i in range(0, len(k), BATCH)]
        energies, states, velocity = (
            np.concatenate([np.asarray(getattr(x, name)) for x in solved])
            for name in ("energies", "states", "velocity")
        )
        orbitals = np.zeros((model.num_bands, len(shape))) if model.orbitals is None else np.asarray(model.orbitals)
        phase = np.exp(1j * k @ orbitals.T)
        position: np.ndarray = orbitals.T
        if model.has_position_matrices:
            parts = [
                np.asarray(model.matrices(jnp.asarray(k[i : i + BATCH])).position) for i in range(0, len(k), BATCH)
            ]
            position = phase[:, None, :, None] * np.concatenate(parts) * phase.conj()[:, None, None, :]
            diagonal = np.arange(model.num_bands)
            position[:, :, diagonal, diagonal] += orbitals.T
        return cls(model, shape, energies, phase[:, :, None] * states, velocity, position)

    @property
    def dimension(self) -> int:
        """Number of directions."""
        return len(self.shape)

    @cached_property
    def gap(self) -> np.ndarray:
        """E_n - E_m, (K, n, m)."""
        return self.energies[:, :, None] - self.energies[:, None, :]

    @cached_property
    def groups(self) -> np.ndarray:
        """(N,) number of the group of each band; bands that coincide at every k share one."""
        width = max(float(np.ptp(self.energies)), 1e-300)
        apart = (np.diff(self.energies, axis=1) > SAME_ENERGY * width).any(axis=0)
        return np.concatenate([[0], np.cumsum(apart)])

    @cached_property
    def different(self) -> np.ndarray:
        """(n, m) True for bands of different groups."""
        return self.groups[:, None] != self.groups[None, :]

    @cached_property
    def inverse_gap(self) -> np.ndarray:
        """1/(E_n - E_m) between groups, else 0."""
        with np.errstate(divide="ignore"):
            return np.where(self.different, 1 / np.where(self.different, self.gap, 1.0), 0.0)

    @cached_property
    def separations(self) -> np.ndarray:
        """(K, d) Cartesian lattice vector R of every Fourier component, folded; 0 at the Nyquist frequency."""
        counts = [np.where(2 * np.abs(n) == size, 0, n) for size in self.shape for n in (fft.fftfreq(size, 1 / size),)]
        mesh = np.stack(np.meshgrid(*counts, indexing="ij"), axis=-1).reshape(-1, self.dimension)
        return mesh @ np.asarray(self.model.lattice.vectors)  # type: ignore[union-attr]

    def occupation(self, mu: float, kt: float) -> np.ndarray:
        """f(E_n), (K, N)."""
        return np.asarray(expit((mu - self.energies) / kt))

    def slope(self, mu: float, kt: float) -> np.ndarray:
        """f'(E_n), (K, N)."""
        f = self.occupation(mu, kt)
        return -f * (1 - f) / kt

    def diagonal(self, values: np.ndarray) -> np.ndarray:
        """Matrix between eigenstates with these diagonal entries (K, N)."""
        result = np.zeros((*values.shape, values.shape[-1]), dtype=complex)
        index = np.arange(values.shape[-1])
        result[:, index, index] = values
        return result

    def to_orbitals(self, matrix: np.ndarray) -> np.ndarray:
        """From eigenstates to orbitals."""
        return self.states @ matrix @ adjoint(self.states)

    def to_bands(self, matrix: np.ndarray) -> np.ndarray:
        """From orbitals to eigenstates."""
        return adjoint(self.states) @ matrix @ self.states

    def transform(self, matrix: np.ndarray, factor: np.ndarray) -> np.ndarray:
        """Fourier components times ``factor`` (K,), of periodic matrices (K, N, N) in the orbital basis."""
        axes = tuple(range(self.dimension))
        grid = fft.fftn(matrix.reshape(*self.shape, *matrix.shape[1:]), axes=axes)
        grid *= factor.reshape(*self.shape, 1, 1)
        return np.asarray(fft.ifftn(grid, axes=axes)).reshape(matrix.shape)

    def derivative(self, matrix: np.ndarray, direction: int) -> np.ndarray:
        """D_a X, of and as matrices between eigenstates."""
        plain = self.to_orbitals(matrix)
        slope = self.transform(plain, 1j * self.separations[:, direction])
        if self.position.ndim == 2:
            tau = self.position[direction]
            slope = slope - 1j * (tau[:, None] - tau) * plain
        else:
            place = self.position[:, direction]
            slope = slope - 1j * (place @ plain - plain @ place)
        return self.to_bands(slope)

    def resolve(self, matrix: np.ndarray, diagonal: complex, off_diagonal: complex) -> np.ndarray:
        """(z - L)^-1 X with one z within groups of bands and another between them."""
        z = np.where(self.different, off_diagonal, diagonal)
        return matrix / (z - np.where(self.different, self.gap, 0.0))

    def current(self, matrix: np.ndarray) -> np.ndarray:
        """-Int tr(V_a X), (a,), with the degeneracy of spins."""
        model = self.model
        average = np.einsum("kanm,kmn->a", self.velocity, matrix) / len(matrix)
        return -average * model.spin_degeneracy / model.lattice.volume  # type: ignore[union-attr]

    def size(self, matrix: np.ndarray) -> float:
        """Largest component of the current if nothing cancelled, which sets the rounding."""
        terms = np.einsum("kanm,kmn->a", np.abs(self.velocity), np.abs(matrix)) / len(matrix)
        return float(terms.max()) * self.model.spin_degeneracy / self.model.lattice.volume  # type: ignore[union-attr]


def adjoint(matrix: np.ndarray) -> np.ndarray:
    """Hermitian conjugate of the last two axes."""
    return matrix.conj().swapaxes(-1, -2)


def as_periodic(model: Any) -> AbstractModel:
    """A model with a lattice."""
    model = as_model(model)
    if model.lattice is None:
        raise fail("model", "be periodic for density matrices on a grid of k", f"{model.name} is a continuum model")
    return model


def first_grid(model: AbstractModel) -> tuple[int, ...]:
    """A coarse grid of about equal spacing, even along every axis: 32, 16, 8 points on the longest in 1D, 2D, 3D."""
    lengths = np.linalg.norm(np.asarray(model.lattice.reciprocal), axis=1)  # type: ignore[union-attr]
    longest = {1: 32, 2: 16, 3: 8}[len(lengths)]
    reach = 2 * model.fourier_structure()[1]
    return tuple(
        int(2 * np.ceil(max(longest * x / lengths.max(), 4, r) / 2)) for x, r in zip(lengths, reach, strict=True)
    )
