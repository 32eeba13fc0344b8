"""Rice-Mele chain; see `rice_mele`."""

from __future__ import annotations

from typing import Any

from blochflow.models.operators import PAULI
from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo import _ssh
from blochflow.models.zoo._pieces import ListedHoppings, numbers


def hoppings(t_intra: Any, t_inter: Any, mass: Any) -> ListedHoppings:
    """Alternating hoppings and alternating site energies."""
    return [*_ssh.hoppings(t_intra, t_inter), (mass, 0, 0, (0,)), (-mass, 1, 1, (0,))]


def rice_mele(*, t_intra: Any = 1.4, t_inter: Any = 0.6, mass: Any = 0.5) -> TightBinding:
    """Rice-Mele chain: alternating hoppings and site energies, the model of a Thouless pump.

        H(k) = [[mass, q], [q*, -mass]],     q = t_intra exp(i k/2) + t_inter exp(-i k/2)

    Source: Rice and Mele, PRL 49, 1455 (1982); pump: Thouless, PRB 27, 6083 (1983).  Lattice constant 1.

    Symmetries: T.  Inversion about a bond when mass = 0 (then this is the `ssh` chain), about a site when
    t_intra = t_inter.

    Known answers
    -------------
    - E = -/+ sqrt(mass^2 + t_intra^2 + t_inter^2 + 2 t_intra t_inter cos k); the gap is
      2 sqrt(mass^2 + (|t_intra| - |t_inter|)^2).
    - Pump t_intra = 1 + 0.4 cos l, t_inter = 1 - 0.4 cos l, mass = 0.5 sin l, l from 0 to 2 pi: the lower band has
      Chern number C(k, l) = -1 and moves each electron by +1 lattice constant per cycle.

    Parameters
    ----------
    t_intra, t_inter : float
        Hopping within the cell and to the next cell.
    mass : float
        Site energy of A; B has its negative.

    Returns
    -------
    TightBinding
        Orbitals A at 0, B at 1/2; operator ``"sublattice"`` = sigma_z.

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.rice_mele(t_intra=1.0, t_inter=1.0, mass=0.25)
    >>> [round(float(e), 12) for e in bf.bands(model, [[3.141592653589793]]).energies[0]]
    [-0.25, 0.25]
    """
    return TightBinding(
        [[1.0]],
        [[0.0], [0.5]],
        hoppings,
        parameters=numbers(t_intra=t_intra, t_inter=t_inter, mass=mass),
        operators={"sublattice": PAULI[2]},
        name="rice_mele",
    )
