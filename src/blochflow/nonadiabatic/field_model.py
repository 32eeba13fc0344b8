"""A model in an electric field: its bands are the hybridised ones, and it can be integrated over like any other.

    matrices(k).hamiltonian = H(k) + eE.K(k),   K = R in the orbital basis      or H itself where ``dressed`` is False

What currents need besides, the matrices of H and of the field, is attached.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.lattice import Lattice
from blochflow.core.units import Units
from blochflow.models.base import AbstractModel, BlochMatrices
from blochflow.models.local import AbstractLocalModel
from blochflow.nonadiabatic.hybridisation import (
    FieldMatrices,
    Grouping,
    field_matrices,
    hybridise,
    in_orbitals,
)


class FieldModel(AbstractModel):
    """A model, or a texture at one place and time, in a uniform electric field (d,), in energy per length.

    ``cutoff`` is that of k.p models.  ``dressed`` False leaves the bands as they are.
    """

    base: AbstractModel | AbstractLocalModel
    field: Float[Array, " a"]
    grouping: Grouping
    place: Array | None
    time: Array | None
    lattice: Lattice | None
    orbitals: Array | None
    parameters: dict[str, Array]
    operators: dict[str, Array]
    constant: Array | None
    cutoff: Array | None
    dressed: bool = eqx.field(static=True)
    units: Units = eqx.field(static=True)
    spin_degeneracy: int = eqx.field(static=True)
    num_bands: int = eqx.field(static=True)
    name: str = eqx.field(static=True)
    notes: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        base: AbstractModel | AbstractLocalModel,
        field: Any,
        grouping: Grouping,
        *,
        place: Any = None,
        time: Any = 0.0,
        dressed: bool = True,
    ) -> None:
        self.base, self.grouping, self.dressed = base, grouping, dressed
        self.field = jnp.asarray(field, dtype=jnp.float64)
        local = isinstance(base, AbstractLocalModel)
        self.place = jnp.asarray(place, dtype=jnp.float64) if local else None
        self.time = jnp.asarray(time, dtype=jnp.float64) if local else None
        self.lattice, self.parameters = base.lattice, base.parameters
        self.orbitals = self.constant = None
        self.operators = {}
        self.cutoff = cutoff_of(base)
        self.units, self.spin_degeneracy = base.units, base.spin_degeneracy
        self.num_bands, self.name = base.num_bands, base.name
        self.notes = getattr(base, "notes", ())

    @property
    def dimension(self) -> int:
        """Number of components of k."""
        return self.base.dimension

    def in_field(self, k: Array) -> FieldMatrices:
        """Matrices of H and of the field."""
        return field_matrices(self.base, self.field, k, self.place, self.time)

    def matrices(self, k: Array) -> BlochMatrices:
        """Hamiltonian of the hybridised bands and its gradient, (K, d) -> (K, ...)."""
        found = self.in_field(k)
        d = k.shape[-1]
        hamiltonian, gradient = found.hamiltonian, found.slopes
        if self.dressed:
            hamiltonian, gradient = dressed_matrices(found, self.grouping)
        length = 1.0 if self.lattice is None else jnp.sqrt((self.lattice.vectors**2).sum(axis=-1)).min()
        attached = Attached(found, self.grouping)
        return BlochMatrices(hamiltonian, gradient[:, :d], k=k, length=length, attached=attached)

    def hessian(self, k: Array) -> Array:
        """Second derivatives of that Hamiltonian."""

        def slope(direction: Array) -> Array:
            move = jnp.broadcast_to(direction, k.shape)
            return jax.jvp(lambda q: self.matrices(q).gradient, (k,), (move,))[1]

        return jax.vmap(slope, out_axes=1)(jnp.eye(self.dimension))

    def fourier_structure(self) -> tuple[np.ndarray, np.ndarray]:
        """That of the model without field."""
        return self.base.fourier_structure() if isinstance(self.base, AbstractModel) else super().fourier_structure()


class Attached(eqx.Module):
    """What currents need besides the hybridised Hamiltonian."""

    matrices: FieldMatrices
    grouping: Grouping


def dressed_matrices(found: FieldMatrices, grouping: Grouping) -> tuple[Array, Array]:
    """Hamiltonian (k, n, n) of the hybridised bands and its slopes (k, l, n, n), in the orbital basis."""
    mixed = hybridise(found, grouping)
    return in_orbitals(mixed, mixed.hamiltonian), in_orbitals(mixed, mixed.gradient)


def cutoff_of(base: AbstractModel | AbstractLocalModel) -> Array | None:
    """Radius in k of a k.p model, also of one that is textured."""
    cutoff = getattr(getattr(base, "base", base), "cutoff", None)
    return None if base.lattice is not None else cutoff
