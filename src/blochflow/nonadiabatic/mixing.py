"""How strongly a field mixes bands of different groups, and what depends on it.

    r_gh = e|E.R_gh|/|E_g - E_h|       of groups g and h, |.| the norm of the block

Where r exceeds one, bands are nearer to each other than what the field does to them: with them in one group, whose
states follow by parallel transport, results may be others.  Bands of different manifolds act on each other to first
order in r, as single bands do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from blochflow.core.backend import Array, jnp
from blochflow.geometry.bands import rotate
from blochflow.geometry.eigen import eigh
from blochflow.nonadiabatic.hybridisation import FieldMatrices, Grouping, coupling

# r above which bands are strongly mixed, and above which a theory of first order is warned of.
STRONG, ACROSS = 1.0, 0.3


def mixing_ratios(matrices: FieldMatrices, grouping: Grouping) -> Float[Array, "k n n"]:
    """r between all bands of different groups, also of different manifolds."""
    energies, states = eigh(matrices.hamiltonian)
    return coupling(energies, rotate(matrices.along, states), grouping.same(energies, matrices.size))


def within_manifolds(grouping: Grouping, count: int) -> np.ndarray:
    """(n, n) whether bands hybridise with each other."""
    if not grouping.manifolds:
        return np.ones((count, count), dtype=bool)
    manifold = np.argmax([np.isin(np.arange(count), bands) for bands in grouping.manifolds], axis=0)
    return np.asarray(manifold[:, None] == manifold)


def is_strong(ratios: Any, grouping: Grouping) -> tuple[Any, Any]:
    """(k,) whether bands within, and in different manifolds are mixed more strongly than the theory takes for given."""
    inside = within_manifolds(grouping, ratios.shape[-1])
    return (inside & (ratios > STRONG)).any(axis=(1, 2)), (~inside & (ratios > ACROSS)).any(axis=(1, 2))


def joining(grouping: Grouping) -> Grouping:
    """Groups in which bands of a manifold that are strongly mixed are one."""
    return replace(grouping, strongest=jnp.asarray(STRONG))


@dataclass(frozen=True)
class Mixing:
    """The strongest mixing at some k.

    Attributes
    ----------
    ratio : float
        Largest r between bands that hybridise.
    bands : (int, int)
    k : (d,)
        Of that.
    groups : tuple of tuples of int
        What declared groups become when strongly mixed bands join, at any k.
    across : float
        Largest r between bands of different manifolds.
    """

    ratio: float
    bands: tuple[int, int]
    k: np.ndarray
    groups: tuple[tuple[int, ...], ...]
    across: float

    @classmethod
    def of(cls, ratios: np.ndarray, k: np.ndarray, grouping: Grouping, *, only_active: bool = False) -> Mixing:
        """From r (K, n, n) at k (K, d); ``only_active`` looks at pairs with a band of the first manifold."""
        inside = within_manifolds(grouping, ratios.shape[-1])
        if only_active and grouping.manifolds:
            active = np.isin(np.arange(ratios.shape[-1]), grouping.manifolds[0])
            ratios = np.where(active[:, None] | active, ratios, 0.0)
        within = np.where(inside, ratios, 0.0)
        at, n, m = np.unravel_index(int(within.argmax()), within.shape)
        strong = np.asarray((within > STRONG).any(axis=0))
        return cls(
            float(within.max()),
            (int(min(n, m)), int(max(n, m))),
            np.asarray(k[at]),
            joined_groups(strong, grouping.declared),
            float(np.where(inside, 0.0, ratios).max()),
        )

    @classmethod
    def worst(cls, found: Sequence[Mixing]) -> Mixing:
        """Of several."""
        first = max(found, key=lambda x: x.ratio)
        groups = joined_groups(np.zeros((0, 0)), [group for x in found for group in x.groups])
        return cls(first.ratio, first.bands, first.k, groups, max(x.across for x in found))

    def attributes(self) -> dict[str, Any]:
        """For results, which hold strings, numbers and arrays."""
        return {
            "validity_mixing": self.ratio,
            "validity_mixing_bands": " ".join(map(str, self.bands)),
            "validity_mixing_k": self.k,
            "validity_mixing_groups": "; ".join(" ".join(map(str, group)) for group in self.groups),
            "validity_mixing_across": self.across,
        }

    @classmethod
    def from_attributes(cls, attrs: Mapping[Any, Any]) -> Mixing:
        """What `attributes` wrote."""
        text = attrs["validity_mixing_groups"]
        groups = tuple(tuple(map(int, group.split())) for group in text.split(";") if group)
        n, m = map(int, attrs["validity_mixing_bands"].split())
        k, across = np.atleast_1d(attrs["validity_mixing_k"]), float(attrs["validity_mixing_across"])
        return cls(float(attrs["validity_mixing"]), (n, m), k, groups, across)

    def concern(self, changes: str) -> str | None:
        """What to say where bands are mixed strongly; ``changes`` says what joining them does."""
        found, remedies = [], []
        if self.ratio > STRONG:
            where = ", ".join(f"{x:.4g}" for x in np.round(self.k, 10) + 0.0)
            n, m = self.bands
            found.append(f"bands {n} and {m} by {self.ratio:.3g} times their gap at k = ({where})")
            groups = [list(group) for group in self.groups]
            remedies.append(
                f"If these bands belong together, as those of a split doublet do, pass groups={groups}; if their "
                "mixing is what you are after, nothing is amiss."
            )
        if self.across > ACROSS:
            found.append(f"bands inside and outside of `active` by up to {self.across:.3g} times their gap")
            remedies.append("Manifolds know the first order of that: take more bands into `active`, or leave it out.")
        if not found:
            return None
        return f"The field mixes {', and '.join(found)}; with these joined {changes}. {' '.join(remedies)}"


def joined_groups(pairs: np.ndarray, declared: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Groups of more than one band that pairs (n, n) and declared groups connect."""
    groups: list[set[int]] = [set(group) for group in declared]
    groups += [{int(n), int(m)} for n, m in np.argwhere(pairs) if n < m]
    found: list[set[int]] = []
    for group in groups:
        touching = [other for other in found if other & group]
        found = [other for other in found if not other & group] + [group.union(*touching)]
    return tuple(sorted(tuple(sorted(group)) for group in found if len(group) > 1))
