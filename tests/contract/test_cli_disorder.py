"""Tasks of disordered responses as a user types them: starter jobs, predictions, refusals, plots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_runs import blochflow, forbid

import blochflow as bf
from blochflow.cli import runner
from blochflow.cli.disorder_cost import ROWS, Times
from blochflow.cli.report import beside_table
from blochflow.disorder.collision import DENSE

QUANTITIES = ("disordered_conductivity", "disordered_observable", "disordered_spin_density", "spin_orbit_torque")
CONE = '[model]\nzoo = "massive_dirac"\n'
SURFACE = '[model]\nzoo = "topological_surface"\n'
WHITE = 'disorder = { kind = "white", strength = 0.1 }'
# a user's model whose operators are matrices of the job
MATRICES = '[model]\nzoo = "massive_dirac"\n[model.operators]\n'


def task(quantity: str, options: str, state: str = "mu = 1.0\ntemperature = 0.0\n") -> str:
    return f'[[task]]\nquantity = "{quantity}"\n{state}{options}\n'


@pytest.mark.parametrize("quantity", ["disordered_conductivity", "spin_orbit_torque"])
def test_starter_jobs_run_and_their_results_are_shown(job: Path, quantity: str) -> None:
    assert blochflow("init", quantity, "-o", job).exit_code == 0
    cheap = ("--set", "mu=1.0", "--set", "points=32", "--set", "tolerance.rtol=1e-2")
    done = blochflow("run", job, "-o", "r.nc", *cheap)
    assert done.exit_code == 0, done.output
    assert "disorder = white noise of strength 0.1" in done.output
    result = bf.open("r.nc")
    assert result.attrs["disorder"] == "white noise of strength 0.1" and result["converged"].all()
    assert ("odd" in result) == (quantity == "spin_orbit_torque")
    # beside the value: every part, by its largest component
    headers = [str(column.header) for column in beside_table(result).columns]
    for name in ("drude", "side_jump", "skew_scattering"):
        header = next(x for x in headers if x.startswith(name)).split()[1]
        chosen = abs(result[name].sel(a=header[0], b=header[1])).max()
        # components that agree to 1e-6 count as equal
        assert chosen >= (1 - 1e-6) * abs(result[name]).max()
    for arguments in (("plot", "r.nc", "-o", "r.png"), ("plot", "r.nc", "-o", "yx.svg", "--component", "yx")):
        drawn = blochflow(*arguments)
        assert drawn.exit_code == 0, drawn.output
        assert Path(arguments[3]).stat().st_size > 5000
    wrong = blochflow("plot", "r.nc", "-o", "x.png", "--component", "yz")
    assert wrong.exit_code == 2
    assert "Argument `component` must be one of 'xx'" in wrong.stderr
    assert blochflow("plot", "r.nc", "-o", "x.png", "--component", "yx", "--convergence").exit_code == 2
    assert blochflow("export", "r.nc", "-o", "r.csv").exit_code == 0
    assert "side_jump,side_jump_error" in Path("r.csv").read_text()


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_task_is_explained(quantity: str) -> None:
    text = " ".join(blochflow("explain", quantity).output.split())
    for words in ("disorder", "points", "crossed", "Burgos Atencia", "Valid for:", "Units:"):
        assert words in text


def test_check_predicts_points_time_and_memory(job: Path) -> None:
    job.write_text(CONE + task("disordered_conductivity", f"{WHITE}\npoints = 64"))
    done = blochflow("check", job)
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "64 on each Fermi surface" in text and "MiB" in text and "The job is valid." in text
    assert os.listdir(".") == ["job.toml"]


def test_time_grows_with_the_points_as_the_equation_is_solved() -> None:
    """Diagonalized up to `DENSE` points; then iterated over all pairs, or over the points for white noise."""
    smooth, noise = (Times(32, 0.5, 0.001, 0.01, pairs) for pairs in (True, False))
    assert smooth.of(32) == noise.of(32) == pytest.approx(0.5 + 0.01 * (32 / ROWS) ** 3)
    for size in (512, DENSE):
        expected = 0.5 + 0.001 * (size - 32) + 0.01 * (size / ROWS) ** 3
        assert smooth.of(size) == noise.of(size) == pytest.approx(expected)
    assert smooth.of(2 * DENSE) == pytest.approx(4 * smooth.of(DENSE))
    assert noise.of(2 * DENSE) == pytest.approx(0.5 + 0.001 * (2 * DENSE - 32))
    iterated = Times(4 * DENSE, 3.0, 0.0, 0.01, True)
    assert iterated.of(8 * DENSE) == pytest.approx(12.0)


def test_a_surface_that_is_not_there_is_no_error(job: Path) -> None:
    job.write_text(CONE + task("disordered_conductivity", WHITE, "mu = 0.0\ntemperature = 0.0\n"))
    done = blochflow("check", job)
    assert done.exit_code == 0, done.output
    assert "no Fermi surface" in done.output


@pytest.mark.parametrize(
    ("model", "quantity", "options", "place", "words"),
    [
        (CONE, "disordered_conductivity", "", "disorder", "`disorder` is missing"),
        (CONE, "disordered_conductivity", "disorder = 0.1", "disorder", "expected a table such as { kind = "),
        (CONE, "disordered_conductivity", 'disorder = { kind = "whit" }', "disorder", 'kind "white", "gaussian"'),
        (CONE, "disordered_conductivity", 'disorder = { kind = "gaussian", strength = 1 }', "disorder", "is missing"),
        (CONE, "disordered_conductivity", 'disorder = { kind = "white", strength = -1 }', "disorder", "above 0"),
        (CONE, "disordered_conductivity", 'disorder = { kind = "white", strength = 1, length = 2 }', "disorder", "not"),
        (
            CONE,
            "disordered_conductivity",
            'disorder = { kind = "coulomb", density = 1, dielectric = 1, screening = 1, distance = -1 }',
            "disorder",
            "distance of at least 0",
        ),
        (
            SURFACE,
            "disordered_conductivity",
            'disorder = { kind = "white", strength = 1, vertices = [] }',
            "disorder",
            "array of names",
        ),
        (
            SURFACE,
            "disordered_conductivity",
            'disorder = { kind = "white", strength = 1, vertices = ["spin_q"] }',
            "disorder.vertices",
            "did you mean",
        ),
        (
            SURFACE,
            "disordered_conductivity",
            'disorder = { kind = "white", strength = 1, vertices = ["spin"] }',
            "disorder.vertices",
            "name one component",
        ),
        (CONE, "disordered_conductivity", f"{WHITE}\npoints = 20", "points", "multiple of 8"),
        (CONE, "disordered_conductivity", f"{WHITE}\ngrid = 2", "grid", "at least 4 cells"),
        (CONE, "disordered_conductivity", f"{WHITE}\ngrid = [8, 8, 8]", "grid", ""),
        ('[model]\nzoo = "ssh"\n', "disordered_conductivity", WHITE, "quantity", "must have dimension 2 or 3"),
        (
            CONE,
            "disordered_conductivity",
            'disorder = { kind = "gaussian", strength = 0.1, length = 1.0 }\ncrossed = true',
            "crossed",
            "white noise",
        ),
        (CONE, "disordered_observable", WHITE, "operator", "`operator` is missing"),
        (CONE, "disordered_observable", f'{WHITE}\noperator = "spin"', "operator", "name an operator"),
        (CONE, "disordered_spin_density", WHITE, "spin", "Argument `spin` must name an operator"),
        (SURFACE, "disordered_spin_density", f'{WHITE}\nspin = "spn"', "spin", "did you mean 'spin'"),
        (
            SURFACE,
            "spin_orbit_torque",
            f'{WHITE}\nmagnetization = "tilt"',
            "magnetization",
            "components (m)",
        ),
        (CONE, "spin_orbit_torque", WHITE, "magnetization", "it has none"),
        (
            f"{SURFACE}parameters = {{ m = [0.0, 0.0, 0.0] }}\n",
            "spin_orbit_torque",
            WHITE,
            "magnetization",
            "m of topological_surface is (0, 0, 0), where the torque m x <dH/dm> is exactly zero",
        ),
        (f"{MATRICES}s = [[0, 1], [0, 0]]\n", "disordered_observable", f'{WHITE}\noperator = "s"', "", "Hermitian"),
        (
            f"{MATRICES}s = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n",
            "disordered_observable",
            f'{WHITE}\noperator = "s"',
            "",
            "shape",
        ),
    ],
)
def test_what_does_not_suit_is_refused_before_anything_is_computed(
    job: Path, monkeypatch: pytest.MonkeyPatch, model: str, quantity: str, options: str, place: str, words: str
) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    job.write_text(model + task(quantity, options))
    for command in (("run", job), ("check", job)):
        done = blochflow(*command)
        assert done.exit_code == 2, done.output
        assert words in done.stderr
        assert f"`task[0].{place}`" in done.stderr or not place or "model.operators" in done.stderr
        assert "job.toml:" in done.stderr
    assert os.listdir(".") == ["job.toml"]


def test_distributions_in_files_are_shown_and_drawn(job: Path) -> None:
    white = bf.Disorder.white(0.1)
    bf.save(bf.response.surface_distribution(bf.zoo.massive_dirac(), 1.0, disorder=white, points=32), "s.nc")
    assert "electron" in blochflow("info", "s.nc").output
    assert blochflow("plot", "s.nc", "-o", "s.png").exit_code == 0
    assert blochflow("plot", "s.nc", "-o", "s.png", "--component", "x").exit_code == 2
