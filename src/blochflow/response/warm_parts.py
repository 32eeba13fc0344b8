"""Parts of a response at T > 0: the average of those of single energies over -f'.

    chi(mu, T) = Int d eps (-f'(eps)) chi(eps)

The integral is adaptive, in panels that end at band edges and van Hove energies.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.response.cold_parts import differences, meets
from blochflow.response.energy_window import energy_window, slope_of_step
from blochflow.response.fermi_parts import Diagnostics, FermiParts, Unresolved

# Ends of panels of the integral over energy, in k_B T from mu.
PANELS = (-8.0, -3.0, 0.0, 3.0, 8.0)


def warm_parts(
    request: FermiParts, mu: float, kt: float, tolerance: Any
) -> tuple[np.ndarray, np.ndarray, bool, Diagnostics]:
    """Parts at T > 0; errors of the integral over energy, and of the surface at `SAMPLES` energies."""
    from scipy.integrate import quad_vec

    seen = Diagnostics()
    result, error, good = np.zeros(request.shape), np.zeros(request.shape), False
    low, high, samples = energy_window(request, mu, kt)
    if not samples:
        seen.note = "no band has carriers at this temperature"
        return result, error, True, seen
    inside = [float(e) for e in request.edges if low < e < high]
    # ends of panels that all but coincide with an edge would leave panels of rounding
    panels = [mu + x * kt for x in PANELS if min((abs(mu + x * kt - e) for e in inside), default=kt) > 1e-3 * kt]
    breaks = sorted({*inside, *panels})
    weights = [4 * slope_of_step(e, mu, kt) for e in samples]
    for coarse, fine in itertools.pairwise(request.levels()):
        try:
            pairs = [
                [w * request.at(e, x, seen) for x in (coarse, fine)] for e, w in zip(samples, weights, strict=True)
            ]
        except Unresolved as exc:
            if fine == request.levels()[-1]:
                raise fail_warm(request, mu, kt, exc) from exc
            continue
        doubt = np.max([differences(*pair) for pair in pairs], axis=0)
        size = np.max([np.abs(pair[1]).max(axis=(1, 2)) for pair in pairs], axis=0)[:, None, None]
        if not meets(np.broadcast_to(size, request.shape), doubt, tolerance) and fine != request.levels()[-1]:
            continue
        scale = np.where(size > 1e-9 * size[1:].max(), size, max(float(size.max()), 1e-300))

        def weighed(energy: float, fine: Any = fine, scale: np.ndarray = scale) -> np.ndarray:
            return np.asarray(slope_of_step(energy, mu, kt) / kt * request.at(energy, fine, seen) / scale)

        aim = {"epsrel": 0.0, "epsabs": 0.5 * tolerance.rtol, "norm": "max", "limit": 60}
        try:
            total, missed = quad_vec(weighed, low, high, points=breaks, quadrature="gk15", **aim)
        except Unresolved as exc:
            if fine == request.levels()[-1]:
                raise fail_warm(request, mu, kt, exc) from exc
            continue
        result, error = scale * total, doubt + size * missed
        seen.history.append((seen.evaluations, result))
        good = meets(result, error, tolerance)
        break
    # of the energies of the integral, not of mu
    seen.note = ""
    return result, error, good, seen


def fail_warm(request: FermiParts, mu: float, kt: float, cause: Unresolved) -> ValueError:
    """Says at which state an energy of the integral was not resolved."""
    where = f"at mu = {mu:.6g} and k_B T = {kt:.6g} {request.model.units.energy} the integral over energy needs one"
    remedy = "use a finer `grid`, a higher temperature, or T = 0"
    return fail("mu", "have Fermi surfaces that are resolved around it", f"{where} that is not: {cause} {remedy}")
