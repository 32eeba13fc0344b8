"""Exit codes and messages: what the user did wrong, what did not converge, what was interrupted, what is our fault.

0 done; 1 not converged (files written); 2 bad input, nothing computed; 3 interrupted; 4 internal error.
"""

from __future__ import annotations

import functools
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
            except BrokenPipeError:
                # the reader of our output (`| head`) is gone: nobody to tell, and nothing more to flush
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(INTERRUPTED) from None
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
