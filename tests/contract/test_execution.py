"""Batches keep their order, their errors and their memory bound."""

import os
import subprocess
import sys
import threading

import pytest

import blochflow as bf
from blochflow.core.checks import parse_bytes
from blochflow.execution.threads import run_batches


@pytest.mark.parametrize(
    ("text", "size"), [("4 GiB", 4 * 2**30), ("500MB", 500 * 10**6), (1024, 1024), ("1.5 kib", 1536)]
)
def test_sizes_are_read(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "four GiB", "4 parsecs", "-1 GB", "0 B", 0, "nan GB"])
def test_bad_sizes_name_the_argument(text):
    with pytest.raises(ValueError, match="Argument `max_memory` must"):
        bf.Execution(max_memory=text)


@pytest.mark.parametrize("workers", [0, -1])
def test_bad_workers_name_the_argument(workers):
    with pytest.raises(ValueError, match="Argument `workers` must"):
        bf.Execution(workers=workers)


def test_memory_limits_the_number_of_threads_but_never_to_zero():
    execution = bf.Execution(workers=8, max_memory="1 GiB")
    assert execution.threads(2**28) == 4
    assert execution.threads(2**40) == 1


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_come_in_order(workers):
    execution = bf.Execution(workers=workers, progress=False)
    assert run_batches(lambda x: x * x, iter(range(50)), 50, execution, batch_bytes=1, label="") == [
        x * x for x in range(50)
    ]


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_than_two_batches_per_worker_are_taken_ahead(workers):
    taken, finished = [], []
    lock = threading.Lock()

    def batches():
        for x in range(40):
            with lock:
                taken.append(x)
                assert len(taken) - len(finished) <= 2 * workers + 1
            yield x

    def work(x):
        with lock:
            finished.append(x)
        return x

    run_batches(work, batches(), 40, bf.Execution(workers=workers, progress=False), batch_bytes=1, label="")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_batch_reaches_the_caller(workers):
    def fail(x):
        if x == 7:
            raise ZeroDivisionError("batch 7")
        return x

    with pytest.raises(ZeroDivisionError, match="batch 7"):
        run_batches(fail, iter(range(20)), 20, bf.Execution(workers=workers, progress=False), batch_bytes=1, label="")


def test_workers_count_where_the_system_knows_no_affinity(monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert bf.Execution(workers=1).threads(1) == 1
    assert bf.Execution(workers=3).threads(1) == 3


def test_infinite_memory_is_refused():
    with pytest.raises(ValueError, match="Argument `max_memory` must"):
        bf.Execution(max_memory="inf GiB")


@pytest.mark.parametrize("before", ["", "import jax; jax.numpy.ones(3).sum().block_until_ready()"])
@pytest.mark.parametrize("pool", [None, "1", "2"])
def test_concurrent_batches_never_deadlock(before, pool, tmp_path):
    """XLA's pool may be small, or already started by the user: the calls must end all the same."""
    script = f"""
{before}
import numpy as np, blochflow as bf
cells = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in range(-3, 4)])
rng = np.random.default_rng(0)
blocks = (rng.normal(size=(63, 6, 6)) + 1j * rng.normal(size=(63, 6, 6))) * np.exp(-abs(cells).sum(1))[:, None, None]
model = bf.TightBinding.from_blocks(np.eye(3), np.zeros((6, 3)), cells, blocks)
execution = bf.Execution(workers=4, progress=False)
bf.response.anomalous_hall(model, 0.0, 0.1, grid=24, throw=False, execution=execution)
"""
    environment = {key: value for key, value in os.environ.items() if key not in ("NPROC", "XLA_FLAGS")}
    if pool is not None:
        environment["NPROC"] = pool
    # a deadlock would last for ever; the run takes seconds
    subprocess.run([sys.executable, "-c", script], env=environment, timeout=120, check=True, cwd=tmp_path)
