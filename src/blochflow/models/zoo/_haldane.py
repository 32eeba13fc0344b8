"""Haldane model; see `haldane`."""

from __future__ import annotations

import math
from typing import Any

from blochflow.core.backend import jnp
from blochflow.models.operators import PAULI
from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo._pieces import BONDS, HONEYCOMB, HONEYCOMB_SITES, SECOND_NEIGHBOURS, ListedHoppings, numbers


def hoppings(t: Any, t2: Any, phase: Any, mass: Any) -> ListedHoppings:
    """First neighbours, complex second neighbours, staggered site energy."""
    listed: ListedHoppings = [(-mass, 0, 0, (0, 0)), (mass, 1, 1, (0, 0))]
    listed += [(t, 0, 1, cell) for cell in BONDS]
    for cell, turn in SECOND_NEIGHBOURS:
        listed.append((t2 * jnp.exp(1j * turn * phase), 0, 0, cell))
        listed.append((t2 * jnp.exp(-1j * turn * phase), 1, 1, cell))
    return listed


def haldane(*, t: Any = -1.0, t2: Any = 0.15, phase: Any = math.pi / 2, mass: Any = 0.2) -> TightBinding:
    """Haldane model: a Chern insulator on the honeycomb lattice without net flux.

        H(k) = [[h_A, t f], [t f*, h_B]],    f = sum over the three bonds of exp(i k.d)
        h_A = -mass + 2 t2 sum_j cos(k.R_j + s_j phase),     h_B = mass + 2 t2 sum_j cos(k.R_j - s_j phase)

    d points from A to B; (R_j, s_j) = (a1, +), (a1 - a2, -), (a2, -).  Source: Haldane, PRL 61, 2015 (1988).
    Lattice a1 = (1, 0), a2 = (1/2, sqrt(3)/2); A at 1/3 (a1 + a2), B at 2/3 (a1 + a2).

    Symmetries: C3; P (A <-> B) when mass = 0; T when sin(phase) = 0.

    Known answers
    -------------
    - E = 2 t2 cos(phase) c -/+ sqrt(t^2 |f|^2 + (mass + 2 t2 sin(phase) s)^2),  c = sum_j cos k.R_j,
      s = sum_j s_j sin k.R_j.
    - Gap 2 |mass + 3 sqrt(3) t2 sin(phase)| at K = b1/3 + 2 b2/3, and with the minus sign at K' = 2 b1/3 + b2/3.
    - Chern number of the lower band (Omega = -2 Im<d_x u|d_y u>):
      C = [sgn(mass - M) - sgn(mass + M)]/2,  M = 3 sqrt(3) t2 sin(phase).  For the defaults C = -1.
    - Defaults at k = (0.3, 0.5): E = -/+ 2.922958412411, curvature of the lower band -8.152647455618e-05.

    Parameters
    ----------
    t : float
        First-neighbour matrix element.
    t2, phase : float
        Modulus and phase of the second-neighbour matrix elements.
    mass : float
        Site energy of B; A has its negative.

    Returns
    -------
    TightBinding
        Orbitals A, B; operator ``"sublattice"`` = sigma_z.

    Examples
    --------
    >>> import blochflow as bf
    >>> [round(float(e), 9) for e in bf.bands(bf.zoo.haldane(), [[0.3, 0.5]]).energies[0]]
    [-2.922958412, 2.922958412]
    """
    return TightBinding(
        HONEYCOMB,
        HONEYCOMB_SITES,
        hoppings,
        parameters=numbers(t=t, t2=t2, phase=phase, mass=mass),
        operators={"sublattice": PAULI[2]},
        name="haldane",
    )
