"""Where the keys of a TOML text stand, so that errors can name the line.

The standard reader gives values without places.  This one goes through the text once, keeps track of tables, strings
and brackets, and notes the line of every key; it never interprets values.
"""

from __future__ import annotations

import re
from collections import Counter

BARE = r"[A-Za-z0-9_-]+"
KEY = rf"(?:{BARE}|\"[^\"]*\"|'[^']*')"
DOTTED = rf"{KEY}(?:\s*\.\s*{KEY})*"
HEADER = re.compile(rf"\s*(\[\[?)\s*({DOTTED})\s*\]\]?")
ASSIGNMENT = re.compile(rf"\s*({DOTTED})\s*=")
INLINE = re.compile(rf"[{{,]\s*({DOTTED})\s*=")


def key_lines(text: str) -> dict[str, int]:
    """Line (1-based) of every key and table, by dotted name; entries of table arrays are numbered: ``task[0].mu``.

    Examples
    --------
    >>> from blochflow.cli.toml_lines import key_lines
    >>> key_lines("[[task]]\\nmu = 1\\n[[task]]\\nmu = { a = 2 }")
    {'task[0]': 1, 'task[0].mu': 2, 'task[1]': 3, 'task[1].mu': 4, 'task[1].mu.a': 4}
    >>> key_lines("[[task]]\\n[task.partition]\\nK = 1")
    {'task[0]': 1, 'task[0].partition': 2, 'task[0].partition.K': 3}
    """
    lines: dict[str, int] = {}
    counts: Counter[str] = Counter()
    table, depth, quote = "", 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if depth == 0 and not quote:
            header, assignment = HEADER.match(line), ASSIGNMENT.match(line)
            if header:
                table = _join(header.group(2))
                array, dot, inner_table = table.partition(".")
                if counts[array] and dot:
                    # a table inside of the last entry of an array
                    table = f"{array}[{counts[array] - 1}].{inner_table}"
                if header.group(1) == "[[":
                    counts[table] += 1
                    table = f"{table}[{counts[table] - 1}]"
                lines.setdefault(table, number)
                continue
            if assignment:
                name = f"{table}.{_join(assignment.group(1))}".lstrip(".")
                lines.setdefault(name, number)
                for inner in INLINE.finditer(line, assignment.end()):
                    lines.setdefault(f"{name}.{_join(inner.group(1))}", number)
        depth, quote = _advance(line, depth, quote)
    return lines


def line_of(lines: dict[str, int], key: str) -> int | None:
    """Line of a key, or of the innermost table around it that has one."""
    while key:
        if key in lines or f"{key}[0]" in lines:
            return lines.get(key) or lines[f"{key}[0]"]
        opened = [line for name, line in lines.items() if name.startswith(f"{key}.")]
        if opened:
            return min(opened)
        # of a table in an inline array only the line of the array is known
        key = key.rpartition("[")[0] if key.endswith("]") and "." in key else key.rpartition(".")[0]
    return None


def key_in_line(text: str, number: int) -> str | None:
    """The key that is assigned, or the table that is opened, in or last before a line."""
    found = None
    for line in text.splitlines()[:number]:
        match = ASSIGNMENT.match(line)
        header = HEADER.match(line)
        if match or header:
            found = _join(match.group(1) if match else header.group(2))  # type: ignore[union-attr]
    return found


def _join(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in re.findall(KEY, dotted))


def _advance(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Bracket depth and open multi-line quote after a line."""
    position = 0
    while position < len(line):
        three, one = line[position : position + 3], line[position]
        if quote:
            if one == "\\" and quote[0] == '"':
                position += 1
            elif line.startswith(quote, position):
                position += len(quote) - 1
                quote = ""
        elif three in ('"""', "'''"):
            quote, position = three, position + 2
        elif one in "\"'":
            quote = one
        elif one == "#":
            break
        else:
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(one, 0)
        position += 1
    return max(depth, 0), quote if len(quote) == 3 else ""
