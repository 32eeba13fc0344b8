"""Code blocks of Markdown pages: ``python`` and ``{code-cell}`` blocks are executed, ``console`` blocks are typed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(?P<kind>\{code-cell\} ?\w*|\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and the line it starts at."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """All fenced code blocks of a page, without the option lines of code cells."""
    source = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(source):
        kind = match["kind"]
        language = "python" if kind.startswith("{code-cell}") else kind
        body = "".join("\n" if line.startswith(":") else line for line in match["body"].splitlines(keepends=True))
        found.append(Block(language, body, source[: match.start("body")].count("\n")))
    return found


def execute(page: Path) -> dict[str, Any]:
    """Run the Python blocks of a page one after the other in one namespace; line numbers are those of the page."""
    namespace: dict[str, Any] = {"__name__": "__page__"}
    for block in blocks(page):
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, str(page), "exec"), namespace)
    return namespace


def commands(page: Path) -> list[list[str]]:
    """The words of every ``$ ...`` line of the console blocks, comments removed."""
    lines = [line for block in blocks(page) if block.language == "console" for line in block.text.splitlines()]
    return [line[2:].split("#")[0].split() for line in lines if line.startswith("$ ")]
