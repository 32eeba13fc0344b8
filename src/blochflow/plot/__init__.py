"""Plots of results and of models: every function returns (figure, axes) and changes no global setting.

`animation` writes a film instead.  Matplotlib is imported by the first plot.  Results may be given as Datasets or as
the names of their files.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blochflow.plot.band_plot import bands as bands
    from blochflow.plot.contribution_plot import contributions as contributions
    from blochflow.plot.distribution_plot import surface_distribution as surface_distribution
    from blochflow.plot.evolution_plot import evolution as evolution
    from blochflow.plot.fermi_plot import fermi_surface as fermi_surface
    from blochflow.plot.field_plot import field_current as field_current
    from blochflow.plot.field_plot import hybrid_bands as hybrid_bands
    from blochflow.plot.film import animation as animation
    from blochflow.plot.orbit_plot import orbits as orbits
    from blochflow.plot.passage_plot import passages as passages
    from blochflow.plot.response_plot import auto as auto
    from blochflow.plot.response_plot import convergence as convergence
    from blochflow.plot.response_plot import response as response
    from blochflow.plot.trajectory_plot import trajectory as trajectory
    from blochflow.plot.zone_map import curvature_map as curvature_map
    from blochflow.plot.zone_map import spin_texture as spin_texture

_NAMES = {
    "animation": "film",
    "auto": "response_plot",
    "bands": "band_plot",
    "contributions": "contribution_plot",
    "convergence": "response_plot",
    "curvature_map": "zone_map",
    "evolution": "evolution_plot",
    "fermi_surface": "fermi_plot",
    "field_current": "field_plot",
    "hybrid_bands": "field_plot",
    "orbits": "orbit_plot",
    "passages": "passage_plot",
    "response": "response_plot",
    "spin_texture": "zone_map",
    "surface_distribution": "distribution_plot",
    "trajectory": "trajectory_plot",
}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"blochflow.plot.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'blochflow.plot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_NAMES)
