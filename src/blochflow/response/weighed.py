"""Band-resolved integrands with the occupations of a list of states, or without any.

    sea:      sum_j (F_p,j - F_p,j+1) S_j        surface:  sum_n -f'(E_n) x_n^p g_n        of every state (mu, T)

What the integrands return: `integrands`.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.models.base import BlochMatrices
from blochflow.response.integrands import BandIntegrand
from blochflow.response.occupation import Occupation, active_gap, make_occupation
from blochflow.zone.certificate import Filling
from blochflow.zone.weights import Weight


class Weighed(eqx.Module):
    """An integrand with the occupations of a list of states: results (k, P, C) and the active gap (k, P)."""

    bands: BandIntegrand
    occupation: Occupation
    matrix: Array | None = None

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies, values = self.bands(matrices)
        weight, steps = self.bands.weight, self.occupation.steps(energies)
        totals = self._totals(weight, energies, steps, values)
        if self.matrix is not None:
            totals = jnp.einsum("kpr,prc->kpc", totals, self.matrix)
        return totals, active_gap(energies, steps)

    def _totals(self, weight: Weight, energies: Array, steps: Array, values: Array) -> Array:
        """Weighed sums over bands, (k, P, R); values with equal weights share one product."""
        parts, order, kinds = [], [], list(zip(weight.powers, self.bands.surfaces, strict=True))
        for power, of_surface in sorted(set(kinds)):
            columns = [r for r, kind in enumerate(kinds) if kind == (power, of_surface)]
            if of_surface:
                weights = self.occupation.slopes(energies, power)
            else:
                weights = self.occupation.steps(energies, power) if power else steps
            parts.append(weights @ values[..., np.array(columns)])
            order += columns
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)[..., np.argsort(order)]


def weighed(bands: BandIntegrand, filling: Filling) -> tuple[Weighed, np.ndarray]:
    """The integrand with the occupations of all states, and the permutation that restores their order."""
    occupation, restore = make_occupation(filling.mu, filling.kt)
    matrix = bands.mixing(np.asarray(occupation.mu), np.asarray(occupation.kt))
    return Weighed(bands, occupation, None if matrix is None else jnp.asarray(matrix)), restore


class Listed(eqx.Module):
    """Energies (k, n), single-band values g (k, n, C) and the smallest gap (k, 1), for sums made outside."""

    bands: Any

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        energies, values = self.bands(matrices)
        if self.bands.surface:
            return energies, values
        return energies, jnp.diff(values, axis=1, prepend=jnp.zeros_like(values[:, :1]))
