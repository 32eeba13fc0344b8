"""Static description of the band structure, for `blochflow explain`, `init` and results.  No JAX here."""

from __future__ import annotations

from blochflow.core.quantity import Quantity

BANDS = Quantity(
    name="bands",
    title="Band structure along a path",
    symbol="E_n(k)",
    equation="H(k)|u_n(k)> = E_n(k)|u_n(k)>",
    references=("AshcroftMermin1976", "Vanderbilt2018"),
    units={(system, d): (1.0, unit) for d in (1, 2, 3) for system, unit in (("NATURAL", "E"), ("EV_ANGSTROM", "eV"))},
    valid_for="periodic models; bands are ordered by energy, 0 is the lowest",
    not_included="bands outside the model",
    conventions="k Cartesian with the factor 2 pi; weights are NaN where a band touches another",
    options={
        "path": 'labels such as "G-X|M-G", or a list of labels and [label, [reduced coordinates]]',
        "points": "number of wave vectors along the path (default 200)",
        "color": 'weight of each state: "curvature", "curvature_yz", or an operator of the model such as "spin_z"',
        "reference": "file of reference bands in two columns (distance, energy), drawn into plots",
    },
    explanation=(
        "Energies along straight lines in the Brillouin zone, by diagonalization at every wave vector. With `color` "
        "every state also carries an expectation value or a component of its Berry curvature. Reference bands (such as "
        "Wannier90's `_band.dat` or postw90's `-bands.dat`) are stored with the result and overlaid in plots."
    ),
)

FERMI_SURFACE = Quantity(
    name="fermi_surface",
    title="Fermi surface: points, weights and connectivity of every sheet",
    symbol="E_n(k) = mu",
    equation="Int d^dk delta(E_n(k) - mu) F(k) = Int dS/|grad E| F ~ sum_i w_i F(k_i)",
    references=("AshcroftMermin1976",),
    units={
        (system, d): (1.0, f"1/({energy}*{length}^{d})")
        for d in (2, 3)
        for system, energy, length in (("NATURAL", "E", "a"), ("EV_ANGSTROM", "eV", "angstrom"))
    },
    valid_for="two and three dimensions, T = 0; vertices and points solve E = mu to rounding",
    not_included="pockets and necks smaller than a cell of the detection grid that leave no extremum on it",
    conventions="k Cartesian with the factor 2 pi; velocity = grad E; density: electrons positive, holes negative",
    options={
        "grid": "cells per axis of the detection grid (default 64 in 2D, 24 in 3D along the longest reciprocal vector)",
        "points": "2D: points on every curve (default: until converged); 3D: per triangle, 1, 3, 6 or 7",
        "color": 'stored at the vertices for plots: "curvature", "curvature_yz", or an operator such as "spin_z"',
    },
    explanation=(
        "The surface is found on a uniform grid by marching simplices, its vertices are refined by Newton steps, and "
        "points with weights are placed on it to high order: on closed curves the error falls exponentially with "
        "their number, on triangles with the sixth power of their size. Every sheet is described by its bands, whether "
        "it is closed (electron or hole), open, or cut by the cutoff of a k.p model, its winding, enclosed area or "
        "volume, density of states and closure residual |Int n dS|/Int dS. Bands that coincide share one sheet."
    ),
)
