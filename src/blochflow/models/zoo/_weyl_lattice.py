"""Weyl semimetal on a cubic lattice; see `weyl_lattice`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from blochflow.core.backend import jnp
from blochflow.models.operators import PAULI
from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo._pieces import COS, ONE, SIN, SX, SY, SZ, ListedHoppings, expand, numbers


def hoppings(node: Any, t: Any, mass: Any, velocity: Any, splitting: Any) -> ListedHoppings:
    """Hoppings of the model, as 2 x 2 matrices."""
    return expand(
        [
            ((0, 0, 0), -2 * mass - t * jnp.cos(node), SZ),
            ((0, 0, 1), t, COS * SZ),
            ((1, 0, 0), mass, COS * SZ),
            ((0, 1, 0), mass, COS * SZ),
            ((1, 0, 0), velocity, SIN * SX),
            ((0, 1, 0), velocity, SIN * SY),
            ((0, 0, 1), splitting, SIN * ONE),
        ]
    )


def weyl_lattice(
    *, node: Any = math.pi / 2, t: Any = 1.0, mass: Any = 1.0, velocity: Any = 1.0, splitting: Any = 0.0
) -> TightBinding:
    """Magnetic Weyl semimetal on a cubic lattice with one pair of nodes at (0, 0, +-node).

        H(k) = velocity (sin kx sx + sin ky sy) + [t (cos kz - cos node) - mass (2 - cos kx - cos ky)] sz
               + splitting sin kz

    Source: Yang, Lu, Ran, PRB 84, 075129 (2011), with equal velocities in the plane and the mass term of opposite sign,
    so that the planes between the nodes and through the zone centre are Chern insulators; review: Armitage, Mele,
    Vishwanath, RMP 90, 015001 (2018).  Lattice constant 1.

    Symmetries: P = sz and C4 about z when splitting = 0; no T.  Exactly one pair of nodes while
    2 mass > t (1 - cos node), mass, t > 0 and 0 < node < pi.

    Known answers
    -------------
    - E = splitting sin kz -/+ sqrt(velocity^2 (sin^2 kx + sin^2 ky) + [...]^2); node energies +-splitting sin(node).
    - Node at +node: H = velocity (qx sx + qy sy) - t sin(node) qz sz, chirality -1; at -node chirality +1.
    - Chern number of the lower band on the plane kz: +1 for |kz| < node, 0 outside.  For splitting = 0 and
      mu = T = 0: sigma_xy = -(e^2/hbar) node/(2 pi^2) (Burkov and Balents, PRL 107, 127205 (2011), in our sign).

    Parameters
    ----------
    node : float
        Distance of the nodes from the zone centre, in radians.
    t, mass, velocity : float
        Hopping along z, mass term and velocity in the plane.
    splitting : float
        Half the energy difference of the nodes is splitting sin(node); breaks P.

    Returns
    -------
    TightBinding
        Operator ``"spin"`` = Pauli matrices.

    Examples
    --------
    >>> import blochflow as bf
    >>> e = bf.bands(bf.zoo.weyl_lattice(node=0.8), [[0.0, 0.0, 0.8]]).energies[0]
    >>> bool(abs(e[1] - e[0]) < 1e-12)
    True
    """
    return TightBinding(
        np.eye(3),
        np.zeros((2, 3)),
        hoppings,
        parameters=numbers(node=node, t=t, mass=mass, velocity=velocity, splitting=splitting),
        operators={"spin": PAULI},
        name="weyl_lattice",
    )
