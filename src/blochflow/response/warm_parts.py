"""Parts of a response at T > 0: the average of those of single energies over -f'.

    chi(mu, T) = Int d eps (-f'(eps)) chi(eps)

The integral is adaptive, in panels that end at band edges and van Hove energies; at saddles in two dimensions, where
surfaces take ever more points, `saddle_energies` takes over.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.response.cold_parts import differences, meets
from blochflow.response.energy_window import energy_window, slope_of_step
from blochflow.response.fermi_parts import Diagnostics, FermiParts, Unresolved
from blochflow.response.saddle_energies import FEWEST_STEPS, FIRST, STEPS, SaddleEnd, saddle_energies, through_saddle

# Ends of panels of the integral over energy, in k_B T from mu.
PANELS = (-8.0, -3.0, 0.0, 3.0, 8.0)
# Nodes of the Gauss-Kronrod rule of a panel.
NODES = 15


def warm_parts(
    request: FermiParts, mu: float, kt: float, tolerance: Any
) -> tuple[np.ndarray, np.ndarray, bool, Diagnostics]:
    """Parts at T > 0; errors of the integral over energy, of the surface at `SAMPLES` energies, and at saddles."""
    seen = Diagnostics()
    result, error, good = np.zeros(request.shape), np.zeros(request.shape), False
    low, high, samples = energy_window(request, mu, kt)
    if not samples:
        seen.note = "no band has carriers at this temperature"
        return result, error, True, seen
    levels = request.levels()
    kept: dict[tuple[float, Any], np.ndarray] = {}
    for coarse, fine in itertools.pairwise(levels):
        last = fine == levels[-1]
        integral = _Integral(request, mu, kt, (low, high), (coarse, fine), seen, kept)
        try:
            pairs = [tuple(4 * slope_of_step(e, mu, kt) * x for x in integral.pair(e)) for e in samples]
            doubt = np.max([differences(*pair) for pair in pairs], axis=0)
            size = np.max([np.abs(pair[1]).max(axis=(1, 2)) for pair in pairs], axis=0)[:, None, None]
            whole = np.broadcast_to(size, request.shape)
            if not last and not meets(whole, doubt, tolerance):
                continue
            ends = integral.saddle_ends(tolerance.rtol * size)
            doubt = doubt + sum(x.error for x in ends)
            if not last and not meets(whole, doubt, tolerance):
                continue
            scale = np.where(size > 1e-9 * size[1:].max(), size, max(float(size.max()), 1e-300))
            total, missed = integral.between(ends, scale, 0.5 * tolerance.rtol)
        except Unresolved as exc:
            if last:
                raise fail_warm(request, mu, kt, exc) from exc
            continue
        result, error = scale * total + sum(x.value for x in ends), doubt + size * missed
        seen.history.append((seen.evaluations, result))
        good = meets(result, error, tolerance)
        break
    # of the energies of the integral, not of mu
    seen.note = ""
    return result, error, good, seen


@dataclass(frozen=True, eq=False)
class _Integral:
    """Int d eps (-f') chi(eps) over a ``window`` with surfaces of two ``sizes``, coarse and fine."""

    request: FermiParts
    mu: float
    kt: float
    window: tuple[float, float]
    sizes: tuple[Any, Any]
    seen: Diagnostics
    kept: dict[tuple[float, Any], np.ndarray]

    def weight(self, energy: float) -> float:
        """-f'."""
        return slope_of_step(energy, self.mu, self.kt) / self.kt

    def pair(self, energy: float) -> tuple[np.ndarray, np.ndarray]:
        """Parts by both surfaces."""
        coarse, fine = (self.parts(energy, size) for size in self.sizes)
        return coarse, fine

    def parts(self, energy: float, size: Any) -> np.ndarray:
        """Parts at one energy by one surface; kept, as one size after another looks at the same energies."""
        if (energy, size) not in self.kept:
            self.kept[energy, size] = self.request.at(energy, size, self.seen)
        return self.kept[energy, size]

    @property
    def edges(self) -> list[float]:
        """Energies inside the window at which the surface changes its topology."""
        return [float(e) for e in self.request.edges if self.window[0] < e < self.window[1]]

    def saddle_ends(self, allowed: np.ndarray) -> list[SaddleEnd]:
        """Both sides of all saddles, each halfway to the next edge at most."""
        result = []
        for interval in saddle_energies(self.request, *self.window, self.kt):
            marks = (*self.edges, *self.window)
            below, above = max(x for x in marks if x < interval[0]), min(x for x in marks if x > interval[1])
            room = (0.5 * (interval[0] - below), 0.5 * (above - interval[1]))
            reach = (min(FIRST * self.kt, room[0]), min(FIRST * self.kt, room[1]))
            result += through_saddle(self.pair, self.weight, interval, reach, allowed)
        return result

    def between(self, ends: list[SaddleEnd], scale: np.ndarray, goal: float) -> tuple[np.ndarray, float]:
        """The integral over all other energies in units of ``scale``, to ``goal``, and its error."""
        from scipy.integrate import quad_vec

        breaks = sorted({*panel_ends(self.edges, self.mu, self.kt), *(x for end in ends for x in end.steps)})
        stops = [self.window[0], *(end.edge + end.side * end.delta for end in ends), self.window[1]]
        total, missed = np.zeros(self.request.shape), 0.0

        def weighed(energy: float) -> np.ndarray:
            return np.asarray(self.weight(energy) * self.parts(energy, self.sizes[1]) / scale)

        rule = f"gk{NODES}"
        aim = {"epsrel": 0.0, "epsabs": 2 * goal / len(stops), "norm": "max", "limit": 60}
        for low, high in zip(stops[::2], stops[1::2], strict=True):
            inside = [x for x in breaks if low < x < high]
            part, doubt = quad_vec(weighed, low, high, points=inside, quadrature=rule, **aim)
            total, missed = total + part, missed + doubt
        return total, missed


def panel_ends(edges: list[float], mu: float, kt: float) -> list[float]:
    """Ends of panels: these edges, and energies around mu that do not all but coincide with one."""
    around = [mu + x * kt for x in PANELS]
    return [*edges, *(x for x in around if min((abs(x - e) for e in edges), default=kt) > 1e-3 * kt)]


def energies_at(request: FermiParts, mu: float, kt: float) -> tuple[list[float], int, int]:
    """Energies at which carriers are, and about the fewest and most surfaces of the integral at this mu.

    Every panel with carriers has its nodes once, or is halved; either side of a saddle takes two surfaces for each of
    its steps, and a panel between them.
    """
    low, high, samples = energy_window(request, mu, kt)
    edges = [float(e) for e in request.edges if low < e < high]
    marks = [low, *(x for x in sorted(panel_ends(edges, mu, kt)) if low < x < high), high]
    panels = sum(request.in_band(0.5 * (a + b)) for a, b in itertools.pairwise(marks))
    sides = 2 * len(saddle_energies(request, low, high, kt))
    fewest, most = (sides * steps * (NODES + 2) + NODES * panels for steps in (FEWEST_STEPS - 1, STEPS - 1))
    return samples, fewest, most + 2 * NODES * panels


def fail_warm(request: FermiParts, mu: float, kt: float, cause: Unresolved) -> ValueError:
    """Says at which state an energy of the integral was not resolved."""
    where = f"at mu = {mu:.6g} and k_B T = {kt:.6g} {request.model.units.energy} the integral over energy needs one"
    remedy = "shift mu by some k_B T, use a finer `grid`, or T = 0"
    return fail("mu", "have Fermi surfaces that are resolved around it", f"{where} that is not: {cause} {remedy}")
