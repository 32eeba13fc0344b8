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
from blochflow.cli.field_values import parse_field
from blochflow.response.texture_average import check_period
from finite_field_models import random_unitary

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
        ({"groups": [[0, 0]]}, "`groups` must hold distinct band indices from 0 to 1, but holds [0, 0]"),
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
        (CURRENT + "groups = [[0, 7]]\n", "task[0].groups", "distinct band indices from 0 to 1, but holds [0, 7]"),
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


def test_a_tolerance_that_joins_all_bands_is_noticed():
    with pytest.warns(bf.ValidityWarning, match="`group_tolerance` makes all 2 bands one group"):
        bf.nonadiabatic.hybrid_bands(QWZ, [[0.1, 0.2]], [0.05, 0.0], group_tolerance=100.0)
