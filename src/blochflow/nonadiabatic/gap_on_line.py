"""The gap above a band along a line of k: its minima, and how fast the two bands, or groups of bands, cross there.

    groups apart:   v of the block <upper|d_s H|lower> = v W, W unitary
    groups touch:   v half the difference of the slopes, eigenvalues of d_s H within the group; where slopes are equal,
                    states on both sides tell whether lines cross, <lower(s-)|upper(s+)>

For two bands both are v^2 = |V_12|^2 + ((V_11 - V_22)/2)^2, V = d_s H, which no choice of states changes.
"""

from __future__ import annotations

import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.errors import DegenerateBandsError
from blochflow.geometry.bands import DEGENERACY_TOLERANCE, bands, rotate
from blochflow.geometry.connection import on_batch
from blochflow.geometry.subspace import rounding_scale
from blochflow.models.base import AbstractModel

# Points on a line across the zone on which minima of the gap are looked for, and steps that refine one.
SAMPLES, REFINEMENTS, FINE = 512, 12, 16
# How often a place beside a touching is moved away by a factor of two, from this part of the distance of points, until
# bands can be told apart; and what is neither one line through the touching nor another, as a share of states.
DOUBLINGS, NEAREST, UNCLEAR = 12, 2.0**-10, 0.2
# Gap, in units of rounding, from which on states are known.
KNOWN = 1e3
ELSEWHERE = "end the line before it with `extent`, or follow a packet with bf.Ehrenfest()."
# Relative differences of speeds of one passage that rounding may make, and speeds that are zero, in units of the
# fastest on the line: minima are found to the root of the rounding error.
ALIKE, NO_SPEED = 1e-6, 1e-7


class GapOnLine:
    """E_{n+1} - E_n on k(s) = start - s direction."""

    def __init__(self, model: AbstractModel, start: np.ndarray, direction: np.ndarray, band: int) -> None:
        self.model, self.start, self.direction, self.band = model, start, direction, band
        # of the line, as `minima` finds them
        self.fastest, self.rounding, self.step = 0.0, 0.0, 0.0

    def points(self, s: np.ndarray) -> np.ndarray:
        """k at places s."""
        return np.asarray(self.start - s[..., None] * self.direction)

    def __call__(self, s: np.ndarray) -> np.ndarray:
        """The gap at places of any shape."""
        energies = np.asarray(bands(self.model, self.points(s.ravel())).energies)
        return (energies[:, self.band + 1] - energies[:, self.band]).reshape(s.shape)

    def minima(self, first: float, length: float, closed: bool, samples: int) -> np.ndarray:
        """Places of local minima, ascending: bracketed on a grid, narrowed by ever finer ones."""
        step = self.step = length / samples
        s = first + step * np.arange(samples + (not closed))
        solved = bands(self.model, self.points(s))
        self.fastest = float(np.abs(np.asarray(solved.velocity)).max())
        self.rounding = DEGENERACY_TOLERANCE * float(np.asarray(rounding_scale(solved)).max())
        touching = ~self._apart(np.asarray(solved.energies))
        self._refuse_partners(s, np.asarray(solved.energies), np.asarray(touching.all(axis=0)))
        gap, touch = np.diff(np.asarray(solved.energies), axis=1)[:, self.band], touching[:, self.band]
        beside = np.roll(touch, 1) & np.roll(touch, -1)
        for i in np.flatnonzero(touch & beside)[:1]:
            remedy = f"They coincide on a part of the line: {ELSEWHERE}"
            raise self._refusal(self.points(s[i : i + 1])[0], self._pair(), float(gap[i]), remedy)
        low = (gap < np.roll(gap, 1)) & (gap <= np.roll(gap, -1)) & ~beside
        if not closed:
            low[[0, -1]] = False
        places = s[low]
        if np.ptp(gap) <= 1e-10 * np.abs(gap).max():
            return np.zeros(0)
        for _ in range(REFINEMENTS):
            if not len(places):
                break
            around = places[:, None] + step * np.linspace(-1, 1, FINE + 1)
            places = np.take_along_axis(around, self(around).argmin(axis=1)[:, None], axis=1)[:, 0]
            step *= 2 / FINE
        return places

    def details(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gap, speed and g'' (NaN where the bands touch) at minima (S,)."""
        if not len(s):
            return np.zeros(0), np.zeros(0), np.zeros(0)
        k, n = self.points(s), self.band
        solved = bands(self.model, k)
        energies = np.asarray(solved.energies)
        groups = np.pad(self._apart(energies).astype(int), ((0, 0), (1, 0))).cumsum(axis=1)
        slopes = np.einsum("kanm,a->knm", np.asarray(solved.velocity), self.direction)
        derivatives = on_batch(_derivatives, (solved.k, solved.states), self.model, jnp.asarray(self.direction))
        first, second = (np.asarray(x) for x in derivatives)
        speed, bend = np.zeros(len(s)), np.full(len(s), np.nan)
        for i, group in enumerate(groups):
            lower, upper = (np.flatnonzero(group == group[m]) for m in (n, n + 1))
            if group[n] == group[n + 1]:
                speed[i] = self._speed_of_touching(k[i], slopes[i], energies[i], lower)
                continue
            speed[i] = self._speed_between(k[i], slopes[i], energies[i], lower, upper)
            each = [_bend(first[i], second[i], energies[i], members) for members in (lower, upper)]
            bend[i] = each[1] - each[0]
        return energies[:, n + 1] - energies[:, n], np.where(speed > NO_SPEED * self.fastest, speed, 0.0), bend

    def crosses(self, place: float) -> bool:
        """Whether bands that touch at a place with equal slopes change their order there.

        Raises
        ------
        DegenerateBandsError
            States beside it do not tell: bands are near each other up to the next points, or some cross and others not.
        """
        n = self.band
        for i in range(DOUBLINGS):
            beside = self.step * NEAREST * 2.0**i
            solved = bands(self.model, self.points(place + beside * np.array([-1.0, 1.0])))
            energies, states = np.asarray(solved.energies), np.asarray(solved.states)
            # further than rounding from one another, so that states are known to some digits
            if (energies[:, n + 1] - energies[:, n]).min() <= KNOWN * self.rounding:
                continue
            groups = np.pad(self._apart(energies).astype(int), ((0, 0), (1, 0))).cumsum(axis=1)
            lower, upper = groups[0] == groups[0, n], groups[1] == groups[1, n + 1]
            overlap = np.abs(states[0][:, lower].conj().T @ states[1][:, upper]) ** 2
            share = float(overlap.sum()) / min(int(lower.sum()), int(upper.sum()))
            if abs(share - round(share)) < UNCLEAR:
                return round(share) == 1
            break
        remedy = f"They touch with equal slopes, and states nearby do not tell whether they cross: {ELSEWHERE}"
        at = np.array([place])
        raise self._refusal(self.points(at)[0], self._pair(), float(self(at)[0]), remedy)

    def _speed_of_touching(self, k: np.ndarray, slopes: np.ndarray, energies: np.ndarray, group: np.ndarray) -> float:
        lines = np.linalg.eigvalsh(slopes[np.ix_(group, group)])
        place = self.band - int(group[0])
        if 2 * (place + 1) != len(group):
            other = int(group[-1]) - place
            raise self._refusal(
                k,
                group,
                float(np.ptp(energies[group])),
                f"They meet in one point, where the line of band {self.band} goes on as band {other}: {ELSEWHERE}",
            )
        return float(lines[place + 1] - lines[place]) / 2

    def _speed_between(
        self, k: np.ndarray, slopes: np.ndarray, energies: np.ndarray, lower: np.ndarray, upper: np.ndarray
    ) -> float:
        channels = np.linalg.svd(slopes[np.ix_(upper, lower)], compute_uv=False)
        nothing = channels[0] <= NO_SPEED * self.fastest
        alike = len(lower) == len(upper) and channels[-1] >= (1 - ALIKE) * channels[0]
        if not (alike or nothing):
            padded = [*channels, *[0.0] * (max(len(lower), len(upper)) - len(channels))]
            several = " and ".join(", ".join(map(str, x.tolist())) for x in (lower, upper) if len(x) > 1)
            couplings = ", ".join(f"{v:.4g}" for v in padded)
            raise self._refusal(
                k,
                np.concatenate([lower, upper]),
                float(energies[upper[0]] - energies[lower[-1]]),
                f"Bands {several} coincide there, whose states pass with different couplings |d_s H|, {couplings}: no "
                "single probability. Divide H into its blocks, end the line before it with `extent`, or follow a "
                "packet with bf.Ehrenfest().",
            )
        means = [float(np.diagonal(slopes)[members].real.mean()) for members in (lower, upper)]
        return float(np.hypot(channels[0], (means[1] - means[0]) / 2))

    def _apart(self, energies: np.ndarray) -> np.ndarray:
        """(k, n - 1) whether neighbouring bands can be told apart, by the largest rounding error on the line."""
        return np.asarray(np.diff(energies, axis=1) > self.rounding)

    def _refuse_partners(self, s: np.ndarray, energies: np.ndarray, partners: np.ndarray) -> None:
        """Raise where the band and the next are one multiplet; ``partners`` (N - 1,): n and n + 1 always coincide."""
        if not partners[self.band]:
            return
        first = last = self.band
        while first > 0 and partners[first - 1]:
            first -= 1
        while last < len(partners) and partners[last]:
            last += 1
        choices = [f"band={last}, its last, for passages to the bands above"] if last < len(partners) else []
        choices += [f"band={first - 1} for passages from the bands below"] if first else []
        remedy = "They coincide on the whole line, as partners of a multiplet. "
        remedy += f"Take {', or '.join(choices)}." if choices else "There are no other bands."
        gap = float(np.diff(energies, axis=1)[:, self.band].max())
        raise self._refusal(self.points(s[:1])[0], np.arange(first, last + 1), gap, remedy)

    def _pair(self) -> np.ndarray:
        return np.array([self.band, self.band + 1])

    def _refusal(self, k: np.ndarray, members: np.ndarray, gap: float, remedy: str) -> DegenerateBandsError:
        what = f"passage from band {self.band} to band {self.band + 1}"
        return DegenerateBandsError(k, tuple(members.tolist()), gap, what, remedy)


def _derivatives(k: Array, states: Array, model: AbstractModel, direction: Array) -> tuple[Array, Array]:
    """d_s H and d_s^2 H (k, n, n) between states, without positions, on which energies do not depend."""
    first = jnp.einsum("kaij,a->kij", model.matrices(k).gradient, direction)
    second = jnp.einsum("kabij,a,b->kij", model.hessian(k), direction, direction)
    return rotate(first, states), rotate(second, states)


def _bend(first: np.ndarray, second: np.ndarray, energies: np.ndarray, group: np.ndarray) -> float:
    """Second derivative of the mean energy of a group of bands."""
    others = np.setdiff1d(np.arange(len(energies)), group)
    gaps = energies[group][:, None] - energies[others]
    pushed = 2 * (np.abs(first[np.ix_(group, others)]) ** 2 / gaps).sum(axis=1)
    return float((np.diagonal(second)[group].real + pushed).mean())
