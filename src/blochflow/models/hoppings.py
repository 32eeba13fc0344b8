"""Hoppings <0i|H|Rj> as blocks (nR, N, N), from lists, dicts, functions of parameters, or file readers.

The set of pairs (R, i, j) is fixed at construction; values of a callable are computed inside kernels, so that a
model is differentiable in its parameters and a scan over them compiles once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import as_complex_array, as_real_array, fail
from blochflow.core.errors import UserModelError
from blochflow.zone.fourier import Cells

LARGEST_CELL = 2**31  # components of R fit into 32 bits, so that differences of two never overflow


class Pattern:
    """Where each listed hopping goes: (R index, i, j) of it and of its conjugate; hashable."""

    def __init__(self, index: np.ndarray, conjugate: np.ndarray, mirrored: np.ndarray) -> None:
        self.index, self.conjugate, self.mirrored = index, conjugate, mirrored
        self._key = (index.tobytes(), conjugate.tobytes(), mirrored.tobytes())

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self._key == other._key


class Hoppings(eqx.Module):
    """Blocks of a tight-binding model, fixed or as a function of its parameters."""

    values: Array | None
    cells: Cells = eqx.field(static=True)
    count: int = eqx.field(static=True)
    function: Callable[..., Any] | None = eqx.field(static=True)
    pattern: Pattern | None = eqx.field(static=True)

    def __init__(self, hoppings: Any, parameters: Mapping[str, Array], count: int, dimension: int) -> None:
        self.count = count
        self.function = hoppings if callable(hoppings) else None
        if self.function is None and parameters:
            raise fail("hoppings", "be a function of the parameters when `parameters` is given", "is a list")
        if isinstance(hoppings, Mapping):
            self.cells, self.values = blocks_from_dict(hoppings, count, dimension)
            self.pattern = None
            return
        listed = hoppings if self.function is None else call_user(self.function, parameters)
        values, keys = check_list(listed, count, dimension)
        self.cells, self.pattern = pattern_of(keys, dimension)
        self.values = None if self.function else scattered(jnp.asarray(values), self.pattern, len(self.cells), count)

    @classmethod
    def fixed(cls, cells: Cells, blocks: Array) -> Hoppings:
        """Hoppings from finished blocks."""
        hoppings = object.__new__(cls)
        for key, value in {
            "values": blocks,
            "cells": cells,
            "count": blocks.shape[-1],
            "function": None,
            "pattern": None,
        }.items():
            object.__setattr__(hoppings, key, value)
        return hoppings

    @property
    def origin(self) -> int:
        """Index of R = 0."""
        return int(np.flatnonzero((self.cells.vectors == 0).all(axis=1))[0])

    def blocks(self, parameters: Mapping[str, Array]) -> Array:
        """(nR, N, N) blocks at the given parameter values."""
        if self.function is None:
            return self.values  # type: ignore[return-value]
        listed = call_user(self.function, parameters)
        if len(listed) != len(self.pattern.mirrored):  # type: ignore[union-attr]
            raise UserModelError(
                f"`hoppings(**parameters)` returned {len(listed)} hoppings, but {len(self.pattern.mirrored)} at "  # type: ignore[union-attr]
                "construction. Always return the same pairs, with value 0 where one is absent."
            )
        values = jnp.stack([jnp.asarray(item[0], dtype=jnp.complex128) for item in listed])
        return scattered(values, self.pattern, len(self.cells), self.count)  # type: ignore[arg-type]

    def check(self, parameters: Mapping[str, Array]) -> None:
        """Raise `UserModelError` unless a callable returns finite values, real ones on site."""
        if self.function is None or self.pattern is None:
            return
        for number, item in enumerate(call_user(self.function, parameters)):
            value = complex(item[0])
            on_site = not self.pattern.mirrored[number]
            if not np.isfinite(value) or (on_site and value.imag != 0):
                kind = "a real, finite on-site energy" if on_site else "finite"
                raise UserModelError(
                    f"`hoppings(**parameters)` returned {value} as entry {number}, which must be {kind}. Check the "
                    "values of the parameters."
                )


@eqx.filter_jit
def scattered(values: Array, pattern: Pattern, cells: int, count: int) -> Array:
    """(nR, N, N) blocks of the listed hoppings and their conjugates."""
    blocks = jnp.zeros((cells, count, count), dtype=jnp.complex128)
    blocks = blocks.at[tuple(pattern.index.T)].add(values)
    conjugates = jnp.where(pattern.mirrored, jnp.conj(values), 0)
    return blocks.at[tuple(pattern.conjugate.T)].add(conjugates)


def call_user(function: Callable[..., Any], parameters: Mapping[str, Array]) -> list[Any]:
    """Call the user's hopping function; its exceptions are re-raised as `UserModelError`."""
    try:
        return list(function(**parameters))
    except Exception as exc:
        raise UserModelError(
            f"`{getattr(function, '__name__', 'hoppings')}(**parameters)` failed with "
            f"{type(exc).__name__}: {exc}. It must accept {', '.join(parameters) or 'no arguments'} and return a list "
            "of (value, i, j, R), using jax.numpy for arithmetic on parameters."
        ) from exc


def check_list(listed: Any, count: int, dimension: int) -> tuple[np.ndarray, list[tuple[tuple[int, ...], int, int]]]:
    """Check a list of (value, i, j, R); return values and keys (R, i, j)."""
    values, keys = [], []
    seen: dict[tuple[Any, ...], int] = {}
    if isinstance(listed, str):
        raise fail("hoppings", "be a list, a dict or a function", f"is {listed!r}")
    try:
        items = list(listed)
    except TypeError as exc:
        raise fail("hoppings", "be a list, a dict or a function", f"is {listed!r}") from exc
    if not items:
        raise fail("hoppings", "hold at least one hopping or on-site energy", "is empty")
    for number, item in enumerate(items):
        where = f"hoppings[{number}]"
        if not isinstance(item, tuple | list) or len(item) != 4:
            raise fail(where, "be (value, i, j, R)", f"is {item!r}")
        value, i, j, cell = item
        key = (as_cell(cell, where, dimension), as_orbital(i, where, count), as_orbital(j, where, count))
        mirror = (tuple(-x for x in key[0]), key[2], key[1])
        for other in (key, mirror):
            if other in seen:
                raise fail(
                    where, "name a pair that is not listed yet", f"repeats hoppings[{seen[other]}] or its conjugate"
                )
        seen[key] = number
        values.append(as_hopping_value(value, where, real=key == mirror))
        keys.append(key)
    return np.asarray(values, dtype=np.complex128), keys


def as_cell(cell: Any, where: str, dimension: int) -> tuple[int, ...]:
    """Integer lattice vector R with d components."""
    must = f"be a lattice vector of {dimension} integers"
    try:
        array = np.atleast_1d(as_real_array(cell, where))
    except ValueError as exc:
        raise fail(f"{where}[3]", must, f"is {cell!r}") from exc
    if array.shape != (dimension,) or np.any(np.mod(array, 1) != 0) or np.any(np.abs(array) >= LARGEST_CELL):
        raise fail(f"{where}[3]", must, f"is {cell!r}")
    return tuple(int(x) for x in array)


def as_orbital(index: Any, where: str, count: int) -> int:
    """Orbital index 0 .. count-1."""
    if isinstance(index, bool) or not isinstance(index, int | np.integer) or not 0 <= index < count:
        raise fail(where, f"name orbitals 0 to {count - 1}", f"names {index!r}")
    return int(index)


def as_hopping_value(value: Any, where: str, *, real: bool) -> complex:
    """A finite number; real on site."""
    number = complex(as_complex_array(value, f"{where}[0]", max_ndim=0))
    if real and number.imag != 0:
        raise fail(f"{where}[0]", "be real, being an on-site energy", f"is {number}")
    return number


def pattern_of(keys: list[tuple[tuple[int, ...], int, int]], dimension: int) -> tuple[Cells, Pattern]:
    """Cells closed under R -> -R (with R = 0), and the scatter pattern of the list."""
    found = {tuple([0] * dimension)}
    for cell, _, _ in keys:
        found |= {cell, tuple(-x for x in cell)}
    ordered = sorted(found)
    number = {cell: n for n, cell in enumerate(ordered)}
    index = np.array([(number[cell], i, j) for cell, i, j in keys])
    conjugate = np.array([(number[tuple(-x for x in cell)], j, i) for cell, i, j in keys])
    mirrored = ~(index == conjugate).all(axis=1)
    return Cells(np.array(ordered)), Pattern(index, conjugate, mirrored)


def blocks_from_dict(hoppings: Mapping[Any, Any], count: int, dimension: int) -> tuple[Cells, Array]:
    """{R: (N, N) matrix} -> cells closed under R -> -R and Hermitian blocks."""
    if not hoppings:
        raise fail("hoppings", "hold at least one block", "is empty")
    table: dict[tuple[int, ...], np.ndarray] = {}
    for cell, matrix in hoppings.items():
        key = as_cell(cell, f"hoppings[{cell!r}]", dimension)
        if key in table:
            raise fail(f"hoppings[{cell!r}]", "name a lattice vector that is not listed yet", f"repeats R = {key}")
        array = as_complex_array(matrix, f"hoppings[{cell!r}]", max_ndim=2)
        if array.shape != (count, count):
            raise fail(f"hoppings[{cell!r}]", f"be a finite ({count}, {count}) matrix", f"has shape {array.shape}")
        table[key] = array
    for key, array in list(table.items()):
        mirror = tuple(-x for x in key)
        other = table.setdefault(mirror, array.conj().T)
        mismatch = np.abs(other - array.conj().T).max()
        if mismatch > 1e-10 * max(1.0, np.abs(array).max()):
            raise fail(f"hoppings[{key!r}]", f"be the adjoint of hoppings[{mirror!r}]", f"differs by {mismatch:.3g}")
    table.setdefault(tuple([0] * dimension), np.zeros((count, count), dtype=np.complex128))
    ordered = sorted(table)
    return Cells(np.array(ordered)), jnp.asarray(np.stack([table[cell] for cell in ordered]))


def as_cells(cells: Any) -> np.ndarray:
    """(nR, d) integer lattice vectors."""
    array = as_real_array(cells, "cells", max_ndim=2)
    if array.ndim != 2 or np.any(np.mod(array, 1) != 0) or np.any(np.abs(array) >= LARGEST_CELL):
        raise fail("cells", "hold lattice vectors of integers, (nR, d)", f"is {cells!r}")
    return array.astype(np.int64)


def hoppings_from_blocks(
    cells: Any, blocks: Any, positions: Any, centres: np.ndarray
) -> tuple[Cells, Array, Array | None]:
    """Check and Hermitise blocks and position matrices of a file reader."""
    count, dimension = centres.shape
    vectors = as_cells(cells)
    array = as_complex_array(blocks, "blocks")
    if array.shape != (len(vectors), count, count) or vectors.shape[1] != dimension:
        raise fail("blocks", f"have shape (nR, {count}, {count}) for cells (nR, {dimension})", f"has {array.shape}")
    number = {tuple(cell): n for n, cell in enumerate(vectors.tolist())}
    if len(number) != len(vectors) or tuple([0] * dimension) not in number:
        raise fail("cells", "hold R = 0 and every R once", f"holds {len(vectors) - len(number)} repeated R")
    missing = [cell for cell in number if tuple(-x for x in cell) not in number]
    if missing:
        raise fail("cells", "hold -R for every R", f"lacks the partner of {missing[0]}")
    mirror = np.array([number[tuple(-x for x in cell)] for cell in number])
    hermitian = 0.5 * (array + array[mirror].conj().swapaxes(-1, -2))
    if positions is None:
        return Cells(vectors), jnp.asarray(hermitian), None
    r = as_complex_array(positions, "positions", max_ndim=4)
    if r.shape != (len(vectors), dimension, count, count):
        raise fail("positions", f"have shape (nR, {dimension}, {count}, {count})", f"has shape {r.shape}")
    r = 0.5 * (r + r[mirror].conj().swapaxes(-1, -2))
    return Cells(vectors), jnp.asarray(hermitian), jnp.asarray(r)
