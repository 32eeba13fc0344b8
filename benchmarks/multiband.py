"""Steps per second by theory of motion: `python benchmarks/multiband.py` prints a table.

Ten thousand packets of the Haldane model in a uniform field, in one process on one core, after compilation.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

PACKETS, TIME, FIELD = 10_000, 20.0, (0.05, 0.02)


def table() -> list[str]:
    """One row for each theory."""
    import blochflow as bf
    from blochflow.dynamics.stepping import BATCHES

    model = bf.zoo.haldane()
    k = np.random.default_rng(0).random((PACKETS, 2)) @ np.asarray(model.lattice.reciprocal)
    options = {
        "electric_field": FIELD,
        "tolerance": bf.Tolerance(rtol=1e-8),
        "estimate_error": False,
        "execution": bf.Execution(workers=1, progress=False),
        "throw": False,
    }
    lines = ["| theory | steps per packet | steps per second | us per packet | largest drift |"]
    lines.append("|---|---|---|---|---|")
    for theory in ("adiabatic", "ehrenfest", "manifold"):

        def fly(count: int, theory: str = theory) -> Any:
            packets = bf.WavePacket(np.zeros((count, 2)), k[:count])
            return bf.propagate(model, packets, [0.0, TIME], theory=theory, **options)

        fly(BATCHES[-1])  # compiles
        start = time.process_time()
        run = fly(PACKETS)
        seconds = time.process_time() - start
        steps, drift = int(run.attrs["steps"]), float(run.energy_drift.max())
        numbers = f"{steps / PACKETS:.1f} | {steps / seconds:.0f} | {1e6 * seconds / PACKETS:.0f} | {drift:.1e}"
        lines.append(f"| {theory} | {numbers} |")
    return lines


if __name__ == "__main__":
    print("\n".join(table()))
