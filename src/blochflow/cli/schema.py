"""What a job file may hold: pydantic models of its tables, one per quantity for tasks.

Everything is refused unless it is known to mean something; the keys of a task are those of its quantity.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, create_model, model_validator

from blochflow.cli import motion_tables, orbit_tables, passage_tasks
from blochflow.cli.kinds import KINDS, AnyOption, Number, Text
from blochflow.cli.quantities import (
    EVOLUTION,
    WITHOUT_TOLERANCE,
    all_quantities,
    arguments_of,
    is_orbit,
    is_passage,
    moves_packets,
)
from blochflow.cli.values import STRICT, parse_number
from blochflow.core.checks import parse_bytes

SOURCES = ("wannier90", "zoo", "python")


def _parse_parameter(value: Any) -> Any:
    """A number, or nested arrays of numbers."""
    if isinstance(value, list):
        return [_parse_parameter(x) for x in value]
    return parse_number(value)


def _parse_operator(value: Any) -> Any:
    """A name, or a matrix given by rows."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list) and value:
        return _parse_parameter(value)
    raise ValueError(f"expected the name of an operator or a matrix, but it is {value!r}.")


def _parse_wsvec(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and value):
        return value
    raise ValueError(f'expected "auto", true, false or the name of a file, but it is {value!r}.')


def _parse_spin_degeneracy(value: Any) -> Any:
    # True == 1, so that a Literal type would take it
    if isinstance(value, bool) or not isinstance(value, int) or value not in (1, 2):
        raise ValueError(f"expected 1 or 2, but it is {value!r}.")
    return value


def _parse_memory(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f'expected a size such as "4 GiB", but it is {value!r}.')
    try:
        parse_bytes(value)
    except ValueError:
        raise ValueError(f'expected a size such as "4 GiB" or "500 MB", but it is {value!r}.') from None
    return value


class ToleranceTable(BaseModel):
    """``tolerance = { rtol = 1e-3, atol = 0.0, max_evaluations = 1000000 }``."""

    model_config = STRICT
    rtol: float = Field(default=1e-3, ge=0)
    atol: float | None = Field(default=None, ge=0)
    max_evaluations: int | None = Field(default=None, ge=1)
    max_memory: Annotated[Any, BeforeValidator(_parse_memory)] = None


class ExecutionTable(BaseModel):
    """``[execution]``."""

    model_config = STRICT
    workers: int | None = Field(default=None, ge=1)
    max_memory: Annotated[Any, BeforeValidator(_parse_memory)] = "4 GiB"
    progress: bool = True


class FluxTable(BaseModel):
    """``flux = { p = 1, q = 3 }``: the model in p/q flux quanta per cell."""

    model_config = STRICT
    p: int
    q: int = Field(ge=1)


class RibbonTable(BaseModel):
    """``ribbon = { width = 20, direction = 0 }``: a ribbon of the model."""

    model_config = STRICT
    width: int = Field(ge=1)
    direction: int = Field(default=0, ge=0, le=1)


class ModelTable(BaseModel):
    """``[model]``: one source, its options, and what is made of it: first a flux, then a ribbon."""

    model_config = STRICT
    wannier90: Text = None
    zoo: Text = None
    python: Text = None
    parameters: dict[str, Annotated[Any, BeforeValidator(_parse_parameter)]] = Field(default_factory=dict)
    operators: dict[str, Annotated[Any, BeforeValidator(_parse_operator)]] = Field(default_factory=dict)
    wsvec: Annotated[Any, BeforeValidator(_parse_wsvec)] = None
    periodic: Annotated[list[bool], Field(min_length=3, max_length=3)] | None = None
    spin_degeneracy: Annotated[Any, BeforeValidator(_parse_spin_degeneracy)] = None
    flux: FluxTable | None = None
    ribbon: RibbonTable | None = None

    @model_validator(mode="after")
    def one_source(self) -> ModelTable:
        """Exactly one of the sources, and only its options."""
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            found = "it has " + (" and ".join(given) if given else "none")
            raise ValueError(f"expected exactly one of wannier90, zoo and python, but {found}.")
        if given != ["wannier90"]:
            for option in ("wsvec", "periodic"):
                if getattr(self, option) is not None:
                    raise ValueError(f"`{option}` belongs to wannier90 models, but this one is from {given[0]}.")
        elif self.parameters:
            raise ValueError("`parameters` belong to zoo and python models; Wannier90 models have none.")
        return self


def task_table(quantity: str) -> type[BaseModel]:
    """The table of a task of this quantity: required arguments, options, and which exclude each other."""
    fields: dict[str, Any] = {"quantity": (Text, ...), "name": (Text, None)}
    required = arguments_of(quantity)
    options = all_quantities()[quantity].options
    # a surface belongs to one energy
    kinds = {**KINDS, "mu": Number} if quantity == "fermi_surface" else KINDS
    kinds = motion_tables.KINDS if moves_packets(quantity) else kinds
    kinds = orbit_tables.KINDS if is_orbit(quantity) else kinds
    kinds = passage_tasks.kinds_of(quantity) if is_passage(quantity) else kinds
    if quantity == EVOLUTION:
        kinds = {**KINDS, **{name: motion_tables.KINDS[name] for name in ("times", "electric_field")}}
    for name in required:
        # mu may be replaced by a density where the quantity allows it; that is checked afterwards
        replaceable = name == "mu" and "density" in options
        fields[name] = (kinds.get(name, AnyOption), None if replaceable else ...)
    for name in options:
        if name not in required:
            fields[name] = (kinds.get(name, AnyOption), None)
    if quantity not in WITHOUT_TOLERANCE and "tolerance" not in fields:
        fields["tolerance"] = (ToleranceTable, Field(default_factory=ToleranceTable))
    return create_model(f"{quantity} task", __config__=STRICT, **fields)
