"""Subspaces that H(k) never mixes: found, and integrated one by one where their bands cross at mu."""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.models.blocks import block_model, conserved_blocks

PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
K = np.random.default_rng(3).random((20, 2)) * 6
QUIET = bf.Execution(progress=False)


def spinful(seed, exchange=0.3, spin_orbit=0.0):
    """Two orbitals at random places with spins along and against one random direction, complex hoppings."""
    rng = np.random.default_rng(seed)
    axis = rng.standard_normal(3)
    along = np.einsum("a,aij->ij", axis / np.linalg.norm(axis), PAULI)
    t = rng.standard_normal((6, 2, 2)) + 1j * rng.standard_normal((6, 2, 2))
    hoppings = {
        cell: np.kron(t[i], np.eye(2)) + exchange * np.kron(t[4], along) * (cell == (1, 0))
        for i, cell in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)])
    }
    hoppings[0, 0] = np.kron(t[0] + t[0].conj().T, np.eye(2)) / 2 + exchange * np.kron(np.diag([1.0, -0.4]), along)
    hoppings[0, 1] = hoppings[0, 1] + spin_orbit * np.kron(t[5], PAULI[0])
    places = np.repeat(rng.random((2, 2)), 2, axis=0)
    operators = {"spin": np.array([np.kron(np.eye(2), s) for s in PAULI])}
    return bf.TightBinding([[1.0, 0.0], [0.3, 1.1]], places, hoppings, operators=operators)


def two_cones(signs=(1.0, 1.0), shift=0.15):
    """Massive Dirac cones of two spins, moved apart by an exchange field."""

    def hamiltonian(k, mass=0.1):
        blocks = [
            jnp.array([[s * mass, k[0] - 1j * k[1]], [k[0] + 1j * k[1], -s * mass]]) + e * jnp.eye(2)
            for s, e in zip(signs, (shift, -shift), strict=True)
        ]
        zero = jnp.zeros((2, 2))
        # in a basis in which the blocks do not show
        turn = jnp.asarray(np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0])
        return turn @ jnp.block([[blocks[0], zero], [zero, blocks[1]]]) @ turn.T

    return bf.ContinuumModel(hamiltonian, 2, cutoff=2.0)


def sizes(model):
    return [basis.shape[1] for basis in conserved_blocks(model)]


def test_blocks_of_spin_and_of_nothing():
    assert sizes(spinful(1)) == [2, 2]
    # without exchange the two spins are copies, which nothing has to separate
    assert sizes(spinful(1, exchange=0.0)) == [4]
    assert sizes(spinful(1, spin_orbit=1e-6)) == [4]
    assert sizes(bf.zoo.kane_mele(rashba=0.0)) == [2, 2]
    assert sizes(bf.zoo.kane_mele(rashba=0.1)) == [4]
    assert sizes(two_cones()) == [2, 2]


def test_conserved_projector_between_places_is_no_block():
    """Even and odd states of two equal orbitals at different places: no crystal of its own has either."""
    hoppings = [(0.3, 0, 1, (0, 0)), (1.0, 0, 0, (1, 0)), (1.0, 1, 1, (1, 0))]
    together = bf.TightBinding(np.eye(2), [[0.0, 0.0], [0.0, 0.0]], hoppings)
    apart = bf.TightBinding(np.eye(2), [[0.0, 0.0], [0.0, 0.4]], hoppings)
    assert sizes(together) == [1, 1]
    assert sizes(apart) == [2]


@pytest.mark.parametrize("model", [spinful(2), two_cones()], ids=["hoppings", "function"])
def test_blocks_have_the_energies_of_the_whole(model):
    parts = [np.linalg.eigvalsh(np.asarray(block_model(model, w).hamiltonian(K))) for w in conserved_blocks(model)]
    whole = np.linalg.eigvalsh(np.asarray(model.hamiltonian(K)))
    # rounding of energies of order ten
    assert np.abs(np.sort(np.concatenate(parts, axis=1), axis=1) - whole).max() < 1e-13


@pytest.mark.parametrize("name", ["anomalous_hall", pytest.param("spin_hall", marks=pytest.mark.slow)])
def test_crossing_spins_agree_with_grids(name):
    model, states = spinful(81), {"mu": 0.2, "temperature": 0.05}
    respond = getattr(bf.response, name)
    cells = respond(model, **states, rule="cells", execution=QUIET)
    grid = respond(model, **states, rule="uniform", execution=QUIET)
    assert "blocks" in cells.attrs["rigor"]
    # bands that cross on lines would take 1e6 cells
    assert cells.attrs["evaluations"] < 200_000
    difference = np.abs(cells.value - grid.value)
    assert float(np.abs(grid.value).max()) > 1e-3
    assert bool((difference <= cells.error + grid.error).all())


@pytest.mark.parametrize("temperature", [0.0, pytest.param(0.02, marks=pytest.mark.slow)])
def test_two_cones_are_two_cones(temperature):
    """sigma of both = sigma of one at mu - b and at mu + b, which has no crossings."""
    shift, mus = 0.15, np.array([0.0, 0.3])
    whole = bf.response.anomalous_hall(two_cones(shift=shift), mus, temperature, execution=QUIET)
    cone = bf.zoo.massive_dirac(mass=0.1, cutoff=2.0)
    parts = [bf.response.anomalous_hall(cone, mus + s, temperature, execution=QUIET) for s in (shift, -shift)]
    difference = np.abs(whole.value.values - sum(part.value.values for part in parts))
    assert (difference <= whole.error.values + sum(part.error.values for part in parts)).all()


@pytest.mark.slow
def test_cancelling_blocks_are_made_more_accurate():
    """Opposite masses at opposite shifts: sigma cancels to a part in forty, and is still known to the tolerance."""
    model = two_cones(signs=(1.0, -1.0), shift=0.15)
    whole = bf.response.anomalous_hall(model, 0.005, 0.0, tolerance=bf.Tolerance(rtol=1e-2), execution=QUIET)
    value, error = (float(x.sel(a="x", b="y").item()) for x in (whole.value, whole.error))
    # sigma(mu) = -(e^2/2h) m/mu of one cone in its band, up to the filled part below, equal for both
    expected = -0.5 / (2 * np.pi) * 0.1 * (1 / 0.145 - 1 / 0.155)
    assert abs(abs(value) - abs(expected)) <= error <= 1e-2 * abs(value)
