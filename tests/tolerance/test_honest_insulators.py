"""Chern insulators with gaps down to 1e-4: sigma_xy = -C/(2 pi), whatever lattice, basis and cell they are drawn on."""

from __future__ import annotations

import drawn_insulators as drawn
import numpy as np
import pytest
from honesty import RTOLS, Case, ask_response, log_uniform, run_family, sign

import blochflow as bf


def chern_cases(rng, build):
    """The Hall conductivity of a drawn insulator at a chemical potential in its gap."""
    terms, chern, gap = build(rng)
    mu = float(drawn.INSIDE * rng.uniform(-1, 1) * gap / 2)
    exact = -chern / (2 * np.pi) * np.array([[0, 1], [-1, 0]])
    # where C = 0 the tolerance is that of one quantum of conductance
    ask = ask_response(bf.response.anomalous_hall, drawn.crystal(rng, terms), mu)
    return [Case(f"gap {gap:.2e} C {chern}", ask, exact, 0.0 if chern else 1 / (2 * np.pi))]


def qwz_insulators(rng):
    return chern_cases(rng, drawn.qwz)


def haldane_insulators(rng):
    return chern_cases(rng, drawn.haldane)


def four_band_insulators(rng):
    return chern_cases(rng, drawn.direct_sum)


def kane_mele_models(rng):
    """Time reversal forbids sigma_xy, in the gap and in the bands, which are degenerate at every k where P holds.

    Left out: metals without Rashba coupling but with mass, whose spin bands cross at mu on lines of symmetry.
    """
    spin_orbit, gap = rng.uniform(0.02, 0.15), log_uniform(rng, 1e-4, 1.0)
    kind = rng.integers(3)
    mass = [3 * np.sqrt(3) * spin_orbit + sign(rng) * gap / 2, 0.0, sign(rng) * log_uniform(rng, 1e-2, 1)][kind]
    rashba = [0.0, 0.0, log_uniform(rng, 1e-2, 0.2)][kind]
    model = bf.zoo.kane_mele(spin_orbit=spin_orbit, rashba=rashba, mass=mass)
    metal = kind > 0 and rng.random() < 0.5
    mu = rng.uniform(-2.8, 2.8) if metal else drawn.INSIDE * rng.uniform(-1, 1) * gap / 2

    label = f"so {spin_orbit:.4g} mass {mass:.6g} rashba {rashba:.4g} mu {mu:.6g}"
    ask = ask_response(bf.response.anomalous_hall, model, float(mu), symmetry=False)
    return [Case(label, ask, np.zeros((2, 2)), 1 / (2 * np.pi))]


FAMILIES = (qwz_insulators, haldane_insulators, four_band_insulators, kane_mele_models)
MANY = {qwz_insulators: 200, haldane_insulators: 150, four_band_insulators: 100, kane_mele_models: 100}


@pytest.mark.parametrize("rtol", RTOLS)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_false_claim(family, rtol):
    run_family(family, 2 if family is four_band_insulators else 5, rtol).check()


@pytest.mark.slow
@pytest.mark.parametrize("rtol", RTOLS)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_false_claim_in_hundreds(family, rtol):
    run_family(family, MANY[family], rtol).check()
