"""Expectation values of named operators (spin, layer, sublattice) or of matrices in eigenstates.

    <O>_n = <u_n|O|u_n>;   over a group: Tr[P O]

A matrix holds <0i|O|0j> inside one cell and carries the phases of the orbital positions, as a model's operators do.
``"spin"`` holds Pauli matrices, not spin in units of hbar.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.geometry.bands import Bands, rotate
from blochflow.geometry.connection import check_group, on_batch
from blochflow.geometry.subspace import Subspace, touching_bands
from blochflow.models.base import AbstractModel
from blochflow.models.operators import as_hermitian, orbital_phases


def expectation(
    bands: Bands,
    operator: Any,
    *,
    subspace: Subspace | None = None,
    degenerate: str = "raise",
) -> Array:
    """Expectation value of an operator in each band, or its trace over a group of bands.

        <O>_n = <u_n|O|u_n>

    Source: elementary quantum mechanics.  Valid for: operators that act within one unit cell.

    Parameters
    ----------
    bands : Bands
    operator : str or (n, n) or (c, n, n) array
        Name of an operator of the model (``"spin"``, ``"spin_z"``, ...) or a Hermitian matrix in the orbital basis,
        with components c.
    subspace : Subspace, optional
        Return the trace over this group.
    degenerate : {"raise", "nan"}
        Refuse bands (groups) that touch others within rounding, or write NaN there.  Inside jit always NaN.

    Returns
    -------
    (k, n) or (k, c, n) array; for a group (k,) or (k, c).  In the operator's units.

    Raises
    ------
    DegenerateBandsError
        A band touches another; names k, bands and gap.
    ValueError
        Unknown operator, or a matrix of the wrong shape or not Hermitian.

    Examples
    --------
    >>> import blochflow as bf
    >>> bands = bf.bands(bf.zoo.haldane(), [[0.3, 0.5]])
    >>> sublattice = bf.geometry.expectation(bands, [[1, 0], [0, -1]])
    >>> bool(abs(sublattice.sum()) < 1e-12)
    True
    """
    check_group(bands, "expectation value", subspace, degenerate)
    if isinstance(operator, str):
        bands.model.operator(operator)
    else:
        operator = as_hermitian(operator, bands.num_bands, "operator")
    arrays = (bands.states, bands.k, touching_bands(bands))
    return on_batch(_expectation, arrays, bands.model, operator, subspace)


def _expectation(
    states: Array,
    k: Array,
    touching: Array,
    model: AbstractModel,
    operator: str | Array,
    subspace: Subspace | None,
) -> Array:
    if isinstance(operator, str):
        matrix = model.operator_matrices(operator, k)
    else:
        phases = orbital_phases(k, model.orbitals)
        matrix = jnp.broadcast_to(operator, (len(k), *operator.shape))
        if phases is not None:
            matrix = matrix * (phases if operator.ndim == 2 else phases[:, None])
    stacked = matrix if matrix.ndim == 4 else matrix[:, None]
    values = jnp.diagonal(rotate(stacked, states), axis1=-2, axis2=-1).real
    if subspace is None:
        values = jnp.where(touching.any(axis=-1)[:, None], jnp.nan, values)
    else:
        inside = subspace.mask(states.shape[-1])
        mixed = (touching & inside[:, None] & ~inside[None, :]).any(axis=(1, 2))
        values = jnp.where(mixed[:, None], jnp.nan, values[..., np.array(subspace.bands)].sum(axis=-1))
    return values if matrix.ndim == 4 else values[:, 0]
