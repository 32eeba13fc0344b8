"""Skew scattering by pairs of impurities whose lines cross (X and Psi diagrams), for white noise in two dimensions.

    w^X_kk' = (4 pi^2/hbar) W^2 sum_k1 delta_1 Im tr[ P_k P_1 P_k' B(k + k' - k_1) ]
    w^Psi_kk' = -(4 pi^2/hbar) W^2 sum_k1 delta_1 Im tr[ P_k P_k' ( P_1 B(k_1 + k - k') + B(k_1 - k + k') P_1 ) ]
    J[n]_k = -sum_k' delta' w_kk' n_k',     B(k) = PV (eps - H_k)^-1

w_k'k = -w_kk', and sum_k' delta' w_kk' = 0, so that no term with n_k is left: with k' and k_1 exchanged the first trace
of Psi cancels X, and the second changes its sign.  Sums over points are zero only as far as they converge; taken as
exact, they make currents antisymmetric, as Onsager's relation wants them.  The diagrams are of the same order as side
jump and non-crossing skew scattering.  The principal value is that of trapezoidal sums whose points keep clear of the
poles k_1 = k, k': k' is half a step from k, k_1 lies on half steps a quarter away.  What sums hold beyond it because
of other poles is subtracted (`poles`).  In k', opposite points of the curve are poles too: points are equally spaced in
the direction of the velocity (`curves.by_direction`), so that they are half a step away.  On curves without a centre of
inversion w has further, integrable singularities where the moved curve touches the curve, and sums converge as a power
of the number of points: a cone with a cubic mass and tilt has -.10086, -.09597, -.09687, -.09716 at 32, 64, 128, 256.
For the massive Dirac cone the sum is -(e^2/2 pi hbar) 4 mu M (mu^2 - M^2)/(mu^2 + 3 M^2)^2.
Source: Ado, Dmitriev, Ostrovsky, Titov, EPL 111, 37004 (2015).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from blochflow.disorder.collision import Collision
from blochflow.disorder.curves import Curve, states_at
from blochflow.disorder.poles import Brackets, Poles, brackets, poles
from blochflow.models.base import AbstractModel


def crossed_drive(model: AbstractModel, mu: float, collision: Collision, phi: np.ndarray) -> np.ndarray:
    """-J[phi] for (c, N, n, n) fields on simple sheets of equally spaced points, a multiple of 4 each."""
    points = collision.points
    occupation = np.einsum("kij,ckji->ck", points.projector, phi).real
    result = np.zeros_like(occupation)
    place = np.concatenate([np.arange(n) for n in np.bincount(points.sheet)])
    for offset in range(4):
        k, other = np.flatnonzero(place % 4 == offset), np.flatnonzero(place % 4 == (offset + 2) % 4)
        inner = np.flatnonzero(place % 2 != offset % 2)
        # a quarter, a quarter and a half of the points stand for all
        weighted = 4 * points.weights[other] * occupation[:, other]
        result[:, k] = weighted @ kernel(model, mu, collision, k, other, inner).T
    return result[..., None, None] * points.projector


def kernel(
    model: AbstractModel, mu: float, collision: Collision, k: np.ndarray, other: np.ndarray, inner: np.ndarray
) -> np.ndarray:
    """w_kk' (k, k')."""
    points = collision.points
    curves = [Curve.of(model, points, sheet) for sheet in np.unique(points.sheet)]
    bands = np.abs(states_at(model, points.k)[0] - mu).argmin(axis=1)
    strength = float(collision.scattering.scatterers.constant[0, 0].real)  # type: ignore[index]
    p, weight = points.projector, 2 * points.weights[inner]
    result = np.zeros((len(k), len(other)))
    found: dict[tuple[int, int], list[Brackets]] = {}
    for row, i in enumerate(k):
        sums = []
        for line in LINES:
            base = line.base(points.k[i], points.k[other])
            energies, resolvents = _resolvent(model, mu, base[:, None] + line.sign * points.k[inner])
            sums.append(_traces(line, p[i], p[other], p[inner], resolvents))
            for c, curve in enumerate(curves):
                t, mine = _inner_nodes(curve, inner)
                known, active = line.known(curve, bands, i, other)
                bracket = brackets(mu - energies[:, mine], t, base, known, active)
                found.setdefault((line.index, c), []).append(replace(bracket, pair=bracket.pair + row * len(other)))
        result[row] = np.sum(sums, axis=0) @ weight
    for (index, c), parts in found.items():
        t, _ = _inner_nodes(curves[c], inner)
        joined = Brackets(*(np.concatenate([getattr(x, f.name) for x in parts]) for f in fields(Brackets)))
        line, band = LINES[index], int(bands[curves[c].rows[0]])
        pole = poles(model, mu, curves[c], band, joined, line.sign, t[0], len(t))
        at_k, at_other = p[k[pole.pair // len(other)]], p[other[pole.pair % len(other)]]
        np.subtract.at(result.reshape(-1), pole.pair, _excess(line, at_k, at_other, pole))
    return np.asarray(4 * np.pi**2 * strength**2 * result)


@dataclass(frozen=True)
class Line:
    """Where the third wave vector q lies: q = a k + b k' + sign k_1."""

    index: int
    a: int
    b: int
    sign: int

    def base(self, k: np.ndarray, others: np.ndarray) -> np.ndarray:
        """a k + b k'."""
        return self.a * k + self.b * others

    def known(self, curve: Curve, bands: np.ndarray, i: int, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Parameters at which q is k or k' again (NaN on another curve), and the band that is at mu there."""
        step, first = 2 * np.pi / len(curve.rows), curve.rows[0]
        last = first + len(curve.rows)
        here = np.where((first <= i) & (i < last), step * (i - first), np.nan)
        there = np.where((first <= other) & (other < last), step * (other - first), np.nan)
        at_k = (np.broadcast_to(here, other.shape), bands[other])
        at_other = (there, np.broadcast_to(bands[i], other.shape))
        chosen = (at_k, at_other) if self.sign < 0 else (at_other,) if self.a > 0 else (at_k,)
        return np.stack([x for x, _ in chosen], axis=1), np.stack([x for _, x in chosen], axis=1)


CROSSING, AHEAD, BEHIND = LINES = (Line(0, 1, 1, -1), Line(1, 1, -1, 1), Line(2, -1, 1, 1))


def _inner_nodes(curve: Curve, inner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of the inner points on a curve, and which of ``inner`` they are."""
    mine = np.flatnonzero((inner >= curve.rows[0]) & (inner <= curve.rows[-1]))
    return 2 * np.pi * (inner[mine] - curve.rows[0]) / len(curve.rows), mine


def _traces(line: Line, at_k: np.ndarray, at_other: np.ndarray, at_inner: np.ndarray, third: np.ndarray) -> np.ndarray:
    """Im tr (k', k_1), with the sign of the diagram."""
    if line is CROSSING:
        return np.asarray(np.einsum("ab,sbc,ocd,osda->os", at_k, at_inner, at_other, third, optimize=True).imag)
    pair = at_k @ at_other
    if line is AHEAD:
        return -np.asarray(np.einsum("oab,sbc,osca->os", pair, at_inner, third, optimize=True).imag)
    return -np.asarray(np.einsum("oab,osbc,sca->os", pair, third, at_inner, optimize=True).imag)


def _excess(line: Line, at_k: np.ndarray, at_other: np.ndarray, pole: Poles) -> np.ndarray:
    """The same traces at poles, times what the sums hold beyond principal values."""
    inner, outer = pole.inner, pole.outer
    if line is CROSSING:
        first, second = at_k @ inner, at_other @ outer
    else:
        first, second = -at_k @ at_other, inner @ outer if line is AHEAD else outer @ inner
    return np.asarray(np.einsum("pij,pji->p", first, second).imag * pole.excess)


def _resolvent(model: AbstractModel, mu: float, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E and (mu - H)^-1 at (.., d)."""
    energies, states, _ = states_at(model, k.reshape(-1, k.shape[-1]))
    inverse = (states / (mu - energies)[:, None]) @ states.conj().swapaxes(1, 2)
    return energies.reshape(*k.shape[:-1], -1), inverse.reshape(*k.shape[:-1], *inverse.shape[1:])
