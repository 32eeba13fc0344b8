"""The one place where JAX is imported and set up; every other module imports `jax` and `jnp` from here.

Importing this module switches float64 on globally (all of Blochflow is double precision).  On the CPU XLA gets one
pool thread: Blochflow runs several batches in its own threads, which scales better for many small matrices, and
XLA's batched eigensolver deadlocks when concurrent calls wait for a pool that they themselves occupy.
"""

from __future__ import annotations

import os

os.environ.setdefault("NPROC", "1")  # size of XLA's CPU thread pool, read when its backend starts
if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)

Array = jax.Array

__all__ = ["Array", "jax", "jnp"]
