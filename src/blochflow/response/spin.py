"""Intrinsic spin Hall conductivity with the conventional spin current {s, v}/2.

    sigma^s_ab = (e/hbar) Int sum_n f_n Omega^s_n,ab
    Omega^s_n,ab = -2 Im sum_m <n|{s, V_a}/2|m><m|V_b|n>/(E_n - E_m)^2

Source: Sinova et al., PRL 92, 126603 (2004); Sinova et al., RMP 87, 1213 (2015), Sec. III.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import equinox as eqx
import numpy as np

from blochflow.core.backend import Array, jnp
from blochflow.core.checks import fail
from blochflow.geometry.cumulative import Eigenbasis, cross, crossing_sums, in_eigenstates, pair_weight
from blochflow.models.base import AbstractModel, BlochMatrices
from blochflow.models.operators import orbital_phases, resolve_operator
from blochflow.response.catalog_intrinsic import SPIN_HALL
from blochflow.response.integrands import BandIntegrand, Entries
from blochflow.response.magnitudes import size_of_curvature
from blochflow.response.request import Request, ZoneArguments
from blochflow.response.symmetry import sample_points
from blochflow.zone.tensor_symmetry import TensorKind

if TYPE_CHECKING:
    import xarray as xr

# |[s, H]| below this fraction of |s||H| at random k is rounding.
CONSERVED = 1e-10


def spin_hall(
    model: Any,
    mu: Any,
    temperature: Any,
    *,
    spin: str = "spin_z",
    density: Any = None,
    **zone: Unpack[ZoneArguments],
) -> xr.Dataset:
    """Intrinsic spin Hall conductivity of a two- or three-dimensional crystal.

        sigma^s_ab = (e/hbar) Int d^dk/(2 pi)^d sum_n f_n Omega^s_n,ab

    Source: [Sinova2015] Sec. III.  Valid for: linear response in the clean limit.  The conventional spin current
    {s, v_a}/2 is that of a conserved quantity only where [s, H] = 0; elsewhere the torque dipole density is missing and
    the attribute ``conserved`` is 0.  Not included: side jump and skew scattering.

    Parameters
    ----------
    model : AbstractModel
        2D or 3D, with an operator of that name.
    mu, temperature, density
        As for `anomalous_nernst`.
    spin : str
        Operator of the model; s is half of it, so that Pauli matrices give spins in units of hbar.
    **zone
        As for `anomalous_nernst`; ``rule="local"`` is refused.

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (mu, temperature, a, b): spin current along a, field along b; ``converged``.
        Units: e (2D), e/a (3D) for NATURAL; e (2D), (hbar/e) S/cm (3D) for EV_ANGSTROM models.  Attribute
        ``conserved``: 1 where s commutes with H, and ``validity_commutator``, the largest |[s, H]|/|H| at random k.

    Raises
    ------
    ValueError
        Wrong arguments, no such operator, or a one-dimensional model.
    ConvergenceError
        Tolerance not reached; ``.result`` is the whole Dataset.

    Examples
    --------
    Opposite Chern numbers of the two spins, which do not mix without Rashba coupling.

    >>> import blochflow as bf
    >>> model = bf.zoo.kane_mele(rashba=0.0, mass=0.0)
    >>> sigma = bf.response.spin_hall(model, mu=0.0, temperature=0.0)
    >>> round(float(sigma.value.sel(a="x", b="y").item()) * 6.283185307, 5), sigma.attrs["conserved"]
    (-1.0, 1)
    """
    request = Request.of("spin_hall", model, mu, temperature, zone, density, plane=True)
    if request.options.rule == "local":
        raise fail("rule", 'be another than "local", whose models of a few bands know no spin', "is 'local'")
    matrix = 0.5 * as_spin(model, spin)
    scale, unit = request.factor(SPIN_HALL)
    bands = SpinBerrySea(model.dimension, matrix, None if is_local(model, matrix) else model.orbitals)
    terms = float(jnp.abs(matrix).max()) * size_of_curvature(model)
    (integral,) = request.integrals(bands, factor=abs(scale), terms=terms)
    result = request.result(SPIN_HALL, integral.scaled(scale), bands, unit, throw=False)
    size = largest_commutator(model, spin)
    result.attrs |= {"spin": spin, "conserved": int(size <= CONSERVED), "validity_commutator": size}
    return request.checked(SPIN_HALL, result)


def as_spin(model: AbstractModel, spin: Any) -> Array:
    """(n, n) matrix of one component of an operator of the model."""
    matrix = resolve_operator(model.operators, spin, "spin")
    if matrix.ndim != 2:
        raise fail("spin", f"name one component, such as '{spin}_z'", f"{spin!r} has {len(matrix)}")
    return matrix


class SpinBerrySea(BandIntegrand):
    """Omega^s_n,ab of all pairs (a, b).

    Attributes
    ----------
    dimension : int
    spin : (n, n)
        Between orbitals of one cell.
    orbitals : (n, d) or None
        Where the spin connects orbitals at different places: between cell-periodic states it has the phases of these.
    """

    dimension: int = eqx.field(static=True)
    spin: Array
    orbitals: Array | None
    kind: ClassVar[TensorKind] = TensorKind(2)
    local: ClassVar[bool] = False

    @property
    def size(self) -> int:
        return self.dimension**2

    @property
    def entries(self) -> Entries:
        d = self.dimension
        return [((a, b), a * d + b, 1.0) for a in range(d) for b in range(d)]

    @property
    def needs_k(self) -> bool:
        return self.orbitals is not None

    def of_block(self, model: AbstractModel, basis: np.ndarray) -> SpinBerrySea:
        """Velocities stay within blocks, so that the spin between different ones never enters."""
        spin = jnp.asarray(basis.conj().T) @ self.spin @ basis
        return SpinBerrySea(self.dimension, spin, None if self.orbitals is None else model.orbitals)

    def __call__(self, matrices: BlochMatrices) -> tuple[Array, Array]:
        basis, parts = self._currents(matrices)
        weight = pair_weight(basis.energies, basis.velocity, matrices.length)
        pairs = [weight * cross(left, right) for left in parts for right in basis.velocity]
        total = jnp.swapaxes(crossing_sums(jnp.stack(pairs, axis=1)), 1, 2)
        if matrices.frame is not None:
            frame, shape = matrices.frame, total.shape
            d = self.dimension
            total = jnp.einsum("knce,ca,eb->knab", total.reshape(*shape[:2], d, d), frame, frame).reshape(shape)
        return basis.energies, total

    def _currents(self, matrices: BlochMatrices) -> tuple[Eigenbasis, list[tuple[Array, Array]]]:
        """Eigenstates, and {s, V_a}/2 between them, real and imaginary parts."""
        basis = in_eigenstates(matrices)
        phases = None if self.orbitals is None else orbital_phases(matrices.k, self.orbitals)
        spin = self.spin if phases is None else self.spin * phases
        spin = jnp.conj(jnp.swapaxes(basis.states, -1, -2)) @ spin @ basis.states
        velocity = [re + 1j * im for re, im in basis.velocity]
        product = [spin @ v for v in velocity]
        current = [0.5 * (x + jnp.conj(jnp.swapaxes(x, -1, -2))) for x in product]
        return basis, [(x.real, x.imag) for x in current]


def is_local(model: AbstractModel, matrix: Array) -> bool:
    """True where an operator connects orbitals at the same place only."""
    if model.orbitals is None:
        return True
    i, j = np.nonzero(np.abs(np.asarray(matrix)) > 0)
    orbitals = np.asarray(model.orbitals)
    return bool(np.allclose(orbitals[i], orbitals[j], atol=1e-12))


def largest_commutator(model: AbstractModel, spin: str) -> float:
    """Largest |[s, H(k)]|/|H(k)| at random k."""
    k = sample_points(model)
    hamiltonian = np.asarray(model.hamiltonian(k))
    matrix = 0.5 * np.asarray(model.operator_matrices(spin, jnp.asarray(k)))
    commutator = matrix @ hamiltonian - hamiltonian @ matrix
    return float(np.abs(commutator).max() / max(np.abs(hamiltonian).max(), 1e-300))
