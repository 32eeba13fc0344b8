"""Checks of what functions of fields, textures and groups of bands are given."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import as_index, as_real_array, fail
from blochflow.core.errors import ValidityWarning
from blochflow.geometry.subspace import Subspace
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.local import AbstractLocalModel
from blochflow.nonadiabatic.hybridisation import Grouping

# Random k at which bands that coincide everywhere are told, and how far apart they may be, in units of all energies.
SAMPLES, COINCIDE = 16, 1e-9


def as_any_model(model: Any) -> AbstractModel | AbstractLocalModel:
    """A model of k, or of (k, x, t)."""
    return model if isinstance(model, AbstractLocalModel) else as_model(model)


def as_electric_fields(electric_field: Any, dimension: int) -> np.ndarray:
    """(F, d) uniform fields."""
    if callable(electric_field):
        raise fail("electric_field", "be uniform, numbers and no function", "is a function")
    array = as_real_array(electric_field, "electric_field", max_ndim=2)
    if array.ndim == 0 and dimension == 1:
        array = array.reshape(1, 1)
    if array.ndim == 0 or array.shape[-1] != dimension:
        must = f"be a vector ({dimension},) or an array of vectors (F, {dimension})"
        raise fail("electric_field", must, f"has shape {array.shape}")
    return np.atleast_2d(array)


def field_labels(fields: np.ndarray, unit: str) -> tuple[str, np.ndarray, dict[str, str]]:
    """Coordinate ``field``: strengths along their common line, with the sign of its first component; else numbers."""
    size = np.linalg.norm(fields, axis=1)
    if not size.any():
        return "field", size, {"units": unit, "long_name": "electric field"}
    direction = fields[size.argmax()] / size.max()
    direction = direction * np.sign(direction[np.flatnonzero(direction)[0]])
    along = fields @ direction
    if np.abs(fields - along[:, None] * direction).max() > 1e-12 * size.max():
        return "field", np.arange(len(fields)), {"long_name": "number of the electric field"}
    return "field", along, {"units": unit, "long_name": "electric field"}


def as_places(x: Any, model: AbstractModel | AbstractLocalModel) -> np.ndarray:
    """(X, d) places in a texture; none, (0, d), of a uniform model."""
    d = model.dimension
    if not isinstance(model, AbstractLocalModel):
        if x is not None:
            raise fail("x", "be left out for models that do not vary in space", "is given")
        return np.empty((0, d))
    if x is None:
        raise fail("x", "be given: the model varies in space", "is missing")
    array = as_real_array(x, "x", max_ndim=2)
    if array.ndim == 0 and d == 1:
        array = array.reshape(1, 1)
    if array.ndim == 0 or array.shape[-1] != d:
        raise fail("x", f"be a place ({d},) or an array of places (X, {d})", f"has shape {array.shape}")
    return np.atleast_2d(array)


def as_grouping(model: Any, groups: Any, group_tolerance: Any, active: Any) -> Grouping:
    """Groups of bands that a field does not mix, and the manifold of active bands."""
    count = model.num_bands
    tolerance = as_real_array(group_tolerance, "group_tolerance", max_ndim=0, positive=False)
    declared = as_groups(groups, count)
    warn_of_one_group(model, declared, float(tolerance))
    manifolds: tuple[tuple[int, ...], ...] = ()
    if active is not None:
        chosen = as_bands(active, "active", count)
        others = tuple(n for n in range(count) if n not in chosen)
        for group in declared:
            if 0 < len(set(group) & set(chosen)) < len(group):
                raise fail("groups", f"lie inside or outside the active bands {list(chosen)}", f"holds {list(group)}")
        check_whole(model, chosen)
        manifolds = (chosen, others) if others else ()
    return Grouping(jnp.asarray(tolerance), declared, manifolds, jnp.asarray(1.0))


def check_whole(model: AbstractModel | AbstractLocalModel, active: tuple[int, ...]) -> None:
    """Refuse a manifold that holds some of several bands that coincide everywhere."""
    gaps, scale = largest_gaps(model)
    for lower in np.flatnonzero(gaps <= COINCIDE * scale):
        if (lower in active) != (lower + 1 in active):
            raise fail("active", "hold all of several bands that coincide", f"holds one of bands {lower}, {lower + 1}")


def largest_gaps(model: AbstractModel | AbstractLocalModel) -> tuple[np.ndarray, float]:
    """Largest E_{n+1} - E_n (n - 1,) at some random k, and the largest energy there."""
    d = model.dimension
    here = model.at(np.zeros(d), 0.0) if isinstance(model, AbstractLocalModel) else model
    u = np.random.default_rng(0).random((SAMPLES, d))
    if here.lattice is None:
        k = float(here.cutoff) * (2 * u - 1) / np.sqrt(d)  # type: ignore[attr-defined]
    else:
        k = u @ np.asarray(here.lattice.reciprocal)
    energies = np.linalg.eigvalsh(np.asarray(here.hamiltonian(k)))
    return np.diff(energies, axis=1).max(axis=0, initial=0.0), float(np.abs(energies).max(initial=1e-300))


def warn_of_one_group(model: AbstractModel | AbstractLocalModel, declared: Sequence[Any], tolerance: float) -> None:
    """Bands that are all one group, by what was given."""
    count, name = model.num_bands, ""
    if count > 1 and any(len(group) == count for group in declared):
        name = "groups"
    elif count > 1 and tolerance > 0:
        gaps, scale = largest_gaps(model)
        name = "group_tolerance" if COINCIDE * scale < gaps.max() <= tolerance else ""
    if name:
        warnings.warn(
            f"`{name}` makes all {count} bands one group: a field mixes none of them with any other, and what comes "
            f"from mixing, as the Hall current does, is zero. Leave `{name}` out, or join fewer bands.",
            ValidityWarning,
            stacklevel=4,
        )


def as_groups(groups: Any, count: int) -> tuple[tuple[int, ...], ...]:
    """Disjoint sets of bands."""
    if groups is None:
        return ()
    must = "be a list of groups of bands, such as [[0, 1], [2, 3]]"
    if not isinstance(groups, list | tuple) or not groups or any(np.ndim(g) == 0 for g in map(_members, groups)):
        raise fail("groups", must, f"is {groups!r}")
    found = tuple(as_bands(group, "groups", count) for group in groups)
    listed = [band for group in found for band in group]
    if len(set(listed)) != len(listed):
        twice = next(band for band in listed if listed.count(band) > 1)
        raise fail("groups", "hold every band once at most", f"band {twice} is in two of them")
    return found


def _members(group: Any) -> Any:
    """Bands of a group that may be a `Subspace`, as an array."""
    return np.asarray(group.bands if isinstance(group, Subspace) else group, dtype=object)


def as_bands(bands: Any, name: str, count: int) -> tuple[int, ...]:
    """Distinct band indices of a model, ascending."""
    must = f"hold distinct band indices from 0 to {count - 1}"
    if isinstance(bands, Subspace):
        bands = bands.bands
    try:
        indices = [as_index(b, name, must) for b in np.atleast_1d(np.asarray(bands, dtype=object)).tolist()]
    except TypeError as exc:
        raise fail(name, must, f"is {bands!r}") from exc
    if not indices or min(indices) < 0 or max(indices) >= count or len(set(indices)) != len(indices):
        raise fail(name, must, f"holds {bands!r}")
    return tuple(sorted(indices))
