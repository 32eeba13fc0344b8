"""Propagate wave packets by any theory of motion: arguments, the error, the result."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Never

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import as_bool, as_times, fail
from blochflow.dynamics.arguments import as_conserving, as_scatterer, as_step_tolerance
from blochflow.dynamics.collisions import Collisions
from blochflow.dynamics.events import Event, as_events
from blochflow.dynamics.flight import Flight
from blochflow.dynamics.propagation import journey, judged
from blochflow.dynamics.setup import Setup
from blochflow.dynamics.starts import Model, scale_of
from blochflow.dynamics.trajectory import Track, as_dataset
from blochflow.execution.threads import Execution, as_execution
from blochflow.models.base import AbstractModel
from blochflow.models.fields import as_fields
from blochflow.models.local import AbstractLocalModel
from blochflow.models.packets import WavePacket, as_packets
from blochflow.nonadiabatic.theories import as_theory, misplaced
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr

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
    **unknown: Never,
) -> xr.Dataset:
    """Trajectories of wave packets in electric and magnetic fields, textures and drives.

        xdot = d_k h/hbar - Omega_kk kdot - Omega_kx xdot - Omega_kt
        hbar kdot = -d_x h - eE - e xdot x B + hbar (Omega_xk kdot + Omega_xx xdot + Omega_xt)
        h = E_n - m.B - Im sum_a <d_xa u|(H - E_n)|d_ka u>^*                                       "adiabatic"
        i hbar chidot = H(k, x, t) chi,   xdot = <chi|d_k H|chi>/hbar,   hbar kdot = -eE - <chi|d_x H|chi>   "ehrenfest"
        i hbar chidot = (PHP + i hbar [Pdot, P]) chi,   Omega -> <chi|i P[dP, dP]P|chi>              "manifold"

    Source: [Sundaram1999] Eqs. (3.11), (5.8); [Xiao2010] Sec. V; several bands: [Tu2020] Eqs. (8)-(10), (34)-(42).
    Valid for: one band (a group of bands) apart from the others, packets wide against the lattice and narrow against
    fields and textures; "ehrenfest": any bands in fields, less in textures (see `Ehrenfest`).  Not included: spreading
    of the packet; transitions to bands that the theory leaves out.

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
    theory : "adiabatic", "ehrenfest", "manifold", or Adiabatic, Ehrenfest, Manifold
        One band; all bands; a group of bands, of which packets may be any superposition.  The last two take packets in
        a band or with ``amplitudes``, and no magnetic field.
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
        Steps of this length that conserve the energy (and the norm of a state) to rounding over any time, instead of
        adaptive ones: fourth order, for models and fields that are constant in time and uniform; not for "manifold".
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
        (packet); events.  Theories of several bands: ``populations`` (packet, time, level), ``norm``, ``norm_drift``,
        ``amplitudes_re``, ``amplitudes_im`` (packet, time, orbital), with which a motion can go on; "manifold":
        ``splitting``; "ehrenfest": ``mixed_curvature``.

    Raises
    ------
    ValueError
        Wrong arguments.
    TypeError
        An unknown argument, such as a term of a theory: write theory=bf.Manifold(active=(0, 1)).
    DegenerateBandsError
        A packet starts where its band touches another; names k, bands and gap.
    ConvergenceError
        A packet stopped: D below 0.1, bands that meet, a norm that changed by more than 1e-5 or a thousand times the
        error of a step, or too many steps; ``.result`` is the whole Dataset.

    Warns
    -----
    ValidityWarning
        hbar |<m|du/dt>| exceeds a tenth of the gap somewhere: transitions out of the band, or group of bands, are no
        longer negligible.  "manifold": the active bands differ by more than a tenth of the gap to the others.
        "ehrenfest": a texture with a mixed curvature above 1e-3.

    Examples
    --------
    In a uniform electric field k moves at the rate -eE/hbar.

    >>> import blochflow as bf, numpy as np
    >>> packet = bf.WavePacket([0.0, 0.0], [0.3, 0.5])
    >>> run = bf.propagate(bf.zoo.haldane(), packet, [0.0, 5.0], electric_field=[0.05, 0.0])
    >>> np.round(run.wavevector.values[0, -1], 6)
    array([0.05, 0.5 ])

    Through the gap of a chain some of the packet goes to the upper band.

    >>> chain = bf.zoo.rice_mele(t_intra=1.0, t_inter=0.8, mass=0.1)
    >>> options = {"electric_field": [0.05], "theory": "ehrenfest", "estimate_error": False}
    >>> run = bf.propagate(chain, bf.WavePacket([0.0], [0.0]), [0.0, 80.0], **options)
    >>> run.populations.values[0, -1].round(3)
    array([0.97, 0.03])
    """
    if unknown:
        raise misplaced(unknown, theory, inspect.signature(propagate).parameters)
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
    fixed = as_conserving(conserving_step, model, fields, chosen)
    chosen = chosen.settled(model, packets, fields, float(saved[0]), scale)
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
