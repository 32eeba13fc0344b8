"""Qi-Wu-Zhang model; see `qwz`."""

from __future__ import annotations

from typing import Any

from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo._pieces import COS, ONE, SIN, SX, SY, SZ, ListedHoppings, expand, numbers


def hoppings(mass: Any, t: Any, velocity: Any, asymmetry: Any) -> ListedHoppings:
    """Hoppings of the model, as 2 x 2 matrices."""
    return expand(
        [
            ((0, 0), mass, SZ),
            ((0, 0), 2 * asymmetry, ONE),
            *[(cell, t, COS * SZ) for cell in ((1, 0), (0, 1))],
            *[(cell, -asymmetry, COS * ONE) for cell in ((1, 0), (0, 1))],
            ((1, 0), velocity, SIN * SX),
            ((0, 1), velocity, SIN * SY),
        ]
    )


def qwz(*, mass: Any = -1.2, t: Any = 1.0, velocity: Any = 1.0, asymmetry: Any = 0.0) -> TightBinding:
    """Qi-Wu-Zhang model: the simplest Chern insulator, two orbitals on a square lattice.

        H(k) = velocity (sin kx sx + sin ky sy) + (mass + t cos kx + t cos ky) sz + asymmetry (2 - cos kx - cos ky)

    Source: Qi, Wu, Zhang, PRB 74, 085308 (2006).  Lattice constant 1, both orbitals on the lattice points.

    Symmetries: P = sz (sz H(-k) sz = H(k)), C4 with exp(-i pi sz/4); no T.  Particle-hole symmetry
    sx H(-k)* sx = -H(k) when asymmetry = 0.

    Known answers
    -------------
    - E = asymmetry (2 - cos kx - cos ky) -/+ sqrt(velocity^2 (sin^2 kx + sin^2 ky) + (mass + t cos kx + t cos ky)^2);
      distance of the bands 2 |mass + 2 t| at Gamma, 2 |mass| at X, 2 |mass - 2 t| at M.
    - Chern number of the lower band for t > 0 (Omega = -2 Im<d_x u|d_y u>): +1 for -2 t < mass < 0, -1 for
      0 < mass < 2 t, 0 otherwise; the sign of velocity does not matter.
    - asymmetry = 0.3, otherwise the defaults, at k = (0.4, 0.7): E = -0.80174248, 0.99020057; curvature of the lower
      band 0.58431581; orbital moment -0.52353032.  Invariant Wannier spread 0.211280096005.

    Parameters
    ----------
    mass, t : float
        The term of sz: constant and hopping.
    velocity : float
        Hopping between the orbitals.
    asymmetry : float
        Hopping that both orbitals share; tilts no Dirac cone but makes the bands differ.

    Returns
    -------
    TightBinding
        Operator ``"orbital"`` = sz.

    Examples
    --------
    >>> import blochflow as bf
    >>> [round(float(e), 8) for e in bf.bands(bf.zoo.qwz(asymmetry=0.3), [[0.4, 0.7]]).energies[0]]
    [-0.80174248, 0.99020057]
    """
    return TightBinding(
        [[1.0, 0.0], [0.0, 1.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        hoppings,
        parameters=numbers(mass=mass, t=t, velocity=velocity, asymmetry=asymmetry),
        operators={"orbital": SZ},
        name="qwz",
    )
