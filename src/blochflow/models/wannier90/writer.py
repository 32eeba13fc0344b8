"""`write_wannier90`: a tight-binding model as a Wannier90 `_tb.dat`.

    comment; 3 lattice vectors; num_wann; nrpts; degeneracies (all 1); blocks of H; blocks of r

Numbers carry 17 significant digits, so that reading gives back the same doubles.  Wannier90's format has three
dimensions: a model in fewer is embedded, with extra lattice vectors perpendicular to it.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.core.errors import FileWarning
from blochflow.models.wannier90.files import find_friend, split_name

if TYPE_CHECKING:
    from blochflow.models.tight_binding import TightBinding


def write_wannier90(model: TightBinding, path: str | os.PathLike[str]) -> None:
    """Write a tight-binding model as a Wannier90 `_tb.dat`.

    Source of the format: Wannier90 3.1 user guide, "seedname_tb.dat".  A model without position matrices gets its
    orbital positions on the diagonal of R = 0.  A model in one or two dimensions is embedded in three, with extra
    lattice vectors as long as its longest one, perpendicular to it; read it back with `periodic`.  The file appears
    only complete: it is written aside, then renamed.  Not included: operators, units, spin degeneracy, notes, for
    which the format has no place.

    Parameters
    ----------
    model : TightBinding
        In eV and angstrom.  Numbers of a model in other units are written as they are, with a warning.
    path : str or path
        ``X_tb.dat``, ``X_tb.dat.gz`` or ``X_tb.dat.xz``.

    Raises
    ------
    ValueError
        Wrong name, a folder that does not exist, or files of another run called ``X`` lie beside it, which
        `read_wannier90` would apply to this one.

    Warns
    -----
    FileWarning
        The model is not in eV and angstrom.

    Examples
    --------
    >>> import os, tempfile
    >>> import blochflow as bf
    >>> chain = bf.TightBinding([[2.0]], [[0.0]], [(-1.0, 0, 0, (1,))], units=bf.EV_ANGSTROM)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     bf.write_wannier90(chain, os.path.join(folder, "chain_tb.dat.xz"))
    ...     os.listdir(folder)
    ['chain_tb.dat.xz']
    """
    _, seed, kind = split_name(path)
    if kind != "tb":
        raise fail("path", "end in `_tb.dat` (plain, .gz or .xz)", f"is {os.fspath(path)!r}")
    folder = Path(path).parent
    if not folder.is_dir():
        raise fail("path", "lie in an existing folder", f"there is no folder {str(folder)!r}")
    for other in ("wsvec", "hr", "win", "centres"):
        found = find_friend(path, other)
        if found is not None:
            raise fail(
                "path",
                f"not name a run whose files exist (`read_wannier90` would combine them with {seed}_tb.dat)",
                f"{found.name} lies beside it",
            )
    for name in ("cells", "blocks", "orbitals", "lattice"):
        if not hasattr(model, name):
            raise fail("model", "be a TightBinding model", f"is a {type(model).__name__}")
    if model.units.name != "EV_ANGSTROM":
        warnings.warn(
            f"The numbers of {model.name} are in {model.units.name} units; a `_tb.dat` means eV and angstrom.",
            FileWarning,
            stacklevel=2,
        )
    write_atomically(Path(path), tb_text(*_embedded(model)).encode("ascii"))


def tb_text(lattice: np.ndarray, cells: np.ndarray, blocks: np.ndarray, positions: np.ndarray) -> str:
    """The content of a `_tb.dat` for (3, 3) lattice, (nR, 3) R, (nR, N, N) H and (nR, 3, N, N) positions."""
    count = blocks.shape[-1]
    lines = [" written by Blochflow"]
    lines += [" ".join(f"{x:24.16E}" for x in row) for row in lattice]
    lines += [f"{count:12d}", f"{len(cells):12d}"]
    ones = ["    1"] * len(cells)
    lines += ["".join(ones[start : start + 15]) for start in range(0, len(ones), 15)]
    labels = [f"{i + 1:5d}{j + 1:5d}" for j in range(count) for i in range(count)]
    # Rows of numbers: i fastest, as in Wannier90's files.
    hamiltonian = blocks.swapaxes(1, 2).reshape(len(cells), -1, 1)
    vectors = positions.transpose(0, 3, 2, 1).reshape(len(cells), -1, 3)
    for table in (hamiltonian, vectors):
        pattern = " ".join(["%24.16E"] * (2 * table.shape[2]))
        for cell, elements in zip(cells, table, strict=True):
            lines += ["", "".join(f"{x:5d}" for x in cell)]
            numbers = np.stack([elements.real, elements.imag], axis=-1).reshape(len(labels), -1)
            lines += [label + " " + pattern % tuple(row) for label, row in zip(labels, numbers.tolist(), strict=True)]
    return "\n".join(lines) + "\n"


def _embedded(model: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lattice, cells, H and positions of a model as three-dimensional arrays."""
    vectors, cells = np.asarray(model.lattice.vectors), np.asarray(model.cells)
    blocks, centres = np.asarray(model.blocks), np.asarray(model.orbitals)
    d, count = vectors.shape[0], blocks.shape[-1]
    lattice = np.linalg.norm(vectors, axis=1).max() * np.eye(3)
    lattice[:d] = 0.0
    lattice[:d, :d] = vectors
    padded = np.zeros((len(cells), 3), dtype=np.int64)
    padded[:, :d] = cells
    positions = np.zeros((len(cells), 3, count, count), dtype=np.complex128)
    if model.positions is not None:
        positions[:, :d] = np.asarray(model.positions)
    else:
        home = int(np.flatnonzero((cells == 0).all(axis=1))[0])
        diagonal = np.arange(count)
        positions[home, :d, diagonal, diagonal] = centres
    return lattice, padded, blocks, positions


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, compressed as its suffix says, so that it appears only complete."""
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    elif path.suffix == ".xz":
        content = lzma.compress(content)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
