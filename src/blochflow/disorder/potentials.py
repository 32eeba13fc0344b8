"""Static disorder: which matrices couple to the electrons, and how their strengths are correlated.

    U(q) = sum_a U_a(q) V_a,   <U_a(q) U_b(q)^*> = W_ab(q)  per volume,   units of W: energy^2 length^d

White: W = n_i V_0^2.  Gaussian, <U(r) U(r')> = (u^2/(2 pi l^2)^(d/2)) exp(-r^2/2 l^2):  W = u^2 exp(-q^2 l^2/2).
Screened Coulomb: W = n_i (e^2/2 eps_0 eps_r)^2/(q + q_s)^2 in two, n_i (e^2/eps_0 eps_r)^2/(q^2 + q_s^2)^2 in three
dimensions; natural units have e^2/(4 pi eps_0) = 1.
On a lattice a potential takes one value at every site, so that W_ab(q) = sum_G W(q + G) exp(i G.(tau_a - tau_b)) for
the sites a, b; without ``vertices`` each site (orbitals at one place) is a vertex.
Source: Sinitsyn, J. Phys.: Condens. Matter 20, 023201 (2008); Ando, Fowler, Stern, RMP 54, 437 (1982), Sec. IV.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.core.errors import UserModelError
from blochflow.models.base import AbstractModel
from blochflow.models.operators import as_operators

# e^2/eps_0 in the unit systems
COULOMB = {"NATURAL": 4 * np.pi, "EV_ANGSTROM": 180.95128169}
# Neglected part of a sum over reciprocal vectors.
SHELL_TOLERANCE = 1e-16
PSD_TOLERANCE = 1e-10
# Two orbitals at one place, in units of the shortest lattice vector.
SAME_PLACE = 1e-6

Correlator = Callable[[np.ndarray], Any]


@dataclass(frozen=True, eq=False)
class Disorder:
    """A static random potential with given correlations.

        <U_a(q) U_b(q)^*> = W_ab(q) per volume

    Source: [Burgos2022] Sec. II; [Sinitsyn2008] Sec. 2.  Valid for: weak disorder, short-ranged or smooth.

    Parameters
    ----------
    correlator : callable
        ``correlator(q)`` with q of shape (.., d) gives W of shape (..) or, for V vertices, (.., V, V): real symmetric
        (or Hermitian) and positive semidefinite.  On a lattice it must repeat with the reciprocal vectors, up to the
        phases of sites in different places.
    vertices : sequence of (N, N) matrices or names of operators, optional
        V_a, Hermitian, in the orbital basis.  Default: the identity; on a lattice, one projector for each site, whose
        potentials are independent for white noise.
    third_cumulant : float, optional
        <U U U> = n_i V_0^3 of white noise, units energy^3 length^2d; gives the third-cumulant skew scattering.

    Raises
    ------
    ValueError
        Wrong arguments.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Disorder.white(0.1).describe()
    'white noise of strength 0.1'
    """

    correlator: Correlator
    vertices: Sequence[Any] | None = None
    third_cumulant: float | None = None
    kind: str = field(default="user", kw_only=True)
    numbers: dict[str, float] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        if not callable(self.correlator):
            raise fail("correlator", "be a function of q", f"is {type(self.correlator).__name__}")
        if self.third_cumulant is not None:
            as_real_array(self.third_cumulant, "third_cumulant", max_ndim=0)
            if self.kind != "white":
                raise fail("third_cumulant", "be left out unless the disorder is white", f"is {self.third_cumulant!r}")
        if self.vertices is not None and (isinstance(self.vertices, str) or not len(self.vertices)):
            raise fail("vertices", "be a list of matrices or names of operators", f"is {self.vertices!r}")

    @classmethod
    def white(
        cls, strength: float, *, vertices: Sequence[Any] | None = None, third_cumulant: float | None = None
    ) -> Disorder:
        """Short-ranged impurities: W = ``strength`` = n_i V_0^2 at all q, the same and independent for all vertices."""
        value = _positive(strength, "strength")
        return cls(_Constant(value), vertices, third_cumulant, kind="white", numbers={"strength": value})

    @classmethod
    def gaussian(cls, strength: float, length: float, *, vertices: Sequence[Any] | None = None) -> Disorder:
        """W = ``strength`` exp(-q^2 ``length``^2/2), a smooth potential with Gaussian correlations."""
        numbers = {"strength": _positive(strength, "strength"), "length": _positive(length, "length")}
        return cls(_Gaussian(**numbers), vertices, kind="gaussian", numbers=numbers)

    @classmethod
    def coulomb(
        cls, density: float, dielectric: float, screening: float, *, vertices: Sequence[Any] | None = None
    ) -> Disorder:
        """Charged impurities of a ``density`` with dielectric constant and screening wave number q_s > 0."""
        names = ("density", "dielectric", "screening")
        values = (density, dielectric, screening)
        numbers = {name: _positive(value, name) for name, value in zip(names, values, strict=True)}
        return cls(_no_units, vertices, kind="coulomb", numbers=numbers)

    def describe(self) -> str:
        """One line for results."""
        names = {"white": "white noise", "gaussian": "Gaussian correlations", "coulomb": "screened Coulomb"}
        text = names.get(self.kind, f"correlator {getattr(self.correlator, '__name__', 'of the user')}")
        if self.numbers:
            text += " of " + ", ".join(f"{name} {value:g}" for name, value in self.numbers.items())
        if self.vertices is not None:
            text += f", {len(self.vertices)} vertices"
        return text if self.third_cumulant is None else f"{text}, third cumulant {self.third_cumulant:g}"


@dataclass(frozen=True, eq=False)
class Scatterers:
    """A `Disorder` for one model.

    Attributes
    ----------
    vertices : (V, N, N)
    correlation : callable
        q (.., d) -> W (.., V, V), Hermitian.
    constant : (V, V) or None
        W where it does not depend on q.
    third : (V,) or None
        Third cumulant of every vertex.
    """

    vertices: np.ndarray
    correlation: Correlator
    constant: np.ndarray | None
    third: np.ndarray | None


def scatterers(disorder: Any, model: AbstractModel) -> Scatterers:
    """Check a `Disorder` against a model.

    Raises
    ------
    ValueError
        Not a `Disorder`, vertices of the wrong shape or not Hermitian, W not finite, Hermitian, positive semidefinite,
        or not periodic on a lattice.
    """
    if not isinstance(disorder, Disorder):
        raise fail("disorder", "be a bf.Disorder, e.g. bf.Disorder.white(0.1)", f"is {disorder!r}")
    sites = None if disorder.vertices is not None else site_projectors(model)
    vertices = as_vertices(disorder.vertices, model) if sites is None else sites[0]
    shifts = np.zeros((len(vertices), model.dimension)) if sites is None else sites[1]
    correlation = correlation_of(disorder, model, len(vertices), shifts)
    found = Scatterers(vertices, correlation, None, None)
    check_correlation(found, model)
    if disorder.kind != "white":
        return found
    third = None if disorder.third_cumulant is None else np.full(len(vertices), float(disorder.third_cumulant))
    return Scatterers(vertices, correlation, correlation(np.zeros(model.dimension)), third)


def as_vertices(vertices: Sequence[Any] | None, model: AbstractModel) -> np.ndarray:
    """(V, N, N): the identity, or what the user gives."""
    if vertices is None:
        return np.eye(model.num_bands, dtype=complex)[None]
    found = []
    for i, vertex in enumerate(vertices):
        if isinstance(vertex, str):
            matrix = np.asarray(model.operator(vertex))
            if matrix.ndim == 3:
                raise fail(f"vertices[{i}]", "name one component of the operator", f"is {vertex!r}")
        else:
            matrix = np.asarray(as_operators({f"vertices[{i}]": vertex}, model.num_bands)[f"vertices[{i}]"])
            if matrix.ndim == 3:
                raise fail(f"vertices[{i}]", "be one matrix", f"has shape {matrix.shape}")
        if model.orbitals is not None and not _is_local(matrix, np.asarray(model.orbitals)):
            raise fail(f"vertices[{i}]", "connect orbitals at the same place only", "connects different places")
        found.append(matrix)
    return np.stack(found)


def site_projectors(model: AbstractModel) -> tuple[np.ndarray, np.ndarray] | None:
    """Projectors on the orbitals at each place and the places, for lattice models with several places."""
    if model.lattice is None or model.orbitals is None:
        return None
    orbitals = np.asarray(model.orbitals)
    near = SAME_PLACE * model.lattice.shortest
    first = [int((np.linalg.norm(orbitals - x, axis=1) < near).argmax()) for x in orbitals]
    places = sorted(set(first))
    if len(places) == 1:
        return None
    projectors = [np.diag(np.array(first) == place).astype(complex) for place in places]
    return np.stack(projectors), orbitals[places]


def correlation_of(disorder: Disorder, model: AbstractModel, count: int, places: np.ndarray) -> Correlator:
    """W (.., V, V) as a function of q (.., d)."""
    if disorder.kind == "user":
        return lambda q: _as_matrices(disorder.correlator, q, count)
    scalar: Correlator = disorder.correlator
    if disorder.kind == "coulomb":
        scalar = _Coulomb(**disorder.numbers, coupling=COULOMB[model.units.name])
    if disorder.kind == "white":
        return lambda q: np.broadcast_to(scalar(q)[..., None, None] * np.eye(count), (*np.shape(q)[:-1], count, count))
    independent = disorder.vertices is not None
    if model.lattice is None:
        shape = np.eye(count) if independent else np.ones((count, count))
        return lambda q: scalar(q)[..., None, None] * shape
    return _OnLattice(scalar, np.asarray(model.lattice.reciprocal), places, disorder.kind == "coulomb", independent)


def check_correlation(found: Scatterers, model: AbstractModel) -> None:
    """W at random q is Hermitian, positive semidefinite, W(-q) = W(q)^*, and periodic on a lattice.

    Raises
    ------
    ValueError
        Says which of these fails, and at which q.
    """
    d = model.dimension
    size = zone_size(model)
    q = size * np.random.default_rng(20).uniform(-1, 1, (32, d))
    values = found.correlation(q)
    largest = max(float(np.abs(values).max()), 1e-300)
    lowest = np.linalg.eigvalsh(values)[:, 0]
    wrong = [
        ("be Hermitian", np.abs(values - values.conj().swapaxes(-1, -2)).max(axis=(1, 2))),
        (
            "have W(-q) = W(q)^*, as real potentials have",
            np.abs(found.correlation(-q) - values.conj()).max(axis=(1, 2)),
        ),
        ("be positive semidefinite", np.maximum(-lowest, 0)),
    ]
    if model.lattice is not None:
        must = "repeat with the reciprocal vectors of the lattice (sum it over them, or use bf.Disorder.gaussian)"
        wrong.append((must, _aperiodicity(found, model, q, values)))
    for must, by in wrong:
        if by.max() > PSD_TOLERANCE * largest:
            at = int(by.argmax())
            raise fail("disorder.correlator", must, f"fails at q = {np.round(q[at], 4).tolist()} by {by[at]:.3g}")


def zone_size(model: AbstractModel) -> float:
    """Size of k: the cutoff, or the largest component of a reciprocal vector."""
    if model.lattice is None:
        return float(model.cutoff)  # type: ignore[attr-defined]
    return float(np.abs(np.asarray(model.lattice.reciprocal)).max())


def _aperiodicity(found: Scatterers, model: AbstractModel, q: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Largest change of sum_ab W_ab(q) V_a X V_b under k -> k + G with the phases of the orbitals."""
    n = model.num_bands
    mix = np.random.default_rng(21).normal(size=(2, n, n)) @ np.ones(n)
    x = np.outer(mix[0] + 1j * mix[1], mix[0] - 1j * mix[1]) / n
    between = np.einsum("aij,jk,bkl->abil", found.vertices, x, found.vertices)
    base, worst = np.einsum("qab,abil->qil", values, between), np.zeros(len(q))
    for vector in np.asarray(model.lattice.reciprocal):  # type: ignore[union-attr]
        phase = np.ones(n) if model.orbitals is None else np.exp(-1j * np.asarray(model.orbitals) @ vector)
        moved = np.einsum("qab,abil->qil", found.correlation(q + vector), between)
        moved = phase.conj()[:, None] * moved * phase
        worst = np.maximum(worst, np.abs(moved - base).max(axis=(1, 2)))
    return worst


@dataclass(frozen=True)
class _Constant:
    strength: float

    def __call__(self, q: np.ndarray) -> np.ndarray:
        return np.full(np.shape(q)[:-1], self.strength)


@dataclass(frozen=True)
class _Gaussian:
    strength: float
    length: float

    def __call__(self, q: np.ndarray) -> np.ndarray:
        return np.asarray(self.strength * np.exp(-0.5 * self.length**2 * (np.asarray(q) ** 2).sum(axis=-1)))

    @property
    def reach(self) -> float:
        """|q| beyond which W is below rounding error."""
        return float(np.sqrt(-2 * np.log(SHELL_TOLERANCE)) / self.length)


@dataclass(frozen=True)
class _Coulomb:
    density: float
    dielectric: float
    screening: float
    coupling: float

    def __call__(self, q: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(q, axis=-1)
        strength = self.coupling / self.dielectric
        if np.shape(q)[-1] == 3:
            return np.asarray(self.density * strength**2 / (length**2 + self.screening**2) ** 2)
        return np.asarray(self.density * (0.5 * strength) ** 2 / (length + self.screening) ** 2)


@dataclass(frozen=True)
class _OnLattice:
    """W_ab(q) = sum_G W(q + G) exp(i G.(tau_a - tau_b)); only the shortest q + G for ``folded``."""

    scalar: Any
    reciprocal: np.ndarray
    places: np.ndarray
    folded: bool
    independent: bool

    def __call__(self, q: np.ndarray) -> np.ndarray:
        q = np.asarray(q, dtype=float)
        # the sum is taken around the nearest reciprocal vector, so that few terms serve every q
        near = -np.rint(q @ np.linalg.inv(self.reciprocal)) @ self.reciprocal
        total = np.zeros((*q.shape[:-1], len(self.places), len(self.places)), dtype=complex)
        shortest = np.full(q.shape[:-1], np.inf)
        for vector in self._vectors():
            moved = q + near + vector
            value = self.scalar(moved)[..., None, None] * self._phases(near + vector)
            if not self.folded:
                total = total + value
                continue
            length = np.linalg.norm(moved, axis=-1)
            nearer = length < shortest - 1e-12
            total = np.where(nearer[..., None, None], value, total)
            shortest = np.where(nearer, length, shortest)
        return total if np.abs(total.imag).max() > 0 else total.real

    def _phases(self, vector: np.ndarray) -> np.ndarray:
        if self.independent:
            return np.broadcast_to(np.eye(len(self.places)), (*vector.shape[:-1], *[len(self.places)] * 2))
        phase = np.exp(1j * vector @ self.places.T)
        return np.asarray(phase[..., :, None] * phase[..., None, :].conj())

    def _vectors(self) -> np.ndarray:
        """Reciprocal vectors around the origin that a sum needs, the origin first."""
        d = len(self.reciprocal)
        height = 1 / np.linalg.norm(np.linalg.inv(self.reciprocal), axis=0)
        reach = 0.0 if self.folded else self.scalar.reach
        shells = [int(np.ceil(reach / h)) + 1 for h in height]
        index = np.array(list(itertools.product(*[range(-n, n + 1) for n in shells])))
        return index[np.argsort(np.abs(index).sum(axis=1), kind="stable")].reshape(-1, d) @ self.reciprocal


def _no_units(q: np.ndarray) -> np.ndarray:
    raise ValueError("The Coulomb correlator needs the units of a model.")


def _as_matrices(function: Correlator, q: np.ndarray, count: int) -> np.ndarray:
    """What a user's correlator returns as (.., V, V)."""
    try:
        values = np.asarray(function(np.asarray(q)))
    except Exception as exc:
        raise UserModelError(
            f"The correlator failed for q of shape {np.shape(q)}: {exc}. Write it with numpy."
        ) from exc
    shape = np.shape(q)[:-1]
    if values.shape == shape or values.shape == ():
        values = np.broadcast_to(values, shape)[..., None, None] * np.eye(count)
    if values.shape != (*shape, count, count):
        must = f"return shape (..) or (.., {count}, {count}) for q of shape (.., {np.shape(q)[-1]})"
        raise fail("disorder.correlator", must, f"returns {values.shape}")
    if not np.isfinite(values).all():
        at = np.argwhere(~np.isfinite(values).all(axis=(-1, -2)))[0]
        raise fail("disorder.correlator", "be finite", f"is not at q = {np.asarray(q)[tuple(at)].tolist()}")
    return values


def _is_local(matrix: np.ndarray, orbitals: np.ndarray) -> bool:
    i, j = np.nonzero(np.abs(matrix) > 0)
    return bool(np.allclose(orbitals[i], orbitals[j], atol=1e-9))


def _positive(value: Any, name: str) -> float:
    return float(as_real_array(value, name, max_ndim=0, positive=True))
