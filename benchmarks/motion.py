"""Trajectories per second: `python benchmarks/motion.py MODEL` prints a JSON object, for "haldane" or "weyl".

Compared, in one process on one core: `bf.propagate` of many packets, `scipy.integrate.solve_ivp` (DOP853, same rtol)
with a plain Python right-hand side of the same two-band model for some of them, and the least that the method could
take: mean steps times stages times the time of one batched evaluation of the equations of motion.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

PACKETS, SCIPY_PACKETS = 100_000, 40
RTOL, TIME = 1e-8, 20.0
ELECTRIC = {"haldane": (0.03, 0.02), "weyl": (0.03, 0.02, 0.01)}
MAGNETIC = {"haldane": 0.05, "weyl": (0.02, 0.01, 0.05)}
PAIRS = {2: ((0, 1),), 3: ((1, 2), (2, 0), (0, 1))}

# d(k) of H = d0 + d.s with first and second derivatives: (4,), (4, D), (4, D, D)
Pieces = tuple[np.ndarray, np.ndarray, np.ndarray]


def plane_waves(terms: list[tuple[Any, Any]], k: np.ndarray) -> Pieces:
    """Sum of vectors (4,) times cos(R.k), or of pairs (cos, sin)."""
    count = len(k)
    value, slope, curve = np.zeros(4), np.zeros((4, count)), np.zeros((4, count, count))
    for r, (even, odd) in terms:
        c, s = np.cos(r @ k), np.sin(r @ k)
        value += c * even + s * odd
        slope += np.outer(c * odd - s * even, r)
        curve -= np.einsum("i,a,b->iab", c * even + s * odd, r, r)
    return value, slope, curve


def haldane_terms() -> list[tuple[Any, Any]]:
    """d(k) of bf.zoo.haldane()."""
    a1, a2 = np.array([1.0, 0.0]), np.array([0.5, np.sqrt(3) / 2])
    zero, sx, sy, sz = np.zeros(4), *np.eye(4)[1:]
    bond = (a1 + a2) / 3
    terms = [(np.zeros(2), (-0.2 * sz, zero))]
    # -sum_j exp(i k.d_j) above the diagonal: dx = -cos, dy = +sin
    terms += [(d, (-sx, sy)) for d in (bond, bond - a1, bond - a2)]
    terms += [(r, (zero, -0.3 * sign * sz)) for r, sign in ((a1, 1.0), (a1 - a2, -1.0), (a2, -1.0))]
    return terms


def weyl_terms() -> list[tuple[Any, Any]]:
    """d(k) of bf.zoo.weyl_lattice()."""
    x, y, z = np.eye(3)
    zero, sx, sy, sz = np.zeros(4), *np.eye(4)[1:]
    constant = (np.zeros(3), (-2 * sz, zero))
    return [constant, (x, (sz, sx)), (y, (sz, sy)), (z, (sz, zero))]


TERMS = {"haldane": haldane_terms, "weyl": weyl_terms}


def plain_rate(name: str, terms: list[tuple[Any, Any]]) -> Callable[[float, np.ndarray], np.ndarray]:
    """d(x, k)/dt of the lower band, as one would write it for two bands."""
    electric = np.array(ELECTRIC[name])
    count = len(electric)
    magnetic = np.atleast_1d(MAGNETIC[name])

    def rate(_: float, state: np.ndarray) -> np.ndarray:
        value, slope, curve = plane_waves(terms, state[count:])
        d, d1, d2 = value[1:], slope[1:], curve[1:]
        size = np.sqrt(d @ d)
        along = d @ d1
        velocity = slope[0] - along / size
        omega = np.zeros((count, count))
        for (a, b), field in zip(PAIRS[count], magnetic, strict=True):
            turn = d @ np.cross(d1[:, a], d1[:, b])
            # of the lower band; its moment is -size times this, m.B enters with a minus sign
            omega[a, b] = 0.5 * turn / size**3
            omega[b, a] = -omega[a, b]
            change = np.array(
                [
                    d1[:, c] @ np.cross(d1[:, a], d1[:, b])
                    + d @ (np.cross(d2[:, a, c], d1[:, b]) + np.cross(d1[:, a], d2[:, b, c]))
                    for c in range(count)
                ]
            )
            velocity = velocity + field * (0.5 * change / size**2 - turn * along / size**4)
        force = np.zeros((count, count))
        for (a, b), field in zip(PAIRS[count], magnetic, strict=True):
            force[a, b], force[b, a] = field, -field
        # xdot = v - Omega kdot, kdot = -E - F xdot
        xdot = np.linalg.solve(np.eye(count) - omega @ force, velocity + omega @ electric)
        return np.concatenate([xdot, -electric - force @ xdot])

    return rate


def measure(name: str) -> dict[str, Any]:
    """One model."""
    from scipy.integrate import solve_ivp

    import blochflow as bf
    from blochflow.core.backend import jax, jnp
    from blochflow.dynamics.equations import Adiabatic, motion
    from blochflow.dynamics.stepping import BATCHES, STAGES
    from blochflow.models.fields import as_fields

    model = bf.zoo.haldane() if name == "haldane" else bf.zoo.weyl_lattice()
    d = model.dimension
    k = np.random.default_rng(0).random((PACKETS, d)) @ np.asarray(model.lattice.reciprocal)
    fields = {"electric_field": ELECTRIC[name], "magnetic_field": MAGNETIC[name]}
    options = {
        **fields,
        "tolerance": bf.Tolerance(rtol=RTOL),
        "estimate_error": False,
        "execution": bf.Execution(workers=1, progress=False),
        "throw": False,
    }

    def fly(count: int) -> Any:
        return bf.propagate(model, bf.WavePacket(np.zeros((count, d)), k[:count]), [0.0, TIME], **options)

    fly(PACKETS)  # compiles what any of them needs
    start = time.process_time()
    run = fly(PACKETS)
    seconds = time.process_time() - start

    kernel_fields = as_fields(ELECTRIC[name], MAGNETIC[name], d, model.units)

    def one(x: Any, k: Any) -> Any:
        found = motion(model, jnp.asarray(0), k, x, jnp.zeros(()), kernel_fields, Adiabatic())
        return found.velocity, found.force, found.power

    kernel = jax.jit(jax.vmap(one))
    batch = (jnp.zeros((BATCHES[-1], d)), jnp.asarray(k[: BATCHES[-1]]))
    jax.block_until_ready(kernel(*batch))
    start = time.process_time()
    for _ in range(50):
        jax.block_until_ready(kernel(*batch))
    evaluation = (time.process_time() - start) / 50 / BATCHES[-1]

    rate = plain_rate(name, TERMS[name]())
    ends, moving = [], np.flatnonzero(np.isfinite(run.position.values[:, -1, 0]))[:SCIPY_PACKETS]
    start = time.process_time()
    for i in moving:
        state = np.concatenate([np.zeros(d), k[i]])
        ends.append(solve_ivp(rate, (0.0, TIME), state, method="DOP853", rtol=RTOL, atol=RTOL).y[:, -1])
    scipy_seconds = (time.process_time() - start) / len(moving)
    found = np.concatenate([run.position.values[moving, -1], run.wavevector.values[moving, -1]], axis=1)
    return {
        "packets": PACKETS,
        "seconds": seconds,
        "per_packet": seconds / PACKETS,
        "scipy_per_packet": scipy_seconds,
        "bound_per_packet": int(run.attrs["steps"]) / PACKETS * STAGES * evaluation,
        "steps": int(run.attrs["steps"]) / PACKETS,
        "evaluation": evaluation,
        "drift": float(np.nanmax(run.energy_drift.values[np.isfinite(run.position.values[:, -1, 0])])),
        "difference": float(np.abs(found - np.array(ends)).max()),
        "stopped": int(np.isnan(run.position.values[:, -1, 0]).sum()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(TERMS))
    print(json.dumps(measure(parser.parse_args().model)))
