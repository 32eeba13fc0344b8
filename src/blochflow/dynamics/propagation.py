"""Propagate wave packets: the loop over times, and the judgement of what came out.

The loop knows no theory; `theory` gives it a state, its rate and what is seen of it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from blochflow.core.errors import ConvergenceError, ValidityWarning
from blochflow.dynamics.flight import Flight
from blochflow.dynamics.scatterers import AbstractScatterer
from blochflow.dynamics.setup import STATUSES, PacketStatus, Setup
from blochflow.dynamics.trajectory import Track
from blochflow.execution.threads import Execution
from blochflow.models.packets import WavePacket

if TYPE_CHECKING:
    import xarray as xr


def journey(
    setup: Setup,
    packets: WavePacket,
    times: np.ndarray,
    execution: Execution,
    scatterer: AbstractScatterer | None = None,
) -> tuple[Track, Flight]:
    """Fly through all times (sense t, increasing, in kernel units)."""
    flight = Flight.of(setup, execution, packets, float(times[0]))
    track = Track.empty(packets.count, len(times), packets.dimension)
    everyone = np.arange(packets.count)
    track.save(everyone, 0, flight.observe()[0])
    # collisions come at times of their own
    tick = np.full(packets.count, np.inf)
    if scatterer is not None:
        scatterer.prepare(np.asarray(flight.observe()[0].motion.energy))
        tick = times[0] + scatterer.waits(packets.count)
    for index, time in enumerate(times[1:], start=1):
        while True:
            flight.fly(np.minimum(tick, time))
            rung = np.flatnonzero(flight.flying & (tick <= time))
            if scatterer is None or not len(rung):
                break
            collide(flight, rung, scatterer)
            tick[rung] += scatterer.waits(packets.count)[rung]
        rows = np.flatnonzero(flight.flying)
        if not len(rows):
            break
        track.save(rows, index, flight.observe(rows)[0])
    track.finish(setup.to_model_time(flight.time), flight.observe()[0], flight.largest)
    return track, flight


def collide(flight: Flight, rows: np.ndarray, scatterer: AbstractScatterer) -> None:
    """Let packets whose clocks rang collide, where the tick is no null collision."""
    seen = flight.observe(rows)[0]
    chances = scatterer.chances(len(flight.time), rows)
    energy, band = np.asarray(seen.motion.energy), np.asarray(flight.each.band)[rows]
    hit, bands, k, energies = scatterer.collide(energy, band, np.asarray(seen.wavevector), chances)
    if hit.any():
        flight.scatter(rows[hit], bands, k, energies - energy[hit])
        flight.collisions[rows[hit]] += 1


def judged(result: xr.Dataset, flight: Flight, throw: bool) -> xr.Dataset:
    """Warn of what the theory cannot do; raise where a packet stopped for no event."""
    for concern in flight.setup.theory.concerns(result):
        warnings.warn(concern, ValidityWarning, stacklevel=3)
    cutoff, farthest = getattr(flight.setup.model, "cutoff", None), np.linalg.norm(result.wavevector.values, axis=-1)
    if cutoff is not None and np.nanmax(farthest, initial=0.0) > float(cutoff):
        warnings.warn(
            f"Packets go to |k| = {np.nanmax(farthest):.4g}, beyond the cutoff {float(cutoff):.4g} of the model, up to "
            "which it holds. Raise `cutoff` where it holds further.",
            ValidityWarning,
            stacklevel=3,
        )
    fine = [STATUSES.index(PacketStatus.COMPLETE), STATUSES.index(PacketStatus.EVENT)]
    lost = np.flatnonzero(~np.isin(flight.status, fine))
    if throw and len(lost):
        first = int(lost[0])
        when, why = flight.setup.to_model_time(flight.time[first]), STATUSES[flight.status[first]].value
        raise ConvergenceError(
            f"{len(lost)} of {len(flight.status)} packets did not reach the last time; packet {first} at "
            f"t = {when:.6g}: {why}. Pass throw=False to get the trajectories up to there.",
            result,
        )
    return result
