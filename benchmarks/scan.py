"""Cost of scans of mu and T: `python benchmarks/scan.py` measures and writes the tables of docs/theory/cost.md.

All states of a scan share their k points.  Seconds are CPU seconds of the process with one worker: medians after
compilation for warm metals, single calls after one that compiles for cold ones.  Counts of k points are exact.
"""

from __future__ import annotations

import math
import statistics
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from cost_page import RTOL, hall, replace_section, sigma_xy, table
from sharpness import MU, band_width

import blochflow as bf

REPEATS = 9
MANY, SOME = 1001, 40
WARM = np.linspace(0.03, 0.1, 5)
WARM_MU = np.linspace(-2.0, 2.0, MANY)
COLD = (1e-3, 0.0)
COLD_RANGE = (0.6, 2.0)
FIXED_GRIDS = (128, 512)
PROMISE = 2.0


@dataclass(frozen=True)
class Cost:
    """One call."""

    states: int
    evaluations: int
    seconds: float
    unconverged: int


def cost(model: Any, mu: Any, kt: Any, *, repeats: int = 0, **options: Any) -> Cost:
    """Median CPU time; with ``repeats`` a first call compiles."""
    if repeats:
        hall(model, mu, kt, **options)
    done = [hall(model, mu, kt, **options) for _ in range(max(1, repeats))]
    result = done[0][0]
    seconds = statistics.median(seconds for _, seconds in done)
    missed = int((~result.converged.values).sum())
    return Cost(sigma_xy(result).size, int(result.attrs["evaluations"]), seconds, missed)


def warm_lines() -> tuple[list[str], bool]:
    """1001 mu x 5 T against the coldest single state, on fixed grids and by the default rule."""
    model = bf.zoo.haldane()
    kt = band_width(model) * WARM
    head = ["k points", "one state, k points", "CPU, s", f"{MANY} mu x {len(kt)} T, k points", "CPU, s", "CPU ratio"]
    rows, kept = [], True
    for grid in (*FIXED_GRIDS, None):
        one = cost(model, MU, kt[0], grid=grid, repeats=REPEATS)
        scan = cost(model, WARM_MU, kt, grid=grid, repeats=REPEATS)
        ratio = scan.seconds / one.seconds
        kept &= ratio < PROMISE
        label = f"default rule, rtol {RTOL:g}" if grid is None else f"uniform grid {grid} x {grid}"
        numbers = [str(one.evaluations), f"{one.seconds:.3f}", str(scan.evaluations), f"{scan.seconds:.3f}"]
        rows.append([label, *numbers, f"{ratio:.2f}"])
    return table(head, rows), kept


def cold_lines() -> list[str]:
    """One mu, 40 mu one by one and together, and at T = 0 1001 mu, where the cells do the work."""
    model = bf.zoo.haldane()
    some, many = (np.linspace(*COLD_RANGE, count) for count in (SOME, MANY))
    head = ["k_B T / band width", "states", "k points", "CPU, s", "CPU, s per state", "not converged"]
    rows = []
    for x in COLD:
        kt = x * band_width(model)
        hall(model, MU, kt)
        singles = [cost(model, mu, kt) for mu in some]
        found = [
            (f"one mu, median of {SOME}", typical(singles)),
            (f"{SOME} mu, one by one", total(singles)),
            (f"{SOME} mu together", cost(model, some, kt)),
        ]
        if x == 0:
            found.append((f"{MANY} mu together", cost(model, many, kt)))
        for label, one in found:
            numbers = [str(one.evaluations), f"{one.seconds:.2f}", f"{one.seconds / one.states:.4f}"]
            rows.append([f"{x:g}", label, *numbers, str(one.unconverged)])
    return table(head, rows)


def typical(costs: list[Cost]) -> Cost:
    """Medians."""
    evaluations = int(statistics.median(c.evaluations for c in costs))
    return Cost(1, evaluations, statistics.median(c.seconds for c in costs), 0)


def total(costs: list[Cost]) -> Cost:
    """Sums."""
    return Cost(*(sum(getattr(c, name) for c in costs) for name in ("states", "evaluations", "seconds", "unconverged")))


def failure_lines() -> tuple[list[str], bool]:
    """Bands that touch at one mu of eleven, at T = 0."""
    touching = bf.zoo.haldane(mass=3 * math.sqrt(3) * 0.15)
    mu = np.linspace(-0.5, 0.5, 11)
    result, _ = hall(touching, mu, 0.0)
    converged = result.converged.values[:, 0]
    values, errors = sigma_xy(result)[:, 0], result.error.sel(a="x", b="y").values[:, 0]
    alone = np.array([sigma_xy(hall(touching, m, 0.0)[0]).item() for m in mu[converged]])
    apart = float((np.abs(alone - values[converged]) / (RTOL * np.abs(alone))).max())
    rows = [
        [f"{m:.1f}", f"{v:.6f}", f"{e:.1e}", "yes" if c else "no"]
        for m, v, e, c in zip(mu, values, errors, converged, strict=True)
    ]
    text = f"Converged states differ from single calls by at most {apart:.2g} of the tolerance."
    good = bool((converged == (np.abs(mu) > 1e-9)).all()) and apart <= 1
    return [*table(["mu", "sigma_xy, e^2/hbar", "error", "converged"], rows), "", text], good


def main() -> None:
    """Measure, write, and fail where the promise is broken or a failed state spoils others."""
    warm, kept = warm_lines()
    cold = cold_lines()
    failure, good = failure_lines()
    lines = ["**Warm metals**", "", *warm, "", "**Cold metals**", "", *cold]
    lines += ["", "**One state that cannot converge**", "", *failure]
    print("\n".join(lines))
    replace_section("scan", lines)
    if not good:
        sys.exit("A state that cannot converge spoiled others.")
    if not kept:
        print(f"\nThe scan of warm metals costs more than {PROMISE:g} single states.", file=sys.stderr)


if __name__ == "__main__":
    main()
