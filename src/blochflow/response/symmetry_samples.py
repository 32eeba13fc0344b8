"""Tensors of responses at single k, on which `symmetry_table` verifies operations.

    curvature      sum_n f_n Omega_n,ab                              (anomalous Hall, Nernst, thermal Hall)
    magnetization  sum_n f_n m_n,ab after the curvature              (orbital magnetization: both enter)
    drude          sum_nm in group (-f'_n) Re(V_a,nm V_b,mn)         (ohmic, thermoelectric)
    metric         sum_n f_n T_n,ab                                  (quantum metric dipole)
    spin           -2 sum_nm f_n Im(j^s_a,nm V_b,mn)/(E_n - E_m)^2   (spin Hall), j^s_a = {s, V_a}/2

Bands that touch enter through the trace over their group.  Every tensor is divided by the largest sum of its absolute
terms, so that what vanishes by symmetry is recognised by its size.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import as_real_array, fail
from blochflow.geometry.bands import bands
from blochflow.geometry.subspace import touching_bands
from blochflow.models.base import AbstractModel
from blochflow.response.symmetry import sample_points

NEGLIGIBLE = 1e-9  # of the largest sum of absolute terms: rounding, amplified where bands come near one another
FILLINGS = (0.1, 0.3, 0.5, 0.7, 0.9)  # chemical potentials across the spectrum
SMEARED = 0.05  # of the width of the spectrum: k_B T there
SHARPEST = 0.02  # of the width: a sharper step or surface would miss most of the few k that are sampled


@dataclass(frozen=True)
class Sample:
    """Energies (K, n), velocity matrices (K, a, n, m), 1/(E_n - E_m) off touching pairs, and those pairs, at some k."""

    energies: np.ndarray
    velocity: np.ndarray
    inverse: np.ndarray
    group: np.ndarray
    basis_curvature: np.ndarray | None
    spin: np.ndarray | None


def states_to_sample(model: AbstractModel, mu: Any, temperature: Any) -> tuple[np.ndarray, np.ndarray]:
    """(s,) chemical potentials and k_B T at which tensors are compared."""
    if (mu is None) != (temperature is None):
        raise fail(
            "temperature" if temperature is None else "mu", "come with the other of mu and temperature", "is None"
        )
    energies = np.linalg.eigvalsh(np.asarray(model.hamiltonian(sample_points(model))))
    low, width = float(energies.min()), max(float(np.ptp(energies)), 1e-12 * float(np.abs(energies).max()), 1e-300)
    if mu is None:
        return low + width * np.array(FILLINGS), np.full(len(FILLINGS), SMEARED * width)
    chosen = np.atleast_1d(as_real_array(mu, "mu"))
    warm = model.units.boltzmann * np.atleast_1d(as_real_array(temperature, "temperature", positive=False))
    grid = np.stack(np.meshgrid(chosen, np.maximum(warm, SHARPEST * width), indexing="ij"), axis=-1).reshape(-1, 2)
    # beside them states that see all bands: in a small pocket all tensors vanish at all random k
    witnesses = low + width * np.array(FILLINGS)
    return np.append(grid[:, 0], witnesses), np.append(grid[:, 1], np.full(len(witnesses), SMEARED * width))


def spin_of(model: AbstractModel) -> str | None:
    """Name of the model's spin: all components in three dimensions, the z component in two."""
    spin = model.operators.get("spin")
    if spin is not None and spin.ndim == 3 and spin.shape[0] == 3:
        return "spin" if model.dimension == 3 else "spin_z"
    return "spin_z" if model.dimension == 2 and "spin_z" in model.operators else None


class SampledTensors:
    """Tensors of responses at given k; each k is diagonalised once."""

    def __init__(self, model: AbstractModel, states: tuple[np.ndarray, np.ndarray]) -> None:
        self.model, (self.mu, self.kt) = model, states
        self.known: dict[bytes, Sample] = {}
        self.scales: dict[str, float] = {}

    def energies(self, k: np.ndarray) -> np.ndarray:
        """(K, n)."""
        return self._at(k).energies

    def function(self, name: str) -> Callable[[np.ndarray], np.ndarray]:
        """``tensor_at`` for `verified_operations`: (K, d) -> (K, states, a, b, ..) of one of the tensors above."""
        tensors = {
            "curvature": self._curvature,
            "magnetization": lambda k: np.concatenate([self._curvature(k), self._moment(k)], axis=1),
            "drude": self._drude,
            "metric": self._metric,
            "spin": self._spin,
        }
        return tensors[name]

    def _at(self, k: np.ndarray) -> Sample:
        key = np.round(k, 12).tobytes()
        if key not in self.known:
            solved = bands(self.model, k)
            energies, velocity = np.asarray(solved.energies), np.asarray(solved.velocity)
            gap = energies[:, :, None] - energies[:, None, :]
            group = touching_bands(solved) | np.eye(energies.shape[1], dtype=bool)
            basis, spin, name = solved.basis_curvature, None, spin_of(self.model)
            if name is not None:
                matrix = np.asarray(self.model.operator_matrices(name, jnp.asarray(k)))
                states = np.asarray(solved.states).reshape(len(k), *(1,) * (matrix.ndim - 3), *solved.states.shape[1:])
                spin = np.conj(np.swapaxes(states, -1, -2)) @ matrix @ states
            inverse = np.where(group, 0.0, 1 / np.where(group, 1.0, gap))
            self.known[key] = Sample(
                energies, velocity, inverse, group, None if basis is None else np.asarray(basis), spin
            )
        return self.known[key]

    def _occupation(self, energies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f and -k_B T f', (K, s, n) each."""
        x = (energies[:, None] - self.mu[:, None]) / self.kt[:, None]
        f = 0.5 * (1 - np.tanh(0.5 * x))
        return f, f * (1 - f)

    def _curvature(self, k: np.ndarray) -> np.ndarray:
        at = self._at(k)
        weight = -2 * at.inverse**2
        extra = at.basis_curvature
        diagonal = None if extra is None else np.diagonal(extra, axis1=-2, axis2=-1).real
        return self._sea("curvature", at, weight, diagonal)

    def _moment(self, k: np.ndarray) -> np.ndarray:
        at = self._at(k)
        return self._sea("moment", at, -at.inverse)

    def _sea(self, name: str, at: Sample, weight: np.ndarray, diagonal: np.ndarray | None = None) -> np.ndarray:
        """sum_nm f_n weight_nm Im(V_a,nm V_b,mn), antisymmetric (K, s, a, b)."""
        f, _ = self._occupation(at.energies)
        d = at.velocity.shape[1]
        result, scale = np.zeros((*f.shape[:2], d, d)), 0.0
        for a in range(d):
            for b in range(a + 1, d):
                # V is Hermitian: V_b,mn = conj(V_b,nm)
                product = at.velocity[:, a] * np.conj(at.velocity[:, b]) * weight
                per_band = product.imag.sum(axis=-1)
                scale = max(scale, float(np.abs(product).sum(axis=(1, 2)).max()))
                if diagonal is not None:
                    per_band = per_band + diagonal[:, a, b]
                    scale = max(scale, float(np.abs(diagonal[:, a, b]).sum(axis=-1).max()))
                result[:, :, a, b] = np.einsum("ksn,kn->ks", f, per_band)
                result[:, :, b, a] = -result[:, :, a, b]
        return self._in_units(name, result, scale)

    def _drude(self, k: np.ndarray) -> np.ndarray:
        at = self._at(k)
        _, surface = self._occupation(at.energies)
        products = np.einsum("kanm,kbnm,knm->kabn", at.velocity, np.conj(at.velocity), at.group).real
        result = np.einsum("ksn,kabn->ksab", surface, products)
        return self._in_units("drude", result, float(np.abs(products).sum(axis=-1).max()))

    def _metric(self, k: np.ndarray) -> np.ndarray:
        at = self._at(k)
        f, _ = self._occupation(at.energies)
        terms = -2 * at.velocity[:, :, None] * np.conj(at.velocity[:, None]) * at.inverse[:, None, None] ** 3
        result = np.einsum("ksn,kabn->ksab", f, terms.real.sum(axis=-1))
        return self._in_units("metric", result, float(np.abs(terms).sum(axis=(-1, -2)).max()))

    def _spin(self, k: np.ndarray) -> np.ndarray:
        at = self._at(k)
        if at.spin is None:
            raise fail("model", 'have an operator "spin"', "has none")
        spins = at.spin if at.spin.ndim == 4 else at.spin[:, None]
        f, _ = self._occupation(at.energies)
        d = at.velocity.shape[1]
        result, scale = np.zeros((*f.shape[:2], spins.shape[1], d, d)), 0.0
        for c, a in itertools.product(range(spins.shape[1]), range(d)):
            product = spins[:, c] @ at.velocity[:, a]
            current = 0.5 * (product + np.conj(np.swapaxes(product, -1, -2)))
            for b in range(d):
                terms = -2 * current * np.conj(at.velocity[:, b]) * at.inverse**2
                scale = max(scale, float(np.abs(terms).sum(axis=(1, 2)).max()))
                result[:, :, c, a, b] = np.einsum("ksn,kn->ks", f, terms.imag.sum(axis=-1))
        return self._in_units("spin", result if at.spin.ndim == 4 else result[:, :, 0], scale)

    def _in_units(self, name: str, tensor: np.ndarray, scale: float) -> np.ndarray:
        """In units of the sum of absolute terms at the first k that were asked for."""
        return tensor / self.scales.setdefault(name, scale if scale > 0 else 1.0)
