"""What a result is: a physical quantity with its equation, source, conventions and units.

A `Quantity` is static text and numbers; it needs no JAX, so `blochflow explain` and `cite` stay fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Quantity:
    """Static description of a public quantity.

    Attributes
    ----------
    name : str
        Public name, as in ``bf.response`` and in job files.
    title : str
        One sentence.
    symbol : str
        Short label for axes of plots.
    equation : str
        ASCII equation in project conventions.
    references : tuple of str
        BibTeX keys of ``core/literature.bib``, most relevant first.
    units : mapping (unit system, dimension) -> (factor, label)
        Public value = factor * (value with hbar = e = k_B = 1 in the model's energy and length).
    valid_for, not_included, conventions : str
        Where it holds, what it leaves out, sign conventions that matter.
    options : mapping str -> str
        Options beyond model, mu, temperature, tolerance, execution, with one line each.
    explanation : str
        A paragraph for `blochflow explain`.
    """

    name: str
    title: str
    symbol: str
    equation: str
    references: tuple[str, ...]
    units: Mapping[tuple[str, int], tuple[float, str]]
    valid_for: str
    not_included: str
    conventions: str
    options: Mapping[str, str] = field(default_factory=dict)
    explanation: str = ""

    def unit(self, system: str, dimension: int) -> tuple[float, str]:
        """(factor, label) for a unit system and dimension."""
        try:
            return self.units[system, dimension]
        except KeyError:
            known = sorted({d for s, d in self.units if s == system})
            raise ValueError(
                f"Argument `model` must have dimension {' or '.join(map(str, known))} for {self.name}, "
                f"but has dimension {dimension}."
            ) from None
