"""Thermodynamics of a lattice in a rational magnetic flux, from its exact levels.

    Phi = -(1/A) sum g(E),   n = (1/A) sum f(E),   S = (1/A) sum s(E),     x = (E - mu)/k_B T
    g = k_B T ln(1 + e^-x),  f = 1/(1 + e^x),      s = ln(1 + e^-x) + x f

A translation by one cell shifts k_2 by p/q of the reciprocal vector (Hofstadter, PRB 14, 2239 (1976)): energies are
summed over k_2 in one q-th of the magnetic zone, and a grid of n x n points there stands for (n q)^2 points of the
zone without field.  The sums converge exponentially in n where the levels are sharp on the scale of k_B T.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from blochflow.core.quantity import Quantity
from blochflow.exact._hofstadter import as_flux, magnetic_blocks, magnetic_field, signed_flux
from blochflow.exact.catalog import ELECTRON_DENSITY_IN_FLUX, ENTROPY, GRAND_POTENTIAL
from blochflow.exact.hoppings_2d import lattice_sum, reduced_orbitals, warn_of_positions
from blochflow.exact.result import Call, Estimate, States, as_call, as_states, finish
from blochflow.execution.threads import Execution, run_batches
from blochflow.models.tight_binding import TightBinding
from blochflow.zone.tolerance import Tolerance

if TYPE_CHECKING:
    import xarray as xr

# Points per axis of the zone without field that the first grid stands for, at least, and per Fourier component of H.
FIRST_POINTS, POINTS_PER_WAVE = 32, 4
# Most points of the zone without field where Tolerance(max_evaluations=...) says nothing.
MOST_POINTS = 300_000
# Matrix elements diagonalised in one batch: enough to hide the cost of a call.
BATCH_ELEMENTS = 200_000

LevelFunction = Callable[[np.ndarray, float, float], np.ndarray]


def grand_potential(
    model: TightBinding,
    mu: Any,
    temperature: Any,
    *,
    p: int,
    q: int,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Grand potential per area of the lattice in a magnetic field of p/q flux quanta h/e per cell.

        Phi = -(k_B T/A) sum_levels ln(1 + exp((mu - E)/k_B T))

    Source: [Hofstadter1976] for the levels.  Valid for: independent electrons, T >= 0.  Not included: as for
    `hofstadter`.

    Parameters
    ----------
    model : TightBinding
        The lattice without field, two-dimensional.
    mu, temperature : float or (mu,), (temperature,) arrays
    p, q : int
        Flux in units of h/e per cell; p = 0 is the lattice without field.
    tolerance : Tolerance, optional
        The grid is doubled until two results agree to it; ``max_evaluations`` counts points of the zone without field.
    execution : Execution, optional
    throw : bool
        False: return a result that is not converged instead of raising.

    Returns
    -------
    Dataset
        ``value``, ``error`` (difference from the grid of half the points per axis; where a band crosses mu at T = 0
        it is an indication, not a bound), ``converged`` with dims (mu, temperature); E/a^2 or eV/angstrom^2.
        ``magnetic_field`` is among the attributes.

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    >>> import blochflow as bf
    >>> phi = bf.exact.grand_potential(bf.zoo.square(), mu=0.0, temperature=0.1, p=1, q=3)
    >>> round(float(phi.value.item()), 5)
    -0.86319
    """
    return _in_flux(GRAND_POTENTIAL, grand_function, model, mu, temperature, p, q, as_call(tolerance, execution, throw))


def electron_density(
    model: TightBinding,
    mu: Any,
    temperature: Any,
    *,
    p: int,
    q: int,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Electrons per area of the lattice in a magnetic field of p/q flux quanta h/e per cell.

        n = (1/A) sum_levels f(E)

    Source: [Hofstadter1976] for the levels.  Valid for: independent electrons, T >= 0.  Not included: as for
    `hofstadter`.

    Parameters
    ----------
    model, mu, temperature, p, q, tolerance, execution, throw
        As for `grand_potential`.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); 1/a^2 or 1/angstrom^2.

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    The lowest of three Hofstadter bands of the square lattice holds one third of an electron per cell.

    >>> import blochflow as bf
    >>> n = bf.exact.electron_density(bf.zoo.square(), mu=-1.5, temperature=0.0, p=1, q=3)
    >>> round(float(n.value.item()), 6)
    0.333333
    """
    call = as_call(tolerance, execution, throw)
    return _in_flux(ELECTRON_DENSITY_IN_FLUX, occupation, model, mu, temperature, p, q, call)


def entropy(
    model: TightBinding,
    mu: Any,
    temperature: Any,
    *,
    p: int,
    q: int,
    tolerance: Tolerance | None = None,
    execution: Execution | None = None,
    throw: bool = True,
) -> xr.Dataset:
    """Entropy per area of the lattice in a magnetic field of p/q flux quanta h/e per cell.

        S = -(k_B/A) sum_levels [f ln f + (1 - f) ln(1 - f)]

    Source: [Hofstadter1976] for the levels.  Valid for: independent electrons, T >= 0.  Not included: as for
    `hofstadter`.

    Parameters
    ----------
    model, mu, temperature, p, q, tolerance, execution, throw
        As for `grand_potential`.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); k_B/a^2 or eV/(K angstrom^2).

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    At infinite temperature every orbital contributes k_B ln 2.

    >>> import blochflow as bf
    >>> s = bf.exact.entropy(bf.zoo.square(), mu=0.0, temperature=1e4, p=1, q=3)
    >>> round(float(s.value.item()), 6)
    0.693147
    """
    return _in_flux(ENTROPY, mixing_entropy, model, mu, temperature, p, q, as_call(tolerance, execution, throw))


def _in_flux(
    quantity: Quantity, function: LevelFunction, model: Any, mu: Any, temperature: Any, p: Any, q: Any, call: Call
) -> xr.Dataset:
    """Per-area sum over the levels, doubled until it is converged."""
    model, p, q = as_flux(model, p, q)
    warn_of_positions(model)
    states = as_states(model.units, mu, temperature)
    lattice = FluxLattice.of(model, p, q)
    estimate = double_grid(lambda n: lattice.sums(function, states, n, call.execution), lattice, states, call)
    attrs = {"p": p, "q": q, "magnetic_field": magnetic_field(model, p, q)}
    return finish(quantity, model, 2, states, estimate, call, attrs)


@dataclass(frozen=True, eq=False)
class FluxLattice:
    """Hoppings in the magnetic cell, and what turns sums over its levels into numbers per area.

    Attributes
    ----------
    cells, blocks : hoppings of the magnetic cell
    p, q : int
    area : float
        Of the unit cell.
    reach : int
        Largest component of R of the hoppings without field.
    """

    cells: np.ndarray
    blocks: np.ndarray
    p: int
    q: int
    area: float
    reach: int

    @classmethod
    def of(cls, model: TightBinding, p: int, q: int) -> FluxLattice:
        """The model in flux p/q."""
        signed, reduced = signed_flux(model, p), reduced_orbitals(model)
        cells, blocks = magnetic_blocks(model.cells, np.asarray(model.blocks), reduced, signed, q)
        return cls(cells, blocks, p, q, model.lattice.volume, int(np.abs(model.cells).max()))

    @property
    def first_points(self) -> int:
        """Points per axis of the coarsest grid."""
        return max(2, math.ceil(max(FIRST_POINTS, POINTS_PER_WAVE * self.reach) / self.q))

    def equivalent_points(self, n: int) -> int:
        """Points of the zone without field that n x n points stand for."""
        return (n * self.q) ** 2

    def sums(self, function: LevelFunction, states: States, n: int, execution: Execution) -> np.ndarray:
        """(P,) sum over the levels per area of ``function``, on n points along each axis of the reduced zone."""
        levels = self.levels(n, execution)
        values = [function(levels, mu, kt).sum() for mu, kt in zip(states.mu, states.kt, strict=True)]
        count = levels.size // self.blocks.shape[-1]
        return np.array(values) / (count * self.q * self.area)

    def levels(self, n: int, execution: Execution) -> np.ndarray:
        """(K, q N) energies."""
        repeats = math.gcd(self.p, self.q)
        axes = np.arange(n) / n, np.arange(n * repeats) / (n * self.q)
        k = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        per_batch = max(1, BATCH_ELEMENTS // self.blocks.shape[-1] ** 2)
        total = math.ceil(len(k) / per_batch)
        batches: Iterator[np.ndarray] = (k[i * per_batch : (i + 1) * per_batch] for i in range(total))
        found = run_batches(
            lambda batch: np.linalg.eigvalsh(lattice_sum(self.cells, self.blocks, batch)),
            batches,
            total,
            execution,
            batch_bytes=32 * per_batch * self.blocks.shape[-1] ** 2,
            label=f"levels at flux {self.p}/{self.q}",
        )
        return np.concatenate(found)


def double_grid(
    sums: Callable[[int], np.ndarray], lattice: FluxLattice, states: States, call: Call, strictness: float = 1.0
) -> Estimate:
    """Double the points per axis until two results agree to ``strictness`` times the tolerance; (P, 1) values."""
    n = lattice.first_points
    limit = call.tolerance.max_evaluations or MOST_POINTS
    value, history, evaluations = sums(n), [], n * n
    history.append((n * n, value[:, None]))
    while True:
        n *= 2
        finer = sums(n)
        error, value = np.abs(finer - value), finer
        evaluations += n * n
        history.append((n * n, value[:, None]))
        allowed = strictness * call.tolerance.allowed(np.abs(value), np.abs(value))
        if (error <= allowed).all() or lattice.equivalent_points(2 * n) > limit:
            return Estimate(value[:, None], error[:, None], np.abs(value), evaluations, tuple(history))


def grand_function(energies: np.ndarray, mu: float, kt: float) -> np.ndarray:
    """-g(E): -k_B T ln(1 + exp((mu - E)/k_B T)), at T = 0 -max(mu - E, 0)."""
    if kt == 0:
        return -np.maximum(mu - energies, 0.0)
    return -kt * np.logaddexp(0.0, (mu - energies) / kt)


def occupation(energies: np.ndarray, mu: float, kt: float) -> np.ndarray:
    """f(E); at T = 0 a step, 1/2 at mu."""
    if kt == 0:
        return np.heaviside(mu - energies, 0.5)
    return expit((mu - energies) / kt)


def mixing_entropy(energies: np.ndarray, mu: float, kt: float) -> np.ndarray:
    """s(E) = -f ln f - (1 - f) ln(1 - f), even in E - mu: no cancellation on either side."""
    if kt == 0:
        return np.zeros_like(energies)
    x = np.abs(energies - mu) / kt
    return np.logaddexp(0.0, -x) + x * expit(-x)
