"""The folder that tests of the command line work in."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Path of a job that is not written yet, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BLOCHFLOW_DEBUG", raising=False)
    return tmp_path / "job.toml"
