"""Band-resolved integrands: what is summed over bands, before any chemical potential is known.

sea:      sum_n F_p(E_n) g_n = sum_j (F_p,j - F_p,j+1) S_j,   S_j = sum_{n<=j} g_n      the class returns S
surface:  sum_n -f'(E_n) x_n^p g_n                                                      the class returns g
x = (E - mu)/k_B T;  F_0 = f, F_1, F_2 as in `zone.weights`
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.geometry.bands import DEGENERACY_TOLERANCE, rotate
from blochflow.geometry.cumulative import cumulative_curvature
from blochflow.geometry.eigen import eigh
from blochflow.models.base import PAIRS, AbstractModel, BlochMatrices
from blochflow.response.relaxation import Relaxation, of_bands
from blochflow.zone.tensor_symmetry import HALL, OHMIC, SCALAR, TensorKind
from blochflow.zone.weights import Weight


def as_tensor(components: np.ndarray, bands: Any, dimension: int) -> np.ndarray:
    """(..., size) components of one tensor of an integrand -> the tensor (..., a, b, ..)."""
    tensor = np.zeros((*components.shape[:-1], *(dimension,) * bands.kind.rank))
    for index, component, sign in bands.entries:
        tensor[(..., *index)] = sign * components[..., component]
    return tensor


def as_components(tensor: np.ndarray, bands: Any) -> np.ndarray:
    """The inverse of `as_tensor`."""
    components = np.zeros((*tensor.shape[: tensor.ndim - bands.kind.rank], bands.size), dtype=tensor.dtype)
    for index, component, sign in reversed(bands.entries):
        components[..., component] = tensor[(..., *index)] * np.asarray(sign, dtype=tensor.dtype)
    return components


Entries = list[tuple[tuple[int, ...], int, float]]


class BandIntegrand(eqx.Module):
    """A band-resolved integrand: called on `BlochMatrices` it returns energies (k, N) and values (k, N, R).

    Values are cumulative sums S_j for sums over states, single bands g_n for surfaces.  Weighed sums over them, mixed
    by `mixing`, are the results: ``tensors`` tensors, one after another, which transform alike: as ``kind`` says.
    """

    surface: ClassVar[bool] = False
    kind: ClassVar[TensorKind] = SCALAR
    # what a message about non-finite values blames
    subject: ClassVar[str] = "The integrand"
    # whether weighed sums are smooth in k at T > 0 even where bands touch, so that only the temperature needs resolving
    analytic: ClassVar[bool] = False
    # whether it can be evaluated on models of a few bands around a k, of which only H and its gradient are known
    local: ClassVar[bool] = True

    @property
    def terms(self) -> float:
        """Size of the terms of the values where these may cancel at every k, to tell rounding; 0: they do not."""
        return 0.0

    @property
    def resolved(self) -> float:
        """Distance from real energies at which ``analytic`` sums are singular for reasons of their own."""
        return float("inf")

    @property
    def size(self) -> int:
        """Components of one tensor."""
        return 1

    @property
    def tensors(self) -> int:
        """Number of tensors."""
        return 1

    @property
    def kinds(self) -> tuple[TensorKind, ...]:
        """Of each tensor: ``kind``, with what exchanges of indices do to this one."""
        return (self.kind,) * self.tensors

    @property
    def components(self) -> int:
        """C, of all results."""
        return self.tensors * self.size

    @property
    def entries(self) -> Entries:
        """Where each component stands in its tensor (index, component, sign)."""
        return [((), 0, 1.0)]

    @property
    def weight(self) -> Weight:
        """How the values are weighed."""
        return Weight(self.surface, (0,) * self.components)

    @property
    def surfaces(self) -> tuple[bool, ...]:
        """Whether each value is weighed by -f'; values of both kinds are for grids of k points only."""
        return (self.surface,) * len(self.weight.powers)

    @property
    def needs_k(self) -> bool:
        """True where values depend on k itself, which factorised grids do not provide."""
        return False

    @property
    def vanishes_cold(self) -> bool:
        """True where every result is exactly zero at T = 0."""
        return False

    def bound(self, num_bands: int) -> float | None:
        """Largest |S_j|, where it is known beforehand."""
        return None

    @property
    def splits(self) -> bool:
        """True where sums over bands are sums over blocks that H(k) does not mix, each by itself."""
        return True

    def of_block(self, model: AbstractModel, basis: np.ndarray) -> BandIntegrand:
        """The same integrand for one such block, whose model is W^+ H W with W = ``basis``."""
        return self

    def invariants(
        self, results: np.ndarray, errors: np.ndarray, reciprocal: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """(P, n) numbers that are integers in a gap at T = 0, and errors, from averages (P, C); None: no such."""
        return None

    def mixing(self, mu: np.ndarray, kt: np.ndarray) -> np.ndarray | None:
        """(P, R, C) from weighed sums to results of every state; None where they are the results."""
        return None

    @abc.abstractmethod
    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]: ...


def energies_of(matrices: BlochMatrices) -> Array:
    """(k, n), from the eigenbasis where it is at hand."""
    return eigh(matrices.hamiltonian)[0] if matrices.eigenbasis is None else matrices.eigenbasis.energies


def antisymmetric_entries(size: int) -> Entries:
    """Antisymmetric tensors of rank 2, components as in `PAIRS`."""
    pairs = PAIRS[{1: 2, 3: 3}[size]]
    upper: Entries = [(pair, p, 1.0) for p, pair in enumerate(pairs)]
    return upper + [((b, a), p, -1.0) for p, (a, b) in enumerate(pairs)]


def chern_numbers(curvature: np.ndarray, error: np.ndarray, reciprocal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P, pairs) Chern numbers of planes of the lattice, and errors, from zone averages of the Cartesian curvature."""
    pairs, rows = PAIRS[len(reciprocal)], reciprocal
    turn = np.array([[rows[a, i] * rows[b, j] - rows[a, j] * rows[b, i] for i, j in pairs] for a, b in pairs])
    return curvature @ turn.T / (2 * np.pi), error @ np.abs(turn).T / (2 * np.pi)


class BerrySea(BandIntegrand):
    """Berry curvature Omega_ab, components as in `PAIRS`: the anomalous Hall conductivity."""

    pairs: int = eqx.field(static=True)
    kind: ClassVar[TensorKind] = HALL

    @property
    def size(self) -> int:
        """One in two dimensions, three in three."""
        return self.pairs

    @classmethod
    def of_dimension(cls, dimension: int) -> BerrySea:
        """For a model in two or three dimensions."""
        return cls(len(PAIRS[dimension]))

    @property
    def entries(self) -> Entries:
        """Where each component stands in the tensor (index, component, sign)."""
        return antisymmetric_entries(self.pairs)

    def invariants(
        self, results: np.ndarray, errors: np.ndarray, reciprocal: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Chern numbers."""
        return chern_numbers(results, errors, reciprocal)

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        return cumulative_curvature(matrices)


class NumberSea(BandIntegrand):
    """g_n = 1: the electron density."""

    analytic: ClassVar[bool] = True

    def bound(self, num_bands: int) -> float | None:
        """S_j = j + 1 <= N."""
        return float(num_bands)

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies = energies_of(matrices)
        count = jnp.arange(1.0, energies.shape[-1] + 1)
        return energies, jnp.broadcast_to(count[:, None], (*energies.shape, 1))


class NumberSurface(BandIntegrand):
    """g_n = 1: the density of states."""

    analytic: ClassVar[bool] = True
    surface: ClassVar[bool] = True

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies = energies_of(matrices)
        return energies, jnp.ones((*energies.shape, 1))


class VelocitySurface(BandIntegrand):
    """g_n = tau(E_n, n, k) v_n,a v_n,b for a <= b: the Ohmic conductivity.  ``relaxation`` None is tau = 1.

    One tensor for each of ``powers`` of (E - mu)/k_B T.  Touching bands enter with sum_m Re(V_a,nm V_b,mn) over the
    group, which does not depend on the choice of states.
    """

    pairs: int = eqx.field(static=True)
    relaxation: Relaxation | None = eqx.field(static=True, default=None)
    powers: tuple[int, ...] = eqx.field(static=True, default=(0,))
    surface: ClassVar[bool] = True
    kind: ClassVar[TensorKind] = OHMIC
    subject: ClassVar[str] = "The velocity, or tau(energy, band, k), which must be positive,"

    @property
    def size(self) -> int:
        """d (d + 1)/2."""
        return self.pairs

    @property
    def tensors(self) -> int:
        """One for each power."""
        return len(self.powers)

    @property
    def weight(self) -> Weight:
        """Powers of the tensors."""
        return Weight(True, tuple(power for power in self.powers for _ in range(self.pairs)))

    @property
    def entries(self) -> Entries:
        """Where each component stands in the tensor (index, component, sign)."""
        d = {1: 1, 3: 2, 6: 3}[self.pairs]
        upper = [(a, b) for a in range(d) for b in range(a, d)]
        return [(index, p, 1.0) for p, (a, b) in enumerate(upper) for index in {(a, b), (b, a)}]

    @classmethod
    def of_dimension(
        cls, dimension: int, relaxation: Relaxation | None = None, powers: tuple[int, ...] = (0,)
    ) -> VelocitySurface:
        """For a model in d dimensions."""
        return cls(dimension * (dimension + 1) // 2, relaxation, powers)

    @property
    def needs_k(self) -> bool:
        """A relaxation time that depends on k needs scattered points."""
        return self.relaxation is not None

    @property
    def splits(self) -> bool:
        """A relaxation time may depend on the number of a band, which blocks change."""
        return self.relaxation is None

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
        if self.relaxation is not None:
            values = self._times(energies, matrices.k)[..., None] * values
        return energies, jnp.concatenate([values] * len(self.powers), axis=-1)

    def _times(self, energies: Array, k: Array | None) -> Array:
        """tau(E, n, k) for every band at every k, (k, n); NaN where it is not positive, so that no sum hides it."""
        if self.relaxation is None or k is None:
            raise ValueError("a relaxation time as a function needs k")
        times = of_bands(self.relaxation, energies, k)
        return jnp.where(times > 0, times, jnp.nan)
