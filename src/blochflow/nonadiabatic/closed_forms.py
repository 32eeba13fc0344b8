"""The nonlinear Hall current of a gapped Dirac cone in closed form.

    J_perp = tau_v sgn(m) (e^2/2h) E S(x),   x = e E hbar v/(2 m^2),   m half the gap, mu in it, T = 0
    S(x) = Int_0^1 du (2/pi) K(p)/(1 + x^2 u^4)^(1/2),   p = x^2 u^4 (1 - u^2)/(1 + x^2 u^4)
    S = 1 - (3/35) x^2 + (5/143) x^4 - ..,   S -> 3.0949209842878 x^(-1/2)

K is the complete elliptic integral with parameter p.  Derived with u = m/(m^2 + hbar^2 v^2 k^2)^(1/2).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from blochflow.core.checks import as_real_array, fail

# The integrand has one bend, at u = x^(-1/2); 24 panels reach it for x up to LARGEST.
PANELS, NODES, LARGEST = 24, 24, 1e14


def dirac_hall_suppression(field: Any) -> Any:
    """Suppression S(x) of the Hall current of a gapped Dirac cone in a strong field.

        J_perp = sgn(m) (e^2/2h) E S(x),   x = e E hbar v/(2 m^2)

    Source: the current of [Tu2020] Eqs. (57)-(60) for H = hbar v (k_x s_x + k_y s_y) + m s_z, integrated over k.
    Valid for: mu in the gap, T = 0, one valley; the part of order tau^0.  Not included: carriers, tunnelling.

    Parameters
    ----------
    field : float or array
        x, field over 2 m^2/(e hbar v); its sign does not matter.

    Returns
    -------
    float or array
        Between 0 and 1.

    Raises
    ------
    ValueError
        Not finite numbers, or beyond 1e14.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.nonadiabatic.dirac_hall_suppression([0.0, 1.0, 20.0]).round(10).tolist()
    [1.0, 0.9370517293, 0.4154004581]
    """
    from scipy.special import ellipkm1

    x = as_real_array(field, "field", max_ndim=8)
    if np.abs(x).max(initial=0.0) > LARGEST:
        raise fail("field", f"be at most {LARGEST:g} units", f"reaches {np.abs(x).max():g}")
    u, weights = _rule()
    bend = (np.abs(x)[..., None] * u**2) ** 2
    # 1 - p without cancellation
    rest = (1 + bend * u**2) / (1 + bend)
    values = (2 / np.pi) * ellipkm1(rest) / np.sqrt(1 + bend)
    result = values @ weights
    return float(result) if x.ndim == 0 else result


@functools.cache
def _rule() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1]: Gauss-Legendre panels that halve towards 0, where the bend moves for large x."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    edges = np.concatenate([[0.0], 0.5 ** np.arange(PANELS - 1, -1, -1.0)])
    half = 0.5 * np.diff(edges)
    u = (edges[:-1] + half)[:, None] + half[:, None] * nodes
    return u.ravel(), (half[:, None] * weights).ravel()
