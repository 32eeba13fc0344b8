"""What the file of a result must hold, by its quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blochflow.cli.orbit_report import COLUMNS, has_orbits
from blochflow.cli.packet_report import has_packets, wanted_of
from blochflow.cli.quantities import is_packet
from blochflow.core.checks import fail

if TYPE_CHECKING:
    import xarray as xr

SURFACE = (
    "vertex_k",
    "corners",
    "bands",
    "kind",
    "enclosed",
    "density",
    "density_of_states",
    "closure_residual",
    "error",
)
VALUES = ("value", "error", "converged")
TRAJECTORIES = ("position", "wavevector", "velocity", "energy", "work", "gap", "status", "end_time", "energy_drift")
COMPONENTS = ("quantity", "component", "allowed", "reason")


def check_complete(result: xr.Dataset) -> None:
    """Refuse files that lack what a result of their quantity holds, or hold it along other dimensions."""
    bands, hybrid = (result.attrs["quantity"] == name for name in ("bands", "hybrid_bands"))
    surface = result.attrs["quantity"] in ("fermi_surface", "surface_distribution")
    symmetries = result.attrs["quantity"] == "symmetry_table"
    wanted: tuple[str, ...] = ("energy", "distance") if bands else SURFACE if surface else VALUES
    wanted = ("energy", "velocity", "electric_field") if hybrid else COMPONENTS if symmetries else wanted
    motion = result.attrs["quantity"] == "propagate"
    wanted = TRAJECTORIES if motion else wanted
    orbits = result.attrs["quantity"] in COLUMNS
    wanted = COLUMNS[result.attrs["quantity"]] if orbits else wanted
    evolved = is_packet(result.attrs["quantity"])
    wanted = wanted_of(result) if evolved else wanted
    missing = [name for name in wanted if name not in result]
    if missing:
        quantity = result.attrs["quantity"]
        raise fail("file", "hold a result of Blochflow", f"holds {quantity!r} without {', '.join(missing)}")
    if bands:
        good = set(result["energy"].dims) == {"k", "band"} and result["distance"].dims == ("k",)
    elif hybrid:
        good = result["energy"].dims == ("field", "k", "band") and result["electric_field"].dims == ("field", "a")
    elif surface:
        good = result["vertex_k"].dims == ("vertex", "a") and result["corners"].dims == ("element", "corner")
        good = good and all(result[name].dims == ("sheet",) for name in SURFACE[2:])
    elif orbits:
        good = has_orbits(result)
    elif motion:
        good = all(result[name].dims == ("packet", "time", "a") for name in wanted[:3])
        good = good and all(result[name].dims == ("packet", "time") for name in wanted[3:6])
        good = good and all(result[name].dims == ("packet",) for name in wanted[6:])
    elif evolved:
        good = has_packets(result)
    elif symmetries:
        good = all(result[name].dims == ("entry",) for name in wanted)
    else:
        states = [d for d in result["value"].dims if d not in ("a", "b", "c")]
        good = result["error"].dims == result["value"].dims and set(result["converged"].dims) == set(states)
    if not good:
        dims = "; ".join(f"{name} along {result[name].dims}" for name in wanted)
        raise fail("file", "hold a result of Blochflow", f"holds {dims}")
