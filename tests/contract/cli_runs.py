"""Runs of the command line inside a test."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner

from blochflow.cli.app import app


def blochflow(*arguments: object) -> Any:
    """Output, error output and exit code of one command."""
    return CliRunner().invoke(app, [str(x) for x in arguments])


def forbid(*_: object, **__: object) -> None:
    """In place of what a test does not allow to run."""
    raise AssertionError("something was computed")
