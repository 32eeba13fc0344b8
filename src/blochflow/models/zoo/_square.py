"""Square lattice, one orbital; see `square`."""

from __future__ import annotations

from typing import Any

from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo._pieces import ListedHoppings, numbers


def hoppings(t: Any, t2: Any, anisotropy: Any) -> ListedHoppings:
    """First and second neighbours."""
    return [
        (-t, 0, 0, (1, 0)),
        (-t * anisotropy, 0, 0, (0, 1)),
        (-t2, 0, 0, (1, 1)),
        (-t2, 0, 0, (1, -1)),
    ]


def square(*, t: Any = 1.0, t2: Any = 0.0, anisotropy: Any = 1.0) -> TightBinding:
    """Square lattice with one orbital: the simplest metal.

        E(k) = -2 t (cos kx + anisotropy cos ky) - 4 t2 cos kx cos ky

    Source: Ashcroft and Mermin, Solid State Physics (1976), ch. 10.  Lattice constant 1.

    Symmetries: T, P, C4v (C2v when anisotropic).  With t2 = 0, E(k + (pi, pi)) = -E(k): half filling is at mu = 0.

    Known answers (t = 1, t2 = 0, isotropic)
    ----------------------------------------
    - Band from -4 to 4, van Hove singularity at 0, band mass 1/(2t) at the bottom.
    - Cyclotron mass m_c(E) = K(m)/(pi t), m = 1 - (E/4t)^2, K the complete elliptic integral (hbar = 1):
      0.574377973380 at E = -3, 0.891651589987 at E = -1; the areas of these orbits are 3.361566634476, 12.17168597547.
    - No Berry curvature: one band.  Open orbits along y for anisotropy < 1 and |E| < 2 t (1 - anisotropy).

    Parameters
    ----------
    t : float
        First-neighbour hopping amplitude along x; the matrix element is -t.
    t2 : float
        Second-neighbour hopping amplitude; the matrix element is -t2.
    anisotropy : float
        Ratio of the hoppings along y and x.

    Returns
    -------
    TightBinding

    Examples
    --------
    >>> import blochflow as bf
    >>> float(bf.bands(bf.zoo.square(), [[0.0, 0.0]]).energies[0, 0])
    -4.0
    """
    return TightBinding(
        [[1.0, 0.0], [0.0, 1.0]],
        [[0.0, 0.0]],
        hoppings,
        parameters=numbers(t=t, t2=t2, anisotropy=anisotropy),
        name="square",
    )
