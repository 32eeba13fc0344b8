"""Energies and gradients of bands for searches that ask for a few points at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from blochflow.core.backend import SAFE_CALLS, Array, jnp
from blochflow.core.compiled import compiled
from blochflow.execution.threads import Execution, run_batches
from blochflow.geometry.bands import DEGENERACY_TOLERANCE
from blochflow.geometry.eigen import eigh
from blochflow.models.base import AbstractModel, check_finite

# Batches come in two sizes, each compiled once; the larger is bounded by its memory as well.  Searches step a few
# points at a time: where a k costs more memory than HEAVY, or after OFTEN such steps, they have a size of their own.
TINY_BATCH, SMALL_BATCH, LARGE_BATCH, BATCH_BYTES, HEAVY, OFTEN = 16, 256, 4096, 2**26, 2**14, 500


class LevelSolver:
    """Energies and gradients in batches of a few fixed sizes; counts the k points."""

    def __init__(self, model: AbstractModel, execution: Execution) -> None:
        self.model = model
        self.execution = execution
        self.evaluations = self.few = 0
        self.bytes = 16 * model.num_bands**2 * (4 + 2 * model.dimension)
        self._solve = compiled(_energies_and_slopes, model)
        self.most = max(SMALL_BATCH, min(LARGE_BATCH, BATCH_BYTES // self.bytes))

    def energies(self, k: np.ndarray) -> np.ndarray:
        """All bands, (P, n)."""
        return self._run(k)[0]

    def levels(self, group: tuple[int, ...]) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Mean energy (P,) and gradient (P, d) of a group of degenerate bands, as a function of k."""
        chosen = list(group)

        def levels_of(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            if not len(k):
                return np.empty(0), np.empty((0, self.model.dimension))
            energies, slopes = self._run(k)
            return energies[:, chosen].mean(axis=1), slopes[:, :, chosen].mean(axis=2)

        return levels_of

    def _run(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """E_n (P, n) and its gradients (P, a, n) at all k; short batches are padded."""
        self.evaluations += len(k)
        batches = [k[start : start + self.most] for start in range(0, len(k), self.most)]
        label = f"{self.model.name}: Fermi surface"
        options: dict[str, Any] = {"label": label, "most_threads": SAFE_CALLS, "batch_bytes": self.bytes * self.most}
        done = run_batches(self._on_batch, iter(batches), len(batches), self.execution, **options)
        energies, slopes = (np.concatenate(parts) for parts in zip(*done, strict=True))
        return energies, slopes

    def _on_batch(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = len(batch)
        size = SMALL_BATCH if count <= SMALL_BATCH else self.most
        if count <= TINY_BATCH:
            self.few += 1
            if self.bytes > HEAVY or self.few > OFTEN:
                size = TINY_BATCH
        padded = np.concatenate([batch, np.repeat(batch[-1:], size - count, axis=0)])
        energies, slopes = (np.asarray(x)[:count] for x in self._solve(padded))
        check_finite(energies, batch, "The Hamiltonian")
        check_finite(slopes, batch, "The gradient of the Hamiltonian")
        return energies, slopes


def _energies_and_slopes(model: AbstractModel, k: Array) -> tuple[Array, Array]:
    """E_n (k, n) and <n|d_a H|n> (k, a, n)."""
    matrices = model.matrices(k)
    energies, states = eigh(matrices.hamiltonian)
    slopes = (jnp.conj(states)[:, None] * (matrices.gradient @ states[:, None])).sum(axis=-2).real
    return energies, slopes


def coinciding_bands(energies: np.ndarray, scale: float) -> list[tuple[int, ...]]:
    """Bands that coincide on the whole grid, e.g. by inversion and time reversal."""
    apart = np.diff(energies, axis=1).max(axis=0) > DEGENERACY_TOLERANCE * scale
    parts = np.split(np.arange(energies.shape[1]), np.flatnonzero(apart) + 1)
    return [tuple(map(int, part)) for part in parts]
