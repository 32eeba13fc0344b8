"""Energies and tensors of an integrand at k and at the images of k: what `symmetry` compares.

mismatch  |T(g k) - g T(k)|,  the largest component
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import fail
from blochflow.core.lattice import Lattice
from blochflow.models.base import AbstractModel, BlochMatrices, check_finite
from blochflow.zone.symmetry import Operation, as_reduced, identity
from blochflow.zone.tensor_symmetry import TensorKind, transform

TensorAt = Callable[[np.ndarray], np.ndarray]


def reciprocal_rows(lattice: Lattice) -> np.ndarray:
    """(d, d) reciprocal vectors, in NumPy: nothing to compile."""
    return 2 * np.pi * np.linalg.inv(np.asarray(lattice.vectors)).T


def integrand_tensor(
    model: AbstractModel,
    integrand: Callable[[BlochMatrices], tuple[Array, Array]],
    tensor: Callable[[np.ndarray], np.ndarray],
) -> TensorAt:
    """``tensor_at`` of an integrand of `response.average`: (K, P, C) values, made Cartesian by ``tensor``.

    ``tensor`` takes (.., C) to (.., a, b, ..), as the argument of the same name in `response.result.finish`.
    """

    def tensor_at(k: np.ndarray) -> np.ndarray:
        return tensor(np.asarray(_integrand_values(model, integrand, jnp.asarray(k))))

    return tensor_at


@eqx.filter_jit
def _integrand_values(model: AbstractModel, integrand: Callable[..., Any], k: Array) -> Array:
    return integrand(model.matrices(k))[0]


class Images:
    """Energies and tensors at the images of the sample, one evaluation for operations with the same image."""

    def __init__(
        self,
        model: AbstractModel,
        tensor_at: TensorAt,
        energies_at: TensorAt,
        kind: TensorKind,
        k: np.ndarray,
        kinds: Sequence[TensorKind] = (),
    ) -> None:
        self.tensor_at, self.energies_at, self.kind, self.k = tensor_at, energies_at, kind, k
        self.rows = None if model.lattice is None else reciprocal_rows(model.lattice)
        self.k_frac = None if self.rows is None else k @ np.linalg.inv(self.rows)
        # tensors that are not as `kind` under time reversal
        self.other = np.array([each.time_odd != kind.time_odd for each in kinds], dtype=bool)
        self.known_energies: dict[bytes, np.ndarray] = {}
        self.known_tensors: dict[bytes, np.ndarray] = {}

    def of(self, operation: Operation) -> tuple[bytes, np.ndarray]:
        """A key and the image points; on a lattice by the integer matrix, so that images are exact lattice images."""
        if self.k_frac is None or self.rows is None:
            return np.round(operation.sign * operation.rotation + 0.0, 6).tobytes(), operation.image(self.k)
        image = operation.reduced_image(self.k_frac) @ self.rows
        return np.asarray(operation.sign * as_reduced(operation)).tobytes(), image

    def energies(self, operation: Operation) -> np.ndarray:
        """(K, n)."""
        key, k = self.of(operation)
        if key not in self.known_energies:
            self.known_energies[key] = np.asarray(self.energies_at(k))
        return self.known_energies[key]

    def tensor(self, operation: Operation) -> np.ndarray:
        """(K, states.., a, b, ..)."""
        key, k = self.of(operation)
        if key not in self.known_tensors:
            values = np.asarray(self.tensor_at(k))
            rank, d = self.kind.rank, k.shape[1]
            if values.ndim <= rank or values.shape[values.ndim - rank :] != (d,) * rank or len(values) != len(k):
                must = f"return (K, states..) and {rank} axes of length {d}"
                raise fail("tensor_at", must, f"gives {values.shape} for {len(k)} wave vectors")
            check_finite(values, k, "The integrand")
            self.known_tensors[key] = values
        return self.known_tensors[key]

    def mismatch(self, operation: Operation) -> np.ndarray:
        """|T(g k) - g T(k)|, the largest component: (K, states..)."""
        here = self.tensor(identity(self.k.shape[1]))
        image = transform(here, operation, self.kind)
        if operation.time_reversal and self.other.any():
            image = image * np.where(self.other, -1.0, 1.0).reshape(-1, *(1,) * self.kind.rank)
        return largest_component(self.tensor(operation) - image, self.kind)


def largest_component(tensor: np.ndarray, kind: TensorKind) -> np.ndarray:
    """Largest |component| of (.., a, b, ..)."""
    return np.abs(tensor).max(axis=tuple(range(tensor.ndim - kind.rank, tensor.ndim)))
