"""Motions of wave packets as tasks of a job: checked before anything moves, run, looked at, drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_runs import blochflow, forbid

import blochflow as bf
from blochflow.cli import runner

FUNCTIONS = """\
import blochflow as bf
import jax.numpy as jnp

def wall(width=10.0):
    return bf.zoo.domain_wall(mass=0.2, width=width)

def push(x, t):
    return jnp.array([0.0, 0.001]) * jnp.cos(t)

def late(t, x, k):
    return t - 3.0
"""
PACKET = "packet = { position = [0.0, 0.0], wavevector = [[0.3, 0.5], [0.4, -0.2]], band = [0, 1] }\n"
TASK = f'[[task]]\nquantity = "propagate"\ntimes = {{ start = 0, stop = 4, count = 3 }}\n{PACKET}'
JOB = f'[model]\nzoo = "haldane"\n{TASK}electric_field = [0.05, 0.0]\nestimate_error = false\n'
EVENT = 'events = [{ kind = "section", normal = [1.0, 0.0], offset = 0.22, terminal = true }]\n'
ENSEMBLE = "ensemble = { mu = -2.0, temperature = 0.5, count = 16, seed = 1 }"
HOT = JOB.replace("haldane", "square").replace(PACKET, f"{ENSEMBLE}\n")


def test_a_job_is_the_call_in_python(job: Path) -> None:
    # one band, like the ensemble below: the same kernels
    text = JOB.replace("haldane", "square").replace("[0, 1]", "0")
    job.write_text(text.replace("[0.05, 0.0]", "{ magnitude = 0.05, direction = [2.0, 0.0] }"))
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    packet = bf.WavePacket([0.0, 0.0], [[0.3, 0.5], [0.4, -0.2]])
    options = {"electric_field": [0.05, 0.0], "estimate_error": False}
    direct = bf.propagate(bf.zoo.square(), packet, [0.0, 2.0, 4.0], **options)
    found = bf.open("run.nc")
    np.testing.assert_array_equal(found.position, direct.position)
    assert found.attrs["input_hash"] == direct.attrs["input_hash"]
    shown = blochflow("info", "run.nc").output
    for output in (done.output, shown):
        assert "COMPLETE" in output and "energy_drift" in output
    assert "blochflow plot run.nc" in done.output
    assert "@article{Sundaram1999" in blochflow("cite", "run.nc").output
    assert blochflow("export", "run.nc", "-o", "run.csv").exit_code == 0
    assert "packet,time,a,position" in Path("run.csv").read_text()
    for arguments in (("-o", "x.png", "--variable", "wavevector", "--job", "job.toml"), ("-o", "x.gif")):
        drawn = blochflow("plot", "run.nc", *arguments)
        assert drawn.exit_code == 0, drawn.output
        assert Path(arguments[1]).stat().st_size > 5000
    for arguments, words in (
        (("--component", "xy"), "`component` must be given for responses only"),
        (("--mu", "0.1"), "`mu` must be given for band structures only"),
        (("--convergence",), "`convergence` must be given for responses only"),
        (("--variable", "speed"), "`variable` must be one of"),
    ):
        refused = blochflow("plot", "run.nc", "-o", "y.png", *arguments)
        assert refused.exit_code == 2 and words in refused.stderr
    assert not Path("y.png").exists()


def test_theories_of_several_bands_are_named_or_tables(job: Path) -> None:
    packet = 'packet = { position = [0.0, 0.0], wavevector = [0.3, 0.5], amplitudes = [0.6, "0.8j"] }\n'
    job.write_text(JOB.replace(PACKET, packet) + 'theory = "ehrenfest"\n')
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    assert "norm_drift" in done.output and "last populations" in done.output
    start = bf.WavePacket([0.0, 0.0], [0.3, 0.5], amplitudes=[0.6, 0.8j])
    options = {"electric_field": [0.05, 0.0], "estimate_error": False, "theory": "ehrenfest"}
    direct = bf.propagate(bf.zoo.haldane(), start, [0.0, 2.0, 4.0], **options)
    np.testing.assert_array_equal(bf.open("run.nc").populations, direct.populations)
    assert "@article{Tu2020" in blochflow("cite", "run.nc").output
    drawn = blochflow("plot", "run.nc", "-o", "x.png", "--variable", "populations")
    assert drawn.exit_code == 0, drawn.output
    for theory, words in (
        ('"ehrenfst"', "did you mean 'ehrenfest'"),
        ('{ name = "manifold", active = [0] }', ":6: `task[0].packet.amplitudes`: Argument `amplitudes` must lie in"),
        ('{ name = "manifold", active = [0, 5] }', "`task[0].theory`: Argument `active` must name bands 0 to 1"),
        ('{ name = "manifold", active = 0 }', "`task[0].theory`: expected active as bands such as [0, 1]"),
        ('{ name = "manifold", activ = [0] }', "Did you mean `active`?"),
        ('{ name = "manyfold" }', "Did you mean `manifold`?"),
        ('{ name = "ehrenfest", dressed = 1 }', "expected dressed as true or false"),
        ('{ name = "ehrenfest", dressed = true }', "`task[0].theory`: Argument `dressed` must name the bands"),
    ):
        job.write_text(JOB.replace(PACKET, packet) + f"theory = {theory}\n")
        refused = blochflow("run", job, "--dry-run")
        assert refused.exit_code == 2 and words in refused.stderr, refused.output


@pytest.mark.slow
def test_models_and_fields_that_vary_come_from_a_file(job: Path) -> None:
    Path("m.py").write_text(FUNCTIONS)
    model = '[model]\npython = "m.py:wall"\nparameters = { width = 5.0 }\n'
    fields = 'electric_field = "m.py:push"\nestimate_error = false\ntheory = { gradient_energy = false }\n'
    event = '[[task.events]]\nkind = "zero_of"\nfunction = "m.py:late"\nname = "late"\nterminal = true\n'
    job.write_text(model + TASK + fields + event)
    checked = blochflow("check", job)
    assert checked.exit_code == 0, checked.output
    assert "2 packets x" in checked.output and "steps" in checked.output
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    found = bf.open("run.nc")
    np.testing.assert_allclose(found.event_time, [3.0, 3.0], atol=1e-9)
    shown = blochflow("info", "run.nc").output
    assert "EVENT" in shown and "late" in shown
    assert found.attrs["model"] == "domain_wall" and "periods" not in found


def test_an_ensemble_has_averages(job: Path) -> None:
    collisions = 'collisions = { tau = 2.0, kind = "relaxation", mu = -2.0, temperature = 0.5, table = 1024 }\n'
    job.write_text(f"{HOT}{collisions}seed = 3\n")
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    assert "averages over the ensemble (mu = -2.0" in done.output
    packets = bf.ensemble(bf.zoo.square(), -2.0, 0.5, 16, seed=1)
    np.testing.assert_array_equal(bf.open("run.nc").weight, packets.weight)


def test_an_ensemble_of_a_users_distribution(job: Path) -> None:
    Path("m.py").write_text("def half(energy, band, k):\n    return 0.5 * (energy < 0)\n")
    own = ENSEMBLE.replace("mu = -2.0, temperature = 0.5", 'distribution = "m.py:half"')
    job.write_text(HOT.replace(ENSEMBLE, own))
    done = blochflow("run", job, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    packets = bf.ensemble(bf.zoo.square(), count=16, seed=1, distribution=lambda h, n, k: 0.5 * (h < 0))
    np.testing.assert_array_equal(bf.open("run.nc").weight, packets.weight)
    job.write_text(HOT.replace(ENSEMBLE, own.replace("half", "hlf")))
    assert "`task[0].ensemble.distribution`: m.py has no function 'hlf'" in blochflow("check", job).stderr
    job.write_text(HOT.replace("mu = -2.0, ", ""))
    assert "Argument `mu` must be given, or a `distribution`" in blochflow("check", job).stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("position", "positon", ":6: `task[0].packet.positon`: unknown key"),
        ("band = [0, 1]", "band = [0, 7]", ":6: `task[0].packet.band`: Argument `band` must name bands 0 to 1"),
        ("position = [0.0, 0.0]", "position = [0.0]", ":6: `task[0].packet.position`"),
        ("[0.4, -0.2]]", "[0.4]]", ":6: `task[0].packet.wavevector`: Argument `wavevector` must have as many"),
        ("count = 3", "count = 1", ":5: `task[0].times`: expected count as an integer of at least 2"),
        ("stop = 4, ", "", ":5: `task[0].times`: expected { start, stop, count }, but stop is missing"),
        ("[0.05, 0.0]", "[0.05]", ":7: `task[0].electric_field`"),
        ("[0.05, 0.0]", "{ magnitude = 0.1 }", ":7: `task[0].electric_field`: expected a vector or a table such as"),
        ("[0.05, 0.0]", '"m.py:wall"', ":7: `task[0].electric_field`: "),
        ("[0.05, 0.0]", '"m.py:pushh"', ":7: `task[0].electric_field`: m.py has no function 'pushh'"),
        (PACKET, "", ":3: `task[0].packet`: one of `packet` and `ensemble` is needed"),
        (PACKET, f"{PACKET}{ENSEMBLE}\n", ":7: `task[0].ensemble`: `packet` and `ensemble` exclude each other"),
        (PACKET, "ensemble = { mu = -99, temperature = 0, count = 16, seed = 1 }\n", "`task[0].ensemble.mu`"),
        (PACKET, "ensemble = { mu = -1, temperature = 0, count = 9, seed = 1 }\n", "`task[0].ensemble.count`"),
        (PACKET, f'{PACKET}theory = "adiabatc"\n', "`task[0].theory`: Argument `theory` must be one of 'adiabatic'"),
        (PACKET, f"{PACKET}theory = {{ second = true }}\n", "Did you mean `second_order`?"),
        (PACKET, f"{PACKET}active = [0, 1]\n", 'theory = { name = "manifold", active = [0, 1] }'),
        (PACKET, f"{PACKET}seed = 1\n", ":7: `task[0].seed`: Argument `seed` must be left out without"),
        (PACKET, f"{PACKET}collisions = {{ tau = 1.0 }}\n", "`task[0]`: Argument `seed` must be a non-negative"),
        (PACKET, f"{PACKET}collisions = {{ tau = 1.0, mu = 0 }}\n", ":7: `task[0].collisions.mu`"),
        (PACKET, f"{PACKET}tolerance = {{ rtol = 1 }}\n", ":7: `task[0].tolerance.rtol`"),
        (PACKET, f"{PACKET}{EVENT.replace('normal', 'nromal')}", "`task[0].events[0].nromal`: unknown key"),
        (PACKET, f"{PACKET}{EVENT.replace('[1.0, 0.0]', '[1.0]')}", "`task[0].events[0].normal`"),
        (PACKET, f"{PACKET}{EVENT.replace('section', 'sectoin')}", "Did you mean `section`?"),
        (PACKET, f'{PACKET}events = [{{ kind = "gap_below", offset = 1.0 }}]\n', "has threshold, terminal, but not"),
        (PACKET, f"{PACKET}conserving_step = -1.0\n", "`task[0].conserving_step`: Argument `conserving_step` must be"),
        ('"haldane"', '"domain_wal"', "Did you mean `domain_wall`?"),
        ('"haldane"', '"massive_dirac"\nparameters = { mass = 0.0 }', "`task[0].packet`: The wave packet of one band"),
    ],
)
def test_wrong_motions_are_refused_before_anything_moves(
    job: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: str
) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    Path("m.py").write_text(FUNCTIONS)
    text = JOB.replace(old, new, 1)
    if "massive" in new:
        text = text.replace("[0.3, 0.5]", "[0.0, 0.0]")
    job.write_text(text)
    done = blochflow("run", job, "--dry-run")
    assert done.exit_code == 2, done.output
    assert words in done.stderr


def test_other_quantities_refuse_models_that_vary(job: Path) -> None:
    job.write_text('[model]\nzoo = "domain_wall"\n[[task]]\nquantity = "electron_density"\nmu = 0\ntemperature = 1\n')
    done = blochflow("check", job)
    assert done.exit_code == 2
    assert "`task[0].quantity`: domain_wall varies in space or time" in done.stderr
    job.write_text(JOB.replace('"haldane"', '"domain_wall"\nspin_degeneracy = 2'))
    assert "`model.spin_degeneracy`" in blochflow("check", job).stderr
