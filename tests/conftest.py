"""Settings of every test run: threads, compilation cache, hypothesis profile, run-time type checks.

The environment is set before anything imports JAX.  Most of a test's time is compilation by XLA, hence the persistent
cache in `.cache/jax` and hypothesis without deadlines.  Kernels are checked against the shapes in their annotations
here (jaxtyping with beartype), and only here: users pay nothing.  Compiled kernels are forgotten after each module.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# kernels run once or twice here: half of the time goes with what optimizes them; `make test-slow` leaves it in
FLAGS = ("backend_optimization_level=0", "llvm_disable_expensive_passes=true", "cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(f"--xla_{flag}" for flag in FLAGS))
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("BLOCHFLOW_TEST_DATA", str(ROOT.parent / "shared" / "data"))

import jaxtyping
import pytest
from hypothesis import HealthCheck, settings

# Modules of kernels, whose arrays carry shapes in their annotations.  Public boundaries are left out: they check their
# arguments themselves, and tests hand them wrong types on purpose.
KERNELS = (
    "geometry.bands",
    "geometry.cumulative",
    "geometry.eigen",
    "models.base",
    "models.hoppings",
    "response.occupation",
    "zone.fourier",
    "zone.grids",
    "zone.uniform",
)
jaxtyping.install_import_hook([f"blochflow.{name}" for name in KERNELS], "typecheck.check")

# The first example of a test compiles for seconds, so that time limits of single examples say nothing.
settings.register_profile("blochflow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("blochflow")


@pytest.fixture(autouse=True, scope="module")
def forget_kernels() -> Iterator[None]:
    """Compiled kernels of a module are of little use to the next, and would fill gigabytes by the end of a run."""
    yield
    # not above: Blochflow sets JAX up before anything else imports it
    import compiled_kernels

    compiled_kernels.forget()
