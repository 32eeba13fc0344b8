"""Groups of bands where packets start: whether they are apart from the others, and how much of a state is in them."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import fail
from blochflow.core.errors import DegenerateBandsError
from blochflow.dynamics.equations import hamiltonian_at
from blochflow.dynamics.starts import SEVERAL, SMALLEST_GAP, Model, Scale
from blochflow.dynamics.stepping import BATCHES
from blochflow.geometry.eigen import eigh
from blochflow.geometry.subspace import Subspace
from blochflow.models.packets import WavePacket

OUTSIDE = 1e-8  # weight outside of a group of bands that counts as rounding of what the user typed


def as_bands(value: Any, name: str, must: str = "hold distinct band indices >= 0, such as (0, 1)") -> tuple[int, ...]:
    """Bands of a `Subspace` or of any sequence, ascending; ValueError names the argument."""
    try:
        return (value if isinstance(value, Subspace) else Subspace(value)).bands
    except ValueError as exc:
        raise fail(name, must, f"is {value!r}") from exc


@eqx.filter_jit
def _bands(model: Model, k: Array, x: Array, t: Array) -> tuple[Array, Array]:
    return jax.vmap(lambda q, r: eigh(hamiltonian_at(model, q, r, t).hamiltonian))(k, x)


def bands_at_start(model: Model, packets: WavePacket, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Energies (P, N) and states (P, N, N) where packets start."""
    size = next((size for size in BATCHES if size >= packets.count), BATCHES[-1])
    found = []
    for start in range(0, packets.count, size):
        rows = np.minimum(np.arange(start, start + size), packets.count - 1)
        k, x = (jnp.asarray(array[rows]) for array in (packets.wavevector, packets.position))
        found.append(jax.tree.map(np.asarray, _bands(model, k, x, jnp.asarray(time))))
    energies, states = (np.concatenate(parts)[: packets.count] for parts in zip(*found, strict=True))
    return energies, states


def check_group_apart(
    model: Model, packets: WavePacket, time: float, scale: Scale, group: tuple[int, ...], name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Raise where a group of bands does not exist or touches another band at a start; energies and states there."""
    count = model.num_bands
    if group[-1] >= count:
        raise fail(name, f"name bands 0 to {count - 1} of the model", f"is {group}")
    energies, states = bands_at_start(model, packets, time)
    rest = [n for n in range(count) if n not in group]
    if rest:
        gaps = np.abs(energies[:, list(group), None] - energies[:, None, rest])
        worst = int(gaps.min(axis=(1, 2)).argmin())
        inside, outside = np.unravel_index(int(gaps[worst].argmin()), gaps.shape[1:])
        gap = float(gaps[worst].min())
        if not gap > SMALLEST_GAP * float(scale.energy):
            pair = tuple(sorted((group[inside], rest[outside])))
            raise DegenerateBandsError(packets.wavevector[worst], pair, gap, f"group of bands {group}", SEVERAL)
    return energies, states


def check_members(packets: WavePacket, states: np.ndarray, group: tuple[int, ...], name: str) -> None:
    """Raise where a packet is not in the group of bands."""
    if packets.amplitudes is None:
        bands = sorted(set(packets.band.tolist()))
        if not set(bands) <= set(group):
            raise fail("band", f"be one of the bands {group} of `{name}`", f"holds {bands}")
        return
    weights = shares(states, packets.amplitudes, group)[1]
    worst = int(weights.argmin())
    if weights[worst] < 1 - OUTSIDE:
        must = f"lie in the bands {group} of `{name}` (bf.nonadiabatic.projected makes them)"
        raise fail("amplitudes", must, f"of packet {worst} have a weight of {weights[worst]:.6g} there")


def bands_of_packets(model: Model, packets: WavePacket, time: float, scale: Scale) -> tuple[int, ...]:
    """The bands in which packets are, with those that touch them, at all starts alike."""
    energies, states = bands_at_start(model, packets, time)
    if packets.amplitudes is None:
        taken = np.arange(energies.shape[1]) == packets.band[:, None]
    else:
        taken = np.abs(np.einsum("pin,pi->pn", states.conj(), packets.amplitudes)) ** 2 > OUTSIDE
    touching = np.abs(energies[:, :, None] - energies[:, None, :]) <= SMALLEST_GAP * float(scale.energy)
    near = np.einsum("pnm,pm->pn", touching, taken)
    if not (near == near[0]).all():
        other = int(np.flatnonzero((near != near[0]).any(axis=1))[0])
        groups = [tuple(np.flatnonzero(row).tolist()) for row in (near[0], near[other])]
        raise fail("active", "be given where packets start in different bands", f"packets 0 and {other} have {groups}")
    return tuple(int(n) for n in np.flatnonzero(near[0]))


def shares(states: np.ndarray, amplitudes: np.ndarray, group: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Parts of amplitudes (P, N) in a group of bands (P, N), and their weights (P,)."""
    inside = states[:, :, list(group)]
    parts = np.einsum("pin,pjn,pj->pi", inside, inside.conj(), amplitudes)
    return parts, np.sum(np.abs(parts) ** 2, axis=1)
