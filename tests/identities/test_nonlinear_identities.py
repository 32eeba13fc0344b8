"""What quadratic and nonlocal conductivities must obey in any model: sum rules, symmetries, second routes.

Random models have few shapes, so that kernels compile once for many draws.  Where an identity holds for the integrals
only, the grids are fine enough for rounding: temperatures are high, and the trapezoid rule converges exponentially.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from random_models import Blocks, paraunitary, random_blocks, seeds, wannier_like

import blochflow as bf
import compiled_kernels
from blochflow.models.base import PAIRS

R = bf.response
ONE = bf.Execution(workers=1, progress=False)
# of hoppings about 1; bands are 1.5 apart on average
KT = 0.5
PLAIN = {"symmetry": False, "execution": ONE}


def flat(seed, bands, dimension, kind="any"):
    """Orbitals at the origin, with no symmetry, or with P, T or their product."""
    source = random_blocks(seed, bands, dimension, flat=True, real=kind == "T")
    blocks = source.blocks
    if kind == "PT":
        blocks = 0.5 * (blocks + blocks.swapaxes(-1, -2))
    if kind == "P":
        blocks = 0.5 * (blocks + blocks[::-1])
    # bands far apart: with P*T they would touch at points, where the metric has no bound
    blocks = 0.5 * blocks
    blocks[len(blocks) // 2] += np.diag(2.0 * np.arange(bands))
    return Blocks(source.lattice, source.orbitals, source.cells, blocks)


def fully_symmetric(tensor):
    """Sum over cyclic orders of the last three axes."""
    lead = tuple(range(tensor.ndim - 3))
    n = tensor.ndim - 3
    return sum(tensor.transpose(*lead, n + i, n + j, n + k) for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)))


@given(seeds)
@settings(max_examples=4)
def test_local_relaxation_is_purely_hall(seed):
    # holds for every sum over k, so that coarse grids do
    model = random_blocks(seed, 4, 2).model()
    found = R.nonlinear_conductivity(model, [0.0, 1.0], KT, tau=3.0, relaxation="local", grid=8, throw=False, **PLAIN)
    metric = found.parts.sel(part="metric").values
    assert np.abs(fully_symmetric(metric)).max() <= 1e-13 * max(np.abs(metric).max(), 1.0)


@given(seeds)
@settings(max_examples=3)
def test_energies_shifts_and_changes_of_basis_do_not_matter(seed):
    source = flat(seed, 4, 2)
    rng = np.random.default_rng(seed)
    unitary = np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0]
    moved = unitary @ source.blocks @ unitary.conj().T
    moved[len(moved) // 2] += 0.7 * np.eye(4)
    kept = {"tau": 3.0, "relaxation": ["bare", "uniform"], "grid": 8, "throw": False, **PLAIN}
    first = R.nonlinear_conductivity(source.model(), 0.2, KT, **kept)
    second = R.nonlinear_conductivity(source.model(blocks=moved), 0.9, KT, **kept)
    scale = np.abs(first.parts.values).max(axis=(1, 2, 3, 4, 5, 6), keepdims=True)
    # T goes with the third power of gaps, of which one in a few is 0.05
    assert (np.abs(second.parts.values - first.parts.values) <= 1e-9 * scale).all()


EXPECTED = {"T": {"bcd"}, "P": set(), "PT": {"drude", "metric"}, "any": {"drude", "bcd", "metric"}}


@pytest.mark.parametrize("kind", ["P", "PT", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("T", "any"))])
def test_symmetry_decides_which_parts_exist(kind):
    model = flat(11, 4, 2, kind).model()
    found = R.nonlinear_conductivity(
        model,
        0.5,
        KT,
        tau=3.0,
        relaxation="uniform",
        execution=ONE,
        throw=False,
        tolerance=bf.Tolerance(rtol=1e-2, max_evaluations=20_000),
    )
    for part in found.part.values:
        values = found.parts.sel(part=part).values
        forbidden = found.parts_forbidden.sel(part=part).values
        assert (np.abs(values[..., forbidden]) == 0).all()
        if part not in EXPECTED[kind]:
            assert forbidden.all()
        else:
            assert not forbidden.all()
            assert np.abs(values).max() > 0


def test_derivatives_of_geometry_over_the_zone():
    """Dipoles as Int f d_c X with derivatives by Fourier transformation of X itself."""
    source = random_blocks(5, 3, 1, flat=True)
    model, count = source.model(), 256
    k = np.arange(count)[:, None] / count @ source.reciprocal
    bands = bf.bands(model, k)
    f = 1 / (np.exp((np.asarray(bands.energies) - 0.5) / KT) + 1)
    frequency = 1j * source.lattice[0, 0] * np.fft.fftfreq(count, 1 / count)

    def dipole(tensor):
        slope = np.fft.ifft(frequency[:, None] * np.fft.fft(tensor, axis=0), axis=0).real
        return (f * slope).sum(axis=1).mean() / source.lattice[0, 0]

    tensors = {"band_normalised": bf.geometry.band_normalised_metric, "plain": bf.geometry.quantum_metric}
    for name, function in tensors.items():
        found = R.quantum_metric_dipole(model, 0.5, KT, metric=name, grid=count, **PLAIN).value.item()
        assert found == pytest.approx(dipole(np.asarray(function(bands))[:, 0, 0]), rel=1e-9)
    third = dipole(np.asarray(bf.geometry.inverse_mass(bands))[:, 0, 0])
    sigma = R.nonlinear_conductivity(model, 0.5, KT, tau=1.0, relaxation="local", grid=count, throw=False, **PLAIN)
    assert sigma.parts.sel(part="drude").item() == pytest.approx(-third, rel=1e-9)


@pytest.mark.slow
def test_both_forms_of_the_drude_part():
    """Second derivatives of H, or f'' by parts, which is used where H has many hoppings."""
    from blochflow.response.dipole_integrands import SymmetricDipoles
    from blochflow.response.request import Request

    model = flat(3, 4, 2).model()
    request = Request.of("ohmic", model, 0.5, [KT, 1.0], {"grid": 64, **PLAIN})
    (plain,) = request.integrals(SymmetricDipoles(2, ("drude",), model))
    (parts,) = request.integrals(SymmetricDipoles(2, ("cubed",)))
    np.testing.assert_allclose(parts.value, plain.value, rtol=0, atol=1e-9 * np.abs(plain.value).max())


def brute_trace(model, mu, kt, z, count, axes):
    """M_a;bc(z) as the trace over a grid, in NumPy; rho_0' by divided differences."""
    reciprocal = np.asarray(model.lattice.reciprocal)
    mesh = np.stack(np.meshgrid(*[np.arange(count) / count] * axes, indexing="ij"), -1).reshape(-1, axes)
    bands = bf.bands(model, mesh @ reciprocal)
    energies, v = np.asarray(bands.energies), np.asarray(bands.velocity)
    gap = energies[:, :, None] - energies[:, None, :]
    f = 1 / (np.exp((energies - mu) / kt) + 1)
    same = np.eye(energies.shape[1], dtype=bool)
    divided = np.where(
        same, (-f * (1 - f) / kt)[:, :, None], (f[:, :, None] - f[:, None, :]) / np.where(same, 1.0, gap)
    )
    result = np.zeros((axes,) * 3, dtype=complex)
    for b in range(axes):
        for c in range(axes):
            x = divided * v[:, c] / (z - gap)
            x = (v[:, b] @ x + x @ v[:, b]) / (z - gap)
            for a in range(axes):
                value = np.einsum("knm,kmn->", v[:, a], x) / len(mesh) / model.lattice.volume
                result[a, b, c] += value / 2
                result[a, c, b] += value / 2
    return result


@pytest.mark.parametrize(("bands", "dimension", "count"), [(3, 1, 128), pytest.param(4, 2, 32, marks=pytest.mark.slow)])
def test_nonlocal_conductivity_is_the_trace(bands, dimension, count):
    model = random_blocks(21, bands, dimension).model()
    found = R.nonlocal_conductivity(model, 0.5, KT, tau=4.0, frequency=0.3, grid=count, throw=False, **PLAIN)
    expected = -0.5 * brute_trace(model, 0.5, KT, 0.3 + 0.25j, count, dimension)
    # the same sum over the same k: only rounding differs
    np.testing.assert_allclose(found.value.values[0, 0], expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def graphene(energy=0.0):
    """Massless cones, with a hopping along one lattice vector that breaks time reversal and inversion, not the product.

    ``energy`` of one sublattice opens gaps.
    """
    cells = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    blocks = np.zeros((5, 2, 2), dtype=complex)
    blocks[0] = [[energy, 1], [1, 0]]
    blocks[1] = [[-0.1j, 1], [0, -0.1j]]
    blocks[2], blocks[3] = blocks[1].conj().T, [[0, 1], [0, 0]]
    blocks[4] = blocks[3].conj().T
    lattice = np.array([[1.0, 0.0], [0.5, 0.75**0.5]])
    return bf.TightBinding.from_blocks(lattice, np.array([[0, 0], [1 / 3, 1 / 3]]), cells, blocks)


@pytest.mark.parametrize(("energy", "rule"), [(0.0, "auto"), (1e-6, "auto"), (0.0, "cells")])
def test_touching_bands_leave_the_value_sharp(energy, rule):
    """Every part diverges as a power of the gap where it is below |z|; the trace is smooth there."""
    model, limit = graphene(energy), bf.Tolerance(rtol=1e-2, max_evaluations=20_000)
    found = R.nonlocal_conductivity(model, -0.5, 0.3, tau=2.5, rule=rule, tolerance=limit, throw=False, execution=ONE)
    # points of the grid are not those where bands touch; converged to rounding by exp(-2 pi N a)
    expected = -0.5 * brute_trace(model, -0.5, 0.3, 0.4j, 100, 2).real
    size = np.abs(expected).max()
    assert found.converged.all() and (found.error.values <= 1e-2 * size).all()
    # rounding of the trace, whose divided differences it takes plainly
    assert (np.abs(found.value.values[0, 0] - expected) <= found.error.values[0, 0] + 1e-9 * size).all()
    # what cancels is said to be unknown
    assert found.parts_error.sel(part="band").max() > size
    np.testing.assert_allclose(found.parts.sum("part"), found.value, atol=1e-9 * np.abs(found.parts).max().item())


def test_circulating_currents_have_no_longitudinal_part():
    model = flat(21, 3, 1).model()
    found = R.nonlocal_conductivity(model, 0.5, KT, tau=4.0, grid=128, throw=False, **PLAIN)
    # in one dimension there is nothing but the longitudinal part
    assert abs(found.parts.sel(part="curl").item()) < 1e-11
    assert abs(found.parts.sel(part="m1").item()) == 0


@pytest.mark.slow
def test_circulating_currents_have_no_longitudinal_part_in_the_plane():
    model = random_blocks(9, 3, 2).model()
    found = R.nonlocal_conductivity(model, 0.5, 1.0, tau=4.0, grid=128, throw=False, **PLAIN)
    for part in ("curl", "m1"):
        values = found.parts.sel(part=part).values
        assert np.abs(fully_symmetric(values)).max() < 1e-9 * np.abs(values).max()


def test_longitudinal_current_is_that_of_the_lindhard_function():
    """z rho_q = q j_q: the term of third order in q of the density response, odd in q, is q^3 chi/z."""
    source = flat(33, 3, 1)
    model, count, z = source.model(), 128, 0.3 + 0.25j
    grid = np.arange(count)[:, None] / count @ source.reciprocal

    def density(q):
        shift = np.array([[q]])
        lower, upper = source.states(grid - shift / 2), source.states(grid + shift / 2)
        fl, fu = (1 / (np.exp((e - 0.5) / KT) + 1) for e in (lower[0], upper[0]))
        overlap = np.abs(np.einsum("kin,kim->knm", lower[1].conj(), upper[1])) ** 2
        change = fl[:, :, None] - fu[:, None, :]
        ratio = change / (z + lower[0][:, :, None] - upper[0][:, None, :])
        return (overlap * ratio).sum(axis=(1, 2)).mean() / source.lattice[0, 0]

    steps = np.array([0.01, 0.02, 0.04, 0.08])
    odd = np.array([(density(q) - density(-q)) / (2 * q**3) for q in steps])
    # polynomial in q^2 through four steps: error of order q^8, and rounding over q^3
    slope = np.linalg.solve(np.vander(steps**2, increasing=True), odd)[0]
    found = R.nonlocal_conductivity(model, 0.5, KT, tau=4.0, frequency=0.3, grid=count, throw=False, **PLAIN)
    assert found.longitudinal.item() == pytest.approx(z * slope, rel=1e-6)


def test_only_occupations_relax():
    """At zero frequency the displacement that changes in time drops out; Mermin's term vanishes at this order."""
    model = flat(2, 3, 1).model()
    kept = {"tau": 4.0, "grid": 128, "throw": False, **PLAIN}
    uniform, occupations, mermin = (
        R.nonlocal_conductivity(model, 0.5, KT, relaxation=name, **kept)
        for name in ("uniform", "occupations", "mermin")
    )
    np.testing.assert_array_equal(uniform.value, mermin.value)
    assert "derived" in occupations.attrs["relaxation"]
    assert [str(p) for p in occupations.part.values] == ["m2", "m1", "band"]
    fast = {**kept, "frequency": 400.0}
    near = [R.nonlocal_conductivity(model, 0.5, KT, relaxation=n, **fast) for n in ("uniform", "occupations")]
    # w/(w + i/tau) -> 1
    first, second = (x.parts.sel(part="band").item() for x in near)
    assert second == pytest.approx(first, rel=2e-3)


@pytest.mark.slow
def test_three_dimensions_contain_two():
    """A stack of decoupled planes: every tensor of the planes, per distance between them."""
    plane = random_blocks(8, 3, 2)
    cells = np.column_stack([plane.cells, np.zeros(len(plane.cells), dtype=int)])
    lattice = np.zeros((3, 3))
    lattice[:2, :2], lattice[2, 2] = plane.lattice, 2.0
    stack = Blocks(lattice, np.column_stack([plane.orbitals, np.zeros(3)]), cells, plane.blocks).model()
    options = {"tau": 3.0, "relaxation": "uniform", "throw": False, **PLAIN}
    flat_one = R.nonlinear_conductivity(plane.model(), 0.5, KT, grid=(12, 12), **options)
    stacked = R.nonlinear_conductivity(stack, 0.5, KT, grid=(12, 12, 2), **options)
    np.testing.assert_allclose(
        2.0 * stacked.parts.sel(a=["x", "y"], b=["x", "y"], c=["x", "y"]).values, flat_one.parts.values, atol=1e-12
    )
    assert np.abs(stacked.parts.sel(a="z").values).max() == 0
    dipole = R.berry_curvature_dipole(stack, 0.5, KT, grid=(12, 12, 2), throw=False, **PLAIN)
    assert len(PAIRS[3]) == 3 and dipole.attrs["units"] == "1"


def test_wannier_functions_give_what_orbitals_give():
    """The same bands in a basis of Wannier functions with position matrices, by scattered and by factorised sums."""
    source = random_blocks(4, 3, 1)
    wannier = wannier_like(source, paraunitary(np.random.default_rng(4), 3, 1))
    options = {"tau": 3.0, "relaxation": ["bare", "uniform"], "grid": 64, "throw": False, **PLAIN}
    first = R.nonlinear_conductivity(source.model(), 0.5, KT, **options)
    second = R.nonlinear_conductivity(wannier, 0.5, KT, **options)
    np.testing.assert_allclose(second.parts.values, first.parts.values, atol=1e-10 * np.abs(first.parts.values).max())


@pytest.mark.slow
@pytest.mark.parametrize("with_positions", [False, True])
def test_factorised_sums_give_what_scattered_points_give(with_positions, monkeypatch):
    """Matrices in lattice components, and the Drude part by parts, as for models with hundreds of hoppings."""
    source = random_blocks(6, 3, 3)
    # warm, and bands far apart, so that this grid suffices
    blocks = 0.2 * source.blocks
    blocks[len(blocks) // 2] += np.diag([0.0, 3.0, 6.0])
    source = Blocks(source.lattice, source.orbitals, source.cells, blocks)
    model = wannier_like(source, paraunitary(np.random.default_rng(4), 3, 3)) if with_positions else source.model()
    options = {"tau": 3.0, "grid": 12, "throw": False, **PLAIN}

    def computed():
        quadratic = R.nonlinear_conductivity(model, 0.2, 1.0, relaxation=["bare", "uniform"], **options)
        return quadratic, R.nonlocal_conductivity(model, 0.2, 1.0, frequency=0.3, **options)

    scattered = computed()
    monkeypatch.setattr("blochflow.models.tight_binding.FACTORISE_FROM", 1)
    compiled_kernels.forget()
    assert model.prepare_grid() is not None
    for one, other in zip(scattered, computed(), strict=True):
        for part in one.part.values:
            first, second = (x.parts.sel(part=part).values for x in (one, other))
            # both forms of the Drude part differ by what this grid leaves; all else is the same sum
            close = 1e-3 if part == "drude" else 1e-9
            np.testing.assert_allclose(second, first, rtol=0, atol=close * np.abs(first).max() + 1e-15)


def threefold(angle_of_first=0.0):
    """s, px and py orbitals on a triangular lattice: time reversal and C3, no inversion; C3 is lost at an angle."""
    rng = np.random.default_rng(4)
    turn = np.eye(3)
    turn[1:, 1:] = [[-0.5, -(0.75**0.5)], [0.75**0.5, -0.5]]
    hop = 0.3 * rng.normal(size=(3, 3))
    cells, blocks = [(0, 0)], [np.diag([0.0, 2.0, 2.0])]
    for cell in ((1, 0), (0, 1), (-1, -1)):
        cells += [cell, (-cell[0], -cell[1])]
        blocks += [hop, hop.T]
        hop = turn @ hop @ turn.T
    blocks[1] = blocks[1] * np.cos(angle_of_first)
    blocks[2] = blocks[1].T
    lattice = np.array([[1.0, 0.0], [-0.5, 0.75**0.5]])
    return bf.TightBinding.from_blocks(lattice, np.zeros((3, 2)), np.array(cells), np.array(blocks, dtype=complex))


def test_displacements_cancel_between_parts():
    """Where all of the density matrix relaxes, T enters the current of bands and the induced magnetization alone."""
    from blochflow.response.nonlocal_response import laurent_factors

    z = 0.3 + 0.25j
    for drifting, left in ((z, 0.0), (0.3, 1 - 0.3 / z)):
        factors = laurent_factors(z, drifting)
        for name in ("drift_total", "drift_mixed"):
            assert sum(terms.get(name, 0.0) for terms in factors.values()) == pytest.approx(left, abs=1e-15)


@pytest.mark.slow
def test_time_reversal_and_rotations_leave_nothing_at_first_order():
    """Onsager: the totally symmetric part is odd under time reversal at every frequency; C3 forbids the rest."""
    z, kept = 0.3 + 0.25j, {"tau": 4.0, "frequency": 0.3, "throw": False, "execution": ONE}
    whole = np.abs(brute_trace(threefold(1.0), 0.5, KT, z, 48, 2)).max()
    assert np.abs(brute_trace(threefold(), 0.5, KT, z, 48, 2)).max() < 1e-13 < 1e-6 * whole
    found = R.nonlocal_conductivity(threefold(), 0.5, KT, **kept)
    assert found.parts_forbidden.all() and found.forbidden.all() and found.converged.all()
    assert not found.parts.any() and not found.error.any()
    # an integral would take thousands
    assert found.attrs["evaluations"] <= 64 * 7


@pytest.mark.slow
def test_time_reversal_leaves_circulating_currents_only():
    kept = {"tau": 4.0, "frequency": 0.3, "throw": False, "execution": ONE}
    found = R.nonlocal_conductivity(threefold(1.0), 0.5, KT, tolerance=bf.Tolerance(rtol=1e-6), **kept)
    expected = -0.5 * brute_trace(threefold(1.0), 0.5, KT, 0.3 + 0.25j, 96, 2)
    # the grid of the trace is converged to rounding
    assert (np.abs(found.value.values - expected) <= found.error.values + 1e-13).all()
    assert found.converged.all()
    assert found.parts_forbidden.sel(part=["m2", "band", "curl"]).all()
    for part in ("m1", "interband"):
        value, allowed = found.parts.sel(part=part).values[0, 0], ~found.parts_forbidden.sel(part=part).values
        assert np.abs(fully_symmetric(value)).max() < 1e-14 < 1e-6 * np.abs(value).max()
        # xxx and yyy are totally symmetric
        assert allowed.any() and not allowed[[0, 1], [0, 1], [0, 1]].any()
