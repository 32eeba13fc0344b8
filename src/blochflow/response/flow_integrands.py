"""Integrands of the series in z of the conductivity at first order in q: flow of the metric and of orbital moments.

    M_c;ab(z) = M2/z^2 + M1/z + M0 + rest(z),     z = w + i/tau
    M0/2 = S = Int f' .. + Int sum_nm (f_n - f_m) Q_nm,   Q_nm = -Re sum_l V_a,ml V_c,ln V_b,nm/(e_ln e_nm^2)
                                                                 - v_c,n Re(V_a,mn V_b,nm)/e_nm^3

Every term diverges where bands approach one another; their sum M does not and is in `trace_integrand`.
Real products V V V go with the even part in z, which is odd under time reversal; imaginary ones with the odd part,
which is even.  By Onsager's relations the totally symmetric part of M is odd under time reversal at every z, so that
the odd part in z has none, which is taken off at every k.  So has S_curl, a circulating current.
Legend: V velocity matrix, e_nm = E_n - E_m, v diagonal of V, m orbital moment.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import equinox as eqx

from blochflow.core.backend import Array, jnp
from blochflow.geometry.cumulative import crossing_sums, in_eigenstates
from blochflow.models.base import PAIRS, BlochMatrices
from blochflow.response.dipole_integrands import (
    MIXED,
    SYMMETRIC,
    TOTAL,
    PairData,
    SymmetricDipoles,
    listed,
    of_bands,
    totally_symmetric,
    upper_pairs,
)
from blochflow.response.integrands import BandIntegrand
from blochflow.zone.tensor_symmetry import TensorKind

# no totally symmetric part
MIXED_EVEN = replace(MIXED, time_odd=False)


class FlowSea(BandIntegrand):
    """Tensors (c; a, b): the totally symmetric part of Int f v_c T_ab of single bands, the rest, and S by pairs."""

    dimension: int = eqx.field(static=True)
    kind: ClassVar[TensorKind] = SYMMETRIC
    size = SymmetricDipoles.size
    entries = SymmetricDipoles.entries
    tensors: ClassVar[int] = 3  # type: ignore[misc]
    kinds: ClassVar[tuple[TensorKind, ...]] = (TOTAL, MIXED, MIXED)  # type: ignore[misc]

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        data = PairData.of(matrices)
        drift = data.dipoles(2 * (data.metric() * data.inverse[:, None]).sum(axis=-1))
        velocity, inverse = complex_velocity(data), -data.inverse
        between = velocity * inverse[:, None]
        columns = []
        for c in range(self.dimension):
            for a, b in upper_pairs(self.dimension):
                orders = [self._pairs(velocity, between, data.slope, inverse, c, *pair) for pair in {(a, b), (b, a)}]
                columns.append(sum(orders) / len(orders))
        pairs = jnp.stack(columns, axis=1)
        kubo = crossing_sums(pairs - jnp.swapaxes(pairs, -1, -2)).reshape(drift.shape)
        drift = jnp.cumsum(drift, axis=-1)
        total = totally_symmetric(drift)
        tensors = (total, drift - total, kubo - totally_symmetric(kubo))
        return data.basis.energies, jnp.concatenate([listed(x) for x in tensors], axis=-1)

    @staticmethod
    def _pairs(velocity: Array, between: Array, slope: Array, inverse: Array, c: int, a: int, b: int) -> Array:
        """Q_nm, (k, n, m)."""
        chain = velocity[:, a] @ between[:, c] + velocity[:, a] * (slope[:, c, None, :] * inverse_transposed(inverse))
        # [m, n] -> [n, m]; the sign of 1/e_mn is turned to that of 1/e_nm
        return -(jnp.swapaxes(chain, -1, -2) * velocity[:, b]).real * inverse**2


def inverse_transposed(inverse: Array) -> Array:
    """1/e_nm at [m, n]."""
    return jnp.swapaxes(inverse, -1, -2)


def complex_velocity(data: PairData) -> Array:
    """V (k, a, n, m)."""
    return jnp.stack([re + 1j * im for re, im in data.velocity], axis=1)


class MomentFlow(BandIntegrand):
    """Int (-f') (v_a m_cb + v_b m_ca), with the tensor m_ab of the orbital moment."""

    dimension: int = eqx.field(static=True)
    rounding_scale: Array
    surface: ClassVar[bool] = True
    kind: ClassVar[TensorKind] = MIXED_EVEN
    subject: ClassVar[str] = "The orbital moment"
    size = SymmetricDipoles.size
    entries = SymmetricDipoles.entries

    @property
    def terms(self) -> float:
        return float(self.rounding_scale)

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        matrices = replace(matrices, eigenbasis=in_eigenstates(matrices))
        energies, moment = of_bands(matrices, "moment")
        d = self.dimension
        signed = {pair: moment[:, p] for p, pair in enumerate(PAIRS[d])}
        signed |= {(b, a): -x for (a, b), x in signed.items()} | {(a, a): jnp.zeros_like(energies) for a in range(d)}
        v = PairData.of(matrices).slope
        flow = [[v[:, a] * signed[c, b] + v[:, b] * signed[c, a] for a, b in upper_pairs(d)] for c in range(d)]
        return energies, listed(jnp.stack([jnp.stack(row, axis=1) for row in flow], axis=1))
