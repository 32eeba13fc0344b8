"""Is a set of Wannier90 files well formed?  A slow check, line by line, that shares no code with the library.

`broken(files)` returns the first reason found, or None where every rule of the formats and all redundancy (R and -R,
the files of one run among each other) is satisfied to the printed digits.
"""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction

from scipy.optimize import linprog

BOHR = 0.52917720859
REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+|[+-]\d{3})?")
INTEGER = re.compile(r"[+-]?\d+(\.0*)?")


class Broken(Exception):
    """The files break a rule."""


def broken(files: dict[str, bytes], main: str, use_wsvec: bool = True) -> str | None:
    """Reason why the run cannot be read, or None; ``main`` is ``"tb"`` or ``"hr"``."""
    try:
        _check_run(files, main, use_wsvec)
    except Broken as reason:
        return str(reason)
    return None


def _check_run(files: dict[str, bytes], main: str, use_wsvec: bool) -> None:
    matrices = parse_matrices(files[main], main)
    check_matrices(matrices)
    win = parse_win(files["win"]) if "win" in files else {}
    if win.get("num_wann") not in (None, matrices["n"]):
        raise Broken("num_wann of .win")
    points = round(sum(1 / d for d in matrices["deg"]))
    if win.get("mp_grid") and math.prod(win["mp_grid"]) != points:
        raise Broken("mp_grid of .win")
    if main == "tb" and win.get("lattice"):
        longest = max(math.hypot(*row) for row in matrices["lattice"])
        for row, other in zip(matrices["lattice"], win["lattice"], strict=True):
            if any(abs(x - y) > 1e-5 * longest for x, y in zip(row, other, strict=True)):
                raise Broken("lattice of .win")
    if main == "hr" and not win.get("lattice"):
        raise Broken("no lattice")
    if main == "tb" and "hr" in files:
        compare(matrices, parse_matrices(files["hr"], "hr"))
    if "centres" in files:
        parse_centres(files["centres"], matrices["n"])
    lattice = matrices.get("lattice") or win.get("lattice")
    if use_wsvec and "wsvec" in files:
        check_wsvec(files["wsvec"], matrices, win.get("mp_grid"), lattice)


def _lines(raw: bytes) -> list[list[str]]:
    if any((byte < 32 and byte not in b"\t\r\n") or byte == 127 for byte in raw):
        raise Broken("control characters")
    body = raw.partition(b"\n")[2]
    if any(byte > 127 for byte in body):
        raise Broken("not ASCII")
    text = raw.decode("latin-1")
    lines = text.split("\n")
    if lines[-1].strip() and len(lines) > 1 and len(lines[-1].rstrip()) != len(lines[-2].rstrip()):
        raise Broken("cut last line")
    return [line.split() for line in lines]


def _int(field: str) -> int:
    if not INTEGER.fullmatch(field):
        raise Broken(f"not an integer: {field}")
    return int(float(field))


def _count(field: str) -> int:
    if not re.fullmatch(r"\+?\d+", field) or int(field) < 1:
        raise Broken(f"not a count: {field}")
    return int(field)


def _real(field: str) -> float:
    if not REAL.fullmatch(field):
        raise Broken(f"not a number: {field}")
    value = float(re.sub(r"(\d)([+-]\d{3})$", r"\1e\2", field.lower().replace("d", "e")))
    if not math.isfinite(value):
        raise Broken(f"not finite: {field}")
    return value


def _unit(value: float) -> float:
    """One unit of the eighth and last digit that E15.8 prints."""
    return 0.0 if value == 0 else 10.0 ** (math.floor(math.log10(abs(value)) + 1e-9) - 7)


def _decimals(found: dict) -> int:
    """Digits after the point in fixed notation."""
    if "decimals" not in found:
        found["decimals"] = max(len(field.partition(".")[2]) for pair in found["h"].values() for field in pair)
    return found["decimals"]


def parse_matrices(raw: bytes, kind: str) -> dict:
    """Everything in a `_tb.dat` or `_hr.dat`, with the printed text of each element of H."""
    lines = _lines(raw)
    found: dict = {"kind": kind}
    at = 1
    try:
        if kind == "tb":
            found["lattice"] = [[_real(f) for f in line] for line in lines[1:4]]
            if [len(row) for row in found["lattice"]] != [3, 3, 3]:
                raise Broken("lattice")
            at = 4
        (n_text,), (r_text,) = lines[at], lines[at + 1]
        n, count = _count(n_text), _count(r_text)
        at += 2
        deg: list[int] = []
        while len(deg) < count:
            if not lines[at]:
                raise Broken("degeneracies")
            deg += [_count(f) for f in lines[at]]
            at += 1
    except (IndexError, ValueError) as exc:
        raise Broken("header") from exc
    if len(deg) != count:
        raise Broken("degeneracies")
    body = [line for line in lines[at:] if line]
    per_cell = n * n if kind == "hr" else 2 * (n * n + 1)
    if len(body) != count * per_cell:
        raise Broken("number of lines")
    found.update(n=n, deg=deg, cells=[], h={}, r={})
    (_body_hr if kind == "hr" else _body_tb)(found, body, count, n)
    if len(set(found["cells"])) != count:
        raise Broken("repeated R")
    return found


def _body_hr(found: dict, body: list[list[str]], count: int, n: int) -> None:
    for number, line in enumerate(body):
        if len(line) != 7:
            raise Broken("fields")
        cell = tuple(_int(f) for f in line[:3])
        if number % (n * n) == 0:
            found["cells"].append(cell)
        _element(found, found["cells"][-1], line[3:], number % (n * n), n)
        if cell != found["cells"][-1]:
            raise Broken("R inside a block")


def _body_tb(found: dict, body: list[list[str]], count: int, n: int) -> None:
    size = n * n + 1
    for number, line in enumerate(body):
        block, offset = divmod(number, size)
        if offset == 0:
            if len(line) != 3:
                raise Broken("R line")
            cell = tuple(_int(f) for f in line)
            if block < count:
                found["cells"].append(cell)
            elif cell != found["cells"][block - count]:
                raise Broken("R of positions")
        elif block < count:
            if len(line) != 4:
                raise Broken("fields of H")
            _element(found, found["cells"][block], line, offset - 1, n)
        else:
            if len(line) != 8:
                raise Broken("fields of r")
            _element(found, found["cells"][block - count], line, offset - 1, n, positions=True)


def _element(found: dict, cell: tuple, line: list[str], number: int, n: int, positions: bool = False) -> None:
    i, j = _int(line[0]), _int(line[1])
    if (i, j) != (number % n + 1, number // n + 1):
        raise Broken("i, j")
    for field in line[2:]:
        _real(field)
    found["r" if positions else "h"][cell, i, j] = line[2:]


def check_matrices(found: dict) -> None:
    """R pairs, degeneracies, Hermiticity, bound on the asymmetry of positions."""
    deg = dict(zip(found["cells"], found["deg"], strict=True))
    if (0, 0, 0) not in deg:
        raise Broken("R = 0")
    if deg[0, 0, 0] != 1 or max(found["deg"]) > 48:
        raise Broken("degeneracy")
    total = sum(1 / d for d in found["deg"])
    if abs(total - round(total)) > 1e-6:
        raise Broken("sum of 1/deg")
    lattice = found.get("lattice")
    if lattice:
        _check_lengths(lattice)
    if lattice and abs(_volume(lattice)) <= 1e-6 * math.prod(math.hypot(*row) for row in lattice):
        raise Broken("lattice vectors")
    scale = max(abs(complex(_real(a), _real(b))) for a, b in found["h"].values())
    for (cell, i, j), text in found["h"].items():
        mirror = tuple(-x for x in cell)
        if deg.get(mirror) != deg[cell]:
            raise Broken("-R")
        other = found["h"][mirror, j, i]
        for sign, a, b in ((1, text[0], other[0]), (-1, text[1], other[1])):
            # E15.8 writes 8 digits, F12.6 six decimals (a seventh would claim more); two roundings are one unit.
            unit = _unit(max(abs(_real(a)), abs(_real(b)))) if found["kind"] == "tb" else 10.0 ** -_decimals(found)
            if abs(_real(a) - sign * _real(b)) > 1.01 * unit + 1e-12 * scale:
                raise Broken("Hermitian")
    for (cell, i, j), text in found["r"].items():
        other = found["r"][tuple(-x for x in cell), j, i]
        if cell == (0, 0, 0) and i == j and any(abs(_real(f)) > 1e-6 for f in text[1::2]):
            raise Broken("centre not real")
        length = math.hypot(*(sum(c * row[a] for c, row in zip(cell, lattice, strict=True)) for a in range(3)))
        for a in range(0, 6, 2):
            gap = math.hypot(_real(text[a]) - _real(other[a]), _real(text[a + 1]) + _real(other[a + 1]))
            if gap > max(0.5, 0.25 * length):
                raise Broken("positions")


def _check_lengths(lattice: list[list[float]]) -> None:
    if not all(1e-2 <= math.hypot(*row) <= 1e5 for row in lattice):
        raise Broken("length of a lattice vector")


def _volume(rows: list[list[float]]) -> float:
    a, b, c = rows
    return sum(a[k] * (b[k - 2] * c[k - 1] - b[k - 1] * c[k - 2]) for k in range(3))


def compare(tb: dict, hr: dict) -> None:
    """`_tb.dat` and `_hr.dat` of one run."""
    check_matrices(hr)
    if (tb["n"], tb["cells"], tb["deg"]) != (hr["n"], hr["cells"], hr["deg"]):
        raise Broken("_hr and _tb differ")
    unit = 10.0 ** -_decimals(hr)
    for key, text in tb["h"].items():
        for a, b in zip(text, hr["h"][key], strict=True):
            if abs(_real(a) - _real(b)) > 0.505 * (unit + _unit(_real(a))):
                raise Broken("_hr and _tb differ in H")


def check_wsvec(raw: bytes, matrices: dict, grid: list[int] | None, lattice: list[list[float]]) -> None:
    """Lists complete, in order, opposite for R and -R, supercell vectors, nearest images for some centres."""
    lines = _lines(raw)
    if not lines[0] or not lines[0][0].startswith("#"):
        raise Broken("wsvec header")
    while not lines[-1]:
        lines.pop()
    lists: dict = {}
    at = 1
    for cell in matrices["cells"]:
        for i in range(1, matrices["n"] + 1):
            for j in range(1, matrices["n"] + 1):
                if at + 1 >= len(lines) or [_int(f) for f in lines[at]] != [*cell, i, j] or len(lines[at + 1]) != 1:
                    raise Broken("wsvec head")
                size = _int(lines[at + 1][0])
                rows = [tuple(_int(f) for f in line) for line in lines[at + 2 : at + 2 + size]]
                if size < 1 or len(rows) != size or any(len(row) != 3 for row in rows) or len(set(rows)) != size:
                    raise Broken("wsvec list")
                if grid and any(x % n for row in rows for x, n in zip(row, grid, strict=True)):
                    raise Broken("wsvec supercell")
                lists[cell, i, j] = set(rows)
                at += 2 + size
    if at != len(lines):
        raise Broken("wsvec end")
    for (cell, i, j), rows in lists.items():
        if {tuple(-x for x in row) for row in rows} != lists[tuple(-x for x in cell), j, i]:
            raise Broken("wsvec mirror")
    check_images(lists, find_supercell(lists, matrices, grid), lattice)


def find_supercell(lists: dict, matrices: dict, grid: list[int] | None) -> list[int]:
    """The grid modulo which the R of every class have a sum of 1/degeneracy of 1, and every T is zero."""
    points = int(sum(Fraction(1, d) for d in matrices["deg"]))
    grids = [tuple(grid)] if grid else itertools.product(range(1, points + 1), repeat=3)
    fitting = []
    for sizes in grids:
        if math.prod(sizes) != points:
            continue
        if any(x % n for rows in lists.values() for row in rows for x, n in zip(row, sizes, strict=True)):
            continue
        sums: dict = {}
        for cell, d in zip(matrices["cells"], matrices["deg"], strict=True):
            place = tuple(x % n for x, n in zip(cell, sizes, strict=True))
            sums[place] = sums.get(place, 0) + Fraction(1, d)
        if len(sums) == points and set(sums.values()) == {1}:
            fitting.append(sizes)
    if not fitting:
        raise Broken("wsvec, degeneracies and grid")
    return [math.lcm(*(sizes[a] for sizes in fitting)) for a in range(3)]


def check_images(lists: dict, supercell: list[int], lattice: list[list[float]]) -> None:
    """Some centres exist for which no image lies 0.01 angstrom farther than another.

    |x + tau_j - tau_i| <= |x + u + tau_j - tau_i| is linear when squared: u.(x + tau_j - tau_i) + u^2/2 >= 0.  The
    centres are those whose largest violation of it, as a distance along u, is smallest.
    """
    count = max(key[1] for key in lists)
    rules, bounds, images = [], [], []
    for numbers in itertools.product(range(-2, 3), repeat=3):
        if not any(numbers):
            continue
        u = _cartesian([n * s for n, s in zip(numbers, supercell, strict=True)], lattice)
        length = math.hypot(*u)
        for (cell, i, j), rows in lists.items():
            if cell == (0, 0, 0) and i == j and rows != {(0, 0, 0)}:
                raise Broken("wsvec home")
            for row in rows if i <= j else ():
                x = _cartesian([r + t for r, t in zip(cell, row, strict=True)], lattice)
                if i == j:
                    if math.hypot(*x) > math.dist(x, [-c for c in u]) + 0.01:
                        raise Broken("wsvec images of one function")
                    continue
                rule = [0.0] * (3 * count) + [-1.0]
                rule[3 * i - 3 : 3 * i], rule[3 * j - 3 : 3 * j] = [c / length for c in u], [-c / length for c in u]
                rules.append(rule)
                bounds.append(sum(a * b for a, b in zip(x, u, strict=True)) / length + 0.5 * length)
                images.append((i, j, x, u))
    if not rules:
        return
    free = [(0.0, 0.0)] * 3 + [(None, None)] * (3 * count - 3) + [(0.0, None)]
    found = linprog([0.0] * (3 * count) + [1.0], A_ub=rules, b_ub=bounds, bounds=free).x
    if found is None:
        raise Broken("no centres")
    tau = found[:-1].reshape(count, 3).tolist()
    for i, j, x, u in images:
        step = [c + b - a for c, b, a in zip(x, tau[j - 1], tau[i - 1], strict=True)]
        if math.hypot(*step) > math.dist(step, [-c for c in u]) + 0.01:
            raise Broken("wsvec images")


def _cartesian(numbers: list[int], lattice: list[list[float]]) -> list[float]:
    return [sum(n * row[a] for n, row in zip(numbers, lattice, strict=True)) for a in range(3)]


def parse_win(raw: bytes) -> dict:
    """num_wann, mp_grid, spinors and lattice of a `.win`."""
    if b"\x00" in raw or not raw.strip():
        raise Broken(".win is not text")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = [re.split("[!#]", line)[0].strip().lower() for line in text.replace("\r", "\n").split("\n")]
    found: dict = {}
    for line in lines:
        for name, size in (("num_wann", 1), ("mp_grid", 3), ("spinors", 1)):
            match = re.search(rf"(?<![\w.]){name}(?!\w)\s*[=:]?\s*(.*)", line)
            if match:
                value = re.split(r"[\s,]+", match[1].strip())[:size]
                if found.get(name, value) != value:
                    raise Broken(f"{name} twice")
                found[name] = value
    for name, size in (("num_wann", 1), ("mp_grid", 3)):
        if name in found:
            if len(found[name]) != size:
                raise Broken(name)
            found[name] = [_count(field) for field in found[name]]
    if "num_wann" in found:
        found["num_wann"] = found["num_wann"][0]
    if "spinors" in found and found["spinors"][0].strip(".") not in ("true", "false", "t", "f"):
        raise Broken("spinors")
    _parse_cell(lines, found)
    return found


def _parse_cell(lines: list[str], found: dict) -> None:
    begin = [n for n, line in enumerate(lines) if re.fullmatch(r"begin\s*[=:]?\s*unit_cell_cart", line)]
    end = [n for n, line in enumerate(lines) if re.fullmatch(r"end\s*[=:]?\s*unit_cell_cart", line)]
    if not begin and not end:
        return
    if len(begin) != 1 or len(end) != 1 or begin > end:
        raise Broken("unit_cell_cart")
    rows = [line for line in lines[begin[0] + 1 : end[0]] if line]
    scale = 1.0
    if rows and len(rows[0].split()) == 1:
        unit = rows.pop(0)
        if unit not in ("bohr", "b", "ang", "angstrom", "a"):
            raise Broken("unit")
        scale = BOHR if unit in ("bohr", "b") else 1.0
    found["lattice"] = [[scale * _real(f) for f in re.split(r"[\s,]+", row)] for row in rows]
    if [len(row) for row in found["lattice"]] != [3, 3, 3]:
        raise Broken("lattice vectors")
    _check_lengths(found["lattice"])
    if abs(_volume(found["lattice"])) <= 1e-6 * math.prod(math.hypot(*row) for row in found["lattice"]):
        raise Broken("lattice vectors")


def parse_centres(raw: bytes, n: int) -> None:
    """Counts and numbers of a `_centres.xyz`."""
    if b"\x00" in raw or not raw.strip():
        raise Broken("centres are not text")
    lines = raw.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while not lines[-1].strip():
        lines.pop()
    if not re.fullmatch(r"\s*\d+\s*", lines[0]) or int(lines[0]) != len(lines) - 2:
        raise Broken("count of centres")
    for line in lines[2:]:
        fields = line.split(maxsplit=1)
        if len(fields) != 2 or len([_real(f) for f in re.split(r"[\s,]+", fields[1].strip())]) != 3:
            raise Broken("centre")
    if sum(line.split()[0] == "X" for line in lines[2:]) != n:
        raise Broken("number of centres")
