"""What point operations leave of a tensor.

    (g T)_ab.. = det(R)^axial (-1)^(time_odd and time reversal) R_aa' R_bb' .. T_a'b'..
    integrand:  T(g k) = g T(k)           zone integral:  T = g T = (1/|G|) sum_g g T
    projector:  P = (1/|G|) sum_g D(g),   D(g) = det(R)^axial (+-1) R x R x ..

A component whose row of P vanishes is forbidden: it is zero in every invariant tensor.
Source: Neumann's principle; Nye, Physical Properties of Crystals (1957), ch. 1; Birss, Symmetry and Magnetism (1964).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from blochflow.core.checks import fail
from blochflow.zone.symmetry import Operation

# Rows of a projector below this are rounding: axes turned by an angle t leave entries of the order of t.
VANISHES = 1e-9
# Lattice vectors written with seven digits give rotations that form a group, and rows that vanish, to 1e-7 or so: rows
# below this many times what a group fails to close by vanish too, but none above `MOST`.
INEXACT, MOST = 10.0, 1e-3
LETTERS = "abcdefgh"


@dataclass(frozen=True)
class TensorKind:
    """How a tensor behaves under the point operations of k.

    Attributes
    ----------
    rank : int
        Number of Cartesian indices, 0 to 8.
    axial : bool
        An extra factor det(R): spin and magnetization are axial vectors.  The antisymmetric form Omega_ab of an axial
        vector is polar.
    time_odd : bool
        Changes sign under time reversal, T(-k) = -T(k) with time-reversal symmetry.
    last_two : {"any", "symmetric", "antisymmetric"}
        Behaviour under exchange of the last two indices.
    cyclic : {"any", "equal", "cancelling"}
        Of rank 3: cyclic exchanges of the indices give the same, or their sum vanishes.  A tensor symmetric in its last
        two indices is the sum of a totally symmetric one, "equal", and one that is "cancelling".
    """

    rank: int
    axial: bool = False
    time_odd: bool = False
    last_two: Literal["any", "symmetric", "antisymmetric"] = "any"
    cyclic: Literal["any", "equal", "cancelling"] = "any"

    def __post_init__(self) -> None:
        if not 0 <= self.rank <= len(LETTERS):
            raise fail("rank", f"lie between 0 and {len(LETTERS)}", f"is {self.rank}")
        if self.last_two not in ("any", "symmetric", "antisymmetric"):
            raise fail("last_two", "be 'any', 'symmetric' or 'antisymmetric'", f"is {self.last_two!r}")
        if self.last_two != "any" and self.rank < 2:
            raise fail("last_two", "be 'any' for fewer than two indices", f"is {self.last_two!r}")
        if self.cyclic not in ("any", "equal", "cancelling"):
            raise fail("cyclic", "be 'any', 'equal' or 'cancelling'", f"is {self.cyclic!r}")
        if self.cyclic != "any" and self.rank != 3:
            raise fail("cyclic", "be 'any' unless there are three indices", f"is {self.cyclic!r}")


# Electron density; sigma_ab of the anomalous Hall effect; the ohmic conductivity at constant relaxation time.
SCALAR = TensorKind(0)
HALL = TensorKind(2, time_odd=True, last_two="antisymmetric")
OHMIC = TensorKind(2, last_two="symmetric")


def transform(tensor: np.ndarray, operation: Operation, kind: TensorKind) -> np.ndarray:
    """g T for tensors (..., a, b, ..) whose last ``rank`` axes are Cartesian.

    Raises
    ------
    ValueError
        The last axes do not have the length d.
    """
    d, rank = operation.dimension, kind.rank
    if tensor.ndim < rank or tensor.shape[tensor.ndim - rank :] != (d,) * rank:
        raise fail("tensor", f"end in {rank} axes of length {d}", f"has shape {tensor.shape}")
    result = tensor * factor(operation, kind)
    for axis in range(tensor.ndim - rank, tensor.ndim):
        result = np.moveaxis(np.moveaxis(result, axis, -1) @ operation.rotation.T, -1, axis)
    return result


def factor(operation: Operation, kind: TensorKind) -> float:
    """det(R)^axial times -1 for a time-odd tensor under time reversal."""
    value = np.sign(np.linalg.det(operation.rotation)) if kind.axial else 1.0
    return float(-value if kind.time_odd and operation.time_reversal else value)


def projector(operations: Sequence[Operation], kind: TensorKind) -> np.ndarray:
    """(d^r, d^r) orthogonal projector on the tensors that the group leaves invariant, exchange of indices included.

    Valid for: a group of operations; indices flattened with the last one fastest.

    Examples
    --------
    >>> from blochflow.zone.symmetry import lattice_operations
    >>> from blochflow.zone.tensor_symmetry import OHMIC, projector
    >>> square = lattice_operations([[1.0, 0.0], [0.0, 1.0]])
    >>> projector(square, OHMIC)[0].tolist()  # xx from xx, xy, yx, yy
    [0.5, 0.0, 0.0, 0.5]
    """
    d, rank = operations[0].dimension, kind.rank
    rotations = np.array([g.rotation for g in operations])
    each = np.array([factor(g, kind) for g in operations])[:, None, None]
    for _ in range(rank):
        size = d * each.shape[1]
        each = np.einsum("gij,gab->giajb", each, rotations).reshape(-1, size, size)
    average = each.mean(axis=0)
    return _exchanged(average.T.reshape(-1, *(d,) * rank), kind).reshape(d**rank, -1).T + 0.0


def _exchanged(tensor: np.ndarray, kind: TensorKind) -> np.ndarray:
    """Averaged over the exchanges of indices that the kind allows."""
    if kind.last_two != "any":
        exchanged = np.swapaxes(tensor, -1, -2)
        tensor = 0.5 * (tensor + exchanged if kind.last_two == "symmetric" else tensor - exchanged)
    if kind.cyclic == "any":
        return tensor
    once, twice = (np.moveaxis(tensor, (-3, -2, -1), axes) for axes in ((-2, -1, -3), (-1, -3, -2)))
    mean = (tensor + once + twice) / 3
    return mean if kind.cyclic == "equal" else tensor - mean


def allowed_components(operations: Sequence[Operation], kind: TensorKind) -> np.ndarray:
    """(d, d, ..) booleans: False for components that vanish in every tensor the group leaves invariant.

    Examples
    --------
    >>> from blochflow.zone.symmetry import lattice_operations
    >>> from blochflow.zone.tensor_symmetry import HALL, allowed_components
    >>> square = lattice_operations([[1.0, 0.0], [0.0, 1.0]])
    >>> bool(allowed_components(square, HALL).any())
    False
    """
    d = operations[0].dimension
    rows = np.abs(projector(operations, kind)).max(axis=1)
    smallest = min(max(VANISHES, INEXACT * inexactness(operations)), MOST)
    return (rows > smallest).reshape((d,) * kind.rank)


def inexactness(operations: Sequence[Operation]) -> float:
    """Largest distance from a product of two rotations of a group to the nearest rotation of it: how exact they are."""
    rotations = np.array([g.rotation for g in operations])
    flat = rotations.reshape(len(rotations), -1)
    products = np.einsum("iab,jbc->ijac", rotations, rotations).reshape(-1, flat.shape[1])
    nearest = flat[(products @ flat.T).argmax(axis=1)]
    return float(np.abs(products - nearest).max())


def symmetrise(tensor: np.ndarray, operations: Sequence[Operation], kind: TensorKind) -> np.ndarray:
    """(1/|G|) sum_g g T for (..., a, b, ..); forbidden components are exactly zero.

    A weighted sum over representatives of orbits becomes the sum over the whole zone by this average.
    """
    tensor = np.asarray(tensor, dtype=np.float64)
    flat = tensor.reshape(*tensor.shape[: tensor.ndim - kind.rank], -1)
    average = (flat @ projector(operations, kind).T).reshape(tensor.shape)
    return np.where(allowed_components(operations, kind), average, 0.0)
