"""Numbers, times and sizes as a user reads them, and the console they are written to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PATIENCE = ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0), ("days", 86400.0)


def console(stderr: bool = False) -> Console:
    """A console that does not break lines when the output is not a terminal."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=140)


def with_error(value: complex, error: float) -> str:
    """ "584.1 +- 8.2": two digits of the error, the value to the same place; of complex numbers both parts."""
    if isinstance(value, complex):
        return f"{with_error(value.real, error)}, i {with_error(value.imag, error)}"
    if value == 0 and error == 0:
        return "0"
    if not math.isfinite(error) or error == 0 or not math.isfinite(value):
        return f"{value:.8g} +- {error:.2g}" if not math.isfinite(error) else f"{value:.10g}"
    exponent = math.floor(math.log10(error))
    decimals = 1 - exponent
    largest = max(abs(value), error)
    if largest >= 1e6 or largest < 1e-3:
        power = math.floor(math.log10(largest))
        digits = max(0, min(15, decimals + power))
        return f"({value / 10**power:.{digits}f} +- {error / 10**power:.{digits}f})e{power:+03d}"
    if decimals > 6:
        return f"{value:.{min(12, decimals)}f} +- {error:.1e}"
    return f"{value:.{max(0, decimals)}f} +- {error:.{max(0, decimals)}f}"


def duration(seconds: float) -> str:
    """1.2 s, 3.4 min, ..."""
    name, size = max((p for p in PATIENCE if seconds >= p[1]), key=lambda p: p[1], default=PATIENCE[0])
    return f"{seconds / size:.3g} {name}"


def memory(size: float) -> str:
    """2.5 GiB, ..."""
    for name, power in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= power:
            return f"{size / power:.3g} {name}"
    return f"{size:.0f} B"
