"""How strongly a field mixes bands of different groups, and what depends on it.

    r_gh = e|E.R_gh|/|E_g - E_h|       of groups g and h, |.| the norm of the block

Where r exceeds one, bands are nearer to each other than what the field does to them: with them in one group, whose
states follow by parallel transport, results may be others.  In a narrow gap, somewhere in the zone, that is what strong
fields are about, and nothing is in question.  Bands that are near each other and far from all others at every k, as
partners of a split doublet, may be one group: only where the field mixes such bands strongly is a choice to be made.
Bands of different manifolds act on each other to first order in r, as single bands do.
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
# Bands may be one group where their whole width is below this part of their distance to others, at every k.
NEAR = 0.1


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


def near_runs(energies: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(n, n) whether bands n to m > n, not all of them, of one manifold, are near at every k of (K, n) energies."""
    distance = np.pad(np.diff(energies, axis=1), ((0, 0), (1, 1)), constant_values=np.inf)
    apart = np.minimum(distance[:, :-1, None], distance[:, None, 1:])
    width = energies[:, None, :] - energies[:, :, None]
    near = ((width <= NEAR * apart) & np.isfinite(apart)).all(axis=0)
    borders = np.pad(~np.diagonal(inside, 1), (1, 0)).cumsum()
    return np.asarray(np.triu(near, 1) & (borders[:, None] == borders))


@dataclass(frozen=True)
class Evidence:
    """What is met at some k.

    Attributes
    ----------
    ratio, bands, k, across
        As of `Mixing`.
    strong : (n, n)
        Whether a pair is strongly mixed at any k.
    near : (n, n)
        `near_runs`.
    declared : tuple of tuples of int
        Groups.
    """

    ratio: float
    bands: tuple[int, int]
    k: np.ndarray
    across: float
    strong: np.ndarray
    near: np.ndarray
    declared: tuple[tuple[int, ...], ...]

    @classmethod
    def of(
        cls,
        ratios: np.ndarray,
        energies: np.ndarray,
        k: np.ndarray,
        grouping: Grouping,
        *,
        only_active: bool = False,
    ) -> Evidence:
        """From r (K, n, n), energies (K, n) at k (K, d); ``only_active``: pairs with a band of the first manifold."""
        inside = within_manifolds(grouping, ratios.shape[-1])
        if only_active and grouping.manifolds:
            active = np.isin(np.arange(ratios.shape[-1]), grouping.manifolds[0])
            ratios = np.where(active[:, None] | active, ratios, 0.0)
        within = np.where(inside, ratios, 0.0)
        at, n, m = np.unravel_index(int(within.argmax()), within.shape)
        return cls(
            float(within.max()),
            (int(min(n, m)), int(max(n, m))),
            np.asarray(k[at]),
            float(np.where(inside, 0.0, ratios).max()),
            np.asarray((within > STRONG).any(axis=0)),
            near_runs(energies, inside),
            grouping.declared,
        )

    @classmethod
    def merged(cls, found: Sequence[Evidence]) -> Evidence:
        """Of several sets of k."""
        first = max(found, key=lambda x: x.ratio)
        strong, near = np.any([x.strong for x in found], axis=0), np.all([x.near for x in found], axis=0)
        return replace(first, across=max(x.across for x in found), strong=strong, near=near)

    def mixing(self) -> Mixing:
        """With the groups in question."""
        count = len(self.near)
        runs = [range(n, m + 1) for n, m in np.argwhere(self.near) if self.strong[n : m + 1, n : m + 1].any()]
        groups = joined_groups([*self.declared, *map(tuple, runs)]) if runs else ()
        if any(len(group) == count for group in groups):
            groups = ()
        return Mixing(self.ratio, self.bands, self.k, groups, self.across)


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
        Groups to compare with: declared ones, and bands near each other at every k that are strongly mixed somewhere.
        None where there are no such bands.
    across : float
        Largest r between bands of different manifolds.
    """

    ratio: float
    bands: tuple[int, int]
    k: np.ndarray
    groups: tuple[tuple[int, ...], ...]
    across: float

    @classmethod
    def worst(cls, found: Sequence[Mixing]) -> Mixing:
        """Of several fields or places."""
        first = max(found, key=lambda x: x.ratio)
        groups = joined_groups([group for x in found for group in x.groups])
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

    def concern(self, change: str) -> str | None:
        """What to say where groups, or `active` bands, are in question; ``change``: a sentence on what joining does."""
        found, remedies = [], []
        if self.groups:
            where = ", ".join(f"{x:.4g}" for x in np.round(self.k, 10) + 0.0)
            n, m = self.bands
            groups = [list(group) for group in self.groups]
            found.append(
                f"bands by more than their gap that are near each other at every k, as partners of a split doublet "
                f"are (most strongly bands {n} and {m} by {self.ratio:.3g} times their gap at k = ({where}))"
            )
            remedies.append(
                f"If these bands belong together, pass groups={groups}; if their mixing is what you are after, nothing "
                "is amiss."
            )
        if self.across > ACROSS:
            found.append(f"bands inside and outside of `active` by up to {self.across:.3g} times their gap")
            remedies.append("Manifolds know the first order of that: take more bands into `active`, or leave it out.")
        if not found:
            return None
        return f"The field mixes {', and '.join(found)}. {change} {' '.join(remedies)}"


def joined_groups(groups: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Groups of more than one band that groups which overlap make."""
    found: list[set[int]] = []
    for group in groups:
        touching = [other for other in found if other & set(group)]
        found = [other for other in found if not other & set(group)] + [set(group).union(*touching)]
    return tuple(sorted(tuple(sorted(group)) for group in found if len(group) > 1))
