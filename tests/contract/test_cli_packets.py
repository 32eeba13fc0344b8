"""Exact evolutions of wave packets as tasks of a job: checked before anything evolves, run, looked at, drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_runs import blochflow, forbid

import blochflow as bf
from blochflow.cli import runner

PACKET = "packet = { position = [0.0], wavevector = [0.9], width = 5.0 }\n"
JOB = (
    '[model]\npython = "m.py:chain"\n[[task]]\nquantity = "exact.compare"\ntimes = [0, 2, 4]\n'
    f"{PACKET}sites = 90\nelectric_field = [0.05]\nnodes = 3\n"
)
FUNCTIONS = """\
import blochflow as bf

def chain():
    return bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))])
"""


@pytest.fixture
def packets(job: Path) -> Path:
    Path("m.py").write_text(FUNCTIONS)
    job.write_text(JOB)
    return job


def test_a_job_is_the_call_in_python(packets: Path) -> None:
    checked = blochflow("check", packets)
    assert checked.exit_code == 0 and "products with H of 90 rows" in checked.output, checked.output
    done = blochflow("run", packets, "-o", "run.nc")
    assert done.exit_code == 0, done.output
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))])
    packet = bf.WavePacket([0.0], [0.9], width=5.0)
    direct = bf.exact.compare(chain, packet, [0.0, 2.0, 4.0], sites=90, electric_field=[0.05], nodes=3)
    found = bf.open("run.nc")
    np.testing.assert_array_equal(found.difference, direct.difference)
    for output in (done.output, blochflow("info", "run.nc").output):
        assert "adiabatic: at most" in output and "COMPLETE" in output
    assert "TalEzer1984" in blochflow("cite", "run.nc").output
    for name in ("difference", "position", "populations"):
        drawn = blochflow("plot", "run.nc", "-o", f"{name}.png", "--variable", name)
        assert drawn.exit_code == 0, drawn.output
    refused = blochflow("plot", "run.nc", "-o", "y.png", "--variable", "speed")
    assert refused.exit_code == 2 and "`variable` must be one of" in refused.stderr


def test_an_edge_is_said(packets: Path) -> None:
    packets.write_text(
        JOB.replace("exact.compare", "exact.lattice_packet").replace("nodes = 3\n", "").replace("4]", "40]")
    )
    done = blochflow("run", packets, "-o", "run.nc")
    assert done.exit_code == 1 and "NOT CONVERGED" in done.stderr and "edge" in done.stderr, done.output


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("sites = 90", "sites = 20", ":7: `task[0].sites`: Argument `sites` must leave 5 widths"),
        ("sites = 90\n", "", ":3: `task[0].sites`"),
        (", width = 5.0", "", "`task[0].packet`: Argument `packet` must have a width"),
        ("width = 5.0", "width = -5.0", "`task[0].packet.width`"),
        ("nodes = 3", "nodes = 0", ":9: `task[0].nodes`"),
        ("nodes = 3", 'theories = "adiabatic"', ":9: `task[0].theories`: expected a list"),
        ("nodes = 3", 'theories = ["adiabatic", "adiabatic"]', ":9: `task[0].theories`: Argument `theories` must name"),
        ("nodes = 3", 'theories = ["adiabatc"]', "did you mean 'adiabatic'"),
        ("nodes = 3", "magnetic_field = 0.1", ":9: `task[0].magnetic_field`"),
        ("nodes = 3", 'envelope = "bnad"', ":9: `task[0].envelope`"),
        ("[0.05]", "[0.05, 0.0]", ":8: `task[0].electric_field`"),
        ("sites = 90", "sites = 100000000", ":7: `task[0].sites`"),
    ],
)
def test_wrong_evolutions_are_refused_before_anything_evolves(
    packets: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: str
) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    assert old in JOB
    packets.write_text(JOB.replace(old, new))
    done = blochflow("run", packets, "-o", "run.nc")
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())
    assert not Path("run.nc").exists()
