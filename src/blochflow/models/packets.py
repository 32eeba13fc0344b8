"""Wave packets: where they are, in which band, how much they weigh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_complex_array, as_real_array, fail

LARGEST_NORM_ERROR = 1e-8  # amplitudes typed with eight digits


@dataclass(frozen=True, eq=False)
class WavePacket:
    """One wave packet, or many along a leading axis.

    Parameters
    ----------
    position : (d,) or (P, d)
        Centre x, in the model's length.
    wavevector : (d,) or (P, d)
        Centre k, Cartesian.
    band : int or (P,)
        Counted from the lowest.
    amplitudes : (N,) or (P, N) complex, optional
        State in the orbital basis, of norm 1, for theories of several bands.
    width : float or (d,), optional
        Standard deviation of |psi(x)|^2, for exact evolution on a lattice; trajectories do not depend on it.
    weight : float or (P,)
        Number of electrons each packet stands for.

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite, a negative band or width, amplitudes not of norm 1.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.WavePacket([0.0, 0.0], [[0.1, 0.2], [0.3, 0.4]], band=1).count
    2
    """

    position: Any
    wavevector: Any
    band: Any = 0
    amplitudes: Any = None
    width: Any = None
    weight: Any = 1.0

    def __post_init__(self) -> None:
        position = np.atleast_1d(as_real_array(self.position, "position", max_ndim=2))
        wavevector = np.atleast_1d(as_real_array(self.wavevector, "wavevector", max_ndim=2))
        if position.shape[-1] != wavevector.shape[-1]:
            raise fail("position", f"have {wavevector.shape[-1]} components like `wavevector`", f"has {position.shape}")
        band = np.asarray(self.band)
        if band.dtype.kind not in "iu" or band.ndim > 1 or (band.size and band.min() < 0):
            raise fail("band", "be an integer of at least 0, or one for each packet", f"is {self.band!r}")
        weight = as_real_array(self.weight, "weight", positive=False)
        amplitudes = None if self.amplitudes is None else as_complex_array(self.amplitudes, "amplitudes", max_ndim=2)
        rows = {"position": position[..., 0], "wavevector": wavevector[..., 0], "band": band, "weight": weight}
        if amplitudes is not None:
            rows["amplitudes"] = amplitudes[..., 0]
            norms = np.linalg.norm(amplitudes, axis=-1)
            if np.abs(norms - 1).max() > LARGEST_NORM_ERROR:
                worst = float(norms.flat[int(np.abs(norms - 1).argmax())])
                raise fail("amplitudes", "be of norm 1", f"have norm {worst:.10g}")
        counts = {name: len(value) for name, value in rows.items() if value.ndim}
        count = max(counts.values(), default=1)
        for name, found in counts.items():
            if found not in (1, count):
                raise fail(name, f"hold one value, or one for each of the {count} packets", f"holds {found}")
        width = None if self.width is None else as_real_array(self.width, "width", positive=True)
        if width is not None and width.ndim and width.shape != (position.shape[-1],):
            raise fail("width", f"be a number or have shape ({position.shape[-1]},)", f"has shape {width.shape}")
        checked = {
            "position": np.broadcast_to(position, (count, position.shape[-1])),
            "wavevector": np.broadcast_to(wavevector, (count, wavevector.shape[-1])),
            "band": np.broadcast_to(band.astype(np.int64), (count,)),
            "weight": np.broadcast_to(weight, (count,)),
            "amplitudes": None if amplitudes is None else np.broadcast_to(amplitudes, (count, amplitudes.shape[-1])),
            "width": width,
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def count(self) -> int:
        """Number of packets."""
        return len(self.band)

    @property
    def dimension(self) -> int:
        """Number of components of x and k."""
        return int(self.position.shape[-1])


def as_packets(value: Any, dimension: int, num_bands: int) -> WavePacket:
    """Check that ``value`` is a `WavePacket` that fits the model."""
    if not isinstance(value, WavePacket):
        raise fail("packet", "be a bf.WavePacket", f"is a {type(value).__name__}")
    if value.dimension != dimension:
        raise fail("packet", f"have {dimension} components of x and k, like the model", f"has {value.dimension}")
    if value.band.max() >= num_bands:
        raise fail("band", f"name bands 0 to {num_bands - 1} of the model", f"holds {int(value.band.max())}")
    if value.amplitudes is not None and value.amplitudes.shape[-1] != num_bands:
        raise fail("amplitudes", f"have {num_bands} components, like the model", f"have {value.amplitudes.shape[-1]}")
    return value
