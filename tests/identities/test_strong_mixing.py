"""Bands of different groups that a field mixes strongly: what depends on it is reported, and warned of."""

from __future__ import annotations

import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from random_models import random_k, random_unitary

import blochflow as bf
from finite_field_models import SX, SY, SZ, doublet_model, doublets

FIELD = [0.3, 0.2]
PAIRS = [[0, 1], [2, 3]]


def split(size=1e-3):
    """Doublets whose partners are ``size`` apart, far nearer than what the field does to them."""
    return bf.LatticeModel(
        lambda k, size: doublets(k) + size * jnp.diag(jnp.array([1.0, -1.0, 0.5, 0.0])),
        np.eye(2),
        parameters={"size": size},
    )


def four_with_a_narrow_gap(k):
    """Two bands that come near each other around k = 0, coupled to two that are far at every k."""
    near = jnp.sin(k[0]) * SX + jnp.sin(k[1]) * SY + (2.05 - jnp.cos(k).sum()) * SZ
    far = jnp.array([[-4.0, 0.2], [0.2, 4.0]])
    return jnp.block([[near, 0.3 * jnp.eye(2)], [0.3 * jnp.eye(2), far]])


def test_bands_report_what_joining_strongly_mixed_ones_changes():
    model, k = split(), random_k(31, 2)
    with pytest.warns(bf.ValidityWarning, match=r"mixes bands .* pass groups=\[\[0, 1\], \[2, 3\]\]") as caught:
        apart = bf.nonadiabatic.hybrid_bands(model, k, FIELD)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joined = bf.nonadiabatic.hybrid_bands(model, k, FIELD, groups=PAIRS)
    assert (apart.mixing > 10).all() and (joined.mixing < 1).all()
    change = np.abs(apart.energy - joined.energy)
    assert change.max() > 0.05
    # what is proposed is what the number belongs to
    assert f"With these in groups energies change by up to {change.max():.3g} E" in str(caught[0].message)
    # the partners differ by 1e-3, so that thresholds ten times larger or smaller change nothing
    np.testing.assert_allclose(apart.grouping_sensitivity, change, atol=1e-14)
    # bands and k of the warning are those of the largest ratio
    n, m = map(int, apart.attrs["validity_mixing_bands"].split())
    worst = apart.attrs["validity_mixing_k"]
    solved = bf.bands(model, worst[None])
    energies, velocity = np.asarray(solved.energies)[0], np.asarray(solved.velocity)[0]
    ratio = np.abs(np.einsum("anm,a->nm", velocity, FIELD)[n, m]) / (energies[n] - energies[m]) ** 2
    np.testing.assert_allclose(ratio, apart.attrs["validity_mixing"], rtol=1e-9)
    np.testing.assert_allclose(float(apart.mixing.max()), ratio, rtol=1e-9)
    assert f"bands {n} and {m} by {ratio:.3g}" in str(caught[0].message)


def test_narrow_gaps_of_many_bands_are_not_warned_of():
    """A gap that is narrow at some k only is what strong fields are about, whatever other bands there are."""

    k = np.stack([np.linspace(-1, 1, 21), np.full(21, 0.1)], axis=1)
    model = bf.LatticeModel(four_with_a_narrow_gap, np.eye(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = bf.nonadiabatic.hybrid_bands(model, k, FIELD)
    assert found.attrs["validity_mixing_bands"] == "1 2" and found.attrs["validity_mixing"] > 1
    assert found.attrs["validity_mixing_groups"] == "" and float(found.grouping_sensitivity.max()) > 1e-3


def test_mixing_of_degenerate_groups_does_not_depend_on_the_states_within():
    model, k = doublet_model(), random_k(32, 2)
    w = jnp.asarray(random_unitary(np.random.default_rng(32), 4))
    turned = bf.LatticeModel(lambda k, u=w: u @ model.function(k, **model.parameters) @ u.conj().T, np.eye(2))
    one, two = (bf.nonadiabatic.hybrid_bands(m, k, FIELD) for m in (model, turned))
    np.testing.assert_allclose(one.mixing, two.mixing, rtol=1e-10)


def test_manifolds_report_what_lies_outside_of_them():
    """Where bands inside and outside are mixed beyond first order, against all bands hybridised."""
    model, k, field = doublet_model(), random_k(33, 2), [1.5, 0.4]
    with pytest.warns(bf.ValidityWarning, match="inside and outside of `active`"):
        found = bf.nonadiabatic.hybrid_bands(model, k, field, active=[0, 1])
    every = bf.nonadiabatic.hybrid_bands(model, k, field)
    strong = every.mixing.values[0] > 0.3
    assert strong.sum() > 0 and found.attrs["validity_mixing_across"] == float(every.mixing.max())
    change = np.abs(found.energy.values - every.energy.values[..., :2])[0]
    np.testing.assert_allclose(found.grouping_sensitivity.values[0][strong], change[strong], atol=1e-12)
    np.testing.assert_allclose(found.grouping_sensitivity.values[0][~strong], 0, atol=1e-12)


def current(model, mu, temperature, field, **options):
    return bf.response.finite_field_current(model, mu, temperature, electric_field=field, throw=False, **options)


def test_currents_report_what_joining_strongly_mixed_bands_changes():
    """Partners that are nearer than the field mixes them everywhere: the difference to ``groups=``, by plain sums."""
    model, tau, mu, kt = split(), 2.0, -0.5, 0.1
    with pytest.warns(bf.ValidityWarning, match=r"pass groups=\[\[0, 1\], \[2, 3\]\]"):
        found = current(model, mu, kt, FIELD, tau=[1e-9, tau], grid=16)

    def parts(groups):
        bands = bf.nonadiabatic.hybrid_bands(model, bf.k_grid(model, 96, shift=0.5), FIELD, groups=groups)
        f = 0.5 * (1 - np.tanh(0.5 * (bands.energy.values[0] - mu) / kt))
        v, slope = bands.velocity.values[0], bands.energy_gradient.values[0]
        slow = np.einsum("ki,kia->a", f * (1 - f) / kt * (slope @ FIELD), v) / len(f)
        return -np.einsum("ki,kia->a", f, v) / len(f), slow

    with pytest.warns(bf.ValidityWarning):
        apart = parts(None)
    fast, slow = (b - a for a, b in zip(apart, parts(PAIRS), strict=True))
    estimate = found.grouping_sensitivity.values.squeeze()
    # the same points; near bands that almost touch energies change by more than k_B T within a cell: smeared there
    np.testing.assert_allclose(estimate[0], np.abs(fast), atol=1e-4 * np.abs(slow).max())
    np.testing.assert_allclose(estimate[1], np.abs(fast + tau * slow), atol=1e-4 * np.abs(slow).max())
    assert found.grouping_sensitivity.dims == found.value.dims
    grouped = current(model, mu, kt, FIELD, tau=tau, grid=16, groups=PAIRS)
    np.testing.assert_array_equal(grouped.grouping_sensitivity, 0)
    assert grouped.attrs["validity_mixing"] < 1 and grouped.attrs["validity_mixing_groups"] == ""


def test_small_strongly_mixed_regions_are_found():
    """A cone of half gap m: r = E (e^2 - kx^2)^(1/2)/4 e^3 > 1 near its apex, where part of the Hall current is."""
    mass, field = 0.01, 0.002
    model = bf.zoo.massive_dirac(mass=mass)
    with warnings.catch_warnings():
        # two bands: joined there is no theory left to compare with
        warnings.simplefilter("error")
        found = current(model, 0.0, 0.0, [field, 0.0], tau=1.0)
    assert found.attrs["validity_mixing_groups"] == "" and found.attrs["validity_mixing_bands"] == "0 1"
    axis = (np.arange(2000) + 0.5) / 2000 * 0.08 - 0.04
    kx, ky = np.meshgrid(axis, axis, indexing="ij")
    energy = np.sqrt(kx**2 + ky**2 + mass**2)
    metric = (energy**2 - kx**2) / (4 * energy**4)
    strong = field * np.sqrt(metric) / (2 * energy) > 1
    assert 0.01 < np.abs(ky[strong]).max() < 0.04 and found.attrs["validity_mixing"] > 4
    # Omega E of the lower band, suppressed by (1 + E.g.E/energy^2)^(-1/2)
    hall = mass / (2 * energy**3) * field / np.sqrt(1 + field**2 * metric / energy**2)
    expected = hall[strong].sum() * (axis[1] - axis[0]) ** 2 / (2 * np.pi) ** 2
    # cells of half the size of what they resolve: a tenth
    np.testing.assert_allclose(found.grouping_sensitivity.sel(a="y").item(), expected, rtol=0.1)
    # and where r is below one at every k, nothing is reported
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weak = current(model, 0.0, 0.0, [1e-4, 0.0], tau=1.0)
    np.testing.assert_array_equal(weak.grouping_sensitivity, 0)
    np.testing.assert_allclose(weak.attrs["validity_mixing"], 1e-4 / (4 * mass**2), rtol=0.02)
