"""Propagate wave packets: checks, the loop over times, the error, the result.

The loop knows no theory; `theory` gives it a state, its rate and what is seen of it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import as_bool, as_times, fail
from blochflow.core.errors import ConvergenceError, ValidityWarning
from blochflow.dynamics.arguments import (
    as_conserving,
    as_scatterer,
    as_step_tolerance,
    as_theory,
    check_apart,
    scale_of,
)
from blochflow.dynamics.collisions import Collisions
from blochflow.dynamics.events import Event, as_events
from blochflow.dynamics.flight import STATUSES, Flight, PacketStatus, Setup
from blochflow.dynamics.scatterers import AbstractScatterer
from blochflow.dynamics.theory import Model
from blochflow.dynamics.trajectory import Track, as_dataset
from blochflow.execution.threads import Execution, as_execution
from blochflow.models.base import AbstractModel
from blochflow.models.fields import as_fields
from blochflow.models.local import AbstractLocalModel
from blochflow.models.packets import WavePacket, as_packets
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr

LEAST_ADIABATIC = 0.1
ROUNDING = 1e-15  # no error is smaller, relative to x and k


def propagate(
    model: Model,
    packet: WavePacket,
    times: Any,
    *,
    electric_field: Any = None,
    magnetic_field: Any = None,
    theory: Any = "adiabatic",
    tolerance: Tolerance | None = None,
    events: Any = (),
    collisions: Collisions | None = None,
    seed: int | None = None,
    conserving_step: float | None = None,
    estimate_error: bool = True,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Trajectories of wave packets in electric and magnetic fields, textures and drives.

        xdot = d_k h/hbar - Omega_kk kdot - Omega_kx xdot - Omega_kt
        hbar kdot = -d_x h - eE - e xdot x B + hbar (Omega_xk kdot + Omega_xx xdot + Omega_xt)
        h = E_n - m.B - Im sum_a <d_xa u|(H - E_n)|d_ka u>^*

    Source: [Sundaram1999] Eqs. (3.11), (5.8); [Xiao2010] Sec. V.  Valid for: one band apart from the others, packets
    wide against the lattice and narrow against fields and textures.  Not included: transitions between bands.

    Parameters
    ----------
    model : AbstractModel or LocalModel
    packet : WavePacket
        One or many.
    times : (T,) array
        Strictly increasing, or decreasing for motion backwards; packets start at the first.
    electric_field : (d,) array or function of (x, t), optional
    magnetic_field : (3,) array, in two dimensions a number, or function of (x, t), optional
        E and B as functions of place and time must obey Maxwell's equations, which is not checked.
    theory : "adiabatic" or Adiabatic
    tolerance : Tolerance, optional
        rtol: error of one step in lattice constants (of x) and their inverse (of k); default 1e-9.
    events : Event or sequence of Event
        Recorded in ``event_*``; terminal ones stop a packet, whose later values are NaN.
    collisions : Collisions, optional
        Random changes of k and band, for models without texture or drive and a uniform magnetic field; ``work`` then
        holds the energy exchanged in collisions too, and no error is estimated.
    seed : int, optional
        Decides all collisions, whatever the number of workers.
    conserving_step : float, optional
        Steps of this length that conserve the energy to rounding over any time, instead of adaptive ones: fourth order,
        for models and fields that are constant in time and uniform.
    estimate_error : bool
        Propagate twice, with methods of seventh and eighth order, whose difference is ``position_error`` and
        ``wavevector_error``; with ``conserving_step``, with half of it.
    execution : Execution, optional
    throw : bool
        Raise where a packet stops before its time without a terminal event.

    Returns
    -------
    Dataset
        ``position``, ``wavevector``, ``velocity``, ``force`` (dk/dt) with dims (packet, time, a); ``energy``, ``work``,
        ``gap``, ``phase_space_density``, ``adiabaticity`` (packet, time); ``status``, ``energy_drift``
        (packet); events.

    Raises
    ------
    ValueError
        Wrong arguments.
    DegenerateBandsError
        A packet starts where its band touches another; names k, bands and gap.
    ConvergenceError
        A packet stopped: D below 0.1, bands that meet, or too many steps; ``.result`` is the whole Dataset.

    Warns
    -----
    ValidityWarning
        hbar |<m|du/dt>| exceeds a tenth of the gap somewhere: transitions are no longer negligible.

    Examples
    --------
    In a uniform electric field k moves at the rate -eE/hbar.

    >>> import blochflow as bf, numpy as np
    >>> packet = bf.WavePacket([0.0, 0.0], [0.3, 0.5])
    >>> run = bf.propagate(bf.zoo.haldane(), packet, [0.0, 5.0], electric_field=[0.05, 0.0])
    >>> np.round(run.wavevector.values[0, -1], 6)
    array([0.05, 0.5 ])
    """
    if not isinstance(model, AbstractModel | AbstractLocalModel):
        must = "be a model (bf.TightBinding, bf.LatticeModel, bf.LocalModel, bf.textured(...), bf.zoo...)"
        raise fail("model", must, f"is a {type(model).__name__}")
    packets = as_packets(packet, model.dimension, model.num_bands)
    saved = as_times(times)
    fields = as_fields(electric_field, magnetic_field, model.dimension, model.units)
    chosen = as_theory(theory)
    rtol = as_step_tolerance(tolerance)
    found = as_events(events, model)
    precise = as_bool(estimate_error, "estimate_error") and collisions is None
    as_bool(throw, "throw")
    runs = as_execution(execution)
    scale = scale_of(model, packets, float(saved[0]))
    sense = 1.0 if saved[-1] >= saved[0] else -1.0

    fixed = as_conserving(conserving_step, model, fields)
    check_apart(model, packets, float(saved[0]), scale)
    scatterer = as_scatterer(collisions, seed, model, fields, chosen, sense)

    def run(lower: float, events: tuple[Event, ...]) -> tuple[Track, Flight]:
        shared = (jnp.asarray(sense), jnp.asarray(rtol), jnp.asarray(lower))
        steps = None if fixed is None else jnp.asarray(fixed / fields.clock * (1 - 0.5 * lower))
        setup = Setup(model, fields, chosen, events, scale, *shared, steps)
        return journey(setup, packets, sense * saved / fields.clock, runs, scatterer)

    track, flight = run(0.0, found)
    errors = None
    if precise:
        other, _ = run(1.0, tuple(e for e in found if e.terminal))
        errors = tuple(
            np.maximum(np.abs(a - b), ROUNDING * np.maximum(np.abs(a), size))
            for a, b, size in (
                (track.position, other.position, float(scale.length)),
                (track.wavevector, other.wavevector, 1 / float(scale.length)),
            )
        )
    settings = {"rtol": rtol, "theory": repr(chosen), "steps": int(flight.steps.sum())}
    result = as_dataset(
        model,
        packets,
        saved,
        track,
        errors,
        flight,
        [e.name for e in found],
        settings,
        fields.clock,
    )
    return judged(result, flight, throw)


def journey(
    setup: Setup,
    packets: WavePacket,
    times: np.ndarray,
    execution: Execution,
    scatterer: AbstractScatterer | None = None,
) -> tuple[Track, Flight]:
    """Fly through all times (sense t, increasing, in kernel units)."""
    flight = Flight.of(setup, execution, packets.band, packets.position, packets.wavevector, float(times[0]))
    track = Track.empty(packets.count, len(times), packets.dimension)
    everyone = np.arange(packets.count)
    track.save(everyone, 0, flight.observe()[0])
    # collisions come at times of their own
    tick = np.full(packets.count, np.inf)
    if scatterer is not None:
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
    draws = scatterer.draws_of_collision(len(flight.time))[rows]
    energy, band = np.asarray(seen.motion.energy), np.asarray(flight.each.band)[rows]
    hit, bands, k, energies = scatterer.collide(energy, band, np.asarray(seen.wavevector), draws)
    if hit.any():
        flight.scatter(rows[hit], bands, k, energies - energy[hit])
        flight.collisions[rows[hit]] += 1


def judged(result: xr.Dataset, flight: Flight, throw: bool) -> xr.Dataset:
    """Warn of what the theory cannot do; raise where a packet stopped for no event."""
    if result.attrs["adiabaticity"] > LEAST_ADIABATIC:
        warnings.warn(
            f"Transitions to other bands are not negligible: hbar |<m|du/dt>|/gap reaches "
            f"{result.attrs['adiabaticity']:.3g} on a trajectory. Weaken the field, or keep several bands.",
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
