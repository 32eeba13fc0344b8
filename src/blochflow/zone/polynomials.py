"""Polynomials on the reference cell [-1, 1]^d in Legendre form, from values at Gauss nodes.

    p(x) = sum_k c_k P_k1(x_1) .. P_kd(x_d)

An array of polynomials has its items first, then one axis of coefficients per direction, then components, if any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import legendre

# Bisection alone would need fifty.
ROOT_STEPS = 60


@dataclass(frozen=True)
class GaussRule:
    """Gauss-Legendre rule of one direction.

    Attributes
    ----------
    nodes, weights : (n,)
        On [-1, 1]; weights sum to 1, so that rules give averages.
    transform : (n, n)
        Values at the nodes to Legendre coefficients, exact for degree n - 1.
    """

    nodes: np.ndarray
    weights: np.ndarray
    transform: np.ndarray

    def __len__(self) -> int:
        return len(self.nodes)


@lru_cache
def gauss_rule(count: int) -> GaussRule:
    """The rule with ``count`` nodes."""
    nodes, weights = legendre.leggauss(count)
    degrees = np.arange(count)
    transform = (2 * degrees[:, None] + 1) / 2 * (legendre.legvander(nodes, count - 1) * weights[:, None]).T
    return GaussRule(nodes, weights / 2, transform)


def product_weights(count: int, dimension: int) -> np.ndarray:
    """(count^d,) weights of the tensor-product rule; they sum to 1."""
    weights = np.ones(1)
    for _ in range(dimension):
        weights = np.multiply.outer(weights, gauss_rule(count).weights)
    return weights.reshape(-1)


@lru_cache
def derivative_matrix(count: int) -> np.ndarray:
    """(n, n): coefficients of p to coefficients of dp/dx."""
    matrix = np.zeros((count, count))
    for degree in range(1, count):
        matrix[:degree, degree] = legendre.legder(np.eye(count)[degree])[:degree]
    return matrix


@lru_cache
def halving_matrices(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients on [-1, 1] to those on the left and right half, each mapped to [-1, 1]; (n, n) each."""
    rule = gauss_rule(count)
    left, right = (rule.transform @ legendre.legvander((rule.nodes + s) / 2, count - 1) for s in (-1, 1))
    return left, right


def apply_along(matrix: np.ndarray, array: np.ndarray, axis: int) -> np.ndarray:
    """sum_j matrix[i, j] array[.., j, ..] along ``axis``."""
    return np.moveaxis(np.tensordot(array, matrix, axes=([axis], [1])), -1, axis)


def interpolate(values: np.ndarray, rule: GaussRule, dimension: int) -> np.ndarray:
    """Values (items, n^d, ...) on the tensor grid of nodes to coefficients (items, n, .., n, ...)."""
    count = len(rule)
    array = values.reshape(values.shape[0], *[count] * dimension, *values.shape[2:])
    for axis in range(1, dimension + 1):
        array = apply_along(rule.transform, array, axis)
    return np.ascontiguousarray(array)


@lru_cache
def bernstein_matrix(count: int) -> np.ndarray:
    """(n, n): Legendre coefficients to Bernstein coefficients on [-1, 1]."""
    degree = count - 1
    t = np.linspace(0, 1, count)
    basis = np.array([math.comb(degree, i) * t**i * (1 - t) ** (degree - i) for i in range(count)]).T
    return np.linalg.solve(basis, legendre.legvander(2 * t - 1, degree))


def bounds(coefficients: np.ndarray, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound of scalar polynomials (items, n, .., n) on the cell: (items,) each.

    A polynomial lies between its smallest and its largest Bernstein coefficient; corner values are among them.
    """
    array = coefficients
    for axis in range(1, dimension + 1):
        array = apply_along(bernstein_matrix(coefficients.shape[axis]), array, axis)
    flat = array.reshape(len(array), -1)
    return flat.min(axis=1), flat.max(axis=1)


def at_end(coefficients: np.ndarray, end: int, axis: int) -> np.ndarray:
    """Value at the end -1 or +1 of ``axis``; P_k(-1) = (-1)^k, P_k(1) = 1."""
    signs = float(end) ** np.arange(coefficients.shape[axis])
    return np.tensordot(coefficients, signs, axes=([axis], [0]))


def values_and_slopes(coefficients: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p and dp/dx of one-dimensional polynomials (items, n) at one point each, x (items,)."""
    count = coefficients.shape[1]
    p0, p1 = np.ones_like(x), x
    d0, d1 = np.zeros_like(x), np.ones_like(x)
    value, slope = coefficients[:, 0].copy(), np.zeros_like(x)
    for degree in range(1, count):
        value += coefficients[:, degree] * p1
        slope += coefficients[:, degree] * d1
        a, b = (2 * degree + 1) / (degree + 1), degree / (degree + 1)
        p0, p1, d0, d1 = p1, a * x * p1 - b * p0, d1, a * (p1 + x * d1) - b * d0
    return value, slope


def monotone_roots(coefficients: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Where monotone polynomials (items, n) equal ``level`` (items,), which must lie between their end values.

    Newton steps inside a bracket that shrinks at every step; one below 1e-10 is the last, since it squares the error.
    """
    alternating = coefficients * (-1.0) ** np.arange(coefficients.shape[1])
    first, final = alternating.sum(axis=1) - level, coefficients.sum(axis=1) - level
    result = -1 + 2 * first / (first - final)
    left = np.arange(len(result))
    low, high, sign, x = -np.ones(len(left)), np.ones(len(left)), np.sign(final), result.copy()
    for _ in range(ROOT_STEPS):
        value, slope = values_and_slopes(coefficients, x)
        ahead = sign * (value - level) > 0
        high, low = np.where(ahead, x, high), np.where(ahead, low, x)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = x - (value - level) / slope
        new = np.where((step >= low) & (step <= high), step, 0.5 * (low + high))
        result[left] = new
        moving = np.abs(new - x) > 1e-10
        if not moving.any():
            break
        left, coefficients, level = left[moving], coefficients[moving], level[moving]
        low, high, sign, x = low[moving], high[moving], sign[moving], new[moving]
    return result


def halves(coefficients: np.ndarray, dimension: int) -> np.ndarray:
    """Polynomials (items, n, .., n, ...) on the 2^d half cells: (items, 2^d, n, .., n, ...), first axis slowest."""
    left, right = halving_matrices(coefficients.shape[1])
    parts = coefficients[:, None]
    for axis in range(2, dimension + 2):
        parts = np.stack([apply_along(left, parts, axis), apply_along(right, parts, axis)], axis=2)
        parts = parts.reshape(parts.shape[0], -1, *parts.shape[3:])
    return parts
