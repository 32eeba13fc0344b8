"""Tasks at finite electric field: checked before anything is computed, and computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.cli.motion import check_each
from blochflow.cli.quantities import is_field
from blochflow.nonadiabatic.catalog import HYBRID_BANDS

if TYPE_CHECKING:
    import xarray as xr

    from blochflow.cli.job import Job, Task
    from blochflow.cli.load_model import AnyModel


def check_fields(job: Job, model: AnyModel) -> None:
    """Everything about fields, places and groups that the functions would refuse.

    Raises
    ------
    JobError
        At the key that is wrong.
    """
    check_each(job, is_field, lambda task: _check(task, model))


def _check(task: Task, model: AnyModel) -> None:
    from blochflow.models.k_points import k_path
    from blochflow.models.local import AbstractLocalModel
    from blochflow.nonadiabatic.arguments import as_electric_fields, as_grouping
    from blochflow.response.field_request import as_times_or_number, check_theory, checked_places

    given = task.arguments
    as_electric_fields(given["electric_field"], model.dimension)
    as_grouping(model, given.get("groups"), given.get("group_tolerance", 0.0), given.get("active"))
    places = checked_places(model, given.get("x"), given.get("cell"), given.get("density"), given.get("t", 0.0))
    if task.quantity == HYBRID_BANDS.name:
        k_path(at_first_place(model, places), given["path"], given.get("points", 200))
        return
    as_times_or_number(given["tau"])
    check_theory(model, given.get("theory", "multiband"), given.get("active"), given.get("partition"), places)
    if isinstance(model, AbstractLocalModel):
        from blochflow.cli.check_integrals import check_task

        check_task(task, at_first_place(model, places))


def model_of(task: Task, model: Any) -> Any:
    """The model, of a texture that of the first place of a task."""
    from blochflow.response.field_request import checked_places

    if not is_field(task.quantity):
        return model
    return at_first_place(model, checked_places(model, task.arguments.get("x"), task.arguments.get("cell"), None))


def at_first_place(model: Any, places: np.ndarray) -> Any:
    """The uniform model there."""
    return model.at(places[0]) if len(places) else model


def bands_along_path(model: Any, path: Any, electric_field: Any, *, points: int = 200, **options: Any) -> xr.Dataset:
    """Hybridised bands along a path of labels."""
    from blochflow.models.k_points import k_path
    from blochflow.nonadiabatic.arguments import as_places
    from blochflow.nonadiabatic.bands import hybrid_bands

    frozen = at_first_place(model, as_places(options.get("x"), model))
    return hybrid_bands(model, k_path(frozen, path, points), electric_field, **options)


def evaluations_of(task: Task) -> int:
    """Integrals over the zone, or bands along the path: for every field and place, two parts of a current."""
    fields = len(np.atleast_2d(task.arguments["electric_field"]))
    if task.quantity == HYBRID_BANDS.name:
        return fields
    places = len(np.atleast_2d(task.arguments.get("x", [0.0])))
    # several fields have their tangent at E = 0 besides
    return 2 * (fields + (fields > 1)) * places * max(1, len(task.arguments.get("partition", ())))
