"""Orbital magnetization, its derivatives, and the bound currents it stands for.

    M = Int sum_n [f_n m_n + (e/hbar) g_n Omega_n],    g = k_B T ln(1 + e^((mu - E)/k_B T))
    dn/dB = dM/dmu = (e/hbar) Int sum_n f_n Omega_n + Int sum_n m_n (-f'_n)
    dS/dB = dM/dT  = (e k_B/hbar) Int sum_n s_n Omega_n + Int sum_n m_n df_n/dT           at fixed mu, T and mu, T

Source: Xiao, Shi, Niu, PRL 95, 137204 (2005); Shi, Vignale, Xiao, Niu, PRL 99, 197202 (2007).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import as_choice, as_real_array, fail
from blochflow.models.base import PAIRS
from blochflow.response.berry_moments import BerryMoments, MomentSurface
from blochflow.response.catalog_intrinsic import MAGNETIZATION_CURRENT, STREDA
from blochflow.response.integrands import as_tensor
from blochflow.response.intrinsic import intrinsic_results
from blochflow.response.request import Request, ZoneArguments
from blochflow.response.result import raise_if_missed
from blochflow.zone.integral import Integral, combined

if TYPE_CHECKING:
    import xarray as xr

PARTS = ("total", "sea")


def orbital_magnetization(
    model: Any, mu: Any, temperature: Any, *, density: Any = None, **zone: Unpack[ZoneArguments]
) -> xr.Dataset:
    """Orbital magnetization of a two- or three-dimensional crystal.

        M_ab = Int d^dk/(2 pi)^d sum_n [f_n m_n,ab + (e/hbar) g_n Omega_n,ab],   M_ab = eps_abc M_c

    Source: [Xiao2005]; [Thonhauser2005] for insulators; [Shi2007] Eq. (12) for T > 0.  Valid for: independent
    electrons in zero field, T >= 0.  Not included: spin, circulation inside the orbitals or Wannier functions, bands
    outside the model.

    It is evaluated as sum_j (f_j - f_j+1) sum_(n<=j<m) (E_n + E_m - 2 mu) Im(V_a,nm V_b,mn)/(E_n - E_m)^2 and the
    entropy term of the curvature, in which touching filled bands cancel.

    Parameters
    ----------
    model, mu, temperature, density, **zone
        As for `anomalous_nernst`.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, a, b), ``converged``; ``parts``, ``parts_error`` with the
        dimension ``part``: "moment" (moments of filled states) and "berry" (term of the curvature), whose sum is the
        value.  The tolerance holds for the value; the parts may be uncertain where filled bands nearly touch.  Units:
        e E/hbar (2D), e E/(hbar a) (3D) for NATURAL; A (2D), A/m (3D) for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments, or a one-dimensional model.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    In the gap of a Chern insulator M changes with mu at the rate C e/(2 pi hbar), here C = -1.

    >>> import blochflow as bf
    >>> m = bf.response.orbital_magnetization(bf.zoo.haldane(), mu=[-0.1, 0.1], temperature=0.0)
    >>> slope = float(m.value.sel(a="x", b="y").diff("mu").item()) / 0.2
    >>> round(slope * 6.283185307, 5)
    -1.0
    """
    request = Request.of("orbital_magnetization", model, mu, temperature, zone, density, plane=True)
    return intrinsic_results(request, ("orbital_magnetization",))["orbital_magnetization"]


def streda(
    model: Any, mu: Any, temperature: Any, *, part: str = "total", density: Any = None, **zone: Unpack[ZoneArguments]
) -> xr.Dataset:
    """Change of the electron density with the magnetic field at fixed mu and T.

        dn/dB = dM/dmu = (e/hbar) Int d^dk/(2 pi)^d sum_n f_n Omega_n + Int d^dk/(2 pi)^d sum_n m_n (-f'_n)

    Source: [Streda1982]; [Xiao2010] Sec. III.  Valid for: zero field.  The sea part alone is -sigma_ab/e of the
    intrinsic Hall effect; the total is so only in a gap at T = 0.  Not included: spin, circulation inside the orbitals.

    Parameters
    ----------
    model, mu, temperature, density, **zone
        As for `anomalous_nernst`.
    part : "total" or "sea"
        What ``value`` is; the sea alone needs no integral over the Fermi surface.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, a, b), ``converged``; for the total also ``parts``,
        ``parts_error`` with the dimension ``part``: "sea", "surface".  Units: e/hbar (2D), e/(hbar a) (3D) for NATURAL;
        1/(T angstrom^2), 1/(T angstrom^3) for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments, or a one-dimensional model.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    >>> import blochflow as bf
    >>> slope = bf.response.streda(bf.zoo.haldane(), mu=0.0, temperature=0.0)
    >>> round(float(slope.value.sel(a="x", b="y").item()) * 6.283185307, 6)  # C
    -1.0
    """
    part = as_choice(part, "part", PARTS)
    request = Request.of("streda", model, mu, temperature, zone, density, plane=True)
    scale, unit = request.factor(STREDA)
    pairs = pairs_of(request)
    # "hall" carries the sign of the conductivity
    sea = BerryMoments(pairs, ("hall",), (-scale,), jnp.asarray(request.reference))
    if part == "sea":
        (filled,) = request.integrals(sea)
        return request.result(STREDA, filled, sea, unit, request.throw)

    def terms(asked: Request) -> list[Integral]:
        (filled,), (moments,) = asked.integrals(sea), asked.integrals(MomentSurface(pairs, (0,)), factor=abs(scale))
        return [filled, moments.scaled(scale)]

    each = terms(request)
    tighter = request.tightened(request.added(*each))
    each = each if tighter is None else terms(tighter)
    result = request.result(STREDA, request.added(*each), sea, unit, throw=False)
    parts = [request.tensor_rows(x.value, sea) for x in each]
    unsure = [np.abs(request.tensor_rows(x.error, sea)) for x in each]
    dims = result["value"].dims
    result["parts"] = (("part", *dims), np.stack(parts), {"units": unit, "long_name": "states below mu, states at mu"})
    result["parts_error"] = (("part", *dims), np.stack(unsure), {"units": unit})
    return raise_if_missed(STREDA, result.assign_coords(part=["sea", "surface"]), request.throw)


def magnetization_current(
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    mu_gradient: Any = None,
    temperature_gradient: Any = None,
    density: Any = None,
    **zone: Unpack[ZoneArguments],
) -> xr.Dataset:
    """Bound current of a magnetization that varies because mu or the temperature do.

        j = curl M:   j_a = sum_b [ (dM_ab/dmu) d_b mu + (dM_ab/dT) d_b T ]

    Source: [Cooper1997]; [Xiao2006].  Valid for: slowly varying mu and T.  It carries no charge through a sample:
    transport currents are local ones less this.  Not included: magnetization that varies because the crystal does.

    Parameters
    ----------
    model, mu, temperature, density, **zone
        As for `anomalous_nernst`.
    mu_gradient : (d,) or (M, d) array
        d mu/dr in the model's energy and length, for all or for each of the M values of mu (or density), so that
        a profile mu(r) is given by its values and slopes; default 0.
    temperature_gradient : (d,) or (T, d) array
        dT/dr in the model's temperature and length, for all or for each temperature; default 0.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, a), ``converged``.  Units: e E/(hbar a) (2D), e E/(hbar a^2)
        (3D) for NATURAL; A/m (2D), A/m^2 (3D) for EV_ANGSTROM models.

    Raises
    ------
    ValueError
        Wrong arguments, no gradient, or a one-dimensional model.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    >>> import blochflow as bf
    >>> j = bf.response.magnetization_current(bf.zoo.haldane(), mu=0.0, temperature=0.0, mu_gradient=[0.0, 0.01])
    >>> round(float(j.value.sel(a="x").item()) * 6.283185307, 6)  # C d_y mu e/(2 pi hbar)
    -0.01
    """
    request = Request.of("magnetization_current", model, mu, temperature, zone, density, plane=True)
    pairs = pairs_of(request)
    if mu_gradient is None and temperature_gradient is None:
        raise fail("mu_gradient", "be given, or `temperature_gradient`, or both", "none is given")
    gradients = gradients_of(request, mu_gradient, temperature_gradient)
    scale, unit = request.factor(MAGNETIZATION_CURRENT)
    boltzmann = request.model.units.boltzmann
    # the size of the terms of "nernst" tells its rounding where they cancel
    scales = (-scale, scale * boltzmann, scale * boltzmann)
    sea = BerryMoments(pairs, ("hall", "nernst", "size"), scales, jnp.asarray(request.reference))
    surface = MomentSurface(pairs, (0, 1))
    factors = (scale, scale * boltzmann)

    def current_of(asked: Request) -> Integral:
        filled = asked.integrals(sea, (True, True, False), ((1, 2),))[:2]
        moments = [x.scaled(f) for x, f in zip(asked.integrals(surface), factors, strict=True)]
        slopes = [request.added(a, b) for a, b in zip(filled, moments, strict=True)]
        return contracted(request, slopes, gradients, sea)

    current = current_of(request)
    tighter = request.tightened(current)
    current = current if tighter is None else current_of(tighter)
    return request.dataset(MAGNETIZATION_CURRENT, current, lambda x: x, ("a",), unit, request.throw)


def contracted(request: Request, slopes: list[Integral], gradients: list[np.ndarray], bands: BerryMoments) -> Integral:
    """j_a = sum_i sum_b slope_i,ab gradient_i,b, with the errors of all terms added."""
    d = request.model.dimension

    def current(name: str, sign: Any) -> np.ndarray:
        terms = [
            np.einsum("pab,pb->pa", sign(as_tensor(getattr(x, name), bands, d)), sign(g))
            for x, g in zip(slopes, gradients, strict=True)
        ]
        return np.asarray(sum(terms))

    value, error = current("value", np.asarray), current("error", np.abs)
    absolute = np.broadcast_to(current("absolute", np.abs).max(axis=-1, keepdims=True), value.shape)
    # the slopes are tensors of the same passes
    points = slopes[0].evaluations
    total = combined(slopes, value, error, absolute, request.tolerance)
    return replace(total, evaluations=points, history=[(points, value)])


def pairs_of(request: Request) -> int:
    """Components of an antisymmetric tensor."""
    return len(PAIRS[request.model.dimension])


def gradients_of(request: Request, mu_gradient: Any, temperature_gradient: Any) -> list[np.ndarray]:
    """Of mu and T at every state, (P, d) each."""
    d, (first, second) = request.model.dimension, request.states.shape
    of_mu = np.repeat(as_gradient(mu_gradient, "mu_gradient", d, first), second, axis=0)
    of_temperature = np.tile(as_gradient(temperature_gradient, "temperature_gradient", d, second), (first, 1))
    copies = len(request.all_states()[0]) // len(of_mu)
    return [np.tile(gradient, (copies, 1)) for gradient in (of_mu, of_temperature)]


def as_gradient(value: Any, name: str, dimension: int, count: int) -> np.ndarray:
    """(count, d) numbers; None is zero."""
    if value is None:
        return np.zeros((count, dimension))
    array = as_real_array(value, name, max_ndim=2)
    if np.shape(array) not in ((dimension,), (count, dimension)):
        must = f"hold one number per direction, {dimension}, or such a row for each of {count} values"
        raise fail(name, must, f"has shape {np.shape(array)}")
    return np.asarray(np.broadcast_to(array, (count, dimension)))
