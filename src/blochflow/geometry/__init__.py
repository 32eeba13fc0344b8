"""Band geometry at k: curvature, metric, moments, masses, topology.  All functions take `Bands` or a model."""

from blochflow.geometry.band_structure import band_structure
from blochflow.geometry.connection import berry_connection
from blochflow.geometry.curvature import berry_curvature, non_abelian_curvature, to_axial
from blochflow.geometry.expectation import expectation
from blochflow.geometry.fermi_sheets import FermiSheet, FermiSurface
from blochflow.geometry.fermi_surface import fermi_surface
from blochflow.geometry.mass import inverse_mass
from blochflow.geometry.metric import (
    band_normalised_metric,
    berry_connection_polarizability,
    quantum_geometric_tensor,
    quantum_metric,
)
from blochflow.geometry.moment import orbital_moment
from blochflow.geometry.packet_spread import wave_packet_spread
from blochflow.geometry.packet_velocity import spread_velocity
from blochflow.geometry.spread import wannier_spread
from blochflow.geometry.topology import chern_number, wilson_loop

__all__ = [
    "FermiSheet",
    "FermiSurface",
    "band_normalised_metric",
    "band_structure",
    "berry_connection",
    "berry_connection_polarizability",
    "berry_curvature",
    "chern_number",
    "expectation",
    "fermi_surface",
    "inverse_mass",
    "non_abelian_curvature",
    "orbital_moment",
    "quantum_geometric_tensor",
    "quantum_metric",
    "spread_velocity",
    "to_axial",
    "wannier_spread",
    "wave_packet_spread",
    "wilson_loop",
]
