"""What is recorded of an evolution, and the Dataset a user gets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.dataset import CARTESIAN, describe_parameters, description, hash_arrays
from blochflow.exact.catalog import LATTICE_PACKET
from blochflow.exact.evolution import Effort
from blochflow.exact.packet_state import COHERENT, Observer
from blochflow.exact.sample import LatticeHamiltonian
from blochflow.models.packets import WavePacket

if TYPE_CHECKING:
    import xarray as xr

    from blochflow.exact.packet_plan import Plan

EDGE_LIMIT = 1e-6  # weight near an edge above which edges may have changed the result


class LatticeStatus(StrEnum):
    """How the evolution of a packet ended."""

    COMPLETE = "the packet stayed away from the edges."
    EDGE = "The packet came to an edge of the sample: raise `sites`, move the sample with `center`, or end earlier."
    ZONE = (
        "The packet of a k.p model came to wave vectors |k| > pi/2a at which its lattice is not the model any more: "
        "lower `lattice_constant`, or end earlier."
    )


@dataclass
class Record:
    """Means of all packets at all times, (P, T, ..) arrays, in the model's units."""

    position: np.ndarray
    spread: np.ndarray
    error: np.ndarray
    wavevector: np.ndarray
    energy: np.ndarray
    total: np.ndarray
    norm: np.ndarray
    populations: np.ndarray
    edge: np.ndarray
    outside: np.ndarray
    phase: np.ndarray
    vectors: np.ndarray
    incoherent: np.ndarray
    effort: Effort
    drift: float = np.nan
    hopping_error: float = 0.0

    @classmethod
    def empty(cls, packets: WavePacket, times: int, bands: int) -> Record:
        """Zeros everywhere."""
        count, d = packets.count, packets.dimension
        position, spread, error, wavevector = (np.zeros((count, times, d)) for _ in range(4))
        energy, total, norm = (np.zeros((count, times)) for _ in range(3))
        return cls(
            position,
            spread,
            error,
            wavevector,
            energy,
            total,
            norm,
            populations=np.zeros((count, times, bands)),
            edge=np.zeros(count),
            outside=np.zeros(count),
            phase=np.array(packets.wavevector),
            vectors=np.eye(d),
            incoherent=np.zeros(count, dtype=bool),
            effort=Effort(),
        )

    def start(
        self, observer: Observer, matrix: LatticeHamiltonian, state: np.ndarray, t: float, vectors: np.ndarray
    ) -> None:
        """The initial state; wave vectors are counted from the branch nearest to that of the packet."""
        self.vectors, self.phase = vectors, self.phase @ vectors.T
        self.pass_by(observer, state)
        self.save(observer, matrix, state, 0, t, 0.0)

    def pass_by(self, observer: Observer, state: np.ndarray) -> None:
        """Between times: weight near edges, phases of translations before they turn by more than pi."""
        self.edge = np.maximum(self.edge, observer.edge_weight(state))
        means = observer.translations(state)
        turned = np.angle(means) - self.phase
        turned = turned - 2 * np.pi * np.round(turned / (2 * np.pi))
        self.phase = np.where(np.abs(means) > COHERENT, self.phase + turned, self.phase)
        self.incoherent = (np.abs(means) <= COHERENT).any(axis=1)

    def save(
        self, observer: Observer, matrix: LatticeHamiltonian, state: np.ndarray, number: int, t: float, error: float
    ) -> None:
        """Everything that is seen at time number ``number``; ``error`` bounds the norm of the error of the state."""
        mean, spread = observer.place(state)
        self.position[:, number], self.spread[:, number] = mean, spread
        # |<x> of psi + d - <x> of psi| <= 2 |d| spread + |d|^2 extent
        extent = np.ptp(observer.sample.corners, axis=0)
        self.error[:, number] = 2 * error * spread + error**2 * extent
        k = self.phase @ np.linalg.inv(self.vectors).T
        self.wavevector[:, number] = np.where(self.incoherent[:, None], np.nan, k)
        norm = (np.abs(state) ** 2).sum(axis=0)
        band = expectation(matrix.without_potential(t), state) / norm
        self.energy[:, number] = self.total[:, number] = band
        if matrix.electric is not None:
            self.total[:, number] += (mean - observer.sample.middle) @ matrix.electric(t)
        self.norm[:, number] = np.abs(np.sqrt(norm) - 1)
        self.populations[:, number], outside = observer.populations(state, mean, t)
        self.outside = np.maximum(self.outside, outside)

    def finish(self, effort: Effort, steady: bool, hopping_error: float) -> None:
        """What the evolution cost, and the drift of the energy where it is conserved."""
        self.effort, self.hopping_error = effort, hopping_error
        if steady:
            self.drift = float(np.abs(self.total - self.total[:, :1]).max())

    @property
    def status(self) -> list[LatticeStatus]:
        """How each packet ended."""
        return [
            LatticeStatus.EDGE
            if edge > EDGE_LIMIT
            else LatticeStatus.ZONE
            if outside > EDGE_LIMIT
            else LatticeStatus.COMPLETE
            for edge, outside in zip(self.edge, self.outside, strict=True)
        ]


def expectation(matrix: Any, state: np.ndarray) -> np.ndarray:
    """(P,) means of a Hermitian matrix."""
    return np.einsum("sp,sp->p", state.conj(), matrix @ state).real  # type: ignore[no-any-return]


def as_result(plan: Plan, record: Record) -> xr.Dataset:
    """Label everything."""
    import xarray as xr

    model, packets = plan.hamiltonian.model, plan.made.packet
    units, d = model.units, packets.dimension
    vector, number = ("packet", "time", "a"), ("packet", "time")
    length, energy = {"units": units.length}, {"units": units.energy}
    bound = {**length, "long_name": "bound of the error of the mean, edges apart"}
    variables: dict[str, Any] = {
        "position": (vector, record.position, {**length, "long_name": "mean position"}),
        "position_error": (vector, record.error, bound),
        "spread": (vector, record.spread, {**length, "long_name": "standard deviation of the position"}),
        "wavevector": (
            vector,
            record.wavevector,
            {"units": f"1/{units.length}", "long_name": "mean wave vector, unwrapped"},
        ),
        "energy": (number, record.energy, {**energy, "long_name": "<H> without the potential of E"}),
        "norm_error": (number, record.norm, {"units": "1", "long_name": "| |psi| - 1 |"}),
        "populations": (
            (*number, "band"),
            record.populations,
            {"units": "1", "long_name": "weights in the bands of H(k, <x>, t)"},
        ),
        "edge_weight": (("packet",), record.edge, {"units": "1", "long_name": "largest weight near an edge"}),
        "status": (("packet",), np.array([s.name for s in record.status]), {"long_name": "how the evolution ended"}),
        "weight": (("packet",), packets.weight, {}),
    }
    worst = next((s for s in record.status if s is not LatticeStatus.COMPLETE), LatticeStatus.COMPLETE)
    settings = {
        "rtol": plan.rtol,
        "sites": plan.sample.shape,
        "center": plan.sample.middle,
        "envelope": plan.made.envelope,
        "width": plan.made.width,
    }
    if plan.hamiltonian.spacing is not None:
        settings["lattice_constant"] = float(plan.hamiltonian.spacing)
        settings["zone_weight"] = float(record.outside.max())
    attrs = {
        **description(LATTICE_PACKET, units.length),
        "model": model.name,
        "model_units": units.name,
        "num_bands": int(model.num_bands),
        "parameters": describe_parameters(model.parameters),
        "input_hash": hash_arrays(
            [packets.position, packets.wavevector, packets.band, plan.times], f"{model.name} {settings}"
        ),
        "status": "CONVERGED" if worst is LatticeStatus.COMPLETE else worst.name,
        "status_message": str(worst.value),
        "edge_weight": float(record.edge.max()),
        "norm_error": float(record.norm.max()),
        "energy_drift": record.drift,
        "state_error": float(record.effort.error),
        "hopping_error": record.hopping_error,
        "evaluations": record.effort.products,
        **settings,
    }
    coords = {
        "time": ("time", plan.times, {"units": units.time}),
        "packet": np.arange(packets.count),
        "a": list(CARTESIAN[:d]),
        "band": np.arange(plan.hamiltonian.num_bands),
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)
