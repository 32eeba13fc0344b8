"""Where trajectories must approach exact packets: wide packets, weak fields, slow drives, magnetic fields."""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp

QUICK = {"execution": bf.Execution(workers=1, progress=False)}


def test_anomalous_velocity_of_a_packet():
    """Across a weak field the packet drifts by -kdot x Omega; the other sign of the curvature is far off."""
    model, field = bf.zoo.qwz(mass=-1.2), 0.01
    packet = bf.WavePacket([0.0, 0.0], [0.0, 0.0], width=8.0)
    result = bf.exact.compare(model, packet, [0.0, 20.0], sites=110, electric_field=[field, 0.0], nodes=5, **QUICK)
    drift = result.position.values[0, -1, 1]
    assert abs(drift) > 0.1
    # what is left oscillates with eE/gap^2, from the field that is there at once
    assert abs(result.difference.values[0, 0, -1, 1]) < 0.05 * abs(drift)


def test_the_distance_to_one_trajectory_falls_with_the_square_of_the_width():
    """One node is the trajectory of the centre; the average over k follows the packet to 1e-6."""
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,)), (0.3, 0, 0, (2,))])
    alone = []
    for width in (6.0, 12.0):
        packet = bf.WavePacket([0.0], [0.6], width=width)
        options = {"sites": int(110 + 12 * width), "electric_field": [0.1], **QUICK}
        alone.append(bf.exact.compare(chain, packet, [0.0, 20.0], nodes=1, **options).difference.values[0, 0, -1, 0])
        mean = bf.exact.compare(chain, packet, [0.0, 20.0], nodes=9, **options)
        assert abs(mean.difference.values[0, 0, -1, 0]) < 1e-6  # of a path of ten sites; edges at 5 widths
    # exact order 1/W^2, corrections of order 1/W^4
    assert alone[0] / alone[1] == pytest.approx(4.0, rel=0.02)


def test_cyclotron_motion():
    """Electrons turn left in a positive field, on the lattice as on trajectories, with the same kinetic wave vector."""
    packet = bf.WavePacket([0.0, 0.0], [0.6, 0.0], width=5.0)
    result = bf.exact.compare(
        bf.zoo.square(), packet, [0.0, 8.0, 16.0], sites=110, magnetic_field=0.05, nodes=7, center=[10.0, 8.0], **QUICK
    )
    assert result.position.values[0, -1, 1] > 5  # moving along x at first, it turns to +y
    # a fraction of 1e-3 of the path, from the second order in the field
    assert result.largest_difference.values[0, 0] < 3e-3 * result.path.values[0]
    alone = bf.WavePacket([0.0, 0.0], [0.6, 0.0])
    run = bf.propagate(bf.zoo.square(), alone, [0.0, 16.0], magnetic_field=0.05, estimate_error=False, **QUICK)
    np.testing.assert_allclose(result.wavevector.values[0, -1], run.wavevector.values[0, -1], atol=0.03)


@pytest.mark.slow
def test_berry_curvature_and_moment_in_a_magnetic_field():
    """Haldane model: the distance from the trajectories falls with B; without curvature or moment it stays."""
    model = bf.zoo.haldane(mass=1.2, phase=np.pi / 3)
    near, without = [], []
    for field in (0.02, 0.01):
        width = np.sqrt(0.5 / field)  # as wide as its spread in the vector potential allows
        packet = bf.WavePacket([0.0, 0.0], [4 * np.pi / 3 + 0.5, 0.2], band=1, width=width)
        result = bf.exact.compare(
            model,
            packet,
            [0.0, 0.5 / field],
            theories=("adiabatic", bf.Adiabatic(berry=False), bf.Adiabatic(moment=False)),
            sites=int(60 + 18 * width),
            magnetic_field=field,
            **QUICK,
        )
        near.append(result.largest_difference.values[0, 0])
        without.append(result.largest_difference.values[1:, 0])
    assert near[0] / near[1] == pytest.approx(2.0, rel=0.1)  # first order in B
    for number in range(2):
        assert without[1][number] > 0.9 * without[0][number] > 5 * near[0]


@pytest.mark.slow
def test_both_fields_in_three_dimensions():
    """Complex hoppings, E and B in general directions: signs of all components of the vector potential."""
    hoppings = [(-1.0, 0, 0, (1, 0, 0)), (-0.7, 0, 0, (0, 1, 0)), (-0.5, 0, 0, (0, 0, 1)), (0.2j, 0, 0, (1, 1, 0))]
    model = bf.TightBinding(np.eye(3), [[0.0, 0.0, 0.0]], hoppings)
    packet = bf.WavePacket([0.0, 0.0, 0.0], [0.5, -0.3, 0.4], width=3.0)
    fields = {"magnetic_field": [0.05, -0.08, 0.1], "electric_field": [0.02, 0.03, -0.05]}
    result = bf.exact.compare(
        model, packet, [0.0, 2.0, 4.0], sites=48, nodes=5, center=[2.0, 0.0, 0.0], **fields, **QUICK
    )
    # without B the path would be off by a tenth; what is left is of second order in B
    assert result.largest_difference.values[0, 0] < 3e-4 * result.path.values[0]


def test_a_pump_carries_a_packet():
    """A cycle of the Rice-Mele chain: the velocity of pumping, Omega_kt, and that of the band."""

    def cycle(k, x, t, rate=0.2):
        first, second, mass = 1 + 0.4 * jnp.cos(rate * t), 1 - 0.4 * jnp.cos(rate * t), 0.5 * jnp.sin(rate * t)
        off = first * jnp.exp(0.5j * k[0]) + second * jnp.exp(-0.5j * k[0])
        return jnp.array([[mass, off], [jnp.conj(off), -mass]])

    model = bf.LocalModel(cycle, lattice=[[1.0]], orbitals=[[0.0], [0.5]])
    packet = bf.WavePacket([0.0], [np.pi], width=8.0)  # the velocity of the band is zero here
    result = bf.exact.compare(model, packet, [0.0, 5 * np.pi], sites=110, nodes=5, **QUICK)
    moved = result.position.values[0, -1, 0]
    assert abs(moved) > 0.3
    assert abs(result.difference.values[0, 0, -1, 0]) < 0.1 * abs(moved)  # of second order in the rate over the gap
    assert np.isnan(result.energy_drift)
