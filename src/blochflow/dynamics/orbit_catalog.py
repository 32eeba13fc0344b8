"""Static descriptions of orbits, levels and oscillations in magnetic and electric fields; needs no JAX."""

from __future__ import annotations

from blochflow.core.quantity import Quantity

_SYSTEMS = (
    ("NATURAL", "1/a^2", "E", "hbar/(e a^2)", "hbar/E"),
    ("EV_ANGSTROM", "1/angstrom^2", "eV", "T", "fs"),
)
_CONVENTIONS = (
    "electron charge -e; areas, curvature and moment are seen along z in two dimensions, along B in three; k(t) has "
    "low energies on its left for B towards the viewer; phases of a hole pocket are integrals over its inside"
)

CYCLOTRON_ORBITS = Quantity(
    name="orbits.cyclotron_orbits",
    title="Cyclotron orbits: area, mass, period, Berry and moment phases",
    symbol="A",
    equation=(
        "m_c = (hbar^2/2 pi) dA/dE;  T = (hbar^2/e|B|) closed-int D dl/|d_k h| on h = E_n - m.B = energy;  "
        "lambda = Int Omega d2k +/- (hbar/e) closed-int m dl/|d_k E|"
    ),
    references=("Onsager1952", "Xiao2010", "Mikitik1999"),
    units={(system, d): (1.0, area) for system, area, *_ in _SYSTEMS for d in (2, 3)},
    valid_for="fields with |m.B| far below the gap and e B Omega/hbar far below 1; two and three dimensions",
    not_included="magnetic breakdown between orbits, order B^2 of the energy, scattering",
    conventions=_CONVENTIONS,
    options={
        "energy": "energy of the orbits (a scan)",
        "magnetic_field": "B_z in 2D, vector in 3D; not zero",
        "k_parallel": "k.B^ of the planes in 3D (a scan)",
        "g_factor": "Zeeman energy (g/2) mu_B B.sigma with the model's spin (default: none)",
        "grid": "cells of the detection grid along the longest reciprocal vector",
        "extent": "3D, field along no lattice vector: half the width of the searched square, in home cells",
    },
    explanation=(
        "Every closed and open curve E_n(k) = energy in the plane perpendicular to the field, with its band, kind, "
        "area, cyclotron mass, period with all effects of Berry curvature and orbital moment, sense of circulation, "
        "and the phases that enter the quantisation: the integral of the Berry curvature over the pocket (its value, "
        "not modulo 2 pi), the phase of the orbital moment and that of the spin."
    ),
)
LANDAU_LEVELS = Quantity(
    name="orbits.landau_levels",
    title="Landau levels of pockets by Onsager's rule with Berry and moment phases",
    symbol="E_n",
    equation="A(E) = (2 pi e|B|/hbar) [n + 1/2 - sgn(B) lambda(E)/2 pi]",
    references=("Onsager1952", "Xiao2010", "Fuchs2010"),
    units={(system, 2): (1.0, energy) for system, _, energy, *_ in _SYSTEMS},
    valid_for="pockets around extrema of a single band in two dimensions; errors of order B^2",
    not_included="order B^2 (susceptibility), magnetic breakdown, the width of levels",
    conventions=_CONVENTIONS,
    options={
        "magnetic_field": "B_z (a scan), of either sign, not zero",
        "levels": "how many of every pocket",
        "band": "band index (default: all bands); needed with k",
        "k": "wave vectors near the extrema (default: all extrema on the grid)",
        "kind": '"electron" (minima only) or "hole" (maxima only)',
        "berry": "keep the Berry phase",
        "moment": "keep the phase of the orbital moment",
        "grid": "cells of the detection grid along the longest reciprocal vector",
    },
    explanation=(
        "The number of states below a level n of a pocket is (n + 1/2) e|B|/h. With the density of states D = 1 + "
        "(e/hbar) B.Omega and the energy E - m.B this is Onsager's rule with the phase lambda. It is solved for E by "
        "Newton steps on the curve of every level."
    ),
)
QUANTUM_OSCILLATIONS = Quantity(
    name="orbits.quantum_oscillations",
    title="Quantum oscillations: extremal orbits, frequencies, masses, phases and amplitudes",
    symbol="F",
    equation=(
        "F = hbar A_ext/(2 pi e);  cos[2 pi p (F/|B| - 1/2) + p lambda +/- pi/4];  R_T = X/sinh X, "
        "X = 2 pi^2 k_B T p m_c/(hbar e|B|);  R_D = exp(-pi p m_c/(e|B| tau))"
    ),
    references=("LifshitzKosevich1956", "Onsager1952", "Shoenberg1984"),
    units={(system, d): (1.0, field) for system, _, _, field, _ in _SYSTEMS for d in (2, 3)},
    valid_for="many Landau levels below mu, hbar omega_c far below the energy scale of the pocket",
    not_included="magnetic breakdown, magnetic interaction, extrema between which no plane of the scan lies",
    conventions=_CONVENTIONS,
    options={
        "magnetic_field": "a vector or vectors (field, a) in 3D, a number or numbers in 2D",
        "tau": "quantum lifetime of the Dingle factor (default: none)",
        "harmonics": "number of harmonics p",
        "g_factor": "Zeeman energy with the model's spin",
        "planes": "planes in the scan of k.B^",
        "grid": "cells of the detection grid along the longest reciprocal vector",
        "extent": "3D, field along no lattice vector: half the width of the searched square, in home cells",
    },
    explanation=(
        "In two dimensions every closed orbit oscillates, in three the extremal ones: the area of every family of "
        "closed orbits is followed from plane to plane and dA/dk_par = 0 is solved to rounding. Each orbit comes with "
        "frequency, mass, phase, curvature of the area and the amplitude factors of Lifshitz and Kosevich."
    ),
)
BLOCH_OSCILLATION = Quantity(
    name="orbits.bloch_oscillation",
    title="Bloch oscillation: period, amplitude, transverse drift",
    symbol="T_B",
    equation=(
        "T_B = hbar|G|/(e|E|);  amplitude = (max E_n - min E_n)/(e|E|);  "
        "drift_a = Int_0^T [d_a E_n/hbar + (e/hbar) Omega_ab E_b] dt"
    ),
    references=("AshcroftMermin1976", "Xiao2010"),
    units={(system, d): (1.0, time) for system, *_, time in _SYSTEMS for d in (1, 2, 3)},
    valid_for="weak uniform fields along a reciprocal vector; one band apart from the others",
    not_included="Zener transitions, scattering; fields in other directions have no period",
    conventions="hbar kdot = -eE; velocity d_k E/hbar - kdot x Omega",
    options={"k": "wave vectors", "electric_field": "(d,) vector", "band": "band index (default 0)"},
    explanation=(
        "A uniform electric field moves k along a straight line that closes in the zone if the field points along a "
        "reciprocal vector G. The packet oscillates along the field over the range of energies on the line divided by "
        "e|E|, and drifts across it by the mean of the velocity and of the anomalous velocity."
    ),
)
QUANTITIES = {q.name: q for q in (CYCLOTRON_ORBITS, LANDAU_LEVELS, QUANTUM_OSCILLATIONS, BLOCH_OSCILLATION)}
