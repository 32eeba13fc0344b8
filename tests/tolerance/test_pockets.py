"""Fermi surfaces at T = 0 with pockets of any size anywhere, and bands that oscillate many times across the zone."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.optimize import minimize

import blochflow as bf

QUIET = bf.Execution(workers=1, progress=False)
ohmic = partial(bf.response.ohmic, tau=1.0)


def asked(response, model, mu, rtol):
    """Values and errors at every mu, all of which must be converged."""
    tolerance = bf.Tolerance(rtol=rtol)
    result = response(model, mu, 0.0, tolerance=tolerance, execution=QUIET)
    return result.value.values.reshape(-1), result.error.values.reshape(-1)


@pytest.mark.parametrize("rtol", [1e-2, 1e-4])
@pytest.mark.parametrize("reach", [30, 60])
def test_a_band_that_oscillates_many_times(reach, rtol):
    """E = cos(R k): D = 1/(pi sqrt(1 - mu^2)), sigma/tau = R^2 sqrt(1 - mu^2)/pi."""
    model, mu = bf.TightBinding([[1.0]], [[0.0]], [(0.5, 0, 0, (reach,))]), -0.9
    root = np.sqrt(1 - mu**2)
    for response, exact in ((bf.response.density_of_states, 1 / (np.pi * root)), (ohmic, reach**2 * root / np.pi)):
        value, error = asked(response, model, mu, rtol)
        assert abs(value[0] - exact) <= error[0] <= rtol * exact * (1 + rtol)


class Chain:
    """E(k) = 2 Re sum_R t_R e^{ikR}, whose extrema split the zone into monotone pieces."""

    def __init__(self, rng):
        count = int(rng.choice([2, 5, 9, 16, 20]))
        self.reach = np.arange(1, count + 1)
        phase = 1j * rng.choice([0.0, 1.0]) * rng.normal(size=count)
        self.hoppings = (rng.normal(size=count) + phase) * self.reach ** -rng.choice([0.0, 0.5, 1.0])
        k = np.linspace(0, 2 * np.pi, 20001) + 0.1234e-4
        start = np.flatnonzero(np.diff(np.sign(self.slope(k))))
        self.ends = self.bisected(self.slope, k[start], k[start + 1])

    def energy(self, k):
        return 2 * (np.exp(1j * np.multiply.outer(k, self.reach)) @ self.hoppings).real

    def slope(self, k):
        return 2 * (np.exp(1j * np.multiply.outer(k, self.reach)) @ (1j * self.reach * self.hoppings)).real

    @staticmethod
    def bisected(function, low, high):
        first = function(low)
        for _ in range(55):
            middle = 0.5 * (low + high)
            same = function(middle) * first > 0
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return 0.5 * (low + high)

    def exact(self, mu):
        """Density, density of states and sigma/tau by the roots between neighbouring extrema."""
        low, high = self.ends, np.append(self.ends[1:], self.ends[0] + 2 * np.pi)
        cut = (self.energy(low) - mu) * (self.energy(high) - mu) < 0
        k = np.sort(self.bisected(lambda k: self.energy(k) - mu, low[cut], high[cut]))
        speed, length = self.slope(k), np.diff(np.append(k, k[0] + 2 * np.pi))
        return np.array([length[speed < 0].sum(), (1 / np.abs(speed)).sum(), np.abs(speed).sum()]) / (2 * np.pi)

    def levels(self, rng):
        """Chemical potentials near extrema, inside the band."""
        energies = self.energy(self.ends)
        width = np.ptp(energies)
        some = rng.choice(energies, min(4, len(energies)), replace=False)
        mu = np.sort(some + width * rng.choice([-1, 1], len(some)) * 10 ** rng.uniform(-5, -1, len(some)))
        return mu[(mu > energies.min()) & (mu < energies.max())]


def check_chains(seed, count, rtols):
    rng, done = np.random.default_rng(seed), 0
    while done < count:
        chain = Chain(rng)
        mu = chain.levels(rng)
        if not len(mu):
            continue
        done += 1
        pairs = [(complex(t), 0, 0, (int(r),)) for t, r in zip(chain.hoppings, chain.reach, strict=True)]
        model, exact = bf.TightBinding([[1.0]], [[0.0]], pairs), np.array([chain.exact(m) for m in mu]).T
        responses = (bf.response.electron_density, bf.response.density_of_states, ohmic)
        for rtol in rtols:
            for response, truth in zip(responses, exact, strict=True):
                value, error = asked(response, model, mu, rtol)
                # roots are known to rounding over the slope, which vanishes as sqrt(1e-5) at the nearest extremum
                assert (np.abs(value - truth) <= error + 1e-9 * truth).all(), (seed, done, rtol)
                assert (error <= rtol * truth * (1 + 2 * rtol)).all()


def check_pockets(seed, count, rtols):
    """Random bands in the plane with mu just above local minima; Newton-refined Fermi lines are the second route."""
    rng, done = np.random.default_rng(seed), 0
    while done < count:
        reach = int(rng.choice([2, 3, 4]))
        cells = [(a, b) for a in range(-reach, reach + 1) for b in range(-reach, reach + 1) if (a, b) > (0, 0)]
        r = np.array(cells)
        hoppings = rng.normal(size=(len(r), 2)) @ [1, 1j] / np.linalg.norm(r, axis=1) ** rng.choice([1.0, 2.0])

        def energy(k, r=r, hoppings=hoppings):
            return 2 * (np.exp(1j * (k @ r.T)) @ hoppings).real

        side = 2 * np.pi * np.arange(64) / 64
        grid = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)
        values = energy(grid)
        shifts = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
        lowest = np.all([values < np.roll(values, shift, (0, 1)) for shift in shifts], axis=0)
        start = grid[lowest][rng.integers(lowest.sum())]
        bottom = minimize(energy, start, tol=1e-13).fun
        mu = bottom + np.ptp(values) * 10 ** rng.uniform(-5, -2.5)
        pairs = [(complex(t), 0, 0, cell) for t, cell in zip(hoppings, cells, strict=True)]
        model = bf.TightBinding(np.eye(2), [[0.0, 0.0]], pairs)
        # a fine grid: a pocket next to a saddle is no local minimum of a coarse one
        truth = float(bf.geometry.fermi_surface(model, mu, grid=192).density_of_states)
        done += 1
        for rtol in rtols:
            value, error = asked(bf.response.density_of_states, model, mu, rtol)
            # the lines are good to 1e-5 or so with their default number of points
            assert abs(value[0] - truth) <= error[0] + 1e-4 * truth, (seed, done, rtol)


def test_chains():
    check_chains(np.random.SeedSequence().entropy, 4, (1e-1, 1e-2, 1e-4))


def test_pockets_of_bands_in_the_plane():
    check_pockets(np.random.SeedSequence().entropy, 4, (1e-2, 1e-4))


@pytest.mark.slow
def test_hundred_chains():
    check_chains(np.random.SeedSequence().entropy, 100, (1e-1, 1e-2, 1e-3, 1e-4))


@pytest.mark.slow
def test_hundred_pockets_of_bands_in_the_plane():
    check_pockets(np.random.SeedSequence().entropy, 100, (1e-2, 1e-3, 1e-4))
