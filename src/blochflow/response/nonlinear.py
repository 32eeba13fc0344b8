"""The conductivity quadratic in the electric field; see `nonlinear_conductivity`.

    j_a = sigma_a;bc E_b E_c,   D_a;bc = Int f d_a Omega_bc,   D_a[T_bc] = Int f d_a T_bc
    sigma = -(e^3/hbar^3) {1/(Z2 Z12)} Int f d_a d_b d_c E + (e^3/hbar^2) {D_c;ab/Z2} + (e^3/hbar) {metric}

Source: Sodemann and Fu, PRL 115, 216806 (2015); Gao, Yang, Niu, PRL 112, 166601 (2014); the factors of all models of
relaxation are in `quadratic_terms`.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from blochflow.core.checks import fail
from blochflow.core.errors import ValidityWarning
from blochflow.core.scans import Scan, as_names, as_pairs, as_tau, labelled
from blochflow.models.base import AbstractModel
from blochflow.response.catalog_nonlinear import NONLINEAR_CONDUCTIVITY
from blochflow.response.dipole_integrands import CurvatureDipole, PopulationSea, SymmetricDipoles
from blochflow.response.dipoles import warn_of_groups
from blochflow.response.quadratic_terms import RELAXATION, WITH_POPULATION, drude_factor, quadratic_parts
from blochflow.response.relaxation import per_time
from blochflow.response.request import Request, ZoneArguments
from blochflow.response.tensor_sums import Base, bases, joined, ordered, point_dataset, sharper_request

if TYPE_CHECKING:
    import xarray as xr

# Of the smallest gap: hbar/tau and photon energies above it leave the range of the theory.
MOST_OF_GAP = 0.5


def nonlinear_conductivity(
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    tau: Any = None,
    frequencies: Any = (0.0, 0.0),
    relaxation: Any = "bare",
    density: Any = None,
    **zone: Unpack[ZoneArguments],
) -> xr.Dataset:
    """Conductivity quadratic in the electric field, with Drude, Berry-curvature-dipole and metric parts.

        sigma_a;bc = -(e^3/hbar^3) {1/(Z2 Z12)} Int f d_a d_b d_c E + (e^3/hbar^2) {D_c;ab/Z2}
                     + (e^3/hbar) {c1 D_a[T_bc] + c2 D_c[T_ab] + c3 Y_a^bc},     Z(w) = 1/tau - i w

    Braces: half the sum over (b, w1) <-> (c, w2).  j(t) = sigma(w1, w2) E(w1) E(w2) exp(-i(w1 + w2)t): a field
    Re[E exp(-iwt)] gives j_0 = Re[sigma(w, -w) E E*]/2 and j_2w = sigma(w, w) E E/2.
    Source: [SodemannFu2015]; [Gao2014]; relaxation [Kaplan2024].
    Valid for: hbar/tau and hbar w small against the gaps at mu (``validity_broadening``, ``validity_frequency``);
    e E |A| too.  Not included: scattering beyond a constant tau, absorption between bands.

    Parameters
    ----------
    model : AbstractModel
        1D (no Berry curvature), 2D or 3D.
    mu, temperature, density, **zone
        As for `anomalous_nernst`; T = 0 is refused on grids of points.
    tau : float or (S,) array
        hbar/energy for NATURAL models, fs for EV_ANGSTROM ones; an array adds a dimension ``tau``.
    frequencies : (w1, w2) or (F, 2) array
        Photon energies hbar w in the model's energy; pairs add a dimension ``frequency`` (w1) with a coordinate
        ``second_frequency``.
    relaxation : str or list
        What collisions relax to, which decides the metric part: "bare", bands dressed by the field to f0 of the energy
        without field; "local", to f0 of their energy in the field; "uniform", the density matrix to equilibrium;
        "intraband", only occupations; "clean", no collisions (no tau).  A list adds a dimension ``relaxation``, and
        cannot hold "clean", which has no ``tau``, with others.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature[, relaxation, tau, frequency], a, b, c), complex where a
        frequency is not zero; ``parts``, ``parts_error`` with the dimension ``part``: "drude", "bcd", "metric".  Units:
        e^3 length^(3-d)/(hbar energy); A m^(3-d)/V^2 for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments; "clean" in a list with others, or at zero frequency, where the limit is not unique.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Warns
    -----
    ValidityWarning
        hbar/tau or a frequency exceeds half the smallest gap; or bands coincide at every k.

    Examples
    --------
    >>> import blochflow as bf
    >>> tilted = bf.zoo.massive_dirac(tilt=(0.2, 0.0))
    >>> sigma = bf.response.nonlinear_conductivity(tilted, mu=0.5, temperature=0.02, tau=20.0)
    >>> [str(x) for x in sigma.part.values]
    ['drude', 'bcd', 'metric']
    """
    request = Request.of("nonlinear_conductivity", model, mu, temperature, zone, density)
    names, times, pairs = scans = as_scans(model, relaxation, tau, frequencies)
    rates = 1 / (per_time(model) * times.values)
    warn_of_groups(model)
    choices = [[[(name, rate, *pair) for pair in pairs.values] for rate in rates] for name in names.values]
    found, sharper = _results(request, request, choices)
    if sharper is not None:
        found, _ = _results(request, sharper, choices)
    result = labelled(ordered(joined(found, scans)), scans)
    result.attrs["relaxation"] = "; ".join(f"{name}: {RELAXATION[name]}" for name in names.values)
    check_validity(result, rates.max(), float(np.abs(pairs.values).max()))
    return request.checked(NONLINEAR_CONDUCTIVITY, result)


def _results(request: Request, asked: Request, choices: list[Any]) -> tuple[list[Any], Request | None]:
    """Datasets of all choices from integrals as accurate as ``asked``, and a sharper request where sums cancel."""
    flat = [choice for of_name in choices for of_rate in of_name for choice in of_rate]
    integrals = quadratic_integrals(asked, flat)
    wanted: list[Request] = []

    def one(choice: Any) -> xr.Dataset:
        parts = quadratic_parts(integrals, *choice)
        if not np.any(choice[2:]):
            parts = {name: replace(part, value=part.value.real, tail=part.tail.real) for name, part in parts.items()}
        result, whole = point_dataset(request, NONLINEAR_CONDUCTIVITY, parts, ("a", "b", "c"))
        wanted.extend(sharper_request(request, whole, parts))
        return result

    found = [[[one(choice) for choice in of_rate] for of_rate in of_name] for of_name in choices]
    return found, min(wanted, key=lambda x: x.tolerance.rtol, default=None)


def quadratic_integrals(request: Request, choices: list[Any]) -> dict[str, Base]:
    """The integrals that all choices (relaxation, rate, w1, w2) share."""
    model, d = request.model, request.model.dimension
    # conversion of an absolute tolerance of the result to one of each integral
    factor = NONLINEAR_CONDUCTIVITY.unit(model.units.name, d)[0]
    largest = factor * max(1.0, *(abs(drude_factor(*choice)) for choice in choices))
    surface = SymmetricDipoles(d, (drude_form(request), "normalised"), model)
    drude, normalised = bases(request, surface, largest)
    found = {"drude": drude, "normalised": normalised, "curvature": Base.zero(len(drude.value), d, 3)}
    if d > 1:
        (found["curvature"],) = bases(request, CurvatureDipole.of(model), largest)
    if any(name in WITH_POPULATION for name, *_ in choices):
        (found["population"],) = bases(request, PopulationSea(d), largest)
    return found


def drude_form(request: Request) -> str:
    """By parts where second derivatives of H would cost much more than H: many hoppings, all states above T = 0."""
    return "cubed" if request.model.prepare_grid() is not None and (request.states.kt > 0).all() else "drude"


def as_scans(model: AbstractModel, relaxation: Any, tau: Any, frequencies: Any) -> tuple[Scan, Scan, Scan]:
    """Models of relaxation, relaxation times, which are infinite in the clean limit, and pairs of frequencies."""
    names = as_names(relaxation, "relaxation", tuple(RELAXATION))
    pairs = as_pairs(frequencies, model.units)
    clean = names.values == "clean"
    if not clean.any():
        return names, as_tau(tau, model.units), pairs
    if not clean.all():
        raise fail("relaxation", 'not mix "clean", which has no tau, with others', f"is {names.values.tolist()}")
    if tau is not None:
        raise fail("tau", 'be left out for relaxation="clean"', f"is {tau!r}")
    if (pairs.values == 0).any():
        must = 'hold no zero for relaxation="clean", whose limit there depends on how fields are switched on'
        raise fail("frequencies", must, f"holds {pairs.values[(pairs.values == 0).any(axis=1)][0].tolist()}")
    return names, Scan("tau", np.array([np.inf]), False), pairs


def check_validity(result: xr.Dataset, rate: float, frequency: float) -> None:
    """Record hbar/tau and hbar w over the smallest gap, and warn where they are not small."""
    gap = float(result.attrs["validity_smallest_gap"])
    for name, size, what in (("broadening", rate, "hbar/tau"), ("frequency", frequency, "hbar w")):
        ratio = size / gap if np.isfinite(gap) and gap > 0 else 0.0
        result.attrs[f"validity_{name}"] = ratio
        if ratio > MOST_OF_GAP:
            warnings.warn(
                f"{what} = {size:.3g} is {ratio:.2g} of the smallest gap at mu, {gap:.3g}: the expansion in this "
                "ratio does not hold; compare with bf.exact.liouville_response.",
                ValidityWarning,
                stacklevel=3,
            )
