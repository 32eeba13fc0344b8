"""Band-resolved integrands of two-band models that the library has no response for."""

from __future__ import annotations

from blochflow.core.backend import Array, jnp
from blochflow.geometry.bands import rotate
from blochflow.geometry.eigen import eigh
from blochflow.models.base import BlochMatrices
from blochflow.response.integrands import BerrySea, NumberSea


class MomentSea(BerrySea):
    """Orbital moment m_n,xy = sum_m Im(V_x,nm V_y,mn)/(E_m - E_n), the same for both bands of a pair."""

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies, states = eigh(matrices.hamiltonian)
        v = rotate(matrices.gradient, states)
        moment = (v[:, 0, 0, 1] * v[:, 1, 1, 0]).imag / (energies[:, 1] - energies[:, 0])
        return energies, moment[:, None, None] * jnp.array([1.0, 2.0])[:, None]


class UpperBandSea(NumberSea):
    """g = 1 in the upper of two bands: what its pockets hold."""

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies, _ = eigh(matrices.hamiltonian)
        return energies, jnp.broadcast_to(jnp.array([0.0, 1.0])[:, None], (*energies.shape, 1))
