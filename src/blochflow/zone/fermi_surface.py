"""Sheets of the level set E(k) = mu of one band: mesh, quadrature points, and what kind of surface each sheet is.

    Int F dS/|grad E| ~ sum_i w_i F(k_i);   enclosed = (1/d) Int k . n dS;   closure = |Int n dS - flat| / Int dS

``flat`` is the same integral over the flat elements of the mesh, which depends on the winding only: zero for a closed
sheet, the cross-section of the periods for an open one.

What is found: every sheet that passes between two neighbouring grid points, and every pocket around an extremum that
the grid shows as a local extremum within its own variation.  Not guaranteed: pockets without such an extremum (deep
inside a cell of a rapidly varying band), and in three dimensions necks thinner than a cell, which are joined or cut by
the grid; curves in two dimensions are followed through those.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from blochflow.zone.curve_points import SmoothCurve
from blochflow.zone.cutoff import clip
from blochflow.zone.marching import Box
from blochflow.zone.pockets import hidden_pockets, mesh, remesh
from blochflow.zone.projection import Points
from blochflow.zone.quadrature import points_along, smooth_curve
from blochflow.zone.roots import Levels
from blochflow.zone.sheets import Piece


@dataclass(frozen=True)
class LevelSheet:
    """A sheet with its points.

    Attributes
    ----------
    piece : Piece
    points : Points
    kind : str
        "electron" (the gradient points outwards), "hole", "open" (periodic), or "cut" (ends at the cutoff).
    enclosed : float
        Area or volume inside; NaN unless closed.
    closure_residual : float
    """

    piece: Piece
    points: Points
    kind: str
    enclosed: float
    closure_residual: float


@dataclass(frozen=True, eq=False)
class LevelShape:
    """A sheet before points are placed on it.

    Attributes
    ----------
    piece : Piece
    touches : bool
        It ends at the cutoff.
    levels, mu, scale
        As `level_shapes`.
    """

    piece: Piece
    touches: bool
    levels: Levels
    mu: float
    scale: float

    @cached_property
    def curve(self) -> SmoothCurve | None:
        """What points are placed along; None for surfaces, and for curves with ends or kinks."""
        return smooth_curve(self.piece, self.levels, self.mu, self.scale)

    def sheet(self, number: int | None) -> LevelSheet:
        """With ``number`` points per curve (2D) or per triangle (3D: 1, 3, 6, 7), None: automatic."""
        points = points_along(self.piece, self.curve, self.levels, self.mu, self.scale, number)
        return describe_sheet(self.piece, points, self.touches)


def level_shapes(
    levels: Levels, mu: float, box: Box, energies: np.ndarray, *, scale: float, cutoff: float | None = None
) -> list[LevelShape]:
    """Sheets of one band, the largest meshes first.

    Parameters
    ----------
    levels : callable
        k (P, d) -> energies (P,) and gradients (P, d).
    mu : float
    box : Box
        Detection grid.  With ``cutoff`` it is not periodic and reaches beyond it.
    energies : array of shape ``box.shape``
    scale : float
        Size of energies, which sets their rounding error.
    cutoff : float, optional
        Keep |k| <= cutoff only.
    """
    whole = [fine for piece in mesh(levels, mu, box, energies, scale) for fine in remesh(piece, levels, mu, box, scale)]
    whole += hidden_pockets(levels, mu, box, energies, scale)
    pieces, cut = whole, [False] * len(whole)
    if cutoff is not None:
        pieces, cut = clip(whole, levels, mu, cutoff)
    return [LevelShape(piece, touches, levels, mu, scale) for piece, touches in zip(pieces, cut, strict=True)]


def describe_sheet(piece: Piece, points: Points, touches: bool) -> LevelSheet:
    """Kind, enclosed volume and closure of a sheet."""
    normals = points.weights[:, None] * points.gradient
    area = float(points.area.sum())
    expected = np.zeros(normals.shape[1]) if touches else piece.flat_normal
    residual = float(np.linalg.norm(normals.sum(axis=0) - expected)) / area if area else float("nan")
    if touches or piece.boundary:
        return LevelSheet(piece, points, "cut", float("nan"), residual)
    if not piece.closed:
        return LevelSheet(piece, points, "open", float("nan"), residual)
    inside = float(np.einsum("pa,pa->", points.k - points.k.mean(axis=0), normals)) / normals.shape[1]
    return LevelSheet(piece, points, "electron" if inside > 0 else "hole", abs(inside), residual)
