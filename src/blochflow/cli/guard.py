"""Exit codes and messages: what the user did wrong, what did not converge, what was interrupted, what is our fault.

0 done; 1 not converged (files written); 2 bad input, nothing computed; 3 interrupted; 4 internal error.
"""

from __future__ import annotations

import functools
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer

DONE, NOT_CONVERGED, BAD_INPUT, INTERRUPTED, INTERNAL = range(5)
DEBUG = "BLOCHFLOW_DEBUG"

C = TypeVar("C", bound=Callable[..., Any])


def guarded(command: C) -> C:
    """Turn every exception of a command into a message on stderr and an exit code."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with tidy_warnings():
            try:
                return command(*args, **kwargs)
            except (typer.Exit, typer.Abort):
                raise
            except KeyboardInterrupt:
                say("Interrupted. Results of finished tasks are on disk; the task that was running left no file.")
                raise typer.Exit(INTERRUPTED) from None
            except SystemExit as exc:
                # only code of the user calls sys.exit() inside of a command
                say(f"Error: the model ended the program: SystemExit: {exc}")
                raise typer.Exit(BAD_INPUT) from None
            except Exception as exc:
                raise typer.Exit(report_exception(exc)) from None

    return wrapper  # type: ignore[return-value]


def report_exception(exc: Exception) -> int:
    """Print what went wrong; the exit code."""
    from blochflow.core.errors import BlochflowError

    if os.environ.get(DEBUG):
        traceback.print_exception(exc)
    if isinstance(exc, BlochflowError) or (isinstance(exc, ValueError) and str(exc).startswith("Argument `")):
        say(f"Error: {exc}")
        return BAD_INPUT
    if isinstance(exc, OSError):
        say(f"Error: {exc.filename or 'file'}: {exc.strerror or exc}")
        return BAD_INPUT
    say(
        f"Internal error: {type(exc).__name__}: {exc}\n"
        "This is a bug of Blochflow, not of your input. Please report it with the output of the same command after "
        "`blochflow --debug`."
    )
    return INTERNAL


class _TolerantPipe(io.FileIO):
    """A stream whose reader may leave (`| head`): what is written after that is dropped."""

    def write(self, data: Any) -> int:
        """Write, or drop what nobody reads."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def outlive_readers() -> None:
    """Let a computation go on, and keep its exit code, when the reader of its output is gone."""
    for name in ("stdout", "stderr"):
        old = getattr(sys, name)
        try:
            old.flush()
            pipe = _TolerantPipe(old.fileno(), "w", closefd=False)
        except (AttributeError, OSError, ValueError):
            continue  # closed, or not a file
        line_buffering = name == "stderr" or pipe.isatty()
        buffer = io.BufferedWriter(pipe)
        new = io.TextIOWrapper(buffer, encoding=old.encoding, errors=old.errors, line_buffering=line_buffering)
        setattr(sys, name, new)


def say(text: str) -> None:
    """One message on stderr."""
    typer.echo(text, err=True)


@contextmanager
def tidy_warnings() -> Iterator[None]:
    """Show warnings as single lines without source code, each once."""
    seen: set[str] = set()

    def show(message: Any, category: Any, *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        if text not in seen:
            seen.add(text)
            say(f"Warning: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=PendingDeprecationWarning)
        warnings.showwarning = show
        yield
