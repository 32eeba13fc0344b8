"""Predicted cost of a motion: steps of a few packets in the first part of the time, timed after compilation.

    time <= start + packets * steps * (time of one step of one packet),     steps >= number of saved times

At most, because larger batches need less for each packet, and each of several threads does its part.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING

import numpy as np

from blochflow.cli.cost import Cost
from blochflow.cli.formats import duration, memory
from blochflow.cli.motion import CHECKED_PACKETS, motion_of, moved
from blochflow.core.errors import BlochflowWarning

if TYPE_CHECKING:
    from blochflow.cli.job import Job, Task
    from blochflow.dynamics.starts import Model

TRIAL_PACKETS = 16
# The trial begins with this share of the time, and takes ten times more until packets have made that many steps.
FIRST_SHARE, ENOUGH_STEPS = 1e-3, 16


def predict_motion(job: Job, task: Task, model: Model) -> Cost:
    """Texts for `blochflow check`."""
    motion = motion_of(job, task, model, most=CHECKED_PACKETS)
    count, dimension = motion.packets.count, motion.packets.dimension
    if "ensemble" in task.arguments:
        # as many of every band that is not empty
        count = len(np.unique(motion.packets.band)) * int(task.arguments["ensemble"]["count"])
    # a theory of several bands has populations and amplitudes too
    states = 0 if motion.options["theory"] == "adiabatic" else 3 * model.num_bands
    size = memory(8 * count * len(motion.times) * (3 * dimension + 5 + states))
    rows = np.unique(np.linspace(0, motion.packets.count - 1, TRIAL_PACKETS).astype(int))
    share, seconds, steps = FIRST_SHARE, list[float](), list[float]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlochflowWarning)
        moved(job, task, model, motion, rows, share)  # compiles
        while True:
            began = time.perf_counter()
            trial = moved(job, task, model, motion, rows, share)
            seconds.append(time.perf_counter() - began)
            steps.append(trial.attrs["steps"])
            if share == 1 or steps[-1] >= ENOUGH_STEPS * len(rows):
                break
            share = min(1.0, 10 * share)
    if not np.isin(trial["status"], ("COMPLETE", "EVENT")).all():
        return Cost(f"{count:,} packets, steps not known: some stop early", "not known", size)
    runs = 2 if task.arguments.get("estimate_error", True) and "collisions" not in task.arguments else 1
    expected = max(len(motion.times) - 1, round(steps[-1] / len(rows) / share))
    each = max(0.0, seconds[-1] - seconds[0]) / max(1, steps[-1] - steps[0])
    spent = seconds[0] + each * expected * count
    twice = " x 2 methods" if runs == 2 else ""
    return Cost(
        f"{count:,} packets x {expected:,} steps{twice}", f"at most {duration(runs * spent)} after compilation", size
    )
