"""Bands along a path, with a weight for each state: the data behind a band-structure plot.

    H(k)|u_n> = E_n|u_n>;   weight: <u_n|O|u_n>, or Omega_n,ab = -2 Im<d_a u_n|d_b u_n>

Source: Vanderbilt, "Berry Phases in Electronic Structure Theory" (2018), ch. 2-3.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_path, fail
from blochflow.core.dataset import CARTESIAN, description, provenance
from blochflow.core.errors import FileFormatError
from blochflow.geometry.bands import Bands, bands
from blochflow.geometry.curvature import berry_curvature
from blochflow.geometry.expectation import expectation
from blochflow.geometry.subspace import Subspace
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.catalog import BANDS
from blochflow.models.k_points import KPath, k_path

if TYPE_CHECKING:
    import xarray as xr

CURVATURE = "curvature"
BATCH = 512  # k points at once: bounds the memory of a long path with many bands


def band_structure(
    model: AbstractModel,
    path: Any,
    *,
    points: int = 200,
    color: str | None = None,
    reference: Any = None,
) -> xr.Dataset:
    """Energies along a path through the Brillouin zone, with an optional weight for each state.

        H(k)|u_n(k)> = E_n(k)|u_n(k)>

    Source: [Vanderbilt2018] ch. 2.  Valid for: periodic models.  Not included: bands outside the model.

    Parameters
    ----------
    model : AbstractModel
    path : str, list or KPath
        As for `bf.k_path`: ``"G-K-M"``, or points with reduced coordinates.
    points : int
        Wave vectors in all.
    color : str, optional
        ``"curvature"`` (the xy component; ``"curvature_yz"``, ``"curvature_zx"`` in 3D) or the name of an operator of
        the model, e.g. ``"spin_z"``.  NaN where a band touches another, since it is not defined there.
    reference : str or Path, optional
        File with reference bands in two columns, distance along the path and energy, bands separated by empty lines.

    Returns
    -------
    Dataset
        ``energy`` (k, band); coordinates ``distance`` (k), ``wavevector`` (k, a); with ``color`` also ``color``
        (k, band); with ``reference`` also ``reference_energy`` and ``reference_distance`` (reference_band,
        reference_k).  Energies in the model's unit, distances in 1/length.

    Raises
    ------
    ValueError
        Unknown labels or operators, or a continuum model.
    FileFormatError
        The file of reference bands is absent or damaged.

    Examples
    --------
    >>> import blochflow as bf
    >>> result = bf.geometry.band_structure(bf.zoo.haldane(), "G-K-M-G", points=40, color="sublattice")
    >>> result.energy.shape, result.attrs["labels"]
    ((40, 2), 'G K M G')
    """
    import xarray as xr

    model = as_model(model)
    if color is not None and not isinstance(color, str):
        raise fail("color", 'be "curvature" or the name of an operator', f"is {color!r}")
    line = path if isinstance(path, KPath) else k_path(model, path, points)
    compared = None if reference is None else read_reference_bands(reference)
    energy, weight, weight_unit = _along(model, line.k, color)
    units = model.units
    inverse_length = f"1/{units.length}"
    variables: dict[str, Any] = {"energy": (("k", "band"), energy, {"units": units.energy, "long_name": BANDS.symbol})}
    if weight is not None:
        variables["color"] = (("k", "band"), weight, {"units": weight_unit, "long_name": str(color)})
    if compared is not None:
        dims = ("reference_band", "reference_k")
        variables["reference_energy"] = (dims, compared[1], {"units": units.energy})
        variables["reference_distance"] = (dims, compared[0], {"units": inverse_length})
    coords = {
        "band": np.arange(energy.shape[1]),
        "distance": (("k",), line.distance, {"units": inverse_length}),
        "wavevector": (("k", "a"), line.k, {"units": inverse_length}),
        "a": list(CARTESIAN[: model.dimension]),
    }
    attrs = _describe(model, line) | ({"color": color} if color is not None else {})
    if reference is not None:
        attrs["reference_file"] = os.path.basename(os.fspath(reference))
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def state_weights(solved: Bands, color: str, subspace: Subspace | None = None) -> tuple[np.ndarray, str]:
    """Weight of each state (k, n) and its unit: a curvature component or an expectation value; NaN if degenerate.

    With ``subspace`` the trace over this group, (k,).

    Raises
    ------
    ValueError
        Unknown operator, an operator with components, or curvature in one dimension.
    """
    if not isinstance(color, str):
        raise fail("color", 'be "curvature" or the name of an operator', f"is {color!r}")
    if color == CURVATURE or color.startswith(CURVATURE + "_"):
        a, b = curvature_axes(color, solved.dimension)
        omega = berry_curvature(solved, subspace=subspace, degenerate="nan")
        return np.asarray(omega[:, a, b]), f"{solved.model.units.length}^2"
    values = np.asarray(expectation(solved, color, subspace=subspace, degenerate="nan"))
    if values.ndim != (2 if subspace is None else 1):
        raise fail("color", "name one component", f"{color!r} has several; use {color}_x, {color}_y or {color}_z")
    return values, "1"


def read_reference_bands(path: Any) -> tuple[np.ndarray, np.ndarray]:
    """(distance, energy), each (bands, points), from a file of two columns with empty lines between bands.

    Raises
    ------
    FileFormatError
        The file is absent, holds something else than two numbers per line, or bands of unequal length.
    """
    name = as_path(path, "reference")
    expected = "two numbers per line (distance, energy), an empty line between bands"
    fix = "give a file such as Wannier90's seedname_band.dat or postw90's seedname-bands.dat"
    if not os.path.isfile(name):
        raise FileFormatError(name, found="no such file", expected=expected, fix="check the name and the folder")
    blocks: list[list[list[float]]] = [[]]
    with open(name, encoding="utf-8", errors="replace") as stream:
        for number, text in enumerate(stream, start=1):
            words = text.split()
            if not words:
                blocks.append([])
                continue
            try:
                pair = [float(word) for word in words[:2]]
            except ValueError:
                pair = []
            if len(pair) != 2 or not np.all(np.isfinite(pair)):
                raise FileFormatError(name, number, found=repr(text.strip()[:60]), expected=expected, fix=fix)
            blocks[-1].append(pair)
    filled = [np.array(block) for block in blocks if block]
    if not filled or len({len(block) for block in filled}) > 1:
        found = f"{len(filled)} bands of {sorted({len(block) for block in filled})} points"
        raise FileFormatError(name, found=found, expected="bands of equally many points", fix=fix)
    table = np.stack(filled)
    return table[..., 0], table[..., 1]


def _along(model: AbstractModel, k: np.ndarray, color: str | None) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Energies (k, n), weights (k, n) or None, and the unit of the weights, in batches."""
    energies, weights, unit = [], [], "1"
    for start in range(0, len(k), BATCH):
        solved = bands(model, k[start : start + BATCH])
        energies.append(np.asarray(solved.energies))
        if color is not None:
            weight, unit = state_weights(solved, color)
            weights.append(weight)
    return np.concatenate(energies), np.concatenate(weights) if weights else None, unit


def curvature_axes(color: str, dimension: int) -> tuple[int, int]:
    """Axes (a, b) of "curvature" or "curvature_ab".

    Raises
    ------
    ValueError
        One dimension, or axes that the model does not have.
    """
    if dimension < 2:
        raise fail("color", "name an operator in one dimension", f"is {color!r}; curvature needs two dimensions")
    axes = color.removeprefix(CURVATURE).lstrip("_") or "xy"
    allowed = [a + b for a in CARTESIAN[:dimension] for b in CARTESIAN[:dimension] if a != b]
    if axes not in allowed:
        raise fail("color", f"be curvature_ab with ab one of {', '.join(allowed)}", f"is {color!r}")
    return CARTESIAN.index(axes[0]), CARTESIAN.index(axes[1])


def _describe(model: AbstractModel, line: KPath) -> dict[str, Any]:
    """Attributes: what it is, of which model, and where the labels are."""
    return {
        **description(BANDS, model.units.energy),
        **provenance(model, [line.k]),
        "status": "CONVERGED",
        "status_message": "exact diagonalization at every wave vector",
        "evaluations": len(line.k),
        "labels": " ".join(line.labels),
        "label_positions": line.label_positions,
    }
