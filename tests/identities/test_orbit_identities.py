"""Identities of cyclotron orbits: choice of the basis, of the cell, of the point of view; ellipsoids; cones."""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp

HONEYCOMB = [[1.0, 0.0], [0.5, np.sqrt(3) / 2]]
SITES = np.array([[1 / 3, 1 / 3], [2 / 3, 2 / 3]])
# (amplitude, row, column, cell) of a two-band model with complex hoppings and no symmetry but translations
BONDS = [
    (-0.3, 0, 0, (0, 0)), (0.5, 1, 1, (0, 0)),
    (-1.0, 0, 1, (0, 0)), (-0.9, 1, 0, (1, 0)), (-1.1 + 0.1j, 1, 0, (0, 1)),
    (0.1 + 0.12j, 0, 0, (1, 0)), (-0.08j, 1, 1, (0, 1)), (0.05, 1, 1, (1, -1)),
]  # fmt: skip
PHASES = ("area", "cyclotron_mass", "period", "berry_phase", "moment_phase", "phase")


def numbers(found):
    return np.array([found[name].values.ravel() for name in PHASES])


@pytest.mark.slow
def test_phases_do_not_depend_on_basis_origin_or_cell():
    """A shift of all orbitals, an orbital taken from another cell, sheared lattice vectors, phases of the basis."""
    model = bf.TightBinding(HONEYCOMB, SITES, BONDS)
    wanted = numbers(bf.orbits.cyclotron_orbits(model, 1.0, 0.03))
    assert np.isfinite(wanted).all() and np.abs(wanted[3]).min() > 0.05
    shifted = bf.TightBinding(HONEYCOMB, SITES + [0.21, -0.37], BONDS)
    # orbital 1 of the cell R + (1, 0): <0,i|H|j,R> becomes <0,i|H|j,R - (1, 0)> for j = 1, i = 0
    step = np.array([1, 0])
    moved = [(t, i, j, tuple(np.array(R) - (j - i) * step)) for t, i, j, R in BONDS]
    other = bf.TightBinding(HONEYCOMB, SITES + [[0, 0], [1, 0]], moved)
    # a1, a1 + a2: the cell (m, n) becomes (m - n, n)
    vectors = [HONEYCOMB[0], np.add(*HONEYCOMB)]
    sheared = bf.TightBinding(
        vectors, [(x - y, y) for x, y in SITES], [(t, i, j, (m - n, n)) for t, i, j, (m, n) in BONDS]
    )
    angle = np.exp(0.7j)
    turned = bf.TightBinding(HONEYCOMB, SITES, [(t * angle ** (j - i), i, j, R) for t, i, j, R in BONDS])
    for same in (shifted, other, sheared, turned):
        # the stopping tolerances of curve and phase, 1e-11
        np.testing.assert_allclose(numbers(bf.orbits.cyclotron_orbits(same, 1.0, 0.03)), wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_berry_phase_is_the_integral_of_the_curvature():
    """Pocket in polar coordinates around K', where the radius is found on every ray: another route, no links."""
    from scipy.optimize import brentq

    model, corner, energy = bf.zoo.haldane(mass=0.4, phase=np.pi / 3), np.array([4 * np.pi / 3, 0.0]), 0.2
    found = bf.orbits.cyclotron_orbits(model, energy, 0.01)
    angles = 2 * np.pi * np.arange(64) / 64
    nodes, weights = np.polynomial.legendre.leggauss(20)
    total = 0.0
    for angle in angles:
        ray = np.array([np.cos(angle), np.sin(angle)])
        radius = brentq(lambda r, u=ray: float(bf.bands(model, corner + r * u).energies[0, 1]) - energy, 0.02, 0.8)
        r = 0.5 * radius * (nodes + 1)
        omega = np.asarray(bf.geometry.berry_curvature(bf.bands(model, corner + r[:, None] * ray)))[:, 0, 1, 1]
        total += 0.5 * radius * float(weights @ (r * omega)) * 2 * np.pi / 64
    assert found.berry_phase.item() == pytest.approx(total, abs=1e-9)


def test_branch_of_the_berry_phase_is_the_integral_beyond_pi():
    """Two bands of Chern number +/- 2 with a pocket that holds most of the curvature: the phase exceeds 2 pi."""

    def hamiltonian(k):
        x, y, z = k[0] ** 2 - k[1] ** 2, 2 * k[0] * k[1], 0.05
        return jnp.array([[z, x - 1j * y], [x + 1j * y, -z]])

    model = bf.ContinuumModel(hamiltonian, 2, cutoff=3.0)
    found = bf.orbits.cyclotron_orbits(model, 1.0, 1e-3)
    # E = sqrt(z^2 + k^4): Berry phase -2 pi (1 - z/E)
    assert found.berry_phase.item() == pytest.approx(-2 * np.pi * 0.95, abs=1e-9)
    assert found.status.item() == "CONVERGED"


@pytest.mark.parametrize("energy", [0.45, 1.0, 2.5, -0.6])
def test_phase_of_a_massive_dirac_fermion_is_pi_at_every_energy(energy):
    found = bf.orbits.cyclotron_orbits(bf.zoo.massive_dirac(velocity=1.3, mass=0.4), energy, 0.01)
    assert found.phase.item() == pytest.approx(-np.pi * np.sign(energy), abs=1e-9)
    berry = -np.pi * (1 - 0.4 / abs(energy)) * np.sign(energy)
    assert found.berry_phase.item() == pytest.approx(berry, abs=1e-9)


def test_levels_of_an_overtilted_or_anisotropic_cone_follow_the_rule():
    """A tilted cone without mass: A = pi E^2/(v^2 lambda^3), lambda = sqrt(1 - beta^2), and levels at A = 2 pi B n."""
    tilt, ratio, field = 0.4, 1.5, 0.01
    model = bf.zoo.massive_dirac(velocity=1.0, mass=0.0, tilt=(tilt, 0.0), anisotropy=ratio)
    found = bf.orbits.landau_levels(model, [field, -field], levels=3, band=1, k=[0.0, 0.0])
    squeeze = (1 - tilt**2) ** 0.75
    exact = squeeze * np.sqrt(2 * ratio * field * np.arange(3))  # Morinari, Himura, Tohyama, JPSJ 78, 023704 (2009)
    np.testing.assert_allclose(found.energy.values[:, 0], [exact, exact], atol=1e-9)
    assert set(found.status.values[:, :, 1:].ravel()) == {"UNCERTAIN_BRANCH"}


@pytest.mark.slow
def test_ellipsoid_in_a_tilted_field():
    """m_c = sqrt(det M/(b.M.b)), F = m_c mu, d^2A/dk^2 = -2 pi m_c/(b.M.b), at k.b = 0."""
    mass, mu = np.array([[1.0, 0.2, 0.0], [0.2, 2.0, 0.1], [0.0, 0.1, 0.5]]), 0.6
    model = bf.zoo.parabolic(mass=mass, dimension=3)
    fields = np.array([[0.03, -0.02, 0.05], [0.05, 0.0, 0.0]])
    found = bf.orbits.quantum_oscillations(model, mu, 0.0, magnetic_field=fields, planes=10, grid=24)
    b = fields / np.linalg.norm(fields, axis=1, keepdims=True)
    along = np.einsum("fa,ab,fb->f", b, mass, b)
    exact = np.sqrt(np.linalg.det(mass) / along)
    np.testing.assert_allclose(found.cyclotron_mass.values[0, :, 0], exact, rtol=1e-10)
    np.testing.assert_allclose(found.frequency.values[0, :, 0], exact * mu, rtol=1e-10)
    np.testing.assert_allclose(found.curvature.values[0, :, 0], -2 * np.pi * exact / along, rtol=1e-8)
    assert set(found.extremum.values.ravel()) == {"maximum"}


def test_a_plane_of_an_ellipsoid_off_its_centre():
    """A = 2 pi m_c (E - k^2/(2 b.M.b)), and the field's direction along z of a diagonal tensor."""
    model = bf.zoo.parabolic(mass=np.diag([0.5, 2.0, 1.5]), dimension=3)
    found = bf.orbits.cyclotron_orbits(model, 0.5, [0.0, 0.0, -0.1], k_parallel=[0.0, 0.6], grid=24)
    exact = 2 * np.pi * (0.5 - np.array([0.0, 0.6]) ** 2 / 3.0)
    np.testing.assert_allclose(found.area.values[0, :, 0], exact, rtol=1e-11)
    assert (found.circulation.values == 1).all()  # counterclockwise about B, whichever way B points


def test_orbit_through_a_weyl_node_has_the_phase_pi():
    options = {"magnetic_field": [0, 0, 0.01], "planes": 4, "grid": 24}
    found = bf.orbits.quantum_oscillations(bf.zoo.weyl_node(), 0.5, 0.0, **options)
    assert abs(found.berry_phase.item()) == pytest.approx(np.pi, abs=1e-9)
    assert (found.status.item(), found.extremum.item()) == ("UNCERTAIN_BRANCH", "maximum")
    assert found.area.item() == pytest.approx(np.pi * 0.25, rel=1e-10)
    # off the node the plane is a massive Dirac fermion, whose phase is -/+ pi with the sign of its mass
    plane = bf.orbits.cyclotron_orbits(bf.zoo.weyl_node(), 0.5, [0, 0, 0.01], k_parallel=[0.2, -0.2], grid=24)
    np.testing.assert_allclose(plane.phase.values[0, :, 0], [-np.pi, np.pi], atol=1e-9)


def test_open_orbits_wind_along_the_motion():
    """E = -2 cos kx - 0.6 cos ky = -1: two open curves along ky; B turns their direction; no mass."""
    model = bf.TightBinding(np.eye(2), [[0.0, 0.0]], [(-1.0, 0, 0, (1, 0)), (-0.3, 0, 0, (0, 1))])
    for field in (0.1, -0.1):
        found = bf.orbits.cyclotron_orbits(model, -1.0, field).isel(energy=0)
        assert found.kind.values.tolist() == ["open", "open"]
        right = int(np.sin(found.center.values[:, 0]).argmax())
        # v_x > 0 there and kdot = -e v x B: upwards for B > 0
        assert found.winding.values[right].tolist() == [0.0, np.sign(field)]
        assert np.isnan(found.cyclotron_mass.values).all() and np.isnan(found.phase.values).all()
        path = found.path.values[right]
        assert (np.diff(path[:, 1]) * np.sign(field) > 0).all()
        # period = Int dky/(B |v_x|)
        ky = 2 * np.pi * np.arange(400) / 400
        kx = np.arccos((1 - 0.6 * np.cos(ky)) / 2)
        assert found.period.values == pytest.approx(2 * [np.mean(2 * np.pi / (0.1 * 2 * np.sin(kx)))], rel=1e-10)


@pytest.mark.slow
def test_planes_of_a_tilted_field_contain_the_same_orbits_as_a_search_box():
    """A field along (1, 1, 1) to 1e-3: the periodic plane and the square around the home cell see the same pocket."""
    model = bf.zoo.cubic()
    exact = bf.orbits.cyclotron_orbits(model, -4.0, [0.1, 0.1, 0.1], grid=24)
    near = bf.orbits.cyclotron_orbits(model, -4.0, [0.1, 0.1, 0.1 * (1 + 1e-4)], grid=24)
    center = np.linalg.norm(exact.center.values[0, 0], axis=1)
    home = exact.isel(energy=0, k_parallel=0, orbit=int(center.argmin()))
    # dA/d(angle) = 0 by symmetry: the change is of second order
    assert near.area.item() == pytest.approx(home.area.item(), rel=1e-6)


@pytest.mark.slow
def test_drift_of_a_bloch_oscillation_is_that_of_a_trajectory():
    model = bf.zoo.haldane(mass=0.2)
    vectors = np.asarray(model.lattice.reciprocal)
    field = 0.05 * vectors[1] / np.linalg.norm(vectors[1])
    k = [[0.3, 0.1], [0.8, 0.0]]
    motion = bf.orbits.bloch_oscillation(model, k, field)
    times = np.linspace(0.0, motion.period.item(), 400)
    run = bf.propagate(model, bf.WavePacket(np.zeros((2, 2)), k), times, electric_field=field, estimate_error=False)
    np.testing.assert_allclose(run.position.values[:, -1], motion.drift.values, atol=1e-7)  # steps of 1e-9, 400 of them
    along = run.position.values @ field / 0.05
    # the largest of 400 samples misses the extent by (step)^2
    np.testing.assert_allclose(np.ptp(along, axis=1), motion.amplitude.values, rtol=1e-3)
    assert np.abs(motion.drift_curvature.values[:, 0]).min() > 0.1


@pytest.mark.slow
def test_zeeman_phase():
    """g = 2 and a mass m: the spins are shifted by hbar omega_c m/m_e, a phase of pi m/m_e for either spin."""
    mass = 0.7

    def hamiltonian(k):
        return jnp.diag(jnp.array([1.0, 1.0 + 1e-3])) * (k @ k) / (2 * mass)

    spin = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    model = bf.ContinuumModel(hamiltonian, 2, cutoff=3.0, operators={"spin": spin})
    found = bf.orbits.cyclotron_orbits(model, 1.0, 0.01, g_factor=2.0)
    # <sigma_z> = +1 is the band with the larger area; natural units: m_e = 1
    np.testing.assert_allclose(
        found.zeeman_phase.values[0], np.pi * mass * np.array([1 / 1.001, -1])[[1, 0]], rtol=1e-9
    )
    two = bf.zoo.parabolic(mass=mass).with_spin_degeneracy(2)
    factor = bf.orbits.quantum_oscillations(two, 1.0, 0.0, magnetic_field=0.01, g_factor=2.0).spin_factor.item()
    assert factor == pytest.approx(np.cos(np.pi * mass), rel=1e-9)
