"""Wannier90 files: strict reading with cross-checks, and writing.

read_wannier90    `_tb.dat` or `_hr.dat`, with `_wsvec.dat`, `_centres.xyz`, `.win`  ->  TightBinding
write_wannier90   TightBinding  ->  `_tb.dat`
"""

from __future__ import annotations

from blochflow.models.wannier90.reader import read_wannier90
from blochflow.models.wannier90.writer import write_wannier90

__all__ = ["read_wannier90", "write_wannier90"]
