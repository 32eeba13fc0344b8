"""Responses of disordered crystals to a field: conductivity, spin and other densities, spin-orbit torque, by parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from blochflow.disorder.potentials import Disorder
from blochflow.models.base import AbstractModel, as_model
from blochflow.response.average import average_over_zone
from blochflow.response.catalog_disorder import (
    DISORDERED_CONDUCTIVITY,
    DISORDERED_OBSERVABLE,
    DISORDERED_SPIN_DENSITY,
    SPIN_ORBIT_TORQUE,
)
from blochflow.response.disordered_result import DisorderedRequest, SurfaceArguments, assemble
from blochflow.response.hall import anomalous_hall
from blochflow.response.observables import ObservableSea, as_operator, as_torque
from blochflow.response.result import CUTOFF_TAIL, raise_if_missed
from blochflow.response.zone_options import ZoneOptions, measure
from blochflow.zone.tolerance import Required

if TYPE_CHECKING:
    import xarray as xr


def disordered_conductivity(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    disorder: Disorder,
    **surface: Unpack[SurfaceArguments],
) -> xr.Dataset:
    """Conductivity of a crystal with static disorder, with all parts of its anomalous Hall effect.

        sigma_ab = sigma_int - e Int d eps (-f') sum_k delta(eps - eps_k) tr[V_a (phi + phi_sj + phi_sk + X)]

    Source: [Burgos2022] Eqs. (29), (38), (46), skew scattering on the energy shell as in [Sinitsyn2007]; crossed
    diagrams [Ado2015].  Valid for: weak disorder, to leading order of every part, in the non-crossing approximation
    unless ``crossed``.  Not included: weak localization, momentum dependence of the vertices.

    Parameters
    ----------
    model : AbstractModel
        2D or 3D, any number of bands; exactly degenerate bands carry matrix-valued distributions.
    mu : float or (M,) array
    temperature : float or (T,) array
    disorder : Disorder
    crossed : bool
        Add the crossed diagrams: white noise with the identity as vertex, two dimensions, T = 0.
    points : int, optional
        Points on every Fermi curve (2D), a multiple of 8; half of them give the error.  Default: doubled until all
        parts agree.
    grid : int or (d,) ints, optional
        Detection grid of `geometry.fermi_surface`; in three dimensions it sets the mesh.
    tolerance : Tolerance
        Every part is accurate to rtol of its own largest component.
    execution : Execution
    throw : bool

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, a, b): the sum of all parts; every part under its name with
        ``NAME_error``; of a k.p model ``cutoff_tail`` of the intrinsic part; ``quasiparticle_lifetime`` (mean),
        ``transport_lifetime`` (.., b) at T = 0, ``converged``.
        Attributes: ``theory_level``, ``validity_gap_tau``, ``closure_residual``.  Units as for `anomalous_hall`.

    Raises
    ------
    ValueError
        Wrong arguments, W not positive semidefinite, vertices not Hermitian, a Fermi surface that ends at the cutoff
        of a k.p model, or mu at a band edge.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    The massive Dirac cone: side jump and extrinsic velocity are equal.

    >>> import blochflow as bf
    >>> cone, white = bf.zoo.topological_surface(m=(0.0, 0.0, 0.3)), bf.Disorder.white(0.1)
    >>> sigma = bf.response.disordered_conductivity(cone, 1.0, 0.0, disorder=white, points=32)
    >>> [round(sigma[part].sel(a="y", b="x").item(), 7) for part in ("side_jump", "extrinsic_velocity")]
    [0.034212, 0.034212]
    """
    model = as_model(model)
    request = DisorderedRequest.of(DISORDERED_CONDUCTIVITY, model, mu, temperature, disorder, surface)
    shared: Any = {"tolerance": request.tolerance, "execution": request.execution}
    sea = anomalous_hall(model, mu, temperature, throw=False, **shared)
    shape = (-1, model.dimension, model.dimension)
    intrinsic = sea["value"].values.reshape(shape), sea["error"].values.reshape(shape)
    result = assemble(request, intrinsic, sea["converged"].values.reshape(-1))
    if "cutoff_tail" in sea:
        result["cutoff_tail"] = sea["cutoff_tail"]
    return raise_if_missed(DISORDERED_CONDUCTIVITY, result, request.throw)


def disordered_observable(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    disorder: Disorder,
    operator: Any,
    **surface: Unpack[SurfaceArguments],
) -> xr.Dataset:
    """Density of any observable that an electric field drives in a disordered crystal.

        <B_a> = chi_ab E_b,   chi = chi_int + Int d eps (-f') sum_k delta { tr[B (phi + phi_sj + phi_sk)] + tr[B X] }

    Source: [Burgos2022] Eqs. (54)-(61).  Valid for and not included: as for `disordered_conductivity`.

    Parameters
    ----------
    model, mu, temperature, disorder, **surface
        As for `disordered_conductivity`.
    operator : str or (n, n) or (c, n, n) array
        Name of an operator of the model or a Hermitian matrix in the orbital basis of one cell: an element between
        orbitals at different places gets the phase exp(i k.(tau_j - tau_i)) of their positions.

    Returns
    -------
    Dataset
        As for `disordered_conductivity`, with a = component of the observable; units of B times e/(E a^(d-1)).

    Raises
    ------
    ValueError, ConvergenceError
        As for `disordered_conductivity`.

    Examples
    --------
    >>> import blochflow as bf
    >>> cone, white = bf.zoo.topological_surface(m=(0.0, 0.0, 0.3)), bf.Disorder.white(0.1)
    >>> chi = bf.response.disordered_observable(cone, 1.0, 0.0, disorder=white, operator="spin_x", points=32)
    >>> round(chi.side_jump.sel(b="x").item(), 7)
    0.034212
    """
    model = as_model(model)
    found = as_operator(model, operator)
    count = len(found.matrices)
    request = DisorderedRequest.of(DISORDERED_OBSERVABLE, model, mu, temperature, disorder, surface, found, count)
    result = _driven(request)
    result.attrs["operator"] = operator if isinstance(operator, str) else "matrix"
    return raise_if_missed(DISORDERED_OBSERVABLE, result, request.throw)


def disordered_spin_density(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    disorder: Disorder,
    spin: str = "spin",
    **surface: Unpack[SurfaceArguments],
) -> xr.Dataset:
    """Spin density that an electric field drives in a disordered crystal.

        <sigma_a> = chi_ab E_b

    Source: [Burgos2022] Eqs. (54), (60), (61), (90)-(104).  Valid for and not included: as for
    `disordered_conductivity`.

    Parameters
    ----------
    model, mu, temperature, disorder, **surface
        As for `disordered_conductivity`; the model has an operator ``spin``.
    spin : str
        Name of the operator, as it is: Pauli matrices give twice the spin in units of hbar.

    Returns
    -------
    Dataset
        As for `disordered_conductivity`, a = component of the spin.

    Raises
    ------
    ValueError, ConvergenceError
        As for `disordered_conductivity`.

    Examples
    --------
    >>> import blochflow as bf
    >>> cone, white = bf.zoo.topological_surface(m=(0.0, 0.0, 0.3)), bf.Disorder.white(0.1)
    >>> chi = bf.response.disordered_spin_density(cone, 1.0, 0.0, disorder=white, points=32)
    >>> chi.attrs["theory_level"], round(chi.side_jump.sel(a="x", b="x").item(), 7)
    ('non-crossing', 0.034212)
    """
    model = as_model(model)
    found = as_operator(model, spin, "spin")
    count = len(found.matrices)
    request = DisorderedRequest.of(DISORDERED_SPIN_DENSITY, model, mu, temperature, disorder, surface, found, count)
    result = _driven(request)
    result.attrs["operator"] = spin
    return raise_if_missed(DISORDERED_SPIN_DENSITY, result, request.throw)


def spin_orbit_torque(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    disorder: Disorder,
    magnetization: str = "m",
    **surface: Unpack[SurfaceArguments],
) -> xr.Dataset:
    """Spin-orbit torque on the magnetization that a parameter of the model stands for.

        T_a = t_ab E_b,   T = m x <dH/dm>

    Source: [Burgos2022] Eqs. (105); [Manchon2019] Sec. II.  Valid for and not included: as for
    `disordered_conductivity`.

    Parameters
    ----------
    model, mu, temperature, disorder, **surface
        As for `disordered_conductivity`.
    magnetization : str
        Parameter of three real numbers; its coupling in H(k) may have any form.

    Returns
    -------
    Dataset
        As for `disordered_conductivity`, a = component of the torque per volume; further ``odd`` and ``even`` in m
        (t(m) -/+ t(-m))/2 with their errors: an even torque is damping-like, an odd one field-like.

    Raises
    ------
    ValueError, ConvergenceError
        As for `disordered_conductivity`; no such parameter.

    Examples
    --------
    A current along x polarises spins along y; on a magnetization along z they exert the torque m x s along x:

    >>> import blochflow as bf
    >>> cone, white = bf.zoo.topological_surface(m=(0.0, 0.0, 0.3)), bf.Disorder.white(0.1)
    >>> torque = bf.response.spin_orbit_torque(cone, 1.0, 0.0, disorder=white, points=32)
    >>> round(torque.drude.sel(a="x", b="x").item(), 6)
    0.684241
    """
    model = as_model(model)
    torque = as_torque(model, magnetization)
    turned = as_torque(model.replace(**{magnetization: -np.asarray(model.parameters[magnetization])}), magnetization)
    requests = [
        DisorderedRequest.of(SPIN_ORBIT_TORQUE, each.model, mu, temperature, disorder, surface, each, 3)
        for each in (torque, turned)
    ]
    result, other = map(_driven, requests)
    for name, sign in (("odd", -1.0), ("even", 1.0)):
        result[name] = 0.5 * (result["value"] + sign * other["value"])
        result[f"{name}_error"] = 0.5 * (result["error"] + other["error"])
        result[name].attrs = {"units": result.attrs["units"], "long_name": f"part {name} in the magnetization"}
        result[f"{name}_error"].attrs = {"units": result.attrs["units"]}
    result["converged"] = result["converged"] & other["converged"]
    result.attrs["magnetization"] = magnetization
    return raise_if_missed(SPIN_ORBIT_TORQUE, result, requests[0].throw)


def _driven(request: DisorderedRequest) -> xr.Dataset:
    """All parts for an observable that is not the current."""
    surface, states = request.surface, request.states
    model, components = surface.model, surface.components
    factor, _ = request.quantity.unit(model.units.name, model.dimension)
    whole = factor * model.spin_degeneracy * measure(model)
    bands = ObservableSea(model.dimension, components, surface.observable)
    sea = average_over_zone(
        model,
        bands,
        states.mu,
        states.kt,
        options=ZoneOptions("auto", None, 0.0, symmetry=False),
        required=Required(request.tolerance, whole, bands.tensors),
        execution=request.execution,
    ).scaled(whole)
    shape = (-1, components, model.dimension)
    result = assemble(request, (sea.value.reshape(shape), sea.error.reshape(shape)), sea.converged)
    if sea.cutoff_tail is not None:
        label = {"units": result.attrs["units"], "long_name": CUTOFF_TAIL}
        result["cutoff_tail"] = (result["value"].dims, sea.cutoff_tail.reshape(result["value"].shape), label)
    return result
