"""Observables of disordered responses: matrices B_a(k) in the orbital basis, and their intrinsic response.

    current B = -e V,   operators of the model,   torque B = m x dH/dm
    intrinsic:  chi_ab = (e/hbar) Int d^dk/(2 pi)^d sum_n f_n Omega^B_n,ab,
                Omega^B_n,ab = -2 Im sum_m <n|B_a|m><m|V_b|n>/(E_n - E_m)^2
Source: Burgos Atencia, Niu, Culcer, Phys. Rev. Research 4, 013001 (2022), Eqs. (54), (57).
"""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import fail, nearest
from blochflow.geometry.cumulative import cross, crossing_sums, in_eigenstates, pair_weight
from blochflow.models.base import AbstractModel, BlochMatrices
from blochflow.models.operators import as_hermitian, orbital_phases, resolve_operator
from blochflow.response.integrands import BandIntegrand, Entries
from blochflow.zone.tensor_symmetry import TensorKind

BATCH = 1024


class Operator(eqx.Module):
    """(c, n, n) matrices between orbitals of one cell, with the phases of the orbitals at k."""

    matrices: Array
    orbitals: Array | None

    def __call__(self, k: Array) -> Array:
        phases = orbital_phases(k, self.orbitals)
        value = jnp.broadcast_to(self.matrices, (len(k), *self.matrices.shape))
        return value if phases is None else value * phases[:, None]


class Torque(eqx.Module):
    """m x dH/dm for the parameter ``name`` of a model."""

    model: AbstractModel
    name: str = eqx.field(static=True)

    def __call__(self, k: Array) -> Array:
        m = self.model.parameters[self.name]

        def hamiltonian(value: Array) -> Array:
            moved = eqx.tree_at(lambda x: x.parameters[self.name], self.model, value)
            return moved.matrices(k).hamiltonian

        slope = jnp.moveaxis(jax.jacfwd(hamiltonian)(m), -1, 1)
        turned = [m[(a + 1) % 3] * slope[:, (a + 2) % 3] - m[(a + 2) % 3] * slope[:, (a + 1) % 3] for a in range(3)]
        return jnp.stack(turned, axis=1)


def as_operator(model: AbstractModel, operator: Any, argument: str = "operator") -> Operator:
    """An operator of the model by name, or matrices (n, n) or (c, n, n).

    Raises
    ------
    ValueError
        Unknown name, wrong shape, not Hermitian.
    """
    if isinstance(operator, str):
        matrices = resolve_operator(model.operators, operator, argument)
    else:
        matrices = as_hermitian(operator, model.num_bands, argument)
    return Operator(matrices if matrices.ndim == 3 else matrices[None], model.orbitals)


def as_torque(model: AbstractModel, magnetization: Any) -> Torque:
    """The torque on a vector parameter.

    Raises
    ------
    ValueError
        No such parameter, or not three real numbers of which one is not zero.
    """
    known = [n for n, x in model.parameters.items() if jnp.shape(x) == (3,) and not jnp.iscomplexobj(x)]
    if not isinstance(magnetization, str) or magnetization not in known:
        hint = nearest(str(magnetization), known)
        suffix = f" (did you mean {hint!r}?)" if hint else ""
        must = f"name a parameter of {model.name} with three real components ({', '.join(known) or 'it has none'})"
        raise fail("magnetization", must, f"is {magnetization!r}{suffix}")
    if not np.any(np.asarray(model.parameters[magnetization])):
        raise fail(
            "magnetization",
            "name a parameter that is not zero",
            f"{magnetization} of {model.name} is (0, 0, 0), where the torque {magnetization} x <dH/d{magnetization}> "
            f"is exactly zero; give the model another one, e.g. model.replace({magnetization}=(0.0, 0.0, 0.1)), or ask "
            "for disordered_spin_density",
        )
    return Torque(model, magnetization)


@eqx.filter_jit
def _evaluate(observable: Any, k: Array) -> Array:
    return observable(k)


def at_points(observable: Any, k: np.ndarray) -> np.ndarray:
    """(N, c, n, n) at the points of a surface, in batches of one shape."""
    parts = []
    for first in range(0, max(len(k), 1), BATCH):
        part = k[first : first + BATCH]
        size = BATCH if len(k) > BATCH else max(64, 1 << (max(len(part), 1) - 1).bit_length())
        padded = np.resize(part, (size, k.shape[1])) if len(part) else np.zeros((size, k.shape[1]))
        parts.append(np.asarray(_evaluate(observable, jnp.asarray(padded)))[: len(part)])
    return np.concatenate(parts)


class ObservableSea(BandIntegrand):
    """Omega^B_n,ab of all components (a, b), a the observable, b the field."""

    dimension: int = eqx.field(static=True)
    count: int = eqx.field(static=True)
    observable: Any
    kind: ClassVar[TensorKind] = TensorKind(2)
    local: ClassVar[bool] = False

    @property
    def size(self) -> int:
        return self.count * self.dimension

    @property
    def entries(self) -> Entries:
        return [((a, b), a * self.dimension + b, 1.0) for a in range(self.count) for b in range(self.dimension)]

    @property
    def needs_k(self) -> bool:
        return True

    @property
    def splits(self) -> bool:
        """The observable is a function of k between the orbitals of the whole model."""
        return False

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        basis = in_eigenstates(matrices)
        dagger = jnp.conj(jnp.swapaxes(basis.states, -1, -2))
        operators = dagger[:, None] @ self.observable(matrices.k) @ basis.states[:, None]
        weight = pair_weight(basis.energies, basis.velocity, matrices.length)
        left = [(operators[:, a].real, operators[:, a].imag) for a in range(self.count)]
        pairs = [weight * cross(x, v) for x in left for v in basis.velocity]
        return basis.energies, jnp.swapaxes(crossing_sums(jnp.stack(pairs, axis=1)), 1, 2)
