"""Gapped Dirac electrons in an electrostatic step; see `electrostatic_profile`."""

from __future__ import annotations

from typing import Any

from blochflow.core.backend import Array, jnp
from blochflow.models.local import LocalModel
from blochflow.models.operators import PAULI
from blochflow.models.zoo._pieces import numbers


def hamiltonian(k: Array, x: Array, t: Array, velocity: Array, mass: Array, step: Array, width: Array) -> Array:
    """H(k, x) of the model."""
    d = jnp.stack([velocity * k[0], velocity * k[1], mass + 0 * k[0]])
    return 0.5 * step * (1 + jnp.tanh(x[0] / width)) * jnp.eye(2) + jnp.einsum("a,aij->ij", d, PAULI)


def electrostatic_profile(
    *, velocity: Any = 1.0, mass: Any = 0.3, step: Any = 0.2, width: Any = 20.0, cutoff: float = 4.0
) -> LocalModel:
    """Gapped Dirac electrons that cross a smooth step of the electrostatic energy.

        H(k, x) = velocity (kx sx + ky sy) + mass sz + (step/2) [1 + tanh(x/width)]

    Source: Xiao, Chang, Niu, RMP 82, 1959 (2010), Sec. III.A; lateral shift: Onoda, Murakami, Nagaosa, PRL 93, 083901
    (2004).

    Known answers
    -------------
    - ky and the energy are conserved; a packet with kx = k_1 on the left has velocity^2 k_2^2 = (E - step)^2 - mass^2 -
      velocity^2 ky^2 on the right, and turns back where that is negative.
    - At ky = 0 the anomalous velocity shifts a packet sideways by Delta y = Int Omega dkx from k_1 to k_2, whatever the
      shape of the step.

    Parameters
    ----------
    velocity, mass, step, width : float
    cutoff : float
        Radius in k up to which the model is used.

    Returns
    -------
    LocalModel

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.electrostatic_profile(step=0.4)
    >>> round(float(model.at([300.0, 0.0]).hamiltonian([0.0, 0.0])[0, 0].real), 3)  # mass + step
    0.7
    """
    values = numbers(velocity=velocity, mass=mass, step=step, width=width)
    return LocalModel(hamiltonian, dimension=2, cutoff=cutoff, parameters=values, name="electrostatic_profile")
