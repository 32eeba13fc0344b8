"""Two-dimensional ferromagnet with Rashba spin-orbit coupling; see `rashba_ferromagnet`."""

from __future__ import annotations

from typing import Any

from blochflow.core.backend import Array, jnp
from blochflow.models.continuum import ContinuumModel
from blochflow.models.operators import PAULI
from blochflow.models.zoo._pieces import as_vector, numbers


def hamiltonian(k: Array, mass: Array, rashba: Array, exchange: Array, m: Array) -> Array:
    """H(k) of the model."""
    field = rashba * jnp.stack([k[1], -k[0], jnp.zeros_like(k[0])]) - exchange * m
    return k @ k / (2 * mass) * jnp.eye(2) + jnp.einsum("a,aij->ij", field, PAULI)


def rashba_ferromagnet(
    *,
    mass: Any = 1.0,
    rashba: Any = 0.5,
    exchange: Any = 0.2,
    m: Any = (0.0, 0.0, 1.0),
    cutoff: float = 4.0,
) -> ContinuumModel:
    """Two-dimensional ferromagnet with Rashba spin-orbit coupling.

        H(k) = k^2/(2 mass) + rashba (ky sx - kx sy) - exchange m.s             (hbar = 1)

    Source: Nunner et al., PRB 76, 235312 (2007); spin-orbit torque: Manchon and Zhang, PRB 78, 212405 (2008).

    Symmetries: rotations about z (k and spin together) when m is along z; T maps m to -m and is broken by exchange;
    no P.

    Known answers (m along z, eps = sqrt(rashba^2 k^2 + exchange^2))
    ---------------------------------------------------------------
    - E = k^2/(2 mass) -/+ eps; curvature of the upper and lower band +/- rashba^2 exchange/(2 eps^3).
    - Intrinsic sigma_xy at T = 0, both bands occupied, eps at the two Fermi wave vectors:
      (e^2/hbar) exchange/(4 pi) (1/eps_upper - 1/eps_lower).  Defaults at mu = 1: 0.0147365688.
    - exchange = 0: spin lies in the plane, perpendicular to k (helical), and all curvature is gone.

    Parameters
    ----------
    mass, rashba, exchange : float
        Band mass, Rashba coupling, exchange energy; the spin of the lower band follows m.
    m : (3,) vector
        Direction of the magnetization.  Not normalised: its length multiplies ``exchange``.
    cutoff : float
        Radius in k up to which integrals extend.

    Returns
    -------
    ContinuumModel
        Operator ``"spin"`` = Pauli matrices.

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.rashba_ferromagnet()
    >>> [round(float(e), 12) for e in bf.bands(model, [[0.0, 0.0]]).energies[0]]
    [-0.2, 0.2]
    """
    parameters = {**numbers(mass=mass, rashba=rashba, exchange=exchange), "m": as_vector(m, "m", 3)}
    return ContinuumModel(
        hamiltonian, 2, cutoff=cutoff, parameters=parameters, operators={"spin": PAULI}, name="rashba_ferromagnet"
    )
