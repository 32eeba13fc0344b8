"""The kinds of the keys of a task, as pydantic types."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from blochflow.cli.field_values import parse_field
from blochflow.cli.values import (
    parse_any,
    parse_disorder,
    parse_frequencies,
    parse_grid,
    parse_groups,
    parse_indices,
    parse_integer,
    parse_names,
    parse_number,
    parse_number_option,
    parse_partition,
    parse_path,
    parse_points,
    parse_positive_option,
    parse_positive_scan,
    parse_scan,
    parse_seed,
    parse_symmetry,
    parse_temperature,
    parse_text,
    parse_truth,
    parse_vector,
)

Scan = Annotated[Any, BeforeValidator(parse_scan)]
PositiveScan = Annotated[Any, BeforeValidator(parse_positive_scan)]
Symmetry = Annotated[Any, BeforeValidator(parse_symmetry)]
Seed = Annotated[Any, BeforeValidator(parse_seed)]
PositiveOption = Annotated[Any, BeforeValidator(parse_positive_option)]
Temperature = Annotated[Any, BeforeValidator(parse_temperature)]
Grid = Annotated[Any, BeforeValidator(parse_grid)]
Number = Annotated[Any, BeforeValidator(parse_number)]
Text = Annotated[Any, BeforeValidator(parse_text)]
Points = Annotated[Any, BeforeValidator(parse_points)]
Path = Annotated[Any, BeforeValidator(parse_path)]
Truth = Annotated[Any, BeforeValidator(parse_truth)]
Integer = Annotated[Any, BeforeValidator(parse_integer)]
Vector = Annotated[Any, BeforeValidator(parse_vector)]
FieldVector = Annotated[Any, BeforeValidator(parse_field)]
Partition = Annotated[Any, BeforeValidator(parse_partition)]
DisorderTable = Annotated[Any, BeforeValidator(parse_disorder)]
NumberOption = Annotated[Any, BeforeValidator(parse_number_option)]
Frequencies = Annotated[Any, BeforeValidator(parse_frequencies)]
Names = Annotated[Any, BeforeValidator(parse_names)]
Indices = Annotated[Any, BeforeValidator(parse_indices)]
Groups = Annotated[Any, BeforeValidator(parse_groups)]
AnyOption = Annotated[Any, BeforeValidator(parse_any)]

KINDS: dict[str, Any] = {
    "mu": Scan,
    "density": PositiveScan,
    "temperature": Temperature,
    "tau": PositiveOption,
    "rule": Text,
    "symmetry": Symmetry,
    "seed": Seed,
    "grid": Grid,
    "shift": Number,
    "threshold": Number,
    "path": Path,
    "points": Points,
    "color": Text,
    "reference": Text,
    "intrinsic": Truth,
    "part": Text,
    "spin": Text,
    "partition": Partition,
    "mu_gradient": Vector,
    "temperature_gradient": Vector,
    "electric_field": FieldVector,
    "x": Vector,
    "t": Number,
    "cell": Vector,
    "groups": Groups,
    "active": Indices,
    "group_tolerance": Number,
    "theory": Text,
    "p": Integer,
    "q": Integer,
    "width": Integer,
    "direction": Integer,
    "disorder": DisorderTable,
    "operator": Text,
    "magnetization": Text,
    "crossed": Truth,
    "frequency": NumberOption,
    "frequencies": Frequencies,
    "relaxation": Names,
    "metric": Text,
    "order": Integer,
}
