"""Predicted cost of a disordered response: Fermi surfaces with N points, beside the integral over the filled states.

    time = band edges + integral + sum over surfaces { that of the coarsest + N * (that of a point) + diagonalization }

Points are doubled until two numbers agree: the lower end stands for the first two of `CURVES` or `MESHES`, the upper
for two steps more, which smooth correlations seldom need; kinks of W(q) go on to the last.  At T > 0 the integral over
energy takes a surface for each of its nodes, and more of them at saddles of two-dimensional bands.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.cli.cost import Cost, estimate
from blochflow.cli.formats import duration, memory

if TYPE_CHECKING:
    from blochflow.cli.job import Job, Task
    from blochflow.models.base import AbstractModel
    from blochflow.response.fermi_parts import FermiParts

# Rows of the matrix whose diagonalization is timed.
ROWS = 256
FURTHER = 2
# Matrices of the size of the collision operator at once: itself, eigenvectors, work space.
COPIES = 5


def predict_disordered(job: Job, task: Task, model: AbstractModel) -> Cost:
    """Time the search for band edges, two coarse surfaces, and the integral over filled states to a loose tolerance."""
    from blochflow.cli.check_integrals import disordered_request
    from blochflow.response.warm_parts import energies_at

    given = task.arguments
    surface = disordered_request(task, model).surface
    states = {name: given[name] for name in ("mu", "temperature")}
    # every observable has the integral of the Hall conductivity, with other matrix elements
    sea = estimate(job, dataclasses.replace(task, quantity="anomalous_hall", arguments=states), model)
    # a torque is computed for m and -m
    runs = 2 if task.quantity == "spin_orbit_torque" else 1
    started = time.perf_counter()
    _ = surface.edges
    edges = time.perf_counter() - started
    warm = [energies_at(surface, mu, kt) for mu in given["mu"] for kt in given["temperature"] if kt > 0]
    inside = [e for samples, _, _ in warm for e in samples]
    # at T > 0 mu itself may lie in a gap or at a saddle
    times = Times.measured(surface, float(inside[len(inside) // 2] if inside else np.median(given["mu"])))
    if not times.size:
        spent = duration(runs * (edges + sea.low * sea.per_point))
        return Cost("no Fermi surface at this mu", f"at least {spent}", memory(sea.memory))
    levels = [times.size * _growth(surface, level) for level in surface.levels()]
    fewest, most = levels[:2], levels[: 2 + FURTHER]
    cold = len(given["mu"]) * sum(t == 0 for t in given["temperature"])
    energies = (sum(least for _, least, _ in warm), sum(largest for _, _, largest in warm))
    seconds = [
        cold * sum(map(times.of, sizes)) + count * times.of(sizes[-1])
        for sizes, count in zip((fewest, most), energies, strict=True)
    ]
    low, high = (runs * (edges + x + n * sea.per_point) for x, n in zip(seconds, (sea.low, sea.high), strict=True))
    size = f"{fewest[-1]:,}" if fewest == most else f"{fewest[-1]:,} to {most[-1]:,}"
    points = f"{size} on each Fermi surface, {sea.low:,} to {sea.high:,} below"
    return Cost(points, f"{duration(low)} to {duration(high)}", memory(max(sea.memory, _bytes(surface, most[-1]))))


@dataclass(frozen=True)
class Times:
    """Points of the coarsest surface, its seconds, those of every further point, and of a diagonalization.

    ``pairs``: beyond `DENSE` points a step of the iteration sums over all pairs of them (white noise: over points).
    """

    size: int
    seconds: float
    per_point: float
    diagonalization: float
    pairs: bool

    @classmethod
    def measured(cls, surface: FermiParts, mu: float) -> Times:
        """By the two coarsest surfaces; each runs twice, the first time it is compiled."""
        from blochflow.response.fermi_parts import Diagnostics

        sizes, seconds = [], []
        for level in surface.levels()[:2]:
            for _ in range(2):
                surface.finder.shapes.clear()
                seen, started = Diagnostics(), time.perf_counter()
                surface.at(mu, level, seen)
                spent = time.perf_counter() - started
            sizes.append(seen.size)
            seconds.append(spent)
        matrix = np.random.default_rng(0).normal(size=(ROWS, ROWS))
        started = time.perf_counter()
        np.linalg.eigh(matrix + matrix.T)
        diagonalization = time.perf_counter() - started
        slope = max(0.0, seconds[1] - seconds[0]) / max(1, sizes[1] - sizes[0])
        return cls(sizes[0], seconds[0], slope, diagonalization, surface.scatterers.constant is None)

    def of(self, size: int) -> float:
        """Seconds of a surface with ``size`` points; beyond `DENSE` the equation is solved by iteration."""
        from blochflow.disorder.collision import DENSE

        linear = self.seconds + self.per_point * max(0, size - self.size)
        if size <= DENSE:
            return linear + self.diagonalization * (size / ROWS) ** 3
        if not self.pairs:
            return linear
        # from the coarsest surface where that was iterated too
        start, seconds = (self.size, self.seconds) if self.size > DENSE else (DENSE, self.of(DENSE))
        return seconds * (size / start) ** 2


def _growth(surface: FermiParts, level: tuple[Any, Any]) -> int:
    """Points at a level in units of those at the coarsest."""
    grid, points = level
    coarsest = surface.levels()[0]
    if surface.model.dimension == 2:
        return int(points // coarsest[1])
    return max(1, round(float(np.prod(np.broadcast_to(grid, 3) / np.broadcast_to(coarsest[0], 3))) ** (2 / 3)))


def _bytes(surface: FermiParts, size: int) -> int:
    """Correlations between all points, as long as they are kept, and the collision operator."""
    from blochflow.disorder.collision import DENSE
    from blochflow.disorder.scattering import KEPT_BYTES

    kept = 0 if surface.scatterers.constant is not None else 16 * size**2 * len(surface.scatterers.vertices) ** 2
    return min(kept, KEPT_BYTES) + COPIES * 8 * min(size, DENSE) ** 2
