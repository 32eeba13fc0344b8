"""Trajectories that stand for a packet: Gauss-Hermite points around its wave vector.

    <x>(t) of a theory = sum_q w_q x_q(t),    k_q = k0 + L z_q,   L L^T = S,   x_q(0) = x0 + A(k_q)
    S_ab = delta_ab/(4 W_a^2) + (e^2/4 hbar^2) sum_c G_ac W_c^2 G_bc           G r = B x r

z_q, w_q are Gauss-Hermite points and weights.  The second part of S is the spread of the vector potential over the
packet: its canonical wave vector has the variance 1/(4 W^2), trajectories have the kinetic one.  A packet of one state
s at all k ("product") is, for a theory of some bands, P s of weight <s|P|s> at x0 + Re i<s|P dP|s>/<s|P|s>.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from blochflow.exact.magnetic_packet import kinetic_covariance
from blochflow.exact.packet_plan import Plan
from blochflow.exact.packet_state import gauge_connection, reference_of
from blochflow.geometry.bands import bands
from blochflow.models.base import AbstractModel
from blochflow.models.packets import WavePacket


@dataclass(frozen=True, eq=False)
class Swarm:
    """Trajectories that stand for packets: (P Q) of them, Q for each packet.

    Attributes
    ----------
    packets : WavePacket
    weights : (P, Q), of sum 1 for each packet
    """

    packets: WavePacket
    weights: np.ndarray

    @classmethod
    def of(cls, plan: Plan, nodes: int, kept: tuple[int, ...] | str) -> Swarm:
        """Gauss-Hermite points around every packet; ``kept``: bands of the theory, "own" or "all"."""
        made, h = plan.made, plan.hamiltonian
        z, w = np.polynomial.hermite_e.hermegauss(nodes)
        points = np.array(list(itertools.product(z, repeat=h.dimension)))
        weight = np.array([np.prod(values) for values in itertools.product(w, repeat=h.dimension)])
        steps = points @ np.linalg.cholesky(kinetic_covariance(made.width, plan.magnetic)).T
        k = made.packet.wavevector[:, None] + steps
        x = np.repeat(np.array(made.packet.position)[:, None], len(points), axis=1)
        weights = np.tile(weight, (made.packet.count, 1))
        amplitudes = np.zeros((*k.shape[:2], h.num_bands), dtype=complex)
        for number in range(made.packet.count):
            if kept == "all" and made.envelope == "product":
                amplitudes[number] = state_of(plan, number)
                continue
            shift, inside, parts = placed(plan, number, k[number], kept)
            x[number] += shift
            amplitudes[number] = parts
            if made.envelope == "product":
                weights[number] *= inside
        in_bands = made.envelope == "band" or kept == "own"
        many = (np.prod(k.shape[:2]), -1)
        packets = WavePacket(
            x.reshape(many),
            k.reshape(many),
            np.repeat(made.packet.band, len(points)),
            amplitudes=None if in_bands else amplitudes.reshape(many),
        )
        return cls(packets, weights / weights.sum(axis=1, keepdims=True))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean (P, T, ..) over trajectories (P Q, T, ..)."""
        count, queue = self.weights.shape
        return np.asarray(np.einsum("pq,pqt...->pt...", self.weights, values.reshape(count, queue, *values.shape[1:])))

    def spread(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (P, T, d) of trajectories (P Q, T, d)."""
        mean = self.mean(positions)
        square = self.mean((positions - np.repeat(mean, self.weights.shape[1], axis=0)) ** 2)
        return mean, np.sqrt(square)


def state_of(plan: Plan, number: int) -> np.ndarray:
    """The state (N,) that a packet has at all k, or that fixes the phase of its band."""
    made = plan.made
    if made.packet.amplitudes is not None:
        return np.asarray(made.packet.amplitudes[number])
    return reference_of(plan.hamiltonian, made, number, float(plan.times[0]))


def placed(
    plan: Plan, number: int, k: np.ndarray, kept: tuple[int, ...] | str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shifts (Q, d), weights (Q,) and normalised parts (Q, N) of a packet's state in the bands of a theory."""
    model, made, t = plan.hamiltonian.model, plan.made, float(plan.times[0])
    here = model if isinstance(model, AbstractModel) else model.at(made.packet.position[number], t)
    # a packet of one band has the place of that band, whatever else the theory keeps
    own = (int(made.packet.band[number]),)
    group = own if isinstance(kept, str) or made.envelope == "band" else kept
    found, state = bands(here, k), state_of(plan, number)
    shift, weight = gauge_connection(found, state, group)
    inside = np.asarray(found.states)[:, :, list(group)]
    parts = np.einsum("kin,kjn,j->ki", inside, inside.conj(), state)
    return shift, weight, parts / weight[:, None] ** 0.5
