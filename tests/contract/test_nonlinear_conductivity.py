"""Shapes, units, scans, messages and files of quadratic and nonlocal conductivities, and of their references."""

import numpy as np
import pytest
from cli_runs import blochflow

import blochflow as bf
from blochflow.core.backend import jax, jnp
from blochflow.core.units import EV_ANGSTROM

R, X = bf.response, bf.exact
ONE = bf.Execution(workers=1, progress=False)
SMALL = bf.Execution(max_memory=2**18)
COARSE = {"grid": 12, "throw": False, "symmetry": False, "execution": ONE}
PLANE = bf.zoo.haldane(mass=0.3)
CHAIN = bf.zoo.rice_mele(mass=0.4)


def sigma(**options):
    return R.nonlinear_conductivity(PLANE, -1.0, 0.3, **{"tau": 10.0, **COARSE, **options})


def test_scans_are_dimensions():
    found = R.nonlinear_conductivity(
        PLANE, [-1.0, 1.0], [0.3, 0.4], tau=[1.0, 2.0, 3.0], frequencies=[(0.0, 0.0), (0.1, -0.1)],
        relaxation=["bare", "local"], **COARSE,
    )  # fmt: skip
    assert found.value.dims == ("mu", "temperature", "relaxation", "tau", "frequency", "a", "b", "c")
    assert found.parts.dims == ("part", *found.value.dims)
    assert found.converged.dims == found.value.dims[:-3]
    np.testing.assert_allclose(found.parts.sum("part"), found.value, atol=1e-12)
    assert found.second_frequency.values.tolist() == [0.0, -0.1]
    one = R.nonlinear_conductivity(
        PLANE, 1.0, 0.4, tau=2.0, frequencies=(0.1, -0.1), relaxation="local", **COARSE
    ).value.isel(mu=0, temperature=0)
    chosen = found.value.sel(mu=1.0, temperature=0.4, relaxation="local", tau=2.0, frequency=0.1)
    np.testing.assert_allclose(chosen.values, one.values, rtol=1e-12, atol=1e-15)


TRACES = {"count": 0}


def counted(k, mass=0.4, tilt=0.3):
    TRACES["count"] += isinstance(k, jax.core.Tracer)
    x, y = k
    z, off = mass + 2 - jnp.cos(x) - jnp.cos(y), jnp.sin(x) - 1j * jnp.sin(y)
    return tilt * jnp.sin(x) * jnp.eye(2) + jnp.array([[z, off], [jnp.conj(off), -z]])


def test_scans_compile_once():
    """Parameters of a model and relaxation times are arrays in every kernel."""
    model = bf.LatticeModel(counted, np.eye(2))

    def of(mass, **options):
        R.berry_curvature_dipole(model.replace(mass=mass), -1.0, 0.3, **COARSE)
        R.nonlocal_conductivity(model.replace(mass=mass), -1.0, 0.3, **{"tau": 10.0, **COARSE, **options})
        return TRACES["count"]

    before = of(0.4)
    for change in ({"mass": 0.5}, {"mass": 0.4, "tau": 7.0}, {"mass": 0.6, "tau": 3.0}):
        assert of(**change) == before
    # the counter counts: complex values have a kernel of their own
    assert of(0.4, frequency=0.1) > before


def test_values_are_real_at_zero_frequency_and_complex_else(tmp_path):
    assert sigma().value.dtype == np.float64
    found = sigma(frequencies=(0.1, 0.2))
    assert found.value.dtype == np.complex128
    # fields exchange places with their frequencies
    swapped = sigma(frequencies=(0.2, 0.1)).value.values
    np.testing.assert_allclose(found.value.values, swapped.swapaxes(-1, -2), atol=1e-12)
    # real fields give real currents
    negative = sigma(frequencies=(-0.1, -0.2)).value.values
    np.testing.assert_allclose(negative, found.value.values.conj(), atol=1e-12)
    bf.save(found, tmp_path / "s.nc")
    assert bf.open(tmp_path / "s.nc").value.dtype == np.complex128
    figure, axes = bf.plot.response(found, component="xxx")
    assert [line.get_linestyle() for line in axes.lines][:2]
    figure.clf()


@pytest.mark.parametrize(
    ("part", "power", "factor"), [("drude", 2, 5.618405e-14), ("bcd", 1, 3.698101e-14), ("metric", 0, 2.434135e-14)]
)
def test_units_in_two_dimensions(part, power, factor):
    """A m/V^2 per fs^power and eV, angstrom of the integral."""
    model = PLANE
    absolute = bf.TightBinding.from_blocks(
        model.lattice, np.asarray(model.orbitals), model.cells, np.asarray(model.blocks), units=EV_ANGSTROM
    )
    natural = R.nonlinear_conductivity(model, -1.0, 0.3, tau=1.0, **COARSE).parts.sel(part=part).values
    found = R.nonlinear_conductivity(absolute, -1.0, 0.3 / EV_ANGSTROM.boltzmann, tau=7.0, **COARSE)
    assert found.attrs["units"] == "A m/V^2"
    np.testing.assert_allclose(
        found.parts.sel(part=part).values, factor * 7.0**power * natural, rtol=2e-7, atol=1e-12 * factor
    )
    exact = X.liouville_response(
        absolute, -1.0, 0.3 / EV_ANGSTROM.boltzmann, tau=7.0, relaxation="bare", tolerance=bf.Tolerance(rtol=1e-2)
    )
    assert exact.attrs["units"] == "A m/V^2"


@pytest.mark.parametrize(
    ("dimension", "unit"),
    [(1, "A m^2/V^2"), (2, "A m/V^2"), (3, "A/V^2")],
)
@pytest.mark.slow
def test_units_of_every_dimension(dimension, unit):
    one = bf.TightBinding(
        np.eye(dimension), [[0.0] * dimension], [(-1.0, 0, 0, (1, *(0,) * (dimension - 1)))], units=EV_ANGSTROM
    )
    options = {**COARSE, "grid": 4}
    assert R.nonlinear_conductivity(one, -1.0, 3000.0, tau=1.0, **options).attrs["units"] == unit
    assert R.nonlocal_conductivity(one, -1.0, 3000.0, tau=1.0, **options).attrs["units"] == {
        1: "S m^2", 2: "S m", 3: "S"
    }[dimension]  # fmt: skip
    bf.to_si(R.quantum_metric_dipole(one, -1.0, 3000.0, **options))


def kicked(**options):
    return X.liouville_evolution(PLANE, 0.0, 0.1, [0.0, 1.0], electric_field=[0.1, 0.0], **options)


WRONG = [
    (lambda: sigma(tau=None), r"`tau` must be given"),
    (lambda: sigma(tau=-1.0), r"`tau` must be greater than 0"),
    (lambda: sigma(relaxation="clean"), r"`tau` must be left out"),
    (lambda: sigma(tau=None, relaxation="clean"), r"`frequencies` must hold no zero .* depends on how fields"),
    (lambda: sigma(relaxation=["clean", "bare"]), r'`relaxation` must not mix "clean"'),
    (lambda: sigma(relaxation="bear"), r"`relaxation` must .*bare"),
    (lambda: sigma(relaxation=[]), r"`relaxation` must name one of"),
    (lambda: bf.exact.liouville_response(PLANE, 0.0, 0.3, tau=1.0, execution=SMALL), r"`max_memory` must allow"),
    (lambda: sigma(relaxation=3), r"`relaxation` must name one of"),
    (lambda: sigma(frequencies=0.1), r"`frequencies` must be a pair"),
    (lambda: sigma(frequencies=[0.1, 0.2, 0.3]), r"`frequencies` must be a pair"),
    (lambda: R.quantum_metric_dipole(PLANE, 0.0, 0.1, metric="g"), r"`metric` must"),
    (lambda: R.berry_curvature_dipole(CHAIN, 0.0, 0.1), r"`model` must have two or three dimensions"),
    (lambda: R.nonlocal_conductivity(PLANE, 0.0, 0.1, tau=1.0, relaxation="bare"), r"`relaxation` must"),
    (lambda: R.nonlocal_conductivity(PLANE, 0.0, 0.1, tau=1.0, frequency=[[0.1]]), r"`frequency` must"),
    (lambda: R.nonlinear_conductivity(PLANE, 0.0, 0.0, tau=1.0, grid=12), r"`temperature` must be above 0"),
    (lambda: X.liouville_response(PLANE, 0.0, 0.0, tau=1.0), r"`temperature` must be above 0"),
    (lambda: X.liouville_response(PLANE, 0.0, 0.1, tau=1.0, order=3), r"`order` must be 1 or 2"),
    (lambda: X.liouville_response(PLANE, 0.0, 0.1, tau=1.0, frequencies=0.1), r"`frequencies` must be a pair"),
    (lambda: X.liouville_response(CHAIN, 0.0, 0.1, tau=1.0, order=1, frequencies=[[0.1, 0.2]]), r"`frequencies` must"),
    (lambda: X.liouville_response(CHAIN, 0.0, 0.1), r"`tau` must be given"),
    (lambda: X.liouville_response(CHAIN, 0.0, 0.1, tau=1.0, relaxation=["bare", "x"]), r"`relaxation` must be one of"),
    (lambda: R.nonlocal_conductivity(PLANE, 0.0, 0.1), r"`tau` must be given, the relaxation time"),
    (lambda: X.liouville_response(bf.zoo.massive_dirac(), 0.0, 0.1, tau=1.0), r"`model` must be periodic"),
    (lambda: X.liouville_evolution(CHAIN, 0.0, 0.1, [0, 1], electric_field=[0.1, 0.2]), r"`electric_field` must"),
    (lambda: X.liouville_evolution(CHAIN, 0.0, 0.1, [1, 0], electric_field=[0.1]), r"`times` must .* that increase"),
    (lambda: X.liouville_evolution(CHAIN, 0.0, 0.1, 3.0, electric_field=[0.1]), r"`times` must hold at least two"),
    (lambda: kicked(relaxation="intraband"), r"`tau` must be given for relaxation"),
    (lambda: kicked(execution=SMALL), r"`max_memory` must allow"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_together_with_others():
    names = ["berry_curvature_dipole", "nonlinear_conductivity"]
    found = R.together(names, PLANE, -1.0, 0.3, tau=10.0, **COARSE)
    np.testing.assert_array_equal(found[names[1]].value, sigma(tau=10.0).value)
    np.testing.assert_array_equal(found[names[0]].value, R.berry_curvature_dipole(PLANE, -1.0, 0.3, **COARSE).value)
    with pytest.raises(ValueError, match="`tau` must be given for nonlocal_conductivity"):
        R.together(["nonlocal_conductivity"], PLANE, -1.0, 0.3)
    with pytest.raises(ValueError, match="`response` must be one of .*berry_curvature_dipole.* nonlinear_conductivity"):
        bf.sensitivity(R.nonlinear_conductivity, PLANE, ["mass"], mu=-1.0, temperature=0.3)


def test_plots_show_the_largest_components():
    found = sigma()
    sizes = {"xxx": 3.0, "yxy": -6.0, "yyx": -6.0, "xyy": 5.0, "xxy": 1.0, "xyx": 1.0, "yyy": 2.0, "yxx": 4.0}
    for (a, b, c), size in sizes.items():
        found.value.loc[{"a": a, "b": b, "c": c}] = size
    _, axes = bf.plot.auto(found)
    labels = [label.split(", ") for label in axes.get_legend_handles_labels()[1]]
    # with three parts each
    assert [label[0] for label in labels] == 4 * ["yxy"] + 4 * ["xyy"]
    assert [label[-1] for label in labels[1:4]] == ["drude", "bcd", "metric"]
    title = axes.get_legend().get_title().get_text().replace("\n", " ")
    assert title == "the largest components; component=... draws yxx, xxx, yyy, xxy"
    _, axes = bf.plot.auto(found, component="xxy")
    assert len(axes.get_legend_handles_labels()[1]) == 4 and not axes.get_legend().get_title().get_text()


def test_clean_limit():
    found = sigma(tau=None, relaxation="clean", frequencies=(0.1, -0.1))
    # rectification of a clean metal is real for its Drude part: -C/(2 w1 w2) with opposite frequencies
    drude = found.parts.sel(part="drude").values
    assert np.abs(drude.imag).max() == 0
    unit = sigma(tau=1.0).parts.sel(part="drude").values
    np.testing.assert_allclose(drude, unit / (2 * 0.1**2), rtol=1e-10)


@pytest.mark.slow
def test_not_converged_is_an_error_with_the_result():
    with pytest.raises(bf.ConvergenceError) as caught:
        sigma(grid=4, throw=True)
    assert "parts" in caught.value.result


def test_validity_is_recorded():
    with pytest.warns(bf.ValidityWarning, match="hbar/tau = 2 is"):
        found = sigma(tau=0.5)
    assert found.attrs["validity_broadening"] > 0.5
    assert found.attrs["relaxation"].startswith("bare: bands dressed")


def test_vanishing_by_inversion_converges_in_the_reference():
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-0.5, 0, 0, (1,))])
    found = X.liouville_response(chain, -0.3, 0.2, tau=3.0)
    assert abs(found.value.item()) < 1e-12 and bool(found.converged.all())


def test_scans_of_the_density_matrix_are_what_single_calls_give():
    kept = {"tolerance": bf.Tolerance(rtol=1e-6), "execution": ONE}
    pairs, times, names = [(0.0, 0.0), (0.1, -0.1)], [2.0, 5.0], ["bare", "uniform"]
    found = X.liouville_response(CHAIN, -1.0, 0.3, tau=times, frequencies=pairs, relaxation=names, **kept)
    assert found.value.dims == ("mu", "temperature", "relaxation", "tau", "frequency", "a", "b", "c")
    assert found.second_frequency.values.tolist() == [0.0, -0.1] and found.tau.attrs["units"] == "hbar/E"
    assert found.converged.dims == found.value.dims[:5]
    one = X.liouville_response(CHAIN, -1.0, 0.3, tau=5.0, frequencies=pairs[1], relaxation="uniform", **kept)
    # numbers that have converged wait for the others unchanged
    same = found.sel(relaxation="uniform", tau=5.0).isel(frequency=1)
    np.testing.assert_array_equal(same.value, one.value)
    np.testing.assert_array_equal(same.error, one.error)
    linear = X.liouville_response(CHAIN, -1.0, 0.3, tau=5.0, order=1, frequencies=[0.0, 0.2, 0.4], **kept)
    twice = X.liouville_response(CHAIN, -1.0, 0.3, tau=5.0, order=1, frequencies=[0.0, 0.0], **kept)
    assert twice.sizes["frequency"] == 2
    assert linear.value.dims == ("mu", "temperature", "frequency", "a", "b")


@pytest.mark.slow
def test_density_of_electrons_in_place_of_mu():
    found = R.nonlinear_conductivity(
        PLANE, None, 0.3, density=0.5, tau=10.0, execution=ONE, tolerance=bf.Tolerance(rtol=1e-2)
    )
    direct = R.nonlinear_conductivity(
        PLANE, float(found.mu.item()), 0.3, tau=10.0, execution=ONE, tolerance=bf.Tolerance(rtol=1e-2)
    )
    assert found.value.dims[0] == "density"
    scale = float(np.abs(direct.value).max())
    np.testing.assert_allclose(found.value.values[0, 0], direct.value.values[0, 0], atol=2e-2 * scale)


JOB = """
[model]
zoo = "haldane"
parameters = { mass = 0.3 }

[[task]]
quantity = "nonlinear_conductivity"
name = "quadratic"
mu = -1.0
temperature = 0.3
tau = 10.0
frequencies = [[0.0, 0.0], [0.1, -0.1]]
relaxation = ["bare", "local"]
grid = 8

[[task]]
quantity = "exact.liouville_response"
name = "reference"
mu = -1.0
temperature = 0.5
tau = 5.0
order = 1
frequencies = 0.1
tolerance = { rtol = 1e-2 }
"""


@pytest.mark.slow
def test_tasks_of_a_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(JOB)
    # the coarse grid does not converge
    done = blochflow("run", "job.toml", "-o", "out")
    assert done.exit_code == 1, done.output
    found, reference = bf.open("out/quadratic.nc"), bf.open("out/reference.nc")
    assert found.value.dims[2:4] == ("relaxation", "frequency") and found.value.dtype == np.complex128
    assert found.attrs["relaxation"].startswith("bare: ")
    assert reference.value.dims == ("mu", "temperature", "a", "b") and bool(reference.converged.all())
    assert ", i " in done.output
    assert blochflow("plot", "out/reference.nc", "-o", "r.png").exit_code == 0
    assert blochflow("export", "out/quadratic.nc", "-o", "q.csv").exit_code == 0
    assert "value_im" in (tmp_path / "q.csv").read_text()


EVOLUTION = """
[model]
zoo = "rice_mele"

[[task]]
quantity = "exact.liouville_evolution"
mu = [-1.5, -1.4, -1.3, -1.2]
temperature = 0.5
times = { start = 0.0, stop = 2.0, count = 3 }
electric_field = "pulse.py:field"
tau = 2.0
relaxation = "intraband"
tolerance = { rtol = 1e-3 }
"""


def test_evolution_in_a_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(EVOLUTION)
    (tmp_path / "pulse.py").write_text("def field(t):\n    return [0.1 * t]\n")
    checked = blochflow("check", "job.toml")
    assert checked.exit_code == 0 and "matrices of up to 2 rows" in checked.output
    assert blochflow("run", "job.toml", "-o", "out.nc").exit_code == 0
    found = bf.open("out.nc")
    options = {"electric_field": lambda t: [0.1 * t], "tau": 2.0, "relaxation": "intraband", "execution": ONE}
    same = X.liouville_evolution(bf.zoo.rice_mele(), found.mu.values, 0.5, [0.0, 1.0, 2.0], **options)
    np.testing.assert_array_equal(found.value, same.value)
    _, axes = bf.plot.auto(found)
    assert axes.get_xlabel() == "time [hbar/E]"
    assert blochflow("explain", "exact.liouville_evolution").exit_code == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tau = 2.0\n", "", "job.toml:5: `task[0].tau`: Argument `tau` must be given for"),
        ("{ start = 0.0, stop = 2.0, count = 3 }", "[2.0, 1.0]", "job.toml:9: `task[0].times`: Argument `times`"),
        ("pulse.py:field", "pulse.py:feild", "job.toml:10: `task[0].electric_field`"),
        ('"pulse.py:field"', "[0.1, 0.2]", "job.toml:10: `task[0].electric_field`: Argument `electric_field`"),
        ("temperature = 0.5", "temperature = 0.0", "job.toml:8: `task[0].temperature`"),
    ],
)
def test_wrong_evolutions(tmp_path, monkeypatch, old, new, message):
    monkeypatch.chdir(tmp_path)
    assert old in EVOLUTION
    (tmp_path / "job.toml").write_text(EVOLUTION.replace(old, new))
    (tmp_path / "pulse.py").write_text("def field(t):\n    return [0.1 * t]\n")
    done = blochflow("run", "job.toml", "--dry-run")
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[0.0, 0.0], [0.1, -0.1]]", "[0.1]", "`frequencies` must be a pair"),
        ("[[0.0, 0.0], [0.1, -0.1]]", "[[0.1, 0.2], [0.1]]", "expected two numbers such as"),
        ('["bare", "local"]', '["bare", 3]', "expected text in quotes"),
        ('["bare", "local"]', '"clean"', "`tau` must be left out"),
        ("order = 1", "order = 3", "`order` must be 1 or 2"),
        ("tau = 10.0\n", "", "job.toml:6: `task[0].tau`: Argument `tau` must be given"),
        ("tau = 5.0\n", "", "job.toml:16: `task[1].tau`: `tau` is missing"),
        (
            "frequencies = 0.1",
            "frequencies = [[0.1, 0.2]]",
            "job.toml:23: `task[1].frequencies`: Argument `frequencies`",
        ),
        ("frequencies = 0.1\n", 'relaxation = ["bare", "bear"]\n', "job.toml:23: `task[1].relaxation`: Argument"),
        ("temperature = 0.5", "temperature = 0.0", "`temperature` must be above 0"),
    ],
)
def test_wrong_jobs(tmp_path, monkeypatch, old, new, message):
    monkeypatch.chdir(tmp_path)
    assert old in JOB
    (tmp_path / "job.toml").write_text(JOB.replace(old, new))
    done = blochflow("run", "job.toml", "--dry-run")
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
