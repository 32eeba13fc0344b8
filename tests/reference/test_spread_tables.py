"""Spread and velocity of wave packets: printed numbers, and sums over positions or over k that know no band geometry.

hbar = e = a = 1.  The spread is compared with <r r> of the packet built from plane waves on a finite lattice by a fast
Fourier transform; velocities with closed forms, Gauss-Hermite sums and finite differences of the energy.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from reference_models import H1, haldane, qwz
from test_geometry_tables import assert_printed, dirac

import blochflow as bf
from blochflow.core.backend import jnp

geometry = bf.geometry
PRINTED = 2 * np.pi * np.array([8, 14]) / 128  # k0 of the printed spread


@cache
def three_bands() -> bf.TightBinding:
    """Three orbitals at generic positions of a skew lattice in three dimensions, random hoppings, bands apart."""
    rng = np.random.default_rng(5)
    hoppings = [(3.0 * (n - 1), n, n, (0, 0, 0)) for n in range(3)]
    for cell in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -1, 0)):
        for i in range(3):
            for j in range(3):
                hoppings.append((complex(0.2 * rng.normal(), 0.2 * rng.normal()), i, j, cell))
    lattice = [[1.0, 0.0, 0.0], [0.2, 1.1, 0.0], [0.1, -0.3, 0.9]]
    return bf.TightBinding(lattice, rng.uniform(0, 0.5, (3, 3)), hoppings)


def position_sums(model, k0, covariance, band, size, *, centres=None):
    """<r> and the covariance of r over |W(R, i)|^2 at R + centre_i, on a lattice of ``size`` cells per axis.

    W(R, i) = sum_k w(k) u_i(k) exp(i k.(R + tau_i)); ``centres`` are tau unless the positions in the phases are others.
    """
    d, lattice = model.dimension, model.lattice
    orbitals = np.zeros((model.num_bands, d)) if model.orbitals is None else np.asarray(model.orbitals)
    index = np.stack(np.meshgrid(*[np.arange(size)] * d, indexing="ij"), axis=-1)
    start = np.asarray(lattice.to_reduced_k(k0))
    # the image of every k of the grid in the cell around k0: the packet vanishes at its edge
    reduced = index / size
    reduced = start + (reduced - start + 0.5) % 1 - 0.5
    k = np.asarray(lattice.to_cartesian_k(reduced.reshape(-1, d)))
    states = np.linalg.eigh(np.asarray(model.hamiltonian(k)))[1][:, :, band]
    own = np.linalg.eigh(np.asarray(model.hamiltonian(k0)))[1][:, band]
    overlap = states @ own.conj()
    states = states * (overlap.conj() / np.abs(overlap))[:, None]
    q = k - k0
    weight = np.exp(-0.25 * np.einsum("ka,ab,kb->k", q, np.linalg.inv(covariance), q))
    amplitude = (weight[:, None] * states * np.exp(1j * k @ orbitals.T)).reshape(*[size] * d, -1)
    # exp(i k.R) with k = b (n/size + integers) is the transform itself
    density = (np.abs(np.fft.ifftn(amplitude, axes=range(d))) ** 2).ravel()
    density = density / density.sum()
    cell = (index + size // 2) % size - size // 2
    r = ((cell @ np.asarray(lattice.vectors))[..., None, :] + (orbitals if centres is None else centres)).reshape(-1, d)
    mean = density @ r
    return mean, np.einsum("x,xa,xb->ab", density, r - mean, r - mean)


def test_qwz_spread():
    found = geometry.wave_packet_spread(qwz(), PRINTED, 0.18)
    assert_printed(found.value, "16.0342609018")
    # 1/(2 sigma^2) exactly; the other parts to all printed digits
    assert_printed(found.contribution, "15.4320987654", ".5965567429", ".0056053935")
    assert found.error < 1e-9 * found.value
    assert found.contribution.part.values.tolist() == ["envelope", "metric", "connection"]
    assert found.attrs["units"] == "a^2"
    # a Gaussian of 17 standard deviations to the edge of the zone: what is left is rounding of 128^2 terms
    mean, tensor = position_sums(qwz(), PRINTED, 0.18**2 * np.eye(2), 0, 128)
    assert np.abs(found.tensor.sum("part").values - tensor).max() < 1e-11
    assert np.abs(found.position.values - mean).max() < 1e-11


@pytest.mark.parametrize(
    ("model", "k0", "width", "band", "size"),
    [
        # orbital positions in the phases, a tilted covariance, the upper band
        (haldane(H1), [0.3, 0.5], [[0.04, 0.012], [0.012, 0.02]], 1, 96),
        (three_bands(), [0.4, -0.8, 1.1], [0.24, 0.26, 0.28], 1, 36),
        (bf.zoo.rice_mele(), [0.7], 0.25, 0, 64),
    ],
    ids=["haldane", "three_bands", "rice_mele"],
)
def test_spread_is_that_of_positions(model, k0, width, band, size):
    found = geometry.wave_packet_spread(model, k0, width, band=band)
    covariance = np.asarray(found.attrs["covariance"]).reshape(model.dimension, -1)
    mean, tensor = position_sums(model, np.array(k0), covariance, band, size)
    # packets end more than 8 standard deviations from their centres, in k and in r; rounding of up to 36^3 terms
    assert np.abs(found.tensor.sum("part").values - tensor).max() < 1e-9
    assert np.abs(found.position.values - mean).max() < 1e-9
    assert abs(found.value - np.trace(tensor)) < 1e-9
    # the tensor is symmetric, each part positive semidefinite
    assert (np.linalg.eigvalsh(found.tensor.values) > -1e-12).all()


def test_position_matrices_move_orbitals():
    # positions as matrices instead of in the phases: the same H without phases, centres added to <r> by hand
    plain = haldane(H1)
    centres = np.asarray(plain.orbitals)
    origin = int(np.flatnonzero((plain.cells == 0).all(axis=1))[0])
    positions = np.zeros((len(plain.cells), 2, 2, 2))
    positions[origin] = np.stack([np.diag(centres[:, a]) for a in range(2)])
    model = bf.TightBinding.from_blocks(
        plain.lattice, np.zeros((2, 2)), plain.cells, np.asarray(plain.blocks), positions=positions
    )
    found = geometry.wave_packet_spread(model, [0.3, 0.5], 0.2)
    assert found.attrs["status"] == "within the Wannier space"
    # the phases know of no positions, <r> does
    shifted = np.asarray(model.orbitals)
    mean, tensor = position_sums(model, np.array([0.3, 0.5]), 0.04 * np.eye(2), 0, 96, centres=centres)
    assert np.abs(shifted).max() == 0
    # rounding of 96^2 terms
    assert np.abs(found.tensor.sum("part").values - tensor).max() < 1e-10
    assert np.abs(found.position.values - mean).max() < 1e-10


def test_smallest_connection_part():
    # Narrow packets at k = 0 of the massive Dirac model: the projection gauge is the radial one, which reaches the
    # minimum Omega^2 s^2/2; |Omega| = v^2/(2 D^2), corrections of relative order (v s/D)^2
    omega = 1.3**2 / (2 * 0.4**2)
    defects = []
    for width in (0.01, 0.005):
        found = geometry.wave_packet_spread(dirac(), [0.0, 0.0], width)
        part = found.contribution.values
        # g = v^2/(4 D^2) per axis at k = 0
        assert abs(part[1] - 1.3**2 / (2 * 0.4**2)) < 20 * part[1] * (1.3 * width / 0.4) ** 2
        defects.append(part[2] / (omega**2 * width**2 / 2) - 1)
    assert abs(defects[1]) < 2e-3
    # second order: a fourth of the defect at half the width, to the next order
    assert defects[0] / defects[1] == pytest.approx(4, rel=0.05)


def test_real_states_have_no_connection():
    # H(k) is real: so is the projector, and with it the states of the projection gauge
    def function(k):
        return jnp.array([[jnp.cos(k[0]), 0.4 + jnp.cos(k[1])], [0.4 + jnp.cos(k[1]), -1.5 - jnp.cos(k[0])]])

    found = geometry.wave_packet_spread(bf.LatticeModel(function, np.eye(2)), [0.2, 0.3], [0.2, 0.1])
    assert abs(found.contribution.values[2]) < 1e-25
    assert found.contribution.values[0] == pytest.approx(0.25 / 0.04 + 0.25 / 0.01, rel=1e-14)


def test_a_fixed_grid_is_taken_as_it_is():
    found = geometry.wave_packet_spread(qwz(), PRINTED, 0.18, grid=(20, 24))
    assert found.attrs["grid"].tolist() == [40, 48]
    assert abs(found.value - 16.0342609018) < 1e-9


def test_packets_that_are_refused():
    model = qwz()
    with pytest.raises(ValueError, match="`width` must leave 6 standard deviations.*periodic image"):
        geometry.wave_packet_spread(model, [0.0, 0.0], 0.6)
    with pytest.raises(ValueError, match="cutoff"):
        geometry.spread_velocity(dirac(), [1.0, 0.0], 0.5)
    # the Chern number makes <u0|u> vanish somewhere: here 2.8 away, within six standard deviations of 0.5
    with pytest.raises(ValueError, match="u\\(k0\\)"):
        geometry.wave_packet_spread(model, [0.9, 0.0], 0.5, grid=48)
    # bands that meet at K, 0.3 away from the centre and between the points of the grid
    graphene = bf.zoo.graphene(mass=0.0)
    K = np.asarray(graphene.lattice.to_cartesian_k([1 / 3, 2 / 3]))
    for function in (geometry.wave_packet_spread, geometry.spread_velocity):
        with pytest.raises(bf.DegenerateBandsError, match="bands 0, 1"):
            function(graphene, K + [0.3, 0.017], 0.1)
    with pytest.raises(bf.DegenerateBandsError):
        geometry.wave_packet_spread(bf.zoo.four_band_dirac(), [0.3, 0.0, 0.0], 0.05)


@pytest.mark.parametrize(
    ("wavevector", "width", "options", "match"),
    [
        ([0.1], 0.1, {}, "`wavevector` must have shape"),
        ([0.1, 0.2], -0.1, {}, "`width`"),
        ([0.1, 0.2], [0.1, 0.1, 0.1], {}, "`width`"),
        ([0.1, 0.2], [[0.01, 0.02], [0.02, 0.01]], {}, "`width`.*positive definite"),
        ([0.1, 0.2], [[0.01, 0.001], [0.0, 0.01]], {}, "`width`"),
        ([0.1, 0.2], 0.1, {"band": 2}, "`band` must name one of the bands 0 to 1"),
        ([0.1, 0.2], 0.1, {"band": -1}, "`band`"),
        ([0.1, 0.2], 0.1, {"grid": 1}, "`grid`"),
    ],
)
def test_wrong_arguments(wavevector, width, options, match):
    for function in (geometry.wave_packet_spread, geometry.spread_velocity):
        with pytest.raises(ValueError, match=match):
            function(qwz(), wavevector, width, **options)


def test_velocity_example():
    found = geometry.spread_velocity(bf.zoo.square(t=1.0, t2=0.35), [np.pi / 2, 0.0], [0.1, 0.2])
    assert_printed(found.value[0], "3.35545883522503")
    # 3.4 and -0.045 are exact
    assert abs(found.velocity[0] - 3.4) < 1e-14 and abs(found.correction[0] + 0.045) < 1e-14
    # and nothing along y, by the mirror y -> -y
    assert np.abs([found[name].values[1] for name in ("value", "velocity", "correction")]).max() < 1e-14
    assert found.attrs["units"] == "E a/hbar" and found.error.max() < 1e-9


def test_velocity_closed_form():
    t, t2, (x, y), (sx, sy) = 1.0, 0.35, (0.7, -1.1), (0.3, 0.4)
    found = geometry.spread_velocity(bf.zoo.square(t=t, t2=t2), [x, y], [sx, sy])
    exact = 2 * np.sin(x) * np.exp(-(sx**2) / 2) * (t + 2 * t2 * np.cos(y) * np.exp(-(sy**2) / 2))
    series = -np.sin(x) * ((t + 2 * t2 * np.cos(y)) * sx**2 + 2 * t2 * np.cos(y) * sy**2)
    # closed forms of order 1
    assert abs(found.value[0] - exact) < 1e-13 and abs(found.correction[0] - series) < 1e-14


def test_correction_by_finite_differences():
    # sum_bc S_bc d_b d_c v_a/2 by an eighth-order second difference of v along the principal axes of S; steps of
    # 0.02 leave 0.02^8 times a tenth derivative of order 1e3, rounding 1e-15/0.02^2
    model, k0 = three_bands(), np.array([0.4, -0.8, 1.1])
    covariance = np.array([[0.02, 0.005, 0.0], [0.005, 0.03, -0.004], [0.0, -0.004, 0.01]])
    weights = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])
    variances, axes = np.linalg.eigh(covariance)
    steps = 0.02 * np.arange(-4, 5)
    k = (k0 + steps[None, :, None] * axes.T[:, None, :]).reshape(-1, 3)
    v = np.diagonal(np.asarray(bf.bands(model, k).velocity), axis1=-2, axis2=-1).real.reshape(3, 9, 3, 3)
    for band in range(3):
        expected = 0.5 * np.einsum("j,s,jsa->a", variances, weights, v[..., band]) / 0.02**2
        found = geometry.spread_velocity(model, k0, covariance, band=band)
        assert np.abs(found.correction.values - expected).max() < 1e-11
        assert np.abs(expected).max() > 1e-3


def test_mean_velocity_by_gauss_hermite():
    model, k0, width = haldane(H1), np.array([0.3, 0.5]), np.array([0.15, 0.25])
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    x = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    v = np.diagonal(np.asarray(bf.bands(model, k0 + width * x).velocity), axis1=-2, axis2=-1).real[..., 0]
    expected = np.einsum("k,ka->a", np.outer(weights, weights).ravel() / (2 * np.pi), v)
    found = geometry.spread_velocity(model, k0, width)
    # both rules converge exponentially; with 40 nodes the last change is below this
    assert np.abs(found.value.values - expected).max() < 1e-10
    # the first omitted term of the expansion is of fourth order in the width
    half = geometry.spread_velocity(model, k0, width / 2)
    defect = [np.abs(f.value - f.velocity - f.correction).max() for f in (found, half)]
    assert float(defect[0] / defect[1]) == pytest.approx(16, rel=0.15)


def test_velocity_in_angstrom_per_femtosecond():
    # E = -2 t cos(k a): v = (2 t a/hbar) sin(k a) exp(-s^2 a^2/2), hbar = 0.6582119569 eV fs
    t, a, k, s = 0.5, 3.0, 0.4, 0.1
    chain = bf.TightBinding([[a]], [[0.0]], [(-t, 0, 0, (1,))], units=bf.EV_ANGSTROM)
    found = geometry.spread_velocity(chain, k, s)
    exact = 2 * t * a * np.sin(k * a) * np.exp(-((s * a) ** 2) / 2) / 0.6582119569509067
    assert float(found.value[0]) == pytest.approx(exact, rel=1e-12)
    assert found.attrs["units"] == "angstrom/fs"
