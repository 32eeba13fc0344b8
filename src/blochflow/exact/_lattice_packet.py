"""Exact evolution of wave packets on a finite lattice; see `lattice_packet`.

    i hbar d_t psi = H(t) psi,   H from the hoppings of the model, at the centre of each bond

The loop over times and the judgement; arguments are checked in `packet_plan`, the steps are in `hopping_source`,
`sample`, `packet_state` and `evolution`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_bool
from blochflow.core.errors import ConvergenceError, ValidityWarning
from blochflow.exact.evolution import Effort, evolve_changing, evolve_steady
from blochflow.exact.magnetic_packet import initial_states
from blochflow.exact.packet_plan import Plan, as_plan
from blochflow.exact.packet_record import EDGE_LIMIT, LatticeStatus, Record, as_result
from blochflow.exact.packet_state import Observer
from blochflow.exact.sample import LatticeHamiltonian
from blochflow.execution.threads import Execution
from blochflow.models.packets import WavePacket
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr

EDGE_FRACTION = 50  # an edge is a fiftieth of the sample, and no less than the longest hopping
REGULAR = 1e-3  # of max|H|: what the lattice of a k.p model may change within a packet


def lattice_packet(
    model: Any,
    packet: WavePacket,
    times: Any,
    *,
    sites: Any,
    electric_field: Any = None,
    magnetic_field: Any = None,
    center: Any = None,
    envelope: str = "band",
    reference: Any = None,
    lattice_constant: Any = None,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Wave packets evolved by the Schroedinger equation on a finite lattice: the reference for trajectories.

        i hbar d_t psi = H psi,   H_ij = t_ij(R; (r_i + r_j)/2, t) exp(-i (e/hbar) Int_j^i A.dl) + delta_ij e E.r_i

    Source: [Sundaram1999] for the packets, [Peierls1933] for the phases, [TalEzer1984] (H steady) and [Blanes2006],
    [Alvermann2011] (H(t)) for the evolution.  Valid for: independent electrons, any number of bands; exact for the
    hoppings, apart from the edges of the sample, which packets must not reach.  Not included: position matrices of
    Wannier functions beyond their centres, the Zeeman energy (``model.with_zeeman``).

    Parameters
    ----------
    model : TightBinding, LatticeModel, ContinuumModel, LocalModel or textured model
        Hoppings of functions of k are found by Fourier transform; those of a model that varies in space are taken at
        the centre of the bond.  A k.p model needs ``lattice_constant``.
    packet : WavePacket
        One or many, with ``width``: the standard deviation W of |psi|^2 along each axis.
    times : (T,) array
        Increasing, or decreasing for evolution backwards; packets start at the first.
    sites : int or (d,) ints
        Unit cells along each lattice vector.
    electric_field : (d,) array or function of (x, t), optional
        Uniform in space; a function may change in time.
    magnetic_field : (3,) array, in two dimensions a number, optional
        Uniform and steady; k of the packet is the kinetic wave vector, at its centre.
    center : (d,) array, optional
        Middle of the sample; by default the mean position of the packets.
    envelope : "band" or "product"
        sum_k exp(-W^2 (k - k0)^2) exp(i k.(r - x0)) u(k), of one band; or a Gaussian times u(k0), which has some
        weight in other bands.  ``amplitudes`` of the packet replace u(k0), as a product.
    reference : (N,) array, optional
        State whose overlap with u(k) is positive: it fixes the phases of u(k), hence the position.  By default u(k0):
        the mean position is then x0, up to the spread in k.
    lattice_constant : float, optional
        Spacing of the cubic lattice on which a k.p model is evolved, with q(k) = k [1 - (ka)^8/630] for k.
    tolerance : Tolerance, optional
        rtol: error of the state (norm) at the last time where H changes in time; default 1e-8.
    execution : Execution, optional
        Its ``max_memory`` bounds the matrix.
    throw : bool
        Raise where a packet comes too close to an edge.

    Returns
    -------
    Dataset
        ``position``, its ``spread`` (standard deviation) and ``position_error``, ``wavevector`` (mean, unwrapped, from
        the phase of translations) with dims (packet, time, a); ``energy`` (without e E.r), ``norm_error`` (packet,
        time); ``populations`` (packet, time, band) in the bands of H(k, <x>, t), which are exact for uniform H without
        B, else up to the variation of the states within a packet; ``edge_weight``, ``status`` (packet).  Attributes:
        ``edge_weight``, ``norm_error``, ``energy_drift`` (of a steady H, else NaN), ``state_error``, ``hopping_error``,
        ``evaluations`` (products with the matrix).

    Raises
    ------
    ValueError
        No width, a sample too small for a packet or too large for the memory, fields that are not uniform, a k.p model
        without ``lattice_constant``, or with one too large for the packet.
    DegenerateBandsError
        Bands meet within a packet.
    ConvergenceError
        A packet reached an edge; ``.result`` is the whole Dataset.

    Warns
    -----
    ValidityWarning
        Hoppings that do not end, position matrices that are left out.

    Examples
    --------
    A packet in a uniform field oscillates: after half a period it is at x = -4/(eE), less for its spread in k.

    >>> import blochflow as bf, numpy as np
    >>> chain = bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))])
    >>> packet = bf.WavePacket([0.0], [0.0], width=8.0)
    >>> run = bf.exact.lattice_packet(chain, packet, [0.0, 10 * np.pi], sites=200, electric_field=[0.1])
    >>> x = float(run.position[0, -1, 0])
    >>> round(x, 6), round(float(-40 * np.exp(-1 / (8 * 8.0**2))), 6)
    (-39.921951, -39.921951)
    """
    plan = as_plan(
        model,
        packet,
        times,
        sites=sites,
        electric_field=electric_field,
        magnetic_field=magnetic_field,
        center=center,
        envelope=envelope,
        reference=reference,
        lattice_constant=lattice_constant,
        tolerance=tolerance,
        execution=execution,
    )
    as_bool(throw, "throw")
    return judged(as_result(plan, evolve(plan)), throw)


def evolve(plan: Plan) -> Record:
    """The state at all times, and what is seen of it."""
    h, sample = plan.hamiltonian, plan.sample
    matrix = LatticeHamiltonian(plan.source, sample, plan.magnetic, plan.electric, plan.steady_field)
    edge = np.maximum(plan.source.reach, sample.shape // EDGE_FRACTION)
    observer = Observer(h, sample, plan.magnetic, np.maximum(edge, 1))
    state = initial_states(h, plan.made, sample, plan.magnetic, float(plan.times[0]))
    record, effort = Record.empty(plan.made.packet, len(plan.times), h.num_bands), Effort()
    record.start(observer, matrix, state, float(plan.times[0]), np.asarray(h.lattice.vectors))
    kernel_times = plan.times / plan.clock
    if matrix.steady:
        states = evolve_steady(matrix.at(float(plan.times[0])), state, kernel_times, effort)
    else:
        states = evolve_changing(lambda t: matrix.at(t * plan.clock), state, kernel_times, plan.rtol, effort)
    for number, time, now in states:
        record.pass_by(observer, now)
        if number is not None:
            cut = plan.source.error * abs(time - kernel_times[0])
            record.save(observer, matrix, now, number, float(plan.times[number]), effort.error + cut)
    record.finish(effort, matrix.steady, plan.source.error)
    return record


def judged(result: xr.Dataset, throw: bool) -> xr.Dataset:
    """Raise, or warn, where a packet reached an edge or left the zone of a k.p model."""
    lost = np.flatnonzero(result.status.values != LatticeStatus.COMPLETE.name)
    if throw and len(lost):
        raise ConvergenceError(
            f"{len(lost)} of {result.sizes['packet']} packets did not stay within the sample: packet {int(lost[0])} "
            f"had {float(result.edge_weight[lost[0]]):.2g} of its weight near an edge, allowed is {EDGE_LIMIT:g}. "
            f"{result.attrs['status_message']} Pass throw=False to get the result as it is.",
            result,
        )
    if len(lost):
        warnings.warn(
            f"The evolution of {len(lost)} packets is that of a sample with edges: {result.attrs['status_message']}",
            ValidityWarning,
            stacklevel=3,
        )
    return result
