"""Graphene on hexagonal boron nitride; see `graphene_on_hbn`."""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.units import EV_ANGSTROM
from blochflow.models.local import LocalModel
from blochflow.models.operators import PAULI
from blochflow.models.zoo._pieces import numbers

# Directions of the three shortest reciprocal vectors of a triangular superlattice whose sum is zero.
STAR = np.array([[np.cos(a), np.sin(a)] for a in (0.0, 2 * np.pi / 3, 4 * np.pi / 3)])


def pattern(x: Array, period: Array, phase: Array) -> Array:
    """sum_j cos(G_j.x + phase), |G_j| = 4 pi/(sqrt(3) period)."""
    return jnp.cos(4 * jnp.pi / (jnp.sqrt(3.0) * period) * (STAR @ x) + phase).sum()


def hamiltonian(
    k: Array,
    x: Array,
    t: Array,
    velocity: Array,
    valley: Array,
    mass: Array,
    mass_modulation: Array,
    potential: Array,
    period: Array,
    phase: Array,
) -> Array:
    """H(k, x) of the model."""
    star = pattern(x, period, phase)
    d = jnp.stack([velocity * valley * k[0], velocity * k[1], mass + mass_modulation * star])
    return potential * star * jnp.eye(2) + jnp.einsum("a,aij->ij", d, PAULI)


def graphene_on_hbn(
    *,
    velocity: Any = 6.58,
    valley: Any = 1.0,
    mass: Any = 0.005,
    mass_modulation: Any = 0.02,
    potential: Any = 0.01,
    period: Any = 140.0,
    phase: Any = 0.0,
    cutoff: float = 0.15,
) -> LocalModel:
    """A valley of graphene on hexagonal boron nitride, with a gap that changes sign across the moire pattern.

        H(k, x) = velocity (valley kx sx + ky sy) + [mass + mass_modulation S(x)] sz + potential S(x)
        S(x) = sum_j cos(G_j.x + phase),     |G_j| = 4 pi/(sqrt(3) period)

    Source: the form of Wallbank et al., PRB 87, 245408 (2013), with its scalar and mass terms only; the default numbers
    are of the right size, not fitted.  Not included: the modulation of the hopping (a gauge field).

    Known answers
    -------------
    - S lies between -3/2 and 3 for phase 0: the local gap 2 |mass + mass_modulation S| vanishes on lines where
      S = -mass/mass_modulation.
    - The other valley (-1) is the time-reversed one: opposite curvatures at -k.

    Parameters
    ----------
    velocity, mass, mass_modulation, potential, period, phase : float
        In eV and angstrom.
    valley : +1 or -1
    cutoff : float
        Radius in k up to which the model is used.

    Returns
    -------
    LocalModel
        In eV and angstrom; ``spin_degeneracy`` 2.

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.graphene_on_hbn(mass=0.0, potential=0.0)
    >>> round(float(model.at([0.0, 0.0]).hamiltonian([0.0, 0.0])[0, 0].real), 3)
    0.06
    """
    values = numbers(
        velocity=velocity,
        valley=valley,
        mass=mass,
        mass_modulation=mass_modulation,
        potential=potential,
        period=period,
        phase=phase,
    )
    return LocalModel(
        hamiltonian,
        dimension=2,
        cutoff=cutoff,
        parameters=values,
        units=EV_ANGSTROM,
        spin_degeneracy=2,
        name="graphene_on_hbn",
    )
