"""The one place where JAX is imported and set up; every other module imports `jax` and `jnp` from here.

Importing this module switches float64 on globally (all of Blochflow is double precision).  Blochflow runs several
batches in threads of its own.  XLA's batched eigensolver waits, inside a thread of XLA's CPU pool, for tasks in that
same pool; concurrent batches deadlock once all threads of the pool wait.  The pool is therefore made larger than the
number of cores, and `SAFE_CALLS` is the largest number of concurrent calls that leaves one thread free.
"""

from __future__ import annotations

import os
import sys

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pool_size() -> int:
    """Threads of XLA's CPU pool: set through NPROC, unless a program has started JAX before."""
    started = "jax" in sys.modules
    if started:
        try:
            from jax._src.xla_bridge import backends_are_initialized

            started = backends_are_initialized()
        except ImportError:
            started = True
    if not started:
        os.environ.setdefault("NPROC", str(2 * CORES + 2))
        if "XLA_FLAGS" not in os.environ:
            os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    try:
        return int(os.environ["NPROC"])
    except (KeyError, ValueError):
        return CORES


SAFE_CALLS = max(1, _pool_size() - 1)

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)

Array = jax.Array

__all__ = ["SAFE_CALLS", "Array", "jax", "jnp"]
