"""Tasks of `blochflow.orbits`: checked before anything is computed, and computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blochflow.cli.motion import located
from blochflow.cli.quantities import is_orbit, positional_of
from blochflow.dynamics.orbit_catalog import BLOCH_OSCILLATION, CYCLOTRON_ORBITS, LANDAU_LEVELS

if TYPE_CHECKING:
    import xarray as xr

    from blochflow.cli.job import Job, Task
    from blochflow.models.base import AbstractModel


def check_orbits(job: Job, model: AbstractModel) -> None:
    """Everything about their arguments that functions of `blochflow.orbits` would refuse.

    Raises
    ------
    JobError
        At the key that is wrong.
    """
    for index, task in enumerate(job.tasks):
        if is_orbit(task.quantity):
            key = f"task[{index}]"
            outside = {"model": f"{key}.quantity"}
            if "k" in task.arguments and "band" not in task.arguments:
                outside["band"] = f"{key}.k"
            with located(job, key, task.arguments, outside=outside):
                request_of(task, model)


def request_of(task: Task, model: AbstractModel) -> Any:
    """The checked arguments; ValueError where one cannot be meant."""
    from blochflow.dynamics.bloch import check_arguments
    from blochflow.dynamics.cyclotron import OrbitRequest
    from blochflow.dynamics.onsager import LevelRequest
    from blochflow.dynamics.oscillations import OscillationRequest

    if task.quantity == BLOCH_OSCILLATION.name:
        return check_arguments(model, **task.arguments)
    requests: Any = {CYCLOTRON_ORBITS.name: OrbitRequest, LANDAU_LEVELS.name: LevelRequest}
    return requests.get(task.quantity, OscillationRequest).of(model, **_arguments(task, model))


def compute_orbits(job: Job, task: Task, model: AbstractModel) -> xr.Dataset:
    """Call the function of a task; what only its curves can show to be wrong is located, too."""
    from blochflow.dynamics import orbits
    from blochflow.execution.threads import Execution

    options = _arguments(task, model)
    positional = [options.pop(name) for name in positional_of(task.quantity)]
    if task.quantity != BLOCH_OSCILLATION.name:
        options["execution"] = Execution(**job.execution)
    with located(job, job.key_of(task), task.arguments):
        return getattr(orbits, task.quantity.removeprefix("orbits."))(model, *positional, **options)  # type: ignore[no-any-return]


def _arguments(task: Task, model: AbstractModel) -> dict[str, Any]:
    """Those of the function: a single plane is left out in two dimensions, where 0 is all that may be said."""
    given = dict(task.arguments)
    if model.dimension == 2 and given.get("k_parallel") == [0.0]:
        del given["k_parallel"]
    return given
