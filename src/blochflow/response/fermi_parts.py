"""Parts of a response at the Fermi surface of one energy, on surfaces that are whole, closed and scattered everywhere.

At T = 0 `cold_parts` asks for surfaces of more and more points, at T > 0 `warm_parts` for those of many energies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

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
from blochflow.geometry.fermi_surface import SurfaceFinder
from blochflow.models.base import AbstractModel
from blochflow.response.critical_energies import CriticalPoint, critical_points
from blochflow.response.observables import at_points

# Points per curve, and detection grids with points per triangle, from coarse to fine.  The first mesh has the size of
# triangles of the next ones, but a rule of lower order, so that the difference shows its error and not less.
CURVES = (32, 64, 128, 256, 512, 1024, 2048)
MESHES = ((6, 3), (9, 7), (13, 7), (19, 7), (28, 7))
# Crossed diagrams cost N^3.
CROSSED_CURVES = (32, 64, 128)
# mu is at an edge or saddle of a band within this share of the largest energy.
AT_EDGE = 1e-9
EDGE_TEXT = "keep clear of band edges and van Hove energies, where the Fermi surface changes its topology"
# Closure residual beyond which a surface is incomplete.
OPEN = 0.05
# Rates below this share of the largest are none; points between which W is checked.
UNSCATTERED, PSD_POINTS = 1e-12, 128


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
    def finder(self) -> SurfaceFinder:
        """Of the surfaces at all energies."""
        return SurfaceFinder(self.model, self.execution)

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
        surface = self.finder.surface(energy, grid, points)
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


def _half(grid: Any) -> Any:
    return [max(4, int(0.7 * n)) for n in grid] if np.ndim(grid) else max(4, int(0.7 * grid))
