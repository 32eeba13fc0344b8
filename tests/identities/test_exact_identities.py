"""Lattices in magnetic flux and ribbons: gauge, periodicity in the flux, signs, known levels, edges, arguments.

Spectra are computed from the hoppings of the models in NumPy, so that no kernel is compiled for every size.
"""

import numpy as np
import pytest
from random_models import Blocks, paraunitary, random_blocks, random_k, wannier_like

import blochflow as bf
from blochflow.core.convert import parse_unit
from blochflow.core.literature import entries
from blochflow.exact.catalog import QUANTITIES

SHARP = bf.Tolerance(rtol=1e-9)
# LAPACK's rounding for matrices of norm ~10 and up to a hundred rows
ROUNDING = 1e-11


def energies(model, k):
    """Ascending energies at Cartesian k from the defining sum."""
    cells = model.cells @ np.asarray(model.lattice.vectors)
    return np.linalg.eigvalsh(np.einsum("kr,rij->kij", np.exp(1j * k @ cells.T), np.asarray(model.blocks)))


def thermal(model, p, q, mu=(-1.0, 0.3), temperature=0.3):
    """Grand potential: equal at two mu and warm, it says that the densities of states are equal."""
    result = bf.exact.grand_potential(model, mu, temperature, p=p, q=q, tolerance=SHARP)
    return result.value.values[:, 0]


def random_lattice(seed):
    return random_blocks(seed, 3, 2)


# --- the phases -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mirror", [False, True], ids=["right-handed", "left-handed"])
def test_patch_has_the_levels_of_the_symmetric_gauge(mirror):
    """A finite patch cut from the magnetic model, against bonds with exp(-i Int A.dl), A = B (-y, x)/2."""
    source = random_lattice(3)
    if mirror:
        # swapped lattice vectors: the same crystal in a left-handed cell
        order = np.lexsort(source.cells.T)
        source = Blocks(source.lattice[::-1], source.orbitals, source.cells[order][:, ::-1], source.blocks[order])
    model, q, shape = source.model(), 3, (6, 4)
    field = bf.exact.magnetic_field(model, 2, q)
    magnetic = bf.exact.hofstadter(model, 2, q)
    np.testing.assert_allclose(patch(magnetic, (shape[0] // q, shape[1])), patch(model, shape, field), atol=ROUNDING)


def patch(model, shape, field=0.0):
    """Levels of an open patch of cells; with a field every bond gets its straight-line phase in the symmetric gauge."""
    sites = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 2)
    places = sites @ np.asarray(model.lattice.vectors)
    blocks = dict(zip(map(tuple, model.cells.tolist()), np.asarray(model.blocks), strict=True))
    count, orbitals = model.num_bands, np.asarray(model.orbitals)
    h = np.zeros((len(sites), count, len(sites), count), dtype=complex)
    for a, here in enumerate(sites):
        for b, there in enumerate(sites):
            if tuple(there - here) in blocks:
                to, start = places[a] + orbitals[:, None], places[b] + orbitals[None, :]
                # Int A.dl along a straight line is B/2 (start x end)
                flux = field / 2 * (start[..., 0] * to[..., 1] - start[..., 1] * to[..., 0])
                h[a, :, b] = blocks[tuple(there - here)] * np.exp(-1j * flux)
    return np.linalg.eigvalsh(h.reshape(len(sites) * count, -1))


def test_no_flux_is_the_folded_lattice():
    model, q = random_lattice(4).model(), 3
    k = random_k(4, 2)
    steps = np.arange(q)[:, None] * np.asarray(model.lattice.reciprocal)[0] / q
    folded = np.sort(np.concatenate([energies(model, k + step) for step in steps], axis=1), axis=1)
    np.testing.assert_allclose(energies(bf.exact.hofstadter(model, 0, q), k), folded, atol=ROUNDING)


def test_origin_only_shifts_wave_vectors():
    """All orbitals moved by (s1, s2): k moves by phi (s2, -s1) in multiples of the reciprocal vectors."""
    source, p, q, shift = random_lattice(5), 2, 5, np.array([0.23, -0.41])
    moved = source.model(orbitals=source.orbitals + shift @ source.lattice)
    k = random_k(5, 2)
    there = k + p / q * np.array([shift[1], -shift[0]]) @ source.reciprocal
    found = [energies(bf.exact.hofstadter(m, p, q), x) for m, x in ((source.model(), k), (moved, there))]
    np.testing.assert_allclose(found[1], found[0], atol=ROUNDING)


def test_home_cell_of_an_orbital_is_a_convention():
    source = random_lattice(6)
    # orbital 2 is listed one cell further along a1 and two along a2: R -> R + home_i - home_j
    home = np.array([[0, 0], [0, 0], [1, 2]])
    table = {}
    for cell, block in zip(source.cells, source.blocks, strict=True):
        for i, j in np.ndindex(block.shape):
            key = tuple((cell + home[i] - home[j]).tolist())
            table.setdefault(key, np.zeros_like(block))[i, j] = block[i, j]
    reduced = np.linalg.solve(source.lattice.T, source.orbitals.T).T
    moved = bf.TightBinding(source.lattice, reduced + home, table)
    np.testing.assert_allclose(thermal(moved, 1, 4), thermal(source.model(), 1, 4), rtol=1e-9)


def test_spectrum_repeats_with_the_flux():
    # nearest neighbours of the square lattice enclose whole cells; second neighbours of the honeycomb with first ones
    # enclose triangles of one sixth.  rtol 1e-9 was asked of the grids
    square, haldane = bf.zoo.square(), bf.zoo.haldane(phase=1.0)
    np.testing.assert_allclose(thermal(square, 3, 3), thermal(square, 0, 1), rtol=2e-9)
    np.testing.assert_allclose(thermal(square, 4, 3), thermal(square, 1, 3), rtol=2e-9)
    np.testing.assert_allclose(thermal(haldane, 12, 2), thermal(haldane, 0, 1), rtol=2e-9)
    np.testing.assert_allclose(thermal(haldane, 31, 5), thermal(haldane, 1, 5), rtol=2e-9)
    # and no sooner
    assert np.abs(thermal(haldane, 6, 5) - thermal(haldane, 1, 5)).max() > 1e-3


def test_common_factor_only_folds():
    model = random_lattice(7).model()
    np.testing.assert_allclose(thermal(model, 2, 6), thermal(model, 1, 3), rtol=2e-9)


def test_reduced_zone_has_every_level():
    # k_2 in one q-th of the magnetic zone, against all of it
    model = random_lattice(8).model()
    levels = energies(bf.exact.hofstadter(model, 2, 3), full_grid(model, 3, 24))
    g = 0.3 * np.logaddexp(0, (0.3 - levels) / 0.3).sum(axis=1).mean() / (3 * model.lattice.volume)
    np.testing.assert_allclose(-g, thermal(model, 2, 3)[1], rtol=1e-8)


def full_grid(model, q, points):
    reciprocal = np.asarray(model.lattice.reciprocal) / np.array([[q], [1]])
    axes = np.arange(points // q) / (points // q), np.arange(points) / points
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2) @ reciprocal


def test_time_reversal_reverses_the_field():
    model = random_blocks(9, 3, 2, real=True).model()
    k = random_k(9, 2)
    forward, back = (energies(bf.exact.hofstadter(model, p, 5), x) for p, x in ((2, k), (-2, -k)))
    np.testing.assert_allclose(forward, back, atol=ROUNDING)
    chiral = bf.zoo.haldane(phase=1.0)
    assert np.abs(thermal(chiral, 1, 5) - thermal(chiral, -1, 5)).max() > 1e-3


# --- the thermodynamics ---------------------------------------------------------------------------------------------


def test_no_flux_agrees_with_the_response():
    model = bf.zoo.haldane()
    exact = bf.exact.electron_density(model, -1.0, 0.1, p=0, q=1, tolerance=SHARP)
    other = bf.response.electron_density(model, -1.0, 0.1, tolerance=SHARP)
    np.testing.assert_allclose(exact.value.item(), other.value.item(), rtol=2e-9)


def test_density_and_entropy_are_derivatives_of_the_grand_potential():
    model, mu, kt, step = bf.zoo.haldane(), -0.7, 0.2, 1e-3
    options = {"p": 1, "q": 5, "tolerance": SHARP}
    over_mu = bf.exact.grand_potential(model, [mu - step, mu + step], kt, **options).value.values[:, 0]
    over_t = bf.exact.grand_potential(model, mu, [kt - step, kt + step], **options).value.values[0]
    # second-order differences: h^2 X''/6 ~ 1e-6 times derivatives of order one to ten
    n = bf.exact.electron_density(model, mu, kt, **options).value.item()
    s = bf.exact.entropy(model, mu, kt, **options).value.item()
    np.testing.assert_allclose(-np.diff(over_mu)[0] / (2 * step), n, atol=1e-5)
    np.testing.assert_allclose(-np.diff(over_t)[0] / (2 * step), s, atol=1e-5)


def test_cold_sums():
    model = bf.zoo.square()
    # T = 0 in the lowest gap of flux 1/3: one level of three filled, no entropy
    assert bf.exact.entropy(model, -1.5, 0.0, p=1, q=3).value.item() == 0.0
    phi = bf.exact.grand_potential(model, [-1.5, -1.4], 0.0, p=1, q=3).value.values[:, 0]
    np.testing.assert_allclose(-np.diff(phi)[0] / 0.1, 1 / 3, rtol=1e-10)


# --- signs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [np.pi / 2, -np.pi / 2], ids=["C = -1", "C = +1"])
def test_streda_in_a_gap_is_the_chern_number(phase):
    model = bf.zoo.haldane(phase=phase)
    chern = bf.geometry.chern_number(model, bands=[0])
    slope = bf.exact.streda(model, 0.0, 0.0, q=20)
    # counting of levels: rounding, enlarged by 1/B
    np.testing.assert_allclose(2 * np.pi * slope.value.item(), chern, atol=1e-10)


def test_chern_numbers_of_magnetic_bands():
    # square lattice, flux 1/3: the lowest band is a Landau level of electrons, n = B/(2 pi), hence C = +1; the three
    # add up to zero.  This also tests that orbitals and velocities of the magnetic cell are right
    model = bf.exact.hofstadter(bf.zoo.square(), 1, 3)
    assert [int(bf.geometry.chern_number(model, bands=[n])) for n in range(3)] == [1, -2, 1]


def test_landau_levels_of_the_square_lattice():
    """E_n = -4 + b (2n + 1) - b^2 [(2n + 1)^2 + 1]/16 + O(b^3), b = 2 pi/q: -2 cos Px - 2 cos Py, [Px, Py] = i b."""
    residue = []
    for q in (60, 120):
        levels = energies(bf.exact.hofstadter(bf.zoo.square(), 1, q), np.zeros((1, 2)))[0, :3]
        b, odd = 2 * np.pi / q, 2 * np.arange(3) + 1
        residue.append(levels - (-4 + b * odd - b**2 * (odd**2 + 1) / 16))
    # the third order: a factor 8 between the two fields, up to the fourth order (b ~ .1, larger in higher levels)
    np.testing.assert_allclose(residue[0] / residue[1], 8.0, rtol=0.08)
    assert np.abs(residue[1]).max() < 1e-4


# --- ribbons --------------------------------------------------------------------------------------------------------


def test_ribbon_of_the_square_lattice():
    strip = bf.exact.ribbon(bf.zoo.square(anisotropy=0.5), 7, direction=1)
    k = np.linspace(-3, 3, 5)[:, None]
    # along y the hopping is 0.5; across, a chain of 7 sites with hopping 1
    levels = -np.cos(k) - 2 * np.cos(np.pi * np.arange(7, 0, -1) / 8)
    np.testing.assert_allclose(energies(strip.model, k), np.sort(levels, axis=1), atol=ROUNDING)
    # the axes are right-handed: across a ribbon along +y is -x
    np.testing.assert_allclose(strip.axes, [[0, 1], [-1, 0]], atol=1e-15)


@pytest.mark.parametrize("direction", [0, 1])
def test_ribbon_has_bulk_bands_and_chiral_edges(direction):
    """Outside the bulk bands there is one state per edge; those of the upper edge move along sgn(C)."""
    model = bf.zoo.haldane()
    strip = bf.exact.ribbon(model, 30, direction=direction)
    k = 2 * np.pi * (np.arange(240) + 0.5)[:, None] / 240
    # projected bulk bands: k across sampled so finely that what is missing is below the margin
    k_along = k @ strip.axes[:1]
    across = np.linspace(0, 4 * np.pi, 400)[:, None] @ strip.axes[1:]
    bulk = np.stack([energies(model, point + across) for point in k_along])
    lower, upper = bulk[..., 0], bulk[..., 1]
    levels = energies(strip.model, k)
    margin = 2e-3
    inside = (levels > lower.max(axis=1)[:, None] + margin) & (levels < upper.min(axis=1)[:, None] - margin)
    beyond = (levels < lower.min(axis=1)[:, None] - margin) | (levels > upper.max(axis=1)[:, None] + margin)
    assert not beyond.any()
    assert inside.sum(axis=1).max() == 2
    chern = int(bf.geometry.chern_number(model, bands=[0]))
    # well inside the gap, where edges have not joined the bulk
    assert chiral_crossings(strip, energy=0.05) == (chern, -chern)


def chiral_crossings(strip, energy):
    """Net number of bands that cross the energy upwards, for states of the upper and of the lower edge."""
    # off the symmetric points, where both edges cross at one k
    k = 0.013 + 2 * np.pi * np.linspace(0, 1, 121)[:, None]
    phases = np.exp(1j * k @ strip.model.cells.T)
    levels, states = np.linalg.eigh(np.einsum("kr,rij->kij", phases, np.asarray(strip.model.blocks)))
    place = np.einsum("kin,i->kn", np.abs(states) ** 2, strip.transverse)
    sign = np.where(levels[:-1] < energy, 1, -1) * ((levels[:-1] < energy) != (levels[1:] < energy))
    return int(sign[place[:-1] > 0].sum()), int(sign[place[:-1] < 0].sum())


def test_currents_of_a_ribbon():
    strip = bf.exact.ribbon(bf.zoo.haldane(), 12)
    profile = bf.exact.current_profile(strip, [-1.0, 0.3], 0.2, tolerance=SHARP)
    assert profile.value.dims == ("mu", "temperature", "transverse")
    current = profile.value.values[:, 0]
    # no net current in equilibrium; inversion with the mass reversed is no symmetry, so that the profile is not odd
    np.testing.assert_allclose(current.sum(axis=1), 0.0, atol=1e-11)
    # the upper edge carries -M
    moment = bf.exact.edge_magnetization(bf.zoo.haldane(), [-1.0, 0.3], 0.2, width=32).value.values[:, 0]
    upper = current[:, profile.transverse.values > 0].sum(axis=1)
    assert (np.sign(upper) == -np.sign(moment)).all()
    # time reversal: every current vanishes
    still = bf.exact.current_profile(bf.exact.ribbon(bf.zoo.graphene(), 6), 0.3, 0.2, tolerance=bf.Tolerance(atol=1e-9))
    np.testing.assert_allclose(still.value.values, 0.0, atol=1e-12)


def test_flux_and_both_edges_of_a_random_crystal_agree():
    # an oblique lattice with three orbitals anywhere and no symmetry; warm, so that width 32 and q = 20 suffice
    model, mu = random_lattice(20).model(), [-1.5, -0.5, 0.5, 1.5, 2.5]
    flux = bf.exact.magnetization(model, mu, 0.6, q=20, throw=False)
    edges = [bf.exact.edge_magnetization(model, mu, 0.6, width=32, direction=d, throw=False) for d in (0, 1)]
    # within the stated errors, which themselves are small
    for edge in edges:
        assert (np.abs(edge.value - flux.value) < edge.error + flux.error).all()
        assert edge.error.max() < 1e-5 * np.abs(edge.value).max()
    assert flux.error.max() < 2e-3 * np.abs(flux.value).max()


def test_the_density_in_a_field_is_that_of_the_response_of_a_random_crystal():
    """dn/dB of an oblique lattice with three orbitals: from levels in a flux, and from curvatures and moments."""
    model, mu = random_lattice(21).model(), [-1.5, 0.5, 2.5]
    flux = bf.exact.streda(model, mu, 0.6, q=20, throw=False)
    found = bf.response.streda(model, mu, 0.6, tolerance=bf.Tolerance(rtol=1e-5)).sel(a="x", b="y")
    difference = np.abs(flux.value.values - found.value.values)
    assert (difference <= flux.error.values + found.error.values).all()
    # the flux step of 1/20 is what limits it
    assert flux.error.max() < 5e-3 * np.abs(flux.value).max()


def test_ribbon_in_a_field_has_landau_levels_and_edges():
    # composition: flux 1/6 on the square lattice, lowest gap C = +1, one edge state per side
    magnetic = bf.exact.hofstadter(bf.zoo.square(), 1, 6)
    strip = bf.exact.ribbon(magnetic, 6, direction=1)
    # the bands lie at [-3.096, -3.086] and [-1.514, -1.414]
    assert chiral_crossings(strip, energy=-2.0) == (1, -1)


# --- units, results, arguments --------------------------------------------------------------------------------------


def in_electronvolts(spin_degeneracy=1):
    source = random_lattice(12)
    reduced = np.linalg.solve(source.lattice.T, source.orbitals.T).T
    blocks = dict(zip(map(tuple, source.cells.tolist()), source.blocks, strict=True))
    return bf.TightBinding(source.lattice, reduced, blocks, units=bf.EV_ANGSTROM, spin_degeneracy=spin_degeneracy)


def test_units_and_spin_degeneracy():
    model, own = in_electronvolts(2), random_lattice(12).model()
    # one quantum h/e per square angstrom is 413566.77 T (CODATA)
    area = model.lattice.volume
    np.testing.assert_allclose(bf.exact.magnetic_field(model, 1, 3) * 3 * area, 413566.7696923859, rtol=1e-12)
    kelvin = 0.3 / bf.EV_ANGSTROM.boltzmann
    options = {"q": 8, "throw": False}
    for name, factor in (
        ("magnetization", 2.434134805788e-4),
        ("streda", 1.519267447879e-5),
        ("magnetocaloric", 2.434134805788e-4 * bf.EV_ANGSTROM.boltzmann),
    ):
        quantity = getattr(bf.exact, name)
        mine, theirs = quantity(model, 0.4, kelvin, **options), quantity(own, 0.4, 0.3, **options)
        # ten printed digits of the constants; twice for the spins
        np.testing.assert_allclose(mine.value.item(), 2 * factor * theirs.value.item(), rtol=1e-9)
        np.testing.assert_allclose(mine.error.item(), 2 * factor * theirs.error.item(), rtol=1e-6)
        assert bf.to_si(mine).attrs["units"]
    edge = [bf.exact.edge_magnetization(m, 0.4, t, width=32) for m, t in ((model, kelvin), (own, 0.3))]
    np.testing.assert_allclose(edge[0].value.item(), 2 * 2.434134805788e-4 * edge[1].value.item(), rtol=1e-9)
    entropies = [bf.exact.entropy(m, 0.4, t, p=1, q=3) for m, t in ((model, kelvin), (own, 0.3))]
    ratio = 2 * bf.EV_ANGSTROM.boltzmann
    np.testing.assert_allclose(entropies[0].value.item(), ratio * entropies[1].value.item(), rtol=1e-9)


def test_units_and_sources_of_the_catalog_are_known():
    for quantity in QUANTITIES.values():
        assert set(quantity.references) <= set(entries())
        for (system, _), (_, label) in quantity.units.items():
            if system == "EV_ANGSTROM":
                assert parse_unit(label)[0] > 0


def test_results_survive_a_file(tmp_path):
    strip = bf.exact.ribbon(bf.zoo.haldane(), 4)
    for result in (
        bf.exact.current_profile(strip, 0.3, 0.3),
        bf.exact.electron_density(bf.zoo.haldane(), [0.0, 1.0], [0.1, 0.2], p=-1, q=4),
    ):
        bf.save(result, tmp_path / "r.nc")
        assert bf.open(tmp_path / "r.nc").value.equals(result.value)
    assert result.attrs["magnetic_field"] == bf.exact.magnetic_field(bf.zoo.haldane(), -1, 4)


def test_operators_live_in_every_cell():
    model = bf.zoo.kane_mele()
    magnetic = bf.exact.hofstadter(model, 1, 3)
    spin = np.asarray(magnetic.operator("spin_z"))
    # both spins share their places: no phases
    np.testing.assert_allclose(spin, np.kron(np.eye(3), np.asarray(model.operator("spin_z"))), atol=1e-15)
    strip = bf.exact.ribbon(model, 3)
    assert strip.model.operator("transverse").shape == (12, 12)
    assert strip.model.operator("spin_z").shape == (12, 12)


def test_position_matrices_are_left_out_aloud():
    source = random_blocks(13, 3, 2)
    model = wannier_like(source, paraunitary(np.random.default_rng(13), 3, 2))
    with pytest.warns(bf.ValidityWarning, match="position matrices beyond these"):
        bf.exact.hofstadter(model, 1, 3)


def test_low_temperature_is_not_converged():
    # quantum oscillations of a metal: steps of the flux do not form a series
    model = bf.zoo.haldane()
    with pytest.raises(bf.ConvergenceError, match="raise `q`") as caught:
        bf.exact.magnetization(model, -1.5, 0.002, q=10)
    assert caught.value.result.attrs["status"] == "COARSE_FLUX"


@pytest.mark.parametrize("name", ["ssh", "cubic", "massive_dirac"])
@pytest.mark.parametrize(
    "function",
    [
        lambda m: bf.exact.hofstadter(m, 1, 3),
        lambda m: bf.exact.magnetic_field(m, 1, 3),
        lambda m: bf.exact.grand_potential(m, 0.0, 0.1, p=1, q=3),
        lambda m: bf.exact.magnetization(m, 0.0, 0.1),
        lambda m: bf.exact.ribbon(m, 4),
        lambda m: bf.exact.edge_magnetization(m, 0.0, 0.1),
    ],
)
def test_models_that_have_no_hoppings_in_the_plane(name, function):
    with pytest.raises(ValueError, match="Argument `model` must be a two-dimensional bf.TightBinding"):
        function(getattr(bf.zoo, name)())
    with pytest.raises(ValueError, match="Argument `model` must be a model"):
        function(name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: bf.exact.hofstadter(m, 0.5, 3), "`p` must be an integer"),
        (lambda m: bf.exact.hofstadter(m, 1, 0), "`q` must be an integer of at least 1"),
        (lambda m: bf.exact.ribbon(m, 0), "`width` must be an integer of at least 1"),
        (lambda m: bf.exact.ribbon(m, 4, direction=2), "`direction` must be 0 or 1"),
        (lambda m: bf.exact.magnetization(m, 0.0, 0.1, q=5), "`q` must be an even integer of at least 4"),
        (
            lambda m: bf.exact.edge_magnetization(m, 0.0, 0.1, width=16),
            "`width` must be an even integer of at least 32",
        ),
        (lambda m: bf.exact.current_profile(m, 0.0, 0.1), "`ribbon` must be a ribbon"),
        (lambda m: bf.exact.entropy(m, 0.0, -0.1, p=1, q=3), "`temperature` must not be negative"),
        (lambda m: bf.exact.entropy(m, "x", 0.1, p=1, q=3), "`mu` must be a real number"),
        (lambda m: bf.exact.entropy(m, 0.0, 0.1, p=1, q=3, tolerance=1e-3), "`tolerance` must be a bf.Tolerance"),
        (lambda m: bf.exact.entropy(m, 0.0, 0.1, p=1, q=3, execution=2), "`execution` must be a bf.Execution"),
        (lambda m: bf.exact.entropy(m, 0.0, 0.1, p=1, q=3, throw="no"), "`throw` must be True or False"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(bf.zoo.haldane())
