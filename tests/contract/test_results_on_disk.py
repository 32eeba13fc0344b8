"""Results survive the disk, other readers and other units: netCDF with both engines, CSV, Fermi-surface formats."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import blochflow as bf
from blochflow.core.convert import SYMBOLS, parse_unit
from blochflow.core.files import replacing
from blochflow.core.literature import bibtex, entries, short_citation
from blochflow.models.catalog import BANDS
from blochflow.response.catalog import QUANTITIES


@pytest.fixture(scope="module")
def sigma() -> xr.Dataset:
    """Two states of one model, the second not converged on this coarse grid."""
    return bf.response.anomalous_hall(bf.zoo.haldane(), [0.0, 0.9], [0.0, 0.1], grid=12, throw=False)


@pytest.fixture(scope="module")
def lines() -> xr.Dataset:
    return bf.geometry.band_structure(bf.zoo.haldane(), "G-K|M-G", points=20, color="sublattice")


@pytest.fixture
def with_complex(sigma: xr.Dataset) -> xr.Dataset:
    made = sigma.copy()
    made["response"] = ((2 + 3j) * sigma["value"]).assign_attrs(units="1", long_name="r")
    return made


def test_saved_results_come_back_identical(tmp_path: Path, with_complex: xr.Dataset, lines: xr.Dataset) -> None:
    for number, result in enumerate((with_complex, lines)):
        file = bf.save(result, tmp_path / f"{number}.nc")
        back = bf.open(file)
        assert back.identical(result)
        assert {name: v.dtype.kind for name, v in back.data_vars.items()} == {
            name: v.dtype.kind for name, v in result.data_vars.items()
        }


def test_infinite_parts_of_complex_numbers_survive(tmp_path: Path, sigma: xr.Dataset) -> None:
    made = sigma.copy()
    numbers = np.zeros(sigma["value"].shape, dtype=complex)
    numbers.real, numbers.imag = 1.0, np.inf
    made["response"] = sigma["value"].copy(data=numbers)
    back = bf.open(bf.save(made, tmp_path / "r.nc"))["response"].values
    assert (back.real == 1).all()
    assert (back.imag == np.inf).all()


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_files_open_in_xarray_with_either_engine(tmp_path: Path, with_complex: xr.Dataset, engine: str) -> None:
    if engine == "netcdf4":
        pytest.importorskip("netCDF4", reason="the netCDF4 library is not installed")
    file = bf.save(with_complex, tmp_path / "r.nc")
    with xr.open_dataset(file, engine=engine) as read:
        for name in ("value", "error", "converged"):
            np.testing.assert_array_equal(read[name].values, with_complex[name].values)
        assert read["converged"].dtype == bool
        assert not read["converged"].values.all()
        np.testing.assert_array_equal(read["response_re"].values, with_complex["response"].values.real)
        np.testing.assert_array_equal(read["response_im"].values, with_complex["response"].values.imag)
        assert list(read["a"].values) == ["x", "y"]
        assert read.attrs["equation"] == with_complex.attrs["equation"]


def test_history_of_one_grid_stays_an_array(tmp_path: Path) -> None:
    n = bf.response.electron_density(bf.zoo.square(), 0.0, 0.1, grid=5, throw=False)
    assert len(n.attrs["history_points"]) == 1
    assert bf.open(bf.save(n, tmp_path / "n.nc")).identical(n)


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, sigma: xr.Dataset) -> None:
    file = bf.save(sigma, tmp_path / "r.nc")
    before = file.read_bytes()
    with pytest.raises(RuntimeError, match="power cut"), replacing(file) as aside:
        aside.write_bytes(b"half a file")
        raise RuntimeError("power cut")
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["r.nc"]
    bf.save(sigma.isel(mu=[0]), file)
    assert bf.open(file).sizes["mu"] == 1
    assert os.listdir(tmp_path) == ["r.nc"]


def test_saving_says_what_is_wrong(tmp_path: Path, sigma: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="`path` must end in .nc"):
        bf.save(sigma, tmp_path / "r.h5")
    with pytest.raises(ValueError, match="`path` must lie in an existing folder"):
        bf.save(sigma, tmp_path / "absent" / "r.nc")
    with pytest.raises(ValueError, match="`result` must be an xarray.Dataset"):
        bf.save(sigma["value"], tmp_path / "r.nc")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="attributes"):
        bf.save(sigma.assign_attrs(extra={"a": 1}), tmp_path / "r.nc")
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_names_the_file(
    tmp_path: Path, sigma: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "r.nc"
    with pytest.raises(OSError, match="disk is full") as caught, replacing(file):
        raise OSError("disk is full")
    assert caught.value.filename == str(file)

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "hidden")

    monkeypatch.setattr(tempfile, "mkstemp", read_only)
    with pytest.raises(OSError, match=r"cannot be written \(Read-only file system\)") as caught:
        bf.save(sigma, file)
    assert (caught.value.errno, caught.value.filename) == (errno.EROFS, str(file))
    assert os.listdir(tmp_path) == []


def test_opening_something_else_says_so(tmp_path: Path) -> None:
    text = tmp_path / "text.nc"
    text.write_text("not netCDF")
    other = tmp_path / "other.nc"
    xr.Dataset({"x": ("t", [1.0])}).to_netcdf(other, engine="h5netcdf")
    for path, words in ((text, "not a netCDF4 file"), (other, "without the attributes"), (tmp_path, "a folder")):
        with pytest.raises(bf.FileFormatError) as caught:
            bf.open(path)
        assert words in caught.value.found
        assert caught.value.path == str(path)
        assert caught.value.fix


# CODATA 2018: e^2/h = 1/(25812.80745 ohm)
VON_KLITZING = 25812.80745


def test_conductance_in_siemens(sigma: xr.Dataset) -> None:
    quanta = bf.to_units(sigma, "e^2/h")
    siemens = bf.to_si(sigma)
    assert siemens.attrs["units"] == "S"
    assert siemens["value"].attrs["units"] == siemens["error"].attrs["units"] == "S"
    # ten digits of the constant
    np.testing.assert_allclose(siemens["value"] * VON_KLITZING, quanta["value"], rtol=1e-9)
    np.testing.assert_allclose(siemens["error"] * VON_KLITZING, quanta["error"], rtol=1e-9)
    np.testing.assert_allclose(siemens.attrs["history_value"] * VON_KLITZING, quanta.attrs["history_value"], rtol=1e-9)
    assert siemens["mu"].identical(sigma["mu"])
    assert sigma.attrs["units"] == "e^2/hbar"
    # the plateau of the Haldane model, -C e^2/h: a gapped integrand on 12^2 points is good to four digits
    assert abs(float(quanta["value"].sel(a="x", b="y", mu=0.0, temperature=0.0)) - 1) < 1e-3


@pytest.mark.parametrize(
    ("label", "si", "factor"),
    [
        ("S/cm", "S/m", 100.0),
        ("1/angstrom^2", "1/m^2", 1e20),
        ("1/cm^3", "1/m^3", 1e6),
        ("eV", "J", 1.602176634e-19),
        ("A/(K m)", "A/(K*m)", 1.0),
        ("e^2/(hbar*angstrom)", "S/m", 2.43413480e-4 * 1e10),
        ("mu_B/angstrom^2", "A", 9.2740100783e-24 / 1e-20),
        ("1", "1", 1.0),
    ],
)
def test_unit_table(sigma: xr.Dataset, label: str, si: str, factor: float) -> None:
    made = sigma.assign_attrs(units=label)
    for name in ("value", "error"):
        made[name] = made[name].assign_attrs(units=label)
    converted = bf.to_si(made)
    assert converted.attrs["units"] == si
    # the listed constants have at least nine digits
    np.testing.assert_allclose(converted["value"], factor * sigma["value"], rtol=1e-8)
    back = bf.to_units(converted, label)
    # two roundings
    np.testing.assert_allclose(back["value"], sigma["value"], rtol=1e-14)


def test_unit_errors(sigma: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="same kind as 'e\\^2/hbar' \\(S\\)"):
        bf.to_units(sigma, "S/cm")
    with pytest.raises(ValueError, match="did you mean 'eV'"):
        bf.to_units(sigma, "ev")
    with pytest.raises(ValueError, match="own unit of length"):
        bf.to_si(sigma.assign_attrs(units="e^2/(hbar a)"))
    with pytest.raises(ValueError, match="own unit of energy"):
        bf.to_units(sigma.assign_attrs(units="E"), "eV")
    with pytest.raises(ValueError, match="be a unit such as"):
        bf.to_units(sigma, "S//cm")
    with pytest.raises(ValueError, match="have the attribute `units`"):
        bf.to_si(xr.Dataset())


def test_every_unit_of_every_quantity_is_understood() -> None:
    """All labels of the catalog parse, or are in the model's own units and refused as such."""
    for quantity in (*QUANTITIES.values(), BANDS):
        for (system, _), (_, label) in quantity.units.items():
            if system == "EV_ANGSTROM":
                assert parse_unit(label)[0] > 0
            else:
                try:
                    parse_unit(label)
                except ValueError as exc:
                    assert "own unit" in str(exc), (quantity.name, label)
    assert "E" not in SYMBOLS
    assert "a" not in SYMBOLS


def test_table_holds_every_number(tmp_path: Path, with_complex: xr.Dataset) -> None:
    text = bf.export(with_complex, tmp_path / "r.csv").read_text()
    assert "# units: e^2/hbar" in text
    assert "# equation: sigma_ab" in text
    table = pd.read_csv(io.StringIO(text), comment="#")
    assert len(table) == with_complex["value"].size
    for row in table.itertuples():
        entry = with_complex.sel(mu=row.mu, temperature=row.temperature, a=row.a, b=row.b)
        assert row.value == float(entry["value"])
        assert row.error == float(entry["error"])
        assert row.converged == bool(entry["converged"])
        assert row.response_im == complex(entry["response"]).imag


def test_table_of_bands(tmp_path: Path, lines: xr.Dataset) -> None:
    table = pd.read_csv(bf.export(lines, tmp_path / "b.csv"), comment="#")
    assert list(table.columns[:4]) == ["k", "band", "distance", "energy"]
    np.testing.assert_array_equal(table["energy"].to_numpy().reshape(20, 2), lines["energy"].values)


@pytest.fixture(scope="module")
def triclinic() -> bf.TightBinding:
    """Three bands, two of them degenerate everywhere (a spin doublet), on a skew lattice."""
    vectors = [[1.0, 0.0, 0.0], [0.2, 1.1, 0.0], [0.1, 0.3, 0.9]]
    hops = [(-1.0, i, i, cell) for i in range(2) for cell in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    hops += [(-0.3, 2, 2, (1, 0, 0)), (5.0, 2, 2, (0, 0, 0)), (0.4, 0, 2, (0, 1, 0)), (0.4, 1, 2, (0, 1, 0))]
    return bf.TightBinding(vectors, [[0.0, 0.0, 0.0]] * 3, hops, operators={"top": np.diag([0.0, 0.0, 1.0])})


def test_bxsf_parses_back(tmp_path: Path, triclinic: bf.TightBinding) -> None:
    text = bf.export(triclinic, tmp_path / "x.bxsf", grid=(4, 3, 5), mu=0.25).read_text()
    words = text.split("BEGIN_BANDGRID_3D_bands")[1].split("END_BANDGRID_3D")[0].split()
    assert "Fermi Energy: 0.25\n" in text
    assert words[:7] == ["3", "5", "4", "6", "0.0", "0.0", "0.0"]
    # ten decimals are written
    np.testing.assert_allclose(
        np.array(words[7:16], dtype=float).reshape(3, 3), triclinic.lattice.reciprocal, atol=1e-10
    )
    for band in range(3):
        start = 16 + band * (2 + 5 * 4 * 6)
        assert words[start : start + 2] == ["BAND:", str(band + 1)]
        values = np.array(words[start + 2 : start + 2 + 120], dtype=float).reshape(5, 4, 6)
        k = np.array([[i / 4, j / 3, m / 5] for i in range(5) for j in range(4) for m in range(6)])
        energies = bf.bands(triclinic, triclinic.lattice.to_cartesian_k(k)).energies[:, band]
        # eleven digits are written
        np.testing.assert_allclose(values.reshape(-1), energies, rtol=1e-9, atol=1e-9)


def test_frmsf_parses_back(tmp_path: Path, triclinic: bf.TightBinding) -> None:
    words = bf.export(triclinic, tmp_path / "x.frmsf", grid=(4, 3, 5), mu=0.25, color="top").read_text().split()
    assert words[:5] == ["4", "3", "5", "1", "3"]
    np.testing.assert_allclose(
        np.array(words[5:14], dtype=float).reshape(3, 3), triclinic.lattice.reciprocal, atol=1e-10
    )
    numbers = np.array(words[14:], dtype=float).reshape(2, 3, 60)
    k = np.array([[i / 4, j / 3, m / 5] for i in range(4) for j in range(3) for m in range(5)])
    solved = np.linalg.eigh(np.asarray(triclinic.hamiltonian(triclinic.lattice.to_cartesian_k(k))))
    # eleven digits are written
    np.testing.assert_allclose(numbers[0], solved.eigenvalues.T - 0.25, rtol=1e-9, atol=1e-9)
    weights = np.abs(solved.eigenvectors[:, 2, :]) ** 2
    # where bands touch, the average over those that do; their sum does not depend on the choice of states
    np.testing.assert_allclose(numbers[1].T.sum(axis=1), 1.0, atol=1e-9)
    gaps = np.diff(solved.eigenvalues, axis=1).min(axis=1)
    assert (gaps > 1e-6).any()
    np.testing.assert_allclose(numbers[1].T[gaps > 1e-6], weights[gaps > 1e-6], atol=1e-9)


def test_curvature_of_touching_bands_is_averaged(tmp_path: Path) -> None:
    """Two identical copies of a Weyl lattice: every band twice, curvature that of the single one."""
    single = bf.zoo.weyl_lattice()
    double = bf.LatticeModel(lambda k: _doubled(single, k), single.lattice)
    both = [
        np.array(bf.export(m, tmp_path / "x.frmsf", grid=(3, 5, 7), color="curvature").read_text().split()[14:], float)
        for m in (single, double)
    ]
    one, two = both[0].reshape(2, 2, -1), both[1].reshape(2, 4, -1)
    finite = np.abs(np.diff(one[0], axis=0)[0]) > 1e-6
    # sums over pairs of the same states, eleven digits written
    np.testing.assert_allclose(two[1][::2][:, finite], one[1][:, finite], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(two[1][1::2][:, finite], one[1][:, finite], rtol=1e-8, atol=1e-8)


def _doubled(model: bf.TightBinding, k: object) -> object:
    from blochflow.core.backend import jnp

    return jnp.kron(jnp.eye(2), model.hamiltonian(k))


def test_export_errors(tmp_path: Path, sigma: xr.Dataset) -> None:
    model = bf.zoo.haldane()
    with pytest.raises(ValueError, match=r"end in .csv, .bxsf or .frmsf"):
        bf.export(sigma, tmp_path / "r.txt")
    with pytest.raises(ValueError, match="be a result"):
        bf.export(model, tmp_path / "r.csv")
    with pytest.raises(ValueError, match="be a model"):
        bf.export(sigma, tmp_path / "r.bxsf")
    with pytest.raises(ValueError, match="three-dimensional periodic model"):
        bf.export(model, tmp_path / "r.bxsf")
    with pytest.raises(ValueError, match="`color` must be given for .frmsf only"):
        bf.export(bf.zoo.weyl_lattice(), tmp_path / "r.bxsf", color="curvature")


def test_bibliography_holds_every_cited_key() -> None:
    for quantity in (*QUANTITIES.values(), BANDS):
        assert quantity.references
        for key in quantity.references:
            assert key in bibtex([key])
    for key in entries():
        assert entries()[key].count("{") == entries()[key].count("}")
        assert entries()[key].startswith("@")
        assert "(" in short_citation(key)
    with pytest.raises(ValueError, match="did you mean 'Xiao2010'"):
        bibtex(["Xiao201"])
