"""Wannier-Stark ladders: exact periods and levels of all bands together in a uniform field.

    U = T exp(-(i/hbar) Int_0^T_B (H + eE.A)(k0 - eEt/hbar) dt),   T_B = hbar |G|/(e|E|);   levels: phases of V(G)^+ U

with A(k) the position matrices of the basis, if it has any (Wannier functions).

Source: Breid, Witthaut, Korsch, New J. Phys. 8, 110 (2006).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_wavevectors, fail
from blochflow.core.dataset import CARTESIAN, description, provenance
from blochflow.dynamics.bloch import reciprocal_along
from blochflow.geometry.bands import bands
from blochflow.geometry.eigen import eigh
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.fields import time_unit
from blochflow.nonadiabatic.passage_catalog import BLOCH_ZENER
from blochflow.nonadiabatic.passages import line_of

if TYPE_CHECKING:
    import xarray as xr

# Steps of a Bloch period, growing by `FINER` until the error, which falls as their fourth power, is below `ACCURACY`.
FIRST_STEPS, FINER, MOST_STEPS, ACCURACY = 256, 4, 2**16, 1e-11


def bloch_zener(model: Any, k: Any, electric_field: Any) -> xr.Dataset:
    """Bloch periods and levels of all bands together in a uniform field: exact, whatever its strength.

        V(G)^+ U(T_B)|w_j> = exp(-i w_j T_B/hbar)|w_j>,   levels w_j + n hbar 2 pi/T_B,   beats 2 pi hbar/(w_j - w_i)

    U is the evolution by H + eE.A along k - eEt/hbar during one Bloch period, A the position matrices of the basis, if
    it has any; V(G) takes cell-periodic states from k + G to k.
    Source: [Breid2006] for two bands.  Valid for: uniform fields along a reciprocal vector; a motion of two bands is
    periodic where the beat is a multiple of T_B.  Not included: scattering.

    Parameters
    ----------
    model : AbstractModel
        Periodic.
    k : (d,) or (K, d) array
        The levels depend on k across the field only.
    electric_field : (d,) array
        Along a reciprocal vector (with indices up to 12).

    Returns
    -------
    Dataset
        ``period`` T_B (scalar); ``level`` (k, band), in [-1/2, 1/2) of the ``spacing`` 2 pi hbar/T_B; ``beat`` (k,
        band, other), infinite where levels coincide; ``transition`` (k, band, other), probability to be in ``band``
        after one period from ``other``, bands of H at k; ``error`` (k) of U.

    Raises
    ------
    ValueError
        Wrong arguments, a model without lattice, a field along no reciprocal vector.

    Examples
    --------
    >>> import blochflow as bf
    >>> chain = bf.zoo.rice_mele(t_intra=1.0, t_inter=0.8, mass=0.1)
    >>> found = bf.nonadiabatic.bloch_zener(chain, [0.0], [0.1])
    >>> round(found.transition.isel(k=0, band=1, other=0).item(), 6)
    0.173822
    """
    import xarray as xr

    model = as_model(model)
    waves, field, vector = checked_ladder(model, k, electric_field)
    hbar = time_unit(model.units)
    period = float(np.linalg.norm(vector) / np.linalg.norm(field))
    each = [_period(model, wave, field, vector, period) for wave in waves]
    levels = np.array([-np.sort(-np.angle(np.linalg.eigvals(u))) / -period for u, _ in each])
    spacing = 2 * np.pi / period
    apart = levels[:, :, None] - levels[:, None, :]
    apart = np.abs(apart - spacing * np.round(apart / spacing))
    with np.errstate(divide="ignore"):
        beat = np.where(apart > 1e-12 * spacing, 2 * np.pi / apart, np.inf)
    states = np.asarray(bands(model, waves).states)
    matrices = np.array([u for u, _ in each])
    passed = np.abs(np.conj(np.swapaxes(states, 1, 2)) @ matrices @ states) ** 2
    units, pair = model.units, ("k", "band", "other")
    variables = {
        "period": ((), hbar * period, {"units": units.time, "long_name": "T_B"}),
        "spacing": ((), spacing, {"units": units.energy, "long_name": "2 pi hbar/T_B"}),
        "level": (("k", "band"), levels, {"units": units.energy, "long_name": "w_j"}),
        "beat": (pair, hbar * beat, {"units": units.time}),
        "transition": (pair, passed, {"units": "1", "long_name": "probability after T_B"}),
        "error": (("k",), np.array([error for _, error in each]), {"units": "1", "long_name": "error of U"}),
    }
    coords = {"wavevector": (("k", "a"), waves, {"units": f"1/{units.length}"}), "a": list(CARTESIAN[: waves.shape[1]])}
    worst = max(error for _, error in each)
    attrs = {
        **description(BLOCH_ZENER, units.energy),
        **provenance(model, [waves, field]),
        "status": "CONVERGED" if worst <= ACCURACY else "UNRESOLVED",
        "status_message": f"error of U at most {worst:.1e}; aim {ACCURACY:g} with at most {MOST_STEPS} steps",
        "electric_field": field,
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def checked_ladder(model: AbstractModel, k: Any, electric_field: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wave vectors (K, d), field (d,) and the reciprocal vector along it; ValueError where there is none."""
    waves = np.atleast_2d(as_wavevectors(k, model.dimension))
    _, field, _ = line_of(model, waves[0], electric_field)
    vector, note = reciprocal_along(model, field)
    if vector is None:
        raise fail("electric_field", "point along a reciprocal vector", f"is {field.tolist()}: {note}")
    return waves, field, vector


def _period(
    model: AbstractModel, k: np.ndarray, field: np.ndarray, vector: np.ndarray, period: float
) -> tuple[np.ndarray, float]:
    """V(G)^+ U over one Bloch period in the orbital basis, and its error."""
    steps, before = FIRST_STEPS, None
    phases = np.zeros(model.num_bands) if model.orbitals is None else np.asarray(model.orbitals) @ vector
    while True:
        matrix = np.exp(-1j * phases)[:, None] * np.asarray(
            evolution(model, jnp.asarray(k), jnp.asarray(field), jnp.asarray(period), steps)
        )
        if before is not None:
            error = float(np.abs(matrix - before).max()) / (FINER**4 - 1)
            if error <= ACCURACY or steps >= MOST_STEPS:
                return matrix, error
        steps, before = FINER * steps, matrix


@eqx.filter_jit
def evolution(model: AbstractModel, k: Array, field: Array, period: Array, steps: int) -> Array:
    """U of H + E.A along k - Et during ``period`` (hbar = 1): Magnus steps of fourth order, two exponentials each."""
    h = period / steps
    root = np.sqrt(3.0) / 6
    low, high = (0.25 + root), (0.25 - root)
    times = h * (jnp.arange(steps)[:, None] + jnp.array([0.5 - root, 0.5 + root]))
    waves = k - times[..., None] * field
    matrices = model.matrices(waves.reshape(-1, k.shape[0]))
    hamiltonian = matrices.hamiltonian
    if matrices.position is not None:
        # - hbar kdot.A of a basis that turns along k
        hamiltonian = hamiltonian + jnp.einsum("a,kaij->kij", field, matrices.position)
    both = hamiltonian.reshape(steps, 2, model.num_bands, -1)
    weights = jnp.array([[low, high], [high, low]])
    energies, states = eigh(jnp.einsum("ij,sjnm->sinm", weights, both).reshape(2 * steps, model.num_bands, -1))
    factors = (states * jnp.exp(-1j * h * energies)[:, None, :]) @ jnp.conj(jnp.swapaxes(states, 1, 2))

    def step(u: Array, factor: Array) -> tuple[Array, None]:
        return factor @ u, None

    return jax.lax.scan(step, jnp.eye(model.num_bands, dtype=factors.dtype), factors)[0]
