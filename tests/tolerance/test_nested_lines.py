"""Nested adaptive lines use none of the machinery of the cells: values agree within both errors."""

from __future__ import annotations

import numpy as np
import pytest
from honesty import ONE_CORE

import blochflow as bf

QUIET = {"execution": ONE_CORE}
HALL, DENSITY, OHMIC = bf.response.anomalous_hall, bf.response.electron_density, bf.response.ohmic
CASES = {
    "hall of a cold metal": (HALL, bf.zoo.haldane(), -1.2, 0.0, 1e-3, {}),
    "hall of a warm metal": (HALL, bf.zoo.haldane(), -1.2, 0.02, 1e-5, {}),
    "hall of an insulator": (HALL, bf.zoo.qwz(mass=0.5), 0.0, 0.0, 1e-5, {}),
    "density of a chain": (DENSITY, bf.zoo.rice_mele(), 0.9, 0.0, 1e-6, {}),
    "density of a cold lattice": (DENSITY, bf.zoo.square(), -0.7, 0.0, 1e-4, {}),
    "drude weight": (OHMIC, bf.zoo.square(), -0.7, 0.05, 1e-5, {"tau": 1.0}),
    "hall within a cutoff": (HALL, bf.zoo.massive_dirac(mass=0.2, tilt=(0.3, 0.0)), 0.4, 0.05, 1e-4, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_the_default_rule(name):
    quantity, model, mu, kt, rtol, options = CASES[name]
    tolerance = bf.Tolerance(rtol=rtol)
    nested = quantity(model, mu, kt, rule="nested", tolerance=tolerance, **options, **QUIET)
    usual = quantity(model, mu, kt, tolerance=tolerance, **options, **QUIET)
    assert nested.attrs["rule"] == "nested"
    assert nested.attrs["rule"] != usual.attrs["rule"]
    # both errors are claimed to be true
    assert (np.abs(nested.value - usual.value) <= nested.error + usual.error).all()
    assert float(np.abs(usual.value).max()) > 0


def test_many_states_at_once():
    mu, temperature = np.array([-1.5, -1.2, 0.0]), np.array([0.02, 0.1])
    nested = HALL(bf.zoo.haldane(), mu, temperature, rule="nested", tolerance=bf.Tolerance(rtol=1e-3), **QUIET)
    usual = HALL(bf.zoo.haldane(), mu, temperature, tolerance=bf.Tolerance(rtol=1e-6), **QUIET)
    assert (np.abs(nested.value - usual.value) <= nested.error + usual.error).all()


def test_running_out_of_evaluations_is_no_claim():
    tolerance = bf.Tolerance(rtol=1e-6, max_evaluations=20_000)
    result = HALL(bf.zoo.haldane(), -1.2, 0.0, rule="nested", tolerance=tolerance, throw=False, **QUIET)
    assert not result.converged.any()
    assert int(result.attrs["evaluations"]) <= 20_000 + 15**2 * 4 * 64


def test_cold_surfaces_are_refused():
    with pytest.raises(ValueError, match="temperature"):
        OHMIC(bf.zoo.square(), -0.7, 0.0, tau=1.0, rule="nested", **QUIET)


def test_three_dimensions():
    usual = DENSITY(bf.zoo.cubic(), -1.0, 0.4, tolerance=bf.Tolerance(rtol=1e-6), **QUIET)
    nested = DENSITY(bf.zoo.cubic(), -1.0, 0.4, rule="nested", tolerance=bf.Tolerance(rtol=1e-2), **QUIET)
    assert (np.abs(nested.value - usual.value) <= nested.error).all()


def test_memory_bounds_the_refinement():
    little = bf.Tolerance(rtol=1e-7, max_memory="1 kB")
    result = HALL(bf.zoo.haldane(), -1.2, 0.0, rule="cells", tolerance=little, throw=False, **QUIET)
    assert not result.converged.any()
    enough = HALL(bf.zoo.haldane(), -1.2, 0.0, rule="cells", tolerance=bf.Tolerance(rtol=1e-7), **QUIET)
    assert int(result.attrs["evaluations"]) < int(enough.attrs["evaluations"])
    with pytest.raises(ValueError, match="max_memory"):
        bf.Tolerance(max_memory="much")
