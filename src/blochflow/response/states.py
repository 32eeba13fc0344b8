"""The (mu, temperature) or (density, temperature) states a response is asked for, and their labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_real_array, fail

if TYPE_CHECKING:
    from blochflow.models.base import AbstractModel


@dataclass(frozen=True)
class States:
    """States of a scan, flattened with temperature fastest.

    Attributes
    ----------
    dims : ("mu", "temperature") or ("density", "temperature")
    shape : their lengths
    coords : coordinate arrays with unit attributes
    mu, kt : (P,) chemical potential and k_B T in the model's energy
    mu_error : (P,) uncertainty of mu (0 where mu was given, NaN where it is not known)
    """

    dims: tuple[str, str]
    shape: tuple[int, int]
    coords: dict[str, Any]
    mu: np.ndarray
    kt: np.ndarray
    mu_error: np.ndarray


def as_states(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    density: Any = None,
    solve: Callable[[Any, Any], Any] | None = None,
) -> States:
    """Check the arguments; with ``density`` the chemical potential comes from ``solve(density, temperature)``."""
    units = model.units
    t = np.atleast_1d(as_real_array(temperature, "temperature", positive=False))
    if (mu is None) == (density is None or solve is None):
        raise fail("mu", "be given, or None together with `density=`", "both or neither are given")
    t_coord = (t, {"units": units.temperature})
    if density is None or solve is None:
        values = np.atleast_1d(as_real_array(mu, "mu"))
        grid_mu, grid_t = (x.reshape(-1) for x in np.meshgrid(values, t, indexing="ij"))
        coords: dict[str, Any] = {"mu": (values, {"units": units.energy}), "temperature": t_coord}
        zero = np.zeros_like(grid_mu)
        return States(("mu", "temperature"), (len(values), len(t)), coords, grid_mu, units.boltzmann * grid_t, zero)
    values = np.atleast_1d(as_real_array(density, "density", positive=True))
    solved = solve(values, t)
    grid_mu, grid_error = solved["value"].values.reshape(-1), solved["error"].values.reshape(-1)
    grid_t = np.broadcast_to(t, (len(values), len(t))).reshape(-1)
    coords = {
        "density": (values, {"units": f"1/{units.length}^{model.dimension}"}),
        "temperature": t_coord,
        "mu": (grid_mu.reshape(len(values), len(t)), {"units": units.energy}),
    }
    dims = ("density", "temperature")
    return States(dims, (len(values), len(t)), coords, grid_mu, units.boltzmann * grid_t, grid_error)
