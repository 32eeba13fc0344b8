"""Models of the tables of currents at finite field."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

import blochflow as bf

S0 = np.eye(2)
SX, SY, SZ = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
XX, ZY, Y0, X0, Z0 = (jnp.asarray(np.kron(a, b)) for a, b in ((SX, SX), (SZ, SY), (SY, S0), (SX, S0), (SZ, S0)))
XZ = jnp.asarray(np.kron(SX, SZ))


def random_unitary(seed):
    """Of two states."""
    a, b = np.random.default_rng(seed).normal(size=(2, 2, 2))
    return np.linalg.qr(a + 1j * b)[0]


def turn(angle, generator):
    """exp(i angle generator) of a generator whose square is one."""
    return jnp.cos(angle) * jnp.eye(4) + 1j * jnp.sin(angle) * generator


def doublets(k, mass=-1.0, twist=1.0):
    """U(k) [h_QWZ x s_0] U(k)^+: two exactly degenerate doublets, with a non-Abelian curvature."""
    u = turn(0.5 * twist * jnp.sin(k[0]), XX) @ turn(0.4 * twist * jnp.sin(k[1]), ZY)
    u = u @ turn(0.3 * twist * jnp.cos(k[0] + k[1]), Y0)
    h = jnp.sin(k[0]) * X0 + jnp.sin(k[1]) * Y0 + (mass + jnp.cos(k[0]) + jnp.cos(k[1])) * Z0
    return u @ h @ u.conj().T


def inversion_time_reversal(k):
    """A doublet that P times T protects."""
    h = jnp.sin(k[0]) * XZ + jnp.sin(k[1]) * Y0 + (-1 + jnp.cos(k[0]) + jnp.cos(k[1])) * Z0
    return h + 0.35 * jnp.sin(k[0] + 0.5 * jnp.sin(k[1])) * XX


def texture(k, x, t):
    """d(k, x).sigma of the table of textures."""
    first = jnp.sin(k[0]) + 0.25 * jnp.cos(0.15 * x[1])
    second = jnp.sin(k[1]) + 0.2 * jnp.sin(0.15 * x[0])
    third = -1.2 + 0.3 * jnp.cos(0.15 * (x[0] + x[1])) + jnp.cos(k[0]) + jnp.cos(k[1])
    return first * SX + second * SY + third * SZ


PLACE = [2.3, -1.7]


def cone(k, mass=0.1, tilt=0.0):
    """A gapped cone, tilted along x."""
    return tilt * k[0] * S0 + k[0] * SX + k[1] * SY + mass * SZ


def doublet_model(mass=-1.0, twist=1.0):
    """`doublets` on the square lattice."""
    return bf.LatticeModel(doublets, np.eye(2), parameters={"mass": mass, "twist": twist})


def texture_model():
    """`texture` on the square lattice."""
    return bf.LocalModel(texture, lattice=np.eye(2))
