"""What the references read from a model: its hoppings in two dimensions, as plain arrays.

The matrices are large (a magnetic cell, the width of a ribbon), so that LAPACK does all the work and nothing is gained
by compiling a kernel for every size.
"""

from __future__ import annotations

import math
import os
import warnings
from typing import Any

import numpy as np

from blochflow.core.checks import as_index, fail
from blochflow.core.errors import ValidityWarning
from blochflow.models.base import as_model
from blochflow.models.tight_binding import TightBinding

DIMENSIONS = {1: "one", 2: "two", 3: "three"}
# Position matrices below this fraction of the shortest lattice vector are rounding of a file.
NEGLIGIBLE = 1e-6
# Matrices that a diagonalization of the whole cell holds beside the hoppings.
WORKSPACE = 6


def as_planar(model: Any) -> TightBinding:
    """Check that ``model`` is two-dimensional and has hoppings."""
    as_model(model)
    must = "be a two-dimensional bf.TightBinding, whose hoppings are known"
    if not isinstance(model, TightBinding):
        raise fail("model", must, f"is a {type(model).__name__}")
    if model.dimension != 2:
        raise fail("model", must, f"has {DIMENSIONS[model.dimension]} dimension{'s' * (model.dimension > 1)}")
    return model


def warn_of_positions(model: TightBinding) -> None:
    """Warn where a model has position matrices beyond its orbital centres, which are not used."""
    if model.positions is None:
        return
    offset = largest_offset(model)
    if offset > NEGLIGIBLE * float(model.lattice.shortest):
        warnings.warn(
            f"Phases and currents of {model.name} are taken between the centres of its orbitals; its position matrices "
            f"beyond these centres (largest element {offset:.3g} {model.units.length}) are left out.",
            ValidityWarning,
            stacklevel=3,
        )


def largest_offset(model: TightBinding) -> float:
    """Largest position matrix element beyond the orbital centres."""
    positions = np.array(model.positions)
    origin = int(np.flatnonzero((model.cells == 0).all(axis=1))[0])
    diagonal = np.arange(model.num_bands)
    positions[origin, :, diagonal, diagonal] -= np.asarray(model.orbitals)
    return float(np.abs(positions).max())


def reduced_orbitals(model: TightBinding) -> np.ndarray:
    """(N, 2) orbital positions in multiples of the lattice vectors."""
    return np.asarray(model.lattice.to_reduced_r(model.orbitals))


def lattice_sum(cells: np.ndarray, blocks: np.ndarray, k_frac: np.ndarray) -> np.ndarray:
    """sum_R M_R exp(2 pi i k.R) for k (K, d), M (nR, ...): (K, ...)."""
    return np.tensordot(np.exp(2j * np.pi * (k_frac @ cells.T)), blocks, axes=1)


def check_fits(model: TightBinding, value: int, name: str, axis: int, times: int = 1) -> None:
    """Refuse a cell of ``times value`` unit cells along a lattice vector whose dense matrices exceed the memory.

    Blocks of complex numbers for every cell along the other vector and for neighbours along this one, and as many
    again for the diagonalization.
    """
    across = len(np.unique(model.cells[:, 1 - axis]))
    copies = 6 * across + WORKSPACE
    most = math.isqrt(int(physical_memory() / 2 / (16 * copies))) // (times * model.num_bands)
    if value > most:
        size = f"{model.num_bands} orbitals per cell, {16e-9 * copies * (times * value * model.num_bands) ** 2:.3g} GB"
        raise fail(
            name, f"be at most {most} for dense matrices in half of this machine's memory", f"is {value} ({size})"
        )


def physical_memory() -> int:
    """Bytes of this machine; 16 GiB where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 16 * 2**30


def as_count(value: Any, name: str, least: int, *, even: bool = False) -> int:
    """A whole number of at least ``least``."""
    must = f"be an {'even ' if even else ''}integer of at least {least}"
    number = as_index(value, name, must)
    if number < least or (even and number % 2):
        raise fail(name, must, f"is {number}")
    return number
