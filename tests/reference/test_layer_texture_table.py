"""Twisted MoTe2 as a local model: the flux of its real-space curvature and its local gap, against the table.

The table's numbers are those of the layer field alone.  At k between the corners at which the two layers have their
tops, kinetic energies agree, and the local bands of the model are those of that field.
"""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jax, jnp
from blochflow.dynamics.equations import Adiabatic, curvatures, level

POINTS = 60


def sampled(model, k, twist):
    """Places of a moire cell (P, P, 2) that hold its three-fold points, the oriented area of a step, and H there."""
    period = 3.472 / (2 * np.sin(np.deg2rad(twist) / 2))
    b = 4 * np.pi / (np.sqrt(3) * period) * np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    cell = 2 * np.pi * np.linalg.inv(b).T
    u = np.stack(np.meshgrid(*(np.arange(POINTS) / POINTS,) * 2, indexing="ij"), axis=-1)
    x = u @ cell
    at = jax.jit(jax.vmap(lambda y: model.local_hamiltonian(jnp.asarray(k), y, jnp.zeros(()))))
    matrices = np.asarray(at(jnp.asarray(x.reshape(-1, 2)))).reshape(POINTS, POINTS, 2, 2)
    return x, np.linalg.det(cell) / POINTS**2, matrices


@pytest.mark.parametrize(
    ("depth", "angle", "tunneling", "charge", "least", "most"),
    [
        (8.0, -89.6, -8.5, -1, 8.5, 41.5682064),
        (8.0, 89.6, -8.5, 1, 8.5, 41.5682064),
        (20.8, 107.7, -23.8, 1, 23.8, 102.9636),
    ],
)
def test_flux_and_gap_of_the_local_bands(depth, angle, tunneling, charge, least, most):
    twist, k = 1.2, np.array([0.05, 0.0])
    model = bf.zoo.twisted_mote2(twist=twist, depth=depth / 1000, angle=angle, tunneling=tunneling / 1000)
    x, area, matrices = sampled(model, k, twist)
    # upper minus lower local band: twice the field, in meV
    gap = np.ptp(np.linalg.eigvalsh(matrices), axis=-1) * 500
    np.testing.assert_allclose([gap.min(), gap.max()], [least, most], rtol=1e-6)
    # links around every plaquette, <u|u'> = exp(-i A.dx): a whole number of flux quanta on any grid that is fine enough
    upper = np.linalg.eigh(matrices)[1][..., 1]
    links = [np.einsum("xyi,xyi->xy", upper.conj(), np.roll(upper, -1, axis=axis)) for axis in (0, 1)]
    around = links[0] * np.roll(links[1], -1, axis=0) * np.roll(links[0], -1, axis=1).conj() * links[1].conj()
    flux = -np.sign(area) * np.angle(around).sum()
    np.testing.assert_allclose(flux, -2 * np.pi * charge, atol=1e-9)

    def omega(place):
        here = level(model, jnp.asarray(1), jnp.asarray(k), place, jnp.zeros(()))
        return curvatures(here, Adiabatic(), 2)[2, 3]

    values = np.asarray(jax.jit(jax.vmap(omega))(jnp.asarray(x.reshape(-1, 2))))
    # smooth and periodic: the sum converges exponentially
    np.testing.assert_allclose(values.sum() * abs(area), -2 * np.pi * charge, atol=1e-5)
