"""Damaged jobs are refused before anything is computed, with file, line, key and the nearest valid name.

250 mutations of sound jobs are drawn from a fresh seed at each run.  BLOCHFLOW_FUZZ_SEED repeats a run,
BLOCHFLOW_FUZZ_COUNT changes the number.
"""

from __future__ import annotations

import os
import random
import re
import secrets
import string
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from blochflow.cli.job import Job, read_job
from blochflow.cli.load_model import check_tasks, load_model
from blochflow.cli.toml_lines import key_lines
from blochflow.core.errors import JobError

sys.path.insert(0, str(Path(__file__).parent))
from fault_report import FAILURES, FaultReport

JOB = """\
# a sound job
[model]
zoo = "haldane"
parameters = { mass = 0.1, phase = 1.5 }
spin_degeneracy = 2

[[task]]
quantity = "bands"
name = "lines"
path = "G-K-M|K'-G"
points = 60
color = "sublattice"

[[task]]
quantity = "anomalous_hall"
name = "hall"   # a comment with = and "quotes"
mu = "-1.0:1.0:5"
temperature = [0, 0.1]
shift = 0.0
tolerance = { rtol = 1e-2, atol = 1e-3, max_evaluations = 100000 }

[[task]]
quantity = "electron_density"
mu = [
  0.1,
  0.2,
]
temperature = 0.1
grid = [24, 24]

[execution]
workers = 2
max_memory = "1 GiB"
progress = false
"""
# key -> values that can mean nothing there
WRONG: dict[str, tuple[str, ...]] = {
    "zoo": ("3", "true", "[]", '""', '"haldan"', '"no such model at all"'),
    "parameters": ("3", '"mass"', '{ mass = "heavy" }', "{ mass = nan }", "{ mass = true }", "[0.1]"),
    "spin_degeneracy": ("0", "3", '"2"', "1.5", "true"),
    "quantity": ("1", '"bandz"', '"anomolous_hall"', '"spin"', "[]", '""'),
    "name": ("7", '""', '"a/b"', '"../x"', '" "', "[]"),
    "path": ('"G"', '"G-"', '"G-Q"', "5", "[]", '["G"]', '[["A", [0.1]], "G"]', '"G-K M"', '[["A", ["x", 0]], "G"]'),
    "points": ("1", "0", "-5", "60.5", '"60"', "true", "3"),
    "color": ("1", '""', '"sublatice"', '"curvature_xz"', "[]"),
    "mu": (
        '"17:18"',
        '"1:2:0"',
        '"1:2:1"',
        '"1:1:5"',
        '"a:b:3"',
        '"1:2:3:4"',
        '"1:2:3 lin"',
        '"-1:1:5 log"',
        '"1:2:2.5"',
        '"inf:2:3"',
        "nan",
        "inf",
        "true",
        "[]",
        '["a"]',
        "[[0.1]]",
        "{ a = 1 }",
        "17:18:11",
        "1979-05-27",
        '""',
    ),
    "temperature": ("-1", "[0, -300]", '"-1:1:3"', '"cold"', "nan", "[]", "false"),
    "shift": ('"half"', "[0.5]", "nan", "true"),
    "tolerance": (
        "1e-3",
        '{ rtol = "x" }',
        "{ rtol = -1e-3 }",
        "{ max_evaluations = 0 }",
        '{ max_memory = "much" }',
        "{ atol = inf }",
        "[]",
    ),
    "grid": ("0", "-3", "2.5", '"36"', "[]", "[1, 2, 3, 4]", "[24, 0]", "true"),
    "workers": ("0", "-1", '"2"', "2.0", "true"),
    "max_memory": ('"much"', '"4 GiX"', "0", "-1", "true", "[]", "1.5"),
    "progress": ("1", '"yes"', "[]"),
}
REQUIRED = ("zoo", "quantity", "path", "mu", "temperature")


def assignments(text: str) -> list[tuple[int, str]]:
    """(index of the line, key) of the assignments that fit on one line."""
    found = [(i, m.group(1)) for i, line in enumerate(text.split("\n")) if (m := re.match(r"(\w+) =", line))]
    return [(i, key) for i, key in found if not text.split("\n")[i].endswith("[")]


def replaced(text: str, index: int, line: str | None) -> str:
    lines = text.split("\n")
    lines[index : index + 1] = [] if line is None else [line]
    return "\n".join(lines)


def misspell(draw: random.Random, word: str) -> str:
    """One letter dropped, doubled, exchanged with the next, or replaced."""
    i = draw.randrange(len(word))
    kind = draw.choice(("drop", "double", "swap", "replace"))
    if kind == "drop":
        return word[:i] + word[i + 1 :]
    if kind == "double":
        return word[:i] + word[i] + word[i:]
    if kind == "swap" and i + 1 < len(word):
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return word[:i] + draw.choice(string.ascii_lowercase) + word[i + 1 :]


def wrong_key(draw: random.Random) -> tuple[str, str, str | None]:
    """A misspelt key; the nearest valid one must be named when the word is long enough to recognise."""
    index, key = draw.choice(assignments(JOB))
    new = key
    while new in WRONG or not new:
        new = misspell(draw, key)
    line = JOB.split("\n")[index]
    return f"{key} -> {new}", replaced(JOB, index, new + line[len(key) :]), key if len(key) > 4 else None


def wrong_inner_key(draw: random.Random) -> tuple[str, str, str | None]:
    """A misspelt key of an inline table."""
    key = draw.choice(("mass", "phase", "rtol", "atol", "max_evaluations"))
    new = key
    while new in ("mass", "phase", "rtol", "atol", "max_evaluations", "t", "t2") or not new:
        new = misspell(draw, key)
    return f"{key} -> {new}", JOB.replace(f" {key} =", f" {new} ="), key if len(key) > 4 else None


def wrong_table(draw: random.Random) -> tuple[str, str, str | None]:
    """A misspelt or mistyped table."""
    table = draw.choice(("model", "execution", "task"))
    if table == "task" and draw.random() < 0.5:
        return "[[task]] -> [task]", JOB.replace("[[task]]", "[task]"), None
    new = table
    while new in ("model", "execution", "task") or not new:
        new = misspell(draw, table)
    return f"{table} -> {new}", JOB.replace(f"[{table}]", f"[{new}]"), None


def wrong_value(draw: random.Random) -> tuple[str, str, str | None]:
    """A value that can mean nothing."""
    index, key = draw.choice(assignments(JOB))
    value = draw.choice(WRONG[key])
    return f"{key} = {value}", replaced(JOB, index, f"{key} = {value}"), None


def missing_key(draw: random.Random) -> tuple[str, str, str | None]:
    """A required key is gone."""
    index, key = draw.choice([(i, key) for i, key in assignments(JOB) if key in REQUIRED])
    return f"without {key}", replaced(JOB, index, None), None


def added_line(draw: random.Random) -> tuple[str, str, str | None]:
    """Keys twice, or keys that do not belong to this table."""
    index, key = draw.choice(assignments(JOB))
    line = JOB.split("\n")[index]
    new = draw.choice((line, "density = 0.5\nmu = 1", 'wannier90 = "Fe_tb.dat"\nmu = 1', "colour = 1", "= 3", "name"))
    return f"{new!r} after {key}", replaced(JOB, index, f"{line}\n{new}"), None


KINDS = (wrong_key, wrong_inner_key, wrong_table, wrong_value, wrong_value, wrong_value, missing_key, added_line)


def prepare(path: Path) -> Job:
    """What the command does before it computes."""
    job = read_job(path)
    check_tasks(job, load_model(job))
    return job


def outcome(path: Path) -> tuple[str, Exception | None]:
    try:
        prepare(path)
    except JobError as exc:
        return "clear", exc
    except Exception as exc:
        return "traceback", exc
    return "silent", None


def seed_and_count() -> tuple[int, int]:
    return int(os.environ.get("BLOCHFLOW_FUZZ_SEED", secrets.randbits(32))), int(
        os.environ.get("BLOCHFLOW_FUZZ_COUNT", "250")
    )


def test_sound_job_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text(JOB)
    job = prepare(path)
    assert [task.name for task in job.tasks] == ["lines", "hall", "electron_density"]
    assert job.tasks[1].arguments["mu"] == [-1.0, -0.5, 0.0, 0.5, 1.0]


def test_wrong_jobs_are_refused_with_line_key_and_nearest_name(tmp_path: Path) -> None:
    seed, count = seed_and_count()
    draw, report, path = random.Random(seed), FaultReport(seed), tmp_path / "job.toml"
    unnamed = []
    for _ in range(count):
        label, text, nearest = draw.choice(KINDS)(draw)
        path.write_text(text)
        kind, error = outcome(path)
        report.add(kind, label, error, ("path", "line", "key"))
        if nearest is not None and kind == "clear" and getattr(error, "nearest", None) is None:
            unnamed.append(f"{label}: {error}")
    summary = report.summary()
    assert not any(report.outcomes[failure] for failure in FAILURES), summary
    assert not report.incomplete, summary
    # a word with one wrong letter of five or more is always closest to the right one in a table
    assert not unnamed, "\n".join([f"seed {seed}", *unnamed[:5]])
    assert report.clear == count


def test_damaged_bytes_never_pass_as_something_else(tmp_path: Path) -> None:
    """What is still accepted either parses to the same job, or differs in values of the same kind only."""
    seed, count = seed_and_count()
    draw, report, path = random.Random(seed), FaultReport(seed), tmp_path / "job.toml"
    sound = tomllib.loads(JOB)
    for _ in range(count):
        at = draw.randrange(len(JOB))
        new = draw.choice(("", JOB[at] * 2, draw.choice("[]{}=\"'#,.:-_ \n\t09xz\u00e9\x00")))
        text = JOB[:at] + new + JOB[at + 1 :]
        path.write_text(text, encoding="utf-8")
        kind, error = outcome(path)
        if kind == "silent":
            changed = tomllib.loads(text)
            kind = "harmless" if changed == sound else "well-formed" if same_kinds(sound, changed) else "silent"
        report.add(kind, f"{JOB[at]!r} -> {new!r} at {at}", error, ("path", "line"))
    assert not any(report.outcomes[failure] for failure in FAILURES), report.summary()
    assert not report.incomplete, report.summary()


def same_kinds(a: Any, b: Any) -> bool:
    """Same keys everywhere (of those that matter), and leaves of the same type; lists may have grown or shrunk."""
    if isinstance(a, dict) and isinstance(b, dict):
        # a comment sign can remove an optional key, never add one
        return set(b) <= set(a) and all(same_kinds(a[key], b[key]) for key in b)
    if isinstance(a, list) and isinstance(b, list):
        return all(same_kinds(a[min(i, len(a) - 1)], x) for i, x in enumerate(b))
    numbers = (int, float)
    return type(a) is type(b) or (type(a) in numbers and type(b) in numbers)


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "nearest", "words"),
    [
        ("temperature = [0", "temperatur = [0", 18, "task[1].temperatur", "temperature", "unknown key"),
        ("rtol =", "rtoll =", 20, "task[1].tolerance.rtoll", "rtol", "rtol, atol, max_evaluations, max_memory"),
        ('"anomalous_hall"', '"anomolous_hall"', 15, "task[1].quantity", "anomalous_hall", "not a quantity"),
        ('"-1.0:1.0:5"', '"17:18"', 17, "task[1].mu", None, '"a:b:n"'),
        ('"-1.0:1.0:5"', "17:18:11", 17, "task[1].mu", None, '"a:b:n"'),
        ("shift = 0.0", "shift = 0.0\ndensity = 0.3", 20, "task[1].density", None, "exclude each other"),
        ('zoo = "haldane"', 'zoo = "haldene"', 3, "model.zoo", "haldane", "not a model"),
        ("mass = 0.1", "mas = 0.1", 4, "model.parameters.mas", "mass", "no such parameter"),
        ('name = "hall" ', 'name = "lines" ', 16, "task[1].name", None, "also the name of task[0]"),
        ("[execution]", "[exection]", 31, "exection", "execution", "unknown table"),
        ("workers = 2", "workers =", 32, "workers", None, "not valid TOML"),
        ('"sublattice"', '"sublatice"', 12, "task[0].color", None, "sublattice"),
        ("K'-G", "K'-X", 10, "task[0].path", None, "hexagonal"),
    ],
)
def test_messages(tmp_path: Path, old: str, new: str, line: int, key: str, nearest: str | None, words: str) -> None:
    path = tmp_path / "job.toml"
    path.write_text(JOB.replace(old, new, 1))
    with pytest.raises(JobError) as caught:
        prepare(path)
    error = caught.value
    assert (error.path, error.line, error.key, error.nearest) == (str(path), line, key, nearest)
    assert words in str(error)
    assert f"{path}:{line}: `{key}`" in str(error)


def test_lines_of_keys_agree_with_the_text() -> None:
    """Every key that is found stands in its line, and every key of the parsed job is found."""
    lines, text = key_lines(JOB), JOB.split("\n")
    for key, line in lines.items():
        assert key.rpartition(".")[2].partition("[")[0] in text[line - 1]
    for index, task in enumerate(tomllib.loads(JOB)["task"]):
        assert {f"task[{index}].{name}" for name in task} <= set(lines)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("mu", "key=value"),
        ("temperatur=1", "no task has"),
        ("task.hall.mu=17:18", '"a:b:n"'),
        ("task.hal.mu=1", "no task 'hal'"),
        ("quantity=bands", "3 tasks have"),
        ("tolerance.rtol=x", "expected a number"),
        ("model.parameters.mas=1", "no such parameter"),
        ("execution.workers=0", "greater than or equal to 1"),
        ("model.zoo.x=1", "not a table"),
        ("tasks.grid=3", "write model.KEY, execution.KEY or task.NAME.grid=... Did you mean `task`?"),
        ("task.grid=3", "task.NAME.grid=..."),
        ("modl.zoo=qwz", "Did you mean `model`?"),
    ],
)
def test_wrong_settings_name_the_setting(tmp_path: Path, setting: str, words: str) -> None:
    path = tmp_path / "job.toml"
    path.write_text(JOB)
    with pytest.raises(JobError) as caught:
        job = read_job(path, [setting])
        check_tasks(job, load_model(job))
    assert words in str(caught.value)
    assert caught.value.path == f"--set {setting}"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("tasks.grid=3", "Did you mean `task`?"),
        ("tolerence.rtol=1", "Did you mean `tolerance`?"),
        ("xyz.grid=3", "unknown key"),
    ],
)
def test_settings_of_the_only_task_are_not_blamed_on_the_file(tmp_path: Path, setting: str, words: str) -> None:
    path = tmp_path / "job.toml"
    path.write_text(
        JOB.partition("[[task]]")[0] + '[[task]]\nquantity = "anomalous_hall"\nmu = 0.0\ntemperature = 0.0\n'
    )
    assert read_job(path, ["tolerance.rtol=1e-2"]).tasks[0].tolerance["rtol"] == 1e-2  # type: ignore[index]
    with pytest.raises(JobError) as caught:
        read_job(path, [setting])
    assert words in str(caught.value)
    assert caught.value.path == f"--set {setting}"


def test_settings_change_the_job(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text(JOB)
    settings = ["tolerance.rtol=1e-4", "task.hall.mu=0:1:3", "model.parameters.mass=0.3", "workers=1"]
    with pytest.raises(JobError, match="no task has `workers`"):
        read_job(path, settings)
    job = read_job(path, [*settings[:-1], "execution.workers=1"])
    assert job.tasks[1].tolerance == {"rtol": 1e-4, "atol": 1e-3, "max_evaluations": 100000, "max_memory": None}
    assert job.tasks[1].arguments["mu"] == [0.0, 0.5, 1.0]
    assert job.model.parameters == {"mass": 0.3, "phase": 1.5}
    assert job.execution["workers"] == 1


@pytest.mark.parametrize("path", ["absent.toml", "."])
def test_files_that_cannot_be_read(tmp_path: Path, path: str) -> None:
    with pytest.raises(JobError) as caught:
        read_job(tmp_path / path)
    assert caught.value.path == str(tmp_path / path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_bytes(JOB.encode().replace(b"hall", b"ha\xff\xfell", 1))
    with pytest.raises(JobError, match="UTF-8") as caught:
        read_job(path)
    assert caught.value.line == 15
