"""Plots of disordered responses: contributions to a component, distributions and side-jump velocities on surfaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.quiver import Quiver
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

import blochflow as bf

WHITE = bf.Disorder.white(0.1, third_cumulant=0.02)
NAMES = ["drude", "intrinsic", "extrinsic_velocity", "side_jump", "skew_scattering", "third_cumulant"]


def tilted() -> bf.ContinuumModel:
    return bf.zoo.massive_dirac(mass=0.3, tilt=(0.2, 0.1))


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def sigma() -> xr.Dataset:
    loose = bf.Tolerance(rtol=1e-2)
    return bf.response.disordered_conductivity(
        tilted(), [0.8, 1.0], 0.0, disorder=WHITE, points=32, tolerance=loose, throw=False
    )


@pytest.fixture(scope="module")
def surface() -> xr.Dataset:
    return bf.response.surface_distribution(tilted(), 1.0, disorder=WHITE, points=32)


# --- contributions --------------------------------------------------------------------------------------------------


def test_a_line_that_another_covers_is_wider() -> None:
    # of white noise on a round cone both are equal: sigma_sj_ab = -sigma_ext_ba, and both are antisymmetric
    cone, loose = bf.zoo.massive_dirac(mass=0.3), bf.Tolerance(rtol=1e-2)
    found = bf.response.disordered_conductivity(cone, [0.8, 1.0], 0.0, disorder=WHITE, points=32, tolerance=loose)
    _, axes = bf.plot.contributions(found, "yx")
    widths = {line.get_label(): line.get_linewidth() for line in axes.get_lines()}
    assert widths["extrinsic_velocity"] > widths["side_jump"] == widths["total"]


@pytest.mark.parametrize("component", ["yx", "xx"])
def test_every_contribution_is_a_line_with_its_error(sigma: xr.Dataset, component: str) -> None:
    _, axes = bf.plot.contributions(sigma, component)
    handles, labels = axes.get_legend_handles_labels()
    assert labels == [*NAMES, "total"]
    here = sigma.sel(a=component[0], b=component[1]).squeeze("temperature")
    for name, line, bars in zip([*NAMES, "value"], handles, axes.containers, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), sigma["mu"].values)
        np.testing.assert_array_equal(line.get_ydata(), here[name].values)
        ends = np.array(bars.lines[2][0].get_segments())[:, :, 1]
        error = here["error" if name == "value" else f"{name}_error"].values
        np.testing.assert_array_equal(ends, np.stack([here[name] - error, here[name] + error], axis=1))
    assert axes.get_ylabel() == f"sigma_{component} [e^2/hbar]"
    assert axes.get_xlabel() == r"$\mu$ [E]"
    assert "temperature = 0 E/k_B" in axes.get_title()


def test_the_plot_of_a_file_shows_contributions(sigma: xr.Dataset, tmp_path: Path) -> None:
    """By default those of the component with the largest one beside Drude's; one variable or component on demand."""
    _, axes = bf.plot.auto(bf.save(sigma, tmp_path / "s.nc"))
    assert axes.get_legend_handles_labels()[1] == [*NAMES, "total"]
    beside = np.max([np.abs(sigma[name].values).max(axis=(0, 1)) for name in NAMES[1:]], axis=0)
    # xy and yx may differ by rounding only: the first of them
    largest = "".join("xy"[i] for i in np.argwhere(beside > (1 - 1e-6) * beside.max())[0])
    assert axes.get_ylabel() == f"sigma_{largest} [e^2/hbar]"
    _, axes = bf.plot.auto(sigma, component="yx")
    assert axes.get_ylabel() == "sigma_yx [e^2/hbar]"
    _, axes = bf.plot.auto(sigma, variable="side_jump", component="yx")
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), sigma["side_jump"].sel(a="y", b="x").values[:, 0])
    assert axes.get_ylabel() == "side_jump_yx [e^2/hbar]"
    _, axes = bf.plot.contributions(sigma.sel(a="y", b="x"))
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), sigma["drude"].sel(a="y", b="x").values[:, 0])


def test_states_are_told_by_the_style_of_lines(sigma: xr.Dataset) -> None:
    two = xr.concat([sigma, sigma.assign_coords(temperature=[0.1])], "temperature")
    _, axes = bf.plot.contributions(two, "yx")
    labels = axes.get_legend_handles_labels()[1]
    assert labels[:2] == ["drude, temperature = 0 E/k_B", "drude, temperature = 0.1 E/k_B"]
    first, second = axes.get_legend_handles_labels()[0][:2]
    assert first.get_color() == second.get_color() and first.get_linestyle() != second.get_linestyle()


def test_wrong_contributions(sigma: xr.Dataset) -> None:
    hall = bf.response.anomalous_hall(bf.zoo.haldane(), 0.0, 0.1, grid=16, throw=False)
    density = bf.response.electron_density(bf.zoo.square(), 0.0, 0.1, grid=8, throw=False)
    many = xr.concat([sigma.assign_coords(temperature=[x]) for x in range(5)], "temperature")
    many = many.reindex(mu=np.linspace(0.8, 1.0, 6), method="nearest")
    sheets = bf.geometry.fermi_surface(bf.zoo.square(), 1.0).to_dataset()
    cases = [
        (lambda: bf.plot.contributions(sigma, "xz"), r"`component` must be one of 'xx', 'xy', 'yx', 'yy'"),
        (lambda: bf.plot.contributions(sigma, 3), r"`component` must be one of"),
        (lambda: bf.plot.contributions(hall), r"`result` must hold contributions .* but is 'anomalous_hall'"),
        (lambda: bf.plot.contributions(many, "yx"), r"`result` must have at most 4 states"),
        (lambda: bf.plot.response(density, component="x"), r"`component` must be left out"),
        (lambda: bf.plot.auto(sheets, component="x"), r"`component` must be given for responses only"),
    ]
    for call, words in cases:
        with pytest.raises(ValueError, match=words):
            call()


# --- distributions --------------------------------------------------------------------------------------------------


def test_sums_over_the_surface_are_the_parts_of_the_conductivity(sigma: xr.Dataset, surface: xr.Dataset) -> None:
    weight = surface["weight"].values / (2 * np.pi) ** 2
    at = sigma.sel(mu=1.0, temperature=0.0)
    leading = surface["phi"].sel(contribution="drude").values
    for name in ("drude", "side_jump", "skew_scattering", "third_cumulant"):
        phi = surface["phi"].sel(contribution=name).values
        total = -np.einsum("i,ia,ib->ab", weight, surface["velocity"].values, phi)
        # the same points in the same order: rounding
        np.testing.assert_allclose(total, at[name].values, atol=1e-12 * np.abs(at[name].values).max())
    total = -np.einsum("i,ia,ib->ab", weight, surface["side_jump_velocity"].values, leading)
    part = at["extrinsic_velocity"].values
    np.testing.assert_allclose(total, part, atol=1e-12 * np.abs(part).max())
    assert surface["phi"].attrs["units"] == "e a" and surface["scattering_rate"].attrs["units"] == "1/(hbar/E)"


def test_closed_forms_of_the_massive_dirac_cone() -> None:
    """White noise, xi = M/mu: rate pi W rho (1 + xi^2), phi = -e v tau_tr with 1/tau_tr = pi W rho (1 + 3 xi^2)/2."""
    mass, mu, strength = 0.3, 1.0, 0.1
    found = bf.response.surface_distribution(
        bf.zoo.massive_dirac(mass=mass), mu, disorder=bf.Disorder.white(strength), points=32
    )
    rate, xi = np.pi * strength * mu / (2 * np.pi), mass / mu
    # sums of 32 equal terms: rounding
    np.testing.assert_allclose(found["scattering_rate"], rate * (1 + xi**2), rtol=1e-12)
    phi = found["phi"].sel(contribution="drude").values
    np.testing.assert_allclose(phi, -found["velocity"].values * 2 / (rate * (1 + 3 * xi**2)), rtol=1e-10, atol=1e-12)
    assert found["phi_error"].max() < 1e-12 * np.abs(phi).max()


def test_known_answers_of_the_topological_surface() -> None:
    """The numbers of its docstring, sigma_yx in e^2/hbar, from the points of its Fermi curve."""
    found = bf.response.surface_distribution(bf.zoo.topological_surface(), 1.0, disorder=WHITE, points=32)
    weight = found["weight"] / (2 * np.pi) ** 2
    phi = found["phi"].sel(b="x")
    flow = -(weight * found["velocity"].sel(a="y") * phi).sum("point")
    shift = -(weight * found["side_jump_velocity"].sel(a="y") * phi.sel(contribution="drude")).sum("point")
    # printed with nine digits
    assert shift == pytest.approx(0.0342120468, rel=2e-9)
    assert flow.sel(contribution="side_jump") == pytest.approx(0.0342120468, rel=2e-9)
    assert flow.sel(contribution="skew_scattering") == pytest.approx(0.0367712157, rel=2e-9)


def test_errors_tell_how_far_a_coarse_curve_is_off() -> None:
    model, smooth = tilted(), bf.Disorder.gaussian(0.1, 2.0)
    coarse, fine = (
        bf.response.surface_distribution(model, 1.0, disorder=smooth, points=n).sel(contribution="drude")
        for n in (32, 128)
    )
    missed = np.abs(coarse["phi"].values - fine["phi"].values[::4]).max(axis=0)
    assert (missed <= coarse["phi_error"].values).all()
    assert (fine["phi_error"] < 1e-3 * coarse["phi_error"]).all()


def test_lines_and_arrows_hold_the_values_of_the_result(surface: xr.Dataset, tmp_path: Path) -> None:
    file = bf.save(surface, tmp_path / "s.nc")
    figure, axes = bf.plot.surface_distribution(file, "skew_scattering", "y", arrows="side_jump_velocity")
    lines = next(c for c in axes.collections if isinstance(c, LineCollection))
    middle = np.array(lines.get_segments()).mean(axis=1)
    apart = np.linalg.norm(middle[:, None] - surface["k"].values[None], axis=2)
    expected = surface["phi"].sel(contribution="skew_scattering", b="y").values[apart.argmin(axis=1)]
    np.testing.assert_array_equal(lines.get_array(), expected)
    assert figure.axes[-1].get_ylabel() == "phi skew_scattering, E along y [e a]"
    arrows = next(c for c in axes.collections if isinstance(c, Quiver))
    np.testing.assert_array_equal(np.stack([arrows.X, arrows.Y], axis=1), surface["k"].values)
    np.testing.assert_array_equal(np.stack([arrows.U, arrows.V], axis=1), surface["side_jump_velocity"].values)
    figure, axes = bf.plot.auto(file)
    assert figure.axes[-1].get_ylabel() == "phi drude, E along x [e a]"
    figure, _ = bf.plot.surface_distribution(surface, "scattering_rate")
    assert figure.axes[-1].get_ylabel() == "scattering rate [1/(hbar/E)]"


def test_lines_of_a_lattice_lie_in_the_first_zone() -> None:
    model = bf.zoo.haldane()
    found = bf.response.surface_distribution(model, 1.0, disorder=bf.Disorder.white(0.1), points=32)
    _, axes = bf.plot.surface_distribution(found, "side_jump_velocity", "y", arrows="velocity")
    lines = next(c for c in axes.collections if isinstance(c, LineCollection))
    values, reciprocal = np.asarray(lines.get_array()), np.asarray(model.lattice.reciprocal)
    shifts = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) @ reciprocal
    middle = np.array(lines.get_segments()).mean(axis=1)
    # no image of the middle of a segment is nearer to the center
    nearer = np.linalg.norm(middle[:, None] + shifts, axis=2).min(axis=1)
    np.testing.assert_allclose(nearer, np.linalg.norm(middle, axis=1), atol=1e-12)
    assert np.isin(values, found["side_jump_velocity"].sel(a="y").values).all()
    # antisymmetric under the mirror of the lattice only up to the grid, so compare by size: both signs are drawn
    assert values.min() < 0 < values.max()


def test_surfaces_in_three_dimensions_are_colored() -> None:
    found = bf.response.surface_distribution(bf.zoo.weyl_node(), 0.3, disorder=bf.Disorder.white(0.1), grid=6)
    assert np.isnan(found["phi_error"]).all()
    figure, axes = bf.plot.surface_distribution(found, "drude", "z")
    faces = next(c for c in axes.collections if isinstance(c, Poly3DCollection))
    assert len(faces.get_facecolor()) == found.sizes["element"]
    assert figure.axes[-1].get_ylabel() == "phi drude, E along z [e a]"
    with pytest.raises(ValueError, match="`arrows` must be given for two dimensions only"):
        bf.plot.surface_distribution(found, arrows="velocity")


def test_wrong_distributions(sigma: xr.Dataset, surface: xr.Dataset) -> None:
    model = tilted()
    cases = [
        (lambda: bf.plot.surface_distribution(sigma), "be a distribution on a Fermi surface"),
        (lambda: bf.plot.surface_distribution(surface, "skew_scatter"), "did you mean 'skew_scattering'?"),
        (lambda: bf.plot.surface_distribution(surface, direction="z"), "`direction` must be one of 'x', 'y'"),
        (lambda: bf.plot.surface_distribution(surface, "scattering_rate", "x"), "`direction` must be left out"),
        (lambda: bf.plot.surface_distribution(surface, arrows="phi"), "`arrows` must be one of"),
        (lambda: bf.response.surface_distribution(model, 0.0, disorder=WHITE), "`mu` must cross a band"),
        (lambda: bf.response.surface_distribution(model, [0.8, 1.0], disorder=WHITE), "`mu` must be one number"),
        (lambda: bf.response.surface_distribution(model, 3.9, disorder=WHITE), "inside the cutoff"),
        (lambda: bf.response.surface_distribution(model, 1.0, disorder=0.1), "`disorder` must be a bf.Disorder"),
        (lambda: bf.response.surface_distribution(model, 1.0, disorder=WHITE, points=20), "`points` must be a mult"),
        (lambda: bf.response.surface_distribution(bf.zoo.ssh(), 1.0, disorder=WHITE), "two or three dimensions"),
    ]
    for call, words in cases:
        with pytest.raises(ValueError, match=words):
            call()
