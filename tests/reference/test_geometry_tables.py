"""Printed reference numbers of band geometry, to their last digit; every model is written from its formula here.

hbar = e = a = 1.  H(t, t2, Delta) is the Haldane model with orbitals at reduced (1/3, 1/3), (2/3, 2/3); QWZ is
sin kx sx + sin ky sy + (-1.2 + cos kx + cos ky) sz + 0.3 (2 - cos kx - cos ky); the massive Dirac model is
v (kx sx + ky sy) + D sz.  The numbers come from NumPy calculations independent of this package.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from reference_models import HONEYCOMB, SITES, haldane_hoppings

import blochflow as bf
from blochflow.core.backend import jnp

geometry = bf.geometry
K_PRIME = np.array([4 * np.pi / 3, 0.0])


def assert_printed(value: object, *printed: str) -> None:
    """Equal to printed decimals within one unit of the last digit (covers rounding and truncation of the print)."""
    values = np.atleast_1d(np.asarray(value, dtype=float))
    for found, text in zip(values, printed, strict=True):
        mantissa, _, exponent = text.lower().partition("e")
        unit = 10.0 ** (-len(mantissa.partition(".")[2]) + int(exponent or 0))
        assert abs(found - float(text)) <= 1.01 * unit, f"{found!r} is not {text}"


@cache
def haldane(t: complex, t2: complex, delta: float) -> bf.TightBinding:
    hoppings = [h for h in haldane_hoppings(t, t2, delta) if h[0] != 0]
    return bf.TightBinding(HONEYCOMB, SITES, hoppings)


def h1() -> bf.TightBinding:
    return haldane(-1.0, 0.15j, 0.2)


def h2() -> bf.TightBinding:
    return haldane(-1.0, complex(0.15 * np.exp(1j * np.pi / 3)), 0.4)


def matrix(h0, hx, hy, hz):
    return jnp.array([[h0 + hz, hx - 1j * hy], [hx + 1j * hy, h0 - hz]])


@cache
def qwz() -> bf.LatticeModel:
    def function(k):
        x, y = jnp.cos(k[0]), jnp.cos(k[1])
        return matrix(0.3 * (2 - x - y), jnp.sin(k[0]), jnp.sin(k[1]), -1.2 + x + y)

    return bf.LatticeModel(function, np.eye(2))


@cache
def dirac() -> bf.ContinuumModel:
    def function(k, v=1.3, D=0.4):
        return matrix(0.0, v * k[0], v * k[1], D)

    return bf.ContinuumModel(function, 2, cutoff=3.0)


@cache
def weyl() -> bf.ContinuumModel:
    def function(k, v=1.0, chirality=1.0):
        return chirality * v * matrix(0.0, k[0], k[1], k[2])

    return bf.ContinuumModel(function, 3, cutoff=3.0)


def xy(tensor: object, band: int) -> float:
    return float(np.asarray(tensor)[0, 0, 1, band])


def test_h1_energies_and_velocity():
    bands = bf.bands(h1(), [0.3, 0.5])
    assert_printed(bands.energies[0], "-2.922958412411", "2.922958412411")
    velocity = np.asarray(bands.velocity)[0, :, 0, 0].real
    assert_printed(velocity[0], "0.14628007198")
    assert_printed(velocity[1], "0.243543293841")


def test_h1_geometry():
    bands = bf.bands(h1(), [[0.3, 0.5]])
    assert_printed(xy(geometry.berry_curvature(bands), 0), "-8.152647455618e-05")
    moment = np.asarray(geometry.orbital_moment(bands))
    assert_printed(moment[0, 0, 1], "2.38298495e-04", "2.38298495e-04")
    g = np.asarray(geometry.quantum_metric(bands))[0, :, :, 0]
    assert_printed([g[0, 0], g[1, 1], g[0, 1]], "3.613236539436e-05", "7.692619789176e-05", "3.34347719782e-05")
    bands = bf.bands(h1(), [[1.1, -0.7]])
    assert_printed(xy(geometry.berry_curvature(bands), 0), "-1.669308091071e-03")
    assert_printed(xy(geometry.orbital_moment(bands), 0), "4.338141835e-03")
    g = np.asarray(geometry.quantum_metric(bands))[0, :, :, 0]
    assert_printed([g[0, 0], g[1, 1], g[0, 1]], "5.289657407534e-04", "1.317463940504e-03", "-1.56816286002e-05")


def test_chern_numbers():
    assert [geometry.chern_number(h1(), bands=n) for n in (0, 1)] == [-1, 1]
    assert [geometry.chern_number(qwz(), bands=n) for n in (0, 1)] == [1, -1]
    assert geometry.chern_number(haldane(-1.0, 0.0, 0.1), bands=0) == 0


def test_h1_wannier_spread():
    spread = geometry.wannier_spread(h1(), bands=0)
    assert_printed(spread.value, "0.151460592251466")
    assert_printed(spread.bound, "0.137832223855448")
    assert spread.error <= 1e-9 * spread.value and spread.attrs["units"] == "a^2"


def test_h2_wannier_spread():
    assert_printed(geometry.wannier_spread(h2(), bands=0).value, "0.162700612518664")


def test_h2_at_the_valley():
    bands = bf.bands(h2(), K_PRIME)
    assert_printed(bands.energies[0], "-0.5", "0.05")
    omega = np.asarray(geometry.berry_curvature(bands))[0, 0, 1]
    assert_printed(omega, "-4.958677686", "4.958677686")
    assert_printed(np.asarray(geometry.orbital_moment(bands))[0, 0, 1], "1.363636364", "1.363636364")


def test_gapped_graphene_valleys():
    model = haldane(-1.0, 0.0, 0.1)
    k, k_prime = np.asarray(model.lattice.to_cartesian_k([[1 / 3, 2 / 3], [2 / 3, 1 / 3]]))
    for point, sign in ((k, 1), (k_prime, -1)):
        bands = bf.bands(model, point)
        # 37.5 and 3.75 are exact; K is rounded at 1e-16 and the gap is 0.2
        assert abs(xy(geometry.berry_curvature(bands), 0) + sign * 37.5) < 1e-10
        assert abs(xy(geometry.orbital_moment(bands), 0) - sign * 3.75) < 1e-11


def test_massive_dirac_numbers():
    bands = bf.bands(dirac(), [[0.5, -0.3]])
    assert_printed(xy(geometry.berry_curvature(bands), 1), "-0.536834371449071")
    assert_printed(np.asarray(geometry.orbital_moment(bands))[0, 0, 1], *["-0.460114347944460"] * 2)
    g = np.asarray(geometry.quantum_metric(bands))[0, :, :, 1]
    assert_printed(np.trace(g), "0.700412291844395")
    assert_printed([g[0, 0], g[0, 1]], ".24435353933", ".19847363736")


def test_massive_dirac_closed_forms():
    rng = np.random.default_rng(0)
    k = rng.uniform(-1, 1, (64, 2))
    for v, D in ((1.3, 0.4), (0.7, -0.9)):
        bands = bf.bands(dirac().replace(v=v, D=D), k)
        eps = np.sqrt(D**2 + v**2 * (k**2).sum(axis=1))
        omega = np.asarray(geometry.berry_curvature(bands))[:, 0, 1]
        moment = np.asarray(geometry.orbital_moment(bands))[:, 0, 1]
        g = np.asarray(geometry.quantum_metric(bands))
        # closed forms of order 1 on both sides: rounding of a few operations
        assert np.abs(omega - v**2 * D / (2 * eps**3)[:, None] * np.array([1, -1])).max() < 1e-13
        assert np.abs(moment + (v**2 * D / (2 * eps**2))[:, None]).max() < 1e-13
        closed = (
            v**2
            / (4 * eps**2)[:, None, None]
            * (np.eye(2) - v**2 * k[:, :, None] * k[:, None, :] / (eps**2)[:, None, None])
        )
        assert np.abs(g - closed[..., None]).max() < 1e-13
        # H is linear in k: no instantaneous mass
        assert np.abs(geometry.inverse_mass(bands, kind="instantaneous")).max() < 1e-13
        mass = v**2 * (np.eye(2) / eps[:, None, None] - v**2 * k[:, :, None] * k[:, None, :] / (eps**3)[:, None, None])
        assert np.abs(np.asarray(geometry.inverse_mass(bands))[..., 1] - mass).max() < 1e-13


@pytest.mark.parametrize("chirality", [1.0, -1.0])
def test_weyl_closed_forms(chirality):
    k = np.random.default_rng(1).uniform(-1, 1, (32, 3))
    size = np.linalg.norm(k, axis=1)[:, None]
    bands = bf.bands(weyl().replace(v=1.3, chirality=chirality), k)
    omega = np.asarray(geometry.to_axial(geometry.berry_curvature(bands)))
    moment = np.asarray(geometry.to_axial(geometry.orbital_moment(bands)))
    # relative rounding of a closed form of order 1/(2 k^2), smallest |k| here about 0.3
    assert np.abs(omega[..., 1] * size**2 + chirality * k / size / 2).max() < 1e-12
    assert np.abs(moment[..., 1] * size + chirality * 1.3 * k / size / 2).max() < 1e-12


def test_qwz_geometry():
    bands = bf.bands(qwz(), [[0.4, 0.7]])
    assert_printed(bands.energies[0], "-0.80174248", "0.99020057")
    assert_printed(xy(geometry.berry_curvature(bands), 0), "0.58431581")
    assert_printed(xy(geometry.orbital_moment(bands), 0), "-0.52353032")
    g = np.asarray(geometry.quantum_metric(bands))[0, :, :, 0]
    assert_printed([g[0, 0], g[0, 1], g[1, 1]], ".300283539628", ".066313689623", ".298896654849")
    T = np.asarray(geometry.band_normalised_metric(bands))[0, :, :, 0]
    assert_printed([T[0, 0], T[0, 1], T[1, 1]], ".335148529728", ".074013166375", ".333600618060")
    G = np.asarray(geometry.berry_connection_polarizability(bands))[0, :, :, 0]
    assert np.array_equal(G, -T)


def test_qwz_masses():
    bands = bf.bands(qwz(), [[0.4, 0.7]])
    assert_printed(geometry.inverse_mass(bands, kind="instantaneous")[0, 0, 0], "0.945082", "-0.392445")
    assert_printed(geometry.inverse_mass(bands)[0, 0, 0], "-0.131100", "0.683737")


def test_qwz_second_order_velocity():
    # v_x = (1/2) d_x T_xx, v_y = d_x T_xy - (1/2) d_y T_xx; step 1e-4 squared times a third derivative of order 10
    step = 1e-4
    k = np.array([0.4, 0.7]) + step * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    T = np.asarray(geometry.band_normalised_metric(bf.bands(qwz(), k)))[..., 0]
    d_x, d_y = (T[0] - T[1]) / (2 * step), (T[2] - T[3]) / (2 * step)
    assert_printed([0.5 * d_x[0, 0], d_x[0, 1] - 0.5 * d_y[0, 0]], "-0.132905", "0.243504")


def test_qwz_wannier_spread():
    assert_printed(geometry.wannier_spread(qwz(), bands=0).value, "0.211280096005231")


def test_qwz_mass_sum_rule():
    size, mu, temperature = 96, -1.0, 0.1
    axis = 2 * np.pi * (np.arange(size) + 0.5) / size
    k = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    bands = bf.bands(qwz(), k)
    energies = np.asarray(bands.energies)
    f = 0.5 * (1 - np.tanh((energies - mu) / (2 * temperature)))
    velocity = np.diagonal(np.asarray(bands.velocity), axis1=-2, axis2=-1).real[:, 0]
    measure = 1 / size**2  # Int d2k/(2 pi)^2 over the zone of a unit cell
    drude = measure * (f * (1 - f) / temperature * velocity**2).sum()
    total = measure * (f * np.asarray(geometry.inverse_mass(bands, kind="instantaneous"))[:, 0, 0]).sum()
    band = measure * (f * np.asarray(geometry.inverse_mass(bands))[:, 0, 0]).sum()
    # the 12 printed digits; k_B T = 0.1 on 96 points leaves exp(-96 pi T/velocity) below them
    assert_printed([total, drude, total - band], "0.289267834558", "0.108302578544", "0.180965256014")


def test_ssh_wannier_spread():
    def ssh(inside: float, between: float, b: float) -> bf.TightBinding:
        return bf.TightBinding([[1.0]], [[0.0], [b]], [(inside, 0, 1, (0,)), (between, 1, 0, (1,))])

    for model, printed in (
        (ssh(-1.0, -0.6, 0.0), ".0703125"),
        (ssh(-0.6, -1.0, 0.0), ".3203125"),
        (ssh(-1.0, -0.6, 0.5), ".1328125"),
        (ssh(-0.6, -1.0, 0.5), ".1328125"),
    ):
        spread = geometry.wannier_spread(model, bands=0)
        # exact closed forms: the grid reaches 1e-9 of the value before doubling and rounding after it
        assert abs(spread.value - float(printed)) < 1e-12
        assert np.isnan(spread.bound)


def test_rice_mele_pump_as_a_chern_number():
    # The plane (k, l): C = -1 for the lower band, one electron pumped by +1 cell.
    def function(k):
        a, b = 1 + 0.4 * jnp.cos(k[1]), 1 - 0.4 * jnp.cos(k[1])
        off = a * jnp.exp(0.5j * k[0]) + b * jnp.exp(-0.5j * k[0])
        D = 0.5 * jnp.sin(k[1])
        return jnp.array([[D, off], [jnp.conj(off), -D]])

    model = bf.LatticeModel(function, np.eye(2), orbitals=[[0.0, 0.0], [0.5, 0.0]])
    assert geometry.chern_number(model, bands=0) == -1
    # the Wannier centre moves by phase/(2 pi) = +1 over the cycle
    line = np.linspace(0, 2 * np.pi, 61)
    centres = [
        geometry.wilson_loop(model, bands=0, path=np.stack([line, np.full(61, value)], axis=1))[0] for value in line
    ]
    # 61 links: the discretised phase is exact to about 1e-3, and only its winding is used
    assert round((np.unwrap(centres)[-1] - centres[0]) / (2 * np.pi)) == 1
