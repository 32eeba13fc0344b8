"""H(k, x, t) of every kind of model, on a lattice.

A k.p model has no lattice.  With an explicit spacing a it gets one, cubic, on which k is replaced by

    q_a(k) = (1/a) [8/5 sin ka - 2/5 sin 2ka + 8/105 sin 3ka - 1/140 sin 4ka] = k [1 - (ka)^8/630 + ..]

so that H(q(k)) is periodic, its hoppings end after four sites per power of k, and positions are i d/dk as before.
Source: the coefficients are those of the central difference of eighth order, Fornberg, Math. Comp. 51, 699 (1988).
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_real_array, fail
from blochflow.core.lattice import Lattice
from blochflow.models.base import AbstractModel
from blochflow.models.local import AbstractLocalModel

DIFFERENCE = (8 / 5, -2 / 5, 8 / 105, -1 / 140)

Model = AbstractModel | AbstractLocalModel


class BlochHamiltonian(eqx.Module):
    """A model as a function of (k, x, t) on a lattice.

    Attributes
    ----------
    model : AbstractModel or AbstractLocalModel
    lattice : Lattice
    orbitals : (N, d) Cartesian positions
    spacing : lattice constant of a k.p model; None for a model with a lattice of its own
    varies_in_space, varies_in_time : whether H depends on x and t
    """

    model: Model
    lattice: Lattice
    orbitals: Array
    spacing: Array | None
    varies_in_space: bool = eqx.field(static=True)
    varies_in_time: bool = eqx.field(static=True)

    @classmethod
    def of(cls, model: Any, lattice_constant: Any) -> BlochHamiltonian:
        """Check the model and ``lattice_constant``."""
        if not isinstance(model, AbstractModel | AbstractLocalModel):
            must = "be a model (bf.TightBinding, bf.LatticeModel, bf.LocalModel, bf.textured(...), bf.zoo...)"
            raise fail("model", must, f"is a {type(model).__name__}")
        if isinstance(model, AbstractLocalModel):
            varies = (model.varies_in_space, model.varies_in_time)
            uniform = model.at(np.zeros(model.dimension))
        else:
            varies, uniform = (False, False), model
        if model.lattice is not None:
            if lattice_constant is not None:
                but = f"{model.name} has a lattice of its own"
                raise fail("lattice_constant", "be left out for a model with a lattice", but)
            orbitals = uniform.orbitals
            if orbitals is None:
                orbitals = jnp.zeros((model.num_bands, model.dimension))
            return cls(model, model.lattice, orbitals, None, *varies)
        if lattice_constant is None:
            must = "be given for a k.p model: the spacing of the lattice on which it is evolved"
            raise fail("lattice_constant", must, "is None")
        spacing = as_real_array(lattice_constant, "lattice_constant", max_ndim=0, positive=True)
        lattice = Lattice(float(spacing) * np.eye(model.dimension))
        return cls(model, lattice, jnp.zeros((model.num_bands, model.dimension)), jnp.asarray(spacing), *varies)

    @property
    def dimension(self) -> int:
        """Number of components of k and x."""
        return self.model.dimension

    @property
    def num_bands(self) -> int:
        """Number of orbitals per cell."""
        return self.model.num_bands

    def at(self, k: Array, x: Array, t: Array) -> Array:
        """H (N, N) at one (k, x, t): a pure kernel."""
        k = k if self.spacing is None else lattice_wavevector(k, self.spacing)
        return plain_hamiltonian(self.model, k, x, t)

    def sampled(self, k: np.ndarray, x: np.ndarray, t: float) -> np.ndarray:
        """H at wave vectors (K, d), at one place and time of the model's units: (K, N, N)."""
        return _many(_on_lattice, self, k, x, t)

    def sampled_without_lattice(self, k: np.ndarray, x: np.ndarray, t: float) -> np.ndarray:
        """The same of the k.p model itself."""
        return _many(_of_model, self, k, x, t)


def lattice_wavevector(k: Array, spacing: Array) -> Array:
    """q(k): the wave vector that stands for k on a lattice of this spacing."""
    return sum(c * jnp.sin((n + 1) * k * spacing) for n, c in enumerate(DIFFERENCE)) / spacing  # type: ignore[return-value]


def plain_hamiltonian(model: Model, k: Array, x: Array, t: Array) -> Array:
    """H of the model as it is."""
    if isinstance(model, AbstractLocalModel):
        return model.local_hamiltonian(k, x, t)
    return model.matrices(k[None]).hamiltonian[0]


def _on_lattice(h: BlochHamiltonian, k: Array, x: Array, t: Array) -> Array:
    return h.at(k, x, t)


def _of_model(h: BlochHamiltonian, k: Array, x: Array, t: Array) -> Array:
    return plain_hamiltonian(h.model, k, x, t)


def _many(function: Any, h: BlochHamiltonian, k: np.ndarray, x: np.ndarray, t: float) -> np.ndarray:
    """One compiled kernel for every power of two of wave vectors."""
    count = len(k)
    padded = np.concatenate([k, np.repeat(k[-1:], max(8, 1 << (count - 1).bit_length()) - count, axis=0)])
    return np.asarray(_sampled(function, h, jnp.asarray(padded), jnp.asarray(x), jnp.asarray(float(t))))[:count]


@eqx.filter_jit
def _sampled(function: Any, h: BlochHamiltonian, k: Array, x: Array, t: Array) -> Array:
    return jax.vmap(lambda q: function(h, q, x, t))(k)
