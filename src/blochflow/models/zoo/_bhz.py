"""Bernevig-Hughes-Zhang model; see `bhz`."""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo._pieces import COS, ONE, SIN, SX, SY, SZ, ListedHoppings, expand, numbers


def hoppings(mass: Any, quadratic: Any, velocity: Any, asymmetry: Any) -> ListedHoppings:
    """Hoppings of the model, as 4 x 4 matrices (spin block, orbital)."""
    difference, identity = np.kron(ONE, SZ), np.kron(ONE, ONE)
    return expand(
        [
            ((0, 0), mass - 4 * quadratic, difference),
            ((0, 0), -4 * asymmetry, identity),
            *[(cell, 2 * quadratic, COS * difference) for cell in ((1, 0), (0, 1))],
            *[(cell, 2 * asymmetry, COS * identity) for cell in ((1, 0), (0, 1))],
            ((1, 0), velocity, SIN * np.kron(SZ, SX)),
            ((0, 1), velocity, SIN * np.kron(ONE, SY)),
        ]
    )


def bhz(*, mass: Any = -1.0, quadratic: Any = -1.0, velocity: Any = 1.0, asymmetry: Any = 0.0) -> TightBinding:
    """Bernevig-Hughes-Zhang model: the quantum spin Hall effect of HgTe quantum wells on a square lattice.

        H(k) = [[h(k), 0], [0, h(-k)*]],   h = -2 asymmetry c + velocity (sin kx sx + sin ky sy) + M(k) sz
        M(k) = mass - 2 quadratic c,   c = 2 - cos kx - cos ky

    Source: Bernevig, Hughes, Zhang, Science 314, 1757 (2006): A = velocity, B = quadratic,
    D = asymmetry, M = mass, C = 0.  Lattice constant 1.

    Symmetries: T = i s_y K (T^2 = -1), P = sz of the orbitals, so every band is doubly degenerate; C4.

    Known answers
    -------------
    - E = -2 asymmetry c -/+ sqrt(velocity^2 (sin^2 kx + sin^2 ky) + M(k)^2), each twice; distance of the bands
      2 |mass| at Gamma, 2 |mass - 4 quadratic| at X, 2 |mass - 8 quadratic| at M.
    - Quantum spin Hall insulator for 0 < mass/quadratic < 8 (asymmetry = 0): the filled band of the first block has
      Chern number sgn(quadratic) for 0 < mass/quadratic < 4 and -sgn(quadratic) for 4 < mass/quadratic < 8, the second
      block the opposite.  Trivial otherwise.

    Parameters
    ----------
    mass : float
        Half the gap at Gamma; inverted when it has the sign of ``quadratic``.
    quadratic, asymmetry : float
        Coefficients of -k^2 in the difference and in the mean of the two bands.
    velocity : float
        Coupling of the electron and the hole orbital.

    Returns
    -------
    TightBinding
        Orbitals (E, H) of the first Kramers block, (E, H) of the second.  Operators ``"spin"``, Pauli matrices of the
        Kramers block (the E and H states have J_z = +-1/2 and +-3/2, so this is not their magnetic moment), and
        ``"orbital"`` = sz.

    Examples
    --------
    >>> import blochflow as bf
    >>> [round(float(e), 12) for e in bf.bands(bf.zoo.bhz(), [[0.0, 0.0]]).energies[0]]
    [-1.0, -1.0, 1.0, 1.0]
    """
    return TightBinding(
        [[1.0, 0.0], [0.0, 1.0]],
        np.zeros((4, 2)),
        hoppings,
        parameters=numbers(mass=mass, quadratic=quadratic, velocity=velocity, asymmetry=asymmetry),
        operators={"spin": np.stack([np.kron(s, ONE) for s in (SX, SY, SZ)]), "orbital": np.kron(ONE, SZ)},
        name="bhz",
    )
