"""The `symmetry` argument: what a user may list, turned into operations.

symmetry = ["time_reversal", "inversion", [[0, -1], [1, 0]], ("time_reversal", [[1, 0], [0, -1]])]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from blochflow.core.checks import fail, nearest
from blochflow.zone.symmetry import Operation, generated_group

NAMES = ("time_reversal", "inversion")
MUST = (
    'be "auto", False or a list of "time_reversal", "inversion", (d, d) matrices (integers on rows of reduced k, or '
    'Cartesian rotations) and pairs ("time_reversal", matrix)'
)
# Matrices are typed with a few digits: sqrt(3)/2 as 0.8660
TYPED = 1e-3


def requested_operations(
    symmetry: Any, holohedry: Sequence[Operation], has_lattice: bool
) -> tuple[tuple[Operation, ...], tuple[Operation, ...]]:
    """All products of what the user listed, and the list itself.

    Parameters
    ----------
    symmetry : list
        See `MUST`.
    holohedry : sequence of Operation
        All operations of the lattice; in standard axes for a k.p model.
    has_lattice : bool
        Matrices must then belong to the lattice; without, any rotation or reflection may be listed.

    Raises
    ------
    ValueError
        Not of the form above, a matrix that is no symmetry of the lattice, one that can be read in two ways, or
        matrices that generate no finite point group.
    """
    if isinstance(symmetry, str | bytes | bool) or not isinstance(symmetry, Sequence | np.ndarray):
        hint = nearest(symmetry, ("auto", *NAMES)) if isinstance(symmetry, str) else None
        raise fail("symmetry", MUST, f"is {symmetry!r}" + (f" (did you mean {hint!r}?)" if hint else ""))
    listed = tuple(as_operation(item, holohedry, has_lattice) for item in symmetry)
    return generated_group(listed, holohedry[0].dimension), listed


def as_operation(item: Any, holohedry: Sequence[Operation], has_lattice: bool) -> Operation:
    """One entry of the list."""
    one = holohedry[0]
    if isinstance(item, Operation):
        known = [g for g in holohedry if g.rotation.shape == item.rotation.shape and g.equals(item)]
        if known or not has_lattice:
            return known[0] if known else item
        raise fail("symmetry", "hold operations that map the lattice onto itself", f"'{item}' does not")
    if isinstance(item, str):
        if item not in NAMES:
            hint = nearest(item, NAMES)
            raise fail("symmetry", MUST, f"holds {item!r}" + (f" (did you mean {hint!r}?)" if hint else ""))
        if item == "time_reversal":
            return Operation(one.rotation, one.reduced, True)
        return Operation(-one.rotation, None if one.reduced is None else -one.reduced)
    if isinstance(item, Sequence) and len(item) == 2 and isinstance(item[0], str):
        if item[0] != "time_reversal" or (isinstance(item[1], str) and item[1] != "inversion"):
            raise fail("symmetry", MUST, f"holds {item!r}")
        unitary = as_operation(item[1], holohedry, has_lattice)
        return Operation(unitary.rotation, unitary.reduced, True)
    return _from_matrix(item, holohedry, has_lattice)


def _from_matrix(item: Any, holohedry: Sequence[Operation], has_lattice: bool) -> Operation:
    """The operation whose reduced or Cartesian matrix was given."""
    d = holohedry[0].dimension
    try:
        matrix = np.asarray(item, dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise fail("symmetry", MUST, f"holds {item!r}") from exc
    if matrix.shape != (d, d) or not np.isfinite(matrix).all():
        raise fail("symmetry", MUST.replace("(d, d)", f"({d}, {d})"), f"holds {item!r}")
    if not has_lattice:
        if np.abs(matrix @ matrix.T - np.eye(d)).max() > TYPED:
            raise fail("symmetry", "hold orthogonal matrices for a model without lattice", f"holds {matrix.tolist()}")
        left, _, right = np.linalg.svd(matrix)
        return Operation(left @ right)
    unitary = [g for g in holohedry if not g.time_reversal]
    matches = [g for g in unitary if np.array_equal(g.reduced, matrix)]  # type: ignore[arg-type]
    matches += [g for g in unitary if np.abs(g.rotation - matrix).max() < TYPED]
    if not matches:
        must = "hold matrices that map the lattice onto itself (integers on rows of reduced k, or Cartesian)"
        raise fail("symmetry", must, f"{matrix.tolist()} does not")
    # an operation and its inverse generate the same group, so it does not matter which of them was meant
    if not matches[0].equals(matches[-1]) and not (matches[0] @ matches[-1]).equals(holohedry[0]):
        readings = f"'{matches[0]}' on reduced k and '{matches[-1]}' in Cartesian axes"
        raise fail("symmetry", "be unambiguous", f"{matrix.tolist()} is {readings}; give an Operation")
    return matches[-1]
