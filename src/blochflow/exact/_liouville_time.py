"""Density matrix of a crystal in a finite field, step by step in time; see `liouville_evolution`.

    d_t rho = -(i/hbar) [H, rho] + (e/hbar) E.D rho - (rho - rho_0)/tau,      D_a X = d_a X - i [A_a, X]

A step is half a rotation by H with relaxation, solved exactly between eigenstates, a translation along the field,
exact for all Fourier components, and the other half; two step sizes are extrapolated to zero (error dt^4).
Source: Aversa and Sipe, PRB 52, 14636 (1995); Strang, SIAM J. Numer. Anal. 5, 506 (1968).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_choice, as_real_array, fail
from blochflow.core.dataset import build_result, provenance
from blochflow.core.errors import ConvergenceError, UserModelError
from blochflow.core.status import Status
from blochflow.core.units import HBAR_EV_FS, Units
from blochflow.exact._liouville import ROUNDING, most_points
from blochflow.exact.catalog_liouville import LIOUVILLE_EVOLUTION
from blochflow.exact.density_matrix import DensityGrid, as_periodic, first_grid
from blochflow.exact.result import as_call, as_states, describe_failure
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr

MODELS = ("uniform", "intraband")
# Angle by which the fastest coherence turns in the longest step, and part of the cell that the field translates.
LARGEST_ANGLE = 1.0
# Doublings of steps.
DOUBLINGS = 8
# Complex (N, N) matrices at once for each k of the finest grid.
MATRICES = 24

Field = Callable[[float], np.ndarray]


def liouville_evolution(
    model: Any,
    mu: Any,
    temperature: Any,
    times: Any,
    *,
    electric_field: Any,
    tau: float | None = None,
    relaxation: str = "uniform",
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Current density of a crystal that starts from equilibrium, in a uniform field of any strength.

        d_t rho = -(i/hbar) [H, rho] + (e/hbar) E.D rho - (rho - rho_0)/tau,    j = -(e/hbar) Int tr(V rho)

    Source: [Aversa1995], length gauge.  Valid for: uniform fields; interband tunnelling and Bloch oscillations are in
    it.  Not included: vertex corrections, fields that vary in space.

    Parameters
    ----------
    model : TightBinding or LatticeModel
        1D, 2D or 3D.
    mu, temperature : float or arrays
        Of the initial state, which is also what collisions relax to; T > 0.
    times : (T,) array
        Increasing; the first is that of the initial state.
    electric_field : (d,) array or callable
        A vector, or a function of time that returns one: E/(e a) for NATURAL models, V/angstrom.
    tau : float, optional
        Relaxation time; default no relaxation.
    relaxation : "uniform" or "intraband"
        What relaxes: the whole density matrix, or only occupations of the bands without field.  The latter leaves the
        coherence between bands that switching on the field excites: it rings for ever, at first order in the field, so
        that the current comes to no steady state whose orders in the field could be told apart.
    tolerance : Tolerance, optional
        Grid and steps are doubled until the current at all times agrees to it, relative to its largest value.
    execution : Execution, optional
        One thread; ``max_memory`` bounds the two grids that are compared, which are kept whole.
    throw : bool
        False: return a result that is not converged instead of raising.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature, time, a).  Units: e E/(hbar a^(d-1)) for
        NATURAL, A m^(1-d) for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments, T = 0, "intraband" without tau, or a k.p model.
    UserModelError
        The field as a function failed.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    >>> import blochflow as bf
    >>> j = bf.exact.liouville_evolution(bf.zoo.rice_mele(), -1.5, 0.3, [0.0, 1.0, 2.0], electric_field=[0.01])
    >>> bool(j.value.sel(a="x")[0, 0, -1] > 0)
    True
    """
    model = as_periodic(model)
    call = as_call(tolerance, execution, throw)
    states = as_states(model.units, mu, temperature)
    if (states.kt == 0).any():
        raise fail("temperature", "be above 0, where a grid of k resolves the Fermi surface", "holds 0")
    steps = as_increasing(times)
    rate = as_rate(tau, relaxation, model.units)
    force = as_field(electric_field, model.dimension, steps)
    per_time = 1 / HBAR_EV_FS if model.units.time == "fs" else 1.0
    evolution = Evolution(per_time * steps, lambda t: force(t / per_time), rate, relaxation)
    factor, unit = LIOUVILLE_EVOLUTION.unit(model.units.name, model.dimension)
    pairs = list(zip(states.mu, states.kt, strict=True))
    found = refine(model, pairs, evolution, call.tolerance, factor, call.execution.memory_bytes)
    status = Status.CONVERGED if found.converged.all() else Status.NOT_CONVERGED
    dims = (*states.shape, len(steps))
    result = build_result(
        LIOUVILLE_EVOLUTION,
        factor * found.value.reshape(*dims, -1),
        abs(factor) * found.error.reshape(*dims, -1),
        found.converged.reshape(dims),
        dims=("mu", "temperature", "time", "a"),
        coords={**states.coords, "time": (steps, {"units": model.units.time})},
        unit=unit,
        attrs={
            **provenance(model, [states.mu, states.kt, steps], f"{call.tolerance} {relaxation} {rate}"),
            "status": status.name,
            "status_message": str(status.value),
            "evaluations": found.points,
            "rtol": float(call.tolerance.rtol),
            "grid": np.array(found.shape),
            "steps": found.steps,
            "relaxation": relaxation,
        },
    )
    if call.throw and status is not Status.CONVERGED:
        raise ConvergenceError(describe_failure(LIOUVILLE_EVOLUTION, result), result)
    return result


def as_increasing(times: Any) -> np.ndarray:
    """(T,) times after the first, at which the state is in equilibrium."""
    array = np.atleast_1d(as_real_array(times, "times"))
    if len(array) < 2 or (np.diff(array) <= 0).any():
        must = "hold at least two times that increase; at the first the crystal is in equilibrium"
        raise fail("times", must, f"is {array.tolist()[:6]}")
    return array


def as_rate(tau: Any, relaxation: Any, units: Units) -> float:
    """Rate of relaxation in hbar and the model's energy; 0 without tau."""
    name = as_choice(relaxation, "relaxation", MODELS)
    if tau is not None:
        rate = 1 / float(as_real_array(tau, "tau", max_ndim=0, positive=True))
        return rate * (HBAR_EV_FS if units.time == "fs" else 1.0)
    if name == "intraband":
        raise fail("tau", 'be given for relaxation="intraband", the time in which occupations relax', "is missing")
    return 0.0


def as_field(electric_field: Any, dimension: int, times: np.ndarray) -> Field:
    """A function of time, tried at the ends."""
    if not callable(electric_field):
        vector = np.atleast_1d(as_real_array(electric_field, "electric_field"))
        if vector.shape != (dimension,):
            raise fail("electric_field", f"have shape ({dimension},)", f"has shape {vector.shape}")
        return lambda t: vector

    def checked(t: float) -> np.ndarray:
        try:
            found = np.asarray(electric_field(t), dtype=np.float64).reshape(-1)
        except Exception as exc:
            raise UserModelError(f"electric_field(t) failed: {type(exc).__name__}: {exc}.") from exc
        if found.shape != (dimension,) or not np.isfinite(found).all():
            raise UserModelError(
                f"electric_field(t) must return {dimension} finite numbers, but returns {found!r} at t = {t:g}."
            )
        return found

    for t in (times[0], times[-1]):
        checked(float(t))
    return checked


@dataclass(frozen=True, eq=False)
class Refined:
    """Currents and errors (P, T, a), (P, T) whether they meet the tolerance, k points, finest grid, finest steps."""

    value: np.ndarray
    error: np.ndarray
    converged: np.ndarray
    points: int
    shape: tuple[int, ...]
    steps: int


def bytes_of(points: float, num_bands: int) -> float:
    """Memory of a grid and of half as fine a one beside it."""
    return points * MATRICES * 16 * num_bands**2


def refine(
    model: AbstractModel,
    states: list[tuple[float, float]],
    work: Evolution,
    tolerance: Tolerance,
    factor: float,
    memory: int,
) -> Refined:
    """Double the steps until extrapolated currents agree, then the grid; ``factor`` converts to public units."""
    shape = first_grid(model)
    most = most_points(shape, tolerance, memory, lambda points: bytes_of(points, model.num_bands))
    grid, doublings = DensityGrid.of(model, shape), 0
    count, points = work.fewest_steps(grid), int(np.prod(shape))
    runs = Runs(grid, states, work)
    absolute = np.array([grid.size(grid.diagonal(grid.occupation(*state))) for state in states])[:, None, None]
    while True:
        value = runs.extrapolated(2 * count)
        size = np.abs(value).max(axis=(1, 2), keepdims=True)
        allowed = 0.5 * tolerance.allowed(size, absolute, factor)
        step = value - runs.extrapolated(count)
        if (np.abs(step) <= allowed).all() or doublings == DOUBLINGS:
            break
        count, doublings = 2 * count, doublings + 1
    while True:
        shape = tuple(2 * n for n in shape)
        points += int(np.prod(shape))
        finer = Runs(DensityGrid.of(model, shape), states, work)
        change = finer.extrapolated(count) - runs.extrapolated(count)
        if (np.abs(change) <= allowed).all() or 2 ** len(shape) * np.prod(shape) > most:
            break
        runs = finer
    # both corrections together
    value = finer.extrapolated(count) + step
    error = np.abs(step) + np.abs(change) + ROUNDING * size
    return Refined(value, error, (error <= 2 * allowed).all(axis=-1), points, shape, 4 * count)


@dataclass(frozen=True, eq=False)
class Runs:
    """Currents on one grid, each number of steps once."""

    grid: DensityGrid
    states: list[tuple[float, float]]
    work: Evolution
    known: dict[int, np.ndarray] = field(default_factory=dict)

    def currents(self, count: int) -> np.ndarray:
        """(P, T, a) with ``count`` steps per interval."""
        if count not in self.known:
            self.known[count] = np.stack([self.work.run(self.grid, *state, count) for state in self.states])
        return self.known[count]

    def extrapolated(self, count: int) -> np.ndarray:
        """From ``count`` and twice as many steps to zero step."""
        return np.asarray((4 * self.currents(2 * count) - self.currents(count)) / 3)


@dataclass(frozen=True, eq=False)
class Evolution:
    """Times in hbar over energy, the field at such a time, rate 1/tau and what relaxes."""

    times: np.ndarray
    field: Field
    rate: float
    relaxation: str

    def fewest_steps(self, grid: DensityGrid) -> int:
        """Steps per interval of times that resolve the fastest coherence and the translation along the field."""
        width = float(np.ptp(grid.energies))
        length = float(np.linalg.norm(np.asarray(grid.model.lattice.vectors), axis=1).max())  # type: ignore[union-attr]
        reach = max(float(np.linalg.norm(self.field(t))) for t in np.linspace(self.times[0], self.times[-1], 33))
        fastest = max(width, reach * length, self.rate)
        return max(1, math.ceil(float(np.diff(self.times).max()) * fastest / LARGEST_ANGLE))

    def run(self, grid: DensityGrid, mu: float, kt: float, count: int) -> np.ndarray:
        """Currents (T, a) with ``count`` steps between two times."""
        equilibrium = grid.diagonal(grid.occupation(mu, kt))
        rho, currents = equilibrium, [grid.current(equilibrium).real]
        for start, stop in zip(self.times[:-1], self.times[1:], strict=True):
            dt = float(stop - start) / count
            half, whole = (self.turn(grid, x * dt) for x in (0.5, 1.0))
            for i in range(count):
                rho = self.turned(rho, equilibrium, half if i == 0 else whole)
                rho = translated(grid, rho, self.field(float(start) + (i + 0.5) * dt), dt)
            rho = self.turned(rho, equilibrium, half)
            currents.append(grid.current(rho).real)
        return np.stack(currents)

    def turn(self, grid: DensityGrid, dt: float) -> np.ndarray:
        """Factors of deviations from equilibrium between eigenstates."""
        decay = self.rate if self.relaxation == "uniform" else np.where(grid.different, 0.0, self.rate)
        return np.exp(-(1j * np.where(grid.different, grid.gap, 0.0) + decay) * dt)

    @staticmethod
    def turned(rho: np.ndarray, equilibrium: np.ndarray, factors: np.ndarray) -> np.ndarray:
        """Rotation by H and relaxation."""
        return np.asarray(equilibrium + factors * (rho - equilibrium))


def translated(grid: DensityGrid, rho: np.ndarray, field: np.ndarray, dt: float) -> np.ndarray:
    """exp(dt E.D) of a matrix between eigenstates; positions act half before and half after the translation."""
    plain = grid.to_orbitals(rho)
    phase = np.exp(1j * dt * (grid.separations @ field))
    if grid.position.ndim == 2:
        place = np.exp(-1j * dt * (field @ grid.position))
        # positions of orbitals commute with the translation
        moved = grid.transform(place[:, None] * plain * place.conj(), phase)
    else:
        energies, states = np.linalg.eigh(np.einsum("a,kanm->knm", field, grid.position))
        half = (states * np.exp(-0.5j * dt * energies)[:, None]) @ states.conj().swapaxes(-1, -2)
        other = half.conj().swapaxes(-1, -2)
        moved = half @ grid.transform(half @ plain @ other, phase) @ other
    return grid.to_bands(moved)
