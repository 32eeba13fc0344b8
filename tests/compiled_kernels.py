"""Compiled kernels of tests, which nothing else removes: each holds some megabytes and a dozen memory maps.

Linux gives a process 65530 maps; a kernel compiled beyond that ends the process with a segmentation fault in LLVM.
"""

from __future__ import annotations

import equinox as eqx

from blochflow.core.backend import jax


def forget() -> None:
    """Remove all compiled kernels of this process."""
    eqx.clear_caches()
    jax.clear_caches()
