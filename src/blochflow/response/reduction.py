"""Symmetry of a zone integral: fewer cells, forbidden components, and what an imperfect symmetry adds to the error.

    Int T = (1/|G|) sum_g g [ sum_cells multiplicity T ]          cells: one of each orbit under G

G holds only operations that were verified on H(k) and on the integrand; delta, the mismatch that was measured there,
enters the error.  Where delta exceeds a tenth of what the tolerance allows, no symmetry is used.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blochflow.core.errors import SymmetryWarning
from blochflow.response.integrands import as_components, as_tensor
from blochflow.response.source import ModelSource
from blochflow.response.symmetry import Verification, sample_points, verified_operations
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import Filling
from blochflow.zone.charts import AbstractChart, LatticeChart
from blochflow.zone.integral import Integral
from blochflow.zone.orbits import cell_operations, cell_orbits
from blochflow.zone.symmetry import identity
from blochflow.zone.tensor_symmetry import allowed_components, symmetrise
from blochflow.zone.tolerance import Required, Tolerance
from blochflow.zone.weights import mixed

# States on which the integrand is compared.
COMPARED = 4
# A Fermi surface at T = 0 has no value at single k: compared at k_B T of this fraction of the width of the spectrum.
BROADENED = 0.05
# Other states compared with them, (quantile of all energies, k_B T over their width): small pockets that no random k
# meets would leave integrands that vanish at all of these k, and with them the proof of symmetries that do not exist.
WITNESSES = ((0.3, 0.2), (0.7, 0.1))
# An integrand below this fraction of what its single bands are is rounding.
NEGLIGIBLE = 1e-9
# A mismatch below this fraction is rounding of the sum, which its error holds already.
ROUNDING = 1e-14
# Of a cell: no ratio of small numbers.
OFFSET = 0.5 * (3 - 5**0.5)


@dataclass(frozen=True)
class UsedSymmetry:
    """Cells to evaluate and how their sum becomes the integral over the zone.

    Attributes
    ----------
    source : ModelSource
    found : Verification or None
        None: no symmetry.
    cells : CellSet
        Representatives of the base cells, with multiplicities.
    delta : (tensors,) array
        Added to the error of every component of a tensor, in units of the average.
    """

    source: ModelSource
    found: Verification | None
    cells: CellSet
    delta: np.ndarray

    @property
    def forbidden(self) -> np.ndarray | None:
        """(C,) components that vanish by symmetry."""
        if self.found is None:
            return None
        plain, operations = unsigned(self.source.integrand), self.found.operations
        allowed = [allowed_components(operations, kind).astype(float) for kind in self.source.integrand.kinds]
        return np.concatenate([as_components(each, plain) == 0 for each in allowed])

    @property
    def text(self) -> str:
        """For the record."""
        if self.found is None or len(self.found.operations) == 1:
            return "none"
        names = ", ".join(str(g) for g in self.found.operations[1:13])
        return f"{len(self.found.operations)} operations, mismatch {self.delta.max():.1e}: {names}"

    def project(self, value: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Average over the group; every allowed component takes the largest error of its tensor, plus delta."""
        if self.found is None:
            return value, error
        bands, d = self.source.integrand, self.source.dimension
        split = (*value.shape[:-1], bands.tensors, bands.size)
        tensor, each = as_tensor(value.reshape(split), bands, d), bands.kinds
        for kind in set(each):
            alike: Any = (..., [i for i, x in enumerate(each) if x == kind], *(slice(None),) * kind.rank)
            tensor[alike] = symmetrise(tensor[alike], self.found.operations, kind)
        largest = error.reshape(split).max(axis=-1, keepdims=True) + self.delta[:, None]
        largest = np.broadcast_to(largest, split).reshape(value.shape)
        forbidden = np.asarray(self.forbidden)
        return as_components(tensor, bands).reshape(value.shape), np.where(forbidden, 0.0, largest)

    def applied(self, integral: Integral, required: Required) -> Integral:
        """The same for an integral over the whole zone."""
        if self.found is None:
            return integral
        value, error = self.project(integral.value, integral.error)
        fine = (error <= required.allowed(value, integral.absolute)).all(axis=-1)
        history = [(points, self.project(v, np.zeros_like(v))[0]) for points, v in integral.history]
        converged = integral.converged | fine
        return replace(
            integral,
            value=value,
            error=error,
            history=history,
            converged=converged,
            forbidden=self.forbidden,
            symmetry=self.text,
        )


class unsigned:
    """Entries of an integrand without signs, to carry masks from tensors to components."""

    def __init__(self, bands: Any) -> None:
        self.kind, self.size = bands.kind, bands.size
        self.entries = [(index, component, 1.0) for index, component, _ in bands.entries]


def use_symmetry(source: ModelSource, filling: Filling, symmetry: Any, tolerance: Tolerance) -> UsedSymmetry:
    """Verify the operations asked for and choose the cells to evaluate."""
    whole = CellSet.whole_zone(source.chart.base, origin_of(source.chart))
    if symmetry is False or symmetry is None:
        return UsedSymmetry(source, None, whole, np.zeros(source.integrand.tensors))
    sampled = Sampled(source, filling)
    found = verified_operations(
        source.model,
        sampled.tensor,
        source.integrand.kind,
        kinds=source.integrand.kinds,
        symmetry=symmetry,
        negligible=sampled.negligible,
        energies_at=sampled.energies,
    )
    if len(found.operations) == 1:
        return UsedSymmetry(source, None, whole, np.zeros(source.integrand.tensors))
    asked = sampled.asked
    delta = found.mean_delta[:asked].max(axis=0)
    delta = np.where(delta <= ROUNDING / NEGLIGIBLE * sampled.negligible, 0.0, delta)
    unsafe = (delta > 0.1 * tolerance.rtol * found.scale[:asked].max(axis=0)) & (delta > sampled.negligible)
    if unsafe.any():
        warnings.warn(
            f"The symmetry of {source.model.name} holds to {delta[unsafe].max():.2g} only, which is more than a "
            "tenth of the tolerance: the whole zone is used. Pass symmetry=False to silence this.",
            SymmetryWarning,
            stacklevel=4,
        )
        return UsedSymmetry(source, None, whole, np.zeros(source.integrand.tensors))
    cells = whole
    if isinstance(source.chart, LatticeChart) and source.dimension > 1:
        usable = cell_operations(found.operations, source.chart.base) or (identity(source.dimension),)
        orbits = cell_orbits(usable, source.chart.base, 0, whole.index)
        cells = replace(whole.take(orbits.representatives), multiplicity=orbits.multiplicities)
    return UsedSymmetry(source, found, cells, delta)


def origin_of(chart: AbstractChart) -> tuple[float, ...] | None:
    """Where the cells begin: in 1D off all symmetric points, where a Fermi point would stay on faces at every level."""
    if isinstance(chart, LatticeChart) and chart.dimension == 1:
        return (OFFSET / chart.base[0],)
    return None


class Sampled:
    """Energies and the integrand of some states at given k, each k evaluated once; first those ``asked`` for."""

    def __init__(self, source: ModelSource, filling: Filling) -> None:
        self.source = source
        chosen = np.unique(np.linspace(0, len(filling.mu) - 1, COMPARED).astype(int))
        self.asked = len(chosen)
        self.known: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
        energies = self._values(sample_points(source.model))[0]
        width = max(float(np.ptp(energies)), 1e-300)
        witnesses = np.array([(np.quantile(energies, part), share * width) for part, share in WITNESSES])
        self.filling = Filling(
            np.append(filling.mu[chosen], witnesses[:, 0]), np.append(filling.kt[chosen], witnesses[:, 1])
        )
        self.matrix = source.mixing(self.filling)
        self.negligible = np.zeros(source.integrand.tensors)
        # what is rounding must be known before tensors are compared
        self._at(sample_points(source.model))

    def _values(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        key = np.round(k, 12).tobytes()
        if key not in self.known:
            self.known[key] = self.source.sample_k(k)
        return self.known[key]

    def _at(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energies, values = self._values(k)
        largest = max(float(np.abs(values).max()), self.source.integrand.terms)
        self.negligible = np.maximum(self.negligible, NEGLIGIBLE * largest * self._amplification())
        return energies, values

    def _amplification(self) -> np.ndarray:
        """(tensors,) largest factor from values to results."""
        if self.matrix is None:
            return np.ones(self.source.integrand.tensors)
        return np.abs(self.matrix).max(axis=(0, 1)).reshape(self.source.integrand.tensors, -1).max(axis=-1)

    def energies(self, k: np.ndarray) -> np.ndarray:
        """(K, N)."""
        return self._at(k)[0]

    def tensor(self, k: np.ndarray) -> np.ndarray:
        """(K, P, tensors, a, b, ..)."""
        energies, values = self._at(k)
        bands, surfaces = self.source.integrand, self.source.surfaces
        broad = BROADENED * max(float(np.ptp(energies)), 1e-300) if surfaces.any() else 0.0
        states = zip(self.filling.mu, np.maximum(self.filling.kt, broad), strict=True)
        parts = [self._total(energies, values, mu, kt) for mu, kt in states]
        results = mixed(np.stack(parts, axis=1), self.matrix)
        split = results.reshape(*results.shape[:-1], bands.tensors, bands.size)
        return as_tensor(split, bands, self.source.dimension)

    def _total(self, energies: np.ndarray, values: np.ndarray, mu: float, kt: float) -> np.ndarray:
        """Weighed sums over bands, (K, R)."""
        weight, surfaces = self.source.weight, self.source.surfaces
        if surfaces.all() or not surfaces.any():
            return weight.total(energies, values, mu, kt)
        sea, surface = (replace(weight, surface=x).total(energies, values, mu, kt) for x in (False, True))
        return np.where(surfaces, surface, sea)
