"""Arguments of `propagate`, checked before anything moves: the theory, steps, collisions, where packets start."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_choice, as_index, as_real_array, fail
from blochflow.core.errors import DegenerateBandsError
from blochflow.dynamics.collisions import Collisions
from blochflow.dynamics.equations import Adiabatic, level
from blochflow.dynamics.flight import BATCHES, SMALLEST_GAP
from blochflow.dynamics.scatterers import AbstractScatterer, make_scatterer
from blochflow.dynamics.theory import AbstractTheory, AdiabaticTheory, Model, Scale
from blochflow.geometry.packet import with_nearest
from blochflow.models.base import AbstractModel
from blochflow.models.fields import Fields
from blochflow.models.local import AbstractLocalModel
from blochflow.models.packets import WavePacket
from blochflow.zone.tolerance import Tolerance

DEFAULT_RTOL = 1e-9


def as_conserving(step: Any, model: Model, fields: Fields) -> float | None:
    """Length of steps that conserve the energy, or None; refuses what has no such energy."""
    if step is None:
        return None
    length = float(as_real_array(step, "conserving_step", max_ndim=0, positive=True))
    if isinstance(model, AbstractLocalModel) and model.varies_in_time:
        raise fail("conserving_step", "be left out for models that vary in time", f"is given for {model.name}")
    if not fields.uniform:
        raise fail("conserving_step", "be left out where fields are functions of (x, t)", f"is {step!r}")
    return length


def as_scatterer(
    collisions: Any, seed: Any, model: Model, fields: Fields, theory: AbstractTheory, sense: float
) -> AbstractScatterer | None:
    """Collisions of a run, or None; refuses what they cannot be combined with."""
    if collisions is None:
        if seed is not None:
            raise fail("seed", "be left out without `collisions`", f"is {seed!r}")
        return None
    if not isinstance(collisions, Collisions):
        raise fail("collisions", "be a bf.Collisions", f"is a {type(collisions).__name__}")
    must = "be a non-negative integer where `collisions` are given"
    if seed is None or as_index(seed, "seed", must) < 0:
        raise fail("seed", must, f"is {seed!r}")
    if not isinstance(model, AbstractModel):
        raise fail("collisions", "be left out for models that vary in space or time", f"are given for {model.name}")
    if fields.magnetic_function is not None:
        raise fail("magnetic_field", "be uniform where `collisions` are given", "is a function")
    if sense < 0:
        raise fail("times", "increase where `collisions` are given", "decrease")
    if not isinstance(theory, AdiabaticTheory):
        raise fail("theory", 'be "adiabatic" where `collisions` are given', f"is {theory!r}")
    if fields.electric_function is not None and theory.options.second_order:
        raise fail("electric_field", "be uniform where `collisions` are given at second order", "is a function")
    return make_scatterer(collisions, model, fields, theory.options, int(seed))


def as_theory(theory: Any) -> AbstractTheory:
    """A theory by name or by its options."""
    if isinstance(theory, Adiabatic):
        return AdiabaticTheory(theory)
    as_choice(theory, "theory", ("adiabatic",))
    return AdiabaticTheory(Adiabatic())


def as_step_tolerance(tolerance: Any) -> float:
    """Error of one step."""
    if tolerance is None:
        return DEFAULT_RTOL
    if not isinstance(tolerance, Tolerance):
        raise fail("tolerance", "be a bf.Tolerance, e.g. bf.Tolerance(rtol=1e-9)", f"is {tolerance!r}")
    if not 1e-14 <= tolerance.rtol <= 1e-2:
        raise fail("tolerance", "have an rtol between 1e-14 and 1e-2", f"has rtol = {tolerance.rtol:g}")
    return float(tolerance.rtol)


def scale_of(model: Model, packets: WavePacket, time: float) -> Scale:
    """Length of the model, and an energy: its largest velocity matrix at the starts over the length."""
    at_start = model if isinstance(model, AbstractModel) else model.at(packets.position[0], time)
    length = (
        at_start.matrices(jnp.asarray(packets.wavevector[:1])).length
        if model.lattice is None
        else model.lattice.shortest
    )
    gradient = at_start.matrices(jnp.asarray(packets.wavevector[:64])).gradient
    energy = float(jnp.abs(gradient).max()) / float(length)
    return Scale(jnp.asarray(length, dtype=jnp.float64), jnp.asarray(energy if energy > 0 else 1.0))


@eqx.filter_jit
def _gaps(model: Model, band: Array, k: Array, x: Array, t: Array) -> Array:
    """Distances of packets to the nearest band."""
    return jax.vmap(lambda n, q, r: level(model, n, q, r, t).gap)(band, k, x)


def check_apart(model: Model, packets: WavePacket, time: float, scale: Scale) -> None:
    """Raise where a packet starts on a degeneracy of its band."""
    if model.num_bands == 1:
        return
    arrays, found = (packets.band, packets.wavevector, packets.position), []
    size = next((size for size in BATCHES if size >= packets.count), BATCHES[-1])
    for start in range(0, packets.count, size):
        rows = np.minimum(np.arange(start, start + size), packets.count - 1)
        bands, k, x = (jnp.asarray(array[rows]) for array in arrays)
        found.append(np.asarray(_gaps(model, bands, k, x, jnp.asarray(time))))
    gaps = np.concatenate(found)[: packets.count]
    worst = int(np.nanargmin(gaps)) if np.isfinite(gaps).any() else 0
    if not gaps[worst] > SMALLEST_GAP * float(scale.energy):
        here = model if isinstance(model, AbstractModel) else model.at(packets.position[worst], time)
        energies = np.linalg.eigvalsh(np.asarray(here.hamiltonian(packets.wavevector[worst])))
        band = int(packets.band[worst])
        pair = with_nearest(energies, band)
        raise DegenerateBandsError(packets.wavevector[worst], pair, float(gaps[worst]), "wave packet of one band")
