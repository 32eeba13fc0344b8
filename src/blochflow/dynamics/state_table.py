"""States (band, k) of a model in uniform fields: their energy h, phase-space density D and gradient d_k h.

    number of states = sum over bands of Int D d^dk/(2 pi)^d

Sets of k are scrambled Sobol points in the reciprocal cell, or in the ball |k| < cutoff of a k.p model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import fail
from blochflow.core.errors import DegenerateBandsError, NonFiniteError
from blochflow.core.units import Units
from blochflow.dynamics.equations import Adiabatic, curvatures, level, packet_energy, symplectic_form
from blochflow.dynamics.setup import SMALLEST_DENSITY
from blochflow.dynamics.starts import SMALLEST_GAP
from blochflow.dynamics.symplectic import phase_space_density
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields

# Batches come in two sizes, each compiled once; up to half of a large one is done by small ones.
BATCHES = (128, 2048)
TOUCHING = 1e-6  # of the width of all bands: those that are named together where a band touches others


def drawn_wavevectors(model: AbstractModel, count: int, seed: Any) -> tuple[np.ndarray, float]:
    """(count, d) Cartesian k, evenly spread, and the volume of k space that they fill."""
    from scipy.stats import qmc

    d = model.dimension
    power = max(0, math.ceil(math.log2(count)))
    u = qmc.Sobol(d, seed=np.random.default_rng(seed)).random_base2(power)[:count]
    if model.lattice is not None:
        return u @ np.asarray(model.lattice.reciprocal), abs(float(np.linalg.det(np.asarray(model.lattice.reciprocal))))
    radius = float(model.cutoff)  # type: ignore[attr-defined]
    if d == 1:
        return radius * (2 * u - 1), 2 * radius
    if d == 2:
        r, angle = radius * np.sqrt(u[:, 0]), 2 * np.pi * u[:, 1]
        return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1), math.pi * radius**2
    r, angle, z = radius * np.cbrt(u[:, 0]), 2 * np.pi * u[:, 1], 2 * u[:, 2] - 1
    side = np.sqrt(1 - z**2)
    k = r[:, None] * np.stack([side * np.cos(angle), side * np.sin(angle), z], axis=1)
    return k, 4 / 3 * math.pi * radius**3


@eqx.filter_jit
def _states(model: AbstractModel, fields: Fields, theory: Adiabatic, band: Array, k: Array) -> tuple[Array, ...]:
    length = model.matrices(k[:1]).length

    def energy_at(k: Array, band: Array) -> tuple[Array, tuple[Array, Array]]:
        zero = jnp.zeros(k.shape)
        here = level(model, band, k, zero, jnp.zeros(()))
        density = jnp.ones(())
        if fields.is_magnetic:
            density = phase_space_density(symplectic_form(curvatures(here, theory, k.shape[0]), fields.magnetic))
        # curvatures have no meaning where bands touch, whether or not D needs them
        size = jnp.abs(here.columns[: k.shape[0]]).max() / length
        apart = jnp.abs(here.inverse).max() * SMALLEST_GAP * size < 1
        density = jnp.where(apart, density, jnp.nan)
        energy = packet_energy(here, fields.electric, fields.magnetic, theory, False)
        return energy, (density, here.slopes[: k.shape[0]])

    if not ((theory.moment and fields.is_magnetic) or theory.second_order):
        # the band energy alone has the slope <n|d_k H|n>
        energy, (density, slope) = jax.vmap(energy_at)(k, band)
        return energy, density, slope
    (energy, (density, _)), slope = jax.vmap(jax.value_and_grad(energy_at, has_aux=True))(k, band)
    return energy, density, slope


def states_at(
    model: AbstractModel, fields: Fields, theory: Adiabatic, band: np.ndarray, k: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h (P,), D (P,) and d_k h (P, d) of packets.

    Raises
    ------
    DegenerateBandsError
        Where bands touch.
    NonFiniteError
        Where H is not finite.
    """
    parts, size = [], BATCHES[0] if 2 * len(k) <= BATCHES[1] else BATCHES[1]
    for start in range(0, len(k), size):
        rows = np.minimum(np.arange(start, start + size), len(k) - 1)
        found = _states(model, fields, theory, jnp.asarray(band[rows]), jnp.asarray(k[rows]))
        parts.append([np.asarray(x) for x in found])
    energy, density, slope = (np.concatenate([part[i] for part in parts])[: len(k)] for i in range(3))
    finite = np.isfinite(energy) & np.isfinite(density) & np.isfinite(slope).all(axis=1)
    if not finite.all():
        at = int(np.argmin(finite))
        raise _touching(model, k[at], int(band[at]))
    return energy, density, slope


def check_density(density: np.ndarray, filled: np.ndarray, band: np.ndarray, k: np.ndarray) -> None:
    """Refuse filled states in whose phase space the equations of motion are no expansion any more."""
    least = np.where(filled, density, np.inf)
    at = int(np.argmin(least))
    if least[at] < SMALLEST_DENSITY:
        must = f"be weak enough for a phase-space density D above {SMALLEST_DENSITY:g} of all filled states"
        where = f"D = {density[at]:.4g} in band {int(band[at])} at k = {np.round(k[at], 4).tolist()}"
        raise fail("magnetic_field", must, f"gives {where}")


def _touching(model: AbstractModel, k: np.ndarray, band: int) -> DegenerateBandsError | NonFiniteError:
    """Which bands touch at k, or that H is not finite there."""
    matrix = np.asarray(model.hamiltonian(k))
    if not np.isfinite(matrix).all():
        return NonFiniteError(k, (band,))
    energies = np.linalg.eigvalsh(matrix)
    near = np.abs(energies - energies[band]) <= TOUCHING * np.ptp(energies)
    gap = np.abs(np.delete(energies, band) - energies[band]).min()
    if near.sum() < 2:
        return NonFiniteError(k, (band,), "The gradient of H, or the curvature,")
    bands = tuple(int(n) for n in np.flatnonzero(near))
    remedy = (
        "Ensembles and collisions hold packets of one band. Move packets with `amplitudes` by "
        f"theory=bf.Manifold(active={bands}), or split the bands, e.g. by a small Zeeman energy."
    )
    return DegenerateBandsError(k, bands, float(gap), "packet of one band", remedy)


@dataclass(frozen=True, eq=False)
class StateTable:
    """States spread evenly over k space.

    Attributes
    ----------
    band, energy, density : (S,)
    k : (S, d)
    units : Units
        Of the model.
    """

    band: np.ndarray
    energy: np.ndarray
    density: np.ndarray
    k: np.ndarray
    units: Units

    @classmethod
    def of(cls, model: AbstractModel, fields: Fields, theory: Adiabatic, count: int, seed: int) -> StateTable:
        """``count`` states of every band."""
        k, _ = drawn_wavevectors(model, count, [seed, 0])
        n = model.num_bands
        band, k = np.repeat(np.arange(n), count), np.tile(k, (n, 1))
        energy, density, _ = states_at(model, fields, theory, band, k)
        return cls(band, energy, density, k, model.units)
