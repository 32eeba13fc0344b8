"""Trajectories as drawn: where lines are, what lies below them, films, and errors that name the place and the fix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import animation as films
from matplotlib import pyplot as plt
from matplotlib.collections import QuadMesh
from PIL import Image

import blochflow as bf

MODEL = bf.zoo.haldane()


@pytest.fixture(autouse=True)
def settings_stay() -> Iterator[None]:
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


@pytest.fixture(scope="module")
def run() -> xr.Dataset:
    """Two packets that leave the zone; the first stops between two saved times."""
    packet = bf.WavePacket([0.0, 0.0], [[0.3, 0.5], [0.4, -0.2]])
    event = bf.Event.section([1.0, 0.0], -4.45, terminal=True)
    quick = {"estimate_error": False, "execution": bf.Execution(workers=1, progress=False)}
    return bf.propagate(MODEL, packet, np.linspace(0, 24, 13), electric_field=[0.2, 0.0], events=event, **quick)


def in_one_dimension(run: xr.Dataset) -> xr.Dataset:
    return run.drop_vars("periods").isel(a=[0])


def in_three_dimensions(run: xr.Dataset) -> xr.Dataset:
    plain = run.drop_vars("periods")
    return xr.concat([plain, plain.isel(a=[0]).assign_coords(a=["z"])], "a", data_vars="minimal")


def test_paths_are_where_packets_were(run: xr.Dataset) -> None:
    _, axes = bf.plot.trajectory(run)
    # line, start and cross of the packet that stopped, line of the other
    for i, line in enumerate(axes.lines[j] for j in (0, 3)):
        drawn = line.get_xydata()
        known = run.position.values[i][np.isfinite(run.position.values[i]).all(axis=1)]
        np.testing.assert_array_equal(drawn[: len(known)], known)
        np.testing.assert_array_equal(drawn[np.isfinite(drawn).all(axis=1)][-1], run.end_position.values[i])
    assert axes.get_xlabel() == "x [a]" and axes.get_legend() is not None


def test_populations_are_one_line_for_each_band() -> None:
    quick = {"estimate_error": False, "execution": bf.Execution(workers=1, progress=False)}
    packet = bf.WavePacket([0.0, 0.0], [0.3, 0.5])
    run = bf.propagate(MODEL, packet, [0.0, 1.0, 2.0], electric_field=[0.2, 0.0], theory="ehrenfest", **quick)
    _, axes = bf.plot.trajectory(run, "populations")
    for line, shares in zip(axes.lines, run.populations.values[0].T, strict=True):
        np.testing.assert_array_equal(line.get_xydata()[:3, 1], shares)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["packet 0, band 0", "packet 0, band 1"]
    assert "weight of the bands" in axes.get_ylabel()


def test_wave_vectors_are_folded_into_the_zone_above_its_curvature(run: xr.Dataset) -> None:
    figure, axes = bf.plot.trajectory(run, "wavevector", model=MODEL, packets=1)
    assert any(isinstance(c, QuadMesh) for c in axes.collections) and len(figure.axes) == 2
    path = max((line.get_xydata() for line in axes.lines), key=len)
    gaps = np.isnan(path).any(axis=1)
    assert gaps.sum() == 1
    inside = path[~gaps]
    # the first zone of a honeycomb reaches as far as its corners
    assert np.linalg.norm(inside, axis=1).max() <= 4 * np.pi / 3 + 1e-9
    difference = inside[: run.sizes["time"]] - run.wavevector.values[1]
    cells = difference @ np.linalg.inv(np.asarray(MODEL.lattice.reciprocal))
    np.testing.assert_allclose(cells, np.rint(cells), atol=1e-9)


def test_anything_else_is_drawn_against_time(run: xr.Dataset) -> None:
    _, axes = bf.plot.trajectory(run, "energy", packets=[1])
    np.testing.assert_array_equal(axes.lines[0].get_ydata()[:13], run.energy.values[1])
    assert axes.get_xlabel() == "time [hbar/E]"
    _, axes = bf.plot.trajectory(run, "energy_drift")
    assert axes.get_ylabel() == "|E(t) - E(0) - work| [E]"
    _, axes = bf.plot.trajectory(in_one_dimension(run), "position", packets=1)
    np.testing.assert_array_equal(axes.lines[0].get_xdata()[:13], run.time.values)
    _, axes = bf.plot.trajectory(in_three_dimensions(run))
    assert axes.name == "3d"


def test_packets_that_were_lost_are_red(run: xr.Dataset) -> None:
    lost = run.copy()
    lost["status"] = ("packet", ["SINGULAR", "COMPLETE"])
    _, axes = bf.plot.auto(lost)
    assert "NOT COMPLETE: 1 of 2 packets" in axes.get_title()


@pytest.mark.parametrize(("kind", "variable"), [("plane", "wavevector"), ("space", "position"), ("line", "position")])
def test_films_have_a_frame_for_each_time(run: xr.Dataset, tmp_path: Path, kind: str, variable: str) -> None:
    shown = {"plane": run, "line": in_one_dimension(run), "space": in_three_dimensions(run)}[kind]
    file = bf.plot.animation(shown, tmp_path / "f.gif", variable, frames=4, dpi=30)
    with Image.open(file) as film:
        assert film.n_frames == 4
    assert [p.name for p in tmp_path.iterdir()] == ["f.gif"] and not plt.get_fignums()


def test_films_need_what_writes_them(run: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(films.FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    with pytest.raises(ValueError, match=r"end in \.gif where the program ffmpeg is not installed"):
        bf.plot.animation(run, tmp_path / "f.mp4")
    with pytest.raises(ValueError, match=r"end in \.gif or \.mp4"):
        bf.plot.animation(run, tmp_path / "f.avi")
    with pytest.raises(ValueError, match="at least 2"):
        bf.plot.animation(run, tmp_path / "f.gif", frames=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variable": "postion"}, "did you mean 'position'"),
        ({"packets": 2}, "numbers of packets, 0 to 1"),
        ({"model": MODEL}, "wave vectors in two dimensions only"),
        ({"model": "haldane", "variable": "wavevector"}, "be a model"),
        ({"run": None}, "`result` must be a Dataset"),
    ],
)
def test_wrong_arguments_are_named(run: xr.Dataset, options: dict[str, object], message: str) -> None:
    arguments = {"run": run, **options}
    with pytest.raises(ValueError, match=message):
        bf.plot.trajectory(arguments.pop("run"), **arguments)


def test_one_map_for_packets_of_one_band(run: xr.Dataset) -> None:
    other = run.assign(band=("packet", [0, 1]))
    with pytest.raises(ValueError, match="packets of one band"):
        bf.plot.trajectory(other, "wavevector", model=MODEL)
