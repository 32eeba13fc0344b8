"""A zoo of standard models: one function per model, with its Hamiltonian, symmetries and known answers.

`bf.zoo.haldane()` builds a model with the parameters of the literature; `bf.zoo.haldane().replace(mass=0.1)` changes
one without compiling anything again.  `names()` lists the models.  A model is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blochflow.core.checks import nearest

if TYPE_CHECKING:
    from blochflow.models.zoo._bhz import bhz as bhz
    from blochflow.models.zoo._cubic import cubic as cubic
    from blochflow.models.zoo._domain_wall import domain_wall as domain_wall
    from blochflow.models.zoo._electrostatic_profile import electrostatic_profile as electrostatic_profile
    from blochflow.models.zoo._four_band_dirac import four_band_dirac as four_band_dirac
    from blochflow.models.zoo._graphene import graphene as graphene
    from blochflow.models.zoo._graphene_on_hbn import graphene_on_hbn as graphene_on_hbn
    from blochflow.models.zoo._haldane import haldane as haldane
    from blochflow.models.zoo._kane_mele import kane_mele as kane_mele
    from blochflow.models.zoo._luttinger import luttinger as luttinger
    from blochflow.models.zoo._massive_dirac import massive_dirac as massive_dirac
    from blochflow.models.zoo._parabolic import parabolic as parabolic
    from blochflow.models.zoo._pumped_rice_mele import pumped_rice_mele as pumped_rice_mele
    from blochflow.models.zoo._qwz import qwz as qwz
    from blochflow.models.zoo._rashba_ferromagnet import rashba_ferromagnet as rashba_ferromagnet
    from blochflow.models.zoo._rice_mele import rice_mele as rice_mele
    from blochflow.models.zoo._skyrmion import skyrmion as skyrmion
    from blochflow.models.zoo._spin_one import spin_one as spin_one
    from blochflow.models.zoo._square import square as square
    from blochflow.models.zoo._ssh import ssh as ssh
    from blochflow.models.zoo._strained_graphene import strained_graphene as strained_graphene
    from blochflow.models.zoo._topological_surface import topological_surface as topological_surface
    from blochflow.models.zoo._twisted_mote2 import twisted_mote2 as twisted_mote2
    from blochflow.models.zoo._weyl_lattice import weyl_lattice as weyl_lattice
    from blochflow.models.zoo._weyl_node import weyl_node as weyl_node

_NAMES = (
    "ssh",
    "rice_mele",
    "square",
    "cubic",
    "graphene",
    "haldane",
    "kane_mele",
    "qwz",
    "bhz",
    "spin_one",
    "weyl_lattice",
    "parabolic",
    "massive_dirac",
    "rashba_ferromagnet",
    "topological_surface",
    "weyl_node",
    "four_band_dirac",
    "luttinger",
)
# models of (k, x, t)
_TEXTURES = (
    "domain_wall",
    "electrostatic_profile",
    "skyrmion",
    "graphene_on_hbn",
    "twisted_mote2",
    "strained_graphene",
    "pumped_rice_mele",
)


def names() -> tuple[str, ...]:
    """Names of all models of the zoo: lattice models first, then k.p models.

    Examples
    --------
    >>> import blochflow as bf
    >>> "haldane" in bf.zoo.names()
    True
    """
    return _NAMES


def textures() -> tuple[str, ...]:
    """Names of the models that vary in space or time, for `propagate`.

    Examples
    --------
    >>> import blochflow as bf
    >>> "skyrmion" in bf.zoo.textures()
    True
    """
    return _TEXTURES


def summary(name: str) -> str:
    """First line of a model's docstring.

    Raises
    ------
    AttributeError
        No model has this name; the nearest is named.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.zoo.summary("haldane")
    'Haldane model: a Chern insulator on the honeycomb lattice without net flux.'
    """
    return (_model(name).__doc__ or "").strip().splitlines()[0]


def _model(name: str) -> Callable[..., Any]:
    known = (*_NAMES, *_TEXTURES)
    if name not in known:
        hint = nearest(name, (*known, "names", "summary", "textures"))
        suffix = f" Did you mean {hint!r}?" if hint else f" The models are {', '.join(known)}."
        raise AttributeError(f"module 'blochflow.zoo' has no model {name!r}.{suffix}")
    # The modules carry a leading underscore because importing a submodule `haldane` would hide the function.
    function: Callable[..., Any] = getattr(importlib.import_module(f"{__name__}._{name}"), name)
    return function


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = _model(name)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted((*_NAMES, *_TEXTURES, "names", "summary", "textures"))
