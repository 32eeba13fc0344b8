"""Descriptions of currents at finite electric field.  No JAX here."""

from __future__ import annotations

from dataclasses import replace

from blochflow.core.quantity import Quantity
from blochflow.core.units import ELEMENTARY_CHARGE, HBAR
from blochflow.response.catalog_intrinsic import DENSITY, ZONE_OPTIONS

# e eV/hbar
AMPERE = ELEMENTARY_CHARGE**2 / HBAR
PER_METRE = 1e10

FINITE_FIELD_CURRENT = Quantity(
    name="finite_field_current",
    title="Current at finite electric field, of bands that the field hybridises",
    symbol="J_a",
    equation=(
        "J = -e Int d^dk/(2 pi)^d sum_i (f(E_i) + df_i) v_i,  v_i = <u_i|d_k H|u_i>/hbar,  "
        "df_i = -tau f' [d_x E_i.v_i + (1/hbar) d_k E_i.(F_i - eE)],  (H + eE.R)|u_i> = E_i|u_i>"
    ),
    references=("Tu2020", "Xiao2010"),
    units={
        ("NATURAL", 1): (1.0, "e E/hbar"),
        ("NATURAL", 2): (1.0, "e E/(hbar a)"),
        ("NATURAL", 3): (1.0, "e E/(hbar a^2)"),
        ("EV_ANGSTROM", 1): (AMPERE, "A"),
        ("EV_ANGSTROM", 2): (AMPERE * PER_METRE, "A/m"),
        ("EV_ANGSTROM", 3): (AMPERE * PER_METRE**2, "A/m^2"),
    },
    valid_for=(
        "uniform static fields with eEa small against the width of bands, one relaxation time for all bands, textures "
        "that vary slowly; a phenomenological theory: electrons lose coherence in the hybridised bands"
    ),
    not_included=(
        "tunnelling from band to band (see nonadiabatic.landau_zener), heating, interband relaxation; in textures "
        "first-order corrections of velocities"
    ),
    conventions="current of charge -e; fixed mu or density; relaxation time in the model's unit of time",
    options={
        "electric_field": "vector, or a list of vectors, in jobs also { magnitude, direction }: dimension `field`",
        "tau": "relaxation time, a number or a scan",
        "x": "place in a texture, or a list of places: dimension `position`",
        "t": "time, for models that vary in time (default 0)",
        "cell": "vectors after which a texture repeats: the average over this cell",
        "theory": '"multiband" (default): hybridised bands; "single_band": every band by itself',
        "groups": "groups of bands that the field does not mix, e.g. [[0, 1], [2, 3]]",
        "group_tolerance": "neighbouring bands closer than this energy are a group (default 0: those that coincide)",
        "active": "bands of a manifold that hybridises within itself, e.g. [0, 1]; the others enter by curvature",
        "partition": "2D: table of names, each with the corners of a polygon in reduced coordinates: valleys",
        **{name: text for name, text in ZONE_OPTIONS.items() if name != "symmetry"},
        **DENSITY,
    },
    explanation=(
        "A field mixes bands; electrons in the mixed bands move with a velocity that holds the anomalous velocity of "
        "all odd orders, suppressed where the field couples bands by more than their gap: for two bands by the factor "
        "(1 + e^2 E.g.E/Delta^2)^(-1/2), g the quantum metric and 2 Delta the gap. The part of order tau^0 becomes "
        "the intrinsic Hall current and the part of order tau the Drude current as E goes to 0. The current of second "
        "order is not that of an adiabatic packet: see the page on theory."
    ),
)

# The same of bands each by itself: what results of theory="single_band" say of themselves.
SINGLE_BAND_CURRENT = replace(
    FINITE_FIELD_CURRENT,
    title="Current at finite electric field, of every band by itself",
    equation=(
        "J = -e Int d^dk/(2 pi)^d sum_n D_n (f(E_n) + df_n) xdot_n,  df_n = tau e f' E.xdot_n,  D_n the phase-space "
        "density;  (1 + Omega_kx) xdot + Omega_kk kdot = d_k E_n/hbar,  "
        "(1 + Omega_kx)^T kdot - Omega_xx xdot = -(eE + d_x E_n)/hbar"
    ),
    references=("Tu2020", "Sundaram1999", "Xiao2005"),
    valid_for=(
        "uniform static fields that mix bands little, e|E.R| small against the gap, exact to first order in E; one "
        "relaxation time for all bands, textures that vary slowly"
    ),
    not_included=(
        "mixing of bands by the field and tunnelling, corrections of energies by gradients; the bound current of "
        "textures is beside the value, not in it"
    ),
    conventions="current of charge -e; fixed mu or density; relaxation time in the model's unit of time",
)

FIELD = (FINITE_FIELD_CURRENT,)
