"""Packets within a group of bands: the part of their amplitudes that lies there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from blochflow.core.checks import as_real_array, fail
from blochflow.dynamics.starts import scale_of
from blochflow.geometry.subspace import Subspace
from blochflow.models.base import AbstractModel
from blochflow.models.local import AbstractLocalModel
from blochflow.models.packets import WavePacket, as_packets
from blochflow.nonadiabatic.bands_apart import as_bands, check_group_apart, shares

SMALLEST_SHARE = 1e-6


def projected(model: Any, packet: WavePacket, active: Sequence[int] | Subspace, *, time: float = 0.0) -> WavePacket:
    """Packets with the part of their amplitudes that lies in a group of bands, for `Manifold`.

        chi -> P chi/|P chi|,     weight -> weight <chi|P|chi>

    Source: [Tu2020] Eq. (34).  Valid for: groups of bands apart from all others.  Not included: amplitudes for packets
    that have none.

    Parameters
    ----------
    model : AbstractModel or LocalModel
    packet : WavePacket
        With ``amplitudes``.
    active : sequence of int or Subspace
        The group of bands.
    time : float
        At which the packets start, for models that vary in time.

    Returns
    -------
    WavePacket

    Raises
    ------
    ValueError
        No amplitudes, bands that do not exist, or a packet with less than 1e-6 of its weight in them.
    DegenerateBandsError
        The group touches another band.

    Examples
    --------
    >>> import blochflow as bf
    >>> packet = bf.WavePacket([0.0, 0.0], [0.3, 0.5], amplitudes=[0.6, 0.8])
    >>> inside = bf.nonadiabatic.projected(bf.zoo.haldane(), packet, [0])
    >>> round(float(inside.weight[0]), 6)
    0.968864
    """
    if not isinstance(model, AbstractModel | AbstractLocalModel):
        raise fail("model", "be a model", f"is a {type(model).__name__}")
    packets = as_packets(packet, model.dimension, model.num_bands)
    if packets.amplitudes is None:
        raise fail("packet", "have amplitudes", "has none")
    group = as_bands(active, "active")
    start = float(as_real_array(time, "time", max_ndim=0))
    scale = scale_of(model, packets, start)
    _, states = check_group_apart(model, packets, start, scale, group, "active")
    parts, weights = shares(states, packets.amplitudes, group)
    if weights.min() < SMALLEST_SHARE:
        worst = int(weights.argmin())
        raise fail(
            "amplitudes", f"have some weight in the bands {group}", f"of packet {worst} have {weights[worst]:.3g}"
        )
    return replace(packets, amplitudes=parts / weights[:, None] ** 0.5, weight=packets.weight * weights)
