"""Chern numbers, Wilson loops and Wannier spreads: integers by two routes, invariances, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from random_models import Blocks, random_blocks, random_unitary, smallest_gap

import blochflow as bf
from blochflow.core.backend import jnp

geometry = bf.geometry


def mesh(source: Blocks, size: int) -> np.ndarray:
    axes = [(np.arange(size) + 0.5) / size] * len(source.lattice)
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes)) @ source.reciprocal


# Random four-band models with a gap above 0.4 between bands 1 and 2; the first three have C = -1, -1, 1, the others 0.
MODELS = {seed: random_blocks(seed, 4, 2) for seed in (12, 16, 45, 4, 11)}


@pytest.mark.parametrize("seed", list(MODELS))
def test_chern_number_is_the_integral_of_the_curvature(seed):
    source = MODELS[seed]
    group, rest = bf.Subspace([0, 1]), bf.Subspace([2, 3])
    model, size = source.model(), 256
    chern = geometry.chern_number(model, bands=group)
    omega = np.asarray(geometry.berry_curvature(bf.bands(model, mesh(source, size)), subspace=group))[:, 0, 1]
    integral = omega.mean() * abs(np.linalg.det(source.reciprocal)) / (2 * np.pi)
    # the periodic integrand converges as exp(-size gap/velocity): below 1e-4 for gaps of 0.4 on 256 points
    assert abs(integral - chern) < 1e-3
    assert geometry.chern_number(model, bands=rest) == -chern


def test_chern_number_invariances():
    found = []
    for seed in (12, 45, 4):
        source = MODELS[seed]
        group = [0, 1]
        chern = geometry.chern_number(source.model(), bands=group)
        found.append(chern)
        shift = np.random.default_rng(seed).normal(size=(4, 2))
        assert geometry.chern_number(source.model(orbitals=source.orbitals + shift), bands=group) == chern
        # a left-handed choice of lattice vectors describes the same crystal
        swapped = bf.TightBinding.from_blocks(
            source.lattice[::-1], source.orbitals, source.cells[:, ::-1], source.blocks
        )
        assert geometry.chern_number(swapped, bands=group) == chern
        assert geometry.chern_number(source.model(blocks=source.blocks.conj()), bands=group) == -chern
        assert geometry.chern_number(source.model(), bands=bf.Subspace(range(4))) == 0
        assert geometry.chern_number(source.model(), bands=group, grid=(72, 64)) == chern
    assert found == [-1, 1, 0]  # the zone integral of the curvature gives the same, see above


def haldane(phase: float, mass: float) -> bf.TightBinding:
    t2 = complex(0.15 * np.exp(1j * phase))
    c2 = t2.conjugate()
    hoppings = [(-mass, 0, 0, (0, 0)), (mass, 1, 1, (0, 0))]
    hoppings += [(-1.0, 0, 1, (0, 0)), (-1.0, 1, 0, (1, 0)), (-1.0, 1, 0, (0, 1))]
    hoppings += [(t2, 0, 0, (1, 0)), (t2, 1, 1, (1, -1)), (t2, 1, 1, (0, 1))]
    hoppings += [(c2, 1, 1, (1, 0)), (c2, 0, 0, (1, -1)), (c2, 0, 0, (0, 1))]
    return bf.TightBinding([[1, 0], [0.5, 3**0.5 / 2]], [[1 / 3, 1 / 3], [2 / 3, 2 / 3]], hoppings)


CRITICAL = 3**1.5 * 0.15  # the mass at which the gap of `haldane(pi/2, .)` closes at a zone corner


def test_small_gap_is_refused_on_a_coarse_mesh_and_refined_by_default():
    model = haldane(np.pi / 2, CRITICAL - 0.01)  # gap 0.02: a 20 x 20 mesh aliases to 0
    with pytest.raises(bf.ConvergenceError, match="too coarse"):
        geometry.chern_number(model, bands=0, grid=20)
    assert geometry.chern_number(model, bands=0) == -1
    assert geometry.chern_number(haldane(np.pi / 2, CRITICAL + 0.01), bands=0) == 0


@pytest.mark.parametrize("grid", range(4, 40, 3))
def test_every_answer_of_a_given_mesh_is_right(grid):
    # Metamorphic: right or refused, never wrong.
    for distance, expected in ((0.3, -1), (0.05, -1), (0.004, -1), (-0.004, 0), (-0.05, 0)):
        try:
            answer = geometry.chern_number(haldane(np.pi / 2, CRITICAL - distance), bands=0, grid=grid)
        except bf.ConvergenceError:
            continue
        assert answer == expected


def bilayer(mass: float):
    """(sin kx + i sin ky)^2-type winding two with a small mass: the flux 2 pi hides in one plaquette."""

    def function(k, m=mass):
        x, y = jnp.sin(k[0]), jnp.sin(k[1])
        hz = m + 2 - jnp.cos(k[0]) - jnp.cos(k[1])
        off = (x - 1j * y) ** 2
        return jnp.array([[hz, off], [jnp.conj(off), -hz]])

    return bf.LatticeModel(function, np.eye(2))


@pytest.mark.parametrize("mass", [-1.0, -0.3, -0.05])
def test_winding_two(mass):
    model = bilayer(mass)
    fine = geometry.chern_number(model, bands=0)
    assert abs(fine) == 2
    for grid in (6, 9, 14, 24):
        try:
            assert geometry.chern_number(model, bands=0, grid=grid) == fine
        except bf.ConvergenceError as error:
            assert "too coarse" in str(error)


def test_closed_gap_is_refused():
    with pytest.raises(bf.DegenerateBandsError) as caught:
        geometry.chern_number(haldane(np.pi / 2, CRITICAL), bands=0)
    assert caught.value.bands == (0, 1) and caught.value.gap < 1e-7
    corners = np.array([[4 * np.pi / 3, 0], [-2 * np.pi / 3, 2 * np.pi / 3**0.5]])
    reduced = (np.array(caught.value.k) - corners) @ np.array([[1, 0], [0.5, 3**0.5 / 2]]).T / (2 * np.pi)
    # a zooming search stops at the rounding of the gap: 1e-7 in units of the zone is ample
    assert np.abs(reduced - np.round(reduced)).max(axis=1).min() < 1e-6


def test_splitting_a_degenerate_pair_is_refused():
    source = MODELS[12]
    doubled = source.model(blocks=np.kron(source.blocks, np.eye(2)), orbitals=np.repeat(source.orbitals, 2, axis=0))
    with pytest.raises(bf.DegenerateBandsError):
        geometry.chern_number(doubled, bands=0)
    assert geometry.chern_number(doubled, bands=range(4)) == 2 * geometry.chern_number(source.model(), bands=[0, 1])


def stacked(coupling: float, mass: float = -1.2) -> bf.TightBinding:
    """Layers of a Chern insulator (C = 1 for the lower band) along a tilted third axis."""
    hoppings = [(mass, 0, 0, (0, 0, 0)), (-mass, 1, 1, (0, 0, 0))]
    for sign, i in ((1, 0), (-1, 1)):
        hoppings += [(0.5 * sign, i, i, (1, 0, 0)), (0.5 * sign, i, i, (0, 1, 0)), (coupling * sign, i, i, (0, 0, 1))]
    hoppings += [(-0.5j, 0, 1, (1, 0, 0)), (0.5j, 0, 1, (-1, 0, 0)), (-0.5, 0, 1, (0, 1, 0)), (0.5, 0, 1, (0, -1, 0))]
    return bf.TightBinding([[1, 0, 0], [0, 1, 0], [0.3, 0.1, 1.2]], np.zeros((2, 3)), hoppings)


def test_planes_of_a_three_dimensional_zone():
    layers = stacked(0.1)
    assert [geometry.chern_number(layers, bands=0, plane=(2, value)) for value in (0.0, 0.3)] == [1, 1]
    assert [geometry.chern_number(layers, bands=0, plane=(axis, 0.1)) for axis in (0, 1)] == [0, 0]
    # a Weyl semimetal: the number jumps between planes, by the charge of the node in between
    weyl = stacked(0.5, mass=-2.0)
    values = [geometry.chern_number(weyl, bands=0, plane=(2, value)) for value in (0.1, 0.4)]
    assert sorted(values) == [0, 1]


def test_wilson_loop_is_gauge_invariant_and_equals_the_flux():
    source = MODELS[16]
    centre, radius = np.array([0.4, -0.3]), 0.05
    angles = np.linspace(0, 2 * np.pi, 401)
    path = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    phases = geometry.wilson_loop(source.model(), bands=0, path=path)
    gap = smallest_gap(source.states(centre[None])[0])
    assert gap > 0.05
    k = centre + radius * disc()
    omega = np.asarray(geometry.berry_curvature(bf.bands(source.model(), k)))[:, 0, 1, 0]
    # midpoint polar rule and 401 links: 1e-4 each relative to the area
    assert abs(phases[0] - omega.mean() * np.pi * radius**2) < 1e-2 * abs(phases[0]) + 1e-6
    reversed_phases = geometry.wilson_loop(source.model(), bands=0, path=path[::-1])
    assert abs(phases[0] + reversed_phases[0]) < 1e-12  # the same links, conjugated
    # degenerate group: spin doubled and mixed
    unitary = random_unitary(np.random.default_rng(1), 8)
    flat = random_blocks(3, 4, 2, flat=True)
    doubled = unitary.conj().T @ np.kron(flat.blocks, np.eye(2)) @ unitary
    single = geometry.wilson_loop(flat.model(), bands=[0, 1], path=path)
    twice = geometry.wilson_loop(flat.model(blocks=doubled, orbitals=np.zeros((8, 2))), bands=range(4), path=path)
    assert np.abs(np.repeat(single, 2) - twice).max() < 1e-9  # eigenvalues of a product of 400 unitary matrices


def disc() -> np.ndarray:
    """Points of equal weight on the unit disc."""
    radius = np.sqrt((np.arange(40) + 0.5) / 40)
    angle = 2 * np.pi * (np.arange(40) + 0.5) / 40
    return np.stack([np.outer(radius, np.cos(angle)), np.outer(radius, np.sin(angle))], axis=-1).reshape(-1, 2)


def test_wilson_loop_of_all_bands_gives_the_orbital_positions():
    source = random_blocks(8, 3, 1)
    path = np.linspace(0, source.reciprocal[0], 11)
    phases = geometry.wilson_loop(source.model(), bands=range(3), path=path)
    expected = np.sort(np.angle(np.exp(1j * source.orbitals[:, 0] * source.reciprocal[0, 0])))
    assert np.abs(phases - expected).max() < 1e-10  # exact identity of unitary matrices


def test_wilson_loop_refusals():
    model = haldane(np.pi / 2, 0.2)
    with pytest.raises(ValueError, match="Argument `path` must end at its start"):
        geometry.wilson_loop(model, bands=0, path=[[0, 0], [0.1, 0], [0.3, 0.2]])
    graphene = haldane(0.0, 1e-12)
    corner, x, y = np.array([4 * np.pi / 3, 0.0]), *np.eye(2)
    with pytest.raises(bf.DegenerateBandsError):
        geometry.wilson_loop(graphene, bands=0, path=[corner, corner + 0.1 * x, corner + 0.1 * y, corner])
    # one step across the Dirac point: orthogonal states
    across = [corner + 0.01 * x, corner - 0.01 * x, corner + 0.01 * x]
    with pytest.raises(bf.ConvergenceError, match="too coarse"):
        geometry.wilson_loop(graphene, bands=0, path=across)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: geometry.chern_number(m, bands=2), "Argument `bands` must name bands 0 to 1"),
        (lambda m: geometry.chern_number(m, bands="low"), "Argument `bands` must be"),
        (lambda m: geometry.chern_number(m, bands=0, grid=1), "Argument `grid` must"),
        (lambda m: geometry.chern_number(m, bands=0, plane=(0, 0.0)), "Argument `plane` must be absent"),
        (lambda m: geometry.chern_number(stacked(0.1), bands=0), "Argument `plane` must be"),
        (lambda m: geometry.wannier_spread(m, bands=0, grid=0.5), "Argument `grid` must"),
        (lambda m: geometry.berry_curvature(bf.bands(m, [0, 0]), degenerate="ignore"), "Argument `degenerate` must"),
        (lambda m: geometry.berry_curvature(bf.bands(m, [0, 0]), subspace=[0]), "Argument `subspace` must"),
        (lambda m: geometry.inverse_mass(bf.bands(m, [0, 0]), kind="bnad"), "did you mean 'band'"),
        (lambda m: geometry.to_axial(geometry.berry_curvature(bf.bands(m, [0, 0]))), "Argument `tensor` must"),
        (lambda m: geometry.expectation(bf.bands(m, [0, 0]), "spin"), "Argument `operator` must"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(haldane(np.pi / 2, 0.2))


def test_wannier_spread_of_a_group():
    for source in (MODELS[12], MODELS[4]):
        model = source.model()
        spread = geometry.wannier_spread(model, bands=[0, 1], grid=64)
        # occupied-unoccupied sum by independent overlaps: (1/2) Tr (d_a P)^2 with central differences of projectors
        k, step = mesh(source, 64), 1e-3
        total = 0.0
        for e in step * np.eye(2):
            slope = (source.projector(k + e, 2) - source.projector(k - e, 2)) / (2 * step)
            total += 0.5 * np.einsum("kij,kji->k", slope, slope).real.mean()
        # step^2 times (velocity/gap)^2 ~ 1e-4, and the grid's own error, which is reported
        assert abs(float(spread.value) - total) < 1e-3 * total + float(spread.error)
        assert spread.value >= spread.bound - spread.error
        complement = geometry.wannier_spread(model, bands=[2, 3], grid=64)
        assert abs(spread.value - complement.value) < 1e-10 * total  # the same pairs, summed in another order


def test_wannier_spread_refuses_a_gap_it_cannot_resolve():
    with pytest.raises(bf.ConvergenceError) as caught:
        geometry.wannier_spread(haldane(np.pi / 2, CRITICAL - 2e-5), bands=0)
    assert caught.value.result.error > 1e-9 * caught.value.result.value
