"""Named operators of a model (spin, layer, sublattice, user matrices) and the Zeeman term built on spin.

    H_Z = (mu_B / 2) B . g . sigma          (g = 2: mu_B B . sigma; charge -e, g > 0)

An operator is given by its matrix elements <0i|O|0j> inside one cell; between cell-periodic states it carries
the phases exp(i k.(tau_j - tau_i)) of the orbital positions.  ``"spin"`` holds the three Pauli matrices, not
sigma/2; components are addressed as ``spin_x``, ``spin_y``, ``spin_z``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import as_complex_array, as_real_array, fail, nearest
from blochflow.core.units import Units

PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=np.complex128)
COMPONENTS = ("x", "y", "z")


def as_operators(operators: Mapping[str, Any] | None, num_bands: int) -> dict[str, Array]:
    """Check operators: (n, n) or (c, n, n), finite, Hermitian to 1e-10 of their largest element."""
    result: dict[str, Array] = {}
    if not isinstance(operators, Mapping | None):
        raise fail("operators", "be a dict of names and matrices", f"is {operators!r}")
    for name, matrix in (operators or {}).items():
        if not isinstance(name, str):
            raise fail("operators", "have names that are text", f"has {name!r}")
        result[name] = as_hermitian(matrix, num_bands, f"operators[{name!r}]")
    return result


def as_hermitian(matrix: Any, num_bands: int, argument: str, *, single: bool = False) -> Array:
    """Check one operator: (n, n), or not only a ``single`` matrix but (c, n, n) too.

    ``argument`` is what the caller's user knows it as.
    """
    array = as_complex_array(matrix, argument)
    if array.shape[-2:] != (num_bands, num_bands) or array.ndim not in ((2,) if single else (2, 3)):
        n = num_bands
        other = "" if single else f" or (c, {n}, {n})"
        raise fail(argument, f"have shape ({n}, {n}){other}", f"has shape {array.shape}")
    asymmetry = np.abs(array - array.conj().swapaxes(-1, -2)).max()
    if asymmetry > 1e-10 * max(1.0, np.abs(array).max()):
        raise fail(argument, "be Hermitian", f"differs from its adjoint by {asymmetry:.3g}")
    return jnp.asarray(array)


def resolve_operator(operators: Mapping[str, Array], name: str, argument: str = "operator") -> Array:
    """The (n, n) matrix (or (c, n, n) matrices) called ``name``; ``base_x`` picks a component of ``base``.

    ``argument`` is what the caller's user knows it as.
    """
    if not isinstance(name, str):
        raise fail(argument, "be the name of an operator", f"is {name!r}")
    if name in operators:
        return operators[name]
    base, _, component = name.rpartition("_")
    if base in operators and component in COMPONENTS and operators[base].ndim == 3:
        index = COMPONENTS.index(component)
        if index < operators[base].shape[0]:
            return operators[base][index]
    known = list(operators)
    known += [f"{key}_{c}" for key in operators if operators[key].ndim == 3 for c in COMPONENTS]
    hint = nearest(name, known)
    suffix = f" (did you mean {hint!r}?)" if hint else "; add it with model.with_operators(...)"
    raise fail(argument, f"name an operator of the model ({', '.join(known) or 'none'})", f"is {name!r}{suffix}")


def zeeman_term(
    operators: Mapping[str, Array],
    dimension: int,
    magnetic_field: Any,
    g: Any,
    units: Units,
) -> Array:
    """(n, n) Zeeman matrix (mu_B/2) B.g.sigma."""
    spin = operators.get("spin")
    if spin is None or spin.ndim != 3 or spin.shape[0] != 3:
        raise fail(
            "model", 'have a three-component operator "spin" for a Zeeman term', f"has {', '.join(operators) or 'none'}"
        )
    field = as_real_array(magnetic_field, "magnetic_field")
    if field.ndim == 0 and dimension == 2:
        field = np.array([0.0, 0.0, float(field)])
    if field.shape != (3,):
        raise fail("magnetic_field", "be a vector of 3 components (in 2D also a number B_z)", f"is {magnetic_field!r}")
    tensor = as_real_array(g, "g", max_ndim=2)
    if tensor.shape == ():
        tensor = float(tensor) * np.eye(3)
    if tensor.shape != (3, 3):
        raise fail("g", "be a number or a (3, 3) tensor", f"has shape {tensor.shape}")
    return 0.5 * units.bohr_magneton * jnp.einsum("a,ab,bij->ij", field, tensor, spin)


def orbital_phases(k: Array, orbitals: Array | None) -> Array | None:
    """exp(i k.(tau_j - tau_i)) for a batch k (K, d): (K, n, n), or None when all orbitals sit at the origin."""
    if orbitals is None:
        return None
    site = jnp.exp(1j * (k @ orbitals.T))
    return jnp.conj(site)[:, :, None] * site[:, None, :]
