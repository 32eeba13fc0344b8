"""Screened Coulomb disorder: Born lifetimes by one integral over the angle, unit systems, lattices.

    1/tau = (2 pi/hbar) sum_k' delta(E - E_k') W(k - k') |<u|u'>|^2 (1 - cos),   sigma = e^2 rho v^2 tau/d

The integrals are scipy's, in SI units with CODATA constants where the model is in eV and Angstrom.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import constants as si
from scipy.integrate import quad

import blochflow as bf
from disorder_models import ONE, SX, SY, SZ

ANGSTROM, EV = 1e-10, si.e
SHARP = {"tolerance": bf.Tolerance(1e-6), "throw": False}
# Thin shells of integrals over the zone that do not matter here.
pytestmark = pytest.mark.filterwarnings("ignore::blochflow.ValidityWarning")


def parabola(dimension, mass, units=bf.EV_ANGSTROM, cutoff=0.3):
    """hbar^2 k^2/2m, mass in units of the electron mass: 3.81 eV Angstrom^2/mass."""
    slope = (si.hbar**2 / (2 * si.m_e)) / (EV * ANGSTROM**2) / mass
    return bf.ContinuumModel(
        lambda k: jnp.array([[slope * (k @ k)]], dtype=complex), dimension, cutoff=cutoff, units=units
    )


def born_lifetime(dimension, mass, level, density, dielectric, screening):
    """Transport lifetime in seconds and k_F in 1/m, all in SI."""
    m, coupling = mass * si.m_e, si.e**2 / (dielectric * si.epsilon_0)
    k = np.sqrt(2 * m * level * EV) / si.hbar
    if dimension == 2:
        impurities, q_s = density / ANGSTROM**2, screening / ANGSTROM

        def rate(angle):
            q = 2 * k * np.sin(angle / 2)
            return impurities * (coupling / 2) ** 2 / (q + q_s) ** 2 * (1 - np.cos(angle))

        return 2 * np.pi * si.hbar**3 / (m * 2 * quad(rate, 0, np.pi, epsrel=1e-12)[0]), k
    impurities, q_s = density / ANGSTROM**3, screening / ANGSTROM

    def rate_3d(cosine):
        return impurities * coupling**2 / (2 * k**2 * (1 - cosine) + q_s**2) ** 2 * (1 - cosine)

    return 2 * np.pi * si.hbar**3 / (m * k * quad(rate_3d, -1, 1, epsrel=1e-12)[0]), k


def test_coulomb_lifetime_of_a_plane():
    numbers = {"density": 1e-5, "dielectric": 12.0, "screening": 0.02}
    result = bf.response.disordered_conductivity(
        parabola(2, 0.2), 0.05, 0.0, disorder=bf.Disorder.coulomb(**numbers), **SHARP
    )
    tau, k = born_lifetime(2, 0.2, 0.05, **numbers)
    # the kink of W at q = 0 leaves N^-4; CODATA 2018 against scipy's set moves the ninth digit
    assert result.transport_lifetime.values[0, 0] == pytest.approx([tau * 1e15] * 2, rel=1e-6)
    sigma = k**2 / (4 * np.pi) * si.e**2 * tau / (0.2 * si.m_e) / (si.e**2 / si.h)
    assert result.drude.sel(a="x", b="x").item() == pytest.approx(sigma, rel=1e-6)


@pytest.mark.slow
def test_coulomb_lifetime_of_a_solid():
    numbers = {"density": 1e-7, "dielectric": 12.0, "screening": 0.1}
    result = bf.response.disordered_conductivity(
        parabola(3, 0.2),
        0.05,
        0.0,
        disorder=bf.Disorder.coulomb(**numbers),
        tolerance=bf.Tolerance(1e-4),
        throw=False,
    )
    tau, k = born_lifetime(3, 0.2, 0.05, **numbers)
    drude, error = (result[n].sel(a="x", b="x").item() for n in ("drude", "drude_error"))
    sigma = k**3 / (6 * np.pi**2) * si.e**2 * tau / (0.2 * si.m_e) / 100  # S/cm
    assert abs(drude - sigma) <= error + 1e-8 * sigma
    assert error < 1e-3 * sigma


@pytest.mark.parametrize("kind", ["coulomb", "gaussian"])
def test_smooth_disorder_of_the_dirac_cone(kind):
    """|<u|u'>|^2 = 1/2 (1 + xi^2 + (1 - xi^2) cos), natural units."""
    mass, mu = 0.3, 1.0
    k, xi2 = np.sqrt(mu**2 - mass**2), (mass / mu) ** 2
    if kind == "coulomb":
        disorder = bf.Disorder.coulomb(0.02, 3.0, 0.8)
        w = lambda q: 0.02 * (2 * np.pi / 3.0) ** 2 / (q + 0.8) ** 2  # noqa: E731
    else:
        disorder = bf.Disorder.gaussian(0.1, 1.3)
        w = lambda q: 0.1 * np.exp(-((1.3 * q) ** 2) / 2)  # noqa: E731

    def rate(angle):
        overlap = 0.5 * (1 + xi2 + (1 - xi2) * np.cos(angle))
        return w(2 * k * np.sin(angle / 2)) * overlap * (1 - np.cos(angle))

    tau = 1 / (mu * quad(rate, 0, np.pi, epsrel=1e-12)[0] / np.pi)
    cone = bf.zoo.massive_dirac(mass=mass)
    result = bf.response.disordered_conductivity(cone, mu, 0.0, disorder=disorder, **SHARP)
    assert result.transport_lifetime.values[0, 0] == pytest.approx([tau, tau], rel=1e-6)
    assert result.drude.sel(a="x", b="x").item() == pytest.approx(mu / (4 * np.pi) * (1 - xi2) * tau, rel=1e-6)


def tilted(units, energy=1.0, length=1.0):
    """A tilted cone whose H(k length) is in units of ``energy``."""

    def hamiltonian(k, mass=0.3, tilt=0.3):
        x, y = length * k[0], length * k[1]
        return energy * (x * SY - 0.7 * y * SX + mass * SZ + tilt * x * ONE)

    operators = {"spin": np.array([SX, SY, SZ])}
    return bf.ContinuumModel(hamiltonian, 2, cutoff=4.0 / length, units=units, operators=operators)


KINDS = {
    "white": (lambda w, n, qs, ell: bf.Disorder.white(w, third_cumulant=0.2 * w), 0.2),
    "gaussian": (lambda w, n, qs, ell: bf.Disorder.gaussian(w, ell), 0.0),
    "coulomb": (lambda w, n, qs, ell: bf.Disorder.coulomb(n, 3.0, qs), 0.0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_without_dimension_do_not_know_the_units(kind):
    """Energies in units of 14.4 eV Angstrom/length, in which e^2/(4 pi eps_0) is one, give the natural model."""
    length = 25.0
    energy = si.e**2 / (4 * np.pi * si.epsilon_0) / (EV * ANGSTROM) / length
    make, third = KINDS[kind]
    natural = make(0.1, 0.02, 0.8, 0.6)
    physical = make(0.1 * energy**2 * length**2, 0.02 / length**2, 0.8 / length, 0.6 * length)
    if third:
        physical = bf.Disorder.white(physical.numbers["strength"], third_cumulant=third * 0.1 * energy**3 * length**4)
    options = {"points": 64, "tolerance": bf.Tolerance(1e-3), "throw": False}
    for name, unit in (("disordered_conductivity", 2 * np.pi), ("disordered_spin_density", 1 / (energy * length))):
        respond = getattr(bf.response, name)
        one = respond(tilted(bf.NATURAL), 1.0, 0.0, disorder=natural, **options)
        other = respond(tilted(bf.EV_ANGSTROM, energy, length), energy, 0.0, disorder=physical, **options)
        parts = ["drude", "extrinsic_velocity", "side_jump", "skew_scattering"] + ["third_cumulant"] * bool(third)
        for part in parts:
            scale = np.abs(one[part]).max().item()
            # e^2/eps_0 of CODATA 2018 and of scipy: nine digits
            np.testing.assert_allclose(other[part].values, unit * one[part].values, atol=1e-8 * scale * unit)
        time = si.hbar / EV * 1e15 / energy
        assert other.quasiparticle_lifetime.item() == pytest.approx(time * one.quasiparticle_lifetime.item(), rel=1e-8)


def test_coulomb_disorder_on_a_lattice_is_that_of_the_shortest_wave():
    """A small pocket of an oblique lattice of two sites; W is periodic up to the phases of the sites."""
    from blochflow.disorder.potentials import scatterers

    model = bf.zoo.haldane()
    found = scatterers(bf.Disorder.coulomb(0.01, 4.0, 0.5), model)
    g, places = np.asarray(model.lattice.reciprocal), np.asarray(model.orbitals)
    q = np.random.default_rng(6).uniform(-9, 9, (40, 2))
    vectors = np.array([[i, j] for i in range(-6, 7) for j in range(-6, 7)]) @ g
    lengths = np.linalg.norm(q[:, None] + vectors, axis=-1)
    nearest = vectors[lengths.argmin(axis=1)]
    phase = np.exp(1j * nearest @ places.T)
    expected = 0.01 * (2 * np.pi / 4.0) ** 2 / (lengths.min(axis=1) + 0.5) ** 2
    expected = expected[:, None, None] * phase[:, :, None] * phase[:, None, :].conj()
    np.testing.assert_allclose(found.correlation(q), expected, atol=1e-14)


def test_small_pockets_of_a_lattice_and_a_parabola_are_alike():
    """-2 t cos k per axis with t = 1/2 is k^2/2 up to k^4/24: the difference falls as the Fermi energy."""
    square = bf.zoo.square(t=0.5)
    disorder = bf.Disorder.coulomb(0.01, 4.0, 0.5)
    shifts = []
    for level in (0.02, 0.01, 0.005):
        result = bf.response.disordered_conductivity(square, -2.0 + level, 0.0, disorder=disorder, **SHARP)

        def rate(angle, level=level):
            q = 2 * np.sqrt(2 * level) * np.sin(angle / 2)
            return 0.01 * (2 * np.pi / 4.0) ** 2 / (q + 0.5) ** 2 * (1 - np.cos(angle))

        tau = np.pi / quad(rate, 0, np.pi, epsrel=1e-12)[0]
        shifts.append(result.drude.sel(a="x", b="x").item() / (level / (2 * np.pi) * tau) - 1)
    assert abs(shifts[0]) < 0.01
    np.testing.assert_allclose(np.array(shifts[1:]) / shifts[:-1], 0.5, rtol=0.05)
