"""Orbits, Landau levels and oscillations as tasks of a job: checked before, run, looked at, exported, drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_runs import blochflow, forbid

import blochflow as bf
from blochflow.cli import runner

MODEL = '[model]\nzoo = "massive_dirac"\nparameters = { mass = 0.4 }\n'
TASK = '[[task]]\nquantity = "orbits.{}"\n'
ORBITS = MODEL + TASK.format("cyclotron_orbits") + "energy = [0.8, 0.2]\nmagnetic_field = 0.02\ngrid = 16\n"
LEVELS = MODEL + TASK.format("landau_levels") + "magnetic_field = [0.1, 0.2]\nlevels = 2\nband = 1\nk = [[0.0, 0.0]]\n"
OSCILLATIONS = (
    MODEL + TASK.format("quantum_oscillations") + "mu = 0.8\ntemperature = [0.0, 0.01]\nmagnetic_field = [0.02, 0.04]\n"
    "tau = 100.0\nharmonics = 2\ngrid = 16\n"
)
BLOCH = '[model]\nzoo = "square"\n' + TASK.format("bloch_oscillation") + "k = [0.1, 0.2]\nelectric_field = [0.1, 0]\n"
CUBIC = ORBITS.replace("massive_dirac", "cubic").replace("parameters = { mass = 0.4 }\n", "")


def looked_at(job: Path, text: str) -> str:
    """Run, print again, export; what `run` and `info` printed."""
    job.write_text(text)
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    shown = blochflow("info", "run.nc")
    assert shown.exit_code == 0 and "CONVERGED" in shown.output
    assert blochflow("export", "run.nc", "-o", "run.csv").exit_code == 0
    return str(done.output)


def drawn(*arguments: str) -> None:
    """One picture that is not empty."""
    done = blochflow("plot", "run.nc", "-o", "x.png", *arguments)
    assert done.exit_code == 0, done.output
    assert Path("x.png").stat().st_size > 5000


def test_orbits_of_a_job_are_the_call_in_python(job: Path) -> None:
    output = looked_at(job, ORBITS)
    assert "electron" in output and "the energy 0.2" in output and "blochflow plot run.nc" in output
    model = bf.zoo.massive_dirac(mass=0.4)
    direct = bf.orbits.cyclotron_orbits(model, [0.8, 0.2], 0.02, grid=16)
    found = bf.open("run.nc")
    np.testing.assert_array_equal(found.path, direct.path)
    assert found.attrs["input_hash"] == direct.attrs["input_hash"]
    header = next(line for line in Path("run.csv").read_text().splitlines() if line[0] != "#")
    assert {"energy", "orbit", "area", "frequency", "period", "center_x"} <= set(header.split(","))
    drawn()
    drawn("--variable", "area")
    for arguments, words in (
        (("--variable", "speed"), "`variable` must be one of 'path'"),
        (("--component", "xy"), "`component` must be given for responses only"),
        (("--mu", "0.1"), "`mu` must be given for band structures only"),
    ):
        refused = blochflow("plot", "run.nc", "-o", "y.png", *arguments)
        assert refused.exit_code == 2 and words in refused.stderr
    assert "@article{Onsager1952" in blochflow("cite", "run.nc").output


def test_levels(job: Path) -> None:
    output = looked_at(job, LEVELS)
    assert "0.6" in output  # (0.16 + 2 * 0.1)^(1/2)
    np.testing.assert_allclose(bf.open("run.nc").energy.isel(level=0), [[0.6], [0.56**0.5]], rtol=1e-10)
    assert Path("run.csv").read_text().splitlines()[-1].count(",") > 8
    drawn()


def test_oscillations(job: Path) -> None:
    output = looked_at(job, OSCILLATIONS)
    assert "0.24" in output and "first temperature and harmonic" in output
    lines = [line for line in Path("run.csv").read_text().splitlines() if line[0] != "#"]
    assert len(lines) == 1 + 2 * 2 * 2 and "amplitude" in lines[0]
    drawn()
    figure, axes = bf.plot.auto("run.nc")
    assert axes.get_xlabel().startswith("magnetic field") and len(axes.lines[0].get_xdata()) == 2
    figure.clear()


def test_bloch_oscillations(job: Path) -> None:
    job.write_text(BLOCH)
    output = looked_at(job, BLOCH)
    assert "T_B = 62.831853" in output and "blochflow plot" not in output
    assert "drift_y" in Path("run.csv").read_text()
    refused = blochflow("plot", "run.nc", "-o", "x.png")
    assert refused.exit_code == 2 and "is a table" in refused.stderr
    checked = blochflow("check", job)
    assert checked.exit_code == 0 and "1 line" in checked.output and "about" in checked.output


@pytest.mark.slow
@pytest.mark.parametrize("text", [ORBITS, LEVELS, OSCILLATIONS])
def test_costs_are_rough_and_say_so(job: Path, text: str) -> None:
    job.write_text(text)
    checked = blochflow("check", job)
    assert checked.exit_code == 0, checked.output
    assert "roughly" in checked.output and "or more" in checked.output


@pytest.mark.slow
def test_directions_of_the_field_are_angles(job: Path) -> None:
    text = OSCILLATIONS.replace("massive_dirac", "cubic").replace("parameters = { mass = 0.4 }\n", "")
    text = text.replace("mu = 0.8", "mu = -2.5").replace("[0.02, 0.04]", "[[0, 0, 0.1], [0, 0.1, 0.1]]\nplanes = 8")
    looked_at(job, text)
    _, axes = bf.plot.orbits("run.nc")
    assert "angle" in axes.get_xlabel()
    x = np.concatenate([line.get_xdata() for line in axes.lines])
    np.testing.assert_allclose([x.min(), x.max()], [0, 45])
    assert "magnetic_field_z" in Path("run.csv").read_text()


@pytest.mark.parametrize(
    ("text", "old", "new", "words"),
    [
        (ORBITS, "energy", "energi", ":6: `task[0].energi`: unknown key"),
        (ORBITS, "energy = [0.8, 0.2]\n", "", "`energy` is missing"),
        (ORBITS, "= 0.02", "= 0.0", ":7: `task[0].magnetic_field`: Argument `magnetic_field` must not be zero"),
        (ORBITS, "= 0.02", "= [0.0, 0.1, 0.2]", ":7: `task[0].magnetic_field`"),
        (ORBITS, "grid = 16", "grid = 3", ":8: `task[0].grid`: Argument `grid` must be a whole number of at least 8"),
        (ORBITS, "grid = 16", "grid = 16.5", ":8: `task[0].grid`: expected an integer"),
        (ORBITS, "grid = 16", "k_parallel = 0.1", ":8: `task[0].k_parallel`: Argument `k_parallel` must be left out"),
        (ORBITS, "massive_dirac", "rice_mele", "`task[0].quantity`: Argument `model` must have two or three"),
        (ORBITS, "grid = 16", "extent = -1.0", ":8: `task[0].extent`"),
        (ORBITS, "grid = 16", "tolerance = { rtol = 1e-3 }", ":8: `task[0].tolerance`: unknown key"),
        (CUBIC, "= 0.02", "= [[0.0, 0.1, 0.0], [0.1]]", ":6: `task[0].magnetic_field`: expected vectors of equal"),
        (CUBIC, "grid = 16", "k_parallel = true", ":7: `task[0].k_parallel`: expected a number"),
        (LEVELS, "levels = 2", "levels = 0", ":7: `task[0].levels`: Argument `levels` must be a whole number of at"),
        (LEVELS, "band = 1\n", "", ":8: `task[0].k`: Argument `band` must be given together with `k`"),
        (LEVELS, "band = 1", "band = 2", ":8: `task[0].band`: Argument `band` must be a band index from 0 to 1"),
        (LEVELS, "[[0.0, 0.0]]", "[0.0]", ":9: `task[0].k`: Argument `k` must have shape (2,) or (P, 2)"),
        (LEVELS, "levels = 2", 'kind = "electrons"', "`task[0].kind`: Argument `kind` must be one of 'electron'"),
        (LEVELS, "levels = 2", "berry = 1", ":7: `task[0].berry`: expected true or false"),
        (OSCILLATIONS, "tau = 100.0", "tau = 0.0", ":9: `task[0].tau`: Argument `tau` must"),
        (OSCILLATIONS, "harmonics = 2", "harmonics = 0", ":10: `task[0].harmonics`"),
        (OSCILLATIONS, "[0.0, 0.01]", "-1.0", ":7: `task[0].temperature`: expected temperatures of at least 0"),
        (OSCILLATIONS, "magnetic_field = [0.02, 0.04]", "", "`magnetic_field` is missing"),
        (BLOCH, "[0.1, 0]", "[0.0, 0]", ":6: `task[0].electric_field`: Argument `electric_field` must not be zero"),
        (BLOCH, "[0.1, 0]", "0.1", ":6: `task[0].electric_field`: Argument `electric_field` must be a vector (2,)"),
        (BLOCH, "[0.1, 0.2]", "[0.1]", ":5: `task[0].k`"),
    ],
)
def test_wrong_orbits_are_refused_before_anything_is_computed(
    job: Path, monkeypatch: pytest.MonkeyPatch, text: str, old: str, new: str, words: str
) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    changed = text.replace(old, new, 1)
    if "rice_mele" in new:
        changed = changed.replace("parameters = { mass = 0.4 }\n", "\n")
    job.write_text(changed)
    done = blochflow("run", job, "--dry-run")
    assert done.exit_code == 2, done.output
    assert words in done.stderr


def test_an_orbit_beyond_the_cutoff_is_located(job: Path) -> None:
    job.write_text(ORBITS.replace("mass = 0.4", "mass = 0.4, cutoff = 0.7, tilt = [0.5, 0.0]"))
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 2 and ":6: `task[0].energy`: Argument `energy` must have orbits within" in done.stderr
    assert not Path("run.nc").exists()


def test_other_results_are_no_orbits() -> None:
    still = bf.orbits.bloch_oscillation(bf.zoo.square(), [0.1, 0.2], [0.1, 0.0])
    with pytest.raises(ValueError, match="`result` must be of cyclotron_orbits, landau_levels or quantum_oscillations"):
        bf.plot.orbits(still)
