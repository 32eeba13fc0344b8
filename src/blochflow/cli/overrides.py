"""Settings from the command line: ``--set key=value`` changes the job before it is checked.

Keys: ``model.parameters.mass``, ``execution.workers``, ``task.NAME.mu`` or, where one task is meant, just ``mu`` or
``tolerance.rtol``.  Values are TOML; what is not valid TOML is taken as text, so quotes may be left out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from blochflow.core.checks import nearest
from blochflow.core.errors import JobError

TABLES = ("model", "task", "execution")
# tables inside of a task, which it may lack
INNER = ("tolerance", "partition", "packet", "ensemble", "theory", "collisions")


def apply_overrides(data: dict[str, Any], settings: Sequence[str]) -> dict[str, str]:
    """Change ``data`` in place; returns changed key -> text of the setting.

    Raises
    ------
    JobError
        No "=", an unknown task, or a key that could belong to several tasks.
    """
    changed = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        if not equals or not key:
            raise JobError("write settings as key=value, e.g. --set mu=0.5", path=f"--set {setting}", key=key or None)
        place, steps = _locate(data, key, setting)
        target = place
        for step in steps[:-1]:
            target = target.setdefault(step, {})
            if not isinstance(target, dict):
                raise JobError(f"`{step}` is not a table.", path=f"--set {setting}", key=key)
        target[steps[-1]] = parse_value(text.strip())
        changed[_full_name(data, place, steps)] = setting
    return changed


def parse_value(text: str) -> Any:
    """TOML value, or the text itself.

    Examples
    --------
    >>> from blochflow.cli.overrides import parse_value
    >>> parse_value("0.5"), parse_value("[0, 300]"), parse_value("17:18:11")
    (0.5, [0, 300], '17:18:11')
    """
    try:
        value = tomllib.loads(f"value = {text}") if "\n" not in text else {}
    except (ValueError, RecursionError):
        return text
    # TOML reads the range 17:18:11 as a time of day
    understood = list(value) == ["value"] and isinstance(value["value"], str | bool | int | float | list | dict)
    return value["value"] if understood else text


def _locate(data: dict[str, Any], key: str, setting: str) -> tuple[dict[str, Any], list[str]]:
    """The table a key is relative to, and the steps from there."""
    steps = key.split(".")
    path = f"--set {setting}"
    if not all(steps):
        raise JobError("the key has an empty part.", path=path, key=key)
    if steps[0] in ("model", "execution") and len(steps) > 1:
        return _table(data, steps[0], path), steps[1:]
    listed = data.get("task", [])
    if not isinstance(listed, list):
        raise JobError("tasks of the job are not tables under [[task]].", path=path, key=key)
    tasks = [task for task in listed if isinstance(task, dict)]
    if steps[0] == "task" and len(steps) > 2:
        names = [str(task.get("name", task.get("quantity", ""))) for task in tasks]
        if steps[1] not in names:
            message = f"there is no task {steps[1]!r}; there are {', '.join(names)}."
            raise JobError(message, path=path, key=key, nearest=nearest(steps[1], names))
        return tasks[names.index(steps[1])], steps[2:]
    holding = [task for task in tasks if steps[0] in task]
    if len(steps) > 1 and not holding:
        near = nearest(steps[0], [*TABLES, *INNER, *(name for task in tasks for name in task)])
        if near in TABLES:
            message = f"no key of a task; write model.KEY, execution.KEY or task.NAME.{'.'.join(steps[1:])}=..."
            raise JobError(message, path=path, key=key, nearest=near if near != steps[0] else None)
    chosen = tasks if len(tasks) == 1 else holding
    if len(chosen) != 1:
        known = sorted({name for task in tasks for name in task})
        hint = None if holding else nearest(steps[0], [*known, "model", "execution"])
        what = "no task has" if not holding else f"{len(holding)} tasks have"
        raise JobError(f"{what} `{steps[0]}`; write task.NAME.{key}=...", path=path, key=key, nearest=hint)
    return chosen[0], steps


def _table(data: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    table = data.setdefault(name, {})
    if not isinstance(table, dict):
        raise JobError(f"[{name}] is not a table.", path=path, key=name)
    return table


def _full_name(data: dict[str, Any], place: dict[str, Any], steps: list[str]) -> str:
    for name in ("model", "execution"):
        if data.get(name) is place:
            return ".".join([name, *steps])
    index = next(i for i, task in enumerate(data["task"]) if task is place)
    return ".".join([f"task[{index}]", *steps])
