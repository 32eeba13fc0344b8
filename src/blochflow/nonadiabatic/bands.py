"""Bands hybridised by an electric field, at given wave vectors."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import as_real_array, as_wavevectors, fail
from blochflow.core.dataset import CARTESIAN, description, provenance
from blochflow.core.errors import ValidityWarning
from blochflow.geometry.eigen import eigh
from blochflow.models.base import AbstractModel, check_finite
from blochflow.models.fields import time_unit
from blochflow.models.k_points import KPath
from blochflow.models.local import AbstractLocalModel
from blochflow.nonadiabatic.arguments import (
    as_any_model,
    as_electric_fields,
    as_grouping,
    as_places,
    field_labels,
)
from blochflow.nonadiabatic.catalog import HYBRID_BANDS
from blochflow.nonadiabatic.field_model import FieldModel
from blochflow.nonadiabatic.hybrid_states import HybridBands, hybrid_bands_at
from blochflow.nonadiabatic.hybridisation import FieldMatrices, Grouping, field_matrices
from blochflow.nonadiabatic.mixing import Evidence, is_strong, joining, mixing_ratios, within_manifolds

if TYPE_CHECKING:
    import xarray as xr

# k points at once: bounds the memory; the last batch is padded to a power of two
BATCH = 1024
# Other thresholds of groups with which results are compared.
OTHER = 10.0


def hybrid_bands(
    model: Any,
    k: Any,
    electric_field: Any,
    *,
    x: Any = None,
    t: float = 0.0,
    groups: Any = None,
    group_tolerance: float = 0.0,
    active: Any = None,
) -> xr.Dataset:
    """Energies, velocities and forces of bands that a uniform electric field hybridises.

        (H + eE.R)|u_i> = E_i|u_i>,   v_i = <u_i|d_k H|u_i>/hbar,   F_i = -<u_i|d_x H|u_i>

    Source: [Tu2020] Eqs. (27), (54), (55), (61); with ``active`` (62).  Valid for: uniform fields; degenerate groups
    are left out of R as a whole, which makes R covariant.  Not included: tunnelling between the hybridised bands.

    Parameters
    ----------
    model : AbstractModel, LocalModel or textured model
    k : (d,) or (K, d) array, or KPath
        Cartesian.
    electric_field : (d,) or (F, d) array
    x : (d,) or (K, d) array
        Place in a texture, for all or for each k.
    t : float
    groups : list of lists of int, optional
        Bands that the field does not mix, at every k.
    group_tolerance : float
        Neighbouring bands closer than this energy are a group, too; those that coincide always are.
    active : list of int or Subspace, optional
        Only these bands, hybridised with each other; the others act through the Berry curvature of the manifold,
        v_i += (e/hbar) <F_kk> E and F_i -= e <F_xk> E.

    Returns
    -------
    Dataset
        Dims (field, k, band): ``energy``; ``grouping_sensitivity``, largest change of E_i where groups whose bands the
        field mixes by more than their gap, e|E.R| > |E_n - E_m|, are one group, where thresholds of groups are ten
        times larger or smaller, and where declared groups are dropped; with ``active`` also where all bands hybridise,
        if those inside and outside are mixed by more than 0.3.  (field, k, band, a): ``velocity``,
        ``energy_gradient`` (d_k E_i, which differs from hbar v_i), in textures ``force`` and ``energy_slope``
        (d_x E_i).  (field, k, orbital, band): ``state_re``, ``state_im``.  (field, k): ``mixing``, the largest
        e|E.R| over its gap of bands that hybridise.  Coordinates ``wavevector``, ``electric_field``, in textures
        ``place``, of a KPath ``distance``.  Attribute ``validity_mixing``: the largest.

    Raises
    ------
    ValueError
        Wrong arguments.
    NonFiniteError
        H is not finite somewhere.

    Warns
    -----
    ValidityWarning
        Groups are in question: bands (not all) whose distances are below a tenth of that to others at every k given,
        as of partners of a split doublet, are mixed by more than their gap; with the groups to compare with and what
        they change.  Or bands inside and outside of ``active`` are mixed by more than 0.3.  Narrow gaps at some k, and
        two-band models, are not warned of: ``mixing`` and ``grouping_sensitivity`` tell.

    Examples
    --------
    A gapped cone: E = (Delta^2 + e^2 E.g.E)^(1/2), at k = 0 with g = v^2/4m^2.

    >>> import blochflow as bf
    >>> found = bf.nonadiabatic.hybrid_bands(bf.zoo.massive_dirac(mass=0.1), [0.0, 0.0], [0.02, 0.0])
    >>> found.energy.values.squeeze().round(9).tolist()
    [-0.141421356, 0.141421356]
    """
    model = as_any_model(model)
    path = k if isinstance(k, KPath) else None
    wave = np.atleast_2d(path.k if path is not None else as_wavevectors(k, model.dimension))
    fields = as_electric_fields(electric_field, model.dimension)
    places = places_of(x, model, len(wave))
    moment = jnp.asarray(as_real_array(t, "t", max_ndim=0))
    grouping = as_grouping(model, groups, group_tolerance, active)
    solve = Solver(model, wave, places, moment)
    found = [solve(field, grouping) for field in fields]
    unsure = [sensitivity(solve, field, grouping, *here[:2]) for field, here in zip(fields, found, strict=True)]
    result = as_dataset(model, wave, fields, places, [here for here, *_ in found])
    ratios = np.stack([ratio for _, ratio, _ in found])
    hybridise = within_manifolds(grouping, model.num_bands)
    if grouping.manifolds:
        hybridise = hybridise & np.isin(np.arange(model.num_bands), grouping.manifolds[0])
    result["mixing"] = (("field", "k"), np.where(hybridise, ratios, 0.0).max(axis=(2, 3)), {"units": "1"})
    label = {"units": model.units.energy, "long_name": "change of E_i with other groups"}
    result["grouping_sensitivity"] = (("field", "k", "band"), np.stack(unsure), label)
    result.attrs |= attributes(model, wave, fields, places, grouping)
    if grouping.manifolds:
        result = result.assign_coords(band=list(grouping.manifolds[0]))
    if path is not None:
        distance = (("k",), path.distance, {"units": f"1/{model.units.length}"})
        result = result.assign_coords(distance=distance)
        result.attrs |= {"labels": " ".join(path.labels), "label_positions": path.label_positions}
    seen = [Evidence.of(ratio, levels, wave, grouping, only_active=True) for _, ratio, levels in found]
    mixing = Evidence.merged(seen).mixing()
    result.attrs |= mixing.attributes()
    others = replace(grouping, declared=mixing.groups) if mixing.groups else replace(grouping, manifolds=())
    if mixing.concern(""):
        kept = list(grouping.manifolds[0] if grouping.manifolds else range(model.num_bands))

        def shift(field: np.ndarray, here: HybridBands) -> float:
            there = np.asarray(solve(field, others)[0].energies)
            there = there if mixing.groups else there[:, kept]
            return float(np.abs(there - np.asarray(here.energies)).max())

        change = max(shift(field, here) for field, (here, *_) in zip(fields, found, strict=True))
        with_what = "these in groups" if mixing.groups else "all bands hybridised"
        text = f"With {with_what} energies change by up to {change:.3g} {model.units.energy}."
        warnings.warn(str(mixing.concern(text)), ValidityWarning, stacklevel=2)
    return result


class Solver:
    """Hybridised bands at a list of k and places, in batches."""

    def __init__(
        self, model: AbstractModel | AbstractLocalModel, k: np.ndarray, places: np.ndarray, moment: Array
    ) -> None:
        self.model, self.k, self.places, self.moment = model, k, places, moment

    def __call__(self, field: np.ndarray, grouping: Grouping) -> tuple[HybridBands, np.ndarray, np.ndarray]:
        """Bands as NumPy arrays, the mixing of all pairs at every k, and energies without the field."""
        parts, ratios, levels = [], [], []
        for start in range(0, len(self.k), BATCH):
            rows = np.arange(start, min(start + BATCH, len(self.k)))
            size = max(4, 1 << (len(rows) - 1).bit_length())
            padded = np.minimum(start + np.arange(size), rows[-1])
            place = jnp.asarray(self.places[padded]) if len(self.places) else None
            batch = jnp.asarray(self.k[padded])
            solved = solve_batch(self.model, jnp.asarray(field), grouping, batch, place, self.moment)
            bands, ratio, level = _first(len(rows), solved)
            check_finite(bands.velocity, self.k[rows], "The Hamiltonian or its gradient")
            check_finite(bands.slopes, self.k[rows], "The second derivative of the Hamiltonian")
            parts.append(bands)
            ratios.append(ratio)
            levels.append(level)
        return jax.tree.map(lambda *v: np.concatenate(v), *parts), np.concatenate(ratios), np.concatenate(levels)


def _first(count: int, arrays: Any) -> Any:
    """Without the rows of padding, as NumPy arrays."""
    return jax.tree.map(lambda v: np.asarray(v)[:count], arrays)


@eqx.filter_jit
def solve_batch(
    model: AbstractModel | AbstractLocalModel,
    field: Array,
    grouping: Grouping,
    k: Array,
    places: Array | None,
    moment: Array,
) -> tuple[HybridBands, Array, Array]:
    """Bands of one batch, the couplings over their gaps (k, n, n), and energies of H (k, n)."""
    if places is None:
        matrices = field_matrices(model, field, k)
    else:

        def one(k: Array, x: Array) -> FieldMatrices:
            return field_matrices(model, field, k[None], x, moment)

        matrices = jax.tree.map(lambda v: v[:, 0], jax.vmap(one)(k, places))
    levels, _ = eigh(matrices.hamiltonian)
    return hybrid_bands_at(matrices, grouping, only_active=True), mixing_ratios(matrices, grouping), levels


def sensitivity(
    solve: Solver, field: np.ndarray, grouping: Grouping, bands: HybridBands, ratios: np.ndarray
) -> np.ndarray:
    """(k, i) largest change of E_i with other thresholds of groups, without the declared ones, and with those joined
    that the field mixes strongly."""
    energies = np.asarray(bands.energies)
    others = [replace(grouping, factor=jnp.asarray(factor)) for factor in (OTHER, 1 / OTHER)]
    if grouping.declared:
        others.append(replace(grouping, declared=()))
    within, across = is_strong(ratios, grouping)
    if within.any():
        others.append(joining(grouping))
    changes = [np.abs(solve(field, other)[0].energies - energies) for other in others]
    if across.any():
        every = solve(field, replace(grouping, manifolds=()))[0].energies[:, list(grouping.manifolds[0])]
        changes.append(np.where(across[:, None], np.abs(every - energies), 0.0))
    return np.asarray(np.max(changes, axis=0))


def places_of(x: Any, model: AbstractModel | AbstractLocalModel, count: int) -> np.ndarray:
    """(K, d) places, one for each k; (0, d) of a uniform model."""
    places = as_places(x, model)
    if len(places) not in (0, 1, count):
        must = f"be one place ({model.dimension},), or one for each of the {count} wave vectors"
        raise fail("x", must, f"has shape {places.shape}")
    return np.repeat(places, count, axis=0) if len(places) == 1 else places


def as_dataset(
    model: AbstractModel | AbstractLocalModel,
    k: np.ndarray,
    fields: np.ndarray,
    places: np.ndarray,
    found: list[HybridBands],
) -> xr.Dataset:
    """Arrays with their labels and units."""
    import xarray as xr

    d, units = model.dimension, model.units
    hbar = time_unit(units)
    dims = ("field", "k", "band")

    def along(name: str, rows: slice) -> np.ndarray:
        return np.stack([np.swapaxes(getattr(here, name)[:, rows], 1, 2) for here in found])

    states = np.stack([here.states for here in found])
    speed, slope = f"{units.length}/({units.time})", f"{units.energy} {units.length}"
    variables: dict[str, Any] = {
        "energy": (dims, np.stack([here.energies for here in found]), {"units": units.energy, "long_name": "E_i"}),
        "velocity": ((*dims, "a"), along("velocity", slice(0, d)) / hbar, {"units": speed, "long_name": "v_i"}),
        "energy_gradient": ((*dims, "a"), along("slopes", slice(0, d)), {"units": slope, "long_name": "d_k E_i"}),
        "state_re": (("field", "k", "orbital", "band"), states.real, {"long_name": "Re u_i"}),
        "state_im": (("field", "k", "orbital", "band"), states.imag, {"long_name": "Im u_i"}),
    }
    coords: dict[str, Any] = {
        "wavevector": (("k", "a"), k, {"units": f"1/{units.length}"}),
        "field": field_labels(fields, units.electric_field),
        "electric_field": (("field", "a"), fields, {"units": units.electric_field}),
        "a": list(CARTESIAN[:d]),
        "band": np.arange(states.shape[-1]),
    }
    if len(places):
        force = {"units": f"{units.energy}/{units.length}"}
        variables["force"] = ((*dims, "a"), -along("velocity", slice(d, None)), {**force, "long_name": "F_i"})
        variables["energy_slope"] = ((*dims, "a"), along("slopes", slice(d, None)), {**force, "long_name": "d_x E_i"})
        coords["place"] = (("k", "a"), places, {"units": units.length})
    return xr.Dataset(variables, coords=coords)


def attributes(
    model: AbstractModel | AbstractLocalModel,
    k: np.ndarray,
    fields: np.ndarray,
    places: np.ndarray,
    grouping: Grouping,
) -> dict[str, Any]:
    """What it is, of which model."""
    one = FieldModel(model, fields[0], grouping, place=places[0] if len(places) else None)
    return {
        **description(HYBRID_BANDS, model.units.energy),
        **provenance(one, [k, fields, places], str(grouping.declared) + str(grouping.manifolds)),
        "status": "CONVERGED",
        "status_message": "exact diagonalization at every wave vector",
        "evaluations": len(k) * len(fields),
        "groups": str([list(group) for group in grouping.declared]),
        "group_tolerance": float(grouping.tolerance),
        "active": str(list(grouping.manifolds[0])) if grouping.manifolds else "all",
    }
