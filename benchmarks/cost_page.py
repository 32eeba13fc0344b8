"""What the scripts of docs/theory/cost.md share: one question to the library, and the generated parts of the page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import blochflow as bf

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "theory" / "cost.md"
RTOL = 1e-4
ONE_CORE = bf.Execution(workers=1, progress=False)


def hall(model: Any, mu: Any, temperature: Any, *, rtol: float = RTOL, **options: Any) -> tuple[Any, float]:
    """Anomalous Hall conductivity, and the CPU seconds it took."""
    start = time.process_time()
    tolerance = bf.Tolerance(rtol=rtol)
    options = {"tolerance": tolerance, "execution": ONE_CORE, "throw": False} | options
    result = bf.response.anomalous_hall(model, mu, temperature, **options)
    return result, time.process_time() - start


def sigma_xy(result: Any) -> Any:
    """(mu, temperature) values of the xy component."""
    return result.value.sel(a="x", b="y").values


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]


def power(x: float) -> str:
    """1.2e-03 as 1.2e-3."""
    mantissa, exponent = f"{x:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def replace_section(name: str, lines: list[str]) -> None:
    """Put ``lines`` between the two comments of the page that carry ``name``."""
    first, last = f"<!-- {name}: generated -->", f"<!-- end of {name} -->"
    before, rest = PAGE.read_text(encoding="utf-8").split(first)
    after = rest.split(last)[1]
    PAGE.write_text("\n".join([f"{before}{first}", *lines, f"{last}{after}"]), encoding="utf-8")
