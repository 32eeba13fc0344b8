"""Fermi surfaces where they are hard: tiny pockets, touching bands, van Hove points, gaps, flat bands."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import blochflow as bf


@pytest.mark.parametrize("height", [1e-2, 1e-5, 1e-8])
def test_pockets_smaller_than_a_grid_cell_are_found(height: float) -> None:
    """Bottom and top of the square lattice: circles of area 2 pi m h with m = 1/2, up to h/16 of anharmonicity."""
    for mu, kind in ((-4.0 + height, "electron"), (4.0 - height, "hole")):
        (sheet,) = bf.geometry.fermi_surface(bf.zoo.square(), mu, grid=12).sheets
        assert sheet.kind == kind
        # the height itself is known to eps * 4/height
        assert sheet.enclosed == pytest.approx(np.pi * height, rel=height / 8 + 1e-15 / height)


@pytest.mark.parametrize("mu", [1e-6, 1e-2])
def test_tips_of_cones_are_found(mu: float) -> None:
    """A minimum without a second derivative, off the grid points."""
    (sheet,) = bf.geometry.fermi_surface(bf.zoo.weyl_node(), mu, grid=10).sheets
    assert sheet.enclosed == pytest.approx(4 * np.pi / 3 * mu**3, rel=1e-5)


def test_a_band_touching_at_mu_is_no_surface() -> None:
    surface = bf.geometry.fermi_surface(bf.zoo.graphene(mass=0.0), 0.0)
    assert surface.sheets == ()
    assert "no band crosses mu = 0" in surface.note


def test_crossing_bands_keep_the_density_of_states() -> None:
    """Two shifted parabolas cross on the surface: the sheets by energy have kinks, their sum is that of two circles."""

    def crossing(k):  # type: ignore[no-untyped-def]
        return jnp.diag(jnp.array([0.5 * ((k[0] - 0.4) ** 2 + k[1] ** 2), 0.5 * ((k[0] + 0.4) ** 2 + k[1] ** 2)]))

    surface = bf.geometry.fermi_surface(bf.ContinuumModel(crossing, 2, cutoff=3.0), 0.5)
    # kinks are resolved to the length of a panel, 0.06
    assert surface.weights.sum() == pytest.approx(4 * np.pi, rel=2e-3)
    assert sum(s.enclosed for s in surface.sheets) == pytest.approx(2 * np.pi, rel=2e-3)


def test_a_van_hove_point_is_reported_as_unresolved() -> None:
    """Half filling of the square lattice: the weights diverge at the corners, and the error says so."""
    surface = bf.geometry.fermi_surface(bf.zoo.square(), 0.0)
    assert any(np.isnan(s.error) or s.error > 1e-6 for s in surface.sheets)
    assert surface.residual < 1e-12


def test_a_gap_and_a_flat_band_give_an_empty_surface() -> None:
    for model, mu in ((bf.zoo.haldane(mass=0.1), 0.0), (bf.zoo.spin_one(), 0.0)):
        surface = bf.geometry.fermi_surface(model, mu)
        assert len(surface.k) == 0
        assert surface.density_of_states == 0.0


@pytest.mark.parametrize("mu", [-1e-3, 1e-6])
def test_points_crowd_at_saddles(mu: float) -> None:
    """Half filling of the square lattice all but reached: necks far below a cell, g = K(1 - (mu/4)^2)/(2 pi^2)."""
    from scipy.special import ellipkm1

    exact = ellipkm1((mu / 4) ** 2) / (2 * np.pi**2)
    for points, allowed in ((128, 1e-2), (512, 1e-6)):
        surface = bf.geometry.fermi_surface(bf.zoo.square(), mu, points=points)
        assert [sheet.kind for sheet in surface.sheets] == ["electron" if mu < 0 else "hole"]
        missed, error = abs(surface.density_of_states / exact - 1), surface.sheets[0].error
        assert missed < error + 1e-12 and error < allowed


def test_sheets_with_a_small_gap_are_resolved() -> None:
    """Two crossed ellipses E = a k^2 and b k^2 that a coupling parts: a, b of the angle, E known for every k.

    (mu - a k^2)(mu - b k^2) = gap^2;   area = Int k^2 dphi/2,   g = d area/dmu/(2 pi)^2
    """
    mu, gap = 1.0, 1e-3

    def coupled(k):  # type: ignore[no-untyped-def]
        a, b = k[0] ** 2 / 2 + k[1] ** 2 / 8, k[0] ** 2 / 8 + k[1] ** 2 / 2
        return jnp.array([[a, gap], [gap, b]], dtype=complex)

    # both signs of the root together: d/dmu of the sum of both k^2 = (a + b) mu/(a b)
    angle = 2 * np.pi * np.arange(256) / 256
    a, b = np.cos(angle) ** 2 / 2 + np.sin(angle) ** 2 / 8, np.cos(angle) ** 2 / 8 + np.sin(angle) ** 2 / 2
    exact = np.mean((a + b) / (a * b)) * np.pi / (2 * np.pi) ** 2
    surface = bf.geometry.fermi_surface(bf.ContinuumModel(coupled, 2, cutoff=3.5), mu, points=256)
    missed = abs(surface.density_of_states / exact - 1)
    assert len(surface.sheets) == 2
    assert missed <= max(sheet.error for sheet in surface.sheets) < 1e-4
