"""`bf.export`: results as tables, bands of a model for Fermi-surface viewers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blochflow.core.checks import fail
from blochflow.core.csv_table import write_csv

if TYPE_CHECKING:
    import xarray as xr

    from blochflow.models.base import AbstractModel


def export(
    source: xr.Dataset | AbstractModel,
    path: Any,
    *,
    grid: Any = 40,
    mu: float = 0.0,
    color: str | None = None,
) -> Path:
    """Write a result as a table, or the bands of a three-dimensional model for Fermi-surface viewers.

    Parameters
    ----------
    source : Dataset or AbstractModel
        A result for ``.csv``; a model for ``.bxsf`` (XCrySDen) and ``.frmsf`` (FermiSurfer).
    path : str or Path
        Its ending chooses the format.  ``.csv``: one row per combination of coordinates, with lines that start with
        ``#`` in front.  ``.bxsf``: energies as they are and the Fermi energy mu, on a grid whose end points repeat the
        first.  ``.frmsf``: energies minus mu on a grid centred on Gamma.
    grid : int or three ints
        Points per axis.
    mu : float
        Fermi energy, in the model's energy.
    color : str, optional
        ``.frmsf`` only: ``"curvature"``, ``"curvature_yz"`` or an operator such as ``"spin_z"``, to color the surface.
        Where bands touch, the average over the touching bands is written.

    Returns
    -------
    Path
        The file, complete; an existing one is replaced.

    Raises
    ------
    ValueError
        An unknown ending, a source that does not fit it, or a model that is not three-dimensional and periodic.

    Examples
    --------
    >>> import os, tempfile
    >>> import blochflow as bf
    >>> n = bf.response.electron_density(bf.zoo.square(), mu=0.0, temperature=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = bf.export(n, os.path.join(folder, "density.csv")).read_text()
    >>> table.splitlines()[-2]
    'mu,temperature,value,error,converged'
    """
    import xarray as xr

    target = Path(os.fspath(path))
    if target.suffix == ".csv":
        if not isinstance(source, xr.Dataset):
            raise fail("source", "be a result (a Dataset) for .csv", f"is a {type(source).__name__}")
        if color is not None:
            raise fail("color", "be given for .frmsf only", f"is {color!r}")
        return write_csv(source, target)
    if target.suffix not in (".bxsf", ".frmsf"):
        raise fail("path", "end in .csv, .bxsf or .frmsf", f"is {str(target)!r}")
    from blochflow.models.base import AbstractModel
    from blochflow.response.export_grid import write_bxsf, write_frmsf

    if not isinstance(source, AbstractModel):
        raise fail("source", f"be a model for {target.suffix}", f"is a {type(source).__name__}")
    if target.suffix == ".bxsf":
        if color is not None:
            raise fail("color", "be given for .frmsf only", f"is {color!r}")
        return write_bxsf(source, target, grid=grid, mu=mu)
    return write_frmsf(source, target, grid=grid, mu=mu, color=color)
