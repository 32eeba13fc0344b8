"""Responses against chemical potential or temperature, with error bands; convergence with the number of k points.

What is not converged is drawn with open symbols, and the title says so.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.plot.band_plot import bands
from blochflow.plot.contribution_plot import contributions, contributions_of
from blochflow.plot.distribution_plot import surface_distribution
from blochflow.plot.evolution_plot import QUANTITIES as EVOLUTIONS
from blochflow.plot.evolution_plot import evolution
from blochflow.plot.fermi_plot import fermi_surface
from blochflow.plot.field_plot import field_current, hybrid_bands, is_along_field
from blochflow.plot.figure import GREEK, as_result, axes_for, component_symbol, require, set_title, with_unit
from blochflow.plot.orbit_plot import LEVELS, ORBITS, OSCILLATIONS, orbits
from blochflow.plot.passage_plot import DRAWN, passages
from blochflow.plot.response_lines import apart_complex, choose_component, choose_variable, draw, lines_of, longest_scan
from blochflow.plot.trajectory_plot import trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def auto(
    result: Any, *, variable: str | None = None, component: str | None = None, axes: Axes | None = None
) -> tuple[Figure, Axes]:
    """The plot that suits a result: bands, a Fermi surface, a distribution on it, trajectories, orbits, or a response.

    Parameters
    ----------
    result : Dataset or file
    variable, component : str, optional
        For responses: as in `response` and `contributions`; ``variable`` of trajectories as in `trajectory`,
        of orbits as in `orbits`.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        Neither a band structure, nor a Fermi surface, nor a response; ``variable`` or ``component`` for another than
        a response.

    Examples
    --------
    >>> import blochflow as bf
    >>> n = bf.response.electron_density(bf.zoo.square(), mu=[-1.0, 0.0, 1.0], temperature=0.1)
    >>> figure, axes = bf.plot.auto(n)
    """
    dataset = as_result(result)
    if dataset.attrs.get("quantity") == "propagate":
        if component is not None:
            raise fail("component", "be given for responses only", "the result is 'propagate'")
        return trajectory(dataset, variable or "position", axes=axes)
    if dataset.attrs.get("quantity") in EVOLUTIONS:
        if component is not None:
            raise fail("component", "be given for responses only", f"the result is {dataset.attrs['quantity']!r}")
        return evolution(dataset, variable, axes=axes)
    if dataset.attrs.get("quantity") in (ORBITS, LEVELS, OSCILLATIONS):
        if component is not None:
            raise fail("component", "be given for responses only", f"the result is {dataset.attrs['quantity']!r}")
        return orbits(dataset, variable, axes=axes)
    if dataset.attrs.get("quantity") in DRAWN:
        for name, value in (("variable", variable), ("component", component)):
            if value is not None:
                raise fail(name, "be given for responses only", f"the result is {dataset.attrs['quantity']!r}")
        return passages(dataset, axes=axes)
    if is_along_field(dataset):
        return field_current(dataset, variable=variable, component=component, axes=axes)
    surfaces: dict[str, Any] = {
        "hybrid_bands": hybrid_bands,
        "fermi_surface": fermi_surface,
        "surface_distribution": surface_distribution,
    }
    draw_other = surfaces.get(str(dataset.attrs.get("quantity")), bands if "energy" in dataset else None)
    if draw_other is None:
        if variable is None and contributions_of(dataset):
            return contributions(dataset, component, axes=axes)
        return response(dataset, variable=variable, component=component, axes=axes)
    for name, value in (("variable", variable), ("component", component)):
        if value is not None:
            raise fail(name, "be given for responses only", f"the result is {dataset.attrs.get('quantity')!r}")
    return draw_other(dataset, axes=axes)  # type: ignore[no-any-return]


def response(
    result: Any, *, variable: str | None = None, component: str | None = None, axes: Axes | None = None
) -> tuple[Figure, Axes]:
    """Value +- error against the longest scan (mu, density, temperature, ...), a line per component and other scan.

    The parts of a value (moments and curvature, sea and surface) are dashed and dotted lines of its color, and so are
    the imaginary part of a complex value, and Mott's rule and the Wiedemann-Franz law beside a Nernst or thermal Hall
    conductivity or a thermopower.  Valleys are lines; the current of a ribbon is drawn against the coordinate across
    it, that of `exact.liouville_evolution` against time.

    Parameters
    ----------
    result : Dataset or file
        From any function of `bf.response` or `bf.exact`.  Components that vanish, and the second of two that agree up
        to sign, are left out.  Points that are not converged have open symbols.
    variable : str, optional
        Another variable of the result, such as "sigma", "alpha", "kappa", "lorenz" or "power_factor" of
        `thermoelectric`; default its value.
    component : str, optional
        One component, such as "yx".  Default all; where these are more than twelve lines, with parts and states, the
        largest, and the title of the legend names the others.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        The result has no ``value`` and ``error``, no such variable or component, or more than 24 lines.

    Examples
    --------
    >>> import blochflow as bf
    >>> sigma = bf.response.anomalous_hall(bf.zoo.haldane(), mu=[-1.0, 0.0, 1.0], temperature=[0.05, 0.1])
    >>> figure, axes = bf.plot.response(sigma)
    """
    dataset = as_result(result)
    require(dataset, ("value", "error", "converged"), "a response")
    dataset = apart_complex(choose_component(choose_variable(dataset, variable), component))
    along = longest_scan(dataset)
    lines, left = lines_of(dataset, along)
    figure, axes = axes_for(axes)
    for line in lines:
        draw(axes, line)
    coordinate = dataset[along]
    axes.set_xlabel(with_unit(GREEK.get(along, along), coordinate.attrs.get("units")))
    axes.set_ylabel(with_unit(component_symbol(dataset, component), dataset.attrs.get("units")))
    set_title(axes, dataset)
    if len(axes.get_legend_handles_labels()[1]) > 0:
        others = textwrap.wrap(f"the largest components; component=... draws {', '.join(left)}", 44) if left else []
        axes.legend(fontsize="small", title="\n".join(others), title_fontsize="x-small")
    return figure, axes


def convergence(result: Any, *, axes: Axes | None = None) -> tuple[Figure, Axes]:
    """Largest component of a response against the number of k points, with the final value and its error.

    Parameters
    ----------
    result : Dataset or file
        From a response that refines a uniform grid.
    axes : Axes, optional

    Returns
    -------
    (Figure, Axes)

    Raises
    ------
    ValueError
        The result holds no history.

    Examples
    --------
    >>> import blochflow as bf
    >>> n = bf.response.electron_density(bf.zoo.square(), mu=0.3, temperature=0.1)
    >>> figure, axes = bf.plot.convergence(n)
    """
    dataset = as_result(result)
    require(dataset, ("history_points", "history_value"), "the result of an integral with a history of its grids")
    points = np.atleast_1d(dataset.attrs["history_points"])
    values = np.atleast_1d(dataset.attrs["history_value"])
    figure, axes = axes_for(axes)
    axes.plot(points, values, "o-")
    at = int(np.argmin(np.abs(dataset["value"].values - values[-1])))
    error = float(dataset["error"].values.reshape(-1)[at])
    if np.isfinite(error):
        axes.axhspan(values[-1] - error, values[-1] + error, color="C0", alpha=0.2, label="final value +- error")
        axes.legend(fontsize="small")
    axes.set_xscale("log")
    axes.set_xlabel("k points")
    axes.set_ylabel(with_unit(f"largest component of {component_symbol(dataset)}", dataset.attrs.get("units")))
    done = bool(dataset["converged"].values.all())
    axes.set_title("converged" if done else "NOT CONVERGED", color="black" if done else "C3")
    return figure, axes
