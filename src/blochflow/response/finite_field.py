"""Current at finite electric field.

    J = -e Int d^dk/(2 pi)^d sum_i (f(E_i) + delta f_i) v_i
    delta f_i = -tau f'(E_i) [d_x E_i.v_i + (1/hbar) d_k E_i.(F_i - eE)]

Source: Tu, Li, Yao, PRB 102, 045423 (2020), Eqs. (57)-(60), and (46), (47) for single bands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from blochflow.core.checks import fail
from blochflow.nonadiabatic.arguments import as_any_model, as_electric_fields, as_grouping
from blochflow.response.catalog_field import FINITE_FIELD_CURRENT
from blochflow.response.field_request import FieldRequest, as_times_or_number, check_theory, checked_places
from blochflow.response.field_result import along_scans, along_valleys, current_at, warn_of_mixing
from blochflow.response.linear_limit import with_linear_limit
from blochflow.response.result import raise_if_missed
from blochflow.response.texture_average import as_cell, average_over_cell

if TYPE_CHECKING:
    import xarray as xr

    from blochflow.execution.threads import Execution
    from blochflow.zone.tolerance import Tolerance


class FieldArguments(TypedDict, total=False):
    """Keywords of zone integrals without symmetry, as documented in `anomalous_hall`."""

    rule: str
    grid: Any
    shift: float
    seed: int
    tolerance: Tolerance | None
    execution: Execution | None
    throw: bool


def finite_field_current(
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    electric_field: Any,
    tau: Any,
    x: Any = None,
    t: float = 0.0,
    cell: Any = None,
    theory: str = "multiband",
    groups: Any = None,
    group_tolerance: float = 0.0,
    active: Any = None,
    partition: Any = None,
    density: Any = None,
    **zone: Unpack[FieldArguments],
) -> xr.Dataset:
    """Current density in a uniform electric field of any strength, of bands that the field hybridises.

        J = -e Int d^dk/(2 pi)^d sum_i (f(E_i) + df_i) v_i,   (H + eE.R)|u_i> = E_i|u_i>,  v_i = <u_i|d_k H|u_i>/hbar
        df_i = -tau f'(E_i) [d_x E_i.v_i + (1/hbar) d_k E_i.(F_i - eE)],   F_i = -<u_i|d_x H|u_i>

    Source: [Tu2020] Eqs. (54)-(62); single bands (46), (47) with the phase-space density D.
    Valid for: one relaxation time for all bands, fields small against the width of bands per lattice constant,
    textures that vary slowly.  Not included: tunnelling between bands, heating, corrections of velocities of first
    order in a texture.  To second order in E the part of order tau^0 is not that of an adiabatic packet, since
    electrons are assumed to lose coherence in the hybridised bands.

    Parameters
    ----------
    model : AbstractModel, LocalModel or textured model
        1D, 2D or 3D, any number of bands.
    mu : float or (M,) array, or None with ``density``
        Fixed chemical potential.  The bands move with the field, so the density does too.
    temperature : float or (T,) array
    electric_field : (d,) or (F, d) array
        In V/angstrom (EV_ANGSTROM) or energy per charge and length.
    tau : float or (S,) array
        Relaxation time: hbar/energy for NATURAL models, fs for EV_ANGSTROM ones.
    x : (d,) or (X, d) array
        Places, for models that vary in space.
    t : float
        Time, for models that vary in time.
    cell : (m, d) array, optional
        Vectors after which a texture repeats, up to its basis (checked at some k and places): the average over this
        cell, whose corner is ``x`` (default: the origin).
    theory : "multiband" or "single_band"
        Hybridised bands, or every band by itself with its Berry curvatures, exact to first order in E.
    groups : list of lists of int, optional
        Bands that the field does not mix with each other, such as spin doublets.  Bands that coincide are always one.
    group_tolerance : float
        Energy below which neighbouring bands are a group, too.
    active : list of int or Subspace, optional
        Only these bands hybridise with each other, the others among themselves; both act on each other through the
        Berry curvature F = i P[d_a P, d_b P]P.  A degenerate filled manifold then carries -(e^2/hbar) Int tr F_ab E_b.
    partition : mapping of str to (M, 2) array, optional
        Polygons as for `valley_hall`: currents of parts of a two-dimensional zone.
    density : float or array, optional
        Fixed electrons per length, area or volume instead of mu; mu then depends on the field.
    **zone
        ``rule``, ``grid``, ``shift``, ``seed``, ``tolerance``, ``execution``, ``throw`` as for `anomalous_hall`;
        T = 0 needs ``rule="cells"`` (the default finds it).

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, field[, position][, tau][, valley], a), ``converged``;
        ``intrinsic`` and ``relaxation``, the parts of order tau^0 and tau, with ``_error``; coordinate
        ``electric_field`` (field, a).  Of k.p models ``cutoff_tail``.  For single bands in textures ``bound``, the
        current that flows without a field too and is not in ``value``: curl M of the Berry part of the magnetization,
        in three dimensions with what is of higher order in the texture; and ``without_measure``, what ``intrinsic +
        bound`` is without D.

        Of two or more fields along one line, not all zero, ``linear_limit``, ``intrinsic_linear_limit``,
        ``relaxation_linear_limit`` with ``_error``: the tangent of the current at E = 0, times the field (one more
        integral).  Where bands touch at mu the current need not be linear in any field; then it is the slope at a field
        that mixes bands by 1e-5 at most k, and does not mean more.

        ``grouping_sensitivity`` (as ``value``): how much the current changes where bands of different groups that the
        field mixes by more than their gap, e|E.R| > |E_n - E_m|, are one group, summed over cells of the zone that
        resolve where that is: an estimate, to some percent in one and two dimensions, to about a tenth in three.  It is
        0 where r is below one everywhere, which does not say that groups do not matter: for smaller r they do, of order
        r^2.  Of two bands it is the part of the current that comes from such k.  Attributes ``validity_mixing``:
        largest e|E.R|/gap met, ``_bands``, ``_k``: where, ``_groups``: groups to compare with, if any, ``_across``:
        largest between bands of different manifolds.

        Units: e E/hbar (1D), e E/(hbar a), e E/(hbar a^2) for NATURAL; A, A/m, A/m^2 for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Warns
    -----
    ValidityWarning
        ``grouping_sensitivity`` exceeds the tolerance and groups are in question: bands (not all) whose distances are
        below a tenth of that to others at every k, as of partners of a split doublet, are mixed by more than their gap;
        or bands inside and outside of ``active`` by more than 0.3.  Single bands that the field mixes by more than 0.3.

    Examples
    --------
    The Hall current of a Chern insulator, smaller than -C e^2/h E in strong fields:

    >>> import blochflow as bf
    >>> current = bf.response.finite_field_current(
    ...     bf.zoo.qwz(mass=-1.8), 0.0, 0.005, electric_field=[[0.001, 0.0], [0.2, 0.0]], tau=1.0)
    >>> (current.value.sel(a="y").squeeze() * 6.283185307 / [0.001, 0.2]).values.round(3).tolist()
    [1.0, 0.864]
    """
    model = as_any_model(model)
    if "symmetry" in zone:
        raise fail("symmetry", "be left out: little symmetry is left in a field, and none is used", "is given")
    fields = as_electric_fields(electric_field, model.dimension)
    places = checked_places(model, x, cell, density, t)
    times, grouping = as_times_or_number(tau), as_grouping(model, groups, group_tolerance, active)
    polygons = check_theory(model, theory, active, partition, places)
    arguments: Any = {**zone, "symmetry": False}
    throw = arguments.pop("throw", True)

    def scanned(places: np.ndarray, fields: np.ndarray, options: Any) -> xr.Dataset:
        rows = []
        for field in fields:
            for place in places if len(places) else [None]:
                request = FieldRequest.of(
                    model, mu, temperature, options, density, field, place, t, theory, grouping, times
                )
                if polygons is None:
                    rows.append(current_at(request, None))
                else:
                    each = [current_at(request, corners) for corners in polygons.values()]
                    rows.append(along_valleys(each, polygons))
        return along_scans(rows, fields, places, times, model, theory, grouping)

    def at_places(places: np.ndarray) -> xr.Dataset:
        def weak(field: np.ndarray, tolerance: Tolerance) -> xr.Dataset:
            return scanned(places, field[None], {**arguments, "tolerance": tolerance})

        result = scanned(places, fields, arguments)
        return with_linear_limit(result, fields, arguments.get("tolerance"), weak)

    if cell is None:
        result = at_places(places)
    else:
        vectors = as_cell(cell, model.dimension)
        result = average_over_cell(at_places, places[0], vectors, arguments.get("tolerance"))
    warn_of_mixing(result)
    return raise_if_missed(FINITE_FIELD_CURRENT, result, throw)
