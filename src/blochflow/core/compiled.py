"""Kernels of a model for calls so short that taking the model apart costs more than they do.

`equinox.filter_jit` separates the arrays of a model from the rest at every call, half a millisecond for a small model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import equinox as eqx

from blochflow.core.backend import jax, jnp


class _Rest:
    """All of a kernel and its model that is no array; two are equal where one compilation serves both."""

    def __init__(self, kernel: Callable[..., Any], tree: Any, leaves: tuple[Any, ...]) -> None:
        self.kernel, self.tree, self.leaves = kernel, tree, leaves

    @cached_property
    def _hash(self) -> int:
        return hash((self.kernel, self.tree, self.leaves))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, _Rest):
            return False
        return (self.kernel, self.tree, self.leaves) == (other.kernel, other.tree, other.leaves)


def compiled(kernel: Callable[..., Any], model: Any) -> Callable[..., Any]:
    """``kernel(model, ...)`` as a compiled function of the other arguments, which are arrays."""
    leaves, tree = jax.tree.flatten(model)
    rest = _Rest(kernel, tree, tuple(None if eqx.is_array(x) else x for x in leaves))
    arrays = tuple(jnp.asarray(x) if eqx.is_array(x) else None for x in leaves)
    return lambda *arguments: _call(rest, arrays, *arguments)


def _called(rest: _Rest, arrays: tuple[Any, ...], *arguments: Any) -> Any:
    leaves = [fixed if array is None else array for fixed, array in zip(rest.leaves, arrays, strict=True)]
    return rest.kernel(jax.tree.unflatten(rest.tree, leaves), *arguments)


_call = jax.jit(_called, static_argnums=0)
