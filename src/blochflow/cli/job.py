"""A job file, read and checked whole before anything is computed; every error names file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from blochflow.cli.motion_tables import misplaced_term
from blochflow.cli.overrides import TABLES, apply_overrides
from blochflow.cli.quantities import EXCLUSIVE, ONE_OF, all_quantities, arguments_of
from blochflow.cli.schema import ExecutionTable, ModelTable, ToleranceTable, task_table
from blochflow.cli.toml_lines import key_in_line, key_lines, line_of
from blochflow.core.checks import nearest
from blochflow.core.errors import JobError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Task:
    """One quantity to compute: its name in the job, and the arguments of its function."""

    quantity: str
    name: str
    arguments: dict[str, Any]
    tolerance: dict[str, Any] | None


@dataclass(frozen=True)
class Job:
    """A checked job."""

    path: Path
    model: ModelTable
    tasks: tuple[Task, ...]
    execution: dict[str, Any]
    source: _Source

    def error(self, message: str, key: str) -> JobError:
        """A `JobError` at one of its keys, for what only shows when the model is loaded."""
        return self.source.error(message, key)

    def key_of(self, task: Task) -> str:
        """Where a task stands, e.g. ``task[0]``; also of one whose arguments were changed."""
        return f"task[{next(i for i, other in enumerate(self.tasks) if other.name == task.name)}]"


@dataclass(frozen=True)
class _Source:
    """Text of a job and what the command line changed in it, to locate errors."""

    path: str
    lines: dict[str, int]
    overridden: dict[str, str] = field(default_factory=dict)

    def error(self, message: str, key: str, hint: str | None = None) -> JobError:
        for changed, text in self.overridden.items():
            # a key that stands in no line of the file is there because the command line holds something inside of it
            opened = changed.startswith(f"{key}.") and key not in self.lines
            if opened or key == changed or key.startswith(f"{changed}."):
                return JobError(message, path=f"--set {text}", key=key, nearest=hint)
        return JobError(message, path=self.path, line=line_of(self.lines, key), key=key, nearest=hint)


def read_job(path: Any, overrides: Sequence[str] = ()) -> Job:
    """Read a TOML job, apply ``key=value`` overrides, check everything.

    Raises
    ------
    JobError
        With the file, the line, the key and the nearest valid name.
    """
    file = Path(path)
    text = _read_text(file)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise _syntax_error(exc, text, str(file)) from exc
    except (ValueError, RecursionError) as exc:
        message = f"not valid TOML: a number is too long, or arrays are nested too deeply ({exc})."
        raise JobError(message, path=str(file), line=1) from exc
    source = _Source(str(file), key_lines(text), apply_overrides(data, overrides))
    return check_job(data, source, file)


def check_job(data: Mapping[str, Any], source: _Source, file: Path) -> Job:
    """Check the tables of a job."""
    for key in data:
        if key not in TABLES:
            raise source.error("unknown table; a job has [model], [[task]] and [execution].", key, nearest(key, TABLES))
    for key in ("model", "task"):
        if key not in data:
            wanted = "[model]" if key == "model" else "at least one [[task]]"
            raise JobError(f"{wanted} is missing.", path=source.path, line=1, key=key)
    model = _validate(ModelTable, data["model"], "model", source)
    tasks = data["task"]
    if not isinstance(tasks, list) or not tasks or not all(isinstance(task, dict) for task in tasks):
        raise source.error("tasks are written as tables under [[task]], with two brackets.", "task")
    checked = tuple(_task(task, f"task[{i}]", source) for i, task in enumerate(tasks))
    seen: dict[str, int] = {}
    for index, task in enumerate(checked):
        if task.name.lower() in seen:
            key = f"task[{index}].name" if "name" in tasks[index] else f"task[{index}].quantity"
            first = f"task[{seen[task.name.lower()]}]"
            raise source.error(f"{task.name!r} is also the name of {first}; give each task its own `name`.", key)
        seen[task.name.lower()] = index
    execution = _validate(ExecutionTable, data.get("execution", {}), "execution", source)
    return Job(file, model, checked, execution.model_dump(), source)


def _task(table: dict[str, Any], key: str, source: _Source) -> Task:
    known = all_quantities()
    quantity = table.get("quantity")
    if quantity is None:
        near = nearest("quantity", table)
        at = f"{key}.{near}" if near else key
        raise source.error(f"`quantity` is missing; it is one of {', '.join(known)}.", at, "quantity" if near else None)
    if not isinstance(quantity, str) or quantity not in known:
        hint = nearest(quantity, known) if isinstance(quantity, str) else None
        raise source.error(f"{quantity!r} is not a quantity; there are {', '.join(known)}.", f"{key}.quantity", hint)
    values = _validate(task_table(quantity), table, key, source)
    given = {name: getattr(values, name) for name in type(values).model_fields}
    name = given.pop("name") or quantity
    del given["quantity"]
    if not NAME.fullmatch(name):
        raise source.error(f"{name!r} cannot name a file; use letters, digits, `_`, `-`, `.`.", f"{key}.name")
    if "mu" in arguments_of(quantity) and (given.get("mu") is None) == (given.get("density") is None):
        both = given.get("mu") is not None
        wanted = "`mu` or `density`" if "density" in given else "`mu`"
        message = "`mu` and `density` exclude each other; give one." if both else f"{wanted} is missing."
        raise source.error(message, f"{key}.density" if both else f"{key}.mu")
    choices: tuple[str, ...] = ONE_OF.get(quantity, ())
    if choices and all(given[option] is None for option in choices):
        raise source.error(f"one of {' and '.join(f'`{x}`' for x in choices)} is needed.", f"{key}.{choices[0]}")
    if quantity in EXCLUSIVE and all(given[option] is not None for option in choices):
        named = " and ".join(f"`{x}`" for x in choices)
        raise source.error(f"{named} exclude each other; give one.", f"{key}.{choices[1]}")
    tolerance: ToleranceTable | None = given.pop("tolerance", None)
    arguments = {option: _plain(value) for option, value in given.items() if value is not None}
    return Task(quantity, name, arguments, None if tolerance is None else tolerance.model_dump())


def _plain(value: Any) -> Any:
    """Tables as dictionaries of what was given."""
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        return [_plain(entry) for entry in value]
    return value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else value


def _validate(table: type[BaseModel], data: Any, key: str, source: _Source) -> Any:
    """Check one table; the first complaint becomes a `JobError`."""
    if not isinstance(data, dict):
        raise source.error(f"expected a table [{key}], but it is {data!r}.", key)
    try:
        return table.model_validate(data)
    except ValidationError as exc:
        complaints = exc.errors(include_url=False, include_context=True)
    # unknown keys first: a misspelt key also makes its correct name missing
    complaints.sort(key=lambda c: c["type"] != "extra_forbidden")
    complaint = complaints[0]
    # pydantic appends names of union members to the place; only what the user wrote is of use
    inner = _written(complaint["loc"], data)
    place = ".".join([key, *inner])
    if complaint["type"] == "extra_forbidden":
        owner = _table_at(table, inner[:-1])
        term = misplaced_term(inner[-1], owner)
        if term:
            raise source.error(f"unknown key; {term}", place)
        hint = nearest(inner[-1], owner)
        raise source.error(f"unknown key; known here are {', '.join(owner)}.", place, hint)
    if complaint["type"] == "missing":
        raise source.error(f"`{complaint['loc'][-1]}` is missing.", f"{place}.{complaint['loc'][-1]}")
    raise source.error(_message(complaint), place)


def _written(place: Sequence[Any], data: Any) -> list[str]:
    """The leading part of a place that exists in the data; tables in an array are numbered: ``events[0]``."""
    result: list[str] = []
    for part in place:
        if isinstance(data, dict) and part in data:
            result.append(str(part))
        elif isinstance(data, list) and isinstance(part, int) and isinstance(data[part], dict):
            result[-1] += f"[{part}]"
        else:
            break
        data = data[part]
    return result


def _table_at(table: type[BaseModel], parts: Sequence[str]) -> list[str]:
    """Keys of the table at a place."""
    for part in parts:
        annotation = table.model_fields[part.partition("[")[0]].annotation
        # an optional table is a union with None, an array of tables is a list
        options = (*get_args(annotation), annotation)
        table = next(x for x in options if isinstance(x, type) and issubclass(x, BaseModel))
    return list(table.model_fields)


def _message(complaint: Any) -> str:
    """One sentence: what was expected and what is there."""
    context = complaint.get("ctx", {})
    if complaint["type"] == "value_error":
        return str(context["error"])
    if complaint["type"] in ("model_type", "dict_type"):
        example = " such as { rtol = 1e-2 }" if complaint["loc"][-1] == "tolerance" else ""
        return f"expected a table{example}, but it is {complaint['input']!r}."
    text = str(complaint["msg"])
    text = text.removeprefix("Input should be ").replace("a valid integer", "an integer").replace("a valid ", "a ")
    text = f"a number {text}" if text.startswith(("greater", "less")) else text
    return f"expected {text}, but it is {complaint['input']!r}."


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise JobError("there is no such file.", path=str(file), key=None) from None
    except IsADirectoryError:
        raise JobError("this is a folder; give a .toml file.", path=str(file), key=None) from None
    except UnicodeDecodeError as exc:
        line = exc.object[: exc.start].count(b"\n") + 1
        raise JobError("this is not UTF-8 text.", path=str(file), line=line) from None
    except OSError as exc:
        raise JobError(f"cannot be read ({exc.strerror}).", path=str(file)) from None


def _syntax_error(exc: Exception, text: str, path: str) -> JobError:
    """A TOML syntax error, with the line and the key that stands there."""
    found = re.search(r"\(at line (\d+), column (\d+)\)", str(exc))
    line = int(found.group(1)) if found else max(1, len(text.splitlines()))
    what = re.sub(r"\s*\(at .*\)$", "", str(exc)).strip()
    hint = ""
    written = text.splitlines()[line - 1].strip() if line <= len(text.splitlines()) else ""
    unquoted = re.fullmatch(r"[\w.-]+\s*=\s*[^\"'\[{\s#].*", written) is not None
    if unquoted and ("Invalid value" in what or ":" in written):
        hint = " Text and ranges need quotes."
    return JobError(f"not valid TOML: {what}.{hint}", path=path, line=line, key=key_in_line(text, line))
