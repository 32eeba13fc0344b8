"""Orbits: shapes, labels, files, empty tables with a reason, and errors that name the argument."""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf

SQUARE = bf.zoo.square()


def test_labels_and_files(tmp_path):
    found = bf.orbits.cyclotron_orbits(SQUARE, [-3.0, 6.0], 0.1)
    assert found.area.dims == ("energy", "orbit") and found.path.dims == ("energy", "orbit", "point", "a")
    assert found.attrs["quantity"] == "orbits.cyclotron_orbits" and "Onsager1952" in found.attrs["reference"]
    assert found.kind.values.tolist() == [["electron"], [""]] and np.isnan(found.area.values[1, 0])
    assert "no band crosses the energy 6 E" in found.note and found.attrs["status"] == "CONVERGED"
    assert bf.open(bf.save(found, tmp_path / "orbits.nc")).identical(found)
    # the path runs with the motion: counterclockwise for electrons in a positive field
    x, y = found.path.values[0, 0].T
    assert 0.5 * (x @ np.roll(y, -1) - np.roll(x, -1) @ y) == pytest.approx(found.area.item(0), rel=1e-2)
    levels = bf.orbits.landau_levels(SQUARE, [0.1, 0.2], levels=2, band=0, k=[0.0, 0.0])
    assert levels.energy.dims == ("magnetic_field", "pocket", "level") and levels.energy.shape == (2, 1, 2)
    assert bf.open(bf.save(levels, tmp_path / "levels.nc")).identical(levels)


def test_scans_of_oscillations(tmp_path):
    found = bf.orbits.quantum_oscillations(
        SQUARE, [-3.0, -1.0], [0.0, 0.01], magnetic_field=[0.05, -0.1], harmonics=3, tau=10.0
    )
    assert found.frequency.dims == ("mu", "field", "orbit")
    assert found.amplitude.shape == (2, 2, 1, 2, 3)
    np.testing.assert_array_equal(found.magnetic_field, [0.05, -0.1])
    np.testing.assert_allclose(found.frequency.isel(field=0), found.frequency.isel(field=1))
    # 2 m_c/(2 pi hbar^2) times the factors
    amplitude = found.cyclotron_mass.values[..., None, None] / np.pi * found.amplitude.values
    np.testing.assert_allclose(found.density_amplitude, amplitude, rtol=1e-12)
    assert bf.open(bf.save(found, tmp_path / "oscillations.nc")).identical(found)


def test_empty_tables_say_why():
    found = bf.orbits.cyclotron_orbits(bf.zoo.haldane(), 0.0, 0.1)
    assert found.sizes["orbit"] == 0 and "lowest above" in found.note
    found = bf.orbits.quantum_oscillations(SQUARE, 5.0, 0.0, magnetic_field=0.1)
    assert found.sizes["orbit"] == 0 and "no band crosses" in found.note
    still = bf.orbits.bloch_oscillation(SQUARE, [0.1, 0.2], [0.1, 0.0321])
    assert np.isnan(still.period.item()) and "no reciprocal vector" in still.note
    free = bf.orbits.bloch_oscillation(bf.zoo.parabolic(), [0.1, 0.2], [0.1, 0.0])
    assert np.isnan(free.amplitude.item()) and "k.p" in free.note


def test_bands_that_coincide_have_areas_but_no_phases():
    hops = [(-1.0, i, i, cell) for i in (0, 1) for cell in ((1, 0), (0, 1))]
    model = bf.TightBinding(np.eye(2), [[0.0, 0.0], [0.0, 0.0]], hops)
    found = bf.orbits.cyclotron_orbits(model, -3.0, 0.05)
    assert found.area.item() == pytest.approx(3.361566634476, rel=1e-11)
    assert found.status.item() == "DEGENERATE" and np.isnan(found.phase.item())
    with pytest.raises(ValueError, match="bands 0, 1 coincide"):
        bf.orbits.landau_levels(model, 0.05, band=1, k=[0.0, 0.0])


def test_a_field_too_strong_for_the_theory_is_named():
    model = bf.zoo.massive_dirac(mass=0.05)
    with pytest.warns(bf.ValidityWarning, match="strong for this theory"):
        found = bf.orbits.cyclotron_orbits(model, 0.06, 0.05)
    assert np.isnan(found.period.item()) and found.status.item() == "STRONG_FIELD"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bf.orbits.cyclotron_orbits(bf.zoo.ssh(), 0.0, 0.1), "two or three dimensions"),
        (lambda: bf.orbits.cyclotron_orbits(SQUARE, 0.5, 0.0), "`magnetic_field` must not be zero"),
        (lambda: bf.orbits.cyclotron_orbits(SQUARE, 0.5, [0, 0, 1.0]), "`magnetic_field` must be a number"),
        (lambda: bf.orbits.cyclotron_orbits(SQUARE, 0.5, lambda x, t: 1.0), "`magnetic_field` must be a uniform"),
        (lambda: bf.orbits.cyclotron_orbits(SQUARE, 0.5, 0.1, k_parallel=0.3), "`k_parallel` must be left out"),
        (lambda: bf.orbits.cyclotron_orbits(SQUARE, np.nan, 0.1), "`energy` must be finite"),
        (lambda: bf.orbits.cyclotron_orbits(SQUARE, 0.5, 0.1, grid=2), "`grid` must be a whole number"),
        (lambda: bf.orbits.cyclotron_orbits(bf.zoo.massive_dirac(tilt=(0.5, 0)), 4.0, 0.1), "leaves |k| = 4"),
        (lambda: bf.orbits.landau_levels(bf.zoo.cubic(), 0.1), "two dimensions for Landau levels"),
        (lambda: bf.orbits.landau_levels(SQUARE, 0.1, k=[0.0, 0.0]), "`band` must be given"),
        (lambda: bf.orbits.landau_levels(SQUARE, 0.1, band=0, k=[1.0, 2.0]), "lie next to an extremum"),
        (lambda: bf.orbits.landau_levels(SQUARE, [0.1, 0.0]), "`magnetic_field` must not be zero"),
        (lambda: bf.orbits.landau_levels(SQUARE, 0.1, kind="electrons"), "did you mean 'electron'"),
        (lambda: bf.orbits.quantum_oscillations(SQUARE, 0.5, -1.0, magnetic_field=0.1), "`temperature`"),
        (lambda: bf.orbits.quantum_oscillations(SQUARE, 0.5, 1.0, magnetic_field=0.1, tau=0.0), "`tau`"),
        (lambda: bf.orbits.quantum_oscillations(bf.zoo.cubic(), 0.0, 0.0, magnetic_field=0.1), "vectors (field, 3)"),
        (lambda: bf.orbits.bloch_oscillation(SQUARE, [0.0, 0.0], [0.0, 0.0]), "`electric_field` must not be zero"),
        (lambda: bf.orbits.bloch_oscillation(SQUARE, [0.0, 0.0], 0.1), "`electric_field` must be a vector"),
        (lambda: bf.orbits.bloch_oscillation(SQUARE, [0.0, 0.0], [0.1, 0.0], band=1), "`band` must be a band index"),
    ],
)
def test_wrong_arguments(call, message):
    import re

    with pytest.raises(ValueError, match=re.escape(message)):
        call()
