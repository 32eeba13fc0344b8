"""Collisions of wave packets: a Poisson clock, and a new wave vector when it rings.

    rate 1/tau(h, n), or from a `Disorder` by the golden rule
    "elastic": k' on the surface h(k') = h, with probability ~ D dS/|d_k h|, times W |<u|V|u'>|^2 for a disorder
    "relaxation": (n', k') from the equilibrium distribution, with probability ~ D f(h)

The clock ticks at the largest rate anywhere, and a tick counts with probability rate/largest (null collisions), so that
no rate has to be integrated along a trajectory.  Positions do not change: side jumps are not included.
Source: Jacoboni and Reggiani, RMP 55, 645 (1983), Secs. II.C, II.E.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blochflow.core.checks import as_choice, as_index, as_real_array, fail
from blochflow.core.errors import UserModelError
from blochflow.disorder.potentials import Disorder

KINDS = ("elastic", "relaxation")
# Of a band by dimension, and of all bands: cells of k space, states.
CELLS, ALL_CELLS = {1: 2**12, 2: 2**16, 3: 2**16}, 2**19
STATES, ALL_STATES = {1: 2**16, 2: 2**18, 3: 2**20}, 2**21


@dataclass(frozen=True, eq=False)
class Collisions:
    """Random collisions of packets during `propagate`.

    Parameters
    ----------
    tau : float or callable
        Mean time between collisions in the model's unit, or tau(energy, band) of NumPy arrays.
    disorder : Disorder
        Instead of ``tau``: rates 2 pi sum_ab W_ab(k - k') <u|V_a|u'><u'|V_b|u> rho from a static potential.
    kind : "elastic" or "relaxation"
        The new state is on the same energy surface, or one of the equilibrium distribution at ``mu``, ``temperature``.
    mu, temperature : float
        For "relaxation".
    table : int, optional
        Elastic: cells of k space in which the energies of every band are bounded, default 2^12, 2^16, 2^16 in one, two,
        three dimensions.  They are halved where a band is not nearly linear, so that small pockets need no more.
        Relaxation: states of every band from which new ones are chosen, default 2^16, 2^18, 2^20.  Fewer for many
        bands.

    Raises
    ------
    ValueError
        Wrong arguments.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Collisions(tau=5.0).kind
    'elastic'
    """

    tau: float | Callable[[np.ndarray, np.ndarray], Any] | None = None
    kind: str = "elastic"
    disorder: Disorder | None = None
    mu: float | None = None
    temperature: float | None = None
    table: int | None = None

    def __post_init__(self) -> None:
        as_choice(self.kind, "kind", KINDS)
        if (self.tau is None) == (self.disorder is None):
            raise fail("tau", "be given, or a `disorder` instead", "both or neither are given")
        if self.disorder is not None and (not isinstance(self.disorder, Disorder) or self.kind != "elastic"):
            raise fail(
                "disorder", 'be a bf.Disorder, of kind "elastic"', f"is {self.disorder!r}, of kind {self.kind!r}"
            )
        if self.tau is not None and not callable(self.tau):
            as_real_array(self.tau, "tau", max_ndim=0, positive=True)
        for name in ("mu", "temperature"):
            given = getattr(self, name)
            if (given is None) != (self.kind == "elastic"):
                must = 'be left out for kind="elastic"' if given is not None else 'be given for kind="relaxation"'
                raise fail(name, must, "is given" if given is not None else "is missing")
            if given is not None:
                as_real_array(given, name, max_ndim=0, **({"positive": False} if name == "temperature" else {}))
        if self.table is not None and as_index(self.table, "table", "be an integer of at least 1024") < 1024:
            raise fail("table", "be an integer of at least 1024", f"is {self.table}")

    def table_of(self, dimension: int, num_bands: int) -> int:
        """Cells, or states, of every band of a model."""
        each, together = (CELLS, ALL_CELLS) if self.kind == "elastic" else (STATES, ALL_STATES)
        return self.table or min(each[dimension], 1 << (together // num_bands).bit_length() - 1)

    def rates(self, energy: np.ndarray, band: np.ndarray) -> np.ndarray:
        """1/tau of states.

        Raises
        ------
        UserModelError
            The function tau fails, or is not positive somewhere.
        """
        if not callable(self.tau):
            return np.full(len(energy), 1 / float(self.tau or 1.0))
        try:
            times = np.broadcast_to(np.asarray(self.tau(energy, band), dtype=float), energy.shape)
        except Exception as exc:
            raise UserModelError(f"tau(energy, band) failed on arrays of shape {energy.shape}: {exc}") from exc
        if not (times > 0).all():
            at = int(np.argmin(times > 0))
            raise UserModelError(
                f"tau(energy, band) must be positive, but is {times[at]:.6g} in band {int(band[at])} at energy "
                f"{energy[at]:.6g}; infinity means no collisions."
            )
        return 1 / times
