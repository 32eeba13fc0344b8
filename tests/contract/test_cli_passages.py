"""Passages between bands as tasks of a job: checked before, run, looked at, exported, drawn."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from cli_runs import blochflow, forbid

import blochflow as bf
from blochflow.cli import runner

TASK = '[[task]]\nquantity = "nonadiabatic.{}"\n'
DIRAC = '[model]\nzoo = "massive_dirac"\nparameters = { mass = 0.1 }\n'
CHAIN = '[model]\nzoo = "rice_mele"\nparameters = { t_intra = 1.0, t_inter = 0.8, mass = 0.1 }\n'
PASSAGE = DIRAC + TASK.format("landau_zener") + "gap = [0.1, 0.2]\nvelocity = 1.0\nelectric_field = [0.02, 0.05]\n"
CROSSING = DIRAC + TASK.format("avoided_crossing") + "k = [0.3, 0.07]\nelectric_field = [0.05, 0.0]\n"
LADDER = CHAIN + TASK.format("bloch_zener") + "k = [[0.0], [0.5]]\nelectric_field = [0.1]\n"
CONE = DIRAC + TASK.format("dirac_hall_suppression") + 'field = "1:1000:4 log"\n'


def looked_at(job: Path, text: str) -> tuple[str, list[str]]:
    """Check, run, print again, export; what `run` printed, and the lines of the table."""
    job.write_text(text)
    checked = blochflow("check", job)
    assert checked.exit_code == 0, checked.output
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    shown = blochflow("info", "run.nc")
    assert shown.exit_code == 0 and "CONVERGED" in shown.output
    assert blochflow("export", "run.nc", "-o", "run.csv").exit_code == 0
    assert "@article" in blochflow("cite", "run.nc").output
    return str(done.output), [line for line in Path("run.csv").read_text().splitlines() if line[0] != "#"]


def test_probabilities_of_scans(job: Path) -> None:
    output, lines = looked_at(job, PASSAGE)
    assert "0.20787958" in output and len(lines) == 1 + 4
    found = bf.open("run.nc").probability
    assert found.dims == ("gap", "velocity", "electric_field")
    np.testing.assert_array_equal(found.sel(gap=0.2).squeeze(), bf.nonadiabatic.landau_zener(0.2, 1.0, [0.02, 0.05]))
    assert blochflow("plot", "run.nc", "-o", "x.png").exit_code == 0
    assert Path("x.png").stat().st_size > 5000
    _, axes = bf.plot.auto("run.nc")
    assert axes.get_xlabel().startswith("gap") and len(axes.lines) == 2
    plt.close("all")
    refused = blochflow("plot", "run.nc", "-o", "y.png", "--component", "x")
    assert refused.exit_code == 2 and "`component` must be given for responses only" in refused.stderr


def test_crossings_are_a_table(job: Path) -> None:
    output, lines = looked_at(job, CROSSING)
    assert "0.39211716" in output and "blochflow plot" not in output
    assert {"crossing", "gap", "probability", "wavevector_x"} <= set(lines[0].split(","))
    direct = bf.nonadiabatic.avoided_crossing(bf.zoo.massive_dirac(mass=0.1), [0.3, 0.07], [0.05, 0.0])
    found = bf.open("run.nc")
    assert found.attrs["input_hash"] == direct.attrs["input_hash"]
    np.testing.assert_array_equal(found.probability, direct.probability)
    refused = blochflow("plot", "run.nc", "-o", "x.png")
    assert refused.exit_code == 2 and "is a table" in refused.stderr
    with pytest.raises(ValueError, match=r"`result` must be one of nonadiabatic\.landau_zener"):
        bf.plot.passages(direct)


def test_fields_of_one_magnitude_along_a_direction(job: Path) -> None:
    """As in tasks of currents; of a passage, a ladder and a Bloch period one field only."""
    table = "{ magnitude = 0.05, direction = [2.0, 0.0] }"
    job.write_text(CROSSING.replace("[0.05, 0.0]", table))
    assert blochflow("run", job, "-o", "run.nc").exit_code == 0
    np.testing.assert_allclose(bf.open("run.nc").attrs["electric_field"], [0.05, 0.0])
    orbit = CROSSING.replace("nonadiabatic.avoided_crossing", "orbits.bloch_oscillation")
    job.write_text(orbit.replace("[0.05, 0.0]", table))
    done = blochflow("check", job)
    assert "electric_field" not in done.stderr, done.stderr
    job.write_text(LADDER.replace("[0.1]", "{ magnitude = 0.1, direction = [1] }"))
    assert blochflow("check", job).exit_code == 0
    job.write_text(CROSSING.replace("[0.05, 0.0]", table.replace("0.05", "[0.05, 0.1]")))
    done = blochflow("check", job)
    assert done.exit_code == 2 and ":7: `task[0].electric_field`: expected one magnitude" in done.stderr


def test_ladders(job: Path) -> None:
    output, lines = looked_at(job, LADDER)
    assert "T_B = 62.831853" in output and "0.173822" in output
    # k, band and other band: 2 x 2 x 2 rows
    assert len(lines) == 1 + 8 and {"level", "transition", "beat", "wavevector_x"} <= set(lines[0].split(","))
    assert blochflow("plot", "run.nc", "-o", "x.png").exit_code == 0
    found = bf.open("run.nc")
    _, axes = bf.plot.passages(found)
    drawn = np.array([line.get_ydata() for line in axes.lines])
    np.testing.assert_allclose(drawn[2] - drawn[0], float(found.spacing))
    np.testing.assert_array_equal(drawn[3], found.level[:, 1])
    plt.close("all")


def test_suppression_is_the_closed_form(job: Path) -> None:
    output, lines = looked_at(job, CONE)
    assert "0.93705173" in output and len(lines) == 1 + 4
    found = bf.open("run.nc").suppression
    np.testing.assert_array_equal(found, bf.nonadiabatic.dirac_hall_suppression(found.field.values))
    _, axes = bf.plot.auto("run.nc")
    assert axes.get_xscale() == "log"
    plt.close("all")


@pytest.mark.parametrize(
    ("text", "old", "new", "words"),
    [
        (PASSAGE, "gap = [0.1, 0.2]\n", "", "`gap` is missing"),
        (PASSAGE, "[0.1, 0.2]", "-0.1", ":6: `task[0].gap`: Argument `gap` must"),
        (PASSAGE, "velocity = 1.0", "velocity = 0.0", ":7: `task[0].velocity`: Argument `velocity` must"),
        (PASSAGE, "[0.02, 0.05]", "[[0.02, 0.0]]", ":8: `task[0].electric_field`: expected a number"),
        (PASSAGE, "velocity", "velocty", ":7: `task[0].velocty`: unknown key"),
        (CROSSING, "[0.05, 0.0]", "[0.0, 0.0]", ":7: `task[0].electric_field`: Argument `electric_field` must not be"),
        (CROSSING, "[0.05, 0.0]", "[0.05]", ":7: `task[0].electric_field`: Argument `electric_field` must be a vector"),
        (CROSSING, "[0.3, 0.07]", "[[0.3, 0.07], [0.0, 0.0]]", ":6: `task[0].k`: Argument `k` must be one wave vector"),
        (CROSSING + "band = 1\n", "", "", ":8: `task[0].band`: Argument `band` must be the lower of two bands"),
        (CROSSING + "extent = 0.0\n", "", "", ":8: `task[0].extent`: Argument `extent` must"),
        (CROSSING + "tolerance = { rtol = 1e-3 }\n", "", "", ":8: `task[0].tolerance`: unknown key"),
        (CROSSING, 'massive_dirac"\nparameters = { mass = 0.1 }', 'square"', "`task[0].quantity`: Argument `model`"),
        (LADDER, "[0.1]", "0.0", ":7: `task[0].electric_field`: Argument `electric_field` must not be zero"),
        (LADDER, "[[0.0], [0.5]]", "[[0.0], [0.5, 0.1]]", ":6: `task[0].k`: expected vectors of equal length"),
        (
            LADDER.replace(CHAIN, DIRAC).replace("[[0.0], [0.5]]", "[0.0, 0.5]"),
            "[0.1]",
            "[0.1, 0.0]",
            ":7: `task[0].electric_field`: Argument `electric_field` must point along a reciprocal vector",
        ),
        (CONE, '"1:1000:4 log"', "1e15", ":6: `task[0].field`: Argument `field` must be at most"),
        (CONE, "massive_dirac", "domain_wall", "`task[0].quantity`"),
    ],
)
def test_wrong_tasks_are_found_before_anything_is_computed(
    job: Path, monkeypatch: pytest.MonkeyPatch, text: str, old: str, new: str, words: str
) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    assert old in text
    job.write_text(text.replace(old, new, 1) if old else text)
    done = blochflow("run", job)
    assert done.exit_code == 2, done.output
    assert words in done.stderr, done.stderr
