"""Operations of lattices, groups, orbits of grids and cells, and the tensors that a group leaves."""

from itertools import product

import numpy as np
import pytest

from blochflow.zone.orbits import cell_operations, cell_orbits, grid_operations, grid_orbits
from blochflow.zone.symmetry import (
    Operation,
    generated_group,
    identity,
    is_group,
    largest_group,
    lattice_operations,
    multiplication_table,
    point_operations,
)
from blochflow.zone.tensor_symmetry import (
    HALL,
    OHMIC,
    SCALAR,
    TensorKind,
    allowed_components,
    projector,
    symmetrise,
    transform,
)

SKEW = np.array([[1, 0, 0], [7, 1, 0], [-3, 5, 1]])
LATTICES = {
    "chain": ([[1.3]], 2),
    "square": (np.eye(2), 8),
    "hexagonal 2D": ([[1.0, 0.0], [0.5, 3**0.5 / 2]], 12),
    "rectangular": ([[1.0, 0.0], [0.0, 1.4]], 4),
    "centred rectangular": ([[1.0, 0.6], [1.0, -0.6]], 4),
    "oblique": ([[1.0, 0.0], [0.3, 1.2]], 2),
    "simple cubic": (2.7 * np.eye(3), 48),
    "face-centred cubic": ([[0, 1, 1], [1, 0, 1], [1, 1, 0]], 48),
    "body-centred cubic": ([[-1, 1, 1], [1, -1, 1], [1, 1, -1]], 48),
    "body-centred cubic, skew basis": (SKEW @ [[-1, 1, 1], [1, -1, 1], [1, 1, -1]], 48),
    "hexagonal 3D": ([[1.0, 0.0, 0.0], [0.5, 3**0.5 / 2, 0.0], [0.0, 0.0, 1.6]], 24),
    "rhombohedral": ([[1, 0.2, 0.2], [0.2, 1, 0.2], [0.2, 0.2, 1]], 12),
    "tetragonal": (np.diag([1.0, 1.0, 1.3]), 16),
    "orthorhombic": (np.diag([1.0, 1.2, 1.3]), 8),
    "monoclinic": ([[1.0, 0.0, 0.0], [0.0, 1.3, 0.0], [0.3, 0.0, 1.7]], 4),
    "triclinic": ([[1.0, 0.0, 0.0], [0.2, 1.1, 0.0], [0.3, 0.17, 1.4]], 2),
}
KINDS = (
    SCALAR,
    HALL,
    OHMIC,
    TensorKind(1, axial=True, time_odd=True),
    TensorKind(3, last_two="antisymmetric"),
    TensorKind(3, time_odd=True, last_two="symmetric"),
)
# products and averages of at most 96 orthogonal matrices in double precision
ROUNDING = 1e-12
# generators of rotations
X2, Z4 = np.diag([1.0, -1.0, -1.0]), np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
XYZ3 = np.roll(np.eye(3), 1, axis=0)
SQUARE = lattice_operations(np.eye(2))


@pytest.mark.parametrize("name", LATTICES)
def test_operations_of_a_lattice(name):
    vectors, count = LATTICES[name]
    operations = lattice_operations(vectors)
    assert sum(not g.time_reversal for g in operations) == count
    assert len(operations) == 2 * count
    assert operations[0].equals(identity(len(vectors)))
    assert is_group(operations)
    reciprocal = np.linalg.inv(np.asarray(vectors, dtype=float)).T
    k_frac = np.random.default_rng(1).normal(size=(5, len(vectors)))
    for g in operations:
        assert np.abs(g.rotation @ g.rotation.T - np.eye(len(vectors))).max() < ROUNDING
        # reduced and Cartesian action agree; entries of W reach about 100 in the skew basis
        np.testing.assert_allclose(g.reduced_image(k_frac) @ reciprocal, g.image(k_frac @ reciprocal), atol=1e-10)


def test_order_of_operations_in_a_turned_lattice_with_seven_digits():
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    vectors = np.round(2.87 / 2 * np.array([[1, 1, 1], [-1, 1, 1], [-1, -1, 1]]) @ turn.T, 7)
    assert len(lattice_operations(vectors)) == 96
    # 1e-3 is a real distortion
    assert len(lattice_operations(vectors @ turn @ np.diag([1, 1, 1.001]) @ turn.T)) == 32


def test_products_follow_the_action_on_k():
    operations = lattice_operations(LATTICES["hexagonal 3D"][0])
    table = multiplication_table(operations)
    k = np.random.default_rng(0).normal(size=(4, 3))
    for i, j in np.random.default_rng(0).integers(0, len(operations), (30, 2)):
        both = operations[i] @ operations[j]
        np.testing.assert_allclose(both.image(k), operations[i].image(operations[j].image(k)), atol=ROUNDING)
        np.testing.assert_allclose(
            both.reduced_image(k), operations[i].reduced_image(operations[j].reduced_image(k)), atol=ROUNDING
        )
        assert operations[table[i, j]].equals(both)


def test_groups_from_generators_and_inside_a_set():
    fourfold = next(g for g in SQUARE if np.allclose(g.rotation, [[0, -1], [1, 0]]))
    mirror = Operation(np.diag([1.0, -1.0]), np.diag([1, -1]), True)
    assert len(generated_group([], 2)) == 1
    assert len(generated_group([fourfold], 2)) == 4
    assert len(generated_group([fourfold, mirror], 2)) == 8
    # without the half turn, C4 is not closed: only mirror and identity remain
    chosen = [SQUARE[0], fourfold, mirror]
    assert not is_group(chosen)
    assert [str(g) for g in largest_group(chosen, [0.0, 0.2, 0.1])] == [str(SQUARE[0]), str(mirror)]
    with pytest.raises(ValueError, match="finite point group"):
        generated_group([Operation(np.array([[0.6, -0.8], [0.8, 0.6]]))], 2)


def test_operations_in_words():
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert str(Operation(turn)) == "rotation by 90 degrees about (0, 0, 1)"
    assert str(Operation(-turn.T, None, True)) == "rotation by 90 degrees about (0, 0, -1) with inversion, " + (
        "with time reversal"
    )
    assert str(Operation(-np.eye(3))) == "inversion"
    assert str(Operation(np.eye(3), None, True)) == "time reversal"
    assert str(Operation(np.array([[0.0, 1.0], [1.0, 0.0]]))) == "reflection with normal (1, -1)"
    assert str(Operation(turn[:2, :2].T)) == "rotation by -90 degrees"
    assert str(Operation(-np.eye(1))) == "inversion"
    assert len(point_operations(3, "hexagonal")) == 48


@pytest.mark.parametrize(
    ("name", "points", "shift"),
    [
        ("chain", (7,), 0.0),
        ("square", (6, 6), 0.5),
        ("square", (4, 6), 0.0),
        ("square", (5, 5), (0.5, 0.0)),
        ("hexagonal 2D", (6, 6), 0.0),
        ("hexagonal 2D", (6, 6), 0.5),
        ("hexagonal 2D", (4, 8), 0.0),
        ("body-centred cubic", (4, 4, 4), 0.0),
        ("face-centred cubic", (4, 4, 4), 0.5),
        ("monoclinic", (3, 4, 2), 0.3),
    ],
)
def test_orbits_partition_the_grid(name, points, shift):
    vectors = np.asarray(LATTICES[name][0], dtype=float)
    operations = grid_operations(lattice_operations(vectors), points, shift)
    orbits = grid_orbits(operations, points, shift)
    assert orbits.multiplicities.sum() == np.prod(points)
    assert (len(operations) % orbits.multiplicities == 0).all()
    # a function with the full symmetry: sum over a shell of lattice vectors, closed under all operations
    cells = np.array(list(product(range(-3, 4), repeat=len(points))))
    length = np.linalg.norm(cells @ vectors, axis=1)
    near = length < 2.1 * length[length > 0].min()
    cells, weight = cells[near], np.exp(-length[near])
    index = np.stack(np.unravel_index(np.arange(np.prod(points)), points), axis=1)
    k_frac = (index + np.broadcast_to(shift, len(points))) / points
    values = np.cos(2 * np.pi * k_frac @ cells.T) @ weight
    reduced = orbits.multiplicities @ values[orbits.representatives]
    assert reduced == pytest.approx(values.sum(), abs=1e-10 * np.abs(values).sum())


def test_grids_lose_the_operations_that_do_not_fit():
    assert len(grid_operations(SQUARE, (6, 6), 0.5)) == 16
    assert len(grid_operations(SQUARE, (4, 6))) == 8
    assert len(grid_operations(SQUARE, (6, 6), 0.3)) == 4  # the diagonal mirror and time reversal times inversion
    hexagon = lattice_operations(LATTICES["hexagonal 2D"][0])
    assert len(grid_operations(hexagon, (6, 6))) == 24
    assert len(grid_operations(hexagon, (6, 6), 0.5)) == 8  # half a spacing along both axes: no threefold axis
    with pytest.raises(ValueError, match="map the grid onto itself"):
        grid_orbits(SQUARE, (4, 6))
    with pytest.raises(ValueError, match="not closed"):
        grid_orbits(SQUARE[:3], (4, 4))
    with pytest.raises(ValueError, match="shift"):
        grid_orbits(SQUARE, (4, 4), (0.0, 0.0, 0.0))


@pytest.mark.parametrize(("cells", "shift"), [((2, 2, 2), 0.0), ((2, 3, 2), 0.0), ((2, 2, 2), 0.5)])
def test_cells_are_integrated_through_representatives(cells, shift):
    operations = cell_operations(lattice_operations(np.eye(3)), cells, shift)
    assert len(operations) == (96 if cells == (2, 2, 2) else 32)
    nodes = np.array(list(product([-0.3, 0.3], repeat=3))) + 0.5

    def integral(level, index):
        k = (index[:, None, :] + nodes + shift * 2**level) / (np.array(cells) * 2**level)
        x, y, z = np.cos(2 * np.pi * k).T
        return (np.exp(x + y + z) + x * y * z).T.sum(axis=1) / 8**level

    level0 = np.array(list(product(*(range(n) for n in cells))))
    first = cell_orbits(operations, cells, 0, level0, shift=shift)
    assert first.multiplicities.sum() == len(level0)
    kept = level0[first.representatives]
    assert first.multiplicities @ integral(0, kept) == pytest.approx(integral(0, level0).sum(), rel=1e-13)
    # children of representatives inherit weights and join again where the parent is its own image
    corners = np.array(list(product([0, 1], repeat=3)))
    children = (2 * kept[:, None] + corners).reshape(-1, 3)
    second = cell_orbits(
        operations, cells, np.ones(len(children)), children, weights=np.repeat(first.multiplicities, 8), shift=shift
    )
    every = np.array(list(product(*(range(2 * n) for n in cells))))
    value = second.multiplicities @ integral(1, children[second.representatives])
    assert value == pytest.approx(integral(1, every).sum(), rel=1e-13)
    direct = cell_orbits(operations, cells, 1, every, shift=shift)
    assert len(direct.representatives) == len(second.representatives)
    with pytest.raises(ValueError, match="indices"):
        cell_orbits(operations, cells, 0, level0[:, :2], shift=shift)


def test_cells_only_allow_signed_permutations():
    hexagon = lattice_operations(LATTICES["hexagonal 2D"][0])
    kept = cell_operations(hexagon, (4, 4))
    assert len(kept) == 8
    assert is_group(kept)
    with pytest.raises(ValueError, match="map cells to cells"):
        cell_orbits(hexagon, (4, 4), 0, [[0, 0]])
    # fcc: the primitive axes are permuted by 6 rotations, times inversion and time reversal
    assert len(cell_operations(lattice_operations(LATTICES["face-centred cubic"][0]), (4, 4, 4))) == 24


@pytest.mark.parametrize("name", ["square", "hexagonal 2D", "rhombohedral", "body-centred cubic", "monoclinic"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_projectors_against_averages_of_random_tensors(name, kind):
    everything = lattice_operations(LATTICES[name][0])
    groups = [
        everything,
        tuple(g for g in everything if g.time_reversal == (np.linalg.det(g.rotation) < 0)),  # a magnetic group
        everything[:1],
    ]
    d = everything[0].dimension
    rng = np.random.default_rng(7)
    for group in groups:
        assert is_group(group)
        matrix = projector(group, kind)
        np.testing.assert_allclose(matrix @ matrix, matrix, atol=ROUNDING)
        np.testing.assert_allclose(matrix, matrix.T, atol=ROUNDING)
        tensor = rng.normal(size=(4, *(d,) * kind.rank))
        average = symmetrise(tensor, group, kind)
        brute = np.mean([brute_force(tensor, g, kind) for g in group], axis=0)
        if kind.last_two != "any":
            swapped = np.swapaxes(brute, -1, -2)
            brute = 0.5 * (brute + (swapped if kind.last_two == "symmetric" else -swapped))
        np.testing.assert_allclose(average, brute, atol=ROUNDING)
        np.testing.assert_allclose(average.reshape(4, -1), tensor.reshape(4, -1) @ matrix.T, atol=ROUNDING)
        for g in group:
            np.testing.assert_allclose(transform(average, g, kind), average, atol=ROUNDING)
        allowed = allowed_components(group, kind)
        assert (average[:, ~allowed] == 0).all()
        assert (np.abs(average[:, allowed]).max(axis=0) > 1e-3).all()  # four normal numbers are not all this small


def brute_force(tensor, operation, kind):
    """The definition, index by index."""
    r = operation.rotation
    spec = {0: "...->...", 1: "ai,...i->...a", 2: "ai,bj,...ij->...ab", 3: "ai,bj,ck,...ijk->...abc"}[kind.rank]
    value = np.einsum(spec, *([r] * kind.rank), tensor)
    if kind.axial:
        value = value * np.linalg.det(r)
    return -value if kind.time_odd and operation.time_reversal else value


def test_textbook_tensors():
    cubic, square = lattice_operations(np.eye(3)), SQUARE
    assert np.array_equal(allowed_components(cubic, OHMIC), np.eye(3, dtype=bool))
    assert not allowed_components(square, HALL).any()
    assert allowed_components(square, SCALAR).all()
    # magnetization along z: rotations about z, and vertical mirrors with time reversal
    along_z = TensorKind(1, axial=True, time_odd=True)
    magnetic = tuple(g for g in cubic if np.allclose(transform(np.eye(3)[2], g, along_z), np.eye(3)[2]))
    assert len(magnetic) == 16
    assert np.argwhere(allowed_components(magnetic, HALL)).tolist() == [[0, 1], [1, 0]]
    # Omega_ab = eps_abc Omega_c: a polar antisymmetric tensor is an axial vector
    epsilon = np.linalg.det(np.eye(3)[np.array(list(product(range(3), repeat=3)))]).reshape(3, 3, 3)
    vector = np.random.default_rng(2).normal(size=3)
    for g in cubic:
        left = transform(epsilon @ vector, g, HALL)
        np.testing.assert_allclose(left, epsilon @ transform(vector, g, along_z), atol=ROUNDING)


@pytest.mark.parametrize("degrees", [0.0, 1e-5, 0.03, 1.0])
def test_axes_that_are_turned_a_little_forbid_nothing(degrees):
    """xy of diag(1, 2) with axes turned by t is -sin(t) cos(t), however small."""
    t = np.deg2rad(degrees)
    turn = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    group = lattice_operations(np.diag([1.0, 1.4]) @ turn)
    tensor = turn.T @ np.diag([1.0, 2.0]) @ turn
    assert allowed_components(group, OHMIC)[0, 1] == (degrees > 0)
    np.testing.assert_allclose(symmetrise(tensor, group, OHMIC), tensor, atol=ROUNDING)


@pytest.mark.parametrize("digits", [4, 7, 15])
def test_lattice_vectors_of_few_digits_forbid_what_exact_ones_do(digits):
    third = TensorKind(3, last_two="symmetric")
    exact, typed = ([[1.0, 0.0], [-0.5, y]] for y in (3**0.5 / 2, round(3**0.5 / 2, digits + 1)))
    for kind in (OHMIC, third):
        groups = [tuple(g for g in lattice_operations(x) if np.linalg.det(g.rotation) > 0) for x in (exact, typed)]
        expected, found = (allowed_components(group, kind) for group in groups)
        np.testing.assert_array_equal(found, expected)
    assert not expected.any()


def test_wrong_tensors_are_refused():
    with pytest.raises(ValueError, match="last_two"):
        TensorKind(1, last_two="symmetric")
    with pytest.raises(ValueError, match="rank"):
        TensorKind(9)
    with pytest.raises(ValueError, match="axes of length 2"):
        transform(np.zeros((4, 3, 3)), SQUARE[0], HALL)
    with pytest.raises(ValueError, match="belong to a lattice"):
        grid_operations(point_operations(2, "square"), (4, 4))


@pytest.mark.parametrize(
    ("generators", "whole", "total"),
    # Nye, Physical Properties of Crystals, table of piezoelectric moduli; total: cubic polynomials that the group keeps
    [
        ([], 18, 10),
        ([Z4], 4, 2),
        ([Z4, X2], 1, 0),
        ([X2, Z4 @ Z4], 3, 1),
        ([Z4, XYZ3], 0, 0),
        ([X2, Z4 @ Z4, XYZ3], 1, 1),
    ],
    ids=["1", "4", "422", "222", "432", "23"],
)
def test_parts_of_a_tensor_symmetric_in_two_indices(generators, whole, total):
    group = generated_group([Operation(g) for g in generators], 3)
    for cyclic, constants in (("any", whole), ("equal", total), ("cancelling", whole - total)):
        kind = TensorKind(3, last_two="symmetric", cyclic=cyclic)
        assert round(np.trace(projector(group, kind))) == constants
        assert allowed_components(group, kind).any() == (constants > 0)
