"""All cyclotron orbits at an energy, in two dimensions or in planes of k space perpendicular to the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.dynamics.magnetic_axis import MagneticAxis, as_magnetic_axis
from blochflow.dynamics.orbit_catalog import CYCLOTRON_ORBITS
from blochflow.dynamics.orbit_planes import EXTENT, Curve, PlaneStack, as_cells
from blochflow.dynamics.orbit_record import Orbit, describe
from blochflow.dynamics.orbit_table import as_table, fill, motion_columns, orbit_columns
from blochflow.execution.threads import Execution, as_execution
from blochflow.geometry.level_solver import LevelSolver
from blochflow.models.base import AbstractModel, as_model

if TYPE_CHECKING:
    import xarray as xr

CELLS = {2: 64, 3: 48}  # along the longest reciprocal vector


@dataclass(frozen=True, eq=False)
class OrbitRequest:
    """Checked arguments of `cyclotron_orbits`."""

    field: MagneticAxis
    energies: np.ndarray
    planes: np.ndarray
    g_factor: float | None
    cells: int
    extent: float

    @classmethod
    def of(cls, model: AbstractModel, energy: Any, magnetic_field: Any, *, k_parallel: Any = 0.0,
           g_factor: Any = None, grid: Any = None, extent: Any = EXTENT) -> OrbitRequest:  # fmt: skip
        """Raise ValueError where an argument cannot be meant."""
        field = as_magnetic_axis(magnetic_field, model)
        energies = np.atleast_1d(as_real_array(energy, "energy"))
        planes = np.atleast_1d(as_real_array(k_parallel, "k_parallel"))
        if model.dimension == 2 and (np.ndim(k_parallel) or planes[0]):
            raise fail("k_parallel", "be left out in two dimensions", f"is {k_parallel!r}")
        spin, cells = as_g_factor(g_factor, model), as_cells(grid, CELLS[model.dimension])
        reach = float(as_real_array(extent, "extent", max_ndim=0, positive=True))
        return cls(field, energies, planes, spin, cells, reach)


def cyclotron_orbits(
    model: AbstractModel,
    energy: Any,
    magnetic_field: Any,
    *,
    k_parallel: Any = 0.0,
    g_factor: float | None = None,
    grid: int | None = None,
    extent: float = EXTENT,
    execution: Execution | None = None,
) -> xr.Dataset:
    """All closed and open orbits of every band at an energy.

        m_c = (hbar^2/2 pi) dA/dE,     omega_c = e|B|/m_c,     F = hbar A/(2 pi e)
        T = (hbar^2/e|B|) closed-int D dl/|d_k h|  on  h = E_n - m.B = energy,   D = 1 + (e/hbar) B.Omega
        lambda = Int_pocket Omega d2k + (hbar/e) closed-int m dl/|d_k E|      (holes: - moment term)

    Source: [Onsager1952]; [Xiao2010] Sec. V; phases [Mikitik1999].  Valid for: |m.B| far below the gap and D near 1.
    Not included: magnetic breakdown between neighbouring orbits, energies of order B^2.

    Parameters
    ----------
    model : AbstractModel
        Two- or three-dimensional.
    energy : float or (E,) array
    magnetic_field : float, or (3,) array
        B_z in two dimensions, a vector in three.
    k_parallel : float or (K,) array
        3D: planes k.B^ = k_parallel.  A field along a lattice vector: all orbits of the plane up to reciprocal
        vectors.  Any other direction: closed orbits whose centre lies in the home cell (nearest to Gamma), and open
        ones that pass through it.
    g_factor : float, optional
        Adds the Zeeman energy (g/2) mu_B B.sigma, with the operator ``"spin"`` of the model; without one, the phase
        is that of the spin along B, and the other spin has its negative.
    grid : int, optional
        Cells of the detection grid along the longest reciprocal vector; default 64 (2D), 48 (3D), refined
        where a curve is not resolved.
    extent : float
        3D, general directions: half the width of the searched square, in units of the farthest point of the home cell.
    execution : Execution, optional

    Returns
    -------
    Dataset
        dims (energy, orbit), in 3D (energy, k_parallel, orbit): ``band``, ``kind``, ``area``, ``frequency``,
        ``cyclotron_mass`` (m_e, or hbar^2/(E a^2) in natural units), ``cyclotron_frequency``, ``period``,
        ``circulation``, ``winding`` (direction), ``berry_phase``, ``moment_phase``, ``zeeman_phase``, ``phase`` (their
        sum lambda), ``phase_error``, ``error``, ``center`` (a), ``path`` (point, a), ``status``.  Of the
        path E_n = energy, while period and phase are those of h = E_n - m.B = energy.  Open orbits have no area, mass
        or phase; ``period`` is the time to advance by ``winding`` reciprocal vectors.  Bands that coincide everywhere
        share one row, without phases and period.  Lists shorter than the longest are filled with NaN and
        "".  In a gap the table is empty and the attribute ``note`` says where the bands are.

    Raises
    ------
    ValueError
        A one-dimensional model, a field that is zero or not uniform, or an orbit that leaves the cutoff of a k.p model.
    NonFiniteError
        H(k) is not finite; names the k.

    Warns
    -----
    ValidityWarning
        |m.B| exceeds half the gap, or D differs from 1 by more than half.

    Examples
    --------
    >>> import blochflow as bf
    >>> orbits = bf.orbits.cyclotron_orbits(bf.zoo.square(), -3.0, 0.1)
    >>> orbits.kind.values.tolist(), round(orbits.area.item(), 9), round(orbits.cyclotron_mass.item(), 9)
    ([['electron']], 3.361566634, 0.574377973)
    """
    model = as_model(model)
    options: Any = {"k_parallel": k_parallel, "g_factor": g_factor, "grid": grid, "extent": extent}
    request = OrbitRequest.of(model, energy, magnetic_field, **options)
    field, energies, planes = request.field, request.energies, request.planes
    solver = LevelSolver(model, as_execution(execution))
    stack = PlaneStack(model, field, solver, request.cells, request.extent)
    lists: list[list[Orbit]] = []
    notes = []
    for value in energies:
        for k in planes:
            plane, curves = stack.resolved(float(k), float(value))
            check_cutoff(curves, "energy")
            lists.append([describe(curve, request.g_factor) for curve in in_order(curves)])
            notes.append("" if curves else plane.note(float(value)))
    columns = orbit_columns(model) | motion_columns(model, field.strength)
    dims, shape = ("energy", "k_parallel"), (len(energies), len(planes))
    coords: dict[str, Any] = {
        "energy": ("energy", energies, {"units": model.units.energy}),
        "k_parallel": ("k_parallel", planes, {"units": f"1/{model.units.length}", "long_name": "k.B^"}),
    }
    if model.dimension == 2:
        dims, shape = dims[:1], shape[:1]  # type: ignore[assignment]
        del coords["k_parallel"]
    attrs = {"magnetic_field": np.asarray(magnetic_field, dtype=float), "evaluations": solver.evaluations}
    attrs |= {} if g_factor is None else {"g_factor": float(g_factor)}
    orbits = [orbit for rows in lists for orbit in rows]
    arrays = [energies, planes, np.asarray(field.fields.magnetic)]
    return as_table(
        CYCLOTRON_ORBITS, model, fill(columns, lists, dims, shape), coords, orbits, notes, attrs, arrays
    )  # fmt: skip


def in_order(curves: list[Curve]) -> list[Curve]:
    """By band, closed ones first, large areas first."""
    return sorted(curves, key=lambda c: (c.bands, not c.closed, -np.nan_to_num(c.sheet.enclosed)))


def check_cutoff(curves: list[Curve], argument: str) -> None:
    """Raise where an orbit of a k.p model ends at its cutoff."""
    for curve in curves:
        stack = curve.plane.stack
        if curve.kind == "cut" and stack.model.lattice is None:
            cutoff = float(stack.model.cutoff)  # type: ignore[attr-defined]
            but = f"the orbit of band {curve.bands[0]} at {curve.energy:.6g} leaves |k| = {cutoff:.6g}"
            raise fail(argument, "have orbits within the cutoff of the k.p model", but)


def as_g_factor(g_factor: Any, model: AbstractModel) -> float | None:
    """Check ``g_factor`` and the operator it needs."""
    if g_factor is None:
        return None
    value = float(as_real_array(g_factor, "g_factor", max_ndim=0))
    spin = model.operators.get("spin")
    if spin is not None and (spin.ndim != 3 or spin.shape[0] != 3):
        raise fail("model", 'have an operator "spin" with three components for a Zeeman phase', f"has {spin.shape}")
    return value
