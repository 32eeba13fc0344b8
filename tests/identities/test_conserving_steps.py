"""Steps that conserve the energy: order, long times, reversibility, textures, what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp

QUICK = {"execution": bf.Execution(workers=1, progress=False)}
MODEL = bf.zoo.haldane(phase=np.pi / 3, mass=0.4)
PACKET = bf.WavePacket([0.0, 0.0], [[0.3, 0.5], [1.0, -0.4]], band=[0, 1])
FIELDS = {"electric_field": [0.03, 0.01], "magnetic_field": 0.05}


def test_fourth_order_and_an_honest_error():
    exact = bf.propagate(
        MODEL, PACKET, [0.0, 20.0], **FIELDS, tolerance=bf.Tolerance(rtol=1e-13), estimate_error=False, **QUICK
    )
    misses = []
    for step in (1.0, 0.5):
        run = bf.propagate(MODEL, PACKET, [0.0, 20.0], **FIELDS, conserving_step=step, **QUICK)
        miss = np.abs(run.position - exact.position)
        # half the step has a sixteenth of the error, so that the difference is 15/16 of it
        assert (miss <= 1.15 * run.position_error + 1e-12).all()
        assert float(run.energy_drift.max()) < 1e-13
        misses.append(float(miss.max()))
    # 2^4, between steps at which the next order is a tenth
    assert 12 < misses[0] / misses[1] < 20


@pytest.mark.slow
def test_energy_stays_over_many_orbits():
    """Twenty-five cyclotron orbits with coarse steps: |h - h(0)| is rounding, and the way back is the way there."""
    packet = bf.WavePacket([0.0, 0.0], [4 * np.pi / 3 + 0.3, 0.0], band=1)
    options = {"magnetic_field": 0.05, "conserving_step": 2.0, "estimate_error": False, **QUICK}
    run = bf.propagate(MODEL, packet, [0.0, 1000.0, 2000.0], **options)
    assert float(run.energy_drift.max()) < 1e-12
    end = bf.WavePacket(run.position.values[:, -1], run.wavevector.values[:, -1], band=1)
    back = bf.propagate(MODEL, end, [2000.0, 0.0], **options)
    # rounding of a thousand steps, amplified along the orbit in proportion to the time
    assert np.abs(back.position.values[0, -1]).max() < 1e-8


@pytest.mark.slow
def test_texture_with_events():
    wall = bf.zoo.domain_wall(offset=0.2)
    packet = bf.WavePacket([-60.0, 0.0], [0.5, 0.2], band=1)
    event = bf.Event.section([1.0, 0.0], 0.0)
    kept = {"events": event, "estimate_error": False, **QUICK}
    exact = bf.propagate(wall, packet, [0.0, 200.0], tolerance=bf.Tolerance(rtol=1e-12), **kept)
    run = bf.propagate(wall, packet, [0.0, 200.0], conserving_step=2.0, **kept)
    assert float(run.energy_drift.max()) < 1e-13
    # fourth order of steps of 2 in a wall of width 20
    np.testing.assert_allclose(run.position, exact.position, atol=1e-6)
    np.testing.assert_allclose(run.event_time, exact.event_time, atol=1e-6)


def test_what_has_no_conserved_energy_is_refused():
    with pytest.raises(ValueError, match="vary in time"):
        bf.propagate(bf.zoo.pumped_rice_mele(), bf.WavePacket([0.0], [0.1]), [0.0, 1.0], conserving_step=0.1)
    with pytest.raises(ValueError, match="functions of"):
        field = lambda x, t: jnp.array([0.1, 0.0])  # noqa: E731
        bf.propagate(MODEL, PACKET, [0.0, 1.0], electric_field=field, conserving_step=0.1)
    with pytest.raises(ValueError, match="greater than 0"):
        bf.propagate(MODEL, PACKET, [0.0, 1.0], conserving_step=0.0)
