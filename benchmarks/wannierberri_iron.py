"""WannierBerri in an environment of its own: `python wannierberri_iron.py Fe_tb.dat GRID FERMI [ITERATIONS]`.

Without ITERATIONS: the same uniform grid, T = 0, median of three runs.  With it: that many rounds of its adaptive
refinement, 300 K (an energy scan, averaged with -f'), one run.  Prints, as the last line, a JSON object with seconds,
the conductivity in S/cm and peak memory.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import time

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import wannierberri as wb
from wannierberri.system import System_R

KT = 8.617333e-5 * 300
SCAN = np.linspace(-0.5, 0.5, 401)


def uniform(system: System_R, grid: wb.Grid, fermi: float) -> tuple[float, float]:
    """Seconds and conductivity on the grid, after one warm-up."""
    seconds, value = [], float("nan")
    for _ in range(4):
        calculators = {"ahc": wb.calculators.static.AHC(Efermi=np.array([fermi]), tetra=False)}
        start = time.perf_counter()
        result = wb.run(system, grid, calculators, use_irred_kpt=False, symmetrize=False, parallel=False)
        seconds.append(time.perf_counter() - start)
        value = float(result.results["ahc"].data[0, 2])
    return statistics.median(seconds[1:]), value


def refined(system: System_R, grid: wb.Grid, fermi: float, iterations: int) -> tuple[float, float]:
    """Seconds and conductivity at 300 K after adaptive refinement, compilation included."""
    calculators = {"ahc": wb.calculators.static.AHC(Efermi=fermi + SCAN, tetra=False)}
    start = time.perf_counter()
    options = {"use_irred_kpt": False, "symmetrize": False, "parallel": False, "adpt_num_iter": iterations}
    result = wb.run(system, grid, calculators, **options)
    seconds = time.perf_counter() - start
    slope = 1 / (4 * KT * np.cosh(SCAN / (2 * KT)) ** 2)
    data = result.results["ahc"].data[:, 2]
    return seconds, float((slope * data).sum() / slope.sum())


def main() -> None:
    """Read the file, run, print the numbers."""
    path, points, fermi = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    system = System_R.from_tb_dat(path, berry=True)
    grid = wb.Grid(system, NK=points, use_symmetry=False)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if len(sys.argv) > 4:
            seconds, value = refined(system, grid, fermi, int(sys.argv[4]))
        else:
            seconds, value = uniform(system, grid, fermi)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "points": int(np.prod(grid.dense)),
                "value": value / 100,  # S/m to S/cm
                "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "version": wb.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
