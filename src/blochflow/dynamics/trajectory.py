"""Trajectories as a labelled result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.dataset import CARTESIAN, describe_parameters, description, hash_arrays
from blochflow.dynamics.flight import Flight, Happened
from blochflow.dynamics.setup import STATUSES, PacketStatus
from blochflow.models.packets import WavePacket

if TYPE_CHECKING:
    import xarray as xr

LENGTHS = {"NATURAL": "a", "EV_ANGSTROM": "angstrom"}


@dataclass
class Track:
    """What was seen of all packets at all times: (P, T, ..) arrays in kernel units."""

    position: np.ndarray
    wavevector: np.ndarray
    velocity: np.ndarray
    force: np.ndarray
    energy: np.ndarray
    work: np.ndarray
    density: np.ndarray
    gap: np.ndarray
    adiabaticity: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    end_time: np.ndarray = field(default_factory=lambda: np.zeros(0))
    end: Any = None
    largest: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def empty(cls, packets: int, times: int, dimension: int) -> Track:
        """NaN everywhere."""
        a, b, c, d = (np.full((packets, times, dimension), np.nan) for _ in range(4))
        numbers = [np.full((packets, times), np.nan) for _ in range(5)]
        return cls(a, b, c, d, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])

    def save(self, rows: np.ndarray, index: int, seen: Any) -> None:
        """What is seen of packets ``rows`` at time number ``index``."""
        motion = seen.motion
        self.position[rows, index], self.wavevector[rows, index] = seen.position, seen.wavevector
        self.velocity[rows, index], self.force[rows, index] = motion.velocity, motion.force
        self.energy[rows, index] = motion.energy
        self.work[rows, index], self.density[rows, index] = seen.work, motion.density
        self.gap[rows, index], self.adiabaticity[rows, index] = motion.gap, motion.adiabaticity
        for name, values in seen.extra.items():
            whole = (*self.gap.shape, *values.shape[1:])
            self.extra.setdefault(name, np.full(whole, np.nan))[rows, index] = values

    def finish(self, time: np.ndarray, seen: Any, largest: np.ndarray) -> None:
        """Where and when every packet ended, and the largest adiabaticity on its way."""
        self.end_time, self.end, self.largest = time, seen, largest

    @property
    def drift(self) -> np.ndarray:
        """(P,) largest |h(t) - h(0) - work| of each packet, at the saved times and at its end."""
        change = np.abs(self.energy - self.energy[:, :1] - self.work)
        last = np.abs(self.end.motion.energy - self.energy[:, 0] - self.end.work)
        return np.maximum(np.where(np.isnan(change), 0.0, change).max(axis=1), last)

    @property
    def norm_drift(self) -> np.ndarray:
        """(P,) largest |norm - 1| of each packet, at the saved times and at its end."""
        change = np.abs(np.concatenate([self.extra["norm"], self.end.extra["norm"][:, None]], axis=1) - 1)
        return np.asarray(np.nanmax(change, axis=1))


def as_dataset(
    model: Any,
    packets: WavePacket,
    times: np.ndarray,
    track: Track,
    errors: tuple[np.ndarray, np.ndarray] | None,
    flight: Flight,
    names: list[str],
    settings: dict[str, Any],
    clock: float,
) -> xr.Dataset:
    """Label everything, in the model's units."""
    import xarray as xr

    units, d = model.units, packets.dimension
    wave = f"1/{units.length}"
    speed = f"{units.length} {units.energy}/hbar" if units.name == "NATURAL" else f"{units.length}/{units.time}"
    ends = [STATUSES[i].name for i in flight.status]
    vector, number = ("packet", "time", "a"), ("packet", "time")
    variables: dict[str, Any] = {
        "position": (vector, track.position, {"units": units.length, "long_name": "centre x"}),
        "wavevector": (vector, track.wavevector, {"units": wave, "long_name": "wave vector k, unwrapped"}),
        "velocity": (vector, track.velocity / clock, {"units": speed, "long_name": "dx/dt"}),
        "force": (vector, track.force / clock, {"units": f"1/({units.length}*{units.time})", "long_name": "dk/dt"}),
        "energy": (number, track.energy, {"units": units.energy, "long_name": "energy of the packet"}),
        "work": (number, track.work, {"units": units.energy, "long_name": "work done on the packet"}),
        "phase_space_density": (number, track.density, {"units": "1", "long_name": "D"}),
        "gap": (number, track.gap, {"units": units.energy, "long_name": "distance to the nearest band"}),
        "adiabaticity": (number, track.adiabaticity, {"units": "1", "long_name": "hbar |<m|du/dt>|/gap"}),
        "energy_drift": (("packet",), track.drift, {"units": units.energy, "long_name": "|E(t) - E(0) - work|"}),
        "status": (("packet",), np.array(ends), {"long_name": "how the journey ended"}),
        "band": (("packet",), packets.band, {}),
        "weight": (("packet",), packets.weight, {}),
        "collisions": (("packet",), flight.collisions, {"long_name": "number of collisions"}),
    }
    theory = flight.setup.theory
    for name, (dims, unit, meaning) in theory.labels.items():
        variables[name] = ((*number, *dims), track.extra[name], {"units": unit, "long_name": meaning})
    if "norm" in theory.labels:
        variables["norm_drift"] = (("packet",), track.norm_drift, {"units": "1", "long_name": "|norm - 1|"})
    place, packet = ("packet", "a"), ("packet",)
    variables |= {
        "end_time": (packet, track.end_time, {"units": units.time, "long_name": "when the packet ended"}),
        "end_position": (place, track.end.position, {"units": units.length, "long_name": "where the packet ended"}),
        "end_wavevector": (place, track.end.wavevector, {"units": wave, "long_name": "its last wave vector"}),
        "largest_adiabaticity": (packet, track.largest, {"units": "1", "long_name": "at all steps"}),
    }
    if errors is not None:
        what = "difference between methods of seventh and eighth order"
        variables["position_error"] = (vector, errors[0], {"units": units.length, "long_name": what})
        variables["wavevector_error"] = (vector, errors[1], {"units": wave, "long_name": what})
    if model.lattice is not None:
        reciprocal = np.asarray(model.lattice.reciprocal)
        variables["periods"] = (("period", "a"), reciprocal, {"units": wave, "long_name": "reciprocal vectors"})
    variables |= event_variables(flight.happened, names, d, units)
    worst = STATUSES[int(max(flight.status, default=0))]
    attrs = {
        **description(theory.quantity, units.length),
        "model": model.name,
        "model_units": units.name,
        "num_bands": int(model.num_bands),
        "parameters": describe_parameters(model.parameters),
        "input_hash": hash_arrays(start_of(packets, times), f"{model.name} {settings}"),
        "status": "CONVERGED" if worst in (PacketStatus.COMPLETE, PacketStatus.EVENT) else worst.name,
        "status_message": str(worst.value),
        "energy_drift": float(track.drift.max()),
        "adiabaticity": float(track.largest.max()),
        **({"norm_drift": float(track.norm_drift.max())} if "norm" in theory.labels else {}),
        **settings,
    }
    coords = {
        "time": ("time", times, {"units": units.time}),
        "packet": np.arange(packets.count),
        "a": list(CARTESIAN[:d]),
    }
    for axis in sorted({axis for dims, _, _ in theory.labels.values() for axis in dims}):
        coords[axis] = np.arange(model.num_bands)
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def start_of(packets: WavePacket, times: np.ndarray) -> list[np.ndarray]:
    """All numbers that a motion begins with."""
    amplitudes = [] if packets.amplitudes is None else [packets.amplitudes]
    return [packets.position, packets.wavevector, packets.band, times, *amplitudes]


def event_variables(happened: list[Happened], names: list[str], d: int, units: Any) -> dict[str, Any]:
    """One row for each event, in order of packets and times."""
    if not names:
        return {}
    rows = sorted(happened, key=lambda e: (e.packet, e.time))
    place = ("event", "a")
    return {
        "event_name": (("event",), np.array([names[e.event] for e in rows], dtype=np.str_)),
        "event_packet": (("event",), np.array([e.packet for e in rows], dtype=np.int64)),
        "event_time": (("event",), np.array([e.time for e in rows]), {"units": units.time}),
        "event_position": (place, np.array([e.position for e in rows]).reshape(-1, d), {"units": units.length}),
        "event_wavevector": (
            place,
            np.array([e.wavevector for e in rows]).reshape(-1, d),
            {"units": f"1/{units.length}"},
        ),
    }
