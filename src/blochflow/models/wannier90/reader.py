"""`read_wannier90`: a tight-binding model from the files of a Wannier90 run.

files -> `data.load_wannier90` (read, check, fold) -> `slab.drop_directions` -> `TightBinding`
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_bool, as_choice, fail
from blochflow.core.errors import FileFormatError, FileWarning
from blochflow.models.wannier90.data import WannierData, load_wannier90
from blochflow.models.wannier90.slab import as_periodic, drop_directions

if TYPE_CHECKING:
    from blochflow.models.tight_binding import TightBinding

SPIN_ORDERS = ("interleaved", "blocks")
SPIN_NOTE = "spin operator: projected-spin approximation (Pauli matrices in the basis of the Wannier functions)"


def read_wannier90(
    path: str | os.PathLike[str],
    *,
    wsvec: bool | str | os.PathLike[str] = "auto",
    periodic: Sequence[bool] = (True, True, True),
    operators: Mapping[str, Any] | None = None,
    spin_degeneracy: int = 1,
    strict: bool = False,
) -> TightBinding:
    """Read a tight-binding model from the files of a Wannier90 run.

        H_ij(k) = sum_R <0i|H|Rj> exp(i k.(R + tau_j - tau_i)) / deg(R),   tau = Wannier centres

    Source: Marzari, Mostofi, Yates, Souza, Vanderbilt, Rev. Mod. Phys. 84, 1419 (2012), Sec. VI; position matrices:
    Wang, Yates, Souza, Vanderbilt, PRB 74, 195118 (2006).  Every file is checked against itself (H(R) and H(-R),
    degeneracies, indices, counts) and against the other files of the run that lie beside it: `X_hr.dat`, `X.win`,
    `X_centres.xyz`.  Valid for: files of Wannier90 1.2 to 3.1.  Not included: `_r.dat`, `.chk`, `.spn`.

    Parameters
    ----------
    path : str or path
        ``X_tb.dat`` (H and position matrices) or ``X_hr.dat`` (H only; the lattice comes from ``X.win``, the centres
        from ``X_centres.xyz``); plain, ``.gz`` or ``.xz``.
    wsvec : {"auto", True, False} or path
        Use of ``X_wsvec.dat``, which assigns every element to its nearest images and is Wannier90's own default:
        where present ("auto"), required, ignored, or another file.  The choice stands in ``model.notes``.
    periodic : three booleans
        False drops a lattice vector of a slab or wire; refused where any hopping along it exceeds 1e-6 of the
        largest element of H.  Vectors in the xy plane keep their coordinates; otherwise x points along the first kept
        vector, and the second has a positive y.
    operators : dict, optional
        Named Hermitian matrices in the basis of Wannier functions, (N, N) or (c, N, N).  ``{"spin": "interleaved"}``
        stands for Pauli matrices in the order up, down, up, down (Wannier90 >= 2), ``{"spin": "blocks"}`` for all up,
        then all down.
    spin_degeneracy : int
        2 when every Wannier function stands for both spins (a calculation without spin); 1 for spinors.
    strict : bool
        Turn warnings about oddities into errors.

    Returns
    -------
    TightBinding
        In eV and angstrom; position matrices Hermitian, A(R) <- [A(R) + A(-R)^+]/2.

    Raises
    ------
    FileFormatError
        A file is absent, damaged or contradicts another; path, line, what was found, what was expected, how to mend.
    ValueError
        A wrong argument.

    Warns
    -----
    FileWarning
        Something odd, or an optional file is absent; the text says what is used instead.  Images of a `_wsvec.dat`
        that are nearest for other Wannier centres than those known are used as they are, which changes bands between
        the points of the ab-initio grid; images that are nearest for no centres are a FileFormatError.

    Examples
    --------
    >>> import os, tempfile
    >>> import blochflow as bf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "chain_tb.dat")
    ...     bf.write_wannier90(bf.TightBinding([[2.0]], [[0.0]], [(-1.0, 0, 0, (1,))], units=bf.EV_ANGSTROM), name)
    ...     chain = bf.read_wannier90(name, periodic=(True, False, False))
    >>> chain.hamiltonian([0.0])
    Array([[-2.+0.j]], dtype=complex128)
    >>> chain.units
    EV_ANGSTROM
    """
    flags = as_periodic(periodic)
    as_bool(strict, "strict")
    data = drop_directions(load_wannier90(path, wsvec=wsvec, strict=strict), flags, os.fspath(path))
    matrices, notes = _named_operators(operators, data, os.fspath(path), strict)
    from blochflow.core.units import EV_ANGSTROM
    from blochflow.models.tight_binding import TightBinding

    return TightBinding.from_blocks(
        data.lattice,
        data.centres,
        data.cells,
        data.hamiltonian,
        positions=data.positions,
        operators=matrices,
        units=EV_ANGSTROM,
        spin_degeneracy=spin_degeneracy,
        name=data.name,
        notes=(*data.notes, *notes),
    )


def spin_matrices(order: str, num_wann: int) -> np.ndarray:
    """Pauli matrices (3, N, N) for spinor Wannier functions in a given order of spins.

    Raises
    ------
    ValueError
        Unknown order, or an odd number of Wannier functions.
    """
    as_choice(order, "operators['spin']", SPIN_ORDERS)
    if num_wann % 2:
        raise fail("operators['spin']", "belong to an even number of spinor Wannier functions", f"there are {num_wann}")
    from blochflow.models.operators import PAULI

    identity = np.eye(num_wann // 2)
    pairs = [np.kron(identity, s) if order == "interleaved" else np.kron(s, identity) for s in PAULI]
    return np.stack(pairs)


def _named_operators(
    operators: Mapping[str, Any] | None, data: WannierData, path: str, strict: bool
) -> tuple[dict[str, Any], list[str]]:
    """Operators as matrices, and the notes they call for."""
    if operators is None:
        return {}, []
    if not isinstance(operators, Mapping):
        raise fail("operators", "be a dict of names and matrices", f"is {type(operators).__name__}")
    num_wann, notes, matrices = data.hamiltonian.shape[-1], [], {}
    for name, value in operators.items():
        if not isinstance(value, str):
            matrices[name] = value
            continue
        if name != "spin":
            raise fail(f"operators[{name!r}]", 'be a matrix (only "spin" has names)', f"is {value!r}")
        matrices[name] = spin_matrices(value, num_wann)
        notes.append(SPIN_NOTE)
        if data.spinors is False:
            error = FileFormatError(
                path,
                found="spinors = false in the `.win`",
                expected="spinor Wannier functions",
                fix='leave out the operator "spin", or correct spinors in the `.win`',
            )
            if strict:
                raise error
            warnings.warn(str(error), FileWarning, stacklevel=3)
    return matrices, notes
