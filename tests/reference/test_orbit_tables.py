"""Orbits, levels and oscillations in magnetic and electric fields against tabulated numbers and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from reference_models import H2, haldane
from scipy.special import ellipk

import blochflow as bf

CORNER = [4 * np.pi / 3, 0.0]  # K' of the honeycomb lattice
FLUX = 2 * np.pi / (200 * np.sqrt(3) / 2)  # 1/200 of a flux quantum per cell


def test_areas_and_masses_of_the_square_lattice():
    """A to its 12 printed digits, and the closed form m_c = K(1 - (E/4)^2)/pi."""
    energies = np.array([-3.0, -2.5, -1.0, 1.0])
    found = bf.orbits.cyclotron_orbits(bf.zoo.square(), energies, 0.1)
    areas = [3.361566634476, 5.240919745639, 12.17168597547, 12.17168597547]
    np.testing.assert_allclose(found.area.values[:, 0], areas, rtol=1e-12)
    exact = ellipk(1 - (energies / 4) ** 2) / np.pi
    np.testing.assert_allclose(found.cyclotron_mass.values[:, 0], exact, rtol=1e-11)  # the rule's stopping tolerance
    np.testing.assert_allclose(exact[:3], [0.574377973379862, 0.623832495138864, 0.891651589987123], rtol=1e-14)
    assert found.kind.values[:, 0].tolist() == ["electron"] * 3 + ["hole"]
    # without curvature the period is 2 pi m_c/(e B)
    np.testing.assert_allclose(found.period.values, 2 * np.pi * found.cyclotron_mass.values / 0.1, rtol=1e-10)


def test_neck_and_belly_of_the_cubic_lattice():
    options = {"magnetic_field": [0.0, 0.0, 0.05], "planes": 12, "grid": 24}
    found = bf.orbits.quantum_oscillations(bf.zoo.cubic(), -1.0, 0.0, **options)
    neck = found.isel(mu=0, field=0, orbit=1)
    assert float(neck.frequency) == pytest.approx(0.535009946410, rel=1e-11)
    assert float(neck.cyclotron_mass) == pytest.approx(0.574377973380, rel=1e-11)
    assert (neck.extremum.item(), neck.kind.item()) == ("minimum", "electron")
    assert abs(float(neck.k_parallel)) == pytest.approx(np.pi, abs=1e-10)
    # A'' = (dA/dE')(d^2 E'/dk^2) with E' = E + 2 cos k: 2 pi m_c 2; a fourth-order difference
    assert float(neck.curvature) == pytest.approx(4 * np.pi * 0.574377973380, rel=1e-5)
    assert float(neck.phase) == pytest.approx(np.pi / 4, abs=1e-9)
    belly = bf.orbits.quantum_oscillations(bf.zoo.cubic(), -3.0, 0.0, **options)
    assert belly.area.item() == pytest.approx(12.17168597547, rel=1e-11)
    assert (belly.extremum.item(), abs(belly.k_parallel.item()) < 1e-10) == ("maximum", True)
    assert belly.phase.item() == pytest.approx(-np.pi / 4, abs=1e-9)


def test_bloch_oscillation_of_a_chain():
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-0.5, 0, 0, (1,))])
    motion = bf.orbits.bloch_oscillation(chain, [0.3], 0.2)
    assert motion.period.item() == pytest.approx(31.4159265359, abs=5e-11)
    assert motion.amplitude.item() == pytest.approx(10.0, abs=1e-12)
    assert motion.drift.item() == 0.0


def test_levels_of_a_massive_dirac_fermion_are_exact():
    """eps^2 = D^2 + 2 v^2 B (n + 1); with the Berry phase alone the table's numbers."""
    model = bf.zoo.massive_dirac(velocity=1.3, mass=0.4)
    options = {"levels": 3, "band": 1, "k": [0.0, 0.0]}
    found = bf.orbits.landau_levels(model, 0.2, **options)
    np.testing.assert_allclose(
        found.energy.values.ravel(), [0.914330356053, 1.229634091915, 1.479188966968], atol=1e-12
    )
    np.testing.assert_allclose((found.berry_phase + found.moment_phase).values, -np.pi, atol=1e-10)
    alone = bf.orbits.landau_levels(model, 0.2, moment=False, **options)
    np.testing.assert_allclose(alone.energy.values.ravel(), [0.81911, 1.18222, 1.44727], atol=5e-6)
    # for the other sign of B the zero mode is at the edge of this band
    other = bf.orbits.landau_levels(model, -0.2, **options)
    np.testing.assert_allclose(other.energy.values.ravel()[1:], found.energy.values.ravel()[:2], atol=1e-12)
    assert other.status.values.ravel().tolist() == ["BAND_EDGE", "CONVERGED", "CONVERGED"]
    assert float(other.energy.values.ravel()[0]) == pytest.approx(0.4, abs=1e-14)


def test_levels_of_the_haldane_model():
    """Pocket at K' in a flux of +/- 1/200: printed digits, and levels of the lattice within the order B^2 left out."""
    options = {"band": 1, "k": CORNER, "kind": "electron"}
    found = bf.orbits.landau_levels(haldane(H2), [FLUX, -FLUX], levels=4, **options)
    up, down = found.energy.values[:, 0]
    np.testing.assert_allclose(up[1:], [0.1250518, 0.1897508, 0.2457221], atol=5e-8)
    np.testing.assert_allclose(down[:3], [0.1343942, 0.1998048, 0.25629], atol=5e-8)
    # the zero mode lies a little below the edge at 0.05; errors of all levels are 1e-4 = 0.08 B^2
    np.testing.assert_allclose(up, [0.0458546, 0.124941, 0.1896494, 0.245626], atol=1.2e-4)
    np.testing.assert_allclose(down[:3], [0.1342826, 0.1997027, 0.2561932], atol=1.2e-4)
    assert found.status.values[0, 0, 0] == "BELOW_EDGE"
    none = bf.orbits.landau_levels(haldane(H2), FLUX, levels=3, berry=False, moment=False, **options)
    np.testing.assert_allclose(none.energy.values.ravel(), [0.0922651, 0.1635454, 0.2237335], atol=5e-8)
    hole = bf.orbits.landau_levels(haldane(H2), -FLUX, levels=1, band=0, k=CORNER, kind="hole")
    assert hole.energy.item() == pytest.approx(-0.4918159, abs=1e-4)  # the lattice's


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "trajectory", "formula"), [(0.05, 78.994284, 78.994304), (-0.05, 76.074607, 76.074685)]
)
def test_period_with_geometry(field, trajectory, formula):
    """The integral over the curve is the period of the trajectory; the printed formula was differentiated by steps."""
    model = haldane(H2)
    found = bf.orbits.cyclotron_orbits(model, 0.2, field)
    assert found.period.item() == pytest.approx(trajectory, abs=2e-6)
    assert found.period.item() == pytest.approx(formula, rel=2e-6)
    assert 2 * np.pi / found.cyclotron_frequency.item() == pytest.approx(76.882745, rel=2e-6)  # likewise
    # a point of the curve h = energy
    start = start_on_curve(model, field, 0.2)
    packet = bf.WavePacket([0.0, 0.0], start, band=1)
    options = {"estimate_error": False, "execution": bf.Execution(workers=1, progress=False)}
    run = bf.propagate(model, packet, [0.0, 100.0], magnetic_field=field, events=bf.Event.closed_orbit(), **options)
    assert run.event_time.item() == pytest.approx(found.period.item(), rel=1e-8)


def start_on_curve(model, field, energy):
    from scipy.optimize import brentq

    def shifted(radius):
        bands = bf.bands(model, [np.add(CORNER, [radius, 0.0])])
        return float(bands.energies[0, 1] - field * bf.geometry.orbital_moment(bands)[0, 0, 1, 1]) - energy

    return np.add(CORNER, [brentq(shifted, 0.05, 0.6, xtol=1e-14), 0.0])


def test_thermal_and_dingle_factors():
    found = bf.orbits.quantum_oscillations(
        bf.zoo.square(), -1.0, [0.0, 0.01], magnetic_field=0.05, tau=30.0, harmonics=2
    )
    assert found.thermal_factor.values[0, 0, 0, :, 0] == pytest.approx([1.0, 0.208547876019025], rel=1e-11)
    mass = found.cyclotron_mass.item()
    np.testing.assert_allclose(found.dingle_factor.values.ravel(), np.exp(-np.pi * mass * np.array([1, 2]) / 1.5))
    x = 2 * np.pi**2 * 0.01 * 2 * mass / 0.05
    assert found.thermal_factor.values[0, 0, 0, 1, 1] == pytest.approx(x / np.sinh(x), rel=1e-13)


def test_units_of_electronvolts_and_angstroms():
    """F[T] = 10475.768655 A, m_c/m_e = 1.212754972105 dA/dE, T_B = 41356.677 fs/(E[MV/m] a[A])."""
    model = bf.TightBinding(
        [[3.0, 0.0], [0.0, 3.0]], [[0.0, 0.0]], [(-1.0, 0, 0, (1, 0)), (-1.0, 0, 0, (0, 1))], units=bf.EV_ANGSTROM
    )
    found = bf.orbits.cyclotron_orbits(model, -3.0, 10.0)
    area = 3.361566634476 / 9
    assert found.frequency.item() == pytest.approx(10475.768655 * area, rel=1e-9)
    mass = 1.212754972105 * 2 * np.pi * 0.574377973379862 / 9
    # two adjustments of the electron mass differ by 1.4e-9
    assert found.cyclotron_mass.item() == pytest.approx(mass, rel=3e-9)
    # 2 pi m/(eB): 357.24 ps for one electron mass in one tenth of a tesla
    assert found.period.item() == pytest.approx(357238.6 / 100 * mass, rel=1e-5)
    assert found.attrs["units"] == "1/angstrom^2" and found.cyclotron_mass.attrs["units"] == "m_e"
    motion = bf.orbits.bloch_oscillation(model, [0.1, 0.2], [1e-4, 0.0])  # 1 MV/m
    assert motion.period.item() == pytest.approx(41356.677 / 3, rel=1e-7)
