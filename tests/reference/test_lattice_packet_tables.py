"""Packets evolved on a lattice against tabulated exact evolutions of two-site chains."""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp

# length of the texture, start, time, exact mean position, that of trajectories with and without the gradient energy
TRANSITS = (
    (20.0, -216.0, 373.80225949, 256.626383, 256.777211, 246.843570),
    (40.0, -376.0, 650.69282207, 444.990338, 445.076600, 434.370407),
    (80.0, -672.0, 1162.94036285, 792.315952, 792.362940, 781.157555),
)


def twist(length):
    """A dimerised chain whose angle turns by 2 pi within a few ``length``."""

    def chain(k, x, t, length=length):
        angle = jnp.pi * (1 + jnp.tanh(x[0] / length))
        first, second, mass = 1 + 0.3 * jnp.cos(angle), 1 - 0.3 * jnp.cos(angle), 0.6 * jnp.sin(angle)
        off = first * jnp.exp(1j * k[0]) + second * jnp.exp(-1j * k[0])
        return jnp.array([[mass, off], [jnp.conj(off), -mass]])

    return bf.LocalModel(chain, lattice=[[2.0]], orbitals=[[0.0], [0.5]])


def transit(length, start, end):
    """Packet, and a sample with nine widths beyond start and end, in the gauge of the table: u_A > 0."""
    width = 16 * np.sqrt(length / 20)
    packet = bf.WavePacket([start], [np.pi / 2 + 0.3], band=1, width=width)
    return packet, {
        "sites": int((end - start + 18 * width) / 2),
        "center": [(start + end) / 2],
        "reference": [1.0, 0.0],
    }


@pytest.mark.parametrize(("length", "start", "time", "exact"), [row[:4] for row in TRANSITS])
def test_transit_through_a_texture(length, start, time, exact):
    packet, sample = transit(length, start, exact)
    run = bf.exact.lattice_packet(twist(length), packet, [0.0, time], **sample)
    # six printed digits; another choice than the centre of a bond is off by 0.1 and more
    assert run.position.values[0, -1, 0] == pytest.approx(exact, abs=6e-7)
    assert run.norm_error.values.max() < 1e-12
    assert run.energy_drift < 1e-12  # of energies of order 1
    assert run.populations.values[0, -1, 1] > 1 - 1e-9  # adiabatic: no transitions


@pytest.mark.slow
@pytest.mark.parametrize(("length", "start", "time", "exact", "theory", "without"), TRANSITS[:2])
def test_trajectories_against_the_transit(length, start, time, exact, theory, without):
    packet, sample = transit(length, start, exact)
    theories = ("adiabatic", bf.Adiabatic(gradient_energy=False))
    result = bf.exact.compare(twist(length), packet, [0.0, time], theories=theories, **sample)
    # the tabulated trajectories were integrated to 2e-8 of twice their length
    expected = np.array([theory, without]) - exact
    np.testing.assert_allclose(result.difference.values[:, 0, -1, 0], expected, atol=2e-5)
    # the packet starts at x0 + A(k), within a cell of x0
    assert result.path.values[0] == pytest.approx(exact - start, abs=1.0)
    assert "gradient_energy=False" in result.attrs["summary"]


@pytest.mark.parametrize(("width", "difference"), [(20.0, 0.06152), (40.0, 0.01575), (80.0, 0.003996)])
def test_half_a_period_of_a_bloch_zener_oscillation(width, difference):
    """A product packet in a uniform field, against the trajectory of its centre: the distance falls as 1/W^2."""
    chain = bf.TightBinding(
        [[2.0]], [[0.0], [0.5]], [(0.1, 0, 0, (0,)), (-0.1, 1, 1, (0,)), (1.0, 0, 1, (0,)), (0.8, 1, 0, (1,))]
    )
    packet = bf.WavePacket([0.0], [0.0], width=width)
    run = bf.exact.lattice_packet(
        chain,
        packet,
        [0.0, np.pi / 0.1],
        sites=int(40 + 8 * width),
        electric_field=[0.05],
        envelope="product",
        center=[-16.0],
    )
    # four printed digits
    assert run.position.values[0, -1, 0] + 32.7085227 == pytest.approx(difference, rel=2e-4)
    # the tabulated population is that of the centre
    assert run.populations.values[0, -1, 1] == pytest.approx(0.12579513, abs=0.7 / width**2)
    assert run.norm_error.values.max() < 1e-12 and run.energy_drift < 1e-11  # of potentials of order ten
