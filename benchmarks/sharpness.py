"""Cost against sharpness: `python benchmarks/sharpness.py` measures, writes the figure and the tables of the page.

    Dirac cone in its gap, sharpness x = gap/(velocity cutoff);  metal, x = k_B T/(width of the band), and T = 0
    growth = k points at the sharpest point / at the bluntest  <=  3 [L(x_min)/L(x_max)]^2,     L(x) = log(10/x)

The Dirac cone has a closed form.  Truth for the metal: a uniform grid that has settled, else cells at rtol 1e-8; nested
adaptive lines or cells, whichever the truth is not, check it.  A true error above the tolerance ends in exit code 1.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from cost_page import DOCS, RTOL, hall, power, replace_section, sigma_xy, table

import blochflow as bf

FIGURE = DOCS / "images" / "cost_sharpness.png"
GAPS = 10.0 ** -np.arange(6)
BAND_WIDTHS = np.append(np.logspace(-1, -5, 6), 0.0)
MU = 0.8
SLACK = 3.0
FINEST_DIRAC, FINEST_METAL = 8192, 4096
TIGHT, NESTED = 1e-8, 1e-6
# The two truths must agree to this fraction of the tolerance.
AGREEMENT = 0.1


@dataclass(frozen=True)
class Uniform:
    """k points that a plain grid needs: measured, or extrapolated."""

    points: float
    measured: bool


@dataclass(frozen=True)
class Point:
    """One sharpness; errors in units of the tolerance rtol |value|."""

    sharpness: float
    rule: str
    evaluations: int
    cells_only: int
    seconds: float
    error: float
    claimed: float
    uniform: Uniform
    check: float = 0.0


def measured(model: Any, mu: float, kt: float, sharpness: float, truth: float, **more: Any) -> Point:
    """The default rule at one point."""
    hall(model, mu, kt)
    result, seconds = hall(model, mu, kt)
    cells, _ = hall(model, mu, kt, rule="cells")
    tolerance = RTOL * abs(truth)
    return Point(
        sharpness,
        result.attrs["rule"],
        int(result.attrs["evaluations"]),
        int(cells.attrs["evaluations"]),
        seconds,
        float(abs(sigma_xy(result) - truth).item()) / tolerance,
        float(result.error.sel(a="x", b="y").item()) / tolerance,
        **more,
    )


def first_below(errors: dict[int, float]) -> int | None:
    """Smallest number of points per axis from which on no measured grid misses the tolerance."""
    found = None
    for n in sorted(errors, reverse=True):
        if errors[n] > 1:
            break
        found = n
    return found


def dirac_grid_error(mass: float, n: int) -> float:
    """Midpoint rule of n x n points in the coordinates of the disc that the cells use: k_x = x (1 - y^2/2)^(1/2)."""
    x = np.square((2 * np.arange(n // 2) + 1) / n)
    total = 0.0
    for start in range(0, len(x), 512):
        y = x[start : start + 512, None]
        square = x + y - x * y
        factors = np.sqrt((1 - x / 2) * (1 - y / 2))
        weight = factors - x * y / (4 * factors)
        total += float((weight * mass / (2 * (square + mass**2) ** 1.5)).sum())
    value = -4 * total * (2 / n) ** 2 / (2 * math.pi) ** 2
    exact = dirac_hall(mass)
    return abs(value - exact) / (RTOL * abs(exact))


def dirac_hall(mass: float) -> float:
    """Closed form in the gap, velocity = cutoff = 1."""
    return -(1 - mass / math.hypot(mass, 1.0)) / (4 * math.pi)


def dirac_uniform() -> list[Uniform]:
    """For every gap; beyond the finest grid by N ~ 1/gap from the last that was measured."""
    found: list[Uniform] = []
    sizes = [2**p for p in range(3, int(math.log2(FINEST_DIRAC)) + 1)]
    for i, gap in enumerate(GAPS):
        enough = first_below({n: dirac_grid_error(gap / 2, n) for n in sizes})
        if enough is not None:
            found.append(Uniform(float(enough) ** 2, True))
        else:
            found.append(Uniform(found[-1].points * (GAPS[i - 1] / gap) ** 2, False))
    return found


def dirac_points() -> list[Point]:
    """The six gaps."""
    points = []
    for gap, uniform in zip(GAPS, dirac_uniform(), strict=True):
        model = bf.zoo.massive_dirac(velocity=1.0, mass=gap / 2, cutoff=1.0)
        points.append(measured(model, 0.0, 0.0, gap, dirac_hall(gap / 2), uniform=uniform))
    return points


def band_width(model: Any) -> float:
    """Of the upper band of the Haldane model: from the edge at K to the top at the zone centre."""
    k = model.lattice.to_cartesian_k([[1 / 3, 2 / 3], [0, 0]])
    low, high = np.asarray(bf.bands(model, k).energies)[:, 1]
    return float(high - low)


def metal_points() -> list[Point]:
    """The Haldane model with mu in its upper band, all temperatures."""
    model = bf.zoo.haldane()
    kt = band_width(model) * BAND_WIDTHS
    sizes = [2**p for p in range(4, int(math.log2(FINEST_METAL)) + 1)]
    grids = {n: sigma_xy(hall(model, MU, kt, grid=n)[0])[0] for n in sizes}
    tight = np.array([sigma_xy(hall(model, MU, t, rule="cells", rtol=TIGHT)[0]).item() for t in kt])
    nested = np.array([sigma_xy(hall(model, MU, t, rule="nested", rtol=NESTED)[0]).item() for t in kt])
    tolerance = RTOL * np.abs(tight)
    settled = np.abs(grids[sizes[-1]] - grids[sizes[-2]]) < 1e-4 * tolerance
    truth = np.where(settled, grids[sizes[-1]], tight)
    check = np.maximum(np.abs(truth - tight), np.abs(truth - nested)) / tolerance
    points = []
    for i, x in enumerate(BAND_WIDTHS):
        errors = {n: float(abs(grids[n][i] - truth[i]) / tolerance[i]) for n in sizes}
        uniform = metal_uniform(errors)
        points.append(measured(model, MU, kt[i], x, float(truth[i]), uniform=uniform, check=float(check[i])))
    return points


def metal_uniform(errors: dict[int, float]) -> Uniform:
    """Beyond the finest grid by error ~ N^(-3/2), the law of a sharp edge, from the largest of the four finest."""
    enough = first_below(errors)
    if enough is not None:
        return Uniform(float(enough) ** 2, True)
    n = max(errors)
    scale = max(errors[m] * (m / n) ** 1.5 for m in sorted(errors)[-4:])
    return Uniform((n * scale ** (2 / 3)) ** 2, False)


def growth(counts: list[int], points: list[Point]) -> str:
    """Evaluations at the sharpest point and at the worst over those at the bluntest, and what log^2 allows."""
    warm = [p.sharpness for p in points if p.sharpness > 0]
    logs = [math.log(10 / x) for x in (min(warm), max(warm))]
    allowed = SLACK * (logs[0] / logs[1]) ** 2
    ratios = [count / counts[0] for count in counts]
    words = [f"{r:.1f} ({'within' if r <= allowed else '**beyond**'} {allowed:.0f})" for r in (ratios[-1], max(ratios))]
    return f"from the bluntest to the sharpest point {words[0]}, to the worst point {words[1]}."


def rows(points: list[Point], name: str) -> list[str]:
    """The table of one panel and its growth."""
    head = [
        name,
        "rule",
        "k points",
        "cells only",
        "CPU, s",
        "true error / tolerance",
        "claimed / tolerance",
        "uniform grid, k points",
    ]
    checked = any(p.check for p in points)
    lines = []
    for p in points:
        uniform = f"{'' if p.uniform.measured else '≈ '}{power(p.uniform.points)}"
        cells = [power(p.sharpness) if p.sharpness else "0", p.rule, str(p.evaluations), str(p.cells_only)]
        cells += [f"{p.seconds:.2f}", power(p.error) if p.error else "rounding", power(p.claimed), uniform]
        lines.append(cells + ([power(p.check)] if checked else []))
    sentences = [
        f"Growth of the default rule {growth([p.evaluations for p in points], points)}",
        f"Growth of cells only {growth([p.cells_only for p in points], points)}",
    ]
    return [*table(head + (["check of the truth"] if checked else []), lines), "", *sentences]


def draw(panels: list[tuple[str, str, list[Point]]]) -> None:
    """Two panels, sharper to the right; hollow symbols are extrapolated, dotted lines are what log^2 allows."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    for axis, (title, label, points) in zip(axes, panels, strict=True):
        axis.set(xscale="log", yscale="log", title=title, xlabel=label)
        draw_panel(axis, points)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("k points for a relative accuracy of $10^{-4}$")
    axes[0].legend(loc="upper left", frameon=False)
    figure.savefig(FIGURE, dpi=110)


def draw_panel(axis: Any, points: list[Point]) -> None:
    """Default rule, uniform grid, and the bound."""
    blue, orange, grey = "#0072B2", "#D55E00", "0.4"
    warm = np.array([p.sharpness for p in points if p.sharpness > 0])
    at = np.array([p.sharpness or warm.min() / 10 for p in points])
    axis.plot(at, [p.evaluations for p in points], "o-", color=blue, label="default rule")
    axis.plot(at, [p.cells_only for p in points], "^:", color="#56B4E9", ms=4, lw=1, label="cells only")
    measured_ones = np.array([p.uniform.measured for p in points])
    needed = np.array([p.uniform.points for p in points])
    axis.plot(at, needed, "--", color=orange, lw=1)
    axis.plot(at[measured_ones], needed[measured_ones], "s", color=orange, label="uniform grid")
    if not measured_ones.all():
        hollow = {"mfc": "white", "color": orange, "label": "uniform grid, extrapolated"}
        axis.plot(at[~measured_ones], needed[~measured_ones], "s", **hollow)
    x = np.geomspace(warm.max(), warm.min(), 50)
    bound = SLACK * points[0].evaluations * (np.log(10 / x) / np.log(10 / warm.max())) ** 2
    axis.plot(x, bound, ":", color=grey, label=r"$3\,\log^2$ from the first point")
    axis.invert_xaxis()
    if len(warm) < len(points):
        ticks = [10.0**-n for n in range(1, 7)]
        axis.set_xticks(ticks, [*(f"$10^{{-{n}}}$" for n in range(1, 6)), "$T = 0$"])


def complaints(points: list[Point]) -> list[str]:
    """Points whose answer, or whose truth, is not good enough."""
    bad = [f"x = {p.sharpness:g}: true error {p.error:.3g} of the tolerance" for p in points if not p.error <= 1]
    return bad + [
        f"x = {p.sharpness:g}: the truths differ by {p.check:.3g}" for p in points if not p.check <= AGREEMENT
    ]


def main() -> None:
    """Measure, draw, write, and fail where a tolerance is broken."""
    dirac, metal = dirac_points(), metal_points()
    lines = ["**Massive Dirac cone, mu in the gap, T = 0**", "", *rows(dirac, "gap")]
    lines += ["", f"**Haldane model, mu = {MU} in the upper band**", "", *rows(metal, "k_B T / band width")]
    print("\n".join(lines))
    replace_section("sharpness", lines)
    draw(
        [
            ("Dirac cone, chemical potential in the gap", "gap / (velocity x cutoff)", dirac),
            ("Haldane model, a metal", "$k_BT$ / band width", metal),
        ]
    )
    bad = complaints(dirac) + complaints(metal)
    if bad:
        sys.exit("\n".join(bad))


if __name__ == "__main__":
    main()
