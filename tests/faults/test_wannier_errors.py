"""Each rule of the Wannier90 reader, one at a time: where the error points and what it says."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.errors import FileFormatError, FileWarning
from blochflow.models.wannier90.data import load_wannier90
from blochflow.models.wannier90.slab import as_periodic, drop_directions

sys.path.insert(0, str(Path(__file__).parent))
from wannier_mutations import farther_images
from wannier_runs import _wsvec, make_run, wigner_seitz

NAMES = {"tb": "X_tb.dat", "hr": "X_hr.dat", "wsvec": "X_wsvec.dat", "win": "X.win", "centres": "X_centres.xyz"}


def save(folder: Path, files: dict[str, bytes]) -> None:
    for kind, raw in files.items():
        (folder / NAMES[kind]).write_bytes(raw)


@pytest.fixture(scope="module")
def run() -> dict[str, bytes]:
    return make_run(np.random.default_rng(7), (2, (3, 3, 1)))


def edit(raw: bytes, line: int, new: str) -> bytes:
    """Replace a line, counted from 1."""
    lines = raw.decode().split("\n")
    lines[line - 1] = new
    return "\n".join(lines).encode()


def line_of(raw: bytes, text: str, occurrence: int = 0) -> int:
    """Number of the line that reads so up to blanks."""
    return [n for n, row in enumerate(raw.decode().split("\n"), 1) if row.split() == text.split()][occurrence]


def refused(folder: Path, **options: object) -> FileFormatError:
    with pytest.raises(FileFormatError) as caught:
        load_wannier90(folder / "X_tb.dat", **options)  # type: ignore[arg-type]
    error = caught.value
    assert error.path and error.found and error.expected and error.fix
    return error


def test_absent_file(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert error.line is None and "X_tb.dat" in error.path


@pytest.mark.parametrize("path", ["X.dat", "Fe", "Fe.win", 3, "Fe_tb.dat.bz2"])
def test_wrong_name_is_a_wrong_argument(path: object) -> None:
    with pytest.raises(ValueError, match="Argument `path` must"):
        load_wannier90(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["tb", "hr", "wsvec", "centres"])
def test_only_the_beginning(tmp_path: Path, run: dict[str, bytes], kind: str) -> None:
    lines = run[kind].splitlines(keepends=True)
    for count in range(min(12, len(lines))):
        save(tmp_path, {**run, kind: b"".join(lines[:count])})
        error = refused(tmp_path)
        assert error.path.endswith(NAMES[kind]) and error.line is not None


def test_header_lines(tmp_path: Path, run: dict[str, bytes]) -> None:
    for line, word in ((2, "lattice vectors"), (5, "num_wann"), (6, "nrpts")):
        save(tmp_path, {"tb": edit(run["tb"], line, "  x  ")})
        error = refused(tmp_path)
        assert error.line == line and word in error.fix


def test_place_of_a_damaged_number(tmp_path: Path, run: dict[str, bytes]) -> None:
    first = line_of(run["tb"], "") + 2
    row = run["tb"].decode().split("\n")[first - 1]
    column = row.index(row.split()[2]) + 1
    for bad, word in (("*" * 15, "wider columns"), ("NaN", "not finite"), ("0.1x", "damaged")):
        save(tmp_path, {"tb": edit(run["tb"], first, row.replace(row.split()[2], bad.rjust(len(row.split()[2]))))})
        error = refused(tmp_path)
        assert error.line == first and abs(error.column - column) <= 15 and word in error.fix


def test_broken_hermiticity_names_both_lines(tmp_path: Path, run: dict[str, bytes]) -> None:
    first = line_of(run["tb"], "") + 2
    row = run["tb"].decode().split("\n")[first - 1]
    save(tmp_path, {"tb": edit(run["tb"], first, row[:12] + " 0.12300000E+01" + row[27:])})
    error = refused(tmp_path)
    assert "Hermitian" in error.fix and error.line == first
    partner = int(re.search(r"line (\d+)", error.expected)[1])  # type: ignore[index]
    assert run["tb"].decode().split("\n")[partner - 1].split()[:2] == ["1", "1"]


@pytest.mark.parametrize("altered", ["    1    0    0", "    0    7    0"])
def test_damaged_r_of_the_hamiltonian_is_named_itself(tmp_path: Path, run: dict[str, bytes], altered: str) -> None:
    line = line_of(run["tb"], "0 0 0")
    save(tmp_path, {"tb": edit(run["tb"], line, altered)})
    error = refused(tmp_path)
    assert error.line == line and "R = (0, 0, 0)" in error.expected and "Hamiltonian" in error.fix
    # the same in the list of the position matrices, where that of the Hamiltonian is sound
    line = line_of(run["tb"], "0 0 0", 1)
    save(tmp_path, {"tb": edit(run["tb"], line, altered)})
    error = refused(tmp_path)
    assert error.line == line and "position matrices" in error.fix


def test_position_matrices_grossly_asymmetric(tmp_path: Path, run: dict[str, bytes]) -> None:
    rows = run["tb"].decode().split("\n")
    at = next(n for n, row in enumerate(rows) if len(row.split()) == 8 and row.split()[:2] == ["2", "1"])
    fields = rows[at].split()
    save(tmp_path, {"tb": edit(run["tb"], at + 1, " ".join([*fields[:2], "0.40000000E+02", *fields[3:]]))})
    error = refused(tmp_path)
    assert error.line == at + 1 and "position matrices" in error.fix


@pytest.mark.parametrize(
    ("kind", "pattern", "new", "word"),
    [
        ("win", rb"num_wann  = 2", b"num_wann = 3", "num_wann differs"),
        ("win", rb"mp_grid : 3 3 1", b"mp_grid = 3 3 2", "mp_grid"),
        ("win", rb"mp_grid : 3 3 1", b"mp_grid = 3 3", "mp_grid"),
        ("win", rb"mp_grid : 3 3 1", b"mp_grid = 1 9 1", "multiple of mp_grid"),
        ("win", rb"End Unit_Cell_Cart", b"", "unit_cell_cart"),
        ("win", rb"Begin Unit_Cell_Cart\n", b"Begin Unit_Cell_Cart\ninch\n", "unit"),
        ("win", rb"spinors false", b"spinors maybe", "spinors"),
        ("win", rb"\Z", b"num_wann = 5\n", "one line with num_wann"),
        ("centres", rb"^ +3", b"     4", "complete the `_centres.xyz`"),
        ("centres", rb"\nX ", b"\nH ", "number of Wannier centres"),
        ("wsvec", rb"^##", b"", "comment"),
        ("hr", rb"\n +2\n", b"\n 3\n", "num_wann"),
    ],
)
def test_files_that_contradict(
    tmp_path: Path, run: dict[str, bytes], kind: str, pattern: bytes, new: bytes, word: str
) -> None:
    damaged = re.sub(pattern, new, run[kind], count=1)
    assert damaged != run[kind]
    save(tmp_path, {**run, kind: damaged})
    error = refused(tmp_path)
    assert word in error.fix and (error.path.endswith(NAMES[kind]) or kind == "win")


def test_files_of_two_runs(tmp_path: Path, run: dict[str, bytes]) -> None:
    other = make_run(np.random.default_rng(8), (2, (3, 3, 1)))
    for kind in ("hr", "win"):
        save(tmp_path, {**run, kind: other[kind]})
        error = refused(tmp_path)
        assert error.path.endswith(NAMES[kind]) and "same run" in error.fix


def with_more_images(raw: bytes, shift: int) -> bytes:
    """The lists of (R = 0, 1, 2) and (R = 0, 2, 1) with one more T."""
    rows = raw.decode().split("\n")
    at = next(n for n, row in enumerate(rows) if row.split() == ["0", "0", "0", "1", "2"])
    mirror = next(n for n, row in enumerate(rows) if row.split() == ["0", "0", "0", "2", "1"])
    for line, sign in sorted(((at, 1), (mirror, -1)), reverse=True):
        rows[line + 1] = str(int(rows[line + 1]) + 1)
        rows.insert(line + 2, f"    0    {shift * sign}    0")
    return "\n".join(rows).encode()


def test_images_that_are_nearest_for_no_centres(tmp_path: Path) -> None:
    run = make_run(np.random.default_rng(7), (2, (2, 2, 2)))
    save(tmp_path, {"tb": run["tb"], "wsvec": with_more_images(run["wsvec"], 6)})
    assert "not the nearest images" in refused(tmp_path).fix


def test_all_single_images_moved(tmp_path: Path, run: dict[str, bytes]) -> None:
    for seed in range(6):
        moved = farther_images(run["wsvec"], np.random.default_rng(seed))
        save(tmp_path, {"tb": run["tb"], "wsvec": moved})
        error = refused(tmp_path)
        assert "not the nearest images" in error.fix or "disagree on the supercell" in error.fix


def test_image_of_a_function_to_itself(tmp_path: Path, run: dict[str, bytes]) -> None:
    at = line_of(run["wsvec"], "0 0 0 1 1")
    lines = run["wsvec"].decode().split("\n")
    lines[at : at + 2] = ["    3", "    0    0    0", "    3    0    0", "   -3    0    0"]
    save(tmp_path, {**run, "wsvec": "\n".join(lines).encode()})
    assert "nearest image of a Wannier function to itself" in refused(tmp_path).fix


def test_images_of_other_centres(tmp_path: Path) -> None:
    # Lists made for centres that lie elsewhere are well formed, but do not fit those of the matrices.
    run = make_run(np.random.default_rng(7), (2, (2, 2, 2)))
    lattice = np.array([row.split() for row in run["tb"].decode().split("\n")[1:4]], dtype=float)
    cells = wigner_seitz(lattice, (2, 2, 2))[0]
    centres = np.array([[0.0, 0.0, 0.0], 0.9 * lattice[0] - 0.6 * lattice[1]])
    save(tmp_path, {"tb": run["tb"], "wsvec": _wsvec(lattice, (2, 2, 2), centres, cells).encode()})
    with pytest.warns(FileWarning, match="do not fit the Wannier centres"):
        load_wannier90(tmp_path / "X_tb.dat")
    assert "_wsvec.dat" in refused(tmp_path, strict=True).fix


def test_equally_near_image_left_out(tmp_path: Path) -> None:
    run = make_run(np.random.default_rng(7), (2, (2, 2, 2)))
    lines = run["wsvec"].decode().split("\n")
    heads = [n for n, row in enumerate(lines) if len(row.split()) == 5 and row.split()[3:] == ["1", "1"]]
    doubled = {tuple(lines[n].split()[:3]): n for n in heads if lines[n + 1].split() == ["2"]}
    cell, first = next(iter(doubled.items()))
    second = doubled[tuple(str(-int(x)) for x in cell)]
    kept = [int(x) for x in lines[first + 2].split()]
    opposite = [n for n in (second + 2, second + 3) if [-int(x) for x in lines[n].split()] != kept]
    for line in sorted((first + 3, opposite[0]), reverse=True):
        del lines[line]
    for start in (first, second - (second > first)):
        lines[start + 1] = "    1"
    save(tmp_path, {"tb": run["tb"], "wsvec": "\n".join(lines).encode()})
    with pytest.warns(FileWarning, match="lacks an equally near image"):
        load_wannier90(tmp_path / "X_tb.dat")
    assert "equally near" in refused(tmp_path, strict=True).fix


def test_degeneracies_against_images(tmp_path: Path) -> None:
    # Without a .win: all degeneracies 1 count 15 points or so, but the images are those of 2 x 2 x 2.
    run = make_run(np.random.default_rng(7), (2, (2, 2, 2)))
    rows = run["tb"].decode().split("\n")
    for line in range(6, 6 + -(-int(rows[5]) // 15)):
        rows[line] = "    1" * len(rows[line].split())
    save(tmp_path, {"tb": "\n".join(rows).encode(), "wsvec": run["wsvec"]})
    error = refused(tmp_path)
    assert error.line == 7 and "supercell" in error.fix


def test_notes_name_what_was_compared(tmp_path: Path, run: dict[str, bytes]) -> None:
    save(tmp_path, run)
    assert "checked against X.win: num_wann, mp_grid, unit_cell_cart" in load_wannier90(tmp_path / "X_tb.dat").notes
    save(tmp_path, {"win": b"%%%%\n"})
    assert "X.win states nothing that could be checked" in load_wannier90(tmp_path / "X_tb.dat").notes


def test_oddities_warn_and_strict_refuses(tmp_path: Path, run: dict[str, bytes]) -> None:
    moved = re.sub(rb"\d\.\d{8}", b"9.87654321", run["centres"], count=1)
    save(tmp_path, {**run, "centres": moved})
    with pytest.warns(FileWarning, match="Wannier centre"):
        load_wannier90(tmp_path / "X_tb.dat")
    assert "_centres.xyz" in refused(tmp_path, strict=True).fix


def test_hr_without_centres_warns(tmp_path: Path, run: dict[str, bytes]) -> None:
    save(tmp_path, {"hr": run["hr"], "win": run["win"]})
    with pytest.warns(FileWarning, match="Wannier centres"):
        data = load_wannier90(tmp_path / "X_hr.dat")
    assert np.all(data.centres == 0) and any("origin" in note for note in data.notes)


def test_orbital_moment_without_position_matrices_says_so(tmp_path: Path, run: dict[str, bytes]) -> None:
    save(tmp_path, {kind: run[kind] for kind in ("hr", "win", "centres")})
    with warnings.catch_warnings(action="ignore", category=FileWarning):
        model = bf.read_wannier90(tmp_path / "X_hr.dat")
    with pytest.warns(bf.ValidityWarning, match=r"tight-binding approximation.*Position matrices are missing too"):
        bf.geometry.orbital_moment(bf.bands(model, [0.1, 0.2, 0.3]))


def test_hr_needs_a_lattice(tmp_path: Path, run: dict[str, bytes]) -> None:
    save(tmp_path, {"hr": run["hr"]})
    with pytest.raises(FileFormatError, match=r"X\.win"):
        load_wannier90(tmp_path / "X_hr.dat")


def test_wsvec_choices(tmp_path: Path, run: dict[str, bytes]) -> None:
    save(tmp_path, run)
    used = load_wannier90(tmp_path / "X_tb.dat")
    ignored = load_wannier90(tmp_path / "X_tb.dat", wsvec=False)
    elsewhere = tmp_path / "elsewhere.dat"
    (tmp_path / NAMES["wsvec"]).rename(elsewhere)
    named = load_wannier90(tmp_path / "X_tb.dat", wsvec=elsewhere)
    absent = load_wannier90(tmp_path / "X_tb.dat")
    neither = load_wannier90(tmp_path / "X_tb.dat", wsvec=False)
    assert np.array_equal(named.cells, used.cells) and np.array_equal(named.hamiltonian, used.hamiltonian)
    assert np.array_equal(absent.hamiltonian, ignored.hamiltonian)
    for data, word in (
        (used, "used"),
        (ignored, "ignored"),
        (named, "used"),
        (absent, "not found"),
        (neither, "ignored"),
    ):
        assert any(note.startswith("wsvec") and word in note for note in data.notes)
    assert "use_ws_distance" in refused(tmp_path, wsvec=True).fix
    with pytest.raises(ValueError, match="Argument `wsvec` must"):
        load_wannier90(tmp_path / "X_tb.dat", wsvec=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", ["crlf", "tabs", "exponents", "blank lines", "no last newline", "comment", "%g"])
def test_harmless_layout(tmp_path: Path, run: dict[str, bytes], change: str) -> None:
    save(tmp_path, run)
    sound = load_wannier90(tmp_path / "X_tb.dat")
    text = run["tb"]
    altered = {
        "crlf": text.replace(b"\n", b"\r\n"),
        "tabs": re.sub(rb"(?m)^ +", b"\t", text),
        "exponents": re.sub(rb"E([+-])", rb"D\1", text),
        "blank lines": text.replace(b"\n\n", b"\n   \n\n") + b"\n\n",
        "no last newline": text.rstrip(b"\n"),
        "comment": "Eisen, r\u00e9sum\u00e9".encode() + text[text.index(b"\n") :],
        "%g": re.sub(rb"-?0\.\d{8}E[+-]\d\d", lambda field: b"%.8g" % float(field[0]), text),
    }[change]
    assert altered != text
    save(tmp_path, {"tb": altered})
    data = load_wannier90(tmp_path / "X_tb.dat")
    assert np.array_equal(data.hamiltonian, sound.hamiltonian) and np.array_equal(data.positions, sound.positions)


def test_three_digit_exponent_without_letter(tmp_path: Path, run: dict[str, bytes]) -> None:
    rows = run["tb"].decode().split("\n")
    at = next(n for n, row in enumerate(rows) if len(row.split()) == 8 and row.split()[:2] == ["2", "1"])
    fields = rows[at].split()
    save(tmp_path, {"tb": edit(run["tb"], at + 1, " ".join([*fields[:2], "0.12345678-103", *fields[3:]]))})
    assert np.isfinite(load_wannier90(tmp_path / "X_tb.dat").positions).all()


def test_time_is_linear_even_for_announced_giants(tmp_path: Path, run: dict[str, bytes]) -> None:
    save(tmp_path, {"tb": edit(run["tb"], 5, "   999999999")})
    assert refused(tmp_path).line is not None
    save(tmp_path, {"tb": edit(run["tb"], 6, "   999999999")})
    assert "degeneracies" in refused(tmp_path).fix


def test_dropped_direction_with_hopping(tmp_path: Path) -> None:
    save(tmp_path, make_run(np.random.default_rng(9), (2, (2, 2, 2))))
    data = load_wannier90(tmp_path / "X_tb.dat")
    with pytest.raises(FileFormatError, match="`periodic`") as caught:
        drop_directions(data, as_periodic((True, True, False)), "X_tb.dat")
    along = data.cells[:, 2] != 0
    assert f"{np.abs(data.hamiltonian[along]).max():.3g} eV" in caught.value.found


@pytest.mark.parametrize("periodic", [(True, True), (1, 1, 0), (False, False, False), "xyz", None])
def test_wrong_periodic(periodic: object) -> None:
    with pytest.raises(ValueError, match="Argument `periodic` must"):
        as_periodic(periodic)
