"""Dipoles of band geometry over the Fermi surface.

    D_a;bc = Int f d_a X_bc = Int (-f') d_a E X_bc,     X = Omega, the Berry curvature, or T, g, metrics

Source: Sodemann and Fu, PRL 115, 216806 (2015); Gao, Yang, Niu, PRL 112, 166601 (2014).
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from blochflow.core.checks import as_choice
from blochflow.core.errors import ValidityWarning
from blochflow.geometry.bands import bands as solve
from blochflow.geometry.metric import berry_connection_polarizability as berry_connection_polarizability
from blochflow.geometry.subspace import touching_bands
from blochflow.models.base import AbstractModel
from blochflow.response.catalog_nonlinear import BERRY_CURVATURE_DIPOLE, PLAIN_METRIC_UNITS, QUANTUM_METRIC_DIPOLE
from blochflow.response.dipole_integrands import CurvatureDipole, SymmetricDipoles
from blochflow.response.request import Request, ZoneArguments
from blochflow.response.symmetry import sample_points

if TYPE_CHECKING:
    import xarray as xr

METRICS = {"band_normalised": "normalised", "plain": "metric"}


def berry_curvature_dipole(
    model: Any, mu: Any, temperature: Any, *, density: Any = None, **zone: Unpack[ZoneArguments]
) -> xr.Dataset:
    """Berry curvature dipole of a two- or three-dimensional crystal.

        D_a;bc = Int d^dk/(2 pi)^d sum_n f_n d_a Omega_n,bc = -Int sum_n f'_n d_a E_n Omega_n,bc

    Source: [SodemannFu2015] Eq. (5), whose D_bd is D_b;ac eps_acd/2 here.  Valid for: T >= 0.  Not included: bands
    outside the model.

    Parameters
    ----------
    model, mu, temperature, density, **zone
        As for `anomalous_nernst`; T = 0 is refused on grids of points.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, a, b, c), antisymmetric in (b, c); a is the derivative.
        Units: length in two dimensions, none in three.

    Raises
    ------
    ValueError
        Wrong arguments, or a one-dimensional model.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Warns
    -----
    ValidityWarning
        Bands coincide at every k: the curvature between them is left out.

    Examples
    --------
    >>> import blochflow as bf
    >>> tilted = bf.zoo.massive_dirac(tilt=(0.2, 0.0))
    >>> dipole = bf.response.berry_curvature_dipole(tilted, mu=0.5, temperature=0.0)
    >>> round(float(dipole.value.sel(a="x", b="x", c="y").item()), 5)
    -0.01809
    """
    request = Request.of("berry_curvature_dipole", model, mu, temperature, zone, density, plane=True)
    warn_of_groups(model)
    scale, unit = request.factor(BERRY_CURVATURE_DIPOLE)
    surface = CurvatureDipole.of(model)
    (integral,) = request.integrals(surface, factor=scale, terms=surface.terms)
    return request.result(BERRY_CURVATURE_DIPOLE, integral.scaled(scale), surface, unit, request.throw)


def quantum_metric_dipole(
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    metric: str = "band_normalised",
    density: Any = None,
    **zone: Unpack[ZoneArguments],
) -> xr.Dataset:
    """Dipole of the band-normalised, or plain, quantum metric.

        D_a;bc = Int d^dk/(2 pi)^d sum_n f_n d_a T_n,bc = -Int sum_n f'_n d_a E_n T_n,bc

    Source: [Gao2014]; [Kaplan2024].  T_bc = -G_bc: this is minus the dipole of the Berry connection polarizability G,
    which `berry_connection_polarizability` gives for every band at single k.  Valid for: T >= 0 and open gaps; T grows
    with the third inverse power of the gap, so that cones without mass near mu make the integral diverge, which ends
    as "not converged".  Not included: bands outside the model.

    Parameters
    ----------
    model, mu, temperature, density, **zone
        As for `anomalous_nernst`, in one dimension too; T = 0 is refused on grids of points.
    metric : "band_normalised" or "plain"
        T, metric divided by gaps, or g itself.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, a, b, c), symmetric in (b, c); a is the derivative.  Units:
        length^(3-d) per energy, or length^(3-d) for the plain metric.

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Warns
    -----
    ValidityWarning
        Bands coincide at every k: the metric between them is left out.

    Examples
    --------
    >>> import blochflow as bf
    >>> tilted = bf.zoo.massive_dirac(tilt=(0.2, 0.0))
    >>> dipole = bf.response.quantum_metric_dipole(tilted, mu=0.5, temperature=0.0)
    >>> bool(dipole.value.sel(a="x", b="x", c="x") < 0)                # T < 0 in the upper band
    True
    """
    name = METRICS[as_choice(metric, "metric", tuple(METRICS))]
    request = Request.of("quantum_metric_dipole", model, mu, temperature, zone, density)
    warn_of_groups(model)
    plain = replace(QUANTUM_METRIC_DIPOLE, units=PLAIN_METRIC_UNITS, equation="D_a;bc = Int sum_n f_n d_a g_n,bc")
    quantity = plain if name == "metric" else QUANTUM_METRIC_DIPOLE
    scale, unit = request.factor(quantity)
    surface = SymmetricDipoles(model.dimension, (name,))
    (integral,) = request.integrals(surface, factor=scale)
    return request.result(quantity, integral.scaled(scale), surface, unit, request.throw)


# what becomes of pairs of bands that coincide, where nothing is said
LEFT_OUT = "pairs within such a group are left out, which holds as long as nothing splits them by more than hbar/tau"


def warn_of_groups(model: AbstractModel, consequence: str = LEFT_OUT) -> None:
    """Bands that coincide at all of some random k."""
    found = solve(model, sample_points(model))
    groups: np.ndarray = np.asarray(touching_bands(found)).min(axis=0)
    if not groups.any():
        return
    members = [np.flatnonzero(row | (np.arange(len(row)) == n)) for n, row in enumerate(groups) if row.any()]
    texts = dict.fromkeys(", ".join(map(str, group)) for group in members)
    warnings.warn(
        f"Bands of {model.name} coincide at every k ({'; '.join(texts)}): {consequence}.",
        ValidityWarning,
        stacklevel=3,
    )
