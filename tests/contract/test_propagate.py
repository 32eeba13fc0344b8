"""Wave packets: shapes, labels, events, and errors that name the place and the fix."""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp

QUICK = {"estimate_error": False, "execution": bf.Execution(workers=1, progress=False)}
MODEL = bf.zoo.haldane()
PACKET = bf.WavePacket([0.0, 0.0], [[0.3, 0.5], [0.4, -0.2], [1.0, 0.1]], band=[0, 1, 0], weight=0.5)


def test_labels_units_and_errors():
    run = bf.propagate(MODEL, PACKET, [0.0, 1.0, 4.0], electric_field=[0.05, 0.0])
    assert run.position.dims == ("packet", "time", "a") and run.position.shape == (3, 3, 2)
    assert run.attrs["status"] == "CONVERGED" and set(run.status.values) == {"COMPLETE"}
    np.testing.assert_array_equal(run.band, [0, 1, 0])
    np.testing.assert_allclose(run.wavevector.values[:, -1] - PACKET.wavevector, [[-0.2, 0.0]] * 3, atol=1e-12)
    assert run.position.attrs["units"] == "a" and run.time.attrs["units"] == "hbar/E"
    # the truth: a run a thousand times more accurate
    fine = bf.propagate(
        MODEL, PACKET, [0.0, 1.0, 4.0], electric_field=[0.05, 0.0], tolerance=bf.Tolerance(rtol=1e-12), **QUICK
    )
    assert (np.abs(run.position - fine.position) <= run.position_error + 1e-12).all()


def test_packets_do_not_depend_on_their_company():
    times, field = [0.0, 3.0], {"electric_field": [0.05, 0.01]}
    together = bf.propagate(MODEL, PACKET, times, **field, **QUICK)
    for i in range(3):
        one = bf.WavePacket(PACKET.position[i], PACKET.wavevector[i], band=int(PACKET.band[i]))
        alone = bf.propagate(MODEL, one, times, **field, **QUICK)
        # another place in a batch may round otherwise
        np.testing.assert_allclose(alone.position[0], together.position[i], atol=1e-13)


def test_units_of_solids():
    """A lattice in angstrom and eV: k moves by eE t/hbar, with hbar in eV fs."""
    chain = bf.LatticeModel(lambda k: jnp.array([[-2 * jnp.cos(3.0 * k[0])]]), [[3.0]], units=bf.EV_ANGSTROM)
    run = bf.propagate(chain, bf.WavePacket([0.0], [0.1]), [0.0, 100.0], electric_field=[1e-3], **QUICK)
    assert run.wavevector.values[0, -1, 0] == pytest.approx(0.1 - 1e-3 * 100 / 0.6582119569, abs=1e-9)
    assert run.velocity.attrs["units"] == "angstrom/fs"
    expected = 6.0 * np.sin(3.0 * run.wavevector.values[0, -1, 0]) / 0.6582119569
    assert run.velocity.values[0, -1, 0] == pytest.approx(expected, rel=1e-9)


def test_fields_given_as_functions_are_those_given_as_vectors():
    times = [0.0, 4.0]
    plain = bf.propagate(MODEL, PACKET, times, electric_field=[0.05, 0.01], magnetic_field=0.1, **QUICK)
    as_functions = bf.propagate(
        MODEL,
        PACKET,
        times,
        electric_field=lambda x, t: jnp.array([0.05, 0.01]),
        magnetic_field=lambda x, t: jnp.array(0.1),
        **QUICK,
    )
    np.testing.assert_allclose(plain.position, as_functions.position, atol=1e-12)


def test_zone_crossings_and_sections_are_recorded_in_order():
    chain = bf.LatticeModel(lambda k: jnp.array([[-2 * jnp.cos(k[0])]]), [[1.0]])
    events = [bf.Event.zone_crossing(), bf.Event.section([1.0], 0.0), bf.Event.zero_of(lambda t, x, k: t - 10.0)]
    run = bf.propagate(chain, bf.WavePacket([0.0], [1.0]), [0.0, 60.0], electric_field=[0.2], events=events, **QUICK)
    at = dict(zip(run.event_time.values.round(9).tolist(), run.event_name.values.tolist(), strict=True))
    # k = 1 - 0.2 t crosses 0 at 5, -pi and -3 pi at (1 + pi)/0.2 and (1 + 3 pi)/0.2
    expected = {5.0: "section", 10.0: "zero", round(5 + 5 * np.pi, 9): "zone_crossing"}
    expected[round(5 + 15 * np.pi, 9)] = "zone_crossing"
    assert at == expected


def test_a_terminal_event_stops_one_packet_and_not_the_others():
    event = bf.Event.section([1.0, 0.0], 0.22, terminal=True)
    run = bf.propagate(MODEL, PACKET, [0.0, 1.0, 4.0], electric_field=[0.05, 0.0], events=event, **QUICK)
    assert run.status.values.tolist() == ["EVENT", "EVENT", "COMPLETE"]
    np.testing.assert_allclose(run.event_time, [1.6, 3.6], atol=1e-9)
    assert np.isnan(run.position.values[0, 2]).all() and np.isfinite(run.position.values[2]).all()


def test_a_gap_that_is_small_at_the_start_is_an_event_there():
    """Like one that is met later: the gap of a cone is 2 (m^2 + k^2)^(1/2)."""
    model = bf.zoo.massive_dirac(mass=0.3)
    packet = bf.WavePacket([0.0, 0.0], [[0.0, 0.1], [0.8, 0.1]], band=1)
    field = {"electric_field": [0.05, 0.0], **QUICK}
    events = [bf.Event.gap_below(0.8, terminal=end) for end in (True, False)]
    runs = [bf.propagate(model, packet, [0.0, 10.0], events=event, **field) for event in events]
    # k_x = 0.8 - t/20 reaches (0.16 - 0.09 - 0.01)^(1/2)
    met = 20 * (0.8 - 0.06**0.5)
    for run, statuses in zip(runs, (["EVENT", "COMPLETE"], ["COMPLETE", "COMPLETE"]), strict=True):
        assert run.status.values.tolist() == statuses
        np.testing.assert_array_equal(run.event_packet, [0])
        np.testing.assert_array_equal(run.event_time, [0.0])
        np.testing.assert_allclose(run.event_wavevector, [[0.0, 0.1]])
    assert np.isnan(runs[0].position.values[0, 1]).all() and np.isfinite(runs[0].position.values[0, 0]).all()
    later = bf.propagate(model, packet, [0.0, 20.0], events=events[0], **field)
    assert later.status.values.tolist() == ["EVENT", "EVENT"]
    np.testing.assert_allclose(np.sort(later.event_time), [0.0, met], atol=1e-8)


def test_a_singular_phase_space_stops_with_a_status():
    """D = 1 + B Omega falls below a tenth in a strong field near a small gap."""
    model = bf.zoo.massive_dirac(mass=0.05)
    packet = bf.WavePacket([0.0, 0.0], [0.3, 0.0], band=1)
    run = {"electric_field": [0.2, 0.0], "magnetic_field": 0.01, "theory": bf.Adiabatic(moment=False), **QUICK}
    with pytest.raises(bf.ConvergenceError, match="phase-space density") as caught:
        bf.propagate(model, packet, [0.0, 10.0], **run)
    assert caught.value.result.status.values[0] == "SINGULAR"


def test_packets_that_begin_where_they_could_not_go_do_not_move():
    """D < 0 at the node of a cone and in its surroundings in a strong field, 1 far away; a fast packet near a node."""
    model, field = bf.zoo.massive_dirac(mass=0.2), {"electric_field": [0.0, 0.001], "magnetic_field": 0.2}
    packets = bf.WavePacket([0.0, 0.0], [[0.0, 0.0], [0.02, 0.0], [2.0, 0.0]], band=1)
    run = bf.propagate(model, packets, [0.0, 1.0], **field, throw=False, **QUICK)
    assert run.status.values.tolist() == ["SINGULAR", "SINGULAR", "COMPLETE"]
    assert np.isnan(run.position.values[:2, 1]).all() and np.isfinite(run.position.values[:, 0]).all()
    with pytest.raises(bf.ConvergenceError, match="2 of 3 packets .* phase-space density"):
        bf.propagate(model, packets, [0.0, 1.0], **field, **QUICK)
    small = bf.zoo.massive_dirac(mass=1e-3)
    fast = bf.propagate(
        small,
        bf.WavePacket([0.0, 0.0], [0.0, 0.0], band=1),
        [0.0, 1.0],
        electric_field=[1.0, 0.0],
        throw=False,
        **QUICK,
    )
    assert fast.status.values.tolist() == ["DIABATIC"]


def test_events_at_the_same_moment_all_happen():
    """k = E t: lines that coincide, given twice or once in other words, and faces of the zone in both axes at once."""
    section = bf.Event.section
    events = [bf.Event.zone_crossing(), section([1, 0], -1), section([1, 0], -1), section([2, 0], -2)]
    last = [section([0, 1], -6, terminal=True), section([1, 0], -6)]
    packet, field = bf.WavePacket([0.0, 0.0], [0.0, 0.0]), {"electric_field": [1.0, 1.0]}
    run = bf.propagate(bf.zoo.square(), packet, [0.0, 10.0], **field, events=[*events, *last], **QUICK)
    np.testing.assert_allclose(run.event_time, [1, 1, 1, np.pi, np.pi, 6, 6], rtol=1e-12)
    assert run.status.values.tolist() == ["EVENT"] and run.end_time.values == pytest.approx(6.0)
    both = [section([1, 0], -1.0), section([1, 0], -1.0, terminal=True)]
    run = bf.propagate(bf.zoo.square(), packet, [0.0, 10.0], **field, events=both, **QUICK)
    assert run.status.values.tolist() == ["EVENT"] and run.end_time.values == pytest.approx(1.0)


def test_an_orbit_closes_up_to_a_reciprocal_vector():
    """A Bloch oscillation along 2 b1 + b2 = (4 pi, 0), and a packet that leaves the cutoff of a k.p model."""
    closed = bf.Event.closed_orbit(terminal=False)
    run = bf.propagate(MODEL, PACKET, [0.0, 130.0], electric_field=[0.1, 0.0], events=closed, **QUICK)
    first = run.event_time.values[run.event_packet.values == 0]
    np.testing.assert_allclose(first, [40 * np.pi], rtol=1e-9)
    far = bf.WavePacket([0.0, 0.0], [0.3, 0.2], band=1)
    with pytest.warns(bf.ValidityWarning, match="beyond the cutoff"):
        bf.propagate(bf.zoo.massive_dirac(mass=0.5), far, [0.0, 200.0], electric_field=[-0.1, 0.0], **QUICK)


def test_a_packet_that_cannot_stay_in_its_band_stops_with_a_status():
    """On the axis of a cone eE <m|d_k u>/gap = E m/4 (m^2 + k^2)^3/2 reaches 100 at this k."""
    mass, field = 1e-3, 0.2
    model = bf.zoo.massive_dirac(mass=mass)
    with pytest.raises(bf.ConvergenceError, match="hundred times") as caught:
        bf.propagate(model, bf.WavePacket([0.0, 0.0], [0.3, 0.0], band=1), [0.0, 10.0], electric_field=[field, 0.0])
    run = caught.value.result
    assert run.status.values[0] == "DIABATIC"
    k = np.sqrt((field * mass / 400) ** (2 / 3) - mass**2)
    # the root of the guard is found to 1e-14 of a step, the path to the tolerance
    np.testing.assert_allclose(run.end_wavevector.values[0], [k, 0.0], rtol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"packet": [0.0, 0.0]}, "`packet` must be a bf.WavePacket"),
        ({"packet": bf.WavePacket([0.0], [0.1])}, "2 components"),
        ({"packet": bf.WavePacket([0.0, 0.0], [0.3, 0.5], band=2)}, "bands 0 to 1"),
        ({"times": [0.0]}, "at least two times"),
        ({"times": [0.0, 2.0, 1.0]}, "increasing or decreasing"),
        ({"electric_field": [0.1]}, r"vector \(2,\)"),
        ({"magnetic_field": [0.0, 0.0, 1.0]}, "number, B_z"),
        ({"theory": "adiabatc"}, "did you mean 'adiabatic'"),
        ({"tolerance": 1e-3}, "bf.Tolerance"),
        ({"tolerance": bf.Tolerance(rtol=1.0)}, "between"),
        ({"events": ["zone"]}, "bf.Event objects"),
        ({"events": None}, "`events` must be a bf.Event"),
        ({"tolerance": bf.Tolerance(rtol=1e-8, atol=1e-3)}, "have no atol"),
        ({"events": bf.Event.section([1.0])}, "2 components"),
        ({"model": "haldane"}, "`model` must be a model"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    arguments = {"model": MODEL, "packet": bf.WavePacket([0.0, 0.0], [0.3, 0.5]), "times": [0.0, 1.0], **change}
    with pytest.raises(ValueError, match=message):
        bf.propagate(arguments.pop("model"), arguments.pop("packet"), arguments.pop("times"), **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"position": [0.0], "wavevector": [0.1, 0.2]}, "2 components like `wavevector`"),
        ({"position": [0.0], "wavevector": [np.nan]}, "finite"),
        ({"position": [0.0], "wavevector": [0.1], "band": 0.5}, "integer"),
        ({"position": [0.0], "wavevector": [0.1], "width": 0.0}, "greater than 0"),
        ({"position": [0.0], "wavevector": [0.1], "amplitudes": [1.0, 1.0]}, "norm 1"),
        ({"position": [[0.0]] * 2, "wavevector": [[0.1]] * 3}, "each of the 3 packets"),
    ],
)
def test_impossible_packets_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        bf.WavePacket(**arguments)


def test_a_degenerate_start_and_bad_functions_are_named():
    copies = bf.LatticeModel(lambda k: jnp.cos(k[0]) * jnp.eye(2), [[1.0]])
    with pytest.raises(bf.DegenerateBandsError, match="wave packet of one band"):
        bf.propagate(copies, bf.WavePacket([0.0], [0.3]), [0.0, 1.0])
    packet = bf.WavePacket([0.0, 0.0], [0.3, 0.5])
    with pytest.raises(bf.UserModelError, match="electric_field"):
        bf.propagate(MODEL, packet, [0.0, 1.0], electric_field=lambda x, t: 1.0)
    with pytest.raises(bf.UserModelError, match="one finite real number"):
        bf.propagate(MODEL, packet, [0.0, 1.0], events=bf.Event.zero_of(lambda t, x, k: x))
    with pytest.raises(bf.UserModelError, match="map of 'mass'"):
        bf.textured(bf.zoo.qwz(), mass=lambda x, t: x)
    with pytest.raises(ValueError, match="did you mean 'mass'"):
        bf.textured(bf.zoo.qwz(), mas=lambda x, t: x[0])


def test_between_saved_times():
    """Interpolation against saved values of a run with more times, forwards and backwards."""
    field = {"electric_field": [0.05, 0.01], **QUICK}
    every, between = np.linspace(0.0, 6.0, 13), np.array([0.1, 2.77, 5.9])
    run = bf.propagate(MODEL, PACKET, every, **field)
    found = bf.interpolate(run, between)
    exact = bf.propagate(MODEL, PACKET, [0.0, *between], **field).isel(time=slice(1, None))
    for name in ("position", "wavevector"):
        miss = np.abs(found[name].values - exact[name].values)
        # the error is that of the lower polynomial; rounding of the values
        assert (miss <= found[f"{name}_error"].values + 1e-12).all() and miss.max() < 1e-6
    back = bf.propagate(MODEL, PACKET, every[::-1], **field)
    np.testing.assert_allclose(
        bf.interpolate(back, every[3:5]).position, back.position.values[:, 13 - 1 - np.array([3, 4])], atol=1e-12
    )
    with pytest.raises(ValueError, match="between 0 and 6"):
        bf.interpolate(run, [7.0])
