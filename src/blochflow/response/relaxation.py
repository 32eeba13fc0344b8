"""Relaxation times tau: numbers, or functions tau(energy, band, k) given by the user, checked before they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.backend import jax, jnp
from blochflow.core.checks import as_real_array
from blochflow.core.errors import UserModelError
from blochflow.core.units import HBAR_EV_FS
from blochflow.models.base import AbstractModel
from blochflow.response.symmetry import sample_points
from blochflow.response.symmetry_images import reciprocal_rows

if TYPE_CHECKING:
    import xarray as xr

Relaxation = Callable[..., Any]
# tau(k + G) and tau(k) agree to this fraction: rounding of k + G inside a user's function, with four digits to spare
PERIODIC = 1e-9


def per_time(model: AbstractModel) -> float:
    """From times in the model's unit to hbar over its energy."""
    return 1 / HBAR_EV_FS if model.units.time == "fs" else 1.0


def as_relaxation(tau: Any, model: AbstractModel) -> tuple[np.ndarray, Relaxation | None]:
    """Positive times (S,), or a function that was tried in all bands at random k of the zone."""
    if not callable(tau):
        return np.atleast_1d(as_real_array(tau, "tau", positive=True)), None
    k = sample_points(model)
    energies = np.linalg.eigvalsh(np.asarray(model.hamiltonian(k)))
    times = _tried(tau, energies, k)
    wrong = ~(np.isfinite(times) & (times > 0))
    if wrong.any():
        at, band = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        raise UserModelError(
            f"tau(energy, band, k) must be positive and finite in every band of the zone, but is {times[at, band]:.6g} "
            f"at {_place(energies, k, int(at), int(band))}. Where it does not matter, far from mu, bound it from below "
            "with jax.numpy.maximum."
        )
    if model.lattice is not None:
        _check_periodic(tau, energies, k, times, reciprocal_rows(model.lattice))
    return np.empty(0), tau


def of_bands(tau: Relaxation, energies: Any, k: Any) -> Any:
    """tau(E, n, k) of every band at every k, (k, n)."""
    bands = jnp.arange(energies.shape[-1])
    return jax.vmap(jax.vmap(tau, in_axes=(0, 0, None)), in_axes=(0, None, 0))(energies, bands, k)


def _tried(tau: Relaxation, energies: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Real (k, n), or `UserModelError`."""
    try:
        times = of_bands(tau, jnp.asarray(energies), jnp.asarray(k))
    except Exception as exc:
        raise UserModelError(f"tau(energy, band, k) failed: {type(exc).__name__}: {exc}. Use jax.numpy in it.") from exc
    shape = getattr(times, "shape", None)
    if shape != energies.shape or jnp.iscomplexobj(times):
        kind = "complex numbers" if shape == energies.shape else f"shape {shape and shape[2:]}"
        raise UserModelError(f"tau(energy, band, k) must return one real, positive number, but returned {kind}.")
    return np.asarray(times, dtype=np.float64)


def _check_periodic(
    tau: Relaxation, energies: np.ndarray, k: np.ndarray, times: np.ndarray, reciprocal: np.ndarray
) -> None:
    for number, vector in enumerate(reciprocal, start=1):
        change = np.abs(_tried(tau, energies, k + vector) - times)
        wrong = ~(change <= PERIODIC * times)
        if wrong.any():
            at, band = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
            raise UserModelError(
                "tau(energy, band, k) must be periodic in k, the zone of a lattice having no boundary, but at "
                f"{_place(energies, k, int(at), int(band))} it changes from {times[at, band]:.6g} by "
                f"{change[at, band]:.3g} when the reciprocal vector b_{number} is added. Write it with cosines and "
                "sines of k.R, or fold k into the zone inside the function."
            )


def _place(energies: np.ndarray, k: np.ndarray, at: int, band: int) -> str:
    where = ", ".join(f"{x:.6g}" for x in k[at])
    return f"energy {energies[at, band]:.6g}, band {band}, k = ({where})"


def times_tau(result: xr.Dataset, tau: Any, unit: str) -> xr.Dataset:
    """Value and error, computed for tau = 1, for one or several relaxation times."""
    import xarray as xr

    if np.ndim(tau) == 0:
        scale: Any = float(tau)
        result.attrs["tau"] = float(tau)
    else:
        scale = xr.DataArray(tau, dims="tau", coords={"tau": ("tau", tau, {"units": unit})})
    scaled = result.copy()
    order = [d for d in result["value"].dims if d not in ("a", "b")]
    order += ["tau"] * (np.ndim(tau) > 0)
    for name in ("value", "error", "cutoff_tail"):
        if name not in result:
            continue
        scaled[name] = (result[name] * scale).transpose(*order, "a", "b").assign_attrs(result[name].attrs)
    if np.ndim(tau):
        scaled["converged"] = result["converged"].expand_dims(tau=tau).transpose(*order).copy()
    scaled.attrs["history_value"] = np.asarray(scaled.attrs["history_value"]) * float(np.min(tau))
    return scaled
