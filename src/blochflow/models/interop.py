"""Models written with PythTB or TBmodels, taken over without importing either package.

    PythTB     H_ij(k) = sum_R t_ij(R) exp(i k.(R + tau_j - tau_i)),  pairs listed once, 2 x 2 blocks for spinors
    TBmodels   H(k) = sum_R hop[R] exp(i k.R) + h.c.,  half of the lattice vectors and half of the block at R = 0

Only the attributes of the object are read.  Sources: Coh and Vanderbilt, PythTB formalism notes (2012), Eq. (3.6);
Gresch et al., PRB 95, 075146 (2017) and the TBmodels documentation.  Position matrices are not carried over: neither
package stores them in its tight-binding object, so all orbitals count as point-like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.core.units import NATURAL, Units
from blochflow.models.operators import PAULI
from blochflow.models.tight_binding import TightBinding

# Public attributes of PythTB 2 and the private ones of PythTB 1, by what they hold.
_PYTHTB_2 = ("lat_vecs", "orb_vecs", "periodic_dirs", "nspin", "onsite", "hoppings")
_PYTHTB_1 = ("_lat", "_orb", "_per", "_nspin", "_site_energies", "_hoppings")
_TBMODELS = ("uc", "pos", "hop")
_ABSENT = object()


class _Hopping(NamedTuple):
    value: np.ndarray
    row: int
    column: int
    cell: tuple[int, ...]


class _Content(NamedTuple):
    """What a PythTB model holds, whatever its version."""

    lattice: np.ndarray
    orbitals: np.ndarray
    periodic: list[int]
    nspin: int
    onsite: np.ndarray
    hoppings: list[_Hopping]


def from_pythtb(model: Any, *, units: Units = NATURAL, spin_degeneracy: int = 1) -> TightBinding:
    """The model of a PythTB object: ``tb_model`` of PythTB 1 or ``TBModel`` of PythTB 2.

        H_ij(k) = sum_R <0i|H|Rj> exp(i k.(R + tau_j - tau_i))

    Source: Coh and Vanderbilt, PythTB formalism notes (2012), Eq. (3.6); the convention is the same as ours.

    Spinor models (two components per orbital) get orbitals in the order (0 up, 0 down, 1 up, ...) and the operator
    ``"spin"``.  Directions that are not periodic, as in ribbons and slabs, are dropped: the model has as many
    dimensions as the object has periodic lattice vectors, with orbital positions projected on the space they span.
    Vectors along coordinate axes keep their coordinates; otherwise the first axis points along the first of them.

    Parameters
    ----------
    model : pythtb.tb_model or pythtb.TBModel
        All hoppings and on-site energies must be numbers; PythTB 2: ``model.with_parameters(...)`` first.
    units : Units
        Units in which the object was written; ``bf.NATURAL`` (default) or ``bf.EV_ANGSTROM``.
    spin_degeneracy : int
        1 (default), or 2 for a spinless object that stands for both spins.

    Returns
    -------
    TightBinding

    Raises
    ------
    ValueError
        The object lacks an attribute (named), is not periodic, hops along a direction that is not periodic, or has
        free parameters, a block that is not Hermitian on site, or a value that is not finite.

    Examples
    --------
    >>> import blochflow as bf
    >>> class Chain:                                # the attributes of pythtb.TBModel
    ...     lat_vecs, orb_vecs, periodic_dirs, nspin = [[1.0]], [[0.0]], [0], 1
    ...     onsite = [0.5]
    ...     hoppings = [{"amplitude": -1.0, "from_orbital": 0, "to_orbital": 0, "lattice_vector": [1]}]
    >>> from blochflow.models.interop import from_pythtb
    >>> from_pythtb(Chain()).hamiltonian([0.0])
    Array([[-1.5+0.j]], dtype=complex128)
    """
    content = _read_pythtb(model)
    lattice, centres, kept = _periodic_part(content)
    size = len(content.orbitals) * content.nspin
    blocks = _Blocks(size, len(kept))
    s = content.nspin
    for number, site in enumerate(content.onsite):
        block = np.zeros((size, size), dtype=np.complex128)
        block[s * number : s * (number + 1), s * number : s * (number + 1)] = site
        blocks.add(tuple([0] * len(kept)), 0.5 * block)  # `add` brings the adjoint, the other half
    for number, (value, row, column, cell) in enumerate(content.hoppings):
        if any(cell[axis] for axis in range(len(cell)) if axis not in kept):
            raise fail(
                "model",
                "hop along periodic directions only",
                f"hopping {number} has R = {list(cell)}, periodic are {kept}",
            )
        block = np.zeros((size, size), dtype=np.complex128)
        block[s * row : s * (row + 1), s * column : s * (column + 1)] = value
        blocks.add(tuple(cell[axis] for axis in kept), block)
    operators = {"spin": np.stack([np.kron(np.eye(len(content.orbitals)), p) for p in PAULI])} if s == 2 else None
    return TightBinding.from_blocks(
        lattice,
        np.repeat(centres, s, axis=0),
        *blocks.arrays(),
        operators=operators,
        units=units,
        spin_degeneracy=spin_degeneracy,
        name="pythtb",
    )


def from_tbmodels(model: Any, *, units: Units = NATURAL, spin_degeneracy: int = 1) -> TightBinding:
    """The model of a TBmodels object, ``tbmodels.Model``.

        H(k) = sum_R hop[R] exp(i k.R) + h.c.

    ``hop`` holds one of R, -R and half of the block at R = 0.  The positions ``pos`` (reduced) go into the phases,
    our convention; the number of occupied bands ``occ`` is not used.
    Source: Gresch et al., PRB 95, 075146 (2017); TBmodels documentation.

    Parameters
    ----------
    model : tbmodels.Model
    units : Units
        Units in which the object was written; ``bf.NATURAL`` (default) or ``bf.EV_ANGSTROM``.
    spin_degeneracy : int
        1 (default), or 2 for a spinless object that stands for both spins.

    Returns
    -------
    TightBinding

    Raises
    ------
    ValueError
        The object lacks an attribute (named), has no unit cell, or blocks of a wrong shape or not finite.

    Examples
    --------
    >>> class Chain:                                # the attributes of tbmodels.Model
    ...     uc, pos, hop = [[1.0]], [[0.0]], {(0,): [[0.25]], (1,): [[-1.0]]}
    >>> from blochflow.models.interop import from_tbmodels
    >>> from_tbmodels(Chain()).hamiltonian([0.0])
    Array([[-1.5+0.j]], dtype=complex128)
    """
    cell_vectors, positions, hop = _attributes(model, _TBMODELS, "a tbmodels.Model")
    if cell_vectors is None:
        raise fail("model", "have a unit cell (`uc`)", "`uc` is None")
    lattice = _array(cell_vectors, "uc", (None, None))
    reduced = _array(positions, "pos", (None, len(lattice)))
    if not isinstance(hop, Mapping) or not hop:
        raise fail("model", "have hoppings", "`hop` is empty" if not hop else f"`hop` is a {type(hop).__name__}")
    blocks = _Blocks(len(reduced), len(lattice))
    for cell, matrix in hop.items():
        # sparse matrices of SciPy know how to become dense
        dense = matrix.toarray() if callable(getattr(matrix, "toarray", None)) else matrix
        name = f"hop[{tuple(cell) if isinstance(cell, Iterable) else cell!r}]"
        block = _array(dense, name, (len(reduced), len(reduced)), dtype=np.complex128)
        blocks.add(_cell(cell, len(lattice), name), block)
    return TightBinding.from_blocks(
        lattice, reduced @ lattice, *blocks.arrays(), units=units, spin_degeneracy=spin_degeneracy, name="tbmodels"
    )


class _Blocks:
    """Blocks <0i|H|Rj> filled term by term; every term brings its Hermitian conjugate."""

    def __init__(self, size: int, dimension: int) -> None:
        self._empty = np.zeros((size, size), dtype=np.complex128)
        self._table = {tuple([0] * dimension): self._empty.copy()}

    def add(self, cell: tuple[int, ...], block: np.ndarray) -> None:
        mirror = tuple(-x for x in cell)
        self._table[cell] = self._table.get(cell, self._empty) + block
        self._table[mirror] = self._table.get(mirror, self._empty) + block.conj().T

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """(nR, d) cells and (nR, N, N) blocks."""
        cells = sorted(self._table)
        return np.array(cells), np.stack([self._table[cell] for cell in cells])


def _read_pythtb(model: Any) -> _Content:
    if getattr(model, "lat_vecs", _ABSENT) is not _ABSENT:
        fields = _attributes(model, _PYTHTB_2, "a pythtb.TBModel")
        if getattr(model, "parameters", None):
            raise fail(
                "model", "have numbers for all its terms", "has free parameters; use model.with_parameters(...) first"
            )
        listed = [_entry_of_dict(item, len(np.atleast_2d(fields[0]))) for item in fields[5]]
    elif getattr(model, "_lat", _ABSENT) is not _ABSENT:
        fields = _attributes(model, _PYTHTB_1, "a pythtb.tb_model")
        listed = [tuple(item) for item in fields[5]]
    else:
        raise fail(
            "model",
            "be a tb_model of PythTB 1 or a TBModel of PythTB 2",
            f"is a {type(model).__name__} without `lat_vecs` or `_lat`",
        )
    lattice = _array(fields[0], "lat", (None, None))
    orbitals = _array(fields[1], "orb", (None, len(lattice)))
    periodic, nspin = [int(axis) for axis in fields[2]], int(fields[3])
    if nspin not in (1, 2):
        raise fail("model", "have one or two spin components", f"has nspin = {nspin}")
    if not 1 <= len(periodic) <= 3:
        raise fail("model", "be periodic in 1, 2 or 3 directions", f"has {len(periodic)} periodic directions")
    shape = (nspin, nspin)
    sites = list(fields[4])
    if len(sites) != len(orbitals):
        raise fail("model", f"have {len(orbitals)} on-site energies", f"has {len(sites)}")
    onsite = np.stack([_spin_block(site, f"onsite[{n}]", shape) for n, site in enumerate(sites)])
    asymmetry = np.abs(onsite - onsite.conj().swapaxes(-1, -2)).max()
    if asymmetry > 1e-10 * max(1.0, np.abs(onsite).max()):
        raise fail("model", "have Hermitian on-site blocks", f"one differs from its adjoint by {asymmetry:.3g}")
    return _Content(lattice, orbitals, periodic, nspin, onsite, _hoppings(listed, shape, len(orbitals), len(lattice)))


def _entry_of_dict(item: Any, dimension: int) -> tuple[Any, ...]:
    """A hopping of PythTB 2 as (value, i, j, R); R = 0 is left out there."""
    return (item["amplitude"], item["from_orbital"], item["to_orbital"], item.get("lattice_vector", [0] * dimension))


def _hoppings(listed: Iterable[Sequence[Any]], shape: tuple[int, int], count: int, dimension: int) -> list[_Hopping]:
    hoppings = []
    for number, item in enumerate(listed):
        name = f"hoppings[{number}]"
        row, column = int(item[1]), int(item[2])
        if not (0 <= row < count and 0 <= column < count):
            raise fail("model", f"hop between orbitals 0 to {count - 1}", f"{name} joins {row} and {column}")
        value = _spin_block(item[0], name, shape)
        hoppings.append(_Hopping(value, row, column, _cell(item[3], dimension, name)))
    return hoppings


def _periodic_part(content: _Content) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Lattice (d, d) and orbital centres (N, d) in Cartesian coordinates of the periodic space."""
    vectors = content.lattice[content.periodic]
    frame = _frame(vectors)
    return vectors @ frame.T, content.orbitals @ content.lattice @ frame.T, content.periodic


def _frame(vectors: np.ndarray) -> np.ndarray:
    """Orthonormal rows that span the vectors; coordinate axes where that is possible."""
    used = np.flatnonzero(np.abs(vectors).max(axis=0) > 1e-12 * np.abs(vectors).max())
    if len(used) == len(vectors):
        return np.eye(vectors.shape[1])[used]
    orthogonal, triangle = np.linalg.qr(vectors.T)
    return np.asarray((orthogonal * np.sign(np.diag(triangle))).T)


def _attributes(model: Any, names: Sequence[str], kind: str) -> list[Any]:
    found = [getattr(model, name, _ABSENT) for name in names]
    missing = [name for name, value in zip(names, found, strict=True) if value is _ABSENT]
    if missing:
        raise fail("model", f"be {kind}", f"has no attribute {', '.join(f'`{name}`' for name in missing)}")
    return found


def _cell(cell: Any, dimension: int, name: str) -> tuple[int, ...]:
    must = f"hop to lattice vectors of {dimension} integers"
    try:
        array = np.atleast_1d(as_real_array(cell, name))
    except ValueError as exc:
        raise fail("model", must, f"{name} has R = {cell!r}") from exc
    if array.shape != (dimension,) or not np.all(np.equal(np.mod(array, 1), 0)):
        raise fail("model", must, f"{name} has R = {cell!r}")
    return tuple(int(x) for x in array)


def _spin_block(value: Any, name: str, shape: tuple[int, int]) -> np.ndarray:
    array = np.asarray(value)
    return _array(
        array.reshape(shape) if array.size == shape[0] * shape[1] else array, name, shape, dtype=np.complex128
    )


def _array(value: Any, name: str, shape: tuple[int | None, ...], dtype: Any = np.float64) -> np.ndarray:
    """A finite array of the given shape (None: any length)."""
    try:
        array = np.asarray(value, dtype=dtype)
    except (TypeError, ValueError) as exc:
        raise fail("model", f"hold numbers in `{name}`", f"holds {value!r}") from exc
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        text = ", ".join("any" if want is None else str(want) for want in shape)
        raise fail("model", f"have `{name}` of shape ({text})", f"it has shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise fail("model", f"hold finite numbers in `{name}`", "one is not finite")
    return array
