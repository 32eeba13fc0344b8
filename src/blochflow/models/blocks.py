"""Subspaces that H(k) never mixes, such as the two spins without spin-orbit coupling, and models of one of them.

A projector P that commutes with H(k) at every k, and with the positions of the orbitals, splits the crystal in two that
do not know of each other.  P commutes with every generic element M of what H generates, so that it is diagonal in the
eigenstates of M: the connected parts of the graph in which H(k) joins eigenspaces of M are the smallest such subspaces.
Equal copies of one block stay together, as a degenerate eigenspace of M: their bands coincide and never cross.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components

from blochflow.core.backend import Array, jnp
from blochflow.models.base import AbstractModel
from blochflow.models.bloch import LatticeModel
from blochflow.models.continuum import ContinuumModel
from blochflow.models.tight_binding import TightBinding
from blochflow.models.user_function import evaluate, function_name

# Wave vectors at which a function H(k) is taken: so many make M, and so many others are tested against it.
MIXED, TESTED = 3, 5
# |P H - H P| below this fraction of |H| is rounding: eigenstates of M are known to eps/(gap of M), which grows with N.
COMMUTES = 1e-11
# Eigenvalues of M closer than this fraction of its norm are one eigenspace.
SAME = 1e-9
# Orbitals closer than this fraction of the shortest lattice vector are at the same place.
SAME_PLACE = 1e-9


def conserved_blocks(model: AbstractModel) -> list[np.ndarray]:
    """Isometries (N, m) onto the smallest subspaces that H(k) never mixes; one of them where there are no others.

    Columns belong to one place each, so that W^+ H W is a model with orbitals there.  Found with probability one at
    random k for Hamiltonians analytic in k, and verified at others.
    """
    whole = [np.eye(model.num_bands, dtype=complex)]
    if model.num_bands == 1 or not isinstance(model, TightBinding | LatticeModel | ContinuumModel):
        return whole
    mixed, tested = generators(model)
    weights = np.random.default_rng(1).standard_normal((2, len(mixed)))
    generic = np.einsum("x,xij->ij", weights[0] + 1j * weights[1], mixed)
    energies, states = np.linalg.eigh(generic + generic.conj().T)
    space = np.cumsum(np.append(False, np.diff(energies) > SAME * np.abs(energies).max()))
    joined = np.abs(states.conj().T @ tested @ states).max(axis=0) > COMMUTES
    number, label = connected_components(joined | (space[:, None] == space))
    blocks = [local_columns(model, states[:, label == block]) for block in range(number)]
    found = [block for block in blocks if block is not None]
    if number == 1 or len(found) < number:
        return whole
    basis = np.concatenate(found, axis=1)
    owner = np.repeat(np.arange(number), [block.shape[1] for block in found])
    mixing = np.abs(basis.conj().T @ tested @ basis)[:, owner[:, None] != owner].max()
    return found if mixing < COMMUTES else whole


def generators(model: AbstractModel) -> tuple[np.ndarray, np.ndarray]:
    """(X, N, N) and (Y, N, N) matrices, of norm about 1 each, with which a conserved projector commutes.

    Those of hoppings are complete.  Of functions they are samples at random k.
    """
    parts = [] if model.constant is None else [np.asarray(model.constant)[None]]
    if model.orbitals is not None:
        parts.append(np.einsum("ja,ij->aij", np.asarray(model.orbitals), np.eye(model.num_bands)))
    if isinstance(model, TightBinding):
        parts.append(np.asarray(model.blocks))
        if model.positions is not None:
            parts.append(np.asarray(model.positions).reshape(-1, model.num_bands, model.num_bands))
        whole = np.concatenate([part / max(float(np.abs(part).max()), 1e-300) for part in parts])
        return whole, whole
    samples = sampled_function(model)
    scale = max(float(np.abs(samples).max()), 1e-300)
    rest = [part / max(float(np.abs(part).max()), 1e-300) for part in parts]
    mixed = np.concatenate([*rest, samples[:MIXED] / scale])
    return mixed, np.concatenate([*rest, samples / scale])


def sampled_function(model: Any) -> np.ndarray:
    """(k, N, N) values of a user's H(k)."""
    u = np.random.default_rng(0).random((MIXED + TESTED, model.dimension))
    if model.lattice is not None:
        k = u @ np.asarray(model.lattice.reciprocal)
    else:
        k = (2 * u - 1) * float(model.cutoff) / np.sqrt(model.dimension)
    return np.stack([np.asarray(evaluate(model.function, jnp.asarray(point), model.parameters)) for point in k])


def local_columns(model: AbstractModel, states: np.ndarray) -> np.ndarray | None:
    """Another basis of the same subspace whose columns belong to one place each; None where there is none."""
    if model.orbitals is None:
        return states
    orbitals = np.asarray(model.orbitals)
    apart = SAME_PLACE * (float(model.lattice.shortest) if model.lattice is not None else 1.0)
    near = np.abs(orbitals[:, None] - orbitals).max(axis=-1) < apart
    number, place = connected_components(near)
    projector = states @ states.conj().T
    columns = []
    for i in range(number):
        here = np.flatnonzero(place == i)
        filled, vectors = np.linalg.eigh(projector[np.ix_(here, here)])
        kept = np.zeros((model.num_bands, int((filled > 0.5).sum())), dtype=complex)
        kept[here] = vectors[:, filled > 0.5]
        columns.append(kept)
    basis = np.concatenate(columns, axis=1)
    return basis if basis.shape == states.shape else None


def block_model(model: AbstractModel, basis: np.ndarray) -> AbstractModel:
    """The model W^+ H W of one block; parameters of hoppings become numbers, and operators are left out."""
    w = jnp.asarray(basis)
    places = None if model.orbitals is None else np.abs(basis.T) ** 2 @ np.asarray(model.orbitals)
    if isinstance(model, TightBinding):
        positions = model.positions
        return TightBinding.from_blocks(
            model.lattice,
            places,
            model.cells,
            jnp.conj(w).T @ model.blocks @ w,
            positions=None if positions is None else jnp.conj(w).T @ positions @ w,
            units=model.units,
            spin_degeneracy=model.spin_degeneracy,
            name=model.name,
            notes=model.notes,
        )
    if not isinstance(model, LatticeModel | ContinuumModel):
        raise TypeError(f"{type(model).__name__} has no blocks")
    block = copy.copy(model)
    changed: dict[str, Any] = {
        "function": Projected(model.function, basis.shape, basis.tobytes()),
        "constant": None if model.constant is None else jnp.conj(w).T @ model.constant @ w,
        "orbitals": None if places is None else jnp.asarray(places),
        "operators": {},
        "num_bands": basis.shape[1],
    }
    for name, value in changed.items():
        object.__setattr__(block, name, value)
    return block


@dataclass(frozen=True)
class Projected:
    """A user's H(k, **parameters) between the columns of a fixed matrix; equal ones compile once."""

    function: Callable[..., Any]
    shape: tuple[int, ...]
    basis: bytes

    @property
    def __name__(self) -> str:
        return function_name(self.function)

    def __call__(self, k: Array, **parameters: Array) -> Array:
        w = np.frombuffer(self.basis, dtype=complex).reshape(self.shape)
        return jnp.asarray(w.conj().T) @ jnp.asarray(self.function(k, **parameters), dtype=jnp.complex128) @ w
