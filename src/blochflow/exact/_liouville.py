"""Linear and quadratic response of the density matrix to a uniform field, at any relaxation time; `liouville_response`.

    rho_1b = R(z2) [i D_b rho_0 + (i/tau) rho_t1b],   rho_2ab = R(z12) [i D_a rho_1b + (i/tau) rho_t2ab]
    sigma_c;b = -Int tr(V_c rho_1b),   sigma_c;ab = -half the sum over fields of Int tr(V_c rho_2ab)     (e = hbar = 1)

No adiabatic expansion is made: interband coherence is kept at every order of hbar/(tau gap) and hbar w/gap.
rho_t is the part of the state that collisions relax to which depends on the field: sum_n f P_n with the projectors
P_n of bands in the field, [H + i E.D, P_n] = 0.
Source: Aversa and Sipe, PRB 52, 14636 (1995), length gauge.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.core.dataset import build_result, provenance
from blochflow.core.errors import ConvergenceError
from blochflow.core.scans import Scan, as_names, as_pairs, as_photons, as_tau, labelled
from blochflow.core.status import Status
from blochflow.core.units import HBAR_EV_FS, Units
from blochflow.exact.catalog_liouville import LINEAR_LIOUVILLE, LIOUVILLE_RESPONSE
from blochflow.exact.density_matrix import DensityGrid, as_periodic, first_grid
from blochflow.exact.result import States, as_call, as_states, describe_failure
from blochflow.execution.threads import Execution
from blochflow.models.base import AbstractModel
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr

MODELS = ("uniform", "bare", "local", "intraband", "clean")
# Fields in which collisions see the bands.
DRESSED = ("bare", "local")
# Most points of the finest grid where the tolerance says nothing.
MOST_POINTS = {1: 8192, 2: 262_144, 3: 262_144}
# Complex (N, N) matrices at once for each k.
MATRICES = 56
# Differences below this fraction of the summed terms are rounding.
ROUNDING = 1e-14


def liouville_response(
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    tau: Any = None,
    frequencies: Any = None,
    order: int = 2,
    relaxation: Any = "uniform",
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Linear or quadratic conductivity by perturbation of the whole density matrix, at any hbar/tau and hbar w.

        d_t rho = -(i/hbar) [H + e E.r, rho] - (rho - rho_t)/tau,   r = i D

    Source: [Aversa1995], length gauge.  Valid for: uniform fields, any number of bands and any ratio of hbar/tau to the
    gaps; bands that touch at single k need fine grids.  Not included: vertex corrections.

    Parameters
    ----------
    model : TightBinding or LatticeModel
        1D, 2D or 3D.
    mu, temperature : float or arrays
        T > 0: the grids converge exponentially in k_B T.
    tau : float or (S,) array
        hbar/energy for NATURAL models, fs for EV_ANGSTROM ones; an array adds a dimension ``tau``.  For "clean": the
        field grows as exp(t/tau).
    frequencies : (w1, w2) or (F, 2) array; a number or (F,) array for ``order=1``
        Photon energies hbar w in the model's energy, zero where not given; several add a dimension ``frequency`` (w1),
        pairs with a coordinate ``second_frequency``.
    order : 1 or 2
    relaxation : str or list
        "uniform", "bare", "local", "intraband" or "clean": as in `response.nonlinear_conductivity`, whose difference
        from this shows what its expansion in hbar/(tau gap) leaves out.  A list adds a dimension ``relaxation``.
    tolerance : Tolerance, optional
        Grids are doubled until two agree to it, for every number of a scan by itself; ``max_evaluations`` bounds the
        points of the finest.
    execution : Execution, optional
        One thread; ``max_memory`` bounds the grid, which is kept whole.
    throw : bool
        False: return a result that is not converged instead of raising.

    Returns
    -------
    Dataset
        ``value``, ``error`` (difference from the grid of half the points per axis), ``converged`` with dims (mu,
        temperature[, relaxation, tau, frequency], a, b[, c]); complex where a frequency is not zero.

    Raises
    ------
    ValueError
        Wrong arguments, T = 0, or a k.p model.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    >>> import blochflow as bf
    >>> sigma = bf.exact.liouville_response(bf.zoo.rice_mele(), mu=-1.5, temperature=0.3, tau=2.0, order=1)
    >>> bool(sigma.value.item() > 0)
    True
    """
    model = as_periodic(model)
    call = as_call(tolerance, execution, throw)
    states = as_states(model.units, mu, temperature)
    if (states.kt == 0).any():
        raise fail("temperature", "be above 0, where a grid of k resolves the Fermi surface", "holds 0")
    photons = as_frequencies(frequencies, order, model.units)
    names, times = as_names(relaxation, "relaxation", MODELS), as_tau(tau, model.units)
    rates = (HBAR_EV_FS if model.units.time == "fs" else 1.0) / times.values
    works = [Perturbation(*x) for x in itertools.product(names.values, rates, photons.values.reshape(-1, order))]
    quantity = LIOUVILLE_RESPONSE if order == 2 else LINEAR_LIOUVILLE
    factor, unit = quantity.unit(model.units.name, model.dimension)
    found = refine(model, states, works, call.tolerance, factor, call.execution.memory_bytes)
    value = found.value if np.any(photons.values) else found.value.real
    status = Status.CONVERGED if found.converged.all() else Status.NOT_CONVERGED
    where = np.unravel_index(int(np.abs(value).argmax()), value.shape)
    scans = [scan for scan in (names, times, photons) if scan.listed]
    shape = (*states.shape, *(len(scan.values) for scan in scans))
    result = build_result(
        quantity,
        factor * value.reshape(*shape, *value.shape[1:]),
        abs(factor) * found.error.reshape(*shape, *value.shape[1:]),
        found.converged.reshape(shape),
        dims=("mu", "temperature", *(scan.name for scan in scans), *("a", "b", "c")[: 1 + order]),
        coords=states.coords,
        unit=unit,
        attrs={
            **provenance(model, [states.mu, states.kt, photons.values, rates], f"{call.tolerance} {names.values}"),
            "status": status.name,
            "status_message": str(status.value),
            "evaluations": sum(points for points, _ in found.history),
            "rtol": float(call.tolerance.rtol),
            "grid": np.array(found.shape),
            "relaxation": "; ".join(names.values),
            "history_points": np.array([points for points, _ in found.history]),
            "history_value": factor * np.array([entry[where].real for _, entry in found.history]),
        },
    )
    result = labelled(result, (names, times, photons))
    if order == 1 and not photons.listed:
        result.attrs["frequencies"] = photons.values
    if call.throw and status is not Status.CONVERGED:
        raise ConvergenceError(describe_failure(quantity, result), result)
    return result


def as_frequencies(frequencies: Any, order: Any, units: Units) -> Scan:
    """Photon energies, or pairs of them; None is zero."""
    if order not in (1, 2):
        raise fail("order", "be 1 or 2", f"is {order!r}")
    if order == 1:
        return as_photons(0.0 if frequencies is None else frequencies, "frequencies", units)
    return as_pairs((0.0, 0.0) if frequencies is None else frequencies, units)


@dataclass(frozen=True, eq=False)
class Refined:
    """Values and errors (P W, a, ..), (P W,) whether they meet the tolerance, history, finest grid."""

    value: np.ndarray
    error: np.ndarray
    converged: np.ndarray
    history: list[tuple[int, np.ndarray]]
    shape: tuple[int, ...]


def bytes_of(points: float, num_bands: int) -> float:
    """Memory of a grid."""
    return points * MATRICES * 16 * num_bands**2


def most_points(shape: tuple[int, ...], tolerance: Tolerance, memory: int, size: Callable[[float], float]) -> int:
    """Points of the finest grid that tolerance and memory allow; the second at least, which gives an error.

    ``size`` is the memory of so many points.
    """
    most = MOST_POINTS[len(shape)] if tolerance.max_evaluations is None else tolerance.max_evaluations
    least = 2 ** len(shape) * int(np.prod(shape))
    if least > most:
        raise fail("max_evaluations", f"allow the {least} k points of the second grid", f"is {most}")
    needed = size(least)
    if needed > memory:
        must = f"allow the {needed / 2**30:.3g} GiB of the {least} k points of the second grid"
        raise fail("max_memory", must, f"is {memory / 2**30:.3g} GiB")
    return min(most, int(memory / size(1)))


def refine(
    model: AbstractModel, states: States, works: list[Perturbation], tolerance: Tolerance, factor: float, memory: int
) -> Refined:
    """Double the grid until two agree, for every state and all ``works`` of it; ``factor`` converts to public units."""
    shape, history = first_grid(model), list[tuple[int, np.ndarray]]()
    most = most_points(shape, tolerance, memory, lambda points: bytes_of(points, model.num_bands))
    rows = [(work, *state) for state in zip(states.mu, states.kt, strict=True) for work in works]
    value: np.ndarray = np.empty(0)
    error, reached = value, np.zeros(len(rows), dtype=bool)
    while True:
        grid = DensityGrid.of(model, shape)
        # what has agreed stays as it is
        todo = np.flatnonzero(~reached)
        found = [work.response(grid, mu, kt) for work, mu, kt in (rows[i] for i in todo)]
        current, absolute = np.stack([x for x, _ in found]), np.array([size for _, size in found])
        if not history:
            value, error = current, np.full(current.shape, np.nan)
        else:
            size = np.abs(current).max(axis=tuple(range(1, current.ndim)), keepdims=True)
            change = np.abs(current - value[todo]) + ROUNDING * size
            value, error[todo] = value.copy(), change
            value[todo] = current
            reached[todo] = change.reshape(len(todo), -1).max(axis=1) <= tolerance.allowed(
                size.reshape(-1), absolute, factor
            )
        history.append((int(np.prod(shape)), value))
        if len(history) > 1 and (reached.all() or 2 ** len(shape) * np.prod(shape) > most):
            return Refined(value, error, reached, history, shape)
        shape = tuple(2 * n for n in shape)


@dataclass(frozen=True, eq=False)
class Perturbation:
    """What is asked of one state: model of relaxation, rate 1/tau and frequencies."""

    relaxation: str
    rate: float
    frequencies: np.ndarray

    def response(self, grid: DensityGrid, mu: float, kt: float) -> tuple[np.ndarray, float]:
        """(a, b) or (a, b, c), and the size of what is summed."""
        if len(self.frequencies) == 1:
            first = self.first(grid, mu, kt, self.frequencies[0])
            return np.stack([grid.current(x) for x in first], axis=1), max(grid.size(x) for x in first)
        w1, w2 = self.frequencies
        plain, size = self.second(grid, mu, kt, w1, w2)
        # [c, a, b]: b at w2 first, then a at w1
        other = plain if w1 == w2 else self.second(grid, mu, kt, w2, w1)[0]
        return 0.5 * (plain + other.swapaxes(1, 2)), size

    def denominators(self, frequency: float, order: int) -> tuple[complex, complex]:
        """z within groups of bands, and between them."""
        if self.relaxation == "clean":
            z = frequency + 1j * order * self.rate
            return z, z
        z = frequency + 1j * self.rate
        return z, complex(frequency) if self.relaxation == "intraband" else z

    def first(self, grid: DensityGrid, mu: float, kt: float, frequency: float) -> list[np.ndarray]:
        """rho_1 for a field along each direction, between eigenstates."""
        f, slope = grid.occupation(mu, kt), grid.slope(mu, kt)
        ratio = (f[:, :, None] - f[:, None, :]) * grid.inverse_gap
        ratio = np.where(grid.different, ratio, 0.5 * (slope[:, :, None] + slope[:, None, :]))
        found = []
        for b in range(grid.dimension):
            source = 1j * ratio * grid.velocity[:, b]
            if self.relaxation in DRESSED:
                source = source + self.rate * ratio * grid.inverse_gap * grid.velocity[:, b]
            found.append(grid.resolve(source, *self.denominators(frequency, 1)))
        return found

    def second(self, grid: DensityGrid, mu: float, kt: float, w1: float, w2: float) -> tuple[np.ndarray, float]:
        """Currents (c, a, b): field b at w2 acts first, field a at w1 second; and the size of their terms."""
        first = self.first(grid, mu, kt, w2)
        z = self.denominators(w1 + w2, 2)
        target = DressedTarget(grid, mu, kt, self.relaxation) if self.relaxation in DRESSED else None
        result, size = np.zeros((grid.dimension,) * 3, dtype=complex), 0.0
        for b, rho in enumerate(first):
            for a in range(grid.dimension):
                source = 1j * grid.derivative(rho, a)
                if target is not None:
                    source = source + 1j * self.rate * target.second(a, b)
                rho_2 = grid.resolve(source, *z)
                result[:, a, b], size = grid.current(rho_2), max(size, grid.size(rho_2))
        return result, size


@dataclass(frozen=True, eq=False)
class DressedTarget:
    """sum_n f P_n to second order in the field, P_n the projectors of the groups of bands in the field."""

    grid: DensityGrid
    mu: float
    kt: float
    relaxation: str

    def first_projector(self, group: int, b: int) -> np.ndarray:
        """P_n1 between eigenstates: -i V_lm (d_ln - d_mn)/(E_l - E_m)^2."""
        member = (self.grid.groups == group).astype(float)
        sign = member[:, None] - member
        return -1j * sign * self.grid.velocity[:, b] * self.grid.inverse_gap**2

    def second(self, a: int, b: int) -> np.ndarray:
        """The term of E_a E_b, half the sum over both orders."""
        return 0.5 * (self.ordered(a, b) + self.ordered(b, a))

    def ordered(self, a: int, b: int) -> np.ndarray:
        """The projectors solve [H, P_2ab] + i D_a P_1b = 0 between groups, and P^2 = P within them."""
        grid = self.grid
        f = grid.occupation(self.mu, self.kt)
        total = np.zeros_like(grid.velocity[:, 0])
        for group in np.unique(grid.groups):
            inside = grid.groups == group
            weight = f[:, np.argmax(inside)][:, None, None]
            one, other = self.first_projector(group, b), self.first_projector(group, a)
            square = other @ one
            both, none = inside[:, None] & inside, ~inside[:, None] & ~inside
            across = -1j * grid.derivative(one, a) * grid.inverse_gap
            total += weight * np.where(both, -square, np.where(none, square, across))
        if self.relaxation == "local":
            v = grid.velocity
            pairs = (v[:, a] * v[:, b].swapaxes(-1, -2)).real * grid.inverse_gap**2
            polarizability = -2 * (pairs * grid.inverse_gap).sum(axis=-1)
            total += grid.diagonal(0.5 * polarizability * grid.slope(self.mu, self.kt))
        return total
