"""Integrands of quadratic and nonlocal conductivities: dipoles of band geometry at the Fermi surface.

    D_i[X] = Int sum_n f_n d_i X_n = Int sum_n (-f'_n) v_n,i X_n        no derivative of X is ever taken
    "drude"       Int f d_a d_b d_c E = Int (-f') (v_a d_b v_c)_symmetrised
    "cubed"       the same integral by parts, (1/2) Int f'' v_a v_b v_c:  no second derivative of H, only T > 0
    "normalised"  D_a[T_bc],  "metric"  D_a[g_bc],  "cube"  Int (-f') v_a v_b v_c

Source: Sodemann and Fu, PRL 115, 216806 (2015); Gao, Yang, Niu, PRL 112, 166601 (2014).
Pairs of bands that coincide within rounding never enter: of bands that are degenerate at every k the trace is taken.
Legend: v band velocity, T band-normalised metric, g quantum metric, E energy, S_nm = Re(A_nm,a A_mn,b).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.geometry.bands import rotate
from blochflow.geometry.cumulative import (
    Eigenbasis,
    crossing_sums,
    cumulative_sums,
    in_eigenstates,
    inverse_gaps,
)
from blochflow.models.base import PAIRS, AbstractModel, BlochMatrices
from blochflow.response.integrands import BandIntegrand, Entries
from blochflow.response.magnitudes import size_of_dipole
from blochflow.zone.tensor_symmetry import TensorKind
from blochflow.zone.weights import Weight

# d_a of a curvature, and of tensors that are even under time reversal and symmetric in their last two indices: the sum
# of a totally symmetric tensor and a rest
ANTISYMMETRIC = TensorKind(3, last_two="antisymmetric")
SYMMETRIC = TensorKind(3, time_odd=True, last_two="symmetric")
TOTAL, MIXED = (replace(SYMMETRIC, cyclic=x) for x in ("equal", "cancelling"))


def upper_pairs(dimension: int) -> list[tuple[int, int]]:
    """(a, b) with a <= b."""
    return [(a, b) for a in range(dimension) for b in range(a, dimension)]


def symmetric_entries(dimension: int) -> Entries:
    """(c; a, b), symmetric in (a, b): components c times the pairs of `upper_pairs`."""
    pairs = upper_pairs(dimension)
    return [
        ((c, *index), c * len(pairs) + p, 1.0)
        for c in range(dimension)
        for p, (a, b) in enumerate(pairs)
        for index in sorted({(a, b), (b, a)})
    ]


@dataclass(frozen=True)
class PairData:
    """Cartesian matrices between eigenstates of a batch of k.

    Attributes
    ----------
    basis : Eigenbasis
    velocity : list over directions of ((k, n, m), (k, n, m))
        Covariant, as (Re, Im).
    slope : (k, a, n)
        Band velocities.
    inverse : (k, n, m)
        1/(E_m - E_n), and 0 within groups of touching bands.
    """

    basis: Eigenbasis
    velocity: list[tuple[Array, Array]]
    slope: Array
    inverse: Array

    @classmethod
    def of(cls, matrices: BlochMatrices) -> PairData:
        """Diagonalise, and turn lattice components into Cartesian ones."""
        basis = in_eigenstates(matrices)
        inverse = inverse_gaps(basis.energies, basis.velocity, matrices.length)
        velocity = basis.velocity
        if matrices.frame is not None:
            re, im = (jnp.stack([v[part] for v in velocity]) for part in (0, 1))
            re, im = (jnp.einsum("ca,cknm->aknm", matrices.frame, x) for x in (re, im))
            velocity = [(re[a], im[a]) for a in range(len(velocity))]
        slope = jnp.stack([jnp.diagonal(re, axis1=-2, axis2=-1) for re, _ in velocity], axis=1)
        return cls(basis, velocity, slope, inverse)

    @property
    def dimension(self) -> int:
        """Number of directions."""
        return len(self.velocity)

    def products(self) -> Array:
        """Re(V_a,nm V_b,mn) for a <= b: (k, p, n, m)."""
        v = self.velocity
        return jnp.stack([v[a][0] * v[b][0] + v[a][1] * v[b][1] for a, b in upper_pairs(self.dimension)], axis=1)

    def metric(self) -> Array:
        """S_nm of all pairs, (k, p, n, m)."""
        return self.products() * (self.inverse**2)[:, None]

    def dipoles(self, tensors: Array) -> Array:
        """v_i X of single bands, X (k, p, n): (k, i, p, n)."""
        return self.slope[:, :, None] * tensors[:, None]


def listed(tensor: Array) -> Array:
    """(k, c, p, n) as components (k, n, c p)."""
    return jnp.swapaxes(tensor.reshape(tensor.shape[0], -1, tensor.shape[-1]), 1, 2)


def totally_symmetric(tensor: Array) -> Array:
    """Mean over cyclic exchanges of the indices of a tensor (k, c, p, ..) that is symmetric in its pairs p."""
    d = tensor.shape[1]
    pairs = upper_pairs(d)
    place = {pair: p for p, pair in enumerate(pairs)} | {(b, a): p for p, (a, b) in enumerate(pairs)}

    def mean(c: int, a: int, b: int) -> Array:
        return (tensor[:, c, place[a, b]] + tensor[:, a, place[c, b]] + tensor[:, b, place[c, a]]) / 3

    return jnp.stack([jnp.stack([mean(c, *pair) for pair in pairs], axis=1) for c in range(d)], axis=1)


class SymmetricDipoles(BandIntegrand):
    """Dipoles of quantities even under time reversal, symmetric in the last two indices.

    Attributes
    ----------
    dimension : int
    results : tuple of str
        From "drude", "cubed", "cube", "normalised", "metric", "metric_total" and "metric_mixed": the totally symmetric
        part of the last, and the rest.
    model : AbstractModel or None
        Needed for the second derivatives of H in "drude" alone.
    """

    dimension: int = eqx.field(static=True)
    results: tuple[str, ...] = eqx.field(static=True)
    model: AbstractModel | None = None
    surface: ClassVar[bool] = True
    kind: ClassVar[TensorKind] = SYMMETRIC
    subject: ClassVar[str] = "The band-normalised metric, or another derivative of the bands,"

    @property
    def size(self) -> int:
        return self.dimension**2 * (self.dimension + 1) // 2

    @property
    def tensors(self) -> int:
        return len(self.results)

    @property
    def kinds(self) -> tuple[TensorKind, ...]:
        special = {"normalised": SYMMETRIC, "metric": SYMMETRIC, "metric_mixed": MIXED}
        return tuple(special.get(name, TOTAL) for name in self.results)

    @property
    def entries(self) -> Entries:
        return symmetric_entries(self.dimension)

    @property
    def weight(self) -> Weight:
        return Weight(True, tuple(-1 if name == "cubed" else 0 for name in self.results for _ in range(self.size)))

    @property
    def needs_k(self) -> bool:
        """Second derivatives of H are at hand at scattered points only."""
        return "drude" in self.results

    def of_block(self, model: AbstractModel, basis: np.ndarray) -> BandIntegrand:
        return SymmetricDipoles(self.dimension, self.results, None if self.model is None else model)

    def mixing(self, mu: np.ndarray, kt: np.ndarray) -> np.ndarray | None:
        """The weight of "cubed" is k_B T f''."""
        if "cubed" not in self.results:
            return None
        scale = np.ones((len(kt), self.tensors))
        scale[:, self.results.index("cubed")] = 0.5 / kt
        return np.repeat(scale, self.size, axis=1)[:, :, None] * np.eye(self.components)

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        data = PairData.of(matrices)
        return data.basis.energies, jnp.concatenate([self._values(name, data, matrices) for name in self.results], -1)

    def _values(self, name: str, data: PairData, matrices: BlochMatrices) -> Array:
        if name == "normalised":
            return listed(data.dipoles(2 * (data.metric() * data.inverse[:, None]).sum(axis=-1)))
        if name.startswith("metric"):
            whole = data.dipoles(data.metric().sum(axis=-1))
            total = whole if name == "metric" else totally_symmetric(whole)
            return listed(whole - total if name == "metric_mixed" else total)
        if name in ("cubed", "cube"):
            pairs = upper_pairs(self.dimension)
            return listed(data.dipoles(jnp.stack([data.slope[:, a] * data.slope[:, b] for a, b in pairs], axis=1)))
        return listed(totally_symmetric(data.dipoles(self._mass(data, matrices))))

    def _mass(self, data: PairData, matrices: BlochMatrices) -> Array:
        """d_a d_b E for a <= b, (k, p, n); energies do not depend on position matrices."""
        if self.model is None or matrices.k is None:
            raise ValueError("second derivatives of H need the model and k")
        states = data.basis.states
        second = rotate(self.model.hessian(matrices.k), states)
        plain = rotate(matrices.gradient, states)
        inverse = -data.inverse
        masses = []
        for a, b in upper_pairs(self.dimension):
            between = 2 * ((plain[:, a] * jnp.conj(plain[:, b])).real * inverse).sum(axis=-1)
            masses.append(jnp.diagonal(second[:, a, b], axis1=-2, axis2=-1).real + between)
        return jnp.stack(masses, axis=1)


class CurvatureDipole(BandIntegrand):
    """Dipole of the Berry curvature, Int f d_c Omega_ab: index c, then pairs of `PAIRS`.

    Attributes
    ----------
    dimension : int
    rounding_scale : ()
        `size_of_dipole`: with P*T the curvature of every band is rounding at every k.  An array, so that another
        model does not compile again.
    """

    dimension: int = eqx.field(static=True)
    rounding_scale: Array
    surface: ClassVar[bool] = True
    kind: ClassVar[TensorKind] = ANTISYMMETRIC
    subject: ClassVar[str] = "The Berry curvature"

    @property
    def terms(self) -> float:
        return float(self.rounding_scale)

    @classmethod
    def of(cls, model: AbstractModel) -> CurvatureDipole:
        """For a model of two or three dimensions."""
        return cls(model.dimension, jnp.asarray(size_of_dipole(model, 2)))

    @property
    def size(self) -> int:
        return self.dimension * len(PAIRS[self.dimension])

    @property
    def entries(self) -> Entries:
        pairs = PAIRS[self.dimension]
        return [
            entry
            for c in range(self.dimension)
            for p, (a, b) in enumerate(pairs)
            for entry in (((c, a, b), c * len(pairs) + p, 1.0), ((c, b, a), c * len(pairs) + p, -1.0))
        ]

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        matrices = replace(matrices, eigenbasis=in_eigenstates(matrices))
        energies, curvature = of_bands(matrices, "curvature")
        return energies, listed(PairData.of(matrices).dipoles(curvature))


def of_bands(matrices: BlochMatrices, name: str) -> tuple[Array, Array]:
    """Energies (k, N), and the curvature or moment of single bands, pairs of `PAIRS` first: (k, p, N)."""
    energies, (total,) = cumulative_sums(matrices, (name,))
    return energies, jnp.swapaxes(jnp.diff(total, axis=1, prepend=jnp.zeros_like(total[:, :1])), 1, 2)


class PopulationSea(BandIntegrand):
    """Y_c^ab = Int sum_n f_n sum_m S_nm^ab (v_n - v_m)_c/(E_n - E_m)^2, as cumulative sums over pairs n <= j < m."""

    dimension: int = eqx.field(static=True)
    kind: ClassVar[TensorKind] = SYMMETRIC
    size = SymmetricDipoles.size
    entries = SymmetricDipoles.entries

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        data = PairData.of(matrices)
        apart = data.metric() * (data.inverse**2)[:, None]
        relative = data.slope[:, :, :, None] - data.slope[:, :, None, :]
        pairs = relative[:, :, None] * apart[:, None]
        count = pairs.shape[-1]
        flat = pairs.reshape(pairs.shape[0], -1, count, count)
        return data.basis.energies, jnp.swapaxes(crossing_sums(flat), 1, 2)
