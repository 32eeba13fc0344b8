"""Simple cubic lattice, one orbital; see `cubic`."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo._pieces import ListedHoppings, numbers


def hoppings(t: Any, t2: Any, anisotropy: Any) -> ListedHoppings:
    """First and second neighbours."""
    listed: ListedHoppings = [(-t, 0, 0, (1, 0, 0)), (-t, 0, 0, (0, 1, 0)), (-t * anisotropy, 0, 0, (0, 0, 1))]
    for (a, b), sign in product(combinations(range(3), 2), (1, -1)):
        cell = [0, 0, 0]
        cell[a], cell[b] = 1, sign
        listed.append((-t2, 0, 0, tuple(cell)))
    return listed


def cubic(*, t: Any = 1.0, t2: Any = 0.0, anisotropy: Any = 1.0) -> TightBinding:
    """Simple cubic lattice with one orbital: the simplest metal in three dimensions.

        E(k) = -2 t (cos kx + cos ky + anisotropy cos kz) - 4 t2 (cos kx cos ky + cos ky cos kz + cos kz cos kx)

    Source: Ashcroft and Mermin, Solid State Physics (1976), ch. 10.  Lattice constant 1.

    Symmetries: T, P, O_h (D_4h when anisotropic).  With t2 = 0, E(k + (pi, pi, pi)) = -E(k).

    Known answers (t = 1, t2 = 0, isotropic)
    ----------------------------------------
    - Band from -6 to 6, van Hove singularities at -2 and 2, band mass 1/(2t) at the bottom.
    - A cut at fixed kz is the `square` lattice at energy E + 2 t cos kz.  At E = -1, field along z, the neck at
      kz = pi has area/2 pi = 0.535009946410 and cyclotron mass 0.574377973380.

    Parameters
    ----------
    t : float
        First-neighbour hopping amplitude in the plane; the matrix element is -t.
    t2 : float
        Second-neighbour hopping amplitude; the matrix element is -t2.
    anisotropy : float
        Ratio of the hoppings along z and in the plane.

    Returns
    -------
    TightBinding

    Examples
    --------
    >>> import blochflow as bf
    >>> float(bf.bands(bf.zoo.cubic(), [[0.0, 0.0, 0.0]]).energies[0, 0])
    -6.0
    """
    return TightBinding(
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.0, 0.0, 0.0]],
        hoppings,
        parameters=numbers(t=t, t2=t2, anisotropy=anisotropy),
        name="cubic",
    )
