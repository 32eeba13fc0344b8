"""Response of a disordered Fermi surface to an electric field, term by term.

    K phi = -e E.v,     K phi_sj = e E.beta,     K phi_sk = -J_sk[phi],     K phi_3 = -J_3[phi]
    <B> = sum_i w_i { tr[B (phi + phi_sj + phi_sk + phi_3)] + tr[B X[phi]] }

phi is of order 1/W, all other terms of order W^0, and phi_3 of order kappa_3/W^2.
Source: Burgos Atencia, Niu, Culcer, Phys. Rev. Research 4, 013001 (2022), Eqs. (29), (34), (46), (60).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from blochflow.disorder.coherence import coherence, drive, side_jump_drive, third_cumulant_drive
from blochflow.disorder.collision import Collision
from blochflow.disorder.fermi_points import FermiPoints

# Parts of a response at the Fermi surface, in the order of results.
PARTS = ("drude", "extrinsic_velocity", "side_jump", "skew_scattering", "third_cumulant", "crossed")


@dataclass(frozen=True, eq=False)
class FermiResponse:
    """Distributions per unit field along every direction, (d, N, n, n) each; ``coherent`` is X[phi].

    ``phi`` maps the parts that change occupations to their distributions.
    """

    points: FermiPoints
    phi: dict[str, np.ndarray]
    coherent: np.ndarray
    iterations: int

    def parts(self, observable: np.ndarray) -> dict[str, np.ndarray]:
        """part -> (c, d) response of an observable (N, c, n, n); parts that vanish identically are left out."""
        result = {name: self.points.average(observable, phi) for name, phi in self.phi.items()}
        result["extrinsic_velocity"] = self.points.average(observable, self.coherent)
        return result


def respond(
    collision: Collision, *, extra: dict[str, Callable[[np.ndarray], np.ndarray]] | None = None
) -> FermiResponse:
    """Solve for the distributions; ``extra`` maps further parts to their drives, functions of phi."""
    points = collision.points
    leading, steps = collision.solve(-points.block_velocity.swapaxes(0, 1))
    scattered = collision.scattering.apply(leading)
    coherent = coherence(collision, scattered, leading)
    driven = {
        "side_jump": side_jump_drive(collision),
        "skew_scattering": drive(collision, coherent, scattered),
    }
    if collision.scattering.scatterers.third is not None:
        driven["third_cumulant"] = third_cumulant_drive(collision, leading)
    driven |= {name: source(leading) for name, source in (extra or {}).items()}
    phi = {"drude": leading}
    solved, more = collision.solve(np.concatenate(list(driven.values())))
    phi |= dict(zip(driven, np.split(solved, len(driven)), strict=True))
    return FermiResponse(points, phi, coherent, max(steps, more))
