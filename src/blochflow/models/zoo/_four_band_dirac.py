"""Dirac model with P*T symmetry and degenerate bands; see `four_band_dirac`."""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.models.continuum import ContinuumModel
from blochflow.models.zoo._pieces import ONE, SX, SY, SZ, numbers

ALPHA = np.stack([np.kron(SX, s) for s in (SX, SY, SZ)])
BETA = np.kron(SZ, ONE)


def hamiltonian(k: Array, velocity: Array, mass: Array, quadratic: Array, asymmetry: Array) -> Array:
    """H(k) of the model."""
    square = k @ k
    matrix = velocity * jnp.einsum("a,aij->ij", k, ALPHA) + (mass - quadratic * square) * BETA
    return matrix + asymmetry * square * jnp.eye(4)


def four_band_dirac(
    *, velocity: Any = 1.0, mass: Any = 0.3, quadratic: Any = 0.0, asymmetry: Any = 0.0, cutoff: float = 4.0
) -> ContinuumModel:
    """Dirac Hamiltonian in three dimensions: two bands, each doubly degenerate by P*T.

        H(k) = velocity k.alpha + (mass - quadratic k^2) beta + asymmetry k^2,   alpha = tau_x s,  beta = tau_z

    Source: Zhang et al., Nature Physics 5, 438 (2009), made isotropic; non-abelian curvature of Dirac bands: Chang
    and Niu, J. Phys. Condens. Matter 20, 193202 (2008).

    Symmetries: T = i s_y K, P = tau_z, hence (P*T)^2 = -1 and doubly degenerate bands at every k; rotations of k
    and spin.

    Known answers (M = mass - quadratic k^2, eps = sqrt(velocity^2 k^2 + M^2); quadratic = 0 in the second and third)
    --------------------------------------------------------------------------------------------------------------
    - E = asymmetry k^2 -/+ eps, each twice.
    - The trace of the non-abelian curvature of a pair vanishes; the curvature itself does not: at k = 0 the component
      (a, b) has the eigenvalues +-velocity^2/(2 mass^2).
    - Metric of the lower pair: sum_nm Re(A_nm,a A_mn,b) = velocity^2/(2 eps^2) (delta_ab - velocity^2 k_a k_b/eps^2),
      n in the pair and m in the other.
    - Strong topological insulator when mass and quadratic have the same sign.

    Parameters
    ----------
    velocity, mass, quadratic, asymmetry : float
    cutoff : float
        Radius in k up to which integrals extend.

    Returns
    -------
    ContinuumModel
        Operators ``"spin"`` (Pauli matrices s) and ``"orbital"`` = tau_z.

    Examples
    --------
    >>> import blochflow as bf
    >>> [round(float(e), 12) for e in bf.bands(bf.zoo.four_band_dirac(), [[0.4, 0.0, 0.0]]).energies[0]]
    [-0.5, -0.5, 0.5, 0.5]
    """
    parameters = numbers(velocity=velocity, mass=mass, quadratic=quadratic, asymmetry=asymmetry)
    operators = {"spin": np.stack([np.kron(ONE, s) for s in (SX, SY, SZ)]), "orbital": BETA}
    return ContinuumModel(
        hamiltonian, 3, cutoff=cutoff, parameters=parameters, operators=operators, name="four_band_dirac"
    )
