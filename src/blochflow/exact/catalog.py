"""Catalog of the quantum references: what every result's attributes say.  No JAX here."""

from __future__ import annotations

import math

from blochflow.core.quantity import Quantity
from blochflow.core.units import BOLTZMANN_EV, CONDUCTANCE_HBAR_SI, ELEMENTARY_CHARGE, HBAR, PLANCK

# h/e, the flux of one quantum, in B times area of the unit system: 2 pi, or T angstrom^2
FLUX_QUANTUM = {"NATURAL": 2 * math.pi, "EV_ANGSTROM": PLANCK / ELEMENTARY_CHARGE * 1e20}

# one eV of e/hbar: e^2/hbar times a volt, in A
CURRENT_PER_EV = CONDUCTANCE_HBAR_SI
# e/hbar in 1/(T angstrom^2)
FIELD_PER_AREA = ELEMENTARY_CHARGE / HBAR * 1e-20

FLUX_OPTIONS = {
    "p": "numerator of the flux p/q in units of h/e per unit cell; its sign is that of B_z",
    "q": "denominator of the flux: the magnetic cell holds q unit cells along a1",
}
STEP_OPTION = {"q": "flux steps 1/q, with 2/q and 1/(2q) for the extrapolation: an even number of at least 4"}
FIELD_VALID = "independent electrons, T >= 0; Peierls phases, which hold for fields that vary slowly over an orbital"
FIELD_LEFT_OUT = "Zeeman energy (add it with model.with_zeeman), field dependence of the orbitals, position matrices"
FIELD_CONVENTIONS = "charge -e, <i|H|j> gets exp(-i (e/hbar) Int_j^i A.dl); B along +z for p > 0"

GRAND_POTENTIAL = Quantity(
    name="grand_potential",
    title="Grand potential of a lattice in a rational magnetic flux",
    symbol="Phi",
    equation="Phi = -(1/A) sum_levels k_B T ln(1 + exp((mu - E)/k_B T)) at flux p/q",
    references=("Peierls1933", "Hofstadter1976"),
    units={("NATURAL", 2): (1.0, "E/a^2"), ("EV_ANGSTROM", 2): (1.0, "eV/angstrom^2")},
    valid_for=FIELD_VALID,
    not_included=FIELD_LEFT_OUT,
    conventions=f"per area, times spin_degeneracy; {FIELD_CONVENTIONS}",
    options=FLUX_OPTIONS,
    explanation="The exact levels of the lattice in the field, summed over the magnetic Brillouin zone.",
)

ELECTRON_DENSITY_IN_FLUX = Quantity(
    name="electron_density",
    title="Electron density of a lattice in a rational magnetic flux",
    symbol="n",
    equation="n = -dPhi/dmu = (1/A) sum_levels f(E) at flux p/q",
    references=("Peierls1933", "Hofstadter1976"),
    units={("NATURAL", 2): (1.0, "1/a^2"), ("EV_ANGSTROM", 2): (1.0, "1/angstrom^2")},
    valid_for=FIELD_VALID,
    not_included=FIELD_LEFT_OUT,
    conventions=f"electrons per area, times spin_degeneracy; {FIELD_CONVENTIONS}",
    options=FLUX_OPTIONS,
    explanation="The number of electrons in the exact levels of the lattice in the field.",
)

ENTROPY = Quantity(
    name="entropy",
    title="Entropy of a lattice in a rational magnetic flux",
    symbol="S",
    equation="S = -dPhi/dT = -(k_B/A) sum_levels [f ln f + (1 - f) ln(1 - f)] at flux p/q",
    references=("Peierls1933", "Hofstadter1976"),
    units={("NATURAL", 2): (1.0, "k_B/a^2"), ("EV_ANGSTROM", 2): (BOLTZMANN_EV, "eV/(K angstrom^2)")},
    valid_for=FIELD_VALID,
    not_included=FIELD_LEFT_OUT,
    conventions=f"per area, times spin_degeneracy; {FIELD_CONVENTIONS}",
    options=FLUX_OPTIONS,
    explanation="The entropy of electrons in the exact levels of the lattice in the field.",
)

MAGNETIZATION = Quantity(
    name="magnetization",
    title="Orbital magnetization from the levels in a magnetic flux",
    symbol="M",
    equation="M = -dPhi/dB at B = 0, mu and T fixed",
    references=("Peierls1933", "Hofstadter1976", "Thonhauser2005"),
    units={("NATURAL", 2): (1.0, "e E/hbar"), ("EV_ANGSTROM", 2): (CURRENT_PER_EV, "A")},
    valid_for="two dimensions; k_B T above the spacing of Landau levels at flux 2/q, or mu in a gap",
    not_included=FIELD_LEFT_OUT,
    conventions=f"M along z, times spin_degeneracy; {FIELD_CONVENTIONS}",
    options=STEP_OPTION,
    explanation=(
        "The grand potential of the lattice in fluxes +1/q and -1/q per cell is differenced, and steps 1/q and 1/(2q) "
        "are extrapolated to zero field. No Berry curvature and no orbital moment enters: an independent value of "
        "the orbital magnetization of the semiclassical theory."
    ),
)

STREDA = Quantity(
    name="streda",
    title="Streda derivative of the density from the levels in a magnetic flux",
    symbol="dn/dB",
    equation="dn/dB = dM/dmu at B = 0, mu and T fixed",
    references=("Streda1982", "Hofstadter1976", "Peierls1933"),
    units={("NATURAL", 2): (1.0, "e/hbar"), ("EV_ANGSTROM", 2): (FIELD_PER_AREA, "1/(T angstrom^2)")},
    valid_for="two dimensions; k_B T above the spacing of Landau levels at flux 2/q, or mu in a gap",
    not_included=FIELD_LEFT_OUT,
    conventions=f"in a gap dn/dB = C e/(2 pi hbar) = -sigma_xy/e; {FIELD_CONVENTIONS}",
    options=STEP_OPTION,
    explanation="The density of the lattice in fluxes +1/q and -1/q, differenced and extrapolated to zero field.",
)

MAGNETOCALORIC = Quantity(
    name="magnetocaloric",
    title="Magnetocaloric derivative of the entropy from the levels in a magnetic flux",
    symbol="dS/dB",
    equation="dS/dB = dM/dT at B = 0, mu and T fixed",
    references=("Hofstadter1976", "Peierls1933", "Xiao2010"),
    units={("NATURAL", 2): (1.0, "e k_B/hbar"), ("EV_ANGSTROM", 2): (CURRENT_PER_EV * BOLTZMANN_EV, "A/K")},
    valid_for="two dimensions; k_B T above the spacing of Landau levels at flux 2/q, or mu in a gap",
    not_included=FIELD_LEFT_OUT,
    conventions=f"differs from the anomalous Nernst conductivity by Int m df/dT; {FIELD_CONVENTIONS}",
    options=STEP_OPTION,
    explanation="The entropy of the lattice in fluxes +1/q and -1/q, differenced and extrapolated to zero field.",
)

CURRENT_PROFILE = Quantity(
    name="current_profile",
    title="Equilibrium current along a ribbon, row by row",
    symbol="I(y)",
    equation="I(y) = -e Int dk/(2 pi) sum_(i at y) Re [v(k) f(H(k))]_ii",
    references=("Ceresoli2006", "Thonhauser2005"),
    units={("NATURAL", 1): (1.0, "e E/hbar"), ("EV_ANGSTROM", 1): (CURRENT_PER_EV, "A")},
    valid_for="independent electrons, T >= 0",
    not_included="position matrices beyond the orbital centres",
    conventions="charge -e; x along the ribbon, y across with (x, y, z) right-handed; a bond gives half to each end",
    options={"transverse": "coordinate of the rows across the ribbon, zero in its middle"},
    explanation="Persistent currents run along the edges of a magnetized ribbon; those of its interior cancel.",
)

EDGE_MAGNETIZATION = Quantity(
    name="edge_magnetization",
    title="Orbital magnetization of the bulk from the edge current of a ribbon",
    symbol="M",
    equation="M = -Int dy w(y) j_x(y), w rising smoothly from 0 to 1 across the middle of the ribbon",
    references=("Ceresoli2006", "Thonhauser2005"),
    units={("NATURAL", 2): (1.0, "e E/hbar"), ("EV_ANGSTROM", 2): (CURRENT_PER_EV, "A")},
    valid_for="ribbons much wider than the states of an edge, and than hbar v/(k_B T) in a metal",
    not_included="position matrices beyond the orbital centres",
    conventions="j = curl M, charge -e; M along z",
    options={
        "width": "unit cells across, an even number of at least 32; half of them give the error",
        "direction": "0 or 1: the lattice vector along which the ribbon runs",
    },
    explanation=(
        "The magnetization of the bulk is the current that flows along the edge. With a smooth weight the currents of "
        "the interior, which circulate in every cell, enter with the moment they carry."
    ),
)

LENGTH_UNITS = {
    (system, d): (1.0, unit) for system, unit in (("NATURAL", "a"), ("EV_ANGSTROM", "angstrom")) for d in (1, 2, 3)
}
PACKET_OPTIONS = {
    "packet": "starting points: position, wavevector, band, width",
    "times": "times at which to save; the first is where the packets start",
    "sites": "unit cells along each lattice vector",
    "electric_field": "vector, or function of (x, t) that does not depend on x",
    "magnetic_field": "vector in 3D, B_z in 2D",
    "center": "middle of the sample; by default the mean position of the packets",
    "envelope": '"band" or "product"',
    "reference": "state whose overlap with u(k) is positive",
    "lattice_constant": "spacing of the lattice of a k.p model",
    "tolerance": "{ rtol = 1e-8 }: norm of the error of the state at the last time",
}
LATTICE_PACKET = Quantity(
    name="lattice_packet",
    title="Wave packets evolved by the Schroedinger equation on a finite lattice",
    symbol="<x>",
    equation="i hbar d_t psi = H psi,  H_ij = t_ij((r_i + r_j)/2, t) exp(-i (e/hbar) Int_j^i A.dl) + delta_ij e E.r_i",
    references=("Sundaram1999", "Peierls1933", "TalEzer1984", "Blanes2006", "Alvermann2011"),
    units=LENGTH_UNITS,
    valid_for="independent electrons, any number of bands; packets that stay away from the edges of the sample",
    not_included="position matrices beyond the orbital centres, Zeeman energy (add it with model.with_zeeman)",
    conventions="charge -e, potential energy +eE.x; k is the kinetic wave vector, unwrapped",
    options=PACKET_OPTIONS,
    explanation=(
        "A Gaussian packet of one band is evolved with the hoppings of the model, with no approximation but the edges "
        "of the sample. In a texture a hopping is that of the centre of its bond."
    ),
)
COMPARE = Quantity(
    name="compare",
    title="Trajectories of theories against the exact evolution of a packet",
    symbol="x - <x>",
    equation="difference = sum_q w_q x_q(t) - <psi(t)|x|psi(t)>,  x_q(0) = x0 + A(k_q), k_q of variance 1/(4 W^2)",
    references=("Sundaram1999", "Xiao2010", "TalEzer1984", "Blanes2006", "Alvermann2011"),
    units=LENGTH_UNITS,
    valid_for="packets that stay away from the edges of the sample",
    not_included="spread of the trajectories over the positions in a packet, of order (W/L)^2 in textures",
    conventions="theory minus exact evolution; charge -e",
    options={**PACKET_OPTIONS, "theories": "those of `propagate`", "nodes": "Gauss-Hermite points per axis of k"},
    explanation=(
        "What a packet does is the average over its wave vectors, each of which moves as the theory says. What is left "
        "of the difference when the packet gets wider, and fields and textures slower, is the error of the theory."
    ),
)

QUANTITIES = {
    q.name: q
    for q in (
        GRAND_POTENTIAL,
        ELECTRON_DENSITY_IN_FLUX,
        ENTROPY,
        MAGNETIZATION,
        STREDA,
        MAGNETOCALORIC,
        CURRENT_PROFILE,
        EDGE_MAGNETIZATION,
    )
}
