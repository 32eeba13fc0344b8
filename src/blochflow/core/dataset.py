"""Labelled results: xarray Datasets with `value`, `error`, `converged`, coordinates, units and provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow import __version__
from blochflow.core.quantity import Quantity

if TYPE_CHECKING:
    import xarray as xr

CARTESIAN = ("x", "y", "z")


def build_result(
    quantity: Quantity,
    value: np.ndarray,
    error: np.ndarray,
    converged: np.ndarray,
    *,
    dims: Sequence[str],
    coords: Mapping[str, Any],
    unit: str,
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Assemble a result.

    Parameters
    ----------
    quantity : Quantity
    value, error : arrays with dims ``dims``
    converged : bool array with the leading dims, those that are not Cartesian
    dims : names of the axes; Cartesian axes are "a", "b", "c"
    coords : coordinate values of the scan axes, as arrays or (array, attrs)
    unit : unit label of value and error
    attrs : status, evaluations, model, parameters, ...
    """
    import xarray as xr

    cartesian = [d for d in dims if d in ("a", "b", "c")]
    scans = [d for d in dims if d not in cartesian]
    labels: dict[str, Any] = {d: list(CARTESIAN[: value.shape[list(dims).index(d)]]) for d in cartesian}
    for name, entry in coords.items():
        array, meta = entry if isinstance(entry, tuple) else (entry, {})
        labels[name] = ((name,), np.asarray(array), meta) if np.ndim(array) == 1 else (tuple(scans), array, meta)
    variables = {
        "value": (tuple(dims), value, {"units": unit, "long_name": quantity.symbol}),
        "error": (tuple(dims), error, {"units": unit, "long_name": f"error of {quantity.symbol}"}),
        "converged": (tuple(scans), converged, {"long_name": "error <= tolerance"}),
    }
    return xr.Dataset(variables, coords=labels, attrs={**description(quantity, unit), **attrs})


def description(quantity: Quantity, unit: str) -> dict[str, Any]:
    """Attributes: what the quantity is, in which unit, and the version that computed it."""
    return {
        "quantity": quantity.name,
        "title": quantity.title,
        "units": unit,
        "equation": quantity.equation,
        "reference": " ".join(quantity.references),
        "conventions": quantity.conventions,
        "validity_valid_for": quantity.valid_for,
        "validity_not_included": quantity.not_included,
        "version": __version__,
    }


def provenance(model: Any, arrays: Sequence[Any], settings: str = "") -> dict[str, Any]:
    """Attributes: model, parameters, notes, and a hash of every number and setting that entered."""
    from blochflow.core.backend import jax

    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(model)]
    return {
        "model": model.name,
        "model_notes": "; ".join(model.notes),
        "model_units": model.units.name,
        "num_bands": int(model.num_bands),
        "spin_degeneracy": int(model.spin_degeneracy),
        "parameters": describe_parameters(model.parameters),
        "input_hash": hash_arrays([*leaves, *arrays], f"{model.name} {settings}" if settings else model.name),
    }


def describe_parameters(parameters: Mapping[str, Any]) -> str:
    """Parameters as JSON text; complex numbers as [re, im]."""

    def plain(value: Any) -> Any:
        array = np.asarray(value)
        if np.iscomplexobj(array):
            return np.stack([array.real, array.imag], axis=-1).tolist()
        return array.tolist()

    return json.dumps({name: plain(value) for name, value in parameters.items()}, sort_keys=True)


def hash_arrays(arrays: Sequence[Any], text: str = "") -> str:
    """Short SHA-256 of numbers and text: the same input gives the same hash."""
    digest = hashlib.sha256(text.encode())
    for array in arrays:
        data = np.ascontiguousarray(array)
        digest.update(f"{data.dtype}{data.shape}".encode())
        digest.update(data.tobytes())
    return digest.hexdigest()[:16]
