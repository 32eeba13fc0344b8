"""Kane-Mele model; see `kane_mele`."""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo._pieces import (
    BOND_DIRECTIONS,
    BONDS,
    HONEYCOMB,
    HONEYCOMB_SITES,
    ONE,
    SECOND_NEIGHBOURS,
    SX,
    SY,
    SZ,
    ListedHoppings,
    expand,
    numbers,
)

A_TO_B = np.array([[0, 1], [0, 0]])


def hoppings(t: Any, spin_orbit: Any, rashba: Any, mass: Any) -> ListedHoppings:
    """First neighbours, intrinsic and Rashba spin-orbit coupling, staggered site energy."""
    terms: list[tuple[tuple[int, ...], Any, np.ndarray]] = [((0, 0), -mass, np.kron(SZ, ONE))]
    for cell, (dx, dy) in zip(BONDS, -BOND_DIRECTIONS, strict=True):  # from B to A
        # The row <A|H|B, R> only: at R = 0 its adjoint is implied by the upper triangle.
        terms.append((cell, t, np.kron(A_TO_B, ONE)))
        terms.append((cell, rashba, np.kron(A_TO_B, 1j * (dy * SX - dx * SY))))
    for cell, turn in SECOND_NEIGHBOURS:
        terms.append((cell, spin_orbit, 1j * turn * np.kron(SZ, SZ)))
    return expand(terms)


def kane_mele(*, t: Any = -1.0, spin_orbit: Any = 0.06, rashba: Any = 0.05, mass: Any = 0.1) -> TightBinding:
    """Kane-Mele model: the quantum spin Hall insulator on the honeycomb lattice.

        H = t (first neighbours) + spin_orbit (i s_z, second neighbours, as t2 = i s_z spin_orbit in `haldane`)
            + rashba i (s_x d_y - s_y d_x) (first neighbours) - mass sigma_z

    d is the unit vector along the bond from the column's site to the row's.  Source: Kane and Mele, PRL 95, 226801 and
    146802 (2005).  Lattice as in `haldane`.

    Symmetries: T = i s_y K (T^2 = -1), C3v; P when mass = rashba = 0, then all bands are doubly degenerate;
    conservation of s_z when rashba = 0.

    Known answers
    -------------
    - rashba = 0: two copies of `haldane` with phase +pi/2 (up) and -pi/2 (down).  Gap at K and K'
      2 ||mass| - 3 sqrt(3) |spin_orbit||; quantum spin Hall insulator for |mass| < 3 sqrt(3) |spin_orbit|, with Chern
      numbers -1 (up) and +1 (down) of the filled bands for spin_orbit > 0.
    - Spin Hall conductivity at mu = 0, T = 0 of s_z = sigma_z/2, in e/2 pi: -1 for rashba = mass = 0 (t = -1,
      spin_orbit = 0.06); -1.02179238 for the defaults: not quantised once s_z is not conserved.

    Parameters
    ----------
    t : float
        First-neighbour matrix element.
    spin_orbit : float
        Intrinsic spin-orbit coupling.
    rashba : float
        Rashba spin-orbit coupling.
    mass : float
        Site energy of B; A has its negative.

    Returns
    -------
    TightBinding
        Orbitals A up, A down, B up, B down; operators ``"spin"`` (Pauli matrices) and ``"sublattice"``.

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.kane_mele(rashba=0.0, mass=0.0)
    >>> K = model.lattice.to_cartesian_k([1 / 3, 2 / 3])
    >>> [round(float(e), 6) for e in bf.bands(model, K).energies[0]]
    [-0.311769, -0.311769, 0.311769, 0.311769]
    """
    return TightBinding(
        HONEYCOMB,
        np.repeat(HONEYCOMB_SITES, 2, axis=0),
        hoppings,
        parameters=numbers(t=t, spin_orbit=spin_orbit, rashba=rashba, mass=mass),
        operators={"spin": np.stack([np.kron(ONE, s) for s in (SX, SY, SZ)]), "sublattice": np.kron(SZ, ONE)},
        name="kane_mele",
    )
