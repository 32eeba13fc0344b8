"""Berry curvature of a band, of a group of bands (trace), and the non-abelian curvature matrix of a group.

    Omega_n,ab = d_a A_b - d_b A_a = -2 sum_{m != n} Im(V_a,nm V_b,mn)/(E_n - E_m)^2 + F_ab,nn
    F^g_ab     = i P [d_a P, d_b P] P + P F_ab P                  trace over the group = sum of its Omega

F is the curvature of the basis itself (zero without position matrices), P the projector on the group.  The
curvature is stored as the antisymmetric tensor (a, b); `to_axial` is the one conversion to a vector, in 3D.
Source: Berry, Proc. R. Soc. A 392, 45 (1984); Wang et al., PRB 74, 195118 (2006), Eqs. (30)-(32); Wilczek and Zee,
PRL 52, 2111 (1984).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import fail
from blochflow.geometry.bands import Bands, adjoint
from blochflow.geometry.connection import (
    NOT_DEFINED,
    antisymmetric,
    check_group,
    evaluate,
    inverse_gap,
    on_batch,
    pair_sum,
)
from blochflow.geometry.subspace import Subspace, touching_bands
from blochflow.models.base import PAIRS

# Of the largest component: sums over a few hundred bands round by less.
ANTISYMMETRY_TOLERANCE = 1e-10


def berry_curvature(bands: Bands, *, subspace: Subspace | None = None, degenerate: str = "raise") -> Array:
    """Berry curvature of each band, or its trace over a group of bands.

        Omega_n,ab = -2 Im<d_a u_n|d_b u_n> = -2 sum_{m != n} Im(V_a,nm V_b,mn)/(E_n - E_m)^2 + F_ab,nn

    Source: Xiao, Chang, Niu, RMP 82, 1959 (2010), Eq. (1.13); Wang et al., PRB 74, 195118 (2006), Eq. (32).
    Valid for: bands (or groups) separated from the others; exact also with position matrices.  Sum over all bands
    is 0 for a plain tight-binding model.

    Parameters
    ----------
    bands : Bands
    subspace : Subspace, optional
        Return the trace over this group: finite and gauge invariant however its bands touch each other.
    degenerate : {"raise", "nan"}
        Refuse bands (groups) that touch others within rounding, or write NaN there.  Inside jit always NaN.

    Returns
    -------
    (k, a, b, n) or, for a group, (k, a, b) array, antisymmetric in (a, b), in the model's length squared.

    Raises
    ------
    DegenerateBandsError
        A band touches another; names k, bands and gap.

    Examples
    --------
    >>> import blochflow as bf
    >>> omega = bf.geometry.berry_curvature(bf.bands(bf.zoo.haldane(), [[0.3, 0.5]]))
    >>> bool(abs(omega[0, 0, 1].sum()) < 1e-12)
    True
    """
    return evaluate(_curvature, bands, "Berry curvature", subspace, degenerate)


def _curvature(
    energies: Array, velocity: Array, touching: Array, basis: Array | None, subspace: Subspace | None
) -> Array:
    pairs = pair_sum(energies, velocity, touching, subspace, lambda inverse: inverse**2)
    omega = -2.0 * antisymmetric(pairs.imag)
    if basis is None:
        return omega
    diagonal = jnp.diagonal(basis, axis1=-2, axis2=-1).real
    if subspace is None:
        return omega + diagonal
    return omega + diagonal[..., np.array(subspace.bands)].sum(axis=-1)


def non_abelian_curvature(bands: Bands, subspace: Subspace, *, degenerate: str = "raise") -> Array:
    """Non-abelian Berry curvature matrix of a group of bands.

        F_ab = i P [d_a P, d_b P] P + P F^basis_ab P
        i P [d_a P, d_b P] P = i sum_{m outside} (A_gm,a A_mh,b - A_gm,b A_mh,a)

    Source: Wilczek and Zee, PRL 52, 2111 (1984); Xiao, Chang, Niu, RMP 82, 1959 (2010), Sec. VIII.
    Valid for: a group separated from all other bands.  The matrix is covariant (F -> W^+ F W when the states of the
    group are mixed by W); its trace, the curvature of the group, and its eigenvalues are invariant.

    Parameters
    ----------
    bands : Bands
    subspace : Subspace
    degenerate : {"raise", "nan"}
        As for `berry_curvature`, for the group against the other bands.

    Returns
    -------
    (k, a, b, g, g) complex array in the basis ``bands.states[:, :, subspace.bands]``; Hermitian in the last two
    axes, antisymmetric in (a, b), in the model's length squared.

    Raises
    ------
    DegenerateBandsError
        The group touches another band.

    Examples
    --------
    >>> import blochflow as bf
    >>> bands = bf.bands(bf.zoo.haldane(), [[0.3, 0.5]])
    >>> bf.geometry.non_abelian_curvature(bands, bf.Subspace([0])).shape
    (1, 2, 2, 1, 1)
    """
    if not isinstance(subspace, Subspace):
        raise fail("subspace", "be a bf.Subspace", f"is {subspace!r}")
    check_group(bands, "non-abelian curvature", subspace, degenerate)
    arrays = (bands.energies, bands.velocity, touching_bands(bands), bands.basis_curvature)
    return on_batch(_non_abelian, arrays, subspace)


def _non_abelian(energies: Array, velocity: Array, touching: Array, basis: Array | None, subspace: Subspace) -> Array:
    inside = subspace.mask(energies.shape[-1])
    group, rest = np.flatnonzero(inside), np.flatnonzero(~inside)
    crossing = touching[:, group][:, :, rest]
    inverse = inverse_gap(energies, (~touching) & inside[:, None] & ~inside[None, :])[:, group][:, :, rest]
    # A_gm = -i V_gm / (E_g - E_m)
    outer = -1j * velocity[:, :, group][:, :, :, rest] * inverse[:, None]
    product = outer[:, :, None] @ adjoint(outer)[:, None]
    matrix = 1j * (product - jnp.swapaxes(product, 1, 2))
    if basis is not None:
        matrix = matrix + basis[:, :, :, group][..., group]
    return jnp.where(crossing.any(axis=(1, 2))[:, None, None, None, None], NOT_DEFINED, matrix)


def to_axial(tensor: Any) -> Array:
    """Axial vector of an antisymmetric tensor in three dimensions: (yz, zx, xy) components.

        X_c = (1/2) eps_cab X_ab

    Parameters
    ----------
    tensor : (k, 3, 3, ...) array
        Antisymmetric in axes 1 and 2, e.g. from `berry_curvature` or `orbital_moment`.

    Returns
    -------
    (k, 3, ...) array.

    Raises
    ------
    ValueError
        The tensor is not three-dimensional (in 2D the only component is ``tensor[:, 0, 1]``, along z) or, outside
        jit, not antisymmetric.

    Examples
    --------
    >>> import blochflow as bf, numpy as np
    >>> tensor = np.zeros((1, 3, 3)); tensor[0, 0, 1], tensor[0, 1, 0] = 2.0, -2.0
    >>> bf.geometry.to_axial(tensor)
    Array([[0., 0., 2.]], dtype=float64)
    """
    traced = isinstance(tensor, jax.core.Tracer)
    array = tensor if traced else _as_tensor(tensor)
    if array.ndim < 3 or array.shape[1:3] != (3, 3):
        raise fail("tensor", "have shape (k, 3, 3, ...)", f"has shape {array.shape}")
    if not traced:
        _check_antisymmetric(array)
    array = jnp.asarray(array)
    axial = jnp.stack([array[:, a, b] - array[:, b, a] for a, b in PAIRS[3]], axis=1)
    return 0.5 * axial


def _as_tensor(tensor: Any) -> np.ndarray:
    """Numbers; NaN stands for bands that touch."""
    must = "be an array of numbers of shape (k, 3, 3, ...)"
    try:
        array = np.asarray(tensor)
    except (TypeError, ValueError) as exc:
        raise fail("tensor", must, f"is {tensor!r}") from exc
    if array.dtype.kind not in "iufc":
        raise fail("tensor", must, f"is {tensor!r}")
    return array


def _check_antisymmetric(array: np.ndarray) -> None:
    """Raise unless X_ab = -X_ba within rounding, where it is a number."""
    symmetric = np.abs(array + np.swapaxes(array, 1, 2))
    rounding = ANTISYMMETRY_TOLERANCE * np.max(np.abs(array), where=np.isfinite(array), initial=0.0)
    if np.any(symmetric > rounding):
        worst = float(np.nanmax(symmetric))
        raise fail("tensor", "be antisymmetric in axes 1 and 2", f"X_ab + X_ba is up to {worst:.3g}")
