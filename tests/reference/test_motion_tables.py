"""Trajectories against published and tabulated numbers: equations of motion, orbits, pumps, textures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.dynamics.equations import Adiabatic, motion, symplectic_form
from blochflow.dynamics.symplectic import phase_space_density, solve_form
from blochflow.models.fields import as_fields

ONCE = {"estimate_error": False, "execution": bf.Execution(workers=1, progress=False)}


def test_velocity_and_force_in_both_fields():
    """Any curvature in three dimensions: the closed form of the equations with E and B."""
    v, E, B = np.array([0.3, -0.2, 0.5]), np.array([0.2, 0.1, -0.1]), np.array([0.5, -0.3, 0.7])
    omega = np.zeros((7, 7))
    for value, (a, b) in zip((0.1, 0.4, -0.3), ((1, 2), (2, 0), (0, 1)), strict=True):
        omega[a, b], omega[b, a] = value, -value
    form = symplectic_form(jnp.asarray(omega), jnp.asarray(B))
    rate = np.asarray(solve_form(form, jnp.concatenate([jnp.asarray(E), jnp.asarray(v)])))
    assert float(phase_space_density(form)) == pytest.approx(0.72, abs=1e-15)
    expected = [0.2916666667, -0.125, 0.5972222222, -0.2916666667, -0.1944444444, 0.125]
    np.testing.assert_allclose(rate, expected, atol=1e-10)  # ten printed digits


def test_second_order_velocity_in_an_electric_field():
    """The printed theory, which differs by 5e-5 from the exact evolution it was compared with."""
    model, k = bf.zoo.qwz(mass=-1.2, asymmetry=0.3), jnp.array([0.4, 0.7])
    step = 1e-3  # of E; the next even order changes the quotient by 1e-6

    def velocity(field):
        fields = as_fields([field, 0.0], None, 2, model.units)
        now = motion(model, jnp.array(0), k, jnp.zeros(2), jnp.zeros(()), fields, Adiabatic(second_order=True))
        return np.asarray(now.velocity)

    second = (velocity(step) + velocity(-step) - 2 * velocity(0.0)) / (2 * step**2)
    np.testing.assert_allclose(second, [-0.132905, 0.243504], atol=2e-6)


@pytest.mark.parametrize(("field", "period"), [(0.05, 78.994284), (-0.05, 76.074607)])
def test_period_of_a_cyclotron_orbit_with_geometry(field, period):
    """Pocket of the second Haldane model at eps~ = 0.2: curvature and moment change the period with the sign of B."""
    model, corner = bf.zoo.haldane(mass=0.4, phase=np.pi / 3), np.array([4 * np.pi / 3, 0.0])

    def shifted(radius):
        bands = bf.bands(model, [corner + [radius, 0.0]])
        return float(bands.energies[0, 1] - field * bf.geometry.orbital_moment(bands)[0, 0, 1, 1]) - 0.2

    start = corner + [brentq(shifted, 0.05, 0.6, xtol=1e-13), 0.0]
    packet = bf.WavePacket([0.0, 0.0], start, band=1)
    run = bf.propagate(model, packet, [0.0, 200.0], magnetic_field=field, events=bf.Event.closed_orbit(), **ONCE)
    assert run.event_time.values == pytest.approx([period], abs=2e-6)  # printed to 1e-6, integrated to 2e-8
    assert np.isnan(run.position.values[0, -1]).all() and run.status.values[0] == "EVENT"


def test_a_pump_moves_a_filled_band_by_its_chern_number():
    """Rice-Mele cycle: the mean over k of the displacement of the lower band is +1 cell."""

    def cycle(k, x, t):
        a, b, mass = 1 + 0.4 * jnp.cos(t), 1 - 0.4 * jnp.cos(t), 0.5 * jnp.sin(t)
        off = a * jnp.exp(0.5j * k[0]) + b * jnp.exp(-0.5j * k[0])
        return jnp.array([[mass, off], [jnp.conj(off), -mass]])

    model = bf.LocalModel(cycle, lattice=[[1.0]], orbitals=[[0.0], [0.5]])
    assert (model.varies_in_space, model.varies_in_time) == (False, True)
    k = 2 * np.pi * (np.arange(64) + 0.5)[:, None] / 64
    # the cycle is fast against the gap, which the displacement of a filled band does not see
    with pytest.warns(bf.ValidityWarning, match="Transitions"):
        run = bf.propagate(model, bf.WavePacket(np.zeros_like(k), k), [0.0, 2 * np.pi], **ONCE)
    # twice the points, a thousandth of the error: 24 of them leave 2e-5
    assert run.position.values[:, -1, 0].mean() == pytest.approx(1.0, abs=1e-8)


def test_transit_through_a_texture_needs_the_gradient_energy():
    """Mean position behind a twist of the chain: with and without the gradient energy and the curvature."""
    length, start, time = 20.0, -216, 373.80225949
    references = {
        Adiabatic(gradient_energy=False): 246.843570,
        Adiabatic(): 256.777211,
        Adiabatic(gradient_energy=False, berry=False): 250.676019,
    }

    def chain(k, x, t, length=length):
        angle = jnp.pi * (1 + jnp.tanh(x[0] / length))
        first, second, mass = 1 + 0.3 * jnp.cos(angle), 1 - 0.3 * jnp.cos(angle), 0.6 * jnp.sin(angle)
        off = first * jnp.exp(1j * k[0]) + second * jnp.exp(-1j * k[0])
        return jnp.array([[mass, off], [jnp.conj(off), -mass]])

    model = bf.LocalModel(chain, lattice=[[2.0]], orbitals=[[0.0], [0.5]])
    nodes, weights = np.polynomial.hermite.hermgauss(9)
    k = np.pi / 2 + 0.3 + nodes / (np.sqrt(2) * 16.0)
    x = start + np.array([upper_connection(model.at([float(start)]), q) for q in k])
    for theory, expected in references.items():
        packets = bf.WavePacket(x[:, None], k[:, None], band=1)
        run = bf.propagate(model, packets, [0.0, time], theory=theory, **ONCE)
        # the tabulated trajectories were integrated to 2e-8 of their length
        assert weights @ run.position.values[:, -1, 0] / weights.sum() == pytest.approx(expected, abs=1e-5)


def upper_connection(model, k, step=1e-4):
    """A_k of the upper band in the gauge u_A > 0, by a difference of fourth order in the phase of u_B."""

    def state(q):
        u = np.linalg.eigh(np.asarray(model.hamiltonian([q])))[1][:, 1]
        return u * np.exp(-1j * np.angle(u[0]))

    u = [state(k + n * step) for n in (-2, -1, 0, 1, 2)]
    slope = (u[0] - 8 * u[1] + 8 * u[3] - u[4]) / (12 * step)
    return (1j * np.vdot(u[2], slope)).real
