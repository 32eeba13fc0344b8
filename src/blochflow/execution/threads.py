"""Batches of k points on a pool of threads, in bounded memory, with a progress bar.

XLA releases the interpreter lock, so threads scale; each call uses one XLA thread and one BLAS thread (LAPACK's
eigensolver would otherwise oversubscribe the cores).  Results come back in order and do not depend on the number
of workers, because batch shapes and the order of summation are fixed beforehand.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from blochflow.core.checks import as_bool, fail, parse_bytes

T = TypeVar("T")
R = TypeVar("R")
PROGRESS_AFTER = 1.0  # seconds; shorter work shows no bar


@dataclass(frozen=True)
class Execution:
    """How a computation runs; never what it computes.

    Parameters
    ----------
    workers : int or None
        Threads; None: all cores this process may use.
    max_memory : str or int
        Upper bound on the batches in flight, e.g. ``"4 GiB"``.  It limits how many run at once, never their shape.
    progress : bool
        Show a progress bar with the time left on stderr (only when it is a terminal).

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Execution(workers=2).memory_bytes == 4 * 2**30
    True
    """

    workers: int | None = None
    max_memory: str | int = "4 GiB"
    progress: bool = True

    def __post_init__(self) -> None:
        whole = isinstance(self.workers, int | np.integer) and not isinstance(self.workers, bool)
        if self.workers is not None and (not whole or self.workers < 1):
            raise fail("workers", "be None or a positive integer", f"is {self.workers!r}")
        parse_bytes(self.max_memory)
        as_bool(self.progress, "progress")

    @property
    def memory_bytes(self) -> int:
        """``max_memory`` in bytes."""
        return parse_bytes(self.max_memory)

    def threads(self, batch_bytes: int) -> int:
        """Number of threads that fit into the memory bound, at least one."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return max(1, min(self.workers or cores or 1, self.memory_bytes // max(1, batch_bytes)))


def as_execution(value: Any) -> Execution:
    """Check an argument ``execution``; None is the default."""
    if value is not None and not isinstance(value, Execution):
        raise fail("execution", "be a bf.Execution, e.g. bf.Execution(workers=2)", f"is {value!r}")
    return value or Execution()


def run_batches(
    function: Callable[[T], R],
    batches: Iterator[T],
    total: int,
    execution: Execution,
    *,
    batch_bytes: int,
    label: str,
    most_threads: int | None = None,
) -> list[R]:
    """Apply ``function`` to every batch on the thread pool; results in the order of the batches.

    ``most_threads`` caps the number of threads whatever ``execution`` says.
    """
    threads = min(execution.threads(batch_bytes), most_threads or execution.threads(batch_bytes))
    results: list[R] = []
    single = _libraries(len(sys.modules)).limit(limits=1, user_api="blas")
    with single, Progress(total, label, execution.progress) as progress:
        if threads == 1:
            for batch in batches:
                results.append(function(batch))
                progress.advance()
            return results
        # The first batch compiles; concurrent first calls of one kernel would compile it twice.
        for batch in itertools.islice(batches, 1):
            results.append(function(batch))
            progress.advance()
        waiting: deque[Future[R]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            try:
                for batch in batches:
                    waiting.append(pool.submit(function, batch))
                    # two batches per thread keep every thread busy while bounding what is in flight
                    while len(waiting) >= 2 * threads:
                        results.append(waiting.popleft().result())
                        progress.advance()
                while waiting:
                    results.append(waiting.popleft().result())
                    progress.advance()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return results


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """The BLAS libraries of this process; looking for them takes as long as a small batch.

    Another number of loaded ``modules`` may have brought another library.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class Progress:
    """A rich progress bar that appears only when the work lasts and stderr is a terminal."""

    def __init__(self, total: int, label: str, enabled: bool) -> None:
        self.total, self.label = total, label
        self.enabled = enabled and sys.stderr.isatty()
        self.started = time.monotonic()
        self.done = 0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        return self

    def advance(self) -> None:
        """One batch more is done."""
        self.done += 1
        if not self.enabled or time.monotonic() - self.started < PROGRESS_AFTER:
            return
        if self._bar is None:
            self._open()
        self._bar.update(self._task, completed=self.done)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(self.label, total=self.total, completed=self.done)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
