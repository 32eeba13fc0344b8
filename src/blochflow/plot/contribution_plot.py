"""Contributions to one component of a disordered response, a line each beside their sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.plot.figure import GREEK, as_result, axes_for, component_symbol, require, set_title, with_unit
from blochflow.plot.response_lines import (
    CARTESIAN,
    MOST_LINES,
    STYLES,
    Line,
    choose_component,
    draw,
    longest_scan,
)
from blochflow.response.catalog_disorder import CONTRIBUTIONS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOTAL = "total"
# Two components whose sizes agree better than this are equally large.
EQUAL = 1e-6
# Of lines; those that others cover are wider.
WIDTH = 1.2


def contributions(result: Any, component: str | None = None, *, axes: Axes | None = None) -> tuple[Figure, Axes]:
    """Every contribution to a component of a disordered response, and their sum, against the longest scan.

    A color stands for a contribution, a line style for a state of the other scans (temperature).

    Parameters
    ----------
    result : Dataset or file
        From `disordered_conductivity`, `disordered_observable`, `disordered_spin_density` or `spin_orbit_torque`.
    component : str, optional
        Such as "yx": the response along y to a field along x.  Default: the component with the largest contribution
        beside Drude's, the first of several.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)
        Lines labelled by the names in the result, and "total"; error bars, open symbols where not converged.

    Raises
    ------
    ValueError
        The result holds no contributions, no such component, or more than 24 lines.
    FileFormatError
        A file is absent or damaged.

    Examples
    --------
    >>> import blochflow as bf
    >>> cone, white = bf.zoo.massive_dirac(), bf.Disorder.white(0.1)
    >>> sigma = bf.response.disordered_conductivity(cone, [0.8, 1.0], 0.0, disorder=white, points=32)
    >>> figure, axes = bf.plot.contributions(sigma, "yx")
    >>> axes.get_ylabel()
    'sigma_yx [e^2/hbar]'
    """
    dataset = as_result(result)
    require(dataset, ("value", "error", "converged"), "a response")
    names = contributions_of(dataset)
    if not names:
        must = "hold contributions beside its value, as disordered responses do"
        raise fail("result", must, f"is {dataset.attrs.get('quantity', 'unknown')!r}")
    if component is None:
        component = _largest_component(dataset, names)
    chosen = choose_component(dataset, component)
    along = longest_scan(chosen)
    lines = _lines(chosen, names, along)
    figure, axes = axes_for(axes, (6.0, 4.4))
    for i, line in enumerate(lines):
        covered = sum(_coincide(line, later) for later in lines[i + 1 :])
        color = "black" if line.label.startswith(TOTAL) else None
        draw(axes, line, bars=True, color=color, width=WIDTH * (1 + 2 * covered))
    axes.set_xlabel(with_unit(GREEK.get(along, along), chosen[along].attrs.get("units")))
    axes.set_ylabel(with_unit(component_symbol(dataset, component), dataset.attrs.get("units")))
    set_title(axes, dataset, *_fixed(chosen, along))
    axes.axhline(0.0, color="0.8", linewidth=0.6, zorder=0)
    axes.legend(fontsize="small")
    return figure, axes


def contributions_of(dataset: xr.Dataset) -> list[str]:
    """Names of the contributions a result holds, in the order of results."""
    return [name for name in CONTRIBUTIONS if name in dataset and f"{name}_error" in dataset]


def _largest_component(dataset: xr.Dataset, names: list[str]) -> str | None:
    """Indices of the largest contribution beside Drude's; None where one component was selected before."""
    tensor = sorted(str(d) for d in dataset["value"].dims if d in CARTESIAN)
    if not tensor:
        return None
    others = [name for name in names if name != "drude"] or names
    states = [d for d in dataset["value"].dims if d not in tensor]
    sizes = np.stack([abs(dataset[name]).max(states).transpose(*tensor).values for name in others]).max(axis=0)
    place = np.argwhere(sizes >= (1 - EQUAL) * sizes.max())[0]
    return "".join(str(dataset[d].values[i]) for d, i in zip(tensor, place, strict=True))


def _lines(chosen: xr.Dataset, names: list[str], along: str) -> list[Line]:
    """A line for every contribution and the sum, at every state of the other scans."""
    others = _scans(chosen, along)
    states = list(np.ndindex(*(chosen.sizes[d] for d in others)))
    if len(states) > min(len(STYLES) + 1, MOST_LINES // (len(names) + 1)):
        most = f"at most {len(STYLES) + 1} states beside {along}, and {MOST_LINES} lines"
        raise fail("result", f"have {most}", f"has {len(states)} states; use result.sel")
    lines = []
    for color, name in enumerate([*names, TOTAL]):
        value, error = ("value", "error") if name == TOTAL else (name, f"{name}_error")
        for style, state in zip(("-", *STYLES), states, strict=False):
            here = chosen.isel(dict(zip(others, state, strict=True)))
            labels = [_state(chosen, d, i) for d, i in zip(others, state, strict=True) if len(states) > 1]
            arrays = (here[x].values for x in (along, value, error, "converged"))
            lines.append(Line(", ".join([name, *labels]), color, style, *arrays))
    return lines


def _coincide(one: Line, other: Line) -> bool:
    """Whether two lines cannot be told apart."""
    size = np.nanmax(np.abs([one.value, other.value]), initial=0.0)
    return bool(np.nanmax(np.abs(one.value - other.value), initial=0.0) <= EQUAL * size)


def _scans(chosen: xr.Dataset, along: str) -> list[str]:
    return [str(d) for d in chosen["value"].dims if d != along]


def _fixed(chosen: xr.Dataset, along: str) -> list[str]:
    """The state of scans with one value, for the title."""
    return [_state(chosen, d, 0) for d in _scans(chosen, along) if chosen.sizes[d] == 1]


def _state(dataset: xr.Dataset, scan: str, place: int) -> str:
    unit = dataset[scan].attrs.get("units", "")
    return f"{GREEK.get(scan, scan)} = {float(dataset[scan].values[place]):g} {unit}".strip()
