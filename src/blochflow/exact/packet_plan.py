"""What an exact evolution is asked for: arguments checked, hoppings found, before anything is evolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_index, as_real_array, as_times, fail
from blochflow.exact.bloch_hamiltonian import BlochHamiltonian
from blochflow.exact.hopping_source import HoppingSource, hopping_source
from blochflow.exact.hoppings_2d import warn_of_positions
from blochflow.exact.packet_state import Preparation
from blochflow.exact.sample import Sample, bytes_needed
from blochflow.execution.threads import as_execution
from blochflow.models.base import PAIRS
from blochflow.models.fields import Fields, as_fields
from blochflow.models.packets import as_packets
from blochflow.models.tight_binding import TightBinding
from blochflow.zone.tolerance import Tolerance

DEFAULT_RTOL = 1e-8
FIT = 5.0  # standard deviations between a packet and an edge: 3e-7 of its weight lies beyond
REGULAR = 1e-3  # of max|H|: what the lattice of a k.p model may change within a packet


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that is known before the evolution starts.

    Attributes
    ----------
    hamiltonian, made, source, sample : what is evolved, from which packets, with which hoppings, where
    times : (T,) in the model's unit
    clock : model's time unit in hbar/energy
    magnetic : (d, d)
        G with A = G (r - c)/2 times e/hbar.
    electric : function of the model's time, or None
    steady_field : whether that function is a constant
    rtol : norm of the error of the state at the last time
    """

    hamiltonian: BlochHamiltonian
    made: Preparation
    source: HoppingSource
    sample: Sample
    times: np.ndarray
    clock: float
    magnetic: np.ndarray
    electric: Callable[[float], np.ndarray] | None
    steady_field: bool
    rtol: float


def as_plan(
    model: Any,
    packet: Any,
    times: Any,
    *,
    sites: Any,
    electric_field: Any,
    magnetic_field: Any,
    center: Any,
    envelope: Any,
    reference: Any,
    lattice_constant: Any,
    tolerance: Any,
    execution: Any,
) -> Plan:
    """Check all arguments and find the hoppings."""
    h = BlochHamiltonian.of(model, lattice_constant)
    packets = as_packets(packet, h.dimension, h.num_bands)
    saved = as_times(times)
    made = Preparation.of(packets, envelope, reference, h.num_bands)
    fields = as_fields(electric_field, magnetic_field, h.dimension, model.units)
    rtol = as_state_tolerance(tolerance)
    sample = as_sample(h, made, sites, center)
    check_fit(sample, made)
    if fields.magnetic_function is not None:
        raise fail("magnetic_field", "be uniform and steady for exact evolution", "is a function")
    electric = as_electric(fields, sample, saved)
    if isinstance(model, TightBinding):
        warn_of_positions(model)
    check_regular(h, made, saved)
    source = hopping_source(h, sample.corners, saved)
    needed, most = bytes_needed(source, sample.shape, packets.count), as_execution(execution).memory_bytes
    if needed > most:
        must = f"need at most the {most / 2**30:.3g} GiB of Execution(max_memory=...)"
        raise fail("sites", must, f"{sample.shape.tolist()} need {needed / 2**30:.3g} GiB")
    return Plan(
        h,
        made,
        source,
        sample,
        saved,
        fields.clock,
        field_matrix(np.asarray(fields.magnetic), h.dimension),
        electric,
        fields.electric_function is None,
        rtol,
    )


def as_state_tolerance(tolerance: Any) -> float:
    """Error of the state at the last time."""
    if tolerance is None:
        return DEFAULT_RTOL
    if not isinstance(tolerance, Tolerance):
        raise fail("tolerance", "be a bf.Tolerance, e.g. bf.Tolerance(rtol=1e-9)", f"is {tolerance!r}")
    if not 1e-13 <= tolerance.rtol <= 1e-2:
        raise fail("tolerance", "have an rtol between 1e-13 and 1e-2", f"has rtol = {tolerance.rtol:g}")
    return float(tolerance.rtol)


def as_sample(h: BlochHamiltonian, made: Preparation, sites: Any, center: Any) -> Sample:
    """The sample of ``sites`` cells around ``center``."""
    d, must = h.dimension, "be a number of unit cells of at least 2, or one along each lattice vector"
    listed = sites if isinstance(sites, list | tuple | np.ndarray) else [sites] * d
    counts = [as_index(value, "sites", must) for value in listed]
    if len(counts) != d or min(counts) < 2:
        raise fail("sites", f"{must} ({d})", f"is {sites!r}")
    middle = made.packet.position.mean(axis=0)
    if center is not None:
        middle = np.atleast_1d(as_real_array(center, "center"))
        if middle.shape != (d,):
            raise fail("center", f"have shape ({d},)", f"has shape {middle.shape}")
    vectors, orbitals = np.asarray(h.lattice.vectors), np.asarray(h.orbitals)
    return Sample.around(vectors, orbitals, np.array(counts), middle)


def check_fit(sample: Sample, made: Preparation) -> None:
    """Every packet must start several widths away from the edges."""
    inverse = np.linalg.inv(sample.vectors)
    # columns of the inverse are normal to the faces; a coordinate of the packet along them is normally distributed
    deviation = np.sqrt((inverse**2 * made.width[:, None] ** 2).sum(axis=0))
    place = (made.packet.position - sample.orbitals.mean(axis=0)) @ inverse - sample.first
    room = np.minimum(place + 0.5, sample.shape - 0.5 - place) / deviation
    if room.min() < FIT:
        number, axis = np.unravel_index(int(room.argmin()), room.shape)
        least = int(np.ceil(2 * FIT * deviation[axis] + 1))
        raise fail(
            "sites",
            f"leave {FIT:g} widths between each packet and the edges: more than {least} cells along a{axis + 1}, "
            "around the path of the packet (`center` moves the sample)",
            f"packet {number} starts {room[number, axis]:.2g} widths from an edge of {sample.shape.tolist()} cells",
        )


def check_regular(h: BlochHamiltonian, made: Preparation, times: np.ndarray) -> None:
    """The lattice of a k.p model must be fine enough for the packet it starts with."""
    error = regularization_error(h, made, float(times[0]))
    if error > REGULAR:
        must = "be small enough for the packet: |k| well below pi/2a"
        raise fail("lattice_constant", must, f"it changes H(k) by {error:.2g} of its size within the packet")


def regularization_error(h: BlochHamiltonian, made: Preparation, t: float) -> float:
    """Largest change of H(k) that the lattice of a k.p model makes within three standard deviations, over max|H|."""
    if h.spacing is None:
        return 0.0
    worst = 0.0
    steps = np.stack(np.meshgrid(*[[-3.0, 0.0, 3.0]] * h.dimension, indexing="ij"), axis=-1).reshape(-1, h.dimension)
    for x, k in zip(made.packet.position, made.packet.wavevector, strict=True):
        around = k + steps / (2 * made.width)
        if (np.abs(around) * float(h.spacing) > np.pi / 2).any():
            return np.inf
        there, here = h.sampled(around, x, t), h.sampled_without_lattice(around, x, t)
        worst = max(worst, float(np.abs(there - here).max() / max(np.abs(here).max(), 1e-300)))
    return worst


def as_electric(fields: Fields, sample: Sample, times: np.ndarray) -> Callable[[float], np.ndarray] | None:
    """E as a function of the model's time alone; None without field."""
    if fields.electric_function is None:
        steady = np.asarray(fields.electric)
        return (lambda t: steady) if steady.any() else None
    function, middle = fields.electric_function, sample.middle

    def electric(t: float) -> np.ndarray:
        return np.asarray(function(middle, t), dtype=float)

    for t in times[0] + np.array([0.0, 0.3137, 0.7211, 1.0]) * (times[-1] - times[0]):
        for place in (*sample.corners, 0.7 * sample.corners[0] + 0.3 * sample.corners[1]):
            there = np.asarray(function(place, t), dtype=float)
            if not np.allclose(there, electric(t), rtol=1e-12, atol=0):
                must = "be uniform in space; write the potential energy of others into H(k, x, t) of a bf.LocalModel"
                raise fail("electric_field", must, f"differs between places at t = {t:.6g}")
    return electric


def field_matrix(magnetic: np.ndarray, dimension: int) -> np.ndarray:
    """G with B x r = G r, from the components of `PAIRS`."""
    result = np.zeros((dimension, dimension))
    for value, (a, b) in zip(magnetic, PAIRS[dimension], strict=True):
        # (B x r)_a = -B_ab r_b
        result[a, b], result[b, a] = -value, value
    return result
