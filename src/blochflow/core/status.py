"""How a computation ended; each text is the sentence the user reads."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Outcome of an integral over the Brillouin zone, or of an extrapolation built on such integrals."""

    CONVERGED = "converged"
    NOT_CONVERGED = (
        "not converged: the largest allowed number of k points was used before the tolerance was met; raise "
        "Tolerance(max_evaluations=...), loosen rtol, or raise the temperature"
    )
    UNRESOLVED = (
        "not converged: the allowed number of k points cannot resolve the temperature, or a gap at the chemical "
        "potential; raise the temperature or Tolerance(max_evaluations=...), loosen rtol, or give a `grid`"
    )
    TOUCHING = (
        "not converged: bands touch at the chemical potential at T = 0, where the integrand has no bound; move mu, "
        "open a gap, or raise the temperature"
    )
    FIXED_GRID = (
        "not converged on the requested grid: the difference from the grid with half the points per axis exceeds the "
        "tolerance; use a finer `grid`, or leave `grid` out to refine automatically"
    )
    UNCERTAIN_MU = (
        "not converged: the chemical potential at the given density is not known well enough; use a finer `grid`, "
        "raise Tolerance(max_evaluations=...), or raise the temperature"
    )
    NOT_INTEGER = (
        "not converged: no band was found at the chemical potential, yet the Chern numbers are not integers: a small "
        'gap was missed; use rule="cells" (up to eight bands), a much finer `grid`, or raise the temperature'
    )
    UNSEEN = (
        "not converged: no k point shows a state at the chemical potential, though bands may lie there, between the "
        'points; use rule="cells", or raise the temperature'
    )
    NO_CARRIERS = (
        "not defined: without carriers at the chemical potential the conductivity vanishes; move mu into a band, or "
        "raise the temperature"
    )
    COARSE_SURFACE = (
        "not converged: the Fermi surface has too few points; give more `points` (2D, the default ends at 2048 on a "
        "curve) or a finer `grid` (3D), loosen rtol, or move mu off a van Hove energy; smooth disorder needs several "
        "points within the inverse of its length"
    )
    COARSE_FLUX = (
        "not converged: the extrapolations to zero field from two steps of the flux differ by more than the tolerance; "
        "raise `q`, loosen rtol, or raise the temperature"
    )
    NARROW_RIBBON = (
        "not converged: ribbons of full and half width differ by more than the tolerance; raise `width`, loosen rtol, "
        "or raise the temperature"
    )
