"""Intrinsic Nernst and thermal Hall conductivities: Berry curvature weighed with the entropy and the heat of states.

    alpha_ab = (e k_B/hbar) Int sum_n s(E_n) Omega_n,ab
    kappa_ab = -(k_B^2 T/hbar) Int sum_n c_2(x_n) Omega_n,ab

Source: Xiao, Yao, Fang, Niu, PRL 97, 026603 (2006); Qin, Niu, Shi, PRL 107, 236601 (2011).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.quantity import Quantity
from blochflow.models.base import PAIRS
from blochflow.response.berry_moments import BerryMoments
from blochflow.response.catalog import ANOMALOUS_HALL
from blochflow.response.catalog_intrinsic import ANOMALOUS_NERNST, ANOMALOUS_THERMAL_HALL, ORBITAL_MAGNETIZATION
from blochflow.response.magnitudes import size_of_curvature
from blochflow.response.request import Request, ZoneArguments
from blochflow.response.result import raise_if_missed
from blochflow.zone.integral import Integral

if TYPE_CHECKING:
    import xarray as xr

# quantity -> its integral, then those reported beside it: (variable, long name, integral) with the total less the part
RESULTS: dict[str, tuple[Quantity, tuple[str, ...]]] = {
    "anomalous_hall": (ANOMALOUS_HALL, ("hall",)),
    "anomalous_nernst": (ANOMALOUS_NERNST, ("nernst", "mott", "size")),
    "anomalous_thermal_hall": (ANOMALOUS_THERMAL_HALL, ("thermal_hall", "wiedemann_franz")),
    "orbital_magnetization": (ORBITAL_MAGNETIZATION, ("magnetization", "moment", "size")),
}


def anomalous_nernst(
    model: Any, mu: Any, temperature: Any, *, density: Any = None, **zone: Unpack[ZoneArguments]
) -> xr.Dataset:
    """Intrinsic anomalous Nernst conductivity, with the magnetization current subtracted.

        alpha_ab = (e k_B/hbar) Int d^dk/(2 pi)^d sum_n s(E_n) Omega_n,ab,   s = -f ln f - (1 - f) ln(1 - f)

    Source: [Xiao2006] Eqs. (5), (8); [Xiao2010] Sec. V.  Valid for: linear response in the clean limit; it vanishes at
    T = 0.  Not included: side jump and skew scattering, phonon drag.  It is not dM/dT, which differs by the moments of
    states at the Fermi surface.

    Parameters
    ----------
    model : AbstractModel
        2D or 3D.
    mu : float or (M,) array, or None with ``density``
    temperature : float or (T,) array
        States at T = 0 are exact zeros; nothing is integrated for them.
    density : float or array, optional
        Electrons per area or volume instead of mu.
    **zone
        ``rule``, ``grid``, ``shift``, ``symmetry``, ``seed``, ``tolerance``, ``execution``, ``throw`` as for
        `anomalous_hall`.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, a, b), ``converged``; ``mott``, Mott's rule
        -(pi^2 k_B^2 T/3e) dsigma_ab/dmu at the same mu and T, with ``mott_error``.  Units: e k_B/hbar (2D),
        e k_B/(hbar a) (3D) for NATURAL; A/K, A/(K m) for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments, or a one-dimensional model.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    >>> import blochflow as bf
    >>> alpha = bf.response.anomalous_nernst(bf.zoo.haldane(), mu=-1.0, temperature=0.1)
    >>> sorted(alpha.data_vars)
    ['converged', 'error', 'forbidden', 'mott', 'mott_error', 'value']
    """
    request = Request.of("anomalous_nernst", model, mu, temperature, zone, density, plane=True)
    return intrinsic_results(request, ("anomalous_nernst",))["anomalous_nernst"]


def anomalous_thermal_hall(
    model: Any, mu: Any, temperature: Any, *, density: Any = None, **zone: Unpack[ZoneArguments]
) -> xr.Dataset:
    """Intrinsic anomalous thermal Hall conductivity of electrons, with the energy magnetization subtracted.

        kappa_ab = -(k_B^2 T/hbar) Int d^dk/(2 pi)^d sum_n c_2(x_n) Omega_n,ab,   c_2(x) = Int_x^inf t^2 (-df/dt) dt

    Source: [Qin2011]; [Xiao2010] Sec. V.  Valid for: linear response in the clean limit, no correction for open-circuit
    conditions.  Not included: side jump and skew scattering, phonons.

    Parameters
    ----------
    model, mu, temperature, density, **zone
        As for `anomalous_nernst`.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, a, b), ``converged``; ``wiedemann_franz``, the law
        (pi^2 k_B^2 T/3e^2) sigma_ab at the same mu and T, with its error.  Units: k_B E/hbar (2D), k_B E/(hbar a) (3D)
        for NATURAL; W/K, W/(K m) for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments, or a one-dimensional model.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    In the gap of a Chern insulator far below it in temperature the law holds.

    >>> import blochflow as bf
    >>> kappa = bf.response.anomalous_thermal_hall(bf.zoo.haldane(), mu=0.0, temperature=0.01)
    >>> ratio = kappa.value / kappa.wiedemann_franz
    >>> round(float(ratio.sel(a="x", b="y").item()), 6)
    1.0
    """
    request = Request.of("anomalous_thermal_hall", model, mu, temperature, zone, density, plane=True)
    return intrinsic_results(request, ("anomalous_thermal_hall",))["anomalous_thermal_hall"]


def intrinsic_results(request: Request, names: tuple[str, ...]) -> dict[str, xr.Dataset]:
    """Several of `RESULTS` from one pass over the zone."""
    model = request.model
    wanted = [(name, result) for name in names for result in RESULTS[name][1]]
    scales = tuple(request.factor(RESULTS[name][0])[0] for name, _ in wanted)
    first = {name: RESULTS[name][1][0] for name in names}
    pairs = len(PAIRS[model.dimension])
    results = tuple(result for _, result in wanted)
    bands = BerryMoments(pairs, results, scales, jnp.asarray(request.reference))
    place = {pair: index for index, pair in enumerate(wanted)}
    parts = [
        (place[name, whole], place[name, part])
        for name in names
        for whole, part in ROUNDING
        if (name, whole) in place and (name, part) in place
    ]
    # only the Hall conductivity has no other scale: moments come with energies, entropies with temperatures
    terms = abs(scales[0]) * size_of_curvature(model) if names == ("anomalous_hall",) else 0.0
    watched = tuple(first[name] == result for name, result in wanted)
    integrals = request.integrals(bands, watched, tuple(parts), terms=terms)
    found = {name: dict[str, Integral]() for name in names}
    for (name, result), integral in zip(wanted, integrals, strict=True):
        found[name][result] = integral
    return {name: _dataset(request, name, found[name], bands) for name in names}


def _dataset(request: Request, name: str, integrals: dict[str, Integral], bands: BerryMoments) -> xr.Dataset:
    """The result of one quantity, and what stands beside it."""
    quantity, unit = RESULTS[name][0], request.factor(RESULTS[name][0])[1]
    main, *beside = [result for result in integrals if result != "size"]
    result = request.result(quantity, integrals[main], bands, unit, throw=False)
    for other in beside:
        integral, dims = integrals[other], result["value"].dims
        value, error = (request.tensor_rows(x, bands) for x in (integral.value, integral.error))
        if other == "moment":
            berry, unsure = result["value"].values - value, result["error"].values + np.abs(error)
            parts = {"units": unit, "long_name": "moments of filled states, and term of the Berry curvature"}
            result["parts"] = (("part", *dims), np.stack([value, berry]), parts)
            result["parts_error"] = (("part", *dims), np.stack([np.abs(error), unsure]), {"units": unit})
            result = result.assign_coords(part=["moment", "berry"])
        else:
            result[other] = (dims, value, {"units": unit, "long_name": COMPARISONS[other]})
            result[f"{other}_error"] = (dims, np.abs(error), {"units": unit})
    return raise_if_missed(quantity, result, request.throw)


# results (whole, part): a whole that vanishes because its terms cancel is known to the rounding of the part
ROUNDING = (("magnetization", "moment"), ("nernst", "size"), ("mott", "size"))

COMPARISONS = {
    "mott": "Mott's rule -(pi^2 k_B^2 T/3e) dsigma_ab/dmu",
    "wiedemann_franz": "Wiedemann-Franz law (pi^2 k_B^2 T/3e^2) sigma_ab",
}
