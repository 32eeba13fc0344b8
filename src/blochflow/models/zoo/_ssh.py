"""Su-Schrieffer-Heeger chain; see `ssh`."""

from __future__ import annotations

from typing import Any

from blochflow.core.checks import as_real_array
from blochflow.models.operators import PAULI
from blochflow.models.tight_binding import TightBinding
from blochflow.models.zoo._pieces import ListedHoppings, numbers


def hoppings(t_intra: Any, t_inter: Any) -> ListedHoppings:
    """Alternating hoppings of the chain."""
    return [(t_intra, 0, 1, (0,)), (t_inter, 0, 1, (-1,))]


def ssh(*, t_intra: Any = 0.6, t_inter: Any = 1.0, spacing: float = 0.5) -> TightBinding:
    """Su-Schrieffer-Heeger chain: two sites per cell, alternating hoppings.

        H_AB(k) = t_intra exp(i k s) + t_inter exp(i k (s - 1)),     H_AA = H_BB = 0

    Source: Su, Schrieffer, Heeger, PRL 42, 1698 (1979).  Lattice constant 1, energies in the unit of the hoppings.

    Symmetries: T, inversion about the bond centres, chiral symmetry (the operator ``"sublattice"`` anticommutes
    with H).  Class BDI.

    Known answers
    -------------
    - E = -/+ sqrt(t_intra^2 + t_inter^2 + 2 t_intra t_inter cos k), gap 2 ||t_intra| - |t_inter||.
    - The winding of H_AB vanishes (s = 0) for |t_intra| > |t_inter| and is -1 for |t_intra| < |t_inter|, where an open
      chain has a zero mode at each end.
    - Invariant part of the Wannier spread with r = the smaller of the ratios of the hoppings: 1/16 + r^2/(8(1 - r^2))
      for s = 1/2; with s = 0 it is r^2/(8(1 - r^2)), and 1/4 more in the topological phase (Marzari and Vanderbilt,
      PRB 56, 12847 (1997), their Omega_I in closed form).  r = 0.6: 0.1328125, 0.0703125, 0.3203125.

    Parameters
    ----------
    t_intra, t_inter : float
        Hopping within the cell and to the next cell.
    spacing : float
        Position s of the B site in units of the lattice constant; fixed, not a parameter of the model.

    Returns
    -------
    TightBinding
        Orbitals A, B; operator ``"sublattice"`` = sigma_z.

    Examples
    --------
    >>> import blochflow as bf
    >>> e = bf.bands(bf.zoo.ssh(), [[3.141592653589793]]).energies[0]
    >>> round(float(e[1] - e[0]), 12)
    0.8
    """
    place = float(as_real_array(spacing, "spacing", max_ndim=0))
    return TightBinding(
        [[1.0]],
        [[0.0], [place]],
        hoppings,
        parameters=numbers(t_intra=t_intra, t_inter=t_inter),
        operators={"sublattice": PAULI[2]},
        name="ssh",
    )
