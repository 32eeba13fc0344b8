"""A single Weyl node; see `weyl_node`."""

from __future__ import annotations

from typing import Any

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import fail
from blochflow.models.continuum import ContinuumModel
from blochflow.models.operators import PAULI
from blochflow.models.zoo._pieces import as_vector, numbers


def hamiltonian(k: Array, chirality: Array, velocity: Array, tilt: Array) -> Array:
    """H(k) of the model."""
    return (tilt @ k) * jnp.eye(2) + chirality * velocity * jnp.einsum("a,aij->ij", k, PAULI)


def weyl_node(
    *, chirality: Any = 1, velocity: Any = 1.0, tilt: Any = (0.0, 0.0, 0.0), cutoff: float = 4.0
) -> ContinuumModel:
    """A single Weyl node: a monopole of Berry curvature.

        H(k) = chirality velocity k.s + tilt.k

    Source: Armitage, Mele, Vishwanath, RMP 90, 015001 (2018); chiral anomaly in semiclassics: Son and Spivak,
    PRB 88, 104412 (2013).

    Symmetries: without tilt all rotations (k and spin together) and T about the node; no P (it maps the chirality to
    its negative).

    Known answers (hbar = e = 1)
    ----------------------------
    - E = tilt.k -/+ velocity k; the curvature of the upper and lower band is the axial vector
      -/+ chirality k/(2 k^3), its flux -/+ 2 pi chirality; orbital moment of both bands -chirality velocity k/(2 k^2).
    - Without tilt: density of the upper band mu^3/(6 pi^2 velocity^3), density of states mu^2/(2 pi^2 velocity^3),
      sigma_zz = mu^2 tau/(6 pi^2 velocity).
    - Chiral anomaly: dn/dt = chirality E.B/(4 pi^2).

    Parameters
    ----------
    chirality : int
        +1 or -1.
    velocity : float
    tilt : (3,) vector
        Type II where |tilt| > velocity.
    cutoff : float
        Radius in k up to which integrals extend.

    Returns
    -------
    ContinuumModel
        Operator ``"spin"`` = Pauli matrices.

    Raises
    ------
    ValueError
        The chirality is not +1 or -1.

    Examples
    --------
    >>> import blochflow as bf
    >>> bands = bf.bands(bf.zoo.weyl_node(), [[0.0, 0.0, 0.5]])
    >>> float(bf.geometry.berry_curvature(bands)[0, 0, 1, 0])
    2.0
    """
    parameters = {**numbers(chirality=chirality, velocity=velocity), "tilt": as_vector(tilt, "tilt", 3)}
    if parameters["chirality"] not in (1, -1):
        raise fail("chirality", "be 1 or -1", f"is {chirality!r}")
    return ContinuumModel(
        hamiltonian, 3, cutoff=cutoff, parameters=parameters, operators={"spin": PAULI}, name="weyl_node"
    )
