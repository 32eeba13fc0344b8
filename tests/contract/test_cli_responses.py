"""Tasks of thermal, orbital, spin and valley responses and of quantum references, as a user types them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from cli_runs import blochflow, forbid

import blochflow as bf
from blochflow.cli import runner
from blochflow.cli.job import read_job

HALDANE = '[model]\nzoo = "haldane"\n'
KANE_MELE = '[model]\nzoo = "kane_mele"\nparameters = { rashba = 0.0, mass = 0.0 }\n'
GRAPHENE = '[model]\nzoo = "graphene"\nparameters = { mass = 0.5 }\n'
LOOSE = "tolerance = { rtol = 1e-2, atol = 1e-6 }\n"
STATE = f"mu = -1.0\ntemperature = 0.2\n{LOOSE}"
HALVES = {"K": [[0, 0], [1, 1], [0, 1]], "K'": [[0, 0], [1, 0], [1, 1]]}
TOLERANCE = bf.Tolerance(rtol=1e-2, atol=1e-6)


def task(quantity: str, options: str = STATE) -> str:
    return f'[[task]]\nquantity = "{quantity}"\n{options}'


# --- what is computed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "call", "words"),
    [
        (
            HALDANE + task("streda", f'part = "sea"\n{STATE}'),
            lambda **t: bf.response.streda(bf.zoo.haldane(), -1.0, 0.2, part="sea", **t),
            "part = sea",
        ),
        (
            HALDANE + task("magnetization_current", f"mu_gradient = [0, 0.1]\n{STATE}"),
            lambda **t: bf.response.magnetization_current(bf.zoo.haldane(), -1.0, 0.2, mu_gradient=[0, 0.1], **t),
            "mu_gradient = 0, 0.1",
        ),
        (
            KANE_MELE + task("spin_hall", f'spin = "spin_z"\n{STATE}'),
            lambda **t: bf.response.spin_hall(bf.zoo.kane_mele(rashba=0.0, mass=0.0), -1.0, 0.2, **t),
            "spin = spin_z",
        ),
        (
            GRAPHENE
            + task(
                "valley_hall", f'partition.K = {HALVES["K"]}\npartition."K\'" = {HALVES[chr(75) + chr(39)]}\n{STATE}'
            ),
            lambda **t: bf.response.valley_hall(bf.zoo.graphene(mass=0.5), -1.0, 0.2, partition=HALVES, **t),
            "partition = K K'",
        ),
        (
            HALDANE + task("thermoelectric", f"tau = [1.0, 10.0]\nintrinsic = false\n{STATE}"),
            lambda **t: bf.response.thermoelectric(bf.zoo.haldane(), -1.0, 0.2, tau=[1, 10], intrinsic=False, **t),
            "intrinsic = False",
        ),
        (
            HALDANE + task("exact.current_profile", f"width = 6\ndirection = 1\n{STATE}"),
            lambda **t: bf.exact.current_profile(bf.exact.ribbon(bf.zoo.haldane(), 6, direction=1), -1.0, 0.2, **t),
            "transverse [a]",
        ),
        (
            HALDANE + task("exact.edge_magnetization", f"width = 32\n{STATE}"),
            lambda **t: bf.exact.edge_magnetization(bf.zoo.haldane(), -1.0, 0.2, width=32, **t),
            "width = 32",
        ),
        (
            HALDANE + task("exact.magnetization", f"q = 12\n{STATE}"),
            lambda **t: bf.exact.magnetization(bf.zoo.haldane(), -1.0, 0.2, q=12, **t),
            "q = 12",
        ),
        (
            HALDANE + task("exact.electron_density", f"p = -1\nq = 5\n{STATE}"),
            lambda **t: bf.exact.electron_density(bf.zoo.haldane(), -1.0, 0.2, p=-1, q=5, **t),
            "p = -1, q = 5",
        ),
    ],
    ids=lambda x: x.partition("quantity = ")[2].split('"')[1] if isinstance(x, str) and "[model]" in x else "",
)
def test_a_task_is_a_call_of_its_function(job: Path, text: str, call: Any, words: str) -> None:
    job.write_text(text)
    done = blochflow("run", job, "-o", "r.nc")
    assert done.exit_code in (0, 1), done.output
    assert words in done.output
    found, direct = bf.open("r.nc"), call(tolerance=TOLERANCE, throw=False)
    assert found.sizes == direct.sizes
    for name in direct.data_vars:
        np.testing.assert_array_equal(found[name].values, direct[name].values)
    for arguments in (("info", "r.nc"), ("cite", "r.nc"), ("plot", "r.nc", "-o", "r.png")):
        shown = blochflow(*arguments)
        assert shown.exit_code == 0, shown.output
    assert blochflow("export", "r.nc", "-o", "r.csv").exit_code == 0
    assert f"quantity = {found.attrs['quantity']}" not in done.output and found.attrs["quantity"] in text
    assert Path("r.csv").read_text().count("\n") > found["value"].size


def test_a_relaxation_time_is_a_function_in_a_file(job: Path) -> None:
    lines = "import jax.numpy as jnp\n\n\ndef tau(energy, band, k):\n    return 2 + jnp.cos(k[0])\n\n\n"
    Path("times.py").write_text(lines + "def falling(energy, band, k):\n    return energy\n")
    square = '[model]\nzoo = "square"\n'
    job.write_text(square + task("ohmic", f'tau = "times.py:tau"\n{STATE}'))
    done = blochflow("run", job, "-o", "r.nc")
    assert done.exit_code == 0, done.output
    direct = bf.response.ohmic(bf.zoo.square(), -1.0, 0.2, tau=lambda e, n, k: 2 + jnp.cos(k[0]), tolerance=TOLERANCE)
    np.testing.assert_array_equal(bf.open("r.nc")["value"].values, direct["value"].values)
    for name, words in (
        ("times.py:absent", "has no function"),
        ("none.py:tau", "there is no file"),
        ("times.py:falling", "must be positive"),
    ):
        job.write_text(square + task("ohmic", f'tau = "{name}"\n{STATE}'))
        done = blochflow("check", job)
        assert done.exit_code == 2 and words in done.stderr, done.output


def test_tasks_at_equal_states_share_one_pass(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, state = ("anomalous_nernst", "orbital_magnetization", "anomalous_hall"), f"{STATE}grid = 32\n"
    apart = task("anomalous_thermal_hall", state.replace("0.2", "0.3"))
    by_density = task("anomalous_hall", 'name = "filled"\n' + state.replace("mu = -1.0", "density = 0.9"))
    job.write_text(HALDANE + task(names[0], state) + apart + task(names[1], state) + by_density + task(names[2], state))
    passes = runner.passes_of(read_job(job).tasks)
    assert passes == [[0, 2, 4], [1], [3]]
    together = []
    real = bf.response.together

    def counted(quantities: Any, *arguments: Any, **options: Any) -> Any:
        together.append(list(quantities))
        return real(quantities, *arguments, **options)

    monkeypatch.setattr(bf.response, "together", counted, raising=False)
    done = blochflow("run", job, "-o", "out")
    assert done.exit_code == 0, done.output
    assert together == [list(names)]
    assert "in one pass with orbital_magnetization, anomalous_hall" in done.output
    results = {name: bf.open(f"out/{name}.nc") for name in names}
    assert len({result.attrs["evaluations"] for result in results.values()}) == 1
    for name, result in results.items():
        alone = getattr(bf.response, name)(bf.zoo.haldane(), -1.0, 0.2, grid=32, tolerance=TOLERANCE)
        assert result.attrs["task"] == result.attrs["quantity"] == name
        # the same grid: rounding
        np.testing.assert_allclose(result["value"].values, alone["value"].values, rtol=1e-10)
    assert sorted(os.listdir("out")) == sorted(f"{n}.nc" for n in (*names, "anomalous_thermal_hall", "filled"))
    checked = blochflow("check", job)
    assert checked.exit_code == 0, checked.output
    assert checked.output.count("those of anomalous_nernst") == 2


def test_cost_of_references_is_predicted(job: Path) -> None:
    job.write_text(
        HALDANE + task("exact.streda", f"q = 8\n{STATE}") + task("exact.current_profile", f"width = 8\n{STATE}")
    )
    done = blochflow("check", job)
    assert done.exit_code == 0, done.output
    assert "matrices of up to 32 rows" in done.output and "matrices of up to 16 rows" in done.output


# --- what is refused ------------------------------------------------------------------------------------------------


def refused(options: str) -> str:
    return f"mu = 0.1\ntemperature = 0.2\n{options}\n"


@pytest.mark.parametrize(
    ("model", "quantity", "options", "words"),
    [
        (HALDANE, "thermoelectric", "", "`tau` is missing"),
        (HALDANE, "thermoelectric", "tau = 0", "`task[0].tau`: expected numbers above 0"),
        (HALDANE, "thermoelectric", "tau = 1\nintrinsic = 1", "`task[0].intrinsic`: expected true or false"),
        (HALDANE, "thermoelectric", "tau = 1\nintrinsc = true", "Did you mean `intrinsic`?"),
        (HALDANE, "streda", 'part = "see"', "did you mean 'sea'?"),
        (HALDANE, "streda", 'parts = "sea"', "Did you mean `part`?"),
        (HALDANE, "magnetization_current", "", "one of `mu_gradient` and `temperature_gradient` is needed"),
        (HALDANE, "magnetization_current", "mu_gradient = 0.1", "one number per direction"),
        (HALDANE, "magnetization_current", "mu_gradient = [0, 0, 1]", "one number per direction, 2"),
        (KANE_MELE, "spin_hall", 'spin = "spin_zz"', "did you mean 'spin_z'?"),
        (KANE_MELE, "spin_hall", 'spin = "spin"', "name one component, such as 'spin_z'"),
        (KANE_MELE, "spin_hall", 'rule = "local"', "`task[0].rule`"),
        (HALDANE, "spin_hall", "", "name an operator of the model (sublattice)"),
        (GRAPHENE, "valley_hall", "", "`partition` is missing"),
        (GRAPHENE, "valley_hall", "partition = [[0, 0], [1, 1], [0, 1]]", "expected a table such as { K = "),
        (GRAPHENE, "valley_hall", "partition = { K = [[0, 0], [1, 1]] }", "three or more corners"),
        (GRAPHENE, "valley_hall", "partition = { K = [[0, 0], [1, 1], [2, 2]] }", "enclose an area"),
        (GRAPHENE, "valley_hall", 'rule = "cells"\npartition = { K = [[0, 0], [1, 1], [0, 1]] }', "unknown key"),
        ('[model]\nzoo = "ssh"\n', "orbital_magnetization", "", "must have dimension 2 or 3"),
        ('[model]\nzoo = "weyl_lattice"\n', "exact.streda", "", "must have dimension 2"),
        ('[model]\nzoo = "parabolic"\n', "exact.streda", "", "whose hoppings are known"),
        (HALDANE, "exact.streda", "q = 7", "an even integer of at least 4, but is 7"),
        (HALDANE, "exact.streda", "q = 8.0", "expected an integer"),
        (HALDANE, "exact.entropy", "q = 8", "`p` is missing"),
        (HALDANE, "exact.edge_magnetization", "width = 16", "an even integer of at least 32"),
        (HALDANE, "exact.current_profile", "width = 4\ndirection = 2", "`task[0].direction`"),
        (HALDANE, "exact.strada", "", "Did you mean `exact.streda`?"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_computed(
    job: Path, monkeypatch: pytest.MonkeyPatch, model: str, quantity: str, options: str, words: str
) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    job.write_text(model + task(quantity, refused(options)))
    done = blochflow("run", job)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert os.listdir(".") == ["job.toml"]


@pytest.mark.parametrize("quantity", ["thermoelectric", "streda", "density_of_states"])
def test_sharp_fermi_surfaces_on_grids_are_refused(job: Path, monkeypatch: pytest.MonkeyPatch, quantity: str) -> None:
    monkeypatch.setattr(runner, "compute", forbid)
    tau = "tau = 1.0\n" if quantity == "thermoelectric" else ""
    job.write_text(HALDANE + task(quantity, f"mu = 0.1\ntemperature = [0.1, 0.0]\n{tau}grid = 8\n"))
    done = blochflow("run", job)
    assert done.exit_code == 2, done.output
    assert "`task[0].temperature`" in done.stderr and 'rule="cells" can do T = 0' in done.stderr


def test_partitions_as_tables_and_settings(job: Path) -> None:
    """A table of its own names its lines; a setting adds a polygon."""
    job.write_text(GRAPHENE + task("valley_hall", STATE) + "[task.partition]\nK = [[0, 0], [1, 1], [0, 1]]\nL = 3\n")
    done = blochflow("run", job, "--dry-run")
    assert done.exit_code == 2
    assert "job.toml:9: `task[0].partition`" in done.stderr
    job.write_text(job.read_text().replace("L = 3\n", ""))
    done = blochflow("run", job, "--dry-run", "--set", "partition.Q=[[0, 0], [1, 0], [1, 1]]")
    assert done.exit_code == 0, done.output
    assert "partition = K Q" in done.output


def test_variables_of_plots(job: Path) -> None:
    job.write_text(HALDANE + task("thermoelectric", f"tau = 5.0\n{STATE}"))
    assert blochflow("run", job, "-o", "r.nc").exit_code == 0
    assert blochflow("plot", "r.nc", "-o", "lorenz.png", "--variable", "lorenz").exit_code == 0
    wrong = blochflow("plot", "r.nc", "-o", "x.png", "--variable", "lorentz")
    assert wrong.exit_code == 2
    assert "did you mean 'lorenz'?" in wrong.stderr
    assert blochflow("plot", "r.nc", "-o", "x.png", "--variable", "sigma", "--convergence").exit_code == 2
    blochflow("export", "r.nc", "-o", "r.csv")
    assert "kappa_0,kappa_0_error" in Path("r.csv").read_text()
