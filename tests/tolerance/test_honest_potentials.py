"""Chemical potentials at given density: closed forms, round trips, and random metals whose errors are all kept."""

from __future__ import annotations

import drawn_metals as exact
import numpy as np
import pytest
from honesty import ONE_CORE, RTOLS, Answer, Case, log_uniform, run_family
from scipy.optimize import brentq
from test_honest_metals import SHEARS

import blochflow as bf

TWO_PI = 2 * np.pi


def solve(model, density, temperature=0.0, rtol=1e-4, **options):
    return bf.response.chemical_potential(
        model, density, temperature, tolerance=bf.Tolerance(rtol=rtol), execution=ONE_CORE, throw=False, **options
    )


def ask_potential(model, density, width):
    """mu at T = 0; the tolerance of the ledger, relative to the truth, is put in as an absolute one."""

    def ask(tolerance):
        own = bf.Tolerance(rtol=0.0, atol=tolerance.rtol * width, max_evaluations=tolerance.max_evaluations)
        result = bf.response.chemical_potential(model, density, 0.0, tolerance=own, execution=ONE_CORE, throw=False)
        return Answer.of(result)

    return ask


def anisotropic_square(rng):
    """-2 sum_a t_a cos k_a in one of several primitive cells, from nearly empty to nearly full, a third near van Hove.

    The truth is the mu from which the density was computed.
    """
    t, sides = rng.uniform(0.3, 1.2, 2), rng.uniform(0.7, 1.5, 2)
    width = 4 * float(t.sum())
    kind = rng.integers(3)
    bottom, saddle = -2 * float(t.sum()), 2 * float(abs(t[0] - t[1]))
    if kind == 0:
        mu = bottom + log_uniform(rng, 1e-4, 0.5) * width
    elif kind == 1:
        mu = saddle * rng.choice((-1, 1)) + rng.choice((-1, 1)) * log_uniform(rng, 1e-7, 1e-2)
    else:
        mu = rng.uniform(-0.45, 0.45) * width
    shear = np.array(SHEARS[2][rng.integers(len(SHEARS[2]))])
    reduced = np.rint(np.linalg.inv(shear)).astype(int)
    cells = np.concatenate([np.zeros((1, 2), dtype=int), reduced, -reduced])
    hoppings = -np.concatenate([[0.0], t, t])[:, None, None] + 0j
    model = bf.TightBinding.from_blocks(shear @ np.diag(sides), np.zeros((1, 2)), cells, hoppings)
    n = float(exact.square_lattice(np.array([mu]), *t)[0, 0]) / float(sides.prod())
    label = f"t {t} sides {sides} shear {shear.tolist()} mu {mu:.10g} n {n:.10g}"
    return [Case(label, ask_potential(model, n, width), np.array([mu]), scale=width)]


def two_cosine_bands(rng):
    """Two square lattices side by side in energy, overlapping or not, mixed by a unitary matrix."""
    t = [rng.uniform(0.3, 1.2, 2) for _ in range(2)]
    apart = rng.uniform(0.0, 6.0)
    u, _ = np.linalg.qr(rng.normal(size=(2, 2)) + 1j * rng.normal(size=(2, 2)))
    cells = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    diagonal = [np.diag([0.0, apart])] + [-np.diag([t[0][a], t[1][a]]) for a in (0, 0, 1, 1)]
    blocks = np.array([u @ matrix @ u.conj().T for matrix in diagonal])
    model = bf.TightBinding.from_blocks(np.eye(2), np.zeros((2, 2)), cells, blocks)
    # inside the lower or the upper band
    band = rng.integers(2)
    mu = band * apart + rng.uniform(-1.8, 1.8) * float(t[band].sum())
    n = sum(float(exact.square_lattice(np.array([mu - s]), *x)[0, 0]) for x, s in zip(t, (0.0, apart), strict=True))
    width = apart + 2 * float(t[0].sum() + t[1].sum())
    if abs(n - 1) < 1e-6 or not 1e-6 < n < 2 - 1e-6:
        return two_cosine_bands(rng)
    label = f"t {t} apart {apart} mu {mu:.10g} n {n:.10g}"
    return [Case(label, ask_potential(model, n, width), np.array([mu]), scale=width)]


@pytest.mark.parametrize("rtol", RTOLS)
@pytest.mark.parametrize("family", [anisotropic_square, two_cosine_bands])
def test_no_false_claim(family, rtol):
    run_family(family, 4, rtol).check()


@pytest.mark.slow
@pytest.mark.parametrize("rtol", RTOLS)
@pytest.mark.parametrize("family", [anisotropic_square, two_cosine_bands])
def test_no_false_claim_in_hundreds(family, rtol):
    ledger = run_family(family, 150, rtol)
    ledger.check()
    # the bracket is a bound as far as the errors of the density are
    assert max(ledger.to_error, default=0.0) <= 1.0, ledger.line()


def within(result, truth, width, rtol):
    """The claim holds, and is the one asked for."""
    error = result.error.item()
    assert bool(result.converged.item()), result.attrs["status_message"]
    assert abs(result.value.item() - truth) <= error <= rtol * width * (1 + 1e-3)


@pytest.mark.parametrize("mu", [0.0, -1.3, 3.9])
@pytest.mark.parametrize("rtol", [1e-3, 1e-6])
def test_square_lattice(mu, rtol):
    n = float(exact.square_lattice(np.array([mu]), 1.0, 1.0)[0, 0])
    result = solve(bf.zoo.square(), n, rtol=rtol)
    within(result, mu, 8.0, rtol)
    assert result.attrs["rule"] == "cells" and result.attrs["rigor"].startswith("bracket of mu by the density")
    # uniform grids took 2.4 million points and did not get there
    assert result.attrs["evaluations"] < 30_000


def test_cubic_lattice():
    n = float(exact.cubic_lattice(-2.5, np.ones(3))[0])
    within(solve(bf.zoo.cubic(), n, rtol=1e-3), -2.5, 12.0, 1e-3)


@pytest.mark.parametrize("mu", [1e-3, 0.5])
def test_free_electrons_within_the_cutoff(mu):
    model = bf.zoo.parabolic()
    within(solve(model, mu / TWO_PI, rtol=1e-5), mu, float(model.cutoff) ** 2 / 2, 1e-5)


def test_dirac_sea_is_counted_from_the_cutoff():
    model = bf.zoo.massive_dirac()
    n = bf.response.electron_density(model, 1.5, 0.0, tolerance=bf.Tolerance(1e-9)).value.item()
    width = 2 * float(np.hypot(float(model.parameters["mass"]), float(model.cutoff)))
    within(solve(model, n, rtol=1e-5), 1.5, width, 1e-5)
    half = float(model.cutoff) ** 2 / (4 * np.pi)
    within(solve(model, half, rtol=1e-3), 0.0, width, 1e-3)
    with pytest.raises(ValueError, match="where all bands of the model are full"):
        solve(model, 2 * half)


@pytest.mark.parametrize("temperature", [0.0, 5e-3, 0.5])
def test_round_trip(temperature):
    model = bf.zoo.haldane()
    densities = np.array([0.1, 1.3]) / model.lattice.volume
    solved = solve(model, densities, temperature, rtol=1e-5)
    assert solved.converged.all()
    tight = bf.Tolerance(1e-7)
    for n, mu in zip(densities, solved.value.values[:, 0], strict=True):
        back = bf.response.electron_density(model, mu, temperature, tolerance=tight).value.item()
        # mu is known to 1e-5 of a width of 6, the density of states is below 1
        assert back == pytest.approx(n, abs=5e-5)


@pytest.mark.parametrize("temperature", [0.05, 0.2])
def test_agrees_with_a_dense_grid(temperature):
    model = bf.zoo.square()
    k = TWO_PI * (np.arange(500) + 0.5) / 500
    energies = -2 * (np.cos(k)[:, None] + np.cos(k))
    exact_mu = brentq(
        lambda mu: np.mean(1 / (1 + np.exp(np.clip((energies - mu) / temperature, -700, 700)))) - 0.3, -4, 4
    )
    for options in ({}, {"rule": "cells"}, {"rule": "uniform"}):
        result = solve(model, 0.3, temperature, rtol=1e-5, **options)
        assert abs(result.value.item() - exact_mu) <= max(result.error.item(), 1e-9)


def test_warm_states_use_a_grid_and_cold_ones_cells():
    result = solve(bf.zoo.square(), 0.3, [0.5, 1e-3], rtol=1e-4)
    assert result.converged.all()
    assert result.attrs["rule"] == "uniform, cells"
    alone = [solve(bf.zoo.square(), 0.3, t, rtol=1e-4).value.item() for t in (0.5, 1e-3)]
    np.testing.assert_allclose(result.value.values[0], alone, atol=1e-8)


def test_middle_of_a_gap_between_proven_edges():
    model = bf.zoo.qwz(mass=1.0)
    result = solve(model, 1.0, rtol=1e-2, rule="cells")
    assert abs(result.value.item()) <= result.error.item()
    assert result.attrs["rigor"].startswith("proven edges")
    assert abs(solve(model, 1.0).value.item()) <= 1e-9


def test_a_flat_band_pins_mu():
    model = bf.TightBinding(
        np.eye(2), [[0.0, 0.0], [0.0, 0.0]], {(0, 0): np.diag([1.0, 3.0]), (1, 0): np.diag([0.0, 0.3])}
    )
    within(solve(model, 0.3, rtol=1e-4), 1.0, 2.6, 1e-4)


def test_rules_that_do_not_exist_are_named():
    with pytest.raises(ValueError, match="Argument `rule` must be one of"):
        solve(bf.zoo.square(), 0.3, rule="simplex")
    with pytest.raises(ValueError, match="Argument `rule` must"):
        solve(bf.zoo.square(), 0.3, rule="cells", grid=8)


def test_few_evaluations_leave_an_honest_bracket():
    model = bf.zoo.square()
    result = bf.response.chemical_potential(
        model, 0.3, 0.0, tolerance=bf.Tolerance(rtol=1e-9, max_evaluations=6000), throw=False
    )
    assert not bool(result.converged.item())
    truth = brentq(lambda mu: exact.square_lattice(np.array([mu]), 1.0, 1.0)[0, 0] - 0.3, -4, 0)
    assert abs(result.value.item() - truth) <= result.error.item()
