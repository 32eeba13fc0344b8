"""The driver of zone integrals over cells: prove gaps open, interpolate, fill, refine until the error is small enough.

I = Int_cube d^du sum_j (f_j - f_{j+1}) S_j(u)        error <= max(atol, rtol |largest component|)
"""

from __future__ import annotations

import numpy as np

from blochflow.core.status import Status
from blochflow.zone.adaptive import CellIntegral, Project, integrate_cells
from blochflow.zone.cells import CellSet
from blochflow.zone.certificate import BandSource, Certified, Filling, certify
from blochflow.zone.integral import Integral
from blochflow.zone.tolerance import Required, Tolerance

# Nodes per axis of the coarse and the fine rule, by tolerance: (smallest rtol, nodes in 1D and 2D, in 3D).
ORDERS = ((3e-3, (3, 5), (4, 5)), (3e-5, (4, 6), (4, 5)), (0.0, (6, 8), (5, 7)))


def integrate(
    integrand: BandSource,
    zone: CellSet,
    required: Required,
    *,
    filling: Filling,
    memory: int = 2**31,
    tree: Certified | None = None,
    project: Project = lambda value, error: (value, error),
) -> Integral:
    """Integral over the cells of ``zone``, for all states of ``filling`` at once.

    Parameters
    ----------
    integrand : BandSource
        Energies, cumulative integrand and bounds of energies in cells; `response.source.ModelSource` makes one of a
        model.
    zone : CellSet
        Coarse cells, usually ``CellSet.whole_zone``, or those that symmetry leaves.
    required : Required
        Tolerance of every tensor among the results.
    filling : Filling
        Chemical potentials and k_B T, (P,) each.
    memory : int
        Most bytes for values of cells, where ``tolerance.max_memory`` says nothing.
    tree : Certified or None
        ``certify(integrand, zone, filling, ..)``, where it is known already.
    project : callable
        Sums over the cells of ``zone`` to sums over the whole zone.

    Returns
    -------
    Integral
        value, error (P, C), converged (P,), evaluations, status, and what the error rests on.

    Examples
    --------
    >>> import numpy as np, blochflow as bf
    >>> from blochflow.response.integrands import BerrySea
    >>> from blochflow.response.source import ModelSource
    >>> from blochflow.zone.cells import CellSet
    >>> from blochflow.zone.certificate import Filling
    >>> from blochflow.zone.charts import LatticeChart
    >>> from blochflow.zone.integrate import integrate
    >>> from blochflow.zone.tolerance import Required
    >>> model = bf.zoo.qwz(mass=1.0)
    >>> source = ModelSource(model, BerrySea(1), LatticeChart(model.lattice.reciprocal), bf.Execution(progress=False))
    >>> cells, states = CellSet.whole_zone((4, 4)), Filling(mu=np.zeros(1), kt=np.zeros(1))
    >>> done = integrate(source, cells, Required(bf.Tolerance(rtol=1e-4)), filling=states)
    >>> round(float(done.value[0, 0]) * 2 * np.pi, 3), bool(done.converged[0])  # the Chern number
    (-1.0, True)
    """
    tolerance = required.tolerance
    limit = tolerance.evaluations(integrand.dimension)
    kept = reserved(tolerance, integrand.dimension)
    tree = tree or certify(integrand, zone, filling, limit, per_cell=kept, rtol=tolerance.rtol)
    done = integrate_cells(
        integrand,
        filling,
        tree,
        required,
        orders=orders_for(tolerance, integrand.dimension),
        limit=limit,
        memory=tolerance.memory_bytes or memory,
        project=project,
    )
    return as_integral(done, tree, rigorous=integrand.rigorous)


def reserved(tolerance: Tolerance, dimension: int) -> int:
    """Evaluations to keep for each cell where the user limits them."""
    if tolerance.max_evaluations is None:
        return 0
    return sum(n**dimension for n in orders_for(tolerance, dimension))


def orders_for(tolerance: Tolerance, dimension: int) -> tuple[int, int]:
    """Nodes per axis of the two rules."""
    for smallest, plane, space in ORDERS:
        if tolerance.rtol >= smallest:
            return space if dimension == 3 else plane
    raise AssertionError("the last row of ORDERS takes every tolerance")


def as_integral(done: CellIntegral, tree: Certified, *, rigorous: bool) -> Integral:
    """Result of the cell rule in the common form."""
    if done.converged.all():
        status = Status.CONVERGED
    elif len(tree.touching) and np.isnan(done.error).any():
        status = Status.TOUCHING
    else:
        status = Status.NOT_CONVERGED
    rigor = "two rules on cells in which every gap at mu is proven open"
    if not rigorous:
        rigor += " (not rigorous: bounds on H from samples)"
    if len(tree.touching):
        share = tree.touching.volume.sum()
        rigor += f", except in {len(tree.touching)} cells, {share:.1e} of the zone, where bands may touch"
    return Integral(
        done.value,
        done.error,
        done.converged,
        done.absolute,
        done.evaluations,
        status,
        done.history,
        rule="cells",
        rigor=rigor,
        gap=tree.smallest_gap,
    )
