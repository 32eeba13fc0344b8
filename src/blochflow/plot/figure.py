"""What all plots share: axes to draw on, results from files, labels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from blochflow.core.checks import fail

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREEK = {"G": r"$\Gamma$", "mu": r"$\mu$", "energy": "energy"}


def axes_for(axes: Axes | None, size: tuple[float, float] = (5.5, 4.0)) -> tuple[Figure, Axes]:
    """The given axes, or new ones."""
    import matplotlib.pyplot as plt

    if axes is not None:
        figure = axes.get_figure(root=True)
        if figure is None:
            raise fail("axes", "belong to a figure", "do not")
        return figure, axes
    return plt.subplots(figsize=size, layout="constrained")


def as_result(result: Any) -> xr.Dataset:
    """A Dataset, or the contents of a file."""
    import xarray as xr

    if isinstance(result, xr.Dataset):
        return result
    if isinstance(result, str | os.PathLike):
        from blochflow.core.files import open as open_result

        return open_result(result)
    raise fail("result", "be a Dataset or the name of a file", f"is a {type(result).__name__}")


def require(result: xr.Dataset, variables: tuple[str, ...], what: str) -> None:
    """Refuse a result of another kind."""
    missing = [name for name in variables if name not in result and name not in result.attrs]
    if missing:
        quantity = result.attrs.get("quantity", "unknown")
        raise fail("result", f"be {what}", f"is {quantity!r} without {', '.join(missing)}")


def with_unit(label: str, unit: Any) -> str:
    """Axis label with its unit in brackets; pure numbers have none."""
    return f"{label} [{unit}]" if unit and unit != "1" else label


def corner_label(label: str) -> str:
    """A path label for display."""
    return "|".join(GREEK["G"] if part == "G" else part for part in label.split("|"))


def component_symbol(dataset: xr.Dataset, component: str | None = None) -> str:
    """Symbol of a response; of one component with its indices in place of ab."""
    symbol = str(dataset.attrs.get("symbol") or dataset["value"].attrs.get("long_name", "value"))
    return symbol if component is None else f"{symbol.removesuffix('_' + 'abc'[: len(component)])}_{component}"


def set_title(axes: Axes, dataset: xr.Dataset, *further: str) -> None:
    """What is drawn, of which model; in red what is not converged."""
    missing = int((~dataset["converged"].values).sum())
    title = ", ".join((f"{dataset.attrs.get('title', '')}: {dataset.attrs.get('model', '')}", *further))
    if missing:
        title += f"\nNOT CONVERGED: {missing} of {dataset['converged'].size} points (open symbols)"
    axes.set_title(title, fontsize="medium", color="C3" if missing else "black", wrap=True)
