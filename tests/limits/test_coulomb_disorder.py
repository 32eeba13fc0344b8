"""Screened Coulomb disorder: Born lifetimes by one integral over the angle, unit systems, lattices.

    1/tau = (2 pi/hbar) sum_k' delta(E - E_k') W(k - k') |<u|u'>|^2 (1 - cos),   sigma = e^2 rho v^2 tau/d

The integrals are scipy's, in SI units with CODATA constants where the model is in eV and Angstrom.
"""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import constants as si
from scipy.integrate import quad

import blochflow as bf
from blochflow.disorder.collision import Collision
from blochflow.disorder.fermi_points import fermi_points
from blochflow.disorder.linear_response import respond
from blochflow.disorder.potentials import scatterers
from blochflow.disorder.scattering import Scattering
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


HONEYCOMB = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
BONDS = [(-1.0, 0, 1, (0, 0)), (-0.9, 0, 1, (-1, 0)), (-1.1, 0, 1, (0, -1)), (0.6, 0, 0, (0, 0)), (-0.6, 1, 1, (0, 0))]
BONDS += [(0.1j, 0, 0, (1, 0)), (-0.1j, 1, 1, (1, 0)), (0.05, 0, 0, (0, 1))]


def one_cell(moved=0):
    """A strained honeycomb lattice, whose second site is called by its name in another cell."""
    bonds = [(t, i, j, (r[0] - moved * (j - i), r[1])) for t, i, j, r in BONDS]
    return bf.TightBinding(HONEYCOMB, [[1 / 3, 1 / 3], [2 / 3 + moved, 2 / 3]], bonds)


def two_cells():
    """The same with two cells along the first lattice vector taken for one."""
    orbitals = [[(x + 1 / 3 + c) / 2, 1 / 3 + x] for c in (0, 1) for x in (0, 1 / 3)]
    bonds = [(t, i + 2 * c, j + 2 * ((r[0] + c) % 2), ((r[0] + c) // 2, r[1])) for t, i, j, r in BONDS for c in (0, 1)]
    return bf.TightBinding(HONEYCOMB * [[2.0], [1.0]], orbitals, bonds)


def at_the_same_points(model, disorder, mu, points=48):
    """All parts on the Fermi curves of the small cell, with the states of any cell."""
    surface = bf.geometry.fermi_surface(one_cell(), mu, points=points)
    energies = np.linalg.eigvalsh(np.asarray(model.hamiltonian(surface.k)))
    bands = [int(np.abs(energies[surface.sheet == i] - mu).max(axis=0).argmin()) for i in range(len(surface.sheets))]
    sheets = [replace(sheet, bands=(band,)) for sheet, band in zip(surface.sheets, bands, strict=True)]
    found = fermi_points(model, replace(surface, sheets=sheets))
    return respond(Collision(Scattering(found, scatterers(disorder, model)))).parts(-found.velocity)


CELLS = {"moved site": lambda: one_cell(1), "moved back": lambda: one_cell(-2), "two cells": two_cells}
CHARGES = {
    "charges": lambda: bf.Disorder.coulomb(0.01, 4.0, 0.5, distance=0.4),
    "far charges": lambda: bf.Disorder.coulomb(0.01, 4.0, 1.5, distance=3.0),
    "gaussian": lambda: bf.Disorder.gaussian(0.01, 0.6),
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", CHARGES)
def test_disorder_of_a_lattice_does_not_know_the_cell(cell, kind):
    """Two pockets: scattering between them takes wave vectors that the larger cell folds."""
    one = at_the_same_points(one_cell(), CHARGES[kind](), 0.8)
    other = at_the_same_points(CELLS[cell](), CHARGES[kind](), 0.8)
    for part, value in one.items():
        np.testing.assert_allclose(other[part], value, atol=1e-9 * np.abs(value).max(), err_msg=part)


def test_whole_responses_of_two_cells_agree_within_their_errors():
    options = {"disorder": CHARGES["charges"](), "points": 64, **SHARP}
    one, other = (bf.response.disordered_conductivity(x, 0.65, 0.0, **options) for x in (one_cell(), two_cells()))
    for part in ("drude", "extrinsic_velocity", "side_jump", "skew_scattering", "intrinsic", "value"):
        name = "error" if part == "value" else f"{part}_error"
        scale = np.abs(one[part]).max().item()
        doubt = one[name].values + other[name].values
        assert (np.abs(other[part].values - one[part].values) <= doubt + 1e-12 * scale).all(), part
        assert doubt.max() < 0.01 * scale


@pytest.mark.parametrize("distance", [0.1, 0.7, 3.0])
def test_charges_above_a_lattice_are_summed_over_all_waves(distance):
    """Against a sum over many more, and positive semidefinite."""
    model = one_cell()
    found = scatterers(bf.Disorder.coulomb(0.01, 4.0, 0.5, distance=distance), model).correlation
    q = np.random.default_rng(6).uniform(-9, 9, (20, 2))
    count = int(30 / distance / 5) + 12
    steps = np.arange(-count, count + 1)
    vectors = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) @ np.asarray(model.lattice.reciprocal)
    length = np.linalg.norm(q[:, None] + vectors, axis=-1)
    wave = 0.01 * (2 * np.pi / 4.0) ** 2 * np.exp(-2 * distance * length) / (length + 0.5) ** 2
    phase = np.exp(1j * vectors @ np.asarray(model.orbitals).T)
    expected = np.einsum("qg,ga,gb->qab", wave, phase, phase.conj())
    np.testing.assert_allclose(found(q), expected, atol=1e-14 * wave.max())
    assert np.linalg.eigvalsh(found(q)).min() >= -1e-14 * wave.max()


@pytest.mark.parametrize("screening", [0.8, 2.0, 7.0])
def test_charges_in_a_solid_are_summed_over_all_waves(screening):
    """Against the sum over sites, exp(-q_s r)/(8 pi q_s) being the transform of 1/(q^2 + q_s^2)^2."""
    vectors, tau = np.array([[1.0, 0.0, 0.0], [0.2, 1.1, 0.0], [0.1, 0.3, 0.9]]), np.array([0.3, 0.2, 0.5])
    model = bf.TightBinding(vectors, [[0.0] * 3, tau], [(-1.0, 0, 1, (0, 0, 0)), (-0.5, 0, 0, (1, 0, 0))])
    found = scatterers(bf.Disorder.coulomb(0.01, 4.0, screening), model).correlation
    q = np.random.default_rng(6).uniform(-9, 9, (6, 3))
    count = int(34 / screening) + 2
    steps = np.arange(-count, count + 1)
    sites = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    volume = 0.01 * np.pi**2 * abs(np.linalg.det(vectors))
    for (a, b), apart in {(0, 0): 0 * tau, (0, 1): -tau}.items():
        r = (sites + apart) @ vectors
        weight = volume * np.exp(-screening * np.linalg.norm(r, axis=1)) / (8 * np.pi * screening)
        expected = np.exp(-1j * q @ r.T) @ weight
        np.testing.assert_allclose(found(q)[:, a, b], expected, atol=1e-12 * weight.sum())
    assert np.linalg.eigvalsh(found(q)).min() > 0


def test_charges_in_a_plane_of_several_sites_warn_and_say_what_to_pass():
    with pytest.warns(bf.ValidityWarning, match=r"depends on the choice of the cell.*distance=d"):
        scatterers(bf.Disorder.coulomb(0.01, 4.0, 0.5), one_cell())


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (lambda: None, {"distance": -1.0}, "`distance` must be at least 0"),
        (bf.zoo.cubic, {"distance": 1.0}, "no `distance` in three dimensions"),
        (one_cell, {"distance": 1e-3}, "take a larger distance than 0.001"),
    ],
)
def test_distances_that_make_no_sense_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        scatterers(bf.Disorder.coulomb(0.01, 4.0, 0.5, **options), model())
