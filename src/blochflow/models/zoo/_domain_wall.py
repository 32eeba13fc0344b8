"""Domain wall of a Dirac mass; see `domain_wall`."""

from __future__ import annotations

from typing import Any

from blochflow.core.backend import Array, jnp
from blochflow.models.local import LocalModel
from blochflow.models.operators import PAULI
from blochflow.models.zoo._pieces import numbers


def hamiltonian(k: Array, x: Array, t: Array, velocity: Array, mass: Array, offset: Array, width: Array) -> Array:
    """H(k, x) of the model."""
    here = offset + mass * jnp.tanh(x[0] / width)
    return jnp.einsum("a,aij->ij", jnp.stack([velocity * k[0], velocity * k[1], here]), PAULI)


def domain_wall(
    *, velocity: Any = 1.0, mass: Any = 0.3, offset: Any = 0.0, width: Any = 20.0, cutoff: float = 4.0
) -> LocalModel:
    """Dirac cone whose mass changes across a wall at x = 0.

        H(k, x) = velocity (kx sx + ky sy) + [offset + mass tanh(x/width)] sz

    Source: Jackiw and Rebbi, PRD 13, 3398 (1976); chiral modes on such walls: Martin, Blanter, Morpurgo,
    PRL 100, 036804 (2008).

    Known answers
    -------------
    - Local gap 2 |offset + mass tanh(x/width)|: with |offset| < |mass| it closes at one x, where no packet of one band
      with k = 0 can pass; others pass with a gap of 2 velocity |ky|.
    - The local curvatures have opposite signs on the two sides, half a Chern number each: one chiral mode per valley.

    Parameters
    ----------
    velocity, mass, offset, width : float
    cutoff : float
        Radius in k up to which the model is used.

    Returns
    -------
    LocalModel

    Examples
    --------
    >>> import blochflow as bf
    >>> wall = bf.zoo.domain_wall(mass=0.2)
    >>> [round(float(wall.at([x, 0.0]).hamiltonian([0.0, 0.0])[0, 0].real), 3) for x in (-200.0, 0.0, 200.0)]
    [-0.2, 0.0, 0.2]
    """
    values = numbers(velocity=velocity, mass=mass, offset=offset, width=width)
    return LocalModel(hamiltonian, dimension=2, cutoff=cutoff, parameters=values, name="domain_wall")
