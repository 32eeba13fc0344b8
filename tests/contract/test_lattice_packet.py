"""What an exact evolution returns, and what it refuses before it starts."""

from __future__ import annotations

import re

import numpy as np
import pytest
from typer.testing import CliRunner

import blochflow as bf
from blochflow.cli.app import app
from blochflow.core.backend import jnp

CHAIN = bf.TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))])
PACKET = bf.WavePacket([0.0], [0.3], width=5.0)


def cone(k, mass=0.3):
    return jnp.array([[mass, k[0] - 1j * k[1]], [k[0] + 1j * k[1], -mass]])


def test_result_is_labelled_and_survives_a_file(tmp_path):
    packets = bf.WavePacket([[0.0], [4.0]], [[0.3], [-0.2]], width=5.0)
    run = bf.exact.lattice_packet(CHAIN, packets, [0.0, 1.0, 3.0], sites=90, electric_field=[0.1])
    assert run.position.dims == ("packet", "time", "a") and run.position.shape == (2, 3, 1)
    assert run.populations.dims == ("packet", "time", "band")
    assert list(run.status.values) == ["COMPLETE", "COMPLETE"] and run.attrs["status"] == "CONVERGED"
    assert run.position.units == run.attrs["units"] == "a"
    # uniform fields: the wave vector moves at the rate -eE, energies follow
    np.testing.assert_allclose(run.wavevector.values[0, :, 0], 0.3 - 0.1 * run.time.values, atol=1e-9)
    damped = np.exp(-1 / (8 * 25.0))
    np.testing.assert_allclose(run.energy.values[0], -2 * damped * np.cos(0.3 - 0.1 * run.time.values), atol=1e-9)
    assert run.energy_drift < 1e-13 and run.norm_error.values.max() < 1e-13
    bf.save(run, tmp_path / "packet.nc")
    again = bf.open(tmp_path / "packet.nc")
    np.testing.assert_array_equal(again.position.values, run.position.values)
    assert again.attrs["equation"] == run.attrs["equation"]


def test_many_packets_move_like_each_alone():
    packets = bf.WavePacket([[0.0], [4.0]], [[0.3], [-0.2]], width=5.0)
    both = bf.exact.lattice_packet(CHAIN, packets, [0.0, 3.0], sites=100, center=[2.0])
    for number, (x, k) in enumerate([(0.0, 0.3), (4.0, -0.2)]):
        one = bf.exact.lattice_packet(CHAIN, bf.WavePacket([x], [k], width=5.0), [0.0, 3.0], sites=100, center=[2.0])
        np.testing.assert_allclose(one.position.values[0], both.position.values[number], atol=1e-12)


def test_a_packet_that_reaches_an_edge_is_not_a_result():
    options = {"sites": 60, "electric_field": None}
    with pytest.raises(bf.ConvergenceError, match=r"raise `sites`, move the sample with `center`") as caught:
        bf.exact.lattice_packet(CHAIN, bf.WavePacket([0.0], [1.5], width=5.0), [0.0, 20.0], **options)
    assert caught.value.result.status.values[0] == "EDGE"
    with pytest.warns(bf.ValidityWarning, match="a sample with edges"):
        run = bf.exact.lattice_packet(
            CHAIN, bf.WavePacket([0.0], [1.5], width=5.0), [0.0, 20.0], throw=False, **options
        )
    assert run.attrs["status"] == "EDGE" and run.edge_weight.values[0] > 1e-3


def test_amplitudes_and_a_product_of_the_band_are_the_same_state():
    model, k = bf.zoo.qwz(), [0.4, 0.2]
    cell = np.linalg.eigh(np.asarray(model.hamiltonian(k)))[1][:, 1]
    given = bf.WavePacket([0.0, 0.0], k, amplitudes=cell, width=3.0)
    chosen = bf.WavePacket([0.0, 0.0], k, band=1, width=3.0)
    runs = [
        bf.exact.lattice_packet(model, given, [0.0, 2.0], sites=40),
        bf.exact.lattice_packet(model, chosen, [0.0, 2.0], sites=40, envelope="product"),
    ]
    np.testing.assert_allclose(runs[0].position.values, runs[1].position.values, atol=1e-12)
    assert runs[0].attrs["envelope"] == "product"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"packet": bf.WavePacket([0.0], [0.3])}, "`packet` must have a width, the standard deviation"),
        ({"packet": bf.WavePacket([0.0, 0.0], [0.3, 0.1], width=5.0)}, "`packet` must have 1 components"),
        ({"packet": bf.WavePacket([0.0], [0.3], band=1, width=5.0)}, "`band` must name bands 0 to 0"),
        ({"packet": "here"}, "`packet` must be a bf.WavePacket"),
        ({"model": "chain"}, "`model` must be a model"),
        ({"times": [0.0]}, "`times` must hold at least two times"),
        ({"times": [0.0, 2.0, 1.0]}, "`times` must hold at least two times"),
        ({"sites": 40}, "`sites` must leave 5 widths between each packet and the edges: more than 51 cells along a1"),
        ({"sites": 80.0}, "`sites` must be a number of unit cells"),
        ({"sites": [80, 80]}, "`sites` must be a number of unit cells"),
        ({"sites": 10**8}, "`sites` must need at most the 4 GiB of Execution"),
        ({"center": [60.0]}, "`center` moves the sample"),
        ({"center": [0.0, 0.0]}, "`center` must have shape (1,)"),
        ({"envelope": "bands"}, "did you mean 'band'?"),
        ({"reference": [1.0, 0.0]}, "`reference` must be a state of 1 components"),
        ({"reference": [1.0], "envelope": "product"}, '`reference` must be left out with envelope "product"'),
        ({"lattice_constant": 1.0}, "`lattice_constant` must be left out for a model with a lattice"),
        ({"magnetic_field": 0.1}, "`magnetic_field` must be None for a one-dimensional model"),
        ({"electric_field": [0.1, 0.2]}, "`electric_field` must be a vector (1,)"),
        ({"electric_field": lambda x, t: 0.1 * x}, "`electric_field` must be uniform in space; write the potential"),
        ({"tolerance": 1e-6}, "`tolerance` must be a bf.Tolerance"),
        ({"tolerance": bf.Tolerance(rtol=0.5)}, "`tolerance` must have an rtol between"),
        ({"throw": "no"}, "`throw` must be True or False"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    given = {"model": CHAIN, "packet": PACKET, "times": [0.0, 1.0], "sites": 80, **change}
    with pytest.raises(ValueError, match=re.escape(message)):
        bf.exact.lattice_packet(given.pop("model"), given.pop("packet"), given.pop("times"), **given)


def test_magnetic_fields_are_uniform():
    with pytest.raises(ValueError, match="`magnetic_field` must be uniform and steady"):
        bf.exact.lattice_packet(
            bf.zoo.square(),
            bf.WavePacket([0.0, 0.0], [0.3, 0.0], width=3.0),
            [0.0, 1.0],
            sites=40,
            magnetic_field=lambda x, t: 0.1 * x[0],
        )


def test_continuum_models_need_a_lattice_fine_enough():
    model = bf.ContinuumModel(cone, 2, cutoff=2.0)
    packet, options = bf.WavePacket([0.0, 0.0], [0.4, 0.0], band=1, width=4.0), {"sites": 60}
    with pytest.raises(ValueError, match="`lattice_constant` must be given for a k.p model"):
        bf.exact.lattice_packet(model, packet, [0.0, 1.0], **options)
    with pytest.raises(ValueError, match=r"`lattice_constant` must be small enough for the packet: \|k\| well below"):
        bf.exact.lattice_packet(model, packet, [0.0, 1.0], lattice_constant=3.0, **options)
    run = bf.exact.lattice_packet(model, packet, [0.0, 4.0], lattice_constant=0.5, sites=150)
    # the mean of v = k/E over the packet; the lattice changes it by (ka)^8/70, 1e-5 where few of its waves are
    z, w = np.polynomial.hermite_e.hermegauss(15)
    x, y = 0.4 + z[:, None] / 8, z[None, :] / 8
    mean = np.outer(w, w) * x / np.sqrt(x**2 + y**2 + 0.09)
    moved = run.position.values[0, -1, 0] - run.position.values[0, 0, 0]
    assert moved == pytest.approx(4 * mean.sum() / w.sum() ** 2, abs=3e-6)
    assert run.attrs["lattice_constant"] == 0.5 and run.populations.values[0, -1, 1] == pytest.approx(1, abs=1e-10)


def test_a_driven_packet_of_a_continuum_model_may_not_leave_its_zone():
    model = bf.ContinuumModel(lambda k: jnp.array([[k @ k / 2]]), 1, cutoff=2.0)
    packet = bf.WavePacket([0.0], [0.0], width=6.0)
    with pytest.raises(bf.ConvergenceError, match="lower `lattice_constant`"):
        bf.exact.lattice_packet(
            model, packet, [0.0, 20.0], lattice_constant=1.0, sites=120, electric_field=[-0.1], center=[10.0]
        )


def test_bands_that_meet_within_a_packet():
    graphene = bf.zoo.haldane(mass=0.0, t2=0.0)
    corner = np.array([4 * np.pi / 3, 0.0])
    with pytest.raises(bf.DegenerateBandsError, match="wave packet"):
        bf.exact.lattice_packet(graphene, bf.WavePacket([0.0, 0.0], corner, width=3.0), [0.0, 1.0], sites=60)
    # beside the corner the states turn by pi around it, and no phase is smooth
    with pytest.raises(ValueError, match="`reference` must overlap with the band throughout the packet"):
        beside = bf.WavePacket([0.0, 0.0], corner + [0.1, 0.0], width=3.0)
        bf.exact.lattice_packet(graphene, beside, [0.0, 1.0], sites=61)


def test_hoppings_that_do_not_end():
    """H(k) with a cusp is refused in small tails too, with what they amount to."""

    def soft(k):
        return jnp.array([[jnp.sqrt(1e-3 + jnp.sin(k[0] / 2) ** 2)]])

    packet = bf.WavePacket([0.0], [0.8], width=8.0)
    with pytest.warns(bf.ValidityWarning, match="beyond 64 cells are cut"):
        run = bf.exact.lattice_packet(bf.LatticeModel(soft, [[1.0]]), packet, [0.0, 1.0], sites=400)
    assert 0 < run.hopping_error < 1e-2
    assert run.position_error.values[0, -1, 0] >= run.hopping_error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"theories": "adiabatic"}, "`theories` must be a sequence"),
        ({"theories": ()}, "`theories` must be a sequence"),
        ({"theories": ("adiabatik",)}, "did you mean 'adiabatic'?"),
        ({"theories": ("adiabatic", "adiabatic")}, "`theories` must name every theory once"),
        ({"nodes": 0}, "`nodes` must be an integer of at least 1"),
        ({"sites": 20}, "`sites` must leave 5 widths"),
    ],
)
def test_wrong_arguments_of_a_comparison_are_named(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        bf.exact.compare(CHAIN, PACKET, [0.0, 1.0], **{"sites": 80, **change})


def test_a_comparison_says_how_far_off_each_theory_is():
    times = [0.0, 2.0, 4.0]
    result = bf.exact.compare(CHAIN, PACKET, times, sites=90, electric_field=[0.1], nodes=7)
    assert result.difference.dims == ("theory", "packet", "time", "a")
    assert list(result.theory.values) == ["adiabatic"]
    np.testing.assert_allclose(result.difference.values, result.theory_position.values - result.position.values)
    # one band: trajectories are exact for every k
    assert result.largest_difference.values.max() < 1e-7
    assert re.match(r"adiabatic: at most \S+ a off \(x \S+\) at t = ", result.attrs["summary"])


def test_explained_on_the_command_line():
    for name in ("lattice_packet", "compare"):
        shown = CliRunner().invoke(app, ["explain", f"exact.{name}"])
        assert shown.exit_code == 0 and "Keys of a task" in shown.output and "packet" in shown.output
