"""Fermi surfaces at the boundary: refused arguments, results on disk, plots, jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import blochflow as bf
from blochflow.cli.app import app
from blochflow.geometry.fermi_sheets import FermiSurface

mpl.use("Agg")


@pytest.fixture(scope="module")
def surface() -> FermiSurface:
    return bf.geometry.fermi_surface(bf.zoo.haldane(mass=0.1), 1.0, points=32, color="curvature")


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (bf.zoo.ssh, {"mu": 0.0}, "Argument `model` must have two or three dimensions"),
        (bf.zoo.square, {"mu": np.nan}, "Argument `mu` must be finite"),
        (bf.zoo.square, {"mu": [0.0, 1.0]}, "Argument `mu` must be one number"),
        (bf.zoo.square, {"mu": "1"}, "Argument `mu` must be a real number"),
        (bf.zoo.square, {"mu": 0.0, "grid": 3}, "Argument `grid` must have at least 4 cells"),
        (bf.zoo.square, {"mu": 0.0, "grid": (8, 8, 8)}, "Argument `grid` must be a positive integer or 2"),
        (bf.zoo.square, {"mu": 0.0, "points": 7}, "Argument `points` must be an integer of at least 8"),
        (bf.zoo.square, {"mu": 0.0, "points": 9.0}, "Argument `points` must be an integer"),
        (bf.zoo.cubic, {"mu": 0.0, "points": 4}, "Argument `points` must be the number of points per triangle"),
        (bf.zoo.square, {"mu": 0.0, "shift": 1.0}, "Argument `shift` must hold numbers from 0 to below 1"),
        (bf.zoo.square, {"mu": 0.0, "color": "spin_z"}, "spin_z"),
    ],
)
def test_wrong_arguments_are_refused(model: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        bf.geometry.fermi_surface(model(), **options)


def test_what_is_not_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match="Argument `model` must be a model"):
        bf.geometry.fermi_surface("square", 0.0)  # type: ignore[arg-type]


def test_arrays_fit_together(surface: FermiSurface) -> None:
    count, corners = len(surface.sheets) * 32, surface.corners
    assert surface.k.shape == surface.velocity.shape == (count, 2)
    assert surface.weights.shape == surface.area.shape == surface.band.shape == surface.sheet.shape == (count,)
    np.testing.assert_allclose(surface.area, surface.weights * np.linalg.norm(surface.velocity, axis=1), rtol=1e-14)
    assert corners.shape == (len(surface.elements), 2, 2)
    # closed sheets are contiguous: no image is used, and every vertex has two segments
    assert not surface.images.any()
    np.testing.assert_array_equal(np.bincount(surface.elements.reshape(-1)), 2)
    assert surface.vertex_color is not None
    assert np.isfinite(surface.vertex_color).all()
    np.testing.assert_allclose(surface.density_of_states, surface.weights.sum() / (2 * np.pi) ** 2, rtol=1e-14)


@pytest.mark.parametrize("mu", [1.0, 0.0])
def test_files_keep_a_surface(tmp_path: Path, surface: FermiSurface, mu: float) -> None:
    """Also an empty one: all arrays then have length zero."""
    result = surface.to_dataset() if mu else bf.geometry.fermi_surface(bf.zoo.haldane(mass=0.1), mu).to_dataset()
    xr.testing.assert_identical(result, bf.open(bf.save(result, tmp_path / "f.nc")))
    assert result.sizes["sheet"] == (len(surface.sheets) if mu else 0)
    assert result["k"].attrs["units"] == "1/a"
    assert result["weight"].attrs["units"] == "1/(E*a^2)"
    assert result.attrs["equation"]


def test_plots(surface: FermiSurface, tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    for color in (None, "band", "velocity", "curvature"):
        bf.plot.fermi_surface(surface, color)
    bf.plot.auto(surface.to_dataset())
    solid = bf.geometry.fermi_surface(bf.zoo.cubic(), -1.0, grid=8, points=1)
    figure, axes = bf.plot.fermi_surface(solid)
    figure.savefig(tmp_path / "f.png", dpi=40)
    assert axes.name == "3d"
    empty = bf.geometry.fermi_surface(bf.zoo.haldane(), 0.0)
    assert "no Fermi surface" in bf.plot.fermi_surface(empty)[1].get_title()
    with pytest.raises(ValueError, match="Argument `color` must be one of"):
        bf.plot.fermi_surface(surface, "spin_z")
    with pytest.raises(ValueError, match="projection"):
        bf.plot.fermi_surface(solid, axes=plt.subplots()[1])
    plt.close("all")


JOB = '[model]\nzoo = "haldane"\n[[task]]\nquantity = "fermi_surface"\nmu = 1.0\npoints = 32\n'


def test_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("job.toml").write_text(JOB)
    runner = CliRunner()
    for arguments, words in (
        (["check", "job.toml"], "4,096 and those on the surface"),
        (["run", "job.toml", "-o", "f.nc"], "electron"),
        (["info", "f.nc"], "density_of_states"),
        (["plot", "f.nc", "-o", "f.png"], "Wrote f.png"),
        (["explain", "fermi_surface"], "marching simplices"),
        (["init", "fermi_surface"], "mu = 1.0"),
    ):
        done = runner.invoke(app, arguments)
        assert done.exit_code == 0, done.output
        assert words in done.output
    for change, words in (
        ("points=3", "`task[0].points`"),
        ("mu=[1, 2]", "`task[0].mu`"),
        ("grid=2", "`task[0].grid`"),
    ):
        done = runner.invoke(app, ["run", "job.toml", "--set", change])
        assert done.exit_code == 2, done.output
        assert words in done.stderr
