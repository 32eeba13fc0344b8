"""Compressed Wannier90 files that are cut or altered are refused, whatever byte is hit."""

from __future__ import annotations

import gzip
import lzma
import sys
from pathlib import Path

import numpy as np
import pytest

from blochflow.core.errors import FileFormatError
from blochflow.models.wannier90.data import load_wannier90

sys.path.insert(0, str(Path(__file__).parent))
from wannier_runs import SHAPES, make_run

PACKERS = {".gz": lambda raw: gzip.compress(raw, mtime=0), ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACKERS)
def test_altered_or_cut_archive(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(5)
    packed = PACKERS[suffix](make_run(rng, SHAPES[0])["tb"])
    path = tmp_path / f"X_tb.dat{suffix}"
    path.write_bytes(packed)
    sound = load_wannier90(path)
    for number in range(60):
        at = int(rng.integers(1, len(packed)))
        flipped = bytes([packed[at] ^ (1 << int(rng.integers(8)))])
        path.write_bytes(packed[:at] if number % 2 else packed[:at] + flipped + packed[at + 1 :])
        try:
            data = load_wannier90(path)
        except FileFormatError as error:
            assert error.line == 1 and suffix in error.fix
        else:
            # Bytes of the gzip header (time, operating system) carry no data.
            assert np.array_equal(data.hamiltonian, sound.hamiltonian)
            assert np.array_equal(data.positions, sound.positions)


def test_archive_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "X_tb.dat.xz"
    path.write_bytes(make_run(np.random.default_rng(5), SHAPES[0])["tb"])
    with pytest.raises(FileFormatError, match="compressed data"):
        load_wannier90(path)
