"""`read_wannier90` and `write_wannier90` as users meet them: round trips, dimensions, operators, refusals."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from blochflow.core.errors import FileWarning
from blochflow.core.units import EV_ANGSTROM, NATURAL
from blochflow.models.tight_binding import TightBinding
from blochflow.models.wannier90 import read_wannier90, write_wannier90

LATTICES = {
    1: np.array([[2.5]]),
    2: np.array([[2.4, 0.1], [-1.1, 2.2]]),
    3: np.array([[2.4, 0.1, 0.2], [-1.1, 2.2, 0.3], [0.1, -0.2, 3.1]]),
}


def random_model(dimension: int, with_positions: bool, seed: int = 1, count: int = 2) -> TightBinding:
    rng = np.random.default_rng(seed)
    half = [cell for cell in np.ndindex(*[3] * dimension) if cell > tuple([1] * dimension)]
    cells = np.array([[0] * dimension, *(np.array(c) - 1 for c in half), *(1 - np.array(c) for c in half)])
    n = len(half)
    orbitals = rng.uniform(size=(count, dimension)) @ LATTICES[dimension]

    def blocks() -> np.ndarray:
        upper = rng.normal(size=(n, count, count)) + 1j * rng.normal(size=(n, count, count))
        home = rng.normal(size=(count, count)) + 1j * rng.normal(size=(count, count))
        return np.concatenate([[0.5 * (home + home.conj().T)], upper, upper.conj().swapaxes(1, 2)])

    positions = None
    if with_positions:
        positions = 0.1 * np.stack([blocks() for _ in range(dimension)], axis=1)
        for i in range(count):
            positions[0, :, i, i] = orbitals[i]
    return TightBinding.from_blocks(
        LATTICES[dimension], orbitals, cells, blocks(), positions=positions, units=EV_ANGSTROM, name="random"
    )


def flags(dimension: int) -> tuple[bool, ...]:
    return tuple(n < dimension for n in range(3))


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
@pytest.mark.parametrize(("dimension", "with_positions"), [(1, False), (2, True), (3, True), (3, False)])
def test_round_trip_is_exact(tmp_path: Path, dimension: int, with_positions: bool, suffix: str) -> None:
    model = random_model(dimension, with_positions)
    path = tmp_path / f"X_tb.dat{suffix}"
    write_wannier90(model, path)
    again = read_wannier90(path, periodic=flags(dimension), strict=True)
    assert os.listdir(tmp_path) == [path.name]
    assert again.units == EV_ANGSTROM and again.spin_degeneracy == 1 and again.name == path.name
    order = [int(np.flatnonzero((again.cells == cell).all(axis=1))[0]) for cell in model.cells]
    # 17 significant digits name a double uniquely, so nothing is allowed to differ.
    np.testing.assert_array_equal(np.asarray(again.lattice.vectors), np.asarray(model.lattice.vectors))
    np.testing.assert_array_equal(np.asarray(again.orbitals), np.asarray(model.orbitals))
    np.testing.assert_array_equal(np.asarray(again.blocks)[order], np.asarray(model.blocks))
    if with_positions:
        np.testing.assert_array_equal(np.asarray(again.positions)[order], np.asarray(model.positions))
    else:
        positions = np.asarray(again.positions)[order]
        assert np.count_nonzero(positions[1:]) == 0
        centres = np.einsum("aii->ia", positions[0])
        np.testing.assert_array_equal(centres, np.asarray(model.orbitals))


def test_plane_in_space_keeps_the_spectrum(tmp_path: Path) -> None:
    """A slab whose plane is xz: lengths, angles and energies are those of the three-dimensional model."""
    model = random_model(2, True)
    write_wannier90(model, tmp_path / "X_tb.dat")
    lines = (tmp_path / "X_tb.dat").read_text().split("\n")
    vectors = np.array([row.split() for row in lines[1:4]], dtype=float)
    turn = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=float)  # (x, y, z) -> (x, -z, y)
    lines[1:4] = [" ".join(f"{x:.16e}" for x in row) for row in vectors @ turn]
    for number, row in enumerate(lines):
        fields = row.split()
        if len(fields) == 8:  # r_x, r_y, r_z of one element
            r = np.array(fields[2:], dtype=float).reshape(3, 2)
            lines[number] = " ".join([*fields[:2], *(f"{x:.16e}" for x in (turn.T @ r).ravel())])
    (tmp_path / "X_tb.dat").write_text("\n".join(lines))
    slab = read_wannier90(tmp_path / "X_tb.dat", periodic=(True, True, False))
    old, new = np.asarray(model.lattice.vectors), np.asarray(slab.lattice.vectors)
    np.testing.assert_allclose(new @ new.T, old @ old.T, atol=1e-13)  # rounding of a few products of size 5
    assert new[0, 1] == pytest.approx(0, abs=1e-15) and new[1, 1] > 0
    order = [int(np.flatnonzero((slab.cells == cell).all(axis=1))[0]) for cell in model.cells]
    np.testing.assert_array_equal(np.asarray(slab.blocks)[order], np.asarray(model.blocks))
    rotation = np.linalg.solve(old, new)  # old frame -> new frame, rows
    turned = np.einsum("ab,raij->rbij", rotation, np.asarray(model.positions))
    # The centres and position matrices turn with the lattice (rounding of a few sums).
    np.testing.assert_allclose(np.asarray(slab.positions)[order], turned, atol=1e-13)
    np.testing.assert_allclose(np.asarray(slab.orbitals), np.asarray(model.orbitals) @ rotation, atol=1e-13)
    assert any("a3 dropped" in note for note in slab.notes)


def test_spin_orders(tmp_path: Path) -> None:
    write_wannier90(random_model(1, False, count=4), tmp_path / "X_tb.dat")

    def spin(order: str) -> np.ndarray:
        model = read_wannier90(tmp_path / "X_tb.dat", periodic=flags(1), operators={"spin": order})
        assert any("projected-spin" in note for note in model.notes)
        return np.asarray(model.operators["spin"])

    interleaved, blocks = spin("interleaved"), spin("blocks")
    np.testing.assert_array_equal(np.diag(interleaved[2]).real, [1, -1, 1, -1])
    np.testing.assert_array_equal(np.diag(blocks[2]).real, [1, 1, -1, -1])
    for sigma in (interleaved, blocks):
        # sigma_x sigma_y = i sigma_z fixes the sign of sigma_y and that up comes first.
        np.testing.assert_array_equal(sigma[0] @ sigma[1], 1j * sigma[2])
        assert np.all(sigma[0] @ sigma[0] == np.eye(4))


def test_operators_of_the_user(tmp_path: Path) -> None:
    write_wannier90(random_model(1, False), tmp_path / "X_tb.dat")

    def read(operators: object) -> TightBinding:
        return read_wannier90(tmp_path / "X_tb.dat", periodic=flags(1), operators=operators)  # type: ignore[arg-type]

    assert read({"layer": np.diag([1.0, -1.0])}).operators["layer"].shape == (2, 2)
    for wrong in (
        {"layer": np.eye(3)},
        {"layer": "interleaved"},
        {"spin": "updown"},
        {"a": [[0, 1], [0, 0]]},
        ["spin"],
    ):
        with pytest.raises(ValueError, match="Argument `operators"):
            read(wrong)


def test_spin_needs_an_even_number(tmp_path: Path) -> None:
    write_wannier90(random_model(1, False, count=3), tmp_path / "X_tb.dat")
    with pytest.raises(ValueError, match="even number"):
        read_wannier90(tmp_path / "X_tb.dat", periodic=flags(1), operators={"spin": "interleaved"})


def test_spin_of_a_run_without_spinors_warns(tmp_path: Path) -> None:
    write_wannier90(random_model(1, False), tmp_path / "X_tb.dat")
    (tmp_path / "X.win").write_text("spinors = false\n")
    with pytest.warns(FileWarning, match="spinors"):
        read_wannier90(tmp_path / "X_tb.dat", periodic=flags(1), operators={"spin": "blocks"})


@pytest.mark.parametrize("neighbour", ["X_wsvec.dat", "X_hr.dat.xz", "X.win", "X_centres.xyz"])
def test_writer_refuses_the_name_of_another_run(tmp_path: Path, neighbour: str) -> None:
    (tmp_path / neighbour).write_text("")
    with pytest.raises(ValueError, match="Argument `path` must not name a run"):
        write_wannier90(random_model(1, False), tmp_path / "X_tb.dat")


@pytest.mark.parametrize("name", ["X_hr.dat", "X.dat", "X_tb.dat.zip"])
def test_writer_refuses_other_formats(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="Argument `path` must end in"):
        write_wannier90(random_model(1, False), tmp_path / name)


def test_writer_names_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Argument `path` must lie in an existing folder.*nowhere"):
        write_wannier90(random_model(1, False), tmp_path / "nowhere" / "X_tb.dat")


def test_writer_warns_of_other_units_and_refuses_other_models(tmp_path: Path) -> None:
    chain = TightBinding([[1.0]], [[0.0]], [(-1.0, 0, 0, (1,))], units=NATURAL)
    with pytest.warns(FileWarning, match="NATURAL"):
        write_wannier90(chain, tmp_path / "X_tb.dat")
    with pytest.raises(ValueError, match="Argument `model` must"):
        write_wannier90("chain", tmp_path / "Y_tb.dat")  # type: ignore[arg-type]


def test_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "X_tb.dat"
    write_wannier90(random_model(1, False, seed=1), path)
    before = path.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_wannier90(random_model(1, False, seed=2), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["X_tb.dat"]
