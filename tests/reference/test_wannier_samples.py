"""Real Wannier90 files: bcc Fe (own run and Wannier90's test case), Si, Bi.

The files are optional; BLOCHFLOW_TEST_DATA names their folder.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from blochflow.core.errors import FileWarning
from blochflow.models.wannier90.data import WannierData, load_wannier90

DATA = Path(os.environ.get("BLOCHFLOW_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference data in {DATA} (set BLOCHFLOW_TEST_DATA)")

# file, R in the file, R with images, Wannier functions, ab-initio grid
SAMPLES = [
    ("w90_fe/Fe_tb.dat", 15, 15, 18, (2, 2, 2)),
    ("w90_fe/Fe_hr.dat", 15, 15, 18, (2, 2, 2)),
    ("w90_si_boltzwann/silicon_tb.dat", 93, 123, 8, (4, 4, 4)),
    ("w90_si_boltzwann/silicon_hr.dat", 93, 123, 8, (4, 4, 4)),
    ("tbmodels/bi_hr.dat", 267, 279, 10, (6, 6, 6)),
    ("tbmodels/silicon_hr.dat", 93, 93, 8, (4, 4, 4)),
    ("fe_bcc/Fe_tb.dat.xz", 597, 765, 18, (8, 8, 8)),
    ("fe_bcc/Fe_hr.dat.xz", 597, 765, 18, (8, 8, 8)),
]


def load(name: str, **options: object) -> WannierData:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FileWarning)  # absent centres, images of other centres: tested below
        return load_wannier90(DATA / name, **options)  # type: ignore[arg-type]


def hamiltonian(data: WannierData, k_frac: np.ndarray) -> np.ndarray:
    """H(k) without orbital phases, (k, N, N)."""
    return np.tensordot(np.exp(2j * np.pi * k_frac @ data.cells.T), data.hamiltonian, axes=1)


@needs_data
@pytest.mark.parametrize(("name", "in_file", "with_images", "count", "grid"), SAMPLES)
def test_samples(name: str, in_file: int, with_images: int, count: int, grid: tuple[int, ...]) -> None:
    used, ignored = load(name), load(name, wsvec=False)
    assert ignored.hamiltonian.shape == (in_file, count, count)
    assert used.hamiltonian.shape == (with_images, count, count)
    assert (used.positions is None) == ("_hr" in name)
    # Images move elements by supercell vectors, which is invisible at the k points of the ab-initio grid.
    points = np.stack(np.meshgrid(*(np.arange(n) / n for n in grid), indexing="ij"), axis=-1).reshape(-1, 3)[::3]
    one, other = hamiltonian(used, points), hamiltonian(ignored, points)
    assert np.abs(one - other).max() < 1e-12 * np.abs(one).max() * in_file  # rounding of a sum over R
    assert np.abs(one - one.conj().swapaxes(1, 2)).max() < 1e-12 * np.abs(one).max() * in_file
    if not name.startswith("tbmodels"):  # the sample of Bi is diagonal, that of Si has no images
        assert np.abs(hamiltonian(used, points + 0.06) - hamiltonian(ignored, points + 0.06)).max() > 1e-3


@needs_data
def test_energies_of_the_ab_initio_calculation() -> None:
    """Inside the frozen window, H(k) has the eigenvalues of the ab-initio run at its k points."""
    data = load("w90_fe/Fe_tb.dat")
    table = np.loadtxt(DATA / "w90_fe/Fe.eig")
    energies = table[:, 2].reshape(8, 28)
    points = np.stack(np.meshgrid(*[[0, 0.5]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    found = np.linalg.eigvalsh(hamiltonian(data, points))
    for k in range(8):
        frozen = energies[k][energies[k] < 29.9]  # dis_froz_max = 30
        # H(R) is printed with 8 digits; 15 terms of up to 22 eV give 1e-6 eV.  Fe.eig has 1e-6 or better.
        np.testing.assert_allclose(found[k][: len(frozen)], frozen, atol=5e-6)
        assert len(frozen) >= 9


@needs_data
@pytest.mark.parametrize("name", ["w90_fe/Fe_tb.dat", "fe_bcc/Fe_tb.dat.xz"])
def test_iron_is_read_without_a_single_oddity(name: str) -> None:
    data = load_wannier90(DATA / name, strict=True)
    assert data.positions is not None
    home = int(np.flatnonzero((data.cells == 0).all(axis=1))[0])
    np.testing.assert_array_equal(np.einsum("aii->ia", data.positions[home]).real, data.centres)
    text = "; ".join(data.notes)
    assert "Fe_wsvec.dat" in text and "Fe_hr.dat" in text and "Fe.win" in text


@needs_data
def test_position_matrices_of_iron_are_made_hermitian() -> None:
    data = load("w90_fe/Fe_tb.dat", wsvec=False)
    index = {tuple(cell): n for n, cell in enumerate(data.cells.tolist())}
    mirror = [index[tuple(-x for x in cell)] for cell in data.cells.tolist()]
    assert data.positions is not None
    assert np.array_equal(data.positions, data.positions[mirror].conj().swapaxes(2, 3))
    # <01|r_x|01> and the first element of the first block, against the text of the file.
    rows = (DATA / "w90_fe/Fe_tb.dat").read_text().split("\n")
    fields = [row.split() for row in rows if len(row.split()) == 8]
    first, last = fields[0], fields[324 * 14]  # R = (-1, 0, -1) and its partner, i = j = 1, both of degeneracy 2
    expected = 0.5 * 0.5 * (complex(float(first[2]), float(first[3])) + complex(float(last[2]), -float(last[3])))
    assert data.positions[0, 0, 0, 0] == pytest.approx(expected, abs=1e-15)


@needs_data
def test_images_of_iron_are_the_nearest() -> None:
    """With images, the longest hopping lies within the Wigner-Seitz cell of the 8x8x8 supercell."""
    data = load("fe_bcc/Fe_tb.dat.xz")
    steps = (data.cells @ data.lattice)[:, None, None] + data.centres[None, None] - data.centres[None, :, None]
    lengths = np.linalg.norm(steps, axis=-1)[np.abs(data.hamiltonian) > 0]
    # The corner of the Wigner-Seitz cell of bcc with cube edge a = 8 x 2.87 angstrom lies at sqrt(5)/4 a.
    edge = 8 * 2 * data.lattice[0, 0]
    assert lengths.max() <= np.sqrt(5) / 4 * edge + 1e-3


@needs_data
def test_images_of_silicon_do_not_fit_its_centres() -> None:
    """The position matrices of this test case put all centres near the origin, its `_wsvec.dat` knows better."""
    with pytest.warns(FileWarning, match="do not fit the Wannier centres"):
        load_wannier90(DATA / "w90_si_boltzwann/silicon_tb.dat")


@needs_data
def test_centres_and_units_of_bismuth() -> None:
    data = load("tbmodels/bi_hr.dat")
    np.testing.assert_allclose(data.centres[0], [0.33025098, -0.04608643, 0.10976938], rtol=0, atol=0)
    # 4.2953 bohr in angstrom
    assert data.lattice[0, 0] == pytest.approx(4.295328085621208 * 0.52917720859, rel=1e-14)
