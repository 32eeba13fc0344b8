"""Derivatives of responses with respect to model parameters, through the zone integral.

    dI/dp = Int d^dk/(2 pi)^d d/dp [ sum_n f_n g_n ],    by forward-mode differentiation of H, its states and the kernel

The derivative of the integrand is one more integrand: it is integrated on uniform grids with doubling, from as many
points on as resolve the temperature and the gaps at mu, and its error is its own.  At T = 0 the occupation is a step,
whose derivative is a Fermi-surface term no grid of points can see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import SAFE_CALLS, Array, jax, jnp
from blochflow.core.checks import fail, nearest
from blochflow.core.quantity import Quantity
from blochflow.execution.threads import Execution, run_batches
from blochflow.models.base import AbstractModel, BlochMatrices, map_chunks
from blochflow.response.catalog import ANOMALOUS_HALL, DENSITY_OF_STATES, ELECTRON_DENSITY
from blochflow.response.catalog_nonlinear import BERRY_CURVATURE_DIPOLE, QUANTUM_METRIC_DIPOLE
from blochflow.response.dipole_integrands import CurvatureDipole, SymmetricDipoles
from blochflow.response.integrands import BerrySea, NumberSea, NumberSurface, as_tensor
from blochflow.response.occupation import make_occupation
from blochflow.response.result import finish, raise_if_missed
from blochflow.response.slope_grids import SlopeGrid, slope_grids
from blochflow.response.states import as_states
from blochflow.response.uniform import batch_size, check_samples, plan_grid
from blochflow.response.weighed import Weighed
from blochflow.response.zone_options import ZoneOptions, as_call, measure
from blochflow.zone.certificate import Filling
from blochflow.zone.grids import Block
from blochflow.zone.integral import merged
from blochflow.zone.tolerance import Required, Tolerance
from blochflow.zone.uniform import integrate_uniform

if TYPE_CHECKING:
    import xarray as xr

ONSITE = re.compile(r"onsite\[(\d+)\]")


def sensitivity(
    response: Callable[..., Any],
    model: AbstractModel,
    parameters: Sequence[str],
    *,
    mu: Any,
    temperature: Any,
    grid: Any = None,
    shift: float = 0.0,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Derivative of a response with respect to parameters of the model, with its own error.

        d sigma_ab / dp,   at fixed mu and temperature

    Source: differentiation under the integral; derivatives of states at degeneracies by groups (`geometry.eigen`).
    Valid for: T > 0.  Not included: derivatives at fixed density; T = 0, where the Fermi surface moves.

    Parameters
    ----------
    response : function
        `bf.response.anomalous_hall`, `electron_density`, `density_of_states`, `berry_curvature_dipole` or
        `quantum_metric_dipole` (band-normalised).  Of `nonlinear_conductivity` the part of the curvature is a factor
        times the former, that of the metric, for "bare" and "local", a sum of the latter.
    model : AbstractModel
        With a lattice.
    parameters : list of str
        Scalar parameters of the model by name, or ``"onsite[i]"``: an energy added to orbital i (0 is the first).
    mu, temperature, grid, shift, tolerance, execution, throw
        As for the response; without ``grid`` a uniform grid is doubled until the derivative converges, which no grid
        too coarse for the temperature or the gaps at mu does.  States that need more k points than allowed are not
        converged, with an unknown error (NaN): ``rigor`` says how many points they need.  Where no proof of the gaps
        can be had (more than eight bands in three dimensions, bands that touch) the temperature alone counts, and
        ``rigor`` says so.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` as those of the response, with a leading dimension ``parameter``; units of
        the response per unit of the parameter.

    Raises
    ------
    ValueError
        Another response, an unknown or non-scalar parameter, T = 0, or a model without lattice.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    >>> import blochflow as bf
    >>> slope = bf.sensitivity(bf.response.anomalous_hall, bf.zoo.haldane(), ["mass"], mu=-1.0, temperature=0.2)
    >>> slope.value.dims
    ('parameter', 'mu', 'temperature', 'a', 'b')
    """
    tolerance, execution = as_call(model, tolerance, execution, throw)
    quantity, bands = integrand_of(response, model)
    states = as_states(model, mu, temperature)
    if (states.kt == 0).any():
        raise fail("temperature", "be above 0 for derivatives, where the occupation is smooth", "holds 0")
    nested, levels = plan_grid(model, grid, shift, tolerance)
    names = [parameters] if isinstance(parameters, str) else list(parameters)
    if not names:
        raise fail("parameters", "name at least one parameter", "is empty")
    tangents = [tangent_of(model, name) for name in names]
    scale, unit = quantity.unit(model.units.name, model.dimension)
    sign = -1.0 if quantity is ANOMALOUS_HALL else 1.0
    factor = sign * scale * model.spin_degeneracy * measure(model)
    if levels is None:
        grids = slope_grids(model, bands, Filling(states.mu, states.kt), nested, tolerance, execution)
    else:
        grids = [SlopeGrid(np.arange(len(states.mu)), nested, levels)]
    target, chunk, size = batch_size(model, 4 * len(states.mu))
    required = Required(tolerance, abs(factor))
    options = ZoneOptions("uniform", grid, shift)
    results = []
    for name, (base, tangent) in zip(names, tangents, strict=True):
        parts = []
        for each in grids:
            occupation, restore = make_occupation(states.mu[each.rows], states.kt[each.rows])
            sums = SlopeSums(base, tangent, Weighed(bands, occupation), execution, chunk, 4 * size)
            counts: dict[str, Any] = {"levels": each.levels, "fewest": each.fewest, "limit": each.limit}
            part = integrate_uniform(sums.run, each.nested, required, target=max(16, target // 4), **counts)
            parts.append((each.rows, each.judged(part.reordered(restore))))
        integral = merged(parts)
        integral = replace(integral.scaled(factor), rigor=f"{integral.rigor}, of the derivative")
        result = finish(
            quantity,
            model,
            states,
            integral,
            tensor=lambda x: as_tensor(x, bands, model.dimension),
            cartesian=("a", "b", "c")[: bands.kind.rank],
            unit=unit,
            options=options,
            tolerance=tolerance,
            throw=False,
        )
        results.append(result.expand_dims(parameter=[name]))
    return raise_if_missed(quantity, _joined(quantity, results, unit), throw)


def integrand_of(response: Callable[..., Any], model: AbstractModel) -> tuple[Quantity, Any]:
    """Description and band-resolved integrand of a response function."""
    known: dict[str, tuple[Quantity, Callable[[], Any]]] = {
        "anomalous_hall": (ANOMALOUS_HALL, lambda: BerrySea.of_dimension(model.dimension)),
        "electron_density": (ELECTRON_DENSITY, NumberSea),
        "density_of_states": (DENSITY_OF_STATES, NumberSurface),
        "berry_curvature_dipole": (BERRY_CURVATURE_DIPOLE, lambda: CurvatureDipole.of(model)),
        "quantum_metric_dipole": (QUANTUM_METRIC_DIPOLE, lambda: SymmetricDipoles(model.dimension, ("normalised",))),
    }
    name = getattr(response, "__name__", repr(response))
    if not callable(response) or name not in known:
        raise fail("response", f"be one of {', '.join('bf.response.' + n for n in known)}", f"is {name}")
    quantity, make = known[name]
    quantity.unit(model.units.name, model.dimension)
    return quantity, make()


def tangent_of(model: AbstractModel, name: Any) -> tuple[AbstractModel, Any]:
    """The model and the direction in its leaves that a parameter names."""
    found = ONSITE.fullmatch(str(name))
    if found:
        index = int(found.group(1))
        if index >= model.num_bands:
            raise fail("parameters", f"name orbitals 0 .. {model.num_bands - 1}", f"holds {name!r}")
        count = model.num_bands
        constant = jnp.zeros((count, count), dtype=jnp.complex128) if model.constant is None else model.constant
        base = eqx.tree_at(lambda m: m.constant, model, constant, is_leaf=lambda x: x is None)
        direction = jnp.zeros((count, count), dtype=jnp.complex128).at[index, index].set(1.0)
        return base, eqx.tree_at(lambda m: m.constant, _zeros(base), direction)
    if name not in model.parameters or jnp.ndim(model.parameters[name]) or jnp.iscomplexobj(model.parameters[name]):
        hint = nearest(str(name), model.parameters)
        suffix = f" (did you mean {hint!r}?)" if hint and hint != name else ""
        must = f'name real scalar parameters ({", ".join(model.parameters) or "none"}) or "onsite[i]"'
        raise fail("parameters", must, f"holds {name!r}{suffix}")
    return model, eqx.tree_at(lambda m: m.parameters[name], _zeros(model), jnp.asarray(1.0))


def _zeros(model: AbstractModel) -> Any:
    """The zero direction."""
    return jax.tree.map(lambda x: jnp.zeros_like(x) if eqx.is_inexact_array(x) else None, model)


@dataclass(frozen=True)
class SlopeSums:
    """Sums over batches of the derivative of a weighed integrand along one direction in the model."""

    model: AbstractModel
    tangent: Any
    integrand: Weighed
    execution: Execution
    chunk: int
    batch_bytes: int

    def run(self, blocks: Iterator[Block], total: int, label: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """The `Runner` of `zone.uniform`."""
        options: dict[str, Any] = {"batch_bytes": self.batch_bytes, "most_threads": SAFE_CALLS}
        return run_batches(self.one, blocks, total, self.execution, label=f"derivative: {label} k", **options)

    def one(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Sums of the derivative and of its absolute value over one batch."""
        axes = tuple(jnp.asarray(x) for x in block.axes)
        slope, size = slope_sums(self.model, self.tangent, self.integrand, axes, jnp.asarray(block.weights), self.chunk)
        result = np.asarray(slope), np.asarray(size)
        check_samples(result[0])
        if not np.isfinite(result[0]).all():
            raise fail("parameters", "have finite derivatives", "the derivative of the integrand is not finite")
        return result


@eqx.filter_jit
def slope_sums(
    model: AbstractModel, tangent: Any, integrand: Weighed, axes: tuple[Array, ...], weights: Array, points: int
) -> tuple[Array, Array]:
    """Sums of d(integrand)/dp and of its absolute value: (P, C) each."""

    def values(moved: AbstractModel) -> Array:
        def one(matrices: BlochMatrices, weight: Array) -> Array:
            return weight[:, None, None] * integrand(matrices)[0]

        return map_chunks(moved, axes, moved.prepare_grid(), points, one, weights)

    _, slope = eqx.filter_jvp(values, (model,), (tangent,))
    flat = slope.reshape(-1, *slope.shape[-2:])
    return flat.sum(axis=0), jnp.abs(flat).sum(axis=0)


def _joined(quantity: Quantity, results: list[Any], unit: str) -> Any:
    """One Dataset with the dimension ``parameter`` first."""
    import xarray as xr

    joined = xr.concat(results, dim="parameter", combine_attrs="override")
    worst = next((r for r in results if not bool(r.converged.all())), results[0])
    joined.attrs |= {
        "title": f"Derivatives of: {quantity.title}",
        "equation": f"d/dp of {quantity.equation}",
        "units": f"{unit} per unit of the parameter",
        "evaluations": int(sum(r.attrs["evaluations"] for r in results)),
        **{name: worst.attrs[name] for name in ("status", "status_message", "rigor")},
    }
    for name in ("value", "error"):
        joined[name].attrs["units"] = joined.attrs["units"]
    return joined
