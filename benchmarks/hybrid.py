"""Cost of hybridised bands: `python benchmarks/hybrid.py` prints a table, one worker.

Random Hermitian tight-binding models of N bands with seven cells in two dimensions: energies, states and velocity
matrices at k, beside hybridised bands with their velocities, and with derivatives of their energies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import blochflow as bf
from blochflow.geometry.bands import solve_bands
from blochflow.nonadiabatic.hybrid_states import hybrid_bands_at
from blochflow.nonadiabatic.hybridisation import Grouping, field_matrices

POINTS, REPEATS = 2048, 5
CELLS = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1]])


def model_of(bands: int) -> bf.TightBinding:
    """Hoppings to neighbouring cells, orbitals anywhere."""
    random = np.random.default_rng(bands)
    raw = random.normal(size=(7, bands, bands)) + 1j * random.normal(size=(7, bands, bands))
    mirror = [0, 2, 1, 4, 3, 6, 5]
    blocks = 0.5 * (raw + raw[mirror].conj().swapaxes(-1, -2))
    blocks[0] += np.diag(1.5 * np.arange(bands))
    return bf.TightBinding.from_blocks(np.eye(2), random.uniform(0, 1, (bands, 2)), CELLS, blocks)


def microseconds(function: Callable[[Any], Any], k: Any) -> float:
    """Least of several times per k, after compilation."""
    jax.block_until_ready(function(k))
    spent = []
    for _ in range(REPEATS):
        started = time.process_time()
        jax.block_until_ready(function(k))
        spent.append(time.process_time() - started)
    return 1e6 * min(spent) / len(k)


def main() -> None:
    """Print the table."""
    print("| bands | `bands` (us per k) | hybridised, with velocities | with d_k E | over `bands` |")
    print("|---|---|---|---|---|")
    field, plain = jnp.array([0.1, -0.2]), Grouping(jnp.asarray(0.0))
    k = jnp.asarray(np.random.default_rng(0).uniform(-3, 3, (POINTS, 2)))
    for bands in (2, 4, 8, 16):
        model = model_of(bands)

        def found(k: Any, model: Any = model) -> Any:
            return hybrid_bands_at(field_matrices(model, field, k), plain)

        def velocities(k: Any, found: Any = found) -> Any:
            here = found(k)
            return here.energies, here.velocity

        def all_of(k: Any, found: Any = found) -> Any:
            here = found(k)
            return here.energies, here.velocity, here.slopes

        def simple(k: Any, model: Any = model) -> Any:
            here = solve_bands(model, k)
            return here.energies, here.velocity

        each = [microseconds(eqx.filter_jit(f), k) for f in (simple, velocities, all_of)]
        print(f"| {bands} | {each[0]:.2f} | {each[1]:.2f} | {each[2]:.2f} | {each[2] / each[0]:.1f} |")


if __name__ == "__main__":
    main()
