"""Integrand of the whole conductivity at first order in q: the trace M(z), of which no part is taken by itself.

    M_a;bc(z) = sym_bc Int sum_nm F_nm G_nm,   F_nm = (f_n - f_m)/(E_n - E_m),   F_nn = f'_n,   r_nm = 1/(z - E_n + E_m)
    G_nm(z) = V_c,nm r_nm {V_a o r^T, V_b}_mn,   G_nm(-z) = V_c,nm r_mn {V_a o r, V_b}_mn

(o multiplies element by element.)  Every factor is bounded where bands approach one another, |r| <= 1/|Im z|, and the
sum over n and m is analytic in k there, while the terms of the series in z and what is left of it diverge.
Even functions of z are odd under time reversal, odd ones even; by Onsager's relations the odd ones have no totally
symmetric part, which is taken off at every k, so that what symmetry forbids vanishes there.
Source: perturbation theory for H - e phi(q) at first order in q; the terms z^-2 .. z^0 are in `flow_integrands`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.geometry.cumulative import crossing_sums
from blochflow.models.base import BlochMatrices
from blochflow.response.dipole_integrands import SYMMETRIC, PairData, SymmetricDipoles, totally_symmetric, upper_pairs
from blochflow.response.flow_integrands import MIXED_EVEN, complex_velocity
from blochflow.response.integrands import BandIntegrand
from blochflow.zone.tensor_symmetry import TensorKind
from blochflow.zone.weights import Weight

# both parities in z together: time reversal says nothing
UNSPLIT = replace(SYMMETRIC, time_odd=False)


class TraceResponse(BandIntegrand):
    """M(z), tensors: real parts, then imaginary ones unless ``real``; of each parity, or of both together.

    Attributes
    ----------
    dimension : int
    of : {"both", "sea", "surface"}
        Pairs of bands with f_n - f_m, the others with f', or both: for grids of k points at T > 0.
    split : bool
        The parts even and odd in z as tensors of their own, as the analysis of symmetry needs them.
    real : bool
        For imaginary z, where M is real.
    z : ()
        Complex, off the real axis.
    rounding_scale : ()
        Size of terms that may cancel at every k, as the even part of two bands does in a gap: `size_of_dipole`/|z|.
    """

    dimension: int = eqx.field(static=True)
    of: str = eqx.field(static=True)
    split: bool = eqx.field(static=True)
    real: bool = eqx.field(static=True)
    z: Array
    rounding_scale: Array
    size = SymmetricDipoles.size
    entries = SymmetricDipoles.entries
    kind: ClassVar[TensorKind] = SYMMETRIC

    @property
    def surface(self) -> bool:  # type: ignore[override]
        return self.of == "surface"

    @property
    def analytic(self) -> bool:  # type: ignore[override]
        return self.of == "both"

    @property
    def local(self) -> bool:  # type: ignore[override]
        return self.of == "sea"

    @property
    def terms(self) -> float:
        return 0.0 if self.surface else float(self.rounding_scale)

    @property
    def resolved(self) -> float:
        """Im z/2: resonances E_n - E_m = z are so far from real energies of two bands."""
        return 0.5 * abs(float(self.z.imag))

    @property
    def parities(self) -> tuple[TensorKind, ...]:
        """Of the real parts; a line has no odd one."""
        if not self.split:
            return (UNSPLIT,)
        return (SYMMETRIC, MIXED_EVEN) if self.dimension > 1 else (SYMMETRIC,)

    @property
    def kinds(self) -> tuple[TensorKind, ...]:
        return self.parities * (1 if self.real else 2)

    @property
    def tensors(self) -> int:
        return len(self.kinds)

    @property
    def weight(self) -> Weight:
        return Weight(self.surface, (0,) * len(self.surfaces))

    @property
    def surfaces(self) -> tuple[bool, ...]:
        if self.of != "both":
            return (self.surface,) * self.components
        return (False,) * self.components + (True,) * self.components

    def mixing(self, mu: np.ndarray, kt: np.ndarray) -> np.ndarray | None:
        """Sea and surface add up."""
        if self.of != "both":
            return None
        return np.tile(np.eye(self.components), (len(kt), 2, 1))

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        data = PairData.of(matrices)
        pairs = self._parities(data)
        parts = []
        if self.of != "surface":
            # 1/(E_n - E_m), of both orders of a pair
            each = (pairs + jnp.swapaxes(pairs, -1, -2)) * -data.inverse[:, None]
            parts.append(self._columns(self._parts(each, crossing_sums)))
        if self.of != "sea":
            same = (data.inverse == 0)[:, None]
            parts.append(self._columns(self._parts(-jnp.where(same, pairs, 0.0), lambda x: x.sum(axis=-1))))
        return data.basis.energies, jnp.concatenate(parts, axis=-1)

    def _parities(self, data: PairData) -> Array:
        """G of all tensors as complex numbers, (k, tensors size, n, m)."""
        forward = self._pairs(data, 1)
        if not self.split:
            return forward
        backward = self._pairs(data, -1)
        even = 0.5 * (forward + backward)
        return even if self.dimension == 1 else jnp.concatenate([even, 0.5 * (forward - backward)], axis=1)

    def _pairs(self, data: PairData, sign: int) -> Array:
        """G(z) or G(-z) for components of one tensor, (k, size, n, m)."""
        velocity, energies, d = complex_velocity(data), data.basis.energies, self.dimension
        inner = 1 / (self.z + energies[:, :, None] - energies[:, None, :])
        outer = jnp.swapaxes(inner, -1, -2)
        if sign < 0:
            inner, outer = outer, inner
        weighed = velocity * inner[:, None]
        # [a, b, n, m]: ({V_a o r, V_b})_mn
        first = products(weighed, velocity).transpose(0, 1, 3, 4, 2)
        second = products(velocity, weighed).transpose(0, 3, 1, 4, 2)
        both, last = first + second, velocity * outer[:, None]
        columns = [
            0.5 * (last[:, c] * both[:, a, b] + last[:, b] * both[:, a, c]) for a in range(d) for b, c in upper_pairs(d)
        ]
        return jnp.stack(columns, axis=1)

    def _parts(self, pairs: Array, summed: Callable[[Array], Array]) -> Array:
        """Sums over pairs (k, components, n): real parts of all parities first."""
        parts = [summed(pairs.real)] if self.real else [summed(pairs.real), summed(pairs.imag)]
        return jnp.concatenate(parts, axis=1)

    def _columns(self, sums: Array) -> Array:
        """(k, components, n) -> (k, n, components), odd parts without their totally symmetric one."""
        count, d = sums.shape[-1], self.dimension
        tensors = sums.reshape(sums.shape[0], self.tensors, d, -1, count)
        each = [
            tensors[:, i] - totally_symmetric(tensors[:, i]) if kind is MIXED_EVEN else tensors[:, i]
            for i, kind in enumerate(self.kinds)
        ]
        return jnp.swapaxes(jnp.concatenate([x.reshape(len(x), -1, count) for x in each], axis=1), 1, 2)


def products(left: Array, right: Array) -> Array:
    """X_a Y_b of all directions, (k, a, n, m) and (k, b, n, m) -> (k, a, n, b, m), by one product of large matrices."""
    k, d, count, _ = left.shape
    rows, columns = left.reshape(k, d * count, count), right.transpose(0, 2, 1, 3).reshape(k, count, d * count)
    return (rows @ columns).reshape(k, d, count, d, count)
