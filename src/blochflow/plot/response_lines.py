"""Lines of a response: which variable, components, states and parts are drawn, and how.

Solid lines are what was asked for; dashed and dotted ones stand beside it: the parts of a sum, a rule of thumb.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_choice, fail, nearest
from blochflow.plot.figure import GREEK

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

MOST_LINES = 24
# Lines that still can be told apart; where there are more, the largest components are shown, of this many lines.
READABLE, SHOWN = 12, 8
CARTESIAN = ("a", "b", "c")
# variables that are compared with the value
COMPARISONS = {"mott": "Mott", "wiedemann_franz": "Wiedemann-Franz", "linear_limit": "linear limit"}
STYLES = ("--", ":", "-.")
# of what stands beside a value, which may be more
PARTS: tuple[Any, ...] = (*STYLES, (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))


@dataclass(frozen=True)
class Line:
    """One line: its label, number of its color, style, and what is drawn along one coordinate."""

    label: str
    color: int
    style: Any
    x: np.ndarray
    value: np.ndarray
    error: np.ndarray
    converged: np.ndarray


def choose_variable(dataset: xr.Dataset, variable: str | None) -> xr.Dataset:
    """The same result with another of its variables as ``value``; None: as it is.

    Raises
    ------
    ValueError
        There is no such variable; those there are, and the nearest, are named.
    """
    if variable is None or variable == "value":
        return dataset
    known = [str(name) for name in dataset.data_vars if _is_beside(dataset, str(name))]
    if variable not in known:
        hint = nearest(str(variable), known)
        suffix = f" (did you mean {hint!r}?)" if hint else ""
        raise fail("variable", f"be one of {', '.join(['value', *known])}", f"is {variable!r}{suffix}")
    chosen = dataset[["converged"]].assign(value=dataset[variable], error=dataset[f"{variable}_error"])
    named = {"symbol": variable, "units": dataset[variable].attrs.get("units", "")}
    return chosen.assign_attrs({**dataset.attrs, **named})


def apart_complex(dataset: xr.Dataset) -> xr.Dataset:
    """Complex values as their real part, with the imaginary part beside it in place of the parts of a sum."""
    if not np.iscomplexobj(dataset["value"]):
        return dataset
    value, error = dataset["value"], dataset["error"]
    kept = dataset.drop_dims("part", errors="ignore").drop_vars("part", errors="ignore")
    found = kept.assign(value=value.real.assign_attrs(value.attrs))
    found["parts"], found["parts_error"] = value.imag.expand_dims("part"), error.expand_dims("part")
    return found.assign_coords(part=["imaginary part"])


def choose_component(dataset: xr.Dataset, component: str | None) -> xr.Dataset:
    """The same result with one component of its tensors, such as "yx"; None: as it is.

    Raises
    ------
    ValueError
        There is no such component, or the value is no tensor.
    """
    if component is None:
        return dataset
    tensor = [str(d) for d in dataset["value"].dims if d in CARTESIAN]
    tensor.sort()
    if not tensor:
        raise fail("component", "be left out for a value without components", f"is {component!r}")
    labels = ["".join(map(str, x)) for x in itertools.product(*(dataset[d].values for d in tensor))]
    place = np.unravel_index(
        labels.index(as_choice(component, "component", labels)), [dataset.sizes[d] for d in tensor]
    )
    return dataset.isel({d: int(i) for d, i in zip(tensor, place, strict=True)})


def lines_of(dataset: xr.Dataset, along: str) -> tuple[list[Line], list[str]]:
    """Components and states against ``along``, each followed by what stands beside it; names of components left out.

    More lines than can be told apart are those of the largest components.
    """
    tensor = [str(d) for d in dataset["value"].dims if d in CARTESIAN]
    others = [str(d) for d in dataset["value"].dims if d not in tensor and d != along]
    ordered = dataset.transpose(..., *tensor, missing_dims="ignore")
    values = ordered["value"].values
    components = independent_components(values, len(tensor))
    states = list(np.ndindex(*(dataset.sizes[d] for d in others)))
    each, left = len(states) * (1 + len(_names_beside(dataset))), list[str]()
    if each * len(components) > READABLE and len(components) > 1:
        sizes = np.nanmax(np.abs(values), axis=tuple(range(values.ndim - len(tensor))))
        components.sort(key=lambda component: -float(sizes[component]))
        count = max(1, SHOWN // each)
        left = ["".join(str(dataset[d].values[i]) for d, i in zip(tensor, x, strict=True)) for x in components[count:]]
        components = components[:count]
    count = len(components) * len(states)
    if count > MOST_LINES:
        raise fail("result", f"have at most {MOST_LINES} lines to draw", f"has {count}; use result.sel")
    lines: list[Line] = []
    for component in components:
        for state in states:
            chosen = ordered.isel(dict(zip((*tensor, *others), (*component, *state), strict=True)))
            label = _label(dataset, tensor, component, others, state)
            color = len({line.color for line in lines})
            x, converged = chosen[along].values, chosen["converged"].values
            lines.append(Line(label, color, "-", x, chosen["value"].values, chosen["error"].values, converged))
            for number, (name, value, error) in enumerate(_beside(chosen)):
                what = ", ".join(part for part in (label, name) if part)
                lines.append(Line(what, color, PARTS[number % len(PARTS)], x, value, error, converged))
    return lines, left


def draw(axes: Axes, line: Line, *, bars: bool = False, color: str | None = None, width: float = 1.2) -> None:
    """The line with a band (or ``bars``) for its error; open symbols where the value is not converged."""
    color, x, main = color or f"C{line.color}", line.x, bars or line.style == "-"
    marker = "o" if main or len(x) > 1 else "s"
    axes.plot(x, line.value, line.style, color=color, linewidth=width, label=line.label or None)
    if len(x) > 1 and not bars:
        low, high = line.value - line.error, line.value + line.error
        axes.fill_between(x, low, high, color=color, alpha=0.25 if main else 0.12, linewidth=0)
    else:
        axes.errorbar(x, line.value, yerr=np.nan_to_num(line.error), color=color, capsize=3)
    if not main and len(x) > 1:
        return
    size = 4 if len(x) <= 60 else 2.5
    done = line.converged
    axes.plot(x[done], line.value[done], marker, color=color, markersize=size)
    axes.plot(x[~done], line.value[~done], marker, color=color, markersize=size, markerfacecolor="white")


def longest_scan(dataset: xr.Dataset) -> str:
    """The coordinate to draw against: across a ribbon, time, else the longest scan of numbers."""
    scans = [str(d) for d in dataset["value"].dims if d not in CARTESIAN]
    for first in ("transverse", "time"):
        if first in scans:
            return first
    return max((d for d in scans if dataset[d].dtype.kind in "fiu"), key=lambda d: dataset.sizes[d])


def independent_components(values: np.ndarray, rank: int) -> list[tuple[int, ...]]:
    """Components that do not vanish, each pair that agrees up to sign when its last two indices change places once."""
    kept: list[tuple[int, ...]] = []
    for component in np.ndindex(*values.shape[values.ndim - rank :]):
        entry = values[(..., *component)]
        partner = (*component[:-2], *component[-2:][::-1])
        if not np.any(entry):
            continue
        if (
            rank > 1
            and partner in kept
            and np.allclose(np.abs(entry), np.abs(values[(..., *partner)]), rtol=1e-12, atol=0, equal_nan=True)
        ):
            continue
        kept.append(component)
    return kept or [(0,) * rank]


def _label(dataset: xr.Dataset, tensor: list[str], component: Any, others: list[str], state: Any) -> str:
    """Component and values of the other scans."""
    parts = ["".join(str(dataset[d].values[i]) for d, i in zip(tensor, component, strict=True))]
    for d, i in zip(others, state, strict=True):
        if dataset[d].dtype.kind not in "fiu":
            parts.append(str(dataset[d].values[i]))
        elif dataset.sizes[d] > 1 or d == "temperature":
            unit = dataset[d].attrs.get("units", "")
            parts.append(f"{GREEK.get(d, d)} = {float(dataset[d].values[i]):g} {unit}".strip())
    return ", ".join(part for part in parts if part)


def _names_beside(dataset: xr.Dataset) -> list[str]:
    """What stands beside a value: its parts, or what it is compared with."""
    parts = [str(part) for part in dataset["part"].values] if "parts" in dataset else []
    return [*parts, *(label for name, label in COMPARISONS.items() if name in dataset)]


def _beside(chosen: xr.Dataset) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(name, value, error) of the same."""
    found = []
    if "parts" in chosen:
        rows = chosen.transpose("part", ...)
        found += list(zip(rows["parts"].values, rows["parts_error"].values, strict=True))
    found += [(chosen[name].values, chosen[f"{name}_error"].values) for name in COMPARISONS if name in chosen]
    return [(name, *pair) for name, pair in zip(_names_beside(chosen), found, strict=True)]


def _is_beside(dataset: xr.Dataset, name: str) -> bool:
    """True for variables with an error along the dims of the value."""
    return f"{name}_error" in dataset and set(dataset[name].dims) == set(dataset["value"].dims)
