"""A user's Hamiltonian function: called once at a few k, checked, and differentiated automatically.

`hamiltonian(k, **parameters)` receives k of shape (d,), Cartesian, and returns an (n, n) Hermitian matrix built
with ``jax.numpy``.  Everything that can go wrong in it is reported as `UserModelError` with the line and the remedy.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from blochflow.core.backend import Array, jax, jnp
from blochflow.core.checks import fail
from blochflow.core.errors import UserModelError
from blochflow.models.base import BlochMatrices
from blochflow.models.parameters import as_parameter

REMEDY = (
    "Write the function with jax.numpy only: `import jax.numpy as jnp`; jnp.sin instead of math.sin or numpy.sin, "
    "jnp.array([[...]]) or jnp.stack for matrices, jnp.where instead of `if` on k or on a parameter."
)
# Probe wave vectors in units of a reciprocal vector (or of the cutoff): generic, so that no symmetry hides an error.
PROBES = np.array([[0.1371, -0.2913, 0.4127], [0.4412, 0.0713, -0.1831], [-0.3307, 0.2211, 0.0519]])
HERMITIAN_TOLERANCE = 1e-10  # relative to the largest element: rounding of a few hundred operations


def as_parameter_dict(parameters: Any) -> dict[str, Any]:
    """Values of parameters by name; None means none."""
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping) or not all(isinstance(name, str) for name in parameters):
        raise fail("parameters", "be a dict of names and values", f"is {parameters!r}")
    return dict(parameters)


def collect_parameters(function: Callable[..., Any], parameters: Mapping[str, Any] | None) -> dict[str, Array]:
    """Parameter leaves: given values, completed by the defaults of the function's signature."""
    given = as_parameter_dict(parameters)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return {name: as_parameter(value, name) for name, value in given.items()}
    arguments = list(signature.parameters.values())[1:]
    accepts_any = any(arg.kind is arg.VAR_KEYWORD for arg in arguments)
    names = [arg.name for arg in arguments if arg.kind in (arg.POSITIONAL_OR_KEYWORD, arg.KEYWORD_ONLY)]
    unknown = [name for name in given if name not in names and not accepts_any]
    if unknown:
        raise UserModelError(
            f"`{function_name(function)}` has no argument {unknown[0]!r}; its parameters are "
            f"{', '.join(names) or 'none'}."
        )
    defaults = {arg.name: arg.default for arg in arguments if arg.default is not arg.empty and arg.name in names}
    missing = [name for name in names if name not in given and name not in defaults]
    if missing:
        raise UserModelError(
            f"`{function_name(function)}` needs a value for {', '.join(missing)}: pass parameters={{...}} or give "
            "the argument a default."
        )
    return {name: as_parameter(value, name) for name, value in {**defaults, **given}.items()}


def evaluate(function: Callable[..., Any], k: Array, parameters: Mapping[str, Array]) -> Array:
    """Call the user's function at one k; anything but an (n, n) array becomes a `UserModelError`."""
    try:
        matrix = jnp.asarray(function(k, **parameters), dtype=jnp.complex128)
    except Exception as exc:
        raise UserModelError(f"{describe_failure(function, exc)} {REMEDY}") from exc
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise UserModelError(
            f"`{function_name(function)}` returned an array of shape {matrix.shape} at k of shape {k.shape}; it must "
            "return one square matrix (n, n) for one k of shape (d,)."
        )
    return matrix


def check_function(function: Callable[..., Any], parameters: Mapping[str, Array], probes: np.ndarray) -> int:
    """Trace the function once, call it at ``probes`` (m, d): finite and Hermitian.  Returns the number of bands."""
    traced = jax.eval_shape(lambda k: evaluate(function, k, parameters), jax.ShapeDtypeStruct(probes[0].shape, float))
    check_hermitian(function, parameters, probes)
    return int(traced.shape[0])


def check_hermitian(function: Callable[..., Any], parameters: Mapping[str, Array], probes: np.ndarray) -> None:
    """H must be finite and Hermitian at ``probes`` (m, d)."""
    for k in probes:
        matrix = np.asarray(evaluate(function, jnp.asarray(k), parameters))
        where = ", ".join(f"{x:.6g}" for x in k)
        name = function_name(function)
        if not np.all(np.isfinite(matrix)):
            raise UserModelError(f"`{name}` is not finite at k = ({where}): {matrix.tolist()}.")
        asymmetry = np.abs(matrix - matrix.conj().T).max()
        if asymmetry > HERMITIAN_TOLERANCE * max(1e-300, np.abs(matrix).max()):
            i, j = np.unravel_index(np.abs(matrix - matrix.conj().T).argmax(), matrix.shape)
            what = f"and ({j}, {i}) is {matrix[j, i]:.6g}. Add the Hermitian conjugate."
            if i == j:
                what = "on the diagonal, where it must be real."
            raise UserModelError(
                f"`{name}` is not Hermitian at k = ({where}): element ({i}, {j}) is {matrix[i, j]:.6g} {what}"
            )


def derivative_matrices(function: Callable[[Array], Array], k: Array, length: Array) -> BlochMatrices:
    """H and its gradient by forward-mode differentiation for a batch k (K, d); ``length`` as in `BlochMatrices`."""
    d = k.shape[-1]

    def one(point: Array) -> tuple[Array, Array]:
        tangents = jnp.eye(d)
        matrix, slopes = jax.vmap(lambda t: jax.jvp(function, (point,), (t,)), out_axes=(None, 0))(tangents)
        return matrix, slopes

    hamiltonian, gradient = jax.vmap(one)(k)
    return BlochMatrices(hamiltonian, gradient, length=length, k=k)


def second_derivatives(function: Callable[[Array], Array], k: Array) -> Array:
    """d_a d_b H for a batch k (K, d): (K, a, b, n, n)."""
    hessian = jax.vmap(jax.jacfwd(jax.jacfwd(function)))(k)
    return jnp.moveaxis(hessian, (-2, -1), (1, 2))


def traced_value(function: Callable[..., Any], arguments: Sequence[Any], what: str) -> np.ndarray:
    """Value of a user's function at some arguments, which must also trace; ``what`` opens the `UserModelError`."""
    arrays = [jnp.asarray(x, dtype=jnp.float64) for x in arguments]
    try:
        jax.eval_shape(function, *arrays)
        return np.asarray(function(*arrays))
    except Exception as exc:
        raise UserModelError(f"{what}: {describe_failure(function, exc)} {REMEDY}") from exc


def function_name(function: Callable[..., Any]) -> str:
    """Name of a callable for messages."""
    return str(getattr(function, "__qualname__", getattr(function, "__name__", repr(function))))


def describe_failure(function: Callable[..., Any], exc: Exception) -> str:
    """What failed, in which line of the user's file."""
    code = getattr(function, "__code__", None)
    place = ""
    for frame in reversed(traceback.extract_tb(exc.__traceback__)):
        if code is not None and frame.filename == code.co_filename:
            place = f" in {frame.filename}, line {frame.lineno}: `{frame.line}`"
            break
    reason = str(exc).strip().splitlines()[0] if str(exc).strip() else ""
    return f"`{function_name(function)}` failed with {type(exc).__name__}{place} ({reason})."
