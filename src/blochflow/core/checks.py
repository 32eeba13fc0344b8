"""Argument checks at the public boundary: "Argument `x` must ..., but ..."."""

from __future__ import annotations

import difflib
import operator
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

BYTES = {"B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def fail(name: str, must: str, but: str) -> ValueError:
    """The one wording of a wrong argument; the caller raises what this returns."""
    return ValueError(f"Argument `{name}` must {must}, but {but}.")


def as_real_array(value: Any, name: str, *, max_ndim: int = 1, positive: bool | None = None) -> np.ndarray:
    """Convert to a finite float64 array of at most ``max_ndim`` dimensions.

    ``positive=True`` asks for values > 0, ``positive=False`` for values >= 0.
    """
    array = _as_numbers(value, name, "be a real number or an array of real numbers")
    if array.dtype.kind == "c" and np.any(array.imag != 0):
        raise fail(name, "be a real number or an array of real numbers", f"is {value!r}")
    array = array.real.astype(np.float64)
    _check_extent(array, name, max_ndim)
    if positive is True and np.any(array <= 0):
        raise fail(name, "be greater than 0", f"holds {array.min()}")
    if positive is False and np.any(array < 0):
        raise fail(name, "not be negative", f"holds {array.min()}")
    return array


def as_complex_array(value: Any, name: str, *, max_ndim: int = 3) -> np.ndarray:
    """Convert to a finite complex128 array of at most ``max_ndim`` dimensions."""
    array = _as_numbers(value, name, "be a number or an array of numbers").astype(np.complex128)
    _check_extent(array, name, max_ndim)
    return array


def _as_numbers(value: Any, name: str, must: str) -> np.ndarray:
    """An array of numbers: text, truth values, masked arrays, objects and ragged lists are refused."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as exc:
        raise fail(name, must, f"is {value!r}") from exc
    if array.dtype.kind not in "iufc" or isinstance(value, np.ma.MaskedArray):
        raise fail(name, must, f"is {value!r}")
    return array


def _check_extent(array: np.ndarray, name: str, max_ndim: int) -> None:
    """Not empty, of at most ``max_ndim`` dimensions, and finite."""
    if array.ndim > max_ndim:
        must = f"have at most {max_ndim} dimensions" if max_ndim > 1 else "be a number or a list of numbers"
        raise fail(name, must if max_ndim else "be one number", f"has shape {array.shape}")
    if array.size == 0:
        raise fail(name, "hold at least one number", "is empty")
    if not np.all(np.isfinite(array)):
        raise fail(name, "be finite", f"holds {array[~np.isfinite(array)].flat[0]}")


def as_times(times: Any) -> np.ndarray:
    """At least two times, strictly increasing or decreasing."""
    array = np.atleast_1d(as_real_array(times, "times"))
    steps = np.diff(array)
    if len(array) < 2 or not (np.all(steps > 0) or np.all(steps < 0)):
        raise fail("times", "hold at least two times, increasing or decreasing", f"is {array.tolist()[:6]}")
    return array


def as_index(value: Any, name: str, must: str = "be an integer") -> int:
    """A whole number given as one: truth values, text and floats are refused."""
    try:
        number = operator.index(value)
    except TypeError as exc:
        raise fail(name, must, f"is {value!r}") from exc
    if isinstance(value, bool) or getattr(value, "dtype", None) == np.bool_:
        raise fail(name, must, f"is {value!r}")
    return number


def as_bool(value: Any, name: str) -> bool:
    """A truth value: text, numbers and None are refused, since "no" is true."""
    if not isinstance(value, bool | np.bool_):
        raise fail(name, "be True or False", f"is {value!r}")
    return bool(value)


def as_path(value: Any, name: str) -> str:
    """The text of a path."""
    try:
        return os.fsdecode(value)
    except TypeError as exc:
        raise fail(name, "be text or a Path", f"is {value!r}") from exc


def as_wavevectors(k: Any, dimension: int) -> np.ndarray:
    """Host-side check of Cartesian wave vectors: shape (d,) or (K, d), finite."""
    array = as_real_array(k, "k", max_ndim=2)
    if array.ndim == 0 and dimension == 1:
        array = array.reshape(1)
    check_components(array.shape, dimension)
    return array


def check_components(shape: tuple[int, ...], dimension: int) -> None:
    """Raise unless ``shape`` is (d,) or (K, d); shapes are known inside jit too."""
    if len(shape) not in (1, 2) or shape[-1] != dimension:
        raise fail("k", f"have shape ({dimension},) or (K, {dimension})", f"has shape {shape}")


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice closest to ``word``, or None when nothing is close."""
    matches = difflib.get_close_matches(str(word), list(choices), n=1, cutoff=0.5)
    return matches[0] if matches else None


def as_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """Check that ``value`` is one of ``choices``; the error names the nearest."""
    if isinstance(value, str) and value in choices:
        return str(value)
    hint = nearest(value, choices) if isinstance(value, str) else None
    suffix = f" (did you mean {hint!r}?)" if hint else ""
    raise fail(name, f"be one of {', '.join(map(repr, choices))}", f"is {value!r}{suffix}")


def parse_bytes(text: str | int) -> int:
    """``"4 GiB"`` -> bytes."""
    if isinstance(text, int) and text > 0:
        return text
    parts = str(text).strip().upper()
    number = parts.rstrip("KMGTIB ").strip()
    unit = parts[len(number) :].strip() or "B"
    try:
        value = float(number) * BYTES[unit]
        if not np.isfinite(value):
            raise ValueError(text)
    except (ValueError, KeyError):
        raise fail("max_memory", 'be a size such as "4 GiB" or "500 MB"', f"is {text!r}") from None
    if not value >= 1:
        raise fail("max_memory", "be at least one byte", f"is {text!r}")
    return int(value)
