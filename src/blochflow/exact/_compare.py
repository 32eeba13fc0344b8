"""Theories of motion against the exact evolution of a packet; see `compare`.

The trajectories that stand for a packet are in `swarm`.  This is the only module of the references that knows the
semiclassical equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import fail
from blochflow.core.dataset import CARTESIAN, description
from blochflow.exact._lattice_packet import evolve, judged
from blochflow.exact.catalog import COMPARE
from blochflow.exact.hoppings_2d import as_count
from blochflow.exact.packet_plan import Plan, as_plan
from blochflow.exact.packet_record import as_result
from blochflow.exact.swarm import Swarm
from blochflow.execution.threads import Execution
from blochflow.models.fields import as_fields
from blochflow.models.packets import WavePacket
from blochflow.nonadiabatic.ehrenfest import Ehrenfest
from blochflow.nonadiabatic.manifold import Manifold
from blochflow.nonadiabatic.theories import AbstractTheory, as_theory, settled_theory
from blochflow.nonadiabatic.trajectories import propagate
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr


def compare(
    model: Any,
    packet: WavePacket,
    times: Any,
    *,
    theories: Sequence[Any] = ("adiabatic",),
    sites: Any,
    electric_field: Any = None,
    magnetic_field: Any = None,
    nodes: int = 9,
    center: Any = None,
    envelope: str = "band",
    reference: Any = None,
    lattice_constant: Any = None,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """How far theories of motion are from the exact evolution of a wave packet on a lattice.

        difference = sum_q w_q x_q(t) - <psi(t)|x|psi(t)>,   k_q Gauss-Hermite points of variance 1/(4 W^2),
        x_q(0) = x0 + A(k_q), A the Berry connection in the gauge of the packet

    Source: [Sundaram1999], [Xiao2010].  Valid for: packets that stay away from the edges of the sample.  Not included:
    the spread of the trajectories over the positions within a packet, which matters in textures at order (W/L)^2.

    A packet of many wave vectors moves like the average over them, so that its mean position differs from the
    trajectory of its centre at order 1/W^2.  What the average leaves is the error of the theory, and an oscillation of
    order eE (1/L in a texture): packets start in the band without field, adiabatic trajectories know no other bands.

    Parameters
    ----------
    model, packet, times, sites, electric_field, magnetic_field, center, envelope, reference, lattice_constant
        As for `lattice_packet`.  Packets with ``amplitudes`` need a theory of several bands.
    theories : sequence of str or theory objects
        As for `propagate`, e.g. ``("adiabatic", "ehrenfest", bf.Manifold(active=(0, 1)))``.  A theory of a group of
        bands has the part of every packet that lies in them.
    nodes : int
        Gauss-Hermite points per axis of k.
    tolerance : Tolerance, optional
        Of the exact evolution and of the trajectories, as for `lattice_packet` and `propagate`.
    execution : Execution, optional
    throw : bool
        Raise where a packet comes to an edge, or a trajectory ends before its time.

    Returns
    -------
    Dataset
        ``difference`` (theory, packet, time, a), theory minus exact; ``theory_position``, ``theory_spread`` (of the
        trajectories), ``theory_populations`` (theory, packet, time, band); the variables of `lattice_packet`,
        ``position`` being the exact one; ``largest_difference`` and ``path`` (theory, packet): the largest distance,
        and the length of the exact path between the times.  The attribute ``summary`` says for each theory how large
        the difference is.

    Raises
    ------
    ValueError, DegenerateBandsError, ConvergenceError
        As for `lattice_packet` and `propagate`.

    Examples
    --------
    The anomalous velocity of a packet of the QWZ model, pushed along x, moves it along y:

    >>> import blochflow as bf, numpy as np
    >>> packet = bf.WavePacket([0.0, 0.0], [-0.5, 0.4], width=6.0)
    >>> result = bf.exact.compare(bf.zoo.qwz(), packet, [0.0, 10.0], sites=80, electric_field=[0.02, 0.0], nodes=5)
    >>> print(result.attrs["summary"])
    adiabatic: ...
    """
    names = check_theories(theories, nodes)
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
    means = []
    for theory in settled_theories(theories, plan, electric_field, magnetic_field):
        swarm = Swarm.of(plan, nodes, kept_bands(theory))
        run = propagate(
            model,
            swarm.packets,
            plan.times,
            electric_field=electric_field,
            magnetic_field=magnetic_field,
            theory=theory,
            tolerance=tolerance,
            estimate_error=False,
            execution=execution,
            throw=throw,
        )
        means.append((*swarm.spread(run.position.values), swarm.mean(populations_of(run))))
    # last, so that wrong arguments of a theory are found before the long calculation
    exact = judged(as_result(plan, evolve(plan)), throw)
    return as_comparison(plan, exact, names, means)


def settled_theories(
    theories: Sequence[Any], plan: Plan, electric_field: Any, magnetic_field: Any
) -> list[AbstractTheory]:
    """The theories for the packets of a plan, after checks of how these begin."""
    model, packets, start = plan.hamiltonian.model, plan.made.packet, float(plan.times[0])
    fields = as_fields(electric_field, magnetic_field, model.dimension, model.units)
    return [settled_theory(theory, model, packets, fields, start) for theory in theories]


def kept_bands(theory: AbstractTheory) -> tuple[int, ...] | str:
    """The bands a packet may be in: numbers, its "own", or "all"."""
    if isinstance(theory, Manifold):
        return theory.active or ()
    return "all" if isinstance(theory, Ehrenfest) else "own"


def populations_of(run: xr.Dataset) -> np.ndarray:
    """(P, T, N): of a theory of one band, that band."""
    if "populations" in run:
        return np.asarray(run.populations.values)
    count = int(run.attrs["num_bands"])
    alone = np.eye(count)[run.band.values][:, None]
    return np.where(np.isfinite(run.energy.values)[..., None], alone, np.nan)


def check_theories(theories: Any, nodes: Any) -> list[str]:
    """Labels of theories: their names, or their options where they are objects."""
    if isinstance(theories, str) or not isinstance(theories, Sequence) or not theories:
        raise fail("theories", 'be a sequence such as ("adiabatic",)', f"is {theories!r}")
    as_count(nodes, "nodes", 1)
    for theory in theories:
        as_theory(theory)
    names = [theory if isinstance(theory, str) else repr(theory) for theory in theories]
    if len(set(names)) < len(names):
        raise fail("theories", "name every theory once", f"is {names}")
    return names


def as_comparison(
    plan: Plan, exact: xr.Dataset, names: list[str], means: Sequence[tuple[np.ndarray, ...]]
) -> xr.Dataset:
    """The exact result with the differences of every theory."""
    length = plan.hamiltonian.model.units.length
    positions = np.stack([mean for mean, *_ in means])
    difference = positions - exact.position.values
    distance = np.linalg.norm(difference, axis=-1)
    path = np.linalg.norm(np.diff(exact.position.values, axis=1), axis=-1).sum(axis=1)
    dims, units = ("theory", "packet", "time", "a"), {"units": length}
    result = exact.assign(
        theory_position=(dims, positions, {**units, "long_name": "mean position of the trajectories"}),
        theory_spread=(
            dims,
            np.stack([spread for _, spread, _ in means]),
            {**units, "long_name": "standard deviation of the trajectories"},
        ),
        theory_populations=(
            ("theory", "packet", "time", "band"),
            np.stack([populations for *_, populations in means]),
            {"units": "1", "long_name": "mean populations of the trajectories"},
        ),
        difference=(dims, difference, {**units, "long_name": "theory minus exact"}),
        largest_difference=(
            ("theory", "packet"),
            distance.max(axis=-1),
            {**units, "long_name": "largest distance from the exact position"},
        ),
        path=(("packet",), path, {**units, "long_name": "length of the exact path"}),
    ).assign_coords(theory=names)
    summary = "\n".join(
        statement(name, difference[row], distance[row], exact, path, length) for row, name in enumerate(names)
    )
    result.attrs |= {**description(COMPARE, length), "summary": summary}
    return result


def statement(
    name: str, difference: np.ndarray, distance: np.ndarray, exact: xr.Dataset, path: np.ndarray, length: str
) -> str:
    """One sentence: how far off the theory is at worst, against path and width of that packet."""
    packet, when = np.unravel_index(int(np.nanargmax(distance)), distance.shape)
    worst, time = distance[packet, when], exact.time.values[when]
    axes = ", ".join(f"{label} {value:+.3g}" for label, value in zip(CARTESIAN, difference[packet, when], strict=False))
    parts = [f"{name}: at most {worst:.3g} {length} off ({axes}) at t = {time:.6g}"]
    if path[packet] > 0:
        parts.append(f"{100 * worst / path[packet]:.2g} % of the path")
    width = float(np.linalg.norm(exact.spread.values[packet, when]))
    parts.append(f"{100 * worst / width:.2g} % of the width of the packet")
    bound = float(np.linalg.norm(exact.position_error.values[packet, when]))
    if bound > worst / 10:
        parts.append(f"of which the exact evolution may have {bound:.2g} {length}")
    return ", ".join(parts)
