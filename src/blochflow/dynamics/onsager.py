"""Landau levels of pockets in two dimensions by Onsager's rule with Berry and moment phases.

    A(E) = (2 pi e|B|/hbar) [n + 1/2 - sgn(B) lambda(E)/2 pi]

counts the states of a pocket, (n + 1/2) e|B|/h = Int D d2k/(2 pi)^2 over E_n - m.B < E (holes: > E), to first order in
B.  Sources: Onsager, Phil. Mag. 43, 1006 (1952); Xiao, Chang, Niu, RMP 82, 1959 (2010), Sec. V; Fuchs et al., EPJ B 77,
351 (2010).  The susceptibility, of order B^2, is not included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_bool, as_choice, as_index, as_real_array, fail
from blochflow.core.dataset import CARTESIAN, description, provenance
from blochflow.dynamics.magnetic_axis import MagneticAxis, as_magnetic_axis
from blochflow.dynamics.orbit_catalog import LANDAU_LEVELS
from blochflow.dynamics.orbit_planes import PlaneStack, as_cells
from blochflow.dynamics.orbit_table import Column, fill, mass_unit
from blochflow.dynamics.pockets import Pocket, PocketState, pockets_near, pockets_on_grid
from blochflow.execution.threads import Execution, as_execution
from blochflow.geometry.level_solver import LevelSolver
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.fields import magnetic_unit

if TYPE_CHECKING:
    import xarray as xr

CELLS = 64
STEPS = 60
SOLVED = 1e-12  # of 2 pi e|B|/hbar: Newton steps end here
AT_EDGE = 1e-9  # of one level: A = 0 to rounding


@dataclass(frozen=True)
class LandauLevel:
    """One level: energy, the pocket at it, and how it was found."""

    energy: float
    state: PocketState | None
    status: str
    error: float


MESSAGES = {
    "CONVERGED": "solves the rule",
    "BAND_EDGE": "the rule asks for an area of zero: the level is the band edge",
    "BELOW_EDGE": "the rule asks for a negative area: the level is on the line A(E) continued past the band edge, "
    "by the mass there, to first order in B",
    "NO_ORBIT": "the pocket has no closed orbit of this area",
    "UNCERTAIN_BRANCH": "bands touch inside the pocket: the Berry phase is taken between -pi and pi",
}


@dataclass(frozen=True, eq=False)
class LevelRequest:
    """Checked arguments of `landau_levels`."""

    axis: MagneticAxis
    values: np.ndarray
    count: int
    band: int | None
    near: np.ndarray | None
    kind: str | None
    keep: tuple[bool, bool]
    cells: int

    @classmethod
    def of(cls, model: AbstractModel, magnetic_field: Any, *, levels: Any = 5, band: Any = None, k: Any = None,
           kind: Any = None, berry: Any = True, moment: Any = True, grid: Any = None) -> LevelRequest:  # fmt: skip
        """Raise ValueError where an argument cannot be meant."""
        if model.dimension != 2:
            raise fail("model", "have two dimensions for Landau levels", f"{model.name} has {model.dimension}")
        values = np.atleast_1d(as_real_array(magnetic_field, "magnetic_field"))
        axis = as_magnetic_axis(float(values[0]), model)
        if (values == 0).any():
            raise fail("magnetic_field", "not be zero: without a field there are no levels", "is")
        count = as_index(levels, "levels", "be a whole number of at least 1")
        if count < 1:
            raise fail("levels", "be a whole number of at least 1", f"is {levels!r}")
        wanted = None if kind is None else as_choice(kind, "kind", ("electron", "hole"))
        keep = (as_bool(berry, "berry"), as_bool(moment, "moment"))
        chosen, near = _as_band(band, model), None
        if k is not None:
            if chosen is None:
                raise fail("band", "be given together with `k`", "is None")
            near = np.atleast_2d(as_real_array(k, "k", max_ndim=2))
            if near.shape[1:] != (2,):
                raise fail("k", "have shape (2,) or (P, 2)", f"has shape {np.shape(k)}")
        return cls(axis, values, count, chosen, near, wanted, keep, as_cells(grid, CELLS))


def landau_levels(
    model: AbstractModel,
    magnetic_field: Any,
    *,
    levels: int = 5,
    band: int | None = None,
    k: Any = None,
    kind: str | None = None,
    berry: bool = True,
    moment: bool = True,
    grid: int | None = None,
    execution: Execution | None = None,
) -> xr.Dataset:
    """Landau levels of the pockets of a two-dimensional model.

        A(E) = (2 pi e|B|/hbar) [n + 1/2 - sgn(B) lambda(E)/2 pi],   lambda = Berry phase + moment phase

    Source: [Onsager1952]; [Xiao2010] Sec. V; [Fuchs2010].  Valid for: pockets around an extremum of one band, levels
    that are narrow against the pocket.  Not included: order B^2 of the energies, breakdown between pockets.

    A pocket is the closed orbit around a minimum (electrons) or maximum (holes) of a band, at any energy up to the
    saddle where it opens or joins another one.

    Parameters
    ----------
    model : AbstractModel
        Two-dimensional.
    magnetic_field : float or (B,) array
        B_z, of either sign, not zero.
    levels : int
        n = 0 .. levels - 1 of every pocket.
    band : int, optional
        Only pockets of this band.
    k : (2,) or (P, 2) array, optional
        Pockets around the extrema of ``band`` next to these wave vectors; default: every extremum that the grid shows.
    kind : {"electron", "hole"}, optional
        Only minima, or only maxima.
    berry, moment : bool
        Keep the two phases; switched off to see what they do.
    grid : int, optional
        Cells of the detection grid along the longest reciprocal vector; default 64.
    execution : Execution, optional

    Returns
    -------
    Dataset
        dims (magnetic_field, pocket, level): ``energy``, ``status``, ``error`` (of the solution of the rule, not of
        the theory), ``area``, ``berry_phase``, ``moment_phase``, ``cyclotron_mass``; (pocket): ``band``, ``kind``,
        ``edge`` (energy of the extremum), ``center`` (a).  Status BAND_EDGE: the rule gives A = 0, as for n = 0 of a
        massless Dirac cone; BELOW_EDGE: A < 0, the level continues A(E) past the edge to first order in B; NO_ORBIT:
        NaN, the pocket is smaller.

    Raises
    ------
    ValueError
        A model that is not two-dimensional, a field of zero, ``k`` without ``band``, no extremum next to ``k``, or a
        band that coincides with another one everywhere.
    NonFiniteError
        H(k) is not finite; names the k.

    Examples
    --------
    The levels of a massive Dirac fermion, sqrt(D^2 + 2 v^2 B (n + 1)), are exact.

    >>> import blochflow as bf
    >>> model = bf.zoo.massive_dirac(velocity=1.3, mass=0.4)
    >>> found = bf.orbits.landau_levels(model, 0.2, levels=2, band=1, k=[0.0, 0.0])
    >>> found.energy.values.round(6).ravel()
    array([0.91433 , 1.229634])
    """
    model = as_model(model)
    request = LevelRequest.of(
        model, magnetic_field, levels=levels, band=band, k=k, kind=kind, berry=berry, moment=moment, grid=grid
    )
    values, count, keep = request.values, request.count, request.keep
    solver = LevelSolver(model, as_execution(execution))
    plane = PlaneStack(model, request.axis, solver, request.cells).at(0.0)
    if request.near is not None and request.band is not None:
        pockets = pockets_near(plane, request.band, request.near, request.kind)
    else:
        pockets = pockets_on_grid(plane, request.band, request.kind)
    fields = magnetic_unit(model.units) * values
    rows = [[level_of(p, float(b), n, keep) for n in range(count)] for b in fields for p in pockets]
    return _as_dataset(model, plane.stack, values, pockets, rows, count, keep)


def _as_band(band: Any, model: AbstractModel) -> int | None:
    if band is None:
        return None
    must = f"be a band index from 0 to {model.num_bands - 1}"
    index = as_index(band, "band", must)
    if not 0 <= index < model.num_bands:
        raise fail("band", must, f"is {band!r}")
    return index


def level_of(pocket: Pocket, field: float, number: int, keep: tuple[bool, bool]) -> LandauLevel:
    """Level ``number`` of a pocket in a field B_z (kernel units)."""
    strength, sign = abs(field), float(np.sign(field))
    quantum = 2 * np.pi * strength

    def area(state: PocketState) -> float:
        """What the rule asks for."""
        phase = sign * (keep[0] * state.berry + keep[1] * state.moment)
        if state.status == "UNCERTAIN_BRANCH":
            # known modulo 2 pi: the branch with n = 0 at the smallest area that is not negative
            phase = np.pi - (np.pi - phase + AT_EDGE) % (2 * np.pi) + AT_EDGE
        return quantum * (number + 0.5 - phase / (2 * np.pi))

    edge = pocket.edge_state
    least = area(edge)
    if abs(least) <= AT_EDGE * quantum:
        return LandauLevel(pocket.edge, edge, "BAND_EDGE", 0.0)
    if least < 0:
        # A = 2 pi m (E - edge) is all that is left of the curve there
        energy = pocket.edge + pocket.sign * least / (2 * np.pi * edge.mass)
        return LandauLevel(energy, edge, "BELOW_EDGE", 0.0)
    return _solved(pocket, lambda state: state.area - area(state), quantum, least)


def _solved(pocket: Pocket, miss: Callable[[PocketState], float], quantum: float, start: float) -> LandauLevel:
    """Newton steps in the depth E - edge, halved where the pocket is no longer closed; a bracket keeps them in."""
    low, high, state = 0.0, np.inf, None
    depth = pocket.depth_of_area(start)
    for _ in range(STEPS):
        trial = pocket.at(depth)
        if trial is None:
            high = depth
            depth = 0.5 * (low + high)
            if high - low <= 1e-9 * high:
                break
            continue
        state, value = trial, miss(trial)
        if abs(value) <= SOLVED * max(quantum, trial.area):
            error = abs(value) / (2 * np.pi * trial.mass) + trial.area * trial.error / (2 * np.pi * trial.mass)
            return LandauLevel(pocket.edge + pocket.sign * depth, trial, trial.status, error)
        low, high = (depth, high) if value < 0 else (low, depth)
        step = depth - value / (2 * np.pi * trial.mass)
        if abs(step - depth) <= 4 * np.finfo(float).eps * max(abs(pocket.edge), depth):
            return LandauLevel(pocket.edge + pocket.sign * step, trial, trial.status, abs(step - depth))
        depth = step if low < step < high else 0.5 * (low + min(high, 2 * depth))
    return LandauLevel(np.nan, state, "NO_ORBIT", np.nan)


def _as_dataset(
    model: AbstractModel,
    stack: PlaneStack,
    values: np.ndarray,
    pockets: list[Pocket],
    rows: list[list[LandauLevel]],
    count: int,
    keep: tuple[bool, bool],
) -> xr.Dataset:
    import xarray as xr

    units = model.units
    mass, mass_label = mass_unit(units)

    def of_state(name: str) -> Callable[[LandauLevel], float]:
        return lambda x: np.nan if x.state is None or np.isnan(x.energy) else getattr(x.state, name)

    columns = {
        "energy": Column(lambda x: x.energy, units.energy, "energy of the level"),
        "error": Column(lambda x: x.error, units.energy, "error of the solution of the rule"),
        "status": Column(lambda x: x.status, kind="U", long_name="how it was found"),
        "area": Column(of_state("area"), f"1/{units.length}^2", "area of the orbit"),
        "berry_phase": Column(of_state("berry"), "1", "integral of the Berry curvature over the pocket"),
        "moment_phase": Column(of_state("moment"), "1", "phase of the orbital moment"),
        "cyclotron_mass": Column(lambda x: mass * of_state("mass")(x), mass_label, "m_c"),
    }
    variables = fill(columns, rows, ("magnetic_field", "pocket"), (len(values), len(pockets)), row="level")
    if not pockets:
        variables = {name: (d, x.reshape(len(values), 0, 0), meta) for name, (d, x, meta) in variables.items()}
        count = 0
    number = len(pockets)
    variables |= {
        "band": (("pocket",), np.array([p.band for p in pockets], dtype=int)),
        "kind": (("pocket",), np.array([p.kind for p in pockets], dtype=np.str_)),
        "edge": (("pocket",), np.array([p.edge for p in pockets]), {"units": units.energy}),
        "center": (
            ("pocket", "a"), np.array([p.center for p in pockets]).reshape(number, 2), {"units": f"1/{units.length}"}
        ),
    }  # fmt: skip
    found = {x.status for row in rows for x in row}
    worst = next((s for s in ("NO_ORBIT", "UNCERTAIN_BRANCH", "BELOW_EDGE", "BAND_EDGE") if s in found), "CONVERGED")
    attrs = {
        **description(LANDAU_LEVELS, units.energy),
        **provenance(model, [values], f"{[p.band for p in pockets]} {count} {keep}"),
        "status": worst,
        "status_message": MESSAGES[worst],
        "note": "" if pockets else "no extremum of a band that is apart from the others was found on the grid",
        "evaluations": stack.solver.evaluations,
        "berry": int(keep[0]),
        "moment": int(keep[1]),
    }
    coords = {
        "magnetic_field": ("magnetic_field", values, {"units": units.magnetic_field}),
        "level": np.arange(count),
        "a": list(CARTESIAN[:2]),
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)
