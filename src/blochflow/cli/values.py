"""Values in a job: each parser refuses what it cannot mean and says what it expects.

Scans: a number, an array, ``"a:b:n"`` (n numbers from a to b, both included) or ``"a:b:n log"`` (equal ratios).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any

from pydantic import ConfigDict

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
LARGEST_SCAN = 1_000_000
LARGEST_COUNT = 1_000_000  # k points per axis or along a path
PARTITION_HELP = "{ K = [[0, 0], [1, 1], [0, 1]] }"
DISORDER_HELP = '{ kind = "white", strength = 0.1 }'
DISORDER_KINDS = {
    "white": ("strength",),
    "gaussian": ("strength", "length"),
    "coulomb": ("density", "dielectric", "screening"),
}
DISORDER_OPTIONAL = {"white": ("third_cumulant",), "coulomb": ("distance",)}
FUNCTION = re.compile(r".+\.py:\w+")
RANGE_HELP = '"a:b:n" with a != b and n >= 2 for n numbers from a to b, or "a:b:n log"'


def parse_scan(value: Any) -> list[float]:
    """A number, an array of numbers or a range as a list of floats.

    Raises
    ------
    ValueError
        Anything else; the text completes the sentence "`key`: ...".

    Examples
    --------
    >>> from blochflow.cli.values import parse_scan
    >>> parse_scan("0:1:5"), parse_scan("1:100:3 log"), parse_scan(2)
    ([0.0, 0.25, 0.5, 0.75, 1.0], [1.0, 10.0, 100.0], [2.0])
    """
    if isinstance(value, str):
        return _parse_range(value)
    if isinstance(value, list):
        if not value:
            raise ValueError("expected at least one number, but the array is empty.")
        return [_number(x) for x in value]
    return [_number(value)]


def parse_positive_scan(value: Any) -> list[float]:
    """A scan of numbers above 0."""
    numbers = parse_scan(value)
    if min(numbers) <= 0:
        raise ValueError(f"expected numbers above 0, but it holds {min(numbers):g}.")
    return numbers


def parse_positive_option(value: Any) -> float | list[float] | str:
    """A number above 0, which stays a number, a scan of such, or the name of a function, "file.py:function"."""
    if isinstance(value, str) and FUNCTION.fullmatch(value):
        return value
    numbers = parse_positive_scan(value)
    return numbers if isinstance(value, str | list) else numbers[0]


def parse_number_option(value: Any) -> float | list[float]:
    """A number, which stays one, or a scan."""
    return parse_scan(value) if isinstance(value, str | list) else _number(value)


def parse_pairs(value: Any) -> list[Any]:
    """Two numbers, or an array of such pairs."""
    rows = value if isinstance(value, list) and value and all(isinstance(x, list) for x in value) else [value]
    if any(not isinstance(row, list) or len(row) != 2 for row in rows):
        raise ValueError(f"expected two numbers such as [0.1, -0.1], or an array of such pairs, but it is {value!r}.")
    pairs = [[_number(x) for x in row] for row in rows]
    return pairs if rows is value else pairs[0]


def parse_frequencies(value: Any) -> Any:
    """A number, which stays one, a scan of numbers, or an array of pairs."""
    if isinstance(value, list) and any(isinstance(x, list) for x in value):
        return parse_pairs(value)
    return parse_number_option(value)


def parse_names(value: Any) -> Any:
    """A name, or an array of names."""
    if isinstance(value, list) and value:
        return [parse_text(x) for x in value]
    return parse_text(value)


def parse_symmetry(value: Any) -> Any:
    """ "auto", false, or names of operations."""
    if value == "auto" or value is False:
        return value
    if isinstance(value, list) and value and all(x in ("time_reversal", "inversion") for x in value):
        return value
    raise ValueError(f'expected "auto", false, or a list of "time_reversal" and "inversion", but it is {value!r}.')


def parse_seed(value: Any) -> int:
    """A whole number of at least 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"expected an integer of at least 0, but it is {value!r}.")
    return value


def parse_temperature(value: Any) -> list[float]:
    """A scan of numbers that are not negative."""
    numbers = parse_scan(value)
    if min(numbers) < 0:
        raise ValueError(f"expected temperatures of at least 0, but it holds {min(numbers):g}.")
    return numbers


def parse_grid(value: Any) -> int | list[int]:
    """Points per axis: one integer, or one per axis."""
    entries = value if isinstance(value, list) else [value]
    if not 1 <= len(entries) <= 3 or any(not _whole(n, 1) for n in entries):
        raise ValueError(f"expected a positive integer (at most {LARGEST_COUNT}) or one per axis, but it is {value!r}.")
    return value  # type: ignore[no-any-return]


def parse_number(value: Any) -> float:
    """One finite number."""
    return _number(value)


def parse_text(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"expected text in quotes, but it is {value!r}.")
    return value


def parse_points(value: Any) -> int:
    """A number of k points along a path."""
    if not _whole(value, 2):
        raise ValueError(f"expected an integer from 2 to {LARGEST_COUNT}, but it is {value!r}.")
    return value


def parse_path(value: Any) -> Any:
    """ "G-X|M-G", or an array of labels, "|" and [label, [coordinates]]."""
    if isinstance(value, str):
        legs = [leg.split("-") for leg in value.split("|")]
        if any(len(leg) < 2 or not all(label.strip() for label in leg) for leg in legs):
            raise ValueError(f'expected labels joined by "-", e.g. "G-X|M-G", but it is {value!r}.')
        return value
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError(f'expected labels such as "G-X-M" or an array of at least two points, but it is {value!r}.')
    return [_path_point(point) for point in value]


def parse_truth(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, but it is {value!r}.")
    return value


def parse_integer(value: Any) -> int:
    """A whole number; its range depends on the quantity and is checked with the model."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > LARGEST_COUNT:
        raise ValueError(f"expected an integer of at most {LARGEST_COUNT}, but it is {value!r}.")
    return value


def parse_vector(value: Any) -> list[Any]:
    """One number for every direction, or an array of such for a profile."""
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        return [parse_vector(row) for row in value]
    if not isinstance(value, list) or not 1 <= len(value) <= 3:
        raise ValueError(f"expected an array of one number per direction such as [0.0, 0.1], but it is {value!r}.")
    return [_number(x) for x in value]


def parse_indices(value: Any) -> list[int]:
    """An array of whole numbers."""
    if not isinstance(value, list) or not value or not all(type(x) is int for x in value):
        raise ValueError(f"expected an array of band indices such as [0, 1], but it is {value!r}.")
    return value


def parse_groups(value: Any) -> list[list[int]]:
    """Arrays of band indices."""
    if not isinstance(value, list) or not value or not all(isinstance(x, list) for x in value):
        raise ValueError(f"expected groups of band indices such as [[0, 1], [2, 3]], but it is {value!r}.")
    return [parse_indices(group) for group in value]


def parse_partition(value: Any) -> dict[str, list[list[float]]]:
    """Names with the corners of a polygon each."""
    if not isinstance(value, dict) or not value:
        raise ValueError(f"expected a table such as {PARTITION_HELP}, but it is {value!r}.")
    return {name: _corners(name, corners) for name, corners in value.items()}


def parse_disorder(value: Any) -> dict[str, Any]:
    """A kind of correlations with its numbers."""
    if not isinstance(value, dict) or value.get("kind") not in DISORDER_KINDS:
        kinds = ", ".join(f'"{kind}"' for kind in DISORDER_KINDS)
        raise ValueError(f"expected a table such as {DISORDER_HELP} with kind {kinds}, but it is {value!r}.")
    kind = value["kind"]
    required = DISORDER_KINDS[kind]
    allowed = (*required, "vertices", *DISORDER_OPTIONAL.get(kind, ()))
    for name in value:
        if name not in ("kind", *allowed):
            raise ValueError(f"{kind} disorder has {', '.join(allowed)}, but not {name!r}.")
    for name in required:
        if name not in value:
            raise ValueError(f"{kind} disorder needs {', '.join(required)}, but {name!r} is missing.")
    result: dict[str, Any] = {
        "kind": kind,
        **{name: _number(value[name]) for name in allowed if name in value and name != "vertices"},
    }
    if any(result[name] <= 0 for name in required):
        raise ValueError(f"expected {', '.join(required)} above 0, but it is {value!r}.")
    if result.get("distance", 0) < 0:
        raise ValueError(f"expected distance of at least 0, but it is {value!r}.")
    if "vertices" in value:
        vertices = value["vertices"]
        if not isinstance(vertices, list) or not vertices or not all(isinstance(x, str) and x for x in vertices):
            raise ValueError(
                f'expected `vertices` as an array of names of operators such as ["spin_z"], but it is {vertices!r}.'
            )
        result["vertices"] = vertices
    return result


def parse_any(value: Any) -> Any:
    """An option this program version knows by name only: text stays text unless it is a range, numbers become scans."""
    if isinstance(value, str):
        return _parse_range(value) if re.fullmatch(r"[-+.0-9eE]+:.*", value) else value
    if isinstance(value, bool | dict):
        return value
    if isinstance(value, list) and all(isinstance(x, str) for x in value):
        return value
    return parse_scan(value) if isinstance(value, list) else _number(value)


def _whole(value: Any, least: int) -> bool:
    """True for an integer that counts k points."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_COUNT


def _corners(name: str, value: Any) -> list[list[float]]:
    """Three or more pairs of numbers."""
    if not isinstance(value, list) or len(value) < 3 or not all(isinstance(x, list) and len(x) == 2 for x in value):
        must = "three or more corners [x1, x2] in reduced coordinates"
        raise ValueError(f"expected {must} for {name!r}, but it is {value!r}.")
    return [[_number(x) for x in corner] for corner in value]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = f" Ranges are written {RANGE_HELP}." if isinstance(value, str | dt.time) else ""
        raise ValueError(f"expected a number, but it is {value!r}.{hint}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"expected a number, but it has {len(str(value))} digits.") from None
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, but it is {value!r}.")
    return number


def _parse_range(text: str) -> list[float]:
    words = text.split()
    parts = words[0].split(":") if words else []
    if len(parts) != 3 or len(words) > 2:
        raise ValueError(f"expected a number, an array, or {RANGE_HELP}, but it is {text!r}.")
    if len(words) == 2 and words[1] != "log":
        raise ValueError(f'only "log" may follow a range, but it is {words[1]!r}.')
    try:
        start, stop = float(parts[0]), float(parts[1])
        count = int(parts[2])
    except ValueError:
        raise ValueError(f"expected {RANGE_HELP}, but it is {text!r}.") from None
    if not (math.isfinite(start) and math.isfinite(stop)) or start == stop or not 2 <= count <= LARGEST_SCAN:
        raise ValueError(f"expected {RANGE_HELP}, but it is {text!r}.")
    steps = [i / (count - 1) for i in range(count)]
    if not math.isfinite(stop - start):
        raise ValueError(f"expected {RANGE_HELP}, but the range {text!r} is too wide.")
    if len(words) == 1:
        return [start + (stop - start) * x for x in steps[:-1]] + [stop]
    if start <= 0 or stop <= 0:
        raise ValueError(f"a logarithmic range needs numbers above 0, but it is {text!r}.")
    if not 0 < stop / start < math.inf:
        raise ValueError(f"expected {RANGE_HELP}, but the range {text!r} is too wide.")
    return [start * (stop / start) ** x for x in steps[:-1]] + [stop]


def _path_point(point: Any) -> Any:
    if isinstance(point, str) and point.strip():
        return point
    if isinstance(point, list) and len(point) == 2 and isinstance(point[0], str) and isinstance(point[1], list):
        return point[0], tuple(_number(x) for x in point[1])
    raise ValueError(f'expected labels or [label, [coordinates]] such as ["H", [0.5, 0.5, 0.5]], but found {point!r}.')
