"""Massive Dirac fermion in two dimensions; see `massive_dirac`."""

from __future__ import annotations

from typing import Any

from blochflow.core.backend import Array, jnp
from blochflow.models.continuum import ContinuumModel
from blochflow.models.operators import PAULI
from blochflow.models.zoo._pieces import as_vector, numbers


def hamiltonian(
    k: Array, velocity: Array, mass: Array, tilt: Array, anisotropy: Array, quadratic: Array, asymmetry: Array
) -> Array:
    """H(k) of the model."""
    square = k @ k
    d = jnp.stack([velocity * k[0], velocity * anisotropy * k[1], mass - quadratic * square])
    return (tilt @ k + asymmetry * square) * jnp.eye(2) + jnp.einsum("a,aij->ij", d, PAULI)


def massive_dirac(
    *,
    velocity: Any = 1.0,
    mass: Any = 0.3,
    tilt: Any = (0.0, 0.0),
    anisotropy: Any = 1.0,
    quadratic: Any = 0.0,
    asymmetry: Any = 0.0,
    cutoff: float = 4.0,
) -> ContinuumModel:
    """Massive Dirac fermion in two dimensions, with tilt, anisotropy and quadratic terms.

        H(k) = velocity (kx sx + anisotropy ky sy) + (mass - quadratic k^2) sz + tilt.k + asymmetry k^2

    Source: Xiao, Chang, Niu, RMP 82, 1959 (2010); Nagaosa et al., RMP 82, 1539 (2010).

    Symmetries: rotations about z when tilt = 0 and anisotropy = 1; no T (it maps mass to -mass); particle-hole
    symmetry when tilt = 0 and asymmetry = 0.

    Known answers (v = velocity, D = mass, eps = sqrt(v^2 k^2 + D^2); tilt = quadratic = asymmetry = 0, isotropic)
    -------------------------------------------------------------------------------------------------------------
    - E = -/+ eps; curvature of the upper and lower band -/+ v^2 D/(2 eps^3); orbital moment of both -v^2 D/(2 eps^2);
      trace of the quantum metric v^2 (2 D^2 + v^2 k^2)/(4 eps^4).
    - v = 1.3, D = 0.4, k = (0.5, -0.3): curvature (upper) -0.536834371449, moment -0.460114347944, metric trace
      0.700412291844.
    - sigma_xy = -(e^2/2h) D/max(|mu|, |D|) at T = 0; the filled lower band beyond the cutoff is missing
      e^2/2h times D/sqrt(D^2 + v^2 cutoff^2).
    - quadratic != 0: integer Chern number of the lower band over the whole plane, [sgn(mass) + sgn(quadratic)]/2.

    Parameters
    ----------
    velocity, mass, anisotropy, quadratic, asymmetry : float
    tilt : (2,) vector
        The cone is overtilted (type II) where |tilt| exceeds the velocity in its direction.
    cutoff : float
        Radius in k up to which integrals extend.

    Returns
    -------
    ContinuumModel

    Examples
    --------
    >>> import blochflow as bf
    >>> bands = bf.bands(bf.zoo.massive_dirac(velocity=1.3, mass=0.4), [[0.5, -0.3]])
    >>> round(float(bf.geometry.berry_curvature(bands)[0, 0, 1, 1]), 12)
    -0.536834371449
    """
    scalars = numbers(velocity=velocity, mass=mass, anisotropy=anisotropy, quadratic=quadratic, asymmetry=asymmetry)
    parameters = {**scalars, "tilt": as_vector(tilt, "tilt", 2)}
    return ContinuumModel(hamiltonian, 2, cutoff=cutoff, parameters=parameters, name="massive_dirac")
