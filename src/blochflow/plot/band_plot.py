"""Band structures along a path, colored by curvature or an operator, with reference bands on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.geometry.band_structure import CURVATURE, read_reference_bands
from blochflow.plot.figure import as_result, axes_for, corner_label, require, with_unit

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

PLAIN = "0.55"
# The color scale of curvature is linear up to its median, within these shares of the largest value, and logarithmic
# beyond: hot spots would leave the rest white.
LINEAR_SHARE = (1e-4, 1e-1)


def bands(
    result: Any,
    *,
    mu: float | None = None,
    energy_range: tuple[float, float] | None = None,
    reference: Any = None,
    axes: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw a band structure.

    Parameters
    ----------
    result : Dataset or file
        From `bf.geometry.band_structure`.  With ``color``, states are colored by it; states whose weight is not
        defined (touching bands) are grey.
    mu : float, optional
        Draw a line at this energy.
    energy_range : (float, float), optional
        Lowest and highest energy shown.
    reference : file, optional
        Reference bands in two columns, instead of those stored with the result.
    axes : Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        The result is not a band structure, or the energy range is empty.
    FileFormatError
        A file is absent or damaged.

    Examples
    --------
    >>> import blochflow as bf
    >>> result = bf.geometry.band_structure(bf.zoo.haldane(), "G-K-M-G", points=40, color="curvature")
    >>> figure, axes = bf.plot.bands(result, mu=0.0)
    """
    dataset = as_result(result)
    require(dataset, ("energy", "distance", "labels", "label_positions"), "a band structure")
    figure, axes = axes_for(axes)
    _draw_bands(figure, axes, dataset)
    _draw_reference(axes, dataset, reference)
    if mu is not None:
        axes.axhline(mu, color="black", linewidth=0.8, linestyle=":")
    if energy_range is not None:
        low, high = as_real_array(energy_range, "energy_range") if len(energy_range) == 2 else (1.0, 0.0)
        if not low < high:
            raise fail("energy_range", "be two energies, the lower one first", f"is {energy_range!r}")
        axes.set_ylim(low, high)
    positions = np.atleast_1d(dataset.attrs["label_positions"])
    axes.set_xticks(positions, [corner_label(label) for label in str(dataset.attrs["labels"]).split()])
    for position in positions:
        axes.axvline(position, color="0.8", linewidth=0.6, zorder=0)
    axes.set_xlim(positions[0], positions[-1])
    axes.set_ylabel(with_unit("energy", dataset.attrs.get("units")))
    axes.set_title(str(dataset.attrs.get("model", "")))
    return figure, axes


def _draw_bands(figure: Figure, axes: Axes, dataset: xr.Dataset) -> None:
    """Every band as line segments; none across a break of the path."""
    from matplotlib.collections import LineCollection

    distance, energy = dataset["distance"].values, dataset["energy"].transpose("k", "band").values
    joined = np.diff(distance) > 0
    points = np.stack([np.broadcast_to(distance[:, None], energy.shape), energy], axis=-1)
    segments = np.stack([points[:-1], points[1:]], axis=2)[joined].reshape(-1, 2, 2)
    colored = "color" in dataset
    axes.add_collection(LineCollection(list(segments), colors=PLAIN if colored else "C0", linewidths=1.2))
    axes.autoscale_view()
    if not colored:
        return
    weight = dataset["color"].transpose("k", "band").values
    middle = (0.5 * (weight[:-1] + weight[1:]))[joined].reshape(-1)
    known = np.isfinite(middle)
    if not known.any():
        return
    curvature = str(dataset.attrs.get("color", "")).startswith(CURVATURE)
    norm = symmetric_norm(middle[known], logarithmic=curvature)
    collection = LineCollection(list(segments[known]), array=middle[known], cmap="coolwarm", norm=norm, linewidths=1.8)
    axes.add_collection(collection)
    label = with_unit(str(dataset["color"].attrs.get("long_name", "")), dataset["color"].attrs.get("units"))
    figure.colorbar(collection, ax=axes, label=label)


def _draw_reference(axes: Axes, dataset: xr.Dataset, reference: Any) -> None:
    if reference is not None:
        distance, energy = read_reference_bands(reference)
    elif "reference_energy" in dataset:
        distance, energy = dataset["reference_distance"].values, dataset["reference_energy"].values
    else:
        return
    lines = axes.plot(distance.T, energy.T, color="black", linestyle="none", marker=".", markersize=1.5)
    lines[0].set_label("reference")
    axes.legend(loc="upper right", fontsize="small")


def symmetric_norm(values: np.ndarray, *, logarithmic: bool) -> Normalize:
    """Color scale symmetric about 0; for curvature linear near 0 and logarithmic beyond."""
    from matplotlib.colors import Normalize, SymLogNorm

    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    largest = largest or 1.0
    if logarithmic:
        share = float(np.median(np.abs(finite))) / largest if finite.size else 1.0
        return SymLogNorm(float(np.clip(share, *LINEAR_SHARE)) * largest, vmin=-largest, vmax=largest)
    return Normalize(-largest, largest)
