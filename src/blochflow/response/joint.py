"""Several responses of one model at the same states, with one pass over the zone where they share an integrand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from blochflow import response
from blochflow.core.checks import fail, nearest
from blochflow.response.intrinsic import RESULTS, intrinsic_results
from blochflow.response.request import Request, ZoneArguments

if TYPE_CHECKING:
    import xarray as xr

# responses with their own pass, and the option each needs
ALONE: dict[str, tuple[str, ...]] = {
    "electron_density": (),
    "density_of_states": (),
    "streda": (),
    "spin_hall": (),
    "ohmic": ("tau",),
    "thermoelectric": ("tau",),
}


def together(
    quantities: Sequence[str],
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    tau: Any = None,
    **zone: Unpack[ZoneArguments],
) -> dict[str, xr.Dataset]:
    """Several responses at the same chemical potentials and temperatures.

        one diagonalization per k for anomalous_hall, anomalous_nernst, anomalous_thermal_hall, orbital_magnetization

    Source: the integrands share V_nm and E_n.  Valid for: as each response.  These four are integrated together until
    every one of them meets the tolerance; the others get a pass of their own, since what they need to be resolved
    (Fermi surfaces, energies alone) is elsewhere in the zone.  Not included: scans of options other than mu and T.

    Parameters
    ----------
    quantities : list of str
        Names of responses.
    model, mu, temperature, **zone
        As for `anomalous_nernst`.
    tau : float, array or callable
        Relaxation time, where ``ohmic`` or ``thermoelectric`` is among the quantities.

    Returns
    -------
    dict of str to Dataset
        In the order asked for.

    Raises
    ------
    ValueError
        An unknown quantity, or a missing ``tau``.
    ConvergenceError
        The first that did not converge; ``throw=False`` returns all of them.

    Examples
    --------
    >>> import blochflow as bf
    >>> found = bf.response.together(["anomalous_hall", "orbital_magnetization"], bf.zoo.haldane(), 0.1, 0.05)
    >>> found["anomalous_hall"].attrs["evaluations"] == found["orbital_magnetization"].attrs["evaluations"]
    True
    """
    names = as_names(quantities)
    if tau is None and any("tau" in ALONE.get(name, ()) for name in names):
        raise fail("tau", "be given for ohmic and thermoelectric", "is missing")
    shared = tuple(name for name in names if name in RESULTS)
    found: dict[str, xr.Dataset] = {}
    if shared:
        found = intrinsic_results(Request.of("together", model, mu, temperature, zone, plane=True), shared)
    for name in names:
        if name not in shared:
            options = {"tau": tau} if "tau" in ALONE[name] else {}
            found[name] = getattr(response, name)(model, mu, temperature, **options, **zone)
    return {name: found[name] for name in names}


def as_names(quantities: Any) -> list[str]:
    """Known names, each once."""
    known = [*RESULTS, *ALONE]
    if isinstance(quantities, str) or not isinstance(quantities, Sequence) or not quantities:
        raise fail("quantities", f"be a list of names from {', '.join(known)}", f"is {quantities!r}")
    for name in quantities:
        if name not in known:
            hint = nearest(str(name), known)
            suffix = f" (did you mean {hint!r}?)" if hint else ""
            raise fail("quantities", f"hold names from {', '.join(known)}", f"holds {name!r}{suffix}")
    return list(dict.fromkeys(quantities))
