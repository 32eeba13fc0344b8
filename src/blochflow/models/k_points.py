"""Wave vectors to evaluate a model at: paths between points of high symmetry, and uniform grids.

k = sum_i k_frac_i b_i;      grid: k_frac_i = (m_i + shift) / n_i,  m_i = 0 .. n_i - 1
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_real_array, fail, nearest
from blochflow.core.lattice import Lattice
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.high_symmetry import high_symmetry_points

GAMMA = ("Gamma", "GAMMA", "gamma", "\u0393")
Leg = list[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class KPath:
    """A path through the Brillouin zone.

    Attributes
    ----------
    k : (K, d) array
        Cartesian wave vectors.
    distance : (K,) array
        Length along the path, in the unit of k; it does not grow across a break.
    labels : tuple of str
        Names of the corner points; ``"H|P"`` at a break.
    label_positions : (L,) array
        Their ``distance``.
    """

    k: np.ndarray
    distance: np.ndarray
    labels: tuple[str, ...]
    label_positions: np.ndarray


def k_path(model: AbstractModel, path: Any, points: int = 200) -> KPath:
    """Wave vectors along straight lines between named points.

    Source: labels as in Setyawan and Curtarolo, Comput. Mater. Sci. 49, 299 (2010), for the bare lattice.
    Valid for: periodic models.  The labels know the lattice only: where atoms or magnetization lower the symmetry,
    give coordinates to choose among the equivalent points.

    Parameters
    ----------
    model : AbstractModel
    path : str, or sequence of str and (label, reduced coordinates)
        Labels joined by "-"; "|" is a break: ``"G-H-N|P-G"``.  A list may mix labels, ``"|"`` and points with
        coordinates along the model's reciprocal vectors: ``["G", ("H", (0.5, -0.5, -0.5))]``.  One dimension: G, X.
        Two: G, X, M (square); G, M, K, K' (hexagonal); G, X, Y, S (others).  Three: the usual labels of cubic,
        hexagonal, tetragonal, orthorhombic and rhombohedral lattices.
    points : int
        Number of wave vectors in all, spread over the segments by length.

    Returns
    -------
    KPath
        Corners are always among the wave vectors.

    Raises
    ------
    ValueError
        Unknown label (the known ones are named), fewer than two corners, too few points, or a continuum model.

    Examples
    --------
    >>> import blochflow as bf
    >>> path = bf.k_path(bf.zoo.haldane(), "G-K-M-K'-G", points=50)
    >>> path.k.shape, path.labels
    ((50, 2), ('G', 'K', 'M', "K'", 'G'))
    """
    lattice = _lattice(model, "a path of labels")
    legs = [leg for leg in _legs(lattice, path) if leg]
    if not legs or min(len(leg) for leg in legs) < 2:
        raise fail("path", 'join at least two points, e.g. "G-X"', f"is {path!r}")
    segments = sum(len(leg) - 1 for leg in legs)
    if isinstance(points, bool) or not isinstance(points, int | np.integer) or points < segments + len(legs):
        raise fail("points", f"be an integer of at least {segments + len(legs)} for this path", f"is {points!r}")
    return _sample(legs, int(points))


def k_grid(model: AbstractModel, points: Any, shift: float = 0.0) -> np.ndarray:
    """Uniform grid of wave vectors over one reciprocal cell, Cartesian.

        k_frac_i = (m_i + shift) / n_i,   m_i = 0 .. n_i - 1

    Parameters
    ----------
    model : AbstractModel
        Periodic.
    points : int or (d,) ints
        Points per axis.
    shift : float
        In units of the spacing; 0 holds Gamma, 0.5 avoids it.

    Returns
    -------
    (K, d) array, last axis fastest, in 1/length.

    Raises
    ------
    ValueError
        A continuum model, or wrong numbers of points.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.k_grid(bf.zoo.haldane(), (4, 3), shift=0.5).shape
    (12, 2)
    """
    from blochflow.zone.grids import requested_grid

    lattice = _lattice(model, "a grid")
    try:
        numbers = requested_grid(points, model.dimension)
    except ValueError as exc:
        raise ValueError(str(exc).replace("`grid`", "`points`")) from None
    offset = float(as_real_array(shift, "shift", max_ndim=0))
    axes = [(np.arange(n) + offset) / n for n in numbers]
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    return np.asarray(lattice.to_cartesian_k(mesh))


def _lattice(model: AbstractModel, what: str) -> Lattice:
    model = as_model(model)
    if model.lattice is None:
        raise fail("model", f"be periodic for {what} in the Brillouin zone", f"{model.name} is a continuum model")
    return model.lattice


def _legs(lattice: Lattice, path: Any) -> list[Leg]:
    """Unbroken stretches of the path as labelled Cartesian points."""
    if isinstance(path, str):
        items: list[Any] = []
        for leg in path.split("|"):
            items += [*(label.strip() for label in leg.split("-")), "|"]
    elif isinstance(path, Sequence):
        items = list(path)
    else:
        raise fail("path", 'be text such as "G-X" or a list of points', f"is {path!r}")
    legs: list[Leg] = [[]]
    for item in items:
        if isinstance(item, str) and item == "|":
            legs.append([])
        else:
            legs[-1].append(_corner(lattice, item))
    return legs


def _corner(lattice: Lattice, item: Any) -> tuple[str, np.ndarray]:
    """(label, Cartesian k) of a label or of (label, reduced coordinates)."""
    if isinstance(item, str):
        label = "G" if item in GAMMA else item
        name, points = high_symmetry_points(lattice)
        if label not in points:
            hint = nearest(label.upper(), points)
            suffix = f" (did you mean {hint!r}?)" if hint else ""
            raise fail(
                "path",
                f"use labels of the {name} lattice ({', '.join(points)}) or (label, reduced coordinates)",
                f"holds {item!r}{suffix}",
            )
        reduced: Any = points[label]
    elif isinstance(item, Sequence) and len(item) == 2 and isinstance(item[0], str):
        label, reduced = item
    else:
        raise fail("path", 'hold labels or (label, reduced coordinates) such as ("H", (0.5, 0.5))', f"holds {item!r}")
    if not label or any(c.isspace() for c in label):
        raise fail("path", "hold labels without spaces", f"holds {label!r}")
    array = np.atleast_1d(as_real_array(reduced, "path"))
    if array.shape != (lattice.dimension,):
        raise fail("path", f"give {lattice.dimension} coordinates for {label!r}", f"gives {array.size}")
    return label, np.asarray(lattice.to_cartesian_k(array))


def _sample(legs: list[Leg], points: int) -> KPath:
    """Distribute the points over the segments in proportion to their lengths."""
    lengths = [np.array([np.linalg.norm(b[1] - a[1]) for a, b in itertools.pairwise(leg)]) for leg in legs]
    steps = iter(_shares(np.concatenate(lengths), points - len(legs)))
    k: list[np.ndarray] = []
    distance: list[np.ndarray] = []
    labels: list[str] = []
    positions: list[float] = []
    start = 0.0
    for leg, segment_lengths in zip(legs, lengths, strict=True):
        if labels:
            labels[-1] += f"|{leg[0][0]}"
        else:
            labels, positions = [leg[0][0]], [start]
        k.append(leg[0][1][None])
        distance.append(np.array([start]))
        for (_, begin), (label, end), length in zip(leg[:-1], leg[1:], segment_lengths, strict=True):
            count = next(steps)
            fraction = np.arange(1, count + 1) / count
            k.append(begin + fraction[:, None] * (end - begin))
            distance.append(start + fraction * length)
            start += float(length)
            labels.append(label)
            positions.append(start)
    return KPath(np.concatenate(k), np.concatenate(distance), tuple(labels), np.array(positions))


def _shares(weights: np.ndarray, total: int) -> list[int]:
    """Integers of sum ``total``, at least 1 each, in proportion to ``weights`` (largest remainders)."""
    spare = total - len(weights)
    size = weights.sum()
    exact = spare * (weights / size if size > 0 else np.full(len(weights), 1 / len(weights)))
    shares = np.floor(exact).astype(int)
    order = np.argsort(-(exact - shares), kind="stable")
    shares[order[: spare - shares.sum()]] += 1
    return [int(n) + 1 for n in shares]
