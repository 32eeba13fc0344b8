"""Explicit groups of bands: a `Subspace` is the only way to ask for geometry of degenerate bands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from blochflow.core.backend import jnp
from blochflow.core.checks import as_index, fail
from blochflow.core.errors import DegenerateBandsError
from blochflow.geometry.bands import DEGENERACY_TOLERANCE, Bands


class Subspace:
    """A group of bands treated as one: only traces and covariant matrices over it are formed.

    Parameters
    ----------
    bands : iterable of int
        Band indices, 0 = lowest.

    Raises
    ------
    ValueError
        No bands, indices that are not integers, repeated or negative ones.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Subspace([0, 1])
    Subspace([0, 1])
    """

    def __init__(self, bands: Iterable[int]) -> None:
        must = "hold distinct band indices >= 0"
        try:
            listed = list(bands)
        except TypeError as exc:
            raise fail("bands", must, f"is {bands!r}") from exc
        indices = [as_index(b, "bands", must) for b in listed]
        if not indices or min(indices) < 0 or len(set(indices)) != len(indices):
            raise fail("bands", must, f"is {indices}")
        self.bands: tuple[int, ...] = tuple(sorted(indices))

    def __repr__(self) -> str:
        return f"Subspace({list(self.bands)})"

    def __hash__(self) -> int:
        return hash(self.bands)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subspace) and self.bands == other.bands

    def mask(self, num_bands: int) -> np.ndarray:
        """Boolean (n,): True for bands of the group."""
        if self.bands[-1] >= num_bands:
            raise fail("subspace", f"name bands 0 to {num_bands - 1}", f"is {self!r}")
        result = np.zeros(num_bands, dtype=bool)
        result[list(self.bands)] = True
        return result


def degenerate_neighbours(energies: Any, xp: Any = np, scale: Any = None) -> Any:
    """(k, n, m) True where bands n != m coincide within rounding: `DEGENERACY_TOLERANCE` times ``scale`` (k,).

    Without ``scale`` it is max|E|, which is too small where all bands meet at zero energy: see `touching_bands`.
    """
    size = xp.abs(energies).max(axis=-1) if scale is None else scale
    gap = xp.abs(energies[:, :, None] - energies[:, None, :])
    return (gap <= DEGENERACY_TOLERANCE * xp.maximum(size, 1e-300)[:, None, None]) & ~np.eye(
        energies.shape[-1], dtype=bool
    )


def rounding_scale(bands: Bands, xp: Any = np) -> Any:
    """(k,) energy whose relative rounding error is that of H(k): max|E| + max|V| (|k| + 1/a).

    A lattice Hamiltonian is a sum of hoppings of size about |V|/a, and a rounding error of k itself moves H by
    |V||k|; both remain where the energies vanish, as at the Dirac point of graphene.
    """
    velocity = xp.abs(xp.asarray(bands.velocity)).max(axis=(1, 2, 3))
    inverse_length: Any = xp.sqrt((xp.asarray(bands.k) ** 2).sum(axis=-1))
    if bands.model is not None and bands.model.lattice is not None:
        vectors = xp.asarray(bands.model.lattice.vectors)
        inverse_length = inverse_length + 1 / xp.sqrt((vectors**2).sum(axis=-1)).min()
    return xp.abs(xp.asarray(bands.energies)).max(axis=-1) + velocity * inverse_length


def touching_bands(bands: Bands) -> Any:
    """(k, n, m) True where bands n != m cannot be told apart: a NumPy array, or a traced one inside jit."""
    xp = jnp if bands.is_traced else np
    return degenerate_neighbours(xp.asarray(bands.energies), xp, rounding_scale(bands, xp))


def refuse_degenerate(bands: Bands, quantity: str, group: np.ndarray | None = None) -> None:
    """Raise `DegenerateBandsError` where a band of ``group`` (default: any) touches one outside of it.

    ``group`` is a boolean mask of bands; without it every band counts as a group of its own.
    """
    energies = np.asarray(bands.energies)
    touching = touching_bands(bands)
    if group is not None:
        touching = touching & group[None, :, None] & ~group[None, None, :]
    if not touching.any():
        return
    where = np.argwhere(touching)[0]
    k, n = int(where[0]), int(where[1])
    members = sorted({n, *np.flatnonzero(touching[k, n]).tolist()})
    gap = float(np.ptp(energies[k, members]))
    raise DegenerateBandsError(np.asarray(bands.k)[k], tuple(members), gap, quantity)
