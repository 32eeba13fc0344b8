"""Counts what became of damaged input, and whether the messages say what a user needs.

Outcomes: ``clear`` (the library's own error), ``harmless`` (same result as the sound input), ``well-formed`` (another
sound input, found so by an independent check), ``refused`` (the library's error although the independent check finds
nothing wrong), and the failures ``silent``, ``traceback`` and ``hang``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

FAILURES = ("silent", "traceback", "hang")


@dataclass
class FaultReport:
    """Outcomes of a run over damaged inputs."""

    seed: int
    outcomes: Counter[str] = field(default_factory=Counter)
    fixes: Counter[str] = field(default_factory=Counter)
    incomplete: list[str] = field(default_factory=list)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, outcome: str, label: str, error: object = None, required: tuple[str, ...] = ()) -> None:
        """One damaged input; ``required`` names the attributes of the error that must not be empty."""
        self.outcomes[outcome] += 1
        self.examples.setdefault(outcome, []).append(f"{label}: {error}" if error is not None else label)
        if outcome not in ("clear", "refused"):
            return
        missing = [name for name in required if not getattr(error, name, None)]
        if missing:
            self.incomplete.append(f"{label}: no {', '.join(missing)}: {error}")
        self.fixes[str(getattr(error, "fix", ""))] += 1

    @property
    def clear(self) -> int:
        """How many ended in the library's own error."""
        return self.outcomes["clear"] + self.outcomes["refused"]

    def summary(self, outcomes: tuple[str, ...] = FAILURES) -> str:
        """Counts, and up to five examples of each of the given outcomes."""
        lines = [f"seed {self.seed} (BLOCHFLOW_FUZZ_SEED={self.seed} repeats this run): {dict(self.outcomes)}"]
        lines.append(f"{len(self.fixes)} distinct fixes; {len(self.incomplete)} messages with an empty part")
        for outcome in outcomes:
            lines += [f"[{outcome}] {example}" for example in self.examples.get(outcome, [])[:5]]
        return "\n".join(lines + self.incomplete[:5])
