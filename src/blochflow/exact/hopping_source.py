"""Hoppings of every kind of model, at every place and time.

    t_ij(R; x, t) = <0i|H|Rj>                                             from a model with hoppings
                  = (1/K) sum_k H_ij(k, x, t) exp(-i k.(R + tau_j - tau_i))     from a function, K grid points

x is the centre of the bond (Weyl order): any other choice leaves an error of first order in the gradient of a texture
and a matrix that is not Hermitian.  Source: Weyl, Z. Phys. 46, 1 (1927), on a lattice.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import fail
from blochflow.core.errors import NonFiniteError, ValidityWarning
from blochflow.exact.bloch_hamiltonian import BlochHamiltonian
from blochflow.models.textured import TexturedModel
from blochflow.models.tight_binding import TightBinding

# Points per axis of the k grid: a hopping over r cells needs 2 r + 1 of them.
GRIDS = {1: (3, 5, 9, 17, 33, 65, 129), 2: (3, 5, 9, 17, 33, 65), 3: (3, 5, 9, 17)}
ROUNDING = 1e-12  # of max|H|: a Fourier sum that is this close has found all hoppings
SMALLEST = 1e-15  # of max|H|: elements below are rounding of the transform
WARN, REFUSE = 1e-8, 1e-2  # of max|H|
PROBE_PLACES, PROBE_WAVEVECTORS = 128, 7
KERNEL_ELEMENTS = 1 << 21  # matrix elements of H in flight while hoppings are made: 32 MB


@dataclass(frozen=True, eq=False)
class HoppingSource:
    """Elements <0i|H|Rj> of a model.

    Attributes
    ----------
    hamiltonian : BlochHamiltonian
    cells : (b, d) int
        R of every element.
    left, right : (b,)
        Orbitals i and j.
    error : float
        Largest element of H(k) - sum_R at probes, in the model's energy: what hoppings further apart would add.
    kernel : function (first, last, centres (M, d), t) -> (M, last - first)
        Elements at the given bond centres, in any batch.
    """

    hamiltonian: BlochHamiltonian
    cells: np.ndarray
    left: np.ndarray
    right: np.ndarray
    error: float
    kernel: Callable[[np.ndarray, Any, Any], np.ndarray]

    @property
    def reach(self) -> np.ndarray:
        """(d,) largest |R| along each lattice vector."""
        return np.abs(self.cells).max(axis=0)

    @property
    def offsets(self) -> np.ndarray:
        """(b, d) place of the bond centre, from the cell of its left end."""
        vectors, tau = (np.asarray(v) for v in (self.hamiltonian.lattice.vectors, self.hamiltonian.orbitals))
        return (tau[self.left] + self.cells @ vectors + tau[self.right]) / 2

    @property
    def steps(self) -> np.ndarray:
        """(b, d) r_i - r_j, from the right end of the bond to the left."""
        vectors, tau = (np.asarray(v) for v in (self.hamiltonian.lattice.vectors, self.hamiltonian.orbitals))
        return tau[self.left] - self.cells @ vectors - tau[self.right]

    def values(self, chosen: np.ndarray, centres: np.ndarray, t: float) -> np.ndarray:
        """Elements number ``chosen`` (c,) at bond centres (M, d), at a time of the model: (M, c)."""
        return self.kernel(chosen, centres, t)


def hopping_source(h: BlochHamiltonian, corners: np.ndarray, times: np.ndarray) -> HoppingSource:
    """The hoppings of a model within a sample.

    Parameters
    ----------
    h : BlochHamiltonian
    corners : (2, d)
        Smallest and largest coordinates of the sample.
    times : (T,)
        Of the run, in the model's unit.
    """
    model = h.model
    if isinstance(model, TightBinding):
        return from_blocks(h, model)
    if isinstance(model, TexturedModel) and isinstance(model.base, TightBinding):
        return from_textured_blocks(h, model, model.base)
    return from_function(h, *probes(h, corners, times))


def from_blocks(h: BlochHamiltonian, model: TightBinding) -> HoppingSource:
    """Hoppings as the model has them."""
    blocks = np.asarray(model.blocks)
    index, left, right = used_elements(model.cells, np.abs(blocks))
    elements = blocks[index, left, right]

    def kernel(chosen: np.ndarray, centres: np.ndarray, t: float) -> np.ndarray:
        return np.broadcast_to(elements[chosen], (len(centres), len(chosen)))

    return HoppingSource(h, model.cells[index], left, right, 0.0, kernel)


def from_textured_blocks(h: BlochHamiltonian, model: TexturedModel, base: TightBinding) -> HoppingSource:
    """Hoppings with the parameters of their bond centres."""
    cells, size = base.cells, possible_elements(base)
    index, left, right = used_elements(cells, size)

    def kernel(chosen: np.ndarray, centres: np.ndarray, t: float) -> np.ndarray:
        rows = tuple(jnp.asarray(part[chosen]) for part in (index, left, right))
        return in_batches(lambda x: _textured(model, rows, x, jnp.asarray(float(t))), centres, size.size)

    return HoppingSource(h, cells[index], left, right, 0.0, kernel)


@eqx.filter_jit
def _textured(model: TexturedModel, rows: tuple[Array, ...], centres: Array, t: Array) -> Array:
    def one(x: Array) -> Array:
        base = eqx.tree_at(lambda m: m.parameters, model.base, model.values(x, t))
        return base.blocks[rows]  # type: ignore[attr-defined, no-any-return]

    return jax.vmap(one)(centres)


def from_function(h: BlochHamiltonian, places: np.ndarray, moments: np.ndarray) -> HoppingSource:
    """Hoppings by Fourier transform, on the coarsest grid that gives H(k) back everywhere it is looked at."""
    rng = np.random.default_rng(7)
    between = np.asarray(h.lattice.to_cartesian_k(rng.random((PROBE_WAVEVECTORS, h.dimension))))
    truth = np.stack([sampled_places(h, between, places, t) for t in moments])
    if not np.isfinite(truth).all():
        where = np.argwhere(~np.isfinite(truth))[0]
        raise NonFiniteError(between[where[2]], what=f"The Hamiltonian at x = {places[where[1]].tolist()}")
    scale = max(float(np.abs(truth).max()), 1e-300)
    source = None
    for points in GRIDS[h.dimension]:
        source, size = transform(h, points, places, moments)
        error = max(
            float(np.abs(back_transform(source, between, places, t) - exact).max())
            for t, exact in zip(moments, truth, strict=True)
        )
        if error <= ROUNDING * scale:
            break
    if source is None:
        raise fail("model", "have one, two or three dimensions", f"has {h.dimension}")
    if error > REFUSE * scale:
        must = f"have hoppings that end, or decay, within {GRIDS[h.dimension][-1] // 2} cells"
        raise fail("model", must, f"those of {h.model.name} leave {error / scale:.2g} of H(k) beyond")
    if error > WARN * scale:
        warnings.warn(
            f"Hoppings of {h.model.name} beyond {int(source.reach.max())} cells are cut; they would change H(k) by "
            f"{error:.2g} {h.model.units.energy}.",
            ValidityWarning,
            stacklevel=4,
        )
    kept = (size > SMALLEST * scale) | ((source.cells == 0).all(axis=1) & (source.left == source.right))
    return restricted(source, kept, error if error > ROUNDING * scale else 0.0)


def transform(
    h: BlochHamiltonian, points: int, places: np.ndarray, moments: np.ndarray
) -> tuple[HoppingSource, np.ndarray]:
    """All hoppings of a grid of ``points`` per axis, and the largest |t_ij(R)| of each at the probes."""
    half, d, n = points // 2, h.dimension, h.num_bands
    grid = np.array(list(itertools.product(range(points), repeat=d))) / points
    cells = np.array(list(itertools.product(range(-half, half + 1), repeat=d)))
    index, left, right = (part.ravel() for part in np.indices((len(cells), n, n)))
    k = np.asarray(h.lattice.to_cartesian_k(grid))
    tau = np.asarray(h.orbitals)
    step = tau[right] - tau[left]
    waves = np.exp(-2j * np.pi * (grid @ cells.T)) / len(grid)

    def kernel(chosen: np.ndarray, centres: np.ndarray, t: float) -> np.ndarray:
        phases = waves[:, index[chosen]] * np.exp(-1j * (k @ step[chosen].T))
        rows = (jnp.asarray(left[chosen]), jnp.asarray(right[chosen]))
        work = len(k) * (n * n + len(chosen))
        return in_batches(
            lambda x: _transformed(h, jnp.asarray(k), jnp.asarray(phases), rows, x, jnp.asarray(float(t))),
            centres,
            work,
        )

    source = HoppingSource(h, cells[index], left, right, np.nan, kernel)
    every = np.arange(len(index))
    size = np.max([np.abs(source.values(every, places, t)).max(axis=0) for t in moments], axis=0)
    return source, size


@eqx.filter_jit
def _transformed(h: BlochHamiltonian, k: Array, phases: Array, rows: tuple[Array, Array], x: Array, t: Array) -> Array:
    def one(place: Array) -> Array:
        matrices = jax.vmap(lambda q: h.at(q, place, t))(k)
        return (matrices[:, rows[0], rows[1]] * phases).sum(axis=0)

    return jax.vmap(one)(x)


def restricted(source: HoppingSource, kept: np.ndarray, error: float) -> HoppingSource:
    """Only some of the elements."""
    numbers, kernel = np.flatnonzero(kept), source.kernel
    return replace(
        source,
        cells=source.cells[kept],
        left=source.left[kept],
        right=source.right[kept],
        error=error,
        kernel=lambda chosen, centres, t: kernel(numbers[chosen], centres, t),
    )


def back_transform(source: HoppingSource, k: np.ndarray, places: np.ndarray, t: float) -> np.ndarray:
    """sum_R t_ij(R; x, t) exp(i k.(R + tau_j - tau_i)) at all probes: (places, k, N, N)."""
    count = source.hamiltonian.num_bands
    values = source.values(np.arange(len(source.left)), places, t)
    waves = np.exp(-1j * (k @ source.steps.T))
    result = np.zeros((len(places), len(k), count * count), dtype=np.complex128)
    for element in range(count * count):
        chosen = source.left * count + source.right == element
        result[:, :, element] = values[:, chosen] @ waves[:, chosen].T
    return result.reshape(len(places), len(k), count, count)


def sampled_places(h: BlochHamiltonian, k: np.ndarray, places: np.ndarray, t: float) -> np.ndarray:
    """H at probes: (places, k, N, N)."""
    return in_batches(lambda x: _placed(h, jnp.asarray(k), x, jnp.asarray(float(t))), places, len(k) * h.num_bands**2)


@eqx.filter_jit
def _placed(h: BlochHamiltonian, k: Array, places: Array, t: Array) -> Array:
    return jax.vmap(lambda x: jax.vmap(lambda q: h.at(q, x, t))(k))(places)


def in_batches(function: Callable[[Array], Array], places: np.ndarray, work: int) -> np.ndarray:
    """A kernel over places (M, d), in batches of a power of two that bound its memory."""
    most = max(1, KERNEL_ELEMENTS // max(work, 1))
    size = min(1 << (len(places) - 1).bit_length(), 1 << (most.bit_length() - 1))
    parts = []
    for start in range(0, len(places), size):
        part = places[start : start + size]
        padded = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
        parts.append(np.asarray(function(jnp.asarray(padded)))[: len(part)])
    return np.concatenate(parts)


def used_elements(cells: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(R, i, j) of all elements that are not zero, and of every on-site energy."""
    origin = int(np.flatnonzero((cells == 0).all(axis=1))[0])
    used = size > 0
    used[origin] |= np.eye(size.shape[-1], dtype=bool)
    index, left, right = np.nonzero(used)
    return index, left, right


def possible_elements(model: TightBinding) -> np.ndarray:
    """(nR, N, N), not zero where the hoppings of a model may be, whatever its parameters are."""
    hoppings = model._hoppings
    blocks = np.abs(np.asarray(model.blocks))
    if hoppings.function is not None and hoppings.pattern is not None:
        blocks[tuple(hoppings.pattern.index.T)] = 1
        blocks[tuple(hoppings.pattern.conjugate.T)] = 1
    return blocks


def probes(h: BlochHamiltonian, corners: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places spread evenly over a sample (M, d), and times of the run (T,)."""
    d = h.dimension
    low, high = corners
    if h.varies_in_space:
        # multiples of powers of the root of x^(d+1) = x + 1 fill a box evenly
        root = float(np.max(np.roots([1.0, *[0.0] * (d - 1), -1.0, -1.0]).real))
        fractions = np.mod(0.5 + np.outer(np.arange(PROBE_PLACES), root ** -np.arange(1.0, d + 1)), 1.0)
        places = low + fractions * (high - low)
    else:
        places = ((low + high) / 2)[None]
    moments = times[0] + np.array([0.0, 0.381966, 0.763932]) * (times[-1] - times[0])
    return places, moments if h.varies_in_time else moments[:1]
