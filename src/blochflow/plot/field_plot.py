"""Currents against the electric field, and bands that a field hybridises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.plot.figure import as_result, axes_for, corner_label, require, set_title, with_unit
from blochflow.plot.response_lines import choose_component, choose_variable, draw, lines_of, longest_scan

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def field_current(
    result: Any, *, variable: str | None = None, component: str | None = None, axes: Axes | None = None
) -> tuple[Figure, Axes]:
    """Current against the strength of the field, with its linear limit, the tangent at E = 0, dashed.

    Parameters
    ----------
    result : Dataset or file
        From `bf.response.finite_field_current` with fields along one line.
    variable : str, optional
        "intrinsic" or "relaxation"; default the whole current.
    component : str, optional
        "x", "y" or "z"; default all that do not vanish.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        Another result, fewer than two fields, or fields that do not lie along one line.

    Examples
    --------
    >>> import blochflow as bf
    >>> fields = [[0.1, 0.0], [0.2, 0.0]]
    >>> found = bf.response.finite_field_current(bf.zoo.qwz(mass=-1.0), 0.0, 0.1, electric_field=fields, tau=1.0)
    >>> figure, axes = bf.plot.field_current(found)
    """
    dataset = as_result(result)
    require(dataset, ("value", "error", "converged", "electric_field"), "a current at finite field")
    if dataset.sizes.get("field", 1) < 2 or dataset["field"].dtype.kind != "f":
        raise fail("result", "hold two or more fields along one line", "it does not")
    along = np.argsort(dataset["field"].values)
    dataset = dataset.isel(field=along)
    chosen, limit = choose_variable(dataset, variable), f"{variable}_linear_limit"
    if limit in dataset:
        chosen = chosen.assign(linear_limit=dataset[limit], linear_limit_error=dataset[f"{limit}_error"])
    dataset = choose_component(chosen, component)
    figure, axes = axes_for(axes)
    for line in lines_of(dataset, "field")[0]:
        draw(axes, line)
    axes.set_xlabel(with_unit("E", dataset["field"].attrs.get("units")))
    what = variable or "current"
    axes.set_ylabel(with_unit(f"{what} {component}" if component else what, dataset.attrs.get("units")))
    set_title(axes, dataset)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize="small")
    return figure, axes


def hybrid_bands(result: Any, *, axes: Axes | None = None) -> tuple[Figure, Axes]:
    """Hybridised bands along a path, a color for every field.

    Parameters
    ----------
    result : Dataset or file
        From `bf.nonadiabatic.hybrid_bands` along a `bf.k_path`.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        The result does not hold hybridised bands along a path.

    Examples
    --------
    >>> import blochflow as bf
    >>> model = bf.zoo.haldane()
    >>> path = bf.k_path(model, "G-K-M-G", points=40)
    >>> found = bf.nonadiabatic.hybrid_bands(model, path, [[0.0, 0.0], [0.5, 0.0]])
    >>> figure, axes = bf.plot.hybrid_bands(found)
    """
    dataset = as_result(result)
    require(dataset, ("energy", "distance", "electric_field", "labels"), "hybridised bands along a path")
    figure, axes = axes_for(axes)
    distance = dataset["distance"].values
    joined = np.concatenate([[True], np.diff(distance) > 0])
    for number in range(dataset.sizes["field"]):
        energy = np.where(joined[:, None], dataset["energy"].isel(field=number).values, np.nan)
        lines = axes.plot(distance, energy, color=f"C{number}", linewidth=1.2)
        lines[0].set_label(field_text(dataset, number))
    positions = np.atleast_1d(dataset.attrs["label_positions"])
    axes.set_xticks(positions, [corner_label(label) for label in str(dataset.attrs["labels"]).split()])
    for position in positions:
        axes.axvline(position, color="0.8", linewidth=0.6, zorder=0)
    axes.set_xlim(positions[0], positions[-1])
    axes.set_ylabel(with_unit("energy", dataset.attrs.get("units")))
    axes.set_title(str(dataset.attrs.get("model", "")))
    axes.legend(fontsize="small")
    return figure, axes


def is_along_field(dataset: xr.Dataset) -> bool:
    """True for currents whose longest scan are fields along one line."""
    if dataset.attrs.get("quantity") != "finite_field_current" or dataset.sizes.get("field", 1) < 2:
        return False
    return dataset["field"].dtype.kind == "f" and longest_scan(dataset) == "field"


def field_text(dataset: xr.Dataset, number: int) -> str:
    """A field for a legend."""
    vector = ", ".join(f"{x:g}" for x in dataset["electric_field"].values[number])
    return with_unit(f"E = ({vector})", dataset["electric_field"].attrs.get("units"))
