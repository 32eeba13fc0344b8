"""Theories of several bands against exact packets: where they agree, how fast, and where one is known to fail."""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp

RUN = {"execution": bf.Execution(workers=1, progress=False)}
CHAIN = {"lattice": [[2.0]], "orbitals": [[0.0], [0.5]]}


def zener(k, mass=0.1):
    off = jnp.exp(1j * k[0]) + 0.8 * jnp.exp(-1j * k[0])
    return jnp.array([[mass, off], [jnp.conj(off), -mass]])


@pytest.mark.slow
def test_a_trajectory_differs_from_a_packet_by_one_over_its_width_squared():
    """Half a Bloch period in a strong field: one trajectory, and the mean over the wave vectors of the packet."""
    model, single = bf.LatticeModel(zener, **CHAIN), []
    for width in (20.0, 40.0, 80.0):
        packet = bf.WavePacket([0.0], [0.0], width=width)
        options = {"electric_field": [0.05], "envelope": "product", "center": [-16.0], **RUN}
        sites = int(8 * width) + 120
        for nodes in (1, 15):
            run = bf.exact.compare(
                model, packet, [0.0, 10 * np.pi], theories=("ehrenfest",), sites=sites, nodes=nodes, **options
            )
            off = -float(run.difference[0, 0, -1, 0])
            if nodes == 1:
                single.append(off)
            else:
                # the theory is exact for every wave vector: what is left are steps of 1e-9 and the sum over 15 points
                assert abs(off) < 1e-7
                np.testing.assert_allclose(run.theory_populations[0, 0, -1], run.populations[0, -1], atol=1e-8)
    np.testing.assert_allclose(single, [0.06152, 0.01575, 0.003996], atol=5e-6)


def textured_chain(k, x, t, length=200.0):
    first, mass = 1 + 0.05 * jnp.cos(x[0] / length), 0.1 + 0.15 * jnp.sin(x[0] / length)
    off = first * jnp.exp(1j * k[0]) + 0.8 * jnp.exp(-1j * k[0])
    return jnp.array([[mass, off], [jnp.conj(off), -mass]])


@pytest.mark.slow
@pytest.mark.parametrize(("width", "error"), [(40.0, -0.24218), (56.0, -0.13047), (80.0, -0.065867)])
def test_error_of_the_full_band_theory_in_a_texture(width, error):
    """At fixed time and L = W^2/8 it falls like 1/L only, as printed."""
    model = bf.LocalModel(textured_chain, **CHAIN).replace(length=width**2 / 8)
    packet = bf.WavePacket([0.0], [np.pi / 2 + 0.8], band=1, width=width)
    options = {"electric_field": [0.05], "envelope": "product", "sites": int(8 * width) + 120, **RUN}
    run = bf.exact.compare(model, packet, [0.0, 40.0], theories=("ehrenfest",), nodes=1, **options)
    assert float(run.difference[0, 0, -1, 0]) == pytest.approx(error, abs=5e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::blochflow.ValidityWarning")
def test_parts_of_a_superposition_go_with_their_bands():
    """Amplitudes with weight in both bands: each theory has its part, at the place where that part is."""
    model = bf.zoo.rice_mele(t_intra=1.0, t_inter=0.5, mass=0.4)
    states = np.linalg.eigh(np.asarray(model.hamiltonian([0.9])))[1]
    chi = states @ np.array([0.8, 0.6j])
    packet, times = bf.WavePacket([0.0], [0.9], amplitudes=chi, width=12.0), [0.0, 8.0]
    run = bf.exact.compare(model, packet, times, theories=("ehrenfest", bf.Manifold((0, 1))), sites=160, **RUN)
    assert run.largest_difference.values.max() < 1e-6
    # the part in the lower band, by itself: means of exact projections of the same packet
    lower = bf.WavePacket([0.0], [0.9], amplitudes=states[:, 0], width=12.0)
    alone = bf.exact.compare(model, lower, times, theories=(bf.Manifold((0,)), "ehrenfest"), sites=160, **RUN)
    # what lies outside of the band, 1e-3, is not in the first theory
    assert alone.largest_difference.values[1] < 1e-6 < alone.largest_difference.values[0] < 0.02
    with pytest.raises(ValueError, match="`amplitudes` must lie in the bands"):
        bf.exact.compare(model, packet, times, theories=(bf.Manifold((0,)),), sites=160, **RUN)
    with pytest.raises(ValueError, match="`amplitudes` must be left out with a theory of one band"):
        bf.exact.compare(model, packet, times, sites=160, **RUN)
