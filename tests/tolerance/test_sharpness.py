"""Cost grows with the logarithm of sharpness: the mass of a Dirac cone, the temperature of a metal.

evaluations at the sharpest point (or T = 0) / at the bluntest  <=  SLACK [L(x_min)/L(x_max)]^2,   L(x) = log(10/x)
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from honesty import ONE_CORE

import blochflow as bf

RTOL = 1e-4
GAPS = 10.0 ** -np.arange(6)
TEMPERATURES = np.logspace(-1, -5, 6)
SLACK = 3.0


def hall(model, mu, temperature, **options):
    tolerance = options.pop("tolerance", bf.Tolerance(rtol=RTOL))
    result = bf.response.anomalous_hall(model, mu, temperature, tolerance=tolerance, execution=ONE_CORE, **options)
    return float(result.value.values[0, 0, 0, 1]), int(result.attrs["evaluations"])


def check_growth(evaluations, sharpness):
    logs = np.log(10 / np.asarray(sharpness))
    assert max(evaluations[-2:]) <= SLACK * (logs.max() / logs.min()) ** 2 * evaluations[0], evaluations


@pytest.mark.parametrize("symmetry", ["auto", False])
def test_dirac_mass(symmetry):
    counts = []
    for mass in GAPS / 2:
        sigma, count = hall(bf.zoo.massive_dirac(mass=mass, cutoff=1.0), 0.0, 0.0, symmetry=symmetry)
        exact = -(1 - mass / math.hypot(mass, 1.0)) / (4 * math.pi)
        assert sigma == pytest.approx(exact, rel=RTOL), mass
        counts.append(count)
    check_growth(counts, GAPS)


# 0.8 cuts a pocket about one valley; 1.0 lies two hundredths from the edge of the other one and from the saddles
@pytest.mark.parametrize(
    ("mu", "symmetry"),
    [
        (0.8, "auto"),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((0.8, False), (1.0, "auto"), (1.0, False))),
    ],
)
def test_temperature_of_a_metal(mu, symmetry):
    model, width, counts = bf.zoo.haldane(), 2.42, []
    for kt in width * np.append(TEMPERATURES, 0.0):
        sigma, count = hall(model, mu, kt, symmetry=symmetry)
        tight, _ = hall(model, mu, kt, rule="cells", tolerance=bf.Tolerance(rtol=1e-8))
        assert sigma == pytest.approx(tight, rel=RTOL), kt
        if kt > 6e-3 * width:
            # a uniform grid of 800^2 resolves this temperature far better than the tolerance
            uniform, _ = hall(model, mu, kt, grid=800, throw=False)
            assert sigma == pytest.approx(uniform, rel=RTOL), kt
        counts.append(count)
    check_growth(counts, TEMPERATURES)
