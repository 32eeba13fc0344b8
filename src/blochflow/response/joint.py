"""Several responses of one model at the same states, with one pass over the zone where they share an integrand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from blochflow import response
from blochflow.core.checks import fail, nearest
from blochflow.models.base import as_model
from blochflow.response.catalog import QUANTITIES
from blochflow.response.intrinsic import RESULTS, intrinsic_results
from blochflow.response.request import Request, ZoneArguments, check_keywords

if TYPE_CHECKING:
    import xarray as xr

# responses with their own pass, and the options of each; of these the first must be given
ALONE: dict[str, tuple[str, ...]] = {
    "electron_density": (),
    "density_of_states": (),
    "streda": (),
    "spin_hall": (),
    "ohmic": ("tau",),
    "thermoelectric": ("tau",),
    "berry_curvature_dipole": (),
    "quantum_metric_dipole": (),
    "nonlinear_conductivity": ("tau",),
    "nonlocal_conductivity": ("tau",),
    "valley_hall": ("partition",),
    "magnetization_current": ("mu_gradient", "temperature_gradient"),
}
OPTIONS = tuple(dict.fromkeys(option for options in ALONE.values() for option in options))
# of `valley_hall`, whose polygons have neither grids nor symmetries
OF_POLYGONS = ("tolerance", "execution", "throw")


def together(
    quantities: Sequence[str],
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    density: Any = None,
    tau: Any = None,
    partition: Any = None,
    mu_gradient: Any = None,
    temperature_gradient: Any = None,
    **zone: Unpack[ZoneArguments],
) -> dict[str, xr.Dataset]:
    """Several responses at the same chemical potentials and temperatures.

        one diagonalization per k for anomalous_hall, anomalous_nernst, anomalous_thermal_hall, orbital_magnetization

    Source: the integrands share V_nm and E_n.  Valid for: as each response.  These four are integrated together until
    every one of them meets the tolerance; the others get a pass of their own, since what they need to be resolved
    (Fermi surfaces, energies alone) is elsewhere in the zone.  Not included: options that only one response has, such
    as frequencies, which keep their defaults.

    Parameters
    ----------
    quantities : list of str
        Names of responses.
    model, mu, temperature, density, **zone
        As for `anomalous_nernst`; ``electron_density`` has no ``density``, ``valley_hall`` of the options of the zone
        only ``tolerance``.
    tau : float, array or callable
        Relaxation time, where ``ohmic``, ``thermoelectric``, ``nonlinear_conductivity`` or ``nonlocal_conductivity`` is
        among the quantities; the last two take no functions.
    partition, mu_gradient, temperature_gradient
        Where ``valley_hall`` or ``magnetization_current`` is among them.

    Returns
    -------
    dict of str to Dataset
        In the order asked for.

    Raises
    ------
    ValueError
        An unknown quantity, one that the model's dimension does not have, or an option that is missing or that none of
        the quantities uses.
    ConvergenceError
        The first that did not converge; ``throw=False`` returns all of them.

    Examples
    --------
    >>> import blochflow as bf
    >>> found = bf.response.together(["anomalous_hall", "orbital_magnetization"], bf.zoo.haldane(), 0.1, 0.05)
    >>> found["anomalous_hall"].attrs["evaluations"] == found["orbital_magnetization"].attrs["evaluations"]
    True
    """
    check_keywords("together", zone, ZoneArguments.__annotations__)
    names = as_names(quantities)
    model = as_model(model)
    for name in names:
        QUANTITIES[name].unit(model.units.name, model.dimension)
    given = dict(zip(OPTIONS, (tau, partition, mu_gradient, temperature_gradient), strict=True))
    check_options(names, given)
    if density is not None and "electron_density" in names:
        raise fail("density", "be left out where electron_density is asked for", "is given")
    shared = tuple(name for name in names if name in RESULTS)
    found: dict[str, xr.Dataset] = {}
    if shared:
        found = intrinsic_results(Request.of("together", model, mu, temperature, zone, density, plane=True), shared)
    for name in names:
        if name not in shared:
            options = {option: given[option] for option in ALONE[name]}
            if name != "electron_density":
                options["density"] = density
            kept = {key: value for key, value in zone.items() if name != "valley_hall" or key in OF_POLYGONS}
            found[name] = getattr(response, name)(model, mu, temperature, **options, **kept)
    return {name: found[name] for name in names}


def check_options(names: list[str], given: dict[str, Any]) -> None:
    """Every option that is given is used by some quantity, and what a quantity needs is given."""
    for option, value in given.items():
        users = [name for name in ALONE if option in ALONE[name]]
        if value is not None and not set(users) & set(names):
            raise fail(option, f"be left out where none of {', '.join(users)} is asked for", "is given")
    for name in names:
        options = ALONE.get(name, ())
        if options and all(given[option] is None for option in options):
            raise fail(options[0], f"be given for {name}", "is missing")


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
