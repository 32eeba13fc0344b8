"""Parts of a response at the Fermi surface: at one energy to a tolerance, or averaged over -f' at T > 0.

    chi(mu, T) = Int d eps (-f'(eps)) chi(eps)

Two numbers of points on the surface, one twice the other (two grids in three dimensions), give the error.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit

from blochflow.core.checks import fail
from blochflow.core.errors import BlochflowError
from blochflow.disorder.collision import Collision
from blochflow.disorder.correlation_checks import check_positive
from blochflow.disorder.crossed import crossed_drive
from blochflow.disorder.curves import by_direction
from blochflow.disorder.fermi_points import FermiPoints, fermi_points
from blochflow.disorder.linear_response import PARTS, respond
from blochflow.disorder.potentials import Scatterers
from blochflow.disorder.scattering import Scattering
from blochflow.execution.threads import Execution
from blochflow.geometry.fermi_surface import fermi_surface
from blochflow.models.base import AbstractModel
from blochflow.response.critical_energies import CriticalPoint, critical_points
from blochflow.response.observables import at_points

# Points per curve, and detection grids with points per triangle, from coarse to fine.  The first mesh has the size of
# triangles of the next ones, but a rule of lower order, so that the difference shows its error and not less.
CURVES = (32, 64, 128, 256, 512, 1024, 2048)
MESHES = ((6, 3), (9, 7), (13, 7), (19, 7), (28, 7))
# Crossed diagrams cost N^3.
CROSSED_CURVES = (32, 64, 128)
# The energy window: |eps - mu| in k_B T, where -f' is 1e-10 of its maximum.
WINDOW = 24.0
# Ends of panels of the integral over energy, and where surfaces of two sizes are compared, in k_B T from mu.
PANELS = (-8.0, -3.0, 0.0, 3.0, 8.0)
SAMPLES = (-1.5, 1.5)
# mu is at an edge or saddle of a band within this share of the largest energy.
AT_EDGE = 1e-9
EDGE_TEXT = "keep clear of band edges and van Hove energies, where the Fermi surface changes its topology"
# Closure residual beyond which a surface is incomplete.
OPEN = 0.05
# Crossed parts are this much less certain than two numbers of points tell.
CROSSED_SAFETY = 4.0
# Rates below this share of the largest are none; points between which W is checked.
UNSCATTERED, PSD_POINTS = 1e-12, 128
# f (1 - f) below which a band edge holds no carriers: near the smallest number.
UNOCCUPIED = 1e-280


class Unresolved(ValueError):
    """A surface that this grid does not resolve; a finer one may."""


@dataclass(frozen=True, eq=False)
class FermiParts:
    """What is asked for: parts of the response of ``observable`` (None: the current) to a field."""

    model: AbstractModel
    scatterers: Scatterers
    observable: Any
    components: int
    crossed: bool
    points: int | None
    grid: Any
    execution: Execution

    @property
    def shape(self) -> tuple[int, int, int]:
        """(parts, components, directions)."""
        return len(PARTS), self.components, self.model.dimension

    @cached_property
    def critical(self) -> list[CriticalPoint]:
        """Edges of bands, further extrema and saddles: a search that is made once."""
        return critical_points(self.model)

    @cached_property
    def ranges(self) -> list[tuple[float, float]]:
        """Lowest and highest energy of every band."""
        bands = {x.band for x in self.critical}
        energies = [[x.energy for x in self.critical if x.band == band] for band in bands]
        return [(min(x), max(x)) for x in energies]

    def in_band(self, energy: float) -> bool:
        """Whether some band has states at this energy."""
        return any(low < energy < high for low, high in self.ranges)

    @property
    def edges(self) -> np.ndarray:
        """Energies where the surface changes its topology."""
        return np.array([point.energy for point in self.critical])

    def depth(self, energies: np.ndarray) -> float:
        """Distance of energies from the nearest edge of a band; saddles and the cutoff are no edges."""
        edges = [x.energy for x in self.critical if x.is_edge]
        return float(np.abs(np.subtract.outer(energies, edges)).min(initial=np.inf))

    def check_energy(self, mu: float, kt: float) -> None:
        """Refuse chemical potentials at which no number would be right.

        Raises
        ------
        ValueError
            Beyond all states of a k.p model, or at T = 0 at an edge or saddle; names the place.
        """
        if not self.critical:
            return
        unit, (low, *_, high) = self.model.units.energy, self.critical
        for end, beyond in ((low, mu < low.energy), (high, mu > high.energy)):
            if beyond and end.at_cutoff:
                raise fail(
                    "mu",
                    "lie between the energies that the model has inside its cutoff",
                    f"is {mu:.6g} {unit}, and {end.describe()}, at the cutoff, is {end.energy:.6g} {unit}; "
                    "raise `cutoff`",
                )
        near = self.nearest(mu)
        size = max(abs(low.energy), abs(high.energy))
        if kt == 0 and abs(near.energy - mu) <= AT_EDGE * size:
            cut = near.at_cutoff
            must = "have a Fermi surface inside the cutoff of the model" if cut else EDGE_TEXT
            remedy = "raise `cutoff`" if cut else "shift mu by more than hbar/tau"
            remedy += ", or use temperature > 0" if near.is_edge else ""
            raise fail("mu", must, f"mu = {mu:.9g} {unit} is that of {near.describe()}; {remedy}")

    def nearest(self, energy: float) -> CriticalPoint:
        """The place where the surface changes its topology at the closest energy."""
        return min(self.critical, key=lambda x: abs(x.energy - energy))

    def levels(self) -> list[tuple[Any, Any]]:
        """Pairs (grid, points) for `fermi_surface`, coarse to fine."""
        if self.model.dimension == 3:
            return [(n, count) for n, count in MESHES] if self.grid is None else [(_half(self.grid), 7), (self.grid, 7)]
        counts: tuple[int, ...] = CROSSED_CURVES if self.crossed else CURVES
        if self.points is not None:
            counts = (self.points // 2, self.points)
        return [(self.grid, count) for count in counts]

    def at(self, energy: float, level: tuple[Any, Any], seen: Diagnostics) -> np.ndarray:
        """All parts at one energy; zeros where no band is."""
        grid, points = level
        surface = fermi_surface(self.model, energy, grid=grid, points=points, execution=self.execution)
        seen.evaluations += surface.evaluations
        result = np.zeros(self.shape)
        if not len(surface.k):
            if self.in_band(energy):
                raise Unresolved(f"No surface of this grid crosses energy {energy:.6g}, which lies in a band.")
            seen.note = surface.note
            return result
        collision = self.collide(surface, energy)
        found = collision.points
        seen.sheets = self.several_sheets(surface)
        extra = {}
        if self.crossed:
            extra["crossed"] = lambda phi: crossed_drive(self.model, energy, collision, phi)
        answer = respond(collision, extra=extra)
        matrices = -found.velocity if self.observable is None else at_points(self.observable, found.k)
        for name, value in answer.parts(matrices).items():
            result[PARTS.index(name)] = value
        if not np.isfinite(result).all():
            raise BlochflowError(
                f"The response at energy {energy:.6g} is not finite; the disorder or model has a pole."
            )
        seen.add(found, collision, found.average(-found.velocity, answer.phi["drude"]), answer.iterations)
        return result

    def collide(self, surface: Any, energy: float) -> Collision:
        """Collisions between the points of a surface that is whole, closed and scattered everywhere.

        Raises
        ------
        ValueError
            It is not; the argument ``mu`` or ``disorder``.
        """
        self.check_surface(surface, energy)
        if self.crossed:
            surface = by_direction(self.model, surface)
        found = fermi_points(self.model, surface)
        if found.closure > OPEN:
            raise self._unresolved(f"|sum w v| is {found.closure:.2g} of sum w |v|", energy)
        collision = Collision(Scattering(found, self.scatterers))
        self.check_scattering(collision, energy)
        return collision

    def several_sheets(self, surface: Any) -> str:
        """A note on k.p models in which one band has several sheets, of which outer ones may be spurious."""
        if self.model.lattice is not None:
            return ""
        bands = [tuple(sheet.bands) for sheet in surface.sheets]
        several = sorted({b for b in bands if bands.count(b) > 1})
        if not several:
            return ""
        radius = np.linalg.norm(surface.k, axis=1)
        far = [float(radius[surface.sheet == i].max()) for i, b in enumerate(bands) if b in several]
        return (
            f"band {several[0][0]} has {bands.count(several[0])} sheets, out to |k| = {max(far):.4g}: where the model "
            "does not hold there, lower its cutoff"
        )

    def check_scattering(self, collision: Collision, energy: float) -> None:
        """Refuse carriers that nothing scatters, and correlations that are negative between points of the surface.

        Raises
        ------
        ValueError
            The argument ``disorder``.
        """
        found, rates = collision.points, collision.rates
        if rates.min() <= UNSCATTERED * rates.max() or rates.max() == 0:
            at = int(rates.argmin())
            place = f"at k = {np.round(found.k[at], 4).tolist()} and energy {energy:.6g}"
            must = "scatter all carriers of the Fermi surface, else their conductivity is infinite"
            raise fail("disorder", must, f"leaves those {place} alone (rate {rates[at]:.3g} of {rates.max():.3g})")
        if self.scatterers.constant is None:
            some = found.k[np.unique(np.linspace(0, len(found.k) - 1, PSD_POINTS).astype(int))]
            check_positive(self.scatterers.correlation, (some[:, None] - some).reshape(-1, some.shape[1]))

    def check_surface(self, surface: Any, energy: float) -> None:
        """Refuse a surface that is cut, or not resolved.

        Raises
        ------
        ValueError
            The argument ``mu``.
        """
        for sheet in surface.sheets:
            if sheet.touches_cutoff:
                raise fail(
                    "mu",
                    "have a Fermi surface inside the cutoff of the model",
                    f"at energy {energy:.6g} a sheet of band {sheet.bands} ends at |k| = {float(self.model.cutoff):g}; "  # type: ignore[attr-defined]
                    "raise `cutoff`, or lower it to leave out a spurious pocket",
                )
            if np.isnan(sheet.error):
                raise self._unresolved(f"the surface of band {sheet.bands} is not resolved", energy)

    def _unresolved(self, what: str, energy: float) -> Unresolved:
        """The message names the nearest place that a surface at this energy may suffer from."""
        text = f" at energy {energy:.6g}"
        if self.critical:
            near = self.nearest(energy)
            text += f", {abs(energy - near.energy):.3g} {self.model.units.energy} from {near.describe()}"
        return Unresolved(str(fail("mu", EDGE_TEXT, f"{what}{text}; shift mu, or use a finer `grid`")))


@dataclass
class Diagnostics:
    """What was seen on the way, at the finest surface nearest to mu."""

    evaluations: int = 0
    note: str = ""
    gap: float = np.inf
    closure: float = 0.0
    rate: float = 0.0
    lifetime: float = np.nan
    transport: np.ndarray | None = None
    density_of_states: float = 0.0
    size: int = 0
    iterations: int = 0
    sheets: str = ""
    history: list[tuple[int, np.ndarray]] = field(default_factory=list)

    def add(self, found: FermiPoints, collision: Collision, drude: np.ndarray, iterations: int) -> None:
        """Take in one surface."""
        self.gap, self.closure = min(self.gap, found.gap), max(self.closure, found.closure)
        weight = found.weights * found.rank
        self.rate = max(self.rate, float(collision.rates.max()))
        self.lifetime = float(weight.sum() / (weight @ collision.rates))
        # e^2 Int dS/|v| v_a^2 tau = sigma_aa
        square = np.einsum("k,ka->a", weight, found.speed**2)
        self.transport = np.diagonal(drude) / np.maximum(square, 1e-300)
        self.density_of_states = float(weight.sum())
        self.size, self.iterations = len(found.k), max(self.iterations, iterations)


def cold_parts(request: FermiParts, mu: float, tolerance: Any) -> tuple[np.ndarray, np.ndarray, bool, Diagnostics]:
    """Parts at T = 0, their errors, whether they meet the tolerance, and diagnostics."""
    seen = Diagnostics()
    coarse: np.ndarray | None = None
    error, good = np.full(request.shape, np.nan), False
    levels = request.levels()
    for level in levels:
        try:
            fine = request.at(mu, level, seen)
        except Unresolved:
            if level == levels[-1]:
                raise
            coarse = None
            continue
        seen.history.append((seen.evaluations, fine))
        if coarse is not None:
            error = _differences(coarse, fine)
            good = meets(fine, error, tolerance)
        coarse = fine
        if good or not seen.size:
            break
    if not seen.size:
        return np.zeros(request.shape), np.zeros(request.shape), True, seen
    seen.note = ""
    return fine, error, good, seen


def warm_parts(
    request: FermiParts, mu: float, kt: float, tolerance: Any
) -> tuple[np.ndarray, np.ndarray, bool, Diagnostics]:
    """Parts at T > 0; errors of the integral over energy, and of the surface at `SAMPLES` energies."""
    from scipy.integrate import quad_vec

    seen = Diagnostics()
    result, error, good = np.zeros(request.shape), np.zeros(request.shape), False
    low, high, samples = energy_window(request, mu, kt)
    if not samples:
        seen.note = "no band has carriers at this temperature"
        return result, error, True, seen
    inside = [float(e) for e in request.edges if low < e < high]
    # ends of panels that all but coincide with an edge would leave panels of rounding
    panels = [mu + x * kt for x in PANELS if min((abs(mu + x * kt - e) for e in inside), default=kt) > 1e-3 * kt]
    breaks = sorted({*inside, *panels})
    weights = [4 * slope_of_step(e, mu, kt) for e in samples]
    for coarse, fine in itertools.pairwise(request.levels()):
        try:
            pairs = [
                [w * request.at(e, x, seen) for x in (coarse, fine)] for e, w in zip(samples, weights, strict=True)
            ]
        except Unresolved as exc:
            if fine == request.levels()[-1]:
                raise fail_warm(request, mu, kt, exc) from exc
            continue
        doubt = np.max([_differences(*pair) for pair in pairs], axis=0)
        size = np.max([np.abs(pair[1]).max(axis=(1, 2)) for pair in pairs], axis=0)[:, None, None]
        if not meets(np.broadcast_to(size, request.shape), doubt, tolerance) and fine != request.levels()[-1]:
            continue
        scale = np.where(size > 1e-9 * size[1:].max(), size, max(float(size.max()), 1e-300))

        def weighed(energy: float, fine: Any = fine, scale: np.ndarray = scale) -> np.ndarray:
            return np.asarray(slope_of_step(energy, mu, kt) / kt * request.at(energy, fine, seen) / scale)

        aim = {"epsrel": 0.0, "epsabs": 0.5 * tolerance.rtol, "norm": "max", "limit": 60}
        try:
            total, missed = quad_vec(weighed, low, high, points=breaks, quadrature="gk15", **aim)
        except Unresolved as exc:
            if fine == request.levels()[-1]:
                raise fail_warm(request, mu, kt, exc) from exc
            continue
        result, error = scale * total, doubt + size * missed
        seen.history.append((seen.evaluations, result))
        good = meets(result, error, tolerance)
        break
    # of the energies of the integral, not of mu
    seen.note = ""
    return result, error, good, seen


def energy_window(request: FermiParts, mu: float, kt: float) -> tuple[float, float, list[float]]:
    """Ends of the integral over energy, and energies at which carriers are.

    Where mu lies in a band these are around mu; in a gap at its edges, however far these are, as long as their
    occupation is a number.
    """
    low, high = mu - WINDOW * kt, mu + WINDOW * kt
    samples = [mu + x * kt for x in SAMPLES]
    if all(map(request.in_band, samples)):
        return low, high, samples
    below = max((upper for _, upper in request.ranges if upper <= mu), default=None)
    above = min((lower for lower, _ in request.ranges if lower >= mu), default=None)
    held = [
        e + sign * kt
        for edge in (below, above, *(e for e in request.edges if low < e < high))
        if edge is not None and slope_of_step(edge, mu, kt) > UNOCCUPIED
        for e, sign in ((float(edge), -1.0), (float(edge), 1.0))
    ]
    ends = [e for e in (below, above) if e is not None and slope_of_step(e, mu, kt) > UNOCCUPIED]
    low = min([low, *(e - WINDOW * kt for e in ends)])
    high = max([high, *(e + WINDOW * kt for e in ends)])
    return low, high, sorted(filter(request.in_band, {*held, *samples}))


def slope_of_step(energy: float, mu: float, kt: float) -> float:
    """-k_B T f'(energy) = f (1 - f), without overflow."""
    x = (energy - mu) / kt
    return float(expit(x) * expit(-x))


def fail_warm(request: FermiParts, mu: float, kt: float, cause: Unresolved) -> ValueError:
    """Says at which state an energy of the integral was not resolved."""
    where = f"at mu = {mu:.6g} and k_B T = {kt:.6g} {request.model.units.energy} the integral over energy needs one"
    remedy = "use a finer `grid`, a higher temperature, or T = 0"
    return fail("mu", "have Fermi surfaces that are resolved around it", f"{where} that is not: {cause} {remedy}")


def meets(value: np.ndarray, error: np.ndarray, tolerance: Any) -> bool:
    """True where every part meets the tolerance relative to its own largest component, or is rounding."""
    if not np.isfinite(error).all():
        return False
    largest = np.abs(value).max(axis=(1, 2))
    allowed = np.maximum(tolerance.rtol * largest, rounding_of_parts(largest))
    if tolerance.atol is not None:
        allowed = np.maximum(allowed, tolerance.atol)
    return bool((error.max(axis=(1, 2)) <= allowed).all())


def rounding_of_parts(largest: np.ndarray) -> np.ndarray:
    """What is rounding beside parts of these sizes, (parts, ..): a share of Drude's and of the others."""
    return np.asarray(1e-9 * largest[1:].max(axis=0, initial=0.0) + 1e-12 * largest[0])


def _differences(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Errors by two surfaces; every component of a part is as uncertain as its worst."""
    error = np.abs(fine - coarse)
    error[PARTS.index("crossed")] *= CROSSED_SAFETY
    worst = error.max(axis=(1, 2), keepdims=True)
    return np.maximum(error, 0.1 * worst) + 1e-14 * np.abs(fine).max(axis=(1, 2), keepdims=True)


def _half(grid: Any) -> Any:
    return [max(4, int(0.7 * n)) for n in grid] if np.ndim(grid) else max(4, int(0.7 * grid))
