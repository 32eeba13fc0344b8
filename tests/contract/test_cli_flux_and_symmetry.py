"""Models of a job in a magnetic flux and cut into ribbons, and tables of symmetries, as a user types them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_runs import blochflow

import blochflow as bf

HALDANE = '[model]\nzoo = "haldane"\n'
BANDS = '[[task]]\nquantity = "bands"\npath = "G-X"\npoints = 8\ncolor = "transverse"\n'
TABLE = '[[task]]\nquantity = "symmetry_table"\n'


def test_bands_of_a_ribbon_in_a_flux(job: Path) -> None:
    job.write_text(f"{HALDANE}flux = {{ p = 1, q = 3 }}\nribbon = {{ width = 4, direction = 1 }}\n{BANDS}")
    done = blochflow("run", job, "-o", "bands.nc")
    assert done.exit_code == 0, done.output
    assert "flux 1/3 h/e per cell" in done.output and "ribbon along a2, 4 cells wide" in done.output
    strip = bf.exact.ribbon(bf.exact.hofstadter(bf.zoo.haldane(), 1, 3), 4, direction=1)
    direct = bf.geometry.band_structure(strip.model, "G-X", points=8)
    np.testing.assert_array_equal(bf.open("bands.nc").energy, direct.energy)
    assert blochflow("plot", "bands.nc", "-o", "bands.png").exit_code == 0
    assert Path("bands.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("line", "place", "words"),
    [
        ("flux = { p = 1 }", "`model.flux.q`", "`q` is missing"),
        ("flux = { p = 1, q = 0 }", "`model.flux.q`", "greater than or equal to 1"),
        ("flux = { p = 1, q = 3, width = 2 }", "`model.flux.width`", "known here are p, q"),
        ("flux = { p = 1, q = 1000000 }", "`model.flux`", "dense matrices in half of this machine's memory"),
        ("ribbon = { widht = 4 }", "`model.ribbon.widht`", "Did you mean `width`?"),
        ("ribbon = { width = 4, direction = 2 }", "`model.ribbon.direction`", "less than or equal to 1"),
    ],
)
def test_wrong_fluxes_and_ribbons_are_refused(job: Path, line: str, place: str, words: str) -> None:
    job.write_text(f"{HALDANE}{line}\n{BANDS}")
    done = blochflow("check", job)
    assert done.exit_code == 2, done.output
    assert place in done.stderr and words in done.stderr


def test_models_without_two_dimensions_have_no_flux(job: Path) -> None:
    job.write_text(f'[model]\nzoo = "weyl_lattice"\nflux = {{ p = 1, q = 2 }}\n{TABLE}')
    done = blochflow("check", job)
    assert done.exit_code == 2 and "has three dimensions" in done.stderr


def test_a_table_of_symmetries(job: Path) -> None:
    options = 'symmetry = ["time_reversal"]\nmu = [0.0, 1.0]\ntemperature = 0.1\nthreshold = 1e-5\n'
    job.write_text(f'[model]\nzoo = "graphene"\n{TABLE}{options}')
    checked = blochflow("check", job)
    assert checked.exit_code == 0 and "64 to" in checked.output
    done = blochflow("run", job, "-o", "table.nc")
    assert done.exit_code == 0, done.output
    direct = bf.response.symmetry_table(
        bf.zoo.graphene(), mu=[0.0, 1.0], temperature=0.1, symmetry=["time_reversal"], threshold=1e-5
    )
    found = bf.open("table.nc")
    assert found.equals(direct.to_dataset())
    shown = blochflow("info", "table.nc").output
    for output in (done.output, shown):
        assert "berry_curvature_dipole" in output and "time reversal" in output
    assert "Plot with" not in done.output
    refused = blochflow("plot", "table.nc", "-o", "table.png")
    assert refused.exit_code == 2 and "is a table" in refused.stderr
    assert blochflow("export", "table.nc", "-o", "table.csv").exit_code == 0
    assert "anomalous_hall,xy,False,time reversal" in Path("table.csv").read_text()
    assert "@article{Kleiner1966" in blochflow("cite", "table.nc").output


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ("threshold = -1.0", "threshold"),
        ("mu = 0.0", "quantity"),
        ('symmetry = "all"', "symmetry"),
        ("seed = 1", "seed"),
    ],
)
def test_wrong_options_of_a_table_are_refused(job: Path, options: str, place: str) -> None:
    job.write_text(f"{HALDANE}{TABLE}{options}\n")
    done = blochflow("check", job)
    assert done.exit_code == 2 and f"`task[0].{place}`" in done.stderr, done.output


def test_what_functions_return_as_models_is_explained() -> None:
    for name, key in (("exact.hofstadter", "flux = "), ("exact.ribbon", "ribbon = ")):
        assert key in blochflow("explain", name).output
