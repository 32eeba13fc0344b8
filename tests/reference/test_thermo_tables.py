"""Magnetization, thermal Hall effects, thermopower, spin and valley Hall effects against tabulated numbers.

Numbers were computed independently, by other formulas (occupied-space form, Hofstadter levels, edge currents); they are
printed to 9-13 digits, so that the tolerance is half a unit of the last one, or the converged result's own error.
"""

import numpy as np
import pytest
from reference_models import H1, H2, HONEYCOMB, SITES, haldane, haldane_hoppings

import blochflow as bf
from blochflow.core.backend import jnp

R = bf.response
SHARP = {"tolerance": bf.Tolerance(rtol=1e-9), "execution": bf.Execution(workers=1, progress=False)}
COLD = {"tolerance": bf.Tolerance(rtol=1e-7), "execution": bf.Execution(workers=1, progress=False)}


def xy(result, name="value"):
    return result[name].sel(a="x", b="y").values.squeeze()


@pytest.mark.parametrize(
    ("parameters", "mu", "temperature", "value", "moment"),
    [
        (H1, 0.0, 0.0, 0.0, 0.165305335340997),
        (H1, 0.3, 0.0, -0.04774648292757, 0.165305335340997),
        (H1, -1.0, 0.05, 0.084772583219, None),
        (H1, -2.0, 0.05, 0.003524355856, None),
        (H1, 1.2, 0.1, -0.0470500307, None),
        (H2, -0.3, 0.0, 0.020407439645871, 0.141735070982968),
        (H2, -1.0, 0.1, 0.07201255332, None),
        (H2, -0.2, 0.05, 0.0045096512, None),
    ],
)
def test_orbital_magnetization(parameters, mu, temperature, value, moment):
    result = R.orbital_magnetization(haldane(parameters), mu, temperature, **SHARP)
    assert xy(result) == pytest.approx(value, abs=5.1e-11 if abs(value) > 1e-3 and moment is None else 1e-12)
    assert xy(result, "parts").sum() == pytest.approx(xy(result), abs=1e-12)
    if moment is not None:
        assert xy(result, "parts")[0] == pytest.approx(moment, abs=1e-12)


@pytest.mark.parametrize(
    ("mu", "sigma", "alpha"), [(-1, 0.086861468953, -0.041777714674), (-2, 0.001791795593, -0.001184706595)]
)
def test_nernst_of_h1(mu, sigma, alpha):
    found = R.together(["anomalous_hall", "anomalous_nernst"], haldane(H1), mu, 0.05, **SHARP)
    assert xy(found["anomalous_hall"]) == pytest.approx(sigma, abs=5.1e-13)
    assert xy(found["anomalous_nernst"]) == pytest.approx(alpha, abs=5.1e-13)


def test_surface_terms_of_h1():
    moments = xy(R.streda(haldane(H1), -1.0, 0.05, **SHARP), "parts")[1]
    assert moments == pytest.approx(0.271207996313, abs=5.1e-13)
    # dM/dT less the entropy of the curvature, which is the Nernst conductivity
    current = R.magnetization_current(haldane(H1), -1.0, 0.05, temperature_gradient=[0.0, 1.0], **SHARP)
    slope = float(current.value.sel(a="x").item())
    assert slope + 0.041777714674 == pytest.approx(-0.135556811954, abs=1.1e-12)


def test_streda_of_h2():
    result = R.streda(haldane(H2), -1.0, 0.1, **SHARP)
    assert xy(result) == pytest.approx(-0.00567755, abs=5.1e-9)
    assert xy(result, "parts").tolist() == pytest.approx([-0.08804459, 0.08236704], abs=5.1e-9)
    assert xy(R.streda(haldane(H2), -1.0, 0.1, part="sea", **SHARP)) == pytest.approx(-0.08804459, abs=5.1e-9)
    current = R.magnetization_current(haldane(H2), -1.0, 0.1, temperature_gradient=[0.0, 1.0], **SHARP)
    assert current.value.sel(a="x").item() == pytest.approx(-0.09101984, abs=5.1e-9)


def test_hole_pocket_of_h2_at_zero_temperature():
    model = haldane(H2)
    for response, truth in (
        (R.anomalous_hall, 0.1332308918084),
        (R.orbital_magnetization, 0.0583670433598),
        (R.streda, -0.0585985705705),
    ):
        result = response(model, -0.6, 0.0, **COLD)
        assert abs(xy(result) - truth) <= xy(result, "error")
    assert xy(result, "parts")[1] == pytest.approx(0.0746323212378, rel=1e-6)
    density, states = (f(model, -0.6, 0.0, **COLD) for f in (R.electron_density, R.density_of_states))
    assert abs(density.value.item() - 1.1461887491639) <= density.error.item()
    assert abs(states.value.item() - 0.1009780627905) <= states.error.item()


def doubled(parameters):
    """Two copies, degenerate everywhere, in a rotated basis that mixes them."""
    single = haldane(parameters)
    blocks = np.kron(np.asarray(single.blocks), np.eye(2))
    mix, _ = np.linalg.qr(
        np.random.default_rng(3).normal(size=(2, 2)) + 1j * np.random.default_rng(4).normal(size=(2, 2))
    )
    mix = np.kron(np.eye(2), mix)
    orbitals = np.repeat(np.asarray(single.orbitals), 2, axis=0)
    return bf.TightBinding.from_blocks(HONEYCOMB, orbitals, single.cells, mix.conj().T @ blocks @ mix)


def test_degenerate_bands():
    model = doubled(H2)
    assert xy(R.orbital_magnetization(model, -1.0, 0.1, **SHARP)) == pytest.approx(0.14402510664042, abs=1e-12)
    assert xy(R.orbital_magnetization(model, -0.2, 0.0, **SHARP)) == pytest.approx(0.00898389067336, abs=1e-12)


def test_thermopower_of_h2():
    plain = R.thermoelectric(haldane(H2), -1.0, 0.1, tau=1.0, intrinsic=False, **SHARP)
    for name, value in (("alpha", 0.0395616519954), ("kappa_0", 0.0205899090714)):
        assert plain[name].sel(a="x", b="x").item() == pytest.approx(value, abs=1e-13)
    # the table prints 0.0572972359524, 3e-11 from what direct sums over 300^2 and 600^2 points give
    assert plain["sigma"].sel(a="x", b="x").item() == pytest.approx(0.0572972359244277, abs=1e-13)
    result = R.thermoelectric(haldane(H2), -1.0, 0.1, tau=10.0, **SHARP)
    for name, xx, xy_ in (("value", 0.665561251802, -0.162057877398), ("kappa", 0.180123527349, 0.037033704432)):
        assert result[name].sel(a="x", b="x").item() == pytest.approx(xx, abs=5.1e-13)
        assert xy(result, name) == pytest.approx(xy_, abs=5.1e-13)
    assert xy(result, "alpha") == pytest.approx(-0.0342556171569, abs=5.1e-14)
    assert xy(result, "kappa_0") == pytest.approx(0.0283425059397, abs=5.1e-14)


def test_nernst_of_a_dirac_cone_and_motts_rule():
    def dirac(k):
        off = k[0] - 1j * k[1]
        return jnp.array([[0.2, off], [jnp.conj(off), -0.2]])

    model = bf.ContinuumModel(dirac, 2, cutoff=2.0)
    result = R.anomalous_nernst(model, 0.5, 0.005, tolerance=bf.Tolerance(rtol=1e-8), execution=SHARP["execution"])
    assert xy(result) == pytest.approx(-0.00104864905, abs=5.1e-12)
    # -(pi^2 T/3) d/dmu of D/(4 pi mu)
    exact = np.pi**2 * 0.005 / 3 * 0.2 / (4 * np.pi * 0.5**2)
    assert exact == pytest.approx(0.00104719755, abs=5.1e-12)
    # Mott's rule with the thermal derivative of sigma: corrections of order (T/mu)^2 to each
    assert xy(result, "mott") == pytest.approx(-exact, rel=3e-3)


def kane_mele(t, so, rashba, valley):
    """Both spins of the Haldane model with t2 = i so s_z, and i rashba (s_x d_y - s_y d_x) on the bonds."""
    sz, one = np.diag([1.0, -1.0]), np.eye(2)
    spin_x, spin_y = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]])
    positions = np.array(SITES) @ np.array(HONEYCOMB)
    blocks: dict = {}
    for amplitude, i, j, cell in haldane_hoppings(0.0, 1j * so, valley):
        spin = sz if i == j and cell != (0, 0) else one
        blocks.setdefault(cell, np.zeros((4, 4), complex))[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += (
            complex(amplitude) * spin
        )
    for cell in [(0, 0), (-1, 0), (0, -1)]:
        # from B in the cell to A at home
        bond = positions[0] - positions[1] - np.array(cell) @ np.array(HONEYCOMB)
        x, y = bond / np.linalg.norm(bond)
        hop = t * one + 1j * rashba * (spin_x * y - spin_y * x)
        blocks.setdefault(cell, np.zeros((4, 4), complex))[0:2, 2:4] += hop
    for cell in list(blocks):
        if cell != (0, 0):
            other = tuple(-c for c in cell)
            blocks.setdefault(other, np.zeros((4, 4), complex))
    return blocks


def as_model(blocks):
    """Adds what the adjoint of the blocks holds and they do not."""
    full = {}
    for cell, block in blocks.items():
        other = blocks.get(tuple(-c for c in cell), np.zeros((4, 4))).conj().T
        full[cell] = np.where(np.abs(block) > 0, block, other)
    spin = {
        "spin": np.stack([np.kron(np.eye(2), s) for s in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], np.diag([1, -1]))])
    }
    return bf.TightBinding(HONEYCOMB, np.repeat(SITES, 2, axis=0), full, operators=spin)


@pytest.mark.parametrize(
    ("rashba", "valley", "value", "digits"), [(0.05, 0.1, -1.02179238, 5.1e-9), (0.0, 0.0, -1.0, 1e-9)]
)
def test_spin_hall_of_kane_mele(rashba, valley, value, digits):
    result = R.spin_hall(as_model(kane_mele(-1.0, 0.06, rashba, valley)), 0.0, 0.0, **SHARP)
    assert 2 * np.pi * xy(result) == pytest.approx(value, abs=digits)
    assert result.attrs["conserved"] == int(rashba == 0)


@pytest.mark.parametrize(("mu", "value"), [(-0.5, -0.0816280462), (0.4, -0.1227787016)])
def test_spin_hall_of_a_warm_metal(mu, value):
    """Spin-split bands touch at symmetric k, where the integrand has kinks: grids of 300 to 1200 differ by 2e-9."""
    model = as_model(kane_mele(-1.0, 0.06, 0.05, 0.1))
    result = R.spin_hall(model, mu, 0.05, grid=400, execution=SHARP["execution"], throw=False)
    assert xy(result) == pytest.approx(value, abs=2e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("mu", "value"), [(-0.5, -0.0816280462), (0.4, -0.1227787016)])
def test_spin_hall_of_a_warm_metal_in_cells(mu, value):
    model = as_model(kane_mele(-1.0, 0.06, 0.05, 0.1))
    cells = R.spin_hall(model, mu, 0.05, tolerance=bf.Tolerance(rtol=1e-4), execution=SHARP["execution"])
    assert abs(xy(cells) - value) <= xy(cells, "error")


def test_valleys_of_gapped_graphene():
    model = haldane({"t": -1.0, "t2": 0.0j, "delta": 0.1})
    # K = (1/3, 2/3) of b1, b2 lies in x1 < x2
    partition = {
        "K": [[0, 0], [1, 1], [0, 1]],
        "K'": [[0, 0], [1, 0], [1, 1]],
        "cut": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
    }
    result = R.valley_hall(model, 0.0, 0.0, partition=partition, tolerance=bf.Tolerance(rtol=1e-7))
    value, error = 2 * np.pi * xy(result), 2 * np.pi * xy(result, "error")
    # the digits printed, and the error of the integral over triangles
    assert (np.abs(value - [0.460381727, -0.460381727, 0.45363]) <= error + np.array([5e-10, 5e-10, 5e-6])).all()
    assert (error < 1e-7).all()
