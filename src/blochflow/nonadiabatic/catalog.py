"""Descriptions of hybridised bands, for `explain`, jobs and results.  No JAX here."""

from __future__ import annotations

from blochflow.core.quantity import Quantity

HYBRID_BANDS = Quantity(
    name="hybrid_bands",
    title="Bands hybridised by an electric field, along a path",
    symbol="E_i(k)",
    equation="(H + eE.R)|u_i> = E_i|u_i>,  v_i = <u_i|d_k H|u_i>/hbar,  F_i = -<u_i|d_x H|u_i>",
    references=("Tu2020",),
    units={(system, d): (1.0, unit) for d in (1, 2, 3) for system, unit in (("NATURAL", "E"), ("EV_ANGSTROM", "eV"))},
    valid_for="uniform fields; R couples bands of different groups, those of one group follow by parallel transport",
    not_included="tunnelling, whose probability nonadiabatic.landau_zener gives",
    conventions="charge -e; bands ordered by E_i, which the field pushes apart",
    options={
        "path": 'labels such as "G-X|M-G", or a list of labels and [label, [reduced coordinates]]',
        "electric_field": "vector, or a list of vectors, in jobs also { magnitude, direction }: dimension `field`",
        "points": "number of wave vectors along the path (default 200)",
        "x": "place in a texture",
        "t": "time, for models that vary in time (default 0)",
        "groups": "groups of bands that the field does not mix, e.g. [[0, 1], [2, 3]]",
        "group_tolerance": "neighbouring bands closer than this energy are a group (default 0: those that coincide)",
        "active": "bands of a manifold that hybridises within itself; the others enter by curvature",
    },
    explanation=(
        "Between collisions a field mixes bands: in the basis transported along the path of k it adds eE.R to H, R the "
        "matrix of interband Berry connections. Eigenstates of the sum move with a velocity that holds the anomalous "
        "velocity, suppressed where e|E.R| exceeds the gap. For two bands E_s = mean + s (Delta^2 + e^2 E.g.E)^(1/2) "
        "with 2 Delta the gap and g the quantum metric. Results depend on which bands are grouped where bands nearly "
        "touch; how much is reported."
    ),
)
