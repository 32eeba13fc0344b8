"""Descriptions of passages between bands, for `explain`, jobs and results.  No JAX here."""

from __future__ import annotations

from blochflow.core.quantity import Quantity

SYSTEMS = (("NATURAL", "E", "hbar/E"), ("EV_ANGSTROM", "eV", "fs"))
NUMBERS = {(system, d): (1.0, "1") for system, *_ in SYSTEMS for d in (1, 2, 3)}
CONVENTIONS = "charge -e: k moves against the field, k(s) = k - s E/|E|"

LANDAU_ZENER = Quantity(
    name="nonadiabatic.landau_zener",
    title="Landau-Zener probability to change band at an avoided crossing",
    symbol="P",
    equation="P = exp(-pi (g/2)^2/(hbar v e|E|))",
    references=("Zener1932",),
    units=NUMBERS,
    valid_for="two bands, a crossing passed as a whole with constant velocity and field",
    not_included="interference of passages, other bands",
    conventions="g is the whole gap, v half the difference of the velocities of the two lines that cross",
    options={
        "gap": "smallest distance of the bands on the line of k (a scan)",
        "velocity": "half the difference of the velocities of the lines that cross, along the field (a scan)",
        "electric_field": "size of the field (a scan)",
    },
    explanation=(
        "Two bands cross as lines with velocities +-v and are coupled by g/2. An electron that a field drives through "
        "the crossing stays on its line, and so changes band, with probability P. Numbers are in the units of the "
        "model, of which nothing else enters; nonadiabatic.avoided_crossing finds g and v of its bands."
    ),
)
AVOIDED_CROSSING = Quantity(
    name="nonadiabatic.avoided_crossing",
    title="Avoided crossings on the way of an electron in a field",
    symbol="P",
    equation=(
        "minima of g(s) = E_{n+1} - E_n on k - s E/|E|;  v = |<n+1|d_s H|n>|/hbar, where g = 0 half the difference of "
        "slopes;  P = exp(-pi (g/2)^2/(hbar v e|E|))"
    ),
    references=("Zener1932",),
    units=NUMBERS,
    valid_for="crossings apart from each other, where hyperbola = g g''/(2 v)^2 is near 1",
    not_included="interference of passages, other bands",
    conventions=CONVENTIONS,
    options={
        "k": "wave vector at which the line begins",
        "electric_field": "(d,) vector",
        "band": "the lower of the two bands, of a doublet its last (default 0)",
        "extent": "length of the line in k (default: a reciprocal vector along the field)",
    },
    explanation=(
        "A field takes k along a straight line. Where the distance of two bands has a minimum on it, an electron may "
        "change band; gap, velocity and probability of every such place are given in the order in which it is met. "
        "Bands that cross exactly are passed with probability 1. Of bands that coincide, such as doublets, the "
        "velocity is that of their whole block, which no choice of states changes."
    ),
)
BLOCH_ZENER = Quantity(
    name="nonadiabatic.bloch_zener",
    title="Bloch-Zener oscillations: exact Wannier-Stark levels of all bands together",
    symbol="w_j",
    equation="V(G)^+ U(T_B)|w_j> = exp(-i w_j T_B/hbar)|w_j>,  T_B = hbar|G|/(e|E|);  beats 2 pi hbar/(w_j - w_i)",
    references=("Breid2006",),
    units={(system, d): (1.0, energy) for system, energy, _ in SYSTEMS for d in (1, 2, 3)},
    valid_for="uniform fields of any strength along a reciprocal vector",
    not_included="scattering; fields in other directions have no period",
    conventions="levels lie between -1/2 and 1/2 of the spacing 2 pi hbar/T_B of their ladders",
    options={
        "k": "wave vectors; levels depend on their part across the field",
        "electric_field": "(d,) vector along a reciprocal vector",
    },
    explanation=(
        "All bands evolve together along a Bloch period, and the eigenphases of the evolution are levels of "
        "Wannier-Stark ladders, one for each band. With tunnelling between bands a packet comes back to itself only "
        "after the beat of two ladders, if that is a multiple of the Bloch period. `transition` holds the "
        "probabilities to be in a band after one period from another."
    ),
)
DIRAC_HALL_SUPPRESSION = Quantity(
    name="nonadiabatic.dirac_hall_suppression",
    title="Suppression of the Hall current of a gapped Dirac cone in a strong field",
    symbol="S",
    equation="J_perp = sgn(m) (e^2/2h) E S(x),  x = e E hbar v/(2 m^2)",
    references=("Tu2020",),
    units=NUMBERS,
    valid_for="mu in the gap 2|m|, T = 0, one valley; the part of order tau^0",
    not_included="carriers, tunnelling",
    conventions="of hbar v (k_x s_x + k_y s_y) + m s_z; the other valley has the opposite sign",
    options={"field": "x, the field over 2 m^2/(e hbar v) (a scan)"},
    explanation=(
        "S falls from 1 at weak fields like 1 - (3/35) x^2, and as x^(-1/2) at strong ones, where the field mixes the "
        "two bands. A closed form: nothing of the model of the job enters. response.finite_field_current gives the "
        "current of any model."
    ),
)
PASSAGES = {q.name: q for q in (LANDAU_ZENER, AVOIDED_CROSSING, BLOCH_ZENER, DIRAC_HALL_SUPPRESSION)}
