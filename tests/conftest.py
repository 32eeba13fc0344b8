"""Settings of every test run: threads, compilation cache, hypothesis profile, run-time type checks.

The environment is set before anything imports JAX.  Most of a test's time is compilation by XLA, hence the persistent
cache in `.cache/jax` and hypothesis without deadlines.  Every function of Blochflow is checked against its type
annotations here (jaxtyping with beartype), and only here: users pay nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("BLOCHFLOW_TEST_DATA", str(ROOT.parent / "shared" / "data"))

import jaxtyping
from hypothesis import HealthCheck, settings

jaxtyping.install_import_hook("blochflow", "typecheck.check")

# The first example of a test compiles for seconds, so that time limits of single examples say nothing.
settings.register_profile("blochflow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("blochflow")
