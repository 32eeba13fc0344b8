"""Electrons in the exchange field of a skyrmion; see `skyrmion`."""

from __future__ import annotations

from typing import Any

from blochflow.core.backend import Array, jnp
from blochflow.models.local import LocalModel
from blochflow.models.operators import PAULI
from blochflow.models.zoo._pieces import numbers


def direction(x: Array, radius: Array, helicity: Array) -> Array:
    """n(x) = (2 R x', 2 R y', r^2 - R^2)/(r^2 + R^2), x' and y' turned by the helicity."""
    c, s = jnp.cos(helicity), jnp.sin(helicity)
    square = x @ x
    in_plane = 2 * radius * jnp.stack([c * x[0] - s * x[1], s * x[0] + c * x[1]])
    return jnp.concatenate([in_plane, (square - radius**2)[None]]) / (square + radius**2)


def hamiltonian(
    k: Array, x: Array, t: Array, mass: Array, exchange: Array, rashba: Array, radius: Array, helicity: Array
) -> Array:
    """H(k, x) of the model."""
    spin = -exchange * direction(x, radius, helicity) + rashba * jnp.stack([-k[1], k[0], jnp.zeros_like(k[0])])
    return k @ k / (2 * mass) * jnp.eye(2) + jnp.einsum("a,aij->ij", spin, PAULI)


def skyrmion(
    *,
    mass: Any = 1.0,
    exchange: Any = 2.0,
    rashba: Any = 0.0,
    radius: Any = 20.0,
    helicity: Any = 0.0,
    cutoff: float = 3.0,
) -> LocalModel:
    """Electrons whose spin follows the magnetization of one skyrmion.

        H(k, x) = k^2/2 mass - exchange n(x).s + rashba (kx sy - ky sx)
        n(x) = (2 R x', 2 R y', r^2 - R^2)/(r^2 + R^2),     (x', y') = x turned by the helicity

    Source: Belavin and Polyakov, JETP Lett. 22, 245 (1975); electrons: Bruno, Dugaev, Taillefumier, PRL 93, 096806
    (2004).

    Known answers
    -------------
    - Topological charge (1/4 pi) Int n.(d_x n x d_y n) d^2x = -1 for every radius and helicity.
    - Without Rashba coupling the lower band, of spin along n, has the real-space curvature -n.(d_x n x d_y n)/2, whose
      integral is 2 pi: it moves as in a magnetic field of one flux quantum.

    Parameters
    ----------
    mass, exchange, rashba, radius, helicity : float
        ``helicity`` 0 is a Neel, pi/2 a Bloch skyrmion.
    cutoff : float
        Radius in k up to which the model is used.

    Returns
    -------
    LocalModel

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.skyrmion(exchange=1.0)
    >>> [round(float(model.at([r, 0.0]).hamiltonian([0.0, 0.0])[0, 0].real), 2) for r in (0.0, 20.0, 2000.0)]
    [1.0, 0.0, -1.0]
    """
    values = numbers(mass=mass, exchange=exchange, rashba=rashba, radius=radius, helicity=helicity)
    return LocalModel(hamiltonian, dimension=2, cutoff=cutoff, parameters=values, name="skyrmion")
