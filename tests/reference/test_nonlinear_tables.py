"""Dipoles, quadratic and nonlocal conductivities of a two-band Chern model against tabulated numbers.

The numbers come from independent density-matrix and Kubo calculations in NumPy and are printed to ten decimals, so that
half a unit of the last one is the tolerance.  Units: e = hbar = lattice constant = 1; both orbitals at the origin.
"""

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp

R = bf.response
MU, KT = -0.9, 0.1
HALF_UNIT = 5.1e-11
SHARP = {"tolerance": bf.Tolerance(rtol=1e-10), "execution": bf.Execution(workers=1, progress=False)}
# 192 points per axis are converged to rounding; no search for symmetries
GRID = {"grid": 192, "symmetry": False, "execution": bf.Execution(workers=1, progress=False)}


def hamiltonian(k):
    x, y = k
    energy = 0.30 * jnp.cos(x) + 0.20 * jnp.sin(y) + 0.15 * jnp.cos(x + y)
    d = (
        jnp.sin(x) + 0.3 * jnp.cos(y),
        jnp.sin(y) + 0.2 * jnp.sin(x),
        1.4 - jnp.cos(x) - jnp.cos(y) + 0.25 * jnp.sin(x),
    )
    return jnp.array([[energy + d[2], d[0] - 1j * d[1]], [d[0] + 1j * d[1], energy - d[2]]])


MODEL = bf.LatticeModel(hamiltonian, np.eye(2), name="LM2")


def columns(tensor):
    """(xxx, xxy, xyy, yxx, yxy, yyy) of (a, b, c), symmetric in (b, c)."""
    tensor = np.asarray(tensor).reshape(2, 2, 2)
    np.testing.assert_allclose(tensor, tensor.swapaxes(1, 2), atol=1e-14)
    return np.array([tensor[a, b, c] for a in (0, 1) for b, c in ((0, 0), (0, 1), (1, 1))])


METRIC = {
    "bare": [-0.0033264202, -0.0056494055, -0.0027372496, 0.0063579377, -0.0016586518, -0.0049373258],
    "local": [0, -0.0060036716, -0.0010785979, 0.0120073433, 0.0005392989, 0],
    "uniform": [-0.0019394202, -0.0054715118, -0.0024252265, 0.0081224771, -0.0012973606, -0.0035848813],
    "intraband": [0.0019394202, -0.0005321598, 0.0013466286, 0.0038848662, 0.0018366595, 0.0035848813],
}
BARE_TOTAL = [-7.0812512341, -2.9381523023, 7.7061591189, -2.9202642286, 8.2124596778, 3.1800977042]
UNIFORM_TOTAL = [-7.0798642341, -2.9379744085, 7.7064711421, -2.9184996893, 8.2128209689, 3.1814501487]
UNIFORM_EXACT = [-7.0801343605, -2.9379521343, 7.7066023566, -2.9185860167, 8.2127597751, 3.1813785496]
DIPOLES = {
    "band_normalised": [0.0066528404, -0.0007085322, 0.0033173035, 0.0112988110, 0.0043959014, 0.0098746516],
    "plain": [0.0037257355, -0.0011915824, 0.0002792157, 0.0086408537, 0.0045918630, 0.0072433595],
}


@pytest.mark.slow
def test_zone_averages():
    density = R.electron_density(MODEL, MU, KT, **GRID).value.item()
    assert density == pytest.approx(0.8266238687, abs=HALF_UNIT)
    hall = R.anomalous_hall(MODEL, MU, KT, **GRID).value.sel(a="x", b="y").item()
    assert -hall == pytest.approx(-0.0563400989, abs=HALF_UNIT)
    drude = R.ohmic(MODEL, MU, KT, tau=1.0, **GRID).value.values.reshape(-1)
    np.testing.assert_allclose(drude, [0.1521734997, 0.0107567038, 0.0107567038, 0.0914313392], atol=HALF_UNIT)


@pytest.mark.parametrize("metric", DIPOLES)
def test_quantum_metric_dipole(metric):
    found = R.quantum_metric_dipole(MODEL, MU, KT, metric=metric, **GRID).value
    np.testing.assert_allclose(columns(found), DIPOLES[metric], atol=HALF_UNIT)


def test_berry_curvature_dipole():
    found = R.berry_curvature_dipole(MODEL, MU, KT, **GRID).value.sel(b="x", c="y").values.reshape(-1)
    np.testing.assert_allclose(found, [-0.0001960243, -0.0168407320], atol=HALF_UNIT)


def test_quadratic_conductivity_of_every_model_of_relaxation():
    found = R.nonlinear_conductivity(MODEL, MU, KT, tau=20.0, relaxation=list(METRIC), **GRID)
    for name, expected in METRIC.items():
        parts = found.parts.sel(relaxation=name)
        np.testing.assert_allclose(columns(parts.sel(part="metric")), expected, atol=HALF_UNIT)
        # third derivatives of the energy, tau^2 = 400
        cubic = [0.0176948120, 0.0073263566, -0.0201142775, 0.0073263566, -0.0201142775, -0.0079625876]
        np.testing.assert_allclose(columns(parts.sel(part="drude")), -400 * np.array(cubic), atol=400 * HALF_UNIT)
    for name, expected in (("bare", BARE_TOTAL), ("uniform", UNIFORM_TOTAL)):
        np.testing.assert_allclose(columns(found.value.sel(relaxation=name)), expected, atol=HALF_UNIT)


def test_local_relaxation_gives_no_symmetric_part():
    found = R.nonlinear_conductivity(MODEL, MU, KT, tau=20.0, relaxation="local", **GRID)
    tensor = found.parts.sel(part="metric").values.reshape(2, 2, 2)
    total = sum(np.transpose(tensor, order) for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1)))
    # sums of numbers of size 1e-2
    assert np.abs(total).max() < 1e-16


def test_rectification():
    found = R.nonlinear_conductivity(
        MODEL, MU, KT, tau=20.0, relaxation="uniform", frequencies=(0.1, -0.1), **GRID
    ).value.values.reshape(2, 2, 2)
    expected = {(0, 0, 1): -0.5877359796 + 0.0016173713j, (1, 0, 1): 1.6446115873 - 0.0671472086j}
    for index, number in expected.items():
        assert found[index] == pytest.approx(number, abs=1.5 * HALF_UNIT)
    assert found[0, 0, 0] == pytest.approx(-1.4122021107, abs=HALF_UNIT)


@pytest.mark.slow
def test_automatic_rule_finds_the_same():
    found = R.nonlinear_conductivity(MODEL, MU, KT, tau=20.0, **SHARP)
    np.testing.assert_allclose(columns(found.value), BARE_TOTAL, atol=HALF_UNIT)
    assert float(found.error.max()) < 1e-9


@pytest.mark.parametrize(("relaxation", "expected"), [("bare", BARE_TOTAL), ("uniform", UNIFORM_EXACT)])
def test_density_matrix(relaxation, expected):
    found = bf.exact.liouville_response(
        MODEL, MU, KT, tau=20.0, relaxation=relaxation, tolerance=bf.Tolerance(rtol=1e-9)
    )
    np.testing.assert_allclose(columns(found.value), expected, atol=HALF_UNIT)


def test_density_matrix_at_two_frequencies():
    found = bf.exact.liouville_response(
        MODEL, MU, KT, tau=20.0, frequencies=(0.1, -0.1), tolerance=bf.Tolerance(rtol=1e-9)
    ).value.values.reshape(2, 2, 2)
    expected = {(0, 0, 1): -0.5877835642 + 0.0014412357j, (1, 0, 1): 1.6446879921 - 0.0675470538j}
    for index, number in expected.items():
        assert found[index] == pytest.approx(number, abs=1.5 * HALF_UNIT)
    assert found[0, 0, 0] == pytest.approx(-1.4124524305, abs=HALF_UNIT)


def test_nonlocal_conductivity():
    found = R.nonlocal_conductivity(MODEL, MU, KT, tau=10.0, frequency=0.05, **GRID)
    z, part = 0.05 + 0.1j, {str(p): columns(found.parts.sel(part=p)) for p in found.part.values}
    trace = {0: -2.7338520440 - 3.6550462220j, 1: -1.4212946280 - 1.8587685679j, 5: 1.0944006784 + 1.4399573583j}
    for index, number in trace.items():
        assert -2 * columns(found.value)[index] == pytest.approx(number, abs=1.5 * HALF_UNIT)
    flow = [0.0037257355, -0.0019299440, 0.0025433795, 0.0101175769, 0.0034597811, 0.0072433595]
    kubo = [0.0037257355, 0.0021526186, 0.0052394231, 0.0019524516, 0.0021117593, 0.0072433595]
    moments = [0, -0.0063098694j, 0.0243397805j, 0.0126197389j, -0.0121698903j, 0]
    np.testing.assert_allclose(-part["band"], flow, atol=HALF_UNIT)
    np.testing.assert_allclose(-part["band"] - part["curl"], kubo, atol=HALF_UNIT)
    np.testing.assert_allclose(-2 * z * part["m1"], moments, atol=HALF_UNIT)
    # circulating currents have no totally symmetric part
    for name in ("curl", "m1"):
        tensor = found.parts.sel(part=name).values.reshape(2, 2, 2)
        total = sum(np.transpose(tensor, order) for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1)))
        assert np.abs(total).max() < 1e-15
