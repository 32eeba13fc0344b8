"""Symmetries of models: found, measured, and rejected where only the spectrum has them."""

import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from random_models import random_blocks

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.models.base import AbstractModel
from blochflow.response.integrands import BerrySea, as_tensor
from blochflow.response.occupation import make_occupation
from blochflow.response.symmetry import Verification, verified_operations
from blochflow.response.symmetry_images import integrand_tensor
from blochflow.response.weighed import Weighed
from blochflow.zone.orbits import grid_operations, grid_orbits
from blochflow.zone.tensor_symmetry import HALL, OHMIC, SCALAR

DATA = Path(os.environ.get("BLOCHFLOW_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
EXAMPLE = Path(__file__).parents[2] / "examples" / "fe_bcc" / "Fe_tb.dat.xz"
# Rounding of curvatures in units of the lattice constant squared, at a temperature well above it
NEGLIGIBLE = 1e-10


def hall_at(model: AbstractModel, mu=0.1, kt=0.05):
    """Hall integrand of one state, (K, 1, a, b)."""
    occupation, _ = make_occupation(np.array([mu]), np.array([kt]))
    bands = BerrySea.of_dimension(model.dimension)
    return integrand_tensor(model, Weighed(bands, occupation), lambda x: as_tensor(x, bands, model.dimension))


def hall(model: AbstractModel, **options) -> Verification:
    return verified_operations(model, hall_at(model), HALL, negligible=NEGLIGIBLE, **options)


def filled(model: AbstractModel, mu=0.1, kt=0.05):
    """sum_n f_n, (K,)."""

    def density(k):
        return (1 / (1 + np.exp((np.linalg.eigvalsh(np.asarray(model.hamiltonian(k))) - mu) / kt))).sum(axis=-1)

    return density


def ohmic_at(model: AbstractModel):
    """Trace of v_a v_b over all bands, (K, a, b): even under time reversal."""

    def tensor(k):
        v = np.asarray(bf.bands(model, k).velocity)
        return np.einsum("kanm,kbmn->kab", v, v).real

    return tensor


@pytest.mark.parametrize(
    ("name", "order", "flows"),
    [
        ("haldane", 6, True),  # C3, vertical mirrors with time reversal
        ("graphene", 12, False),  # C3v and time reversal
        ("kane_mele", 12, False),
        ("qwz", 8, True),  # C4, vertical mirrors with time reversal
        ("bhz", 16, False),
        ("weyl_lattice", 16, True),
        ("rashba_ferromagnet", 12, True),  # k.p: C6 and mirrors with time reversal
        ("parabolic", 24, False),
    ],
)
def test_groups_of_the_zoo(name, order, flows):
    model = getattr(bf.zoo, name)()
    found = hall(model)
    assert len(found.operations) == order
    assert found.allowed.shape == (model.dimension,) * 2
    assert bool(found.allowed[0, 1]) is flows
    assert not np.diagonal(found.allowed).any()
    # exact symmetries: rounding only
    assert found.energy_delta < 1e-13
    assert found.delta.shape == (1,)
    assert found.delta[0] < 1e-12 * max(1.0, found.scale[0])
    assert found.mean_delta[0] <= found.delta[0]
    symmetric = found.symmetrise(np.ones((3, *found.allowed.shape)))
    assert (symmetric[:, ~found.allowed] == 0).all()


def test_orbits_sum_up_to_the_zone():
    model, points = bf.zoo.haldane(), (9, 9)
    found = hall(model)
    assert found.allowed.tolist() == [[False, True], [True, False]]
    group = grid_operations(found.operations, points)
    assert len(group) == len(found.operations)
    orbits = grid_orbits(group, points)
    k_frac = np.stack(np.unravel_index(np.arange(81), points), axis=1) / np.array(points)
    k = np.asarray(model.lattice.to_cartesian_k(k_frac))
    full = hall_at(model)(k).sum(axis=0)
    reduced = np.tensordot(orbits.multiplicities, hall_at(model)(k[orbits.representatives]), axes=1)
    assert len(orbits.representatives) == 19  # 81/6, and orbits on mirror lines
    np.testing.assert_allclose(found.symmetrise(reduced), full, atol=1e-12)
    energies = np.linalg.eigvalsh(np.asarray(model.hamiltonian(k)))
    for g in group:
        index = np.rint(g.reduced_image(k_frac) * 9).astype(int) % 9
        np.testing.assert_allclose(energies[np.ravel_multi_index(index.T, points)], energies, atol=1e-12)


def test_inversion_and_time_reversal_leave_nothing_but_rounding():
    model = bf.zoo.kane_mele(mass=0.0, rashba=0.0)
    found = hall(model)
    assert len(found.operations) == 24
    assert not found.allowed.any()
    assert (found.symmetrise(np.ones((2, 2))) == 0).all()


@pytest.mark.parametrize("shape", [(3, 1), (4, 2), (3, 3)])
def test_a_random_model_has_no_symmetry(shape):
    model = random_blocks(5, *shape).model()
    found = verified_operations(model, filled(model), SCALAR)
    # inversion with time reversal maps every k onto itself: for a scalar even under both it says nothing
    assert [str(g) for g in found.operations] == ["identity", "inversion, with time reversal"]
    assert found.delta == 0
    assert len(found.candidates) == 4
    if shape[1] > 1:
        assert [str(g) for g in hall(model).operations] == ["identity"]
    assert (np.sort(found.energy_mismatch)[2:] > 1e-3).all()


def square_model(strength: float, seed: int = 1) -> bf.TightBinding:
    """Two orbitals on a square lattice, symmetric under C4, plus ``strength`` times random hoppings."""
    rng = np.random.default_rng(seed)
    cells = np.array(sorted(product((-1, 0, 1), repeat=2)))

    def random_hermitian():
        raw = rng.normal(size=(9, 2, 2)) + 1j * rng.normal(size=(9, 2, 2))
        return 0.5 * (raw + raw[::-1].conj().swapaxes(-1, -2))

    def turned(blocks, power):
        """<0|H|C R> from <0|H|R>: an s and a p_x + i p_y orbital, up to a phase of both."""
        phase = np.diag([1.0, 1j**power])
        moved = np.zeros_like(blocks)
        for cell, block in zip(cells, blocks, strict=True):
            image = cell
            for _ in range(power):
                image = np.array([-image[1], image[0]])
            moved[np.flatnonzero((cells == image).all(axis=1))[0]] = phase @ block @ phase.conj()
        return moved

    blocks = random_hermitian()
    symmetric = sum(turned(blocks, power) for power in range(4)) / 4
    symmetric[4] += np.diag([-1.5, 1.5])
    return bf.TightBinding.from_blocks(np.eye(2), np.zeros((2, 2)), cells, symmetric + strength * random_hermitian())


def test_a_model_made_symmetric_and_the_same_slightly_broken():
    exact = hall(square_model(0.0))
    assert sorted(str(g) for g in exact.operations) == [
        "identity",
        "inversion",
        "rotation by -90 degrees",
        "rotation by 90 degrees",
    ]
    assert exact.delta[0] < 1e-12 * exact.scale[0]
    # rounding of hoppings does not count
    assert len(hall(square_model(1e-14)).operations) == 4
    # one part in a thousand does, and is measured where it is accepted
    broken = square_model(1e-3)
    assert len(hall(broken).operations) == 1
    assert len(hall(broken).nearly) == 3
    tolerated = hall(broken, threshold=0.1)
    assert len(tolerated.operations) == 4
    # nine random blocks of order one times 1e-3, in a spectrum about ten wide; derivatives amplify them by 1/gap^2
    assert 1e-4 < tolerated.energy_delta < 3e-3
    assert 1e-4 < tolerated.delta[0] / tolerated.scale[0] < 3e-2
    assert tolerated.mean_delta[0] < tolerated.delta[0]


def test_the_spectrum_alone_does_not_count():
    # E(k) of QWZ is invariant under time reversal, the curvature is not
    model = bf.zoo.qwz()
    assert len(verified_operations(model, filled(model), SCALAR).operations) == 16
    found = hall(model)
    reversal = next(i for i, g in enumerate(found.candidates) if str(g) == "time reversal")
    assert found.energy_mismatch[reversal] < 1e-13
    assert found.tensor_mismatch[reversal] == pytest.approx(2.0, abs=1e-6)  # Omega(-k) = Omega(k), not -Omega(k)
    assert len(found.operations) == 8


def test_tensors_of_other_kinds():
    model = bf.zoo.haldane()
    even = verified_operations(model, ohmic_at(model), OHMIC)
    assert even.allowed.tolist() == [[True, False], [False, True]]
    value = even.symmetrise(np.array([[3.0, 1.0], [0.5, 1.0]]))
    np.testing.assert_allclose(value, 2 * np.eye(2), atol=1e-14)
    with pytest.raises(ValueError, match="2 axes of length 2, but gives"):
        verified_operations(model, filled(model), HALL)


def test_a_list_restricts_the_candidates():
    model = bf.zoo.qwz()
    turn, mirror = [[0, -1], [1, 0]], [[1.0, 0.0], [0.0, -1.0]]
    assert len(hall(model, symmetry=False).operations) == 1
    assert len(hall(model, symmetry=[]).operations) == 1
    assert len(hall(model, symmetry=["inversion"]).operations) == 2
    assert len(hall(model, symmetry=[turn]).operations) == 4
    assert len(hall(model, symmetry=[turn, ("time_reversal", mirror)]).operations) == 8
    assert len(hall(model, symmetry=hall(model).operations).operations) == 8
    with pytest.warns(bf.SymmetryWarning, match="'time reversal' is not used: the integrand .* differs by 2 of"):
        assert len(hall(model, symmetry=["time_reversal", turn]).operations) == 4
    graphene = bf.zoo.graphene()
    with pytest.warns(bf.SymmetryWarning, match="'inversion' is not used: the integrand"):
        assert len(hall(graphene, symmetry=["inversion", "time_reversal"]).operations) == 2
    third = 2 * np.pi / 3
    rotation = [[np.cos(third), -np.sin(third)], [np.sin(third), np.cos(third)]]
    assert len(hall(graphene, symmetry=[np.round(rotation, 4)]).operations) == 3


@pytest.mark.parametrize(
    ("symmetry", "match"),
    [
        ("all", 'must be "auto", False or a list'),
        ("inversion", "must be"),
        (True, "must be"),
        (4, "must be"),
        (["inversoin"], "did you mean 'inversion'"),
        ([[[1, 0, 0], [0, 1, 0], [0, 0, 1]]], r"\(2, 2\) matrices"),
        ([[[1.0, 0.3], [0.0, 1.0]]], "map the lattice onto itself"),
        ([("space_inversion", [[1, 0], [0, 1]])], "holds"),
        ([{"rotation": 4}], "holds"),
    ],
)
def test_other_requests_are_refused(symmetry, match):
    model = bf.zoo.qwz()
    with pytest.raises(ValueError, match=match):
        hall(model, symmetry=symmetry)


def test_continuum_models_take_any_rotation():
    model = bf.zoo.rashba_ferromagnet()
    twelfth = np.pi / 6
    rotation = [[np.cos(twelfth), -np.sin(twelfth)], [np.sin(twelfth), np.cos(twelfth)]]
    assert len(hall(model, symmetry=[rotation]).operations) == 12
    with pytest.raises(ValueError, match="orthogonal"):
        hall(model, symmetry=[[[2, 0], [0, 1]]])


@pytest.mark.parametrize(
    ("path", "wsvec", "size"),
    [(EXAMPLE, False, 4.6e-4), pytest.param(DATA / "fe_bcc" / "Fe_tb.dat.xz", True, 4.4e-3, marks=pytest.mark.slow)],
)
@pytest.mark.filterwarnings("ignore::blochflow.FileWarning")
def test_interpolated_iron_is_only_nearly_symmetric(path, wsvec, size):
    if not path.exists():
        pytest.skip(f"reference data {path} is absent")
    model = bf.read_wannier90(path, wsvec=wsvec)
    # the group 4/mm'm' of a magnetization along [001]: C4, inversion, vertical mirrors with time reversal
    turn, mirror = [[0, -1, 0], [1, 0, 0], [0, 0, 1]], [[-1, 0, 0], [0, 1, 0], [0, 0, 1]]
    with pytest.warns(bf.SymmetryWarning) as caught:
        found = verified_operations(
            model,
            filled(model, 17.6376, 0.2),
            SCALAR,
            symmetry=["inversion", turn, ("time_reversal", mirror)],
            threshold=1.5e-2,
        )
    # the fourfold axis is broken by more than this: 1.6e-2 of the width without, 2.4e-2 with the nearest images
    assert sorted(str(w.message).split("'")[1] for w in caught) == [
        "reflection with normal (1, 0, 0), with time reversal",
        "rotation by 90 degrees about (0, 0, 1)",
    ]
    assert len(found.candidates) == 16
    assert len(found.operations) == 8
    # measured once; the sample of k is fixed, eigenvalues are good to 1e-12
    assert found.energy_delta == pytest.approx(size, rel=0.05)
    inversion = next(i for i, g in enumerate(found.candidates) if str(g) == "inversion")
    # six decimals of H(R) in eV, a width of some 50 eV
    assert found.energy_mismatch[inversion] < 1e-6


def test_small_pockets_do_not_verify_symmetries_that_the_model_lacks():
    """All integrands vanish at the random k; time reversal must not follow from 0 = 0."""
    sx, sy, sz = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])

    def ferromagnet(k):
        scalar = -(jnp.cos(k[0]) + jnp.cos(k[1])) * jnp.eye(2)
        return scalar + 0.1 * (jnp.sin(k[0]) * sy - jnp.sin(k[1]) * sx) + 0.05 * sz

    model = bf.LatticeModel(ferromagnet, np.eye(2))
    mu = float(np.linalg.eigvalsh(np.asarray(model.hamiltonian([0.0, 0.0])))[0]) + 0.004
    quiet = bf.Execution(progress=False)
    found = bf.response.anomalous_hall(model, mu, 0.0, execution=quiet)
    plain = bf.response.anomalous_hall(model, mu, 0.0, symmetry=False, execution=quiet)
    value, error = (float(x.sel(a="x", b="y").item()) for x in (plain.value, plain.error))
    assert abs(value) > 10 * error and "time reversal" not in found.attrs["symmetry"].split(",")[0]
    assert abs(found.value.sel(a="x", b="y").item() - value) <= error + found.error.sel(a="x", b="y").item()
    table = bf.response.symmetry_table(model, mu=mu, temperature=0.0)
    assert table["anomalous_hall"].is_allowed("xy")
