"""Interband Berry connection, and the sums over pairs of bands from which every geometric quantity is built.

    A_nm,a = i<u_n|d_a u_m> = -i V_a,nm / (E_n - E_m)            n != m
    S_n,ab = sum_{m != n} w(E_n - E_m) V_a,nm V_b,mn             w(x) = 1/x^2: Q_ab = g_ab - (i/2) Omega_ab

Legend: V covariant velocity matrix, n the band or a band of a group, m runs over all other bands (outside the group).
A pair that rounding cannot separate is never divided by: it is refused, or gives NaN.
Source: Vanderbilt, "Berry Phases in Electronic Structure Theory" (2018), ch. 3; Wang et al., PRB 74, 195118 (2006).
Not here: the intraband connection, which depends on the phases of the states (see `wilson_loop`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_choice, fail
from blochflow.geometry.bands import Bands
from blochflow.geometry.subspace import Subspace, refuse_degenerate, touching_bands

Weight = Callable[[Array], Array]

# A bare NaN would leave the imaginary part, hence every curvature, at 0.
NOT_DEFINED = complex(np.nan, np.nan)


def berry_connection(bands: Bands, *, degenerate: str = "raise") -> Array:
    """Interband Berry connection A_nm,a = i<u_n|d_a u_m> between eigenstates.

        A_nm,a = -i V_a,nm / (E_n - E_m),   A_nn,a = 0 by convention

    Source: Blount, Solid State Phys. 13, 305 (1962); Wang et al., PRB 74, 195118 (2006), Eq. (24).
    Valid for: matrix elements between different bands.  They are covariant: they change with the phases of the
    states, only products such as A_nm A_mn do not.  Not included: the diagonal, which has no meaning at one k.

    Parameters
    ----------
    bands : Bands
    degenerate : {"raise", "nan", "zero"}
        What to do with pairs of bands that cannot be told apart: refuse, or write NaN or 0 there.  Inside jit
        "raise" acts as "nan", since a kernel cannot raise.

    Returns
    -------
    (k, a, n, m) complex array, in the model's length; Hermitian in (n, m).

    Raises
    ------
    DegenerateBandsError
        Two bands are degenerate and ``degenerate="raise"``.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.geometry.berry_connection(bf.bands(bf.zoo.haldane(), [[0.3, 0.5]])).shape
    (1, 2, 2, 2)
    """
    check_bands(bands)
    as_choice(degenerate, "degenerate", ("raise", "nan", "zero"))
    if degenerate == "raise" and not bands.is_traced:
        refuse_degenerate(bands, "interband connection")
    fill = 0.0 if degenerate == "zero" else NOT_DEFINED
    return on_batch(_connection, (bands.energies, bands.velocity, touching_bands(bands)), fill)


def _connection(energies: Array, velocity: Array, touching: Array, fill: complex) -> Array:
    apart = ~(touching | np.eye(energies.shape[-1], dtype=bool))
    inverse = inverse_gap(energies, apart)[:, None]
    return jnp.where(touching[:, None], fill, -1j * velocity * inverse)


def inverse_gap(energies: Array, pairs: Any) -> Array:
    """1/(E_n - E_m) for the pairs (k, n, m) that are True, 0 elsewhere; never divides by zero, also in a gradient."""
    gap = energies[:, :, None] - energies[:, None, :]
    return jnp.where(pairs, 1.0 / jnp.where(pairs, gap, 1.0), 0.0)


def pair_sum(
    energies: Array,
    velocity: Array,
    touching: Array,
    subspace: Subspace | None,
    weight: Weight,
) -> Array:
    """sum_m w(1/(E_n - E_m)) V_a,nm V_b,mn: (k, a, b, n) or, summed over a group, (k, a, b); complex.

    ``weight`` is a function of the inverse gap.  NaN for a band (a group) that touches another (the outside).
    """
    count = energies.shape[-1]
    if subspace is None:
        allowed: Any = ~np.eye(count, dtype=bool)
    else:
        inside = subspace.mask(count)
        allowed = inside[:, None] & ~inside[None, :]
    factor = weight(inverse_gap(energies, allowed & ~touching))
    # V is Hermitian: V_b,mn = conj(V_b,nm)
    product = velocity[:, :, None] * jnp.conj(velocity)[:, None] * factor[:, None, None]
    undefined = (touching & allowed).any(axis=-1)
    if subspace is None:
        return jnp.where(undefined[:, None, None], NOT_DEFINED, product.sum(axis=-1))
    return jnp.where(undefined.any(axis=-1)[:, None, None], NOT_DEFINED, product.sum(axis=(-1, -2)))


def symmetric(tensor: Array) -> Array:
    """Part symmetric in (a, b) = axes 1, 2, exactly so in rounding."""
    return 0.5 * (tensor + jnp.swapaxes(tensor, 1, 2))


def antisymmetric(tensor: Array) -> Array:
    """Part antisymmetric in (a, b) = axes 1, 2, exactly so in rounding."""
    return 0.5 * (tensor - jnp.swapaxes(tensor, 1, 2))


def evaluate(
    kernel: Callable[..., Array],
    bands: Bands,
    quantity: str,
    subspace: Subspace | None,
    degenerate: str,
) -> Array:
    """Check the arguments and degeneracies of a geometric quantity, then run its kernel.

    ``kernel(energies, velocity, touching, basis_curvature, subspace)`` is pure.
    """
    check_group(bands, quantity, subspace, degenerate)
    arrays = (bands.energies, bands.velocity, touching_bands(bands), bands.basis_curvature)
    return on_batch(kernel, arrays, subspace)


def check_bands(bands: Any) -> None:
    """Raise unless ``bands`` is what `bands` returns."""
    if not isinstance(bands, Bands):
        raise fail("bands", "be a bf.Bands, the result of bf.bands(model, k)", f"is a {type(bands).__name__}")


def check_group(bands: Bands, quantity: str, subspace: Subspace | None, degenerate: str) -> None:
    """Raise for a wrong option, a subspace that does not fit, or (eagerly) a degeneracy that must be refused."""
    check_bands(bands)
    as_choice(degenerate, "degenerate", ("raise", "nan"))
    if subspace is not None and not isinstance(subspace, Subspace):
        raise fail("subspace", "be a bf.Subspace or None", f"is {subspace!r}")
    group = None if subspace is None else subspace.mask(bands.num_bands)
    if degenerate == "raise" and not bands.is_traced:
        refuse_degenerate(bands, quantity, group)


def on_batch(kernel: Callable[..., Any], arrays: tuple[Any, ...], *others: Any) -> Any:
    """kernel(*arrays, *others) for arrays with leading axis k; outside jit it is compiled for a padded number of k.

    Padding to a power of two keeps the number of compiled shapes small.  ``others`` are pytrees without a k axis; what
    is not an array in them is a constant of the compiled kernel.
    """
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arrays)):
        return kernel(*arrays, *others)
    count = arrays[0].shape[0]
    size = max(4, 1 << (count - 1).bit_length())
    padded = jax.tree.map(lambda x: _pad(np.asarray(x), size), arrays)
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)[:count]), _compiled(kernel, padded, others))


@eqx.filter_jit
def _compiled(kernel: Callable[..., Any], arrays: tuple[Any, ...], others: tuple[Any, ...]) -> Any:
    return kernel(*arrays, *others)


def _pad(array: np.ndarray, size: int) -> Array:
    """Repeat the last entry of axis 0 up to ``size``."""
    return jnp.asarray(np.concatenate([array, np.repeat(array[-1:], size - len(array), axis=0)]))
