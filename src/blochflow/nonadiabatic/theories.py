"""Theories of motion by name or by their options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from blochflow.core.checks import as_choice, nearest
from blochflow.dynamics.equations import Adiabatic
from blochflow.dynamics.starts import Model, scale_of
from blochflow.dynamics.theory import AbstractTheory as AbstractTheory
from blochflow.dynamics.theory import AdiabaticTheory
from blochflow.models.fields import Fields
from blochflow.models.packets import WavePacket
from blochflow.nonadiabatic.ehrenfest import Ehrenfest
from blochflow.nonadiabatic.manifold import Manifold
from blochflow.nonadiabatic.motion_catalog import TERMS

NAMED = ("adiabatic", "ehrenfest", "manifold")
LONGEST = 40  # characters of a value that a message repeats


def as_theory(theory: Any) -> AbstractTheory:
    """A theory by name, or by its options."""
    if isinstance(theory, AbstractTheory):
        return theory
    if isinstance(theory, Adiabatic):
        return AdiabaticTheory(theory)
    as_choice(theory, "theory", NAMED)
    return {"adiabatic": AdiabaticTheory(Adiabatic()), "ehrenfest": Ehrenfest(), "manifold": Manifold()}[theory]


def misplaced(options: Mapping[str, Any], theory: Any, known: Iterable[str]) -> TypeError:
    """What to write instead of an argument that `propagate` does not have: terms belong to theories."""
    name, value = next(iter(options.items()))
    owners = [kind for kind, terms in TERMS.items() if name in terms]
    if not owners:
        hint = nearest(name, known)
        return TypeError(f"propagate() has no argument `{name}`." + (f" Did you mean `{hint}`?" if hint else ""))
    kind = theory if isinstance(theory, str) and theory in owners else owners[0]
    text = repr(value) if len(repr(value)) <= LONGEST else "..."
    return TypeError(
        f"propagate() has no argument `{name}`: it is a term of the {kind} theory. "
        f"Write theory=bf.{kind.capitalize()}({name}={text})."
    )


def settled_theory(theory: Any, model: Model, packets: WavePacket, fields: Fields, time: float) -> AbstractTheory:
    """A theory for packets that start at a time, after checks of how they begin."""
    return as_theory(theory).settled(model, packets, fields, time, scale_of(model, packets, time))
