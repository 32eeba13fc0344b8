"""Tasks of passages between bands: what they may hold, checks before anything is computed, results, predicted cost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.cli.kinds import Integer, Number, Scan
from blochflow.cli.motion import check_each, located
from blochflow.cli.orbit_tables import Direction, Wavevectors
from blochflow.cli.quantities import is_passage
from blochflow.nonadiabatic.passage_catalog import (
    AVOIDED_CROSSING,
    BLOCH_ZENER,
    DIRAC_HALL_SUPPRESSION,
    LANDAU_ZENER,
    PASSAGES,
)

if TYPE_CHECKING:
    import xarray as xr

    from blochflow.cli.cost import Cost
    from blochflow.cli.job import Job, Task
    from blochflow.models.base import AbstractModel

CLOSED_FORMS = (LANDAU_ZENER.name, DIRAC_HALL_SUPPRESSION.name)
KINDS: dict[str, Any] = {
    "gap": Scan,
    "velocity": Scan,
    "field": Scan,
    "k": Wavevectors,
    "electric_field": Direction,
    "band": Integer,
    "extent": Number,
}


def kinds_of(quantity: str) -> dict[str, Any]:
    """What the keys of a task are: the field is a size where no line of k has a direction."""
    return {**KINDS, "electric_field": Scan} if quantity == LANDAU_ZENER.name else KINDS


def check_passages(job: Job, model: AbstractModel) -> None:
    """Everything about their arguments that the functions would refuse.

    Raises
    ------
    JobError
        At the key that is wrong.
    """
    check_each(job, is_passage, lambda task: _check(task, model))


def _check(task: Task, model: AbstractModel) -> None:
    from blochflow.nonadiabatic.ladders import checked_ladder
    from blochflow.nonadiabatic.passages import checked_line

    if task.quantity in CLOSED_FORMS:
        _closed_form(task, model)
    elif task.quantity == AVOIDED_CROSSING.name:
        checked_line(model, **task.arguments)
    else:
        checked_ladder(model, **task.arguments)


def compute_passages(job: Job, task: Task, model: AbstractModel) -> xr.Dataset:
    """Call the function of a task."""
    from blochflow.nonadiabatic.ladders import bloch_zener
    from blochflow.nonadiabatic.passages import avoided_crossing

    with located(job, job.key_of(task), task.arguments):
        if task.quantity in CLOSED_FORMS:
            return _closed_form(task, model)
        function = avoided_crossing if task.quantity == AVOIDED_CROSSING.name else bloch_zener
        return function(model, **task.arguments)


def _closed_form(task: Task, model: AbstractModel) -> xr.Dataset:
    """Numbers with the scans that they belong to; of the model only the units are used, if any."""
    import xarray as xr

    from blochflow.core.dataset import description, hash_arrays
    from blochflow.nonadiabatic.closed_forms import dirac_hall_suppression
    from blochflow.nonadiabatic.passages import landau_zener

    units, given = model.units, {name: np.array(x) for name, x in task.arguments.items()}
    labels = {
        "gap": units.energy,
        "velocity": f"{units.length}/({units.time})",
        "electric_field": units.electric_field,
        "field": "1",
    }
    if task.quantity == LANDAU_ZENER.name:
        gap, velocity, field = np.meshgrid(given["gap"], given["velocity"], given["electric_field"], indexing="ij")
        name, values = "probability", landau_zener(gap, velocity, field, units=units)
    else:
        name, values = "suppression", dirac_hall_suppression(given["field"])
    quantity, coords = PASSAGES[task.quantity], {x: ((x,), given[x], {"units": labels[x]}) for x in given}
    numbers = [given[x] for x in sorted(given)]
    attrs = {
        **description(quantity, "1"),
        "model_units": units.name,
        "input_hash": hash_arrays(numbers, f"{quantity.name} {units.name}"),
        "status": "CONVERGED",
        "status_message": "closed form",
    }
    label = {"units": "1", "long_name": quantity.symbol}
    return xr.Dataset({name: (tuple(coords), values, label)}, coords=coords, attrs=attrs)


def predict_passages(job: Job, task: Task, model: AbstractModel) -> Cost:
    """Texts for `blochflow check`: one line or period, timed after compilation."""
    from dataclasses import replace

    from blochflow.cli.cost import Cost
    from blochflow.cli.formats import duration
    from blochflow.nonadiabatic.gap_on_line import SAMPLES

    if task.quantity in CLOSED_FORMS:
        count = int(np.prod([len(x) for x in task.arguments.values()]))
        return Cost(f"{count:,} number{'s' * (count != 1)}", "less than a second", "small")
    one, count = task, 1
    if task.quantity == BLOCH_ZENER.name:
        waves = np.atleast_2d(task.arguments["k"])
        one, count = replace(task, arguments={**task.arguments, "k": waves[0].tolist()}), len(waves)
    compute_passages(job, one, model)
    started = time.perf_counter()
    compute_passages(job, one, model)
    seconds = duration(count * (time.perf_counter() - started))
    if task.quantity == AVOIDED_CROSSING.name:
        return Cost(f"1 line, {SAMPLES} points and those of refinements", f"about {seconds}", "small")
    return Cost(f"{count:,} period{'s' * (count != 1)}, refined until converged", f"about {seconds}", "small")
