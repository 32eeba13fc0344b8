"""Where packets start: the units of their states, and whether their bands are apart."""

from __future__ import annotations

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.errors import DegenerateBandsError
from blochflow.dynamics.equations import level
from blochflow.dynamics.stepping import BATCHES
from blochflow.geometry.packet import with_nearest
from blochflow.models.base import AbstractModel
from blochflow.models.local import AbstractLocalModel
from blochflow.models.packets import WavePacket

Model = AbstractModel | AbstractLocalModel

SEVERAL = 'Keep both, theory=bf.Manifold(active=...), or all bands, theory="ehrenfest".'
STATE = "Say in which state of them packets are, bf.WavePacket(..., amplitudes=...)."
SMALLEST_GAP = 1e-9  # of the model's energy: bands that rounding cannot separate


class Scale(eqx.Module):
    """Length and energy of a model, in which its states are written."""

    length: Array
    energy: Array


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


def several(bands: tuple[int, ...]) -> str:
    """What moves packets of bands that touch."""
    kept = f"theory=bf.Manifold(active={bands})"
    return f'Give packets `amplitudes`, and keep these bands, {kept}, or all, theory="ehrenfest".'


@eqx.filter_jit
def _gaps(model: Model, band: Array, k: Array, x: Array, t: Array) -> Array:
    """Distances of packets to the nearest band."""
    return jax.vmap(lambda n, q, r: level(model, n, q, r, t).gap)(band, k, x)


def check_apart(model: Model, packets: WavePacket, time: float, scale: Scale, remedy: str = "") -> None:
    """Raise where a packet starts on a degeneracy of its band; a group of bands needs amplitudes, too."""
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
        raise DegenerateBandsError(
            packets.wavevector[worst], pair, float(gaps[worst]), "wave packet of one band", remedy or several(pair)
        )
