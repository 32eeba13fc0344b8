"""Quantum oscillations: frequencies, masses, phases and amplitude factors of extremal orbits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_index, as_real_array, fail
from blochflow.dynamics.cyclotron import CELLS, as_g_factor, check_cutoff, in_order
from blochflow.dynamics.extremal import Extremal, extremal_orbits
from blochflow.dynamics.magnetic_axis import as_magnetic_axis
from blochflow.dynamics.orbit_catalog import QUANTUM_OSCILLATIONS
from blochflow.dynamics.orbit_planes import EXTENT, PlaneStack, as_cells
from blochflow.dynamics.orbit_record import Orbit, describe
from blochflow.dynamics.orbit_table import Column, as_table, fill, orbit_columns, total_phase
from blochflow.execution.threads import Execution, as_execution
from blochflow.geometry.level_solver import LevelSolver
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.fields import time_unit

if TYPE_CHECKING:
    import xarray as xr

PLANES, FEWEST_PLANES = 40, 4


@dataclass(frozen=True)
class Oscillation:
    """An orbit with what multiplies its oscillation; temperatures (T,), harmonics (P,), kernel units."""

    orbit: Orbit
    extremum: str
    curvature: float
    k_parallel: float
    phase: float
    thermal: np.ndarray
    dingle: np.ndarray
    spin: np.ndarray
    density: np.ndarray


@dataclass(frozen=True, eq=False)
class OscillationRequest:
    """Checked arguments of `quantum_oscillations`."""

    levels: np.ndarray
    degrees: np.ndarray
    fields: np.ndarray
    harmonics: int
    planes: int
    lifetime: float | None
    g_factor: float | None
    cells: int
    extent: float

    @classmethod
    def of(cls, model: AbstractModel, mu: Any, temperature: Any, *, magnetic_field: Any, tau: Any = None,
           harmonics: Any = 1, g_factor: Any = None, planes: Any = PLANES, grid: Any = None,
           extent: Any = EXTENT) -> OscillationRequest:  # fmt: skip
        """Raise ValueError where an argument cannot be meant."""
        levels = np.atleast_1d(as_real_array(mu, "mu"))
        degrees = np.atleast_1d(as_real_array(temperature, "temperature", positive=False))
        fields = _as_fields(magnetic_field, model)
        for vector in fields:
            as_magnetic_axis(vector if model.dimension == 3 else float(vector[0]), model)
        counts = _as_count(harmonics, "harmonics", 1), _as_count(planes, "planes", FEWEST_PLANES)
        lifetime = None if tau is None else float(as_real_array(tau, "tau", max_ndim=0, positive=True))
        spin, cells = as_g_factor(g_factor, model), as_cells(grid, CELLS[model.dimension])
        reach = float(as_real_array(extent, "extent", max_ndim=0, positive=True))
        return cls(levels, degrees, fields, *counts, lifetime, spin, cells, reach)


def quantum_oscillations(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    magnetic_field: Any,
    tau: float | None = None,
    harmonics: int = 1,
    g_factor: float | None = None,
    planes: int = PLANES,
    grid: int | None = None,
    extent: float = EXTENT,
    execution: Execution | None = None,
) -> xr.Dataset:
    """Frequencies, masses, phases and amplitudes of the quantum oscillations of a metal.

        F = hbar A_ext/(2 pi e);   term p:  R_T R_D R_S cos[2 pi p (F/|B| - 1/2) + p phi +/- pi/4]
        R_T = X/sinh X,  X = 2 pi^2 k_B T p m_c/(hbar e|B|);   R_D = exp(-pi p m_c/(e|B| tau))

    with phi = sgn(B_z) lambda in two dimensions and lambda, seen along B, in three; there -pi/4 for a maximum of
    A(k_par) and +pi/4 for a minimum.

    Source: [LifshitzKosevich1956]; [Onsager1952]; [Shoenberg1984] ch. 2; lambda [Xiao2010].  Valid for: many levels
    below mu.  Not included: magnetic breakdown, magnetic interaction, a field-dependent mu.

    Parameters
    ----------
    model : AbstractModel
        Two-dimensional: every closed orbit; three-dimensional: extremal orbits of every family of closed orbits.
    mu : float or (mu,) array
    temperature : float or (temperature,) array
    magnetic_field : 2D: float or (field,) array; 3D: (3,) vector or (field, 3) array
        A scan of strengths or directions.
    tau : float, optional
        Quantum lifetime of R_D; default: R_D = 1.
    harmonics : int
        p = 1 .. harmonics.
    g_factor : float, optional
        Zeeman energy (g/2) mu_B B.sigma.  With the operator ``"spin"`` its phase is part of phi; without it, and two
        spins per band, R_S = cos(p times the phase) is the interference of the two.
    planes : int
        3D: planes of the scan over k.B^.
    grid, extent, execution
        As for `cyclotron_orbits`.

    Returns
    -------
    Dataset
        dims (mu, field, orbit): ``frequency``, ``cyclotron_mass``, ``phase`` (phi +/- pi/4 of p = 1), ``extremum``,
        ``curvature`` (d^2A/dk_par^2), ``k_parallel`` and what `cyclotron_orbits` has; (.., temperature, harmonic):
        ``thermal_factor``, ``amplitude`` = R_T R_D R_S, ``density_amplitude`` of the oscillating density of states,
        2 (m_c/2 pi hbar^2) R in 2D, times (1/2 pi) (2 pi e|B|/(hbar p |A''|))^(1/2) in 3D; (.., harmonic):
        ``dingle_factor``, ``spin_factor``.  Lists shorter than the longest are filled with NaN.  In a gap, or without
        closed orbits, the table is empty and ``note`` says why.  Orbits that a point operation relates are listed each.

    Raises
    ------
    ValueError
        As `cyclotron_orbits`; or wrong ``tau``, ``harmonics``, ``planes``.

    Examples
    --------
    >>> import blochflow as bf
    >>> found = bf.orbits.quantum_oscillations(bf.zoo.square(), -1.0, 0.01, magnetic_field=0.05)
    >>> round(found.frequency.item(), 6), round(found.thermal_factor.item(), 6)
    (1.937184, 0.208548)
    """
    model = as_model(model)
    request = OscillationRequest.of(
        model, mu, temperature, magnetic_field=magnetic_field, tau=tau, harmonics=harmonics, g_factor=g_factor,
        planes=planes, grid=grid, extent=extent,
    )  # fmt: skip
    levels, degrees, fields = request.levels, request.degrees, request.fields
    count, lifetime = request.harmonics, request.lifetime
    solver = LevelSolver(model, as_execution(execution))
    lists: list[list[Oscillation]] = []
    notes: list[str] = []
    for value in levels:
        known: dict[tuple[float, ...], list[Extremal]] = {}
        for vector in fields:
            axis = as_magnetic_axis(vector if model.dimension == 3 else float(vector[0]), model)
            stack = PlaneStack(model, axis, solver, request.cells, request.extent)
            # in two dimensions the curves are the same for every field
            direction = tuple(np.round(axis.axis, 12))
            if direction not in known:
                known[direction], curves = extremal_orbits(stack, float(value), request.planes)
                check_cutoff(curves, "mu")
                notes.append(_note(stack, float(value), curves, known[direction]))
            factors = _Factors(model, degrees, count, lifetime, request.g_factor)
            lists.append([factors.of(_on(stack, found)) for found in _sorted(known[direction])])
    return _as_dataset(model, levels, degrees, fields, count, lists, notes, solver, (lifetime, g_factor))


def _as_fields(magnetic_field: Any, model: AbstractModel) -> np.ndarray:
    """(F, 1) or (F, 3) fields."""
    if model.dimension == 3:
        vectors = np.atleast_2d(as_real_array(magnetic_field, "magnetic_field", max_ndim=2))
        if vectors.shape[1] != 3:
            raise fail("magnetic_field", "be a vector (3,) or vectors (field, 3)", f"has shape {vectors.shape}")
        return vectors
    return np.atleast_1d(as_real_array(magnetic_field, "magnetic_field"))[:, None]


def _as_count(value: Any, name: str, least: int) -> int:
    must = f"be a whole number of at least {least}"
    number = as_index(value, name, must)
    if number < least:
        raise fail(name, must, f"is {value!r}")
    return number


def _note(stack: PlaneStack, energy: float, curves: list, extremal: list[Extremal]) -> str:
    if extremal:
        return ""
    if not curves:
        low, high = stack.range()
        return stack.at(0.5 * (low + high)).note(energy)
    return f"no closed orbit has an extremal area at {energy:.6g}: " + ", ".join(sorted({c.kind for c in curves}))


def _on(stack: PlaneStack, extremal: Extremal) -> Extremal:
    """The same orbit in a field of another strength."""
    curve = extremal.curve
    return replace(extremal, curve=replace(curve, plane=replace(curve.plane, stack=stack)))


def _sorted(found: list[Extremal]) -> list[Extremal]:
    order = {id(c): i for i, c in enumerate(in_order([x.curve for x in found]))}
    return sorted(found, key=lambda x: order[id(x.curve)])


@dataclass(frozen=True)
class _Factors:
    """Turns extremal orbits into oscillations."""

    model: AbstractModel
    degrees: np.ndarray
    harmonics: int
    lifetime: float | None
    g_factor: float | None

    def of(self, extremal: Extremal) -> Oscillation:
        """All factors of one orbit."""
        stack = extremal.curve.plane.stack
        orbit = describe(extremal.curve, self.g_factor)
        p = np.arange(1, self.harmonics + 1)
        strength, mass = stack.field.strength, orbit.mass
        x = 2 * np.pi**2 * self.model.units.boltzmann * self.degrees[:, None] * p * mass / strength
        thermal = thermal_factor(x)
        dingle = np.ones(self.harmonics)
        if self.lifetime is not None:
            dingle = np.exp(-np.pi * p * mass * time_unit(self.model.units) / (strength * self.lifetime))
        spin, phase = np.ones(self.harmonics), total_phase(orbit)
        if self.g_factor is not None and "spin" not in self.model.operators:
            phase -= orbit.zeeman
            if self.model.spin_degeneracy == 2:
                spin = np.cos(p * orbit.zeeman)
            else:
                phase += orbit.zeeman
        density = self._density(extremal, mass, strength, p) * thermal * dingle * spin
        phase = stack.field.sign * phase
        if self.model.dimension == 3:
            phase += 0.25 * np.pi * np.sign(extremal.curvature)
        place = extremal.curve.plane.k_parallel if self.model.dimension == 3 else np.nan
        return Oscillation(
            orbit, extremal.kind, extremal.curvature, place, phase, thermal, dingle, spin, density
        )  # fmt: skip

    def _density(self, extremal: Extremal, mass: float, strength: float, p: np.ndarray) -> np.ndarray:
        """Amplitude of the density of states at T = 0 without collisions."""
        states = self.model.spin_degeneracy * len(extremal.curve.bands)
        plain = np.full(len(p), 2 * states * mass / (2 * np.pi))
        if self.model.dimension == 2:
            return plain
        if extremal.curvature == 0:
            # every plane contributes in phase
            return plain * (extremal.curve.plane.stack.period or np.nan) / (2 * np.pi)
        return plain / (2 * np.pi) * np.sqrt(2 * np.pi * strength / (p * abs(extremal.curvature)))


def thermal_factor(x: np.ndarray) -> np.ndarray:
    """X/sinh X, 1 at X = 0."""
    small = np.where(x > 0, np.minimum(x, 700.0), 1.0)
    return np.asarray(np.where(x > 0, small / np.sinh(small), 1.0))


def _as_dataset(
    model: AbstractModel,
    levels: np.ndarray,
    degrees: np.ndarray,
    fields: np.ndarray,
    count: int,
    lists: list[list[Oscillation]],
    notes: list[str],
    solver: LevelSolver,
    options: tuple[float | None, float | None],
) -> xr.Dataset:
    units, shape = model.units, (len(degrees), count)
    columns = {name: _of_orbit(column) for name, column in orbit_columns(model).items()}
    density = f"1/({units.energy}*{units.length}^{model.dimension})"
    columns |= {
        "phase": Column(lambda o: o.phase, "1", "phase beside 2 pi (F/|B| - 1/2), first harmonic"),
        "extremum": Column(lambda o: o.extremum, kind="U", long_name="of the area as a function of k.B^"),
        "curvature": Column(lambda o: o.curvature, "1", "d^2A/dk_par^2"),
        "k_parallel": Column(lambda o: o.k_parallel, f"1/{units.length}", "k.B^ of the orbit"),
        "thermal_factor": Column(lambda o: o.thermal, "1", "X/sinh X", ("temperature", "harmonic"), shape),
        "dingle_factor": Column(lambda o: o.dingle, "1", "exp(-pi p m_c/(e|B| tau))", ("harmonic",), (count,)),
        "spin_factor": Column(lambda o: o.spin, "1", "interference of two spins", ("harmonic",), (count,)),
        "amplitude": Column(
            lambda o: o.thermal * o.dingle * o.spin, "1", "R_T R_D R_S", ("temperature", "harmonic"), shape
        ),
        "density_amplitude": Column(
            lambda o: o.density, density, "of the density of states", ("temperature", "harmonic"), shape
        ),
    }
    variables = fill(columns, lists, ("mu", "field"), (len(levels), len(fields)))
    given = {"units": units.magnetic_field}
    coords: dict[str, Any] = {
        "mu": ("mu", levels, {"units": units.energy}),
        "temperature": ("temperature", degrees, {"units": units.temperature}),
        "harmonic": np.arange(1, count + 1),
        "magnetic_field": (("field", "a"), fields, given) if model.dimension == 3 else ("field", fields[:, 0], given),
    }
    attrs: dict[str, Any] = {"evaluations": solver.evaluations}
    attrs |= {name: value for name, value in zip(("tau", "g_factor"), options, strict=True) if value is not None}
    orbits = [x.orbit for rows in lists for x in rows]
    return as_table(
        QUANTUM_OSCILLATIONS, model, variables, coords, orbits, notes, attrs, [levels, degrees, fields]
    )  # fmt: skip


def _of_orbit(column: Column) -> Column:
    value = column.value
    return replace(column, value=lambda o: value(o.orbit))
