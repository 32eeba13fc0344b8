"""Driven Rice-Mele chain; see `pumped_rice_mele`."""

from __future__ import annotations

from typing import Any

from blochflow.core.backend import Array, jnp
from blochflow.models.local import LocalModel
from blochflow.models.zoo._pieces import numbers


def hamiltonian(k: Array, x: Array, t: Array, hopping: Array, dimerization: Array, mass: Array, period: Array) -> Array:
    """H(k, t) of the model."""
    angle = 2 * jnp.pi * t / period
    here = mass * jnp.sin(angle)
    q = hopping * (
        (1 + dimerization * jnp.cos(angle)) * jnp.exp(0.5j * k[0])
        + (1 - dimerization * jnp.cos(angle)) * jnp.exp(-0.5j * k[0])
    )
    return jnp.array([[here, q], [jnp.conj(q), -here]])


def pumped_rice_mele(
    *, hopping: Any = 1.0, dimerization: Any = 0.4, mass: Any = 0.5, period: Any = 200.0
) -> LocalModel:
    """Rice-Mele chain driven around its gapless point: a Thouless pump.

        H(k, t) = [[mass sin l, q], [q*, -mass sin l]],     l = 2 pi t/period
        q = hopping [(1 + dimerization cos l) exp(i k/2) + (1 - dimerization cos l) exp(-i k/2)]

    Source: Thouless, PRB 27, 6083 (1983); Rice and Mele, PRL 49, 1455 (1982).  Lattice constant 1.

    Known answers
    -------------
    - A filled lower band moves by one lattice constant to the right in every period, whatever the speed, as long as it
      is slow: -Int dk dt Omega_kt/2 pi = 1.
    - Smallest gap on the way: 2 min(|mass|, 2 |hopping dimerization|).

    Parameters
    ----------
    hopping, dimerization, mass, period : float

    Returns
    -------
    LocalModel
        Orbitals A at 0, B at 1/2.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.zoo.pumped_rice_mele().varies_in_space
    False
    """
    values = numbers(hopping=hopping, dimerization=dimerization, mass=mass, period=period)
    return LocalModel(hamiltonian, lattice=[[1.0]], orbitals=[[0.0], [0.5]], parameters=values, name="pumped_rice_mele")
