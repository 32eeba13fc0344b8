"""Theories of motion by name or by their options."""

from __future__ import annotations

from typing import Any

from blochflow.core.checks import as_choice
from blochflow.dynamics.equations import Adiabatic
from blochflow.dynamics.starts import Model, scale_of
from blochflow.dynamics.theory import AbstractTheory as AbstractTheory
from blochflow.dynamics.theory import AdiabaticTheory
from blochflow.models.fields import Fields
from blochflow.models.packets import WavePacket
from blochflow.nonadiabatic.ehrenfest import Ehrenfest
from blochflow.nonadiabatic.manifold import Manifold

NAMED = ("adiabatic", "ehrenfest", "manifold")


def as_theory(theory: Any) -> AbstractTheory:
    """A theory by name, or by its options."""
    if isinstance(theory, AbstractTheory):
        return theory
    if isinstance(theory, Adiabatic):
        return AdiabaticTheory(theory)
    as_choice(theory, "theory", NAMED)
    return {"adiabatic": AdiabaticTheory(Adiabatic()), "ehrenfest": Ehrenfest(), "manifold": Manifold()}[theory]


def settled_theory(theory: Any, model: Model, packets: WavePacket, fields: Fields, time: float) -> AbstractTheory:
    """A theory for packets that start at a time, after checks of how they begin."""
    return as_theory(theory).settled(model, packets, fields, time, scale_of(model, packets, time))
