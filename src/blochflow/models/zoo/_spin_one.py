"""Spin-one Chern insulator with three bands; see `spin_one`."""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo._pieces import COS, SIN, ListedHoppings, expand, numbers, spin_matrices

SPIN = spin_matrices(2)
ONE = np.eye(3, dtype=np.complex128)


def hoppings(mass: Any, t: Any, velocity: Any, asymmetry: Any) -> ListedHoppings:
    """Hoppings of the model, as 3 x 3 matrices."""
    return expand(
        [
            ((0, 0), mass, SPIN[2]),
            ((0, 0), 2 * asymmetry, ONE),
            *[(cell, t, COS * SPIN[2]) for cell in ((1, 0), (0, 1))],
            *[(cell, -asymmetry, COS * ONE) for cell in ((1, 0), (0, 1))],
            ((1, 0), velocity, SIN * SPIN[0]),
            ((0, 1), velocity, SIN * SPIN[1]),
        ]
    )


def spin_one(*, mass: Any = -1.2, t: Any = 1.0, velocity: Any = 1.0, asymmetry: Any = 0.0) -> TightBinding:
    """Spin-one Chern insulator: three bands with Chern numbers 2, 0, -2 and a flat middle band.

        H(k) = d(k).S + asymmetry (2 - cos kx - cos ky)
        d = (velocity sin kx, velocity sin ky, mass + t cos kx + t cos ky)

    S are the spin-1 matrices in the basis m = 1, 0, -1.  The curvature of a spin that follows a field d is that of
    Berry, Proc. R. Soc. A 392, 45 (1984); d(k) is that of `qwz`.  Lattice constant 1.

    Symmetries: P = exp(i pi S_z), C4 with exp(-i pi S_z/2); no T.

    Known answers
    -------------
    - E_s = s |d| + asymmetry (2 - cos kx - cos ky), s = -1, 0, 1.  Neighbouring bands are |d| apart.
    - Curvature of band s: 2 s times that of the upper band of `qwz` with the same parameters; the middle band has none.
      Chern numbers for -2 t < mass < 0: 2, 0, -2; for 0 < mass < 2 t: -2, 0, 2.
    - Quantum metric of the middle band: twice that of the outer bands.

    Parameters
    ----------
    mass, t, velocity, asymmetry : float
        As in `qwz`.

    Returns
    -------
    TightBinding
        Operator ``"pseudospin"`` = (S_x, S_y, S_z).

    Examples
    --------
    >>> import blochflow as bf
    >>> [round(float(e), 12) for e in bf.bands(bf.zoo.spin_one(), [[0.0, 0.0]]).energies[0]]
    [-0.8, 0.0, 0.8]
    """
    return TightBinding(
        [[1.0, 0.0], [0.0, 1.0]],
        np.zeros((3, 2)),
        hoppings,
        parameters=numbers(mass=mass, t=t, velocity=velocity, asymmetry=asymmetry),
        operators={"pseudospin": SPIN},
        name="spin_one",
    )
