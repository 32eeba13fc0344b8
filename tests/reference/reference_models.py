"""Models whose reference numbers are tabulated, written from their formulas."""

import numpy as np

import blochflow as bf
from blochflow.core.backend import jnp

HONEYCOMB = [[1.0, 0.0], [0.5, np.sqrt(3) / 2]]
SITES = [[1 / 3, 1 / 3], [2 / 3, 2 / 3]]
H1 = {"t": -1.0, "t2": 0.15j, "delta": 0.2}
H2 = {"t": -1.0, "t2": 0.15 * np.exp(1j * np.pi / 3), "delta": 0.4}


def haldane_hoppings(t, t2, delta):
    """<0|H|1,R>, <1|H|0,R> = t; <0|H|0,R>, <1|H|1,R> = t2 or its conjugate; on-site -/+ delta."""
    conj = jnp.conj(t2)
    return [
        (-delta, 0, 0, (0, 0)),
        (delta, 1, 1, (0, 0)),
        (t, 0, 1, (0, 0)),
        (t, 1, 0, (1, 0)),
        (t, 1, 0, (0, 1)),
        (t2, 0, 0, (1, 0)),
        (t2, 1, 1, (1, -1)),
        (t2, 1, 1, (0, 1)),
        (conj, 1, 1, (1, 0)),
        (conj, 0, 0, (1, -1)),
        (conj, 0, 0, (0, 1)),
    ]


def haldane(parameters):
    return bf.TightBinding(HONEYCOMB, SITES, haldane_hoppings, parameters=parameters)


def qwz_hamiltonian(k):
    """sin kx sx + sin ky sy + (-1.2 + cos kx + cos ky) sz + 0.3 (2 - cos kx - cos ky)."""
    x, y = k
    z = -1.2 + jnp.cos(x) + jnp.cos(y)
    tilt = 0.3 * (2 - jnp.cos(x) - jnp.cos(y))
    off = jnp.sin(x) - 1j * jnp.sin(y)
    return jnp.array([[tilt + z, off], [jnp.conj(off), tilt - z]])


def qwz():
    return bf.LatticeModel(qwz_hamiltonian, np.eye(2))
