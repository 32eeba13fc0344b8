"""Blochflow: what the semiclassical theory of Bloch electrons predicts for a crystal."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "exact": "exact",
    "geometry": "geometry",
    "nonadiabatic": "nonadiabatic",
    "orbits": "dynamics.orbits",
    "plot": "plot",
    "response": "response",
    "zoo": "models.zoo",
}
_NAMES = {
    "Lattice": "core.lattice",
    "NATURAL": "core.units",
    "EV_ANGSTROM": "core.units",
    "Units": "core.units",
    "BlochflowError": "core.errors",
    "BlochflowWarning": "core.errors",
    "ValidityWarning": "core.errors",
    "FileWarning": "core.errors",
    "SymmetryWarning": "core.errors",
    "FileFormatError": "core.errors",
    "JobError": "core.errors",
    "UserModelError": "core.errors",
    "DegenerateBandsError": "core.errors",
    "NonFiniteError": "core.errors",
    "ConvergenceError": "core.errors",
    "TightBinding": "models.tight_binding",
    "LatticeModel": "models.bloch",
    "ContinuumModel": "models.continuum",
    "LocalModel": "models.local",
    "textured": "models.textured",
    "read_wannier90": "models.wannier90",
    "write_wannier90": "models.wannier90",
    "from_pythtb": "models.interop",
    "from_tbmodels": "models.interop",
    "Disorder": "disorder.potentials",
    "bands": "geometry.bands",
    "Bands": "geometry.bands",
    "Subspace": "geometry.subspace",
    "Adiabatic": "dynamics.equations",
    "Collisions": "dynamics.collisions",
    "Event": "dynamics.events",
    "average": "dynamics.ensemble",
    "ensemble": "dynamics.ensemble",
    "interpolate": "dynamics.interpolation",
    "WavePacket": "models.packets",
    "propagate": "nonadiabatic.trajectories",
    "Ehrenfest": "nonadiabatic.ehrenfest",
    "Manifold": "nonadiabatic.manifold",
    "k_path": "models.k_points",
    "k_grid": "models.k_points",
    "KPath": "models.k_points",
    "save": "core.files",
    "open": "core.files",
    "to_si": "core.convert",
    "to_units": "core.convert",
    "export": "response.export",
    "sensitivity": "response.sensitivity",
    "Tolerance": "zone.tolerance",
    "Execution": "execution.threads",
}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"blochflow.{_NAMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"blochflow.{_MODULES[name]}")
    raise AttributeError(f"module 'blochflow' has no attribute {name!r}")
