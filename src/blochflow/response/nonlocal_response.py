"""Conductivity at first order in the wave vector of a longitudinal field; see `nonlocal_conductivity`.

    j_a = sigma_ac E_c + chi_a;bc d_b E_c,    chi = -(e^2/2) M(z),    z = w + i/tau
    M = M2/z^2 + M1/z + 2 S + rest,   S = S_band + S_curl            value: M as one integral;  rest: M less the others
    S_band,a;bc = Int f [ (1/2) d_a g_bc + (1/4)(d_b g_ca + d_c g_ba) + v_a T_bc - (1/2)(v_b T_ca + v_c T_ba) ]

Source: Lapa and Hughes, PRB 99, 121111 (2019), whose wave-packet energy alone gives half the longitudinal part; Gao and
Xiao, PRL 122, 227402 (2019), on the metric dipole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import as_choice
from blochflow.core.scans import as_photons, as_tau, labelled
from blochflow.response.average import has_many_bands, serves_mixed, uses_symmetry
from blochflow.response.catalog_nonlinear import NONLOCAL_CONDUCTIVITY
from blochflow.response.dipole_integrands import SymmetricDipoles
from blochflow.response.dipoles import LEFT_OUT, warn_of_groups
from blochflow.response.flow_integrands import FlowSea, MomentFlow
from blochflow.response.magnitudes import size_of_dipole
from blochflow.response.nonlinear import check_validity
from blochflow.response.relaxation import per_time
from blochflow.response.request import Request, ZoneArguments
from blochflow.response.tensor_sums import (
    Base,
    as_integral,
    bases,
    joined,
    ordered,
    point_dataset,
    sharper_request,
    total,
)
from blochflow.response.trace_integrand import TraceResponse
from blochflow.response.zone_options import check_options, least_evaluations
from blochflow.zone.certificate import Filling
from blochflow.zone.integral import Integral

if TYPE_CHECKING:
    import xarray as xr

# name -> what relaxes, and whether the formula was checked against the density matrix
RELAXATION = {
    "uniform": "every element of the density matrix relaxes to equilibrium: verified",
    "occupations": "only occupations of bands relax, v_a T_bc gets the factor w/(w + i/tau): derived",
    "mermin": "relaxation to local equilibrium conserves charge, which changes nothing at first order in q: derived",
}
# k points of integrals for parts: so many times those of the value, or at least these.
MORE_FOR_PARTS = 4
FEWEST_FOR_PARTS = 4_000
IN_INTERBAND = 'pairs within such a group are in the value and in its part "interband", and in no other part'


def nonlocal_conductivity(
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    tau: Any = None,
    frequency: Any = 0.0,
    relaxation: str = "uniform",
    density: Any = None,
    **zone: Unpack[ZoneArguments],
) -> xr.Dataset:
    """Response of the current to a gradient of the electric field: the conductivity at first order in q.

        j_a = sigma_ac E_c + chi_a;bc d_b E_c,   sigma_ac(q) = sigma_ac + i q_b chi_a;bc,   chi = -(e^2/2) M(w + i/tau)
        M_a;bc(z) = sym_bc Int tr[ d_a H R_z {d_b H, R_z d_c rho_0} ],   R_z = (z - [H, .])^-1

    Source: [LapaHughes2019], [Gao2019] for the part of the metric; the trace is exact for any number of bands.
    Valid for: potentials, E = -grad phi, so that only the part symmetric in (b, c) has a meaning; |q| v below
    |hbar w + i hbar/tau|.  Not included: transverse fields (optical activity), vertex corrections.

    Parameters
    ----------
    model, mu, temperature, density, **zone
        As for `anomalous_nernst`, in one dimension too; T = 0 is refused on grids of points.
    tau : float or (S,) array
        hbar/energy for NATURAL models, fs for EV_ANGSTROM ones.
    frequency : float or (F,) array
        Photon energy hbar w in the model's energy.
    relaxation : "uniform", "occupations" or "mermin"
        "uniform": all of the density matrix relaxes to equilibrium; "occupations": the current of bands of which only
        the occupations relax, without ``curl`` and ``interband``; "mermin": relaxation to local equilibrium conserves
        charge, and its extra term, Int f' v_a times the density, vanishes at this order.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature[, tau, frequency], a, b, c), symmetric in (b, c), complex where
        a frequency is not zero; ``parts`` with the dimension ``part``: "m2" (kinetic), "m1" (curl of orbital moments),
        "band" (flow of the metric), "curl" (induced magnetization) and "interband" (higher orders in hbar z/gap).
        ``longitudinal``, the totally symmetric part, which alone has no circulating current, with its error.  Units:
        e^2 length^(3-d)/hbar; S m^(3-d) for EV_ANGSTROM models.  The value is the trace itself, one integral that is
        smooth where bands touch ("occupations": the sum of its parts).  Every part diverges there, with a power of the
        gap, and what cancels between them is in their errors alone: ``converged`` speaks of the value, ``parts_error``
        may be large.  Of bands that coincide at every k the value holds the pairs among them, and with it "interband".

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Warns
    -----
    ValidityWarning
        hbar/tau or the frequency exceeds half the smallest gap, where the parts are no expansion; or bands coincide at
        every k.

    Examples
    --------
    >>> import blochflow as bf
    >>> tilted = bf.zoo.massive_dirac(tilt=(0.2, 0.0))
    >>> chi = bf.response.nonlocal_conductivity(tilted, mu=0.5, temperature=0.05, tau=20.0)
    >>> [str(x) for x in chi.part.values]
    ['m2', 'm1', 'band', 'curl', 'interband']
    """
    request = Request.of("nonlocal_conductivity", model, mu, temperature, zone, density)
    name = as_choice(relaxation, "relaxation", tuple(RELAXATION))
    times, photons = scans = as_tau(tau, model.units), as_photons(frequency, "frequency", model.units)
    rates = 1 / (per_time(model) * times.values)
    warn_of_groups(model, LEFT_OUT if name == "occupations" else IN_INTERBAND)
    points = [[(rate, w) for w in photons.values] for rate in rates]
    result = labelled(ordered(joined(_results(request, name, points), scans)), scans)
    result.attrs["relaxation"] = f"{name}: {RELAXATION[name]}"
    check_validity(result, rates.max(), float(np.abs(photons.values).max()))
    return request.checked(NONLOCAL_CONDUCTIVITY, result)


def _results(request: Request, relaxation: str, points: list[list[tuple[float, float]]]) -> list[list[xr.Dataset]]:
    """Datasets of all rates and frequencies."""
    if relaxation == "occupations":
        found, sharper = _of_occupations(request, request, points)
        return found if sharper is None else _of_occupations(request, sharper, points)[0]
    values = [[whole_trace(request, frequency + 1j * rate) for rate, frequency in of_rate] for of_rate in points]
    shared = static_integrals(for_parts(request, max(x.evaluations for row in values for x in row)))

    def one(rate: float, frequency: float, whole: Base) -> xr.Dataset:
        z = frequency + 1j * rate
        parts = {name: weighed(shared, [terms]) for name, terms in laurent_factors(z, z).items()}
        # what they hold together: what cancels between them, as v_a T_bc does, has no error
        known = weighed(shared, laurent_factors(z, z).values())
        parts["interband"] = whole.plus(known.times(-1.0))
        whole = replace(whole, sources=parts["interband"].sources)
        return _dataset(request, frequency, parts, whole)[0]

    return [
        [one(*point, value) for point, value in zip(*rows, strict=True)] for rows in zip(points, values, strict=True)
    ]


def _of_occupations(request: Request, asked: Request, points: list[Any]) -> tuple[list[Any], Request | None]:
    """From integrals as ``asked``, and a sharper request where they cancel: bands alone have no trace of their own."""
    shared = static_integrals(asked)
    wanted: list[Request] = []

    def one(rate: float, frequency: float) -> xr.Dataset:
        factors = laurent_factors(frequency + 1j * rate, frequency)
        del factors["curl"]
        parts = {name: weighed(shared, [terms]) for name, terms in factors.items()}
        found, judged = _dataset(request, frequency, parts, weighed(shared, factors.values()))
        wanted.extend(sharper_request(request, judged, parts))
        return found

    found = [[one(*point) for point in of_rate] for of_rate in points]
    return found, min(wanted, key=lambda x: x.tolerance.rtol, default=None)


def _dataset(request: Request, frequency: float, parts: dict[str, Base], whole: Base) -> tuple[xr.Dataset, Integral]:
    """Of one rate and frequency."""
    if frequency == 0:
        parts, whole = {name: real(part) for name, part in parts.items()}, real(whole)
    result, judged = point_dataset(request, NONLOCAL_CONDUCTIVITY, parts, ("a", "b", "c"), whole)
    return with_longitudinal(result), judged


def whole_trace(request: Request, z: complex) -> Base:
    """-M(z)/2, as one integral or as those over states and at the Fermi surface, to the tolerance of their sum."""
    model = request.model
    unit = NONLOCAL_CONDUCTIVITY.unit(model.units.name, model.dimension)[0]
    split = uses_symmetry(model, request.options, request.tolerance)
    terms = jnp.asarray(size_of_dipole(model, 2) / abs(z))

    def trace(of: str) -> TraceResponse:
        return TraceResponse(model.dimension, of, split, bool(z.real == 0), jnp.asarray(z, dtype=complex), terms)

    def integrated(asked: Request, names: tuple[str, ...]) -> Base:
        return total(_assembled(asked, trace(of), unit) for of in names)

    filling = Filling(*request.all_states())
    kinds: tuple[str, ...] = ("sea", "surface")
    if serves_mixed(model, trace("both"), filling, request.options, request.tolerance, request.execution):
        found = integrated(request, ("both",))
        if all(source.converged.all() for source in found.sources) or not may_use_cells(request):
            kinds = ("both",)
    if kinds != ("both",):
        found = integrated(request, kinds)
    judged = as_integral(request, found, unit)
    for tighter in sharper_request(request, judged, {"value": found}):
        found = integrated(tighter, kinds)
    return found


def _assembled(request: Request, bands: TraceResponse, unit: float) -> Base:
    """Complex sum of the tensors, each of which is known to the tolerance of the largest."""
    count, rtol = bands.tensors, request.tolerance.rtol
    pairs = tuple((i, j, rtol) for i in range(count) for j in range(count) if i != j)
    each = bases(request, bands, unit, pairs)
    half = len(bands.parities)
    imaginary = [x.times(1j) for x in each[half:]]
    return total([*each[:half], *imaginary]).times(-0.5)


def may_use_cells(request: Request) -> bool:
    """Whether a grid that did not converge was only a first attempt."""
    rule, fixed = check_options(request.model, request.options, request.tolerance)
    return rule == "auto" and fixed is None and not has_many_bands(request.model)


def for_parts(request: Request, evaluations: int) -> Request:
    """Parts are computed on not many more points than the value, which does not need them."""
    _, fixed = check_options(request.model, request.options, request.tolerance)
    if fixed is not None:
        return request
    tolerance = request.tolerance
    fewest = max(FEWEST_FOR_PARTS, least_evaluations(request.model, tolerance))
    most = max(fewest, MORE_FOR_PARTS * evaluations)
    most = min(most, tolerance.evaluations(request.model.dimension))
    return replace(request, tolerance=replace(tolerance, max_evaluations=most))


def static_integrals(request: Request) -> dict[str, Base]:
    """Integrals that do not depend on z."""
    d = request.model.dimension
    unit = NONLOCAL_CONDUCTIVITY.unit(request.model.units.name, d)[0]
    names = ("cube", "metric_total", "metric_mixed")
    found = dict(zip(names, bases(request, SymmetricDipoles(d, names), unit), strict=True))
    found |= zip(("drift_total", "drift_mixed", "kubo"), bases(request, FlowSea(d), unit), strict=True)
    found["moment"] = Base.zero(len(found["cube"].value), d, 3)
    if d > 1:
        (found["moment"],) = bases(request, MomentFlow(d, jnp.asarray(size_of_dipole(request.model, 1))), unit)
    return found


def laurent_factors(z: complex, drifting: complex) -> dict[str, dict[str, complex]]:
    """chi/e^2 of orders z^-2, z^-1 and z^0: part -> integral -> factor.

    Cyclic orders of a mixed tensor add up to nothing.
    """
    # v_a T_bc comes from the displacement that changes in time
    moves = 1.0 if drifting == z else drifting / z
    return {
        "m2": {"cube": 1 / z**2},
        "m1": {"moment": -0.5j / z},
        "band": {"metric_total": -1.0, "metric_mixed": -0.25, "drift_total": 1 - moves, "drift_mixed": -0.5 - moves},
        "curl": {"metric_mixed": 0.75, "drift_mixed": 1.5, "kubo": -1.0},
    }


def weighed(shared: dict[str, Base], parts: Iterable[Mapping[str, complex]]) -> Base:
    """Sum of integrals with the factors of all ``parts``."""
    each = list(parts)
    names = dict.fromkeys(name for terms in each for name in terms)
    return total(shared[name].times(sum(terms.get(name, 0.0) for terms in each)) for name in names)


def real(part: Base) -> Base:
    """Without the imaginary part, which is zero at zero frequency."""
    return replace(part, value=part.value.real, tail=part.tail.real)


def with_longitudinal(result: xr.Dataset) -> xr.Dataset:
    """Add the totally symmetric part."""
    for name, source in (("longitudinal", "value"), ("longitudinal_error", "error")):
        tensor = result[source]
        data = sum(
            tensor.values.transpose(*range(tensor.ndim - 3), *(tensor.ndim - 3 + i for i in order))
            for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
        )
        label = {"units": result.attrs["units"], "long_name": "totally symmetric part"}
        result[name] = (tensor.dims, data / 3, label)
    return result
