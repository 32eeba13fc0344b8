"""Magnetization, Streda derivatives and edge currents of the tabulated Haldane models, from flux and from ribbons."""

import numpy as np
import pytest
from reference_models import H1, H2, haldane

import blochflow as bf

CELL = np.sqrt(3) / 2
# the grids of k are converged far beyond the digits printed; errors of the flux step are tested on their own
TIGHT = bf.Tolerance(rtol=1e-6)


def flux(quantity, model, mu, temperature):
    result = quantity(model, mu, temperature, q=40, tolerance=TIGHT, throw=False)
    return float(result.value.item()), float(result.error.item())


@pytest.mark.parametrize(
    ("quantity", "parameters", "mu", "printed", "bulk"),
    [
        (bf.exact.magnetization, H2, -1.0, 0.0720127, 0.07201255332),
        (bf.exact.magnetization, H1, 1.2, -0.0470521, -0.0470500307),
        (bf.exact.streda, H2, -1.0, -0.0056787, -0.00567755),
        (bf.exact.magnetocaloric, H2, -1.0, -0.0910259, -0.09101984),
    ],
)
def test_field_derivatives(quantity, parameters, mu, printed, bulk):
    value, error = flux(quantity, haldane(parameters), mu, 0.1)
    # half a unit of the last printed digit: the same fluxes 1/40 and 1/80 were extrapolated there
    assert abs(value - printed) < 5.1e-8
    # the semiclassical value at zero field lies within the stated error, which is no more than 30 times too large
    assert abs(value - bulk) < error < 30 * abs(value - bulk)


@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize(
    ("parameters", "mu", "temperature", "printed", "bulk"),
    [
        (H2, -1.0, 0.1, 0.0720125218, 0.07201255332),
        (H1, 1.2, 0.1, -0.0470499844, -0.0470500307),
        (H2, -0.2, 0.05, 0.0045096282, 0.0045096512),
    ],
)
def test_edge_currents(parameters, mu, temperature, printed, bulk, direction):
    result = bf.exact.edge_magnetization(
        haldane(parameters), mu, temperature, width=64, direction=direction, tolerance=TIGHT, throw=False
    )
    value, error = float(result.value.item()), float(result.error.item())
    # the printed ribbons differ from the bulk by up to 5e-8, the residue of their weight across the interior
    assert abs(value - printed) < 5e-8
    # half a unit of the last digit of the bulk values, plus the stated error
    assert abs(value - bulk) < 5.1e-11 + error
    # half the width is an upper bound of what the full width misses: edge states decay exponentially
    assert error < 1e-6


@pytest.mark.parametrize(("p", "states"), [(1, 6.0), (-1, 8.0)])
def test_states_below_the_gap_of_h1(p, states):
    # 1 - p/7 states per cell, exactly: counting levels is exact up to rounding of the mean
    density = bf.exact.electron_density(haldane(H1), 0.0, 0.0, p=p, q=7)
    np.testing.assert_allclose(float(density.value.item()) * CELL * 7, states, atol=1e-12)


def test_gap_magnetization_of_h1():
    # T = 0 in the gap: M = 0 at mu = 0 and -0.3/(2 pi) at mu = .3; no quantum oscillations, errors O(1/q^4)
    result = bf.exact.magnetization(haldane(H1), [0.0, 0.3], 0.0, q=20, tolerance=TIGHT, throw=False)
    np.testing.assert_allclose(result.value.values[:, 0], [0.0, -0.04774648292757], atol=1e-7)


@pytest.mark.slow
def test_errors_of_the_flux_step_are_honest():
    # against the edge current, whose own error is far below; down to k_B T at which quantum oscillations set in
    for parameters in (H1, H2):
        for mu in (-2.2, -1.0, -0.2, 1.2):
            for temperature in (0.1, 0.03):
                model = haldane(parameters)
                value, error = flux(bf.exact.magnetization, model, mu, temperature)
                edge = bf.exact.edge_magnetization(model, mu, temperature, width=80, tolerance=TIGHT, throw=False)
                assert abs(value - float(edge.value.item())) < error + float(edge.error.item())


def test_landau_levels_of_h2():
    """Levels n = 1, 2, 3 of the conduction pocket at K' in flux +1/200, and the zero modes of both signs."""
    energies = conduction_levels(haldane(H2), 1)
    # seven printed digits; levels are flat in k far below that
    for printed in (0.0458546, 0.124941, 0.1896494, 0.245626):
        assert np.abs(energies - printed).min() < 6e-7
    energies = conduction_levels(haldane(H2), -1)
    for printed in (-0.4918159, 0.1342826, 0.1997027, 0.2561932):
        assert np.abs(energies - printed).min() < 6e-7
    # the zero mode moves to the valence band: nothing is left at the conduction edge .05
    assert not ((energies > -0.4) & (energies < 0.13)).any()


def conduction_levels(model, p):
    """Levels at one k of the zone, all within .3 of the gap."""
    from blochflow.exact.thermodynamics import FluxLattice

    return FluxLattice.of(model, p, 200).levels(1, bf.Execution(workers=1))[0]
