"""Chern numbers and Wilson loops of a group of bands, from overlaps of neighbouring states.

    C = Int_BZ Omega_xy d^2k / (2 pi) = -(1/2 pi) sum_plaquettes arg(U_x(k) U_y(k+x) U_x(k+y)^* U_y(k)^*)
    U_a(k) = det <u_g(k)|u_h(k + dk_a)>,     W = prod_k <u(k)|u(k + dk)> = P exp(-i oint A.dk)

The plaquette sum is an integer on any mesh, so a wrong one looks like a right one: an answer is given only when no
plaquette holds much flux, no link is nearly singular and two independent meshes agree.
Source: Fukui, Hatsugai, Suzuki, J. Phys. Soc. Jpn. 74, 1674 (2005); Vanderbilt (2018), ch. 3 and 5.
Not here: Z2 invariants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_index, as_real_array, fail
from blochflow.core.errors import ConvergenceError
from blochflow.geometry.overlaps import (
    as_subspace,
    closest_approach,
    group_states,
    overlaps,
    reciprocal_phases,
    smallest_singular_value,
    solve,
    touching_error,
)
from blochflow.geometry.subspace import Subspace
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.tight_binding import TightBinding

LARGEST_FLUX = np.pi / 2  # a Dirac point of vanishing gap holds pi; half of it is the limit for one plaquette
SMALLEST_OVERLAP = 0.5  # a singular value of cos(60 deg): a link over a point of winding 2 has cos(90 deg)
FIRST_GRID, LAST_GRID = 16, 1024
MOST_NUMBERS = 1 << 25  # complex numbers in the states of one mesh: 0.5 GiB
CLOSED_GAP = 1e-8  # of max|E|: what a zooming search on a linear crossing reaches with room to spare
# Origins of two independent meshes in units of the step: generic, off the symmetric points where bands meet.
ORIGINS = (np.array([0.37, 0.21]), np.array([0.87, 0.71]))


def chern_number(model: AbstractModel, *, bands: Any, grid: Any = None, plane: tuple[int, float] | None = None) -> int:
    """Chern number of a group of bands in two dimensions, or on a plane of a three-dimensional zone.

        C = (1/2 pi) Int_BZ Tr Omega_xy d^2k

    Source: Thouless, Kohmoto, Nightingale, den Nijs, PRL 49, 405 (1982); Fukui, Hatsugai, Suzuki (2005), Eqs. (7)-(9).
    Valid for: a group separated from all other bands by a direct gap on the whole torus.

    Parameters
    ----------
    model : AbstractModel
        With a lattice, in two or three dimensions.
    bands : int, list of int or Subspace
    grid : int or (int, int), optional
        Mesh on which to answer or refuse.  Without it the mesh is doubled until the answer can be trusted.
    plane : (axis, value), three dimensions only
        The plane where the reduced coordinate ``axis`` (0, 1, 2) of k equals ``value``; its normal points along
        the lattice vector of that axis.

    Returns
    -------
    int

    Raises
    ------
    DegenerateBandsError
        The group touches another band on the torus.
    ConvergenceError
        The mesh (without ``grid``: the finest one tried) is too coarse for the gap.
    ValueError
        A wrong dimension, plane, grid or band index.

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.qwz()
    >>> bf.geometry.chern_number(model, bands=0)
    1
    """
    group = as_subspace(bands, as_model(model).num_bands)
    torus = _Torus.of(model, group, plane)
    if grid is not None:
        shape = as_grid(grid, 2)
        meshes = [torus.mesh(shape, origin) for origin in ORIGINS]
        if all(mesh.admissible for mesh in meshes) and meshes[0].chern == meshes[1].chern:
            return meshes[0].chern
        raise torus.refusal(meshes)
    meshes, size = [], FIRST_GRID
    while size <= LAST_GRID and size**2 * model.num_bands * len(group.bands) <= MOST_NUMBERS:
        meshes.append(torus.mesh((size, size), ORIGINS[len(meshes) % 2]))
        if not meshes[-1].admissible:
            torus.refuse_closing(meshes[-1])
        elif len(meshes) > 1 and meshes[-2].admissible and meshes[-2].chern == meshes[-1].chern:
            return meshes[-1].chern
        size *= 2
    raise torus.refusal(meshes[-2:])


@dataclass(frozen=True)
class _Mesh:
    """What one mesh says: the integer, the largest flux of a plaquette, the weakest link, the smallest gap."""

    shape: tuple[int, ...]
    chern: int
    largest_flux: float
    weakest_link: float
    closest: np.ndarray
    gap: float

    @property
    def admissible(self) -> bool:
        return self.largest_flux < LARGEST_FLUX and self.weakest_link > SMALLEST_OVERLAP


@dataclass(frozen=True)
class _Torus:
    """The zone in 2D or a plane of it in 3D: base + s1 step[0] + s2 step[1], s in [0, 1)."""

    model: AbstractModel
    group: Subspace
    base: np.ndarray
    step: np.ndarray
    orientation: int

    @classmethod
    def of(cls, model: AbstractModel, group: Subspace, plane: tuple[int, float] | None) -> _Torus:
        """Check dimension and plane."""
        if model.lattice is None or model.dimension not in (2, 3):
            raise fail("model", "be periodic in two or three dimensions", f"{model.name} is not")
        reciprocal = np.asarray(model.lattice.reciprocal)
        orientation = int(np.sign(np.linalg.det(reciprocal)))
        if model.dimension == 2:
            if plane is not None:
                raise fail("plane", "be absent in two dimensions", f"is {plane!r}")
            return cls(model, group, np.zeros(2), reciprocal, orientation)
        axis, value = as_plane(plane)
        base = value * reciprocal[axis]
        return cls(model, group, base, reciprocal[[(axis + 1) % 3, (axis + 2) % 3]], orientation)

    def mesh(self, shape: tuple[int, ...], origin: np.ndarray) -> _Mesh:
        """Plaquette fluxes on one mesh."""
        index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1) + origin
        k = (self.base + (index / np.array(shape)) @ self.step).reshape(-1, self.model.dimension)
        states, gap = group_states(self.model, k, self.group)
        states = states.reshape(*shape, *states.shape[1:])
        link_x, weak_x = self._links(states, 0)
        link_y, weak_y = self._links(states, 1)
        loop = link_x * np.roll(link_y, -1, axis=0) * np.conj(np.roll(link_x, -1, axis=1) * link_y)
        flux = -np.angle(loop)
        chern = self.orientation * round(float(flux.sum()) / (2 * np.pi))
        closest = int(gap.argmin())
        return _Mesh(shape, chern, float(np.abs(flux).max()), min(weak_x, weak_y), k[closest], float(gap[closest]))

    def _links(self, states: np.ndarray, axis: int) -> tuple[np.ndarray, float]:
        """det <u(k)|u(k + dk)> along one axis of the mesh, and the smallest singular value of these overlaps."""
        ahead = np.roll(states, -1, axis=axis)
        last = (slice(None),) * axis + (-1,)
        ahead[last] = reciprocal_phases(self.model, self.step[axis])[:, None] * ahead[last]
        matrices = overlaps(states, ahead)
        return np.linalg.det(matrices), float(smallest_singular_value(matrices).min())

    def refuse_closing(self, mesh: _Mesh) -> None:
        """Raise `DegenerateBandsError` when the gap closes near the mesh point where it is smallest."""
        if not np.isfinite(mesh.gap):
            return
        k, gap = closest_approach(self.model, self.group, mesh.closest, self.step / np.array(mesh.shape)[:, None])
        if gap <= CLOSED_GAP * np.abs(solve(self.model, k[None])[0]).max():
            raise touching_error(self.model, k, self.group)
        # Bands that meet at zero energy: compare with the largest energy nearby instead.
        near = k + 0.1 * np.array([[1.0], [-1.0]]) * self.step.sum(axis=0)
        if gap <= CLOSED_GAP * np.abs(solve(self.model, near)[0]).max():
            raise touching_error(self.model, k, self.group)

    def refusal(self, meshes: list[_Mesh]) -> ConvergenceError:
        """The error for meshes that cannot be trusted."""
        for mesh in meshes:
            self.refuse_closing(mesh)
        shapes = " and ".join(f"{mesh.shape[0]} x {mesh.shape[1]}" for mesh in meshes)
        flux, link = max(mesh.largest_flux for mesh in meshes), min(mesh.weakest_link for mesh in meshes)
        answers = ", ".join(str(mesh.chern) for mesh in meshes)
        return ConvergenceError(
            f"Meshes of {shapes} points are too coarse for a Chern number (they say {answers}): a plaquette holds flux "
            f"{flux:.3g} (limit {LARGEST_FLUX:.3g}), the weakest link is {link:.3g} (limit {SMALLEST_OVERLAP}), the "
            f"smallest gap found is {min(mesh.gap for mesh in meshes):.3g}. Use a finer `grid`: its step times the "
            "velocity must be below the gap."
        )


def as_plane(plane: Any) -> tuple[int, float]:
    """(axis, value) of a plane in three dimensions."""
    must = "be (axis, value) with axis 0, 1 or 2 in three dimensions"
    if not isinstance(plane, tuple | list) or len(plane) != 2:
        raise fail("plane", must, f"is {plane!r}")
    axis = as_index(plane[0], "plane", must)
    if axis not in (0, 1, 2):
        raise fail("plane", must, f"is {plane!r}")
    return axis, float(as_real_array(plane[1], "plane[1]", max_ndim=0))


def as_grid(grid: Any, dimension: int) -> tuple[int, ...]:
    """An int or one int per axis, each at least 2."""
    must = f"be an int or {dimension} ints, at least 2"
    try:
        array = np.atleast_1d(np.asarray(grid))
    except (TypeError, ValueError) as exc:
        raise fail("grid", must, f"is {grid!r}") from exc
    if array.shape not in ((1,), (dimension,)) or not np.issubdtype(array.dtype, np.integer) or array.min() < 2:
        raise fail("grid", must, f"is {grid!r}")
    return tuple(int(n) for n in np.broadcast_to(array, (dimension,)))


def wilson_loop(model: AbstractModel, *, bands: Any, path: Any) -> np.ndarray:
    """Berry phases of a group of bands around a closed path: the eigenphases of its Wilson loop.

        W = prod_k <u(k)|u(k + dk)> = P exp(-i oint A.dk),   phases = -arg eig(W);   one band: oint A.dk

    Each overlap is replaced by its unitary part (singular value decomposition).  A path that ends a reciprocal vector
    G away from its start gives Wannier centres: phase/(2 pi) in units of the lattice period along G.
    Source: Yu et al., PRB 84, 075119 (2011); Vanderbilt (2018), ch. 3.
    Valid for: a group that touches no other band on the path; the error is of second order in the step.

    Parameters
    ----------
    model : AbstractModel
    bands : int, list of int or Subspace
    path : (P, d) array
        Cartesian, including the end, which equals the start or differs from it by a reciprocal vector.

    Returns
    -------
    (g,) array of phases in (-pi, pi], ascending; gauge invariant.

    Raises
    ------
    DegenerateBandsError
        The group touches another band at a point of the path.
    ConvergenceError
        Neighbouring points are so far apart that their states hardly overlap.
    ValueError
        The path is not closed, or has the wrong shape.

    Examples
    --------
    >>> import blochflow as bf, numpy as np
    >>> ssh = bf.TightBinding([[1.0]], [[0.0], [0.0]], [(-0.5, 0, 1, (0,)), (-1.0, 1, 0, (1,))])
    >>> phases = bf.geometry.wilson_loop(ssh, bands=0, path=np.linspace(0, 2 * np.pi, 41)[:, None])
    >>> np.abs(phases).round(10).tolist()
    [3.1415926536]
    """
    group = as_subspace(bands, as_model(model).num_bands)
    points = as_real_array(path, "path", max_ndim=2)
    if points.ndim != 2 or len(points) < 2 or points.shape[1] != model.dimension:
        raise fail("path", f"have shape (P, {model.dimension}) with P >= 2", f"has shape {points.shape}")
    shift = closing_vector(model, points)
    states, _ = group_states(model, points[:-1], group)
    ahead = np.concatenate([states[1:], reciprocal_phases(model, shift)[:, None] * states[:1]])
    links = overlaps(states, basis_links(model, points) @ ahead)
    left, size, right = np.linalg.svd(links)
    weakest = int(size[:, -1].argmin())
    if size[weakest, -1] < SMALLEST_OVERLAP:
        raise ConvergenceError(
            f"The path is too coarse between its points {weakest} and {weakest + 1}: the states there overlap by "
            f"{size[weakest, -1]:.3g} (limit {SMALLEST_OVERLAP}). Add points."
        )
    loop = np.eye(links.shape[-1], dtype=np.complex128)
    for unitary in left @ right:
        loop = loop @ unitary
    phases = -np.angle(np.linalg.eigvals(loop))
    return np.sort(np.where(phases <= -np.pi, np.pi, phases))


def closing_vector(model: AbstractModel, points: np.ndarray) -> np.ndarray:
    """The reciprocal vector by which a path ends away from its start (1e-8 of a reciprocal vector: typed decimals)."""
    shift = points[-1] - points[0]
    if model.lattice is None:
        reduced, whole = shift, np.zeros_like(shift)
    else:
        reduced = np.asarray(model.lattice.to_reduced_k(shift))
        whole = np.round(reduced)
    if np.abs(reduced - whole).max() > 1e-8:
        raise fail("path", "end at its start or a reciprocal vector away", f"ends {shift.tolist()} away")
    return shift


def basis_links(model: AbstractModel, points: np.ndarray) -> Any:
    """Overlaps of the basis along a path: 1, or exp(-i A.dk) at midpoints (P - 1, i, i) with position matrices."""
    if not isinstance(model, TightBinding) or not model.has_position_matrices:
        return np.eye(model.num_bands)
    position = np.asarray(model.matrices(0.5 * (points[1:] + points[:-1])).position)
    step = points[1:] - points[:-1]
    values, vectors = np.linalg.eigh(np.einsum("ka,kaij->kij", step, position))
    return (vectors * np.exp(-1j * values)[:, None, :]) @ np.conj(np.swapaxes(vectors, -1, -2))
