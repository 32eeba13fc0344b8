"""Collisions on surfaces in three dimensions without their matrix: factors and blocks against the dense solution."""

import numpy as np
import pytest

import blochflow as bf
from blochflow.disorder import scattering
from blochflow.disorder.collision import Collision
from blochflow.disorder.fermi_points import FermiPoints, fermi_points
from blochflow.disorder.linear_response import respond
from blochflow.disorder.low_rank import factor
from blochflow.disorder.potentials import scatterers
from blochflow.disorder.scattering import Scattering
from disorder_models import ONE, SZ, pocket, white

DISORDER = {
    "white": lambda: white(0.1, third_cumulant=0.02),
    "Gaussian": lambda: bf.Disorder.gaussian(0.1, 1.0),
    "Gaussian, two vertices": lambda: bf.Disorder.gaussian(0.1, 1.0, vertices=[ONE, 0.5 * SZ]),
    "Coulomb": lambda: bf.Disorder.coulomb(0.02, 4.0, 1.5),
}


@pytest.fixture(scope="module")
def surface():
    """Every tenth point: the algebra does not need a good rule of integration."""
    p = fermi_points(pocket(), bf.geometry.fermi_surface(pocket(), 0.8, grid=8, points=1))
    arrays = (p.k, 10 * p.weights, p.sheet, p.rank, p.projector, p.resolvent, p.velocity, p.states)
    return FermiPoints(*(x[::10] for x in arrays), p.gap)


def parts(points, disorder, dense):
    found = Collision(Scattering(points, scatterers(disorder, pocket())), dense)
    return respond(found).parts(-points.velocity)


@pytest.mark.parametrize("way", ["factors", "blocks"])
@pytest.mark.parametrize("name", DISORDER)
def test_matrix_free_solutions_are_the_dense_ones(surface, name, way, monkeypatch):
    expected = parts(surface, DISORDER[name](), True)
    monkeypatch.setattr(scattering, "FACTORED", 0 if way == "factors" else 10**9)
    monkeypatch.setattr(scattering, "KEPT_BYTES", 0)
    got = parts(surface, DISORDER[name](), False)
    for part, value in expected.items():
        # residual 1e-12, neglected W 1e-11, times the condition of K
        np.testing.assert_allclose(got[part], value, atol=1e-8 * np.abs(value).max(), rtol=0)


def test_blocks_bound_the_memory(surface, monkeypatch):
    """No W between all points is ever made: rows of a block times all points fit into BLOCK_BYTES."""
    known = scatterers(DISORDER["Gaussian, two vertices"](), pocket())
    sizes = []

    def watched(q):
        found = known.correlation(q)
        sizes.append(found.size * 16)
        return found

    monkeypatch.setattr(scattering, "FACTORED", 10**9)
    monkeypatch.setattr(scattering, "KEPT_BYTES", 0)
    monkeypatch.setattr(scattering, "BLOCK_BYTES", 2**18)
    found = Scattering(surface, type(known)(known.vertices, watched, None, None, None))
    x = np.random.default_rng(4).normal(size=(2, *surface.projector.shape)) + 0j
    whole = Scattering(surface, known).apply(x)
    np.testing.assert_allclose(found.apply(x), whole, atol=1e-11 * np.abs(whole).max())
    assert max(sizes) <= 2**18
    assert sum(sizes) >= 16 * 4 * len(surface.k) ** 2


def test_factors_are_exact_and_refused_where_w_is_not_positive(surface):
    k = surface.k
    smooth = scatterers(bf.Disorder.gaussian(1.0, 1.0), pocket()).separable[0]
    columns = factor(smooth, k)
    assert columns.shape[1] < len(k) / 4
    np.testing.assert_allclose(columns @ columns.T, smooth(k[:, None] - k), atol=2e-11)
    # W(q) >= 0, but correlations in space oscillate: exp(-x) (1 - x/2)^2
    assert factor(lambda q: np.exp(-4 * (q**2).sum(-1)) * (1 - 2 * (q**2).sum(-1)) ** 2, k) is None
    # independent sites: the rank is the number of points
    assert factor(lambda q: np.exp(-1e4 * (q**2).sum(-1)), k) is None
