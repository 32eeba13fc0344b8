"""Electric and magnetic fields in a job: vectors, or magnitudes of any sign along a direction of any length."""

from __future__ import annotations

import math
from typing import Any

from blochflow.cli.values import parse_number, parse_scan, parse_vector

FIELD_HELP = '{ magnitude = "0.01:0.1:10", direction = [1.0, 0.0] }'


def parse_field(value: Any) -> list[Any]:
    """A vector, an array of vectors, or a magnitude (a number or a scan) along a direction of any length."""
    if not isinstance(value, dict):
        return parse_vector(value)
    for name in ("magnitude", "direction"):
        if name not in value:
            raise ValueError(f"expected a vector or a table such as {FIELD_HELP}, but {name!r} is missing.")
    for name in value:
        if name not in ("magnitude", "direction"):
            raise ValueError(f"expected a vector or a table such as {FIELD_HELP}, but it has {name!r}.")
    numbers, direction = parse_scan(value["magnitude"]), parse_vector(value["direction"])
    if isinstance(direction[0], list) or not any(direction):
        raise ValueError(f"expected a direction that is one vector and not zero, but it is {value['direction']!r}.")
    length = math.hypot(*direction)
    vectors = [[number * (x / length) for x in direction] for number in numbers]
    return vectors if isinstance(value["magnitude"], str | list) else vectors[0]


def parse_direction(value: Any) -> Any:
    """A vector, one magnitude along a direction, or a number for one dimension."""
    if isinstance(value, dict):
        found = parse_field(value)
        if isinstance(found[0], list):
            raise ValueError(
                f"expected one magnitude, since the task takes one field, but it is {value['magnitude']!r}."
            )
        return found
    return parse_vector(value) if isinstance(value, list) else parse_number(value)
