"""Edges of bands over the zone, between proven bounds: cells that cannot hold the edge are dropped, others halved.

    max_cells low  <=  max_k E_n(k)  <=  max_cells high        low <= E_n <= high in every cell

Near a smooth maximum the bounds close as the square of the cell, so that every halving keeps about as many cells.
"""

from __future__ import annotations

import numpy as np

from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import BandSource

DEEPEST = 45


def band_edge(
    source: BandSource, cells: CellSet, band: int, top: bool, width: float, limit: int
) -> tuple[float, float, int]:
    """Proven bounds of the top or bottom of ``band``, no further apart than ``width``, and evaluations.

    Bounds further apart where ``limit`` evaluations did not do.
    """
    sign = 1.0 if top else -1.0
    least, most, used = -np.inf, np.inf, 0
    while len(cells) and used + len(cells) <= limit and cells.level.max() <= DEEPEST:
        bounds = source.bounds(cells)
        used += len(cells)
        edges = sign * bounds.low[:, band], sign * bounds.high[:, band]
        low, high = edges if top else edges[::-1]
        least = max(least, float(low.max()))
        most = max(least, min(most, float(high.max())))
        if most - least <= width:
            break
        cells = cells.take(high > least).children()
    return (least, most, used) if top else (-most, -least, used)
