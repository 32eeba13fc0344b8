"""Magnetized surface of a topological insulator, warped and tilted; see `topological_surface`."""

from __future__ import annotations

from typing import Any

from blochflow.core.backend import Array, jnp
from blochflow.models.continuum import ContinuumModel
from blochflow.models.operators import PAULI
from blochflow.models.zoo._pieces import as_vector, numbers


def hamiltonian(k: Array, velocity: Array, m: Array, warping: Array, tilt: Array, asymmetry: Array) -> Array:
    """H(k) of the model."""
    warped = warping * (k[0] ** 3 - 3 * k[0] * k[1] ** 2)
    field = m + jnp.stack([-velocity * k[1], velocity * k[0], warped])
    return (tilt @ k + asymmetry * (k @ k)) * jnp.eye(2) + jnp.einsum("a,aij->ij", field, PAULI)


def topological_surface(
    *,
    velocity: Any = 1.0,
    m: Any = (0.0, 0.0, 0.3),
    warping: Any = 0.0,
    tilt: Any = (0.0, 0.0),
    asymmetry: Any = 0.0,
    cutoff: float = 4.0,
) -> ContinuumModel:
    """Magnetized surface of a topological insulator, with hexagonal warping and tilt.

        H(k) = velocity (kx sy - ky sx) + m.s + warping (kx^3 - 3 kx ky^2) sz + tilt.k + asymmetry k^2

    Source: Fu, PRL 103, 266801 (2009); with m and disorder: Burgos Atencia, Niu, Culcer, Phys. Rev. Research 4, 013001
    (2022).

    Symmetries: T maps m to -m and is broken by m and tilt; rotations about z (k and spin together) by any angle when m
    is along z and tilt = warping = 0, by 120 degrees with warping; the mirror x -> -x when m is along x and tilt is
    along y; no P.

    Known answers (v = velocity, m = (0, 0, M), eps = sqrt(v^2 k^2 + M^2); warping = tilt = asymmetry = 0)
    -----------------------------------------------------------------------------------------------------
    - E = -/+ eps; curvature of the upper and lower band -/+ v^2 M/(2 eps^3), as `massive_dirac`.
    - In-plane components of m shift the cone to k = (-m_y, m_x)/v and do nothing else.
    - The current is the spin, j_x = -e v s_y, j_y = e v s_x: sigma_yx = e v <s_x>/E_x, part by part.
    - White noise, M = 0.3, mu = 1: side jump and extrinsic velocity 0.0342120468 each, skew scattering 0.0367712157,
      intrinsic M/(4 pi mu) = 0.0238732415 of sigma_yx in e^2/hbar (cutoff to infinity).
    - warping: E = -/+ sqrt(v^2 k^2 + [M + warping k^3 cos(3 theta)]^2), theta from the x axis.

    Parameters
    ----------
    velocity : float
    m : (3,) vector
        Exchange field of the magnetization, an energy; electrons of low energy have spins against it.
    warping : float
        Hexagonal for m = 0, where +k and -k have the same energy.
    tilt : (2,) vector
    asymmetry : float
        Particle-hole asymmetry.
    cutoff : float
        Radius in k up to which integrals extend.

    Returns
    -------
    ContinuumModel
        Operator ``"spin"`` = Pauli matrices.

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.topological_surface(m=(0.1, 0.2, 0.3))
    >>> [round(float(e), 12) for e in bf.bands(model, [[-0.2, 0.1]]).energies[0]]
    [-0.3, 0.3]
    """
    parameters = {
        **numbers(velocity=velocity, warping=warping, asymmetry=asymmetry),
        "m": as_vector(m, "m", 3),
        "tilt": as_vector(tilt, "tilt", 2),
    }
    return ContinuumModel(
        hamiltonian, 2, cutoff=cutoff, parameters=parameters, operators={"spin": PAULI}, name="topological_surface"
    )
