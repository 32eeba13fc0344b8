"""Bands on a grid in the formats of XCrySDen (.bxsf) and FermiSurfer (.frmsf).

Both list k = sum_i (m_i / n_i) b_i band by band with the last axis fastest.  A .bxsf grid is "general": m_i = 0 .. n_i,
so that the last plane repeats the first; it holds energies and the Fermi energy.  A .frmsf grid is periodic:
m_i = 0 .. n_i - 1 (grid type 1, which starts at Gamma); it holds energies minus the Fermi energy, then one number per
state that colors the surface.
Source: XCrySDen, XSF format description, section on band grids; FermiSurfer manual, "Input file".
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.core.files import write_text
from blochflow.geometry.band_structure import BATCH, state_weights
from blochflow.geometry.bands import Bands, bands
from blochflow.geometry.subspace import Subspace, touching_bands
from blochflow.models.base import AbstractModel
from blochflow.models.k_points import k_grid
from blochflow.zone.grids import requested_grid

STARTS_AT_GAMMA = 1


def write_bxsf(model: AbstractModel, path: Path, *, grid: Any, mu: float) -> Path:
    """Energies on a general grid, with the Fermi energy."""
    numbers, energies, _ = _energies(model, grid, None)
    level = float(as_real_array(mu, "mu", max_ndim=0))
    periodic = energies.reshape(*numbers, -1)
    general = np.pad(periodic, [(0, 1)] * 3 + [(0, 0)], mode="wrap")
    lines = [
        "BEGIN_INFO",
        f"  # {model.name}: energies in {model.units.energy}, reciprocal vectors in 1/{model.units.length} (with 2 pi)",
        f"  Fermi Energy: {level:.12g}",
        "END_INFO",
        "BEGIN_BLOCK_BANDGRID_3D",
        "blochflow",
        "BEGIN_BANDGRID_3D_bands",
        f"  {general.shape[-1]}",
        "  " + " ".join(str(n + 1) for n in numbers),
        "  0.0 0.0 0.0",
        *_vectors(model),
    ]
    for band in range(general.shape[-1]):
        lines.append(f"  BAND: {band + 1}")
        # one line per row of the last axis keeps lines short
        lines += ["  " + _row(row) for row in general[..., band].reshape(-1, numbers[2] + 1)]
    lines += ["END_BANDGRID_3D", "END_BLOCK_BANDGRID_3D", ""]
    write_text(path, "\n".join(lines))
    return path


def write_frmsf(model: AbstractModel, path: Path, *, grid: Any, mu: float, color: str | None) -> Path:
    """Energies minus mu on a periodic grid that starts at Gamma, and a number per state."""
    numbers, energies, weights = _energies(model, grid, color)
    level = float(as_real_array(mu, "mu", max_ndim=0))
    lines = [
        " ".join(map(str, numbers)),
        str(STARTS_AT_GAMMA),
        str(energies.shape[1]),
        *_vectors(model),
        *(f"{x:.10e}" for x in (energies - level).T.reshape(-1)),
        *(f"{x:.10e}" for x in weights.T.reshape(-1)),
        "",
    ]
    write_text(path, "\n".join(lines))
    return path


def _energies(model: AbstractModel, grid: Any, color: str | None) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    """Points per axis, energies (K, n), weights (K, n)."""
    if model.dimension != 3 or model.lattice is None:
        kind = "a continuum model" if model.lattice is None else f"{model.dimension}-dimensional"
        raise fail("source", "be a three-dimensional periodic model", f"{model.name} is {kind}")
    numbers = requested_grid(grid, 3)
    energies, weights = [], []
    k = k_grid(model, numbers)
    for start in range(0, len(k), BATCH):
        solved = bands(model, k[start : start + BATCH])
        energy = np.asarray(solved.energies)
        energies.append(energy)
        if color is None:
            weights.append(np.zeros_like(energy))
        else:
            weights.append(_fill_touching(solved, state_weights(solved, color)[0], color))
    return numbers, np.concatenate(energies), np.concatenate(weights)


def _fill_touching(solved: Bands, weight: np.ndarray, color: str) -> np.ndarray:
    """Weights of touching bands are not defined, but viewers need numbers: the average over the touching group is."""
    result = weight.copy()
    touching = np.asarray(touching_bands(solved)) | np.eye(solved.num_bands, dtype=bool)
    groups: dict[tuple[int, ...], list[int]] = {}
    for row in np.flatnonzero(~np.isfinite(weight).all(axis=1)):
        for group in {tuple(int(m) for m in np.flatnonzero(line)) for line in touching[row]}:
            if len(group) > 1:
                groups.setdefault(group, []).append(int(row))
    for group, rows in groups.items():
        trace = state_weights(bands(solved.model, np.asarray(solved.k)[rows]), color, Subspace(group))[0]
        result[np.ix_(rows, group)] = trace[:, None] / len(group)
    # a group that is not separated from its neighbours by rounding alone
    return np.nan_to_num(result, nan=0.0)


def _vectors(model: AbstractModel) -> Iterable[str]:
    reciprocal = np.asarray(model.lattice.reciprocal)  # type: ignore[union-attr]
    return ["  " + " ".join(f"{x:.10f}" for x in row) for row in reciprocal]


def _row(values: np.ndarray) -> str:
    return " ".join(f"{x:.10e}" for x in values)
