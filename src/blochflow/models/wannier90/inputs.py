"""What is needed of `.win` (lattice, mp_grid, num_wann, spinors) and of `_centres.xyz` (Wannier centres).

`.win` is free format: keywords in any case, followed by ``=``, ``:`` or blanks; comments start with ``!`` or ``#``.
Lengths are in angstrom unless the block says bohr; Wannier90 3.1 uses 1 bohr = 0.52917720859 angstrom.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from blochflow.core.errors import FileFormatError
from blochflow.models.wannier90.files import open_lines
from blochflow.models.wannier90.redundancy import LENGTHS, extreme_length, is_singular

BOHR = 0.52917720859  # angstrom, CODATA 2006, as in Wannier90 3.1
COMMENT = re.compile(r"[!#].*")
BEGIN = re.compile(r"\s*begin\s*[=:]?\s*unit_cell_cart\s*", re.IGNORECASE)
END = re.compile(r"\s*end\s*[=:]?\s*unit_cell_cart\s*", re.IGNORECASE)
LOGICAL = {
    "true": True,
    ".true.": True,
    "t": True,
    ".t.": True,
    "false": False,
    ".false.": False,
    "f": False,
    ".f.": False,
}


@dataclass(frozen=True)
class WannierInput:
    """Facts from a `.win`; None where the file does not state them.

    ``lines`` holds the line (from 1) of each fact.
    """

    path: str
    lattice: np.ndarray | None
    mp_grid: np.ndarray | None
    num_wann: int | None
    spinors: bool | None
    lines: dict[str, int]

    def error(self, name: str, found: str, expected: str, fix: str) -> FileFormatError:
        """The error at the line of a fact (the first line where it is absent)."""
        return FileFormatError(self.path, self.lines.get(name, 1), found=found, expected=expected, fix=fix)


class _FreeText:
    """Lines of a free-format file without comments, with errors at a line."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.raw = open_lines(path)
        self.lines = [COMMENT.sub("", line) for line in self.raw]

    def fail(self, line: int, found: str, expected: str, fix: str) -> NoReturn:
        raise FileFormatError(self.path, line + 1, found=found[:120], expected=expected, fix=fix)

    def shown(self, line: int) -> str:
        if line >= len(self.raw):
            return "the end of the file"
        return repr(self.raw[line].strip()) if self.raw[line].strip() else "an empty line"

    def keyword(self, name: str, values: int) -> tuple[list[str], int] | None:
        """Values after a keyword and its line; the keyword may follow another on the same line."""
        pattern = re.compile(rf"(?<![\w.]){name}(?![\w])\s*[=:]?\s*(.*)", re.IGNORECASE)
        seen: tuple[list[str], int] | None = None
        for number, line in enumerate(self.lines):
            match = pattern.search(line)
            if match is None:
                continue
            found = re.split(r"[\s,]+", match[1].strip())[:values]
            if seen is not None and seen[0] != found:
                self.fail(
                    number,
                    f"{name} a second time: {' '.join(found) or 'nothing'}",
                    f"{name} once; line {seen[1] + 1} says {' '.join(seen[0])}",
                    f"keep one line with {name} in the `.win`",
                )
            seen = (found, number)
        return seen


def read_win(path: str | os.PathLike[str]) -> WannierInput:
    """Read lattice, mp_grid, num_wann and spinors from a `.win`.

    Raises
    ------
    FileFormatError
        One of them is stated but malformed, or twice with different values.
    """
    text = _FreeText(path)
    lines: dict[str, int] = {}
    num_wann = _integers(text, "num_wann", 1, lines)
    mp_grid = _integers(text, "mp_grid", 3, lines)
    spinors = _logical(text, "spinors", lines)
    lattice = _unit_cell(text, lines)
    count = None if num_wann is None else int(num_wann[0])
    return WannierInput(text.path, lattice, mp_grid, count, spinors, lines)


def _integers(text: _FreeText, name: str, count: int, lines: dict[str, int]) -> np.ndarray | None:
    stated = text.keyword(name, count)
    if stated is None:
        return None
    fields, line = stated
    lines[name] = line + 1
    if len(fields) != count or not all(re.fullmatch(r"\+?\d{1,9}", field) and int(field) > 0 for field in fields):
        text.fail(
            line,
            text.shown(line),
            f"{name} = {count} positive integer{'s' if count > 1 else ''}",
            f"correct {name} in the `.win`",
        )
    return np.array([int(field) for field in fields])


def _logical(text: _FreeText, name: str, lines: dict[str, int]) -> bool | None:
    stated = text.keyword(name, 1)
    if stated is None:
        return None
    fields, line = stated
    lines[name] = line + 1
    if fields[0].lower() not in LOGICAL:
        text.fail(line, text.shown(line), f"{name} = true or false", f"correct {name} in the `.win`")
    return LOGICAL[fields[0].lower()]


def _unit_cell(text: _FreeText, lines: dict[str, int]) -> np.ndarray | None:
    begins = [number for number, line in enumerate(text.lines) if BEGIN.fullmatch(line)]
    ends = [number for number, line in enumerate(text.lines) if END.fullmatch(line)]
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        text.fail(
            (begins + ends)[0],
            f"{len(begins)} begin and {len(ends)} end of unit_cell_cart",
            "one block begin unit_cell_cart ... end unit_cell_cart",
            "restore the block unit_cell_cart with its begin and end",
        )
    body = [number for number in range(begins[0] + 1, ends[0]) if text.lines[number].strip()]
    unit = 1.0
    if body and len(text.lines[body[0]].split()) == 1:
        unit = _unit_of_length(text, body.pop(0))
    if len(body) != 3:
        text.fail(
            begins[0],
            f"{len(body)} lines of vectors in unit_cell_cart",
            "three lattice vectors",
            "give three lattice vectors in the block unit_cell_cart",
        )
    lattice = unit * np.array([_vector(text, number, "unit_cell_cart", "lattice vector") for number in body])
    lines["unit_cell_cart"] = begins[0] + 1
    length = extreme_length(lattice)
    if length is not None:
        text.fail(
            begins[0],
            f"a lattice vector of {length:.3g} angstrom",
            f"lengths between {LENGTHS[0]:g} and {LENGTHS[1]:g} angstrom",
            "correct unit_cell_cart: a decimal point or an exponent of the lattice vectors is damaged",
        )
    if is_singular(lattice):
        text.fail(
            begins[0],
            f"lattice vectors of volume {abs(np.linalg.det(lattice)):.3g} angstrom^3",
            "three linearly independent lattice vectors",
            "correct unit_cell_cart: the vectors lie in one plane",
        )
    return lattice


def _unit_of_length(text: _FreeText, line: int) -> float:
    unit = text.lines[line].strip().lower()
    if unit in ("bohr", "b"):
        return BOHR
    if unit in ("ang", "angstrom", "a"):
        return 1.0
    text.fail(line, text.shown(line), "bohr or ang", "correct the unit of length in the block unit_cell_cart")


def _vector(text: _FreeText, line: int, where: str, what: str) -> list[float]:
    fields = re.split(r"[\s,]+", text.lines[line].strip())
    values = [_real(field) for field in fields]
    if len(values) != 3 or any(value is None for value in values):
        text.fail(line, text.shown(line), f"a {what}: 3 finite numbers", f"correct the {what} in {where}")
    return [value for value in values if value is not None]


def _real(field: str) -> float | None:
    try:
        value = float(field.lower().replace("d", "e"))
    except ValueError:
        return None
    return value if np.isfinite(value) and "_" not in field else None


def read_centres(path: str | os.PathLike[str], num_wann: int | None = None) -> np.ndarray:
    """Wannier centres (N, 3) in angstrom: the lines "X x y z" of a `_centres.xyz`; atoms follow them.

    Raises
    ------
    FileFormatError
        Counts disagree, or a line is malformed.
    """
    text = _FreeText(path)
    text.lines = list(text.raw)  # in an .xyz nothing is a comment but the second line
    while text.lines and not text.lines[-1].strip():
        text.lines.pop()
    if not re.fullmatch(r"\s*\d{1,9}\s*", text.lines[0]):
        text.fail(
            0,
            text.shown(0),
            "the number of centres and atoms",
            "restore the count in the first line of the `_centres.xyz`",
        )
    stated, rows = int(text.lines[0]), text.lines[2:]
    if stated != len(rows):
        text.fail(
            0,
            f"{stated} announced, {len(rows)} lines of coordinates",
            "equal numbers",
            "complete the `_centres.xyz`, or correct its first line: centres and atoms are not as many as announced",
        )
    centres = []
    for line, row in enumerate(rows, start=2):
        if not row.strip():
            text.fail(line, "an empty line", "a centre or an atom", "delete the empty line of the `_centres.xyz`")
        label, *rest = row.split(maxsplit=1)
        text.lines[line] = "".join(rest)
        vector = _vector(text, line, "the `_centres.xyz`", "Wannier centre or atom")
        if label == "X":
            centres.append(vector)
    if num_wann is not None and len(centres) != num_wann:
        text.fail(
            0,
            f"{len(centres)} lines X",
            f"num_wann = {num_wann} Wannier centres",
            "use the `_centres.xyz` of the same run: the number of Wannier centres (lines X) differs",
        )
    return np.array(centres)
