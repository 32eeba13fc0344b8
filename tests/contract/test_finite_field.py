"""Finite fields as a user meets them: arguments, shapes, tasks of jobs, plots, files."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from cli_runs import blochflow, forbid

import blochflow as bf
from blochflow.cli import runner
from blochflow.cli.values import parse_field
from blochflow.response.texture_average import check_period

QWZ = bf.zoo.qwz(mass=-1.8)
FIELDS = [[0.001, 0.0], [0.05, 0.0], [0.1, 0.0]]
ALONG = '{ magnitude = "0.05:0.1:2", direction = [3.0, 4.0] }'
MODEL = '[model]\nzoo = "qwz"\nparameters = { mass = -1.8 }\n'
CURRENT = (
    '[[task]]\nquantity = "finite_field_current"\nmu = 0.35\ntemperature = 0.1\ntau = [1.0, 2.0]\n'
    f"electric_field = {FIELDS}\ngrid = 32\ntolerance = {{ rtol = 1e-1 }}\n"
)
BANDS = (
    '[[task]]\nquantity = "hybrid_bands"\npath = "G-X-M-G"\npoints = 30\nelectric_field = [[0.0, 0.0], [0.2, 0.1]]\n'
)


def current(model=QWZ, mu=0.35, temperature=0.1, electric_field=FIELDS[1], tau=1.0, **options):
    return bf.response.finite_field_current(
        model, mu, temperature, electric_field=electric_field, tau=tau, grid=16, throw=False, **options
    )


def test_dims_and_labels():
    found = current(mu=[0.2, 0.35], temperature=[0.1, 0.2], electric_field=FIELDS, tau=[1.0, 2.0])
    assert found.value.dims == ("mu", "temperature", "field", "tau", "a")
    assert found.intrinsic.dims == ("mu", "temperature", "field", "a")
    assert found.converged.dims == ("mu", "temperature", "field", "tau")
    np.testing.assert_allclose(found.field, [0.001, 0.05, 0.1])
    np.testing.assert_array_equal(found.electric_field, FIELDS)
    whole = (found.intrinsic + found.relaxation).transpose(*found.value.dims)
    np.testing.assert_allclose(found.value, whole)
    assert found.attrs["reference"].startswith("Tu2020") and found.attrs["units"] == "e E/(hbar a)"
    # one field that is not zero has a tangent, too
    one = current(electric_field=[[0.0, 0.0], [0.001, 0.0]])
    np.testing.assert_allclose(one.linear_limit.values[..., 1, :], one.value.values[..., 1, :], rtol=1e-3, atol=1e-10)
    np.testing.assert_array_equal(one.linear_limit.values[..., 0, :], 0)
    assert "linear_limit" not in current(electric_field=[[0.0, 0.0], [0.0, 0.0]])
    # fields along no common line are numbered
    assert current(electric_field=[[0.1, 0.0], [0.0, 0.1]]).field.values.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"electric_field": [0.1]}, "`electric_field` must be a vector (2,)"),
        ({"electric_field": lambda x, t: x}, "`electric_field` must be uniform"),
        ({"tau": -1.0}, "`tau` must be greater than 0"),
        ({"theory": "multi"}, "`theory` must be one of 'multiband', 'single_band'"),
        ({"x": [0.0, 0.0]}, "`x` must be left out for models that do not vary in space"),
        ({"cell": [[1.0, 0.0]]}, "`cell` must be left out for models that do not vary in space"),
        ({"groups": [[0, 1], [1]]}, "band 1 is in two of them"),
        ({"groups": [0, 1]}, "`groups` must be a list of groups"),
        ({"groups": "all"}, "`groups` must be a list of groups"),
        ({"active": [0, 5]}, "`active` must hold distinct band indices from 0 to 1"),
        ({"active": [0], "theory": "single_band"}, "`active` must be left out for single bands"),
        ({"group_tolerance": -1.0}, "`group_tolerance` must not be negative"),
        ({"symmetry": "auto"}, "`symmetry` must be left out"),
        ({"density": 1.0}, "`mu` must be given, or None"),
    ],
)
def test_wrong_arguments(options, words):
    with pytest.raises(ValueError, match=r"Argument") as refused:
        current(**options)
    assert words in str(refused.value)


def test_textures_need_a_place():
    wall = bf.textured(QWZ, mass=lambda x, t: -1.8 + 0.01 * x[0])
    with pytest.raises(ValueError, match="`x` must be given: the model varies in space"):
        current(wall)
    with pytest.raises(ValueError, match="`density` must be left out where a cell is averaged"):
        current(wall, mu=None, density=1.0, cell=[[10.0, 0.0]])
    with pytest.raises(ValueError, match=r"`x` must be one place .2,., or one for each of the 3 wave vectors"):
        bf.nonadiabatic.hybrid_bands(wall, np.zeros((3, 2)), [0.1, 0.0], x=np.zeros((2, 2)))
    found = current(wall, x=[[0.0, 0.0], [1.0, 0.0]])
    assert found.value.dims == ("mu", "temperature", "field", "position", "a")
    np.testing.assert_array_equal(found.place, [[0.0, 0.0], [1.0, 0.0]])


def test_cells_are_periods_of_the_texture():
    """Whatever the basis: here it turns along x, and nothing else changes there."""

    def turning(k, x, t):
        u = jnp.diag(jnp.exp(1j * jnp.array([0.5, -0.5]) * (x[0] / 10)))
        h = jnp.array([[jnp.cos(k[0]), jnp.sin(k[1])], [jnp.sin(k[1]), -1.0]])
        return u @ (h + 0.1 * jnp.cos(x[1] / 5) * jnp.eye(2)) @ u.conj().T

    period = [[20 * np.pi, 0.0], [0.0, 10 * np.pi]]
    model = bf.LocalModel(turning, lattice=np.eye(2))
    check_period(model, np.array(period), 0.0)
    check_period(model, np.array([[3.0, 30 * np.pi]]), 0.0)
    for wrong in ([[20 * np.pi, 10.0]], [period[0], [0.0, 31.4]]):
        with pytest.raises(ValueError, match=r"`cell` must hold vectors after which the texture repeats, but H or its"):
            current(model, cell=wrong)


def test_passages_refuse_what_has_no_answer():
    chain = bf.zoo.rice_mele()
    with pytest.raises(ValueError, match="`velocity` must be greater than 0"):
        bf.nonadiabatic.landau_zener(0.1, 0.0, 0.1)
    with pytest.raises(ValueError, match="`units` must be bf.NATURAL or bf.EV_ANGSTROM, but is 'EV_ANGSTROM'"):
        bf.nonadiabatic.landau_zener(0.1, 1.0, 0.1, units="EV_ANGSTROM")
    with pytest.raises(ValueError, match=r"`gap` must broadcast .*`gap` has shape \(2,\), `velocity` has shape \(3,\)"):
        bf.nonadiabatic.landau_zener([0.1, 0.2], [1.0, 2.0, 3.0], 0.1)
    with pytest.raises(ValueError, match="`electric_field` must not be zero"):
        bf.nonadiabatic.avoided_crossing(chain, [0.0], [0.0])
    with pytest.raises(ValueError, match="`band` must be the lower of two bands, from 0 to 0"):
        bf.nonadiabatic.avoided_crossing(chain, [0.0], [0.1], band=1)
    with pytest.raises(ValueError, match="point along a reciprocal vector"):
        bf.nonadiabatic.bloch_zener(QWZ, [0.0, 0.0], [1.0, np.pi])
    assert bf.nonadiabatic.avoided_crossing(bf.zoo.rice_mele(t_inter=0.0), [0.0], [0.1]).sizes["crossing"] == 0


def test_crossing_of_a_chain():
    """The gap of the Rice-Mele chain is smallest at k = pi: 2 (m^2 + (t - t')^2)^(1/2), v^2 = t t' for hbar = 1."""
    chain = bf.zoo.rice_mele(t_intra=1.0, t_inter=0.9, mass=0.05)
    found = bf.nonadiabatic.avoided_crossing(chain, [0.3], [0.2])
    np.testing.assert_allclose(found.gap, 2 * np.hypot(0.05, 0.1), rtol=1e-10)
    np.testing.assert_allclose(np.abs(np.cos(found.wavevector.values)), 1, atol=1e-9)
    # (1 + q^2/2): E^2 = m^2 + (t-t')^2 + t t' q^2, so that v = (t t')^(1/2), less what turns with the phase of q
    np.testing.assert_allclose(found.hyperbola, 1, atol=0.01)
    np.testing.assert_allclose(found.velocity, np.sqrt(0.9), rtol=0.01)


def random_unitary(seed):
    """Of two states."""
    a, b = np.random.default_rng(seed).normal(size=(2, 2, 2))
    return np.linalg.qr(a + 1j * b)[0]


def time_reversal_symmetric_doublets(k):
    """Spins of opposite Chern numbers with a term that mixes them: with inversion times time reversal."""
    sx, sy, sz = (jnp.array(m, dtype=complex) for m in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]))
    h = jnp.sin(k[0]) * jnp.kron(sx, sz) + jnp.sin(k[1]) * jnp.kron(sy, jnp.eye(2))
    h = h + (-1.0 + jnp.cos(k[0]) + jnp.cos(k[1])) * jnp.kron(sz, jnp.eye(2))
    return h + 0.35 * jnp.sin(k[0] + 0.5 * jnp.sin(k[1])) * jnp.kron(sx, sx)


def test_crossings_of_doublets_do_not_depend_on_the_states_in_them():
    """A cone of four bands: v = 1; a model with inversion times time reversal whose spins are turned."""
    cone = bf.nonadiabatic.avoided_crossing(bf.zoo.four_band_dirac(mass=0.1), [0.3, 0.05, 0.02], [0.05, 0, 0], band=1)
    np.testing.assert_allclose(cone.velocity, 1, rtol=1e-9)
    np.testing.assert_allclose(cone.hyperbola, 1, rtol=1e-9)
    np.testing.assert_allclose(cone.probability, np.exp(-np.pi * (0.1**2 + 0.05**2 + 0.02**2) / 0.05), rtol=1e-9)
    spin = jnp.asarray(np.kron(np.eye(2), random_unitary(3)))

    def doublets(turned):
        u = spin if turned else jnp.eye(4)
        return bf.LatticeModel(lambda k: u @ time_reversal_symmetric_doublets(k) @ u.conj().T, np.eye(2))

    one, two = (bf.nonadiabatic.avoided_crossing(doublets(x), [0.4, 0.2], [0.1, 0.0], band=1) for x in (False, True))
    assert one.sizes["crossing"] == 2
    for name in ("gap", "velocity", "probability", "hyperbola"):
        # places are found to the root of the rounding error
        np.testing.assert_allclose(two[name], one[name], rtol=1e-6)
    for band, words in ((0, "bands 0, 1 .*Take band=1, its last"), (2, "bands 2, 3 .*Take band=1 for passages from")):
        with pytest.raises(bf.DegenerateBandsError, match=words):
            bf.nonadiabatic.avoided_crossing(doublets(False), [0.4, 0.2], [0.1, 0.0], band=band)


def test_states_of_a_doublet_that_pass_differently_are_refused():
    x, z = jnp.array([[0, 1], [1, 0]]), jnp.array([[1, 0], [0, -1]])
    copies = bf.LatticeModel(
        lambda k: jnp.kron(jnp.diag(jnp.array([1.0, 1.5])), jnp.sin(k[0]) * x) + 0.1 * jnp.kron(jnp.eye(2), z), [[1.0]]
    )
    with pytest.raises(bf.DegenerateBandsError, match=r"bands 0, 1, 2, 3 .* different couplings .*, 1.5, 1: no single"):
        bf.nonadiabatic.avoided_crossing(copies, [0.3], [0.05], band=1)


@pytest.mark.parametrize("mass", [0.0, 1e-12, 1e-6])
def test_bands_that_cross_are_passed_with_certainty(mass):
    for cone, k, band in ((bf.zoo.massive_dirac, [0.3, 0.0], 0), (bf.zoo.four_band_dirac, [0.3, 0.0, 0.0], 1)):
        field = [0.05, *np.zeros(len(k) - 1)]
        found = bf.nonadiabatic.avoided_crossing(cone(mass=mass), k, field, band=band)
        np.testing.assert_allclose(found.velocity, 1, rtol=1e-9)
        # exp(-pi m^2/E)
        np.testing.assert_allclose(found.probability, 1, rtol=1e-10)
        np.testing.assert_allclose(found.distance, 0.3, rtol=1e-9)


def test_two_chains_cross_where_their_energies_do():
    """-2 cos k + 0.6 = 2 cos k, each with slope 2 |sin k|; bands that touch without crossing are not passed."""
    hoppings = [(-1.0, 0, 0, (1,)), (1.0, 1, 1, (1,)), (0.6, 0, 0, (0,))]
    chains = bf.TightBinding([[1.0]], [[0.0], [0.0]], hoppings)
    found = bf.nonadiabatic.avoided_crossing(chains, [0.1], [0.05])
    np.testing.assert_array_equal(found.probability, [1, 1])
    np.testing.assert_allclose(np.cos(found.wavevector.values[:, 0]), 0.15, atol=1e-12)
    np.testing.assert_allclose(found.velocity, 2 * np.sqrt(1 - 0.15**2), rtol=1e-10)
    x = jnp.array([[0, 1], [1, 0]])
    touch = bf.LatticeModel(lambda k: (1 - jnp.cos(k[0])) * x, [[1.0]])
    found = bf.nonadiabatic.avoided_crossing(touch, [0.3], [0.05])
    np.testing.assert_array_equal([found.velocity, found.probability], [[0], [0]])


def test_ladders_of_a_finite_chain():
    """Levels are those of a long open chain in a field, modulo the spacing."""
    t, s, m, force, sites = 1.0, 0.8, 0.3, 0.4, 160
    hopping = np.where(np.arange(sites - 1) % 2 == 0, t, s)
    matrix = np.diag(hopping, 1) + np.diag(hopping, -1) + np.diag(m * (-1.0) ** np.arange(sites))
    x = np.arange(sites) - sites / 2
    exact, states = np.linalg.eigh(matrix + np.diag(force * x))
    inner = (np.abs(states) ** 2 * np.abs(x)[:, None]).sum(axis=0) < 20
    hoppings = [(m, 0, 0, (0,)), (-m, 1, 1, (0,)), (t, 0, 1, (0,)), (s, 0, 1, (-1,))]
    chain = bf.TightBinding([[2.0]], [[0.0], [0.5]], hoppings)
    found = bf.nonadiabatic.bloch_zener(chain, [0.37], [force])
    spacing = found.spacing.item()
    np.testing.assert_allclose(spacing, 2 * force, rtol=1e-12)
    apart = exact[inner][:, None] - found.level.values[0]
    apart = np.abs(apart - spacing * np.round(apart / spacing)).min(axis=1)
    assert len(apart) > 20
    np.testing.assert_allclose(apart, 0, atol=1e-9)


@pytest.mark.parametrize(("force", "levels"), [(0.1, [0.00474605, 0.03025395]), (0.3, [0.00483249, 0.10016751])])
def test_ladders_do_not_depend_on_the_basis_of_a_wannier_model(force, levels):
    """Orbitals of one crystal mixed by a constant matrix, positions with them; levels of a chain of 121 cells."""
    tau, cells = np.diag([0.0, 0.35]), [[0], [1], [-1]]
    home, right = np.array([[0.3, 1.0], [1.0, -0.3]]), np.array([[0.1, 0.05], [0.8, -0.12]])
    w = random_unitary(4)
    for u in (np.eye(2), w):
        blocks = [u @ h @ u.conj().T for h in (home, right, right.T)]
        positions = np.zeros((3, 1, 2, 2), dtype=complex)
        positions[0, 0] = u @ tau @ u.conj().T
        centres = positions[0, 0].diagonal().real[:, None]
        model = bf.TightBinding.from_blocks([[1.0]], centres, cells, blocks, positions=positions)
        found = bf.nonadiabatic.bloch_zener(model, [0.37], [force])
        np.testing.assert_allclose(found.level.values[0], levels, atol=5e-9)
    chain = [np.kron(np.eye(121, k=n), h) for n, h in ((0, home), (1, right), (-1, right.T))]
    x = (np.arange(-60, 61)[:, None] + np.diag(tau)).ravel()
    exact, states = np.linalg.eigh(sum(chain) + np.diag(force * x))
    inner = exact[(states**2 * np.abs(x)[:, None]).sum(axis=0) < 15]
    apart = np.abs(inner[:, None] - levels - force * np.round((inner[:, None] - levels) / force)).min(axis=1)
    assert len(inner) > 20
    np.testing.assert_allclose(apart, 0, atol=5e-9)


def test_currents_as_tasks_and_their_plots(job: Path) -> None:
    job.write_text(MODEL + CURRENT)
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    options = {"grid": 32, "tolerance": bf.Tolerance(rtol=0.1)}
    direct = bf.response.finite_field_current(QWZ, 0.35, 0.1, electric_field=FIELDS, tau=[1.0, 2.0], **options)
    np.testing.assert_array_equal(bf.open("run.nc").value, direct.value)
    shown = blochflow("info", "run.nc")
    assert shown.exit_code == 0 and "CONVERGED" in shown.output and "relaxation" in shown.output
    assert blochflow("export", "run.nc", "-o", "run.csv").exit_code == 0
    header = next(line for line in Path("run.csv").read_text().splitlines() if line[0] != "#")
    assert {"field", "tau", "a", "value", "intrinsic", "electric_field"} <= set(header.split(","))
    for arguments in ((), ("--variable", "relaxation"), ("--component", "y")):
        drawn = blochflow("plot", "run.nc", "-o", "x.png", *arguments)
        assert drawn.exit_code == 0, drawn.output
    assert "@article{Tu2020" in blochflow("cite", "run.nc").output
    _, axes = bf.plot.field_current(direct.isel(tau=0), component="y")
    dashed = next(line for line in axes.get_lines() if line.get_linestyle() == "--")
    np.testing.assert_array_equal(dashed.get_ydata(), direct.linear_limit.isel(tau=0).sel(a="y").squeeze())
    assert any("linear limit" in text.get_text() for text in axes.get_legend().get_texts())
    _, axes = bf.plot.field_current(direct.isel(tau=0), variable="intrinsic", component="y")
    dashed = next(line for line in axes.get_lines() if line.get_linestyle() == "--")
    np.testing.assert_array_equal(dashed.get_ydata(), direct.intrinsic_linear_limit.sel(a="y").squeeze())
    plt.close("all")


def test_bands_as_tasks_and_their_plots(job: Path) -> None:
    job.write_text(MODEL + BANDS)
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    direct = bf.nonadiabatic.hybrid_bands(QWZ, bf.k_path(QWZ, "G-X-M-G", 30), [[0.0, 0.0], [0.2, 0.1]])
    np.testing.assert_array_equal(bf.open("run.nc").energy, direct.energy)
    assert blochflow("info", "run.nc").exit_code == 0
    assert blochflow("export", "run.nc", "-o", "run.csv").exit_code == 0
    assert blochflow("plot", "run.nc", "-o", "x.png").exit_code == 0
    assert Path("x.png").stat().st_size > 5000
    refused = blochflow("plot", "run.nc", "-o", "y.png", "--component", "x")
    assert refused.exit_code == 2
    _, axes = bf.plot.hybrid_bands(direct)
    assert [text.get_text() for text in axes.get_legend().get_texts()][1].startswith("E = (0.2, 0.1)")
    plt.close("all")


@pytest.mark.parametrize(
    ("text", "vectors"),
    [
        (ALONG, [[0.03, 0.04], [0.06, 0.08]]),
        ("{ magnitude = 0.5, direction = [0, -2] }", [0.0, -0.5]),
        ("{ magnitude = [0.1, -0.2], direction = [1.0] }", [[0.1], [-0.2]]),
    ],
)
def test_fields_of_jobs_by_magnitude_and_direction(text, vectors) -> None:
    np.testing.assert_allclose(parse_field(tomllib.loads(f"x = {text}")["x"]), vectors, rtol=1e-15)


def test_a_scan_of_magnitudes_is_a_task(job: Path) -> None:
    job.write_text(MODEL + CURRENT.replace(str(FIELDS), ALONG))
    assert blochflow("run", job, "--set", "electric_field.magnitude=[0.05, 0.1]", "-o", "run.nc").exit_code == 0
    found = bf.open("run.nc")
    np.testing.assert_allclose(found.electric_field, [[0.03, 0.04], [0.06, 0.08]], rtol=1e-15)
    np.testing.assert_allclose(found.field, [0.05, 0.1], rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (CURRENT.replace(str(FIELDS), "[0.1]"), "task[0].electric_field", "must be a vector"),
        (CURRENT.replace(str(FIELDS), "{ magnitude = 0.1 }"), "task[0].electric_field", "'direction' is missing"),
        (CURRENT.replace(str(FIELDS), ALONG.replace("direc", "Direc")), "task[0].electric_field", "direction"),
        (CURRENT.replace(str(FIELDS), ALONG.replace("3.0, 4.0", "0, 0")), "task[0].electric_field", "not zero"),
        (CURRENT.replace(str(FIELDS), ALONG.replace("3.0, 4.0", "1")), "task[0].electric_field", "a vector (2,)"),
        (CURRENT + "x = [0.0, 0.0]\n", "task[0].x", "left out"),
        (CURRENT + 'theory = "single"\n', "task[0].theory", "single_band"),
        (CURRENT + "groups = [[0, 7]]\n", "task[0].groups", "such as"),
        (CURRENT + "active = [0.5]\n", "task[0].active", "band indices"),
        (CURRENT.replace("temperature = 0.1", "temperature = 0"), "task[0].temperature", "above 0"),
        (BANDS.replace("G-X-M-G", "G-Q"), "task[0].path", "Q"),
        (BANDS + "group_tolerance = -1.0\n", "task[0].group_tolerance", "negative"),
    ],
)
def test_wrong_tasks_are_found_before_anything_is_computed(job: Path, monkeypatch, text, key, words) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    job.write_text(MODEL + text)
    done = blochflow("run", job)
    assert done.exit_code == 2, done.output
    assert key in done.stderr and words in done.stderr, done.stderr


@pytest.mark.slow
def test_textures_of_jobs(job: Path) -> None:
    """A task at a place of a texture of the zoo; what a uniform model needs is refused."""
    start = '[model]\nzoo = "domain_wall"\n[[task]]\nquantity = "finite_field_current"\nmu = 0.5\ntemperature = 0.1\n'
    text = start + "tau = 1.0\nelectric_field = [0.02, 0.0]\ntolerance = { rtol = 0.1, atol = 1e-6 }\n"
    job.write_text(text)
    refused = blochflow("check", job)
    assert refused.exit_code == 2 and "`x` must be given" in refused.stderr
    job.write_text(text + "x = [5.0, 0.0]\n")
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    found = bf.open("run.nc")
    assert found.value.dims == ("mu", "temperature", "field", "position", "a")
    assert "cutoff_tail" in found
    assert "finite_field_current" in blochflow("check", job).output
    bands = '[[task]]\nquantity = "hybrid_bands"\npath = "G-X"\nelectric_field = [0.1, 0.0]\nx = [5.0, 0.0]\n'
    job.write_text('[model]\nzoo = "domain_wall"\n' + bands)
    assert "continuum model" in blochflow("check", job).stderr
