"""The bounds that admit cells hold at every point of them: random models, random cells, dense sampling."""

from __future__ import annotations

import os

import numpy as np
import pytest
from honesty import ONE_CORE, fresh_seed

import blochflow as bf
from blochflow.response.integrands import NumberSea
from blochflow.response.source import ModelSource
from blochflow.zone.cells import CellSet
from blochflow.zone.charts import BallChart, LatticeChart

POINTS = 9


def random_model(rng, bands, d):
    cells = np.stack(np.meshgrid(*[[-1, 0, 1]] * d, indexing="ij"), -1).reshape(-1, d)
    blocks = rng.normal(size=(len(cells), bands, bands)) + 1j * rng.normal(size=(len(cells), bands, bands))
    blocks = blocks * np.exp(-np.abs(cells).sum(axis=1))[:, None, None]
    blocks = (blocks + blocks[::-1].conj().swapaxes(1, 2)) / 2
    lattice = np.eye(d) + rng.uniform(-0.2, 0.2, (d, d))
    return bf.TightBinding.from_blocks(lattice, rng.random((bands, d)) @ lattice, cells, blocks)


def random_cells(rng, d, count=40):
    level = rng.integers(0, 6, count)
    index = rng.integers(0, 4 * 2 ** level[:, None], (count, d))
    return CellSet(np.full(d, 4), np.zeros(d), level, index, np.ones(len(index)))


def check(source, cells):
    found = source.bounds(cells)
    ends = np.linspace(-1, 1, POINTS if cells.dimension < 3 else 5)
    k = source.chart.to_k(cells.points(ends))
    energies = np.array([np.linalg.eigvalsh(np.asarray(source.model.hamiltonian(x))) for x in k])
    rounding = 1e-12 * np.abs(energies).max()
    assert (energies >= found.low[:, None] - rounding).all()
    assert (energies <= found.high[:, None] + rounding).all()
    gaps = np.diff(energies, axis=2).min(axis=1)
    assert (gaps[found.open] > 0).all()
    return found.open.mean()


@pytest.mark.parametrize(("bands", "d"), [(2, 1), (2, 2), (4, 2), (8, 2), (3, 3)])
def test_bounds_hold_in_crystals(bands, d):
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    opened = []
    for _ in range(5):
        model = random_model(rng, bands, d)
        source = ModelSource(model, NumberSea(), LatticeChart(np.asarray(model.lattice.reciprocal)), ONE_CORE)
        assert source.rigorous
        opened.append(check(source, random_cells(rng, d)))
    assert np.mean(opened) > 0.02, f"BLOCHFLOW_SEED={seed}: nothing was ever proven"


def test_bounds_hold_in_continuum_models():
    rng = np.random.default_rng(fresh_seed())
    for _ in range(5):
        model = bf.zoo.massive_dirac(mass=10 ** rng.uniform(-3, 0), tilt=rng.uniform(-0.5, 0.5, 2), quadratic=0.1)
        source = ModelSource(model, NumberSea(), BallChart(4.0, 2), ONE_CORE)
        assert not source.rigorous
        assert check(source, random_cells(rng, 2)) > 0.1


@pytest.mark.parametrize("model", [bf.zoo.haldane(), bf.zoo.weyl_lattice()], ids=["2d", "3d"])
def test_same_bits_with_any_number_of_workers(model):
    """Cells, and 60 states on one uniform grid through the energy histogram."""
    d = model.dimension
    for options in ({"rule": "cells", "mu": 0.9}, {"grid": 24 if d == 3 else 200, "mu": np.linspace(-1, 1, 60)}):
        found = [
            bf.response.anomalous_hall(
                model, options["mu"], 0.1, tolerance=bf.Tolerance(rtol=1e-2, max_evaluations=100_000), throw=False,
                execution=bf.Execution(workers=w, progress=False), **{k: options[k] for k in options if k != "mu"},
            )
            for w in (1, 2, 4)
        ]  # fmt: skip
        for other in found[1:]:
            np.testing.assert_array_equal(found[0].value.values, other.value.values)
            np.testing.assert_array_equal(found[0].error.values, other.error.values)


def test_seeds_can_be_repeated(monkeypatch):
    monkeypatch.setitem(os.environ, "BLOCHFLOW_SEED", "17")
    assert fresh_seed() == 17
