"""Ensembles and collisions: equilibrium, currents in the linear regime, decay, the chiral anomaly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.dynamics.collisions import Collisions
from blochflow.dynamics.ensemble import GROUPS
from blochflow.dynamics.equations import Adiabatic
from blochflow.dynamics.scatterers import elastic, make_scatterer
from blochflow.dynamics.state_table import drawn_wavevectors, states_at
from blochflow.models.fields import as_fields
from blochflow.zone.sampling import student_bar

QUICK = {"execution": bf.Execution(workers=1, progress=False)}
MODEL = bf.zoo.haldane(phase=np.pi / 3, mass=0.4)
HOT = {"mu": -1.0, "temperature": 0.1}


def test_weights_are_electrons():
    """Sum of w = density, with D f in a magnetic field its change is B times the Streda derivative."""
    field = 0.02
    plain, magnetic = (bf.ensemble(MODEL, **HOT, count=4096, seed=2, magnetic_field=b) for b in (None, field))
    density = bf.response.electron_density(MODEL, -1.0, 0.1, **QUICK).value.item()
    # the same k in both, so that what even spreading misses (1e-4) cancels in the difference up to the field's order
    assert plain.weight.sum() == pytest.approx(density, rel=2e-3)
    slope = bf.response.streda(MODEL, -1.0, 0.1, **QUICK).value.sel(a="x", b="y").item()
    change = (magnetic.weight.sum() - plain.weight.sum()) / field
    # to first order in B (here 1e-2 of the slope's parts, of size 0.09)
    assert change == pytest.approx(slope, abs=4e-3)


def test_a_distribution_of_the_user():
    """A Fermi function shifted in k carries the current of filled states that moved."""
    given = {"count": 1024, "seed": 1}
    fermi = bf.ensemble(MODEL, **HOT, **given)
    own = bf.ensemble(MODEL, **given, distribution=lambda h, n, k: 1 / (np.exp((h + 1.0) / 0.1) + 1))
    np.testing.assert_allclose(own.weight, fermi.weight, rtol=1e-12)
    lower = bf.ensemble(MODEL, **given, distribution=lambda h, n, k: np.where(n == 0, k[:, 0] > 0, 0.0))
    assert set(lower.band) == {0} and (lower.wavevector[lower.weight > 0, 0] > 0).all()
    with pytest.raises(bf.UserModelError, match="between 0 and 1, but is 2 in band 0"):
        bf.ensemble(MODEL, **given, distribution=lambda h, n, k: 2.0)
    with pytest.raises(bf.UserModelError, match="failed on 1024 states"):
        bf.ensemble(MODEL, **given, distribution=lambda h, n, k: k[:, 5])
    with pytest.raises(ValueError, match="`mu` must be left out"):
        bf.ensemble(MODEL, **HOT, **given, distribution=lambda h, n, k: 0.5)
    with pytest.raises(ValueError, match="`distribution` must fill some"):
        bf.ensemble(MODEL, **given, distribution=lambda h, n, k: 0.0)


def test_ensembles_need_a_phase_space_and_a_distribution():
    given = {"count": 1024, "seed": 1}
    with pytest.raises(ValueError, match="`magnetic_field` must be weak enough .* D = -.* in band 1 at k = "):
        bf.ensemble(bf.zoo.massive_dirac(mass=0.2), 0.5, 0.05, magnetic_field=0.2, **given)
    with pytest.raises(ValueError, match="`mu` must be given, or a `distribution`"):
        bf.ensemble(MODEL, **given)


def test_bounded_region_fills_evenly():
    packets = bf.ensemble(MODEL, **HOT, count=1024, seed=1, region=[[-5.0, 5.0], [10.0, 30.0]])
    per_area = bf.ensemble(MODEL, **HOT, count=1024, seed=1)
    np.testing.assert_allclose(packets.weight, 200 * per_area.weight, rtol=1e-14)
    assert (packets.position.min(axis=0) >= [-5, 10]).all() and (packets.position.max(axis=0) <= [5, 30]).all()
    # mean of 1024 random places: 3 sigma = 3 * 20/sqrt(12 * 1024)
    assert packets.position.mean(axis=0) == pytest.approx([0.0, 20.0], abs=0.55)


@pytest.mark.slow
def test_average_is_within_its_bar():
    packets = bf.ensemble(MODEL, **HOT, count=4096, seed=4)
    run = bf.propagate(MODEL, packets, [0.0, 1e-3], estimate_error=False, **QUICK)
    energy, current = bf.average(run, "energy"), bf.average(run, "current")
    # equilibrium carries no current; a bar of 99 % fails once in a hundred, twice its size never in practice
    assert (np.abs(current.value) <= 2 * current.error + 1e-12).all()
    assert energy.error.values[0] < 1e-2 and energy.weight.values[0] == pytest.approx(packets.weight.sum())


def scatterer(model, seed=5, magnetic=None, **options):
    fields = as_fields(None, magnetic, model.dimension, model.units)
    return make_scatterer(Collisions(**({"tau": 1.0} | options)), model, fields, Adiabatic(), seed)


def drawn(made, energy, count):
    """Random states of one energy."""
    return elastic(made.shells, np.full(count, energy), made.chances(count, np.arange(count)))


def energies_of(model, band, k):
    return np.linalg.eigvalsh(np.asarray(model.hamiltonian(k)))[np.arange(len(k)), band]


def test_elastic_collisions_fill_the_energy_surface():
    """New states are on the surface and as many in each quadrant and band as its density of states."""
    made = scatterer(MODEL, table=2**12)
    band, k = drawn(made, -1.2, 4000)
    assert np.abs(energies_of(MODEL, band, k) + 1.2).max() < 1e-8
    surface = bf.geometry.fermi_surface(MODEL, -1.2)
    weights = surface.weights / surface.weights.sum()

    def harmonics(points):
        return np.exp(1j * points @ np.asarray(MODEL.lattice.vectors).T)

    expected = weights @ harmonics(surface.k)
    # 4000 random points of unit size: four sigma
    assert np.abs(harmonics(k).mean(axis=0) - expected).max() < 4 / np.sqrt(4000)


def test_relaxation_draws_the_equilibrium():
    made = scatterer(MODEL, kind="relaxation", table=2**16, **HOT)
    k = np.zeros((80_000, 2))
    chances = made.chances(len(k), np.arange(len(k)))
    # about one in the room of the clock's rate does not collide
    hit, _, _, energy = made.collide(k[:, 0], np.zeros(len(k), dtype=int), k, chances)
    assert hit.mean() > 0.9
    packets = bf.ensemble(MODEL, **HOT, count=4096, seed=3)
    exact = np.linalg.eigvalsh(np.asarray(MODEL.hamiltonian(packets.wavevector)))
    exact = exact[np.arange(packets.count), packets.band]
    mean = packets.weight @ exact / packets.weight.sum()
    # random energies of scatter 0.7: four sigma
    assert energy.mean() == pytest.approx(mean, abs=4 * 0.7 / np.sqrt(len(energy)))


@pytest.mark.slow
def test_momentum_decays_with_the_time_between_collisions():
    """Isotropic elastic collisions: <k> falls as exp(-t/tau), |k| stays; the clock may depend on the energy."""
    model = bf.zoo.parabolic()
    packet = bf.WavePacket(np.zeros(2), np.tile([1.0, 0.0], (1600, 1)))
    # the other energies have more collisions, so that most ticks of the clock are none
    collisions = bf.Collisions(tau=lambda energy, band: np.where(np.abs(energy - 0.5) < 0.1, 2.0, 0.5))
    times = np.array([0.0, 1.0, 2.0, 4.0])
    run = bf.propagate(model, packet, times, collisions=collisions, seed=3, **QUICK)
    k = bf.average(run, "wavevector")
    assert (np.abs(k.value.values[:, 0] - np.exp(-times / 2)) <= 2 * k.error.values[:, 0]).all()
    assert np.abs(np.linalg.norm(run.wavevector, axis=-1) - 1).max() < 1e-8
    # Poisson with mean 2, 1600 packets: four sigma
    assert float(run.collisions.mean()) == pytest.approx(2.0, abs=4 * np.sqrt(2 / 1600))
    assert float(run.energy_drift.max()) < 1e-8


def test_the_seed_decides():
    packet = bf.WavePacket(np.zeros(2), np.tile([0.4, 0.2], (80, 1)))
    options = {"collisions": bf.Collisions(tau=1.0, table=2**12), "electric_field": [0.05, 0.0]}
    one, two = (
        bf.propagate(
            MODEL, packet, [0.0, 2.0], seed=7, execution=bf.Execution(workers=w, progress=False), **options
        ).wavevector.values
        for w in (1, 2)
    )
    np.testing.assert_array_equal(one, two)
    other = bf.propagate(MODEL, packet, [0.0, 2.0], seed=8, **QUICK, **options).wavevector.values
    assert np.abs(other - one).max() > 0.1


def test_rates_of_a_disorder_are_those_of_its_fermi_surface():
    """Golden rule by random pairs against the quasiparticle rates on a Fermi surface, smooth and site disorder."""
    disorder = bf.Disorder.gaussian(0.2, 0.7)
    mu = -1.2
    surface = bf.response.surface_distribution(MODEL, mu, disorder=disorder, points=128, **QUICK)
    made = scatterer(MODEL, tau=None, disorder=disorder)
    at, count = 17, 4000
    k = np.repeat(surface.k.values[at : at + 1], count, axis=0)
    band = np.full(count, int(surface.point_band.values[at]))
    energy = np.full(count, mu)
    bands, found = drawn(made, mu, count)
    rates = 2 * np.pi * made.shells.density_of_states(energy) * made.strengths(band, k, bands, found)
    expected = float(surface.scattering_rate.values[at])
    # the mean of 4000 random pairs: four sigma, and 3e-3 for the density of states of linear cells near a saddle
    assert rates.mean() == pytest.approx(expected, abs=4 * rates.std() / np.sqrt(count) + 3e-3 * expected)


@pytest.mark.slow
def test_packets_collide_with_a_disorder_at_its_rate():
    disorder, mu, time, count = bf.Disorder.white(0.3), -1.2, 2.0, 800
    surface = bf.response.surface_distribution(MODEL, mu, disorder=disorder, points=64, **QUICK)
    k, band = surface.k.values[9], int(surface.point_band.values[9])
    packet = bf.WavePacket(np.zeros(2), np.tile(k, (count, 1)), band=band)
    collisions = bf.Collisions(disorder=disorder)
    run = bf.propagate(MODEL, packet, [0.0, time], collisions=collisions, seed=3, **QUICK)
    # white noise: the same rate after every collision, but for the overlap of states; a Poisson number of collisions
    rates = surface.scattering_rate.values
    low, high = time * rates.min(), time * rates.max()
    noise = 4 * np.sqrt(high / count)  # four sigma
    assert low - noise < float(run.collisions.mean()) < high + noise
    np.testing.assert_allclose(run.energy.values[:, -1], mu, atol=1e-8)


def check_harmonics(model, energy, k, surface):
    """Means of exp(i k.R) are those of the surface's weights, within four sigma of so many random k."""
    cells = np.array([(1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2), (2, 1), (1, 3)]) @ np.asarray(
        model.lattice.vectors
    )
    expected = surface.weights @ np.exp(1j * surface.k @ cells.T) / surface.weights.sum()
    assert np.abs(np.exp(1j * k @ cells.T).mean(axis=0) - expected).max() < 4 / np.sqrt(len(k))


@pytest.mark.parametrize("energy", [-1.75, -1.62])
def test_small_pockets_of_a_rectangular_band(energy):
    """Also where a pocket is as wide in energy as a few cells."""
    hoppings = [(-1, 0, 0, (1, 0)), (-0.1, 0, 0, (0, 1)), (0.3, 0, 0, (1, 1))]
    model = bf.TightBinding(np.eye(2), np.zeros((1, 2)), hoppings)
    made = scatterer(model, table=2**12)
    band, k = drawn(made, energy, 8000)
    assert np.abs(energies_of(model, band, k) - energy).max() < 1e-9
    surface = bf.geometry.fermi_surface(model, energy)
    check_harmonics(model, energy, k, surface)
    density = surface.weights.sum() / (2 * np.pi) ** 2
    # 64 x 64 cells, halved at the extrema
    assert made.shells.density_of_states(np.array([energy]))[0] == pytest.approx(density, rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("energy", [0.25, 0.5])
def test_small_pockets_get_their_share(energy):
    """New states are at one of two Weyl nodes, of another energy, as often as its density of states says."""
    model, count = bf.zoo.weyl_lattice(splitting=0.2), 16384
    surface = bf.geometry.fermi_surface(model, energy)
    expected = surface.weights[np.sin(surface.k[:, 2]) > 0].sum() / surface.weights.sum()
    made = scatterer(model)
    _, found = drawn(made, energy, count)
    share = float((np.sin(found[:, 2]) > 0).mean())
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / count))
    # second order in the size of the cells of the pocket
    density = surface.weights.sum() / (2 * np.pi) ** 3
    assert made.shells.density_of_states(np.array([energy]))[0] == pytest.approx(density, rel=1e-2)


def test_a_tilted_cone_of_a_continuum_model():
    """<k_x> of h = tilt k_x + |k| on an ellipse: dS/|d_k h| ~ 1/(1 + tilt cos)^2 per angle."""
    tilt, energy, count = 0.7, 0.6, 8000

    def cone(k):
        return tilt * k[0] * jnp.eye(2) + k[0] * jnp.array([[0, 1], [1, 0]]) + k[1] * jnp.array([[0, -1j], [1j, 0]])

    model = bf.ContinuumModel(cone, 2, cutoff=4.0)
    band, k = drawn(scatterer(model, table=2**12), energy, count)
    angle = 2 * np.pi * np.arange(512) / 512
    radius = energy / (1 + tilt * np.cos(angle))
    weights = radius / (1 + tilt * np.cos(angle))
    mean = weights @ (radius * np.cos(angle)) / weights.sum()
    assert k[:, 0].mean() == pytest.approx(mean, abs=4 * k[:, 0].std() / np.sqrt(count))
    assert (band == 1).all() and np.abs(tilt * k[:, 0] + np.linalg.norm(k, axis=1) - energy).max() < 1e-9


def test_four_points_of_a_chain():
    """In one dimension a surface is points, of weights 1/|dh/dk|."""
    model = bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,)), (-0.6, 0, 0, (2,)), (0.4j, 0, 0, (3,))])
    energy, count = -0.3, 8000
    k = np.linspace(0, 2 * np.pi, 2**14 + 1)
    h = energies_of(model, np.zeros(len(k), dtype=int), k[:, None])
    made = scatterer(model)
    at = np.flatnonzero((h[:-1] < energy) != (h[1:] < energy))
    weights = 1 / np.abs(np.diff(h)[at] / np.diff(k)[at])
    _, found = drawn(made, energy, count)
    nearest = np.abs(np.exp(1j * found) - np.exp(1j * k[at])).argmin(axis=1)
    assert np.abs(np.exp(1j * found[:, 0]) - np.exp(1j * k[at][nearest])).max() < 1e-3
    share = np.bincount(nearest, minlength=len(at)) / count
    expected = weights / weights.sum()
    assert (np.abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / count)).all()
    assert made.shells.density_of_states(np.array([energy]))[0] == pytest.approx(weights.sum() / 2 / np.pi, rel=1e-3)


@pytest.mark.parametrize("above", [1e-2, 1e-4, 1e-6])
def test_the_edge_of_a_band(above):
    """Near the bottom of an anisotropic band the surface is an ellipse, filled evenly in its angle."""
    model = bf.TightBinding(np.eye(2), np.zeros((1, 2)), [(-1, 0, 0, (1, 0)), (-0.25, 0, 0, (0, 1))])
    made, count = scatterer(model, table=2**12), 4000
    _, k = drawn(made, -2.5 + above, count)
    k = (k + np.pi) % (2 * np.pi) - np.pi
    angle = np.arctan2(np.sin(k[:, 1] / 2), 2 * np.sin(k[:, 0] / 2))
    for order in (1, 2, 3, 4):
        # random phases: four sigma, and the band is not quadratic
        assert abs(np.exp(1j * order * angle).mean()) < 4 / np.sqrt(count) + above
    # m/(2 pi) with m = 1/(2 sqrt(t t')), in cells without any inner structure
    density = made.shells.density_of_states(np.array([-2.5 + above]))[0]
    assert density == pytest.approx(1 / (2 * np.pi), rel=0.01)


def test_packets_in_company_do_not_matter():
    """Random numbers belong to a packet and its line, whatever the others do."""
    made = scatterer(MODEL, table=2**12)
    energy = np.linspace(-2.0, -1.0, 200)
    chances = made.chances(200, np.arange(200))
    band, k = elastic(made.shells, energy, chances)
    some = np.array([3, 77, 150])
    alone = elastic(made.shells, energy[some], chances.among(some))
    np.testing.assert_array_equal(alone[0], band[some])
    np.testing.assert_allclose(alone[1], k[some], atol=1e-9)


@pytest.mark.slow
def test_three_bands():
    """An energy in two of three bands."""
    hoppings = [(-1, 0, 0, (1, 0)), (-1, 0, 0, (0, 1)), (0.7, 1, 1, (1, 0)), (0.4, 1, 1, (0, 1)), (-0.5, 2, 2, (1, 1))]
    hoppings += [(0.4, 0, 1, (0, 0)), (0.3j, 0, 1, (1, 0)), (0.5, 1, 2, (0, 0)), (0.2j, 0, 2, (0, 1))]
    model, energy = bf.TightBinding(np.eye(2), np.zeros((3, 2)), hoppings), 0.5
    made = scatterer(model, table=2**12)
    band, k = drawn(made, energy, 6000)
    surface = bf.geometry.fermi_surface(model, energy)
    check_harmonics(model, energy, k, surface)
    for n in range(3):
        share = surface.weights[surface.band == n].sum() / surface.weights.sum()
        assert (band == n).mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(band)))


@pytest.mark.slow
def test_phase_space_density_and_moment_of_a_magnetic_field():
    """Probability ~ D dS/|d_k h| with h = E - m.B: against random k in a window of energy, weighed by D."""
    energy, half, count = -1.2, 0.02, 2**17
    made = scatterer(MODEL, magnetic=0.3, table=2**14)
    band, k = drawn(made, energy, 20_000)
    fields = made.shells.fields
    found, _, _ = states_at(MODEL, fields, Adiabatic(), band, k)
    assert np.abs(found - energy).max() < 1e-9
    random, _ = drawn_wavevectors(MODEL, count, 3)
    h, density, _ = states_at(MODEL, fields, Adiabatic(), np.zeros(count, dtype=int), random)
    near = np.abs(h - energy) < half
    phases = [np.exp(1j * x @ np.asarray(MODEL.lattice.vectors).T) for x in (k, random[near])]
    expected = density[near] @ phases[1] / density[near].sum()
    # four sigma of both sets
    noise = 4 * np.sqrt(1 / len(k) + 1 / near.sum())
    assert np.abs(phases[0].mean(axis=0) - expected).max() < noise
    states = density[near].sum() / count / (2 * half * np.linalg.det(np.asarray(MODEL.lattice.vectors)))
    rho = made.shells.density_of_states(np.array([energy]))[0]
    assert rho == pytest.approx(abs(states), rel=4 / np.sqrt(near.sum()) + 3e-3)


def test_a_coarse_table_is_said():
    """A band with a needle between the corners of cells is not seen."""
    model = bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))])
    made = scatterer(model)
    broken = replace(made.shells, cells=replace(made.shells.cells, bound=0.3 * made.shells.cells.bound))
    with pytest.warns(bf.ValidityWarning, match="larger table"):
        broken.check(np.array([0.1]), False, 1)


def test_the_clock_is_fast_enough_at_a_van_hove_energy():
    """Packets that start at a singular density of states have their own rate; those that come to one, a limited one."""
    disorder, h = bf.Disorder.white(0.1), np.array([-2 + 1e-7])
    made = scatterer(bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))]), tau=None, disorder=disorder)
    k, one = np.arccos(-h[:, None] / 2), np.zeros(1, dtype=int)
    with pytest.warns(bf.ValidityWarning, match="is limited to"):
        made.collide(h, one, k, made.chances(1, one))
    made.prepare(h)
    made.collide(h, one, k, made.chances(1, one))


def test_no_state_of_an_energy():
    with pytest.raises(bf.BlochflowError, match="h = -7 was found"):
        drawn(scatterer(bf.zoo.square(), table=2**10), -7.0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("field", [0.25, 0.5])
def test_current_is_the_ohmic_conductivity_times_esaki_and_tsu(field):
    """j = sigma E/(1 + (eE tau a/hbar)^2) in a cosine band: linear response at small eE tau a.

    Source: Esaki and Tsu, IBM J. Res. Dev. 14, 61 (1970).
    """
    model, tau, hot = bf.zoo.square(), 2.0, {"mu": -2.0, "temperature": 0.5}
    packets = bf.ensemble(model, **hot, count=8192, seed=11)
    collisions = bf.Collisions(tau=tau, kind="relaxation", **hot)
    options = {"electric_field": [field, 0.0], "estimate_error": False, **QUICK}
    run = bf.propagate(model, packets, [0.0, 12.0, 16.0, 20.0], collisions=collisions, seed=1, **options)
    found = bf.average(run, "current")
    ohmic = bf.response.ohmic(model, **hot, tau=tau, **QUICK).value.sel(a="x", b="x").item()
    expected = ohmic * field / (1 + (field * tau) ** 2)
    value, error = found.value.values[1:, 0].mean(), found.error.values[1:, 0].mean()
    # three times two tau apart: the bar of one, once and a half for luck
    assert abs(value - expected) <= 1.5 * error
    assert error < 0.15 * expected


@pytest.mark.slow
@pytest.mark.parametrize("chirality", [1, -1])
def test_chiral_anomaly(chirality):
    """dn/dt at a Weyl node = chi e^2 E.B/(4 pi^2 hbar^2): D kdot through the Fermi surface h = mu."""
    node = bf.zoo.weyl_node(chirality=chirality)
    electric, magnetic, mu = np.array([0.01, 0.02, 0.03]), np.array([0.0, 1e-3, 2e-3]), 0.4
    surface = bf.geometry.fermi_surface(node, mu, points=6)
    packet = bf.WavePacket(np.zeros(3), surface.k, band=surface.band)
    run = bf.propagate(
        node, packet, [0.0, 1e-4], electric_field=electric, magnetic_field=magnetic, estimate_error=False, **QUICK
    )
    change = np.diff(run.wavevector.values, axis=1)[:, 0] / 1e-4
    rate = surface.weights @ (run.phase_space_density.values[:, 0] * (surface.velocity * change).sum(axis=1))
    # without fields both vanish; B moves the surface by m.B, to second order here: 1e-3 of the rate
    expected = chirality * electric @ magnetic / (4 * np.pi**2)
    assert rate / (2 * np.pi) ** 3 == pytest.approx(expected, rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("chirality", [1, -1])
def test_an_ensemble_is_pumped_through_energies(chirality):
    """Electrons above h0 in the upper cone, filled below: their number grows by chi e^2 E.B/(4 pi^2 hbar^2) per time.

    Of the packets whose h passes h0 either way, half the surface loses and half gains; their difference counts.
    """
    node = bf.zoo.weyl_node(chirality=chirality, cutoff=0.8)
    electric, magnetic, level, time = 0.01, 0.03, 0.35, 4.0
    packets = bf.ensemble(
        node, count=2**16, seed=8, magnetic_field=[0.0, 0.0, magnetic],
        distribution=lambda h, n, k: 1.0 * ((n == 1) & (h < 0.55) & (np.linalg.norm(k, axis=1) > 0.18)),
    )  # fmt: skip
    run = bf.propagate(
        node, packets, [0.0, time], electric_field=[0.0, 0.0, electric], magnetic_field=[0.0, 0.0, magnetic],
        estimate_error=False, tolerance=bf.Tolerance(rtol=1e-6), throw=False, **QUICK,
    )  # fmt: skip
    # those that stop, next to the node, stand for no electrons
    assert not packets.weight[run.status.values != "COMPLETE"].any()
    above = run.energy.values > level
    group = np.arange(len(packets.weight)) % GROUPS
    grown = packets.weight * (above[:, 1].astype(float) - above[:, 0])
    rate = np.array([grown[group == g].sum() for g in range(GROUPS)]) * GROUPS / time
    expected = chirality * electric * magnetic / (4 * np.pi**2)
    # the flux through a closed surface is exact; 99.9 % of random numbers are within the bar
    bar = student_bar(rate, 0.999)
    assert bar < 0.3 * abs(expected)
    assert rate.mean() == pytest.approx(expected, abs=bar)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 100}, "multiple of 16"),
        ({"mu": -50.0}, "every state is empty"),
        ({"region": [[1.0, 0.0], [0.0, 1.0]]}, "least and the largest"),
        ({"seed": -1}, "non-negative"),
        ({"temperature": -1.0}, "not be negative"),
    ],
)
def test_bad_ensembles(options, message):
    given = {"mu": -1.0, "temperature": 0.1, "count": 64, "seed": 1} | options
    with pytest.raises(ValueError, match=message):
        bf.ensemble(MODEL, **given)


def test_bad_collisions():
    packet, wall = bf.WavePacket([0.0, 0.0], [0.3, 0.5]), bf.textured(MODEL, mass=lambda x, t: 0.1 * x[0])
    with pytest.raises(ValueError, match="must be greater than 0"):
        bf.Collisions(tau=0.0)
    with pytest.raises(ValueError, match='be given for kind="relaxation"'):
        bf.Collisions(tau=1.0, kind="relaxation")
    collisions = bf.Collisions(tau=1.0)
    with pytest.raises(ValueError, match="seed"):
        bf.propagate(MODEL, packet, [0.0, 1.0], collisions=collisions)
    with pytest.raises(ValueError, match="vary in space"):
        bf.propagate(wall, packet, [0.0, 1.0], collisions=collisions, seed=1)
    with pytest.raises(bf.UserModelError, match="must be positive"):
        negative = bf.Collisions(tau=lambda energy, band: energy)
        bf.propagate(MODEL, packet, [0.0, 1.0], collisions=negative, seed=1)
