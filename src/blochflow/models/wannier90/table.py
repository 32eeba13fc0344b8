"""A text file as a table of fields: fast numbers for a whole block, exact places for errors.

Wannier90 writes plain columns.  The table keeps the raw bytes, where every field starts and how many fields each
line has, so that a block of a million numbers is one NumPy parse, while any check that fails can still name line
and column.  Fortran exponents (``1.0D-03`` and ``0.1-103``) are understood; ``****`` (a field too narrow for its
number) is not a number and is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from blochflow.core.errors import FileFormatError

# A three-digit Fortran exponent has no room for its letter: 0.12345678-103.
LETTERLESS = re.compile(rb"(\.\d+)([+-]\d{3})(?=\s|$)")
FORTRAN = bytes.maketrans(b"dD", b"eE")
SHOWN = 60


class TextTable:
    """The fields of one (decompressed) text file.

    Parameters
    ----------
    path : str
        Name for error messages.
    raw : bytes
        The text.

    Raises
    ------
    FileFormatError
        Empty, not text, or cut inside the last line.
    """

    def __init__(self, path: str, raw: bytes) -> None:
        self.path = path
        self.raw = raw
        codes = np.frombuffer(raw, dtype=np.uint8)
        if not np.any(codes > 32):
            self.fail(
                0,
                "an empty file" if not raw else "only blank lines",
                "a Wannier90 text file",
                "write the empty file again: the run that made it may have failed or the disk may be full",
            )
        newlines = np.flatnonzero(codes == 10)
        self.bounds = (
            np.concatenate([[0], newlines + 1, [len(raw)]])
            if raw[-1:] != b"\n"
            else np.concatenate([[0], newlines + 1])
        )
        self._reject_binary(codes)
        solid = codes > 32
        solid[1:] &= codes[:-1] <= 32
        self.starts = np.flatnonzero(solid)
        self.first_field = np.searchsorted(self.starts, self.bounds)
        self.counts = np.diff(self.first_field)
        self.rows = np.flatnonzero(self.counts)
        self._reject_cut_line()

    def __len__(self) -> int:
        return len(self.counts)

    def text(self, line: int) -> str:
        """Line number ``line`` (from 0) without its end."""
        return self.raw[self.bounds[line] : self.bounds[line + 1]].decode("latin-1").strip()

    def shown(self, line: int) -> str:
        """A line for an error message, or what stands in its place."""
        if line >= len(self):
            return "the end of the file"
        return repr(self.text(line)) if self.counts[line] else "an empty line"

    def fields(self, line: int) -> list[str]:
        """The fields of a line (from 0); past the end there are none."""
        return self.text(line).split() if 0 <= line < len(self) else []

    def place(self, field: int) -> tuple[int, int]:
        """Line and column (from 0) of field number ``field`` of the file."""
        start = int(self.starts[field])
        line = int(np.searchsorted(self.bounds, start, side="right")) - 1
        return line, start - int(self.bounds[line])

    def fail(self, line: int | None, found: str, expected: str, fix: str, column: int | None = None) -> NoReturn:
        """Raise for a place counted from 0."""
        raise self.error(line, found, expected, fix, column)

    def error(
        self, line: int | None, found: str, expected: str, fix: str, column: int | None = None
    ) -> FileFormatError:
        """The error for a place counted from 0; users see places counted from 1."""
        shown = found if len(found) <= 2 * SHOWN else found[: 2 * SHOWN] + " ..."
        return FileFormatError(
            self.path,
            None if line is None else line + 1,
            None if column is None else column + 1,
            found=shown,
            expected=expected,
            fix=fix,
        )

    def fail_at(self, field: int, found: str, expected: str, fix: str) -> NoReturn:
        """Raise for a field of the file."""
        line, column = self.place(field)
        self.fail(line, found, expected, fix, column)

    def numbers(self, first: int, last: int, what: str) -> np.ndarray:
        """Fields ``first`` to ``last`` - 1 as float64, all of them finite.

        Raises
        ------
        FileFormatError
            A field is not a number, or not a finite one; ``what`` names the quantity.
        """
        if first >= last:
            return np.empty(0)
        end = int(self.starts[last]) if last < len(self.starts) else len(self.raw)
        region = self.raw[int(self.starts[first]) : end].translate(FORTRAN)
        values = _parse(region)
        if values is None or len(values) != last - first:
            values = _parse(LETTERLESS.sub(rb"\1e\2", region))
        if values is None or len(values) != last - first:
            self._fail_on_bad_number(first, last, what)
        bad = ~np.isfinite(values)
        if bad.any():
            field = first + int(np.argmax(bad))
            self.fail_at(
                field,
                self._shown_field(field),
                f"a finite number ({what})",
                f"correct the {what}: the value is not finite, so the calculation that wrote it has failed",
            )
        return values

    def _shown_field(self, field: int) -> str:
        start = int(self.starts[field])
        return self.raw[start : start + SHOWN].split(maxsplit=1)[0].decode("latin-1")

    def _fail_on_bad_number(self, first: int, last: int, what: str) -> NoReturn:
        for field in range(first, last):
            token = self._shown_field(field)
            if _is_number(token):
                continue
            if "*" in token:
                fix = f"write the {what} in wider columns: Fortran prints **** where a number does not fit"
            else:
                fix = f"correct the {what}: the field is damaged or two fields have run together"
            self.fail_at(field, repr(token), f"a number ({what})", fix)
        self.fail_at(
            first,
            "fields that do not separate into numbers",
            f"numbers ({what})",
            f"separate the fields of the {what} by blanks",
        )

    def _reject_binary(self, codes: np.ndarray) -> None:
        control = (codes < 32) & (codes != 9) & (codes != 10) & (codes != 13) | (codes == 127)
        foreign = control | (codes > 127)
        end_of_comment = int(self.bounds[1])
        foreign[:end_of_comment] = control[:end_of_comment]  # a comment may hold any letters
        if not foreign.any():
            return
        at = int(np.argmax(foreign))
        line = int(np.searchsorted(self.bounds, at, side="right")) - 1
        packed = self.raw[:2] == b"\x1f\x8b" or self.raw[:6] == b"\xfd7zXZ\x00"
        if packed:
            fix = "name a compressed file by its suffix .gz or .xz"
        elif b"\x00" in self.raw[:200] or control.any():
            fix = "give a text file: a binary file, or text saved as UTF-16, cannot be read; save it as UTF-8"
        else:
            fix = "delete the character, which is not ASCII; only the comment in the first line may hold such letters"
        self.fail(line, f"the byte 0x{self.raw[at]:02x}", "text in ASCII", fix, at - int(self.bounds[line]))

    def _reject_cut_line(self) -> None:
        # Without a newline at the end the last number may have lost digits.  Wannier90's columns have a fixed
        # width, so a last line as long as the one before it is whole.
        if self.raw[-1:] == b"\n" or len(self.rows) < 2:
            return
        line = len(self) - 1
        last, before = self.raw[self.bounds[line] :], self.raw[self.bounds[line - 1] : self.bounds[line]]
        if last.strip() and len(last.rstrip()) != len(before.rstrip()):
            self.fail(
                line,
                f"the end of the file inside the line {self.text(line)[:SHOWN]!r}",
                "a newline at the end",
                "copy the file again: the end of its last line is missing (or end a complete line by a newline)",
            )


def _parse(region: bytes) -> np.ndarray | None:
    try:
        return np.fromstring(region, dtype=np.float64, sep=" ")
    except ValueError:
        return None


def _is_number(token: str) -> bool:
    plain = LETTERLESS.sub(rb"\1e\2", token.encode("latin-1").translate(FORTRAN))
    try:
        float(plain)
    except ValueError:
        return False
    return b"_" not in plain


@dataclass(frozen=True)
class Resolution:
    """The smallest difference that the printed digits of a column can show.

    ``decimals`` digits follow the point in fixed notation; in exponent notation a number has ``digits`` digits.
    """

    decimals: int | None
    digits: int | None

    def unit(self, values: np.ndarray) -> np.ndarray:
        """One unit of the last printed digit of each value."""
        size = np.abs(values)
        if self.digits is None:
            # Few decimals mean hand-written numbers such as 1 or 0.25, which are exact.
            step = 10.0 ** -(self.decimals or 0) if (self.decimals or 0) >= 4 else 1e-6
            return np.full(size.shape, step)
        power = np.floor(np.log10(np.maximum(size, 1e-300)) + 1e-9)
        return np.asarray(10.0 ** (power + 1 - self.digits))


def resolution(table: TextTable, fields: np.ndarray) -> Resolution:
    """Printed resolution of some fields of a table, from a sample of them."""
    sample = fields[:: max(1, len(fields) // 2000)]
    decimals, digits, exponents = [], [], 0
    for field in sample:
        token = table._shown_field(int(field)).lower().replace("d", "e").lstrip("+-")
        mantissa, mark, _ = token.partition("e")
        exponents += bool(mark)
        decimals.append(len(mantissa.partition(".")[2]))
        digits.append(len(mantissa.replace(".", "").lstrip("0")))
    if 2 * exponents > len(sample):
        return Resolution(None, max(1, min(17, max(digits))))
    return Resolution(max(decimals), None)
