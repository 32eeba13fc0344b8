"""Ways in which a text file of numbers gets damaged; each takes the bytes and a random generator."""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]


def _lines(raw: bytes) -> list[bytes]:
    return raw.splitlines(keepends=True)


def _pick(rng: np.random.Generator, count: int) -> int:
    return int(rng.integers(count))


def _replace_field(raw: bytes, rng: np.random.Generator, pattern: bytes, new: Callable[[bytes], bytes]) -> bytes:
    """Replace one random field that matches ``pattern``; the width of the column is kept where it fits."""
    fields = list(re.finditer(rb"(?<=\s)" + pattern + rb"(?=\s)", raw))
    if not fields:
        return raw
    chosen = fields[_pick(rng, len(fields))]
    text = new(chosen[0])
    start = chosen.start()
    while len(text) > chosen.end() - start and raw[start - 2 : start] == b"  ":
        start -= 1
    return raw[:start] + text.rjust(chosen.end() - start) + raw[chosen.end() :]


REAL = rb"-?\d+\.\d+(?:E[+-]\d+)?"
INTEGER = rb"-?\d+"


def truncate(raw: bytes, rng: np.random.Generator) -> bytes:
    """Cut anywhere."""
    return raw[: 1 + _pick(rng, len(raw) - 1)]


def truncate_at_line(raw: bytes, rng: np.random.Generator) -> bytes:
    """Cut at the end of a line."""
    lines = _lines(raw)
    return b"".join(lines[: 1 + _pick(rng, len(lines) - 1)])


def truncate_early(raw: bytes, rng: np.random.Generator) -> bytes:
    """Keep the first few lines only."""
    return b"".join(_lines(raw)[: 1 + _pick(rng, 10)])


def cut_end(raw: bytes, rng: np.random.Generator) -> bytes:
    """Lose the last few bytes."""
    return raw[: -1 - _pick(rng, 12)]


def drop_line(raw: bytes, rng: np.random.Generator) -> bytes:
    """Lose a line."""
    lines = _lines(raw)
    del lines[_pick(rng, len(lines))]
    return b"".join(lines)


def drop_header_line(raw: bytes, rng: np.random.Generator) -> bytes:
    """Lose one of the first lines."""
    lines = _lines(raw)
    del lines[_pick(rng, min(8, len(lines)))]
    return b"".join(lines)


def duplicate_line(raw: bytes, rng: np.random.Generator) -> bytes:
    """Write a line twice."""
    lines = _lines(raw)
    at = _pick(rng, len(lines))
    return b"".join(lines[: at + 1] + lines[at:])


def swap_neighbours(raw: bytes, rng: np.random.Generator) -> bytes:
    """Exchange two neighbouring lines."""
    lines = _lines(raw)
    at = _pick(rng, len(lines) - 1)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return b"".join(lines)


def swap_lines(raw: bytes, rng: np.random.Generator) -> bytes:
    """Exchange two lines."""
    lines = _lines(raw)
    a, b = _pick(rng, len(lines)), _pick(rng, len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def merge_lines(raw: bytes, rng: np.random.Generator) -> bytes:
    """Lose a newline."""
    lines = _lines(raw)
    at = _pick(rng, len(lines))
    lines[at] = lines[at].rstrip(b"\n") + b" "
    return b"".join(lines)


def append_garbage(raw: bytes, rng: np.random.Generator) -> bytes:
    """Text after the end."""
    extra = [b"JOB DONE.\n", b"    1    1    0.0    0.0\n", b"   0   0   0\n", raw]
    return raw + extra[_pick(rng, len(extra))]


def not_a_number(raw: bytes, rng: np.random.Generator) -> bytes:
    """NaN, Infinity, overflow, asterisks."""
    bad = [b"NaN", b"Infinity", b"-Inf", b"************", b"0.1E+999", b"nan"]
    return _replace_field(raw, rng, REAL, lambda _: bad[_pick(rng, len(bad))])


def not_an_integer(raw: bytes, rng: np.random.Generator) -> bytes:
    """An integer that is none."""
    bad = [b"NaN", b"*****", b"x", b"1.5", b"1,2", b"2-1"]
    return _replace_field(raw, rng, INTEGER, lambda _: bad[_pick(rng, len(bad))])


def lose_field(raw: bytes, rng: np.random.Generator) -> bytes:
    """Blank out one field."""
    return _replace_field(raw, rng, rb"\S+", lambda field: b" " * len(field))


def extra_field(raw: bytes, rng: np.random.Generator) -> bytes:
    """One field too many in a line."""
    lines = _lines(raw)
    at = _pick(rng, len(lines))
    lines[at] = lines[at].rstrip(b"\n") + [b" 1\n", b" 0.5\n"][_pick(rng, 2)]
    return b"".join(lines)


def change_integer(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another integer: R, i, j, a degeneracy, N_T, T."""
    return _replace_field(raw, rng, INTEGER, lambda field: b"%d" % (int(field) + int(rng.choice([-2, -1, 1, 2, 7]))))


def huge_integer(raw: bytes, rng: np.random.Generator) -> bytes:
    """An integer that would ask for all memory."""
    return _replace_field(raw, rng, INTEGER, lambda _: [b"999999999", b"99999999999999999999"][_pick(rng, 2)])


def change_counts(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another num_wann or nrpts in the header."""
    lines = _lines(raw)
    alone = [n for n, line in enumerate(lines[:12]) if re.fullmatch(rb"\s*(num_wann\s*=)?\s*\d+\s*", line)]
    if not alone:
        return raw
    at = alone[_pick(rng, len(alone))]
    step = int(rng.choice([-1, 1, 2, 1000000]))
    lines[at] = re.sub(rb"\d+", lambda field: b"%d" % max(0, int(field[0]) + step), lines[at])
    return b"".join(lines)


def change_degeneracy(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another number in the table of degeneracies (or in the first lines of a file that has none)."""
    lines = _lines(raw)
    rows = [n for n, line in enumerate(lines[:12]) if re.fullmatch(rb"(\s+\d+){4,15}\s*", line)]
    if not rows:
        return change_integer(raw, rng)
    at = rows[_pick(rng, len(rows))]
    bad = [b"0", b"-1", b"1.5", b"3", b"4", b"x", b"5 5"]
    lines[at] = _replace_field(lines[at], rng, INTEGER, lambda _: bad[_pick(rng, len(bad))])
    return b"".join(lines)


def repeat_block(raw: bytes, rng: np.random.Generator) -> bytes:
    """Give one R the name of another, everywhere."""
    cells = sorted(set(re.findall(rb"(?m)^(?: +-?\d+){3}(?=$| {4}\d)", raw)))
    if len(cells) < 2:
        return change_integer(raw, rng)
    a, b = rng.choice(len(cells), 2, replace=False)
    return raw.replace(cells[a], cells[b])


def change_number(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another value of a real number."""
    return _replace_field(raw, rng, REAL, lambda field: field.replace(b".", b".7", 1)[: len(field)])


def flip_sign(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another sign of a real number."""
    return _replace_field(raw, rng, REAL, lambda field: field[1:] if field.startswith(b"-") else b"-" + field)


def change_digit(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another digit anywhere."""
    places = [match.start() for match in re.finditer(rb"\d", raw)]
    at = places[_pick(rng, len(places))]
    return raw[:at] + b"%d" % rng.choice([d for d in range(10) if d != raw[at] - 48]) + raw[at + 1 :]


def change_lattice(raw: bytes, rng: np.random.Generator) -> bytes:
    """Damage in the first lines with three reals: lattice vectors, centres."""
    lines = _lines(raw)
    rows = [n for n, line in enumerate(lines[:14]) if len(re.findall(REAL, line)) == 3]
    if not rows:
        return change_number(raw, rng)
    at = rows[_pick(rng, len(rows))]
    zero = re.sub(REAL, b"0.000000", lines[at])
    copy = lines[rows[0]] if at != rows[0] else lines[rows[-1]]
    lines[at] = [zero, copy, change_number(b" " + lines[at], rng), flip_sign(b" " + lines[at], rng)][_pick(rng, 4)]
    return b"".join(lines)


def random_byte(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another byte anywhere."""
    at = _pick(rng, len(raw))
    return raw[:at] + bytes([_pick(rng, 256)]) + raw[at + 1 :]


def random_character(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another printable character anywhere."""
    at = _pick(rng, len(raw))
    return raw[:at] + bytes([32 + _pick(rng, 95)]) + raw[at + 1 :]


def delete_byte(raw: bytes, rng: np.random.Generator) -> bytes:
    """A byte lost."""
    at = _pick(rng, len(raw))
    return raw[:at] + raw[at + 1 :]


def zero_page(raw: bytes, rng: np.random.Generator) -> bytes:
    """Zeros in place of some text, as a crashed file system leaves them."""
    at = _pick(rng, len(raw))
    return raw[:at] + b"\x00" * 64 + raw[at + 64 :]


def empty(raw: bytes, rng: np.random.Generator) -> bytes:
    """Nothing, or blanks."""
    return [b"", b"\n\n", b" "][_pick(rng, 3)]


def binary(raw: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes."""
    return rng.bytes(1 + _pick(rng, 4000))


def utf16(raw: bytes, rng: np.random.Generator) -> bytes:
    """Saved by an editor as UTF-16."""
    return raw.decode("latin-1").encode("utf-16")


def compressed_under_plain_name(raw: bytes, rng: np.random.Generator) -> bytes:
    """Compressed, whole or cut, without the suffix that says so."""
    packed = gzip.compress(raw, mtime=0) if rng.integers(2) else lzma.compress(raw)
    return [packed, packed[: len(packed) // 2]][_pick(rng, 2)]


def change_pair(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another value of H(R) and its partner H(-R) alike: still Hermitian."""
    values = re.findall(rb"(?<=\s)-?(\d+\.\d+(?:E[+-]\d+)?)(?=\s)", raw)
    twins = sorted({value for value in values if values.count(value) == 2})
    if not twins:
        return change_number(raw, rng)
    value = twins[_pick(rng, len(twins))]
    return raw.replace(value, value.replace(b".", b".1", 1)[: len(value)])


def farther_images(raw: bytes, rng: np.random.Generator) -> bytes:
    """T moved by some vector in every list of one T, and back in the opposite lists: still opposite for R and -R."""
    lines = _lines(raw)
    step = [0, 0, 0]
    step[_pick(rng, 3)] = int(rng.choice([1, 2, 3, 6]))
    changed = False
    for at in range(1, len(lines) - 2):
        head = lines[at].split()
        if len(head) == 5 and lines[at + 1].split() == [b"1"] and len(lines[at + 2].split()) == 3:
            if not all(re.fullmatch(rb"-?\d+", field) for field in head + lines[at + 2].split()):
                continue
            label = [int(field) for field in head]
            sign = 1 if label[3] < label[4] or (label[3] == label[4] and label[:3] > [0, 0, 0]) else -1
            sign = 0 if label[3] == label[4] and label[:3] == [0, 0, 0] else sign
            moved = [int(x) + sign * y for x, y in zip(lines[at + 2].split(), step, strict=True)]
            lines[at + 2] = b"".join(b"%5d" % x for x in moved) + b"\n"
            changed = True
    return b"".join(lines) if changed else change_integer(raw, rng)


MUTATIONS: tuple[Mutation, ...] = (
    truncate, truncate_at_line, truncate_early, cut_end, drop_line, drop_header_line, duplicate_line, swap_neighbours,
    swap_lines, merge_lines, append_garbage, not_a_number, not_an_integer, lose_field, extra_field, change_integer,
    huge_integer,
    change_counts, change_degeneracy, repeat_block, change_number, flip_sign, change_digit, change_lattice, random_byte,
    random_character, delete_byte, zero_page, empty, binary, utf16, compressed_under_plain_name, change_pair,
    farther_images,
)  # fmt: skip
