"""Steps that conserve the energy h + eE.x to rounding, for motion over very many periods.

    w(m) (y' - y)/s = dH(m) + [H(y') - H(y) - dH(m).(y' - y)] (y' - y)/|y' - y|^2,      m = (y + y')/2,  y = (x, k)

The right side is a discrete gradient: its product with y' - y is H(y') - H(y), and w is antisymmetric, so that H does
not change.  Of second order and symmetric in time; five such steps of lengths p, p, 1 - 4p, p, p are of fourth order.
Sources: Gonzalez, J. Nonlinear Sci. 6, 449 (1996); Suzuki, Phys. Lett. A 146, 319 (1990); form at the midpoint: Cohen
and Hairer, BIT 51, 91 (2011).
"""

from __future__ import annotations

from collections.abc import Callable

from blochflow.core.backend import Array, jax, jnp
from blochflow.dynamics.symplectic import solve_form

ORDER = 4
_PART = 1 / (4 - 4 ** (1 / 3))
LENGTHS = (_PART, _PART, 1 - 4 * _PART, _PART, _PART)
# Iterations of a step, and the change at which they end, in units in which x and k are of order one.
ITERATIONS, SETTLED = 60, 4e-16

# y (2d,) -> the form (2d, 2d) and dH (2d,)
Sided = Callable[[Array], tuple[Array, Array]]


def conserving_step(sided: Sided, energy: Callable[[Array], Array], y: Array, length: Array, weights: Array) -> Array:
    """y after one step of fourth order; ``weights`` (2d,) make y of order one."""

    def part_of(y: Array, share: Array) -> tuple[Array, None]:
        return conserving_part(sided, energy, y, share * length, weights), None

    return jax.lax.scan(part_of, y, jnp.array(LENGTHS))[0]


def conserving_part(sided: Sided, energy: Callable[[Array], Array], start: Array, part: Array, weights: Array) -> Array:
    """y after one step of second order, NaN where the iteration does not settle."""
    here = energy(start)

    def improve(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        change, _, _, count = carry
        form, slope = sided(start + 0.5 * change)
        # along the change, in the metric of the weights
        turned = weights**2 * change
        square = jnp.maximum(change @ turned, 1e-300)
        missing = energy(start + change) - here - slope @ change
        new = part * solve_form(form, slope + jnp.where(square > 1e-290, missing / square, 0.0) * turned)
        return new, change, jnp.abs(weights * (new - change)).max(), count + 1

    def unsettled(carry: tuple[Array, Array, Array, Array]) -> Array:
        change, _, size, count = carry
        return (size > SETTLED * (1 + jnp.abs(weights * change).max())) & (count < ITERATIONS)

    form, slope = sided(start)
    first = part * solve_form(form, slope)
    many = (first, first, jnp.asarray(jnp.inf), jnp.zeros((), dtype=int))
    change, _, size, _ = jax.lax.while_loop(unsettled, improve, many)
    # rounding may keep the last digits moving
    good = size <= 1e4 * SETTLED * (1 + jnp.abs(weights * change).max())
    return jnp.where(good, start + change, jnp.nan)
