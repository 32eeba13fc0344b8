"""Random tight-binding models for property tests: any lattice, any orbital positions, few array shapes.

Shapes are drawn from three (bands, dimension) pairs with a fixed set of lattice vectors each and a fixed batch of k,
so that a whole module of property tests compiles each kernel at most three times.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from hypothesis import strategies as st

import blochflow as bf

BATCH = 4
# (bands, dimension): 1D, 2D and 3D
SHAPES = ((3, 1), (4, 2), (3, 3))


@dataclass(frozen=True)
class Blocks:
    """Plain arrays of a random model: lattice rows, Cartesian positions, cells and Hermitian blocks."""

    lattice: np.ndarray
    orbitals: np.ndarray
    cells: np.ndarray
    blocks: np.ndarray

    def model(self, **changes: np.ndarray) -> bf.TightBinding:
        values = {"orbitals": self.orbitals, "blocks": self.blocks, "cells": self.cells, **changes}
        return bf.TightBinding.from_blocks(
            self.lattice, values["orbitals"], values["cells"], values["blocks"], positions=values.get("positions")
        )

    def hamiltonian(self, k: np.ndarray) -> np.ndarray:
        """H(k) (K, n, n) by the defining sum, in NumPy: independent of the package."""
        r_cart = self.cells @ self.lattice
        offset = self.orbitals[None, :, :] - self.orbitals[:, None, :]
        phase = np.exp(1j * np.einsum("kc,rijc->krij", k, r_cart[:, None, None, :] + offset[None]))
        return np.einsum("krij,rij->kij", phase, self.blocks)

    def states(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies and states by NumPy."""
        return np.linalg.eigh(self.hamiltonian(k))

    def projector(self, k: np.ndarray, count: int) -> np.ndarray:
        """Projector on the lowest ``count`` bands, (K, n, n)."""
        states = self.states(k)[1][:, :, :count]
        return states @ states.conj().swapaxes(-1, -2)

    @property
    def reciprocal(self) -> np.ndarray:
        return 2 * np.pi * np.linalg.inv(self.lattice).T


def smallest_gap(energies: np.ndarray) -> float:
    """Smallest distance between neighbouring bands over a batch."""
    return float(np.diff(energies, axis=-1).min())


def random_blocks(seed: int, bands: int, dimension: int, *, real: bool = False, flat: bool = False) -> Blocks:
    """Hoppings to all cells |R_a| <= 1, decaying; orbitals anywhere in the cell (at the origin when ``flat``)."""
    rng = np.random.default_rng(seed)
    lattice = np.eye(dimension) * rng.uniform(0.8, 1.4, dimension) + rng.uniform(-0.25, 0.25, (dimension, dimension))
    orbitals = np.zeros((bands, dimension)) if flat else rng.uniform(0, 1, (bands, dimension)) @ lattice
    cells = np.array(sorted(product((-1, 0, 1), repeat=dimension)))
    raw = rng.normal(size=(len(cells), bands, bands)) + (0 if real else 1j) * rng.normal(
        size=(len(cells), bands, bands)
    )
    raw = raw * np.exp(-0.8 * np.abs(cells).sum(axis=1))[:, None, None]
    # cells are sorted, so the reversed list is the list of -R
    blocks = 0.5 * (raw + raw[::-1].conj().swapaxes(-1, -2))
    blocks[len(cells) // 2] += np.diag(1.5 * np.arange(bands))
    return Blocks(lattice, orbitals, cells, blocks)


def random_k(seed: int, dimension: int, count: int = BATCH) -> np.ndarray:
    """Generic wave vectors."""
    return np.random.default_rng(seed + 77).uniform(-3, 3, (count, dimension))


def random_unitary(rng: np.random.Generator, size: int, count: int | None = None) -> np.ndarray:
    """Unitary matrices from QR decompositions, phases included."""
    shape = (size, size) if count is None else (count, size, size)
    q, _ = np.linalg.qr(rng.normal(size=shape) + 1j * rng.normal(size=shape))
    return q


def laurent_product(left: dict, right: dict) -> dict:
    """Product of two matrix Laurent polynomials {R: matrix} = sum_R M_R exp(i k.R)."""
    result: dict = {}
    for (r, x), (s, y) in product(left.items(), right.items()):
        key = tuple(a + b for a, b in zip(r, s, strict=True))
        result[key] = result.get(key, 0) + x @ y
    return result


def laurent_adjoint(poly: dict) -> dict:
    """Hermitian conjugate at real k."""
    return {tuple(-a for a in r): x.conj().T for r, x in poly.items()}


def paraunitary(rng: np.random.Generator, bands: int, dimension: int) -> dict:
    """W(k) = W_1 diag(exp(i k.R_j)) W_2: a k-dependent unitary change of basis with finite range."""
    first, second = random_unitary(rng, bands), random_unitary(rng, bands)
    poly: dict = {}
    for j in range(bands):
        key = tuple((j >> a) & 1 for a in range(dimension))  # fixed, so that all draws share one compiled kernel
        poly[key] = poly.get(key, 0) + np.outer(first[:, j], second[j])
    return poly


def wannier_like(source: Blocks, basis: dict) -> bf.TightBinding:
    """The model in the basis |w_j> = sum_R,i |R i> W_ij(R): H -> W^+ H W, r -> W^+ tau W + i W^+ dW.

    ``basis`` may have fewer columns than rows: the model is then the projection on these Wannier functions.
    """
    dimension = len(source.lattice)
    zero = (0,) * dimension
    hamiltonian = {tuple(r): b for r, b in zip(source.cells.tolist(), source.blocks, strict=True)}
    adjoint = laurent_adjoint(basis)
    h = laurent_product(adjoint, laurent_product(hamiltonian, basis))
    positions = []
    for a in range(dimension):
        tau = laurent_product(adjoint, laurent_product({zero: np.diag(source.orbitals[:, a])}, basis))
        # i W^+ d_a W = sum_R W^+ (i) (i R_a) W_R exp(i k.R)
        slope = {r: -(np.array(r) @ source.lattice)[a] * w for r, w in basis.items()}
        for key, value in laurent_product(adjoint, slope).items():
            tau[key] = tau.get(key, 0) + value
        positions.append(tau)
    cells = sorted({*h, *(r for p in positions for r in p)} | {zero})
    cells = sorted({*cells, *(tuple(-a for a in r) for r in cells)})
    size = next(iter(basis.values())).shape[1]
    empty = np.zeros((size, size), dtype=complex)
    blocks = np.array([h.get(r, empty) for r in cells])
    r_blocks = np.array([[p.get(r, empty) for p in positions] for r in cells])
    centres = np.array([[p[zero][j, j].real for p in positions] for j in range(size)])
    return bf.TightBinding.from_blocks(source.lattice, centres, np.array(cells), blocks, positions=r_blocks)


seeds = st.integers(0, 2**32 - 1)
shapes = st.sampled_from(SHAPES)
