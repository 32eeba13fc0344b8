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
