"""Moments L_p of the transport distribution and those of the Berry curvature, from which `thermopower` builds.

    L_p = Int sum_n tau_n (-f'_n) x_n^p v_n v_n,     x = (E - mu)/k_B T,     and k_B T dL_0/dmu (p = -1)

At T = 0 only L_0 and the intrinsic Hall conductivity differ from zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blochflow.core.backend import jnp
from blochflow.models.base import PAIRS
from blochflow.response.berry_moments import BerryMoments
from blochflow.response.integrands import VelocitySurface, as_tensor
from blochflow.response.request import Request
from blochflow.response.zone_options import measure
from blochflow.zone.integral import Integral

POWERS = (0, 1, 2, -1)
# Of tensors with these powers: those that must converge, and whose rounding is that of the first.
WATCHED, ROUNDING = (True, True, True, False), ((1, 0), (3, 0))


@dataclass(frozen=True)
class Tensors:
    """Tensors of all states, (P, powers, d, d), their errors, and the integral they come from."""

    value: np.ndarray
    error: np.ndarray
    integral: Integral


def drifting(request: Request, relaxation: Any, atol: float) -> Tensors:
    """L_0, L_1, L_2 and k_B T dL_0/dmu for tau = 1; L_1 to ``atol`` times L_0 or better."""
    d = request.model.dimension
    if is_cold(request):
        bands = VelocitySurface.of_dimension(d, relaxation)
        return tensors_of(request, request.integrals(bands), bands)
    bands = VelocitySurface.of_dimension(d, relaxation, POWERS)
    return tensors_of(request, request.integrals(bands, WATCHED, ROUNDING, quotients=((1, 0, atol),)), bands)


def crossing(request: Request, atol: float) -> Tensors | None:
    """Intrinsic sigma, alpha, kappa_0 and Mott's alpha, in natural units; None where symmetry forbids them.

    On grids of symmetric k the curvatures of bands that touch there are of any size and cancel only up to rounding.
    """
    pairs = len(PAIRS[request.model.dimension])
    # in the order of POWERS
    names = ("hall",) if is_cold(request) else ("hall", "nernst", "thermal_hall", "mott")
    bands = BerryMoments(pairs, names, (1.0,) * len(names), jnp.asarray(request.reference))
    if request.forbids(bands):
        return None
    if len(names) == 1:
        return tensors_of(request, request.integrals(bands), bands)
    return tensors_of(request, request.integrals(bands, WATCHED, ROUNDING, quotients=((1, 0, atol),)), bands)


def is_cold(request: Request) -> bool:
    """True where all temperatures are 0: all but the conductivities is exactly zero, and is not integrated."""
    return bool((request.states.kt == 0).all())


def tensors_of(request: Request, integrals: list[Integral], bands: Any) -> Tensors:
    """Integrals over d^dk/(2 pi)^d, spins included; tensors that were not integrated are zero."""
    model = request.model
    factor = model.spin_degeneracy * measure(model)
    value, error = (
        factor * np.stack([as_tensor(getattr(x, name), bands, model.dimension) for x in integrals], axis=1)
        for name in ("value", "error")
    )
    missing = [(0, 0), (0, len(POWERS) - len(integrals)), (0, 0), (0, 0)]
    value, error = np.pad(value, missing), np.pad(error, missing)
    worst = next((x for x in integrals[:3] if not x.converged.all()), integrals[0])
    converged = np.all([x.converged for x in integrals[:3]], axis=0)
    return Tensors(value, np.abs(error), replace(worst, converged=converged))
