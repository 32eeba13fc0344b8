"""Integrands of Berry curvature and orbital moment that share one diagonalization per k.

    Hall           Int f Omega                  F_0 Omega
    Nernst         Int s Omega                  F_1 Omega            s = entropy of a state over k_B
    thermal Hall   Int c_2 Omega                F_2 Omega
    magnetization  Int [f m + g Omega]          F_0 (G + (mu - E_0) Omega) + k_B T F_1 Omega

with the weights F_p of `zone.weights` and G_n = m_n - (E_n - E_0) Omega_n; all as cumulative sums, in which pairs of
filled bands cancel.  Mott's rule and the Wiedemann-Franz law compare Nernst and thermal Hall currents with
(pi^2/3) k_B T d/dmu and (pi^2/3) of the Hall one.  "size" is the curvature of filled states, whose rounding is that of
sums in which the weights F_1 or F_-1 of two bands cancel.
"""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.geometry.cumulative import cross, cumulative_sums, in_eigenstates, inverse_gaps, pair_frame
from blochflow.models.base import PAIRS, BlochMatrices
from blochflow.response.integrands import BandIntegrand, Entries, antisymmetric_entries, chern_numbers
from blochflow.zone.tensor_symmetry import HALL, TensorKind
from blochflow.zone.weights import Weight

# result -> the cumulative sums it needs, each with the power of its weight
CHANNELS: dict[str, tuple[tuple[str, int], ...]] = {
    "hall": (("curvature", 0),),
    "size": (("curvature", 0),),
    "nernst": (("curvature", 1),),
    "mott": (("curvature", -1),),
    "thermal_hall": (("curvature", 2),),
    "wiedemann_franz": (("curvature", 0),),
    "magnetization": (("grand", 0), ("curvature", 0), ("curvature", 1)),
    "moment": (("moment", 0),),
}
# results that are exactly zero at T = 0, and the scale of their rounding
COLD_ZEROS = ("nernst", "mott", "thermal_hall", "wiedemann_franz", "size")


class BerryMoments(BandIntegrand):
    """Several results at once, each antisymmetric in (a, b).

    Attributes
    ----------
    pairs : int
        1 in two dimensions, 3 in three.
    results : tuple of str
        Keys of `CHANNELS`.
    scales : tuple of float
        From natural units to those of the results.
    reference : ()
        E_0, an energy near the chemical potentials.
    """

    pairs: int = eqx.field(static=True)
    results: tuple[str, ...] = eqx.field(static=True)
    scales: tuple[float, ...] = eqx.field(static=True)
    reference: Array
    kind: ClassVar[TensorKind] = HALL

    @property
    def size(self) -> int:
        return self.pairs

    @property
    def tensors(self) -> int:
        return len(self.results)

    @property
    def entries(self) -> Entries:
        return antisymmetric_entries(self.pairs)

    @property
    def channels(self) -> list[tuple[str, int]]:
        """Cumulative sums with the powers of their weights, each once."""
        return list(dict.fromkeys(channel for name in self.results for channel in CHANNELS[name]))

    @property
    def vanishes_cold(self) -> bool:
        return all(name in COLD_ZEROS for name in self.results)

    @property
    def weight(self) -> Weight:
        return Weight(False, tuple(power for _, power in self.channels for _ in range(self.pairs)))

    def invariants(
        self, results: np.ndarray, errors: np.ndarray, reciprocal: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Chern numbers, from the Hall conductivity or the curvature of filled states."""
        for name in ("hall", "size"):
            if name in self.results:
                index = self.results.index(name)
                columns, scale = slice(index * self.pairs, (index + 1) * self.pairs), self.scales[index]
                return chern_numbers(results[:, columns] / scale, errors[:, columns] / abs(scale), reciprocal)
        return None

    def mixing(self, mu: np.ndarray, kt: np.ndarray) -> np.ndarray:
        channels = {channel: i for i, channel in enumerate(self.channels)}
        matrix = np.zeros((len(mu), len(channels), len(self.results)))
        for column, (name, scale) in enumerate(zip(self.results, self.scales, strict=True)):
            for channel, factor in zip(CHANNELS[name], self._factors(name, mu, kt), strict=True):
                matrix[:, channels[channel], column] = scale * factor
        one = np.eye(self.pairs)
        size = self.pairs
        return np.einsum("prc,ij->pricj", matrix, one).reshape(len(mu), len(channels) * size, self.tensors * size)

    def _factors(self, name: str, mu: np.ndarray, kt: np.ndarray) -> tuple[np.ndarray | float, ...]:
        """Of every channel of a result, for every state."""
        third = np.pi**2 / 3
        factors: dict[str, tuple[np.ndarray | float, ...]] = {
            "hall": (-1.0,),
            "size": (1.0,),
            "nernst": (1.0,),
            "mott": (third,),
            "thermal_hall": (-kt,),
            "wiedemann_franz": (-third * kt,),
            "magnetization": (1.0, mu - float(self.reference), kt),
            "moment": (1.0,),
        }
        return factors[name]

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        names = tuple(dict.fromkeys(name for name, _ in self.channels))
        energies, sums = cumulative_sums(matrices, names, self.reference)
        return energies, jnp.concatenate([sums[names.index(name)] for name, _ in self.channels], axis=-1)


class MomentSurface(BandIntegrand):
    """Orbital moment of bands at mu, m_n,ab = sum_m (E_m - E_n) Im(V_a,nm V_b,mn)/(E_n - E_m)^2.

    One tensor for each of ``powers``: 0 gives Int m (-f'), 1 gives T Int m df/dT.  Touching bands enter with currents
    between bands of different energy only.
    """

    pairs: int = eqx.field(static=True)
    powers: tuple[int, ...] = eqx.field(static=True)
    surface: ClassVar[bool] = True
    kind: ClassVar[TensorKind] = HALL

    @property
    def size(self) -> int:
        return self.pairs

    @property
    def tensors(self) -> int:
        return len(self.powers)

    @property
    def entries(self) -> Entries:
        return antisymmetric_entries(self.pairs)

    @property
    def weight(self) -> Weight:
        return Weight(True, tuple(power for power in self.powers for _ in range(self.pairs)))

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        basis = in_eigenstates(matrices)
        energies, velocity = basis.energies, basis.velocity
        inverse = inverse_gaps(energies, velocity, matrices.length)
        moments = [(inverse * cross(velocity[a], velocity[b])).sum(axis=-1) for a, b in PAIRS[len(velocity)]]
        values = jnp.stack(moments, axis=-1)
        if matrices.frame is not None:
            values = values @ pair_frame(matrices.frame)
        return energies, jnp.concatenate([values] * len(self.powers), axis=-1)
