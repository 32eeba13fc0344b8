"""Nested grids hold every point exactly once, in batches of one shape."""

import numpy as np
import pytest

import blochflow as bf
from blochflow.zone.grids import NestedGrid, automatic_base, block_shape, requested_grid
from blochflow.zone.integral import pairwise_sum
from blochflow.zone.uniform import successive_error


def all_points(grid, level, target):
    points, weights, shapes = [], [], set()
    for below in range(level + 1):
        for offset in grid.new_copies(below):
            # a copy of a lower level keeps its offset in units of its own spacing
            for block in grid.blocks(below, offset, target):
                mesh = np.stack(np.meshgrid(*block.axes, indexing="ij"), -1).reshape(-1, len(grid.base))
                points.append(mesh)
                weights.append(block.weights)
                shapes.add(tuple(len(x) for x in block.axes))
    return np.concatenate(points), np.concatenate(weights), shapes


@pytest.mark.parametrize("base", [(5,), (4, 6), (3, 4, 5)])
@pytest.mark.parametrize("shift", [0.0, 0.25])
@pytest.mark.parametrize("target", [1, 7, 1000])
def test_levels_are_the_uniform_grid(base, shift, target):
    grid, level = NestedGrid(base, shift), 1
    points, weights, shapes = all_points(grid, level, target)
    assert len(shapes) == 1
    kept = points[weights > 0]
    assert len(kept) == grid.count(level) == weights.sum()
    fine = grid.points(level)
    # shift s of the base spacing is 2 s of the finer one
    indices = kept * np.array(fine) - 2 * shift
    np.testing.assert_allclose(indices, np.round(indices), atol=1e-9)  # rounding of n * (i/n)
    unique = {tuple(int(x) % n for x, n in zip(row, fine, strict=True)) for row in np.round(indices)}
    assert len(unique) == grid.count(level)


def test_block_shape_keeps_whole_trailing_axes():
    assert block_shape((18, 18, 18), 324) == (1, 18, 18)
    assert block_shape((18, 18, 18), 10**6) == (18, 18, 18)
    assert block_shape((18, 18, 18), 9) == (1, 1, 9)
    assert block_shape((64,), 10) == (10,)


@pytest.mark.parametrize("grid", [0, -3, 2.5, (4, 4, 4), "ten", [], (4, 0)])
def test_bad_grids_name_the_argument(grid):
    with pytest.raises(ValueError, match="Argument `grid` must"):
        requested_grid(grid, 2)


def test_automatic_grid_follows_the_reciprocal_vectors():
    assert automatic_base(np.diag([1.0, 0.5])) == (24, 12)
    assert automatic_base(np.eye(3)) == (12, 12, 12)


def test_pairwise_sum_depends_on_order_alone():
    terms = [np.array([x]) for x in np.random.default_rng(1).normal(size=37)]
    assert pairwise_sum(list(terms)) == pairwise_sum(list(terms))
    # 37 terms of order one: rounding of a sum of this size
    np.testing.assert_allclose(pairwise_sum(list(terms)), np.sum(terms), atol=1e-13)


def test_error_of_one_level_is_unknown_and_of_three_remembers_the_change_before():
    one = [(4, np.array([1.0]))]
    assert np.isnan(successive_error(one)).all()
    three = [(4, np.array([0.0])), (8, np.array([8.0])), (16, np.array([8.0]))]
    assert successive_error(three) == 1.0


@pytest.mark.parametrize("arguments", [{"rtol": -1}, {"rtol": np.nan}, {"atol": -1.0}, {"max_evaluations": 0}])
def test_bad_tolerances_name_the_argument(arguments):
    with pytest.raises(ValueError, match=f"Argument `{next(iter(arguments))}` must"):
        bf.Tolerance(**arguments)
