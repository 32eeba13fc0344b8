"""Static disorder: which matrices couple to the electrons, and how their strengths are correlated.

    U(q) = sum_a U_a(q) V_a,   <U_a(q) U_b(q)^*> = W_ab(q)  per volume,   units of W: energy^2 length^d

White: W = n_i V_0^2.  Gaussian, <U(r) U(r')> = (u^2/(2 pi l^2)^(d/2)) exp(-r^2/2 l^2):  W = u^2 exp(-q^2 l^2/2).
Screened Coulomb: W = n_i (e^2/2 eps_0 eps_r)^2 exp(-2 q d)/(q + q_s)^2 in two dimensions, of charges at the distance d
from the plane, n_i (e^2/eps_0 eps_r)^2/(q^2 + q_s^2)^2 in three; natural units have e^2/(4 pi eps_0) = 1.
On a lattice a potential takes one value at every site, so that W_ab(q) = sum_G W(q + G) exp(i G.(tau_a - tau_b)) for
the sites a, b (`lattice_sums`), for charges in a plane of electrons the shortest q + G alone; without ``vertices`` each
site (orbitals at one place) is a vertex.
Source: Sinitsyn, J. Phys.: Condens. Matter 20, 023201 (2008); Ando, Fowler, Stern, RMP 54, 437 (1982), Sec. IV.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blochflow.core.checks import as_real_array, fail
from blochflow.core.errors import ValidityWarning
from blochflow.disorder.correlation_checks import check_correlation
from blochflow.disorder.correlators import (
    COULOMB,
    Constant,
    Correlator,
    Coulomb,
    Gaussian,
    as_matrices,
    needs_units,
)
from blochflow.disorder.lattice_sums import on_lattice
from blochflow.models.base import AbstractModel
from blochflow.models.operators import as_hermitian, resolve_operator
from blochflow.zone.marching import shortest_basis

# Two orbitals at one place, in units of the shortest lattice vector.
SAME_PLACE = 1e-6


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
        listed = self.vertices is None or (isinstance(self.vertices, Sequence | np.ndarray) and len(self.vertices) > 0)
        if not listed or isinstance(self.vertices, str):
            raise fail("vertices", "be a list of matrices or names of operators", f"is {self.vertices!r}")

    @classmethod
    def white(
        cls, strength: float, *, vertices: Sequence[Any] | None = None, third_cumulant: float | None = None
    ) -> Disorder:
        """Short-ranged impurities: W = ``strength`` at all q, the same and independent for all vertices.

        k.p models: W = n_i V_0^2.  Lattices: random energies of variance s^2 on every site have W = s^2 V_cell; a share
        c of sites that differ by U has s^2 = c (1 - c) U^2.  A larger cell of the same crystal needs a larger W.
        """
        value = _positive(strength, "strength")
        return cls(Constant(value), vertices, third_cumulant, kind="white", numbers={"strength": value})

    @classmethod
    def gaussian(cls, strength: float, length: float, *, vertices: Sequence[Any] | None = None) -> Disorder:
        """W = strength exp(-q^2 length^2/2), a smooth potential with Gaussian correlations."""
        numbers = {"strength": _positive(strength, "strength"), "length": _positive(length, "length")}
        return cls(Gaussian(**numbers), vertices, kind="gaussian", numbers=numbers)

    @classmethod
    def coulomb(
        cls,
        density: float,
        dielectric: float,
        screening: float,
        *,
        distance: float = 0.0,
        vertices: Sequence[Any] | None = None,
    ) -> Disorder:
        """Charged impurities of a ``density`` with dielectric constant and screening wave number q_s > 0.

        Two dimensions: all charges have the ``distance`` d from the plane of the electrons, in the model's unit of
        length, W ~ exp(-2 q d)/(q + q_s)^2.  On a lattice with d = 0 only the shortest q + G counts: a potential
        without waves that the lattice does not resolve.  With several sites per cell this depends on the cell, and a
        `ValidityWarning` says so; with d > 0, and in three dimensions, nothing depends on the cell.
        """
        names = ("density", "dielectric", "screening")
        values = (density, dielectric, screening)
        numbers = {name: _positive(value, name) for name, value in zip(names, values, strict=True)}
        away = float(as_real_array(distance, "distance", max_ndim=0))
        if away < 0:
            raise fail("distance", "be at least 0", f"is {distance!r}")
        if away > 0:
            numbers["distance"] = away
        return cls(needs_units, vertices, kind="coulomb", numbers=numbers)

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
    separable : (callable, (V, V)) or None
        w and S where W_ab(q) = w(q) S_ab with a real w(q) that depends on q.
    """

    vertices: np.ndarray
    correlation: Correlator
    constant: np.ndarray | None
    third: np.ndarray | None
    separable: tuple[Correlator, np.ndarray] | None = None


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
    check_correlation(vertices, correlation, model)
    if disorder.kind != "white":
        return Scatterers(
            vertices, correlation, None, None, separable_form(disorder, model, correlation, len(vertices))
        )
    third = None if disorder.third_cumulant is None else np.full(len(vertices), float(disorder.third_cumulant))
    return Scatterers(vertices, correlation, correlation(np.zeros(model.dimension)), third)


def as_vertices(vertices: Sequence[Any] | None, model: AbstractModel) -> np.ndarray:
    """(V, N, N): the identity, or what the user gives."""
    if vertices is None:
        return np.eye(model.num_bands, dtype=complex)[None]
    found = []
    for i, vertex in enumerate(vertices):
        if isinstance(vertex, str):
            matrix = np.asarray(resolve_operator(model.operators, vertex, f"vertices[{i}]"))
            if matrix.ndim == 3:
                raise fail(f"vertices[{i}]", "name one component of the operator", f"is {vertex!r}")
        else:
            matrix = np.asarray(as_hermitian(vertex, model.num_bands, f"vertices[{i}]", single=True))
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
        return lambda q: as_matrices(disorder.correlator, q, count)
    scalar: Correlator = disorder.correlator
    if disorder.kind == "coulomb":
        scalar = Coulomb(**disorder.numbers, coupling=COULOMB[model.units.name])
        if model.dimension == 3 and "distance" in disorder.numbers:
            must = "have no `distance` in three dimensions, where charges are among the electrons"
            raise fail("disorder", must, f"has {disorder.numbers['distance']:g}")
        if model.dimension == 2 and "distance" not in disorder.numbers and site_projectors(model) is not None:
            warnings.warn(
                "Coulomb disorder of charges in the plane of a lattice keeps the shortest q + G only, for the sum over "
                "all of them diverges; with several sites per cell, scattering through larger wave vectors that the "
                "cell folds away is missing, and the result depends on the choice of the cell. Pass the distance of "
                "the charges from the plane, bf.Disorder.coulomb(.., distance=d) with d of the size of a lattice "
                "constant or more, or keep to pockets that are small against the zone.",
                ValidityWarning,
                stacklevel=4,
            )
    if disorder.kind == "white":
        return lambda q: np.broadcast_to(scalar(q)[..., None, None] * np.eye(count), (*np.shape(q)[:-1], count, count))
    independent = disorder.vertices is not None
    if model.lattice is None:
        shape = np.eye(count) if independent else np.ones((count, count))
        return lambda q: scalar(q)[..., None, None] * shape
    return on_lattice(scalar, shortest_basis(np.asarray(model.lattice.reciprocal)), places, independent)


def separable_form(
    disorder: Disorder, model: AbstractModel, correlation: Correlator, count: int
) -> tuple[Correlator, np.ndarray] | None:
    """w(q) and S of W_ab(q) = w(q) S_ab, known for one vertex and for k.p models with given correlations."""
    shape = np.eye(count)
    if count > 1 and (disorder.kind == "user" or model.lattice is not None):
        return None
    if np.iscomplexobj(correlation(np.zeros((1, model.dimension)))):
        return None
    return (lambda q: correlation(q)[..., 0, 0]), shape


def _is_local(matrix: np.ndarray, orbitals: np.ndarray) -> bool:
    i, j = np.nonzero(np.abs(matrix) > 0)
    return bool(np.allclose(orbitals[i], orbitals[j], atol=1e-9))


def _positive(value: Any, name: str) -> float:
    return float(as_real_array(value, name, max_ndim=0, positive=True))
