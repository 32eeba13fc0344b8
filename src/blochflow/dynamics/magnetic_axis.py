"""The direction of a magnetic field, and the reciprocal vectors in the planes perpendicular to it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields, as_fields

LARGEST_INDEX = 12  # of R in lattice vectors; longer ones make planar cells of hundreds of zones
WHOLE = 1e-8  # components of a field along R are whole multiples of each other to this


@dataclass(frozen=True)
class MagneticAxis:
    """A uniform magnetic field and the plane perpendicular to it.

    Attributes
    ----------
    fields : Fields
    strength : float
        e|B|/hbar in 1/length^2.
    sign : float
        Of B_z in two dimensions; 1 in three, where areas are seen from the tip of B.
    axis : (d,)
        B^; zeros in two dimensions.
    basis : (2, d)
        e_1 and e_2.
    """

    fields: Fields
    strength: float
    sign: float
    axis: np.ndarray
    basis: np.ndarray

    @property
    def field(self) -> float:
        """Component of the field along e_1 x e_2, in 1/length^2."""
        return self.sign * self.strength


def as_magnetic_axis(magnetic_field: Any, model: AbstractModel) -> MagneticAxis:
    """Check a uniform field that is not zero.

    Raises
    ------
    ValueError
        A one-dimensional model, a field of the wrong shape, a function, or zero.
    """
    d = model.dimension
    if d < 2:
        raise fail("model", "have two or three dimensions for orbits in a magnetic field", f"{model.name} has one")
    if magnetic_field is None or callable(magnetic_field):
        raise fail("magnetic_field", "be a uniform field", f"is {magnetic_field!r}")
    fields = as_fields(None, magnetic_field, d, model.units)
    vector = np.asarray(fields.magnetic)
    strength = float(np.linalg.norm(vector))
    if strength == 0:
        raise fail("magnetic_field", "not be zero: without a field there are no orbits", "is")
    if d == 2:
        return MagneticAxis(fields, strength, float(np.sign(vector[0])), np.zeros(2), np.eye(2))
    axis = vector / strength
    first = np.eye(3)[int(np.abs(axis).argmin())]
    first = first - (first @ axis) * axis
    first /= np.linalg.norm(first)
    return MagneticAxis(fields, strength, 1.0, axis, np.stack([first, np.cross(axis, first)]))


def whole_multiples(values: np.ndarray) -> np.ndarray | None:
    """Smallest integers in the ratio of ``values``, None if there are none up to `LARGEST_INDEX`."""
    largest = np.abs(values).max()
    for size in range(1, LARGEST_INDEX + 1):
        trial = values / largest * size
        if np.abs(trial - np.rint(trial)).max() <= WHOLE * size:
            whole = np.rint(trial).astype(int)
            return whole // int(np.gcd.reduce(whole))
    return None


def planar_basis(index: np.ndarray, reciprocal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two reciprocal vectors that span the plane perpendicular to R = index, and one that leads to the next plane.

    n.h = 0 and n_1 x n_2 = h make n_1, n_2 a basis of all integer vectors in the plane; n.h = 1 leads to the next.
    """
    reach = range(-int(np.abs(index).max()), int(np.abs(index).max()) + 1)
    trial = np.array(list(itertools.product(reach, repeat=3)))
    trial = trial[np.argsort(np.linalg.norm(trial @ reciprocal, axis=1), kind="stable")]
    product = trial @ index
    flat = trial[(product == 0) & trial.any(axis=1)]
    # a basis vector is primitive: one that is not cannot have a partner with the cross product h
    for first in flat:
        partners = flat[(np.cross(first, flat) == index).all(axis=1)]
        if len(partners):
            break
    return np.stack([first, partners[0]]) @ reciprocal, trial[product == 1][0] @ reciprocal
