"""New parameter values are held to the same rules as those at construction."""

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp


def lossy(k, gamma=0.0):
    return jnp.array([[jnp.cos(k[0]), 1j * gamma], [1j * gamma, 0.0]])


def folded(k, multiple=1.0):
    return jnp.array([[jnp.cos(multiple * k[0])]])


def complex_site(phase=0.0):
    return [(jnp.exp(1j * phase), 0, 0, (0,)), (-1.0, 0, 0, (1,))]


def test_values_that_break_hermiticity_are_refused():
    with pytest.raises(bf.UserModelError, match="not Hermitian"):
        bf.LatticeModel(lossy, [[1.0]]).replace(gamma=0.5)
    with pytest.raises(bf.UserModelError, match="not Hermitian"):
        bf.ContinuumModel(lossy, 1, cutoff=1.0).replace(gamma=0.5)


def test_values_that_break_periodicity_are_refused():
    with pytest.raises(bf.UserModelError, match="not periodic"):
        bf.LatticeModel(folded, [[1.0]]).replace(multiple=0.5)
    assert bf.LatticeModel(folded, [[1.0]]).replace(multiple=2.0).parameters["multiple"] == 2.0


def test_values_that_make_on_site_energies_complex_are_refused():
    model = bf.TightBinding([[1.0]], [[0.0]], complex_site, parameters={"phase": 0.0})
    with pytest.raises(bf.UserModelError, match="real, finite on-site energy"):
        model.replace(phase=1.0)
    np.testing.assert_allclose(model.replace(phase=0.0).hamiltonian([0.0]).real, [[-1.0]])
