"""Tables of a task that moves wave packets: what a job may say of packets, times, events and collisions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from blochflow.cli.field_values import parse_direction
from blochflow.cli.kinds import DisorderTable, Integer, Number, Seed, Text, Truth
from blochflow.cli.values import FUNCTION, STRICT, parse_number, parse_positive_option, parse_scan
from blochflow.core.checks import nearest
from blochflow.nonadiabatic.motion_catalog import TERMS

TIMES = ("start", "stop", "count")
# keys of an event of each kind, those before the bar are needed
EVENTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "zone_crossing": ((), ("terminal",)),
    "section": (("normal",), ("offset", "space", "direction", "terminal")),
    "closed_orbit": ((), ("terminal",)),
    "gap_below": (("threshold",), ("terminal",)),
    "zero_of": (("function",), ("name", "direction", "terminal")),
}


def parse_rows(value: Any) -> Any:
    """A number, a vector, or a vector for each packet."""
    if isinstance(value, list) and value:
        return [parse_rows(x) for x in value]
    if isinstance(value, list):
        raise ValueError("expected at least one number, but the array is empty.")
    return parse_number(value)


def parse_whole(value: Any) -> Any:
    """An integer of at least 0, or one for each packet."""
    entries = value if isinstance(value, list) else [value]
    if not entries or any(not isinstance(n, int) or isinstance(n, bool) or n < 0 for n in entries):
        raise ValueError(f"expected an integer of at least 0, or one for each packet, but it is {value!r}.")
    return value


def parse_times(value: Any) -> list[float]:
    """Numbers, a range, or { start, stop, count }."""
    if not isinstance(value, dict):
        times = parse_scan(value)
        if len(times) < 2:
            raise ValueError(f"expected at least two times, but it is {value!r}.")
        return times
    for name in value:
        if name not in TIMES:
            hint = nearest(name, TIMES)
            raise ValueError(
                f"expected {', '.join(TIMES)}, but not {name!r}." + (f" Did you mean {hint}?" * bool(hint))
            )
    for name in TIMES:
        if name not in value:
            raise ValueError(f"expected {{ start, stop, count }}, but {name} is missing.")
    count = value["count"]
    if not isinstance(count, int) or isinstance(count, bool) or count < 2:
        raise ValueError(f"expected count as an integer of at least 2, but it is {count!r}.")
    return parse_scan(f"{parse_number(value['start'])}:{parse_number(value['stop'])}:{count}")


def parse_packet_field(value: Any) -> Any:
    """A number, a vector, a magnitude along a direction, or the name of a function of (x, t)."""
    if isinstance(value, str):
        return parse_function(value)
    if isinstance(value, dict):
        return parse_direction(value)
    return [parse_number(x) for x in value] if isinstance(value, list) and value else parse_number(value)


def parse_function(value: Any) -> str:
    """ "file.py:function"."""
    if not isinstance(value, str) or not FUNCTION.fullmatch(value):
        raise ValueError(f'expected numbers or "file.py:function", but it is {value!r}.')
    return value


def parse_theory(value: Any) -> Any:
    """A name, or a table with a name (by default "adiabatic") and terms."""
    if isinstance(value, str) and value:
        return value
    if not isinstance(value, dict) or not value:
        raise ValueError(f'expected "adiabatic" or a table such as {{ second_order = true }}, but it is {value!r}.')
    kind = value.get("name", "adiabatic")
    if kind not in TERMS:
        raise ValueError(f"expected name {', '.join(TERMS)}, but it is {kind!r}.{_suggestion(kind, TERMS)}")
    for name, wanted in value.items():
        known = ("name", *TERMS[kind])
        if name not in known:
            raise ValueError(f"expected {', '.join(known)}, but not {name!r}.{_suggestion(name, known)}")
        bands = name == "active" or (name == "dressed" and isinstance(wanted, list))
        if bands and not isinstance(wanted, list):
            raise ValueError(f"expected {name} as bands such as [0, 1], but it is {wanted!r}.")
        if bands:
            parse_whole(wanted)
        elif name != "name" and not isinstance(wanted, bool):
            raise ValueError(f"expected {name} as true or false, but it is {wanted!r}.")
    return value


def misplaced_term(name: str, known: Iterable[str]) -> str:
    """What to write instead of a term of a theory that stands beside ``theory``; nothing for other keys."""
    kind = next((kind for kind, terms in TERMS.items() if name in terms), None)
    if kind is None or "theory" not in known:
        return ""
    value = "[0, 1]" if name == "active" else "true"
    named = "" if kind == "adiabatic" else f'name = "{kind}", '
    return f"it is a term of the {kind} theory: theory = {{ {named}{name} = {value} }}."


def parse_amplitudes(value: Any) -> Any:
    """Complex numbers, as numbers or texts such as "0.6j"; lists of them for many packets."""
    if isinstance(value, list) and value:
        return [parse_amplitudes(x) for x in value]
    if isinstance(value, str):
        try:
            return complex(value.replace(" ", ""))
        except ValueError:
            raise ValueError(f'expected a complex number such as "0.3+0.4j", but it is {value!r}.') from None
    return parse_number(value)


def parse_theories(value: Any) -> Any:
    """A list of theories."""
    if not isinstance(value, list) or not value:
        raise ValueError(f'expected a list such as ["adiabatic"], but it is {value!r}.')
    return [parse_theory(x) for x in value]


def _suggestion(name: Any, known: Iterable[str]) -> str:
    hint = nearest(name, known)
    return f" Did you mean `{hint}`?" if hint else ""


Rows = Annotated[Any, BeforeValidator(parse_rows)]
Whole = Annotated[Any, BeforeValidator(parse_whole)]
Amplitudes = Annotated[Any, BeforeValidator(parse_amplitudes)]
Function = Annotated[Any, BeforeValidator(parse_function)]


class PacketTable(BaseModel):
    """``packet = { position = [0, 0], wavevector = [[0.3, 0], [0.8, 0]], band = 0 }``."""

    model_config = STRICT
    position: Rows
    wavevector: Rows
    band: Whole = 0
    amplitudes: Amplitudes = None
    width: Rows = None
    weight: Rows = 1.0


class EnsembleTable(BaseModel):
    """``ensemble = { mu = 0.0, temperature = 0.1, count = 1024, seed = 1 }``, or ``distribution = "file.py:name"``."""

    model_config = STRICT
    mu: Number = None
    temperature: Number = None
    distribution: Function = None
    count: Integer
    seed: Seed
    region: Rows = None


class EventTable(BaseModel):
    """``{ kind = "section", normal = [1, 0], offset = 0.2, terminal = true }``."""

    model_config = STRICT
    kind: Text
    normal: Rows = None
    offset: Number = None
    space: Text = None
    direction: Text = None
    threshold: Number = None
    function: Function = None
    name: Text = None
    terminal: Truth = None

    @model_validator(mode="after")
    def suits_its_kind(self) -> EventTable:
        """The keys of its kind, and no others."""
        if self.kind not in EVENTS:
            known = ", ".join(EVENTS)
            raise ValueError(f"expected kind {known}, but it is {self.kind!r}.{_suggestion(self.kind, EVENTS)}")
        needed, optional = EVENTS[self.kind]
        for name in self.model_fields_set - {"kind", *needed, *optional}:
            known = ", ".join((*needed, *optional))
            raise ValueError(f"an event of kind {self.kind!r} has {known}, but not {name!r}.")
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"an event of kind {self.kind!r} needs {name!r}.")
        return self


class CollisionsTable(BaseModel):
    """``collisions = { tau = 10.0 }``."""

    model_config = STRICT
    tau: Annotated[Any, BeforeValidator(parse_positive_option)] = None
    disorder: DisorderTable = None
    kind: Text = "elastic"
    mu: Number = None
    temperature: Number = None
    table: Integer = None


class StepTolerance(BaseModel):
    """``tolerance = { rtol = 1e-9 }``: error of one step."""

    model_config = STRICT
    rtol: float = Field(ge=1e-14, le=1e-2)


KINDS: dict[str, Any] = {
    "packet": PacketTable,
    "ensemble": EnsembleTable,
    "times": Annotated[Any, BeforeValidator(parse_times)],
    "electric_field": Annotated[Any, BeforeValidator(parse_packet_field)],
    "magnetic_field": Annotated[Any, BeforeValidator(parse_packet_field)],
    "theory": Annotated[Any, BeforeValidator(parse_theory)],
    "events": list[EventTable],
    "collisions": CollisionsTable,
    "seed": Seed,
    "estimate_error": Truth,
    "conserving_step": Number,
    "tolerance": StepTolerance,
    "sites": Whole,
    "center": Rows,
    "envelope": Text,
    "reference": Rows,
    "lattice_constant": Number,
    "theories": Annotated[Any, BeforeValidator(parse_theories)],
    "nodes": Integer,
}
