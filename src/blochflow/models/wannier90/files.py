"""Opening Wannier90 files (plain, .gz, .xz), finding the files that belong together, collecting oddities.

A run called ``X`` leaves ``X_tb.dat``, ``X_hr.dat``, ``X_wsvec.dat``, ``X_centres.xyz`` and ``X.win`` in one
folder.  Each of them may be compressed.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from blochflow.core.checks import fail
from blochflow.core.errors import FileFormatError, FileWarning
from blochflow.models.wannier90.table import TextTable

SUFFIXES = ("", ".gz", ".xz")
NAME = re.compile(r"(?P<seed>.*)_(?P<kind>tb|hr)\.dat(\.gz|\.xz)?")
FRIENDS = {"tb": "_tb.dat", "hr": "_hr.dat", "wsvec": "_wsvec.dat", "centres": "_centres.xyz", "win": ".win"}


@dataclass
class Findings:
    """What a reader has to say besides the numbers: facts (``notes``) and oddities (warnings, or errors if strict)."""

    strict: bool = False
    notes: list[str] = field(default_factory=list)

    def oddity(self, error: FileFormatError) -> None:
        """Raise ``error`` in strict mode, warn otherwise."""
        if self.strict:
            raise error
        warnings.warn(str(error), FileWarning, stacklevel=2)


def split_name(path: str | os.PathLike[str]) -> tuple[Path, str, str]:
    """Folder, seedname and kind (``"tb"`` or ``"hr"``) of the main file.

    Raises
    ------
    ValueError
        The name does not end in ``_tb.dat`` or ``_hr.dat`` (``.gz``, ``.xz``).
    """
    try:
        full = Path(path)
    except TypeError as exc:
        raise fail("path", "be the name of a file", f"is {path!r}") from exc
    match = NAME.fullmatch(full.name)
    if match is None:
        raise fail("path", "end in `_tb.dat` or `_hr.dat` (plain, .gz or .xz)", f"is {str(path)!r}")
    return full.parent, match["seed"], match["kind"]


def find_friend(path: str | os.PathLike[str], kind: str) -> Path | None:
    """The file of the same run of another kind (``"hr"``, ``"wsvec"``, ``"centres"``, ``"win"``), if present."""
    folder, seed, _ = split_name(path)
    for suffix in SUFFIXES:
        candidate = folder / f"{seed}{FRIENDS[kind]}{suffix}"
        if candidate.exists():
            return candidate
    return None


def open_bytes(path: str | os.PathLike[str]) -> bytes:
    """The decompressed content of a file.

    Raises
    ------
    FileFormatError
        The file is absent or unreadable, or its compressed data are damaged.
    """
    name = os.fspath(path)
    try:
        raw = Path(path).read_bytes()
    except OSError as exc:
        fix = f"check the name and the folder: {exc.strerror or exc}"
        raise FileFormatError(name, found="no readable file", expected="a Wannier90 file", fix=fix) from exc
    packer = Path(path).suffix
    if packer not in (".gz", ".xz"):
        return raw
    try:
        return gzip.decompress(raw) if packer == ".gz" else lzma.decompress(raw)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as exc:
        raise FileFormatError(
            name,
            1,
            found=f"damaged compressed data ({exc})",
            expected=f"a complete {packer} file",
            fix=f"copy or compress the {packer} file again: its compressed data are cut or altered",
        ) from exc


def open_table(path: str | os.PathLike[str]) -> TextTable:
    """Open a file as a table of fields."""
    return TextTable(os.fspath(path), open_bytes(path))


def open_lines(path: str | os.PathLike[str]) -> list[str]:
    """Lines of a small free-format file (``.win``, ``.xyz``), where comments may hold any letters."""
    raw = open_bytes(path)
    name = os.fspath(path)
    if not raw.strip():
        raise FileFormatError(
            name,
            1,
            found="an empty file",
            expected="a Wannier90 input or coordinate file",
            fix="write the file again, or delete it if it does not belong to this run",
        )
    if b"\x00" in raw:
        line = raw[: raw.index(b"\x00")].count(b"\n") + 1
        raise FileFormatError(
            name,
            line,
            found="a zero byte",
            expected="text",
            fix="save the file as plain UTF-8 text: it is binary, or UTF-16",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
