"""Ribbons cut from two-dimensional lattice models; see `ribbon`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_index, fail
from blochflow.exact.hoppings_2d import as_count, as_planar, check_fits, warn_of_positions
from blochflow.models.tight_binding import TightBinding


@dataclass(frozen=True, eq=False)
class Ribbon:
    """A ribbon as a one-dimensional model, with the places of its orbitals.

    Attributes
    ----------
    model : TightBinding
        Periodic along the ribbon; orbital n N + j is orbital j of row n.  All functions of bands work on it.
    transverse : (width N,) array
        Cartesian coordinate y of every orbital across the ribbon, zero in the middle.
    axes : (2, 2) array
        Unit vectors along the ribbon (x) and across it (y), with (x, y, z) right-handed.
    width : int
        Unit cells across.
    direction : int
        The lattice vector along which the ribbon runs, 0 or 1.
    spacing : float
        Distance of neighbouring rows of unit cells.
    """

    model: TightBinding
    transverse: np.ndarray
    axes: np.ndarray
    width: int
    direction: int
    spacing: float


def ribbon(model: TightBinding, width: int, *, direction: int = 0) -> Ribbon:
    """A ribbon of a two-dimensional lattice: periodic along one lattice vector, ``width`` cells along the other.

        H_(n i)(m j)(k) = sum_R <0i|H|Rj> exp(i k x_R,ij),    R = r a_along + (m - n) a_across,  0 <= m, n < width

    x_R,ij is the distance along the ribbon between the two orbitals.  Hoppings that would leave the ribbon are cut.
    Source: [Ceresoli2006], on samples with edges.  Valid for: any lattice, also oblique.  Not
    included: relaxation of the edges; position matrices of Wannier functions beyond their centres.  For a ribbon in a
    magnetic field pass ``bf.exact.hofstadter(model, p, q)``: its cells are then q cells long along a1.

    Parameters
    ----------
    model : TightBinding
        Two-dimensional, with N orbitals per cell.
    width : int
        Unit cells across, at least 1.
    direction : int
        0 (default): along a1, stacked along a2.  1: along a2, stacked along a1.

    Returns
    -------
    Ribbon
        ``.model`` is a one-dimensional `TightBinding` with the operator ``"transverse"``, the coordinate across: it
        tells on which side a state lives.  Operators of the model act in every row.

    Raises
    ------
    ValueError
        Not a two-dimensional `TightBinding`, width below 1 or too large for the memory, direction neither 0 nor 1.

    Examples
    --------
    Bands of a ribbon of the square lattice: E = -2 cos k - 2 cos(pi m/(width + 1)), m = 1 .. width.

    >>> import blochflow as bf
    >>> strip = bf.exact.ribbon(bf.zoo.square(), 2)
    >>> [round(float(e), 6) for e in bf.bands(strip.model, [[0.0]]).energies[0]]
    [-3.0, -1.0]
    >>> [float(y) for y in strip.transverse]
    [-0.5, 0.5]
    """
    model, width = as_planar(model), as_count(width, "width", 1)
    if as_index(direction, "direction", "be 0 or 1") not in (0, 1):
        raise fail("direction", "be 0 or 1", f"is {direction!r}")
    check_fits(model, width, "width", 1 - direction)
    warn_of_positions(model)
    vectors = np.asarray(model.lattice.vectors)
    along, across = vectors[direction], vectors[1 - direction]
    x = along / np.linalg.norm(along)
    axes = np.array([x, [-x[1], x[0]]])
    places = (np.asarray(model.orbitals)[None] + np.arange(width)[:, None, None] * across).reshape(-1, 2) @ axes.T
    transverse = places[:, 1] - (places[:, 1].min() + places[:, 1].max()) / 2
    cells, blocks = ribbon_blocks(model.cells, np.asarray(model.blocks), width, direction)
    operators = {name: np.kron(np.eye(width), np.asarray(matrix)) for name, matrix in model.operators.items()}
    chain = TightBinding.from_blocks(
        [[float(np.linalg.norm(along))]],
        places[:, :1],
        cells,
        blocks,
        operators={**operators, "transverse": np.diag(transverse)},
        units=model.units,
        spin_degeneracy=model.spin_degeneracy,
        name=model.name,
        notes=(*model.notes, f"ribbon along a{direction + 1}, {width} cells wide"),
    )
    return Ribbon(chain, transverse, axes, width, direction, float(abs(across @ axes[1])))


def ribbon_blocks(cells: np.ndarray, blocks: np.ndarray, width: int, direction: int) -> tuple[np.ndarray, np.ndarray]:
    """(nC, 1) cells along the ribbon and (nC, width N, width N) blocks between its rows."""
    along, across = cells[:, direction], cells[:, 1 - direction]
    found, index = np.unique(along, return_inverse=True)
    count = blocks.shape[-1]
    result = np.zeros((len(found), width, count, width, count), dtype=np.complex128)
    for number, step, block in zip(index, across, blocks, strict=True):
        rows = np.arange(max(0, -step), min(width, width - step))
        result[number, rows, :, rows + step, :] = block
    return found[:, None], result.reshape(len(found), width * count, width * count)


def as_ribbon(value: Any) -> Ribbon:
    """Check that ``value`` is a ribbon."""
    if not isinstance(value, Ribbon):
        raise fail("ribbon", "be a ribbon (bf.exact.ribbon(model, width))", f"is a {type(value).__name__}")
    return value
