"""WannierBerri on the same grid: runs in an environment of its own, `python wannierberri_iron.py Fe_tb.dat GRID FERMI`.

Prints, as the last line, a JSON object with seconds (median of three), the conductivity in S/cm and peak memory.
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


def main() -> None:
    """Read the file, run three times after one warm-up, print the numbers."""
    path, points, fermi = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    system = System_R.from_tb_dat(path, berry=True)
    grid = wb.Grid(system, NK=points, use_symmetry=False)
    seconds, value = [], float("nan")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for _ in range(4):
            calculators = {"ahc": wb.calculators.static.AHC(Efermi=np.array([fermi]), tetra=False)}
            start = time.perf_counter()
            result = wb.run(system, grid, calculators, use_irred_kpt=False, symmetrize=False, parallel=False)
            seconds.append(time.perf_counter() - start)
            value = float(result.results["ahc"].data[0, 2]) / 100  # S/m to S/cm
    print(
        json.dumps(
            {
                "seconds": statistics.median(seconds[1:]),
                "points": int(np.prod(grid.dense)),
                "value": value,
                "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "version": wb.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
