"""Conductivity at first order in the wave vector of a longitudinal field; see `nonlocal_conductivity`.

    j_a = sigma_ac E_c + chi_a;bc d_b E_c,    chi = -(e^2/2) M(z),    z = w + i/tau
    M = M2/z^2 + M1/z + 2 S + rest,   S = S_band + S_curl
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
from blochflow.response.catalog_nonlinear import NONLOCAL_CONDUCTIVITY
from blochflow.response.dipole_integrands import SymmetricDipoles
from blochflow.response.dipoles import warn_of_groups
from blochflow.response.flow_integrands import FlowSea, InterbandRest, InterbandSea, InterbandSurface, MomentFlow
from blochflow.response.magnitudes import size_of_dipole
from blochflow.response.nonlinear import check_validity
from blochflow.response.relaxation import per_time
from blochflow.response.request import Request, ZoneArguments
from blochflow.response.tensor_sums import Base, bases, joined, ordered, point_dataset, sharper_request, total

if TYPE_CHECKING:
    import xarray as xr

# name -> what relaxes, and whether the formula was checked against the density matrix
RELAXATION = {
    "uniform": "every element of the density matrix relaxes to equilibrium: verified",
    "occupations": "only occupations of bands relax, v_a T_bc gets the factor w/(w + i/tau): derived",
    "mermin": "relaxation to local equilibrium conserves charge, which changes nothing at first order in q: derived",
}
# Powers of the width of the spectrum in the size of what the first order in z adds.
SIZES: dict[type[InterbandRest], int] = {InterbandSurface: 3, InterbandSea: 4}
# Share of the tolerance that what frequency adds may use up.
SHARE = 0.25


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
        What cancels between them, as v_a T_bc does in "uniform", is in their errors and not in that of the value;
        ``longitudinal``, the totally symmetric part, which alone has no circulating current, with its error.  Units:
        e^2 length^(3-d)/hbar; S m^(3-d) for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Warns
    -----
    ValidityWarning
        hbar/tau or the frequency exceeds half the smallest gap; or bands coincide at every k.

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
    warn_of_groups(model)
    points = [[(rate, w) for w in photons.values] for rate in rates]
    found, sharper = _results(request, request, name, points)
    if sharper is not None:
        found, _ = _results(request, sharper, name, points)
    result = labelled(ordered(joined(found, scans)), scans)
    result.attrs["relaxation"] = f"{name}: {RELAXATION[name]}"
    check_validity(result, rates.max(), float(np.abs(photons.values).max()))
    return request.checked(NONLOCAL_CONDUCTIVITY, result)


def _results(request: Request, asked: Request, relaxation: str, points: list[Any]) -> tuple[list[Any], Request | None]:
    """Datasets of all rates and frequencies from integrals as ``asked``, and a sharper request where sums cancel."""
    shared = static_integrals(asked)
    wanted: list[Request] = []

    def one(rate: float, frequency: float) -> xr.Dataset:
        z = frequency + 1j * rate
        factors = laurent_factors(z, frequency if relaxation == "occupations" else z)
        if relaxation == "occupations":
            del factors["curl"]
        parts = {name: weighed(shared, [terms]) for name, terms in factors.items()}
        # by integrals, not by parts: what cancels between these, as v_a T_bc does, has no error
        whole = weighed(shared, factors.values())
        if relaxation != "occupations":
            parts["interband"] = interband(asked, whole, z)
            whole = whole.plus(parts["interband"])
        if frequency == 0:
            parts = {name: real(part) for name, part in parts.items()}
            whole = real(whole)
        result, judged = point_dataset(request, NONLOCAL_CONDUCTIVITY, parts, ("a", "b", "c"), whole)
        wanted.extend(sharper_request(request, judged, parts))
        return with_longitudinal(result)

    found = [[one(*point) for point in of_rate] for of_rate in points]
    return found, min(wanted, key=lambda x: x.tolerance.rtol, default=None)


def static_integrals(request: Request) -> dict[str, Base]:
    """Integrals that do not depend on z."""
    d = request.model.dimension
    unit = NONLOCAL_CONDUCTIVITY.unit(request.model.units.name, d)[0]
    names = ("cube", "metric_total", "metric_mixed")
    found = dict(zip(names, bases(request, SymmetricDipoles(d, names), unit), strict=True))
    found |= zip(("drift_total", "drift_mixed", "kubo"), bases(request, FlowSea(d), unit), strict=True)
    found["moment"] = Base.zero(len(found["cube"].value), d, 3)
    if d > 1:
        (found["moment"],) = bases(request, MomentFlow(d, size_of_dipole(request.model, 1)), unit)
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


def interband(request: Request, known: Base, z: complex) -> Base:
    """-(1/2) rest(z), to a share of the tolerance of the whole, which is ``known`` but for this."""
    d = request.model.dimension
    scale = np.abs(known.value).reshape(len(known.value), -1).max(axis=1).min()
    unit = NONLOCAL_CONDUCTIVITY.unit(request.model.units.name, d)[0]
    given = 0.0 if request.tolerance.atol is None else request.tolerance.atol
    atol = SHARE * max(request.tolerance.rtol * unit * float(scale), given)
    asked = replace(request, tolerance=replace(request.tolerance, atol=atol))
    # each order in z has one width more than the moments; sums over states, without f', another
    sizes = {kind: float(abs(z)) * size_of_dipole(request.model, n) for kind, n in SIZES.items()}
    found = []
    # the odd part has no totally symmetric one, which is all that a line has
    for even in (True, False) if d > 1 else (True,):
        for kind, size in sizes.items():
            # products at the surface that are even in z are sums of one sign
            terms = 0.0 if even and kind is InterbandSurface else size
            re, im = bases(asked, kind(d, even, terms, jnp.asarray(z)), unit)
            found.append(re.plus(im.times(1j)).times(-0.5))
    return total(found)


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
