"""Inverse effective mass tensors.

    band:           d_a d_b E_n = <n|d_a d_b H|n> + 2 sum_{m != n} Re(W_a,nm W_b,mn)/(E_n - E_m),   W_a = U^+ (d_a H) U
    instantaneous:  d_a d_b E_n - 2 sum_{m != n} (E_n - E_m) Re(A_nm,a A_mn,b)     = <n|d_a d_b H|n> without positions

The band mass governs slow fields (Drude weight, cyclotron mass); the instantaneous one is the response to an impulse
shorter than hbar/gap, and in the complete Hilbert space of p^2/2m equals 1/m (f-sum rule).
W is the plain gradient: energies do not depend on the position matrices; A is the covariant connection, which does.
Source: Ashcroft and Mermin, "Solid State Physics" (1976), App. E; Blount, Solid State Phys. 13, 305 (1962).
"""

from __future__ import annotations

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import as_choice
from blochflow.geometry.bands import Bands, rotate
from blochflow.geometry.connection import check_group, on_batch, pair_sum, symmetric
from blochflow.geometry.subspace import touching_bands
from blochflow.models.base import AbstractModel, check_finite


def inverse_mass(bands: Bands, *, kind: str = "band", degenerate: str = "raise") -> Array:
    """Inverse effective mass tensor of each band, times hbar^2.

        kind="band":           d_a d_b E_n
        kind="instantaneous":  d_a d_b E_n + 2 sum_{m != n} (E_m - E_n) Re(A_nm,a A_mn,b)

    Source: Ashcroft and Mermin (1976), App. E; Blount, Solid State Phys. 13, 305 (1962), for the sum rule.
    Valid for: non-degenerate bands; at a degeneracy the second derivatives of single bands do not exist, and a group
    does not help.  The instantaneous mass is within the model's basis.

    Parameters
    ----------
    bands : Bands
    kind : {"band", "instantaneous"}
        "band" for slow fields, "instantaneous" for an impulse shorter than hbar/gap.
    degenerate : {"raise", "nan"}
        Refuse bands that touch others within rounding, or write NaN there.  Inside jit always NaN.

    Returns
    -------
    (k, a, b, n) array, symmetric in (a, b), in energy times length squared.

    Raises
    ------
    DegenerateBandsError
        A band touches another; names k, bands and gap.
    NonFiniteError
        The second derivative of H does not exist at some k.
    ValueError
        Unknown ``kind``.

    Examples
    --------
    >>> import blochflow as bf
    >>> chain = bf.TightBinding([[1.0]], [[0.0]], [(-0.5, 0, 0, (1,))])           # E = -cos k
    >>> round(float(bf.geometry.inverse_mass(bf.bands(chain, [0.0]))[0, 0, 0, 0]), 12)
    1.0
    """
    as_choice(kind, "kind", ("band", "instantaneous"))
    check_group(bands, "inverse mass", None, degenerate)
    arrays = (bands.k, bands.energies, bands.states, bands.velocity, touching_bands(bands))
    mass = on_batch(_inverse_mass, arrays, bands.model, kind)
    if degenerate == "raise" and not bands.is_traced:
        check_finite(np.asarray(mass), np.asarray(bands.k), "The inverse mass")
    return mass


def _inverse_mass(
    k: Array,
    energies: Array,
    states: Array,
    velocity: Array,
    touching: Array,
    model: AbstractModel,
    kind: str,
) -> Array:
    curvature = rotate(model.hessian(k), states)
    mass = jnp.diagonal(curvature, axis1=-2, axis2=-1).real
    covariant = pair_sum(energies, velocity, touching, None, lambda inverse: 2 * inverse)
    if model.has_position_matrices:
        gradient = rotate(model.matrices(k).gradient, states)
        plain = pair_sum(energies, gradient, touching, None, lambda inverse: 2 * inverse)
    else:
        plain = covariant
    if kind == "instantaneous":
        # (E_n - E_m) A_nm A_mn = V_nm V_mn / (E_n - E_m); without positions only the NaN marks of the sum remain
        plain = plain - covariant
    return symmetric(mass + plain.real)
