"""Chemical potential from the energies of a uniform grid: exact filling of the grid's own states.

nu = (1/N_k N) sum_{k n} f((E_kn - mu)/k_B T),   nu = filling of all bands, 0 < nu < 1
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.core.backend import SAFE_CALLS, jnp
from blochflow.core.errors import ConvergenceError
from blochflow.core.status import Status
from blochflow.execution.threads import Execution, run_batches
from blochflow.models.base import AbstractModel, check_finite, grid_points
from blochflow.response.source import prepare
from blochflow.response.uniform import batch_energies, batch_size, plan_grid
from blochflow.zone.grids import Block, NestedGrid
from blochflow.zone.integral import Integral
from blochflow.zone.tolerance import Tolerance
from blochflow.zone.uniform import SAFETY, successive_error

# A number of states this close to a whole number, relative to it, is whole: densities are given in double precision.
ROUNDING = 1e-10
RIGOR = "change on doubling the grid"
# Doubling keeps all points, so that a band edge between them does not change; a grid that stays a third of a spacing
# away at every level sees another one.  Two grids may miss it alike: their difference counts this many times.
OTHER_SHIFT, OTHERS_WEIGHT = 1 / 3, 2.0
DOUBLINGS = 3


def solve_filling(
    model: AbstractModel,
    filling: np.ndarray,
    kt: np.ndarray,
    grid: Any,
    shift: float,
    tolerance: Tolerance,
    execution: Execution,
    *,
    resolving: tuple[int, ...] | None = None,
) -> Integral:
    """mu of every state (filling, kt), (P,) each, as an `Integral` with one component.

    Given a grid ``resolving`` the temperature, doubling starts at half of it and ends after a few more.
    """
    nested, levels = plan_grid(model, grid, shift, tolerance)
    limit = tolerance.evaluations(model.dimension)
    if resolving is not None:
        nested = NestedGrid(tuple(n // 2 for n in resolving))
        limit = min(limit, nested.count(DOUBLINGS))
    target, chunk, batch_bytes = batch_size(model, 1)
    prepared = prepare(model)

    def energies_of(block: Block) -> np.ndarray:
        axes = tuple(jnp.asarray(x) for x in block.axes)
        energies = np.asarray(batch_energies(model, prepared, axes, chunk))
        check_finite(energies, np.asarray(grid_points(model, axes)), "The Hamiltonian")
        return energies[block.weights > 0]

    def refined(family: NestedGrid, level: int, known: np.ndarray) -> np.ndarray:
        """Sorted energies of all points up to ``level``."""
        blocks = [b for offset in family.new_copies(level) for b in family.blocks(level, offset, target)]
        label = f"{model.name}: energies"
        options: dict[str, Any] = {"batch_bytes": batch_bytes, "label": label, "most_threads": SAFE_CALLS}
        parts = run_batches(energies_of, iter(blocks), len(blocks), execution, **options)
        return np.sort(np.concatenate([known, *(part.reshape(-1) for part in parts)]))

    def potentials(energies: np.ndarray) -> np.ndarray:
        return np.array([[chemical_potential_of(energies, nu, t)] for nu, t in zip(filling, kt, strict=True)])

    compared = levels is None and resolving is None
    other = NestedGrid(nested.base, OTHER_SHIFT)
    grids = 2 if compared else 1
    history: list[tuple[int, np.ndarray]] = []
    collected, elsewhere = np.empty(0), np.empty(0)
    level = 0
    while True:
        collected = refined(nested, level, collected)
        mu = potentials(collected)
        history.append((grids * nested.count(level), mu))
        error = (SAFETY if resolving is not None else 1.0) * successive_error(history)
        if compared:
            elsewhere = refined(other, level, elsewhere)
            error = np.maximum(error, OTHERS_WEIGHT * np.abs(potentials(elsewhere) - mu))
        width = collected[-1] - collected[0]
        widths = np.full(len(mu), width)
        converged = np.asarray((error <= tolerance.allowed(widths, widths)[:, None]).all(axis=-1))
        if resolving is not None and level == 0:
            converged = np.zeros_like(converged)
        done = level + 1 >= levels if levels is not None else bool(converged.all())
        too_many = grids * nested.count(level + 1) > limit or 16 * grids * collected.nbytes > execution.memory_bytes
        if done or (levels is None and too_many):
            break
        level += 1
    failed = Status.NOT_CONVERGED if levels is None else Status.FIXED_GRID
    status = Status.CONVERGED if converged.all() else failed
    grid = nested.points(level)
    rigor = RIGOR + (", which resolves the temperature" if resolving else "")
    rigor += ", and difference from a shifted grid" if compared else ""
    used = grids * nested.count(level)
    return Integral(mu, error, converged, widths, used, status, history, "uniform", grid, rigor)


def chemical_potential_of(energies: np.ndarray, filling: float, kt: float) -> float:
    """mu at which sorted ``energies`` hold the fraction ``filling``.

    Electrons above, and holes below, the whole number of filled states are balanced on a logarithmic scale: in a gap
    of many k_B T both are far below the rounding error of the total, on which mu would be undetermined.
    """
    wanted = filling * len(energies)
    whole = min(len(energies), max(0, round(wanted)))
    extra = wanted - whole
    if abs(extra) <= ROUNDING * (1 + wanted) and 0 < whole < len(energies):
        extra = 0.0
    if kt == 0:
        if extra:
            return float(energies[int(wanted)])
        return float(0.5 * (energies[whole - 1] + energies[whole]))
    from scipy.optimize import brentq
    from scipy.special import log_expit, logsumexp

    above, below = energies[whole:], energies[:whole]
    surplus, deficit = (np.log(x) if x > 0 else -np.inf for x in (extra, -extra))

    def imbalance(mu: float) -> float:
        electrons = np.append(log_expit((mu - above) / kt), deficit)
        holes = np.append(log_expit((below - mu) / kt), surplus)
        return float(logsumexp(electrons) - logsumexp(holes))

    margin = kt * (40 + abs(np.log(filling)) + abs(np.log1p(-filling)))
    low, high = energies[0] - margin, energies[-1] + margin
    root, info = brentq(imbalance, low, high, xtol=1e-14 * max(1, abs(high)), full_output=True)
    if not info.converged:
        raise ConvergenceError(f"The chemical potential at filling {filling} was not found between {low} and {high}.")
    return float(root)
