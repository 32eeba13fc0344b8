"""One measurement, in a process of its own: `python benchmarks/measure.py CASE` prints a JSON object.

Times are medians of repeated runs in the warm process (after compilation, unless said otherwise).
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

FE = Path(__file__).resolve().parents[1] / "examples" / "fe_bcc" / "Fe_tb.dat.xz"
FERMI = 17.6376  # eV
FE_GRID = 36
EIGH_BATCH, EIGH_REPEATS = 2048, 9
PLANE_GRID = 1024


def timed(function: Callable[[], Any], repeats: int) -> tuple[float, list[float], Any]:
    """Seconds of the first call, of each of ``repeats`` further calls, and the result."""
    seconds, result = [], None
    for _ in range(repeats + 1):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1:], result


def peak_memory() -> float:
    """Largest resident size of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read_iron() -> Any:
    import blochflow as bf

    return bf.read_wannier90(FE, wsvec=False)


def iron_hall(workers: int) -> dict[str, Any]:
    """Anomalous Hall conductivity of bcc iron, three components, one chemical potential, T = 0."""
    import blochflow as bf

    model, execution = read_iron(), bf.Execution(workers=workers, progress=False)
    before = peak_memory()
    first, rest, result = timed(
        lambda: bf.response.anomalous_hall(model, FERMI, 0.0, grid=FE_GRID, throw=False, execution=execution), 3
    )
    return {
        "seconds": statistics.median(rest),
        "first_seconds": first,
        "points": FE_GRID**3,
        "value": float(result.value.sel(a="x", b="y").item()),
        "memory_mib": peak_memory(),
        "memory_before_mib": before,
    }


INTRINSIC = ("anomalous_hall", "anomalous_nernst", "anomalous_thermal_hall", "orbital_magnetization")


def together(names: tuple[str, ...], plane: bool) -> dict[str, Any]:
    """Responses that share one pass, with the rules and parts that stand beside them; one worker, warm."""
    import blochflow as bf

    execution = bf.Execution(workers=1, progress=False)
    model, mu, temperature, grid = read_iron(), FERMI, 300.0, FE_GRID // 2
    if plane:
        model, mu, temperature, grid = bf.zoo.haldane(), -1.0, 0.1, PLANE_GRID
    _, rest, _ = timed(
        lambda: bf.response.together(names, model, mu, temperature, grid=grid, throw=False, execution=execution), 3
    )
    return {"seconds": statistics.median(rest), "points": grid**model.dimension, "memory_mib": peak_memory()}


def iron_converged() -> dict[str, Any]:
    """The same at 300 K to one per cent by local models: one run on two workers, compilation included."""
    import blochflow as bf

    execution, tolerance = bf.Execution(workers=2, progress=False), bf.Tolerance(rtol=1e-2)
    start, cpu = time.perf_counter(), time.process_time()
    result = bf.response.anomalous_hall(
        read_iron(), FERMI, 300, rule="local", tolerance=tolerance, execution=execution, throw=False
    )
    hall = result.sel(a="x", b="y")
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "points": int(result.attrs["evaluations"]),
        "value": float(hall.value.item()),
        "error": float(hall.error.item()),
        "converged": bool(result.converged.all()),
        "memory_mib": peak_memory(),
    }


def iron_eigh() -> dict[str, Any]:
    """Bare batched diagonalization of H(k) of the same model: energies and states, one thread."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from blochflow.core.backend import jax, jnp

    model = read_iron()
    k = np.random.default_rng(0).random((EIGH_BATCH, 3)) @ np.asarray(model.lattice.reciprocal)
    matrices = jnp.asarray(model.hamiltonian(k))
    solve = jax.jit(lambda h: jax.lax.linalg.eigh(h, symmetrize_input=False))
    with threadpool_limits(1, user_api="blas"):
        jax.block_until_ready(solve(matrices))
        cpu = time.process_time()
        _, rest, _ = timed(lambda: jax.block_until_ready(solve(matrices)), EIGH_REPEATS)
        cpu = (time.process_time() - cpu) / (EIGH_REPEATS + 1)
    return {
        "seconds": statistics.median(rest),
        "cpu_seconds": cpu,
        "points": EIGH_BATCH,
        "memory_mib": peak_memory(),
    }


def plane_hall(general: bool) -> dict[str, Any]:
    """Anomalous Hall conductivity of the Haldane model, one worker: by hoppings, or as a function H(k)."""
    import blochflow as bf
    from blochflow.core.backend import jnp

    model = bf.zoo.haldane()
    if general:
        reference = model

        def hamiltonian(k: Any, mass: float = 0.2, t2: float = 0.15) -> Any:
            a1, a2 = k[0], 0.5 * k[0] + 0.5 * 3**0.5 * k[1]
            bond = jnp.exp(1j * (a1 + a2) / 3) * (1 + jnp.exp(-1j * a1) + jnp.exp(-1j * a2))
            z = mass - 2 * t2 * (jnp.sin(a1 - a2) + jnp.sin(a2) - jnp.sin(a1))
            return jnp.array([[-z, -bond], [-jnp.conj(bond), z]])

        model = bf.LatticeModel(hamiltonian, reference.lattice, orbitals=[[1 / 3, 1 / 3], [2 / 3, 2 / 3]])
    execution = bf.Execution(workers=1, progress=False)
    _, rest, result = timed(
        lambda: bf.response.anomalous_hall(model, -1.0, 0.0, grid=PLANE_GRID, throw=False, execution=execution), 3
    )
    value = float(result.value.sel(a="x", b="y").item())
    return {"seconds": statistics.median(rest), "points": PLANE_GRID**2, "value": value, "memory_mib": peak_memory()}


NONLINEAR = ("berry_curvature_dipole", "quantum_metric_dipole", "nonlinear_conductivity", "nonlocal_conductivity")


def iron_nonlinear(name: str) -> dict[str, Any]:
    """Dipoles, quadratic or nonlocal conductivity of bcc iron at 300 K on a fixed grid; CPU seconds of one worker."""
    import warnings

    import blochflow as bf

    model, execution = read_iron(), bf.Execution(workers=1, progress=False)
    options = {} if name.endswith("dipole") else {"tau": 20.0}
    function, grid, seconds = getattr(bf.response, name), FE_GRID // 3, []
    warnings.simplefilter("ignore", bf.ValidityWarning)
    for _ in range(3):
        start = time.process_time()
        result = function(model, FERMI, 300.0, grid=grid, symmetry=False, throw=False, execution=execution, **options)
        seconds.append(time.process_time() - start)
    row = {"seconds": min(seconds[1:]), "points": grid**3, "memory_mib": peak_memory()}
    return {**row, "value": float(abs(result.value).max()), "error": float(result.error.max()), "unit": result.units}


def disordered(solid: bool, kind: str, points: int) -> dict[str, Any]:
    """All parts of the conductivity at one Fermi surface of given size; one run, compilation included in ``surface``.

    In two dimensions ``points`` on the curve of a tilted Dirac cone, in three per triangle of a tilted Weyl pocket.
    """
    import numpy as np

    import blochflow as bf
    from blochflow.core.backend import jnp
    from blochflow.disorder.collision import Collision
    from blochflow.disorder.fermi_points import fermi_points
    from blochflow.disorder.linear_response import respond
    from blochflow.disorder.potentials import scatterers
    from blochflow.disorder.scattering import Scattering

    sx, sy, sz, one = (jnp.array(x) for x in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]], np.eye(2)))

    def cone(k: Any) -> Any:
        return k[0] * sy - 0.7 * k[1] * sx + 0.3 * sz + 0.3 * k[0] * one

    def pocket(k: Any) -> Any:
        scalar = 0.1 * (k @ k) + 0.2 * k[0]
        return k[0] * sx + 0.8 * k[1] * sy + (0.3 + k[2] + 0.25 * k[2] ** 2) * sz + scalar * one

    model = bf.ContinuumModel(pocket, 3, cutoff=2.2) if solid else bf.ContinuumModel(cone, 2, cutoff=4.0)
    white = bf.Disorder.white(0.1, third_cumulant=0.02)
    disorder = scatterers(white if kind == "white" else bf.Disorder.gaussian(0.1, 1.0), model)
    start = time.perf_counter()
    surface = bf.geometry.fermi_surface(model, 0.8 if solid else 1.0, points=points, grid=6 if solid else None)
    found = fermi_points(model, surface)
    middle = time.perf_counter()
    collision = Collision(Scattering(found, disorder))
    answer = respond(collision)
    parts = answer.parts(-found.velocity)
    return {
        "surface": middle - start,
        "seconds": time.perf_counter() - middle,
        "points": len(found.k),
        "iterations": answer.iterations,
        "value": float(parts["skew_scattering"][1, 0]),
        "memory_mib": peak_memory(),
    }


DISORDERED = {
    f"disorder_{'solid' if solid else 'plane'}_{kind}_{points}": (solid, kind, points)
    for solid, sizes in ((False, (512, 1024, 2048)), (True, (1, 3, 7)))
    for kind in ("white", "gaussian")
    for points in sizes
}

CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "iron_hall_1": lambda: iron_hall(1),
    "iron_hall_2": lambda: iron_hall(2),
    "iron_converged": iron_converged,
    "iron_eigh": iron_eigh,
    "iron_alone": lambda: together(INTRINSIC[:1], plane=False),
    "iron_together": lambda: together(INTRINSIC, plane=False),
    "plane_alone": lambda: together(INTRINSIC[:1], plane=True),
    "plane_together": lambda: together(INTRINSIC, plane=True),
    "plane_hall": lambda: plane_hall(general=False),
    "plane_hall_function": lambda: plane_hall(general=True),
    **{f"iron_{name}": partial(iron_nonlinear, name) for name in NONLINEAR},
    **{name: partial(disordered, *arguments) for name, arguments in DISORDERED.items()},
}


def main() -> None:
    """Run one case and print its numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=sorted(CASES))
    print(json.dumps(CASES[parser.parse_args().case]()))


if __name__ == "__main__":
    main()
