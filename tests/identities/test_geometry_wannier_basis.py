"""Position matrices: the same crystal in another basis has the same geometry, and basis curvature is needed.

A tight-binding model is rewritten in the basis |w_j> = sum W_ij(R) |R i>, W(k) unitary, H -> W^+ H W and
r -> W^+ r W + i W^+ dW.  With all columns of W everything gauge invariant is unchanged; with fewer columns the
basis has a curvature of its own, and the geometry is that of the states W(k) v(k) in the full orbital space.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from random_models import (
    Blocks,
    paraunitary,
    random_blocks,
    random_k,
    random_unitary,
    seeds,
    shapes,
    smallest_gap,
    wannier_like,
)

import blochflow as bf

geometry = bf.geometry
profile = settings(deadline=None, max_examples=20, derandomize=True)
GAP = 0.05
RTOL = 1e-9  # rounding 1e-15 of H and of r, times (velocity/gap)^2 for a gap of 0.05 and a cubic weight
QUANTITIES = (
    geometry.quantum_metric,
    geometry.berry_curvature,
    geometry.quantum_geometric_tensor,
    geometry.orbital_moment,
    geometry.band_normalised_metric,
    geometry.inverse_mass,
)


def close(a: object, b: object) -> bool:
    x, y = np.asarray(a), np.asarray(b)
    return bool(np.abs(x - y).max() <= RTOL * (1 + np.abs(x).max() + np.abs(y).max()))


def agree(here: bf.Bands, there: bf.Bands) -> None:
    assume(smallest_gap(np.asarray(here.energies)) > GAP)
    assert there.model.has_position_matrices and not here.model.has_position_matrices
    assert close(here.energies, there.energies)
    for quantity in QUANTITIES:
        assert close(quantity(here), quantity(there)), quantity.__name__
    assert close(geometry.inverse_mass(here, kind="instantaneous"), geometry.inverse_mass(there, kind="instantaneous"))
    group = bf.Subspace([0, 1])
    for quantity in (geometry.quantum_geometric_tensor, geometry.orbital_moment):
        assert close(quantity(here, subspace=group), quantity(there, subspace=group)), quantity.__name__
    eigenvalues = [np.linalg.eigvalsh(np.asarray(geometry.non_abelian_curvature(b, group))) for b in (here, there)]
    assert close(*eigenvalues)
    # |A_nm| does not depend on the phases of the states
    assert close(*(np.abs(np.asarray(geometry.berry_connection(b))) for b in (here, there)))


@profile
@given(seeds, shapes)
def test_local_mixing_of_orbitals_at_different_places(seed, shape):
    source, k = random_blocks(seed, *shape), random_k(seed, shape[1])
    basis = {(0,) * shape[1]: random_unitary(np.random.default_rng(seed + 5), shape[0])}
    agree(bf.bands(source.model(), k), bf.bands(wannier_like(source, basis), k))


@profile
@given(seeds, shapes)
def test_mixing_across_cells(seed, shape):
    source, k = random_blocks(seed, *shape), random_k(seed, shape[1])
    basis = paraunitary(np.random.default_rng(seed + 6), *shape)
    agree(bf.bands(source.model(), k), bf.bands(wannier_like(source, basis), k))


def embedded(source: Blocks, basis: dict, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energies and states W(k) v(k) in the full orbital space, with the orbital positions in the phases (NumPy)."""
    site = np.exp(1j * k @ source.orbitals.T)
    w = sum(np.exp(1j * k @ (np.array(r) @ source.lattice))[:, None, None] * m for r, m in basis.items())
    columns = site.conj()[:, :, None] * w
    energies, v = np.linalg.eigh(columns.conj().swapaxes(-1, -2) @ source.hamiltonian(k) @ columns)
    return energies, columns @ v


@profile
@given(seeds, shapes)
def test_projected_basis_has_curvature_of_its_own(seed, shape):
    # Wannier functions that span only part of the bands' space: Omega by fluxes of small squares in the full space.
    source, k = random_blocks(seed, *shape), random_k(seed, shape[1])
    full = paraunitary(np.random.default_rng(seed + 7), *shape)
    basis = {r: m[:, : shape[0] - 1] for r, m in full.items()}
    energies, states = embedded(source, basis, k)
    assume(smallest_gap(energies) > 0.3)
    bands = bf.bands(wannier_like(source, basis), k)
    assert close(energies, bands.energies)
    omega = np.asarray(geometry.berry_curvature(bands))
    side = 1e-3
    for a in range(shape[1]):
        for b in range(a + 1, shape[1]):
            e, f = side * np.eye(shape[1])[a] / 2, side * np.eye(shape[1])[b] / 2
            corners = [embedded(source, basis, k + q)[1] for q in (-e - f, e - f, e + f, -e + f)]
            loop = 1.0
            for here, there in zip(corners, corners[1:] + corners[:1], strict=True):
                loop = loop * np.einsum("kin,kin->kn", here.conj(), there)
            # side^2 = 1e-6 times second derivatives over the value (velocity/gap)^2, and rounding 1e-16/side^2
            expected = -np.angle(loop) / side**2
            assert np.abs(omega[:, a, b] - expected).max() < 1e-3 * (1 + np.abs(expected).max())
    # the metric within the Wannier space cannot exceed the one in the full space
    step = 1e-4
    slopes = []
    for e in step * np.eye(shape[1]):
        pair = [embedded(source, basis, k + s * e)[1] for s in (1, -1)]
        pair = [p / np.einsum("kin,kin->kn", states.conj(), p)[:, None] for p in pair]
        slopes.append((pair[0] - pair[1]) / (2 * step))
    du = np.stack(slopes, axis=1)
    complete = np.einsum("kain,kbin->knab", du.conj(), du).real
    within = np.moveaxis(np.asarray(geometry.quantum_metric(bands)), -1, 1)
    missing = np.linalg.eigvalsh(complete - within)
    # the error of the difference quotient, step^2 (velocity/gap)^4 relative
    assert missing.min() > -2e-4 * (1 + np.abs(complete).max())


@pytest.mark.parametrize("shape", [(4, 2), (3, 3)])
def test_basis_curvature_matters(shape):
    # Without F the sum over all bands would vanish; with it, it is the curvature of the Wannier space, not zero.
    source, k = random_blocks(11, *shape), random_k(11, shape[1])
    full = paraunitary(np.random.default_rng(12), *shape)
    bands = bf.bands(wannier_like(source, {r: m[:, : shape[0] - 1] for r, m in full.items()}), k)
    total = np.asarray(geometry.berry_curvature(bands)).sum(axis=-1)
    assert np.abs(total).max() > 1e-2


def test_wilson_loop_with_position_matrices():
    # The same Berry phases in both bases; midpoint links of the basis are exact to second order in the step, 1e-3 here.
    source = random_blocks(21, 3, 1)
    basis = paraunitary(np.random.default_rng(22), 3, 1)
    path = np.linspace(0, source.reciprocal[0], 401)
    for group in (0, [0, 1], [1, 2]):
        here = geometry.wilson_loop(source.model(), bands=group, path=path)
        there = geometry.wilson_loop(wannier_like(source, basis), bands=group, path=path)
        assert np.abs(np.exp(1j * here) - np.exp(1j * there)).max() < 1e-3


def test_chern_number_does_not_depend_on_the_basis():
    source = random_blocks(31, 4, 2)
    basis = paraunitary(np.random.default_rng(32), 4, 2)
    other = wannier_like(source, basis)
    for group in ([0], [0, 1]):
        assert geometry.chern_number(source.model(), bands=group) == geometry.chern_number(other, bands=group)


def test_orbital_moment_of_wannier_input_says_that_it_is_approximate():
    blocks = random_blocks(3, 3, 3)
    positions = np.zeros((len(blocks.cells), 3, 3, 3), dtype=complex)
    positions[len(blocks.cells) // 2] = np.stack([np.diag(x) for x in blocks.orbitals.T])
    k = random_k(3, 3)
    with pytest.warns(bf.ValidityWarning, match="tight-binding approximation"):
        bf.geometry.orbital_moment(bf.bands(blocks.model(positions=positions), k))
