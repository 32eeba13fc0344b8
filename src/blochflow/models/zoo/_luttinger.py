"""Luttinger model of the valence bands of cubic semiconductors; see `luttinger`."""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.models.continuum import ContinuumModel
from blochflow.models.zoo._pieces import numbers, spin_matrices

J = spin_matrices(3)
J_SQUARED = np.stack([j @ j for j in J])
# {J_y, J_z}, {J_z, J_x}, {J_x, J_y} with {A, B} = (AB + BA)/2
J_MIXED = np.stack([(J[a] @ J[b] + J[b] @ J[a]) / 2 for a, b in ((1, 2), (2, 0), (0, 1))])


def hamiltonian(k: Array, gamma1: Array, gamma2: Array, gamma3: Array, mass: Array) -> Array:
    """H(k) of the model."""
    mixed = jnp.stack([k[1] * k[2], k[2] * k[0], k[0] * k[1]])
    matrix = 0.5 * (gamma1 + 2.5 * gamma2) * (k @ k) * jnp.eye(4) - gamma2 * jnp.einsum("a,aij->ij", k**2, J_SQUARED)
    return -(matrix - 2 * gamma3 * jnp.einsum("a,aij->ij", mixed, J_MIXED)) / mass


def luttinger(
    *, gamma1: Any = 6.98, gamma2: Any = 2.06, gamma3: Any = 2.93, mass: Any = 1.0, cutoff: float = 1.0
) -> ContinuumModel:
    """Luttinger model: heavy and light holes of a cubic semiconductor.

        H(k) = -(1/mass) [ (gamma1 + 5 gamma2/2) k^2/2 - gamma2 sum_a k_a^2 J_a^2
                           - 2 gamma3 sum_(a<b) k_a k_b {J_a, J_b} ]

    J are the spin-3/2 matrices (basis m = 3/2, 1/2, -1/2, -3/2), {A, B} = (AB + BA)/2; the sign is that of electron
    energies, so the bands bend down from 0.  Source: Luttinger, PR 102, 1030 (1956), without a magnetic field; the
    default parameters are those of GaAs: Vurgaftman, Meyer, Ram-Mohan, JAP 89, 5815 (2001), Table I.

    Symmetries: T = exp(-i pi J_y) K (T^2 = -1), P = 1, hence doubly degenerate bands; O_h, and all rotations of k and J
    when gamma2 = gamma3.

    Known answers
    -------------
    - E = -(1/(2 mass)) [gamma1 k^2 +- 2 sqrt(gamma2^2 k^4 + 3 (gamma3^2 - gamma2^2)(kx^2 ky^2 + ky^2 kz^2 +
      kz^2 kx^2))], each twice.
    - Hole masses over ``mass``: along [100] 1/(gamma1 -+ 2 gamma2), along [111] 1/(gamma1 -+ 2 gamma3), heavy with the
      minus.  GaAs: 0.34965, 0.09009 and 0.89286, 0.07788.
    - gamma2 = gamma3: the bands are eigenstates of the helicity k.J.  The component along k of the non-abelian
      curvature of the heavy pair, and of the light pair, has the eigenvalues +-3/(2 k^2) (Murakami, Nagaosa, Zhang,
      Science 301, 1348 (2003)).

    Parameters
    ----------
    gamma1, gamma2, gamma3 : float
        Luttinger parameters.
    mass : float
        Mass of the free electron in the units used (hbar = 1).
    cutoff : float
        Radius in k up to which integrals extend.

    Returns
    -------
    ContinuumModel
        Operators ``"angular_momentum"`` = J and ``"spin"`` = 2 J/3, the Pauli matrices projected on J = 3/2.

    Examples
    --------
    >>> import blochflow as bf
    >>> [round(float(e), 3) for e in bf.bands(bf.zoo.luttinger(), [[0.0, 0.0, 1.0]]).energies[0]]
    [-5.55, -5.55, -1.43, -1.43]
    """
    parameters = numbers(gamma1=gamma1, gamma2=gamma2, gamma3=gamma3, mass=mass)
    operators = {"angular_momentum": J, "spin": 2 * J / 3}
    return ContinuumModel(hamiltonian, 3, cutoff=cutoff, parameters=parameters, operators=operators, name="luttinger")
