"""Strained gapped graphene; see `strained_graphene`."""

from __future__ import annotations

from typing import Any

from blochflow.core.backend import Array, jnp
from blochflow.models.local import LocalModel
from blochflow.models.operators import PAULI
from blochflow.models.zoo._pieces import BOND_DIRECTIONS, HONEYCOMB, HONEYCOMB_SITES, numbers

BOND = 1 / 3**0.5  # length of a bond in lattice constants


def strain_tensor(x: Array, strength: Array) -> Array:
    """Of the displacement u = strength (2 x y, x^2 - y^2), symmetric (2, 2)."""
    return 2 * strength * jnp.array([[x[1], x[0]], [x[0], -x[1]]])


def hamiltonian(k: Array, x: Array, t: Array, hopping: Array, mass: Array, stiffness: Array, strength: Array) -> Array:
    """H(k, x) of the model."""
    stretch = jnp.einsum("ja,ab,jb->j", BOND_DIRECTIONS, strain_tensor(x, strength), BOND_DIRECTIONS)
    bonds = hopping * jnp.exp(-stiffness * stretch)
    f = (bonds * jnp.exp(1j * BOND * (BOND_DIRECTIONS @ k))).sum()
    return jnp.einsum("a,aij->ij", jnp.stack([f.real, -f.imag, -mass + 0 * f.real]), PAULI)


def strained_graphene(
    *, hopping: Any = -1.0, mass: Any = 0.1, stiffness: Any = 3.0, strength: Any = 1e-4
) -> LocalModel:
    """Gapped graphene under triaxial strain: hoppings that depend on the place, a uniform pseudomagnetic field.

        H(k, x) = [[-mass, f], [f*, mass]],     f = sum_j hopping exp(-stiffness d_j.e(x).d_j) exp(i k.delta_j)
        e = 2 strength [[y, x], [x, -y]],       d_j = delta_j/|delta_j| for the three bonds delta_j from A to B

    Source: Guinea, Katsnelson, Geim, Nature Physics 6, 30 (2010); Vozmediano, Katsnelson, Guinea, Phys. Rep. 496, 109
    (2010), Sec. 3.  Sites stay at their places: the change of the bond vectors is left out.

    Known answers
    -------------
    - Near K and K' the strain moves the cone by A = +/- (sqrt(3)/2) stiffness (e_xx - e_yy, -2 e_xy) (1/lattice
      constant): a field d_x A_y - d_y A_x of size 4 sqrt(3) stiffness strength, opposite in the two valleys.
    - strength = 0 is gapped graphene.

    Parameters
    ----------
    hopping, mass : float
    stiffness : float
        -d ln(hopping)/d ln(bond length), about 3 for graphene.
    strength : float
        Gradient of the strain, in 1/lattice constant.

    Returns
    -------
    LocalModel
        Lattice constant 1; orbitals A and B as in `graphene`.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.zoo.strained_graphene(strength=0.0).at([3.0, 1.0]).num_bands
    2
    """
    values = numbers(hopping=hopping, mass=mass, stiffness=stiffness, strength=strength)
    return LocalModel(
        hamiltonian, lattice=HONEYCOMB, orbitals=HONEYCOMB_SITES, parameters=values, name="strained_graphene"
    )
