"""Free electrons with a mass or a mass tensor; see `parabolic`."""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import as_real_array, fail
from blochflow.models.continuum import ContinuumModel


def hamiltonian(k: Array, mass: Array) -> Array:
    """k^2/2m, or k.M^-1.k/2 for a mass tensor."""
    accelerated = k / mass if jnp.ndim(mass) == 0 else jnp.linalg.solve(mass, k)
    return (0.5 * k @ accelerated).reshape(1, 1)


def parabolic(*, mass: Any = 1.0, dimension: int = 2, cutoff: float = 4.0) -> ContinuumModel:
    """Free electrons with a mass or a mass tensor.

        E(k) = (1/2) k . M^-1 . k            (hbar = 1; M = mass times the identity for a number)

    Source: Ashcroft and Mermin, Solid State Physics (1976), chs. 1, 2 and 12.

    Symmetries: T, P, and all rotations for a scalar mass.

    Known answers (scalar mass m, T = 0, per spin)
    ----------------------------------------------
    - Density m mu/(2 pi) in 2D, (2 m mu)^(3/2)/(6 pi^2) in 3D; density of states m/(2 pi) in 2D.
    - Drude conductivity n e^2 tau M^-1; with a magnetic field n e^2 (M/tau - e [B]x)^-1, [B]x v = B x v.
    - Cyclotron mass m; for a tensor and B along z in 2D: sqrt(det M).

    Parameters
    ----------
    mass : float or (d, d) array
        Mass, or symmetric mass tensor; the shape stays fixed under ``replace``.  Negative for holes.
    dimension : int
        1, 2 or 3.
    cutoff : float
        Radius in k up to which integrals extend.

    Returns
    -------
    ContinuumModel

    Raises
    ------
    ValueError
        The mass has the wrong shape, or is not symmetric or not invertible.

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.parabolic(mass=[[1.0, 0.0], [0.0, 2.0]])
    >>> float(bf.bands(model, [[1.0, 1.0]]).energies[0, 0])
    0.75
    """
    if dimension not in (1, 2, 3):
        raise fail("dimension", "be 1, 2 or 3", f"is {dimension!r}")
    tensor = as_real_array(mass, "mass", max_ndim=2)
    if tensor.shape not in ((), (dimension, dimension)):
        raise fail("mass", f"be a number or a ({dimension}, {dimension}) tensor", f"has shape {tensor.shape}")
    if tensor.ndim == 2 and not np.array_equal(tensor, tensor.T):
        raise fail("mass", "be a symmetric tensor", f"is {tensor.tolist()}")
    if np.any(np.linalg.eigvalsh(np.atleast_2d(tensor)) == 0):
        raise fail("mass", "be invertible", f"is {tensor.tolist()}")
    return ContinuumModel(hamiltonian, dimension, cutoff=cutoff, parameters={"mass": tensor}, name="parabolic")
