"""Integrals of a polynomial integrand over the filled part of a cell: the Fermi function acts on the interpolants.

    sea:      I = <F_p(E) F>         F_0 = f = 1/(exp((E - mu)/k_B T) + 1), a step at T = 0; F_1, F_2: `zone.weights`
    surface:  I = <-f'(E) x^p F>     delta(E - mu) at T = 0, x = (E - mu)/k_B T    <.> = average over the cell

Height functions: where E grows monotonically along one axis, the cut is one root per line, and between the
projected corners everything is smooth; other cells are split (the polynomial is, the model is not called again).
At T > 0 several levels mu + t k_B T are cut at once, so that Gauss nodes resolve f however cold it is.
Source: R. I. Saye, SIAM J. Sci. Comput. 37, A993 (2015).

Items come first, then one axis of Legendre coefficients per direction, then components: E (M, n, .., n),
F (M, n, .., n, C).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial.legendre import legvander

from blochflow.zone.polynomials import (
    apply_along,
    at_end,
    bounds,
    derivative_matrix,
    gauss_rule,
    halves,
    monotone_roots,
    values_and_slopes,
)
from blochflow.zone.weights import Weight

# In units of k_B T from mu.  Beyond the outermost, f is within exp(-36) of 0 or 1; between two levels Gauss nodes
# resolve it, since its poles lie pi off the real axis.
WARM_LEVELS = np.array([-36.0, -16.0, -6.0, 0.0, 6.0, 16.0, 36.0])
COLD_LEVELS = np.array([0.0])
# Range of E in k_B T that plain Gauss nodes resolve: the poles of f lie pi k_B T off the real axis.
NARROW = 3.0
# Splittings after which what is left counts as unresolved: fractions 2^-40, 4^-20, 8^-13 of the cell.
DEPTH = {1: 40, 2: 20, 3: 13}
# More parts of one chunk than this are not split: something is flat at mu.
MOST_PARTS = 100_000
# The average of delta(E - mu) over a part at the depth limit is taken to be as many times one over the range of E
# there: next to extrema and saddles at mu it is of that order.
SINGULAR = 8.0
# The smallest slope along the height may be this fraction of the largest; other parts are split.  Next to points where
# the slope vanishes the height has a root or a pole, which only parts graded towards them resolve.
STEADY = 0.15
CHUNK = {1: 16384, 2: 2048, 3: 128}
# Gauss nodes beyond the degree: the inner averages are not polynomials.  Both rules of a cell have their own number, so
# that their difference shows what is missing.
EXTRA_NODES = {1: 4, 2: 4, 3: 2}


@dataclass(frozen=True)
class Cut:
    """Polynomials with the chemical potential and temperature they are filled to.

    Attributes
    ----------
    energy : (M, n, .., n)
    integrand : (M, n, .., n, C)
    mu, kt : (M,)
    share : (M,)
        Fraction of the original cell.
    owner : (M,) int
        Original cell.
    """

    energy: np.ndarray
    integrand: np.ndarray
    mu: np.ndarray
    kt: np.ndarray
    share: np.ndarray
    owner: np.ndarray

    @property
    def dimension(self) -> int:
        """Directions of the cell."""
        return self.energy.ndim - 1

    def __len__(self) -> int:
        return len(self.energy)

    def take(self, which: np.ndarray) -> Cut:
        """A selection of items."""
        names = ("energy", "integrand", "mu", "kt", "share", "owner")
        return Cut(*(getattr(self, name)[which] for name in names))


def filled_average(
    energy: np.ndarray,
    integrand: np.ndarray,
    mu: np.ndarray,
    kt: np.ndarray,
    *,
    weight: Weight,
    negligible: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Averages of weighed F over cells, and what splitting did not resolve; (M, C) each.

    The latter is a bound for sums over states, an estimate for surfaces, infinite where a band is flat at mu.
    Parts of a cell whose largest possible contribution is at most ``negligible`` are not split further.
    """
    value = np.zeros((len(energy), integrand.shape[-1]))
    unresolved = np.zeros_like(value)
    for cold in (True, False):
        levels = COLD_LEVELS if cold else WARM_LEVELS
        which = np.flatnonzero((kt == 0) == cold)
        step = CHUNK[energy.ndim - 1]
        for start in range(0, len(which), step):
            part = which[start : start + step]
            owner = np.arange(len(part))
            cut = Cut(energy[part], integrand[part], mu[part], kt[part], np.ones(len(part)), owner)
            value[part], unresolved[part] = _resolve(cut, levels, weight, negligible)
    return value, unresolved


def _resolve(cut: Cut, levels: np.ndarray, weight: Weight, negligible: float) -> tuple[np.ndarray, np.ndarray]:
    """Split until every part is full, empty, smooth, or monotone along one axis."""
    surface, filled = weight.surface, weight.full()
    half = 0.5 * weight.largest(len(levels) == 1)
    value = np.zeros((len(cut), cut.integrand.shape[-1]))
    unresolved = np.zeros_like(value)
    nodes = cut.energy.shape[1] + EXTRA_NODES[cut.dimension]
    for depth in range(DEPTH[cut.dimension] + 1):
        low, high = bounds(cut.energy, cut.dimension)
        full, empty = high < cut.mu + cut.kt * levels[0], low > cut.mu + cut.kt * levels[-1]
        if not surface:
            np.add.at(value, cut.owner[full], (cut.share[:, None] * filled * _mean(cut))[full])
        rest = ~(full | empty)
        cut, low, high = cut.take(rest), low[rest], high[rest]
        if not len(cut):
            break
        narrow = high - low <= NARROW * cut.kt
        _add(value, cut.take(narrow), levels[:0], weight, nodes)
        cut = cut.take(~narrow)
        cut = _add_monotone(value, cut, levels, weight, nodes)
        if not len(cut):
            break
        largest = cut.share[:, None] * _largest(cut)
        last = depth == DEPTH[cut.dimension] or len(cut) > MOST_PARTS
        small = (largest.max(axis=1, initial=0.0) <= negligible) | last
        if small.any():
            if surface:
                np.add.at(unresolved, cut.owner[small], _steep(cut.take(small)) * largest[small])
            else:
                np.add.at(value, cut.owner[small], (cut.share[:, None] * half * _mean(cut))[small])
                np.add.at(unresolved, cut.owner[small], half * largest[small])
            cut = cut.take(~small)
        if not len(cut):
            break
        cut = _split(cut)
    return value, unresolved


def _steep(cut: Cut) -> np.ndarray:
    """Largest average of delta(E - mu) to be expected of parts that are too small to be split, (M, 1)."""
    low, high = bounds(cut.energy, cut.dimension)
    with np.errstate(divide="ignore"):
        return np.asarray(SINGULAR / (high - low))[:, None]


def _mean(cut: Cut) -> np.ndarray:
    return cut.integrand.reshape(len(cut), -1, cut.integrand.shape[-1])[:, 0]


def _largest(cut: Cut) -> np.ndarray:
    """Bound of |F| on each part, (M, C)."""
    return np.abs(cut.integrand).reshape(len(cut), -1, cut.integrand.shape[-1]).sum(axis=1)


def _split(cut: Cut) -> Cut:
    """The 2^d halves of every part."""
    d = cut.dimension
    count = 2**d
    energy = halves(cut.energy, d).reshape(-1, *cut.energy.shape[1:])
    integrand = halves(cut.integrand, d).reshape(-1, *cut.integrand.shape[1:])
    rest = (np.repeat(x, count) for x in (cut.mu, cut.kt, cut.share / count, cut.owner))
    return Cut(energy, integrand, *rest)


def _add_monotone(value: np.ndarray, cut: Cut, levels: np.ndarray, weight: Weight, nodes: int) -> Cut:
    """Add the parts that one order of the axes makes monotone, with a steady slope; return the others."""
    d = cut.dimension
    if not len(cut):
        return cut
    # The steepest axis is the height; the others follow in the order of their mean slopes.
    matrix = derivative_matrix(cut.energy.shape[1])
    slopes = [np.abs(apply_along(matrix, cut.energy, a + 1).reshape(len(cut), -1)[:, 0]) for a in range(d)]
    order = np.argsort(np.stack(slopes, axis=1), axis=1, kind="stable")
    left = np.ones(len(cut), dtype=bool)
    for axes in itertools.permutations(range(d)):
        which = np.flatnonzero((order == axes).all(axis=1))
        if not len(which):
            continue
        part = _transposed(cut.take(which), axes)
        good = _monotone(part.energy, part.mu[:, None] + part.kt[:, None] * levels)
        good &= _steady(part.energy)
        _add(value, part.take(good), levels, weight, nodes)
        left[which[good]] = False
    return cut.take(left)


def _transposed(cut: Cut, axes: tuple[int, ...]) -> Cut:
    """The same with its directions in another order."""
    order = [0, *(a + 1 for a in axes)]
    return replace(cut, energy=cut.energy.transpose(order), integrand=cut.integrand.transpose([*order, len(order)]))


def _monotone(energy: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """True where E is monotone along its last axis, and on the two ends of that axis along the axis before, etc.

    Faces that no level crosses need not be.
    """
    d = energy.ndim - 1
    low, high = bounds(energy, d)
    crossed = ((levels >= low[:, None]) & (levels <= high[:, None])).any(axis=1)
    below, above = bounds(apply_along(derivative_matrix(energy.shape[1]), energy, d), d)
    # a slope that vanishes on the edge of a cell, as it does in planes of symmetry, is rounding away from zero
    rounding = 1e-12 * (np.abs(below) + np.abs(above))
    fine = ~crossed | (below >= -rounding) | (above <= rounding)
    if d > 1:
        for end in (-1, 1):
            fine &= _monotone(at_end(energy, end, d), levels)
    return fine


def _steady(energy: np.ndarray) -> np.ndarray:
    """True where the slope along the last axis varies little enough for the height to be smooth."""
    d = energy.ndim - 1
    below, above = bounds(apply_along(derivative_matrix(energy.shape[1]), energy, d), d)
    smallest = np.where(below > 0, below, np.where(above < 0, -above, 0.0))
    return np.asarray(smallest >= STEADY * np.maximum(np.abs(below), np.abs(above)))


def _add(value: np.ndarray, cut: Cut, levels: np.ndarray, weight: Weight, nodes: int) -> None:
    if len(cut):
        lines = cut.mu[:, None] + cut.kt[:, None] * levels
        average = _sweep(cut.energy, cut.integrand, cut.mu, cut.kt, lines, weight, nodes)
        np.add.at(value, cut.owner, cut.share[:, None] * average)


def _sweep(
    energy: np.ndarray,
    integrand: np.ndarray,
    mu: np.ndarray,
    kt: np.ndarray,
    levels: np.ndarray,
    weight: Weight,
    nodes: int,
) -> np.ndarray:
    """Average over the first axis of the averages over the others, between the points where a level enters; (M, C)."""
    last = energy.ndim == 2
    if last and levels.shape[1]:
        value, inside = _uncut(energy, integrand, levels, weight)
        if inside.any():
            energy, integrand, mu, kt, levels = (x[inside] for x in (energy, integrand, mu, kt, levels))
            value[inside] = _between(energy, integrand, mu, kt, levels, weight, nodes)
        return value
    return _between(energy, integrand, mu, kt, levels, weight, nodes)


def _uncut(
    energy: np.ndarray, integrand: np.ndarray, levels: np.ndarray, weight: Weight
) -> tuple[np.ndarray, np.ndarray]:
    """Averages along monotone lines that lie below all levels (or above: 0), and which lines do not; (M, C), (M,)."""
    ends = np.stack([at_end(energy, -1, 1), at_end(energy, 1, 1)])
    below, above = ends.max(axis=0) <= levels[:, 0], ends.min(axis=0) >= levels[:, -1]
    value = np.zeros((len(energy), integrand.shape[-1]))
    value[below] = weight.full() * integrand[below, 0]
    return value, ~below & ~above


def _between(
    energy: np.ndarray,
    integrand: np.ndarray,
    mu: np.ndarray,
    kt: np.ndarray,
    levels: np.ndarray,
    weight: Weight,
    nodes: int,
) -> np.ndarray:
    """`_sweep` along lines, in pieces between the levels."""
    cuts = _crossings(energy, levels)
    last = energy.ndim == 2
    if last and weight.surface and levels.shape[1] == 1:
        return _on_surface(energy, integrand, cuts) * (np.array(weight.powers) == 0)
    ends = np.ones((len(energy), 1))
    edges = np.sort(np.concatenate([-ends, cuts, ends], axis=1), axis=1)
    item, segment = np.nonzero(np.diff(edges, axis=1) > 0)
    start, stop = edges[item, segment], edges[item, segment + 1]
    rule = gauss_rule(nodes)
    x = start[:, None] + (stop - start)[:, None] * (1 + rule.nodes) / 2
    weights = (stop - start)[:, None] / 2 * rule.weights
    basis = legvander(x, energy.shape[1] - 1)
    components = integrand.shape[-1]
    along_e = (basis @ energy[item].reshape(len(item), energy.shape[1], -1)).reshape(-1, *energy.shape[2:])
    along_f = (basis @ integrand[item].reshape(len(item), energy.shape[1], -1)).reshape(-1, *integrand.shape[2:])
    if last:
        of_values = weight(along_e.reshape(weights.shape), mu[item, None], kt[item, None])
        inner = of_values.reshape(along_f.shape[0], -1) * along_f
    else:
        mu_x, kt_x = np.repeat(mu[item], nodes), np.repeat(kt[item], nodes)
        inner = _sweep(along_e, along_f, mu_x, kt_x, np.repeat(levels[item], nodes, axis=0), weight, nodes)
    total = (weights[:, None, :] @ inner.reshape(len(item), nodes, components))[:, 0]
    return np.add.reduceat(total, np.searchsorted(item, np.arange(len(energy))), axis=0)


def _crossings(energy: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Points on the first axis where a level crosses one of the edges along it; 1 where it does not: (M, edges L)."""
    found = []
    for corner in itertools.product((-1, 1), repeat=energy.ndim - 2):
        edge = energy
        for end in reversed(corner):
            edge = at_end(edge, end, edge.ndim - 1)
        first, final = at_end(edge, -1, 1)[:, None], at_end(edge, 1, 1)[:, None]
        crossed = (first - levels) * (final - levels) < 0
        item, level = np.nonzero(crossed)
        roots = np.ones(levels.shape)
        roots[item, level] = monotone_roots(edge[item], levels[item, level])
        found.append(roots)
    return np.concatenate(found, axis=1)


def _on_surface(energy: np.ndarray, integrand: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Average of delta(E - mu) F along lines that the level crosses at ``cuts`` (M, 1), if below 1: (M, C)."""
    x = cuts[:, 0]
    _, slope = values_and_slopes(energy, x)
    basis = legvander(x, energy.shape[1] - 1)
    at_root = (basis[:, None, :] @ integrand)[:, 0]
    crossed = x < 1
    return np.where(crossed, 0.5 / np.where(crossed, np.abs(slope), 1.0), 0.0)[:, None] * at_root
