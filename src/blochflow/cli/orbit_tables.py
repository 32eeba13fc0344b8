"""What a job may say of orbits, levels and oscillations in fields; shapes are checked with the model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from blochflow.cli.field_values import parse_direction
from blochflow.cli.kinds import Integer, Number, Scan, Temperature, Text, Truth
from blochflow.cli.values import parse_number, parse_scan


def parse_vectors_or_scan(value: Any) -> Any:
    """A number, numbers or a range, a vector or vectors: which of them is meant, the dimension tells."""
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        if len({len(row) for row in value}) > 1:
            raise ValueError(f"expected vectors of equal length, but it is {value!r}.")
        return [[parse_number(x) for x in row] for row in value]
    return parse_scan(value) if isinstance(value, str | list) else parse_number(value)


def parse_wavevectors(value: Any) -> Any:
    """A vector, or vectors of equal length."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a wave vector such as [0.0, 0.1], or an array of them, but it is {value!r}.")
    return parse_vectors_or_scan(value)


Field = Annotated[Any, BeforeValidator(parse_vectors_or_scan)]
Direction = Annotated[Any, BeforeValidator(parse_direction)]
Wavevectors = Annotated[Any, BeforeValidator(parse_wavevectors)]

KINDS: dict[str, Any] = {
    "energy": Scan,
    "mu": Scan,
    "temperature": Temperature,
    "magnetic_field": Field,
    "electric_field": Direction,
    "k": Wavevectors,
    "k_parallel": Scan,
    "g_factor": Number,
    "tau": Number,
    "harmonics": Integer,
    "planes": Integer,
    "levels": Integer,
    "band": Integer,
    "kind": Text,
    "berry": Truth,
    "moment": Truth,
    "grid": Integer,
    "extent": Number,
}
