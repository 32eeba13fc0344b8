"""Pockets around extrema of a band in two dimensions: area, mass and phases as functions of the depth E - edge.

At the edge  A = 2 pi m (E - edge), m = (det M)^-1/2 with M the matrix of second derivatives; Berry phase 0, moment phase
2 pi m_z m.  Where the edge is a cone these limits are taken on a small orbit around it instead.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from blochflow.core.checks import fail
from blochflow.dynamics.orbit_phases import berry_phase, geometry_at, inside, moment_phase
from blochflow.dynamics.orbit_planes import Curve, Plane
from blochflow.zone.grids import neighbours_wrap if False else None  # placeholder
