"""Lattice models in a uniform magnetic field; see `hofstadter`.

    <i,S|H|j,S+R>  ->  <i,S|H|j,S+R> exp(-i (e/hbar) Int_j^i A.dl),      straight lines between orbitals

In reduced coordinates x and the Landau gauge A.dl = (hbar/e) 2 pi phi x_1 dx_2, phi = p/q quanta h/e per cell:

    phase = -2 pi phi (S_1 + m_1) d_2,   m = (tau_i + tau_j + R)/2,   d = tau_i - tau_j - R

Redefining |j,S> -> exp(-2 pi i phi S_1 tau_j,2) |j,S> removes what is not periodic in S_1 -> S_1 + q:

    phase = 2 pi phi [S_1 R_2 - m_1 d_2 - R_1 tau_j,2]

Source: Peierls, Z. Phys. 80, 763 (1933); Hofstadter, PRB 14, 2239 (1976).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blochflow.core.checks import as_index
from blochflow.exact.catalog import FLUX_QUANTUM
from blochflow.exact.hoppings_2d import as_count, as_planar, check_fits, reduced_orbitals, warn_of_positions
from blochflow.models.tight_binding import TightBinding


def hofstadter(model: TightBinding, p: int, q: int) -> TightBinding:
    """The lattice in a magnetic field of p/q flux quanta h/e per unit cell, as a model of q cells along a1.

        B = (2 pi hbar/e) (p/q)/A_cell,     <i|H|j> -> <i|H|j> exp(-i (e/hbar) Int_j^i A.dl)

    Source: [Peierls1933]; [Hofstadter1976] for the square lattice.  Valid for: any two-dimensional model with
    hoppings, any lattice and orbital positions; fields that vary slowly over an orbital.  Not included: the Zeeman
    energy (add it with ``with_zeeman`` before or after), position matrices of Wannier functions beyond their centres
    (a `ValidityWarning`), field dependence of the orbitals.

    The states of the result carry a position-dependent phase, so that it is a periodic model like any other: energies,
    velocities, Chern numbers and responses are those of the lattice in the field.

    Parameters
    ----------
    model : TightBinding
        Two-dimensional, with N orbitals per cell.
    p, q : int
        Flux in units of h/e per cell; B is along +z for p > 0.  They need not be coprime: a common factor only makes
        the cell larger.

    Returns
    -------
    TightBinding
        Lattice (q a1, a2), q N orbitals: orbital s N + j is orbital j of the cell displaced by s a1.  Operators of
        the model act in every cell; its parameters are fixed at their present values.

    Raises
    ------
    ValueError
        Not a two-dimensional `TightBinding`, q below 1 or too large for the memory, or not integers.

    Examples
    --------
    Half a quantum on the square lattice: E = -/+ 2 sqrt(cos^2 kx + cos^2 ky).

    >>> import blochflow as bf
    >>> model = bf.exact.hofstadter(bf.zoo.square(), 1, 2)
    >>> [round(float(e), 6) for e in bf.bands(model, [[0.0, 0.0]]).energies[0]]
    [-2.828427, 2.828427]
    """
    model, p, q = as_flux(model, p, q)
    warn_of_positions(model)
    signed = signed_flux(model, p)
    cells, blocks = magnetic_blocks(model.cells, np.asarray(model.blocks), reduced_orbitals(model), signed, q)
    vectors, orbitals = np.asarray(model.lattice.vectors), np.asarray(model.orbitals)
    shifts = np.arange(q)[:, None, None] * vectors[0]
    return TightBinding.from_blocks(
        vectors * np.array([[q], [1]]),
        (orbitals[None] + shifts).reshape(-1, 2),
        cells,
        blocks,
        operators=magnetic_operators(model, signed, q),
        units=model.units,
        spin_degeneracy=model.spin_degeneracy,
        name=model.name,
        notes=(*model.notes, f"flux {p}/{q} h/e per cell, B = {magnetic_field(model, p, q):.9g}"),
    )


def magnetic_field(model: TightBinding, p: int, q: int) -> float:
    """B_z of p/q flux quanta h/e per unit cell of the model.

        B = (2 pi hbar/e) (p/q)/A_cell

    Source: [Hofstadter1976].  Valid for: two-dimensional lattices.  Not included: nothing.

    Parameters
    ----------
    model : TightBinding
        The lattice without field.
    p, q : int

    Returns
    -------
    float
        In hbar/(e a^2), or T for models in eV and angstrom.

    Raises
    ------
    ValueError
        As for `hofstadter`.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.exact.magnetic_field(bf.zoo.square(), 1, 100)
    0.0628...
    """
    model, p, q = as_flux(model, p, q)
    return FLUX_QUANTUM[model.units.name] * p / (q * model.lattice.volume)


def as_flux(model: Any, p: Any, q: Any) -> tuple[TightBinding, int, int]:
    """Checked arguments."""
    model, p, q = as_planar(model), as_index(p, "p"), as_count(q, "q", 1)
    check_fits(model, q, "q", 0)
    return model, p, q


def signed_flux(model: TightBinding, p: int) -> int:
    """Numerator of the flux through the cell (a1, a2) taken as oriented: B_z > 0 means p > 0 in any cell."""
    return p if np.linalg.det(np.asarray(model.lattice.vectors)) > 0 else -p


def magnetic_blocks(
    cells: np.ndarray, blocks: np.ndarray, reduced: np.ndarray, p: int, q: int
) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of the cell of q unit cells along a1, from those of the unit cell.

    Returns
    -------
    (nC, 2) cells in multiples of (q a1, a2) and (nC, q N, q N) blocks.
    """
    count, first, second = len(reduced), cells[:, 0], cells[:, 1]
    local = blocks * np.exp(2j * np.pi * (p / q) * bond_flux(cells, reduced))
    source = np.arange(q)[:, None] + first
    across, inside = np.divmod(source, q)
    found, index = np.unique(
        np.stack([across, np.broadcast_to(second, across.shape)], axis=-1).reshape(-1, 2), axis=0, return_inverse=True
    )
    index = index.reshape(q, -1)
    result = np.zeros((len(found), q, count, q, count), dtype=np.complex128)
    for s in range(q):
        # S_1 R_2 p is reduced modulo q in integers, so that no rounding grows with the cell
        phase = np.exp(2j * np.pi * np.mod(s * second * p, q) / q)
        result[index[s], s, :, inside[s], :] = phase[:, None, None] * local
    return found, result.reshape(len(found), q * count, q * count)


def bond_flux(cells: np.ndarray, reduced: np.ndarray) -> np.ndarray:
    """-m_1 d_2 - R_1 tau_j,2 for every hopping from |j,R> to <i,0|: (nR, N, N)."""
    first, second = cells[:, 0, None, None], cells[:, 1, None, None]
    middle = (reduced[:, None, 0] + reduced[None, :, 0] + first) / 2
    step = reduced[:, None, 1] - reduced[None, :, 1] - second
    return -middle * step - first * reduced[None, :, 1]


def magnetic_operators(model: TightBinding, p: int, q: int) -> dict[str, np.ndarray]:
    """Operators of the model in every cell; between orbitals at different places they get the phase of a bond."""
    phases = np.exp(2j * np.pi * (p / q) * bond_flux(np.zeros((1, 2), dtype=int), reduced_orbitals(model)))[0]
    return {name: np.kron(np.eye(q), np.asarray(matrix) * phases) for name, matrix in model.operators.items()}
