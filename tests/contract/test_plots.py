"""What the plots draw: positions of lines, labels, marks of what is not converged, and that nothing global changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.quiver import Quiver

import blochflow as bf
from blochflow.plot.zone_map import zone_boundary


@pytest.fixture(autouse=True)
def settings_stay() -> Iterator[None]:
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


@pytest.fixture(scope="module")
def sigma() -> xr.Dataset:
    """Some states of this coarse grid converge, others do not."""
    return bf.response.anomalous_hall(bf.zoo.haldane(), np.linspace(-1.5, 1.5, 7), [0.0, 0.1], grid=24, throw=False)


def test_bands_are_drawn_where_they_are() -> None:
    result = bf.geometry.band_structure(bf.zoo.haldane(), "G-K-M|K'-G", points=30, color="curvature")
    figure, axes = bf.plot.bands(result, mu=0.25)
    plain, colored = (c for c in axes.collections if isinstance(c, LineCollection))
    ends = np.array(plain.get_segments()).reshape(29 - 1, 2, 2, 2)
    # 30 points, 29 steps, one of them across the break, two bands
    joined = np.diff(result["distance"].values) > 0
    np.testing.assert_array_equal(ends[:, :, 0, 1], result["energy"].values[:-1][joined])
    np.testing.assert_array_equal(ends[:, :, 1, 1], result["energy"].values[1:][joined])
    assert np.isfinite(colored.get_array()).all()
    assert [label.get_text() for label in axes.get_xticklabels()] == [r"$\Gamma$", "K", "M|K'", r"$\Gamma$"]
    np.testing.assert_array_equal(axes.get_xticks(), result.attrs["label_positions"])
    assert axes.get_ylabel() == "energy [E]"
    assert any(np.allclose(line.get_ydata(), 0.25) for line in axes.lines)
    assert len(figure.axes) == 2


def test_reference_bands_lie_on_top(tmp_path: Path) -> None:
    model = bf.zoo.haldane()
    result = bf.geometry.band_structure(model, "G-K", points=9)
    table = [
        "\n".join(f"{x} {e}" for x, e in zip(result["distance"].values, band, strict=True))
        for band in result["energy"].values.T
    ]
    file = tmp_path / "model_band.dat"
    file.write_text("\n\n".join(table) + "\n")
    stored = bf.geometry.band_structure(model, "G-K", points=9, reference=file)
    for drawn in (bf.plot.bands(result, reference=file), bf.plot.bands(stored)):
        marks = [line for line in drawn[1].lines if line.get_linestyle() == "None"]
        assert len(marks) == 2
        np.testing.assert_array_equal(marks[0].get_ydata(), result["energy"].values[:, 0])


def test_touching_bands_are_grey() -> None:
    result = bf.geometry.band_structure(bf.zoo.graphene(mass=0.0), "G-K-M", points=15, color="sublattice")
    _, axes = bf.plot.bands(result)
    plain, colored = (c for c in axes.collections if isinstance(c, LineCollection))
    # the two segments that end at K, in both bands, have no color
    assert len(plain.get_segments()) - len(colored.get_segments()) == 4


def test_response_shows_error_and_convergence(sigma: xr.Dataset) -> None:
    _, axes = bf.plot.response(sigma)
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["xy, temperature = 0 E/k_B", "xy, temperature = 0.1 E/k_B"]
    missing = int((~sigma["converged"]).sum())
    assert 0 < missing < sigma["converged"].size
    assert f"NOT CONVERGED: {missing} of 14" in axes.get_title()
    open_marks = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert sum(len(line.get_xdata()) for line in open_marks) == missing
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    first = sigma.isel(temperature=0).sel(a="x", b="y")
    # the outline of the band is value +- error
    assert band.max() == pytest.approx(float((first["value"] + first["error"]).max()), abs=1e-12)
    assert axes.get_xlabel() == r"$\mu$ [E]"
    assert axes.get_ylabel() == "sigma_ab [e^2/hbar]"


def test_converged_responses_have_plain_titles_and_single_points_error_bars() -> None:
    n = bf.response.electron_density(bf.zoo.square(), 0.0, 0.1)
    _, axes = bf.plot.auto(n)
    assert "NOT CONVERGED" not in axes.get_title()
    assert len(axes.containers) == 1
    assert not any(line.get_markerfacecolor() == "white" and len(line.get_xdata()) for line in axes.lines)


def test_parts_and_rules_of_thumb_stand_beside_the_value() -> None:
    """Same color, other style; the sum of the drawn parts is the drawn value."""
    options = {"grid": 24, "tolerance": bf.Tolerance(rtol=1e-2, atol=1e-3)}
    states = (bf.zoo.haldane(), [-1.2, -1.0, -0.8], 0.2)
    found = bf.response.together(["orbital_magnetization", "anomalous_nernst"], *states, **options)
    _, axes = bf.plot.response(found["orbital_magnetization"])
    lines = {line.get_linestyle(): line for line in axes.lines if line.get_linestyle() != "None"}
    assert sorted(lines) == ["-", "--", ":"]
    parts = lines["--"].get_ydata() + lines[":"].get_ydata()
    np.testing.assert_allclose(parts, lines["-"].get_ydata(), atol=1e-14)
    assert len({line.get_color() for line in lines.values()}) == 1
    assert [label.rpartition(", ")[2] for label in axes.get_legend_handles_labels()[1][1:]] == ["moment", "berry"]
    _, axes = bf.plot.auto(found["anomalous_nernst"])
    dashed = next(line for line in axes.lines if line.get_linestyle() == "--")
    np.testing.assert_array_equal(dashed.get_ydata(), found["anomalous_nernst"]["mott"].sel(a="x", b="y").values[:, 0])
    assert dashed.get_label().endswith("Mott")
    _, axes = bf.plot.response(bf.response.streda(*states, **options))
    assert [label.rpartition(", ")[2] for label in axes.get_legend_handles_labels()[1][1:]] == ["sea", "surface"]


def test_other_variables_of_a_result() -> None:
    loose = bf.Tolerance(rtol=1e-2)
    result = bf.response.thermoelectric(bf.zoo.parabolic(), [0.5, 0.6], 0.1, tau=3.0, tolerance=loose)
    _, axes = bf.plot.response(result)
    assert axes.get_ylabel() == "S_ab [k_B/e]"
    for variable, unit in (("lorenz", "k_B^2/e^2"), ("sigma", "e^2/hbar"), ("power_factor", "k_B^2/hbar")):
        _, axes = bf.plot.auto(result, variable=variable)
        assert axes.get_ylabel() == f"{variable} [{unit}]"
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), result[variable].sel(a="x", b="x").values[:, 0])
    with pytest.raises(ValueError, match=r"Argument `variable` must be one of value, sigma.*did you mean 'sigma'"):
        bf.plot.response(result, variable="sgima")
    with pytest.raises(ValueError, match="`variable` must be given for responses only"):
        bf.plot.auto(bf.geometry.band_structure(bf.zoo.haldane(), "G-K", points=3), variable="sigma")


def test_valleys_are_lines_and_currents_are_drawn_across_the_ribbon() -> None:
    halves = {"K": [[0, 0], [1, 1], [0, 1]], "K'": [[0, 0], [1, 0], [1, 1]]}
    loose = bf.Tolerance(rtol=1e-2)
    states = (bf.zoo.graphene(mass=0.5), [-0.6, 0.0, 0.6], 0.2)
    _, axes = bf.plot.response(bf.response.valley_hall(*states, partition=halves, tolerance=loose))
    labels = axes.get_legend_handles_labels()[1]
    assert [label.rpartition(", ")[2] for label in labels] == ["K", "K'"]
    assert axes.get_xlabel() == r"$\mu$ [E]"
    strip = bf.exact.ribbon(bf.zoo.haldane(), 4)
    current = bf.exact.current_profile(strip, np.linspace(-0.3, 0.3, 9), 0.2)
    _, axes = bf.plot.response(current.isel(mu=[0, -1]))
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), current["transverse"].values)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), current["value"].values[0, 0])
    assert axes.get_xlabel() == "transverse [a]"


def test_convergence_history(sigma: xr.Dataset, tmp_path: Path) -> None:
    for source in (sigma, bf.save(sigma, tmp_path / "s.nc")):
        _, axes = bf.plot.convergence(source)
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), [144, 576])
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), sigma.attrs["history_value"])
        assert axes.get_title() == "NOT CONVERGED"


def test_curvature_map_is_the_curvature() -> None:
    model = bf.zoo.haldane()
    _, axes = bf.plot.curvature_map(model, 0, points=9, extent=2.0, mu=-1.0)
    mesh = next(c for c in axes.collections if isinstance(c, QuadMesh))
    values = np.asarray(mesh.get_array()).reshape(9, 9)
    s = np.linspace(-2, 2, 9)
    # rows of the picture are k_y
    k = np.array([[x, y] for y in s for x in s])
    omega = bf.geometry.berry_curvature(bf.bands(model, k))[:, 0, 1, 0]
    # the same kernel on another order of points
    np.testing.assert_allclose(values.reshape(-1), omega, rtol=1e-9)


def test_plane_of_a_three_dimensional_model() -> None:
    """In the plane spanned by y and z the drawn component is Omega_yz."""
    model = bf.zoo.weyl_lattice()
    _, axes = bf.plot.curvature_map(model, 0, plane=([0, 2, 0], [0, 1, 1], [0.3, 0, 0]), points=5, extent=1.0)
    mesh = next(c for c in axes.collections if isinstance(c, QuadMesh))
    s = np.linspace(-1, 1, 5)
    k = np.array([[0.3, y, z] for z in s for y in s])
    omega = bf.geometry.berry_curvature(bf.bands(model, k))[:, 1, 2, 0]
    # the same kernel on another order of points
    np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(-1), omega, rtol=1e-9, atol=1e-12)


def test_spin_texture_points_along_the_spin() -> None:
    model = bf.zoo.rashba_ferromagnet()
    _, axes = bf.plot.spin_texture(model, 1, points=4, extent=0.5)
    arrows = next(c for c in axes.collections if isinstance(c, Quiver))
    k = np.stack([arrows.X, arrows.Y], axis=-1)
    spin = bf.geometry.expectation(bf.bands(model, k), "spin")[:, :, 1]
    # the same kernel on the same points
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V, arrows.get_array()]).T, spin, atol=1e-12)


def test_zone_boundary_of_a_hexagonal_lattice() -> None:
    corners = zone_boundary(np.asarray(bf.zoo.haldane().lattice.reciprocal))
    assert len(corners) == 6
    # rounding of qhull's circumcentres
    np.testing.assert_allclose(np.linalg.norm(corners, axis=1), 4 * np.pi / 3, rtol=1e-9)


def test_given_axes_are_used(sigma: xr.Dataset) -> None:
    figure, axes = plt.subplots()
    drawn = bf.plot.response(sigma, axes=axes)
    assert drawn == (figure, axes)


def test_wrong_arguments(sigma: xr.Dataset) -> None:
    model = bf.zoo.haldane()
    cases = [
        (lambda: bf.plot.bands(sigma), "be a band structure"),
        (lambda: bf.plot.response(bf.geometry.band_structure(model, "G-K", points=3)), "be a response"),
        (lambda: bf.plot.response(3), "be a Dataset or the name of a file"),
        (lambda: bf.plot.curvature_map(model, 5), "`band` must be between 0 and 1"),
        (lambda: bf.plot.curvature_map(bf.zoo.ssh()), "two or three dimensions"),
        (lambda: bf.plot.curvature_map(bf.zoo.weyl_lattice(), plane=([1, 0, 0], [2, 0, 0])), "two independent"),
        (lambda: bf.plot.curvature_map(model, plane=([1, 0], [0, 1])), "three-dimensional models only"),
        (lambda: bf.plot.spin_texture(model), "name an operator"),
        (lambda: bf.plot.spin_texture(bf.zoo.weyl_lattice()), "be two-dimensional"),
        (lambda: bf.plot.spin_texture(model, operator="sublattice"), "have three components"),
    ]
    for call, words in cases:
        with pytest.raises(ValueError, match="Argument") as caught:
            call()
        assert words in str(caught.value)


def test_energy_range_of_band_plots():
    result = bf.geometry.band_structure(bf.zoo.haldane(), "G-K-M-G", points=20)
    _, axes = bf.plot.bands(result, energy_range=(-1.0, 2.0))
    assert axes.get_ylim() == (-1.0, 2.0)
    for wrong in ((2.0, -1.0), (1.0, 1.0), (1.0, 2.0, 3.0)):
        with pytest.raises(ValueError, match="Argument `energy_range` must be two energies"):
            bf.plot.bands(result, energy_range=wrong)
