"""Orbital magnetic moment of Bloch electrons.

    m_c = (e/2 hbar) Im <d u|x (H - E)|d u>_c
        = (e/2 hbar) eps_cab sum_{m != n} (E_m - E_n) Im(V_a,nm V_b,mn)/(E_n - E_m)^2

Energy in a magnetic field: -m.B, for charge -e.  Stored as the antisymmetric tensor m_ab = eps_abc m_c, like the
curvature; in 2D m_xy is the moment along z, in 3D `to_axial` gives the vector.
Source: Chang and Niu, PRB 53, 7010 (1996); Xiao, Chang, Niu, RMP 82, 1959 (2010), Sec. IV.  Not here: the spin moment.
"""

from __future__ import annotations

import warnings

from blochflow.core.backend import Array
from blochflow.core.errors import ValidityWarning
from blochflow.geometry.bands import Bands
from blochflow.geometry.connection import antisymmetric, check_bands, evaluate, pair_sum
from blochflow.geometry.subspace import Subspace
from blochflow.models.wannier90.data import NO_POSITIONS

WANNIER_WARNING = (
    "The orbital moment is the tight-binding approximation: circulation inside the Wannier functions, and bands "
    "outside the Wannier space, are missing (the files of Wannier90 do not hold them)."
)
WITHOUT_POSITIONS = "Position matrices are missing too: read the `_tb.dat` instead of the `_hr.dat`."


def orbital_moment(bands: Bands, *, subspace: Subspace | None = None, degenerate: str = "raise") -> Array:
    """Orbital magnetic moment of each band, or its trace over a group of bands.

        m_n,ab = (e/hbar) sum_{m != n} (E_m - E_n) Im(V_a,nm V_b,mn)/(E_n - E_m)^2,   m_ab = eps_abc m_c

    Source: Chang and Niu, PRB 53, 7010 (1996); Xiao, Chang, Niu, RMP 82, 1959 (2010), Sec. IV.
    Valid for: bands separated from the others.  It is the tight-binding approximation: with Wannier functions the
    circulation inside the Wannier functions, and all bands outside the Wannier space, are missing.

    Parameters
    ----------
    bands : Bands
    subspace : Subspace, optional
        Return the trace of the group's moment matrix: n inside, m outside.  Currents between bands of the group do
        not enter, so that this is not the sum of single-band moments.
    degenerate : {"raise", "nan"}
        As for `berry_curvature`.

    Returns
    -------
    (k, a, b, n) or, for a group, (k, a, b) array, antisymmetric in (a, b), in e/hbar times energy times length
    squared (e = hbar = 1 in natural units).  In 2D ``[:, 0, 1]`` is the moment along z.

    Raises
    ------
    DegenerateBandsError
        A band touches another; names k, bands and gap.

    Warns
    -----
    ValidityWarning
        The model comes from Wannier functions, whose own circulation is missing here.

    Examples
    --------
    >>> import blochflow as bf
    >>> m = bf.geometry.orbital_moment(bf.bands(bf.zoo.haldane(), [[0.3, 0.5]]))
    >>> bool(abs(m[0, 0, 1, 0] - m[0, 0, 1, 1]) < 1e-12)                      # equal for the bands of a two-band model
    True
    """
    check_bands(bands)
    if bands.model.has_position_matrices:
        warnings.warn(WANNIER_WARNING, ValidityWarning, stacklevel=2)
    elif NO_POSITIONS in bands.model.notes:
        warnings.warn(f"{WANNIER_WARNING} {WITHOUT_POSITIONS}", ValidityWarning, stacklevel=2)
    return evaluate(_moment, bands, "orbital moment", subspace, degenerate)


def _moment(energies: Array, velocity: Array, touching: Array, basis: Array | None, subspace: Subspace | None) -> Array:
    # (E_m - E_n)/(E_n - E_m)^2 = -1/(E_n - E_m)
    return antisymmetric(pair_sum(energies, velocity, touching, subspace, lambda inverse: -inverse).imag)
