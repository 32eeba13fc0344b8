"""Which symmetries a model has, verified on H(k) and on the integrand of a response.

    E_n(g k) = E_n(k),    T(g k) = g T(k)        at 64 random k, for every operation of the lattice

Both are asked for: the spectrum alone may have symmetries that the states, and so the integrand, do not share.  What is
measured, delta = max |T(g k) - g T(k)|, bounds at these k the error that a zone reduced by symmetry makes.
Legend: g operation of `zone.symmetry`, T integrand tensor.  Random k are generic: degeneracies do not matter.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_real_array
from blochflow.core.errors import SymmetryWarning
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.local import AbstractLocalModel
from blochflow.nonadiabatic.field_model import cutoff_of
from blochflow.response.symmetry_images import Images, TensorAt, largest_component, reciprocal_rows
from blochflow.response.symmetry_request import requested_operations
from blochflow.zone.symmetry import (
    Operation,
    identity,
    largest_group,
    lattice_operations,
    point_operations,
)
from blochflow.zone.tensor_symmetry import TensorKind, allowed_components, symmetrise

SAMPLES = 64
SEED = 20260101
# Rounding, amplified where bands come near one another, stays below this; so do hoppings written with seven digits.
THRESHOLD = 1e-6
# A symmetry that almost holds: energies nearer than this fraction of the width of the spectrum, and an integrand that
# differs by less than its largest value (a wrong sign gives 2).
NEARLY = 1e-2


@dataclass(frozen=True)
class Verification:
    """Verified symmetry of a model and an integrand.

    Attributes
    ----------
    operations : tuple of Operation
        A group, the identity first; only the identity when nothing was verified.
    kind : TensorKind
        How the integrand transforms.
    allowed : (d, d, ..) booleans
        False for components that the group forbids.
    delta : (states..) array
        Largest |T(g k) - g T(k)| over operations of the group, k and components, in units of the integrand.
    mean_delta : (states..) array
        Mean over k of the largest component of the same, the largest over operations: estimates by how much the zone
        average changes when it is made symmetric.
    scale : (states..) array
        Largest |T(k)| over the random k.
    energy_delta : float
        Largest |E(g k) - E(k)| over the group, relative to the width of the spectrum.
    candidates : tuple of Operation
        What was tried.
    energy_mismatch, tensor_mismatch : (candidates,) arrays
        Per candidate: relative to the width of the spectrum; the largest over states, relative to ``scale`` (NaN where
        the energies differ by more than a hundredth).
    """

    operations: tuple[Operation, ...]
    kind: TensorKind
    allowed: np.ndarray
    delta: np.ndarray
    mean_delta: np.ndarray
    scale: np.ndarray
    energy_delta: float
    candidates: tuple[Operation, ...]
    energy_mismatch: np.ndarray
    tensor_mismatch: np.ndarray

    @property
    def nearly(self) -> tuple[tuple[Operation, float], ...]:
        """Operations outside the group that almost hold, and their mismatch of energies: an approximate symmetry."""
        close = (self.energy_mismatch <= NEARLY) & (self.tensor_mismatch < 1)
        found = [(g, float(e)) for g, e, c in zip(self.candidates, self.energy_mismatch, close, strict=True) if c]
        return tuple((g, e) for g, e in found if not any(g.equals(kept) for kept in self.operations))

    def symmetrise(self, tensor: np.ndarray) -> np.ndarray:
        """Average of a tensor (.., a, b, ..) over the group; forbidden components are exactly zero."""
        return symmetrise(tensor, self.operations, self.kind)


def verified_operations(
    model: AbstractModel,
    tensor_at: TensorAt,
    kind: TensorKind,
    *,
    symmetry: Any = "auto",
    threshold: float = THRESHOLD,
    negligible: Any = 0.0,
    energies_at: TensorAt | None = None,
    kinds: Sequence[TensorKind] = (),
) -> Verification:
    """Group of point operations, with and without time reversal, under which a model and an integrand are symmetric.

        |E_n(g k) - E_n(k)| <= threshold * width,    |T(g k) - g T(k)| <= threshold * max |T| + negligible

    Valid for: any lattice model; k.p models are tried for the square and hexagonal (2D) or cubic and hexagonal (3D)
    point groups in Cartesian axes.  Not included: operations on k that are none of the lattice (hidden symmetries).

    Parameters
    ----------
    model : AbstractModel
    tensor_at : function
        Cartesian k (K, d) -> integrand (K, states.., a, b, ..), for example `integrand_tensor`.
    kind : TensorKind
        Rank and parities of the integrand.
    symmetry : "auto", False or list
        "auto" tries all operations of the lattice, False none.  A list holds ``"time_reversal"``, ``"inversion"``,
        matrices (integers acting on rows of reduced k, or Cartesian rotations) and pairs
        ``("time_reversal", matrix)``; they and their products are tried.
    threshold : float
        Relative mismatch that is accepted; it enters the error of a reduced integral through ``delta``.
    negligible : float
        Difference of integrands that is rounding whatever their size: an integrand that vanishes by symmetry would
        otherwise be compared with its own rounding errors.
    energies_at : function, optional
        Cartesian k (K, d) -> energies (K, n), where they are at hand with the integrand.
    kinds : sequence of TensorKind
        Of several tensors along the last axis of states, where not all are as ``kind`` under time reversal.

    Returns
    -------
    Verification

    Raises
    ------
    ValueError
        Wrong ``symmetry``, ``threshold`` or ``negligible``, or a tensor of another shape than ``kind`` says.
    NonFiniteError
        Energies or the integrand are not finite at a random k.

    Warns
    -----
    SymmetryWarning
        An operation of the list does not hold; it is left out.

    Examples
    --------
    >>> import blochflow as bf, numpy as np
    >>> from blochflow.response.symmetry import verified_operations
    >>> from blochflow.zone.tensor_symmetry import HALL
    >>> model = bf.zoo.haldane()
    >>> def curvature(k):
    ...     return np.asarray(bf.geometry.berry_curvature(bf.bands(model, k)))[..., 0]  # the lower band is filled
    >>> found = verified_operations(model, curvature, HALL)
    >>> len(found.operations), bool(found.allowed[0, 1])  # C3, and mirrors with time reversal
    (6, True)
    """
    model = as_model(model)
    for name, value, axes in (("threshold", threshold, 0), ("negligible", negligible, 2)):
        as_real_array(value, name, max_ndim=axes, positive=False)
    families = candidate_families(model)
    listed: tuple[Operation, ...] = ()
    if symmetry is False or symmetry is None:
        return _unverified(model.dimension, kind)
    if not (isinstance(symmetry, str) and symmetry == "auto"):
        candidates, listed = requested_operations(symmetry, families[0], model.lattice is not None)
        families = [candidates]
    k = sample_points(model)
    energies_at = energies_at or (lambda points: np.linalg.eigvalsh(np.asarray(model.hamiltonian(points))))
    options = [
        _verify_family(model, Images(model, tensor_at, energies_at, kind, k, kinds), f, threshold, negligible)
        for f in families
    ]
    best = max(options, key=lambda found: len(found.operations))
    _warn_about(listed, best, threshold)
    return best


def candidate_families(model: AbstractModel) -> list[tuple[Operation, ...]]:
    """Groups of operations a model may have: one for a lattice, several in standard axes for k.p models."""
    if model.lattice is not None:
        return [lattice_operations(model.lattice)]
    systems = {1: ("inversion",), 2: ("hexagonal", "square"), 3: ("cubic", "hexagonal")}[model.dimension]
    return [point_operations(model.dimension, system) for system in systems]


def sample_points(model: AbstractModel | AbstractLocalModel, count: int = SAMPLES) -> np.ndarray:
    """(count, d) random Cartesian k, the same in every run: in the unit cell of a lattice, or within the cutoff."""
    random = np.random.default_rng(SEED)
    if model.lattice is not None:
        return random.uniform(0, 1, (count, model.dimension)) @ reciprocal_rows(model.lattice)
    direction = random.normal(size=(count, model.dimension))
    radius = random.uniform(0, 1, (count, 1)) ** (1 / model.dimension)
    given = cutoff_of(model)
    cutoff = 1.0 if given is None else float(given)
    return cutoff * radius * direction / np.linalg.norm(direction, axis=1, keepdims=True)


def _verify_family(
    model: AbstractModel,
    images: Images,
    candidates: Sequence[Operation],
    threshold: float,
    negligible: Any,
) -> Verification:
    """Measure every candidate, keep a group of those that pass."""
    kind = images.kind
    energies = images.energies(identity(model.dimension))
    width = max(float(np.ptp(energies)), 1e-12 * float(np.abs(energies).max()), 1e-300)
    energy = np.array([np.abs(images.energies(g) - energies).max() / width for g in candidates])
    size = largest_component(images.tensor(identity(model.dimension)), kind).max(axis=0)
    local = {i: images.mismatch(g) for i, g in enumerate(candidates) if energy[i] <= max(threshold, NEARLY)}
    relative = np.full(len(energy), np.nan)
    for i, mismatch in local.items():
        excess = np.maximum(mismatch.max(axis=0) - negligible, 0.0)
        relative[i] = (excess / np.maximum(size, 1e-300)).max()
    good = [i for i in local if max(energy[i], relative[i]) <= threshold]
    group = largest_group([candidates[i] for i in good], [max(energy[i], relative[i]) for i in good])
    members = [i for i in good if any(candidates[i] is g for g in group)]
    return Verification(
        operations=group,
        kind=kind,
        allowed=allowed_components(group, kind),
        delta=np.max([local[i].max(axis=0) for i in members], axis=0),
        mean_delta=np.max([local[i].mean(axis=0) for i in members], axis=0),
        scale=size,
        energy_delta=float(energy[members].max()),
        candidates=tuple(candidates),
        energy_mismatch=energy,
        tensor_mismatch=relative,
    )


def _unverified(dimension: int, kind: TensorKind) -> Verification:
    """The identity alone, without a single evaluation."""
    only = (identity(dimension),)
    zero = np.zeros(())
    allowed = allowed_components(only, kind)
    return Verification(only, kind, allowed, zero, zero, zero, 0.0, only, np.zeros(1), np.zeros(1))


def _warn_about(listed: Sequence[Operation], found: Verification, threshold: float) -> None:
    """One warning per operation that the user listed and that is not in the group."""
    for operation in listed:
        if any(operation.equals(kept) for kept in found.operations):
            continue
        index = next(i for i, g in enumerate(found.candidates) if g.equals(operation))
        energy, tensor = found.energy_mismatch[index], found.tensor_mismatch[index]
        what = f"energies at k and its image differ by {energy:.2g} of the width of the spectrum"
        if energy <= threshold:
            what = f"the integrand at k and its image differs by {tensor:.2g} of its largest value"
        if energy <= threshold and tensor <= threshold:
            what = "its products with other verified operations do not hold"
        warnings.warn(
            f"The symmetry {str(operation)!r} is not used: {what} (allowed {threshold:.2g}). Leave it out of "
            "`symmetry`, or raise the tolerance.",
            SymmetryWarning,
            stacklevel=3,
        )
