"""Twisted bilayer MoTe2; see `twisted_mote2`."""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.units import EV_ANGSTROM
from blochflow.models.local import LocalModel
from blochflow.models.zoo._pieces import numbers

# hbar^2/(2 m_e) in eV angstrom^2
KINETIC = 3.8099821161548593
LATTICE_CONSTANT = 3.472  # of MoTe2, angstrom
# Directions of b_1 .. b_6, and of the corners where the band tops of the two layers lie.
STAR = np.array([[np.cos(a), np.sin(a)] for a in np.pi / 3 * np.arange(6)])
CORNERS = np.array([[-np.sqrt(3) / 2, -0.5], [-np.sqrt(3) / 2, 0.5]])


def layer_potentials(x: Array, size: Array, depth: Array, angle: Array, tunneling: Array) -> tuple[Array, Array, Array]:
    """Potentials of the bottom and top layer and the complex tunneling between them, at one place."""
    turns = size * (STAR @ x)
    odd = turns[jnp.array([0, 2, 4])]
    bottom, top = (2 * depth * jnp.cos(odd + sign * angle).sum() for sign in (1, -1))
    return bottom, top, tunneling * (1 + jnp.exp(-1j * turns[1]) + jnp.exp(-1j * turns[2]))


def hamiltonian(
    k: Array, x: Array, t: Array, twist: Array, mass: Array, depth: Array, angle: Array, tunneling: Array
) -> Array:
    """H(k, x) of the model."""
    period = LATTICE_CONSTANT / (2 * jnp.sin(jnp.deg2rad(twist) / 2))
    bottom, top, between = layer_potentials(
        x, 4 * jnp.pi / (jnp.sqrt(3.0) * period), depth, jnp.deg2rad(angle), tunneling
    )
    from_tops = k - 4 * jnp.pi / (3 * period) * CORNERS
    kinetic = -KINETIC / mass * (from_tops**2).sum(axis=1)
    return jnp.array([[kinetic[0] + bottom, between], [jnp.conj(between), kinetic[1] + top]])


def twisted_mote2(
    *,
    twist: Any = 1.2,
    mass: Any = 0.62,
    depth: Any = 0.008,
    angle: Any = -89.6,
    tunneling: Any = -0.0085,
    cutoff: float = 0.2,
) -> LocalModel:
    """Holes of one valley in twisted bilayer MoTe2: a layer pseudospin in a skyrmion texture.

        H(k, x) = [[-hbar^2 (k - kappa_b)^2/2m + D_b(x), D_T(x)], [D_T(x)*, -hbar^2 (k - kappa_t)^2/2m + D_t(x)]]
        D_b/t = 2 depth sum_{j=1,3,5} cos(b_j.x +/- angle),     D_T = tunneling (1 + exp(-i b_2.x) + exp(-i b_3.x))

    |b_j| = 4 pi/(sqrt(3) a_M) at angles 60 (j - 1) degrees, a_M = 3.472/(2 sin(twist/2)); kappa at corners of the moire
    zone.  Source: Wu, Lovorn, Tutuc, Martin, MacDonald, PRL 122, 086402 (2019), Eqs. (1)-(4) and its parameters.

    Known answers
    -------------
    - The field D = (Re D_T, -Im D_T, (D_b - D_t)/2) winds once per moire cell, (1/4 pi) Int n.(d_x n x d_y n) = -1 with
      the default parameters, +1 with angle = +89.6, or with depth 20.8 meV, angle 107.7, tunneling -23.8 meV.
    - |D| is between 8.5 and 41.5682064 meV; 23.8 and 102.9636 meV with the other three.

    Parameters
    ----------
    twist, angle : float
        In degrees.
    mass : float
        Effective mass in electron masses.
    depth, tunneling : float
        In eV.
    cutoff : float
        Radius in k (1/angstrom) up to which the model is used.

    Returns
    -------
    LocalModel
        In eV and angstrom; band 1 is the upper one, of the holes nearest the gap.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.zoo.twisted_mote2().units.energy
    'eV'
    """
    values = numbers(twist=twist, mass=mass, depth=depth, angle=angle, tunneling=tunneling)
    return LocalModel(
        hamiltonian, dimension=2, cutoff=cutoff, parameters=values, units=EV_ANGSTROM, name="twisted_mote2"
    )
