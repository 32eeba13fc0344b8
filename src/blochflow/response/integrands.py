"""Band-resolved integrands: what is summed over bands, before any chemical potential is known.

sea:      sum_n f_n g_n = sum_j (f_j - f_{j+1}) S_j,   S_j = sum_{n<=j} g_n      the class returns S
surface:  sum_n -f'(E_n) g_n                                                     the class returns g
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.geometry.bands import DEGENERACY_TOLERANCE, rotate
from blochflow.geometry.cumulative import cumulative_curvature
from blochflow.geometry.eigen import eigh
from blochflow.models.base import PAIRS, BlochMatrices
from blochflow.response.occupation import Occupation, active_gap
from blochflow.zone.tensor_symmetry import HALL, OHMIC, SCALAR, TensorKind


def as_tensor(components: np.ndarray, bands: Any, dimension: int) -> np.ndarray:
    """(..., C) components of an integrand -> its tensor (..., a, b, ..)."""
    tensor = np.zeros((*components.shape[:-1], *(dimension,) * bands.kind.rank))
    for index, component, sign in bands.entries:
        tensor[(..., *index)] = sign * components[..., component]
    return tensor


def as_components(tensor: np.ndarray, bands: Any) -> np.ndarray:
    """The inverse of `as_tensor`."""
    components = np.zeros((*tensor.shape[: tensor.ndim - bands.kind.rank], bands.components), dtype=tensor.dtype)
    for index, component, sign in reversed(bands.entries):
        components[..., component] = tensor[(..., *index)] * np.asarray(sign, dtype=tensor.dtype)
    return components


def energies_of(matrices: BlochMatrices) -> Array:
    """(k, n), from the eigenbasis where it is at hand."""
    return eigh(matrices.hamiltonian)[0] if matrices.eigenbasis is None else matrices.eigenbasis.energies


class BerrySea(eqx.Module):
    """Berry curvature Omega_ab, components as in `PAIRS`: the anomalous Hall conductivity."""

    components: int = eqx.field(static=True)
    surface: bool = eqx.field(static=True, default=False)
    kind: ClassVar[TensorKind] = HALL

    @classmethod
    def of_dimension(cls, dimension: int) -> BerrySea:
        """For a model in two or three dimensions."""
        return cls(len(PAIRS[dimension]))

    @property
    def entries(self) -> list[tuple[tuple[int, ...], int, float]]:
        """Where each component stands in the tensor (index, component, sign)."""
        pairs = PAIRS[{1: 2, 3: 3}[self.components]]
        upper: list[tuple[tuple[int, ...], int, float]] = [(pair, p, 1.0) for p, pair in enumerate(pairs)]
        return upper + [((b, a), p, -1.0) for p, (a, b) in enumerate(pairs)]

    def bound(self, num_bands: int) -> float | None:
        """Curvature has no bound."""
        return None

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        return cumulative_curvature(matrices)


class NumberSea(eqx.Module):
    """g_n = 1: the electron density."""

    components: int = eqx.field(static=True, default=1)
    surface: bool = eqx.field(static=True, default=False)
    kind: ClassVar[TensorKind] = SCALAR

    @property
    def entries(self) -> list[tuple[tuple[int, ...], int, float]]:
        """Where each component stands in the tensor (index, component, sign)."""
        return [((), 0, 1.0)]

    def bound(self, num_bands: int) -> float | None:
        """S_j = j + 1 <= N."""
        return float(num_bands)

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies = energies_of(matrices)
        count = jnp.arange(1.0, energies.shape[-1] + 1)
        return energies, jnp.broadcast_to(count[:, None], (*energies.shape, 1))


class NumberSurface(eqx.Module):
    """g_n = 1: the density of states."""

    components: int = eqx.field(static=True, default=1)
    surface: bool = eqx.field(static=True, default=True)
    kind: ClassVar[TensorKind] = SCALAR

    @property
    def entries(self) -> list[tuple[tuple[int, ...], int, float]]:
        """Where each component stands in the tensor (index, component, sign)."""
        return [((), 0, 1.0)]

    def bound(self, num_bands: int) -> float | None:
        """What delta functions contribute has no bound."""
        return None

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies = energies_of(matrices)
        return energies, jnp.ones((*energies.shape, 1))


class VelocitySurface(eqx.Module):
    """g_n = tau(E_n, n, k) v_n,a v_n,b for a <= b: the Ohmic conductivity.  ``relaxation`` None is tau = 1.

    Touching bands enter with sum_m Re(V_a,nm V_b,mn) over the group, which does not depend on the choice of states.
    """

    components: int = eqx.field(static=True)
    relaxation: Callable[..., Any] | None = eqx.field(static=True, default=None)
    surface: bool = eqx.field(static=True, default=True)
    kind: ClassVar[TensorKind] = OHMIC

    @property
    def entries(self) -> list[tuple[tuple[int, ...], int, float]]:
        """Where each component stands in the tensor (index, component, sign)."""
        d = {1: 1, 3: 2, 6: 3}[self.components]
        upper = [(a, b) for a in range(d) for b in range(a, d)]
        return [(index, p, 1.0) for p, (a, b) in enumerate(upper) for index in {(a, b), (b, a)}]

    @classmethod
    def of_dimension(cls, dimension: int, relaxation: Callable[..., Any] | None = None) -> VelocitySurface:
        """For a model in d dimensions."""
        return cls(dimension * (dimension + 1) // 2, relaxation)

    @property
    def needs_k(self) -> bool:
        """A relaxation time that depends on k needs scattered points."""
        return self.relaxation is not None

    def bound(self, num_bands: int) -> float | None:
        """What delta functions contribute has no bound."""
        return None

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies, states = eigh(matrices.hamiltonian)
        gradient = matrices.gradient
        if matrices.frame is not None:
            gradient = jnp.einsum("ca,kcij->kaij", matrices.frame, gradient)
        velocity = rotate(gradient, states)
        size = jnp.abs(energies).max(axis=-1) + jnp.abs(velocity).max(axis=(1, 2, 3)) / matrices.length
        apart = jnp.abs(energies[:, :, None] - energies[:, None, :]) > DEGENERACY_TOLERANCE * size[:, None, None]
        kept = jnp.where(apart[:, None], 0.0, velocity)
        d = gradient.shape[1]
        pairs = [(kept[:, a] * jnp.conj(kept[:, b])).real.sum(axis=-1) for a in range(d) for b in range(a, d)]
        values = jnp.stack(pairs, axis=-1)
        if self.relaxation is None:
            return energies, values
        return energies, self._times(energies, matrices.k)[..., None] * values

    def _times(self, energies: Array, k: Array | None) -> Array:
        """tau(E, n, k) for every band at every k, (k, n)."""
        if self.relaxation is None or k is None:
            raise ValueError("a relaxation time as a function needs k")
        bands = jnp.arange(energies.shape[-1])
        of_bands = jax.vmap(self.relaxation, in_axes=(0, 0, None))
        return jax.vmap(of_bands, in_axes=(0, None, 0))(energies, bands, k)


class Weighed(eqx.Module):
    """An integrand with the occupations of a list of states: values (k, P, C) and the active gap (k, P)."""

    bands: Any
    occupation: Occupation

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies, values = self.bands(matrices)
        steps = self.occupation.steps(energies)
        weights = self.occupation.slopes(energies) if self.bands.surface else steps
        return weights @ values, active_gap(energies, steps)


class Listed(eqx.Module):
    """Energies (k, n), single-band values g (k, n, C) and the smallest gap (k, 1), for sums made outside."""

    bands: Any

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies, values = self.bands(matrices)
        if self.bands.surface:
            return energies, values
        return energies, jnp.diff(values, axis=1, prepend=jnp.zeros_like(values[:, :1]))
