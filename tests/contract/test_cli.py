"""The command as a user types it: what each command writes, its messages and exit codes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from cli_runs import blochflow, forbid

import blochflow as bf
from blochflow.cli import commands, cost, runner
from blochflow.cli.explanations import IN_PYTHON
from blochflow.cli.formats import duration, memory, with_error
from blochflow.cli.quantities import all_quantities

JOB = """\
[model]
zoo = "haldane"
parameters = { mass = 0.1 }

[[task]]
quantity = "anomalous_hall"
name = "hall"
mu = 0.0
temperature = 0.05

[[task]]
quantity = "bands"
path = "G-K-M"
points = 20
color = "curvature"
"""


@pytest.fixture
def job(job: Path) -> Path:
    job.write_text(JOB)
    return job


def read_only(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), "hidden")


def test_run_writes_one_file_per_task(job: Path) -> None:
    done = blochflow("run", job, "-o", "out")
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in Path("out").iterdir()) == ["bands.nc", "hall.nc"]
    hall = bf.open("out/hall.nc")
    direct = bf.response.anomalous_hall(bf.zoo.haldane(mass=0.1), 0.0, 0.05)
    np.testing.assert_array_equal(hall["value"].values, direct["value"].values)
    assert hall.attrs["input_hash"] == direct.attrs["input_hash"]
    assert hall.attrs["task"] == "hall"
    for words in ("model: haldane, 2 bands, 2D", "0.15", "+-", "wrote out/hall.nc", "peak memory", "blochflow plot"):
        assert words in done.output


def test_one_task_may_name_its_file_and_settings_change_it(job: Path) -> None:
    single = JOB.partition('\n[[task]]\nquantity = "bands"')[0]
    job.write_text(single)
    done = blochflow("run", job, "-o", "x/r.nc", "--set", "mu=[-0.5, 0.0]", "--set", "model.parameters.mass=0.2")
    assert done.exit_code == 0, done.output
    result = bf.open("x/r.nc")
    assert list(result["mu"].values) == [-0.5, 0.0]
    assert '"mass": 0.2' in result.attrs["parameters"]
    assert blochflow("run", job).exit_code == 0
    assert Path("job.nc").exists()
    again = blochflow("run", job)
    assert "replaces the existing file" in again.output


def test_not_converged_is_written_and_exits_with_1(job: Path) -> None:
    done = blochflow("run", job, "-o", "out", "--set", "task.hall.grid=4", "--set", "tolerance.rtol=1e-6")
    assert done.exit_code == 2, "both tasks could take the tolerance"
    job.write_text(JOB.replace("mu = 0.0", "mu = 0.0\ngrid = 4\ntolerance = { rtol = 1e-6 }"))
    done = blochflow("run", job, "-o", "out")
    assert done.exit_code == 1
    assert "NOT CONVERGED: hall: 1 of 1 states" in done.output
    assert "asked for rtol = 1e-06" in done.output
    assert not bf.open("out/hall.nc")["converged"].values.any()
    shown = blochflow("info", "out/hall.nc")
    assert shown.exit_code == 0
    assert "NOT CONVERGED" in shown.output


def test_an_error_that_is_not_known_exits_with_1(job: Path) -> None:
    job.write_text(JOB.replace("mu = 0.0", "density = 1.0\ngrid = 11"))
    done = blochflow("run", job, "-o", "out")
    assert done.exit_code == 1, done.output
    assert "NOT CONVERGED: hall: 1 of 1 states" in done.output
    assert np.isfinite(bf.open("out/hall.nc")["value"].values).all()


def test_dry_run_computes_and_writes_nothing(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    done = blochflow("run", job, "-o", "out", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "nothing was computed" in done.output
    assert os.listdir(".") == ["job.toml"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("temperature", "temperatur", "job.toml:9: `task[0].temperatur`"),
        ("mass = 0.1", "mas = 0.1", "Did you mean `mass`?"),
        ('"haldane"', '"haldene"', "Did you mean `haldane`?"),
        ('zoo = "haldane"\nparameters = { mass = 0.1 }', 'wannier90 = "no_tb.dat"', "there is no file 'no_tb.dat'"),
        ('"curvature"', '"spin_z"', "`task[1].color`"),
    ],
)
def test_bad_jobs_exit_with_2_before_anything_is_computed(
    job: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: str
) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    job.write_text(JOB.replace(old, new, 1))
    for command in ("run", "check"):
        done = blochflow(command, job)
        assert done.exit_code == 2
        assert words in done.stderr
        assert "Traceback" not in done.output
    assert os.listdir(".") == ["job.toml"]


MODELS = """\
import sys
import jax.numpy as jnp
import blochflow as bf

def chain():
    return bf.LatticeModel(lambda k: jnp.array([[1.0, 0], [0, -1.0]]) * jnp.cos(k[0]), [[1.0]])

def continuum():
    return bf.zoo.massive_dirac()

def leaves():
    sys.exit()
"""
HALL = 'quantity = "anomalous_hall"\ntemperature = 0.1\n'
POTENTIAL = 'quantity = "chemical_potential"\ntemperature = 0.1\n'


@pytest.mark.parametrize(
    ("model", "task", "words"),
    [
        ('python = "m.py:chain"', f"{HALL}mu = 0", "job.toml:4: `task[0].quantity`: Argument `model` must have dimens"),
        ('python = "m.py:continuum"', f"{HALL}mu = 0\ngrid = 8", "job.toml:7: `task[0].grid`: Argument `grid` must be"),
        ('python = "m.py:continuum"', f'{HALL}mu = 0\nrule = "local"', "job.toml:7: `task[0].rule`"),
        ('zoo = "haldane"', f"{HALL}mu = 0\ngrid = [4, 4, 4]", "job.toml:7: `task[0].grid`"),
        ('zoo = "haldane"', f"{HALL}mu = 0\nshift = 0.5", "job.toml:7: `task[0].shift`"),
        ('zoo = "haldane"', f"{HALL}mu = 0\ngrid = 8\nshift = 1.5", "job.toml:8: `task[0].shift`"),
        (
            'zoo = "haldane"',
            f"{HALL}mu = 0\ntolerance = {{ max_evaluations = 9 }}",
            "job.toml:7: `task[0].tolerance.max_evaluations`",
        ),
        ('zoo = "haldane"', f"{HALL}density = [0.1, 9.0]", "job.toml:6: `task[0].density`"),
        ('zoo = "haldane"', f"{POTENTIAL}density = 9.0", "job.toml:6: `task[0].density`"),
    ],
)
def test_tasks_that_do_not_suit_the_model_are_refused_before_anything_is_computed(
    job: Path, monkeypatch: pytest.MonkeyPatch, model: str, task: str, words: str
) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    Path("m.py").write_text(MODELS)
    job.write_text(f"[model]\n{model}\n[[task]]\n{task}\n")
    for command in (("run", job), ("run", job, "--dry-run"), ("check", job)):
        done = blochflow(*command)
        assert done.exit_code == 2, done.output
        assert words in done.stderr


@pytest.mark.parametrize(("source", "line"), [("m.py:leaves", "m.py, line 12: sys.exit()"), ("top.py:f", "top.py, l")])
def test_leaving_the_program_in_a_model_file_is_an_error(job: Path, source: str, line: str) -> None:
    """Also that the line of the user is named where a folder above is called as the package."""
    folder = Path("blochflow")
    folder.mkdir()
    (folder / "m.py").write_text(MODELS)
    (folder / "top.py").write_text("raise SystemExit(0)\n")
    (folder / "job.toml").write_text(f'[model]\npython = "{source}"\n[[task]]\n{HALL}mu = 0\n')
    done = blochflow("run", folder / "job.toml")
    assert done.exit_code == 2
    assert "SystemExit" in done.stderr
    assert line in done.stderr


DIGITS = "9" * 401


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        (JOB.replace("points = 20", "points = 1000001"), (), "from 2 to 1000000"),
        (JOB.replace("mu = 0.0", f"mu = {DIGITS}"), (), "401 digits"),
        (JOB.replace("mu = 0.0", f"mu = {DIGITS * 12}"), (), "not valid TOML"),
        (JOB.replace("mu = 0.0", f"mu = {'[' * 5000}{']' * 5000}"), (), "not valid TOML"),
        (JOB.replace("mu = 0.0", 'mu = "-1e308:1e308:3"'), (), "too wide"),
        (JOB.replace("mu = 0.0", 'mu = "1e-300:1e300:3 log"'), (), "too wide"),
        (JOB.replace("mu = 0.0", f"mu = 0.0\ngrid = {DIGITS}"), (), "at most 1000000"),
        (JOB.replace("mu = 0.0", "mu = 0.0\ntolerance = 1e-2"), (), "expected a table such as { rtol = 1e-2 }"),
        (f"task = 3\n{JOB.partition('[[task]]')[0]}", ("--set", "mu=1"), "not tables under [[task]]"),
        (JOB, ("--set", f"mu={DIGITS * 12}"), "`task[0].mu`"),
    ],
    ids=range(10),
)
def test_strange_values_are_bad_input_and_no_bug(job: Path, text: str, settings: tuple[str, ...], words: str) -> None:
    job.write_text(text)
    done = blochflow("run", job, "--dry-run", *settings)
    assert done.exit_code == 2, done.output
    assert words in done.stderr


def test_a_byte_order_mark_is_no_text(job: Path) -> None:
    job.write_bytes(b"\xef\xbb\xbf" + JOB.encode())
    assert blochflow("run", job, "--dry-run").exit_code == 0


@pytest.mark.parametrize("quantity", ["bands", "anomalous_hall"])
def test_results_of_others_that_lack_variables_are_bad_input(job: Path, quantity: str) -> None:
    labels = {"labels": "G K", "label_positions": [0.0, 1.0]}
    made = xr.Dataset(attrs={"quantity": quantity, "version": "0", **labels})
    lacking, shaped = made.copy(), made.copy()
    for name in ("energy", "distance", "value", "error", "converged"):
        shaped[name] = (f"along_{name}", [1.0])
    lacking["energy"] = (("k", "band"), [[1.0]])
    for number, dataset in enumerate((made, lacking, shaped)):
        dataset.to_netcdf(f"{number}.nc", engine="h5netcdf")
        for arguments in (("plot", f"{number}.nc", "-o", "x.png"), ("info", f"{number}.nc")):
            done = blochflow(*arguments)
            assert done.exit_code == 2, done.output
            assert "hold a result of Blochflow" in done.stderr


def test_bad_places_exit_with_2_before_anything_is_computed(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    Path("file").write_text("")
    for place, words in (("r.nc", "give a folder"), ("file/out", "is not a folder")):
        done = blochflow("run", job, "-o", place)
        assert done.exit_code == 2
        assert words in done.stderr
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", read_only)
    done = blochflow("run", job, "-o", "a/b")
    assert done.exit_code == 2
    assert "a/b/hall.nc" in done.stderr and f"cannot write to {Path().resolve()} (Read-only file system)" in done.stderr
    assert sorted(os.listdir(".")) == ["file", "job.toml"]
    assert blochflow("run", "absent.toml").exit_code == 2
    assert blochflow("info", "absent.nc").exit_code == 2
    assert blochflow("run").exit_code == 2
    assert blochflow("rum", job).exit_code == 2


PYTHON_MODEL = """\
import jax.numpy as jnp
import blochflow as bf

def build(mass=1.0, size=2.0):
    return bf.LatticeModel(lambda k, mass: jnp.array([[mass, 0], [0, -mass]]) * jnp.cos(k[0]), [[1.0]],
                           parameters={"mass": mass})

def broken():
    return 1 / 0

def number():
    return 3
"""


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("m.py:build", 0, "1D"),
        ("m.py:biuld", 2, "Did you mean `build`?"),
        ("m.py:broken", 2, "ZeroDivisionError: division by zero (m.py, line 9: return 1 / 0)"),
        ("m.py:number", 2, "must return a model"),
        ("absent.py:build", 2, "there is no file 'absent.py'"),
        ("m.py", 2, "file.py:function"),
        ("bad.py:build", 2, "bad.py:1:"),
    ],
)
def test_models_from_a_python_file(job: Path, source: str, code: int, words: str) -> None:
    Path("m.py").write_text(PYTHON_MODEL)
    Path("bad.py").write_text("def build(:\n")
    job.write_text(f'[model]\npython = "{source}"\n[[task]]\nquantity = "electron_density"\nmu = 0\ntemperature = 1\n')
    done = blochflow("run", job, "--dry-run")
    assert done.exit_code == code, done.output
    assert words in done.output
    wrong = blochflow("run", job, "--dry-run", "--set", "model.parameters.masss=2")
    assert wrong.exit_code == 2


def test_interruption_exits_with_3_and_keeps_finished_files(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = runner.compute

    def interrupted(job: object, task: runner.Task, model: object) -> object:
        if task.name == "bands":
            raise KeyboardInterrupt
        return real(job, task, model)  # type: ignore[arg-type]

    monkeypatch.setattr(runner, "compute", interrupted)
    done = blochflow("run", job, "-o", "out")
    assert done.exit_code == 3
    assert os.listdir("out") == ["hall.nc"]
    assert "Interrupted" in done.stderr


def test_a_bug_of_ours_exits_with_4(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(runner, "compute", broken)
    done = blochflow("run", job, "-o", "out")
    assert done.exit_code == 4
    assert "bug of Blochflow" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_predicts_the_cost(job: Path) -> None:
    done = blochflow("check", job)
    assert done.exit_code == 0, done.output
    assert "(refined until converged)" in done.output
    assert "The job is valid." in done.output
    assert os.listdir(".") == ["job.toml"]


def test_prediction_counts_the_points_that_a_run_uses(job: Path) -> None:
    job.write_text(JOB.replace("mu = 0.0", "mu = 0.0\ngrid = [20, 22]"))
    read = commands.read_job(job)
    model = bf.zoo.haldane()
    predicted = cost.predict(read, read.tasks[0], model)
    assert predicted.points == "440"
    assert runner.compute(read, read.tasks[0], model).attrs["evaluations"] == 440


@pytest.mark.parametrize("quantity", list(all_quantities()))
def test_starter_jobs_are_valid_and_documented(job: Path, quantity: str) -> None:
    printed = blochflow("init", quantity)
    assert printed.exit_code == 0
    assert blochflow("init", quantity, "-o", "new.toml").exit_code == 0
    assert Path("new.toml").read_text() == printed.stdout
    assert blochflow("run", "new.toml", "--dry-run").exit_code == 0
    for option in all_quantities()[quantity].options:
        assert f"{option} = " in printed.stdout
    again = blochflow("init", quantity, "-o", "new.toml")
    assert again.exit_code == 2
    assert "exists" in again.stderr


def test_looking_at_results(job: Path) -> None:
    assert blochflow("run", job, "-o", "out").exit_code == 0
    shown = blochflow("info", "out/hall.nc")
    assert "sigma_ab = -(e^2/hbar)" in shown.output
    assert "+-" in shown.output
    assert "lowest" in blochflow("info", "out/bands.nc").output
    cited = blochflow("cite", "out/hall.nc")
    assert "@article{Wang2006," in cited.output
    assert "@software{Blochflow," in cited.output
    for arguments in (
        ("out/hall.nc", "-o", "hall.png"),
        ("out/hall.nc", "-o", "hall.pdf", "--units", "e^2/h"),
        ("out/hall.nc", "-o", "history.svg", "--convergence"),
        ("out/bands.nc", "-o", "bands.png", "--mu", "0.1"),
    ):
        drawn = blochflow("plot", *arguments)
        assert drawn.exit_code == 0, drawn.output
        assert Path(arguments[2]).stat().st_size > 5000
    assert blochflow("plot", "out/hall.nc", "-o", "x.docx").exit_code == 2
    assert blochflow("plot", "out/bands.nc", "-o", "x.png", "--convergence").exit_code == 2
    assert blochflow("export", "out/hall.nc", "-o", "hall.csv").exit_code == 0
    assert Path("hall.csv").read_text().count("\n") > 4
    assert blochflow("export", "out/hall.nc", "-o", "hall.bxsf").exit_code == 2


def test_no_option_is_ignored(job: Path) -> None:
    assert blochflow("run", job, "-o", "out").exit_code == 0
    for option, value in (("mu", "3"), ("color", "spin"), ("grid", "7")):
        refused = blochflow("export", "out/hall.nc", "-o", "hall.csv", f"--{option}", value)
        assert refused.exit_code == 2
        assert f"`{option}` must be given for .bxsf and .frmsf only" in refused.stderr
    for arguments in ((), ("--convergence",)):
        refused = blochflow("plot", "out/hall.nc", "-o", "x.png", "--mu", "3", *arguments)
        assert refused.exit_code == 2
        assert "`mu` must be given for band structures only" in refused.stderr
    assert not Path("hall.csv").exists() and not Path("x.png").exists()


def test_export_of_a_model(job: Path) -> None:
    job.write_text(JOB.replace('"haldane"\nparameters = { mass = 0.1 }', '"weyl_lattice"').replace("G-K-M", "G-X-M"))
    done = blochflow("export", job, "-o", "w.frmsf", "--grid", 4, "--mu", 0.5, "--color", "curvature_yz")
    assert done.exit_code == 0, done.output
    assert Path("w.frmsf").read_text().split()[:5] == ["4", "4", "4", "1", "2"]


@pytest.mark.parametrize("suffix", ["bxsf", "frmsf"])
def test_export_of_a_model_needs_its_fermi_energy(job: Path, suffix: str) -> None:
    done = blochflow("export", job, "-o", f"w.{suffix}", "--grid", 4)
    assert done.exit_code == 2
    assert "`mu` must be given" in done.stderr
    assert os.listdir(".") == ["job.toml"]


@pytest.mark.parametrize("quantity", list(all_quantities()))
def test_explanations_are_complete(quantity: str) -> None:
    text = blochflow("explain", quantity).output
    described = all_quantities()[quantity]
    assert described.equation in text
    for words in ("Conventions:", "Valid for:", "Not included:", "Units:", "References:", *described.options):
        assert words in text
    for key in described.references:
        assert f"[{key}]" in text


def test_lists_and_unknown_names() -> None:
    assert all(name in blochflow("explain").output for name in all_quantities())


@pytest.mark.parametrize("name", IN_PYTHON)
def test_functions_without_a_task_are_explained(name: str) -> None:
    done = blochflow("explain", name)
    assert done.exit_code == 0 and "Parameters" in done.output and ">>>" in done.output
    assert name in blochflow("explain").output
    listed = blochflow("models").output
    assert all(name in listed for name in bf.zoo.names())
    assert "Haldane, PRL 61, 2015" in blochflow("models", "haldane").output
    for arguments, hint in (
        (("explain", "anomalous_hal"), "Did you mean `anomalous_hall`?"),
        (("models", "haldan"), "Did you mean `haldane`?"),
        (("init", "band"), "Did you mean `bands`?"),
        (("init", "surface_distribution"), "blochflow explain surface_distribution"),
        (("init", "exact.ribbon"), "[model] ribbon = {"),
        (("cite", "anomalous_hal"), "Did you mean `anomalous_hall`?"),
    ):
        done = blochflow(*arguments)
        assert done.exit_code == 2
        assert hint in done.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ehrenfest", "i hbar chidot = H(k, x, t) chi"),
        ("manifold", "bf.Manifold(active=(0, 1))"),
        ("Adiabatic", "second_order"),
        ("nonadiabatic.hybrid_bands", "(H + eE.R)|u_i> = E_i|u_i>"),
        ("bf.response.finite_field_current", "electric_field"),
        ("landau_zener", "exp(-pi (g/2)^2"),
        ("projected", "chi -> P chi/|P chi|"),
    ],
)
def test_names_of_python_and_last_names_are_explained(name: str, words: str) -> None:
    done = blochflow("explain", name)
    assert done.exit_code == 0, done.output
    assert words in done.output


def test_in_a_process_of_its_own(job: Path) -> None:
    """Exit code and streams without a test harness in between."""
    command = Path(sys.executable).with_name("blochflow")
    if not command.exists():
        pytest.skip("the command is not installed beside this Python")
    job.write_text(JOB.replace("mu = 0.0", "mu = 0.0\ngrid = 4\ntolerance = { rtol = 1e-6 }"))
    done = subprocess.run([command, "run", job, "-o", "out"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "NOT CONVERGED" in done.stderr
    assert "wrote out/hall.nc" in done.stdout
    done = subprocess.run([command, "info", "job.toml"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "not a netCDF4 file" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX shells")
def test_a_reader_that_leaves_stops_nothing(job: Path) -> None:
    """`| head`: the file is written, and the exit code is that of the computation."""
    program = [sys.executable, "-m", "blochflow.cli.app"]
    job.write_text(JOB.replace("mu = 0.0", "mu = 0.0\ngrid = 4\ntolerance = { rtol = 1e-6 }"))
    for arguments, code in ((["run", "job.toml", "-o", "out"], 1), (["info", "out/bands.nc"], 0)):
        read, write = os.pipe()
        os.close(read)  # gone before the first line
        done = subprocess.run([*program, *arguments], stdout=write, stderr=subprocess.PIPE, text=True, timeout=300)
        os.close(write)
        assert done.returncode == code, done.stderr
        assert "Broken" not in done.stderr
    assert sorted(os.listdir("out")) == ["bands.nc", "hall.nc"]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (584.06, 8.23, "584.1 +- 8.2"),
        (-0.159154943, 1.2e-9, "-0.1591549430 +- 1.2e-09"),
        (123456.0, 1234.0, "123456 +- 1234"),
        (1.5e-7, 2e-9, "(1.500 +- 0.020)e-07"),
        (2.5e8, 1e7, "(2.50 +- 0.10)e+08"),
        (0.0, 0.0, "0"),
        (1.25, float("nan"), "1.25 +- nan"),
    ],
)
def test_numbers_with_errors(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


def test_durations_and_sizes() -> None:
    assert (duration(0.0312), duration(90), duration(7200)) == ("31.2 ms", "1.5 min", "2 h")
    assert (memory(100), memory(3 * 2**20), memory(2.5 * 2**30)) == ("100 B", "3 MiB", "2.5 GiB")
