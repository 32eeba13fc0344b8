"""What only the model can tell about tasks that integrate: found out before anything is computed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from blochflow.cli.load_model import load_function
from blochflow.cli.quantities import (
    EVOLUTION,
    LIOUVILLE,
    all_quantities,
    describe_arguments,
    is_disordered,
    is_exact,
    moves_packets,
)
from blochflow.core.checks import as_choice, fail

if TYPE_CHECKING:
    from blochflow.cli.job import Job, Task
    from blochflow.disorder.potentials import Disorder
    from blochflow.models.base import AbstractModel
    from blochflow.response.disordered_result import DisorderedRequest

# responses that hold an integral over the Fermi surface, which has no value on a grid of points at T = 0
SURFACE = (
    "density_of_states",
    "ohmic",
    "thermoelectric",
    "streda",
    "magnetization_current",
    "berry_curvature_dipole",
    "quantum_metric_dipole",
    "nonlinear_conductivity",
    "nonlocal_conductivity",
    "finite_field_current",
)
# smallest steps of flux whose differences are extrapolated
FEWEST_STEPS = 4
FROM_FLUX = ("exact.magnetization", "exact.streda", "exact.magnetocaloric")


def check_integrals(job: Job, model: AbstractModel) -> None:
    """Dimension, grid, shift, density and own options of tasks that integrate over the zone.

    Raises
    ------
    JobError
        With the key of the task.
    """
    for index, task in enumerate(job.tasks):
        if task.tolerance is None or moves_packets(task.quantity):
            continue
        try:
            if task.quantity == EVOLUTION:
                _check_evolution(job, task, model)
            else:
                check_task(task, model)
        except ValueError as exc:
            named = re.match(r"Argument `(\w+)", str(exc))
            # what is missing belongs to the task as what is wrong does
            place = named.group(1) if named and named.group(1) in describe_arguments(task.quantity) else "quantity"
            inside = re.match(r"Argument `(disorder\.\w+)", str(exc))
            place = inside.group(1) if inside else place
            if named and named.group(1) == "max_evaluations":
                place = "tolerance.max_evaluations"
            raise job.error(str(exc), f"task[{index}].{place}") from exc


def check_task(task: Task, model: AbstractModel) -> None:
    """Raise ValueError where the task does not suit the model."""
    all_quantities()[task.quantity].unit(model.units.name, model.dimension)
    if task.quantity == LIOUVILLE:
        _check_liouville(task.arguments, model)
        return
    if is_exact(task.quantity):
        _check_exact(task, model)
        return
    if is_disordered(task.quantity):
        disordered_request(task, model)
        return
    _check_zone(task, model)
    _check_density(model, task.arguments.get("density"))
    if task.quantity in OWN_CHECKS:
        OWN_CHECKS[task.quantity](task.arguments, model)


def _check_zone(task: Task, model: AbstractModel) -> None:
    """How the zone is integrated, and whether a Fermi surface can be at T = 0."""
    from blochflow.response.average import MOST_CERTIFIED
    from blochflow.response.zone_options import ZoneOptions, check_options
    from blochflow.zone.tolerance import Tolerance

    given = task.arguments
    options = ZoneOptions(given.get("rule", "auto"), given.get("grid"), given.get("shift", 0.0))
    rule, fixed = check_options(model, options, Tolerance(**task.tolerance or {}))
    many = model.lattice is not None and model.dimension == 3 and model.num_bands > MOST_CERTIFIED
    on_points = fixed is not None or rule in ("shifted", "local", "nested") or (rule == "auto" and many)
    surface = task.quantity in SURFACE and given.get("part") != "sea"
    if surface and on_points and min(given["temperature"]) == 0:
        must = "be above 0 for Fermi-surface quantities on points of k, where a delta function has no value"
        raise fail("temperature", must, 'holds 0 (rule="cells" can do T = 0)')


def _check_density(model: AbstractModel, density: list[float] | None) -> None:
    """The bands must have room for all electrons."""
    from blochflow.response.potential import ROUNDING, full_density

    if density is None:
        return
    full = full_density(model)
    if max(density) >= full * (1 - ROUNDING):
        must = f"be below {full:.6g}, where all bands of the model are full"
        raise fail("density", must, f"holds {max(density):.6g}")


def _check_part(given: dict[str, Any], model: AbstractModel) -> None:
    from blochflow.response.magnetization import PARTS

    as_choice(given.get("part", "total"), "part", PARTS)


def _check_gradients(given: dict[str, Any], model: AbstractModel) -> None:
    from blochflow.response.magnetization import as_gradient

    steps = {"mu_gradient": given.get("mu") or given.get("density"), "temperature_gradient": given["temperature"]}
    for name, states in steps.items():
        as_gradient(given.get(name), name, model.dimension, len(states))


def _check_spin(given: dict[str, Any], model: AbstractModel) -> None:
    from blochflow.response.spin import as_spin

    as_spin(model, given.get("spin", "spin_z"))
    if given.get("rule") == "local":
        raise fail("rule", 'be another than "local", whose models of a few bands know no spin', "is 'local'")


def _check_partition(given: dict[str, Any], model: AbstractModel) -> None:
    from blochflow.response.valley import as_partition

    as_partition(given["partition"])
    if model.lattice is None:
        raise fail("model", "be periodic in two dimensions for a partition of its zone", f"{model.name} is not")


def disordered_request(task: Task, model: AbstractModel) -> DisorderedRequest:
    """The checked arguments of a disordered response.

    Raises
    ------
    ValueError
        Disorder, vertices, operator, magnetization or numbers of points that do not suit the model.
    """
    from blochflow.cli.runner import disorder_of
    from blochflow.geometry.fermi_surface import check_arguments
    from blochflow.response.disordered_result import DisorderedRequest
    from blochflow.response.observables import as_operator, as_torque
    from blochflow.zone.tolerance import Tolerance

    given = task.arguments
    quantity = all_quantities()[task.quantity]
    observable: Any = None
    count = model.dimension
    if task.quantity == "spin_orbit_torque":
        observable, count = as_torque(model, given.get("magnetization", "m")), 3
    elif task.quantity != "disordered_conductivity":
        name = "operator" if task.quantity == "disordered_observable" else "spin"
        observable = as_operator(model, given.get(name, "spin"), name)
        count = len(observable.matrices)
    options: Any = {name: given[name] for name in ("crossed", "points", "grid") if name in given}
    options["tolerance"] = Tolerance(**task.tolerance or {})
    disorder = _with_vertices(disorder_of(given["disorder"]), model)
    request = DisorderedRequest.of(
        quantity, model, given["mu"], given["temperature"], disorder, options, observable, count
    )
    check_arguments(model, given["mu"][0], given.get("grid"), None, None)
    return request


def _with_vertices(disorder: Disorder, model: AbstractModel) -> Disorder:
    """The same disorder, once its vertices are known to be matrices of the model."""
    from blochflow.disorder.potentials import as_vertices

    if disorder.vertices is not None:
        try:
            as_vertices(disorder.vertices, model)
        except ValueError as exc:
            raise ValueError(re.sub(r"`vertices\[\d+\]`", "`disorder.vertices`", str(exc), count=1)) from exc
    return disorder


def _check_nonlinear(given: dict[str, Any], model: AbstractModel) -> None:
    from blochflow.response.nonlinear import as_scans

    as_scans(model, given.get("relaxation", "bare"), given.get("tau"), given.get("frequencies", (0.0, 0.0)))


def _check_nonlocal(given: dict[str, Any], model: AbstractModel) -> None:
    from blochflow.core.scans import as_tau
    from blochflow.response.nonlocal_response import RELAXATION

    as_tau(given["tau"], model.units)
    as_choice(given.get("relaxation", "uniform"), "relaxation", tuple(RELAXATION))


def _check_metric(given: dict[str, Any], model: AbstractModel) -> None:
    from blochflow.response.dipoles import METRICS

    as_choice(given.get("metric", "band_normalised"), "metric", tuple(METRICS))


def _check_liouville(given: dict[str, Any], model: AbstractModel) -> None:
    from blochflow.core.scans import as_names, as_tau
    from blochflow.exact._liouville import MODELS, as_frequencies
    from blochflow.exact.density_matrix import as_periodic

    as_periodic(model)
    as_tau(given["tau"], model.units)
    as_frequencies(given.get("frequencies"), given.get("order", 2), model.units)
    as_names(given.get("relaxation", "uniform"), "relaxation", MODELS)
    _check_warm(given)


def _check_evolution(job: Job, task: Task, model: AbstractModel) -> None:
    from blochflow.exact._liouville_time import as_field, as_increasing, as_rate
    from blochflow.exact.density_matrix import as_periodic

    given = task.arguments
    as_periodic(model)
    _check_warm(given)
    as_rate(given.get("tau"), given.get("relaxation", "uniform"), model.units)
    field = given["electric_field"]
    if isinstance(field, str):
        field = load_function(job, field, f"{job.key_of(task)}.electric_field")
    as_field(field, model.dimension, as_increasing(given["times"]))


def _check_warm(given: dict[str, Any]) -> None:
    if min(given["temperature"]) == 0:
        raise fail("temperature", "be above 0, where a grid of k resolves the Fermi surface", "holds 0")


OWN_CHECKS = {
    "streda": _check_part,
    "magnetization_current": _check_gradients,
    "spin_hall": _check_spin,
    "valley_hall": _check_partition,
    "nonlinear_conductivity": _check_nonlinear,
    "nonlocal_conductivity": _check_nonlocal,
    "quantum_metric_dipole": _check_metric,
}


def _check_exact(task: Task, model: AbstractModel) -> None:
    """Hoppings in two dimensions, fluxes and widths."""
    from blochflow.exact.edge_current import NARROWEST
    from blochflow.exact.hoppings_2d import as_count, as_planar

    given, wide = task.arguments, task.quantity == "exact.edge_magnetization"
    as_planar(model)
    if "q" in given:
        derivative = task.quantity in FROM_FLUX
        as_count(given["q"], "q", FEWEST_STEPS if derivative else 1, even=derivative)
    if "width" in given:
        as_count(given["width"], "width", NARROWEST if wide else 1, even=wide)
    if given.get("direction", 0) not in (0, 1):
        raise fail("direction", "be 0 or 1, one of the lattice vectors", f"is {given['direction']}")
