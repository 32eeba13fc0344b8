"""Anomalous Hall conductivity of bcc Fe from Wannier90 files against WannierBerri and postw90 on the same grids."""

import os
from pathlib import Path

import numpy as np
import pytest

import blochflow as bf

DATA = Path(os.environ.get("BLOCHFLOW_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
EXAMPLE = Path(__file__).parents[2] / "examples" / "fe_bcc" / "Fe_tb.dat.xz"
FERMI = 17.6376


def axial(result):
    """(.., yz), (.., zx), (.., xy)."""
    value = result.value.values
    return np.stack([value[..., 1, 2], value[..., 2, 0], value[..., 0, 1]], axis=-1)


def fe_vector(grid, **options):
    model = bf.read_wannier90(EXAMPLE, **options)
    return axial(bf.response.anomalous_hall(model, FERMI, 0.0, grid=grid, throw=False))[0, 0]


@pytest.mark.filterwarnings("ignore::blochflow.FileWarning")
def test_fe_18():
    expected = [-0.128953444, 0.39929265, 502.363683]
    # WannierBerri 26.10 agrees to 1e-8; nine printed digits
    np.testing.assert_allclose(fe_vector(18, wsvec=False), expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::blochflow.FileWarning")
def test_fe_36_and_its_status():
    expected = [-0.60819708, 0.71162235, 584.057876]
    np.testing.assert_allclose(fe_vector(36, wsvec=False), expected, rtol=1e-6)
    model = bf.read_wannier90(EXAMPLE, wsvec=False)
    with pytest.raises(bf.ConvergenceError, match="not converged") as caught:
        bf.response.anomalous_hall(model, FERMI, 0.0, grid=36)
    result = caught.value.result
    assert not result.converged.any()
    # the error is the distance of the two grids
    assert float(result.error.max()) == pytest.approx(584.057876 - 502.363683, rel=1e-5)


@pytest.mark.slow
def test_fe_36_with_wsvec():
    path = DATA / "fe_bcc" / "Fe_tb.dat.xz"
    if not path.exists():
        pytest.skip(f"reference data {path} is absent")
    model = bf.read_wannier90(path)
    value = axial(bf.response.anomalous_hall(model, FERMI, 0.0, grid=36, throw=False))[0, 0]
    # one other implementation, nine printed digits
    np.testing.assert_allclose(value, [3.2110664, -0.18960161, 574.342030], rtol=1e-6)


@pytest.mark.parametrize(("folder", "wsvec"), [("ref_ahc_10_ws", True), ("ref_ahc_10_nows", False)])
def test_small_fe_against_postw90(folder, wsvec):
    path = DATA / "w90_fe" / "Fe_tb.dat"
    if not path.exists():
        pytest.skip(f"reference data {path} is absent")
    reference = np.loadtxt(DATA / "w90_fe" / folder / "Fe-ahc-fermiscan.dat")
    model = bf.read_wannier90(path, wsvec=wsvec)
    result = bf.response.anomalous_hall(model, reference[:, 0], 0.0, grid=10, throw=False)
    # 0.01 S/cm: the files hold eight digits of H and r, and near-degeneracies amplify them
    np.testing.assert_allclose(axial(result)[:, 0], reference[:, 1:], atol=0.012)
