"""Hall response and density on grids that hit band degeneracies exactly: finite, and zero where symmetry says so."""

import numpy as np
import pytest

import blochflow as bf

CASES = {
    # name: (model, grid that holds the degeneracy, mu at the degeneracy, forbidden by time reversal or P*T)
    "graphene, Dirac points K and K'": (lambda: bf.zoo.graphene(mass=0.0), 12, 0.0, True),
    "Kane-Mele, Kramers points": (lambda: bf.zoo.kane_mele(), 12, 0.0, True),
    "QWZ at its transition, Dirac point at M": (lambda: bf.zoo.qwz(mass=2.0), 12, 0.0, False),
    "Weyl lattice, nodes on the grid": (lambda: bf.zoo.weyl_lattice(), 12, 0.0, False),
    "spin-one triple points": (lambda: bf.zoo.spin_one(), 12, 0.0, None),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("temperature", [0.0, 0.05])
def test_finite_on_degeneracies(name, temperature):
    build, grid, mu, forbidden = CASES[name]
    model = build()
    result = bf.response.anomalous_hall(model, [mu, mu + 0.3], temperature, grid=grid, throw=False)
    assert np.isfinite(result.value.values).all()
    if forbidden:
        # pairs cancel between k and -k (rounding of curvatures of order 1/gap^2 <= 1e4)
        assert np.abs(result.value.values).max() < 1e-10


@pytest.mark.parametrize("distance", [1e-1, 1e-3, 1e-6, 1e-9, 1e-12, 1e-14, 0.0])
def test_small_gaps_never_overflow(distance):
    model = bf.zoo.graphene(mass=distance)
    result = bf.response.anomalous_hall(model, 0.0, [0.0, 1e-3], grid=12, shift=0.0, throw=False)
    assert np.isfinite(result.value.values).all()
    # Time reversal: valleys cancel.  Each contributes up to 1/mass^2 at one k of 144, so that rounding remains, which
    # the stated error knows (how much remains differs between processors); an error that could not be proven is NaN and
    # then the result is not called converged.  1e-15 is rounding inside the sum over pairs.
    value, error = np.abs(result.value.values), result.error.values
    converged = result.converged.values[:, :, None, None]
    assert np.all((value <= error + 1e-15) | (np.isnan(error) & ~converged))


def test_spin_doubled_bands_in_a_gap_give_twice_the_chern_number():
    single = bf.zoo.haldane()
    blocks = np.kron(np.asarray(single.blocks), np.eye(2))
    orbitals = np.repeat(np.asarray(single.orbitals), 2, axis=0)
    double = bf.TightBinding.from_blocks(single.lattice, orbitals, single.cells, blocks)
    sigma = bf.response.anomalous_hall(double, 0.0, 0.0, tolerance=bf.Tolerance(1e-9)).value.values[0, 0, 0, 1]
    # exponentially convergent; 1e-9 asked
    assert sigma * 2 * np.pi == pytest.approx(2.0, rel=1e-9)
