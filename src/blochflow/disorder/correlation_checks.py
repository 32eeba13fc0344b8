"""What every correlation W_ab(q) must be: Hermitian, positive semidefinite, that of a real potential, periodic."""

from __future__ import annotations

import numpy as np

from blochflow.core.checks import fail
from blochflow.disorder.correlators import Correlator
from blochflow.models.base import AbstractModel

PSD_TOLERANCE = 1e-10


def check_correlation(vertices: np.ndarray, correlation: Correlator, model: AbstractModel) -> None:
    """W at random q is Hermitian, positive semidefinite, W(-q) = W(q)^*, and periodic on a lattice.

    Raises
    ------
    ValueError
        Says which of these fails, and at which q.
    """
    d = model.dimension
    size = zone_size(model)
    q = size * np.random.default_rng(20).uniform(-1, 1, (32, d))
    values = correlation(q)
    largest = max(float(np.abs(values).max()), 1e-300)
    lowest = np.linalg.eigvalsh(values)[:, 0]
    wrong = [
        ("be Hermitian", np.abs(values - values.conj().swapaxes(-1, -2)).max(axis=(1, 2))),
        (
            "have W(-q) = W(q)^*, as real potentials have",
            np.abs(correlation(-q) - values.conj()).max(axis=(1, 2)),
        ),
        ("be positive semidefinite", np.maximum(-lowest, 0)),
    ]
    if model.lattice is not None:
        must = "repeat with the reciprocal vectors of the lattice (sum it over them, or use bf.Disorder.gaussian)"
        wrong.append((must, _aperiodicity(vertices, correlation, model, q, values)))
    for must, by in wrong:
        if by.max() > PSD_TOLERANCE * largest:
            at = int(by.argmax())
            raise fail("disorder.correlator", must, f"fails at q = {np.round(q[at], 4).tolist()} by {by[at]:.3g}")


def check_positive(correlation: Correlator, q: np.ndarray) -> None:
    """W(q) of wave vectors (Q, d) between which carriers are scattered has no negative eigenvalue.

    Raises
    ------
    ValueError
        Names the q.
    """
    values = correlation(q)
    lowest = np.linalg.eigvalsh(values)[:, 0]
    if lowest.min() < -PSD_TOLERANCE * np.abs(values).max():
        at = int(lowest.argmin())
        must = "be positive semidefinite at every q"
        raise fail("disorder.correlator", must, f"has {lowest[at]:.3g} at q = {np.round(q[at], 4).tolist()}")


def zone_size(model: AbstractModel) -> float:
    """Size of k: the cutoff, or the largest component of a reciprocal vector."""
    if model.lattice is None:
        return float(model.cutoff)  # type: ignore[attr-defined]
    return float(np.abs(np.asarray(model.lattice.reciprocal)).max())


def _aperiodicity(
    vertices: np.ndarray, correlation: Correlator, model: AbstractModel, q: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Largest change of sum_ab W_ab(q) V_a X V_b under k -> k + G with the phases of the orbitals."""
    n = model.num_bands
    mix = np.random.default_rng(21).normal(size=(2, n, n)) @ np.ones(n)
    x = np.outer(mix[0] + 1j * mix[1], mix[0] - 1j * mix[1]) / n
    between = np.einsum("aij,jk,bkl->abil", vertices, x, vertices)
    base, worst = np.einsum("qab,abil->qil", values, between), np.zeros(len(q))
    for vector in np.asarray(model.lattice.reciprocal):  # type: ignore[union-attr]
        phase = np.ones(n) if model.orbitals is None else np.exp(-1j * np.asarray(model.orbitals) @ vector)
        moved = np.einsum("qab,abil->qil", correlation(q + vector), between)
        moved = phase.conj()[:, None] * moved * phase
        worst = np.maximum(worst, np.abs(moved - base).max(axis=(1, 2)))
    return worst
