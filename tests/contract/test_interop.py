"""Models of PythTB (both generations) and TBmodels, from stand-ins with the same attributes; neither is imported."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import blochflow as bf
from blochflow.models.interop import from_pythtb, from_tbmodels

# Sums of a few terms of order 1 to 10: rounding only.
EXACT = 1e-12
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
K = np.array([[0.13, -0.42, 0.27], [0.71, 0.05, -0.33], [-0.28, 0.36, 0.44]])


def random_content(dimension, periodic, nspin, seed=7):
    """Lattice, reduced orbitals, on-site energies and complex hoppings [value, i, j, R], some of them repeated."""
    rng = np.random.default_rng(seed)

    def block(hermitian=False):
        a = rng.normal(size=(nspin, nspin)) + 1j * rng.normal(size=(nspin, nspin))
        a = a + a.conj().T if hermitian else a
        return a if nspin == 2 else (a[0, 0].real if hermitian else complex(a[0, 0]))

    lattice = np.eye(dimension) + 0.3 * rng.uniform(-1, 1, (dimension, dimension))
    orbitals = rng.uniform(-0.4, 1.2, (2, dimension))
    onsite = [block(hermitian=True) for _ in range(2)]
    cells = [[1, 0, 0], [0, 1, 0], [1, -1, 0], [0, -1, 1]]
    listed = [[block(), 0, 1, [0] * dimension]]
    for cell in cells:
        kept = [cell[a] if a in periodic else 0 for a in range(dimension)]
        if any(kept):
            listed += [[block(), i, j, kept] for i, j in ((0, 0), (0, 1), (1, 0))]
    # a pair and its conjugate may both be listed: they add up
    listed.append([block(), 1, 0, [-x for x in listed[-1][3]]])
    return lattice, orbitals, onsite, listed


def pythtb_1(lattice, orbitals, onsite, listed, periodic, nspin):
    return SimpleNamespace(
        _lat=lattice,
        _orb=orbitals,
        _per=list(periodic),
        _dim_k=len(periodic),
        _dim_r=len(lattice),
        _nspin=nspin,
        _site_energies=np.array(onsite),
        _hoppings=listed,
    )


def pythtb_2(lattice, orbitals, onsite, listed, periodic, nspin):
    hoppings = []
    for value, i, j, cell in listed:
        entry = {"amplitude": value, "from_orbital": i, "to_orbital": j}
        hoppings.append(entry | ({"lattice_vector": list(cell)} if any(cell) else {}))
    return SimpleNamespace(
        lat_vecs=lattice,
        orb_vecs=orbitals,
        periodic_dirs=list(periodic),
        nspin=nspin,
        onsite=np.array(onsite),
        hoppings=hoppings,
        parameters=[],
    )


def reference_hamiltonian(content, periodic, nspin, k_frac):
    """The defining sum of PythTB, with the phases of the periodic coordinates only."""
    _, orbitals, onsite, listed = content
    h = np.zeros((4, 4) if nspin == 2 else (2, 2), dtype=complex)
    one = np.eye(nspin)
    unit = np.eye(2)
    for site, energy in enumerate(onsite):
        h += np.kron(np.outer(unit[site], unit[site]), energy * one if nspin == 1 else energy)
    for value, i, j, cell in listed:
        offset = (np.array(cell) + orbitals[j] - orbitals[i])[list(periodic)]
        term = np.exp(2j * np.pi * k_frac @ offset) * np.kron(
            np.outer(unit[i], unit[j]), value * one if nspin == 1 else value
        )
        h += term + term.conj().T
    return h


CASES = [(1, (0,), 1), (2, (0, 1), 1), (2, (0, 1), 2), (3, (0, 1, 2), 2), (2, (1,), 1), (3, (0, 2), 2)]


@pytest.mark.parametrize(("dimension", "periodic", "nspin"), CASES)
@pytest.mark.parametrize("kind", [pythtb_1, pythtb_2])
def test_pythtb(kind, dimension, periodic, nspin):
    content = random_content(dimension, periodic, nspin)
    model = from_pythtb(kind(*content, periodic, nspin))
    assert model.dimension == len(periodic)
    assert model.num_bands == 2 * nspin
    k_frac = K[:, : len(periodic)]
    h = np.asarray(model.hamiltonian(model.lattice.to_cartesian_k(k_frac)))
    for k, mine in zip(k_frac, h, strict=True):
        theirs = reference_hamiltonian(content, periodic, nspin, k)
        if len(periodic) == dimension:
            assert np.abs(mine - theirs).max() < EXACT
        # where directions are dropped the positions are projected at right angles: another gauge, the same bands
        assert np.abs(np.linalg.eigvalsh(mine) - np.linalg.eigvalsh(theirs)).max() < EXACT


def test_spinors_carry_a_spin_operator():
    periodic = (0, 1)
    content = random_content(2, periodic, 2)
    model = from_pythtb(pythtb_2(*content, periodic, 2), units=bf.EV_ANGSTROM)
    for a in range(3):
        assert np.array_equal(np.asarray(model.operator("spin")[a]), np.kron(np.eye(2), PAULI[a]))
    assert np.array_equal(np.asarray(model.orbitals[0]), np.asarray(model.orbitals[1]))
    assert model.units is bf.EV_ANGSTROM
    assert not from_pythtb(pythtb_2(*random_content(2, periodic, 1), periodic, 1)).operators


def test_dropped_directions_keep_lengths_and_positions():
    """A layer in space: lattice vectors along x and y, then the same layer turned."""
    angle = 0.7
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    lattice = np.array([[1.0, 0.0, 0.0], [0.3, 1.2, 0.0], [0.1, 0.2, 9.0]])
    _, orbitals, onsite, listed = random_content(3, (0, 1), 1)
    flat = from_pythtb(pythtb_1(lattice, orbitals, onsite, listed, (0, 1), 1))
    turned = from_pythtb(pythtb_1(lattice @ turn.T, orbitals, onsite, listed, (0, 1), 1))
    assert np.abs(np.asarray(flat.lattice.vectors) - lattice[:2, :2]).max() < EXACT
    assert np.abs(np.asarray(flat.orbitals) - (orbitals @ lattice)[:, :2]).max() < EXACT
    assert np.abs(np.asarray(turned.lattice.vectors) - lattice[:2, :2]).max() < EXACT
    assert np.abs(np.asarray(turned.orbitals) - np.asarray(flat.orbitals)).max() < EXACT
    # periodic along y only: the axis is y itself
    wire = from_pythtb(pythtb_1(np.diag([1.0, 2.0]), orbitals[:, :2], onsite, [[1.0, 0, 1, [0, 1]]], (1,), 1))
    assert np.array_equal(np.asarray(wire.lattice.vectors), [[2.0]])
    assert np.abs(np.asarray(wire.orbitals)[:, 0] - 2 * orbitals[:, 1]).max() < EXACT


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_hoppings": None}, "has no attribute `_hoppings`"),
        ({"_lat": None}, "be a tb_model of PythTB 1 or a TBModel of PythTB 2, but is a SimpleNamespace"),
        ({"_per": []}, "be periodic in 1, 2 or 3 directions, but has 0"),
        ({"_per": [0]}, "hop along periodic directions only, but hopping 4 has R = \\[0, 1\\]"),
        ({"_nspin": 3}, "one or two spin components, but has nspin = 3"),
        ({"_site_energies": [1.0]}, "have 2 on-site energies, but has 1"),
        ({"_site_energies": [1.0, 1j]}, "Hermitian on-site blocks"),
        ({"_site_energies": [1.0, np.nan]}, "finite numbers in `onsite\\[1\\]`"),
        ({"_hoppings": [["t", 0, 1, [0, 1]]]}, "hold numbers in `hoppings\\[0\\]`"),
        ({"_hoppings": [[1.0, 0, 2, [0, 1]]]}, "hop between orbitals 0 to 1, but hoppings\\[0\\] joins 0 and 2"),
        ({"_hoppings": [[1.0, 0, 1, [0.5, 1]]]}, "lattice vectors of 2 integers"),
        ({"_orb": [[0.0, 0.0, 0.0]]}, "have `orb` of shape \\(any, 2\\), but it has shape \\(1, 3\\)"),
    ],
)
def test_pythtb_errors(changes, message):
    stand_in = pythtb_1(*random_content(2, (0, 1), 1), (0, 1), 1)
    for key, value in changes.items():
        if value is None:
            delattr(stand_in, key)
        else:
            setattr(stand_in, key, value)
    with pytest.raises(ValueError, match=f"Argument `model` must.*{message}"):
        from_pythtb(stand_in)


def test_pythtb_2_errors():
    stand_in = pythtb_2(*random_content(2, (0, 1), 1), (0, 1), 1)
    stand_in.parameters = [{"kind": "onsite", "names": ["t1"]}]
    with pytest.raises(ValueError, match="with_parameters"):
        from_pythtb(stand_in)
    del stand_in.onsite, stand_in.orb_vecs
    with pytest.raises(ValueError, match="has no attribute `orb_vecs`, `onsite`"):
        from_pythtb(stand_in)


def tbmodels_stand_in(dimension=2):
    rng = np.random.default_rng(3)
    uc = np.eye(dimension) + 0.3 * rng.uniform(-1, 1, (dimension, dimension))
    zero = tuple([0] * dimension)
    hop = {zero: rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))}
    for axis in range(dimension):
        cell = tuple(int(a == axis) for a in range(dimension))
        hop[cell] = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    return SimpleNamespace(uc=uc, pos=rng.uniform(0, 1, (3, dimension)), hop=hop, occ=1, dim=dimension, size=3)


class Sparse:
    """Looks like a sparse matrix of SciPy."""

    def __init__(self, matrix):
        self._matrix = matrix

    def toarray(self):
        return self._matrix


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_tbmodels(dimension):
    source = tbmodels_stand_in(dimension)
    sparse = SimpleNamespace(**{**vars(source), "hop": {r: Sparse(m) for r, m in source.hop.items()}})
    for model in (from_tbmodels(source), from_tbmodels(sparse, units=bf.EV_ANGSTROM, spin_degeneracy=2)):
        k_frac = K[:, :dimension]
        h = np.asarray(model.hamiltonian(model.lattice.to_cartesian_k(k_frac)))
        for k, mine in zip(k_frac, h, strict=True):
            half = sum(matrix * np.exp(2j * np.pi * k @ np.array(cell)) for cell, matrix in source.hop.items())
            phase = np.exp(2j * np.pi * source.pos @ k)
            theirs = phase.conj()[:, None] * (half + half.conj().T) * phase
            assert np.abs(mine - theirs).max() < EXACT
    assert model.spin_degeneracy == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uc": None}, "have a unit cell \\(`uc`\\), but `uc` is None"),
        ({"hop": {}}, "have hoppings, but `hop` is empty"),
        ({"hop": {(0, 0): np.eye(2)}}, "have `hop\\[\\(0, 0\\)\\]` of shape \\(3, 3\\), but it has shape \\(2, 2\\)"),
        ({"hop": {(0, 0, 1): np.eye(3)}}, "lattice vectors of 2 integers"),
        ({"hop": {(0, 0): np.full((3, 3), np.inf)}}, "finite numbers in `hop"),
        ({"pos": [[0.0]]}, "have `pos` of shape \\(any, 2\\)"),
    ],
)
def test_tbmodels_errors(changes, message):
    source = SimpleNamespace(**{**vars(tbmodels_stand_in()), **changes})
    with pytest.raises(ValueError, match=f"Argument `model` must.*{message}"):
        from_tbmodels(source)


def test_tbmodels_missing_attribute():
    with pytest.raises(ValueError, match="be a tbmodels.Model, but has no attribute `uc`, `pos`, `hop`"):
        from_tbmodels(object())
