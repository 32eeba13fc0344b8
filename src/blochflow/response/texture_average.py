"""Average of a current over the cell of a texture: uniform points of the cell, doubled until they agree.

<J> = (1/n^m) sum_p J(x_0 + p_i c_i/n)      exponentially accurate in n for smooth periodic textures
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import jax, jnp
from blochflow.core.checks import as_real_array, fail
from blochflow.models.local import AbstractLocalModel
from blochflow.nonadiabatic.mixing import Mixing
from blochflow.response.linear_limit import NAMES
from blochflow.response.symmetry import sample_points
from blochflow.zone.tolerance import Tolerance, as_tolerance

if TYPE_CHECKING:
    import xarray as xr

FIRST, MOST = 4, 32
# k and random places at which a texture is compared, and how well it repeats, for periods typed to seven digits.
LETTERS, PLACES, REPEATS = 3, 6, 1e-5
PARTS = ("value", "intrinsic", "relaxation", "bound", "without_measure", "cutoff_tail", *NAMES.values())


def as_cell(cell: Any, dimension: int) -> np.ndarray:
    """(m, d) independent vectors after which a texture repeats."""
    vectors = np.atleast_2d(as_real_array(cell, "cell", max_ndim=2))
    if vectors.shape[1] != dimension or len(vectors) > dimension:
        raise fail("cell", f"hold up to {dimension} vectors of {dimension} numbers", f"has shape {vectors.shape}")
    if np.linalg.matrix_rank(vectors) < len(vectors):
        raise fail("cell", "hold vectors that are linearly independent", "they are not")
    return vectors


def check_period(model: AbstractLocalModel, cell: np.ndarray, time: Any) -> None:
    """Refuse vectors after which a texture is another.

    H and d_x H at several k and places are compared, up to a change of the basis: by traces of their products.
    """
    random, d = np.random.default_rng(0), model.dimension
    size = np.linalg.norm(cell, axis=1).max()
    k = sample_points(model, LETTERS)
    # the corners too: what vanishes at random places, such as a narrow wall, is often there
    places = np.concatenate([random.uniform(-1, 1, (PLACES, d)) * size, np.zeros((1, d)), 0.5 * cell])
    before = _letters(model, k, places, time)
    # sizes of H, and of what it changes by: rounding is no texture
    scale = [np.abs(x).max(initial=1e-300) for x in before]
    scale[1] = max(scale[1], 1e-3 * scale[0] / size)
    here = _invariants(before, scale)
    for vector in cell:
        change = np.abs(_invariants(_letters(model, k, places + vector, time), scale) - here).max(axis=1)
        worst = int(change.argmax())
        if not change[worst] <= REPEATS:
            between = f"between x = {_numbers(places[worst])} and x + {_numbers(vector)}"
            but = f"H or its slope differs by {change[worst]:.2g} of its size {between}"
            raise fail("cell", "hold vectors after which the texture repeats", but)


def _letters(model: AbstractLocalModel, k: np.ndarray, places: np.ndarray, time: Any) -> tuple[np.ndarray, np.ndarray]:
    """H (X, letters, n, n) and d_x H at the k."""

    def at(x: Any) -> Any:
        found = jax.vmap(lambda q: model.local_matrices(q, x, jnp.asarray(time)))(jnp.asarray(k))
        return found.hamiltonian, found.x_gradient.reshape(-1, *found.hamiltonian.shape[1:])

    energies, slopes = eqx.filter_jit(jax.vmap(at))(jnp.asarray(places))
    return np.asarray(energies), np.asarray(slopes)


def _invariants(letters: tuple[np.ndarray, np.ndarray], scale: list[float]) -> np.ndarray:
    """(X, words) traces of products of two and three."""
    each = np.concatenate([x / size for x, size in zip(letters, scale, strict=True)], axis=1)
    pairs = np.einsum("xanm,xbml->xabnl", each, each)
    two, three = np.einsum("xabnn->xab", pairs), np.einsum("xabnl,xcln->xabc", pairs, each, optimize=True)
    return np.concatenate([x.reshape(len(each), -1) for x in (two, three)], axis=1)


def _numbers(vector: np.ndarray) -> str:
    return f"({', '.join(f'{x:.6g}' for x in vector)})"


def average_over_cell(
    current: Callable[[np.ndarray], xr.Dataset], start: np.ndarray, cell: np.ndarray, tolerance: Any
) -> xr.Dataset:
    """The average of ``current``, a Dataset for places (X, d) with the dimension ``position``."""
    import xarray as xr

    asked = as_tolerance(tolerance)
    known: dict[tuple[int, ...], xr.Dataset] = {}
    points, before, spent, mixing = FIRST // 2, None, 0, []
    while True:
        nodes = list(itertools.product(range(points), repeat=len(cell)))
        keys = [tuple(n * (MOST // points) for n in node) for node in nodes]
        new = [(key, node) for key, node in zip(keys, nodes, strict=True) if key not in known]
        found = current(start + np.array([node for _, node in new]) @ cell / points)
        spent += int(found.attrs["evaluations"])
        mixing.append(Mixing.from_attributes(found.attrs))
        found = found.drop_vars("place")
        known |= {key: found.isel(position=i) for i, (key, _) in enumerate(new)}
        level = xr.concat([known[key] for key in keys], dim="position", combine_attrs="override", coords="minimal")
        mean = averaged(level)
        if before is not None:
            finish_level(mean, before, asked)
            if bool(mean["converged"].values.all()) or points >= MOST:
                mean.attrs |= {"cell_points": points, "cell": cell.ravel()}
                mean.attrs |= {**Mixing.worst(mixing).attributes(), "evaluations": spent}
                return mean
        points, before = 2 * points, mean


def averaged(level: xr.Dataset) -> xr.Dataset:
    """Means over positions; errors are averaged too, since those of neighbours may have one sign."""
    reduced = level.mean("position", keep_attrs=True)
    reduced["converged"] = level["converged"].all("position")
    return reduced


def finish_level(mean: xr.Dataset, before: xr.Dataset, asked: Tolerance) -> None:
    """Add the change on doubling to the errors, and judge them."""
    for name in PARTS:
        error = "error" if name == "value" else f"{name}_error"
        if name in mean and error in mean:
            mean[error] = (mean[error] + np.abs(mean[name] - before[name])).assign_attrs(mean[error].attrs)
    size = abs(mean["value"]).max("a")
    scale = abs(mean["intrinsic"]).max("a") + abs(mean["relaxation"]).max("a")
    floor = asked.fraction * scale if asked.atol is None else asked.atol
    allowed = np.maximum(floor, asked.rtol * size)
    mean["converged"] = (mean["error"].max("a") <= allowed).transpose(*mean["converged"].dims)
