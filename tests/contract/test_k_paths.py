"""Named points lie where the Brillouin zone puts them, for any choice of primitive vectors; paths and grids."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import blochflow as bf
from blochflow.geometry.band_structure import read_reference_bands
from blochflow.models.high_symmetry import high_symmetry_points

H = 3**0.5 / 2
# lattice, and for each label: |k| in units of 2 pi/a, and how many reciprocal vectors are as near as Gamma is
LATTICES: dict[str, tuple[np.ndarray, dict[str, tuple[float, int]]]] = {
    "simple cubic": (np.eye(3), {"X": (0.5, 1), "M": (0.5**0.5, 3), "R": (0.75**0.5, 7)}),
    "face-centred cubic": (
        np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2,
        {"X": (1, 1), "L": (0.75**0.5, 1), "W": (1.25**0.5, 3), "K": (1.125**0.5, 2), "U": (1.125**0.5, 2)},
    ),
    "body-centred cubic": (
        np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2,
        {"H": (1, 5), "N": (0.5**0.5, 1), "P": (0.75**0.5, 3)},
    ),
    "hexagonal": (
        np.array([[1, 0, 0], [-0.5, H, 0], [0, 0, 1.3]]),
        {"M": (3**-0.5, 1), "K": (2 / 3, 2), "K'": (2 / 3, 2), "A": (0.5 / 1.3, 1)},
    ),
    "tetragonal": (np.diag([1, 1, 1.3]), {"X": (0.5, 1), "M": (0.5**0.5, 3), "Z": (0.5 / 1.3, 1)}),
    "body-centred tetragonal": (
        np.array([[-1, 1, 0.7], [1, -1, 0.7], [1, 1, -0.7]]) / 2,
        {"X": (0.5**0.5, 1), "M": (1.0, 3), "Z": ((1 + 0.49) / 2 / 0.7, 4)},
    ),
    "orthorhombic": (np.diag([1, 1.2, 1.5]), {"X": (0.5, 1), "Y": (0.5 / 1.2, 1), "Z": (0.5 / 1.5, 1)}),
    "rhombohedral": (np.array([[1, 0.3, 0.3], [0.3, 1, 0.3], [0.3, 0.3, 1]]), {"Z": (0.75**0.5 / 1.6, 1)}),
}


def other_vectors(vectors: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Other primitive vectors of the same lattice."""
    while True:
        change = draw.integers(-2, 3, size=(3, 3))
        if round(abs(np.linalg.det(change))) == 1:
            return change @ vectors


@pytest.mark.parametrize("name", LATTICES)
def test_points_of_three_dimensional_lattices(name: str) -> None:
    vectors, expected = LATTICES[name]
    draw = np.random.default_rng()
    reach = np.arange(-4, 5)
    cells = np.stack(np.meshgrid(reach, reach, reach), axis=-1).reshape(-1, 3)
    cells = cells[(cells != 0).any(axis=1)]
    neighbours = cells @ np.asarray(bf.Lattice(vectors).reciprocal)
    for primitive in (vectors, other_vectors(vectors, draw), 5.3 * other_vectors(vectors, draw)):
        lattice = bf.Lattice(primitive)
        size = round(abs(np.linalg.det(primitive) / np.linalg.det(vectors)) ** (1 / 3), 9)
        found, points = high_symmetry_points(lattice)
        assert found == name
        for label, (length, faces) in expected.items():
            k = size * np.asarray(lattice.to_cartesian_k(np.array(points[label])))
            # reduced coordinates are rounded to 12 digits
            assert abs(np.linalg.norm(k) / (2 * np.pi) - length) < 1e-9, (label, primitive)
            further = np.linalg.norm(neighbours - k, axis=1) - np.linalg.norm(k)
            # in the first zone, and on as many of its faces as the point should be
            assert further.min() > -1e-9, (label, primitive)
            assert (np.abs(further) < 1e-9).sum() == faces, (label, primitive)


@pytest.mark.parametrize(
    ("vectors", "name", "labels"),
    [
        ([[1.0]], "chain", "G X"),
        ([[1.0, 0.0], [0.0, 1.0]], "square", "G X M"),
        ([[1.0, 0.0], [3.0, 1.0]], "square", "G X M"),
        ([[1.0, 0.0], [0.5, H]], "hexagonal", "G M K K'"),
        ([[1.0, 0.0], [-0.5, H]], "hexagonal", "G M K K'"),
        ([[1.0, 0.0], [2.5, H]], "hexagonal", "G M K K'"),
        ([[1.0, 0.0], [0.0, 2.0]], "rectangular", "G X Y S"),
        ([[1.0, 0.2], [0.3, 1.0]], "oblique", "G X Y S"),
    ],
)
def test_points_of_one_and_two_dimensional_lattices(vectors: list[list[float]], name: str, labels: str) -> None:
    found, points = high_symmetry_points(bf.Lattice(vectors))
    assert (found, " ".join(points)) == (name, labels)
    lattice = bf.Lattice(vectors)
    corners = {label: np.asarray(lattice.to_cartesian_k(np.array(k))) for label, k in points.items()}
    if name == "hexagonal":
        for label, length in (("K", 4 * np.pi / 3), ("K'", 4 * np.pi / 3), ("M", 2 * np.pi / 3**0.5)):
            # reduced coordinates are rounded to 12 digits
            assert abs(np.linalg.norm(corners[label]) - length) < 1e-9
        # K and K' are neighbouring corners with M half way between them
        np.testing.assert_allclose(corners["K"] + corners["K'"], 2 * corners["M"], atol=1e-9)


def test_valleys_are_those_of_the_zoo() -> None:
    """The gap of the Haldane model is 2|mass -/+ 3 sqrt(3) t2 sin(phase)| at K and K', as its docstring says."""
    model = bf.zoo.haldane(mass=0.2, t2=0.15)
    path = bf.k_path(model, "K-K'", points=3)
    energies = np.asarray(bf.bands(model, path.k[[0, -1]]).energies)
    size = 3 * 3**0.5 * 0.15
    # rounding of the reduced coordinates to 12 digits enters at second order
    np.testing.assert_allclose(energies[:, 1] - energies[:, 0], [2 * (0.2 + size), 2 * (size - 0.2)], rtol=1e-9)


def test_path_has_every_corner_and_the_number_of_points_asked_for() -> None:
    model = bf.zoo.haldane()
    path = bf.k_path(model, "G-K-M|K'-G", points=57)
    assert path.k.shape == (57, 2)
    assert path.labels == ("G", "K", "M|K'", "G")
    steps = np.linalg.norm(np.diff(path.k, axis=0), axis=1)
    jump = int(np.argmax(np.diff(path.distance) == 0))
    # rounding of sums of 57 steps
    np.testing.assert_allclose(np.delete(np.diff(path.distance), jump), np.delete(steps, jump), atol=1e-12)
    for position in path.label_positions:
        assert np.abs(path.distance - position).min() < 1e-12
    assert steps[jump] > 1


def test_corners_by_coordinates() -> None:
    model = bf.zoo.haldane()
    named = bf.k_path(model, "G-M", points=11)
    given = bf.k_path(model, ["Gamma", ("here", (0.5, 0.0))], points=11)
    np.testing.assert_array_equal(named.k, given.k)
    assert given.labels == ("G", "here")


@pytest.mark.parametrize(
    ("path", "points", "words"),
    [
        ("G-Q", 10, "G, M, K, K'"),
        ("G-m", 10, "did you mean 'M'"),
        ("G", 10, "at least two points"),
        ("G-M", 1, "at least 2"),
        ("G-M", 2.5, "be an integer"),
        (3, 10, "be text such as"),
        (["G", ("M", (0.5,))], 10, "give 2 coordinates"),
        (["G", 3], 10, "holds 3"),
        (["G", ("a b", (0.5, 0.0))], 10, "without spaces"),
    ],
)
def test_wrong_paths(path: object, points: object, words: str) -> None:
    with pytest.raises(ValueError, match="Argument") as caught:
        bf.k_path(bf.zoo.haldane(), path, points=points)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_continuum_models_have_no_zone() -> None:
    with pytest.raises(ValueError, match="continuum model"):
        bf.k_path(bf.zoo.massive_dirac(), "G-X")
    with pytest.raises(ValueError, match="continuum model"):
        bf.k_grid(bf.zoo.massive_dirac(), 4)


def test_grid_is_the_one_of_the_integrals() -> None:
    model = bf.zoo.haldane()
    k = np.asarray(model.lattice.to_reduced_k(bf.k_grid(model, (3, 2), shift=0.5)))
    expected = [[(i + 0.5) / 3, (j + 0.5) / 2] for i in range(3) for j in range(2)]
    # two matrix products
    np.testing.assert_allclose(k, expected, atol=1e-14)
    with pytest.raises(ValueError, match="`points` must be a positive integer or 2 of them"):
        bf.k_grid(model, (3, 2, 1))


def test_band_structure_carries_its_weights() -> None:
    model = bf.zoo.haldane()
    result = bf.geometry.band_structure(model, "G-K-M", points=15, color="curvature")
    bands = bf.bands(model, result["wavevector"].values)
    np.testing.assert_array_equal(result["energy"].values, bands.energies)
    np.testing.assert_array_equal(result["color"].values, bf.geometry.berry_curvature(bands)[:, 0, 1])
    assert result["color"].attrs["units"] == "a^2"
    touching = bf.geometry.band_structure(bf.zoo.graphene(mass=0.0), "G-K-M", points=15, color="sublattice")
    at_k = int(np.argmin(np.abs(np.diff(touching["energy"].values, axis=1))))
    assert np.isnan(touching["color"].values[at_k]).all()
    assert np.isfinite(np.delete(touching["color"].values, at_k, axis=0)).all()


@pytest.mark.parametrize(
    ("color", "words"),
    [("spin_z", "name an operator"), ("curvature_xz", "curvature_ab"), ("curvature_xx", "curvature_ab")],
)
def test_wrong_colors(color: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        bf.geometry.band_structure(bf.zoo.haldane(), "G-K", points=5, color=color)


def test_vector_operators_need_a_component() -> None:
    with pytest.raises(ValueError, match="spin_x, spin_y or spin_z"):
        bf.geometry.band_structure(bf.zoo.kane_mele(), "G-K", points=5, color="spin")


def test_damaged_reference_bands(tmp_path: Path) -> None:
    for text, line, words in (("0 1\n1 x\n", 2, "two numbers"), ("0 1\n1 2\n\n0 1\n", None, "equally many")):
        file = tmp_path / "b.dat"
        file.write_text(text)
        with pytest.raises(bf.FileFormatError) as caught:
            read_reference_bands(file)
        assert caught.value.line == line
        assert words in caught.value.expected
    with pytest.raises(bf.FileFormatError, match="no such file"):
        read_reference_bands(tmp_path / "absent.dat")


def test_bands_of_iron_on_the_path_of_postw90() -> None:
    """Energies and distances along G-H-P against postw90's kpath output (Wannier90 3.1.0 example 18)."""
    folder = Path(os.environ["BLOCHFLOW_TEST_DATA"]) / "w90_fe"
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}")
    distance, energy = read_reference_bands(folder / "ref_kpath" / "Fe-bands.dat")
    model = bf.read_wannier90(folder / "Fe_tb.dat")
    corners = [("G", (0.0, 0.0, 0.0)), ("H", (0.5, -0.5, -0.5)), ("P", (0.75, 0.25, -0.25))]
    result = bf.geometry.band_structure(
        model, corners, points=distance.shape[1], reference=folder / "ref_kpath" / "Fe-bands.dat"
    )
    # the file has eight digits; postw90 rounds the number of points per segment, hence its own distances
    assert abs(result["distance"].values[-1] - distance[0, -1]) < 1e-4
    np.testing.assert_array_equal(result["reference_energy"].values, energy)
    along = np.array([np.interp(distance[0], result["distance"].values, e) for e in result["energy"].values.T])
    # linear interpolation between points 0.04/angstrom apart, where bands curve by up to about 10 eV angstrom^2
    assert np.abs(along - energy).max() < 0.02
    assert np.abs(along[:, 0] - energy[:, 0]).max() < 1e-5
