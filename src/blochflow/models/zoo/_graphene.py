"""Graphene, gapped by a staggered energy; see `graphene`."""

from __future__ import annotations

from typing import Any

from blochflow.models.operators import PAULI
from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo._pieces import BONDS, HONEYCOMB, HONEYCOMB_SITES, SECOND_NEIGHBOURS, ListedHoppings, numbers


def hoppings(t: Any, t2: Any, mass: Any) -> ListedHoppings:
    """First neighbours, real second neighbours, staggered site energy."""
    listed: ListedHoppings = [(-mass, 0, 0, (0, 0)), (mass, 1, 1, (0, 0))]
    listed += [(t, 0, 1, cell) for cell in BONDS]
    listed += [(t2, site, site, cell) for cell, _ in SECOND_NEIGHBOURS for site in (0, 1)]
    return listed


def graphene(*, t: Any = -1.0, t2: Any = 0.0, mass: Any = 0.1, spin_degeneracy: int = 1) -> TightBinding:
    """Graphene with a staggered site energy: two massive Dirac valleys of opposite curvature.

        H(k) = [[-mass, t f], [t f*, mass]] + t2 (|f|^2 - 3),   f = sum over the three bonds of exp(i k.d)

    d points from A to B.  Source: Castro Neto, Guinea, Peres, Novoselov, Geim, RMP 81, 109 (2009), Eqs. (5)-(6);
    curvature and moment of the gapped valleys: Xiao, Yao, Niu, PRL 99, 236809 (2007).  Lattice constant 1.

    Symmetries: T, C3v; P (A <-> B) and C6v when mass = 0, then with P*T no curvature; chiral when mass = t2 = 0.

    Known answers
    -------------
    - E = t2 (|f|^2 - 3) -/+ sqrt(mass^2 + t^2 |f|^2); gap 2 |mass| at K = b1/3 + 2 b2/3 and K' = 2 b1/3 + b2/3;
      without mass the velocity at K is sqrt(3) |t|/2.
    - Curvature of the lower band at K for t2 = 0: -3 t^2/(8 mass |mass|), orbital moment of both bands
      3 t^2/(8 mass); opposite at K'.  mass = 0.1, t = -1: -37.5 and 3.75.  Chern number 0.

    Parameters
    ----------
    t, t2 : float
        Matrix elements between first and second neighbours.
    mass : float
        Site energy of B; A has its negative.  0 gives graphene itself.
    spin_degeneracy : int
        2 counts both spins in all responses.

    Returns
    -------
    TightBinding
        Orbitals A, B; operator ``"sublattice"`` = sigma_z.

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.graphene(mass=0.1)
    >>> K = model.lattice.to_cartesian_k([1 / 3, 2 / 3])
    >>> round(float(bf.geometry.berry_curvature(bf.bands(model, K))[0, 0, 1, 0]), 9)
    -37.5
    """
    return TightBinding(
        HONEYCOMB,
        HONEYCOMB_SITES,
        hoppings,
        parameters=numbers(t=t, t2=t2, mass=mass),
        operators={"sublattice": PAULI[2]},
        spin_degeneracy=spin_degeneracy,
        name="graphene",
    )
