"""Cost grows with the logarithm of sharpness: the mass of a Dirac cone, the temperature of a metal."""

from __future__ import annotations

import math

import numpy as np
import pytest
from honesty import ONE_CORE

import blochflow as bf

RTOL = 1e-4
SHARPNESS = 10.0 ** -np.arange(6)
# Evaluations may grow by this much more than log(1/sharpness)^2; 0.1 is the bluntest that has a logarithm of note.
SLACK = 3.0


def hall(model, mu, temperature, **options):
    tolerance = options.pop("tolerance", bf.Tolerance(rtol=RTOL))
    result = bf.response.anomalous_hall(model, mu, temperature, tolerance=tolerance, execution=ONE_CORE, **options)
    return float(result.value.values[0, 0, 0, 1]), int(result.attrs["evaluations"])


def check_growth(evaluations, sharpness):
    logs = np.log(1 / np.asarray(sharpness)) + 1
    assert evaluations[-1] <= SLACK * (logs[-1] / logs[0]) ** 2 * evaluations[0], evaluations


def test_dirac_mass():
    counts = []
    for mass in SHARPNESS:
        sigma, count = hall(bf.zoo.massive_dirac(mass=mass, cutoff=1.0), 0.0, 0.0)
        exact = -(1 - mass / math.hypot(mass, 1.0)) / (4 * math.pi)
        assert sigma == pytest.approx(exact, rel=RTOL), mass
        counts.append(count)
    check_growth(counts, SHARPNESS)


def test_temperature_of_a_metal():
    model, width, counts = bf.zoo.haldane(), 6.0, []
    for kt in width * SHARPNESS[1:]:
        sigma, count = hall(model, 1.0, kt)
        tight, _ = hall(model, 1.0, kt, rule="cells", tolerance=bf.Tolerance(rtol=1e-8))
        assert sigma == pytest.approx(tight, rel=RTOL), kt
        if kt > 3e-3 * width:
            # a uniform grid of 800^2 resolves this temperature far better than the tolerance
            uniform, _ = hall(model, 1.0, kt, grid=800, throw=False)
            assert sigma == pytest.approx(uniform, rel=RTOL), kt
        counts.append(count)
    check_growth(counts, SHARPNESS[1:])
